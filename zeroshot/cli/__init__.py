"""The command line: ``zeroshot fit``, ``evaluate``, ``predict``, ``embed``, ``similar`` and more.

There is one module per command, with the name of the command. It contains the function that runs
the command, with click's decorators for its options. The table `COMMANDS` of ``_main.py`` lists all
commands. A module is imported when its command is run, and heavy packages are imported inside the
function. ``zeroshot --help`` therefore imports no command module, and ``zeroshot fit --help`` does
not import torch or scikit-learn.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from zeroshot._utils._threads import wait_passively

INTERRUPTED = 130  # exit code of shells after Ctrl-C

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    argv : sequence of str, optional
        The arguments; if None those of the process, whose threads then wait without spinning
        unless the environment says how they wait.

    Returns
    -------
    code : int
        0 after success or if the reader of the output closed it, 1 after a failure, 2 if the
        arguments are wrong, 130 after Ctrl-C.

    Examples
    --------
    >>> from zeroshot.cli import main
    >>> main(["predict", "--labels", "cat", "no-such-file.jpg"])
    1
    """
    try:
        if argv is None:  # the package is the program
            wait_passively()
        _open_closed_streams()
        from zeroshot.cli._main import run  # here: Ctrl-C is heeded while modules are loaded too

        return run(sys.argv[1:] if argv is None else list(argv))
    except KeyboardInterrupt:
        from zeroshot.cli._terminal import JSON_ERRORS, fail, messages_as_json

        with messages_as_json(JSON_ERRORS in (sys.argv if argv is None else argv)):
            return fail("interrupted", code=INTERRUPTED, kind="KeyboardInterrupt")


def _open_closed_streams() -> None:
    """Put the null device in place of streams that the shell has closed: Python has None there."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))
