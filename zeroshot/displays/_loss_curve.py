"""Loss or another training metric over epochs and folds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from zeroshot._utils._pipelines import unwrap
from zeroshot.displays._checks import check_mapping, plural
from zeroshot.displays._drawing import (
    MAX_CURVES,
    add_legend,
    add_note,
    axes_or_new,
    bare,
    curve_style,
    literal,
)

OWNER = "LossCurveDisplay"


class LossCurveDisplay:
    """Median and quartiles of a training metric over epochs.

    Parameters
    ----------
    losses : dict of str to array-like of shape (n_folds, n_epochs)
        Losses by the name of the curve. A fold that ended early has NaN for the remaining epochs.
    quantity : str, default="loss"
        Name of the metric, for the axis.

    Attributes
    ----------
    losses : dict of str to ndarray of shape (n_folds, n_epochs)
        As given.
    quartiles : dict of str to ndarray of shape (3, n_epochs)
        Lower quartile, median and upper quartile over the folds that reached the epoch.
    quantity : str
        As given.
    ax_, figure_ : Axes, Figure
        Set by `plot`.

    Raises
    ------
    TypeError
        `losses` is not a dict.
    ValueError
        `losses` has another shape, is empty or infinite, or has NaN before the end of a fold.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("Agg")
    >>> from zeroshot.displays import LossCurveDisplay
    >>> display = LossCurveDisplay.from_predictions([[4.0, 2.0, 1.0], [6.0, 4.0, 1.0]])
    >>> display.quartiles["model"][1].tolist()
    [5.0, 3.0, 1.0]
    >>> display.plot().ax_.get_xlabel()
    'epoch'
    >>> matplotlib.pyplot.close(display.figure_)
    """

    ax_: Any
    figure_: Any

    def __init__(self, losses: Mapping[str, Any], *, quantity: str = "loss") -> None:
        losses = check_mapping(losses, owner=OWNER, name="losses", holds="(n_folds, n_epochs)")
        self.losses = {name: _checked(values, name) for name, values in losses.items()}
        self.quartiles = {name: _quartiles(values) for name, values in self.losses.items()}
        self.quantity = quantity

    @classmethod
    def from_estimator(
        cls, estimator: Any, *, key: str = "loss", ax: Any = None
    ) -> LossCurveDisplay:
        """Draw the ``history_`` of trained estimators.

        Parameters
        ----------
        estimator : estimator, list of estimators, or dict of str to either
            Fitted estimators, pipelines or searches. A list holds the folds of one curve, such as
            ``cross_validate(..., return_estimator=True)["estimator"]``.
        key : str, default="loss"
            Which metric of an epoch, such as ``"metric"``.
        ax : Axes, optional
            Axes to draw on; a new figure if None.

        Returns
        -------
        LossCurveDisplay
            The display, after drawing.

        Raises
        ------
        TypeError
            An estimator has no ``history_``.
        ValueError
            As for `from_predictions`. Also if a history is empty, as after a closed-form solution.
        """
        named = estimator if isinstance(estimator, Mapping) else {"model": estimator}
        histories = {
            name: [_history(each) for each in (value if _is_list(value) else [value])]
            for name, value in named.items()
        }
        return cls.from_predictions(histories, key=key, ax=ax)

    @classmethod
    def from_predictions(
        cls, losses: Any, *, key: str = "loss", ax: Any = None
    ) -> LossCurveDisplay:
        """Draw histories, or losses as numbers.

        Parameters
        ----------
        losses : list of history, array-like of shape (n_folds, n_epochs), or dict of str to these
            A ``history_`` is a list with one dict per epoch. Histories may differ in length.
        key : str, default="loss"
            Which metric of an epoch, for histories.
        ax : Axes, optional
            Axes to draw on; a new figure if None.

        Returns
        -------
        LossCurveDisplay
            The display, after drawing.

        Raises
        ------
        ValueError
            `losses` has another shape, is empty, NaN or infinite, or an epoch does not have `key`.
        """
        named = losses if isinstance(losses, Mapping) else {"model": losses}
        arrays = {name: _array(values, key, name) for name, values in named.items()}
        return cls(arrays, quantity=key.replace("_", " ")).plot(ax)

    def plot(self, ax: Any = None, *, yscale: str = "linear") -> LossCurveDisplay:
        """Draw a line and a band for each name.

        Parameters
        ----------
        ax : Axes, optional
            Axes to draw on; a new figure if None.
        yscale : str, default="linear"
            Scale of the losses, such as ``"log"``.

        Returns
        -------
        LossCurveDisplay
            The display itself.

        Raises
        ------
        MissingDependencyError
            matplotlib is not installed.
        TypeError
            `ax` is not an Axes.
        """
        outside = ax is None
        self.ax_, self.figure_ = axes_or_new(ax, owner=f"{OWNER}.plot", size=(7.2, 4))
        names = list(self.losses)[:MAX_CURVES]
        handles = []
        for position, name in enumerate(names):
            low, middle, high = self.quartiles[name]
            style = curve_style(position)
            epochs = np.arange(1, len(middle) + 1)
            every = max(1, len(middle) // 10)
            handles += self.ax_.plot(epochs, middle, markersize=4, markevery=every, **style)
            self.ax_.fill_between(epochs, low, high, color=style["color"], alpha=0.2, linewidth=0)
        self.ax_.set(xlabel="epoch", ylabel=literal(self.quantity), yscale=yscale)
        self.ax_.xaxis.get_major_locator().set_params(integer=True)
        folds = (plural(len(self.losses[name]), "fold") for name in names)
        labels = [f"{literal(name)}, {count}" for name, count in zip(names, folds, strict=True)]
        add_legend(self.ax_, handles, labels, outside=outside)
        left_out = len(self.losses) - len(names)
        more = f"; the first {len(names)} of {len(self.losses):,} curves" if left_out else ""
        add_note(self.ax_, f"Median and quartiles over the folds{more}")
        bare(self.ax_)
        return self


def _quartiles(values: np.ndarray) -> np.ndarray:
    # nanpercentile takes column by column, which is several times slower.
    percentile = np.nanpercentile if np.isnan(values).any() else np.percentile
    return percentile(values, [25, 50, 75], axis=0)


def _is_list(value: Any) -> bool:
    return isinstance(value, (list, tuple, np.ndarray))


def _history(estimator: Any) -> list[dict[str, float]]:
    final = unwrap(estimator)
    if not hasattr(final, "history_"):
        raise TypeError(
            f"{OWNER}: {type(final).__name__} has no history_. Pass a fitted estimator that is "
            "trained in epochs, such as DeViSEClassifier()."
        )
    if not final.history_:
        raise ValueError(
            f"{OWNER}: the history_ of {type(final).__name__} is empty: a closed form has no "
            "epochs. Pass one that was trained."
        )
    return final.history_


def _array(values: Any, key: str, name: str) -> np.ndarray:
    """Return losses of shape (n_folds, n_epochs), with NaN after the end of shorter histories."""
    rows = list(values) if np.iterable(values) else []
    if rows and isinstance(rows[0], Mapping):
        raise ValueError(
            f"{OWNER}: losses of {name!r} is one history. Write [history] for a single fold."
        )
    if not any(_is_list(row) and len(row) and isinstance(row[0], Mapping) for row in rows):
        return _finite_matrix(values, name)
    lengths = [len(row) for row in rows]
    array = np.full((len(rows), max(lengths)), np.nan)
    for place, (row, length) in enumerate(zip(rows, lengths, strict=True)):
        lacking = [epoch for epoch, entry in enumerate(row) if key not in entry]
        if lacking or not length:
            known = ", ".join(map(repr, row[lacking[0]])) if lacking else "nothing"
            raise ValueError(
                f"{OWNER}: history {place} of {name!r} has no {key!r} in some epoch, but {known}. "
                "Pass one of these as key, and histories of at least one epoch."
            )
        array[place, :length] = [entry[key] for entry in row]
        if not np.isfinite(array[place, :length]).all():
            raise ValueError(
                f"{OWNER}: history {place} of {name!r} holds NaN or infinity. Leave it out, or "
                "mend what diverged."
            )
    return array


def _finite_matrix(values: Any, name: str) -> np.ndarray:
    array = _checked(values, name)
    if np.isnan(array).any():
        raise ValueError(
            f"{OWNER}: losses of {name!r} hold NaN. Leave those folds out; only {OWNER}({{...}}) "
            "itself takes NaN, behind the end of a fold."
        )
    return array


def _checked(values: Any, name: str) -> np.ndarray:
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"{OWNER}: losses of {name!r} must be numbers, (n_folds, n_epochs): {error}. Pass "
            "histories where folds differ in length."
        ) from error
    missing = np.isnan(array)
    if array.ndim != 2 or not array.size:
        raise ValueError(
            f"{OWNER}: losses of {name!r} must have the shape (n_folds, n_epochs), got "
            f"{array.shape}. Write [losses] for a single fold."
        )
    resumed = (missing[:, :-1] & ~missing[:, 1:]).any()
    if np.isinf(array).any() or resumed or missing.all(axis=0).any():
        raise ValueError(
            f"{OWNER}: losses of {name!r} hold infinity, or NaN before the end of a fold. Leave "
            "those folds out, or mend what diverged."
        )
    return array
