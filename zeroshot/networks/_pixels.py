"""Images as pixels for training: of one size, one batch at a time."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from zeroshot._utils._device import to_tensor
from zeroshot._utils._images import check_images, name_of, path_of, read_image
from zeroshot.backbones._read_ahead import n_threads

MEMORY = 2 * 2**30
"""How many bytes of pixels are read once and kept; more are read again in each epoch."""


@dataclass(frozen=True)
class Pixels:
    """Images of one size.

    Attributes
    ----------
    images : uint8 ndarray of shape (n, height, width, 3), or sequence of images
        Pixels, or images that are read one batch at a time.
    shape : tuple of int
        Height and width.
    read : callable
        Function from an image and its position to its pixels.
    """

    images: Any
    shape: tuple[int, int]
    read: Callable[[Any, int], np.ndarray]

    def __len__(self) -> int:
        return len(self.images)

    def batch(self, rows: np.ndarray) -> Tensor:
        """Return some images, uint8 of shape (n_rows, 3, height, width), channels last."""
        if isinstance(self.images, np.ndarray):
            pixels = self.images[rows]
        else:
            items = [(self.images[row], int(row)) for row in rows]
            pixels = np.stack(_read_all(items, self.read))
        return to_tensor(pixels, torch.device("cpu")).permute(0, 3, 1, 2)

    def digest(self) -> str:
        """Return a SHA-256 of the pixels, or of the paths, sizes and times of files."""
        digest = hashlib.sha256(repr((self.shape, len(self))).encode())
        if isinstance(self.images, np.ndarray):
            digest.update(np.ascontiguousarray(self.images).data)
            return digest.hexdigest()
        for position, item in enumerate(self.images):
            path = path_of(item)
            if path is None or isinstance(item, Mapping):  # its path may lie in an archive
                digest.update(self.read(item, position).tobytes())
            else:
                about = os.stat(path)
                digest.update(f"{path}:{about.st_size}:{about.st_mtime_ns};".encode())
        return digest.hexdigest()


def open_pixels(X: Any, *, image_size: int | None, resize: int | None = None, owner: str) -> Pixels:
    """Return images as pixels of one size. If they fit into memory, they are read now.

    Parameters
    ----------
    X : list of path or PIL image, or uint8 array of shape (n, height, width, 3)
        The images.
    image_size : int or None
        Side of the central square that is cut out of each image. None uses images as they are.
    resize : int, optional
        Length to which the shorter side is resized first; `image_size` if None.
    owner : str
        Who asks, for the messages.

    Raises
    ------
    ImageReadError
        An image cannot be read.
    TypeError, ValueError
        `X` is not a list of images; or `image_size` is None and the images differ in size.
    """
    images = check_images(X, owner=owner)
    if image_size is None:
        return _as_they_are(images, owner)
    shape = (image_size, image_size)

    needed = 2 * max(image_size, resize or 0)

    def read(item: Any, position: int) -> np.ndarray:
        return _square(
            read_image(item, position, min_side=needed), image_size, resize or image_size
        )

    if isinstance(images, np.ndarray) and images.shape[1:3] == shape and resize in (None, *shape):
        return Pixels(images, shape, read)
    if len(images) * image_size**2 * 3 > MEMORY:
        return Pixels(images, shape, read)
    return Pixels(np.stack(_read_all(list(zip(images, range(len(images)))), read)), shape, read)  # noqa: B905


def _as_they_are(images: Sequence[Any] | np.ndarray, owner: str) -> Pixels:
    if isinstance(images, np.ndarray):
        return Pixels(images, images.shape[1:3], read_image)
    first = read_image(images[0], 0).shape

    def read(item: Any, position: int) -> np.ndarray:
        pixels = read_image(item, position)
        if pixels.shape != first:
            raise ValueError(
                f"{owner}: images differ in size: {name_of(images[0], 0)} has {first[1]} x "
                f"{first[0]} pixels, {name_of(item, position)} {pixels.shape[1]} x "
                f"{pixels.shape[0]}. Pass image_size= to bring all to one size."
            )
        return pixels

    if len(images) * first[0] * first[1] * 3 > MEMORY:
        return Pixels(images, first[:2], read)
    pixels = np.stack(_read_all(list(zip(images, range(len(images)))), read))  # noqa: B905
    return Pixels(pixels, first[:2], read)


def _read_all(
    items: list[tuple[Any, int]], read: Callable[[Any, int], np.ndarray]
) -> list[np.ndarray]:
    with ThreadPoolExecutor(n_threads(None, owner="images")) as pool:
        return list(pool.map(lambda item: read(*item), items))


def _square(pixels: np.ndarray, size: int, resize: int) -> np.ndarray:
    """Resize the shorter side to `resize`, and cut out the central square of side `size`."""
    height, width = pixels.shape[:2]
    scale = max(resize, size) / min(height, width)
    if scale != 1:
        wanted = (max(size, round(width * scale)), max(size, round(height * scale)))
        pixels = np.asarray(Image.fromarray(pixels).resize(wanted, Image.Resampling.BICUBIC))
    top, left = ((side - size) // 2 for side in pixels.shape[:2])
    return pixels[top : top + size, left : left + size]
