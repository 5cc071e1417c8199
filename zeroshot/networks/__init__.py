"""Training: the parameters of training, the loop, and networks for images.

Importing this package imports neither torch nor timm; the first use of one of the networks does.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
