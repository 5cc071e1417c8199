"""Risk-coverage curve: error rate against the share of samples that are answered."""

from __future__ import annotations

from typing import Any, Self

import numpy as np

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
from zeroshot.metrics import risk_coverage_curve
from zeroshot.metrics._confidence import area_under_risk

OWNER = "RiskCoverageDisplay"
DRAWN = "risk-coverage curve"


class RiskCoverageDisplay(ConfidenceDisplay):
    """Risk-coverage curve, its area, and the line of random rejection.

    Parameters
    ----------
    coverage, risk : array-like of shape (n_points,)
        Share of the samples that are answered, ascending, and share of these answers that are
        wrong, as returned by `zeroshot.metrics.risk_coverage_curve`.
    name : str, default="model"
        Name in the legend.

    Attributes
    ----------
    coverage, risk : ndarray of shape (n_points,)
        As given.
    area : float
        Area under the curve.
    ax_ : Axes
        Axes of the drawing.
    figure_ : Figure
        Figure of the drawing.

    See Also
    --------
    zeroshot.RejectOption : Chooses a point of such a curve on held-out classes.

    Examples
    --------
    >>> import matplotlib.pyplot
    >>> from zeroshot.displays import RiskCoverageDisplay
    >>> display = RiskCoverageDisplay.from_predictions(
    ...     ["cat", "dog"], [[0.9, 0.1], [0.6, 0.4]], labels=["cat", "dog"]
    ... )
    >>> display.area
    0.25
    >>> matplotlib.pyplot.close(display.figure_)
    """

    _in_evaluation = ("risk_coverage", "risk_coverage_auc")

    ax_: Any
    figure_: Any

    def __init__(self, coverage: Any, risk: Any, *, name: str = "model") -> None:
        self.coverage = check_series(coverage, owner=OWNER, name="coverage")
        n_points = len(self.coverage)
        self.risk = check_series(risk, owner=OWNER, name="risk", length=n_points)
        for part in ("coverage", "risk"):
            check_shares(getattr(self, part), owner=OWNER, name=part)
        if (np.diff(self.coverage) < 0).any():
            raise ValueError(
                f"{OWNER}: coverage must be ascending. Pass the arrays of risk_coverage_curve()."
            )
        self.name = name
        self.area = area_under_risk(self.coverage, self.risk)

    @classmethod
    def from_predictions(
        cls,
        y_true: Any,
        y_proba: Any,
        *,
        labels: Any,
        average: str = "macro",
        name: str = "model",
        ax: Any = None,
    ) -> Self:
        """Draw the curve of probabilities.

        Parameters
        ----------
        y_true, y_proba, labels, average
            As in `zeroshot.metrics.risk_coverage_curve`.
        name : str, default="model"
            Name in the legend.
        ax : Axes, optional
            Axes to draw on; a new figure if None.

        Returns
        -------
        RiskCoverageDisplay
            The display, after drawing.

        Raises
        ------
        ValueError
            As for `zeroshot.metrics.risk_coverage_curve`.
        """
        coverage, risk, _ = risk_coverage_curve(y_true, y_proba, labels=labels, average=average)
        return cls(coverage, risk, name=name).plot(ax)

    def plot(self, ax: Any = None) -> Self:
        """Draw the curve. On axes that already have one, it is added.

        Parameters
        ----------
        ax : Axes, optional
            Axes to draw on; a new figure if None.

        Returns
        -------
        RiskCoverageDisplay
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
        label = f"{literal(self.name)}: area {self.area:.3f}"
        style = curve_style(drawn) | {"marker": ""}
        (line,) = self.ax_.plot(self.coverage, self.risk, label=label, **style)
        line.set_gid(DRAWN)
        if not drawn:
            everything = float(self.risk[-1])
            random = f"rejection at random: area {everything:.3f}"
            self.ax_.plot([0, 1], [everything, everything], ":", color=GREY, label=random)
        add_legend(self.ax_, *self.ax_.get_legend_handles_labels(), outside=ax is None)
        self.ax_.set(xlabel="share of the samples that is answered", ylabel="share that is wrong")
        self.ax_.set(xlim=(0, 1), ylim=(0, 1))
        add_note(self.ax_, "The surest samples are answered first")
        bare(self.ax_)
        return self
