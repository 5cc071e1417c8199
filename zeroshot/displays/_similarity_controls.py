"""Semantic similarity of answers that look at no image."""

from __future__ import annotations

from typing import Any

import numpy as np

from zeroshot._validation import check_labels, check_same_kind
from zeroshot.metrics._embedding import _embed_function, _unit_rows


def similarity_controls(
    y_true: Any, candidates: Any, label_embedding: Any, k: int, *, owner: str
) -> dict[str, float]:
    """Return the mean cosine of candidates to the true labels, and that of the k nearest ones."""
    true = check_labels(y_true, owner=owner, name="y_true")
    offered = np.unique(check_labels(candidates, owner=owner, name="candidates"))
    check_same_kind(true, offered, owner=owner, names=("y_true", "candidates"))
    classes, counts = np.unique(true, return_counts=True)
    embed = _embed_function(label_embedding, owner)
    mean = counts / counts.sum() @ _unit_rows(embed(classes), classes, owner=owner)
    cosines = np.sort(_unit_rows(embed(offered), offered, owner=owner) @ mean)
    return {"random label": float(cosines.mean()), "best constant": float(cosines[-k:].mean())}
