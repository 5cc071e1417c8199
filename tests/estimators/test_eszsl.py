"""ESZSLClassifier: its closed form, on either side, and what it makes of awkward input."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

from zeroshot import AttributeTable, DeViSEClassifier, ESZSLClassifier
from zeroshot.exceptions import LabelWarning
from zeroshot.model_selection import ClassKFold

LABELS = ["bat", "bee", "cat", "elk", "fly", "gnu"]
SEEN = LABELS[:4]
VECTORS = np.random.default_rng(0).normal(size=(6, 3)) + 1
TABLE = AttributeTable(VECTORS, labels=LABELS)
CODES = np.random.default_rng(1).permutation(np.repeat(np.arange(4), [4, 20, 9, 7]))
Y = np.array(SEEN)[CODES]
X = VECTORS[CODES] @ np.random.default_rng(2).normal(size=(3, 5))
X += 0.2 * np.random.default_rng(3).normal(size=X.shape) + 2
WIDE = np.random.default_rng(4).normal(size=(len(Y), 60)) + 1  # more features than rows
PENALTIES = [(0.5, 2.0), (30.0, 1e-3)]


def naive(X, codes, S, gamma, lam):
    """The formula as it is written, with every matrix in full."""
    signs = -np.ones((len(X), len(S)))
    signs[np.arange(len(X)), codes] = 1
    left = np.linalg.inv(X.T @ X + gamma * np.eye(X.shape[1]))
    return left @ X.T @ signs @ S @ np.linalg.inv(S.T @ S + lam * np.eye(S.shape[1]))


def fitted(table=TABLE, X=X, y=Y, **changes):
    return ESZSLClassifier(table, **changes).fit(X, y)


@pytest.mark.parametrize("features", [X, WIDE], ids=["tall", "wide"])
@pytest.mark.parametrize(("gamma", "lam"), PENALTIES)
def test_the_published_formula(features, gamma, lam):
    clf = fitted(
        X=features,
        alpha_features=gamma,
        alpha_labels=lam,
        center_features=False,
        candidates=LABELS,
    )
    seen = clf.class_vectors_[:4]
    V = naive(features, CODES, seen, gamma, lam)
    np.testing.assert_allclose(clf.coef_, V, rtol=1e-8, atol=1e-10)
    assert not clf.intercept_.any()
    scores = features @ V @ clf.class_vectors_.T
    np.testing.assert_allclose(clf.decision_function(features), scores, rtol=1e-8, atol=1e-9)
    assert clf.predict(features).tolist() == [LABELS[i] for i in scores.argmax(axis=1)]


@pytest.mark.parametrize("features", [X, WIDE], ids=["tall", "wide"])
def test_centred_features_are_the_formula_about_their_mean(features):
    clf = fitted(X=features, alpha_features=0.5, alpha_labels=2.0)
    Z = features - features.mean(axis=0)
    V = naive(Z, CODES, clf.class_vectors_, 0.5, 2.0)
    np.testing.assert_allclose(clf.transform(features), Z @ V, rtol=1e-8, atol=1e-9)
    # What the default is for: a shift of all features changes nothing, and -1 is as good as 0.
    moved = fitted(X=features + 7, alpha_features=0.5, alpha_labels=2.0)
    np.testing.assert_allclose(
        moved.transform(features + 7), clf.transform(features), rtol=1e-6, atol=1e-8
    )


@pytest.mark.parametrize("n_dims", [2, 3, 9], ids=["few", "medium", "more than classes"])
def test_label_vectors_of_any_width(n_dims):
    """Nine dimensions and four classes: S'S is singular, and only lambda makes it invertible."""
    table = AttributeTable(np.random.default_rng(5).normal(size=(6, n_dims)), labels=LABELS)
    clf = fitted(table, alpha_features=2.0, alpha_labels=0.1, candidates=LABELS)
    V = naive(X - X.mean(axis=0), CODES, clf.class_vectors_[:4], 2.0, 0.1)
    np.testing.assert_allclose(clf.coef_, V, rtol=1e-7, atol=1e-10)
    assert clf.transform(X).shape == (len(X), n_dims)


def test_a_large_lambda_is_ridge_to_the_label_vectors():
    """(S'S + lambda I)^-1 is then a constant, and scores are twice DeViSE's, less the mean's."""
    clf = fitted(alpha_features=3.0, alpha_labels=1e9, candidates=LABELS)
    ridge = DeViSEClassifier(TABLE, loss="mse", alpha=3.0, candidates=LABELS).fit(X, Y)
    slope = ridge.transform(X) - ridge.transform(X.mean(axis=0, keepdims=True))
    np.testing.assert_allclose(clf.transform(X) * 1e9 / 2, slope, rtol=1e-6, atol=1e-8)


def test_gamma_describes_labels_and_penalises_nothing():
    clf = fitted(gamma=2.0, candidates=LABELS)
    devise = DeViSEClassifier(TABLE, loss="mse", gamma=2.0, candidates=LABELS).fit(X, Y)
    np.testing.assert_array_equal(clf.class_vectors_, devise.class_vectors_)
    V = naive(X - X.mean(axis=0), CODES, clf.class_vectors_[:4], 10.0, 10.0)
    np.testing.assert_allclose(clf.coef_, V, rtol=1e-8, atol=1e-10)


def test_unseen_labels_are_recognised():
    rng = np.random.default_rng(6)
    table = AttributeTable(rng.normal(size=(30, 4)), labels=range(30))
    codes = np.repeat(np.arange(25), 8)
    to_features = rng.normal(size=(4, 12))
    images = table.vectors[codes] @ to_features + 0.1 * rng.normal(size=(200, 12))
    clf = ESZSLClassifier(table, candidates=range(30), scenario="unseen").fit(images, codes)
    assert clf.predict(table.vectors[25:] @ to_features).tolist() == [25, 26, 27, 28, 29]


# Awkward input ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["alpha_features", "alpha_labels"])
@pytest.mark.parametrize("bad", [0, -1.0, np.nan, np.inf, "1", None, True])
def test_penalties_must_be_above_zero(name, bad):
    words = f"ESZSLClassifier: {name} must be a number above 0, got {bad!r}"
    with pytest.raises(ValueError, match=words):
        fitted(**{name: bad})


def test_center_features_must_be_a_flag():
    with pytest.raises(ValueError, match="center_features must be True or False, got 'mean'"):
        fitted(center_features="mean")


@pytest.mark.parametrize("center_features", [True, False])
@pytest.mark.parametrize("kind", ["repeated", "constant", "zeros"])
@pytest.mark.parametrize("rows", [slice(None), slice(0, 6)], ids=["tall", "wide"])
def test_a_singular_gram_matrix_is_no_trouble(kind, center_features, rows):
    """With a penalty far below rounding, where (X'X + gamma I) cannot be told from X'X."""
    features = {
        "repeated": np.hstack([X, X, X[:, :1]]),
        "constant": np.hstack([X, np.full((len(X), 4), 5.0)]),
        "zeros": np.hstack([X, np.zeros((len(X), 4))]),
    }[kind][rows]
    params = {"alpha_features": 1e-250, "alpha_labels": 1e-250, "center_features": center_features}
    codes = CODES[rows] % 2 * 2
    clf = fitted(X=features, y=np.array(SEEN)[codes], candidates=LABELS, **params)
    Z = features - features.mean(axis=0) * center_features
    seen = clf.class_vectors_[[0, 2]]
    signs = np.where(codes[:, None] == [0, 2], 1.0, -1.0)
    V = np.linalg.pinv(Z) @ signs @ np.linalg.pinv(seen).T
    np.testing.assert_allclose(Z @ clf.coef_, Z @ V, rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(clf.coef_, V, rtol=1e-5, atol=1e-7)


def test_features_that_say_nothing_give_no_preference():
    clf = fitted(X=np.full((len(Y), 3), 1e8))
    assert not clf.coef_.any() and not clf.decision_function(np.full((2, 3), 1e8)).any()


def test_one_class():
    rows = Y == "cat"
    with pytest.warns(LabelWarning, match="ESZSLClassifier: all samples are of cat"):
        clf = fitted(X=X[rows], y=Y[rows], candidates=LABELS)
    assert clf.seen_classes_.tolist() == ["cat"] and not clf.decision_function(X).any()
    with pytest.warns(LabelWarning, match="all samples are of cat"):
        published = fitted(X=X[rows], y=Y[rows], candidates=LABELS, center_features=False)
    assert np.isfinite(published.decision_function(X)).all() and published.coef_.any()


def test_a_seen_class_without_a_direction():
    """One class whose vector is zero: there is nothing to learn, and nothing to fail on."""
    table = AttributeTable([[0.0, 0.0], [1.0, 0.0]], labels=["a", "z"])
    with (
        pytest.warns(LabelWarning, match=r"vectors of \['a'\] lie at the mean"),
        pytest.warns(LabelWarning, match="all samples are of a"),
    ):
        clf = ESZSLClassifier(table, candidates=["a", "z"]).fit(X, ["a"] * len(X))
    assert not clf.coef_.any()


def test_two_classes_and_two_candidates_give_one_score():
    rows = np.isin(Y, ["bee", "cat"])
    clf = fitted(X=X[rows], y=Y[rows])
    assert clf.decision_function(X).shape == (len(X),)
    assert clf.score(X[rows], Y[rows]) > 0.8


def test_duplicate_label_vectors_are_reported_and_tie():
    table = AttributeTable([*VECTORS[:5], VECTORS[4]], labels=LABELS)
    with pytest.warns(LabelWarning, match=r"share one vector.*\[\['fly', 'gnu'\]\]"):
        clf = fitted(table, candidates=LABELS)
    scores = clf.decision_function(X)
    np.testing.assert_array_equal(scores[:, 4], scores[:, 5])
    seen_twice = AttributeTable([VECTORS[0], VECTORS[0], *VECTORS[2:]], labels=LABELS)
    with pytest.warns(LabelWarning, match=r"\[\['bat', 'bee'\]\]"):
        assert np.isfinite(fitted(seen_twice).coef_).all()


def test_many_rows_are_summed_in_parts(monkeypatch):
    from zeroshot._linear import _sums

    whole = fitted(candidates=LABELS)
    monkeypatch.setattr(_sums, "BLOCK_ELEMENTS", 7 * X.shape[1])
    np.testing.assert_allclose(fitted(candidates=LABELS).coef_, whole.coef_, rtol=1e-10)


def test_a_memory_mapped_array_of_float32(tmp_path):
    np.save(tmp_path / "X.npy", X.astype(np.float32))
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    clf, plain = fitted(X=mapped), fitted(X=X.astype(np.float32).astype(np.float64))
    np.testing.assert_allclose(clf.coef_, plain.coef_, rtol=1e-10, atol=1e-12)
    assert clf.coef_.dtype == np.float64 and clf.transform(mapped).dtype == np.float32


def test_it_can_be_searched():
    grid = {"alpha_features": [0.1, 10.0], "alpha_labels": [0.1, 10.0], "gamma": [None, 2.0]}
    model = ESZSLClassifier(TABLE, candidates=LABELS, scenario="unseen")
    search = GridSearchCV(model, grid, cv=ClassKFold(2), error_score="raise").fit(X, Y)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert clone(search.best_estimator_).get_params() == search.best_estimator_.get_params()
