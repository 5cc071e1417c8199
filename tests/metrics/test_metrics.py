"""Each metric against a loop that a reader can check, and the scorers inside scikit-learn."""

from __future__ import annotations

import itertools
import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin, clone
from sklearn.exceptions import NotFittedError, UndefinedMetricWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import mean_squared_error, recall_score, top_k_accuracy_score
from sklearn.model_selection import GridSearchCV, cross_val_score, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.validation import check_is_fitted

from zeroshot import HashEmbedding
from zeroshot.metrics import (
    SCORERS,
    ausuc_score,
    class_relative_losses,
    embedding_mse,
    harmonic_mean_score,
    hierarchical_precision_score,
    hit_at_k_score,
    mean_class_accuracy,
    relative_loss,
    semantic_similarity_score,
)
from zeroshot.metrics._scorers import OF_PROBABILITIES
from zeroshot.model_selection import (
    ClassKFold,
    ClassShuffleSplit,
    GeneralizedClassKFold,
    LeaveOneClassOut,
)

NAMES = np.array(
    ["ant", "bear", "car", "dog", "eel", "fig", "goat", "hat", "igloo", "jar", "kite", "lion"]
)
VECTORS = np.random.default_rng(0).normal(size=(12, 4)) + 0.5
CODES = np.random.default_rng(1).permutation(np.repeat(np.arange(12), np.arange(6, 18)))
Y = NAMES[CODES]
X = VECTORS[CODES] @ np.random.default_rng(2).normal(size=(4, 6))
X += np.random.default_rng(3).normal(size=X.shape)


def embed(labels):
    return VECTORS[np.searchsorted(NAMES, labels)]


def random_labels(seed, n=60, n_classes=12):
    return NAMES[np.random.default_rng(seed).integers(n_classes, size=n)]


# Functions -------------------------------------------------------------------------------------


def naive_class_accuracy(y_true, y_pred):
    shares = []
    for name in sorted(set(y_true)):
        hits = [t == p for t, p in zip(y_true, y_pred, strict=True) if t == name]
        shares.append(sum(hits) / len(hits))
    return sum(shares) / len(shares)


@pytest.mark.parametrize("seed", range(5))
def test_mean_class_accuracy(seed):
    y_true, y_pred = random_labels(seed, n_classes=4), random_labels(seed + 50, n_classes=6)
    score = mean_class_accuracy(y_true, y_pred)
    assert score == pytest.approx(naive_class_accuracy(y_true, y_pred))
    assert score == pytest.approx(
        recall_score(y_true, y_pred, average="macro", labels=np.unique(y_true))
    )
    integers = mean_class_accuracy(*(np.searchsorted(NAMES, y) * 7 - 3 for y in (y_true, y_pred)))
    assert integers == pytest.approx(score)


def test_each_class_counts_once_whatever_its_size():
    assert mean_class_accuracy(["a"] * 99 + ["b"], ["a"] * 100) == 0.5


def test_containers_change_nothing():
    y_true, y_pred = random_labels(0, n_classes=3), random_labels(1, n_classes=3)
    expected = mean_class_accuracy(y_true, y_pred)
    for convert in (list, pd.Series, lambda y: y.astype(object)):
        assert mean_class_accuracy(convert(y_true), convert(y_pred)) == expected


def naive_hits(y_true, y_score, k, labels):
    hits = []
    for true, row in zip(y_true, y_score, strict=True):
        best = sorted(range(len(labels)), key=lambda j: (-row[j], j))[:k]
        hits.append(true in [labels[j] for j in best])
    return hits


@pytest.mark.parametrize("k", [1, 2, 5, 12])
@pytest.mark.parametrize("ties", [False, True])
def test_hit_at_k(k, ties):
    rng = np.random.default_rng(k)
    y_true = random_labels(k)
    y_score = rng.integers(3, size=(60, 12)) if ties else rng.normal(size=(60, 12))
    labels = rng.permutation(NAMES)
    hits = naive_hits(y_true, y_score, k, labels.tolist())
    micro = hit_at_k_score(y_true, y_score, k=k, labels=labels, average="micro")
    macro = hit_at_k_score(y_true, y_score, k=k, labels=labels)
    assert micro == pytest.approx(np.mean(hits))
    by_class = [np.mean(np.array(hits)[y_true == name]) for name in np.unique(y_true)]
    assert macro == pytest.approx(np.mean(by_class))


@pytest.mark.parametrize("k", [1, 3, 5])
def test_hit_at_k_is_sklearns_where_that_is_defined(k):
    y_true, y_score = random_labels(9), np.random.default_rng(9).normal(size=(60, 12))
    ours = hit_at_k_score(y_true, y_score, k=k, labels=NAMES, average="micro")
    assert ours == pytest.approx(top_k_accuracy_score(y_true, y_score, k=k, labels=NAMES))


def test_hit_at_1_is_the_accuracy_of_argmax_with_ties():
    y_true, y_score = random_labels(3), np.random.default_rng(3).integers(2, size=(60, 12))
    predicted = NAMES[y_score.argmax(axis=1)]
    ours = hit_at_k_score(y_true, y_score, k=1, labels=NAMES)
    assert ours == pytest.approx(mean_class_accuracy(y_true, predicted))


def test_equal_scores_are_no_free_hits():
    assert hit_at_k_score(NAMES, np.zeros((12, 12)), k=3, labels=NAMES) == pytest.approx(3 / 12)


def test_hit_at_k_takes_binary_scores():
    y_true, y_score = ["b", "a", "a"], np.array([1.0, -2.0, 3.0])
    score = hit_at_k_score(y_true, y_score, k=1, labels=["a", "b"], average="micro")
    assert score == pytest.approx(2 / 3)
    # A difference of exactly 0 is the first class's, as scikit-learn's predict has it.
    assert hit_at_k_score(["a"], [0.0], k=1, labels=["a", "b"]) == 1.0


def test_labels_outside_the_candidates_are_misses():
    y_score = np.random.default_rng(0).normal(size=(4, 3))
    assert hit_at_k_score(["x", "zz", "a0", "b"], y_score, k=3, labels=["a", "b", "c"]) == 0.25


def test_columns_not_on_offer_do_not_count_towards_k():
    y_score = np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)
    y_score[:, :2] = np.finfo(np.float32).min
    assert hit_at_k_score([2, 3, 2, 3, 2], y_score, k=2, labels=range(4)) == 1.0
    with pytest.raises(ValueError, match=r"k=3 is more than the 2 candidate labels \(of 4"):
        hit_at_k_score([2, 3, 2, 3, 2], y_score, k=3, labels=range(4))


def test_harmonic_mean():
    for seed in range(5):
        y_true, y_pred = random_labels(seed), random_labels(seed, n=60)[::-1]
        y_pred = np.where(np.random.default_rng(seed).random(60) < 0.5, y_true, y_pred)
        seen = [t in NAMES[:8] for t in y_true]
        parts = [
            naive_class_accuracy(
                [t for t, s in zip(y_true, seen, strict=True) if s is part],
                [p for p, s in zip(y_pred, seen, strict=True) if s is part],
            )
            for part in (True, False)
        ]
        score = harmonic_mean_score(y_true, y_pred, seen_classes=NAMES[:8])
        assert score == pytest.approx(2 / (1 / parts[0] + 1 / parts[1]))


def test_harmonic_mean_of_nothing_right_is_zero():
    assert harmonic_mean_score(["a", "b"], ["b", "a"], seen_classes=["a"]) == 0.0
    assert harmonic_mean_score(["a", "b"], ["a", "a"], seen_classes=["a"]) == 0.0


@pytest.mark.parametrize("rows", [["a", "a"], ["b", "b"]])
def test_harmonic_mean_needs_both_parts(rows):
    with pytest.raises(ValueError, match="GeneralizedClassKFold"):
        harmonic_mean_score(rows, rows, seen_classes=["a"])


def cosine(a, b):
    return sum(a * b) / (sum(a * a) * sum(b * b)) ** 0.5


@pytest.mark.parametrize("k", [1, 3])
def test_semantic_similarity(k):
    y_true = random_labels(0)
    y_top = np.stack([random_labels(seed) for seed in range(1, k + 1)], axis=1)
    cosines = [
        cosine(embed([true])[0], embed([top])[0])
        for true, row in zip(y_true, y_top, strict=True)
        for top in row
    ]
    micro = semantic_similarity_score(y_true, y_top, embed, average="micro")
    assert micro == pytest.approx(np.mean(cosines))
    rows = np.reshape(cosines, (-1, k)).mean(axis=1)
    macro = np.mean([rows[y_true == name].mean() for name in np.unique(y_true)])
    assert semantic_similarity_score(y_true, y_top, embed) == pytest.approx(macro) != micro

    class Table:
        def embed(self, labels):
            return embed(labels).astype(np.float32)

    score = semantic_similarity_score(list(y_true), y_top.tolist(), Table())
    assert score == pytest.approx(macro, abs=1e-6)
    frame = semantic_similarity_score(y_true, pd.DataFrame(y_top), Table())
    assert frame == pytest.approx(macro, abs=1e-6)


def test_semantic_similarity_of_the_truth_is_one():
    assert semantic_similarity_score(Y, Y[:, None], embed) == pytest.approx(1.0)
    assert semantic_similarity_score(CODES, CODES[:, None], VECTORS.__getitem__) == pytest.approx(1)


def test_embedding_mse_is_sklearns():
    a, b = np.random.default_rng(0).normal(size=(2, 20, 5))
    assert embedding_mse(a, b) == pytest.approx(mean_squared_error(a, b))
    assert embedding_mse(a.tolist(), pd.DataFrame(b)) == pytest.approx(mean_squared_error(a, b))


def naive_relative_losses(labels, y_true, y_pred, baseline):
    losses = []
    for name in sorted(set(labels)):
        rows = [i for i, label in enumerate(labels) if label == name]
        loss = np.mean([np.mean((y_pred[i] - y_true[i]) ** 2) for i in rows])
        reference = np.mean([np.mean((baseline[i] - y_true[i]) ** 2) for i in rows])
        losses.append(loss / reference - 1)
    return losses


@pytest.mark.parametrize("kind", ["zero", "mean", "vector", "rows"])
def test_relative_loss(kind):
    rng = np.random.default_rng(0)
    y_true = VECTORS[CODES]
    y_pred = y_true + rng.normal(size=y_true.shape)
    untrained = rng.normal(size=y_true.shape)
    given, baseline = {
        "zero": ({}, np.zeros_like(y_true)),
        "mean": (
            {"reference": "mean", "seen_vectors": VECTORS[:5]},
            np.tile(VECTORS[:5].mean(axis=0), (len(y_true), 1)),
        ),
        "vector": ({"reference": untrained[0]}, np.tile(untrained[0], (len(y_true), 1))),
        "rows": ({"reference": untrained}, untrained),
    }[kind]
    expected = naive_relative_losses(CODES.tolist(), y_true, y_pred, baseline)
    assert relative_loss(y_true, y_pred, **given) == pytest.approx(np.mean(expected))
    assert relative_loss(y_true, y_pred, labels=Y, **given) == pytest.approx(np.mean(expected))
    classes, losses = class_relative_losses(y_true, y_pred, labels=Y, **given)
    assert classes.tolist() == NAMES.tolist()
    assert losses == pytest.approx(expected)


def test_relative_loss_knows_the_trivial_answers():
    y_true, mean = VECTORS[CODES], VECTORS.mean(axis=0)
    constant = np.tile(mean, (len(y_true), 1))
    assert relative_loss(y_true, np.zeros_like(y_true)) == 0.0
    assert relative_loss(y_true, y_true) == -1.0
    assert relative_loss(y_true, constant) < 0
    skill = relative_loss(y_true, constant, reference="mean", seen_vectors=VECTORS)
    assert skill == pytest.approx(0.0)


def test_labels_tell_apart_classes_with_the_same_vector():
    y_true, y_pred = [[1.0], [1.0], [1.0]], [[1.0], [3.0], [3.0]]
    assert relative_loss(y_true, y_pred) == pytest.approx(8 / 3 - 1)
    assert relative_loss(y_true, y_pred, labels=["a", "b", "b"]) == pytest.approx(1.0)


V = np.ones((3, 2))
SCORES = np.eye(3)
BAD = [
    (lambda: mean_class_accuracy([], []), "y_true is empty"),
    (lambda: mean_class_accuracy(["a"], ["a", "b"]), "y_true has 1 rows and y_pred has 2"),
    (lambda: mean_class_accuracy(["a"], [1]), "must be of one type"),
    (lambda: mean_class_accuracy([0.5], [1]), "Unknown label type"),
    (lambda: mean_class_accuracy(V, V), "must be 1-D"),
    (lambda: hit_at_k_score([0], [[1.0, 2.0]], k=3, labels=[0, 1]), "at most 2"),
    (lambda: hit_at_k_score([0], [[1.0, 2.0]], k=0, labels=[0, 1]), "at least 1, got 0"),
    (lambda: hit_at_k_score([0], [[1.0, 2.0]], k=1.0, labels=[0, 1]), "an integer.*got 1.0"),
    (lambda: hit_at_k_score([0], [[1.0, 2.0]], k=True, labels=[0, 1]), "got True"),
    (lambda: hit_at_k_score([0] * 3, SCORES, k=1, labels=[0, 1]), r"shape \(3, 3\) for 2 labels"),
    (lambda: hit_at_k_score([0] * 3, [1.0] * 3, k=1, labels=[0, 1, 2]), "Pass the labels of its"),
    (lambda: hit_at_k_score([0] * 3, SCORES, k=1, labels=[0, 1, 1]), "more than once"),
    (lambda: hit_at_k_score([0] * 2, SCORES, k=1, labels=[0, 1, 2]), "2 rows and y_score has 3"),
    (lambda: hit_at_k_score([0] * 3, SCORES * np.nan, k=1, labels=[0, 1, 2]), "NaN or infinity"),
    (lambda: hit_at_k_score([0] * 3, SCORES, k=1, labels=["a", "b", "c"]), "must be of one type"),
    (
        lambda: hit_at_k_score([0] * 3, SCORES, k=1, labels=[0, 1, 2], average="weighted"),
        "average must be one of 'macro', 'micro'",
    ),
    (lambda: harmonic_mean_score(["a"], ["a"], seen_classes=[1]), "must be of one type"),
    (
        lambda: harmonic_mean_score(["a"], ["a"], seen_classes=["A"]),
        r"none of the 1 seen_classes \(such as 'A'\) stands in y_true or in y_pred \(such as 'a'",
    ),
    (lambda: harmonic_mean_score([1], [1], seen_classes=[]), "seen_classes is empty. Pass the lab"),
    (
        lambda: ausuc_score([0, 1], SCORES[:2], labels=[0, 1, 2], seen_classes=[]),
        "ausuc_score: seen_classes is empty. Pass the labels that were in training",
    ),
    (
        lambda: ausuc_score([0, 1], SCORES[:2], labels=[0, 1, 2], seen_classes=[7, 8]),
        r"none of the 2 seen_classes \(such as 7\) stands in y_true or in labels \(such as 0\)",
    ),
    (lambda: semantic_similarity_score(Y[:2], Y[:2], embed), r"reshape\(-1, 1\)"),
    (lambda: semantic_similarity_score(Y[:2], Y[:3, None], embed), "2 rows and y_top has 3"),
    (lambda: semantic_similarity_score([0], [["a"]], embed), "must be of one type"),
    (lambda: semantic_similarity_score(["a"], None, embed), "y_top must be 2-D.* got None"),
    (lambda: semantic_similarity_score(["a"], "ab", embed), "y_top must be 2-D.* got 'ab'"),
    (lambda: semantic_similarity_score(["a"], 5, embed), "y_top must be 2-D.* got 5"),
    (
        lambda: semantic_similarity_score(["a"], [["b"]], embed, average="none"),
        "average must be one of 'macro', 'micro'",
    ),
    (
        lambda: semantic_similarity_score(["a"], [["b"]], lambda labels: np.eye(3)),
        "label_embedding gave 3 vectors for 2 labels. It must give one vector per label",
    ),
    (
        lambda: semantic_similarity_score(["a"], [["b"]], lambda labels: np.eye(2)[:, :1]),
        "gives 'b' a zero vector",
    ),
    (lambda: embedding_mse(V, V[:2]), "3 rows and y_pred has 2"),
    (lambda: embedding_mse(V, V[:, :1]), "y_pred has 1 columns, expected 2"),
    (lambda: embedding_mse(V[0], V[0]), r"2-D array.*reshape\(1, -1\)"),
    (lambda: embedding_mse(V, V * [np.inf, 1]), "infinity in 3 of 3 rows .first: row 0"),
    (lambda: embedding_mse(["a"], ["b"]), "must be an array of real numbers"),
    (lambda: embedding_mse([["1"]], [[1]]), "y_true must be .* real numbers .got .*'1'"),
    (lambda: embedding_mse([[1]], np.array([["1"]], object)), "y_pred must be .* .got '1'"),
    (lambda: embedding_mse(V, V * 1j), r"y_pred must be .* real numbers .got .*j"),
    (lambda: embedding_mse(V, [[1, 2], [3]]), "y_pred must be an array of real numbers"),
    (lambda: hit_at_k_score([0] * 3, SCORES * 1j, k=1, labels=[0, 1, 2]), r"real numbers .got .*j"),
    (lambda: hit_at_k_score([0], [["0.5", "1"]], k=1, labels=[0, 1]), "real numbers .got .*'0.5'"),
    (lambda: hit_at_k_score([0], [[1.0, 2.0], [1.0]], k=1, labels=[0, 1]), "real numbers"),
    (lambda: relative_loss(V, V, reference="mean"), "needs seen_vectors.*label_vectors"),
    (
        lambda: relative_loss(V, V, reference="mean", seen_vectors=np.ones((2, 3))),
        "seen_vectors has 3 columns, expected 2",
    ),
    (lambda: relative_loss(V, V, reference="median"), "'zero', 'mean' or an array, got 'median'"),
    (lambda: relative_loss(V, V, reference=[1.0]), r"reference has shape \(1,\), expected \(2,\)"),
    (lambda: relative_loss(V * 0, V), r"class \[0.0, 0.0\] is exact"),
    (lambda: relative_loss(V, V, reference=V, labels=["a"] * 3), "class 'a' is exact"),
    (lambda: relative_loss(V, V, labels=["a"]), "3 rows and labels has 1"),
    (lambda: class_relative_losses(V, V, labels=None), "call relative_loss"),
]


@pytest.mark.parametrize(("call", "message"), BAD, ids=[message for _, message in BAD])
def test_bad_input_says_what_to_do(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_a_label_embedding_must_embed():
    with pytest.raises(TypeError, match="Pass WordVectors.., or estimator.label_vectors"):
        semantic_similarity_score(["a"], [["b"]], VECTORS)


# Scorers ---------------------------------------------------------------------------------------


def ridge(X, Z, penalty):
    Xb = np.column_stack([X, np.ones(len(X))])
    return np.linalg.solve(Xb.T @ Xb + penalty * np.eye(Xb.shape[1]), Xb.T @ Z)


class Mapped(BaseEstimator):
    """A ridge map to label vectors: what both fakes below are made of."""

    def __init__(self, candidates=None, scenario="generalized", penalty=1.0):
        self.candidates = candidates
        self.scenario = scenario
        self.penalty = penalty

    def fit(self, X, y):
        self.seen_classes_ = np.unique(y)
        self.coef_ = ridge(X, embed(y), self.penalty)
        return self

    def label_vectors(self, labels):
        return embed(labels)

    def _map(self, X):
        check_is_fitted(self)
        return np.column_stack([X, np.ones(len(X))]) @ self.coef_


class FakeClassifier(ClassifierMixin, Mapped):
    def fit(self, X, y):
        super().fit(X, y)
        self.classes_ = np.unique(
            self.seen_classes_ if self.candidates is None else self.candidates
        )
        return self

    def decision_function(self, X):
        vectors = embed(self.classes_)
        scores = self._map(X) @ (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).T
        if self.scenario == "unseen":
            scores[:, np.isin(self.classes_, self.seen_classes_)] = np.finfo(scores.dtype).min
        return scores[:, 1] - scores[:, 0] if len(self.classes_) == 2 else scores

    def predict(self, X):
        scores = self.decision_function(X)
        best = (scores > 0).astype(int) if scores.ndim == 1 else scores.argmax(axis=1)
        return self.classes_[best]


class FakeRegressor(RegressorMixin, Mapped):
    def predict(self, X):
        return self._map(X)


CLASSIFIER_SCORERS = [
    "unseen_accuracy",
    "seen_accuracy",
    "harmonic_mean",
    "ausuc",
    "mean_class_accuracy",
    "hit_at_1",
    "hit_at_2",
    "hit_at_5",
    "hit_at_10",
    "hit_at_20",
    "hierarchical_precision_at_5",
    "semantic_similarity_at_3",
]
TWELVE = [name for name in CLASSIFIER_SCORERS if name != "hit_at_20"]  # what twelve labels allow
REGRESSOR_SCORERS = ["neg_embedding_mse", "neg_relative_loss"]
TRAIN = CODES < 8


def wrapped(model):
    """The model bare, in a pipeline, nested, and in a search, each fitted on eight classes."""
    pipe = make_pipeline(StandardScaler(), model)
    scoring = None if isinstance(model, ClassifierMixin) else SCORERS["neg_embedding_mse"]
    search = GridSearchCV(pipe, {}, cv=ClassKFold(2), scoring=scoring)
    models = {
        "bare": model,
        "pipeline": pipe,
        "nested": make_pipeline(StandardScaler(), pipe),
        "search": search,
        "pipeline of search": make_pipeline("passthrough", search),
    }
    return models.items()


def test_every_scorer_is_listed_and_tested():
    confidence = [name for name in SCORERS if name in OF_PROBABILITIES]  # test_confidence.py
    assert list(SCORERS) == CLASSIFIER_SCORERS + REGRESSOR_SCORERS + confidence
    assert isinstance(SCORERS, dict)


@pytest.mark.parametrize("name", SCORERS)
def test_scorers_print_and_pickle(name):
    assert repr(SCORERS[name]) == f"Scorer(name={name!r})"
    assert pickle.loads(pickle.dumps(SCORERS[name])) == SCORERS[name]


def expected_scores(model, X, y):
    """What the scorers should say of a fitted classifier, from the metrics and from loops."""
    predicted, seen = model.predict(X), np.isin(y, NAMES[:8])
    scores = model.decision_function(X)
    top = NAMES[np.argsort(-scores, axis=1)[:, :3]]
    return {
        "unseen_accuracy": naive_class_accuracy(y[~seen], predicted[~seen]),
        "seen_accuracy": naive_class_accuracy(y[seen], predicted[seen]),
        "harmonic_mean": harmonic_mean_score(y, predicted, seen_classes=NAMES[:8]),
        "ausuc": ausuc_score(y, scores, labels=NAMES, seen_classes=NAMES[:8]),
        "mean_class_accuracy": naive_class_accuracy(y, predicted),
        **{f"hit_at_{k}": hit_at_k_score(y, scores, k=k, labels=NAMES) for k in (1, 2, 5, 10)},
        "hierarchical_precision_at_5": hierarchical_precision_score(y, scores, k=5, labels=NAMES),
        "semantic_similarity_at_3": semantic_similarity_score(y, top, embed),
    }


@pytest.mark.parametrize("wrapping", [name for name, _ in wrapped(FakeClassifier())])
def test_classifier_scorers_reach_through_wrappers(wrapping):
    model = dict(wrapped(FakeClassifier(NAMES)))[wrapping].fit(X[TRAIN], Y[TRAIN])
    for name, expected in expected_scores(model, X, Y).items():
        score = SCORERS[name](model, X, Y)
        assert isinstance(score, float)
        assert score == pytest.approx(expected), name
        assert 0 < score < 1


@pytest.mark.parametrize("wrapping", [name for name, _ in wrapped(FakeRegressor())])
def test_regressor_scorers_reach_through_wrappers(wrapping):
    model = dict(wrapped(FakeRegressor()))[wrapping]
    model.fit(X[TRAIN], Y[TRAIN])
    predicted = model.predict(X)
    mse = SCORERS["neg_embedding_mse"](model, X, Y)
    assert mse == pytest.approx(-mean_squared_error(embed(Y), predicted))
    loss = SCORERS["neg_relative_loss"](model, X, Y)
    assert loss == pytest.approx(-relative_loss(embed(Y), predicted, labels=Y))
    assert loss > 0  # better than predicting zero
    for name in REGRESSOR_SCORERS:
        assert SCORERS[name](model, X, embed(Y)) == pytest.approx(SCORERS[name](model, X, Y))


def test_generalized_folds_have_every_score():
    for n_jobs in (None, 2):
        results = cross_validate(
            make_pipeline(StandardScaler(), FakeClassifier(NAMES)),
            X,
            Y,
            cv=GeneralizedClassKFold(3, shuffle=True, random_state=0),
            scoring={name: SCORERS[name] for name in TWELVE},
            n_jobs=n_jobs,
            error_score="raise",
        )
        for name in TWELVE:
            scores = results[f"test_{name}"]
            assert scores.shape == (3,) and (scores > 0).all() and (scores <= 1).all()
        seen, unseen = results["test_seen_accuracy"], results["test_unseen_accuracy"]
        assert results["test_harmonic_mean"] == pytest.approx(2 / (1 / seen + 1 / unseen))


PURE_SCORERS = [name for name in TWELVE if name not in ("seen_accuracy", "harmonic_mean", "ausuc")]


@pytest.mark.parametrize("scenario", ["generalized", "unseen"])
@pytest.mark.parametrize("labels", [Y, CODES * 3 + 1], ids=["str", "int"])
def test_unseen_test_classes_give_numbers_without_a_warning(scenario, labels, monkeypatch):
    if labels is not Y:
        monkeypatch.setitem(globals(), "embed", lambda y: VECTORS[(np.asarray(y) - 1) // 3])
    # Six candidates are left, and integers have no synsets.
    names = [name for name in PURE_SCORERS if not (scenario == "unseen" and name == "hit_at_10")]
    names = [name for name in names if labels is Y or "hierarchical" not in name]
    model = FakeClassifier(np.unique(labels), scenario=scenario)
    results = cross_validate(
        model,
        X,
        labels,
        cv=ClassShuffleSplit(3, test_size=6, random_state=0),
        scoring={name: SCORERS[name] for name in names},
        error_score="raise",
    )
    for name in names:
        assert np.isfinite(results[f"test_{name}"]).all()
    assert results["test_hit_at_5"].mean() > results["test_mean_class_accuracy"].mean()
    if scenario == "unseen":
        assert results["test_unseen_accuracy"].mean() > 1 / 6


def test_sklearns_own_top_k_scorer_falls_into_the_trap():
    # What the test above is about: should this ever stop warning, hit_at_5 may lean on it.
    with pytest.warns(Warning) as caught:
        scores = cross_val_score(
            FakeClassifier(NAMES), X, Y, cv=ClassKFold(3), scoring="top_k_accuracy"
        )
    assert np.isnan(scores).all()
    assert not any(issubclass(w.category, UndefinedMetricWarning) for w in caught)


def test_grid_search_maximises_a_scorer():
    penalties = [1e-2, 1e2, 1e7]
    for name, model in itertools.chain(
        [("hit_at_5", FakeClassifier(NAMES))],
        [(name, FakeRegressor()) for name in REGRESSOR_SCORERS],
    ):
        search = GridSearchCV(
            make_pipeline(StandardScaler(), model),
            {f"{type(model).__name__.lower()}__penalty": penalties},
            scoring=SCORERS[name],
            cv=ClassKFold(3, shuffle=True, random_state=0),
            error_score="raise",
        ).fit(X, Y)
        means = search.cv_results_["mean_test_score"]
        assert np.isfinite(means).all() and search.best_score_ == means.max()
        assert search.best_params_.popitem()[1] != 1e7
        assert search.score(X, Y) == SCORERS[name](search.best_estimator_, X, Y)


def test_losses_over_leave_one_class_out():
    results = cross_validate(
        FakeRegressor(),
        X,
        Y,
        cv=LeaveOneClassOut(),
        scoring={name: SCORERS[name] for name in REGRESSOR_SCORERS},
        error_score="raise",
    )
    for code in range(12):
        model = FakeRegressor().fit(X[code != CODES], Y[code != CODES])
        error = model.predict(X[code == CODES]) - VECTORS[code]
        assert results["test_neg_embedding_mse"][code] == pytest.approx(-np.mean(error**2))
        expected = 1 - np.mean(error**2) / np.mean(VECTORS[code] ** 2)
        assert results["test_neg_relative_loss"][code] == pytest.approx(expected)


def test_two_candidates():
    model = FakeClassifier(NAMES[8:10]).fit(X[TRAIN], Y[TRAIN])
    rows = np.isin(CODES, [8, 9])
    assert model.decision_function(X[rows]).ndim == 1
    accuracy = naive_class_accuracy(Y[rows], model.predict(X[rows]))
    assert SCORERS["unseen_accuracy"](model, X[rows], Y[rows]) == pytest.approx(accuracy)
    for name, k in {
        "hit_at_5": 5,
        "hit_at_20": 20,
        "hierarchical_precision_at_5": 5,
        "semantic_similarity_at_3": 3,
    }.items():
        with pytest.raises(
            ValueError,
            match=rf"SCORERS\['{name}'\]: k={k} is more than the 2 candidate labels.*Offer more "
            "candidates, or ask evaluate_zero_shot for k of at most 2",
        ):
            SCORERS[name](model, X[rows], Y[rows])


@pytest.mark.parametrize(
    ("name", "rows"),
    [
        ("seen_accuracy", ~TRAIN),
        ("harmonic_mean", ~TRAIN),
        ("harmonic_mean", TRAIN),
        ("ausuc", ~TRAIN),
        ("ausuc", TRAIN),
    ],
)
def test_missing_rows_name_the_splitter(name, rows):
    model = FakeClassifier(NAMES).fit(X[TRAIN], Y[TRAIN])
    with pytest.raises(ValueError, match=r"pass cv=GeneralizedClassKFold\(\)"):
        SCORERS[name](model, X[rows], Y[rows])


def test_unseen_accuracy_without_unseen_rows_names_the_splitters():
    model = FakeClassifier(NAMES).fit(X[TRAIN], Y[TRAIN])
    with pytest.raises(
        ValueError, match=r"no.* unseen in fit.*GeneralizedClassKFold\(\), or ClassKF"
    ):
        SCORERS["unseen_accuracy"](model, X[TRAIN], Y[TRAIN])


@pytest.mark.parametrize("name", CLASSIFIER_SCORERS)
def test_a_regressor_is_sent_to_the_losses(name):
    model = make_pipeline(StandardScaler(), FakeRegressor()).fit(X, Y)
    with pytest.raises(TypeError, match=f"SCORERS.'{name}'. needs .*FakeRegressor.*'neg_relative"):
        SCORERS[name](model, X, Y)


@pytest.mark.parametrize("name", REGRESSOR_SCORERS)
def test_a_classifier_is_sent_to_the_accuracies(name):
    model = FakeClassifier(NAMES).fit(X, Y)
    with pytest.raises(TypeError, match="predicts label vectors.*EmbeddingRegressor.*'hit_at_5'"):
        SCORERS[name](model, X, Y)


def test_an_ordinary_classifier_has_no_seen_classes():
    model = LogisticRegression().fit(X, Y)
    with pytest.raises(TypeError, match="seen_classes_, which LogisticRegression has not"):
        SCORERS["unseen_accuracy"](model, X, Y)
    assert SCORERS["hit_at_5"](model, X, Y) > SCORERS["mean_class_accuracy"](model, X, Y) > 0.5


@pytest.mark.parametrize("name", SCORERS)
def test_unfitted_says_so(name):
    model = FakeClassifier(NAMES) if name in CLASSIFIER_SCORERS else FakeRegressor()
    with pytest.raises(NotFittedError):
        SCORERS[name](make_pipeline("passthrough", model), X, Y)


OPTIONS = {
    "ausuc": {"average": "micro"},
    "hit_at_2": {"average": "micro"},
    "semantic_similarity_at_3": {"average": "micro", "label_embedding": HashEmbedding(4)},
}


@pytest.mark.parametrize("name", OPTIONS)
def test_scorers_take_options_of_the_metric(name):
    model = FakeClassifier(NAMES).fit(X[TRAIN], Y[TRAIN])
    scorer = SCORERS[name].with_options(average="macro").with_options(**OPTIONS[name])
    scores = model.decision_function(X)
    top = NAMES[np.argsort(-scores, axis=1)[:, :3]]
    known = {"labels": NAMES, "average": "micro"}
    expected = {
        "ausuc": lambda: ausuc_score(Y, scores, seen_classes=NAMES[:8], **known),
        "hit_at_2": lambda: hit_at_k_score(Y, scores, k=2, **known),
        "semantic_similarity_at_3": lambda: semantic_similarity_score(
            Y, top, HashEmbedding(4), average="micro"
        ),
    }[name]()
    assert scorer(model, X, Y) == pytest.approx(expected)
    assert scorer.name == name and scorer != SCORERS[name]
    assert pickle.loads(pickle.dumps(scorer))(model, X, Y) == scorer(model, X, Y)
    assert clone(scorer, safe=False)(model, X, Y) == scorer(model, X, Y)
    assert SCORERS.get(scorer) is None  # it can be hashed
    assert not SCORERS[name].options


def test_options_that_a_scorer_has_not():
    message = r"SCORERS\['hit_at_5'\]: there is no option 'synsets'. It takes 'average'."
    with pytest.raises(TypeError, match=message):
        SCORERS["hit_at_5"].with_options(synsets={})
    with pytest.raises(TypeError, match="no option 'average'. It takes none."):
        SCORERS["harmonic_mean"].with_options(average="micro")
    model = FakeClassifier(NAMES).fit(X[TRAIN], Y[TRAIN])
    with pytest.raises(ValueError, match=r"SCORERS\['hit_at_5'\]: average must be one of"):
        SCORERS["hit_at_5"].with_options(average="both")(model, X, Y)


@pytest.mark.parametrize("name", CLASSIFIER_SCORERS)
def test_labels_of_another_kind_raise(name):
    model = FakeClassifier(NAMES).fit(X[TRAIN], Y[TRAIN])
    with pytest.raises(ValueError, match=rf"SCORERS\['{name}'\]: .* must be of one type"):
        SCORERS[name](model, X, CODES)
