"""Zero-shot image classification with a scikit-learn API.

Images go through a backbone, labels through an embedding, and an estimator connects the two, so
that a model names classes that it never saw in training. Names are loaded when first used:
``import zeroshot`` itself loads neither torch, timm, gensim nor nltk.
"""

import lazy_loader

from zeroshot._version import __version__ as __version__

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
