"""Stages of a network: their names, freezing, and cached outputs of frozen stages."""

from __future__ import annotations

import copy
import os
import re
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from timm.models import group_parameters
from torch import Tensor, nn

from zeroshot._utils._device import autocast, resolve_device, to_device
from zeroshot.networks._image_network import ImageNetwork
from zeroshot.networks._loop import TensorRows, TrainingSettings
from zeroshot.networks._pixels import MEMORY, Pixels

HEAD = "head"
ALL = "all"
_TOLERANCE = 1e-4
_BATCH = 64
_SAMPLE = 2


def stages(backbone: nn.Module) -> dict[str, list[str]]:
    """Return the stages of a network in order, and the parameters of each.

    For timm models, the stages are timm's own groups, such as ``"stem"``, ``"layer1"`` or
    ``"blocks.5"``. For any other module, they are its children. If a network without a classifier
    still has part of a head, such as a final normalisation, that part belongs to its last stage.
    """
    named = _groups(backbone)
    if HEAD in named and len(named) > 1:
        rest = named.pop(HEAD)
        named[list(named)[-1]] += rest
    return named


def _groups(backbone: nn.Module) -> dict[str, list[str]]:
    named: dict[str, list[str]] = {}
    matcher = getattr(backbone, "group_matcher", None)
    try:
        patterns = None if matcher is None else matcher(coarse=True)
    except AssertionError:  # timm raises this if it has no groups for a network
        patterns = None
    if patterns is None:
        for name, _ in backbone.named_parameters():
            named.setdefault(name.partition(".")[0], []).append(name)
        return named
    for _, names in sorted(group_parameters(backbone, patterns).items()):
        wanted = (_stage_name(patterns, names), names[0].partition(".")[0])
        free = [name for name in wanted if name not in named]
        named[free[0] if free else f"{wanted[0]}.{len(named)}"] = names
    return named


def _stage_name(patterns: Any, parameters: list[str]) -> str:
    """Return timm's name of a group: the part of a path that a pattern matches, or its key."""
    if callable(patterns):  # a function of a parameter's name: use the path that all of them share
        shared = os.path.commonprefix([name.split(".")[:-1] for name in parameters])
        return ".".join(shared) or parameters[0].partition(".")[0]
    for key, pattern in patterns.items():
        for entry in pattern if isinstance(pattern, (list, tuple)) else [pattern]:
            expression = entry[0] if isinstance(entry, (list, tuple)) else entry
            match = re.match(expression, parameters[0])
            if match:
                return match.group(0) if match.groups() else key
    return parameters[0].partition(".")[0]


def freeze_before(network: ImageNetwork, stage: str | None, *, owner: str) -> str:
    """Freeze the backbone up to a stage, including the statistics of batch normalisation.

    Parameters
    ----------
    network : ImageNetwork
        The network, which is changed in place.
    stage : str or None
        The first stage that is trained, ``"head"`` or ``"all"``. None is the last stage of the
        backbone.
    owner : str
        Who asks, for the messages.

    Returns
    -------
    str
        The stage's name.

    Raises
    ------
    ValueError
        There is no such stage. The message lists the stages of the network.
    """
    known = stages(network.backbone)
    stage = list(known)[-1] if stage is None else stage
    if stage not in (*known, HEAD, ALL):
        raise ValueError(
            f"{owner}: trainable_from must be one of {', '.join(map(repr, known))}, 'head' or "
            f"'all', or None for the last before the head, got {stage!r}."
        )
    before = {ALL: 0, HEAD: len(known)}.get(stage)
    before = list(known).index(stage) if before is None else before
    parameters = dict(network.backbone.named_parameters())
    for names in list(known.values())[:before]:
        for name in names:
            parameters[name].requires_grad_(False)
    network.frozen = tuple(_frozen_modules(network.backbone))
    network.train(network.training)
    return stage


def _frozen_modules(module: nn.Module, path: str = "") -> Iterator[str]:
    """Yield the outermost modules that have parameters and are entirely frozen."""
    for name, child in module.named_children():
        weights = list(child.parameters())
        inner = f"{path}{name}"
        if weights and not any(weight.requires_grad for weight in weights):
            yield inner
        else:
            yield from _frozen_modules(child, f"{inner}.")


def split(network: ImageNetwork, stage: str, sample: Tensor) -> nn.Module | None:
    """Return the trained part of a network, which takes the outputs of the frozen stages.

    It shares its weights with `network`. The frozen modules are assumed to come before the stage.
    This is accepted only if the outputs for some images do not change.

    Parameters
    ----------
    network : ImageNetwork
        A network that is frozen up to `stage`, on its device.
    stage : str
        As `freeze_before` returned it.
    sample : Tensor of shape (n, 3, height, width)
        Some images.

    Returns
    -------
    nn.Module or None
        None if the frozen stages cannot be separated.
    """
    if stage == HEAD:
        return network.head
    if not network.frozen or not _has_module(network.backbone, stage):
        return None
    shared = {id(t): t for t in (*network.backbone.parameters(), *network.backbone.buffers())}
    tail = copy.deepcopy(network.backbone, shared)
    for path in network.frozen:
        parent, _, name = path.rpartition(".")
        setattr(tail.get_submodule(parent), name, nn.Identity())
    for name, child in tail.named_children():
        if name not in {path.partition(".")[0] for path in (stage, *network.frozen)}:
            _drop_if_before(tail, name, child, network.backbone, stage)
    part = nn.Sequential(tail, network.head)
    was_training = network.training
    network.eval()
    part.eval()
    try:
        with torch.inference_mode():
            wanted, got = network(sample), part(entering(network, stage, sample))
        same = wanted.shape == got.shape and torch.allclose(wanted, got, atol=_TOLERANCE)
    except (RuntimeError, TypeError, ValueError, AttributeError, IndexError):
        return None
    finally:
        network.train(was_training)
    return part if same else None


def _drop_if_before(
    tail: nn.Module, name: str, child: nn.Module, backbone: nn.Module, stage: str
) -> None:
    """Remove a child without weights that comes before the stage, such as a pooling layer."""
    names = [own for own, _ in backbone.named_children()]
    before = names.index(name) < names.index(stage.partition(".")[0])
    if before and not list(child.parameters()):
        setattr(tail, name, nn.Identity())


def entering(network: ImageNetwork, stage: str, images: Tensor) -> Tensor:
    """Return the inputs of a stage, for images of shape (n, 3, height, width)."""
    if stage == HEAD:
        return network.features(images)
    caught: list[Tensor] = []
    module = network.backbone.get_submodule(stage)
    handle = module.register_forward_pre_hook(lambda _, inputs: caught.append(inputs[0]))
    try:
        network.features(images)
    finally:
        handle.remove()
    return caught[0]


def _has_module(backbone: nn.Module, path: str) -> bool:
    return path in dict(backbone.named_modules())


def outputs_of(
    network: ImageNetwork,
    compute: Callable[[Tensor], Tensor],
    pixels: Pixels,
    settings: TrainingSettings,
) -> Tensor:
    """Return the outputs of `compute`, a part of `network`, for all images: float32, on the CPU."""
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
    """Return the trained part of a network, and the outputs of the frozen stages.

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
        Settings with the device and the precision.

    Returns
    -------
    pair of nn.Module and TensorRows, or None
        None if nothing is frozen, if the stages cannot be separated, or if the outputs of the
        frozen stages exceed `MEMORY`.
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
