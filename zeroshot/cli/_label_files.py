"""Files of labels: one label per line, JSON or CSV."""

from __future__ import annotations

import csv
import io
import re
from typing import Any

from zeroshot._utils._strict_json import parse_json
from zeroshot.cli._terminal import UsageError, say

# First lines that are a heading of the list and not a label.
_HEADERS = ("label", "labels", "class", "classes", "class_name", "class_names", "class name")
_COMMENT = "#"


def decoded(content: bytes, source: str, option: str) -> str:
    """Return the text in a file.

    Raises
    ------
    UsageError
        It is not UTF-8, or has a zero character, which arrays of labels cannot end in.
    """
    try:
        text = content.decode("utf-8-sig")
        if "\0" in text:
            raise ValueError("it has a zero character")
        return text
    except ValueError as error:
        raise UsageError(
            f"{option}: {source} is not text in UTF-8 ({error}). Save it so."
        ) from error


def labels_in(text: str, source: str, option: str) -> list[str]:
    """Return the labels in a text. The suffix of the file or the first character gives the format.

    Parameters
    ----------
    text : str
        The content of the file.
    source : str
        Its name.
    option : str
        Option that named the file, for the messages.

    Raises
    ------
    UsageError
        The text is JSON or CSV, and it is unclear which of its parts are labels.
    """
    name = source.lower()
    if name.endswith(".json") or text.lstrip()[:1] in ("[", "{"):
        return _of_json(text, source, option)
    if name.endswith((".csv", ".tsv")):
        return _of_table(text, source, option)
    lines = [line.strip() for line in re.split("[\r\n]", text)]
    return _without_header([line for line in lines if line and line[0] != _COMMENT], source)


def _of_json(text: str, source: str, option: str) -> list[str]:
    try:
        content = parse_json(text)
    except ValueError as error:
        raise UsageError(f"{option}: {source} is not JSON ({error}). Mend it.") from error
    labels = _in_order(content) if isinstance(content, dict) else content
    if not isinstance(labels, list) or not all(isinstance(label, str) for label in labels):
        raise UsageError(
            f'{option}: {source} must hold a list of labels, ["cat", "dog"], or their numbers, '
            '{"0": "cat", "1": "dog"} or {"cat": 0, "dog": 1}. Write it so, or one label a line.'
        )
    return [label.strip() for label in labels if label.strip()]


def _in_order(numbered: dict[str, Any]) -> list[Any] | None:
    """Return the labels of an object from labels to numbers, or from numbers, each once."""
    pairs = list(numbered.items())
    if all(re.fullmatch("[0-9]{1,18}", key) for key in numbered):
        by_number = {int(key): label for key, label in pairs}
    elif all(type(value) is int for value in numbered.values()):
        by_number = {number: label for label, number in pairs}
    else:
        return None
    return [by_number[key] for key in sorted(by_number)] if len(by_number) == len(pairs) else None


def read_csv(text: str, source: str, option: str) -> list[tuple[int, list[str]]]:
    """Return the rows of a CSV text, or of a TSV by the name of its source, with their lines.

    Raises
    ------
    UsageError
        A quoted cell does not end, or the text is not CSV for another reason.
    """
    delimiter = "\t" if source.lower().endswith(".tsv") else ","
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        return [(rows.line_num, [cell.strip() for cell in row]) for row in rows]
    except csv.Error as error:
        raise UsageError(
            f"{option}: {source}, line {rows.line_num} is not CSV ({error}). Mend it."
        ) from error


def _of_table(text: str, source: str, option: str) -> list[str]:
    rows = [row for _, row in read_csv(text, source, option)]
    rows = [row for row in rows if any(row) and not row[0].startswith(_COMMENT)]
    if all(len(row) == 1 for row in rows):  # also if there are none
        return _without_header([row[0] for row in rows], source)
    columns = [i for i, name in enumerate(rows[0]) if name.lower() in _HEADERS]
    if len(columns) != 1 or any(len(row) != len(rows[0]) for row in rows):
        raise UsageError(
            f"{option}: {source} has several columns, and its first line must call one of them "
            f"'label' or 'class'; it is {', '.join(map(repr, rows[0]))}. Name the column so, or "
            "quote labels with commas."
        )
    return [row[columns[0]] for row in rows[1:] if row[columns[0]]]


def _without_header(labels: list[str], source: str) -> list[str]:
    if len(labels) > 1 and labels[0].lower() in _HEADERS:
        say(f"{source}: the first line, {labels[0]!r}, is taken for a header")
        return labels[1:]
    return labels
