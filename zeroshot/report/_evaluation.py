"""Report of an evaluation."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from sklearn.utils import check_consistent_length

from zeroshot._utils._provenance import RECORD
from zeroshot._utils._validation import check_labels
from zeroshot.displays._checks import top_labels
from zeroshot.evaluation import ZeroShotEvaluation
from zeroshot.evaluation._result import figure_rows, heading, remarks
from zeroshot.report import _charts as charts_of
from zeroshot.report._classes import Answers, worst_and_best
from zeroshot.report._folder import (
    PAGE,
    check_target,
    full_record,
    how_made,
    unreadable_images,
    what_was_run,
    write_folder,
)
from zeroshot.report._page import bullets, evaluation_terms, page, paragraph, section, spoken, table

OWNER = "write_evaluation_report"
FIGURES = "evaluation.json"
FILES = {PAGE, FIGURES, RECORD, "figures.parquet"}
K = 3  # labels per image
NO_CHARTS = "Charts need matplotlib: pip install 'scikit-zeroshot[plots]'"


def write_evaluation_report(
    result: ZeroShotEvaluation,
    folder: str | os.PathLike,
    estimator: Any,
    X: Any,
    y: Any,
    *,
    images: Any = None,
    synsets: Mapping[Any, Any] | None = None,
    about: Mapping[str, Any] | None = None,
    charts: bool = True,
    random_state: int = 0,
    overwrite: bool = False,
) -> Path:
    """Write ``index.html``, ``evaluation.json`` and ``provenance.json`` into a folder.

    The page is self-contained: it needs no network, no script and no other file. It shows the
    metrics with their controls, the confusion matrix, the seen-unseen curve if there is one, a map
    of images and labels, and the worst and best classes with examples.

    Parameters
    ----------
    result : ZeroShotEvaluation
        Result of `zeroshot.evaluate_zero_shot`.
    folder : path
        Folder to create. It appears only when it is complete.
    estimator : classifier, Pipeline or search object
        The evaluated estimator.
    X : array-like or list of length n_samples
        Input of the evaluation.
    y : array-like of shape (n_samples,)
        The true labels.
    images : list of path or PIL image, or uint8 array, of length n_samples, optional
        Images of the samples. None uses `X`, if it contains images.
    synsets : mapping of label to str or Synset, optional
        Order of the classes in the confusion matrix, as in `zeroshot.displays`.
    about : mapping, optional
        Additional facts that JSON can store, such as ``command``, ``model``, ``source``, ``seeds``,
        and ``weights`` (names to hashes). They are written to ``provenance.json``.
    charts : bool, default=True
        Draw charts, which needs matplotlib.
    random_state : int, default=0
        Seed of the random choice of images, and of the map.
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
        matplotlib is not installed, and `charts` is True.
    ValueError
        The samples are not those of `result`.

    See Also
    --------
    zeroshot.evaluation.evaluate_zero_shot : Where the figures come from.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from zeroshot import DeViSEClassifier, HashEmbedding, evaluate_zero_shot
    >>> from zeroshot.report import write_evaluation_report
    >>> X, y = np.repeat(np.eye(3), 4, axis=0), np.repeat(["cat", "dog", "owl"], 4)
    >>> model = DeViSEClassifier(HashEmbedding(8), loss="mse").fit(X, y)
    >>> result = evaluate_zero_shot(model, X, y, random_state=0)
    >>> with tempfile.TemporaryDirectory() as home:
    ...     folder = write_evaluation_report(result, f"{home}/report", model, X, y, charts=False)
    ...     sorted(path.name for path in folder.iterdir())
    ['evaluation.json', 'index.html', 'provenance.json']
    """
    check_target(folder, FILES, overwrite=overwrite, owner=OWNER)
    y = check_labels(y, owner=OWNER, name="y")
    check_consistent_length(X, y, images)
    if len(y) != result.settings["n_samples"]:
        raise ValueError(
            f"{OWNER}: y has {len(y):,} labels, and result is of {result.settings['n_samples']:,} "
            "samples. Pass the X and y that were evaluated."
        )
    record = full_record(about, folder)
    k = min(K, result.settings["n_candidates"])
    final, labels, scores = top_labels(estimator, X, k, owner=OWNER)
    answers = Answers(y, labels, scores, _images(X) if images is None else images)
    seed = random_state
    drawn = [paragraph(NO_CHARTS, kind="soft")]
    if charts:
        drawn = [
            charts_of.sample(answers, final.seen_classes_, seed),
            charts_of.confusion(answers, synsets),
            charts_of.curve(result),
            charts_of.reliability(result),
            charts_of.risk_coverage(result),
            charts_of.embedding_map(estimator, X, y, seed),
        ]
    shown = _page(result, record, answers, drawn)
    return write_folder(folder, shown, (FIGURES, result.to_dict()), record, overwrite=overwrite)


def _images(X: Any) -> Any:
    """Return X if it contains images, None if it contains features."""
    if isinstance(X, (list, tuple)):
        is_image = isinstance(X[0], (str, os.PathLike, Image.Image)) or np.ndim(X[0]) == 3
        return X if is_image else None
    return X if np.ndim(X) in (1, 4) else None


def _page(
    result: ZeroShotEvaluation, record: Mapping[str, Any], answers: Answers, drawn: list[str]
) -> str:
    skipped = record.get("images", {}).get("unreadable", [])
    about = {
        "Average": f"each {'class' if result.settings['average'] == 'macro' else 'sample'} once"
    }
    about["Intervals"] = f"{result.settings['n_bootstrap']:,} bootstrap samples of the classes"
    return page(
        "How well images are named",
        paragraph(_finding(result), kind="lead"),
        paragraph(heading(result), kind="soft"),
        what_was_run(record, about),
        _figures(result),
        worst_and_best(result.classes, answers, source=FIGURES),
        section("Pictures", *drawn),
        unreadable_images(skipped, len(answers.y) + len(skipped)),
        how_made(record),
    )


def _finding(result: ZeroShotEvaluation) -> str:
    """Return one sentence with the accuracy of the model and of the controls to beat."""
    found = result["mean_class_accuracy"]
    low, high = found.low, found.high
    # If all classes have equal values, the interval has no width and no meaning.
    known = low is not None and high is not None and low < high
    within = f" (between {low:.1%} and {high:.1%})" if known else ""
    return (
        f"{found.value:.1%} of the images of a class are named right on average{within}; "
        f"{_untrained(result)}the best answer that is the same for all images has "
        f"{found.best_constant:.1%}, a random one {found.random_label:.1%}.{_parts(result)}"
    )


def _untrained(result: ZeroShotEvaluation) -> str:
    """Return the same for the control without training, if it was measured."""
    control = result["mean_class_accuracy"].no_training
    return "" if control is None else f"without any training it is {control:.1%}; "


def _parts(result: ZeroShotEvaluation) -> str:
    """Return the same for seen and unseen classes, if there are both."""
    if not {"seen_accuracy", "unseen_accuracy"} <= set(result):
        return ""
    parts = [
        f"{kind} classes {result[f'{kind}_accuracy'].value:.1%} (constant: "
        f"{result[f'{kind}_accuracy'].best_constant:.1%})"
        for kind in ("seen", "unseen")
    ]
    return f" Apart: {', '.join(parts)}."


def _figures(result: ZeroShotEvaluation) -> str:
    head, *rows = figure_rows(result)
    shown = [[spoken(row[0]), *row[1:]] for row in rows]
    caption = "Every metric beside its controls"
    return section(
        "Figures",
        table(caption, head, shown, numbers=range(1, len(head)), ours=1),
        bullets(remarks(result)),
        evaluation_terms(result),
    )
