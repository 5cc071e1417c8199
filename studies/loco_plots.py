"""The leave-one-class-out study on paper: tables that are printed, and the published figures."""

from __future__ import annotations

from typing import Any

import numpy as np
from loco_figures import PAPER, best_factor, drawn_loss, last_losses

OURS, CONTROL = "#0072B2", "#D55E00"
KEYS = ("relative loss", "control")


def show(results: dict[str, Any]) -> None:
    """Print every figure beside its control and the paper's."""
    folds = results["folds"]
    print(f"\n{folds['finished']} of {folds['of']} folds")
    print(f"{'':<66}{'median':>8}{'quartiles':>18}{'better':>12}   best, worst")
    paper = PAPER["relative loss"]
    if folds["finished"]:
        n = folds["finished"]
        _row("relative loss, network from scratch", results["relative loss"], n)
        _row("  control: mean embedding", results["control: mean embedding"], n)
        _row("  skill over the control", results["skill over the control"], n)
        for how, drawn in results["drawn towards the mean"].items():
            low, high = min(drawn["factors"]), max(drawn["factors"])
            by = f"{low:.2f}" if low == high else f"{low:.2f} to {high:.2f}"
            _row(f"  drawn to the mean {how}: {by}", drawn["relative loss"], n)
            _row("    skill over the control", drawn["skill over the control"], n)
        _row("  to the untrained network", results["relative to the untrained network"], n)
        _row("    control", results["control relative to the untrained network"], n)
    print(
        f"{'relative loss, as published':<66}{paper['median']:+8.1%}{'':18}"
        f"{paper['better']:>5} of 100   {paper['best']:+.1%}, {paper['worst']:+.1%}"
    )
    for source, figures in results["frozen"].items():
        n = sum(figures["penalties"].values())
        _row(f"relative loss, ridge on {source}", figures["relative loss"], n)
        _row("  control: mean embedding", figures["control: mean embedding"], n)
        _row("  skill over the control", figures["skill over the control"], n)
        chosen = ", ".join(f"{alpha} in {count}" for alpha, count in figures["penalties"].items())
        print(f"  penalties chosen: {chosen}")
        for alpha, row in figures["one pass, one penalty"].items():
            _row(f"  {alpha} in every fold, from one pass", row, n)
        if "with words" in figures:
            with_words = figures["with words"]
            _row("relative loss, ridge and prototypes of words", with_words["relative loss"], n)
            _row("  skill over the control", with_words["skill over the control"], n)
            shown = "{:.2f} and {:.2f}".format(*with_words["median factors"])
            print(f"  factors of ridge and of words, medians: {shown}")
    if folds["finished"]:
        _show_course(results)
    for source, figures in results["frozen"].items():
        _show_neighbours(figures["neighbours"], f"ridge on {source}")


def _row(title: str, row: dict[str, Any], n: int) -> None:
    quartiles = "{:+.1%}, {:+.1%}".format(*row["quartiles"])
    ends = f"{row['best'][0]} {row['best'][1]:+.1%}, {row['worst'][0]} {row['worst'][1]:+.1%}"
    counts = f"{row['better']} of {n}"
    print(f"{title:<66}{row['median']:+8.1%}{quartiles:>18}{counts:>12}   {ends}")


def _show_course(results: dict[str, Any]) -> None:
    curves = results["relative loss by epoch"]
    compared = {"as it is": results, **results["drawn towards the mean"]}
    worth = {how: row["below the control, Wilcoxon p"] for how, row in compared.items()}
    if None not in worth.values():
        shown = ", ".join(f"{how} p = {p:.2g}" for how, p in worth.items())
        print(f"\nagainst the control, Wilcoxon's signed-rank test: {shown}")
    print("\nepoch   loss: median, quartiles   relative loss: median, quartiles   skill")
    loss = results["loss by epoch, from 0"]
    print(f"{0:5d}{loss['median'][0]:10.3f}{loss['lower'][0]:8.3f}{loss['upper'][0]:8.3f}")
    for epoch, skill in enumerate(results["skill over the control by epoch"]):
        line = "".join(f"{loss[k][epoch + 1]:{w}.3f}" for k, w in _COLUMNS)
        line += "".join(f"{curves[k][epoch]:+{w + 3}.1%}" for k, w in _COLUMNS)
        print(f"{epoch + 1:5d}{line}{skill:+11.1%}")
    print(
        f"the median gains less than 1 % after epoch {results['gains less than 1 % after epoch']} "
        f"(published: about {PAPER['gains less than 1 % after epoch']})"
    )
    print(f"still improving by 1 % or more: {_named(results['still improving'])}")
    print(f"lowest at the last epoch: {', '.join(results['lowest at the last epoch']) or 'none'}")
    seen = results["accuracy on trained classes"]
    print(
        f"accuracy on the trained classes, nearest label: {seen['median']:.3f} (median over folds, "
        f"{seen['quartiles'][0]:.3f} to {seen['quartiles'][1]:.3f}; chance {seen['chance']:.3f}; "
        f"published {PAPER['accuracy on trained classes']:.2f})"
    )
    if results["neighbours"]:
        _show_neighbours(results["neighbours"], "network from scratch")


_COLUMNS = (("median", 10), ("lower", 8), ("upper", 8))


def _named(falls: dict[str, float]) -> str:
    return ", ".join(f"{name} ({fall:.1%})" for name, fall in falls.items()) or "none"


def _show_neighbours(table: dict[str, dict[str, float]], title: str) -> None:
    print(f"\n{title}: Spearman's rank correlation with the mean cosine to the 5 nearest labels")
    for name, row in table.items():
        print(f"  {name:<32}{row['rho']:+6.2f}  (p = {row['p']:.2g}, {row['classes']} classes)")


def show_development(folds: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Print, and return, the figures of each variant after its last epoch."""
    print(
        f"\n{'':<30}relative loss   control     skill   better  accuracy   drawn to the mean by, "
        "skill"
    )
    results = {}
    for name, fold in folds.items():
        losses = last_losses(fold["classes"], list(fold["classes"]))
        last, zero, mean, spread = (
            np.array([loss[key] for loss in losses]) for key in ("last", "zero", "mean", "spread")
        )
        factor = best_factor(losses)
        drawn = drawn_loss(last, mean, spread, factor)
        row = {
            "relative loss": float(np.median(last / zero - 1)),
            "control": float(np.median(mean / zero - 1)),
            "skill": float(np.median(last / mean - 1)),
            "better": int((last < mean).sum()),
            "accuracy": fold["seen_accuracy"],
            "skill by epoch": np.median(
                [np.array(loss["epochs"]) / loss["mean"] - 1 for loss in losses], axis=0
            ).tolist(),
            "drawn": {"factor": factor, "skill": float(np.median(drawn / mean - 1))},
        }
        print(
            f"{name:<30}{row['relative loss']:+13.1%}{row['control']:+10.1%}{row['skill']:+10.1%}"
            f"{row['better']:>4} of {len(last)}{row['accuracy']:10.3f}{factor:19.2f}"
            f"{row['drawn']['skill']:+10.1%}"
        )
        results[name] = row
    return results


def draw(results: dict[str, Any], path: str) -> None:
    """Draw the picture of the study into a file, if there is anything to draw yet."""
    from study_figures import write

    if results["folds"]["finished"] or results["frozen"]:
        write(figure(results), path)


def figure(results: dict[str, Any]) -> Any:
    """Draw the course of the loss (Figs. 1, 2) and the histograms (Figs. 2, 3)."""
    from study_figures import panels

    finished, frozen = results["folds"]["finished"], list(results["frozen"].values())[-1:]
    n = 2 * bool(finished) + len(frozen)
    drawn, axes = panels(n, 3.9, n_columns=min(2, n), share_y=False)
    left = iter(axes)
    if finished:
        _draw_course(next(left), results)
        _draw_histogram(next(left), results["classes"], "SimpNet from scratch", "network")
    for figures in frozen:
        _draw_histogram(next(left), figures["classes"], "ridge on pretrained features", "ridge")
    return drawn


def _draw_course(ax: Any, results: dict[str, Any]) -> None:
    from study_figures import name_panel

    curves = {name: 100 * np.array(row) for name, row in results["relative loss by epoch"].items()}
    epochs = np.arange(1, len(curves["median"]) + 1)
    style = {"color": OURS, "alpha": 0.2, "linewidth": 0}
    ax.fill_between(epochs, curves["lower"], curves["upper"], label="quartiles", **style)
    ax.plot(epochs, curves["median"], color=OURS, marker="o", markersize=3, label="median")
    control = 100 * results["control: mean embedding"]["median"]
    ax.axhline(control, color=CONTROL, linestyle="--", label="control: mean embedding, median")
    end = results["gains less than 1 % after epoch"]
    ax.axvline(end, ymax=0.68, color="grey", linestyle=":", label="median gains less than 1 % more")
    low, high = min(curves["lower"].min(), control), curves["upper"].max()
    ax.set_ylim(low - 0.05 * (high - low), high + 0.5 * (high - low))  # room for the legend
    ax.set(xlabel="epoch", ylabel="excluded class's loss against zero, %")
    ax.xaxis.get_major_locator().set_params(integer=True)
    name_panel(ax, f"SimpNet from scratch, {results['folds']['finished']} classes")
    ax.legend(frameon=False, fontsize=8, loc="upper right")


def _draw_histogram(ax: Any, classes: dict[str, dict[str, Any]], title: str, ours: str) -> None:
    from study_figures import name_panel

    from zeroshot.displays import RelativeLossDisplay

    losses, control = ([row[key] for row in classes.values()] for key in KEYS)
    display = RelativeLossDisplay(
        losses, control, name=ours, control_name="control: mean embedding"
    )
    display.plot(ax, n_bins=min(25, len(losses)))
    ax.get_legend().set(frame_on=True)
    ax.get_legend().get_frame().set(edgecolor="none", alpha=0.9)  # no line runs through letters
    name_panel(ax, f"{title}, {len(classes)} classes")
