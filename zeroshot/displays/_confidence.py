"""Base class of the displays of a classifier's confidence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Self

from zeroshot.displays._checks import probable

if TYPE_CHECKING:
    from zeroshot.evaluation._result import ZeroShotEvaluation


class ConfidenceDisplay:
    """Drawing from a fitted classifier or an evaluation.

    A subclass draws its constructor's arrays in ``plot``, and adds ``from_predictions``.
    """

    _in_evaluation: ClassVar[tuple[str, str]]
    """Attribute of the evaluation with the arrays, and the metric left out without them."""

    from_predictions: Any
    plot: Any

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: Any,
        *,
        average: str = "macro",
        name: str | None = None,
        ax: Any = None,
    ) -> Self:
        """Draw the confidence of a fitted classifier.

        Parameters
        ----------
        estimator : classifier, Pipeline or search object
            Fitted classifier with ``predict_proba`` and ``classes_``.
        X : array-like or list of length n_samples
            Input of `estimator`.
        y : array-like of shape (n_samples,)
            True labels.
        average : {"macro", "micro"}, default="macro"
            "macro" gives each class of y the same weight, "micro" each sample.
        name : str, optional
            Name in the legend; the class of `estimator` if None.
        ax : Axes, optional
            Axes to draw on; a new figure if None.

        Returns
        -------
        Display
            The display, after drawing.

        Raises
        ------
        TypeError
            `estimator` has no probabilities.
        ValueError
            As for `from_predictions`.
        """
        final = probable(estimator, owner=cls.__name__)
        return cls.from_predictions(
            y,
            estimator.predict_proba(X),
            labels=final.classes_,
            average=average,
            name=name or type(final).__name__,
            ax=ax,
        )

    @classmethod
    def from_evaluation(
        cls, result: ZeroShotEvaluation, *, name: str | None = None, ax: Any = None
    ) -> Self:
        """Draw the confidence that `zeroshot.evaluate_zero_shot` has measured.

        Parameters
        ----------
        result : ZeroShotEvaluation
            Result for a classifier with probabilities.
        name : str, optional
            Name in the legend; the class of the evaluated classifier if None.
        ax : Axes, optional
            Axes to draw on; a new figure if None.

        Returns
        -------
        Display
            The display, after drawing.

        Raises
        ------
        ValueError
            `result` has no probabilities.
        """
        arrays, metric = cls._in_evaluation
        drawn = getattr(result, arrays)
        if drawn is None:
            why = result.left_out.get(metric)
            raise ValueError(f"{cls.__name__}: this evaluation has no probabilities: {why}")
        display: Any = cls
        return display(*drawn, name=name or result.settings["model"]).plot(ax)
