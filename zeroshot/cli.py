"""The command line: ``zeroshot demo`` and ``zeroshot predict``."""

from __future__ import annotations

import argparse
import csv
import json
import os
import re
import sys
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TextIO

import zeroshot
from zeroshot._optional import import_optional
from zeroshot.exceptions import UnknownLabelError, ZeroShotError

DEMO_HELP = """Fit on 80 classes of CIFAR-100 and name the other 20, leave each class out in turn,
and name what is on photos from an open list of labels. Everything it needs ships with the package
and its extra 'demo'; nothing is downloaded."""

DEMO_EXAMPLES = """examples:
  zeroshot demo
  zeroshot demo holiday.jpg --output my-report
  zeroshot demo --json > results.json
"""

PREDICT_HELP = """Name what is on images, from labels of your own, without any training: the guesses
of a network trained on ImageNet are carried over to your labels by how similar these are to its
classes, in WordNet and by their words' vectors."""

PREDICT_EXAMPLES = """examples:
  zeroshot predict photo.jpg --labels "tabby cat,fire engine,palm tree"
  zeroshot predict photos/ --labels labels.txt --k 3 --format csv > answers.csv
  zeroshot predict *.jpg --labels labels.txt --format json

exit codes: 0 all images named; 1 something failed, or an image could not be read (the others are
named all the same); 2 the command line is wrong
"""


# What is meant as the path of a list of labels: "pets.txt", "lists/pets".
_FILE_NAME = re.compile(r"\.\w{1,4}$|[/\\]")


class UsageError(Exception):
    """What was typed cannot be done; exit code 2."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    argv : sequence of str, optional
        The arguments; those of the process if None.

    Returns
    -------
    code : int
        0 if all went well, 1 if something failed, 2 if the arguments are wrong.

    Examples
    --------
    >>> from zeroshot.cli import main
    >>> main(["predict", "--labels", "cat", "no-such-file.jpg"])
    1
    """
    parser = _parser()
    try:
        args = parser.parse_args(argv)
    except SystemExit as stop:  # argparse's own way out, after help or a wrong argument
        return int(stop.code or 0)
    if hasattr(sys.stdout, "reconfigure"):  # no answer is lost to a terminal of few letters
        sys.stdout.reconfigure(errors="backslashreplace")
    with warnings.catch_warnings():
        warnings.showwarning = _show_warning
        try:
            return args.run(args)
        except UsageError as error:
            return _fail(str(error), code=2)
        except KeyboardInterrupt:
            return _fail("interrupted", code=1)
        except Exception as error:
            if args.debug:
                raise
            if isinstance(error, (ZeroShotError, OSError, ValueError)):
                return _fail(str(error), code=1)
            name = type(error).__name__
            return _fail(f"{name}: {error} (--debug shows where it happened)", code=1)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="zeroshot", description="Zero-shot image classification.")
    parser.add_argument("--version", action="version", version=f"zeroshot {zeroshot.__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    demo = _add(
        commands, "demo", _demo, "run the main job on bundled data", DEMO_HELP, DEMO_EXAMPLES
    )
    demo.add_argument("images", nargs="*", metavar="IMAGE_OR_FOLDER", help="further photos to name")
    demo.add_argument("--json", action="store_true", help="print one JSON object")
    demo.add_argument("--output", metavar="DIR", help="report folder (default: zeroshot-demo)")
    demo.add_argument("--force", action="store_true", help="replace an existing report folder")
    predict = _add(
        commands,
        "predict",
        _predict,
        "name images from your labels",
        PREDICT_HELP,
        PREDICT_EXAMPLES,
    )
    predict.add_argument("images", nargs="+", metavar="IMAGE_OR_FOLDER")
    predict.add_argument(
        "--labels",
        required=True,
        metavar="a,b,c|FILE",
        help="comma-separated, or a file, one a line",
    )
    predict.add_argument("--k", type=int, metavar="K", help="labels an image (default: 5)")
    predict.add_argument(
        "--sentences",
        action="store_true",
        help="compare labels as sentences, not word by word: for phrases (extra 'text'; slower)",
    )
    predict.add_argument("--format", choices=tuple(WRITERS), default="table")
    predict.add_argument("--device", default="auto", help="auto, cpu, cuda, ... (default: auto)")
    return parser


def _add(
    commands: Any,
    name: str,
    run: Callable[[argparse.Namespace], int],
    summary: str,
    text: str,
    examples: str,
) -> argparse.ArgumentParser:
    command = commands.add_parser(
        name,
        help=summary,
        description=text,
        epilog=examples,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.set_defaults(run=run)
    command.add_argument("--debug", action="store_true", help="show the traceback of an error")
    return command


def _demo(args: argparse.Namespace) -> int:
    folder = _report_folder(args.output, force=args.force)
    import_optional("matplotlib.figure", owner="zeroshot demo", extra="demo")
    from zeroshot.datasets import list_images

    images = [path for place in args.images for path in list_images(place)]
    print("zeroshot: this takes a minute or two on two cores", file=sys.stderr)
    from zeroshot.demo import run_demo
    from zeroshot.report import format_table, write_report

    results = run_demo(images)
    # Printed first: a full disk must not take the figures with it.
    print(json.dumps(results, indent=1) if args.json else format_table(results), flush=True)
    write_report(results, folder, overwrite=args.force)
    print(f"The report is in {folder}: open {folder / 'index.html'}", file=sys.stderr)
    return _report_unreadable(results["unreadable_photos"], len(images))


def _report_folder(output: str | None, *, force: bool) -> Path:
    """Return where the report goes, or raise before minutes of work that could not be written."""
    folder, number = Path("zeroshot-demo" if output is None else output), 1
    while output is None and folder.exists() and not force:
        number += 1
        folder = Path(f"zeroshot-demo-{number}")
    if folder.exists() and not force:
        raise UsageError(f"{folder} exists. Name another folder, or pass --force.")
    if folder.exists() and not _is_replaceable(folder):
        raise UsageError(
            f"{folder} is no report of this command, and --force replaces nothing else. Name "
            "another folder."
        )
    parent = next(place for place in folder.absolute().parents if place.exists())
    if not parent.is_dir() or not os.access(parent, os.W_OK):
        raise UsageError(f"{folder} cannot be made in {parent}. Name another folder.")
    return folder


def _is_replaceable(folder: Path) -> bool:
    if not folder.is_dir() or folder.resolve() == Path.cwd():
        return False
    return {entry.name for entry in folder.iterdir()} <= {"demo.png", "index.html", "results.json"}


def _predict(args: argparse.Namespace) -> int:
    labels = _read_labels(args.labels)
    k = min(5, len(labels)) if args.k is None else args.k
    if not 1 <= k <= len(labels):
        raise UsageError(f"--k must be between 1 and the {len(labels)} labels, got {k}.")
    from zeroshot.datasets import list_images

    paths = [path for place in args.images for path in list_images(place)]
    from zeroshot.demo import name_photos

    try:
        answers, unreadable = name_photos(
            paths, labels, k, sentences=args.sentences, device=args.device
        )
    except UnknownLabelError as error:
        raise UnknownLabelError(
            error.labels,
            error.n_labels,
            owner="predict",
            remedy="Respell them in --labels, or leave them out.",
            close_matches=error.close_matches,
            what=error.what,
        ) from error
    WRITERS[args.format](answers, sys.stdout)
    return _report_unreadable(unreadable, len(paths))


def _report_unreadable(unreadable: list[dict[str, str]], n_images: int) -> int:
    """Name on stderr the images that could not be read; return the exit code."""
    for entry in unreadable:
        print(f"zeroshot: {entry['error']}", file=sys.stderr)
    if unreadable:
        text = f"{len(unreadable)} of {n_images} images could not be read."
        print(f"zeroshot: {text}", file=sys.stderr)
    return 1 if unreadable else 0


def _read_labels(text: str) -> list[str]:
    """Return the labels of ``--labels``: the lines of a file, or what stands between commas."""
    if os.path.isfile(text):
        parts = _read_lines(text)
    elif os.path.isdir(text) or ("," not in text and _FILE_NAME.search(text)):
        raise UsageError(f"--labels: there is no file {text}. Check the path, or write 'cat,dog'.")
    else:
        parts = text.split(",")
    labels = [part.strip() for part in parts if part.strip()]
    if not labels:
        raise UsageError(f"--labels {text!r} names no label. Write --labels 'cat,dog'.")
    repeated = sorted({label for label in labels if labels.count(label) > 1})
    if repeated:
        raise UsageError(f"--labels names {', '.join(repeated)} more than once. Name each once.")
    return labels


def _read_lines(path: str) -> list[str]:
    try:
        return Path(path).read_text(encoding="utf-8-sig").split("\n")
    except UnicodeDecodeError as error:
        raise UsageError(f"--labels: {path} is no text in UTF-8 ({error}). Save it so.") from error


def _write_table(answers: list[dict[str, Any]], out: TextIO) -> None:
    width = max((len(answer["path"]) for answer in answers), default=0)
    for answer in answers:
        pairs = zip(answer["labels"], answer["scores"], strict=True)
        text = "  ".join(f"{label} {score:.3f}" for label, score in pairs)
        print(f"{answer['path']:<{width}}  {text}", file=out)


def _write_csv(answers: list[dict[str, Any]], out: TextIO) -> None:
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["path", "rank", "label", "score"])
    for answer in answers:
        pairs = zip(answer["labels"], answer["scores"], strict=True)
        for rank, (label, score) in enumerate(pairs, start=1):
            writer.writerow([answer["path"], rank, label, score])


def _write_json(answers: list[dict[str, Any]], out: TextIO) -> None:
    print(json.dumps(answers, indent=1), file=out)


WRITERS = {"table": _write_table, "csv": _write_csv, "json": _write_json}


def _show_warning(message: Warning | str, *args: Any, **kwargs: Any) -> None:
    print(f"zeroshot: warning: {' '.join(str(message).split())}", file=sys.stderr)


def _fail(message: str, *, code: int) -> int:
    print(f"zeroshot: {' '.join(message.split())}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
