"""Tools of scikit-learn that put numbers in place of labels: an error or a warning."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import BaggingClassifier, StackingClassifier, VotingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import KFold, cross_val_predict, cross_validate

from zeroshot import (
    AttributeTable,
    ConSEClassifier,
    DeViSEClassifier,
    EnsembleZeroShotClassifier,
    ESZSLClassifier,
    HashEmbedding,
    WordVectors,
)
from zeroshot.exceptions import LabelWarning, UnknownLabelError

rng = np.random.default_rng(0)
VECTORS = rng.normal(size=(20, 6))
CODES = rng.permutation(np.repeat(np.arange(5, 15), 12))
X = VECTORS[CODES] @ rng.normal(size=(6, 15)) + 0.3 * rng.normal(size=(len(CODES), 15))
NAMES = np.array([f"k{i:02d}" for i in range(20)])
OF_TEXT = AttributeTable(VECTORS, labels=NAMES)
OF_CODES = AttributeTable(VECTORS, labels=range(20))


def devise(table: Any, **params: Any) -> DeViSEClassifier:
    return DeViSEClassifier(table, loss="mse", **params)


def voting(model: Any, y: np.ndarray) -> None:
    VotingClassifier([("one", model)]).fit(X, y)


def bagging(model: Any, y: np.ndarray) -> None:
    BaggingClassifier(model, n_estimators=2, random_state=0).fit(X, y)


def stacking(model: Any, y: np.ndarray) -> None:
    StackingClassifier([("one", model)], LogisticRegression(), cv=2).fit(X, y)


def scores_of_folds(model: Any, y: np.ndarray) -> None:
    cross_val_predict(model, X, y, cv=KFold(2), method="decision_function")


def calibration(model: Any, y: np.ndarray) -> None:
    CalibratedClassifierCV(model, cv=2, ensemble=False).fit(X, y)


ENCODERS = [voting, bagging, stacking, calibration, scores_of_folds]


@pytest.mark.case
@pytest.mark.parametrize("tool", ENCODERS)
@pytest.mark.parametrize("candidates", [None, NAMES])
def test_text_labels_that_a_tool_encodes_are_an_error(tool: Any, candidates: Any) -> None:
    said = r"VotingClassifier, Bagging.* put numbers in place.*use EnsembleZeroShotClassifier"
    with pytest.raises(ValueError, match=said):
        tool(devise(OF_TEXT, candidates=candidates), NAMES[CODES])


@pytest.mark.case
@pytest.mark.parametrize("tool", ENCODERS)
def test_integer_labels_that_a_tool_encodes_are_warned_of(tool: Any) -> None:
    with pytest.warns(
        LabelWarning, match="y holds the numbers 0 to 9, and label_embedding further"
    ):
        tool(devise(OF_CODES), CODES)


@pytest.mark.case
def test_calibration_in_an_ensemble_leaves_labels_as_they_are() -> None:
    y = NAMES[CODES]
    model = CalibratedClassifierCV(devise(OF_TEXT), cv=2, ensemble=True).fit(X, y)
    assert (model.predict(X) == y).mean() > 0.9


@pytest.mark.parametrize(
    "make",
    [
        lambda table: devise(table),
        lambda table: devise(table, candidates="vocabulary"),
        lambda table: ESZSLClassifier(table),
        lambda table: ConSEClassifier(LogisticRegression(max_iter=1000), table),
    ],
)
def test_explicit_candidates_silence_the_warning(make: Any) -> None:
    with pytest.warns(LabelWarning, match="pass candidates= to say so"):
        make(OF_CODES).fit(X, CODES - 5)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        make(OF_CODES).set_params(candidates=range(20)).fit(X, CODES - 5)
        make(OF_CODES).fit(X, CODES)  # not 0 to k - 1
        make(AttributeTable(VECTORS[:10], labels=range(10))).fit(X, CODES - 5)  # and no others
        make(OF_TEXT).fit(X, NAMES[CODES])
    assert (make(OF_CODES).fit(X, CODES).predict(X) == CODES).mean() > 0.5


def test_numbers_whose_words_are_known_are_labels() -> None:
    numbers = AttributeTable(VECTORS, labels=NAMES, overrides={i: str(NAMES[i]) for i in range(20)})
    model, plain = devise(numbers).fit(X, CODES), devise(OF_TEXT).fit(X, NAMES[CODES])
    np.testing.assert_array_equal(NAMES[model.predict(X)], plain.predict(X))
    devise(HashEmbedding(4)).fit(X, CODES)  # any label has a vector
    with pytest.raises(UnknownLabelError, match="WordVectors has no vector for 10 of 10 labels"):
        devise(WordVectors()).fit(X, CODES)


def test_what_is_named_instead_leaves_labels_as_they_are() -> None:
    y = NAMES[CODES]
    ensemble = EnsembleZeroShotClassifier([("one", devise(OF_TEXT))]).fit(X, y)
    np.testing.assert_array_equal(ensemble.predict(X), devise(OF_TEXT).fit(X, y).predict(X))
    assert cross_validate(devise(OF_TEXT), X, y, cv=KFold(2))["test_score"].min() > 0.5
    assert (cross_val_predict(devise(OF_TEXT), X, y, cv=KFold(2)) == y).mean() > 0.5
