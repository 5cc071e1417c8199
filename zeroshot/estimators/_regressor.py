"""Regression from features to label vectors."""

from __future__ import annotations

from typing import Any, Self

import numpy as np

from zeroshot._validation import check_number, check_option
from zeroshot.estimators._map import (
    FittedMap,
    check_hidden,
    fit_perceptron,
    fit_ridge,
    training_settings,
)
from zeroshot.estimators._vector_regressor import VectorRegressor
from zeroshot.label_embeddings import LabelEmbedding

LOSSES = ("mse", "cosine")


class EmbeddingRegressor(VectorRegressor):
    """Regression from features to the vectors of their labels.

    Without hidden layers and with ``loss="mse"`` it is ridge regression in closed form; otherwise
    a perceptron is trained. Vectors stay in the raw label space, neither centred nor scaled, as
    published.

    Parameters
    ----------
    label_embedding : LabelEmbedding, optional
        What y is: without one, numbers; with one, labels (1-D) or vectors of its width (2-D).
    alpha : float, default=1.0
        Penalty on the squared weights in the closed form; the intercept is free.
    loss : {"mse", "cosine"}, default="mse"
        Mean squared error (published), or one less the cosine.
    hidden : tuple of int, default=()
        Widths of hidden layers with ReLU.
    epochs : int, default=25
        Passes over the data, when trained.
    batch_size : int, default=64
        Samples a step, when trained.
    learning_rate : float, default=1e-3
        Adam's first step size, when trained; it falls to zero along half a cosine.
    weight_decay : float, default=1e-4
        Decoupled weight decay, when trained.
    device : str, default="auto"
        Where to train: ``"auto"`` or a torch device.
    random_state : int, RandomState instance or None, default=None
        Of initial weights and sample order, when trained.

    Attributes
    ----------
    coefs_ : list of ndarray of shape (n_inputs, n_outputs)
        Weights, a matrix a layer.
    intercepts_ : list of ndarray of shape (n_outputs,)
        Biases, a vector a layer.
    history_ : list of float
        Mean loss of each epoch; empty for the closed form.
    seen_classes_ : ndarray of shape (n_seen,) or None
        The sorted labels of ``fit``; None after numbers or vectors.

    References
    ----------
    M. Baughman, I. Foster, K. Chard, "Embeddings are All You Need: Transfer Learning in
    Convolutional Neural Networks using Word Embeddings", 2021.

    Examples
    --------
    >>> import numpy as np
    >>> from zeroshot import EmbeddingRegressor, HashEmbedding
    >>> X = np.eye(3)
    >>> model = EmbeddingRegressor(HashEmbedding(4), alpha=1e-6).fit(X, ["cat", "dog", "owl"])
    >>> np.allclose(model.predict(X), HashEmbedding(4).embed(["cat", "dog", "owl"]), atol=1e-4)
    True
    """

    def __init__(
        self,
        label_embedding: LabelEmbedding | None = None,
        *,
        alpha: float = 1.0,
        loss: str = "mse",
        hidden: tuple[int, ...] = (),
        epochs: int = 25,
        batch_size: int = 64,
        learning_rate: float = 1e-3,
        weight_decay: float = 1e-4,
        device: str = "auto",
        random_state: Any = None,
    ) -> None:
        self.label_embedding = label_embedding
        self.alpha = alpha
        self.loss = loss
        self.hidden = hidden
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.device = device
        self.random_state = random_state

    def fit(self, X: Any, y: Any) -> Self:
        """Learn to predict the vector of each sample's label.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Features.
        y : array-like of shape (n_samples,) or (n_samples, n_dims)
            Labels, or vectors; numbers without a `label_embedding`.

        Returns
        -------
        self : object
            The fitted regressor.

        Raises
        ------
        UnknownLabelError
            Labels have no vector; all of them are named.
        ValueError
            y fits neither form, X is not finite, or lengths differ.
        """
        owner = type(self).__name__
        check_option(self.loss, LOSSES, owner=owner, name="loss")
        check_number(self.alpha, owner=owner, name="alpha", at_least=0)
        hidden = check_hidden(self.hidden, owner=owner)
        X, y = self._validate_fit(X, y)
        vectors, targets = self._set_targets(y)
        fitted = self._fit_map(X, targets, vectors, hidden)
        self.coefs_, self.intercepts_ = fitted.coefs, fitted.intercepts
        self.history_ = fitted.history
        return self

    def _fit_map(
        self, X: np.ndarray, targets: np.ndarray, vectors: np.ndarray, hidden: tuple[int, ...]
    ) -> FittedMap:
        if self.loss == "mse" and not hidden:
            return fit_ridge(X, vectors, self.alpha, codes=targets)
        from zeroshot.losses import CosineLoss, MSELoss

        loss = MSELoss() if self.loss == "mse" else CosineLoss()
        return fit_perceptron(X, targets, vectors, loss, hidden, training_settings(self))
