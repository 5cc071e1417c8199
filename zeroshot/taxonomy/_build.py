"""The arrays of a noun graph, made from its synsets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter

import numpy as np

ROOT = "entity"
"""The synset that is put above the roots of a graph that has several."""


@dataclass(frozen=True)
class Entry:
    """One synset of a source.

    Attributes
    ----------
    offset : int
        Its number in the source, by which other synsets refer to it.
    lemmas : sequence of str
        Its words as written, with underscores for spaces.
    hypernyms, instance_hypernyms : sequence of int
        Offsets of the synsets that it is a kind of, and of those that it is an instance of.
    """

    offset: int
    lemmas: Sequence[str]
    hypernyms: Sequence[int] = ()
    instance_hypernyms: Sequence[int] = ()


def graph_arrays(
    entries: Iterable[Entry], senses: Mapping[str, Sequence[int]], exceptions: Iterable[str] = ()
) -> dict[str, np.ndarray]:
    """Return the arrays that `zeroshot.taxonomy._graph.graph_of` takes.

    Parameters
    ----------
    entries : iterable of Entry
        All synsets.
    senses : mapping of str to sequence of int
        The offsets of the senses of each lemma (in lower case), the most frequent sense first.
    exceptions : iterable of str
        Irregular plurals, each followed by its singular: ``"wolves wolf"``.

    Raises
    ------
    ValueError
        There is no synset, an offset occurs twice, a hypernym is not a synset, or a synset is its
        own ancestor.
    """
    ordered = _checked(sorted(entries, key=lambda entry: entry.offset))
    return {
        **_lemma_arrays(ordered, senses),
        **_edge_arrays(ordered),
        "exceptions": _as_bytes(exceptions),
    }


def _checked(entries: list[Entry]) -> list[Entry]:
    offsets = [entry.offset for entry in entries]
    if not entries:
        raise ValueError("Taxonomy: there is no synset. Give at least one.")
    if len(set(offsets)) < len(offsets):
        twice = next(o for o, p in zip(offsets, offsets[1:], strict=False) if o == p)
        raise ValueError(f"Taxonomy: two synsets have the offset {twice}. Give each its own.")
    known = set(offsets)
    for entry in entries:
        if strange := {*entry.hypernyms, *entry.instance_hypernyms} - known:
            raise ValueError(
                f"Taxonomy: {entry.lemmas[0]!r} is below {min(strange)}, which is no synset. Give "
                "every hypernym as a synset, too."
            )
    return entries


def _lemma_arrays(
    entries: list[Entry], senses: Mapping[str, Sequence[int]]
) -> dict[str, np.ndarray]:
    """Return the sorted lemmas, the lemmas of each synset, and its sense number for each."""
    lemmas = sorted(senses)
    number = {lemma: row for row, lemma in enumerate(lemmas)}
    place = {lemma: {o: i + 1 for i, o in enumerate(found)} for lemma, found in senses.items()}
    pairs, lengths, cased = [], [], []
    for entry in entries:
        # A lemma that is listed twice in different case counts once, as in WordNet's index.
        names = {name.lower(): name for name in reversed(entry.lemmas)}
        order = dict.fromkeys(name.lower() for name in entry.lemmas)
        lengths.append(len(order))
        for lower in order:
            pairs.append((number[lower], place[lower][entry.offset]))
            cased.append(_case_of(names[lower]))
    lemma, sense = np.array(pairs).T
    if len(lemma) != sum(map(len, senses.values())):
        raise ValueError("Taxonomy: a lemma has a sense that is no synset with that lemma.")
    return {
        "offsets": np.array([entry.offset for entry in entries], dtype=np.int32),
        "lemmas": _as_bytes(_front_coded(lemmas)),
        "n_lemmas": np.array(lengths, dtype=np.uint8),
        "synset_lemmas": lemma.astype(np.int32),
        "sense_numbers": sense.astype(np.uint8),
        "cases": _as_bytes(cased),
    }


def _case_of(name: str) -> str:
    """Return "" for lower case, "T" for A_Title, else the positions of the capitals."""
    if name == name.lower():
        return ""
    if name == "_".join(part[:1].upper() + part[1:] for part in name.lower().split("_")):
        return "T"
    return ",".join(str(i) for i, letter in enumerate(name) if letter != letter.lower())


def _front_coded(words: list[str]) -> list[str]:
    """Replace the prefix that each word shares with the previous one by a letter for its length."""
    coded, before = [], ""
    for word in words:
        shared = 0
        while shared < min(len(word), len(before), 60) and word[shared] == before[shared]:
            shared += 1
        coded.append(chr(48 + shared) + word[shared:])
        before = word
    return coded


def _edge_arrays(entries: list[Entry]) -> dict[str, np.ndarray]:
    """Return parents in CSR form, depths, and the number of descendants of each synset."""
    row = {entry.offset: i for i, entry in enumerate(entries)}
    parents = [
        [row[offset] for offset in [*sorted(entry.hypernyms), *sorted(entry.instance_hypernyms)]]
        for entry in entries
    ]
    try:
        downward = list(TopologicalSorter(dict(enumerate(parents))).static_order())
    except CycleError as error:
        names = " below ".join(repr(entries[i].lemmas[0]) for i in error.args[1])
        raise ValueError(
            f"Taxonomy: synsets are above themselves: {names}. Take one of these edges out."
        ) from error
    lowest, highest = [0] * len(entries), [0] * len(entries)
    above: list[set[int]] = [set() for _ in entries]
    below = np.zeros(len(entries), dtype=np.int32)
    for i in downward:  # parents first
        if parents[i]:
            lowest[i] = 1 + min(lowest[p] for p in parents[i])
            highest[i] = 1 + max(highest[p] for p in parents[i])
            above[i] = set(parents[i]).union(*(above[p] for p in parents[i]))
            below[list(above[i])] += 1
    return {
        "n_hypernyms": np.array([len(e.hypernyms) for e in entries], dtype=np.uint8),
        "n_instance_hypernyms": np.array([len(e.instance_hypernyms) for e in entries], np.uint8),
        "parents": np.array([p for row in parents for p in row], dtype=np.int32),
        "min_depths": np.array(lowest, dtype=np.uint8),
        "max_depths": np.array(highest, dtype=np.uint8),
        "n_descendants": below,
    }


def _as_bytes(lines: Iterable[str]) -> np.ndarray:
    """Return all lines as one array of UTF-8 bytes."""
    return np.frombuffer("\n".join(lines).encode("utf-8"), dtype=np.uint8)


def with_one_root(entries: list[Entry]) -> list[Entry]:
    """Return the synsets. If they have several roots, a new synset `ROOT` is added above them."""
    roots = [e for e in entries if not e.hypernyms and not e.instance_hypernyms]
    if len(roots) < 2:
        return entries
    top = min(entry.offset for entry in entries) - 1
    below = [Entry(e.offset, e.lemmas, [top]) if e in roots else e for e in entries]
    return [Entry(top, [ROOT]), *below]


def senses_in_order(entries: Iterable[Entry]) -> dict[str, list[int]]:
    """Return the offsets of each lemma's senses, in the order of the synsets."""
    senses: dict[str, list[int]] = {}
    for entry in entries:
        for lemma in dict.fromkeys(name.lower() for name in entry.lemmas):
            senses.setdefault(lemma, []).append(entry.offset)
    return senses
