"""``zeroshot similar``: the source classes most similar to given labels."""

from __future__ import annotations

import os
from types import SimpleNamespace
from typing import Any

import click

from zeroshot.cli._choices import (
    DEFAULT_EMBEDDING,
    build_embedding,
    check_runs_on_device,
    with_label_embedding,
)
from zeroshot.cli._on_unknown import of_known, unknown_column, with_on_unknown
from zeroshot.cli._options import (
    check_commas,
    check_one_stdin,
    command,
    device_options,
    read_label_arguments,
    read_labels,
    refuse,
    with_device,
    with_format,
    with_k,
    with_labels,
    with_output,
)
from zeroshot.cli._output import Answers, Output, provenance
from zeroshot.cli._terminal import Name, UsageError, did_you_mean
from zeroshot.exceptions import UnknownLabelError, in_options

HELP = """Find the classes that labels are most like: by where both stand in WordNet (path, lch,
res, jcn, lin, wup_nltk, as nltk has them) or by the cosine of their vectors."""

EXAMPLES = """examples:
  zeroshot similar okapi "fire engine" --sources imagenet-1k
  zeroshot similar okapi --sources imagenet-1k --measure cosine -k 3 --format json
  zeroshot similar okapi --sources my-classes.txt
"""

SOURCES = {
    "imagenet-1k": "imagenet1k",
    "cifar100": "cifar100",
    "tiny_imagenet": "tiny_imagenet",
}
COSINE = "cosine"
MEASURES = ("path", "lch", "res", "jcn", "lin", "wup_nltk", COSINE)


class Measure(Name):
    """Type of ``--measure``."""

    def get_invalid_choice_message(self, value: Any, ctx: click.Context | None) -> str:
        """Return the message for an unknown name."""
        if value != "wup":
            return super().get_invalid_choice_message(value, ctx)
        from zeroshot.similarity._wordnet import NOT_WUP

        return in_options(NOT_WUP)


@command(help=HELP, examples=EXAMPLES)
@click.argument(
    "labels", nargs=-1, required=True, metavar="LABEL...", help="or - for standard input"
)
@with_labels(
    "--sources", help=f"the classes: {', '.join(SOURCES)}, or labels of your own",
    metavar="NAME|a,b,c|FILE", required=True,
)  # fmt: skip
@click.option(
    "--measure", type=Measure(MEASURES, "measure"), default="path", show_default=True,
    metavar="NAME", help=", ".join(MEASURES),
)  # fmt: skip
@with_k("classes per label")
@with_label_embedding
@with_on_unknown
@with_output("FILE", "instead of standard output")
@with_format()
@with_device("labels")
def similar(args: SimpleNamespace) -> int:
    """Find the source classes most similar to each label."""
    if args.measure == COSINE:
        check_runs_on_device(args.label_embedding or DEFAULT_EMBEDDING)
    else:
        of_vectors = ("--label-embedding", "--device", "--batch-size")
        refuse(of_vectors, f"is for --measure {COSINE}")
    check_one_stdin(args.labels, args.sources)
    output = Output(args)
    similarity = _similarity(args)
    labels = read_label_arguments(args.labels)
    names, synsets = _sources(args.sources)
    if args.sources not in SOURCES and len(args.labels) > 1:
        check_commas("--sources", args.sources, args.labels[1:])
    (matrix, labels, unknown), names, unknown_sources = of_known(
        lambda sources: of_known(
            lambda labels: _matrix(args, similarity, labels, sources, synsets),
            labels,
            args.on_unknown,
        ),
        names,
        args.on_unknown,
    )
    unknown += [name for name in unknown_sources if name not in unknown]
    order = (-matrix).argsort(axis=1, kind="stable")[:, : args.k]
    found = [
        (label, rank, names[column], float(matrix[row, column]))
        for row, label in enumerate(labels)
        for rank, column in enumerate(order[row].tolist(), start=1)
    ]
    columns, more = ("label", "rank", "source", "similarity"), unknown_column(unknown)
    said = {"unknown_labels": unknown} if unknown else {}
    exact = [dict(zip(columns, row, strict=True)) | said for row in found]
    rounded = [(*row[:-1], round(row[-1], 6), *more.values()) for row in found]
    answers = Answers((*columns, *more), rounded, objects=exact)
    output.write(answers, provenance(args, similarity=repr(similarity), unknown_labels=unknown))
    return 0


def _sources(text: str) -> tuple[list[str], dict[str, str]]:
    """Return the source classes, and the synsets of those that have one."""
    if text not in SOURCES:
        if "," not in text:
            _check_not_misspelled(text)
        return read_labels(text, option="--sources"), {}
    from zeroshot.taxonomy import class_synsets

    synsets = class_synsets(SOURCES[text])
    return list(synsets), synsets


def _check_not_misspelled(text: str) -> None:
    """Raise if a single word seems to be a misspelled name of source classes."""
    near = did_you_mean(text, SOURCES)
    if near and not os.path.exists(text):
        raise UsageError(f"--sources: no classes are called {text!r}.{near}")


def _similarity(args: SimpleNamespace) -> Any:
    from zeroshot.similarity import WordNetSimilarity, WordVectorSimilarity

    if args.measure != COSINE:
        return WordNetSimilarity(args.measure)
    return WordVectorSimilarity(build_embedding(args.label_embedding, running=device_options(args)))


def _matrix(
    args: SimpleNamespace,
    similarity: Any,
    labels: list[str],
    names: list[str],
    synsets: dict[str, str],
) -> Any:
    of_synsets = args.measure != COSINE
    sources = [synsets.get(name, name) for name in names] if of_synsets else names
    try:
        return similarity.matrix(labels, sources)
    except UnknownLabelError as error:
        raise error.replace(
            owner=f"--measure {args.measure}", remedy="Respell them, or leave them out."
        ) from error
