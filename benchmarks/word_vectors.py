"""Time loading word vectors against gensim.

Run from the root of the repository, with the ``demo`` extra installed::

    python -m benchmarks.word_vectors [--repeats 5] [--gensim-repeats 3]

Every row gives our time, the peer's, and how many times as fast ours is; medians, all in one run.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks._rows import Row, medians_in_turns, print_rows, seconds_of
from zeroshot.label_embeddings import WordVectors


def rows(repeats: int = 5, gensim_repeats: int = 3, n_words: int | None = None) -> Iterator[Row]:
    """Yield the rows: the first load, which writes the cache, and later ones."""
    glove, cache = WordVectors(), os.environ.get("ZEROSHOT_CACHE")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["ZEROSHOT_CACHE"] = str(Path(folder) / "cache")
        try:
            yield from time_loading(glove, Path(folder), repeats, gensim_repeats, n_words)
        finally:
            if cache is None:
                del os.environ["ZEROSHOT_CACHE"]
            else:
                os.environ["ZEROSHOT_CACHE"] = cache


def main(arguments: list[str] | None = None) -> None:
    """Run the benchmark and print its rows."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--repeats", type=int, default=5, help="timings of what is fast")
    parser.add_argument("--gensim-repeats", type=int, default=3, help="timings of gensim reading")
    parser.add_argument("--words", type=int, default=None, help="use the first words only")
    options = parser.parse_args(arguments)
    print_rows(rows(options.repeats, options.gensim_repeats, options.words))


def time_loading(
    glove: WordVectors, folder: Path, repeats: int, gensim_repeats: int, n_words: int | None
) -> Iterator[Row]:
    """Time a later load of a GloVe text file and 100 labels against gensim reading the same."""
    from gensim.models import KeyedVectors

    path = folder / "glove.6B.50d.txt"
    words = write_glove_text(glove, path, n_words)
    labels = [f"{a} {b}" for a, b in zip(words[1000:1050], words[2000:2050], strict=True)]
    labels += words[3000:3050]

    def ours() -> np.ndarray:
        return WordVectors(path).embed(labels)

    def peer() -> np.ndarray:
        keyed = KeyedVectors.load_word2vec_format(str(path), no_header=True)
        return np.stack([keyed.get_mean_vector(x.split(), pre_normalize=False) for x in labels])

    first = seconds_of(ours)
    slow = medians_in_turns({"gensim": peer}, gensim_repeats)["gensim"]
    fast = medians_in_turns({"ours": ours}, repeats)["ours"]
    np.testing.assert_allclose(ours(), peer(), atol=1e-5)
    what, name = f"text of {len(words):,} words, 100 labels", "gensim reads the text"
    yield Row(f"{what}: first load", name, first, slow, note="writes the cache")
    yield Row(f"{what}: later loads", name, fast, slow, reach=50)


def write_glove_text(glove: WordVectors, path: Path, n_words: int | None) -> list[str]:
    """Write GloVe's own format: no header, one word and its figures a line."""
    words = glove.vocabulary[:n_words]
    with path.open("w", encoding="utf-8") as file:
        for word, vector in zip(words, glove.vectors, strict=False):
            file.write(f"{word} {' '.join(map(str, vector.tolist()))}\n")
    return words


if __name__ == "__main__":
    main()
