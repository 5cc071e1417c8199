"""Interface of the classifiers that wrap one other classifier."""

from __future__ import annotations

import copy
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import (
    ClassNamePrefixFeaturesOutMixin,
    MetaEstimatorMixin,
    TransformerMixin,
    clone,
)
from sklearn.utils import get_tags
from sklearn.utils.validation import check_is_fitted

from zeroshot._utils._constraints import ParametersMixin, check_inner
from zeroshot._utils._doc_links import DocLinkMixin
from zeroshot._utils._pipelines import final_and_input, unwrap
from zeroshot._utils._saving import SavedEstimator
from zeroshot._utils._whole_models import with_candidates
from zeroshot.estimators._unreadable_rows import AnsweredAccuracyMixin, answers_for_readable_rows


def check_wrapped(estimator: Any, *, owner: str, name: str = "estimator") -> None:
    """Raise unless `estimator` is an object that can be fitted and gives scores.

    Raises
    ------
    TypeError
        It is a class, or has no ``fit`` or ``decision_function``.
    """
    if isinstance(estimator, type) or not all(
        hasattr(estimator, method) for method in ("fit", "decision_function")
    ):
        raise no_zero_shot_classifier(estimator, owner=owner, name=name)
    check_inner(estimator)


def no_zero_shot_classifier(estimator: Any, *, owner: str, name: str = "estimator") -> TypeError:
    """Return the error for something else where a zero-shot classifier was expected."""
    return TypeError(
        f"{owner}: {name} must be a zero-shot classifier, got {estimator!r}. Pass an object "
        "such as DeViSEClassifier(WordVectors(), candidates=names)."
    )


class WrapperMixin(
    DocLinkMixin,
    SavedEstimator,
    ParametersMixin,
    MetaEstimatorMixin,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    AnsweredAccuracyMixin,
):
    """Mixin of classifiers around one classifier, which may be in a pipeline.

    Candidates, label vectors and what was learnt from held-out classes are those of the wrapped
    classifier. ``fit`` of a subclass keeps the fitted one under the name of the parameter and an
    underscore.
    """

    _wrapped: ClassVar[str] = "estimator"
    """The parameter that holds the classifier."""

    def _given(self) -> Any:
        """Return the classifier as it was passed."""
        return getattr(self, self._wrapped)

    def _fitted_inner(self) -> Any:
        """Return the fitted classifier, with the steps before it."""
        return getattr(self, f"{self._wrapped}_")

    def _final(self) -> Any:
        """Return the fitted classifier alone."""
        return unwrap(self._fitted_inner())

    def _final_and_input(self, X: Any) -> tuple[Any, Any]:
        """Return the fitted classifier alone, and X as it gets it."""
        check_is_fitted(self)
        return final_and_input(self._fitted_inner(), X)

    def _check_candidates(self) -> None:
        """Raise where the wrapper does not allow the candidates of the fitted classifier."""

    def with_candidates(self, labels: Any) -> Self:
        """Return this fitted classifier over another vocabulary, without fitting again.

        Parameters
        ----------
        labels : array-like of shape (n_classes,)
            The new vocabulary, seen or unseen labels alike.

        Returns
        -------
        view : object
            A fitted classifier that shares everything learnt with this one.

        Raises
        ------
        UnknownLabelError
            A label has no vector.
        ValueError
            `labels` is empty, repeats a label, or is of another type than the seen labels.
        """
        check_is_fitted(self)
        view = copy.copy(self)
        if hasattr(view, "_sklearn_output_config"):  # or set_output on one would change both
            view._sklearn_output_config = dict(view._sklearn_output_config)
        seen_through = with_candidates(self._fitted_inner(), labels)
        setattr(view, f"{self._wrapped}_", seen_through)
        setattr(view, self._wrapped, clone(seen_through))
        view._check_candidates()
        return view

    @property
    def classes_(self) -> np.ndarray:
        """The sorted vocabulary that ``predict`` chooses from."""
        return self._final().classes_

    @property
    def seen_classes_(self) -> np.ndarray:
        """The sorted labels that the classifier was trained on."""
        return self._final().seen_classes_

    @property
    def unseen_classes_(self) -> np.ndarray:
        """The labels of ``classes_`` that it was not trained on."""
        return np.setdiff1d(self.classes_, self.seen_classes_)

    @property
    def confidence_(self) -> Any:
        """What the wrapped classifier learnt from held-out classes, or None."""
        return getattr(self._final(), "confidence_", None)

    @property
    def n_features_in_(self) -> int:
        """How many features X has."""
        return self._fitted_inner().n_features_in_

    @property
    def feature_names_in_(self) -> np.ndarray:
        """The names of the features, where X was a data frame."""
        return self._fitted_inner().feature_names_in_

    def label_vectors(self, labels: Any) -> np.ndarray:
        """Return the raw vectors of `labels`, as the wrapped classifier does.

        Parameters
        ----------
        labels : array-like of shape (n_labels,)
            Any labels that the label embedding knows.

        Returns
        -------
        vectors : ndarray of shape (n_labels, n_dims)
            Neither centred nor scaled.
        """
        check_is_fitted(self)
        return self._final().label_vectors(labels)

    @answers_for_readable_rows
    def transform(self, X: Any) -> np.ndarray:
        """Predict the label vector of each sample, as the wrapped classifier does.

        Parameters
        ----------
        X : array-like or list of length n_samples
            Input of the wrapped classifier.

        Returns
        -------
        vectors : ndarray of shape (n_samples, n_dims)
            In the centred label space.
        """
        check_is_fitted(self)
        return np.asarray(self._fitted_inner().transform(X))

    def _probabilities_of(self, scores: np.ndarray) -> np.ndarray:
        """Return probabilities, (n_samples, n_classes), from scores."""
        return self._final()._probabilities_of(scores)

    def _sets_of(self, probabilities: np.ndarray, coverage: float) -> np.ndarray:
        return self._final()._sets_of(probabilities, coverage)

    def predict_set(self, X: Any, coverage: float = 0.9) -> np.ndarray:
        """Return a set of labels for each sample, as the wrapped classifier does.

        Parameters
        ----------
        X : array-like or list of length n_samples
            Input of the wrapped classifier.
        coverage : float, default=0.9
            Probability that the set holds the true label, above 0 and below 1.

        Returns
        -------
        sets : ndarray of bool of shape (n_samples, n_classes)
            Columns follow ``classes_``.
        """
        final, X = self._final_and_input(X)
        return final.predict_set(X, coverage)

    def predict_any_proba(self, X: Any, none_share: float = 0.5) -> np.ndarray:
        """Return the probability that a sample shows any of the candidates, as it does.

        Parameters
        ----------
        X : array-like or list of length n_samples
            Input of the wrapped classifier.
        none_share : float, default=0.5
            The share of samples that is expected to show none of them.

        Returns
        -------
        probabilities : ndarray of shape (n_samples,)
            Between 0 and 1.
        """
        final, X = self._final_and_input(X)
        return final.predict_any_proba(X, none_share)

    @property
    def _n_features_out(self) -> int:
        return len(self._final().get_feature_names_out())

    def __sklearn_tags__(self) -> Any:
        tags, inner = super().__sklearn_tags__(), get_tags(self._given())
        tags.input_tags = inner.input_tags
        tags.classifier_tags = inner.classifier_tags
        tags.transformer_tags = inner.transformer_tags
        tags.non_deterministic = inner.non_deterministic
        return tags
