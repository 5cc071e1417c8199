from ._open_clip import OpenCLIPFeatures as OpenCLIPFeatures
from ._source_head import SourceHead as SourceHead
from ._timm import TimmFeatures as TimmFeatures
