"""Label vectors averaged with those of hypernyms."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Self

import numpy as np
from scipy.sparse import csr_matrix

from zeroshot._utils._validation import check_number
from zeroshot.exceptions import LabelWarning, Remedy, UnknownLabelError
from zeroshot.label_embeddings._base import (
    Arrays,
    Explained,
    Label,
    LabelEmbedding,
    Restore,
    check_overrides,
    content_hash,
    overrides_from_json,
    overrides_to_json,
)
from zeroshot.label_embeddings._wordnet import explain_synset
from zeroshot.taxonomy._distances import ancestor_pairs
from zeroshot.taxonomy._resolve import senses_of
from zeroshot.taxonomy._synset import Synset

_OWNER = "HierarchicalEmbedding"


class HierarchicalEmbedding(LabelEmbedding):
    r"""Any label embedding, smoothed over WordNet: hierarchical semantic embedding (HierSE).

    .. math::

        s_{hi}(y) = \frac{1}{Z} \sum_{y' \in \{y\} \cup \mathrm{super}(y)} w(y' | y)\, s(y'),
        \qquad w(y' | y) = e^{-\beta\, d(y', y)},

    with the base embedding s, all ancestors super(y) of the label's noun synset, the edges d on the
    shortest way up to them, and Z the sum of the weights. So labels of one kind become more
    similar, and a rare word, whose own vector says little, is close to what it is a kind of. An
    ancestor without a vector is left out of the sum and of Z. So is a label without a vector, if an
    ancestor has one. A label without a synset keeps its base vector.

    Parameters
    ----------
    base : LabelEmbedding
        Gives the vectors: of a label by its own text; of an ancestor by its synonyms in WordNet, or
        by its synset if the base looks at synsets, as `GlossEmbedding` does.
    decay : float, default=1.0
        The decay :math:`\beta` of the weights; the larger, the less ancestors count.
    synsets : mapping of label to str, optional
        The wnids or nltk names of labels, such as ``class_synsets("cifar100")``. Other labels are
        read in their most frequent sense, as by `zeroshot.taxonomy.resolve`.
    overrides : mapping of label to label, optional
        What to embed, and to look up, instead of a label.

    Raises
    ------
    TypeError, ValueError
        `base`, `decay`, `synsets` or `overrides` are not as described.
    UnknownLabelError
        WordNet has no synset that `synsets` names.

    References
    ----------
    X. Li, S. Liao, W. Lan, X. Du and G. Yang, "Zero-shot Image Tagging by Hierarchical Semantic
    Embedding", SIGIR 2015.

    Examples
    --------
    >>> import numpy as np
    >>> from zeroshot.label_embeddings import AttributeTable, HierarchicalEmbedding
    >>> table = AttributeTable([[1, 0], [0, 1]], labels=["beagle", "hound, hound dog"])
    >>> embedding = HierarchicalEmbedding(table, decay=np.log(2))
    >>> embedding.embed(["beagle", "bloodhound"]).round(3)
    array([[0.667, 0.333],
           [0.   , 1.   ]], dtype=float32)
    """

    def __init__(
        self,
        base: LabelEmbedding,
        *,
        decay: float = 1.0,
        synsets: Mapping[Any, Label] | None = None,
        overrides: Mapping[Any, Label] | None = None,
    ) -> None:
        super().__init__(overrides=overrides)
        if not isinstance(base, LabelEmbedding):
            raise TypeError(
                f"{_OWNER}: base must be a LabelEmbedding, got {base!r}. Pass WordVectors(), for "
                "example."
            )
        check_number(decay, owner=_OWNER, name="decay", above=0)
        self._base, self._decay = base, float(decay)
        example = "{'tiger': 'n02129604'}"
        self._synsets = dict(
            check_overrides(synsets, owner=_OWNER, name="synsets", example=example)
        )
        if self._synsets:
            senses_of(list(self._synsets.values()), owner=_OWNER, name="synsets")

    @property
    def base(self) -> LabelEmbedding:
        """The embedding that is smoothed."""
        return self._base

    @property
    def vocabulary(self) -> Any:
        """The labels of the base's vocabulary; None where it has none."""
        return getattr(self._base, "vocabulary", None)

    @property
    def decay(self) -> float:
        """How fast the weights of ancestors fall with their distance."""
        return self._decay

    @property
    def n_dims(self) -> int:
        """Length of every vector."""
        return self._base.n_dims

    def fingerprint(self) -> str:
        """Return the SHA-256 of what determines the vectors."""
        options = [overrides_to_json(self._synsets), overrides_to_json(self._overrides)]
        version = 2 if self._base._by_synset else 1  # ancestors by their synsets since version 2
        return content_hash(_OWNER, version, self._base.fingerprint(), self._decay, *options)

    def reference(self) -> dict[str, Any] | None:
        """Return a JSON-able description, or None where the base has none."""
        base = self._base.reference()
        if base is None:
            return None
        return {
            "type": _OWNER,
            "base": base,
            "decay": self._decay,
            "synsets": overrides_to_json(self._synsets),
            "overrides": overrides_to_json(self._overrides),
        }

    @classmethod
    def from_config(
        cls, config: Mapping[str, Any], arrays: Arrays | None, restore: Restore
    ) -> Self:
        """Return the embedding that a `reference` describes."""
        return cls(
            restore(config["base"], None),
            decay=config["decay"],
            synsets=overrides_from_json(config["synsets"]),
            overrides=overrides_from_json(config["overrides"]),
        )

    def _embed(self, labels: list[Label]) -> np.ndarray:
        weights, nodes = self._ancestor_weights(labels)
        own, above = self._base.covers(labels), self._covered_nodes(nodes)
        reached = weights[:, above].getnnz(axis=1) > 0
        unknown = [label for label, has in zip(labels, own | reached, strict=True) if not has]
        if unknown:
            self._raise_unknown(unknown, len(labels))
        total = np.asarray(weights[:, above].sum(axis=1)).ravel() + own
        vectors = weights[:, above] @ self._embed_nodes(nodes[above])
        vectors[own] += self._base.embed([x for x, has in zip(labels, own, strict=True) if has])
        return vectors / total[:, None]

    def _covers(self, labels: list[Label]) -> np.ndarray:
        weights, nodes = self._ancestor_weights(labels)
        reached = weights[:, self._covered_nodes(nodes)].getnnz(axis=1) > 0
        return self._base.covers(labels) | reached

    def _explain(self, labels: list[Label]) -> list[Explained]:
        base = self._base._explain(self._base._replace(np.array(labels, dtype=object)))
        covered = self._covers(labels).tolist()
        return [
            replace(
                own,
                read=own.read if own.found or not has else by_kind.read,
                synset=by_kind.synset,
                why=(own.why if own.found or not has else "what it is a kind of has a vector"),
            )
            for own, by_kind, has in zip(
                base, map(explain_synset, self._named(labels)), covered, strict=True
            )
        ]

    def _named(self, labels: list[Label]) -> list[Label]:
        return [self._synsets.get(label, label) for label in labels]

    def _ancestor_weights(self, labels: list[Label]) -> tuple[csr_matrix, np.ndarray]:
        """Return the weights of ancestors, (n_labels, n_nodes), and the ancestors' nodes."""
        found = [self._node(label) for label in labels]
        known = np.array([row for row, node in enumerate(found) if node is not None], dtype=np.intp)
        given = np.array([node for node in found if node is not None], dtype=np.int64)
        rows, above, distances = ancestor_pairs(given)
        proper = distances > 0
        nodes, columns = np.unique(above[proper], return_inverse=True)
        weights = np.exp(-self._decay * distances[proper])
        places = (known[rows[proper]], columns.reshape(-1))
        return csr_matrix((weights, places), shape=(len(labels), len(nodes))), nodes

    def _node(self, label: Label) -> int | None:
        (name,) = self._named([label])
        if not isinstance(name, str):
            return None
        (senses,) = senses_of([name], owner=_OWNER, name="labels", missing=True)
        return senses[0] if senses else None

    def _covered_nodes(self, nodes: np.ndarray) -> np.ndarray:
        return np.flatnonzero(self._base.covers(self._called(nodes)))

    def _called(self, nodes: np.ndarray) -> list[str]:
        """Return what the base knows synsets by: wnids, or synonyms if it reads words."""
        if self._base._by_synset:
            return [Synset(node).wnid for node in nodes.tolist()]
        return [_synonyms(node) for node in nodes.tolist()]

    def _embed_nodes(self, nodes: np.ndarray) -> np.ndarray:
        with warnings.catch_warnings():
            # Words of WordNet's own names that have no vector are nothing the user can mend.
            warnings.simplefilter("ignore", LabelWarning)
            vectors = self._base.embed(self._called(nodes))
        return vectors.astype(np.float64)

    def _raise_unknown(self, unknown: list[Label], n_labels: int) -> None:
        near: Mapping[object, Sequence[str]] = {}
        try:
            self._base.embed(unknown)
        except UnknownLabelError as error:
            near = error.close_matches
        raise UnknownLabelError(
            unknown,
            n_labels,
            owner=_OWNER,
            remedy="Nor has what they are kinds of. "
            + Remedy(
                "Pass synsets={label: wnid} to say what they are, or overrides={label: text} to "
                "embed other words.",
                option="Respell them, or leave them out.",
            ),
            close_matches=near,
        )

    def __repr__(self) -> str:
        return f"HierarchicalEmbedding({self._base!r}, decay={self._decay:g})"


def _synonyms(node: int) -> str:
    """Return a synset's lemmas as a list of synonyms: ``"hound, hound dog"``."""
    return ", ".join(lemma.replace("_", " ") for lemma in Synset(node).lemmas)
