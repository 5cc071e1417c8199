"""Pictures of data, training and results, after scikit-learn's Display convention.

Each class takes its data in ``from_predictions`` (and ``from_estimator`` where a fitted model has
it), keeps it in plain attributes, and draws it in ``plot(ax=None)``, which leaves ``ax_`` and
``figure_`` and returns the display. matplotlib, in the extra ``plots``, is imported by ``plot``
alone: importing this package loads nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zeroshot.displays._class_confusion import ClassConfusionDisplay
    from zeroshot.displays._embedding_map import EmbeddingMapDisplay
    from zeroshot.displays._few_shot_curve import FewShotCurveDisplay
    from zeroshot.displays._loss_curve import LossCurveDisplay
    from zeroshot.displays._neighbor_curve import NeighborCurveDisplay
    from zeroshot.displays._prediction_grid import PredictionGridDisplay
    from zeroshot.displays._relative_loss import RelativeLossDisplay
    from zeroshot.displays._seen_unseen_curve import SeenUnseenCurveDisplay
    from zeroshot.displays._similarity_bar import SimilarityBarDisplay

__all__ = [
    "ClassConfusionDisplay",
    "EmbeddingMapDisplay",
    "FewShotCurveDisplay",
    "LossCurveDisplay",
    "NeighborCurveDisplay",
    "PredictionGridDisplay",
    "RelativeLossDisplay",
    "SeenUnseenCurveDisplay",
    "SimilarityBarDisplay",
]

_HOMES = {
    "ClassConfusionDisplay": "_class_confusion",
    "EmbeddingMapDisplay": "_embedding_map",
    "FewShotCurveDisplay": "_few_shot_curve",
    "LossCurveDisplay": "_loss_curve",
    "NeighborCurveDisplay": "_neighbor_curve",
    "PredictionGridDisplay": "_prediction_grid",
    "RelativeLossDisplay": "_relative_loss",
    "SeenUnseenCurveDisplay": "_seen_unseen_curve",
    "SimilarityBarDisplay": "_similarity_bar",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
