"""few_shot_curve against a naive loop, its result, its display, and what it refuses."""

from __future__ import annotations

import json
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
import pytest
from scipy.stats import ttest_rel
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, balanced_accuracy_score
from sklearn.model_selection import StratifiedKFold, StratifiedShuffleSplit
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from zeroshot import (
    AttributeTable,
    ConSEClassifier,
    FewShotClassifier,
    SimilarityInitializer,
    SourceHead,
)
from zeroshot.displays import FewShotCurveDisplay
from zeroshot.evaluation import FewShotCurve, few_shot_curve

NAMES = np.array(["ant", "bat", "cow", "dog"])
LOGISTIC, NEAREST = LogisticRegression(), KNeighborsClassifier(1)
MODELS = {"logistic": LOGISTIC, "nearest": NEAREST}


def samples(counts: list[int], seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    codes = rng.permutation(np.repeat(np.arange(len(counts)), counts))
    means = np.random.default_rng(7).normal(size=(len(NAMES), 6))
    return means[codes] + rng.normal(size=(len(codes), 6)), NAMES[codes]


X, Y = samples([12, 15, 12, 20])


class Watching(ClassifierMixin, BaseEstimator):
    """Keeps what it was trained and scored on."""

    seen: list[tuple[str, np.ndarray]] = []

    def fit(self, X: np.ndarray, y: np.ndarray) -> Watching:
        self.classes_ = np.unique(y)
        self.seen.append(("fit", np.asarray(X)[:, 0]))
        return self

    def predict(self, X: np.ndarray) -> np.ndarray:
        self.seen.append(("predict", np.asarray(X)[:, 0]))
        return np.repeat(self.classes_[:1], len(X))


def watched(**options: Any) -> tuple[dict[tuple[int, int], list[int]], dict[int, list[int]]]:
    """Return the rows trained on by (shots, draw), and those scored by draw."""
    Watching.seen = []
    rows = np.arange(len(Y), dtype=float)[:, None]
    result = few_shot_curve(Watching(), rows, Y, **options)
    shots, n_draws = result.settings["shots"], result.settings["n_draws"]
    fits = iter([r.astype(int).tolist() for what, r in Watching.seen if what == "fit"])
    scored = [r.astype(int).tolist() for what, r in Watching.seen if what == "predict"]
    trained = {(shot, draw): next(fits) for shot in shots for draw in range(n_draws)}
    return trained, dict(enumerate(scored[:n_draws]))


# What is measured -------------------------------------------------------------------------------


def test_scores_are_those_of_a_naive_loop() -> None:
    result = few_shot_curve(MODELS, X, Y, shots=(2, 5), cv=3, random_state=1)
    rng = np.random.RandomState(1)
    for draw in range(3):
        by_class = [rng.permutation(np.flatnonzero(Y == name)) for name in NAMES]
        train5 = np.concatenate([rows[:5] for rows in by_class])
        test = np.setdiff1d(np.arange(len(Y)), train5)
        for shot in (2, 5):
            rows = np.concatenate([own[:shot] for own in by_class])
            for name, model in (("logistic", LogisticRegression()), ("nearest", NEAREST)):
                predicted = model.fit(X[rows], Y[rows]).predict(X[test])
                assert result[name][shot][draw] == accuracy_score(Y[test], predicted)
        most = np.unique(Y[test], return_counts=True)[1].max() / len(test)
        assert result.controls["most frequent label"][draw] == most
    assert not hasattr(LOGISTIC, "coef_")  # the caller's own is not fitted
    assert result.settings == {
        "metric": "accuracy", "shots": [2, 5], "n_draws": 3, "n_classes": 4, "n_test": [39] * 3,
    }  # fmt: skip


def test_draws_are_nested_balanced_and_apart_from_the_test_rows() -> None:
    trained, scored = watched(shots=(1, 2, 5), cv=3, random_state=0)
    for draw in range(3):
        for shot in (1, 2, 5):
            rows = trained[shot, draw]
            assert np.unique(Y[rows], return_counts=True)[1].tolist() == [shot] * 4
            assert set(rows) <= set(trained[5, draw])
        assert sorted(scored[draw] + trained[5, draw]) == list(range(len(Y)))
    assert trained[5, 0] != trained[5, 1]


@pytest.mark.parametrize("apart", [(1,), (1, 2)])
def test_fewer_shots_draw_the_same_images_from_a_split(apart: tuple[int, ...]) -> None:
    split = next(StratifiedShuffleSplit(1, test_size=0.4, random_state=0).split(X, Y))
    options = {"cv": [split] * 4, "random_state": 3}
    both = few_shot_curve(MODELS, X, Y, shots=(1, 2, 5), **options)
    alone = few_shot_curve({"logistic": LOGISTIC}, X, Y, shots=apart, **options)
    for shot in apart:
        np.testing.assert_array_equal(alone["logistic"][shot], both["logistic"][shot])
    assert len(set(both["logistic"][1])) > 1  # the draws differ though the split is one
    assert len(set(both.controls["random labels"])) > 1


def test_a_splitter_says_what_is_drawn_from_and_what_is_scored() -> None:
    splitter = StratifiedKFold(3)
    trained, scored = watched(shots=(3,), cv=splitter, random_state=0)
    for draw, (train, test) in enumerate(splitter.split(X, Y)):
        assert scored[draw] == test.tolist()
        assert set(trained[3, draw]) < set(train)
    masks = [(np.arange(len(Y)) % 2 == 0, np.arange(len(Y)) % 2 == 1)]
    assert watched(shots=(1,), cv=masks)[1][0] == list(range(1, len(Y), 2))


def test_groups_reach_a_splitter() -> None:
    groups = np.arange(len(Y)) % 4

    class Grouped(StratifiedKFold):
        def split(self, X: Any, y: Any, groups: Any) -> Any:
            yield np.flatnonzero(groups != 0), np.flatnonzero(groups == 0)

    _, scored = watched(shots=(1,), cv=Grouped(2), groups=groups)
    assert scored[0] == np.flatnonzero(groups == 0).tolist()


def test_two_processes_give_what_one_does() -> None:
    options = {"shots": (1, 3), "cv": 2, "random_state": 0}
    one, two = (few_shot_curve(MODELS, X, Y, n_jobs=n, **options).to_dict() for n in (1, 2))
    assert one == two


def test_integers_frames_and_lists_of_pairs_are_as_good() -> None:
    options = {"shots": (1, 3), "cv": 2, "random_state": 0}
    plain = few_shot_curve(MODELS, X, Y, **options)
    codes = np.searchsorted(NAMES, Y)
    frame = few_shot_curve(list(MODELS.items()), pd.DataFrame(X), pd.Series(codes), **options)
    assert frame.scores.keys() == plain.scores.keys()
    for name in plain:
        np.testing.assert_array_equal(frame[name][3], plain[name][3])
    one = few_shot_curve(LOGISTIC, X, Y, **options)
    np.testing.assert_array_equal(one["LogisticRegression"][1], plain["logistic"][1])


def test_one_image_a_class_does_not_warn_of_regression() -> None:
    """scikit-learn warns where more than half of the labels are distinct; here all are."""
    many = np.arange(60) % 30
    rows = np.eye(30)[many]
    assert few_shot_curve(LOGISTIC, rows, many, shots=(1,), cv=1)["LogisticRegression"][1] == 1


def test_several_scorers_are_measured_on_the_same_fits() -> None:
    def first(model: Any, X: np.ndarray, y: np.ndarray) -> float:
        return float((model.predict(X)[y == "ant"] == "ant").mean())

    options = {"shots": (2,), "cv": 2, "random_state": 0}
    named = {"all": None, "balanced": "balanced_accuracy", "ants": first}
    results = few_shot_curve(MODELS, X, Y, scoring=named, **options)
    assert list(results) == list(named)
    balanced = few_shot_curve(MODELS, X, Y, scoring="balanced_accuracy", **options)
    np.testing.assert_array_equal(results["balanced"]["nearest"][2], balanced["nearest"][2])
    assert balanced.controls["most frequent label"].tolist() == [0.25, 0.25]
    assert results["ants"].settings["metric"] == "ants"
    listed = few_shot_curve(MODELS, X, Y, scoring=["accuracy", "neg_log_loss"], **options)
    assert np.all(listed["neg_log_loss"]["logistic"][2] < 0)
    control = listed["neg_log_loss"].controls["most frequent label"]
    assert np.all(listed["neg_log_loss"]["logistic"][2] > control)


# No image at all --------------------------------------------------------------------------------


def test_names_alone_score_at_zero_images_and_others_leave_the_place_empty() -> None:
    means = np.random.default_rng(7).normal(size=(4, 6))
    head = SourceHead(means, np.zeros(4), ["ant", "bat", "cow", "dog"])
    traits = AttributeTable(np.eye(4) + 0.1, labels=NAMES)
    conse = ConSEClassifier(head, traits)
    models = {
        "prior": FewShotClassifier(conse),
        "frozen": FrozenEstimator(ConSEClassifier(head, traits, candidates=NAMES).fit()),
        "rows": SimilarityInitializer(head, np.eye(4), n_neighbors=1, mixture="means"),
        "logistic": make_pipeline(StandardScaler(), LOGISTIC),
    }
    result = few_shot_curve(models, X, Y, shots=(0, 1), cv=2, random_state=0)
    assert {name: sorted(by_shot) for name, by_shot in result.items()} == {
        "prior": [0, 1], "frozen": [0, 1], "rows": [0, 1], "logistic": [1],
    }  # fmt: skip
    np.testing.assert_array_equal(result["frozen"][0], result["frozen"][1])
    assert np.all(result["prior"][0] > result.controls["most frequent label"])
    assert list(result.left_out) == ["logistic"]
    assert "logistic has no score at 0 images: it is not fitted from names" in str(result)
    assert "images per class     0  " in str(result)
    with pytest.raises(ValueError, match="no estimator can be fitted from class names alone"):
        few_shot_curve(LOGISTIC, X, Y, shots=(0, 1))


# The result -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def result() -> FewShotCurve:
    return few_shot_curve(MODELS, X, Y, shots=(1, 5), cv=4, random_state=0)


def test_differences_are_paired(result: FewShotCurve) -> None:
    found = result.differences("nearest", level=0.9)
    assert list(found) == ["logistic"]
    for shot in (1, 5):
        ours, theirs = result["logistic"][shot], result["nearest"][shot]
        interval = ttest_rel(ours, theirs).confidence_interval(0.9)
        assert found["logistic"][shot].mean == pytest.approx((ours - theirs).mean())
        assert found["logistic"][shot].low == pytest.approx(interval.low)
        assert found["logistic"][shot].high == pytest.approx(interval.high)
    over = result.differences("most frequent label")
    expected = (result["nearest"][5] - result.controls["most frequent label"]).mean()
    assert over["nearest"][5].mean == pytest.approx(expected)
    single = few_shot_curve(MODELS, X, Y, shots=(1,), cv=1).differences("nearest")
    assert single["logistic"][1].low is single["logistic"][1].high is None
    with pytest.raises(ValueError, match="reference must be one of 'logistic', 'nearest', 'most"):
        result.differences("svm")
    with pytest.raises(ValueError, match="level must be below 1, got 95"):
        result.differences("nearest", level=95)


def test_the_table_has_every_mean_beside_the_controls(result: FewShotCurve) -> None:
    lines = str(result).splitlines()
    assert lines[0] == "accuracy of 4 classes, 4 draws, 39 test images"
    assert [line[:20].strip() for line in lines[1:6]] == [
        "images per class", "logistic", "nearest", "most frequent label", "random labels",
    ]  # fmt: skip
    draws = result["logistic"][5]
    assert f"{draws.mean():.3f} ± {draws.std():.3f}" in lines[2]
    page = FewShotCurve(
        {"<b>": {1: np.array([0.5])}}, {}, {}, {**result.settings, "n_test": [8, 9], "shots": [1]}
    )
    assert "<td>&lt;b&gt;</td><td>0.500</td>" in page._repr_html_()
    assert "8 to 9 test images" in page._repr_html_()
    assert repr(page) == "FewShotCurve(accuracy of 4 classes, 4 draws, 8 to 9 test images)"


def test_it_exports_everything(result: FewShotCurve) -> None:
    kept = json.loads(json.dumps(result.to_dict()))
    assert kept == result.to_dict()
    assert kept["scores"]["nearest"]["5"] == result["nearest"][5].tolist()
    frame = result.to_frame()
    assert len(frame) == 2 * 2 * 4 + 2 * 2 * 4
    own = frame[(frame.method == "nearest") & (frame.shots == 5)]
    np.testing.assert_array_equal(own.score, result["nearest"][5])
    assert set(frame[frame.control].method) == set(result.controls)


def test_the_display_draws_what_was_measured(result: FewShotCurve) -> None:
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    display = FewShotCurveDisplay.from_predictions(result)
    assert display.metric == "accuracy"
    np.testing.assert_allclose(
        display.means["nearest"], [d.mean() for d in result["nearest"].values()]
    )
    assert display.controls["most frequent label"] == pytest.approx(
        result.controls["most frequent label"].mean()
    )
    lines = {line.get_linestyle() for line in display.ax_.get_lines()}
    assert len(display.ax_.get_lines()) == len(lines) == 4
    signs = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert signs == ["logistic", "nearest", "most frequent label", "random labels"]
    options = {"shots": (1, 5), "cv": 4, "random_state": 0}
    measured = FewShotCurveDisplay.from_estimator(MODELS, X, Y, ax=plt.figure().gca(), **options)
    np.testing.assert_array_equal(measured.means["logistic"], display.means["logistic"])
    with pytest.raises(ValueError, match="scoring names 2 scorers, and one is drawn"):
        FewShotCurveDisplay.from_estimator(
            MODELS, X, Y, scoring=["accuracy", "balanced_accuracy"], **options
        )
    alone = FewShotCurveDisplay.from_estimator(MODELS["logistic"], X, Y, **options)
    np.testing.assert_array_equal(alone.means["LogisticRegression"], display.means["logistic"])
    plt.close("all")


# What is refused --------------------------------------------------------------------------------

NOT_FINITE = X.copy()
NOT_FINITE[7, 2] = np.nan


@pytest.mark.parametrize(
    ("changes", "error", "says"),
    [
        ({"shots": (1, 12)}, ValueError,
         r"2 of 4 classes have fewer than 13 images in X \('ant' has 12, 'cow' has 12\)"),
        ({"shots": (10,), "cv": StratifiedKFold(4)}, ValueError,
         "2 of 4 classes have fewer than 10 images in the training part of split 0"),
        ({"y": np.repeat("ant", len(Y))}, ValueError, "y holds 1 class, and there is nothing"),
        ({"y": Y[:-1]}, ValueError, "inconsistent numbers of samples"),
        ({"y": None}, TypeError, "y is None"),
        ({"y": [*Y[:-1], None]}, ValueError, "Unknown label type: y must be all strings"),
        ({"X": NOT_FINITE}, ValueError,
         r"NaN or infinity in 1 of 59 rows \(first in row 7\), which 'logistic' does not take"),
        ({"shots": (1, 1)}, ValueError, "shots must be distinct"),
        ({"shots": ()}, ValueError, "shots must be distinct .* and one above 0"),
        ({"shots": (0,)}, ValueError, "and one above 0, got \\[0\\]"),
        ({"shots": (-1, 2)}, ValueError, "each of shots must be an integer of at least 0, got -1"),
        ({"shots": (1.5,)}, ValueError, "each of shots must be an integer of at least 0, got 1.5"),
        ({"shots": (True,)}, ValueError, "each of shots must be an integer"),
        ({"shots": 5}, TypeError, r"shots must be a list .* got 5. Write \(5,\)"),
        ({"shots": "12"}, TypeError, r"shots must be a list .* got '12'. Write \(12,\)"),
        ({"estimators": [("a", LOGISTIC), ("a", NEAREST)]}, ValueError,
         r"estimators names 1 labels more than once \('a'\)"),
        ({"estimators": {1: LOGISTIC, "1": NEAREST}}, ValueError, "more than once"),
        ({"estimators": {}}, ValueError, "estimators is empty"),
        ({"estimators": LogisticRegression}, TypeError, "with fit, .* the class Logistic"),
        ({"estimators": {"a": "svm"}}, TypeError, "'a' must be an object with fit, .* got 'svm'"),
        ({"estimators": [LOGISTIC]}, TypeError, r"or a list of \(name, estimator\)"),
        ({"estimators": "svm"}, TypeError, "must be an estimator, a dict from names"),
        ({"estimators": {"random labels": LOGISTIC}}, ValueError, "is the name of a control"),
        ({"cv": 0}, ValueError, "cv must be an integer of at least 1, got 0"),
        ({"cv": "five"}, TypeError, "cv must be a number of draws, a splitter"),
        ({"cv": []}, ValueError, "cv gives no splits"),
        ({"cv": [(np.arange(len(Y)), [])]}, ValueError, "split 0 of cv has no test rows"),
        ({"cv": [(np.flatnonzero(Y != "bat"), [0])]}, ValueError,
         "1 of 4 classes have .* in the training part of split 0 \\('bat' has 0\\)"),
        ({"scoring": "acuracy"}, ValueError, "is not a scorer. Did you mean 'accuracy'"),
        ({"scoring": 3}, ValueError, "scoring must be a name, a callable"),
        ({"scoring": {}}, ValueError, "scoring is empty"),
        ({"scoring": lambda *_: "high"}, ValueError, "must give a finite number, got 'high'"),
        ({"scoring": lambda *_: np.nan}, ValueError, "must give a finite number, got nan"),
        ({"random_state": -1}, ValueError, "random_state must be an integer of 0"),
    ],
)  # fmt: skip
def test_bad_input_is_refused(changes: dict[str, Any], error: type, says: str) -> None:
    arguments = {"estimators": MODELS, "X": X, "y": Y} | changes
    positional = [arguments.pop(name) for name in ("estimators", "X", "y")]
    with pytest.raises(error, match=says):
        few_shot_curve(*positional, **arguments)


def test_what_takes_missing_values_may_have_them() -> None:
    model = HistGradientBoostingClassifier(max_iter=2, min_samples_leaf=1)
    result = few_shot_curve(model, NOT_FINITE, Y, shots=(2,), cv=1, random_state=0)
    assert 0 <= result["HistGradientBoostingClassifier"][2][0] <= 1


class Failing(DummyClassifier):
    """Raises what it is told to in fit."""

    def __init__(self, error: Any = None) -> None:
        super().__init__()
        self.error = error

    def fit(self, X: Any, y: Any) -> Failing:
        raise self.error


def test_a_failing_fit_says_which_it_was() -> None:
    with pytest.raises(ZeroDivisionError) as caught:
        few_shot_curve({"mine": Failing(ZeroDivisionError())}, X, Y, shots=(2,), cv=1)
    assert caught.value.__notes__ == [
        "few_shot_curve: this was 'mine', trained on 2 images per class."
    ]
    with pytest.raises(NotFittedError):
        few_shot_curve(FrozenEstimator(LogisticRegression()), X, Y, shots=(1,), cv=1)


def test_a_scorer_that_no_control_has_is_found_before_anything_is_fitted() -> None:
    def margin(model: Any, X: np.ndarray, y: np.ndarray) -> float:
        return float(np.mean(model.decision_function(X)))

    with pytest.raises(AttributeError) as caught:
        few_shot_curve(Failing(RuntimeError()), X, Y, shots=(1,), scoring=margin)
    assert "a control, the most frequent label" in caught.value.__notes__[0]


def test_an_interrupt_passes_through() -> None:
    with pytest.raises(KeyboardInterrupt):
        few_shot_curve(Failing(KeyboardInterrupt()), X, Y, shots=(1,), cv=2)


def test_balanced_accuracy_of_unequal_classes_is_scikit_learns() -> None:
    split = (np.arange(0, len(Y), 2), np.arange(1, len(Y), 2))
    result = few_shot_curve(
        NEAREST, X, Y, shots=(2,), cv=[split], scoring="balanced_accuracy", random_state=5
    )
    rng = np.random.RandomState(5)
    rows = [rng.permutation(split[0][Y[split[0]] == name])[:2] for name in NAMES]
    predicted = NEAREST.fit(X[np.concatenate(rows)], np.repeat(NAMES, 2)).predict(X[split[1]])
    expected = balanced_accuracy_score(Y[split[1]], predicted)
    assert result["KNeighborsClassifier"][2].tolist() == [expected]
