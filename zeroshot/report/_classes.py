"""The classes that a model names worst and best, with images of each."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np

from zeroshot.report._page import joined, name, section, text
from zeroshot.report._pictures import thumbnail

N_CLASSES, N_EXAMPLES, N_NAMES = 3, 6, 3
ABOUT_SCORES = (
    "Of scores the order counts alone: they are no probabilities, and each model has its own scale."
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
    parts = [
        "<p>By the share of a class's images whose first label is right. "
        f"{'' if answers.images is None else examples}"
        f"All of them are in <code>{text(source)}</code>.</p>"
    ]
    for title, places in (("Worst", worst), ("Best", best)):
        if places:
            shown = joined(
                _one(classes, place, answers, wrong_first=title == "Worst") for place in places
            )
            parts.append(f"<h3>{title}</h3>\n{shown}")
    return section("Worst and best classes", *parts)


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
    kind = "seen in training" if classes["seen"][place] else "unseen"
    line = (
        f"{right.sum():,} of {len(rows):,} right ({classes['accuracy'][place]:.0%}), {kind}"
        f"{_taken_for(answers.labels[rows[~right], 0].tolist())}"
    )
    about = f'<h4>{name(label)}</h4>\n<p class="soft">{line}</p>'
    if answers.images is None:
        return about
    shown = rows[np.argsort(right, kind="stable")] if wrong_first else rows
    examples = "\n".join(_example(answers, row) for row in shown[:N_EXAMPLES].tolist())
    return f'{about}\n<div class="examples">\n{examples}\n</div>'


def _taken_for(wrong: list) -> str:
    """Return in words what a class is taken for most often, as HTML."""
    named = Counter(wrong).most_common(N_NAMES)
    words = ", ".join(f"{name(label)} ({count:,})" for label, count in named)
    return f"; taken for {words}" if words else ""


def _example(answers: Answers, row: int) -> str:
    label, image, file = answers.y[row], answers.images[row], ""
    picture = thumbnail(image, alt=f"Image of {label}, named {answers.labels[row, 0]}")
    if isinstance(image, (str, os.PathLike)):
        file = f'<span class="file">{name(os.path.basename(image))}</span>'
    pairs = zip(answers.labels[row].tolist(), answers.scores[row].tolist(), strict=True)
    return f"<figure>{picture}<figcaption>{named(pairs, truth=label)}{file}</figcaption></figure>"


def named(pairs: Any, *, truth: Any = None) -> str:
    """Return labels and scores as a list, the true one ticked."""
    items = []
    for label, score in pairs:
        right = truth is not None and label == truth
        tick, kind = ("✓ ", ' class="right"') if right else ("", "")
        items.append(
            f"<li{kind}><span>{tick}{name(label)}</span> <span>{text(f'{score:z.2f}')}</span></li>"
        )
    return f"<ol>{''.join(items)}</ol>"
