"""Training of a network on images, for the estimators."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from sklearn.frozen import FrozenEstimator

from zeroshot._version import __version__
from zeroshot.callbacks import EarlyStopping
from zeroshot.exceptions import DownloadError
from zeroshot.networks._task import Task
from zeroshot.networks._training import Training, resolve_training, training_settings

if TYPE_CHECKING:
    from torch import Tensor, nn

    from zeroshot.networks._checkpoint import Checkpoint, Progress
    from zeroshot.networks._image_network import ImageNetwork
    from zeroshot.networks._loop import Rows, TrainingSettings
    from zeroshot.networks._pixels import Pixels

Augmentation = Callable[["Tensor"], "Tensor"]

_SAMPLE = 2000  # images from which the mean and the deviation of the channels are computed
_PREDICT_BATCH = 256


@dataclass(frozen=True)
class ImageRows:
    """Images and their targets, one batch at a time."""

    pixels: Pixels
    targets: Tensor
    augmentation: Augmentation | None

    def __len__(self) -> int:
        return len(self.pixels)

    def batch(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Return images, (n_rows, 3, height, width), and targets."""
        images = self.pixels.batch(rows.numpy())
        return self.augmentation(images) if self.augmentation else images, self.targets[rows]


@dataclass(frozen=True)
class Run:
    """Checked parameters and resized images for one call of ``fit``."""

    training: Training
    settings: TrainingSettings
    progress: Progress | None
    pixels: Pixels


def fit_network(estimator: Any, X: Any, task: Task, *, one_more: bool = False) -> None:
    """Train the network of `estimator`, and set its fitted attributes.

    Parameters
    ----------
    estimator : estimator
        An estimator with the parameter ``training``, which is checked here. Its attributes
        ``network_``, ``history_`` and ``image_shape_`` are set.
    X : sequence of images
        As `check_images` returns them.
    task : Task
        What to learn.
    one_more : bool, default=False
        Train one more epoch, at a constant learning rate, instead of all epochs.
    """
    run = open_run(estimator, X, one_more=one_more)
    network = _network(estimator, task, run, one_more)
    run_training(estimator, run, network, task)


def open_run(estimator: Any, X: Any, *, resize: int | None = None, one_more: bool = False) -> Run:
    """Check the parameters of training, and resize the images to one size.

    Parameters
    ----------
    estimator : estimator
        With the parameter ``training``.
    X : sequence of images
        As `check_images` returns them.
    resize : int, optional
        Length to which the shorter side of the images is resized; ``image_size`` if None.
    one_more : bool, default=False
        Train for one epoch more than the estimator has been trained for so far.
    """
    from zeroshot.networks._pixels import open_pixels

    owner = type(estimator).__name__
    training = resolve_training(estimator)
    settings = training_settings(estimator, training, images=True)
    progress = _progress(estimator) if one_more else None
    if progress is not None:
        settings = replace(settings, epochs=len(progress.history) + 1, schedule="constant")
    pixels = open_pixels(X, image_size=estimator.image_size, resize=resize, owner=owner)
    if settings.batch_size > len(pixels):
        raise ValueError(
            f"{owner}: training.batch_size={settings.batch_size}, but there are only {len(pixels)} "
            f"images. Write training=Training(batch_size={len(pixels)}), or fewer."
        )
    return Run(training, settings, progress, pixels)


def run_training(
    estimator: Any,
    run: Run,
    network: ImageNetwork,
    task: Task,
    *,
    part: tuple[nn.Module, Rows] | None = None,
) -> None:
    """Train `network`, and set the fitted attributes of `estimator`.

    Parameters
    ----------
    estimator : estimator
        With the parameter ``training``.
    run : Run
        The run that `open_run` returned.
    network : ImageNetwork
        The network, which is trained in place.
    task : Task
        What to learn.
    part : pair of nn.Module and Rows, optional
        The part of the network that is trained, and its inputs for the images.
    """
    from zeroshot.networks._loop import train

    augmentation = _augmentation(run.training.augmentation, owner=type(estimator).__name__)
    trained, rows = part or (network, image_rows(run.pixels, task, augmentation))
    progress = train(
        trained,
        task.objective,
        rows,
        run.settings,
        metric=task.metric,
        callbacks=[_on_images(callback, network) for callback in run.training.callbacks or ()],
        checkpoint=_open_checkpoint(run, task, network, trained),
        progress=run.progress,
        bar=run.training.progress,
    )
    estimator.image_shape_ = tuple(int(side) for side in run.pixels.shape)
    estimator.network_, estimator.history_ = network.eval(), progress.history
    estimator._progress = progress


def run_network(estimator: Any, X: Any, *, features: bool = False) -> np.ndarray:
    """Return the outputs of the trained network, or the inputs of its last layer, in float32.

    Raises
    ------
    ValueError
        The images differ in size from those of ``fit``, and ``image_size`` is None.
    """
    import torch

    from zeroshot._utils._device import (
        autocast,
        resolve_device,
        resolve_precision,
        to_device,
        to_numpy,
    )
    from zeroshot.networks._pixels import open_pixels

    owner = type(estimator).__name__
    resize = getattr(estimator, "resize", None)
    pixels = open_pixels(X, image_size=estimator.image_size, resize=resize, owner=owner)
    if tuple(pixels.shape) != tuple(estimator.image_shape_):
        raise ValueError(
            f"{owner}: X has images of {pixels.shape[1]} x {pixels.shape[0]} pixels, and fit saw "
            f"{estimator.image_shape_[1]} x {estimator.image_shape_[0]}. Pass image_size= to the "
            "constructor to bring all to one size."
        )
    training = estimator.training or Training()
    device = resolve_device(training.device, owner=owner)
    dtype = resolve_precision(training.precision, device, owner=owner)
    network = estimator.network_.to(device).eval()
    parts = []
    with torch.inference_mode():
        for start in range(0, len(pixels), _PREDICT_BATCH):
            rows = np.arange(start, min(start + _PREDICT_BATCH, len(pixels)))
            images = to_device(pixels.batch(rows), device)
            with autocast(device, dtype):
                outputs = network.penultimate(images).float()
            # Outside of autocast: predictions are ranked by these numbers, and bfloat16 has only
            # eight bits.
            parts.append(to_numpy(outputs if features else network.head[-1](outputs)))
    return np.concatenate(parts)


def _progress(estimator: Any) -> Progress:
    """Return the progress of an estimator's training, also if a callback stopped it."""
    from zeroshot.networks._checkpoint import Progress

    known = getattr(estimator, "_progress", None)
    if known is not None:
        return Progress(known.history, known.optimizer)
    # A loaded estimator has no optimiser state.
    return Progress(list(estimator.history_)) if hasattr(estimator, "network_") else Progress()


def _network(estimator: Any, task: Task, run: Run, one_more: bool) -> ImageNetwork:
    from zeroshot.networks._image_network import ImageNetwork
    from zeroshot.networks._loop import zero_unused

    owner = type(estimator).__name__
    known = getattr(estimator, "network_", None)
    if known is not None and (one_more or estimator.warm_start):
        if known.n_outputs != task.n_outputs:
            raise ValueError(
                f"{owner}: the network has {known.n_outputs} outputs, and now {task.n_outputs} are "
                "asked for. Fit anew with warm_start=False."
            )
        if not one_more:
            _check_same_network(estimator, known, task, owner)
        return known
    mean, std = scaling(estimator.network, run.pixels)
    try:
        network = ImageNetwork(
            estimator.network,
            task.n_outputs,
            hidden=task.hidden,
            mean=mean,
            std=std,
            image_shape=run.pixels.shape,
            seed=run.settings.seed,
            owner=owner,
        )
    except DownloadError as error:
        raise DownloadError(
            f"{error} As network=, without such a parameter, pass a module, untrained or with its "
            "weights: timm.create_model(name, num_classes=0)."
        ) from error
    if task.used is not None:
        zero_unused(cast("nn.Linear", network.head[-1]), task.used)
    if estimator.init_from is not None:
        _copy_backbone(estimator.init_from, network, owner)
    return network


def _check_same_network(estimator: Any, known: ImageNetwork, task: Task, owner: str) -> None:
    """Raise if a warm start would train a different network from the one in the parameters."""
    asked, kept = estimator.network, known.network
    same = asked == kept if isinstance(asked, str) else type(asked) is type(known.backbone)
    if not same or task.hidden != known.hidden:
        raise ValueError(
            f"{owner}: warm_start goes on with the network of the fit before, which has "
            f"network={kept if isinstance(kept, str) else type(kept).__name__} and "
            f"hidden={known.hidden}, and now network="
            f"{asked if isinstance(asked, str) else type(asked).__name__} and hidden={task.hidden} "
            "are asked for. Fit anew with warm_start=False."
        )


def _copy_backbone(source: Any, network: ImageNetwork, owner: str) -> None:
    """Start from the backbone and the image scaling of a fitted estimator."""
    if isinstance(source, FrozenEstimator):
        source = source.estimator
    theirs: Any = source.network_
    try:
        network.backbone.load_state_dict(theirs.backbone.state_dict())
    except RuntimeError as error:
        raise ValueError(
            f"{owner}: the network of init_from is not this one ({str(error)[:200]}). Give both "
            "the same network=."
        ) from error
    network.mean, network.std = list(theirs.mean), list(theirs.std)
    network.scale.copy_(theirs.scale)
    network.shift.copy_(theirs.shift)


def scaling(network: Any, pixels: Pixels) -> tuple[list[float] | None, list[float] | None]:
    """Return mean and deviation of the channels, or None for both if the network has its own."""
    from zeroshot.networks._image_network import channel_statistics

    if isinstance(network, str) and network.startswith("timm:"):
        return None, None
    rows = np.linspace(0, len(pixels) - 1, min(len(pixels), _SAMPLE)).astype(int)
    return channel_statistics(pixels.batch(rows).numpy())


def image_rows(pixels: Pixels, task: Task, augmentation: Augmentation | None) -> ImageRows:
    """Return images and their targets, which are augmented batch by batch."""
    import torch

    return ImageRows(pixels, torch.from_numpy(task.targets), augmentation)


def _augmentation(augmentation: Any, *, owner: str) -> Augmentation | None:
    from zeroshot.networks._augmentation import check_augmented, crop_and_flip

    if augmentation is None or isinstance(augmentation, str):
        return None if augmentation is None else crop_and_flip
    return lambda images: check_augmented(images, augmentation(images), owner=owner)


def _on_images(callback: Any, network: nn.Module) -> Any:
    """Pass the whole network to a callback if only a part of it is trained."""

    def call(_: nn.Module, history: list[dict[str, float]]) -> Any:
        return callback(network.eval(), history)

    return call


def _open_checkpoint(
    run: Run, task: Task, network: nn.Module, trained: nn.Module
) -> Checkpoint | None:
    """Return the checkpoint, with everything that the run depends on except the device.

    ``partial_fit`` has no checkpoint, because each call would be another run.
    """
    from zeroshot._utils._device import weights_hash
    from zeroshot.networks._checkpoint import WEIGHTS, Checkpoint, checkpoint_path

    if run.training.checkpoint is None or run.progress is not None:
        return None
    owner = run.settings.owner
    known = {k: str(value) for k, value in asdict(run.settings).items() if k != "device"}
    facts = {
        **known,
        **task.facts,
        "version": __version__,
        "augmentation": _described(run.training.augmentation),
        "images": run.pixels.digest(),
        "labels": hashlib.sha256(np.ascontiguousarray(task.targets).tobytes()).hexdigest(),
        "network": hashlib.sha256(_described(trained).encode()).hexdigest(),
        WEIGHTS: weights_hash(network),
    }
    # Other callbacks are opaque; most of them only look.
    stops = [stop for stop in run.training.callbacks or () if isinstance(stop, EarlyStopping)]
    if stops:
        facts["early stopping"] = repr(stops)
    return Checkpoint(checkpoint_path(run.training.checkpoint, owner=owner), facts, owner)


def _described(value: Any) -> str:
    """Return the text of a value without its memory address, which differs between processes."""
    return re.sub(r" at 0x[0-9a-fA-F]+", "", repr(value))
