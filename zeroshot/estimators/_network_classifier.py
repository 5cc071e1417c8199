"""What the classifiers that are networks share: scores, names and features of images."""

from __future__ import annotations

from abc import ABCMeta, abstractmethod
from typing import Any, Self

import numpy as np
from scipy.special import softmax
from sklearn.base import (
    BaseEstimator,
    ClassifierMixin,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
)
from sklearn.utils.validation import check_is_fitted

from zeroshot._links import DocLinkMixin
from zeroshot.backbones import SourceHead
from zeroshot.estimators._image_training import network_tags, run_network


class NetworkClassifier(
    DocLinkMixin,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    ClassifierMixin,
    BaseEstimator,
    metaclass=ABCMeta,
):
    """Interface of the classifiers that are a network: ``fit`` sets `classes_` and `network_`."""

    classes_: np.ndarray
    network_: Any

    @abstractmethod
    def fit(self, X: Any, y: Any) -> Self:
        """Train the network."""

    def decision_function(self, X: Any) -> np.ndarray:
        """Score every class.

        Parameters
        ----------
        X : list of path or PIL image, or uint8 array of shape (n_samples, height, width, 3)
            Images.

        Returns
        -------
        scores : float32 ndarray of shape (n_samples, n_classes)
            Columns follow ``classes_``. With two classes, as everywhere in scikit-learn, the score
            of the second less that of the first, of shape (n_samples,).
        """
        scores = self._scores(X)
        return scores[:, 1] - scores[:, 0] if scores.shape[1] == 2 else scores

    def predict(self, X: Any) -> np.ndarray:
        """Name each image.

        Parameters
        ----------
        X : list of path or PIL image, or uint8 array of shape (n_samples, height, width, 3)
            Images.

        Returns
        -------
        labels : ndarray of shape (n_samples,)
            The class with the highest score.
        """
        scores = self._scores(X)
        return self.classes_[scores.argmax(axis=1)]

    def predict_proba(self, X: Any) -> np.ndarray:
        """Return the softmax of the scores.

        Parameters
        ----------
        X : list of path or PIL image, or uint8 array of shape (n_samples, height, width, 3)
            Images.

        Returns
        -------
        probabilities : ndarray of shape (n_samples, n_classes)
            Each row sums to one.
        """
        return softmax(self._scores(X).astype(np.float64), axis=1)

    def transform(self, X: Any) -> np.ndarray:
        """Return what the last layer takes: features, as `source_head_` takes them.

        Parameters
        ----------
        X : list of path or PIL image, or uint8 array of shape (n_samples, height, width, 3)
            Images.

        Returns
        -------
        features : float32 ndarray of shape (n_samples, n_features)
            Outputs of the last hidden layer, or of the network itself.
        """
        check_is_fitted(self)
        return run_network(self, X, features=True)

    @property
    def source_head_(self) -> SourceHead:
        """The last layer as a classifier of its own, on what ``transform`` gives."""
        from zeroshot._torch import to_numpy

        check_is_fitted(self)
        layer = self.network_.head[-1]
        return SourceHead(to_numpy(layer.weight), to_numpy(layer.bias), self.classes_)

    def _scores(self, X: Any) -> np.ndarray:
        check_is_fitted(self)
        return run_network(self, X)

    @property
    def _n_features_out(self) -> int:
        return self.network_.head[-1].in_features

    def __sklearn_tags__(self) -> Any:
        return network_tags(super().__sklearn_tags__())
