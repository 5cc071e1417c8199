"""How images and labels look on a map: shape, size and colour tell their kinds apart."""

from __future__ import annotations

from typing import Any

import numpy as np

from zeroshot.displays._drawing import BLUE, COLORS, DIM, MARKERS, VERMILLION, literal

Group = tuple[str, np.ndarray, dict[str, Any]]


def image_groups(labels: np.ndarray, seen: np.ndarray | None) -> list[Group]:
    """Return what kinds of images there are: their sign, which they are, how they look."""
    if seen is not None:
        looks: list[Group] = [
            ("image of a seen class", seen, {"c": BLUE, "marker": ".", "s": 20, "alpha": 0.4}),
            ("image of an unseen class", ~seen,
             {"c": VERMILLION, "marker": "^", "s": 16, "alpha": 0.9}),
        ]  # fmt: skip
        return [look for look in looks if look[1].any()]
    classes, counts = np.unique(labels, return_counts=True)
    told = classes[np.argsort(-counts, kind="stable")[: len(COLORS)]]
    rest = ~np.isin(labels, told)
    groups = []
    if rest.any():
        sign = f"{len(classes) - len(told):,} other classes"
        groups.append((sign, rest, {"c": DIM, "marker": ".", "s": 16}))
    for place, label in enumerate(told.tolist()):
        look = {"c": COLORS[place], "marker": MARKERS[place], "s": 18, "alpha": 0.8}
        groups.append((literal(label), labels == label, look))
    return groups


def label_groups(seen: np.ndarray, *, told: bool) -> list[Group]:
    """Return the kinds of labels; `told` says that seen and unseen ones are known."""
    kind = "label of a seen class" if told else "label"
    scale = min(1.0, 80 / len(seen)) ** 0.5  # many small ones cover less
    looks: list[Group] = [
        (kind, seen, {"c": "white", "marker": "o", "s": 30 * scale}),
        ("label of an unseen class", ~seen, {"c": VERMILLION, "marker": "*", "s": 110 * scale}),
    ]
    return [look for look in looks if look[1].any()]
