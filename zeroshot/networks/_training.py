"""Training parameters, as one object for all estimators that are trained by gradient descent."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.frozen import FrozenEstimator
from sklearn.utils import check_random_state

from zeroshot._utils._constraints import (
    COUNT,
    DEVICE,
    FLAG,
    PRECISION,
    PROGRESS,
    SEED,
    Checked,
    Instance,
    Maybe,
    Number,
    ParametersMixin,
    check_table,
    is_name,
)
from zeroshot._utils._doc_links import DocLinkMixin
from zeroshot._utils._fitted import History, ImageShape, OfImages, Part
from zeroshot._utils._renamed import moved
from zeroshot._utils._saving import SavedEstimator
from zeroshot._utils._validation import check_number, check_option

if TYPE_CHECKING:
    from zeroshot.networks._loop import TrainingSettings

_PARAMETER = "training"


def check_hidden(hidden: Any, *, owner: str, name: str = "hidden") -> None:
    """Raise unless `hidden` is a sequence of layer widths.

    Raises
    ------
    ValueError
        `hidden` is not a sequence of positive integers.
    """
    if isinstance(hidden, (str, Iterator)) or not isinstance(hidden, Iterable):
        raise ValueError(
            f"{owner}: {name} must be a tuple of widths such as (256,), got {hidden!r}."
        )
    for width in hidden:
        check_number(width, owner=owner, name=f"each width in {name}", at_least=1, integer=True)


def check_network(network: Any, *, owner: str, name: str) -> None:
    """Raise unless `open_backbone` can open `network`. Nothing is opened here."""
    from zeroshot.networks._image_network import check_network as check

    check(network, owner=owner)


def _check_init_from(source: Any, *, owner: str, name: str) -> None:
    fitted = source.estimator if isinstance(source, FrozenEstimator) else source
    if getattr(fitted, "network_", None) is None:
        raise ValueError(
            f"{owner}: {name} must be a fitted estimator with a network_, got a "
            f"{type(fitted).__name__} without. Fit it first; where this estimator is cloned, as in "
            "a search or in cross-validation, wrap it: FrozenEstimator(fitted)."
        )


def _check_augmentation(augmentation: Any, *, owner: str, name: str) -> None:
    if isinstance(augmentation, str):
        check_option(augmentation, ("crop_flip",), owner=owner, name=name)
    elif not callable(augmentation):
        raise TypeError(
            f"{owner}: {name} must be None, 'crop_flip', or a callable from uint8 "
            f"images (n, 3, height, width) to images, got {augmentation!r}."
        )


def _check_callbacks(callbacks: Any, *, owner: str, name: str) -> None:
    if callable(callbacks):
        raise TypeError(
            f"{owner}: {name} must be a list of callables, got {callbacks!r} alone. "
            "Write callbacks=[callback]."
        )
    if isinstance(callbacks, (str, Iterator)) or not isinstance(callbacks, Iterable):
        raise TypeError(
            f"{owner}: {name} must be a list of callables, got {callbacks!r}. Write "
            "callbacks=[callback]."
        )
    for callback in callbacks:
        if not callable(callback):
            raise TypeError(
                f"{owner}: {name} must be callables as callback(network, history), got "
                f"{callback!r}."
            )


def _check_training(training: Any, *, owner: str, name: str) -> None:
    if not isinstance(training, Training):
        raise TypeError(
            f"{owner}: {name} must be a Training or None, got {training!r}. Write "
            "training=Training(epochs=25)."
        )
    check_table(training, owner=owner, prefix=f"{name}.")


class Training(DocLinkMixin, SavedEstimator, ParametersMixin, BaseEstimator):
    """Training parameters of an estimator: epochs, learning rate, device, callbacks and more.

    `DeViSEClassifier`, `EmbeddingRegressor`, `SoftmaxClassifier`, `FineTuneClassifier`,
    `ALEClassifier` and `SJEClassifier` take it as their parameter ``training``. Where a value here
    is None, each estimator uses its own default and documents it. In a parameter search, use names
    such as ``training__epochs``.

    Parameters
    ----------
    epochs : int, optional
        Passes over the training data. None uses the estimator's default.
    batch_size : int, default=64
        Samples per step, over all processes. It cannot exceed the number of images.
    learning_rate : float, optional
        Initial learning rate of Adam, which falls to zero along half a cosine. None uses the
        estimator's default.
    weight_decay : float, optional
        Decoupled weight decay. None uses the estimator's default.
    augmentation : "crop_flip" or callable, optional
        Augmentation of images. ``"crop_flip"`` shifts each image by up to an eighth of its size and
        mirrors half of the images. A callable takes uint8 images (n, 3, height, width) and returns
        images from 0 to 255. It can be a transform of ``torchvision.transforms.v2``, which draws
        its random numbers once for the whole batch.
    precision : {"auto", "float32", "bfloat16", "float16"}, default="auto"
        Precision of convolutions and matrix products. For a network on images, "auto" is bfloat16
        if the hardware runs faster with it. For features, "auto" is float32.
    accumulation : int, default=1
        Number of parts that a batch is split into, to fit into memory.
    checkpoint : path, optional
        Only for a network on images: a file that is written after each epoch. After an
        interruption, the same call resumes from this file and returns exactly the same result. It
        needs an integer as the estimator's `random_state`. ``partial_fit`` does not use the file.
    callbacks : sequence of callable, optional
        Called as ``callback(network, history)`` after each epoch. A callback may write into
        ``history[-1]``, and stops training by returning True (see `zeroshot.callbacks`).
    progress : bool or "auto", default="auto"
        Whether to show a progress bar. "auto" shows one if a network on images trains for longer
        than a few seconds.
    device : str, default="auto"
        Device for training, and for the predictions of a network: ``"auto"`` or a torch device.

    Examples
    --------
    >>> from zeroshot import SJEClassifier, Training
    >>> model = SJEClassifier(training=Training(epochs=5, batch_size=32))
    >>> model.set_params(training__epochs=10)
    SJEClassifier(training=Training(batch_size=32, epochs=10))
    """

    _constraints: ClassVar[Mapping[str, Any]] = {
        "epochs": Maybe(COUNT),
        "batch_size": COUNT,
        "learning_rate": Maybe(Number(above=0)),
        "weight_decay": Maybe(Number(at_least=0)),
        "augmentation": Maybe(Checked(_check_augmentation)),
        "precision": PRECISION,
        "accumulation": COUNT,
        "checkpoint": Maybe(
            Instance(
                str,
                os.PathLike,
                what="the path of a file",
                remedy="Write checkpoint='run.safetensors', for example.",
            )
        ),
        "callbacks": Maybe(Checked(_check_callbacks)),
        "progress": PROGRESS,
        "device": DEVICE,
    }
    _of_the_run = ("callbacks", "checkpoint")

    def __init__(
        self,
        *,
        epochs: int | None = None,
        batch_size: int = 64,
        learning_rate: float | None = None,
        weight_decay: float | None = None,
        augmentation: Any = None,
        precision: str = "auto",
        accumulation: int = 1,
        checkpoint: Any = None,
        callbacks: Sequence[Any] | None = None,
        progress: bool | str = "auto",
        device: str = "auto",
    ) -> None:
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.augmentation = augmentation
        self.precision = precision
        self.accumulation = accumulation
        self.checkpoint = checkpoint
        self.callbacks = callbacks
        self.progress = progress
        self.device = device


@dataclass(frozen=True)
class Defaults:
    """Defaults of an estimator, used where its `Training` has None.

    Parameters
    ----------
    epochs : int
        Passes over the data.
    learning_rate, weight_decay : float
        Learning rate and weight decay of the optimiser.
    """

    epochs: int = 25
    learning_rate: float = 1e-3
    weight_decay: float = 1e-4


trains = moved(Training, to=_PARAMETER, names=Training().get_params())
"""Decorator of the estimators that train: their training parameters are now those of `Training`."""


def fitted_network(n_outputs: str) -> dict[str, Any]:
    """Return the table of the fitted attributes of an estimator that trains.

    Parameters
    ----------
    n_outputs : str
        What the number of the network's outputs is called.
    """
    return {
        "history_": History(),
        "network_": OfImages(Part(sizes={"n_outputs": n_outputs}, has=("n_outputs",))),
        "image_shape_": OfImages(ImageShape()),
    }


class TrainingMixin:
    """Mixin of the estimators that have the parameters ``training`` and ``random_state``."""

    # The state of the optimiser is not saved: a loaded estimator resumes from the weights only.
    _not_saved: ClassVar[tuple[str, ...]] = ("_progress",)

    training: Training | None
    random_state: Any
    network: Any = None

    _constraints: ClassVar[Mapping[str, Any]] = {
        "training": Maybe(Checked(_check_training)),
        "random_state": SEED,
        "network": Maybe(Checked(check_network, outside=is_name)),
        "hidden": Checked(check_hidden),
        "image_size": Maybe(COUNT),
        "init_from": Maybe(Checked(_check_init_from)),
        "warm_start": FLAG,
    }

    def _check_combination(self) -> None:
        super()._check_combination()  # type: ignore[misc]
        owner, training = type(self).__name__, self.training or Training()
        for name in ("augmentation", "checkpoint") if self.network is None else ():
            if getattr(training, name) is not None:
                raise ValueError(
                    f"{owner}: training.{name} is for a network on images, and this is trained on "
                    "features. Leave it out, or pass network= where there is one."
                )
        if training.checkpoint is not None and self.random_state is None:
            raise ValueError(
                f"{owner}: a run with a checkpoint can be resumed only if its seed is known. Pass "
                "random_state=0, or any other integer."
            )

    def _training_defaults(self) -> Defaults:
        """Return the defaults of this estimator, used where `training` has None."""
        return Defaults()

    def set_params(self, **params: Any) -> Self:
        """Set parameters, also those of `training` if it is None.

        Parameters
        ----------
        **params : object
            Parameters by name, such as ``training__epochs=25``.

        Returns
        -------
        self : object
            The estimator.
        """
        nested = any(name.startswith(f"{_PARAMETER}__") for name in params)
        if nested and params.get(_PARAMETER, self.training) is None:
            params = {**params, _PARAMETER: Training()}
        return super().set_params(**params)  # type: ignore[misc]


def resolve_training(estimator: Any) -> Training:
    """Return the training parameters of an estimator, with its defaults in place of None."""
    training = Training() if estimator.training is None else estimator.training
    params = training.get_params(deep=False)
    defaults = asdict(estimator._training_defaults())
    params |= {name: value for name, value in defaults.items() if params[name] is None}
    return Training(**params)


def training_settings(estimator: Any, training: Training, *, images: bool) -> TrainingSettings:
    """Return the settings of the training loop, with a seed drawn from the random state.

    Parameters
    ----------
    estimator : estimator
        An estimator with a `random_state`, from which the seed is drawn.
    training : Training
        The result of `resolve_training`.
    images : bool
        Whether a network on images is trained, rather than layers on features.

    Raises
    ------
    ValueError
        The device or the precision is unknown.
    """
    from zeroshot._utils._device import resolve_device, resolve_precision
    from zeroshot.networks._loop import TrainingSettings

    owner = type(estimator).__name__
    seed = int(check_random_state(estimator.random_state).randint(np.iinfo(np.int32).max))
    device = resolve_device(training.device, owner=owner)
    dtype = resolve_precision(training.precision, device, owner=owner)
    is_auto = training.precision == "auto" and not images
    values = training.get_params(deep=False)
    return TrainingSettings(
        epochs=int(values["epochs"]),
        batch_size=int(values["batch_size"]),
        learning_rate=float(values["learning_rate"]),
        weight_decay=float(values["weight_decay"]),
        accumulation=int(values["accumulation"]),
        seed=seed,
        device=str(device),
        precision="float32" if is_auto else str(dtype).removeprefix("torch."),
        owner=owner,
    )
