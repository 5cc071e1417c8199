"""Pictures of the Tiny ImageNet study: learning curves, hit@k, answers, similarities."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")  # files only: no window
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from nishimura_report import PAPER

from zeroshot.displays import PredictionGridDisplay

# Okabe and Ito's colours, told apart by line style too.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7")
STYLES = ("-", "--", "-.", ":")
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
    folder.mkdir(parents=True, exist_ok=True)
    for name, figure in pictures.items():
        if figure is not None:
            figure.savefig(folder / f"devise_tiny_imagenet-{name}.png")
            plt.close(figure)


def learning_curves(curves: dict[str, list[dict[str, float]]]) -> Figure:
    """Draw accuracy and loss over epochs, a column a network (Figs. 2 to 4)."""
    figure, axes = plt.subplots(
        2,
        len(curves),
        figsize=(2.9 * len(curves) + 0.6, 5.2),
        dpi=110,
        sharex=True,
        sharey="row",
        squeeze=False,
        layout="constrained",
    )
    rows = (("metric", "hit@1", "accuracy"), ("loss", "validation loss", "cross-entropy"))
    for column, (name, history) in zip(axes.T, curves.items(), strict=True):
        epochs = range(1, len(history) + 1)
        for ax, (train, validation, _) in zip(column, rows, strict=True):
            for position, (key, label) in enumerate(
                ((train, "training"), (validation, "validation"))
            ):
                style = {"color": COLOURS[position], "linestyle": STYLES[position]}
                ax.plot(epochs, [entry[key] for entry in history], label=label, **style)
        column[0].set_title(name.replace("crop_flip", "crops and flips"), fontsize=9)
        column[1].set_xlabel("epoch")
    for ax, (_, _, label) in zip(axes[:, 0], rows, strict=True):
        ax.set_ylabel(label)
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2, frameon=False)
    return figure


def hits(figures: dict[str, Any]) -> Figure:
    """Draw hit@k on validation images over epochs: softmax, then DeViSE from it (Fig. 5)."""
    figure, axes = plt.subplots(
        1, 2, figsize=(8.4, 3.9), dpi=110, sharey=True, layout="constrained"
    )
    ks = [name for name in figures["softmax"][0] if name.startswith("hit@")]
    for ax, model in zip(axes, ("softmax", "DeViSE"), strict=True):
        history = figures[model]
        for position, k in enumerate(ks):
            style = {"color": COLOURS[position], "linestyle": STYLES[position], "marker": "o"}
            values = [entry[k] for entry in history]
            ax.plot(range(1, len(history) + 1), values, label=k, markersize=3, **style)
            ax.axhline(figures["chance"][k], color=COLOURS[position], linewidth=0.6, alpha=0.6)
        ax.set(title=model, xlabel="epoch")
        ax.locator_params(axis="x", integer=True)
    axes[0].set(ylabel="hit@k, validation images", ylim=(0, None))
    figure.suptitle("Tiny ImageNet; thin lines are chance", fontsize=10)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(ks), frameon=False)
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
    figure, ax = plt.subplots(figsize=(8, 0.42 * len(names) + 1.4), dpi=110, layout="constrained")
    for shift, (group, label) in enumerate(
        (("all", "all labels"), ("without shared", "without the labels in both sets"))
    ):
        values = [bars[name][group] for name in names]
        places = [row + 0.19 - 0.38 * shift for row in range(len(names))]
        ax.barh(places, values, height=0.36, color=COLOURS[shift], label=label)
    published = [(names.index(name), PAPER[key]) for name, key in paper.items()]
    published += [(row, PAPER["random"]) for row, n in enumerate(names) if n.startswith("random p")]
    rows, values = zip(*published, strict=True)
    ax.plot(values, rows, "kx", markersize=8, label="paper (other vectors: another scale)")
    ax.set_yticks(range(len(names)), names, fontsize=8)
    ax.set(xlabel="similarity@3, mean cosine to the true label", xlim=(0, None))
    figure.legend(loc="outside lower center", ncols=3, frameon=False, fontsize=8)
    return figure
