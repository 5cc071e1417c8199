"""Corrections against hubs: formulas against loops, and nothing taken from the scored images."""

from __future__ import annotations

import numpy as np
import pytest

from zeroshot import (
    AttributeTable,
    ConSEClassifier,
    DeViSEClassifier,
    SAEClassifier,
    SourceHead,
)
from zeroshot.estimators import _hubness

LABELS = ["bat", "bee", "cat", "elk", "fly", "gnu", "hen"]
RNG = np.random.default_rng(0)
TABLE = AttributeTable(RNG.normal(size=(7, 3)) + 1, labels=LABELS)
CODES = RNG.permutation(np.repeat(np.arange(4), [3, 20, 8, 12]))
Y = np.array(LABELS)[CODES]
X = RNG.normal(size=(4, 5))[CODES] + 0.4 * RNG.normal(size=(43, 5))
NEW = RNG.normal(size=(6, 5))


def devise(hubness, **changes):
    return DeViSEClassifier(
        TABLE, loss="mse", alpha=0.1, candidates=LABELS, hubness=hubness, **changes
    )


def conse(hubness):
    return ConSEClassifier(None, TABLE, candidates=LABELS, hubness=hubness)


def over_classes(rows):
    """Return mean and deviation of columns, by the mean over classes of the mean over images."""
    mean = np.mean([rows[Y == name].mean(axis=0) for name in set(Y)], axis=0)
    squares = np.mean([((rows[Y == name] - mean) ** 2).mean(axis=0) for name in set(Y)], axis=0)
    return mean, np.sqrt(squares)


def unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.mark.parametrize("make", [devise, conse])
def test_zscore_is_what_standardising_the_training_scores_of_each_label_gives(make):
    model, plain = make("zscore").fit(X, Y), make(None).fit(X, Y)
    of_rows = plain.transform(X) @ plain.class_vectors_.T
    expected = plain.transform(NEW) @ plain.class_vectors_.T
    mean, deviation = over_classes(of_rows)
    expected = (expected - mean) / deviation
    np.testing.assert_allclose(model.decision_function(NEW), expected, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("make", [devise, conse])
@pytest.mark.parametrize("k", [2, 10])
def test_csls_against_a_loop(make, k, monkeypatch):
    monkeypatch.setattr(_hubness, "N_NEIGHBORS", k)
    model, plain = make("csls").fit(X, Y), make(None).fit(X, Y)
    images, rows, labels = (
        unit(plain.transform(NEW)),
        unit(plain.transform(X)),
        model.class_vectors_,
    )
    for i, image in enumerate(images):
        near_labels = sorted((image @ label for label in labels), reverse=True)[:k]
        for c, label in enumerate(labels):
            near_rows = sorted((row @ label for row in rows), reverse=True)[:k]
            expected = 2 * image @ label - np.mean(near_labels) - np.mean(near_rows)
            assert model.decision_function(NEW)[i, c] == pytest.approx(expected, abs=1e-10)


@pytest.mark.parametrize("hubness", ["zscore", "csls"])
def test_batches_of_rows_and_labels_change_nothing(hubness, monkeypatch):
    expected = devise(hubness).fit(X, Y).decision_function(NEW)
    monkeypatch.setattr(_hubness, "_BATCH", 5)
    monkeypatch.setattr(_hubness, "_MAX_ENTRIES", 90)  # two labels at a time
    got = devise(hubness).fit(X, Y).decision_function(NEW)
    np.testing.assert_allclose(got, expected, rtol=1e-9, atol=1e-12)


def test_csls_keeps_a_bounded_sample_that_is_the_same_each_time(monkeypatch):
    monkeypatch.setattr(_hubness, "MAX_SAMPLE", 20)
    first, second = devise("csls").fit(X, Y), devise("csls").fit(X, Y)
    assert first.hub_correction_.sample.shape == (20, 3)
    np.testing.assert_array_equal(first.hub_correction_.sample, second.hub_correction_.sample)


def test_zscore_keeps_a_mean_and_a_covariance_only():
    correction = devise("zscore", gamma=2.0).fit(X, Y).hub_correction_
    assert (correction.mean.shape, correction.covariance.shape) == ((4,), (4, 4))


@pytest.mark.parametrize("hubness", ["zscore", "csls"])
def test_a_hub_loses_images_that_are_not_its_own(hubness):
    """Without centring, the label nearest to the mean of all projections is near to everything."""
    rng = np.random.default_rng(1)
    vectors = rng.normal(size=(30, 8)) + 2
    vectors[0] = vectors[1:].mean(axis=0)
    table = AttributeTable(vectors, labels=range(30))
    y = np.repeat(np.arange(1, 30), 8)
    x = (vectors[y] @ rng.normal(size=(8, 8))) + 4 * rng.normal(size=(len(y), 8))
    model = DeViSEClassifier(table, loss="mse", alpha=30, center=False, candidates=range(30))
    won = (model.fit(x, y).predict(x) == 0).mean()
    accuracy = model.score(x, y)
    model.set_params(hubness=hubness).fit(x, y)
    assert won > 0.4 and (model.predict(x) == 0).mean() < 0.7 * won
    assert model.score(x, y) > accuracy + 0.03


@pytest.mark.parametrize("hubness", ["zscore", "csls"])
def test_a_label_at_the_mean_scores_without_a_division_by_zero(hubness):
    table = AttributeTable([[0, 1], [2, 1], [1, 1]], labels=["a", "b", "mid"])
    model = DeViSEClassifier(table, loss="mse", candidates=["a", "b", "mid"], hubness=hubness)
    with pytest.warns(UserWarning, match=r"\['mid'\] lie at the mean"):
        model.fit([[0.0], [1.0], [0.1], [0.9]], ["a", "b", "a", "b"])
    scores = model.decision_function([[0.2], [0.8]])
    assert np.isfinite(scores).all()
    assert model.predict([[-3.0], [4.0]]).tolist() == ["a", "b"]


def test_fitting_again_without_it_forgets_it():
    model = devise("zscore").fit(X, Y).set_params(hubness=None).fit(X, Y)
    np.testing.assert_array_equal(
        model.decision_function(NEW), devise(None).fit(X, Y).decision_function(NEW)
    )


@pytest.mark.parametrize("wrong", ["z-score", "CSLS", True, 1])
def test_unknown_corrections(wrong):
    with pytest.raises(ValueError, match="DeViSEClassifier: hubness must be one of 'zscore', 'csl"):
        devise(wrong).fit(X, Y)


@pytest.mark.parametrize("hubness", ["zscore", "csls"])
def test_a_head_that_sees_no_image_has_no_statistics(hubness):
    head = SourceHead(np.eye(3), np.zeros(3), LABELS[:3])
    model = ConSEClassifier(head, TABLE, hubness=hubness)
    with pytest.raises(
        ValueError, match="ConSEClassifier: hubness=.*fitted without any.*hubness=N"
    ):
        model.fit(X, Y)


@pytest.mark.parametrize("hubness", ["zscore", "csls"])
def test_the_autoencoder_is_corrected_where_it_encodes(hubness):
    model = SAEClassifier(TABLE, candidates=LABELS, hubness=hubness).fit(X, Y)
    scores = model.transform(NEW) @ model.class_vectors_.T
    training = model.transform(X) @ model.class_vectors_.T
    if hubness == "zscore":
        mean, deviation = over_classes(training)
        expected = (scores - mean) / deviation
        np.testing.assert_allclose(model.decision_function(NEW), expected, rtol=1e-9)
    plain = SAEClassifier(TABLE, candidates=LABELS).fit(X, Y)
    assert not np.allclose(model.decision_function(NEW), plain.decision_function(NEW))
    with pytest.raises(ValueError, match=f"SAEClassifier: hubness='{hubness}' corrects products"):
        SAEClassifier(TABLE, hubness=hubness, direction="decode").fit(X, Y)


@pytest.mark.case
def test_more_images_of_one_class_do_not_lower_its_label():
    """Each class counts once: copies of a class's images leave the statistics as they were."""
    model = devise(None).fit(X, Y)
    many = np.concatenate([np.arange(len(X)), np.tile(np.flatnonzero(Y == Y[0]), 40)])
    once = _hubness.fit_correction("zscore", X, Y, model._project)
    copied = _hubness.fit_correction("zscore", X[many], Y[many], model._project)
    assert len(many) > 3 * len(X)
    np.testing.assert_allclose(copied.mean, once.mean, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(copied.covariance, once.covariance, rtol=1e-9, atol=1e-12)
