"""Relation of a target concept to a set of source concepts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from zeroshot.taxonomy._distances import ancestor_pairs
from zeroshot.taxonomy._graph import using
from zeroshot.taxonomy._resolve import nodes_of
from zeroshot.taxonomy._synset import Synset

if TYPE_CHECKING:
    from zeroshot.taxonomy._taxonomy import Taxonomy

RELATIONS = ("same", "included", "inclusive", "disjoint")


def relation(target: str | Synset, sources: Any, *, taxonomy: Taxonomy | None = None) -> str:
    """Return the relation of a synset to a set of synsets.

    Parameters
    ----------
    target : str or Synset
        A wnid, an nltk name, a class name, or a synset.
    sources : array-like of shape (n_sources,)
        Of the same kinds.
    taxonomy : Taxonomy, optional
        Taxonomy in which they are looked up; WordNet 3.0 if None.

    Returns
    -------
    {"same", "included", "inclusive", "disjoint"}
        The first that is true of: the target itself is a source; a source is an ancestor of the
        target; the target is an ancestor of a source; none of these.

    Raises
    ------
    UnknownLabelError
        A name has no noun synset.
    TypeError
        `sources` is not a list.
    ValueError
        `sources` is empty.

    References
    ----------
    Pascal, Bost and Huet (2019), "Semantic and visual similarities for efficient knowledge
    transfer in CNN training", section III (which does not have "same").

    Examples
    --------
    >>> from zeroshot.taxonomy import relation
    >>> sources = ["feline.n.01", "beagle.n.01"]
    >>> [relation(t, sources) for t in ("beagle.n.01", "lion.n.01", "dog.n.01", "oak.n.02")]
    ['same', 'included', 'inclusive', 'disjoint']
    """
    return str(relations([target], sources, taxonomy=taxonomy)[0])


def relations(targets: Any, sources: Any, *, taxonomy: Taxonomy | None = None) -> np.ndarray:
    """Return the `relation` of each target to the sources.

    Parameters
    ----------
    targets : array-like of shape (n_targets,)
        Wnids, nltk names, class names or synsets.
    sources : array-like of shape (n_sources,)
        Of the same kinds.
    taxonomy : Taxonomy, optional
        Taxonomy in which they are looked up; WordNet 3.0 if None.

    Returns
    -------
    ndarray of str of shape (n_targets,)
        ``"same"``, ``"included"``, ``"inclusive"`` or ``"disjoint"``.

    Raises
    ------
    UnknownLabelError, TypeError, ValueError
        As for `relation`; `targets` may be empty.

    Examples
    --------
    >>> from zeroshot.taxonomy import relations
    >>> relations(["cat", "oak"], ["tabby.n.01"]).tolist()
    ['inclusive', 'disjoint']
    """
    with using(None if taxonomy is None else taxonomy.graph):
        wanted = nodes_of(targets, owner="relations", name="targets")
        given = nodes_of(sources, owner="relations", name="sources")
        if not given.size:
            raise ValueError("relations: sources is empty. Name at least one class.")
        rows, above, distances = ancestor_pairs(wanted)
        of_sources = ancestor_pairs(given)[1]
    included = np.zeros(len(wanted), dtype=bool)
    included[rows[(distances > 0) & np.isin(above, given)]] = True
    inclusive = np.isin(wanted, of_sources)
    return np.select(
        [np.isin(wanted, given), included, inclusive], RELATIONS[:3], default=RELATIONS[3]
    )
