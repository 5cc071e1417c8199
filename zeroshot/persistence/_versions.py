"""Versions of the libraries whose code a saved model depends on."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import sklearn

from zeroshot._utils._validation import warn_caller
from zeroshot._version import __version__
from zeroshot.exceptions import VersionWarning
from zeroshot.persistence._saved_names import SCIKIT_LEARN

_OWN = "scikit-zeroshot"
_IMPORTED = {"numpy": np.__version__, "scikit-learn": sklearn.__version__, _OWN: __version__}


def versions_of(parts: Iterable[Any]) -> dict[str, str]:
    """Return the versions to record in a model.

    Parameters
    ----------
    parts : iterable of object
        The objects in the model.

    Returns
    -------
    versions : dict of str to str
        Version of each distribution: this package, numpy, scikit-learn, and timm if a network of
        the model is built by it.
    """
    return {name: _installed(name) for name in sorted({*_IMPORTED, *_depends_on(parts)})}


def warn_of_versions(recorded: dict[str, str], parts: Iterable[Any], folder: Path) -> None:
    """Warn where a model may answer otherwise because of the version of a library.

    scikit-learn and timm count if the model has estimators or networks of theirs: there, a release
    may read the same numbers otherwise. Another patch of the same release does not. This package
    reads the models of its earlier versions, so only a later one counts. numpy only holds the
    numbers.

    Parameters
    ----------
    recorded : dict of str to str
        From the file.
    parts : iterable of object
        The objects in the model.
    folder : Path
        Where it was found, for the message.

    Warns
    -----
    VersionWarning
        There is such a library. The message gives both versions.
    """
    if _OWN in recorded and _release(recorded[_OWN]) > _release(__version__):
        _warn(folder, _OWN, recorded[_OWN], __version__)
    for name in sorted(_depends_on(parts)):
        here = _installed(name)
        if name in recorded and _release(recorded[name]) != _release(here):
            _warn(folder, name, recorded[name], here)


def _installed(name: str) -> str:
    """Return the version of a distribution; empty if it is not installed."""
    try:
        return _IMPORTED.get(name) or version(name)
    except PackageNotFoundError:
        return ""


def _warn(folder: Path, name: str, there: str, here: str) -> None:
    warn_caller(
        f"The model in {folder} was saved with {name} {there}, and this is {name} {here}: it may "
        f"answer otherwise. Compare some answers, or install {name}=={there}.",
        VersionWarning,
    )


def _depends_on(parts: Iterable[Any]) -> set[str]:
    """Return the libraries whose code computes the answers of a model."""
    found = set()
    for part in parts:
        if type(part).__name__ in SCIKIT_LEARN and type(part).__module__.startswith("sklearn."):
            found.add("scikit-learn")
        if str(getattr(part, "network", "")).startswith("timm:"):
            found.add("timm")
    return found


def _release(text: str) -> tuple[int, ...]:
    """Return the first two numbers of a version; none for what is not one."""
    numbers = [part for part in text.split(".")[:2] if part.isdecimal() and len(part) < 9]
    return tuple(map(int, numbers))
