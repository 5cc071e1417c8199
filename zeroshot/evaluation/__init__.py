"""Whole evaluations: every figure beside controls that look at no image."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
