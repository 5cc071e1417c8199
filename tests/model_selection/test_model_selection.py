"""Class splits are disjoint, complete and scikit-learn's own where it has them."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import (
    GridSearchCV,
    GroupShuffleSplit,
    LeaveOneGroupOut,
    cross_val_score,
    cross_validate,
)
from sklearn.neighbors import NearestCentroid
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.validation import check_is_fitted

from zeroshot import AttributeTable, ESZSLClassifier
from zeroshot.model_selection import (
    ClassKFold,
    ClassShuffleSplit,
    GeneralizedClassKFold,
    LeaveOneClassOut,
    PredefinedClassSplit,
    predict_top_k,
    unwrap,
    with_candidates,
)

NAMES = np.array(["ant", "bee", "cat", "dog", "emu", "fox", "gnu"])
CODES = np.random.default_rng(0).permutation(np.repeat(np.arange(7), [9, 4, 5, 6, 3, 8, 7]))
Y = NAMES[CODES]
X = np.random.default_rng(1).normal(size=(len(Y), 3))

PURE = [
    ClassKFold(3),
    ClassKFold(3, shuffle=True, random_state=0),
    ClassShuffleSplit(4, test_size=2, random_state=0),
    ClassShuffleSplit(4, test_size=0.3, train_size=0.3, random_state=0),
    LeaveOneClassOut(),
    PredefinedClassSplit(["ant", "gnu"]),
    PredefinedClassSplit([["ant", "gnu"], ["bee"]]),
]
GENERALIZED = [
    GeneralizedClassKFold(3),
    GeneralizedClassKFold(3, test_size=0.5, shuffle=True, random_state=0),
    GeneralizedClassKFold(3, test_size=2),
]


def folds_of(splitter, y=Y, groups=None):
    return [
        (train.tolist(), test.tolist())
        for train, test in splitter.split(np.zeros(len(Y)), y, groups)
    ]


@pytest.mark.parametrize("splitter", PURE, ids=repr)
def test_train_and_test_share_no_class_and_classes_are_whole(splitter):
    for train, test in splitter.split(X, Y):
        assert not set(Y[train]) & set(Y[test])
        for part in (train, test):
            assert len(part) == np.isin(Y, Y[part]).sum() > 0
            assert (np.diff(part) > 0).all()


@pytest.mark.parametrize("splitter", PURE + GENERALIZED, ids=repr)
def test_get_n_splits_counts_the_folds(splitter):
    assert splitter.get_n_splits(X, Y) == len(list(splitter.split(X, Y)))


@pytest.mark.parametrize("splitter", PURE + GENERALIZED, ids=repr)
def test_splits_repeat_and_leave_inputs_alone(splitter):
    y = Y.copy()
    first = folds_of(splitter, y)
    assert first == folds_of(splitter, y)
    assert first == folds_of(copy.deepcopy(splitter), y)
    assert first == folds_of(pickle.loads(pickle.dumps(splitter)), y)
    assert (y == Y).all()


@pytest.mark.parametrize("splitter", [*PURE[:5], *GENERALIZED], ids=repr)
@pytest.mark.parametrize(
    "labels",
    [CODES, CODES * 10 - 5, list(Y), Y.astype(object), pd.Series(Y, index=range(5, 5 + len(Y)))],
    ids=["int", "gaps", "list", "object", "Series"],
)
def test_kind_of_labels_changes_nothing(splitter, labels):
    assert folds_of(splitter, labels) == folds_of(splitter, Y)


@pytest.mark.parametrize("splitter", PURE + GENERALIZED, ids=repr)
def test_groups_stand_in_for_y(splitter):
    vectors = np.random.default_rng(2).normal(size=(len(Y), 4))
    assert folds_of(splitter, vectors, groups=Y) == folds_of(splitter, Y)
    assert folds_of(splitter, CODES[::-1], groups=Y) == folds_of(splitter, Y)
    assert folds_of(splitter, None, groups=Y) == folds_of(splitter, Y)


@pytest.mark.parametrize("splitter", PURE + GENERALIZED, ids=repr)
def test_only_the_length_of_X_matters(splitter):
    paths = [f"{name}.jpg" for name in Y]
    for (a, b), (c, d) in zip(splitter.split(paths, Y), splitter.split(X, Y), strict=True):
        assert (a == c).all() and (b == d).all()


@pytest.mark.parametrize(
    "splitter", [ClassKFold(4), ClassKFold(4, shuffle=True, random_state=3), LeaveOneClassOut()]
)
def test_every_class_is_tested_once(splitter):
    tested = [name for _, test in splitter.split(X, Y) for name in np.unique(Y[test])]
    assert sorted(tested) == NAMES.tolist()


@pytest.mark.parametrize("sizes", [{}, {"test_size": 3}, {"train_size": 0.6}, {"test_size": 0.4}])
@pytest.mark.parametrize("seed", [0, 7])
def test_class_shuffle_split_is_group_shuffle_split(sizes, seed):
    ours = ClassShuffleSplit(random_state=seed, **sizes)
    theirs = GroupShuffleSplit(random_state=seed, **sizes)
    assert folds_of(ours) == folds_of(theirs, groups=Y)
    assert ours.get_n_splits() == theirs.get_n_splits()


def test_twenty_of_a_hundred_classes_are_drawn_as_group_shuffle_split_does():
    labels = np.repeat(np.arange(100), 2)
    ours = ClassShuffleSplit(n_splits=5, test_size=20, random_state=0)
    theirs = GroupShuffleSplit(n_splits=5, test_size=20, random_state=0)
    for (_, a), (_, b) in zip(
        ours.split(labels, labels), theirs.split(labels, groups=labels), strict=True
    ):
        assert (a == b).all() and len(set(labels[a])) == 20


def test_leave_one_class_out_is_leave_one_group_out():
    assert folds_of(LeaveOneClassOut()) == folds_of(LeaveOneGroupOut(), groups=Y)


def test_class_k_fold_cuts_the_sorted_classes():
    tested = [sorted(set(Y[test])) for _, test in ClassKFold(3).split(X, Y)]
    assert tested == [["ant", "bee", "cat"], ["dog", "emu"], ["fox", "gnu"]]


def test_seeds_differ_and_repeat():
    def shuffled(seed):
        return folds_of(ClassKFold(3, shuffle=True, random_state=seed))

    assert shuffled(0) == shuffled(0)
    assert shuffled(0) != shuffled(1)
    assert shuffled(0) != folds_of(ClassKFold(3))


def test_predefined_folds_come_in_order():
    splitter = PredefinedClassSplit([["gnu"], ["ant", "bee"], ["gnu", "cat"]])
    tested = [set(Y[test]) for _, test in splitter.split(X, Y)]
    assert tested == [{"gnu"}, {"ant", "bee"}, {"gnu", "cat"}]
    assert folds_of(PredefinedClassSplit([6]), CODES) == folds_of(PredefinedClassSplit(["gnu"]))
    assert folds_of(PredefinedClassSplit(np.array([[5, 6]])), CODES) == folds_of(
        PredefinedClassSplit(["fox", "gnu"])
    )


@pytest.mark.parametrize("splitter", GENERALIZED, ids=repr)
def test_generalized_holds_out_classes_and_a_share_of_the_rest(splitter):
    if splitter.shuffle:
        pure = ClassKFold(3, shuffle=True, random_state=splitter.random_state)
    else:
        pure = ClassKFold(3)
    for (train, test), (_, unseen) in zip(splitter.split(X, Y), pure.split(X, Y), strict=True):
        assert sorted([*train, *test]) == list(range(len(Y)))
        assert set(unseen) <= set(test)
        assert not set(Y[train]) & set(Y[unseen])
        for name in set(Y) - set(Y[unseen]):
            size = (Y == name).sum()
            share = splitter.test_size
            expected = int(np.ceil(share * size)) if share < 1 else share
            assert (Y[test] == name).sum() == max(1, min(expected, size - 1))
            assert (Y[train] == name).any()


def test_generalized_rotates_the_held_out_samples():
    splitter = GeneralizedClassKFold(7, test_size=1)
    held = [row for _, test in splitter.split(X, Y) for row in test if Y[row] == "ant"]
    ant_rows = np.flatnonzero(Y == "ant").tolist()
    # Fold 0 holds out the class itself; the other six folds hold out a different sample each.
    assert sorted(held) == sorted(ant_rows + ant_rows[1:7])


def test_generalized_shuffles_the_samples_too():
    labels = np.repeat([0, 1], 50)
    first, second = (
        next(GeneralizedClassKFold(2, shuffle=True, random_state=seed).split(labels, labels))[1]
        for seed in (0, 3)
    )
    held = [set(test[np.bincount(labels[test])[labels[test]] == 10]) for test in (first, second)]
    consecutive = [max(rows) - min(rows) == 9 for rows in held]
    assert len(held[0]) == len(held[1]) == 10 and consecutive == [False, False]
    assert {row % 50 for row in held[0]} != {row % 50 for row in held[1]}


def test_generalized_leaves_a_single_sample_in_training():
    labels = ["ant", "bee", "bee", "cat", "cat"]
    folds = list(GeneralizedClassKFold(3).split(labels, labels))
    assert [test.tolist() for _, test in folds] == [[0, 1, 3], [1, 2, 4], [1, 3, 4]]
    assert all(0 in train for train, _ in folds[1:])


def test_generalized_without_a_sample_to_hold_out_raises():
    labels = ["ant", "bee", "cat"]
    with pytest.raises(
        ValueError, match="no seen class of fold 0 has two.*ClassKFold holds out whole"
    ):
        list(GeneralizedClassKFold(3).split(labels, labels))


@pytest.mark.parametrize(
    ("splitter", "y", "message"),
    [
        (ClassKFold(3), None, "ClassKFold: there are no labels.*Pass y or groups=labels"),
        (ClassKFold(3), X, r"y is 2-D, shape \(42, 3\).*Pass groups=labels"),
        (ClassKFold(3), X[:, 0], "Unknown label type.*Pass groups=labels"),
        (ClassKFold(8), Y, "ClassKFold: 8 classes or more.* have 7.*n_splits of at most 7"),
        (ClassKFold(2), ["ant"] * 42, "2 classes or more.* have 1 .*Pass samples of more classes"),
        (ClassKFold(1), Y, "n_splits must be at least 2, got 1"),
        (ClassKFold(2.5), Y, "n_splits must be an integer, got 2.5"),
        (ClassKFold(3, random_state=0), Y, "random_state=0 has no effect.*Pass shuffle=True"),
        (GeneralizedClassKFold(8), Y, "GeneralizedClassKFold: 8 classes or more"),
        (GeneralizedClassKFold(test_size=1.0), Y, "test_size must be a share.*got 1.0"),
        (GeneralizedClassKFold(test_size=0), Y, "test_size must be a share.*got 0"),
        (GeneralizedClassKFold(test_size=True), Y, "test_size must be a share.*got True"),
        (GeneralizedClassKFold(random_state=1), Y, "random_state=1 has no effect"),
        (LeaveOneClassOut(), ["ant"] * 42, "LeaveOneClassOut: 2 classes or more"),
        (LeaveOneClassOut(), X, "Pass groups=labels"),
        (ClassShuffleSplit(), ["ant"] * 42, "ClassShuffleSplit: 2 classes or more"),
        (ClassShuffleSplit(test_size=7), Y, "cannot split 7 classes.*leave at least one class"),
        (ClassShuffleSplit(train_size=0.1), Y, "cannot split 7 classes"),
        (ClassShuffleSplit(0), Y, "n_splits must be at least 1"),
        (PredefinedClassSplit([]), Y, "test_classes is empty"),
        (PredefinedClassSplit([["ant"], []]), Y, "test_classes is empty"),
        (PredefinedClassSplit(["ant", "ant"]), Y, r"more than once \('ant'\)"),
        (PredefinedClassSplit(["ant", "yak"]), Y, r"1 of 2 labels.*\('yak'\).*as they stand in y"),
        (PredefinedClassSplit([["ant"], ["yak"]]), Y, "1 of 1 labels.*'yak'"),
        (PredefinedClassSplit(["0"]), CODES, "'0'.*such as 0, 1, 2"),
        (PredefinedClassSplit(["ant", ["bee"]]), Y, "mixes labels and lists"),
        (PredefinedClassSplit(NAMES), Y, "all 7 classes.*Leave at least one"),
    ],
)
def test_bad_input_says_what_to_do(splitter, y, message):
    with pytest.raises(ValueError, match=message):
        list(splitter.split(np.zeros(42), y))


def test_a_bare_string_is_not_a_list_of_classes():
    with pytest.raises(TypeError, match=r"Write \['ant'\] for a single label"):
        PredefinedClassSplit("ant").get_n_splits()


def test_different_lengths_raise():
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        next(ClassKFold(3).split(X[:-1], Y))


def test_leave_one_class_out_counts_from_labels():
    assert LeaveOneClassOut().get_n_splits(None, CODES) == 7
    assert LeaveOneClassOut().get_n_splits(None, X, groups=Y) == 7
    with pytest.raises(ValueError, match="Pass y or groups=labels"):
        LeaveOneClassOut().get_n_splits()


def test_repr_is_the_constructor_call():
    assert repr(ClassKFold(3)) == "ClassKFold(n_splits=3, shuffle=False, random_state=None)"
    assert repr(LeaveOneClassOut()) == "LeaveOneClassOut()"
    for splitter in PURE + GENERALIZED:
        assert folds_of(eval(repr(splitter))) == folds_of(splitter)


class Prototypes(ClassifierMixin, BaseEstimator):
    """Answers the candidate whose prototype (its position in NAMES) is nearest to X[:, 0]."""

    def __init__(self, candidates=None, shift=0.0):
        self.candidates = candidates
        self.shift = shift

    def fit(self, X, y):
        self.seen_classes_ = np.unique(y)
        candidates = self.seen_classes_ if self.candidates is None else self.candidates
        self.classes_ = np.unique(candidates)
        return self

    def predict(self, X):
        check_is_fitted(self)
        prototypes = np.searchsorted(NAMES, self.classes_)
        return self.classes_[np.abs(X[:, :1] + self.shift - prototypes).argmin(axis=1)]

    def with_candidates(self, labels):
        check_is_fitted(self)
        view = copy.copy(self)
        view.classes_ = np.unique(labels)
        return view


SIGNAL = np.column_stack([CODES, X[:, 1]])


@pytest.mark.parametrize("splitter", PURE + GENERALIZED, ids=repr)
def test_cross_val_score_with_unseen_string_labels(splitter):
    scores = cross_val_score(Prototypes(NAMES), SIGNAL, Y, cv=splitter)
    assert scores.tolist() == [1.0] * splitter.get_n_splits(SIGNAL, Y)


def test_cross_val_score_in_two_processes():
    scores = cross_val_score(Prototypes(NAMES), SIGNAL, Y, cv=ClassKFold(3), n_jobs=2)
    assert scores.tolist() == [1.0] * 3


def test_cross_val_score_by_groups_of_a_regressor():
    scores = cross_val_score(
        Ridge(), SIGNAL, SIGNAL, groups=Y, cv=ClassKFold(3), scoring="neg_mean_squared_error"
    )
    assert scores.shape == (3,) and np.isfinite(scores).all()


def test_groups_arrive_through_metadata_routing():
    with sklearn.config_context(enable_metadata_routing=True):
        routed = cross_validate(
            NearestCentroid(),
            X,
            CODES[::-1],
            params={"groups": Y},
            cv=ClassKFold(3),
            return_indices=True,
        )
    for test, (_, ours) in zip(
        routed["indices"]["test"], ClassKFold(3).split(SIGNAL, Y), strict=True
    ):
        assert (test == ours).all()


def test_grid_search_chooses_on_unseen_classes():
    search = GridSearchCV(Prototypes(NAMES), {"shift": [2.0, 0.0, -2.0]}, cv=ClassKFold(3))
    assert search.fit(SIGNAL, Y).best_params_ == {"shift": 0.0}
    assert clone(search).cv.n_splits == 3


def test_default_cv_measures_supervised_accuracy_and_class_k_fold_does_not():
    features = SIGNAL + X[:, :2] / 10
    assert cross_val_score(NearestCentroid(), features, Y, cv=3).mean() > 0.5
    assert cross_val_score(NearestCentroid(), features, Y, cv=ClassKFold(3)).max() == 0.0


def fitted_models():
    plain = Prototypes().fit(SIGNAL[CODES < 5], Y[CODES < 5])
    pipe = make_pipeline("passthrough", Prototypes()).fit(SIGNAL[CODES < 5], Y[CODES < 5])
    nested = make_pipeline("passthrough", pipe)
    search = GridSearchCV(make_pipeline("passthrough", Prototypes()), {}, cv=ClassKFold(2))
    search.fit(SIGNAL[CODES < 5], Y[CODES < 5])
    return [plain, pipe, nested, search, FrozenEstimator(plain), FrozenEstimator(pipe)]


@pytest.mark.parametrize(
    "model",
    fitted_models(),
    ids=["plain", "pipeline", "nested", "search", "frozen", "frozen pipeline"],
)
def test_with_candidates_is_a_view(model):
    before = model.predict(SIGNAL)
    view = with_candidates(model, ["fox", "gnu"])
    assert set(view.predict(SIGNAL)) == {"fox", "gnu"}
    assert view.predict(SIGNAL[CODES == 5]).tolist() == ["fox"] * 8
    assert unwrap(view).seen_classes_ is unwrap(model).seen_classes_
    assert (model.predict(SIGNAL) == before).all()
    assert set(before) == set(NAMES[:5])


def test_with_candidates_shares_the_fitted_steps_and_keeps_the_pipeline():
    class NamedPipeline(Pipeline):
        pass

    model = NamedPipeline([("scale", StandardScaler()), ("last", Prototypes())], verbose=False)
    model.fit(SIGNAL, Y)
    view = with_candidates(model, ["ant", "bee"])
    assert type(view) is NamedPipeline
    assert view.named_steps["scale"] is model.named_steps["scale"]
    assert [name for name, _ in view.steps] == ["scale", "last"]
    assert view.named_steps["last"] is not model.named_steps["last"]
    assert model.named_steps["last"].classes_.tolist() == NAMES.tolist()


def test_with_candidates_of_other_models_raises():
    with pytest.raises(TypeError, match="LogisticRegression cannot choose.*DeViSEClassifier"):
        with_candidates(make_pipeline(StandardScaler(), LogisticRegression()), ["ant"])
    with pytest.raises(NotFittedError):
        with_candidates(make_pipeline(StandardScaler(), Prototypes()), ["ant"])


@pytest.mark.parametrize("function", [unwrap, lambda model: with_candidates(model, ["ant"])])
def test_a_search_without_a_best_estimator_raises(function):
    search = GridSearchCV(Prototypes(), {}, cv=ClassKFold(2), refit=False)
    with pytest.raises(NotFittedError, match="GridSearchCV has no best_estimator_.*refit=True"):
        function(search)
    with pytest.raises(NotFittedError, match="refit=True"):
        function(make_pipeline("passthrough", search.fit(SIGNAL, Y)))


def test_unwrap_goes_through_pipelines_and_searches():
    inner = GridSearchCV(make_pipeline(StandardScaler(), Prototypes()), {}, cv=ClassKFold(2))
    model = make_pipeline(StandardScaler(), inner).fit(SIGNAL, Y)
    assert unwrap(model) is inner.best_estimator_.steps[-1][1]
    assert unwrap(model.steps[0][1]) is model.steps[0][1]
    assert unwrap(FrozenEstimator(make_pipeline(FrozenEstimator(model)))) is unwrap(model)


def test_a_view_of_a_frozen_model_is_frozen():
    model = FrozenEstimator(Prototypes().fit(SIGNAL, Y))
    view = with_candidates(model, ["ant", "bee"])
    assert type(view) is FrozenEstimator and clone(view) is view
    assert view.classes_.tolist() == ["ant", "bee"]


def test_the_best_labels_of_a_whole_pipeline():
    X, y = np.eye(3), np.array(["ant", "bee", "cat"])
    embedding = AttributeTable(np.eye(3), labels=y)
    model = make_pipeline(StandardScaler(), ESZSLClassifier(embedding, candidates=y)).fit(X, y)
    search = GridSearchCV(model, {"eszslclassifier__alpha_labels": [1.0]}, cv=[([0, 1], [2])])
    for whole in (model, FrozenEstimator(model), search.fit(X, y)):
        labels, scores = predict_top_k(whole, X, k=2)
        final = unwrap(whole)
        expected = final.predict_top_k(model[:-1].transform(X), 2)
        np.testing.assert_array_equal(labels, expected[0])
        assert (np.diff(scores, axis=1) <= 0).all()
    with pytest.raises(TypeError, match="predict_top_k: Ridge has no best labels"):
        predict_top_k(Ridge().fit(X, X), X)
