"""What a layer inside a network gives, averaged over the cells of a grid."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import nn


class InnerLayer:
    """A network up to one of its layers.

    It shares its weights with the network. A pass ends at the layer: what stands behind it is not
    computed.

    Parameters
    ----------
    module : torch.nn.Module
        A timm network in evaluation mode, on its device.
    name : str
        Path of a layer in it, such as ``"blocks.3"``.
    pool_size : int
        Cells a side that a map is averaged over.
    owner : str
        Who asks, for the messages.

    Raises
    ------
    ValueError
        There is no such layer; those on top are named.
    """

    def __init__(self, module: Any, name: str, pool_size: int, *, owner: str) -> None:
        layers = dict(module.named_modules())
        if not isinstance(name, str) or not name or name not in layers:
            raise ValueError(
                f"{owner}: layer must be a layer of the network, such as "
                f"{', '.join(map(repr, _upper(module)))}, or None for its last features, got "
                f"{name!r}."
            )
        shared = {id(t): t for t in (*module.parameters(), *module.buffers())}
        self.module = copy.deepcopy(module, shared)
        self.module.get_submodule(name).register_forward_hook(_stop)
        self.name = name
        self.pool_size = pool_size
        self.channels_last = getattr(module, "output_fmt", None) == "NHWC"
        self.owner = owner

    def __call__(self, pixels: torch.Tensor) -> torch.Tensor:
        """Return the layer's output for images, of shape (n, n_features).

        Raises
        ------
        ValueError
            The network does not pass through the layer, or it gives neither maps, tokens nor
            vectors, or no maps for more than one cell.
        """
        try:
            self.module(pixels)
        except _Reached as reached:
            return self._pooled(reached.output)
        raise ValueError(
            f"{self.owner}: images do not pass through layer={self.name!r}. Pass another layer."
        )

    def _pooled(self, output: Any) -> torch.Tensor:
        n_axes = output.ndim if isinstance(output, torch.Tensor) else None
        if n_axes == 2 and self.pool_size == 1:
            return output
        if n_axes == 3 and self.pool_size == 1:
            return output.mean(dim=1)  # over tokens
        if n_axes == 4:
            maps = output.movedim(-1, 1) if self.channels_last else output
            # in float32, which a mean of thousands of pixels needs
            return nn.functional.adaptive_avg_pool2d(maps.float(), self.pool_size).flatten(1)
        gives = "no tensor" if n_axes is None else f"shape {tuple(output.shape[1:])} for an image"
        raise ValueError(
            f"{self.owner}: layer={self.name!r} gives {gives}, which pool_size={self.pool_size} "
            "cannot average. Pass pool_size=1, or another layer."
        )


class _Reached(Exception):  # no error: how a pass ends early
    """Carries the output of the layer out of the pass."""

    def __init__(self, output: Any) -> None:
        super().__init__()
        self.output = output


def _stop(module: nn.Module, inputs: Any, output: Any) -> None:
    raise _Reached(output)


def _upper(module: Any) -> list[str]:
    """Return the network's own layers, those of sequences one by one, without its classifier."""
    names = []
    for name, child in module.named_children():
        if child is module.get_classifier():
            continue
        inner = isinstance(child, (nn.Sequential, nn.ModuleList))
        names += [f"{name}.{own}" for own, _ in child.named_children()] if inner else [name]
    return names
