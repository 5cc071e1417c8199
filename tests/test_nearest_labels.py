from __future__ import annotations

import numpy as np
import pytest

from zeroshot.label_embeddings import AttributeTable, OneHotEmbedding, WordVectors, nearest_labels


def naive(queries, labels, table, k):
    """Cosines of all pairs, then a stable sort: equal ones stay in the vocabulary's order."""
    unit = [row / np.sqrt((row * row).sum()) for row in np.asarray(table, dtype=np.float64)]
    found, scores = [], []
    for query in np.asarray(queries, dtype=np.float64):
        query = query / np.sqrt((query * query).sum())
        cosines = np.array([(query * row).sum() for row in unit])
        order = np.argsort(-cosines, kind="stable")[:k]
        found.append([labels[i] for i in order])
        scores.append(cosines[order])
    return np.array(found), np.array(scores)


@pytest.mark.parametrize("block_size", [1, 7, 100, 16384])
@pytest.mark.parametrize("k", [1, 10, 100])
def test_agrees_with_a_full_sort(k, block_size):
    rng = np.random.default_rng(0)
    table = rng.normal(size=(100, 8)).astype(np.float32)
    queries = rng.normal(size=(13, 8))
    labels = [f"w{i}" for i in range(100)]
    found, scores = nearest_labels(queries, (labels, table), k, block_size=block_size)
    expected, expected_scores = naive(queries, labels, table, k)
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_allclose(scores, expected_scores, atol=1e-12)


@pytest.mark.parametrize("block_size", [1, 3, 5, 64])
def test_equal_vectors_keep_the_vocabularys_order(block_size):
    rng = np.random.default_rng(1)
    distinct = rng.normal(size=(4, 5)).astype(np.float32)
    table = distinct[rng.integers(4, size=60)]
    labels = list(range(60))
    queries = rng.normal(size=(9, 5))
    found, _ = nearest_labels(queries, (labels, table), 20, block_size=block_size)
    for row, query in zip(found, queries, strict=True):
        kinds = [tuple(table[label]) for label in row]
        firsts = {
            kind: [label for label in labels if tuple(table[label]) == kind] for kind in kinds
        }
        for kind in set(kinds):
            taken = [label for label, k in zip(row, kinds, strict=True) if k == kind]
            assert taken == firsts[kind][: len(taken)]
        cosines = [table[label] @ query / np.linalg.norm(table[label]) for label in row]
        assert all(np.diff(cosines) <= 1e-5)


def test_near_ties_beyond_float32_are_told_apart():
    angles = np.array([1e-5, 2e-5, 0.0, 3e-5])  # cosines differ by about 1e-10
    table = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    found, _ = nearest_labels([[1.0, 0.0]], (["b", "c", "a", "d"], table), 4)
    assert found.tolist() == [["a", "b", "c", "d"]]


def test_block_size_changes_nothing():
    rng = np.random.default_rng(2)
    table = rng.normal(size=(500, 20)).astype(np.float32)
    queries = rng.normal(size=(30, 20)).astype(np.float32)
    one = nearest_labels(queries, (np.arange(500), table), 5)
    other = nearest_labels(queries, (np.arange(500), table), 5, block_size=17)
    np.testing.assert_array_equal(one[0], other[0])
    np.testing.assert_array_equal(one[1], other[1])


def test_more_queries_than_a_block_of_them():
    rng = np.random.default_rng(3)
    table = rng.normal(size=(40, 6))
    queries = rng.normal(size=(1500, 6))
    found, _ = nearest_labels(queries, (np.arange(40), table), 3)
    expected, _ = naive(queries, np.arange(40), table, 3)
    np.testing.assert_array_equal(found, expected)


def test_word_vectors_as_the_vocabulary():
    vectors = WordVectors()
    queries = vectors.embed(["cat", "maple_tree"])
    labels, scores = nearest_labels(queries, vectors, 4)
    assert labels[0].tolist() == ["cat", "dog", "rabbit", "monkey"]
    table = np.asarray(vectors.vectors, dtype=np.float64)
    cosines = (table @ queries[1]) / np.linalg.norm(table, axis=1) / np.linalg.norm(queries[1])
    best = np.argsort(-cosines)[:4]
    assert labels[1].tolist() == [vectors.vocabulary[i] for i in best]
    np.testing.assert_allclose(scores[1], cosines[best], atol=1e-6)


def test_other_embeddings_as_the_vocabulary():
    table = AttributeTable([[1, 0], [0, 1]], labels=[7, 9])
    labels, scores = nearest_labels([[0, 3]], table, 2)
    assert labels.tolist() == [[9, 7]]
    assert scores.tolist() == [[1.0, 0.0]]
    one_hot = OneHotEmbedding(["a", "b"])
    assert nearest_labels([[1, 2]], one_hot, 1)[0].tolist() == [["b"]]


def test_no_queries_and_tiny_vectors():
    vocabulary = (["a", "b"], np.eye(2))
    labels, scores = nearest_labels(np.empty((0, 2)), vocabulary, 2)
    assert labels.shape == scores.shape == (0, 2)
    tiny = (["a", "b"], np.eye(2, dtype=np.float32) * 1e-30)
    labels, scores = nearest_labels([[1e-200, 0]], tiny, 1)
    assert (labels.tolist(), scores.tolist()) == ([["a"]], [[1.0]])


@pytest.mark.parametrize(
    ("queries", "vocabulary", "k", "words"),
    [
        ([[1, 0]], (["a"], [[1, 0]]), 2, "k=2 is more than the 1 labels"),
        ([[1, 0]], (["a"], [[1, 0]]), 0, "k must be an integer"),
        ([[0, 0]], (["a"], [[1, 0]]), 1, "vectors are zero.*rows 0.*Leave"),
        ([[np.nan, 0]], (["a"], [[1, 0]]), 1, "NaN"),
        ([[1, 0]], (["a", "b"], [[1, 0], [0, 0]]), 1, "'b' is zero.*Leave"),
        ([[1, 0]], (["a", "b"], [[1, 0], [np.inf, 0]]), 1, "'b' is zero or holds NaN or infinity"),
        ([[1, 0, 0]], (["a"], [[1, 0]]), 1, r"shape \(n_vectors, 2\)"),
        ([1, 0], (["a"], [[1, 0]]), 1, r"shape \(n_vectors, 2\)"),
        ([[1, 0]], (["a", "b"], [[1, 0]]), 1, "2 labels and an array of shape"),
    ],
)
def test_bad_input(queries, vocabulary, k, words):
    with pytest.raises(ValueError, match=words):
        nearest_labels(queries, vocabulary, k)


def test_a_vocabulary_of_labels_alone_is_refused_with_the_remedy():
    with pytest.raises(TypeError, match=r"embedding\.embed\(labels\)"):
        nearest_labels([[1, 0]], ["a", "b"], 1)
