"""Class means put together to figures, with intervals and controls."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from zeroshot.evaluation._ranked import Hits, Ranked
from zeroshot.evaluation._resampling import Resampling, pair_areas
from zeroshot.evaluation._result import Estimate, ZeroShotEvaluation
from zeroshot.evaluation._task import Task
from zeroshot.metrics._classification import harmonic_mean
from zeroshot.metrics._curve import BreakPoints, part_shares

PARTS = ("seen", "unseen")
MIN_CLASSES = 5  # fewer say nothing of others: an interval over two that are alike has no width
DECIMALS = 12  # behind which a mean of shares is rounding error


class Figures:
    """Collects the figures of one evaluation.

    Parameters
    ----------
    task : Task
        What was asked.
    average : {"macro", "micro"}
        Whether each class counts once, or each sample.
    n_bootstrap : int
        Bootstrap samples of the classes.
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
        self._top_1 = np.zeros(len(task.classes))

    def add_ranked(self, ranked: Mapping[str, Ranked], means: Mapping[str, np.ndarray]) -> None:
        """Add figures of the k best labels from their class means."""
        everything = np.arange(len(self._task.classes))
        for name, figure in ranked.items():
            average = "macro" if name == "mean_class_accuracy" else self._average
            shares = self._resampling.shares(everything, average)
            self._add(name, shares @ means[name], figure.blind(shares[0]), len(everything))

    def add_parts(self, top_1: np.ndarray, points: BreakPoints | None) -> None:
        """Add seen and unseen accuracy, and how they trade, from class means of top-1."""
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
        # A constant answer is never right for a seen and for an unseen class.
        controls = 0.0, float(harmonic_mean(*(blind[part][1] for part in PARTS)))
        self._add("harmonic_mean", harmonic_mean(*values.values()), controls, fewest)
        self._add("ausuc", self._areas(points), self._blind_area(), fewest)
        is_seen = self._task.is_seen[self._task.codes]
        seen, unseen, calibration = points.curve(part_shares(self._task.y, is_seen, self._average))
        self._curve = np.round(seen, DECIMALS), np.round(unseen, DECIMALS), calibration

    def _areas(self, points: BreakPoints) -> np.ndarray:
        task = self._task
        seen, unseen = (task.part(name) for name in PARTS)
        areas = pair_areas(points, task.codes, task.counts, seen, unseen)
        first, second = (self._resampling.shares(c, self._average) for c in (seen, unseen))
        return np.sum((first @ areas) * second, axis=1)

    def _blind_area(self) -> tuple[float, float]:
        """Return half the product of what the parts' answers are worth: scores are all ties."""
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
        """Return what each class counts in the accuracy of a part, (n_classes,)."""
        classes = self._task.part(part)
        shares = np.zeros(len(self._task.classes))
        shares[classes] = self._resampling.shares(classes, self._average)[0]
        return shares

    def _add(
        self, name: str, values: np.ndarray, controls: tuple[float, float], n_classes: int
    ) -> None:
        """Add a figure of the data, and of bootstrap samples of its classes if these are enough."""
        values = np.round(values, DECIMALS)
        value, low, high = float(values[0]), None, None
        if n_classes >= MIN_CLASSES and len(values) > 1:
            low, high = np.round(self._resampling.interval(values[1:]), DECIMALS).tolist()
            low, high = min(low, value), max(high, value)
        constant, label = np.round(controls, DECIMALS).tolist()
        self._estimates[name] = Estimate(value, low, high, constant, label)

    def result(self, model: str) -> ZeroShotEvaluation:
        """Return them, with the name of the model."""
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
            "n_on_offer": len(task.labels),
            **self._settings,
        }
        classes = {
            "label": task.classes.tolist(),
            "seen": task.is_seen.tolist(),
            "n_samples": task.counts.tolist(),
            "accuracy": self._top_1.tolist(),
        }
        return ZeroShotEvaluation(
            self._estimates, self.left_out, notes, self._curve, classes, settings
        )
