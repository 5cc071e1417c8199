"""Check for labels that another tool has replaced by numbers before ``fit``."""

from __future__ import annotations

from typing import Any

import numpy as np

from zeroshot._utils._validation import warn_caller
from zeroshot.exceptions import UnknownLabelError

_ENCODERS = (
    "VotingClassifier, BaggingClassifier, StackingClassifier, "
    "CalibratedClassifierCV(ensemble=False) and cross_val_predict(method=...) of scikit-learn put "
    "numbers in place of the labels before fit"
)
_INSTEAD = (
    "EnsembleZeroShotClassifier and CalibratedStacking, which leave labels as they are, or a loop "
    "over cv.split(X, y) instead of cross_val_predict"
)


def check_not_encoded(estimator: Any, y: np.ndarray) -> None:
    """Raise or warn where integer labels look like those of a tool that encodes y.

    Parameters
    ----------
    estimator : CandidateClassifier
        Its `candidates` and its `label_embedding`, if it has one, say what labels there are.
    y : ndarray of shape (n_samples,)
        The labels of ``fit``.

    Raises
    ------
    ValueError
        The candidates are text, and y holds integers.
    UnknownLabelError
        The label embedding knows text only, and y holds integers.

    Warns
    -----
    LabelWarning
        y holds 0 to k - 1, and the label embedding further integers; with `candidates` given, the
        numbers are taken for labels without a word.
    """
    if y.dtype.kind not in "iu" or len(y) == 0:
        return
    owner, seen = type(estimator).__name__, np.unique(y)
    candidates, embedding = estimator.candidates, getattr(estimator, "label_embedding", None)
    if candidates is not None and not isinstance(candidates, str):
        first = next(iter(candidates), None) if hasattr(candidates, "__iter__") else None
        if isinstance(first, str):
            raise ValueError(
                f"{owner}: candidates and y must be of one type, got candidates such as "
                f"{[str(first)]} and y such as {seen[:1].tolist()}. {_ENCODERS}: use {_INSTEAD}. "
                "If y holds numbers of your own, convert them to the labels."
            )
        return
    vocabulary = getattr(embedding, "vocabulary", None)
    if embedding is None or vocabulary is None or len(vocabulary) == 0:
        return
    if isinstance(vocabulary[0], str):
        missing = seen[~embedding.covers(seen)].tolist()
        if missing:
            raise UnknownLabelError(
                missing,
                len(seen),
                owner=f"{owner}: {type(embedding).__name__}",
                remedy=f"It knows text only. {_ENCODERS}: use {_INSTEAD}. If y holds numbers of "
                "your own, pass overrides={number: name} to the label embedding, or convert them.",
            )
    elif np.array_equal(seen, np.arange(len(seen))) and len(set(vocabulary)) > len(seen) > 1:
        warn_caller(
            f"{owner}: y holds the numbers 0 to {len(seen) - 1}, and label_embedding further ones. "
            f"If these are labels, pass candidates= to say so. {_ENCODERS}: they would stand for "
            f"other labels here. Use {_INSTEAD}."
        )
