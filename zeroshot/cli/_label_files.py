"""Files of labels: one label per line, JSON or CSV."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

from zeroshot.cli._terminal import UsageError, say

# First lines that are a heading of the list and not a label.
_HEADERS = ("label", "labels", "class", "classes", "class_name", "class_names", "class name")
_COMMENT = "#"


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
    lines = [line.strip() for line in text.split("\n")]
    return _without_header([line for line in lines if line and line[0] != _COMMENT], source)


def _of_json(text: str, source: str, option: str) -> list[str]:
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{option}: {source} is not JSON ({error}). Mend it.") from error
    labels = _in_order(content) if isinstance(content, dict) else content
    if not isinstance(labels, list) or not all(isinstance(label, str) for label in labels):
        raise UsageError(
            f'{option}: {source} must hold a list of labels, ["cat", "dog"], or their numbers, '
            '{"0": "cat", "1": "dog"} or {"cat": 0, "dog": 1}. Write it so, or one label a line.'
        )
    return [label.strip() for label in labels if label.strip()]


def _in_order(numbered: dict[str, Any]) -> list[Any] | None:
    """Return the labels of a JSON object from labels to numbers, or from numbers to labels."""
    if all(key.isdecimal() for key in numbered):
        return [numbered[key] for key in sorted(numbered, key=int)]
    if all(type(value) is int for value in numbered.values()):
        return sorted(numbered, key=lambda label: numbered[label])
    return None


def _of_table(text: str, source: str, option: str) -> list[str]:
    delimiter = "\t" if source.lower().endswith(".tsv") else ","
    read = csv.reader(io.StringIO(text), delimiter=delimiter)
    rows = [[cell.strip() for cell in row] for row in read]
    rows = [row for row in rows if any(row) and not row[0].startswith(_COMMENT)]
    if all(len(row) == 1 for row in rows):
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
