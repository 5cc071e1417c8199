"""Estimators that connect features to label vectors."""

from zeroshot.estimators._base import ZeroShotClassifier
from zeroshot.estimators._conse import ConSEClassifier
from zeroshot.estimators._devise import DeViSEClassifier
from zeroshot.estimators._dummy import DummyZeroShotClassifier
from zeroshot.estimators._initializer import SimilarityInitializer
from zeroshot.estimators._nearest_label import NearestLabelClassifier
from zeroshot.estimators._regressor import EmbeddingRegressor
from zeroshot.estimators._similarity import SimilarityClassifier

__all__ = [
    "ConSEClassifier",
    "DeViSEClassifier",
    "DummyZeroShotClassifier",
    "EmbeddingRegressor",
    "NearestLabelClassifier",
    "SimilarityClassifier",
    "SimilarityInitializer",
    "ZeroShotClassifier",
]
