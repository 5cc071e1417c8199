"""One noun synset: its names, its neighbours and its place in the graph."""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Iterator
from typing import Any

import numpy as np

from zeroshot.exceptions import UnknownLabelError
from zeroshot.taxonomy._distances import FAR, ancestor_pairs, distance_table, shortest_paths
from zeroshot.taxonomy._graph import noun_graph, spelled

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


_WNID = re.compile(r"n(\d{8})")
_NAME = re.compile(r"(.+)\.n\.(\d+)", re.DOTALL)


class Synset:
    """A noun synset of WordNet 3.0; get one from `synset`, `synsets` or `resolve`.

    Synsets are equal when they are the same node, and are hashable. Instance hypernyms count as
    hypernyms everywhere, as in nltk's similarity measures.

    Parameters
    ----------
    node : int
        Its number in the graph.

    Examples
    --------
    >>> from zeroshot.taxonomy import synset
    >>> cat = synset("n02124075")
    >>> cat, cat.lemmas, cat.hypernyms
    (Synset('egyptian_cat.n.01'), ('Egyptian_cat',), (Synset('domestic_cat.n.01'),))
    >>> cat.min_depth, cat.max_depth, synset("feline.n.01") in cat.ancestors
    (9, 15, True)
    >>> cat.distance(synset("tabby.n.01"))
    2
    """

    __slots__ = ("node",)

    node: int

    def __init__(self, node: int) -> None:
        n_synsets = len(noun_graph())
        if not 0 <= node < n_synsets:
            raise ValueError(
                f"Synset: node must be from 0 to {n_synsets - 1}, got {node!r}. Use synset(wnid)."
            )
        object.__setattr__(self, "node", int(node))

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError("A Synset cannot be changed.")

    @property
    def offset(self) -> int:
        """Where the synset stands in WordNet's own file."""
        return int(noun_graph().offsets[self.node])

    @property
    def wnid(self) -> str:
        """The identifier that ImageNet uses, such as ``"n02124075"``."""
        return f"n{self.offset:08d}"

    @property
    def name(self) -> str:
        """The name that nltk uses, such as ``"dog.n.01"``."""
        return noun_graph().name(self.node)

    @property
    def lemmas(self) -> tuple[str, ...]:
        """The words for it, as WordNet writes them, with underscores for spaces."""
        graph = noun_graph()
        places = range(*graph.lemma_starts[self.node : self.node + 2].tolist())
        return tuple(
            spelled(graph.lemmas[graph.synset_lemmas[k]], graph.lemma_cases[k]) for k in places
        )

    @property
    def hypernyms(self) -> tuple[Synset, ...]:
        """What it is a kind of, or an instance of."""
        graph = noun_graph()
        first, last = graph.parent_starts[self.node : self.node + 2]
        return tuple(map(Synset, graph.parents[first:last].tolist()))

    @property
    def hyponyms(self) -> tuple[Synset, ...]:
        """The kinds and instances of it."""
        starts, below = noun_graph().children
        return tuple(map(Synset, below[starts[self.node] : starts[self.node + 1]].tolist()))

    @property
    def is_instance(self) -> bool:
        """Whether it is an individual, such as a city or a person, and no kind of thing."""
        return bool(noun_graph().n_instance_hypernyms[self.node])

    @property
    def min_depth(self) -> int:
        """Edges on the shortest way to the root."""
        return int(noun_graph().min_depths[self.node])

    @property
    def max_depth(self) -> int:
        """Edges on the longest way to the root."""
        return int(noun_graph().max_depths[self.node])

    @property
    def ancestors(self) -> frozenset[Synset]:
        """All synsets above it, without itself."""
        above = ancestor_pairs(np.array([self.node]))[1]
        return frozenset(map(Synset, above[1:].tolist()))

    @property
    def n_descendants(self) -> int:
        """How many synsets lie below it."""
        return int(noun_graph().n_descendants[self.node])

    def distance(self, other: Synset) -> int:
        """Return the edges on the shortest way to another synset, up and down again.

        Parameters
        ----------
        other : Synset
            The other end.

        Returns
        -------
        int
            0 for the synset itself; all nouns hang together.
        """
        if not isinstance(other, Synset):
            raise TypeError(
                f"Synset.distance: other must be a Synset, got {other!r}. Use synset({other!r})."
            )
        columns = np.sort(ancestor_pairs(np.array([self.node]))[1])
        tables = [distance_table(np.array([node]), columns) for node in (self.node, other.node)]
        length = int(shortest_paths(*tables)[0, 0])
        if length >= FAR:
            raise ValueError(f"{self!r} and {other!r} have no ancestor in common.")
        return length

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Synset) and self.node == other.node

    def __hash__(self) -> int:
        return hash((Synset, self.node))

    def __lt__(self, other: Synset) -> bool:
        return self.name < other.name

    def __reduce__(self) -> tuple:
        return synset, (self.wnid,)

    def __repr__(self) -> str:
        return f"Synset({self.name!r})"


def synset(identifier: str | Synset) -> Synset:
    """Return the synset with a wnid or an nltk name.

    Parameters
    ----------
    identifier : str or Synset
        Such as ``"n02084071"`` or ``"dog.n.01"``. Any lemma of the synset will do in a name.

    Raises
    ------
    UnknownLabelError
        There is no such noun synset in WordNet 3.0.
    TypeError
        Not a string.

    Examples
    --------
    >>> from zeroshot.taxonomy import synset
    >>> synset("n02084071") == synset("dog.n.01") == synset("domestic_dog.n.01")
    True
    """
    if isinstance(identifier, Synset):
        return identifier
    if not isinstance(identifier, str):
        raise TypeError(
            f"synset: identifier must be a string such as 'n02084071' or 'dog.n.01', "
            f"got {identifier!r}."
        )
    node = find_identifier(identifier)
    if node is None:
        raise UnknownLabelError(
            [identifier],
            1,
            owner="WordNet 3.0",
            what="noun synset",
            remedy="Give a wnid such as 'n02084071' or a name such as 'dog.n.01'; look words up "
            "with synsets().",
            close_matches={identifier: near_names(identifier)},
        )
    return Synset(node)


def synsets(lemma: str) -> list[Synset]:
    """Return the senses of a word, the most frequent first.

    Case does not matter, spaces and underscores are the same, and plurals are understood, as in
    nltk: the senses of the word as it is written come first.

    Parameters
    ----------
    lemma : str
        A word, or several: ``"pickup truck"``.

    Raises
    ------
    UnknownLabelError
        WordNet has no such noun; the message has near matches.

    Examples
    --------
    >>> from zeroshot.taxonomy import synsets
    >>> synsets("cranes")[:2]
    [Synset('crane.n.01'), Synset('crane.n.02')]
    """
    if not isinstance(lemma, str):
        raise TypeError(f"synsets: lemma must be a string such as 'dog', got {lemma!r}.")
    _, nodes = find_lemma(lemma)
    if not nodes:
        raise UnknownLabelError(
            [lemma],
            1,
            owner="WordNet 3.0",
            what="noun synset",
            remedy="Use another word for it, or a wnid with synset().",
            close_matches={lemma: near_lemmas(lemma)},
        )
    return [Synset(node) for node in nodes]


def find_identifier(text: str) -> int | None:
    """Return the node that a wnid or an nltk name stands for, or None if there is none."""
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
    """Return whether `text` is written like a wnid or an nltk name."""
    return bool(_WNID.fullmatch(text) or re.fullmatch(r".+\.n\.\d+", text, re.DOTALL))


def near_names(identifier: str) -> list[str]:
    """Return names of synsets that are spelled like `identifier`."""
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
    """Return up to `n` lemmas that are spelled like `text`, best first."""
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
    """Return the lemmas that a word may be a form of, itself first: WordNet's morphy, for nouns.

    Parameters
    ----------
    word : str
        In lower case, with underscores between words.

    Examples
    --------
    >>> from zeroshot.taxonomy._synset import noun_forms
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
    >>> from zeroshot.taxonomy._synset import find_lemma
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
