"""A hook of mkdocs: files outside ``docs/`` that the pages link to become part of the site.

Links are written as they are right in the repository (``../CHANGELOG.md``, ``docs/design.md``); on
the site, whose root is ``docs/``, the files of `OUTSIDE` lie beside the pages.
"""

import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[1]
OUTSIDE = ("CHANGELOG.md", "CONTRIBUTING.md", "examples/*.py")
# What follows is left as it is: links within docs/, addresses, and `f["name"](x)` in code.
_LINK = re.compile(r"(?<=\]\()(?:\.\./|docs/)[^)\s#]+")


def on_files(files: Files, config: Any) -> Files:
    """Add what lies outside ``docs/``."""
    for pattern in OUTSIDE:
        for path in sorted(ROOT.glob(pattern)):
            uri = path.relative_to(ROOT).as_posix()
            files.append(File.generated(config, uri, abs_src_path=str(path)))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Turn links that are right in the repository into links that are right on the site."""
    uri = page.file.src_uri
    folder = posixpath.dirname(uri if uri in OUTSIDE else f"docs/{uri}")

    def on_the_site(link: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(folder, link[0]))
        return posixpath.relpath(target.removeprefix("docs/"), posixpath.dirname(uri) or ".")

    return _LINK.sub(on_the_site, markdown)
