"""What estimators that train a network on images share."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.frozen import FrozenEstimator
from sklearn.utils.validation import check_consistent_length, column_or_1d

from zeroshot import __version__
from zeroshot._validation import (
    check_flag,
    check_labels,
    check_missing_labels,
    check_number,
    check_option,
    check_same_kind,
)
from zeroshot.estimators._map import training_settings

if TYPE_CHECKING:
    from torch import Tensor, nn

    from zeroshot._checkpoint import Checkpoint, Progress
    from zeroshot._training import TrainingSettings
    from zeroshot.backbones._image_network import ImageNetwork
    from zeroshot.backbones._pixels import Pixels

_SAMPLE = 2000  # images that the channels' mean and deviation are taken from
_PREDICT_BATCH = 256


@dataclass(frozen=True)
class ImageRows:
    """Images and their targets, a batch at a time."""

    pixels: Pixels
    targets: Tensor
    augmentation: Callable[[Tensor], Tensor] | None

    def __len__(self) -> int:
        return len(self.pixels)

    def batch(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Return images, (n_rows, 3, height, width), and targets."""
        images = self.pixels.batch(rows.numpy())
        return self.augmentation(images) if self.augmentation else images, self.targets[rows]


@dataclass(frozen=True)
class Task:
    """What a network is to learn.

    Attributes
    ----------
    n_outputs : int
        Width of the outputs.
    hidden : tuple of int
        Widths of the layers before them.
    targets : ndarray of shape (n_samples, ...)
        What the objective takes.
    objective : callable
        ``objective(outputs, targets)``, a scalar to make small.
    metric : callable or None
        ``metric(outputs, targets)``, to watch.
    facts : dict of str to str
        What the objective depends on, for checkpoints.
    """

    n_outputs: int
    hidden: tuple[int, ...]
    targets: np.ndarray
    objective: Callable[[Tensor, Tensor], Tensor]
    metric: Callable[[Tensor, Tensor], Tensor] | None
    facts: dict[str, str]


def check_network_fit(X: Any, y: Any, *, owner: str) -> tuple[Any, Any]:
    """Return images and labels, as many of the one as of the other.

    Raises
    ------
    TypeError, ValueError
        X is no list of images, or lengths differ.
    """
    y = column_or_1d(check_missing_labels(y, owner=owner))
    return check_image_list(X, y, owner=owner), check_labels(y, owner=owner, name="y")


def check_image_list(X: Any, y: Any, *, owner: str) -> Any:
    """Return images, of which there are as many as of `y`."""
    from zeroshot.backbones._images import check_images

    X = check_images(X, owner=owner)
    check_consistent_length(X, y)
    return X


def find_labels(y: np.ndarray, classes: np.ndarray, *, owner: str) -> np.ndarray:
    """Return the positions of labels in sorted classes.

    Raises
    ------
    ValueError
        Some are not among them.
    """
    check_same_kind(y, classes, owner=owner, names=("y", "the classes of the first call"))
    unknown = np.setdiff1d(y, classes)
    if len(unknown):
        raise ValueError(
            f"{owner}: y has {len(unknown)} labels that the first call did not know "
            f"({', '.join(map(repr, unknown[:10].tolist()))}). Name all in the first call: "
            "partial_fit(X, y, classes=labels)."
        )
    return np.searchsorted(classes, y)


def vector_task(
    positions: np.ndarray,
    class_vectors: np.ndarray,
    hidden: tuple[int, ...],
    loss: nn.Module,
    about: dict[str, Any],
    *,
    unit_vectors: bool,
) -> Task:
    """Return the task of mapping images to the vectors of their classes.

    Parameters
    ----------
    positions : ndarray of shape (n_samples,)
        Of each sample's class.
    class_vectors : ndarray of shape (n_classes, n_dims)
        Where outputs should lie.
    hidden : tuple of int
        Widths of the layers before the outputs.
    loss : nn.Module
        One of `zeroshot.losses`.
    about : dict
        What the loss is, for checkpoints.
    unit_vectors : bool
        Whether the class with the largest inner product is the answer, rather than the nearest.
    """
    import torch

    wanted = torch.from_numpy(class_vectors.astype(np.float32))
    # The nearest vector has the largest x.s - |s|^2 / 2.
    offset = torch.zeros(len(wanted)) if unit_vectors else -wanted.square().sum(dim=1) / 2

    def objective(outputs: Tensor, rows: Tensor) -> Tensor:
        return loss(outputs, rows, wanted.to(outputs.device))

    def metric(outputs: Tensor, rows: Tensor) -> Tensor:
        vectors = wanted.to(outputs.device)
        answers = (outputs @ vectors.T + offset.to(outputs.device)).argmax(dim=1)
        return (answers == rows).float().mean()

    digest = hashlib.sha256(wanted.numpy().tobytes()).hexdigest()
    facts = {name: str(value) for name, value in {**about, "hidden": hidden}.items()}
    facts["label vectors"] = digest
    n_outputs = class_vectors.shape[1]
    return Task(n_outputs, hidden, positions.astype(np.int64), objective, metric, facts)


def fit_network(
    estimator: Any,
    X: Any,
    task: Task,
    *,
    one_more: bool = False,
    network: ImageNetwork | None = None,
    resize: int | None = None,
) -> None:
    """Train the network of `estimator`, and set its fitted attributes.

    Parameters
    ----------
    estimator : estimator
        With the parameters of training, checked here. ``network_``, ``history_`` and
        ``image_shape_`` are set.
    X : sequence of images
        As `check_network_fit` returns them.
    task : Task
        What to learn.
    one_more : bool, default=False
        Train one epoch more, at a constant rate, rather than all of them.
    network : ImageNetwork, optional
        Made already; that of the parameters if None.
    resize : int, optional
        To what the shorter side of the images is brought.
    """
    from zeroshot._training import train
    from zeroshot.backbones._pixels import open_pixels

    owner = type(estimator).__name__
    settings, progress = _settings(estimator, one_more)
    pixels = open_pixels(X, image_size=estimator.image_size, resize=resize, owner=owner)
    if settings.batch_size > len(pixels):
        raise ValueError(
            f"{owner}: batch_size={settings.batch_size}, but there are only {len(pixels)} images. "
            f"Pass batch_size={len(pixels)} or fewer."
        )
    if network is None:
        network = _network(estimator, task, pixels, settings.seed, one_more)
    estimator.image_shape_ = tuple(int(side) for side in pixels.shape)
    progress = train(
        network,
        task.objective,
        _rows(estimator, pixels, task),
        settings,
        metric=task.metric,
        callbacks=_callbacks(estimator, owner),
        checkpoint=_checkpoint(estimator, settings, task, pixels, network),
        progress=progress,
        bar=estimator.progress,
    )
    estimator.network_, estimator.history_ = network, progress.history
    estimator._progress = progress


def run_network(estimator: Any, X: Any, *, features: bool = False) -> np.ndarray:
    """Return the outputs of the trained network, or what its last layer takes, in float32.

    Raises
    ------
    ValueError
        Images are of another size than those of ``fit``, and ``image_size`` is None.
    """
    import torch

    from zeroshot._torch import autocast, resolve_device, resolve_precision, to_numpy
    from zeroshot.backbones._pixels import open_pixels

    owner = type(estimator).__name__
    resize = getattr(estimator, "resize", None)
    pixels = open_pixels(X, image_size=estimator.image_size, resize=resize, owner=owner)
    if tuple(pixels.shape) != tuple(estimator.image_shape_):
        raise ValueError(
            f"{owner}: X has images of {pixels.shape[1]} x {pixels.shape[0]} pixels, and fit saw "
            f"{estimator.image_shape_[1]} x {estimator.image_shape_[0]}. Pass image_size= to the "
            "constructor to bring all to one size."
        )
    device = resolve_device(estimator.device, owner=owner)
    dtype = resolve_precision(estimator.precision, device, owner=owner)
    network = estimator.network_.to(device).eval()
    compute = network.penultimate if features else network
    parts = []
    with torch.inference_mode():
        for start in range(0, len(pixels), _PREDICT_BATCH):
            rows = np.arange(start, min(start + _PREDICT_BATCH, len(pixels)))
            images = pixels.batch(rows).to(device, non_blocking=True)
            with autocast(device, dtype):
                outputs = compute(images)
            parts.append(to_numpy(outputs.float()))
    return np.concatenate(parts)


def network_tags(tags: Any) -> Any:
    """Return the tags of an estimator whose X is images."""
    tags.input_tags.two_d_array = False
    tags.input_tags.string = True
    tags.transformer_tags.preserves_dtype = []
    return tags


def check_classes(classes: np.ndarray, *, owner: str) -> None:
    """Raise where there is nothing to tell apart.

    Raises
    ------
    ValueError
        There is a single class.
    """
    if len(classes) < 2:
        raise ValueError(
            f"{owner}: y holds one class only, {classes[0]!r}. A network learns to tell classes "
            "apart: pass images of at least two."
        )


def _settings(estimator: Any, one_more: bool) -> tuple[TrainingSettings, Progress | None]:
    import torch

    from zeroshot._torch import resolve_precision

    owner = type(estimator).__name__
    check_number(estimator.accumulation, owner=owner, name="accumulation", at_least=1, integer=True)
    if estimator.image_size is not None:
        check_number(estimator.image_size, owner=owner, name="image_size", at_least=1, integer=True)
    check_flag(estimator.warm_start, owner=owner, name="warm_start")
    if estimator.progress not in (True, False, "auto"):
        raise ValueError(
            f"{owner}: progress must be True, False or 'auto', got {estimator.progress!r}."
        )
    if estimator.checkpoint is not None and estimator.random_state is None:
        raise ValueError(
            f"{owner}: a run with a checkpoint can be gone on from only if its seed is known. Pass "
            "random_state=0, or any other integer."
        )
    settings = training_settings(estimator)
    dtype = resolve_precision(estimator.precision, torch.device(settings.device), owner=owner)
    settings = replace(
        settings,
        precision=str(dtype).removeprefix("torch."),
        accumulation=int(estimator.accumulation),
    )
    if not one_more:
        return settings, None
    progress = getattr(estimator, "_progress", None)
    done = len(progress.history) if progress else 0
    return replace(settings, epochs=done + 1, schedule="constant"), progress


def _network(estimator: Any, task: Task, pixels: Pixels, seed: int, one_more: bool) -> ImageNetwork:
    from zeroshot.backbones._image_network import ImageNetwork, channel_statistics

    owner = type(estimator).__name__
    known = getattr(estimator, "network_", None)
    if known is not None and (one_more or estimator.warm_start):
        if known.n_outputs != task.n_outputs:
            raise ValueError(
                f"{owner}: the network has {known.n_outputs} outputs, and now {task.n_outputs} are "
                "asked for. Fit anew with warm_start=False."
            )
        return known
    sample = pixels.batch(np.linspace(0, len(pixels) - 1, min(len(pixels), _SAMPLE)).astype(int))
    is_timm = isinstance(estimator.network, str) and estimator.network.startswith("timm:")
    mean, std = (None, None) if is_timm else channel_statistics(sample.numpy())
    network = ImageNetwork(
        estimator.network,
        task.n_outputs,
        hidden=task.hidden,
        mean=mean,
        std=std,
        seed=seed,
        owner=owner,
    )
    if estimator.init_from is not None:
        _copy_backbone(estimator.init_from, network, owner)
    return network


def _copy_backbone(source: Any, network: ImageNetwork, owner: str) -> None:
    """Start from the backbone, and the scaling of the images, of a fitted estimator."""
    if isinstance(source, FrozenEstimator):
        source = source.estimator
    theirs: Any = getattr(source, "network_", None)
    if theirs is None:
        raise ValueError(
            f"{owner}: init_from must be a fitted estimator with a network_, got {source!r}. Fit "
            "it first; where this estimator is cloned, as in a search or in cross-validation, wrap "
            "it: FrozenEstimator(fitted)."
        )
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


def _rows(estimator: Any, pixels: Pixels, task: Task) -> ImageRows:
    import torch

    from zeroshot.backbones._augmentation import crop_and_flip

    augmentation = estimator.augmentation
    if isinstance(augmentation, str):
        check_option(
            augmentation, ("crop_flip",), owner=type(estimator).__name__, name="augmentation"
        )
        augmentation = crop_and_flip
    elif augmentation is not None and not callable(augmentation):
        raise TypeError(
            f"{type(estimator).__name__}: augmentation must be None, 'crop_flip', or a callable "
            f"from uint8 images (n, 3, height, width) to images, got {augmentation!r}."
        )
    return ImageRows(pixels, torch.from_numpy(task.targets), augmentation)


def _callbacks(estimator: Any, owner: str) -> tuple[Any, ...]:
    callbacks = tuple(estimator.callbacks or ())
    for callback in callbacks:
        if not callable(callback):
            raise TypeError(
                f"{owner}: callbacks must be callables as callback(network, history), got "
                f"{callback!r}."
            )
    return callbacks


def _checkpoint(
    estimator: Any, settings: TrainingSettings, task: Task, pixels: Pixels, network: nn.Module
) -> Checkpoint | None:
    """Return the checkpoint, which knows what the run depends on; the device is free."""
    from zeroshot._checkpoint import Checkpoint, checkpoint_path
    from zeroshot._torch import weights_hash

    if estimator.checkpoint is None:
        return None
    owner = type(estimator).__name__
    known = {name: str(value) for name, value in asdict(settings).items() if name != "device"}
    facts = {
        **known,
        **task.facts,
        "version": __version__,
        "augmentation": repr(estimator.augmentation),
        "images": pixels.digest(),
        "labels": hashlib.sha256(np.ascontiguousarray(task.targets).tobytes()).hexdigest(),
        "network": hashlib.sha256(str(network).encode()).hexdigest(),
        "initial weights": weights_hash(network),
    }
    return Checkpoint(checkpoint_path(estimator.checkpoint, owner=owner), facts, owner)
