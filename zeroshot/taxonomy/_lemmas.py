"""From a word or several, as people write them, to a lemma of WordNet."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

from zeroshot.taxonomy._graph import noun_graph

# WordNet's own rules of detachment for nouns (morphy(7WN)), in its order.
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
_HUMP = re.compile(r"(?<=[a-z])(?=[A-Z][a-z])")


def noun_forms(word: str) -> list[str]:
    """Return the lemmas that a word may be a form of, itself first: WordNet's morphy, for nouns.

    Parameters
    ----------
    word : str
        In lower case, with underscores between words.

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
    """Return a lemma that `text` may be, and the senses, or ``("", [])``.

    The first spelling that WordNet has wins: as written, then with hyphens and spaces exchanged or
    left out, without accents, and with CamelCase taken apart.

    Examples
    --------
    >>> from zeroshot.taxonomy._lemmas import find_lemma
    >>> find_lemma("PickupTruck")[0], find_lemma("tee shirt")[0], find_lemma("lawnmower")[0]
    ('pickup_truck', 'tee_shirt', 'lawn_mower')
    """
    graph = noun_graph()
    for spelling in _spellings(text):
        forms = noun_forms(spelling)
        if forms:
            nodes = dict.fromkeys(node for form in forms for node in graph.senses(form))
            return forms[0], list(nodes)
    return "", []


def words_of(text: str) -> list[str]:
    """Return the words of a name, in lower case; a hyphen joins, CamelCase separates."""
    apart = _HUMP.sub(" ", _plain(text))
    return [word for word in re.split(r"[\s_]+", apart.lower()) if word]


def _spellings(text: str) -> Iterator[str]:
    text = _plain(text)
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
    if "_" not in whole:
        yield from _split_anywhere(whole.replace("-", ""))


def _split_anywhere(word: str) -> Iterator[str]:
    """Yield a word cut in two lemmas of three letters at least: "lawnmower" is "lawn_mower"."""
    for place in range(3, len(word) - 2):
        yield f"{word[:place]}_{word[place:]}"


def _plain(text: str) -> str:
    return unicodedata.normalize("NFC", text).replace("’", "'").strip()
