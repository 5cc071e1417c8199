"""Images to features.

Networks that others have trained, behind scikit-learn's interface (`TimmFeatures`,
`OpenCLIPFeatures`), and torch modules to be trained from scratch (`SimpNet`,
`TinyImageNetCNN`). Importing this package imports neither torch nor timm; the first use of
one of these does.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zeroshot.backbones._open_clip import OpenCLIPFeatures
    from zeroshot.backbones._source_head import SourceHead
    from zeroshot.backbones._timm import TimmFeatures
    from zeroshot.backbones.simpnet import SimpNet
    from zeroshot.backbones.tiny_cnn import TinyImageNetCNN

__all__ = ["OpenCLIPFeatures", "SimpNet", "SourceHead", "TimmFeatures", "TinyImageNetCNN"]

_HOMES = {
    "OpenCLIPFeatures": "_open_clip",
    "SimpNet": "simpnet",
    "SourceHead": "_source_head",
    "TimmFeatures": "_timm",
    "TinyImageNetCNN": "tiny_cnn",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
