"""Noun graphs as arrays: that of WordNet 3.0, which is read once and shared, or another one."""

from __future__ import annotations

import bisect
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache, cached_property, wraps
from importlib.resources import files
from typing import TypeVar
from weakref import WeakKeyDictionary

import numpy as np

Found = TypeVar("Found")

_REMEMBERED_TEXTS = 50_000


@dataclass(frozen=True, eq=False)
class NounGraph:
    """Noun synsets, numbered in the order of their offsets.

    Attributes
    ----------
    offsets : ndarray of int32 of shape (n_synsets,)
        Byte offsets in WordNet's own file, ascending: the digits of a wnid.
    parent_starts : ndarray of int64 of shape (n_synsets + 1,)
        Synset i has the parents ``parents[parent_starts[i]:parent_starts[i + 1]]``.
    parents : ndarray of int32
        Hypernyms, then instance hypernyms, each in the order of their offsets.
    n_instance_hypernyms : ndarray of uint8 of shape (n_synsets,)
        Number of instance hypernyms among a synset's parents.
    min_depths, max_depths : ndarray of uint8 of shape (n_synsets,)
        Edges on the shortest and on the longest path to the root, whose depth is 0.
    n_descendants : ndarray of int32 of shape (n_synsets,)
        Number of distinct synsets below it, including instances.
    lemma_starts : ndarray of int64 of shape (n_synsets + 1,)
        Synset i has the lemmas ``synset_lemmas[lemma_starts[i]:lemma_starts[i + 1]]``.
    synset_lemmas : ndarray of int32
        Rows of `lemmas`.
    sense_numbers : ndarray of uint8
        Sense number of the synset for each of these lemmas, starting at 1.
    lemma_text, case_text, exception_text : ndarray of uint8
        Bytes from which `lemmas`, `lemma_cases` and `exceptions` are read at first use.
    title : str
        Name of the graph in messages.
    """

    offsets: np.ndarray
    parent_starts: np.ndarray
    parents: np.ndarray
    n_instance_hypernyms: np.ndarray
    min_depths: np.ndarray
    max_depths: np.ndarray
    n_descendants: np.ndarray
    lemma_starts: np.ndarray
    synset_lemmas: np.ndarray
    sense_numbers: np.ndarray
    lemma_text: np.ndarray
    case_text: np.ndarray
    exception_text: np.ndarray
    title: str = "WordNet 3.0"

    def __len__(self) -> int:
        return len(self.offsets)

    @cached_property
    def lemmas(self) -> tuple[str, ...]:
        """All lemmas in lower case, with underscores between words, sorted."""
        return _front_decoded(self.lemma_text)

    @cached_property
    def lemma_cases(self) -> list[str]:
        """The capitals of each lemma of each synset: see `spelled`."""
        return self.case_text.tobytes().decode("ascii").split("\n")

    @cached_property
    def exceptions(self) -> dict[str, list[str]]:
        """Irregular plurals and their singulars."""
        lines = self.exception_text.tobytes().decode("utf-8").split("\n")
        # If a plural occurs twice, the last line counts, as in nltk.
        return {line.split()[0]: line.split()[1:] for line in lines if line}

    @cached_property
    def _senses(self) -> tuple[np.ndarray, np.ndarray]:
        """The start of each lemma's senses, and the synsets, the most frequent sense first."""
        order = np.lexsort((self.sense_numbers, self.synset_lemmas))
        synsets = np.repeat(np.arange(len(self)), np.diff(self.lemma_starts))[order]
        counts = np.bincount(self.synset_lemmas, minlength=len(self.lemmas))
        return _starts(counts), synsets

    @cached_property
    def children(self) -> tuple[np.ndarray, np.ndarray]:
        """The start of each synset's hyponyms, and the hyponyms, including instances."""
        order = np.argsort(self.parents, kind="stable")
        below = np.repeat(np.arange(len(self)), np.diff(self.parent_starts))[order]
        return _starts(np.bincount(self.parents, minlength=len(self))), below

    @cached_property
    def adjacency(self) -> tuple[np.ndarray, np.ndarray]:
        """The start of each synset's neighbours, and the neighbours: hypernyms and hyponyms."""
        below = np.repeat(np.arange(len(self)), np.diff(self.parent_starts))
        ends = np.concatenate([below, self.parents])
        order = np.argsort(ends, kind="stable")
        neighbours = np.concatenate([self.parents, below])[order]
        return _starts(np.bincount(ends, minlength=len(self))), neighbours

    @cached_property
    def lemmas_by_letters(self) -> dict[str, list[str]]:
        """The lemmas that contain other characters, by their letters and digits alone.

        Possessives are listed with and without their *'s*: CUB has a ``"Clark_Nutcracker"``.
        """
        compounds = [lemma for lemma in self.lemmas if not lemma.isalnum()]
        found: dict[str, list[str]] = {}
        for lemma in compounds:
            found.setdefault(re.sub("[^0-9a-z]", "", lemma), []).append(lemma)
        for lemma in compounds:
            if "'s" in lemma:
                found.setdefault(re.sub("'s|[^0-9a-z]", "", lemma), [lemma])
        return found

    def node_at(self, offset: int) -> int:
        """Return the number of the synset at an offset, or -1."""
        place = int(np.searchsorted(self.offsets, offset))
        return place if place < len(self) and self.offsets[place] == offset else -1

    def lemma_row(self, lemma: str) -> int:
        """Return the row of a lemma with exactly this spelling, or -1."""
        # Bisection instead of a dict: building the dict would take longer than everything else
        # here.
        row = bisect.bisect_left(self.lemmas, lemma)
        return row if row < len(self.lemmas) and self.lemmas[row] == lemma else -1

    def senses(self, lemma: str) -> list[int]:
        """Return the synsets of a lemma with exactly this spelling, the most frequent first."""
        row = self.lemma_row(lemma)
        if row < 0:
            return []
        starts, synsets = self._senses
        return synsets[starts[row] : starts[row + 1]].tolist()

    def name(self, node: int) -> str:
        """Return nltk's name of a synset, such as ``"dog.n.01"``."""
        first = self.lemma_starts[node]
        lemma = self.lemmas[self.synset_lemmas[first]]
        return f"{lemma}.n.{int(self.sense_numbers[first]):02d}"


def _starts(counts: np.ndarray) -> np.ndarray:
    return np.concatenate([[0], np.cumsum(counts, dtype=np.int64)])


_IN_USE: ContextVar[NounGraph | None] = ContextVar("noun graph in use", default=None)


def noun_graph() -> NounGraph:
    """Return the current graph: WordNet 3.0 unless `using` sets another."""
    chosen = _IN_USE.get()
    return wordnet_graph() if chosen is None else chosen


@contextmanager
def using(graph: NounGraph | None) -> Iterator[None]:
    """Use `graph` for look-ups inside the block, only in this thread; None is WordNet 3.0."""
    token = _IN_USE.set(graph)
    try:
        yield
    finally:
        _IN_USE.reset(token)


@cache
def wordnet_graph() -> NounGraph:
    """Return the graph of WordNet 3.0, read at the first call (about a tenth of a second)."""
    with files("zeroshot.taxonomy").joinpath("data/noun_graph.npz").open("rb") as file:
        return graph_of(dict(np.load(file, allow_pickle=False)))


def remembered(look_up: Callable[[str], Found]) -> Callable[[str], Found]:
    """Remember what a text is in each graph: the labels of a model are looked up many times."""
    by_graph: WeakKeyDictionary[NounGraph, dict[str, Found]] = WeakKeyDictionary()

    @wraps(look_up)
    def remembering(text: str) -> Found:
        known = by_graph.setdefault(noun_graph(), {})
        found = known.get(text)
        if found is None:
            if len(known) >= _REMEMBERED_TEXTS:
                known.clear()
            found = known[text] = look_up(text)
        return found

    return remembering


def graph_of(stored: Mapping[str, np.ndarray], title: str = "WordNet 3.0") -> NounGraph:
    """Return the graph of arrays as `zeroshot.taxonomy._build` makes them."""
    n_instance = stored["n_instance_hypernyms"]
    graph = NounGraph(
        offsets=stored["offsets"],
        parent_starts=_starts(stored["n_hypernyms"].astype(np.int64) + n_instance),
        parents=stored["parents"],
        n_instance_hypernyms=n_instance,
        min_depths=stored["min_depths"],
        max_depths=stored["max_depths"],
        n_descendants=stored["n_descendants"],
        lemma_starts=_starts(stored["n_lemmas"]),
        synset_lemmas=stored["synset_lemmas"],
        sense_numbers=stored["sense_numbers"],
        lemma_text=stored["lemmas"],
        case_text=stored["cases"],
        exception_text=stored["exceptions"],
        title=title,
    )
    for value in vars(graph).values():
        if isinstance(value, np.ndarray):
            value.setflags(write=False)
    return graph


def _front_decoded(coded: np.ndarray) -> tuple[str, ...]:
    """Undo ``front_coded`` of ``tools/build_noun_graph.py``.

    The first letter of each entry encodes the length of the prefix shared with the previous word.
    """
    words = []
    word = ""
    for entry in coded.tobytes().decode("utf-8").split("\n"):
        word = word[: ord(entry[0]) - 48] + entry[1:]
        words.append(word)
    return tuple(words)


def spelled(lemma: str, case: str) -> str:
    """Return a lemma with its capitals: `case` is empty, ``"T"`` for a title, or their positions.

    Examples
    --------
    >>> from zeroshot.taxonomy._graph import spelled
    >>> spelled("egyptian_cat", "0"), spelled("new_york", "T")
    ('Egyptian_cat', 'New_York')
    """
    if case == "T":
        return "_".join(part[:1].upper() + part[1:] for part in lemma.split("_"))
    letters = list(lemma)
    for place in case.split(",") if case else ():
        letters[int(place)] = letters[int(place)].upper()
    return "".join(letters)
