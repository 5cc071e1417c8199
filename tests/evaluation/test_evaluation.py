"""A whole evaluation: each figure is the metric's, each control the best that looks at no image."""

from __future__ import annotations

import itertools
import json
import re
from dataclasses import asdict, replace

import numpy as np
import pandas as pd
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import check_random_state

from zeroshot import (
    AttributeTable,
    CalibratedStacking,
    ConSEClassifier,
    DeViSEClassifier,
    DummyZeroShotClassifier,
    EmbeddingRegressor,
    HashEmbedding,
    SourceHead,
    evaluate_zero_shot,
)
from zeroshot.evaluation import Estimate, ZeroShotEvaluation, _evaluate
from zeroshot.evaluation._figures import OF_PROBABILITIES
from zeroshot.exceptions import UnknownLabelError
from zeroshot.metrics import (
    SCORERS,
    ausuc_score,
    hierarchical_precision_score,
    hit_at_k_score,
    mean_class_accuracy,
    seen_unseen_curve,
    semantic_similarity_score,
)
from zeroshot.model_selection import ClassKFold
from zeroshot.taxonomy import resolve

RNG = np.random.default_rng(0)
NAMES = np.array(
    ["ant", "bear", "car", "dog", "eel", "fig", "goat", "hat", "igloo", "jar", "kite", "lion"]
)
VECTORS = RNG.normal(size=(12, 5)) + 0.4
TABLE = AttributeTable(VECTORS, labels=NAMES)
CODES = RNG.permutation(np.repeat(np.arange(12), np.arange(10, 22)))
N = len(CODES)
X = np.hstack([VECTORS[CODES] @ RNG.normal(size=(5, 6)), RNG.normal(size=(12, 6))[CODES]])
X += RNG.normal(size=X.shape)
Y = NAMES[CODES]
SEEN = NAMES[:7]
TRAIN = (CODES < 7) & (np.arange(N) < 100)
TEST_X, TEST_Y = X[~TRAIN], Y[~TRAIN]
SYNSETS = {name: resolve([name]).wnids[0] for name in NAMES.tolist()}
IS_SEEN = np.isin(TEST_Y, SEEN)


def devise(**changes):
    settings = {"loss": "mse", "alpha": 3.0, "candidates": NAMES, **changes}
    return DeViSEClassifier(TABLE, **settings)


def fitted(model):
    return model.fit(X[TRAIN], Y[TRAIN])


MODEL = fitted(devise())
SCORES = MODEL.decision_function(TEST_X)


def evaluate(model=MODEL, x=TEST_X, y=TEST_Y, **changes):
    settings = {"hit_at": (1, 2, 5, 10), "n_bootstrap": 0, "random_state": 0, **changes}
    return evaluate_zero_shot(model, x, y, **settings)


# The figures -----------------------------------------------------------------------------------


@pytest.mark.parametrize("average", ["macro", "micro"])
def test_every_figure_is_the_metrics(average):
    result = evaluate(average=average, hierarchical_precision_at=(2, 5), synsets=SYNSETS)
    by_context = evaluate(average=average, hierarchical_precision_at=(2, 5))
    known = {"labels": NAMES, "average": average}
    for k in (1, 2, 5, 10):
        expected = hit_at_k_score(TEST_Y, SCORES, k=k, **known)
        assert result[f"hit_at_{k}"].value == pytest.approx(expected)
    for k in (2, 5):
        for given, synsets in ((result, SYNSETS), (by_context, None)):
            expected = hierarchical_precision_score(TEST_Y, SCORES, k=k, synsets=synsets, **known)
            assert given[f"hierarchical_precision_at_{k}"].value == pytest.approx(expected)
    area = ausuc_score(TEST_Y, SCORES, seen_classes=SEEN, **known)
    assert result["ausuc"].value == pytest.approx(area)
    for got, expected in zip(
        result.curve, seen_unseen_curve(TEST_Y, SCORES, seen_classes=SEEN, **known), strict=True
    ):
        np.testing.assert_allclose(got, expected)
    predicted = MODEL.predict(TEST_X)
    assert result["mean_class_accuracy"].value == pytest.approx(
        mean_class_accuracy(TEST_Y, predicted)
    )
    parts = []
    for mask in (IS_SEEN, ~IS_SEEN):
        right = predicted[mask] == TEST_Y[mask]
        macro = mean_class_accuracy(TEST_Y[mask], predicted[mask])
        parts.append(macro if average == "macro" else right.mean())
    assert result["seen_accuracy"].value == pytest.approx(parts[0])
    assert result["unseen_accuracy"].value == pytest.approx(parts[1])
    assert result["harmonic_mean"].value == pytest.approx(2 / (1 / parts[0] + 1 / parts[1]))
    top = NAMES[np.argsort(-SCORES, axis=1)[:, :3]]
    expected = semantic_similarity_score(TEST_Y, top, TABLE, average=average)
    assert result["semantic_similarity_at_3"].value == pytest.approx(expected)
    assert not result.left_out and not result.notes


WRAPPED = {
    "pipeline": make_pipeline(StandardScaler(), devise()),
    "search": GridSearchCV(
        make_pipeline(StandardScaler(), devise()),
        {"deviseclassifier__alpha": [3.0]},
        cv=ClassKFold(2),
        error_score="raise",
    ),
    "calibrated": CalibratedStacking(devise(), calibration=0.2),
    "calibrated pipeline": make_pipeline(
        "passthrough", CalibratedStacking(devise(), calibration=0.2)
    ),
    "frozen": FrozenEstimator(make_pipeline(StandardScaler(), devise()).fit(X[TRAIN], Y[TRAIN])),
    "float32": devise(),
}


@pytest.mark.parametrize("name", WRAPPED)
def test_pipelines_searches_and_wrappers_have_the_figures_of_the_scorers(name):
    x = TEST_X.astype(np.float32) if name == "float32" else TEST_X
    model = fitted(WRAPPED[name])
    result = evaluate(model, x)
    assert len(set(np.unique(TEST_Y, return_counts=True)[1])) > 5  # unbalanced classes
    for figure in set(result) & set(SCORERS):
        assert result[figure].value == pytest.approx(SCORERS[figure](model, x, TEST_Y)), figure
    lacking = {"hit_at_20", "any_of_these_auc"}  # twelve labels, all of them candidates
    assert {name for name in SCORERS if not name.startswith("neg_")} - lacking <= set(result)


def test_samples_are_scored_in_blocks(monkeypatch):
    whole = evaluate(n_bootstrap=50)
    seen = []

    class Spy(DeViSEClassifier):
        def decision_function(self, X):
            seen.append(len(X))
            return super().decision_function(X)

    spy = fitted(Spy(TABLE, loss="mse", alpha=3.0, candidates=NAMES))
    monkeypatch.setattr(_evaluate, "MAX_SCORES_AT_ONCE", 12 * 7 + 5)
    result = evaluate(spy, n_bootstrap=50)
    assert max(seen) == 7 and sum(seen) == len(TEST_Y)
    for name, estimate in whole.items():
        for field in ("value", "low", "high", "best_constant", "random_label"):
            expected = pytest.approx(getattr(estimate, field))
            assert getattr(result[name], field) == expected, name
    for one, other in zip(result.curve, whole.curve, strict=True):
        np.testing.assert_allclose(one, other)


def test_containers_change_nothing():
    expected = evaluate().to_dict()
    assert evaluate(x=TEST_X.tolist(), y=TEST_Y.tolist()).to_dict() == expected
    frame = pd.DataFrame(TEST_X)
    for y in (pd.Series(TEST_Y, dtype="category"), pd.Series(TEST_Y, dtype="string")):
        assert evaluate(x=frame, y=y).to_dict() == expected


def test_integer_labels_and_their_synsets():
    table = AttributeTable(VECTORS, labels=np.arange(12) * 3)
    model = DeViSEClassifier(table, loss="mse", alpha=3.0, candidates=np.arange(12) * 3)
    model.fit(X[TRAIN], CODES[TRAIN] * 3)
    expected = evaluate()
    result = evaluate(model, y=CODES[~TRAIN] * 3)
    assert "Pass synsets=" in result.left_out["hierarchical_precision_at_5"]
    assert "hierarchical_precision_at_5" not in result
    named = {3 * code: name for code, name in enumerate(NAMES.tolist())}
    result = evaluate(model, y=CODES[~TRAIN] * 3, synsets=named)
    for name, estimate in expected.items():
        assert result[name].value == pytest.approx(estimate.value)
    assert json.loads(json.dumps(result.to_dict()))["classes"]["label"] == [
        3 * c for c in range(12)
    ]


def test_a_label_embedding_of_ones_own_measures_similarity():
    other = HashEmbedding(8)
    result = evaluate(label_embedding=other, average="micro")
    top = NAMES[np.argsort(-SCORES, axis=1)[:, :3]]
    expected = semantic_similarity_score(TEST_Y, top, other, average="micro")
    assert result["semantic_similarity_at_3"].value == pytest.approx(expected)
    assert evaluate(label_embedding=other.embed)["semantic_similarity_at_3"].value != (
        evaluate()["semantic_similarity_at_3"].value
    )


# The controls ----------------------------------------------------------------------------------


def constant_scores(labels):
    """The scores of a predictor that gives these labels, best first, whatever the image."""
    scores = np.zeros(len(NAMES))
    for place, label in enumerate(labels):
        scores[NAMES == label] = 10 - place
    return np.tile(scores, (len(TEST_Y), 1))


@pytest.mark.parametrize("average", ["macro", "micro"])
@pytest.mark.parametrize("k", [1, 2])
def test_no_constant_answer_beats_the_control_and_random_ones_reach_it_on_average(average, k):
    result = evaluate(
        average=average, hit_at=(k,), hierarchical_precision_at=(k,), semantic_similarity_at=(k,)
    )
    known = {"k": k, "labels": NAMES, "average": average}
    figures = {
        "hit": lambda s: hit_at_k_score(TEST_Y, s, **known),
        "hierarchical_precision": lambda s: hierarchical_precision_score(TEST_Y, s, **known),
    }
    answers = list(itertools.combinations(NAMES, k))
    for family, figure in figures.items():
        values = [figure(constant_scores(labels)) for labels in answers]
        estimate = result[f"{family}_at_{k}"]
        assert estimate.best_constant == pytest.approx(max(values))
        assert estimate.random_label == pytest.approx(np.mean(values))
    estimate = result[f"semantic_similarity_at_{k}"]
    values = []
    for labels in answers:
        top = np.tile(labels, (len(TEST_Y), 1))
        per_class = [
            semantic_similarity_score(TEST_Y[TEST_Y == n], top[TEST_Y == n], TABLE) for n in NAMES
        ]
        sizes = [(TEST_Y == n).sum() if average == "micro" else 1 for n in NAMES]
        values.append(np.average(per_class, weights=sizes))
    assert estimate.best_constant == pytest.approx(max(values))
    assert estimate.random_label == pytest.approx(np.mean(values))


@pytest.mark.parametrize("average", ["macro", "micro"])
def test_controls_of_the_parts(average):
    result = evaluate(average=average)
    sizes = np.array([(TEST_Y == name).sum() for name in NAMES])
    shares = {}
    for part, mask in (("seen", np.isin(NAMES, SEEN)), ("unseen", ~np.isin(NAMES, SEEN))):
        weights = (sizes if average == "micro" else np.ones(12)) * mask
        shares[part] = weights / weights.sum()
        assert result[f"{part}_accuracy"].best_constant == pytest.approx(shares[part].max())
        assert result[f"{part}_accuracy"].random_label == pytest.approx(1 / 12)
    assert result["harmonic_mean"].best_constant == 0
    assert result["harmonic_mean"].random_label == pytest.approx(1 / 12)
    # One seen and one unseen label, tied for every image: by the metric itself.
    values = [
        ausuc_score(
            TEST_Y,
            constant_scores([s]) + constant_scores([u]),
            labels=NAMES,
            seen_classes=SEEN,
            average=average,
        )
        for s in SEEN
        for u in NAMES[7:]
    ]
    assert result["ausuc"].best_constant == pytest.approx(max(values))
    assert result["ausuc"].random_label == pytest.approx(np.mean(values))


def test_the_dummy_classifier_is_no_better_than_the_controls():
    for strategy in ("mean", "constant"):
        dummy = DummyZeroShotClassifier(TABLE, strategy=strategy, candidates=NAMES)
        result = evaluate(fitted(dummy))
        for name, estimate in result.items():
            if name in OF_PROBABILITIES:  # less is better
                least = min(estimate.best_constant, estimate.random_label)
                assert estimate.value >= least - 1e-9, name
                continue
            assert estimate.value <= max(estimate.best_constant, estimate.random_label) + 1e-9, name
    many = np.tile(np.arange(len(TEST_Y)), 60)
    dummy = fitted(
        DummyZeroShotClassifier(TABLE, strategy="random", candidates=NAMES, random_state=0)
    )
    result = evaluate_zero_shot(dummy, TEST_X[many], TEST_Y[many], n_bootstrap=0, hit_at=(1,))
    for name in ("hit_at_1", "seen_accuracy", "unseen_accuracy", "harmonic_mean"):
        assert result[name].value == pytest.approx(result[name].random_label, abs=0.02)


# The intervals ---------------------------------------------------------------------------------


def naive_bootstrap(scores, y, classes, seen, n_bootstrap, statistic):
    """Draw classes with replacement, seen and unseen ones apart, and count their rows anew."""
    rng = check_random_state(0)
    parts = [[c for c in classes if (c in seen) == flag] for flag in (True, False)]
    draws = [
        rng.multinomial(len(part), np.full(len(part), 1 / len(part)), size=n_bootstrap)
        for part in parts
    ]
    values = []
    for b in range(n_bootstrap):
        times = {c: draw[b][i] for part, draw in zip(parts, draws, strict=True)
                 for i, c in enumerate(part)}  # fmt: skip
        rows = np.concatenate([np.tile(np.flatnonzero(y == c), times[c]) for c in classes]).astype(
            int
        )
        values.append(statistic(y[rows], scores[rows]))
    return np.quantile(values, [0.05, 0.95])


def test_intervals_are_those_of_a_bootstrap_written_out():
    known = {"labels": NAMES, "average": "micro"}

    def harmonic(y, scores):
        right, seen = NAMES[scores.argmax(axis=1)] == y, np.isin(y, SEEN)
        parts = right[seen].mean(), right[~seen].mean()
        return 2 * parts[0] * parts[1] / max(sum(parts), 1e-12)

    statistics = {
        "hit_at_2": lambda y, s: hit_at_k_score(y, s, k=2, **known),
        "ausuc": lambda y, s: ausuc_score(y, s, seen_classes=SEEN, **known),
        "harmonic_mean": harmonic,
        "hierarchical_precision_at_5": lambda y, s: hierarchical_precision_score(
            y, s, k=5, **known
        ),
    }
    result = evaluate(average="micro", n_bootstrap=40, level=0.9)
    for name, statistic in statistics.items():
        low, high = naive_bootstrap(SCORES, TEST_Y, NAMES, SEEN, 40, statistic)
        assert (result[name].low, result[name].high) == pytest.approx((low, high)), name
        assert low < result[name].value < high


def test_with_classes_of_one_size_both_averages_have_one_interval():
    rows = np.concatenate([np.flatnonzero(TEST_Y == name)[:3] for name in NAMES])
    assert len(rows) == 36
    macro, micro = (
        evaluate(x=TEST_X[rows], y=TEST_Y[rows], average=average, n_bootstrap=30)
        for average in ("macro", "micro")
    )
    for name, estimate in macro.items():
        other = micro[name]
        assert (estimate.low, estimate.high) == pytest.approx((other.low, other.high)), name


def test_seeds_and_levels():
    first, again = evaluate(n_bootstrap=50), evaluate(n_bootstrap=50)
    assert first.to_dict() == again.to_dict()
    other = evaluate(n_bootstrap=50, random_state=1)
    assert other["ausuc"].low != first["ausuc"].low
    assert other["ausuc"].value == first["ausuc"].value
    wide = evaluate(n_bootstrap=50, level=0.99)
    for name, estimate in first.items():
        assert wide[name].low <= estimate.low <= estimate.high <= wide[name].high
    assert all(e.low is None and e.high is None for e in evaluate(n_bootstrap=0).values())
    assert evaluate(n_bootstrap=0, synsets=SYNSETS).notes == []


@pytest.mark.parametrize("unseen", [["lion"], ["ant", "bear", "kite", "lion"]])
def test_fewer_than_five_classes_have_no_interval_and_that_is_said(unseen):
    """Of two classes that are alike it had no width: 81.8 % would be between 81.8 % and 81.8 %."""
    rows = IS_SEEN | np.isin(TEST_Y, unseen)
    unseen_too = ["unseen_accuracy", "harmonic_mean", "ausuc"]
    result = evaluate(x=TEST_X[rows], y=TEST_Y[rows], n_bootstrap=20, synsets=SYNSETS)
    for name, estimate in result.items():
        assert (estimate.low is None) == (estimate.high is None) == (name in unseen_too)
    assert result.notes == [
        f"No interval, as it would be over fewer than 5 classes: {', '.join(unseen_too)}."
    ]


def test_rounding_errors_are_not_shown():
    """0.8 was 0.7999999999999999, and 1 was above the high end of its interval."""
    names = np.sort(NAMES[:10])
    one_hot, y = np.eye(10).repeat(10, axis=0), names.repeat(10)
    table = AttributeTable(np.eye(10), labels=names)
    model = DeViSEClassifier(table, loss="mse", candidates=names).fit(one_hot, y)
    for n_wrong in range(10):
        x = one_hot.copy()
        for place in range(n_wrong):  # in each class
            x[place::10] = np.roll(x[place::10], 1, axis=1)
        result = evaluate(model, x, y, n_bootstrap=50, hit_at=(1, 2, 10))
        assert result["hit_at_1"].value == round(1 - n_wrong / 10, 1)
        for estimate in result.values():
            assert estimate.low <= estimate.value <= estimate.high
            values = [value for value in asdict(estimate).values() if value is not None]
            assert len(values) == 5
            assert all(value == round(value, 12) for value in values)
        # All classes have the same value, which is no certainty: no interval is shown.
        assert not re.search(r"(\d\.\d{3}) to \1", str(result))
        assert "No interval, as all classes have the same value: mean_class_accuracy" in str(result)


# What does not apply ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rows", "missing", "kept"), [(~IS_SEEN, "seen", "unseen"), (IS_SEEN, "unseen", "seen")]
)
def test_rows_of_one_part_only(rows, missing, kept):
    result = evaluate(x=TEST_X[rows], y=TEST_Y[rows])
    assert set(result.left_out) == {f"{missing}_accuracy", "harmonic_mean", "ausuc"}
    reasons = set(result.left_out.values())
    assert len(reasons) == 1 and f"is of a class {missing} in fit" in reasons.pop()
    assert result[f"{kept}_accuracy"].value == pytest.approx(result["mean_class_accuracy"].value)
    assert result.curve is None and result.to_dict()["curve"] is None
    with pytest.raises(KeyError, match="ausuc was left out: none of the"):
        result["ausuc"]
    assert "Left out: " in str(result)


def test_labels_that_are_not_on_offer():
    model = fitted(devise(scenario="unseen"))
    result = evaluate(model, hit_at=(1, 5, 6), hierarchical_precision_at=(6,))
    for name in ("seen_accuracy", "harmonic_mean", "ausuc"):
        assert "no class seen in fit is a candidate" in result.left_out[name]
    assert result.left_out["hit_at_6"] == "k is more than the 5 candidate labels."
    assert "hierarchical_precision_at_6" in result.left_out
    (note,) = result.notes
    assert "7 of 12 classes are not candidates (such as 'ant'" in note
    expected = hit_at_k_score(TEST_Y, model.decision_function(TEST_X), k=5, labels=NAMES)
    assert result["hit_at_5"].value == pytest.approx(expected) == pytest.approx(5 / 12)
    assert result["hit_at_5"].best_constant == result["hit_at_5"].random_label
    assert result["hit_at_1"].random_label == pytest.approx(5 / 12 / 5)
    assert result["unseen_accuracy"].value == pytest.approx(
        SCORERS["unseen_accuracy"](model, TEST_X, TEST_Y)
    )


def test_unknown_labels_count_as_wrong_and_are_noted():
    y = TEST_Y.copy()
    y[TEST_Y == "lion"] = "okapi"
    result = evaluate(y=y, synsets=SYNSETS)
    n = (y == "okapi").sum()
    assert result.notes == [
        f"1 of 12 classes are not candidates (such as 'okapi'): their {n} samples count as wrong."
    ]
    assert result.classes["accuracy"][result.classes["label"].index("okapi")] == 0
    expected = ausuc_score(y, SCORES, labels=NAMES, seen_classes=SEEN)
    assert result["ausuc"].value == pytest.approx(expected)
    assert "okapi" in result.left_out["semantic_similarity_at_3"]  # the table has no such row
    assert "hierarchical_precision_at_5" in result  # but WordNet has
    result = evaluate(y=np.full(len(y), "wug"))
    assert result["hit_at_10"].value == result["hit_at_10"].best_constant == 0
    assert (
        "labels have no noun synset (such as 'wug')"
        in result.left_out["hierarchical_precision_at_5"]
    )


def test_labels_without_synsets_and_vectors():
    names = [f"wug{letter}q" for letter in "abcdefghijkl"]
    model = DeViSEClassifier(AttributeTable(VECTORS, labels=names), loss="mse", candidates=names)
    model.fit(X[TRAIN], np.array(names)[CODES[TRAIN]])
    model.label_vectors = None  # as a classifier without vectors
    result = evaluate(model, y=np.array(names)[CODES[~TRAIN]])
    assert (
        "12 of 12 labels have no noun synset (such as 'wugaq',"
        in result.left_out["hierarchical_precision_at_5"]
    )
    assert "Pass label_embedding=" in result.left_out["semantic_similarity_at_3"]

    def embed(labels):
        return np.where(np.asarray(labels)[:, None] == "wugbq", 0.0, np.ones((1, 3)))

    model.label_vectors = embed
    result = evaluate(model, y=np.array(names)[CODES[~TRAIN]])
    assert "vectors of 'wugbq' are zero" in result.left_out["semantic_similarity_at_3"]
    with pytest.raises(ValueError, match="label_embedding, the vectors of 'wugbq' are zero"):
        evaluate(model, y=np.array(names)[CODES[~TRAIN]], label_embedding=embed)


def test_senses_that_are_guessed_are_noted():
    """A tiger is a person first, and nothing in a figure shows which sense it was taken for."""
    (note,) = evaluate(hierarchical_precision_at=(2, 5)).notes
    assert "takes 10 labels that have several senses (such as 'bear', 'car', 'dog'" in note
    assert "Pass synsets=" in note
    partly = {name: SYNSETS[name] for name in ("bear", "car")}
    (note,) = evaluate(synsets=partly).notes
    assert "takes 8 labels that have several senses (such as 'dog'" in note
    assert not evaluate(hierarchical_precision_at=()).notes


def test_what_is_given_and_cannot_be_used_is_no_reason_to_leave_figures_out():
    other = AttributeTable(np.eye(2), labels=["okapi", "ant"])
    with pytest.raises(
        UnknownLabelError,
        match=r"label_embedding \(AttributeTable\) has no vector "
        r"for 11 of 12 labels \('bear'",
    ):
        evaluate(label_embedding=other)
    with pytest.raises(ValueError, match="synsets has 'n99999999' for 'ant', which is not a noun"):
        evaluate(synsets={"ant": "n99999999"})
    with pytest.raises(ValueError, match="synsets names none of the 12 labels .* such as 'okapi'"):
        evaluate(synsets={"okapi": "okapi.n.01"})
    with pytest.raises(ValueError, match="label_embedding gave 3 vectors for 12 labels"):
        evaluate(label_embedding=lambda labels: np.eye(3))


def test_two_candidates():
    view = MODEL.with_candidates(["lion", "ant"])
    rows = np.isin(TEST_Y, ["lion", "ant"])
    result = evaluate(view, x=TEST_X[rows], y=TEST_Y[rows], hit_at=(1, 2))
    expected = mean_class_accuracy(TEST_Y[rows], view.predict(TEST_X[rows]))
    assert result["hit_at_1"].value == pytest.approx(expected)
    assert result["hit_at_2"].value == 1
    assert result["ausuc"].random_label == 0.5
    assert result["mean_class_accuracy"].low is None


# What it prints and exports --------------------------------------------------------------------


def test_it_prints_as_a_table():
    result = evaluate(n_bootstrap=20)
    lines = str(result).splitlines()
    n = len(TEST_Y)
    assert lines[0] == (
        f"DeViSEClassifier: {n} samples of 7 seen and 5 unseen classes, 12 candidate labels"
    )
    assert lines[1].split("  ")[-1] == "random label" and "95 % interval" in lines[1]
    rows = {line.split()[0]: line.split()[1:] for line in lines[2 : 2 + len(result)]}
    assert list(rows) == list(result)
    for name, cells in rows.items():
        e = result[name]
        interval = [e.low, "to", e.high] if f"{e.low:.3f}" != f"{e.high:.3f}" else []
        wanted = [e.value, *interval, e.best_constant, e.random_label]
        assert cells == [w if w == "to" else f"{w:.3f}" for w in wanted]
    assert max(map(len, lines)) <= 100
    assert repr(result).startswith("ZeroShotEvaluation(DeViSEClassifier: ")


def test_small_controls_are_not_printed_as_nothing():
    estimate = Estimate(0.1254, None, None, best_constant=0.0003125, random_label=0.0)
    result = replace(evaluate(), estimates={"ausuc": estimate})
    assert str(result).splitlines()[2].split() == ["ausuc", "0.125", "0.0003", "0.000"]


def test_it_shows_in_a_notebook_with_what_is_in_labels_escaped():
    y = TEST_Y.astype("<U20")
    y[y == "lion"] = "<b>lion & co</b>"
    result = evaluate(y=y, n_bootstrap=5)
    text = result._repr_html_()
    assert text.count("<tr>") == 1 + len(result)
    assert "&lt;b&gt;lion &amp; co&lt;/b&gt;" in text and "<b>" not in text


def test_it_exports_to_json_and_to_a_frame():
    result = evaluate(n_bootstrap=20)
    known = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    assert known == result.to_dict()
    assert known["figures"]["ausuc"]["value"] == result["ausuc"].value
    assert (
        known["curve"]["calibration"][0] is None
        and known["curve"]["calibration"][1] == result.curve[2][1]
    )
    assert known["settings"]["n_unseen_classes"] == 5
    accuracies = dict(zip(known["classes"]["label"], known["classes"]["accuracy"], strict=True))
    assert np.mean(list(accuracies.values())) == pytest.approx(result["hit_at_1"].value)
    frame = result.to_frame()
    assert frame.index.tolist() == list(result)
    controls = ["best_constant", "random_label", "no_training"]
    assert frame.columns.tolist() == ["value", "low", "high", *controls]
    assert frame["no_training"].isna().all()
    assert all(column.dtype.kind == "f" for _, column in frame.items())
    assert frame.loc["ausuc", "low"] == result["ausuc"].low
    assert evaluate(n_bootstrap=0).to_frame()["low"].isna().all()


@pytest.mark.parametrize("scenario", ["generalized", "unseen"])
def test_no_training_is_judged_on_the_same_task(scenario):
    """Its own seen classes do not matter: the figures are those of the model's task."""
    model = fitted(devise(scenario=scenario))
    head = SourceHead(RNG.normal(size=(3, X.shape[1])), np.zeros(3), ["lion", "dog", "jar"])
    control = ConSEClassifier(head, TABLE, candidates=NAMES).fit()
    plain, result = evaluate(model), evaluate(model, no_training=control)
    assert {name: replace(e, no_training=None) for name, e in result.items()} == dict(plain)
    offered = NAMES if scenario == "generalized" else model.unseen_classes_
    right = control.with_candidates(offered).predict(TEST_X) == TEST_Y
    parts = {"unseen": model.unseen_classes_}
    if scenario == "generalized":
        parts["seen"] = [name for name in SEEN if (TEST_Y == name).any()]
    for part, classes in parts.items():
        of = [right[TEST_Y == name].mean() for name in classes]
        assert result[f"{part}_accuracy"].no_training == pytest.approx(np.mean(of))
    assert result["hit_at_1"].no_training == result["mean_class_accuracy"].no_training
    assert "no training" in str(result) and "no training" not in str(plain)
    frame = result.to_frame()["no_training"]
    assert frame[[name for name in frame.index if name not in OF_CONFIDENCE]].notna().all()


OF_CONFIDENCE = (*OF_PROBABILITIES, "set_coverage", "set_size", "any_of_these_auc")


def test_it_is_a_mapping():
    result = evaluate()
    assert isinstance(result, ZeroShotEvaluation) and len(result) == len(dict(result))
    with pytest.raises(KeyError, match="hit_at_7"):
        result["hit_at_7"]


# Bad input -------------------------------------------------------------------------------------


class NaNs(DeViSEClassifier):
    def decision_function(self, X):
        scores = super().decision_function(X)
        scores[-1, -1] = np.nan
        return scores


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"x": TEST_X[:0], "y": TEST_Y[:0]}, "y is empty. Pass at least one sample"),
        ({"y": TEST_Y[:5]}, "inconsistent numbers of samples"),
        ({"y": CODES[~TRAIN]}, "y and classes_ must be of one type"),
        ({"y": [*TEST_Y[:-1].tolist(), None]}, "Unknown label type: y"),
        ({"y": TEST_Y[:, None].repeat(2, axis=1)}, "should be a 1d array"),
        ({"x": TEST_X * np.nan}, "NaN"),
        (
            {"model": fitted(NaNs(TABLE, loss="mse", candidates=NAMES))},
            "decision_function.X. holds",
        ),
        ({"hit_at": (0,)}, "each k of hit_at must be an integer of at least 1, got 0"),
        ({"hierarchical_precision_at": (2.5,)}, "k of hierarchical_precision_at must be an int"),
        ({"semantic_similarity_at": (True,)}, "k of semantic_similarity_at must be an integer"),
        ({"average": "weighted"}, "average must be one of 'macro', 'micro', got 'weighted'"),
        ({"n_bootstrap": -1}, "n_bootstrap must be an integer of at least 0, got -1"),
        ({"n_bootstrap": 10.0}, "n_bootstrap must be an integer"),
        ({"level": 1}, "level must be above 0 and below 1, got 1"),
        ({"level": 0.0}, "level must be a number above 0, got 0.0"),
        ({"level": np.nan}, "level must be a number above 0, got nan"),
        ({"random_state": "a"}, "zero_shot: random_state must be an integer .* got 'a'"),
        ({"random_state": -1}, "random_state must be an integer of 0 to .* got -1"),
    ],
)
def test_bad_input_says_what_to_do(changes, message):
    with pytest.raises(ValueError, match=message):
        evaluate(**changes)


def test_a_score_that_is_no_number_is_named_by_its_row_in_all_of_x(monkeypatch):
    monkeypatch.setattr(_evaluate, "MAX_ROWS_AT_ONCE", 32)

    class OneNaN(DeViSEClassifier):
        def decision_function(self, X):
            scores = super().decision_function(X)
            scores[(X == TEST_X[70]).all(axis=1), 0] = np.nan
            return scores

    with pytest.raises(ValueError, match=r"\(X\) holds NaN.* in 1 of rows 64 to 9.* row 70\)"):
        evaluate(fitted(OneNaN(TABLE, loss="mse", candidates=NAMES)))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model": None}, "estimator must be a zero-shot classifier, got None. Pass an object"),
        ({"model": "devise"}, "estimator must be a zero-shot classifier, got 'devise'"),
        ({"model": DeViSEClassifier}, "estimator must be .* got <class '.*DeViSEClassifier'>"),
        ({"x": None}, "X must hold one row or image a sample, got None"),
        ({"x": 5}, "X must hold one row or image a sample, got 5"),
        ({"x": "photo.jpg"}, "X must hold one row or image a sample, got 'photo.jpg'"),
        ({"y": None}, "y is None. Pass the true label of each row of X"),
        ({"y": "c01"}, r"y must be a list or 1-D array of labels, got 'c01'. Write \['c01'\]"),
    ],
)
def test_what_is_no_model_or_no_data_is_named(changes, message):
    with pytest.raises(TypeError, match=f"evaluate_zero_shot: {message}"):
        evaluate(**changes)


def test_parameters_of_another_type():
    with pytest.raises(TypeError, match=r"hit_at must be a list of k, got 5. Write \(5,\)"):
        evaluate(hit_at=5)
    with pytest.raises(TypeError, match="synsets must map labels"):
        evaluate(synsets=["ant.n.01"])
    with pytest.raises(TypeError, match="label_embedding must be a LabelEmbedding or a function"):
        evaluate(label_embedding=VECTORS)


def test_other_estimators_are_refused():
    with pytest.raises(TypeError, match="LogisticRegression has no seen_classes_. Pass one such"):
        evaluate(LogisticRegression().fit(X, Y))
    with pytest.raises(TypeError, match="EmbeddingRegressor has no decision_function and no class"):
        evaluate(fitted(EmbeddingRegressor(TABLE)))
    for model in (devise(), make_pipeline("passthrough", devise()), CalibratedStacking(devise())):
        with pytest.raises(NotFittedError, match="not fitted"):
            evaluate(model)
