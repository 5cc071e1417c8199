"""Semantic similarity of answers that look at no image."""

from __future__ import annotations

from typing import Any

import numpy as np

from zeroshot._validation import check_labels, check_same_kind
from zeroshot.metrics._embedding import embed_function, unit_vectors


def similarity_controls(
    y_true: Any, candidates: Any, label_embedding: Any, k: int, *, owner: str
) -> dict[str, float]:
    """Return the mean cosine of candidates to the true labels, and that of the k nearest ones."""
    true = check_labels(y_true, owner=owner, name="y_true")
    offered = np.unique(check_labels(candidates, owner=owner, name="candidates"))
    check_same_kind(true, offered, owner=owner, names=("y_true", "candidates"))
    classes, counts = np.unique(true, return_counts=True)
    embed = embed_function(label_embedding, owner)
    mean = counts / counts.sum() @ _directions(embed, classes, owner)
    cosines = np.sort(_directions(embed, offered, owner) @ mean)
    return {"random label": float(cosines.mean()), "best constant": float(cosines[-k:].mean())}


def _directions(embed: Any, labels: np.ndarray, owner: str) -> np.ndarray:
    """Return the vectors of labels at unit length, (n_labels, n_dims)."""
    vectors, zero = unit_vectors(embed, labels, owner=owner)
    if zero:
        raise ValueError(
            f"{owner}: label_embedding gives {', '.join(map(repr, zero))} a zero vector, which "
            "has no cosine to others. Give these labels vectors, or leave them out."
        )
    return vectors
