"""What the demo found, as a table in the terminal and as a folder that a person opens."""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from zeroshot._files import atomic_folder
from zeroshot._optional import import_optional
from zeroshot.backbones._images import read_image

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's palette: told apart by colour-blind readers, and of different lightness.
OURS, CONTROL, LINE = "#0072B2", "#E69F00", "#555555"
MAX_DRAWN = 4  # photos in the figure

Row = tuple[str, str, str, str]


def table_rows(results: Mapping[str, Any]) -> list[Row]:
    """Return the demo's figures as rows: what, ours, the control's, and what the control is.

    Parameters
    ----------
    results : mapping
        What `zeroshot.demo.run_demo` returns.

    Returns
    -------
    rows : list of tuple of str
        Four cells each.
    """

    def share(name: str) -> str:
        return f"{results[name]:.3f}"

    def median(name: str) -> str:
        return f"{results[name]:+.1%}"

    def count(name: str) -> str:
        return f"{results[name]} of {len(results['relative_losses'])}"

    return [
        ("20 unseen classes, top-1", share("unseen_accuracy"),
         share("constant_accuracy"), "best constant answer"),
        ("20 unseen classes, hit@5", share("unseen_hit_at_5"),
         share("constant_hit_at_5"), "best constant answer"),
        ("  bare class names, top-1", share("plain_names_unseen_accuracy"),
         share("chance_accuracy"), "chance"),
        ("  bare class names, hit@5", share("plain_names_unseen_hit_at_5"),
         share("chance_hit_at_5"), "chance"),
        ("all 100 offered: seen classes", share("seen_accuracy_generalized"),
         share("chance_accuracy_generalized"), "chance"),
        ("all 100 offered: unseen classes", share("unseen_accuracy_generalized"),
         share("chance_accuracy_generalized"), "chance"),
        ("  harmonic mean of the two", share("harmonic_mean"),
         share("chance_accuracy_generalized"), "chance"),
        ("excluded class: relative loss, median", median("relative_loss_median"),
         median("mean_predictor_relative_loss_median"), "mean of the other labels"),
        ("  classes better than zero", count("relative_loss_improved"),
         count("mean_predictor_relative_loss_improved"), "mean of the other labels"),
        ("  over that control, median", median("relative_loss_over_mean_predictor_median"),
         "+0.0%", "the control itself"),
    ]  # fmt: skip


def format_table(results: Mapping[str, Any]) -> str:
    """Return the demo's figures and the photos' labels as text.

    Parameters
    ----------
    results : mapping
        What `zeroshot.demo.run_demo` returns.

    Returns
    -------
    text : str
        Some twenty lines, without a final line break.
    """
    rows = [("CIFAR-100, bundled features", "ours", "control", "which control")]
    rows += table_rows(results)
    lines = [f"{what:<40}{ours:>12}{control:>12}  {which}" for what, ours, control, which in rows]
    lines += ["", f"{len(results['photos'])} photos, named from an open list of labels"]
    lines += [f"  {Path(photo['path']).name}: {_answer(photo)}" for photo in results["photos"]]
    return "\n".join([*lines, "", f"{results['seconds']:.0f} seconds"])


def write_report(
    results: Mapping[str, Any], folder: str | Path, *, overwrite: bool = False
) -> Path:
    """Write ``index.html``, ``demo.png`` and ``results.json`` into a folder.

    Parameters
    ----------
    results : mapping
        What `zeroshot.demo.run_demo` returns.
    folder : path
        Is made; whole or not at all.
    overwrite : bool, default=False
        Replace a folder that exists.

    Returns
    -------
    folder : Path
        Where the report is.

    Raises
    ------
    FileExistsError
        The folder exists, and `overwrite` is false.
    MissingDependencyError
        matplotlib is not installed.
    """
    with atomic_folder(folder, overwrite=overwrite) as new:
        draw_results(results).savefig(new / "demo.png", dpi=120)
        (new / "results.json").write_text(json.dumps(results, indent=1), encoding="utf-8")
        page = _page(results, (new / "demo.png").read_bytes())
        # A file name need not be valid UTF-8.
        (new / "index.html").write_text(page, encoding="utf-8", errors="backslashreplace")
    return Path(folder)


def draw_results(results: Mapping[str, Any]) -> Figure:
    """Draw the photos with their labels, the unseen classes, and the excluded classes' losses.

    Parameters
    ----------
    results : mapping
        What `zeroshot.demo.run_demo` returns.

    Returns
    -------
    figure : matplotlib.figure.Figure
        Not shown, not saved.
    """
    figure_module = import_optional("matplotlib.figure", owner="The report", extra="plots")
    figure = figure_module.Figure(figsize=(11, 7.5), layout="constrained")
    photos = results["photos"][-MAX_DRAWN:]  # the user's own stand last
    below = figure
    if photos:
        above, below = figure.subfigures(2, 1)
        columns = above.subplots(1, max(2, len(photos)))
        for axes in columns:
            axes.set_axis_off()
        for axes, photo in zip(columns, photos, strict=False):
            _draw_photo(axes, photo)
    bars, losses = below.subplots(1, 2)
    _draw_bars(bars, results)
    _draw_losses(losses, list(results["relative_losses"].values()))
    return figure


def _draw_photo(axes: Axes, photo: Mapping[str, Any]) -> None:
    image = Image.fromarray(read_image(photo["path"]))
    image.thumbnail((600, 600))  # more than the figure shows
    axes.imshow(image)
    axes.set_anchor("NW")  # under its title, however tall or wide
    axes.set_title("\n".join(_pairs(photo, k=3)), fontsize=11, loc="left")


def _draw_bars(axes: Axes, results: Mapping[str, Any]) -> None:
    kinds = {"top-1": ("unseen_accuracy", "constant_accuracy"),
             "hit@5": ("unseen_hit_at_5", "constant_hit_at_5")}  # fmt: skip
    for row, names in enumerate(kinds.values()):
        for offset, name, color, label in (
            (0.2, names[0], OURS, "zero-shot model"),
            (-0.2, names[1], CONTROL, "best constant answer"),
        ):
            bar = axes.barh(row + offset, results[name], 0.36, color=color)
            axes.bar_label(bar, fmt="%.2f", padding=3)
            if row == 0:
                bar.set_label(label)
    axes.set_yticks(range(len(kinds)), list(kinds))
    axes.set_xlim(0, 1)
    axes.set_title("Naming images of 20 classes never seen in training", fontsize=11)
    axes.set_xlabel("share of images, mean of five class splits")
    axes.legend(loc="lower right", frameon=False)
    axes.spines[["top", "right"]].set_visible(False)


def _draw_losses(axes: Axes, losses: Sequence[Mapping[str, float]]) -> None:
    ours = [loss["model"] for loss in losses]
    control = [loss["mean_predictor"] for loss in losses]
    low, high = min(ours + control), max(ours + control)
    bins = [low + (high - low) * step / 24 for step in range(25)]
    axes.hist(ours, bins, color=OURS, label="ridge on features")
    axes.hist(
        control, bins, histtype="step", color=CONTROL, linewidth=2, label="mean of the labels"
    )
    axes.axvline(0, color=LINE, linestyle="--", linewidth=1)
    axes.set_ylim(top=1.3 * axes.get_ylim()[1])  # room for the legend
    axes.set_title("Error on each excluded class, relative to zero", fontsize=11)
    axes.set_xlabel("relative loss (below 0 is better)")
    axes.set_ylabel("classes")
    axes.legend(loc="upper right", frameon=False)
    axes.spines[["top", "right"]].set_visible(False)


def _answer(photo: Mapping[str, Any]) -> str:
    return ", ".join(_pairs(photo, k=5))


def _pairs(photo: Mapping[str, Any], k: int) -> list[str]:
    pairs = zip(photo["labels"][:k], photo["scores"], strict=False)
    return [f"{label} ({score:.2f})" for label, score in pairs]


def _page(results: Mapping[str, Any], figure: bytes) -> str:
    rows = "\n".join(
        "<tr>" + "".join(f"<td>{html.escape(cell.strip())}</td>" for cell in row) + "</tr>"
        for row in table_rows(results)
    )
    photos = "\n".join(
        f"<li>{html.escape(Path(photo['path']).name)}: {html.escape(_answer(photo))}</li>"
        for photo in results["photos"]
    )
    picture = base64.b64encode(figure).decode("ascii")
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>zeroshot demo</title>
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto;
 padding: 0 1rem; }}
img {{ max-width: 100%; }}
table {{ border-collapse: collapse; display: block; overflow-x: auto; }}
td, th {{ text-align: left; padding: .2rem 1rem .2rem 0; border-bottom: 1px solid #ddd; }}
</style></head><body>
<h1>Classes never seen in training</h1>
<img alt="Photos with predicted labels, accuracy on unseen classes, and relative losses"
 src="data:image/png;base64,{picture}">
<table>
<tr><th>CIFAR-100, bundled features</th><th>ours</th><th>control</th><th>which control</th></tr>
{rows}
</table>
<h2>Photos, named from an open list of labels</h2>
<ul>
{photos}
</ul>
<p>{results["seconds"]:.0f} seconds. Every figure with its full precision: results.json.</p>
</body></html>
"""
