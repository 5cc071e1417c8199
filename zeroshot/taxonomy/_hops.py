"""How many hops apart synsets lie when hypernyms and hyponyms alike are one hop away."""

from __future__ import annotations

from functools import cache

import numpy as np

from zeroshot.taxonomy._graph import noun_graph

_ROWS_AT_ONCE = 64  # each takes five bytes for every synset of the graph


def hops(nodes: np.ndarray, targets: np.ndarray, enough: np.ndarray) -> np.ndarray:
    """Return how many hops each synset is from its nearest targets.

    Parameters
    ----------
    nodes : ndarray of int of shape (n_nodes,)
        Synsets by their numbers in the graph.
    targets : ndarray of int of shape (n_targets,)
        Synsets that count; one may stand here several times.
    enough : ndarray of int of shape (n_nodes,)
        The search from a node ends with the hop on which it has met that many targets.

    Returns
    -------
    ndarray of float of shape (n_nodes, n_targets)
        ``inf`` for targets beyond the last hop, and for those that no way leads to.

    Examples
    --------
    >>> import numpy as np
    >>> from zeroshot.taxonomy import synset
    >>> from zeroshot.taxonomy._hops import hops
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
    starts, neighbours = _adjacency()
    n = len(noun_graph())
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
        mark[keys] = np.arange(len(keys))  # of equal keys one leaves its mark: faster than a sort
        keys = keys[mark[keys] == np.arange(len(keys))]
        rows, front = keys // n, keys % n
        hop += 1


@cache
def _adjacency() -> tuple[np.ndarray, np.ndarray]:
    """Where each synset's neighbours start, and the neighbours: hypernyms and hyponyms."""
    graph = noun_graph()
    below = np.repeat(np.arange(len(graph)), np.diff(graph.parent_starts))
    ends = np.concatenate([below, graph.parents])
    order = np.argsort(ends, kind="stable")
    counts = np.bincount(ends, minlength=len(graph))
    neighbours = np.concatenate([graph.parents, below])[order]
    return np.concatenate([[0], np.cumsum(counts)]), neighbours
