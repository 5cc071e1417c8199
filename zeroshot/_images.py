"""Reading images: every kind that Pillow knows becomes RGB, or an error that says what to do."""

from __future__ import annotations

import os
import struct
import threading
import warnings
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from PIL import Image, UnidentifiedImageError

from zeroshot.exceptions import ImageReadError

# What Pillow raises for files that are missing, broken, hostile or no images at all: its own
# plug-ins raise whatever their parsing meets, and only some of it is turned into OSError.
READ_ERRORS = (
    OSError,  # also UnidentifiedImageError, and "image file is truncated"
    SyntaxError,  # "broken PNG file", "not a TIFF file"
    ValueError,  # sizes that make no sense, too much text in a PNG, unknown modes
    EOFError,
    IndexError,
    KeyError,
    TypeError,
    AttributeError,
    NotImplementedError,  # compressions that this Pillow was built without
    OverflowError,
    RuntimeError,  # from the decoders of AVIF and the like
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
    Image.DecompressionBombWarning,
)

# EXIF's orientation (tag 0x0112) and what undoes it.
_ORIENTATIONS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

_EXPECTED = (
    "a list of image paths, a list of PIL images, or a uint8 array of shape (n, height, width, 3)"
)
_PIXEL_REMEDY = (
    "Scale it to 0..255 and convert it: np.clip(image, 0, 255).astype(np.uint8); a tensor or "
    "array with channels first also needs .transpose(0, 2, 3, 1)"
)

_quiet_lock = threading.Lock()
_load_lock = threading.Lock()
_quiet_depth = 0
_quiet_filters: warnings.catch_warnings | None = None


@contextmanager
def quiet_pillow() -> Iterator[None]:
    """Silence what Pillow warns about while it reads, for all threads, until the last one leaves.

    Warning filters belong to the process, so that worker threads must not swap them one
    by one; and only Pillow's own warnings are touched.
    """
    global _quiet_depth, _quiet_filters
    with _quiet_lock:
        if _quiet_depth == 0:
            _quiet_filters = warnings.catch_warnings()
            _quiet_filters.__enter__()
            warnings.filterwarnings("ignore", module=r"PIL\.")
            warnings.filterwarnings("error", category=Image.DecompressionBombWarning)
        _quiet_depth += 1
    try:
        yield
    finally:
        with _quiet_lock:
            _quiet_depth -= 1
            if _quiet_depth == 0 and _quiet_filters is not None:
                _quiet_filters.__exit__(None, None, None)


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
    return f"{path!r} (position {position})" if path else f"the image at position {position}"


def path_of(item: Any) -> str | None:
    """Return the path that an image is, or was opened from, if any."""
    path = getattr(item, "filename", None) if isinstance(item, Image.Image) else item
    return os.fspath(path) or None if isinstance(path, (str, os.PathLike)) else None


def read_image(item: Any, position: int = 0) -> np.ndarray:
    """Return an image as RGB pixels, upright, whatever its mode.

    Transparency is composited on white, 16-bit gray is scaled to 8 bits, EXIF rotation is
    undone, and of an animation the first frame is taken (of a PIL image, its current one).

    Parameters
    ----------
    item : path, PIL image, or uint8 array of shape (height, width, 3)
        The image; it is not changed.
    position : int, default=0
        Where it stands in the user's list, for the message.

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
    >>> from zeroshot._images import read_image
    >>> read_image(Image.new("RGBA", (1, 1), (255, 0, 0, 0))).tolist()
    [[[255, 255, 255]]]
    """
    if isinstance(item, np.ndarray):
        return item
    try:
        with quiet_pillow():
            if isinstance(item, Image.Image):
                # Pillow decodes on first use, and one image may stand twice in the list.
                with _load_lock:
                    return _decode(item)
            with open(item, "rb") as file, Image.open(file) as image:
                return _decode(image)
    except READ_ERRORS as error:
        raise ImageReadError(
            f"Cannot read {name_of(item, position)}: {_diagnosis(item, error)}"
        ) from error


def _decode(image: Image.Image) -> np.ndarray:
    limit = Image.MAX_IMAGE_PIXELS
    if limit is not None and image.width * image.height > limit:
        raise Image.DecompressionBombError(f"{image.width} x {image.height} pixels")
    image.load()
    rgb = _to_rgb(image)
    turn = _ORIENTATIONS.get(_orientation(image))
    return np.array(rgb if turn is None else rgb.transpose(turn))


def _orientation(image: Image.Image) -> int:
    try:
        return image.getexif().get(0x0112, 1)
    except READ_ERRORS:
        return 1  # the pixels are sound: unreadable metadata records no rotation


def _to_rgb(image: Image.Image) -> Image.Image:
    """Return `image` in mode RGB: scaled, composited on white, or converted by Pillow."""
    if image.mode == "RGB" and "transparency" not in image.info:
        return image
    if image.mode.startswith("I;16") or (image.mode == "I" and image.format == "PNG"):
        # Pillow's own conversion clips 16-bit gray at 255; before version 11 it opened
        # such PNG files in mode I.
        gray = np.array(image).astype(np.uint16) >> 8
        return Image.fromarray(gray.astype(np.uint8)).convert("RGB")
    if image.mode in ("I", "F", "LAB"):
        raise ValueError(
            f"its pixels are of mode {image.mode!r}, for which there is no agreed way to 8-bit RGB"
        )
    if image.has_transparency_data:
        straight = image.convert("LA") if image.mode == "La" else image
        white = Image.new("RGBA", image.size, (255, 255, 255, 255))
        return Image.alpha_composite(white, straight.convert("RGBA")).convert("RGB")
    return image.convert("RGB")


def _diagnosis(item: Any, error: BaseException) -> str:
    """Return what is wrong with an image, and the remedy."""
    if isinstance(error, (Image.DecompressionBombError, Image.DecompressionBombWarning)):
        return (
            f"it has more than {Image.MAX_IMAGE_PIXELS:,} pixels, Pillow's limit. Make it smaller "
            "first, or, if you trust it, raise PIL.Image.MAX_IMAGE_PIXELS."
        )
    if isinstance(error, FileNotFoundError):
        return (
            "there is no such file. Check the path (a relative one starts at the current folder)."
        )
    if isinstance(error, IsADirectoryError):
        return "it is a folder. Pass the images in it, or use load_image_folder."
    if isinstance(error, PermissionError):
        return "permission denied. Make the file readable for this user."
    if isinstance(item, (str, os.PathLike)) and os.path.isfile(item) and not os.path.getsize(item):
        return "the file is empty (zero bytes). Fetch it again, or leave it out."
    if isinstance(error, UnidentifiedImageError):
        return "it is no image that Pillow knows. Leave it out, or convert it to PNG or JPEG."
    if isinstance(error, ValueError) and "mode" in str(error):
        return f"{error}. Convert it to 8 bits a channel first."
    detail = str(error) or type(error).__name__
    return f"it is damaged or truncated ({detail}). Fetch it again, or leave it out."
