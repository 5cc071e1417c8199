from ._model import load as load
from ._model import save as save
