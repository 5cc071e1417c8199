"""Half a million words that open in a millisecond: a blob of text and a sorted hash table."""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Iterable, Sequence
from typing import overload

import numpy as np

from zeroshot.exceptions import IntegrityError

ARRAYS = {"text": np.uint8, "offsets": np.int64, "hashes": np.uint64, "rows": np.int32}
"""The arrays that hold a vocabulary, and their dtypes."""

_MATCH_RANK = 200_000
"""Near matches are looked for among this many of the most frequent words."""


class Vocabulary(Sequence[str]):
    """Words by rank, looked up through a sorted table of hashes; all arrays may be memory maps.

    Parameters
    ----------
    text : ndarray of uint8
        All words one after another, in UTF-8.
    offsets : ndarray of int64 of shape (n_words + 1,)
        Word i is ``text[offsets[i]:offsets[i + 1]]``.
    hashes : ndarray of uint64 of shape (n_words,)
        64-bit hashes of the words, in ascending order.
    rows : ndarray of int32 of shape (n_words,)
        The word that each hash belongs to.

    Raises
    ------
    IntegrityError
        The arrays do not fit together.

    Examples
    --------
    >>> from zeroshot.label_embeddings._vocabulary import Vocabulary
    >>> words = Vocabulary.from_words(["the", "cat", "sat"])
    >>> words.find("cat"), words.find("dog"), words[2], "the" in words
    (1, -1, 'sat', True)
    """

    def __init__(
        self, text: np.ndarray, offsets: np.ndarray, hashes: np.ndarray, rows: np.ndarray
    ) -> None:
        given = {"text": text, "offsets": offsets, "hashes": hashes, "rows": rows}
        n_words = len(offsets) - 1
        if (
            any(array.dtype != ARRAYS[name] or array.ndim != 1 for name, array in given.items())
            or n_words < 1
            or len(hashes) != n_words
            or len(rows) != n_words
            or offsets[-1] != len(text)
        ):
            raise IntegrityError("The arrays of a vocabulary do not fit together.")
        # Plain views: numpy.memmap adds microseconds to every slice.
        self._text, self._offsets = np.asarray(text), np.asarray(offsets)
        self._hashes, self._rows = np.asarray(hashes), np.asarray(rows)

    @classmethod
    def from_words(cls, words: Iterable[str]) -> Vocabulary:
        """Build the arrays from words in the order of their rows.

        Raises
        ------
        IntegrityError
            There is no word, or a word stands there twice.
        """
        encoded = [word.encode("utf-8", "surrogatepass") for word in words]
        if not encoded:
            raise IntegrityError("There is no word.")
        if len(set(encoded)) != len(encoded):
            raise IntegrityError("A word stands twice in the vocabulary.")
        offsets = np.zeros(len(encoded) + 1, dtype=np.int64)
        np.cumsum([len(word) for word in encoded], out=offsets[1:])
        hashes = np.array([_hash(word) for word in encoded], dtype=np.uint64)
        order = np.argsort(hashes, kind="stable")
        text = np.frombuffer(b"".join(encoded), dtype=np.uint8)
        return cls(text, offsets, hashes[order], order.astype(np.int32))

    @property
    def arrays(self) -> dict[str, np.ndarray]:
        """The four arrays by name."""
        return {
            "text": self._text,
            "offsets": self._offsets,
            "hashes": self._hashes,
            "rows": self._rows,
        }

    def find(self, word: str) -> int:
        """Return the row of `word`, spelled exactly so, or -1."""
        encoded = word.encode("utf-8", "surrogatepass")
        wanted = np.uint64(_hash(encoded))
        place = int(self._hashes.searchsorted(wanted))
        while place < len(self._hashes) and self._hashes[place] == wanted:
            row = int(self._rows[place])
            if 0 <= row < len(self) and self._bytes(row) == encoded:
                return row
            place += 1
        return -1

    def take(self, rows: np.ndarray) -> list[str]:
        """Return the words of many rows, which must be there."""
        starts, stops = self._offsets[rows].tolist(), self._offsets[rows + 1].tolist()
        text = self._text.data
        return [
            str(text[start:stop], "utf-8", "surrogatepass")
            for start, stop in zip(starts, stops, strict=True)
        ]

    def close_matches(self, word: str, n: int = 3) -> list[str]:
        """Return up to `n` words spelled like `word`, best first.

        Only frequent words with the same first letter and about the same length are looked at,
        and of those only the ones that share the most letters are compared in full.
        """
        encoded = word.encode("utf-8", "surrogatepass")
        near = self._same_start(encoded)
        if near.size == 0:
            return []
        shared = _shared_bytes(self._padded(near), np.frombuffer(encoded, dtype=np.uint8))
        lengths = np.diff(self._offsets)[near]
        ratio = 2 * shared / (lengths + len(encoded))
        best = near[np.argsort(-ratio, kind="stable")[:40]]
        return difflib.get_close_matches(word, [self[row] for row in best], n=n, cutoff=0.7)

    def _same_start(self, encoded: bytes) -> np.ndarray:
        starts = self._offsets[:-1][:_MATCH_RANK]
        lengths = self._offsets[1:][:_MATCH_RANK] - starts
        similar = (lengths > 0) & (np.abs(lengths - len(encoded)) <= 2)
        rows = np.flatnonzero(similar)
        return rows[self._text[starts[rows]] == encoded[0]] if encoded else rows[:0]

    def _padded(self, rows: np.ndarray) -> np.ndarray:
        lengths = (self._offsets[rows + 1] - self._offsets[rows])[:, None]
        step = np.arange(lengths.max())
        places = np.minimum(self._offsets[rows][:, None] + step, len(self._text) - 1)
        return np.where(step < lengths, self._text[places], 0)

    def _bytes(self, row: int) -> bytes:
        return self._text[self._offsets[row] : self._offsets[row + 1]].tobytes()

    def __len__(self) -> int:
        return len(self._offsets) - 1

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> list[str]: ...
    def __getitem__(self, index: int | slice) -> str | list[str]:
        if isinstance(index, slice):
            return self.take(np.arange(*index.indices(len(self))))
        row = range(len(self))[index]  # negative places, and IndexError as lists have it
        return self._bytes(row).decode("utf-8", "surrogatepass")

    def __contains__(self, word: object) -> bool:
        return isinstance(word, str) and self.find(word) >= 0

    def __repr__(self) -> str:
        return f"Vocabulary({len(self)} words, {', '.join(map(repr, self[:3]))}, ...)"


def _hash(encoded: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(encoded, digest_size=8).digest(), "little")


def _shared_bytes(words: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Return how many bytes each padded word shares with `wanted`, whatever their order."""
    letters, counts = np.unique(wanted, return_counts=True)
    return sum(
        np.minimum((words == letter).sum(axis=1), count)
        for letter, count in zip(letters, counts, strict=True)
    )
