"""Classifiers made of other classifiers: candidates and scores, no label space."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from zeroshot._pipelines import unwrap
from zeroshot._validation import check_labels
from zeroshot.estimators._base import CandidateClassifier
from zeroshot.estimators._members import thawed


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
