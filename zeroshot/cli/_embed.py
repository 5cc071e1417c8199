"""``zeroshot embed``: features of images, or vectors of labels, as a table of numbers."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from types import SimpleNamespace
from typing import Any

import click

from zeroshot._utils._optional import import_optional
from zeroshot.cli._backbones import open_backbone
from zeroshot.cli._choices import (
    DEFAULT_EMBEDDING,
    build_embedding,
    check_runs_on_device,
    with_label_embedding,
)
from zeroshot.cli._images import extract, report_unreadable
from zeroshot.cli._on_unknown import of_known, unknown_column, with_on_unknown
from zeroshot.cli._options import (
    PATH,
    check_one_stdin,
    command,
    device_options,
    read_images,
    read_label_arguments,
    refuse,
    with_format,
    with_network,
    with_output,
    with_seed,
)
from zeroshot.cli._output import Answers, Output, new_file, provenance, valid_text
from zeroshot.cli._partitions import are_wanted, with_partitions, write_partitions
from zeroshot.cli._terminal import UsageError
from zeroshot.exceptions import UnknownLabelError

HELP = """Write the features of images, or with --labels the vectors of labels, to a file: npz (the
arrays 'features' and 'paths', or 'vectors' and 'labels'), parquet (the columns 'path' and
'features', or 'label' and 'vectors'), CSV (a row each, its name first), or JSON (an object each,
with its name and its vector). Images that cannot be read have no row, and are named."""

EXAMPLES = """examples:
  zeroshot embed photos --output features.npz
  zeroshot embed a.jpg b.jpg --output features.parquet --backbone resnet50.a1_in1k
  zeroshot embed photos --output features --partition-size 2000 --workers 2
  zeroshot embed --labels okapi "fire engine" --output vectors.csv
  cat labels.txt | zeroshot embed --labels - --output vectors.npz --label-embedding sentence
"""

FORMATS = ("npz", "csv", "json", "parquet")


@command(help=HELP, examples=EXAMPLES)
@click.argument(
    "items", nargs=-1, required=True, type=PATH, metavar="IMAGE_OR_FOLDER|LABEL...",
    help="or - for standard input, one per line",
)  # fmt: skip
@click.option("--labels", is_flag=True, help="the arguments are labels")
@with_output("FILE", "such as features.npz, vectors.csv", required=True)
@with_format((*FORMATS, "table"), show_default="by the name of --output", help="no table")
@with_label_embedding
@with_on_unknown
@with_network(choice=True)
@with_partitions
@with_seed
def embed(args: SimpleNamespace) -> int:
    """Embed images or labels, and write the vectors."""
    check_one_stdin(args.items)
    if are_wanted(args):
        refuse(["--labels"], "does not apply to --partition-size, which is for images")
        return write_partitions(args, args.items, partial(_dataset, open_backbone(args)))
    if args.format == "table":
        raise UsageError(
            f"--format table: nobody can read rows of hundreds of numbers. Pass one of "
            f"{', '.join(FORMATS)}."
        )
    output = Output(args, FORMATS)
    return _labels(args, output) if args.labels else _images(args, output)


def _dataset(backbone: Any, source: Any, output: str, **options: Any) -> Any:
    from zeroshot.scale import embed_dataset

    return embed_dataset(source, output, backbone, **options)


def _labels(args: SimpleNamespace, output: Output) -> int:
    of_images = ("--backbone", "--weights", "--image-size", "--progress", "--seed")
    refuse(of_images, "is for images, not for --labels")
    name = args.label_embedding or DEFAULT_EMBEDDING
    check_runs_on_device(name)
    labels = read_label_arguments(args.items)
    embedding = build_embedding(name, running=device_options(args))

    def embed_all(labels: list[str]) -> Any:
        try:
            return embedding.embed(labels)
        except UnknownLabelError as error:
            raise error.replace(
                owner=f"--label-embedding {name}", remedy="Respell them, or leave them out."
            ) from error

    vectors, labels, unknown = of_known(embed_all, labels, args.on_unknown)
    record = provenance(
        args,
        weights={name: embedding.fingerprint()},
        n_labels=len(labels),
        unknown_labels=unknown,
    )
    _write(output, ("labels", labels), ("vectors", vectors), record, unknown)
    return 0


def _images(args: SimpleNamespace, output: Output) -> int:
    of_labels = ("--label-embedding", "--on-unknown")
    refuse(of_labels, "is for labels: without --labels, images are read")
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
    output: Output,
    names: tuple[str, list[str]],
    table: tuple[str, Any],
    record: dict[str, Any],
    unknown: Sequence[str] = (),
) -> None:
    import numpy as np

    if output.format not in ("npz", "parquet") or output.path is None:
        output.write(_as_rows(names, table, unknown), record)
        return
    if output.format == "parquet":
        with new_file(output.path, record) as file:
            _write_parquet(names, table, unknown, file)
        return
    arrays: dict[str, Any] = {names[0]: np.array(names[1]), table[0]: table[1]}
    if unknown:
        arrays["unknown_labels"] = np.array(unknown)
    with new_file(output.path, record) as file:
        np.savez(file, **arrays)


def _write_parquet(
    names: tuple[str, list[str]], table: tuple[str, Any], unknown: Sequence[str], file: Any
) -> None:
    """Write names and one column of vectors, without a Python object per number."""
    pyarrow = import_optional("pyarrow", owner="--format parquet", extra="demo")
    parquet = import_optional("pyarrow.parquet", owner="--format parquet", extra="demo")
    kind, values = names[0].removesuffix("s"), table[1]
    vectors = pyarrow.FixedSizeListArray.from_arrays(pyarrow.array(values.ravel()), values.shape[1])
    columns = {
        kind: [valid_text(name) for name in names[1]],
        table[0]: vectors,
        **{name: [value] * len(values) for name, value in unknown_column(list(unknown)).items()},
    }
    parquet.write_table(pyarrow.table(columns), file)


def _as_rows(
    names: tuple[str, list[str]], table: tuple[str, Any], unknown: Sequence[str]
) -> Answers:
    kind, values = names[0].removesuffix("s"), table[1]
    more = unknown_column(list(unknown))
    columns = (kind, *(f"x{i}" for i in range(values.shape[1])), *more)
    pairs = list(zip(names[1], values.tolist(), strict=True))
    rows = [(name, *vector, *more.values()) for name, vector in pairs]
    said = {"unknown_labels": [*unknown]} if unknown else {}
    objects = [{kind: name, "vector": v} | said for name, v in pairs]
    # Vectors of labels are what --label-embedding reads.
    return Answers(columns, rows, objects=objects, is_input=kind == "label")
