"""Imports of optional packages, with an error that says how to install them."""

from __future__ import annotations

import importlib
from types import ModuleType

from zeroshot.exceptions import MissingDependencyError


def import_optional(module: str, *, owner: str, extra: str) -> ModuleType:
    """Import `module`, or say who needs it and what installs it.

    Parameters
    ----------
    module : str
        Dotted name of the module.
    owner : str
        Who needs it, for the message.
    extra : str
        The extra of this distribution that brings it.

    Raises
    ------
    MissingDependencyError
        The package is not installed.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != module.partition(".")[0]:
            raise  # the package is there, and something that it needs itself is not
        raise MissingDependencyError(
            f"{owner} needs the package {module.partition('.')[0]!r}, which is not installed. "
            f"Install it with: pip install 'scikit-zeroshot[{extra}]'"
        ) from error
