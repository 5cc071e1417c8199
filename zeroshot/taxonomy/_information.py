"""How much it says of a thing that it is of some kind."""

from __future__ import annotations

import math

import numpy as np

from zeroshot.taxonomy._graph import noun_graph


def intrinsic_information(nodes: np.ndarray) -> np.ndarray:
    """Return the intrinsic information content of synsets: 0 for the root, 1 for a leaf.

    IC(c) = 1 - log(hypo(c) + 1) / log(N), with the hypo(c) synsets below c, of N in all.

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
    >>> from zeroshot.taxonomy._information import intrinsic_information
    >>> nodes = [synset(name).node for name in ("entity.n.01", "dog.n.01", "beagle.n.01")]
    >>> intrinsic_information(np.array(nodes)).round(3).tolist()
    [0.0, 0.536, 1.0]
    """
    graph = noun_graph()
    return 1 - np.log1p(graph.n_descendants[nodes]) / math.log(len(graph))


def information_gains(nodes: np.ndarray) -> np.ndarray:
    """Return what synsets say beyond the parent that says most: 0 for the root.

    Parameters
    ----------
    nodes : ndarray of int of shape (n_nodes,)
        Synsets.

    Returns
    -------
    ndarray of float64 of shape (n_nodes,)
        Along a chain of single parents they add up to the last one's information content.
    """
    graph = noun_graph()
    counts = np.diff(graph.parent_starts)
    own = intrinsic_information(np.arange(len(graph)))
    of_parents = np.zeros(len(graph))
    np.maximum.at(of_parents, np.repeat(np.arange(len(graph)), counts), own[graph.parents])
    return (own - of_parents)[nodes]
