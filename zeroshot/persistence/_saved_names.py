"""The names of the classes that a saved model may hold: nothing else is ever imported for one."""

from __future__ import annotations

import importlib
from typing import Any

CLASSES = {
    "ALEClassifier": "zeroshot.estimators:ALEClassifier",
    "BlendRule": "zeroshot.estimators._few_shot:BlendRule",
    "CalibratedStacking": "zeroshot.estimators:CalibratedStacking",
    "ClassKFold": "zeroshot.model_selection:ClassKFold",
    "ClassKernel": "zeroshot.estimators._class_regression:ClassKernel",
    "ClassRegression": "zeroshot.estimators._class_regression:ClassRegression",
    "ClassShuffleSplit": "zeroshot.model_selection:ClassShuffleSplit",
    "ColumnZScore": "zeroshot.estimators._hubness:ColumnZScore",
    "ConSEClassifier": "zeroshot.estimators:ConSEClassifier",
    "CrossDomainScaling": "zeroshot.estimators._hubness:CrossDomainScaling",
    "DeViSEClassifier": "zeroshot.estimators:DeViSEClassifier",
    "DummyZeroShotClassifier": "zeroshot.estimators:DummyZeroShotClassifier",
    "ESZSLClassifier": "zeroshot.estimators:ESZSLClassifier",
    "ESZSLClassifierCV": "zeroshot.estimators:ESZSLClassifierCV",
    "EmbeddingRegressor": "zeroshot.estimators:EmbeddingRegressor",
    "EmbeddingRegressorCV": "zeroshot.estimators:EmbeddingRegressorCV",
    "EnsembleZeroShotClassifier": "zeroshot.estimators:EnsembleZeroShotClassifier",
    "FewShotClassifier": "zeroshot.estimators:FewShotClassifier",
    "FineTuneClassifier": "zeroshot.estimators:FineTuneClassifier",
    "FrozenEstimator": "sklearn.frozen:FrozenEstimator",
    "GeneralizedClassKFold": "zeroshot.model_selection:GeneralizedClassKFold",
    "HeadRegressionClassifier": "zeroshot.estimators:HeadRegressionClassifier",
    "ImageNetwork": "zeroshot.networks._image_network:ImageNetwork",
    "InferenceSimilarity": "zeroshot.similarity:InferenceSimilarity",
    "LabelSpace": "zeroshot.estimators._label_space:LabelSpace",
    "LeaveOneClassOut": "zeroshot.model_selection:LeaveOneClassOut",
    "LogisticRegression": "sklearn.linear_model:LogisticRegression",
    "MinMaxScaler": "sklearn.preprocessing:MinMaxScaler",
    "MixtureSimilarity": "zeroshot.similarity:MixtureSimilarity",
    "NearestLabelClassifier": "zeroshot.estimators:NearestLabelClassifier",
    "Normalizer": "sklearn.preprocessing:Normalizer",
    "OpenCLIPFeatures": "zeroshot.backbones:OpenCLIPFeatures",
    "OpenLabelClassifier": "zeroshot.estimators:OpenLabelClassifier",
    "PCA": "sklearn.decomposition:PCA",
    "Pipeline": "sklearn.pipeline:Pipeline",
    "PredefinedClassSplit": "zeroshot.model_selection:PredefinedClassSplit",
    "PrototypeRegressionClassifier": "zeroshot.estimators:PrototypeRegressionClassifier",
    "RowSums": "zeroshot._linear:RowSums",
    "SAEClassifier": "zeroshot.estimators:SAEClassifier",
    "SGDClassifier": "sklearn.linear_model:SGDClassifier",
    "SJEClassifier": "zeroshot.estimators:SJEClassifier",
    "SimpNet": "zeroshot.networks:SimpNet",
    "SimilarityClassifier": "zeroshot.estimators:SimilarityClassifier",
    "SimilarityInitializer": "zeroshot.estimators:SimilarityInitializer",
    "SoftmaxClassifier": "zeroshot.estimators:SoftmaxClassifier",
    "SourceHead": "zeroshot.backbones:SourceHead",
    "StandardScaler": "sklearn.preprocessing:StandardScaler",
    "TimmFeatures": "zeroshot.backbones:TimmFeatures",
    "TinyImageNetCNN": "zeroshot.networks:TinyImageNetCNN",
    "Training": "zeroshot.networks:Training",
    "WordNetSimilarity": "zeroshot.similarity:WordNetSimilarity",
    "WordVectorSimilarity": "zeroshot.similarity:WordVectorSimilarity",
}
"""Name to module and class, of all but label embeddings."""

_LABEL_EMBEDDINGS = "zeroshot.label_embeddings"

EMBEDDINGS = {
    "HashEmbedding": f"{_LABEL_EMBEDDINGS}:HashEmbedding",
    "OneHotEmbedding": f"{_LABEL_EMBEDDINGS}:OneHotEmbedding",
    "AttributeTable": f"{_LABEL_EMBEDDINGS}:AttributeTable",
    "ConcatEmbedding": f"{_LABEL_EMBEDDINGS}:ConcatEmbedding",
    "WordNetEmbedding": f"{_LABEL_EMBEDDINGS}:WordNetEmbedding",
    "StoredEmbedding": "zeroshot.persistence._label_embeddings:StoredEmbedding",
}
"""Label embeddings that a saved model may hold."""

REFERENCES = {
    "HashEmbedding": f"{_LABEL_EMBEDDINGS}:HashEmbedding",
    "OneHotEmbedding": f"{_LABEL_EMBEDDINGS}:OneHotEmbedding",
    "WordVectors": f"{_LABEL_EMBEDDINGS}:WordVectors",
    "WordNetEmbedding": f"{_LABEL_EMBEDDINGS}:WordNetEmbedding",
    "SentenceEmbedding": f"{_LABEL_EMBEDDINGS}:SentenceEmbedding",
    "CLIPTextEmbedding": f"{_LABEL_EMBEDDINGS}:CLIPTextEmbedding",
    "DescriptionEmbedding": f"{_LABEL_EMBEDDINGS}:DescriptionEmbedding",
    "GlossEmbedding": f"{_LABEL_EMBEDDINGS}:GlossEmbedding",
    "HierarchicalEmbedding": f"{_LABEL_EMBEDDINGS}:HierarchicalEmbedding",
    "ConcatEmbedding": f"{_LABEL_EMBEDDINGS}:ConcatEmbedding",
}
"""Label embeddings that it may name, to be opened where a label is not stored."""


def find_class(home: str) -> Any:
    """Import and return a class of a table, by its module and name there."""
    module, _, name = home.partition(":")
    return getattr(importlib.import_module(module), name)


def class_name(value: object) -> str | None:
    """Return the table's name for the class of `value`, or None; a subclass is another class."""
    name = type(value).__name__
    return name if name in CLASSES and find_class(CLASSES[name]) is type(value) else None
