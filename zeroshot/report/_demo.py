"""Report of the demo: a table in the terminal, and a page."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from zeroshot._utils._provenance import RECORD
from zeroshot.report._charts import (
    PREDICTED_AND_LABELS,
    Bar,
    bars,
    confusion,
    losses,
    map_of,
)
from zeroshot.report._classes import Answers, mistakes, worst_and_best
from zeroshot.report._folder import (
    PAGE,
    check_target,
    full_record,
    how_made,
    unreadable_images,
    what_was_run,
    write_folder,
)
from zeroshot.report._gallery import named_photos
from zeroshot.report._page import PARTS, charts, demo_terms, page, paragraph, section, table, tiles
from zeroshot.taxonomy import class_synsets

FIGURES = "results.json"
OLD_PICTURE = "demo.png"  # of old reports, whose pictures were not in the page
TABLE = "figures.parquet"  # if the command line requests it
FILES = {PAGE, FIGURES, RECORD, OLD_PICTURE, TABLE}
N_EXTREME = 5  # classes at either end
MAX_PHOTOS = 30  # on the page

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
        ("class left out: change of error, median", median("relative_loss_median"),
         median("mean_predictor_relative_loss_median"), "mean of the other labels"),
        ("  classes with a smaller error", count("relative_loss_improved"),
         count("mean_predictor_relative_loss_improved"), "mean of the other labels"),
        ("  error beside that mean's, median", median("relative_loss_over_mean_predictor_median"),
         "+0.0%", "mean of the other labels"),
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
    answers, classes = _of_one_split(results["shown_split"])
    return page(
        "Classes never seen in training",
        paragraph(_finding(results), kind="lead"),
        _photos(results["photos"]),
        tiles(_figures_in_short(results)),
        mistakes(answers),
        worst_and_best(classes, answers, source=FIGURES),
        section(
            "Figures",
            charts(_bars(results)),
            table(
                "Every metric beside controls that look at no image; means over the class splits",
                head, rows, numbers=(1, 2), ours=1,
            ),
            paragraph("Every value with its full precision is in results.json.", kind="soft"),
            demo_terms(),
        ),
        _one_split(results["shown_split"], answers),
        section(
            "Each class left out in turn",
            charts(_losses(results["relative_losses"]), _extremes(results["relative_losses"])),
        ),
        what_was_run(record, {"Time": f"{results['seconds']:.0f} seconds"}),
        unreadable_images(skipped, len(results["photos"]) + len(skipped)),
        how_made(record),
    )  # fmt: skip


def _finding(results: Mapping[str, Any]) -> str:
    return (
        f"A model that learnt 80 classes names {results['unseen_accuracy']:.1%} of the images of "
        f"20 others right, of which it has seen no image. The best answer that is the same for all "
        f"images gets {results['constant_accuracy']:.1%}."
    )


def _figures_in_short(results: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    def share(name: str) -> str:
        return f"{results[name]:.1%}"

    return [
        (share("unseen_accuracy"), "of images of 20 unseen classes named right",
         f"best constant answer: {share('constant_accuracy')}"),
        (share("unseen_hit_at_5"), "have the right name among the first five",
         f"best constant answer: {share('constant_hit_at_5')}"),
        (share("unseen_accuracy_generalized"), "named right if all 100 classes are offered",
         f"chance: {share('chance_accuracy_generalized')}"),
        (share("seen_accuracy_generalized"), "of new images of the 80 learnt classes then",
         f"chance: {share('chance_accuracy_generalized')}"),
    ]  # fmt: skip


def _photos(photos: Sequence[Mapping[str, Any]]) -> str:
    if not photos:
        return ""
    shown = photos[-MAX_PHOTOS:]  # the user's own photos come last
    credits = dict.fromkeys(photo["credit"] for photo in shown if "credit" in photo)
    left_out = f", {len(shown)} of {len(photos)} photos" * (len(shown) < len(photos))
    intro = (
        f"Named from a list of about two hundred everyday words{left_out}, the surest first. "
        "Nothing was trained for these words."
    )
    if all("probabilities" in photo for photo in shown):
        intro += " Percentages are the model's probabilities, fitted on other photos."
    source = f" Photos: {'. '.join(credits)}." if credits else ""
    return named_photos(shown, intro + source)


def _bars(results: Mapping[str, Any]) -> str:
    groups = {}
    for title, ours, control, chance in (
        ("First label right, 20 unseen classes",
         "unseen_accuracy", "constant_accuracy", "chance_accuracy"),
        ("Right label among the first five",
         "unseen_hit_at_5", "constant_hit_at_5", "chance_hit_at_5"),
    ):  # fmt: skip
        groups[title] = [
            Bar("spelled-out names", results[ours], ours=True),
            Bar("bare names", results[f"plain_names_{ours}"], ours=True),
            Bar("best constant", results[control]),
            Bar("chance", results[chance]),
        ]
    return bars(
        groups,
        caption="Images of 20 classes never seen in training, mean of the class splits. A class is "
        "known by its name spelled out, or by its bare name. Below: what looks at no image.",
    )


def _losses(changes: Mapping[str, Mapping[str, float]]) -> str:
    return losses(
        [change["model"] for change in changes.values()],
        [change["mean_predictor"] for change in changes.values()],
        caption="Each class is left out of training once, and its word vector is predicted from "
        "its images. The control predicts the mean vector of the other labels, and looks at no "
        "image. Left of 0 is better than predicting nothing.",
    )


def _extremes(losses: Mapping[str, Mapping[str, float]]) -> str:
    """Return tables of the excluded classes with the largest and smallest errors."""
    order = sorted(losses, key=lambda label: losses[label]["model"])
    n = min(N_EXTREME, len(order) // 2)
    parts = []
    for what, labels in (("largest", order[::-1][:n]), ("smallest", order[:n])):
        rows = [
            (label, *(f"{losses[label][kind]:+.1%}" for kind in ("model", "mean_predictor")))
            for label in labels
        ]
        caption = f"Classes left out with the {what} error"
        parts.append(table(caption, ("class", "ours", "mean label"), rows, numbers=(1, 2), ours=1))
    return PARTS.column(*parts)


def _answer(photo: Mapping[str, Any]) -> str:
    pairs = zip(photo["labels"][:5], photo["scores"], strict=False)
    return ", ".join(f"{label} ({score:z.2f})" for label, score in pairs)


def _of_one_split(shown: Mapping[str, Any]) -> tuple[Answers, dict[str, list]]:
    """Return the answers of the first class split's model, and the accuracy of each class."""
    labels = np.array(shown["answers"])[:, np.newaxis]
    answers = Answers(np.array(shown["y"]), labels, images=None)  # features ship, images do not
    names, place = np.unique(answers.y, return_inverse=True)
    right = np.bincount(place, labels[:, 0] == answers.y)
    return answers, {
        "label": names.tolist(),
        "seen": [False] * len(names),
        "accuracy": (right / np.bincount(place)).tolist(),
    }


def _one_split(shown: Mapping[str, Any], answers: Answers) -> str:
    right = answers.labels[:, 0] == answers.y
    said = (
        f"The model of the first class split, on {len(right):,} test images of its "
        f"{len(np.unique(answers.y))} unseen classes: {right.mean():.1%} are named right. The "
        "figures above are means over all splits, and over more images of each class."
    )
    return section(
        "One split, image by image",
        paragraph(said),
        confusion(answers, class_synsets("cifar100")),
        map_of(
            shown["points"], shown["y"], shown["label_points"], shown["label_names"],
            shown["seen_classes"], what=PREDICTED_AND_LABELS, placed=True,
        ),
    )  # fmt: skip
