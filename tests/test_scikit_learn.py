"""Inside scikit-learn's own machinery: cross-validation, search, pipelines, clones, workers."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn import config_context
from sklearn.base import clone
from sklearn.exceptions import NotFittedError, UnsetMetadataPassedError
from sklearn.feature_selection import VarianceThreshold
from sklearn.model_selection import (
    GridSearchCV,
    RandomizedSearchCV,
    cross_val_predict,
    cross_val_score,
    cross_validate,
)
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import Normalizer, StandardScaler

from zeroshot import (
    AttributeTable,
    ConSEClassifier,
    DeViSEClassifier,
    DummyZeroShotClassifier,
    EmbeddingRegressor,
    HashEmbedding,
    OneHotEmbedding,
    Training,
)
from zeroshot.exceptions import LabelWarning
from zeroshot.metrics import SCORERS
from zeroshot.model_selection import (
    ClassKFold,
    ClassShuffleSplit,
    GeneralizedClassKFold,
    LeaveOneClassOut,
    with_candidates,
)

NAMES = [f"class {letter}" for letter in "abcdefghij"]
VECTORS = np.random.default_rng(0).normal(size=(10, 4)) + 0.5
TABLE = AttributeTable(VECTORS, labels=NAMES)
CODES = np.random.default_rng(1).permutation(np.repeat(np.arange(10), 9))
Y = np.array(NAMES)[CODES]
X = VECTORS[CODES] @ np.random.default_rng(2).normal(size=(4, 12))
X += 0.3 * np.random.default_rng(3).normal(size=X.shape)
CLASSIFIER_SCORERS = {
    name: SCORERS[name]
    for name in (
        "unseen_accuracy",
        "seen_accuracy",
        "harmonic_mean",
        "mean_class_accuracy",
        "hit_at_5",
        "semantic_similarity_at_3",
    )
}
REGRESSOR_SCORERS = {name: SCORERS[name] for name in ("neg_embedding_mse", "neg_relative_loss")}


def devise(**changes):
    return DeViSEClassifier(
        TABLE, **{"loss": "mse", "alpha": 0.1, "candidates": NAMES, "scenario": "unseen", **changes}
    )


CLASSIFIERS = {
    "devise": devise(),
    "hinge": devise(loss="hinge", training=Training(epochs=3, device="cpu"), random_state=0),
    "conse": ConSEClassifier(None, TABLE, candidates=NAMES, scenario="unseen"),
    "dummy": DummyZeroShotClassifier(TABLE, candidates=NAMES, scenario="unseen"),
}
every_classifier = pytest.mark.parametrize("model", CLASSIFIERS.values(), ids=CLASSIFIERS)


# Cross-validation ------------------------------------------------------------------------------


@every_classifier
@pytest.mark.parametrize("scoring", [None, "accuracy", SCORERS["unseen_accuracy"]])
def test_cross_val_score_on_unseen_classes(model, scoring):
    got = cross_val_score(model, X, Y, cv=ClassKFold(5), scoring=scoring, error_score="raise")
    expected = []
    for train, test in ClassKFold(5).split(X, Y):
        assert not set(Y[train]) & set(Y[test])
        expected.append((clone(model).fit(X[train], Y[train]).predict(X[test]) == Y[test]).mean())
    np.testing.assert_allclose(got, expected)


def test_unseen_classes_are_told_apart_by_their_vectors_alone():
    scores = cross_val_score(devise(), X, Y, cv=ClassKFold(5))
    control = cross_val_score(CLASSIFIERS["dummy"], X, Y, cv=ClassKFold(5))
    assert scores.mean() > 0.85 > control.mean() + 0.2


@every_classifier
def test_cross_validate_with_every_classifier_scorer(model):
    model = clone(model).set_params(scenario="generalized")
    results = cross_validate(
        model,
        X,
        Y,
        cv=GeneralizedClassKFold(5),
        scoring=CLASSIFIER_SCORERS,
        return_train_score=False,
        return_estimator=True,
        error_score="raise",
    )
    for name in CLASSIFIER_SCORERS:
        scores = results[f"test_{name}"]
        assert scores.shape == (5,) and np.isfinite(scores).all()
    seen, unseen = results["test_seen_accuracy"], results["test_unseen_accuracy"]
    with np.errstate(invalid="ignore"):
        harmonic = np.nan_to_num(2 * seen * unseen / (seen + unseen))
    np.testing.assert_allclose(results["test_harmonic_mean"], harmonic, atol=1e-12)
    assert all(set(e.unseen_classes_) for e in results["estimator"])


@pytest.mark.parametrize(
    "changes", [{}, {"hidden": (4,), "training": Training(epochs=2), "random_state": 0}]
)
def test_cross_validate_with_every_regressor_scorer(changes):
    results = cross_validate(
        EmbeddingRegressor(TABLE, **changes),
        X,
        Y,
        cv=LeaveOneClassOut(),
        scoring={**REGRESSOR_SCORERS, "own": lambda e, x, y: e.score(x, y)},
        error_score="raise",
    )
    for scores in (results[f"test_{name}"] for name in (*REGRESSOR_SCORERS, "own")):
        # R² would be 0 in every fold: one class has no variance to explain.
        assert scores.shape == (10,) and np.isfinite(scores).all() and len(set(scores)) == 10


def test_leave_one_class_out_warns_that_one_class_is_answerable():
    """Under scenario="unseen" the excluded class is the only answer: accuracy 1 for nothing."""
    with pytest.warns(LabelWarning, match="is the only candidate not seen in fit") as record:
        scores = cross_val_score(devise(), X, Y, cv=LeaveOneClassOut())
    assert scores.tolist() == [1.0] * 10
    assert len({str(warning.message) for warning in record}) == 10
    generalized = cross_val_score(devise(scenario="generalized"), X, Y, cv=LeaveOneClassOut())
    assert generalized.mean() < 1


def test_forgotten_candidates_raise_rather_than_score_zero():
    with pytest.raises(ValueError, match="scenario='unseen', but all 8 candidates were seen"):
        cross_val_score(devise(candidates=None), X, Y, cv=ClassKFold(5), error_score="raise")
    with pytest.warns(LabelWarning, match="none of the true labels"):
        model = devise(candidates=None, scenario="generalized")
        assert not cross_val_score(model, X, Y, cv=ClassKFold(5)).any()


def test_cross_val_predict_of_labels_and_of_embeddings():
    predicted = cross_val_predict(devise(), X, Y, cv=ClassKFold(5))
    assert predicted.dtype.kind == "U" and (predicted == Y).mean() > 0.85
    vectors = cross_val_predict(EmbeddingRegressor(TABLE), X, Y, cv=ClassKFold(5))
    assert vectors.shape == (len(X), 4)


# Two processes ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["devise", "conse", "dummy"])  # trained: see test_contract.py
def test_two_processes_with_string_labels_and_unseen_test_classes(name):
    one, two = (
        cross_val_score(
            CLASSIFIERS[name], X, Y, cv=ClassKFold(5), n_jobs=n_jobs, error_score="raise"
        )
        for n_jobs in (1, 2)
    )
    np.testing.assert_allclose(two, one)


def test_cross_validate_in_two_processes_with_scorers():
    kwargs = {"cv": GeneralizedClassKFold(5), "scoring": CLASSIFIER_SCORERS, "error_score": "raise"}
    model = make_pipeline(StandardScaler(), devise(scenario="generalized"))
    one, two = (cross_validate(model, X, Y, n_jobs=n, **kwargs) for n in (1, 2))
    for name in CLASSIFIER_SCORERS:
        np.testing.assert_allclose(two[f"test_{name}"], one[f"test_{name}"])


def test_an_unknown_label_comes_back_from_a_worker_with_its_names():
    table = AttributeTable(VECTORS[:9], labels=NAMES[:9])
    model = DeViSEClassifier(table, loss="mse")
    with pytest.raises(ValueError, match="class j"):
        cross_val_score(model, X, Y, cv=ClassKFold(5), n_jobs=2, error_score="raise")


# Search ----------------------------------------------------------------------------------------


def test_grid_search_chooses_among_label_embeddings():
    embeddings = [HashEmbedding(4, seed=1), TABLE, HashEmbedding(4, seed=2)]
    search = GridSearchCV(
        devise(), {"label_embedding": embeddings}, cv=ClassKFold(5), error_score="raise"
    ).fit(X, Y)
    # The meaningful one, and the very object: cloning never copies vectors.
    assert search.best_params_["label_embedding"] is TABLE
    assert search.best_estimator_.label_embedding is TABLE
    assert search.cv_results_["rank_test_score"].tolist()[1] == 1
    assert search.best_estimator_.with_candidates(NAMES[:3]).scenario == "unseen"


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_grid_search_over_a_pipeline_chooses_on_unseen_classes(n_jobs):
    pipeline = make_pipeline(StandardScaler(), devise())
    search = GridSearchCV(
        pipeline,
        {
            "deviseclassifier__alpha": [0.1, 1e9],
            "deviseclassifier__center": [True, False],
            "standardscaler": [StandardScaler(), "passthrough"],
        },
        cv=ClassShuffleSplit(n_splits=3, test_size=3, random_state=0),
        scoring=SCORERS["mean_class_accuracy"],
        n_jobs=n_jobs,
        error_score="raise",
    ).fit(X, Y)
    assert search.best_params_["deviseclassifier__alpha"] == 0.1
    assert search.best_score_ > 0.8
    # Refitted on everything: nothing is unseen until it is asked about other labels.
    with pytest.raises(ValueError, match="Pass candidates="):
        search.predict(X)
    with pytest.raises(ValueError, match="Pass candidates="):
        with_candidates(search, NAMES[:2]).predict(X)


def test_random_search_over_numbers_and_none():
    search = RandomizedSearchCV(
        devise(),
        {"gamma": [None, 0.5, 1.0, 2.0], "alpha": [0.01, 0.1, 1.0]},
        n_iter=5,
        cv=ClassKFold(5),
        random_state=0,
        error_score="raise",
    ).fit(X, Y)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


def test_search_of_a_regressor_by_its_own_score():
    search = GridSearchCV(
        EmbeddingRegressor(TABLE), {"alpha": [0.1, 1e9]}, cv=LeaveOneClassOut(), error_score="raise"
    ).fit(X, Y)
    assert search.best_params_ == {"alpha": 0.1} and search.best_score_ > 0
    np.testing.assert_array_equal(search.predict(X), search.best_estimator_.predict(X))


# Pipelines, clones, output ---------------------------------------------------------------------


def test_the_five_lines_of_the_readme():
    model = make_pipeline(Normalizer(), devise())
    assert cross_val_score(model, X, Y, cv=ClassKFold(5)).mean() > 0.7
    model.fit(X[CODES < 6], Y[CODES < 6])
    view = model[-1].with_candidates(NAMES[6:])
    assert set(view.predict(Normalizer().transform(X))) == set(NAMES[6:])


def test_a_pipeline_ends_in_a_classifier_and_shows_its_methods():
    model = make_pipeline(StandardScaler(), devise()).fit(X[CODES < 6], Y[CODES < 6])
    assert model.classes_.tolist() == NAMES
    rows = CODES >= 6
    assert model.score(X[rows], Y[rows]) > 0.8
    assert model.decision_function(X).shape == model.predict_proba(X).shape == (len(X), 10)


def test_predicted_embeddings_are_features_of_a_next_step():
    inner = devise(scenario="generalized")
    model = make_pipeline(inner, StandardScaler(), DeViSEClassifier(loss="mse"))
    assert model.fit(X, Y).score(X, Y) > 0.6  # chance is 0.1
    model = make_pipeline(EmbeddingRegressor(TABLE), VarianceThreshold()).fit(X, Y)
    assert model.transform(X).shape == (len(X), 4)


@pytest.mark.parametrize(
    "model",
    [
        *CLASSIFIERS.values(),
        EmbeddingRegressor(TABLE, hidden=(3,)),
        make_pipeline(StandardScaler(), devise()),
        GridSearchCV(devise(), {"alpha": [1.0]}),
    ],
    ids=lambda model: type(model).__name__,
)
def test_clone(model):
    copied = clone(model)
    assert copied is not model and repr(copied) == repr(model)
    with pytest.raises(NotFittedError):
        copied.predict(X)
    params = {name: value for name, value in model.get_params().items() if "embedding" in name}
    for name, value in params.items():
        assert copied.get_params()[name] is value


def test_clone_of_a_fitted_view_keeps_its_candidates():
    view = devise().fit(X[CODES < 6], Y[CODES < 6]).with_candidates(NAMES[4:])
    assert clone(view).candidates == NAMES[4:]


@pytest.mark.parametrize("candidates", [NAMES, tuple(NAMES), np.array(NAMES), pd.Series(NAMES)])
def test_candidates_of_any_kind_are_cloned_and_searched(candidates):
    model = clone(devise(candidates=candidates))
    assert cross_val_score(model, X, Y, cv=ClassKFold(5), error_score="raise").mean() > 0.85
    assert "candidates=" in repr(model)


@pytest.mark.parametrize("name", [*CLASSIFIERS, "regressor"])
def test_pandas_output(name):
    final = CLASSIFIERS.get(name, EmbeddingRegressor(TABLE))
    final = clone(final)
    frame = pd.DataFrame(X, columns=[f"f{i}" for i in range(12)], index=np.arange(len(X)) + 100)
    model = make_pipeline(StandardScaler(), final).set_output(transform="pandas").fit(frame, Y)
    out = model.transform(frame)
    assert isinstance(out, pd.DataFrame) and out.index.equals(frame.index)
    prefix = type(final).__name__.lower()
    assert out.columns.tolist() == [f"{prefix}{i}" for i in range(4)]
    assert out.columns.tolist() == list(model.get_feature_names_out())
    assert final.feature_names_in_.tolist() == frame.columns.tolist()
    if name != "regressor":
        view = model[-1].with_candidates(["class a", *NAMES[5:]]).set_params(scenario="generalized")
        assert isinstance(view.predict(model[:-1].transform(frame)), np.ndarray)


def test_one_hot_embeddings_are_an_ordinary_classifier():
    model = DeViSEClassifier(OneHotEmbedding(NAMES), loss="mse")
    assert cross_val_score(model, X, Y, cv=3, error_score="raise").mean() > 0.6
    assert isinstance(make_pipeline(model), Pipeline)


# Weights of samples ----------------------------------------------------------------------------

WEIGHTS = np.random.default_rng(4).integers(0, 3, size=len(X))
REPEATED = np.repeat(np.arange(len(X)), WEIGHTS)


def generalized():
    return devise(scenario="generalized", temperature=0.1)


def test_weights_go_through_a_pipeline_by_name():
    """The way without routing, and a step's own parameter."""
    model = make_pipeline(Normalizer(), generalized())
    model.fit(X, Y, deviseclassifier__sample_weight=WEIGHTS)
    expected = make_pipeline(Normalizer(), generalized()).fit(X[REPEATED], Y[REPEATED])
    np.testing.assert_allclose(model.decision_function(X), expected.decision_function(X), atol=1e-9)
    with pytest.raises(ValueError, match="Pipeline.fit does not accept the sample_weight"):
        model.fit(X, Y, sample_weight=WEIGHTS)


def test_weights_are_routed_to_the_steps_that_ask_for_them():
    with config_context(enable_metadata_routing=True):
        final = generalized().set_fit_request(sample_weight=True)
        scaler = StandardScaler().set_fit_request(sample_weight=True)
        model = make_pipeline(scaler, final).fit(X, Y, sample_weight=WEIGHTS)
        expected = make_pipeline(StandardScaler(), generalized()).fit(X[REPEATED], Y[REPEATED])
        np.testing.assert_allclose(
            model.decision_function(X), expected.decision_function(X), atol=1e-9
        )
        with pytest.raises(UnsetMetadataPassedError, match="sample_weight"):
            make_pipeline(Normalizer(), generalized()).fit(X, Y, sample_weight=WEIGHTS)
        unasked = generalized().set_fit_request(sample_weight=False)
        plain = make_pipeline(scaler, unasked).fit(X, Y, sample_weight=WEIGHTS)
        assert not np.allclose(plain.decision_function(X), expected.decision_function(X))


@pytest.mark.parametrize("cv", [ClassKFold(5), GeneralizedClassKFold(3)])
def test_weights_reach_each_fold_of_cross_validate(cv):
    scenario = "unseen" if isinstance(cv, ClassKFold) else "generalized"
    folds = list(cv.split(X, Y))
    with config_context(enable_metadata_routing=True):
        model = devise(scenario=scenario, temperature=0.1).set_fit_request(sample_weight=True)
        model.set_score_request(sample_weight=True)
        results = cross_validate(
            model,
            X,
            Y,
            cv=folds,
            params={"sample_weight": WEIGHTS},
            return_estimator=True,
            error_score="raise",
        )
    for fold, (train, test) in enumerate(folds):
        rows = np.repeat(train, WEIGHTS[train])
        expected = devise(scenario=scenario, temperature=0.1).fit(X[rows], Y[rows])
        np.testing.assert_allclose(
            results["estimator"][fold].decision_function(X),
            expected.decision_function(X),
            atol=1e-9,
        )
        assert results["test_score"][fold] == pytest.approx(
            expected.score(X[test], Y[test], sample_weight=WEIGHTS[test])
        )


def test_weights_reach_a_grid_search():
    with config_context(enable_metadata_routing=True):
        model = devise(temperature=0.1).set_fit_request(sample_weight=True)
        model.set_score_request(sample_weight=True)
        search = GridSearchCV(model, {"alpha": [0.1, 10.0]}, cv=ClassKFold(5), error_score="raise")
        search.fit(X, Y, sample_weight=WEIGHTS)
    by_hand = GridSearchCV(
        devise(temperature=0.1), {"alpha": [0.1, 10.0]}, cv=ClassKFold(5), error_score="raise"
    ).fit(X[REPEATED], Y[REPEATED])
    for name in ("mean_test_score", "split0_test_score"):
        np.testing.assert_allclose(search.cv_results_[name], by_hand.cv_results_[name])
    np.testing.assert_allclose(
        search.best_estimator_.coefs_[0], by_hand.best_estimator_.coefs_[0], atol=1e-9
    )
