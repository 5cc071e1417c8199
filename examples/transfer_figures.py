"""Pictures of the transfer study: F-score against K and against images a class, and matches."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")  # files only: no window
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from PIL import Image
from transfer_tasks import Task, slug, source_photos

# Okabe and Ito's colours, told apart by line style too.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
STYLES = ("-", "--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1)), (0, (1, 1)))
SHOWN = (
    "random (Xavier)",
    "hard inference, K = 10",
    "soft, temperature 4, all, equal",
    "WordNet wup, K = 10",
    "WordNet jcn, K = 10, + class means",
    "nearest class mean",
    "logistic regression",
)


def draw_all(task: Task, results: dict[str, Any], folder: Path) -> None:
    """Draw every picture of a task into a folder."""
    pictures = {
        "neighbors": neighbor_curves(results["neighbors"], task.name),
        "few-images": few_images(results["few images"], task.name),
        "matched": matched_classes(task, results["matched"]),
    }
    for name, figure in pictures.items():
        figure.savefig(folder / f"similarity_transfer-{slug(task.name)}-{name}.png")
        plt.close(figure)


def neighbor_curves(curves: dict[str, dict[str, list[float]]], title: str) -> Figure:
    """Draw macro F-score against K, a panel a relation, a line a similarity (Fig. 3)."""
    grid = curves["K"]["K"]
    similarities = [name for name in curves if name != "K"]
    relations = list(curves[similarities[0]])
    size = (max(6.4, 3.6 * len(relations)), 3.6)
    figure, axes = plt.subplots(
        1, len(relations), figsize=size, dpi=110, sharey=True, squeeze=False, layout="constrained"
    )
    for ax, relation in zip(axes[0], relations, strict=True):
        for position, name in enumerate(similarities):
            style = {"color": COLOURS[position], "linestyle": STYLES[position], "label": name}
            ax.plot(grid, curves[name][relation], **style)
        ax.set(xscale="log", xlabel="source classes combined, K", title=relation)
    axes[0, 0].set_ylabel("macro F-score, untrained")
    figure.suptitle(title)
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False)
    return figure


def few_images(table: dict[str, dict[str, dict[str, list[float]]]], title: str) -> Figure:
    """Draw first and best macro F-score against images a class (Table 2)."""
    figure, axes = plt.subplots(1, 2, figsize=(9, 4.4), dpi=110, sharey=True, layout="constrained")
    panels = (("macro F", "right after initialisation"), ("best", "best while trained"))
    for ax, (key, name) in zip(axes, panels, strict=True):
        for position, row in enumerate(SHOWN):
            shots = [int(n) for n in table[row]]
            cells = [cell.get(key, cell["macro F"]) for cell in table[row].values()]
            style = {"color": COLOURS[position], "linestyle": STYLES[position], "marker": "o"}
            ax.plot(shots, [np.mean(cell) for cell in cells], label=row, markersize=3, **style)
        ax.set(xscale="log", xlabel="images a class", title=name)
        ax.set_xticks(shots, [str(n) for n in shots])
        ax.minorticks_off()
    axes[0].set_ylabel("macro F-score")
    figure.suptitle(title)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2, frameon=False)
    return figure


def matched_classes(task: Task, records: list[dict[str, Any]]) -> Figure:
    """Draw a target class and its three first sources by two similarities, a row each (Table 1)."""
    photos = source_photos(task)
    figure, axes = plt.subplots(
        len(records),
        7,
        figsize=(10, 1.7 * len(records)),
        dpi=70,
        squeeze=False,
        layout="constrained",
    )
    for ax in axes.ravel():
        ax.set_axis_off()
    for row, record in zip(axes, records, strict=True):
        own = np.flatnonzero(task.test.target == record["target"])[:1]
        _show(row[0], task.test.images(own)[0], f"{record['target']}\n({record['relation']})")
        pairs = [*record["inference"][:3], *[("", 0.0)] * 3][:3] + record["WordNet"][:3]
        for ax, (source, weight) in zip(row[1:], pairs, strict=False):
            if source:
                name = source.split(",")[0]
                _show(ax, photos.get(source), f"{weight:.2f}\n{name[:20]}")
    figure.suptitle("target, then its sources by inference (three) and by WordNet (three)")
    return figure


def _show(ax: Any, image: Any, title: str) -> None:
    ax.set_title(title, fontsize=8)
    if image is None:
        ax.text(0.5, 0.5, "no photo\nat hand", ha="center", va="center", fontsize=7)
        return
    if isinstance(image, Path):
        with Image.open(image) as opened:
            image = np.asarray(opened.convert("RGB"))
    ax.imshow(image)
