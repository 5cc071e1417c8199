"""``zeroshot predict``: labels of images, from your own list of labels."""

from __future__ import annotations

from functools import partial
from types import SimpleNamespace
from typing import Any

import click

from zeroshot._utils._text_tables import printable
from zeroshot.cli._images import in_options_each, report_unreadable
from zeroshot.cli._on_unknown import of_known, unknown_column, with_on_unknown
from zeroshot.cli._options import (
    PATH,
    check_commas,
    check_one_stdin,
    command,
    is_word,
    network_options,
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
from zeroshot.cli._terminal import UsageError, spelled_as_known
from zeroshot.exceptions import UnknownLabelError

HELP = """Name what is on images, from labels of your own. With --model, by a model that 'zeroshot
fit' wrote, from its own classes or any others. Without, by no training at all: a network trained on
ImageNet gets weights for your labels, predicted from what WordNet and their words' vectors say of
them and of its own classes. Only the order of scores matters.
They are not probabilities, and each model has its own scale."""

EXAMPLES = """examples:
  zeroshot predict photo.jpg --labels "tabby cat,fire engine,palm tree"
  zeroshot predict photos/ --labels labels.txt --k 3 --format csv > answers.csv
  zeroshot predict --model my-model new.jpg --labels "okapi,fire engine,lion"
  zeroshot predict photos/ --labels labels.txt --reject 0.9 --format csv
  zeroshot predict photos/ --model my-model --output answers --partition-size 2000
  find . -name "*.jpg" | zeroshot predict - --model my-model --output answers.parquet

exit codes: 0 all images named, if need be without labels that nothing knows; 1 something failed, or
an image could not be read (the others are named all the same); 2 the command line is wrong
"""

Photos = list[dict[str, Any]]


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
    "--reject", type=click.FloatRange(0, 1, min_open=True, max_open=True), metavar="ACCURACY",
    help="answer only so many images that this share of the answers is right, such as 0.9, and "
    "mark the others for review; scores are then probabilities",
)  # fmt: skip
@with_output("FILE", "instead of standard output")
@with_format()
@with_network(choice=False)
@with_partitions
def predict(args: SimpleNamespace) -> int:
    """Predict the labels of images."""
    if args.model is None and args.labels is None:
        raise UsageError("predict needs --labels, or a --model, whose classes are taken.")
    if args.model is not None and args.sentences:
        raise UsageError("--sentences: a --model has label vectors of its own. Leave it out.")
    if args.reject is not None and args.sentences:
        raise UsageError("--reject: how sure sentences are is not known. Leave one of them out.")
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
    output = Output(args)
    paths, other_files = read_images(args.images)
    if args.model is None:
        photos, unreadable, hashes, unknown = _name_without_training(args, paths, labels or [])
    else:
        photos, unreadable, hashes, unknown = _name_by_model(args, paths, labels)
    record = provenance(
        args,
        weights=hashes,
        n_read=len(photos),
        unreadable=unreadable,
        other_files=other_files,
        model=args.model,
        labels=labels,
        unknown_labels=unknown,
    )
    output.write(_answers(photos, unknown), record)
    return report_unreadable(unreadable, len(paths))


def _dataset(model: Any, k: int, source: Any, output: str, **options: Any) -> Any:
    from zeroshot.scale import predict_dataset

    return predict_dataset(model, source, output, k=min(k, len(model[-1].classes_)), **options)


def _name_without_training(
    args: SimpleNamespace, paths: list[str], labels: list[str]
) -> tuple[Photos, list[dict[str, str]], dict[str, str], list[str]]:
    from zeroshot.backbones import TimmFeatures
    from zeroshot.demo import name_photos

    backbone = TimmFeatures(**network_options(args))
    hint = "" if args.sentences else "--sentences knows any text (extra 'text')."

    def name(labels: list[str]) -> tuple[Photos, list[dict[str, str]]]:
        try:
            return name_photos(
                paths,
                labels,
                min(args.k, len(labels)),
                sentences=args.sentences,
                backbone=backbone,
                **({} if args.reject is None else {"accuracy": args.reject}),
            )
        except UnknownLabelError as error:
            remedy = f"Respell them in --labels, or leave them out. {hint}"
            raise error.replace(owner="predict", remedy=remedy.strip()) from error

    (photos, unreadable), _, unknown = of_known(name, labels, args.on_unknown, hint=hint)
    hashes = {}  # without a record nothing needs them
    if args.output is not None:
        hashes = {str(backbone.model_name): backbone.weights_hash_}
    return photos, in_options_each(unreadable), hashes, unknown


def _name_by_model(
    args: SimpleNamespace, paths: list[str], labels: list[str] | None
) -> tuple[Photos, list[dict[str, str]], dict[str, str], list[str]]:
    from zeroshot._utils._pipelines import final_and_input
    from zeroshot.demo import named

    model = SavedModel(args.model, args)
    if labels is None:
        labels = model.classes
    else:
        labels = spelled_as_known(labels, [*map(str, model.classes)], option="--labels")
    classifier, labels, unknown = of_known(
        lambda known: model.over(known, option="--labels"), labels, args.on_unknown
    )
    read = model.read(paths)
    photos: Photos = []
    if len(read.rows):
        final, rows = final_and_input(classifier, read.features)
        if args.reject is not None and getattr(final, "confidence_", None) is None:
            raise ValueError(
                f"{args.model} has learnt nothing from held-out classes, which --reject needs. Fit "
                "a model anew by 'zeroshot fit', with --estimator ridge or eszsl and four classes "
                "or more, or leave --reject out."
            )
        chosen = [paths[i] for i in read.rows]
        photos = named(chosen, final, rows, min(args.k, len(labels)), args.reject)
    return photos, read.unreadable, model.hashes, unknown


def _answers(photos: Photos, unknown: list[str]) -> Answers:
    rows: list[tuple] = []
    more = unknown_column(unknown)
    for photo in photos:
        pairs = zip(photo["labels"], photo["scores"], strict=True)
        status = [photo["status"]] if "status" in photo else []
        rows += [
            (photo["path"], rank, *pair, *status, *more.values())
            for rank, pair in enumerate(pairs, start=1)
        ]
    lines = [_line(photo) for photo in photos]
    columns: tuple[str, ...] = ("path", "rank", "label", "score")
    if any("status" in photo for photo in photos):
        columns += ("status",)
    if unknown:
        photos = [photo | {"unknown_labels": unknown} for photo in photos]
    return Answers((*columns, *more), rows, objects=photos, lines=lines)


def _line(photo: dict[str, Any]) -> tuple[str, ...]:
    pairs = zip(photo["labels"], photo["scores"], strict=True)
    text = "  ".join(f"{printable(str(label))} {score:z.3f}" for label, score in pairs)
    status = (photo["status"],) if "status" in photo else ()
    return printable(photo["path"]), *status, text
