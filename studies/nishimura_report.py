"""Tables of the Tiny ImageNet study, the paper's figure beside ours."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

PAPER = {
    "softmax hit@1": 0.25,
    "DeViSE hit@5": 0.31,
    "random": 0.11,
    "softmax similarity@3": 0.31,
    "DeViSE similarity@3": 0.63,
}
"""With another network, ten times the images, and other word vectors: similarities are not on our
scale."""
_NAME = 56


def show(results: dict[str, Any]) -> None:
    """Print every part that is finished, and name those that are not."""
    printers = {
        "hits": _show_hits,
        "transfer": _show_transfer,
        "losses": _show_trained,
        "joint ideas": _show_trained,
        "frozen ideas": _show_trained,
        "pretrained": _show_pretrained,
        "curves": _show_curves,
    }
    missing = []
    for part, figures in results.items():
        finished = figures
        if part in ("losses", "joint ideas", "curves"):
            finished = {name: row for name, row in figures.items() if row is not None}
            missing += [f"{part} ({name})" for name, row in figures.items() if row is None]
        elif figures is None:
            missing.append(part)
        if finished:
            print(f"\n== {part}")
            printers[part](finished)
    if missing:
        print(f"\nNot finished, run it again to go on: {', '.join(missing)}.")


def _line(name: str, values: Iterable[Any]) -> None:
    cells = [f"{v:>10.3f}" if isinstance(v, float) else f"{v or '':>10}" for v in values]
    print(f"{name:<{_NAME}}{''.join(cells)}")


def _show_hits(figures: dict[str, Any]) -> None:
    ks = [name for name in figures["softmax"][0] if name.startswith("hit@")]
    print("Tiny ImageNet's validation images (Fig. 5)")
    _line("after epoch", ks)
    for model in ("softmax", "DeViSE"):
        for number, entry in enumerate(figures[model], start=1):
            _line(f"{model} {number}", [entry[k] for k in ks])
    _line("control: chance", [figures["chance"].get(k) for k in ks])
    print(f"paper: softmax hit@1 {PAPER['softmax hit@1']}, DeViSE hit@5 {PAPER['DeViSE hit@5']}")


def _show_transfer(figures: dict[str, Any]) -> None:
    print("CIFAR-100: hits among its labels; similarity@3 of answers from its labels (Fig. 8)")
    print("in brackets: without images of labels that stand in both sets, from both label sets")
    _line("", ["hit@1", "hit@5", "(hit@5)", "sim@3", "(sim@3)", "(both)", "paper"])
    for name, rows in figures["models"].items():
        paper = PAPER["DeViSE similarity@3"] if name == "DeViSE" else None
        _line(name, [*_zero_shot_cells(rows["CIFAR-100"]), paper])
    similarity = figures["softmax"]["CIFAR-100"]["similarity@3"]
    cells = [None] * 3 + [similarity["all"], similarity["without shared"], None]
    _line("softmax, its own labels", [*cells, PAPER["softmax similarity@3"]])
    for name, row in figures["controls"].items():
        paper = PAPER["random"] if name.startswith("random pair") else None
        cells = [None] * 3 + [row["all"], row["without shared"], None, paper]
        _line(f"control: {name}", cells)
    _line("control: chance", [0.01, 0.05, 0.05])
    print(f"\nin both sets: {', '.join(figures['labels in both sets'])}")
    print("\nthree best answers to the first image of some classes (Figs. 6 and 7)")
    for entry in figures["answers"]:
        print(f"{entry['label']}\n  softmax: {', '.join(entry['softmax'])}")
        for name, by_vocabulary in entry.items():
            if name not in ("row", "label", "softmax"):
                for vocabulary, labels in by_vocabulary.items():
                    print(f"  {name}, {vocabulary}: {', '.join(labels)}")


def _zero_shot_cells(row: dict[str, Any]) -> list[float]:
    similarity = row["similarity@3"]
    return [
        row["hit@1"],
        row["hit@5"],
        row["without shared"]["hit@5"],
        similarity["all"],
        similarity["without shared"],
        row["similarity@3, both label sets"]["all"],
    ]


def _show_trained(figures: dict[str, Any]) -> None:
    print("choose on the left, on validation images: hits, similarity@3, and that of other labels")
    _line("", ["hit@1", "hit@5", "sim@3", "others", "| CIFAR", "hit@5", "sim@3"])
    for name, rows in figures.items():
        val, cifar = rows["validation"], rows["CIFAR-100"]
        cells = [val["hit@1"], val.get("hit@5"), val["similarity@3"]]
        cells += [val["similarity@3 of other labels"], "|", cifar["hit@5"]]
        _line(name, [*cells, cifar["similarity@3"]["all"]])


def _show_pretrained(figures: dict[str, Any]) -> None:
    criteria = list(next(iter(figures["folds"].values())))
    print("folds of the training images")
    for number, criterion in enumerate(criteria, start=1):
        print(f"  ({number}) {criterion}")
    _line("", [f"({number})" for number in range(1, len(criteria) + 1)])
    for name, row in figures["folds"].items():
        _line(name, row.values())
    _line("\nchosen by", ["val hit@1", "hit@5", "| CIFAR", "hit@5", "sim@3", "(sim@3)"])
    for criterion, row in figures["chosen"].items():
        val, cifar = row["validation"], row["CIFAR-100"]
        similarity = cifar["similarity@3"]
        cells = [val["hit@1"], val["hit@5"], "|", cifar["hit@5"], *similarity.values()]
        print(f"{criterion}:")
        _line(f"  {row['map']}", cells)
    chance = figures["controls"]["chance of hit@5"]
    _line("control: chance", [None, chance["validation"], "|", chance["CIFAR-100"]])
    for name, row in figures["controls"].items():
        if "all" in row:
            _line(f"control: {name}", [None] * 4 + [row["all"], row["without shared"]])


def _show_curves(figures: dict[str, Any]) -> None:
    print("softmax alone, after the last epoch (Figs. 2 to 4)")
    _line("", ["train acc.", "val. acc.", "train loss", "val. loss", "best val.", "at epoch"])
    for name, history in figures.items():
        last = history[-1]
        by_epoch = [entry["hit@1"] for entry in history]
        best = max(by_epoch)
        cells = [last["metric"], last["hit@1"], last["loss"], last["validation loss"], best]
        _line(name, [*cells, by_epoch.index(best) + 1])
