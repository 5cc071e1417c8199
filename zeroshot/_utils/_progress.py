"""Progress bars, on standard error or as a notebook widget."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

from tqdm.auto import tqdm

_DISABLED = "TQDM_DISABLE"  # set to anything but 0, and no bar is shown
_DELAY = 3.0  # seconds of work after which a bar is worth its line


def progress_bar(
    items: Iterable | None = None, *, progress: bool | str, unit: str, **options: Any
) -> Any:
    """Return a bar of tqdm, over `items` if there are any.

    Parameters
    ----------
    items : iterable, optional
        What to go through.
    progress : bool or "auto"
        "auto" shows it once the work has taken some seconds. ``TQDM_DISABLE=1`` in the
        environment shows none.
    unit : str
        What is counted.
    **options : object
        Others of tqdm, such as ``total`` and ``desc``.
    """
    disable = progress is False or os.environ.get(_DISABLED, "0") not in ("", "0")
    delay = _DELAY if progress == "auto" else 0
    return tqdm(items, unit=unit, disable=disable, delay=delay, **options)
