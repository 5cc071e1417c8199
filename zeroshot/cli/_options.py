"""Options that several commands share, and what stands in them: images, labels, lines of stdin."""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from zeroshot.cli._label_files import labels_in
from zeroshot.cli._terminal import UsageError

STDIN = "-"
BATCH_SIZE = 64
# What is meant as the path of a list of labels: "pets.txt", "lists/pets".
_FILE_NAME = re.compile(r"\.\w{1,4}$|[/\\]")


def add_command(
    commands: Any,
    name: str,
    run: Callable[[argparse.Namespace], int],
    *,
    summary: str,
    text: str,
    examples: str,
) -> argparse.ArgumentParser:
    """Return the parser of a new command, with the option that all of them have."""
    command = commands.add_parser(
        name,
        help=summary,
        description=text,
        epilog=examples,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.set_defaults(run=run, parser=command)
    command.add_argument("--debug", action="store_true", help="show the traceback of an error")
    return command


def add_network(command: argparse.ArgumentParser, *, choice: bool) -> None:
    """Add how the network runs and, with `choice`, which one it is."""
    if choice:
        command.add_argument(
            "--backbone", metavar="NAME", help="model of timm (default: tf_efficientnet_lite0)"
        )
        command.add_argument(
            "--weights",
            default="auto",
            metavar="auto|none|FILE",
            help="of the backbone: its own, random ones, or a file's (default: auto)",
        )
        command.add_argument(
            "--image-size", type=_positive, metavar="N", help="side of the network's input"
        )
    add_device(command, "images")
    command.add_argument(
        "--max-pixels",
        type=_positive,
        metavar="N",
        help="width x height that an image may have (default: 89478485)",
    )
    command.add_argument(
        "--max-bytes",
        type=_positive,
        metavar="N",
        help="size that an image file may have (default: 268435456)",
    )
    command.add_argument(
        "--max-seconds",
        type=_positive_number,
        metavar="S",
        help="for decoding one AVIF or JPEG 2000 image (default: 20)",
    )
    command.add_argument(
        "--progress",
        action=argparse.BooleanOptionalAction,
        help="progress bars on stderr (default: on work of some seconds)",
    )


def add_device(command: argparse.ArgumentParser, what: str) -> None:
    """Add where a network runs, and on how much at once."""
    command.add_argument("--device", default="auto", help="auto, cpu, cuda, ... (default: auto)")
    command.add_argument(
        "--batch-size", type=_positive, metavar="N", help=f"{what} at once (default: {BATCH_SIZE})"
    )


def add_label_embedding(command: argparse.ArgumentParser, names: Sequence[str]) -> None:
    """Add where label vectors come from."""
    command.add_argument(
        "--label-embedding",
        metavar="NAME|FILE",
        help=f"{', '.join(names)}, or a file: word vectors, or attributes as CSV (default: glove)",
    )


def add_output(command: argparse.ArgumentParser, metavar: str, text: str, **kwargs: Any) -> None:
    """Add where the output goes, and whether it may replace what is there."""
    command.add_argument("--output", metavar=metavar, help=text, **kwargs)
    command.add_argument("--force", action="store_true", help="replace an earlier output")


def add_format(command: argparse.ArgumentParser, formats: Sequence[str], text: str) -> None:
    """Add the format of the answers."""
    command.add_argument("--format", choices=tuple(formats), help=text)


def add_seed(command: argparse.ArgumentParser) -> None:
    """Add the seed of whatever is random."""
    command.add_argument("--seed", type=int, default=0, metavar="N", help="default: 0")


def refuse(args: argparse.Namespace, options: Sequence[str], why: str) -> None:
    """Raise if one of the options was given: it does not apply.

    Raises
    ------
    UsageError
        It has another value than its default.
    """
    for option in options:
        name = option.removeprefix("--").replace("-", "_")
        if getattr(args, name) != args.parser.get_default(name):
            raise UsageError(f"{option} {why}. Leave it out.")


def device_options(args: argparse.Namespace) -> dict[str, Any]:
    """Return where a network runs, and on how much at once, as parameters of it.

    Raises
    ------
    ValueError
        This machine has no such device.
    """
    from zeroshot._utils._device import resolve_device

    try:
        resolve_device(args.device)
    except ValueError as error:
        raise ValueError(
            "--device must be auto, cpu, cuda or another torch device of this machine, got "
            f"{args.device!r}. Leave it out to take the best that there is."
        ) from error
    return {"device": args.device, "batch_size": args.batch_size or BATCH_SIZE}


def network_options(args: argparse.Namespace) -> dict[str, Any]:
    """Return how a network for images runs, as parameters of it; raise as `device_options` does."""
    progress = "auto" if args.progress is None else args.progress
    return {**device_options(args), **reading_options(args), "progress": progress}


def reading_options(args: argparse.Namespace) -> dict[str, Any]:
    """Return the limits of reading an image that the options name."""
    given = {name: getattr(args, name) for name in ("max_pixels", "max_bytes", "max_seconds")}
    return {name: value for name, value in given.items() if value is not None}


def read_images(arguments: Sequence[str]) -> tuple[list[str], dict[str, int]]:
    """Return the images of arguments: files, folders, and ``-`` for lines of stdin.

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
    from zeroshot.cli._images import report_endings
    from zeroshot.datasets import list_images
    from zeroshot.datasets._folders import list_other_files

    places = []
    for argument in arguments:
        places += [os.fsdecode(line) for line in _stdin()] if argument == STDIN else [argument]
    if not places:
        raise UsageError("standard input names no image. Write one path a line.")
    paths, others = [], []
    for place in places:
        try:
            found, others_here = list_images(place), list_other_files(place)
        except (OSError, ValueError):
            if len(places) == 1:
                raise
            found, others_here = [place], []  # is named among what cannot be read
        paths += found
        others += others_here
    return paths, report_endings(others, len(paths))


def read_labels(text: str, *, option: str = "--labels") -> list[str]:
    """Return the labels of an option: what stands between commas, or in a file."""
    if text == STDIN:
        text, source = _decoded(b"\n".join(_stdin()), "standard input", option), "standard input"
        labels = labels_in(text, source, option)
    elif os.path.isfile(text):
        labels = labels_in(_decoded(Path(text).read_bytes(), text, option), text, option)
    elif os.path.isdir(text) or ("," not in text and _FILE_NAME.search(text)):
        raise UsageError(f"{option}: there is no file {text}. Check the path, or write 'cat,dog'.")
    else:
        labels = [part.strip() for part in text.split(",") if part.strip()]
    if not labels:
        raise UsageError(f"{option} {text!r} names no label. Write {option} 'cat,dog'.")
    return _once(labels, option)


def read_label_arguments(arguments: Sequence[str]) -> list[str]:
    """Return the labels of positional arguments: one each, a file's, or those of stdin."""
    labels: list[str] = []
    for argument in arguments:
        is_list = argument == STDIN or (os.path.isfile(argument) and _FILE_NAME.search(argument))
        labels += read_labels(argument, option="LABEL") if is_list else [argument.strip()]
    if not all(labels):
        raise UsageError("LABEL is empty. Write it in words, such as 'pickup truck'.")
    return _once(labels, "LABEL")


def check_one_stdin(*groups: Sequence[str] | str | None) -> None:
    """Raise if standard input is asked for twice.

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


def _decoded(content: bytes, source: str, option: str) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(
            f"{option}: {source} is no text in UTF-8 ({error}). Save it so."
        ) from error


def _once(labels: list[str], option: str) -> list[str]:
    repeated = sorted(label for label, count in Counter(labels).items() if count > 1)
    if repeated:
        raise UsageError(f"{option} names {', '.join(repeated)} more than once. Name each once.")
    return labels


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, got {value}")
    return value


def _positive_number(text: str) -> float:
    value = float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"must be above 0, got {text}")
    return value
