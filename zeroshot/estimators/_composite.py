"""Base class of classifiers made of other classifiers."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from zeroshot._utils._constraints import check_inner
from zeroshot._utils._pipelines import is_search, unwrap
from zeroshot._utils._validation import check_labels, check_same_kind
from zeroshot._utils._whole_models import with_candidates
from zeroshot.estimators._base import CandidateClassifier, without_folds
from zeroshot.estimators._unreadable_rows import answers_for_readable_rows
from zeroshot.exceptions import UnknownLabelError


class CompositeClassifier(CandidateClassifier):
    """Interface of zero-shot classifiers that are made of other classifiers.

    There is no label space of its own: scores are made of the members', which `_prepare_candidates`
    makes views of over ``classes_``.
    """

    @abstractmethod
    def _fitted_members(self) -> list[Any]:
        """Return the fitted members, the most telling first."""

    @abstractmethod
    def _given_members(self) -> list[Any]:
        """Return the members as they were passed, the most telling first."""

    def _vocabulary_embedding(self) -> Any:
        for member in self._given_members():
            embedding = getattr(unwrap(thawed(member)), "label_embedding", None)
            if embedding is not None:
                return embedding
        return self

    def label_vectors(self, labels: Any) -> np.ndarray:
        """Return the raw vectors of `labels`, from the first member that has any.

        Parameters
        ----------
        labels : array-like of shape (n_labels,)
            Any labels that its label embedding knows.

        Returns
        -------
        vectors : ndarray of shape (n_labels, n_dims)
            As the label embedding gives them, in float64.

        Raises
        ------
        TypeError
            No member has label vectors.
        """
        check_is_fitted(self)
        owner = type(self).__name__
        labels = check_labels(labels, owner=owner, name="labels")
        for member in self._fitted_members():
            final = unwrap(member)
            if hasattr(final, "label_vectors"):
                return final.label_vectors(labels)
        raise TypeError(
            f"{owner}: no member has label_vectors. Ask a label embedding itself: "
            "WordVectors().embed(labels)."
        )

    @answers_for_readable_rows
    def transform(self, X: Any) -> np.ndarray:
        """Return the scores of all candidates, for the next step of a pipeline.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Features.

        Returns
        -------
        scores : ndarray of shape (n_samples, n_classes)
            Columns follow ``classes_``, whatever the scenario; two columns for two classes.
        """
        check_is_fitted(self)
        return self._class_scores(self._validate(X))

    @property
    def _n_features_out(self) -> int:
        return len(self.classes_)


def check_member(member: Any, *, owner: str, name: str) -> None:
    """Raise unless `member` is an estimator object with ``decision_function``.

    Raises
    ------
    TypeError
        It is a class, or has no ``decision_function``.
    NotFittedError
        It is frozen, and what is in it is not fitted.
    """
    if isinstance(member, type) or not hasattr(member, "decision_function"):
        what = f"the class {member.__name__}" if isinstance(member, type) else repr(member)
        raise TypeError(
            f"{owner}: {name} must be a classifier with decision_function, such as "
            f"ConSEClassifier(head, WordVectors()), got {what}."
        )
    check_inner(member)
    if isinstance(member, FrozenEstimator):
        try:
            check_is_fitted(member.estimator)
        except NotFittedError as error:
            raise NotFittedError(
                f"{owner}: {name} is a FrozenEstimator of a {type(member.estimator).__name__} that "
                "is not fitted. Fit it before it is frozen, or pass it without FrozenEstimator."
            ) from error


def thawed(member: Any) -> Any:
    """Return what a ``FrozenEstimator`` holds, and anything else as it is."""
    return member.estimator if isinstance(member, FrozenEstimator) else member


def unfitted_copy(member: Any, candidates: Any) -> Any:
    """Return a clone, its candidates set if its last step has that parameter and any are given."""
    copied = clone(member)
    final = copied
    while isinstance(final, Pipeline) or is_search(final):
        final = final.steps[-1][1] if isinstance(final, Pipeline) else final.estimator
    if candidates is not None and "candidates" in getattr(final, "get_params", dict)():
        final.set_params(candidates=candidates)
    without_folds(final)  # of members, the scores count
    return copied


def fitted_from_names(member: Any, labels: np.ndarray, *, owner: str, name: str) -> Any:
    """Return a clone fitted to the `labels` without any image; what is frozen, as it is.

    Raises
    ------
    ValueError
        It cannot be fitted so.
    """
    if isinstance(member, FrozenEstimator):
        return member
    copied = unfitted_copy(member, labels)
    try:
        return copied.fit()
    except UnknownLabelError:
        raise
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"{owner}: {name} is fitted from class names alone, which a {type(copied).__name__} "
            f"does not do ({error}). Fit it on other images before, and pass "
            f"{name}=FrozenEstimator({name})."
        ) from error


def view_over(member: Any, labels: np.ndarray, *, owner: str, name: str) -> Any:
    """Return a fitted member that scores at least the `labels`, all of them on one scale.

    A member of this package is seen through ``with_candidates``, with the scenario
    ``"generalized"``: which classes may win is for the outer classifier to say.

    Raises
    ------
    ValueError
        A member that has no ``with_candidates`` does not know some of the labels, or has labels of
        another type.
    """
    member = thawed(member)
    if hasattr(unwrap(member), "with_candidates"):
        view = with_candidates(member, labels)
        final = unwrap(view)
        if hasattr(final, "scenario"):
            final.scenario = "generalized"  # of the view alone, which is a copy
        return view
    known = check_labels(member.classes_, owner=owner, name=f"classes_ of {name}")
    check_same_kind(labels, known, owner=owner, names=("candidates", f"classes_ of {name}"))
    missing = labels[~np.isin(labels, known)].tolist()
    if missing:
        raise ValueError(
            f"{owner}: {name}, a {type(unwrap(member)).__name__}, does not know {len(missing)} of "
            f"the {len(labels)} candidates ({', '.join(map(repr, missing[:10]))}), and has no "
            "with_candidates. Leave them out, or pass a classifier that can score them."
        )
    return member


def scores_of(view: Any, X: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return the scores of `labels`, (n_samples, n_labels), by a view over them.

    The one column that a classifier of two classes gives is spread over both, half the difference
    to each side.
    """
    scores = np.asarray(view.decision_function(X))
    classes = np.asarray(view.classes_)
    if scores.ndim == 1:
        scores = np.stack([-scores / 2, scores / 2], axis=1)
    if np.array_equal(classes, labels):
        return scores
    order = np.argsort(classes, kind="stable")
    return scores[:, order[np.searchsorted(classes, labels, sorter=order)]]
