"""Cache for the checks of networks' weights, so that only the first start runs them."""

from __future__ import annotations

import hashlib
import json
import sys
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from zeroshot._utils._files import atomic_file, cache_home
from zeroshot._utils._strict_json import parse_json

FORMAT = 1  # increase this number with every change of the checks
_VERSIONED = {"torch", "timm", "open_clip", "zeroshot"}


@dataclass(frozen=True)
class Checked:
    """Results of a network's check.

    Attributes
    ----------
    width : int
        Number of features of the network.
    linear : bool
        Whether its classifier is one linear map of the features.
    fusible : bool
        Whether folding batch normalisation leaves the features unchanged.
    """

    width: int
    linear: bool
    fusible: bool


def key_of(module: torch.nn.Module, digest: str, builder: str, **options: Any) -> str | None:
    """Return a key for the results of a check: a SHA-256 of everything that they depend on.

    Parameters
    ----------
    module : torch.nn.Module
        The network as it was created.
    digest : str
        SHA-256 of its weights.
    builder : str
        Name of the Python module that built it.
    **options : object
        Everything else that the check depends on, such as the size of the images.

    Returns
    -------
    key : str or None
        None if a layer or the builder comes from a package whose version does not identify its
        code. A user's own code may change between two starts, so it is checked at each start.
    """
    names = [builder, *(type(layer).__module__ for layer in module.modules())]
    packages = {"torch", "timm", *(name.partition(".")[0] for name in names)}
    if not packages <= _VERSIONED:
        return None
    parts = {
        "format": FORMAT,
        "weights": digest,
        "layers": repr(module),
        "versions": {name: str(sys.modules[name].__version__) for name in sorted(packages)},
        "options": {name: repr(value) for name, value in options.items()},
    }
    return _sha256(parts)


def recall(key: str) -> Checked | None:
    """Return the results that are stored under a key; None if they are missing or damaged."""
    try:
        kept = parse_json(_file(key).read_text(encoding="utf-8"))
        checked = Checked(**kept["checked"])
    except (OSError, ValueError, TypeError, KeyError):
        return None
    return checked if kept.get("sha256") == _sha256([key, asdict(checked)]) else None


def remember(key: str, checked: Checked) -> None:
    """Store results under a key, if the cache folder is writable."""
    kept = {"checked": asdict(checked), "sha256": _sha256([key, asdict(checked)])}
    file = _file(key)
    with suppress(OSError):  # the next start checks again, which costs half a second
        file.parent.mkdir(parents=True, exist_ok=True)
        with atomic_file(file) as new:
            new.write(json.dumps(kept).encode())


def _file(key: str) -> Path:
    return cache_home() / "networks" / f"{key}.json"


def _sha256(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
