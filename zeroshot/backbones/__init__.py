"""Pretrained networks as scikit-learn transformers: images to features.

Importing this package does not import torch or timm. The first use of a backbone imports them.
Networks for training are in `zeroshot.networks`.
"""

import lazy_loader

_MOVED = ("SimpNet", "TinyImageNetCNN")

_find, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)


def __getattr__(name: str) -> object:
    if name in _MOVED:  # not an AttributeError, whose message "from ... import" replaces
        raise ImportError(f"{name} is now in networks. Write: from zeroshot.networks import {name}")
    return _find(name)
