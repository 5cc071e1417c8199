"""The one place where label text becomes synonyms and words.

The rule, for a label such as ``"jersey, T-shirt, tee_shirt"``:

1. Commas and semicolons separate synonyms, except inside parentheses and between digits.
2. White space, underscores, parentheses, brackets and quotes separate a synonym's parts. What
   stands in parentheses counts as words of the label: ``"crane (bird)"`` is *crane* and *bird*.
3. Hyphens and all other punctuation but the apostrophe separate a part's words; so do changes from
   lower to upper case (``"MapleTree"``, unless that would leave a single letter: ``"iPhone"``),
   and changes between letters and digits, two of each at least (``"Boeing747"``, not ``"mp3"``).
4. A possessive's *'s* and an elided *o'*, *d'*, *l'* or *n'* are no words: ``"potter's wheel"`` is
   *potter* and *wheel*, ``"jack-o'-lantern"`` is *jack* and *lantern*.
5. Case is folded.

Where a vocabulary is at hand (`find_words`), a label that it holds exactly as written is that word,
be it a comma. Else a whole that it holds is taken before its parts: first the synonym with
underscores between its parts (word2vec's ``"ice_cream"``), then each part as it is written
(``"T-shirt"``, ``"x-ray"``, ``"AT&T"``), and only then words. A spelling is looked up as written,
then in lower case, without accents, capitalised, and in upper case: cased vocabularies answer to
``"French"``, others to ``"french"``.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

Find = Callable[[str], int]
"""Looks a spelling up exactly; gives its row, or -1."""

_SYNONYM_BREAK = re.compile(r"(?:;|(?<!\d),|,(?!\d))(?![^(]*\))")
_PART_BREAK = re.compile(r"[\s_()\[\]{}\"“”]+")
_WORD_BREAK = re.compile(r"[^\w']+")
_ELISIONS = frozenset({"o'", "d'", "l'", "n'", "'n", "'n'", "'s", "s'"})


@dataclass
class FoundWords:
    """The words of one synonym: `rows` of those that a vocabulary has, `missing` spellings."""

    rows: list[int] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)


def label_words(text: str) -> list[list[str]]:
    """Return the words of each synonym in a label's text, in lower case.

    Parameters
    ----------
    text : str
        A label, or a list of synonyms between commas.

    Returns
    -------
    list of list of str
        One list a synonym; synonyms without any word are left out.

    Examples
    --------
    >>> from zeroshot.label_embeddings._label_text import label_words
    >>> label_words("pickup_truck")
    [['pickup', 'truck']]
    >>> label_words("MapleTree, jack-o'-lantern, crane (bird)")
    [['maple', 'tree'], ['jack', 'lantern'], ['crane', 'bird']]
    """
    synonyms = (
        [
            word.lower()
            for part in _parts(synonym)
            for piece in _pieces(part)
            for word in _split(piece)
        ]
        for synonym in _synonyms(text)
    )
    return [words for words in synonyms if words]


def find_words(text: str, find: Find) -> list[FoundWords]:
    """Return which rows of a vocabulary stand for each synonym, and which words it lacks.

    Parameters
    ----------
    text : str
        A label, or a list of synonyms between commas.
    find : callable
        From an exact spelling to its row, -1 where the vocabulary does not have it.

    Returns
    -------
    list of FoundWords
        One a synonym, by the rule that this module's docstring gives.

    Examples
    --------
    >>> from zeroshot.label_embeddings._label_text import find_words
    >>> rows = {"ice_cream": 0, "red": 1, "t-shirt": 2}
    >>> for found in find_words("ice cream, Red T-Shirt, red fez", lambda w: rows.get(w, -1)):
    ...     print(found.rows, found.missing)
    [0] []
    [1, 2] []
    [1] ['fez']
    """
    whole = find(text)
    if whole >= 0:
        return [FoundWords([whole])]
    return [_find_synonym(_parts(synonym), find) for synonym in _synonyms(text)]


def _find_synonym(parts: list[str], find: Find) -> FoundWords:
    if len(parts) > 1:
        whole = _find_spelling("_".join(parts), find)
        if whole >= 0:
            return FoundWords([whole])
    found = FoundWords()
    for part in parts:
        row = _find_spelling(part, find) if not _humps(part) else find(part)
        if row < 0 and "-" in part:
            row = _find_spelling(part.replace("-", "_"), find)
        if row >= 0:
            found.rows.append(row)
            continue
        for piece in _pieces(part):
            _find_piece(piece, find, found)
    return found


def _find_piece(piece: str, find: Find, found: FoundWords) -> None:
    # Humps come before the whole in lower case, so that "LawnMower" and "lawn_mower" are one label
    # even where the vocabulary has "lawnmower" too.
    humps = _humps(piece)
    if find(piece) < 0 and humps:
        rows = [_find_spelling(word, find) for word in humps]
        if min(rows) >= 0:
            found.rows.extend(rows)
            return
    row = _find_spelling(piece, find)
    if row >= 0:
        found.rows.append(row)
        return
    for word in _split(piece, least=1):
        row = _find_spelling(word, find)
        if row >= 0:
            found.rows.append(row)
        else:
            found.missing.append(word.lower())


def _find_spelling(word: str, find: Find) -> int:
    for spelling in _spellings(word):
        row = find(spelling)
        if row >= 0:
            return row
    return -1


def _spellings(word: str) -> Iterator[str]:
    lower = word.lower()
    yield word
    yield lower
    plain = "".join(c for c in unicodedata.normalize("NFKD", lower) if not unicodedata.combining(c))
    if plain != lower:
        yield plain
    yield "_".join(part[:1].upper() + part[1:] for part in lower.split("_"))
    yield word.upper()


def _synonyms(text: str) -> list[str]:
    text = unicodedata.normalize("NFC", text).replace("’", "'").replace("‘", "'")
    return [synonym for synonym in _SYNONYM_BREAK.split(text) if synonym.strip()]


def _parts(synonym: str) -> list[str]:
    return [part for part in _PART_BREAK.split(synonym) if part]


def _pieces(part: str) -> list[str]:
    """Split at punctuation, and take possessives and elisions off."""
    pieces = []
    for piece in _WORD_BREAK.split(part):
        if piece.lower() in _ELISIONS:
            continue
        bare = re.sub(r"'s$", "", piece, flags=re.IGNORECASE).strip("'")
        if bare:
            pieces.append(bare)
    return pieces


def _humps(word: str) -> list[str]:
    """Return the words of CamelCase, or nothing where the case shows none."""
    starts = [
        i
        for i in range(1, len(word))
        if word[i].isupper()
        and (
            word[i - 1].islower()
            # "TVSet" and "MP3Player", but not "DVDs"
            or (word[i - 1].isalnum() and i + 2 < len(word) and word[i + 1 : i + 3].islower())
        )
    ]
    words = _cut(word, starts)
    return words if starts and min(map(len, words)) > 1 else []


def _split(word: str, *, least: int = 2) -> list[str]:
    """Split at humps, and between letters and digits where both sides have `least` of them."""
    return [
        piece
        for hump in (_humps(word) or [word])
        for piece in _cut(hump, _digit_breaks(hump, least))
    ]


def _digit_breaks(word: str, least: int) -> list[int]:
    runs = [match.span() for match in re.finditer(r"\d+|[^\d]+", word)]
    if min((stop - start for start, stop in runs), default=0) < least:
        return []
    return [start for start, _ in runs[1:]]


def _cut(word: str, starts: list[int]) -> list[str]:
    return [word[a:b] for a, b in zip([0, *starts], [*starts, len(word)], strict=True)]
