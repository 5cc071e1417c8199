"""A map of images and labels: what the network or the model puts side by side."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils import check_random_state

from zeroshot._validation import (
    check_flag,
    check_labels,
    check_number,
    check_option,
    check_same_kind,
    check_unique,
)
from zeroshot.displays._checks import check_matrix, share_of
from zeroshot.displays._drawing import SMALL, add_legend, add_note, axes_or_new
from zeroshot.displays._map_groups import image_groups, label_groups
from zeroshot.displays._map_vectors import predicted_vectors
from zeroshot.displays._placement import place_names
from zeroshot.displays._projection import METHODS
from zeroshot.displays._sampling import draw_points

OWNER = "EmbeddingMapDisplay"
MAX_TRIED = 400  # names that are measured to see whether they fit


class EmbeddingMapDisplay:
    """Images, and labels, as points of the plane.

    Parameters
    ----------
    points : array-like of shape (n_points, 2)
        Images.
    labels : array-like of shape (n_points,)
        Label of each.
    label_points : array-like of shape (n_labels, 2)
        Labels.
    label_names : array-like of shape (n_labels,)
        What they are, each once.
    seen_classes : array-like of shape (n_seen,), optional
        Labels that were in training. Without it, the most frequent classes are told apart instead.
    method : {"tsne", "umap", "pca"}, default="tsne"
        Where the points come from, for the heading.
    n_images, n_labels : int, optional
        How many there were before some were drawn at random; as many as there are if None.
    placed : bool, default=False
        Labels have vectors of their own; otherwise they are the medians of their images.

    Attributes
    ----------
    points, labels, label_points, label_names, seen_classes, method, n_images, n_labels, placed
        As given, as arrays.
    ax_, figure_ : Axes, Figure
        After `plot`.

    Raises
    ------
    ValueError
        Wrong shapes, no points, NaN or infinity, or lengths that differ.

    Examples
    --------
    >>> import matplotlib, numpy as np
    >>> matplotlib.use("Agg")
    >>> from zeroshot.displays import EmbeddingMapDisplay
    >>> X = np.repeat(np.eye(3), 4, axis=0) + 0.1 * np.eye(12, 3)
    >>> y = np.repeat(["cat", "dog", "owl"], 4)
    >>> display = EmbeddingMapDisplay.from_predictions(
    ...     X, y, label_vectors=np.eye(3), label_names=["cat", "dog", "owl"],
    ...     seen_classes=["cat", "dog"], method="pca",
    ... )
    >>> display.points.shape, display.label_points.shape
    ((12, 2), (3, 2))
    >>> matplotlib.pyplot.close(display.figure_)
    """

    ax_: Any
    figure_: Any

    def __init__(
        self,
        points: Any,
        labels: Any,
        label_points: Any,
        label_names: Any,
        *,
        seen_classes: Any = None,
        method: str = "tsne",
        n_images: int | None = None,
        n_labels: int | None = None,
        placed: bool = False,
    ) -> None:
        self.method = check_option(method, METHODS, owner=OWNER, name="method")
        self.labels = check_labels(labels, owner=OWNER, name="labels")
        names = check_labels(label_names, owner=OWNER, name="label_names")
        self.label_names = check_unique(names, owner=OWNER, name="label_names")
        self.points = check_matrix(points, owner=OWNER, name="points", shape=(len(self.labels), 2))
        self.label_points = check_matrix(
            label_points, owner=OWNER, name="label_points", shape=(len(self.label_names), 2)
        )
        self.seen_classes = seen_classes
        if seen_classes is not None:
            self.seen_classes = check_labels(seen_classes, owner=OWNER, name="seen_classes")
            pair = ("labels", "seen_classes")
            check_same_kind(self.labels, self.seen_classes, owner=OWNER, names=pair)
        self.n_images = len(self.labels) if n_images is None else n_images
        self.n_labels = len(self.label_names) if n_labels is None else n_labels
        self.placed = placed

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: Any,
        *,
        method: str = "tsne",
        cosine: bool = True,
        max_images: int = 2000,
        max_labels: int = 300,
        random_state: Any = 0,
        ax: Any = None,
    ) -> EmbeddingMapDisplay:
        """Map the label vectors that a fitted estimator predicts, and those of the labels.

        Parameters
        ----------
        estimator : estimator, Pipeline or search object
            Fitted: a zero-shot classifier, or a regressor such as `EmbeddingRegressor`.
        X : array-like or list of length n_samples
            Input of `estimator`.
        y : array-like of shape (n_samples,)
            True labels.
        method, cosine, max_images, max_labels, random_state, ax
            As in `from_predictions`.

        Returns
        -------
        EmbeddingMapDisplay
            Drawn.

        Raises
        ------
        TypeError
            `estimator` predicts no label vectors.
        ValueError
            As `from_predictions`.
        """
        vectors, labels = predicted_vectors(estimator, X, y, owner=OWNER)
        return cls.from_predictions(
            vectors, y, **labels, method=method, cosine=cosine, max_images=max_images,
            max_labels=max_labels, random_state=random_state, ax=ax,
        )  # fmt: skip

    @classmethod
    def from_predictions(
        cls,
        vectors: Any,
        labels: Any,
        *,
        label_vectors: Any = None,
        label_names: Any = None,
        seen_classes: Any = None,
        method: str = "tsne",
        cosine: bool = True,
        max_images: int = 2000,
        max_labels: int = 300,
        random_state: Any = 0,
        ax: Any = None,
    ) -> EmbeddingMapDisplay:
        """Map features of images, or predicted label vectors, together with labels.

        Parameters
        ----------
        vectors : array-like of shape (n_samples, n_dims)
            Features, or predicted label vectors.
        labels : array-like of shape (n_samples,)
            Label of each row.
        label_vectors : array-like of shape (n_labels, n_dims), optional
            Vectors of labels in the same space, mapped with the images. Without them a label
            stands at the median of its images.
        label_names : array-like of shape (n_labels,), optional
            The labels that `label_vectors` are of.
        seen_classes : array-like of shape (n_seen,), optional
            Labels that were in training.
        method : {"tsne", "umap", "pca"}, default="tsne"
            "umap" needs the package umap-learn (extra ``umap``).
        cosine : bool, default=True
            Directions alone count, not lengths.
        max_images, max_labels : int, default=2000 and 300
            Where there are more, so many are drawn at random, and the figure says so. Seen and
            unseen labels get their shares, a quarter of `max_labels` if there are that many; labels
            that images have are kept first.
        random_state : int, RandomState instance or None, default=0
            Seed of what is drawn and of the map.
        ax : Axes, optional
            Where to draw; a new figure if None.

        Returns
        -------
        EmbeddingMapDisplay
            Drawn.

        Raises
        ------
        MissingDependencyError
            matplotlib, or for "umap" umap-learn, is not installed.
        ValueError
            Wrong shapes, lengths that differ, NaN or infinity, or fewer than four points.
        """
        check_option(method, METHODS, owner=OWNER, name="method")
        check_flag(cosine, owner=OWNER, name="cosine")
        for name, value in (("max_images", max_images), ("max_labels", max_labels)):
            check_number(value, owner=OWNER, name=name, at_least=1, integer=True)
        if (label_vectors is None) != (label_names is None):
            raise ValueError(f"{OWNER}: pass label_vectors and label_names, or neither.")
        rng, most = check_random_state(random_state), (max_images, max_labels)
        drawn = draw_points(
            vectors, labels, label_vectors, label_names, seen_classes, most, rng, owner=OWNER
        )
        drawn.project(method, cosine=cosine, random_state=random_state, owner=OWNER)
        display = cls(
            drawn.points, drawn.labels, drawn.label_points, drawn.names,
            seen_classes=seen_classes, method=method,
            n_images=drawn.n_images, n_labels=drawn.n_labels, placed=label_names is not None,
        )  # fmt: skip
        return display.plot(ax)

    def plot(self, ax: Any = None, *, names: bool = True) -> EmbeddingMapDisplay:
        """Draw the points, and the names of as many labels as fit.

        Parameters
        ----------
        ax : Axes, optional
            Where to draw; a new figure if None.
        names : bool, default=True
            Write names beside the labels, unseen ones first, otherwise in an order without meaning.

        Returns
        -------
        EmbeddingMapDisplay
            Itself.

        Raises
        ------
        MissingDependencyError
            matplotlib is not installed.
        TypeError
            `ax` is something else than axes.
        """
        outside = ax is None
        owner = f"{OWNER}.plot"
        self.ax_, self.figure_ = axes_or_new(ax, owner=owner, size=(8.6, 6))
        seen = None if self.seen_classes is None else self._is_seen(self.labels)
        handles, signs = [], []
        for sign, mask, look in image_groups(self.labels, seen):
            handles.append(self.ax_.scatter(*self.points[mask].T, linewidth=0.4, **look))
            signs.append(sign)
        if self.placed:
            style = {"edgecolor": "black", "linewidth": 0.8, "zorder": 3}
            is_seen = self._is_seen(self.label_names)
            for sign, mask, look in label_groups(is_seen, told=seen is not None):
                handles.append(self.ax_.scatter(*self.label_points[mask].T, **style, **look))
                signs.append(sign)
        self.ax_.set(xticks=[], yticks=[])
        add_legend(self.ax_, handles, signs, outside=outside, loc="upper right")
        n = len(self.label_names)
        self._add_note(n)
        if names:
            seen = self._is_seen(self.label_names)
            mixed = np.random.RandomState(0).permutation(n)  # not by the alphabet
            order = mixed[np.argsort(seen[mixed], kind="stable")].tolist()
            n = place_names(
                self.ax_, self.label_points, self.label_names.tolist(), order,
                bold=~seen, on_points=not self.placed, fontsize=SMALL - 1,
                max_tried=MAX_TRIED, owner=owner,
            )  # fmt: skip
            self._add_note(n)
        return self

    def _is_seen(self, labels: np.ndarray) -> np.ndarray:
        if self.seen_classes is None:
            return np.ones(len(labels), dtype=bool)
        return np.isin(labels, self.seen_classes)

    def _add_note(self, n_named: int) -> None:
        images = share_of(len(self.points), self.n_images, "image")
        labels = share_of(len(self.label_names), self.n_labels, "label")
        told = self.placed or len(self.label_names) < self.n_labels
        with_labels = f"{images} and {labels}" if told else images
        where = "" if self.placed else "; names at the median of their images"
        named = f"{n_named} of {len(self.label_names):,} names fit"
        add_note(self.ax_, f"{METHODS[self.method]} of {with_labels}{where}; {named}")
