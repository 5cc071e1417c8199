"""Label embeddings: labels in, one vector a label out.

Every one of them is a `LabelEmbedding`: ``embed(labels)`` gives float32 vectors of shape
(n_labels, n_dims), the same for the same labels always.
"""

from __future__ import annotations

from zeroshot.label_embeddings._base import LabelEmbedding
from zeroshot.label_embeddings._clip_text import CLIPTextEmbedding
from zeroshot.label_embeddings._concat import ConcatEmbedding
from zeroshot.label_embeddings._hash import HashEmbedding
from zeroshot.label_embeddings._hierarchical import HierarchicalEmbedding
from zeroshot.label_embeddings._nearest import nearest_labels
from zeroshot.label_embeddings._sentence import SentenceEmbedding
from zeroshot.label_embeddings._tables import AttributeTable, OneHotEmbedding
from zeroshot.label_embeddings._vocabulary import vocabulary_words
from zeroshot.label_embeddings._word_vectors import WordVectors
from zeroshot.label_embeddings._wordnet import WordNetEmbedding

__all__ = [
    "AttributeTable",
    "CLIPTextEmbedding",
    "ConcatEmbedding",
    "HashEmbedding",
    "HierarchicalEmbedding",
    "LabelEmbedding",
    "OneHotEmbedding",
    "SentenceEmbedding",
    "WordNetEmbedding",
    "WordVectors",
    "nearest_labels",
    "vocabulary_words",
]
