"""``zeroshot embed``: features of images, or vectors of labels, as a table of numbers."""

from __future__ import annotations

import argparse
from typing import Any

from zeroshot.cli._choices import (
    DEFAULT_EMBEDDING,
    LABEL_EMBEDDINGS,
    build_embedding,
    check_runs_on_device,
)
from zeroshot.cli._fit import open_backbone
from zeroshot.cli._images import extract, report_unreadable
from zeroshot.cli._options import (
    add_command,
    add_format,
    add_label_embedding,
    add_network,
    add_output,
    add_seed,
    check_one_stdin,
    device_options,
    read_images,
    read_label_arguments,
    refuse,
)
from zeroshot.cli._output import Answers, Output, new_file, provenance
from zeroshot.cli._terminal import UsageError
from zeroshot.exceptions import UnknownLabelError

HELP = """Write the features of images, or with --labels the vectors of labels, to a file: npz (the
arrays 'features' and 'paths', or 'vectors' and 'labels'), parquet or CSV (a row each, its name
first), or JSON (an object each, with its name and its vector). Images that cannot be read have no
row, and are named."""

EXAMPLES = """examples:
  zeroshot embed photos --output features.npz
  zeroshot embed a.jpg b.jpg --output features.parquet --backbone resnet50.a1_in1k
  zeroshot embed --labels okapi "fire engine" --output vectors.csv
  cat labels.txt | zeroshot embed --labels - --output vectors.npz --label-embedding sentence
"""

FORMATS = ("npz", "csv", "json", "parquet")


def add_parser(commands: Any) -> None:
    """Add the command."""
    embed = add_command(
        commands, "embed", run,
        summary="write features of images or vectors of labels", text=HELP, examples=EXAMPLES,
    )  # fmt: skip
    embed.add_argument(
        "items",
        nargs="+",
        metavar="IMAGE_OR_FOLDER|LABEL",
        help="or - for standard input, one a line",
    )
    embed.add_argument("--labels", action="store_true", help="the arguments are labels")
    add_output(embed, "FILE", "such as features.npz, vectors.csv", required=True)
    add_format(embed, (*FORMATS, "table"), "default: by the name of --output; no table")
    add_label_embedding(embed, list(LABEL_EMBEDDINGS))
    add_network(embed, choice=True)
    add_seed(embed)


def run(args: argparse.Namespace) -> int:
    """Embed and write."""
    check_one_stdin(args.items)
    if args.format == "table":
        raise UsageError(
            f"--format table: nobody can read rows of hundreds of numbers. Pass one of "
            f"{', '.join(FORMATS)}."
        )
    output = Output(args, FORMATS)
    return _labels(args, output) if args.labels else _images(args, output)


def _labels(args: argparse.Namespace, output: Output) -> int:
    of_images = ("--backbone", "--weights", "--image-size", "--progress", "--seed")
    refuse(args, of_images, "is for images, not for --labels")
    name = args.label_embedding or DEFAULT_EMBEDDING
    check_runs_on_device(args, name)
    labels = read_label_arguments(args.items)
    embedding = build_embedding(name, running=device_options(args))
    try:
        vectors = embedding.embed(labels)
    except UnknownLabelError as error:
        raise error.replace(
            owner=f"--label-embedding {name}", remedy="Respell them, or leave them out."
        ) from error
    record = provenance(args, weights={name: embedding.fingerprint()}, n_labels=len(labels))
    _write(output, ("labels", labels), ("vectors", vectors), record)
    return 0


def _images(args: argparse.Namespace, output: Output) -> int:
    refuse(args, ["--label-embedding"], "is for labels: without --labels, images are read")
    paths, other_files = read_images(args.items)
    backbone = open_backbone(args)
    read = extract(backbone, paths)
    code = report_unreadable(read.unreadable, len(paths))
    if not len(read.rows):
        return code
    record = provenance(
        args,
        weights={backbone.model_name: backbone.weights_hash_},
        n_read=len(read.rows),
        unreadable=read.unreadable,
        other_files=other_files,
    )
    names = [paths[row] for row in read.rows]
    _write(output, ("paths", names), ("features", read.features), record)
    return code


def _write(
    output: Output, names: tuple[str, list[str]], table: tuple[str, Any], record: dict[str, Any]
) -> None:
    import numpy as np

    if output.format != "npz" or output.path is None:
        output.write(_as_rows(names, table), record)
        return
    arrays: dict[str, Any] = {names[0]: np.array(names[1]), table[0]: table[1]}
    with new_file(output.path, record) as file:
        np.savez(file, **arrays)


def _as_rows(names: tuple[str, list[str]], table: tuple[str, Any]) -> Answers:
    kind, values = names[0].removesuffix("s"), table[1]
    columns = (kind, *(f"x{i}" for i in range(values.shape[1])))
    pairs = list(zip(names[1], values.tolist(), strict=True))
    rows = [(name, *vector) for name, vector in pairs]
    return Answers(columns, rows, objects=[{kind: name, "vector": v} for name, v in pairs])
