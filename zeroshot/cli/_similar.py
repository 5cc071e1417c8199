"""``zeroshot similar``: the classes that labels are most like."""

from __future__ import annotations

import argparse
import os
from typing import Any

from zeroshot.cli._choices import (
    DEFAULT_EMBEDDING,
    LABEL_EMBEDDINGS,
    build_embedding,
    check_runs_on_device,
)
from zeroshot.cli._options import (
    add_command,
    add_device,
    add_format,
    add_label_embedding,
    add_output,
    check_one_stdin,
    device_options,
    read_label_arguments,
    read_labels,
    refuse,
)
from zeroshot.cli._output import FORMAT_HELP, FORMATS, Answers, Output, provenance
from zeroshot.cli._terminal import UsageError, check_known, did_you_mean
from zeroshot.exceptions import UnknownLabelError

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


def add_parser(commands: Any) -> None:
    """Add the command."""
    similar = add_command(
        commands, "similar", run,
        summary="find the classes that labels are most like", text=HELP, examples=EXAMPLES,
    )  # fmt: skip
    similar.add_argument("labels", nargs="+", metavar="LABEL", help="or - for standard input")
    similar.add_argument(
        "--sources",
        required=True,
        metavar="NAME|a,b,c|FILE",
        help=f"the classes: {', '.join(SOURCES)}, or labels of your own",
    )
    similar.add_argument(
        "--measure", default="path", metavar="NAME", help=f"{', '.join(MEASURES)} (default: path)"
    )
    similar.add_argument("-k", "--k", type=int, metavar="N", help="classes a label (default: 5)")
    add_label_embedding(similar, list(LABEL_EMBEDDINGS))
    add_output(similar, "FILE", "instead of standard output")
    add_format(similar, FORMATS, FORMAT_HELP)
    add_device(similar, "labels")


def run(args: argparse.Namespace) -> int:
    """Find them."""
    if args.measure == "wup":
        from zeroshot.similarity._wordnet import NOT_WUP

        raise UsageError("--measure: " + NOT_WUP)
    check_known([args.measure], MEASURES, option="--measure", what="measure")
    if args.measure == COSINE:
        check_runs_on_device(args, args.label_embedding or DEFAULT_EMBEDDING)
    else:
        of_vectors = ("--label-embedding", "--device", "--batch-size")
        refuse(args, of_vectors, f"is for --measure {COSINE}")
    check_one_stdin(args.labels, args.sources)
    output = Output(args)
    labels = read_label_arguments(args.labels)
    names, synsets = _sources(args.sources)
    k = min(5, len(names)) if args.k is None else args.k
    if not 1 <= k <= len(names):
        raise UsageError(f"--k must be between 1 and the {len(names)} sources, got {k}.")
    similarity, matrix = _matrix(args, labels, names, synsets)
    order = (-matrix).argsort(axis=1, kind="stable")[:, :k]
    found = [
        (label, rank, names[column], float(matrix[row, column]))
        for row, label in enumerate(labels)
        for rank, column in enumerate(order[row].tolist(), start=1)
    ]
    columns = ("label", "rank", "source", "similarity")
    exact = [dict(zip(columns, row, strict=True)) for row in found]
    rounded = [(*row[:-1], round(row[-1], 6)) for row in found]
    answers = Answers(columns, rounded, objects=exact)
    output.write(answers, provenance(args, similarity=similarity))
    return 0


def _sources(text: str) -> tuple[list[str], dict[str, str]]:
    """Return the names of the classes, and the synsets of those that are known."""
    if text not in SOURCES:
        if "," not in text:
            _check_not_misspelled(text)
        return read_labels(text, option="--sources"), {}
    from zeroshot.taxonomy import class_synsets

    synsets = class_synsets(SOURCES[text])
    return list(synsets), synsets


def _check_not_misspelled(text: str) -> None:
    """Raise where one word is meant as the name of classes that there are not."""
    near = did_you_mean(text, SOURCES)
    if near and not os.path.exists(text):
        raise UsageError(f"--sources: no classes are called {text!r}.{near}")


def _matrix(
    args: argparse.Namespace, labels: list[str], names: list[str], synsets: dict[str, str]
) -> tuple[str, Any]:
    from zeroshot.similarity import WordNetSimilarity, WordVectorSimilarity

    similarity: Any
    if args.measure == COSINE:
        vectors = build_embedding(args.label_embedding, running=device_options(args))
        similarity, sources = WordVectorSimilarity(vectors), names
    else:
        similarity = WordNetSimilarity(args.measure)
        sources = [synsets.get(name, name) for name in names]
    try:
        return repr(similarity), similarity.matrix(labels, sources)
    except UnknownLabelError as error:
        raise error.replace(
            owner=f"--measure {args.measure}", remedy="Respell them, or leave them out."
        ) from error
