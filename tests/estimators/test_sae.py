"""SAEClassifier: its Sylvester equation, both directions, and what it makes of awkward input."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.linalg import solve_sylvester
from sklearn.metrics.pairwise import cosine_similarity

from zeroshot import AttributeTable, SAEClassifier
from zeroshot.exceptions import LabelWarning

LABELS = ["bat", "bee", "cat", "elk", "fly", "gnu"]
SEEN = LABELS[:4]
VECTORS = np.random.default_rng(0).normal(size=(6, 3)) + 1
TABLE = AttributeTable(VECTORS, labels=LABELS)
CODES = np.random.default_rng(1).permutation(np.repeat(np.arange(4), [4, 20, 9, 7]))
Y = np.array(SEEN)[CODES]
X = VECTORS[CODES] @ np.random.default_rng(2).normal(size=(3, 5))
X += 0.2 * np.random.default_rng(3).normal(size=X.shape) + 2
WIDE = np.random.default_rng(4).normal(size=(len(Y), 60)) + 1  # more features than rows


def naive(X, S, weight):
    """A W + W B = C of the paper, samples as columns: X is d x n, S is k x n."""
    return solve_sylvester(S @ S.T, weight * X @ X.T, (1 + weight) * S @ X.T)


def fitted(table=TABLE, X=X, y=Y, **changes):
    return SAEClassifier(table, **changes).fit(X, y)


@pytest.mark.parametrize("weight", [0.05, 1.0, 30.0])
@pytest.mark.parametrize("n_dims", [2, 3], ids=["few dims", "dims = classes - 1"])
def test_the_published_equation(weight, n_dims):
    table = AttributeTable(VECTORS[:, :n_dims], labels=LABELS)
    clf = fitted(table, encoder_weight=weight, center_features=False)
    W = naive(X.T, clf.class_vectors_[CODES].T, weight)
    np.testing.assert_allclose(clf.coef_, W.T, rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(clf.transform(X), (W @ X.T).T, rtol=1e-8, atol=1e-9)


def test_centred_features_are_the_equation_about_their_mean():
    clf = fitted(encoder_weight=0.3)
    Z = X - X.mean(axis=0)
    W = naive(Z.T, clf.class_vectors_[CODES].T, 0.3)
    np.testing.assert_allclose(clf.transform(X), Z @ W.T, rtol=1e-8, atol=1e-9)


def test_it_minimises_what_it_says():
    """The objective's gradient is zero: X less its decoding, and lambda times the code's error."""
    clf = fitted(encoder_weight=0.3, center_features=False)
    W, S, Xt = clf.coef_.T, clf.class_vectors_[CODES].T, X.T
    gradient = -S @ (Xt - W.T @ S).T + 0.3 * (W @ Xt - S) @ Xt.T
    np.testing.assert_allclose(gradient, 0, atol=1e-8 * np.abs(S @ Xt.T).max())


@pytest.mark.parametrize("center_features", [True, False])
@pytest.mark.parametrize(
    ("features", "n_dims"), [(X, 9), (WIDE, 3), (WIDE, 9)], ids=["A", "B", "both"]
)
def test_singular_matrices_on_either_side(features, n_dims, center_features):
    """More dimensions than classes, more features than rows: no unique solution of the equation.

    The shortest one is the limit of adding a vanishing penalty to both sides.
    """
    table = AttributeTable(np.random.default_rng(5).normal(size=(6, n_dims)), labels=LABELS)
    clf = fitted(table, X=features, encoder_weight=2.0, center_features=center_features)
    Z = (features - features.mean(axis=0) * center_features).T
    S = clf.class_vectors_[CODES].T
    A, B, C = S @ S.T, 2.0 * Z @ Z.T, 3.0 * S @ Z.T
    W = clf.coef_.T
    np.testing.assert_allclose(A @ W + W @ B, C, rtol=1e-7, atol=1e-9 * np.abs(C).max())
    nudged = solve_sylvester(A + 1e-7 * np.eye(len(A)), B + 1e-7 * np.eye(len(B)), C)
    np.testing.assert_allclose(W, nudged, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("center_features", [True, False])
def test_directions_are_cosines_in_either_space(center_features):
    """Scores lack the length of the image in the encoder's space, which changes no order."""
    Z = X - X.mean(axis=0) * center_features
    shared = {"candidates": LABELS, "center_features": center_features}
    encode, decode = fitted(**shared), fitted(direction="decode", **shared)
    S, W = encode.class_vectors_, encode.coef_.T
    np.testing.assert_array_equal(decode.coef_, encode.coef_)
    codes = Z @ W.T
    expected = cosine_similarity(codes, S) * np.linalg.norm(codes, axis=1, keepdims=True)
    np.testing.assert_allclose(encode.decision_function(X), expected, rtol=1e-8, atol=1e-10)
    expected = cosine_similarity(Z, S @ W) * np.linalg.norm(Z, axis=1, keepdims=True)
    np.testing.assert_allclose(decode.decision_function(X), expected, rtol=1e-8, atol=1e-10)
    np.testing.assert_array_equal(decode.transform(X), encode.transform(X))


def test_directions_may_disagree():
    rng = np.random.default_rng(7)
    noise = rng.normal(size=(200, 5))
    encode, decode = (
        fitted(direction=direction, candidates=LABELS).predict(noise)
        for direction in ("encode", "decode")
    )
    assert 0 < np.mean(encode != decode) < 0.9


@pytest.mark.parametrize("direction", ["encode", "decode"])
def test_unseen_labels_are_recognised(direction):
    rng = np.random.default_rng(6)
    table = AttributeTable(rng.normal(size=(30, 4)), labels=range(30))
    codes = np.repeat(np.arange(25), 8)
    to_features = rng.normal(size=(4, 12))
    images = table.vectors[codes] @ to_features + 0.1 * rng.normal(size=(200, 12))
    clf = SAEClassifier(table, candidates=range(30), scenario="unseen", direction=direction)
    new = table.vectors[25:] @ to_features
    assert clf.fit(images, codes).predict(new).tolist() == [25, 26, 27, 28, 29]
    assert clf.with_candidates([25, 29]).predict(new[:1]).tolist() == [25]


# Awkward input ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"encoder_weight": 0}, "encoder_weight must be a number above 0, got 0"),
        ({"encoder_weight": -0.1}, "encoder_weight must be a number above 0, got -0.1"),
        ({"encoder_weight": np.nan}, "encoder_weight must be a number above 0, got nan"),
        ({"encoder_weight": None}, "encoder_weight must be a number above 0, got None"),
        ({"direction": "both"}, "direction must be one of 'encode', 'decode', got 'both'"),
        ({"center_features": 1}, "center_features must be True or False, got 1"),
    ],
)
def test_options_that_are_none(changes, words):
    with pytest.raises(ValueError, match=f"SAEClassifier: {words}"):
        fitted(**changes)


@pytest.mark.parametrize("direction", ["encode", "decode"])
def test_one_class(direction):
    rows = Y == "cat"
    with pytest.warns(LabelWarning, match="SAEClassifier: all samples are of cat"):
        clf = fitted(X=X[rows], y=Y[rows], candidates=LABELS, direction=direction)
    assert not clf.decision_function(X).any()


@pytest.mark.parametrize("features", [X, WIDE], ids=["tall", "wide"])
@pytest.mark.parametrize("direction", ["encode", "decode"])
def test_nothing_to_learn_from(direction, features):
    constant = fitted(X=np.full((len(Y), 3), 1e8), direction=direction, candidates=LABELS)
    assert not constant.decision_function(np.full((2, 3), 1e8)).any()
    table = AttributeTable([[0.0, 0.0], [1.0, 0.0]], labels=["a", "z"])
    with (
        pytest.warns(LabelWarning, match=r"vectors of \['a'\] lie at the mean"),
        pytest.warns(LabelWarning, match="all samples are of a"),
    ):
        clf = SAEClassifier(table, candidates=["a", "z"], direction=direction)
        clf.fit(features, ["a"] * len(X))
    assert not clf.coef_.any() and not clf.decision_function(features).any()


@pytest.mark.parametrize("direction", ["encode", "decode"])
def test_duplicate_label_vectors_are_reported_and_tie(direction):
    table = AttributeTable([*VECTORS[:5], VECTORS[4]], labels=LABELS)
    with pytest.warns(LabelWarning, match=r"share one vector.*\[\['fly', 'gnu'\]\]"):
        clf = fitted(table, candidates=LABELS, direction=direction)
    scores = clf.decision_function(X)
    np.testing.assert_array_equal(scores[:, 4], scores[:, 5])


@pytest.mark.parametrize("direction", ["encode", "decode"])
def test_float32_stays(direction):
    clf = fitted(X=X.astype(np.float32), direction=direction, candidates=LABELS)
    assert clf.decision_function(X.astype(np.float32)).dtype == np.float32
    assert clf.coef_.dtype == np.float64
