"""Words of a vocabulary, chosen to be candidates."""

from __future__ import annotations

import numpy as np
import pytest
from gensim.models import KeyedVectors
from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

from zeroshot import (
    AttributeTable,
    ConcatEmbedding,
    HashEmbedding,
    HierarchicalEmbedding,
    OneHotEmbedding,
    WordNetEmbedding,
    WordVectors,
    vocabulary_words,
)
from zeroshot.taxonomy import synsets

WORDS = ["the", ",", "in", "dog", "dogs", "1990s", "The", "ice_cream", "t-shirt", "Okapi", "élan"]


def word_vectors(words=WORDS):
    keyed = KeyedVectors(2)
    keyed.add_vectors(words, np.ones((len(words), 2)))
    return WordVectors(keyed)


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({}, WORDS),
        ({"n_most_frequent": 4}, ["the", ",", "in", "dog"]),
        ({"n_most_frequent": np.int64(11)}, WORDS),
        ({"part_of_speech": "noun"}, ["in", "dog", "1990s", "ice_cream", "t-shirt", "Okapi"]),
        ({"stop_words": "english"}, [w for w in WORDS if w not in ("the", "in", "The")]),
        ({"stop_words": ["DOG", ","]}, [w for w in WORDS if w not in ("dog", ",")]),
        ({"stop_words": []}, WORDS),
        ({"alphabetic": True}, ["the", "in", "dog", "dogs", "The", "ice_cream", "Okapi", "élan"]),
        ({"min_length": 5}, ["1990s", "ice_cream", "t-shirt", "Okapi"]),
        ({"n_most_frequent": 5, "alphabetic": True, "min_length": 3}, ["the", "dog", "dogs"]),
    ],
)
def test_filters(filters, expected):
    words = vocabulary_words(word_vectors(), **filters)
    assert words.tolist() == expected
    assert words.dtype.kind == "U"


def test_the_most_frequent_nouns_of_glove():
    """The rank is taken before the filters, and what passes has a synset and a vector."""
    glove = WordVectors()
    nouns = vocabulary_words(
        glove, n_most_frequent=5000, part_of_speech="noun", stop_words="english", min_length=3
    )
    assert 1500 < len(nouns) < 3500
    first = glove.vocabulary[:5000]
    assert [word for word in first if word in set(nouns.tolist())] == nouns.tolist()
    assert not set(nouns.tolist()) & ENGLISH_STOP_WORDS
    assert {"year", "city", "tree"} < set(nouns.tolist()) and "the" not in nouns
    assert all(synsets(word) for word in nouns[:50].tolist())
    row = first.index("tree")
    np.testing.assert_array_equal(glove.embed(["tree"])[0], glove.vectors[row])


def test_words_that_read_like_punctuation_have_their_own_vectors():
    glove = WordVectors()
    words = vocabulary_words(glove, n_most_frequent=30_000)
    assert {",", "(", '"', "_", "1,000"} < set(words.tolist())
    np.testing.assert_array_equal(glove.embed(words), glove.vectors[:30_000])


def test_labels_of_other_embeddings():
    assert vocabulary_words(OneHotEmbedding(["b", "a"])).tolist() == ["b", "a"]
    assert vocabulary_words(WordNetEmbedding(vocabulary=["wolf", "oboe"])).tolist() == [
        "wolf",
        "oboe",
    ]
    numbers = AttributeTable(np.eye(3), labels=[5, 3, 4])
    assert vocabulary_words(numbers, n_most_frequent=2).tolist() == [5, 3]


def test_embeddings_made_of_others_have_what_all_of_them_know():
    words = word_vectors()
    assert vocabulary_words(HierarchicalEmbedding(words)).tolist() == WORDS
    nouns = ["in", "dog", "dogs", "1990s", "ice_cream", "t-shirt", "Okapi", "élan"]
    for parts in (
        [words, WordNetEmbedding(vocabulary=["wolf", "oboe"])],
        [HashEmbedding(3), HierarchicalEmbedding(words), WordNetEmbedding(vocabulary=["oboe"])],
    ):
        joined = ConcatEmbedding(parts)
        assert vocabulary_words(joined).tolist() == nouns
        assert joined.covers(nouns).all() and len(joined.embed(nouns)) == 8
    fewer = ConcatEmbedding([word_vectors(["Okapi", "fox", "dog"]), words])
    assert vocabulary_words(fewer).tolist() == ["Okapi", "dog"]
    numbers = ConcatEmbedding([AttributeTable(np.eye(3), labels=[5, 3, 4])] * 2)
    assert vocabulary_words(numbers).tolist() == [5, 3, 4]


@pytest.mark.parametrize(
    "embedding",
    [
        HashEmbedding(3),
        WordNetEmbedding(),
        ConcatEmbedding([HashEmbedding(3)]),
        HierarchicalEmbedding(HashEmbedding(3)),
        ConcatEmbedding([word_vectors(["dog"]), word_vectors(["cat"])]),
        "glove",
        None,
    ],
    ids=lambda value: type(value).__name__,
)
def test_without_a_vocabulary_there_are_no_words(embedding):
    name = "None" if embedding is None else getattr(type(embedding), "__name__", "")
    name = "'glove'" if embedding == "glove" else name
    with pytest.raises(
        ValueError, match=rf"vocabulary_words: {name}.* has no vocabulary. Pass a list of cand"
    ):
        vocabulary_words(embedding)


@pytest.mark.parametrize(
    ("filters", "words"),
    [
        ({"n_most_frequent": 12}, "n_most_frequent=12 is more than the 11 words.*Pass at most 11"),
        ({"n_most_frequent": 0}, "n_most_frequent must be an integer of at least 1, got 0"),
        ({"n_most_frequent": 2.5}, "n_most_frequent must be an integer of at least 1, got 2.5"),
        ({"part_of_speech": "verb"}, "part_of_speech must be one of 'noun', got 'verb'"),
        ({"part_of_speech": True}, "part_of_speech must be one of 'noun', got True"),
        ({"stop_words": "german"}, "stop_words must be one of 'english', got 'german'"),
        ({"stop_words": 3}, "stop_words must be 'english', words, or None, got 3"),
        ({"stop_words": ["dog", None]}, "stop_words must be strings, got None"),
        ({"alphabetic": "yes"}, "alphabetic must be True or False, got 'yes'"),
        ({"min_length": 0}, "min_length must be an integer of at least 1, got 0"),
        ({"min_length": 40}, "none of 11 words of WordVectors passes.*Loosen one"),
        ({"n_most_frequent": 1, "part_of_speech": "noun"}, "none of 1 words.*n_most_frequent"),
    ],
)
def test_bad_filters(filters, words):
    with pytest.raises(ValueError, match=f"vocabulary_words: {words}"):
        vocabulary_words(word_vectors(), **filters)


def test_integers_are_no_words_to_be_filtered():
    numbers = AttributeTable(np.eye(2), labels=[5, 3])
    with pytest.raises(ValueError, match="labels of AttributeTable are integers.*Leave out"):
        vocabulary_words(numbers, part_of_speech="noun")
