"""Whole evaluations: every figure beside the predictors that look at no image."""

from zeroshot.evaluation._evaluate import evaluate_zero_shot
from zeroshot.evaluation._result import Estimate, ZeroShotEvaluation

__all__ = ["Estimate", "ZeroShotEvaluation", "evaluate_zero_shot"]
