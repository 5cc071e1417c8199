"""Report of the demo: a table in the terminal, and a page."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from zeroshot._utils._provenance import RECORD
from zeroshot.displays import (
    EmbeddingMapDisplay,
    PredictionGridDisplay,
    RelativeLossDisplay,
    SimilarityBarDisplay,
)
from zeroshot.report import _charts as charts_of
from zeroshot.report._charts import GRID_IMAGES, grid
from zeroshot.report._classes import ABOUT_SCORES, Answers, worst_and_best
from zeroshot.report._folder import (
    PAGE,
    check_target,
    full_record,
    how_made,
    unreadable_images,
    what_was_run,
    write_folder,
)
from zeroshot.report._page import demo_terms, page, paragraph, section, table
from zeroshot.report._pictures import WIDE, chart
from zeroshot.taxonomy import class_synsets

FIGURES = "results.json"
OLD_PICTURE = "demo.png"  # of old reports, whose pictures were not in the page
TABLE = "figures.parquet"  # if the command line requests it
FILES = {PAGE, FIGURES, RECORD, OLD_PICTURE, TABLE}
N_EXTREME = 5  # classes at either end
K = 3  # labels per photo in the picture

Row = tuple[str, str, str, str]


def table_rows(results: Mapping[str, Any]) -> list[Row]:
    """Return the demo's metrics as rows: name, our value, the control's value, name of the control.

    Parameters
    ----------
    results : mapping
        Result of `zeroshot.demo.run_demo`.

    Returns
    -------
    rows : list of tuple of str
        Rows of four cells.
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
    """Return the demo's metrics and the photos' labels as text.

    Parameters
    ----------
    results : mapping
        Result of `zeroshot.demo.run_demo`.

    Returns
    -------
    text : str
        About twenty lines, without a final line break.
    """
    rows = [("CIFAR-100, bundled features", "ours", "control", "which control")]
    rows += table_rows(results)
    lines = [f"{what:<40}{ours:>12}{control:>12}  {which}" for what, ours, control, which in rows]
    lines += ["", f"{len(results['photos'])} photos, named from an open list of labels"]
    lines += [f"  {Path(photo['path']).name}: {_answer(photo)}" for photo in results["photos"]]
    return "\n".join([*lines, "", f"{results['seconds']:.0f} seconds"])


def write_demo_report(
    results: Mapping[str, Any],
    folder: str | os.PathLike,
    *,
    about: Mapping[str, Any] | None = None,
    overwrite: bool = False,
) -> Path:
    """Write ``index.html``, ``results.json`` and ``provenance.json`` into a folder.

    Parameters
    ----------
    results : mapping
        Result of `zeroshot.demo.run_demo`.
    folder : path
        Folder to create. It appears only when it is complete.
    about : mapping, optional
        Additional facts, as for `write_evaluation_report`.
    overwrite : bool, default=False
        Replace an existing report.

    Returns
    -------
    folder : Path
        Path of the report.

    Raises
    ------
    FileExistsError
        `folder` exists, and `overwrite` is False or the folder is not a report.
    MissingDependencyError
        matplotlib is not installed.

    Examples
    --------
    ``zeroshot demo --output DIR`` writes it.

    >>> import tempfile
    >>> from zeroshot.report import write_demo_report
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_demo_report({}, folder)
    Traceback (most recent call last):
    FileExistsError: write_demo_report: ... exists. Pass overwrite=True to replace a report.
    """
    check_target(folder, FILES, overwrite=overwrite, owner="write_demo_report")
    record = full_record(about, folder)
    shown = _page(results, record)
    return write_folder(folder, shown, (FIGURES, results), record, overwrite=overwrite)


def _page(results: Mapping[str, Any], record: Mapping[str, Any]) -> str:
    skipped = results["unreadable_photos"]
    head = ("CIFAR-100, bundled features", "ours", "control", "which control")
    rows = [[cell.strip() for cell in row] for row in table_rows(results)]
    return page(
        "Classes never seen in training",
        paragraph(_finding(results), kind="lead"),
        what_was_run(record, {"Time": f"{results['seconds']:.0f} seconds"}),
        section(
            "Figures",
            table(
                "Every metric beside controls that look at no image; means over the class splits",
                head, rows, numbers=(1, 2), ours=1,
            ),
            paragraph("Every value with its full precision is in results.json.", kind="soft"),
            demo_terms(),
        ),
        section("Photos, named from an open list of labels", *_photos(results["photos"])),
        section("Pictures", *_bars(results), _losses(results["relative_losses"])),
        *one_split(results["shown_split"], source=FIGURES),
        section("Each class left out in turn", *_extremes(results["relative_losses"])),
        unreadable_images(skipped, len(results["photos"]) + len(skipped)),
        how_made(record),
    )  # fmt: skip


def _finding(results: Mapping[str, Any]) -> str:
    return (
        f"A model that learnt 80 classes names {results['unseen_accuracy']:.1%} of the images of "
        f"20 others right, and has the right label among its first five for "
        f"{results['unseen_hit_at_5']:.1%}; the best constant answer has "
        f"{results['constant_accuracy']:.1%} and {results['constant_hit_at_5']:.1%}."
    )


def _photos(photos: Sequence[Mapping[str, Any]]) -> list[str]:
    if not photos:
        return []
    shown = photos[-GRID_IMAGES:]  # the user's own photos come last
    display = PredictionGridDisplay(
        [photo["path"] for photo in shown],
        {"labels, best first": [photo["labels"][:K] for photo in shown]},
        {"labels, best first": [photo["scores"][:K] for photo in shown]},
        n_images=len(photos),
    )
    names = ", ".join(os.path.basename(photo["path"]) for photo in shown)
    caption = (
        "Photos and their best labels with their scores; nothing was trained for these labels."
    )
    rows = [(Path(photo["path"]).name, _answer(photo)) for photo in photos]
    return [
        grid(
            display,
            alt=f"Photos with their best labels: {names}",
            caption=f"{caption} {ABOUT_SCORES}",
        ),
        table("The same in words, with five labels each", ("Photo", "Labels and scores"), rows),
    ]


def _bars(results: Mapping[str, Any]) -> list[str]:
    drawn = []
    for metric, ours, control, chance in (
        ("top-1", "unseen_accuracy", "constant_accuracy", "chance_accuracy"),
        ("hit@5", "unseen_hit_at_5", "constant_hit_at_5", "chance_hit_at_5"),
    ):
        values = {
            "bare class names": results[f"plain_names_{ours}"],
            "spelled-out names": results[ours],
        }
        controls = {"chance": results[chance], "best constant": results[control]}
        display = SimilarityBarDisplay(values, controls, metric=f"{metric}, 20 unseen classes")
        said = ", ".join(f"{name} {value:.2f}" for name, value in (values | controls).items())
        drawn.append(
            chart(
                display.plot,
                lambda width: 2.3 if width == WIDE else 2.6,
                alt=f"Bars of {metric}: {said}",
                caption=f"Images of 20 classes never seen in training: {metric}, mean of the class "
                "splits. A class is known by its bare name, or by its name spelled out.",
            )
        )
    return drawn


def _losses(losses: Mapping[str, Mapping[str, float]]) -> str:
    display = RelativeLossDisplay(
        [loss["model"] for loss in losses.values()],
        [loss["mean_predictor"] for loss in losses.values()],
        name="ridge on features",
        control_name="mean of the other labels",
    )

    def make(ax: Any) -> RelativeLossDisplay:
        return _tighten(display.plot(ax))

    return chart(
        make,
        lambda width: 0.5 * width if width == WIDE else 1.15 * width,
        alt="Histogram of the relative losses of excluded classes, with the control's outline",
        caption="Error on each class when it is left out of training, relative to predicting zero. "
        "The control predicts the mean vector of the other labels, and looks at no image.",
        legend_columns=3,
        trim=_tighten,
    )


def _tighten(display: RelativeLossDisplay) -> RelativeLossDisplay:
    """Remove the space for a legend, which is below the axes here."""
    display.ax_.set_ylim(top=display.ax_.get_ylim()[1] / 1.5)
    return display


def _extremes(losses: Mapping[str, Mapping[str, float]]) -> list[str]:
    """Return tables of the excluded classes with the largest and smallest errors."""
    order = sorted(losses, key=lambda label: losses[label]["model"])
    n = min(N_EXTREME, len(order) // 2)
    parts: list[str] = []
    for what, labels in (("largest", order[::-1][:n]), ("smallest", order[:n])):
        rows = [
            (label, *(f"{losses[label][kind]:+.1%}" for kind in ("model", "mean_predictor")))
            for label in labels
        ]
        caption = f"Excluded classes with the {what} relative loss"
        parts.append(table(caption, ("class", "ours", "control"), rows, numbers=(1, 2), ours=1))
    return parts


def _answer(photo: Mapping[str, Any]) -> str:
    pairs = zip(photo["labels"][:5], photo["scores"], strict=False)
    return ", ".join(f"{label} ({score:z.2f})" for label, score in pairs)


def one_split(shown: Mapping[str, Any], *, source: str) -> list[str]:
    """Return the sections of a page on one class split.

    Parameters
    ----------
    shown : mapping
        ``shown_split`` of what `zeroshot.demo.run_demo` returns.
    source : str
        Name of the file with the full content.
    """
    labels = np.array(shown["answers"])[:, np.newaxis]
    # Features are part of the package, images are not.
    answers = Answers(np.array(shown["y"]), labels, scores=np.zeros(labels.shape), images=None)
    right = labels[:, 0] == answers.y
    names, place = np.unique(answers.y, return_inverse=True)
    classes = {
        "label": names.tolist(),
        "seen": [False] * len(names),
        "accuracy": (np.bincount(place, right) / np.bincount(place)).tolist(),
    }
    said = (
        f"The model of the first class split, on {len(right):,} test images of its {len(names)} "
        f"unseen classes: {right.mean():.1%} are named right. The values above are means over "
        "all splits, and over more images of each class."
    )
    display = EmbeddingMapDisplay(
        shown["points"], shown["y"], shown["label_points"], shown["label_names"],
        seen_classes=shown["seen_classes"], placed=True,
    )  # fmt: skip
    return [
        section(
            "One split, image by image",
            paragraph(said),
            charts_of.confusion(answers, class_synsets("cifar100")),
            charts_of.map_of(display.plot, charts_of.PREDICTED_AND_LABELS),
        ),
        worst_and_best(classes, answers, source=source),
    ]
