"""Exact nearest labels by cosine, block by block."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from zeroshot._utils._validation import check_labels, check_number, check_unique
from zeroshot.label_embeddings._vocabulary import Vocabulary


def nearest_labels(
    vectors: Any,
    vocabulary: Any,
    k: int = 10,
    *,
    block_size: int = 65536,
    device: Any = "auto",
) -> tuple[np.ndarray, np.ndarray]:
    """Return the `k` labels of a vocabulary that are nearest to each vector by cosine.

    The search is exact. A block of the vocabulary is compared at a time, roughly, on the device;
    the few labels that can still be among the best are compared again in float64, on the CPU and
    always in the same order of operations: equal vectors score equal to the last bit and keep the
    vocabulary's order, and neither `block_size` nor `device` changes a bit of the answer. Memory
    beside `vectors` and `vocabulary` grows with neither: it holds a block's vectors three times
    and, for each thread of torch, 64 rough cosines for each of the block's labels (1,024 where `k`
    is above a 64th of the block).

    Parameters
    ----------
    vectors : array-like of shape (n_vectors, n_dims)
        What to look up.
    vocabulary : WordVectors, other embedding with `vocabulary` and `vectors`, or (labels, array)
        Labels and their vectors.
    k : int, default=10
        How many, at most the size of the vocabulary.
    block_size : int, default=65536
        How many labels of the vocabulary are compared at a time.
    device : str or torch.device, default="auto"
        Where rough cosines are computed: ``"auto"`` is a GPU if there is one.

    Returns
    -------
    labels : ndarray of shape (n_vectors, k)
        Nearest first; equally near ones in the vocabulary's order.
    scores : ndarray of float64 of shape (n_vectors, k)
        Their cosines, in [-1, 1].

    Raises
    ------
    ValueError
        Shapes do not fit, something else than real numbers comes for vectors, the vocabulary names
        a label twice, `k` is not in 1 to the size of the vocabulary, a vector is zero or holds
        NaN or infinity, or there is no such device.

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
    from zeroshot._utils._device import resolve_device
    from zeroshot.label_embeddings._nearest_search import search

    place = resolve_device(device, owner="nearest_labels")
    rows, scores = search(queries, names, table, k, block_size=block_size, device=place)
    return _take(names, rows), np.clip(scores, -1, 1)


def _check_queries(vectors: Any, n_dims: int) -> np.ndarray:
    queries = _real_numbers(
        vectors, "vectors", "Pass vectors, such as embedding.embed(words), not words."
    ).astype(np.float64, copy=False)
    if queries.shape == (n_dims,):
        raise ValueError(
            f"nearest_labels: vectors must have shape (n_vectors, {n_dims}), got one vector of "
            f"shape {queries.shape}. Pass [vector], or vector.reshape(1, -1)."
        )
    if queries.ndim != 2 or queries.shape[1] != n_dims:
        raise ValueError(
            f"nearest_labels: vectors must have shape (n_vectors, {n_dims}) as the vocabulary's, "
            f"got {queries.shape}. Take both from the same label embedding."
        )
    bad = without_direction(queries)
    if bad.size:
        raise ValueError(
            f"nearest_labels: {bad.size} of {len(queries)} vectors are zero or hold NaN or "
            f"infinity, and have no cosine (rows {', '.join(map(str, bad[:10]))}). "
            f"Leave these rows out."
        )
    return unit_rows(queries)


def _real_numbers(values: Any, name: str, remedy: str) -> np.ndarray:
    """Return `values` as an array of real numbers in their own dtype."""
    try:
        array = np.asarray(values)
        if array.dtype.kind in "biuf":
            return array
        got = f"got dtype {array.dtype}"
    except (TypeError, ValueError) as error:  # rows of different lengths
        got = str(error)
    raise ValueError(f"nearest_labels: {name} must be an array of real numbers ({got}). {remedy}")


def unit_rows(rows: np.ndarray) -> np.ndarray:
    """Return rows at unit length in float64; the largest figure first, against underflow."""
    rows = rows.astype(np.float64)
    rows /= np.abs(rows).max(axis=1, keepdims=True, initial=0)
    return rows / np.sqrt(np.square(rows).sum(axis=1, keepdims=True))


def without_direction(rows: np.ndarray) -> np.ndarray:
    """Return which rows are zero, or hold NaN or infinity."""
    largest = np.abs(rows).max(axis=1, initial=0)
    return np.flatnonzero(~(np.isfinite(largest) & (largest > 0)))


def _check_vocabulary(vocabulary: Any) -> tuple[Sequence, np.ndarray]:
    if hasattr(vocabulary, "vectors") and hasattr(vocabulary, "vocabulary"):
        return vocabulary.vocabulary, vocabulary.vectors
    if not isinstance(vocabulary, tuple) or len(vocabulary) != 2:
        raise TypeError(
            f"nearest_labels: vocabulary must be an embedding with vocabulary and vectors (such as "
            f"WordVectors), or a tuple (labels, array), got {type(vocabulary).__name__}. "
            f"Pass (labels, embedding.embed(labels))."
        )
    labels = check_labels(vocabulary[0], owner="nearest_labels", name="vocabulary")
    names = labels.tolist()
    if len(set(names)) < len(names):  # a fraction of what it takes to sort 400,000 words
        check_unique(labels, owner="nearest_labels", name="vocabulary")
    table = _real_numbers(
        vocabulary[1], "the vocabulary's array", "Pass (labels, embedding.embed(labels))."
    )
    if table.ndim != 2 or len(table) != len(names) or not names:
        raise ValueError(
            f"nearest_labels: the vocabulary has {len(names)} labels and an array of shape "
            f"{table.shape}, expected (n_labels, n_dims) with at least one label."
        )
    return names, table


def _take(names: Sequence, rows: np.ndarray) -> np.ndarray:
    distinct, inverse = np.unique(rows, return_inverse=True)
    if isinstance(names, Vocabulary):
        labels = np.array(names.take(distinct))
    else:
        labels = np.array([names[row] for row in distinct.tolist()])
    return labels[inverse.reshape(rows.shape)] if labels.size else np.empty(rows.shape, dtype="U1")
