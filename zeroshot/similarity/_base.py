"""Interface of similarities, and conversion of any similarity to a matrix."""

from __future__ import annotations

from collections.abc import Iterable, Sized
from typing import Any, Protocol, runtime_checkable

import numpy as np


@runtime_checkable
class Similarity(Protocol):
    """Any object with ``matrix(targets, sources)``.

    Examples
    --------
    >>> from zeroshot.similarity import Similarity, WordNetSimilarity
    >>> isinstance(WordNetSimilarity(), Similarity)
    True
    """

    def matrix(self, targets: Any, sources: Any) -> np.ndarray:
        """Return the similarities of targets to sources, (n_targets, n_sources)."""


def as_similarity_matrix(
    similarity: Any, targets: Any, sources: Any, *, owner: str = "as_similarity_matrix"
) -> np.ndarray:
    """Return a checked matrix of similarities, ready to be weights of a convex combination.

    If the ``matrix`` of an object returns negative entries, such as cosines, they become 0: these
    sources get no weight. A precomputed matrix is taken as weights, and raises if it has negative
    entries.

    Parameters
    ----------
    similarity : object with ``matrix``, or array-like of shape (n_targets, n_sources)
        Source of the similarities.
    targets : array-like of shape (n_targets,)
        Labels of the rows.
    sources : array-like of shape (n_sources,)
        Labels of the columns.
    owner : str
        Owner of the parameter, for the messages.

    Returns
    -------
    ndarray of float64 of shape (n_targets, n_sources)
        A new array, finite, with no negative entry.

    Raises
    ------
    ValueError
        The shape is wrong, an entry is NaN or infinite, or an entry of a precomputed matrix is
        negative.
    TypeError
        `similarity` has no ``matrix`` and is not an array of numbers, or is a class; `targets` or
        `sources` is not a list.

    Examples
    --------
    >>> from zeroshot.similarity import as_similarity_matrix
    >>> as_similarity_matrix([[0.5, 0.0]], ["lion"], ["cat", "oboe"])
    array([[0.5, 0. ]])
    """
    matrix = checked_matrix(similarity, targets, sources, owner=owner)
    if not hasattr(similarity, "matrix") and (matrix < 0).any():
        raise ValueError(
            f"{owner}: the similarity matrix is negative for {_place(matrix < 0)}. Similarities "
            f"are weights and must be 0 or more: clip it with np.maximum(matrix, 0)."
        )
    return np.maximum(matrix, 0)


def checked_matrix(similarity: Any, targets: Any, sources: Any, *, owner: str) -> np.ndarray:
    """Return a similarity matrix as `as_similarity_matrix` does, but keep negative entries."""
    check_similarity(similarity, owner=owner)
    targets = sized(targets, owner=owner, name="targets")
    sources = sized(sources, owner=owner, name="sources")
    shape = (len(targets), len(sources))
    computed = hasattr(similarity, "matrix")
    given = similarity.matrix(targets, sources) if computed else similarity
    name = type(similarity).__name__ + ".matrix" if computed else "the similarity matrix"
    try:
        matrix = np.array(given, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise TypeError(f"{owner}: {name} holds something else than numbers: {error}.") from error
    if matrix.shape != shape:
        raise ValueError(
            f"{owner}: {name} has shape {matrix.shape}, expected {shape}: one row for each of the "
            f"{shape[0]} targets and one column for each of the {shape[1]} sources."
        )
    if not np.isfinite(matrix).all():
        raise ValueError(
            f"{owner}: {name} holds NaN or infinity for {_place(~np.isfinite(matrix))}. "
            f"Give every pair a finite similarity."
        )
    return matrix


def check_similarity(similarity: Any, *, owner: str) -> None:
    """Raise unless `similarity` is an object with ``matrix``, or an array of numbers.

    Raises
    ------
    TypeError
        `similarity` is something else, such as a class.
    """
    if hasattr(similarity, "matrix") and not isinstance(similarity, type):
        return
    try:
        numbers = similarity is not None and np.asarray(similarity, dtype=np.float64) is not None
    except (TypeError, ValueError):
        numbers = False
    if not numbers:
        a_class = isinstance(similarity, type)
        got = f"the class {similarity.__name__}" if a_class else type(similarity).__name__
        raise TypeError(
            f"{owner}: similarity must be an object with matrix(targets, sources) or an array of "
            f"numbers, got {got}. Pass WordNetSimilarity(), for example."
        )


def sized(items: Any, *, owner: str, name: str) -> Any:
    """Return `items` if they have a length, else a list of them: a generator runs only once.

    Raises
    ------
    TypeError
        `items` is not a list.
    """
    if isinstance(items, Sized):
        return items
    if not isinstance(items, Iterable):
        raise TypeError(f"{owner}: {name} must be a list of labels, got {items!r}.")
    return list(items)


def _place(bad: np.ndarray) -> str:
    row, column = np.argwhere(bad)[0].tolist()
    return f"target {row} and source {column}, and {int(bad.sum())} pairs in all"
