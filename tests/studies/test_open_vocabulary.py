"""Classifiers that choose among the words of a vocabulary: many candidates, bounded memory."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from gensim.models import KeyedVectors
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

import zeroshot
from zeroshot import (
    AttributeTable,
    ConcatEmbedding,
    ConSEClassifier,
    DeViSEClassifier,
    HashEmbedding,
    HierarchicalEmbedding,
    SourceHead,
    WordNetEmbedding,
    WordVectors,
    nearest_labels,
    vocabulary_words,
)
from zeroshot.estimators import _base, _label_space
from zeroshot.estimators._base import member_mask
from zeroshot.exceptions import LabelWarning, UnknownLabelError

SEEN = ["apple", "bear", "cloud", "road"]
CODES = np.repeat(np.arange(4), 6)
Y = np.array(SEEN)[CODES]
X = np.eye(4, 5)[CODES] + 0.2 * np.random.default_rng(0).normal(size=(24, 5))


def word_vectors(words, **options):
    keyed = KeyedVectors(8)
    keyed.add_vectors(words, np.random.default_rng(1).normal(size=(len(words), 8)))
    return WordVectors(keyed, **options)


def ridge(embedding, **params):
    return DeViSEClassifier(embedding, loss="mse", **{"candidates": "vocabulary", **params})


# What is asked for, and what comes --------------------------------------------------------------


@pytest.mark.slow  # a whole study, small
def test_all_400_000_words_of_glove():
    """Every word is a candidate, and the best are those of the exact search over the vectors."""
    glove = WordVectors()
    model = ridge(glove, center=False).fit(X, Y)
    assert len(model.classes_) == len(glove.vocabulary) == 400_000
    assert model.seen_classes_.tolist() == SEEN
    assert len(model.unseen_classes_) == 399_996
    labels, scores = model.predict_top_k(X[::6], 5)
    expected, cosines = nearest_labels(model.transform(X[::6]), glove, 5)
    np.testing.assert_array_equal(labels, expected)
    lengths = np.linalg.norm(model.transform(X[::6]), axis=1, keepdims=True)
    np.testing.assert_allclose(scores, cosines * lengths, rtol=1e-6)
    np.testing.assert_array_equal(model.predict(X[::6]), labels[:, 0])


@pytest.mark.parametrize("scenario", ["generalized", "unseen"])
def test_the_most_frequent_nouns_as_candidates(scenario):
    glove = WordVectors()
    nouns = vocabulary_words(glove, n_most_frequent=3000, part_of_speech="noun")
    model = ridge(glove, candidates=nouns, scenario=scenario).fit(X, Y)
    assert model.classes_.tolist() == sorted(nouns.tolist())
    named = set(model.predict_top_k(X, 5)[0].ravel().tolist())
    assert named <= set(nouns.tolist())
    assert bool(named & set(SEEN)) == (scenario == "generalized")


def test_a_seen_class_that_is_no_word_is_no_candidate():
    """Candidates are the vocabulary, and nothing else, as any list of them would be."""
    words = word_vectors([*SEEN, "tree"])
    y = np.where(Y == "road", "apple tree", Y)
    model = ridge(words).fit(X, y)
    assert model.classes_.tolist() == sorted([*SEEN, "tree"])
    assert model.seen_classes_.tolist() == ["apple", "apple tree", "bear", "cloud"]
    assert model.unseen_classes_.tolist() == ["road", "tree"]


def test_a_source_head_chooses_among_words():
    head = SourceHead(10 * np.eye(4, 5), np.zeros(4), SEEN)
    words = word_vectors([*SEEN, "tree", "sky"])
    model = ConSEClassifier(head, words, candidates="vocabulary").fit()
    assert model.classes_.tolist() == sorted([*SEEN, "tree", "sky"])
    assert (model.predict(X) == Y).mean() > 0.9


def test_a_search_over_vocabularies():
    words = word_vectors([*SEEN, "tree", "sky"])
    search = GridSearchCV(ridge(words), {"candidates": ["vocabulary", SEEN]}, cv=2).fit(X, Y)
    assert search.best_score_ > 0.5
    assert len(search.best_estimator_.with_candidates("vocabulary").classes_) == 6


def test_a_second_fit_takes_the_vocabulary_of_its_own_embedding():
    model = ridge(word_vectors([*SEEN, "tree"])).fit(X, Y)
    model.set_params(label_embedding=word_vectors([*SEEN, "sky"])).fit(X, Y)
    assert "sky" in model.classes_ and "tree" not in model.classes_


# Bad input --------------------------------------------------------------------------------------


@pytest.mark.parametrize("place", ["fit", "with_candidates"])
def test_an_embedding_without_a_vocabulary(place):
    with pytest.raises(
        ValueError, match=r"DeViSEClassifier: HashEmbedding\(.* has no vocabulary. Pass a list of"
    ):
        if place == "fit":
            ridge(HashEmbedding(4)).fit(X, Y)
        else:
            ridge(HashEmbedding(4), candidates=SEEN).fit(X, Y).with_candidates("vocabulary")


def test_labels_alone_are_no_vocabulary():
    """One-hot vectors of the seen classes know no others: "vocabulary" would mean nothing."""
    message = "DeViSEClassifier: label_embedding=None has no vocabulary. Pass a list of candidates"
    with pytest.raises(ValueError, match=message):
        ridge(None).fit(X, Y)
    with pytest.raises(ValueError, match=message):
        ridge(None, candidates=SEEN).fit(X, Y).with_candidates("vocabulary")


def test_the_vocabulary_that_all_parts_of_an_embedding_know():
    words = word_vectors([*SEEN, "tree", "qqx"])
    for embedding in (
        HierarchicalEmbedding(words),
        ConcatEmbedding([words, WordNetEmbedding(vocabulary=SEEN)]),
    ):
        model = ridge(embedding).fit(X, Y)
        known = [*SEEN, "tree"] + ["qqx"] * isinstance(embedding, HierarchicalEmbedding)
        assert model.classes_.tolist() == sorted(known)


def test_integers_in_y_and_words_as_candidates():
    with pytest.raises(ValueError, match="It knows text only"):
        ridge(word_vectors(SEEN)).fit(X, CODES)


def test_a_long_list_of_unknown_or_repeated_candidates_is_not_printed_whole():
    words = word_vectors(SEEN)
    unknown = [f"qq{'x' * (i % 7)}{i:05d}" for i in range(9000)]
    table = AttributeTable(words.vectors, labels=words.vocabulary)
    with pytest.raises(UnknownLabelError, match=r"9000 of 9004 .* and 8900 more, all in the") as e:
        ridge(table, candidates=[*SEEN, *unknown]).fit(X, Y)
    assert len(str(e.value)) < 3000
    assert sorted(e.value.labels) == sorted(unknown)
    with pytest.raises(ValueError, match=r"names 9000 labels more than once .*, \.\.\.\)") as e:
        ridge(table, candidates=2 * unknown).fit(X, Y)
    assert len(str(e.value)) < 3000
    with pytest.warns(LabelWarning, match=r"9000 labels get zeros.*, \.\.\.$"):
        word_vectors(SEEN, on_missing="zero").embed(unknown)


def test_more_answers_than_words():
    model = ridge(word_vectors([*SEEN, "tree"])).fit(X, Y)
    with pytest.raises(ValueError, match="between 1 and the 5 candidates .* allows, got 6"):
        model.predict_top_k(X, 6)


# Memory, and what is said of many labels --------------------------------------------------------


def test_scores_of_all_rows_are_never_held_at_once(monkeypatch):
    monkeypatch.setattr(_base, "MAX_SCORES", 2**16)
    words = [f"w{i}" for i in range(4000)]
    table = AttributeTable(np.random.default_rng(2).normal(size=(4000, 4)), labels=words)
    model = ridge(table, candidates=words[:4]).fit(X, np.array(words)[CODES])
    model = model.with_candidates("vocabulary")
    many = np.repeat(X, 40, axis=0)
    whole = len(many) * 4000 * 8
    for call in (model.predict, model.predict_top_k):
        tracemalloc.start()
        call(many)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < whole / 6


def test_labels_are_placed_block_by_block_as_at_once(monkeypatch):
    words = word_vectors([*SEEN, *"abcdefg"])
    for gamma in (None, 2.0):
        at_once = ridge(words, gamma=gamma).fit(X, Y)
        monkeypatch.setattr(_label_space, "_BLOCK", 3)
        np.testing.assert_allclose(
            ridge(words, gamma=gamma).fit(X, Y).class_vectors_, at_once.class_vectors_, atol=1e-14
        )
        monkeypatch.undo()


def test_many_labels_with_one_vector_are_reported_but_not_all_named():
    rows = np.random.default_rng(3).normal(size=(30, 6))
    table = np.concatenate([rows, rows, rows[:1], np.repeat(rows[:1], 40, axis=0)])
    names = [f"w{i:03d}" for i in range(len(table))]
    y = np.array(names)[CODES]
    with pytest.warns(LabelWarning, match="share one vector") as record:
        ridge(AttributeTable(table, labels=names)).fit(X, y)
    message = str(record[-1].message)
    first = ", ".join(repr(name) for name in ["w000", "w030", *names[60:68]])
    assert f"[[{first}] and 33 more, ['w001', 'w031'], " in message
    assert "['w009', 'w039']] and 20 more groups. Give them" in message
    assert "w010" not in message


def test_labels_with_one_vector_are_found_as_by_comparing_all():
    rng = np.random.default_rng(4)
    table = rng.normal(size=(500, 3))
    table[rng.integers(500, size=60)] = table[rng.integers(500, size=60)]
    labels = np.arange(500)
    groups = {}
    for label, row in zip(labels.tolist(), table.tolist(), strict=True):
        groups.setdefault(tuple(row), []).append(label)
    expected = [group for group in groups.values() if len(group) > 1]
    assert len(expected) > 20
    assert _label_space._identical_groups(table, labels) == expected
    assert _label_space._identical_groups(table[:1], labels[:1]) == []


def test_many_labels_at_the_mean_are_counted():
    table = np.concatenate([[[1.0, 3.0], [3.0, 1.0]], np.full((25, 2), 2.0)])
    names = [f"w{i:02d}" for i in range(len(table))]
    y = np.array(names)[CODES % 2]
    with pytest.warns(LabelWarning) as record:
        ridge(AttributeTable(table, labels=names)).fit(X, y)
    at_mean = next(str(w.message) for w in record if "lie at the mean" in str(w.message))
    assert "'w11'] and 15 more lie at the mean" in at_mean and "w12" not in at_mean


# The helper -------------------------------------------------------------------------------------


@pytest.mark.parametrize("labels", [["b", "zzz", "a"], [], ["c"], ["", "d"]])
def test_member_mask(labels):
    classes = np.array(["a", "b", "c"])
    labels = np.array(labels, dtype=np.str_)
    np.testing.assert_array_equal(member_mask(classes, labels), np.isin(classes, labels))


# Saving -----------------------------------------------------------------------------------------


def test_a_saved_model_keeps_its_words_and_finds_the_vocabulary_again(tmp_path):
    word_vectors([*SEEN, "tree", "sky"]).save(tmp_path / "words")
    model = ridge(WordVectors(tmp_path / "words")).fit(X, Y)
    zeroshot.save(model, tmp_path / "model")
    loaded = zeroshot.load(tmp_path / "model")
    assert loaded.candidates == "vocabulary"
    np.testing.assert_array_equal(loaded.predict(X), model.predict(X))
    back = loaded.with_candidates(["sky", "road"]).with_candidates("vocabulary")
    np.testing.assert_array_equal(back.class_vectors_, model.class_vectors_)
    again = clone(loaded).fit(X, Y)
    np.testing.assert_array_equal(again.classes_, model.classes_)
    zeroshot.save(clone(model), tmp_path / "unfitted")
    assert zeroshot.load(tmp_path / "unfitted").candidates == "vocabulary"


def test_what_was_in_memory_has_no_vocabulary_after_loading(tmp_path):
    model = ridge(word_vectors([*SEEN, "tree"])).fit(X, Y)
    zeroshot.save(model, tmp_path / "model")
    loaded = zeroshot.load(tmp_path / "model")
    np.testing.assert_array_equal(loaded.predict(X), model.predict(X))
    with pytest.raises(ValueError, match="StoredEmbedding.* has no vocabulary. Pass a list"):
        loaded.with_candidates("vocabulary")


def test_vectors_that_are_gone_are_named_when_their_vocabulary_is_wanted(tmp_path):
    word_vectors([*SEEN, "tree"]).save(tmp_path / "words")
    zeroshot.save(ridge(WordVectors(tmp_path / "words")).fit(X, Y), tmp_path / "model")
    (tmp_path / "words" / "meta.json").unlink()
    loaded = zeroshot.load(tmp_path / "model")
    assert len(loaded.predict(X)) == len(X)
    with pytest.raises(ValueError, match="WordVectors is needed for its vocabulary, and cannot"):
        loaded.with_candidates("vocabulary")
