"""How near two labels are as vectors."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator

from zeroshot._validation import check_labels
from zeroshot.exceptions import LabelWarning
from zeroshot.label_embeddings import LabelEmbedding


class WordVectorSimilarity(BaseEstimator):
    """Cosine of the labels' vectors: with `WordVectors`, of the means of their words' vectors.

    Parameters
    ----------
    label_embedding : LabelEmbedding
        Where the vectors come from. Its ``overrides`` say what is embedded instead of a label.

    Notes
    -----
    Cosines may be negative; where they become the weights of a convex combination, negative ones
    count as 0. A label whose vector is zero has similarity 0 to all others, and so has a source
    without a vector: a pretrained head's own labels are nothing that its user can mend.

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

    def __init__(self, label_embedding: LabelEmbedding) -> None:
        self.label_embedding = label_embedding

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
            A target has no vector, or none of the sources has.
        TypeError
            `label_embedding` is no `LabelEmbedding`.
        """
        if not isinstance(self.label_embedding, LabelEmbedding):
            raise TypeError(
                "WordVectorSimilarity: label_embedding must be a LabelEmbedding, got "
                f"{self.label_embedding!r}. Pass WordVectors('glove-wiki-gigaword-50'), for "
                "example."
            )
        targets = check_labels(targets, owner="WordVectorSimilarity", name="targets")
        sources = check_labels(sources, owner="WordVectorSimilarity", name="sources")
        covered = self.label_embedding.covers(sources)
        # With no source covered, all are embedded, and the error names them.
        covered = covered if covered.any() else np.ones_like(covered)
        cosines = np.zeros((len(targets), len(sources)))
        with warnings.catch_warnings():
            # Words of a source's label that have no vector are left out of its mean.
            warnings.simplefilter("ignore", LabelWarning)
            known = self._unit(sources[covered])
        cosines[:, covered] = self._unit(targets) @ known.T
        return cosines

    def _unit(self, labels: Any) -> np.ndarray:
        vectors = self.label_embedding.embed(labels).astype(np.float64)
        norms = np.linalg.norm(vectors, axis=1, keepdims=True)
        return np.divide(vectors, norms, out=np.zeros_like(vectors), where=norms > 0)
