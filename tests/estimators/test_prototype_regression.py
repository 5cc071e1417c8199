"""PrototypeRegressionClassifier: nearest prototype, those of unseen classes predicted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from zeroshot import AttributeTable, HashEmbedding, PrototypeRegressionClassifier, load, save
from zeroshot.estimators._class_regression import fit_class_regression
from zeroshot.exceptions import UnknownLabelError

LABELS = [f"c{i:02d}" for i in range(20)]
VECTORS = np.random.default_rng(0).normal(size=(20, 4))
TABLE = AttributeTable(VECTORS, LABELS)
PROTOTYPES = VECTORS @ np.random.default_rng(1).normal(size=(4, 8)) + 3
CODES = np.random.default_rng(2).permutation(np.repeat(np.arange(20), np.arange(20) + 5))
X_ALL = PROTOTYPES[CODES] + 0.5 * np.random.default_rng(3).normal(size=(len(CODES), 8))
Y_ALL = np.array(LABELS)[CODES]
SEEN = CODES < 15
X, Y = X_ALL[SEEN], Y_ALL[SEEN]
PARAMS = {"alpha": 0.1, "gamma": 0.5}


def model(kernels=TABLE, **params):
    return PrototypeRegressionClassifier(kernels, **{"candidates": LABELS, **PARAMS, **params})


def test_the_formula():
    fitted = model().fit(X, Y)
    means = np.stack([X[label == Y].mean(axis=0) for label in LABELS[:15]])
    mean = means.mean(axis=0)
    regression, _ = fit_class_regression(
        [TABLE], np.array(LABELS[:15]), None, means - mean, gamma=0.5, alpha=0.1,
        weights="auto", owner="Test",
    )  # fmt: skip
    rows = np.vstack([means - mean, regression.predict(np.array(LABELS[15:]), owner="Test")])
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    np.testing.assert_allclose(fitted.class_vectors_, rows)
    np.testing.assert_allclose(fitted.decision_function(X), (X - mean) @ rows.T)


def test_whitening_is_that_of_a_linear_discriminant():
    rng = np.random.default_rng(5)
    skewed = rng.normal(size=(8, 8))  # directions that say nothing of the class vary most
    rows, scaled = X_ALL[~SEEN] @ skewed, X @ skewed
    fitted = model(shrinkage=0.4, scenario="unseen").fit(scaled, Y)
    means = np.stack([scaled[label == Y].mean(axis=0) for label in LABELS[:15]])
    within = scaled - means[CODES[SEEN]]
    covariance = within.T @ within
    covariance = 0.6 * covariance * 8 / np.trace(covariance) + 0.4 * np.eye(8)
    np.testing.assert_allclose(
        fitted.whitening_ @ covariance @ fitted.whitening_.T, np.eye(8), atol=1e-9
    )
    white = (scaled - means.mean(axis=0)) @ fitted.whitening_.T
    white /= np.linalg.norm(white, axis=1, keepdims=True)
    of_white = model(scenario="unseen").fit(white, Y)
    new = (rows - means.mean(axis=0)) @ fitted.whitening_.T
    new /= np.linalg.norm(new, axis=1, keepdims=True)
    np.testing.assert_allclose(
        fitted.decision_function(rows), of_white.decision_function(new), atol=1e-9
    )


def test_whitening_helps_where_images_of_a_class_differ_in_one_direction():
    rng = np.random.default_rng(6)
    noise = np.outer(rng.normal(scale=20, size=len(X_ALL)), np.eye(8)[0])
    plain, white = (
        model(shrinkage=shrinkage, scenario="unseen")
        .fit((X_ALL + noise)[SEEN], Y)
        .score((X_ALL + noise)[~SEEN], Y_ALL[~SEEN])
        for shrinkage in (None, 0.1)
    )
    assert white > plain + 0.1


@pytest.mark.parametrize("shrinkage", [0, -0.5, 1.5, "auto"])
def test_a_shrinkage_that_is_none_is_refused(shrinkage):
    with pytest.raises((TypeError, ValueError), match="shrinkage"):
        model(shrinkage=shrinkage).fit(X, Y)


def test_a_whitened_model_is_saved_whole(tmp_path):
    fitted = model(shrinkage=0.5).fit(X, Y)
    save(fitted, tmp_path / "model")
    loaded = load(tmp_path / "model")
    np.testing.assert_array_equal(loaded.decision_function(X), fitted.decision_function(X))
    del fitted.whitening_, fitted.offset_  # as in a model of an earlier version
    assert not np.allclose(fitted.decision_function(X), loaded.decision_function(X))


def test_unseen_classes_are_told_apart():
    fitted = model(scenario="unseen").fit(X, Y)
    accuracy = fitted.score(X_ALL[~SEEN], Y_ALL[~SEEN])
    shuffled = AttributeTable(VECTORS[np.random.default_rng(4).permutation(20)], LABELS)
    control = model(shuffled, scenario="unseen").fit(X, Y).score(X_ALL[~SEEN], Y_ALL[~SEEN])
    assert accuracy > 0.6 > control


def test_without_kernels_it_is_an_ordinary_classifier():
    fitted = PrototypeRegressionClassifier().fit(X, Y)
    assert fitted.score(X, Y) > 0.8
    with pytest.raises(UnknownLabelError, match="no description for 1 of 1 .*'c19'"):
        fitted.with_candidates(["c00", "c19"])


def test_penalty_and_weights_are_chosen_by_left_out_classes():
    fitted = model([HashEmbedding(4), TABLE], alpha=None).fit(X, Y)
    assert fitted.weights_[1] > 0.5 and fitted.left_out_error_ < 0.8


def test_classes_of_many_images_count_once():
    twice = np.concatenate([X, X[Y == "c03"]]), np.concatenate([Y, Y[Y == "c03"]])
    first, second = model().fit(X, Y), model().fit(*twice)
    np.testing.assert_allclose(first.class_vectors_, second.class_vectors_)


def test_one_class_is_learnt_and_nothing_else():
    rows = Y == "c03"
    fitted = PrototypeRegressionClassifier().fit(X[rows], Y[rows])
    assert set(fitted.predict(X)) == {"c03"}
    with pytest.raises(ValueError, match="one class was seen, from which nothing can be learnt"):
        model().fit(X[rows], Y[rows])


@pytest.mark.parametrize("hubness", [None, "zscore", "csls"])
def test_it_comes_back_from_a_file(tmp_path: Path, hubness) -> None:
    fitted = model(hubness=hubness).fit(X, Y)
    save(fitted, tmp_path / "model")
    loaded = load(tmp_path / "model")
    np.testing.assert_array_equal(loaded.decision_function(X), fitted.decision_function(X))
    view, expected = (one.with_candidates(["c01", "c19"]) for one in (loaded, fitted))
    np.testing.assert_array_equal(view.decision_function(X), expected.decision_function(X))
