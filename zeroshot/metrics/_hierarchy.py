"""Hierarchical precision: how near the best labels are to the true one in WordNet."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from zeroshot._utils._arrays import best_columns
from zeroshot._utils._validation import check_option
from zeroshot.metrics._classification import (
    AVERAGES,
    averaged,
    check_k,
    check_scored,
    on_offer,
)
from zeroshot.taxonomy import Synset
from zeroshot.taxonomy._distances import hops
from zeroshot.taxonomy._resolve import nodes_in_context, senses_of
from zeroshot.taxonomy._unmatched import warn_of_unmatched_keys

PASS_SYNSETS = "Pass synsets= with the wnid of each."


def hierarchical_precision_score(
    y_true: Any,
    y_score: Any,
    *,
    k: int = 5,
    labels: Any,
    synsets: Mapping[Any, str | Synset] | None = None,
    average: str = "macro",
) -> float:
    """Share of the `k` best-scored labels that are close to the true one in WordNet.

    Close labels form the correct set of a true label. The set starts with the label alone. It then
    adds the candidate labels one hop further away, until it has `k` labels or more. A hop leads to
    a hypernym or a hyponym, and all labels of the last hop are added.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        True labels.
    y_score : array-like of shape (n_samples, n_labels), or (n_samples,) for two labels
        Scores, as in `hit_at_k_score`: labels that are not candidates do not count.
    k : int, default=5
        How many labels are judged. With 1 it is hit@1.
    labels : array-like of shape (n_labels,)
        Label of each column, without repeats; ``classes_`` of a classifier.
    synsets : mapping of label to str or Synset, optional
        The wnid or nltk name of labels, such as ``class_synsets("cifar100")``. Labels that are not
        in it are looked up as class names. Of several senses, the one nearest to the other labels
        is taken, as in `ClassConfusionDisplay`: a "tiger" among animals is not a person.
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
        `synsets` names none of the labels, or a synset that WordNet has not; labels are integers
        whose synsets it does not name; `k` is not between 1 and the number of candidate labels,
        columns and `labels` disagree, or `y_score` holds NaN or infinity.

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
    correct, _ = correct_sets(classes, labels[offered], k, synsets, owner=owner)
    top = best_columns(scores[:, offered], k)
    return averaged(y_true, correct[codes[:, None], top].mean(axis=1), average)


def correct_sets(
    classes: np.ndarray,
    candidates: np.ndarray,
    k: int,
    synsets: Mapping[Any, str | Synset] | None,
    *,
    owner: str,
    remedy: str = PASS_SYNSETS,
) -> tuple[np.ndarray, list]:
    """Return which candidates are in the correct set of each class.

    Parameters
    ----------
    classes : ndarray of shape (n_classes,)
        True labels, each once.
    candidates : ndarray of shape (n_candidates,)
        The candidate labels.
    k : int
        The size at which a set is full.
    synsets : mapping or None
        Of labels, as in `hierarchical_precision_score`.
    owner, remedy : str
        Who asks, and what to do where synsets are not known, for the messages.

    Returns
    -------
    correct : ndarray of bool of shape (n_classes, n_candidates)
        All the candidates where there are fewer than `k`.
    guessed : list
        The labels that have several senses, and were taken for the one nearest to the others.
    """
    labels = np.concatenate([classes, candidates])
    nodes, guessed = _nodes(labels, synsets, owner=owner, remedy=remedy)
    is_own = classes[:, None] == candidates
    absent = ~is_own.any(axis=1)
    distances = hops(nodes[: len(classes)], nodes[len(classes) :], k - absent)
    # The true label is the set's first member, before any hop, also where it is no candidate.
    distances[is_own] = -1
    ordered = np.sort(np.column_stack([np.where(absent, -1, np.inf), distances]), axis=1)
    last_hop = ordered[:, k - 1, None]
    return (distances <= last_hop) & np.isfinite(distances), guessed


def _nodes(
    labels: np.ndarray, synsets: Mapping[Any, str | Synset] | None, *, owner: str, remedy: str
) -> tuple[np.ndarray, list]:
    """Return the node of each label, and the labels whose sense was guessed."""
    unique, places = np.unique(labels, return_inverse=True)
    given = _given_synsets(unique.tolist(), synsets, owner=owner)
    unnamed = [x for x in unique.tolist() if x not in given and not isinstance(x, str)]
    if unnamed:
        lacking = "their synsets are not known" if synsets is None else "synsets lacks them"
        raise ValueError(
            f"{owner}: {len(unnamed)} labels are not class names (such as {unnamed[0]!r}), and "
            f"{lacking}. {remedy}"
        )
    names = [given.get(label, label) for label in unique.tolist()]
    senses = senses_of(names, owner=owner, name="labels")
    guessed = [x for x, nodes in zip(unique.tolist(), senses, strict=True) if len(nodes) > 1]
    return np.array(nodes_in_context(senses), dtype=np.int64)[places], guessed


def _given_synsets(
    labels: list, synsets: Mapping[Any, str | Synset] | None, *, owner: str
) -> dict[Any, str | Synset]:
    """Return what `synsets` says of the labels, which WordNet must have."""
    if synsets is None:
        return {}
    if not isinstance(synsets, Mapping):
        raise TypeError(
            f"{owner}: synsets must map labels to wnids or nltk names, got {synsets!r}. Pass a "
            "dict, such as class_synsets('cifar100')."
        )
    given = {label: synsets[label] for label in labels if label in synsets}
    if synsets and not given:
        raise ValueError(
            f"{owner}: synsets names none of the {len(labels)} labels (labels such as "
            f"{labels[0]!r}, synsets such as {next(iter(synsets))!r}). Pass labels as they stand "
            "in y, with the wnid of each."
        )
    warn_of_unmatched_keys(synsets, labels, owner=owner, name="synsets")
    for label, name in given.items():
        is_name = isinstance(name, (str, Synset))
        if not is_name or not senses_of([name], owner=owner, name="synsets", missing=True)[0]:
            raise ValueError(
                f"{owner}: synsets has {name!r} for {label!r}, which is not a noun synset of "
                "WordNet. Pass a wnid such as 'n02129604', or an nltk name such as 'tiger.n.02'."
            )
    return given
