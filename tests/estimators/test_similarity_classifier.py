"""SimilarityClassifier: the formula against a loop, heads and classifiers, and bad input."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import zeroshot
from zeroshot import (
    AttributeTable,
    HashEmbedding,
    MixtureSimilarity,
    SimilarityClassifier,
    SourceHead,
    WordNetSimilarity,
    WordVectorSimilarity,
)
from zeroshot.exceptions import LabelWarning, UnknownLabelError

LABELS = ["bat", "bee", "cat", "elk", "fly", "gnu", "hen"]
SEEN = LABELS[:5]
TABLE = AttributeTable(np.random.default_rng(0).normal(size=(7, 3)) + 0.5, labels=LABELS)
COSINE = WordVectorSimilarity(TABLE)
RNG = np.random.default_rng(1)
CODES = RNG.permutation(np.repeat(np.arange(5), 8))
Y = np.array(SEEN)[CODES]
X = RNG.normal(size=(5, 6))[CODES] + 0.8 * RNG.normal(size=(40, 6))
HEAD = SourceHead(RNG.normal(size=(5, 4)), RNG.normal(size=5), ["hen", "bat", "elk", "bat", "cat"])
ROWS = RNG.normal(size=(30, 4))


def naive(
    probabilities: np.ndarray, similarities: np.ndarray, temperature: float
) -> list[list[float]]:
    """Return the sum over sources of p z, with z the standardised similarities of each class."""
    rows = []
    for given in probabilities:
        p = [value ** (1 / temperature) for value in given]
        p = [value / sum(p) for value in p]
        row = []
        for of_class in similarities:
            mean = sum(of_class) / len(of_class)
            deviation = (sum((s - mean) ** 2 for s in of_class) / len(of_class)) ** 0.5
            row.append(sum(a * (s - mean) / deviation for a, s in zip(p, of_class, strict=True)))
        rows.append(row)
    return rows


@pytest.mark.parametrize("temperature", [1, 2.0, 0.5])
def test_it_is_the_sum_of_standardised_similarities(temperature: float) -> None:
    model = SimilarityClassifier(
        None, COSINE, source_temperature=temperature, candidates=LABELS
    ).fit(X, Y)
    source = LogisticRegression(max_iter=1000).fit(X, Y)
    similarities = COSINE.matrix(LABELS, SEEN)
    assert (similarities < 0).any()  # negative ones are kept
    expected = naive(source.predict_proba(X), similarities, temperature)
    np.testing.assert_allclose(model.decision_function(X), expected, rtol=1e-9, atol=1e-12)
    np.testing.assert_array_equal(model.label_vectors(["gnu"]), COSINE.matrix(["gnu"], SEEN))
    assert model.unseen_classes_.tolist() == ["gnu", "hen"]


def test_a_head_needs_no_training_image_and_may_repeat_a_name() -> None:
    model = SimilarityClassifier(HEAD, COSINE, candidates=LABELS).fit()
    similarities = COSINE.matrix(LABELS, HEAD.labels)
    expected = naive(HEAD.predict_proba(ROWS), similarities, 2.0)
    np.testing.assert_allclose(model.decision_function(ROWS), expected, rtol=1e-9, atol=1e-12)
    assert model.seen_classes_.tolist() == ["bat", "cat", "elk", "hen"]
    assert model.source_ is HEAD


def test_the_taxonomy_goes_by_wnids_and_everything_else_by_labels() -> None:
    """Two of ImageNet's classes are called "crane": a machine and a bird."""
    wnids = ["n03126707", "n02012849", "n02084071"]
    head = SourceHead(np.eye(3), np.zeros(3), ["crane", "crane", "dog"], wnids)
    model = SimilarityClassifier(head, WordNetSimilarity("path"), candidates=["heron", "cat"])
    expected = WordNetSimilarity("path").matrix(["heron", "cat"], wnids)
    np.testing.assert_array_equal(model.fit().label_vectors(["heron", "cat"]), expected)
    table = AttributeTable([[1, 0], [0, 1], [1, 2]], labels=["crane", "dog", "heron"])
    words = WordVectorSimilarity(table)
    model = SimilarityClassifier(head, words, candidates=["heron"]).fit()
    np.testing.assert_allclose(
        model.label_vectors(["heron"]), words.matrix(["heron"], ["crane", "crane", "dog"])
    )


def test_what_one_part_of_a_mixture_does_not_know_the_other_says() -> None:
    table = AttributeTable([[1, 0], [0, 1], [0.2, 1]], ["cat", "oboe", "zqoboe"])
    words = WordVectorSimilarity(table, on_missing="zero")
    path = WordNetSimilarity("path", senses="nearest", on_missing="zero")
    head = SourceHead(5 * np.eye(3), np.zeros(3), ["cat", "oboe", "truck"])
    mixture = MixtureSimilarity([(path, 1), (words, 1)], scale="zscore")
    model = SimilarityClassifier(head, mixture, candidates=["lion", "zqoboe"]).fit()
    assert model.predict(np.eye(3)[:2]).tolist() == ["lion", "zqoboe"]
    # Known to one part or to both: the scores are on one scale.
    np.testing.assert_allclose(model.class_vectors_.std(axis=1), 1)
    with pytest.raises(UnknownLabelError, match=r"tells the classifier's .* 1 of 2 .*'qqxyzzy'"):
        model.with_candidates(["lion", "qqxyzzy"])


def test_without_a_similarity_it_is_the_classifier_itself() -> None:
    model = SimilarityClassifier(LogisticRegression(C=9)).fit(X, Y)
    np.testing.assert_array_equal(model.predict(X), LogisticRegression(C=9).fit(X, Y).predict(X))
    with pytest.raises(UnknownLabelError, match="'gnu'"):
        model.with_candidates(["gnu", "cat"])


def test_one_and_two_seen_classes() -> None:
    rows = np.isin(Y, ["bat", "bee"])
    model = SimilarityClassifier(None, COSINE, candidates=["bat", "bee", "cat"])
    assert model.fit(X[rows], Y[rows]).score(X[rows], Y[rows]) > 0.8
    # With two seen classes the score of a third one stays graded.
    assert len(np.unique(model.decision_function(X).round(9))) > 20
    one = clone(model).set_params(classifier=KNeighborsClassifier(1)).fit(X[:1], ["bat"])
    np.testing.assert_array_equal(one.class_vectors_, one.label_vectors(one.classes_))
    assert one.predict(X[:1]).tolist() == ["bat"]


def test_integer_labels() -> None:
    vectors = WordVectorSimilarity(HashEmbedding(6))
    model = SimilarityClassifier(None, vectors, candidates=[0, 1, 2, 3, 4, 9]).fit(X, CODES)
    assert model.score(X, CODES) > 0.8
    assert model.unseen_classes_.tolist() == [9]


def test_in_a_grid_and_with_pandas() -> None:
    grid = {"source_temperature": [1.0, 2.0], "similarity__on_missing": ["raise", "zero"]}
    model = SimilarityClassifier(None, COSINE, candidates=LABELS)
    search = GridSearchCV(model, grid, cv=2).fit(X, Y)
    assert search.best_score_ > 0.5
    frame = model.set_output(transform="pandas").fit(X, Y).transform(X)
    assert isinstance(frame, pd.DataFrame)
    assert frame.shape == (40, 5)


def test_labels_alike_are_named() -> None:
    # Two wnids of one synset: "dog" and "domestic dog" stand in one place.
    with pytest.warns(LabelWarning, match=r"cannot be told apart: \[\['dog', 'domestic dog'\]\]"):
        SimilarityClassifier(
            SourceHead(np.eye(3), np.zeros(3), ["cat", "oboe", "truck"]),
            WordNetSimilarity("path"),
            candidates=["dog", "domestic dog", "owl"],
        ).fit()


def test_what_was_fitted_is_not_changed_by_parameters_set_later() -> None:
    model = SimilarityClassifier(None, COSINE, candidates=LABELS).fit(X, Y)
    model.set_params(similarity=None)
    assert model.with_candidates(["gnu", "hen"]).classes_.tolist() == ["gnu", "hen"]


@pytest.mark.parametrize(
    ("params", "error", "message"),
    [
        ({"source_temperature": 0}, ValueError, "source_temperature must be a number above 0"),
        ({"temperature": -1}, ValueError, "SimilarityClassifier: temperature must be a number"),
        ({"scenario": "seen"}, ValueError, "scenario must be one of"),
        ({"classifier": RidgeClassifier()}, TypeError, "classifier must have predict_proba"),
        ({"similarity": "wordnet"}, TypeError, r"must have matrix\(targets, sources\)"),
        ({"similarity": np.eye(5)}, TypeError, "would not fit other candidates"),
        ({"similarity": WordNetSimilarity}, TypeError, r"must have matrix\(targets, sources\)"),
        ({"candidates": []}, ValueError, "candidates is empty"),
        ({"candidates": ["cat", "cat"]}, ValueError, "more than once"),
        ({"candidates": [1, 2]}, ValueError, "candidates"),
        ({"candidates": ["cat", "okapi"]}, UnknownLabelError, "'okapi'"),
    ],
)
def test_bad_parameters(params: dict[str, Any], error: type[Exception], message: str) -> None:
    model = SimilarityClassifier(None, COSINE, candidates=LABELS).set_params(**params)
    with pytest.raises(error, match=message):
        model.fit(X, Y)


def test_everything_that_can_be_similar_is_saved(tmp_path: Any) -> None:
    path = WordNetSimilarity("path", senses="nearest", on_missing="zero", overrides={"gnu": "gnu"})
    mixture = MixtureSimilarity([(path, 1), (COSINE, 0.5)], scale="zscore")
    model = SimilarityClassifier(HEAD, mixture, candidates=LABELS[2:]).fit()
    zeroshot.save(model, tmp_path / "model")
    loaded = zeroshot.load(tmp_path / "model")
    assert loaded.similarity is loaded.similarity_
    np.testing.assert_array_equal(loaded.decision_function(ROWS), model.decision_function(ROWS))
    for labels in (LABELS, ["fly", "gnu"]):
        np.testing.assert_array_equal(
            loaded.with_candidates(labels).decision_function(ROWS),
            model.with_candidates(labels).decision_function(ROWS),
        )


# Classifiers that are fitted already -------------------------------------------------------------


@pytest.mark.parametrize("known", [["bat", "bee", "cat"], SEEN])
@pytest.mark.parametrize("seen", [["bat", "bee"], ["elk", "fly"], SEEN])
def test_a_frozen_classifier_keeps_its_own_classes(known: list[str], seen: list[str]) -> None:
    its_own, ours = np.isin(Y, known), np.isin(Y, seen)
    source = LogisticRegression(max_iter=1000).fit(X[its_own], Y[its_own])
    model = SimilarityClassifier(FrozenEstimator(source), COSINE, candidates=LABELS)
    model.fit(X[ours], Y[ours])
    expected = naive(source.predict_proba(X), COSINE.matrix(LABELS, known), 2.0)
    np.testing.assert_allclose(model.decision_function(X), expected, rtol=1e-9, atol=1e-12)
    view = model.with_candidates(LABELS[2:])
    np.testing.assert_allclose(view.decision_function(X), np.array(expected)[:, 2:], atol=1e-12)
    assert model.seen_classes_.tolist() == seen


def test_a_frozen_classifier_without_a_similarity_names_its_own_classes_only() -> None:
    rows = np.isin(Y, ["bat", "bee", "cat"])
    source = FrozenEstimator(LogisticRegression().fit(X[rows], Y[rows]))
    with pytest.raises(UnknownLabelError, match="classifier's classes apart for 2 of 2 labels"):
        SimilarityClassifier(source).fit(X[~rows], Y[~rows])
    model = SimilarityClassifier(source, candidates=["bat", "cat"]).fit(X[~rows], Y[~rows])
    np.testing.assert_array_equal(
        model.with_candidates(["bat", "bee", "cat"]).predict(X), source.predict(X)
    )


def test_a_frozen_classifier_that_is_not_fitted() -> None:
    with pytest.raises(NotFittedError):
        SimilarityClassifier(FrozenEstimator(LogisticRegression())).fit(X, Y)


def test_a_classifier_with_other_classes_than_y_is_refused() -> None:
    rows = np.isin(Y, ["bat", "bee"])
    frozen = FrozenEstimator(LogisticRegression().fit(X[rows], Y[rows]))
    words = r"classifier has the classes \['bat', 'bee'\] after fit, and y has \['cat'"
    with pytest.raises(ValueError, match=f"{words}.* pass FrozenEstimator"):
        SimilarityClassifier(make_pipeline(StandardScaler(), frozen)).fit(X[~rows], Y[~rows])


def test_the_default_classifier_needs_two_classes() -> None:
    words = "y holds one class only, cat, and logistic regression.* a SourceHead, or a Frozen"
    with pytest.raises(ValueError, match=f"SimilarityClassifier: {words}"):
        SimilarityClassifier(None, COSINE, candidates=LABELS).fit(X[Y == "cat"], Y[Y == "cat"])
