"""Tables of results: as text, and as HTML for notebooks."""

from __future__ import annotations

import html
import textwrap
from collections.abc import Sequence

Rows = Sequence[Sequence[str]]


def text_table(heading: str, rows: Rows, remarks: Sequence[str]) -> str:
    """Return rows of cells, the first of them names, between a heading and remarks."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    table = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    return "\n".join([heading, *table, *(part for line in remarks for part in _wrapped(line))])


def html_table(heading: str, rows: Rows, remarks: Sequence[str]) -> str:
    """Return the same as HTML, in which any text stands as it is."""
    head, *body = [[html.escape(cell) for cell in row] for row in rows]
    lines = ["<tr>" + "".join(f"<th>{cell}</th>" for cell in head) + "</tr>"]
    lines += ["<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in body]
    below = "".join(f"<p>{html.escape(line)}</p>" for line in remarks)
    caption = f"<caption>{html.escape(heading)}</caption>"
    return f"<table>{caption}{''.join(lines)}</table>{below}"


def number(value: float) -> str:
    """Return three digits behind the point, or the first one that is not 0."""
    return f"{value:.3f}" if value == 0 or abs(value) >= 0.0005 else f"{value:.1g}"


def _wrapped(line: str) -> list[str]:
    return textwrap.wrap(line, 88)
