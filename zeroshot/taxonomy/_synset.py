"""A noun synset: names, neighbours and place in the graph."""

from __future__ import annotations

from typing import Any

import numpy as np

from zeroshot.exceptions import UnknownLabelError
from zeroshot.taxonomy._distances import FAR, ancestor_pairs, distance_table, shortest_paths
from zeroshot.taxonomy._graph import NounGraph, noun_graph, spelled, using, wordnet_graph
from zeroshot.taxonomy._lemmas import find_identifier, find_lemma, near_lemmas, near_names


class Synset:
    """A noun synset; get one from `synset`, `synsets` or `resolve`, or from a `Taxonomy`.

    Synsets are equal if they are the same node of the same graph, and they are hashable. Instance
    hypernyms always count as hypernyms, as in nltk's similarity measures.

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

    __slots__ = ("_graph", "node")

    node: int
    _graph: NounGraph

    def __init__(self, node: int) -> None:
        graph = noun_graph()
        n_synsets = len(graph)
        if not 0 <= node < n_synsets:
            raise ValueError(
                f"Synset: node must be from 0 to {n_synsets - 1}, got {node!r}. Use synset(wnid)."
            )
        object.__setattr__(self, "node", int(node))
        object.__setattr__(self, "_graph", graph)

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError("A Synset cannot be changed.")

    @property
    def offset(self) -> int:
        """Its number in the source of the taxonomy; in WordNet, its byte offset."""
        return int(self._graph.offsets[self.node])

    @property
    def wnid(self) -> str:
        """The identifier that ImageNet uses, such as ``"n02124075"``."""
        return f"n{self.offset:08d}"

    @property
    def name(self) -> str:
        """The name that nltk uses, such as ``"dog.n.01"``."""
        return self._graph.name(self.node)

    @property
    def lemmas(self) -> tuple[str, ...]:
        """The words for it, as WordNet writes them, with underscores for spaces."""
        graph = self._graph
        places = range(*graph.lemma_starts[self.node : self.node + 2].tolist())
        return tuple(
            spelled(graph.lemmas[graph.synset_lemmas[k]], graph.lemma_cases[k]) for k in places
        )

    @property
    def hypernyms(self) -> tuple[Synset, ...]:
        """The synsets that it is a kind of, or an instance of."""
        first, last = self._graph.parent_starts[self.node : self.node + 2]
        return tuple(self._all(self._graph.parents[first:last]))

    @property
    def hyponyms(self) -> tuple[Synset, ...]:
        """Its kinds and instances."""
        starts, below = self._graph.children
        return tuple(self._all(below[starts[self.node] : starts[self.node + 1]]))

    @property
    def is_instance(self) -> bool:
        """Whether it is an individual, such as a city or a person, and not a kind of thing."""
        return bool(self._graph.n_instance_hypernyms[self.node])

    @property
    def min_depth(self) -> int:
        """Edges on the shortest path to the root."""
        return int(self._graph.min_depths[self.node])

    @property
    def max_depth(self) -> int:
        """Edges on the longest path to the root."""
        return int(self._graph.max_depths[self.node])

    @property
    def ancestors(self) -> frozenset[Synset]:
        """All synsets above it, excluding itself."""
        with using(self._graph):
            above = ancestor_pairs(np.array([self.node]))[1]
        return frozenset(self._all(above[1:]))

    @property
    def n_descendants(self) -> int:
        """Number of synsets below it."""
        return int(self._graph.n_descendants[self.node])

    def distance(self, other: Synset) -> int:
        """Return the number of edges on the shortest path to another synset, up and down again.

        Parameters
        ----------
        other : Synset
            The other end.

        Returns
        -------
        int
            0 for the synset itself. All nouns are connected.
        """
        if not isinstance(other, Synset):
            raise TypeError(
                f"Synset.distance: other must be a Synset, got {other!r}. Use synset({other!r})."
            )
        if other._graph is not self._graph:
            raise ValueError(f"{self!r} and {other!r} are of two taxonomies. Take both from one.")
        with using(self._graph):
            columns = np.sort(ancestor_pairs(np.array([self.node]))[1])
            tables = [distance_table(np.array([node]), columns) for node in (self.node, other.node)]
        length = int(shortest_paths(*tables)[0, 0])
        if length >= FAR:
            raise ValueError(f"{self!r} and {other!r} have no ancestor in common.")
        return length

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Synset):
            return False
        return self.node == other.node and self._graph is other._graph

    def __hash__(self) -> int:
        return hash((Synset, self.node))

    def __lt__(self, other: Synset) -> bool:
        return self.name < other.name

    def __reduce__(self) -> tuple:
        if self._graph is wordnet_graph():
            return synset, (self.wnid,)
        raise TypeError(f"{self!r} is of a taxonomy of its own, and is not pickled: keep its name.")

    def __copy__(self) -> Synset:
        return self

    def __deepcopy__(self, memo: dict) -> Synset:
        return self

    def _all(self, nodes: np.ndarray) -> list[Synset]:
        with using(self._graph):
            return [Synset(node) for node in nodes.tolist()]

    def __repr__(self) -> str:
        return f"Synset({self.name!r})"


def synset(identifier: str | Synset) -> Synset:
    """Return the synset with a wnid or an nltk name.

    Parameters
    ----------
    identifier : str or Synset
        Identifier such as ``"n02084071"`` or ``"dog.n.01"``. A name may use any lemma of the
        synset.

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
            owner=noun_graph().title,
            what="noun synset",
            remedy="Give a wnid such as 'n02084071' or a name such as 'dog.n.01'; look words up "
            "with synsets().",
            close_matches={identifier: near_names(identifier)},
        )
    return Synset(node)


def synsets(lemma: str) -> list[Synset]:
    """Return the senses of a word, the most frequent first.

    Case does not matter, spaces and underscores are equal, and plurals are recognised, as in nltk.
    The senses of the word as written come first.

    Parameters
    ----------
    lemma : str
        One word or several: ``"pickup truck"``.

    Raises
    ------
    UnknownLabelError
        WordNet has no such noun. The message lists near matches.

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
            owner=noun_graph().title,
            what="noun synset",
            remedy="Use another word for it, or a wnid with synset().",
            close_matches={lemma: near_lemmas(lemma)},
        )
    return [Synset(node) for node in nodes]
