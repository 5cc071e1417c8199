"""Options that several commands share: images, labels, networks, output."""

from __future__ import annotations

import os
import re
import shlex
import sys
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from functools import reduce
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import click
from click.core import ParameterSource
from click.shell_completion import CompletionItem

from zeroshot.cli._label_files import decoded, labels_in
from zeroshot.cli._output import FORMATS, SUFFIXES
from zeroshot.cli._terminal import JSON_ERRORS, UsageError, fail, warnings_shown_once
from zeroshot.exceptions import ZeroShotError, in_options

Decorator = Callable[[Any], Any]

SOURCE_HELP = "a folder with a folder for each class; cifar100; tiny_imagenet"
STDIN = "-"
# What is meant as the path of a list of labels: "pets.txt", "lists/pets".
_LIST_NAME = re.compile(r"\.(txt|csv|json)$", re.IGNORECASE)
_FILE_NAME = re.compile(r"\.\w{1,4}$|[/\\]")


class AnyPath(click.ParamType):
    """Type of an argument that may be a path. Shells complete it. It is checked when opened."""

    name = "path"

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Return an item that leaves completion of paths to the shell."""
        return [CompletionItem(incomplete, type="file")]


class Labels(AnyPath):
    """Type of an option that takes labels separated by commas, or a file of labels."""


PATH = AnyPath()


class Command(click.Command):
    """Command whose function takes all options as one namespace."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        debug = click.Option(["--debug"], is_flag=True, help="show the traceback of an error")
        as_json = click.Option(
            [JSON_ERRORS], is_flag=True, help="errors and warnings as JSON, one object per line"
        )
        self.params += [debug, as_json]

    def invoke(self, ctx: click.Context) -> int:
        """Run the command and return its exit code."""
        args = SimpleNamespace(**ctx.params, argv=ctx.find_root().obj)
        self._check_rest(ctx)
        self._check_raw(args)
        try:
            with warnings.catch_warnings():
                warnings.showwarning = warnings_shown_once()
                return self.callback(args)  # type: ignore[misc]
        except (click.UsageError, BrokenPipeError):
            raise
        except Exception as error:
            if args.debug:
                raise
            if isinstance(error, (ZeroShotError, OSError, ValueError)):
                return fail(error, code=1)
            name = type(error).__name__
            told = f"{name}: {in_options(error)} (--debug shows where it happened)"
            return fail(told, code=1, kind=name)

    def _check_rest(self, ctx: click.Context) -> None:
        """Raise if there are more arguments than the command takes."""
        if not ctx.args:
            return
        for option in self.params:
            if isinstance(option.type, Labels) and option.name:
                check_commas(option.opts[-1], ctx.params[option.name], ctx.args)
        ctx.fail(f"Got unexpected arguments: {' '.join(ctx.args)}.")

    def _check_raw(self, args: SimpleNamespace) -> None:
        if not hasattr(args, "raw"):
            return
        form = args.format or SUFFIXES.get(Path(args.output or "").suffix.lower())
        if args.raw and form != "csv":
            raise click.UsageError("--raw is for --format csv. Leave it out.")


def command(*, help: str, examples: str) -> Callable[[Any], Command]:
    """Return a decorator that turns a function into a command."""
    return click.command(
        cls=Command,
        help=help,
        epilog="\b\n" + examples,  # \b: lines stay as they are
        context_settings={"allow_extra_args": True},
    )


def _all(*decorators: Decorator) -> Decorator:
    """Compose decorators, the first outermost: help shows options in this order."""
    return lambda function: reduce(lambda inner, one: one(inner), reversed(decorators), function)


def with_network(*, choice: bool) -> Decorator:
    """Add the options of a network, with `choice` also the one that names it."""
    return _all(*(_WHICH_NETWORK if choice else ()), with_device("images"), *_READING)


def with_device(what: str) -> Decorator:
    """Add the options for device and batch size."""
    return _all(
        click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, ..."),
        _number("--batch-size", help=f"{what} at once", default=64, show_default=True),
    )


def _number(*names: str, help: str, **kwargs: Any) -> Decorator:
    return click.option(*names, type=click.IntRange(1), metavar="N", help=help, **kwargs)


_WHICH_NETWORK = (
    click.option(
        "--backbone", metavar="NAME", help="model of timm", show_default="tf_efficientnet_lite0"
    ),
    click.option(
        "--weights", type=PATH, default="auto", show_default=True, metavar="auto|none|FILE",
        help="of the backbone: its own, random ones, or a file's",
    ),
    _number("--image-size", help="side of the network's input"),
)  # fmt: skip
# Without a default: a saved model has limits of its own.
_READING = (
    _number("--max-pixels", help="width x height that an image may have", show_default="89478485"),
    _number("--max-bytes", help="size that an image file may have", show_default="268435456"),
    click.option(
        "--max-seconds", type=click.FloatRange(0, float("inf"), min_open=True, max_open=True),
        metavar="S", show_default="20", help="for decoding one AVIF, HEIC or JPEG 2000 image",
    ),
    click.option(
        "--cache", is_flag=True,
        help="keep features by the content of the image, and compute only those of new images",
    ),
    click.option(
        "--progress/--no-progress", default=None, show_default="on work of some seconds",
        help="progress bars on stderr",
    ),
)  # fmt: skip
with_seed = click.option(
    "--seed", type=click.IntRange(0, 2**32 - 1), default=0, show_default=True, metavar="N",
    help="of whatever is random",
)  # fmt: skip


def with_output(metavar: str, help: str, **kwargs: Any) -> Decorator:
    """Add the options for the output path and for overwriting it."""
    return _all(
        click.option("--output", type=PATH, metavar=metavar, help=help, **kwargs),
        click.option("--force", is_flag=True, help="replace an earlier output"),
    )


def with_format(formats: Sequence[str] = FORMATS, **changes: Any) -> Decorator:
    """Add the option for the output format."""
    shown = {
        "help": "parquet needs --output",
        "show_default": "by the name of --output, or a table",
    }
    raw = "texts of CSV as they are, also those that a spreadsheet would run"
    return _all(
        click.option("--format", type=click.Choice(formats), **shown | changes),
        click.option("--raw", is_flag=True, help=raw),
    )


def with_labels(name: str, *, metavar: str = "a,b,c|FILE", **kwargs: Any) -> Decorator:
    """Add an option that takes labels separated by commas, or a file of labels."""
    return click.option(name, type=Labels(), metavar=metavar, **kwargs)


def with_k(what: str) -> Decorator:
    """Add the option for the largest number of answers."""
    help = f"{what}, or all if there are fewer"
    return _number("-k", "--k", help=help, default=5, show_default=True)


def refuse(options: Sequence[str], why: str) -> None:
    """Raise if one of the options was given although it does not apply.

    Raises
    ------
    UsageError
        It was.
    """
    context = click.get_current_context()
    for option in options:
        name = option.removeprefix("--").replace("-", "_")
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            raise UsageError(f"{option} {why}. Leave it out.")


def check_commas(option: str, text: str | None, words: Sequence[str]) -> None:
    """Raise if words after a single label seem to be labels, too.

    Raises
    ------
    UsageError
        They are separated by spaces.
    """
    if words and text and text != STDIN and "," not in text and not os.path.isfile(text):
        listed = shlex.quote(",".join([text, *words]))
        raise UsageError(
            f"{option} takes one argument. Separate labels with commas: {option} {listed}"
        )


def is_word(argument: str) -> bool:
    """Return whether an argument is a word rather than the path of a file."""
    is_file = argument == STDIN or os.path.exists(argument)
    return not is_file and not _FILE_NAME.search(argument)


def device_options(args: SimpleNamespace) -> dict[str, Any]:
    """Return device and batch size as parameters of a network.

    Raises
    ------
    ValueError
        This machine has no such device.
    """
    from zeroshot._utils._device import resolve_device

    try:
        resolve_device(args.device)
    except ValueError as error:
        known = args.device.partition(":")[0] in ("cuda", "mps")
        raise ValueError(
            f"--device {args.device}: torch finds no such GPU on this machine. Leave it out to "
            "take the best that there is."
            if known
            else "--device must be auto, cpu, cuda or another torch device of this machine, got "
            f"{args.device!r}. Leave it out to take the best that there is."
        ) from error
    return {"device": args.device, "batch_size": args.batch_size}


def network_options(args: SimpleNamespace) -> dict[str, Any]:
    """Return the options of a network for images as its parameters."""
    progress = "auto" if args.progress is None else args.progress
    cache = args.cache or None
    return {**device_options(args), **reading_options(args), "progress": progress, "cache": cache}


def reading_options(args: SimpleNamespace) -> dict[str, Any]:
    """Return the limits for reading images that the options set."""
    given = {name: getattr(args, name) for name in ("max_pixels", "max_bytes", "max_seconds")}
    return {name: value for name, value in given.items() if value is not None}


def read_images(arguments: Sequence[str]) -> tuple[list[str], dict[str, int]]:
    """Return the images of the arguments: files, folders, and ``-`` for lines of standard input.

    Returns
    -------
    paths : list of str
        Those of the images.
    other_files : dict of str to int
        How many files in the folders have which other ending; they are reported.

    Among several, a path that is nothing to read, or a folder without an image, is returned as it
    is: reading it is one error among the answers, and the other images have theirs.

    Raises
    ------
    FileNotFoundError, ValueError
        There is one path only, and no such file or folder, or no image in the folder.
    UsageError
        Standard input names no path.
    """
    places = []
    for argument in arguments:
        places += [os.fsdecode(line) for line in _stdin()] if argument == STDIN else [argument]
    if not places:
        raise UsageError("standard input names no image. Write one path a line.")
    return images_at(places, alone=len(places) == 1)


def images_at(places: Sequence[str], *, alone: bool = False) -> tuple[list[str], dict[str, int]]:
    """Return the images at some paths, as `read_images` does.

    Parameters
    ----------
    places : sequence of str
        Files and folders.
    alone : bool, default=False
        Raise for a path that is nothing to read: there are no other answers.
    """
    from zeroshot.cli._images import report_endings
    from zeroshot.datasets import list_images
    from zeroshot.datasets._folders import list_other_files

    paths, others = [], []
    for place in places:
        try:
            found, others_here = list_images(place), list_other_files(place)
        except (OSError, ValueError):
            if alone:
                raise
            found, others_here = [place], []  # is named among what cannot be read
        paths += found
        others += others_here
    return paths, report_endings(others, len(paths))


def read_labels(text: str, *, option: str = "--labels") -> list[str]:
    """Return the labels of an option: separated by commas, or in a file."""
    if text == STDIN:
        text, source = decoded(b"\n".join(_stdin()), "standard input", option), "standard input"
        labels = labels_in(text, source, option)
    elif os.path.isfile(text):
        labels = labels_in(decoded(Path(text).read_bytes(), text, option), text, option)
    elif os.path.isdir(text) or ("," not in text and _FILE_NAME.search(text)):
        raise UsageError(f"{option}: there is no file {text}. Check the path, or write 'cat,dog'.")
    else:
        labels = [part.strip() for part in text.split(",") if part.strip()]
    if not labels:
        raise UsageError(f"{option} {text!r} names no label. Write {option} 'cat,dog'.")
    return _once(labels, option)


def read_label_arguments(arguments: Sequence[str]) -> list[str]:
    """Return the labels of positional arguments: words, a file, or standard input."""
    labels: list[str] = []
    for argument in arguments:
        is_list = argument == STDIN or (os.path.isfile(argument) and _FILE_NAME.search(argument))
        if not is_list and not os.path.exists(argument) and _LIST_NAME.search(argument):
            raise UsageError(f"LABEL: there is no file {argument}. Check the path.")
        labels += read_labels(argument, option="LABEL") if is_list else [argument.strip()]
    if not all(labels):
        raise UsageError("LABEL is empty. Write it in words, such as 'pickup truck'.")
    return _once(labels, "LABEL")


def check_one_stdin(*groups: Sequence[str] | str | None) -> None:
    """Raise if two options read standard input.

    Raises
    ------
    UsageError
        It is: it can be read once.
    """
    asked = [
        item for group in groups for item in ([group] if isinstance(group, str) else group or [])
    ]
    if asked.count(STDIN) > 1:
        raise UsageError("'-' stands for standard input, which can be read once only.")


def _stdin() -> list[bytes]:
    return [line for line in sys.stdin.buffer.read().splitlines() if line.strip()]


def _once(labels: list[str], option: str) -> list[str]:
    repeated = sorted(label for label, count in Counter(labels).items() if count > 1)
    if repeated:
        raise UsageError(f"{option} names {', '.join(repeated)} more than once. Name each once.")
    return labels
