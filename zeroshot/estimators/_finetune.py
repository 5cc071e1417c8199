"""A pretrained network, trained further on new classes from a chosen stage on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np
from sklearn.base import clone

from zeroshot._validation import check_number
from zeroshot.estimators._initializer import SimilarityInitializer
from zeroshot.estimators._softmax import NetworkClassifier
from zeroshot.networks._fit_network import Training, open_training, run_training, scaling
from zeroshot.networks._task import (
    Task,
    check_classes,
    check_network_fit,
    classification_task,
)

if TYPE_CHECKING:
    from torch import nn

    from zeroshot.networks._image_network import ImageNetwork
    from zeroshot.networks._loop import Rows


class FineTuneClassifier(NetworkClassifier):
    """Pretrained network, fine-tuned on images of new classes from a chosen stage on.

    The stages before keep their weights, and the statistics of their batch normalisations. Without
    `augmentation` they are run once for each image, and only what they give is kept.

    Parameters
    ----------
    model : str or torch.nn.Module, default="tf_efficientnet_lite0"
        The name of a timm model, or a module from float images (n, 3, height, width) to features
        (n, n_features), which is copied.
    head : SimilarityInitializer, optional
        What the rows of the new classifier start from, made of the model's own classifier. One
        that is not fitted is fitted, on a copy, to the features of the images. None starts at
        random.
    trainable_from : str, optional
        The first stage that is trained, by timm's own grouping, such as ``"blocks.5"`` or
        ``"layer4"``; ``"head"`` trains the classifier alone, ``"all"`` everything. None is the last
        stage before the head, as published.
    weights : "auto", path or None, default="auto"
        Of a timm model: as in `TimmFeatures`.
    dropout : float, default=0.75
        Share of the features that are dropped in training.
    epochs : int, default=25
        Passes over the data.
    batch_size : int, default=64
        Images a step.
    learning_rate : float, default=1e-3
        Adam's first step size; it falls to zero along half a cosine.
    weight_decay : float, default=0.0
        Decoupled weight decay.
    resize : int, default=256
        To what the shorter side of each image is brought.
    image_size : int, default=224
        Side of the square in its middle that the network sees.
    device : str, default="auto"
        ``"auto"`` or a torch device.
    random_state : int, RandomState instance or None, default=None
        Of the sample order, of dropout, and of a head that starts at random.
    augmentation : "crop_flip" or callable, optional
        ``"crop_flip"`` shifts each image by up to an eighth and mirrors half of them; or a callable
        from uint8 images (n, 3, height, width) to images of 0 to 255, such as a transform of
        ``torchvision.transforms.v2``, which draws once for the whole batch.
    precision : {"auto", "float32", "bfloat16", "float16"}, default="auto"
        Of convolutions and matrix products; "auto" is bfloat16 where the hardware gains from it.
    accumulation : int, default=1
        Into how many parts a batch is cut, to fit into memory.
    checkpoint : path, optional
        A file that is written after each epoch, and that the same call goes on from after an
        interruption, to the very same numbers. It needs an integer as `random_state`.
    callbacks : sequence of callable, optional
        Called as ``callback(network, history)`` after each epoch; may write into ``history[-1]``,
        and stops training by returning True (`zeroshot.callbacks`).
    progress : bool or "auto", default="auto"
        Whether to show a progress bar; "auto" does when it takes longer than a few seconds.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The sorted labels of ``fit``.
    head_ : SimilarityInitializer or None
        The fitted `head`.
    trainable_from_ : str
        The first stage that was trained.
    history_ : list of dict
        Of each epoch ``"loss"``, ``"metric"`` (accuracy), ``"learning_rate"`` and
        ``"images_per_second"``.
    network_ : torch.nn.Module
        The trained network: from uint8 images (n, 3, height, width) to scores.
    image_shape_ : tuple of int
        Height and width of the images that it was trained on.

    References
    ----------
    A. Pascal, M. Bost and B. Huet, "Semantic and Visual Similarities for Efficient Knowledge
    Transfer in CNN Training", CBMI 2019, for the defaults (they fine-tune ResNet-101 from its
    fourth block on, with Adam).

    Examples
    --------
    >>> import numpy as np
    >>> from zeroshot import FineTuneClassifier
    >>> images = np.repeat(np.array([0, 255], np.uint8), 8)[:, None, None, None]
    >>> images = np.broadcast_to(images, (16, 32, 32, 3))
    >>> model = FineTuneClassifier(
    ...     "test_efficientnet", weights=None, trainable_from="head", epochs=2, batch_size=8,
    ...     resize=32, image_size=32, random_state=0,
    ... )
    >>> model.fit(images, ["night"] * 8 + ["day"] * 8).trainable_from_
    'head'
    """

    def __init__(
        self,
        model: Any = "tf_efficientnet_lite0",
        *,
        head: SimilarityInitializer | None = None,
        trainable_from: str | None = None,
        weights: Any = "auto",
        dropout: float = 0.75,
        epochs: int = 25,
        batch_size: int = 64,
        learning_rate: float = 1e-3,
        weight_decay: float = 0.0,
        resize: int = 256,
        image_size: int = 224,
        device: str = "auto",
        random_state: Any = None,
        augmentation: Any = None,
        precision: str = "auto",
        accumulation: int = 1,
        checkpoint: Any = None,
        callbacks: Any = None,
        progress: bool | str = "auto",
    ) -> None:
        self.model = model
        self.head = head
        self.trainable_from = trainable_from
        self.weights = weights
        self.dropout = dropout
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.resize = resize
        self.image_size = image_size
        self.device = device
        self.random_state = random_state
        self.augmentation = augmentation
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
        TypeError
            `head` is no SimilarityInitializer, or `model` neither a name nor a module.
        ValueError
            A parameter is out of range, there is no such stage, there is one class only, the head
            is of other classes or of another width, or lengths differ.
        FloatingPointError
            The loss or the weights became infinite or NaN.
        IntegrityError
            The `checkpoint` is of another run.
        """
        from zeroshot.networks._freezing import freeze_before

        owner = type(self).__name__
        self._check_params(owner)
        X, y = check_network_fit(X, y, owner=owner)
        self.classes_, positions = np.unique(y, return_inverse=True)
        check_classes(self.classes_, owner=owner)
        training = open_training(self, X, resize=self.resize)
        network = self._network(training, owner)
        self.trainable_from_ = freeze_before(network, self.trainable_from, owner=owner)
        task = classification_task(positions, len(self.classes_), ())
        task.facts["trainable_from"] = self.trainable_from_
        self.head_ = self._start(network, training, y, owner)
        part = self._trained_part(network, training, task)
        run_training(self, training, network, task, part=part)
        return self

    def _check_params(self, owner: str) -> None:
        from torch import nn

        if not isinstance(self.model, (str, nn.Module)):
            raise TypeError(
                f"{owner}: model must be the name of a timm model, such as 'resnet18', or a "
                f"torch.nn.Module from images to features, got {self.model!r}."
            )
        for name in ("resize", "image_size"):
            check_number(getattr(self, name), owner=owner, name=name, at_least=1, integer=True)
        if self.resize < self.image_size:
            raise ValueError(
                f"{owner}: resize must be at least image_size={self.image_size}, got {self.resize}."
            )
        check_number(self.dropout, owner=owner, name="dropout", at_least=0)
        if self.dropout >= 1:
            raise ValueError(f"{owner}: dropout must be below 1, got {self.dropout}.")
        if self.head is not None and not isinstance(self.head, SimilarityInitializer):
            raise TypeError(
                f"{owner}: head must be None or a SimilarityInitializer, got {self.head!r}."
            )

    def _network(self, training: Training, owner: str) -> ImageNetwork:
        from zeroshot.networks._image_network import ImageNetwork

        name = f"timm:{self.model}" if isinstance(self.model, str) else self.model
        mean, std = scaling(name, training.pixels)
        return ImageNetwork(
            name,
            len(self.classes_),
            dropout=self.dropout,
            mean=mean,
            std=std,
            weights=self.weights,
            image_shape=training.pixels.shape,
            seed=training.settings.seed,
            owner=owner,
        )

    def _start(
        self, network: ImageNetwork, training: Training, y: np.ndarray, owner: str
    ) -> SimilarityInitializer | None:
        """Start the classifier from the head, if there is one, and return that, fitted."""
        import torch

        from zeroshot.networks._freezing import outputs_of

        if self.head is None:
            return None
        head = self.head
        if not hasattr(head, "coef_"):
            features = outputs_of(network, network.features, training.pixels, training.settings)
            head = clone(head).fit(features.numpy(), y)
        if not np.array_equal(head.classes_, self.classes_):
            apart = np.setxor1d(head.classes_, self.classes_).tolist()
            raise ValueError(
                f"{owner}: head knows {len(head.classes_)} classes, and y has "
                f"{len(self.classes_)}; only one of the two has {', '.join(map(repr, apart[:10]))}"
                f"{', ...' if len(apart) > 10 else ''}. Pass a head that is not fitted, or one "
                "fitted to the labels of y."
            )
        layer: Any = network.head[-1]
        if head.coef_.shape[1] != layer.in_features:
            raise ValueError(
                f"{owner}: head has rows of {head.coef_.shape[1]} features, and the model gives "
                f"{layer.in_features}. Take the source head from the same model."
            )
        with torch.no_grad():
            layer.weight.copy_(torch.from_numpy(np.array(head.coef_)))
            layer.bias.copy_(torch.from_numpy(np.array(head.intercept_)))
        return head

    def _trained_part(
        self, network: ImageNetwork, training: Training, task: Task
    ) -> tuple[nn.Module, Rows] | None:
        from zeroshot.networks._freezing import trained_part

        if self.augmentation is not None:
            return None  # another image in each epoch
        return trained_part(
            network, self.trainable_from_, training.pixels, task.targets, training.settings
        )
