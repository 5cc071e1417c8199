"""One class split of the demo: what its model answers for images of classes that it never saw."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from zeroshot.displays import EmbeddingMapDisplay
from zeroshot.report import _charts as charts_of
from zeroshot.report._classes import Answers, worst_and_best
from zeroshot.report._page import paragraph, section
from zeroshot.taxonomy import class_synsets


def one_split(shown: Mapping[str, Any], *, source: str) -> list[str]:
    """Return the sections of a page on one class split.

    Parameters
    ----------
    shown : mapping
        ``shown_split`` of what `zeroshot.demo.run_demo` returns.
    source : str
        The file that has all of it.
    """
    labels = np.array(shown["answers"])[:, np.newaxis]
    # Features ship with the package, images do not.
    answers = Answers(np.array(shown["y"]), labels, scores=np.zeros(labels.shape), images=None)
    right = labels[:, 0] == answers.y
    names, place = np.unique(answers.y, return_inverse=True)
    classes = {
        "label": names.tolist(),
        "seen": [False] * len(names),
        "accuracy": (np.bincount(place, right) / np.bincount(place)).tolist(),
    }
    said = (
        f"The model of the first class split, on {len(right):,} test images of its {len(names)} "
        f"unseen classes: {right.mean():.1%} are named right. The figures above are means over "
        "all splits, and over more images of each class."
    )
    display = EmbeddingMapDisplay(
        shown["points"], shown["y"], shown["label_points"], shown["label_names"],
        seen_classes=shown["seen_classes"], placed=True,
    )  # fmt: skip
    return [
        section(
            "One split, image by image",
            paragraph(said),
            charts_of.confusion(answers, class_synsets("cifar100")),
            charts_of.map_of(display.plot, charts_of.PREDICTED_AND_LABELS),
        ),
        worst_and_best(classes, answers, source=source),
    ]
