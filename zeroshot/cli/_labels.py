"""``zeroshot labels``: what word vectors and WordNet make of class names."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import click

from zeroshot._utils._text_tables import aligned, printable
from zeroshot.cli._choices import (
    DEFAULT_EMBEDDING,
    build_embedding,
    check_runs_on_device,
    with_label_embedding,
)
from zeroshot.cli._options import (
    PATH,
    check_one_stdin,
    command,
    device_options,
    read_label_arguments,
    with_device,
    with_format,
    with_output,
)
from zeroshot.cli._output import Answers, Output, provenance
from zeroshot.cli._terminal import UsageError, say

if TYPE_CHECKING:
    from zeroshot.label_embeddings._base import Explained

HELP = """Show how labels are read: the text that is looked up, the words that have a vector and
those that have none, the noun synset of WordNet, and why. Without --label-embedding, by word
vectors and WordNet, as 'predict' reads them. A folder stands for the names of the folders in it."""

EXAMPLES = """examples:
  zeroshot labels killer+whale "crane (bird)" 118.House_Sparrow
  zeroshot labels photos --label-embedding wordnet
  zeroshot labels labels.txt --format csv
"""

COLUMNS = ("label", "read", "found", "missing", "synset", "why")


@command(help=HELP, examples=EXAMPLES)
@click.argument(
    "names", nargs=-1, required=True, type=PATH, metavar="LABEL|FILE|FOLDER...",
    help="or - for standard input, one per line",
)  # fmt: skip
@with_label_embedding
@with_output("FILE", "instead of standard output")
@with_format()
@with_device("labels")
def labels(args: SimpleNamespace) -> int:
    """Look up labels."""
    check_runs_on_device(args.label_embedding or DEFAULT_EMBEDDING)
    check_one_stdin(args.names)
    output = Output(args)
    names = _names(args.names)
    embedding = build_embedding(args.label_embedding, running=device_options(args))
    rows = embedding._explain_labels(names)
    if args.label_embedding is None:
        rows = [_with_synset(name, row) for name, row in zip(names, rows, strict=True)]
    table = [
        (name, row.read, "; ".join(row.found), "; ".join(row.missing), row.synset, row.why)
        for name, row in zip(names, rows, strict=True)
    ]
    objects = [
        {"label": name, "read": row.read, "found": [*row.found], "missing": [*row.missing],
         "synset": row.synset, "why": row.why}
        for name, row in zip(names, rows, strict=True)
    ]  # fmt: skip
    text = aligned([COLUMNS, *([printable(cell) for cell in row] for row in table)])
    record = provenance(args, label_embedding=repr(embedding), n_labels=len(names))
    output.write(Answers(COLUMNS, table, objects=objects, text=text), record)
    unknown = [row for row in rows if not row.found and not row.synset]
    if unknown:
        say(f"{len(unknown)} of {len(rows)} labels are unknown")
    return 0


def _names(arguments: Sequence[str]) -> list[str]:
    """Return the labels of the arguments: words, a file, standard input, or a folder of folders."""
    names: list[str] = []
    for argument in arguments:
        names += _class_folders(argument) if os.path.isdir(argument) else []
    rest = [argument for argument in arguments if not os.path.isdir(argument)]
    if rest:
        names += read_label_arguments(rest)
    return [*dict.fromkeys(names)]


def _class_folders(folder: str) -> list[str]:
    found = sorted(entry.name for entry in os.scandir(folder) if entry.is_dir())
    names = [name for name in found if not name.startswith(".")]
    if not names:
        raise UsageError(f"{folder} holds no folder. Name one with a folder for each class.")
    return names


def _with_synset(label: str, row: Explained) -> Any:
    """Return the row of a label with its WordNet synset added."""
    from zeroshot.label_embeddings._wordnet import explain_synset

    in_wordnet = explain_synset(label)
    why = in_wordnet.why if row.why in in_wordnet.why else f"{row.why}; {in_wordnet.why}"
    return replace(row, synset=in_wordnet.synset, why=why)
