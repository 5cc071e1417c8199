"""Strategies for files that pretend to be images: mutations of real ones, and other things."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from functools import cache

import numpy as np
from hypothesis import strategies as st
from PIL import Image

from zeroshot._utils._decoding import READ_ERRORS

WIDTH, HEIGHT = 43, 37  # seldom found in a file by chance, so that a search finds declared sizes

FOREIGN = (
    b"",
    b"\0" * 4096,
    b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 100 100\n%%EndComments\nshowpage\n",
    b"%!PS-Adobe-3.0\n%%BoundingBox: 0 0 99999 99999\n%%EndComments\n(/tmp/x) (w) file\n",
    b"\xc5\xd0\xd3\xc6\x1e\0\0\0\x40\0\0\0" + b"\0" * 18 + b"%!PS-Adobe-3.0 EPSF-3.0\n",
    b"%PDF-1.7\n1 0 obj <</Type /Catalog /OpenAction <</S /Launch /F (x)>>>> endobj\n",
    b'<?xml version="1.0"?><!DOCTYPE s [<!ENTITY x SYSTEM "file:///etc/passwd">]><svg>&x;</svg>',
    b"8BPS\0\1\0\0\0\0\0\0\0\3\0\0\xff\xff\0\0\xff\xff\0\x08\0\3",
    b"\xd7\xcd\xc6\x9a\0\0\0\0\0\0\xff\x7f\xff\x7f\x60\0" + b"\0" * 40,
    b"PK\3\4" + b"\0" * 60,
    b"#!/bin/sh\ntouch /tmp/zeroshot-canary\n",
    b"/* XPM */\nstatic char *x[] = {\n",
    b"P6 99999 99999 255\n",
    b"P5 1 1 99999999999999999999\n",
    b"P4 -5 7\n",
)


def _picture(mode: str = "RGB") -> Image.Image:
    rng = np.random.default_rng(0)
    small = rng.integers(0, 256, (5, 6, 3), dtype=np.uint8)
    image = Image.fromarray(small).resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC)
    if mode == "I;16":
        return Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 257)
    return image.convert(mode)


def _several() -> dict[str, object]:
    """Return options for an animation; Pillow leaves marks on the frames that it writes."""
    return {"save_all": True, "append_images": [_picture().rotate(90), _picture().rotate(180)]}


@cache
def sound_images() -> tuple[bytes, ...]:
    """Return small real images of every format and of many of its variants."""
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "a description"
    variants = [
        ("JPEG", "RGB", {"exif": exif}),
        ("JPEG", "L", {"progressive": True}),
        ("JPEG", "CMYK", {}),
        ("MPO", "RGB", _several()),
        ("PNG", "RGB", {"exif": exif}),
        ("PNG", "RGBA", {}),
        ("PNG", "P", {"transparency": 3}),
        ("PNG", "I;16", {}),
        ("PNG", "RGB", _several()),
        ("GIF", "P", {}),
        ("GIF", "RGB", {**_several(), "duration": 50, "disposal": 2}),
        ("WEBP", "RGB", {"exif": exif}),
        ("WEBP", "RGBA", {"lossless": True}),
        ("WEBP", "RGB", _several()),
        ("BMP", "RGB", {}),
        ("BMP", "P", {}),
        ("TIFF", "RGB", {"exif": exif}),
        ("TIFF", "RGB", {"compression": "tiff_deflate"}),
        ("TIFF", "L", {"compression": "tiff_lzw"}),
        ("TIFF", "RGB", {"compression": "jpeg"}),
        ("TIFF", "1", {"compression": "group4"}),
        ("TIFF", "CMYK", {}),
        ("TIFF", "RGB", _several()),
        ("PPM", "RGB", {}),
        ("PPM", "L", {}),
        ("PPM", "1", {}),
        ("AVIF", "RGB", {}),
        ("AVIF", "RGB", _several()),
        ("JPEG2000", "RGB", {}),
        ("JPEG2000", "LA", {"no_jp2": True}),
    ]
    saved = [_saved(_picture(mode), kind, **options) for kind, mode, options in variants]
    return (*saved, *_heic())


def _heic() -> list[bytes]:
    """Return HEIC images, where something writes them, without a word to Pillow of the format."""
    try:
        import pillow_heif
    except ImportError:
        return []
    buffer = io.BytesIO()
    pillow_heif.from_pillow(_picture()).save(buffer, exif=b"Exif\0\0MM\0*\0\0\0\x08\0\0\0\0")
    return [buffer.getvalue()]


def _saved(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


Mutation = Callable[[st.DrawFn, bytes], bytes]


def truncated(draw: st.DrawFn, content: bytes) -> bytes:
    return content[: draw(st.integers(min(20, len(content)), len(content)))]


def flipped(draw: st.DrawFn, content: bytes) -> bytes:
    changed = bytearray(content)
    top = max(0, min(len(content), draw(st.sampled_from([40, 400, 10_000]))) - 1)
    for _ in range(draw(st.integers(1, 12)) if content else 0):
        changed[draw(st.integers(0, top))] = draw(st.integers(0, 255))
    return bytes(changed)


def cut_out(draw: st.DrawFn, content: bytes) -> bytes:
    start = draw(st.integers(0, len(content)))
    return content[:start] + content[start + draw(st.integers(1, 64)) :]


def repeated(draw: st.DrawFn, content: bytes) -> bytes:
    start = draw(st.integers(0, len(content)))
    part = content[start : start + draw(st.integers(1, 200))]
    return content[:start] + part * draw(st.integers(2, 40)) + content[start:]


def inserted(draw: st.DrawFn, content: bytes) -> bytes:
    start = draw(st.integers(0, len(content)))
    return content[:start] + draw(st.binary(min_size=1, max_size=64)) + content[start:]


def grafted(draw: st.DrawFn, content: bytes) -> bytes:
    """Put the beginning of another file before the rest of this one."""
    other = draw(st.sampled_from(sound_images() + FOREIGN))
    return other[: draw(st.integers(0, 64))] + content[draw(st.integers(0, 64)) :]


def resized(draw: st.DrawFn, content: bytes) -> bytes:
    """Declare another width and height, wherever this file declares them."""
    sides = st.sampled_from([0, 1, 2**15, 65_500, 9_400, 40_000, 2**24 + 1, 2**31 - 1, 2**32 - 1])
    for true in (WIDTH, HEIGHT):
        wanted = draw(sides)
        # AVIF, PNG and JPEG 2000 have four bytes in this order, BMP in the other, JPEG and TIFF two
        for code in (">I", "<I", ">H", "<H"):
            largest = 2 ** (8 * struct.calcsize(code)) - 1
            old, new = struct.pack(code, true), struct.pack(code, min(wanted, largest))
            if draw(st.booleans()):
                content = content.replace(old, new)
        content = content.replace(b"%d " % true, b"%d " % wanted)
    return checksummed(content)


def numbered(draw: st.DrawFn, content: bytes) -> bytes:
    """Overwrite some numbers by extreme ones: counts, offsets and lengths."""
    changed = bytearray(content)
    for _ in range(draw(st.integers(1, 4)) if len(content) > 8 else 0):
        place = draw(st.integers(0, min(len(content) - 4, 600)))
        code = draw(st.sampled_from([">I", "<I", ">H", "<H"]))
        largest = 2 ** (8 * struct.calcsize(code)) - 1
        value = draw(st.sampled_from([0, 1, largest, largest // 2 + 1, largest // 2, 4096]))
        struct.pack_into(code, changed, place, value)
    return checksummed(bytes(changed))


def checksummed(content: bytes) -> bytes:
    """Make the checksums of a PNG right again, so that its decoder goes on."""
    if not content.startswith(b"\x89PNG\r\n\x1a\n"):
        return content
    parts, place = [content[:8]], 8
    while place + 12 <= len(content):
        (length,) = struct.unpack_from(">I", content, place)
        body = content[place + 4 : place + 8 + length]
        parts += [content[place : place + 4], body, struct.pack(">I", zlib.crc32(body))]
        place += 12 + length
    return b"".join(parts)


def unchanged(draw: st.DrawFn, content: bytes) -> bytes:
    return content


MUTATIONS: tuple[Mutation, ...] = (
    truncated, flipped, flipped, cut_out, repeated, inserted, grafted, resized, resized, numbered,
    numbered, unchanged,
)  # fmt: skip


def _chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


@st.composite
def with_garbage(draw: st.DrawFn) -> bytes:
    """Return a sound picture with metadata that is not: EXIF, colour profile, compressed text."""
    kind = draw(st.sampled_from(["JPEG", "PNG", "WEBP", "TIFF", "AVIF"]))
    options: dict[str, bytes] = {}
    if draw(st.booleans()):
        options["exif"] = (
            b"Exif\0\0"
            + draw(st.sampled_from([b"II*\0", b"MM\0*", b""]))
            + draw(st.binary(max_size=200))
        )
    if draw(st.booleans()):
        options["icc_profile"] = draw(st.binary(min_size=1, max_size=200))
    try:
        content = _saved(_picture(), kind, **options)
    except READ_ERRORS:
        content = _saved(_picture(), kind)  # Pillow does not write every garbage
    if kind == "PNG":
        name = draw(
            st.sampled_from([b"zTXt", b"iCCP", b"iTXt", b"eXIf", b"acTL", b"fcTL", b"PLTE"])
        )
        size = draw(st.sampled_from([10, 10**5, 3 * 10**7]))
        body = draw(st.sampled_from([b"a\0\0", b"a\0\1\0\0\0", b""])) + zlib.compress(b"a" * size)
        content = content[:33] + _chunk(name, body) * draw(st.integers(1, 3)) + content[33:]
    return content


@st.composite
def bombs(draw: st.DrawFn) -> bytes:
    """Return a PNG or TIFF that declares many pixels, and has them, in few bytes."""
    side = draw(st.sampled_from([100, 4_000, 9_000]))
    image = Image.new(draw(st.sampled_from(["1", "L", "P"])), (side, side))
    if draw(st.booleans()):
        return _saved(image, "PNG", compress_level=1)
    return _saved(image, "TIFF", compression="tiff_deflate")


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """Return a real image with one to four changes."""
    sound = content = draw(st.sampled_from(sound_images()))
    for change in draw(st.lists(st.sampled_from(MUTATIONS), min_size=1, max_size=3)):
        content = change(draw, content)
    if draw(st.integers(0, 9)):  # without its signature, a file is refused before it is decoded
        content = sound[:16] + content[16:]
    return content


def hostile_images() -> st.SearchStrategy[bytes]:
    """Return files of all the kinds above."""
    common = [mutated()] * 12
    rare = [with_garbage(), with_garbage(), st.sampled_from(FOREIGN), st.binary(max_size=300)]
    return st.integers(0, 200).flatmap(lambda n: bombs() if n == 100 else st.one_of(*common, *rare))
