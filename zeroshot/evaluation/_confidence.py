"""Metrics of probabilities, label sets and rejection, with their bootstrap samples."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from zeroshot._utils._pipelines import final_and_input
from zeroshot._utils._validation import take_rows
from zeroshot.metrics._confidence import (
    N_BINS,
    Told,
    any_of_these_auc,
    area_under_risk,
    reliability,
    risk_coverage,
)

_GROUPS = 1000
"""Neighbours in confidence count as one in bootstrap samples of more samples than these."""

NO_PROBABILITIES = "the classifier has no predict_proba."
NO_HELD_OUT_CLASSES = (
    "the classifier has learnt nothing from held-out classes. Fit it with temperature='auto', or "
    "call calibrate."
)

Draws = np.ndarray
"""What each class counts, (1 + n_bootstrap, n_classes); the first row is for the data."""


@dataclass(frozen=True)
class Asked:
    """Outputs of a classifier for its samples, other than the order of labels.

    Attributes
    ----------
    told : Told
        Numbers from the probabilities.
    in_set, set_sizes : ndarray of shape (n_samples,), or None
        Whether the label set contains the true label, and the size of the set.
    known : ndarray of shape (n_samples,), or None
        Probability that the sample belongs to any of the candidates.
    """

    told: Told
    in_set: np.ndarray | None
    set_sizes: np.ndarray | None
    known: np.ndarray | None


class Asking:
    """Computes probabilities and label sets of a classifier, block by block.

    Parameters
    ----------
    estimator, final : estimator
        The evaluated estimator, and its last step.
    X, y : array-like of length n_samples
        The samples.
    labels : ndarray of shape (n_labels,)
        Candidate labels.
    offered : ndarray of bool of shape (n_columns,)
        Which columns belong to the candidate labels.
    coverage : float
        Coverage of the label sets.
    """

    def __init__(
        self,
        estimator: Any,
        final: Any,
        X: Any,
        y: np.ndarray,
        labels: np.ndarray,
        offered: np.ndarray,
        coverage: float,
    ) -> None:
        self._estimator, self._final, self._X, self._y = estimator, final, X, y
        self._labels, self._offered, self._coverage = labels, offered, coverage
        self.has_probabilities = hasattr(final, "predict_proba")
        self.has_sets = getattr(final, "confidence_", None) is not None
        on_offer = np.isin(y, labels)
        self.lacks_labels = bool(on_offer.any() and not on_offer.all())
        self.has_doubt = self.has_sets and self.lacks_labels
        self._parts: list[Asked] = []

    def add(self, rows: slice, scores: np.ndarray) -> None:
        """Compute the outputs of some rows, whose scores of all columns are known."""
        if not self.has_probabilities:
            return
        final, y = self._final, self._y[rows]
        if hasattr(final, "_probabilities_of") and scores.shape[1] != 2:
            probabilities = final._probabilities_of(scores)
        else:
            probabilities = np.asarray(self._estimator.predict_proba(take_rows(self._X, rows)))
        told = Told.of(y, probabilities[:, self._offered], self._labels)
        in_set = sizes = known = None
        if self.has_sets:
            sets = final._sets_of(probabilities, self._coverage)[:, self._offered]
            in_set = Told.of(y, sets, self._labels).true > 0
            sizes = sets.sum(axis=1)
        if self.has_doubt:
            inner_final, inner = final_and_input(self._estimator, take_rows(self._X, rows))
            known = inner_final.predict_any_proba(inner)
        self._parts.append(Asked(told, in_set, sizes, known))

    def result(self) -> Asked | None:
        """Return the outputs for all samples, or None without probabilities."""
        if not self._parts:
            return None

        def joined(pick: Callable[[Asked], Any]) -> Any:
            parts = [pick(part) for part in self._parts]
            return None if parts[0] is None else np.concatenate(parts)

        told = Told(*(joined(lambda part, i=i: part.told[i]) for i in range(4)))  # type: ignore[misc]
        return Asked(
            told,
            joined(lambda part: part.in_set),
            joined(lambda part: part.set_sizes),
            joined(lambda part: part.known),
        )


class InOrder:
    """Samples sorted by a number, with the weights of their classes in bootstrap samples.

    Parameters
    ----------
    order_by : ndarray of shape (n_samples,)
        Ascending.
    codes : ndarray of int of shape (n_samples,)
        The class of each sample.
    draws : ndarray of shape (1 + n_bootstrap, n_classes)
        Weight of each class.
    """

    def __init__(self, order_by: np.ndarray, codes: np.ndarray, draws: Draws) -> None:
        order = np.argsort(order_by, kind="stable")
        n, self._draws = len(order), draws[1:]
        self._groups = np.empty(n, dtype=np.int64)
        self._groups[order] = np.arange(n) * min(n, _GROUPS) // n
        self._codes, self._n_groups = codes, int(self._groups.max()) + 1
        self._counts = np.bincount(codes, minlength=draws.shape[1])

    def sums(self, values: np.ndarray) -> np.ndarray:
        """Return the sum of `values` in each group, (n_bootstrap, n_groups)."""
        place = self._codes * self._n_groups + self._groups
        weights = values / self._counts[self._codes]
        size = len(self._counts) * self._n_groups
        table = np.bincount(place, weights, minlength=size).reshape(-1, self._n_groups)
        return self._draws @ table


def calibration_errors(told: Told, codes: np.ndarray, draws: Draws) -> np.ndarray:
    """Return the expected calibration error of the data and of each bootstrap sample."""
    confidence, accuracy, mass = reliability(
        told.best, told.right, _sample_weights(codes, draws), N_BINS
    )
    exact = float(mass @ np.abs(confidence - accuracy))
    ordered = InOrder(told.best, codes, draws)
    mass, gaps = ordered.sums(np.ones(len(codes))), ordered.sums(told.best - told.right)
    middle = (np.cumsum(mass, axis=1) - mass / 2) / mass.sum(axis=1, keepdims=True)
    bins = np.minimum((middle * N_BINS).astype(np.int64), N_BINS - 1)
    errors = sum(np.abs((gaps * (bins == each)).sum(axis=1)) for each in range(N_BINS))
    return np.append(exact, errors)


def curves(
    told: Told, codes: np.ndarray, draws: Draws
) -> tuple[tuple[np.ndarray, np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """Return the reliability and the risk-coverage curve of the data."""
    weights = _sample_weights(codes, draws)
    coverage, risk, _ = risk_coverage(told.best, told.right, weights)
    places = np.unique(np.linspace(0, len(coverage) - 1, _GROUPS).round().astype(np.int64))
    bins = reliability(told.best, told.right, weights, N_BINS)
    return bins, (coverage[places], risk[places])


def areas_under_risk(told: Told, codes: np.ndarray, draws: Draws) -> np.ndarray:
    """Return the area under the risk-coverage curve of the data and of each bootstrap sample."""
    coverage, risk, _ = risk_coverage(told.best, told.right, _sample_weights(codes, draws))
    ordered = InOrder(-told.best, codes, draws)
    mass, wrong = ordered.sums(np.ones(len(codes))), ordered.sums(~told.right)
    covered = np.maximum(np.cumsum(mass, axis=1), 1e-300)
    areas = (mass * np.cumsum(wrong, axis=1) / covered).sum(axis=1)
    return np.append(area_under_risk(coverage, risk), areas / mass.sum(axis=1))


def areas_of_any(
    known: np.ndarray,
    y: np.ndarray,
    labels: np.ndarray,
    average: str,
    codes: np.ndarray,
    draws: Draws,
) -> np.ndarray:
    """Return the area under the ROC curve of "any of these", as `calibration_errors` does."""
    inside = np.isin(y, labels)
    exact = any_of_these_auc(y, known, labels=labels, average=average)
    ordered = InOrder(known, codes, draws)
    inner, outer = ordered.sums(inside), ordered.sums(~inside)
    below = np.cumsum(outer, axis=1) - outer / 2
    total = inner.sum(axis=1) * outer.sum(axis=1)
    areas = (inner * below).sum(axis=1) / np.where(total > 0, total, 1)
    return np.append(exact, np.where(total > 0, areas, exact))


def _sample_weights(codes: np.ndarray, draws: Draws) -> np.ndarray:
    """Return the weight of each sample of the data."""
    return draws[0, codes] / np.bincount(codes, minlength=draws.shape[1])[codes]
