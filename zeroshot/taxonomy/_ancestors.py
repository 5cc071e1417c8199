"""Ancestors of many synsets at once, and what pairs of synsets have in common above them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from zeroshot.taxonomy._graph import noun_graph

FAR = np.int16(1000)
"""Stands for "no ancestor" in tables of distances: more than any sum of two real ones."""


def ancestor_pairs(nodes: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return all ancestors of synsets, themselves included, with the shortest distances up.

    Parameters
    ----------
    nodes : ndarray of int of shape (n_nodes,)
        Synsets by their numbers in the graph.

    Returns
    -------
    rows, ancestors, distances : ndarray of shape (n_pairs,)
        ``ancestors[k]`` lies ``distances[k]`` edges above ``nodes[rows[k]]``; nearest first.

    Examples
    --------
    >>> import numpy as np
    >>> from zeroshot.taxonomy import synset
    >>> from zeroshot.taxonomy._ancestors import ancestor_pairs
    >>> _, above, distances = ancestor_pairs(np.array([synset("canine.n.02").node]))
    >>> len(above), int(distances.max())
    (13, 12)
    """
    graph = noun_graph()
    n = len(graph)
    counts = np.diff(graph.parent_starts)
    front = np.arange(len(nodes), dtype=np.int64) * n + np.asarray(nodes, dtype=np.int64)
    levels = []
    while front.size:
        levels.append(front)
        below = front % n
        repeats = counts[below]
        first = np.repeat(graph.parent_starts[below] - (np.cumsum(repeats) - repeats), repeats)
        up = graph.parents[first + np.arange(repeats.sum())]
        front = np.unique(np.repeat(front - below, repeats) + up)
    distances = np.repeat(np.arange(len(levels)), [level.size for level in levels])
    # What is reached again on a longer way stands further back.
    pairs, place = np.unique(np.concatenate([front, *levels]), return_index=True)
    nearest = np.argsort(place)
    return pairs[nearest] // n, pairs[nearest] % n, distances[place[nearest]]


def distance_table(nodes: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Return how far up from each synset each of some synsets lies.

    Parameters
    ----------
    nodes : ndarray of int of shape (n_nodes,)
        Synsets.
    columns : ndarray of int of shape (n_columns,)
        Distinct synsets, ascending.

    Returns
    -------
    ndarray of int16 of shape (n_nodes, n_columns)
        Edges on the shortest way up, `FAR` where there is none.
    """
    table = np.full((len(nodes), len(columns)), FAR, dtype=np.int16)
    rows, above, distances = ancestor_pairs(nodes)
    place = np.minimum(np.searchsorted(columns, above), len(columns) - 1)
    known = columns[place] == above
    table[rows[known], place[known]] = distances[known]
    return table


def common_ancestors(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return the synsets that are ancestors both of some of `first` and of some of `second`."""
    return np.intersect1d(ancestor_pairs(first)[1], ancestor_pairs(second)[1])


def top_common(first: np.ndarray, second: np.ndarray, order: np.ndarray) -> np.ndarray:
    """Return, for each pair, the common ancestor that comes last in `order`.

    Parameters
    ----------
    first : ndarray of shape (n_first, n_columns)
        Distances from `distance_table`.
    second : ndarray of shape (n_second, n_columns)
        Distances to the same columns.
    order : ndarray of int of shape (n_columns,)
        The columns, the least wanted first.

    Returns
    -------
    ndarray of intp of shape (n_first, n_second)
        A column for each pair, -1 where nothing is common.
    """
    best = np.full((len(first), len(second)), -1, dtype=np.intp)

    def write(rows: np.ndarray, columns: np.ndarray, column: int) -> None:
        best[np.ix_(rows, columns)] = column

    _each_common(first, second, order, write)
    return best


def shortest_paths(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return the length of the shortest way between the synsets of each pair, up and down again.

    Parameters
    ----------
    first : ndarray of shape (n_first, n_columns)
        Distances from `distance_table`.
    second : ndarray of shape (n_second, n_columns)
        Distances to the same columns.

    Returns
    -------
    ndarray of int16 of shape (n_first, n_second)
        `FAR` or more where the synsets have nothing above them in common.
    """
    lengths = np.full((len(first), len(second)), FAR, dtype=np.int16)

    def write(rows: np.ndarray, columns: np.ndarray, column: int) -> None:
        block = np.ix_(rows, columns)
        via = first[rows, column, None] + second[columns, column]
        lengths[block] = np.minimum(lengths[block], via)

    _each_common(first, second, np.arange(first.shape[1]), write)
    return lengths


def _each_common(
    first: np.ndarray,
    second: np.ndarray,
    order: np.ndarray,
    write: Callable[[np.ndarray, np.ndarray, int], None],
) -> None:
    """Call `write` with the rows of `first` and of `second` that lie below each column."""
    # One loop over ancestors: each pair is touched once for each ancestor that it shares, some
    # five times on average, instead of once for each ancestor that there is.
    below_first, below_second = (first < FAR).T, (second < FAR).T
    for column in order.tolist():
        rows = np.flatnonzero(below_first[column])
        columns = np.flatnonzero(below_second[column])
        if rows.size and columns.size:
            write(rows, columns, column)
