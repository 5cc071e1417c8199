"""Pictures of the transfer study: F-score against K and against images a class, and matches."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from PIL import Image
from study_figures import WIDTH, legend_below, name_panel, panels, write
from transfer_tasks import Task, slug, source_photos

from zeroshot.displays import FewShotCurveDisplay, NeighborCurveDisplay

SHOWN = {  # rows of the table, and their names where letters are small
    "random (Xavier)": "random (Xavier)",
    "hard inference, K = 10": "hard inference, K = 10",
    "soft, temperature 4, all, equal": "soft, temperature 4, all, equal",
    "WordNet wup_nltk, K = 10": "WordNet wup_nltk, K = 10",
    "WordNet jcn, K = 10, + class means": "jcn, K = 10, + class means",
    "nearest class mean": "nearest class mean",
    "logistic regression": "logistic regression",
}


def draw_all(task: Task, results: dict[str, Any], folder: Path) -> None:
    """Draw every picture of a task into a folder."""
    pictures = {
        "neighbors": neighbor_curves(results["neighbors"], task.name),
        "few-images": few_images(results["few images"], task.name),
        "matched": matched_classes(task, results["matched"]),
    }
    for name, figure in pictures.items():
        write(figure, folder / f"similarity_transfer-{slug(task.name)}-{name}.png")


def neighbor_curves(curves: dict[str, dict[str, list[float]]], title: str) -> Figure:
    """Draw macro F-score against K, a panel a relation, a line a similarity (Fig. 3)."""
    scores = {name: by_relation for name, by_relation in curves.items() if name != "K"}
    display = NeighborCurveDisplay(curves["K"]["K"], scores)
    figure, axes = panels(len(display.relations), 3.4)
    display.plot(axes)
    axes[0].set_ylabel("macro F-score, untrained")
    figure.suptitle(title)
    legend_below(figure, axes, 3)
    return figure


def few_images(table: dict[str, dict[str, dict[str, list[float]]]], title: str) -> Figure:
    """Draw first and best macro F-score against images a class (Table 2)."""
    figure, axes = panels(2, 4.4)
    parts = (("macro F", "right after initialisation"), ("best", "best while trained"))
    for ax, (key, part) in zip(axes, parts, strict=True):
        scores = {
            name: {int(n): cell.get(key, cell["macro F"]) for n, cell in table[row].items()}
            for row, name in SHOWN.items()
        }
        FewShotCurveDisplay(scores, metric="macro F-score").plot(ax)
        name_panel(ax, part)
        ax.label_outer()
    figure.suptitle(f"{title}: mean and standard deviation over the draws")
    legend_below(figure, axes, 2)
    return figure


def matched_classes(task: Task, records: list[dict[str, Any]]) -> Figure:
    """Draw a target class and its three first sources by two similarities, a row each (Table 1)."""
    photos = source_photos(task)
    figure, axes = plt.subplots(
        len(records),
        7,
        figsize=(WIDTH, 1.7 * len(records)),
        dpi=80,
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
