"""Time the exact nearest words of vectors against faiss, scikit-learn and gensim.

Run from the root of the repository, with the ``bench`` and ``demo`` extras installed, and without
a limit on threads in the environment: every peer then uses all cores, as ours does::

    python -m benchmarks.nearest_labels [--queries 2000] [--k 10] [--repeats 5]

Ours starts from the vectors as they lie on disk at each call; each peer has its index, of unit
vectors, ready before. Ours and the peers take turns; times are medians, all in one run. gensim
takes one query at a time, so that it is given a part of them and its time is multiplied. Neighbours
are identical if the peer has the same ones in the same order, cosines that differ by less than
1e-6 taken for equal: the peers compute in float32.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from functools import partial
from statistics import median

import numpy as np

from benchmarks._rows import Row, print_rows, seconds_of
from zeroshot import WordVectors, nearest_labels

Search = Callable[[np.ndarray], np.ndarray]

GENSIM_SHARE = 20
"""gensim is given one query of so many."""


def main(arguments: list[str] | None = None) -> None:
    """Run the benchmark and print its rows."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--queries", type=int, default=2000)
    parser.add_argument("--k", type=int, default=10)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--words", type=int, default=None, help="use the first words only")
    options = parser.parse_args(arguments)
    print_rows(rows(options.queries, options.k, options.repeats, options.words))


def rows(
    n_queries: int = 2000, k: int = 10, repeats: int = 5, n_words: int | None = None
) -> Iterator[Row]:
    """Yield one row a peer, with the agreement."""
    glove = WordVectors()
    table = np.array(glove.vectors[:n_words])
    words = glove.vocabulary[: len(table)]
    places = np.random.default_rng(0).choice(len(table), n_queries, replace=False)
    queries = table[places]
    place = {word: row for row, word in enumerate(words)}

    def ours(queries: np.ndarray) -> np.ndarray:
        return nearest_labels(queries, (words, table), k)[0]

    expected = np.array([[place[word] for word in row] for row in ours(queries).tolist()])
    peers = {
        "faiss IndexFlatIP": (faiss_search(table, k), 1, 2.5),
        "scikit-learn brute force, cosine": (sklearn_search(table, k), 1, 12.0),
        "gensim most_similar": (gensim_search(table, words, place, k), GENSIM_SHARE, 10.0),
    }
    agree = {
        name: agreement(table, queries[::share], expected[::share], search(queries[::share]))
        for name, (search, share, _) in peers.items()
    }
    times: dict[str, list[float]] = {name: [] for name in ("ours", *peers)}
    for _ in range(repeats):
        for name, (search, share, _) in peers.items():
            times["ours"].append(seconds_of(partial(ours, queries)))
            times[name].append(share * seconds_of(partial(search, queries[::share])))
    what = f"{k} nearest of {len(table):,} words, {n_queries:,} queries"
    for name, (_, _, reach) in peers.items():
        yield Row(
            what=what,
            peer=name,
            ours_seconds=median(times["ours"]),
            peer_seconds=median(times[name]),
            reach=reach,
            note=f"identical: {agree[name]}",
        )


def faiss_search(table: np.ndarray, k: int) -> Search:
    """Return a search of faiss's exact index of inner products, over unit vectors."""
    import faiss

    index = faiss.IndexFlatIP(table.shape[1])
    index.add(unit(table))
    return lambda queries: index.search(unit(queries), k)[1]


def sklearn_search(table: np.ndarray, k: int) -> Search:
    """Return scikit-learn's brute-force search by cosine."""
    from sklearn.neighbors import NearestNeighbors

    neighbors = NearestNeighbors(n_neighbors=k, algorithm="brute", metric="cosine").fit(table)
    return lambda queries: neighbors.kneighbors(queries, return_distance=False)


def gensim_search(table: np.ndarray, words: list[str], place: dict[str, int], k: int) -> Search:
    """Return gensim's search, a query at a time."""
    from gensim.models import KeyedVectors

    keyed = KeyedVectors(table.shape[1])
    keyed.add_vectors(words, table)
    keyed.fill_norms()

    def search(queries: np.ndarray) -> np.ndarray:
        found = [keyed.most_similar(positive=[query], topn=k) for query in queries]
        return np.array([[place[word] for word, _ in row] for row in found])

    return search


def unit(rows: np.ndarray) -> np.ndarray:
    """Return float32 rows at unit length."""
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def agreement(
    table: np.ndarray, queries: np.ndarray, expected: np.ndarray, found: np.ndarray
) -> bool:
    """Return whether the rows found are the expected ones, but for ties in float32."""
    q = unit(queries.astype(np.float64))[:, None]
    cosines = [
        (unit(table[rows].reshape(-1, table.shape[1])).reshape(*rows.shape, -1) * q).sum(-1)
        for rows in (expected, found)
    ]
    distinct = all(len(set(row)) == len(row) for row in found.tolist())
    return distinct and bool(
        np.abs(cosines[0] - cosines[1])[expected != found].max(initial=0) < 1e-6
    )


if __name__ == "__main__":
    main()
