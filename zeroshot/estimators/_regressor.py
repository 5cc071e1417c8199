"""Regression from features to label vectors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from sklearn.utils.metaestimators import available_if

from zeroshot._constraints import Number, OneOf
from zeroshot._linear import LearnsFromSums, LinearSystem, SystemOfRows
from zeroshot.estimators._vector_regressor import VectorRegressor
from zeroshot.label_embeddings import LabelEmbedding
from zeroshot.networks._fit_network import fit_network, run_network
from zeroshot.networks._perceptron import (
    is_linear,
    train_perceptron,
)
from zeroshot.networks._task import (
    check_classes,
    has_partial_fit,
    vector_task,
)
from zeroshot.networks._training import Training, TrainingMixin, trains

if TYPE_CHECKING:
    from torch import nn


@trains
class EmbeddingRegressor(TrainingMixin, VectorRegressor, LearnsFromSums):
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
    training : Training, optional
        How a perceptron or a network is trained. Defaults here: 25 epochs, a learning rate of 1e-3
        and a weight decay of 1e-4.
    random_state : int, RandomState instance or None, default=None
        Of initial weights and sample order, when trained.
    network : str or torch.nn.Module, optional
        Train this on images, X being a list of paths or PIL images or a uint8 array (n, height,
        width, 3): ``"simpnet"``, ``"tiny_cnn"``, ``"timm:<name>"`` (with its weights), or a module
        from float images (n, 3, height, width) to features (n, n_features), which is copied. The
        layers of `hidden` and the outputs come after it. None takes features.
    image_size : int, optional
        Side of the square that each image is brought to; None takes them as they are.
    init_from : fitted estimator, optional
        Start from the weights of its ``network_``, but for the layers after the features.
    warm_start : bool, default=False
        Whether ``fit`` goes on from the weights of an earlier ``fit``.

    Attributes
    ----------
    coefs_ : list of ndarray of shape (n_inputs, n_outputs)
        Weights, a matrix a layer.
    intercepts_ : list of ndarray of shape (n_outputs,)
        Biases, a vector a layer.
    history_ : list of dict
        Of each epoch ``"loss"``, ``"metric"`` (accuracy among the seen classes, of a network),
        ``"learning_rate"`` and ``"images_per_second"``; empty for the closed form.
    network_ : torch.nn.Module
        The trained network, if there is one: from uint8 images (n, 3, height, width) to vectors.
    image_shape_ : tuple of int
        Height and width of the images that it was trained on.
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

    _constraints: ClassVar[Mapping[str, Any]] = {
        "alpha": Number(at_least=0),
        "loss": OneOf("mse", "cosine"),
    }
    _of_the_run = ("init_from",)

    def __init__(
        self,
        label_embedding: LabelEmbedding | None = None,
        *,
        alpha: float = 1.0,
        loss: str = "mse",
        hidden: tuple[int, ...] = (),
        training: Training | None = None,
        random_state: Any = None,
        network: Any = None,
        image_size: int | None = None,
        init_from: Any = None,
        warm_start: bool = False,
    ) -> None:
        self.label_embedding = label_embedding
        self.alpha = alpha
        self.loss = loss
        self.hidden = hidden
        self.training = training
        self.random_state = random_state
        self.network = network
        self.image_size = image_size
        self.init_from = init_from
        self.warm_start = warm_start

    def fit(self, X: Any, y: Any) -> Self:
        """Learn to predict the vector of each sample's label.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Features; with a `network` images, as `partial_fit` takes them.
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
        FloatingPointError
            The loss or the weights became infinite or NaN.
        IntegrityError
            The `checkpoint` is of another run.
        """
        self._check_parameters()
        X, y = self._validate_fit(X, y)
        self._forget_sums()
        if self._is_ridge():
            return self.fit_from_sums(SystemOfRows(X, y))
        vectors, targets = self._set_targets(y)
        if self.network is not None:
            return self._train(X, targets, vectors)
        self.coefs_, self.intercepts_, self.history_ = train_perceptron(
            self, X, targets, vectors, self._loss(), self.hidden
        )
        return self

    @available_if(has_partial_fit)
    def partial_fit(self, X: Any, y: Any, classes: Any = None) -> Self:
        """Add further rows to the closed form, or train a network for one epoch more.

        The closed form (``loss="mse"`` without hidden layers or a network) is then that of one
        ``fit`` to the rows of all calls, whatever their order. A network trains at a constant step
        size.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Features; with a `network` a list of paths or PIL images, or a uint8 array of shape
            (n_samples, height, width, 3).
        y : array-like of shape (n_samples,) or (n_samples, n_dims)
            As in ``fit``. Labels that are new are seen from now on.
        classes : array-like of shape (n_classes,), optional
            For the closed form, labels that later calls may bring. They are of no effect until
            there are rows of them.

        Returns
        -------
        self : object
            The regressor.

        Raises
        ------
        ValueError
            `y` is of another kind than in earlier calls, or X of another width; or a network is
            given `classes`.
        AttributeError
            There is neither a `network` nor a closed form.

        Warns
        -----
        UserWarning
            The closed form comes from ``fit``, which keeps no sums to add to: it starts anew.
        """
        if self.network is None:
            return super().partial_fit(X, y, classes)
        self._check_parameters()
        if classes is not None:
            raise ValueError(
                f"{type(self).__name__}: classes is for the closed form, and a network takes "
                "labels as they come. Pass classes=None."
            )
        before = getattr(self, "seen_classes_", None)
        X, y = self._validate_fit(X, y)
        vectors, targets = self._set_targets(y)
        self._train(X, targets, vectors, one_more=True)
        if before is not None and self.seen_classes_ is not None:
            self.seen_classes_ = np.union1d(before, self.seen_classes_)
        return self

    def _train(
        self,
        X: Any,
        targets: np.ndarray,
        vectors: np.ndarray,
        *,
        one_more: bool = False,
    ) -> Self:
        if self.seen_classes_ is not None:
            check_classes(self.seen_classes_, owner=type(self).__name__)
        about = {"loss": self.loss}
        task = vector_task(targets, vectors, self.hidden, self._loss(), about, unit_vectors=False)
        if self.seen_classes_ is None:
            task = replace(task, metric=None)  # vectors are no classes
        fit_network(self, X, task, one_more=one_more)
        return self

    def _loss(self) -> nn.Module:
        from zeroshot.losses import CosineLoss, MSELoss

        return MSELoss() if self.loss == "mse" else CosineLoss()

    def _set_targets(self, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Set the seen classes; return vectors, (n_targets, n_dims), and the row of each sample."""
        if y.dtype.kind == "f":
            self.seen_classes_ = None
            return y.reshape(len(y), -1), np.arange(len(y))
        self.seen_classes_, targets = np.unique(y, return_inverse=True)
        return self.label_vectors(self.seen_classes_), targets

    def _is_ridge(self) -> bool:
        """Tell whether the map is ridge regression in closed form."""
        return self.network is None and self.loss == "mse" and is_linear(self.hidden)

    def learns_from_sums(self) -> bool:
        """Tell whether ``fit_from_sums`` does what ``fit`` does, for the parameters as they are."""
        return self._is_ridge() and isinstance(self.label_embedding, LabelEmbedding)

    def _check_sums(self) -> bool:
        """Tell whether the estimator has ``merge``, and ``partial_fit`` without a network.

        Raises
        ------
        AttributeError
            It has not: it trains.
        """
        if not self._is_ridge():
            raise AttributeError(
                f"{type(self).__name__}: only the closed form adds up. Pass loss='mse' with "
                "hidden=() and network=None."
            )
        return True

    def fit_from_sums(self, system: LinearSystem) -> Self:
        """Do what ``fit`` does, given a system in place of the samples.

        Parameters
        ----------
        system : LinearSystem
            Of the features and their labels, vectors or numbers.

        Returns
        -------
        self : object
            The fitted regressor.
        """
        self.seen_classes_ = system.classes
        vectors = None
        if system.classes is not None:
            self._y_ndim, vectors = 2, self.label_vectors(system.classes)
        solution = system.ridge(vectors, self.alpha)
        self.coefs_, self.intercepts_ = [solution.coef], [solution.intercept]
        self.history_ = []
        return self

    def _project(self, X: Any) -> np.ndarray:
        if self.network is None:
            return super()._project(X)
        return run_network(self, X).astype(np.float64)

    @property
    def _n_features_out(self) -> int:
        return super()._n_features_out if self.network is None else self.network_.n_outputs
