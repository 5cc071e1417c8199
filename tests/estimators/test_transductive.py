"""TransductiveClassifier: what a batch adds, when it is left alone, and what is refused."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from zeroshot import (
    AttributeTable,
    CalibratedStacking,
    ESZSLClassifier,
    HeadRegressionClassifier,
    SourceHead,
    TransductiveClassifier,
    evaluate_zero_shot,
    load,
    save,
)
from zeroshot.estimators._transductive import (
    LEAST_IMAGES,
    WEIGHT,
    WEIGHTS,
    drawn,
    least_helpful,
    transduce,
)
from zeroshot.estimators._within_class import within_class_whitening
from zeroshot.exceptions import LabelWarning, UnreadableImageWarning

RNG = np.random.default_rng(0)
N_CLASSES, N_IMAGES, N_FEATURES = 24, 24, 40
NAMES = np.array([f"class {i:02}" for i in range(N_CLASSES)])
TRAITS = RNG.normal(size=(N_CLASSES, 6))
TABLE = AttributeTable(TRAITS, NAMES)
SEEN, UNSEEN = NAMES[6:], NAMES[:6]
CENTERS = TRAITS @ RNG.normal(size=(6, N_FEATURES)) + 2.5 * RNG.normal(size=(N_CLASSES, N_FEATURES))
Y = np.repeat(NAMES, N_IMAGES)
X = np.repeat(CENTERS, N_IMAGES, axis=0) + 2.5 * RNG.normal(size=(len(Y), N_FEATURES))
IS_SEEN = np.isin(Y, SEEN)
NEW, TRUTH = X[~IS_SEEN], Y[~IS_SEEN]


def eszsl(**changes):
    return ESZSLClassifier(TABLE, **{"candidates": UNSEEN, "scenario": "unseen"} | changes)


def fitted(model):
    return model.fit(X[IS_SEEN], Y[IS_SEEN])


CHOSEN = fitted(TransductiveClassifier(eszsl()))
GIVEN = fitted(TransductiveClassifier(eszsl(), weight=0.2, least_images=2))


# What a batch adds -------------------------------------------------------------------------------


def test_a_batch_names_more_images_rightly_and_the_inductive_answer_is_beside_it():
    inductive = CHOSEN.predict_inductive(NEW)
    np.testing.assert_array_equal(inductive, fitted(eszsl()).predict(NEW))
    assert 0.3 < (inductive == TRUTH).mean() < 0.8
    assert CHOSEN.score(NEW, TRUTH) > (inductive == TRUTH).mean() + 0.1
    assert CHOSEN.weight_ in WEIGHTS and CHOSEN.least_images_ in (2, 5, 10, 20)
    assert CHOSEN.gains_["20"] > 0 and set(CHOSEN.gains_) == {"2", "5", "10", "20", "skewed"}


def test_the_formula_written_out():
    rows = RNG.normal(size=(15, 4))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    scores = RNG.normal(size=(15, 3))
    fixed = np.full((3, 4), np.nan)
    fixed[1] = [0.5, 0, 0, 0.5]
    z = scores - scores.mean(axis=1)[:, None]
    z /= np.mean([row.std() for row in z])
    r = np.exp(z / 0.5)
    r /= r.sum(axis=1)[:, None]
    for _ in range(12):
        means = np.array(
            [
                (sum(r[i, c] * rows[i] for i in range(15)) + 2 * rows.mean(axis=0))
                / (r[:, c].sum() + 2)
                for c in range(3)
            ]
        )
        means[1] = fixed[1]
        d = np.array([[np.sum((x - m) ** 2) for m in means] for x in rows])
        shares = 0.5 * np.log([3 + r[:, c].sum() for c in range(3)])
        r = np.exp(0.2 * z / 0.5 - 30 * d / ((r * d).sum() / 15) + shares)
        r /= r.sum(axis=1)[:, None]
    np.testing.assert_allclose(
        np.exp(transduce(rows, scores, 0.2, fixed)), r, rtol=1e-8, atol=1e-12
    )


def test_whitened_rows_vary_alike_in_all_directions():
    scaled = X * np.geomspace(0.1, 10, N_FEATURES)
    mean, whitening = within_class_whitening(scaled, Y, 0.0)
    means = np.stack([scaled[name == Y].mean(axis=0) for name in NAMES])
    np.testing.assert_allclose(mean, means.mean(axis=0))
    within = (scaled - means[np.searchsorted(NAMES, Y)]) @ whitening.T
    covariance = within.T @ within
    covariance /= np.trace(covariance) / N_FEATURES
    np.testing.assert_allclose(covariance, np.eye(N_FEATURES), atol=1e-9)


def test_images_without_spread_within_classes_are_not_whitened():
    mean, whitening = within_class_whitening(CENTERS, NAMES, 0.85)
    np.testing.assert_array_equal(whitening, np.eye(N_FEATURES))
    np.testing.assert_allclose(mean, CENTERS.mean(axis=0))


def test_the_order_of_the_batch_changes_nothing_and_the_rest_of_it_does():
    order = np.random.default_rng(1).permutation(len(NEW))
    whole = GIVEN.decision_function(NEW)
    np.testing.assert_allclose(GIVEN.decision_function(NEW[order]), whole[order], atol=1e-8)
    some = np.isin(TRUTH, UNSEEN[:3])
    assert not np.allclose(GIVEN.decision_function(NEW[some]), whole[some], atol=0.1)


def test_candidates_that_the_batch_lacks():
    some = np.isin(TRUTH, UNSEEN[:3])
    labels = GIVEN.predict(NEW[some])
    inductive = GIVEN.predict_inductive(NEW[some])
    assert np.isin(labels, UNSEEN[3:]).mean() <= np.isin(inductive, UNSEEN[3:]).mean()
    assert (labels == TRUTH[some]).mean() > (inductive == TRUTH[some]).mean()
    one = TRUTH == UNSEEN[0]
    probabilities = GIVEN.predict_proba(NEW[one])
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)


def test_identical_images_are_named_without_an_error():
    same = np.repeat(NEW[:1], 30, axis=0)
    assert len(set(GIVEN.predict(same))) == 1 and np.isfinite(GIVEN.decision_function(same)).all()


def test_what_follows_from_the_scores():
    scores, probabilities = GIVEN.decision_function(NEW), GIVEN.predict_proba(NEW)
    np.testing.assert_allclose(np.exp(scores), probabilities, atol=1e-12)
    labels, best = GIVEN.predict_top_k(NEW, 2)
    np.testing.assert_array_equal(labels[:, 0], GIVEN.predict(NEW))
    np.testing.assert_array_equal(best[:, 0], scores.max(axis=1))
    with pytest.raises(ValueError, match="k=7 is more than the 6 candidate labels"):
        GIVEN.predict_top_k(NEW, 7)
    two = GIVEN.with_candidates(UNSEEN[:2])
    rows = np.isin(TRUTH, UNSEEN[:2])
    assert two.decision_function(NEW[rows]).shape == (2 * N_IMAGES,)
    assert two.score(NEW[rows], TRUTH[rows]) >= 0.9
    np.testing.assert_array_equal(GIVEN.transform(NEW), GIVEN.estimator_.transform(NEW))


def test_classes_with_training_images_keep_their_means():
    model = TransductiveClassifier(
        eszsl(candidates=NAMES, scenario="generalized"), weight=0.2, least_images=0
    )
    fitted(model)
    rows = RNG.permutation(len(Y))[:200]
    labels = model.predict(X[rows])
    right = (labels == Y[rows])[IS_SEEN[rows]]
    assert right.mean() >= (model.predict_inductive(X[rows]) == Y[rows])[IS_SEEN[rows]].mean()


# When the batch is left alone --------------------------------------------------------------------


@pytest.mark.parametrize("n_images", [1, 11])
def test_too_small_a_batch_has_the_inductive_answers_with_a_warning(n_images):
    few = NEW[:: len(NEW) // n_images][:n_images]
    for method in ("predict", "decision_function", "predict_proba"):
        with pytest.warns(LabelWarning, match=f"{n_images} images for 6 candidates are too few"):
            found = getattr(GIVEN, method)(few)
        np.testing.assert_array_equal(found, getattr(GIVEN.estimator_, method)(few))


def test_a_batch_of_one_is_inductive_whatever_is_asked_for():
    model = fitted(TransductiveClassifier(eszsl(), weight=0.2, least_images=0))
    with pytest.warns(LabelWarning, match="1 images for 6 candidates"):
        model.predict(NEW[:1])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.predict(NEW[:2])


def test_the_least_size_is_where_gains_are_clear_from_there_on():
    good, none, noise = np.array([0.1, 0.12]), np.array([-0.1, 0.0]), np.array([0.3, -0.25])
    assert least_helpful({2: none, 5: good, 10: good, 20: good, 0: none}) == 5
    assert least_helpful({2: good, 5: noise, 10: good}) == 10
    assert least_helpful({2: good, 5: none}) == np.inf
    assert least_helpful({0: good}) == least_helpful({}) == LEAST_IMAGES


def test_where_a_batch_tells_nothing_it_is_never_used():
    labels = np.random.default_rng(2).permutation(Y[IS_SEEN])  # images that do not go by class
    model = TransductiveClassifier(eszsl()).fit(X[IS_SEEN], labels)
    assert model.least_images_ > 5
    with pytest.warns(LabelWarning, match="too few|batches of held-out classes gained nothing"):
        model.predict(NEW[:30])
    never = fitted(TransductiveClassifier(eszsl(), weight=0.2, least_images=2))
    never.least_images_ = np.inf
    with pytest.warns(LabelWarning, match="gained nothing, and the answers are inductive. Pass l"):
        np.testing.assert_array_equal(never.predict(NEW), never.predict_inductive(NEW))


@pytest.mark.parametrize(
    "model, rows",
    [
        (FrozenEstimator(fitted(eszsl())), IS_SEEN),
        (eszsl(), np.isin(Y, SEEN[:3])),
    ],
)
def test_without_classes_to_hold_out_the_defaults_are_taken(model, rows):
    chosen = TransductiveClassifier(model).fit(X[rows], Y[rows])
    assert (chosen.weight_, chosen.least_images_, chosen.gains_) == (WEIGHT, LEAST_IMAGES, {})


def test_a_frozen_classifier_chooses_on_classes_that_it_has_not_seen():
    frozen = FrozenEstimator(eszsl().fit(X[np.isin(Y, SEEN[:12])], Y[np.isin(Y, SEEN[:12])]))
    model = fitted(TransductiveClassifier(frozen))
    assert model.estimator_ is frozen or model.estimator_.estimator is frozen.estimator
    assert model.gains_ and model.score(NEW, TRUTH) > frozen.score(NEW, TRUTH)


def test_one_parameter_may_be_given():
    model = fitted(TransductiveClassifier(eszsl(), weight=0.3))
    assert model.weight_ == 0.3 and model.gains_
    model = fitted(TransductiveClassifier(eszsl(), least_images=7))
    assert model.least_images_ == 7 and model.weight_ in WEIGHTS


def test_images_of_skewed_batches_are_drawn_as_asked():
    true = np.array([0, 0, 0, 1, 1, 2])
    rows = drawn(true, np.array([2, 5, 0]), np.random.RandomState(0))
    assert np.bincount(true[rows], minlength=3).tolist() == [2, 2, 0]
    assert rows.tolist() == sorted(set(rows))


# What it wraps, and what is refused --------------------------------------------------------------


def test_it_says_that_it_sees_the_test_images():
    assert repr(TransductiveClassifier(eszsl())).endswith("(sees the test images)")
    assert "sees the test images" in TransductiveClassifier.__doc__
    table = str(evaluate_zero_shot(GIVEN, NEW, TRUTH, n_bootstrap=0))
    assert table.startswith("TransductiveClassifier (sees the test images): ")


@pytest.mark.parametrize(
    "wrap",
    [
        lambda model: make_pipeline(StandardScaler(), TransductiveClassifier(model)),
        lambda model: TransductiveClassifier(make_pipeline(StandardScaler(), model)),
        lambda model: TransductiveClassifier(CalibratedStacking(model, calibration=0.1)),
    ],
)
def test_pipelines_and_other_wrappers(wrap, tmp_path):
    model = wrap(eszsl(scenario="generalized"))
    fitted(model)
    plain = fitted(make_pipeline(StandardScaler(), eszsl(scenario="generalized")))
    assert model.score(NEW, TRUTH) > plain.score(NEW, TRUTH) + 0.05
    save(model, tmp_path / "model")
    np.testing.assert_array_equal(load(tmp_path / "model").predict(NEW), model.predict(NEW))


def test_a_classifier_from_names_alone_still_needs_images_to_learn_how_classes_vary():
    head = SourceHead(CENTERS[6:], np.zeros(len(SEEN)), SEEN)
    model = TransductiveClassifier(HeadRegressionClassifier(head, TABLE, candidates=UNSEEN))
    with pytest.raises(ValueError, match="TransductiveClassifier: fit needs features and labels"):
        model.fit(None, None)
    fitted(model)
    assert model.score(NEW, TRUTH) >= (model.predict_inductive(NEW) == TRUTH).mean()


def test_rows_that_are_nan_throughout_are_no_part_of_the_batch():
    gaps = [0, 50]
    broken = NEW.copy()
    broken[gaps] = np.nan
    read = np.setdiff1d(np.arange(len(NEW)), gaps)
    labels = GIVEN.predict(broken)
    assert [labels[i] for i in gaps] == [None, None]
    np.testing.assert_array_equal(labels[read], GIVEN.predict(NEW[read]))
    assert pd.isna(GIVEN.predict_proba(broken)[gaps]).all()
    training = X[IS_SEEN].copy()
    training[3] = np.nan
    with pytest.warns(UnreadableImageWarning, match="1 of 432 rows"):
        TransductiveClassifier(eszsl(), weight=0.2, least_images=2).fit(training, Y[IS_SEEN])
    one = NEW.copy()
    one[3, 2] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        GIVEN.predict(one)


def test_what_is_not_a_zero_shot_classifier_of_features():
    with pytest.raises(TypeError, match="estimator must be a zero-shot classifier, got Logistic"):
        fitted(TransductiveClassifier(LogisticRegression()))
    with pytest.raises(TypeError, match="estimator must be a zero-shot classifier, got <class"):
        fitted(TransductiveClassifier(ESZSLClassifier))
    with pytest.raises(NotFittedError):
        TransductiveClassifier(eszsl()).predict_inductive(NEW)
