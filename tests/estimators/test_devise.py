"""DeViSEClassifier: its closed form, its losses, and labels described by their likes."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from trained import gathered

from zeroshot import AttributeTable, DeViSEClassifier, HashEmbedding
from zeroshot._utils._device import generator
from zeroshot.losses import CosineLoss, CosineMarginLoss, HingeRankLoss, MSELoss

LABELS = ["bat", "bee", "cat", "elk", "fly", "gnu"]
SEEN = LABELS[:4]
VECTORS = np.random.default_rng(0).normal(size=(6, 3)) + 1
TABLE = AttributeTable(VECTORS, labels=LABELS)
RAW = TABLE.vectors.astype(np.float64)
CODES = np.random.default_rng(1).permutation(np.repeat(np.arange(4), [4, 20, 9, 7]))
Y = np.array(SEEN)[CODES]
X = VECTORS[CODES] @ np.random.default_rng(2).normal(size=(3, 5))
X += 0.2 * np.random.default_rng(3).normal(size=X.shape)
SHORT = {"random_state": 0, "device": "cpu"}


def losses(model):
    return [entry["loss"] for entry in model.history_]


def centred_unit(raw, seen=4):
    shifted = raw - raw[:seen].mean(axis=0)
    return np.array([row / math.sqrt(sum(row * row)) for row in shifted])


@pytest.mark.parametrize("alpha", [1e-3, 1.0, 30.0])
def test_squared_error_is_ridge_to_the_centred_unit_vectors(alpha):
    clf = DeViSEClassifier(TABLE, loss="mse", alpha=alpha, candidates=LABELS).fit(X, Y)
    z = np.hstack([X, np.ones((len(X), 1))])
    targets = centred_unit(RAW)[CODES]
    weights = np.linalg.solve(z.T @ z + np.diag([alpha] * 5 + [0.0]), z.T @ targets)
    np.testing.assert_allclose(clf.transform(X), z @ weights, rtol=1e-8, atol=1e-10)
    scores = z @ weights @ centred_unit(RAW).T
    np.testing.assert_allclose(clf.decision_function(X), scores, rtol=1e-8, atol=1e-10)
    assert clf.history_ == [] and clf.coefs_[0].shape == (5, 3)


@pytest.mark.parametrize("gamma", [0.5, 2.0])
@pytest.mark.parametrize("center", [True, False])
def test_gamma_describes_labels_by_their_similarity_to_the_seen_ones(gamma, center):
    """exp(-gamma ||s - s_j||^2) for each seen j; shifted by the seen mean, of unit length."""
    clf = DeViSEClassifier(TABLE, loss="mse", gamma=gamma, center=center, candidates=LABELS)
    clf.fit(X, Y)
    unit = centred_unit(RAW) if center else RAW / np.linalg.norm(RAW, axis=1, keepdims=True)
    kernel = np.empty((6, 4))
    for i in range(6):
        for j in range(4):
            kernel[i, j] = math.exp(-gamma * sum((unit[i] - unit[j]) ** 2))
    if center:
        kernel -= kernel[:4].mean(axis=0)
    kernel /= np.linalg.norm(kernel, axis=1, keepdims=True)
    np.testing.assert_allclose(clf.class_vectors_, kernel, rtol=1e-9, atol=1e-12)
    assert clf.transform(X).shape == (len(X), 4)
    # Metrics still see the embedding's own vectors.
    np.testing.assert_array_equal(clf.label_vectors(LABELS), RAW)


def test_gamma_may_be_searched_beside_none():
    plain = DeViSEClassifier(TABLE, loss="mse").fit(X, Y)
    again = DeViSEClassifier(TABLE, loss="mse", gamma=1.0).fit(X, Y).set_params(gamma=None)
    np.testing.assert_array_equal(again.fit(X, Y).transform(X), plain.transform(X))


LOSSES = {
    "hinge": lambda seed: HingeRankLoss(0.1),
    "cosine_margin": lambda seed: CosineMarginLoss(0.1, generator(seed, stream=2**32)),
    "cosine": lambda seed: CosineLoss(),
    "mse": lambda seed: MSELoss(),
}


@pytest.mark.parametrize("name", LOSSES)
def test_training_lowers_the_loss_that_is_named(name):
    """The history's first epoch, a single batch, is the loss of the untrained map."""
    clf = DeViSEClassifier(
        TABLE,
        loss=name,
        hidden=(6,),
        **gathered(epochs=1, batch_size=1000, learning_rate=1e-9, weight_decay=0, **SHORT),
    ).fit(X, Y)
    vectors = torch.from_numpy(centred_unit(RAW)[:4])
    outputs = torch.from_numpy(clf.transform(X))
    order = np.random.RandomState(0).randint(np.iinfo(np.int32).max)  # noqa: NPY002
    if name == "cosine_margin":  # its draws follow the order of the samples
        permutation = torch.randperm(len(X), generator=generator(order, stream=1))
        outputs, targets = outputs[permutation], torch.from_numpy(CODES)[permutation]
    else:
        targets = torch.from_numpy(CODES)
    expected = LOSSES[name](order)(outputs, targets, vectors).item()
    assert losses(clf) == [pytest.approx(expected, rel=1e-4)]


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("hidden", [(), (16,)])
def test_every_loss_learns_the_seen_classes(name, hidden):
    clf = DeViSEClassifier(
        TABLE,
        loss=name,
        hidden=hidden,
        alpha=0.1,
        **gathered(epochs=80, batch_size=8, learning_rate=1e-2, weight_decay=1e-3, **SHORT),
    ).fit(X, Y)
    assert clf.score(X, Y) > 0.85
    if clf.history_:
        assert len(clf.history_) == 80 and clf.history_[-1]["loss"] < 0.6 * clf.history_[0]["loss"]


def test_the_default_is_the_published_hinge_rank_loss_on_a_linear_map():
    params = DeViSEClassifier().get_params()
    assert (params["loss"], params["margin"], params["hidden"]) == ("hinge", 0.1, ())
    clf = DeViSEClassifier(TABLE, **gathered(**SHORT)).fit(X, Y)
    assert len(clf.coefs_) == 1 and len(clf.history_) == 20


def test_the_margin_reaches_the_loss():
    first, second = (
        losses(DeViSEClassifier(TABLE, **gathered(margin=margin, epochs=1, **SHORT)).fit(X, Y))
        for margin in (0.1, 0.9)
    )
    assert second[0] > first[0]


def test_an_ordinary_classifier_without_an_embedding():
    clf = DeViSEClassifier(loss="mse", alpha=1e-3).fit(X, Y)
    assert clf.classes_.tolist() == SEEN and clf.class_vectors_.shape == (4, 4)
    assert clf.score(X, Y) > 0.85


def test_a_random_state_object_moves_on():
    state = np.random.RandomState(0)  # noqa: NPY002
    model = DeViSEClassifier(
        HashEmbedding(4), **gathered(epochs=1, device="cpu", random_state=state)
    )
    first = model.fit(X, Y).transform(X)
    assert not np.array_equal(model.fit(X, Y).transform(X), first)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"loss": "ranking"}, "loss must be one of 'hinge', 'cosine_margin', 'cosine', 'mse', got"),
        ({"loss": ["hinge"]}, "loss must be one of"),
        ({"margin": -0.1}, "margin must be a number of at least 0, got -0.1"),
        ({"alpha": "1"}, "alpha must be a number of at least 0, got '1'"),
        ({"hidden": 32}, r"hidden must be a tuple of widths such as \(256,\), got 32"),
        ({"epochs": 0}, "training.epochs must be an integer of at least 1, got 0"),
        ({"batch_size": 0}, "training.batch_size must be an integer of at least 1, got 0"),
        ({"learning_rate": np.inf}, "training.learning_rate must be a number above 0, got inf"),
        ({"weight_decay": -1.0}, "training.weight_decay must be a number of at least 0, got -1.0"),
        ({"device": "abacus"}, "training.device must be 'auto' or a torch device .* got 'abacus'"),
        ({"device": "cuda:77"}, "training.device='cuda:77', but torch finds .* Use device='auto'"),
    ],
)
def test_unknown_option_values(changes, words):
    with pytest.raises(ValueError, match=f"DeViSEClassifier: {words}"):
        DeViSEClassifier(TABLE, **gathered(**changes)).fit(X, Y)


def test_a_diverging_loss_says_what_to_change():
    with pytest.raises(FloatingPointError, match="Lower learning_rate"):
        DeViSEClassifier(
            TABLE, **gathered(loss="mse", hidden=(4,), learning_rate=1e30, **SHORT)
        ).fit(X, Y)
