"""Scores of many classes, a few rows at a time, and the best of each row."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from zeroshot._linear import product

MAX_SCORES = 2**24
"""How many scores a block of rows may have: 128 MB in float64."""


def row_blocks(n_rows: int, n_columns: int) -> Iterator[slice]:
    """Yield the rows of one block after another, at least one row a block."""
    step = max(1, MAX_SCORES // n_columns)
    for start in range(0, n_rows, step):
        yield slice(start, start + step)


def vector_scores(vectors: np.ndarray, class_vectors: np.ndarray) -> np.ndarray:
    """Return inner products, (n_rows, n_classes), in the dtype of `vectors`."""
    return product(vectors, class_vectors.T.astype(vectors.dtype, copy=False))


def binary_scores(scores: np.ndarray) -> np.ndarray:
    """Return scores as ``decision_function`` does: of two classes, the second less the first."""
    return scores[:, 1] - scores[:, 0] if scores.shape[1] == 2 else scores


def best_columns(scores: np.ndarray, k: int) -> np.ndarray:
    """Return the columns of each row's `k` largest scores, best first; the first column wins a tie.

    The result is that of a stable sort of each row, which is slow where there are many columns.

    Examples
    --------
    >>> import numpy as np
    >>> from zeroshot.estimators._many_candidates import best_columns
    >>> best_columns(np.array([[0.1, 0.7, 0.2, 0.7], [3.0, 1.0, 1.0, 1.0]]), 2)
    array([[1, 3],
           [0, 1]])
    """
    place = scores.shape[1] - k
    least = np.partition(scores, place, axis=1)[:, place]
    rows, columns = np.nonzero(scores >= least[:, None])
    order = np.lexsort((columns, -scores[rows, columns], rows))
    counts = np.bincount(rows, minlength=len(scores))
    return columns[order[(np.cumsum(counts) - counts)[:, None] + np.arange(k)]]


def member_mask(classes: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return which of the sorted `classes` are among the few `labels`, (n_classes,) of bool."""
    mask = np.zeros(len(classes), dtype=bool)
    places = np.minimum(np.searchsorted(classes, labels), len(classes) - 1)
    mask[places[classes[places] == labels]] = True
    return mask
