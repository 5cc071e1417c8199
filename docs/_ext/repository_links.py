"""Links that are right in the repository, made right on the site.

Pages link to files outside ``docs/`` (``../CHANGELOG.md``, ``../examples/image_folder.py``). Those
that have a page on the site lead there, scripts become downloads.
"""

from __future__ import annotations

import re
from typing import Any

PAGES = {"CHANGELOG.md": "changelog.md", "CONTRIBUTING.md": "contributing.md"}
_LINK = re.compile(r"(?<=\]\()\.\./(" + "|".join(map(re.escape, PAGES)) + r")(?=[)#])")


def _on_source(app: Any, name: str, source: list[str]) -> None:
    source[0] = _LINK.sub(lambda link: PAGES[link[1]], source[0])


def setup(app: Any) -> dict[str, bool]:
    """Rewrite pages as they are read."""
    app.connect("source-read", _on_source)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
