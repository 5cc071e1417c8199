"""The controls: what each of them answers without looking at an image."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError

from zeroshot import AttributeTable, DummyZeroShotClassifier
from zeroshot.metrics import SCORERS, class_relative_losses

LABELS = ["bat", "bee", "cat", "elk", "fly", "gnu"]
TABLE = AttributeTable(np.random.default_rng(0).normal(size=(6, 4)) + 0.6, labels=LABELS)
RAW = TABLE.vectors.astype(np.float64)
Y = np.repeat(LABELS[:4], [2, 15, 4, 9])
X = np.random.default_rng(1).normal(size=(len(Y), 3))


def dummy(strategy, **changes):
    model = DummyZeroShotClassifier(TABLE, strategy=strategy, candidates=LABELS, **changes)
    return model.fit(X, Y)


def cosine(a, b):
    return sum(a * b) / np.sqrt(sum(a * a) * sum(b * b))


def test_mean_predicts_the_mean_vector_of_the_seen_classes_each_once():
    model = dummy("mean")
    mean = (RAW[0] + RAW[1] + RAW[2] + RAW[3]) / 4
    np.testing.assert_allclose(model.mean_vector_, mean, rtol=1e-12)
    np.testing.assert_allclose(model.transform(X), np.tile(mean, (len(X), 1)), rtol=1e-12)
    scores = [cosine(mean, vector) * np.linalg.norm(mean) for vector in RAW]
    np.testing.assert_allclose(model.decision_function(X)[0], scores, rtol=1e-9)
    assert set(model.predict(X)) == {LABELS[int(np.argmax(scores))]}


@pytest.mark.parametrize("scenario", ["generalized", "unseen"])
def test_constant_is_the_candidate_of_the_highest_mean_cosine(scenario):
    """The best answer that is the same for every image, on raw cosine as published."""
    allowed = range(6) if scenario == "generalized" else range(4, 6)
    means = {LABELS[i]: np.mean([cosine(RAW[i], RAW[j]) for j in allowed]) for i in allowed}
    model = dummy("constant", scenario=scenario)
    assert set(model.predict(X)) == {max(means, key=means.get)}
    ranked, scores = model.predict_top_k(X, len(means))
    assert ranked[0].tolist() == sorted(means, key=lambda name: -means[name])
    np.testing.assert_allclose(scores[0], sorted(means.values(), reverse=True), rtol=1e-9)


@pytest.mark.parametrize("scenario", ["generalized", "unseen"])
def test_random_draws_every_allowed_candidate_about_as_often(scenario):
    model = dummy("random", scenario=scenario, random_state=0)
    answers = model.predict(np.zeros((6000, 3)))
    names, counts = np.unique(answers, return_counts=True)
    expected = LABELS if scenario == "generalized" else LABELS[4:]
    assert names.tolist() == expected
    np.testing.assert_allclose(counts, 6000 / len(expected), rtol=0.12)


def test_random_has_a_seed():
    first, second = dummy("random", random_state=0), dummy("random", random_state=0)
    np.testing.assert_array_equal(first.predict(X), second.predict(X))
    np.testing.assert_array_equal(first.predict(X), first.predict(X))
    other = dummy("random", random_state=1).predict(X)
    assert not np.array_equal(first.predict(X), other)


@pytest.mark.parametrize("strategy", ["mean", "constant", "random"])
def test_no_control_looks_at_its_input(strategy):
    model = dummy(strategy, random_state=0)
    rows = np.random.default_rng(9).normal(size=X.shape) * 100
    np.testing.assert_array_equal(model.predict(rows), model.predict(X))
    np.testing.assert_array_equal(model.decision_function(rows), model.decision_function(X))


@pytest.mark.parametrize("name", ["neg_relative_loss", "neg_embedding_mse"])
def test_only_the_mean_predicts_an_embedding(name):
    for strategy in ("constant", "random"):
        with pytest.raises(TypeError, match="needs an estimator that predicts label vectors"):
            SCORERS[name](dummy(strategy), X, Y)
    with pytest.raises(NotFittedError):
        SCORERS[name](DummyZeroShotClassifier(TABLE), X, Y)


def test_the_mean_is_the_control_of_the_relative_loss():
    """Predicting the mean embedding, image unseen: its loss over that of the zero prediction."""
    held_out = np.repeat(["fly", "gnu"], 3)
    model = dummy("mean")
    mean = model.mean_vector_
    expected = [
        np.mean((mean - RAW[i]) ** 2) / np.mean(RAW[i] ** 2) - 1  # against the zero prediction
        for i in (4, 5)
    ]
    x = np.zeros((6, 3))
    predicted = np.tile(model.mean_vector_, (6, 1))
    _, losses = class_relative_losses(TABLE.embed(held_out), predicted, labels=held_out)
    np.testing.assert_allclose(losses, expected, rtol=1e-5)
    got = -SCORERS["neg_relative_loss"](model, x, held_out)
    assert got == pytest.approx(np.mean(expected), rel=1e-5)


def test_without_an_embedding_the_controls_are_chance():
    model = DummyZeroShotClassifier(strategy="constant").fit(X, Y)
    scores = model.decision_function(X)
    np.testing.assert_allclose(scores, 0.25)


@pytest.mark.parametrize("strategy", ["most_frequent", None, 1])
def test_unknown_strategies(strategy):
    with pytest.raises(ValueError, match="DummyZeroShotClassifier: strategy must be one of 'mean'"):
        dummy(strategy)
