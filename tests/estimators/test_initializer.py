"""Heads for new classes out of the rows of a pretrained one."""

from __future__ import annotations

import copy
import pickle
from collections import defaultdict

import numpy as np
import pandas
import pytest
import timm
import torch
from scipy.special import softmax
from sklearn.base import clone
from sklearn.datasets import make_blobs
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.linear_model import SGDClassifier
from sklearn.model_selection import cross_val_score
from sklearn.neighbors import NearestCentroid
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer
from torch import nn

from zeroshot import (
    AttributeTable,
    InferenceSimilarity,
    SimilarityInitializer,
    SourceHead,
    WordNetEmbedding,
)
from zeroshot.estimators._initializer import DEFAULT_PRIOR_IMAGES, deal_folds
from zeroshot.estimators._transferred_head import (
    DEFAULT_NEIGHBORS,
    convex_weights,
    neighbor_grid,
)
from zeroshot.exceptions import LabelWarning, UnknownLabelError
from zeroshot.persistence import load, save
from zeroshot.similarity import MixtureSimilarity, WordNetSimilarity, WordVectorSimilarity
from zeroshot.taxonomy import synset

RNG = np.random.default_rng(0)
SOURCES = ["beagle", "feline", "trout", "oak", "hammer"]
WNIDS = ["n02088364", "n02120997", "n02537085", "n12268246", "n03481172"]
# An ancestor is a source; an ancestor of a source; neither; a source itself.
TARGETS = ["carp", "dog", "lion", "oak"]
RELATIONS = ["disjoint", "inclusive", "included", "same"]
HEAD = SourceHead(RNG.normal(size=(5, 6)), RNG.normal(size=5), SOURCES, WNIDS)
CODES = RNG.permutation(np.repeat(np.arange(4), 6))
Y = np.array(TARGETS)[CODES]
X = HEAD.coef[[2, 0, 1, 3]][CODES] + 0.7 * RNG.normal(size=(24, 6))
SIMILARITY = RNG.uniform(0.1, 1, size=(4, 5))
SYNSETS = {"oak": "n12268246"}


def model(similarity="inference", **params):
    return SimilarityInitializer(HEAD, similarity, **{"n_neighbors": 3, **params})


def naive_head(similarity, n_neighbors):
    """One class and one neighbour at a time."""
    coef, intercept = np.zeros((len(similarity), 6)), np.zeros(len(similarity))
    for i, row in enumerate(similarity):
        nearest = sorted(range(5), key=lambda j: -row[j])[: n_neighbors[i]]
        total = sum(row[j] for j in nearest)
        for j in nearest:
            coef[i] += row[j] / total * HEAD.coef[j]
            intercept[i] += row[j] / total * HEAD.intercept[j]
    return coef, intercept


# The head --------------------------------------------------------------------------------------


@pytest.mark.parametrize("k", [1, 3, 5])
def test_rows_are_convex_combinations_of_the_nearest_source_rows(k):
    fitted = model(SIMILARITY, n_neighbors=k).fit(None, TARGETS)
    coef, intercept = naive_head(SIMILARITY, [k] * 4)
    np.testing.assert_allclose(fitted.coef_, coef, rtol=1e-12)
    np.testing.assert_allclose(fitted.intercept_, intercept, rtol=1e-12)
    np.testing.assert_allclose(fitted.weights_.sum(axis=1), 1)
    assert (fitted.weights_ > 0).sum(axis=1).tolist() == [k] * 4
    np.testing.assert_array_equal(fitted.similarity_, SIMILARITY)


def test_equal_norms_drop_the_offsets():
    plain, equal = model(SIMILARITY).fit(None, TARGETS), model(SIMILARITY, normalize="equal")
    equal.fit(None, TARGETS)
    norms = np.linalg.norm(equal.coef_, axis=1)
    np.testing.assert_allclose(norms, np.linalg.norm(HEAD.coef, axis=1).mean())
    ratio = equal.coef_ / plain.coef_
    np.testing.assert_allclose(ratio, ratio[:, :1] * np.ones(6))  # the direction is kept
    assert (ratio > 0).all() and not equal.intercept_.any()


@pytest.mark.parametrize("kind", ["hard", "soft"])
def test_inference_is_fitted_on_the_logits_of_the_head(kind):
    given = InferenceSimilarity(kind)
    fitted = model(given).fit(X, Y)
    expected = InferenceSimilarity(kind).fit(HEAD.decision_function(X), Y)
    np.testing.assert_allclose(fitted.similarity_, expected.matrix(TARGETS, SOURCES))
    assert not hasattr(given, "classes_")  # the parameter is left unfitted
    np.testing.assert_allclose(fitted.coef_, naive_head(fitted.similarity_, [3] * 4)[0])


def test_inference_is_the_hard_one_as_published():
    got = model("inference").fit(X, Y).similarity_
    np.testing.assert_array_equal(got, model(InferenceSimilarity("hard")).fit(X, Y).similarity_)


def test_a_similarity_that_was_streamed_needs_no_features():
    streamed = InferenceSimilarity("soft")
    for rows in np.split(np.arange(24), 4):
        streamed.partial_fit(HEAD.decision_function(X[rows]), Y[rows])
    got = model(streamed).fit(None, TARGETS)
    np.testing.assert_allclose(got.coef_, model(InferenceSimilarity("soft")).fit(X, Y).coef_)


def test_names_alone_need_no_image():
    fitted = model("wordnet", synsets=SYNSETS).fit(None, ["lion", *TARGETS])
    expected = WordNetSimilarity().matrix(["carp", "dog", "lion", "n12268246"], WNIDS)
    np.testing.assert_array_equal(fitted.similarity_, expected)
    assert fitted.classes_.tolist() == TARGETS
    nearest = [record["sources"][0] for record in fitted.neighbors_]
    assert nearest[2:] == ["feline", "oak"]
    with_images = model("wordnet", synsets=SYNSETS).fit(X, Y)
    np.testing.assert_array_equal(with_images.coef_, fitted.coef_)


def test_any_object_with_matrix():
    class Own:
        def matrix(self, targets, sources):
            assert list(targets) == TARGETS and list(sources) == SOURCES
            return SIMILARITY

    expected = model(SIMILARITY).fit(None, TARGETS).coef_
    np.testing.assert_array_equal(model(Own()).fit(X, Y).coef_, expected)


def test_a_plain_object_with_fit_is_fitted_on_a_copy():
    class Own:
        seen = None

        def fit(self, logits, y):  # returns nothing
            self.seen = len(y)

        def matrix(self, targets, sources):
            return SIMILARITY * self.seen

    given = Own()
    got = model(given).fit(X, Y)
    np.testing.assert_array_equal(got.similarity_, 24 * SIMILARITY)
    assert given.seen is None


def test_a_mixture_has_its_parts_fitted_and_each_by_its_own_names():
    soft = InferenceSimilarity("soft")
    mixture = MixtureSimilarity([(soft, 1), (WordNetSimilarity(), 3)])
    got = model(mixture, synsets=SYNSETS).fit(X, Y).similarity_
    visual = soft.fit(HEAD.decision_function(X), Y).matrix(TARGETS, SOURCES)
    names = WordNetSimilarity().matrix(["carp", "dog", "lion", "n12268246"], WNIDS)
    expected = sum(
        weight * part / part.sum(axis=1, keepdims=True)
        for part, weight in ((visual, 0.25), (names, 0.75))
    )
    np.testing.assert_allclose(got, expected)


def test_candidates_name_the_classes_and_their_order_does_not_matter():
    fitted = model("wordnet", candidates=[*reversed(TARGETS), "wolf"]).fit(X, Y)
    assert fitted.classes_.tolist() == [*TARGETS, "wolf"]
    again = model("wordnet", candidates=[*TARGETS, "wolf"]).fit()
    np.testing.assert_array_equal(again.coef_, fitted.coef_)


def test_integer_labels_with_a_matrix():
    fitted = model(SIMILARITY).fit(X, CODES)
    assert fitted.classes_.tolist() == [0, 1, 2, 3]
    assert set(fitted.relations_) == {"unknown"} and fitted.n_neighbors_ == {"unknown": 3}
    np.testing.assert_array_equal(fitted.coef_, model(SIMILARITY).fit(X, Y).coef_)


def test_synsets_are_wnids_names_or_objects():
    expected = model("wordnet", synsets=SYNSETS).fit(None, TARGETS)
    for value in ("oak.n.02", synset("oak.n.02"), "n12268246"):
        got = model("wordnet", synsets={"oak": value}).fit(None, TARGETS)
        np.testing.assert_array_equal(got.similarity_, expected.similarity_)
        assert got.relations_.tolist() == expected.relations_.tolist() == RELATIONS


def test_integers_have_the_synsets_given_and_no_others():
    """A number is no word: 0 is not the noun zero."""
    given = {0: "carp.n.02", 2: "lion.n.01"}
    fitted = model(SIMILARITY, synsets=given).fit(X, CODES)
    assert fitted.relations_.tolist() == ["disjoint", "unknown", "included", "unknown"]
    with pytest.raises(UnknownLabelError, match=r"for 2 of 4 targets \(1, 3\).*synsets=\{1: 'n"):
        model("wordnet", synsets=given).fit(X, CODES)
    whole = {**given, 1: "dog.n.01", 3: synset("oak.n.02")}
    fitted = model("wordnet", synsets=whole).fit(X, CODES)
    assert fitted.relations_.tolist() == RELATIONS
    with pytest.raises(UnknownLabelError, match=r"for 5 of 5 sources \(0, 1.*wnids=\[\.\.\.\]"):
        SimilarityInitializer(
            SourceHead(HEAD.coef, HEAD.intercept, range(5)), "wordnet", n_neighbors=3
        ).fit(None, TARGETS)


def test_relations_go_by_the_overrides_of_the_similarity_too():
    overrides = {"brzflk": "lion.n.01", "lion": "oboe.n.01"}
    similarity = WordNetSimilarity(overrides=overrides)
    for given in (similarity, MixtureSimilarity([(np.ones((3, 5)), 1), (similarity, 1)])):
        fitted = model(given).fit(None, ["brzflk", "dog", "lion"])
        assert fitted.relations_.tolist() == ["included", "inclusive", "disjoint"]
        synsets = {"lion": "lion.n.01"}  # what is said here goes before
        fitted = model(given, synsets=synsets).fit(None, ["brzflk", "dog", "lion"])
        assert fitted.relations_.tolist() == ["included", "inclusive", "included"]


def test_a_head_labelled_by_wnids_works_with_word_vectors():
    table = AttributeTable(
        RNG.uniform(size=(5, 4)),
        ["lion", *(synset(wnid).lemmas[0] for wnid in WNIDS[:4])],
    )
    similarity = WordVectorSimilarity(table)
    head = SourceHead(HEAD.coef, HEAD.intercept, WNIDS)
    fitted = SimilarityInitializer(head, similarity, n_neighbors=3).fit(None, ["lion"])
    cosines = table.embed(table.vocabulary)
    cosines /= np.linalg.norm(cosines, axis=1, keepdims=True)
    expected = [*(cosines[1:] @ cosines[0]), 0]
    np.testing.assert_allclose(fitted.similarity_[0], expected, rtol=1e-6)


# Answers ---------------------------------------------------------------------------------------


def test_answers_are_those_of_the_linear_head():
    fitted = model().fit(X, Y)
    scores = X @ fitted.coef_.T + fitted.intercept_
    np.testing.assert_allclose(fitted.decision_function(X), scores)
    np.testing.assert_allclose(fitted.transform(X), scores)
    np.testing.assert_allclose(fitted.predict_proba(X), softmax(scores, axis=1))
    np.testing.assert_array_equal(fitted.predict(X), np.array(TARGETS)[scores.argmax(axis=1)])
    assert fitted.score(X, Y) > 0.7
    assert isinstance(fitted.set_output(transform="pandas").transform(X), pandas.DataFrame)
    assert fitted.decision_function(X.astype(np.float32)).dtype == np.float32


def test_two_classes_have_one_column_of_decisions():
    keep = np.isin(Y, ["dog", "lion"])
    fitted = model("wordnet").fit(X[keep], Y[keep])
    assert fitted.coef_.shape == (2, 6)
    decisions = fitted.decision_function(X)
    np.testing.assert_allclose(decisions, np.diff(fitted.transform(X), axis=1)[:, 0])
    np.testing.assert_array_equal(fitted.predict(X) == "lion", decisions > 0)


def test_clone_pickle_and_cross_validation():
    fitted = model(InferenceSimilarity("soft"), normalize="equal").fit(X, Y)
    copied = clone(fitted)
    with pytest.raises(NotFittedError):
        copied.predict(X)
    with pytest.raises(NotFittedError):
        print(copied.neighbors_)  # noqa: T201
    assert copied.source is HEAD
    again = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(again.transform(X), fitted.transform(X))
    assert cross_val_score(copied, X, Y, cv=3).mean() > 0.7


COUNTS = defaultdict(float, {synset(wnid).offset: 2.0 for wnid in WNIDS})
COUNTS.update({0: 40.0, synset("entity.n.01").offset: 40.0})
VECTORS = WordVectorSimilarity(WordNetEmbedding(np.int64(3), vocabulary=[*TARGETS[:3], *SOURCES]))


@pytest.mark.parametrize(
    "similarity",
    [
        "inference",
        InferenceSimilarity("soft"),
        SIMILARITY,
        WordNetSimilarity("path", overrides={"carp": synset("carp.n.02")}),
        WordNetSimilarity("res", information_content={"n": COUNTS, "v": {}}),
        VECTORS,
        MixtureSimilarity([(WordNetSimilarity(), 1), (InferenceSimilarity(), 2.5)], scale="max"),
        MixtureSimilarity([(VECTORS, 1), (SIMILARITY, 2)]),
    ],
    ids=["name", "soft", "matrix", "path", "counts", "vectors", "mixture", "mixture of vectors"],
)
def test_saving_keeps_every_answer(tmp_path, similarity):
    fitted = model(similarity, synsets={"oak": synset("oak.n.02")}).fit(X, Y)
    save(fitted, tmp_path / "model")
    again = load(tmp_path / "model")
    np.testing.assert_array_equal(again.transform(X), fitted.transform(X))
    assert str(again.neighbors_) == str(fitted.neighbors_)
    np.testing.assert_array_equal(again.fit(X, Y).coef_, fitted.coef_)


@pytest.mark.parametrize(
    "params", [{}, {"average": True}, {"early_stopping": True, "validation_fraction": 0.4}]
)
@pytest.mark.parametrize("n_classes", [2, 4])
def test_saving_a_model_in_training_goes_on_where_it_was(tmp_path, params, n_classes):
    keep = np.isin(Y, TARGETS[:n_classes])
    steps = model().fit(X[keep], Y[keep]).as_estimator("sgd", random_state=0, **params)
    for step in ("fresh", "trained"):
        save(steps, tmp_path / step)
        again = load(tmp_path / step)
        np.testing.assert_array_equal(again.decision_function(X), steps.decision_function(X))
        np.testing.assert_array_equal(again.predict_proba(X), steps.predict_proba(X))
        train = SGDClassifier.fit if params else SGDClassifier.partial_fit
        for each in (steps, again):
            train(each, X[keep], Y[keep])
        np.testing.assert_array_equal(again.coef_, steps.coef_)


def test_inputs_and_parameters_are_left_untouched():
    features, labels, matrix = X.copy(), Y.copy(), SIMILARITY.copy()
    for array in (features, labels, matrix):
        array.flags.writeable = False
    initializer = model(matrix, mixture="means", n_neighbors="auto")
    before = copy.copy(initializer.get_params())
    initializer.fit(features, labels)
    assert initializer.get_params() == before
    np.testing.assert_array_equal(features, X)


def test_order_of_images_changes_nothing():
    auto = {"mixture": "means", "n_neighbors": "auto"}
    for params in ({}, {"mixture": "means"}, {"n_neighbors": "auto"}, auto):
        once = model(**params).fit(X, Y)
        for seed in range(2):
            order = np.random.default_rng(seed).permutation(24)
            again = model(**params).fit(X[order], Y[order])
            assert again.n_neighbors_ == once.n_neighbors_
            assert again.prior_images_ == once.prior_images_
            np.testing.assert_allclose(again.coef_, once.coef_, rtol=1e-12)


# Neighbours ------------------------------------------------------------------------------------


def test_the_table_of_neighbours_can_be_read():
    similarity = np.zeros((4, 5))
    similarity[np.arange(4), [2, 0, 1, 3]] = 3
    similarity[:, 4] = 1
    fitted = model(similarity, n_neighbors=2, synsets=SYNSETS).fit(None, TARGETS)
    assert str(fitted.neighbors_).splitlines() == [
        "target  relation   sources",
        "carp    disjoint   0.75 trout | 0.25 hammer",
        "dog     inclusive  0.75 beagle | 0.25 hammer",
        "lion    included   0.75 feline | 0.25 hammer",
        "oak     same       0.75 oak | 0.25 hammer",
    ]
    assert fitted.neighbors_[2] == {
        "target": "lion",
        "relation": "included",
        "sources": ["feline", "hammer"],
        "weights": [0.75, 0.25],
    }
    frame = pandas.DataFrame(fitted.neighbors_)
    assert frame.columns.tolist() == ["target", "relation", "sources", "weights"]
    assert len(fitted.neighbors_[:2]) == 2 and repr(fitted.neighbors_) == "NeighborTable(4 targets)"
    long = model(SIMILARITY, n_neighbors=5).fit(None, TARGETS)
    assert "more" not in str(long.neighbors_)


def test_a_long_list_of_sources_is_cut_in_print_only():
    head = SourceHead(np.eye(8), np.zeros(8), [f"{x}{x}" for x in "abcdefgh"])
    fitted = SimilarityInitializer(head, np.ones((1, 8)), n_neighbors=7).fit(None, ["lion"])
    assert str(fitted.neighbors_).endswith("0.14 dd | 0.14 ee | and 2 more")
    assert fitted.neighbors_[0]["sources"] == [
        "aa",
        "bb",
        "cc",
        "dd",
        "ee",
        "ff",
        "gg",
    ]  # of equals, the earlier


@pytest.mark.parametrize("extra", [{}, {"same": 5}])
def test_one_number_of_neighbours_for_each_relation(extra):
    wanted = {"included": 1, "inclusive": 2, "disjoint": 4, **extra}
    fitted = model(SIMILARITY, n_neighbors=wanted, synsets=SYNSETS).fit(None, TARGETS)
    assert fitted.relations_.tolist() == RELATIONS
    counts = [4, 2, 1, extra.get("same", 1)]
    assert (fitted.weights_ > 0).sum(axis=1).tolist() == counts
    assert fitted.n_neighbors_ == dict(zip(RELATIONS, counts, strict=True))
    np.testing.assert_allclose(fitted.coef_, naive_head(SIMILARITY, counts)[0])


def test_labels_without_a_synset_have_the_relation_unknown():
    head = SourceHead(HEAD.coef, HEAD.intercept, ["beagle", "feline", "xqzzt", "oak", "hammer"])
    n_neighbors = {"included": 1, "inclusive": 2, "disjoint": 3, "unknown": 4}
    initializer = SimilarityInitializer(head, SIMILARITY[:3], n_neighbors=n_neighbors)
    fitted = initializer.fit(None, ["brzflk", "dog", "lion"])
    assert fitted.relations_.tolist() == ["unknown", "inclusive", "included"]
    assert (fitted.weights_ > 0).sum(axis=1).tolist() == [4, 2, 1]


def test_folds_leave_an_image_of_each_class_in_training():
    positions = np.array([0, 1, 0, 2, 0, 2, 0, 0, 0])
    folds = deal_folds(RNG.normal(size=(9, 3)), positions)
    assert sorted(folds[positions == 0]) == [0, 0, 1, 2, 3, 4]
    assert sorted(folds[positions == 2]) == [0, 1] and folds[1] == -1
    for fold in range(5):
        assert set(positions[folds != fold]) == {0, 1, 2}


def test_folds_follow_the_images_and_not_their_order():
    rows = RNG.normal(size=(40, 3)).astype(np.float32)
    rows[:4] = rows[4:8]  # equal images are interchangeable
    rows[9], rows[10] = 0.0, -0.0
    positions = RNG.integers(3, size=40)
    folds = deal_folds(rows, positions)
    for seed in range(5):
        order = np.random.default_rng(seed).permutation(40)
        again = deal_folds(rows[order].astype(np.float64), positions[order])
        for position in range(3):
            mine, theirs = positions == position, positions[order] == position
            dealt = sorted(zip(rows[mine].tolist(), folds[mine].tolist(), strict=True))
            redealt = zip(rows[order][theirs].tolist(), again[theirs].tolist(), strict=True)
            assert dealt == sorted(redealt)


def test_grid():
    assert neighbor_grid(1000)[:6] == [1, 2, 5, 10, 20, 50]
    assert neighbor_grid(60) == [1, 2, 5, 10, 20, 50, 60] and neighbor_grid(1) == [1]


def test_auto_chooses_for_each_relation_what_works_on_images_left_out():
    """Disjoint targets need their second neighbour too; the second one of included ones misleads.

    Each target lies at the sum of its sources' rows, which only the right K finds.
    """
    eye = np.eye(9)
    sources = ["feline", "canine", "beagle", "tabby", "hammer", "trout", "oak", "violin", "sock"]
    head = SourceHead(eye, np.zeros(9), sources)
    targets = ["guitar", "lion", "piano", "puma"]  # lion, puma: included
    similarity = np.zeros((4, 9))
    similarity[0, [4, 5]] = similarity[2, [4, 6]] = [0.51, 0.49]
    similarity[1, [0, 4]] = similarity[3, [1, 5]] = [0.51, 0.49]
    centres = np.array([eye[4] + eye[5], eye[0] + eye[5], eye[4] + eye[6], eye[1] + eye[4]])
    codes = np.tile(np.arange(4), 20)
    rows = centres[codes] + 0.05 * np.random.default_rng(0).normal(size=(80, 9))
    fitted = SimilarityInitializer(head, similarity, n_neighbors="auto")
    fitted.fit(rows, np.array(targets)[codes])
    assert fitted.relations_.tolist() == ["disjoint", "included", "disjoint", "included"]
    assert fitted.n_neighbors_["included"] == 1 < fitted.n_neighbors_["disjoint"]
    assert fitted.score(rows, np.array(targets)[codes]) == 1
    for k in (1, 2, 9):
        same = SimilarityInitializer(head, similarity, n_neighbors=k)
        assert same.fit(rows, np.array(targets)[codes]).score(rows, np.array(targets)[codes]) < 1


def test_auto_fits_the_similarity_on_the_other_images_only():
    """A single image is its own best detector: scored on itself, K = 1 would always win."""
    seen = []

    class Spy(InferenceSimilarity):
        def fit(self, logits, y):
            seen.append(len(y))
            return super().fit(logits, y)

    model(Spy("soft"), n_neighbors="auto").fit(X, Y)
    assert len(seen) == 6 and sum(seen[:5]) == 4 * 24 and seen[5] == 24


@pytest.mark.parametrize("rows", ["one image a class", "no image"])
def test_auto_with_nothing_to_choose_by_takes_the_documented_constant(rows):
    head = SourceHead(RNG.normal(size=(30, 6)), np.zeros(30), [f"source {i}" for i in range(30)])
    initializer = SimilarityInitializer(head, RNG.uniform(size=(4, 30)), n_neighbors="auto")
    first = [np.flatnonzero(Y == target)[0] for target in TARGETS]
    given = (X[first], Y[first]) if rows == "one image a class" else (None, TARGETS)
    fitted = initializer.fit(*given)
    assert set(fitted.n_neighbors_.values()) == {DEFAULT_NEIGHBORS} == {10}
    assert set(model(SIMILARITY, n_neighbors="auto").fit(None, TARGETS).n_neighbors_.values()) == {
        5
    }


def test_auto_leaves_relations_without_two_images_what_all_start_with():
    keep = np.flatnonzero(Y != "lion")
    keep = np.append(keep, np.flatnonzero(Y == "lion")[0])  # the one included class
    fitted = model(SIMILARITY, n_neighbors="auto").fit(X[keep], Y[keep])
    assert fitted.n_neighbors_["included"] == 5


# The mixture with class means ------------------------------------------------------------------


def naive_mixture(prior_images):
    unit = lambda rows: rows / np.linalg.norm(rows, axis=1, keepdims=True)  # noqa: E731
    prior = unit(naive_head(SIMILARITY, [3] * 4)[0])
    features = unit(X)
    means = unit(np.stack([features[Y == target].mean(axis=0) for target in TARGETS]))
    spread = lambda rows: np.mean([np.std(rows @ row) for row in features])  # noqa: E731
    share = 6 / (6 + prior_images)
    return share * means / spread(means) + (1 - share) * prior / spread(prior)


@pytest.mark.parametrize("prior_images", [0.5, 3])
def test_the_mixture_weighs_source_rows_as_images(prior_images):
    fitted = model(SIMILARITY, mixture="means", prior_images=prior_images).fit(X, Y)
    expected = naive_mixture(prior_images)
    norms = np.linalg.norm(expected, axis=1).mean(), np.linalg.norm(HEAD.coef, axis=1).mean()
    np.testing.assert_allclose(fitted.coef_, expected * norms[1] / norms[0], rtol=1e-10)
    assert not fitted.intercept_.any()


def test_how_much_the_names_count_is_chosen_on_images_left_out():
    """Right names for noisy images count for much, and misleading names for little."""
    centres = 3 * np.eye(60)
    head = SourceHead(centres, np.zeros(60), [f"source {i}" for i in range(60)])
    codes = np.repeat(np.arange(60), 4)
    rows = centres[codes] + np.random.default_rng(0).normal(size=(240, 60))
    chosen = [
        SimilarityInitializer(head, similarity, n_neighbors=1, mixture="means")
        .fit(rows, codes)
        .prior_images_
        for similarity in (np.eye(60), np.roll(np.eye(60), 1, axis=0))
    ]
    assert chosen[0] >= 2 and chosen[1] == 0.25


def test_one_image_a_class_counts_by_the_documented_constant():
    first = [np.flatnonzero(Y == target)[0] for target in TARGETS]
    auto = model(SIMILARITY, mixture="means").fit(X[first], Y[first])
    assert auto.prior_images_ == DEFAULT_PRIOR_IMAGES == 0.5
    same = model(SIMILARITY, mixture="means", prior_images=0.5).fit(X[first], Y[first])
    np.testing.assert_array_equal(auto.coef_, same.coef_)


def test_without_prior_images_it_is_the_nearest_class_mean():
    fitted = model(SIMILARITY, mixture="means", prior_images=0).fit(X, Y)
    control = [Normalizer().fit_transform(X[Y == t]).mean(axis=0) for t in TARGETS]
    control = Normalizer().fit_transform(control)
    rows = np.random.default_rng(3).normal(size=(50, 6))
    expected = np.array(TARGETS)[(rows @ control.T).argmax(axis=1)]
    np.testing.assert_array_equal(fitted.predict(rows), expected)


def test_without_images_the_mixture_is_the_source_rows_alone():
    equal = model("wordnet", normalize="equal").fit(None, TARGETS)
    mixed = model("wordnet", mixture="means").fit(None, TARGETS)
    np.testing.assert_array_equal(mixed.coef_, equal.coef_)
    some = model("wordnet", mixture="means", candidates=[*TARGETS, "wolf"]).fit(X, Y)
    alone = model("wordnet", normalize="equal", candidates=[*TARGETS, "wolf"]).fit()
    cosine = (
        some.coef_[4]
        @ alone.coef_[4]
        / np.prod(np.linalg.norm([some.coef_[4], alone.coef_[4]], axis=1))
    )
    assert cosine == pytest.approx(1)


def test_the_mixture_gains_on_names_and_on_means_alone_with_few_images():
    """Right names for noisy classes: both parts carry information that the other lacks."""
    rng = np.random.default_rng(7)
    rows = rng.normal(size=(20, 30))
    head = SourceHead(rows, np.zeros(20), [f"source {i}" for i in range(20)])
    centres = rows + rng.normal(size=(20, 30))  # a name tells half of where a class lies
    codes = np.repeat(np.arange(20), 30)
    test = centres[codes] + 2.5 * rng.normal(size=(600, 30))
    train = centres + 2.5 * rng.normal(size=(20, 30))
    accuracy = {}
    for name, params in {
        "names": {"normalize": "equal"},
        "means": {"mixture": "means", "prior_images": 0},
        "mixture": {"mixture": "means", "prior_images": 1},
    }.items():
        fitted = SimilarityInitializer(head, np.eye(20), n_neighbors=1, **params)
        accuracy[name] = fitted.fit(train, np.arange(20)).score(test, codes)
    assert accuracy["mixture"] > max(accuracy["names"], accuracy["means"]) + 0.03


# Into models -----------------------------------------------------------------------------------


class Net(nn.Module):
    """Has a linear layer inside of a container, as torchvision's, and one beside it at the end."""

    def __init__(self, width=6, last=None, auxiliary=9):
        super().__init__()
        self.body = nn.Linear(4, width)
        self.classifier = nn.Sequential(nn.Dropout(0.1), last or nn.Linear(width, 5))
        self.auxiliary = nn.Linear(width, auxiliary)

    def forward(self, x):
        return self.classifier(self.body(x))


def test_initialize_puts_the_head_into_a_copy_of_a_torch_model():
    fitted = model().fit(X, Y)
    for dtype in (torch.float32, torch.float64):
        net = Net().to(dtype).eval()
        before = copy.deepcopy(net.state_dict())
        new = fitted.initialize(net)
        assert new is not net and new.classifier[1].out_features == 4
        assert new.auxiliary.out_features == 9
        inputs = torch.randn(3, 4, dtype=dtype)
        with torch.no_grad():
            features = net.body(inputs).double().numpy()
            got = new(inputs).double().numpy()
        np.testing.assert_allclose(got, fitted.transform(features), rtol=1e-4, atol=1e-4)
        assert net.classifier[1].out_features == 5
        for name, tensor in net.state_dict().items():
            assert torch.equal(tensor, before[name])
        assert not new.training and all(p.requires_grad for p in new.classifier.parameters())


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16])
def test_the_head_is_the_layer_with_the_weights_of_the_source(dtype):
    fitted = model().fit(X, Y)
    net = Net(auxiliary=5).to(dtype)
    both = r"more than one of 'body' \(4 to 6\), 'classifier.1' \(6 to 5\), 'auxiliary' \(6 to 5"
    with pytest.raises(ValueError, match=both + r"\) does.*head=\.\.\."):
        fitted.initialize(net)
    with torch.no_grad():
        net.classifier[1].weight.copy_(torch.from_numpy(HEAD.coef.copy()))
    new = fitted.initialize(net)
    assert [new.classifier[1].out_features, new.auxiliary.out_features] == [4, 5]
    named = fitted.initialize(net, head="auxiliary")
    assert [named.classifier[1].out_features, named.auxiliary.out_features] == [5, 4]


def test_a_head_under_two_names_is_replaced_under_both():
    net = Net()
    net.again = net.classifier[1]
    new = model().fit(X, Y).initialize(net)
    assert new.again is new.classifier[1] and new.again.out_features == 4


@pytest.mark.parametrize(
    ("head", "says"),
    [
        ("fc", r"head='fc' is not a layer of Net, whose linear layers are 'body' \(4 to 6\)"),
        ("body", "takes 4 features, but the source head has 6"),
        ("classifier", "must be one nn.Linear, got Sequential"),
    ],
)
def test_a_head_by_a_wrong_name(head, says):
    with pytest.raises(ValueError, match=f"SimilarityInitializer: .*{says}"):
        model().fit(X, Y).initialize(Net(), head=head)


def test_initialize_touches_no_random_state_and_takes_a_bare_layer():
    fitted = model().fit(X, Y)
    layer = nn.Linear(6, 2)
    state = torch.get_rng_state()
    new = fitted.initialize(layer)
    assert torch.equal(torch.get_rng_state(), state)
    np.testing.assert_allclose(new.weight.detach().numpy(), fitted.coef_, rtol=1e-6)


def test_initialize_a_timm_model():
    network = timm.create_model("test_efficientnet", num_classes=9).eval()
    width = network.get_classifier().in_features
    head = SourceHead(
        network.get_classifier().weight.detach().numpy(),
        network.get_classifier().bias.detach().numpy(),
        [f"source {i}" for i in range(9)],
    )
    initializer = SimilarityInitializer(head, np.eye(4, 9), n_neighbors=1).fit(None, TARGETS)
    new = initializer.initialize(network)
    images = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        old_logits, logits = network(images), new(images)
    assert new.num_classes == 4 and network.num_classes == 9 and width == head.n_features_in_
    # With one neighbour each, the new outputs are the old ones of those neighbours.
    np.testing.assert_allclose(logits.numpy(), old_logits[:, :4].numpy(), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    "network",
    [
        Net(last=nn.Softmax(dim=1)),
        nn.Sequential(nn.Conv2d(6, 4, 1), nn.ReLU()),
        timm.create_model("test_efficientnet", num_classes=0),
        nn.Conv2d(6, 4, 1),
    ],
    ids=["softmax", "relu", "timm without head", "convolution"],
)
def test_a_model_whose_head_is_not_linear(network):
    says = r"(must be one nn.Linear, got|none of .* does).*put coef_ and"
    with pytest.raises(ValueError, match=says):
        model().fit(X, Y).initialize(network)


def test_a_model_of_another_width_and_no_model():
    fitted = model().fit(X, Y)
    says = r"must take 6 features and give 5 outputs.*none of .*'classifier.1' \(7 to 5\)"
    with pytest.raises(ValueError, match=says):
        fitted.initialize(Net(width=7))
    with pytest.raises(ValueError, match="takes 7 features, but the source head has 6. Pass the"):
        fitted.initialize(nn.Linear(7, 5))
    with pytest.raises(TypeError, match="model must be a torch.nn.Module.*got a str"):
        fitted.initialize("resnet50")
    with pytest.raises(NotFittedError):
        model().initialize(Net())


@pytest.mark.parametrize("kind", ["logistic", "sgd"])
@pytest.mark.parametrize("n_classes", [2, 4])
def test_as_estimator_starts_where_the_head_is(kind, n_classes):
    keep = np.isin(Y, TARGETS[:n_classes])
    fitted = model().fit(X[keep], Y[keep])
    estimator = fitted.as_estimator(kind)
    np.testing.assert_array_equal(estimator.predict(X), fitted.predict(X))
    np.testing.assert_allclose(estimator.decision_function(X), fitted.decision_function(X))
    assert estimator.warm_start and estimator.classes_.tolist() == TARGETS[:n_classes]
    before = fitted.coef_.copy()
    estimator.fit(X[keep], Y[keep])
    assert estimator.score(X[keep], Y[keep]) >= fitted.score(X[keep], Y[keep])
    np.testing.assert_array_equal(fitted.coef_, before)


def test_training_goes_on_from_the_head():
    """One step from it stays near; one step from zero does not come there."""
    fitted = model().fit(X, Y)
    with pytest.warns(ConvergenceWarning):
        one = fitted.as_estimator("logistic", max_iter=1, C=1e-3).fit(X, Y)
    cosine = (
        (one.coef_ * fitted.coef_).sum() / np.linalg.norm(one.coef_) / np.linalg.norm(fitted.coef_)
    )
    assert cosine > 0.9
    steps = fitted.as_estimator("sgd", learning_rate="constant", eta0=1e-6)
    steps.partial_fit(X, Y)
    np.testing.assert_allclose(steps.coef_, fitted.coef_, atol=1e-3)
    assert not np.array_equal(steps.coef_, fitted.coef_)


@pytest.mark.parametrize("scale", [0.01, 1, 100])
@pytest.mark.parametrize("images", [True, False])
def test_the_first_steps_keep_what_the_head_knows(scale, images):
    """At scikit-learn's own learning rate they do not."""
    rng = np.random.default_rng(0)
    coef = rng.normal(size=(20, 50))  # norms of 7, and of 5 of the features: scores of 15 or so
    codes = np.repeat(np.arange(20), 30)
    rows = 0.3 * coef[codes] + 0.6 * rng.normal(size=(600, 50))
    rows, coef = scale * rows, coef / scale
    train = np.arange(600) % 30 < 5
    head = SourceHead(coef, np.zeros(20), [f"source {i}" for i in range(20)])
    fitted = SimilarityInitializer(head, np.eye(20), n_neighbors=1)
    fitted.fit(*((rows[train], codes[train]) if images else (None, np.arange(20))))
    start = fitted.score(rows[~train], codes[~train])
    assert start > 0.8
    steps = fitted.as_estimator("sgd", random_state=0)
    if images:
        assert steps.eta0 == pytest.approx(0.1 / ((rows[train] ** 2).sum(axis=1).mean() + 1))
    for _ in range(5):
        steps.partial_fit(rows[train], codes[train])
        assert steps.score(rows[~train], codes[~train]) > start - 0.05
    own = fitted.as_estimator("sgd", learning_rate="optimal", random_state=0)
    own.partial_fit(rows[train], codes[train])
    if scale >= 1:
        assert own.score(rows[~train], codes[~train]) < start - 0.05


def test_as_estimator_knows_the_names_of_features():
    frame = pandas.DataFrame(X, columns=list("abcdef"))
    fitted = model().fit(frame, Y)
    for kind in ("logistic", "sgd"):
        estimator = fitted.as_estimator(kind)
        assert estimator.feature_names_in_.tolist() == list("abcdef")
        np.testing.assert_array_equal(estimator.predict(frame), fitted.predict(frame))
        with pytest.raises(ValueError, match="feature names should match"):
            estimator.predict(frame[list("fedcba")])
    assert not hasattr(model().fit(X, Y).as_estimator(), "feature_names_in_")


def test_a_head_in_float32_takes_features_in_float32():
    """As `TimmFeatures` gives them: partial_fit does not convert."""
    head = SourceHead(HEAD.coef.astype(np.float32), HEAD.intercept, SOURCES, WNIDS)
    fitted = SimilarityInitializer(head, n_neighbors=3).fit(X.astype(np.float32), Y)
    assert fitted.coef_.dtype == fitted.intercept_.dtype == np.float32
    steps = fitted.as_estimator("sgd").partial_fit(X.astype(np.float32), Y)
    assert steps.coef_.dtype == np.float32


def test_as_estimator_of_another_kind_or_of_one_class():
    with pytest.raises(ValueError, match="kind must be one of 'logistic', 'sgd', got 'svm'"):
        model().fit(X, Y).as_estimator("svm")
    with pytest.raises(ValueError, match="needs two classes"):
        model("wordnet").fit(None, ["dog"]).as_estimator()


# Bad input -------------------------------------------------------------------------------------


def test_a_source_head_whose_labels_do_not_match_its_rows():
    with pytest.raises(ValueError, match="labels names 4 classes, but coef has 5 rows. Pass one"):
        SimilarityInitializer(SourceHead(HEAD.coef, HEAD.intercept, SOURCES[:4]))


@pytest.mark.parametrize("source", [None, np.eye(3), "imagenet"])
def test_no_source_head(source):
    with pytest.raises(TypeError, match="source must be a SourceHead.*Pass TimmFeatures"):
        SimilarityInitializer(source).fit(X, Y)


def test_a_target_class_without_image():
    with pytest.raises(ValueError, match=r"1 of 5 target classes have no image \('wolf'\)"):
        model(candidates=[*TARGETS, "wolf"]).fit(X, Y)
    with pytest.raises(ValueError, match="needs images of the target classes.*'wordnet'"):
        model().fit(None, TARGETS)
    with pytest.raises(ValueError, match="needs images of the target classes"):
        model(MixtureSimilarity([(InferenceSimilarity(), 1)])).fit(None, TARGETS)


def test_a_target_class_without_any_neighbour_falls_back_and_says_so():
    similarity = SIMILARITY.copy()
    similarity[2] = 0
    with pytest.warns(LabelWarning, match=r"1 of 4 target classes resemble no.*\('lion'\).*mean"):
        fitted = model(similarity).fit(None, TARGETS)
    np.testing.assert_allclose(fitted.coef_[2], HEAD.coef.mean(axis=0))
    np.testing.assert_allclose(fitted.intercept_[2], HEAD.intercept.mean())
    assert fitted.neighbors_[2]["sources"] == [] and not fitted.weights_[2].any()
    with pytest.warns(LabelWarning):
        equal = model(similarity, normalize="equal").fit(None, TARGETS)
    np.testing.assert_allclose(equal.coef_[2], HEAD.coef.mean(axis=0))  # not rescaled
    with pytest.warns(LabelWarning):
        mixed = model(similarity, mixture="means").fit(X, Y)
    assert mixed.score(X, Y) > 0.7


def test_what_stands_in_the_row_of_a_class_without_neighbours_is_said_as_it_is():
    similarity = SIMILARITY.copy()
    similarity[2] = 0
    with pytest.warns(LabelWarning, match="source rows, mixed with the mean of their images where"):
        mixed = model(similarity, mixture="means").fit(X, Y)
    assert not np.allclose(mixed.coef_[2], HEAD.coef.mean(axis=0))
    with pytest.warns(LabelWarning, match=r"Their rows are the mean of all source rows\. Pass"):
        model(similarity, mixture="means").fit(None, TARGETS)


@pytest.mark.parametrize(
    ("n_neighbors", "whose"),
    [(6, ""), ({"included": 1, "inclusive": 1, "disjoint": 6}, " for disjoint classes")],
)
def test_more_neighbours_than_sources(n_neighbors, whose):
    says = f"n_neighbors=6{whose}, but the source head has only 5 classes. Pass at most 5"
    with pytest.raises(ValueError, match=says):
        model(SIMILARITY, n_neighbors=n_neighbors).fit(None, TARGETS)


@pytest.mark.parametrize("similarity", ["cosine", WordNetSimilarity, object()])
@pytest.mark.parametrize("inside", [False, True])
def test_a_wrong_similarity_is_reported_before_a_number_of_neighbours(similarity, inside):
    given = MixtureSimilarity([(SIMILARITY, 1), (similarity, 1)]) if inside else similarity
    with pytest.raises((TypeError, ValueError), match="SimilarityInitializer: similarity must be"):
        model(given, n_neighbors=6).fit(None, TARGETS)


@pytest.mark.parametrize("value", [5, None, ["lion.n.01"], np.int64(3), b"lion"])
def test_synsets_that_are_none(value):
    says = "SimilarityInitializer: synsets must give wnids.* got .* for 'dog'"
    with pytest.raises(TypeError, match=says):
        model(SIMILARITY, synsets={"dog": value}).fit(None, TARGETS)


@pytest.mark.parametrize("value", ["n99999999", "lion.n.77", "brzflk"])
@pytest.mark.parametrize("similarity", [SIMILARITY, "wordnet", "inference"], ids=str)
def test_synsets_and_wnids_that_wordnet_lacks(value, similarity):
    says = f"SimilarityInitializer has no noun synset for 1 of {{}} \\('{value}'"
    with pytest.raises(UnknownLabelError, match=says.format("1 values of synsets")):
        model(similarity, synsets={"dog": value}).fit(X, Y)
    head = SourceHead(HEAD.coef, HEAD.intercept, SOURCES, [*WNIDS[:4], value])
    with pytest.raises(UnknownLabelError, match=says.format("5 source.wnids")):
        SimilarityInitializer(head, similarity, n_neighbors=3).fit(X, Y)


@pytest.mark.parametrize(
    ("n_neighbors", "says"),
    [
        (0, "n_neighbors must be an integer of at least 1"),
        (2.5, "n_neighbors must be an integer of at least 1"),
        (None, "n_neighbors must be an integer of at least 1"),
        ("all", "n_neighbors must be an integer, 'auto', or a dict"),
        ({"included": 1}, "n_neighbors must have the keys 'included', 'inclusive', 'disjoint'"),
        ({"included": 1, "inclusive": 1, "disjoint": 1, "near": 1}, "n_neighbors must have the"),
        ({"included": 0, "inclusive": 1, "disjoint": 1}, "n_neighbors must be an integer of at"),
    ],
)
def test_numbers_of_neighbours_out_of_range(n_neighbors, says):
    with pytest.raises(ValueError, match=f"SimilarityInitializer: {says}"):
        model(n_neighbors=n_neighbors).fit(X, Y)


def test_features_of_another_width():
    with pytest.raises(ValueError, match="X has 5 features, but the source head takes 6. Pass"):
        model().fit(X[:, :5], Y)
    with pytest.raises(ValueError, match="X has 5 features, but SimilarityInitializer"):
        model().fit(X, Y).predict(X[:, :5])
    with pytest.raises(ValueError, match="X has 5 features, but SimilarityInitializer"):
        model("wordnet").fit(None, TARGETS).predict(X[:, :5])


def test_features_that_are_not_finite():
    bad = X.copy()
    bad[3, 2] = np.nan
    with pytest.raises(ValueError, match="Input X contains NaN"):
        model().fit(bad, Y)
    with pytest.raises(ValueError, match="Input X contains NaN"):
        model().fit(X, Y).predict(bad)


@pytest.mark.parametrize(
    ("similarity", "error", "says"),
    [
        (SIMILARITY.T, ValueError, r"shape \(5, 4\), expected \(4, 5\)"),
        (SIMILARITY[:3], ValueError, r"shape \(3, 5\), expected \(4, 5\)"),
        (SIMILARITY - 0.5, ValueError, r"negative for target .*np.maximum"),
        (SIMILARITY * np.nan, ValueError, "NaN or infinity"),
        ("cosine", ValueError, "similarity must be one of 'inference', 'wordnet', got 'cosine'"),
        (object(), TypeError, r"similarity must be an object with matrix"),
        (None, TypeError, "similarity must be an object with matrix.*got NoneType"),
    ],
    ids=["transposed", "rows", "negative", "nan", "name", "object", "none"],
)
def test_a_similarity_that_is_none(similarity, error, says):
    with pytest.raises(error, match=f"SimilarityInitializer: .*{says}"):
        model(similarity).fit(None, TARGETS)


@pytest.mark.parametrize(
    ("params", "says"),
    [
        ({"normalize": "l2"}, "normalize must be one of 'equal'"),
        ({"mixture": "names"}, "mixture must be one of 'means'"),
        ({"prior_images": "all"}, "prior_images must be a number of at least 0"),
        ({"prior_images": -1}, "prior_images must be a number of at least 0"),
        ({"synsets": ["n02084071"]}, "synsets must be a dict from labels to wnids"),
        ({"candidates": ["dog", "dog"]}, "candidates names 1 labels more than once"),
        ({"candidates": [1, 2]}, "candidates and y must be of one type"),
        (
            {"candidates": ["dog", "lion"]},
            r"y holds 2 labels that candidates lacks \('carp', 'oak'",
        ),
    ],
)
def test_parameters_out_of_range(params, says):
    with pytest.raises(ValueError, match=f"SimilarityInitializer: {says}"):
        model("wordnet", **params).fit(X, Y)


def test_labels_that_are_none():
    with pytest.raises(ValueError, match="y is missing. Pass the labels"):
        model().fit(X)
    with pytest.raises(ValueError, match="y is empty"):
        model("wordnet").fit(None, [])
    with pytest.raises(ValueError, match="Unknown label type: y"):
        model().fit(X, [*Y[:23].tolist(), np.nan])
    with pytest.raises(ValueError, match="for 1 of 2 targets .'brzflk'.*synsets=.'brzflk': 'n"):
        model("wordnet").fit(None, ["brzflk", "dog"])


def test_weights_of_a_row_of_zeros_are_zeros():
    weights = convex_weights(np.array([[0.0, 0.0], [1.0, 3.0]]), np.array([1, 2]))
    assert weights.tolist() == [[0, 0], [0.25, 0.75]]


def test_blobs_end_to_end():
    """New classes near old ones, behind a scaler: above chance without a gradient step."""
    centres = np.random.default_rng(1).normal(size=(5, 6)) * 4
    rows, codes = make_blobs(200, centers=centres, random_state=0)
    head = SourceHead(centres, -(centres**2).sum(axis=1) / 2, SOURCES)
    chain = make_pipeline(NearestCentroid()).fit(rows, codes)
    fitted = SimilarityInitializer(head, "inference", n_neighbors=2).fit(rows, codes)
    assert fitted.score(rows, codes) >= chain.score(rows, codes) - 0.1
