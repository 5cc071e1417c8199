"""The synsets that a class name may stand for: the rules that `resolve` names."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass

from zeroshot.taxonomy._graph import noun_graph
from zeroshot.taxonomy._lemmas import find_lemma, words_of
from zeroshot.taxonomy._synset import Synset, find_identifier, looks_like_identifier

_SYNONYM_BREAK = re.compile(r"[,;](?![^(]*\))")
_HINT = re.compile(r"\(([^()]*)\)")

IDENTIFIER = "identifier"
ONLY = "only sense"
FREQUENT = "most frequent sense"
SYNONYMS = "shared by synonyms"
HEAD = "head word"
KIND = "kind of the head word"


@dataclass(frozen=True)
class Candidates:
    """The senses that a label may have, the likeliest first, before any context is looked at."""

    nodes: list[int]
    lemma: str
    rule: str
    hint: str = ""


def find_candidates(text: str) -> Candidates:
    """Return the senses that a class name may have; none where WordNet has no such noun."""
    if looks_like_identifier(text):
        node = find_identifier(text)
        return Candidates([] if node is None else [node], "", IDENTIFIER)
    hint = " ".join(_HINT.findall(text)).strip()
    synonyms = [part.strip() for part in _SYNONYM_BREAK.split(_HINT.sub(" ", text))]
    synonyms = [part for part in synonyms if part]
    found = [find_lemma(part) for part in synonyms]
    if any(nodes for _, nodes in found):
        return _vote([pair for pair in found if pair[1]], hint)
    for part in synonyms:
        head = _find_head(words_of(part), hint)
        if head is not None:
            return head
    return Candidates([], "", "")


def _vote(found: list[tuple[str, list[int]]], hint: str) -> Candidates:
    """Order the senses of synonyms: by how many share them, then as the first synonym has them."""
    graph = noun_graph()
    votes = Counter(node for _, nodes in found for node in nodes)
    names = {lemma for lemma, _ in found}

    def key(node: int) -> tuple:
        first, last = graph.lemma_starts[node : node + 2]
        lemmas = {graph.lemmas[row] for row in graph.synset_lemmas[first:last].tolist()}
        exact = len(names) > 1 and lemmas == names
        return -votes[node], not exact, bool(graph.n_instance_hypernyms[node])

    ordered = sorted(votes, key=key)
    best = [node for node in ordered if votes[node] == votes[ordered[0]]]
    if len(found) > 1 and (len(best) == 1 or key(best[0])[1] != key(best[1])[1]):
        return Candidates(best[:1], found[0][0], ONLY if len(votes) == 1 else SYNONYMS, hint)
    return Candidates(best, found[0][0], FREQUENT if len(best) > 1 else ONLY, hint)


def _find_head(words: list[str], hint: str) -> Candidates | None:
    graph = noun_graph()
    for start in range(1, len(words)):
        lemma, nodes = find_lemma("_".join(words[start:]))
        if not nodes:
            continue
        modifier, senses = find_lemma("_".join(words[:start]))
        kinds = [node for node in senses if _is_below(node, set(nodes))]
        if kinds:
            return Candidates(kinds, modifier, KIND, hint)
        nodes = sorted(nodes, key=lambda node: bool(graph.n_instance_hypernyms[node]))
        return Candidates(nodes, lemma, HEAD, hint)
    return None


def _is_below(node: int, ancestors: set[int]) -> bool:
    return any(other.node in ancestors for other in Synset(node).ancestors)
