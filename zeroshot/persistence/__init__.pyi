from ._model import load as load
from ._model import save as save
from ._onnx import export_onnx as export_onnx
