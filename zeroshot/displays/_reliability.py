"""Reliability diagram: accuracy against confidence."""

from __future__ import annotations

from typing import Any, Self

import numpy as np

from zeroshot._utils._validation import check_number
from zeroshot.displays._checks import check_series, check_shares
from zeroshot.displays._confidence import ConfidenceDisplay
from zeroshot.displays._drawing import (
    GREY,
    add_legend,
    add_note,
    axes_or_new,
    bare,
    curve_style,
    literal,
)
from zeroshot.metrics._confidence import N_BINS, checked_told, reliability, sample_weights

OWNER = "ReliabilityDisplay"
DRAWN = "reliability"


class ReliabilityDisplay(ConfidenceDisplay):
    """Reliability diagram: bins of equal mass, and the diagonal of perfect calibration.

    Parameters
    ----------
    confidence, accuracy : array-like of shape (n_bins,)
        Mean probability of the best label in each bin, and the share of these labels that are
        correct.
    mass : array-like of shape (n_bins,)
        Share of the samples in each bin.
    name : str, default="model"
        Name in the legend.

    Attributes
    ----------
    confidence, accuracy, mass : ndarray of shape (n_bins,)
        As given.
    error : float
        The expected calibration error.
    ax_ : Axes
        Axes of the drawing.
    figure_ : Figure
        Figure of the drawing.

    See Also
    --------
    zeroshot.metrics.expected_calibration_error : The number in the legend.

    Examples
    --------
    >>> import matplotlib.pyplot
    >>> from zeroshot.displays import ReliabilityDisplay
    >>> y_proba = [[0.9, 0.1], [0.8, 0.2], [0.6, 0.4], [0.3, 0.7]]
    >>> display = ReliabilityDisplay.from_predictions(
    ...     ["cat", "cat", "dog", "dog"], y_proba, labels=["cat", "dog"], n_bins=2
    ... )
    >>> display.accuracy.tolist(), round(display.error, 3)
    ([0.5, 1.0], 0.15)
    >>> matplotlib.pyplot.close(display.figure_)
    """

    _in_evaluation = ("reliability", "expected_calibration_error")

    ax_: Any
    figure_: Any

    def __init__(self, confidence: Any, accuracy: Any, mass: Any, *, name: str = "model") -> None:
        self.confidence = check_series(confidence, owner=OWNER, name="confidence")
        n_bins = len(self.confidence)
        self.accuracy = check_series(accuracy, owner=OWNER, name="accuracy", length=n_bins)
        self.mass = check_series(mass, owner=OWNER, name="mass", length=n_bins)
        for part in ("confidence", "accuracy", "mass"):
            check_shares(getattr(self, part), owner=OWNER, name=part)
        self.name = name
        gaps = np.abs(self.confidence - self.accuracy)
        self.error = float(self.mass @ gaps / self.mass.sum())

    @classmethod
    def from_predictions(
        cls,
        y_true: Any,
        y_proba: Any,
        *,
        labels: Any,
        n_bins: int = N_BINS,
        average: str = "macro",
        name: str = "model",
        ax: Any = None,
    ) -> Self:
        """Draw the reliability of probabilities.

        Parameters
        ----------
        y_true, y_proba, labels, n_bins, average
            As in `zeroshot.metrics.expected_calibration_error`.
        name : str, default="model"
            Name in the legend.
        ax : Axes, optional
            Axes to draw on; a new figure if None.

        Returns
        -------
        ReliabilityDisplay
            The display, after drawing.

        Raises
        ------
        ValueError
            As for `zeroshot.metrics.expected_calibration_error`.
        """
        check_number(n_bins, owner=OWNER, name="n_bins", at_least=1, integer=True)
        y_true, told = checked_told(y_true, y_proba, labels, average, owner=OWNER)
        weights = sample_weights(y_true, average)
        return cls(*reliability(told.best, told.right, weights, n_bins), name=name).plot(ax)

    def plot(self, ax: Any = None) -> Self:
        """Draw the bins. On axes that already have bins, they are added.

        Parameters
        ----------
        ax : Axes, optional
            Axes to draw on; a new figure if None.

        Returns
        -------
        ReliabilityDisplay
            The display itself.

        Raises
        ------
        MissingDependencyError
            matplotlib is not installed.
        TypeError
            `ax` is not an Axes.
        """
        self.ax_, self.figure_ = axes_or_new(ax, owner=f"{OWNER}.plot", size=(6.4, 4.2))
        drawn = sum(line.get_gid() == DRAWN for line in self.ax_.get_lines())
        if not drawn:
            self.ax_.plot([0, 1], [0, 1], ":", color=GREY, label="perfectly calibrated")
        label = f"{literal(self.name)}: error {self.error:.3f}"
        style = curve_style(drawn) | {"marker": "o", "markersize": 5}
        (line,) = self.ax_.plot(self.confidence, self.accuracy, label=label, **style)
        line.set_gid(DRAWN)
        add_legend(self.ax_, *self.ax_.get_legend_handles_labels(), outside=ax is None)
        self.ax_.set(xlabel="mean probability of the best label", ylabel="share that is right")
        self.ax_.set(xlim=(0, 1), ylim=(0, 1))
        add_note(self.ax_, "Each point stands for as many samples")
        bare(self.ax_)
        return self
