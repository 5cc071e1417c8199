"""``zeroshot datasets``: data sets on this machine, and how to get the others."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import click

from zeroshot.cli._images import DATASETS
from zeroshot.cli._options import command, with_format, with_output
from zeroshot.cli._output import Answers, Output, provenance
from zeroshot.cli._terminal import Name, say

HELP = """List the data sets that the package reads: whether they are on this machine, where they
are or belong (the folder that ZEROSHOT_DATA names), their size, and how to get them."""

EXAMPLES = """examples:
  zeroshot datasets
  zeroshot datasets --format json
  zeroshot datasets --download cifar100
"""

COLUMNS = ("dataset", "here", "n_bytes", "path", "get")


@command(help=HELP, examples=EXAMPLES)
@click.option(
    "--download", type=Name(DATASETS, "data set"), metavar="NAME",
    help=f"fetch one first: {', '.join(DATASETS)}",
)  # fmt: skip
@with_output("FILE", "instead of standard output")
@with_format()
def datasets(args: SimpleNamespace) -> int:
    """List the data sets."""
    output = Output(args)
    if args.download is not None:
        _download(args.download)
    output.write(Answers(COLUMNS, _rows()), provenance(args))
    return 0


def _archives() -> dict[str, Any]:
    from zeroshot.datasets import _cifar100, _tiny_imagenet

    return {"cifar100": _cifar100.ARCHIVE, "tiny_imagenet": _tiny_imagenet.ARCHIVE}


def _download(name: str) -> None:
    from zeroshot.datasets._fetch import find_archive

    path = find_archive(
        _archives()[name], data_home=None, download_if_missing=True, owner="zeroshot datasets"
    )
    say(f"{name} is in {path}")


def places() -> list[tuple[str, Path, str]]:
    """Return the name of each data set, the path of its file, and how to get it."""
    from importlib.resources import files

    from zeroshot.datasets import _awa1, _xlsa17
    from zeroshot.datasets._fetch import resolve_data_home

    home = resolve_data_home()
    found = [
        (name, home / archive.filename, f"zeroshot datasets --download {name}, or {archive.url}")
        for name, archive in _archives().items()
    ]
    found.append(("xlsa17 (AWA1, AWA2, CUB, SUN, APY)", home / _xlsa17.FILENAME, _xlsa17.URL))
    found.append(
        ("awa1", home / _awa1.PREPARED, f"prepared features, or {_awa1.FOLDER} from {_awa1.URL}")
    )
    bundled = Path(str(files("zeroshot.datasets") / "data" / "cifar100_features.npz"))
    return [*found, ("cifar100 features", bundled, "ships with the package")]


def _rows() -> list[tuple]:
    rows = []
    for name, path, how in places():
        here = path.is_file()
        rows.append((name, here, path.stat().st_size if here else None, str(path), how))
    return rows
