"""The label embeddings that the studies here compare.

Each is a function of a data set (``"cifar100"`` or ``"tiny_imagenet"``) and its class names; None
where the data set has no such thing. Another one is another line of the table.
"""

from __future__ import annotations

from collections.abc import Callable

from zeroshot import ConcatEmbedding, LabelEmbedding, WordNetEmbedding, WordVectors
from zeroshot.datasets import label_texts
from zeroshot.taxonomy import class_synsets, synset


def synonyms(data_set: str) -> dict[str, str]:
    """Return the synonyms of each class: ``"gasmask, respirator, gas helmet"``."""
    return {name: ", ".join(synset(id_).lemmas) for name, id_ in class_synsets(data_set).items()}


def word_vectors(data_set: str, names: list[str]) -> LabelEmbedding:
    """Return word vectors of the bare names; of its synonyms where a name's words have none."""
    bare = WordVectors()
    known = dict(zip(names, bare.covers(names), strict=True))
    texts = {name: text for name, text in synonyms(data_set).items() if not known[name]}
    return WordVectors(overrides=texts) if texts else bare


def word_vectors_of_synonyms(data_set: str, names: list[str]) -> LabelEmbedding:
    """Return the mean word vectors of all synonyms that WordNet has."""
    return WordVectors(overrides=synonyms(data_set))


def word_vectors_of_texts(data_set: str, names: list[str]) -> LabelEmbedding | None:
    """Return word vectors of what ambiguous names mean, which is written down for CIFAR-100."""
    return WordVectors(overrides=label_texts(data_set)) if data_set == "cifar100" else None


def wordnet(data_set: str, names: list[str]) -> LabelEmbedding:
    """Return what the classes are kinds of, by their synsets."""
    return WordNetEmbedding(vocabulary=names, overrides=class_synsets(data_set))


def both(data_set: str, names: list[str]) -> LabelEmbedding:
    """Return word vectors beside WordNet: of the texts, or where there are none of the synonyms."""
    words = word_vectors_of_texts(data_set, names) or word_vectors_of_synonyms(data_set, names)
    return ConcatEmbedding([words, wordnet(data_set, names)])


EMBEDDINGS: dict[str, Callable[[str, list[str]], LabelEmbedding | None]] = {
    "word vectors, bare names": word_vectors,
    "word vectors, synonyms": word_vectors_of_synonyms,
    "word vectors, label texts": word_vectors_of_texts,
    "WordNet": wordnet,
    "word vectors and WordNet": both,
}
