"""Images to features: networks that others have trained, behind scikit-learn's interface.

Importing this package imports neither torch nor timm; the first use of one of these does. Networks
to be trained are in `zeroshot.networks`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zeroshot.backbones._open_clip import OpenCLIPFeatures
    from zeroshot.backbones._source_head import SourceHead
    from zeroshot.backbones._timm import TimmFeatures

__all__ = ["OpenCLIPFeatures", "SourceHead", "TimmFeatures"]

_HOMES = {
    "OpenCLIPFeatures": "_open_clip",
    "SourceHead": "_source_head",
    "TimmFeatures": "_timm",
}
_MOVED = ("SimpNet", "TinyImageNetCNN")


def __getattr__(name: str) -> object:
    if name in _MOVED:  # not an AttributeError, whose message "from ... import" replaces
        raise ImportError(f"{name} is now in networks. Write: from zeroshot.networks import {name}")
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
