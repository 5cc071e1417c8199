"""Formulas as MathML, made when the site is built: no script draws them."""

from __future__ import annotations

from typing import Any

from latex2mathml.converter import convert
from sphinx.util.math import get_node_equation_number


def _mathml(tex: str, display: str) -> str:
    return convert(" ".join(tex.split()), display=display)


def _visit_inline(self: Any, node: Any) -> None:
    from docutils.nodes import SkipNode

    self.body.append(_mathml(node.astext(), "inline"))
    raise SkipNode


def _visit_block(self: Any, node: Any) -> None:
    from docutils.nodes import SkipNode

    number = f" ({get_node_equation_number(self, node)})" if node["number"] else ""
    self.body.append(f'<p class="formula">{_mathml(node.astext(), "block")}{number}</p>')
    raise SkipNode


def setup(app: Any) -> dict[str, bool]:
    """Register the renderer ``mathml``."""
    app.add_html_math_renderer("mathml", (_visit_inline, None), (_visit_block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
