"""Pictures of the few-shot study: curves, depths, and maps of what lies side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from few_shot_features import DEPTHS, FIRST, LAST, PIXELS, Data
from few_shot_methods import GRIDS, LOGISTIC, MEANS, SIMILAR, SVM

from zeroshot.displays import EmbeddingMapDisplay, FewShotCurveDisplay

MAPPED = (
    "fish",
    "flowers",
    "household_furniture",
    "large_carnivores",
    "people",
    "trees",
    "vehicles_1",
)
"""Seven of the twenty superclasses, as many as can be told apart."""


def draw_all(record: dict[str, Any], data: Data, prefix: str) -> None:
    """Draw every picture, to files whose names begin with `prefix`."""
    Path(prefix).parent.mkdir(parents=True, exist_ok=True)
    for name, draw in (("curves", draw_curves), ("depths", draw_depths)):
        _write(draw(record), f"{prefix}-{name}.png")
    _write(draw_map(record, data), f"{prefix}-map.png")


def draw_curves(record: dict[str, Any]) -> Any:
    """Draw the methods on the penultimate layer, and the linear ones on pixels."""
    curve = record["curves"]["all classes"]
    wanted = {f"{method}, {LAST}": method for method in (SVM, LOGISTIC, MEANS, SIMILAR)} | {
        f"{method}, {PIXELS}": f"{method}, {PIXELS}" for method in (SVM, LOGISTIC)
    }
    scores = {shown: curve["scores"][name] for name, shown in wanted.items()}
    display = FewShotCurveDisplay.from_predictions(scores, controls=_chance(curve))
    return display.figure_


def draw_depths(record: dict[str, Any]) -> Any:
    """Draw each method at all depths."""
    curve = record["curves"]["all classes"]
    figure, axes = plt.subplots(1, 3, figsize=(11, 3.8), sharey=True, layout="constrained")
    for ax, method in zip(axes, GRIDS, strict=True):
        scores = {depth: curve["scores"][f"{method}, {depth}"] for depth in (PIXELS, *DEPTHS)}
        FewShotCurveDisplay.from_predictions(
            dict(reversed(scores.items())), controls=_chance(curve), ax=ax
        )
        ax.set_title(method, loc="left", fontsize=10, color="black")
        ax.label_outer()
    _legend_below(figure, axes)
    return figure


def draw_map(record: dict[str, Any], data: Data) -> Any:
    """Draw t-SNE maps of the test images of seven superclasses: pixels, first and last layer."""
    known = [name for name in MAPPED if name in data.coarse] or np.unique(data.coarse).tolist()
    rows = np.flatnonzero(np.isin(data.coarse, known))
    labels = np.char.replace(data.coarse[rows], "_", " ")
    figure, axes = plt.subplots(1, 3, figsize=(13, 5), layout="constrained")
    for ax, depth in zip(axes, (PIXELS, FIRST, LAST), strict=True):
        EmbeddingMapDisplay.from_predictions(
            data.prepared(depth)[rows], labels, random_state=0, ax=ax
        )
        own, chance = record["clusters"][depth], record["clusters"]["chance"]
        ax.set_title(depth, loc="left", fontsize=10, color="black")
        ax.set_xlabel(
            f"of the 10 nearest of all test images, {own['superclass purity']:.2f} are of the same "
            f"superclass\n(chance {chance['superclass purity']:.2f}), "
            f"{own['class purity']:.2f} of the same class (chance {chance['class purity']:.2f})",
            fontsize=8,
        )
    _legend_below(figure, axes)
    return figure


def _legend_below(figure: Any, axes: Any) -> None:
    """Put one legend below all axes in place of their own, which are alike."""
    legend = axes[0].get_legend()
    signs = [text.get_text() for text in legend.get_texts()]
    look = {"ncols": len(signs), "fontsize": 8, "frameon": False}
    figure.legend(legend.legend_handles, signs, loc="outside lower center", **look)
    for ax in axes:
        ax.get_legend().remove()


def _chance(curve: dict[str, Any]) -> dict[str, Any]:
    return {"control: most frequent label": curve["controls"]["most frequent label"]}


def _write(figure: Any, path: str) -> None:
    figure.savefig(path, dpi=100)
    plt.close(figure)
