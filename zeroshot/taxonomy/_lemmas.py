"""Look-up of nouns in WordNet: identifiers, lemmas in any spelling, near matches."""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Iterator

from zeroshot.taxonomy._graph import noun_graph
from zeroshot.taxonomy._label_text import humps

# WordNet's own rules of detachment for nouns (morphy(7WN)), in the same order.
_ENDINGS = (
    ("s", ""),
    ("ses", "s"),
    ("ves", "f"),
    ("xes", "x"),
    ("zes", "z"),
    ("ches", "ch"),
    ("shes", "sh"),
    ("men", "man"),
    ("ies", "y"),
)
_WNID = re.compile(r"n(\d{8})")
_NAME = re.compile(r"(.+)\.n\.(\d+)", re.DOTALL)
_SHORTEST = 4
"""Shorter texts are looked up as they are written only."""


def find_identifier(text: str) -> int | None:
    """Return the node of a wnid or an nltk name, or None if there is none."""
    graph = noun_graph()
    wnid = _WNID.fullmatch(text)
    if wnid:
        node = graph.node_at(int(wnid[1]))
        return node if node >= 0 else None
    name = _NAME.fullmatch(text)
    if name:
        senses = graph.senses(name[1].lower().replace(" ", "_"))
        sense = int(name[2])
        if 1 <= sense <= len(senses):
            return senses[sense - 1]
    return None


def looks_like_identifier(text: str) -> bool:
    """Return whether `text` has the form of a wnid or an nltk name."""
    return bool(_WNID.fullmatch(text) or re.fullmatch(r".+\.n\.\d+", text, re.DOTALL))


def near_names(identifier: str) -> list[str]:
    """Return names of synsets with a spelling similar to `identifier`."""
    if _WNID.fullmatch(identifier):
        return []
    name = _NAME.fullmatch(identifier)
    word = name[1] if name else identifier
    graph = noun_graph()
    lemma, _ = find_lemma(word)
    lemmas = [lemma] if lemma else near_lemmas(word)
    found = [f"{lemma}.n.{i + 1:02d}" for lemma in lemmas for i in range(len(graph.senses(lemma)))]
    return found[:3]


def near_lemmas(text: str, n: int = 3) -> list[str]:
    """Return up to `n` lemmas with a spelling similar to `text`, best first."""
    wanted = "_".join(text.lower().split())
    if not wanted:
        return []
    near = [
        lemma
        for lemma in noun_graph().lemmas
        if lemma[0] == wanted[0] and abs(len(lemma) - len(wanted)) <= 2
    ]
    return difflib.get_close_matches(wanted, near, n=n, cutoff=0.7)


def noun_forms(word: str) -> list[str]:
    """Return the possible lemmas of a word, the word itself first: WordNet's morphy, for nouns.

    Parameters
    ----------
    word : str
        Word in lower case, with underscores for spaces.

    Examples
    --------
    >>> from zeroshot.taxonomy._lemmas import noun_forms
    >>> noun_forms("wolves"), noun_forms("glasses"), noun_forms("field_mice")
    (['wolf'], ['glasses', 'glass'], ['field_mouse'])
    """
    graph = noun_graph()
    if word in graph.exceptions:
        forms = graph.exceptions[word]
    else:
        forms = [word[: -len(old)] + new for old, new in _ENDINGS if word.endswith(old)]
        before, gap, last = word.rpartition("_")
        forms += [before + gap + form for form in graph.exceptions.get(last, ()) if gap]
    return [form for form in dict.fromkeys([word, *forms]) if graph.lemma_row(form) >= 0]


def find_lemma(text: str) -> tuple[str, list[int]]:
    """Return the lemma that `text` stands for and its senses, or ``("", [])``.

    The first spelling that WordNet has wins: as written, then with hyphens and spaces exchanged or
    left out, without accents, and with CamelCase taken apart. The last choice is a lemma with the
    same letters and digits, with any characters between them.

    Examples
    --------
    >>> from zeroshot.taxonomy._lemmas import find_lemma
    >>> find_lemma("PickupTruck")[0], find_lemma("tee shirt")[0], find_lemma("lawnmower")[0]
    ('pickup_truck', 'tee_shirt', 'lawn_mower')
    >>> find_lemma("wire haired fox terrier")[0], find_lemma("St. Bernard")[0]
    ('wire-haired_fox_terrier', 'st_bernard')
    """
    graph = noun_graph()
    for spelling in _spellings(text):
        forms = noun_forms(spelling)
        if forms:
            nodes = dict.fromkeys(node for form in forms for node in graph.senses(form))
            return forms[0], list(nodes)
    lemma = _same_letters(text)
    return lemma, graph.senses(lemma)


def words_of(name: str) -> list[str]:
    """Return the words of a name, in lower case. Hyphens join words, CamelCase separates them."""
    return [
        word.lower()
        for part in re.split(r"[\s_]+", name)
        for word in (humps(part) or [part])
        if word
    ]


def _spellings(text: str) -> Iterator[str]:
    text = text.replace("’", "'").strip()
    whole = "_".join(part for part in re.split(r"[\s_]+", text.lower()) if part)
    if not whole:
        return
    apart = "_".join(words_of(text))
    for base in dict.fromkeys([whole, apart]):
        yield base
        yield base.replace("-", "_")
        yield base.replace("_", "-")
        yield re.sub("[-_]", "", base)
        bare = unicodedata.normalize("NFKD", base)
        yield "".join(letter for letter in bare if not unicodedata.combining(letter))


def _same_letters(text: str) -> str:
    """Return the lemma with the letters and digits of `text`, or of its singular, or "".

    Among several, a lemma with spaces in the same places as `text` comes first, then the one with
    more senses.
    """
    wanted = _letters(text)
    if len(wanted) < _SHORTEST:
        return ""
    singulars = [wanted[: -len(old)] + new for old, new in _ENDINGS if wanted.endswith(old)]
    graph, gaps = noun_graph(), _gaps(text)
    by_letters = graph.lemmas_by_letters
    for key in (wanted, *singulars):
        if key in by_letters:
            return max(by_letters[key], key=lambda x: (_gaps(x) == gaps, len(graph.senses(x))))
    return ""


def _gaps(text: str) -> int:
    return len(re.split(r"[\s_-]+", text))


def _letters(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text.lower())
    return "".join(char for char in plain if char.isalnum())
