"""Pictures of the Tiny ImageNet study: learning curves, hit@k, answers, similarities."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from nishimura_report import PAPER
from study_figures import legend_below, name_panel, panels, write

from zeroshot.displays import PredictionGridDisplay
from zeroshot.displays._drawing import bare, curve_style

# Whose answers are shown, and from which labels.
ANSWERS = (
    ("softmax with ConSE", "CIFAR-100"),
    ("DeViSE", "CIFAR-100"),
    ("DeViSE", "both label sets"),
    ("DeViSE", "nouns"),
)


def draw_all(results: dict[str, Any], folder: Path, images: np.ndarray) -> None:
    """Draw every picture whose part is finished into a folder; `images` are CIFAR-100's."""
    curves = {name: row for name, row in (results.get("curves") or {}).items() if row}
    pictures = {
        "learning-curves": learning_curves(curves) if curves else None,
        "hits": hits(results["hits"]) if results.get("hits") else None,
    }
    if transfer := results.get("transfer"):
        pictures["answers"] = answers(transfer["answers"], images)
        pictures["similarity"] = similarities(transfer)
    for name, figure in pictures.items():
        if figure is not None:
            write(figure, folder / f"devise_tiny_imagenet-{name}.png")


def learning_curves(curves: dict[str, list[dict[str, float]]]) -> Figure:
    """Draw accuracy and loss over epochs, a column a network (Figs. 2 to 4)."""
    figure, axes = panels(2 * len(curves), 2.8, n_columns=len(curves), share_y="row")
    rows = (("metric", "hit@1", "accuracy"), ("loss", "validation loss", "cross-entropy"))
    for row, (train, validation, label) in zip(np.split(axes, 2), rows, strict=True):
        for ax, history in zip(row, curves.values(), strict=True):
            epochs = range(1, len(history) + 1)
            for position, (key, part) in enumerate(
                ((train, "training"), (validation, "validation"))
            ):
                values = [entry[key] for entry in history]
                ax.plot(epochs, values, label=part, markersize=3, **curve_style(position))
            bare(ax)
        row[0].set_ylabel(label)
    for ax, name in zip(axes, curves, strict=False):
        name_panel(ax, name.replace("crop_flip", "crops, flips").replace(", ", ",\n", 1))
    for ax in np.split(axes, 2)[1]:
        ax.set_xlabel("epoch")
    axes[0].legend()
    legend_below(figure, axes, 2)
    return figure


def hits(figures: dict[str, Any]) -> Figure:
    """Draw hit@k on validation images over epochs: softmax, then DeViSE from it (Fig. 5)."""
    figure, axes = panels(2, 3.9)
    ks = [name for name in figures["softmax"][0] if name.startswith("hit@")]
    for ax, model in zip(axes, ("softmax", "DeViSE"), strict=True):
        history = figures[model]
        for position, k in enumerate(ks):
            look = curve_style(position)
            values = [entry[k] for entry in history]
            ax.plot(range(1, len(history) + 1), values, label=k, markersize=4, **look)
            thin = {"color": look["color"], "linestyle": look["linestyle"], "linewidth": 0.8}
            ax.axhline(figures["chance"][k], **thin)
        name_panel(ax, model)
        ax.set_xlabel("epoch")
        ax.locator_params(axis="x", integer=True)
        bare(ax)
    axes[0].set(ylabel="hit@k, validation images", ylim=(0, None))
    axes[0].legend()
    figure.suptitle("Tiny ImageNet; thin lines without marks are chance", fontsize=10)
    legend_below(figure, axes, len(ks))
    return figure


def answers(entries: list[dict[str, Any]], images: np.ndarray) -> Figure:
    """Draw single images with the best labels of several models (Figs. 6 and 7)."""
    columns = {"softmax, its own": [entry["softmax"] for entry in entries]}
    for model, labels in ANSWERS:
        name = f"{model.removeprefix('softmax with ')}, {labels}"
        columns[name] = [entry[model][labels] for entry in entries]
    shown = images[[entry["row"] for entry in entries]]
    display = PredictionGridDisplay(shown, columns, y=[entry["label"] for entry in entries])
    return display.plot(n_columns=1).figure_


def similarities(figures: dict[str, Any]) -> Figure:
    """Draw similarity@3 on CIFAR-100 as bars, the paper's figures as crosses (Fig. 8)."""
    paper = {"softmax, its own labels": "softmax similarity@3", "DeViSE": "DeViSE similarity@3"}
    bars = dict(figures["controls"])
    bars["softmax, its own labels"] = figures["softmax"]["CIFAR-100"]["similarity@3"]
    for name, row in figures["models"].items():
        bars[name] = row["CIFAR-100"]["similarity@3"]
    names = list(bars)[::-1]
    figure, (ax,) = panels(1, 0.42 * len(names) + 1.4, width=8)
    for shift, (group, label) in enumerate(
        (("all", "all labels"), ("without shared", "without the labels in both sets"))
    ):
        values = [bars[name][group] for name in names]
        places = [row + 0.19 - 0.38 * shift for row in range(len(names))]
        look = {"color": curve_style(shift)["color"], "hatch": ("", "////")[shift]}
        ax.barh(places, values, height=0.36, label=label, edgecolor="white", **look)
    published = [(names.index(name), PAPER[key]) for name, key in paper.items()]
    published += [(row, PAPER["random"]) for row, n in enumerate(names) if n.startswith("random p")]
    rows, values = zip(*published, strict=True)
    ax.plot(values, rows, "kx", markersize=8, label="paper (other vectors: another scale)")
    ax.set_yticks(range(len(names)), names, fontsize=8)
    ax.set(xlabel="similarity@3, mean cosine to the true label", xlim=(0, None))
    ax.legend()
    bare(ax)
    legend_below(figure, np.array([ax]), 3)
    return figure
