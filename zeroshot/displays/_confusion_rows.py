"""The rows of a confusion matrix: a class each, or several neighbouring ones."""

from __future__ import annotations

from typing import Any

import numpy as np

from zeroshot._validation import check_labels, check_same_kind, check_unique
from zeroshot.displays._checks import plural
from zeroshot.displays._taxonomy_order import Block


def all_classes(labels: Any, used: np.ndarray, *, owner: str) -> np.ndarray:
    """Return the user's classes, in their order.

    Raises
    ------
    ValueError
        One is there twice, or one that is used is lacking.
    """
    classes = check_unique(
        check_labels(labels, owner=owner, name="labels"), owner=owner, name="labels"
    )
    check_same_kind(used, classes, owner=owner, names=("y_true", "labels"))
    lacking = np.setdiff1d(used, classes)
    if lacking.size:
        raise ValueError(
            f"{owner}: labels lack {plural(lacking.size, 'class')} of y_true and y_pred, such as "
            f"{lacking[0].item()!r}. Add them, or leave labels out."
        )
    return classes


def row_shares(
    true: np.ndarray, predicted: np.ndarray, classes: np.ndarray, size: int
) -> np.ndarray:
    """Return the confusion of rows of `size` classes each, without that of all pairs of classes."""
    by_name = np.argsort(classes)
    rows, columns = (
        by_name[np.searchsorted(classes[by_name], values)] // size for values in (true, predicted)
    )
    n = -(-len(classes) // size)
    counts = np.bincount(rows * n + columns, minlength=n * n).reshape(n, n)
    return counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)


def in_rows(blocks: list[Block], size: int) -> list[tuple[str, int, int]]:
    """Return name, start and end of blocks of classes, in rows of `size` classes each."""
    rows = [(block.name, round(block.start / size), round(block.end / size)) for block in blocks]
    return [(name, start, end) for name, start, end in rows if end > start]
