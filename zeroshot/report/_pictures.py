"""Small copies of images."""

from __future__ import annotations

import base64
import io
from typing import Any

from PIL import Image

from zeroshot._utils._images import read_image
from zeroshot.exceptions import ImageReadError

LONGEST = 400  # pixels, for screens with two pixels per CSS pixel


def small_copy(image: Any) -> str | None:
    """Return a small copy of an image as a data URI, or None if it cannot be read."""
    try:
        picture = Image.fromarray(read_image(image, min_side=LONGEST))
    except ImageReadError:
        return None
    picture.thumbnail((LONGEST, LONGEST))
    buffer = io.BytesIO()
    picture.save(buffer, format="JPEG", quality=80)
    content = base64.b64encode(buffer.getvalue()).decode("ascii")
    return f"data:image/jpeg;base64,{content}"
