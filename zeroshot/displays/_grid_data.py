"""Images and labels of a grid of predictions, checked."""

from __future__ import annotations

from typing import Any

import numpy as np
from PIL import Image

from zeroshot._images import read_image
from zeroshot._validation import check_labels
from zeroshot.exceptions import ImageReadError

MAX_PIXELS = 320


def label_rows(rows: Any, n: int, name: str, *, owner: str) -> np.ndarray:
    """Return labels as an array of shape (n, k).

    Raises
    ------
    ValueError
        They have another shape, or are of several kinds.
    """
    array = rows if isinstance(rows, np.ndarray) else np.asarray(list(rows), dtype=object)
    if array.ndim != 2 or array.shape[0] != n or not array.shape[1]:
        raise ValueError(
            f"{owner}: labels of {name!r} must have the shape ({n}, k), k labels for each image, "
            f"got {array.shape}. Pass the labels of predict_top_k(X, k)."
        )
    return check_labels(array.ravel(), owner=owner, name=f"labels of {name!r}").reshape(array.shape)


def small(image: Any, place: int) -> np.ndarray | None:
    """Return an image no larger than it is shown, or None where it cannot be read."""
    try:
        picture = Image.fromarray(read_image(image, place, min_side=MAX_PIXELS))
    except ImageReadError:
        return None
    picture.thumbnail((MAX_PIXELS, MAX_PIXELS))
    return np.asarray(picture)
