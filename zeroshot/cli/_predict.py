"""``zeroshot predict``: labels of images, from your own list of labels."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from functools import partial
from types import SimpleNamespace
from typing import Any, NamedTuple

import click

from zeroshot._utils._text_tables import padded, printable, terminal_width
from zeroshot.cli._arriving import MOST_AT_ONCE, lines_of_stdin, new_images
from zeroshot.cli._backbones import clip_backbone, is_clip, read_prompts, timm_backbone
from zeroshot.cli._images import count_unreadable, in_options_each, report_unreadable
from zeroshot.cli._on_unknown import of_known, unknown_column, with_on_unknown
from zeroshot.cli._options import (
    PATH,
    STDIN,
    check_commas,
    check_one_stdin,
    command,
    images_at,
    is_word,
    read_images,
    read_labels,
    refuse,
    with_format,
    with_k,
    with_labels,
    with_network,
    with_output,
)
from zeroshot.cli._output import Answers, Output, provenance
from zeroshot.cli._partitions import are_wanted, with_partitions, write_partitions
from zeroshot.cli._saved_model import SavedModel
from zeroshot.cli._terminal import (
    UsageError,
    draws_bars,
    percent,
    say,
    share_bar,
    spelled_as_known,
)
from zeroshot.exceptions import UnknownLabelError

HELP = """Name what is on images, from labels of your own. With --model, by a model that 'zeroshot
fit' wrote, from its own classes or any others. Without, by no training at all: a network trained on
ImageNet gets weights for your labels, predicted from what WordNet and their words' vectors say of
them and of its own classes. Percentages are how likely a label is if one of yours is right. CSV
and JSON also have scores. Only the order of scores matters. They are not probabilities, and each
model has its own scale."""

EXAMPLES = """examples:
  zeroshot predict photo.jpg --labels "tabby cat,fire engine,palm tree"
  zeroshot predict photos/ --labels labels.txt --k 3 --format csv > answers.csv
  zeroshot predict --model my-model new.jpg --labels "okapi,fire engine,lion"
  zeroshot predict photos/ --labels labels.txt --reject 0.9 --format csv
  zeroshot predict photos/ --model my-model --output answers --partition-size 2000
  find . -name "*.jpg" | zeroshot predict - --model my-model --output answers.parquet
  zeroshot predict --watch inbox/ --labels labels.txt --format json | my-program
  zeroshot predict photos/ --labels labels.txt --backbone clip --prompts "a photo of a {}."

exit codes: 0 all images named, if need be without labels that nothing knows; 1 something failed, or
an image could not be read (the others are named all the same); 2 the command line is wrong
"""

Photos = list[dict[str, Any]]
_PER_LABEL = {"score": "scores", "probability": "probabilities"}
"""Columns of CSV with a value for each label, and what they are called in `Photos`."""


@command(help=HELP, examples=EXAMPLES)
@click.argument(
    "images", nargs=-1, required=True, type=PATH, metavar="IMAGE_OR_FOLDER...",
    help="or - for stdin",
)  # fmt: skip
@click.option("--model", type=PATH, metavar="MODEL", help="folder that 'zeroshot fit' wrote")
@with_labels(
    "--labels", show_default="those of --model",
    help="separated by commas, or a file (one per line, JSON, CSV), or -",
)  # fmt: skip
@with_k("labels per image")
@click.option(
    "--sentences", is_flag=True,
    help="compare labels as sentences, not word by word: for phrases (extra 'text'; slower)",
)  # fmt: skip
@with_on_unknown
@click.option(
    "--watch", is_flag=True,
    help="name the images of folders, and those that come into them, until Ctrl-C",
)  # fmt: skip
@click.option("--scores", is_flag=True, help="print scores in the table, not percentages")
@click.option(
    "--reject", type=click.FloatRange(0, 1, min_open=True, max_open=True), metavar="ACCURACY",
    help="answer only so many images that this share of the answers is right, such as 0.9, and "
    "mark the others for review; scores are then probabilities",
)  # fmt: skip
@with_output("FILE", "instead of standard output")
@with_format()
@with_network(choice=True)
@click.option(
    "--prompts", metavar="a,b|FILE",
    help="for --backbone clip: texts with {} for the label", show_default="a photo of a {}.",
)  # fmt: skip
@with_partitions
def predict(args: SimpleNamespace) -> int:
    """Predict the labels of images."""
    if args.model is None and args.labels is None:
        raise UsageError("predict needs --labels, or a --model, whose classes are taken.")
    if args.model is not None and args.sentences:
        raise UsageError("--sentences: a --model has label vectors of its own. Leave it out.")
    if args.reject is not None and args.sentences:
        raise UsageError("--reject: how sure sentences are is not known. Leave one of them out.")
    _check_backbone(args)
    if args.watch:
        _check_watched(args)
    check_one_stdin(args.images, args.labels)
    if len(args.images) > 1:
        check_commas("--labels", args.labels, [item for item in args.images if is_word(item)])
    labels = None if args.labels is None else read_labels(args.labels)
    if are_wanted(args):
        if args.model is None:
            raise UsageError("--partition-size needs a --model, which zeroshot fit writes.")
        refuse(["--reject"], "does not apply to --partition-size")
        model = SavedModel(args.model, args).whole(labels)
        return write_partitions(args, args.images, partial(_dataset, model, args.k))
    output = Output(args, is_endless=args.watch)
    batches, other_files, width = _batches(args, output)
    namer = _without_training(args, labels or []) if args.model is None else _by_model(args, labels)
    answers = partial(_answers, unknown=namer.unknown, scores=args.scores)
    if output.is_streamed:
        return _name_as_they_come(batches, namer, partial(answers, width=width), output, args)
    (paths,) = batches
    photos, unreadable = namer.name(paths)
    record = provenance(
        args,
        weights={} if args.output is None else namer.hashes(),
        n_read=len(photos),
        unreadable=unreadable,
        other_files=other_files,
        model=args.model,
        labels=labels,
        unknown_labels=namer.unknown,
    )
    output.write(answers(photos), record)
    return report_unreadable(unreadable, len(paths))


def _check_backbone(args: SimpleNamespace) -> None:
    if args.model is not None:
        which = ["--backbone", "--weights", "--image-size", "--prompts"]
        refuse(which, "does not apply to --model, which has a network of its own")
    elif is_clip(args.backbone):
        refuse(["--image-size", "--sentences", "--reject"], "does not apply to --backbone clip")
    else:
        refuse(["--prompts"], "is for --backbone clip")


def _check_watched(args: SimpleNamespace) -> None:
    for option in ("--output", "--partition-size", "--workers", "--scheduler"):
        refuse([option], "does not apply to --watch, which prints its answers")
    for folder in args.images:
        if not os.path.isdir(folder):
            raise UsageError(f"--watch takes folders, and {folder} is not one.")


def _batches(
    args: SimpleNamespace, output: Output
) -> tuple[Iterable[list[str]], dict[str, int], int]:
    """Return the images, as many at a time as are answered together.

    Returns
    -------
    batches : iterable of list of str
        Their paths. One batch, if the answers are written together.
    other_files : dict of str to int
        How many files in the folders have which other ending.
    width : int
        Of the widest path; 0 if not all are known.
    """
    if args.watch:
        return new_images(args.images), {}, 0
    if output.is_streamed and args.images == (STDIN,):
        return (images_at(lines)[0] for lines in lines_of_stdin()), {}, 0
    paths, other_files = read_images(args.images)
    if not output.is_streamed:
        return [paths], other_files, 0
    starts = range(0, len(paths), MOST_AT_ONCE)
    width = max(terminal_width(printable(path)) for path in paths)
    return (paths[start : start + MOST_AT_ONCE] for start in starts), other_files, width


def _name_as_they_come(
    batches: Iterable[list[str]],
    namer: _Namer,
    answers: Callable[[Photos], Answers],
    output: Output,
    args: SimpleNamespace,
) -> int:
    """Name batch after batch, and print the answers and errors of each. Return the exit code."""
    n_images = n_unreadable = 0
    try:
        for paths in batches:
            photos, unreadable = namer.name(paths)
            if photos:
                output.print_part(answers(photos))
            n_images, n_unreadable = n_images + len(paths), n_unreadable + len(unreadable)
            for entry in unreadable:
                say(entry["error"], level="error")
    except KeyboardInterrupt:
        if not args.watch:  # which ends so
            raise
    if n_images == n_unreadable:
        output.print_part(answers([]))
    return count_unreadable(n_unreadable, n_images)


def _dataset(model: Any, k: int, source: Any, output: str, **options: Any) -> Any:
    from zeroshot.scale import predict_dataset

    return predict_dataset(model, source, output, k=min(k, len(model[-1].classes_)), **options)


class _Namer(NamedTuple):
    """An opened model that names photos.

    Attributes
    ----------
    name : callable
        From paths to the photos and the files that cannot be read, as `name_photos` returns them.
    hashes : callable
        SHA-256 of what was opened, by name.
    unknown : list of str
        Labels that the model does not know, and leaves out.
    """

    name: Callable[[list[str]], tuple[Photos, list[dict[str, str]]]]
    hashes: Callable[[], dict[str, str]]
    unknown: list[str]


def _without_training(args: SimpleNamespace, labels: list[str]) -> _Namer:
    from zeroshot._photos import ClipNamer, Namer, OpenNamer

    clip = is_clip(args.backbone)
    backbone = clip_backbone(args) if clip else timm_backbone(args)
    hint = "" if args.sentences else "--sentences knows any text (extra 'text')."

    def open_namer(labels: list[str]) -> Namer:
        if clip:
            return ClipNamer(labels, backbone, read_prompts(args.prompts))
        try:
            return OpenNamer(labels, backbone, sentences=args.sentences)
        except UnknownLabelError as error:
            remedy = f"Respell them in --labels, or leave them out. {hint}"
            raise error.replace(owner="predict", remedy=remedy.strip()) from error

    namer, labels, unknown = of_known(open_namer, labels, args.on_unknown, hint=hint)

    def name(paths: list[str]) -> tuple[Photos, list[dict[str, str]]]:
        photos, unreadable = namer.name(paths, min(args.k, len(labels)), args.reject)
        return photos, in_options_each(unreadable)

    return _Namer(name, lambda: {str(backbone.model_name): backbone.weights_hash_}, unknown)


def _by_model(args: SimpleNamespace, labels: list[str] | None) -> _Namer:
    from zeroshot._photos import named
    from zeroshot._utils._pipelines import final_and_input

    model = SavedModel(args.model, args)
    if labels is None:
        labels = model.classes
    else:
        labels = spelled_as_known(labels, [*map(str, model.classes)], option="--labels")
    classifier, labels, unknown = of_known(
        lambda known: model.over(known, option="--labels"), labels, args.on_unknown
    )

    def name(paths: list[str]) -> tuple[Photos, list[dict[str, str]]]:
        read = model.read(paths)
        if not len(read.rows):
            return [], read.unreadable
        final, rows = final_and_input(classifier, read.features)
        if args.reject is not None and getattr(final, "confidence_", None) is None:
            raise ValueError(
                f"{args.model} has learnt nothing from held-out classes, which --reject needs. Fit "
                "a model anew by 'zeroshot fit', with --estimator ridge or eszsl and four classes "
                "or more, or leave --reject out."
            )
        chosen = [paths[i] for i in read.rows]
        return named(chosen, final, rows, min(args.k, len(labels)), args.reject), read.unreadable

    return _Namer(name, lambda: model.hashes, unknown)


def _answers(photos: Photos, *, unknown: list[str], scores: bool, width: int = 0) -> Answers:
    more = unknown_column(unknown)
    per_label = {column: key for column, key in _PER_LABEL.items() if photos and key in photos[0]}
    per_photo = ["status"] if any("status" in photo for photo in photos) else []
    rows: list[tuple] = []
    for photo in photos:
        of_labels = zip(photo["labels"], *(photo[key] for key in per_label.values()), strict=True)
        status = [photo[name] for name in per_photo]
        rows += [
            (photo["path"], rank, *values, *status, *more.values())
            for rank, values in enumerate(of_labels, start=1)
        ]
    columns = ("path", "rank", "label", *(per_label or ["score"]), *per_photo, *more)
    if unknown:
        photos = [photo | {"unknown_labels": unknown} for photo in photos]
    lines = [_line(photo, width, scores=scores) for photo in photos]
    return Answers(columns, rows, objects=photos, lines=lines)


def _line(photo: dict[str, Any], width: int, *, scores: bool) -> tuple[str, ...]:
    status = (photo["status"],) if "status" in photo else ()
    bar: tuple[str, ...] = ()
    if scores or "probabilities" not in photo:
        shown = [f"{score:z.3f}" for score in photo["scores"]]
    else:
        shown = [percent(value) for value in photo["probabilities"]]
        bar = (share_bar(photo["probabilities"][0]),) if draws_bars() else ()
    pairs = zip(photo["labels"], shown, strict=True)
    text = "  ".join(f"{printable(str(label))} {value}" for label, value in pairs)
    return padded(printable(photo["path"]), width), *status, *bar, text
