"""Finished parts of a study, kept as small files, so that it can be cut short and go on."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from zeroshot._utils._files import atomic_file


def kept(
    folder: Path,
    part: str,
    parameters: Any,
    compute: Callable[[], Any],
    *,
    deadline: float = float("inf"),
) -> Any:
    """Return the figures of a part, computed unless they were before; None after the deadline.

    Parameters
    ----------
    folder : Path
        Of the files; it exists.
    part : str
        How the file's name begins.
    parameters : object
        What the figures depend on, as JSON or strings have it.
    compute : callable
        Gives the figures, as JSON knows them.
    deadline : float
        On the clock of ``time.monotonic``: nothing new is begun after it.
    """
    path = folder / f"{part.replace(' ', '_')}-{key(parameters)}.json"
    if not path.is_file():
        if time.monotonic() >= deadline:
            return None
        start = time.perf_counter()
        content = {"figures": compute(), "seconds": time.perf_counter() - start}
        with atomic_file(path) as file:
            file.write(json.dumps(content, indent=1).encode())
    return json.loads(path.read_text())["figures"]


def key(parameters: Any) -> str:
    """Return a short hash of parameters."""
    text = json.dumps(parameters, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:12]
