"""Precision of the best labels by their nearness to the true one in WordNet."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from zeroshot._validation import check_option
from zeroshot.metrics._classification import (
    AVERAGES,
    averaged,
    check_k,
    check_scored,
    on_offer,
)
from zeroshot.taxonomy import Synset
from zeroshot.taxonomy._hops import hops
from zeroshot.taxonomy._resolve import nodes_of


def hierarchical_precision_score(
    y_true: Any,
    y_score: Any,
    *,
    k: int = 5,
    labels: Any,
    synsets: Mapping[Any, str | Synset] | None = None,
    average: str = "macro",
) -> float:
    """Share of the `k` best-scored labels that lie close to the true one in WordNet.

    What is close is the correct set of a true label. It begins as the label alone, and takes in
    the labels on offer that are one more hop away, a hop leading to a hypernym or a hyponym, until
    it holds `k` or more. The last hop is taken in as a whole.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        True labels.
    y_score : array-like of shape (n_samples, n_labels), or (n_samples,) for two labels
        Scores, as in `hit_at_k_score`: labels that are not on offer do not count.
    k : int, default=5
        How many labels are judged. With 1 it is hit@1.
    labels : array-like of shape (n_labels,)
        Label of each column, without repeats; ``classes_`` of a classifier.
    synsets : mapping of label to str or Synset, optional
        The wnid or nltk name of labels, such as ``class_synsets("cifar100")``. Labels that are not
        in it are looked up as class names, by `zeroshot.taxonomy.resolve`.
    average : {"macro", "micro"}, default="macro"
        "macro": mean over the classes in `y_true`; "micro": mean over all samples, as published.

    Returns
    -------
    float
        In [0, 1].

    Raises
    ------
    UnknownLabelError
        A label has no noun synset.
    ValueError
        `k` is not between 1 and the number of labels on offer, columns and `labels` disagree, or
        `y_score` holds NaN or infinity.

    References
    ----------
    Frome et al., "DeViSE: A Deep Visual-Semantic Embedding Model", 2013, appendix: hierarchical
    precision@k (with ``average="micro"``).

    Examples
    --------
    A cheetah and a jaguar are both two hops from a lion:

    >>> from zeroshot.metrics import hierarchical_precision_score
    >>> labels = ["cheetah", "jaguar", "lion", "oboe"]
    >>> hierarchical_precision_score(["lion"], [[0.9, 0.7, 0.2, 0.1]], k=2, labels=labels)
    1.0
    """
    owner = "hierarchical_precision_score"
    check_option(average, AVERAGES, owner=owner, name="average")
    y_true, scores, labels = check_scored(y_true, y_score, labels, owner=owner)
    check_k(k, scores, owner=owner)
    offered = np.flatnonzero(on_offer(scores))
    classes, codes = np.unique(y_true, return_inverse=True)
    correct = correct_sets(classes, labels[offered], k, synsets, owner=owner)
    top = np.argsort(-scores[:, offered], axis=1, kind="stable")[:, :k]
    return averaged(y_true, correct[codes[:, None], top].mean(axis=1), average)


def correct_sets(
    classes: np.ndarray,
    candidates: np.ndarray,
    k: int,
    synsets: Mapping[Any, str | Synset] | None,
    *,
    owner: str,
) -> np.ndarray:
    """Return which candidates are in the correct set of each class.

    Parameters
    ----------
    classes : ndarray of shape (n_classes,)
        True labels, each once.
    candidates : ndarray of shape (n_candidates,)
        The labels on offer.
    k : int
        The size at which a set is full.
    synsets : mapping or None
        Of labels, as in `hierarchical_precision_score`.
    owner : str
        Who asks, for the messages.

    Returns
    -------
    ndarray of bool of shape (n_classes, n_candidates)
        All the candidates where there are fewer than `k`.
    """
    nodes = _nodes(np.concatenate([classes, candidates]), synsets, owner=owner)
    is_own = classes[:, None] == candidates
    absent = ~is_own.any(axis=1)
    distances = hops(nodes[: len(classes)], nodes[len(classes) :], k - absent)
    # The true label is the set's first member, before any hop, also where it is no candidate.
    distances[is_own] = -1
    ordered = np.sort(np.column_stack([np.where(absent, -1, np.inf), distances]), axis=1)
    last_hop = ordered[:, k - 1, None]
    return (distances <= last_hop) & np.isfinite(distances)


def _nodes(
    labels: np.ndarray, synsets: Mapping[Any, str | Synset] | None, *, owner: str
) -> np.ndarray:
    if synsets is not None and not isinstance(synsets, Mapping):
        raise TypeError(
            f"{owner}: synsets must map labels to wnids or nltk names, got {synsets!r}. Pass a "
            "dict, such as class_synsets('cifar100')."
        )
    known = synsets or {}
    unique, places = np.unique(labels, return_inverse=True)
    names = [known.get(label, label) for label in unique.tolist()]
    unnamed = [name for name in names if not isinstance(name, (str, Synset))]
    if unnamed:
        raise ValueError(
            f"{owner}: {len(unnamed)} labels are no class names (such as {unnamed[0]!r}), and "
            "their synsets are not known. Pass synsets= with the wnid of each."
        )
    return nodes_of(names, owner=owner, name="labels")[places]
