"""The measures of `WordNetSimilarity`, from distances and information content."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from zeroshot.exceptions import Remedy
from zeroshot.taxonomy._ancestors import FAR, distance_table, top_common
from zeroshot.taxonomy._graph import noun_graph

IDENTICAL = 1e300
"""What nltk has for the Jiang-Conrath similarity of a synset to itself, and for log 0."""


def wu_palmer(
    rows: np.ndarray,
    columns: np.ndarray,
    shared: np.ndarray,
    first: np.ndarray,
    second: np.ndarray,
) -> np.ndarray:
    """Return Wu-Palmer similarities as nltk has them.

    Parameters
    ----------
    rows, columns : ndarray of int of shape (n_rows,), (n_columns,)
        Synsets; `columns` are distinct.
    shared : ndarray of int of shape (n_shared,)
        Their common ancestors, ascending.
    first, second : ndarray of shape (n_rows, n_shared), (n_columns, n_shared)
        Distances to these, from `distance_table`.

    Returns
    -------
    ndarray of float64 of shape (n_rows, n_columns)
        2D / (len1 + len2 + 2D).
    """
    graph = noun_graph()
    names = np.array([graph.name(node) for node in shared.tolist()], dtype=object)
    by_name = np.argsort(names, kind="stable")[::-1]
    lowest = graph.min_depths[shared]
    best = top_common(first, second, by_name[np.argsort(lowest[by_name], kind="stable")])
    own = np.searchsorted(shared, rows)
    own[own == len(shared)] = 0
    # The synset of the row itself wins among common ancestors of the same min_depth.
    is_shared = shared[own] == rows
    own_common = is_shared[:, None] & (second[:, own] < FAR).T
    best = np.where(own_common & (lowest[own][:, None] == lowest[best]), own[:, None], best)
    up = distance_table(shared, shared)
    len1 = np.take_along_axis(_to_ancestors(rows, first, shared, up), best, axis=1)
    len2 = np.take_along_axis(_to_ancestors(columns, second, shared, up), best.T, axis=1).T
    depth = graph.max_depths[shared].astype(np.int64)[best] + 1
    return (2.0 * depth) / (len1 + depth + len2 + depth)


def _to_ancestors(
    nodes: np.ndarray, table: np.ndarray, shared: np.ndarray, up: np.ndarray
) -> np.ndarray:
    """Return how far each of a synset's ancestors is, where a detour above it counts too.

    A way up to an ancestor of the ancestor and down again can be shorter than the way straight up.
    """
    lengths = table.astype(np.int64)
    rows, places = np.nonzero(table < FAR)
    # For each pair of a synset and its ancestor, all ancestors of that ancestor, in flat arrays.
    below, above = np.nonzero(up < FAR)
    starts = np.searchsorted(below, np.arange(len(shared) + 1))
    repeats = np.diff(starts)[places]
    first = np.repeat(starts[places] - (np.cumsum(repeats) - repeats), repeats)
    via = above[first + np.arange(repeats.sum())]
    ways = lengths[np.repeat(rows, repeats), via] + up[np.repeat(places, repeats), via]
    if repeats.size:
        lengths[rows, places] = np.minimum.reduceat(ways, np.cumsum(repeats) - repeats)
    return lengths


def _path_of_length(longest: int) -> np.ndarray:
    return np.array([1.0 / (length + 1) for length in range(longest + 1)])


def _lch_of_length(longest: int) -> np.ndarray:
    depth = int(noun_graph().max_depths.max())
    return np.array([-math.log((length + 1) / (2.0 * depth)) for length in range(longest + 1)])


def _resnik(
    first: np.ndarray, second: np.ndarray, shared: np.ndarray, same: np.ndarray
) -> np.ndarray:
    return shared


def _jiang_conrath(
    first: np.ndarray, second: np.ndarray, shared: np.ndarray, same: np.ndarray
) -> np.ndarray:
    difference = first + second - 2 * shared
    with np.errstate(divide="ignore"):
        similarity = np.where(difference == 0, IDENTICAL, 1 / difference)
    similarity[(first == 0) | (second == 0)] = 0
    similarity[same] = IDENTICAL
    return similarity


def _lin(first: np.ndarray, second: np.ndarray, shared: np.ndarray, same: np.ndarray) -> np.ndarray:
    total = first + second
    return np.divide(2.0 * shared, total, out=np.zeros_like(total), where=total != 0)


OF_LENGTH: dict[str, Callable[[int], np.ndarray]] = {
    "path": _path_of_length,
    "lch": _lch_of_length,
}
OF_INFORMATION: dict[str, Callable[..., np.ndarray]] = {
    "res": _resnik,
    "jcn": _jiang_conrath,
    "lin": _lin,
}
NOT_WUP = (
    "'wup' is nltk's Wu-Palmer, by which many synsets are nearer to others than to themselves. "
    + Remedy(
        "Write measure='wup_nltk' for it, or measure='path', the default.",
        option="Write --measure wup_nltk for it, or --measure path, the default.",
    )
)
MEASURES = (*OF_LENGTH, *OF_INFORMATION, "wup_nltk")
