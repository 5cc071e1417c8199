"""Provenance records: when and from what an output was made."""

from __future__ import annotations

import json
import math
import platform
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
