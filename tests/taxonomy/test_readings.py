"""One reader of label text: how data sets call their classes, and what look-ups make of it."""

from __future__ import annotations

import unicodedata
import warnings
from pathlib import Path

import numpy as np
import pytest

from zeroshot import (
    AttributeTable,
    ESZSLClassifier,
    HierarchicalEmbedding,
    WordNetEmbedding,
    WordVectors,
    evaluate_zero_shot,
)
from zeroshot.exceptions import LabelWarning, UnknownLabelError
from zeroshot.label_embeddings._find_words import find_words
from zeroshot.taxonomy import resolve, synset
from zeroshot.taxonomy._graph import noun_graph
from zeroshot.taxonomy._readings import read_label, readings, same_name

LISTS = Path(__file__).resolve().parents[1] / "data" / "labels"


def names_of(data_set: str) -> list[str]:
    lines = (LISTS / f"{data_set}.txt").read_text(encoding="utf-8").splitlines()
    return [line for line in lines if not line.startswith("#")]


@pytest.fixture(scope="module")
def words() -> WordVectors:
    return WordVectors()


@pytest.mark.parametrize(
    ("label", "text", "names"),
    [
        ("killer+whale", "killer whale", ["killer whale"]),
        ("a/abbey", "abbey", ["abbey"]),
        ("/a/apse/indoor", "apse (indoor)", ["apse (indoor)"]),
        ("118.House_Sparrow", "House Sparrow", ["House Sparrow"]),
        ("007_apple", "apple", ["apple"]),
        ("12_apple", "apple", ["apple"]),
        ("n02085620-Chihuahua", "Chihuahua", ["Chihuahua"]),
        ("n02129165", "lion", ["lion"]),
        ("lion.n.01", "lion", ["lion"]),
        ("n99999999", "", []),
        ("n99999999-tapir", "tapir", ["tapir"]),
        ("3D_printer", "3D printer", ["3D printer"]),
        ("3-piece suit", "3-piece suit", ["piece suit"]),
        ("7 dwarfs", "7 dwarfs", ["7 dwarfs"]),
        ("0-day exploit", "0-day exploit", ["day exploit"]),
        ("b/w photo", "b/w photo", ["b/w photo"]),
        ("2.5 inch disk", "2.5 inch disk", ["2.5 inch disk"]),
        ("C++", "C++", ["C++"]),
        ("AT&T", "AT&T", ["AT&T"]),
        ("TCP/IP", "TCP/IP", ["TCP/IP"]),
        ("\ufeff wolf\u200b ", "wolf", ["wolf"]),
        ("tench, Tinca tinca", "tench, Tinca tinca", ["tench", "Tinca tinca"]),
        ("", "", []),
    ],
)
def test_what_data_sets_put_around_a_name_goes(label: str, text: str, names: list[str]) -> None:
    read = read_label(label)
    assert (read.text, list(read.names)) == (text, names)


def test_readings_go_from_as_written_to_most_taken_apart() -> None:
    assert readings("118.House_Sparrow") == [
        ("118.House_Sparrow",),
        ("House Sparrow",),
        ("house sparrow",),
    ]
    assert readings("n99999999") == [("n99999999",)]


@pytest.mark.parametrize("spelling", ["school_bus", "School+Bus", "3.SchoolBus", " school  bus "])
def test_one_name_in_many_spellings(spelling: str) -> None:
    assert same_name(spelling) == same_name("School Bus")
    assert same_name(spelling) != same_name("school")


def test_composed_and_decomposed_letters_are_one_label(words: WordVectors) -> None:
    two = ["café", unicodedata.normalize("NFD", "café")]
    assert two[0] != two[1]
    np.testing.assert_array_equal(*words.embed(two))
    assert len(set(resolve(two).wnids)) == 1
    table = AttributeTable([[1.0], [2.0]], labels=["café", "wolf"])
    np.testing.assert_array_equal(*table.embed(two))
    over = WordVectors(overrides={"café": "coffee house"})
    np.testing.assert_array_equal(over.embed(two[1:]), words.embed(["coffee house"]))


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        ("AnnualCrop", "annual crop"),
        ("LawnMower", "lawn mower"),
        ("BlackBerry", "blackberry"),
        ("McLaren", "mclaren"),
        ("YouTube", "youtube"),
        ("T_shirt", "t-shirt"),
        ("T shirt", "t-shirt"),
        ("118.House_Sparrow", "house sparrow"),
        ("killer+whale", "killer whale"),
        ("a/abbey", "abbey"),
        ("n02129165", "lion"),
        ("n02085620-Chihuahua", "chihuahua"),
        ("VITAMIN_C", "vitamin c"),
        ("7-eleven", "7-eleven"),
    ],
)
def test_word_vectors_of_spellings(words: WordVectors, label: str, expected: str) -> None:
    np.testing.assert_array_equal(words.embed([label]), words.embed([expected]))


@pytest.mark.case
def test_all_lemmas_with_a_hyphen_and_a_space_are_found_with_spaces() -> None:
    graph = noun_graph()
    lemmas = [lemma for lemma in graph.lemmas if "-" in lemma and "_" in lemma]
    assert len(lemmas) == 1795
    spelled = [lemma.replace("-", " ").replace("_", " ") for lemma in lemmas]
    found = resolve(spelled)
    other = [
        choice.label
        for lemma, choice in zip(lemmas, found, strict=True)
        if choice.synset.node not in graph.senses(lemma)
    ]
    # WordNet has these with spaces as well, of another synset.
    assert other == ["built in bed", "coronary artery disease"]


@pytest.mark.case
@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("Black_footed_Albatross", "black-footed_albatross.n.01"),
        ("White_breasted_Nuthatch", "white-breasted_nuthatch.n.01"),
        ("wire haired fox terrier", "wire-haired_fox_terrier.n.01"),
        ("black_winged_stilt", "black-winged_stilt.n.01"),
        ("first aid kit", "first-aid_kit.n.01"),
        ("St. Bernard", "saint_bernard.n.01"),
        ("Clark_Nutcracker", "clark's_nutcracker.n.01"),
        ("113.Chuck_will_Widow", "chuck-will's-widow.n.01"),
        ("killer+whale", "killer_whale.n.01"),
        ("a/apse/indoor", "apse.n.01"),
        ("apse_indoor", "apse.n.01"),
        ("t/temple/western", "temple.n.01"),
        ("AnnualCrop", "crop.n.01"),
    ],
)
def test_wordnet_finds_hyphens_spaces_and_none_in_every_place(label: str, name: str) -> None:
    assert resolve([label])[0].synset == synset(name)


@pytest.mark.parametrize("label", ["YouTube", "McLaren", "Boeing 747", "118", "n 7", "qq 7"])
def test_wordnet_takes_no_part_of_a_brand_and_no_number_for_a_name(label: str) -> None:
    assert not WordNetEmbedding(vocabulary=["dog"]).covers([label]).any()
    with pytest.raises(UnknownLabelError, match=label):
        resolve([label])


@pytest.mark.case
def test_names_of_awa_are_one_for_all(words: WordVectors) -> None:
    labels = names_of("AWA2")
    assert words.covers(labels).all()
    assert {"grizzly+bear", "killer+whale"} < set(labels)
    rules = {choice.rule for choice in resolve(labels)}
    assert rules <= {"only sense", "most frequent sense"}  # the whole name of each
    smoothed = HierarchicalEmbedding(words)
    np.testing.assert_array_equal(*smoothed.embed(["killer+whale", "killer whale"]))
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(60, 8)), np.array(labels[:6])[np.arange(60) % 6]
    model = ESZSLClassifier(AttributeTable(rng.random((6, 4)), labels=labels[:6])).fit(X, y)
    result = evaluate_zero_shot(model, X, y, random_state=0)
    assert "hierarchical_precision_at_5" not in result.left_out


@pytest.mark.case
def test_wnids_are_the_names_of_their_synsets(words: WordVectors) -> None:
    wnids, names = ["n02129165", "n02114367", "n02062744"], ["lion", "timber wolf", "whale"]
    assert words.covers(wnids).all()
    np.testing.assert_array_equal(words.embed(wnids), words.embed(names))
    assert not words.covers(["n99999999", "n99999999_"]).any()
    dogs = names_of("Stanford Dogs")
    wordnet = WordNetEmbedding(vocabulary=["dog"])
    assert wordnet.covers(dogs).all()
    assert resolve(dogs).wnids == [name[:9] for name in dogs]
    np.testing.assert_array_equal(*words.embed(["n02085620-Chihuahua", "Chihuahua"]))


@pytest.mark.parametrize(("label", "weak"), [("n", "'n'"), ("7", "'7'"), ("Boeing 747", "'747'")])
def test_numbers_and_letters_are_warned_of(words: WordVectors, label: str, weak: str) -> None:
    with pytest.warns(LabelWarning, match=f"numbers and single letters.*{weak} of '{label}'"):
        words.embed(["dog", label])
    for quiet in (["vitamin C", "T-shirt"], ["3D_printer"], ["mp3 player"]):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            words.embed(quiet)


def test_nothing_but_numbers_and_letters_is_no_name(words: WordVectors) -> None:
    labels = ["n 7", "12_34", "a/7", "dog"]
    assert words.covers(labels).tolist() == [False, False, False, True]
    with pytest.raises(UnknownLabelError, match="no vector for 3 of 4 labels"):
        words.embed(labels)
    with pytest.warns(LabelWarning, match=r"resolve: 2 labels .*'7' as seven.n.01, 'n' as nitrog"):
        resolve(["7", "n", "dog"])


def test_a_vocabulary_is_not_warned_of(words: WordVectors) -> None:
    some = words.vocabulary[:10_000]
    assert "1" in some
    np.testing.assert_array_equal(words.embed(some), words.vectors[:10_000])


def test_a_joined_spelling_is_taken_for_known_names_only() -> None:
    rows = {"boeing-747": 0, "boeing": 1, "747": 2, "t-shirt": 3}
    (plane,), (shirt,) = (
        find_words(text, lambda word: rows.get(word, -1)) for text in ("Boeing 747", "T shirt")
    )
    assert (plane.rows, plane.words, plane.weak) == ([1, 2], ["boeing", "747"], ["747"])
    assert (shirt.rows, shirt.words, shirt.weak) == ([3], ["t-shirt"], [])


@pytest.mark.parametrize(
    ("data_set", "n_words", "n_nouns"),
    [("AWA2", 50, 50), ("CUB", 198, 198), ("SUN", 99, 99), ("Stanford Dogs", 112, 120)],
)
def test_data_sets_are_read(words: WordVectors, data_set: str, n_words: int, n_nouns: int) -> None:
    labels = names_of(data_set)
    assert words.covers(labels).sum() >= n_words
    assert WordNetEmbedding(vocabulary=["dog"]).covers(labels).sum() >= n_nouns


# What is explained --------------------------------------------------------------------------


def test_word_vectors_explain_what_they_read(words: WordVectors) -> None:
    table = words.explain(["118.House_Sparrow", "n02129165", "qqxyzzy fish", "n 7", "Boeing 747"])
    assert table.columns.tolist() == ["label", "read", "found", "missing", "synset", "why"]
    rows = table.to_dict("records")
    assert rows[0]["read"] == "House Sparrow" and rows[0]["found"] == ["house", "sparrow"]
    assert rows[0]["why"] == "without '118.'"
    assert rows[1]["found"] == ["lion"] and rows[1]["why"] == "the name of n02129165"
    assert rows[2]["found"] == ["fish"] and rows[2]["missing"] == ["qqxyzzy"]
    assert rows[3]["found"] == [] and rows[3]["why"] == "no word has a vector"
    assert rows[4]["why"] == "numbers or single letters count as words: 747"
    assert words.explain(["12_apple", "3D_printer"])["why"].tolist() == ["without '12_'", ""]
    empty = words.explain([])
    assert len(empty) == 0 and empty.columns.tolist() == table.columns.tolist()


def test_wordnet_explains_which_synset_and_why() -> None:
    table = WordNetEmbedding(vocabulary=["dog"], overrides={"cab": "taxi"}).explain(
        ["n02085620-Chihuahua", "crane (bird)", "aquarium_fish", "qqxyzzy", "cab"]
    )
    assert table["synset"].tolist() == [
        "chihuahua.n.03",
        "crane.n.05",
        "fish.n.01",
        "",
        "cab.n.03",
    ]
    assert table["why"].tolist() == [
        "identifier, without 'n02085620'",
        "nearest to context",
        "head word",
        "WordNet has no such noun",
        "only sense",
    ]
    assert table["missing"].tolist() == [[], [], [], ["qqxyzzy"], []]


def test_embeddings_made_of_others_explain_by_these(words: WordVectors) -> None:
    smoothed = HierarchicalEmbedding(words)
    rows = smoothed.explain(["beagle", "affenpinscher", "qqxyzzy"]).to_dict("records")
    assert rows[0]["found"] == ["beagle"] and rows[0]["synset"] == "beagle.n.01"
    assert rows[1]["synset"] == "affenpinscher.n.01"
    assert rows[1]["why"] == "what it is a kind of has a vector"
    assert rows[2]["why"] == "no word has a vector"
