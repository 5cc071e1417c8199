"""Charts of a report, each with a caption."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from zeroshot._utils._pipelines import final_and_input
from zeroshot._utils._validation import take_rows
from zeroshot.displays import (
    ClassConfusionDisplay,
    EmbeddingMapDisplay,
    PredictionGridDisplay,
    ReliabilityDisplay,
    RiskCoverageDisplay,
    SeenUnseenCurveDisplay,
)
from zeroshot.displays._drawing import SMALL
from zeroshot.displays._prediction_grid import Cell
from zeroshot.evaluation import ZeroShotEvaluation
from zeroshot.report._classes import Answers
from zeroshot.report._pictures import WIDE, chart

MAX_MAPPED = 1000  # images on a map, where t-SNE takes some seconds
GRID_COLUMNS, GRID_IMAGES = 3, 9
PREDICTED_AND_LABELS = (
    "The label vectors that the model predicts for images, and those of the labels"
)


def confusion(answers: Answers, synsets: Mapping[Any, Any] | None) -> str:
    """Return the chart of what is taken for what."""
    first = answers.labels[:, 0]
    share = float((first == answers.y).mean())
    return chart(
        lambda ax: ClassConfusionDisplay.from_predictions(answers.y, first, synsets=synsets, ax=ax),
        lambda width: 0.84 * width if width == WIDE else 1.25 * width,
        alt=f"Confusion matrix: {share:.0%} of all images are on its diagonal",
        caption="What is taken for what. A row is a true class, a column an answer, and dark a "
        "large share of the row's images; mistakes within a branch of WordNet lie in its square.",
        trim=_only_the_matrix,
    )


def _only_the_matrix(display: ClassConfusionDisplay) -> None:
    """Take the scale and the names of the branches, so that the matrix has the room."""
    display.colorbar_.remove()
    display.ax_.tick_params(labelsize=SMALL - 1.5)
    for text in list(display.ax_.texts):
        text.remove()


def curve(result: ZeroShotEvaluation) -> str:
    """Return the chart of the seen-unseen curve, or nothing where there is none."""
    if result.curve is None:
        return ""
    area = result["ausuc"].value
    return chart(
        lambda ax: SeenUnseenCurveDisplay.from_evaluation(result, ax=ax),
        lambda width: 0.6 * width if width == WIDE else 1.15 * width,
        alt=f"Accuracy on seen against unseen classes; the area under the curve is {area:.3f}",
        caption="Accuracy on seen against unseen classes, as a number is subtracted from the "
        "scores of seen ones. The area under the curve is the figure that no such number changes.",
        legend_columns=2,
    )


def reliability(result: ZeroShotEvaluation) -> str:
    """Return the chart of how sure answers are and how many are right, or nothing without any."""
    if result.reliability is None:
        return ""
    error = result["expected_calibration_error"].value
    return chart(
        lambda ax: ReliabilityDisplay.from_evaluation(result, ax=ax),
        lambda width: 0.6 * width if width == WIDE else 1.15 * width,
        alt=f"How sure answers are against how many are right; the mean distance is {error:.3f}",
        caption="How sure answers are, in ten bins of as many images, and how many of them are "
        "right. On the dotted line both are the same.",
        legend_columns=2,
    )


def risk_coverage(result: ZeroShotEvaluation) -> str:
    """Return the chart of the surest answers and how many are wrong, or nothing without any."""
    if result.risk_coverage is None:
        return ""
    area = result["risk_coverage_auc"].value
    return chart(
        lambda ax: RiskCoverageDisplay.from_evaluation(result, ax=ax),
        lambda width: 0.6 * width if width == WIDE else 1.15 * width,
        alt=f"Share of wrong answers as fewer images are named; the area is {area:.3f}",
        caption="How many answers are wrong where only the surest images are named, from none to "
        "all of them. Left to chance it would be the dotted line.",
        legend_columns=2,
    )


def embedding_map(estimator: Any, X: Any, y: np.ndarray, seed: int) -> str:
    """Return the chart of images and labels on a plane, or nothing where there are no vectors."""
    rows = np.arange(len(y))
    if len(rows) < 4:
        return ""
    if len(rows) > MAX_MAPPED:
        rng = np.random.RandomState(seed)
        rows = np.sort(rng.choice(rows, MAX_MAPPED, replace=False))
    inside, labels = take_rows(X, rows), y[rows]
    final, features = final_and_input(estimator, inside)
    if hasattr(final, "class_vectors_") and hasattr(final, "transform"):
        what = PREDICTED_AND_LABELS

        def make(ax: Any) -> EmbeddingMapDisplay:
            return EmbeddingMapDisplay.from_estimator(
                estimator, inside, labels, random_state=seed, ax=ax
            )
    elif np.ndim(features) == 2:
        what = "The features that the model is given"

        def make(ax: Any) -> EmbeddingMapDisplay:
            return EmbeddingMapDisplay.from_predictions(
                features, labels, seen_classes=final.seen_classes_, random_state=seed, ax=ax
            )
    else:
        return ""
    some = f", of {len(rows):,} of the {len(y):,} images, drawn at random" * (len(rows) < len(y))
    return map_of(make, what, some)


def map_of(make: Callable[[Any], EmbeddingMapDisplay], what: str, some: str = "") -> str:
    """Return the chart of a map.

    Parameters
    ----------
    make : callable
        Takes axes and draws the map on them.
    what : str
        What its points are.
    some : str, default=""
        Which of them, for the caption.
    """
    return chart(
        make,
        lambda width: 0.8 * width if width == WIDE else 1.35 * width,
        alt=f"{what}, as points of a plane",
        caption=f"{what}, on a plane{some}: neighbours stay neighbours, distances mean little.",
        legend_columns=4,
    )


def sample(answers: Answers, seen: Sequence[Any], seed: int) -> str:
    """Return some images drawn at random with what they are named, or nothing without images."""
    if answers.images is None:
        return ""
    n = min(GRID_IMAGES, len(answers.y))
    rows = np.sort(np.random.RandomState(seed).choice(len(answers.y), n, replace=False))
    display = PredictionGridDisplay(
        [answers.images[row] for row in rows.tolist()],
        {"model": answers.labels[rows]},
        {"model": answers.scores[rows]},
        y=answers.y[rows],
        seen_classes=seen,
        n_images=len(answers.y),
    )
    right = int((answers.labels[rows, 0] == answers.y[rows]).sum())
    return grid(
        display,
        alt=f"{n} images with their best labels; the first label of {right} is the true one",
        caption=f"Images drawn at random, and their best labels with their scores: the first label "
        f"of {right} of these {n} is the true one.",
    )


def grid(display: PredictionGridDisplay, *, alt: str, caption: str) -> str:
    """Return a grid of images: side by side on a desktop, one below the other on a phone."""
    n = len(display.images)
    columns = min(GRID_COLUMNS, n)
    cell = Cell.of(len(display.labels), max(rows.shape[1] for rows in display.labels.values()))

    def height(width: float) -> float:
        full_width, full_height = cell.size(n, columns if width == WIDE else 1)
        return 0.1 + full_height * min(1.0, width / full_width)

    return chart(
        lambda ax: display.plot(ax, n_columns=columns),
        height, alt=alt, caption=caption, narrow={"n_columns": 1},
    )  # fmt: skip
