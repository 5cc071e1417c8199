from ._base import Similarity as Similarity
from ._base import as_similarity_matrix as as_similarity_matrix
from ._inference import InferenceSimilarity as InferenceSimilarity
from ._mixture import MixtureSimilarity as MixtureSimilarity
from ._word_vectors import WordVectorSimilarity as WordVectorSimilarity
from ._wordnet import WordNetSimilarity as WordNetSimilarity
