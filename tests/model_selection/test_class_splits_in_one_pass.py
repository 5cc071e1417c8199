"""Class splits in one pass give what cross_validate gives, or say that they are fitted anew."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pandas as pd
import pytest
import sklearn
from scipy.sparse import csr_array
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.exceptions import EfficiencyWarning, FitFailedWarning, NotFittedError
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, make_scorer
from sklearn.model_selection import GridSearchCV, KFold, cross_validate
from sklearn.neighbors import NearestCentroid
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import Normalizer, StandardScaler
from sklearn.utils.validation import check_is_fitted

from zeroshot import (
    AttributeTable,
    ConSEClassifier,
    DeViSEClassifier,
    EmbeddingRegressor,
    ESZSLClassifier,
    SAEClassifier,
    Training,
)
from zeroshot._linear import _sums
from zeroshot.exceptions import LabelWarning
from zeroshot.metrics import SCORERS
from zeroshot.model_selection import (
    ClassKFold,
    ClassShuffleSplit,
    GeneralizedClassKFold,
    LeaveOneClassOut,
    PredefinedClassSplit,
    cross_validate_classes,
)

N_CLASSES, N_DIMS, N_FEATURES = 9, 4, 12
RNG = np.random.default_rng(0)
SIZES = [1, 7, 8, 9, 10, 11, 12, 13, 14]  # the first class has a single row
CODES = RNG.permutation(np.repeat(np.arange(N_CLASSES), SIZES))
NAMES = np.array([f"class {letter}" for letter in "abcdefghi"])
Y = NAMES[CODES]
VECTORS = RNG.normal(size=(N_CLASSES, N_DIMS)) + 0.5
TABLE = AttributeTable(VECTORS, labels=NAMES)
X = VECTORS[CODES] @ RNG.normal(size=(N_DIMS, N_FEATURES)) + RNG.normal(size=(len(Y), N_FEATURES))
X = X * RNG.uniform(0.1, 10, N_FEATURES) + RNG.normal(size=N_FEATURES)
WIDE = np.column_stack([X, RNG.normal(size=(len(Y), 120))])

MODELS = {
    "regressor": EmbeddingRegressor(TABLE, alpha=0.3),
    "devise": DeViSEClassifier(TABLE, loss="mse", candidates=NAMES),
    "devise, gamma": DeViSEClassifier(TABLE, loss="mse", gamma=1.0, candidates=NAMES, hidden=[]),
    "devise, one-hot": DeViSEClassifier(loss="mse"),
    "eszsl": ESZSLClassifier(TABLE, candidates=NAMES),
    "eszsl, as published": ESZSLClassifier(TABLE, candidates=NAMES, center_features=False),
    "sae": SAEClassifier(TABLE, candidates=NAMES),
    "sae, decoded": SAEClassifier(TABLE, candidates=NAMES, direction="decode"),
}
SPLITTERS = {
    "leave one out": LeaveOneClassOut(),
    "k-fold": ClassKFold(3, shuffle=True, random_state=0),
    "shuffle": ClassShuffleSplit(3, test_size=2, random_state=0),
    "few train": ClassShuffleSplit(2, test_size=2, train_size=3, random_state=0),
    "predefined": PredefinedClassSplit([list(NAMES[:2]), list(NAMES[3:8])]),
    "generalized": GeneralizedClassKFold(3),
    "rows": KFold(4),
}
BEFORE = {
    "alone": [],
    "scaler": [StandardScaler()],
    "normalizer": [Normalizer()],
    "both": [Normalizer("max"), "passthrough", StandardScaler()],
    "mean only": [StandardScaler(with_std=False)],
    "scale only": [StandardScaler(with_mean=False)],
    "neither": [StandardScaler(with_mean=False, with_std=False)],
}
every_model = pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)


def scorers_of(model):
    final = model[-1] if isinstance(model, Pipeline) else model
    if isinstance(final, EmbeddingRegressor):
        return {name: SCORERS[name] for name in ("neg_embedding_mse", "neg_relative_loss")}
    scorers = {"accuracy": "accuracy", "mean_class_accuracy": SCORERS["mean_class_accuracy"]}
    if final.candidates is not None:
        scorers |= {name: SCORERS[name] for name in ("hit_at_5", "semantic_similarity_at_3")}
    return scorers


def map_of(model):
    final = model[-1] if isinstance(model, Pipeline) else model
    if hasattr(final, "coefs_"):
        return final.coefs_[0], final.intercepts_[0]
    return final.coef_, final.intercept_


def assert_equal_results(model, X=X, y=Y, cv=None, scoring=None, *, atol=1e-9, **options):
    """Compare everything but times, and the maps of every fold."""
    cv = ClassKFold(3) if cv is None else cv
    scoring = scorers_of(model) if scoring is None else scoring
    options = {"return_estimator": True, "error_score": "raise", **options}
    got = cross_validate_classes(model, X, y, cv, scoring, **options)
    expected = cross_validate(model, X, y, cv=cv, scoring=scoring, **options)
    assert got.keys() == expected.keys()
    for name in expected.keys() - {"fit_time", "score_time", "estimator", "indices"}:
        np.testing.assert_allclose(got[name], expected[name], atol=atol)
    assert repr(got["estimator"][0]) == repr(expected["estimator"][0])
    for one, other in zip(got["estimator"], expected["estimator"], strict=True):
        assert type(one) is type(other)
        for mine, theirs in zip(map_of(one), map_of(other), strict=True):
            assert mine.shape == theirs.shape and mine.dtype == theirs.dtype
            scale = max(1e-6, np.abs(theirs).max())  # some intercepts are zero but for rounding
            np.testing.assert_allclose(mine, theirs, rtol=0, atol=atol * scale)
    return got, expected


# Equal to refitting ----------------------------------------------------------------------------


@every_model
@pytest.mark.parametrize("cv", SPLITTERS.values(), ids=SPLITTERS)
def test_every_splitter(model, cv):
    assert_equal_results(model, cv=cv)


@pytest.mark.parametrize("name", ["regressor", "eszsl, as published", "sae"])
@pytest.mark.parametrize("cv", SPLITTERS.values(), ids=SPLITTERS)
def test_more_features_than_rows(name, cv):
    assert_equal_results(MODELS[name], WIDE, cv=cv)


@pytest.mark.parametrize("name", ["regressor", "devise", "eszsl", "eszsl, as published", "sae"])
@pytest.mark.parametrize("before", BEFORE.values(), ids=BEFORE)
@pytest.mark.parametrize("cv", [ClassKFold(3), GeneralizedClassKFold(3)], ids=["pure", "rows"])
def test_every_pipeline(name, before, cv):
    assert_equal_results(make_pipeline(*before, MODELS[name]), cv=cv)


@every_model
def test_leaving_out_one_class_behind_both(model):
    assert_equal_results(make_pipeline(*BEFORE["both"], model), cv=LeaveOneClassOut())


@every_model
def test_no_fold_is_fitted(model, monkeypatch):
    def fit(self, X, y):
        raise AssertionError("fitted")

    monkeypatch.setattr(type(model), "fit", fit)
    pipeline = make_pipeline(Normalizer(), StandardScaler(), model)
    for estimator in (model, pipeline):
        for cv in (LeaveOneClassOut(), GeneralizedClassKFold(3)):
            results = cross_validate_classes(
                estimator, X, Y, cv, scorers_of(model), error_score="raise"
            )
            assert all(np.isfinite(scores).all() for scores in results.values())


@pytest.mark.parametrize("features", [X, WIDE], ids=["narrow", "wide"])
def test_the_normal_equations_written_out(features):
    alpha = 0.3
    model = EmbeddingRegressor(TABLE, alpha=alpha)
    results = cross_validate_classes(
        model, features, Y, LeaveOneClassOut(), scorers_of(model), return_estimator=True
    )
    raw = VECTORS.astype(np.float32).astype(np.float64)
    for left_out, fitted in enumerate(results["estimator"]):
        Z = np.column_stack([features, np.ones(len(Y))])[left_out != CODES]
        A = Z.T @ Z + alpha * np.diag([1.0] * features.shape[1] + [0.0])
        V = np.linalg.solve(A, Z.T @ raw[CODES[left_out != CODES]])
        np.testing.assert_allclose(fitted.coefs_[0], V[:-1], atol=1e-8)
        np.testing.assert_allclose(fitted.intercepts_[0], V[-1], atol=1e-8)
        assert fitted.seen_classes_.tolist() == np.delete(NAMES, left_out).tolist()


def test_labels_are_centred_on_the_classes_of_each_fold():
    got, expected = assert_equal_results(MODELS["devise"], cv=LeaveOneClassOut())
    for one, other in zip(got["estimator"], expected["estimator"], strict=True):
        np.testing.assert_array_equal(one.label_space_.offset, other.label_space_.offset)
        np.testing.assert_array_equal(one.class_vectors_, other.class_vectors_)
        assert one.unseen_classes_.tolist() == other.unseen_classes_.tolist()
    offsets = [model.label_space_.offset for model in got["estimator"]]
    assert len(np.unique(offsets, axis=0)) == N_CLASSES


@pytest.mark.parametrize(
    "scoring",
    [
        None,
        "accuracy",
        SCORERS["unseen_accuracy"],
        make_scorer(accuracy_score),
        lambda model, X, y: float((model.predict(X) == y).mean()),
        ["accuracy", "f1_macro"],
        ("accuracy",),
        {"one": "accuracy", "two": SCORERS["hit_at_5"]},
        lambda model, X, y: {"n": len(X), "first": model.predict(X[:1])[0] == y[0]},
    ],
    ids=["None", "name", "ours", "made", "function", "list", "tuple", "dict", "function of many"],
)
def test_every_kind_of_scoring(scoring):
    options = {"cv": ClassKFold(3), "scoring": scoring, "error_score": "raise"}
    got = cross_validate_classes(MODELS["devise"], X, Y, **options)
    expected = cross_validate(MODELS["devise"], X, Y, **options)
    assert got.keys() == expected.keys()
    for name in expected.keys() - {"fit_time", "score_time"}:
        np.testing.assert_allclose(got[name], expected[name])


@pytest.mark.parametrize("model", [MODELS["devise"], make_pipeline(PCA(3), MODELS["devise"])])
@pytest.mark.filterwarnings("ignore:.*PCA is in front")
def test_scorers_of_the_package_have_names(model):
    names = {"hit_at_5": SCORERS["hit_at_5"], "accuracy": "accuracy"}
    expected = cross_validate(model, X, Y, cv=ClassKFold(3), scoring=names)
    for scoring in (list(names), {"hit_at_5": "hit_at_5", "accuracy": "accuracy"}):
        got = cross_validate_classes(model, X, Y, ClassKFold(3), scoring)
        for name in names:
            np.testing.assert_allclose(got[f"test_{name}"], expected[f"test_{name}"])
    got = cross_validate_classes(model, X, Y, ClassKFold(3), "hit_at_5")
    np.testing.assert_allclose(got["test_score"], expected["test_hit_at_5"])


def test_the_regressors_own_score():
    got = cross_validate_classes(MODELS["regressor"], X, Y, LeaveOneClassOut())
    expected = cross_validate(MODELS["regressor"], X, Y, cv=LeaveOneClassOut())
    np.testing.assert_allclose(got["test_score"], expected["test_score"])


@pytest.mark.parametrize(
    "labels",
    [
        CODES * 10 - 5,
        CODES.astype(np.uint8),
        list(CODES),
        pd.Series(CODES, index=np.arange(len(CODES)) + 100),
    ],
    ids=["gaps", "uint8", "list", "Series"],
)
def test_integer_labels(labels):
    names = np.unique(np.asarray(labels, dtype=np.int64))
    table = AttributeTable(VECTORS, labels=names.tolist())
    assert_equal_results(EmbeddingRegressor(table), y=labels, cv=LeaveOneClassOut())
    assert_equal_results(DeViSEClassifier(table, loss="mse", candidates=names), y=labels)


@pytest.mark.parametrize("convert", [list, np.array, pd.Series, lambda y: y.astype(object)])
def test_string_labels(convert):
    assert_equal_results(MODELS["devise"], y=convert(Y))


@pytest.mark.parametrize(
    "features",
    [
        X.astype(np.float32),
        np.asfortranarray(X),
        X[:, ::-1],
        np.rint(X * 10).astype(np.int64),
        X > 0,
        X.astype(np.float16),
    ],
    ids=["float32", "Fortran", "strides", "int", "bool", "float16"],
)
@pytest.mark.parametrize("before", [[], [Normalizer()]], ids=["alone", "normalizer"])
def test_features_of_every_kind(features, before):
    before = [] if features.dtype == bool else before  # which scikit-learn's norms reject
    for model in (MODELS["regressor"], MODELS["eszsl"]):
        assert_equal_results(make_pipeline(*before, model), features)


def test_float32_features_are_scaled_in_float64():
    narrow = X.astype(np.float32)
    pipeline = make_pipeline(StandardScaler(), MODELS["regressor"])
    assert_equal_results(pipeline, narrow, atol=1e-5)  # what rounding scaled features costs
    got = cross_validate_classes(pipeline, narrow, Y, ClassKFold(3), return_estimator=True)
    wide = cross_validate_classes(
        pipeline, narrow.astype(np.float64), Y, ClassKFold(3), return_estimator=True
    )
    for one, other in zip(got["estimator"], wide["estimator"], strict=True):
        np.testing.assert_allclose(map_of(one)[0], map_of(other)[0], rtol=1e-12)


def test_data_frames_keep_their_names():
    frame = pd.DataFrame(X, columns=[f"f{i}" for i in range(N_FEATURES)], index=np.arange(len(Y)))
    for before in ([], [StandardScaler()], [Normalizer(), StandardScaler()]):
        model = make_pipeline(*before, MODELS["regressor"]).set_output(transform="pandas")
        got, expected = assert_equal_results(model, frame)
        for one, other in zip(got["estimator"], expected["estimator"], strict=True):
            assert one.feature_names_in_.tolist() == other.feature_names_in_.tolist()
            assert one[-1].feature_names_in_.tolist() == other[-1].feature_names_in_.tolist()
            pd.testing.assert_frame_equal(one.transform(frame), other.transform(frame))


@pytest.mark.parametrize("name", ["scaler", "mean only", "scale only", "neither"])
def test_scalers_are_fitted_as_by_themselves(name):
    constants = np.tile([1e5, 0.1, 1 / 3], (len(Y), 1))
    features = np.column_stack([X, constants, X[:, 0] + 1e5])
    model = make_pipeline(*BEFORE[name], MODELS["regressor"])
    got, expected = assert_equal_results(model, features, cv=LeaveOneClassOut(), atol=1e-6)
    for one, other in zip(got["estimator"], expected["estimator"], strict=True):
        mine, theirs = vars(one[0]), vars(other[0])
        assert mine.keys() == theirs.keys()
        assert mine["n_samples_seen_"] == theirs["n_samples_seen_"]
        for attribute in ("mean_", "var_", "scale_"):
            assert (mine[attribute] is None) == (theirs[attribute] is None)
            if theirs[attribute] is not None:
                np.testing.assert_allclose(mine[attribute], theirs[attribute], rtol=1e-9)


ROWS = np.arange(len(Y))
ODD_FOLDS = {
    "repeated rows": [(RNG.integers(0, len(Y), 70), ROWS[:9]) for _ in range(2)],
    "nothing left out": [(ROWS, ROWS[:20]), (ROWS, ROWS[20:])],
    "masks": [(CODES < 5, CODES >= 5), (CODES >= 5, CODES < 5)],
    "unsorted": [(RNG.permutation(ROWS[CODES != 8]), RNG.permutation(ROWS[CODES == 8]))],
    "neither train nor test": [(ROWS[10:70], ROWS[:10])],
    "one class trains": [(ROWS[CODES == 8], ROWS[CODES == 1])],
}


@pytest.mark.parametrize("folds", ODD_FOLDS.values(), ids=ODD_FOLDS)
@pytest.mark.parametrize("features", [X, WIDE], ids=["narrow", "wide"])
def test_folds_of_any_rows(folds, features):
    for model in (MODELS["regressor"], make_pipeline(StandardScaler(), MODELS["regressor"])):
        assert_equal_results(model, features, cv=folds)


def test_an_integer_is_a_number_of_class_folds():
    for cv, splitter in ((None, ClassKFold(5)), (4, ClassKFold(4)), (np.int64(3), ClassKFold(3))):
        got = cross_validate_classes(MODELS["devise"], X, Y, cv)
        expected = cross_validate(MODELS["devise"], X, Y, cv=splitter)
        np.testing.assert_allclose(got["test_score"], expected["test_score"])


@pytest.mark.parametrize("model", [MODELS["devise"], make_pipeline(PCA(3), MODELS["devise"])])
@pytest.mark.parametrize("routing", [False, True])
@pytest.mark.filterwarnings("ignore:.*PCA is in front")
def test_groups_are_what_is_split_by(model, routing):
    groups, options = CODES[::-1], {"cv": ClassKFold(3), "scoring": "accuracy"}
    expected = cross_validate(model, X, Y, groups=groups, **options)
    with sklearn.config_context(enable_metadata_routing=routing):
        got = cross_validate_classes(model, X, Y, groups=groups, **options)
    np.testing.assert_allclose(got["test_score"], expected["test_score"])


def test_everything_that_cross_validate_returns():
    got, expected = assert_equal_results(
        make_pipeline(StandardScaler(), MODELS["regressor"]),
        cv=LeaveOneClassOut(),
        return_train_score=True,
        return_indices=True,
    )
    assert "train_neg_embedding_mse" in got
    for part in ("train", "test"):
        for one, other in zip(got["indices"][part], expected["indices"][part], strict=True):
            np.testing.assert_array_equal(one, other)
    assert (got["fit_time"] > 0).all() and (got["score_time"] > 0).all()


def test_inputs_stay_as_they_are():
    features, before = X.copy(), X.copy()
    model = make_pipeline(Normalizer(copy=False), StandardScaler(copy=False), MODELS["devise"])
    text = repr(model)
    cross_validate_classes(model, features, Y, GeneralizedClassKFold(3))
    np.testing.assert_array_equal(features, before)
    assert repr(model) == text
    with pytest.raises(NotFittedError):
        check_is_fitted(model)


def test_fitted_models_of_folds_can_be_used_on():
    results = cross_validate_classes(MODELS["devise"], X, Y, ClassKFold(3), return_estimator=True)
    for model in results["estimator"]:
        view = model.with_candidates(NAMES[:2])
        assert set(view.predict(X)) <= set(NAMES[:2])
        assert clone(model).fit(X, Y).n_features_in_ == model.n_features_in_ == N_FEATURES
        with pytest.raises(ValueError, match="12 features"):
            model.predict(X[:, 1:])


# What cannot come from sums over classes --------------------------------------------------------


class OwnFit(EmbeddingRegressor):
    """A subclass whose ``fit`` is another one."""

    def fit(self, X, y):
        return super().fit(-X, y)


HINGE = DeViSEClassifier(
    TABLE, candidates=NAMES, training=Training(epochs=1, device="cpu"), random_state=0
)
FALLBACKS = {
    "loss": (HINGE, "DeViSEClassifier with these parameters does not learn from sums"),
    "hidden": (clone(HINGE).set_params(loss="mse", hidden=(3,)), "DeViSEClassifier with these"),
    "other method": (ConSEClassifier(None, TABLE, candidates=NAMES), "ConSEClassifier with"),
    "foreign": (NearestCentroid(), "NearestCentroid with"),
    "search": (
        GridSearchCV(MODELS["devise"], {"alpha": [1.0, 2.0]}, cv=ClassKFold(2)),
        "GridSearchCV with",
    ),
    "PCA": (make_pipeline(PCA(3), MODELS["devise"]), "PCA is in front: only Normalizer"),
    "order": (
        make_pipeline(StandardScaler(), Normalizer(), MODELS["devise"]),
        "StandardScaler is in front: only Normalizer",
    ),
    "nested": (make_pipeline(Normalizer(), make_pipeline(MODELS["devise"])), "Pipeline with these"),
}


@pytest.mark.parametrize(("model", "message"), FALLBACKS.values(), ids=FALLBACKS)
def test_other_estimators_are_fitted_anew_and_say_so(model, message):
    cv = ClassKFold(2)
    with pytest.warns(EfficiencyWarning, match=f"each fold is fitted anew, because {message}"):
        got = cross_validate_classes(model, X, Y, cv, "accuracy", return_train_score=True)
    expected = cross_validate(model, X, Y, cv=cv, scoring="accuracy", return_train_score=True)
    assert got.keys() == expected.keys()
    for name in ("test_score", "train_score"):
        np.testing.assert_allclose(got[name], expected[name])


def test_a_subclass_with_a_fit_of_its_own_is_fitted():
    with pytest.warns(EfficiencyWarning, match="OwnFit with these parameters"):
        results = cross_validate_classes(OwnFit(TABLE), X, Y, return_estimator=True)
    train, _ = next(ClassKFold(5).split(X, Y))
    coef, _ = map_of(EmbeddingRegressor(TABLE).fit(-X[train], Y[train]))
    np.testing.assert_allclose(map_of(results["estimator"][0])[0], coef)


def test_numbers_and_vectors_are_fitted_anew():
    scoring = "neg_mean_squared_error"
    for model, y, message in (
        (EmbeddingRegressor(TABLE), VECTORS[CODES], r"y holds no labels \(.*must be 1-D"),
        (EmbeddingRegressor(), X[:, 0], "EmbeddingRegressor with these parameters"),
        (EmbeddingRegressor(), CODES, "EmbeddingRegressor with these parameters"),
    ):
        options = {"groups": Y, "cv": ClassKFold(3), "scoring": scoring}
        with pytest.warns(EfficiencyWarning, match=message):
            got = cross_validate_classes(model, X, y, **options)
        expected = cross_validate(model, X, y, **options)
        np.testing.assert_allclose(got["test_score"], expected["test_score"])


@pytest.mark.parametrize(
    ("features", "message"),
    [
        (X.tolist(), "X, of type list, is neither"),
        (X.astype(object), "X holds object, not numbers"),
        (pd.DataFrame(X).astype(object), "X holds object, not numbers"),
    ],
    ids=["list", "object", "object frame"],
)
def test_features_of_other_kinds_are_left_to_the_estimator(features, message):
    with pytest.warns(EfficiencyWarning, match=message):
        got = cross_validate_classes(MODELS["devise"], features, Y, 3)
    expected = cross_validate_classes(MODELS["devise"], X, Y, 3)
    np.testing.assert_allclose(got["test_score"], expected["test_score"])


def test_what_the_estimator_rejects_is_its_own_error():
    for features in (csr_array(X), X[:, 0], X + 1j, X[:, :0]):
        with pytest.warns(EfficiencyWarning), pytest.raises((TypeError, ValueError)) as ours:
            cross_validate_classes(MODELS["devise"], features, Y, 3, error_score="raise")
        with pytest.raises((TypeError, ValueError)) as theirs:
            cross_validate(MODELS["devise"], features, Y, cv=ClassKFold(3), error_score="raise")
        assert str(ours.value) == str(theirs.value)


def test_working_memory_is_the_limit():
    with sklearn.config_context(working_memory=0.001):  # MiB: five matrices of 12 x 12 take 0.006
        with pytest.warns(
            EfficiencyWarning, match="sums over 12 features.*working_memory is 0.001"
        ):
            got = cross_validate_classes(MODELS["devise"], X, Y, 3)
    expected = cross_validate_classes(MODELS["devise"], X, Y, 3)
    np.testing.assert_allclose(got["test_score"], expected["test_score"])


def test_folds_are_fitted_anew_in_silence_where_that_is_cheaper(monkeypatch):
    calls = []
    fit = EmbeddingRegressor.fit
    monkeypatch.setattr(
        EmbeddingRegressor, "fit", lambda self, X, y: calls.append(len(X)) or fit(self, X, y)
    )
    very_wide = np.column_stack([WIDE] * 20)  # 2640 features of 85 rows, in three folds
    cross_validate_classes(MODELS["regressor"], very_wide, Y, ClassKFold(3))
    assert len(calls) == 3
    cross_validate_classes(MODELS["regressor"], WIDE, Y, LeaveOneClassOut())
    assert len(calls) == 3


# Near to singular -------------------------------------------------------------------------------


def rank_deficient():
    return X[:, :3] @ RNG.normal(size=(3, N_FEATURES))


def one_class_varies():
    features = X.copy()
    features[:, 0] = CODES == 4  # constant, and singular, without class 4
    return features


@pytest.mark.parametrize(
    ("features", "alpha", "n_refitted"),
    [
        (rank_deficient(), 0.0, "9 of 9"),
        (rank_deficient(), 1e-12, "9 of 9"),
        (one_class_varies(), 0.0, "1 of 9"),
        (WIDE, 1e-9, "9 of 9"),
    ],
    ids=["rank, no penalty", "rank, tiny penalty", "one class", "wide"],
)
def test_folds_near_to_singular_are_fitted_anew_and_say_so(features, alpha, n_refitted):
    model = EmbeddingRegressor(TABLE, alpha=alpha)
    with pytest.warns(EfficiencyWarning, match=f"{n_refitted} folds were fitted anew, because"):
        assert_equal_results(model, features, cv=LeaveOneClassOut())


@pytest.mark.parametrize("alpha", [0.3, 1e12])
@pytest.mark.parametrize("step", [1.0, 1e9])
def test_a_feature_of_one_class_is_scaled_exactly(step, alpha):
    features = one_class_varies()
    features[:, 0] *= step
    features[:, 1] = features[:, 0] + 1e-3 * X[:, 1]
    model = make_pipeline(StandardScaler(), EmbeddingRegressor(TABLE, alpha=alpha))
    with pytest.warns(EfficiencyWarning, match="1 of 9 folds"):
        got, expected = assert_equal_results(model, features, cv=LeaveOneClassOut(), atol=1e-7)
    for one, other in zip(got["estimator"], expected["estimator"], strict=True):
        np.testing.assert_allclose(one[0].scale_, other[0].scale_, rtol=1e-7)
    assert got["estimator"][4][0].scale_[0] == 1.0


@pytest.mark.parametrize("alpha", [1e-4, 1.0, 1e4])
def test_neither_units_nor_offsets_cost_digits(alpha):
    units = 10.0 ** np.linspace(-5, 5, N_FEATURES)
    for features in (X * units, (X + 1e6) * units, np.column_stack([X, np.full(len(Y), 3.3e5)])):
        for before in ([], [StandardScaler()]):
            model = make_pipeline(*before, EmbeddingRegressor(TABLE, alpha=alpha))
            got = cross_validate_classes(
                model, features, Y, LeaveOneClassOut(), SCORERS["neg_embedding_mse"]
            )
            expected = cross_validate(
                model, features, Y, cv=LeaveOneClassOut(), scoring=SCORERS["neg_embedding_mse"]
            )
            np.testing.assert_allclose(got["test_score"], expected["test_score"], rtol=1e-6)


# Failures --------------------------------------------------------------------------------------


@pytest.mark.parametrize("folds", [[(ROWS, [])], [(ROWS[:50], ROWS[50:]), ([], ROWS)]])
@pytest.mark.parametrize("model", [MODELS["devise"], NearestCentroid()])
@pytest.mark.filterwarnings("ignore:.*fitted anew")
def test_an_empty_fold_is_an_error(folds, model):
    name = "test" if len(folds) == 1 else "training"
    message = rf"fold {len(folds) - 1} has no {name} rows. Pass a cv .* such as ClassKFold\(5\)"
    with pytest.raises(ValueError, match=message):
        cross_validate_classes(model, X, Y, folds)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_features_that_are_not_finite_are_an_error(value):
    features = X.astype(np.float32)
    features[[17, 40], 3] = value
    with pytest.raises(ValueError, match="NaN or infinity in 2 of the rows read.*first.*row 17"):
        cross_validate_classes(MODELS["devise"], features, Y)


def test_lengths_must_be_equal():
    for y, groups in ((Y[1:], None), (Y, Y[1:])):
        with pytest.raises(ValueError, match="inconsistent numbers of samples"):
            cross_validate_classes(MODELS["devise"], X, y, groups=groups)


def test_parameters_are_checked_as_in_fit():
    for changes, message in (
        ({"alpha": -1.0}, "DeViSEClassifier: alpha must be a number of at least 0"),
        ({"margin": -1.0}, "margin must be"),
        ({"center": "yes"}, "center must be True or False"),
        ({"candidates": ["okapi"]}, "no vector for 1 of 1 labels.*okapi"),
    ):
        model = clone(MODELS["devise"]).set_params(**changes)
        with pytest.raises(ValueError, match=message):
            cross_validate_classes(model, X, Y, error_score="raise")
    with pytest.raises(ValueError, match="alpha_features must be a number above 0"):
        cross_validate_classes(ESZSLClassifier(TABLE, alpha_features=0), X, Y, error_score="raise")
    with pytest.raises(ValueError, match="EmbeddingRegressor: alpha"):
        cross_validate_classes(EmbeddingRegressor(TABLE, alpha=-1), X, Y, error_score="raise")


def test_a_label_without_vector_is_named():
    labels = np.where(CODES == 0, "okapi", Y)
    with pytest.raises(ValueError, match="okapi"):
        cross_validate_classes(MODELS["devise"], X, labels, error_score="raise")


@pytest.mark.parametrize("scoring", ["sharpness", ["accuracy", "sharpness"], [1], []])
def test_an_unknown_scoring_is_an_error(scoring):
    with pytest.raises(ValueError, match="scor"):
        cross_validate_classes(MODELS["devise"], X, Y, scoring=scoring)
    with pytest.raises(ValueError):
        cross_validate(MODELS["devise"], X, Y, scoring=scoring, cv=ClassKFold(5))


@pytest.mark.parametrize("cv", [1, True, "five", 2.5])
def test_a_cv_that_is_none_is_an_error(cv):
    with pytest.raises(ValueError, match="n_splits must be|[Ee]xpected `?cv`?"):
        cross_validate_classes(MODELS["devise"], X, Y, cv)


def test_failed_fits_and_scores_get_the_error_score():
    """Without class a in the table, only the fold that leaves it out can be fitted."""
    model = EmbeddingRegressor(AttributeTable(VECTORS[1:], labels=NAMES[1:]))
    scoring = {"norm": lambda model, X, y: float(np.linalg.norm(model.predict(X)))}
    with pytest.warns(FitFailedWarning, match="8 fits failed out of a total of 9"):
        got = cross_validate_classes(model, X, Y, LeaveOneClassOut(), scoring, error_score=-7.0)
    assert got["test_norm"][0] > 0 and got["test_norm"][1:].tolist() == [-7.0] * 8

    def fails(model, X, y):
        raise RuntimeError("no score today")

    for one in (fails, {"fails": fails}):
        with pytest.warns(UserWarning, match="no score today"):
            got = cross_validate_classes(MODELS["devise"], X, Y, 3, one)
        assert np.isnan(next(got[name] for name in got if name.startswith("test"))).all()
        with pytest.raises(RuntimeError, match="no score today"):
            cross_validate_classes(MODELS["devise"], X, Y, 3, one, error_score="raise")


def test_labels_of_two_kinds_are_the_estimators_error():
    with pytest.warns(EfficiencyWarning, match="y holds no labels.*all strings or all integers"):
        with pytest.raises(ValueError, match="Unknown label type"):
            cross_validate_classes(MODELS["devise"], X, [1, *Y[1:]], [(ROWS[:50], ROWS[50:])])


def test_warnings_of_labels_come_through():
    twins = AttributeTable([*VECTORS[:8], VECTORS[7]], labels=NAMES)
    model = DeViSEClassifier(twins, loss="mse", candidates=NAMES)
    with pytest.warns(LabelWarning, match="labels share one vector"):
        cross_validate_classes(model, X, Y)


# Memory ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("before", [[], [Normalizer(), StandardScaler()]], ids=["ridge", "scaled"])
def test_a_memory_map_is_never_copied_whole(tmp_path, monkeypatch, before):
    n, d, n_classes = 20_000, 64, 40
    path = tmp_path / "features.npy"
    codes = np.arange(n) % n_classes
    stored = np.lib.format.open_memmap(path, "w+", dtype=np.float32, shape=(n, d))
    for start in range(0, n, 1000):
        stored[start : start + 1000] = np.random.default_rng(start).normal(size=(1000, d))
    stored.flush()
    del stored
    features = np.load(path, mmap_mode="r")
    table = AttributeTable(np.random.default_rng(1).normal(size=(n_classes, 5)), range(n_classes))
    model = make_pipeline(*before, EmbeddingRegressor(table))
    monkeypatch.setattr(_sums, "BLOCK_ELEMENTS", 500 * d)
    options = {"cv": LeaveOneClassOut(), "scoring": SCORERS["neg_embedding_mse"]}
    tracemalloc.start()
    got = cross_validate_classes(model, features, codes, **options)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < features.nbytes / 2  # a copy in float64 takes twice of it
    some = [fold for fold in LeaveOneClassOut().split(features, codes)][:2]
    expected = cross_validate(model, features, codes, **{**options, "cv": some})
    np.testing.assert_allclose(got["test_score"][:2], expected["test_score"], rtol=1e-6)


# What is wrong is said beforehand ----------------------------------------------------------------


def test_float16_behind_a_scaler_is_fitted_anew():
    model = make_pipeline(StandardScaler(), MODELS["regressor"])
    half = (X / 10).astype(np.float16)
    with pytest.warns(EfficiencyWarning, match="X holds float16"):
        got = cross_validate_classes(model, half, Y, ClassKFold(3))
    expected = cross_validate(model, half, Y, cv=ClassKFold(3))
    np.testing.assert_array_equal(got["test_score"], expected["test_score"])
    assert_equal_results(MODELS["regressor"], half, cv=ClassKFold(3))


@pytest.mark.parametrize("model", [MODELS["regressor"], LogisticRegression()], ids=["one", "anew"])
@pytest.mark.filterwarnings("ignore:.*fitted anew")
class TestBadArguments:
    def test_no_folds(self, model):
        with pytest.raises(ValueError, match="cross_validate_classes: cv gives no folds"):
            cross_validate_classes(model, X, Y, [])

    def test_an_empty_fold(self, model):
        with pytest.raises(ValueError, match="cross_validate_classes: fold 0 has no training row"):
            cross_validate_classes(model, X, Y, [([], [])])

    @pytest.mark.parametrize(
        "scoring", ["hit_at_50", ["accuracy", "hit_at_50"], {"a": "hit_at_50"}]
    )
    def test_an_unknown_scorer(self, model, scoring):
        words = (
            "scoring='hit_at_50' is not a scorer. Did you mean 'hit_at_5'.*SCORERS has unseen_acc"
        )
        with pytest.raises(ValueError, match=f"cross_validate_classes: {words}"):
            cross_validate_classes(model, X, Y, 3, scoring)
        with pytest.raises(ValueError, match="cross_validate_classes: scoring must be a name"):
            cross_validate_classes(model, X, Y, 3, 5)

    def test_no_labels(self, model):
        with pytest.raises(ValueError, match="cross_validate_classes: y is None. Pass the labels"):
            cross_validate_classes(model, X, None, 3)

    def test_features_that_are_not_finite(self, model):
        holes = np.where(np.arange(N_FEATURES) == 3, np.nan, X)
        with pytest.raises(ValueError, match="cross_validate_classes: X holds NaN or infinity"):
            cross_validate_classes(model, holes, Y, 3)

    def test_no_estimator(self, model):
        for wrong, got in ((type(model), f"the class {type(model).__name__}"), (None, "None")):
            with pytest.raises(TypeError, match=f"estimator must be an object with fit.*got {got}"):
                cross_validate_classes(wrong, X, Y, 3)


@pytest.mark.filterwarnings("ignore:.*fitted anew")
def test_holes_that_the_estimator_takes_are_let_pass():
    holes = np.where(np.arange(N_FEATURES) == 3, np.nan, X)
    model = make_pipeline(SimpleImputer(keep_empty_features=True), EmbeddingRegressor(TABLE))
    assert np.isfinite(cross_validate_classes(model, holes, Y, 3)["test_score"]).all()
