"""Map of images and labels on a plane."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import is_regressor
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE
from sklearn.preprocessing import normalize
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from zeroshot._utils._optional import import_optional
from zeroshot._utils._pipelines import final_and_input
from zeroshot._utils._validation import (
    check_flag,
    check_labels,
    check_number,
    check_option,
    check_same_kind,
    check_unique,
)
from zeroshot.displays._checks import check_matrix, share_of
from zeroshot.displays._drawing import (
    BLUE,
    COLORS,
    DIM,
    MARKERS,
    SMALL,
    VERMILLION,
    add_legend,
    add_note,
    axes_or_new,
    literal,
    place_names,
)

METHODS = {"tsne": "t-SNE", "umap": "UMAP", "pca": "Principal components"}


Group = tuple[str, np.ndarray, dict[str, Any]]


OWNER = "EmbeddingMapDisplay"
MAX_TRIED = 400  # names that are measured to see whether they fit


class EmbeddingMapDisplay:
    """Images and labels as points of the plane.

    Parameters
    ----------
    points : array-like of shape (n_points, 2)
        Images.
    labels : array-like of shape (n_points,)
        Label of each.
    label_points : array-like of shape (n_labels, 2)
        Labels.
    label_names : array-like of shape (n_labels,)
        Distinct names of the labels.
    seen_classes : array-like of shape (n_seen,), optional
        Labels that were in training. Without it, the most frequent classes get their own colours.
    method : {"tsne", "umap", "pca"}, default="tsne"
        Method that made the points, for the heading.
    n_images, n_labels : int, optional
        Numbers before random selection; the numbers of points if None.
    placed : bool, default=False
        Whether labels have their own vectors. Otherwise they are the medians of their images.

    Attributes
    ----------
    points, labels, label_points, label_names, seen_classes, method, n_images, n_labels, placed
        As given, as arrays.
    ax_, figure_ : Axes, Figure
        Set by `plot`.

    Raises
    ------
    ValueError
        A shape is wrong, there are no points, a value is NaN or infinite, or lengths differ.

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
        """Map the label vectors predicted by a fitted estimator, together with the labels' vectors.

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
            The display, after drawing.

        Raises
        ------
        TypeError
            `estimator` does not predict label vectors.
        ValueError
            As for `from_predictions`.
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
            Vectors of labels in the same space, mapped together with the images. Without them, each
            label is placed at the median of its images.
        label_names : array-like of shape (n_labels,), optional
            Labels of the rows of `label_vectors`.
        seen_classes : array-like of shape (n_seen,), optional
            Labels that were in training.
        method : {"tsne", "umap", "pca"}, default="tsne"
            "umap" needs the package umap-learn (extra ``umap``).
        cosine : bool, default=True
            Use only the directions of the vectors, not their lengths.
        max_images, max_labels : int, default=2000 and 300
            Maximum numbers. If there are more, a random selection is drawn, and the figure says so.
            Seen and unseen labels are selected in proportion, with at least a quarter of
            `max_labels` each if there are that many. Labels that images have are kept first.
        random_state : int, RandomState instance or None, default=0
            Seed of the random selection and of the map.
        ax : Axes, optional
            Axes to draw on; a new figure if None.

        Returns
        -------
        EmbeddingMapDisplay
            The display, after drawing.

        Raises
        ------
        MissingDependencyError
            matplotlib, or for "umap" umap-learn, is not installed.
        ValueError
            A shape is wrong, lengths differ, a value is NaN or infinite, or there are fewer than
            four points.
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
            Axes to draw on; a new figure if None.
        names : bool, default=True
            Write names beside the labels. Unseen labels come first; the order is otherwise random.

        Returns
        -------
        EmbeddingMapDisplay
            The display itself.

        Raises
        ------
        MissingDependencyError
            matplotlib is not installed.
        TypeError
            `ax` is not an Axes.
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
            mixed = np.random.RandomState(0).permutation(n)  # not alphabetical
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


def image_groups(labels: np.ndarray, seen: np.ndarray | None) -> list[Group]:
    """Return the kinds of images: name, positions and style."""
    if seen is not None:
        looks: list[Group] = [
            ("image of a seen class", seen, {"c": BLUE, "marker": ".", "s": 20, "alpha": 0.4}),
            ("image of an unseen class", ~seen,
             {"c": VERMILLION, "marker": "^", "s": 16, "alpha": 0.9}),
        ]  # fmt: skip
        return [look for look in looks if look[1].any()]
    classes, counts = np.unique(labels, return_counts=True)
    told = classes[np.argsort(-counts, kind="stable")[: len(COLORS)]]
    rest = ~np.isin(labels, told)
    groups = []
    if rest.any():
        sign = f"{len(classes) - len(told):,} other classes"
        groups.append((sign, rest, {"c": DIM, "marker": ".", "s": 16}))
    for place, label in enumerate(told.tolist()):
        look = {"c": COLORS[place], "marker": MARKERS[place], "s": 18, "alpha": 0.8}
        groups.append((literal(label), labels == label, look))
    return groups


def label_groups(seen: np.ndarray, *, told: bool) -> list[Group]:
    """Return the kinds of labels; `told` says whether seen and unseen ones are known."""
    kind = "label of a seen class" if told else "label"
    scale = min(1.0, 80 / len(seen)) ** 0.5  # many small ones cover less
    looks: list[Group] = [
        (kind, seen, {"c": "white", "marker": "o", "s": 30 * scale}),
        ("label of an unseen class", ~seen, {"c": VERMILLION, "marker": "*", "s": 110 * scale}),
    ]
    return [look for look in looks if look[1].any()]


def predicted_vectors(
    estimator: Any, X: Any, y: Any, *, owner: str
) -> tuple[np.ndarray, dict[str, Any]]:
    """Return the predicted label vectors for X, and vectors and names of the labels.

    Raises
    ------
    TypeError
        `estimator` does not predict label vectors.
    """
    final, features = final_and_input(estimator, X)
    check_is_fitted(final)
    seen = getattr(final, "seen_classes_", None)
    if hasattr(final, "class_vectors_") and hasattr(final, "transform"):
        vectors, names = final.transform(features), final.classes_
        label_vectors = final.class_vectors_
    elif is_regressor(final) and seen is not None:
        vectors = np.asarray(final.predict(features))
        names = np.union1d(seen, check_labels(y, owner=owner, name="y"))
        label_vectors = final.label_vectors(names)
    else:
        raise TypeError(
            f"{owner}: {type(final).__name__} predicts no label vectors. Pass a classifier "
            "such as DeViSEClassifier, or features to from_predictions."
        )
    return vectors, {"label_vectors": label_vectors, "label_names": names, "seen_classes": seen}


@dataclass
class MapData:
    """Content of a map.

    Attributes
    ----------
    points : ndarray of shape (n_points, n_dims or 2)
        Images: vectors, and points of the plane after `project`.
    labels : ndarray of shape (n_points,)
        Theirs.
    label_points : ndarray of shape (n_names, n_dims or 2), or None
        Labels, if they have vectors. Otherwise medians of their images, after `project`.
    names : ndarray of shape (n_names,)
        What they are.
    n_images, n_labels : int
        Numbers before random selection.
    """

    points: np.ndarray
    labels: np.ndarray
    label_points: np.ndarray | None
    names: np.ndarray
    n_images: int
    n_labels: int

    def project(self, method: str, *, cosine: bool, random_state: Any, owner: str) -> None:
        """Map images and labels together.

        Raises
        ------
        ValueError
            There are fewer than four of them.
        """
        parts = [self.points] if self.label_points is None else [self.points, self.label_points]
        vectors = np.vstack(parts)
        if len(vectors) < 4:
            raise ValueError(
                f"{owner}: vectors and label_vectors have {len(vectors)} rows in all, expected at "
                "least 4. Pass more images."
            )
        mapped = project(vectors, method, cosine=cosine, random_state=random_state, owner=owner)
        n = len(self.points)
        self.points = mapped[:n]
        if self.label_points is None:
            of_class = (self.points[self.labels == name] for name in self.names)
            self.label_points = np.array([np.median(points, axis=0) for points in of_class])
        else:
            self.label_points = mapped[n:]


def draw_points(
    vectors: Any,
    labels: Any,
    label_vectors: Any,
    label_names: Any,
    seen: Any,
    most: tuple[int, int],
    rng: np.random.RandomState,
    *,
    owner: str,
) -> MapData:
    """Check images and labels, and select at most a maximum number of each.

    Raises
    ------
    ValueError
        Shapes or kinds do not match.
    """
    every = check_labels(labels, owner=owner, name="labels")
    matrix = check_matrix(vectors, owner=owner, name="vectors", shape=(len(every), None))
    rows = some(np.arange(len(every)), most[0], rng)
    kept = every[rows]
    if label_names is None:
        names, points, n_labels = np.unique(kept), None, len(np.unique(every))
    else:
        names, points = check_label_vectors(
            label_names, label_vectors, kept, matrix.shape[1], owner=owner
        )
        n_labels = len(names)
    chosen = some_labels(names, kept, seen, most[1], rng)
    points = None if points is None else points[chosen]
    return MapData(matrix[rows], kept, points, names[chosen], len(every), n_labels)


def some(places: np.ndarray, most: int, rng: np.random.RandomState) -> np.ndarray:
    """Return a limited random selection, in the original order."""
    return places if len(places) <= most else np.sort(rng.choice(places, most, replace=False))


def some_labels(
    names: np.ndarray, labels: np.ndarray, seen: Any, most: int, rng: np.random.RandomState
) -> np.ndarray:
    """Return positions of a limited number of names of both kinds; those with images come first."""
    if len(names) <= most:
        return np.arange(len(names))
    order = np.lexsort((rng.random_sample(len(names)), ~np.isin(names, labels)))
    is_seen = np.zeros(len(names), dtype=bool) if seen is None else np.isin(names, np.asarray(seen))
    n_unseen = share_of_unseen(int(is_seen.sum()), int((~is_seen).sum()), most)
    kept = [order[~is_seen[order]][:n_unseen], order[is_seen[order]][: most - n_unseen]]
    return np.sort(np.concatenate(kept))


def share_of_unseen(n_seen: int, n_unseen: int, most: int) -> int:
    """Return the number of unseen labels among `most`: in proportion, at least a quarter each.

    Examples
    --------
    >>> from zeroshot.displays._embedding_map import share_of_unseen
    >>> share_of_unseen(400, 600, 100), share_of_unseen(990, 10, 100), share_of_unseen(0, 500, 100)
    (60, 10, 100)
    """
    quarter = max(1, most // 4)
    fair = round(most * n_unseen / (n_seen + n_unseen))
    fair = min(fair, most - min(quarter, n_seen))
    return max(fair, min(quarter, n_unseen), most - n_seen)


def check_label_vectors(
    names: Any, vectors: Any, labels: np.ndarray, n_dims: int, *, owner: str
) -> tuple[np.ndarray, np.ndarray]:
    """Return distinct names and their vectors, of the same width as those of the images.

    Raises
    ------
    ValueError
        Names differ in kind from the images' `labels`, or vectors have another shape.
    """
    known = check_labels(names, owner=owner, name="label_names")
    check_unique(known, owner=owner, name="label_names")
    check_same_kind(labels, known, owner=owner, names=("labels", "label_names"))
    shape = (len(known), n_dims)
    return known, check_matrix(vectors, owner=owner, name="label_vectors", shape=shape)


def project(
    vectors: np.ndarray, method: str, *, cosine: bool, random_state: Any, owner: str
) -> np.ndarray:
    """Return a point of the plane for each vector.

    Parameters
    ----------
    vectors : ndarray of shape (n_rows, n_dims)
        At least four rows.
    method : {"tsne", "umap", "pca"}
        How.
    cosine : bool
        Use only directions: rows are scaled to unit length first.
    random_state : int, RandomState instance or None
        Seed.
    owner : str
        Owner for the message if umap-learn is missing.

    Raises
    ------
    MissingDependencyError
        ``"umap"`` without the package of that name.

    Examples
    --------
    >>> import numpy as np
    >>> from zeroshot.displays._embedding_map import project
    >>> project(np.eye(5), "pca", cosine=True, random_state=0, owner="demo").shape
    (5, 2)
    """
    rows = normalize(vectors) if cosine else vectors
    if rows.shape[1] < 2:
        rows = np.hstack([rows, np.zeros((len(rows), 1))])
    if method == "pca":
        return PCA(2, random_state=random_state).fit_transform(rows)
    if method == "umap":
        umap = import_optional("umap", owner=owner, extra="umap")
        neighbors = min(15, len(rows) - 1)
        # With a seed, umap sets n_jobs=1 itself, but with a warning.
        reducer = umap.UMAP(n_neighbors=neighbors, random_state=random_state, n_jobs=1)
        return np.asarray(reducer.fit_transform(rows))
    perplexity = min(30.0, (len(rows) - 1) / 3)
    start: Any = "pca" if np.ptp(rows, axis=0).any() else "random"
    return TSNE(2, perplexity=perplexity, init=start, random_state=random_state).fit_transform(rows)
