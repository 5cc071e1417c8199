"""Text of others, such as labels and file names, made harmless to look at."""

from __future__ import annotations

import unicodedata


def printable(text: str) -> str:
    r"""Return `text` with everything escaped that could steer a terminal or break a line.

    That is control characters, marks that turn the direction of what follows, and what stands for
    bytes of a file name that are no UTF-8.

    Examples
    --------
    >>> from zeroshot._printable import printable
    >>> printable("caf\u00e9\x1b[31m\n")
    'café\\x1b[31m\\n'
    """
    return "".join(
        char.encode("unicode_escape").decode("ascii") if _steers(char) else char for char in text
    )


def _steers(char: str) -> bool:
    category = unicodedata.category(char)
    return category.startswith("C") or category in ("Zl", "Zp")
