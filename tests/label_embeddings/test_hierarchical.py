"""HierarchicalEmbedding: the weighted mean against a loop over the taxonomy, and its edges."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
from gensim.models import KeyedVectors

from zeroshot import (
    ConSEClassifier,
    GlossEmbedding,
    HashEmbedding,
    HierarchicalEmbedding,
    WordVectors,
)
from zeroshot.exceptions import LabelWarning, UnknownLabelError
from zeroshot.label_embeddings import AttributeTable, LabelEmbedding
from zeroshot.persistence._label_embeddings import restore_embedding
from zeroshot.taxonomy import class_synsets, synset


def naive(base: LabelEmbedding, label: str, wnid: str, decay: float) -> np.ndarray:
    """Return the mean over a label and its ancestors that have a vector, by a loop."""
    item, total, weight = synset(wnid), np.zeros(base.n_dims), 0.0
    distances, front = {item: 0}, [item]
    while front:
        above = {parent: distances[part] + 1 for part in front for parent in part.hypernyms}
        front = [part for part in above if part not in distances]
        distances |= {part: above[part] for part in front}
    for part, distance in distances.items():
        text = label if part == item else ", ".join(part.lemmas).replace("_", " ")
        if base.covers([text])[0]:
            w = math.exp(-decay * distance)
            total = total + w * base.embed([text])[0].astype(float)
            weight += w
    return total / weight


@pytest.mark.parametrize("decay", [1.0, 0.3])
@pytest.mark.filterwarnings("ignore::zeroshot.exceptions.LabelWarning")
def test_it_is_the_weighted_mean_over_the_ancestors(decay: float) -> None:
    base, synsets = WordVectors(), class_synsets("cifar100")
    labels = ["aquarium_fish", "lion", "maple_tree", "woman"]
    embedding = HierarchicalEmbedding(base, decay=decay, synsets=synsets)
    expected = [naive(base, label, synsets[label], decay) for label in labels]
    np.testing.assert_allclose(embedding.embed(labels), expected, rtol=1e-5, atol=1e-6)


def test_synsets_are_found_by_name_and_can_be_given() -> None:
    base = HashEmbedding(5)
    crane = HierarchicalEmbedding(base).embed(["crane"])[0]
    np.testing.assert_allclose(crane, naive(base, "crane", "n03126707", 1.0), atol=1e-6)
    bird = HierarchicalEmbedding(base, synsets={"crane": "crane.n.05"}).embed(["crane"])[0]
    np.testing.assert_allclose(bird, naive(base, "crane", "n02012849", 1.0), atol=1e-6)
    by_number = HierarchicalEmbedding(base, synsets={3: "n02012849"}).embed([3])[0]
    assert not np.allclose(by_number, base.embed([3])[0])
    replaced = HierarchicalEmbedding(base, overrides={"whooper": "crane"}).embed(["whooper"])[0]
    np.testing.assert_array_equal(replaced, crane)


def test_what_has_no_vector_is_skipped_without_its_mass() -> None:
    """A word that the vectors lack leans on its kind; one that WordNet lacks stands alone."""
    keyed = KeyedVectors(2)
    keyed.add_vectors(["dog", "hound", "zqblorp"], [[0, 4], [4, 0], [1, 1]])
    base = WordVectors(keyed, missing_words="ignore")
    embedding = HierarchicalEmbedding(base, decay=math.log(2))
    got = embedding.embed(["basset", "zqblorp"])
    assert not base.covers(["basset"])[0]
    np.testing.assert_allclose(got[0], naive(base, "basset", "n02088238", math.log(2)), rtol=1e-6)
    # By hand: hound and hound dog, then hunting dog, then dog and domestic dog.
    near = np.array([3, 1]) / 2 + np.array([0, 4]) / 4 + np.array([0, 4]) / 8
    np.testing.assert_allclose(got[0], near / (1 / 2 + 1 / 4 + 1 / 8), rtol=1e-6)
    np.testing.assert_array_equal(got[1], [1, 1])
    assert embedding.covers(["basset", "hound", "zqblorp", "qqxyzzy"]).tolist() == [True] * 3 + [
        False
    ]
    with pytest.raises(UnknownLabelError, match=r"HierarchicalEmbedding has no vector for 1 of 2"):
        embedding.embed(["basset", "qqxyzzy"])


def test_zeros_of_the_base_are_no_vectors() -> None:
    keyed = KeyedVectors(2)
    keyed.add_vectors(["hound"], [[4, 0]])
    embedding = HierarchicalEmbedding(WordVectors(keyed, on_missing="zero"))
    with (
        pytest.raises(UnknownLabelError, match="'qqxyzzy'"),
        pytest.warns(LabelWarning, match="get zeros"),
    ):
        embedding.embed(["qqxyzzy"])


def test_names_of_ancestors_cause_no_warning(recwarn: pytest.WarningsRecorder) -> None:
    HierarchicalEmbedding(WordVectors()).embed(["lion", "oboe"])
    assert not recwarn.list


def test_an_infinite_decay_would_leave_the_base() -> None:
    base = HashEmbedding(5)
    np.testing.assert_allclose(
        HierarchicalEmbedding(base, decay=100.0).embed(["lion"]), base.embed(["lion"]), atol=1e-6
    )


def test_ancestors_go_by_their_synset_where_the_base_knows_synsets() -> None:
    base, lion = GlossEmbedding(on_missing="raise"), synset("n02129165")
    embedding = HierarchicalEmbedding(base, decay=0.5, synsets={"simba": lion.wnid})
    above = [node for node in lion.ancestors if node != lion]
    weights = np.exp([-0.5 * lion.distance(node) for node in above])
    vectors = base.embed([node.wnid for node in above])
    assert len(above) > 10 and not base.covers(["simba"])[0]
    np.testing.assert_allclose(
        embedding.embed(["simba"])[0], weights @ vectors / weights.sum(), rtol=1e-4, atol=1e-6
    )
    by_name = HierarchicalEmbedding(WordVectors(), decay=0.5)
    assert by_name.fingerprint() != embedding.fingerprint()


def test_it_is_saved_with_its_base() -> None:
    embedding = HierarchicalEmbedding(
        WordVectors(), decay=0.5, synsets={"ray": "n01495701", 2: "n02084071"}
    )
    state, arrays = embedding.to_config(["ray"])
    restored = restore_embedding(json.loads(json.dumps(state)), arrays)
    np.testing.assert_array_equal(restored.embed(["ray"]), embedding.embed(["ray"]))
    np.testing.assert_array_equal(restored.embed(["shark"]), embedding.embed(["shark"]))
    again = restore_embedding(json.loads(json.dumps(embedding.reference())), None)
    assert again.fingerprint() == embedding.fingerprint()
    table = HierarchicalEmbedding(AttributeTable([[1.0]], ["cat"]))
    assert table.reference() is None
    assert len({e.fingerprint() for e in (embedding, table, HierarchicalEmbedding(table))}) == 3


def test_in_a_classifier() -> None:
    X, y = np.eye(3), ["lion", "oboe", "truck"]
    synsets = {"lynx": "lynx.n.02"}  # the first is a browser
    embedding = HierarchicalEmbedding(HashEmbedding(64), decay=0.2, synsets=synsets)
    model = ConSEClassifier(None, embedding, candidates=[*y, "lynx"])
    lynx = model.fit(X, y).class_vectors_[model.classes_ == "lynx"][0]
    near = model.classes_[np.argsort(model.class_vectors_ @ lynx)][::-1]
    assert near[:2].tolist() == ["lynx", "lion"]  # a cat, though no vector says so


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"base": "glove"}, TypeError, "base must be a LabelEmbedding, got 'glove'"),
        ({"decay": 0}, ValueError, "HierarchicalEmbedding: decay must be a number above 0"),
        ({"synsets": ["dog"]}, TypeError, "synsets must be a mapping .* Pass synsets={'tiger'"),
        ({"synsets": {"dog": None}}, TypeError, "synsets must map .* got 'dog': None"),
        ({"synsets": {"dog": "n99999999"}}, UnknownLabelError, "noun synset.*n99999999"),
    ],
)
def test_bad_arguments(arguments: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        HierarchicalEmbedding(**{"base": HashEmbedding(2), **arguments})
