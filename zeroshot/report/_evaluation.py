"""Report of an evaluation."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup
from PIL import Image
from sklearn.utils import check_consistent_length

from zeroshot._utils._pipelines import final_and_input
from zeroshot._utils._provenance import RECORD
from zeroshot._utils._validation import check_labels, take_rows
from zeroshot.displays._checks import top_labels
from zeroshot.evaluation import Estimate, ZeroShotEvaluation
from zeroshot.evaluation._result import figure_rows, has_width, heading, remarks
from zeroshot.report._charts import (
    confusion,
    curve,
    embedding_map,
    of_evaluation,
    reliability,
    risk_coverage,
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
from zeroshot.report._gallery import gallery
from zeroshot.report._page import (
    bullets,
    evaluation_terms,
    page,
    paragraph,
    section,
    spoken,
    table,
    tiles,
)
from zeroshot.report._page import charts as charts_of

OWNER = "write_evaluation_report"
FIGURES = "evaluation.json"
FILES = {PAGE, FIGURES, RECORD, "figures.parquet"}
K = 3  # labels per image
ROUNDING = 0.0005  # of figures with one decimal


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
    n_trained_on: int = 0,
    charts: bool = True,
    random_state: int = 0,
    overwrite: bool = False,
) -> Path:
    """Write ``index.html``, ``evaluation.json`` and ``provenance.json`` into a folder.

    The page is self-contained: it needs no network and no other file, and also reads without its
    script. It shows images with their answers, what is taken for what, the metrics with their
    controls, the confusion matrix, the seen-unseen curve if there is one, a map of images and
    labels, and how all of this was made.

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
        Senses of the classes, for their order in the confusion matrix. Other labels get the sense
        nearest to the rest.
    about : mapping, optional
        Additional facts that JSON can store, such as ``command``, ``model``, ``source``, ``seeds``,
        and ``weights`` (names to hashes). They are written to ``provenance.json``.
    n_trained_on : int, default=0
        How many of the images the model was trained on. The page says so beside the accuracy on
        seen classes.
    charts : bool, default=True
        Draw charts. The map takes some seconds.
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
    final, labels, _ = top_labels(estimator, X, k, owner=OWNER)
    answers = Answers(y, labels, _images(X) if images is None else images)
    seen, seed = final.seen_classes_, random_state
    sure, calibrated = None, getattr(final, "confidence_", None) is not None
    if hasattr(final, "predict_proba"):

        def sure(rows: np.ndarray) -> np.ndarray:
            return probabilities_of(estimator, take_rows(X, rows), labels[rows])

    drawn = [] if not charts else [
        of_evaluation(result),
        curve(result),
        reliability(result),
        risk_coverage(result),
    ]  # fmt: skip
    large = [confusion(answers, synsets), embedding_map(estimator, X, y, seed)] if charts else []
    shown = page(
        "How well images are named",
        *_finding(result, n_trained_on),
        gallery(answers, seen, sure, calibrated=calibrated, seed=seed),
        tiles(_figures_in_short(result)),
        mistakes(answers),
        worst_and_best(result.classes, answers, source=FIGURES),
        _figures(result, drawn),
        section("Confusion matrix and map", *large),
        _how_made(result, record, len(y)),
    )
    return write_folder(folder, shown, (FIGURES, result.to_dict()), record, overwrite=overwrite)


def probabilities_of(estimator: Any, X: Any, labels: np.ndarray) -> np.ndarray:
    """Return the probability of each of some labels, (n_samples, k) as `labels`."""
    final, inner = final_and_input(estimator, X)
    columns = {label: place for place, label in enumerate(np.asarray(final.classes_).tolist())}
    places = np.array([[columns[label] for label in row] for row in labels.tolist()])
    return np.take_along_axis(np.asarray(final.predict_proba(inner)), places, axis=1)


def _images(X: Any) -> Any:
    """Return X if it contains images, None if it contains features."""
    if isinstance(X, (list, tuple)):
        is_image = isinstance(X[0], (str, os.PathLike, Image.Image)) or np.ndim(X[0]) == 3
        return X if is_image else None
    return X if np.ndim(X) in (1, 4) else None


def _how_made(result: ZeroShotEvaluation, record: Mapping[str, Any], n_images: int) -> Markup:
    skipped = record.get("images", {}).get("unreadable", [])
    about = {
        "Average": f"each {'class' if result.settings['average'] == 'macro' else 'sample'} once",
        "Intervals": f"{result.settings['n_bootstrap']:,} bootstrap samples of the classes",
    }
    return Markup("\n").join(
        [
            what_was_run(record, about),
            unreadable_images(skipped, n_images + len(skipped)),
            how_made(record),
        ]
    )


def _finding(result: ZeroShotEvaluation, n_trained_on: int) -> list[Markup]:
    """Return what was found, in words: unseen classes first, then what must not be overlooked."""
    warnings = []
    known = result.settings
    if "unseen_accuracy" in result:
        what = f"of the images of {_classes(known['n_unseen_classes'])} never seen in training are "
        first = _sentence(result["unseen_accuracy"], what + "named right")
        if "seen_accuracy" in result:
            seen = result["seen_accuracy"]
            first += (
                f" Of {_classes(known['n_seen_classes'])} seen in training it is {seen.value:.1%}"
                f" (constant: {seen.best_constant:.1%})."
            )
    else:
        first = _sentence(result["mean_class_accuracy"], "of the images of a class are named right")
        if not known["n_unseen_classes"]:
            first += (
                " All these classes were seen in training: how new ones are named is not known."
            )
    if n_trained_on:
        warnings.append(
            f"{n_trained_on:,} of these {known['n_samples']:,} images are those that the model was "
            "trained on: what it says about seen classes is what it remembers."
        )
    for figure, kind in (("unseen_accuracy", "unseen"), ("seen_accuracy", "seen")):
        if figure in result and (why := _beaten(result[figure], f"On {kind} classes")):
            warnings.append(why)
    if "unseen_accuracy" not in result and "seen_accuracy" not in result:
        warnings.append(_beaten(result["mean_class_accuracy"], "Here"))
    return [
        paragraph(first, kind="lead"),
        *(paragraph(warning, kind="warning") for warning in warnings if warning),
        paragraph(heading(result), kind="soft"),
    ]


def _classes(n: int) -> str:
    return "1 class" if n == 1 else f"{n:,} classes"


def _sentence(found: Estimate, what: str) -> str:
    """Return an accuracy in a sentence with the controls that it has to beat."""
    within = f" (between {found.low:.1%} and {found.high:.1%})" if has_width(found) else ""
    untrained = ""
    if found.no_training is not None:
        untrained = f"without any training it is {found.no_training:.1%}; "
    return (
        f"{found.value:.1%} {what}{within}; {untrained}the best answer that is the same for all "
        f"images has {found.best_constant:.1%}."
    )


def _beaten(found: Estimate, where: str) -> str:
    """Return a warning if a control is better than the model, or nothing."""
    for name, control in (
        ("no training at all", found.no_training),
        ("the same answer for all images", found.best_constant),
    ):
        if control is not None and found.value < control - ROUNDING:
            return f"{where} this is worse than {name}: {found.value:.1%} against {control:.1%}."
    return ""


def _figures_in_short(result: ZeroShotEvaluation) -> list[tuple[str, str, str]]:
    """Return some metrics in large letters."""
    names = {
        "unseen_accuracy": "right on unseen classes",
        "seen_accuracy": "right on seen classes",
        "harmonic_mean": "harmonic mean of both",
        "hit_at_5": "have the right label among the first five",
    }
    if not {"unseen_accuracy", "seen_accuracy"} & set(result):
        names = {"mean_class_accuracy": "named right", **names}
    shown = []
    for figure, what in names.items():
        if figure in result:
            e = result[figure]
            control = "no training", e.no_training
            if e.no_training is None:
                control = "best constant answer", e.best_constant
            shown.append((f"{e.value:.1%}", what, f"{control[0]}: {control[1]:.1%}"))
    if result.risk_coverage is not None:
        coverage, risk = result.risk_coverage
        half = int(np.searchsorted(coverage, 0.5))
        what = "right among the half of the images that it is surest of"
        shown.append((f"{1 - risk[half]:.1%}", what, f"among all: {1 - risk[-1]:.1%}"))
    return shown


def _figures(result: ZeroShotEvaluation, drawn: Sequence[str]) -> str:
    head, *rows = figure_rows(result)
    shown = [[spoken(row[0]), *row[1:]] for row in rows]
    caption = "Every metric beside its controls"
    return section(
        "Figures",
        charts_of(*drawn),
        table(caption, ["metric", *head[1:]], shown, numbers=range(1, len(head)), ours=1),
        bullets(remarks(result)),
        evaluation_terms(result),
    )
