"""The group of all commands, exit codes, and errors in one line."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from typing import Any

import click

import zeroshot

PROGRAM = "zeroshot"
COMPLETION = "_ZEROSHOT_COMPLETE"  # which shell asks for completions, and for what
COMMANDS = {
    "demo": "run the main job on bundled data",
    "fit": "learn from a folder of images, and save the model",
    "evaluate": "judge a saved model on a folder of images",
    "predict": "name images from your labels",
    "embed": "write features of images or vectors of labels",
    "plan": "estimate what many images will need",
    "export": "write a saved model as an ONNX file",
    "similar": "find the classes that labels are most like",
    "labels": "show how class names are read",
    "models": "list networks, and whose weights are here",
    "datasets": "list data sets, and how to get them",
    "doctor": "check the installation, and say what is missing",
}
"""Name to what the command does; the module and the command in it have the same name."""

EXIT_CODES = """exit codes: 0 done; 1 something failed, in one line on stderr; 2 the command line is
wrong; 130 interrupted, nothing half done left behind. 'zeroshot COMMAND --help' shows examples.
"""


class Commands(click.Group):
    """Commands whose modules are imported only when they run."""

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the module of a command."""
        if cmd_name not in COMMANDS:
            return None
        command = getattr(import_module(f"zeroshot.cli._{cmd_name}"), cmd_name)
        command.short_help = COMMANDS[cmd_name]
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List all commands without importing their modules."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


_unloaded: Any = dict.fromkeys(COMMANDS)  # the names alone: for the list, and for near ones
commands = click.version_option(zeroshot.__version__, message="zeroshot %(version)s")(
    Commands(
        commands=_unloaded,
        help="Zero-shot image classification.",
        epilog=EXIT_CODES,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    )
)


def run(argv: list[str]) -> int:
    """Run a command line; return its exit code."""
    from zeroshot.cli._terminal import JSON_ERRORS, messages_as_json

    with messages_as_json(JSON_ERRORS in argv):
        return _run_to_the_end(argv)


def _run_to_the_end(argv: list[str]) -> int:
    """Run a command line, and write all of its output or say why not."""
    code = 0
    try:
        code = _run(argv)
        sys.stdout.flush()  # a closed pipe or a full disk shows here, not at the interpreter's end
        return code
    except BrokenPipeError:
        _discard_stdout()
        return 0
    except OSError as error:
        if "--debug" in argv:
            raise
        _discard_stdout()
        if code:  # the command has said it
            return code
        from zeroshot.cli._terminal import fail

        told = f"standard output cannot be written: {error.strerror}"
        return fail(told, code=1, kind="OSError")


def _run(argv: list[str]) -> int:
    if instruction := os.environ.get(COMPLETION):
        from click.shell_completion import shell_complete

        return shell_complete(commands, {}, PROGRAM, COMPLETION, instruction)
    if hasattr(sys.stdout, "reconfigure"):  # no answer is lost to a terminal of few letters
        sys.stdout.reconfigure(errors="backslashreplace")
    try:  # not commands.main(): that ends a line on stderr after Ctrl-C, and exits
        with commands.make_context(PROGRAM, list(argv), obj=argv) as context:
            return commands.invoke(context)
    except click.exceptions.Exit as stop:  # after --help and --version
        return stop.exit_code
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return error.exit_code
    except click.UsageError as error:
        from zeroshot.cli._terminal import fail

        where = f" See '{error.ctx.command_path} --help'." if error.ctx else ""
        return fail(error.format_message() + where, code=error.exit_code, kind="UsageError")


def _discard_stdout() -> None:
    """Send the remaining output to the null device, so that the interpreter exits silently."""
    try:
        target = sys.stdout.fileno()
    except (AttributeError, OSError, ValueError):
        return  # no file: nothing is written when the interpreter ends
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, target)
    os.close(nowhere)
