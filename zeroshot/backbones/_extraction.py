"""Loop from images to rows of features, with an error for each unreadable image."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from typing import Any

import numpy as np
import torch

from zeroshot._utils._decoding import Limits
from zeroshot._utils._device import to_numpy
from zeroshot._utils._images import name_of, path_of
from zeroshot._utils._progress import progress_bar
from zeroshot.backbones._network import Network
from zeroshot.backbones._read_ahead import read_batches
from zeroshot.exceptions import ImageReadError, UnreadableImageWarning, message_of

Errors = dict[int, ImageReadError]

_NAMED_IN_WARNING = 10


def compute_rows(
    network: Network,
    images: Sequence[Any] | np.ndarray,
    *,
    logits: bool,
    stop_on_error: bool,
    batch_size: int,
    num_workers: int,
    limits: Limits,
    progress: bool | str,
    owner: str,
    positions: Sequence[int] | None = None,
    keep: Callable[[list[int], np.ndarray], None] | None = None,
) -> tuple[np.ndarray, Errors]:
    """Return one row per image, and an error for each image that cannot be read.

    `positions` are those of the images in the user's list, if they are a part of it. `keep` is
    called with places in `images` and their rows, batch after batch.

    Returns
    -------
    rows : float32 ndarray of shape (n, n_features) or (n, n_classes)
        NaN for images that cannot be read.
    errors : dict of int to ImageReadError
        Errors by position, in order.

    Raises
    ------
    ImageReadError
        An image cannot be read, and `stop_on_error` is True.
    """
    width = network.n_classes if logits else network.width
    rows = np.full((len(images), width), np.nan, dtype=np.float32)
    errors: Errors = {}
    batches = read_batches(
        images,
        size=network.size,
        transform=network.transform,
        batch_size=min(batch_size, network.max_batch or batch_size),
        num_workers=num_workers,
        limits=limits,
        positions=positions,
    )
    bar = progress_bar(
        progress=progress,
        total=len(images),
        desc=f"{'logits' if logits else 'features'} ({network.device.type})",
        unit="image",
    )
    # Closed here, because a stored error would otherwise keep the reading threads alive.
    with bar, closing(batches):
        refusing = owner if stop_on_error else None
        for places, values in _computed(network, batches, errors, logits, refusing):
            rows[places] = to_numpy(values)
            if keep is not None:
                keep(places, rows[places])
            bar.update(len(places))
    return rows, errors


def _computed(
    network: Network,
    batches: Iterator[list[Any]],
    errors: Errors,
    logits: bool,
    refusing: str | None,
) -> Iterator[tuple[list[int], torch.Tensor]]:
    """Yield the positions and values of each batch, one batch behind its computation.

    An accelerator computes asynchronously: fetching the previous batch meanwhile keeps it busy. If
    `refusing` is given, the first image that cannot be read raises an error in its name.
    """
    start, previous = 0, None
    for batch in batches:
        good = []
        for position, prepared in enumerate(batch, start):
            if not isinstance(prepared, ImageReadError):
                good.append(position)
            elif refusing is not None:
                raise ImageReadError(
                    f"{refusing}: " + message_of(prepared) + " Or leave it out, and its label: "
                    "load_image_folder(..., skip_unreadable=True) does, and extract(X) returns "
                    "which rows it kept. Without labels, on_error='skip' or 'nan' goes on."
                ) from prepared.__cause__
            else:
                errors[position] = prepared
        if good:
            values = network([batch[position - start] for position in good], logits=logits)
            if previous is not None:
                yield previous
            previous = good, values
        start += len(batch)
    if previous is not None:
        yield previous


def warn_unreadable(
    images: Sequence[Any] | np.ndarray, errors: Errors, on_error: str, *, owner: str
) -> None:
    """Warn of images that could not be read: ten by name, all in the warning's attributes."""
    named = [name_of(images[position], position) for position in errors]
    more = len(named) - _NAMED_IN_WARNING
    listed = ", ".join(named[:_NAMED_IN_WARNING]) + (f" and {more} more" if more > 0 else "")
    done = "left out of the result" if on_error == "skip" else "NaN in the result"
    first = next(iter(errors.values()))
    warnings.warn(
        UnreadableImageWarning(
            f"{owner}: {len(errors)} of {len(images)} images cannot be read and are {done}: "
            f"{listed}. The first: {first} extract(X) returns the error of every one.",
            indices=list(errors),
            paths=[path_of(images[position]) for position in errors],
        ),
        stacklevel=5,
    )
