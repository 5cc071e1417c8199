"""Semantic similarity or another metric of several models, next to controls."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from zeroshot._utils._validation import check_labels, check_same_kind
from zeroshot.displays._checks import (
    check_mapping,
    check_names,
    check_series,
    named_models,
    share_of,
    top_labels,
)
from zeroshot.displays._drawing import (
    BLUE,
    ORANGE,
    SMALL,
    add_legend,
    add_note,
    axes_or_new,
    bare,
    literal,
    name_places,
)
from zeroshot.metrics import semantic_similarity_score
from zeroshot.metrics._embedding import embed_function, unit_vectors

if TYPE_CHECKING:
    from zeroshot.evaluation._result import ZeroShotEvaluation

OWNER = "SimilarityBarDisplay"


class SimilarityBarDisplay:
    """One bar per model, and one hatched bar per control that does not use images.

    Parameters
    ----------
    values : dict of str to float
        Metric of each model.
    controls : dict of str to float, optional
        The same metric of each control.
    intervals : dict of str to (low, high), optional
        Intervals of some or all of the models.
    metric : str, default="semantic similarity"
        Name of the metric, for the axis.

    Attributes
    ----------
    names : list of str
        Controls first, then models: the order of the bars from bottom to top.
    values, is_control : ndarray of shape (n_bars,)
        Values of the bars, and whether each is a control.
    intervals, metric
        As given.
    ax_, figure_ : Axes, Figure
        Set by `plot`.

    Raises
    ------
    TypeError
        `values` or `controls` is not a dict.
    ValueError
        A dict is empty, a value is NaN or infinite, or two bars have the same name.

    Examples
    --------
    >>> import matplotlib, numpy as np
    >>> matplotlib.use("Agg")
    >>> from zeroshot.displays import SimilarityBarDisplay
    >>> vectors = {"cat": [1.0, 0.0], "dog": [0.8, 0.6], "car": [0.0, 1.0]}
    >>> def embed(labels):
    ...     return np.array([vectors[label] for label in labels])
    >>> display = SimilarityBarDisplay.from_predictions(
    ...     ["cat", "dog"], {"ours": [["dog"], ["dog"]], "softmax": [["car"], ["car"]]}, embed,
    ...     candidates=["cat", "dog", "car"],
    ... )
    >>> dict(zip(display.names, display.values.round(2).tolist()))
    {'random label': 0.7, 'best constant': 0.9, 'ours': 0.9, 'softmax': 0.3}
    >>> matplotlib.pyplot.close(display.figure_)
    """

    ax_: Any
    figure_: Any

    def __init__(
        self,
        values: Mapping[str, float],
        controls: Mapping[str, float] | None = None,
        *,
        intervals: Mapping[str, tuple[float, float]] | None = None,
        metric: str = "semantic similarity",
    ) -> None:
        given = check_mapping(values, owner=OWNER, name="values", holds="numbers")
        known = {}
        if controls:
            known = check_mapping(controls, owner=OWNER, name="controls", holds="numbers")
        self.names = check_names([*known, *given], owner=OWNER, name="names")
        numbers = [*known.values(), *given.values()]
        self.values = check_series(numbers, owner=OWNER, name="values", length=len(self.names))
        self.is_control = np.arange(len(numbers)) < len(known)
        self.intervals = check_intervals(intervals or {}, given, owner=OWNER)
        self.metric = metric

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: Any,
        *,
        k: int = 3,
        label_embedding: Any = None,
        ax: Any = None,
    ) -> SimilarityBarDisplay:
        """Draw the semantic similarity@k of fitted classifiers.

        Parameters
        ----------
        estimator : classifier, Pipeline or search object, or dict of str to these
            Fitted classifiers. Ordinary classifiers, such as a softmax, may be mixed with zero-shot
            ones.
        X : array-like or list of length n_samples
            Input of all estimators.
        y : array-like of shape (n_samples,)
            True labels.
        k : int, default=3
            Number of best labels that are compared with the true label.
        label_embedding : LabelEmbedding or callable, optional
            Label embedding used to compare labels. None uses that of the first estimator that has
            one.
        ax : Axes, optional
            Axes to draw on; a new figure if None.

        Returns
        -------
        SimilarityBarDisplay
            The display, after drawing. The controls use all labels that any estimator knows.

        Raises
        ------
        TypeError
            `estimator` is not a classifier or a dict of classifiers.
        ValueError
            As for `from_predictions`.
        """
        tops, candidates = {}, []
        for name, model in named_models(estimator, owner=OWNER).items():
            final, tops[name], _ = top_labels(model, X, k, owner=OWNER)
            candidates.append(np.asarray(final.classes_))
            if label_embedding is None:
                label_embedding = getattr(final, "label_vectors", None)
        every = np.unique(np.concatenate(candidates))
        return cls.from_predictions(y, tops, label_embedding, candidates=every, ax=ax)

    @classmethod
    def from_predictions(
        cls,
        y_true: Any,
        y_top: Mapping[str, Any],
        label_embedding: Any,
        *,
        candidates: Any = None,
        ax: Any = None,
    ) -> SimilarityBarDisplay:
        """Draw the semantic similarity of the best labels of several models.

        Parameters
        ----------
        y_true : array-like of shape (n_samples,)
            True labels.
        y_top : dict of str to array-like of shape (n_samples, k)
            For each model, the `k` best labels of each sample, with the same k for all models.
        label_embedding : LabelEmbedding or callable
            As in `zeroshot.metrics.semantic_similarity_score`.
        candidates : array-like of shape (n_labels,), optional
            Candidate labels for the controls; all labels in `y_top` if None.
        ax : Axes, optional
            Axes to draw on; a new figure if None.

        Returns
        -------
        SimilarityBarDisplay
            The display, after drawing. "random label" is the mean cosine of the candidates to the
            true labels. "best constant" is that of the k candidates nearest to all true labels.

        Raises
        ------
        TypeError, ValueError
            As for `zeroshot.metrics.semantic_similarity_score`. Also if `k` differs.
        """
        tops = check_mapping(y_top, owner=OWNER, name="y_top", holds="arrays of labels")
        values = {
            name: semantic_similarity_score(y_true, top, label_embedding, average="micro")
            for name, top in tops.items()
        }
        widths = {name: np.shape(top)[1] for name, top in tops.items()}
        if len(set(widths.values())) > 1:
            raise ValueError(
                f"{OWNER}: y_top has different numbers of labels a sample: {widths}. Compare the "
                "same number of best labels of every model."
            )
        k = next(iter(widths.values()))
        if candidates is None:
            candidates = np.concatenate([np.ravel(top) for top in tops.values()])
        controls = similarity_controls(y_true, candidates, label_embedding, k, owner=OWNER)
        return cls(values, controls, metric=f"semantic similarity@{k}").plot(ax)

    @classmethod
    def from_evaluations(
        cls,
        results: Mapping[str, ZeroShotEvaluation],
        *,
        figure: str = "semantic_similarity_at_3",
        ax: Any = None,
    ) -> SimilarityBarDisplay:
        """Draw one metric of several evaluations, with its intervals and controls.

        Parameters
        ----------
        results : dict of str to ZeroShotEvaluation
            Results of `zeroshot.evaluate_zero_shot` on the same samples and labels.
        figure : str, default="semantic_similarity_at_3"
            Name of any metric in the results.
        ax : Axes, optional
            Axes to draw on; a new figure if None.

        Returns
        -------
        SimilarityBarDisplay
            The display, after drawing. If controls differ, the highest of each kind is drawn.

        Raises
        ------
        KeyError
            `figure` was left out of a result.
        TypeError, ValueError
            As for the class itself.
        """
        results = check_mapping(results, owner=OWNER, name="results", holds="evaluations")
        found = {name: result[figure] for name, result in results.items()}
        controls = {
            "random label": max(each.random_label for each in found.values()),
            "best constant": max(each.best_constant for each in found.values()),
        }
        return cls(
            {name: each.value for name, each in found.items()},
            controls,
            intervals={n: (e.low, e.high) for n, e in found.items() if e.low is not None},
            metric=figure.replace("_at_", "@").replace("_", " "),
        ).plot(ax)

    def plot(self, ax: Any = None, *, max_models: int = 20) -> SimilarityBarDisplay:
        """Draw the bars, with controls at the bottom.

        Parameters
        ----------
        ax : Axes, optional
            Axes to draw on; a new figure if None.
        max_models : int, default=20
            Maximum number of models. If there are more, the best ones are drawn. Controls are
            always drawn.

        Returns
        -------
        SimilarityBarDisplay
            The display itself.

        Raises
        ------
        MissingDependencyError
            matplotlib is not installed.
        TypeError
            `ax` is not an Axes.
        """
        models = np.flatnonzero(~self.is_control)
        best = np.sort(models[np.argsort(-self.values[models], kind="stable")[:max_models]])
        shown = [*np.flatnonzero(self.is_control).tolist(), *best.tolist()]
        outside = ax is None
        size = (7.2, max(2.2, 0.9 + 0.36 * len(shown)))
        self.ax_, self.figure_ = axes_or_new(ax, owner=f"{OWNER}.plot", size=size)
        signs = draw_bars(self, shown)
        names = [literal(self.names[place]) for place in shown]
        name_places(self.ax_.yaxis, names, owner=f"{OWNER}.plot")
        top = 0.0 if outside else 3 * SMALL * self.ax_.figure.dpi / 72  # room for the legend
        rows = top * len(shown) / max(1, self.ax_.get_window_extent().height - 1.5 * top)
        self.ax_.set_ylim(-0.6, len(shown) - 0.4 + rows)
        self.ax_.set_xlabel(literal(self.metric, 60))
        self.ax_.margins(x=0.12)
        add_legend(self.ax_, list(signs.values()), signs, outside=outside, loc="upper right")
        notes = [f"The best {share_of(len(best), len(models), 'model')}."]
        lines = ["Lines: intervals over classes."] if self.intervals else []
        add_note(self.ax_, " ".join(notes * (len(best) < len(models)) + lines))
        bare(self.ax_)
        return self


def check_intervals(
    intervals: Mapping[str, Any], names: Collection[str], *, owner: str
) -> dict[str, tuple[float, float]]:
    """Return the low and the high end of some bars.

    Raises
    ------
    ValueError
        An interval belongs to no bar, is not a pair, or has NaN or infinity.
    """
    checked = {str(name): tuple(ends) for name, ends in intervals.items()}
    for name, ends in checked.items():
        if name not in names or len(ends) != 2:
            raise ValueError(
                f"{owner}: intervals must give names in values a low and a high end, got "
                f"{name!r}: {ends}. Leave out those without an interval."
            )
        check_series(ends, owner=owner, name=f"interval of {name!r}")
    return checked


def draw_bars(display: SimilarityBarDisplay, shown: list[int]) -> dict[str, Any]:
    """Draw some bars from bottom to top, and return one of each kind by its legend name."""
    ax = display.ax_
    signs: dict[str, Any] = {}
    a_row = ax.get_window_extent().height / len(shown)
    roomy = a_row > 1.35 * SMALL * ax.figure.dpi / 72
    for row, place in enumerate(shown):
        control, name = display.is_control[place], display.names[place]
        value = display.values[place]
        look = {"color": ORANGE, "hatch": "///"} if control else {"color": BLUE, "hatch": ""}
        bar = ax.barh(row, value, 0.7, edgecolor="black", linewidth=0.5, **look)
        low, high = (value, value) if control else display.intervals.get(name, (value, value))
        if high > low:
            errors = [[max(0, value - low)], [max(0, high - value)]]
            ax.errorbar(value, row, xerr=errors, color="black", capsize=3)
        if roomy:
            style = {"va": "center", "fontsize": SMALL, "textcoords": "offset points"}
            ax.annotate(f"{value:.3g}", (max(value, high, 0), row), xytext=(4, 0), **style)
        signs["control: looks at no image" if control else "model"] = bar
    return signs


def similarity_controls(
    y_true: Any, candidates: Any, label_embedding: Any, k: int, *, owner: str
) -> dict[str, float]:
    """Return the mean cosine of candidates to the true labels, and that of the k nearest ones."""
    true = check_labels(y_true, owner=owner, name="y_true")
    offered = np.unique(check_labels(candidates, owner=owner, name="candidates"))
    check_same_kind(true, offered, owner=owner, names=("y_true", "candidates"))
    classes, counts = np.unique(true, return_counts=True)
    embed = embed_function(label_embedding, owner)
    mean = counts / counts.sum() @ _directions(embed, classes, owner)
    cosines = np.sort(_directions(embed, offered, owner) @ mean)
    return {"random label": float(cosines.mean()), "best constant": float(cosines[-k:].mean())}


def _directions(embed: Any, labels: np.ndarray, owner: str) -> np.ndarray:
    """Return the vectors of labels at unit length, (n_labels, n_dims)."""
    vectors, zero = unit_vectors(embed, labels, owner=owner)
    if zero:
        raise ValueError(
            f"{owner}: label_embedding gives {', '.join(map(repr, zero))} a zero vector, which "
            "has no cosine to others. Give these labels vectors, or leave them out."
        )
    return vectors
