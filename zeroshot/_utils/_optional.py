"""Imports of optional packages, with an error that says how to install them."""

from __future__ import annotations

import importlib
from types import ModuleType

from zeroshot.exceptions import MissingDependencyError


def import_optional(module: str, *, owner: str, extra: str) -> ModuleType:
    """Import `module`, or raise an error that says who needs it and how to install it.

    Parameters
    ----------
    module : str
        Dotted name of the module.
    owner : str
        Name of the caller, for the message.
    extra : str
        Extra of this distribution that installs it.

    Raises
    ------
    MissingDependencyError
        The package is not installed.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != module.partition(".")[0]:
            raise  # the package is installed, but one of its own dependencies is not
        raise MissingDependencyError(
            f"{owner} needs the package {module.partition('.')[0]!r}, which is not installed. "
            f"Install it with: pip install 'scikit-zeroshot[{extra}]'"
        ) from error
