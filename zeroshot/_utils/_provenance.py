"""Provenance records: when and from what an output was made."""

from __future__ import annotations

import json
import math
import os
import platform
import re
import shlex
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from zeroshot._version import __version__

RECORD = "provenance.json"
PACKAGES = ("torch", "timm", "numpy", "scipy", "scikit-learn", "pillow", "gensim", "safetensors")


def made_now() -> dict[str, Any]:
    """Return ``date``, ``versions`` of what is installed, and ``platform``.

    Examples
    --------
    >>> from zeroshot._utils._provenance import made_now
    >>> sorted(made_now())
    ['date', 'platform', 'versions']
    """
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": _versions(),
        "platform": platform.platform(),
    }


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version(), "scikit-zeroshot": __version__}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def as_json(value: Any) -> str:
    r"""Return a value as JSON in ASCII. Numbers that are not finite become null.

    Examples
    --------
    >>> from zeroshot._utils._provenance import as_json
    >>> as_json([1.5, float("nan")])
    '[\n 1.5,\n null\n]\n'
    """
    return json.dumps(_finite(value), indent=1, allow_nan=False) + "\n"


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def relative_paths(record: Any, folder: str | os.PathLike) -> Any:
    """Return a record whose absolute paths are relative to the folder that it lies in.

    Records are passed on, with a report or a model: where files are on the machine that made them
    is of no use there, and tells names of people and projects. Paths are recognised as whole
    entries, as keys, as arguments of the command, and in quotes.

    Parameters
    ----------
    record : dict, list, str or other value that is JSON-able
        The record.
    folder : path
        Where it will lie.

    Examples
    --------
    >>> from zeroshot._utils._provenance import relative_paths
    >>> relative_paths({"source": "/data/photos", "error": "/data/photos/a.jpg is cut"}, "/data/r")
    {'source': '../photos', 'error': '../photos/a.jpg is cut'}
    """
    here = os.path.abspath(folder)
    known = {path: _relative(path, here) for text in _texts(record) for path in _paths_in(text)}
    if not known:
        return record
    longest_first = sorted(known, key=len, reverse=True)
    pattern = re.compile(f"(?:{'|'.join(map(re.escape, longest_first))})(?![\\w-])")

    def shown(value: Any) -> Any:
        if isinstance(value, str):
            return pattern.sub(lambda match: known[match[0]], value)
        if isinstance(value, dict):
            return {shown(key): shown(item) for key, item in value.items()}
        return [shown(item) for item in value] if isinstance(value, (list, tuple)) else value

    return shown(record)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _texts(key)
            yield from _texts(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _texts(item)


def _paths_in(text: str) -> Iterator[str]:
    """Yield the absolute paths that a text is, or names; those of a command may be relative."""
    parts = [text, *re.findall("'([^']+)'", text)]
    if text.startswith("zeroshot "):
        words = [word.rpartition("=")[2] for word in shlex.split(text)]
        parts += words + [os.path.abspath(word) for word in words if os.path.exists(word)]
    for part in parts:
        if os.path.isabs(part) and os.path.dirname(part) != part and "\n" not in part:
            yield part


def _relative(path: str, folder: str) -> str:
    try:
        return os.path.relpath(path, folder)
    except ValueError:  # on another drive
        return os.path.basename(path)
