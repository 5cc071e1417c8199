"""The command line: ``zeroshot fit``, ``evaluate``, ``predict``, ``embed``, ``similar`` and more.

One module per command, which has the module's name: the function that runs it, under click's
decorators for its options. The table `COMMANDS` of ``_main.py`` lists all commands. A module is
imported when its command is run, and what is heavy inside the function: ``zeroshot --help`` loads
neither, and ``zeroshot fit --help`` neither torch nor scikit-learn.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from zeroshot._utils._threads import wait_passively

INTERRUPTED = 130  # what shells give a process that Ctrl-C ended

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
        0 if all went well or whoever read the output closed it, 1 if something failed, 2 if the
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
        from zeroshot.cli._terminal import fail

        return fail("interrupted", code=INTERRUPTED)


def _open_closed_streams() -> None:
    """Put the null device in place of streams that the shell has closed: Python has None there."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))
