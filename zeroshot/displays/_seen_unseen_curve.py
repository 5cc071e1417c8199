"""Accuracy on seen against accuracy on unseen classes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from zeroshot._utils._pipelines import unwrap
from zeroshot.displays._checks import check_series
from zeroshot.displays._drawing import (
    GREY,
    add_legend,
    add_note,
    axes_or_new,
    bare,
    curve_style,
    literal,
    point_style,
)
from zeroshot.metrics import seen_unseen_curve
from zeroshot.metrics._curve import area

if TYPE_CHECKING:
    from zeroshot.evaluation._result import ZeroShotEvaluation

OWNER = "SeenUnseenCurveDisplay"
DRAWN = "seen-unseen curve"


class SeenUnseenCurveDisplay:
    """Seen-unseen curve, its area, and its point with the highest harmonic mean.

    Parameters
    ----------
    seen, unseen : array-like of shape (n_points,)
        Accuracies along the curve, as returned by `zeroshot.metrics.seen_unseen_curve`.
    calibration : array-like of shape (n_points,)
        Number that is subtracted from the scores of seen classes. The first one may be -inf.
    name : str, default="model"
        Name in the legend.
    chance : tuple of float, optional
        Accuracy of a random label among the seen and among the unseen labels: the ends of a line.

    Attributes
    ----------
    seen, unseen, calibration : ndarray of shape (n_points,)
        As given.
    ausuc : float
        Area under the curve.
    harmonic_means : ndarray of shape (n_points,)
        Harmonic mean of both accuracies at each point.
    best : int
        Position of the point with the highest harmonic mean.
    unbiased : int
        Position of the point with calibration 0: the classifier without calibration.
    ax_, figure_ : Axes, Figure
        Set by `plot`.

    Raises
    ------
    ValueError
        Arrays are empty, of different lengths or NaN, or accuracies are outside [0, 1].

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("Agg")
    >>> from zeroshot.displays import SeenUnseenCurveDisplay
    >>> labels = ["cat", "dog", "owl"]
    >>> y_score = [[0.9, 0.2, 0.3], [0.1, 0.8, 0.7], [0.6, 0.2, 0.4]]
    >>> display = SeenUnseenCurveDisplay.from_predictions(
    ...     labels, y_score, labels=labels, seen_classes=["cat", "dog"]
    ... )
    >>> display.ausuc, float(display.harmonic_means[display.best].round(3))
    (0.5, 0.667)
    >>> matplotlib.pyplot.close(display.figure_)
    """

    ax_: Any
    figure_: Any

    def __init__(
        self,
        seen: Any,
        unseen: Any,
        calibration: Any,
        *,
        name: str = "model",
        chance: tuple[float, float] | None = None,
    ) -> None:
        self.seen = check_series(seen, owner=OWNER, name="seen")
        n_points = len(self.seen)
        self.unseen = check_series(unseen, owner=OWNER, name="unseen", length=n_points)
        points = np.array(calibration, dtype=np.float64)
        rest = points[1:] if points.ndim == 1 and points[:1] == -np.inf else points
        if points.shape != (n_points,) or not np.isfinite(rest).all() or (np.diff(rest) < 0).any():
            raise ValueError(
                f"{OWNER}: calibration must be {n_points} ascending numbers, the first one perhaps "
                f"-inf, got shape {points.shape}. Pass the three arrays of seen_unseen_curve()."
            )
        for part, values in (("seen", self.seen), ("unseen", self.unseen)):
            if values.min() < 0 or values.max() > 1:
                raise ValueError(
                    f"{OWNER}: {part} must be accuracies between 0 and 1, got {values.min():g} to "
                    f"{values.max():g}. Divide percentages by 100."
                )
        self.calibration, self.name, self.chance = points, name, chance
        self.ausuc = area(self.seen, self.unseen)
        total = self.seen + self.unseen
        self.harmonic_means = 2 * self.seen * self.unseen / np.where(total > 0, total, 1)
        self.best = int(self.harmonic_means.argmax())
        self.unbiased = max(0, int(np.searchsorted(points, 0, side="right")) - 1)

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: Any,
        *,
        average: str = "macro",
        name: str | None = None,
        ax: Any = None,
    ) -> SeenUnseenCurveDisplay:
        """Draw the curve of a fitted classifier.

        Parameters
        ----------
        estimator : classifier, Pipeline or search object
            Fitted classifier with ``decision_function``, ``classes_`` and ``seen_classes_``, and
            with both seen and unseen candidates.
        X : array-like or list of length n_samples
            Input of `estimator`.
        y : array-like of shape (n_samples,)
            True labels, of seen and of unseen classes.
        average : {"macro", "micro"}, default="macro"
            As in `zeroshot.metrics.seen_unseen_curve`.
        name : str, optional
            Name in the legend; the class of `estimator` if None.
        ax : Axes, optional
            Axes to draw on; a new figure if None.

        Returns
        -------
        SeenUnseenCurveDisplay
            The display, after drawing.

        Raises
        ------
        TypeError
            `estimator` is not a zero-shot classifier.
        ValueError
            As for `from_predictions`.
        """
        final = unwrap(estimator)
        check_is_fitted(final)
        if not (hasattr(final, "decision_function") and hasattr(final, "seen_classes_")):
            raise TypeError(
                f"{OWNER}: {type(final).__name__} has no decision_function or no seen_classes_. "
                "Pass a zero-shot classifier such as DeViSEClassifier."
            )
        return cls.from_predictions(
            y,
            estimator.decision_function(X),
            labels=final.classes_,
            seen_classes=final.seen_classes_,
            average=average,
            name=name or type(final).__name__,
            ax=ax,
        )

    @classmethod
    def from_predictions(
        cls,
        y_true: Any,
        y_score: Any,
        *,
        labels: Any,
        seen_classes: Any,
        average: str = "macro",
        name: str = "model",
        ax: Any = None,
    ) -> SeenUnseenCurveDisplay:
        """Draw the curve of scores.

        Parameters
        ----------
        y_true, y_score, labels, seen_classes, average
            As in `zeroshot.metrics.seen_unseen_curve`.
        name : str, default="model"
            Name in the legend.
        ax : Axes, optional
            Axes to draw on; a new figure if None.

        Returns
        -------
        SeenUnseenCurveDisplay
            The display, after drawing, with the line of random labels.

        Raises
        ------
        ValueError
            As for `zeroshot.metrics.seen_unseen_curve`.
        """
        curve = seen_unseen_curve(
            y_true, y_score, labels=labels, seen_classes=seen_classes, average=average
        )
        n_seen = int(np.isin(np.asarray(labels), np.asarray(seen_classes)).sum())
        chance = (1 / n_seen, 1 / (len(labels) - n_seen))
        return cls(*curve, name=name, chance=chance).plot(ax)

    @classmethod
    def from_evaluation(
        cls, result: ZeroShotEvaluation, *, name: str | None = None, ax: Any = None
    ) -> SeenUnseenCurveDisplay:
        """Draw the curve that `zeroshot.evaluate_zero_shot` has measured.

        Parameters
        ----------
        result : ZeroShotEvaluation
            Result with a curve, which needs samples of both seen and unseen classes.
        name : str, optional
            Name in the legend; the class of the evaluated classifier if None.
        ax : Axes, optional
            Axes to draw on; a new figure if None.

        Returns
        -------
        SeenUnseenCurveDisplay
            The display, after drawing.

        Raises
        ------
        ValueError
            `result` has no curve.
        """
        if result.curve is None:
            why = result.left_out.get("ausuc")
            raise ValueError(f"{OWNER}: this evaluation has no seen-unseen curve: {why}")
        return cls(*result.curve, name=name or result.settings["model"]).plot(ax)

    def plot(self, ax: Any = None) -> SeenUnseenCurveDisplay:
        """Draw the curve. On axes that already have one, it is added.

        Parameters
        ----------
        ax : Axes, optional
            Axes to draw on; a new figure if None.

        Returns
        -------
        SeenUnseenCurveDisplay
            The display itself.

        Raises
        ------
        MissingDependencyError
            matplotlib is not installed.
        TypeError
            `ax` is not an Axes.
        """
        self.ax_, self.figure_ = axes_or_new(ax, owner=f"{OWNER}.plot", size=(7.2, 4.2))
        drawn = sum(line.get_gid() == DRAWN for line in self.ax_.get_lines())
        style = curve_style(drawn)
        (line,) = self.ax_.plot(self.unseen, self.seen, **(style | {"marker": ""}))
        line.set_gid(DRAWN)
        if not drawn:
            self.ax_.fill_between(self.unseen, self.seen, color=style["color"], alpha=0.08, lw=0)
        handles, labels = [line], [f"{literal(self.name)}: AUSUC {self.ausuc:.3f}"]
        ends = self.calibration[self.best : self.best + 2]  # the best lies between two break points
        lowered = ends[np.isfinite(ends)].mean() if np.isfinite(ends).any() else ends[0]
        for place, sign, size, what in (
            (self.best, "*", 13, "best harmonic mean"),
            (self.unbiased, "s", 6, "as it is, harmonic mean"),
        ):
            point = self.unseen[place], self.seen[place]
            look = point_style(drawn)
            handles += self.ax_.plot(*point, marker=sign, markersize=size, **look)
            at = f" at calibration {lowered:.3g}" if place == self.best else ""
            labels.append(f"{what} {self.harmonic_means[place]:.3f}{at}")
        if self.chance is not None and not drawn:
            handles += self.ax_.plot([0, self.chance[1]], [self.chance[0], 0], ":", color=GREY)
            labels.append(f"random labels: AUSUC {np.prod(self.chance) / 2:.2g}")
        self._add_to_legend(handles, labels, outside=ax is None)
        self.ax_.set(xlabel="accuracy on unseen classes", ylabel="accuracy on seen classes")
        self.ax_.set_xlim(0, max(self.ax_.get_xlim()[1], 1.05 * self.unseen.max()))
        self.ax_.set_ylim(0, max(self.ax_.get_ylim()[1], 1.05 * self.seen.max()))
        add_note(self.ax_, "Seen classes held back more and more, from left to right")
        bare(self.ax_)
        return self

    def _add_to_legend(self, handles: list, labels: list[str], *, outside: bool) -> None:
        before = getattr(self.ax_.get_legend(), "zeroshot_entries", None)
        if before:
            handles, labels, outside = [*before[0], *handles], [*before[1], *labels], before[2]
        legend: Any = add_legend(self.ax_, handles, labels, outside=outside)
        legend.zeroshot_entries = handles, labels, outside
