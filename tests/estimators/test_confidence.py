"""Probabilities, sets of labels and doubt, against naive versions and simulations."""

from __future__ import annotations

import numpy as np
import pytest
from many_classes import NAMES, samples
from scipy.special import softmax
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from zeroshot import (
    ALEClassifier,
    CalibratedStacking,
    ConSEClassifier,
    DeViSEClassifier,
    EnsembleZeroShotClassifier,
    ESZSLClassifier,
    ESZSLClassifierCV,
    FewShotClassifier,
    NearestLabelClassifier,
    SourceHead,
    Training,
    load,
    save,
)
from zeroshot.estimators._confidence import Confidence, any_probability
from zeroshot.estimators._held_out import Block
from zeroshot.exceptions import LabelWarning
from zeroshot.metrics import SCORERS, any_of_these_auc, class_log_loss, expected_calibration_error
from zeroshot.model_selection import cross_validate_classes

TABLE, X, Y = samples()
SEEN, UNSEEN = NAMES[:30], NAMES[30:]
IS_SEEN = np.isin(Y, SEEN)
# Every second sample of a seen class is for training.
TRAIN = IS_SEEN & (np.arange(len(Y)) % 2 == 0)


def ridge(**changes):
    settings = {"label_embedding": TABLE, "loss": "mse", "scenario": "unseen"}
    return DeViSEClassifier(**settings | {"candidates": UNSEEN} | changes)


def fitted(model):
    return model.fit(X[TRAIN], Y[TRAIN])


MODEL = fitted(ridge())
GENERALIZED = fitted(ridge(scenario="generalized", candidates=NAMES))


def blocks(seed=0, n_classes=12, n_rows=40, scale=3.0):
    rng = np.random.default_rng(seed)
    codes = np.repeat(np.arange(n_classes), n_rows)
    scores = rng.normal(size=(len(codes), n_classes))
    true = np.array([rng.choice(n_classes, p=p) for p in softmax(scale * scores, axis=1)])
    return [Block(scores, np.zeros(n_classes, dtype=bool), true, true)]


# Temperature -----------------------------------------------------------------------------------


def test_the_temperature_that_made_the_samples_is_found():
    found = Confidence.of_blocks(blocks(n_rows=400), unseen_only=True)
    assert found.temperature == pytest.approx(1 / 3, rel=0.05)
    assert found.n_candidates == found.n_classes == 12


@pytest.mark.parametrize("unseen_only", [True, False])
def test_the_best_labels_are_as_probable_as_they_are_right(unseen_only):
    rng = np.random.default_rng(3)
    is_seen = np.arange(15) < 9
    scores = rng.standard_t(3, size=(2000, 15))  # heavy tails
    true = rng.permutation(np.repeat(np.arange(15), 134)[:2000])
    scores[np.arange(2000), true] += 1.5
    rows = ~is_seen[true] | (not unseen_only)
    block = Block(scores[rows], is_seen, true[rows], true[rows])
    found = Confidence.of_blocks([block], unseen_only=unseen_only)
    share = found.weights / found.weights.sum()
    assert share @ found.best == pytest.approx(share @ found.right, abs=1e-3)


def test_kinds_have_temperatures_and_an_offset_of_their_own():
    rng = np.random.default_rng(1)
    is_seen = np.arange(20) < 14
    scores = rng.normal(size=(20_000, 20))
    logits = np.where(is_seen, scores / 0.5 - 1.5, scores / 0.2)
    p = softmax(logits, axis=1)
    true = (p.cumsum(axis=1) > rng.random((len(p), 1))).argmax(axis=1)
    found = Confidence.of_blocks([Block(scores, is_seen, true, true)], unseen_only=False)
    weights = 1 / np.bincount(true)[true]  # each class counts once: rare ones more than they are
    assert found.seen_temperature == pytest.approx(0.5, rel=0.1)
    assert found.temperature == pytest.approx(0.2, rel=0.1)
    assert weights.sum() == pytest.approx(20)
    assert np.allclose(found.probabilities(scores[:5], is_seen).sum(axis=1), 1)


def test_scores_that_separate_all_classes_have_a_finite_temperature():
    scores = np.eye(6)[np.repeat(np.arange(6), 5)]
    true = np.repeat(np.arange(6), 5)
    found = Confidence.of_blocks([Block(scores, np.zeros(6, bool), true, true)], unseen_only=True)
    assert 0 < found.temperature < 1 and np.isfinite(found.evidence_weights).all()


def test_scores_that_say_nothing_give_nearly_uniform_probabilities():
    rng = np.random.default_rng(2)
    true = np.repeat(np.arange(6), 50)
    block = Block(rng.normal(size=(300, 6)), np.zeros(6, bool), true, true)
    found = Confidence.of_blocks([block], unseen_only=True)
    assert found.probabilities(block.scores, block.is_seen).max() < 0.4


def test_probabilities_of_unseen_classes_are_calibrated():
    new = ~IS_SEEN
    errors = {
        temperature: expected_calibration_error(
            Y[new],
            fitted(ridge(temperature=temperature)).predict_proba(X[new])[:, :],
            labels=UNSEEN,
        )
        for temperature in (None, 0.02, 5.0)
    }
    assert errors[None] < 0.08 < min(errors[0.02], errors[5.0])


def test_one_distribution_over_both_kinds_is_calibrated():
    rows = ~TRAIN
    plain = fitted(ridge(scenario="generalized", candidates=NAMES, temperature=0.1))
    errors = [
        expected_calibration_error(Y[rows], model.predict_proba(X[rows]), labels=NAMES)
        for model in (GENERALIZED, plain)
    ]
    assert errors[0] < 0.08 and errors[0] < errors[1], errors
    np.testing.assert_array_equal(GENERALIZED.predict(X[rows]), plain.predict(X[rows]))


@pytest.mark.parametrize(
    ("changes", "learns"),
    [
        ({}, True),
        ({"temperature": "auto"}, True),
        ({"temperature": 0.3}, False),
        ({"hubness": "zscore"}, False),
        ({"hubness": "zscore", "temperature": "auto"}, True),
        ({"label_embedding": None, "candidates": None, "scenario": "generalized"}, False),
    ],
)
def test_the_default_learns_only_where_folds_come_in_one_pass(changes, learns):
    model = fitted(ridge(**changes))
    assert (model.confidence_ is not None) == learns
    if not learns:
        assert model.temperature_ == changes.get("temperature", 0.1)


def test_three_classes_keep_the_constant_and_auto_says_why():
    rows = np.isin(Y, SEEN[:3])
    assert ridge().fit(X[rows], Y[rows]).temperature_ == 0.1
    with pytest.raises(
        ValueError, match="temperature='auto' holds classes out, and needs at least 4; y has 3"
    ):
        ridge(temperature="auto").fit(X[rows], Y[rows])


@pytest.mark.filterwarnings("ignore:DeViSEClassifier. partial_fit starts anew:UserWarning")
def test_sums_keep_the_constant():
    model = ridge().partial_fit(X[TRAIN], Y[TRAIN])
    assert model.confidence_ is None and model.temperature_ == 0.1
    other = ridge().partial_fit(X[TRAIN], Y[TRAIN])
    assert model.merge(other).confidence_ is None
    again = fitted(ridge())
    assert again.confidence_ is not None
    assert again.partial_fit(X[TRAIN], Y[TRAIN]).confidence_ is None


def test_sums_say_that_auto_cannot_be_had():
    with pytest.warns(UserWarning, match="which partial_fit and merge cannot: .* is 0.1. Call cal"):
        model = ridge(temperature="auto").partial_fit(X[TRAIN], Y[TRAIN])
    assert model.confidence_ is None and model.temperature_ == 0.1


HEAD = SourceHead(np.random.default_rng(0).normal(size=(30, 16)), np.zeros(30), SEEN)
SHORT = {"training": Training(epochs=2, device="cpu"), "random_state": 0}
OTHERS = {
    "eszsl-cv": ESZSLClassifierCV(TABLE, cv=3),
    "trained": ALEClassifier(TABLE, temperature="auto", **SHORT),
    "conse": ConSEClassifier(None, TABLE, temperature="auto"),
    "ensemble": EnsembleZeroShotClassifier(
        [("map", DeViSEClassifier(TABLE, loss="mse")), ("guesses", ConSEClassifier(None, TABLE))],
        temperature="auto",
    ),
    "pipeline": make_pipeline(StandardScaler(), ESZSLClassifier(TABLE)),
    "few-shot": FewShotClassifier(
        ConSEClassifier(HEAD, TABLE), candidates=NAMES, temperature="auto"
    ),
    "one-hot": ESZSLClassifier(temperature="auto"),
}


@pytest.mark.parametrize("name", OTHERS)
def test_auto_works_on_every_kind_of_classifier(name):
    model = fitted(OTHERS[name])
    final = model[-1] if name == "pipeline" else model
    inner = model[:-1].transform(X) if name == "pipeline" else X
    assert final.confidence_.n_classes == 30
    assert np.allclose(model.predict_proba(X[::7]).sum(axis=1), 1)
    sets = final.predict_set(inner[::7])
    assert sets.shape == (len(X[::7]), len(final.classes_)) and sets.any(axis=1).all()


def test_calibrated_stacking_takes_the_probabilities_of_what_it_wraps():
    model = fitted(CalibratedStacking(ridge(scenario="generalized", candidates=NAMES)))
    np.testing.assert_allclose(model.predict_proba(X), GENERALIZED.predict_proba(X), rtol=1e-6)
    assert np.array_equal(model.predict_set(X), GENERALIZED.predict_set(X))
    np.testing.assert_allclose(model.predict_any_proba(X), GENERALIZED.predict_any_proba(X))


def test_views_share_it_and_say_for_how_many_candidates_it_is():
    view = MODEL.with_candidates(UNSEEN[:7])
    assert view.confidence_ is MODEL.confidence_ and view.confidence_.n_candidates == 10
    view.predict_set(X[:3])  # not far from 10
    with pytest.warns(
        LabelWarning, match="3 candidates compete, and confidence was learnt with 10"
    ):
        MODEL.with_candidates(UNSEEN[:3]).predict_set(X[:3])


def test_what_was_learnt_is_saved(tmp_path):
    save(GENERALIZED, tmp_path / "model")
    back = load(tmp_path / "model")
    np.testing.assert_allclose(back.predict_proba(X), GENERALIZED.predict_proba(X))
    assert np.array_equal(back.predict_set(X), GENERALIZED.predict_set(X))


def test_scorers_of_probabilities_have_folds_fitted_anew():
    X_, y_ = X[TRAIN], Y[TRAIN]
    model = DeViSEClassifier(TABLE, loss="mse", scenario="unseen", candidates=NAMES)
    with pytest.warns(UserWarning, match="scoring asks for probabilities, whose temperature"):
        found = cross_validate_classes(model, X_, y_, 3, "neg_class_log_loss")["test_score"]
    assert (found > -np.log(10)).all()
    model.set_params(temperature=0.1)
    cross_validate_classes(model, X_, y_, 3, "neg_class_log_loss")  # one pass, without a warning


@pytest.mark.parametrize(
    "name",
    [
        name
        for name in SCORERS
        if name.startswith(("neg_class", "neg_exp", "neg_risk", "neg_set", "set"))
    ],
)
def test_scorers_read_a_pipeline(name):
    model = fitted(make_pipeline(StandardScaler(), ridge()))
    assert np.isfinite(SCORERS[name](model, X[~IS_SEEN], Y[~IS_SEEN]))
    assert np.isfinite(SCORERS[name].with_options(average="micro")(model, X[~IS_SEEN], Y[~IS_SEEN]))


# calibrate -------------------------------------------------------------------------------------


def test_calibrate_takes_the_temperature_from_classes_that_were_never_seen():
    model = fitted(ridge(temperature=None, hubness="zscore"))
    assert model.confidence_ is None
    rows = ~IS_SEEN
    assert model.calibrate(X[rows], Y[rows]) is model
    found = model.confidence_
    losses = [
        class_log_loss(
            Y[rows], softmax(model.decision_function(X[rows])[:, :] / t, axis=1), labels=UNSEEN
        )
        for t in (found.temperature, 0.9 * found.temperature, 1.1 * found.temperature)
    ]
    assert losses[0] < min(losses) + 0.02 and found.n_candidates == 10


def test_calibrate_lets_classes_compete_that_are_no_candidates():
    model = fitted(ridge(candidates=UNSEEN[:5]))
    rows = np.isin(Y, UNSEEN[5:])
    assert model.calibrate(X[rows], Y[rows]).confidence_.n_candidates == 5


def test_a_head_without_images_is_calibrated_afterwards():
    head = ConSEClassifier(HEAD, TABLE, candidates=UNSEEN, scenario="unseen", temperature="auto")
    with pytest.raises(
        ValueError, match=r"fit had no images of any. Pass temperature=None, and call calibrate"
    ):
        head.fit()
    head.set_params(temperature=None).fit().calibrate(X[~IS_SEEN], Y[~IS_SEEN])
    assert head.confidence_.n_classes == 10


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (IS_SEEN, "needs samples of at least two classes that fit did not see, and y has 0"),
        (Y == UNSEEN[0], "and y has 1. Pass samples of further classes"),
    ],
)
def test_calibrate_needs_two_classes_that_were_never_seen(rows, message):
    with pytest.raises(ValueError, match=message):
        fitted(ridge()).calibrate(X[rows], Y[rows])


class Broken(NearestLabelClassifier):
    def _class_scores(self, X):
        scores = super()._class_scores(X)
        scores[1, 0] = np.nan
        return scores


def test_scores_that_are_nan_are_named():
    vectors = TABLE.embed(UNSEEN).repeat(3, axis=0)
    model = Broken(TABLE, candidates=UNSEEN).fit()
    with pytest.raises(
        ValueError, match=r"Broken: scores of 1 of 30 samples are NaN or infinite \(first: row 1\)"
    ):
        model.calibrate(vectors, UNSEEN.repeat(3))
    model.confidence_ = MODEL.confidence_
    with pytest.raises(ValueError, match="NaN or infinite"):
        model.predict_set(vectors)
    with pytest.raises(ValueError, match="NaN or infinite"):
        model.predict_any_proba(vectors)


# Sets ------------------------------------------------------------------------------------------


def naive_threshold(true, classes, coverage):
    """The largest of the held-out probabilities that keeps `coverage` of the weight."""
    n_classes = len(set(classes))
    for threshold in np.sort(true)[::-1]:
        inside = sum(
            np.mean(true[classes == label] >= threshold) / (n_classes + 1) for label in set(classes)
        )
        if inside >= coverage - 1e-9:
            return threshold
    return 0.0


@pytest.mark.parametrize("coverage", [0.5, 0.8, 0.9, 0.96, 0.99])
def test_the_threshold_lets_each_class_count_once_and_the_next_one_too(coverage):
    found = MODEL.confidence_
    expected = naive_threshold(found.true, found.classes, coverage)
    assert found.set_threshold(coverage, seen=False) == pytest.approx(expected)
    if coverage == 0.99:  # more than 30 of 31
        assert expected == 0


def test_sets_hold_the_labels_above_the_threshold_and_the_best_one():
    probabilities = MODEL.predict_proba(X[~IS_SEEN])
    sets = MODEL.predict_set(X[~IS_SEEN], 0.7)
    threshold = MODEL.confidence_.set_threshold(0.7, seen=False)
    expected = probabilities >= threshold * (1 - 1e-6)
    expected[np.arange(len(sets)), probabilities.argmax(axis=1)] = True
    assert np.array_equal(sets, expected) and sets.dtype == bool


def test_classes_that_are_exchangeable_are_covered_as_promised():
    """Split conformal: the model is fixed, and calibrated on some classes it has not seen."""
    rng = np.random.default_rng(0)
    covered = []
    for _ in range(60):
        table, X, y = samples(seed=rng.integers(2**31), n_rows=12)
        drawn = rng.permutation(NAMES)
        learnt, known, new = drawn[:12], drawn[12:26], drawn[26:]
        model = DeViSEClassifier(table, loss="mse", scenario="unseen", temperature=0.1)
        rows = np.isin(y, learnt)
        model.fit(X[rows], y[rows])
        rows = np.isin(y, known)
        model = (
            model.with_candidates(known).calibrate(X[rows], y[rows]).with_candidates(np.sort(new))
        )
        rows = np.isin(y, new)
        sets = model.predict_set(X[rows], 0.8)
        covered.append(sets[np.arange(rows.sum()), np.searchsorted(np.sort(new), y[rows])].mean())
    error = np.std(covered) / np.sqrt(len(covered))
    assert 0.8 - 3 * error < np.mean(covered) < 0.8 + 1 / 15 + 3 * error


def test_seen_columns_have_a_threshold_of_their_own():
    sets = GENERALIZED.predict_set(X[~TRAIN], 0.8)
    own = sets[np.arange(len(sets)), np.searchsorted(NAMES, Y[~TRAIN])]
    kinds = [own[np.isin(Y[~TRAIN], kind)].mean() for kind in (SEEN, UNSEEN)]
    assert kinds == pytest.approx([0.8, 0.8], abs=0.12)


def test_the_unseen_scenario_has_no_seen_label_in_a_set():
    model = fitted(ridge(candidates=NAMES))
    assert not model.predict_set(X[:40], 0.99)[:, :30].any()


@pytest.mark.parametrize("coverage", [0, 1, 1.5, -0.1, np.nan, "0.9"])
def test_a_coverage_outside_its_range_is_named(coverage):
    with pytest.raises(ValueError, match="DeViSEClassifier: coverage must be"):
        MODEL.predict_set(X[:3], coverage)


def test_a_model_that_knows_no_held_out_classes_says_what_to_do():
    model = fitted(ridge(temperature=0.1))
    for ask in (model.predict_set, model.predict_any_proba):
        with pytest.raises(
            ValueError, match=r"Fit with temperature='auto', or call calibrate\(X, y\)"
        ):
            ask(X[:3])


# None of these ---------------------------------------------------------------------------------


def test_samples_of_other_classes_look_less_like_any_of_the_candidates():
    half = fitted(ridge(candidates=UNSEEN[:5])).with_candidates(UNSEEN[:5])
    rows = ~IS_SEEN
    ours = any_of_these_auc(Y[rows], half.predict_any_proba(X[rows]), labels=UNSEEN[:5])
    surest = any_of_these_auc(Y[rows], half.predict_proba(X[rows]).max(axis=1), labels=UNSEEN[:5])
    assert ours > surest + 0.03


def test_the_share_that_is_expected_shifts_all_probabilities():
    evidence = np.array([-1.0, 0.0, 2.0])
    odds = any_probability(evidence, 0.2) / (1 - any_probability(evidence, 0.2))
    np.testing.assert_allclose(odds, 4 * np.exp(evidence))
    assert (any_probability(evidence, 0) == 1).all()
    order = np.argsort(MODEL.predict_any_proba(X[:50]))
    assert np.array_equal(order, np.argsort(MODEL.predict_any_proba(X[:50], none_share=0.2)))


def test_an_only_candidate_can_still_be_none_of_these():
    with pytest.warns(LabelWarning):
        view = MODEL.with_candidates(UNSEEN[:1])
        own, others = (
            view.predict_any_proba(X[rows]).mean() for rows in (Y == UNSEEN[0], Y == UNSEEN[3])
        )
    assert own > others
