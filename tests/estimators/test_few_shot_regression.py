"""Logistic regression as the third part of FewShotClassifier."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer

from zeroshot import AttributeTable, ConSEClassifier, FewShotClassifier, SourceHead, load, save
from zeroshot.estimators._few_shot_regression import (
    LEAST_IMAGES,
    WEIGHTS,
    fit_regression,
    held_out_rows,
    is_worth_it,
)

RNG = np.random.default_rng(0)
N_CLASSES, N_FEATURES = 6, 12
LABELS = np.array([f"class {i}" for i in range(N_CLASSES)])
CENTERS = RNG.normal(size=(N_CLASSES, N_FEATURES))
HEAD = SourceHead(CENTERS + 0.5 * RNG.normal(size=CENTERS.shape), np.zeros(N_CLASSES), LABELS)
TABLE = AttributeTable(np.eye(N_CLASSES), LABELS)
PRIOR = ConSEClassifier(HEAD, TABLE)


def images(n_images, seed, of=N_CLASSES):
    """Each class is a curved cloud, of another direction: means alone do not tell them apart."""
    rng = np.random.default_rng(seed)
    y = np.repeat(np.arange(of), n_images)
    bent = rng.normal(size=len(y))
    X = CENTERS[y] + 0.9 * rng.normal(size=(len(y), N_FEATURES))
    X[np.arange(len(y)), y] += 4 * bent**2
    return X, LABELS[y]


X, Y = images(40, 1)
NEW, TRUTH = images(200, 2)


def test_with_many_images_it_is_not_below_logistic_regression():
    regression = make_pipeline(Normalizer(), LogisticRegression(C=10, max_iter=1000)).fit(X, Y)
    model = FewShotClassifier(PRIOR).fit(X, Y)
    without = FewShotClassifier(PRIOR, regression_weight=0).fit(X, Y)
    assert model.regression_.weight in WEIGHTS[1:] and without.regression_ is None
    assert model.score(NEW, TRUTH) > without.score(NEW, TRUTH) + 0.01
    assert model.score(NEW, TRUTH) >= regression.score(NEW, TRUTH) - 0.01


def test_a_weight_of_one_is_logistic_regression_and_a_half_is_half_of_each():
    whole, half, none = (
        FewShotClassifier(PRIOR, regression_weight=weight).fit(X, Y) for weight in (1.0, 0.5, 0.0)
    )
    alone = make_pipeline(Normalizer(), LogisticRegression(C=10, max_iter=200, tol=1e-3)).fit(X, Y)
    np.testing.assert_array_equal(whole.predict(NEW), alone.predict(NEW))
    both = (whole.decision_function(NEW) + none.decision_function(NEW)) / 2
    np.testing.assert_allclose(half.decision_function(NEW), both, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(half.prior_shares_, none.prior_shares_ / 2)


@pytest.mark.parametrize("prior", [PRIOR, None])
def test_right_and_wrong_classes_score_alike_by_both_parts(prior):
    model = FewShotClassifier(prior, regression_weight=1.0).fit(X, Y)
    other = FewShotClassifier(prior, regression_weight=0).fit(X, Y)
    own = TRUTH[:, None] == LABELS
    for part in (own, ~own):
        found, wanted = model.decision_function(NEW)[part], other.decision_function(NEW)[part]
        spread = other.decision_function(NEW).std()
        assert abs(found.mean() - wanted.mean()) < 0.5 * spread


def test_classes_without_images_still_win():
    rows = np.isin(Y, LABELS[:4])
    models = [
        FewShotClassifier(PRIOR, candidates=LABELS, regression_weight=weight).fit(X[rows], Y[rows])
        for weight in ("auto", 0)
    ]
    new = np.isin(TRUTH, LABELS[4:])
    found, before = (model.score(NEW[new], TRUTH[new]) for model in models)
    assert models[0].regression_ is not None and found > 0.8 * before > 0.2


def test_few_images_have_no_third_part():
    few, labels = images(LEAST_IMAGES - 1, 3)
    assert FewShotClassifier(PRIOR).fit(few, labels).regression_ is None
    assert is_worth_it(np.array([20, 20])) and not is_worth_it(np.array([100, 5]))
    assert not is_worth_it(np.array([500]))


def test_one_in_five_images_of_each_class_is_held_out():
    positions = np.array([0] * 10 + [1] * 4 + [2] * 6)
    rows = np.random.default_rng(0).permutation(20)
    held_out = held_out_rows(positions[rows])
    assert np.bincount(positions[rows][held_out], minlength=3).tolist() == [2, 0, 1]
    assert held_out.tolist() == sorted(held_out)


def test_a_blend_that_is_right_already_has_no_regression():
    positions = np.searchsorted(LABELS, Y)
    held_out = held_out_rows(positions)
    perfect = 9.0 * np.eye(N_CLASSES)[positions[held_out]]
    assert fit_regression(X, positions, held_out, perfect, None) is None


def test_two_classes():
    rows, new = np.isin(Y, LABELS[:2]), np.isin(TRUTH, LABELS[:2])
    model = FewShotClassifier(regression_weight=1.0).fit(X[rows], Y[rows])
    assert model.decision_function(NEW[new]).ndim == 1
    assert model.score(NEW[new], TRUTH[new]) > 0.8


def test_a_given_weight_needs_images_to_put_the_parts_on_one_scale():
    few, labels = images(4, 3)
    with pytest.raises(ValueError, match=r"regression_weight=0.5 needs five images of a class"):
        FewShotClassifier(PRIOR, regression_weight=0.5).fit(few, labels)


def test_it_is_saved_with_the_model(tmp_path):
    model = FewShotClassifier(PRIOR).fit(X, Y)
    save(model, tmp_path / "model")
    again = load(tmp_path / "model")
    np.testing.assert_array_equal(again.decision_function(NEW), model.decision_function(NEW))
    assert again.regression_.weight == model.regression_.weight
