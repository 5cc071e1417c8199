"""Decoding of an open image file, within limits of size, memory and time."""

from __future__ import annotations

import importlib.util
import struct
import subprocess
import threading
import zlib
from dataclasses import dataclass
from functools import cache
from typing import IO, Any

import numpy as np
from PIL import Image, UnidentifiedImageError

from zeroshot._utils._pixel_arrays import NotPixelsError, rgb_pixels

# The only decoders in use. Pillow has more, and some of them start another program on their input:
# EPS starts Ghostscript.
IN_PROCESS = ("JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF", "PPM")
IN_HELPER = ("AVIF", "JPEG2000", "HEIF")
"""Formats whose decoders may run for minutes or ask for gigabytes: a helper process has them."""
FORMATS = (*IN_PROCESS, *IN_HELPER)
_HEIC = frozenset(
    b"ftyp" + brand for brand in (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx")
)

LARGE_PIXELS = 2**24
"""Above it, one image is decoded at a time, and brought down to what is needed meanwhile."""
_STRIP_PIXELS = 2**20
_one_large = threading.Lock()

# Errors that Pillow raises for broken files, hostile files and files that are not images. Its
# plug-ins raise many kinds of errors, and only some become OSError.
READ_ERRORS = (
    OSError,  # also UnidentifiedImageError, and "image file is truncated"
    SyntaxError,  # "broken PNG file", "not a TIFF file"
    ValueError,  # impossible sizes, too much text in a PNG, unknown modes
    EOFError,
    LookupError,
    TypeError,
    AttributeError,
    AssertionError,
    ArithmeticError,
    NameError,
    StopIteration,
    RuntimeError,  # compressions that this Pillow was built without, nesting without an end
    MemoryError,
    BufferError,
    Warning,  # if other code turns Pillow's warnings into errors
    struct.error,
    zlib.error,
    subprocess.SubprocessError,
    Image.DecompressionBombError,
)


@dataclass(frozen=True)
class Limits:
    """Limits on reading one image.

    Attributes
    ----------
    max_pixels : int
        Maximum width times height that a file declares.
    max_bytes : int
        Maximum size of a file.
    max_seconds : float
        Time limit of the helper process for one image (AVIF, HEIC and JPEG 2000).
    """

    max_pixels: int = 89_478_485
    max_bytes: int = 2**28
    max_seconds: float = 20.0


class TooManyPixelsError(ValueError):
    """An image that declares too many pixels."""


class TooManyBytesError(ValueError):
    """A file that is too large."""


class TooMuchHereError(Exception):
    """An image that the helper process has to decode, as its memory is limited."""


class NoDecoderError(ValueError):
    """An image whose decoder is a package that is not installed."""


def needs_helper(head: bytes) -> bool:
    """Return whether a file with this beginning is AVIF, HEIC or JPEG 2000."""
    return head[4:8] in (b"ftyp", b"jP  ") or head.startswith(b"\xff\x4f\xff\x51")


def check_decoder(head: bytes) -> None:
    """Raise if a file with this beginning is HEIC and no decoder is installed."""
    if head[4:12] in _HEIC and not reads_heif():
        raise NoDecoderError(
            "it is a HEIC image, for which the package 'pillow-heif' is not installed. Install it "
            "with: pip install 'scikit-zeroshot[heif]', or convert it to JPEG."
        )


@cache
def reads_heif() -> bool:
    """Return whether HEIC images are read: pillow-heif is installed."""
    return importlib.util.find_spec("pillow_heif") is not None


def decode(
    file: IO[bytes], limits: Limits, min_side: int | None, formats: tuple[str, ...] = IN_PROCESS
) -> np.ndarray:
    """Return the pixels of an open file, as `pixels_of` does.

    Raises
    ------
    one of READ_ERRORS
        The file is not an image of the supported formats, is damaged, or exceeds a limit.
    TooMuchHereError
        A large WebP image, unless this is the helper process.
    """
    with Image.open(file, formats=formats) as image:
        large = image.width * image.height > LARGE_PIXELS
        if large and image.format == "WEBP" and formats == IN_PROCESS:
            # Pillow stores it four times, as an animation: 16 bytes per pixel.
            check_size(image.size, limits)
            raise TooMuchHereError
        return pixels_of(image, limits, min_side)


def pixels_of(image: Image.Image, limits: Limits, min_side: int | None = None) -> np.ndarray:
    """Return an image as RGB pixels, upright.

    Parameters
    ----------
    image : PIL image
        The image, which is decoded here. It is not changed otherwise, unless it is large and
        `min_side` is given.
    limits : Limits
        Maximum number of pixels. The declared size is checked before decoding.
    min_side : int, optional
        A large image may be reduced, but its shorter side is not reduced below this.

    Returns
    -------
    uint8 ndarray of shape (height, width, 3)
    """
    check_size(image.size, limits)
    if image.width * image.height <= LARGE_PIXELS:
        image.load()
        return _turned(np.array(_to_rgb(image, image.format)), _orientation(image))
    with _one_large:
        orientation = _orientation(image)
        if min_side is not None:
            _decode_smaller(image, min_side)
        image.load()  # JPEG 2000 has its reduced size only now
        factor = 1
        if min_side is not None and image.width * image.height > LARGE_PIXELS:
            factor = max(1, min(image.size) // max(1, min_side))
        return _turned(_in_strips(image, factor), orientation)


def check_size(size: tuple[int, int], limits: Limits) -> None:
    """Raise if an image declares too many pixels."""
    if size[0] * size[1] > limits.max_pixels:
        raise TooManyPixelsError(
            f"it has {size[0]:,} x {size[1]:,} pixels, and the limit is {limits.max_pixels:,}"
        )


def _decode_smaller(image: Image.Image, min_side: int) -> None:
    """Let the decoder itself reduce the image, if the format supports this without loss."""
    scale = min(image.size) // max(min_side, 1)
    power = min(scale.bit_length() - 1, 3)  # JPEG knows 2, 4 and 8
    if power < 1:
        return
    if image.format in ("JPEG", "MPO"):
        image.draft(None, (image.width >> power, image.height >> power))
    elif image.format == "JPEG2000":
        image.reduce = power  # type: ignore[method-assign, assignment]


def _in_strips(image: Image.Image, factor: int) -> np.ndarray:
    """Return RGB pixels, averaged over squares of side `factor`, without a second full copy."""
    width, height = image.size
    pixels = np.empty((-(-height // factor), -(-width // factor), 3), dtype=np.uint8)
    step = factor * max(1, _STRIP_PIXELS // (width * factor))
    for top in range(0, height, step):
        strip = image.crop((0, top, width, min(top + step, height)))
        rgb = _to_rgb(strip, image.format)
        rows = np.asarray(rgb if factor == 1 else rgb.reduce(factor))
        pixels[top // factor : top // factor + len(rows)] = rows
    return pixels


def _turned(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Undo the EXIF orientation, with at most one copy."""
    if orientation in (5, 6, 7, 8):
        pixels = pixels.swapaxes(0, 1)
    vertical, horizontal = orientation in (3, 4, 7, 8), orientation in (2, 3, 6, 7)
    return np.ascontiguousarray(pixels[:: -1 if vertical else 1, :: -1 if horizontal else 1])


def _orientation(image: Image.Image) -> int:
    try:
        return image.getexif().get(0x0112, 1)  # tag "Orientation"
    except READ_ERRORS:
        return 1  # the pixels are intact; unreadable metadata has no rotation


def _to_rgb(image: Image.Image, file_format: str | None) -> Image.Image:
    """Return `image` in mode RGB: scaled, composited on white, or converted by Pillow."""
    if image.mode == "RGB" and "transparency" not in image.info:
        return image
    if image.mode.startswith("I;16") or (image.mode == "I" and file_format == "PNG"):
        # Pillow's own conversion clips 16-bit gray at 255; before version 11 it opened
        # such PNG files in mode I.
        gray = np.array(image).astype(np.uint16) >> 8
        return Image.fromarray(gray.astype(np.uint8)).convert("RGB")
    if image.mode in ("I", "F"):
        return Image.fromarray(rgb_pixels(np.asarray(image), called="np.asarray(image)"))
    if image.mode == "LAB":
        raise NotPixelsError(
            "its pixels are of mode 'LAB', which Pillow converts by color profiles alone. Convert "
            "it with PIL.ImageCms first."
        )
    if image.has_transparency_data:
        straight = image.convert("LA") if image.mode == "La" else image
        white = Image.new("RGBA", image.size, (255, 255, 255, 255))
        return Image.alpha_composite(white, straight.convert("RGBA")).convert("RGB")
    return image.convert("RGB")


def rebuilt(kind: str, message: str) -> BaseException:
    """Return an error of the helper process, from its name and its text."""
    known: dict[str, Any] = {
        error.__name__: error
        for error in (TooManyPixelsError, NotPixelsError, UnidentifiedImageError, *READ_ERRORS)
    }
    known |= {"error": OSError, "_ArrayMemoryError": MemoryError, "ValueError": ValueError}
    return known.get(kind, OSError)(message)
