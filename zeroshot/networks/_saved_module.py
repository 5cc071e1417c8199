"""Torch modules that describe themselves to `save`."""

from __future__ import annotations

from typing import Self

import numpy as np
import torch
from torch import nn

from zeroshot._utils._device import to_numpy
from zeroshot._utils._saving import Config, check_names, parameter_names, parameters_of


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
        IntegrityError
            `config` has parameters that this class does not have.
        ValueError
            The weights are not those of this network.
        """
        check_names(cls, [name for name in config.params if name not in parameter_names(cls)])
        network = cls(**config.params)
        network.load_weight_arrays(config.attributes)
        return network.eval()

    def weight_arrays(self) -> dict[str, np.ndarray]:
        """Return the weights by name, without those of a part that is a parameter."""
        apart = isinstance(getattr(self, "network", None), nn.Module)
        return {
            name: to_numpy(value)
            for name, value in self.state_dict().items()
            if not (apart and name.startswith("backbone."))
        }

    def load_weight_arrays(self, arrays: dict[str, np.ndarray]) -> None:
        """Set the weights to what `weight_arrays` returned.

        Raises
        ------
        ValueError
            The weights are not those of this network.
        """
        owner, expected = type(self).__name__, self.weight_arrays()
        for name in sorted({*expected, *arrays}):
            there = arrays.get(name)
            if name not in expected or not isinstance(there, np.ndarray):
                raise ValueError(f"the weights {name!r} are not those of {owner}")
            if there.shape != expected[name].shape or there.dtype != expected[name].dtype:
                raise ValueError(
                    f"the weights {name!r} have the shape {there.shape} and dtype {there.dtype}, "
                    f"and {owner} has {expected[name].shape}, {expected[name].dtype}"
                )
        state = {name: torch.from_numpy(np.array(value)) for name, value in arrays.items()}
        self.load_state_dict({**self.state_dict(), **state})
