"""Zero-shot metrics (arrays in, numbers out) and ready scorers.

The functions take labels, scores and vectors. `SCORERS` holds what ``cross_validate`` and
``GridSearchCV`` take as ``scoring``: callables ``(estimator, X, y) -> float``, greater is better.
"""

from zeroshot.metrics._classification import (
    harmonic_mean_score,
    hit_at_k_score,
    mean_class_accuracy,
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
    "ausuc_score",
    "class_relative_losses",
    "embedding_mse",
    "harmonic_mean_score",
    "hierarchical_precision_score",
    "hit_at_k_score",
    "mean_class_accuracy",
    "relative_loss",
    "seen_unseen_curve",
    "semantic_similarity_score",
]
