"""Similarities of target classes to source classes: ``matrix(targets, sources)``.

One interface for similarities that are visual (`InferenceSimilarity`), taxonomic
(`WordNetSimilarity`), distributional (`WordVectorSimilarity`) and mixed (`MixtureSimilarity`).
Anything else with ``matrix``, and a precomputed array, works in their place.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
