"""What is asked of a classifier: the true labels, and the labels that it may answer with."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from zeroshot.metrics._classification import missing_part
from zeroshot.metrics._curve import nothing_offered


@dataclass(frozen=True)
class Task:
    """True labels, and the labels on offer.

    Attributes
    ----------
    y : ndarray of shape (n_samples,)
        True labels.
    classes : ndarray of shape (n_classes,)
        The sorted classes of y.
    codes : ndarray of int of shape (n_samples,)
        The position of each true label in `classes`.
    counts : ndarray of int of shape (n_classes,)
        Samples of each class.
    is_seen : ndarray of bool of shape (n_classes,)
        Which classes were in training.
    offered : ndarray of bool of shape (n_columns,)
        Which score columns may win.
    labels : ndarray of shape (n_labels,)
        The labels of those columns.
    seen_labels : ndarray
        Those of them that were in training.
    """

    y: np.ndarray
    classes: np.ndarray
    codes: np.ndarray
    counts: np.ndarray
    is_seen: np.ndarray
    offered: np.ndarray
    labels: np.ndarray
    seen_labels: np.ndarray

    @classmethod
    def of(cls, y: np.ndarray, columns: np.ndarray, offered: np.ndarray, seen: np.ndarray) -> Task:
        """Set the task of naming `y` by the `offered` ones of the labels of score columns."""
        classes, codes, counts = np.unique(y, return_inverse=True, return_counts=True)
        labels = columns[offered]
        is_seen = np.isin(classes, seen)
        seen_labels = labels[np.isin(labels, seen)]
        return cls(y, classes, codes, counts, is_seen, offered, labels, seen_labels)

    def part(self, name: str) -> np.ndarray:
        """Return the positions of the classes of the "seen" or the "unseen" part."""
        return np.flatnonzero(self.is_seen if name == "seen" else ~self.is_seen)

    def labels_of(self, name: str) -> np.ndarray:
        """Return which labels on offer, (n_labels,) of bool, are of a part."""
        seen = np.isin(self.labels, self.seen_labels)
        return seen if name == "seen" else ~seen

    def lacks(self, name: str) -> str | None:
        """Return why nothing can be said of a part, or None."""
        if not self.part(name).size:
            return missing_part(name, len(self.y))
        return None if self.labels_of(name).any() else nothing_offered(name)

    @property
    def lacks_both(self) -> str | None:
        """Why nothing can be said of the trade between the parts, or None."""
        return self.lacks("seen") or self.lacks("unseen")

    def notes(self) -> list[str]:
        """Return what should be known of the true labels."""
        absent = ~np.isin(self.classes, self.labels)
        if not absent.any():
            return []
        names = ", ".join(map(repr, self.classes[absent][:5].tolist()))
        return [
            f"{absent.sum()} of {len(self.classes)} classes are not on offer (such as {names}): "
            f"their {self.counts[absent].sum()} samples count as wrong."
        ]
