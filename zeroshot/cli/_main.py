"""The parser of all commands, and the way out of each: exit codes, one line an error."""

from __future__ import annotations

import argparse
import os
import sys
import warnings

import zeroshot
from zeroshot.cli import (
    _datasets,
    _demo,
    _embed,
    _evaluate,
    _fit,
    _models,
    _predict,
    _similar,
)
from zeroshot.cli._terminal import UsageError, fail, warnings_shown_once
from zeroshot.exceptions import ZeroShotError, in_options

COMMANDS = (_demo, _fit, _evaluate, _predict, _embed, _similar, _models, _datasets)

EXIT_CODES = """exit codes: 0 done; 1 something failed, in one line on stderr; 2 the command line is
wrong; 130 interrupted, nothing half done left behind. 'zeroshot COMMAND --help' shows examples.
"""


def run(argv: list[str]) -> int:
    """Run a command line; return its exit code."""
    try:
        code = _run(argv)
        sys.stdout.flush()  # a closed pipe shows here, not when the interpreter ends
        return code
    except BrokenPipeError:
        _discard_stdout()
        return 0


def _run(argv: list[str]) -> int:
    try:
        args = _parser().parse_args(argv)
    except SystemExit as stop:  # argparse's own way out, after help or a wrong argument
        return int(stop.code or 0)
    args.argv = argv
    if hasattr(sys.stdout, "reconfigure"):  # no answer is lost to a terminal of few letters
        sys.stdout.reconfigure(errors="backslashreplace")
    with warnings.catch_warnings():
        warnings.showwarning = warnings_shown_once()
        try:
            return args.run(args)
        except UsageError as error:
            return fail(error, code=2)
        except BrokenPipeError:
            raise
        except Exception as error:
            if args.debug:
                raise
            if isinstance(error, (ZeroShotError, OSError, ValueError)):
                return fail(error, code=1)
            name = type(error).__name__
            return fail(f"{name}: {in_options(error)} (--debug shows where it happened)", code=1)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="zeroshot",
        description="Zero-shot image classification.",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"zeroshot {zeroshot.__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in COMMANDS:
        command.add_parser(commands)
    return parser


def _discard_stdout() -> None:
    """Let what is still to be written go nowhere, so that the interpreter ends without a word."""
    try:
        target = sys.stdout.fileno()
    except (AttributeError, OSError, ValueError):
        return  # no file: nothing is written when the interpreter ends
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, target)
    os.close(nowhere)
