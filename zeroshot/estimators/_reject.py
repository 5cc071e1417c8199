"""Reject option: an answer, or "unknown" if the classifier is not sure enough."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import BaseEstimator, clone
from sklearn.frozen import FrozenEstimator
from sklearn.utils.validation import _num_samples, check_is_fitted, column_or_1d

from zeroshot._utils._constraints import Checked, Maybe, Number
from zeroshot._utils._fitted import NumberOrNan, Part, Sizes
from zeroshot._utils._onnx_graph import Graph
from zeroshot._utils._pipelines import final_and_input, unwrap
from zeroshot._utils._validation import check_labels, take_rows, warn_caller
from zeroshot._utils._whole_models import with_candidates
from zeroshot.estimators._base import check_share, row_blocks
from zeroshot.estimators._confidence import right_probability
from zeroshot.estimators._onnx_steps import cannot_export
from zeroshot.estimators._unreadable_rows import answers_for_readable_rows
from zeroshot.estimators._wrapper import WrapperMixin, check_wrapped

_OWNER = "RejectOption"


def _check_reject_label(label: Any, *, owner: str, name: str) -> None:
    is_label = isinstance(label, (str, int, np.integer)) and not isinstance(label, bool)
    if not is_label:
        raise ValueError(
            f"{owner}: {name} must be a string or an integer, as the labels are, got {label!r}."
        )


class RejectOption(WrapperMixin, BaseEstimator):
    r"""Zero-shot classifier that answers only if it is sure enough.

    A sample is answered if the probability that the answer is right reaches a threshold. That
    probability is

    .. math:: p(\text{any of the candidates} \mid x) \; \max_c p(c \mid x),

    so two kinds of doubt count: whether it is any of the candidates, and which of them it is. Both
    factors and the threshold are learnt from samples of held-out classes. For the first factor,
    the samples' own class is taken out of the candidates.

    Parameters
    ----------
    classifier : classifier
        Any zero-shot classifier of this package, or a ``Pipeline`` or search that ends in one. A
        copy is fitted. A ``FrozenEstimator`` around a fitted one is not fitted again: either it
        has already learnt from held-out classes, or `fit` gets samples of classes that it has not
        seen.
    coverage : float, optional
        The share of samples to be answered, above 0 and below 1.
    accuracy : float, optional
        The wanted share of right answers, above 0 and below 1. As many samples are answered as this
        allows.
    threshold : float, optional
        The lowest probability of being right at which samples are answered, from 0 to 1. Pass
        exactly one of `coverage`, `accuracy` and `threshold`.
    reject_label : str or int, default="unknown"
        The label for "not answered", of the same type as the labels, and different from them.
    none_share : float, default=0.1
        The expected share of samples that show none of the candidates, at least 0 and below 1.
        `coverage` and `accuracy` are for samples with this share. With 0, the doubt whether it is
        any of the candidates does not count.

    Attributes
    ----------
    classifier_ : classifier
        The fitted one.
    classes_, seen_classes_, unseen_classes_ : ndarray
        Those of ``classifier_``: `reject_label` is not among them.
    threshold_ : float
        The threshold.
    coverage_, accuracy_ : float
        The share of held-out samples that it answers, and how many of these answers are right;
        ``accuracy_`` is NaN where none is answered.

    References
    ----------
    C. K. Chow, "On Optimum Recognition Error and Reject Tradeoff", 1970.

    Examples
    --------
    >>> from zeroshot import DeViSEClassifier, RejectOption, WordNetEmbedding
    >>> from zeroshot.datasets import load_cifar100_features
    >>> from zeroshot.metrics import answered_accuracy_score
    >>> X, y = load_cifar100_features(subset="train", return_X_y=True)
    >>> names = sorted(set(y))
    >>> unseen, seen = names[::5], [name for name in names if name not in names[::5]]
    >>> embedding = WordNetEmbedding(vocabulary=names)
    >>> ridge = DeViSEClassifier(embedding, loss="mse", candidates=unseen, scenario="unseen")
    >>> rows = [label in seen for label in y]
    >>> model = RejectOption(ridge, coverage=0.3).fit(X[rows], y[rows])
    >>> new, truth = X[[not row for row in rows]], y[[not row for row in rows]]
    >>> everything = ridge.fit(X[rows], y[rows]).score(new, truth)
    >>> answered = answered_accuracy_score(truth, model.predict(new), reject_label="unknown")
    >>> answered > everything + 0.1
    True
    """

    _wrapped = "classifier"

    _constraints: ClassVar[Mapping[str, Any]] = {
        "classifier": Checked(check_wrapped),
        "coverage": Maybe(Checked(check_share)),
        "accuracy": Maybe(Checked(check_share)),
        "threshold": Maybe(Number(at_least=0, at_most=1)),
        "reject_label": Checked(_check_reject_label),
        "none_share": Number(at_least=0, below=1),
    }
    _fitted: ClassVar[Mapping[str, Any]] = {
        "classifier_": Part(has=("classes", "seen", "confidence"), does=("decision_function",)),
        "threshold_": Number(),
        "coverage_": Number(at_least=0, at_most=1),
        "accuracy_": NumberOrNan(),
    }

    @classmethod
    def _check_together(cls, values: Mapping[str, Any], sizes: Sizes) -> None:
        sizes.update(sizes.of(values["classifier_"]))

    def __init__(
        self,
        classifier: Any,
        *,
        coverage: float | None = None,
        accuracy: float | None = None,
        threshold: float | None = None,
        reject_label: Any = "unknown",
        none_share: float = 0.1,
    ) -> None:
        self.classifier = classifier
        self.coverage = coverage
        self.accuracy = accuracy
        self.threshold = threshold
        self.reject_label = reject_label
        self.none_share = none_share

    def _check_combination(self) -> None:
        given = [n for n in ("coverage", "accuracy", "threshold") if getattr(self, n) is not None]
        if len(given) != 1:
            raise ValueError(
                f"{_OWNER}: pass one of coverage, accuracy and threshold, got "
                f"{' and '.join(given) or 'none of them'}. RejectOption(classifier, coverage=0.8) "
                "answers 80 % of the samples."
            )

    def fit(self, X: Any = None, y: Any = None) -> Self:
        """Fit the classifier, and choose the threshold on classes that are held out.

        Parameters
        ----------
        X : array-like or list of length n_samples
            Input of `classifier`. None where this is frozen and knows held-out classes already.
        y : array-like of shape (n_samples,)
            Labels. For a frozen classifier, of classes that it has not seen.

        Returns
        -------
        self : object
            The fitted classifier.

        Raises
        ------
        TypeError
            `classifier` is no zero-shot classifier.
        ValueError
            Fewer than four classes can be held out, there is one candidate, `reject_label` is a
            candidate or of another type, `accuracy` is above the best that can be had, or a frozen
            classifier knows no held-out classes and is given none.
        """
        self._check_parameters()
        frozen = isinstance(self.classifier, FrozenEstimator)
        if frozen:
            # Only what fit changes here is copied: what a frozen model learnt is shared.
            self.classifier_ = _copied(self.classifier)
            final = unwrap(self.classifier_)
            if X is not None:
                _, inner = final_and_input(self.classifier_, X)
                final.calibrate(inner, y)
        else:
            self.classifier_ = clone(self.classifier).fit(X, y)
            final = unwrap(self.classifier_)
        if not hasattr(final, "_doubt"):
            raise TypeError(
                f"{_OWNER}: classifier must be a zero-shot classifier of this package, got "
                f"{final!r}. Pass one such as DeViSEClassifier(WordVectors())."
            )
        if getattr(final, "confidence_", None) is None:  # none in models of earlier versions
            if X is None or frozen:
                raise ValueError(
                    f"{_OWNER}: classifier is fitted already, and knows nothing of held-out "
                    "classes. Pass X and y of classes that it has not seen to fit, or fit it with "
                    "temperature='auto'."
                )
            _, inner = final_and_input(self.classifier_, X)
            labels = check_labels(column_or_1d(y), owner=_OWNER, name="y")
            final._learn_confidence(inner, labels, always=True)
        self._check_candidates()
        self._choose_threshold(final.confidence_)
        return self

    def _check_candidates(self) -> None:
        classes = self.classes_
        is_text = isinstance(self.reject_label, str)
        if is_text != (classes.dtype.kind == "U"):
            kind, example = ("strings", '"unknown"') if not is_text else ("integers", "-1")
            raise ValueError(
                f"{_OWNER}: reject_label={self.reject_label!r} is of another type than the labels, "
                f"which are {kind}. Pass reject_label={example}, for example."
            )
        if self.reject_label in classes.tolist():
            raise ValueError(
                f"{_OWNER}: reject_label={self.reject_label!r} is one of the candidates. Pass a "
                "label that is not."
            )
        final = unwrap(self.classifier_)
        unseen_only = getattr(final, "scenario", "generalized") == "unseen"
        if len(final.unseen_classes_ if unseen_only else classes) == 1:
            raise ValueError(
                f"{_OWNER}: there is one candidate, which has the probability 1 for every sample. "
                "Pass further candidates."
            )

    def _choose_threshold(self, confidence: Any) -> None:
        thresholds, coverage, accuracy = confidence.rejection_curve(float(self.none_share))
        if self.threshold is not None:
            self.threshold_ = float(self.threshold)
            place = int(np.searchsorted(-thresholds, -self.threshold_, side="right")) - 1
        elif self.coverage is not None:
            place = int(np.abs(coverage - self.coverage).argmin())
            self.threshold_ = float(thresholds[place])
        else:
            good = np.flatnonzero(accuracy >= self.accuracy)
            if not len(good):
                best = int(accuracy.argmax())
                raise ValueError(
                    f"{_OWNER}: accuracy={self.accuracy:g} cannot be met: of the held-out samples "
                    f"the surest {coverage[best]:.1%} have {accuracy[best]:.3f}, which is the best "
                    f"there is. Pass accuracy={np.floor(1000 * accuracy[best]) / 1000:g} or less."
                )
            place = int(good[-1])
            self.threshold_ = float(thresholds[place])
        self.coverage_ = float(coverage[place]) if place >= 0 else 0.0
        self.accuracy_ = float(accuracy[place]) if place >= 0 else float("nan")

    def predict(self, X: Any) -> np.ndarray:
        """Name each sample by its most probable label, or by `reject_label`.

        Parameters
        ----------
        X : array-like or list of length n_samples
            Input of `classifier`.

        Returns
        -------
        labels : ndarray of shape (n_samples,)
            Labels of ``classes_``, and `reject_label`, also for an image that could not be read.

        Warns
        -----
        LabelWarning
            All samples are rejected.
        """
        check_is_fitted(self)
        final, inner = final_and_input(self.classifier_, X)  # once: images go through a network
        columns = [
            final.predict_proba(take_rows(inner, rows)).argmax(axis=1)
            for rows in row_blocks(_num_samples(inner), len(self.classes_))
        ]
        labels = self.classes_[np.concatenate(columns)]
        answered = self._is_answered(_right_probability(final, inner, float(self.none_share)))
        if not answered.any():
            warn_caller(
                f"{_OWNER}: all {len(answered)} samples are rejected. Lower the threshold, which "
                f"is {self.threshold_:.3g}, or ask for more coverage."
            )
        return np.where(answered, labels, np.asarray(self.reject_label))

    def answers(self, X: Any) -> np.ndarray:
        """Tell which samples are answered.

        Parameters
        ----------
        X : array-like or list of length n_samples
            Input of `classifier`.

        Returns
        -------
        answered : ndarray of bool of shape (n_samples,)
            Whether the probability of being right reaches ``threshold_``.
        """
        check_is_fitted(self)
        return self._is_answered(self.right_proba(X))

    def _is_answered(self, right: np.ndarray) -> np.ndarray:
        return right >= self.threshold_ * (1 - 1e-6)  # in single precision

    def right_proba(self, X: Any) -> np.ndarray:
        """Return the probability that the most probable label of each sample is right.

        Parameters
        ----------
        X : array-like or list of length n_samples
            Input of `classifier`.

        Returns
        -------
        probabilities : ndarray of shape (n_samples,)
            Between 0 and 1.
        """
        check_is_fitted(self)
        final, inner = final_and_input(self.classifier_, X)
        return _right_probability(final, inner, float(self.none_share))

    def predict_proba(self, X: Any) -> np.ndarray:
        """Return the probability of each candidate, as the wrapped classifier does.

        Parameters
        ----------
        X : array-like or list of length n_samples
            Input of `classifier`.

        Returns
        -------
        probabilities : ndarray of shape (n_samples, n_classes)
            Columns follow ``classes_``.
        """
        check_is_fitted(self)
        return self.classifier_.predict_proba(X)

    def decision_function(self, X: Any) -> np.ndarray:
        """Score every candidate, as the wrapped classifier does.

        Parameters
        ----------
        X : array-like or list of length n_samples
            Input of `classifier`.

        Returns
        -------
        scores : ndarray of shape (n_samples, n_classes)
            Columns follow ``classes_``; of shape (n_samples,) for two.
        """
        check_is_fitted(self)
        return self.classifier_.decision_function(X)

    def _add_scores(self, graph: Graph, X: str) -> str:
        raise cannot_export(
            self,
            "whether it answers is no score of a label. Export its classifier_, and reject by its "
            "scores.",
        )

    def predict_any_proba(self, X: Any, none_share: float | None = None) -> np.ndarray:
        """Return the probability that a sample shows any of the candidates at all.

        Parameters
        ----------
        X : array-like or list of length n_samples
            Input of `classifier`.
        none_share : float, optional
            The share of samples that shows none of them; that of the constructor if None.

        Returns
        -------
        probabilities : ndarray of shape (n_samples,)
            Between 0 and 1.
        """
        check_is_fitted(self)
        final, inner = final_and_input(self.classifier_, X)
        return final.predict_any_proba(inner, self.none_share if none_share is None else none_share)


def _copied(model: Any) -> Any:
    """Return a model that shares what a fitted one has learnt, but can be calibrated apart."""
    final = unwrap(model)
    return with_candidates(model, final.classes_) if hasattr(final, "with_candidates") else model


@answers_for_readable_rows
def _right_probability(final: Any, X: Any, none_share: float) -> np.ndarray:
    return right_probability(final._doubt(X), none_share)
