"""Torch modules that describe themselves to `save`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Self

import numpy as np
import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from zeroshot._utils._device import to_numpy
from zeroshot._utils._fitted import InvalidStateError, Sizes
from zeroshot._utils._saving import Config, parameters_of


class SavedModule(nn.Module):
    """Base of the networks that can be saved.

    If a part is a parameter of the constructor, such as a backbone without a name, it brings its
    own weights.
    """

    def to_config(self) -> Config:
        """Return the constructor's parameters, and the weights by name."""
        return Config(parameters_of(self), self.weight_arrays())

    @classmethod
    def from_config(cls, config: Config) -> Self:
        """Return the network that `to_config` described, in evaluation mode.

        Parameters
        ----------
        config : Config
            Read from a file, so nothing in it is trusted.

        Raises
        ------
        ValueError
            The weights are not those of this network, or not finite.
        """
        with without_memory():  # whatever sizes a file announces
            network = cls(**config.params)
        check_weight_arrays(network.state_dict(), config.attributes, owner=cls.__name__)
        set_weights(network, config.attributes)
        return network.eval()

    @classmethod
    def _check_together(cls, values: Mapping[str, Any], sizes: Sizes) -> None:
        if "n_outputs" in values:
            sizes["n_outputs"] = values["n_outputs"]

    def weight_arrays(self) -> dict[str, np.ndarray]:
        """Return the weights by name, without those of a part that is a parameter."""
        return {name: to_numpy(value) for name, value in self._own_weights().items()}

    def _own_weights(self) -> dict[str, torch.Tensor]:
        apart = isinstance(getattr(self, "network", None), nn.Module)
        state = self.state_dict()
        return {n: w for n, w in state.items() if not (apart and n.startswith("backbone."))}

    def load_weight_arrays(self, arrays: Mapping[str, Any], *, loaded: str = " ") -> None:
        """Set the weights to what `weight_arrays` returned.

        Parameters
        ----------
        arrays : mapping of str to ndarray
            The weights by name.
        loaded : str, optional
            Weights whose names begin so are already those.

        Raises
        ------
        ValueError
            The weights are not those of this network, or not finite.
        """
        own = self._own_weights()
        expected = {name: weight for name, weight in own.items() if not name.startswith(loaded)}
        arrays = {name: a for name, a in arrays.items() if not name.startswith(loaded)}
        check_weight_arrays(expected, arrays, owner=type(self).__name__)
        set_weights(self, arrays)


def set_weights(network: nn.Module, arrays: Mapping[str, np.ndarray]) -> None:
    """Let copies of some arrays be weights of a network, in place of those that it has."""
    state = {name: torch.from_numpy(np.array(value)) for name, value in arrays.items()}
    network.load_state_dict(state, strict=False, assign=True)


class _NothingDrawn(TorchFunctionMode):
    """Skips the functions that fill weights: on tensors without memory, they only take time."""

    _names = frozenset(
        {"constant_", "fill_", "kaiming_normal_", "kaiming_uniform_", "normal_", "ones_"}
        | {"trunc_normal_", "uniform_", "xavier_normal_", "xavier_uniform_", "zero_", "zeros_"}
    )

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if getattr(func, "__name__", "") in self._names:
            return args[0] if args else kwargs["tensor"]
        return func(*args, **kwargs or {})


@contextmanager
def without_memory() -> Iterator[None]:
    """Create networks whose weights have shapes and dtypes, but no memory."""
    with torch.device("meta"), _NothingDrawn():
        yield


def check_weight_arrays(
    expected: Mapping[str, torch.Tensor], arrays: Mapping[str, Any], *, owner: str
) -> None:
    """Raise unless arrays have the names, shapes and types of some weights, and are finite.

    Raises
    ------
    InvalidStateError
        They differ.
    """
    for name in sorted({*expected, *arrays}):
        if wrong := _wrong(expected.get(name), arrays.get(name), name):
            raise InvalidStateError(f"{owner}: the weights {name!r} {wrong}.", f"{owner}.{name}")


def _wrong(expected: torch.Tensor | None, there: Any, name: str) -> str:
    """Return what is wrong with the weights of a file, in words."""
    if expected is None or not isinstance(there, np.ndarray):
        return "are not those of this network"
    dtype = np.dtype(str(expected.dtype).removeprefix("torch."))
    if there.shape != expected.shape or there.dtype != dtype:
        return (
            f"have the shape {there.shape} and dtype {there.dtype}, expected "
            f"{tuple(expected.shape)}, {dtype}"
        )
    if not np.isfinite(there).all():
        return "are not finite"
    return "are negative" if name.endswith("running_var") and (there < 0).any() else ""
