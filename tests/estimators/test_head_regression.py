"""HeadRegressionClassifier: rows of a head for classes that it does not have."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn.base import clone

from zeroshot import (
    AttributeTable,
    HashEmbedding,
    HeadRegressionClassifier,
    SourceHead,
    WordNetSimilarity,
    load,
    save,
)
from zeroshot.estimators._class_regression import fit_class_regression
from zeroshot.estimators._head_regression import rows_of_head
from zeroshot.exceptions import UnknownLabelError

RNG = np.random.default_rng(0)
LABELS = ["ant", "bee", "cat", "dog", "elk", "fly", "gnu", "hen"]
VECTORS = RNG.normal(size=(8, 4)) + 1
TABLE = AttributeTable(VECTORS, LABELS)
MAP = RNG.normal(size=(4, 6))
HEAD = SourceHead(VECTORS[:6] @ MAP, RNG.normal(size=6), LABELS[:6])
X = RNG.normal(size=(20, 6))
ALPHAS = {"alpha": 0.1, "gamma": 0.5}


def model(labels=LABELS, kernels=TABLE, head=HEAD, **params):
    return HeadRegressionClassifier(head, kernels, candidates=labels, **{**ALPHAS, **params})


def test_other_classes_get_a_predicted_row_and_the_heads_own_keep_theirs():
    fitted = model().fit()
    np.testing.assert_allclose(fitted.class_vectors_[:6], HEAD.coef)
    np.testing.assert_allclose(fitted.intercept_[:6], HEAD.intercept)
    np.testing.assert_allclose(fitted.decision_function(X)[:, :6], HEAD.decision_function(X))
    rows = np.column_stack([HEAD.coef, HEAD.intercept])
    regression, _ = fit_class_regression(
        [TABLE], HEAD.labels, None, rows, gamma=0.5, alpha=0.1, weights="auto", owner="Test"
    )
    added = regression.predict(np.array(LABELS[6:]), owner="Test")
    length = np.linalg.norm(rows - rows.mean(axis=0), axis=1).mean()
    expected = rows.mean(axis=0) + added / np.linalg.norm(added, axis=1, keepdims=True) * length
    np.testing.assert_allclose(fitted.class_vectors_[6:], expected[:, :-1])
    np.testing.assert_allclose(fitted.intercept_[6:], expected[:, -1])


def test_what_descriptions_say_of_the_weights_is_found():
    """On rows that are a linear map of the descriptions, the class that was left out is close."""
    vectors = np.random.default_rng(1).normal(size=(40, 4))
    rows = vectors @ MAP
    names = [f"c{i:02d}" for i in range(40)]
    table = AttributeTable(vectors, names)
    head = SourceHead(rows[:30], np.zeros(30), names[:30])
    fitted = HeadRegressionClassifier(head, table, candidates=names[30:]).fit()
    cosines = (fitted.class_vectors_ * rows[30:]).sum(axis=1)
    cosines /= np.linalg.norm(fitted.class_vectors_, axis=1) * np.linalg.norm(rows[30:], axis=1)
    assert cosines.mean() > 0.8
    assert fitted.left_out_error_ < 0.6
    shuffled = AttributeTable(vectors[np.random.default_rng(2).permutation(40)], names)
    control = HeadRegressionClassifier(head, shuffled, candidates=names[30:]).fit()
    assert control.left_out_error_ > 0.9


def test_a_label_is_the_heads_by_spelling_by_synonym_or_by_synset():
    labels = ["tench, Tinca tinca", "crane", "Crane", "car wheel"]
    wnids = ["n01440764", "n02012849", "n03126707", "n02974003"]
    head = SourceHead(np.eye(4), np.zeros(4), labels, wnids)
    names = ["tench", "tinca_tinca", "crane", "CRANE", "n02974003", "wheel of a car", "lion"]
    assert rows_of_head(names, head) == [[0], [0], [1], [1, 2], [3], [], []]
    assert rows_of_head([3, 5], SourceHead(np.eye(2), np.zeros(2), [5, 7])) == [[], [0]]


def test_two_classes_of_one_name_share_the_label():
    head = SourceHead(np.eye(3)[:, :2] + 1, np.zeros(3), ["crane", "Crane", "dog"])
    fitted = model(["CRANE", "dog"], HashEmbedding(4), head).fit()
    np.testing.assert_allclose(fitted.class_vectors_[0], head.coef[:2].mean(axis=0))


def test_overrides_say_which_candidates_are_the_heads():
    fitted = model(["pet", "hen"], overrides={"pet": "cat"}, kernels=HashEmbedding(4)).fit()
    np.testing.assert_allclose(fitted.class_vectors_[1], HEAD.coef[2])


def test_sources_go_by_their_wnids_where_a_kernel_knows_synsets():
    """Both classes are called crane: only their wnids tell the bird from the machine."""
    names = ["crane", "crane ", "stork", "forklift"]
    wnids = ["n02012849", "n03126707", "n02002075", "n03384352"]
    head = SourceHead(np.eye(4), np.zeros(4), names, wnids)
    path = WordNetSimilarity("path", senses="nearest", on_missing="zero")
    fitted = model(["heron", "derrick"], path, head).fit()
    assert fitted.predict(np.eye(4)[:2]).tolist() == ["heron", "derrick"]


def test_images_are_looked_at_for_hubness_alone():
    plain = model().fit()
    np.testing.assert_array_equal(
        model().fit(X, None).decision_function(X), plain.decision_function(X)
    )
    for method in ("zscore", "csls"):
        with pytest.raises(ValueError, match=f"hubness='{method}' takes its statistics from image"):
            model(hubness=method).fit()
        fitted = model(hubness=method).fit(X)
        assert not np.allclose(fitted.decision_function(X), plain.decision_function(X))
    scores = model(hubness="zscore").fit(X).decision_function(X)
    np.testing.assert_allclose(scores.mean(axis=0), 0, atol=1e-9)
    np.testing.assert_allclose(scores.std(axis=0), 1)


def test_a_view_is_a_fit_on_other_names_and_the_scenario_holds_back_the_heads():
    fitted = model().fit()
    view = fitted.with_candidates(["hen", "cat"])
    expected = model(["hen", "cat"]).fit().decision_function(X)
    np.testing.assert_allclose(view.decision_function(X), expected)
    assert set(model(scenario="unseen").fit().predict(X)) <= {"gnu", "hen"}
    np.testing.assert_allclose(fitted.label_vectors(["hen"]), fitted.class_vectors_[-1:])


@pytest.mark.parametrize("kernels", [TABLE, [TABLE, HashEmbedding(4)], "words"])
def test_it_comes_back_from_a_file(tmp_path: Path, kernels) -> None:
    if kernels == "words":
        kernels = [WordNetSimilarity(on_missing="zero"), TABLE]
    fitted = model(kernels=kernels, alpha=[0.1, 1], hubness="csls").fit(X)
    save(fitted, tmp_path / "model")
    loaded = load(tmp_path / "model")
    np.testing.assert_array_equal(loaded.decision_function(X), fitted.decision_function(X))
    assert loaded.alpha_ == fitted.alpha_ and (loaded.weights_ == fitted.weights_).all()
    view = loaded.with_candidates(["hen", "gnu"])
    expected = fitted.with_candidates(["hen", "gnu"])
    np.testing.assert_array_equal(view.decision_function(X), expected.decision_function(X))
    assert clone(loaded).get_params()["gamma"] == 0.5


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"labels": ["okapi", "hen"]}, UnknownLabelError, "no description for 1 of 2 .*'okapi'"),
        (
            {"labels": ["qqxyzzy", "hen"], "kernels": WordNetSimilarity()},
            UnknownLabelError,
            "noun synset .*'qqxyzzy'",
        ),
        ({"head": SourceHead(np.eye(1), [0], ["cat"])}, ValueError, "there is 1 source class"),
        ({"head": SourceHead(np.eye(2), [0, 0], ["x1", "x2"])}, ValueError, "resolve to nothing"),
        ({"kernels": np.eye(8)}, TypeError, "matrix made beforehand"),
        ({"kernels": []}, ValueError, "kernels is empty"),
        ({"kernels": [TABLE], "weights": [1, 1]}, ValueError, "weights must be 1 numbers"),
        ({"weights": [0]}, ValueError, "positive sum"),
        ({"alpha": 0}, ValueError, "alpha must be"),
        ({"alpha": []}, ValueError, "alpha is empty"),
        ({"labels": "vocabulary", "kernels": WordNetSimilarity()}, ValueError, "has a vocabulary"),
    ],
)
def test_bad_input(changes, error, words):
    with pytest.raises(error, match=words):
        model(**changes).fit()
