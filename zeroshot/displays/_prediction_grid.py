"""Images with the labels that models give them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from zeroshot._optional import import_optional
from zeroshot._validation import check_labels, check_number, take_rows
from zeroshot.displays._checks import check_mapping, check_matrix, named_models, plural, top_labels
from zeroshot.displays._drawing import axes_or_new, settle
from zeroshot.displays._grid_cell import Cell
from zeroshot.displays._grid_data import label_rows, small

OWNER = "PredictionGridDisplay"


class PredictionGridDisplay:
    """A grid of images, each beside the best labels of one or several models.

    Parameters
    ----------
    images : list of path, PIL image or uint8 array, or uint8 array (n, height, width, 3)
        What is shown.
    labels : dict of str to array-like of shape (n_images, k)
        For each model, the labels of each image, best first.
    scores : dict of str to array-like of shape (n_images, k), optional
        Their scores.
    y : array-like of shape (n_images,), optional
        True labels: a right answer is ticked.
    seen_classes : array-like of shape (n_seen,), optional
        Labels that were in training: true labels that were not are marked.
    n_images : int, optional
        How many images there were before the first ones were taken; as many as there are if None.

    Attributes
    ----------
    images : list of ndarray of shape (height, width, 3), or None for an unreadable one
        No larger than they are shown.
    labels, scores : dict of str to ndarray of shape (n_images, k)
        As given.
    y, seen_classes, n_images
        As given.
    right : dict of str to ndarray of bool of shape (n_images, k)
        Which labels are the true one.
    ax_, figure_ : Axes, Figure
        After `plot`.

    Raises
    ------
    TypeError
        `labels` is no dict.
    ValueError
        No image, or shapes that do not belong together.

    Examples
    --------
    >>> import matplotlib, numpy as np
    >>> matplotlib.use("Agg")
    >>> from zeroshot.displays import PredictionGridDisplay
    >>> images = np.zeros((2, 8, 8, 3), dtype=np.uint8)
    >>> display = PredictionGridDisplay.from_predictions(
    ...     images, {"ours": ([["cat", "dog"], ["owl", "cat"]], [[0.9, 0.1], [0.6, 0.4]])},
    ...     y=["cat", "cat"],
    ... )
    >>> display.right["ours"].tolist()
    [[True, False], [False, True]]
    >>> matplotlib.pyplot.close(display.figure_)
    """

    ax_: Any
    figure_: Any

    def __init__(
        self,
        images: Any,
        labels: Mapping[str, Any],
        scores: Mapping[str, Any] | None = None,
        *,
        y: Any = None,
        seen_classes: Any = None,
        n_images: int | None = None,
    ) -> None:
        named = check_mapping(labels, owner=OWNER, name="labels", holds="arrays of labels")
        if not (n := len(images)):
            raise ValueError(f"{OWNER}: images is empty. Pass at least one image.")
        self.labels = {name: label_rows(rows, n, name, owner=OWNER) for name, rows in named.items()}
        self.scores = {}
        for name, rows in (scores or {}).items():
            if rows is not None and str(name) in self.labels:
                self.scores[str(name)] = check_matrix(
                    rows, owner=OWNER, name=f"scores of {name!r}",
                    shape=self.labels[str(name)].shape,
                )  # fmt: skip
        self.y = None if y is None else check_labels(y, owner=OWNER, name="y")
        if self.y is not None and len(self.y) != n:
            raise ValueError(
                f"{OWNER}: y has {len(self.y)} labels for {plural(n, 'image')}. Pass one each."
            )
        self.seen_classes = seen_classes
        if seen_classes is not None:
            self.seen_classes = check_labels(seen_classes, owner=OWNER, name="seen_classes")
        self.right = {
            name: np.zeros(rows.shape, bool) if self.y is None else rows == self.y[:, None]
            for name, rows in self.labels.items()
        }
        self.images = [small(image, place) for place, image in enumerate(images)]
        self.n_images = n if n_images is None else n_images

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: Any = None,
        *,
        images: Any = None,
        k: int = 3,
        max_images: int = 12,
        ax: Any = None,
    ) -> PredictionGridDisplay:
        """Draw what fitted classifiers call the first images.

        Parameters
        ----------
        estimator : classifier, Pipeline or search object, or dict of str to these
            Fitted. Ordinary classifiers may stand beside zero-shot ones.
        X : array-like or list of length n_samples
            Their input.
        y : array-like of shape (n_samples,), optional
            True labels.
        images : list or uint8 array of length n_samples, optional
            What to show; X if None, for classifiers that take images.
        k : int, default=3
            Labels for each image.
        max_images : int, default=12
            Only the first ones are named and shown, and the figure says so.
        ax : Axes, optional
            Where to draw; a new figure if None.

        Returns
        -------
        PredictionGridDisplay
            Drawn.

        Raises
        ------
        TypeError
            `estimator` is no classifier, nor a dict of them.
        ValueError
            As `from_predictions`.
        """
        check_number(max_images, owner=OWNER, name="max_images", at_least=1, integer=True)
        named = named_models(estimator, owner=OWNER)
        shown = X if images is None else images
        predictions: dict[str, list] = {}
        seen = None
        for name, model in named.items():
            first = take_rows(X, slice(0, max_images))
            final, *predictions[name] = top_labels(model, first, k, owner=OWNER)
            seen = getattr(final, "seen_classes_", None) if seen is None else seen
        return cls(
            take_rows(shown, slice(0, max_images)),
            {name: labels for name, (labels, _) in predictions.items()},
            {name: scores for name, (_, scores) in predictions.items()},
            y=None if y is None else take_rows(y, slice(0, max_images)),
            seen_classes=seen,
            n_images=len(shown),
        ).plot(ax)

    @classmethod
    def from_predictions(
        cls,
        images: Any,
        predictions: Mapping[str, Any],
        *,
        y: Any = None,
        seen_classes: Any = None,
        max_images: int = 12,
        ax: Any = None,
    ) -> PredictionGridDisplay:
        """Draw labels that images were given.

        Parameters
        ----------
        images : list of path, PIL image or uint8 array, or uint8 array (n, height, width, 3)
            What is shown.
        predictions : dict of str to (labels, scores)
            For each model, what ``predict_top_k(X, k)`` returns: both (n_images, k), best first.
            Scores may be None.
        y : array-like of shape (n_images,), optional
            True labels.
        seen_classes : array-like of shape (n_seen,), optional
            Labels that were in training.
        max_images : int, default=12
            Only the first ones are shown, and the figure says so.
        ax : Axes, optional
            Where to draw; a new figure if None.

        Returns
        -------
        PredictionGridDisplay
            Drawn.

        Raises
        ------
        MissingDependencyError
            matplotlib is not installed.
        TypeError
            `predictions` is no dict of pairs.
        ValueError
            No image, or shapes that do not belong together.
        """
        check_number(max_images, owner=OWNER, name="max_images", at_least=1, integer=True)
        named = check_mapping(
            predictions, owner=OWNER, name="predictions", holds="(labels, scores)"
        )
        if wrong := [name for name, pair in named.items() if not isinstance(pair, tuple)]:
            raise TypeError(
                f"{OWNER}: predictions of {wrong[0]!r} must be a tuple (labels, scores), got "
                f"{type(named[wrong[0]]).__name__}. Write (labels, None) without scores."
            )
        n = len(images)
        labels = {
            name: label_rows(pair[0], n, name, owner=OWNER)[:max_images]
            for name, pair in named.items()
        }
        scores = {
            name: check_matrix(
                pair[1], owner=OWNER, name=f"scores of {name!r}", shape=(n, labels[name].shape[1])
            )[:max_images]
            for name, pair in named.items()
            if pair[1] is not None
        }
        if y is not None and len(y) != n:
            raise ValueError(
                f"{OWNER}: y has {len(y)} labels for {plural(n, 'image')}. Pass one each."
            )
        return cls(
            images[:max_images],
            labels,
            scores,
            y=None if y is None else take_rows(y, slice(0, max_images)),
            seen_classes=seen_classes,
            n_images=n,
        ).plot(ax)

    def plot(self, ax: Any = None, *, n_columns: int | None = None) -> PredictionGridDisplay:
        """Draw the grid.

        Parameters
        ----------
        ax : Axes, optional
            Where to draw; a new figure if None. Where text would be too small to read, fewer images
            are shown, and the figure says so.
        n_columns : int, optional
            Images side by side; about four columns of labels if None.

        Returns
        -------
        PredictionGridDisplay
            Itself.

        Raises
        ------
        MissingDependencyError
            matplotlib is not installed.
        TypeError
            `ax` is something else than axes.
        ValueError
            `n_columns` is no number from 1.
        """
        owner = f"{OWNER}.plot"
        if n_columns is None:
            n_columns = max(1, 4 // len(self.labels))
        check_number(n_columns, owner=owner, name="n_columns", at_least=1, integer=True)
        cell = Cell.of(len(self.labels), max(rows.shape[1] for rows in self.labels.values()))
        n, n_columns = len(self.images), min(n_columns, len(self.images))
        if ax is None:
            pyplot = import_optional("matplotlib.pyplot", owner=owner, extra="plots")
            self.figure_ = pyplot.figure(figsize=cell.size(n, n_columns))
            self.ax_ = self.figure_.add_axes((0, 0, 1, 1))
        else:
            self.ax_, self.figure_ = axes_or_new(ax, owner=owner)
            self.ax_.set_axis_off()
            settle(self.ax_)
        width, height = self.ax_.get_window_extent().size / self.ax_.figure.dpi
        if ax is not None:
            n, n_columns = cell.most(n, n_columns, width, height)
        cell.draw(self, n, n_columns, cell.font(n, n_columns, width, height))
        return self
