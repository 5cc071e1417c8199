"""SentenceEmbedding: templates and synonyms by hand, where models are found, what is refused."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import zeroshot
from zeroshot import (
    ConSEClassifier,
    DeViSEClassifier,
    SentenceEmbedding,
    WordVectorSimilarity,
)
from zeroshot.exceptions import (
    DownloadError,
    IntegrityError,
    LabelWarning,
    MissingDependencyError,
    UnknownLabelError,
)
from zeroshot.label_embeddings import _sentence_models
from zeroshot.label_embeddings._base import content_hash
from zeroshot.label_embeddings._prompts import average_prompts, label_texts
from zeroshot.persistence._label_embeddings import restore_embedding

if TYPE_CHECKING:  # it takes seconds to import
    from sentence_transformers import SentenceTransformer

LABELS = ["pickup_truck", "MapleTree", "jersey, T-shirt", "okapi"]
TEMPLATES = ["a photo of a {}.", "{}"]


@pytest.fixture(scope="module")
def embedding() -> SentenceEmbedding:
    return SentenceEmbedding(device="cpu")


@pytest.fixture(scope="module")
def model(embedding: SentenceEmbedding) -> SentenceTransformer:
    return embedding._model


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a model of one layer and 16 dimensions, its weights random."""
    from sentence_transformers import SentenceTransformer, models
    from transformers import BertConfig, BertModel, BertTokenizerFast

    folder = tmp_path_factory.mktemp("tiny")
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "photo", "of", "cat", "dog", "."]
    (folder / "vocab.txt").write_text("\n".join(words), encoding="utf-8")
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = BertConfig(vocab_size=len(words), intermediate_size=16, **sizes)
    BertModel(config).save_pretrained(folder / "bert")
    BertTokenizerFast(str(folder / "vocab.txt")).save_pretrained(folder / "bert")
    transformer = models.Transformer(str(folder / "bert"))
    parts = [transformer, models.Pooling(16)]
    SentenceTransformer(modules=parts, device="cpu").save(str(folder / "model"))
    return folder / "model"


def unit(rows: Any) -> np.ndarray:
    rows = np.asarray(rows, dtype=np.float64)
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


# What the vectors are -------------------------------------------------------------------------


def test_templates_and_synonyms_are_averaged_and_scaled_again(model: SentenceTransformer) -> None:
    ours = SentenceEmbedding(templates=TEMPLATES, device="cpu").embed(LABELS)
    texts = [["pickup truck"], ["MapleTree"], ["jersey", "T-shirt"], ["okapi"]]
    for row, synonyms in zip(ours, texts, strict=True):
        ensembles = [
            unit(np.mean([unit(model.encode(t.format(text))) for t in TEMPLATES], axis=0))
            for text in synonyms
        ]
        np.testing.assert_allclose(row, unit(np.mean(ensembles, axis=0)), atol=1e-6)
    assert ours.dtype == np.float32
    assert ours.shape == (4, 384)


def test_each_prompt_is_encoded_once() -> None:
    asked = []

    def encode(texts: list[str]) -> np.ndarray:
        asked.extend(texts)
        return np.array([[len(text), text.count("a") + 1.0] for text in texts])

    vectors = average_prompts(encode, [["cat"], ["cat", "dog"], ["dog"]], ["{}", "a {}"])
    assert sorted(asked) == ["a cat", "a dog", "cat", "dog"]
    np.testing.assert_allclose(vectors[1], unit(vectors[0] + vectors[2]))


def test_the_text_is_the_label_as_written(embedding: SentenceEmbedding) -> None:
    vectors = embedding.embed(["lawn_mower", "lawn mower", " lawn+mower", "007.lawn_mower"])
    assert len(np.unique(vectors, axis=0)) == 1
    assert label_texts("potter's wheel, crane (bird)") == ["potter's wheel, crane (bird)"]


@pytest.mark.case
@pytest.mark.parametrize(
    "label",
    ["AT&T", "C++", "C#", "McLaren", "YouTube", "jack-o'-lantern", "a dog, running on grass"],
)
def test_a_label_is_embedded_as_it_is_written(
    label: str, embedding: SentenceEmbedding, model: SentenceTransformer
) -> None:
    expected = unit(model.encode(f"a photo of a {label}."))
    np.testing.assert_allclose(embedding.embed([label])[0], expected, atol=1e-6)


@pytest.mark.case
def test_overrides_are_taken_word_for_word_and_lists_averaged(model: SentenceTransformer) -> None:
    texts = ["a photo of a dog, running on grass.", " 118.House_Sparrow", "n02129165"]
    prompts = [f"{kind} of the cat_1." for kind in ("a photo", "art", "a sketch")]
    overrides = {**{f"x{i}": text for i, text in enumerate(texts)}, "cat": prompts, 3: prompts[0]}
    ours = SentenceEmbedding(templates="{}", overrides=overrides, device="cpu")
    for i, text in enumerate(texts):
        np.testing.assert_allclose(ours.embed([f"x{i}"])[0], unit(model.encode(text)), atol=1e-6)
    expected = unit(sum(unit(model.encode(prompt)) for prompt in prompts))
    np.testing.assert_allclose(ours.embed(["cat"])[0], expected, atol=1e-6)
    np.testing.assert_allclose(ours.embed([3])[0], unit(model.encode(prompts[0])), atol=1e-6)
    again = restore_embedding(json.loads(json.dumps(ours.reference())), None)
    assert again.fingerprint() == ours.fingerprint() and dict(again.overrides) == ours.overrides
    assert pickle.loads(pickle.dumps(ours)).overrides == ours.overrides
    rows = ours.explain(["cat", "x1", "dog_1", "?"]).to_dict("records")
    assert [row["why"] for row in rows] == ["word for word", "word for word", "", "has no words"]
    assert [row["read"] for row in rows][1:] == [" 118.House_Sparrow", "dog 1", "?"]


def test_a_text_that_is_longer_than_the_model_reads_is_named(embedding: SentenceEmbedding) -> None:
    long = "very " * 300 + "old dog"
    with pytest.warns(LabelWarning, match="1 texts are longer than the model reads.*old dog"):
        embedding.embed([long, "dog"])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        embedding.embed(["internationalization of the " * 20])  # long, of few tokens


def test_numbers_and_letters_are_warned_of(tiny: Path) -> None:
    ours = SentenceEmbedding(tiny, device="cpu", overrides={"3": "3"})
    with pytest.warns(LabelWarning, match="2 labels are numbers or single letters: '118', 'n'"):
        ours.embed(["118", "3", "dog", "n"])


def test_company_and_order_change_nothing_but_rounding(embedding: SentenceEmbedding) -> None:
    whole = embedding.embed(LABELS)
    for row, label in enumerate(LABELS):
        np.testing.assert_allclose(embedding.embed([label])[0], whole[row], atol=1e-6)
    np.testing.assert_array_equal(embedding.embed(LABELS), whole)
    np.testing.assert_array_equal(embedding.embed(LABELS[::-1])[::-1], whole)


def test_meaning_shows(embedding: SentenceEmbedding) -> None:
    cosines = WordVectorSimilarity(embedding).matrix(["tabby", "lorry"], ["cat", "truck", "violin"])
    assert cosines.argmax(axis=1).tolist() == [0, 1]


def test_what_has_no_words_has_no_vector(embedding: SentenceEmbedding) -> None:
    assert embedding.covers(["zzkwwv", "猫", "?!"]).tolist() == [True, True, False]
    assert embedding.covers([1, 2]).tolist() == [False, False]
    with pytest.raises(UnknownLabelError, match=r"SentenceEmbedding has no vector .*'\?!'"):
        embedding.embed(["cat", "?!"])
    with pytest.raises(UnknownLabelError, match="Integers and signs have no words"):
        embedding.embed([1])
    numbered = SentenceEmbedding(overrides={1: "cat"}, device="cpu")
    np.testing.assert_allclose(numbered.embed([1]), embedding.embed(["cat"]), atol=1e-6)


# Where models are found -----------------------------------------------------------------------


def test_the_names_and_the_path_of_the_packaged_model(embedding: SentenceEmbedding) -> None:
    names = ("all-MiniLM-L6-v2", "sentence-transformers/all-MiniLM-L6-v2", embedding._folder)
    for name in names:
        assert SentenceEmbedding(name).fingerprint() == embedding.fingerprint()
    assert SentenceEmbedding(str(embedding._folder)).reference()["model"] == str(embedding._folder)


def test_a_folder_of_ones_own(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tiny.parent)
    embedding = SentenceEmbedding("model", device="cpu")
    assert embedding.n_dims == 16
    assert Path(embedding.reference()["model"]).is_absolute()
    assert embedding.embed(["cat", "dog"]).shape == (2, 16)


def test_a_model_in_the_hubs_cache_is_found_without_a_network(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants

    commit = "0" * 40
    repo = tmp_path / "models--somebody--tiny"
    (repo / "refs").mkdir(parents=True)
    (repo / "refs" / "main").write_text(commit)
    shutil.copytree(tiny, repo / "snapshots" / commit)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(_sentence_models, "check_reachable", lambda: pytest.fail("asked the hub"))
    found = SentenceEmbedding("somebody/tiny")
    assert found.fingerprint() == SentenceEmbedding(tiny).fingerprint()
    assert found.reference()["model"] == "somebody/tiny"


@pytest.fixture
def offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))


@pytest.mark.usefixtures("offline")
def test_a_name_that_cannot_be_had_is_one_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DownloadError, match=r"'somebody/no-such'.*path of a folder.*\[text\]"):
        SentenceEmbedding("somebody/no-such")
    monkeypatch.setattr(_sentence_models, "find_spec", lambda name: None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'scikit-zeroshot\[text\]'"):
        SentenceEmbedding()


@pytest.mark.usefixtures("offline")
def test_the_hub_is_not_asked_where_that_is_forbidden(monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr("urllib.request.urlopen", lambda *args, **kwargs: pytest.fail("asked"))
    with pytest.raises(DownloadError, match="HF_HUB_OFFLINE is set"):
        SentenceEmbedding("somebody/no-such")


def test_without_the_package(embedding: SentenceEmbedding, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    fresh = SentenceEmbedding()  # opened at first use
    with pytest.raises(MissingDependencyError, match=r"needs the package 'sentence_transformers'"):
        fresh.embed(["cat"])


# What is refused ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"model": 3}, TypeError, "model must be a name or the path of a folder, got 3"),
        ({"model": Path("no-such")}, FileNotFoundError, "there is no folder"),
        ({"templates": "a photo"}, ValueError, r"must each have one \{\}.*'a photo'"),
        ({"templates": ["{} {}"]}, ValueError, r"one \{\} for the label"),
        ({"templates": ["{x} {}"]}, ValueError, r"one \{\} for the label"),
        ({"templates": []}, ValueError, "got an empty list"),
        ({"templates": [str.upper]}, TypeError, "templates must be strings"),
        ({"templates": None}, TypeError, "templates must be strings such as .* got None"),
        ({"templates": 5}, TypeError, "templates must be strings such as .* got 5"),
        ({"templates": {"a {}": 1}}, TypeError, "templates must be strings such as .* got {'a"),
        ({"templates": ["a {}", ""]}, ValueError, r"one \{\} for the label, got ''"),
        ({"batch_size": 0}, ValueError, "batch_size must be an integer of at least 1"),
        ({"overrides": ["cat"]}, TypeError, "overrides must be a mapping"),
    ],
)
def test_bad_arguments(arguments: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        SentenceEmbedding(**arguments)


def test_an_unknown_device(tiny: Path) -> None:
    with pytest.raises(ValueError, match="SentenceEmbedding: device must be 'auto' or"):
        SentenceEmbedding(tiny, device="abacus").embed(["cat"])


def test_nothing_is_unpickled_and_no_code_is_run(tiny: Path, tmp_path: Path) -> None:
    with pytest.raises(IntegrityError, match="holds no model of sentence-transformers"):
        SentenceEmbedding(tmp_path)
    pickled = tmp_path / "pickled"
    shutil.copytree(tiny, pickled)
    (weights,) = pickled.glob("*.safetensors")
    weights.rename(pickled / "pytorch_model.bin")
    with pytest.raises(IntegrityError, match=r"pytorch_model.bin is a pickle.*safe_serialization"):
        SentenceEmbedding(pickled)
    (pickled / "pytorch_model.bin").unlink()
    with pytest.raises(IntegrityError, match="holds no weights"):
        SentenceEmbedding(pickled)
    coded = tmp_path / "coded"
    shutil.copytree(tiny, coded)
    modules = json.loads((coded / "modules.json").read_text())
    modules[0]["type"] = "os.system"
    (coded / "modules.json").write_text(json.dumps(modules))
    with pytest.raises(IntegrityError, match=r"brings code of its own \(os.system\)"):
        SentenceEmbedding(coded)
    (coded / "modules.json").write_text("[")
    with pytest.raises(IntegrityError, match="modules.json"):
        SentenceEmbedding(coded)


def test_broken_weights(tiny: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(tiny, broken)
    (weights,) = broken.glob("*.safetensors")
    weights.write_bytes(weights.read_bytes()[:500])
    with pytest.raises(IntegrityError, match="cannot be opened.*Fetch it again"):
        SentenceEmbedding(broken, device="cpu").embed(["cat"])


# Passing it on --------------------------------------------------------------------------------


def test_fingerprint_follows_files_templates_and_overrides(tiny: Path, tmp_path: Path) -> None:
    moved = tmp_path / "moved"
    shutil.copytree(tiny, moved)
    (moved / "README.md").write_text("other words")
    first = SentenceEmbedding(tiny).fingerprint()
    assert SentenceEmbedding(moved, batch_size=1).fingerprint() == first
    others = [
        SentenceEmbedding(tiny, templates="{}").fingerprint(),
        SentenceEmbedding(tiny, overrides={"kitty": "cat"}).fingerprint(),
    ]
    (weights,) = moved.glob("*.safetensors")
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    others.append(SentenceEmbedding(moved).fingerprint())
    assert len({first, *others}) == 4


def test_a_changed_setting_is_another_model(tiny: Path, tmp_path: Path) -> None:
    moved = tmp_path / "moved"
    shutil.copytree(tiny, moved)
    saved = SentenceEmbedding(tiny)
    settings = moved / "tokenizer_config.json"
    content = json.loads(settings.read_text()) if settings.exists() else {}
    settings.write_text(json.dumps({**content, "do_lower_case": "other"}))
    altered = SentenceEmbedding(moved)
    assert altered.model_digest == saved.model_digest  # weights and tokenizer.json alone
    assert saved.has_fingerprint(saved.fingerprint())
    assert not altered.has_fingerprint(saved.fingerprint())
    before = content_hash(  # as version 0.1.0 made it
        "SentenceEmbedding", saved.model_digest, saved._templates, []
    )
    assert before != saved.fingerprint() and saved.has_fingerprint(before)


def test_a_pickle_holds_no_network(tiny: Path, tmp_path: Path) -> None:
    moved = tmp_path / "moved"
    shutil.copytree(tiny, moved)
    embedding = SentenceEmbedding(moved, templates=TEMPLATES, overrides={"kitty": "cat"})
    vectors = embedding.embed(["cat", "dog"])
    content = pickle.dumps(embedding)
    assert len(content) < 2000
    again = pickle.loads(content)
    np.testing.assert_array_equal(again.embed(["kitty", "dog"]), vectors)
    assert again.fingerprint() == embedding.fingerprint()
    assert repr(again) == repr(embedding)
    (moved / "config.json").write_text("{}")
    with pytest.raises(IntegrityError, match="has changed since this object was pickled"):
        pickle.loads(content)


def test_saved_with_a_model_by_reference(tiny: Path, tmp_path: Path) -> None:
    embedding = SentenceEmbedding(tiny, templates=TEMPLATES, device="cpu")
    X, y = np.eye(3), ["cat", "dog", "photo"]
    model = DeViSEClassifier(embedding, loss="mse", candidates=[*y, "of"]).fit(X, y)
    zeroshot.save(model, tmp_path / "model")
    size = sum(os.path.getsize(path) for path in (tmp_path / "model").iterdir())
    assert size < os.path.getsize(next(tiny.glob("*.safetensors"))) + 20_000
    loaded = zeroshot.load(tmp_path / "model")
    np.testing.assert_array_equal(loaded.decision_function(X), model.decision_function(X))
    new = ["cat", "dog photo", "photo cat"]
    np.testing.assert_allclose(
        loaded.with_candidates(new).decision_function(X),
        model.with_candidates(new).decision_function(X),
        atol=1e-5,
    )
    again = restore_embedding(json.loads(json.dumps(embedding.reference())), None)
    assert again.fingerprint() == embedding.fingerprint()


def test_with_the_classifiers(embedding: SentenceEmbedding) -> None:
    X, y = np.eye(4), ["lion", "truck", "violin", "oak"]
    names = [*y, "tiger cat", "bulldozer", "cello", "maple"]
    model = ConSEClassifier(None, embedding, candidates=names, scenario="unseen").fit(X, y)
    assert model.predict(X).tolist() == ["tiger cat", "bulldozer", "cello", "maple"]
