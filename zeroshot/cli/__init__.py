"""The command line: ``zeroshot fit``, ``evaluate``, ``predict``, ``embed``, ``similar`` and more.

One module a command, each with `add_parser` and a function that runs it. What is heavy is imported
inside the latter, so that ``zeroshot --help`` loads neither torch nor scikit-learn.
"""

from __future__ import annotations

from zeroshot.cli._main import main

__all__ = ["main"]
