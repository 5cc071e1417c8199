"""Image reading: each image becomes RGB pixels, or an error with a remedy."""

from __future__ import annotations

import errno
import io
import os
import re
import stat
import threading
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from PIL import Image, ImageFile, UnidentifiedImageError

from zeroshot._utils._decoding import (
    FORMATS,
    IN_HELPER,
    IN_PROCESS,
    READ_ERRORS,
    Limits,
    NoDecoderError,
    TooManyBytesError,
    TooManyPixelsError,
    TooMuchHereError,
    check_decoder,
    decode,
    needs_helper,
    pixels_of,
)
from zeroshot._utils._pixel_arrays import NotPixelsError, is_tensor, rgb_pixels
from zeroshot.exceptions import ImageReadError, Remedy, in_python

_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a named pipe (FIFO)",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a character device",
    stat.S_IFBLK: "a block device",
}
_NAMED_LENGTH = 300  # maximum length of a path in a message
_DEFAULT_LIMITS = Limits()

_EXPECTED = (
    "a list of image paths, a list of PIL images, or a uint8 array of shape (n, height, width, 3)"
)
_PATH_LENGTH = 4096  # longer strings are not paths

_ROW_KEYS = ("image", "img", "path")
"""Where a row of a data set has its image; Hugging Face's data sets use the first two."""

_load_lock = threading.Lock()
# One entry of warnings.filters: ignore whatever a module of Pillow's warns of. The comment in the
# pattern makes it unequal to any of the user's own.
_QUIET = ("ignore", None, Warning, re.compile(r"PIL\.(?#scikit-zeroshot)"), 0)


class quiet_pillow:
    """Silence Pillow's warnings while an image is read, until the last thread leaves.

    Warning filters are shared by all threads of the process. Saving and restoring all of them, as
    ``warnings.catch_warnings`` does, would undo changes of other threads. Here only one entry is
    added and removed.
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
                # The list may have been replaced by a copy, which also has the entry.
                current: Any = warnings.filters
                for filters in (cls._filters, current):
                    if _QUIET in filters:
                        filters.remove(_QUIET)


def check_images(X: Any, *, owner: str) -> Sequence[Any] | np.ndarray:
    """Return `X` as a sequence of images without reading them, or raise if it is not one.

    `read_image` checks the elements. An element that is not an image is an error of this image
    only, like a damaged file.

    Parameters
    ----------
    X : list of images, array of shape (n, height, width, channels), or a column of paths
        A list of anything that `read_image` accepts, a tuple, a 1-D array, a pandas Series or a
        frame of one column; or an array or tensor of n images.
    owner : str
        Name of the caller, for the messages.

    Returns
    -------
    sequence of length n
        A uint8 array of shape (n, height, width, 3) itself, or a list.

    Raises
    ------
    TypeError
        `X` is a single image or path, or not a sequence.
    ValueError
        `X` is empty, has several columns, or is an array of another shape.
    """
    if isinstance(X, (str, bytes, bytearray, os.PathLike, Image.Image)):
        kind = "path" if isinstance(X, (str, os.PathLike)) else "image"
        if isinstance(X, Image.Image):
            kind = "PIL image"
        raise TypeError(
            f"{owner}: X must be {_EXPECTED}, got a single {kind}. Write [image] for one image; "
            "for a folder, list its files with sorted(folder.glob('*.jpg')) or use "
            "load_image_folder."
        )
    if isinstance(X, Mapping):
        named = next((name for name in _ROW_KEYS if name in X), None)
        remedy = f"Pass X[{named!r}]" if named else "Pass list(X) if its keys are paths"
        raise TypeError(f"{owner}: X must be {_EXPECTED}, got {type(X).__name__}. {remedy}.")
    if hasattr(X, "to_numpy"):
        columns = getattr(X, "columns", None)
        X = X.to_numpy()
        if columns is not None:
            X = _one_column(X, columns, owner)
    elif not (hasattr(X, "__len__") and hasattr(X, "__getitem__")):
        raise TypeError(f"{owner}: X must be {_EXPECTED}, got {type(X).__name__}. Pass list(X).")
    if isinstance(X, np.ndarray) and X.dtype.kind in "OUS":
        X = X[:, 0] if X.ndim == 2 and X.shape[1] == 1 else X
        _check_column(X, owner)
    elif is_tensor(X) or hasattr(X, "__array__"):
        _check_stack(X, owner)
    if len(X) == 0:
        raise ValueError(f"{owner}: X is empty. Pass at least one image.")
    if isinstance(X, np.ndarray) and X.dtype == np.uint8 and X.shape[-1] == 3 and X.size:
        return X
    return list(X)


def _one_column(X: np.ndarray, columns: Any, owner: str) -> np.ndarray:
    if X.shape[1] != 1:
        named = [str(name) for name in columns]
        listed = ", ".join(map(repr, named[:10])) + (", ..." if len(named) > 10 else "")
        raise ValueError(
            f"{owner}: X must be one column of images or paths, got {len(named)} columns "
            f"({listed}). Pass one of them, such as X['path']; in a ColumnTransformer, name it "
            "there."
        )
    return X[:, 0]


def _check_column(X: np.ndarray, owner: str) -> None:
    """Raise unless an array of paths, or of objects, has one dimension and loses nothing."""
    if X.dtype.kind == "S":
        raise TypeError(
            f"{owner}: X is an array of dtype {X.dtype}, which drops zero bytes at the end of an "
            "image. Pass a list of bytes, or np.array(images, dtype=object)."
        )
    if X.ndim != 1:
        raise ValueError(
            f"{owner}: X must be {_EXPECTED}, got an array of shape {X.shape}. Pass one column of "
            "it: X[:, 0]."
        )


def _check_stack(X: Any, owner: str) -> None:
    """Raise unless an array or tensor has the shape of n images."""
    shape = tuple(X.shape)
    if len(shape) == 4:
        return
    remedy = f"Features are not images: pass them to the estimator itself, not to {owner}."
    if len(shape) == 3:
        new = "None" if is_tensor(X) else "np.newaxis"
        gray = f"X[:, {new}]" if is_tensor(X) else f"X[..., {new}]"
        remedy = f"Write X[{new}] for a single image, or {gray} for n gray images."
    raise ValueError(
        f"{owner}: X must have shape (n, height, width, 3), or 1 or 4 channels, got {shape}. "
        f"{remedy}"
    )


def name_of(item: Any, position: int) -> str:
    """Return the name of an image in messages: its path, if any, and its position."""
    path = path_of(item)
    if not path:
        return f"the image at position {position}"
    more = "" if len(path) <= _NAMED_LENGTH else f" and {len(path) - _NAMED_LENGTH} characters more"
    return f"{path[:_NAMED_LENGTH]!r}{more}" + in_python(f" (position {position})")


def path_of(item: Any) -> str | None:
    """Return the path that an image is, or was opened from, if any."""
    if isinstance(item, Mapping):
        inner = _of_row(item)
        return path_of(item.get("path") if inner is None or is_content(inner) else inner)
    path = getattr(item, "filename", None) if isinstance(item, Image.Image) else item
    return os.fspath(path) or None if isinstance(path, (str, os.PathLike)) else None


def is_content(item: Any) -> bool:
    """Return whether an image is the content of a file."""
    return isinstance(item, (bytes, bytearray, memoryview))


def _of_row(row: Mapping[Any, Any]) -> Any:
    """Return the image of a row, or of a cell, of a data set of Hugging Face; None without one."""
    if row.get("bytes") is not None:
        return row["bytes"]
    if "path" in row and "bytes" in row:
        return row["path"]
    return next((row[name] for name in _ROW_KEYS if name in row), None)


def read_image(
    item: Any,
    position: int = 0,
    *,
    limits: Limits = _DEFAULT_LIMITS,
    min_side: int | None = None,
) -> np.ndarray:
    """Return an image of any mode as upright RGB pixels.

    Transparency is composited on white, 16-bit gray is scaled to 8 bits, EXIF rotation is
    undone, and of an animation the first frame is taken (of a PIL image, its current one).
    Formats are told from content: JPEG, PNG, GIF, WebP, BMP, TIFF, PBM, PGM, PPM, AVIF,
    JPEG 2000 and, with pillow-heif, HEIC; no other decoder is asked.

    Parameters
    ----------
    item : path, PIL image, array, tensor, bytes, or dict
        The image; it is not changed. Of arrays and tensors see `rgb_pixels`. Bytes are a file's
        content. A dict is a row of a data set of Hugging Face, with ``"image"``, or the cell of
        one, with ``"bytes"`` and ``"path"``.
    position : int, default=0
        Position in the user's list, for the message.
    limits : Limits, optional
        Limits on the size and the time of reading.
    min_side : int, optional
        Minimum length of the shorter side in pixels. A file of more than 16.8 million pixels may
        then be reduced during decoding. By default, images keep their size.

    Returns
    -------
    ndarray of shape (height, width, 3)
        Of dtype uint8.

    Raises
    ------
    ImageReadError
        The image cannot be read. The message says why and what to do.

    Examples
    --------
    >>> from PIL import Image
    >>> from zeroshot._utils._images import read_image
    >>> read_image(Image.new("RGBA", (1, 1), (255, 0, 0, 0))).tolist()
    [[[255, 255, 255]]]
    """
    try:
        with quiet_pillow():
            return _read(item, limits, min_side)
    except READ_ERRORS as error:
        raise ImageReadError(
            "Cannot read " + name_of(item, position) + ": " + _diagnosis(item, error)
        ) from error


def _read(item: Any, limits: Limits, min_side: int | None) -> np.ndarray:
    """Return the pixels of any accepted image."""
    if isinstance(item, Image.Image):
        return _read_open(item, limits)
    if isinstance(item, (str, os.PathLike)):
        with _open_file(item, limits) as file:
            return _read_file(file, limits, min_side)
    if is_content(item):
        content = bytes(item)
        _check_bytes(len(content), limits)
        stream: Any = io.BytesIO(content)
        return _read_file(io.BufferedReader(stream), limits, min_side)
    if isinstance(item, Mapping) and item.keys() & {"bytes", *_ROW_KEYS}:
        return _read(_of_row(item), limits, min_side)
    if is_tensor(item) or hasattr(item, "__array__"):
        return rgb_pixels(item)
    raise NotPixelsError(_no_image(item))


def _no_image(item: Any) -> str:
    """Return the error of an object that is not an image, and the remedy."""
    if _is_missing(item):
        return "the value is missing. Leave it out, and its label."
    if isinstance(item, Mapping):
        keys = ", ".join(repr(key) for key in [*item][:10])
        return (
            f"it is a dict with {keys or 'nothing in it'}, and not with an 'image', 'img', 'path' "
            "or 'bytes'. Pass the images themselves: [row[key] for row in X]."
        )
    remedy = "Pass its path, its pixels as an array, or a PIL image."
    if isinstance(item, tuple) and len(item) == 2:
        remedy = "If it is an image and its label, pass the images: [image for image, label in X]."
    elif isinstance(item, (list, tuple)):
        remedy = "If it holds pixels, pass np.array(image, dtype=np.uint8)."
    return f"it is not an image, but {type(item).__name__}. {remedy}"


def _is_missing(item: Any) -> bool:
    """Return whether an object is a missing value of pandas: None, NaN, NA."""
    if item is None or isinstance(item, float):
        return True
    return type(item).__name__ in ("NAType", "NaTType")


def memory_error(item: Any, position: int, error: MemoryError) -> ImageReadError:
    """Return the error for an image that did not fit into memory."""
    said = "Cannot read " + name_of(item, position) + ": " + _diagnosis(item, error)
    failed = ImageReadError(said)
    failed.__cause__ = error
    return failed


def _read_open(image: Image.Image, limits: Limits) -> np.ndarray:
    """Return the pixels of a PIL image, which may still have to be decoded."""
    if isinstance(image, ImageFile.ImageFile) and image.format not in (*FORMATS, "MPO"):
        raise UnidentifiedImageError(f"its format is {image.format}")
    with _load_lock:  # Pillow decodes at first use, and an image may occur twice in the list
        if _is_closed(image):
            raise NotPixelsError(
                "it was closed before it was read, as by the end of its with block. Call "
                "image.load() in the block, or pass its path."
            )
        return pixels_of(image, limits)


def _is_closed(image: Image.Image) -> bool:
    """Return whether a PIL image has neither pixels nor an open file to read them from."""
    held = image.__dict__.get("_im", image.__dict__.get("im"))
    try:
        _ = None if held is None else held.size
    except ValueError:  # Pillow sets an object that raises at every use
        return True
    file = getattr(image, "fp", None)
    return bool(getattr(image, "tile", None)) and (file is None or getattr(file, "closed", False))


def _read_file(file: io.BufferedReader, limits: Limits, min_side: int | None) -> np.ndarray:
    head = file.peek(16)
    check_decoder(head)
    if not needs_helper(head):
        try:
            return decode(file, limits, min_side)
        except Image.DecompressionBombError as error:
            # Pillow's own limit belongs to this process. A helper has only the user's limit.
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
    """Open a regular file. Opening anything else may block forever or have side effects."""
    _check_file(os.stat(path), limits)
    # The file may have been replaced in between: a pipe opened this way does not block.
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
    _check_bytes(about.st_size, limits)


def _check_bytes(size: int, limits: Limits) -> None:
    if size > limits.max_bytes:
        raise TooManyBytesError(
            f"the file has {size:,} bytes, and the limit is {limits.max_bytes:,}"
        )


class _NotAFileError(OSError):
    """A path of something other than a regular file."""


def _diagnosis(item: Any, error: BaseException) -> str:
    """Return the error of an image, and the remedy."""
    if isinstance(error, (NotPixelsError, NoDecoderError)):
        return str(error)
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
    if _is_empty(item):
        return "the file is empty (zero bytes). Fetch it again, or leave it out."
    if isinstance(error, UnidentifiedImageError):
        known = ", ".join((*IN_PROCESS, *IN_HELPER)).replace("PPM", "PBM, PGM, PPM")
        named = f" ({error})" if str(error).startswith("its format") else ""
        if is_content(item) and len(item) < _PATH_LENGTH and b"\0" not in bytes(item):
            known += ". If the bytes are a path, pass os.fsdecode(path)"
            return f"it is not the content of an image of {known}."
        return f"it is not an image of {known}{named}. Leave it out, or convert it to PNG or JPEG."
    detail = str(error).strip()[:_NAMED_LENGTH] or type(error).__name__
    return f"it is damaged or truncated ({detail}). Fetch it again, or leave it out."


def _is_empty(item: Any) -> bool:
    if is_content(item):
        return len(item) == 0
    try:
        return isinstance(item, (str, os.PathLike)) and os.stat(item).st_size == 0
    except (OSError, ValueError):
        return False
