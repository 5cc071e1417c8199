"""How similar target classes are to source classes: ``matrix(targets, sources)``.

One interface for similarities that are visual (`InferenceSimilarity`), taxonomic
(`WordNetSimilarity`), distributional (`WordVectorSimilarity`) and mixed (`MixtureSimilarity`).
Anything else with ``matrix``, and a precomputed array, works in their place.
"""

from __future__ import annotations

from zeroshot.similarity._base import Similarity, as_similarity_matrix
from zeroshot.similarity._inference import InferenceSimilarity
from zeroshot.similarity._mixture import MixtureSimilarity
from zeroshot.similarity._word_vectors import WordVectorSimilarity
from zeroshot.similarity._wordnet import WordNetSimilarity

__all__ = [
    "InferenceSimilarity",
    "MixtureSimilarity",
    "Similarity",
    "WordNetSimilarity",
    "WordVectorSimilarity",
    "as_similarity_matrix",
]
