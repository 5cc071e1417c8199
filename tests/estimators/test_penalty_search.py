"""ESZSLClassifierCV and EmbeddingRegressorCV: the scores of fitting every point anew, at once."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import config_context
from sklearn.model_selection import GridSearchCV, KFold, StratifiedKFold

from zeroshot import (
    AttributeTable,
    EmbeddingRegressor,
    EmbeddingRegressorCV,
    ESZSLClassifier,
    ESZSLClassifierCV,
)
from zeroshot._linear import RowSums, SystemOfRows, _sums, _systems
from zeroshot._linear._equations import EIGEN_FROM
from zeroshot.exceptions import LabelWarning, UnknownLabelError
from zeroshot.metrics import SCORERS
from zeroshot.model_selection import (
    ClassKFold,
    ClassShuffleSplit,
    GeneralizedClassKFold,
    LeaveOneClassOut,
)

RNG = np.random.default_rng(0)
NAMES = [f"class {letter}" for letter in "abcdefghijkl"]
TABLE = AttributeTable(RNG.normal(size=(12, 4)) + 0.5, labels=NAMES)
CODES = RNG.permutation(np.repeat(np.arange(10), RNG.integers(5, 12, 10)))
Y = np.array(NAMES)[CODES]
MIXING = RNG.normal(size=(4, 9))
X = TABLE.vectors[CODES] @ MIXING + 1.5 * RNG.normal(size=(len(Y), 9)) + 3
WIDE = TABLE.vectors[CODES] @ RNG.normal(size=(4, 150)) + 4 * RNG.normal(size=(len(Y), 150))
SPREAD = (1e-2, 1.0, 30.0)
GRID = {"alpha_features": SPREAD, "alpha_labels": SPREAD}
FOLDS = ClassKFold(4, shuffle=True, random_state=0)


def assert_same_search(ours, theirs):
    """The choice, and the score of every point in every fold."""
    got, expected = ours.cv_results_, theirs.cv_results_
    assert got["params"] == expected["params"]
    scores = [name for name in expected if name.endswith("_test_score")]
    assert len(scores) == theirs.n_splits_ + 3
    for name in scores:
        np.testing.assert_allclose(got[name], expected[name], rtol=1e-9, atol=1e-9, err_msg=name)
    for name in theirs.param_grid:
        np.testing.assert_array_equal(got[f"param_{name}"], expected[f"param_{name}"].data)
    assert ours.best_index_ == theirs.best_index_
    assert ours.best_score_ == pytest.approx(theirs.best_score_, abs=1e-9)
    for name, value in theirs.best_params_.items():
        assert getattr(ours, f"{name}_") == value


CASES = {
    "tall": (X, {}, FOLDS),
    "wide": (WIDE, {}, FOLDS),
    "as published": (X, {"center_features": False, "center": False}, FOLDS),
    "wide, as published": (WIDE, {"center_features": False}, FOLDS),
    "kernel": (X, {"gamma": 2.0}, FOLDS),
    "little training": (X, {}, ClassShuffleSplit(3, test_size=8, random_state=0)),
    "fewer rows than features": (
        np.hstack([X] * 6),
        {},
        ClassShuffleSplit(2, test_size=8, random_state=0),
    ),
    "rows twice": (X, {}, [(np.r_[0:40, 0:9], np.r_[40:60]), (np.r_[20:60], np.r_[0:20])]),
}


def eszsl(**changes):
    shared = {"scenario": "unseen", "candidates": NAMES[:10], **changes}
    return ESZSLClassifier(TABLE, **shared)


@pytest.mark.parametrize("name", CASES)
def test_eszsl_scores_are_those_of_fitting_every_point(name):
    features, changes, cv = CASES[name]
    scenario = "generalized" if name == "rows twice" else "unseen"  # its folds share classes
    search = GridSearchCV(
        eszsl(scenario=scenario, **changes), GRID, cv=cv, scoring=SCORERS["mean_class_accuracy"]
    )
    ours = ESZSLClassifierCV(
        TABLE, alphas_features=SPREAD, alphas_labels=SPREAD, cv=cv, **changes
    ).fit(features, Y)
    assert_same_search(ours, search.fit(features, Y))
    assert len(set(ours.cv_results_["mean_test_score"])) > 2
    final = ESZSLClassifier(TABLE, **{**search.best_params_, **changes}).fit(features, Y)
    np.testing.assert_allclose(ours.coef_, final.coef_, rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(ours.transform(features), final.transform(features), atol=1e-9)


@pytest.mark.parametrize("scoring", ["hit_at_5", "semantic_similarity_at_3", "accuracy"])
def test_eszsl_with_other_scorers(scoring):
    scorer, cv = SCORERS.get(scoring, scoring), ClassShuffleSplit(2, test_size=6, random_state=0)
    search = GridSearchCV(eszsl(), GRID, cv=cv, scoring=scorer).fit(X, Y)
    for given in (scoring, scorer):
        ours = ESZSLClassifierCV(
            TABLE, alphas_features=SPREAD, alphas_labels=SPREAD, cv=cv, scoring=given
        )
        assert_same_search(ours.fit(X, Y), search)


def test_all_classes_compete_where_a_fold_holds_images_of_seen_ones():
    cv, scorer = GeneralizedClassKFold(4), SCORERS["harmonic_mean"]
    search = GridSearchCV(eszsl(scenario="generalized"), GRID, cv=cv, scoring=scorer).fit(X, Y)
    ours = ESZSLClassifierCV(
        TABLE, alphas_features=SPREAD, alphas_labels=SPREAD, cv=cv, scoring="harmonic_mean"
    )
    assert_same_search(ours.fit(X, Y), search)


@pytest.mark.parametrize("scoring", ["mean_class_accuracy", "hit_at_2"])
def test_held_out_classes_compete_among_themselves_alone(scoring):
    """Not with those that a fold leaves out altogether."""
    train, test = (np.flatnonzero(np.isin(Y, part)) for part in (NAMES[:5], NAMES[5:8]))
    search = GridSearchCV(
        eszsl(candidates=NAMES[:8]), GRID, cv=[(train, test)], scoring=SCORERS[scoring]
    )
    ours = ESZSLClassifierCV(
        TABLE,
        alphas_features=SPREAD,
        alphas_labels=SPREAD,
        cv=[(train, test)],
        scoring=scoring,
    )
    assert_same_search(ours.fit(X, Y), search.fit(X, Y))


def test_without_label_vectors_eszsl_folds_are_over_samples():
    cv = StratifiedKFold(5)
    search = GridSearchCV(ESZSLClassifier(), GRID, cv=cv, scoring=SCORERS["mean_class_accuracy"])
    ours = ESZSLClassifierCV(alphas_features=SPREAD, alphas_labels=SPREAD).fit(X, Y)
    assert_same_search(ours, search.fit(X, Y))


def test_an_int_is_that_many_folds_over_classes():
    for cv in (4, None):
        folds = ClassKFold(cv or 5, shuffle=True, random_state=0)
        given, made = (ESZSLClassifierCV(TABLE, cv=each).fit(X, Y) for each in (cv, folds))
        assert_same_scores(given, made)
        given, made = (EmbeddingRegressorCV(TABLE, cv=each).fit(X, Y) for each in (cv, folds))
        assert_same_scores(given, made)


def assert_same_scores(first, second):
    names = [name for name in first.cv_results_ if name.endswith("test_score")]
    for name in names:
        np.testing.assert_array_equal(first.cv_results_[name], second.cv_results_[name])


def test_integer_labels():
    table = AttributeTable(TABLE.vectors, labels=range(12))
    numbers = ESZSLClassifierCV(table, cv=FOLDS, candidates=range(12)).fit(X, CODES)
    names = ESZSLClassifierCV(TABLE, cv=FOLDS).fit(X, Y)
    assert_same_scores(numbers, names)
    assert numbers.predict(TABLE.vectors[10:] @ MIXING + 3).dtype.kind == "i"


def test_the_naive_formula_with_the_centres_of_each_fold():
    """Nothing of a held-out class reaches its fold: not its features, not its label vector."""
    train, test = next(FOLDS.split(X, Y))
    ours = ESZSLClassifierCV(TABLE, alphas_features=[2.0], alphas_labels=[0.5], cv=[(train, test)])
    seen, codes = np.unique(Y[train], return_inverse=True)
    unseen = np.unique(Y[test])
    raw = {name: TABLE.embed([name])[0].astype(np.float64) for name in NAMES}
    centre = np.mean([raw[name] for name in seen], axis=0)
    S, T = (
        np.array([(raw[n] - centre) / np.linalg.norm(raw[n] - centre) for n in names])
        for names in (seen, unseen)
    )
    signs = np.where(codes[:, None] == np.arange(len(seen)), 1.0, -1.0)
    Z = X[train] - X[train].mean(axis=0)
    V = np.linalg.inv(Z.T @ Z + 2 * np.eye(9)) @ Z.T @ signs @ S
    V = V @ np.linalg.inv(S.T @ S + 0.5 * np.eye(4))
    answers = unseen[((X[test] - X[train].mean(axis=0)) @ V @ T.T).argmax(axis=1)]
    expected = np.mean([np.mean(answers[Y[test] == name] == name) for name in unseen])
    assert ours.fit(X, Y).best_score_ == pytest.approx(expected, abs=1e-12)


def with_a_large_row(features=X):
    """A row of fold 2 of `FOLDS`, beside which what the others sum up to is rounding."""
    large = features.copy()
    large[list(FOLDS.split(X, Y))[2][1][0]] *= 1e8
    return large


def test_eszsl_is_not_misled_by_large_rows_that_a_fold_leaves_out():
    spread = [1e-3, 1.0, 1e3, 1e6]  # some leave the equations singular, but for rounding
    search = GridSearchCV(
        eszsl(temperature=0.1),  # no folds: their sums are added up in another order
        {"alpha_features": spread, "alpha_labels": SPREAD},
        cv=FOLDS,
        scoring=SCORERS["mean_class_accuracy"],
    ).fit(with_a_large_row(), Y)
    ours = ESZSLClassifierCV(TABLE, alphas_features=spread, alphas_labels=SPREAD, cv=FOLDS)
    assert_same_search(ours.fit(with_a_large_row(), Y), search)


def test_weights_of_a_penalty_do_not_depend_on_the_others():
    system = SystemOfRows(with_a_large_row(), CODES)
    spread = [0.0, 1e-3, 1.0, 1e3, 1e6]
    for penalty, solution in zip(spread, system.path(np.eye(10), spread), strict=True):
        np.testing.assert_array_equal(system.ridge(np.eye(10), penalty).coef, solution.coef)


def test_ridge_is_not_misled_by_large_rows_that_a_fold_leaves_out():
    large, (train, test) = with_a_large_row(), list(FOLDS.split(X, Y))[2]
    ours = EmbeddingRegressorCV(TABLE, alphas=SPREAD, cv=FOLDS).fit(large, Y)
    anew = [
        EmbeddingRegressor(TABLE, alpha=alpha)
        .fit(large[train], Y[train])
        .score(large[test], Y[test])
        for alpha in SPREAD
    ]
    np.testing.assert_allclose(ours.cv_results_["split2_test_score"], anew, rtol=1e-9)


@pytest.mark.parametrize(
    ("factor", "keeps"), [(1.0, True), (1e2, True), (1e3, True), (1e6, False), (1e9, False)]
)
def test_digits_are_counted_where_rows_are_subtracted(factor, keeps):
    large = np.vstack([factor * X[:5], X[5:]])
    whole = RowSums.of(large, CODES, origin=np.zeros(9))
    rest = whole.without(large[:5], CODES[:5])
    assert rest.keep_digits(1e-2) is keeps
    assert rest.keep_digits(factor**2)  # the penalty alone counts
    assert whole.keep_digits(0.0) is keeps  # a row still there hides the others as well


def test_a_feature_that_only_the_rows_left_out_have_costs_nothing(monkeypatch):
    rare = np.where(np.arange(9) == 3, X * (Y == NAMES[0])[:, None], X)
    search = GridSearchCV(eszsl(), GRID, cv=FOLDS, scoring=SCORERS["mean_class_accuracy"])
    search.fit(rare, Y)
    sums_of = RowSums.of.__func__

    summed = []

    def of_left_out_rows(cls, *args, rows, **options):
        summed.append(len(rows))
        return sums_of(cls, *args, rows=rows, **options)

    monkeypatch.setattr(RowSums, "of", classmethod(of_left_out_rows))
    monkeypatch.setattr(_systems, "SystemOfRows", None)  # not called
    grid = {"alphas_features": SPREAD, "alphas_labels": SPREAD}
    ours = ESZSLClassifierCV(TABLE, **grid, cv=FOLDS, temperature=0.1)
    assert_same_search(ours.fit(rare, Y), search)
    assert sum(summed) == len(X)  # no fold's own rows beside


@pytest.mark.parametrize("hubness", ["zscore", "csls"])
@pytest.mark.parametrize("scoring", ["mean_class_accuracy", "hit_at_2"])
def test_folds_are_scored_with_the_correction_against_hubs(hubness, scoring):
    scorer = SCORERS[scoring]
    search = GridSearchCV(eszsl(hubness=hubness), GRID, cv=FOLDS, scoring=scorer).fit(X, Y)
    ours = ESZSLClassifierCV(
        TABLE,
        alphas_features=SPREAD,
        alphas_labels=SPREAD,
        cv=FOLDS,
        scoring=scoring,
        hubness=hubness,
    ).fit(X, Y)
    assert_same_search(ours, search)
    final = ESZSLClassifier(TABLE, hubness=hubness, **search.best_params_).fit(X, Y)
    np.testing.assert_allclose(ours.decision_function(X), final.decision_function(X), atol=1e-8)


def test_more_penalties_than_a_factor_each_would_pay_for():
    """Then one eigendecomposition serves them all."""
    many = np.logspace(-3, 3, EIGEN_FROM + 1)
    search = GridSearchCV(
        eszsl(),
        {"alpha_features": many, "alpha_labels": [1.0]},
        cv=FOLDS,
        scoring=SCORERS["mean_class_accuracy"],
    )
    ours = ESZSLClassifierCV(TABLE, alphas_features=many, alphas_labels=[1.0], cv=FOLDS)
    assert_same_search(ours.fit(X, Y), search.fit(X, Y))


REGRESSION = {
    "labels": (X, Y, TABLE, FOLDS),
    "labels, wide": (WIDE, Y, TABLE, FOLDS),
    "labels, one class out": (X, Y, TABLE, LeaveOneClassOut()),
    "vectors": (X, TABLE.embed(Y), TABLE, KFold(3)),
    "numbers": (X, X @ MIXING.T + 1e3, None, KFold(3)),
    "one number": (X, CODES, None, KFold(3)),
    "one number, wide": (WIDE, CODES, None, KFold(3)),
}


@pytest.mark.parametrize("name", REGRESSION)
def test_ridge_scores_are_those_of_fitting_every_penalty(name):
    features, y, embedding, cv = REGRESSION[name]
    alphas = [0.0, *SPREAD] if features is X else SPREAD
    ours = EmbeddingRegressorCV(embedding, alphas=alphas, cv=cv).fit(features, y)
    search = GridSearchCV(EmbeddingRegressor(embedding), {"alpha": alphas}, cv=cv)
    assert_same_search(ours, search.fit(features, y))
    np.testing.assert_allclose(ours.predict(features), search.predict(features), rtol=1e-8)
    assert ours.predict(features).shape == search.predict(features).shape
    assert ours.score(features, y) == pytest.approx(search.score(features, y), rel=1e-8)


@pytest.mark.parametrize("scoring", ["neg_relative_loss", "neg_embedding_mse"])
def test_ridge_with_the_packages_scorers(scoring):
    search = GridSearchCV(
        EmbeddingRegressor(TABLE), {"alpha": SPREAD}, cv=FOLDS, scoring=SCORERS[scoring]
    )
    ours = EmbeddingRegressorCV(TABLE, alphas=SPREAD, cv=FOLDS, scoring=scoring).fit(X, Y)
    assert_same_search(ours, search.fit(X, Y))


def test_numbers_are_split_over_samples():
    given = EmbeddingRegressorCV(alphas=SPREAD, cv=3).fit(X, CODES)
    assert_same_scores(given, EmbeddingRegressorCV(alphas=SPREAD, cv=KFold(3)).fit(X, CODES))


# Bad input -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["alphas_features", "alphas_labels"])
@pytest.mark.parametrize(
    ("bad", "words"),
    [
        ([1.0, 0.0], "each of {} must be a number above 0, got 0.0"),
        ([-1], "each of {} must be a number above 0, got -1"),
        ([1.0, np.nan], "each of {} must be a number above 0, got nan"),
        (["1"], "each of {} must be a number above 0"),
        ([], r"{} must be a list of penalties such as \(0.1, 1.0, 10.0\), got \[\]"),
        (1.0, "{} must be a list of penalties"),
        ("12", "{} must be a list of penalties"),
        ([[1.0]], "{} must be a list of penalties"),
        ([1.0, [2.0, 3.0]], "{} must be a list of penalties"),
    ],
)
def test_penalties_that_are_none(name, bad, words):
    with pytest.raises(ValueError, match=f"ESZSLClassifierCV: {words.format(name)}"):
        ESZSLClassifierCV(TABLE, **{name: bad}).fit(X, Y)


def test_ridge_penalties_may_be_zero_but_not_negative():
    with pytest.raises(ValueError, match="EmbeddingRegressorCV: each of alphas .* at least 0"):
        EmbeddingRegressorCV(TABLE, alphas=[-1.0]).fit(X, Y)


MODELS = [ESZSLClassifierCV(TABLE), EmbeddingRegressorCV(TABLE)]
every_model = pytest.mark.parametrize("model", MODELS, ids=lambda model: type(model).__name__)


def fit_with(model, y=Y, **changes):
    return type(model)(TABLE, **changes).fit(X, y)


@every_model
@pytest.mark.parametrize(
    ("train", "test"), [([], [0, 1]), ([0, 1, 2], []), (np.zeros(len(Y), dtype=bool), [0])]
)
def test_an_empty_fold_is_named(model, train, test):
    folds = [(np.arange(30), np.arange(30, len(Y))), (train, test)]
    words = "fold 1 of cv has . training rows and . test rows. Pass folds that have both"
    with pytest.raises(ValueError, match=f"{type(model).__name__}: {words}"):
        fit_with(model, cv=folds)


@every_model
def test_no_folds(model):
    with pytest.raises(ValueError, match="cv gives no folds"):
        fit_with(model, cv=[])


@every_model
@pytest.mark.parametrize("cv", [11, 1, -1])
def test_folds_that_the_classes_cannot_fill(model, cv):
    with pytest.raises(ValueError, match="ClassKFold: (11 classes or more are needed|n_splits)"):
        fit_with(model, cv=cv)


@every_model
def test_one_class_cannot_be_split(model):
    with pytest.raises(ValueError, match="classes or more are needed, the labels have 1"):
        fit_with(model, y=np.full(len(Y), NAMES[0]))


def test_a_fold_of_one_class_has_one_answer():
    for cv in (LeaveOneClassOut(), 10):
        with pytest.raises(ValueError, match=r"fold 0 of cv holds out one class, .* fewer folds"):
            ESZSLClassifierCV(TABLE, cv=cv).fit(X, Y)


def test_folds_over_classes_need_label_vectors():
    words = "fold 0 of cv has no training sample for 3 of 10 labels .* more samples of these"
    with pytest.raises(UnknownLabelError, match=f"ESZSLClassifierCV: {words}"):
        ESZSLClassifierCV(cv=FOLDS).fit(X, Y)


@pytest.mark.filterwarnings("ignore:The least populated class")
def test_a_class_of_one_sample_cannot_be_in_every_fold():
    rows = np.r_[np.flatnonzero(Y != NAMES[0]), np.flatnonzero(Y == NAMES[0])[:1]]
    with pytest.raises(UnknownLabelError, match=r"of cv has no training sample for 1 of 10 .*s a'"):
        ESZSLClassifierCV().fit(X[rows], Y[rows])


def test_a_score_that_is_no_number_is_named():
    def broken(estimator, X, y):
        return np.nan

    words = r"ESZSLClassifierCV: the score of \{'alpha.*\} in fold 0 is nan"
    with pytest.raises(ValueError, match=words):
        ESZSLClassifierCV(TABLE, scoring=broken).fit(X, Y)


@every_model
def test_a_score_that_is_text_is_named(model):
    with pytest.raises(ValueError, match="scoring must return a number, and returned 'good'"):
        fit_with(model, scoring=lambda estimator, X, y: "good")


@every_model
def test_an_unknown_scoring_is_named_with_those_like_it(model):
    words = "scoring='mean_clas_accuracy' is not a scorer. Did you mean 'mean_class_accuracy'"
    with pytest.raises(ValueError, match=f"{type(model).__name__}: {words}.*SCORERS has unseen_"):
        fit_with(model, scoring="mean_clas_accuracy")


@every_model
def test_one_figure_decides(model):
    with pytest.raises(ValueError, match=r"scoring must be one name or callable, got \['accuracy"):
        fit_with(model, scoring=["accuracy", "hit_at_5"])


def test_duplicate_vectors_are_reported_once(recwarn):
    twins = AttributeTable([*TABLE.vectors[:9], TABLE.vectors[8], *TABLE.vectors[10:]], NAMES)
    ESZSLClassifierCV(twins, cv=FOLDS).fit(X, Y)
    told = [w for w in recwarn if issubclass(w.category, LabelWarning)]
    assert told and len({str(w.message) for w in told}) == 1
    assert "['class i', 'class j']" in str(told[0].message)


def test_each_row_is_summed_up_once(monkeypatch):
    """Not the training rows of each fold, which are four times as many."""
    summed = []
    original = _sums.blocks

    def counting(*args):
        for part, Z in original(*args):
            summed.append(len(Z))
            yield part, Z

    monkeypatch.setattr(_sums, "blocks", counting)
    ESZSLClassifierCV(TABLE, cv=FOLDS, temperature=0.1).fit(X, Y)
    assert sum(summed) == len(X)


def test_sums_that_memory_has_no_room_for_are_taken_fold_by_fold():
    ours = ESZSLClassifierCV(TABLE, cv=FOLDS).fit(X, Y)
    with config_context(working_memory=1e-6):
        assert_same_scores(ours, ESZSLClassifierCV(TABLE, cv=FOLDS).fit(X, Y))


@pytest.mark.parametrize("n_classes", [4, 5, 9])
def test_the_default_folds_hold_out_two_classes_at_least(n_classes: int) -> None:
    few = np.isin(Y, NAMES[:n_classes])
    default = ESZSLClassifierCV(TABLE).fit(X[few], Y[few])
    n_folds = min(5, n_classes // 2)
    assert_same_scores(default, ESZSLClassifierCV(TABLE, cv=n_folds).fit(X[few], Y[few]))
    assert sum(name.startswith("split") for name in default.cv_results_) == n_folds


def test_less_classes_than_two_folds_need_are_refused() -> None:
    few = np.isin(Y, NAMES[:3])
    with pytest.raises(ValueError, match="4 classes or more are needed, the labels have 3"):
        ESZSLClassifierCV(TABLE).fit(X[few], Y[few])
    regressor = EmbeddingRegressorCV(TABLE).fit(X[few], Y[few])
    assert_same_scores(regressor, EmbeddingRegressorCV(TABLE, cv=3).fit(X[few], Y[few]))
    one = Y == NAMES[0]
    with pytest.raises(ValueError, match="2 classes or more are needed, the labels have 1"):
        EmbeddingRegressorCV(TABLE).fit(X[one], Y[one])
