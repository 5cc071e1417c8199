"""``zeroshot evaluate``: metrics of a saved model on a folder of images or a data set."""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import click

from zeroshot._utils._files import atomic_folder
from zeroshot._utils._provenance import RECORD
from zeroshot.cli._images import DATASETS, LabelledImages, digests, load_classes, report_unreadable
from zeroshot.cli._no_training import WORSE
from zeroshot.cli._on_unknown import of_known, with_on_unknown, without_classes
from zeroshot.cli._options import (
    PATH,
    SOURCE_HELP,
    command,
    read_labels,
    with_format,
    with_labels,
    with_network,
    with_output,
    with_seed,
)
from zeroshot.cli._output import (
    Answers,
    check_folder,
    print_answers,
    provenance,
    write_parquet,
)
from zeroshot.cli._saved_model import SavedModel, is_model
from zeroshot.cli._terminal import UsageError, check_known, say, spelled_as_known
from zeroshot.exceptions import in_options

HELP = """Judge a saved model on images of known classes: every figure beside what the network names
without any training, the best answer that is the same for all images, and random labels, with
intervals. On offer are the labels of the
model and of the folder; with --unseen, those classes alone, none of which the model has learnt."""

EXAMPLES = """examples:
  zeroshot evaluate my-model other-photos
  zeroshot evaluate my-model photos --unseen "okapi,fire engine" --format json
  zeroshot evaluate cifar-model cifar100 --output results
"""

FIGURES, PAGE = "evaluation.json", "index.html"
FAR_BELOW = 0.1  # of the best harmonic mean, from which on it is worth a word
COLUMNS = ("figure", "value", "low", "high", "best_constant", "random_label", "no_training")
JUDGED_BY = ("seen_accuracy", "unseen_accuracy")


@command(help=HELP, examples=EXAMPLES)
@click.argument("model", type=PATH, metavar="MODEL", help="folder that 'zeroshot fit' wrote")
@click.argument("source", type=PATH, metavar="DIR_OR_DATASET", help=SOURCE_HELP)
@with_labels("--unseen", help="judge on these classes alone, and offer no others")
@with_labels("--exclude", help="classes of the folder to leave out")
@with_on_unknown
@with_output("DIR", f"folder for a page ({PAGE}), {FIGURES} and {RECORD}")
@with_network(choice=False)
@with_seed
@with_format(default="table", show_default=True)
def evaluate(args: SimpleNamespace) -> int:
    """Evaluate a model, print the metrics, and write them and a page with ``--output``."""
    folder = None if args.output is None else Path(args.output)
    if folder is not None:
        from zeroshot.report._evaluation import FILES

        check_folder(folder, force=args.force, own=FILES, what="evaluation")
    _check_arguments(args)
    excluded = [] if args.exclude is None else read_labels(args.exclude, option="--exclude")
    model = SavedModel(args.model, args)
    data, classifier, names, unknown = _chosen(args, excluded, model)
    say(f"reading {len(data.labels)} images of {len(data.class_names)} classes")
    read = model.read(data.images)
    report_unreadable(read.unreadable, len(data.labels))
    if not len(read.rows):
        raise ValueError(f"no image of {args.source} could be read. Convert them to PNG or JPEG.")
    judged = data.where(read.rows)
    without, why = model.no_training(names)
    result = _judged(classifier, without, read.features, judged, args)
    n_learnt = _n_learnt(judged, model)
    _add_notes(result, judged, model, why, unknown, n_learnt)
    answers = _answers(result, unknown)
    try:
        if folder is not None:
            record = provenance(
                args,
                weights=model.hashes,
                n_read=len(read.rows),
                unreadable=read.unreadable,
                other_files=data.other_files,
                model=args.model,
                source=args.source,
                excluded=excluded,
                unknown_labels=unknown,
                **model.made_of,
            )
            task = (classifier, read.features, judged)
            _write(result, task, record, answers, folder, args, n_learnt=n_learnt)
            say(f"The report is in {folder}: open {folder / PAGE}")
    finally:  # a full disk must not take the figures with it
        if args.format != "parquet":
            print_answers(answers, args.format, raw=args.raw)
    return 0


def _check_arguments(args: SimpleNamespace) -> None:
    """Raise if arguments do not go together."""
    if args.output is None and args.format == "parquet":
        raise UsageError("--format parquet needs --output DIR.")
    if is_model(args.source) and not is_model(args.model):
        raise UsageError(
            f"{args.model} is not a model, and {args.source} is one. MODEL comes first: zeroshot "
            f"evaluate {shlex.join([args.source, args.model])}"
        )


def _chosen(
    args: SimpleNamespace, excluded: list[str], model: SavedModel
) -> tuple[LabelledImages, Any, list[str], list[str]]:
    """Return the images, the classifier over its candidates, these, and the unknown labels."""
    unseen = None if args.unseen is None else read_labels(args.unseen, option="--unseen")
    data = _without(excluded, load_classes(args.source, judged=True), args.source)
    if unseen is not None:
        unseen = spelled_as_known(unseen, data.class_names, option="--unseen")
        data = _only(unseen, data, args.source, model)
    names = unseen or sorted({*model.classes, *data.class_names}, key=str)
    option = "--unseen" if unseen else args.source
    classifier, names, unknown = of_known(
        lambda known: model.over(known, option=option), names, args.on_unknown
    )
    if unseen is not None and len(names) < 2:
        raise ValueError(
            f"--unseen: {model.folder} knows {names[0]!r} alone, and with one candidate every "
            "answer is right. Name others."
        )
    data = without_classes(data, unknown)
    if not len(data.labels):
        raise ValueError(f"{model.folder} knows no class of {args.source}. Rename the folders.")
    return data, classifier, names, unknown


def _add_notes(
    result: Any,
    judged: LabelledImages,
    model: SavedModel,
    why: str,
    unknown: list[str],
    n_learnt: int,
) -> None:
    """Add what a reader of the result must know, and print what is a warning."""
    if why:
        result.notes.append(why)
    if unknown:
        listed = ", ".join(map(repr, unknown))
        result.notes.append(f"Left out, because the model does not know them: {listed}.")
    for note in _worse_than_no_training(result):
        say(note, level="warning")
        result.notes.append(note)
    if n_learnt:
        seen = set(model.seen_classes)
        n_seen = sum(label in seen for label in judged.labels.tolist())
        note = (
            f"{n_learnt:,} of the {n_seen:,} images of seen classes are those that the "
            "model was fitted on: the figures of these classes say what it remembers, not how it "
            "names new images. Judge on other images of them, or with --unseen."
        )
        say(note, level="warning")
        result.notes.insert(0, note)
    if note := _won_by_one_kind(result, model):
        result.notes.append(note)


def _without(excluded: list[str], data: LabelledImages, source: str) -> LabelledImages:
    """Return the images without the excluded classes. Raise if none are left."""
    excluded = spelled_as_known(excluded, data.class_names, option="--exclude")
    check_known(excluded, data.class_names, option="--exclude", what=f"class of {source}")
    data = without_classes(data, excluded)
    if not len(data.labels):
        raise UsageError(f"--exclude: no class of {source} is left. Name fewer.")
    return data


def _only(
    unseen: list[str], data: LabelledImages, source: str, model: SavedModel
) -> LabelledImages:
    """Return the images of the unseen classes. Raise if they are fewer than two."""
    import numpy as np

    check_known(unseen, data.class_names, option="--unseen", what=f"class of {source}")
    seen = sorted(set(unseen) & set(model.seen_classes))
    if seen:
        raise ValueError(
            f"--unseen: the model has learnt {', '.join(map(repr, seen))}. Fit it again with "
            f'--exclude "{",".join(unseen)}".'
        )
    if len(unseen) < 2:
        raise UsageError("--unseen: with one candidate every answer is right. Name two.")
    return data.where(np.isin(data.labels, unseen))


def _judged(
    classifier: Any,
    no_training: Any,
    features: Any,
    judged: LabelledImages,
    args: SimpleNamespace,
) -> Any:
    """Return the evaluation, with notes that name options of the command line."""
    from zeroshot.evaluation import evaluate_zero_shot

    result = evaluate_zero_shot(
        classifier,
        features,
        judged.labels,
        synsets=_synsets(args.source),
        no_training=no_training,
        random_state=args.seed,
    )
    left_out = {name: in_options(why) for name, why in result.left_out.items()}
    return replace(result, notes=[in_options(note) for note in result.notes], left_out=left_out)


def _worse_than_no_training(result: Any) -> list[str]:
    """Return a warning if no training is better than the model."""
    notes = []
    for name in JUDGED_BY:
        estimate = result.estimates.get(name)
        if estimate is None or estimate.no_training is None:
            continue
        if estimate.value < estimate.no_training - WORSE:
            notes.append(
                f"No training is better in {name.replace('_', ' ')}: {estimate.no_training:.3f}, "
                f"the model {estimate.value:.3f}. Fit without --estimator, or name images "
                "without a --model."
            )
    return notes


def _synsets(source: str) -> dict[str, str] | None:
    from zeroshot.taxonomy import class_synsets

    return class_synsets(source) if source in DATASETS else None


def _n_learnt(judged: LabelledImages, model: SavedModel) -> int:
    """Return how many of the images the model was fitted on."""
    import numpy as np

    seen = judged.where(np.isin(judged.labels, model.seen_classes))
    learnt = model.learnt_images
    return sum(digest in learnt for digest in digests(seen.images)) if learnt else 0


def _won_by_one_kind(result: Any, model: SavedModel) -> str:
    """Return a warning if another calibration would be far better."""
    from zeroshot.estimators._calibrated import best_calibration
    from zeroshot.metrics._classification import harmonic_mean

    if result.curve is None:
        return ""
    seen, unseen, _ = result.curve
    best, now = float(harmonic_mean(seen, unseen).max()), result["harmonic_mean"].value
    if best - now < FAR_BELOW:
        return ""
    calibration = best_calibration([result.curve])
    kind = "Seen" if calibration > 0 else "Unseen"
    mend = "Fit with --calibrate, which chooses the number on training images."
    return (
        f"{kind} classes win: lowering their scores by {abs(calibration):.3f} would give a "
        f"harmonic mean of {best:.3f}, not {now:.3f}, in hindsight."
        f"{'' if model.calibrated else ' ' + mend}"
    )


def _answers(result: Any, unknown: list[str]) -> Answers:
    rows: list[tuple] = [
        (name, e.value, e.low, e.high, e.best_constant, e.random_label, e.no_training)
        for name, e in result.estimates.items()
    ]
    objects = result.to_dict()
    if unknown:
        rows.append(("unknown_labels", len(unknown), *[None] * (len(COLUMNS) - 2)))
        objects |= {"unknown_labels": unknown}
    return Answers(COLUMNS, rows, objects=objects, text=str(result))


def _write(
    result: Any,
    task: tuple[Any, Any, LabelledImages],
    record: dict[str, Any],
    answers: Answers,
    folder: Path,
    args: SimpleNamespace,
    *,
    n_learnt: int,
) -> None:
    from zeroshot.report import write_evaluation_report

    classifier, features, judged = task
    synsets = _synsets(args.source)
    with atomic_folder(folder, overwrite=args.force) as new:
        write_evaluation_report(
            result, new, classifier, features, judged.labels, images=judged.images, synsets=synsets,
            about=record, n_trained_on=n_learnt, random_state=args.seed, overwrite=True,
        )  # fmt: skip
        if args.format == "parquet":
            with (new / "figures.parquet").open("wb") as file:
                write_parquet(answers, file)
