"""Metrics of the k best labels, and their controls."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from zeroshot.exceptions import Remedy, ZeroShotError
from zeroshot.metrics._embedding import embed_function, unit_vectors
from zeroshot.metrics._hierarchy import correct_sets


class NotApplicableError(ZeroShotError):
    """A metric is not available for these labels. The message says why."""


class Ranked(ABC):
    """A metric of the k best labels of each sample: the sum of the worths of these labels."""

    k: int
    note: str = ""

    @abstractmethod
    def worth(self, codes: np.ndarray, top: np.ndarray) -> np.ndarray:
        """Return each sample's sum, (n_samples,).

        Shapes: `codes` (n_samples,), positions of the true classes; `top` (n_samples, k or more),
        positions of the best candidate labels.
        """

    @abstractmethod
    def worth_of_labels(self, shares: np.ndarray) -> np.ndarray:
        """Return the worth of each candidate label, (n_labels,), for classes with given shares."""

    def blind(self, shares: np.ndarray) -> tuple[float, float]:
        """Return the metric of the k best constant labels, and that of k random labels."""
        worth = np.sort(self.worth_of_labels(shares))
        return float(worth[-self.k :].sum()), float(self.k * worth.mean())


class Hits(Ranked):
    """Whether the true label is among the k best."""

    def __init__(self, classes: np.ndarray, labels: np.ndarray, k: int) -> None:
        self.k = k
        order = np.argsort(labels, kind="stable")
        place = np.searchsorted(labels, classes, sorter=order)
        columns = order[np.minimum(place, len(labels) - 1)]
        self._own = np.where(labels[columns] == classes, columns, -1)
        self._n_labels = len(labels)

    def worth(self, codes: np.ndarray, top: np.ndarray) -> np.ndarray:
        """Return 1 for a hit and 0 for a miss."""
        return (top[:, : self.k] == self._own[codes, None]).any(axis=1).astype(float)

    def worth_of_labels(self, shares: np.ndarray) -> np.ndarray:
        """Return the share of the class of that label."""
        offered = self._own >= 0
        return np.bincount(self._own[offered], shares[offered], minlength=self._n_labels)


class HierarchicalPrecision(Ranked):
    """The share of the k best labels that are in the correct set of the true label."""

    def __init__(
        self,
        classes: np.ndarray,
        labels: np.ndarray,
        k: int,
        synsets: Mapping[Any, Any] | None,
        *,
        owner: str,
    ) -> None:
        self.k = k
        if classes.dtype.kind != "U" and synsets is None:
            raise NotApplicableError(
                "labels are integers, and stand for no synset. Pass synsets= with their wnids."
            )
        self._correct, guessed = correct_sets(classes, labels, k, synsets, owner=owner)
        if guessed:
            self.note = (
                f"Hierarchical precision takes {len(guessed)} labels that have several senses "
                f"(such as {', '.join(map(repr, guessed[:5]))}) for the one nearest to the other "
                "labels. "
                + Remedy(
                    "Pass synsets= with the wnids of those that it is not.",
                    option="Where another is meant, a name of one sense helps.",
                )
            )

    def worth(self, codes: np.ndarray, top: np.ndarray) -> np.ndarray:
        """Return the share."""
        return self._correct[codes[:, None], top[:, : self.k]].mean(axis=1)

    def worth_of_labels(self, shares: np.ndarray) -> np.ndarray:
        """Return the share of the classes whose correct set has the label, over k."""
        return shares @ self._correct / self.k


class SemanticSimilarity(Ranked):
    """The mean cosine of the true label's raw vector and those of the k best."""

    def __init__(
        self, embed: Callable | None, classes: np.ndarray, labels: np.ndarray, k: int, *, owner: str
    ) -> None:
        self.k = k
        if embed is None:
            raise NotApplicableError(
                "there are no label vectors." + Remedy(" Pass label_embedding=.", option="")
            )
        function = embed_function(embed, owner)
        self._classes, self._labels = (
            _unit_vectors(function, names, owner) for names in (classes, labels)
        )

    def worth(self, codes: np.ndarray, top: np.ndarray) -> np.ndarray:
        """Return the mean cosine."""
        true = self._classes[codes]
        cosines = [np.einsum("nd,nd->n", true, self._labels[top[:, j]]) for j in range(self.k)]
        return np.mean(cosines, axis=0)

    def worth_of_labels(self, shares: np.ndarray) -> np.ndarray:
        """Return the mean cosine to the classes, over k."""
        return self._labels @ (shares @ self._classes) / self.k


def _unit_vectors(embed: Callable, labels: np.ndarray, owner: str) -> np.ndarray:
    vectors, zero = unit_vectors(embed, labels, owner=owner)
    if zero:
        raise NotApplicableError(
            f"the vectors of {', '.join(map(repr, zero[:5]))} are zero, and have no cosine to "
            "others. Give these labels vectors."
        )
    return vectors
