"""The weights of torch modules, as arrays and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np


def network_arrays(module: Any) -> dict[str, np.ndarray]:
    """Return the weights of a module of the table, by name.

    Those of a backbone that is an object of its own are left to that object.
    """
    from torch import nn

    from zeroshot._torch import to_numpy

    apart = isinstance(getattr(module, "network", None), nn.Module)
    return {
        name: to_numpy(value)
        for name, value in module.state_dict().items()
        if not (apart and name.startswith("backbone."))
    }


def load_network_arrays(module: Any, arrays: Mapping[str, Any]) -> None:
    """Set the weights of a module to what `network_arrays` returned.

    Raises
    ------
    ValueError
        They are not those of this module.
    """
    import torch

    expected = network_arrays(module)
    for name in sorted({*expected, *arrays}):
        there = arrays.get(name)
        if name not in expected or not isinstance(there, np.ndarray):
            raise ValueError(f"the weights {name!r} are not those of {type(module).__name__}")
        if there.shape != expected[name].shape or there.dtype != expected[name].dtype:
            raise ValueError(
                f"the weights {name!r} have the shape {there.shape} and dtype {there.dtype}, and "
                f"{type(module).__name__} has {expected[name].shape}, {expected[name].dtype}"
            )
    state = {name: torch.from_numpy(np.array(value)) for name, value in arrays.items()}
    module.load_state_dict({**module.state_dict(), **state})
    module.eval()
