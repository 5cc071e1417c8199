"""MATLAB files: variables by name and kind, within a memory limit.

SciPy reads numbers. Cells are read here: SciPy follows what is nested in them, and a file of cells
nested thousands of times ends the process.
"""

from __future__ import annotations

import math
import os
import struct
import zlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from zeroshot.exceptions import IntegrityError

NUMBERS = frozenset(
    ("double", "single", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64")
)
TEXTS = frozenset(("cell", "char"))
LARGEST = float(np.finfo(np.float32).max)
HEADER_BYTES = 128
HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"
MAX_VARIABLES = 1_000
MAX_CELL_BYTES = 10_000_000
# Numbers are compressed to a quarter at most. So a small file that declares much is refused.
MAX_RATIO = 20
SMALL_BYTES = 10_000_000
MATRIX, COMPRESSED = 14, 15  # types of elements in a file of version 5
CHAR_CLASS = 4
CODECS = {1: "utf-8", 2: "utf-8", 4: "utf-16", 16: "utf-8", 17: "utf-16"}  # by type of the element


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
    from scipy.io import loadmat, whosmat

    try:
        header = file.read(HEADER_BYTES)
        _check_version(header)
        elements = _elements(file, header)
        size = file.seek(0, os.SEEK_END)
        max_bytes = min(max_bytes, MAX_RATIO * size + SMALL_BYTES)
        variables = _attempt(whosmat, file)
        kinds = _check_variables(variables, wanted, max_bytes)
        numbers = [key for key in wanted if kinds[key] != "cell"]
        found = _attempt(loadmat, file, variable_names=numbers)
        for key in set(kinds) - set(numbers):
            place = [name for name, _, _ in variables].index(key)
            found[key] = np.array(_cell_texts(file, elements[place], key), dtype=np.str_)
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


class _Element(NamedTuple):
    """Where a variable of a file of version 5 is."""

    begin: int
    size: int
    byte_order: str
    is_compressed: bool


def _elements(file: BinaryIO, header: bytes) -> list[_Element]:
    """Return the places of the variables; refuse a file that ends before the end of the last."""
    size = file.seek(0, os.SEEK_END)
    byte_order = {b"IM": "<", b"MI": ">"}.get(header[-2:])
    end, found = HEADER_BYTES, []
    while byte_order and end < size:
        file.seek(end)
        tag = file.read(8)
        end += 8
        if len(tag) == 8:
            kind, n_bytes = struct.unpack(f"{byte_order}II", tag)
            found.append(_Element(end, n_bytes, byte_order, kind == COMPRESSED))
            end += n_bytes
        if len(found) > MAX_VARIABLES:
            raise _Refused(f"holds more than {MAX_VARIABLES:,} variables")
    if byte_order and end > size:
        raise _Refused(f"is truncated: it ends after {size:,} of at least {end:,} bytes")
    return found


def _cell_texts(file: BinaryIO, element: _Element, name: str) -> list[str]:
    """Return the texts of a cell array in MATLAB's order; refuse a cell with anything else."""
    byte_order = element.byte_order
    _, (_, shape), _, *cells = _parts_of(_content(file, element), byte_order)
    texts = [_text(kind, cell, byte_order) for kind, cell in cells]
    found = [text for text in texts if text is not None]
    if not len(found) == len(texts) == math.prod(_integers(shape, byte_order)):
        raise _Refused(f"holds something else than one text a cell in {name!r}")
    return found


def _content(file: BinaryIO, element: _Element) -> bytes:
    file.seek(element.begin)
    content = file.read(min(element.size, MAX_CELL_BYTES + 1))
    if element.is_compressed:
        try:
            content = zlib.decompressobj().decompress(content, MAX_CELL_BYTES + 1)
        except zlib.error as error:
            raise _Refused(f"cannot be read ({error})") from error
    if len(content) > MAX_CELL_BYTES:
        raise _Refused(f"holds a cell array of more than {MAX_CELL_BYTES:,} bytes")
    return content[8:] if element.is_compressed else content  # without the tag, read by SciPy


def _text(kind: int, cell: bytes, byte_order: str) -> str | None:
    """Return the text in a cell, or None for anything else than one row of characters."""
    if kind != MATRIX:
        return None
    parts = _parts_of(cell, byte_order)
    flags, shape = (_integers(part, byte_order) for _, part in parts[:2])
    kind, content = parts[-1]
    is_row = len(parts) == 4 and len(shape) == 2 and shape[0] == 1
    if not is_row or flags[0] & 0xFF != CHAR_CLASS or kind not in CODECS:
        return None
    codec = CODECS[kind]
    if codec == "utf-16":
        codec = "utf-16-le" if byte_order == "<" else "utf-16-be"
    try:
        text = content.decode(codec)
    except UnicodeDecodeError as error:
        raise _Refused(f"cannot be read ({error})") from error
    return text if shape[1] in (len(text), len(content), len(content) // 2) else None


def _integers(content: bytes, byte_order: str) -> tuple[int, ...]:
    n_integers = len(content) // 4
    return struct.unpack_from(f"{byte_order}{n_integers}i", content)


def _parts_of(content: bytes, byte_order: str) -> list[tuple[int, bytes]]:
    """Return the parts of a variable: at least flags, shape and name."""
    parts = list(_parts(content, byte_order))
    if len(parts) < 3 or len(parts[0][1]) < 8:
        raise _Refused("is damaged: a variable has no header")
    return parts


def _parts(content: bytes, byte_order: str) -> Iterator[tuple[int, bytes]]:
    """Yield type and content of each part; up to four bytes may stand in the tag itself."""
    place = 0
    while place < len(content):
        tag = content[place : place + 8].ljust(8, b"\0")
        kind, size = struct.unpack(f"{byte_order}II", tag)
        place += 8
        if kind >> 16:
            kind, size, part = kind & 0xFFFF, kind >> 16, tag[4 : 4 + (kind >> 16)]
        else:
            part = content[place : place + size]
            place += size + -size % 8
        if len(part) < size:
            raise _Refused("is damaged: a part is longer than the whole")
        yield kind, part


def _attempt(function: Callable[..., Any], file: BinaryIO, **options: Any) -> Any:
    """Let SciPy read the file from its beginning."""
    file.seek(0)
    try:
        return function(file, appendmat=False, **options)
    except Exception as error:  # broken files raise almost any error, always for the same reason
        raise _Refused(f"cannot be read ({type(error).__name__}: {error})") from error


def _check_variables(
    variables: list[tuple[str, tuple[int, ...], str]],
    wanted: Mapping[str, frozenset[str]],
    max_bytes: int,
) -> dict[str, str]:
    """Return the MATLAB class of each wanted variable, after checking classes and sizes."""
    names = [name for name, _, _ in variables]
    missing = [name for name in wanted if name not in names]
    if missing:
        raise _Refused(
            f"lacks {', '.join(map(repr, missing))}; it holds {', '.join(map(repr, names)) or '-'}"
        )
    n_bytes, kinds = 0, {}
    for name, shape, kind in variables:
        if name not in wanted:
            continue
        if names.count(name) > 1:
            raise _Refused(f"holds {name!r} twice")
        if kind not in wanted[name]:
            expected = "texts" if wanted[name] is TEXTS else "real numbers"
            raise _Refused(f"holds {name!r} as MATLAB class {kind!r}, where {expected} belong")
        n_bytes += 8 * math.prod(map(abs, shape))
        kinds[name] = kind
    if n_bytes > max_bytes:
        raise _Refused(f"holds variables of {n_bytes:,} bytes, more than the {max_bytes:,} allowed")
    return kinds


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
