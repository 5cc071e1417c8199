"""Everything that trains: the parameters of training, and networks for images.

Importing this package imports neither torch nor timm; the first use of one of the networks does.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zeroshot.networks._training import Training
    from zeroshot.networks.simpnet import SimpNet
    from zeroshot.networks.tiny_cnn import TinyImageNetCNN

__all__ = ["SimpNet", "TinyImageNetCNN", "Training"]

_HOMES = {"SimpNet": "simpnet", "TinyImageNetCNN": "tiny_cnn", "Training": "_training"}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
