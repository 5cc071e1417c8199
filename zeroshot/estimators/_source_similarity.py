"""Similarities of target and source classes, from an object or a matrix."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import clone

from zeroshot._utils._constraints import check_inner
from zeroshot._utils._validation import (
    check_label_list,
    check_labels,
    check_option,
    check_same_kind,
)
from zeroshot.backbones import SourceHead
from zeroshot.exceptions import UnknownLabelError
from zeroshot.similarity import (
    InferenceSimilarity,
    MixtureSimilarity,
    WordNetSimilarity,
    as_similarity_matrix,
)
from zeroshot.similarity._base import check_similarity, checked_matrix
from zeroshot.similarity._wordnet import replace_names
from zeroshot.taxonomy import Synset
from zeroshot.taxonomy._resolve import nodes_of
from zeroshot.taxonomy._unmatched import warn_of_unmatched_keys

SIMILARITIES = ("inference", "wordnet")


@dataclass(frozen=True)
class Names:
    """What target and source classes are called.

    Attributes
    ----------
    targets, sources : ndarray
        Their labels, which images and word vectors go by.
    target_synsets, source_synsets : ndarray
        What the taxonomy goes by: wnids where they are known, else the labels. Integers among
        them have no synset.
    """

    targets: np.ndarray
    sources: np.ndarray
    target_synsets: np.ndarray
    source_synsets: np.ndarray


def check_measurable(similarity: Any, *, owner: str, name: str = "similarity") -> None:
    """Raise unless `measure` takes a similarity, as far as can be told before it is measured.

    Raises
    ------
    ValueError
        It is a string that is no option.
    TypeError
        It has no ``matrix`` and is no array of numbers, or is a class; also inside a mixture.
    """
    if isinstance(similarity, str):
        check_option(similarity, SIMILARITIES, owner=owner, name="similarity")
    elif isinstance(similarity, MixtureSimilarity):
        check_inner(similarity)
        for part, _ in similarity.similarities:
            check_measurable(part, owner=owner)
    else:
        check_similarity(similarity, owner=owner)
        check_inner(similarity)


def measure(
    similarity: Any,
    names: Names,
    logits: np.ndarray | None,
    y: np.ndarray,
    *,
    owner: str,
    signed: bool = False,
) -> np.ndarray:
    """Return the similarity of each target to each source, (n_targets, n_sources).

    Parameters
    ----------
    similarity : str, object with ``matrix``, or array-like
        What has ``fit`` is fitted on a copy, also inside a mixture.
    names : Names
        Of the classes.
    logits : ndarray of shape (n_samples, n_sources) or None
        What the source head gives for the images.
    y : ndarray of shape (n_samples,)
        Their labels.
    owner : str
        Whose parameter it is, for the messages.
    signed : bool, default=False
        Keep negative similarities, which count as 0 otherwise.

    Raises
    ------
    ValueError
        It needs images and there are none, or the matrix is of another shape or negative.
    TypeError
        It has no ``matrix``.
    """
    if isinstance(similarity, str):
        check_option(similarity, SIMILARITIES, owner=owner, name="similarity")
        similarity = InferenceSimilarity() if similarity == "inference" else WordNetSimilarity()
    targets, sources = names.targets, names.sources
    if isinstance(similarity, MixtureSimilarity):
        parts = [
            (measure(part, names, logits, y, owner=owner), weight)
            for part, weight in similarity.similarities
        ]
        similarity = MixtureSimilarity(parts, scale=similarity.scale)
    elif isinstance(similarity, WordNetSimilarity):
        targets, sources = names.target_synsets, names.source_synsets
    elif hasattr(similarity, "fit") and logits is not None:
        # Not only scikit-learn's own estimators: safe=False copies anything else as deepcopy does.
        similarity = clone(similarity, safe=False)
        similarity.fit(logits, y)
    elif isinstance(similarity, InferenceSimilarity) and not hasattr(similarity, "classes_"):
        raise ValueError(
            f"{owner}: similarity={similarity!r} needs images of the target classes. Pass X and y, "
            "or similarity='wordnet', which needs none."
        )
    check = checked_matrix if signed else as_similarity_matrix
    return check(similarity, targets, sources, owner=owner)


def check_candidate_list(candidates: Any, *, owner: str, name: str) -> None:
    """Raise unless `candidates` is None or a list of distinct labels."""
    if candidates is not None:
        check_label_list(candidates, owner=owner, name=name)


def check_candidates(candidates: Any, labels: np.ndarray, *, owner: str) -> np.ndarray:
    """Return the sorted candidates.

    Raises
    ------
    ValueError
        They do not cover the distinct `labels` of y, are of another type, or stand there twice.
    """
    candidates = check_labels(candidates, owner=owner, name="candidates")
    check_same_kind(candidates, labels, owner=owner, names=("candidates", "y"))
    extra = np.setdiff1d(labels, candidates).tolist()
    if extra:
        raise ValueError(
            f"{owner}: y holds {len(extra)} labels that candidates lacks "
            f"({', '.join(map(repr, extra[:10]))}). Add them, or leave their images out."
        )
    return np.sort(candidates)


def check_synset_names(synsets: Any, *, owner: str, name: str = "synsets") -> None:
    """Raise unless `synsets` is None or a dict from labels to what may name a synset.

    Raises
    ------
    TypeError, ValueError
        It is neither.
    """
    if synsets is None:
        return
    if not isinstance(synsets, Mapping):
        raise ValueError(f"{owner}: {name} must be a dict from labels to wnids, got {synsets!r}.")
    for label, value in synsets.items():
        if not isinstance(value, (str, Synset)):
            raise TypeError(
                f"{owner}: {name} must give wnids, nltk names or Synset objects, got {value!r} "
                f"for {label!r}. Pass {name}={{{label!r}: 'n02084071'}}, for example."
            )


def check_synsets(synsets: Any, *, owner: str) -> dict[Any, str]:
    """Return the wnids that labels are said to stand for.

    Raises
    ------
    ValueError
        `synsets` is not a mapping.
    TypeError
        A value is no wnid, nltk name or synset.
    UnknownLabelError
        A value is that of no noun synset.
    """
    check_synset_names(synsets, owner=owner)
    if synsets is None:
        return {}
    nodes = nodes_of(synsets.values(), owner=owner, name="values of synsets")
    return {label: Synset(node).wnid for label, node in zip(synsets, nodes.tolist(), strict=True)}


def name_classes(targets: np.ndarray, source: SourceHead, synsets: Any, *, owner: str) -> Names:
    """Return what target and source classes are called.

    Parameters
    ----------
    targets : ndarray of shape (n_targets,)
        Their labels.
    source : SourceHead
        Its wnids, if it has any, say what its classes are; else its labels do.
    synsets : mapping of label to str or Synset, or None
        What the target labels stand for. Others are looked up by name; numbers have none.
    owner : str
        Whose parameters they are, for the messages.

    Raises
    ------
    UnknownLabelError
        A value of `synsets` or a wnid of `source` is that of no noun synset.
    """
    given = check_synsets(synsets, owner=owner)
    warn_of_unmatched_keys(given, targets.tolist(), owner=owner, name="synsets")
    in_taxonomy = np.array([given.get(label, label) for label in targets.tolist()], dtype=object)
    if source.wnids is None:
        return Names(targets, source.labels, in_taxonomy, source.labels)
    nodes_of(source.wnids, owner=owner, name="source.wnids")
    return Names(targets, source.labels, in_taxonomy, source.wnids)


def taxonomy_names(names: Names, similarity: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return targets and sources as a `WordNetSimilarity` takes them, by its own overrides.

    In a mixture of several, the first one's overrides count; any other similarity has none.
    """
    overrides = _overrides(similarity)
    both = (names.target_synsets, names.source_synsets)
    targets, sources = (replace_names(items.tolist(), overrides) for items in both)
    return np.array(targets, dtype=object), np.array(sources, dtype=object)


def _overrides(similarity: Any) -> Mapping[str, str] | None:
    if isinstance(similarity, WordNetSimilarity):
        return similarity.overrides
    if isinstance(similarity, MixtureSimilarity):
        found = (_overrides(part) for part, _ in similarity.similarities)
        return next((overrides for overrides in found if overrides is not None), None)
    return None


def with_remedy(error: UnknownLabelError, *, owner: str) -> UnknownLabelError:
    """Return an error of `WordNetSimilarity` with what can be done about it where it is used."""
    if error.owner != "WordNetSimilarity":
        return error
    remedy = f"Say what it is: {owner}(..., synsets={{{error.labels[0]!r}: 'n02084071'}})."
    if error.name == "sources":
        remedy = "Say what the source classes are: SourceHead(..., wnids=[...])."
    return error.replace(remedy=remedy)
