"""MATLAB files: variables by name and kind, within a memory limit."""

from __future__ import annotations

import math
import os
import struct
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO

import numpy as np
from scipy.io import loadmat, whosmat

from zeroshot.exceptions import IntegrityError

NUMBERS = frozenset(
    ("double", "single", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64")
)
TEXTS = frozenset(("cell", "char"))
LARGEST = float(np.finfo(np.float32).max)
HEADER_BYTES = 128
HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"


def read_mat(
    file: BinaryIO,
    wanted: Mapping[str, frozenset[str]],
    *,
    name: str,
    remedy: str,
    max_bytes: int,
) -> dict[str, np.ndarray]:
    """Return the variables `wanted` of a MATLAB file of version 4 to 7.

    The headers of the variables are checked before any variable is read. Other variables are never
    read, because MATLAB files can also contain objects and functions.

    Parameters
    ----------
    file : binary file, seekable
        The MATLAB file.
    wanted : mapping of str to frozenset of str
        Allowed MATLAB classes of each variable: `NUMBERS` or `TEXTS`.
    name, remedy : str
        Name of the file, and a sentence on what to do, for the messages.
    max_bytes : int
        Maximum size of the wanted variables, at eight bytes per number.

    Returns
    -------
    dict of str to ndarray
        Numbers in their own dtype and shape, finite also as float32; texts as a 1-D array of str.

    Raises
    ------
    IntegrityError
        The file is truncated or altered, of version 7.3 (which is HDF5), lacks a variable, or has
        one twice, of another kind, too large, or with numbers that are not finite.
    """
    try:
        header = file.read(HEADER_BYTES)
        _check_version(header)
        _check_whole(file, header)
        _check_variables(_attempt(whosmat, file), wanted, max_bytes)
        found = _attempt(loadmat, file, variable_names=list(wanted))
        return {
            key: _texts(found[key], key) if kinds is TEXTS else _numbers(found[key], key)
            for key, kinds in wanted.items()
        }
    except _Refused as error:
        raise IntegrityError(f"{name} {error}. {remedy}") from error


class _Refused(Exception):
    """The reason why a file is not used."""


def _check_version(header: bytes) -> None:
    is_hdf5 = header.startswith(HDF5_SIGNATURE) or header[-4:] in (b"\x00\x02IM", b"\x02\x00MI")
    if is_hdf5:
        raise _Refused(
            "is a MATLAB 7.3 (HDF5) file, which is not read here. The published files are of "
            "version 5; save it again in MATLAB with save(..., '-v7')"
        )


def _check_whole(file: BinaryIO, header: bytes) -> None:
    """Refuse a file of version 5 that ends before the end of its last variable."""
    size = file.seek(0, os.SEEK_END)
    byte_order = {b"IM": "<", b"MI": ">"}.get(header[-2:])
    end = HEADER_BYTES
    while byte_order and end < size:
        file.seek(end)
        tag = file.read(8)
        end += 8 + (struct.unpack(f"{byte_order}II", tag)[1] if len(tag) == 8 else 0)
    if byte_order and end > size:
        raise _Refused(f"is truncated: it ends after {size:,} of at least {end:,} bytes")


def _attempt(function: Callable[..., Any], file: BinaryIO, **options: Any) -> Any:
    """Let SciPy read the file from its beginning."""
    file.seek(0)
    try:
        return function(file, appendmat=False, **options)
    except MemoryError:  # an intact file may be too large for this machine
        raise
    except Exception as error:  # broken files raise almost any error, always for the same reason
        raise _Refused(f"cannot be read ({type(error).__name__}: {error})") from error


def _check_variables(
    variables: list[tuple[str, tuple[int, ...], str]],
    wanted: Mapping[str, frozenset[str]],
    max_bytes: int,
) -> None:
    names = [name for name, _, _ in variables]
    missing = [name for name in wanted if name not in names]
    if missing:
        raise _Refused(
            f"lacks {', '.join(map(repr, missing))}; it holds {', '.join(map(repr, names)) or '-'}"
        )
    n_bytes = 0
    for name, shape, kind in variables:
        if name not in wanted:
            continue
        if names.count(name) > 1:
            raise _Refused(f"holds {name!r} twice")
        if kind not in wanted[name]:
            expected = "texts" if wanted[name] is TEXTS else "real numbers"
            raise _Refused(f"holds {name!r} as MATLAB class {kind!r}, where {expected} belong")
        n_bytes += 8 * math.prod(shape)
    if n_bytes > max_bytes:
        raise _Refused(f"holds variables of {n_bytes:,} bytes, more than the {max_bytes:,} allowed")


def _numbers(values: Any, name: str) -> np.ndarray:
    if not isinstance(values, np.ndarray) or values.dtype.kind not in "iuf":
        raise _Refused(f"holds {name!r} as {getattr(values, 'dtype', type(values))}")
    # NaN fails every comparison. This avoids a Boolean array: features take half a gigabyte.
    if values.size and not (-LARGEST <= values.min() and values.max() <= LARGEST):
        raise _Refused(f"holds NaN, infinity or numbers beyond float32 in {name!r}")
    return values


def _texts(cells: np.ndarray, name: str) -> np.ndarray:
    """Return a column of texts as a 1-D array; SciPy reads MATLAB cells as nested arrays."""
    texts = [np.asarray(cell).ravel() for cell in cells.ravel()]
    if not all(text.dtype.kind == "U" and text.size == 1 for text in texts):
        raise _Refused(f"holds something else than one text a cell in {name!r}")
    return np.array([text[0].strip() for text in texts], dtype=np.str_)
