"""Confusion matrix in the order of the taxonomy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from zeroshot._utils._optional import import_optional
from zeroshot._utils._pipelines import unwrap
from zeroshot._utils._validation import (
    check_labels,
    check_number,
    check_option,
    check_same_kind,
    check_unique,
)
from zeroshot.displays._checks import check_matrix, plural
from zeroshot.displays._drawing import (
    BLACK,
    GREY,
    SMALL,
    add_note,
    axes_or_new,
    literal,
    name_places,
    settle,
)
from zeroshot.metrics._checks import check_pair
from zeroshot.taxonomy._graph import noun_graph
from zeroshot.taxonomy._resolve import nodes_in_context, senses_of
from zeroshot.taxonomy._unmatched import warn_of_unmatched_keys

OWNER = "ClassConfusionDisplay"
ORDERS = ("taxonomy", "sorted", "given")
MAX_BLOCKS = 16


class ClassConfusionDisplay:
    """Confusion matrix with the classes in the order of the taxonomy, and its blocks.

    Parameters
    ----------
    confusion : array-like of shape (n_rows, n_rows)
        Share of the images of each row that are predicted as each column. The sum of a row is at
        most 1.
    names : list of str of length n_rows
        Name of each row and column.
    blocks : list of (name, start, end), optional
        Named runs of neighbouring rows. `start` is the first row, `end` is one past the last row.
    n_classes : int, optional
        Number of classes, if a row stands for several classes; n_rows if None.
    n_unknown : int, default=0
        Number of classes that are not in the taxonomy. They come last.

    Attributes
    ----------
    confusion : ndarray of shape (n_rows, n_rows)
        As given.
    names, blocks, n_classes, n_unknown
        As given.
    ax_, figure_ : Axes, Figure
        Set by `plot`.
    colorbar_ : Colorbar
        Set by `plot`.

    Raises
    ------
    ValueError
        `confusion` is not square, is empty, or has values that are NaN or outside [0, 1]; or the
        number of names differs from the number of rows.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("Agg")
    >>> from zeroshot.displays import ClassConfusionDisplay
    >>> display = ClassConfusionDisplay.from_predictions(
    ...     ["lion", "oboe", "wolf", "wolf"], ["lion", "oboe", "wolf", "lion"]
    ... )
    >>> display.names, display.confusion.tolist()
    (['wolf', 'lion', 'oboe'], [[0.5, 0.5, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    >>> matplotlib.pyplot.close(display.figure_)
    """

    ax_: Any
    figure_: Any
    colorbar_: Any

    def __init__(
        self,
        confusion: Any,
        names: Sequence[str],
        *,
        blocks: Sequence[tuple[str, int, int]] = (),
        n_classes: int | None = None,
        n_unknown: int = 0,
    ) -> None:
        self.names = [str(name) for name in names]
        n = len(self.names)
        self.confusion = check_matrix(confusion, owner=OWNER, name="confusion", shape=(n, n))
        if self.confusion.min() < 0 or self.confusion.sum(axis=1).max() > 1 + 1e-6:
            raise ValueError(
                f"{OWNER}: confusion must be shares, each row at most 1 in all, got rows of up to "
                f"{self.confusion.sum(axis=1).max():g}. Divide counts by their row's sum."
            )
        self.blocks = [(str(name), int(start), int(end)) for name, start, end in blocks]
        self.n_classes = n if n_classes is None else n_classes
        self.n_unknown = n_unknown

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: Any,
        *,
        synsets: Mapping[Any, Any] | None = None,
        order: str = "taxonomy",
        max_rows: int = 200,
        ax: Any = None,
    ) -> ClassConfusionDisplay:
        """Draw the confusion matrix of a fitted classifier.

        Parameters
        ----------
        estimator : classifier, Pipeline or search object
            Fitted.
        X : array-like or list of length n_samples
            Its input.
        y : array-like of shape (n_samples,)
            True labels.
        synsets, order, max_rows, ax
            As in `from_predictions`; ``order="given"`` is that of ``classes_``.

        Returns
        -------
        ClassConfusionDisplay
            The display, after drawing.

        Raises
        ------
        ValueError
            As for `from_predictions`.
        """
        predicted = estimator.predict(X)
        labels = None
        if order == "given":
            classes = np.asarray(unwrap(estimator).classes_)
            used = np.union1d(np.asarray(y), predicted)
            labels = [*classes[np.isin(classes, used)], *np.setdiff1d(used, classes)]
        return cls.from_predictions(
            y, predicted, labels=labels, synsets=synsets, order=order, max_rows=max_rows, ax=ax
        )

    @classmethod
    def from_predictions(
        cls,
        y_true: Any,
        y_pred: Any,
        *,
        labels: Any = None,
        synsets: Mapping[Any, Any] | None = None,
        order: str = "taxonomy",
        max_rows: int = 200,
        ax: Any = None,
    ) -> ClassConfusionDisplay:
        """Draw predicted against true labels.

        Parameters
        ----------
        y_true, y_pred : array-like of shape (n_samples,)
            Labels.
        labels : array-like of shape (n_classes,), optional
            All classes; those in `y_true` and `y_pred` if None.
        synsets : mapping of label to str or Synset, optional
            Wnids or nltk names, such as ``class_synsets("cifar100")``. Other labels are looked up
            as nouns; those that are not nouns come last. If a label has several senses, the one
            nearest to the other labels is taken: a "tiger" among animals is no person.
        order : {"taxonomy", "sorted", "given"}, default="taxonomy"
            Order of the classes; "given" is that of `labels`.
        max_rows : int, default=200
            If there are more classes, each row stands for several neighbouring classes.
        ax : Axes, optional
            Axes to draw on; a new figure if None.

        Returns
        -------
        ClassConfusionDisplay
            The display, after drawing.

        Raises
        ------
        ValueError
            Lengths or kinds of labels differ, a label is not in `labels`, or a parameter is out of
            range.
        """
        check_option(order, ORDERS, owner=OWNER, name="order")
        check_number(max_rows, owner=OWNER, name="max_rows", at_least=2, integer=True)
        true, predicted = check_pair(y_true, y_pred, owner=OWNER)
        used = np.union1d(true, predicted)
        if order == "given" and labels is None:
            raise ValueError(f"{OWNER}: order='given' needs labels. Pass them in that order.")
        classes = used if labels is None else all_classes(labels, used, owner=OWNER)
        if order == "taxonomy":
            found = taxonomy_order(classes, synsets, max_blocks=MAX_BLOCKS, owner=OWNER)
        else:
            places = np.argsort(classes) if order == "sorted" else np.arange(len(classes))
            found = TaxonomyOrder(places, [], 0)
        size = -(-len(classes) // max_rows)
        shown = classes[found.order]
        confusion = row_shares(true, predicted, shown, size)
        names = [
            str(first) if size == 1 else f"{first} +{min(size, len(shown) - place) - 1}"
            for place, first in zip(range(0, len(shown), size), shown[::size].tolist(), strict=True)
        ]
        return cls(
            confusion,
            names,
            blocks=in_rows(found.blocks, size),
            n_classes=len(classes),
            n_unknown=found.n_unknown,
        ).plot(ax)

    def plot(self, ax: Any = None, *, cmap: str = "Blues") -> ClassConfusionDisplay:
        """Draw the matrix, the borders of its blocks, and the names of the large ones.

        Parameters
        ----------
        ax : Axes, optional
            Axes to draw on; a new figure if None.
        cmap : str, default="Blues"
            Colour map, from no images to all images.

        Returns
        -------
        ClassConfusionDisplay
            The display itself.

        Raises
        ------
        MissingDependencyError
            matplotlib is not installed.
        TypeError
            `ax` is not an Axes.
        """
        owner, n = f"{OWNER}.plot", len(self.names)
        self.ax_, self.figure_ = axes_or_new(ax, owner=owner, size=(8.4, 7))
        colors = import_optional("matplotlib.colors", owner=owner, extra="plots")
        # The square root makes the few images off the diagonal visible.
        norm = colors.PowerNorm(0.5, vmin=0, vmax=1)
        image = self.ax_.imshow(self.confusion, cmap=cmap, norm=norm, aspect="auto")
        self.colorbar_ = self.figure_.colorbar(image, ax=self.ax_, fraction=0.04, aspect=40)
        self.colorbar_.set_label("share of the row's images", fontsize=SMALL)
        self.colorbar_.ax.tick_params(labelsize=SMALL)
        names = [literal(name, 20) for name in self.names]
        for axis in (self.ax_.xaxis, self.ax_.yaxis):
            name_places(axis, names, owner=owner)
        self.ax_.set(xlabel="predicted", ylabel="true")
        for _, start, end in self.blocks:
            square = [start - 0.5, end - 0.5, end - 0.5, start - 0.5, start - 0.5]
            low_high = [start - 0.5, start - 0.5, end - 0.5, end - 0.5, start - 0.5]
            self.ax_.plot(square, low_high, color=BLACK, linewidth=0.8)
        self.ax_.set(xlim=(-0.5, n - 0.5), ylim=(n - 0.5, -0.5))
        add_note(self.ax_, self._note())
        self._name_blocks()
        return self

    def _note(self) -> str:
        n, size = len(self.names), -(-self.n_classes // len(self.names))
        parts = [plural(self.n_classes, "class")]
        if size > 1:
            parts.append(f"{n} rows of up to {size} neighbours each, named after the first")
        if self.blocks:
            parts.append("in the order of WordNet, squares around its branches")
        if self.n_unknown:
            parts.append(f"{self.n_unknown:,} without a noun synset stand last")
        return "; ".join(parts)

    def _name_blocks(self) -> None:
        """Write names to the right of blocks if there is room, the largest blocks first."""
        settle(self.ax_)
        per_row = self.ax_.get_window_extent().height / len(self.names)
        line = 1.35 * SMALL * self.ax_.figure.dpi / 72
        taken: list[float] = []
        for name, start, end in sorted(self.blocks, key=lambda block: block[1] - block[2]):
            middle = (start + end - 1) / 2
            if all(abs(middle - other) * per_row >= line for other in taken):
                taken.append(middle)
                where = self.ax_.get_yaxis_transform()
                style = {"va": "center", "fontsize": SMALL, "color": GREY, "transform": where}
                self.ax_.text(1.01, middle, literal(name, 20), **style)


def all_classes(labels: Any, used: np.ndarray, *, owner: str) -> np.ndarray:
    """Return the user's classes, in the same order.

    Raises
    ------
    ValueError
        A class occurs twice, or a class that is used is missing.
    """
    classes = check_unique(
        check_labels(labels, owner=owner, name="labels"), owner=owner, name="labels"
    )
    check_same_kind(used, classes, owner=owner, names=("y_true", "labels"))
    lacking = np.setdiff1d(used, classes)
    if lacking.size:
        raise ValueError(
            f"{owner}: labels lack {plural(lacking.size, 'class')} of y_true and y_pred, such as "
            f"{lacking[0].item()!r}. Add them, or leave labels out."
        )
    return classes


def row_shares(
    true: np.ndarray, predicted: np.ndarray, classes: np.ndarray, size: int
) -> np.ndarray:
    """Return the confusion of rows of `size` classes, without the full matrix of class pairs."""
    by_name = np.argsort(classes)
    rows, columns = (
        by_name[np.searchsorted(classes[by_name], values)] // size for values in (true, predicted)
    )
    n = -(-len(classes) // size)
    counts = np.bincount(rows * n + columns, minlength=n * n).reshape(n, n)
    return counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)


def in_rows(blocks: list[Block], size: int) -> list[tuple[str, int, int]]:
    """Return name, start and end of blocks of classes, in rows of `size` classes each."""
    rows = [(block.name, round(block.start / size), round(block.end / size)) for block in blocks]
    return [(name, start, end) for name, start, end in rows if end > start]


@dataclass(frozen=True)
class Block:
    """A run of neighbouring classes.

    Attributes
    ----------
    name : str
        Name of the concept that all of them share.
    start, end : int
        The first position, and one past the last position.
    """

    name: str
    start: int
    end: int


@dataclass(frozen=True)
class TaxonomyOrder:
    """Order of the classes.

    Attributes
    ----------
    order : ndarray of int of shape (n_classes,)
        Positions of the classes in the order of the tree. Classes without a synset come last.
    blocks : list of Block
        Runs of at least two classes with a synset each. Single classes are in no block.
    n_unknown : int
        Number of classes without a synset.
    """

    order: np.ndarray
    blocks: list[Block]
    n_unknown: int


def taxonomy_order(
    labels: np.ndarray, synsets: Mapping[Any, Any] | None, *, max_blocks: int, owner: str
) -> TaxonomyOrder:
    """Walk the tree of the first hypernyms from its root, and cut it into blocks.

    Parameters
    ----------
    labels : ndarray of shape (n_classes,)
        Class names. Of several noun senses, the one nearest to the other labels is used.
    synsets : mapping of label to str or Synset, optional
        Wnids or nltk names.
    max_blocks : int
        Maximum number of parts, and at most half the number of classes. The largest part is split
        repeatedly.
    owner : str
        For messages.

    Examples
    --------
    >>> import numpy as np
    >>> from zeroshot.displays._class_confusion import taxonomy_order
    >>> labels = np.array(["lion", "oboe", "qwrtz", "wolf", "flute"])
    >>> found = taxonomy_order(labels, None, max_blocks=2, owner="demo")
    >>> labels[found.order].tolist(), [block.name for block in found.blocks]
    (['wolf', 'lion', 'oboe', 'flute', 'qwrtz'], ['carnivore', 'woodwind'])
    """
    known = synsets or {}
    warn_of_unmatched_keys(known, labels.tolist(), owner=owner, name="synsets")
    items = [known.get(label, label) for label in labels.tolist()]
    texts = [place for place, item in enumerate(items) if not isinstance(item, int)]
    senses = senses_of([items[place] for place in texts], owner=owner, name="labels", missing=True)
    known_senses = {place: nodes for place, nodes in zip(texts, senses, strict=True) if nodes}
    nearest = nodes_in_context(list(known_senses.values()))
    paths = {place: _path(node) for place, node in zip(known_senses, nearest, strict=True)}
    inside = sorted(paths, key=lambda place: paths[place])
    outside = [place for place in range(len(items)) if place not in paths]
    blocks = _cut([paths[place] for place in inside], max_blocks) if inside else []
    return TaxonomyOrder(np.array(inside + outside, dtype=np.intp), blocks, len(outside))


def _path(node: int) -> tuple[int, ...]:
    """Return the synsets from the root to a synset, along first hypernyms."""
    graph = noun_graph()
    path = [int(node)]
    while graph.parent_starts[path[-1] + 1] > graph.parent_starts[path[-1]]:
        path.append(int(graph.parents[graph.parent_starts[path[-1]]]))
    return tuple(reversed(path))


def _cut(paths: list[tuple[int, ...]], max_blocks: int) -> list[Block]:
    """Split sorted paths: the largest run that can be split is divided at its next synsets.

    A run is split only if a part keeps several paths. For single paths, the names are enough.
    """
    whole = [(0, len(paths))]
    final: list[tuple[int, int]] = []
    most = min(max_blocks, max(2, len(paths) // 2))
    while whole:
        whole.sort(key=lambda run: run[0] - run[1])
        run = whole.pop(0)
        parts = _parts(paths, run)
        is_useful = len(parts) > 1 and any(end - start > 1 for start, end in parts)
        if is_useful and len(final) + len(whole) + len(parts) <= most:
            whole += parts
        else:
            final.append(run)
    return [
        Block(_name([paths[start], paths[end - 1]]), start, end)
        for start, end in sorted(final)
        if end - start > 1
    ]


def _common(first: tuple[int, ...], last: tuple[int, ...]) -> int:
    """Return the number of synsets two paths share; sorted paths between them share these too."""
    pairs = enumerate(zip(first, last, strict=False))
    return next((depth for depth, (a, b) in pairs if a != b), min(len(first), len(last)))


def _parts(paths: list[tuple[int, ...]], run: tuple[int, int]) -> list[tuple[int, int]]:
    start, end = run
    depth = _common(paths[start], paths[end - 1])
    keys = [path[depth] if len(path) > depth else -1 for path in paths[start:end]]
    cuts = [place + 1 for place in range(len(keys) - 1) if keys[place] != keys[place + 1]]
    edges = [0, *cuts, len(keys)]
    return [(start + a, start + b) for a, b in zip(edges, edges[1:], strict=False)]


def _name(ends: list[tuple[int, ...]]) -> str:
    node = ends[0][_common(ends[0], ends[-1]) - 1] if _common(ends[0], ends[-1]) else ends[0][0]
    return noun_graph().name(node).rsplit(".", 2)[0].replace("_", " ")
