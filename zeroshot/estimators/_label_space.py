"""Where label vectors live inside one fitted estimator: shifted, scaled, and checked."""

from __future__ import annotations

import warnings

import numpy as np
from sklearn.metrics.pairwise import rbf_kernel

from zeroshot.exceptions import LabelWarning
from zeroshot.label_embeddings import LabelEmbedding


class LabelSpace:
    """The label vectors of one fitted classifier.

    Raw vectors are shifted by `offset` and scaled to unit length. With `gamma`, each label is
    then described by its similarities to the seen classes, shifted by their own mean and scaled
    again.

    Parameters
    ----------
    embedding : LabelEmbedding
        Gives the raw vectors.
    offset : ndarray of shape (n_dims,)
        Subtracted from every raw vector.
    gamma : float, optional
        Of the RBF kernel between labels.
    anchors : ndarray of shape (n_seen, n_dims), optional
        The seen classes' shifted unit vectors; only with `gamma`.
    anchor_offset : ndarray of shape (n_seen,), optional
        Subtracted from every row of similarities; only with `gamma`.
    """

    def __init__(
        self,
        embedding: LabelEmbedding,
        offset: np.ndarray,
        *,
        gamma: float | None = None,
        anchors: np.ndarray | None = None,
        anchor_offset: np.ndarray | None = None,
    ) -> None:
        self.embedding = embedding
        self.offset = offset
        self.gamma = gamma
        self.anchors = anchors
        self.anchor_offset = anchor_offset

    @classmethod
    def of_seen(
        cls,
        embedding: LabelEmbedding,
        seen: np.ndarray,
        *,
        center: bool,
        gamma: float | None = None,
        owner: str,
    ) -> LabelSpace:
        """Return the space whose origin is the mean of the `seen` classes.

        Each seen class counts once, whatever its number of rows.
        """
        raw = embedding.embed(seen).astype(np.float64)
        space = cls(embedding, _offset(raw, center))
        vectors = space.vectors(seen)
        _warn_of_degenerate_vectors(vectors, seen, owner=owner)
        if gamma is None:
            return space
        similarities = rbf_kernel(vectors, gamma=gamma)
        return cls(
            embedding,
            space.offset,
            gamma=gamma,
            anchors=vectors,
            anchor_offset=_offset(similarities, center),
        )

    def raw_vectors(self, labels: np.ndarray) -> np.ndarray:
        """Return the embedding's own vectors, float64 (n_labels, n_dims)."""
        return self.embedding.embed(labels).astype(np.float64)

    def vectors(self, labels: np.ndarray) -> np.ndarray:
        """Return the unit vectors in this space, float64 (n_labels, n_dims or n_seen)."""
        vectors = unit_rows(self.raw_vectors(labels) - self.offset)
        if self.gamma is None:
            return vectors
        return unit_rows(rbf_kernel(vectors, self.anchors, gamma=self.gamma) - self.anchor_offset)


def _offset(rows: np.ndarray, center: bool) -> np.ndarray:
    """Return the mean row, or zeros where all rows are equal: there is nothing to centre on."""
    mean = rows.mean(axis=0)
    return mean if center and not np.allclose(rows, mean) else np.zeros_like(mean)


def unit_rows(array: np.ndarray) -> np.ndarray:
    """Return `array` with its rows at unit length; rows that are zero but for rounding, zero."""
    norms = np.linalg.norm(array, axis=1, keepdims=True)
    negligible = norms <= 1e-12 * max(1.0, float(norms.max(initial=0.0)))
    return np.where(negligible, 0.0, array / np.where(negligible, 1.0, norms))


def _warn_of_degenerate_vectors(vectors: np.ndarray, labels: np.ndarray, *, owner: str) -> None:
    """Warn of labels that no score can tell apart, by name."""
    at_mean = labels[~vectors.any(axis=1)].tolist()
    if at_mean:
        warnings.warn(
            f"{owner}: the vectors of {at_mean} lie at the mean of the seen classes' vectors and "
            "score 0 for every sample. Pass center=False or another label_embedding.",
            LabelWarning,
            stacklevel=4,
        )
    groups: dict[bytes, list] = {}
    for label, vector in zip(labels.tolist(), np.round(vectors, 12) + 0.0, strict=True):
        groups.setdefault(vector.tobytes(), []).append(label)
    identical = [group for group in groups.values() if len(group) > 1]
    if identical:
        warnings.warn(
            f"{owner}: labels share one vector and cannot be told apart: {identical}. "
            "Give them vectors of their own, for example by overrides.",
            LabelWarning,
            stacklevel=4,
        )
