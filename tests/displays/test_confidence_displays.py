"""ReliabilityDisplay and RiskCoverageDisplay draw what the metrics measure."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pytest
from many_classes import NAMES, samples
from sklearn.svm import LinearSVC

from zeroshot import DeViSEClassifier, evaluate_zero_shot
from zeroshot.displays import ReliabilityDisplay, RiskCoverageDisplay
from zeroshot.metrics import expected_calibration_error, risk_coverage_auc

TABLE, X, Y = samples()
SEEN = np.isin(Y, NAMES[:30])
MODEL = DeViSEClassifier(TABLE, loss="mse", scenario="unseen", candidates=NAMES[30:]).fit(
    X[SEEN], Y[SEEN]
)
NEW, TRUTH = X[~SEEN], Y[~SEEN]
BOTH = pytest.mark.parametrize("Display", [ReliabilityDisplay, RiskCoverageDisplay])


@pytest.fixture(autouse=True)
def closed_figures():
    yield
    plt.close("all")


def test_the_legends_hold_the_figures():
    p = MODEL.predict_proba(NEW)
    error = expected_calibration_error(TRUTH, p, labels=MODEL.classes_)
    display = ReliabilityDisplay.from_estimator(MODEL, NEW, TRUTH)
    assert display.error == pytest.approx(error)
    assert f"error {error:.3f}" in display.ax_.get_legend().get_texts()[-1].get_text()
    area = risk_coverage_auc(TRUTH, p, labels=MODEL.classes_)
    display = RiskCoverageDisplay.from_estimator(MODEL, NEW, TRUTH, name="ours")
    assert display.area == pytest.approx(area)
    assert f"ours: area {area:.3f}" in [t.get_text() for t in display.ax_.get_legend().get_texts()]


@BOTH
def test_an_evaluation_has_the_same_curve(Display):
    result = evaluate_zero_shot(MODEL, NEW, TRUTH, n_bootstrap=0)
    drawn, own = Display.from_evaluation(result), Display.from_estimator(MODEL, NEW, TRUTH)
    (first, second) = (display.ax_.get_lines()[0].get_xydata() for display in (drawn, own))
    np.testing.assert_allclose(first, second)


@BOTH
def test_a_second_one_is_drawn_beside_the_first(Display):
    first = Display.from_estimator(MODEL, NEW, TRUTH, name="one")
    second = Display.from_estimator(MODEL, NEW[::2], TRUTH[::2], name="two", ax=first.ax_)
    assert second.ax_ is first.ax_ and len(first.ax_.get_lines()) == 3  # and the control once


@BOTH
def test_what_has_no_probabilities_is_refused(Display):
    with pytest.raises(TypeError, match="LinearSVC has no predict_proba"):
        Display.from_estimator(LinearSVC().fit(NEW, TRUTH), NEW, TRUTH)

    class Plain:
        def __init__(self, model):
            self.classes_, self.seen_classes_ = model.classes_, model.seen_classes_
            self.decision_function = model.decision_function

        def fit(self, X, y):
            raise NotImplementedError

    result = evaluate_zero_shot(Plain(MODEL), NEW, TRUTH, n_bootstrap=0)
    with pytest.raises(ValueError, match="has no probabilities: the classifier has no predict_pr"):
        Display.from_evaluation(result)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: ReliabilityDisplay([10, 50], [0.2, 0.4], [0.5, 0.5]),
            "confidence must be between",
        ),
        (
            lambda: ReliabilityDisplay([0.1], [0.2, 0.4], [1.0]),
            "accuracy has 2 numbers, expected 1",
        ),
        (lambda: RiskCoverageDisplay([1.0, 0.5], [0.1, 0.2]), "coverage must be ascending"),
        (lambda: RiskCoverageDisplay([0.5, 1.0], [0.1, 2.0]), "risk must be between 0 and 1"),
    ],
)
def test_bad_data_is_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
