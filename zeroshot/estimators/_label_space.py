"""The label space of a fitted estimator: label vectors, centred and scaled."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from sklearn.metrics.pairwise import rbf_kernel

from zeroshot._utils._constraints import Maybe, Number
from zeroshot._utils._fitted import Array, Part, Sizes
from zeroshot._utils._saving import Saved
from zeroshot._utils._validation import warn_caller
from zeroshot.exceptions import Remedy
from zeroshot.label_embeddings import LabelEmbedding

_BLOCK = 2**16
"""How many labels are placed at a time."""

_LISTED = 10
"""How many labels or groups of them a warning names."""


class LabelSpace(Saved):
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

    _constraints: ClassVar[Mapping[str, Any]] = {
        "embedding": Part(sizes={"n_dims": "n_raw"}, has=("n_dims",)),
        "offset": Array("n_raw"),
        "gamma": Maybe(Number(above=0)),
        "anchors": Maybe(Array("n_anchors", "n_raw")),
        "anchor_offset": Maybe(Array("n_anchors")),
    }

    @classmethod
    def _check_together(cls, values: Mapping[str, Any], sizes: Sizes) -> None:
        given = [values[name] is not None for name in ("gamma", "anchors", "anchor_offset")]
        if any(given) != all(given):
            raise ValueError(
                f"{cls.__name__}: gamma, anchors and anchor_offset must be given together."
            )
        sizes["n_dims"] = sizes["n_anchors" if all(given) else "n_raw"]

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
    ) -> tuple[LabelSpace, np.ndarray]:
        """Return the space whose origin is the mean of the `seen` classes, and their vectors there.

        Each seen class counts once, whatever its number of rows.
        """
        raw = embedding.embed(seen).astype(np.float64)
        offset = _offset(raw, center)
        vectors = centered_unit_rows(raw, offset)
        warn_of_degenerate_vectors(vectors, seen, seen, owner=owner)
        if gamma is None:
            return cls(embedding, offset), vectors
        similarities = rbf_kernel(vectors, gamma=gamma)
        anchor_offset = _offset(similarities, center)
        space = cls(embedding, offset, gamma=gamma, anchors=vectors, anchor_offset=anchor_offset)
        return space, centered_unit_rows(similarities, anchor_offset)

    def raw_vectors(self, labels: np.ndarray) -> np.ndarray:
        """Return the embedding's own vectors, float64 (n_labels, n_dims)."""
        return self.embedding.embed(labels).astype(np.float64)

    def vectors(self, labels: np.ndarray) -> np.ndarray:
        """Return the unit vectors in this space, float64 (n_labels, n_dims or n_seen)."""
        raw = self.embedding.embed(labels)
        width = len(self.offset) if self.anchors is None else len(self.anchors)
        placed = np.empty((len(raw), width))
        for start in range(0, len(raw), _BLOCK):  # or a whole vocabulary would be held many times
            block = slice(start, start + _BLOCK)
            placed[block] = self._place(raw[block].astype(np.float64))
        return placed

    def _place(self, raw: np.ndarray) -> np.ndarray:
        vectors = centered_unit_rows(raw, self.offset)
        if self.gamma is None or self.anchors is None or self.anchor_offset is None:
            return vectors
        return centered_unit_rows(
            rbf_kernel(vectors, self.anchors, gamma=self.gamma), self.anchor_offset
        )


def check_label_embedding(
    embedding: Any, *, owner: str, name: str = "label_embedding"
) -> LabelEmbedding:
    """Return `embedding` if it is one.

    Raises
    ------
    TypeError
        It is something else, such as the name of an embedding, or a class.
    """
    if not isinstance(embedding, LabelEmbedding):
        raise TypeError(
            f"{owner}: {name} must be a LabelEmbedding, got {embedding!r}. "
            "Pass an object such as WordVectors()."
        )
    return embedding


def _offset(rows: np.ndarray, center: bool) -> np.ndarray:
    """Return the mean row, or zeros where all rows are equal: there is nothing to centre on."""
    mean = rows.mean(axis=0)
    # Embeddings are float32: what differs by less than its rounding is equal, at any scale.
    spread = np.abs(rows - mean).max()
    equal = spread <= np.finfo(np.float32).eps * np.abs(rows).max()
    return mean if center and not equal else np.zeros_like(mean)


def centered_unit_rows(rows: np.ndarray, offset: np.ndarray) -> np.ndarray:
    """Return `rows` less `offset`, at unit length; a row that equals it but for rounding, zero."""
    shifted = rows - offset
    norms = np.linalg.norm(shifted, axis=1, keepdims=True)
    magnitudes = np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), np.linalg.norm(offset))
    negligible = norms <= 1e-12 * magnitudes
    return np.where(negligible, 0.0, shifted / np.where(negligible, 1.0, norms))


def warn_of_degenerate_vectors(
    vectors: np.ndarray, labels: np.ndarray, new: np.ndarray, *, owner: str
) -> None:
    """Warn of labels that no score can tell apart, by name, where one of the `new` is of them."""
    at_mean = labels[~vectors.any(axis=1)].tolist()
    groups = _identical_groups(vectors, labels)
    if not at_mean and not groups:
        return
    is_new = set(new.tolist())
    at_mean = [label for label in at_mean if label in is_new]
    if at_mean:
        warn_caller(
            f"{owner}: the vectors of {_listed(at_mean)} lie at the mean of the seen classes' "
            "vectors and score 0 for every sample. "
            + Remedy(
                "Pass center=False or another label_embedding.",
                option="Respell them, or take another --label-embedding in 'zeroshot fit'.",
            ),
        )
    named = [_listed(group) for group in groups if not is_new.isdisjoint(group)]
    if named:
        more = f" and {len(named) - _LISTED} more groups" if len(named) > _LISTED else ""
        warn_caller(
            f"{owner}: labels share one vector and cannot be told apart: "
            f"[{', '.join(named[:_LISTED])}]{more}. "
            + Remedy(
                "Give them vectors of their own, for example by overrides.",
                option="Respell them, or say how they differ with --label-texts FILE of 'zeroshot "
                "fit'.",
            ),
        )


def _identical_groups(vectors: np.ndarray, labels: np.ndarray) -> list[list]:
    """Return the labels of each group of two or more whose vectors are equal to 12 decimals."""
    # Equal vectors have equal projections: few others do, and only these are compared in full.
    direction = np.cos(np.arange(vectors.shape[1]) + 1.0)
    order = np.argsort(projection := vectors @ direction)
    near = np.diff(projection[order]) <= 2e-12 * np.abs(direction).sum()
    rows = np.sort(order[np.append(near, False) | np.insert(near, 0, False)])
    groups: dict[bytes, list] = {}
    rounded = np.round(vectors[rows], 12) + 0.0
    for label, vector in zip(labels[rows].tolist(), rounded, strict=True):
        groups.setdefault(vector.tobytes(), []).append(label)
    return [group for group in groups.values() if len(group) > 1]


def _listed(labels: list) -> str:
    """Return the first labels as a list, and how many more there are."""
    more = f" and {len(labels) - _LISTED} more" if len(labels) > _LISTED else ""
    return f"{labels[:_LISTED]}{more}"
