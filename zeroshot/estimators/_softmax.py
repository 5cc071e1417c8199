"""A network trained to classify: the baseline of those trained to embed."""

from __future__ import annotations

from typing import Any, Self

import numpy as np

from zeroshot._validation import check_labels
from zeroshot.estimators._image_tasks import (
    check_classes,
    check_network_fit,
    classification_task,
    find_labels,
)
from zeroshot.estimators._image_training import fit_network
from zeroshot.estimators._map import check_hidden
from zeroshot.estimators._network_classifier import NetworkClassifier


class SoftmaxClassifier(NetworkClassifier):
    """Network trained on images by cross-entropy; it knows the classes of ``fit`` only.

    What it has learnt is of use beyond them: ``init_from=`` of the estimators that train to label
    vectors takes its network, and ``source_head_`` goes into `ConSEClassifier`.

    Parameters
    ----------
    network : str or torch.nn.Module, default="simpnet"
        What is trained: ``"simpnet"``, ``"tiny_cnn"``, ``"timm:<name>"`` (with its weights), or a
        module from float images (n, 3, height, width) to features (n, n_features), which is copied.
        The layers of `hidden` and the scores come after it.
    hidden : tuple of int, default=()
        Widths of hidden layers with ReLU.
    epochs : int, default=25
        Passes over the data.
    batch_size : int, default=64
        Images a step.
    learning_rate : float, default=1e-3
        Adam's first step size; it falls to zero along half a cosine.
    weight_decay : float, default=1e-4
        Decoupled weight decay.
    device : str, default="auto"
        ``"auto"`` or a torch device.
    random_state : int, RandomState instance or None, default=None
        Of initial weights, sample order, and what the network draws.
    image_size : int, optional
        Side of the square that each image is brought to; None takes them as they are.
    augmentation : "crop_flip" or callable, optional
        ``"crop_flip"`` shifts each image by up to an eighth and mirrors half of them; or a callable
        from uint8 images (n, 3, height, width) to images of 0 to 255, such as a transform of
        ``torchvision.transforms.v2``, which draws once for the whole batch.
    init_from : fitted estimator, optional
        Start from the weights of its ``network_``, but for the layers after the features.
    warm_start : bool, default=False
        Whether ``fit`` goes on from the weights of an earlier ``fit``.
    precision : {"auto", "float32", "bfloat16", "float16"}, default="auto"
        Of convolutions and matrix products; "auto" is bfloat16 where the hardware gains from it.
    accumulation : int, default=1
        Into how many parts a batch is cut, to fit into memory.
    checkpoint : path, optional
        A file that is written after each epoch, and that the same call goes on from after an
        interruption, to the very same numbers. It needs an integer as `random_state`;
        ``partial_fit`` leaves the file alone.
    callbacks : sequence of callable, optional
        Called as ``callback(network, history)`` after each epoch; may write into ``history[-1]``,
        and stops training by returning True (`zeroshot.callbacks`).
    progress : bool or "auto", default="auto"
        Whether to show a progress bar; "auto" does when it takes longer than a few seconds.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The sorted labels of ``fit``.
    history_ : list of dict
        Of each epoch ``"loss"``, ``"metric"`` (accuracy), ``"learning_rate"`` and
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
    >>> from zeroshot import SoftmaxClassifier
    >>> from zeroshot.backbones import TinyImageNetCNN
    >>> dark, light = np.zeros((8, 16, 16, 3), np.uint8), np.full((8, 16, 16, 3), 255, np.uint8)
    >>> network = TinyImageNetCNN(width=1 / 16, dropout=0.0)
    >>> model = SoftmaxClassifier(network, epochs=20, batch_size=8, random_state=0)
    >>> model = model.fit(np.concatenate([dark, light]), ["night"] * 8 + ["day"] * 8)
    >>> model.predict(np.stack([light[0], dark[0]])).tolist()
    ['day', 'night']
    """

    def __init__(
        self,
        network: Any = "simpnet",
        *,
        hidden: tuple[int, ...] = (),
        epochs: int = 25,
        batch_size: int = 64,
        learning_rate: float = 1e-3,
        weight_decay: float = 1e-4,
        device: str = "auto",
        random_state: Any = None,
        image_size: int | None = None,
        augmentation: Any = None,
        init_from: Any = None,
        warm_start: bool = False,
        precision: str = "auto",
        accumulation: int = 1,
        checkpoint: Any = None,
        callbacks: Any = None,
        progress: bool | str = "auto",
    ) -> None:
        self.network = network
        self.hidden = hidden
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.device = device
        self.random_state = random_state
        self.image_size = image_size
        self.augmentation = augmentation
        self.init_from = init_from
        self.warm_start = warm_start
        self.precision = precision
        self.accumulation = accumulation
        self.checkpoint = checkpoint
        self.callbacks = callbacks
        self.progress = progress

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
        X, y = check_network_fit(X, y, owner=type(self).__name__)
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
        owner = type(self).__name__
        X, y = check_network_fit(X, y, owner=owner)
        if not hasattr(self, "network_"):
            labels = y if classes is None else check_labels(classes, owner=owner, name="classes")
            self.classes_ = np.unique(labels)
        return self._train(X, find_labels(y, self.classes_, owner=owner), one_more=True)

    def _train(self, X: Any, positions: np.ndarray, *, one_more: bool) -> Self:
        owner = type(self).__name__
        check_classes(self.classes_, owner=owner)
        hidden = check_hidden(self.hidden, owner=owner)
        task = classification_task(positions, len(self.classes_), hidden)
        fit_network(self, X, task, one_more=one_more)
        return self
