"""Rows of images that could not be read: NaN throughout, as ``on_error="nan"`` leaves them."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.metrics import accuracy_score

from zeroshot._utils._validation import take_rows, warn_caller
from zeroshot.exceptions import UnreadableImageWarning

F = TypeVar("F", bound=Callable[..., Any])


def unreadable_rows(X: Any) -> np.ndarray | None:
    """Return which rows of features are NaN throughout, (n_samples,) of bool; None if none is.

    A row with other figures beside NaN is a mistake of somebody else, and left to scikit-learn's
    own check.

    Examples
    --------
    >>> import numpy as np
    >>> from zeroshot.estimators._unreadable_rows import unreadable_rows
    >>> unreadable_rows(np.array([[1.0, 2.0], [np.nan, np.nan], [np.nan, 3.0]]))
    array([False,  True, False])
    >>> unreadable_rows(np.ones((2, 2)))
    """
    if not hasattr(X, "shape") or len(X.shape) != 2 or X.shape[1] < 2:
        return None
    if not (hasattr(X, "iloc") or (isinstance(X, np.ndarray) and X.dtype.kind == "f")):
        return None
    first = np.asarray(X.iloc[:, 0] if hasattr(X, "iloc") else X[:, 0])
    if first.dtype.kind != "f":
        return None
    candidates = np.flatnonzero(np.isnan(first))  # one column says of nearly all that they are read
    if not len(candidates):
        return None
    rows = np.asarray(take_rows(X, candidates))
    missing = np.zeros(len(first), dtype=bool)
    missing[candidates] = rows.dtype.kind == "f" and np.isnan(rows).all(axis=1)
    return missing if missing.any() else None


def without_unreadable(X: Any, y: Any, *, owner: str) -> tuple[Any, Any]:
    """Return features and labels without the rows of images that could not be read.

    Warns
    -----
    UnreadableImageWarning
        There are such rows.
    """
    missing = unreadable_rows(X)
    if missing is None or missing.all() or len(missing) != np.shape(y)[0]:
        return X, y  # scikit-learn's own checks say what is wrong
    kept = np.flatnonzero(~missing)
    positions = np.flatnonzero(missing).tolist()
    warn_caller(
        f"{owner}: {len(positions)} of {len(missing)} rows are NaN throughout, as those of images "
        "that cannot be read, and nothing is learnt from them.",
        UnreadableImageWarning,
    )
    return take_rows(X, kept), take_rows(y, kept)


def answers_for_readable_rows(method: F) -> F:
    """Return a method that answers for the rows that are there, and has no answer for the others.

    Parameters
    ----------
    method : callable
        Of an estimator, from features X to an array with a row, or a label, for each; or to a tuple
        of such.

    Returns
    -------
    callable
        Its arrays have NaN for an image that could not be read, and those of labels None. Sets of
        labels hold all of them.
    """

    @wraps(method)
    def answered(self: Any, X: Any, *args: Any, **params: Any) -> Any:
        missing = unreadable_rows(X)
        if missing is None:
            return method(self, X, *args, **params)
        kept = np.flatnonzero(~missing)
        if len(kept):
            answer = method(self, take_rows(X, kept), *args, **params)
        else:  # what it looks like is known from any row
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                any_row = X.iloc[:1].fillna(1.0) if hasattr(X, "iloc") else np.ones_like(X[:1])
                answer = method(self, any_row, *args, **params)
        if isinstance(answer, tuple):
            return tuple(_spread(part, kept, len(missing)) for part in answer)
        return _spread(answer, kept, len(missing))

    return answered  # type: ignore[return-value]


def named(classes: np.ndarray, columns: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Return the labels of the best columns: None for rows whose scores are NaN.

    A classifier inside of another may have met images that could not be read.
    """
    labels, missing = classes[columns], np.isnan(scores).all(axis=1)
    if missing.any():
        labels = labels.astype(object)
        labels[missing] = None
    return labels


class AnsweredAccuracyMixin(ClassifierMixin):
    """scikit-learn's mixin of classifiers, with a ``score`` that takes rows without an answer."""

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Return the accuracy of ``predict``.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Features, or what the estimator takes.
        y : array-like of shape (n_samples,)
            True labels.
        sample_weight : array-like of shape (n_samples,), optional
            Weights of the samples.

        Returns
        -------
        accuracy : float
            Between 0 and 1. Rows without an answer count as wrong.
        """
        return accuracy(y, self.predict(X), sample_weight)


def accuracy(y: Any, predicted: np.ndarray, sample_weight: Any) -> float:
    """Return the share of labels that are right; None, of an unread image, is never right."""
    if predicted.dtype == object:
        right = np.asarray(y) == predicted
        return float(np.average(right, weights=sample_weight))
    return float(accuracy_score(y, predicted, sample_weight=sample_weight))


def _spread(answer: np.ndarray, kept: np.ndarray, n_rows: int) -> np.ndarray:
    shape = (n_rows, *answer.shape[1:])
    if answer.dtype.kind == "b":  # sets of labels: none can be left out
        spread = np.ones(shape, dtype=bool)
    elif answer.dtype.kind == "f":
        spread = np.full(shape, np.nan, answer.dtype)
    else:
        spread = np.full(shape, None, object)
    spread[kept] = answer[: len(kept)]
    return spread
