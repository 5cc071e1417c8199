"""Class names to synsets, with the reason for each choice.

The first of these rules that finds a synset counts:

1. A wnid (``n02124075``) or an nltk name (``dog.n.01``) is that synset, also if a name follows it
   (``n02085620-Chihuahua``).
2. Commas and semicolons separate synonyms, and parentheses hold a hint: ``"crane (bird)"``. Codes
   of data sets before a name are removed (``_readings.py``).
3. Each synonym is looked up whole, as in `synsets`: plurals become singulars, hyphens and spaces
   may be exchanged, and CamelCase is split. Synsets that more of the synonyms share come first.
   Among these, a synset whose lemmas are exactly these synonyms comes first.
4. If no synonym is found whole, its last words are looked up: ``"aquarium fish"`` is a fish. If the
   words before them name a kind of it, that kind is chosen: ``"maple tree"`` is the maple that is a
   tree. Numbers and single letters do not count as such words.
5. Among several senses, the hint or the context decides, if there is one. Otherwise the most
   frequent sense is taken. Individuals (a city, a person) come last, because a class is not an
   individual: a ``"drake"`` is a duck, not Sir Francis.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, overload

import numpy as np

from zeroshot._utils._text_tables import aligned
from zeroshot._utils._validation import check_labels, warn_caller
from zeroshot.exceptions import UnknownLabelError
from zeroshot.taxonomy._distances import (
    common_ancestors,
    distance_table,
    intrinsic_information,
    top_common,
)
from zeroshot.taxonomy._graph import noun_graph, remembered
from zeroshot.taxonomy._label_text import is_weak, name_words
from zeroshot.taxonomy._lemmas import (
    find_lemma,
    looks_like_identifier,
    near_lemmas,
    near_names,
    words_of,
)
from zeroshot.taxonomy._readings import read_label
from zeroshot.taxonomy._synset import Synset

# Both were chosen on CIFAR-100, Tiny ImageNet and ImageNet-1k together. The most frequent sense is
# wrong for 161 of 1,300 names, this rule for 75, and with the three nearest names for 85.
N_NEAREST = 10
"""How many of the nearest names are averaged: one may be near by chance, all are too many."""

MAX_CONTEXT = 1000
"""Labels that are compared with at once: the memory is the number of pairs of senses."""

RARER = 0.9
"""What a sense counts against the one that is listed before it."""


_HINT = re.compile(r"\(([^()]*)\)")
# Words that SUN adds to a place; neither is a noun.
_INSIDE_OR_OUT = frozenset({"indoor", "outdoor"})
IDENTIFIER = "identifier"
ONLY = "only sense"
FREQUENT = "most frequent sense"
SYNONYMS = "shared by synonyms"
HEAD = "head word"
KIND = "kind of the head word"


NEAREST = "nearest to context"


@dataclass(frozen=True)
class Choice:
    """The synset chosen for a class name, and the reason.

    Attributes
    ----------
    label : str
        The class name.
    synset : Synset
        The synset chosen.
    lemma : str
        The lemma that was found for the label; empty if the label is an identifier.
    rule : str
        Reason for this synset: ``"identifier"``, ``"only sense"``, ``"most frequent sense"``,
        ``"shared by synonyms"``, ``"nearest to context"``, ``"head word"`` or ``"kind of the head
        word"``.
    n_senses : int
        Number of senses to choose from.
    """

    label: str
    synset: Synset
    lemma: str
    rule: str
    n_senses: int


class Resolution(Sequence[Choice]):
    """The choices for a list of class names, in the same order. It prints as a table.

    Parameters
    ----------
    choices : iterable of Choice
        One per class name.
    """

    def __init__(self, choices: Sequence[Choice]) -> None:
        self._choices = tuple(choices)

    @property
    def synsets(self) -> list[Synset]:
        """The synset of each class name."""
        return [choice.synset for choice in self._choices]

    @property
    def wnids(self) -> list[str]:
        """The wnid of each class name."""
        return [choice.synset.wnid for choice in self._choices]

    @overload
    def __getitem__(self, index: int) -> Choice: ...
    @overload
    def __getitem__(self, index: slice) -> Resolution: ...
    def __getitem__(self, index: int | slice) -> Choice | Resolution:
        if isinstance(index, slice):
            return Resolution(self._choices[index])
        return self._choices[index]

    def __len__(self) -> int:
        return len(self._choices)

    def __str__(self) -> str:
        rows = [("label", "synset", "wnid", "senses", "rule")]
        rows += [
            (c.label, c.synset.name, c.synset.wnid, str(c.n_senses), c.rule) for c in self._choices
        ]
        return aligned(rows)

    def __repr__(self) -> str:
        return f"Resolution({len(self)} labels)"


def resolve(labels: Any, *, context: Any = None) -> Resolution:
    """Return the synsets of class names, and the reason for each.

    Parameters
    ----------
    labels : array-like of str of shape (n_labels,)
        Class names, synonym lists such as ``"tench, Tinca tinca"``, wnids or nltk names.
    context : "labels" or array-like of str, optional
        With None, an ambiguous name gets its most frequent sense. With a list, it gets the sense
        nearest to the names in the list. With ``"labels"``, it gets the sense nearest to the other
        `labels`. Nearness is Lin's similarity with intrinsic information content, averaged over the
        ten nearest names. Each sense counts a tenth less than the previous one in WordNet's order.

    Returns
    -------
    Resolution
        A sequence of `Choice`, with ``synsets`` and ``wnids``; ``print`` shows a table.

    Raises
    ------
    UnknownLabelError
        A label has no noun synset, or is a number. The message names every such label, with near
        matches.
    TypeError
        `labels` is not a list.
    ValueError
        A label is neither a string nor a number.

    Notes
    -----
    The full rule: a wnid or nltk name is that synset. Commas separate synonyms, and synsets that
    more of them share come first. If WordNet does not have the whole name, its last words count
    (``"aquarium fish"``), or the kind that the first words name (``"maple tree"``). Parentheses
    hold a hint, which is the label's own context. Senses that are individuals come last.

    Examples
    --------
    >>> from zeroshot.taxonomy import resolve
    >>> print(resolve(["crane", "eagle", "heron", "maple tree"]))
    label       synset      wnid       senses  rule
    crane       crane.n.04  n03126707  5       most frequent sense
    eagle       eagle.n.01  n01613294  4       most frequent sense
    heron       heron.n.02  n02008041  2       most frequent sense
    maple tree  maple.n.02  n12752205  1       kind of the head word
    >>> resolve(["crane", "eagle", "heron"], context="labels")[0].synset
    Synset('crane.n.05')
    >>> resolve(["crane (bird)"]).wnids
    ['n02012849']
    """
    texts = _check_texts(labels, owner="resolve", name="labels")
    candidates = _find_all(texts, owner="resolve", name="labels")
    near = {} if context is None else _by_context(texts, candidates, context)
    return Resolution(
        [
            _choice(text, found, near.get(row))
            for row, (text, found) in enumerate(zip(texts, candidates, strict=True))
        ]
    )


def choose(text: str) -> Choice | None:
    """Return the choice for one class name without a context, or None, without a warning."""
    found = find_candidates(text)
    return _choice(text, found, None) if found.nodes else None


def choose_near(texts: Sequence[str], context: Sequence[str]) -> list[Choice | None]:
    """Return the choice for each class name, nearest to a context, without a warning.

    None stands for a name without a synset; names of the context without one do not count. Of
    thousands of names in the context, a thousand evenly spaced ones are compared with.

    Examples
    --------
    >>> from zeroshot.taxonomy._resolve import choose_near
    >>> [choice and choice.synset.name for choice in choose_near(["crane", "qqx"], ["heron"])]
    ['crane.n.05', None]
    """
    found = [find_candidates(text) for text in texts]
    others = {text: find_candidates(text).nodes for text in context}
    others = {text: nodes for text, nodes in others.items() if nodes}
    names = list(others)[:: -(-len(others) // MAX_CONTEXT) or 1]
    rows = [row for row, each in enumerate(found) if len(each.nodes) > 1] if names else []
    near: dict[int, int] = {}
    for start in range(0, len(rows), MAX_CONTEXT):
        some = rows[start : start + MAX_CONTEXT]
        place = {name: number for number, name in enumerate(names)}
        own = np.array([place.get(texts[row], -1) for row in some], dtype=np.intp)
        senses = [found[row].nodes for row in some]
        picked = nearest_senses(senses, [others[name] for name in names], own)
        near |= dict(zip(some, picked.tolist(), strict=True))
    return [
        _choice(text, each, near.get(row)) if each.nodes else None
        for row, (text, each) in enumerate(zip(texts, found, strict=True))
    ]


def _choice(text: str, found: Candidates, near: int | None) -> Choice:
    if found.hint and len(found.nodes) > 1:
        hints = find_candidates(found.hint).nodes
        if hints:
            near = int(nearest_senses([found.nodes], [hints], None)[0])
    node, rule = (found.nodes[0], found.rule) if near is None else (near, NEAREST)
    return Choice(text, Synset(node), found.lemma, rule, len(found.nodes))


def nodes_of(items: Any, *, owner: str, name: str) -> np.ndarray:
    """Return the nodes of wnids, nltk names, class names or synsets.

    Raises
    ------
    UnknownLabelError
        An item has no noun synset, or is a number.
    TypeError
        `items` is not a list.
    ValueError
        `items` holds something else.
    """
    senses = senses_of(items, owner=owner, name=name)
    return np.array([nodes[0] for nodes in senses], dtype=np.int64)


def senses_of(items: Any, *, owner: str, name: str, missing: bool = False) -> list[list[int]]:
    """Return the nodes of all senses of wnids, nltk names, class names or synsets, best first.

    If a name has a hint (``"crane (bird)"``), only the sense that the hint selects is returned.

    Raises
    ------
    UnknownLabelError
        An item has no noun synset (with `missing`, it has an empty list instead), or is a number.
    TypeError
        `items` is not a list.
    ValueError
        `items` holds something else.
    """
    if isinstance(items, Iterable) and not isinstance(items, (str, bytes)):
        items = [item.wnid if isinstance(item, Synset) else item for item in items]
    texts = _check_texts(items, owner=owner, name=name)
    known: dict[str, list[int]] = {}
    every = _find_all(texts, owner=owner, name=name, missing=missing)
    for text, found in zip(texts, every, strict=True):
        known[text] = found.nodes
        if found.hint and len(found.nodes) > 1:
            known[text] = [_choice(text, found, None).synset.node]
    return [known[text] for text in texts]


def nodes_in_context(senses: Sequence[list[int]]) -> list[int]:
    """Return the sense of each label that is nearest to those of the others.

    Of thousands of labels, a thousand evenly spaced ones are compared with.

    Parameters
    ----------
    senses : sequence of list of int
        Nodes of the senses of each label, at least one, the most frequent first.

    Examples
    --------
    >>> from zeroshot.taxonomy._graph import noun_graph
    >>> from zeroshot.taxonomy._resolve import nodes_in_context, senses_of
    >>> senses = senses_of(["tiger", "badger", "lion"], owner="demo", name="labels")
    >>> [noun_graph().name(node) for node in nodes_in_context(senses)]
    ['tiger.n.02', 'badger.n.02', 'lion.n.01']
    """
    rows = [row for row, nodes in enumerate(senses) if len(nodes) > 1]
    chosen = [nodes[0] for nodes in senses]
    if rows and len(senses) > 1:
        step = -(-len(senses) // MAX_CONTEXT)
        context = list(senses[::step])
        for start in range(0, len(rows), MAX_CONTEXT):
            some = rows[start : start + MAX_CONTEXT]
            own = np.array([-1 if row % step else row // step for row in some], dtype=np.intp)
            picked = nearest_senses([senses[row] for row in some], context, own)
            for row, node in zip(some, picked.tolist(), strict=True):
                chosen[row] = node
    return chosen


def has_synset(text: str) -> bool:
    """Return whether a class name, wnid or nltk name has a noun synset."""
    return bool(find_candidates(text).nodes)


def _check_texts(labels: Any, *, owner: str, name: str) -> list[str]:
    given = labels if isinstance(labels, list) else []
    numbers = [int(label) for label in given if isinstance(label, (int, np.integer))]
    if len(numbers) == len(given) or not numbers:  # check_labels rejects a mixture
        checked = check_labels(labels, owner=owner, name=name)
        if checked.dtype.kind == "U":
            return checked.tolist()
        given = numbers = checked.tolist()
    if not numbers:
        return []
    raise UnknownLabelError(
        numbers,
        len(given),
        owner=owner,
        what="noun synset",
        name=name,
        remedy="Numbers name nothing: pass class names, wnids or nltk names.",
    )


def _find_all(
    texts: list[str], *, owner: str, name: str, missing: bool = False
) -> list[Candidates]:
    known = {text: find_candidates(text) for text in dict.fromkeys(texts)}
    unknown = [text for text, found in known.items() if not found.nodes]
    if unknown and not missing:
        raise UnknownLabelError(
            unknown,
            len(texts),
            owner=owner,
            what="noun synset",
            name=name,
            remedy="Give such a label another name, or the wnid of a synset, such as 'n02084071'.",
            close_matches={text: _near(text) for text in unknown[:20]},
        )
    _warn_of_weak({text: found for text, found in known.items() if found.nodes}, owner=owner)
    return [known[text] for text in texts]


def _warn_of_weak(known: Mapping[str, Candidates], *, owner: str) -> None:
    weak = [
        f"{text!r} as {Synset(found.nodes[0]).name}"
        for text, found in known.items()
        if found.rule != IDENTIFIER and all(map(is_weak, name_words(text)))
    ]
    if weak:
        named = ", ".join(weak[:10]) + (", ..." if len(weak) > 10 else "")
        warn_caller(
            f"{owner}: {len(weak)} labels are numbers or single letters, and read as such: "
            f"{named}. Give them names, or wnids."
        )


def _near(text: str) -> list[str]:
    if looks_like_identifier(text):
        return near_names(text)
    return near_lemmas(" ".join(read_label(text).names[:1]) or text)


def _by_context(texts: list[str], candidates: list[Candidates], context: Any) -> dict[int, int]:
    """Return the node nearest to the context, for each ambiguous label."""
    rows = [row for row, found in enumerate(candidates) if len(found.nodes) > 1]
    senses = [candidates[row].nodes for row in rows]
    if isinstance(context, str):
        if context != "labels":
            raise ValueError(
                f"resolve: context must be None, 'labels' or a list of names, got {context!r}. "
                f"Write [{context!r}] for one name."
            )
        others = [found.nodes for found in candidates]
        own = np.array(rows, dtype=np.intp)
    else:
        names = _check_texts(context, owner="resolve", name="context")
        others = [found.nodes for found in _find_all(names, owner="resolve", name="context")]
        own = np.array(
            [names.index(texts[r]) if texts[r] in names else -1 for r in rows], dtype=np.intp
        )
    if not rows or not len(others):
        return {}
    picked = nearest_senses(senses, others, own)
    return dict(zip(rows, picked.tolist(), strict=True))


@dataclass(frozen=True)
class Candidates:
    """The possible senses of a label, the likeliest first, before any context is used."""

    nodes: list[int]
    lemma: str
    rule: str
    hint: str = ""


@remembered
def find_candidates(text: str) -> Candidates:
    """Return the possible senses of a class name; none if WordNet has no such noun."""
    read = read_label(text)
    if read.node is not None:
        return Candidates([read.node], "", IDENTIFIER)
    hint = " ".join(hint for name in read.names for hint in _HINT.findall(name)).strip()
    synonyms = [" ".join(_HINT.sub(" ", name).split()) for name in read.names]
    synonyms = [_without_inside_or_out(name) for name in synonyms if name]
    found = [find_lemma(name) for name in synonyms]
    if any(nodes for _, nodes in found):
        return _vote([pair for pair in found if pair[1]], hint)
    for name in synonyms:
        head = _find_head(words_of(name), hint)
        if head is not None:
            return head
    return Candidates([], "", "")


def _without_inside_or_out(name: str) -> str:
    before, _, last = name.rpartition(" ")
    return before if before and last.lower() in _INSIDE_OR_OUT else name


def _vote(found: list[tuple[str, list[int]]], hint: str) -> Candidates:
    """Sort the senses of synonyms: shared by most first, then in the first synonym's order."""
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
        if all(is_weak(word) for word in words[start:]):
            return None
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


def nearest_senses(
    senses: list[list[int]], others: list[list[int]], own: np.ndarray | None
) -> np.ndarray:
    """Return the sense of each word that is nearest to other words.

    Parameters
    ----------
    senses : list of list of int
        The senses of each word, the likeliest first.
    others : list of list of int
        The senses of each word of the context, the likeliest first; the nearest one counts.
    own : ndarray of int of shape (n_words,) or None
        Position of the word itself in `others`, which does not count; -1 for none.

    Returns
    -------
    ndarray of int of shape (n_words,)
        A sense for each word.
    """
    flat, around = np.concatenate(senses), np.concatenate(others)
    near = _lin(flat, around) * _discounts(senses)[:, None] * _discounts(others)
    starts = np.cumsum([0, *map(len, others[:-1])])
    near = np.maximum.reduceat(near, starts, axis=1)
    owners = np.repeat(np.arange(len(senses)), [len(nodes) for nodes in senses])
    if own is not None:
        known = own[owners] >= 0
        near[np.flatnonzero(known), own[owners][known]] = 0
    k = min(N_NEAREST, near.shape[1])
    scores = np.sort(near, axis=1)[:, -k:].mean(axis=1)
    best = [np.argmax(part) for part in np.split(scores, np.flatnonzero(np.diff(owners)) + 1)]
    return np.array([nodes[place] for nodes, place in zip(senses, best, strict=True)])


def _discounts(senses: list[list[int]]) -> np.ndarray:
    return np.concatenate([RARER ** np.arange(len(nodes)) for nodes in senses])


def _lin(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    columns = common_ancestors(first, second)
    information = intrinsic_information(columns)
    order = np.argsort(information, kind="stable")
    best = top_common(distance_table(first, columns), distance_table(second, columns), order)
    total = intrinsic_information(first)[:, None] + intrinsic_information(second)
    return 2 * information[best] / np.maximum(total, 1e-12)
