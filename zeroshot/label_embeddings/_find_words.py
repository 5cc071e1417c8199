"""Look-up of a label's words in a vocabulary: the first reading that it knows.

A label that the vocabulary holds exactly as written is that word, be it a comma. Else a whole that
it holds is taken before its parts: first the name with underscores between its parts (word2vec's
``"ice_cream"``), then each part as it is written (``"T-shirt"``, ``"x-ray"``, ``"AT&T"``), and only
then words. CamelCase is a whole that the vocabulary holds (``"YouTube"``), unless WordNet has its
words as one noun (``"LawnMower"``). A spelling is looked up as written, then in lower case, without
accents, capitalised, and in upper case: cased vocabularies have ``"French"``, others ``"french"``.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from zeroshot.taxonomy._label_text import humps, is_weak, split_parts, split_pieces, split_word
from zeroshot.taxonomy._lemmas import find_lemma
from zeroshot.taxonomy._readings import read_label

Find = Callable[[str], int]
"""Looks a spelling up exactly; gives its row, or -1."""


@dataclass
class FoundWords:
    """The words of one synonym: `rows` of those that a vocabulary has, `missing` spellings.

    `words` are spelled as in the vocabulary. `weak` are those of them that are numbers or single
    letters and no part of a known name: "747" of "Boeing 747", but not "c" of "vitamin C".
    """

    rows: list[int] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    words: list[str] = field(default_factory=list)
    weak: list[str] = field(default_factory=list)

    def take(self, word: str, find: Find) -> bool:
        """Take a word in the first spelling that the vocabulary has, if it has one."""
        for spelling in _spellings(word):
            row = find(spelling)
            if row >= 0:
                self.rows.append(row)
                self.words.append(spelling)
                return True
        return False


def find_words(label: str, find: Find) -> list[FoundWords]:
    """Return which rows of a vocabulary stand for each synonym, and which words it lacks.

    Parameters
    ----------
    label : str
        A label, or a list of synonyms between commas.
    find : callable
        From an exact spelling to its row, -1 where the vocabulary does not have it.

    Returns
    -------
    list of FoundWords
        One a synonym, by the rule that this module's docstring gives. Where nothing is found but
        numbers and single letters, they count as missing, unless the label is just that.

    Examples
    --------
    >>> rows = {"ice_cream": 0, "red": 1, "t-shirt": 2}
    >>> from zeroshot.label_embeddings._find_words import find_words
    >>> for found in find_words("ice cream, Red T-Shirt, red fez", lambda w: rows.get(w, -1)):
    ...     print(found.rows, found.missing)
    [0] []
    [1, 2] []
    [1] ['fez']
    """
    for written in (label, unicodedata.normalize("NFC", label)):
        row = find(written)
        if row >= 0:
            return [FoundWords([row], words=[written], weak=[written] if is_weak(written) else [])]
    read = read_label(label)
    whole = FoundWords()
    if read.written[:1].isdecimal() and whole.take(read.written, find):
        return [whole]  # "7-Eleven", before its number goes
    return [_find_name(name, find) for name in read.names]


def _find_name(name: str, find: Find) -> FoundWords:
    parts = split_parts(name)
    found = FoundWords()
    joined = len(parts) > 1 and any(map(is_weak, parts)) and bool(find_lemma(name)[1])
    gaps = "" if len(parts) < 2 else "_-" if joined else "_"
    if any(found.take(gap.join(parts), find) for gap in gaps):
        return found  # "ice_cream", and "t-shirt" for "T shirt"
    for part in parts:
        _find_part(part, find, found)
    weak = [word for word in found.words if is_weak(word)]
    if weak and weak == found.words and name.lower() != weak[0].lower():
        return FoundWords(missing=[*weak, *found.missing])
    is_known = len(found.words) > 1 and bool(weak) and bool(find_lemma(name)[1])
    found.weak = [] if is_known else weak
    return found


def _find_part(part: str, find: Find, found: FoundWords) -> None:
    if find(part) >= 0 or not humps(part):
        if found.take(part, find) or ("-" in part and found.take(part.replace("-", "_"), find)):
            return
    for piece in split_pieces(part):
        _find_piece(piece, find, found)


def _find_piece(piece: str, find: Find, found: FoundWords) -> None:
    apart = humps(piece)
    if not _all_found(apart, find):
        apart = []
    is_compound = find(piece) < 0 and "_" in find_lemma(" ".join(apart))[0]
    if not (apart and is_compound) and found.take(piece, find):
        return
    for word in apart or split_word(piece, least=1):
        if not found.take(word, find):
            found.missing.append(word.lower())


def _all_found(words: list[str], find: Find) -> bool:
    return all(FoundWords().take(word, find) for word in words)


def _spellings(word: str) -> Iterator[str]:
    lower = word.lower()
    yield word
    yield lower
    plain = "".join(c for c in unicodedata.normalize("NFKD", lower) if not unicodedata.combining(c))
    if plain != lower:
        yield plain
    yield "_".join(part[:1].upper() + part[1:] for part in lower.split("_"))
    yield word.upper()
