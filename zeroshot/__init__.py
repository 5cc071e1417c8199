"""Zero-shot image classification with a scikit-learn API.

Images go through a backbone, labels through an embedding, and an estimator connects the two, so
that a model names classes that it never saw in training. Names are loaded when first used:
``import zeroshot`` itself loads neither torch, timm, gensim nor nltk.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from zeroshot._version import __version__ as __version__

if TYPE_CHECKING:
    from zeroshot.backbones import OpenCLIPFeatures, SourceHead, TimmFeatures
    from zeroshot.estimators import (
        ALEClassifier,
        CalibratedStacking,
        ConSEClassifier,
        DeViSEClassifier,
        DummyZeroShotClassifier,
        EmbeddingRegressor,
        EmbeddingRegressorCV,
        EnsembleZeroShotClassifier,
        ESZSLClassifier,
        ESZSLClassifierCV,
        FewShotClassifier,
        FineTuneClassifier,
        NearestLabelClassifier,
        OpenLabelClassifier,
        SAEClassifier,
        SimilarityClassifier,
        SimilarityInitializer,
        SJEClassifier,
        SoftmaxClassifier,
    )
    from zeroshot.evaluation import evaluate_zero_shot, few_shot_curve
    from zeroshot.label_embeddings import (
        AttributeTable,
        CLIPTextEmbedding,
        ConcatEmbedding,
        HashEmbedding,
        HierarchicalEmbedding,
        LabelEmbedding,
        OneHotEmbedding,
        SentenceEmbedding,
        WordNetEmbedding,
        WordVectors,
        nearest_labels,
        vocabulary_words,
    )
    from zeroshot.networks import Training
    from zeroshot.persistence import load, save
    from zeroshot.similarity import (
        InferenceSimilarity,
        MixtureSimilarity,
        WordNetSimilarity,
        WordVectorSimilarity,
    )

_HOMES = {
    "ALEClassifier": "estimators",
    "AttributeTable": "label_embeddings",
    "CLIPTextEmbedding": "label_embeddings",
    "CalibratedStacking": "estimators",
    "ConSEClassifier": "estimators",
    "ConcatEmbedding": "label_embeddings",
    "DeViSEClassifier": "estimators",
    "DummyZeroShotClassifier": "estimators",
    "ESZSLClassifier": "estimators",
    "ESZSLClassifierCV": "estimators",
    "EmbeddingRegressor": "estimators",
    "EmbeddingRegressorCV": "estimators",
    "EnsembleZeroShotClassifier": "estimators",
    "FewShotClassifier": "estimators",
    "FineTuneClassifier": "estimators",
    "HashEmbedding": "label_embeddings",
    "HierarchicalEmbedding": "label_embeddings",
    "InferenceSimilarity": "similarity",
    "LabelEmbedding": "label_embeddings",
    "MixtureSimilarity": "similarity",
    "NearestLabelClassifier": "estimators",
    "OneHotEmbedding": "label_embeddings",
    "OpenCLIPFeatures": "backbones",
    "OpenLabelClassifier": "estimators",
    "SAEClassifier": "estimators",
    "SJEClassifier": "estimators",
    "SentenceEmbedding": "label_embeddings",
    "SimilarityClassifier": "estimators",
    "SimilarityInitializer": "estimators",
    "SoftmaxClassifier": "estimators",
    "SourceHead": "backbones",
    "TimmFeatures": "backbones",
    "Training": "networks",
    "WordNetEmbedding": "label_embeddings",
    "WordNetSimilarity": "similarity",
    "WordVectorSimilarity": "similarity",
    "WordVectors": "label_embeddings",
    "evaluate_zero_shot": "evaluation",
    "few_shot_curve": "evaluation",
    "load": "persistence",
    "nearest_labels": "label_embeddings",
    "save": "persistence",
    "vocabulary_words": "label_embeddings",
}

__all__ = [
    "ALEClassifier",
    "AttributeTable",
    "CLIPTextEmbedding",
    "CalibratedStacking",
    "ConSEClassifier",
    "ConcatEmbedding",
    "DeViSEClassifier",
    "DummyZeroShotClassifier",
    "ESZSLClassifier",
    "ESZSLClassifierCV",
    "EmbeddingRegressor",
    "EmbeddingRegressorCV",
    "EnsembleZeroShotClassifier",
    "FewShotClassifier",
    "FineTuneClassifier",
    "HashEmbedding",
    "HierarchicalEmbedding",
    "InferenceSimilarity",
    "LabelEmbedding",
    "MixtureSimilarity",
    "NearestLabelClassifier",
    "OneHotEmbedding",
    "OpenCLIPFeatures",
    "OpenLabelClassifier",
    "SAEClassifier",
    "SJEClassifier",
    "SentenceEmbedding",
    "SimilarityClassifier",
    "SimilarityInitializer",
    "SoftmaxClassifier",
    "SourceHead",
    "TimmFeatures",
    "Training",
    "WordNetEmbedding",
    "WordNetSimilarity",
    "WordVectorSimilarity",
    "WordVectors",
    "evaluate_zero_shot",
    "few_shot_curve",
    "load",
    "nearest_labels",
    "save",
    "vocabulary_words",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
