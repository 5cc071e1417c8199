"""The contract of every zero-shot classifier: candidates, scenarios, centring, scores, warnings.

It lives in ``CandidateClassifier``; ridge DeViSE stands for the rest, being exact and fast.
"""

from __future__ import annotations

import inspect

import numpy as np
import pytest
from scipy.special import softmax
from sklearn.base import clone
from sklearn.datasets import make_blobs
from sklearn.metrics import log_loss, roc_auc_score, top_k_accuracy_score
from sklearn.model_selection import cross_val_predict

from zeroshot import (
    ALEClassifier,
    AttributeTable,
    DeViSEClassifier,
    EnsembleZeroShotClassifier,
    ESZSLClassifier,
    FewShotClassifier,
    HashEmbedding,
    NearestLabelClassifier,
    OpenLabelClassifier,
    SimilarityClassifier,
    Training,
)
from zeroshot.estimators import CandidateClassifier, EmbeddingClassifier
from zeroshot.exceptions import LabelWarning, UnknownLabelError, ZeroShotError

LABELS = ["bat", "bee", "cat", "elk", "fly", "gnu", "hen"]
SEEN, UNSEEN = LABELS[:4], LABELS[4:]
VECTORS = np.random.default_rng(0).normal(size=(7, 3)) + 1
TABLE = AttributeTable(VECTORS, labels=LABELS)
RAW = dict(zip(LABELS, TABLE.vectors.astype(np.float64), strict=True))
SIZES = [3, 20, 8, 12]  # unequal on purpose
CODES = np.random.default_rng(1).permutation(np.repeat(np.arange(4), SIZES))
Y = np.array(SEEN)[CODES]
PROJECTION = np.random.default_rng(2).normal(size=(3, 6))
X = VECTORS[CODES] @ PROJECTION + 0.1 * np.random.default_rng(3).normal(size=(len(Y), 6))
# Images of every class, the unseen ones included.
ALL_X = VECTORS @ PROJECTION


def model(**changes):
    return DeViSEClassifier(TABLE, **{"loss": "mse", "alpha": 0.1, "candidates": LABELS, **changes})


def fitted(**changes):
    return model(**changes).fit(X, Y)


def unit(vector):
    return np.asarray(vector) / np.sqrt(sum(float(v) ** 2 for v in vector))


# Vocabulary ------------------------------------------------------------------------------------


def test_classes_are_the_sorted_candidates():
    shuffled = ["gnu", "cat", "fly", "bat"]
    clf = fitted(candidates=shuffled)
    assert clf.classes_.tolist() == ["bat", "cat", "fly", "gnu"]
    assert clf.seen_classes_.tolist() == SEEN
    assert clf.unseen_classes_.tolist() == ["fly", "gnu"]
    assert set(clf.predict(X)) <= set(shuffled)


def test_without_candidates_they_are_the_labels_of_fit():
    clf = fitted(candidates=None)
    assert clf.classes_.tolist() == SEEN and clf.unseen_classes_.tolist() == []


def test_candidates_may_leave_out_every_seen_class():
    clf = fitted(candidates=UNSEEN)
    assert clf.classes_.tolist() == clf.unseen_classes_.tolist() == UNSEEN
    assert clf.predict(ALL_X[4:]).tolist() == UNSEEN


def test_unseen_classes_are_recognised():
    # Labels of the toy's unseen classes are exact linear images of their vectors.
    assert fitted(scenario="unseen").predict(ALL_X[4:]).tolist() == UNSEEN
    assert fitted().predict(ALL_X).tolist() == LABELS


@pytest.mark.parametrize("dtype", [np.int64, np.uint8, np.int32])
def test_integer_labels_behave_as_strings_do(dtype):
    table = AttributeTable(VECTORS, labels=np.arange(10, 17))
    y = (CODES + 10).astype(dtype)
    clf = DeViSEClassifier(table, loss="mse", alpha=0.1, candidates=range(10, 17)).fit(X, y)
    np.testing.assert_array_equal(clf.predict(X) - 10, np.searchsorted(LABELS, fitted().predict(X)))
    np.testing.assert_array_equal(clf.decision_function(X), fitted().decision_function(X))
    assert clf.score(X, y) == fitted().score(X, Y)


@pytest.mark.parametrize("interface", [CandidateClassifier, EmbeddingClassifier])
def test_interfaces_cannot_be_instantiated(interface):
    with pytest.raises(TypeError, match="abstract"):
        interface()


@pytest.mark.parametrize(
    "cls",
    [
        EnsembleZeroShotClassifier,
        FewShotClassifier,
        NearestLabelClassifier,
        OpenLabelClassifier,
        SimilarityClassifier,
    ],
)
def test_nothing_is_inherited_that_has_no_meaning(cls):
    """Centring, the RBF width and hub corrections are of classifiers that predict vectors."""
    assert issubclass(cls, CandidateClassifier) and not issubclass(cls, EmbeddingClassifier)
    taken = set(inspect.signature(cls).parameters)
    for name in {"label_embedding", "center", "gamma", "hubness"} - taken:
        assert not hasattr(cls, name)


# Centring --------------------------------------------------------------------------------------


def test_centring_counts_each_seen_class_once():
    """Whatever its number of rows: a mean over samples would move with the class sizes."""
    clf = fitted()
    offset = sum(RAW[name] for name in SEEN) / 4
    np.testing.assert_allclose(clf.label_space_.offset, offset, rtol=1e-12)
    expected = [unit(RAW[name] - offset) for name in LABELS]
    np.testing.assert_allclose(clf.class_vectors_, expected, rtol=1e-10)


def test_candidates_do_not_move_the_centre():
    np.testing.assert_array_equal(
        fitted(candidates=["gnu", "hen"]).label_space_.offset, fitted().label_space_.offset
    )


def test_without_centring_vectors_are_only_scaled():
    clf = fitted(center=False)
    expected = [unit(RAW[name]) for name in LABELS]
    np.testing.assert_allclose(clf.class_vectors_, expected, rtol=1e-10)


def test_label_vectors_stay_raw():
    # Metrics such as the semantic similarity are taken on raw cosine, as published.
    np.testing.assert_array_equal(fitted().label_vectors(["gnu", "bat"]), [RAW["gnu"], RAW["bat"]])
    assert fitted().label_vectors(["gnu"]).dtype == np.float64


def test_one_seen_class_is_not_centred():
    """Centring would leave it the zero vector: offset 0."""
    rows = Y == "cat"
    with pytest.warns(LabelWarning, match="all samples are of cat"):
        clf = model().fit(X[rows], Y[rows])
    assert not clf.label_space_.offset.any()
    assert set(clf.predict(ALL_X)) <= set(LABELS)


def test_equal_seen_vectors_are_not_centred_and_warn_by_name():
    table = AttributeTable([[1, 2], [1, 2], [2, 1]], labels=["a", "b", "z"])
    with pytest.warns(LabelWarning, match=r"share one vector.*\[\['a', 'b'\]\].*overrides"):
        clf = DeViSEClassifier(table, loss="mse", candidates=["a", "b", "z"]).fit(
            X, np.array(["a", "b"])[CODES % 2]
        )
    assert not clf.label_space_.offset.any()
    assert np.isfinite(clf.class_vectors_).all()


def test_a_seen_vector_at_the_mean_warns_by_name_and_scores_zero():
    table = AttributeTable([[0, 1], [1, 1], [2, 1], [5, 5]], labels=["a", "b", "c", "z"])
    clf = DeViSEClassifier(table, loss="mse", candidates=["a", "b", "c", "z"])
    with pytest.warns(LabelWarning, match=r"vectors of \['b'\] lie at the mean.*center=False"):
        clf.fit(X, np.array(["a", "b", "c"])[CODES % 3])
    assert not clf.decision_function(X)[:, 1].any()
    assert np.isfinite(clf.decision_function(X)).all()


def test_unseen_candidates_with_one_vector_warn_by_name():
    # Only the first of them could ever be the answer.
    table = AttributeTable(
        [[0, 1], [1, 3], [3, 1], [2, 2], [2, 2]], labels=["a", "b", "c", "oak tree", "tree"]
    )
    clf = DeViSEClassifier(table, loss="mse").fit(X, np.array(["a", "b", "c"])[CODES % 3])
    with pytest.warns(LabelWarning, match=r"\[\['oak tree', 'tree'\]\]"):
        clf.with_candidates(["a", "oak tree", "tree"])
    with pytest.warns(LabelWarning, match=r"\[\['oak tree', 'tree'\]\]"):
        clf.set_params(candidates=["tree", "oak tree"]).fit(X, np.array(["a", "b"])[CODES % 2])


def test_seen_labels_with_one_vector_warn_once(recwarn):
    table = AttributeTable([[1, 2], [1, 2], [2, 1], [3, 3]], labels=["a", "b", "c", "z"])
    clf = DeViSEClassifier(table, loss="mse", candidates=["a", "b", "c", "z"])
    clf.fit(X, np.array(["a", "b", "c"])[CODES % 3])
    assert len(recwarn) == 1 and recwarn[0].category is LabelWarning
    assert recwarn[0].filename == __file__  # the caller's line, not ours


@pytest.mark.parametrize("factor", [1e-14, 1e-9, 1.0, 1e12])
def test_the_scale_of_the_vectors_changes_nothing(factor):
    """Annotated attributes come in any unit: tolerances have to follow it."""
    table = AttributeTable(VECTORS * factor, labels=LABELS)
    clf = DeViSEClassifier(table, loss="mse", alpha=0.1, candidates=LABELS).fit(X, Y)
    np.testing.assert_allclose(clf.class_vectors_, fitted().class_vectors_, atol=1e-5)
    np.testing.assert_allclose(clf.decision_function(X), fitted().decision_function(X), atol=1e-4)


def test_a_large_common_offset_is_no_equality():
    # Attributes such as a year: 1990, 1991, 1992, whose rounding residue is no direction.
    vectors = np.array([[1990, 1e6], [1991, 1e6 + 1], [1993, 1e6]])
    table = AttributeTable(vectors, labels=["a", "b", "c"])
    clf = DeViSEClassifier(table, loss="mse").fit(X, np.array(["a", "b", "c"])[CODES % 3])
    expected = [unit(vector) for vector in vectors - vectors.mean(axis=0)]
    np.testing.assert_allclose(clf.class_vectors_, expected, atol=1e-9)


def test_a_label_keeps_its_vector_whatever_stands_beside_it():
    clf = fitted()
    whole = dict(zip(clf.classes_, clf.class_vectors_, strict=True))
    for name in LABELS:
        np.testing.assert_array_equal(clf.with_candidates([name]).class_vectors_[0], whole[name])


# Scores ----------------------------------------------------------------------------------------


def test_score_is_the_inner_product_with_the_unit_label_vector():
    """score = P . s_c, with P *not* normalised: the same argmax as the cosine."""
    clf = fitted()
    predicted, scores = clf.transform(X), clf.decision_function(X)
    for row in range(0, len(X), 7):
        for column in range(len(LABELS)):
            naive = sum(predicted[row, d] * clf.class_vectors_[column, d] for d in range(3))
            assert scores[row, column] == pytest.approx(naive, rel=1e-9, abs=1e-12)
    cosine = scores / np.linalg.norm(predicted, axis=1, keepdims=True)
    np.testing.assert_array_equal(cosine.argmax(axis=1), scores.argmax(axis=1))
    np.testing.assert_array_equal(clf.classes_[scores.argmax(axis=1)], clf.predict(X))


def test_two_seen_classes_keep_a_graded_score():
    """Centred, their vectors are opposite: a cosine has two values there, and AUC suffers."""
    x, codes = make_blobs(400, centers=[[0, 0], [1, 1]], cluster_std=0.8, random_state=0)
    table = AttributeTable([[1.0, 3.0], [2.0, 1.0]], labels=["a", "b"])
    clf = DeViSEClassifier(table, loss="mse").fit(x, np.array(["a", "b"])[codes])
    scores = clf.decision_function(x)
    assert scores.shape == (400,) and len(np.unique(scores)) == 400
    predicted = clf.transform(x)
    cosine = predicted @ clf.class_vectors_[1] / np.linalg.norm(predicted, axis=1)
    assert len(np.unique(cosine.round(9))) == 2
    assert roc_auc_score(codes, scores) > roc_auc_score(codes, cosine) + 0.02


def test_two_candidates_have_one_column_as_in_scikit_learn():
    clf = fitted(candidates=["hen", "bat"])
    wide = fitted().decision_function(X)
    expected = wide[:, LABELS.index("hen")] - wide[:, LABELS.index("bat")]
    np.testing.assert_allclose(clf.decision_function(X), expected, rtol=1e-9)
    np.testing.assert_array_equal(
        clf.predict(X), np.where(clf.decision_function(X) > 0, "hen", "bat")
    )
    assert clf.predict_proba(X).shape == (len(X), 2)


def test_one_candidate_has_one_column():
    clf = fitted(candidates=["hen"])
    assert clf.decision_function(X).shape == clf.predict_proba(X).shape == (len(X), 1)
    assert set(clf.predict(X)) == {"hen"} and (clf.predict_proba(X) == 1).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_seen_columns_of_the_unseen_scenario_are_the_lowest_finite_number(dtype):
    """-inf, NaN or fewer columns each break scikit-learn's own tools."""
    clf, x = fitted(scenario="unseen"), X.astype(dtype)
    scores, general = clf.decision_function(x), fitted().decision_function(x)
    assert scores.shape == (len(X), 7) and scores.dtype == dtype
    assert (scores[:, :4] == np.finfo(dtype).min).all()
    np.testing.assert_allclose(
        scores[:, 4:], general[:, 4:], rtol=1e-4 if dtype == np.float32 else 1e-9
    )
    probabilities = clf.predict_proba(x)
    assert (probabilities[:, :4] == 0).all() and probabilities.dtype == dtype
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-6)
    assert set(clf.predict(x)) <= set(UNSEEN)


def test_scikit_learns_own_tools_take_the_unseen_scenarios_columns():
    clf = fitted(scenario="unseen")
    y, labels = np.array(LABELS)[4:], clf.classes_
    scores = clf.decision_function(ALL_X[4:])
    assert top_k_accuracy_score(y, scores, k=2, labels=labels) == 1
    assert np.isfinite(log_loss(y, clf.predict_proba(ALL_X[4:]), labels=labels))


@pytest.mark.filterwarnings("ignore:.*is the only candidate:zeroshot.exceptions.LabelWarning")
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("pair", [["bat", "hen"], ["gnu", "hen"], ["elk", "fly"]])
def test_two_columns_with_a_seen_one_stay_finite(dtype, pair):
    clf = fitted(scenario="unseen", candidates=pair)
    x = (X * 1e3).astype(dtype)
    scores = clf.decision_function(x)
    assert np.isfinite(scores).all() and scores.dtype == dtype
    np.testing.assert_array_equal(clf.predict(x), np.where(scores > 0, *reversed(pair)))
    np.testing.assert_array_equal(clf.predict(x), clf.classes_[clf.predict_proba(x).argmax(axis=1)])


@pytest.mark.parametrize("scenario", ["generalized", "unseen"])
def test_probabilities_are_a_softmax_of_scores_over_the_temperature(scenario):
    clf = fitted(scenario=scenario, temperature=0.3)
    columns = slice(None) if scenario == "generalized" else slice(4, None)
    expected = softmax(clf.decision_function(X)[:, columns] / 0.3, axis=1)
    np.testing.assert_allclose(clf.predict_proba(X)[:, columns], expected, rtol=1e-12)
    sharper = fitted(scenario=scenario, temperature=0.05).predict_proba(X)
    assert sharper.max(axis=1).mean() > clf.predict_proba(X).max(axis=1).mean()
    np.testing.assert_array_equal(sharper.argmax(axis=1), clf.predict_proba(X).argmax(axis=1))


@pytest.mark.parametrize("scenario", ["generalized", "unseen"])
@pytest.mark.parametrize("k", [1, 2, 3, np.int64(2)])
def test_top_k(scenario, k):
    clf = fitted(scenario=scenario)
    labels, values = clf.predict_top_k(X, k)
    scores = clf.decision_function(X)
    assert labels.shape == values.shape == (len(X), k)
    for row in range(len(X)):
        ranked = sorted(range(7), key=lambda c: (-scores[row, c], c))[:k]
        assert labels[row].tolist() == [LABELS[c] for c in ranked]
        assert values[row].tolist() == [scores[row, c] for c in ranked]
    np.testing.assert_array_equal(labels[:, 0], clf.predict(X))


def test_top_k_of_two_candidates_has_both_scores():
    labels, values = fitted(candidates=["bat", "hen"]).predict_top_k(X, 2)
    assert {tuple(sorted(row)) for row in labels} == {("bat", "hen")}
    assert (values[:, 0] >= values[:, 1]).all()


@pytest.mark.filterwarnings("ignore:.*share one vector:zeroshot.exceptions.LabelWarning")
def test_ties_go_in_the_order_of_classes():
    table = AttributeTable([[1, 0], [0, 1], [1, 1], [1, 1], [1, 1]], labels=list("abxyz"))
    clf = DeViSEClassifier(table, loss="mse", candidates=list("zyx"))
    clf.fit(X, np.array(["a", "b"])[CODES % 2])
    labels, _ = clf.predict_top_k(X, 3)
    assert {tuple(row) for row in labels} == {("x", "y", "z")}
    assert set(clf.predict(X)) == {"x"}


# score -----------------------------------------------------------------------------------------


def test_score_is_the_accuracy():
    clf, weights = fitted(), np.arange(1.0, len(Y) + 1)
    hits = clf.predict(X) == Y
    assert clf.score(X, Y) == hits.mean()
    assert clf.score(X, Y.tolist()) == hits.mean()
    assert clf.score(X, Y, sample_weight=weights) == pytest.approx(
        (hits * weights).sum() / weights.sum()
    )


def test_labels_outside_the_candidates_count_as_wrong():
    y = Y.copy()
    y[::2] = "unicorn"
    clf = fitted()
    assert clf.score(X, y) == (clf.predict(X) == y).mean() <= 0.5


def test_no_true_label_among_the_candidates_warns():
    """The forgotten candidates= of a class split: every answer is wrong."""
    with pytest.warns(LabelWarning, match=r"none of the true labels .* 4 candidates.*Pass cand"):
        assert fitted(candidates=None).score(ALL_X[4:], UNSEEN) == 0


def test_score_refuses_labels_of_another_kind():
    for wrong in (CODES, CODES.astype(float), CODES.tolist()):
        with pytest.raises(ValueError, match="y and candidates must be of one type"):
            fitted().score(X, wrong)


# Bad input -------------------------------------------------------------------------------------


def test_labels_without_a_vector_are_all_named():
    y = Y.astype("U9")
    y[0], y[1], y[2] = "batt", "okapi", "quoll"
    with pytest.raises(UnknownLabelError, match=r"3 of 7 labels \('batt', 'okapi', 'quoll'\)") as e:
        model(candidates=None).fit(X, y)
    assert "'bat'" in str(e.value) and not str(e.value).startswith("'")
    assert e.value.labels == ["batt", "okapi", "quoll"]
    assert isinstance(e.value, ValueError) and isinstance(e.value, ZeroShotError)


@pytest.mark.parametrize("place", ["fit", "with_candidates"])
def test_candidates_without_a_vector_are_all_named(place):
    candidates = [*LABELS, "okapi", "quoll"]
    with pytest.raises(UnknownLabelError, match=r"\('okapi', 'quoll'\).* Add|Pass"):
        fitted(candidates=candidates) if place == "fit" else fitted().with_candidates(candidates)


@pytest.mark.parametrize("place", ["fit", "with_candidates"])
@pytest.mark.parametrize(
    ("candidates", "error", "words"),
    [
        ([], ValueError, "candidates is empty. Name at least one label"),
        (np.array([]), ValueError, "candidates|Unknown label type"),
        (["gnu", "bat", "gnu"], ValueError, r"names 1 labels more than once \('gnu'\). Name each"),
        ("gnu", TypeError, r"must be a list .* Write \['gnu'\] for a single label"),
        ([["gnu", "bat"]], ValueError, "must be 1-D"),
        (["gnu", 3], ValueError, "Unknown label type.*int and str"),
        (["gnu", None], ValueError, "Unknown label type"),
        # Kinds are compared before anything is embedded: word vectors have one for "3".
        ([1, 2, 3], ValueError, r"candidates and y must be of one type.*\[1\].*\['bat'\].*Convert"),
    ],
)
def test_bad_candidates(place, candidates, error, words):
    with pytest.raises(error, match=f"DeViSEClassifier: .*(?:{words})"):
        fitted(candidates=candidates) if place == "fit" else fitted().with_candidates(candidates)


def test_kinds_are_compared_before_embedding():
    # HashEmbedding has a vector for anything, and would hide the mistake; the table has none for
    # the numbers in y, and would blame the labels.
    for embedding in (HashEmbedding(4), TABLE):
        clf = DeViSEClassifier(embedding, loss="mse", candidates=LABELS)
        with pytest.raises(ValueError, match=r"of one type, got candidates such as \['bat'\]"):
            clf.fit(X, CODES)


def test_warnings_name_the_line_of_the_caller():
    table = AttributeTable([[0, 1], [1, 3], [3, 1], [2, 2], [2, 2]], labels=list("abcyz"))
    clf = DeViSEClassifier(table, loss="mse", candidates=list("abcyz"), scenario="unseen")
    with pytest.warns(LabelWarning, match="'y', 'z'") as record:
        clf.fit(X, np.array(["a", "b", "c"])[CODES % 3])
        clf.with_candidates(["a", "z", "y"])
    with pytest.warns(LabelWarning, match="only candidate") as more:
        view = clf.with_candidates(["a", "z"])
        view.predict(X), view.decision_function(X), view.predict_proba(X), view.predict_top_k(X, 1)
    assert {warning.filename for warning in [*record, *more]} == {__file__}
    assert (len(record), len(more)) == (2, 4)


def test_a_failed_view_leaves_the_model_as_it_was():
    clf = fitted()
    before = clf.decision_function(X)
    with pytest.raises(UnknownLabelError):
        clf.with_candidates(["gnu", "okapi"])
    np.testing.assert_array_equal(clf.decision_function(X), before)
    assert clf.classes_.tolist() == clf.candidates == LABELS


@pytest.mark.parametrize("candidates", [None, SEEN, ["bat"]])
def test_nothing_unseen_raises_in_predict_and_scores_but_not_in_fit(candidates):
    """A refit on everything is legitimate: the candidates may come later."""
    clf = fitted(scenario="unseen", candidates=candidates)
    for call in (
        clf.predict,
        clf.decision_function,
        clf.predict_proba,
        lambda x: clf.predict_top_k(x, 1),
        lambda x: clf.score(x, Y),
    ):
        with pytest.raises(
            ValueError, match=r"scenario='unseen', but all .* seen in fit\. Pass ca"
        ):
            call(X)
    assert clf.transform(X).shape == (len(X), 3)
    assert clf.with_candidates(UNSEEN).predict(ALL_X[4:]).tolist() == UNSEEN


def test_one_answerable_class_warns_in_predict_but_not_in_fit():
    """LeaveOneClassOut with scenario="unseen": the answer is right whatever the image."""
    clf = model(scenario="unseen", candidates=["bat", "bee", "cat", "elk", "gnu"]).fit(X, Y)
    for call in (
        clf.predict,
        clf.decision_function,
        clf.predict_proba,
        lambda x: clf.score(x, ["gnu"] * len(x)),
    ):
        with pytest.warns(LabelWarning, match="gnu is the only candidate not seen in fit.*Pass"):
            call(X)


def test_one_hot_vectors_have_no_unseen_candidates():
    """Any vector for them would be equally far from every seen one: nothing could be learnt."""
    words = r"OneHotEmbedding has no vector for 3 of 7 labels \('fly', 'gnu', 'hen'\).*WordVectors"
    with pytest.raises(UnknownLabelError, match=words):
        DeViSEClassifier(loss="mse", candidates=LABELS).fit(X, Y)
    clf = DeViSEClassifier(loss="mse").fit(X, Y)
    with pytest.raises(UnknownLabelError, match=words):
        clf.with_candidates(LABELS)
    assert clf.with_candidates(["cat", "bat"]).classes_.tolist() == ["bat", "cat"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"scenario": "zero-shot"}, "scenario must be one of 'generalized', 'unseen', got 'zero-s"),
        ({"scenario": None}, "scenario must be one of"),
        ({"center": "no"}, "center must be True or False, got 'no'"),
        ({"center": 1}, "center must be True or False, got 1"),
        ({"temperature": 0}, "temperature must be a number above 0, got 0"),
        ({"temperature": np.nan}, "temperature must be a number above 0, got nan"),
        ({"gamma": 0.0}, "gamma must be a number above 0, got 0.0"),
        ({"gamma": "scale"}, "gamma must be a number above 0, got 'scale'"),
    ],
)
def test_unknown_option_values(changes, words):
    with pytest.raises(ValueError, match=f"DeViSEClassifier: {words}"):
        fitted(**changes)


@pytest.mark.parametrize(
    ("k", "words"),
    [
        (0, "k must be an integer of at least 1, got 0"),
        (2.0, "k must be an integer of at least 1, got 2.0"),
        ("2", "k must be an integer of at least 1, got '2'"),
        (True, "k must be an integer of at least 1, got True"),
        (4, "between 1 and the 3 candidates that scenario='unseen' allows, got 4"),
    ],
)
def test_bad_k(k, words):
    with pytest.raises(ValueError, match=f"DeViSEClassifier: .*{words}"):
        fitted(scenario="unseen").predict_top_k(X, k)


@pytest.mark.parametrize(
    "y",
    [np.linspace(0, 1, len(Y)), [None, *Y[1:]], [1, *Y[1:]], [b"bat"] * len(Y)],
    ids=["continuous", "missing", "mixed", "bytes"],
)
def test_what_is_no_label_is_refused_in_scikit_learns_words(y):
    # Its own check, check_classification_targets, knows neither None nor mixed lists.
    with pytest.raises(ValueError, match="Unknown label type"):
        model(candidates=None).fit(X, y)


def test_y_of_two_columns_is_refused():
    with pytest.raises(ValueError, match="y should be a 1d array"):
        model().fit(X, np.stack([Y, Y], axis=1))


@pytest.mark.parametrize("method", ["decision_function", "predict_proba"])
def test_cross_val_predict_for_scores_raises_rather_than_mixing_up_columns(method):
    """It label-encodes y before fit: strings become integers, which no candidate is."""
    with pytest.raises(ValueError, match="candidates and y must be of one type"):
        cross_val_predict(model(), X, Y, method=method, cv=3)


# One seen class --------------------------------------------------------------------------------


@pytest.mark.parametrize("hubness", [None, "zscore", "csls"])
@pytest.mark.parametrize(
    "learner",
    [
        ESZSLClassifier(TABLE, candidates=LABELS),
        ALEClassifier(TABLE, candidates=LABELS, training=Training(epochs=1), random_state=0),
        DeViSEClassifier(
            TABLE, candidates=LABELS, hidden=(4,), training=Training(epochs=1), random_state=0
        ),
    ],
    ids=lambda learner: type(learner).__name__,
)
def test_samples_of_one_class_teach_nothing_and_no_candidate_is_preferred(learner, hubness):
    rows = Y == "bee"
    clf = clone(learner).set_params(hubness=hubness)
    with pytest.warns(LabelWarning, match="all samples are of bee.*at least two cl") as record:
        clf.fit(X[rows], Y[rows])
    assert {warning.filename for warning in record} == {__file__}
    assert not clf.decision_function(X).any()


def test_fewer_rows_than_features_are_no_exception():
    rows = np.flatnonzero(Y == "bee")[:4]
    with pytest.warns(LabelWarning, match="all samples are of bee"):
        clf = ESZSLClassifier(TABLE, candidates=LABELS, alpha_features=1e-9).fit(X[rows], Y[rows])
    assert not clf.coef_.any()


def test_one_class_that_is_the_only_candidate_is_the_answer():
    clf = DeViSEClassifier(TABLE, loss="mse").fit(X[Y == "bee"], Y[Y == "bee"])
    assert set(clf.predict(X)) == {"bee"}
