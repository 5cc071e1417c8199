"""Estimators that connect features to label vectors."""

from zeroshot.estimators._base import ZeroShotClassifier
from zeroshot.estimators._conse import ConSEClassifier
from zeroshot.estimators._devise import DeViSEClassifier
from zeroshot.estimators._dummy import DummyZeroShotClassifier
from zeroshot.estimators._ensemble import EnsembleZeroShotClassifier
from zeroshot.estimators._few_shot import FewShotClassifier
from zeroshot.estimators._initializer import SimilarityInitializer
from zeroshot.estimators._regressor import EmbeddingRegressor

__all__ = [
    "ConSEClassifier",
    "DeViSEClassifier",
    "DummyZeroShotClassifier",
    "EmbeddingRegressor",
    "EnsembleZeroShotClassifier",
    "FewShotClassifier",
    "SimilarityInitializer",
    "ZeroShotClassifier",
]
