"""The two files of a saved model, ``config.json`` and ``arrays.safetensors``, and their checks.

`write_files` writes both. `_encode` creates their content from an estimator, and `_decode` restores
the estimator.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load as arrays_from_bytes
from safetensors.numpy import save as arrays_to_bytes

from zeroshot.exceptions import IntegrityError, Remedy, in_python

CONFIG, ARRAYS = "config.json", "arrays.safetensors"
FORMAT, FORMAT_VERSION = "scikit-zeroshot model", 1
MAX_CONFIG_BYTES = 64 * 2**20

_KEYS = {"format", "format_version", "versions", "arrays", "embeddings", "objects", "checksum"}
_LOAD = in_python("load: ")
_REMEDY = "Copy the folder again from where it was saved, or save the model again."
_WRITTEN = Remedy(
    "Pass the folder that zeroshot.save wrote.", option="Pass the folder that 'zeroshot fit' wrote."
)


def write_files(folder: Path, config: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
    """Write both files into an empty folder.

    Raises
    ------
    ValueError
        The configuration is larger than `load` would accept.
    """
    blob = arrays_to_bytes(arrays)
    config = {
        **config,
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "arrays": {"sha256": _sha256(blob), "n_bytes": len(blob)},
    }
    text = _canonical({**config, "checksum": _sha256(_canonical(config))})
    if len(text) > MAX_CONFIG_BYTES:
        raise ValueError(
            f"save: all that is not an array takes {len(text):,} bytes, above the limit of "
            f"{MAX_CONFIG_BYTES:,}. Pass long lists as numpy arrays."
        )
    (folder / ARRAYS).write_bytes(blob)
    (folder / CONFIG).write_bytes(text)


_ATTEMPTS = 20
"""So often a model may be replaced while it is read."""


def read_files(folder: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Read both files. Any change since they were written raises an error.

    If another model replaces this one during reading, it is read again.

    Raises
    ------
    FileNotFoundError, NotADirectoryError
        There is no such folder.
    IntegrityError
        A file is missing, altered, truncated, of another format, or not a regular file.
    """
    for _ in range(_ATTEMPTS - 1):
        with _was_replaced(folder) as was_replaced:
            try:
                return _read_both(folder)
            except (IntegrityError, OSError):
                if not was_replaced():
                    raise
    return _read_both(folder)


@contextmanager
def _was_replaced(folder: Path) -> Iterator[Callable[[], bool]]:
    """Yield a function that returns whether the name now belongs to a different folder.

    The folder is kept open, so that no other folder gets its inode number after it is removed.
    """
    if os.name != "posix" or not folder.is_dir():
        yield lambda: False
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        yield lambda: not (folder.exists() and os.path.samestat(os.fstat(handle), os.stat(folder)))
    finally:
        os.close(handle)


def _read_both(folder: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    if not folder.exists():
        raise FileNotFoundError(_LOAD + f"there is no folder {folder}. Check the path.")
    if not folder.is_dir():
        raise NotADirectoryError(_LOAD + f"{folder} is a file. " + _WRITTEN)
    config = _read_config(folder / CONFIG)
    path, said = folder / ARRAYS, config["arrays"]
    blob = _read(path, config["arrays"]["n_bytes"])
    if len(blob) != said["n_bytes"] or _sha256(blob) != said["sha256"]:
        raise IntegrityError(_LOAD + f"{path} is not the file that was saved. {_REMEDY}")
    try:
        return config, arrays_from_bytes(blob)
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        raise IntegrityError(_LOAD + f"{path} holds no arrays ({error}). {_REMEDY}") from error


def _read_config(path: Path) -> dict[str, Any]:
    text = _read(path, MAX_CONFIG_BYTES)
    try:
        config = json.loads(text)
    except (RecursionError, ValueError) as error:
        raise IntegrityError(_LOAD + f"{path} is no JSON ({error}). {_REMEDY}") from error
    if not isinstance(config, dict) or config.get("format") != FORMAT:
        raise IntegrityError(_LOAD + f"{path} does not describe a model. " + _WRITTEN)
    version = config.get("format_version")
    if type(version) is not int or version < FORMAT_VERSION:
        raise IntegrityError(_LOAD + f"{path} names no known format version. {_REMEDY}")
    if version > FORMAT_VERSION:
        raise IntegrityError(
            _LOAD + f"{path} is of format version {version}, and this package reads up to "
            f"{FORMAT_VERSION}. Upgrade it with: pip install --upgrade scikit-zeroshot"
        )
    if not _is_sound(config, text):
        raise IntegrityError(_LOAD + f"{path} is not as it was saved. {_REMEDY}")
    return config


def _is_sound(config: dict[str, Any], text: bytes) -> bool:
    """Return whether a configuration is exactly what `write_files` wrote, byte for byte."""
    content = {key: value for key, value in config.items() if key != "checksum"}
    try:
        same = _canonical(config) == text and config.get("checksum") == _sha256(_canonical(content))
    except (RecursionError, ValueError):
        return False
    said = config.get("arrays")
    return (
        same
        and set(config) == _KEYS
        and isinstance(said, dict)
        and [(key, type(value)) for key, value in said.items()]
        == [("n_bytes", int), ("sha256", str)]
        and isinstance(config["embeddings"], list)
        and isinstance(config["objects"], list)
    )


def _read(path: Path, limit: int) -> bytes:
    try:
        status = os.lstat(path)
    except FileNotFoundError as error:
        raise IntegrityError(_LOAD + f"there is no {path}. {_REMEDY}") from error
    if not stat.S_ISREG(status.st_mode):
        raise IntegrityError(
            _LOAD + f"{path} is a link, or no file: a model's files lie in its folder. {_REMEDY}"
        )
    if status.st_size > limit:
        raise IntegrityError(
            _LOAD + f"{path} has {status.st_size:,} bytes, expected at most {limit:,}. {_REMEDY}"
        )
    return path.read_bytes()


def _canonical(content: dict[str, Any]) -> bytes:
    """Return the canonical text of a configuration."""
    return json.dumps(content, indent=1, sort_keys=True, allow_nan=False).encode("ascii") + b"\n"


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
