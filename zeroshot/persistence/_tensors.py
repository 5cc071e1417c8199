"""Arrays in the safetensors format, with every byte of a file accounted for."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from zeroshot._utils._strict_json import parse_json

_DTYPES = {
    "BOOL": "|b1", "U8": "|u1", "I8": "|i1", "U16": "<u2", "I16": "<i2", "U32": "<u4",
    "I32": "<i4", "U64": "<u8", "I64": "<i8", "F16": "<f2", "F32": "<f4", "F64": "<f8",
}  # fmt: skip
_MAX_HEADER = 64 * 2**20


def parse_tensors(blob: bytes) -> dict[str, np.ndarray]:
    """Return the arrays of a safetensors file, without copying them.

    The package safetensors accepts a header that has a name twice, and takes one of the two. Here
    each name occurs once, and the arrays fill the file without a gap or an overlap.

    Parameters
    ----------
    blob : bytes
        The whole file.

    Returns
    -------
    dict of str to ndarray
        Read-only arrays by name.

    Raises
    ------
    ValueError
        The file is not of this format, or announces something else than it holds.

    Examples
    --------
    >>> import numpy as np
    >>> from safetensors.numpy import save
    >>> from zeroshot.persistence._tensors import parse_tensors
    >>> parse_tensors(save({"a": np.arange(3)}))
    {'a': array([0, 1, 2])}
    """
    length = int.from_bytes(blob[:8], "little")
    if len(blob) < 8 or length > min(len(blob) - 8, _MAX_HEADER):
        raise ValueError("its header is longer than the file")
    header = parse_json(blob[8 : 8 + length].decode())
    if not isinstance(header, dict):
        raise ValueError("its header is not a table")
    header.pop("__metadata__", None)
    arrays, parts = {}, []
    for name, entry in header.items():
        start, stop, dtype, shape = _checked(name, entry)
        parts.append((start, stop))
        if stop > len(blob) - 8 - length:
            raise ValueError(f"{name!r} ends behind the file")
        data = np.frombuffer(blob, dtype, count=math.prod(shape), offset=8 + length + start)
        arrays[name] = data.reshape(shape)
    end = 0
    for start, stop in sorted(parts):
        if start != end:
            raise ValueError("its arrays overlap, or leave a gap")
        end = stop
    if end != len(blob) - 8 - length:
        raise ValueError("it holds more than its header names")
    return arrays


def _checked(name: str, entry: Any) -> tuple[int, int, str, tuple[int, ...]]:
    """Return start, stop, dtype and shape of an array, as the header announces them."""
    if not isinstance(entry, dict) or entry.keys() != {"dtype", "shape", "data_offsets"}:
        raise ValueError(f"{name!r} is not described by dtype, shape and data_offsets")
    dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    whole = (
        isinstance(shape, list)
        and isinstance(offsets, list)
        and len(offsets) == 2
        and len(shape) <= 32
        and all(type(number) is int and number >= 0 for number in (*shape, *offsets))
    )
    if not whole or not isinstance(dtype, str) or dtype not in _DTYPES:
        raise ValueError(f"{name!r} has a shape, a dtype or a place that is not allowed")
    start, stop = offsets
    if stop - start != math.prod(shape) * np.dtype(_DTYPES[dtype]).itemsize:
        raise ValueError(f"{name!r} takes {stop - start} bytes, which its shape does not")
    return start, stop, _DTYPES[dtype], tuple(shape)
