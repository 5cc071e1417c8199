"""Similarities of target and source classes, whatever kind of object gives them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import clone

from zeroshot._constraints import check_inner
from zeroshot._validation import check_option
from zeroshot.similarity import (
    InferenceSimilarity,
    MixtureSimilarity,
    WordNetSimilarity,
    as_similarity_matrix,
)
from zeroshot.similarity._base import check_similarity, checked_matrix

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
