from ._training import Training as Training
from .simpnet import SimpNet as SimpNet
from .tiny_cnn import TinyImageNetCNN as TinyImageNetCNN
