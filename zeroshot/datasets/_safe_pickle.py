"""Reader of CIFAR-100's pickles that creates only lists, bytes, integers and arrays.

A pickle is a program that can call any function by name. For the names that the official files
need, this module supplies its own objects, each with a single function. All other names are
refused. The pickle cannot access numpy or the codecs module, and the supplied objects have no
attributes that it could set.
"""

from __future__ import annotations

import io
import math
import pickle
import pickletools
from typing import Any

import numpy as np

from zeroshot.exceptions import IntegrityError

MAX_STEPS = 1_000_000  # the training file has 50,000 names and 100,000 numbers
MAX_TUPLES = 1_000


def load_pickle(content: bytes, *, name: str) -> dict[str, Any]:
    """Return the dict in a pickle, if it holds only lists, bytes, integers and uint8 arrays.

    Parameters
    ----------
    content : bytes
        The pickle, written by Python 2 or 3.
    name : str
        Name of the pickle, for the messages.

    Returns
    -------
    dict of str to (list of int, list of bytes, bytes, int or ndarray of uint8)

    Raises
    ------
    IntegrityError
        The pickle is damaged, or has other names or content. None of its named functions has run.

    Examples
    --------
    >>> import pickle
    >>> from zeroshot.datasets._safe_pickle import load_pickle
    >>> load_pickle(pickle.dumps({"labels": [3, 1]}, protocol=2), name="demo")
    {'labels': [3, 1]}
    >>> load_pickle(pickle.dumps(print, protocol=2), name="demo")
    Traceback (most recent call last):
        ...
    zeroshot.exceptions.IntegrityError: demo names '__builtin__.print', which ...
    """
    try:
        _check_steps(content)
        value = _RestrictedUnpickler(io.BytesIO(content), encoding="bytes").load()
    except IntegrityError as error:
        raise IntegrityError(f"{name} {error}") from error
    except Exception as error:  # broken pickles raise almost any error, always for the same reason
        raise IntegrityError(
            f"{name} is no readable pickle ({type(error).__name__}: {error}). Remove its archive, "
            f"and fetch it again or copy a whole one there."
        ) from error
    if not isinstance(value, dict):
        raise IntegrityError(f"{name} must hold a dict, got {type(value).__name__}.")
    return {_text(key, name): _plain(item, key, name) for key, item in value.items()}


def _check_steps(content: bytes) -> None:
    """Refuse a pickle of more steps than the files need, before any of them is taken.

    The memo is a table whose places the pickle numbers; one number can make it fill the memory.
    Tuples that are nested thousands of times end the process when they become keys of a dict. So
    few tuples may be left after each was passed to a function, and none is taken from the memo.
    """
    memo: set[int] = set()
    tuples: set[int] = set()
    n_tuples, last = 0, ""
    for n_steps, (opcode, argument, _) in enumerate(pickletools.genops(content)):
        name = opcode.name
        if name in ("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"):
            place = len(memo) if argument is None else argument
            if place > len(content):
                raise IntegrityError(f"asks for a memo of {place:,} places.")
            memo.add(place)
            if last.startswith("TUPLE"):
                tuples.add(place)
            continue
        n_tuples += name.startswith("TUPLE") - (name == "REDUCE" and last.startswith("TUPLE"))
        is_get = name in ("GET", "BINGET", "LONG_BINGET")
        if n_steps > MAX_STEPS or n_tuples > MAX_TUPLES or (is_get and argument in tuples):
            raise IntegrityError("has other steps than CIFAR-100's files.")
        last = name


def _text(key: Any, name: str) -> str:
    if isinstance(key, bytes):
        return key.decode("latin-1")
    if isinstance(key, str):
        return key
    raise IntegrityError(f"{name} must have names as keys, got {type(key).__name__}.")


def _plain(item: Any, key: Any, name: str) -> Any:
    """Return `item` if it is of a kind that occurs in the official files."""
    if type(item) is _PickledArray:
        return item.finished(name)
    kinds = {type(element) for element in item} if type(item) is list else {type(item)}
    if kinds <= {int} or kinds <= {bytes, str}:
        return item
    raise IntegrityError(
        f"{name} must hold lists of integers or of bytes and uint8 arrays, and holds "
        f"{type(item).__name__} at {key!r}."
    )


class _PickledArray:
    """Replacement for an array in a pickle: its state, which is checked before use."""

    __slots__ = ("_state",)

    def __init__(self) -> None:
        self._state: Any = None

    def __setstate__(self, state: Any) -> None:
        self._state = state

    def finished(self, name: str) -> np.ndarray:
        """Return the array that the state (version, shape, dtype, order, bytes) describes."""
        state = self._state
        if not (isinstance(state, tuple) and len(state) == 5):
            raise IntegrityError(f"{name} holds an array without content.")
        _, shape, dtype, is_fortran, content = state
        if not (isinstance(shape, tuple) and all(type(n) is int and n >= 0 for n in shape)):
            raise IntegrityError(f"{name} holds an array of shape {shape!r}.")
        if type(dtype) is not _PickledDtype or type(content) is not bytes:
            raise IntegrityError(f"{name} holds an array that is not of uint8.")
        if len(content) != math.prod(shape):
            raise IntegrityError(
                f"{name} holds an array of shape {shape} with {len(content):,} bytes."
            )
        flat = np.frombuffer(content, dtype=np.uint8)
        return flat.reshape(shape, order="F" if is_fortran else "C")


class _PickledDtype:
    """uint8 and no other dtype; its state adds nothing to its name."""

    __slots__ = ()

    def __setstate__(self, state: Any) -> None:
        pass


class _MakeArray:
    """Replacement for ``numpy.core.multiarray._reconstruct``."""

    __slots__ = ()

    def __call__(self, *args: Any) -> _PickledArray:
        """Return an array without state; the arguments are the same for every array."""
        return _PickledArray()


class _MakeDtype:
    """Replacement for ``numpy.dtype``."""

    __slots__ = ()

    def __call__(self, code: Any, *args: Any) -> _PickledDtype:
        """Return uint8, or refuse: object arrays contain pickles."""
        if code not in ("u1", b"u1"):
            raise IntegrityError(f"holds an array of type {code!r}, where uint8 was expected.")
        return _PickledDtype()


class _Encode:
    """Replacement for ``_codecs.encode``, which Python 3 uses for bytes in protocols 0 to 2."""

    __slots__ = ()

    def __call__(self, text: Any, encoding: Any) -> bytes:
        """Return the bytes in `text`; other codecs are refused."""
        if not isinstance(text, str) or encoding not in ("latin1", b"latin1"):
            raise IntegrityError(f"encodes {type(text).__name__} as {encoding!r}.")
        return text.encode("latin-1")


_ADMITTED: dict[tuple[str, str], Any] = {
    ("_codecs", "encode"): _Encode(),
    ("numpy", "dtype"): _MakeDtype(),
    ("numpy", "ndarray"): object(),  # used only as an argument of _reconstruct
    ("numpy.core.multiarray", "_reconstruct"): _MakeArray(),
    ("numpy._core.multiarray", "_reconstruct"): _MakeArray(),
}


class _RestrictedUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        """Return the replacement for a name that the official files need, else refuse."""
        try:
            return _ADMITTED[module, name]
        except KeyError as error:
            raise IntegrityError(
                f"names '{module}.{name}', which no CIFAR-100 file needs. It has not been run. "
                f"Do not trust this archive: remove it, and fetch it from where it is published."
            ) from error
