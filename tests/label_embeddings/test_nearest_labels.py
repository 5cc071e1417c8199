from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from zeroshot.label_embeddings import (
    AttributeTable,
    OneHotEmbedding,
    WordVectors,
    _nearest_search,
    nearest_labels,
)


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


@pytest.fixture(
    params=[(False, 1), (True, 1), (False, 3)], ids=["float32", "bfloat16", "three threads"]
)
def rough(request, monkeypatch):
    """Rough cosines in either precision and several threads, whatever this machine would choose."""
    bfloat16, n_threads = request.param
    monkeypatch.setattr(_nearest_search, "_multiplies_in_bfloat16", lambda device: bfloat16)
    monkeypatch.setattr(_nearest_search, "_n_threads", lambda device: n_threads)


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


@pytest.mark.parametrize(("k", "block_size"), [(1, 1000), (5, 700), (40, 999), (3, 4000)])
def test_groups_of_labels_hide_none(k, block_size, rough):
    """Blocks large enough that only a group's largest rough cosine is kept, and odd in length."""
    rng = np.random.default_rng(4)
    table = rng.normal(size=(3001, 12)).astype(np.float32)
    # The best are alike within what bfloat16 can tell, and one group holds several of them.
    table[1500:1512] = table[1500] + 1e-3 * rng.normal(size=(12, 12))
    queries = np.concatenate([table[1500:1503], -table[:3], rng.normal(size=(5, 12))])
    found, scores = nearest_labels(
        queries, (np.arange(3001), table), k, block_size=block_size, device="cpu"
    )
    expected, expected_scores = naive(queries, np.arange(3001), table, k)
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_allclose(scores, expected_scores, atol=1e-12)


def test_all_cosines_negative_in_a_block_that_groups_do_not_divide(rough):
    rng = np.random.default_rng(5)
    table = np.abs(rng.normal(size=(1003, 6))).astype(np.float32)
    queries = -np.abs(rng.normal(size=(4, 6)))
    found, _ = nearest_labels(queries, (np.arange(1003), table), 6, device="cpu")
    np.testing.assert_array_equal(found, naive(queries, np.arange(1003), table, 6)[0])


def test_more_equal_labels_than_are_looked_at_at_once(monkeypatch):
    monkeypatch.setattr(_nearest_search, "_AT_ONCE", 64)
    monkeypatch.setattr(_nearest_search._in_lots, "__defaults__", (10,))
    table = np.ones((900, 3), dtype=np.float32)
    table[::3] = [1, 2, 0]
    found, _ = nearest_labels([[1, 1, 1], [1, 2, 0]], (np.arange(900), table), 6, device="cpu")
    assert found.tolist() == [[1, 2, 4, 5, 7, 8], [0, 3, 6, 9, 12, 15]]


@pytest.mark.parametrize("layout", ["fortran", "reversed", "read-only", "float64"])
def test_the_layout_of_a_table_changes_nothing(layout):
    rng = np.random.default_rng(6)
    table = rng.normal(size=(1104, 7)).astype(np.float32)
    queries = rng.normal(size=(8, 7))
    expected = nearest_labels(queries, (np.arange(1104), table), 4, device="cpu")
    given = {
        "fortran": np.asfortranarray(table),
        "reversed": table[::-1].copy()[::-1],
        "read-only": table.copy(),
        "float64": table.astype(np.float64),
    }[layout]
    given.flags.writeable = layout != "read-only"
    for size in (300, 65536):
        got = nearest_labels(
            queries, (np.arange(1104), given), 4, block_size=size, device=torch.device("cpu")
        )
        np.testing.assert_array_equal(got[0], expected[0])
        np.testing.assert_array_equal(got[1], expected[1])
    np.testing.assert_array_equal(given, table)


def test_what_torch_is_told_about_precision_changes_nothing():
    rng = np.random.default_rng(7)
    table = rng.normal(size=(2000, 30)).astype(np.float32)
    table[1000:] = table[:1000] + 1e-4 * rng.normal(size=(1000, 30))
    expected = naive(table[:20], np.arange(2000), table, 4)[0]
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")
    try:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            found, _ = nearest_labels(table[:20], (np.arange(2000), table), 4, device="cpu")
    finally:
        torch.set_float32_matmul_precision(before)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("n_queries", [1, 2, 3, 5])
def test_threads_are_torchs_own_setting_before_and_after(n_queries, monkeypatch):
    monkeypatch.setattr(_nearest_search, "_n_threads", lambda device: 4)
    monkeypatch.setattr(_nearest_search, "_QUERY_BLOCK", 1)
    before, inside = torch.get_num_threads(), []
    maxima = _nearest_search._group_maxima

    def watched(*args):
        inside.append(torch.get_num_threads())
        return maxima(*args)

    monkeypatch.setattr(_nearest_search, "_group_maxima", watched)
    table = np.eye(6, dtype=np.float32)
    found, _ = nearest_labels(table[:n_queries], (np.arange(6), table), 1, device="cpu")
    assert found.ravel().tolist() == list(range(n_queries))
    assert inside == [1] * n_queries
    with ThreadPoolExecutor(1) as pool:
        assert torch.get_num_threads() == pool.submit(torch.get_num_threads).result() == before


def test_an_error_in_a_thread_is_raised(monkeypatch):
    def broken(*args):
        raise MemoryError("no more")

    monkeypatch.setattr(_nearest_search, "_n_threads", lambda device: 2)
    monkeypatch.setattr(_nearest_search, "_group_maxima", broken)
    with pytest.raises(MemoryError, match="no more"):
        nearest_labels(np.eye(2), (np.arange(2), np.eye(2)), 1, device="cpu")


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
        ([[1]], (["a"], [[1, 0]]), 1, r"got \(1, 1\). Take both from the same label embedding"),
        ([1, 0], (["a"], [[1, 0]]), 1, r"got one vector of shape \(2,\). Pass \[vector\], or"),
        (["cat", "dog"], (["a"], [[1, 0]]), 1, "got dtype <U3.. Pass vectors, .* not words"),
        ("cat", (["a"], [[1, 0]]), 1, "vectors must be an array of real numbers .*not words"),
        (None, (["a"], [[1, 0]]), 1, "vectors must be an array of real numbers"),
        ([[1j, 0]], (["a"], [[1, 0]]), 1, "vectors must be .* real numbers .got dtype complex128"),
        ([[1, 0], [1]], (["a"], [[1, 0]]), 1, "vectors must be an array of real numbers"),
        ([[1, 0]], (["a"], [["x", "y"]]), 1, "vocabulary's array must be .* .got dtype <U1"),
        ([[1, 0]], (["a"], [[1j, 0]]), 1, "vocabulary's array must be .* .got dtype complex128"),
        ([[1, 0]], (["a", "b"], [[1, 0], [1]]), 1, "vocabulary's array must be .* real numbers"),
        ([[1, 0]], (["a", "b", "a"], np.eye(3)[:, :2]), 1, "names 1 labels more than once .'a'"),
        ([[1, 0]], (["a", "b"], [[1, 0]]), 1, "2 labels and an array of shape"),
    ],
)
def test_bad_input(queries, vocabulary, k, words):
    with pytest.raises(ValueError, match=words):
        nearest_labels(queries, vocabulary, k)


@pytest.mark.parametrize(
    ("device", "words"),
    [
        ("gpu0", "device must be 'auto' or a torch device such as 'cpu' or 'cuda', got 'gpu0'"),
        ("cuda:99", "device='cuda:99', but torch finds . devices of type 'cuda'.*device='auto'"),
    ],
)
def test_a_device_that_is_not_there(device, words):
    with pytest.raises(ValueError, match=f"nearest_labels: {words}"):
        nearest_labels([[1, 0]], (["a"], [[1, 0]]), 1, device=device)


def test_a_vocabulary_of_labels_alone_is_refused_with_the_remedy():
    with pytest.raises(TypeError, match=r"embedding\.embed\(labels\)"):
        nearest_labels([[1, 0]], ["a", "b"], 1)
