"""Checks of the displays' data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from sklearn.utils import gen_batches
from sklearn.utils.validation import _num_samples, check_is_fitted

from zeroshot._utils._arrays import best_columns
from zeroshot._utils._pipelines import final_and_input, unwrap
from zeroshot._utils._validation import check_number, take_rows
from zeroshot.metrics._checks import check_finite

MAX_ROWS = 4096
"""Rows whose scores are in memory at a time."""


def check_series(values: Any, *, owner: str, name: str, length: int | None = None) -> np.ndarray:
    """Return `values` as a 1-D float array without NaN or infinity, with at least one number.

    Raises
    ------
    ValueError
        `values` has another shape or length, is empty, is not numeric, or is not finite.
    """
    array = check_finite(values, owner=owner, name=name)
    if array.ndim != 1 or not array.size:
        raise ValueError(
            f"{owner}: {name} must be a 1-D array with at least one number, got shape "
            f"{array.shape}. Pass one number after the other."
        )
    if length is not None and len(array) != length:
        raise ValueError(
            f"{owner}: {name} has {len(array)} numbers, expected {length}. Pass as many as there "
            "are of what they belong to, in the same order."
        )
    return array


def check_shares(values: np.ndarray, *, owner: str, name: str) -> None:
    """Raise unless all numbers are between 0 and 1, except for rounding errors.

    Raises
    ------
    ValueError
        A number is outside this range.
    """
    if values.min() < -1e-9 or values.max() > 1 + 1e-9:
        raise ValueError(
            f"{owner}: {name} must be between 0 and 1, got {values.min():g} to {values.max():g}. "
            "Divide percentages by 100."
        )


def probable(estimator: Any, *, owner: str) -> Any:
    """Return the final estimator inside `estimator`, which must have class probabilities.

    Raises
    ------
    TypeError
        It has no class probabilities.
    NotFittedError
        It is not fitted.
    """
    final = unwrap(estimator)
    check_is_fitted(final)
    if not (hasattr(final, "predict_proba") and hasattr(final, "classes_")):
        raise TypeError(
            f"{owner}: {type(final).__name__} has no predict_proba or no classes_. Pass a "
            "classifier such as DeViSEClassifier."
        )
    return final


def check_matrix(
    values: Any, *, owner: str, name: str, shape: tuple[int | None, int | None]
) -> np.ndarray:
    """Return `values` as a finite 2-D float array; None in `shape` is any number from 1.

    Raises
    ------
    ValueError
        `values` has another shape, is empty, is not numeric, or is not finite.
    """
    array = check_finite(values, owner=owner, name=name)
    fits = array.ndim == 2 and array.size > 0
    if not fits or any(n not in (None, m) for n, m in zip(shape, array.shape, strict=True)):
        wanted = ", ".join("at least 1" if n is None else str(n) for n in shape)
        raise ValueError(
            f"{owner}: {name} must be a 2-D array of shape ({wanted}), got shape {array.shape}. "
            "Pass one row for each of what the rows stand for."
        )
    return array


def check_names(names: Any, *, owner: str, name: str) -> list[str]:
    """Return names of any hashable kind as distinct strings.

    Raises
    ------
    TypeError
        `names` is a string, or is not a sequence.
    ValueError
        `names` is empty, or two names are equal as strings.
    """
    if isinstance(names, (str, bytes)) or not np.iterable(names):
        raise TypeError(
            f"{owner}: {name} must be a list of names, got {names!r}. Write [{names!r}] for one."
        )
    shown = [str(each) for each in names]
    if not shown or len(set(shown)) < len(shown):
        raise ValueError(
            f"{owner}: {name} must be at least one name, and none twice, got {shown[:5]}. Give "
            "each entry a name of its own."
        )
    return shown


def check_mapping(values: Any, *, owner: str, name: str, holds: str) -> dict[str, Any]:
    """Return a mapping from names to any values as a dict that is not empty.

    Raises
    ------
    TypeError
        `values` is not a mapping.
    ValueError
        `values` is empty, or two names are equal as strings.
    """
    if not isinstance(values, Mapping):
        raise TypeError(
            f"{owner}: {name} must be a dict from names to {holds}, got {type(values).__name__}. "
            f"Write {{'name': ...}}."
        )
    return dict(
        zip(check_names(list(values), owner=owner, name=name), values.values(), strict=True)
    )


def named_models(estimator: Any, *, owner: str) -> dict[str, Any]:
    """Return classifiers by name: a dict is returned unchanged, a single classifier as "model".

    Raises
    ------
    TypeError
        `estimator` is neither.
    ValueError
        The dict is empty, or two names are equal as strings.
    """
    if hasattr(estimator, "fit"):
        estimator = {"model": estimator}
    elif not isinstance(estimator, Mapping):
        raise TypeError(
            f"{owner}: estimator must be a fitted classifier, or a dict from names to classifiers, "
            f"got {type(estimator).__name__}. Write {{'name': classifier}} for several."
        )
    return check_mapping(estimator, owner=owner, name="estimator", holds="classifiers")


def plural(number: int, noun: str) -> str:
    """Return a number with its noun: ``plural(2, "class")`` is ``"2 classes"``."""
    ending = "es" if noun.endswith(("s", "x")) else "s"
    return f"{number:,} {noun}{'' if number == 1 else ending}"


def share_of(shown: int, total: int, noun: str) -> str:
    """Return text such as "3 of 5 classes", or only the total if all are shown."""
    return plural(total, noun) if shown == total else f"{shown:,} of {plural(total, noun)}"


def top_labels(model: Any, X: Any, k: int, *, owner: str) -> tuple[Any, np.ndarray, np.ndarray]:
    """Return the final estimator inside `model`, and the k best labels of X with their scores.

    X is read some thousand rows at a time, so that it may lie on disk. For an ordinary classifier,
    the scores are its probabilities, or else its decision function.

    Raises
    ------
    TypeError
        `model` has none of these.
    ValueError
        `k` is not a positive integer, or exceeds the number of classes.
    """
    n_rows = _num_samples(X)
    if n_rows > MAX_ROWS:
        parts = [
            top_labels(model, take_rows(X, rows), k, owner=owner)
            for rows in gen_batches(n_rows, MAX_ROWS)
        ]
        labels, scores = (np.concatenate([part[place] for part in parts]) for place in (1, 2))
        return parts[0][0], labels, scores
    final, features = final_and_input(model, X)
    check_is_fitted(final)
    if hasattr(final, "predict_top_k"):
        return final, *final.predict_top_k(features, k)
    check_number(k, owner=owner, name="k", at_least=1, integer=True)
    score = getattr(final, "predict_proba", None) or getattr(final, "decision_function", None)
    if score is None or not hasattr(final, "classes_"):
        raise TypeError(
            f"{owner}: {type(final).__name__} has no predict_top_k, and no scores of classes. Pass "
            "a classifier, or labels of your own to from_predictions."
        )
    scores = np.asarray(score(features))
    if scores.ndim == 1:
        scores = np.column_stack([-scores, scores])
    if k > scores.shape[1]:
        raise ValueError(
            f"{owner}: k is {k}, and {type(final).__name__} has {plural(scores.shape[1], 'class')}."
            " Pass a smaller k."
        )
    best = best_columns(scores, k)
    return final, final.classes_[best], np.take_along_axis(scores, best, axis=1)
