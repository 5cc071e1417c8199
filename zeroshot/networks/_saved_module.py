"""Torch modules that describe themselves to `save`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
import torch
from torch import nn

from zeroshot._utils._device import to_numpy
from zeroshot._utils._fitted import Sizes
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
        with torch.device("meta"):  # takes no memory, whatever sizes a file announces
            network = cls(**config.params)
        check_weight_arrays(network.state_dict(), config.attributes, owner=cls.__name__)
        return network.to_empty(device="cpu")._loaded(config.attributes)

    @classmethod
    def _check_together(cls, values: Mapping[str, Any], sizes: Sizes) -> None:
        if "n_outputs" in values:
            sizes["n_outputs"] = values["n_outputs"]

    def weight_arrays(self) -> dict[str, np.ndarray]:
        """Return the weights by name, without those of a part that is a parameter."""
        apart = isinstance(getattr(self, "network", None), nn.Module)
        return {
            name: to_numpy(value)
            for name, value in self.state_dict().items()
            if not (apart and name.startswith("backbone."))
        }

    def load_weight_arrays(self, arrays: Mapping[str, Any]) -> Self:
        """Set the weights to what `weight_arrays` returned, and return the network.

        Raises
        ------
        ValueError
            The weights are not those of this network, or not finite.
        """
        own = self.state_dict()
        expected = {name: own[name] for name in self.weight_arrays()}
        check_weight_arrays(expected, arrays, owner=type(self).__name__)
        return self._loaded(arrays)

    def _loaded(self, arrays: Mapping[str, np.ndarray]) -> Self:
        state = {name: torch.from_numpy(np.array(value)) for name, value in arrays.items()}
        self.load_state_dict({**self.state_dict(), **state})
        return self.eval()


def check_weight_arrays(
    expected: Mapping[str, torch.Tensor], arrays: Mapping[str, Any], *, owner: str
) -> None:
    """Raise unless arrays have the names, shapes and types of some weights, and are finite.

    Raises
    ------
    ValueError
        They differ.
    """
    for name in sorted({*expected, *arrays}):
        there, here = arrays.get(name), expected.get(name)
        if here is None or not isinstance(there, np.ndarray):
            raise ValueError(f"the weights {name!r} are not those of {owner}")
        dtype = np.dtype(str(here.dtype).removeprefix("torch."))
        if there.shape != here.shape or there.dtype != dtype:
            raise ValueError(
                f"the weights {name!r} have the shape {there.shape} and dtype {there.dtype}, "
                f"and {owner} has {tuple(here.shape)}, {dtype}"
            )
        if not np.isfinite(there).all():
            raise ValueError(f"the weights {name!r} are not finite")
        if name.endswith("running_var") and (there < 0).any():
            raise ValueError(f"the weights {name!r} are below 0, and variances are not")
