"""What the frozen stages of a network give for images: computed once, and trained on."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from zeroshot._torch import autocast, resolve_device, to_device
from zeroshot._training import TensorRows, TrainingSettings
from zeroshot.backbones._image_network import ImageNetwork
from zeroshot.backbones._pixels import MEMORY, Pixels
from zeroshot.backbones._stages import entering, split

_BATCH = 64
_SAMPLE = 2


def outputs_of(
    network: ImageNetwork,
    compute: Callable[[Tensor], Tensor],
    pixels: Pixels,
    settings: TrainingSettings,
) -> Tensor:
    """Return what `compute`, a part of `network`, gives for all images: float32, on the CPU."""
    device = resolve_device(settings.device)
    network.to(device)
    was_training = network.training
    network.eval()
    parts = []
    with torch.no_grad():
        for start in range(0, len(pixels), _BATCH):
            images = pixels.batch(np.arange(start, min(start + _BATCH, len(pixels))))
            with autocast(device, getattr(torch, settings.precision)):
                parts.append(compute(to_device(images, device)).float().cpu())
    network.train(was_training)
    return torch.cat(parts)


def trained_part(
    network: ImageNetwork,
    stage: str,
    pixels: Pixels,
    targets: np.ndarray,
    settings: TrainingSettings,
) -> tuple[nn.Module, TensorRows] | None:
    """Return the part of a network that is trained, and what the frozen stages give it.

    Parameters
    ----------
    network : ImageNetwork
        Frozen up to `stage`.
    stage : str
        As `freeze_before` returned it.
    pixels : Pixels
        The images.
    targets : ndarray of shape (n_samples,)
        Their targets.
    settings : TrainingSettings
        Where, and in what precision.

    Returns
    -------
    pair of nn.Module and TensorRows, or None
        None where nothing is frozen, the stages cannot be told apart, or what the frozen ones
        give exceeds `MEMORY`.
    """
    network.to(resolve_device(settings.device))
    sample = pixels.batch(np.arange(min(_SAMPLE, len(pixels)))).to(network.scale.device)
    part = split(network, stage, sample)
    if part is None:
        return None
    with torch.no_grad():
        one = entering(network.eval(), stage, sample)[:1]
    if one.numel() * 4 * len(pixels) > MEMORY:
        return None
    inputs = outputs_of(network, lambda images: entering(network, stage, images), pixels, settings)
    return part, TensorRows(inputs, torch.from_numpy(targets))
