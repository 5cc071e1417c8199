"""Saving and loading of models as folders of JSON and safetensors, and as ONNX files."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
