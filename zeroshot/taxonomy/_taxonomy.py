"""Taxonomies as objects: WordNet 3.0, one read by nltk, or your own."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from itertools import chain, pairwise
from typing import Any

import numpy as np

from zeroshot._utils._saving import Config, check_names
from zeroshot.exceptions import ModelFormatError
from zeroshot.taxonomy import _relations, _resolve, _synset
from zeroshot.taxonomy._build import Entry, graph_arrays, senses_in_order, with_one_root
from zeroshot.taxonomy._graph import NounGraph, graph_of, using, wordnet_graph
from zeroshot.taxonomy._resolve import Resolution
from zeroshot.taxonomy._synset import Synset

_ARRAYS = (
    "offsets", "lemmas", "n_lemmas", "synset_lemmas", "sense_numbers", "cases", "n_hypernyms",
    "n_instance_hypernyms", "parents", "min_depths", "max_depths", "n_descendants", "exceptions",
)  # fmt: skip


class Taxonomy:
    """Taxonomy of things: synsets of words, each below the synsets that it is a kind of.

    ``Taxonomy()`` is WordNet 3.0, which is part of the package. It is the default wherever there is
    a parameter ``taxonomy``. Create others with `from_nltk` and `from_hypernyms`. A taxonomy never
    changes: cloning and copying return the object itself.

    See Also
    --------
    zeroshot.WordNetSimilarity, zeroshot.WordNetEmbedding, zeroshot.taxonomy.relation

    Examples
    --------
    >>> from zeroshot import WordNetSimilarity
    >>> from zeroshot.taxonomy import Taxonomy
    >>> animals = Taxonomy.from_hypernyms({"okapi": "mammal", "bear": "mammal", "emu": "bird",
    ...                                    "mammal": "animal", "bird": "animal"})
    >>> animals.synset("okapi.n.01").hypernyms
    (Synset('mammal.n.01'),)
    >>> WordNetSimilarity(taxonomy=animals).matrix(["okapi"], ["okapi", "bear", "emu"]).round(2)
    array([[1.  , 0.33, 0.2 ]])
    >>> Taxonomy().relation("lion", ["feline"])
    'included'
    """

    def __init__(self) -> None:
        self._graph = wordnet_graph()

    @classmethod
    def from_nltk(cls, reader: Any, *, lang: str = "eng") -> Taxonomy:
        """Return the nouns of a WordNet that nltk reads.

        Parameters
        ----------
        reader : nltk.corpus.reader.WordNetCorpusReader
            Reader such as ``nltk.corpus.wordnet`` (3.0), ``nltk.corpus.wordnet31``, or one for your
            own files.
        lang : str, default="eng"
            Language of the lemmas. For languages other than English, the reader needs the Open
            Multilingual Wordnet. Synsets without a lemma in the language keep their English name.

        Returns
        -------
        Taxonomy
            About 80,000 synsets, which take a few seconds to read.

        Raises
        ------
        ValueError
            The reader has no nouns in this language.
        """
        entries, found = [], False
        for each in reader.all_synsets("n"):
            words = [str(lemma) for lemma in each.lemma_names(lang)]
            found = found or bool(words)
            kinds = [above.offset() for above in each.hypernyms()]
            instances = [above.offset() for above in each.instance_hypernyms()]
            entries.append(Entry(each.offset(), words or [each.name()], kinds, instances))
        if not found:
            raise ValueError(f"Taxonomy.from_nltk: the reader has no nouns in lang={lang!r}.")
        senses = senses_in_order(entries)
        if lang == "eng":  # its index is sorted by frequency
            for lemma, offsets in senses.items():
                if len(offsets) > 1:
                    order = [s.offset() for s in reader.synsets(lemma, "n")]
                    rank = {offset: place for place, offset in enumerate(order)}
                    offsets.sort(key=lambda offset: rank.get(offset, len(rank)))
        return cls._of(graph_arrays(entries, senses), f"WordNet {reader.get_version()}, {lang}")

    @classmethod
    def from_hypernyms(
        cls,
        hypernyms: Mapping[str, str | Iterable[str]],
        *,
        lemmas: Mapping[str, Iterable[str]] | None = None,
    ) -> Taxonomy:
        """Return your own taxonomy.

        Parameters
        ----------
        hypernyms : mapping of str to str or iterable of str
            Hypernyms of each thing: what it is a kind of. Things without hypernyms are roots. If
            there are several roots, a new root ``"entity"`` is added above them.
        lemmas : mapping of str to iterable of str, optional
            Additional words for a thing.

        Raises
        ------
        TypeError
            `hypernyms` is not a mapping.
        ValueError
            `hypernyms` is empty, a thing is its own ancestor, or `lemmas` names an unknown thing.

        Examples
        --------
        >>> from zeroshot.taxonomy import Taxonomy
        >>> parts = Taxonomy.from_hypernyms({"M6 bolt": "bolt", "bolt": "fastener",
        ...                                  "rivet": "fastener"}, lemmas={"bolt": ["screw"]})
        >>> parts.relation("screw", ["fastener"]), parts.resolve(["m6 bolt"])[0].synset.min_depth
        ('included', 2)
        """
        if not isinstance(hypernyms, Mapping):
            raise TypeError(
                "Taxonomy.from_hypernyms: hypernyms must be a dict such as {'okapi': 'mammal'}, "
                f"got {type(hypernyms).__name__}."
            )
        above = {
            thing: [kinds] if isinstance(kinds, str) else list(kinds)
            for thing, kinds in hypernyms.items()
        }
        things = list(dict.fromkeys([*above, *chain.from_iterable(above.values())]))
        if strange := [thing for thing in lemmas or {} if thing not in things]:
            raise ValueError(
                f"Taxonomy.from_hypernyms: lemmas has {strange[0]!r}, which hypernyms does not. "
                "Put it below something."
            )
        number = {thing: place for place, thing in enumerate(things, start=1)}
        entries = with_one_root(
            [
                Entry(
                    number[thing],
                    [_lemma(word) for word in (thing, *(lemmas or {}).get(thing, ()))],
                    [number[kind] for kind in above.get(thing, ())],
                )
                for thing in things
            ]
        )
        return cls._of(graph_arrays(entries, senses_in_order(entries)), "the given taxonomy")

    @classmethod
    def _of(cls, arrays: Mapping[str, np.ndarray], title: str) -> Taxonomy:
        made = cls.__new__(cls)
        made._graph = graph_of(arrays, title)
        return made

    @property
    def graph(self) -> NounGraph:
        """The arrays."""
        return self._graph

    def __len__(self) -> int:
        return len(self._graph)

    def synset(self, identifier: str | Synset) -> Synset:
        """Return the synset with a wnid or a name such as ``"dog.n.01"``, as `synset` does."""
        with using(self._graph):
            return _synset.synset(identifier)

    def synsets(self, lemma: str) -> list[Synset]:
        """Return the senses of a word, the most frequent first, as `synsets` does."""
        with using(self._graph):
            return _synset.synsets(lemma)

    def resolve(self, labels: Any, *, context: Any = None) -> Resolution:
        """Return the synsets of class names, and the reason for each, as `resolve` does."""
        with using(self._graph):
            return _resolve.resolve(labels, context=context)

    def relation(self, target: str | Synset, sources: Any) -> str:
        """Return the relation of a synset to a set of synsets, as `relation` does."""
        return _relations.relation(target, sources, taxonomy=self)

    def relations(self, targets: Any, sources: Any) -> np.ndarray:
        """Return the relation of each target to the sources, as `relations` does."""
        return _relations.relations(targets, sources, taxonomy=self)

    def fingerprint(self) -> str:
        """Return the SHA-256 of all synsets, words and edges."""
        digest = hashlib.sha256()
        for name, array in self._arrays().items():
            digest.update(f"{name}:{array.dtype.str}:{array.shape}".encode())
            digest.update(array.tobytes())
        return digest.hexdigest()

    def _arrays(self) -> dict[str, np.ndarray]:
        graph = self._graph
        kinds = np.diff(graph.parent_starts) - graph.n_instance_hypernyms
        own = {
            "lemmas": graph.lemma_text,
            "n_lemmas": np.diff(graph.lemma_starts).astype(np.uint8),
            "cases": graph.case_text,
            "n_hypernyms": kinds.astype(np.uint8),
            "exceptions": graph.exception_text,
        }
        return {name: own[name] if name in own else getattr(graph, name) for name in _ARRAYS}

    def to_config(self) -> Config:
        """Return the configuration for `from_config`: empty for WordNet 3.0."""
        if self._graph is wordnet_graph():
            return Config({}, {})
        return Config({}, {"title": self._graph.title, **self._arrays()})

    @classmethod
    def from_config(cls, config: Config) -> Taxonomy:
        """Return the taxonomy that `to_config` described.

        Raises
        ------
        ModelFormatError
            Arrays are missing, or do not fit together.
        """
        if not config.params and not config.attributes:
            return cls()
        check_names(cls, {*config.params, *config.attributes} - {"title", *_ARRAYS})
        arrays: dict[str, Any] = {name: config.attributes.get(name) for name in _ARRAYS}
        _check_arrays(arrays)
        title = config.attributes.get("title")
        if not isinstance(title, str):
            raise ModelFormatError("A saved taxonomy lacks its title.", "Taxonomy.title")
        return cls._of(arrays, title)

    def __reduce__(self) -> tuple:
        return (Taxonomy, ()) if self._graph is wordnet_graph() else (_again, (self.to_config(),))

    def __copy__(self) -> Taxonomy:
        return self

    def __deepcopy__(self, memo: dict) -> Taxonomy:
        return self

    def __sklearn_clone__(self) -> Taxonomy:
        return self

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Taxonomy):
            return False
        return self._graph is other._graph or self.fingerprint() == other.fingerprint()

    def __hash__(self) -> int:
        return hash((Taxonomy, len(self)))

    def __repr__(self) -> str:
        return f"<Taxonomy of {len(self):,} synsets: {self._graph.title}>"


def _again(config: Config) -> Taxonomy:
    return Taxonomy.from_config(config)


def _lemma(word: str) -> str:
    return "_".join(word.split())


_ONE_EACH = (
    "n_lemmas", "n_hypernyms", "n_instance_hypernyms", "min_depths", "max_depths", "n_descendants",
)  # fmt: skip
_CASE = re.compile(r"|T|\d{1,5}(,\d{1,5})*")


def _check_arrays(arrays: Mapping[str, Any]) -> None:
    """Raise if arrays from a file are not those of a graph without cycles and with one root.

    Raises
    ------
    ModelFormatError
        An array is missing or of another type, or they do not fit together.
    """
    for name, array in arrays.items():
        if not isinstance(array, np.ndarray) or array.ndim != 1 or array.dtype.kind not in "iu":
            raise ModelFormatError(
                f"A saved taxonomy lacks {name!r}. Save the model again.", f"Taxonomy.{name}"
            )
    if not (_fit_together(arrays) and _is_acyclic(arrays) and _is_text(arrays)):
        raise ModelFormatError(
            "The arrays of a saved taxonomy do not fit together. Save it again.", "Taxonomy"
        )


def _fit_together(arrays: Mapping[str, np.ndarray]) -> bool:
    n = len(arrays["offsets"])
    n_parents = int(arrays["n_hypernyms"].sum()) + int(arrays["n_instance_hypernyms"].sum())
    n_words = arrays["lemmas"].tobytes().count(b"\n") + 1
    return (
        n > 0
        and all(arrays[name].shape == (n,) and (arrays[name] >= 0).all() for name in _ONE_EACH)
        and arrays["parents"].shape == (n_parents,)
        and arrays["synset_lemmas"].shape == (int(arrays["n_lemmas"].sum()),)
        and arrays["sense_numbers"].shape == arrays["synset_lemmas"].shape
        and bool((np.diff(arrays["offsets"].astype(np.int64)) > 0).all())
        and bool(((arrays["parents"] >= 0) & (arrays["parents"] < n)).all())
        and bool(((arrays["synset_lemmas"] >= 0) & (arrays["synset_lemmas"] < n_words)).all())
        and bool((arrays["n_lemmas"] > 0).all() and (arrays["n_descendants"] < n).all())
    )


def _is_acyclic(arrays: Mapping[str, np.ndarray]) -> bool:
    """Return whether depths are those of the graph: with a cycle, there are no such depths."""
    counts = arrays["n_hypernyms"].astype(np.int64) + arrays["n_instance_hypernyms"]
    below = counts > 0
    starts = (np.cumsum(counts) - counts)[below]
    for name, of_parents in (("min_depths", np.minimum), ("max_depths", np.maximum)):
        depths = arrays[name].astype(np.int64)
        expected = np.zeros(len(depths), dtype=np.int64)
        if below.any():
            expected[below] = 1 + of_parents.reduceat(depths[arrays["parents"]], starts)
        if not np.array_equal(depths, expected):
            return False
    return int((~below).sum()) == 1


def _is_text(arrays: Mapping[str, np.ndarray]) -> bool:
    graph = graph_of(arrays)
    try:
        lemmas, cases, exceptions = graph.lemmas, graph.lemma_cases, graph.exceptions
    except (IndexError, UnicodeDecodeError):
        return False
    rows = graph.synset_lemmas.tolist()
    return (
        len(cases) == len(rows)
        and all(one < two for one, two in pairwise(lemmas))
        and all(map(_CASE.fullmatch, cases))
        and all(
            int(case.rpartition(",")[2]) < len(lemmas[row])
            for row, case in zip(rows, cases, strict=True)
            if case not in ("", "T")
        )
        and all(exceptions.values())
    )
