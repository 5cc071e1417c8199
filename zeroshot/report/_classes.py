"""The best and worst classes of a model, with images of each."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np

from zeroshot.report._page import PARTS, section
from zeroshot.report._pictures import thumbnail

N_CLASSES, N_EXAMPLES, N_NAMES = 3, 6, 3
ABOUT_SCORES = (
    "Only the order of scores matters. They are not probabilities, and each model has its own "
    "scale."
)


@dataclass(frozen=True)
class Answers:
    """What a model answers on the images of an evaluation.

    Attributes
    ----------
    y : ndarray of shape (n_samples,)
        True labels.
    labels, scores : ndarray of shape (n_samples, k)
        The best labels of each, and their scores.
    images : sequence of length n_samples, or None
        What the samples look like: paths, PIL images or pixels.
    """

    y: np.ndarray
    labels: np.ndarray
    scores: np.ndarray
    images: Any


def worst_and_best(classes: dict[str, list], answers: Answers, *, source: str) -> str:
    """Return some classes of an evaluation with their accuracy and examples.

    Parameters
    ----------
    classes : dict of str to list
        ``label``, ``seen`` and ``accuracy``, as of `ZeroShotEvaluation`.
    answers : Answers
        The same samples.
    source : str
        The file that has all classes.
    """
    worst, best = _extremes(np.array(classes["accuracy"], dtype=float))
    examples = (
        "Under each image stand its best labels with their scores, best first. "
        f"{ABOUT_SCORES} Of a class "
        f"{N_EXAMPLES} images at most are shown: wrong answers first among the worst classes, and "
        "as they come among the best. "
    )
    intro = "By the share of a class's images whose first label is right. "
    groups = [
        (title, [_one(classes, p, answers, wrong_first=title == "Worst") for p in places])
        for title, places in (("Worst", worst), ("Best", best))
        if places
    ]
    shown = PARTS.worst_and_best(intro + examples * (answers.images is not None), source, groups)
    return section("Worst and best classes", shown)


def _extremes(accuracy: np.ndarray) -> tuple[list[int], list[int]]:
    """Return the positions of some classes, the worst and the best first; ties as they stand.

    None of the worst is above the mean or all right, none of the best below it or all wrong.
    """
    n = min(N_CLASSES, max(1, len(accuracy) // 2))
    mean, rounding = accuracy.mean(), 1e-9
    bad = (accuracy <= mean + rounding) & (accuracy < 1)
    good = (accuracy >= mean - rounding) & (accuracy > 0)
    worst = [p for p in np.argsort(accuracy, kind="stable").tolist() if bad[p]][:n]
    order = np.argsort(-accuracy, kind="stable").tolist()
    best = [p for p in order if good[p] and p not in set(worst)]
    return worst, best[:n]


def _one(classes: dict[str, list], place: int, answers: Answers, *, wrong_first: bool) -> str:
    label = classes["label"][place]
    rows = np.flatnonzero(answers.y == label)
    right = answers.labels[rows, 0] == label
    taken_for = Counter(answers.labels[rows[~right], 0].tolist()).most_common(N_NAMES)
    examples = None
    if answers.images is not None:
        shown = rows[np.argsort(right, kind="stable")] if wrong_first else rows
        examples = [_example(answers, row) for row in shown[:N_EXAMPLES].tolist()]
    return PARTS.one_class(
        label,
        f"{right.sum():,}",
        f"{len(rows):,}",
        f"{classes['accuracy'][place]:.0%}",
        "seen in training" if classes["seen"][place] else "unseen",
        [(wrong, f"{count:,}") for wrong, count in taken_for],
        examples,
    )


def _example(answers: Answers, row: int) -> str:
    label, image = answers.y[row], answers.images[row]
    picture = thumbnail(image, alt=f"Image of {label}, named {answers.labels[row, 0]}")
    file = os.path.basename(image) if isinstance(image, (str, os.PathLike)) else ""
    pairs = zip(answers.labels[row].tolist(), answers.scores[row].tolist(), strict=True)
    named = [(answer, f"{score:z.2f}", answer == label) for answer, score in pairs]
    return PARTS.example(picture, named, file)
