"""Calibrated stacking: a constant subtracted from the scores of seen classes."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Self

import numpy as np
from scipy.special import softmax
from sklearn.base import (
    BaseEstimator,
    clone,
)
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline
from sklearn.utils import indexable
from sklearn.utils.parallel import Parallel, delayed
from sklearn.utils.validation import _num_samples, check_is_fitted, column_or_1d

from zeroshot._linear import ChoosesPenalties
from zeroshot._utils._arrays import best_columns
from zeroshot._utils._constraints import Checked, Maybe, Number
from zeroshot._utils._fitted import Part, Sizes
from zeroshot._utils._onnx_graph import Graph
from zeroshot._utils._pipelines import best_of, final_and_input, is_search, unwrap
from zeroshot._utils._renamed import renamed
from zeroshot._utils._validation import check_labels, check_number, take_rows
from zeroshot.estimators._base import binary_scores, row_blocks, without_folds
from zeroshot.estimators._onnx_steps import add_scores
from zeroshot.estimators._penalty_search import check_cv_parameter, make_folds
from zeroshot.estimators._unreadable_rows import (
    answers_for_readable_rows,
    named,
    without_unreadable,
)
from zeroshot.estimators._wrapper import WrapperMixin, check_wrapped, no_zero_shot_classifier
from zeroshot.exceptions import LabelWarning, UnreadableImageWarning
from zeroshot.metrics._classification import check_k, check_scores, harmonic_mean
from zeroshot.metrics._curve import BreakPoints, part_shares
from zeroshot.model_selection import GeneralizedClassKFold, with_candidates

Curve = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Accuracies on seen and on unseen classes, and calibrations, as of ``seen_unseen_curve``."""


N_FOLDS = 5


def _check_calibration(calibration: Any, *, owner: str, name: str) -> None:
    if not isinstance(calibration, str):
        check_number(calibration, owner=owner, name=name)
    elif calibration != "auto":
        raise ValueError(f"{owner}: {name} must be a number or 'auto', got {calibration!r}.")


@renamed(gamma="calibration", gamma_="calibration_")
class CalibratedStacking(WrapperMixin, BaseEstimator):
    """Zero-shot classifier whose scores of seen classes are lowered by one number.

    Seen classes win over unseen ones because they were trained on. The answer is
    argmax_c f_c(x) - calibration·1[c seen], which trades one kind of accuracy for the other.

    Parameters
    ----------
    estimator : classifier
        Any zero-shot classifier of this package with ``scenario="generalized"``, or a ``Pipeline``
        or search that ends in one. A copy is fitted; a ``FrozenEstimator`` around a fitted one is
        not fitted again. Steps before the classifier are fitted in every fold too; put slow steps
        that need no labels before `CalibratedStacking` in an outer pipeline. Parameters that the
        classifier chooses, such as penalties, are chosen once and kept in the folds, because scores
        with other penalties would have another scale.
    calibration : float or "auto", default="auto"
        The number that is subtracted, γ in the paper, in units of the scores. Below 0 it favours
        seen classes. "auto" chooses it in `fit`: copies are fitted without some of the seen
        classes, and the number is the one with the largest harmonic mean of the accuracies on
        left-out and other classes, averaged over the folds. There is no grid: the number lies
        between two break points of the samples. With a ``FrozenEstimator`` nothing is fitted, and
        the number is chosen on the samples passed to `fit`, which must be of seen and of unseen
        classes.
    cv : int, splitter or iterable of (train, test), optional
        The folds for "auto". Their test sets must have samples of both kinds of classes. A number
        n is ``GeneralizedClassKFold(n, shuffle=True, random_state=0)``; None is 5, or the number of
        classes if that is less.
    n_jobs : int, optional
        Processes for the folds; -1 is one per processor.

    Attributes
    ----------
    estimator_ : classifier
        The fitted one, whose scores are lowered.
    calibration_ : float
        What they are lowered by. 0 where "auto" found none with a harmonic mean above 0.
    classes_, seen_classes_, unseen_classes_ : ndarray
        The vocabulary, and which of it was in ``fit``: those of ``estimator_``.

    References
    ----------
    Chao, Changpinyo, Gong, Sha, "An Empirical Study and Analysis of Generalized Zero-Shot Learning
    for Object Recognition in the Wild", 2016, equation 2; folds over classes as in section 4.

    Examples
    --------
    >>> import numpy as np
    >>> from zeroshot import AttributeTable, CalibratedStacking, DeViSEClassifier
    >>> names = ["cat", "cod", "dog", "eel", "owl"]
    >>> traits = AttributeTable(
    ...     [[1, 0, 1], [0, 1, 0], [1, 0, 0], [0, 1, 1], [1, 1, 1]], labels=names
    ... )
    >>> X, y = np.repeat(traits.embed(names[:4]), 5, axis=0), np.repeat(names[:4], 5)
    >>> devise = DeViSEClassifier(traits, loss="mse", candidates=names)
    >>> devise.fit(X, y).predict([[0.9, 0.8, 1.0]]).tolist()
    ['cat']
    >>> CalibratedStacking(devise, calibration=0.3).fit(X, y).predict([[0.9, 0.8, 1.0]]).tolist()
    ['owl']
    """

    _constraints: ClassVar[Mapping[str, Any]] = {
        "estimator": Checked(check_wrapped),
        "calibration": Checked(_check_calibration),
        "cv": Maybe(Checked(check_cv_parameter)),
        "n_jobs": Maybe(Number(integer=True)),
    }
    _fitted: ClassVar[Mapping[str, Any]] = {
        "estimator_": Part(has=("classes", "seen"), does=("decision_function",)),
        "calibration_": Number(),
    }

    @classmethod
    def _check_together(cls, values: Mapping[str, Any], sizes: Sizes) -> None:
        sizes.update(sizes.of(values["estimator_"]))

    def __init__(
        self,
        estimator: Any,
        *,
        calibration: float | str = "auto",
        cv: Any = None,
        n_jobs: int | None = None,
    ) -> None:
        self.estimator = estimator
        self.calibration = calibration
        self.cv = cv
        self.n_jobs = n_jobs

    def fit(self, X: Any, y: Any) -> Self:
        """Fit the classifier, and choose the calibration if it is not given.

        Parameters
        ----------
        X : array-like or list of length n_samples
            Input of `estimator`.
        y : array-like of shape (n_samples,)
            Labels.

        Returns
        -------
        self : object
            The fitted classifier.

        Raises
        ------
        TypeError
            `estimator` is no zero-shot classifier.
        ValueError
            `calibration` is neither a finite number nor "auto", `estimator` has
            ``scenario="unseen"``, where it has no effect, there are no folds, or they lack samples
            of seen or of unseen classes.
        """
        self._check_parameters()
        owner = type(self).__name__
        X, y = without_unreadable(X, y, owner=owner)
        self.estimator_ = clone(self.estimator).fit(X, y)
        if not hasattr(unwrap(self.estimator_), "seen_classes_"):
            raise no_zero_shot_classifier(self.estimator, owner=owner)
        if getattr(unwrap(self.estimator_), "scenario", None) == "unseen":
            raise ValueError(
                f"{owner}: estimator has scenario='unseen', where seen classes never win and "
                "calibration has no effect. Give it scenario='generalized'."
            )
        self.calibration_ = float(
            self._choose_calibration(X, y) if self.calibration == "auto" else self.calibration
        )
        return self

    def _choose_calibration(self, X: Any, y: Any) -> float:
        owner = type(self).__name__
        X, y = indexable(X, check_labels(column_or_1d(y), owner=owner, name="y"))
        if isinstance(self.estimator_, FrozenEstimator):
            return best_calibration([held_out_curve(self.estimator_, X, y, owner=owner)])
        counts = np.unique(y, return_counts=True)[1]
        n_classes = len(counts)
        if n_classes < 2:
            raise ValueError(
                f"{owner}: calibration='auto' holds some classes out, and y has only one class. "
                "Pass samples of more classes, or calibration as a number."
            )
        cv = min(N_FOLDS, n_classes) if self.cv is None else self.cv
        several = int((counts > 1).sum())
        # Rows given one by one may do with one such class; each fold of ours needs another.
        if several < (2 if isinstance(cv, (int, np.integer, GeneralizedClassKFold)) else 1):
            raise ValueError(
                f"{owner}: calibration='auto' holds out samples of classes that it trains on, and "
                f"only {several} of the {n_classes} classes of y have two samples or more. Pass "
                "more samples a class, or calibration as a number."
            )
        if isinstance(cv, (int, np.integer)):
            cv = GeneralizedClassKFold(int(cv), shuffle=True, random_state=0)
        chosen = settled(self.estimator_)  # else scores of other penalties, on another scale
        curves = Parallel(n_jobs=self.n_jobs)(
            delayed(fold_curve)(clone(chosen), X, y, train, test, owner)
            for train, test in make_folds(cv, X, y, of_classes=True, owner=owner)
        )
        return best_calibration(curves)

    @property
    def temperature_(self) -> float:
        """What scores are divided by in ``predict_proba``."""
        return unwrap(self.estimator_).temperature_

    @answers_for_readable_rows
    def decision_function(self, X: Any) -> np.ndarray:
        """Score every candidate: f_c(x) - calibration·1[c seen].

        Parameters
        ----------
        X : array-like or list of length n_samples
            Input of `estimator`.

        Returns
        -------
        scores : ndarray of shape (n_samples, n_classes)
            Columns follow ``classes_``. With two classes the score of the second less that of the
            first, of shape (n_samples,).
        """
        scores = self._scores(X)
        return binary_scores(scores)

    @answers_for_readable_rows
    def predict(self, X: Any) -> np.ndarray:
        """Name each sample.

        Parameters
        ----------
        X : array-like or list of length n_samples
            Input of `estimator`.

        Returns
        -------
        labels : ndarray of shape (n_samples,)
            The best candidate of each.
        """
        best = [
            named(self.classes_, scores.argmax(axis=1), scores) for scores in self._score_blocks(X)
        ]
        return np.concatenate(best)

    @answers_for_readable_rows
    def predict_proba(self, X: Any) -> np.ndarray:
        """Return the probability of each candidate.

        Where the wrapped classifier chose its temperatures on held-out classes, these are its own
        probabilities, with the offset of seen classes that makes them one distribution; else they
        are the softmax of the scores over its ``temperature_``.

        Parameters
        ----------
        X : array-like or list of length n_samples
            Input of `estimator`.

        Returns
        -------
        probabilities : ndarray of shape (n_samples, n_classes)
            Each row sums to one.
        """
        return self._probabilities_of(self._scores(X))

    def _probabilities_of(self, scores: np.ndarray) -> np.ndarray:
        """Return probabilities, (n_samples, n_classes), from scores."""
        if self.confidence_ is None:
            return softmax(scores / self.temperature_, axis=1)
        return unwrap(self.estimator_)._probabilities_of(scores + self._lowering(scores))

    def calibrate(self, X: Any, y: Any) -> Self:
        """Let the wrapped classifier learn confidence from samples that ``fit`` did not see.

        Parameters
        ----------
        X : array-like or list of length n_samples
            Input of `estimator`.
        y : array-like of shape (n_samples,)
            Their labels.

        Returns
        -------
        self : object
            The classifier; what it subtracts stays as it is.
        """
        check_is_fitted(self)
        final, X = final_and_input(self.estimator_, X)
        final.calibrate(X, y)
        return self

    def _doubt(self, X: Any) -> Any:
        final, X = final_and_input(self.estimator_, X)
        return final._doubt(X)

    def _learn_confidence(
        self, X: Any, y: np.ndarray, *, always: bool = False, weights: np.ndarray | None = None
    ) -> None:
        final, X = final_and_input(self.estimator_, X)
        final._learn_confidence(X, y, always=always, weights=weights)

    @answers_for_readable_rows
    def predict_top_k(self, X: Any, k: int = 5) -> tuple[np.ndarray, np.ndarray]:
        """Name each sample's `k` best candidates, best first.

        Parameters
        ----------
        X : array-like or list of length n_samples
            Input of `estimator`.
        k : int, default=5
            At most the number of candidates.

        Returns
        -------
        labels : ndarray of shape (n_samples, k)
            Best first; ties in the order of ``classes_``.
        scores : ndarray of shape (n_samples, k)
            Their scores. With two candidates that of the first is 0, but for the calibration.

        Raises
        ------
        ValueError
            `k` is no integer, below 1, or above the number of candidates.
        """
        best, values = [], []
        for scores in self._score_blocks(X):
            check_k(k, scores, owner=type(self).__name__)
            columns = best_columns(np.nan_to_num(scores), k)
            best.append(named(self.classes_, columns, scores))
            values.append(np.take_along_axis(scores, columns, axis=1))
        return np.concatenate(best), np.concatenate(values)

    def _scores(self, X: Any) -> np.ndarray:
        check_is_fitted(self)
        scores = class_scores(self.estimator_, X)
        return scores - self._lowering(scores)

    def _add_scores(self, graph: Graph, X: str) -> str:
        """Add the scores, (n, n_classes), to an ONNX graph, and return their name."""
        seen = np.isin(self.classes_, self.seen_classes_)
        return graph("Sub", add_scores(graph, self.estimator_, X), self.calibration_ * seen)

    def _lowering(self, scores: np.ndarray) -> np.ndarray:
        """Return what is subtracted from the scores of each class, in their dtype."""
        seen = np.isin(self.classes_, self.seen_classes_)
        return (self.calibration_ * seen).astype(scores.dtype)

    def _score_blocks(self, X: Any) -> Iterator[np.ndarray]:
        """Yield the scores of a few rows at a time: those of all may be larger than memory."""
        check_is_fitted(self)
        (X,) = indexable(X)
        n_rows = max(1, _num_samples(X))  # no row at all is for the classifier to refuse
        for rows in row_blocks(n_rows, len(self.classes_)):
            yield self._scores(take_rows(X, rows))


def settled(model: Any) -> Any:
    """Return an unfitted copy of a fitted model, with the hyper-parameters that it chose.

    Its own folds over the classes, which are for probabilities, are left out.

    Parameters
    ----------
    model : estimator, Pipeline or search object
        Fitted. One that `ChoosesPenalties` gives those of its ``fit``.

    Examples
    --------
    >>> from sklearn.linear_model import Ridge
    >>> from sklearn.model_selection import GridSearchCV
    >>> from zeroshot.estimators._calibrated import settled
    >>> settled(GridSearchCV(Ridge(), {"alpha": [3.0]}, cv=2).fit([[0], [1], [2], [3]], range(4)))
    Ridge(alpha=3.0)
    """
    if is_search(model):
        return settled(best_of(model))
    if isinstance(model, Pipeline):
        copy = clone(model)
        copy.steps[-1] = (copy.steps[-1][0], settled(model.steps[-1][1]))
        return copy
    return without_folds(model.settled() if isinstance(model, ChoosesPenalties) else clone(model))


def best_calibration(curves: list[Curve]) -> float:
    """Return the calibration with the largest mean of the curves' harmonic means.

    Parameters
    ----------
    curves : list of tuple
        One a fold.

    Returns
    -------
    float
        The middle between two break points, of equals the lowest; 0 where none has a harmonic
        mean above 0.

    Examples
    --------
    >>> import numpy as np
    >>> from zeroshot.estimators._calibrated import best_calibration
    >>> seen, unseen = np.array([1, 0.5, 0]), np.array([0, 1, 1])
    >>> best_calibration([(seen, unseen, np.array([-np.inf, 0.5, 1]))])
    0.75
    """
    breaks = np.unique(np.concatenate([calibration[1:] for _, _, calibration in curves]))
    mean = np.zeros(len(breaks))
    for seen, unseen, calibration in curves:
        after = np.searchsorted(calibration, breaks, side="right") - 1
        mean += harmonic_mean(seen[after], unseen[after]) / len(curves)
    if not mean.any():
        return 0.0
    # The best one is not the last: beyond that all answers are unseen, and the mean is 0.
    best = int(np.argmax(mean))
    return float(breaks[best] + breaks[best + 1]) / 2


def fold_curve(
    estimator: Any, X: Any, y: np.ndarray, train: np.ndarray, test: np.ndarray, owner: str
) -> Curve:
    """Fit `estimator` on some rows, and return its curve on others, among all the labels of y."""
    with warnings.catch_warnings():
        for given in (LabelWarning, UnreadableImageWarning):  # by the fit on all rows
            warnings.simplefilter("ignore", given)
        model = with_candidates(estimator.fit(take_rows(X, train), y[train]), np.unique(y))
    return held_out_curve(model, take_rows(X, test), y[test], owner=owner)


def held_out_curve(model: Any, X: Any, y: np.ndarray, *, owner: str) -> Curve:
    """Return the curve of a fitted classifier, each class counting once.

    Raises
    ------
    ValueError
        All samples are of classes that it was trained on, or none; or a score is NaN or infinite.
    """
    final = unwrap(model)
    scores = class_scores(model, X)
    answered = ~np.isnan(scores).all(axis=1)  # not so for images that could not be read
    if answered.any():
        scores, y = scores[answered], y[answered]
    is_seen = np.isin(y, final.seen_classes_)
    if is_seen.all() or not is_seen.any():
        raise ValueError(
            f"{owner}: calibration='auto' needs samples of classes seen in training and of others, "
            f"but {is_seen.sum()} of {len(y)} held-out samples are of seen classes. Pass "
            "cv=GeneralizedClassKFold(), for a fitted estimator held-out samples of both kinds, or "
            "calibration as a number."
        )
    scores = check_scores(scores, len(final.classes_), owner=owner)
    points = BreakPoints.of(y, scores, final.classes_, final.seen_classes_, owner=owner)
    return points.curve(part_shares(y, is_seen, "macro"))


def class_scores(classifier: Any, X: Any) -> np.ndarray:
    """Return a column of scores for each class, (n_samples, n_classes), of a fitted classifier.

    With two classes the first column is 0, because ``decision_function`` gives their difference.
    """
    scores = np.asarray(classifier.decision_function(X))
    if scores.ndim == 1:
        scores = np.column_stack([np.where(np.isnan(scores), np.nan, 0), scores])
    return scores
