from ._evaluate import evaluate_zero_shot as evaluate_zero_shot
from ._few_shot_curve import few_shot_curve as few_shot_curve
from ._few_shot_result import Difference as Difference
from ._few_shot_result import FewShotCurve as FewShotCurve
from ._result import Estimate as Estimate
from ._result import ZeroShotEvaluation as ZeroShotEvaluation
