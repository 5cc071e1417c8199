"""Fine-tuning of a pretrained network on new classes, from a chosen stage on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from sklearn.base import clone

from zeroshot._utils._constraints import COUNT, Checked, Instance, Maybe, Number, is_name
from zeroshot._utils._fitted import Part, Text
from zeroshot._utils._renamed import renamed
from zeroshot.estimators._initializer import SimilarityInitializer
from zeroshot.estimators._softmax import NetworkClassifier
from zeroshot.networks._fit_network import Run, open_run, run_training, scaling
from zeroshot.networks._task import (
    Task,
    check_classes,
    classification_task,
)
from zeroshot.networks._training import Defaults, Training, trains

if TYPE_CHECKING:
    from torch import nn

    from zeroshot.networks._image_network import ImageNetwork
    from zeroshot.networks._loop import Rows


def _check_network(network: Any, *, owner: str, name: str) -> None:
    if isinstance(network, str):
        from zeroshot.backbones._weights import check_model_name

        check_model_name(network.removeprefix("timm:"), owner=owner, name=name)
        return
    from torch import nn

    if not isinstance(network, nn.Module):
        raise TypeError(
            f"{owner}: {name} must be the name of a timm model, such as 'resnet18', or a "
            f"torch.nn.Module from images to features, got {network!r}."
        )


def _check_weights(weights: Any, *, owner: str, name: str) -> None:
    from zeroshot.backbones._weights import check_weights

    check_weights(weights, owner=owner)


@renamed(model="network")
@trains
class FineTuneClassifier(NetworkClassifier):
    """Pretrained network, fine-tuned on images of new classes from a chosen stage on.

    Earlier stages are frozen, with the statistics of their batch normalisation. Without
    augmentation they run once per image, and their outputs are kept.

    Parameters
    ----------
    network : str or torch.nn.Module, default="tf_efficientnet_lite0"
        The name of a timm model, with ``"timm:"`` in front or without, or a module from float
        images (n, 3, height, width) to features (n, n_features), which is copied.
    head : SimilarityInitializer, optional
        Initial rows of the new classifier, made from the network's own classifier. If it is not
        fitted, a copy is fitted to the features of the images. None starts at random.
    trainable_from : str, optional
        The first stage that is trained, in timm's grouping, such as ``"blocks.5"`` or ``"layer4"``.
        ``"head"`` trains only the classifier, ``"all"`` everything. None is the last stage before
        the head, as published.
    weights : "auto", path or None, default="auto"
        Of a timm model: as in `TimmFeatures`.
    dropout : float, default=0.75
        Share of the features that are dropped in training.
    training : Training, optional
        How the network is trained. Defaults here: 25 epochs, a learning rate of 1e-3 and no weight
        decay.
    resize : int, default=256
        The shorter side of each image is resized to this.
    image_size : int, default=224
        Side of the central square that the network gets.
    random_state : int, RandomState instance or None, default=None
        Seed of the sample order, of dropout, and of a head that starts at random.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The sorted labels of ``fit``.
    head_ : SimilarityInitializer or None
        The fitted `head`.
    trainable_from_ : str
        The first stage that was trained.
    history_ : list of dict
        One dict per epoch, with ``"loss"``, ``"metric"`` (accuracy), ``"learning_rate"`` and
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
    >>> from zeroshot import FineTuneClassifier, Training
    >>> images = np.repeat(np.array([0, 255], np.uint8), 8)[:, None, None, None]
    >>> images = np.broadcast_to(images, (16, 32, 32, 3))
    >>> model = FineTuneClassifier(
    ...     "test_efficientnet", weights=None, trainable_from="head", resize=32, image_size=32,
    ...     training=Training(epochs=2, batch_size=8), random_state=0,
    ... )
    >>> model.fit(images, ["night"] * 8 + ["day"] * 8).trainable_from_
    'head'
    """

    _constraints: ClassVar[Mapping[str, Any]] = {
        "network": Checked(_check_network, outside=is_name),
        "head": Maybe(
            Instance(
                SimilarityInitializer,
                what="None or a SimilarityInitializer",
                remedy="Pass SimilarityInitializer(source_head).",
            )
        ),
        "trainable_from": Maybe(
            Instance(
                str,
                what="None or the name of a stage",
                remedy="Pass 'head', 'all', or a stage's name.",
            )
        ),
        "weights": Maybe(Checked(_check_weights, outside=is_name)),
        "dropout": Number(at_least=0, below=1),
        "resize": COUNT,
        "image_size": COUNT,
    }
    _fitted: ClassVar[Mapping[str, Any]] = {
        "head_": Maybe(Part(SimilarityInitializer)),
        "trainable_from_": Text(),
    }

    def __init__(
        self,
        network: Any = "tf_efficientnet_lite0",
        *,
        head: SimilarityInitializer | None = None,
        trainable_from: str | None = None,
        weights: Any = "auto",
        dropout: float = 0.75,
        training: Training | None = None,
        resize: int = 256,
        image_size: int = 224,
        random_state: Any = None,
    ) -> None:
        self.network = network
        self.head = head
        self.trainable_from = trainable_from
        self.weights = weights
        self.dropout = dropout
        self.training = training
        self.resize = resize
        self.image_size = image_size
        self.random_state = random_state

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
            `head` is no SimilarityInitializer, or `network` neither a name nor a module.
        ValueError
            A parameter is out of range, there is no such stage, there is one class only, the head
            is of other classes or of another width, or lengths differ.
        FloatingPointError
            The loss or the weights became infinite or NaN.
        IntegrityError
            The `checkpoint` is of another run.
        """
        from zeroshot.networks._freezing import freeze_before

        self._check_parameters()
        owner = type(self).__name__
        X, y = self._validate_fit(X, y)
        self.classes_, positions = np.unique(y, return_inverse=True)
        check_classes(self.classes_, owner=owner)
        run = open_run(self, X, resize=self.resize)
        network = self._network(run, owner)
        self.trainable_from_ = freeze_before(network, self.trainable_from, owner=owner)
        task = classification_task(positions, len(self.classes_), ())
        task.facts["trainable_from"] = self.trainable_from_
        self.head_ = self._start(network, run, y, owner)
        part = self._trained_part(network, run, task)
        run_training(self, run, network, task, part=part)
        return self

    def _training_defaults(self) -> Defaults:
        return Defaults(weight_decay=0.0)

    def _check_combination(self) -> None:
        super()._check_combination()
        if self.resize < self.image_size:
            raise ValueError(
                f"{type(self).__name__}: resize must be at least image_size={self.image_size}, got "
                f"{self.resize}."
            )

    def _network(self, run: Run, owner: str) -> ImageNetwork:
        from zeroshot.networks._image_network import ImageNetwork

        name = self.network
        if isinstance(name, str):
            name = f"timm:{name.removeprefix('timm:')}"
        mean, std = scaling(name, run.pixels)
        return ImageNetwork(
            name,
            len(self.classes_),
            dropout=self.dropout,
            mean=mean,
            std=std,
            weights=self.weights,
            image_shape=run.pixels.shape,
            seed=run.settings.seed,
            owner=owner,
        )

    def _start(
        self, network: ImageNetwork, run: Run, y: np.ndarray, owner: str
    ) -> SimilarityInitializer | None:
        """Start the classifier from the head, if there is one, and return that, fitted."""
        import torch

        from zeroshot.networks._freezing import outputs_of

        if self.head is None:
            return None
        head = self.head
        if not hasattr(head, "coef_"):
            features = outputs_of(network, network.features, run.pixels, run.settings)
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
                f"{owner}: head has rows of {head.coef_.shape[1]} features, and the network gives "
                f"{layer.in_features}. Take the source head from the same network."
            )
        with torch.no_grad():
            layer.weight.copy_(torch.from_numpy(np.array(head.coef_)))
            layer.bias.copy_(torch.from_numpy(np.array(head.intercept_)))
        return head

    def _trained_part(
        self, network: ImageNetwork, run: Run, task: Task
    ) -> tuple[nn.Module, Rows] | None:
        from zeroshot.networks._freezing import trained_part

        if run.training.augmentation is not None:
            return None  # another image in each epoch
        return trained_part(network, self.trainable_from_, run.pixels, task.targets, run.settings)
