"""EmbeddingRegressor: what y may be, the closed form, the trained map, and its score."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from sklearn.linear_model import Ridge
from sklearn.metrics import r2_score
from trained import gathered

from zeroshot import AttributeTable, EmbeddingRegressor, HashEmbedding
from zeroshot.exceptions import UnknownLabelError

LABELS = ["bat", "bee", "cat", "elk"]
EMBEDDING = HashEmbedding(5)
CODES = np.random.default_rng(0).permutation(np.repeat(np.arange(4), [4, 20, 9, 7]))
Y = np.array(LABELS)[CODES]
VECTORS = EMBEDDING.embed(Y).astype(np.float64)
X = VECTORS @ np.random.default_rng(1).normal(size=(5, 6))
X += 0.3 * np.random.default_rng(2).normal(size=X.shape) + 2
SHORT = {"epochs": 4, "random_state": 0, "device": "cpu"}


# What y is -------------------------------------------------------------------------------------


@pytest.mark.parametrize("alpha", [1e-3, 1.0, 100.0])
def test_labels_are_regressed_on_their_raw_vectors(alpha):
    """Neither centred nor scaled, as published; the intercept is not penalised."""
    z = np.hstack([X, np.ones((len(X), 1))])
    penalty = np.diag([alpha] * 6 + [0.0])
    weights = np.linalg.solve(z.T @ z + penalty, z.T @ VECTORS)
    model = EmbeddingRegressor(EMBEDDING, alpha=alpha).fit(X, Y)
    np.testing.assert_allclose(model.predict(X), z @ weights, rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(model.coefs_[0], weights[:-1], rtol=1e-7, atol=1e-10)
    assert model.seen_classes_.tolist() == LABELS and model.history_ == []


@pytest.mark.parametrize("kind", ["tall", "wide", "repeated columns"])
@pytest.mark.parametrize("y", [Y, VECTORS, VECTORS[:, 0]], ids=["labels", "vectors", "numbers"])
def test_without_a_penalty_it_is_the_shortest_least_squares_map(kind, y):
    """Also where the normal equations are singular, which only a penalty would have hidden."""
    wide = np.random.default_rng(3).normal(size=(len(X), 50))
    features = {"tall": X, "wide": wide, "repeated columns": np.hstack([X, X])}[kind]
    embedding = None if np.ndim(y) == 1 and y is not Y else EMBEDDING
    model = EmbeddingRegressor(embedding, alpha=0).fit(features, y)
    target = VECTORS if y is Y else y.reshape(len(y), -1)
    Z = features - features.mean(axis=0)
    expected, *_ = np.linalg.lstsq(Z, target - target.mean(axis=0), rcond=None)
    np.testing.assert_allclose(model.coefs_[0], expected, rtol=1e-6, atol=1e-8)


def test_numbers_far_from_zero_lose_nothing():
    near, far = (EmbeddingRegressor().fit(X, CODES + shift).predict(X) for shift in (0, 1e9))
    np.testing.assert_allclose(far - 1e9, near, atol=1e-5)


def test_vectors_and_labels_give_the_same_map():
    labels, vectors = EmbeddingRegressor(EMBEDDING).fit(X, Y), EmbeddingRegressor(EMBEDDING)
    vectors.fit(X, EMBEDDING.embed(Y))
    np.testing.assert_allclose(vectors.predict(X), labels.predict(X), rtol=1e-10)
    assert vectors.seen_classes_ is None


def test_predict_and_transform_agree_and_there_is_no_third_name():
    model = EmbeddingRegressor(EMBEDDING).fit(X, Y)
    np.testing.assert_array_equal(model.predict(X), model.transform(X))
    assert not hasattr(model, "predict_embedding")
    np.testing.assert_array_equal(model.label_vectors(["elk"]), EMBEDDING.embed(["elk"]))


def test_integer_labels_are_labels_where_there_is_an_embedding():
    table = AttributeTable(EMBEDDING.embed(LABELS), labels=[0, 1, 2, 3])
    model = EmbeddingRegressor(table).fit(X, CODES)
    np.testing.assert_allclose(
        model.predict(X), EmbeddingRegressor(EMBEDDING).fit(X, Y).predict(X), rtol=1e-10
    )
    assert model.seen_classes_.tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("dtype", [np.int64, np.float32, np.float64, object])
def test_without_an_embedding_numbers_are_numbers(dtype):
    model = EmbeddingRegressor().fit(X, CODES.astype(dtype))
    expected = Ridge().fit(X, CODES.astype(float)).predict(X)
    assert model.predict(X).shape == (len(X),) and model.predict(X).dtype == np.float64
    np.testing.assert_allclose(model.predict(X), expected, rtol=1e-9)
    assert model.transform(X).shape == (len(X), 1)


@pytest.mark.parametrize("width", [1, 3])
def test_two_dimensional_numbers_give_two_dimensional_output(width):
    y = VECTORS[:, :width]
    assert EmbeddingRegressor().fit(X, y).predict(X).shape == (len(X), width)


@pytest.mark.parametrize(
    "y", [Y, Y.tolist(), Y.astype(object), np.char.mod("%d", CODES), np.stack([Y, Y], axis=1)]
)
def test_strings_without_an_embedding_raise_even_where_they_spell_numbers(y):
    with pytest.raises(ValueError, match="y holds strings, .* Pass label_embedding="):
        EmbeddingRegressor().fit(X, y)


def test_continuous_numbers_with_an_embedding_raise():
    with pytest.raises(ValueError, match=r"continuous numbers.*expects labels .*\(n_samples, 5\)"):
        EmbeddingRegressor(EMBEDDING).fit(X, CODES + 0.5)


@pytest.mark.parametrize("width", [1, 4, 6])
def test_vectors_of_another_width_raise_with_both_numbers(width):
    y = np.zeros((len(X), width))
    with pytest.raises(ValueError, match=f"width {width}, but label_embedding has 5.*Pass labels"):
        EmbeddingRegressor(EMBEDDING).fit(X, y)


def test_strings_in_two_dimensions_raise():
    with pytest.raises(ValueError, match="2-D y must hold numbers. Pass labels as a 1-D array"):
        EmbeddingRegressor(EMBEDDING).fit(X, np.tile(Y[:, None], (1, 5)))


@pytest.mark.parametrize("embedding", [None, EMBEDDING])
def test_sparse_y_raises(embedding):
    with pytest.raises(TypeError, match=r"y is sparse\. Pass y.toarray\(\)"):
        EmbeddingRegressor(embedding).fit(X, csr_matrix(VECTORS))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("embedding", [None, EMBEDDING])
def test_vectors_that_are_not_finite_raise(embedding, bad):
    y = VECTORS.copy()
    y[0, 0] = bad
    with pytest.raises(ValueError, match="NaN|infinity"):
        EmbeddingRegressor(embedding).fit(X, y)


def test_labels_without_a_vector_are_all_named():
    table = AttributeTable(np.eye(4), labels=LABELS)
    y = Y.astype("U9")
    y[:2] = "okapi", "quoll"
    with pytest.raises(UnknownLabelError, match=r"2 of 6 labels \('okapi', 'quoll'\)"):
        EmbeddingRegressor(table).fit(X, y)
    with pytest.raises(UnknownLabelError, match="'okapi'"):
        EmbeddingRegressor(table).fit(X, Y).score(X, y)


def test_label_vectors_without_an_embedding_raise():
    model = EmbeddingRegressor().fit(X, VECTORS)
    with pytest.raises(TypeError, match="only with a label_embedding. Pass one"):
        model.label_vectors(["cat"])


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"loss": "hinge"}, "loss must be one of 'mse', 'cosine', got 'hinge'"),
        ({"alpha": -1}, "alpha must be a number of at least 0, got -1"),
        ({"hidden": 8}, r"hidden must be a tuple of widths such as \(256,\), got 8"),
        ({"hidden": None}, "hidden must be a tuple of widths"),
        ({"hidden": "8"}, "hidden must be a tuple of widths"),
        ({"hidden": (8, 0)}, "each width in hidden must be an integer of at least 1, got 0"),
        ({"hidden": (8.0,)}, "each width in hidden must be an integer of at least 1, got 8.0"),
        ({"hidden": (3,), "epochs": 0}, "training.epochs must be an integer of at least 1, got 0"),
        (
            {"hidden": (3,), "batch_size": 2.5},
            "training.batch_size must be an integer of at least 1",
        ),
        (
            {"hidden": (3,), "learning_rate": 0},
            "training.learning_rate must be a number above 0, got 0",
        ),
        (
            {"hidden": (3,), "weight_decay": -1},
            "training.weight_decay must be a number of at least 0",
        ),
        ({"hidden": (3,), "device": "abacus"}, "training.device must be 'auto' or a torch device"),
    ],
)
def test_unknown_option_values(changes, words):
    with pytest.raises(ValueError, match=f"EmbeddingRegressor: {words}"):
        EmbeddingRegressor(EMBEDDING, **gathered(**changes)).fit(X, Y)


# Trained ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("changes", [{"hidden": (8,)}, {"loss": "cosine"}])
def test_training_lowers_the_loss_and_predicts_better_than_the_mean(changes):
    model = EmbeddingRegressor(
        EMBEDDING,
        **gathered(**{**SHORT, "batch_size": 8, "epochs": 60, "learning_rate": 2e-2, **changes}),
    ).fit(X, Y)
    assert len(model.history_) == 60 and model.history_[-1]["loss"] < model.history_[0]["loss"] / 2
    assert model.predict(X).dtype == np.float64
    cosines = np.sum(model.predict(X) * VECTORS, axis=1) / (
        np.linalg.norm(model.predict(X), axis=1) * np.linalg.norm(VECTORS, axis=1)
    )
    assert cosines.mean() > 0.9


def test_layers_have_the_widths_asked_for():
    model = EmbeddingRegressor(EMBEDDING, **gathered(hidden=(8, 3), **SHORT)).fit(X, Y)
    assert [coef.shape for coef in model.coefs_] == [(6, 8), (8, 3), (3, 5)]
    assert [intercept.shape for intercept in model.intercepts_] == [(8,), (3,), (5,)]


def test_numbers_can_be_trained_too():
    model = EmbeddingRegressor(
        hidden=(8,), **gathered(**{**SHORT, "epochs": 80, "learning_rate": 1e-2})
    )
    assert model.fit(X, CODES).score(X, CODES) > 0.8
    assert model.predict(X).shape == (len(X),)


# Score -----------------------------------------------------------------------------------------


def naive_label_score(model, x, y, weights=None):
    """1 - SSE / SSE of the mean vector of the seen classes, each class once."""
    weights = np.ones(len(y)) if weights is None else weights
    constant = sum(EMBEDDING.embed([name])[0].astype(float) for name in model.seen_classes_)
    constant = constant / len(model.seen_classes_)
    error = baseline = 0.0
    for row, name, weight in zip(model.predict(x), y, weights, strict=True):
        vector = EMBEDDING.embed([name])[0].astype(float)
        error += weight * sum((row - vector) ** 2)
        baseline += weight * sum((constant - vector) ** 2)
    return 1 - error / baseline


def test_score_of_labels_compares_with_the_mean_vector_of_the_seen_classes():
    model, weights = EmbeddingRegressor(EMBEDDING).fit(X, Y), np.arange(1.0, len(Y) + 1)
    assert model.score(X, Y) == pytest.approx(naive_label_score(model, X, Y), rel=1e-9)
    assert model.score(X, Y, sample_weight=weights) == pytest.approx(
        naive_label_score(model, X, Y, weights), rel=1e-9
    )


def test_score_grades_a_single_excluded_class():
    """R² has no error to explain there: it is 0 or -inf in every leave-one-class-out fold."""
    rows = Y == "elk"
    model = EmbeddingRegressor(EMBEDDING).fit(X[~rows], Y[~rows])
    score = model.score(X[rows], Y[rows])
    assert score == pytest.approx(naive_label_score(model, X[rows], Y[rows]), rel=1e-9)
    assert np.isfinite(score) and score != 0
    assert r2_score(VECTORS[rows], model.predict(X[rows])) == 0


def test_score_of_a_single_seen_class_is_finite():
    # The mean vector of one class is that class's: nothing to explain, as r2_score has it.
    rows = Y == "elk"
    model = EmbeddingRegressor(EMBEDDING, alpha=1e3).fit(X[rows], Y[rows])
    assert model.score(X[rows], Y[rows]) in (0.0, 1.0)


def test_score_of_numbers_and_vectors_is_r2():
    numbers = EmbeddingRegressor().fit(X, CODES)
    assert numbers.score(X, CODES) == pytest.approx(r2_score(CODES, numbers.predict(X)))
    for model in (EmbeddingRegressor(EMBEDDING).fit(X, VECTORS), EmbeddingRegressor().fit(X, Y2D)):
        y = VECTORS if model.label_embedding is not None else Y2D
        assert model.score(X, y) == pytest.approx(r2_score(y, model.predict(X)))
    labelled = EmbeddingRegressor(EMBEDDING).fit(X, Y)
    assert labelled.score(X, VECTORS) == pytest.approx(r2_score(VECTORS, labelled.predict(X)))


Y2D = VECTORS[:, :2]


def test_score_of_labels_after_fitting_on_vectors_says_what_to_pass():
    with pytest.raises(ValueError, match="no seen classes to compare with. Pass y as in fit"):
        EmbeddingRegressor(EMBEDDING).fit(X, VECTORS).score(X, Y)
