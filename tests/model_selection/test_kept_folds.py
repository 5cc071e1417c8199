"""cross_validate_classes(checkpoint=): folds that are not computed twice."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from zeroshot import ESZSLClassifier, HashEmbedding
from zeroshot.exceptions import IntegrityError
from zeroshot.metrics import SCORERS
from zeroshot.model_selection import ClassKFold, cross_validate_classes

RNG = np.random.default_rng(0)
Y = np.repeat(list("abcdef"), 6)
X = RNG.normal(size=(36, 4))
MODEL = ESZSLClassifier(HashEmbedding(3), candidates=list("abcdef"), scenario="unseen")
CV = ClassKFold(3)


def scores(folder, model=MODEL, data=X, cv=CV, scoring="unseen_accuracy", **options):
    return cross_validate_classes(model, data, Y, cv, scoring, checkpoint=folder, **options)


def test_scores_are_those_without_a_checkpoint(tmp_path):
    several = {"unseen": SCORERS["unseen_accuracy"], "mean": SCORERS["mean_class_accuracy"]}
    for scoring in ("unseen_accuracy", several):
        expected = cross_validate_classes(MODEL, X, Y, CV, scoring)
        for n_jobs in (None, 2):
            found = scores(tmp_path / str(n_jobs), scoring=scoring, n_jobs=n_jobs)
            assert set(found) == set(expected)
            for name in set(found) - {"fit_time", "score_time"}:
                np.testing.assert_array_equal(found[name], expected[name])


class FailsOnce(ESZSLClassifier):
    """It is interrupted in the third fit."""

    n_fits = 0

    def fit(self, X, y):
        FailsOnce.n_fits += 1
        if FailsOnce.n_fits == 3:
            raise KeyboardInterrupt
        return super().fit(X, y)


def test_an_interrupted_call_resumes(tmp_path):
    model = FailsOnce(HashEmbedding(3), candidates=list("abcdef"), scenario="unseen")
    with pytest.raises(KeyboardInterrupt):
        scores(tmp_path, model)
    found = scores(tmp_path, model)
    assert FailsOnce.n_fits == 4, "two folds before, the third twice"
    np.testing.assert_array_equal(found["test_score"], scores(tmp_path / "new")["test_score"])


def test_what_decides_the_scores_decides_the_file(tmp_path):
    scores(tmp_path)
    for changes in (
        {"model": MODEL.__class__(**{**MODEL.get_params(deep=False), "gamma": 2.0})},
        {"data": X + 1},
        {"cv": ClassKFold(3, shuffle=True, random_state=1)},
        {"scoring": "mean_class_accuracy"},
    ):
        before = len(list(tmp_path.iterdir()))
        scores(tmp_path, **changes)
        assert len(list(tmp_path.iterdir())) == before + 3
    before = len(list(tmp_path.iterdir()))
    scores(tmp_path)
    assert len(list(tmp_path.iterdir())) == before


def test_errors(tmp_path):
    with pytest.raises(ValueError, match="checkpoint keeps scores only"):
        scores(tmp_path, return_estimator=True)
    scores(tmp_path)
    next(tmp_path.iterdir()).write_text("{")
    with pytest.raises(IntegrityError, match="fold-.*json is damaged"):
        scores(tmp_path)


def test_other_estimators(tmp_path):
    rows = np.arange(36)
    cv = [(rows[rows % 3 != k], rows[rows % 3 == k]) for k in range(3)]
    found = cross_validate_classes(LogisticRegression(), X, Y, cv, checkpoint=tmp_path)
    expected = [LogisticRegression().fit(X[a], Y[a]).score(X[b], Y[b]) for a, b in cv]
    np.testing.assert_allclose(found["test_score"], expected)
