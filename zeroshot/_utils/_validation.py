"""Checks of users' arguments, with errors that say what to do."""

from __future__ import annotations

import math
import os
import sys
import warnings
from collections.abc import Iterable, Iterator
from numbers import Integral, Real
from typing import Any

import numpy as np

from zeroshot.exceptions import LabelWarning

PRECISIONS = ("auto", "float32", "bfloat16", "float16")

_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep


def check_labels(labels: Any, *, owner: str, name: str = "labels") -> np.ndarray:
    """Return `labels` as a 1-D array of strings or of integers.

    Parameters
    ----------
    labels : array-like of shape (n_labels,)
        Strings or integers, not a mixture.
    owner, name : str
        Owner and name of the parameter, for the messages.

    Returns
    -------
    ndarray of shape (n_labels,)
        Of dtype ``str_`` or an integer dtype; may be empty.

    Raises
    ------
    TypeError
        `labels` is a string, or is not a sequence.
    ValueError
        `labels` is not 1-D, or a label is missing, continuous, or of another type than the rest.

    Examples
    --------
    >>> from zeroshot._utils._validation import check_labels
    >>> check_labels(["cat", "dog"], owner="demo").tolist()
    ['cat', 'dog']
    """
    if isinstance(labels, (str, bytes)) or not isinstance(labels, Iterable):
        remedy = "Pass strings, or integers."
        if labels is not None and not isinstance(labels, (bytes, float)):
            remedy = f"Write [{labels!r}] for a single label."
        raise TypeError(
            f"{owner}: {name} must be a list or 1-D array of labels, got {labels!r}. {remedy}"
        )
    if hasattr(labels, "__array__"):  # a DataFrame iterates over its columns, not its rows
        array = np.asarray(labels)
    else:
        array = np.asarray(list(labels), dtype=object)
    if array.ndim != 1:
        raise ValueError(f"{owner}: {name} must be 1-D, got an array of shape {array.shape}.")
    if array.dtype.kind in "iuU":
        return _signed(array)
    values = array.tolist()
    if all(isinstance(value, str) for value in values):
        return np.array(values, dtype=np.str_)
    if all(isinstance(value, (int, np.integer)) for value in values):
        return np.array(values, dtype=np.int64)
    if all(isinstance(value, float) and value.is_integer() for value in values):
        return np.array(values, dtype=np.int64)
    kinds = " and ".join(sorted({type(value).__name__ for value in values}))
    raise ValueError(
        f"{owner}: Unknown label type: {name} must be all strings or all integers, got {kinds} "
        f"(such as {values[0]!r})."
    )


def _signed(labels: np.ndarray) -> np.ndarray:
    """Return uint64 as int64 if it fits: NumPy compares the two types as rounded floats."""
    if labels.dtype == np.uint64 and (labels <= np.iinfo(np.int64).max).all():
        return labels.astype(np.int64)
    return labels


def check_no_images(X: Any, *, owner: str) -> None:
    """Raise if X contains paths or images instead of features.

    Raises
    ------
    TypeError
        `X` is a list of paths or of PIL images, or an array of pixels or of strings.

    Examples
    --------
    >>> from zeroshot._utils._validation import check_no_images
    >>> check_no_images([[0.5, 2.0]], owner="demo")
    >>> check_no_images(["photo.jpg"], owner="demo")
    Traceback (most recent call last):
    TypeError: demo: X holds images or their paths, and features are expected. Put ...
    """
    if isinstance(X, (list, tuple)):
        is_image = bool(X) and (isinstance(X[0], (str, os.PathLike)) or hasattr(X[0], "getexif"))
    else:
        what = (X.ndim, X.dtype.kind) if isinstance(X, np.ndarray) else None
        is_image = what in ((1, "U"), (4, "u"))
    if is_image:
        raise TypeError(
            f"{owner}: X holds images or their paths, and features are expected. Put "
            "TimmFeatures() before it in a pipeline; zeroshot.model_selection.with_candidates("
            "pipeline, labels) keeps what stands before."
        )


def check_missing_labels(y: Any, *, owner: str, name: str = "y") -> Any:
    """Return `y`, or raise and name the values that are not labels.

    NumPy turns ``["cat", nan]`` into two strings, and scikit-learn's own check comes after that.

    Raises
    ------
    ValueError
        A label is missing, or of another type than the rest.
    """
    array = np.asarray(y, dtype=object) if isinstance(y, (list, tuple)) else np.asarray(y)
    if array.dtype == object and array.ndim == 1:
        return check_labels(array, owner=owner, name=name)
    return y


def check_unique(labels: np.ndarray, *, owner: str, name: str) -> np.ndarray:
    """Return `labels`, or raise and name the repeated ones.

    Raises
    ------
    ValueError
        `labels` is empty, or a label is repeated.
    """
    if labels.size == 0:
        raise ValueError(f"{owner}: {name} is empty. Name at least one label.")
    values, counts = np.unique(labels, return_counts=True)
    repeated = values[counts > 1].tolist()
    if repeated:
        named = ", ".join(map(repr, repeated[:100])) + (", ..." if len(repeated) > 100 else "")
        raise ValueError(
            f"{owner}: {name} names {len(repeated)} labels more than once ({named}). Name each "
            "label once."
        )
    return labels


def check_label_list(labels: Any, *, owner: str, name: str) -> None:
    """Raise unless `labels` is a list of distinct labels, which can be read again.

    Raises
    ------
    TypeError
        `labels` is not a list of labels.
    ValueError
        `labels` is empty, repeats a label, or contains something else.
    """
    if isinstance(labels, Iterator):
        raise TypeError(
            f"{owner}: {name} must be a list or 1-D array of labels, got {labels!r}, which can be "
            "read only once. Pass a list of its labels."
        )
    check_unique(check_labels(labels, owner=owner, name=name), owner=owner, name=name)


def check_same_kind(
    first: np.ndarray, second: np.ndarray, *, owner: str, names: tuple[str, str]
) -> None:
    """Raise if strings are compared with integers, because no two labels could be equal.

    Raises
    ------
    ValueError
        One array has strings, the other integers.
    """
    if (first.dtype.kind == "U") != (second.dtype.kind == "U"):
        raise ValueError(
            f"{owner}: {names[0]} and {names[1]} must be of one type, got {names[0]} such as "
            f"{first[:1].tolist()} and {names[1]} such as {second[:1].tolist()}. Convert one to "
            "the other."
        )


def check_sample_weight(sample_weight: Any, n_samples: int, *, owner: str) -> np.ndarray:
    """Return the weights of samples as float64, (n_samples,).

    Raises
    ------
    ValueError
        They are not one finite number per sample, one is negative, or all are 0.

    Examples
    --------
    >>> from zeroshot._utils._validation import check_sample_weight
    >>> check_sample_weight([1, 0, 2], 3, owner="demo")
    array([1., 0., 2.])
    """
    try:
        weights = np.array(sample_weight, dtype=np.float64)
    except (TypeError, ValueError):
        raise ValueError(
            f"{owner}: sample_weight must hold numbers, got {sample_weight!r:.100}. Pass one "
            "number per row of X."
        ) from None
    if weights.shape != (n_samples,):
        raise ValueError(
            f"{owner}: sample_weight must be of shape ({n_samples},), a number per row of X, got "
            f"shape {weights.shape}."
        )
    for what, wrong in (("NaN or infinite", ~np.isfinite(weights)), ("negative", weights < 0)):
        if wrong.any():
            raise ValueError(
                f"{owner}: sample_weight must not be {what}, and is in {wrong.sum()} of "
                f"{n_samples} rows (first: row {wrong.argmax()}). Pass 0 to leave a row out."
            )
    if not weights.any():
        raise ValueError(
            f"{owner}: sample_weight is zero for every row, which leaves nothing to learn from. "
            "Pass a weight above 0 for the rows to learn from."
        )
    return weights


def without_weightless(
    X: Any, y: np.ndarray, weights: np.ndarray
) -> tuple[Any, np.ndarray, np.ndarray]:
    """Return features, labels and weights without the rows of weight 0.

    Examples
    --------
    >>> import numpy as np
    >>> from zeroshot._utils._validation import without_weightless
    >>> without_weightless(["a.jpg", "b.jpg"], np.array([3, 4]), np.array([0.0, 2.0]))
    (['b.jpg'], array([4]), array([2.]))
    """
    kept = np.flatnonzero(weights)
    if len(kept) == len(weights):
        return X, y, weights
    return take_rows(X, kept), y[kept], weights[kept]


def take_rows(X: Any, rows: Any) -> Any:
    """Return some rows of features, or of a list of images or paths.

    Parameters
    ----------
    X : array-like, DataFrame, sparse matrix, or list of length n_samples
        Input of an estimator, of any kind that it accepts.
    rows : ndarray of int, or slice
        Positions of the rows.

    Returns
    -------
    rows of X
        Of the kind of X.

    Examples
    --------
    >>> import numpy as np
    >>> from zeroshot._utils._validation import take_rows
    >>> take_rows(["a.jpg", "b.jpg", "c.jpg"], np.array([2, 0]))
    ['c.jpg', 'a.jpg']
    """
    if hasattr(X, "iloc"):
        return X.iloc[rows]
    if hasattr(X, "shape") or isinstance(rows, slice):
        return X[rows]
    return [X[row] for row in rows]


def check_option(value: Any, options: Iterable[str], *, owner: str, name: str) -> str:
    """Return `value` if it is one of `options`, else raise and list the options.

    Raises
    ------
    ValueError
        `value` is not one of the `options`.
    """
    known = tuple(options)
    if not isinstance(value, str) or value not in known:
        raise ValueError(
            f"{owner}: {name} must be one of {', '.join(map(repr, known))}, got {value!r}."
        )
    return value


def check_flag(value: Any, *, owner: str, name: str) -> None:
    """Raise unless `value` is True or False.

    Raises
    ------
    ValueError
        `value` is something else, such as 1 or "no".
    """
    if not isinstance(value, (bool, np.bool_)):
        raise ValueError(f"{owner}: {name} must be True or False, got {value!r}.")


def check_number(
    value: Any,
    *,
    owner: str,
    name: str,
    above: float | None = None,
    at_least: float | None = None,
    integer: bool = False,
) -> None:
    """Raise unless `value` is a finite number (an integer, if requested) within the bounds.

    Raises
    ------
    ValueError
        `value` is of another type, not finite, or out of bounds.
    """
    kind = Integral if integer else Real
    bounds = "".join(
        f" {word} {bound:g}"
        for word, bound in (("above", above), ("of at least", at_least))
        if bound is not None
    )
    if (
        isinstance(value, (bool, np.bool_))
        or not isinstance(value, kind)
        or not math.isfinite(value)
        or (above is not None and value <= above)
        or (at_least is not None and value < at_least)
    ):
        expected = "an integer" if integer else "a number"
        raise ValueError(f"{owner}: {name} must be {expected}{bounds}, got {value!r}.")


def warn_caller(message: str, category: type[Warning] = LabelWarning) -> None:
    """Warn with the line of the user's own call, from any depth in the package."""
    level, frame = 1, sys._getframe()
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        level, frame = level + 1, frame.f_back
    warnings.warn(message, category, stacklevel=level)
