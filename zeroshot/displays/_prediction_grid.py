"""Images with the labels that models predict for them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from zeroshot._utils._images import read_image
from zeroshot._utils._optional import import_optional
from zeroshot._utils._validation import check_labels, check_number, take_rows
from zeroshot.displays._checks import (
    check_mapping,
    check_matrix,
    named_models,
    plural,
    share_of,
    top_labels,
)
from zeroshot.displays._drawing import GREY, PALE, axes_or_new, fit_texts, literal, settle
from zeroshot.exceptions import ImageReadError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MAX_PIXELS = 320


IMAGE, COLUMN, LINE, PAD, NOTE = 1.15, 1.75, 0.165, 0.14, 0.28
FONT, SMALLEST_FONT = 8.5, 5.0
RIGHT = "#00694D"  # a green that is as dark as other text in grey, unlike that of the palette


OWNER = "PredictionGridDisplay"


class PredictionGridDisplay:
    """Grid of images, each with the best labels of one or several models.

    Parameters
    ----------
    images : list of path, PIL image or uint8 array, or uint8 array (n, height, width, 3)
        Images to show.
    labels : dict of str to array-like of shape (n_images, k)
        For each model, the labels of each image, best first.
    scores : dict of str to array-like of shape (n_images, k), optional
        Their scores.
    y : array-like of shape (n_images,), optional
        True labels. Correct predictions are marked with a tick.
    seen_classes : array-like of shape (n_seen,), optional
        Labels that were in training. True labels that were not in training are marked.
    n_images : int, optional
        Total number of images, of which the first ones are shown; the number of `images` if None.

    Attributes
    ----------
    images : list of ndarray of shape (height, width, 3), or None for an unreadable one
        Images, at most as large as they are shown.
    labels, scores : dict of str to ndarray of shape (n_images, k)
        As given.
    y, seen_classes, n_images
        As given.
    right : dict of str to ndarray of bool of shape (n_images, k)
        Which labels are the true one.
    ax_, figure_ : Axes, Figure
        Set by `plot`.

    Raises
    ------
    TypeError
        `labels` is not a dict.
    ValueError
        There is no image, or shapes do not match.

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
        """Draw the predictions of fitted classifiers for the first images.

        Parameters
        ----------
        estimator : classifier, Pipeline or search object, or dict of str to these
            Fitted classifiers. Ordinary and zero-shot classifiers may be mixed.
        X : array-like or list of length n_samples
            Their input.
        y : array-like of shape (n_samples,), optional
            True labels.
        images : list or uint8 array of length n_samples, optional
            Images to show. None shows X, for classifiers that take images.
        k : int, default=3
            Number of labels per image.
        max_images : int, default=12
            Maximum number of images. Only the first ones are predicted and shown, and the figure
            says so.
        ax : Axes, optional
            Axes to draw on; a new figure if None.

        Returns
        -------
        PredictionGridDisplay
            The display, after drawing.

        Raises
        ------
        TypeError
            `estimator` is not a classifier or a dict of classifiers.
        ValueError
            As for `from_predictions`.
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
        """Draw predicted labels of images.

        Parameters
        ----------
        images : list of path, PIL image or uint8 array, or uint8 array (n, height, width, 3)
            Images to show.
        predictions : dict of str to (labels, scores)
            For each model, the result of ``predict_top_k(X, k)``: labels and scores, both
            (n_images, k), best first. Scores may be None.
        y : array-like of shape (n_images,), optional
            True labels.
        seen_classes : array-like of shape (n_seen,), optional
            Labels that were in training.
        max_images : int, default=12
            Maximum number of images. Only the first ones are shown, and the figure says so.
        ax : Axes, optional
            Axes to draw on; a new figure if None.

        Returns
        -------
        PredictionGridDisplay
            The display, after drawing.

        Raises
        ------
        MissingDependencyError
            matplotlib is not installed.
        TypeError
            `predictions` is not a dict of pairs.
        ValueError
            There is no image, or shapes do not match.
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
            Axes to draw on; a new figure if None. If text would be too small to read, fewer images
            are shown, and the figure says so.
        n_columns : int, optional
            Number of images side by side. None makes about four columns of labels.

        Returns
        -------
        PredictionGridDisplay
            The display itself.

        Raises
        ------
        MissingDependencyError
            matplotlib is not installed.
        TypeError
            `ax` is not an Axes.
        ValueError
            `n_columns` is not a positive integer.
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


@dataclass(frozen=True)
class Cell:
    """An image under its true label, beside one column of labels per model.

    Attributes
    ----------
    width, height : float
        Size in inches, including the space to the next cell.
    """

    width: float
    height: float

    @classmethod
    def of(cls, n_models: int, k: int) -> Cell:
        """Return a cell with this many columns of `k` labels."""
        lines = max(IMAGE, (k + 1) * LINE)
        return cls(IMAGE + n_models * COLUMN + 2 * PAD, lines + LINE + 2 * PAD)

    def size(self, n: int, n_columns: int) -> tuple[float, float]:
        """Return width and height of a page with this many cells."""
        return n_columns * self.width + PAD, -(-n // n_columns) * self.height + NOTE + PAD

    def font(self, n: int, n_columns: int, width: float, height: float) -> float:
        """Return the font size if that page is scaled to a width and a height."""
        full = self.size(n, n_columns)
        return FONT * min(1.0, width / full[0], height / full[1])

    def most(self, n: int, n_columns: int, width: float, height: float) -> tuple[int, int]:
        """Return the number of cells (1 to `n`) that are legible in a space, and of columns.

        The number of columns is `n_columns`, or less if more cells are then legible.
        """
        readable = [
            (count, columns)
            for columns in range(1, n_columns + 1)
            for count in range(1, n + 1)
            if self.font(count, columns, width, height) >= SMALLEST_FONT
        ]
        return max(readable, default=(1, 1))

    def draw(self, display: PredictionGridDisplay, n: int, n_columns: int, font: float) -> None:
        """Draw the first cells of a display on its axes."""
        ax = display.ax_
        box = ax.get_window_extent()
        scale = font / FONT * ax.figure.dpi  # pixels per inch of the page
        for place in range(n):
            left = PAD + place % n_columns * self.width
            top = NOTE + PAD + place // n_columns * self.height
            self._draw_one(display, place, left, top, font, scale)
        note = f"{share_of(n, display.n_images, 'image')}, best labels first"
        if display.y is not None:
            note += "; a tick marks the true label"
        text = ax.text(PAD, PAD, note, va="top", color=GREY, fontsize=font)
        fit_texts([text], box.width - PAD * scale)
        # Images set their own limits and aspect.
        ax.set(aspect="auto", xlim=(0, box.width / scale), ylim=(box.height / scale, 0))
        ax.set_axis_off()

    def _draw_one(
        self,
        display: PredictionGridDisplay,
        place: int,
        left: float,
        top: float,
        font: float,
        scale: float,
    ) -> None:
        ax, y = display.ax_, display.y
        if y is not None:
            seen = display.seen_classes
            kind = " (unseen)" if seen is not None and y[place] not in seen else ""
            head = ax.text(left, top, literal(y[place]) + kind, va="top", fontsize=font)
            fit_texts([head], (self.width - PAD) * scale)
        top += LINE * 1.15
        _draw_image(ax, display.images[place], left, top, font)
        for column, (name, labels) in enumerate(display.labels.items()):
            x = left + IMAGE + PAD + column * COLUMN
            texts = [ax.text(x, top, literal(name), va="top", fontsize=font, color=GREY)]
            scores = display.scores.get(name)
            for line, label in enumerate(labels[place].tolist()):
                right = bool(display.right[name][place, line])
                style: dict[str, Any] = {"fontweight": "bold", "color": RIGHT} if right else {}
                at = x, top + (line + 1) * LINE
                shown = literal(label)
                if scores is not None:
                    shown = f"{scores[place, line]:.2f} {shown}"
                if right:
                    shown = f"✓ {shown}"
                texts.append(ax.text(*at, shown, va="top", fontsize=font, **style))
            fit_texts(texts, (COLUMN - 2 * PAD) * scale)


def _draw_image(ax: Axes, image: Any, left: float, top: float, font: float) -> None:
    """Draw an image as large as fits into a square, at the upper left corner."""
    if image is None:
        ax.plot([left, left + IMAGE], [top, top + IMAGE], color=PALE)
        middle = left + IMAGE / 2, top + IMAGE / 2
        ax.text(*middle, "unreadable", ha="center", va="center", fontsize=font)
        return
    height, width = image.shape[:2]
    longest = max(height, width)
    right, bottom = left + IMAGE * width / longest, top + IMAGE * height / longest
    ax.imshow(image, extent=(left, right, bottom, top), aspect="auto")


def label_rows(rows: Any, n: int, name: str, *, owner: str) -> np.ndarray:
    """Return labels as an array of shape (n, k).

    Raises
    ------
    ValueError
        Labels have another shape, or are of several kinds.
    """
    array = rows if isinstance(rows, np.ndarray) else np.asarray(list(rows), dtype=object)
    if array.ndim != 2 or array.shape[0] != n or not array.shape[1]:
        raise ValueError(
            f"{owner}: labels of {name!r} must have the shape ({n}, k), k labels for each image, "
            f"got {array.shape}. Pass the labels of predict_top_k(X, k)."
        )
    return check_labels(array.ravel(), owner=owner, name=f"labels of {name!r}").reshape(array.shape)


def small(image: Any, place: int) -> np.ndarray | None:
    """Return an image at most as large as it is shown, or None if it cannot be read."""
    try:
        picture = Image.fromarray(read_image(image, place, min_side=MAX_PIXELS))
    except ImageReadError:
        return None
    picture.thumbnail((MAX_PIXELS, MAX_PIXELS))
    return np.asarray(picture)
