"""What regressors from features to label vectors share: what y may be, prediction, and score."""

from __future__ import annotations

from abc import ABCMeta, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np
from scipy.sparse import issparse
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    RegressorMixin,
    TransformerMixin,
)
from sklearn.metrics import r2_score
from sklearn.utils import check_consistent_length
from sklearn.utils.multiclass import type_of_target
from sklearn.utils.validation import check_is_fitted

from zeroshot._constraints import Checked, Maybe
from zeroshot._linear import apply_map
from zeroshot._links import DocLinkMixin
from zeroshot._saving import SavedEstimator
from zeroshot._validation import check_labels, check_missing_labels
from zeroshot.estimators._input import InputMixin
from zeroshot.estimators._label_space import check_label_embedding
from zeroshot.label_embeddings import LabelEmbedding


class VectorRegressor(
    InputMixin,
    DocLinkMixin,
    SavedEstimator,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    RegressorMixin,
    BaseEstimator,
    metaclass=ABCMeta,
):
    """Interface of the regressors onto label vectors.

    A subclass has the parameter ``label_embedding``, and in ``fit`` calls `_validate_fit` and sets
    ``seen_classes_``, ``coefs_`` and ``intercepts_``, a matrix and a vector per layer.
    """

    _saved_private = ("_y_ndim",)

    label_embedding: LabelEmbedding | None

    _constraints: ClassVar[Mapping[str, Any]] = {
        "label_embedding": Maybe(Checked(check_label_embedding))
    }
    coefs_: list[np.ndarray]
    intercepts_: list[np.ndarray]
    seen_classes_: np.ndarray | None

    @abstractmethod
    def fit(self, X: Any, y: Any) -> Self:
        """Learn to predict the vector of each sample's label."""

    def _validate_fit(self, X: Any, y: Any, *, reset: bool = True) -> tuple[Any, np.ndarray]:
        """Return X, and y as float vectors or numbers, or as labels (strings or integers).

        With `reset` X may be of another width than before.
        """
        X, y = self._validate_targets(X, y, reset=reset)
        self._y_ndim = y.ndim if y.dtype.kind == "f" else 2
        return X, y

    def _validate_targets(self, X: Any, y: Any, *, reset: bool) -> tuple[Any, np.ndarray]:
        owner = type(self).__name__
        if issparse(y):
            raise TypeError(f"{owner}: y is sparse. Pass y.toarray().")
        if self.label_embedding is None:
            if _holds_strings(y):
                raise ValueError(
                    f"{owner}: y holds strings, but without a label_embedding it must be numbers. "
                    "Pass label_embedding=, such as WordVectors(), to give labels vectors."
                )
            X, y = self._validate_pair(X, y, reset=reset, multi_output=True, y_numeric=True)
            return X, y.astype(np.float64)
        n_dims = self.label_embedding.n_dims
        y = check_missing_labels(y, owner=owner)
        X, y = self._validate_pair(X, y, reset=reset, multi_output=True)
        if y.ndim == 1:
            if y.dtype.kind == "f" and type_of_target(y) == "continuous":
                raise ValueError(
                    f"{owner}: y holds continuous numbers, but label_embedding is given and "
                    f"expects labels (1-D) or vectors of shape (n_samples, {n_dims}). "
                    "Pass labels, or label_embedding=None."
                )
            return X, check_labels(y, owner=owner, name="y")
        if y.shape[1] != n_dims:
            raise ValueError(
                f"{owner}: y has vectors of width {y.shape[1]}, but label_embedding has {n_dims} "
                "dimensions. Pass labels, vectors of that width, or label_embedding=None."
            )
        if _holds_strings(y):
            raise ValueError(f"{owner}: 2-D y must hold numbers. Pass labels as a 1-D array.")
        return X, y.astype(np.float64)

    def predict(self, X: Any) -> np.ndarray:
        """Predict the vector (or the numbers) of each sample.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Features.

        Returns
        -------
        vectors : ndarray of shape (n_samples, n_dims), or (n_samples,) after a 1-D numeric y
            In the raw label space, float64.
        """
        vectors = self._vectors(X)
        return vectors[:, 0] if self._y_ndim == 1 else vectors

    def transform(self, X: Any) -> np.ndarray:
        """Predict the vector of each sample, always 2-D, for the next step of a pipeline.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Features.

        Returns
        -------
        vectors : ndarray of shape (n_samples, n_dims)
            In the raw label space, float64.
        """
        return self._vectors(X)

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Return the share of the squared error that a constant prediction leaves, explained.

        For numbers and vectors that constant is the mean of `y`, and the score is R². For labels
        it is the mean vector of the seen classes: the mean of a single excluded class would leave
        no error to explain.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Features.
        y : array-like of shape (n_samples,) or (n_samples, n_dims)
            As in ``fit``.
        sample_weight : array-like of shape (n_samples,), optional
            Weights of the samples.

        Returns
        -------
        score : float
            At most 1; 0 for the constant.
        """
        predicted = self.predict(X)
        check_consistent_length(predicted, y, sample_weight)
        y = np.asarray(y)
        if y.ndim == 2 or not (_holds_strings(y) or self.seen_classes_ is not None):
            return float(r2_score(y, predicted, sample_weight=sample_weight))
        if self.seen_classes_ is None:
            raise ValueError(
                f"{type(self).__name__}: y holds labels, but fit saw numbers or vectors and has no "
                "seen classes to compare with. Pass y as in fit."
            )
        true = self.label_vectors(y)
        constant = self.label_vectors(self.seen_classes_).mean(axis=0)
        error = np.average(((predicted - true) ** 2).sum(axis=1), weights=sample_weight)
        baseline = np.average(((constant - true) ** 2).sum(axis=1), weights=sample_weight)
        if baseline == 0:  # one seen class: r2_score's convention
            return float(error == 0)
        return float(1 - error / baseline)

    def label_vectors(self, labels: Any) -> np.ndarray:
        """Return the vectors of `labels` in the raw label space.

        Parameters
        ----------
        labels : array-like of shape (n_labels,)
            Any labels that the label embedding knows.

        Returns
        -------
        vectors : ndarray of shape (n_labels, n_dims)
            In float64.

        Raises
        ------
        TypeError
            There is no label embedding.
        """
        owner = type(self).__name__
        if self.label_embedding is None:
            raise TypeError(f"{owner}: labels have vectors only with a label_embedding. Pass one.")
        labels = check_labels(labels, owner=owner, name="labels")
        return self.label_embedding.embed(labels).astype(np.float64)

    def _vectors(self, X: Any) -> np.ndarray:
        check_is_fitted(self)
        return self._project(self._validate(X, np.float64))

    def _project(self, X: Any) -> np.ndarray:
        return apply_map(X, self.coefs_, self.intercepts_)

    @property
    def _n_features_out(self) -> int:
        return len(self.intercepts_[-1])

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        tags.transformer_tags.preserves_dtype = []
        return tags


def _holds_strings(y: Any) -> bool:
    """Tell whether `y` holds strings, those that spell numbers included."""
    array = np.asarray(y)
    return array.dtype.kind in "US" or (
        array.dtype.kind == "O" and any(isinstance(value, (str, bytes)) for value in array.flat)
    )
