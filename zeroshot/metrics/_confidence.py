"""Metrics of probabilities, of rejection, and of sets of labels."""

from __future__ import annotations

import warnings
from typing import Any, NamedTuple

import numpy as np
from sklearn.metrics import roc_auc_score

from zeroshot._utils._validation import (
    check_labels,
    check_number,
    check_option,
    check_same_kind,
)
from zeroshot.exceptions import LabelWarning
from zeroshot.metrics._checks import check_finite, check_pair, check_same_length
from zeroshot.metrics._classification import AVERAGES, averaged, check_scored

N_BINS = 10
LEAST_PROBABILITY = 1e-15
"""What a true label has at least, for its logarithm."""


class Told(NamedTuple):
    """What probabilities say of each sample, and what is true.

    Attributes
    ----------
    best : ndarray of shape (n_samples,)
        Probability of the most probable label.
    right : ndarray of bool of shape (n_samples,)
        Whether that is the true one.
    true : ndarray of shape (n_samples,)
        Probability of the true label; 0 where it has no column.
    squares : ndarray of shape (n_samples,)
        Brier score of each sample.
    """

    best: np.ndarray
    right: np.ndarray
    true: np.ndarray
    squares: np.ndarray

    @classmethod
    def of(cls, y_true: np.ndarray, probabilities: np.ndarray, labels: np.ndarray) -> Told:
        """Take them from probabilities, (n_samples, n_labels), of sorted or unsorted `labels`."""
        order = np.argsort(labels, kind="stable")
        places = np.minimum(np.searchsorted(labels, y_true, sorter=order), len(labels) - 1)
        columns = order[places]
        known = labels[columns] == y_true
        rows = np.arange(len(y_true))
        p = probabilities.astype(np.float64)
        true = np.where(known, p[rows, columns], 0.0)
        squares = (p**2).sum(axis=1) - 2 * true + 1
        return cls(p.max(axis=1), known & (p.argmax(axis=1) == columns), true, squares)

    @property
    def log_losses(self) -> np.ndarray:
        """Minus the log of the true label's probability, (n_samples,)."""
        return -np.log(np.maximum(self.true, LEAST_PROBABILITY))


def expected_calibration_error(
    y_true: Any, y_proba: Any, *, labels: Any, n_bins: int = N_BINS, average: str = "macro"
) -> float:
    """Mean difference between the confidence of answers and their accuracy.

    Samples are sorted by the probability of their most probable label, and divided into bins of
    equal mass. In each bin the mean probability is compared with the accuracy.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        True labels. One that is not in `labels` is never answered right.
    y_proba : array-like of shape (n_samples, n_labels)
        Probabilities, columns in the order of `labels`.
    labels : array-like of shape (n_labels,)
        Label of each column; ``classes_`` of a classifier.
    n_bins : int, default=10
        Number of bins.
    average : {"macro", "micro"}, default="macro"
        Whether each class in `y_true` counts once, or each sample.

    Returns
    -------
    float
        In [0, 1]. Even perfectly calibrated probabilities have a small error, which falls with the
        number of samples. Uniform probabilities have none on average, so print accuracy beside it.

    Raises
    ------
    ValueError
        `y_proba` does not hold probabilities, or does not fit `labels` and `y_true`.

    References
    ----------
    Guo, Pleiss, Sun, Weinberger, "On Calibration of Modern Neural Networks", ICML 2017; bins of
    equal mass as in Nguyen, O'Connor, "Posterior Calibration and Exploratory Analysis for Natural
    Language Processing Models", EMNLP 2015.

    Examples
    --------
    Answers that are 90 % sure, and right half of the time:

    >>> from zeroshot.metrics import expected_calibration_error
    >>> y_proba = [[0.9, 0.1], [0.9, 0.1]]
    >>> round(expected_calibration_error(["cat", "dog"], y_proba, labels=["cat", "dog"]), 3)
    0.4
    """
    owner = "expected_calibration_error"
    check_number(n_bins, owner=owner, name="n_bins", at_least=1, integer=True)
    y_true, told = checked_told(y_true, y_proba, labels, average, owner=owner)
    return calibration_error_of(y_true, told, average, n_bins)


def calibration_error_of(
    y_true: np.ndarray, told: Told, average: str, n_bins: int = N_BINS
) -> float:
    """Return what `expected_calibration_error` does, of checked labels."""
    weights = sample_weights(y_true, average)
    confidence, accuracy, mass = reliability(told.best, told.right, weights, n_bins)
    return float(mass @ np.abs(confidence - accuracy))


def reliability(
    best: np.ndarray, right: np.ndarray, weights: np.ndarray, n_bins: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return mean probability, accuracy and mass of bins of equal mass, each (n_filled_bins,).

    Samples of one probability stay together: their order says nothing.
    """
    order = np.argsort(best, kind="stable")
    best, right, weights = best[order], right[order], weights[order] / weights.sum()
    middle = np.cumsum(weights) - weights / 2
    bins = np.minimum((middle * n_bins).astype(np.int64), n_bins - 1)
    starts = np.flatnonzero(np.append(True, np.diff(best) > 0))
    bins = np.repeat(bins[starts], np.diff(np.append(starts, len(best))))
    mass = np.bincount(bins, weights, minlength=n_bins)
    filled = mass > 0
    shares = [np.bincount(bins, weights * part, minlength=n_bins) for part in (best, right)]
    confidence, accuracy = (share[filled] / mass[filled] for share in shares)
    return confidence, accuracy, mass[filled]


def class_brier_score(y_true: Any, y_proba: Any, *, labels: Any, average: str = "macro") -> float:
    """Mean squared distance of the probabilities from the truth, summed over labels.

    Parameters
    ----------
    y_true, y_proba, labels, average
        As in `expected_calibration_error`.

    Returns
    -------
    float
        In [0, 2], less is better. Uniform probabilities have 1 - 1 / n_labels.

    Raises
    ------
    ValueError
        As `expected_calibration_error`.

    References
    ----------
    G. W. Brier, "Verification of Forecasts Expressed in Terms of Probability", 1950.

    Examples
    --------
    >>> from zeroshot.metrics import class_brier_score
    >>> class_brier_score(["cat", "dog"], [[0.5, 0.5], [0.5, 0.5]], labels=["cat", "dog"])
    0.5
    """
    y_true, told = checked_told(y_true, y_proba, labels, average, owner="class_brier_score")
    return averaged(y_true, told.squares, average)


def class_log_loss(y_true: Any, y_proba: Any, *, labels: Any, average: str = "macro") -> float:
    """Mean of minus the logarithm of the true label's probability.

    Unlike ``sklearn.metrics.log_loss`` it takes labels without a sample, and lets each class count
    once.

    Parameters
    ----------
    y_true, y_proba, labels, average
        As in `expected_calibration_error`. A true label without a column has the probability 1e-15.

    Returns
    -------
    float
        At least 0, less is better. Uniform probabilities have log(n_labels).

    Raises
    ------
    ValueError
        As `expected_calibration_error`.

    Examples
    --------
    >>> from zeroshot.metrics import class_log_loss
    >>> loss = class_log_loss(["cat", "dog"], [[0.5, 0.5], [0.5, 0.5]], labels=["cat", "dog"])
    >>> round(loss, 3)
    0.693
    """
    y_true, told = checked_told(y_true, y_proba, labels, average, owner="class_log_loss")
    return averaged(y_true, told.log_losses, average)


def risk_coverage_curve(
    y_true: Any, y_proba: Any, *, labels: Any, average: str = "macro"
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the share of wrong answers if only the most confident samples are answered.

    Parameters
    ----------
    y_true, y_proba, labels, average
        As in `expected_calibration_error`. Samples are sorted by their best probability.

    Returns
    -------
    coverage : ndarray of shape (n_points,)
        Share of the samples that are answered, ascending; the last is 1.
    risk : ndarray of shape (n_points,)
        Share of these answers that is wrong.
    threshold : ndarray of shape (n_points,)
        The lowest probability at which samples are answered.

    Raises
    ------
    ValueError
        As `expected_calibration_error`.

    References
    ----------
    Geifman, El-Yaniv, "Selective Classification for Deep Neural Networks", NeurIPS 2017.

    Examples
    --------
    >>> from zeroshot.metrics import risk_coverage_curve
    >>> y_proba = [[0.9, 0.1], [0.6, 0.4]]
    >>> coverage, risk, _ = risk_coverage_curve(["cat", "dog"], y_proba, labels=["cat", "dog"])
    >>> coverage.tolist(), risk.tolist()
    ([0.5, 1.0], [0.0, 0.5])
    """
    y_true, told = checked_told(y_true, y_proba, labels, average, owner="risk_coverage_curve")
    return risk_coverage(told.best, told.right, sample_weights(y_true, average))


def risk_coverage(
    confidence: np.ndarray, right: np.ndarray, weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return coverage, risk and threshold; samples of one confidence are answered together."""
    order = np.argsort(-confidence, kind="stable")
    confidence, right, weights = confidence[order], right[order], weights[order]
    last = np.append(np.diff(confidence) != 0, True)
    coverage = np.cumsum(weights)
    wrong = np.cumsum(weights * ~right)
    shown = last & (coverage > 0)
    return coverage[shown] / coverage[-1], wrong[shown] / coverage[shown], confidence[shown]


def area_under_risk(coverage: np.ndarray, risk: np.ndarray) -> float:
    """Return the mean risk over coverages, which are reached in steps."""
    return float(np.diff(coverage, prepend=0.0) @ risk)


def risk_coverage_auc(y_true: Any, y_proba: Any, *, labels: Any, average: str = "macro") -> float:
    """Area under the risk-coverage curve (AURC): less is better.

    Parameters
    ----------
    y_true, y_proba, labels, average
        As in `risk_coverage_curve`.

    Returns
    -------
    float
        In [0, 1]. Rejecting at random has the share of wrong answers among all.

    Raises
    ------
    ValueError
        As `risk_coverage_curve`.

    References
    ----------
    Geifman, Uziel, El-Yaniv, "Bias-Reduced Uncertainty Estimation for Deep Neural Classifiers",
    ICLR 2019.

    Examples
    --------
    >>> from zeroshot.metrics import risk_coverage_auc
    >>> y_proba = [[0.9, 0.1], [0.6, 0.4]]
    >>> risk_coverage_auc(["cat", "dog"], y_proba, labels=["cat", "dog"])
    0.25
    """
    y_true, told = checked_told(y_true, y_proba, labels, average, owner="risk_coverage_auc")
    return risk_area_of(y_true, told, average)


def risk_area_of(y_true: np.ndarray, told: Told, average: str) -> float:
    """Return what `risk_coverage_auc` does, of checked labels."""
    coverage, risk, _ = risk_coverage(told.best, told.right, sample_weights(y_true, average))
    return area_under_risk(coverage, risk)


def any_of_these_auc(y_true: Any, y_any: Any, *, labels: Any, average: str = "macro") -> float:
    """Area under the ROC curve of "is it any of these labels?".

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        True labels, some of them in `labels` and some not.
    y_any : array-like of shape (n_samples,)
        A score that is higher for samples of the labels, such as ``predict_any_proba``.
    labels : array-like of shape (n_labels,)
        The candidates.
    average : {"macro", "micro"}, default="macro"
        Whether each class in `y_true` counts once, or each sample.

    Returns
    -------
    float
        In [0, 1]; 0.5 by chance.

    Raises
    ------
    ValueError
        All samples are of the labels, or none is.

    Examples
    --------
    >>> from zeroshot.metrics import any_of_these_auc
    >>> any_of_these_auc(["cat", "dog", "okapi"], [0.9, 0.4, 0.5], labels=["cat", "dog"])
    0.5
    """
    owner = "any_of_these_auc"
    check_option(average, AVERAGES, owner=owner, name="average")
    y_true = check_labels(y_true, owner=owner, name="y_true")
    score = check_finite(y_any, owner=owner, name="y_any")
    check_same_length(y_true, score, owner=owner, names=("y_true", "y_any"))
    inside = np.isin(y_true, check_labels(labels, owner=owner, name="labels"))
    if inside.all() or not inside.any():
        raise ValueError(
            f"{owner}: {inside.sum()} of {len(inside)} samples are of the labels. Pass samples of "
            "classes that are among the labels, and of others."
        )
    return float(roc_auc_score(inside, score, sample_weight=sample_weights(y_true, average)))


def set_coverage_score(y_true: Any, y_set: Any, *, labels: Any, average: str = "macro") -> float:
    """Share of the samples whose set holds the true label.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        True labels.
    y_set : array-like of bool of shape (n_samples, n_labels)
        Sets, as ``predict_set`` gives them.
    labels : array-like of shape (n_labels,)
        Label of each column.
    average : {"macro", "micro"}, default="macro"
        Whether each class in `y_true` counts once, or each sample.

    Returns
    -------
    float
        In [0, 1]. Print `set_size_score` beside it: all labels hold the true one.

    Raises
    ------
    ValueError
        The three do not fit together.

    Examples
    --------
    >>> from zeroshot.metrics import set_coverage_score
    >>> sets = [[True, True], [True, False]]
    >>> set_coverage_score(["cat", "dog"], sets, labels=["cat", "dog"])
    0.5
    """
    owner = "set_coverage_score"
    check_option(average, AVERAGES, owner=owner, name="average")
    sets = checked_sets(y_set, owner=owner)
    y_true, sets, labels = check_scored(y_true, sets.astype(np.float64), labels, owner=owner)
    return averaged(y_true, Told.of(y_true, sets, labels).true > 0, average)


def set_size_score(y_true: Any, y_set: Any, *, average: str = "macro") -> float:
    """Mean number of labels in a set.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        True labels, which say how samples count.
    y_set : array-like of bool of shape (n_samples, n_labels)
        Sets, as ``predict_set`` gives them.
    average : {"macro", "micro"}, default="macro"
        Whether each class in `y_true` counts once, or each sample.

    Returns
    -------
    float
        At least 0, less is better.

    Raises
    ------
    ValueError
        Lengths differ, or `y_set` is not a matrix of true and false.

    Examples
    --------
    >>> from zeroshot.metrics import set_size_score
    >>> set_size_score(["cat", "dog"], [[True, True], [True, False]])
    1.5
    """
    owner = "set_size_score"
    check_option(average, AVERAGES, owner=owner, name="average")
    y_true = check_labels(y_true, owner=owner, name="y_true")
    sets = checked_sets(y_set, owner=owner)
    check_same_length(y_true, sets, owner=owner, names=("y_true", "y_set"))
    return averaged(y_true, sets.sum(axis=1).astype(np.float64), average)


def answered_accuracy_score(
    y_true: Any, y_pred: Any, *, reject_label: Any, average: str = "micro"
) -> float:
    """Accuracy among the samples that were answered.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        True labels.
    y_pred : array-like of shape (n_samples,)
        Predicted labels, as `zeroshot.RejectOption` gives them.
    reject_label : str or int
        What stands for "not answered".
    average : {"macro", "micro"}, default="micro"
        Whether each class among the answered samples counts once, or each sample.

    Returns
    -------
    float
        In [0, 1]; NaN where nothing was answered. Print `answered_share_score` beside it.

    Raises
    ------
    ValueError
        Empty input, different lengths, or strings against integers.

    Warns
    -----
    LabelWarning
        All samples were rejected.

    Examples
    --------
    >>> from zeroshot.metrics import answered_accuracy_score
    >>> y_pred = ["cat", "unknown", "cat"]
    >>> answered_accuracy_score(["cat", "dog", "dog"], y_pred, reject_label="unknown")
    0.5
    """
    owner = "answered_accuracy_score"
    check_option(average, AVERAGES, owner=owner, name="average")
    y_true, y_pred = check_pair(y_true, y_pred, owner=owner)
    check_same_kind(
        np.asarray([reject_label]), y_pred, owner=owner, names=("reject_label", "y_pred")
    )
    answered = y_pred != reject_label
    if not answered.any():
        warnings.warn(
            f"{owner}: all {len(y_pred)} samples were rejected, so that there is no accuracy. Ask "
            "for more coverage, or for less accuracy.",
            LabelWarning,
            stacklevel=2,
        )
        return float("nan")
    return averaged(y_true[answered], (y_true == y_pred)[answered], average)


def answered_share_score(
    y_true: Any, y_pred: Any, *, reject_label: Any, average: str = "micro"
) -> float:
    """Share of the samples that were answered.

    Parameters
    ----------
    y_true, y_pred, reject_label, average
        As in `answered_accuracy_score`.

    Returns
    -------
    float
        In [0, 1].

    Raises
    ------
    ValueError
        Empty input, different lengths, or strings against integers.

    Examples
    --------
    >>> from zeroshot.metrics import answered_share_score
    >>> answered_share_score(["cat", "dog"], ["cat", "unknown"], reject_label="unknown")
    0.5
    """
    owner = "answered_share_score"
    check_option(average, AVERAGES, owner=owner, name="average")
    y_true, y_pred = check_pair(y_true, y_pred, owner=owner)
    check_same_kind(
        np.asarray([reject_label]), y_pred, owner=owner, names=("reject_label", "y_pred")
    )
    return averaged(y_true, y_pred != reject_label, average)


def checked_sets(y_set: Any, *, owner: str) -> np.ndarray:
    """Return sets as a matrix of bool, (n_samples, n_labels); ones and zeros are taken as well."""
    sets = np.asarray(y_set)
    if sets.ndim != 2 or not np.isin(sets, (0, 1)).all():
        raise ValueError(
            f"{owner}: y_set must be a matrix of true and false, (n_samples, n_labels), got shape "
            f"{sets.shape} of {sets.dtype}. Pass the output of predict_set."
        )
    return sets.astype(bool)


def sample_weights(y_true: np.ndarray, average: str) -> np.ndarray:
    """Return what each sample counts, the sum being one."""
    if average == "micro":
        return np.full(len(y_true), 1 / len(y_true))
    _, codes, counts = np.unique(y_true, return_inverse=True, return_counts=True)
    return 1 / (counts[codes] * len(counts))


def checked_told(
    y_true: Any, y_proba: Any, labels: Any, average: str, *, owner: str
) -> tuple[np.ndarray, Told]:
    """Return true labels, and what the probabilities say of them, checked."""
    check_option(average, AVERAGES, owner=owner, name="average")
    y_true, probabilities, labels = check_scored(y_true, y_proba, labels, owner=owner)
    sums = probabilities.sum(axis=1)
    if probabilities.min() < 0 or not np.allclose(sums, 1, atol=1e-3):
        raise ValueError(
            f"{owner}: y_proba must hold probabilities that sum to 1 in each row, got sums from "
            f"{sums.min():.3g} to {sums.max():.3g}. Pass the output of predict_proba."
        )
    return y_true, Told.of(y_true, probabilities, labels)
