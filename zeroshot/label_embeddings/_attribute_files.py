"""Files of class attributes: ``att_splits.mat``, and matrices of numbers as text."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from zeroshot._utils._mat_files import NUMBERS, TEXTS, read_mat
from zeroshot.exceptions import IntegrityError, Remedy

OWNER = "AttributeTable.from_file"
NAMES = "classes.txt"
MAX_MAT_BYTES = 500_000_000
MAX_TEXT_BYTES = 200_000_000
_NUMBERED = re.compile(r"\s*\d+\s+")


def read_attributes(
    path: str | os.PathLike, labels: Sequence[str] | None, missing: float | None
) -> tuple[np.ndarray, list[str]]:
    """Return the attributes of a file, (n_classes, n_attributes), and the names of the classes.

    Raises
    ------
    FileNotFoundError
        There is no such file, or no file with the names of the classes beside it.
    IntegrityError
        The file is damaged, or its rows and the names differ in number.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{OWNER}: there is no file {path}. Check the path.")
    if path.suffix.lower() == ".mat":
        table, names = _from_mat(path)
    else:
        table, names = _from_text(path), None
    if labels is not None:
        names = list(labels)
    elif names is None:
        names = _class_names(path.parent / NAMES)
    if len(names) != len(table):
        raise IntegrityError(
            f"{OWNER}: {path} has {len(table)} rows, and there are {len(names)} names of classes. "
            "Get the file again, or pass one name per row as labels=."
        )
    return (table if missing is None else _filled(table, missing, path)), names


def _from_mat(path: Path) -> tuple[np.ndarray, list[str]]:
    with open(path, "rb") as file:
        found = read_mat(
            file,
            {"att": NUMBERS, "allclasses_names": TEXTS},
            name=f"{OWNER}: {path}",
            remedy="Get the att_splits.mat of Xian et al. (2018) again.",
            max_bytes=MAX_MAT_BYTES,
        )
    names = found["allclasses_names"].tolist()
    table = np.asarray(found["att"], dtype=np.float64)
    if table.ndim != 2 or table.shape[1] != len(names):
        raise IntegrityError(
            f"{OWNER}: {path} holds att of shape {table.shape} for {len(names)} classes. Its "
            "columns must be classes."
        )
    return table.T, names


def _from_text(path: Path) -> np.ndarray:
    lines = [line.split() for line in _text(path).splitlines()]
    rows = [(number, cells) for number, cells in enumerate(lines, start=1) if cells]
    if not rows:
        raise IntegrityError(f"{OWNER}: {path} is empty. Get it again.")
    width = len(rows[0][1])
    for number, cells in rows:
        if len(cells) != width:
            raise IntegrityError(
                f"{OWNER}: {path}, line {number} has {len(cells)} numbers, and line {rows[0][0]} "
                f"has {width}. The file is cut or damaged: get it again."
            )
    try:
        return np.array([[_number(cell) for cell in cells] for _, cells in rows])
    except ValueError as error:
        raise IntegrityError(
            f"{OWNER}: {path} must hold one row of numbers per class, separated by spaces: {error}."
            + Remedy(" For CSV, pass a DataFrame to AttributeTable.", option="")
        ) from error


def _number(cell: str) -> float:
    """Return a number, but not of the spellings that only Python knows, such as ``1_000``."""
    if "_" in cell or not cell.isascii():
        raise ValueError(f"{cell!r} is not a number")
    return float(cell)


def _class_names(path: Path) -> list[str]:
    """Return one name per line, without the number in front of it."""
    if not path.is_file():
        raise FileNotFoundError(
            f"{OWNER}: there is no {path} with the names of the classes. Put it there, or pass one "
            "name per row as labels=."
        )
    return [_NUMBERED.sub("", line, count=1).strip() for line in _text(path).splitlines() if line]


def _text(path: Path) -> str:
    """Return the text of a file, which must end its last line: otherwise it may be cut."""
    size = path.stat().st_size
    if size > MAX_TEXT_BYTES:
        raise IntegrityError(
            f"{OWNER}: {path} has {size:,} bytes, more than the {MAX_TEXT_BYTES:,} allowed."
        )
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise IntegrityError(f"{OWNER}: {path} is not a text in UTF-8 ({error}).") from error
    if text and not text.endswith(("\n", "\r")):
        raise IntegrityError(
            f"{OWNER}: {path} does not end its last line, so that it may be cut. Get it again or, "
            "if it is whole, add a line break."
        )
    return text


def _filled(table: np.ndarray, missing: float, path: Path) -> np.ndarray:
    """Return the table with the mean of the other classes in place of missing values."""
    absent = table == missing
    if absent.all(axis=0).any():
        column = int(np.flatnonzero(absent.all(axis=0))[0])
        raise ValueError(
            f"{OWNER}: column {column} of {path} holds missing={missing:g} for every class. Leave "
            "missing= out, or remove the column."
        )
    means = np.where(absent, 0, table).sum(axis=0) / (~absent).sum(axis=0)
    return np.where(absent, means, table)
