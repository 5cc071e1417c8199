from ._embed import embed_dataset as embed_dataset
from ._embed import predict_dataset as predict_dataset
from ._features import FeaturesDataset as FeaturesDataset
from ._fit import fit_dataset as fit_dataset
from ._sources import Source as Source
from ._sources import open_source as open_source
from ._streams import Embed as Embed
from ._streams import Predict as Predict
