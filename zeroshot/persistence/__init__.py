"""Models saved to a folder, and loaded: JSON and safetensors, never pickle."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
