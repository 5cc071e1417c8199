"""Exact nearest labels by cosine, block by block."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from zeroshot._validation import check_labels, check_number

_QUERY_BLOCK = 1024


def nearest_labels(
    vectors: Any, vocabulary: Any, k: int = 10, *, block_size: int = 16384
) -> tuple[np.ndarray, np.ndarray]:
    """Return the `k` labels of a vocabulary that are nearest to each vector by cosine.

    The search is exact. Similarities are computed a block of the vocabulary at a time, in float32,
    and those that can still be among the best are computed again in float64, always in the same
    order of operations: equal vectors score equal to the last bit and keep the vocabulary's order,
    whatever `block_size`. Memory for similarities is at most 1,024 × `block_size` floats.

    Parameters
    ----------
    vectors : array-like of shape (n_vectors, n_dims)
        What to look up.
    vocabulary : WordVectors, other embedding with `vocabulary` and `vectors`, or (labels, array)
        Labels and their vectors.
    k : int, default=10
        How many, at most the size of the vocabulary.
    block_size : int, default=16384
        How many labels of the vocabulary are compared at a time.

    Returns
    -------
    labels : ndarray of shape (n_vectors, k)
        Nearest first; equally near ones in the vocabulary's order.
    scores : ndarray of float64 of shape (n_vectors, k)
        Their cosines, in [-1, 1].

    Raises
    ------
    ValueError
        Shapes do not fit, `k` is not in 1 to the size of the vocabulary, or a vector is zero or
        holds NaN or infinity.

    Examples
    --------
    >>> from zeroshot.label_embeddings import nearest_labels
    >>> table = [[1, 0], [0, 1], [-1, 0]]
    >>> labels, scores = nearest_labels([[2, 1]], (["east", "north", "west"], table), k=2)
    >>> labels
    array([['east', 'north']], dtype='<U5')
    >>> scores.round(3)
    array([[0.894, 0.447]])
    """
    names, table = _check_vocabulary(vocabulary)
    queries = _check_queries(vectors, table.shape[1])
    for name, value in (("k", k), ("block_size", block_size)):
        check_number(value, owner="nearest_labels", name=name, at_least=1, integer=True)
    if k > len(names):
        raise ValueError(
            f"nearest_labels: k={k} is more than the {len(names)} labels of the vocabulary. "
            f"Pass k of at most {len(names)}."
        )
    rows = np.empty((len(queries), k), dtype=np.intp)
    scores = np.empty((len(queries), k))
    for start in range(0, len(queries), _QUERY_BLOCK):
        part = slice(start, start + _QUERY_BLOCK)
        rows[part], scores[part] = _top_k(queries[part], names, table, k, block_size)
    return _take(names, rows), np.clip(scores, -1, 1)


def _top_k(
    queries: np.ndarray, names: Sequence, table: np.ndarray, k: int, block_size: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return rows and cosines of the best `k`, best first, of unit-length float64 queries."""
    rough_queries = queries.astype(np.float32)
    # Bounds the rounding of a float32 dot product of two unit vectors, generously.
    slack = 4 * (queries.shape[1] + 4) * np.finfo(np.float32).eps
    best_rows = np.zeros((len(queries), 0), dtype=np.intp)
    best = np.zeros((len(queries), 0))
    for start in range(0, len(table), block_size):
        block = table[start : start + block_size]
        rough = rough_queries @ _rough_unit(block, names, start).T
        floor = _floor(rough, best, k) - slack
        query, row = np.nonzero(rough >= floor[:, None])
        exact = _dots(queries, block, query, row)
        best_rows, best = _merge(best_rows, best, query, row + start, exact, k)
    return best_rows, best


def _floor(rough: np.ndarray, best: np.ndarray, k: int) -> np.ndarray:
    """Return what a label must score to be among the best `k` of a query, as far as is known."""
    if best.shape[1] == k:
        return best[:, -1]
    if rough.shape[1] <= k:
        return np.full(len(rough), -np.inf)
    return np.partition(rough, rough.shape[1] - k, axis=1)[:, rough.shape[1] - k]


def _dots(
    queries: np.ndarray, block: np.ndarray, query: np.ndarray, row: np.ndarray, step: int = 65536
) -> np.ndarray:
    """Return float64 dot products of pairs, each summed up in the same order (BLAS does not)."""
    dots = np.empty(len(query))
    for start in range(0, len(query), step):
        part = slice(start, start + step)
        dots[part] = (queries[query[part]] * _unit(block[row[part]])).sum(axis=1)
    return dots


def _merge(
    best_rows: np.ndarray,
    best: np.ndarray,
    query: np.ndarray,
    row: np.ndarray,
    exact: np.ndarray,
    k: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Merge candidates, at least min(k, all seen so far) a query, into the best of before."""
    n_queries, n_best = best.shape
    query = np.concatenate([np.repeat(np.arange(n_queries), n_best), query])
    row = np.concatenate([best_rows.ravel(), row])
    exact = np.concatenate([best.ravel(), exact])
    order = np.lexsort((row, -exact, query))
    counts = np.bincount(query, minlength=n_queries)
    keep = min(k, int(counts.min()))
    starts = np.cumsum(counts) - counts
    chosen = order[starts[:, None] + np.arange(keep)]
    return row[chosen], exact[chosen]


def _rough_unit(block: np.ndarray, names: Sequence, start: int) -> np.ndarray:
    """Return a block's rows at unit length in float32, or raise where a row has no direction."""
    if block.dtype == np.float32:
        norms = np.sqrt(np.einsum("ij,ij->i", block, block))
        if norms.size and 1e-12 < norms.min() and norms.max() < 1e18:  # false for NaN
            return block / norms[:, None]
    largest = np.abs(block).max(axis=1)
    bad = np.flatnonzero(~(np.isfinite(largest) & (largest > 0)))
    if bad.size:
        raise ValueError(
            f"nearest_labels: the vocabulary's vector of {names[start + int(bad[0])]!r} is zero or "
            f"holds NaN or infinity, and has no cosine. Leave such labels out."
        )
    return _unit(block).astype(np.float32)


def _unit(rows: np.ndarray) -> np.ndarray:
    """Return rows at unit length in float64; the largest figure first, against underflow."""
    rows = rows.astype(np.float64)
    rows /= np.abs(rows).max(axis=1, keepdims=True, initial=0)
    return rows / np.sqrt(np.square(rows).sum(axis=1, keepdims=True))


def _check_queries(vectors: Any, n_dims: int) -> np.ndarray:
    queries = np.asarray(vectors, dtype=np.float64)
    if queries.ndim != 2 or queries.shape[1] != n_dims:
        raise ValueError(
            f"nearest_labels: vectors must have shape (n_vectors, {n_dims}) as the vocabulary's, "
            f"got {queries.shape}."
        )
    largest = np.abs(queries).max(axis=1, initial=0)
    bad = np.flatnonzero(~(np.isfinite(largest) & (largest > 0)))
    if bad.size:
        raise ValueError(
            f"nearest_labels: {bad.size} of {len(queries)} vectors are zero or hold NaN or "
            f"infinity, and have no cosine (rows {', '.join(map(str, bad[:10]))}). "
            f"Leave these rows out."
        )
    return _unit(queries)


def _check_vocabulary(vocabulary: Any) -> tuple[Sequence, np.ndarray]:
    if hasattr(vocabulary, "vocabulary") and hasattr(vocabulary, "vectors"):
        return vocabulary.vocabulary, vocabulary.vectors
    if not isinstance(vocabulary, tuple) or len(vocabulary) != 2:
        raise TypeError(
            f"nearest_labels: vocabulary must be an embedding with vocabulary and vectors (such as "
            f"WordVectors), or a tuple (labels, array), got {type(vocabulary).__name__}. "
            f"Pass (labels, embedding.embed(labels))."
        )
    names = check_labels(vocabulary[0], owner="nearest_labels", name="vocabulary").tolist()
    table = np.asarray(vocabulary[1])
    if table.ndim != 2 or len(table) != len(names) or not names:
        raise ValueError(
            f"nearest_labels: the vocabulary has {len(names)} labels and an array of shape "
            f"{table.shape}, expected (n_labels, n_dims) with at least one label."
        )
    return names, table


def _take(names: Sequence, rows: np.ndarray) -> np.ndarray:
    distinct, inverse = np.unique(rows, return_inverse=True)
    labels = np.array([names[int(row)] for row in distinct])
    return labels[inverse.reshape(rows.shape)] if labels.size else np.empty(rows.shape, dtype="U1")
