"""Augmentation: random changes to images during training."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

_SCALED = 10.0  # larger than any pixel that was brought to 0..1, or to mean 0 and deviation 1


def crop_and_flip(pixels: Tensor) -> Tensor:
    """Shift each image by up to an eighth of its size, and mirror half of them.

    Parameters
    ----------
    pixels : Tensor of shape (n, channels, height, width)
        Images, on any device. A shifted image is filled up by repeating its edge pixels.

    Returns
    -------
    Tensor of the same shape and dtype, channels last

    References
    ----------
    K. He, X. Zhang, S. Ren, J. Sun, "Deep Residual Learning for Image Recognition", CVPR 2016,
    section 4.2: 32 x 32 images, padded by 4 pixels.

    Examples
    --------
    >>> import torch
    >>> from zeroshot.networks._augmentation import crop_and_flip
    >>> crop_and_flip(torch.ones(2, 3, 8, 8)).shape
    torch.Size([2, 3, 8, 8])
    """
    n, _, height, width = pixels.shape
    y, x = height // 8, width // 8
    padded = F.pad(pixels.float(), (x, x, y, y), mode="replicate").to(pixels.dtype)
    # Drawn on the CPU: the same numbers on every device.
    top = torch.randint(2 * y + 1, (n, 1, 1), device="cpu")
    left = torch.randint(2 * x + 1, (n, 1, 1), device="cpu")
    mirrored = torch.rand(n, 1, 1, device="cpu") < 0.5
    rows = top + torch.arange(height)[None, :, None]
    columns = torch.arange(width)[None, None, :].expand(n, 1, width)
    columns = left + torch.where(mirrored, width - 1 - columns, columns)
    samples = torch.arange(n)[:, None, None]
    channels_last = padded.permute(0, 2, 3, 1)
    device = pixels.device
    taken = channels_last[samples.to(device), rows.to(device), columns.to(device)]
    return taken.permute(0, 3, 1, 2)


def check_augmented(images: Tensor, augmented: Tensor, *, owner: str) -> Tensor:
    """Return the augmented images, if their number and their scale are unchanged.

    Parameters
    ----------
    images : uint8 Tensor of shape (n, 3, height, width)
        The images that the augmentation was given.
    augmented : Tensor of shape (n, 3, height, width)
        The images that it returned. Height and width may differ.
    owner : str
        Owner of the parameter, for the messages.

    Raises
    ------
    TypeError
        `augmented` is not a tensor.
    ValueError
        `augmented` has another shape, or holds floats that are already scaled. The network itself
        scales pixels.
    """
    if not isinstance(augmented, Tensor):
        raise TypeError(
            f"{owner}: augmentation must return a tensor, got {type(augmented).__name__}."
        )
    if augmented.ndim != 4 or augmented.shape[:2] != images.shape[:2]:
        raise ValueError(
            f"{owner}: augmentation must return as many images as it was given, "
            f"({images.shape[0]}, {images.shape[1]}, height, width), got {tuple(augmented.shape)}."
        )
    if augmented.is_floating_point():
        largest = float(augmented.abs().max())
        if largest <= _SCALED and images.max() >= 10 * _SCALED:
            raise ValueError(
                f"{owner}: augmentation must return pixels of 0 to 255, which the network scales "
                f"itself, got floats of at most {largest:.3g}. Leave out what scales or normalises "
                "them, such as ToDtype(scale=True) and Normalize."
            )
    return augmented
