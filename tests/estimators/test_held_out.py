"""Folds over classes: what they hold out, and that one pass gives what fitting anew does."""

from __future__ import annotations

import numpy as np
import pytest
from many_classes import NAMES, samples

from zeroshot import DeViSEClassifier, ESZSLClassifier, SAEClassifier
from zeroshot.estimators._held_out import class_folds, refitted_scores, scored_blocks

TABLE, X, Y = samples()
CODES = np.searchsorted(NAMES, Y)


@pytest.mark.parametrize(
    ("n_unseen", "n_folds", "sizes"), [(10, 4, {10}), (20, 2, {20}), (4, 5, {4}), (0, 5, {8})]
)
def test_as_many_candidates_are_held_out_as_there_will_be(n_unseen, n_folds, sizes):
    folds = class_folds(CODES, n_unseen, seen_too=False)
    assert len(folds) == n_folds
    assert {len(group) for fold in folds for group in fold.groups} == sizes
    held_out = np.concatenate([group for fold in folds for group in fold.groups])
    assert np.array_equal(np.sort(held_out), np.arange(40))


@pytest.mark.parametrize("seen_too", [False, True])
def test_a_fold_learns_nothing_of_what_it_scores(seen_too):
    for fold in class_folds(CODES, 10, seen_too=seen_too):
        assert not set(fold.train) & set(fold.test)
        (group,) = fold.groups
        assert not np.isin(CODES[fold.train], group).any()
        assert np.isin(CODES[fold.test], group).all() != seen_too


def test_a_class_with_one_sample_is_not_lost_from_training():
    codes = np.repeat(np.arange(6), [1, 5, 5, 5, 5, 5])
    for fold in class_folds(codes, 2, seen_too=True):
        held_out = np.concatenate(fold.groups)
        kept = np.setdiff1d(np.arange(6), held_out)
        assert np.array_equal(np.unique(codes[fold.train]), kept)


def test_many_samples_of_a_class_are_scored_by_a_few():
    codes = np.repeat(np.arange(4), 500)
    for fold in class_folds(codes, 2, seen_too=False):
        assert (np.bincount(codes[fold.test])[np.concatenate(fold.groups)] == 30).all()


def test_blocks_have_a_column_for_each_candidate_and_each_class_that_was_learnt():
    (first, *_) = class_folds(CODES, 4, seen_too=True)
    scores = np.arange(len(first.test) * 40, dtype=float).reshape(-1, 40)
    blocks = list(first.blocks(CODES, scores))
    assert len(blocks) == 2
    rows = sum(len(block.true) for block in blocks)
    assert rows == len(first.test)
    for block, group in zip(blocks, first.groups, strict=True):
        assert block.scores.shape[1] == len(group) + 32
        assert (~block.is_seen).sum() == len(group)
        own = block.scores[np.arange(len(block.true)), block.true]
        assert np.array_equal(own % 40, block.classes)  # columns are classes


@pytest.mark.parametrize("scenario", ["unseen", "generalized"])
@pytest.mark.parametrize("n_features", [16, 1200])
@pytest.mark.parametrize("Model", [DeViSEClassifier, ESZSLClassifier, SAEClassifier])
def test_one_pass_is_the_same_as_fitting_anew(Model, n_features, scenario):
    table, X, y = samples(n_rows=10, n_features=n_features)
    seen = np.isin(y, NAMES[:30])
    X, y = X[seen], y[seen]
    options = {"loss": "mse"} if Model is DeViSEClassifier else {}
    model = Model(table, candidates=NAMES, scenario=scenario, temperature="auto", **options)
    model.fit(X, y)
    codes = np.searchsorted(model.seen_classes_, y)
    anew = model._for_folds()
    blocks = scored_blocks(
        codes, model._folds(y), lambda fold: refitted_scores(lambda: anew, X, y, fold)
    )
    expected = model._learnt_from(blocks)
    found = model.confidence_
    assert found.temperature == pytest.approx(expected.temperature, rel=1e-5)
    assert found.offset == pytest.approx(expected.offset, abs=1e-5)
    np.testing.assert_allclose(found.true, expected.true, rtol=1e-4)
    np.testing.assert_allclose(found.evidence_weights, expected.evidence_weights, atol=1e-3)
