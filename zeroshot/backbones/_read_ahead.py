"""Threads that read images ahead of the network, in order and in bounded memory."""

from __future__ import annotations

import itertools
import os
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import Any

import numpy as np
from PIL import Image

from zeroshot._utils._decoding import Limits
from zeroshot._utils._images import memory_error, read_image
from zeroshot.exceptions import ImageReadError

Transform = Callable[[Image.Image], Any]
Prepared = np.ndarray | ImageReadError


_MOST_THREADS = 1024


def n_threads(num_workers: int | None, *, owner: str) -> int:
    """Return the number of reading threads; None is one per processor, at most four.

    Raises
    ------
    ValueError
        `num_workers` is not an integer from 0 to 1,024.
    """
    if num_workers is None:
        return min(4, os.cpu_count() or 1)
    whole = isinstance(num_workers, int) and not isinstance(num_workers, bool)
    if not whole or not 0 <= num_workers <= _MOST_THREADS:
        raise ValueError(
            f"{owner}: num_workers must be None or an integer from 0 to {_MOST_THREADS:,}, got "
            f"{num_workers!r}."
        )
    return num_workers


def center_square(pixels: np.ndarray) -> np.ndarray:
    """Return the largest central square of an image of shape (height, width, 3)."""
    height, width = pixels.shape[-3:-1]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return pixels[..., top : top + side, left : left + side, :]


def prepare(item: Any, position: int, size: int, transform: Transform, limits: Limits) -> Prepared:
    """Read one image and return it as a square of at most `size` pixels per side.

    An image that is at least as large as the network's input goes through timm's own evaluation
    transform. From a smaller image, only the central square is cut out. It is resized later,
    together with other images of its size.

    Parameters
    ----------
    item : path, PIL image, or uint8 array of shape (height, width, 3)
        The image.
    position : int
        Position in the user's list.
    size : int
        Side of the network's input, in pixels.
    transform : callable
        PIL image to uint8 tensor of shape (3, size, size).
    limits : Limits
        Limits on the size and the time of reading.

    Returns
    -------
    uint8 ndarray of shape (side, side, 3) with side <= size, or ImageReadError
        The error is returned, not raised, so that the caller can decide what to do.
    """
    try:
        # Twice the input's side, so that the transform still does most of the resizing.
        pixels = read_image(item, position, limits=limits, min_side=2 * size)
        if min(pixels.shape[:2]) < size:
            return center_square(pixels)
        return transform(Image.fromarray(pixels)).permute(1, 2, 0).numpy()
    except ImageReadError as error:
        return error
    except MemoryError as error:
        return memory_error(item, position, error)


def read_batches(
    images: Sequence[Any] | np.ndarray,
    *,
    size: int,
    transform: Transform,
    batch_size: int,
    num_workers: int,
    limits: Limits,
    positions: Sequence[int] | None = None,
) -> Generator[list[Prepared]]:
    """Yield all prepared images in order, `batch_size` at a time.

    At most one batch and two images per thread are held ahead of the caller. `positions` are those
    of the images in the user's list, if they are a part of it.
    """
    if isinstance(images, np.ndarray) and min(images.shape[1:3]) < size:
        for start in range(0, len(images), batch_size):
            yield list(center_square(images[start : start + batch_size]))
        return
    todo = zip(itertools.count() if positions is None else positions, images, strict=False)
    if num_workers == 0:
        ready = (prepare(item, i, size, transform, limits) for i, item in todo)
        while batch := list(islice(ready, batch_size)):
            yield batch
        return
    yield from _read_ahead(todo, size, transform, batch_size, num_workers, limits)


def _read_ahead(
    todo: Iterator[tuple[int, Any]],
    size: int,
    transform: Transform,
    batch_size: int,
    num_workers: int,
    limits: Limits,
) -> Generator[list[Prepared]]:
    waiting: deque[Future[Prepared]] = deque()
    pool = ThreadPoolExecutor(num_workers, thread_name_prefix="zeroshot-read")
    try:
        while True:
            room = batch_size + 2 * num_workers - len(waiting)
            for position, item in islice(todo, room):
                waiting.append(pool.submit(prepare, item, position, size, transform, limits))
            if not waiting:
                return
            yield [waiting.popleft().result() for _ in range(min(batch_size, len(waiting)))]
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
