"""How fast the Wu-Palmer matrix of the 1,000 ImageNet classes is, against a loop over nltk.

Run it from the repository's root, with WordNet's files (Debian's package ``wordnet-base``)::

    python -m benchmarks.wordnet [--folder /usr/share/wordnet] [--n-pairs 5000] [--repeats 5]

nltk would take a quarter of an hour for the million pairs, so that it is timed on a random sample
of them, its synsets and their ancestors already in its caches; ours computes the whole matrix from
wnids. Both take turns in one run. ``--all`` compares all pairs of three measures, exactly.
"""

from __future__ import annotations

import argparse
import io
import sys
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks._rows import Row, medians_in_turns, print_rows
from zeroshot.similarity import WordNetSimilarity
from zeroshot.taxonomy import class_synsets

FOLDER = Path("/usr/share/wordnet")

_LEXNAMES = 45
"""How many lexicographer files WordNet 3.0 has: nltk wants their names, which nothing here uses."""


def open_nltk(folder: Path = FOLDER) -> Any:
    """Open WordNet's own files with nltk's reader, which needs help with Debian's folder.

    Debian ships no ``lexnames`` file, and nltk looks for other versions to map to.
    """
    import nltk
    from nltk.corpus.reader.wordnet import WordNetCorpusReader

    class Reader(WordNetCorpusReader):
        """nltk's reader, with the names that Debian leaves out, and no other version to map to."""

        def open(self, file: str) -> Any:
            if file == "lexnames":
                return io.StringIO("".join(f"{i:02d}\tfile{i}\t1\n" for i in range(_LEXNAMES)))
            return super().open(file)

        def map_wn(self, version: str = "wordnet") -> None:
            return None

    parent = str(folder.parent)
    if parent not in nltk.data.path:
        nltk.data.path.append(parent)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # no other languages: none is asked for
        return Reader(nltk.data.find(folder.name, paths=[parent]), None)


def nltk_values(synsets: list[Any], pairs: np.ndarray, measure: str) -> list[float]:
    """Return a measure of pairs, one call each."""
    return [getattr(synsets[i], measure)(synsets[j]) for i, j in pairs.tolist()]


def rows(folder: Path = FOLDER, n_pairs: int = 5000, repeats: int = 5) -> Iterator[Row]:
    """Yield the one row: nltk's time for the sampled pairs, scaled to all."""
    wordnet, wnids = open_nltk(folder), list(class_synsets("imagenet1k").values())
    synsets = [wordnet.synset_from_pos_and_offset("n", int(wnid[1:])) for wnid in wnids]
    pairs = np.random.default_rng(0).integers(len(wnids), size=(n_pairs, 2))
    nltk_values(synsets, pairs[:1000], "wup_similarity")
    matrix = WordNetSimilarity("wup_nltk").matrix(wnids, wnids)
    equal = np.array_equal(matrix[tuple(pairs.T)], nltk_values(synsets, pairs, "wup_similarity"))
    times = medians_in_turns(
        {
            "nltk": lambda: nltk_values(synsets, pairs, "wup_similarity"),
            "ours": lambda: WordNetSimilarity("wup_nltk").matrix(wnids, wnids),
        },
        repeats,
    )
    yield Row(
        what="Wu-Palmer, 1,000 x 1,000",
        peer=f"a loop over nltk, {n_pairs:,} pairs scaled",
        ours_seconds=times["ours"],
        peer_seconds=times["nltk"] * matrix.size / n_pairs,
        reach=500,
        note=f"equal on these pairs: {equal}",
    )


def compare_all(wordnet: Any, wnids: list[str]) -> bool:
    """Compare all pairs of the three measures that need no information content."""
    synsets = [wordnet.synset_from_pos_and_offset("n", int(wnid[1:])) for wnid in wnids]
    all_equal = True
    for measure in ("wup_nltk", "path", "lch"):
        start = time.perf_counter()
        matrix = WordNetSimilarity(measure).matrix(wnids, wnids)
        middle = time.perf_counter()
        call = f"{measure.removesuffix('_nltk')}_similarity"
        expected = np.array([[getattr(a, call)(b) for b in synsets] for a in synsets])
        unequal = int((matrix != expected).sum())
        all_equal &= unequal == 0
        print(
            f"{measure}: {unequal} of {matrix.size} pairs differ; ours {middle - start:.2f} s, "
            f"nltk {time.perf_counter() - middle:.0f} s",
            flush=True,
        )
    return all_equal


def main() -> None:
    """Run the comparison and print it."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--folder", type=Path, default=FOLDER)
    parser.add_argument("--n-pairs", type=int, default=5000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--all", action="store_true", help="compare all pairs (45 minutes)")
    options = parser.parse_args()
    print_rows(rows(options.folder, options.n_pairs, options.repeats))
    wnids = list(class_synsets("imagenet1k").values())
    if options.all and not compare_all(open_nltk(options.folder), wnids):
        sys.exit(1)


if __name__ == "__main__":
    main()
