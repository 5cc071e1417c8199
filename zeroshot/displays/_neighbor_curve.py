"""F-score against the number of combined source classes, one panel per relation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import clone
from sklearn.metrics import f1_score
from sklearn.utils.validation import check_is_fitted

from zeroshot._utils._pipelines import final_and_input, unwrap
from zeroshot.displays._checks import check_mapping, check_series, plural
from zeroshot.displays._drawing import (
    MAX_CURVES,
    SMALL,
    add_legend,
    axes_or_new,
    bare,
    curve_style,
    fit_first,
    fit_texts,
    literal,
    name_numbers,
    settle,
)
from zeroshot.estimators import SimilarityInitializer
from zeroshot.estimators._transferred_head import neighbor_grid
from zeroshot.metrics._checks import check_pair

if TYPE_CHECKING:
    from matplotlib.axes import Axes

GAP = 0.2  # gap between panels within axes that are not in a grid, in widths of a panel


OWNER = "NeighborCurveDisplay"
X_LABELS = ("source classes combined, K", "source classes, K", "K")


class NeighborCurveDisplay:
    """Macro F-score against K, for each similarity and each relation of targets to sources.

    Parameters
    ----------
    neighbors : array-like of int of shape (n_points,)
        K: the number of source classes that each new row combines.
    scores : dict of str to dict of str to array-like of shape (n_points,)
        For each similarity and each relation, the F-scores over the classes.
    n_classes : dict of str to int, optional
        Number of classes in each relation, for the headings.

    Attributes
    ----------
    neighbors : ndarray of int of shape (n_points,)
        Ascending.
    scores : dict of str to dict of str to ndarray of shape (n_points,)
        In the order of `neighbors`.
    relations : list of str
        One panel per relation.
    n_classes : dict of str to int
        As given.
    ax_, figure_ : Axes, Figure
        Set by `plot`; the first panel.
    axes_ : list of Axes
        All panels.

    Raises
    ------
    TypeError
        `scores` is not a dict of dicts.
    ValueError
        Scores are empty, NaN, infinite or of different lengths, or similarities have different
        relations.

    References
    ----------
    Pascal, Bost, Huet, "Semantic and Visual Similarities for Efficient Knowledge Transfer in CNN
    Training", 2019, Fig. 3.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("Agg")
    >>> from zeroshot.displays import NeighborCurveDisplay
    >>> display = NeighborCurveDisplay.from_predictions(
    ...     ["cat", "dog", "oboe"],
    ...     {"wup": {1: ["cat", "cat", "dog"], 10: ["cat", "dog", "dog"]}},
    ...     relations={"cat": "same", "dog": "same", "oboe": "disjoint"},
    ... )
    >>> display.scores["wup"]["same"].round(3).tolist()
    [0.333, 0.833]
    >>> matplotlib.pyplot.close(display.figure_)
    """

    ax_: Any
    figure_: Any
    axes_: list[Any]

    def __init__(
        self,
        neighbors: Any,
        scores: Mapping[str, Any],
        *,
        n_classes: Mapping[str, int] | None = None,
    ) -> None:
        numbers = check_series(neighbors, owner=OWNER, name="neighbors")
        if (numbers < 1).any() or (numbers % 1).any() or len(np.unique(numbers)) < len(numbers):
            raise ValueError(
                f"{OWNER}: neighbors must be distinct whole numbers from 1, got "
                f"{numbers[:10].tolist()}. Pass how many source classes were combined."
            )
        order = np.argsort(numbers)
        self.neighbors = numbers[order].astype(np.int64)
        given = check_mapping(scores, owner=OWNER, name="scores", holds="{relation: scores}")
        self.scores = {}
        for name, by_relation in given.items():
            what = f"scores of {name!r}"
            curves = check_mapping(by_relation, owner=OWNER, name=what, holds="scores")
            self.scores[name] = {
                relation: check_series(
                    values, owner=OWNER, name=f"{what}, {relation!r},", length=len(numbers)
                )[order]
                for relation, values in curves.items()
            }
        self.relations = list(next(iter(self.scores.values())))
        for name, curves in self.scores.items():
            if set(curves) != set(self.relations):
                raise ValueError(
                    f"{OWNER}: scores of {name!r} have the relations {sorted(curves)}, expected "
                    f"{sorted(self.relations)} as of the first. Give all the same ones."
                )
        self.n_classes = {str(name): int(n) for name, n in (n_classes or {}).items()}

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: Any,
        *,
        neighbors: Any = None,
        ax: Any = None,
    ) -> NeighborCurveDisplay:
        """Draw the F-scores of the heads that a fitted `SimilarityInitializer` creates for each K.

        Parameters
        ----------
        estimator : SimilarityInitializer, or dict of str to SimilarityInitializer
            Fitted, without a mixture of images; or pipelines that end in one. Only its similarities
            are used, and new rows are computed for every K.
        X : array-like of shape (n_samples, n_features)
            Features of images that were not used for fitting.
        y : array-like of shape (n_samples,)
            Their labels, of its classes.
        neighbors : sequence of int, optional
            Values of K. None is 1, 2, 5, 10, 20, 50, ... and all source classes.
        ax : Axes, or list of one Axes a relation, optional
            As in `plot`.

        Returns
        -------
        NeighborCurveDisplay
            The display, after drawing.

        Raises
        ------
        TypeError
            `estimator` is something else.
        ValueError
            The estimator mixes images into its rows, a K is invalid, or X or `y` does not match it.
        NotFittedError
            It is not fitted.
        """
        predictions: dict[str, dict[int, Any]] = {}
        relations: dict[Any, str] = {}
        for name, model in named_initializers(estimator, owner=OWNER).items():
            initializer, rows = final_and_input(model, X)
            heads = heads_by_neighbors(initializer, neighbors, owner=OWNER)
            predictions[name] = {k: head.predict(rows) for k, head in heads.items()}
            found = zip(initializer.classes_.tolist(), initializer.relations_.tolist(), strict=True)
            relations = dict(found) | relations
        return cls.from_predictions(y, predictions, relations=relations, ax=ax)

    @classmethod
    def from_predictions(
        cls,
        y_true: Any,
        y_pred: Mapping[str, Mapping[int, Any]],
        *,
        relations: Mapping[Any, str],
        ax: Any = None,
    ) -> NeighborCurveDisplay:
        """Draw the F-scores of predictions made with several K.

        Parameters
        ----------
        y_true : array-like of shape (n_samples,)
            True labels.
        y_pred : dict of str to dict of int to array-like of shape (n_samples,)
            For each similarity and each K, the predicted labels.
        relations : dict of label to str
            How each class of `y_true` relates to the source classes, such as
            ``dict(zip(classes, zeroshot.taxonomy.relations(classes, sources)))``.
        ax : Axes, or list of one Axes a relation, optional
            As in `plot`.

        Returns
        -------
        NeighborCurveDisplay
            The display, after drawing. The score of a relation is the mean over its classes.

        Raises
        ------
        TypeError
            `y_pred` is not a dict of dicts.
        ValueError
            Lengths or K differ, or a class has no relation.
        """
        named = check_mapping(y_pred, owner=OWNER, name="y_pred", holds="{K: labels}")
        grids = {name: sorted(by_k) for name, by_k in named.items()}
        grid = next(iter(grids.values()))
        if any(each != grid for each in grids.values()) or not grid:
            raise ValueError(
                f"{OWNER}: y_pred has different K: {grids}. Predict with the same ones, at least "
                "one, for every similarity."
            )
        scores: dict[str, dict[str, list[float]]] = {}
        classes: np.ndarray = np.empty(0)
        kinds: np.ndarray = np.empty(0)
        for name, by_k in named.items():
            for k in grid:
                true, predicted = check_pair(y_true, by_k[k], owner=OWNER)
                if not classes.size:
                    classes = np.unique(true)
                    kinds = relation_of_each(classes, relations, owner=OWNER)
                by_class = f1_score(
                    true, predicted, labels=classes, average=None, zero_division=0.0
                )
                for kind in dict.fromkeys(kinds.tolist()):
                    value = float(by_class[kinds == kind].mean())
                    scores.setdefault(name, {}).setdefault(kind, []).append(value)
        counts = {kind: int((kinds == kind).sum()) for kind in dict.fromkeys(kinds.tolist())}
        return cls(grid, scores, n_classes=counts).plot(ax)

    def plot(self, ax: Any = None) -> NeighborCurveDisplay:
        """Draw one panel per relation and one line per similarity.

        Parameters
        ----------
        ax : Axes, or list of one Axes a relation, optional
            Axes to draw on; a new figure if None. One Axes for several relations is turned off and
            replaced by panels.

        Returns
        -------
        NeighborCurveDisplay
            The display itself.

        Raises
        ------
        MissingDependencyError
            matplotlib is not installed.
        TypeError
            `ax` is not an Axes.
        ValueError
            The number of axes in the list differs from the number of relations, or one Axes was
            already divided.
        """
        n = len(self.relations)
        size = (2.6 * n + 2.4, 3.6)
        self.axes_, shared = panels_of(ax, n, "relation", size=size, owner=f"{OWNER}.plot")
        self.ax_, self.figure_ = self.axes_[0], self.axes_[0].figure
        names = list(self.scores)[:MAX_CURVES]
        handles: list[Any] = []
        for panel, relation in zip(self.axes_, self.relations, strict=True):
            handles = []
            for position, name in enumerate(names):
                style = curve_style(position)
                values = self.scores[name][relation]
                handles += panel.plot(self.neighbors, values, markersize=4, **style)
            panel.set(xscale="log", xlabel=X_LABELS[0])
            panel.tick_params(labelleft=panel is self.ax_ or not shared)
            bare(panel)
        self.ax_.set_ylabel("macro F-score")
        left_out = len(self.scores) - len(names)
        labels = [literal(name) for name in names]
        if left_out:
            labels[-1] += f"\n(first {len(names)} of {len(self.scores):,} shown)"
        add_legend(self.axes_[-1], handles, labels, outside=ax is None)
        settle(self.ax_)
        for panel, relation in zip(self.axes_, self.relations, strict=True):
            self._head(panel, relation)
            name_numbers(panel, self.neighbors.tolist())
        return self

    def _head(self, panel: Any, relation: str) -> None:
        """Write the title and the axis of a panel, as far as its width allows."""
        name, n = literal(relation), self.n_classes.get(relation)
        count = f"({plural(n, 'class')})" if n else ""
        width = panel.get_window_extent().width
        title = panel.set_title(name, loc="left", fontsize=SMALL + 1)
        fit_first(title, [f"{name} {count}".strip(), f"{name}\n{count}".strip(), name], width)
        fit_texts([title], width)
        fit_first(panel.xaxis.label, X_LABELS, width)


def named_initializers(estimator: Any, *, owner: str) -> dict[str, Any]:
    """Return estimators by name: a dict as it is, a single one by its similarity."""
    if not isinstance(estimator, Mapping):
        similarity = getattr(unwrap(estimator), "similarity", None)
        known = similarity if isinstance(similarity, str) else type(similarity).__name__
        estimator = {known: estimator}
    return check_mapping(estimator, owner=owner, name="estimator", holds="initializers")


def heads_by_neighbors(
    initializer: Any, neighbors: Any, *, owner: str
) -> dict[int, SimilarityInitializer]:
    """Return heads with the same similarities as a fitted one, for each K.

    Raises
    ------
    TypeError
        `estimator` is not a `SimilarityInitializer`.
    ValueError
        The estimator mixes images into its rows, or a K is invalid.
    """
    if not isinstance(initializer, SimilarityInitializer):
        raise TypeError(
            f"{owner}: estimator must be a SimilarityInitializer, or end in one, got "
            f"{type(initializer).__name__}. Pass predictions to from_predictions."
        )
    check_is_fitted(initializer)
    if initializer.mixture is not None:
        raise ValueError(
            f"{owner}: estimator has mixture={initializer.mixture!r}: its rows are made of images "
            "too. Pass one with mixture=None."
        )
    n_sources = initializer.similarity_.shape[1]
    grid = neighbor_grid(n_sources) if neighbors is None else np.ravel(neighbors).tolist()
    same = clone(initializer).set_params(
        similarity=initializer.similarity_, candidates=initializer.classes_
    )
    return {k: clone(same).set_params(n_neighbors=k).fit() for k in grid}


def relation_of_each(
    classes: np.ndarray, relations: Mapping[Any, str], *, owner: str
) -> np.ndarray:
    """Return the relation of each class.

    Raises
    ------
    ValueError
        A class has no relation.
    """
    lacking = [label for label in classes.tolist() if label not in relations]
    if lacking:
        raise ValueError(
            f"{owner}: relations has nothing for {plural(len(lacking), 'class')}, such as "
            f"{lacking[0]!r}. See zeroshot.taxonomy.relations(classes, sources)."
        )
    return np.array([str(relations[label]) for label in classes.tolist()])


def panels_of(
    ax: Any, n: int, what: str, *, size: tuple[float, float], owner: str
) -> tuple[list[Axes], bool]:
    """Return `n` panels, and whether they share one vertical axis.

    Parameters
    ----------
    ax : None, Axes or list of Axes
        None creates a figure. A single Axes is turned off and divided if `n` is not 1.
    n : int
        Number of panels.
    what : str
        What a panel shows, for messages.
    size : tuple of float
        Size of a new figure, in inches.
    owner : str
        For messages.

    Raises
    ------
    TypeError
        `ax` is something else.
    ValueError
        `ax` is a list of another length, or one Axes that is turned off.
    """
    if ax is None:
        first, figure = axes_or_new(None, owner=owner, size=size)
        grid = figure.add_gridspec(1, n)
        first.set_subplotspec(grid[0])
        return [first, *(figure.add_subplot(grid[i], sharey=first) for i in range(1, n))], True
    if hasattr(ax, "transAxes") and n > 1:
        return _divided(ax, n, owner=owner), True
    given = list(np.ravel(np.asarray(ax, dtype=object)))
    if len(given) != n:
        raise ValueError(
            f"{owner}: ax has {len(given)} axes for {plural(n, what)}. Pass one Axes, "
            f"pyplot.subplots(1, {n})[1], or None."
        )
    return [axes_or_new(each, owner=owner)[0] for each in given], False


def _divided(ax: Axes, n: int, *, owner: str) -> list[Axes]:
    """Turn axes off, and return panels that replace them."""
    if not ax.axison:
        raise ValueError(
            f"{owner}: ax is turned off, as a plot leaves axes that it divides. Pass axes_ of the "
            "display that was drawn there, or other axes."
        )
    ax.set_axis_off()
    place = ax.get_subplotspec()
    grid = None if place is None else place.subgridspec(1, n)
    panels: list[Axes] = []
    for position in range(n):
        shared: dict[str, Any] = {"sharey": panels[0]} if panels else {}
        if grid is None:  # within its frame, also if the frame moves
            width = 1 / (n + GAP * (n - 1))
            panels.append(ax.inset_axes((position * (1 + GAP) * width, 0, width, 1), **shared))
        else:
            panels.append(ax.figure.add_subplot(grid[position], **shared))
    return panels
