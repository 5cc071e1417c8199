"""Best and worst classes of a model, and the mistakes that matter."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np

from zeroshot.report._page import PARTS, paragraph, section

N_CLASSES, N_NAMES = 5, 3
N_MISTAKES = 6
FEW, SHARE = 3, 0.1  # images that must be mistaken, and their share of a class, to be worth a word


@dataclass(frozen=True)
class Answers:
    """Predictions of a model for the images of an evaluation.

    Attributes
    ----------
    y : ndarray of shape (n_samples,)
        True labels.
    labels : ndarray of shape (n_samples, k)
        The best labels of each sample.
    images : sequence of length n_samples, or None
        Images of the samples: paths, PIL images or pixels.
    """

    y: np.ndarray
    labels: np.ndarray
    images: Any


def mistakes(answers: Answers) -> str:
    """Return in words which classes are taken for which, most often first.

    A single image says nothing about a class: a mistake counts from three images and a tenth of the
    class on.
    """
    found = frequent_mistakes(answers.y, answers.labels[:, 0])
    title = "What is taken for what"
    if not found:
        most = (
            "No two classes stand out: no class is taken for one other class in at least "
            f"{FEW} images and {SHARE:.0%} of them."
        )
        wrong = (answers.labels[:, 0] != answers.y).any()
        return section(title, paragraph(most if wrong else "All images are named right."))
    return section(title, PARTS.mistakes(found))


def frequent_mistakes(y: np.ndarray, first: np.ndarray) -> list[tuple]:
    """Return pairs of classes that are confused, by the share of the class, largest first.

    Returns
    -------
    mistakes : list of (true, answer, count, total, back)
        ``back`` is the number and total in the other direction if that counts, too, or None.

    Examples
    --------
    >>> import numpy as np
    >>> from zeroshot.report._classes import frequent_mistakes
    >>> y = np.repeat(["otter", "seal", "owl"], 4)
    >>> first = np.array([*["seal"] * 3, "otter", *["seal"] * 4, "otter", "seal", "owl", "owl"])
    >>> frequent_mistakes(y, first)
    [('otter', 'seal', '3', '4', None)]
    """
    totals = Counter(y.tolist())
    counts = Counter(zip(y[y != first].tolist(), first[y != first].tolist(), strict=True))
    often = {
        pair: count
        for pair, count in counts.items()
        if count >= FEW and count >= SHARE * totals[pair[0]]
    }
    order = sorted(often, key=lambda pair: (-often[pair] / totals[pair[0]], -often[pair]))
    found: list[tuple] = []
    told: set[tuple] = set()
    for true, answer in order:
        if (true, answer) in told:
            continue
        told |= {(true, answer), (answer, true)}
        back = None
        if (answer, true) in often:
            back = f"{often[answer, true]:,}", f"{totals[answer]:,}"
        found.append((true, answer, f"{often[true, answer]:,}", f"{totals[true]:,}", back))
    return found[:N_MISTAKES]


def worst_and_best(classes: dict[str, list], answers: Answers, *, source: str) -> str:
    """Return some classes of an evaluation with their accuracy.

    Parameters
    ----------
    classes : dict of str to list
        ``label``, ``seen`` and ``accuracy``, as of `ZeroShotEvaluation`.
    answers : Answers
        The same samples.
    source : str
        Name of the file with all classes.
    """
    worst, best = _extremes(np.array(classes["accuracy"], dtype=float))
    intro = "By the share of a class's images whose first label is right. "
    groups = [
        (title, [_one(classes, place, answers) for place in places])
        for title, places in (("Worst", worst), ("Best", best))
        if places
    ]
    return section("Worst and best classes", PARTS.worst_and_best(intro, source, groups))


def _extremes(accuracy: np.ndarray) -> tuple[list[int], list[int]]:
    """Return the positions of some classes, the worst and the best first; ties keep their order.

    The worst classes have at most mean accuracy and are not fully correct. The best ones have at
    least mean accuracy and are not fully wrong.
    """
    n = min(N_CLASSES, max(1, len(accuracy) // 2))
    mean, rounding = accuracy.mean(), 1e-9
    bad = (accuracy <= mean + rounding) & (accuracy < 1)
    good = (accuracy >= mean - rounding) & (accuracy > 0)
    worst = [p for p in np.argsort(accuracy, kind="stable").tolist() if bad[p]][:n]
    order = np.argsort(-accuracy, kind="stable").tolist()
    best = [p for p in order if good[p] and p not in set(worst)]
    return worst, best[:n]


def _one(classes: dict[str, list], place: int, answers: Answers) -> str:
    label, accuracy = classes["label"][place], classes["accuracy"][place]
    rows = np.flatnonzero(answers.y == label)
    right = answers.labels[rows, 0] == label
    taken_for = Counter(answers.labels[rows[~right], 0].tolist()).most_common(N_NAMES)
    return PARTS.one_class(
        label,
        f"{right.sum():,}",
        f"{len(rows):,}",
        f"{accuracy:.0%}",
        f"{100 * accuracy:.0f}",
        "seen in training" if classes["seen"][place] else "unseen",
        [(wrong, f"{count:,}") for wrong, count in taken_for if count > 1],
    )
