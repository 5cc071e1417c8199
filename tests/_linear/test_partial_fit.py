"""partial_fit and merge of the closed forms: one ``fit`` to all rows, however they are cut."""

from __future__ import annotations

import copy
import pickle
import tracemalloc

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

import zeroshot
from zeroshot import (
    AttributeTable,
    ConSEClassifier,
    DeViSEClassifier,
    EmbeddingRegressor,
    EmbeddingRegressorCV,
    ESZSLClassifier,
    ESZSLClassifierCV,
    HashEmbedding,
    SAEClassifier,
    Training,
)
from zeroshot._linear import RowSums, SystemOfRows, SystemOfSums, _sums

# With few classes so far, and `gamma`, labels share vectors: as true as it is passing.
pytestmark = pytest.mark.filterwarnings(
    "ignore:.*labels share one vector:zeroshot.exceptions.LabelWarning"
)

NAMES = np.array(["ant", "bee", "cat", "dog", "eel", "fox", "gnu", "hen"])
SEEN = NAMES[:6]
RNG = np.random.default_rng(0)
TABLE = AttributeTable(RNG.normal(size=(8, 4)) + 0.5, labels=NAMES)
CODES = RNG.permutation(np.repeat(np.arange(6), [1, 4, 7, 9, 12, 15]))
Y = SEEN[CODES]
X = TABLE.embed(Y) @ RNG.normal(size=(4, 7)) + RNG.normal(size=(len(Y), 7)) + 3
X[:, 5] = 2.5  # constant

CLASSIFIERS = {
    "devise": DeViSEClassifier(TABLE, loss="mse", candidates=NAMES),
    "devise, gamma": DeViSEClassifier(TABLE, loss="mse", gamma=1.0, candidates=NAMES),
    "devise, of the seen": DeViSEClassifier(TABLE, loss="mse", center=False),
    "devise, one-hot": DeViSEClassifier(loss="mse"),
    "eszsl": ESZSLClassifier(TABLE, candidates=NAMES),
    "eszsl, as published": ESZSLClassifier(TABLE, candidates=NAMES, center_features=False),
    "sae": SAEClassifier(TABLE, candidates=NAMES),
    "sae, decoded": SAEClassifier(TABLE, candidates=NAMES, direction="decode"),
    "sae, as published": SAEClassifier(TABLE, candidates=NAMES, center_features=False),
}
REGRESSORS = {
    "labels": (EmbeddingRegressor(TABLE, alpha=0.3), Y),
    "vectors": (EmbeddingRegressor(TABLE), TABLE.embed(Y).astype(np.float64)),
    "numbers": (EmbeddingRegressor(alpha=0.1), X[:, :2] ** 2 + 1e3),
    "one number": (EmbeddingRegressor(), CODES),
}
CASES = {name: (model, Y) for name, model in CLASSIFIERS.items()} | REGRESSORS
every_case = pytest.mark.parametrize(("model", "y"), CASES.values(), ids=CASES)
every_classifier = pytest.mark.parametrize("model", CLASSIFIERS.values(), ids=CLASSIFIERS)


def answers(model, rows=X):
    if hasattr(model, "decision_function"):
        return model.decision_function(rows)
    return model.predict(rows)


def assert_same_model(one, other, *, rows=X, atol=1e-9):
    """Weights, classes and answers; a scale of 1 or more stands for them all."""
    expected = answers(other, rows)
    assert_allclose(answers(one, rows), expected, rtol=0, atol=atol * max(1, np.ptp(expected)))
    for name in ("classes_", "seen_classes_", "unseen_classes_"):
        mine, theirs = getattr(one, name, None), getattr(other, name, None)
        assert (mine is None) == (theirs is None)
        if theirs is not None:
            assert_array_equal(mine, theirs)
    if hasattr(other, "class_vectors_"):
        assert_allclose(one.class_vectors_, other.class_vectors_, atol=1e-12)
    for name in ("coef_", "intercept_"):
        if hasattr(other, name):
            theirs = getattr(other, name)
            scale = max(1e-6, np.abs(theirs).max())
            assert_allclose(getattr(one, name), theirs, rtol=0, atol=atol * scale)
    assert one.n_features_in_ == other.n_features_in_


def in_parts(model, X, y, cuts):
    model = clone(model)
    for rows in np.split(np.arange(len(X)), cuts):
        model.partial_fit(X[rows], y[rows])
    return model


# Equal to one fit --------------------------------------------------------------------------------


@every_case
@pytest.mark.parametrize("cuts", [[], [1], [20, 21], [5, 10, 15, 40], range(1, len(Y))], ids=len)
def test_parts_in_any_cut_are_the_whole(model, y, cuts):
    assert_same_model(in_parts(model, X, y, list(cuts)), clone(model).fit(X, y))


@every_case
def test_weights_add_up_in_parts_and_in_merges(model, y):
    weights = np.random.default_rng(3).integers(0, 4, size=len(X))
    rows = np.repeat(np.arange(len(X)), weights)
    expected = clone(model).fit(X[rows], y[rows])
    first, rest = np.arange(20), np.arange(20, len(X))
    parts = clone(model).partial_fit(X[first], y[first], sample_weight=weights[first])
    assert_same_model(parts.partial_fit(X[rest], y[rest], None, weights[rest]), expected)
    one, two = (
        clone(model).partial_fit(X[part], y[part], sample_weight=weights[part])
        for part in (first, rest)
    )
    assert_same_model(one.merge(two), expected)
    plain = clone(model).partial_fit(X[rest], y[rest])  # rows without weights have weight 1
    both = np.append(np.repeat(first, weights[first]), rest)
    mixed = clone(model).partial_fit(X[first], y[first], sample_weight=weights[first]).merge(plain)
    assert_same_model(mixed, clone(model).fit(X[both], y[both]))


def test_weights_that_are_no_whole_numbers_scale_the_penalty():
    half = ESZSLClassifier(TABLE, alpha_features=5).partial_fit(
        X, Y, sample_weight=np.full(48, 0.5)
    )
    whole = ESZSLClassifier(TABLE, alpha_features=10).fit(X, Y)
    assert_same_model(half, whole)


def test_sums_of_folds_with_weights_leave_no_rounding_error_for_a_class():
    weights = np.random.default_rng(4).random(len(X)) + 0.1
    sums = RowSums.of(X, CODES, classes=np.arange(6), weights=weights)
    for held_out in range(6):
        train = np.flatnonzero(CODES != held_out)
        rest = sums.training(X, CODES, train, weights)
        direct = RowSums.of(X, CODES, classes=np.arange(6), rows=train, weights=weights)
        assert rest.target_total[held_out] == 0 and not rest.cross[held_out].any()
        assert_allclose(rest.target_total, direct.target_total, atol=1e-12)
        assert SystemOfSums(rest).classes.tolist() == np.delete(np.arange(6), held_out).tolist()


@every_case
def test_one_class_after_the_other(model, y):
    order = np.argsort(CODES, kind="stable")
    cuts = np.cumsum(np.bincount(CODES))[:-1]
    assert_same_model(in_parts(model, X[order], y[order], cuts), clone(model).fit(X, y))


@settings(deadline=None, max_examples=40, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_any_order_and_any_cut_by_calls_and_merges(data):
    """Machines see parts of their own, in calls of their own, and merge in any order."""
    model, y = CASES[data.draw(st.sampled_from(sorted(CASES)))]
    order = np.array(data.draw(st.permutations(range(len(Y)))))
    where = st.lists(st.integers(1, len(Y) - 1), unique=True, max_size=4).map(sorted)
    machines = []
    for rows in np.split(order, data.draw(where)):
        machine = clone(model)
        inner = data.draw(st.integers(1, len(rows)))
        for part in (rows[:inner], rows[inner:]):
            if len(part):
                machine.partial_fit(X[part], y[part])
        machines.append(machine)
    while len(machines) > 1:
        other = machines.pop(data.draw(st.integers(0, len(machines) - 1)))
        machines[data.draw(st.integers(0, len(machines) - 1))].merge(other)
    assert_same_model(machines[0], clone(model).fit(X, y))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("offset", [0.0, 1e6])
def test_neither_offsets_nor_precision_cost_digits(dtype, offset):
    rows = (X + offset * (dtype == np.float64)).astype(dtype)
    for model, y in (CASES["eszsl"], CASES["labels"]):
        parts, whole = in_parts(model, rows, y, [3, 30]), clone(model).fit(rows, y)
        assert_same_model(parts, whole, rows=rows.astype(np.float64))


def test_fewer_rows_than_features():
    wide = np.column_stack([X, RNG.normal(size=(len(Y), 90))])
    for model, y in CASES.values():
        assert_same_model(in_parts(model, wide, y, [7, 30]), clone(model).fit(wide, y), rows=wide)


def test_one_row_of_each_class():
    first = np.unique(CODES, return_index=True)[1]
    for model in CLASSIFIERS.values():
        parts = in_parts(model, X[first], Y[first], [2, 4])
        assert_same_model(parts, clone(model).fit(X[first], Y[first]))


def test_the_normal_equations_written_out():
    """DESIGN: A = Z'Z + diag(alpha, ..., alpha, 0) with Z = [X 1]."""
    model = in_parts(EmbeddingRegressor(TABLE, alpha=0.3), X, Y, [11, 30])
    Z = np.column_stack([X, np.ones(len(Y))])
    A = Z.T @ Z + 0.3 * np.diag([1.0] * 7 + [0.0])
    V = np.linalg.solve(A, Z.T @ TABLE.embed(Y).astype(np.float64))
    assert_allclose(model.coefs_[0], V[:-1], atol=1e-9)
    assert_allclose(model.intercepts_[0], V[-1], atol=1e-8)


# Classes ---------------------------------------------------------------------------------------


@every_classifier
def test_classes_may_be_new_and_may_be_announced(model):
    first = CODES < 3
    told, untold = clone(model), clone(model)
    told.partial_fit(X[first], Y[first], classes=SEEN)
    untold.partial_fit(X[first], Y[first])
    assert told.seen_classes_.tolist() == untold.seen_classes_.tolist() == SEEN[:3].tolist()
    if model.candidates is None:
        assert told.classes_.tolist() == SEEN.tolist()
        assert told.unseen_classes_.tolist() == SEEN[3:].tolist()
        assert untold.classes_.tolist() == SEEN[:3].tolist()
    whole = clone(model).fit(X, Y)
    for one in (told, untold):
        one.partial_fit(X[~first], Y[~first])
        assert_same_model(one, whole)


def test_announced_classes_without_a_vector_are_named():
    model = DeViSEClassifier(TABLE, loss="mse")
    with pytest.raises(zeroshot.exceptions.UnknownLabelError, match="okapi"):
        model.partial_fit(X, Y, classes=[*SEEN, "okapi"])
    regressor = EmbeddingRegressor().partial_fit(X, CODES)
    with pytest.raises(ValueError, match="EmbeddingRegressor: classes names labels, but y holds"):
        regressor.partial_fit(X, CODES, classes=SEEN)


def test_integer_labels():
    table = AttributeTable(TABLE.vectors, labels=range(8))
    model = ESZSLClassifier(table, candidates=range(8))
    assert_same_model(in_parts(model, X, CODES, [9, 20]), clone(model).fit(X, CODES))


# The life of an estimator ----------------------------------------------------------------------


@every_case
def test_fit_starts_anew_and_keeps_no_sums(model, y):
    used = clone(model).partial_fit(X[:, :4], y).fit(X, y)
    assert_same_model(used, clone(model).fit(X, y))
    assert "sums_" not in vars(used)
    with pytest.raises(ValueError, match="merge needs sums over rows.*Fit both by partial_fit"):
        used.merge(used)
    words = "partial_fit starts anew.*first rows by partial_fit, too"
    with pytest.warns(UserWarning, match=words) as record:
        used.partial_fit(X[:30], y[:30])
    assert {warning.filename for warning in record if "anew" in str(warning.message)} == {__file__}
    assert_same_model(used.partial_fit(X[30:], y[30:]), clone(model).fit(X, y))


@every_case
def test_a_call_that_raises_changes_nothing(model, y):
    one = in_parts(model, X[:30], y[:30], [10])
    before = copy.deepcopy(vars(one))
    wrong = X.copy()
    wrong[3, 2] = np.nan
    for rows, targets in ((X[:, 1:], y), (wrong, y), (X[1:], y)):
        with pytest.raises(ValueError):
            one.partial_fit(rows, targets)
    if y is Y and model.label_embedding is not None:
        with pytest.raises(ValueError, match="okapi"):
            one.partial_fit(X, np.where(CODES == 0, "okapi", y))
    assert vars(one).keys() == before.keys()
    assert_same_model(one.partial_fit(X[30:], y[30:]), clone(model).fit(X, y))


def test_a_first_call_that_raises_can_be_made_again():
    model = DeViSEClassifier(TABLE, loss="mse")
    with pytest.raises(ValueError, match="okapi"):
        model.partial_fit(X, np.where(CODES == 0, "okapi", Y))
    assert not [name for name in vars(model) if name.endswith("_")]
    assert_same_model(model.partial_fit(X[:, :5], Y), clone(model).fit(X[:, :5], Y), rows=X[:, :5])


@every_case
def test_copies_go_their_own_ways(model, y):
    one = in_parts(model, X[:30], y[:30], [])
    copies = [copy.copy(one), copy.deepcopy(one), pickle.loads(pickle.dumps(one))]
    before = answers(one).copy()
    for other in copies:
        assert_same_model(other.partial_fit(X[30:], y[30:]), clone(model).fit(X, y))
        assert_array_equal(answers(one), before)
    assert "sums_" not in vars(clone(one))


def test_views_over_other_candidates_go_their_own_ways():
    model = in_parts(CLASSIFIERS["eszsl"], X[:30], Y[:30], [])
    view = model.with_candidates(["fox", "hen"])
    view.partial_fit(X[30:], Y[30:])
    whole = clone(CLASSIFIERS["eszsl"]).set_params(candidates=["fox", "hen"]).fit(X, Y)
    assert_same_model(view, whole)
    assert_same_model(model.partial_fit(X[30:], Y[30:]), clone(CLASSIFIERS["eszsl"]).fit(X, Y))


@every_case
def test_a_saved_model_goes_on(model, y, tmp_path):
    zeroshot.save(in_parts(model, X[:30], y[:30], [9]), tmp_path / "model")
    loaded = zeroshot.load(tmp_path / "model")
    assert_same_model(loaded.partial_fit(X[30:], y[30:]), clone(model).fit(X, y))


def test_names_of_features():
    frame = pd.DataFrame(X, columns=list("abcdefg"))
    model = EmbeddingRegressor(TABLE).partial_fit(frame, Y)
    with pytest.raises(ValueError, match="feature names should match"):
        model.partial_fit(frame[list("gfedcba")], Y)
    other = EmbeddingRegressor(TABLE).partial_fit(frame[list("gfedcba")], Y)
    with pytest.raises(ValueError, match="the names of the features differ"):
        model.merge(other)


# What does not add up --------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["devise", "eszsl", "sae"])
def test_hubness_needs_the_rows(name):
    model = clone(CLASSIFIERS[name]).set_params(hubness="zscore")
    with pytest.raises(ValueError, match=f"{type(model).__name__}: hubness='zscore'.*hubness=None"):
        model.partial_fit(X, Y)


@pytest.mark.parametrize(
    "model",
    [
        DeViSEClassifier(TABLE),
        DeViSEClassifier(TABLE, loss="mse", hidden=(3,)),
        EmbeddingRegressor(TABLE, loss="cosine"),
    ],
)
def test_trained_maps_have_none(model):
    for name in ("partial_fit", "merge"):
        assert not hasattr(model, name)
        with pytest.raises(AttributeError) as error:
            getattr(model, name)
        assert "Pass loss='mse' with hidden=()" in str(error.value.__cause__)


def test_training_forgets_sums():
    model = DeViSEClassifier(TABLE, loss="mse").partial_fit(X, Y)
    model.set_params(loss="hinge", training=Training(epochs=1), random_state=0).fit(X, Y)
    assert "sums_" not in vars(model)


def test_searches_have_none():
    for model in (ESZSLClassifierCV(TABLE), EmbeddingRegressorCV(TABLE), ConSEClassifier()):
        assert not hasattr(model, "partial_fit") and not hasattr(model, "merge")


def test_kinds_of_targets_are_told_apart():
    model = EmbeddingRegressor(TABLE).partial_fit(X, Y)
    with pytest.raises(ValueError, match="EmbeddingRegressor: y holds 4 numbers per row, and earl"):
        model.partial_fit(X, TABLE.embed(Y))
    with pytest.raises(ValueError, match="holds labels that are integers, and .* that are strings"):
        model.partial_fit(X, CODES)
    other = EmbeddingRegressor(TABLE).partial_fit(X, TABLE.embed(Y))
    with pytest.raises(ValueError, match="y held labels that are strings here, and 4 numbers per"):
        model.merge(other)


# Merging ---------------------------------------------------------------------------------------


@every_case
def test_merging_leaves_the_other_as_it_is(model, y):
    one, other = (clone(model).partial_fit(X[rows], y[rows]) for rows in (CODES < 3, CODES >= 3))
    before = answers(other).copy()
    assert one.merge(other) is one
    assert_same_model(one, clone(model).fit(X, y))
    assert_array_equal(answers(other), before)


def test_means_far_apart_are_merged_about_one_origin():
    """Each machine subtracts an origin of its own from what it sees."""
    rows = X + np.where(CODES < 3, 1e3, 0)[:, None]
    model = EmbeddingRegressor(TABLE, alpha=1.0)
    one, other = (clone(model).partial_fit(rows[part], Y[part]) for part in (CODES < 3, CODES >= 3))
    assert_same_model(one.merge(other), clone(model).fit(rows, Y), rows=rows)


def test_label_vectors_are_compared_by_what_they_are():
    one = DeViSEClassifier(HashEmbedding(4), loss="mse").partial_fit(X[:20], Y[:20])
    other = DeViSEClassifier(HashEmbedding(4), loss="mse").partial_fit(X[20:], Y[20:])
    whole = DeViSEClassifier(HashEmbedding(4), loss="mse").fit(X, Y)
    assert_same_model(one.merge(other), whole)


def test_parameters_that_are_objects_are_compared_by_theirs():
    def part(rows, epochs):
        model = DeViSEClassifier(TABLE, loss="mse", training=Training(epochs=epochs))
        return model.partial_fit(X[rows], Y[rows])

    whole = DeViSEClassifier(TABLE, loss="mse").fit(X, Y)
    assert_same_model(part(CODES < 3, 3).merge(part(CODES >= 3, 3)), whole)
    with pytest.raises(ValueError, match="equal parameters, and training differ"):
        part(CODES < 3, 3).merge(part(CODES >= 3, 4))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"alpha_features": 3.0}, "alpha_features"),
        ({"label_embedding": HashEmbedding(4)}, "label_embedding"),
        ({"candidates": NAMES[:3]}, "candidates"),
        ({"gamma": 1.0, "center": False}, "center and gamma"),
    ],
)
def test_parameters_that_differ_are_named(changes, words):
    one = ESZSLClassifier(TABLE).partial_fit(X, Y)
    other = ESZSLClassifier(TABLE).set_params(**changes).partial_fit(X, Y)
    with pytest.raises(ValueError, match=f"ESZSLClassifier: merge needs equal.*and {words} differ"):
        one.merge(other)


def test_what_cannot_be_merged_is_named():
    model = ESZSLClassifier(TABLE).partial_fit(X, Y)
    with pytest.raises(TypeError, match="merge takes another ESZSLClassifier, got a SAEClassifier"):
        model.merge(SAEClassifier(TABLE).partial_fit(X, Y))
    with pytest.raises(ValueError, match="X had 7 features here, and 6 in other"):
        model.merge(ESZSLClassifier(TABLE).partial_fit(X[:, 1:], Y))
    with pytest.raises(ValueError, match="merge needs sums"):
        model.merge(ESZSLClassifier(TABLE).fit(X, Y))
    for one, other in ((model, ESZSLClassifier(TABLE)), (ESZSLClassifier(TABLE), model)):
        with pytest.raises(NotFittedError):
            one.merge(other)


# The sums themselves ---------------------------------------------------------------------------


def naive(X, y, classes):
    X = X.astype(np.float64)
    return X.T @ X, np.stack([X[y == label].sum(axis=0) for label in classes])


def assert_sums_of(sums, X, y):
    about_zero = sums.uncentered()
    gram, cross = naive(X, y, sums.classes)
    assert_allclose(np.tril(about_zero.gram), np.tril(gram), rtol=1e-12, atol=1e-9)
    assert_allclose(about_zero.cross, cross, rtol=1e-12, atol=1e-9)
    assert_array_equal(sums.target_total, [(y == label).sum() for label in sums.classes])
    assert sums.n_rows == len(X) and sums.gram.dtype == np.float64
    if len(X):
        assert_allclose(sums.mean, X.mean(axis=0, dtype=np.float64), rtol=1e-12)


@settings(deadline=None, max_examples=60)
@given(
    cut=st.integers(1, len(Y) - 1),
    dtype=st.sampled_from([np.float32, np.float64, np.int16]),
    block=st.integers(1, 400),
)
def test_sums_add_merge_and_are_taken_away(cut, dtype, block):
    rows = (10 * X).astype(dtype)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_sums, "BLOCK_ELEMENTS", block)
        one, other = (RowSums.of(rows[part], Y[part]) for part in (slice(cut), slice(cut, None)))
        assert_sums_of(one, rows[:cut], Y[:cut])
        both = one.merge(other)
        assert_sums_of(both, rows, Y)
        assert_sums_of(other.merge(one), rows, Y)
        assert_sums_of(one.add(rows[cut:], Y[cut:]), rows, Y)
        codes = np.searchsorted(both.classes, Y)
        left = both.without(rows, codes, rows=np.arange(cut))
        assert_sums_of(left, rows[cut:], Y[cut:])
        assert_sums_of(one, rows[:cut], Y[:cut])  # nothing was changed in place


def test_the_sums_of_numbers():
    targets = X[:, :2] ** 2 + 1e3
    sums = RowSums.of(X[:20], targets[:20]).add(X[20:30], targets[20:30])
    sums = sums.merge(RowSums.of(X[30:], targets[30:])).uncentered()
    assert_allclose(sums.cross, targets.T @ X, rtol=1e-12)
    assert_allclose(sums.target_mean, targets.mean(axis=0), rtol=1e-12)
    alone = RowSums.of(X, targets).without(X, targets, rows=np.arange(9)).uncentered()
    assert_allclose(alone.cross, targets[9:].T @ X[9:], rtol=1e-10)


def test_a_system_is_the_same_of_rows_and_of_sums():
    targets = TABLE.embed(SEEN).astype(np.float64)
    for center in (True, False):
        of_rows = SystemOfRows(X, Y).ridge(targets, 0.5, center=center)
        of_sums = SystemOfSums(RowSums.of(X, Y)).ridge(targets, 0.5, center=center)
        for one, other in zip(of_rows, of_sums, strict=True):
            assert_allclose(one, other, atol=1e-10)


def test_a_memory_map_is_read_block_by_block_and_once(tmp_path, monkeypatch):
    """Sums over 100 MB of float32 take a tenth of that, whatever the number of rows."""
    n, d = 400_000, 64
    stored = np.lib.format.open_memmap(tmp_path / "X.npy", "w+", dtype=np.float32, shape=(n, d))
    block = np.random.default_rng(0).normal(size=(20_000, d)).astype(np.float32)
    for start in range(0, n, len(block)):
        stored[start : start + len(block)] = block
    stored.flush()
    del stored
    features = np.load(tmp_path / "X.npy", mmap_mode="r")
    y = np.arange(n) % 40
    read = []
    original = _sums.blocks

    def counting(*args):
        for part, Z in original(*args):
            read.append(len(Z))
            yield part, Z

    monkeypatch.setattr(_sums, "blocks", counting)
    table = AttributeTable(np.random.default_rng(1).normal(size=(40, 5)), range(40))
    model = EmbeddingRegressor(table)
    for call in (model.partial_fit, model.fit):
        read.clear()
        tracemalloc.start()
        call(features, y)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert sum(read) == n
        assert peak < 35e6  # labels and their codes, and blocks of 8 MB
    part = RowSums.of(np.asarray(features[:20_000]), y[:20_000])
    assert_allclose(RowSums.of(features, y).uncentered().gram, 20 * part.uncentered().gram)
