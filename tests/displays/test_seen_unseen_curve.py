"""The seen-unseen curve against a scan of calibrations that a reader can check."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from zeroshot.displays import SeenUnseenCurveDisplay
from zeroshot.estimators._calibrated import best_calibration
from zeroshot.metrics import SCORERS, ausuc_score, seen_unseen_curve

LABELS = np.array(["ant", "bee", "cat", "dog", "elk", "fox"])
SEEN = ["bee", "cat", "dog", "gnu"]  # gnu was seen, and is no candidate


def problem(seed, *, ties=False, n=150):
    """Labels of all kinds (seen, unseen, no candidate of either kind), and scores."""
    rng = np.random.default_rng(seed)
    y = rng.choice([*LABELS, "gnu", "yak"], size=n, p=[0.2, 0.05, 0.2, 0.15, 0.1, 0.2, 0.05, 0.05])
    scores = rng.normal(size=(n, len(LABELS))) + 1.5 * (y[:, None] == LABELS)
    scores += 0.7 * np.isin(LABELS, SEEN)
    return y, np.round(scores, 0 if ties else 12)


def naive_accuracies(y, scores, calibration, average):
    """Accuracy on seen and on unseen classes of argmax f - calibration·1[seen], by loops."""
    shifted = scores - calibration * np.isin(LABELS, SEEN)
    right = LABELS[shifted.argmax(axis=1)] == y
    parts = []
    for seen in (True, False):
        names = [name for name in np.unique(y) if (name in SEEN) == seen]
        if average == "macro":
            parts.append(np.mean([right[y == name].mean() for name in names]))
        else:
            parts.append(right[np.isin(y, names)].mean())
    return parts


@pytest.mark.parametrize("average", ["macro", "micro"])
@pytest.mark.parametrize("seed", range(3))
def test_the_curve_is_that_of_a_dense_scan(seed, average):
    y, scores = problem(seed)
    seen, unseen, calibration = seen_unseen_curve(
        y, scores, labels=LABELS, seen_classes=SEEN, average=average
    )
    scanned = np.linspace(-6, 6, 1501)
    expected = np.array([naive_accuracies(y, scores, value, average) for value in scanned])
    places = np.searchsorted(calibration, scanned, side="right") - 1
    np.testing.assert_allclose(np.column_stack([seen, unseen])[places], expected, atol=1e-12)


@pytest.mark.parametrize("average", ["macro", "micro"])
@pytest.mark.parametrize("ties", [False, True])
def test_the_curve_has_a_point_for_every_stretch_between_break_points_and_no_other(ties, average):
    y, scores = problem(5, ties=ties)
    seen, unseen, calibration = seen_unseen_curve(
        y, scores, labels=LABELS, seen_classes=SEEN, average=average
    )
    is_seen = np.isin(LABELS, SEEN)
    breaks = np.unique(scores[:, is_seen].max(axis=1) - scores[:, ~is_seen].max(axis=1))
    middles = np.concatenate([[breaks[0] - 1], (breaks[1:] + breaks[:-1]) / 2, [breaks[-1] + 1]])
    naive = np.array([naive_accuracies(y, scores, value, average) for value in middles])
    changes = np.append(True, np.any(np.diff(naive, axis=0) != 0, axis=1))
    np.testing.assert_allclose(np.column_stack([seen, unseen]), naive[changes], atol=1e-12)
    assert calibration[0] == -np.inf and (np.diff(calibration) > 0).all()
    np.testing.assert_array_equal(calibration[1:], breaks[np.flatnonzero(changes[1:])])
    area = np.sum(np.diff(naive[:, 1]) * (naive[1:, 0] + naive[:-1, 0]) / 2)
    got = ausuc_score(y, scores, labels=LABELS, seen_classes=SEEN, average=average)
    assert got == pytest.approx(area, abs=1e-12) and 0.1 < got < 1


def test_ends_are_the_accuracies_among_labels_of_one_kind():
    y, scores = problem(1)
    seen, unseen, _ = seen_unseen_curve(y, scores, labels=LABELS, seen_classes=SEEN)
    assert unseen[0] == seen[-1] == 0
    np.testing.assert_allclose(seen[0], naive_accuracies(y, scores, -1e6, "macro")[0])
    np.testing.assert_allclose(unseen[-1], naive_accuracies(y, scores, 1e6, "macro")[1])


def test_two_labels_make_it_the_area_under_the_roc_curve():
    rng = np.random.default_rng(0)
    y = rng.integers(2, size=60)
    score = np.round(rng.normal(size=60) + y, 1)  # with ties
    got = ausuc_score(y, score, labels=[0, 1], seen_classes=[0])
    assert got == pytest.approx(roc_auc_score(y, score))
    flipped = ausuc_score(y, np.column_stack([score, -score]), labels=[1, 0], seen_classes=[0])
    assert flipped == pytest.approx(roc_auc_score(y, 2 * score))


def test_a_constant_added_to_seen_scores_moves_calibration_and_nothing_else():
    y, scores = problem(2)
    first = seen_unseen_curve(y, scores, labels=LABELS, seen_classes=SEEN)
    moved = scores + 3.0 * np.isin(LABELS, SEEN)
    second = seen_unseen_curve(y, moved, labels=LABELS, seen_classes=SEEN)
    for one, other in zip(first[:2], second[:2], strict=True):
        np.testing.assert_array_equal(one, other)
    np.testing.assert_allclose(second[2], first[2] + 3)


def test_order_of_columns_and_rows_and_containers_change_nothing():
    y, scores = problem(3)
    expected = ausuc_score(y, scores, labels=LABELS, seen_classes=SEEN)
    columns, rows = (
        np.random.default_rng(0).permutation(6),
        np.random.default_rng(1).permutation(150),
    )
    shuffled = scores[np.ix_(rows, columns)]
    got = ausuc_score(y[rows], shuffled, labels=LABELS[columns], seen_classes=SEEN[::-1])
    assert got == pytest.approx(expected)
    got = ausuc_score(y.tolist(), scores.tolist(), labels=LABELS.tolist(), seen_classes=tuple(SEEN))
    assert got == expected


def test_float32_scores():
    y, scores = problem(4)
    small = scores.astype(np.float32)
    got = ausuc_score(y, small, labels=LABELS, seen_classes=SEEN)
    assert got == ausuc_score(y, small.astype(np.float64), labels=LABELS, seen_classes=SEEN)


def test_random_scores_have_the_control_that_the_docstring_names():
    rng = np.random.default_rng(0)
    y = np.repeat(LABELS, 4000)
    got = ausuc_score(y, rng.normal(size=(24000, 6)), labels=LABELS, seen_classes=SEEN)
    assert got == pytest.approx(0.5 / 3 / 3, abs=0.003)


def test_perfect_and_hopeless_scores():
    y = np.repeat(LABELS, 2)
    perfect = (y[:, None] == LABELS).astype(float)
    assert ausuc_score(y, perfect, labels=LABELS, seen_classes=SEEN) == pytest.approx(1)
    seen, unseen, calibration = seen_unseen_curve(y, -perfect, labels=LABELS, seen_classes=SEEN)
    assert (seen.tolist(), unseen.tolist(), calibration.tolist()) == ([0], [0], [-np.inf])
    assert ausuc_score(y, -perfect, labels=LABELS, seen_classes=SEEN) == 0


Y, SCORES = problem(0)
MASKED = np.where(np.isin(LABELS, SEEN), np.finfo(float).min, SCORES)
UNSEEN_ONLY = ~np.isin(Y, SEEN)


@pytest.mark.parametrize("function", [ausuc_score, seen_unseen_curve])
@pytest.mark.parametrize(
    ("y", "scores", "changes", "message"),
    [
        (Y[UNSEEN_ONLY], SCORES[UNSEEN_ONLY], {}, r"seen in fit\..*pass cv=GeneralizedClassKFold"),
        (
            Y[~UNSEEN_ONLY],
            SCORES[~UNSEEN_ONLY],
            {},
            r"class unseen in fit\..*GeneralizedClassKFold",
        ),
        (Y, MASKED, {}, "no class seen in fit is a candidate.*scenario='generalized'"),
        (Y, SCORES, {"labels": ["a", "b", "d", "e", "f", "g"]}, "class seen in fit is a candidate"),
        (
            Y,
            SCORES[:, 1:4],
            {"labels": LABELS[1:4]},
            "class unseen in fit is a candidate.*candidates=",
        ),
        (Y, SCORES * np.nan, {}, "y_score holds NaN or infinity in 150 of 150 rows"),
        (Y[:0], SCORES[:0], {}, "y_true is empty"),
        (Y[:5], SCORES, {}, "5 rows and y_score has 150"),
        (Y, SCORES[:, :5], {}, r"shape \(150, 5\) for 6 labels"),
        (Y, SCORES, {"seen_classes": [1]}, "must be of one type"),
        (np.arange(150), SCORES, {}, "must be of one type"),
        (Y, SCORES, {"average": "weighted"}, "average must be one of 'macro', 'micro'"),
    ],
)
def test_bad_input_says_what_to_do(function, y, scores, changes, message):
    with pytest.raises(ValueError, match=f"{function.__name__}: .*{message}"):
        function(y, scores, **{"labels": LABELS, "seen_classes": SEEN, **changes})


def test_the_scorer_says_that_nothing_seen_is_on_offer():
    class Model:
        classes_, seen_classes_ = LABELS, np.array(SEEN)

        def decision_function(self, X):
            return MASKED

    with pytest.raises(ValueError, match="scenario='generalized'"):
        SCORERS["ausuc"](Model(), SCORES, Y)


def test_the_display_names_the_calibration_that_would_be_chosen():
    """Not the break point before it, where the label is tied."""
    pyplot = pytest.importorskip("matplotlib.pyplot")
    y, scores = problem(3)
    curve = seen_unseen_curve(y, scores, labels=LABELS, seen_classes=SEEN)
    display = SeenUnseenCurveDisplay(*curve).plot()
    shown = " ".join(text.get_text() for text in display.ax_.get_legend().get_texts())
    assert f"at calibration {best_calibration([curve]):.3g}" in shown
    assert f"at calibration {curve[2][display.best]:.3g}" not in shown
    pyplot.close(display.figure_)
