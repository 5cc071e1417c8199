"""What classifiers made of other classifiers share: candidates and scores, no label space."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, Self

import numpy as np
from sklearn.utils.validation import check_is_fitted

from zeroshot._pipelines import unwrap
from zeroshot._validation import check_labels, check_number
from zeroshot.estimators._base import ZeroShotClassifier
from zeroshot.estimators._members import thawed


class CompositeClassifier(ZeroShotClassifier):
    """Interface of zero-shot classifiers that are made of other classifiers.

    A subclass learns in ``_fit_map``, which ends with ``_set_views``, and answers in ``_project``,
    whose columns are the scores of ``classes_``: there is no label space of its own.
    """

    label_embedding: Any = None
    center = False
    _compares_classes = False  # members may know more

    @abstractmethod
    def _set_views(self) -> None:
        """Make views of the fitted members over ``classes_``, in place of those before."""

    @abstractmethod
    def _fitted_members(self) -> list[Any]:
        """Return the fitted members, the most telling first."""

    @abstractmethod
    def _given_members(self) -> list[Any]:
        """Return the members as they were passed, the most telling first."""

    def _fit_seen(self, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        check_number(self.temperature, owner=type(self).__name__, name="temperature", above=0)
        self.seen_classes_, positions = np.unique(y, return_inverse=True)
        self._set_vocabulary(self._named(self.candidates))
        return positions, np.empty((len(self.seen_classes_), 0))

    def _vocabulary_embedding(self) -> Any:
        for member in self._given_members():
            embedding = getattr(unwrap(thawed(member)), "label_embedding", None)
            if embedding is not None:
                return embedding
        return self

    def _embed_vocabulary(self) -> None:
        """Embed nothing: members have their own label spaces."""

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
            A member has no vector for a label.
        ValueError
            `labels` is empty, repeats a label, or is of another type than the seen labels; or a
            member can score its own classes only, and `labels` names others.
        """
        view = super().with_candidates(labels)
        view._set_views()
        return view

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
        return super().transform(X)

    def _class_scores(self, X: np.ndarray) -> np.ndarray:
        return self._project(X)

    @property
    def _n_features_out(self) -> int:
        return len(self.classes_)
