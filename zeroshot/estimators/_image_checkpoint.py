"""What a run of training depends on: a checkpoint of another one is refused."""

from __future__ import annotations

import hashlib
import re
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from zeroshot import __version__
from zeroshot.callbacks import EarlyStopping

if TYPE_CHECKING:
    from torch import nn

    from zeroshot._checkpoint import Checkpoint
    from zeroshot.estimators._image_tasks import Task
    from zeroshot.estimators._image_training import Training


def open_checkpoint(
    estimator: Any, training: Training, task: Task, network: nn.Module, trained: nn.Module
) -> Checkpoint | None:
    """Return the checkpoint, which knows what the run depends on; the device is free.

    ``partial_fit`` has none: each call would be another run.
    """
    from zeroshot._checkpoint import WEIGHTS, Checkpoint, checkpoint_path
    from zeroshot._torch import weights_hash

    if estimator.checkpoint is None or training.progress is not None:
        return None
    owner = type(estimator).__name__
    known = {k: str(value) for k, value in asdict(training.settings).items() if k != "device"}
    facts = {
        **known,
        **task.facts,
        "version": __version__,
        "augmentation": _described(estimator.augmentation),
        "images": training.pixels.digest(),
        "labels": hashlib.sha256(np.ascontiguousarray(task.targets).tobytes()).hexdigest(),
        "network": hashlib.sha256(_described(trained).encode()).hexdigest(),
        WEIGHTS: weights_hash(network),
    }
    # Of other callbacks nobody knows what they do; most of them only look.
    stops = [stop for stop in estimator.callbacks or () if isinstance(stop, EarlyStopping)]
    if stops:
        facts["early stopping"] = repr(stops)
    return Checkpoint(checkpoint_path(estimator.checkpoint, owner=owner), facts, owner)


def _described(value: Any) -> str:
    """Return the text of a value without its address, which is another in each process."""
    return re.sub(r" at 0x[0-9a-fA-F]+", "", repr(value))
