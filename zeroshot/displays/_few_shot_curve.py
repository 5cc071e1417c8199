"""Accuracy against the number of training images per class."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from zeroshot.displays._checks import check_mapping, check_series
from zeroshot.displays._drawing import (
    GREY,
    LINES,
    MAX_CURVES,
    add_legend,
    add_note,
    axes_or_new,
    bare,
    curve_style,
    literal,
    name_numbers,
)
from zeroshot.evaluation import FewShotCurve, few_shot_curve

OWNER = "FewShotCurveDisplay"


class FewShotCurveDisplay:
    """Accuracy of several methods against the number of images per class, with bands over draws.

    Parameters
    ----------
    scores : dict of str to dict of int to float or array-like of shape (n_draws,)
        For each method and each number of images per class, one score per draw. 0 images are drawn
        to the left of all others. Methods may differ in the numbers of images and of draws.
    metric : str, default="accuracy"
        Name of the score, for the axis.
    controls : dict of str to float or array-like of shape (n_draws,), optional
        Scores of controls that do not use images. Their means are drawn as horizontal lines.

    Attributes
    ----------
    scores : dict of str to dict of int to ndarray of shape (n_draws,)
        As given, sorted by the number of images.
    shots : dict of str to ndarray of int of shape (n_shots,)
        Images per class.
    means, deviations : dict of str to ndarray of shape (n_shots,)
        Mean and standard deviation over the draws.
    metric : str
        As given.
    controls : dict of str to float
        Mean of each control.
    ax_, figure_ : Axes, Figure
        Set by `plot`.

    Raises
    ------
    TypeError
        `scores` is not a dict of dicts.
    ValueError
        Scores are empty, NaN or infinite, or a number of images is invalid.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("Agg")
    >>> from zeroshot.displays import FewShotCurveDisplay
    >>> display = FewShotCurveDisplay.from_predictions(
    ...     {"prior": {0: 0.3}, "class mean": {1: [0.2, 0.4], 10: [0.5, 0.7]}}
    ... )
    >>> display.means["class mean"].round(2).tolist()
    [0.3, 0.6]
    >>> matplotlib.pyplot.close(display.figure_)
    """

    ax_: Any
    figure_: Any

    def __init__(
        self,
        scores: Mapping[str, Any],
        *,
        metric: str = "accuracy",
        controls: Mapping[str, Any] | None = None,
    ) -> None:
        given = check_mapping(scores, owner=OWNER, name="scores", holds="{n_images: scores}")
        self.scores = {name: _checked(values, name) for name, values in given.items()}
        self.shots = {name: np.array(list(by_shot)) for name, by_shot in self.scores.items()}
        self.means = {
            name: np.array([draws.mean() for draws in by_shot.values()])
            for name, by_shot in self.scores.items()
        }
        self.deviations = {
            name: np.array([draws.std() for draws in by_shot.values()])
            for name, by_shot in self.scores.items()
        }
        self.metric = metric
        self.controls = {
            str(name): float(check_series(np.atleast_1d(draws), owner=OWNER, name=name).mean())
            for name, draws in (controls or {}).items()
        }

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: Any,
        *,
        shots: Iterable[int] = (1, 2, 5, 10),
        cv: Any = 5,
        scoring: Any = None,
        groups: Any = None,
        n_jobs: int | None = None,
        random_state: Any = None,
        ax: Any = None,
    ) -> FewShotCurveDisplay:
        """Measure estimators by `zeroshot.evaluation.few_shot_curve`, and draw the result.

        Parameters
        ----------
        estimator : estimator, or dict of str to estimator
            Unfitted estimators, which are cloned. A single one is named after its class.
        X : array-like or list of length n_samples
            Features, or any other input of the estimators.
        y : array-like of shape (n_samples,)
            Labels.
        shots, cv, groups, n_jobs, random_state
            As in `few_shot_curve`.
        scoring : str or callable, optional
            As in `few_shot_curve`, but only one scorer.
        ax : Axes, optional
            Axes to draw on; a new figure if None.

        Returns
        -------
        FewShotCurveDisplay
            The display, after drawing.

        Raises
        ------
        TypeError, ValueError
            As `few_shot_curve`; or `scoring` names several.
        """
        measured = few_shot_curve(
            estimator, X, y, shots=shots, cv=cv, scoring=scoring, groups=groups, n_jobs=n_jobs,
            random_state=random_state,
        )  # fmt: skip
        if not isinstance(measured, FewShotCurve):
            raise ValueError(
                f"{OWNER}: scoring names {len(measured)} scorers, and one is drawn. Pass one, or "
                "each result of few_shot_curve to from_predictions."
            )
        return cls.from_predictions(measured, ax=ax)

    @classmethod
    def from_predictions(
        cls,
        scores: Any,
        *,
        metric: str | None = None,
        controls: Mapping[str, Any] | None = None,
        ax: Any = None,
    ) -> FewShotCurveDisplay:
        """Draw measured scores.

        Parameters
        ----------
        scores : FewShotCurve, or dict of str to dict of int to float or array-like (n_draws,)
            The result of `zeroshot.evaluation.few_shot_curve`, or scores as for the class itself.
            Numbers of images may be strings, as in JSON.
        metric : str, optional
            Name of the score, for the axis. The default is the metric of `scores`, or "accuracy".
        controls : dict of str to float or array-like of shape (n_draws,), optional
            As for the class itself. The default is the controls of `scores`, if any.
        ax : Axes, optional
            Axes to draw on; a new figure if None.

        Returns
        -------
        FewShotCurveDisplay
            The display, after drawing.

        Raises
        ------
        TypeError, ValueError
            As for the class itself.
        """
        if isinstance(scores, FewShotCurve):
            metric = scores.settings["metric"] if metric is None else metric
            controls = scores.controls if controls is None else controls
        return cls(scores, metric=metric or "accuracy", controls=controls).plot(ax)

    def plot(self, ax: Any = None) -> FewShotCurveDisplay:
        """Draw a line and a band for each method, and a thin line for each control.

        Parameters
        ----------
        ax : Axes, optional
            Axes to draw on; a new figure if None.

        Returns
        -------
        FewShotCurveDisplay
            The display itself.

        Raises
        ------
        MissingDependencyError
            matplotlib is not installed.
        TypeError
            `ax` is not an Axes.
        """
        outside = ax is None
        self.ax_, self.figure_ = axes_or_new(ax, owner=f"{OWNER}.plot", size=(7.6, 4.2))
        names = self._shown()
        every = np.unique(np.concatenate([self.shots[name] for name in names]))
        handles = []
        for position, name in enumerate(names):
            style = curve_style(position)
            shots = self.shots[name]
            handles += self.ax_.plot(shots, self.means[name], markersize=5, **style)
            low, high = (self.means[name] + sign * self.deviations[name] for sign in (-1, 1))
            self.ax_.fill_between(shots, low, high, color=style["color"], alpha=0.15, lw=0)
        for level in self.controls.values():
            style = {"color": GREY, "linewidth": 1, "linestyle": LINES[len(handles) % len(LINES)]}
            handles.append(self.ax_.axhline(level, **style))
        if every[0] == 0 and len(every) > 1:  # 0 is drawn half a decade left of the fewest
            self.ax_.set_xscale("symlog", linthresh=every[1], linscale=0.5)
        elif every[0] > 0:
            self.ax_.set_xscale("log")
        self.ax_.autoscale_view()  # only now: margins are shares of the scale
        add_legend(self.ax_, handles, map(literal, [*names, *self.controls]), outside=outside)
        chosen = len(names) < len(self.scores)
        best = f"; the {len(names)} best of {len(self.scores):,} methods" if chosen else ""
        n_draws = max(len(draws) for name in names for draws in self.scores[name].values())
        band = f"Mean and standard deviation of {n_draws} draws at most" if n_draws > 1 else "Mean"
        add_note(self.ax_, band + best)
        self.ax_.set(xlabel="images a class, logarithmic", ylabel=literal(self.metric))
        bare(self.ax_)
        name_numbers(self.ax_, every.tolist())
        return self

    def _shown(self) -> list[str]:
        """Return the names to draw: those with the highest mean, in the given order."""
        names = list(self.scores)
        by_mean = sorted(names, key=lambda name: -float(self.means[name].mean()))
        kept = set(by_mean[:MAX_CURVES])
        return [name for name in names if name in kept]


def _checked(by_shot: Any, name: str) -> dict[int, np.ndarray]:
    if not isinstance(by_shot, Mapping):
        raise TypeError(
            f"{OWNER}: scores of {name!r} must be a dict from numbers of images to scores, got "
            f"{type(by_shot).__name__}. Write {{1: [0.2, 0.3], 10: [0.5, 0.6]}}."
        )
    if not by_shot:
        raise ValueError(f"{OWNER}: scores of {name!r} are empty. Leave the method out.")
    checked = {}
    for shot, draws in by_shot.items():
        number = str(shot)
        if not number.isdecimal() or int(number) in checked:
            raise ValueError(
                f"{OWNER}: scores of {name!r} have {shot!r} for a number of images a class. Use "
                "distinct whole numbers from 0."
            )
        checked[int(number)] = check_series(
            np.atleast_1d(np.asarray(draws, dtype=np.float64)),
            owner=OWNER,
            name=f"scores of {name!r} at {shot}",
        )
    return dict(sorted(checked.items()))
