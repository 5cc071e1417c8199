"""A table of attributes in a CSV file: a row a class, its name first."""

from __future__ import annotations

import csv
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from zeroshot.cli._terminal import UsageError

SUFFIX = ".csv"


def read_attributes(path: str | os.PathLike, overrides: Mapping[str, str] | None = None) -> Any:
    """Return the `AttributeTable` of a CSV file whose first line names its columns.

    Raises
    ------
    UsageError
        It is no such table; the message says in which line.
    """
    import zeroshot

    try:
        rows = list(csv.reader(Path(path).read_text(encoding="utf-8-sig").splitlines()))
    except (UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"--label-embedding: {path} is no CSV in UTF-8 ({error}).") from error
    if len(rows) < 2 or len(rows[0]) < 2:
        raise UsageError(
            f"--label-embedding: {path} must hold a first line with names of columns, and a line a "
            "class: its name, and numbers."
        )
    labels, table = [], []
    for line, row in enumerate(rows[1:], start=2):
        if row:
            labels.append(row[0].strip())
            table.append(_numbers(row, len(rows[0]), f"--label-embedding: {path}, line {line}"))
    try:
        return zeroshot.AttributeTable(table, labels=labels, overrides=overrides)
    except ValueError as error:
        raise UsageError(f"--label-embedding: {path}: {error}") from error


def _numbers(row: list[str], width: int, where: str) -> list[float]:
    if len(row) != width:
        raise UsageError(f"{where} has {len(row)} cells where the first line has {width}.")
    try:
        return [float(cell) for cell in row[1:]]
    except ValueError as error:
        raise UsageError(f"{where}: {error}. Write numbers behind the name.") from error
