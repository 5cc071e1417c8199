"""``zeroshot embed``: features of images, or vectors of labels, as a table of numbers."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

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
    read_images,
    read_label_arguments,
)
from zeroshot.cli._output import Answers, Output, as_text, new_file, write_parquet
from zeroshot.cli._provenance import provenance
from zeroshot.cli._tables import DEFAULT_EMBEDDING, LABEL_EMBEDDINGS, build_embedding
from zeroshot.cli._terminal import UsageError

HELP = """Write the features of images, or with --labels the vectors of labels, to a file: npz (the
arrays 'features' and 'paths', or 'vectors' and 'labels'), parquet or CSV (a row each, its name
first). Images that cannot be read have no row, and are named."""

EXAMPLES = """examples:
  zeroshot embed photos --output features.npz
  zeroshot embed a.jpg b.jpg --output features.parquet --backbone resnet50.a1_in1k
  zeroshot embed --labels okapi "fire engine" --output vectors.csv
  cat labels.txt | zeroshot embed --labels - --output vectors.npz --label-embedding sentence
"""

FORMATS = ("npz", "parquet", "csv")


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
    add_output(embed, "FILE", "features.npz, features.parquet, features.csv", required=True)
    add_format(embed, FORMATS, "default: by the name of --output, or npz")
    add_label_embedding(embed, list(LABEL_EMBEDDINGS))
    add_network(embed, choice=True)
    add_seed(embed)


def run(args: argparse.Namespace) -> int:
    """Embed and write."""
    check_one_stdin(args.items)
    output = Output(args, FORMATS)
    return _labels(args, output) if args.labels else _images(args, output)


def _labels(args: argparse.Namespace, output: Output) -> int:
    labels = read_label_arguments(args.items)
    embedding = build_embedding(args.label_embedding)
    name = args.label_embedding or DEFAULT_EMBEDDING
    vectors = embedding.embed(labels)
    record = provenance(args, weights={name: embedding.fingerprint()}, n_labels=len(labels))
    _write(output, ("labels", labels), ("vectors", vectors), record)
    return 0


def _images(args: argparse.Namespace, output: Output) -> int:
    if args.label_embedding is not None:
        raise UsageError("--label-embedding is for labels. Pass --labels, or leave it out.")
    paths = read_images(args.items)
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
    )
    names = [paths[row] for row in read.rows]
    _write(output, ("paths", names), ("features", read.features), record)
    return code


def _write(
    output: Output, names: tuple[str, list[str]], table: tuple[str, Any], record: dict[str, Any]
) -> None:
    import numpy as np

    path: Path | None = output.path
    if path is None:
        raise UsageError("embed needs --output FILE.")
    arrays: dict[str, Any] = {names[0]: np.array(names[1]), table[0]: table[1]}
    with new_file(path, record) as file:
        if output.format == "npz":
            np.savez(file, **arrays)
            return
        answers = _as_rows(names, table)
        if output.format == "parquet":
            write_parquet(answers, file)
        else:
            file.write(as_text(answers, "csv").encode("utf-8", errors="backslashreplace"))


def _as_rows(names: tuple[str, list[str]], table: tuple[str, Any]) -> Answers:
    kind, values = names[0].removesuffix("s"), table[1]
    columns = (kind, *(f"x{i}" for i in range(values.shape[1])))
    rows = [(name, *row) for name, row in zip(names[1], values.tolist(), strict=True)]
    return Answers(columns, rows)
