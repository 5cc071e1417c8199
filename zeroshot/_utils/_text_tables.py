"""Tables of text, aligned for a terminal or as HTML for a notebook."""

from __future__ import annotations

import html
import unicodedata
from collections.abc import Sequence

Rows = Sequence[Sequence[str]]


def aligned(rows: Rows) -> str:
    """Return rows, the first of which is the head, with their columns below each other.

    Examples
    --------
    >>> print(aligned([["", "value"], ["hit_at_1", "0.5"]]))
              value
    hit_at_1  0.5
    """
    widths = [max(map(terminal_width, column)) for column in zip(*rows, strict=True)]
    lines = (
        "  ".join(padded(cell, width) for cell, width in zip(row, widths, strict=True))
        for row in rows
    )
    return "\n".join(line.rstrip() for line in lines)


def terminal_width(text: str) -> int:
    """Return how many cells of a terminal a line takes: two for a wide letter, none for an accent.

    Examples
    --------
    >>> from zeroshot._utils._text_tables import terminal_width
    >>> [terminal_width(text) for text in ("cat", "猫", "café")]
    [3, 2, 4]
    """
    return sum(
        0 if unicodedata.category(char) in ("Mn", "Me") else 2 if _is_wide(char) else 1
        for char in text
    )


def _is_wide(char: str) -> bool:
    return unicodedata.east_asian_width(char) in ("W", "F")


def padded(text: str, width: int, *, right: bool = False) -> str:
    """Return a line with spaces behind it, or before it, so that it takes `width` cells."""
    spaces = " " * (width - terminal_width(text))
    return spaces + text if right else text + spaces


def html_table(rows: Rows, *, caption: str = "") -> str:
    """Return rows, the first of which is the head, as an HTML table, everything escaped.

    Examples
    --------
    >>> html_table([["label"], ["<b>"]])
    '<table><tr><th>label</th></tr><tr><td>&lt;b&gt;</td></tr></table>'
    """
    above = f"<caption>{html.escape(caption)}</caption>" if caption else ""
    lines = []
    for kind, row in zip(["th", *["td"] * (len(rows) - 1)], rows, strict=True):
        cells = "".join(f"<{kind}>{html.escape(cell)}</{kind}>" for cell in row)
        lines.append(f"<tr>{cells}</tr>")
    return f"<table>{above}{''.join(lines)}</table>"


def printable(text: str) -> str:
    r"""Return `text` with everything escaped that could steer a terminal or break a line.

    That is control characters, marks that turn the direction of what follows, and what stands for
    bytes of a file name that are no UTF-8.

    Examples
    --------
    >>> from zeroshot._utils._text_tables import printable
    >>> printable("caf\u00e9\x1b[31m\n")
    'café\\x1b[31m\\n'
    """
    return "".join(
        char.encode("unicode_escape").decode("ascii") if _steers(char) else char for char in text
    )


def _steers(char: str) -> bool:
    category = unicodedata.category(char)
    return category.startswith("C") or category in ("Zl", "Zp")
