"""Label vectors from WordNet's hypernyms."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np
from scipy.sparse import csr_matrix
from scipy.sparse.linalg import svds

from zeroshot._utils._validation import check_labels, check_number, check_unique
from zeroshot.exceptions import UnknownLabelError
from zeroshot.label_embeddings._base import (
    Arrays,
    Explained,
    Label,
    LabelEmbedding,
    Restore,
    content_hash,
    overrides_from_json,
    overrides_to_json,
    read_only,
)
from zeroshot.taxonomy import Taxonomy
from zeroshot.taxonomy._distances import ancestor_pairs, information_gains
from zeroshot.taxonomy._graph import NounGraph, using
from zeroshot.taxonomy._readings import code_of, read_label
from zeroshot.taxonomy._resolve import Choice, choose, has_synset, nodes_of

_OWNER = "WordNetEmbedding"


class WordNetEmbedding(LabelEmbedding):
    r"""Label vectors from WordNet: one dimension per hypernym, weighted by its information.

    The vector of a label has, for each of its ancestors a in WordNet and itself, the entry
    :math:`\sqrt{IC(a) - \max_{p} IC(p)}` with the parents p of a, and 0 elsewhere; IC is intrinsic
    information content (Seco et al. 2004). If the ancestors form a tree, these gains add up: the
    inner product of two vectors is then the information content of the deepest common ancestor,
    which is Resnik's similarity.

    Parameters
    ----------
    n_dims : int, optional
        Keep only the strongest directions, by a singular value decomposition of the vocabulary's
        vectors, which are not centred. None keeps all dimensions.
    vocabulary : array-like of str, optional
        The labels whose ancestors are the dimensions, for example all seen and candidate labels. Of
        other labels, only the ancestors that they share with these count. None means all 82,115
        nouns, which gives vectors of 82,115 entries. With `n_dims`, their decomposition takes
        seconds.
    overrides : mapping of label to str, optional
        The wnid, nltk name or other name to embed instead of a label, for example
        ``class_synsets("cifar100")``. Other names are read in their most frequent sense.
    taxonomy : Taxonomy, optional
        Where labels are looked up; WordNet 3.0 if None.

    Raises
    ------
    UnknownLabelError
        A label of the vocabulary has no noun synset.
    ValueError
        `n_dims` is larger than the vocabulary allows.

    See Also
    --------
    zeroshot.taxonomy.resolve : How class names become synsets.

    References
    ----------
    Resnik (1995), "Using information content to evaluate semantic similarity in a taxonomy",
    IJCAI. Seco, Veale and Hayes (2004), "An intrinsic information content metric for semantic
    similarity in WordNet", ECAI, equation 3.

    Examples
    --------
    >>> from zeroshot.label_embeddings import WordNetEmbedding
    >>> embedding = WordNetEmbedding(vocabulary=["lion", "wolf", "oboe"])
    >>> vectors = embedding.embed(["lion", "wolf", "oboe", "beagle"])
    >>> vectors.shape
    (4, 26)
    >>> (vectors @ vectors.T).round(2)[0]
    array([0.88, 0.48, 0.08, 0.48], dtype=float32)
    """

    def __init__(
        self,
        n_dims: int | None = None,
        *,
        vocabulary: Any = None,
        overrides: Mapping[Any, Label] | None = None,
        taxonomy: Taxonomy | None = None,
    ) -> None:
        super().__init__(overrides=overrides)
        if taxonomy is not None and not isinstance(taxonomy, Taxonomy):
            raise TypeError(
                f"{_OWNER}: taxonomy must be a Taxonomy, got {taxonomy!r}. Pass "
                "Taxonomy.from_nltk(reader), for example."
            )
        self._taxonomy = Taxonomy() if taxonomy is None else taxonomy
        self._by_synset = taxonomy is None  # another one has identifiers of its own
        if n_dims is not None:
            check_number(n_dims, owner=_OWNER, name="n_dims", at_least=1, integer=True)
            n_dims = int(n_dims)  # JSON knows no integers of numpy
        self._rank = n_dims
        self._vocabulary = None if vocabulary is None else self._check_vocabulary(vocabulary)
        self._columns = self._find_columns()
        if n_dims is not None:
            n_rows = len(self._graph) if self._vocabulary is None else len(self._vocabulary)
            limit = min(n_rows, len(self._columns)) - 1
            if n_dims > limit:
                raise ValueError(
                    f"{_OWNER}: n_dims must be at most {limit} for {n_rows} labels with "
                    f"{len(self._columns)} ancestors, got {n_dims}. Pass n_dims=None or a larger "
                    "vocabulary."
                )

    @property
    def n_dims(self) -> int:
        """Length of every vector."""
        return len(self._columns) if self._rank is None else self._rank

    @property
    def vocabulary(self) -> tuple[str, ...] | None:
        """The labels whose ancestors make the dimensions, or None for all nouns."""
        return self._vocabulary

    @property
    def dimension_names(self) -> list[str] | None:
        """What each dimension stands for, as nltk names it; None after a decomposition."""
        if self._rank is not None:
            return None
        return [self._graph.name(node) for node in self._columns.tolist()]

    def fingerprint(self) -> str:
        """Return the SHA-256 of what determines the vectors."""
        state = ["WordNetEmbedding", 1, self._rank, overrides_to_json(self._overrides)]
        if self._graph is not Taxonomy().graph:
            state.append(self._taxonomy.fingerprint())
        offsets = self._graph.offsets[self._columns]
        return content_hash(*state, offsets, *([] if self._rank is None else [self._basis]))

    def reference(self) -> dict[str, Any] | None:
        """Return a JSON-able description from which this can be opened again.

        None with a taxonomy of one's own: a saved model then keeps the rows of its labels.
        """
        if self._graph is not Taxonomy().graph:
            return None
        return {
            "type": "WordNetEmbedding",
            "n_dims": self._rank,
            "vocabulary": None if self._vocabulary is None else list(self._vocabulary),
            "overrides": overrides_to_json(self._overrides),
        }

    def to_config(self, labels: Any) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """Return the parameters, and the basis, which is not the same everywhere."""
        reference = self.reference()
        if reference is None:
            return super().to_config(labels)
        return reference, {} if self.basis is None else {"basis": self.basis}

    @classmethod
    def from_config(
        cls, config: Mapping[str, Any], arrays: Arrays | None, restore: Restore
    ) -> WordNetEmbedding:
        """Return the embedding of a `reference` (without arrays), or of `to_config`."""
        options = {name: config[name] for name in ("n_dims", "vocabulary")}
        options["overrides"] = overrides_from_json(config["overrides"])
        if arrays is None or config["n_dims"] is None:
            return cls(**options)
        return cls.from_basis(arrays["basis"], **options)

    @property
    def basis(self) -> np.ndarray | None:
        """What the decomposition multiplies with, float32 of shape (n_columns, n_dims), or None."""
        return None if self._rank is None else self._basis

    @classmethod
    def from_basis(cls, basis: np.ndarray, **options: Any) -> WordNetEmbedding:
        """Return an embedding with a decomposition that was made before.

        Singular values that are equal leave the directions open to rounding: a model that was
        fitted to these vectors needs these directions.

        Parameters
        ----------
        basis : ndarray of float32 of shape (n_columns, n_dims)
            The `basis` of an embedding with the same parameters.
        **options
            The parameters.

        Raises
        ------
        ValueError
            The shape does not fit the parameters.
        """
        embedding = cls(**options)
        expected = (len(embedding._columns), embedding.n_dims)
        if embedding._rank is None or basis.shape != expected or basis.dtype != np.float32:
            raise ValueError(
                f"{_OWNER}: basis must be float32 of shape {expected}, got {basis.dtype} of shape "
                f"{basis.shape}. Pass the basis that belongs to these parameters."
            )
        embedding.__dict__["_basis"] = read_only(basis)
        return embedding

    def _check_vocabulary(self, vocabulary: Any) -> tuple[str, ...]:
        labels = check_labels(vocabulary, owner=_OWNER, name="vocabulary")
        return tuple(check_unique(labels, owner=_OWNER, name="vocabulary").tolist())

    @property
    def _graph(self) -> NounGraph:
        return self._taxonomy.graph

    def _find_columns(self) -> np.ndarray:
        nodes = self._vocabulary_nodes()
        if self._vocabulary is None:
            return nodes
        with using(self._graph):
            return np.unique(ancestor_pairs(nodes)[1])

    def _vocabulary_nodes(self) -> np.ndarray:
        if self._vocabulary is None:
            return np.arange(len(self._graph))
        return self._nodes(self._replace(np.array(self._vocabulary)), name="vocabulary")

    @cached_property
    def _basis(self) -> np.ndarray:
        """The right singular vectors, strongest first, each with its largest entry positive."""
        rows = self._indicators(self._vocabulary_nodes())
        _, _, vectors = svds(rows, self.n_dims, v0=np.ones(min(rows.shape)))
        basis = vectors[::-1].T
        largest = np.abs(basis).argmax(axis=0)
        basis = basis * np.sign(basis[largest, np.arange(self.n_dims)])
        return read_only(np.ascontiguousarray(basis, dtype=np.float32))

    def _indicators(self, nodes: np.ndarray) -> csr_matrix:
        with using(self._graph):
            rows, above, _ = ancestor_pairs(nodes)
            place = np.minimum(np.searchsorted(self._columns, above), len(self._columns) - 1)
            known = self._columns[place] == above
            weights = np.sqrt(information_gains(above[known]))
        shape = (len(nodes), len(self._columns))
        return csr_matrix((weights, (rows[known], place[known])), shape=shape)

    def _embed(self, labels: list[Label]) -> np.ndarray:
        indicators = self._indicators(self._nodes(labels, name="labels"))
        if self._rank is None:
            return indicators.astype(np.float32).toarray()
        return indicators @ self._basis.astype(np.float64)

    def _covers(self, labels: list[Label]) -> np.ndarray:
        with using(self._graph):
            return np.array([isinstance(label, str) and has_synset(label) for label in labels])

    def _explain(self, labels: list[Label]) -> list[Explained]:
        with using(self._graph):
            return [explain_synset(label) for label in labels]

    def _nodes(self, labels: list[Label], *, name: str) -> np.ndarray:
        numbers = [label for label in labels if not isinstance(label, str)]
        if numbers:
            raise UnknownLabelError(
                numbers,
                len(labels),
                owner=_OWNER,
                what="noun synset",
                remedy="Numbers name nothing: pass overrides={0: 'n02084071', ...} or class names.",
            )
        with using(self._graph):
            return nodes_of(labels, owner=_OWNER, name=name)

    def __repr__(self) -> str:
        size = "" if self._vocabulary is None else f", {len(self._vocabulary)} labels"
        return f"WordNetEmbedding(n_dims={self.n_dims}{size})"


def explain_synset(label: Label, choice: Choice | None = None) -> Explained:
    """Return which synset a label stands for, by a choice that was made or else `choose`."""
    if not isinstance(label, str):
        return Explained(str(label), why="a number names nothing")
    read, choice = read_label(label), choose(label) if choice is None else choice
    if choice is None:
        return Explained(read.text, missing=read.names, why="WordNet has no such noun")
    code = code_of(label)
    why = f"{choice.rule}, {code}" if code else choice.rule
    found_words = (choice.lemma.replace("_", " "),) if choice.lemma else (read.text,)
    return Explained(read.text, found_words, (), choice.synset.name, why)
