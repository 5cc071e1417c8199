"""Estimators that connect features to label vectors."""

from zeroshot.estimators._ale_sje import ALEClassifier, SJEClassifier
from zeroshot.estimators._base import CandidateClassifier
from zeroshot.estimators._calibrated import CalibratedStacking
from zeroshot.estimators._conse import ConSEClassifier
from zeroshot.estimators._devise import DeViSEClassifier
from zeroshot.estimators._dummy import DummyZeroShotClassifier
from zeroshot.estimators._embedding_classifier import EmbeddingClassifier
from zeroshot.estimators._ensemble import EnsembleZeroShotClassifier
from zeroshot.estimators._eszsl import ESZSLClassifier, ESZSLClassifierCV
from zeroshot.estimators._few_shot import FewShotClassifier
from zeroshot.estimators._finetune import FineTuneClassifier
from zeroshot.estimators._initializer import SimilarityInitializer
from zeroshot.estimators._nearest_label import NearestLabelClassifier
from zeroshot.estimators._open_label import OpenLabelClassifier
from zeroshot.estimators._regressor import EmbeddingRegressor, EmbeddingRegressorCV
from zeroshot.estimators._sae import SAEClassifier
from zeroshot.estimators._similarity import SimilarityClassifier
from zeroshot.estimators._softmax import SoftmaxClassifier

__all__ = [
    "ALEClassifier",
    "CalibratedStacking",
    "CandidateClassifier",
    "ConSEClassifier",
    "DeViSEClassifier",
    "DummyZeroShotClassifier",
    "ESZSLClassifier",
    "ESZSLClassifierCV",
    "EmbeddingClassifier",
    "EmbeddingRegressor",
    "EmbeddingRegressorCV",
    "EnsembleZeroShotClassifier",
    "FewShotClassifier",
    "FineTuneClassifier",
    "NearestLabelClassifier",
    "OpenLabelClassifier",
    "SAEClassifier",
    "SJEClassifier",
    "SimilarityClassifier",
    "SimilarityInitializer",
    "SoftmaxClassifier",
]
