"""Histogram of the relative loss per class, together with that of a control."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from zeroshot._utils._pipelines import final_and_input, raw_label_vectors
from zeroshot._utils._validation import check_labels
from zeroshot.displays._checks import check_series, plural
from zeroshot.displays._drawing import (
    BLUE,
    GREY,
    VERMILLION,
    add_legend,
    add_note,
    axes_or_new,
    bare,
    literal,
)
from zeroshot.metrics import class_relative_losses
from zeroshot.metrics._checks import check_vectors

OWNER = "RelativeLossDisplay"
N_BINS = 25
MEAN_VECTOR = "mean of the seen labels"


class RelativeLossDisplay:
    """Histogram of the relative losses of classes, together with the control to beat.

    Parameters
    ----------
    losses : array-like of shape (n_classes,)
        Relative loss of each class, at least -1: see `zeroshot.metrics.relative_loss`.
    control : array-like of shape (n_classes,), optional
        Relative losses of a prediction that does not use images.
    name : str, default="model"
        Name of the model that has `losses`.
    control_name : str, default="mean of the seen labels"
        Name of the prediction that has `control`.

    Attributes
    ----------
    losses, control : ndarray of shape (n_classes,)
        As given; `control` may be None.
    name, control_name : str
        As given.
    ax_, figure_ : Axes, Figure
        Set by `plot`.

    Raises
    ------
    ValueError
        An array is empty, not 1-D, NaN or infinite; or lengths differ.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("Agg")
    >>> from zeroshot.displays import RelativeLossDisplay
    >>> display = RelativeLossDisplay.from_predictions(
    ...     [[1.0, 0.0], [0.0, 2.0]],
    ...     [[0.5, 0.0], [0.0, 1.5]],
    ...     labels=["cat", "dog"],
    ...     seen_vectors=[[0.5, 0.5]],
    ... )
    >>> display.losses.round(3).tolist(), display.control.round(3).tolist()
    ([-0.75, -0.938], [-0.5, -0.375])
    >>> matplotlib.pyplot.close(display.figure_)
    """

    ax_: Any
    figure_: Any

    def __init__(
        self,
        losses: Any,
        control: Any = None,
        *,
        name: str = "model",
        control_name: str = MEAN_VECTOR,
    ) -> None:
        self.losses = check_series(losses, owner=OWNER, name="losses")
        self.control = control
        if control is not None:
            n_classes = len(self.losses)
            self.control = check_series(control, owner=OWNER, name="control", length=n_classes)
        self.name, self.control_name = name, control_name

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: Any,
        *,
        reference: Any = "zero",
        name: str | None = None,
        ax: Any = None,
    ) -> RelativeLossDisplay:
        """Draw the relative losses of a fitted regressor on classes that it did not see.

        Parameters
        ----------
        estimator : estimator, Pipeline or search object
            Fitted regressor with ``label_vectors`` and ``seen_classes_``, such as
            `EmbeddingRegressor`.
        X : array-like or list of length n_samples
            Input of `estimator`.
        y : array-like of shape (n_samples,)
            Labels.
        reference : {"zero", "mean"} or array-like, default="zero"
            As in `zeroshot.metrics.relative_loss`.
        name : str, optional
            Name in the legend; the class of `estimator` if None.
        ax : Axes, optional
            Axes to draw on; a new figure if None.

        Returns
        -------
        RelativeLossDisplay
            The display, after drawing. The control is the mean vector of the seen classes.

        Raises
        ------
        TypeError
            `estimator` does not predict label vectors.
        ValueError
            As for `from_predictions`.
        """
        final, X = final_and_input(estimator, X)
        check_is_fitted(final)
        wanted = ("label_vectors", "seen_classes_")
        lacking = any(getattr(final, each, None) is None for each in wanted)
        predicted = None if lacking else raw_label_vectors(final, X)
        if predicted is None:
            raise TypeError(
                f"{OWNER}: {type(final).__name__} predicts no raw label vectors of labels. Pass "
                "an estimator such as EmbeddingRegressor, fitted to labels."
            )
        labels = check_labels(y, owner=OWNER, name="y")
        classes, codes = np.unique(labels, return_inverse=True)
        return cls.from_predictions(
            np.asarray(final.label_vectors(classes))[codes],
            predicted,
            labels=labels,
            seen_vectors=final.label_vectors(final.seen_classes_),
            reference=reference,
            name=name or type(final).__name__,
            ax=ax,
        )

    @classmethod
    def from_predictions(
        cls,
        y_true: Any,
        y_pred: Any,
        *,
        labels: Any,
        seen_vectors: Any = None,
        reference: Any = "zero",
        name: str = "model",
        ax: Any = None,
    ) -> RelativeLossDisplay:
        """Draw the relative losses of predicted vectors.

        Parameters
        ----------
        y_true, y_pred : array-like of shape (n_samples, n_dims)
            Raw and predicted label vector of each sample.
        labels : array-like of shape (n_samples,)
            Class of each row.
        seen_vectors : array-like of shape (n_seen, n_dims), optional
            Vectors of the training classes. Their mean is the control. None draws no control.
        reference : {"zero", "mean"} or array-like, default="zero"
            As in `zeroshot.metrics.relative_loss`.
        name : str, default="model"
            Name in the legend.
        ax : Axes, optional
            Axes to draw on; a new figure if None.

        Returns
        -------
        RelativeLossDisplay
            The display, after drawing.

        Raises
        ------
        ValueError
            As for `zeroshot.metrics.class_relative_losses`.
        """
        options = {"labels": labels, "reference": reference, "seen_vectors": seen_vectors}
        _, losses = class_relative_losses(y_true, y_pred, **options)
        control = None
        if seen_vectors is not None:
            width = np.shape(y_true)[1]
            seen = check_vectors(seen_vectors, owner=OWNER, name="seen_vectors", width=width)
            constant = np.broadcast_to(seen.mean(axis=0), np.shape(y_true))
            _, control = class_relative_losses(y_true, constant, **options)
        return cls(losses, control, name=name).plot(ax)

    def plot(self, ax: Any = None, *, n_bins: int = N_BINS) -> RelativeLossDisplay:
        """Draw the histogram, the control's outline, and both medians.

        Parameters
        ----------
        ax : Axes, optional
            Axes to draw on; a new figure if None.
        n_bins : int, default=25
            Number of bars between the lowest and the highest loss.

        Returns
        -------
        RelativeLossDisplay
            The display itself.

        Raises
        ------
        MissingDependencyError
            matplotlib is not installed.
        TypeError
            `ax` is not an Axes.
        """
        outside = ax is None
        self.ax_, self.figure_ = axes_or_new(ax, owner=f"{OWNER}.plot", size=(7.6, 4))
        series = [self.losses] if self.control is None else [self.losses, self.control]
        names = [self.name, self.control_name]
        every = np.concatenate(series)
        low, high = every.min(), every.max()
        if low == high:  # one bar needs a width
            low, high = low - 0.01, high + 0.01
        edges = np.linspace(low, high, n_bins + 1)
        looks: list[dict[str, Any]] = [
            {"color": BLUE, "alpha": 0.4},
            {"color": VERMILLION, "histtype": "step", "linewidth": 2},
        ]
        handles, labels = [], []
        for position, values in enumerate(series):
            color, line = looks[position]["color"], (0, ("-", "--")[position])
            _, _, patches = self.ax_.hist(values, edges, **looks[position])
            self.ax_.axvline(np.median(values), color=color, linestyle=line[1])
            handles.append(patches[0])
            better = f"{int((values < 0).sum()):,} of {plural(len(values), 'class')} below 0"
            median = f"median ({('solid', 'dashed')[position]} line) {np.median(values):+.1%}"
            labels.append(f"{literal(names[position])}\n{median}\n{better}")
        handles.append(self.ax_.axvline(0, color=GREY, linestyle=":"))
        if not outside:
            self.ax_.set_ylim(top=1.6 * self.ax_.get_ylim()[1])  # room for the legend
        add_legend(self.ax_, handles, [*labels, "the reference"], outside=outside)
        self.ax_.set(xlabel="relative loss (below 0 is better)", ylabel="classes")
        self.ax_.yaxis.get_major_locator().set_params(integer=True)
        add_note(self.ax_, "Squared error on each class, relative to the reference prediction")
        bare(self.ax_)
        return self
