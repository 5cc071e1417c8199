"""Array functions that several parts need."""

from __future__ import annotations

import numpy as np


def unit_rows(rows: np.ndarray) -> np.ndarray:
    """Scale rows, along the last axis, to unit length; rows of zeros are not changed."""
    norms = np.linalg.norm(rows, axis=-1, keepdims=True)
    return rows / np.where(norms == 0, 1, norms)


def class_balance(y: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    """Return one weight per row, (n_rows,), so that all classes count equally: their mean is 1.

    Parameters
    ----------
    y : ndarray of shape (n_rows,)
        Labels.
    weights : ndarray of shape (n_rows,), optional
        What rows count beside others of their class, above 0; 1 each if None.

    Examples
    --------
    >>> import numpy as np
    >>> from zeroshot._utils._arrays import class_balance
    >>> class_balance(np.array(["cat", "dog", "cat", "cat"]))
    array([0.66666667, 2.        , 0.66666667, 0.66666667])
    """
    _, codes = np.unique(y, return_inverse=True)
    totals = np.bincount(codes, weights)
    balance = (len(codes) / (len(totals) * totals))[codes]
    return balance if weights is None else balance * weights


def best_columns(scores: np.ndarray, k: int) -> np.ndarray:
    """Return the columns of each row's `k` largest scores, best first; the first column wins a tie.

    The result is that of a stable sort of each row, which is slow where there are many columns.

    Examples
    --------
    >>> import numpy as np
    >>> from zeroshot._utils._arrays import best_columns
    >>> best_columns(np.array([[0.1, 0.7, 0.2, 0.7], [3.0, 1.0, 1.0, 1.0]]), 2)
    array([[1, 3],
           [0, 1]])
    """
    rows, columns = _large(scores, k)
    order = np.lexsort((columns, -scores[rows, columns], rows))
    counts = np.bincount(rows, minlength=len(scores))
    return columns[order[(np.cumsum(counts) - counts)[:, None] + np.arange(k)]]


def _large(scores: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the places of scores, row by row, among which are the `k` largest of each row.

    Columns are dealt out into groups. The k-th largest of the groups' maxima is a bound that k
    scores reach, so the k largest reach it too, and only groups whose maximum does can hold one.
    All scores are read once; sorting takes place among few.
    """
    n_columns = scores.shape[1]
    n_groups = int(np.sqrt(n_columns * k))
    if n_columns < 4 * n_groups:
        bound = _kth_largest(scores, k)
        rows, columns = np.nonzero(scores >= bound[:, None])
        return rows, columns
    n_each, rest = divmod(n_columns, n_groups)
    whole = scores[:, : n_each * n_groups].reshape(-1, n_each, n_groups)
    maxima = whole.max(axis=1)
    np.maximum(maxima[:, :rest], scores[:, n_each * n_groups :], out=maxima[:, :rest])
    bound = _kth_largest(maxima, k)
    rows, groups = np.nonzero(maxima >= bound[:, None])
    columns = groups[:, None] + n_groups * np.arange(n_each + (rest > 0))
    exists = columns < n_columns
    values = scores[rows[:, None], np.where(exists, columns, 0)]
    places = np.nonzero(exists & (values >= bound[rows, None]))
    return rows[places[0]], columns[places]


def _kth_largest(numbers: np.ndarray, k: int) -> np.ndarray:
    place = numbers.shape[1] - k
    return np.partition(numbers, place, axis=1)[:, place]
