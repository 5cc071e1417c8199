"""Words of a label embedding's vocabulary, chosen to be candidates."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from zeroshot._validation import check_labels, check_number, check_option
from zeroshot.taxonomy._graph import noun_graph

_OWNER = "vocabulary_words"


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
        WordNet does not know. Many a noun is another part of speech as well: *in* is the inch.
    stop_words : "english" or iterable of str, optional
        Words to leave out, in whatever case; ``"english"`` is scikit-learn's list.
    alphabetic : bool, default=False
        Keep words of letters only, with underscores between them.
    min_length : int, default=1
        Keep words of so many characters at least.

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
