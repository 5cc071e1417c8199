"""Arrays and tensors as RGB pixels."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from PIL import Image

_CHANNELS = (1, 3, 4)


class NotPixelsError(ValueError):
    """An object that is not an image. The message says what it is, and what to write instead."""


def is_tensor(item: Any) -> bool:
    """Return whether an object is a torch tensor, without importing torch."""
    return hasattr(item, "detach") and hasattr(item, "cpu")


def rgb_pixels(item: Any, *, called: str = "image") -> np.ndarray:
    """Return an array or a tensor as RGB pixels.

    As in matplotlib, scikit-image and torchvision, floats are taken as 0 to 1, and booleans as
    black and white. Gray is repeated, and transparency is composited on white. Channels stand last,
    or first where only that makes sense; in a tensor first, or last where only that makes sense.

    Parameters
    ----------
    item : array or tensor of shape (height, width), (height, width, c) or (c, height, width)
        With 1, 3 or 4 channels c. It is not changed.
    called : str, default="image"
        How the user writes the array, for the message.

    Returns
    -------
    ndarray of shape (height, width, 3)
        Of dtype uint8; the array itself if it is so already.

    Raises
    ------
    NotPixelsError
        Of another shape, or its numbers have no agreed range; the message says what to write.

    Examples
    --------
    >>> import numpy as np
    >>> from zeroshot._utils._pixel_arrays import rgb_pixels
    >>> rgb_pixels(np.array([[0.0, 0.2, 1.0]])).tolist()
    [[[0, 0, 0], [51, 51, 51], [255, 255, 255]]]
    """
    first, uint8 = is_tensor(item), "astype(np.uint8)"
    if first:
        uint8 = "to(torch.uint8)"
        item = item.detach().cpu()
        # NumPy has no bfloat16.
        item = (item.float() if item.is_floating_point() else item).numpy()
    array = _channels_last(np.asarray(item), prefer_first=first)
    if array.dtype != np.uint8:
        array = _as_bytes(array, called=called, uint8=uint8)
    if array.shape[2] == 4:
        image = Image.fromarray(np.ascontiguousarray(array))
        white = Image.new("RGBA", image.size, (255, 255, 255, 255))
        return np.array(Image.alpha_composite(white, image).convert("RGB"))
    return np.repeat(array, 3, axis=2) if array.shape[2] == 1 else array


def _channels_last(array: np.ndarray, *, prefer_first: bool) -> np.ndarray:
    """Return pixels of shape (height, width, 1, 3 or 4)."""
    if array.dtype.kind not in "biuf":
        raise NotPixelsError(
            f"it is an array of {array.dtype}, which is not a pixel. Pass numbers."
        )
    if 0 in array.shape:
        raise NotPixelsError(f"it is of shape {array.shape}, which has no pixel. Leave it out.")
    if array.ndim == 2:
        return array[..., np.newaxis]
    if array.ndim != 3:
        remedy = "Pass (height, width, 3), or (height, width) if it is gray."
        if array.ndim == 4:
            remedy = "It seems to be a batch: pass its images, such as image[0]."
        raise NotPixelsError(f"it is of shape {array.shape}, which is not an image's. {remedy}")
    is_last, is_first = array.shape[2] in _CHANNELS, array.shape[0] in _CHANNELS
    if is_first and (prefer_first or not is_last):
        return array.transpose(1, 2, 0)
    if is_last:
        return array
    raise NotPixelsError(
        f"it is of shape {array.shape}, with neither 1, 3 nor 4 channels at an end. Choose three "
        "channels: image[..., [0, 1, 2]]."
    )


def _as_bytes(array: np.ndarray, *, called: str, uint8: str) -> np.ndarray:
    """Return pixels as uint8, if their range is known."""
    if array.dtype.kind == "b":
        return array.astype(np.uint8) * np.uint8(255)
    is_float = array.dtype.kind == "f"
    values = array.astype(np.float32, copy=False) if is_float else array
    least, most = values.min().item(), values.max().item()
    if is_float and 0 <= least and most <= 1:  # both are False for NaN
        return np.rint(values * np.float32(255)).astype(np.uint8)
    found = f"its pixels are {array.dtype} from {least:g} to {most:g}"
    if not (math.isfinite(least) and math.isfinite(most)):
        said = f"{found}: some are not finite. Repair it, or leave it out."
    elif 0 <= least and most <= 255:
        said = f"{found}, where those of 0 to 255 are read as uint8. Write {called}.{uint8}."
    elif least >= 0 and not is_float and most < 2**16:
        said = f"{found}. If white is 65535, write ({called} // 256).{uint8}."
    elif least < 0 and is_float:
        said = (
            f"{found}. If it was normalized, undo that, so that black is 0 and white is 1: "
            f"{called} * std + mean."
        )
    else:
        said = (
            f"{found}. Scale it, so that black is 0 and white is 1: ({called} - black) / "
            "(white - black)."
        )
    raise NotPixelsError(said)
