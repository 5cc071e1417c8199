"""Splits over classes, not samples, and views of fitted models over other candidates.

Every splitter speaks scikit-learn's protocol, so that it goes wherever ``cv=`` does. It takes the
labels from `groups` if they are given, else from `y`.
"""

from zeroshot._linear import LearnsFromSums, LinearSystem, RidgeSolution
from zeroshot._utils._pipelines import unwrap
from zeroshot._utils._whole_models import predict_top_k, with_candidates
from zeroshot.model_selection._cross_validate import cross_validate_classes
from zeroshot.model_selection._split import (
    ClassKFold,
    ClassShuffleSplit,
    GeneralizedClassKFold,
    LeaveOneClassOut,
    PredefinedClassSplit,
)

__all__ = [
    "ClassKFold",
    "ClassShuffleSplit",
    "GeneralizedClassKFold",
    "LearnsFromSums",
    "LeaveOneClassOut",
    "LinearSystem",
    "PredefinedClassSplit",
    "RidgeSolution",
    "cross_validate_classes",
    "predict_top_k",
    "unwrap",
    "with_candidates",
]
