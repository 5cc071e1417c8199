"""Similarities of target classes to source classes: ``matrix(targets, sources)``.

One interface for similarities that are visual (`InferenceSimilarity`), taxonomic
(`WordNetSimilarity`), distributional (`WordVectorSimilarity`) and mixed (`MixtureSimilarity`).
Any other object with ``matrix``, or a precomputed array, can be used instead.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
