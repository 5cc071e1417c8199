"""Semantic similarity, or another figure, of several models beside the controls."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from zeroshot.displays._bars import check_intervals, draw_bars
from zeroshot.displays._checks import (
    check_mapping,
    check_names,
    check_series,
    named_models,
    share_of,
    top_labels,
)
from zeroshot.displays._drawing import (
    SMALL,
    add_legend,
    add_note,
    axes_or_new,
    bare,
    literal,
    name_places,
)
from zeroshot.displays._similarity_controls import similarity_controls
from zeroshot.metrics import semantic_similarity_score

if TYPE_CHECKING:
    from zeroshot.evaluation._result import ZeroShotEvaluation

OWNER = "SimilarityBarDisplay"


class SimilarityBarDisplay:
    """A bar a model, and a hatched bar for each control that looks at no image.

    Parameters
    ----------
    values : dict of str to float
        The figure of each model.
    controls : dict of str to float, optional
        The same figure of each control.
    intervals : dict of str to (low, high), optional
        Of some or all of the models.
    metric : str, default="semantic similarity"
        What the figure is, for the axis.

    Attributes
    ----------
    names : list of str
        Controls first, then models, as they are drawn from below.
    values, is_control : ndarray of shape (n_bars,)
        Their figures, and which of them are controls.
    intervals, metric
        As given.
    ax_, figure_ : Axes, Figure
        After `plot`.

    Raises
    ------
    TypeError
        `values` or `controls` is no dict.
    ValueError
        Empty, NaN or infinite, or one name for two bars.

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
            Fitted. Ordinary classifiers, such as a softmax, may stand beside zero-shot ones.
        X : array-like or list of length n_samples
            Input of all of them.
        y : array-like of shape (n_samples,)
            True labels.
        k : int, default=3
            How many of the best labels are compared with the true one.
        label_embedding : LabelEmbedding or callable, optional
            By which labels are compared; that of the first estimator with one if None.
        ax : Axes, optional
            Where to draw; a new figure if None.

        Returns
        -------
        SimilarityBarDisplay
            Drawn, with controls over all labels that any of the estimators knows.

        Raises
        ------
        TypeError
            `estimator` is no classifier, nor a dict of them.
        ValueError
            As `from_predictions`.
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
            For each model, the `k` best labels of each sample; one k for all.
        label_embedding : LabelEmbedding or callable
            As in `zeroshot.metrics.semantic_similarity_score`.
        candidates : array-like of shape (n_labels,), optional
            What was on offer, for the controls; all labels in `y_top` if None.
        ax : Axes, optional
            Where to draw; a new figure if None.

        Returns
        -------
        SimilarityBarDisplay
            Drawn. "random label" is the mean cosine of the candidates to the true labels, "best
            constant" that of the k candidates nearest to all of them.

        Raises
        ------
        TypeError, ValueError
            As `zeroshot.metrics.semantic_similarity_score`; also where `k` differs.
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
        """Draw one figure of several evaluations, with its intervals and controls.

        Parameters
        ----------
        results : dict of str to ZeroShotEvaluation
            Of `zeroshot.evaluate_zero_shot`, on the same samples and labels.
        figure : str, default="semantic_similarity_at_3"
            Any figure that they have.
        ax : Axes, optional
            Where to draw; a new figure if None.

        Returns
        -------
        SimilarityBarDisplay
            Drawn. Where controls differ, the highest of each kind.

        Raises
        ------
        KeyError
            `figure` was left out of a result.
        TypeError, ValueError
            As the class itself.
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
        """Draw the bars, controls below.

        Parameters
        ----------
        ax : Axes, optional
            Where to draw; a new figure if None.
        max_models : int, default=20
            Draw the best ones where there are more; controls are always drawn.

        Returns
        -------
        SimilarityBarDisplay
            Itself.

        Raises
        ------
        MissingDependencyError
            matplotlib is not installed.
        TypeError
            `ax` is something else than axes.
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
