"""Pictures of the fine-tuning study: courses, one class, and images a class."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import fine_tune_runs as runs
import matplotlib

matplotlib.use("Agg")  # files only: no window
import matplotlib.pyplot as plt
import numpy as np
from fine_tune_summary import ORDER, PUBLISHED, PUBLISHED_SHOTS
from matplotlib.figure import Figure

# Okabe and Ito's colours, told apart by line style too.
COLOURS = ("#000000", "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
STYLES = ("-", "-", "--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1)))
PANELS = 3


def draw_all(record: dict[str, Any], prefix: str) -> None:
    """Draw every picture, into files whose names begin with `prefix`."""
    pictures = {"courses": courses, "one-class": one_class, "images-a-class": images_a_class}
    Path(prefix).parent.mkdir(parents=True, exist_ok=True)
    if not any(record["one class"]["sources"].values()):
        del pictures["one-class"]
    for name, draw in pictures.items():
        figure = draw(record)
        figure.savefig(f"{prefix}-{name}.png")
        plt.close(figure)


def courses(record: dict[str, Any]) -> Figure:
    """Draw macro F-score against iterations, a panel a number of images (Fig. 1)."""
    known = [n for n in record["table"][runs.RANDOM]]
    places = np.unique(np.linspace(0, len(known) - 1, PANELS).round().astype(int))
    shots = [known[place] for place in places]
    figure, axes = plt.subplots(
        1, len(shots), figsize=(3.6 * len(shots), 4), dpi=110, squeeze=False, layout="constrained"
    )
    for ax, n in zip(axes[0], shots, strict=True):
        for position, name in enumerate(runs.STARTS):
            if n in record["table"][name]:
                course = record["table"][name][n]["course"]
                ax.plot(course["iterations"], course["macro F"], label=name, **_style(position))
        control = record["table"][runs.LOGISTIC].get(n)
        if control is not None:
            score = float(np.mean(control["first"]["all"]))
            ax.axhline(score, color="gray", linewidth=1, label=f"control: {runs.LOGISTIC}")
        _name_axes(ax, f"images a class: {n}")
    axes[0, 0].set_ylabel("macro F-score")
    return _with_legend(figure, axes[0, 0], 5)


def one_class(record: dict[str, Any]) -> Figure:
    """Draw the F-score of one class against iterations, a line a source (Fig. 2)."""
    about = record["one class"]
    figure, ax = plt.subplots(figsize=(6.4, 4.4), dpi=110, layout="constrained")
    for position, (name, course) in enumerate(about["sources"].items()):
        if course:
            sources = ", ".join(dict.fromkeys(course["starts from"]))
            label = name if sources == name else f"{name}: {sources}"
            ax.plot(course["iterations"], course["F"], label=label, **_style(position))
    _name_axes(ax, f"{about['class']!r}, images a class: {about['images a class']}")
    ax.set_ylabel("F-score of the class")
    return _with_legend(figure, ax, 1)


def images_a_class(record: dict[str, Any]) -> Figure:
    """Draw first and best macro F-score against images a class (Table 2)."""
    figure, axes = plt.subplots(1, 2, figsize=(9, 4.8), dpi=110, sharey=True, layout="constrained")
    for ax, where in zip(axes, ("first", "best"), strict=True):
        for position, name in enumerate(ORDER):
            cells = record["table"][name]
            scores = [np.mean(cell[where]["all"]) for cell in cells.values()]
            if scores and not (where == "first" and name == runs.SCRATCH):
                ax.plot([int(n) for n in cells], scores, label=name, **_style(position))
        for name, scores in PUBLISHED.items() if where == "best" else ():
            style = {"linestyle": "none", "marker": "x", "color": COLOURS[ORDER.index(name)]}
            ax.plot(PUBLISHED_SHOTS, scores, label=f"published: {name}", **style)
        shots = sorted({*record["preset"]["shots"], *PUBLISHED_SHOTS})
        ax.set(xscale="log", xlabel="images a class")
        ax.set_xticks(shots, [str(n) for n in shots])
        ax.minorticks_off()
    axes[0].set(title="before training", ylabel="macro F-score")
    axes[1].set_title("best while trained")
    return _with_legend(figure, axes[1], 3)


def _style(position: int) -> dict[str, Any]:
    style = {"color": COLOURS[position], "linestyle": STYLES[position]}
    return {**style, "marker": "o", "markersize": 3}


def _name_axes(ax: Any, title: str) -> None:
    ax.set(xlabel="iterations", title=title, xlim=(0, None))
    ax.set_ylim(-0.02 * ax.get_ylim()[1], None)  # a line at zero stays in sight


def _with_legend(figure: Figure, ax: Any, columns: int) -> Figure:
    handles, labels = ax.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=columns, frameon=False)
    return figure
