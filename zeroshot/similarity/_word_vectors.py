"""How near two labels are as vectors."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator

from zeroshot._validation import check_labels, check_option
from zeroshot.label_embeddings import LabelEmbedding


class WordVectorSimilarity(BaseEstimator):
    """Cosine of the labels' vectors: with `WordVectors`, of the means of their words' vectors.

    Parameters
    ----------
    label_embedding : LabelEmbedding
        Where the vectors come from. Its ``overrides`` say what is embedded instead of a label.
    on_missing : {"raise", "zero"}, default="raise"
        What becomes of a label without a vector: `UnknownLabelError`, or similarity 0 to
        everything.

    Notes
    -----
    Cosines may be negative; where they become the weights of a convex combination, negative ones
    count as 0. A label whose vector is zero has similarity 0 to all others.

    References
    ----------
    Pascal, Bost and Huet (2019), "Semantic and visual similarities for efficient knowledge
    transfer in CNN training", section III, which used word2vec.

    Examples
    --------
    >>> from zeroshot.label_embeddings import AttributeTable
    >>> from zeroshot.similarity import WordVectorSimilarity
    >>> table = AttributeTable([[3, 4], [4, 3], [0, -1]], labels=["cat", "lion", "oboe"])
    >>> WordVectorSimilarity(table).matrix(["lion"], ["cat", "oboe"]).round(2)
    array([[ 0.96, -0.6 ]])
    """

    def __init__(self, label_embedding: LabelEmbedding, *, on_missing: str = "raise") -> None:
        self.label_embedding = label_embedding
        self.on_missing = on_missing

    def matrix(self, targets: Any, sources: Any) -> np.ndarray:
        """Return the cosine of each target's vector with each source's.

        Parameters
        ----------
        targets : array-like of shape (n_targets,)
            Labels.
        sources : array-like of shape (n_sources,)
            Labels.

        Returns
        -------
        ndarray of float64 of shape (n_targets, n_sources)
            From -1 to 1.

        Raises
        ------
        UnknownLabelError
            A label has no vector, and ``on_missing="raise"``.
        TypeError
            `label_embedding` is no `LabelEmbedding`.
        ValueError
            `on_missing` is none of its options.
        """
        check_option(
            self.on_missing, ("raise", "zero"), owner="WordVectorSimilarity", name="on_missing"
        )
        if not isinstance(self.label_embedding, LabelEmbedding):
            raise TypeError(
                "WordVectorSimilarity: label_embedding must be a LabelEmbedding, got "
                f"{self.label_embedding!r}. Pass WordVectors('glove-wiki-gigaword-50'), for "
                "example."
            )
        return self._unit(targets) @ self._unit(sources).T

    def _unit(self, labels: Any) -> np.ndarray:
        given = check_labels(labels, owner="WordVectorSimilarity")
        known = np.ones(len(given), dtype=bool)
        if self.on_missing == "zero":
            known = self.label_embedding.covers(given)
        vectors = np.zeros((len(given), self.label_embedding.n_dims))
        vectors[known] = self.label_embedding.embed(given[known])
        norms = np.linalg.norm(vectors, axis=1, keepdims=True)
        return np.divide(vectors, norms, out=np.zeros_like(vectors), where=norms > 0)
