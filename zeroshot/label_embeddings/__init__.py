"""Label embeddings: labels in, one vector per label out.

Every one of them is a `LabelEmbedding`: ``embed(labels)`` gives float32 vectors of shape
(n_labels, n_dims), the same for the same labels always.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
