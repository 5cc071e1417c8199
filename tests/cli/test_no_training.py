"""The comparison of ``zeroshot fit`` with no training: folds, averages and verdicts."""

from __future__ import annotations

import numpy as np
import pytest

from zeroshot import AttributeTable, ConSEClassifier, DeViSEClassifier, SourceHead
from zeroshot.cli._no_training import Comparison, _folds, compare_with_no_training, verdict

NAMES = np.array(["ant", "bat", "cow", "dog", "elk", "fox"])
VECTORS = np.random.default_rng(0).normal(size=(6, 6))
TABLE = AttributeTable(VECTORS, labels=NAMES)


def samples(counts, seed=0):
    rng = np.random.default_rng(seed)
    codes = np.repeat(np.arange(len(counts)), counts)
    return VECTORS[codes] + 0.3 * rng.normal(size=(len(codes), 6)), NAMES[codes]


def fit(X, y):
    return DeViSEClassifier(TABLE, loss="mse").fit(X, y)


@pytest.mark.parametrize("counts", [[3] * 6, [1] * 6, [1, 1, 1, 1, 5, 5], [9, 1, 2, 4, 3, 2]])
def test_every_class_is_left_out_once(counts):
    _, y = samples(counts)
    left_out = []
    for train, test in _folds(y, 5, 0):
        assert not set(train) & set(test)
        unseen = set(y[test]) - set(y[train])
        assert len(unseen) >= 2 and len(set(y[train])) >= 2
        left_out += unseen
    assert sorted(left_out) == NAMES.tolist()


@pytest.mark.parametrize(("counts", "n_folds"), [([3, 4], 3), ([2, 2, 2], 2), ([1, 4], 0)])
def test_few_classes_are_never_left_out(counts, n_folds):
    _, y = samples(counts)
    folds = list(_folds(y, 5, 0))
    assert len(folds) == n_folds
    assert all(set(y[train]) == set(y) for train, _ in folds)


def test_averages_are_over_classes_of_what_was_left_out():
    X, y = samples([9, 4, 5, 6, 3, 8])
    head = SourceHead(VECTORS, np.zeros(6), NAMES)
    prior = ConSEClassifier(head, TABLE, candidates=NAMES).fit()
    found = {c.kind: c for c in compare_with_no_training(fit, prior, X, y, n_folds=3, seed=1)}
    right = {"learnt": [], "other": []}
    for train, test in _folds(y, 3, 1):
        model = fit(X[train], y[train])
        for kind in right:
            rows = [i for i in test if (y[i] in y[train]) == (kind == "learnt")]
            labels = np.unique(y[train] if kind == "learnt" else y[rows])
            for answers in zip(
                rows,
                model.with_candidates(labels).predict(X[rows]),
                prior.with_candidates(labels).predict(X[rows]),
                strict=True,
            ):
                right[kind].append((y[answers[0]], answers[1], answers[2], 1 / len(labels)))
    for kind, rows in right.items():
        of = {name: [row for row in rows if row[0] == name] for name in NAMES}
        for place, got in ((1, found[kind].model), (2, found[kind].no_training)):
            expected = np.mean([np.mean([r[0] == r[place] for r in rs]) for rs in of.values()])
            assert got == pytest.approx(expected)
        chance = np.mean([np.mean([r[3] for r in rs]) for rs in of.values()])
        assert found[kind].chance == pytest.approx(chance)
        assert found[kind].n_classes == 6


def test_without_a_prior_there_is_chance():
    X, y = samples([5] * 6)
    for found in compare_with_no_training(fit, None, X, y, n_folds=5, seed=0):
        assert found.no_training is None and found.model > found.chance


@pytest.mark.parametrize(
    ("kind", "model", "no_training", "said"),
    [
        ("other", 0.5, 0.99, "too few classes"),
        ("learnt", 0.5, 0.6, "Leave --estimator out"),
        ("other", 0.985, 0.99, None),
        ("other", 0.52, None, "labels drawn at random in 0.50"),
        ("other", 0.9, None, None),
    ],
)
def test_a_model_that_is_worse_is_named(kind, model, no_training, said):
    warning = verdict(Comparison(kind, model, no_training, 0.5, 9, 0.05), "ridge")
    assert (warning is None) if said is None else (said in warning and "ridge" in warning)
