"""The two files of a saved model, ``config.json`` and ``arrays.safetensors``, and their checks.

`write_files` writes both. `_encode` creates their content from an estimator, and `_decode` restores
the estimator.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from safetensors.numpy import save as arrays_to_bytes

from zeroshot._utils._strict_json import parse_json
from zeroshot.exceptions import IntegrityError, ModelFormatError, Remedy, in_python
from zeroshot.persistence._tensors import parse_tensors

CONFIG, ARRAYS = "config.json", "arrays.safetensors"
FORMAT, FORMAT_VERSION = "scikit-zeroshot model", 2
MAX_CONFIG_BYTES = 64 * 2**20
MAX_BYTES = 8 * 2**30
"""How large both files together may be, unless `load` is told otherwise."""

_KEYS = {"format", "format_version", "versions", "arrays", "embeddings", "objects", "checksum"}
_CHECKSUM = re.compile(rb',\n "checksum": "([0-9a-f]{64})"\n\}\n\Z')
_LOAD = in_python("load: ")
_REMEDY = "Copy the folder again from where it was saved, or save the model again."
_WRITTEN = Remedy(
    "Pass the folder that zeroshot.save wrote.", option="Pass the folder that 'zeroshot fit' wrote."
)


class Files(NamedTuple):
    """Content of the two files.

    Parameters
    ----------
    config : dict of str to object
        Content of ``config.json``.
    arrays : dict of str to ndarray
        Arrays by name, read-only.
    """

    config: dict[str, Any]
    arrays: dict[str, np.ndarray]


def write_files(folder: Path, config: dict[str, Any], arrays: dict[str, np.ndarray]) -> str:
    """Write both files into an empty folder, and return the hash that pins them.

    Returns
    -------
    sha256 : str
        SHA-256 of ``config.json``, which holds that of ``arrays.safetensors``.

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
    text = _with_checksum(_canonical(config))
    if len(text) > MAX_CONFIG_BYTES:
        raise ValueError(
            f"save: all that is not an array takes {len(text):,} bytes, above the limit of "
            f"{MAX_CONFIG_BYTES:,}. Pass long lists as numpy arrays."
        )
    (folder / ARRAYS).write_bytes(blob)
    (folder / CONFIG).write_bytes(text)
    return _sha256(text)


_ATTEMPTS = 20
"""So often a model may be replaced while it is read."""


def read_files(folder: Path, *, max_bytes: int = MAX_BYTES, sha256: str | None = None) -> Files:
    """Read both files. Any change since they were written raises an error.

    If another model replaces this one during reading, it is read again.

    Parameters
    ----------
    folder : Path
        Folder of the model.
    max_bytes : int
        How large both files together may be.
    sha256 : str, optional
        What `write_files` returned.

    Raises
    ------
    FileNotFoundError, NotADirectoryError
        There is no such folder.
    IntegrityError
        A file is missing, altered, truncated, too large, of another format, or not a regular file.
    """
    for _ in range(_ATTEMPTS - 1):
        with _was_replaced(folder) as was_replaced:
            try:
                return _read_both(folder, max_bytes, sha256)
            except (IntegrityError, OSError):
                if not was_replaced():
                    raise
    return _read_both(folder, max_bytes, sha256)


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


def _read_both(folder: Path, max_bytes: int, sha256: str | None) -> Files:
    if not folder.exists():
        raise FileNotFoundError(_LOAD + f"there is no folder {folder}. Check the path.")
    if not folder.is_dir():
        raise NotADirectoryError(_LOAD + f"{folder} is a file. " + _WRITTEN)
    text = _read(folder / CONFIG, min(MAX_CONFIG_BYTES, max_bytes))
    if sha256 is not None and _sha256(text) != sha256.lower():
        raise IntegrityError(
            _LOAD + f"{folder} is not the model of sha256={sha256}: its own is {_sha256(text)}. "
            "Get the model again from who gave you the hash."
        )
    config = _parsed(folder / CONFIG, text)
    path, said = folder / ARRAYS, config["arrays"]
    if len(text) + said["n_bytes"] > max_bytes:
        raise IntegrityError(
            _LOAD + f"{folder} has {len(text) + said['n_bytes']:,} bytes, and the limit is "
            f"{max_bytes:,}. Pass a larger max_bytes to zeroshot.load."
        )
    blob = _read(path, said["n_bytes"])
    if len(blob) != said["n_bytes"] or _sha256(blob) != said["sha256"]:
        raise IntegrityError(_LOAD + f"{path} is not the file that was saved. {_REMEDY}")
    try:
        return Files(config, parse_tensors(blob))
    except ValueError as error:
        raise ModelFormatError(_LOAD + f"{path} holds no arrays ({error}). {_REMEDY}") from error


def _parsed(path: Path, text: bytes) -> dict[str, Any]:
    """Return the content of ``config.json``, after checking everything but its objects."""
    try:
        config = parse_json(text)
    except ValueError as error:
        raise IntegrityError(_LOAD + f"{path} is no JSON ({error}). {_REMEDY}") from error
    if not isinstance(config, dict) or config.get("format") != FORMAT:
        raise IntegrityError(_LOAD + f"{path} does not describe a model. " + _WRITTEN)
    version = config.get("format_version")
    if type(version) is not int or version < 1:
        raise IntegrityError(_LOAD + f"{path} names no known format version. {_REMEDY}")
    if version > FORMAT_VERSION:
        raise IntegrityError(
            _LOAD + f"{path} is of format version {version}, and this package reads up to "
            f"{FORMAT_VERSION}. Upgrade it with: pip install --upgrade scikit-zeroshot"
        )
    is_as_written = _is_as_written if version > 1 else _is_as_written_before
    if not is_as_written(config, text) or not _is_complete(config):
        raise IntegrityError(_LOAD + f"{path} is not as it was saved. {_REMEDY}")
    return config


def _with_checksum(text: bytes) -> bytes:
    """Return the text of a JSON object with one more entry, the hash of the text before."""
    return text.removesuffix(b"\n}\n") + b',\n "checksum": "%s"\n}\n' % _sha256(text).encode()


def _is_as_written(config: dict[str, Any], text: bytes) -> bool:
    """Return whether a text is what `_with_checksum` returned."""
    found = _CHECKSUM.search(text)
    return found is not None and _sha256(text[: found.start()] + b"\n}\n") == found[1].decode()


def _is_as_written_before(config: dict[str, Any], text: bytes) -> bool:
    """Do the same for format 1, whose checksum was an entry among the others."""
    content = {key: value for key, value in config.items() if key != "checksum"}
    try:
        same = _canonical(config) == text
        return same and config.get("checksum") == _sha256(_canonical(content))
    except (RecursionError, ValueError):
        return False


def _is_complete(config: dict[str, Any]) -> bool:
    said, versions = config.get("arrays"), config.get("versions")
    return (
        set(config) == _KEYS
        and isinstance(said, dict)
        and {key: type(value) for key, value in said.items()} == {"n_bytes": int, "sha256": str}
        and isinstance(versions, dict)
        and all(type(version) is str for version in versions.values())
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
