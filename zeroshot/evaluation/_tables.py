"""Results as a table between a heading and remarks: as text, and as HTML for notebooks."""

from __future__ import annotations

import html
import textwrap
from collections.abc import Sequence

from zeroshot import _tabular
from zeroshot._tabular import Rows


def text_table(heading: str, rows: Rows, remarks: Sequence[str]) -> str:
    """Return rows of cells, the first of them names, between a heading and remarks."""
    lines = [part for line in remarks for part in textwrap.wrap(line, 88)]
    return "\n".join([heading, _tabular.aligned(rows), *lines])


def html_table(heading: str, rows: Rows, remarks: Sequence[str]) -> str:
    """Return the same as HTML, in which any text stands as it is."""
    below = "".join(f"<p>{html.escape(line)}</p>" for line in remarks)
    return _tabular.html_table(rows, caption=heading) + below


def number(value: float) -> str:
    """Return three digits behind the point, or the first one that is not 0."""
    return f"{value:.3f}" if value == 0 or abs(value) >= 0.0005 else f"{value:.1g}"
