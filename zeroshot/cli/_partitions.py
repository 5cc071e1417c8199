"""``--partition-size``: images without number, written as a data set of many files."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from types import SimpleNamespace
from typing import Any

import click

from zeroshot.cli._options import PATH, refuse
from zeroshot.cli._terminal import UsageError, say

OPTIONS = ("--partition-size", "--workers", "--scheduler", "--columns")


def with_partitions(function: Callable) -> Callable:
    """Add the options for outputs of many files."""
    number = partial(click.option, type=click.IntRange(1), metavar="N")
    for option in reversed((
        number(
            "--partition-size", show_default="2000 with one of the next two",
            help="write a folder of parquet files, of N images each; the same call resumes",
        ),
        number("--workers", help="processes (extra 'scale')"),
        click.option(
            "--scheduler", type=PATH, metavar="ADDRESS",
            help="of a running Dask scheduler, such as tcp://10.0.0.1:8786 (extra 'scale')",
        ),
        click.option(
            "--columns", metavar="a,b,c",
            help="other values to keep: columns of parquet, or label for the subfolder",
        ),
    )):  # fmt: skip
        function = option(function)
    return function


def are_wanted(args: SimpleNamespace) -> bool:
    """Return whether the output is a folder of many files."""
    if any((args.partition_size, args.workers, args.scheduler)):
        return True
    refuse(["--columns"], "is for --partition-size")
    return False


def write_partitions(
    args: SimpleNamespace, items: tuple[str, ...], write: Callable[..., Any]
) -> int:
    """Write the data set, print how many images it has, and return the exit code.

    Parameters
    ----------
    args : Namespace
        The options.
    items : tuple of str
        The arguments: one source, or image files.
    write : callable
        ``write(source, output, **options)``, as `embed_dataset` without its backbone.

    Raises
    ------
    UsageError
        An option does not apply.
    """
    refuse(["--format"], "does not apply to --partition-size, which writes parquet")
    refuse(["--force"], "does not apply: choose another folder for another data set")
    if args.output is None:
        raise UsageError("--partition-size needs --output FOLDER.")
    if "-" in items:
        raise UsageError("--partition-size: standard input has no end that could be resumed.")
    done = write(
        items[0] if len(items) == 1 else list(items),
        args.output,
        partition_size=args.partition_size or 2000,
        columns=[] if args.columns is None else args.columns.split(","),
        workers=args.workers,
        scheduler=args.scheduler,
        progress="auto" if args.progress is None else args.progress,
    )
    rate = done.n_images / max(done.seconds, 1e-9)
    before = f", {done.n_resumed} of them before" if done.n_resumed else ""
    say(
        f"{done.n_images:,} images in {done.n_partitions:,} partitions{before}, at {rate:,.0f} "
        f"images per second, in {done.output}"
    )
    if done.n_errors:
        say(f"{done.n_errors:,} images could not be read: {done.output}/_errors says why")
    return 1 if done.n_errors else 0
