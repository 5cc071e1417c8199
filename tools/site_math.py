"""Formulas of docstrings on the site: TeX becomes MathML when it is built, and no script draws it.

A griffe extension turns ``.. math::`` blocks into ``:math:`` roles, which Markdown leaves alone,
and a hook of mkdocs turns the roles' contents into MathML.
"""

import html
import re
from typing import Any

from griffe import Extension, Object
from latex2mathml.converter import convert

# The directive, then what is indented deeper than it, blank lines included.
_BLOCK = re.compile(r"^( *)\.\. math::(.*(?:\n(?:\1 +.*|[ \t]*(?=\n\1 )))*)", re.MULTILINE)
_ROLE = re.compile(r":math:<code>(.*?)</code>", re.DOTALL)
_DISPLAYED = re.compile(r"<p>:math:<code>([^<]*)</code></p>")


class MathBlocks(Extension):
    """Write blocks of formulas as paragraphs with a role."""

    def on_object(self, *, obj: Object, **_: Any) -> None:
        """Rewrite one docstring."""
        if obj.docstring is not None:
            obj.docstring.value = _BLOCK.sub(
                lambda block: f"{block[1]}:math:`{' '.join(block[2].split())}`",
                obj.docstring.value,
            )


def on_page_content(content: str, **_: Any) -> str:
    """Replace every role by MathML, one that is a paragraph of its own by a displayed formula."""
    content = _DISPLAYED.sub(
        lambda found: f'<p class="formula">{_mathml(found[1], "block")}</p>', content
    )
    return _ROLE.sub(lambda found: _mathml(found[1], "inline"), content)


def _mathml(escaped: str, display: str) -> str:
    return convert(" ".join(html.unescape(escaped).split()), display=display)
