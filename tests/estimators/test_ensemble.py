"""EnsembleZeroShotClassifier: the formula against a loop, members of every kind, bad input."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer, StandardScaler

import zeroshot
from zeroshot import (
    AttributeTable,
    ConSEClassifier,
    DeViSEClassifier,
    EnsembleZeroShotClassifier,
    SimilarityInitializer,
    SourceHead,
)
from zeroshot.exceptions import UnknownLabelError
from zeroshot.metrics import SCORERS
from zeroshot.model_selection import ClassKFold, with_candidates

LABELS = ["bat", "bee", "cat", "elk", "fly", "gnu", "hen"]
SEEN, UNSEEN = LABELS[:4], LABELS[4:]
RNG = np.random.default_rng(0)
VECTORS = RNG.normal(size=(7, 3)) + 1
TABLE = AttributeTable(VECTORS, labels=LABELS)
CODES = RNG.permutation(np.repeat(np.arange(4), [3, 20, 8, 12]))
Y = np.array(SEEN)[CODES]
PROJECTION = RNG.normal(size=(3, 6))
X = VECTORS[CODES] @ PROJECTION + 0.3 * RNG.normal(size=(43, 6))
NEW = VECTORS @ PROJECTION + 0.3 * RNG.normal(size=(7, 6))
HEAD = SourceHead(RNG.normal(size=(5, 6)), np.zeros(5), LABELS[1:6])


def devise(**changes):
    return DeViSEClassifier(TABLE, **{"loss": "mse", "alpha": 0.1, **changes})


def conse(**changes):
    return ConSEClassifier(HEAD, TABLE, **changes)


def ensemble(**changes):
    members = [("map", devise()), ("head", conse())]
    return EnsembleZeroShotClassifier(members, **{"candidates": LABELS, **changes})


def naive(members, weights, candidates, allowed, images):
    """Sum over members of weight times score less the mean, over the mean spread of classes."""
    out = np.zeros((len(images), len(candidates)))
    for (fitted, rows, new), weight in zip(members, np.array(weights) / sum(weights), strict=True):
        over_seen = fitted.with_candidates(SEEN).decision_function(rows)
        spread = np.mean([np.mean([np.std(row) for row in over_seen[Y == name]]) for name in SEEN])
        scores = fitted.with_candidates(candidates).decision_function(new)
        for i, row in enumerate(scores):
            out[i] += weight * (row - np.mean(row[allowed])) / spread
    return out


@pytest.mark.parametrize("scenario", ["generalized", "unseen"])
@pytest.mark.parametrize("weights", [None, [3, 1], [0.0, 2.0]])
def test_it_is_the_weighted_sum_of_z_scores(scenario, weights):
    model = ensemble(weights=weights, scenario=scenario).fit(X, Y)
    allowed = np.array([scenario == "generalized" or name in UNSEEN for name in LABELS])
    members = [(devise().fit(X, Y), X, NEW), (conse().fit(), X, NEW)]
    expected = naive(members, weights or [1, 1], LABELS, allowed, NEW)
    got = model.decision_function(NEW)
    np.testing.assert_allclose(got[:, allowed], expected[:, allowed], rtol=1e-9, atol=1e-10)
    assert (got[:, ~allowed] == np.finfo(float).min).all()
    assert set(model.predict(NEW)) <= set(np.array(LABELS)[allowed])


def test_members_in_pipelines_get_their_own_preprocessing():
    members = [("map", make_pipeline(Normalizer(), devise())), ("head", conse())]
    model = EnsembleZeroShotClassifier(members, candidates=LABELS).fit(X, Y)
    scaler = Normalizer()
    rows, new = scaler.transform(X), scaler.transform(NEW)
    parts = [(devise().fit(rows, Y), rows, new), (conse().fit(), X, NEW)]
    expected = naive(parts, [1, 1], LABELS, np.ones(7, dtype=bool), NEW)
    np.testing.assert_allclose(model.decision_function(NEW), expected, rtol=1e-9, atol=1e-10)


def test_one_member_alone_is_ranked_as_it_ranks():
    model = EnsembleZeroShotClassifier([("map", devise())], candidates=LABELS).fit(X, Y)
    alone = devise(candidates=LABELS).fit(X, Y)
    np.testing.assert_array_equal(model.predict(NEW), alone.predict(NEW))
    np.testing.assert_array_equal(model.predict_top_k(NEW, 7)[0], alone.predict_top_k(NEW, 7)[0])


def test_frozen_members_are_not_fitted_again():
    fitted = devise(candidates=SEEN, scenario="unseen").fit(X, Y)
    before = fitted.coefs_[0].copy()
    members = [("map", FrozenEstimator(fitted)), ("head", conse())]
    model = EnsembleZeroShotClassifier(members, candidates=LABELS).fit(X[:9], Y[:9])
    assert model.named_estimators_["map"].coefs_ is fitted.coefs_
    np.testing.assert_array_equal(fitted.coefs_[0], before)
    # Its own candidates and scenario play no part, and stay as they are.
    assert fitted.candidates == SEEN and fitted.scenario == "unseen"
    assert np.isfinite(model.decision_function(NEW)).all()
    assert model.decision_function(NEW).min() > np.finfo(float).min
    assert clone(model).estimators[0][1].estimator is fitted


def test_members_given_are_cloned_and_left_unfitted():
    model = ensemble()
    model.fit(X, Y)
    for _, member in model.estimators:
        assert not hasattr(member, "classes_") and member.candidates is None


def test_a_head_names_what_it_shares_with_the_candidates_also_in_the_unseen_scenario():
    """Classes of the head are seen by the member, not by the ensemble."""
    members = [("head", conse(scenario="unseen"))]
    model = EnsembleZeroShotClassifier(members, candidates=LABELS, scenario="unseen").fit(X, Y)
    alone = conse(candidates=UNSEEN).fit()
    np.testing.assert_array_equal(model.predict(NEW), alone.predict(NEW))


def test_two_candidates_keep_a_graded_score():
    """With each image's own spread there would be two values for each set of votes."""
    y = np.array(["bat", "bee"])[RNG.integers(0, 2, 300)]
    x = VECTORS[(y == "bee").astype(int)] @ PROJECTION + 2 * RNG.normal(size=(300, 6))
    members = [("map", devise()), ("guesses", ConSEClassifier(None, TABLE))]
    model = EnsembleZeroShotClassifier(members).fit(x, y)
    scores = model.decision_function(x)
    assert scores.shape == (300,) and len(np.unique(scores)) == 300
    votes = sum(np.sign(member.decision_function(x)) for member in model.estimators_)
    assert roc_auc_score(y, scores) > roc_auc_score(y, votes) + 0.03


def test_classifiers_of_scikit_learn_can_be_members_for_what_they_know():
    logistic = LogisticRegression()
    members = [("map", devise()), ("logistic", make_pipeline(StandardScaler(), logistic))]
    model = EnsembleZeroShotClassifier(members).fit(X, Y)
    assert model.score(X, Y) > 0.8
    assert model.with_candidates(["cat", "bat"]).predict(X[Y == "cat"]).tolist() == ["cat"] * 8
    words = "'logistic', a LogisticRegression, does not know 3 of the 7 cand.*'fly', 'gnu', 'hen'"
    with pytest.raises(ValueError, match=words):
        model.with_candidates(LABELS)
    with pytest.raises(ValueError, match=words):
        clone(model).set_params(candidates=LABELS).fit(X, Y)


def test_a_binary_classifier_of_scikit_learn_stands_for_both_columns():
    rows = np.isin(Y, ["bee", "elk"])
    members = [("logistic", LogisticRegression())]
    model = EnsembleZeroShotClassifier(members).fit(X[rows], Y[rows])
    alone = LogisticRegression().fit(X[rows], Y[rows])
    np.testing.assert_array_equal(model.predict(X), alone.predict(X))
    scores, expected = model.decision_function(X), alone.decision_function(X)
    np.testing.assert_allclose(scores / expected, scores[0] / expected[0], rtol=1e-9)


def test_a_head_made_from_similarities_can_be_a_member():
    matrix = RNG.random((7, 5))
    member = SimilarityInitializer(HEAD, matrix, n_neighbors=3)
    model = EnsembleZeroShotClassifier([("rows", member)], candidates=LABELS).fit(X, Y)
    alone = SimilarityInitializer(HEAD, matrix, n_neighbors=3, candidates=LABELS).fit()
    np.testing.assert_array_equal(model.predict(NEW), alone.predict(NEW))


def test_searches_reach_into_members_and_can_be_members():
    grid = {"map__alpha": [0.1, 1e6], "weights": [[1, 0], [1, 1]], "head__n_top": [1, 5]}
    model = ensemble(scenario="unseen")
    search = GridSearchCV(model, grid, cv=ClassKFold(2), error_score="raise").fit(X, Y)
    assert search.best_params_["map__alpha"] in (0.1, 1e6)
    assert (
        search.best_estimator_.named_estimators_["map"].alpha == search.best_params_["map__alpha"]
    )
    inner = GridSearchCV(devise(scenario="unseen"), {"alpha": [0.1, 1]}, cv=ClassKFold(2))
    model = EnsembleZeroShotClassifier([("map", inner), ("head", conse())], candidates=LABELS)
    assert model.fit(X, Y).predict(NEW).shape == (7,)


def test_class_splits_and_scorers_take_it():
    scores = cross_val_score(
        ensemble(scenario="unseen"), X, Y, cv=ClassKFold(2), scoring=SCORERS["unseen_accuracy"]
    )
    assert scores.shape == (2,) and np.isfinite(scores).all()
    model = make_pipeline(StandardScaler(), ensemble()).fit(X, Y)
    assert with_candidates(model, UNSEEN)[-1].classes_.tolist() == UNSEEN
    assert np.isfinite(SCORERS["semantic_similarity_at_3"](model, X, Y))


def test_params_go_deep_and_members_can_be_dropped():
    model = ensemble(weights=[1, 5])
    params = model.get_params()
    assert params["map__alpha"] == 0.1 and params["head"] is model.estimators[1][1]
    model.set_params(map__alpha=3.0, head="drop").fit(X, Y)
    assert model.names_ == ["map"] and model.weights_.tolist() == [1.0]
    alone = devise(alpha=3.0, candidates=LABELS).fit(X, Y)
    np.testing.assert_array_equal(model.predict(NEW), alone.predict(NEW))


def test_what_is_done_to_the_parameters_after_fit_waits_for_the_next_fit():
    model = ensemble().fit(X, Y)
    before = model.decision_function(NEW)
    model.set_params(head="drop", weights=[1, 2])
    np.testing.assert_array_equal(model.with_candidates(LABELS).decision_function(NEW), before)
    assert list(model.named_estimators_) == ["map", "head"]


def test_integer_labels():
    table = AttributeTable(VECTORS, labels=np.arange(7))
    members = [("map", DeViSEClassifier(table, loss="mse", alpha=0.1))]
    model = EnsembleZeroShotClassifier(members, candidates=range(7)).fit(X, CODES)
    expected = devise(candidates=LABELS).fit(X, Y).predict(NEW)
    np.testing.assert_array_equal(model.predict(NEW), np.searchsorted(LABELS, expected))


def test_feature_names_are_the_ensembles_business():
    frame = pd.DataFrame(X, columns=list("abcdef"))
    model = ensemble().fit(frame, Y)
    np.testing.assert_array_equal(model.predict(frame), ensemble().fit(X, Y).predict(X))
    with pytest.raises(ValueError, match="feature names"):
        model.predict(frame[list("fedcba")])


def test_raw_label_vectors_come_from_the_first_member_that_has_them():
    members = [("logistic", LogisticRegression()), ("map", devise())]
    model = EnsembleZeroShotClassifier(members).fit(X, Y)
    np.testing.assert_array_equal(model.label_vectors(["gnu"]), TABLE.embed(["gnu"]))
    model = EnsembleZeroShotClassifier(members[:1]).fit(X, Y)
    with pytest.raises(TypeError, match="no member has label_vectors. Ask a label embedding"):
        model.label_vectors(["bat"])


def test_saved_ensembles_come_back(tmp_path):
    members = [
        ("map", make_pipeline(StandardScaler(), devise())),
        ("frozen", FrozenEstimator(devise(alpha=9.0).fit(X, Y))),
        ("head", conse()),
    ]
    model = EnsembleZeroShotClassifier(members, candidates=LABELS, weights=[1, 2, 1]).fit(X, Y)
    zeroshot.save(model, tmp_path / "model")
    again = zeroshot.load(tmp_path / "model")
    np.testing.assert_array_equal(again.decision_function(NEW), model.decision_function(NEW))
    for labels in (UNSEEN, SEEN[:2]):
        np.testing.assert_array_equal(
            again.with_candidates(labels).decision_function(NEW),
            model.with_candidates(labels).decision_function(NEW),
        )
    np.testing.assert_array_equal(clone(again).fit(X, Y).predict(NEW), model.predict(NEW))


# Bad input -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("members", "error", "words"),
    [
        ([], ValueError, "no member with a weight above 0. Pass estimators="),
        ([("map", "drop")], ValueError, "no member with a weight above 0"),
        (devise(), ValueError, r"estimators must be a list of \(name, estimator\) tuples"),
        ([devise(), conse()], ValueError, r"estimators must be a list of \(name, est"),
        ([(1, devise())], ValueError, r"estimators must be a list of \(name, est"),
        ([("a", devise()), ("a", conse())], ValueError, "not unique"),
        ([("weights", devise())], ValueError, "conflict with constructor arguments"),
        ([("a__b", devise())], ValueError, "must not contain __"),
        ([("knn", KNeighborsClassifier())], TypeError, "'knn' must be a classifier with decision"),
        ([("scaler", Normalizer())], TypeError, "'scaler' must be a classifier with decision_f"),
        ([("map", DeViSEClassifier)], TypeError, "'map' .* got the class DeViSEClassifier"),
        (
            [("map", FrozenEstimator(devise()))],
            NotFittedError,
            "'map' is a FrozenEstimator of a DeViSEClassifier that is not fitted. Fit it before",
        ),
    ],
)
def test_bad_members(members, error, words):
    with pytest.raises(error, match=words):
        EnsembleZeroShotClassifier(members, candidates=LABELS).fit(X, Y)


@pytest.mark.parametrize(
    ("weights", "words"),
    [
        ([1], "weights must be 2 numbers, one a member, got 1"),
        (0.5, "weights must be numbers, one a member, got 0.5"),
        ([1, -1], "each weight must be a number of at least 0, got -1"),
        ([1, np.nan], "each weight must be a number of at least 0, got nan"),
        ([0, 0], "no member with a weight above 0"),
    ],
)
def test_bad_weights(weights, words):
    with pytest.raises(ValueError, match=f"EnsembleZeroShotClassifier: .*{words}"):
        ensemble(weights=weights).fit(X, Y)


def test_candidates_that_a_member_has_no_vector_for():
    with pytest.raises(UnknownLabelError, match="okapi"):
        ensemble(candidates=[*LABELS, "okapi"]).fit(X, Y)
    model = ensemble().fit(X, Y)
    with pytest.raises(UnknownLabelError, match="okapi"):
        model.with_candidates([*LABELS, "okapi"])
    assert model.classes_.tolist() == LABELS


def test_features_of_another_width_than_the_head_takes():
    with pytest.raises(ValueError, match="X has 5 features, but ConSEClassifier is expecting 6"):
        ensemble().fit(X[:, :5], Y)


def test_bad_parameters_of_its_own():
    with pytest.raises(ValueError, match="scenario must be one of 'generalized', 'unseen'"):
        ensemble(scenario="seen").fit(X, Y)
    with pytest.raises(ValueError, match="temperature must be a number above 0, got 0"):
        ensemble(temperature=0).fit(X, Y)


# The studies -------------------------------------------------------------------------------------


@pytest.fixture
def load_study(monkeypatch):
    """Import an example, which may import another."""
    folder = Path(__file__).parents[2] / "studies"
    monkeypatch.syspath_prepend(str(folder))

    def load(name):
        spec = importlib.util.spec_from_file_location(name, folder / f"{name}.py")
        module = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, name, module)
        spec.loader.exec_module(module)
        return module

    return load


@pytest.mark.slow  # a whole study, small
def test_the_study_puts_the_map_and_the_head_together_above_either(load_study, tmp_path):
    study = load_study("ensemble")
    study.GRID = {"deviseclassifier__alpha": [10], "deviseclassifier__gamma": [2]}
    results = study.main(n_splits=1, file=str(tmp_path / "results.json"))
    assert json.loads((tmp_path / "results.json").read_text())["results"] == results
    both = results["both, ConSE, words and WordNet"]
    for part in ("map, words and WordNet", "head, ConSE, words and WordNet"):
        assert both["all"] > results[part]["all"] + 0.03
    assert results["control: best constant"]["all"] == pytest.approx(0.05)
    assert both["the rest"] > 0.3


def test_the_study_of_hubs_shrinks_the_largest(load_study, capsys):
    results = load_study("hubs").main(n_splits=1)
    raw, zscore, csls = results["  center=False"].values()
    assert zscore[0] > raw[0] + 0.03 and zscore[1] < raw[1]
    assert csls[0] > raw[0] and csls[1] < raw[1]
    assert "ConSE on logistic regression" in capsys.readouterr().out
