"""Metrics as means over classes, with intervals and controls."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import xlogy
from sklearn.utils import check_random_state

from zeroshot.evaluation._confidence import (
    NO_HELD_OUT_CLASSES,
    NO_PROBABILITIES,
    Asking,
    areas_of_any,
    areas_under_risk,
    calibration_errors,
    curves,
)
from zeroshot.evaluation._ranked import Hits, Ranked
from zeroshot.evaluation._result import Estimate, ZeroShotEvaluation
from zeroshot.metrics._classification import harmonic_mean, missing_part
from zeroshot.metrics._confidence import LEAST_PROBABILITY
from zeroshot.metrics._curve import BreakPoints, nothing_offered, part_shares

PARTS = ("seen", "unseen")
OF_PROBABILITIES = (
    "expected_calibration_error",
    "class_brier_score",
    "class_log_loss",
    "risk_coverage_auc",
)
MIN_CLASSES = 5  # with fewer, intervals mean little: that of two equal classes has no width
DECIMALS = 12  # further decimals of a mean of shares are rounding errors


class Figures:
    """Collects the metrics of one evaluation.

    Parameters
    ----------
    task : Task
        Task of the evaluation.
    average : {"macro", "micro"}
        "macro" gives each class the same weight, "micro" each sample.
    n_bootstrap : int
        Number of bootstrap samples of the classes.
    level : float
        Coverage of the intervals.
    random_state : int, RandomState instance or None
        Seed of the bootstrap.
    """

    def __init__(
        self, task: Task, average: str, n_bootstrap: int, level: float, random_state: Any
    ) -> None:
        self.left_out: dict[str, str] = {}
        self.notes: list[str] = []
        self._estimates: dict[str, Estimate] = {}
        self._settings = {
            "average": average,
            "n_bootstrap": int(n_bootstrap),
            "level": float(level),
        }
        self._task = task
        self._average = average
        self._resampling = Resampling(
            task.counts,
            task.is_seen,
            n_bootstrap=n_bootstrap,
            level=level,
            random_state=random_state,
        )
        self._sizes = {name: len(task.part(name)) for name in PARTS}
        self._curve: tuple[np.ndarray, np.ndarray, np.ndarray] | None = None
        self._reliability: tuple[np.ndarray, np.ndarray, np.ndarray] | None = None
        self._risk_coverage: tuple[np.ndarray, np.ndarray] | None = None
        self._top_1 = np.zeros(len(task.classes))

    def add_ranked(self, ranked: Mapping[str, Ranked], means: Mapping[str, np.ndarray]) -> None:
        """Add metrics of the k best labels from their class means."""
        everything = np.arange(len(self._task.classes))
        for name, figure in ranked.items():
            average = "macro" if name == "mean_class_accuracy" else self._average
            shares = self._resampling.shares(everything, average)
            self._add(name, shares @ means[name], figure.blind(shares[0]), len(everything))

    def add_parts(self, top_1: np.ndarray, points: BreakPoints | None) -> None:
        """Add seen and unseen accuracy and their trade-off, from class means of top-1."""
        self._top_1 = top_1
        values, blind = {}, {}
        for part in PARTS:
            reason = self._task.lacks(part)
            if reason:
                self.left_out[f"{part}_accuracy"] = reason
                continue
            classes = self._task.part(part)
            values[part] = self._resampling.shares(classes, self._average) @ top_1[classes]
            blind[part] = self._hits.blind(self._own_shares(part))
            self._add(f"{part}_accuracy", values[part], blind[part], self._sizes[part])
        if points is None:
            reason = self._task.lacks_both or ""
            self.left_out |= {"harmonic_mean": reason, "ausuc": reason}
            return
        fewest = min(self._sizes.values())
        # A constant prediction is never correct for both a seen and an unseen class.
        controls = 0.0, float(harmonic_mean(*(blind[part][1] for part in PARTS)))
        self._add("harmonic_mean", harmonic_mean(*values.values()), controls, fewest)
        self._add("ausuc", self._areas(points), self._blind_area(), fewest)
        is_seen = self._task.is_seen[self._task.codes]
        seen, unseen, calibration = points.curve(part_shares(self._task.y, is_seen, self._average))
        self._curve = np.round(seen, DECIMALS), np.round(unseen, DECIMALS), calibration

    def add_confidence(self, asking: Asking, set_coverage: float) -> None:
        """Add metrics of probabilities, of label sets, and of belonging to any of the labels."""
        asked, task = asking.result(), self._task
        of_sets = ("set_coverage", "set_size")
        if asked is None:
            names = (*OF_PROBABILITIES, *of_sets, "any_of_these_auc")
            self.left_out |= dict.fromkeys(names, NO_PROBABILITIES)
            return
        everything = np.arange(len(task.classes))
        draws = self._resampling.shares(everything, self._average)
        shares = np.zeros(len(task.labels))  # the best constant distribution
        known = np.isin(task.classes, task.labels)
        shares[np.searchsorted(task.labels, task.classes[known])] = draws[0, known]
        n, told = len(task.labels), asked.told
        found = {
            "expected_calibration_error": calibration_errors(told, task.codes, draws),
            "class_brier_score": draws @ self._class_means(told.squares),
            "class_log_loss": draws @ self._class_means(told.log_losses),
            "risk_coverage_auc": areas_under_risk(told, task.codes, draws),
        }
        self._reliability, self._risk_coverage = curves(told, task.codes, draws)
        squares, entropy = float((shares**2).sum()), -float(xlogy(shares, shares).sum())
        lost = float(1 - shares.sum()) * -np.log(LEAST_PROBABILITY)
        error = 1 - float(draws[0] @ self._class_means(told.right))
        uniform = np.log(n) * float(shares.sum()) + lost
        controls = {
            "expected_calibration_error": (0.0, 0.0),
            "class_brier_score": (1 - squares, 1 + 1 / n - 2 * float(shares.sum()) / n),
            "class_log_loss": (entropy + lost, uniform),
            "risk_coverage_auc": (float(1 - shares.max(initial=0)), error),
        }
        for name, values in found.items():
            self._add(name, values, controls[name], len(everything))
        if asked.in_set is None or asked.set_sizes is None:
            self.left_out |= dict.fromkeys(of_sets, NO_HELD_OUT_CLASSES)
        else:
            held, sizes = (self._class_means(each) for each in (asked.in_set, asked.set_sizes))
            size = float(draws[0] @ sizes)
            best = np.sort(shares)[::-1][: max(1, round(size))].sum()
            blind = float(best), size / n * float(shares.sum())
            self._add("set_coverage", draws @ held, blind, len(everything))
            blind_size = set_coverage * n, set_coverage * n
            self._add("set_size", draws @ sizes, blind_size, len(everything))
        if asked.known is None:
            if asking.lacks_labels:  # else there is nothing to distinguish
                self.left_out["any_of_these_auc"] = NO_HELD_OUT_CLASSES
        else:
            areas = areas_of_any(asked.known, task.y, task.labels, self._average, task.codes, draws)
            self._add("any_of_these_auc", areas, (0.5, 0.5), len(everything))

    def _class_means(self, values: np.ndarray) -> np.ndarray:
        """Return the mean of each class, (n_classes,), of values of the samples."""
        task = self._task
        return np.bincount(task.codes, values, minlength=len(task.classes)) / task.counts

    def _areas(self, points: BreakPoints) -> np.ndarray:
        task = self._task
        seen, unseen = (task.part(name) for name in PARTS)
        areas = pair_areas(points, task.codes, task.counts, seen, unseen)
        first, second = (self._resampling.shares(c, self._average) for c in (seen, unseen))
        return np.sum((first @ areas) * second, axis=1)

    def _blind_area(self) -> tuple[float, float]:
        """Return half the product of the worths of the parts' predictions: all scores are tied."""
        best, mean = 0.5, 0.5
        for part in PARTS:
            worth = self._hits.worth_of_labels(self._own_shares(part))
            best *= worth.max()
            mean *= worth[self._task.labels_of(part)].mean()
        return float(best), float(mean)

    @property
    def _hits(self) -> Hits:
        return Hits(self._task.classes, self._task.labels, 1)

    def _own_shares(self, part: str) -> np.ndarray:
        """Return the weight of each class in the accuracy of a part, (n_classes,)."""
        classes = self._task.part(part)
        shares = np.zeros(len(self._task.classes))
        shares[classes] = self._resampling.shares(classes, self._average)[0]
        return shares

    def _add(
        self, name: str, values: np.ndarray, controls: tuple[float, float], n_classes: int
    ) -> None:
        """Add a metric of the data, and of bootstrap samples if there are enough classes."""
        values = np.round(values, DECIMALS)
        value, low, high = float(values[0]), None, None
        if n_classes >= MIN_CLASSES and len(values) > 1:
            low, high = np.round(self._resampling.interval(values[1:]), DECIMALS).tolist()
            low, high = min(low, value), max(high, value)
        constant, label = np.round(controls, DECIMALS).tolist()
        self._estimates[name] = Estimate(value, low, high, constant, label)

    def result(self, model: str) -> ZeroShotEvaluation:
        """Return the metrics, with the name of the model."""
        task = self._task
        notes = [*task.notes(), *self.notes]
        constant = [name for name, e in self._estimates.items() if e.low is None]
        if constant and self._settings["n_bootstrap"]:
            notes.append(
                f"No interval, as it would be over fewer than {MIN_CLASSES} classes: "
                f"{', '.join(constant)}."
            )
        settings = {
            "model": model,
            "n_samples": len(task.y),
            "n_seen_classes": self._sizes["seen"],
            "n_unseen_classes": self._sizes["unseen"],
            "n_candidates": len(task.labels),
            **self._settings,
        }
        classes = {
            "label": task.classes.tolist(),
            "seen": task.is_seen.tolist(),
            "n_samples": task.counts.tolist(),
            "accuracy": self._top_1.tolist(),
        }
        return ZeroShotEvaluation(
            self._estimates,
            self.left_out,
            notes,
            self._curve,
            classes,
            settings,
            self._reliability,
            self._risk_coverage,
        )


@dataclass(frozen=True)
class Task:
    """True labels and candidate labels.

    Attributes
    ----------
    y : ndarray of shape (n_samples,)
        True labels.
    classes : ndarray of shape (n_classes,)
        The sorted classes of y.
    codes : ndarray of int of shape (n_samples,)
        The position of each true label in `classes`.
    counts : ndarray of int of shape (n_classes,)
        Number of samples per class.
    is_seen : ndarray of bool of shape (n_classes,)
        Which classes were in training.
    offered : ndarray of bool of shape (n_columns,)
        Which score columns belong to candidate labels.
    labels : ndarray of shape (n_labels,)
        The labels of those columns.
    seen_labels : ndarray
        Candidate labels that were in training.
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
        """Set the task of predicting `y` with the `offered` labels of the score columns."""
        classes, codes, counts = np.unique(y, return_inverse=True, return_counts=True)
        labels = columns[offered]
        is_seen = np.isin(classes, seen)
        seen_labels = labels[np.isin(labels, seen)]
        return cls(y, classes, codes, counts, is_seen, offered, labels, seen_labels)

    def part(self, name: str) -> np.ndarray:
        """Return the positions of the classes of the "seen" or the "unseen" part."""
        return np.flatnonzero(self.is_seen if name == "seen" else ~self.is_seen)

    def labels_of(self, name: str) -> np.ndarray:
        """Return which candidate labels, (n_labels,) of bool, belong to a part."""
        seen = np.isin(self.labels, self.seen_labels)
        return seen if name == "seen" else ~seen

    def lacks(self, name: str) -> str | None:
        """Return the reason why a part cannot be evaluated, or None."""
        if not self.part(name).size:
            return missing_part(name, len(self.y))
        return None if self.labels_of(name).any() else nothing_offered(name)

    @property
    def lacks_both(self) -> str | None:
        """The reason why the trade-off between the parts cannot be evaluated, or None."""
        return self.lacks("seen") or self.lacks("unseen")

    def notes(self) -> list[str]:
        """Return notes on the true labels."""
        absent = ~np.isin(self.classes, self.labels)
        if not absent.any():
            return []
        names = ", ".join(map(repr, self.classes[absent][:5].tolist()))
        return [
            f"{absent.sum()} of {len(self.classes)} classes are not candidates (such as {names}): "
            f"their {self.counts[absent].sum()} samples count as wrong."
        ]


class Resampling:
    """Weights of the classes: one in the data, and random in the bootstrap samples.

    Seen and unseen classes are drawn separately, so that each sample has as many of both as the
    data.

    Parameters
    ----------
    counts : ndarray of int of shape (n_classes,)
        Number of samples per class.
    is_seen : ndarray of bool of shape (n_classes,)
        Which classes are seen.
    n_bootstrap : int
        Number of samples to draw.
    level : float
        Coverage of intervals, between 0 and 1.
    random_state : int, RandomState instance or None
        Seed of the draws.
    """

    def __init__(
        self,
        counts: np.ndarray,
        is_seen: np.ndarray,
        *,
        n_bootstrap: int,
        level: float,
        random_state: Any,
    ) -> None:
        self._counts = counts
        self._level = level
        rng = check_random_state(random_state)
        self._draws = np.ones((1 + n_bootstrap, len(counts)))
        for part in (np.flatnonzero(is_seen), np.flatnonzero(~is_seen)):
            if part.size:
                even = np.full(part.size, 1 / part.size)
                self._draws[1:, part] = rng.multinomial(part.size, even, size=n_bootstrap)

    def shares(self, classes: np.ndarray, average: str) -> np.ndarray:
        """Return the weight of each of some classes in their average.

        Parameters
        ----------
        classes : ndarray of int
            Positions of the classes.
        average : {"macro", "micro"}
            "macro" gives each class the same weight, "micro" each sample.

        Returns
        -------
        ndarray of shape (1 + n_bootstrap, n_classes)
            The first row is for the data, the others are for its bootstrap samples. Each row sums
            to 1.
        """
        weights = self._draws[:, classes]
        if average == "micro":
            weights = weights * self._counts[classes]
        return weights / weights.sum(axis=1, keepdims=True)

    def interval(self, values: np.ndarray) -> np.ndarray:
        """Return both ends of the percentile interval of a metric over bootstrap samples."""
        tail = (1 - self._level) / 2
        return np.quantile(values, [tail, 1 - tail])


def pair_areas(
    points: BreakPoints,
    codes: np.ndarray,
    counts: np.ndarray,
    seen: np.ndarray,
    unseen: np.ndarray,
) -> np.ndarray:
    """Return the area under the seen-unseen curve of each pair of a seen and an unseen class.

    The area over many classes is the weighted mean of the areas of its pairs, for any weights of
    the classes. The curve of a pair uses only the samples of its two classes, with the same labels.

    Parameters
    ----------
    points : BreakPoints
        Break points of all samples.
    codes : ndarray of int of shape (n_samples,)
        The position of each sample's class.
    counts : ndarray of int of shape (n_classes,)
        Number of samples per class.
    seen, unseen : ndarray of int
        Positions of the seen and of the unseen classes.

    Returns
    -------
    ndarray of shape (n_seen, n_unseen)
        Areas in [0, 1].
    """
    won = points.right & ~points.is_seen
    levels, columns = points.calibration[won], codes[won]
    areas = np.empty((len(seen), len(unseen)))
    for row, code in enumerate(seen):
        mine = np.sort(points.calibration[points.right & (codes == code)])
        # Correct predictions left for this class when one of an unseen class is won; ties count
        # half.
        sides = (np.searchsorted(mine, levels, side=side) for side in ("left", "right"))
        left = len(mine) - sum(sides) / 2
        areas[row] = np.bincount(columns, weights=left, minlength=len(counts))[unseen]
    return areas / np.outer(counts[seen], counts[unseen])
