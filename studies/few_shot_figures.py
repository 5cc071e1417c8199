"""Pictures of the few-shot study: curves, depths, and maps of what lies side by side."""

from __future__ import annotations

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from few_shot_features import DEPTHS, FIRST, LAST, PIXELS, Data
from few_shot_methods import GRIDS, LOGISTIC, MEANS, SIMILAR, SVM
from study_figures import legend_below, name_panel, panels, write

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
    for name, draw in (("curves", draw_curves), ("depths", draw_depths)):
        write(draw(record), f"{prefix}-{name}.png")
    write(draw_map(record, data), f"{prefix}-map.png")


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
    figure, axes = panels(3, 3.8)
    for ax, method in zip(axes, GRIDS, strict=True):
        scores = {depth: curve["scores"][f"{method}, {depth}"] for depth in (PIXELS, *DEPTHS)}
        FewShotCurveDisplay.from_predictions(
            dict(reversed(scores.items())), controls=_chance(curve), ax=ax
        )
        name_panel(ax, method)
        ax.label_outer()
    legend_below(figure, axes, 3)
    return figure


def draw_map(record: dict[str, Any], data: Data) -> Any:
    """Draw t-SNE maps of the test images of seven superclasses: pixels, first and last layer."""
    known = [name for name in MAPPED if name in data.coarse] or np.unique(data.coarse).tolist()
    rows = np.flatnonzero(np.isin(data.coarse, known))
    labels = np.char.replace(data.coarse[rows], "_", " ")
    figure, axes = panels(3, 4.8, n_columns=2, share_y=False)
    for ax, depth in zip(axes, (PIXELS, FIRST, LAST), strict=True):
        display = EmbeddingMapDisplay.from_predictions(
            data.prepared(depth)[rows], labels, random_state=0
        )
        plt.close(display.figure_)
        display.plot(ax, names=False)  # the legend has them
        own, chance = record["clusters"][depth], record["clusters"]["chance"]
        name_panel(ax, depth)
        ax.set_xlabel(
            "of the 10 nearest of all test images,\n"
            f"{own['superclass purity']:.2f} are of the same superclass "
            f"(chance {chance['superclass purity']:.2f}),\n"
            f"{own['class purity']:.2f} of the same class (chance {chance['class purity']:.2f})",
            fontsize=9,
        )
    legend_below(figure, axes, 4)
    return figure


def _chance(curve: dict[str, Any]) -> dict[str, Any]:
    return {"control: most frequent label": curve["controls"]["most frequent label"]}
