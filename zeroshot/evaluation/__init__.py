"""Whole evaluations: every figure beside the predictors that look at no image."""

from zeroshot.evaluation._evaluate import evaluate_zero_shot
from zeroshot.evaluation._few_shot_curve import few_shot_curve
from zeroshot.evaluation._few_shot_result import Difference, FewShotCurve
from zeroshot.evaluation._result import Estimate, ZeroShotEvaluation

__all__ = [
    "Difference",
    "Estimate",
    "FewShotCurve",
    "ZeroShotEvaluation",
    "evaluate_zero_shot",
    "few_shot_curve",
]
