"""Metrics of confidence, against naive versions and simulations."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import softmax
from sklearn.metrics import log_loss, roc_auc_score

from zeroshot.metrics import (
    answered_accuracy_score,
    answered_share_score,
    any_of_these_auc,
    class_brier_score,
    class_log_loss,
    expected_calibration_error,
    risk_coverage_auc,
    risk_coverage_curve,
    set_coverage_score,
    set_size_score,
)
from zeroshot.metrics._confidence import reliability

LABELS = np.array(["a", "b", "c", "d"])
RNG = np.random.default_rng(0)
P = softmax(2 * RNG.normal(size=(4000, 4)), axis=1)
Y = LABELS[(P.cumsum(axis=1) > RNG.random((4000, 1))).argmax(axis=1)]
OF_PROBABILITIES = [
    expected_calibration_error,
    class_brier_score,
    class_log_loss,
    risk_coverage_curve,
    risk_coverage_auc,
]


def test_truth_drawn_from_the_probabilities_has_next_to_no_calibration_error():
    error = expected_calibration_error(Y, P, labels=LABELS, average="micro")
    too_sure = softmax(2 * np.log(P), axis=1)
    assert error < 0.025 < 0.1 < expected_calibration_error(Y, too_sure, labels=LABELS)


def test_bins_hold_equal_numbers_of_samples():
    best, right = P.max(axis=1), LABELS[P.argmax(axis=1)] == Y
    found = expected_calibration_error(Y, P, labels=LABELS, average="micro")
    parts = np.array_split(np.argsort(best), 10)
    naive = [abs(best[rows].mean() - right[rows].mean()) / 10 for rows in parts]
    assert found == pytest.approx(sum(naive))
    _, _, mass = reliability(best, right, np.ones(4000), 10)
    np.testing.assert_allclose(mass, 0.1)


def test_samples_of_one_probability_are_in_one_bin():
    confidence, accuracy, mass = reliability(
        np.full(10, 0.5), np.arange(10) < 5, np.ones(10), n_bins=4
    )
    np.testing.assert_allclose([confidence, accuracy, mass], [[0.5], [0.5], [1.0]])


def test_macro_is_micro_over_samples_that_count_by_class():
    few = np.r_[np.flatnonzero(Y == "a")[:50], np.flatnonzero(Y == "b")[:250]]
    repeated = np.r_[np.repeat(few[:50], 5), few[50:]]
    for metric in OF_PROBABILITIES:
        if metric is risk_coverage_curve:
            continue
        macro = metric(Y[few], P[few], labels=LABELS)
        assert macro == pytest.approx(
            metric(Y[repeated], P[repeated], labels=LABELS, average="micro")
        )


def test_brier_score_and_log_loss():
    truth = LABELS == Y[:, None]
    assert class_brier_score(Y, P, labels=LABELS, average="micro") == pytest.approx(
        ((P - truth) ** 2).sum(axis=1).mean()
    )
    assert class_log_loss(Y, P, labels=LABELS, average="micro") == pytest.approx(log_loss(Y, P))
    uniform = np.full((4000, 4), 0.25)
    assert class_brier_score(Y, uniform, labels=LABELS) == pytest.approx(0.75)
    assert class_log_loss(Y, uniform, labels=LABELS) == pytest.approx(np.log(4))


def test_a_true_label_without_a_column_is_certainly_wrong():
    y = np.array(["okapi", "a"])
    p = np.array([[0.7, 0.3], [0.9, 0.1]])
    assert class_brier_score(y, p, labels=["a", "b"]) == pytest.approx((0.49 + 0.09 + 1 + 0.02) / 2)
    assert class_log_loss(y, p, labels=["a", "b"]) == pytest.approx(
        (-np.log(1e-15) - np.log(0.9)) / 2
    )
    assert risk_coverage_curve(y, p, labels=["a", "b"])[1].tolist() == [0.0, 0.5]


def test_columns_need_not_be_sorted():
    order = np.array([2, 0, 3, 1])
    for metric in OF_PROBABILITIES:
        np.testing.assert_allclose(
            metric(Y, P[:, order], labels=LABELS[order]), metric(Y, P, labels=LABELS)
        )


def test_the_surest_samples_are_answered_first():
    best, right = P.max(axis=1), LABELS[P.argmax(axis=1)] == Y
    coverage, risk, threshold = risk_coverage_curve(Y, P, labels=LABELS, average="micro")
    for place in (0, 100, 3999):
        answered = best >= threshold[place]
        assert coverage[place] == pytest.approx(answered.mean())
        assert risk[place] == pytest.approx((~right[answered]).mean())
    order = np.argsort(-best)
    naive = np.mean(np.cumsum(~right[order]) / np.arange(1, 4001))
    assert risk_coverage_auc(Y, P, labels=LABELS, average="micro") == pytest.approx(naive)
    assert naive < (~right).mean()  # of rejection at random


def test_any_of_these():
    score = RNG.normal(size=4000) + np.isin(Y, ["a", "b"])
    found = any_of_these_auc(Y, score, labels=["a", "b"], average="micro")
    assert found == pytest.approx(roc_auc_score(np.isin(Y, ["a", "b"]), score))
    with pytest.raises(ValueError, match="4000 of 4000 samples are of the labels"):
        any_of_these_auc(Y, score, labels=LABELS)


def test_sets():
    sets = P > 0.2
    held = sets[np.arange(4000), np.searchsorted(LABELS, Y)]
    assert set_coverage_score(Y, sets, labels=LABELS, average="micro") == pytest.approx(held.mean())
    assert set_size_score(Y, sets, average="micro") == pytest.approx(sets.sum(axis=1).mean())
    by_class = [held[Y == label].mean() for label in LABELS]
    assert set_coverage_score(Y, sets, labels=LABELS) == pytest.approx(np.mean(by_class))
    assert set_coverage_score(["okapi"], [[True, True]], labels=["a", "b"]) == 0


@pytest.mark.parametrize("metric", OF_PROBABILITIES)
def test_what_is_no_probability_is_named(metric):
    with pytest.raises(ValueError, match=f"{metric.__name__}: y_proba must hold probabilities"):
        metric(Y, 3 * P, labels=LABELS)
    with pytest.raises(ValueError, match="NaN"):
        metric(Y, np.where(P > 0.9, np.nan, P), labels=LABELS)
    with pytest.raises(ValueError, match="average must be one of"):
        metric(Y, P, labels=LABELS, average="weighted")


@pytest.mark.parametrize("sets", [[[2, 3], [1, 0]], [[np.nan, 1], [1, 0]], [True, False]])
def test_what_is_no_set_is_named(sets):
    for score in (
        lambda: set_size_score(["a", "b"], sets),
        lambda: set_coverage_score(["a", "b"], sets, labels=["a", "b"]),
    ):
        with pytest.raises(ValueError, match="y_set must be a matrix of true and false"):
            score()


@pytest.mark.parametrize("score", [answered_accuracy_score, answered_share_score])
def test_a_reject_label_of_another_type_is_named(score):
    with pytest.raises(ValueError, match="reject_label and y_pred must be of one type"):
        score(["a", "b"], ["a", "unknown"], reject_label=-1)
    with pytest.raises(ValueError, match="reject_label and y_pred must be of one type"):
        score([1, 2], [1, -1], reject_label="unknown")
