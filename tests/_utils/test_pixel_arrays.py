"""Arrays and tensors as pixels: what is read, and remedies that are right."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch
from PIL import Image

from zeroshot._utils._images import check_images, read_image
from zeroshot.exceptions import ImageReadError

PIXELS = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
FLOATS = PIXELS / 255
FIRST = torch.tensor(PIXELS).permute(2, 0, 1)


@pytest.mark.case
@pytest.mark.parametrize(
    "image",
    [
        FLOATS,
        FLOATS.astype(np.float32),
        FLOATS.transpose(2, 0, 1),
        np.dstack([PIXELS, np.full((5, 7), 255, np.uint8)]),
        np.dstack([FLOATS, np.ones((5, 7))]),
        PIXELS.transpose(2, 0, 1),
        FIRST,
        FIRST.permute(1, 2, 0),
        FIRST / 255,
        (FIRST / 255).requires_grad_(),
        (FIRST / 255).to(torch.bfloat16),
    ],
    ids=lambda image: f"{image.dtype}-{tuple(image.shape)}",
)
def test_arrays_and_tensors_have_the_pixels_of_the_image(image) -> None:
    atol = 1 if getattr(image, "dtype", None) == torch.bfloat16 else 0
    for X in ([image], image[None]):
        (item,) = check_images(X, owner="test")
        np.testing.assert_allclose(read_image(item).astype(int), PIXELS, atol=atol)
        assert read_image(item).dtype == np.uint8


@pytest.mark.case
def test_gray_boolean_and_transparent_pixels() -> None:
    gray = np.repeat(PIXELS[..., :1], 3, axis=2)
    for image in (PIXELS[..., 0], PIXELS[..., :1], FIRST[:1], FLOATS[..., :1], FLOATS[..., 0]):
        np.testing.assert_array_equal(read_image(image), gray)
    mask = PIXELS[..., 0] > 100
    expected = np.asarray(Image.fromarray(mask).convert("RGB"))
    for image in (mask, mask[..., np.newaxis], torch.tensor(mask), torch.tensor(mask)[None]):
        np.testing.assert_array_equal(read_image(image), expected)
    clear = np.dstack([PIXELS, np.zeros((5, 7), np.uint8)])
    assert (read_image(clear) == 255).all()
    half = np.dstack([np.zeros((5, 7, 3)), np.full((5, 7), 0.5)])
    assert abs(read_image(half).astype(int) - 127).max() <= 1


def test_channels_stand_where_the_library_has_them() -> None:
    """Where both ends could be channels, arrays have them last and tensors first."""
    pixels = np.random.default_rng(0).integers(0, 256, (3, 5, 3), dtype=np.uint8)
    np.testing.assert_array_equal(read_image(pixels), pixels)
    np.testing.assert_array_equal(read_image(torch.tensor(pixels)), pixels.transpose(1, 2, 0))


@pytest.mark.case
@pytest.mark.parametrize(
    ("image", "white"),
    [
        (PIXELS.astype(np.float64), 255),
        (PIXELS.astype(np.int64), 255),
        (PIXELS.astype(np.uint16) * 257, 65535),
        (FIRST.float(), 255),
        (FIRST.to(torch.int32) * 257, 65535),
        ((FLOATS - 0.5) / 0.25, "normalized"),
        (PIXELS.astype(np.float64) * 10, "scaled"),
        (PIXELS.astype(np.int64) * 1000, "scaled"),
        (Image.fromarray(PIXELS[..., 0].astype(np.int32)), 255),
        (Image.fromarray(PIXELS[..., 0].astype(np.float32)), 255),
        (Image.fromarray(PIXELS[..., 0].astype(np.int32) * 257), 65535),
    ],
    ids=lambda value: getattr(value, "mode", str(getattr(value, "dtype", value))),
)
def test_following_the_remedy_gives_the_image(image, white) -> None:
    expected = PIXELS if np.ndim(image) == 3 else np.repeat(PIXELS[..., :1], 3, axis=2)
    with pytest.raises(ImageReadError, match="position 3: its pixels are") as caught:
        read_image(image, 3)
    code = re.search(r"(?:[Ww]rite|is 1:) (.+)\.$", str(caught.value))
    assert code is not None
    names = {"image": image, "np": np, "torch": torch, "mean": 0.5, "std": 0.25, "black": 0}
    most = np.asarray(image).max().item()
    names["white"] = most / PIXELS.max() * 255
    np.testing.assert_array_equal(read_image(eval(code[1], names)), expected)


@pytest.mark.parametrize(
    ("image", "says"),
    [
        (np.full((4, 4, 3), np.nan), "not finite.*leave it out"),
        (np.zeros((8, 9, 7), np.uint8), r"\(8, 9, 7\), with neither 1, 3 nor 4.*\[\.\.\., \["),
        (np.zeros((1, 4, 4, 3), np.uint8), r"batch: pass its images, such as image\[0\]"),
        (np.zeros(4, np.uint8), r"\(4,\), which is not an image's.*\(height, width, 3\)"),
        (np.zeros((0, 4, 3), np.uint8), r"no pixel\. Leave it out"),
        (np.array([["a"]]), "array of <U1.*Pass numbers"),
        (np.zeros((4, 4, 3), complex), "array of complex128"),
    ],
)
def test_arrays_that_are_no_image(image, says: str) -> None:
    with pytest.raises(ImageReadError, match=says):
        read_image(image)


def test_the_array_is_untouched() -> None:
    for image in (FLOATS, PIXELS, PIXELS.transpose(2, 0, 1)):
        before = image.copy()
        read_image(image)
        np.testing.assert_array_equal(image, before)
    assert read_image(PIXELS) is PIXELS
