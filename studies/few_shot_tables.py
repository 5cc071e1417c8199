"""Tables of the few-shot study: merged over its parts, compared in pairs, written as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from few_shot_features import DEPTHS, FIRST, LAST, MIDDLE, PIXELS, Data
from few_shot_methods import GRIDS, LOGISTIC, MEANS, SIMILAR, SVM
from sklearn.metrics import silhouette_score

from zeroshot.evaluation import FewShotCurve
from zeroshot.evaluation._few_shot_curve import RANDOM_LABELS

NEIGHBORS = 10
PAIRS = [
    *((f"{method}, {deep}", f"{method}, {shallow}") for method in GRIDS
      for deep, shallow in ((LAST, MIDDLE), (MIDDLE, FIRST), (FIRST, PIXELS))),
    *((f"{one}, {LAST}", f"{other}, {LAST}")
      for one, other in ((SVM, LOGISTIC), (LOGISTIC, MEANS), (SIMILAR, LOGISTIC))),
]  # fmt: skip
"""Which rows are compared, the first less the second."""


def summary(data: Data, measured: dict[str, Any]) -> dict[str, Any]:
    """Return everything that is kept: scores by group of classes, differences, clusters.

    Parameters
    ----------
    data : Data
        What was learned from.
    measured : dict
        ``parts``, each of them what `measure` returns, and ``penalties``.
    """
    curves = {group: merged(part[group] for part in measured["parts"]) for group in data.groups}
    return {
        "groups": {group: len(labels) for group, labels in data.groups.items()},
        "widths": {depth: train.shape[1] for depth, (train, _) in data.features.items()},
        "penalties": measured["penalties"],
        "curves": {group: rounded(curve.to_dict()) for group, curve in curves.items()},
        "differences": [
            {"of": one, "less": other, "by": compared(curves["all classes"], one, other)}
            for one, other in PAIRS
        ],
        "clusters": clusters(data),
    }


def merged(parts: Iterable[dict[str, Any]]) -> FewShotCurve:
    """Return one curve of several that were measured on the same draws."""
    parts = list(parts)
    scores = {
        name: {int(shot): np.array(draws) for shot, draws in by_shot.items()}
        for part in parts
        for name, by_shot in part["scores"].items()
    }
    shots = sorted({shot for by_shot in scores.values() for shot in by_shot})
    controls = {name: np.array(draws) for name, draws in parts[0]["controls"].items()}
    return FewShotCurve(scores, controls, {}, {**parts[0]["settings"], "shots": shots})


def compared(curve: FewShotCurve, one: str, other: str) -> dict[str, dict[str, float | None]]:
    """Return by how much a row is above another, by images a class."""
    found = curve.differences(other)[one]
    return {
        str(shot): rounded({"mean": each.mean, "low": each.low, "high": each.high})
        for shot, each in found.items()
    }


def clusters(data: Data) -> dict[str, dict[str, float]]:
    """Return how far test images of one class, and of one superclass, lie together at each depth.

    ``purity``: the share of the ten nearest other test images, by cosine, that have the same
    label. ``silhouette``: of the labels, by cosine. In the features themselves, not on a map.
    """
    labels = {"class": data.y_test, "superclass": data.coarse}
    found: dict[str, dict[str, float]] = {}
    for depth in data.features:
        vectors = data.prepared(depth)
        nearest = neighbors(vectors)
        found[depth] = {}
        for kind, own in labels.items():
            same = own[nearest] == own[:, None]
            found[depth][f"{kind} purity"] = float(same.mean())
            silhouette = silhouette_score(vectors, own, metric="cosine")
            found[depth][f"{kind} silhouette"] = float(silhouette)
    found["chance"] = {
        f"{kind} purity": float((own == own[:, None]).sum() - len(own)) / (len(own) ** 2 - len(own))
        for kind, own in labels.items()
    }
    return rounded(found)


def neighbors(vectors: np.ndarray) -> np.ndarray:
    """Return the rows of the nearest others of unit vectors, (n, 10)."""
    cosines = vectors @ vectors.T
    np.fill_diagonal(cosines, -np.inf)
    n = min(NEIGHBORS, len(vectors) - 1)
    return np.argpartition(-cosines, n - 1, axis=1)[:, :n]


def rounded(values: Any) -> Any:
    """Return numbers, however nested, with four digits after the point."""
    if isinstance(values, dict):
        return {name: rounded(each) for name, each in values.items()}
    if isinstance(values, list):
        return [rounded(each) for each in values]
    return round(values, 4) if isinstance(values, float) else values


# Markdown ---------------------------------------------------------------------------------------


def tables(record: dict[str, Any]) -> dict[str, str]:
    """Return the study's tables by title, as the page has them."""
    groups = record["groups"]
    found = {"Accuracy, all classes": accuracy_table(record, "all classes", spread=True)}
    for group in list(groups)[1:]:
        title = f"Accuracy, {group} ({groups[group]} classes)"
        found[title] = accuracy_table(record, group, spread=False)
    found["Paired differences, all classes"] = difference_table(record)
    found["Clusters of the test images"] = cluster_table(record)
    found["Penalties (C), chosen on training images"] = penalty_table(record)
    return found


def accuracy_table(record: dict[str, Any], group: str, *, spread: bool) -> str:
    """Return a row for each depth and method, and for the controls.

    The most frequent label of all images says nothing of a group.
    """
    curve = record["curves"][group]
    shots = [str(shot) for shot in curve["settings"]["shots"]]
    rows = [
        [name, *(_mean(by_shot.get(shot), spread) for shot in shots)]
        for name, by_shot in curve["scores"].items()
    ]
    controls = curve["controls"] if spread else {RANDOM_LABELS: curve["controls"][RANDOM_LABELS]}
    rows += [
        [f"control: {name}", *(_mean(draws, spread) for _ in shots)]
        for name, draws in controls.items()
    ]
    return _markdown(["images per class", *shots], rows)


def difference_table(record: dict[str, Any]) -> str:
    """Return the mean of each difference with its 95 % interval."""
    shots = [str(shot) for shot in record["preset"]["shots"]]
    rows = [
        [f"{each['of']}, less {each['less']}", *(_interval(each["by"][shot]) for shot in shots)]
        for each in record["differences"]
    ]
    return _markdown(["images per class", *shots], rows)


def cluster_table(record: dict[str, Any]) -> str:
    """Return purities and silhouettes by depth."""
    names = list(record["clusters"][LAST])
    rows = [
        [depth, *(f"{own[name]:.3f}" if name in own else "" for name in names)]
        for depth, own in record["clusters"].items()
    ]
    return _markdown(["", *names], rows)


def penalty_table(record: dict[str, Any]) -> str:
    """Return the accuracy of each C on training images, the chosen one in bold."""
    depths = [PIXELS, *DEPTHS]
    rows = []
    for method, by_depth in record["penalties"].items():
        for C in next(iter(by_depth.values())):
            cells = []
            for depth in depths:
                best = max(by_depth[depth], key=by_depth[depth].__getitem__)
                text = f"{by_depth[depth][C]:.3f}"
                cells.append(f"**{text}**" if best == C else text)
            rows.append([f"{method}, C = {C}", *cells])
    return _markdown(["", *depths], rows)


def _markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _mean(draws: list[float] | None, spread: bool) -> str:
    if draws is None:
        return ""
    mean = f"{np.mean(draws):.3f}"
    return f"{mean} ± {np.std(draws):.3f}" if spread else mean


def _interval(each: dict[str, float | None]) -> str:
    ends = "" if each["low"] is None else f" ({each['low']:+.3f} to {each['high']:+.3f})"
    return f"{each['mean']:+.3f}{ends}"
