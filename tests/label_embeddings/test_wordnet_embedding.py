"""WordNetEmbedding: its products, its decomposition, and that it comes back as it was."""

from __future__ import annotations

import json
import pickle
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone

from zeroshot import DeViSEClassifier
from zeroshot.exceptions import IntegrityError, UnknownLabelError
from zeroshot.label_embeddings import ConcatEmbedding, HashEmbedding, WordNetEmbedding
from zeroshot.persistence._label_embeddings import restore_embedding
from zeroshot.similarity import WordNetSimilarity
from zeroshot.taxonomy import class_synsets, synset
from zeroshot.taxonomy._distances import intrinsic_information

LABELS = ["lion", "wolf", "oboe", "tractor", "oak", "banana"]


def test_entries_are_the_information_gains_of_ancestors() -> None:
    embedding = WordNetEmbedding(vocabulary=LABELS)
    (vector,) = embedding.embed(["lion"])
    lion = synset("lion.n.01")
    names = embedding.dimension_names
    assert names is not None
    for name, entry in zip(names, vector, strict=True):
        item = synset(name)
        if item not in lion.ancestors | {lion} or not item.hypernyms:
            assert entry == 0
            continue
        nodes = np.array([item.node, *(parent.node for parent in item.hypernyms)])
        own, *parents = intrinsic_information(nodes)
        assert entry == pytest.approx(np.sqrt(own - max(parents)), rel=1e-5)


def test_products_are_resniks_similarity_where_parents_are_single() -> None:
    labels = ["lion", "wolf", "sorrel.n.05"]
    vectors = WordNetEmbedding(vocabulary=labels).embed(labels)
    expected = WordNetSimilarity("res").matrix(labels, labels)
    np.testing.assert_allclose(vectors @ vectors.T, expected, atol=1e-6)


def test_all_nouns_and_a_vocabulary_give_the_same_products() -> None:
    whole = WordNetEmbedding()
    assert whole.n_dims == 82_115
    small = WordNetEmbedding(vocabulary=LABELS)
    ours, theirs = whole.embed(LABELS), small.embed(LABELS)
    assert ours.dtype == np.float32
    np.testing.assert_allclose(ours @ ours.T, theirs @ theirs.T, atol=1e-5)


def test_the_decomposition_is_the_best_of_its_rank() -> None:
    full = WordNetEmbedding(vocabulary=LABELS).embed(LABELS).astype(float)
    for n_dims in (1, 3, 5):
        vectors = WordNetEmbedding(n_dims, vocabulary=LABELS).embed(LABELS)
        assert vectors.shape == (6, n_dims)
        u, s, _ = np.linalg.svd(full)
        best = (u[:, :n_dims] * s[:n_dims] ** 2) @ u[:, :n_dims].T
        np.testing.assert_allclose(vectors @ vectors.T, best, atol=1e-5)


def test_a_label_outside_the_vocabulary_is_known_by_what_it_shares() -> None:
    embedding = WordNetEmbedding(4, vocabulary=LABELS)
    tiger, lion, oboe = embedding.embed(["tiger.n.02", "lion", "oboe"])
    assert tiger @ lion > 3 * abs(tiger @ oboe)


def test_overrides_take_wnids_and_integers() -> None:
    embedding = WordNetEmbedding(overrides={**class_synsets("cifar100"), 0: "n02084071"})
    np.testing.assert_array_equal(embedding.embed(["ray"]), WordNetEmbedding().embed(["ray.n.07"]))
    np.testing.assert_array_equal(embedding.embed([0]), WordNetEmbedding().embed(["dog"]))
    assert embedding.covers(["ray", "xyzzyx"]).tolist() == [True, False]
    assert embedding.covers([0, 1]).tolist() == [True, False]


def test_order_and_repetition_change_nothing() -> None:
    embedding = WordNetEmbedding(3, vocabulary=LABELS)
    twice = embedding.embed([*LABELS[::-1], *LABELS])
    np.testing.assert_array_equal(twice[:6][::-1], twice[6:])
    np.testing.assert_array_equal(twice[6:7], embedding.embed(LABELS[:1]))
    assert embedding.embed([]).shape == (0, 3)


def test_it_is_immutable_and_copied_by_no_clone() -> None:
    embedding = WordNetEmbedding(3, vocabulary=LABELS)
    assert clone(embedding) is embedding
    expected = embedding.embed(LABELS)
    again = pickle.loads(pickle.dumps(embedding))
    np.testing.assert_array_equal(again.embed(LABELS), expected)
    assert again.fingerprint() == embedding.fingerprint()
    assert again.basis is not None
    assert not again.basis.flags.writeable


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"vocabulary": LABELS},
        {"n_dims": 3, "vocabulary": LABELS},
        {"overrides": {"cat": "dog", 1: "n02084071"}, "vocabulary": ["cat", "oak"]},
    ],
)
def test_it_comes_back_from_its_state_exactly(options: dict[str, Any]) -> None:
    embedding = WordNetEmbedding(**options)
    state, arrays = embedding.to_config(["cat"])
    back = restore_embedding(state, arrays)
    assert type(back) is WordNetEmbedding
    assert repr(back) == repr(embedding)
    assert back.fingerprint() == embedding.fingerprint()
    # a label that nobody named when it was saved
    np.testing.assert_array_equal(back.embed(["dog", "cat"]), embedding.embed(["dog", "cat"]))
    assert restore_embedding(embedding.reference(), None).n_dims == embedding.n_dims


def test_the_saved_directions_are_used_and_not_computed_anew() -> None:
    embedding = WordNetEmbedding(2, vocabulary=LABELS)
    state, arrays = embedding.to_config([])
    turned = restore_embedding(state, {"basis": np.ascontiguousarray(arrays["basis"][:, ::-1])})
    np.testing.assert_array_equal(turned.embed(LABELS), embedding.embed(LABELS)[:, ::-1])
    assert turned.fingerprint() != embedding.fingerprint()


def test_damaged_states_say_so() -> None:
    state, arrays = WordNetEmbedding(2, vocabulary=LABELS).to_config([])
    for damaged in ({}, {"basis": arrays["basis"][:3]}, {"basis": arrays["basis"].astype(float)}):
        with pytest.raises(IntegrityError, match="state of a saved WordNetEmbedding is damaged"):
            restore_embedding(state, damaged)


def test_a_number_of_numpys_is_a_number() -> None:
    embedding = WordNetEmbedding(np.int64(3), vocabulary=LABELS)
    assert type(embedding.n_dims) is int
    assert type(embedding.reference()["n_dims"]) is int
    assert embedding.fingerprint() == WordNetEmbedding(3, vocabulary=LABELS).fingerprint()
    json.dumps(embedding.to_config(LABELS)[0])


def test_it_is_a_part_of_a_concat_embedding() -> None:
    both = ConcatEmbedding([HashEmbedding(4), WordNetEmbedding(2, vocabulary=LABELS)])
    state, arrays = both.to_config(LABELS)
    np.testing.assert_array_equal(
        restore_embedding(state, arrays).embed(LABELS), both.embed(LABELS)
    )


def test_fingerprints_tell_embeddings_apart() -> None:
    options: list[dict[str, Any]] = [
        {},
        {"vocabulary": LABELS},
        {"vocabulary": LABELS[:5]},
        {"n_dims": 2, "vocabulary": LABELS},
        {"vocabulary": LABELS, "overrides": {"cat": "dog"}},
    ]
    prints = {WordNetEmbedding(**option).fingerprint() for option in options}
    assert len(prints) == len(options)
    assert WordNetEmbedding(2, vocabulary=LABELS).fingerprint() in prints


def test_a_classifier_learns_with_it() -> None:
    rng = np.random.default_rng(0)
    labels = np.repeat(LABELS, 20)
    # features that are the vectors themselves, seen through a random map
    vectors = WordNetEmbedding(vocabulary=LABELS).embed(labels)
    features = vectors @ rng.normal(size=(vectors.shape[1], 40))
    features += 0.05 * rng.normal(size=features.shape)
    model = DeViSEClassifier(WordNetEmbedding(vocabulary=LABELS), candidates=LABELS)
    assert model.fit(features, labels).score(features, labels) > 0.9


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"n_dims": 6, "vocabulary": LABELS}, ValueError, "n_dims must be at most 5 for 6 labels"),
        ({"n_dims": 0, "vocabulary": LABELS}, ValueError, "n_dims must be an integer of at least"),
        ({"n_dims": 2.5, "vocabulary": LABELS}, ValueError, "n_dims must be an integer"),
        ({"vocabulary": []}, ValueError, "vocabulary is empty"),
        ({"vocabulary": ["cat", "cat"]}, ValueError, "names 1 labels more than once"),
        ({"vocabulary": ["cat", "girafe"]}, UnknownLabelError, "no noun synset .*'giraffe'"),
        ({"vocabulary": [1, 2]}, UnknownLabelError, "Numbers name nothing"),
        ({"vocabulary": "cat"}, TypeError, "vocabulary must be a list"),
    ],
)
def test_parameters_that_do_not_fit(
    options: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        WordNetEmbedding(**options)


def test_labels_without_a_noun_are_all_named() -> None:
    embedding = WordNetEmbedding(vocabulary=LABELS)
    message = r"WordNetEmbedding has no noun synset for 2 of 3 labels \('girafe', 'xyzzyx'\)"
    with pytest.raises(UnknownLabelError, match=message):
        embedding.embed(["girafe", "lion", "xyzzyx"])
    with pytest.raises(UnknownLabelError, match=r"2 of 2 labels \(1, 2\).*overrides"):
        embedding.embed([1, 2])
