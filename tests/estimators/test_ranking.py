"""ALEClassifier and SJEClassifier: what they are trained to do."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from trained import gathered

from zeroshot import ALEClassifier, AttributeTable, DeViSEClassifier, SJEClassifier
from zeroshot.exceptions import LabelWarning
from zeroshot.losses import StructuredHingeLoss, WeightedRankLoss

LABELS = ["bat", "bee", "cat", "elk", "fly", "gnu"]
SEEN = LABELS[:4]
VECTORS = np.random.default_rng(0).normal(size=(6, 3)) + 1
TABLE = AttributeTable(VECTORS, labels=LABELS)
CODES = np.random.default_rng(1).permutation(np.repeat(np.arange(4), [4, 20, 9, 7]))
Y = np.array(SEEN)[CODES]
X = VECTORS[CODES] @ np.random.default_rng(2).normal(size=(3, 5))
X += 0.2 * np.random.default_rng(3).normal(size=X.shape) + 2
SHORT = {"random_state": 0, "device": "cpu"}
LOSSES = {ALEClassifier: WeightedRankLoss, SJEClassifier: StructuredHingeLoss}
each = pytest.mark.parametrize("cls", LOSSES, ids=lambda cls: cls.__name__)


def losses(model):
    return [entry["loss"] for entry in model.history_]


@each
@pytest.mark.parametrize("margin", [0.2, 1.0])
def test_the_loss_of_its_name_is_what_training_begins_with(cls, margin):
    """The history's first epoch, a single batch, is the loss of the untrained map."""
    clf = cls(
        TABLE,
        margin=margin,
        **gathered(epochs=1, batch_size=1000, learning_rate=1e-9, weight_decay=0, **SHORT),
    ).fit(X, Y)
    outputs, vectors = torch.from_numpy(clf.transform(X)), torch.from_numpy(clf.class_vectors_)
    expected = LOSSES[cls](margin)(outputs, torch.from_numpy(CODES), vectors).item()
    assert losses(clf) == [pytest.approx(expected, rel=1e-4)]


@each
def test_it_learns_the_seen_classes(cls):
    clf = cls(TABLE, **gathered(epochs=60, batch_size=8, weight_decay=1e-3, **SHORT)).fit(X, Y)
    assert len(clf.history_) == 60 and clf.history_[-1]["loss"] < 0.3 * clf.history_[0]["loss"]
    assert clf.score(X, Y) > 0.95
    np.testing.assert_allclose(clf.transform(X), X @ clf.coef_ + clf.intercept_, rtol=1e-12)


@each
@pytest.mark.parametrize("gamma", [None, 2.0])
def test_unseen_labels_are_recognised(cls, gamma):
    rng = np.random.default_rng(6)
    table = AttributeTable(rng.normal(size=(30, 4)), labels=range(30))
    codes = np.repeat(np.arange(25), 8)
    to_features = rng.normal(size=(4, 12))
    images = table.vectors[codes] @ to_features + 0.1 * rng.normal(size=(200, 12))
    clf = cls(
        table, **gathered(candidates=range(30), scenario="unseen", gamma=gamma, epochs=30, **SHORT)
    )
    answers = clf.fit(images, codes).predict(table.vectors[25:] @ to_features)
    assert (answers == [25, 26, 27, 28, 29]).sum() >= 4


def test_the_losses_lead_to_different_maps():
    """Also from DeViSE's, which weighs all violating classes alike."""
    maps = [cls(TABLE, **gathered(epochs=3, **SHORT)).fit(X, Y).coef_ for cls in LOSSES]
    devise = DeViSEClassifier(
        TABLE, **gathered(margin=1.0, weight_decay=20.0, epochs=3, **SHORT)
    ).fit(X, Y)
    maps.append(devise.coefs_[0])
    for i in range(3):
        assert not np.allclose(maps[i], maps[i - 1], rtol=1e-2)


@each
def test_one_class_costs_nothing(cls):
    rows = Y == "cat"
    with pytest.warns(LabelWarning, match="all samples are of cat"):
        clf = cls(TABLE, **gathered(candidates=LABELS, epochs=2, **SHORT)).fit(X[rows], Y[rows])
    assert losses(clf) == [0.0, 0.0] and not clf.decision_function(X).any()


@each
@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"margin": 0}, "margin must be a number above 0, got 0"),
        ({"margin": "1"}, "margin must be a number above 0, got '1'"),
        ({"epochs": 0}, "training.epochs must be an integer of at least 1, got 0"),
        ({"learning_rate": 0}, "training.learning_rate must be a number above 0, got 0"),
        ({"weight_decay": -1}, "training.weight_decay must be a number of at least 0, got -1"),
        ({"device": "abacus"}, "training.device must be 'auto' or a torch device .* got 'abacus'"),
    ],
)
def test_options_that_are_none(cls, changes, words):
    with pytest.raises(ValueError, match=f"{cls.__name__}: {words}"):
        cls(TABLE, **gathered(**{**SHORT, **changes})).fit(X, Y)
