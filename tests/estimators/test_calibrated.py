"""Calibrated stacking: one number off the scores of seen classes, given or chosen."""

from __future__ import annotations

import numpy as np
import pytest
from joblib import parallel_config
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import zeroshot
from zeroshot import (
    AttributeTable,
    CalibratedStacking,
    ConSEClassifier,
    DeViSEClassifier,
    ESZSLClassifier,
    ESZSLClassifierCV,
    HashEmbedding,
    SourceHead,
)
from zeroshot.estimators._calibrated import best_calibration
from zeroshot.exceptions import UnknownLabelError
from zeroshot.metrics import SCORERS, harmonic_mean_score, seen_unseen_curve
from zeroshot.model_selection import ClassKFold, GeneralizedClassKFold, unwrap, with_candidates

RNG = np.random.default_rng(0)
NAMES = np.array(
    ["ant", "bee", "cat", "cod", "cow", "dog", "eel", "elk", "emu", "fox", "gnu", "hen", "ibex"]
    + ["jay", "kiwi", "lion", "mole", "newt", "owl", "pig"]
)
VECTORS = RNG.normal(size=(20, 6))
TABLE = AttributeTable(VECTORS, labels=NAMES)
CODES = RNG.permutation(np.repeat(np.arange(20), 16))
# Half of the features tell of label vectors, half of the class alone: seen classes have it easier.
X = np.hstack([VECTORS[CODES] @ RNG.normal(size=(6, 9)), RNG.normal(size=(20, 9))[CODES]])
X += RNG.normal(size=X.shape) * np.repeat([1.5, 0.5], 9)
Y = NAMES[CODES]
SEEN = (CODES < 14) & (np.arange(320) < 240)  # what is trained on
TEST = ~SEEN
IS_SEEN = np.isin(NAMES, NAMES[:14])


def devise(embedding=TABLE, **changes):
    settings = {"loss": "mse", "alpha": 3.0, "candidates": NAMES, "temperature": 0.1, **changes}
    return DeViSEClassifier(embedding, **settings)


def fitted(model):
    return clone(model).fit(X[SEEN], Y[SEEN])


@pytest.mark.parametrize("calibration", [0.0, 0.4, -0.4, np.float32(0.25), 3])
def test_scores_are_lowered_for_seen_classes_and_nothing_else(calibration):
    plain, model = fitted(devise()), fitted(CalibratedStacking(devise(), calibration=calibration))
    expected = plain.decision_function(X) - float(calibration) * IS_SEEN
    np.testing.assert_allclose(model.decision_function(X), expected, rtol=1e-12)
    np.testing.assert_array_equal(model.predict(X), NAMES[expected.argmax(axis=1)])
    exponents = np.exp(expected / plain.temperature)
    shares = exponents / exponents.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(model.predict_proba(X), shares, rtol=1e-9)
    labels, scores = model.predict_top_k(X, 3)
    best = np.argsort(-expected, axis=1)[:, :3]
    np.testing.assert_array_equal(labels, NAMES[best])
    np.testing.assert_allclose(scores, np.take_along_axis(expected, best, axis=1), rtol=1e-12)
    np.testing.assert_array_equal(model.transform(X), plain.transform(X))
    np.testing.assert_array_equal(model.label_vectors(NAMES), plain.label_vectors(NAMES))
    assert model.calibration_ == float(calibration)


def test_the_vocabulary_is_the_wrapped_classifiers():
    model = fitted(CalibratedStacking(devise(), calibration=0.1))
    assert model.classes_.tolist() == NAMES.tolist()
    assert model.seen_classes_.tolist() == NAMES[:14].tolist()
    assert model.unseen_classes_.tolist() == NAMES[14:].tolist()
    assert model.n_features_in_ == 18 and not hasattr(model, "feature_names_in_")


def test_a_large_calibration_leaves_unseen_answers_only_and_a_small_one_seen_answers():
    assert not np.isin(
        fitted(CalibratedStacking(devise(), calibration=1e6)).predict(X), NAMES[:14]
    ).any()
    assert np.isin(
        fitted(CalibratedStacking(devise(), calibration=-1e6)).predict(X), NAMES[:14]
    ).all()


@pytest.mark.parametrize("labels", [["ant", "owl"], ["owl", "lion"], ["ant", "bee"], ["owl"]])
def test_one_and_two_candidates(labels):
    model = fitted(CalibratedStacking(devise(), calibration=0.4))
    plain = fitted(devise(candidates=NAMES))
    columns = np.searchsorted(NAMES, np.sort(labels))
    expected = (plain.decision_function(X) - 0.4 * IS_SEEN)[:, columns]
    view = model.with_candidates(labels)
    scores = view.decision_function(X)
    if len(labels) == 2:
        np.testing.assert_allclose(scores, expected[:, 1] - expected[:, 0], atol=1e-12)
    else:
        np.testing.assert_allclose(scores, expected, atol=1e-12)
    np.testing.assert_array_equal(view.predict(X), NAMES[columns][expected.argmax(axis=1)])
    np.testing.assert_allclose(view.predict_proba(X).sum(axis=1), 1)
    assert view.calibration_ == 0.4 and view.predict_top_k(X, 1)[0][:, 0].tolist() == list(
        view.predict(X)
    )


# Choosing it ------------------------------------------------------------------------------------


def mean_harmonic_mean(calibration, cv):
    """What "auto" maximises, refitted and counted by hand."""
    x, y = X[SEEN], Y[SEEN]
    values = []
    for train, test in cv.split(x, y):
        model = devise(candidates=np.unique(y)).fit(x[train], y[train])
        scores = model.decision_function(x[test])
        scores = scores - calibration * np.isin(model.classes_, model.seen_classes_)
        predicted = model.classes_[scores.argmax(axis=1)]
        values.append(harmonic_mean_score(y[test], predicted, seen_classes=model.seen_classes_))
    return np.mean(values)


@pytest.mark.parametrize(
    "cv", [None, GeneralizedClassKFold(3, test_size=0.4, shuffle=True, random_state=3)]
)
def test_no_other_calibration_has_a_larger_harmonic_mean_on_held_out_classes(cv):
    model = fitted(CalibratedStacking(devise(), cv=cv))
    folds = cv or GeneralizedClassKFold(5, shuffle=True, random_state=0)
    reached = mean_harmonic_mean(model.calibration_, folds)
    others = [mean_harmonic_mean(calibration, folds) for calibration in np.linspace(-1, 3, 81)]
    assert reached >= max(others) and reached > mean_harmonic_mean(0, folds) + 0.1


def test_a_number_of_folds_and_folds_themselves():
    by_number = fitted(CalibratedStacking(devise(), cv=3)).calibration_
    splitter = GeneralizedClassKFold(3, shuffle=True, random_state=0)
    assert fitted(CalibratedStacking(devise(), cv=splitter)).calibration_ == by_number
    folds = list(splitter.split(X[SEEN], Y[SEEN]))
    assert fitted(CalibratedStacking(devise(), cv=folds)).calibration_ == by_number
    assert fitted(CalibratedStacking(devise())).calibration_ != by_number


def test_calibration_is_chosen_without_labels_that_fit_does_not_see():
    calibration = fitted(CalibratedStacking(devise())).calibration_
    assert fitted(CalibratedStacking(devise(candidates=NAMES[:16]))).calibration_ == calibration
    assert fitted(CalibratedStacking(devise(candidates=None))).calibration_ == calibration


def test_what_is_wrapped_is_fitted_on_everything():
    model = fitted(CalibratedStacking(devise()))
    expected = fitted(devise()).decision_function(X)
    np.testing.assert_array_equal(model.estimator_.decision_function(X), expected)


def test_calibration_is_worth_it_on_classes_that_no_choice_has_seen():
    before, after = fitted(devise()), fitted(CalibratedStacking(devise()))
    scores = [
        {name: SCORERS[name](model, X[TEST], Y[TEST]) for name in ("harmonic_mean", "ausuc")}
        for model in (before, after)
    ]
    assert scores[1]["harmonic_mean"] > scores[0]["harmonic_mean"] + 0.1
    assert scores[1]["ausuc"] == pytest.approx(scores[0]["ausuc"])


def test_best_calibration_takes_the_best_mean_over_folds():
    infinite = -np.inf
    first = (np.array([0.8, 0.8, 0.4, 0]), np.array([0, 0.5, 0.5, 0.5]), [infinite, 1.0, 2.0, 4.0])
    second = (np.array([1, 0.5, 0.0]), np.array([0, 1.0, 1.0]), [infinite, 1.5, 3.0])
    curves = [
        (seen, unseen, np.array(calibration)) for seen, unseen, calibration in (first, second)
    ]
    # From 1.5 to 2: 8/13 and 2/3. From 2 to 3: 4/9 and 2/3.
    assert best_calibration(curves) == 1.75
    nothing = (np.array([0.0]), np.array([0.0]), np.array([infinite]))
    assert best_calibration([nothing]) == 0.0
    one_kind = (np.array([0.5, 0.0]), np.array([0.0, 0.0]), np.array([infinite, 2.0]))
    assert best_calibration([one_kind, nothing]) == 0.0


@pytest.mark.parametrize("wrap", [devise(), make_pipeline(StandardScaler(), devise())])
def test_a_frozen_classifier_is_not_fitted_and_calibration_comes_from_the_samples_given(wrap):
    frozen = FrozenEstimator(fitted(wrap))
    model = CalibratedStacking(frozen).fit(X[TEST], Y[TEST])
    assert model.estimator_ is frozen
    seen, unseen, calibration = seen_unseen_curve(
        Y[TEST], frozen.decision_function(X[TEST]), labels=NAMES, seen_classes=NAMES[:14]
    )
    best = np.argmax(2 * seen * unseen / (seen + unseen))
    assert calibration[best] < model.calibration_ < calibration[best + 1]
    given = CalibratedStacking(frozen, calibration=0.3).fit(X[:1], Y[:1])
    np.testing.assert_allclose(
        given.decision_function(X), frozen.decision_function(X) - 0.3 * IS_SEEN
    )
    view = model.with_candidates(["owl", "ant"])
    assert set(view.predict(X)) == {"ant", "owl"} and view.calibration_ == model.calibration_
    assert clone(view).fit(X[TEST], Y[TEST]).classes_.tolist() == ["ant", "owl"]


def test_a_head_that_needs_no_training_is_calibrated_on_the_images_given():
    head = SourceHead(RNG.normal(size=(14, 18)), np.zeros(14), NAMES[:14])
    conse = ConSEClassifier(head, TABLE, candidates=NAMES)
    model = CalibratedStacking(conse, cv=GeneralizedClassKFold(2)).fit(X, Y)
    assert model.seen_classes_.tolist() == NAMES[:14].tolist() and model.calibration_ != 0
    with pytest.raises(ValueError, match="held-out samples are of seen"):
        CalibratedStacking(conse).fit(X[CODES < 14], Y[CODES < 14])


# Inside scikit-learn ---------------------------------------------------------------------------


def test_pipelines_inside_and_outside_are_one():
    inside = fitted(CalibratedStacking(make_pipeline(StandardScaler(), devise())))
    scaled = StandardScaler().fit(X[SEEN])
    np.testing.assert_allclose(
        inside.decision_function(X),
        fitted(
            make_pipeline(
                StandardScaler(), CalibratedStacking(devise(), calibration=inside.calibration_)
            )
        ).decision_function(X),
    )
    np.testing.assert_allclose(
        inside.transform(X), inside.estimator_[-1].transform(scaled.transform(X))
    )
    view = with_candidates(make_pipeline(inside), NAMES[13:])
    assert set(view.predict(X)) <= set(NAMES[13:])
    assert view[-1].estimator[-1].candidates.tolist() == NAMES[13:].tolist()


def test_a_search_inside():
    search = GridSearchCV(devise(), {"alpha": [3.0]}, cv=ClassKFold(3), error_score="raise")
    model = fitted(CalibratedStacking(search, cv=GeneralizedClassKFold(2)))
    assert model.estimator_.best_params_ == {"alpha": 3.0}
    expected = fitted(devise()).decision_function(X) - model.calibration_ * IS_SEEN
    np.testing.assert_allclose(model.decision_function(X), expected)
    assert model.with_candidates(["owl"]).classes_.tolist() == ["owl"]


def test_folds_keep_what_a_search_chose_on_all_classes():
    grid = {"alpha": [0.1, 3.0, 100.0]}
    search = GridSearchCV(devise(), grid, cv=ClassKFold(3), error_score="raise")
    model = fitted(CalibratedStacking(search, cv=GeneralizedClassKFold(2)))
    chosen = devise().set_params(**model.estimator_.best_params_)
    assert (
        model.calibration_
        == fitted(CalibratedStacking(chosen, cv=GeneralizedClassKFold(2))).calibration_
    )


@pytest.mark.parametrize("wrapped", [False, True])
def test_folds_keep_the_penalties_that_eszsl_chose(wrapped):
    eszsl = ESZSLClassifierCV(TABLE, candidates=NAMES, gamma=2.0)
    model = fitted(CalibratedStacking(make_pipeline(StandardScaler(), eszsl) if wrapped else eszsl))
    own = unwrap(model.estimator_)
    plain = ESZSLClassifier(
        TABLE, candidates=NAMES, gamma=2.0,
        alpha_features=own.alpha_features_, alpha_labels=own.alpha_labels_,
    )  # fmt: skip
    plain = make_pipeline(StandardScaler(), plain) if wrapped else plain
    assert model.calibration_ == fitted(CalibratedStacking(plain)).calibration_


def test_a_search_over_calibration_and_what_is_wrapped():
    grid = {"estimator__alpha": [3.0, 1e6], "calibration": [0.0, "auto"]}
    search = GridSearchCV(
        CalibratedStacking(devise()),
        grid,
        cv=GeneralizedClassKFold(3),
        scoring=SCORERS["harmonic_mean"],
        error_score="raise",
    ).fit(X, Y)
    assert search.best_params_ == {"estimator__alpha": 3.0, "calibration": "auto"}


def test_two_workers_and_lists_change_nothing():
    x, y = X[SEEN], Y[SEEN]
    model = CalibratedStacking(devise()).fit(x, y)
    with parallel_config("threading"):  # quicker to start than processes
        assert CalibratedStacking(devise(), n_jobs=2).fit(x, y).calibration_ == model.calibration_
    assert (
        CalibratedStacking(devise()).fit(x.tolist(), y.tolist()).calibration_ == model.calibration_
    )


def test_integer_labels():
    table = AttributeTable(VECTORS, labels=np.arange(20) * 3)
    model = CalibratedStacking(devise(table, candidates=np.arange(20) * 3))
    model.fit(X[SEEN], CODES[SEEN] * 3)
    assert model.calibration_ == fitted(CalibratedStacking(devise())).calibration_
    np.testing.assert_array_equal(
        NAMES[model.predict(X) // 3], fitted(CalibratedStacking(devise())).predict(X)
    )


def test_float32_scores_stay_float32():
    model = CalibratedStacking(devise(), calibration=0.3).fit(X[SEEN].astype(np.float32), Y[SEEN])
    assert model.decision_function(X.astype(np.float32)).dtype == np.float32
    assert model.predict_proba(X.astype(np.float32)).dtype == np.float32


def test_wrapped_twice_calibration_add_up():
    twice = fitted(
        CalibratedStacking(CalibratedStacking(devise(), calibration=0.3), calibration=0.1)
    )
    once = fitted(CalibratedStacking(devise(), calibration=0.4))
    np.testing.assert_allclose(twice.decision_function(X), once.decision_function(X))
    np.testing.assert_allclose(twice.predict_proba(X), once.predict_proba(X))


@pytest.mark.parametrize("frozen", [False, True])
def test_saved_and_loaded(frozen, tmp_path):
    inner = FrozenEstimator(fitted(devise())) if frozen else devise()
    model = CalibratedStacking(inner, calibration=0.4).fit(X[SEEN], Y[SEEN])
    zeroshot.save(model, tmp_path / "model")
    loaded = zeroshot.load(tmp_path / "model")
    assert loaded.calibration_ == model.calibration_
    np.testing.assert_array_equal(loaded.decision_function(X), model.decision_function(X))
    view = loaded.with_candidates(["owl", "ant", "fox"])
    np.testing.assert_array_equal(
        view.predict(X), model.with_candidates(["owl", "ant", "fox"]).predict(X)
    )


# Bad input -------------------------------------------------------------------------------------


class Broken(ClassifierMixin, BaseEstimator):
    """Knows the first classes of y, and scores NaN."""

    def fit(self, X, y):
        self.seen_classes_ = np.unique(y)
        return self.with_candidates(self.seen_classes_)

    def with_candidates(self, labels):
        self.classes_ = np.sort(labels)
        return self

    def decision_function(self, X):
        return np.full((len(X), len(self.classes_)), np.nan)


ONE = np.full(len(Y), "ant")
EACH_ONCE = np.unique(CODES, return_index=True)[1]


@pytest.mark.parametrize(
    ("model", "rows", "y", "message"),
    [
        (
            CalibratedStacking(devise(), calibration=np.nan),
            SEEN,
            Y,
            "calibration must be a number, got nan",
        ),
        (
            CalibratedStacking(devise(), calibration=np.inf),
            SEEN,
            Y,
            "calibration must be a number, got inf",
        ),
        (
            CalibratedStacking(devise(), calibration=None),
            SEEN,
            Y,
            "calibration must be a number, got None",
        ),
        (CalibratedStacking(devise(), calibration="best"), SEEN, Y, "number or 'auto', got 'best'"),
        (
            CalibratedStacking(devise(), calibration=True),
            SEEN,
            Y,
            "calibration must be a number, got True",
        ),
        (
            CalibratedStacking(devise(scenario="unseen")),
            SEEN,
            Y,
            "scenario='unseen'.*no effect. Give it scenario='generalized'",
        ),
        (CalibratedStacking(devise()), SEEN, ONE, "y has only one class.*calibration as a number"),
        (
            CalibratedStacking(devise(), cv=ClassKFold(2)),
            SEEN,
            Y,
            "0 of .* held-out samples are of seen classes. Pass cv=GeneralizedClassKFold",
        ),
        (
            CalibratedStacking(FrozenEstimator(fitted(devise()))),
            SEEN,
            Y,
            "for a fitted estimator held-out samples of both kinds",
        ),
        (
            CalibratedStacking(devise(), cv=[(np.arange(9), np.arange(0))]),
            SEEN,
            Y,
            "fold 0 of cv has 9 training rows and 0 test rows",
        ),
        (CalibratedStacking(devise(), cv=1), SEEN, Y, "n_splits must be at least 2, got 1"),
        (
            CalibratedStacking(devise(), cv="classes"),
            SEEN,
            Y,
            "CalibratedStacking: cv must be a number of folds",
        ),
        (CalibratedStacking(devise()), EACH_ONCE, Y, "only 0 of the 20 classes of y have two"),
        (CalibratedStacking(Broken()), SEEN, Y, "CalibratedStacking: y_score holds NaN"),
    ],
)
@pytest.mark.filterwarnings("ignore:DeViSEClassifier. all samples are of ant")
def test_bad_input_says_what_to_do(model, rows, y, message):
    with pytest.raises(ValueError, match=message):
        clone(model).fit(X[rows], y[rows])


@pytest.mark.parametrize("wrong", [DeViSEClassifier, "devise", StandardScaler(), TABLE])
def test_only_classifiers_can_be_wrapped(wrong):
    with pytest.raises(TypeError, match="CalibratedStacking: estimator must be a zero-shot"):
        CalibratedStacking(wrong).fit(X, Y)


def test_an_ordinary_classifier_has_no_unseen_classes_to_hold_out():
    with pytest.raises(TypeError, match="estimator must be a zero-shot classifier, got Logistic"):
        CalibratedStacking(LogisticRegression()).fit(X, Y)


def test_without_label_vectors_classes_that_are_held_out_cannot_be_named():
    with pytest.raises(UnknownLabelError, match="one-hot|OneHotEmbedding"):
        CalibratedStacking(DeViSEClassifier(loss="mse")).fit(X, Y)


@pytest.mark.parametrize("k", [0, 21, 2.0])
def test_k_is_at_most_the_number_of_candidates(k):
    with pytest.raises(ValueError, match="CalibratedStacking: k"):
        fitted(CalibratedStacking(devise(), calibration=0.1)).predict_top_k(X, k)


def test_two_classes_are_enough_to_choose_by():
    rows = CODES < 2
    model = CalibratedStacking(devise(HashEmbedding(8))).fit(X[rows], Y[rows])
    assert np.isfinite(model.calibration_)


def test_not_fitted():
    model = CalibratedStacking(devise())
    assert not hasattr(model, "classes_")
    with pytest.raises(NotFittedError, match="CalibratedStacking.*not fitted"):
        model.with_candidates(["ant"])


# What cannot be calibrated -----------------------------------------------------------------------


@pytest.mark.parametrize("calibration", [0.3, "auto"])
@pytest.mark.parametrize("wrap", [clone, FrozenEstimator, make_pipeline])
def test_an_ordinary_classifier_is_refused_in_fit(wrap, calibration):
    plain = LogisticRegression(max_iter=1000).fit(X[SEEN], Y[SEEN])
    with pytest.raises(TypeError, match="CalibratedStacking: estimator must be a zero-shot class"):
        CalibratedStacking(wrap(plain), calibration=calibration).fit(X[SEEN], Y[SEEN])


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"cv": []}, "cv gives no folds"),
        ({"cv": [([], [])]}, "fold 0 of cv has 0 training rows and 0 test rows"),
        ({"cv": [(np.arange(9), [])]}, "fold 0 of cv has 9 training rows and 0 test rows"),
        ({"n_jobs": "a"}, "n_jobs must be an integer, got 'a'"),
    ],
)
def test_folds_and_jobs_that_are_none(changes, words):
    with pytest.raises(ValueError, match=f"CalibratedStacking: {words}"):
        CalibratedStacking(devise(), **changes).fit(X[SEEN], Y[SEEN])


@pytest.mark.parametrize("cv", [None, 3, GeneralizedClassKFold(), ClassKFold(3)])
def test_classes_of_one_sample_cannot_be_held_out_and_the_remedy_helps(cv):
    rows = [np.flatnonzero(name == Y)[0] for name in NAMES[:14]]
    words = "only 0 of the 14 classes .* Pass more samples a class, or calibration as a number"
    with pytest.raises(ValueError, match=words):
        CalibratedStacking(devise(), cv=cv).fit(X[rows], Y[rows])
    assert (
        CalibratedStacking(devise(), calibration=0.1, cv=cv).fit(X[rows], Y[rows]).calibration_
        == 0.1
    )


def test_confidence_is_calibrated_inside():
    model = CalibratedStacking(ESZSLClassifier(TABLE, candidates=NAMES), calibration=0.3)
    model.fit(X[SEEN], Y[SEEN])
    before = model.predict_proba(X[TEST])
    unseen = CODES >= 14
    assert model.calibrate(X[unseen], Y[unseen]) is model and model.calibration_ == 0.3
    after = model.predict_proba(X[TEST])
    assert not np.allclose(before, after)
    np.testing.assert_allclose(after.sum(axis=1), 1)
