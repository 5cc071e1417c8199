"""Parameters of training, in one object that every estimator that trains takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state

from zeroshot._links import DocLinkMixin
from zeroshot._renamed import moved
from zeroshot._saving import SavedEstimator
from zeroshot._validation import check_number, check_option

if TYPE_CHECKING:
    from zeroshot.networks._loop import TrainingSettings

_PARAMETER = "training"


class Training(DocLinkMixin, SavedEstimator, BaseEstimator):
    """How an estimator trains: how long, how fast, on what device, and what is kept of it.

    `DeViSEClassifier`, `EmbeddingRegressor`, `SoftmaxClassifier`, `FineTuneClassifier`,
    `ALEClassifier` and `SJEClassifier` take it as their parameter ``training``. Each says what it
    does where a value here is None. In a search the parameters are ``training__epochs`` and so on.

    Parameters
    ----------
    epochs : int, optional
        Passes over the data. None is the estimator's own default.
    batch_size : int, default=64
        Samples per step, over all processes. It cannot exceed the number of images.
    learning_rate : float, optional
        Adam's first step size; it falls to zero along half a cosine. None is the estimator's own
        default.
    weight_decay : float, optional
        Decoupled weight decay. None is the estimator's own default.
    augmentation : "crop_flip" or callable, optional
        Of images. ``"crop_flip"`` shifts each image by up to an eighth and mirrors half of them; or
        a callable from uint8 images (n, 3, height, width) to images of 0 to 255, such as a
        transform of ``torchvision.transforms.v2``, which draws once for the whole batch.
    precision : {"auto", "float32", "bfloat16", "float16"}, default="auto"
        Of convolutions and matrix products. For a network on images, "auto" is bfloat16 where the
        hardware gains from it; for features it is float32.
    accumulation : int, default=1
        Into how many parts a batch is cut, to fit into memory.
    checkpoint : path, optional
        Of a network on images: a file that is written after each epoch. After an interruption the
        same call resumes from it, and ends with the very same numbers. It needs an integer as the
        estimator's `random_state`; ``partial_fit`` leaves the file alone.
    callbacks : sequence of callable, optional
        Called as ``callback(network, history)`` after each epoch; may write into ``history[-1]``,
        and stops training by returning True (`zeroshot.callbacks`).
    progress : bool or "auto", default="auto"
        Whether to show a progress bar; "auto" does for a network on images that takes longer than a
        few seconds.
    device : str, default="auto"
        Where to train, and where a network predicts: ``"auto"`` or a torch device.

    Examples
    --------
    >>> from zeroshot import SJEClassifier, Training
    >>> model = SJEClassifier(training=Training(epochs=5, batch_size=32))
    >>> model.set_params(training__epochs=10)
    SJEClassifier(training=Training(batch_size=32, epochs=10))
    """

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
    """What an estimator does where its `Training` has None.

    Parameters
    ----------
    epochs : int
        Passes over the data.
    learning_rate, weight_decay : float
        Of the optimiser.
    """

    epochs: int = 25
    learning_rate: float = 1e-3
    weight_decay: float = 1e-4


trains = moved(Training, to=_PARAMETER, names=Training().get_params())
"""Decorator of the estimators that train: their training parameters are now those of `Training`."""


class TrainingMixin:
    """Mixin of the estimators that have the parameters ``training`` and ``random_state``."""

    # The optimiser's state: a loaded estimator resumes from the weights.
    _not_saved: ClassVar[tuple[str, ...]] = ("_progress",)

    training: Training | None
    random_state: Any

    def _training_defaults(self) -> Defaults:
        """Return what this estimator does where `training` has None."""
        return Defaults()

    def set_params(self, **params: Any) -> Self:
        """Set parameters, those of `training` too where that is None.

        Parameters
        ----------
        **params : object
            By name, such as ``training__epochs=25``.

        Returns
        -------
        self : object
            The estimator.
        """
        nested = any(name.startswith(f"{_PARAMETER}__") for name in params)
        if nested and params.get(_PARAMETER, self.training) is None:
            params = {**params, _PARAMETER: Training()}
        return super().set_params(**params)  # type: ignore[misc]

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()  # type: ignore[misc]
        return tags if getattr(self, "network", None) is None else network_tags(tags)


def network_tags(tags: Any) -> Any:
    """Return the tags of an estimator whose X is images."""
    tags.input_tags.two_d_array = False
    tags.input_tags.string = True
    tags.transformer_tags.preserves_dtype = []
    return tags


def resolve_training(estimator: Any) -> Training:
    """Return the training parameters of an estimator, checked, with its defaults for None.

    Device and precision are checked by `training_settings`, which needs torch.

    Raises
    ------
    TypeError, ValueError
        A parameter is of another type, or out of range.
    """
    owner = type(estimator).__name__
    training = Training() if estimator.training is None else estimator.training
    if not isinstance(training, Training):
        raise TypeError(
            f"{owner}: training must be a Training or None, got {training!r}. Write "
            "training=Training(epochs=25)."
        )
    params = training.get_params(deep=False)
    defaults = asdict(estimator._training_defaults())
    params |= {name: value for name, value in defaults.items() if params[name] is None}
    for name in ("epochs", "batch_size", "accumulation"):
        label = f"{_PARAMETER}.{name}"
        check_number(params[name], owner=owner, name=label, at_least=1, integer=True)
    check_number(params["learning_rate"], owner=owner, name="training.learning_rate", above=0)
    check_number(params["weight_decay"], owner=owner, name="training.weight_decay", at_least=0)
    if params["progress"] not in (True, False, "auto"):
        raise ValueError(
            f"{owner}: training.progress must be True, False or 'auto', got {params['progress']!r}."
        )
    if params["checkpoint"] is not None and estimator.random_state is None:
        raise ValueError(
            f"{owner}: a run with a checkpoint can be resumed only if its seed is known. Pass "
            "random_state=0, or any other integer."
        )
    _check_augmentation(params["augmentation"], owner)
    _check_callbacks(params["callbacks"], owner)
    return Training(**params)


def training_settings(estimator: Any, training: Training, *, images: bool) -> TrainingSettings:
    """Return what the loop needs of the training parameters, the random state made a seed.

    Parameters
    ----------
    estimator : estimator
        With a `random_state`, of which a number is drawn.
    training : Training
        As `resolve_training` returned it.
    images : bool
        Whether a network on images is trained, rather than layers on features.

    Raises
    ------
    ValueError
        The device or the precision is unknown, or a parameter needs images.
    """
    from zeroshot._torch import resolve_device, resolve_precision
    from zeroshot.networks._loop import TrainingSettings

    owner = type(estimator).__name__
    for name in () if images else ("augmentation", "checkpoint"):
        if getattr(training, name) is not None:
            raise ValueError(
                f"{owner}: training.{name} is for a network on images, and this is trained on "
                "features. Leave it out, or pass network= where there is one."
            )
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


def _check_augmentation(augmentation: Any, owner: str) -> None:
    if isinstance(augmentation, str):
        check_option(augmentation, ("crop_flip",), owner=owner, name="training.augmentation")
    elif augmentation is not None and not callable(augmentation):
        raise TypeError(
            f"{owner}: training.augmentation must be None, 'crop_flip', or a callable from uint8 "
            f"images (n, 3, height, width) to images, got {augmentation!r}."
        )


def _check_callbacks(callbacks: Any, owner: str) -> None:
    if callable(callbacks):
        raise TypeError(
            f"{owner}: training.callbacks must be a list of callables, got {callbacks!r} alone. "
            "Write callbacks=[callback]."
        )
    for callback in callbacks or ():
        if not callable(callback):
            raise TypeError(
                f"{owner}: training.callbacks must be callables as callback(network, history), got "
                f"{callback!r}."
            )
