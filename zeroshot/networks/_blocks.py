"""Building blocks of networks that are trained from scratch."""

from __future__ import annotations

from torch import Tensor, nn

from zeroshot._utils._validation import check_number


def check_batch(images: Tensor, *, smallest: int, owner: str) -> None:
    """Raise unless `images` is a float batch (n, 3, h, w) whose sides survive the poolings.

    Raises
    ------
    ValueError
        `images` has another shape, holds integers, or has a side below `smallest`.
    """
    shape = tuple(images.shape)
    if len(shape) != 4 or shape[1] != 3:
        raise ValueError(
            f"{owner}: images must have the shape (n, 3, height, width), got {shape}. Move the "
            "colours to the second axis with images.permute(0, 3, 1, 2), or add one for a single "
            "image with image[None]."
        )
    if not images.is_floating_point():
        raise ValueError(
            f"{owner}: images must be floats, got {images.dtype}. Convert them, as by "
            "images.float() / 255, and normalise them."
        )
    if min(shape[2:]) < smallest:
        raise ValueError(
            f"{owner}: images must be at least {smallest} by {smallest} pixels, because each "
            f"pooling halves them, got {shape[2]} by {shape[3]}. Enlarge them."
        )


def check_rate(rate: float, *, owner: str, name: str = "dropout") -> None:
    """Raise unless `rate` is a valid dropout rate.

    Raises
    ------
    ValueError
        `rate` is not a number, is negative, or drops everything.
    """
    check_number(rate, owner=owner, name=name, at_least=0)
    if rate >= 1:
        raise ValueError(f"{owner}: {name} must be below 1, got {rate!r}: nothing would be left.")


def scaled(channels: int, width: float) -> int:
    """Return `channels` times `width`, at least one."""
    return max(1, round(channels * width))


def convolution(
    n_in: int, n_out: int, *, bias: bool = False, momentum: float = 0.1
) -> list[nn.Module]:
    """Return a 3×3 convolution that keeps the size, batch normalisation and ReLU."""
    return [
        nn.Conv2d(n_in, n_out, 3, padding=1, bias=bias),
        nn.BatchNorm2d(n_out, momentum=momentum),
        nn.ReLU(inplace=True),
    ]
