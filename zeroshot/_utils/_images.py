"""Image reading: each image becomes RGB pixels, or an error with a remedy."""

from __future__ import annotations

import errno
import io
import os
import re
import stat
import threading
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image, ImageFile, UnidentifiedImageError

from zeroshot._utils._decoding import (
    FORMATS,
    IN_HELPER,
    IN_PROCESS,
    READ_ERRORS,
    Limits,
    TooManyBytesError,
    TooManyPixelsError,
    TooMuchHereError,
    decode,
    needs_helper,
    pixels_of,
)
from zeroshot.exceptions import ImageReadError, Remedy, in_python

_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a named pipe (FIFO)",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a character device",
    stat.S_IFBLK: "a block device",
}
_NAMED_LENGTH = 300  # how much of a path a message names
_DEFAULT_LIMITS = Limits()

_EXPECTED = (
    "a list of image paths, a list of PIL images, or a uint8 array of shape (n, height, width, 3)"
)
_PIXEL_REMEDY = (
    "Scale it to 0..255 and convert it: np.clip(image, 0, 255).astype(np.uint8); a tensor or "
    "array with channels first also needs .transpose(0, 2, 3, 1)"
)

_load_lock = threading.Lock()
# One entry of warnings.filters: ignore whatever a module of Pillow's warns of. The comment in the
# pattern makes it unequal to any of the user's own.
_QUIET = ("ignore", None, Warning, re.compile(r"PIL\.(?#scikit-zeroshot)"), 0)


class quiet_pillow:
    """Silence what Pillow warns about while an image is read, until the last thread leaves.

    Warning filters belong to the process. A thread that saves and restores them all, as
    ``warnings.catch_warnings`` does, undoes what other threads set meanwhile: here one entry comes,
    and that entry goes.
    """

    _lock = threading.Lock()
    _depth = 0
    _filters: Any = None

    def __enter__(self) -> None:
        cls = quiet_pillow
        with cls._lock:
            if cls._depth == 0:
                cls._filters = warnings.filters
                cls._filters.insert(0, _QUIET)
            cls._depth += 1

    def __exit__(self, *error: object) -> None:
        cls = quiet_pillow
        with cls._lock:
            cls._depth -= 1
            if cls._depth == 0:
                # The list may have been replaced meanwhile by a copy, which holds the entry too.
                current: Any = warnings.filters
                for filters in (cls._filters, current):
                    if _QUIET in filters:
                        filters.remove(_QUIET)


def check_images(X: Any, *, owner: str) -> Sequence[Any] | np.ndarray:
    """Return `X` as a sequence of images, none of them read, or say what is wrong with it.

    Parameters
    ----------
    X : list of path or PIL image, or uint8 ndarray of shape (n, height, width, 3)
        Also tuples, 1-D arrays and pandas Series of paths, and lists of uint8 arrays of shape
        (height, width, 3).
    owner : str
        Who asks, for the messages.

    Returns
    -------
    sequence of length n
        The array itself, or a list.

    Raises
    ------
    TypeError
        `X` is a single image or path, no sequence, or holds something else than images.
    ValueError
        `X` is empty, or an array of the wrong shape or dtype.
    """
    if isinstance(X, (str, bytes, os.PathLike, Image.Image)):
        kind = "PIL image" if isinstance(X, Image.Image) else "path"
        raise TypeError(
            f"{owner}: X must be {_EXPECTED}, got a single {kind}. Write [image] for one image; "
            "for a folder, list its files with sorted(folder.glob('*.jpg')) or use "
            "load_image_folder."
        )
    if hasattr(X, "to_numpy"):
        X = X.to_numpy()
    if isinstance(X, np.ndarray) and X.dtype.kind not in "OU":
        _check_pixels(X, 4, owner=owner, what="X")
    elif not (hasattr(X, "__len__") and hasattr(X, "__getitem__")) or isinstance(X, dict):
        raise TypeError(f"{owner}: X must be {_EXPECTED}, got {type(X).__name__}. Pass list(X).")
    elif hasattr(X, "detach"):
        raise TypeError(f"{owner}: X must be {_EXPECTED}, got a torch tensor. {_PIXEL_REMEDY}.")
    elif isinstance(X, np.ndarray) and X.ndim != 1:
        raise ValueError(f"{owner}: X must be {_EXPECTED}, got an array of shape {X.shape}.")
    if len(X) == 0:
        raise ValueError(f"{owner}: X is empty. Pass at least one image.")
    if isinstance(X, np.ndarray) and X.dtype == np.uint8:
        return X
    return [_check_item(item, position, owner) for position, item in enumerate(X)]


def _check_item(item: Any, position: int, owner: str) -> Any:
    if isinstance(item, (str, os.PathLike, Image.Image)):
        return item
    if isinstance(item, np.ndarray):
        _check_pixels(item, 3, owner=owner, what=f"X[{position}]")
        return item
    raise TypeError(
        f"{owner}: X must be {_EXPECTED}, but X[{position}] is {type(item).__name__}. "
        "Pass its path, or Image.fromarray(array)."
    )


def _check_pixels(array: np.ndarray, ndim: int, *, owner: str, what: str) -> None:
    shape = ("n, " if ndim == 4 else "") + "height, width, 3"
    if array.ndim == ndim - 1 == 3 and array.shape[-1] == 3:
        raise ValueError(
            f"{owner}: {what} must have shape ({shape}), got a single image of shape "
            f"{array.shape}. Write X[np.newaxis]."
        )
    if array.ndim != ndim or array.shape[-1] != 3 or 0 in array.shape[-3:]:
        raise ValueError(
            f"{owner}: {what} must have shape ({shape}), got {array.shape}. Repeat the channel of "
            "gray images: np.repeat(X[..., np.newaxis], 3, axis=-1); move channels that stand "
            "first: X.transpose(0, 2, 3, 1)."
        )
    if array.dtype != np.uint8:
        raise ValueError(
            f"{owner}: {what} must hold uint8 pixels, got {array.dtype}. {_PIXEL_REMEDY}."
        )


def name_of(item: Any, position: int) -> str:
    """Return how messages name an image: by its path where it has one, and its position."""
    path = path_of(item)
    if not path:
        return f"the image at position {position}"
    more = "" if len(path) <= _NAMED_LENGTH else f" and {len(path) - _NAMED_LENGTH} characters more"
    return f"{path[:_NAMED_LENGTH]!r}{more}" + in_python(f" (position {position})")


def path_of(item: Any) -> str | None:
    """Return the path that an image is, or was opened from, if any."""
    path = getattr(item, "filename", None) if isinstance(item, Image.Image) else item
    return os.fspath(path) or None if isinstance(path, (str, os.PathLike)) else None


def read_image(
    item: Any,
    position: int = 0,
    *,
    limits: Limits = _DEFAULT_LIMITS,
    min_side: int | None = None,
) -> np.ndarray:
    """Return an image as RGB pixels, upright, whatever its mode.

    Transparency is composited on white, 16-bit gray is scaled to 8 bits, EXIF rotation is
    undone, and of an animation the first frame is taken (of a PIL image, its current one).
    Formats are told from content: JPEG, PNG, GIF, WebP, BMP, TIFF, PBM, PGM, PPM, AVIF and
    JPEG 2000; no other decoder is asked.

    Parameters
    ----------
    item : path, PIL image, or uint8 array of shape (height, width, 3)
        The image; it is not changed.
    position : int, default=0
        Where it stands in the user's list, for the message.
    limits : Limits, optional
        What reading it may cost.
    min_side : int, optional
        How many pixels the shorter side needs at least: a file of more than 16.8 million pixels is
        then brought down while it is decoded. By default images keep their size.

    Returns
    -------
    ndarray of shape (height, width, 3)
        Of dtype uint8.

    Raises
    ------
    ImageReadError
        It cannot be read; the message says why and what to do.

    Examples
    --------
    >>> from PIL import Image
    >>> from zeroshot._utils._images import read_image
    >>> read_image(Image.new("RGBA", (1, 1), (255, 0, 0, 0))).tolist()
    [[[255, 255, 255]]]
    """
    if isinstance(item, np.ndarray):
        return item
    try:
        with quiet_pillow():
            if isinstance(item, Image.Image):
                return _read_open(item, limits)
            with _open_file(item, limits) as file:
                return _read_file(file, limits, min_side)
    except READ_ERRORS as error:
        raise ImageReadError(
            "Cannot read " + name_of(item, position) + ": " + _diagnosis(item, error)
        ) from error


def memory_error(item: Any, position: int, error: MemoryError) -> ImageReadError:
    """Return what says that there was no memory for an image that was read."""
    said = "Cannot read " + name_of(item, position) + ": " + _diagnosis(item, error)
    failed = ImageReadError(said)
    failed.__cause__ = error
    return failed


def _read_open(image: Image.Image, limits: Limits) -> np.ndarray:
    """Return the pixels of a PIL image, which may still have to be decoded."""
    if isinstance(image, ImageFile.ImageFile) and image.format not in (*FORMATS, "MPO"):
        raise UnidentifiedImageError(f"its format is {image.format}")
    with _load_lock:  # Pillow decodes on first use, and one image may stand twice in the list
        return pixels_of(image, limits)


def _read_file(file: io.BufferedReader, limits: Limits, min_side: int | None) -> np.ndarray:
    if not needs_helper(file.peek(16)):
        try:
            return decode(file, limits, min_side)
        except Image.DecompressionBombError as error:
            # Pillow's own limit belongs to this process. A helper has none but the user's.
            if limits.max_pixels <= 2 * (Image.MAX_IMAGE_PIXELS or limits.max_pixels):
                raise TooManyPixelsError(
                    f"it has more pixels than the limit of {limits.max_pixels:,}"
                ) from error
        except TooMuchHereError:
            pass
        file.seek(0)
    from zeroshot._utils._decoder_process import decode_apart

    return decode_apart(file, limits, min_side)


def _open_file(path: str | os.PathLike, limits: Limits) -> io.BufferedReader:
    """Open a regular file. Anything else may block for ever, or do something when it is opened."""
    _check_file(os.stat(path), limits)
    # Between the two it may have been replaced: a pipe opened so does not block.
    file = open(path, "rb", opener=_without_blocking)
    try:
        _check_file(os.fstat(file.fileno()), limits)
    except READ_ERRORS:
        file.close()
        raise
    return file


def _without_blocking(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _check_file(about: os.stat_result, limits: Limits) -> None:
    if not stat.S_ISREG(about.st_mode):
        raise _NotAFileError(_KINDS.get(stat.S_IFMT(about.st_mode), "something else"))
    if about.st_size > limits.max_bytes:
        raise TooManyBytesError(
            f"the file has {about.st_size:,} bytes, and the limit is {limits.max_bytes:,}"
        )


class _NotAFileError(OSError):
    """A path of something else than a regular file."""


def _diagnosis(item: Any, error: BaseException) -> str:
    """Return what is wrong with an image, and the remedy."""
    if isinstance(error, TooManyPixelsError):
        return f"{error}. Make it smaller first, or, if you trust it, " + Remedy(
            "pass a larger max_pixels.", option="pass a larger --max-pixels."
        )
    if isinstance(error, TooManyBytesError):
        return f"{error}. Make it smaller first, or, if you trust it, " + Remedy(
            "pass a larger max_bytes.", option="pass a larger --max-bytes."
        )
    if isinstance(error, TimeoutError):
        return f"{error}. Leave it out, convert it to JPEG, or, if you trust it, " + Remedy(
            "pass a larger max_seconds.", option="pass a larger --max-seconds."
        )
    if isinstance(error, MemoryError):
        said = "decoding it needs more memory than there is, or than the limit of pixels allows"
        return f"{said}. Make it smaller first, or, if you trust it, " + Remedy(
            "pass a larger max_pixels.", option="pass a larger --max-pixels."
        )
    if isinstance(error, FileNotFoundError):
        return (
            "there is no such file. Check the path (a relative one starts at the current folder)."
        )
    if isinstance(error, _NotAFileError):
        remedy = "Pass the path of an image file."
        if str(error) == _KINDS[stat.S_IFDIR]:
            remedy = "Pass the images in it, or use load_image_folder."
        return f"it is {error}. {remedy}"
    if isinstance(error, ValueError) and "null byte" in str(error):
        return "its path holds a NUL byte, which no path can. Check how the list was written."
    if isinstance(error, OSError) and error.errno in (errno.ENAMETOOLONG, errno.ELOOP):
        return f"there can be no such file ({error.strerror}). Check the path."
    if isinstance(error, PermissionError):
        return "permission denied. Make the file readable for this user."
    if isinstance(item, (str, os.PathLike)) and _is_empty(item):
        return "the file is empty (zero bytes). Fetch it again, or leave it out."
    if isinstance(error, UnidentifiedImageError):
        known = ", ".join((*IN_PROCESS, *IN_HELPER)).replace("PPM", "PBM, PGM, PPM")
        named = f" ({error})" if str(error).startswith("its format") else ""
        return f"it is not an image of {known}{named}. Leave it out, or convert it to PNG or JPEG."
    if isinstance(error, ValueError) and "mode" in str(error):
        return f"{error}. Convert it to 8 bits a channel first."
    detail = str(error).strip()[:_NAMED_LENGTH] or type(error).__name__
    return f"it is damaged or truncated ({detail}). Fetch it again, or leave it out."


def _is_empty(path: str | os.PathLike) -> bool:
    try:
        return os.stat(path).st_size == 0
    except (OSError, ValueError):
        return False
