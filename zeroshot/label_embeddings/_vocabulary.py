"""Vocabulary of half a million words that opens in a millisecond."""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, overload

import numpy as np

from zeroshot._utils._validation import check_labels, check_number, check_option
from zeroshot.exceptions import IntegrityError
from zeroshot.label_embeddings._block_sums import CheckedArray
from zeroshot.taxonomy._graph import noun_graph

_OWNER = "vocabulary_words"


ARRAYS = {"text": np.uint8, "offsets": np.int64, "hashes": np.uint64, "rows": np.int32}
"""The arrays that hold a vocabulary, and their dtypes."""

_REMEMBERED_WORDS = 50_000
"""Of how many words the rows are remembered."""
_MATCH_RANK = 200_000
"""Near matches are looked for among this many of the most frequent words."""


class Vocabulary(Sequence[str]):
    """Words by rank, looked up through a sorted table of hashes; all arrays may be memory maps.

    Parameters
    ----------
    text : CheckedArray of uint8
        All words one after another, in UTF-8.
    offsets : CheckedArray of int64 of shape (n_words + 1,)
        Word i is ``text[offsets[i]:offsets[i + 1]]``.
    hashes : CheckedArray of uint64 of shape (n_words,)
        64-bit hashes of the words, in ascending order.
    rows : CheckedArray of int32 of shape (n_words,)
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
        self, text: CheckedArray, offsets: CheckedArray, hashes: CheckedArray, rows: CheckedArray
    ) -> None:
        given = {"text": text, "offsets": offsets, "hashes": hashes, "rows": rows}
        n_words = len(offsets) - 1
        if (
            any(
                array.unchecked.dtype != ARRAYS[name] or array.unchecked.ndim != 1
                for name, array in given.items()
            )
            or n_words < 1
            or len(hashes) != n_words
            or len(rows) != n_words
            or offsets.unchecked[0] != 0
            or offsets.unchecked[-1] != len(text)
            or (np.diff(offsets.unchecked) < 0).any()
        ):
            raise IntegrityError("The arrays of a vocabulary do not fit together.")
        self._text, self._offsets, self._hashes, self._rows = text, offsets, hashes, rows
        self._found: dict[str, int] = {}

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
        return cls(
            CheckedArray(text),
            CheckedArray(offsets),
            CheckedArray(hashes[order]),
            CheckedArray(order.astype(np.int32)),
        )

    @property
    def arrays(self) -> dict[str, np.ndarray]:
        """The four arrays by name."""
        return {
            "text": self._text.whole(),
            "offsets": self._offsets.whole(),
            "hashes": self._hashes.whole(),
            "rows": self._rows.whole(),
        }

    def find(self, word: str) -> int:
        """Return the row of `word`, spelled exactly so, or -1.

        Raises
        ------
        IntegrityError
            What was read on the way is not what was written.
        """
        row = self._found.get(word)
        if row is None:  # labels of one model share words, and are looked up many times
            if len(self._found) >= _REMEMBERED_WORDS:
                self._found.clear()
            row = self._found[word] = self._search(word)
        return row

    def _search(self, word: str) -> int:
        encoded = word.encode("utf-8", "surrogatepass")
        wanted = np.uint64(_hash(encoded))
        place = int(self._hashes.unchecked.searchsorted(wanted))
        # The search is right, whatever it met, if the hashes around its end are as written.
        before = self._hashes.rows(max(place - 1, 0), place)
        here = self._hashes.rows(place, place + 1)
        if (before.size and before[-1] >= wanted) or (here.size and here[0] < wanted):
            raise IntegrityError("The hashes of a vocabulary are not in order.")
        while here.size and here[0] == wanted:
            row = int(self._rows.rows(place, place + 1)[0])
            if 0 <= row < len(self) and self._bytes(row) == encoded:
                return row
            place += 1
            here = self._hashes.rows(place, place + 1)
        return -1

    def take(self, rows: np.ndarray) -> list[str]:
        """Return the words of many rows, which must be there."""
        offsets, text = self._offsets.whole(), self._text.whole().data
        starts, stops = offsets[rows].tolist(), offsets[rows + 1].tolist()
        return [_decoded(text[start:stop]) for start, stop in zip(starts, stops, strict=True)]

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
        lengths = np.diff(self._offsets.whole())[near]
        ratio = 2 * shared / (lengths + len(encoded))
        best = near[np.argsort(-ratio, kind="stable")[:40]]
        return difflib.get_close_matches(word, [self[row] for row in best], n=n, cutoff=0.7)

    def _same_start(self, encoded: bytes) -> np.ndarray:
        offsets = self._offsets.whole()
        starts = offsets[:-1][:_MATCH_RANK]
        lengths = offsets[1:][:_MATCH_RANK] - starts
        similar = (lengths > 0) & (np.abs(lengths - len(encoded)) <= 2)
        rows = np.flatnonzero(similar)
        return rows[self._text.whole()[starts[rows]] == encoded[0]] if encoded else rows[:0]

    def _padded(self, rows: np.ndarray) -> np.ndarray:
        offsets, text = self._offsets.whole(), self._text.whole()
        lengths = (offsets[rows + 1] - offsets[rows])[:, None]
        step = np.arange(lengths.max())
        places = np.minimum(offsets[rows][:, None] + step, len(text) - 1)
        return np.where(step < lengths, text[places], 0)

    def _bytes(self, row: int) -> bytes:
        start, stop = self._offsets.rows(row, row + 2).tolist()
        return self._text.rows(start, stop).tobytes()

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
        return _decoded(self._bytes(row))

    def __iter__(self) -> Iterator[str]:
        return iter(self[:])

    def __contains__(self, word: object) -> bool:
        return isinstance(word, str) and self.find(word) >= 0

    def __repr__(self) -> str:
        return f"Vocabulary({len(self)} words, {', '.join(map(repr, self[:3]))}, ...)"


def _decoded(word: bytes | memoryview) -> str:
    try:
        return str(word, "utf-8", "surrogatepass")
    except UnicodeDecodeError as error:
        raise IntegrityError(f"A word of a vocabulary is damaged: {error}.") from error


def _hash(encoded: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(encoded, digest_size=8).digest(), "little")


def _shared_bytes(words: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Return how many bytes each padded word shares with `wanted`, whatever their order."""
    letters, counts = np.unique(wanted, return_counts=True)
    return sum(
        np.minimum((words == letter).sum(axis=1), count)
        for letter, count in zip(letters, counts, strict=True)
    )


def vocabulary_words(
    label_embedding: Any,
    *,
    n_most_frequent: int | None = None,
    part_of_speech: str | None = None,
    stop_words: str | Iterable[str] | None = None,
    alphabetic: bool = False,
    min_length: int = 1,
) -> np.ndarray:
    """Return words of a label embedding's vocabulary, for ``candidates=``.

    With the defaults they are all words, as with ``candidates="vocabulary"``.

    Parameters
    ----------
    label_embedding : WordVectors, or other label embedding with a `vocabulary`
        Whose words.
    n_most_frequent : int, optional
        Look at so many words from the start of the vocabulary only: the most frequent ones, where
        the file of vectors is in that order, as GloVe, word2vec and fastText are.
    part_of_speech : {"noun"}, optional
        Keep the nouns of WordNet 3.0 in their base form; *dogs* is left out, and so is what
        WordNet does not know. Many a noun is another part of speech as well: *in* is the inch, and
        *he* is helium. `stop_words` leaves these out.
    stop_words : "english" or iterable of str, optional
        Words to leave out, in whatever case; ``"english"`` is scikit-learn's list.
    alphabetic : bool, default=False
        Keep words of letters only, with underscores between them.
    min_length : int, default=1
        Keep words of at least this many characters.

    Returns
    -------
    words : ndarray of shape (n_words,)
        In the order of the vocabulary.

    Raises
    ------
    ValueError
        The embedding has no vocabulary or fewer words than `n_most_frequent`, its labels are
        integers and there is a filter for words, or no word passes.

    Examples
    --------
    >>> from gensim.models import KeyedVectors
    >>> from zeroshot import WordVectors, vocabulary_words
    >>> keyed = KeyedVectors(1)
    >>> keyed.add_vectors(["the", "in", "dog", "dogs", "1990s", "okapi"], [[1]] * 6)
    >>> vectors = WordVectors(keyed)
    >>> vocabulary_words(vectors, part_of_speech="noun").tolist()
    ['in', 'dog', '1990s', 'okapi']
    >>> vocabulary_words(vectors, part_of_speech="noun", stop_words="english")
    array(['dog', '1990s', 'okapi'], dtype='<U5')
    >>> vocabulary_words(vectors, n_most_frequent=5, alphabetic=True, min_length=3).tolist()
    ['the', 'dog', 'dogs']
    """
    words = vocabulary_of(label_embedding, owner=_OWNER)
    if n_most_frequent is not None:
        words = _first(words, n_most_frequent)
    keep = _filters(part_of_speech, stop_words, alphabetic, min_length)
    if not keep:
        return words
    if words.dtype.kind != "U":
        raise ValueError(
            f"{_OWNER}: the labels of {type(label_embedding).__name__} are integers, which are no "
            "words to be filtered. Leave out part_of_speech, stop_words, alphabetic and min_length."
        )
    kept = [word for word in words.tolist() if all(passes(word) for passes in keep)]
    if not kept:
        raise ValueError(
            f"{_OWNER}: none of {len(words)} words of {type(label_embedding).__name__} passes "
            "part_of_speech, stop_words, alphabetic and min_length. Loosen one, or raise "
            "n_most_frequent."
        )
    return np.array(kept)


def vocabulary_of(label_embedding: Any, *, owner: str) -> np.ndarray:
    """Return all labels of the embedding's vocabulary, in its order.

    Raises
    ------
    ValueError
        It has no vocabulary.
    """
    words = getattr(label_embedding, "vocabulary", None)
    if words is None:
        raise ValueError(
            f"{owner}: {label_embedding!r} has no vocabulary. Pass a list of candidates, or a "
            "label_embedding with one, such as WordVectors()."
        )
    return check_labels(words[:], owner=owner, name="the vocabulary")


def _first(words: np.ndarray, n: int) -> np.ndarray:
    check_number(n, owner=_OWNER, name="n_most_frequent", at_least=1, integer=True)
    if n > len(words):
        raise ValueError(
            f"{_OWNER}: n_most_frequent={n} is more than the {len(words)} words of the vocabulary. "
            f"Pass at most {len(words)}, or None for all."
        )
    return words[:n]


def _filters(
    part_of_speech: Any, stop_words: Any, alphabetic: Any, min_length: Any
) -> list[Callable[[str], bool]]:
    """Return what a word must pass, cheapest first."""
    check_number(min_length, owner=_OWNER, name="min_length", at_least=1, integer=True)
    if not isinstance(alphabetic, (bool, np.bool_)):
        raise ValueError(f"{_OWNER}: alphabetic must be True or False, got {alphabetic!r}.")
    filters: list[Callable[[str], bool]] = []
    if min_length > 1:
        filters.append(lambda word: len(word) >= min_length)
    if alphabetic:
        filters.append(lambda word: word.replace("_", "").isalpha())
    if stop_words is not None:
        stopped = _stop_words(stop_words)
        filters.append(lambda word: word.lower() not in stopped)
    if part_of_speech is not None:
        check_option(part_of_speech, ("noun",), owner=_OWNER, name="part_of_speech")
        nouns = frozenset(noun_graph().lemmas)
        filters.append(lambda word: word.lower() in nouns)
    return filters


def _stop_words(stop_words: Any) -> frozenset[str]:
    if isinstance(stop_words, str):
        check_option(stop_words, ("english",), owner=_OWNER, name="stop_words")
        from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

        return ENGLISH_STOP_WORDS
    if not isinstance(stop_words, Iterable):
        raise ValueError(
            f"{_OWNER}: stop_words must be 'english', words, or None, got {stop_words!r}."
        )
    words = list(stop_words)
    others = [word for word in words if not isinstance(word, str)]
    if others:
        raise ValueError(f"{_OWNER}: stop_words must be strings, got {others[0]!r}.")
    return frozenset(word.lower() for word in words)
