"""Label text: splitting of labels without a dictionary.

Other modules call `read_label` (``_readings.py``), which uses the functions of this module.

1. White space and byte order marks around a label are removed. Composed and decomposed Unicode
   forms are equal.
2. Data sets write codes before a name: ``"n02085620-Chihuahua"``, ``"118.House_Sparrow"``,
   ``"007_apple"``, ``"a/abbey"``. They write underscores and plus signs for spaces:
   ``"killer+whale"``.
3. Commas and semicolons separate synonyms, except inside parentheses and between digits.
4. White space, underscores, parentheses, brackets and quotes separate the parts of a name. Words in
   parentheses count as words of the label: ``"crane (bird)"`` is *crane* and *bird*.
5. Hyphens and all other punctuation but the apostrophe separate a part's words. So do changes from
   lower to upper case (``"MapleTree"``, unless that would leave a single letter, as in
   ``"iPhone"``, or a word that starts names, as in ``"McLaren"`` and ``"YouTube"``), and changes
   between letters and digits, two of each at least (``"Boeing747"``, not ``"mp3"``).
6. A possessive's *'s* and an elided *o'*, *d'*, *l'* or *n'* are not words: ``"potter's wheel"`` is
   *potter* and *wheel*, ``"jack-o'-lantern"`` is *jack* and *lantern*.
7. Case is folded.
"""

from __future__ import annotations

import re
import unicodedata

_SYNONYM_BREAK = re.compile(r"(?:;|(?<!\d),|,(?!\d))(?![^(]*\))")
_PART_BREAK = re.compile(r"[\s_()\[\]{}\"“”]+")
_WORD_BREAK = re.compile(r"[^\w']+")
_ELISIONS = frozenset({"o'", "d'", "l'", "n'", "'n", "'n'", "'s", "s'"})
_MARKS = "\ufeff\u200b\u200e\u200f"
_LETTER = r"[^\W\d_]"
_WNID_IN_FRONT = re.compile(r"(n\d{8})[\s_.\-]+(?=\S)(.+)", re.DOTALL)
# "118.House_Sparrow" and "007_apple" begin with codes. "12_apple" and "3-piece suit" are names.
_CODE_NUMBER = re.compile(rf"(?:\d+\.|0\d+[._\-\s])[\s_\-]*(?={_LETTER})")
_NUMBER_IN_FRONT = re.compile(rf"\d+[._\-]+\s*(?={_LETTER})")
_LETTER_IN_FRONT = re.compile(r"/?([a-z])/(?=\1)", re.IGNORECASE)
_PLUS = re.compile(rf"(?<={_LETTER}{_LETTER})\+(?={_LETTER}{_LETTER})")
# Humps that begin or end a brand or a family name instead of a compound of words.
_NOT_OF_COMPOUNDS = frozenset(
    {"da", "de", "di", "fitz", "in", "it", "la", "le", "mac", "mc", "me", "my", "on", "up", "you"}
)


def as_written(label: str) -> str:
    r"""Return a label in composed Unicode, without surrounding white space and byte order marks.

    Examples
    --------
    >>> from zeroshot.taxonomy._label_text import as_written
    >>> as_written("\ufeff cafe\u0301 \n") == "café"
    True
    """
    text = unicodedata.normalize("NFC", label)
    while (stripped := text.strip().strip(_MARKS)) != text:
        text = stripped
    return text


def split_code(text: str) -> tuple[str, str]:
    """Return the code that a data set writes before a name ("" if there is none), and the name.

    Examples
    --------
    >>> from zeroshot.taxonomy._label_text import split_code
    >>> split_code("n02085620-Chihuahua"), split_code("118.House_Sparrow"), split_code("a/abbey")
    (('n02085620', 'Chihuahua'), ('118.', 'House_Sparrow'), ('a/', 'abbey'))
    >>> split_code("3D_printer"), split_code("12_apple"), split_code("a/apse/indoor")
    (('', '3D_printer'), ('', '12_apple'), ('a/', 'apse (indoor)'))
    """
    wnid = _WNID_IN_FRONT.fullmatch(text)
    if wnid:
        return wnid[1], wnid[2]
    letter = _LETTER_IN_FRONT.match(text)
    if letter:
        name, _, kind = text[letter.end() :].partition("/")
        return letter[0], f"{name} ({kind.replace('/', ' ')})" if kind else name
    number = _CODE_NUMBER.match(text)
    return (number[0], text[number.end() :]) if number else ("", text)


def without_number(text: str) -> str:
    """Return a name without the number and the separator before it, if it has them.

    Examples
    --------
    >>> from zeroshot.taxonomy._label_text import without_number
    >>> without_number("12_apple"), without_number("3D_printer"), without_number("7 dwarfs")
    ('apple', '3D_printer', '7 dwarfs')
    """
    number = _NUMBER_IN_FRONT.match(text)
    return text[number.end() :] if number else text


def spaced(name: str) -> str:
    """Return a name with spaces in place of the underscores and plus signs of data sets.

    Examples
    --------
    >>> from zeroshot.taxonomy._label_text import spaced
    >>> spaced("killer+whale"), spaced("C++"), spaced("pickup_truck")
    ('killer whale', 'C++', 'pickup truck')
    """
    return " ".join(_PLUS.sub(" ", name).replace("_", " ").split())


def split_synonyms(text: str) -> list[str]:
    """Return the synonyms between commas or semicolons, one or more."""
    text = text.replace("’", "'").replace("‘", "'")
    parts = (part.strip() for part in _SYNONYM_BREAK.split(text))
    return [part for part in parts if part]


def split_parts(name: str) -> list[str]:
    """Return the parts between white space, underscores, brackets and quotes."""
    return [part for part in _PART_BREAK.split(name) if part]


def split_pieces(part: str) -> list[str]:
    """Split at punctuation, and remove possessives and elisions."""
    pieces = []
    for piece in _WORD_BREAK.split(part):
        if piece.lower() in _ELISIONS:
            continue
        bare = re.sub(r"'s$", "", piece, flags=re.IGNORECASE).strip("'")
        if bare:
            pieces.append(bare)
    return pieces


def humps(word: str) -> list[str]:
    """Return the words of CamelCase, or an empty list if the case shows none.

    Examples
    --------
    >>> from zeroshot.taxonomy._label_text import humps
    >>> humps("AnnualCrop"), humps("MP3Player"), humps("iPhone"), humps("YouTube")
    (['Annual', 'Crop'], ['MP3', 'Player'], [], [])
    """
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
    if not starts or min(map(len, words)) < 2:
        return []
    return [] if _NOT_OF_COMPOUNDS & {part.lower() for part in words} else words


def split_word(word: str, *, least: int = 2) -> list[str]:
    """Split at humps, and between letters and digits if both sides have at least `least`."""
    return [
        piece
        for hump in (humps(word) or [word])
        for piece in _cut(hump, _digit_breaks(hump, least))
    ]


def name_words(name: str) -> list[str]:
    """Return the words of one name, split as far as possible, in lower case.

    Examples
    --------
    >>> from zeroshot.taxonomy._label_text import name_words
    >>> name_words("MapleTree"), name_words("jack-o'-lantern"), name_words("crane (bird)")
    (['maple', 'tree'], ['jack', 'lantern'], ['crane', 'bird'])
    """
    return [
        word.lower()
        for part in split_parts(name)
        for piece in split_pieces(part)
        for word in split_word(piece)
    ]


def is_weak(word: str) -> bool:
    """Return whether a word is a number or a single letter, which does not describe a class.

    Examples
    --------
    >>> from zeroshot.taxonomy._label_text import is_weak
    >>> [is_weak(word) for word in ("118", "n", "é", "1990s", "ox", "猫")]
    [True, True, True, False, False, False]
    """
    return word.isdecimal() or (len(word) == 1 and word.lower() != word.upper())


def _digit_breaks(word: str, least: int) -> list[int]:
    runs = [match.span() for match in re.finditer(r"\d+|[^\d]+", word)]
    if min((stop - start for start, stop in runs), default=0) < least:
        return []
    return [start for start, _ in runs[1:]]


def _cut(word: str, starts: list[int]) -> list[str]:
    return [word[a:b] for a, b in zip([0, *starts], [*starts, len(word)], strict=True)]
