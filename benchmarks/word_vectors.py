"""Time loading word vectors against gensim.

Run from the root of the repository, with the ``demo`` extra installed::

    python -m benchmarks.word_vectors [--repeats 5] [--gensim-repeats 3]

Every row gives our time, the peer's, and how many times as fast ours is; medians, all in one run.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np

from zeroshot.label_embeddings import WordVectors


def main(arguments: list[str] | None = None) -> None:
    """Run the benchmark and print its rows."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--repeats", type=int, default=5, help="timings of what is fast")
    parser.add_argument("--gensim-repeats", type=int, default=3, help="timings of gensim reading")
    parser.add_argument("--words", type=int, default=None, help="use the first words only")
    parser.add_argument("--json", action="store_true", help="print one object, not a table")
    options = parser.parse_args(arguments)
    glove = WordVectors()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["ZEROSHOT_CACHE"] = str(Path(folder) / "cache")
        rows = time_loading(glove, Path(folder), options)
    if options.json:
        print(json.dumps(rows))
        return
    print(f"{'what':<62}{'ours':>10}{'peer':>10}{'ratio':>9}")
    for row in rows:
        print(f"{row['what']:<62}{row['ours']:>9.4f}s{row['peer']:>9.3f}s{row['ratio']:>8.1f}x")


def time_loading(glove: WordVectors, folder: Path, options: argparse.Namespace) -> list[dict]:
    """Time a later load of a GloVe text file and 100 labels against gensim reading the same."""
    from gensim.models import KeyedVectors

    path = folder / "glove.6B.50d.txt"
    words = write_glove_text(glove, path, options.words)
    labels = [f"{a} {b}" for a, b in zip(words[1000:1050], words[2000:2050], strict=True)]
    labels += words[3000:3050]

    def ours() -> np.ndarray:
        return WordVectors(path).embed(labels)

    def peer() -> np.ndarray:
        keyed = KeyedVectors.load_word2vec_format(str(path), no_header=True)
        return np.stack([keyed.get_mean_vector(x.split(), pre_normalize=False) for x in labels])

    first = timed(ours, 1)
    fast, slow = timed(ours, options.repeats), timed(peer, options.gensim_repeats)
    np.testing.assert_allclose(ours(), peer(), atol=1e-5)
    what = f"text of {len(words):,} words, 100 labels"
    return [
        row(f"{what}: first load (writes the cache), gensim", first, slow),
        row(f"{what}: later loads, gensim", fast, slow),
    ]


def write_glove_text(glove: WordVectors, path: Path, n_words: int | None) -> list[str]:
    """Write GloVe's own format: no header, one word and its figures a line."""
    words = glove.vocabulary[:n_words]
    with path.open("w", encoding="utf-8") as file:
        for word, vector in zip(words, glove.vectors, strict=False):
            file.write(f"{word} {' '.join(map(str, vector.tolist()))}\n")
    return words


def timed(call: Callable[[], object], repeats: int) -> float:
    """Return the median of so many timings, in seconds."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return median(times)


def row(what: str, ours: float, peer: float) -> dict:
    """Return one row of the results."""
    return {"what": what, "ours": ours, "peer": peer, "ratio": peer / ours}


if __name__ == "__main__":
    main()
