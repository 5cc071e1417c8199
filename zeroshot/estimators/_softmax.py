"""Softmax classifier trained on images, and the base class of image classifiers."""

from __future__ import annotations

from abc import ABCMeta, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np
from scipy.special import softmax
from sklearn.base import (
    BaseEstimator,
    ClassifierMixin,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
)
from sklearn.utils.validation import check_is_fitted

from zeroshot._utils._constraints import Checked, is_name
from zeroshot._utils._doc_links import DocLinkMixin
from zeroshot._utils._fitted import Labels
from zeroshot._utils._onnx_graph import Graph
from zeroshot._utils._saving import SavedEstimator
from zeroshot._utils._validation import check_labels
from zeroshot.backbones import SourceHead
from zeroshot.estimators._base import binary_scores
from zeroshot.estimators._input import InputMixin
from zeroshot.networks._fit_network import fit_network, run_network
from zeroshot.networks._task import (
    check_classes,
    classification_task,
    find_labels,
)
from zeroshot.networks._training import (
    Training,
    TrainingMixin,
    check_network,
    fitted_network,
    trains,
)


class NetworkClassifier(
    TrainingMixin,
    InputMixin,
    DocLinkMixin,
    SavedEstimator,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    ClassifierMixin,
    BaseEstimator,
    metaclass=ABCMeta,
):
    """Interface of the classifiers that are a network: ``fit`` sets `classes_` and `network_`."""

    classes_: np.ndarray
    network_: Any

    _fitted: ClassVar[Mapping[str, Any]] = {
        "classes_": Labels("n_classes", least=1),
        **fitted_network("n_classes"),
    }

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
        return binary_scores(scores)

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

    def _add_scores(self, graph: Graph, X: str) -> str:
        """Return the input of an ONNX graph, which is the outputs of the network."""
        return X

    @property
    def source_head_(self) -> SourceHead:
        """The last layer as a classifier of its own, on what ``transform`` gives."""
        from zeroshot._utils._device import to_numpy

        check_is_fitted(self)
        layer = self.network_.head[-1]
        return SourceHead(to_numpy(layer.weight), to_numpy(layer.bias), self.classes_)

    def _scores(self, X: Any) -> np.ndarray:
        check_is_fitted(self)
        return run_network(self, X)

    @property
    def _n_features_out(self) -> int:
        return self.network_.head[-1].in_features


@trains
class SoftmaxClassifier(NetworkClassifier):
    """Network trained on images by cross-entropy; it predicts only the classes of ``fit``.

    Zero-shot classifiers can use it: pass it as ``init_from=`` of estimators that train to label
    vectors, or its ``source_head_`` to `ConSEClassifier`.

    Parameters
    ----------
    network : str or torch.nn.Module, default="simpnet"
        What is trained: ``"simpnet"``, ``"tiny_cnn"``, ``"timm:<name>"`` (with its weights), or a
        module from float images (n, 3, height, width) to features (n, n_features), which is copied.
        The layers of `hidden` and the scores come after it.
    hidden : tuple of int, default=()
        Widths of hidden layers with ReLU.
    training : Training, optional
        How the network is trained. Defaults here: 25 epochs, a learning rate of 1e-3 and a weight
        decay of 1e-4.
    random_state : int, RandomState instance or None, default=None
        Seed of initial weights, sample order, and what the network draws.
    image_size : int, optional
        Images are resized to squares of this side; None keeps their size.
    init_from : fitted estimator, optional
        Start from the weights of its ``network_``, but for the layers after the features.
    warm_start : bool, default=False
        Whether ``fit`` continues from the weights of an earlier ``fit``.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The sorted labels of ``fit``.
    history_ : list of dict
        One dict per epoch, with ``"loss"``, ``"metric"`` (accuracy), ``"learning_rate"`` and
        ``"images_per_second"``.
    network_ : torch.nn.Module
        The trained network: from uint8 images (n, 3, height, width) to scores.
    image_shape_ : tuple of int
        Height and width of the images that it was trained on.

    References
    ----------
    T. Nishimura, L. Yu, M. Hellmers, V. Desai, "A Combined Deep Learning and Semantic Embedding
    Model", whose baseline it is.

    Examples
    --------
    >>> import numpy as np
    >>> from zeroshot import SoftmaxClassifier, Training
    >>> from zeroshot.networks import TinyImageNetCNN
    >>> dark, light = np.zeros((8, 16, 16, 3), np.uint8), np.full((8, 16, 16, 3), 255, np.uint8)
    >>> network = TinyImageNetCNN(width=1 / 16, dropout=0.0)
    >>> model = SoftmaxClassifier(
    ...     network, training=Training(epochs=20, batch_size=8), random_state=0
    ... )
    >>> model = model.fit(np.concatenate([dark, light]), ["night"] * 8 + ["day"] * 8)
    >>> model.predict(np.stack([light[0], dark[0]])).tolist()
    ['day', 'night']
    """

    _of_the_run = ("init_from",)

    _constraints: ClassVar[Mapping[str, Any]] = {
        "network": Checked(check_network, outside=is_name),
    }

    def __init__(
        self,
        network: Any = "simpnet",
        *,
        hidden: tuple[int, ...] = (),
        training: Training | None = None,
        random_state: Any = None,
        image_size: int | None = None,
        init_from: Any = None,
        warm_start: bool = False,
    ) -> None:
        self.network = network
        self.hidden = hidden
        self.training = training
        self.random_state = random_state
        self.image_size = image_size
        self.init_from = init_from
        self.warm_start = warm_start

    def fit(self, X: Any, y: Any) -> Self:
        """Train the network.

        Parameters
        ----------
        X : list of path or PIL image, or uint8 array of shape (n_samples, height, width, 3)
            Images.
        y : array-like of shape (n_samples,)
            Their labels: all strings, or all integers.

        Returns
        -------
        self : object
            The fitted classifier.

        Raises
        ------
        ValueError
            A parameter is out of range, there is one class only, images differ in size, or lengths
            differ.
        FloatingPointError
            The loss or the weights became infinite or NaN.
        IntegrityError
            The `checkpoint` is of another run.
        """
        self._check_parameters()
        X, y = self._validate_fit(X, y)
        self.classes_, positions = np.unique(y, return_inverse=True)
        return self._train(X, positions, one_more=False)

    def partial_fit(self, X: Any, y: Any, classes: Any = None) -> Self:
        """Train for one epoch more, at a constant step size.

        Parameters
        ----------
        X : list of path or PIL image, or uint8 array of shape (n_samples, height, width, 3)
            Images.
        y : array-like of shape (n_samples,)
            Their labels.
        classes : array-like of shape (n_classes,), optional
            In the first call, all labels that later calls may bring; those of `y` if None.

        Returns
        -------
        self : object
            The classifier.

        Raises
        ------
        ValueError
            `y` has labels that the first call did not know.
        """
        self._check_parameters()
        owner = type(self).__name__
        X, y = self._validate_fit(X, y)
        if not hasattr(self, "network_"):
            labels = y if classes is None else check_labels(classes, owner=owner, name="classes")
            self.classes_ = np.unique(labels)
        return self._train(X, find_labels(y, self.classes_, owner=owner), one_more=True)

    def _train(self, X: Any, positions: np.ndarray, *, one_more: bool) -> Self:
        owner = type(self).__name__
        check_classes(self.classes_, owner=owner)
        task = classification_task(positions, len(self.classes_), self.hidden)
        fit_network(self, X, task, one_more=one_more)
        return self
