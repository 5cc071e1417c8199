"""Readings of a label, from its text as written to its single words.

All code that looks up a label calls `read_label`: word vectors, WordNet, sentences and CLIP,
tables, similarities and the command line. `readings` lists in order the texts to look up for it.
Each source takes the first one that it knows. A vocabulary of words knows few names, and splits a
name part by part as far as necessary. WordNet looks up whole names. A text model accepts any text:
it gets the label as written, without the code of a data set, and with spaces for underscores.
"""

from __future__ import annotations

from dataclasses import dataclass

from zeroshot.taxonomy._graph import noun_graph, remembered, spelled
from zeroshot.taxonomy._label_text import (
    as_written,
    is_weak,
    name_words,
    spaced,
    split_code,
    split_synonyms,
    without_number,
)
from zeroshot.taxonomy._lemmas import find_identifier, find_lemma, looks_like_identifier


@dataclass(frozen=True)
class LabelText:
    """The meaning of a label.

    Attributes
    ----------
    written : str
        The label in composed Unicode, without surrounding white space.
    text : str
        Text for a text model; "" if the label is an identifier without a synset.
    names : tuple of str
        Its synonyms, usually one.
    node : int or None
        The synset, if the label has a wnid or an nltk name.
    """

    written: str
    text: str
    names: tuple[str, ...]
    node: int | None = None

    @property
    def texts(self) -> tuple[str, ...]:
        """Text for a text model: the synonyms if WordNet has them as synonyms, else one text.

        A sentence with a comma is not a list of synonyms.
        """
        return self.names if len(self.names) > 1 and _share_a_synset(self.names) else (self.text,)

    @property
    def is_weak(self) -> bool:
        """Whether the label has only numbers and single letters."""
        return all(map(is_weak, self.text.split()))


@remembered
def read_label(label: str) -> LabelText:
    """Return the meaning of a label.

    Parameters
    ----------
    label : str
        Label as people and data sets write it.

    Examples
    --------
    >>> from zeroshot.taxonomy._readings import read_label
    >>> read_label("118.House_Sparrow").text, read_label("n02129165").text
    ('House Sparrow', 'lion')
    >>> read_label("jersey, T-shirt").texts, read_label("a dog, running on grass").texts
    (('jersey', 'T-shirt'), ('a dog, running on grass',))
    """
    written = as_written(label)
    if looks_like_identifier(written):
        node = find_identifier(written)
        name = "" if node is None else _first_lemma(node)
        return LabelText(written, name, (name,) if name else (), node)
    code, name = split_code(written)
    node = find_identifier(code) if code else None
    text = spaced(name)
    bare = spaced(without_number(name))
    if bare != text:
        if find_lemma(text)[1]:
            bare = text
        elif "_" in name and find_lemma(bare)[1]:
            text = bare
    return LabelText(written, text, tuple(split_synonyms(bare)), node)


def readings(label: str) -> list[tuple[str, ...]]:
    """Return the readings of a label, from the text as written to the single words.

    Each reading is a tuple of synonyms. Callers take the first reading that they know.

    Examples
    --------
    >>> from zeroshot.taxonomy._readings import readings
    >>> for reading in readings("012.Blue_JayBird, jay"):
    ...     print(reading)
    ('012.Blue_JayBird, jay',)
    ('Blue JayBird, jay',)
    ('Blue JayBird', 'jay')
    ('blue jay bird', 'jay')
    """
    read = read_label(label)
    words = tuple(" ".join(name_words(name)) for name in read.names)
    found = [(read.written,), (read.text,), read.names, tuple(filter(None, words))]
    return [reading for reading in dict.fromkeys(found) if any(reading)]


def text_of(label: object) -> str:
    """Return the text to look up for a label, or for the texts that replace it."""
    if isinstance(label, tuple):
        return " | ".join(map(str, label))
    return read_label(label).text if isinstance(label, str) else str(label)


def code_of(label: object) -> str:
    """Return a note on the code in a label: that it was left out, or its meaning."""
    if not isinstance(label, str):
        return ""
    read = read_label(label)
    code, name = split_code(read.written)
    if read.node is not None and not code:
        return f"the name of {read.written}"
    if not code and read.text != spaced(name):
        code = name[: len(name) - len(without_number(name))]
    return f"without {code!r}" if code else ""


def same_name(label: str) -> str:
    """Return a key that is equal only for spellings of the same label.

    Examples
    --------
    >>> from zeroshot.taxonomy._readings import same_name
    >>> same_name("School_Bus") == same_name("school+bus") == same_name("007.SchoolBus")
    True
    """
    read = read_label(label)
    words = [name_words(name) for name in read.names]
    return str(words) if any(words) else read.written


def _first_lemma(node: int) -> str:
    graph = noun_graph()
    first = graph.lemma_starts[node]
    lemma = graph.lemmas[graph.synset_lemmas[first]]
    return spelled(lemma, graph.lemma_cases[first]).replace("_", " ")


def _share_a_synset(names: tuple[str, ...]) -> bool:
    first, *others = (set(find_lemma(name)[1]) for name in names)
    return bool(first.intersection(*others))
