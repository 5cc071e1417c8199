"""Progress bars, on standard error or as a notebook widget."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

from tqdm.auto import tqdm

_DISABLED = "TQDM_DISABLE"  # any value except 0 hides progress bars
_DELAY = 3.0  # seconds of work after which a bar appears


def progress_bar(
    items: Iterable | None = None, *, progress: bool | str, unit: str, **options: Any
) -> Any:
    """Return a tqdm progress bar, over `items` if they are given.

    Parameters
    ----------
    items : iterable, optional
        Items to iterate over.
    progress : bool or "auto"
        "auto" shows it once the work has taken some seconds. ``TQDM_DISABLE=1`` in the
        environment shows none.
    unit : str
        Unit of the count.
    **options : object
        Others of tqdm, such as ``total`` and ``desc``.
    """
    disable = progress is False or os.environ.get(_DISABLED, "0") not in ("", "0")
    delay = _DELAY if progress == "auto" else 0
    return tqdm(items, unit=unit, disable=disable, delay=delay, **options)
