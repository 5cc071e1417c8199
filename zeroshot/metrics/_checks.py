"""Checks of the metrics' arguments."""

from __future__ import annotations

from numbers import Real
from typing import Any

import numpy as np

from zeroshot._utils._validation import check_labels, check_same_kind


def check_pair(y_true: Any, y_pred: Any, *, owner: str) -> tuple[np.ndarray, np.ndarray]:
    """Return true and predicted labels as 1-D arrays of one length and one kind.

    Raises
    ------
    ValueError
        Empty, of different lengths, or strings on one side and integers on the other.
    """
    y_true = check_labels(y_true, owner=owner, name="y_true")
    y_pred = check_labels(y_pred, owner=owner, name="y_pred")
    check_same_length(y_true, y_pred, owner=owner, names=("y_true", "y_pred"))
    check_same_kind(y_true, y_pred, owner=owner, names=("y_true", "y_pred"))
    return y_true, y_pred


def check_same_length(first: Any, second: Any, *, owner: str, names: tuple[str, str]) -> None:
    """Raise ValueError unless both have the same number of rows, at least one."""
    if len(first) != len(second):
        raise ValueError(
            f"{owner}: {names[0]} has {len(first)} rows and {names[1]} has {len(second)}. "
            "Pass one row a sample in both, in the same order."
        )
    if len(first) == 0:
        raise ValueError(f"{owner}: {names[0]} is empty. Pass at least one sample.")


def check_vectors(vectors: Any, *, owner: str, name: str, width: int | None = None) -> np.ndarray:
    """Return `vectors` as a finite 2-D float64 array, of `width` columns if that is given.

    Raises
    ------
    ValueError
        Not numbers, not 2-D, NaN or infinite, or of another width.
    """
    array = check_finite(vectors, owner=owner, name=name)
    if array.ndim != 2 or 0 in array.shape:
        raise ValueError(
            f"{owner}: {name} must be a 2-D array (n_rows, n_dims), got shape {array.shape}. "
            "Pass one vector a row; reshape a single vector with reshape(1, -1)."
        )
    if width is not None and array.shape[1] != width:
        raise ValueError(
            f"{owner}: {name} has {array.shape[1]} columns, expected {width} as in y_true. "
            "Take both from the same label embedding."
        )
    return array


def check_finite(values: Any, *, owner: str, name: str, first_row: int = 0) -> np.ndarray:
    """Return `values` as a float64 array without NaN or infinity.

    Of a block of many rows, `first_row` is where it begins, for the message.

    Raises
    ------
    ValueError
        Not numbers, or NaN or infinite somewhere.
    """
    array = _real_numbers(values, owner=owner, name=name)
    rows = np.atleast_1d(array)
    bad = np.flatnonzero(~np.isfinite(rows).all(axis=tuple(range(1, rows.ndim))))
    if bad.size:
        among = f"{len(rows)} rows"
        if first_row:
            among = f"rows {first_row} to {first_row + len(rows) - 1}"
        raise ValueError(
            f"{owner}: {name} holds NaN or infinity in {bad.size} of {among} "
            f"(first: row {first_row + bad[0]}). Remove those rows, or mend what computed them."
        )
    return array


def _real_numbers(values: Any, *, owner: str, name: str) -> np.ndarray:
    """Return `values` in float64: NumPy would read numbers off text, and drop imaginary parts."""
    try:
        array = np.asarray(values)
        if array.dtype.kind in "biuf":
            return array.astype(np.float64, copy=False)
        others = [value for value in array.flat if not isinstance(value, Real)]
        if array.dtype == object and not others:
            return array.astype(np.float64)
        problem = f"got {others[0]!r}" if others else f"got dtype {array.dtype}"
    except (TypeError, ValueError) as error:
        problem = str(error)
    raise ValueError(
        f"{owner}: {name} must be an array of real numbers ({problem}). Pass vectors or scores, "
        "not labels."
    )
