"""The command line: ``zeroshot demo`` and ``zeroshot predict``."""

from __future__ import annotations

import argparse
import csv
import json
import os
import sys
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TextIO

import zeroshot
from zeroshot.exceptions import ZeroShotError

DEMO_HELP = """Fit on 80 classes of CIFAR-100 and name the other 20, leave each class out in turn, and name what is
on photos from an open list of labels. Everything it needs ships with the package and its extra
'demo'; nothing is downloaded."""

DEMO_EXAMPLES = """examples:
  zeroshot demo
  zeroshot demo holiday.jpg --output my-report
  zeroshot demo --json > results.json
"""

PREDICT_HELP = """Name what is on images, from labels of your own, without any training: the guesses of a network
trained on ImageNet are carried over to your labels by their word vectors (ConSE)."""

PREDICT_EXAMPLES = """examples:
  zeroshot predict photo.jpg --labels "tabby cat,fire engine,palm tree"
  zeroshot predict photos/ --labels labels.txt --k 3 --format csv > answers.csv
  zeroshot predict *.jpg --labels labels.txt --format json

exit codes: 0 all images named; 1 something failed, or an image could not be read (the others are
named all the same); 2 the command line is wrong
"""


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
    with warnings.catch_warnings():
        warnings.showwarning = _show_warning
        try:
            return args.run(args)
        except UsageError as error:
            return _fail(error, code=2)
        except (ZeroShotError, OSError, ValueError) as error:
            if args.debug:
                raise
            return _fail(error, code=1)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="zeroshot", description="Zero-shot image classification."
    )
    parser.add_argument("--version", action="version", version=f"zeroshot {zeroshot.__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    demo = _add(commands, "demo", _demo, "run the main job on bundled data", DEMO_HELP, DEMO_EXAMPLES)
    demo.add_argument("images", nargs="*", metavar="IMAGE", help="further photos to name")
    demo.add_argument("--json", action="store_true", help="print one JSON object")
    demo.add_argument("--output", metavar="DIR", help="report folder (default: zeroshot-demo)")
    demo.add_argument("--force", action="store_true", help="replace an existing report folder")
    predict = _add(
        commands, "predict", _predict, "name images from your labels", PREDICT_HELP, PREDICT_EXAMPLES
    )
    predict.add_argument("images", nargs="+", metavar="IMAGE_OR_FOLDER")
    predict.add_argument(
        "--labels", required=True, metavar="a,b,c|FILE", help="comma-separated, or a file, one a line"
    )
    predict.add_argument("--k", type=int, metavar="K", help="labels an image (default: 5)")
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
    from zeroshot.demo import run_demo
    from zeroshot.report import format_table, write_report

    results = run_demo(args.images)
    write_report(results, folder, overwrite=args.force)
    print(json.dumps(results, indent=1) if args.json else format_table(results))
    print(f"The report is in {folder}: open {folder / 'index.html'}", file=sys.stderr)
    return 0


def _report_folder(output: str | None, *, force: bool) -> Path:
    if output is not None:
        if Path(output).exists() and not force:
            raise UsageError(f"{output} exists. Name another folder, or pass --force.")
        return Path(output)
    folder, number = Path("zeroshot-demo"), 1
    while folder.exists() and not force:
        number += 1
        folder = Path(f"zeroshot-demo-{number}")
    return folder


def _predict(args: argparse.Namespace) -> int:
    labels = _read_labels(args.labels)
    k = min(5, len(labels)) if args.k is None else args.k
    if not 1 <= k <= len(labels):
        raise UsageError(f"--k must be between 1 and the {len(labels)} labels, got {k}.")
    from zeroshot.backbones import TimmFeatures
    from zeroshot.datasets import list_images
    from zeroshot.estimators import ConSEClassifier
    from zeroshot.label_embeddings import WordVectors

    paths = [path for place in args.images for path in list_images(place)]
    backbone = TimmFeatures(device=args.device).fit()
    model = ConSEClassifier(backbone.source_head_, WordVectors(), candidates=labels).fit()
    extracted = backbone.extract(paths)
    for error in extracted.errors.values():
        print(f"zeroshot: {error}", file=sys.stderr)
    answers = []
    if len(extracted.indices):
        names, scores = model.predict_top_k(extracted.features, k)
        answers = [
            {"path": paths[i], "labels": best.tolist(), "scores": [round(float(s), 6) for s in row]}
            for i, best, row in zip(extracted.indices, names, scores, strict=True)
        ]
    WRITERS[args.format](answers, sys.stdout)
    if extracted.errors:
        print(
            f"zeroshot: {len(extracted.errors)} of {len(paths)} images could not be read.",
            file=sys.stderr,
        )
    return 1 if extracted.errors else 0


def _read_labels(text: str) -> list[str]:
    """Return the labels of ``--labels``: the lines of a file, or what stands between commas."""
    if os.path.isfile(text):
        parts = Path(text).read_text(encoding="utf-8-sig").splitlines()
    else:
        parts = text.split(",")
    labels = [part.strip() for part in parts if part.strip()]
    if not labels:
        raise UsageError(f"--labels {text!r} names no label. Write --labels 'cat,dog'.")
    repeated = sorted({label for label in labels if labels.count(label) > 1})
    if repeated:
        raise UsageError(f"--labels names {', '.join(repeated)} more than once. Name each once.")
    return labels


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
    print(json.dumps(answers, indent=1, ensure_ascii=False), file=out)


WRITERS = {"table": _write_table, "csv": _write_csv, "json": _write_json}


def _show_warning(message: Warning | str, *args: Any, **kwargs: Any) -> None:
    print(f"zeroshot: warning: {message}", file=sys.stderr)


def _fail(error: Exception, *, code: int) -> int:
    print(f"zeroshot: {' '.join(str(error).split())}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
