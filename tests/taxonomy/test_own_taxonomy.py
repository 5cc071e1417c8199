"""Taxonomies other than the shipped one: what nltk reads, and graphs of one's own."""

from __future__ import annotations

import copy
import pickle
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from nltk_wordnet import open_nltk_wordnet
from sklearn.base import clone

import zeroshot
from zeroshot import DeViSEClassifier, SimilarityClassifier, WordNetEmbedding, WordNetSimilarity
from zeroshot.exceptions import IntegrityError, ModelFormatError, UnknownLabelError
from zeroshot.taxonomy import Taxonomy, relation, synset
from zeroshot.taxonomy._graph import wordnet_graph

HYPERNYMS = {
    "okapi": "mammal",
    "bear": ["mammal", "predator"],
    "emu": "bird",
    "mammal": "animal",
    "bird": "animal",
}
ANIMALS = Taxonomy.from_hypernyms(HYPERNYMS, lemmas={"okapi": ["forest giraffe"]})


@pytest.fixture(scope="module")
def oracle() -> Any:
    return open_nltk_wordnet()


@pytest.fixture(scope="module")
def read(oracle: Any) -> Taxonomy:
    return Taxonomy.from_nltk(oracle)


def test_debians_files_read_by_nltk_are_the_shipped_graph(read: Taxonomy) -> None:
    shipped, graph = wordnet_graph(), read.graph
    assert len(read) == len(Taxonomy()) == 82_115
    for name in ("offsets", "parents", "parent_starts", "min_depths", "max_depths",
                 "n_descendants", "n_instance_hypernyms", "lemma_starts"):  # fmt: skip
        np.testing.assert_array_equal(getattr(graph, name), getattr(shipped, name), err_msg=name)
    assert graph.lemmas == shipped.lemmas
    for word in ("dog", "crane", "bank", "mouse", "st_bernard"):
        assert graph.senses(word) == shipped.senses(word), word


def test_similarities_and_vectors_are_those_of_the_shipped_graph(read: Taxonomy) -> None:
    names = ["lion", "pickup truck", "oboe", "crane"]
    for measure in ("path", "lin", "wup_nltk"):
        np.testing.assert_array_equal(
            WordNetSimilarity(measure, taxonomy=read).matrix(names, names),
            WordNetSimilarity(measure).matrix(names, names),
        )
    np.testing.assert_array_equal(
        WordNetEmbedding(vocabulary=names, taxonomy=read).embed(names),
        WordNetEmbedding(vocabulary=names).embed(names),
    )


def test_things_stand_where_they_were_put() -> None:
    okapi, bear = ANIMALS.synset("okapi.n.01"), ANIMALS.synsets("bears")[0]
    assert ANIMALS.synsets("forest giraffe") == [okapi] and okapi.lemmas == (
        "okapi",
        "forest_giraffe",
    )
    assert {above.name for above in bear.hypernyms} == {"mammal.n.01", "predator.n.01"}
    assert okapi.distance(bear) == 2 and bear.min_depth == 2 and bear.max_depth == 3
    # "animal" and "predator" had nothing above them.
    assert {s.name for s in ANIMALS.synset("predator.n.01").hypernyms} == {"entity.n.01"}
    assert ANIMALS.resolve(["Forest_Giraffe"]).synsets == [okapi]
    assert ANIMALS.relations(["okapi", "bird", "emu"], ["mammal", "emu"]).tolist() == [
        "included", "inclusive", "same",
    ]  # fmt: skip
    assert relation("okapi", ["mammal"], taxonomy=ANIMALS) == "included"


def test_similarity_and_embedding_know_its_words_and_no_others() -> None:
    similarity = WordNetSimilarity(taxonomy=ANIMALS)
    np.testing.assert_allclose(
        similarity.matrix(["okapi"], ["okapi", "bear", "emu"]), [[1, 1 / 3, 1 / 5]]
    )
    with pytest.raises(UnknownLabelError, match="'lion'"):
        similarity.matrix(["okapi"], ["lion"])
    embedding = WordNetEmbedding(taxonomy=ANIMALS)
    vectors = embedding.embed(["okapi", "bear", "emu"]).astype(float)
    assert vectors.shape == (3, len(ANIMALS)) and embedding.dimension_names[0] == "entity.n.01"
    products = vectors @ vectors.T
    assert products[0, 1] > products[0, 2]
    assert embedding.covers(["okapi", "lion"]).tolist() == [True, False]
    assert embedding.explain(["okapi"])["synset"].tolist() == ["okapi.n.01"]


def test_the_shipped_graph_is_back_after_an_error_and_in_other_threads() -> None:
    similarity = WordNetSimilarity(taxonomy=ANIMALS)

    def both(_: int) -> tuple[float, bool]:
        with pytest.raises(UnknownLabelError):
            similarity.matrix(["lion"], ["okapi"])
        own = similarity.matrix(["okapi"], ["bear"])[0, 0]
        return round(own, 9), synset("n02129165").name == "lion.n.01"

    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(both, range(40))) == {(round(1 / 3, 9), True)}


def test_synsets_of_two_taxonomies_are_never_equal() -> None:
    own, shipped = ANIMALS.synset("okapi.n.01"), synset("okapi.n.01")
    assert own != shipped and own.name == shipped.name
    with pytest.raises(ValueError, match="two taxonomies"):
        own.distance(shipped)
    assert copy.deepcopy(own) is own
    with pytest.raises(TypeError, match="keep its name"):
        pickle.dumps(own)


@pytest.mark.parametrize("taxonomy", [Taxonomy(), ANIMALS], ids=["shipped", "own"])
def test_copies_and_pickles(taxonomy: Taxonomy) -> None:
    assert clone(WordNetSimilarity(taxonomy=taxonomy)).taxonomy is taxonomy
    again = pickle.loads(pickle.dumps(taxonomy))
    assert again == taxonomy and again.fingerprint() == taxonomy.fingerprint()
    assert taxonomy != Taxonomy.from_hypernyms({"a": "b"})


def test_models_are_saved_with_their_taxonomy(tmp_path: Path) -> None:
    X, y = np.repeat(np.eye(3), 4, axis=0), np.repeat(["okapi", "bear", "emu"], 4)
    similarity = WordNetSimilarity(taxonomy=ANIMALS)
    model = SimilarityClassifier(None, similarity, candidates=["okapi", "bird"]).fit(X, y)
    embedding = WordNetEmbedding(taxonomy=ANIMALS)
    ridge = DeViSEClassifier(embedding, loss="mse", candidates=["okapi", "bird"]).fit(X, y)
    for place, fitted in enumerate([model, ridge]):
        zeroshot.save(fitted, tmp_path / str(place))
        loaded = zeroshot.load(tmp_path / str(place))
        np.testing.assert_allclose(loaded.decision_function(X), fitted.decision_function(X))
    again = zeroshot.load(tmp_path / "0").similarity.taxonomy
    assert again == ANIMALS and again.resolve(["forest giraffe"])[0].rule == "only sense"


def test_damaged_arrays_are_refused() -> None:
    config = ANIMALS.to_config()
    for change in ({"parents": np.array([99])}, {"offsets": None}, {"n_lemmas": np.zeros(2, int)}):
        with pytest.raises(IntegrityError, match="taxonomy"):
            Taxonomy.from_config(config._replace(attributes={**config.attributes, **change}))


@pytest.mark.parametrize(
    "hypernyms, lemmas, words",
    [
        ({}, None, "no synset"),
        ({"a": "b", "b": "a"}, None, "above themselves.*'a'"),
        ({"a": "a"}, None, "above themselves"),
        ({"a": "b"}, {"c": ["d"]}, "lemmas has 'c'"),
    ],
)
def test_what_is_no_taxonomy_is_refused(hypernyms: dict, lemmas: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Taxonomy.from_hypernyms(hypernyms, lemmas=lemmas)


def test_wrong_types_are_refused() -> None:
    with pytest.raises(TypeError, match="must be a dict"):
        Taxonomy.from_hypernyms(["a"])
    with pytest.raises(TypeError, match="taxonomy must be a Taxonomy"):
        WordNetEmbedding(taxonomy="wordnet")
    with pytest.raises(TypeError, match="taxonomy must be a Taxonomy"):
        WordNetSimilarity(taxonomy="wordnet").matrix(["a"], ["a"])


class OneSynset:
    """What a reader of nltk gives, in another language."""

    def __init__(self, offset: int, words: dict[str, list[str]], above: list[Any]) -> None:
        self._offset, self._words, self._above = offset, words, above

    def offset(self) -> int:
        return self._offset

    def name(self) -> str:
        return f"{self._words['eng'][0]}.n.01"

    def lemma_names(self, lang: str) -> list[str]:
        return self._words.get(lang, [])

    def hypernyms(self) -> list[Any]:
        return self._above

    def instance_hypernyms(self) -> list[Any]:
        return []


class Reader:
    """A reader of nltk with two nouns."""

    def all_synsets(self, pos: str) -> list[OneSynset]:
        animal = OneSynset(1, {"eng": ["animal"], "fra": ["animal", "bête"]}, [])
        return [animal, OneSynset(2, {"eng": ["dog"], "fra": ["chien"]}, [animal])]

    def get_version(self) -> str:
        return "3.0"


def test_another_language() -> None:
    french = Taxonomy.from_nltk(Reader(), lang="fra")
    assert french.relation("chien", ["bête"]) == "included"
    assert "fra" in repr(french)
    with pytest.raises(UnknownLabelError, match="WordNet 3.0, fra"):
        french.synset("dog.n.01")
    with pytest.raises(ValueError, match="no nouns in lang='deu'"):
        Taxonomy.from_nltk(Reader(), lang="deu")


def test_copies_are_the_taxonomy_itself() -> None:
    for taxonomy in (ANIMALS, Taxonomy()):
        assert copy.copy(taxonomy) is taxonomy and copy.deepcopy(taxonomy) is taxonomy
        assert clone(WordNetSimilarity(taxonomy=taxonomy)).taxonomy is taxonomy
        again = pickle.loads(pickle.dumps(taxonomy))
        assert again == taxonomy and hash(again) == hash(taxonomy)
        assert Taxonomy.from_config(taxonomy.to_config()) == taxonomy
    assert ANIMALS != Taxonomy() and ANIMALS != "animals"


def test_a_saved_taxonomy_without_a_title() -> None:
    config = ANIMALS.to_config()
    attributes = {name: value for name, value in config.attributes.items() if name != "title"}
    with pytest.raises(ModelFormatError, match="lacks its title"):
        Taxonomy.from_config(config._replace(attributes=attributes))
