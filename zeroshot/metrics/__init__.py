"""Zero-shot metrics (arrays in, numbers out) and ready scorers.

The functions take labels, scores and vectors. `SCORERS` holds what ``cross_validate`` and
``GridSearchCV`` take as ``scoring``: callables ``(estimator, X, y) -> float``, greater is better.
"""

from zeroshot.metrics._classification import (
    harmonic_mean_score,
    hit_at_k_score,
    mean_class_accuracy,
)
from zeroshot.metrics._confidence import (
    answered_accuracy_score,
    answered_share_score,
    any_of_these_auc,
    class_brier_score,
    class_log_loss,
    expected_calibration_error,
    risk_coverage_auc,
    risk_coverage_curve,
    set_coverage_score,
    set_size_score,
)
from zeroshot.metrics._curve import ausuc_score, seen_unseen_curve
from zeroshot.metrics._embedding import (
    class_relative_losses,
    embedding_mse,
    relative_loss,
    semantic_similarity_score,
)
from zeroshot.metrics._hierarchy import hierarchical_precision_score
from zeroshot.metrics._scorers import SCORERS, Scorer

__all__ = [
    "SCORERS",
    "Scorer",
    "answered_accuracy_score",
    "answered_share_score",
    "any_of_these_auc",
    "ausuc_score",
    "class_brier_score",
    "class_log_loss",
    "class_relative_losses",
    "embedding_mse",
    "expected_calibration_error",
    "harmonic_mean_score",
    "hierarchical_precision_score",
    "hit_at_k_score",
    "mean_class_accuracy",
    "relative_loss",
    "risk_coverage_auc",
    "risk_coverage_curve",
    "seen_unseen_curve",
    "semantic_similarity_score",
    "set_coverage_score",
    "set_size_score",
]
