"""Random changes to images while a network is trained."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def crop_and_flip(pixels: Tensor) -> Tensor:
    """Shift each image by up to an eighth of its size, and mirror half of them.

    Parameters
    ----------
    pixels : Tensor of shape (n, channels, height, width)
        On any device. Edges are repeated where an image leaves its frame.

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
    >>> from zeroshot.backbones._augmentation import crop_and_flip
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
