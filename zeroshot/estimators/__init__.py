"""Estimators that connect features to label vectors."""

from zeroshot.estimators._base import ZeroShotClassifier
from zeroshot.estimators._calibrated import CalibratedStacking
from zeroshot.estimators._conse import ConSEClassifier
from zeroshot.estimators._devise import DeViSEClassifier
from zeroshot.estimators._dummy import DummyZeroShotClassifier
from zeroshot.estimators._initializer import SimilarityInitializer
from zeroshot.estimators._regressor import EmbeddingRegressor

__all__ = [
    "CalibratedStacking",
    "ConSEClassifier",
    "DeViSEClassifier",
    "DummyZeroShotClassifier",
    "EmbeddingRegressor",
    "SimilarityInitializer",
    "ZeroShotClassifier",
]
