"""Accuracies on classes held out for the purpose, and the calibration that suits them best."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from zeroshot._pipelines import unwrap
from zeroshot._validation import take_rows
from zeroshot.exceptions import LabelWarning
from zeroshot.metrics._classification import check_scores, harmonic_mean
from zeroshot.metrics._curve import BreakPoints, part_shares
from zeroshot.model_selection import with_candidates

Curve = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Accuracies on seen and on unseen classes, and calibrations, as of ``seen_unseen_curve``."""


def best_calibration(curves: list[Curve]) -> float:
    """Return the calibration with the largest mean of the curves' harmonic means.

    Parameters
    ----------
    curves : list of tuple
        One a fold.

    Returns
    -------
    float
        The middle between two break points, of equals the lowest; 0 where none has a harmonic
        mean above 0.

    Examples
    --------
    >>> import numpy as np
    >>> from zeroshot.estimators._held_out_classes import best_calibration
    >>> seen, unseen = np.array([1, 0.5, 0]), np.array([0, 1, 1])
    >>> best_calibration([(seen, unseen, np.array([-np.inf, 0.5, 1]))])
    0.75
    """
    breaks = np.unique(np.concatenate([calibration[1:] for _, _, calibration in curves]))
    mean = np.zeros(len(breaks))
    for seen, unseen, calibration in curves:
        after = np.searchsorted(calibration, breaks, side="right") - 1
        mean += harmonic_mean(seen[after], unseen[after]) / len(curves)
    if not mean.any():
        return 0.0
    # The best one is not the last: beyond that all answers are unseen, and the mean is 0.
    best = int(np.argmax(mean))
    return float(breaks[best] + breaks[best + 1]) / 2


def fold_curve(
    estimator: Any, X: Any, y: np.ndarray, train: np.ndarray, test: np.ndarray, owner: str
) -> Curve:
    """Fit `estimator` on some rows, and return its curve on others, among all the labels of y."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LabelWarning)  # given by the fit on all rows
        model = with_candidates(estimator.fit(take_rows(X, train), y[train]), np.unique(y))
    return held_out_curve(model, take_rows(X, test), y[test], owner=owner)


def held_out_curve(model: Any, X: Any, y: np.ndarray, *, owner: str) -> Curve:
    """Return the curve of a fitted classifier, each class counting once.

    Raises
    ------
    ValueError
        All samples are of classes that it was trained on, or none; or a score is NaN or infinite.
    """
    final = unwrap(model)
    is_seen = np.isin(y, final.seen_classes_)
    if is_seen.all() or not is_seen.any():
        raise ValueError(
            f"{owner}: calibration='auto' needs samples of classes seen in training and of others, "
            f"but {is_seen.sum()} of {len(y)} held-out samples are of seen classes. Pass "
            "cv=GeneralizedClassKFold(), for a fitted estimator held-out samples of both kinds, or "
            "calibration as a number."
        )
    scores = check_scores(class_scores(model, X), len(final.classes_), owner=owner)
    points = BreakPoints.of(y, scores, final.classes_, final.seen_classes_, owner=owner)
    return points.curve(part_shares(y, is_seen, "macro"))


def class_scores(classifier: Any, X: Any) -> np.ndarray:
    """Return a column of scores for each class, (n_samples, n_classes), of a fitted classifier.

    With two classes the first column is 0, because ``decision_function`` gives their difference.
    """
    scores = np.asarray(classifier.decision_function(X))
    return np.column_stack([np.zeros_like(scores), scores]) if scores.ndim == 1 else scores
