from __future__ import annotations

import copy
import json
import pickle
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from gensim.models import KeyedVectors
from sklearn.base import clone

from zeroshot.exceptions import IntegrityError, LabelWarning, UnknownLabelError
from zeroshot.label_embeddings import (
    AttributeTable,
    ConcatEmbedding,
    DescriptionEmbedding,
    GlossEmbedding,
    HashEmbedding,
    HierarchicalEmbedding,
    LabelEmbedding,
    OneHotEmbedding,
    WordVectors,
)
from zeroshot.label_embeddings._find_words import find_words
from zeroshot.label_embeddings._vocabulary import Vocabulary
from zeroshot.persistence._label_embeddings import StoredEmbedding, restore_embedding
from zeroshot.taxonomy._label_text import name_words
from zeroshot.taxonomy._readings import read_label

LABELS = ["cat", "dog", "lawn_mower"]


def keyed_vectors():
    keyed = KeyedVectors(3)
    words = ["cat", "dog", "lawn", "mower", "okapi"]
    keyed.add_vectors(words, np.arange(15, dtype=np.float32).reshape(5, 3) / 7)
    return keyed


def table():
    return AttributeTable(np.arange(9).reshape(3, 3) / 7, LABELS, overrides={"kitty": "cat"})


EMBEDDINGS = {
    "WordVectors": lambda: WordVectors(keyed_vectors(), overrides={"mower": "lawn mower"}),
    "AttributeTable": table,
    "OneHotEmbedding": lambda: OneHotEmbedding([*LABELS, "okapi"]),
    "HashEmbedding": lambda: HashEmbedding(5, seed=3),
    "ConcatEmbedding": lambda: ConcatEmbedding(
        [WordVectors(keyed_vectors()), table(), HashEmbedding(4)], weights=[1, 0.3, 2]
    ),
    "GlossEmbedding": lambda: GlossEmbedding(on_missing="raise", overrides={"mower": "lawn_mower"}),
    "DescriptionEmbedding": lambda: DescriptionEmbedding({"kitty": "a young cat"}),
    "HierarchicalEmbedding": lambda: HierarchicalEmbedding(
        HashEmbedding(6), decay=0.5, synsets={"cat": "n02121808"}, overrides={"kitty": "cat"}
    ),
}


@pytest.fixture(params=EMBEDDINGS)
def embedding(request):
    return EMBEDDINGS[request.param]()


# What holds for every label embedding


def test_embed_is_float32_contiguous_and_row_aligned(embedding):
    vectors = embedding.embed([*LABELS, "cat"])
    assert vectors.dtype == np.float32
    assert vectors.flags.c_contiguous
    assert vectors.shape == (4, embedding.n_dims)
    np.testing.assert_array_equal(vectors[3], vectors[0])
    for row, label in enumerate(LABELS):
        np.testing.assert_array_equal(embedding.embed([label])[0], vectors[row])


def test_explain_says_of_each_label_what_covers_does(embedding):
    labels = [*LABELS, "okapi", "qqxyzzy", "kitty", "cat"]
    table = embedding.explain(labels)
    assert table.columns.tolist() == ["label", "read", "found", "missing", "synset", "why"]
    assert table["label"].tolist() == labels
    assert (table["found"].str.len() > 0).tolist() == embedding.covers(labels).tolist()
    assert all(isinstance(text, str) and text for text in table["read"])
    assert len(embedding.explain([])) == 0


def test_no_labels_give_no_rows(embedding):
    assert embedding.embed([]).shape == (0, embedding.n_dims)
    assert embedding.covers([]).shape == (0,)


def test_the_answer_can_be_written_to_without_harm(embedding):
    before = embedding.embed(LABELS)
    embedding.embed(LABELS)[:] = 0
    np.testing.assert_array_equal(embedding.embed(LABELS), before)


def test_clone_and_copies_are_the_embedding_itself(embedding):
    assert clone(embedding) is embedding
    assert copy.copy(embedding) is embedding
    assert copy.deepcopy(embedding) is embedding


def test_pickle_round_trip(embedding):
    other = pickle.loads(pickle.dumps(embedding))
    np.testing.assert_array_equal(other.embed(LABELS), embedding.embed(LABELS))
    assert other.fingerprint() == embedding.fingerprint()
    assert repr(other) == repr(embedding)
    assert dict(other.overrides) == dict(embedding.overrides)


def test_state_round_trip_is_exact(embedding):
    state, arrays = embedding.to_config(LABELS)
    assert all(array.flags.c_contiguous for array in arrays.values())
    other = restore_embedding(json.loads(json.dumps(state)), arrays)
    assert isinstance(other, LabelEmbedding)
    assert other.embed(LABELS).tobytes() == embedding.embed(LABELS).tobytes()
    assert other.n_dims == embedding.n_dims
    again, again_arrays = other.to_config(LABELS)
    assert again == state
    assert sorted(again_arrays) == sorted(arrays)


@pytest.mark.parametrize(
    ("labels", "error", "words"),
    [
        ("cat", TypeError, r"\['cat'\]"),
        ([["cat"]], ValueError, "1-D"),
        (["cat", 3], ValueError, "Unknown label type"),
        ([0.5], ValueError, "Unknown label type"),
    ],
)
def test_what_is_no_list_of_labels_is_refused(embedding, labels, error, words):
    with pytest.raises(error, match=words) as caught:
        embedding.embed(labels)
    assert type(embedding).__name__ in str(caught.value)


def test_repr_is_short(embedding):
    assert repr(embedding).startswith(type(embedding).__name__)
    assert len(repr(embedding)) < 250


def test_fingerprint_tells_embeddings_apart():
    fingerprints = [make().fingerprint() for make in EMBEDDINGS.values()]
    fingerprints += [
        HashEmbedding(5, seed=4).fingerprint(),
        OneHotEmbedding(["dog", "cat", "lawn_mower", "okapi"]).fingerprint(),
        AttributeTable(np.arange(9).reshape(3, 3) / 7, LABELS).fingerprint(),
        AttributeTable(np.arange(9).reshape(3, 3) / 8, LABELS).fingerprint(),
        WordVectors(keyed_vectors()).fingerprint(),
        WordVectors(keyed_vectors(), multiword="last").fingerprint(),
    ]
    assert len(set(fingerprints)) == len(fingerprints)
    assert all(len(fingerprint) == 64 for fingerprint in fingerprints)
    assert [make().fingerprint() for make in EMBEDDINGS.values()] == fingerprints[: len(EMBEDDINGS)]


def test_importing_brings_no_heavy_package():
    heavy = ["torch", "timm", "gensim", "nltk", "pandas", "pyarrow", "matplotlib"]
    code = f"import sys, zeroshot.label_embeddings; print(sys.modules.keys() & {set(heavy)})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


class Broken(LabelEmbedding):
    """What a user's own class may get wrong."""

    def __init__(self, vectors):
        self._vectors = vectors

    n_dims = 2

    def fingerprint(self):
        return "0" * 64

    def reference(self):
        return None

    def _embed(self, labels):
        return self._vectors

    def _covers(self, labels):
        return np.ones(len(labels), dtype=bool)


def test_vectors_that_are_not_finite_are_named():
    with pytest.raises(ValueError, match="Broken: the vectors of 1 labels hold NaN.*'dog'"):
        Broken([[1, 2], [np.nan, 0]]).embed(["cat", "dog"])


def test_vectors_of_another_shape_are_refused():
    with pytest.raises(ValueError, match=r"Broken: _embed returned .* expected \(2, 2\)"):
        Broken([[1, 2]]).embed(["cat", "dog"])


@pytest.mark.parametrize("overrides", [["cat"], {"cat": None}, {("a",): "b"}])
def test_bad_overrides(overrides):
    with pytest.raises(TypeError, match="AttributeTable: overrides must"):
        AttributeTable([[1]], ["cat"], overrides=overrides)


# AttributeTable


def test_table_from_an_array_and_from_a_frame():
    frame = pd.DataFrame({"stripes": [1, 0], "legs": [4, 2]}, index=["zebra", "ostrich"])
    expected = np.array([[0, 2], [1, 4]], dtype=np.float32)
    for made in (
        AttributeTable(frame),
        AttributeTable(frame.to_numpy(), labels=["zebra", "ostrich"]),
        AttributeTable(frame, labels=["zebra", "ostrich"]),
    ):
        np.testing.assert_array_equal(made.embed(["ostrich", "zebra"]), expected)
    assert list(made.vocabulary) == ["zebra", "ostrich"]


def test_table_keeps_its_own_copy():
    rows = np.eye(2, dtype=np.float32)
    made = AttributeTable(rows, ["a", "b"])
    rows[:] = 5
    assert made.embed(["a"]).tolist() == [[1, 0]]
    with pytest.raises(ValueError, match="read-only"):
        made.vectors[0, 0] = 3


def test_table_overrides_and_integers():
    assert table().embed(["kitty"]).tolist() == table().embed(["cat"]).tolist()
    made = AttributeTable([[1], [2]], labels=[10, 20], overrides={30: 20})
    assert made.embed(np.array([20, 30, 10])).tolist() == [[2], [2], [1]]
    assert made.covers([10, 11, 30]).tolist() == [True, False, True]


def test_table_names_every_unknown_label_with_near_matches():
    with pytest.raises(UnknownLabelError, match="'dogg', 'okapi'.*'dogg': 'dog'.*Add a row"):
        table().embed(["cat", "dogg", "okapi"])


@pytest.mark.parametrize(
    ("rows", "labels", "error", "words"),
    [
        ([[1], [2]], None, TypeError, r"Pass labels=\[\.\.\.\]"),
        ([[1], [2]], ["a"], ValueError, "2 rows and there are 1 labels"),
        ([[1], [2]], ["a", "a"], ValueError, r"more than once \('a'\)"),
        ([[1], [np.nan]], ["a", "b"], ValueError, "NaN or infinity.*'b'"),
        ([[1], [1e300]], ["a", "b"], ValueError, "infinity in float32.*'b'"),
        ([1, 2], ["a", "b"], ValueError, "must be 2-D"),
        (np.empty((2, 0)), ["a", "b"], ValueError, "at least one column"),
        ([["x"], ["y"]], ["a", "b"], TypeError, "2-D array of numbers"),
        ([[1, 2], [3]], ["a", "b"], TypeError, "2-D array of numbers"),
        (np.empty((0, 2)), [], ValueError, "labels is empty"),
    ],
)
@pytest.mark.filterwarnings("ignore:overflow encountered in cast")
def test_bad_tables(rows, labels, error, words):
    with pytest.raises(error, match=words):
        AttributeTable(rows, labels)


# OneHotEmbedding


def test_one_hot_is_the_identity_in_the_given_order():
    made = OneHotEmbedding([3, 1, 2])
    assert made.embed([1, 3]).tolist() == [[0, 1, 0], [1, 0, 0]]
    np.testing.assert_array_equal(made.embed([3, 1, 2]), np.eye(3))
    np.testing.assert_array_equal(made.vectors, np.eye(3))


def test_one_hot_has_no_vector_for_unseen_labels_and_says_what_has():
    with pytest.raises(UnknownLabelError, match="1 of 2 labels.*'okapi'.*WordVectors"):
        OneHotEmbedding(["cat"]).embed(["cat", "okapi"])
    assert OneHotEmbedding(["cat"]).covers(["okapi", "cat"]).tolist() == [False, True]


@pytest.mark.parametrize(("labels", "words"), [([], "is empty"), (["a", "a"], "more than once")])
def test_bad_one_hot_labels(labels, words):
    with pytest.raises(ValueError, match=words):
        OneHotEmbedding(labels)


# HashEmbedding


def test_hash_vectors_are_these_on_every_platform():
    # Written down once: a saved model relies on them.
    vectors = HashEmbedding(4).embed(["cat", "0"])
    integers = HashEmbedding(4).embed([0])
    assert (
        vectors.tobytes().hex()
        == "232ca03ff93b613e4d519c3ba0c8ddbdf26dc2be5fa075be82d5c6bd48f5acbf"
    )
    assert integers.tobytes().hex() == "80514f3e551b7b3e7c81113eb7e77bbe"


def test_hash_vectors_look_gaussian_and_of_unit_length():
    vectors = HashEmbedding(64).embed(np.arange(2000)).astype(np.float64)
    np.testing.assert_allclose((vectors**2).sum(axis=1).mean(), 1, atol=0.02)
    assert abs(vectors.mean()) < 0.002
    cosines = np.corrcoef(vectors[:100])
    assert np.abs(cosines - np.eye(100)).max() < 0.6
    kurtosis = (vectors**4).mean() / (vectors**2).mean() ** 2
    assert 2.5 < kurtosis < 3  # a uniform has 1.8


def test_hash_seed_length_and_kind_matter():
    base = HashEmbedding(8).embed(["1"])
    assert not np.array_equal(base, HashEmbedding(8, seed=1).embed(["1"]))
    assert not np.array_equal(base, HashEmbedding(8).embed([1]))
    assert HashEmbedding(200).embed(["1"]).shape == (1, 200)
    assert HashEmbedding().covers(["any"]).all()


@pytest.mark.parametrize("arguments", [{"n_dims": 0}, {"n_dims": 2.5}, {"seed": -1}])
def test_bad_hash_arguments(arguments):
    with pytest.raises(ValueError, match=f"HashEmbedding: {next(iter(arguments))} must be"):
        HashEmbedding(**arguments)


# ConcatEmbedding


def test_concat_scales_each_block_to_its_weight():
    made = ConcatEmbedding([HashEmbedding(7), table()], weights=[2, 0.5])
    vectors = made.embed(["cat", "dog"])
    assert made.n_dims == 10
    np.testing.assert_allclose(np.linalg.norm(vectors[:, :7], axis=1), 2, rtol=1e-6)
    rows = table().embed(["cat", "dog"])
    expected = 0.5 * rows / np.linalg.norm(rows, axis=1, keepdims=True)
    np.testing.assert_allclose(vectors[:, 7:], expected, rtol=1e-6)


def test_concat_leaves_a_block_of_zeros_alone():
    made = ConcatEmbedding([AttributeTable([[0, 0]], ["a"]), OneHotEmbedding(["a"])])
    assert made.embed(["a"]).tolist() == [[0, 0, 1]]


def test_concat_covers_what_all_parts_cover():
    made = ConcatEmbedding([table(), OneHotEmbedding(["cat", "okapi"])])
    assert made.covers(["cat", "okapi", "dog"]).tolist() == [True, False, False]
    with pytest.raises(UnknownLabelError, match="AttributeTable.*'okapi'"):
        made.embed(["okapi"])


@pytest.mark.parametrize(
    ("embeddings", "weights", "error", "words"),
    [
        ([], None, TypeError, "an empty list"),
        (["glove"], None, TypeError, "got str"),
        ([HashEmbedding()], [1, 2], ValueError, "must be 1 finite numbers above 0"),
        (None, None, TypeError, "embeddings must be a list .* got NoneType. Pass, for example"),
        (5, None, TypeError, "embeddings must be a list of LabelEmbedding objects, got int"),
        ([HashEmbedding()], ["a"], ValueError, "must be 1 finite numbers above 0.* got .'a'."),
        ([HashEmbedding()], 2, ValueError, "must be 1 finite numbers above 0.* got 2"),
        ([HashEmbedding()], [0], ValueError, "above 0"),
        ([HashEmbedding()], [float("nan")], ValueError, "above 0"),
    ],
)
def test_bad_concat_arguments(embeddings, weights, error, words):
    with pytest.raises(error, match=words):
        ConcatEmbedding(embeddings, weights=weights)


# Saved embeddings


def test_a_table_is_saved_whole_and_word_vectors_only_in_part():
    state, arrays = table().to_config(["cat"])
    assert restore_embedding(state, arrays).covers(["cat", "dog", "kitty"]).all()
    state, arrays = WordVectors(keyed_vectors()).to_config(["cat", "not here", "cat"])
    assert arrays["vectors"].shape == (1, 3)
    stored = restore_embedding(state, arrays)
    assert stored.covers(["cat", "dog"]).tolist() == [True, False]
    with pytest.raises(UnknownLabelError, match="saved WordVectors.*'dog'.*Name all candidates"):
        stored.embed(["cat", "dog"])


def save_folder(tmp_path, scale=1.0):
    keyed = keyed_vectors()
    keyed.vectors *= scale
    WordVectors(keyed).save(tmp_path / "vectors", overwrite=True)
    return tmp_path / "vectors"


def test_unstored_labels_come_from_the_reference(tmp_path):
    original = WordVectors(save_folder(tmp_path), overrides={"zebra": "okapi", 4: "dog"})
    state, arrays = original.to_config(["dog"])
    stored = restore_embedding(json.loads(json.dumps(state)), arrays)
    asked = ["lawn_mower", "zebra", "dog", "cat"]
    assert stored.covers([*asked, "nowhere"]).tolist() == [True] * 4 + [False]
    assert stored.embed(asked).tobytes() == original.embed(asked).tobytes()
    assert stored.embed([4]).tobytes() == original.embed([4]).tobytes()
    assert stored.fingerprint() == original.fingerprint()
    more_state, more_arrays = stored.to_config(["cat"])
    assert more_state["labels"] == ["dog", "cat"]
    assert more_arrays["vectors"].tobytes() == original.embed(["dog", "cat"]).tobytes()
    mixed_state, mixed_arrays = stored.to_config([4])
    assert mixed_state["labels"] == ["dog", 4]
    np.testing.assert_array_equal(mixed_arrays["vectors"][0], mixed_arrays["vectors"][1])


def test_a_reference_that_changed_or_went_is_not_used(tmp_path):
    folder = save_folder(tmp_path)
    state, arrays = WordVectors(folder).to_config(["dog"])
    save_folder(tmp_path, scale=2)
    stored = restore_embedding(state, arrays)
    assert stored.embed(["dog"]).shape == (1, 3)
    with pytest.raises(IntegrityError, match="fingerprint is .* expected .* Bring back"):
        stored.embed(["cat"])
    (folder / "meta.json").unlink()
    with pytest.raises(IntegrityError, match=r"1 labels that are not stored.*\('cat'\)"):
        stored.embed(["cat"])


def test_saving_repeats_no_warning_and_keeps_zero_rows():
    zero = WordVectors(keyed_vectors(), on_missing="zero")
    state, arrays = zero.to_config(["qqq", "cat fez"])
    stored = restore_embedding(state, arrays)
    assert stored.embed(["qqq"]).tolist() == [[0, 0, 0]]
    with pytest.warns(LabelWarning):
        assert zero.embed(["qqq"]).tolist() == [[0, 0, 0]]


def test_a_users_own_embedding_is_saved_by_its_rows():
    state, arrays = Broken([[1, 2]]).to_config(["cat"])
    stored = restore_embedding(state, arrays)
    assert isinstance(stored, StoredEmbedding)
    assert stored.embed(["cat"]).tolist() == [[1, 2]]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"type": "os.system"}, "unknown type 'os.system'"),
        ({"type": None}, "unknown type None"),
        ({"labels": ["cat"]}, "Save the model again"),
        ({"labels": 3}, "damaged"),
        ({"reference": {"type": "Evil"}}, "unknown type 'Evil'"),
        ({"reference": {"type": "WordVectors"}}, "lacks 'source'"),
        ({"reference": {"type": "HashEmbedding", "n_dims": "x", "seed": 0}}, "n_dims must be"),
    ],
)
def test_tampered_states_are_refused(change, words):
    state, arrays = WordVectors(keyed_vectors()).to_config(LABELS)
    with pytest.raises(IntegrityError, match=words):
        restore_embedding({**state, **change}, arrays).embed(["unheard of"])


def test_a_state_that_lacks_parts_is_refused():
    state, arrays = EMBEDDINGS["ConcatEmbedding"]().to_config(LABELS)
    for key in ("parts", "weights"):
        with pytest.raises(IntegrityError, match=f"damaged: KeyError: '{key}'"):
            restore_embedding({k: v for k, v in state.items() if k != key}, arrays)
    with pytest.raises(IntegrityError, match="damaged: KeyError: 'vectors'"):
        restore_embedding(state, {})


# Label text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("cat", [["cat"]]),
        ("Pickup_Truck", [["pickup", "truck"]]),
        ("lawn-mower", [["lawn", "mower"]]),
        ("MapleTree", [["maple", "tree"]]),
        ("mapleTree2", [["maple", "tree2"]]),
        ("TVSet", [["tv", "set"]]),
        ("DVDs", [["dvds"]]),
        ("iPhone", [["iphone"]]),
        ("Boeing747", [["boeing", "747"]]),
        ("mp3 player", [["mp3", "player"]]),
        ("jersey, T-shirt, tee shirt", [["jersey"], ["t", "shirt"], ["tee", "shirt"]]),
        ("crane (bird)", [["crane", "bird"]]),
        ("box (paper, tin), case", [["box", "paper", "tin"], ["case"]]),
        ("potter's wheel", [["potter", "wheel"]]),
        ("potter’s wheel", [["potter", "wheel"]]),
        ("ladies' shoe", [["ladies", "shoe"]]),
        ("jack-o'-lantern", [["jack", "lantern"]]),
        ("1,000 islands", [["1", "000", "islands"]]),
        ("crème brûlée", [["crème", "brûlée"]]),
        ("  ,; ", []),
        ("", []),
    ],
)
def test_words_of_a_label(text, expected):
    words = [name_words(name) for name in read_label(text).names]
    assert [own for own in words if own] == expected


@pytest.mark.parametrize(
    ("vocabulary", "text", "rows", "missing"),
    [
        (["ice", "cream", "ice_cream"], "Ice Cream", [[2]], [[]]),
        (["ice", "cream"], "ice_cream", [[0, 1]], [[]]),
        (["t-shirt", "t", "shirt"], "T-Shirt", [[0]], [[]]),
        (["t_shirt", "t", "shirt"], "t-shirt", [[0]], [[]]),
        (["x-ray", "red"], "red X-ray", [[1, 0]], [[]]),
        (["New_York", "new", "york"], "new york", [[0]], [[]]),
        (["apple", "Apple"], "Apple", [[1]], [[]]),
        (["French", "bulldog"], "french_bulldog", [[0, 1]], [[]]),
        (["USB", "stick"], "usb stick", [[0, 1]], [[]]),
        (["cafe"], "café", [[0]], [[]]),
        (["café", "cafe"], "café", [[0]], [[]]),
        (["lawnmower", "lawn", "mower"], "LawnMower", [[1, 2]], [[]]),
        (["lawnmower", "lawn"], "LawnMower", [[0]], [[]]),
        (["iphone", "phone"], "iPhone", [[0]], [[]]),
        (["mp3", "player"], "MP3Player", [[0, 1]], [[]]),
        (["747", "boeing"], "Boeing747", [[1, 0]], [[]]),
        (["at&t", "phone"], "AT&T phone", [[0, 1]], [[]]),
        (["jack", "lantern", "o"], "jack-o'-lantern", [[0, 1]], [[]]),
        (["potter", "wheel", "'s"], "potter's wheel", [[0, 1]], [[]]),
        (["o'brien"], "O'Brien", [[0]], [[]]),
        (["tench"], "tench, Tinca tinca", [[0], []], [[], ["tinca", "tinca"]]),
        (["fish"], "!?", [[]], [[]]),
    ],
)
def test_words_found_in_a_vocabulary(vocabulary, text, rows, missing):
    find = {word: row for row, word in enumerate(vocabulary)}
    found = find_words(text, lambda word: find.get(word, -1))
    assert [part.rows for part in found] == rows
    assert [part.missing for part in found] == missing


# Vocabulary


def test_vocabulary_finds_what_a_dict_finds():
    rng = np.random.default_rng(0)
    words = list(dict.fromkeys("".join(rng.choice(list("abé女\n"), 4)) for _ in range(400)))
    vocabulary = Vocabulary.from_words(words)
    assert list(vocabulary) == words
    assert [vocabulary.find(word) for word in words] == list(range(len(words)))
    assert vocabulary.find("zzzz") == -1
    assert vocabulary[-1] == words[-1]
    assert vocabulary[2:5] == words[2:5]
    assert words[7] in vocabulary
    assert 7 not in vocabulary
    with pytest.raises(IndexError):
        vocabulary[len(words)]


def test_vocabulary_survives_hashes_that_collide(monkeypatch):
    monkeypatch.setattr("zeroshot.label_embeddings._vocabulary._hash", lambda word: len(word))
    vocabulary = Vocabulary.from_words(["cat", "dog", "okapi"])
    assert [vocabulary.find(w) for w in ("dog", "cat", "okapi", "cow")] == [1, 0, 2, -1]


def test_close_matches_start_alike_and_come_best_first():
    vocabulary = Vocabulary.from_words(["okay", "okapis", "okapi", "kapi", "zebra", "é"])
    assert vocabulary.close_matches("okapii") == ["okapi", "okapis"]
    assert vocabulary.close_matches("") == []
    assert vocabulary.close_matches("q") == []


@pytest.mark.parametrize("words", [[], ["a", "b", "a"]])
def test_bad_vocabularies(words):
    with pytest.raises(IntegrityError):
        Vocabulary.from_words(words)


def test_concat_says_what_it_is_made_of():
    vectors = KeyedVectors(2)
    vectors.add_vectors(["cat"], np.eye(2)[:1])
    parts = [OneHotEmbedding(["cat"]), WordVectors(vectors)]
    made = ConcatEmbedding(parts, weights=[2, 0.5])
    assert made.embeddings == tuple(parts) and made.weights == (2, 0.5)
    assert made.reference() is None, "vectors in memory have none"
    two = ConcatEmbedding(parts[:1] * 2)
    assert two.reference() == {
        "type": "ConcatEmbedding", "parts": [parts[0].reference()] * 2, "weights": [1.0, 1.0]
    }  # fmt: skip
