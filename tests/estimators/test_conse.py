"""ConSEClassifier: the convex combination against a loop, and labels from a head alone."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from zeroshot import AttributeTable, ConSEClassifier, HashEmbedding, SourceHead
from zeroshot.estimators._conse import keep_largest
from zeroshot.exceptions import UnknownLabelError

LABELS = ["bat", "bee", "cat", "elk", "fly", "gnu", "hen"]
SEEN = LABELS[:5]
TABLE = AttributeTable(np.random.default_rng(0).normal(size=(7, 3)) + 0.5, labels=LABELS)
CODES = np.random.default_rng(1).permutation(np.repeat(np.arange(5), [4, 20, 9, 7, 5]))
Y = np.array(SEEN)[CODES]
X = np.random.default_rng(2).normal(size=(5, 6))[CODES]
X = X + 0.8 * np.random.default_rng(3).normal(size=X.shape)


def naive(probabilities, vectors, n_top):
    """f(x) = (1/Z) sum over the n_top best guesses of p s, Z the sum of their p."""
    out = []
    for row in probabilities:
        best = sorted(range(len(row)), key=lambda t: -row[t])[:n_top]
        total = sum(row[t] for t in best)
        out.append(sum(row[t] * vectors[t] for t in best) / total)
    return np.array(out)


def unit_vectors(labels, seen):
    raw = {name: TABLE.embed([name])[0].astype(float) for name in set(labels) | set(seen)}
    offset = sum(raw[name] for name in set(seen)) / len(set(seen))
    return np.array([(raw[n] - offset) / np.linalg.norm(raw[n] - offset) for n in labels])


@pytest.mark.parametrize("n_top", [1, 2, 3, 5, 10])
def test_it_is_the_convex_combination_of_the_best_guesses(n_top):
    model = ConSEClassifier(None, TABLE, n_top=n_top, candidates=LABELS).fit(X, Y)
    source = LogisticRegression(max_iter=1000).fit(X, Y)
    expected = naive(source.predict_proba(X), unit_vectors(SEEN, SEEN), n_top)
    np.testing.assert_allclose(model.transform(X), expected, rtol=1e-9, atol=1e-12)
    scores = expected @ unit_vectors(LABELS, SEEN).T
    np.testing.assert_allclose(model.decision_function(X), scores, rtol=1e-9, atol=1e-12)


def test_one_guess_is_the_classifier_itself():
    model = ConSEClassifier(None, TABLE, n_top=1).fit(X, Y)
    source = LogisticRegression(max_iter=1000).fit(X, Y)
    np.testing.assert_array_equal(model.predict(X), source.predict(X))


@pytest.mark.parametrize("n", [1, 2, 4, 9])
def test_keep_largest(n):
    rows = np.random.default_rng(0).permuted(np.tile(np.arange(1.0, 6), (20, 1)), axis=1)
    given = rows.copy()
    kept = keep_largest(rows, n)
    expected = np.where(rows > 5 - n, rows, 0)
    np.testing.assert_array_equal(kept, expected)
    np.testing.assert_array_equal(rows, given)


def test_ties_keep_exactly_n():
    assert (keep_largest(np.full((3, 6), 0.5), 2) > 0).sum(axis=1).tolist() == [2, 2, 2]


@pytest.mark.parametrize(
    "classifier",
    [
        KNeighborsClassifier(3),
        make_pipeline(StandardScaler(), LogisticRegression()),
        GridSearchCV(LogisticRegression(), {"C": [0.1, 1.0]}, cv=2),
    ],
    ids=lambda classifier: type(classifier).__name__,
)
def test_any_classifier_with_probabilities(classifier):
    model = ConSEClassifier(classifier, TABLE, candidates=LABELS).fit(X, Y)
    assert model.source_ is not classifier  # it is cloned, and the parameter left unfitted
    with pytest.raises((NotFittedError, AttributeError)):
        classifier.predict(X)
    expected = naive(model.source_.predict_proba(X), unit_vectors(SEEN, SEEN), 10)
    np.testing.assert_allclose(model.transform(X), expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    "classifier", [RidgeClassifier(), LinearSVC(), LogisticRegression, "logistic", HashEmbedding()]
)
def test_a_classifier_without_probabilities_raises_in_fit(classifier):
    with pytest.raises(TypeError, match="classifier must have predict_proba.*CalibratedClassif"):
        ConSEClassifier(classifier, TABLE).fit(X, Y)


@pytest.mark.parametrize("n_top", [0, 2.5, None, "all"])
def test_bad_n_top(n_top):
    with pytest.raises(ValueError, match="ConSEClassifier: n_top must be an integer of at least 1"):
        ConSEClassifier(None, TABLE, n_top=n_top).fit(X, Y)


# From a head alone -----------------------------------------------------------------------------

# Two classes share a name, as ImageNet's two cranes do; two have no vector.
HEAD_LABELS = ["hen", "okapi", "bat", "elk", "bat", "quoll"]
RNG = np.random.default_rng(5)
HEAD = SourceHead(RNG.normal(size=(6, 4)), RNG.normal(size=6), HEAD_LABELS)
ROWS = RNG.normal(size=(30, 4))


@pytest.mark.parametrize("n_top", [1, 2, 3, 10])
def test_a_head_needs_no_training_image(n_top):
    """Labels without a vector are skipped, and do not add their mass to Z."""
    model = ConSEClassifier(HEAD, TABLE, n_top=n_top, candidates=LABELS).fit()
    columns = [0, 2, 3, 4]
    covered = [HEAD_LABELS[column] for column in columns]
    assert model.source_columns_.tolist() == columns
    assert model.seen_classes_.tolist() == ["bat", "elk", "hen"]
    expected = naive(HEAD.predict_proba(ROWS)[:, columns], unit_vectors(covered, covered), n_top)
    np.testing.assert_allclose(model.transform(ROWS), expected, rtol=1e-9, atol=1e-12)
    scores = expected @ unit_vectors(LABELS, covered).T
    np.testing.assert_allclose(model.decision_function(ROWS), scores, rtol=1e-8, atol=1e-12)


def test_a_head_ignores_what_fit_is_given():
    first = ConSEClassifier(HEAD, TABLE, candidates=LABELS).fit()
    second = ConSEClassifier(HEAD, TABLE, candidates=LABELS).fit(X, Y)
    np.testing.assert_array_equal(first.transform(ROWS), second.transform(ROWS))
    assert first.source_ is HEAD and first.n_features_in_ == 4


def test_an_unseen_label_is_named_from_a_head_alone():
    traits = AttributeTable(
        [[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0]], labels=["horse", "stripes", "fish", "zebra"]
    )
    head = SourceHead(10 * np.eye(3), np.zeros(3), ["horse", "stripes", "fish"])
    model = ConSEClassifier(head, traits, candidates=["zebra", "fish"]).fit()
    assert model.predict([[1.0, 1.0, 0.0], [0.0, 0.0, 1.0]]).tolist() == ["zebra", "fish"]
    assert model.unseen_classes_.tolist() == ["zebra"]


def test_a_head_without_an_embedding_says_what_to_pass():
    with pytest.raises(ValueError, match=r"SourceHead needs a label_embedding.*WordVectors\(\)"):
        ConSEClassifier(HEAD).fit()


def test_a_head_none_of_whose_labels_has_a_vector_names_them():
    head = SourceHead(np.eye(2), np.zeros(2), ["okapi", "quoll"])
    with pytest.raises(UnknownLabelError, match=r"2 of 2 labels \('okapi', 'quoll'\)"):
        ConSEClassifier(head, TABLE, candidates=LABELS).fit()


def test_candidates_of_a_head_without_a_vector_are_named():
    with pytest.raises(UnknownLabelError, match=r"\('unicorn'\)"):
        ConSEClassifier(HEAD, TABLE, candidates=["bat", "unicorn"]).fit()


def test_candidates_of_another_kind_than_the_heads_labels_raise():
    with pytest.raises(ValueError, match="ConSEClassifier: candidates and y must be of one type"):
        ConSEClassifier(HEAD, TABLE, candidates=[1, 2]).fit()


def test_features_of_another_network_raise_with_both_numbers():
    model = ConSEClassifier(HEAD, TABLE, candidates=LABELS).fit()
    with pytest.raises(ValueError, match="6 features, but ConSEClassifier is expecting 4"):
        model.predict(X)


def test_without_a_head_fit_needs_data():
    with pytest.raises(ValueError, match="requires y to be passed"):
        ConSEClassifier(None, TABLE).fit()


# Classifiers that are fitted already -------------------------------------------------------------


@pytest.mark.parametrize("known", [["bat", "bee", "cat"], ["elk", "fly"], SEEN])
@pytest.mark.parametrize("seen", [["bat", "bee"], ["elk", "fly"], SEEN])
def test_a_frozen_classifier_keeps_its_own_classes(known, seen):
    its_own, ours = np.isin(Y, known), np.isin(Y, seen)
    source = LogisticRegression(max_iter=1000).fit(X[its_own], Y[its_own])
    model = ConSEClassifier(FrozenEstimator(source), TABLE, candidates=LABELS)
    model.fit(X[ours], Y[ours])
    expected = naive(source.predict_proba(X), unit_vectors(known, seen), 10)
    np.testing.assert_allclose(model.transform(X), expected, rtol=1e-9, atol=1e-12)
    assert model.seen_classes_.tolist() == seen
    assert model.unseen_classes_.tolist() == sorted(set(LABELS) - set(seen))


def test_classes_of_a_frozen_classifier_without_a_vector_are_left_out():
    source = LogisticRegression(max_iter=1000).fit(X, Y)
    some = AttributeTable(TABLE.vectors[:4], labels=LABELS[:4])
    rows = np.isin(Y, LABELS[:3])
    model = ConSEClassifier(FrozenEstimator(source), some).fit(X[rows], Y[rows])
    assert model.source_columns_.tolist() == [0, 1, 2, 3]


def test_a_frozen_classifier_of_other_classes_needs_label_vectors():
    rows = np.isin(Y, ["bat", "bee"])
    source = FrozenEstimator(LogisticRegression().fit(X[rows], Y[rows]))
    words = r"classifier is fitted to \['bat', 'bee'\], of which label_embedding=None .* y has \['c"
    with pytest.raises(ValueError, match=f"ConSEClassifier: {words}"):
        ConSEClassifier(source).fit(X[~rows], Y[~rows])
    with pytest.raises(ValueError, match="classes_ of classifier and y must be of one type"):
        ConSEClassifier(source).fit(X, CODES)


def test_the_default_classifier_needs_two_classes():
    words = "y holds one class only, cat, and logistic regression.* a SourceHead, or a Frozen"
    with pytest.raises(ValueError, match=f"ConSEClassifier: {words}"):
        ConSEClassifier(None, TABLE, candidates=LABELS).fit(X[Y == "cat"], Y[Y == "cat"])
