"""Training: the parameters of training, the loop, and networks for images.

Importing this package does not import torch or timm. The first use of a network imports them.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
