"""Ancestors and common subsumers of many synsets at once."""

from __future__ import annotations

import math

import numpy as np

from zeroshot.taxonomy._graph import noun_graph

_ROWS_AT_ONCE = 64  # each row takes five bytes per synset of the graph


FAR = np.int16(1000)
"""Stands for "no ancestor" in tables of distances: more than any sum of two real ones."""


def ancestor_pairs(nodes: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return all ancestors of synsets, including the synsets themselves, with shortest distances.

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
    >>> from zeroshot.taxonomy._distances import ancestor_pairs
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
    # Ancestors that are reached again on a longer path come later.
    pairs, place = np.unique(np.concatenate([front, *levels]), return_index=True)
    nearest = np.argsort(place)
    return pairs[nearest] // n, pairs[nearest] % n, distances[place[nearest]]


def distance_table(nodes: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Return the distance from each synset up to each of the given ancestors.

    Parameters
    ----------
    nodes : ndarray of int of shape (n_nodes,)
        Synsets.
    columns : ndarray of int of shape (n_columns,)
        Distinct synsets, ascending.

    Returns
    -------
    ndarray of int16 of shape (n_nodes, n_columns)
        Edges on the shortest path up; `FAR` if there is no path.
    """
    table = np.full((len(nodes), len(columns)), FAR, dtype=np.int16)
    rows, above, distances = ancestor_pairs(nodes)
    place = np.minimum(np.searchsorted(columns, above), len(columns) - 1)
    known = columns[place] == above
    table[rows[known], place[known]] = distances[known]
    return table


def common_ancestors(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return the synsets that are ancestors of some of `first` and also of some of `second`."""
    return np.intersect1d(ancestor_pairs(first)[1], ancestor_pairs(second)[1])


def top_common(first: np.ndarray, second: np.ndarray, order: np.ndarray) -> np.ndarray:
    """Return the common ancestor of each pair that comes last in `order`.

    Parameters
    ----------
    first : ndarray of shape (n_first, n_columns)
        Distances from `distance_table`.
    second : ndarray of shape (n_second, n_columns)
        Distances to the same columns.
    order : ndarray of int of shape (n_columns,)
        The columns, the least preferred first.

    Returns
    -------
    ndarray of intp of shape (n_first, n_second)
        A column for each pair; -1 if there is no common ancestor.
    """
    best = np.full((len(first), len(second)), -1, dtype=np.intp)
    above_second = (second < FAR).T
    for row, near in enumerate(first):
        preferred = order[near[order] < FAR][::-1]
        if preferred.size:
            common = above_second[preferred]
            top = common.argmax(axis=0)
            best[row] = np.where(common.any(axis=0), preferred[top], -1)
    return best


def shortest_paths(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return the length of the shortest path between the synsets of each pair, up and down again.

    Parameters
    ----------
    first : ndarray of shape (n_first, n_columns)
        Distances from `distance_table`.
    second : ndarray of shape (n_second, n_columns)
        Distances to the same columns.

    Returns
    -------
    ndarray of int16 of shape (n_first, n_second)
        `FAR` or more if the synsets have no common ancestor.
    """
    lengths = np.full((len(first), len(second)), FAR, dtype=np.int16)
    to_second = np.ascontiguousarray(second.T)
    # Row by row: a synset has some ten ancestors, and the graph has thousands.
    for row, near in enumerate(first):
        above = np.flatnonzero(near < FAR)
        if above.size:
            via = to_second[above] + near[above, None]
            np.minimum(via.min(axis=0), FAR, out=lengths[row])
    return lengths


def hops(nodes: np.ndarray, targets: np.ndarray, enough: np.ndarray) -> np.ndarray:
    """Return the number of hops from each synset to its nearest targets.

    Parameters
    ----------
    nodes : ndarray of int of shape (n_nodes,)
        Synsets by their numbers in the graph.
    targets : ndarray of int of shape (n_targets,)
        Target synsets; a synset may occur several times.
    enough : ndarray of int of shape (n_nodes,)
        The search from a node ends with the hop on which it has found this many targets.

    Returns
    -------
    ndarray of float of shape (n_nodes, n_targets)
        ``inf`` for targets beyond the last hop, and for unreachable ones.

    Examples
    --------
    >>> import numpy as np
    >>> from zeroshot.taxonomy import synset
    >>> from zeroshot.taxonomy._distances import hops
    >>> lion, jaguar, oboe = (synset(f"{name}.n.01").node for name in ("lion", "jaguar", "oboe"))
    >>> hops(np.array([lion]), np.array([lion, jaguar, oboe]), np.array([2]))
    array([[ 0.,  2., inf]])
    """
    found = np.full((len(nodes), len(targets)), np.inf)
    for start in range(0, len(nodes), _ROWS_AT_ONCE):
        block = slice(start, start + _ROWS_AT_ONCE)
        _spread(nodes[block], targets, enough[block], found[block])
    return found


def _spread(nodes: np.ndarray, targets: np.ndarray, enough: np.ndarray, found: np.ndarray) -> None:
    """Fill `found`, (n_nodes, n_targets), hop by hop from all nodes at once."""
    graph = noun_graph()
    starts, neighbours = graph.adjacency
    n = len(graph)
    met = np.zeros((len(nodes), n), dtype=bool)
    mark = np.empty(met.size, dtype=np.int32)
    rows, front = np.arange(len(nodes)), np.asarray(nodes)
    hop = 0
    while rows.size:
        met[rows, front] = True
        found[met[:, targets] & np.isinf(found)] = hop
        unfinished = (np.isfinite(found).sum(axis=1) < enough)[rows]
        rows, front = rows[unfinished], front[unfinished]
        repeats = starts[front + 1] - starts[front]
        first = np.repeat(starts[front] - (np.cumsum(repeats) - repeats), repeats)
        beyond = neighbours[first + np.arange(repeats.sum())]
        keys = np.repeat(rows, repeats) * n + beyond
        keys = keys[~met.ravel()[keys]]
        mark[keys] = np.arange(len(keys))  # one of equal keys is kept: faster than a sort
        keys = keys[mark[keys] == np.arange(len(keys))]
        rows, front = keys // n, keys % n
        hop += 1


def intrinsic_information(nodes: np.ndarray) -> np.ndarray:
    """Return the intrinsic information content of synsets: 0 for the root, 1 for a leaf.

    IC(c) = 1 - log(hypo(c) + 1) / log(N), where hypo(c) is the number of synsets below c, and N is
    the number of all synsets.

    Parameters
    ----------
    nodes : ndarray of int of shape (n_nodes,)
        Synsets.

    Returns
    -------
    ndarray of float64 of shape (n_nodes,)
        From 0 to 1.

    References
    ----------
    Seco, Veale and Hayes (2004), "An intrinsic information content metric for semantic similarity
    in WordNet", ECAI, equation 3.

    Examples
    --------
    >>> import numpy as np
    >>> from zeroshot.taxonomy import synset
    >>> from zeroshot.taxonomy._distances import intrinsic_information
    >>> nodes = [synset(name).node for name in ("entity.n.01", "dog.n.01", "beagle.n.01")]
    >>> intrinsic_information(np.array(nodes)).round(3).tolist()
    [0.0, 0.536, 1.0]
    """
    graph = noun_graph()
    return 1 - np.log1p(graph.n_descendants[nodes]) / math.log(len(graph))


def information_gains(nodes: np.ndarray) -> np.ndarray:
    """Return the information that synsets add to their most informative parent: 0 for the root.

    Parameters
    ----------
    nodes : ndarray of int of shape (n_nodes,)
        Synsets.

    Returns
    -------
    ndarray of float64 of shape (n_nodes,)
        Along a chain of single parents, the values add up to the information content of the last
        synset.
    """
    graph = noun_graph()
    counts = np.diff(graph.parent_starts)
    own = intrinsic_information(np.arange(len(graph)))
    of_parents = np.zeros(len(graph))
    np.maximum.at(of_parents, np.repeat(np.arange(len(graph)), counts), own[graph.parents])
    return (own - of_parents)[nodes]
