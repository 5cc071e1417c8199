"""Pictures of a report: charts in two widths, and small copies of images."""

from __future__ import annotations

import base64
import io
import warnings
from collections.abc import Callable, Mapping
from typing import Any

from PIL import Image

from zeroshot._utils._images import read_image
from zeroshot._utils._optional import import_optional
from zeroshot.exceptions import ImageReadError
from zeroshot.report._page import PARTS

# Widths in inches: of the text on a desktop and on a phone, at which a browser shows the letters
# about as large as they are drawn.
WIDE, NARROW = 8.4, 3.7
THUMBNAIL = 240  # pixels, for screens of two a CSS pixel


def chart(
    make: Callable[[Any], Any],
    height: Callable[[float], float],
    *,
    alt: str,
    caption: str,
    legend_columns: int = 0,
    narrow: Mapping[str, Any] | None = None,
    trim: Callable[[Any], Any] | None = None,
) -> str:
    """Return a display drawn twice, of which the browser takes the one that fits.

    Parameters
    ----------
    make : callable
        Takes axes, draws on them, and returns the display.
    height : callable
        Takes the width in inches, `WIDE` or `NARROW`, and returns the height.
    alt : str
        What is to be seen, for those who cannot.
    caption : str
        What it shows, and how to read it.
    legend_columns : int, default=0
        Columns of the legend below the wide figure; 0 leaves it inside the axes.
    narrow : mapping, optional
        Options of ``plot`` for the narrow figure.
    trim : callable, optional
        Takes what the narrow figure has no room for from the display.

    Raises
    ------
    MissingDependencyError
        matplotlib is not installed.
    """
    with warnings.catch_warnings():
        # Names in letters that the font lacks are boxes here; the page has them as text as well.
        warnings.filterwarnings("ignore", r"Glyph \d+ .* missing from font")
        figure, ax = _figure(WIDE, height(WIDE))
        display = make(ax)
        other, other_ax = _figure(NARROW, height(NARROW))
        display.plot(other_ax, **(narrow or {}))
        if trim is not None:
            trim(display)
        notes = [each.get_title(loc="left").split() for each in (ax, other_ax)]
        of_wide, of_narrow = (" ".join(words).split("; ") for words in notes)
        note = "; ".join(part for part in of_wide if part in of_narrow)  # true of both
        for each in (ax, other_ax):
            each.set_title("", loc="left")  # it is in the caption, where it can be wrapped
        if legend_columns:
            _legend_below(ax, legend_columns)
            _legend_below(other_ax, 1)
        wide_picture, narrow_picture = _png(figure, 130), _png(other, 180)
    said = f"{caption} ({note})" if note else caption
    return PARTS.figure(alt, said, wide_picture, narrow_picture)


def _figure(width: float, height: float) -> tuple[Any, Any]:
    # A figure of its own, not pyplot's: nothing is left in the registry of whoever calls.
    module = import_optional("matplotlib.figure", owner="The report", extra="plots")
    figure = module.Figure(figsize=(width, height), layout="constrained")
    return figure, figure.add_subplot()


def _legend_below(ax: Any, n_columns: int) -> None:
    """Move the legend out of the axes, so that it hides nothing."""
    legend = ax.get_legend()
    texts = legend.get_texts()
    ax.figure.legend(
        legend.legend_handles, [entry.get_text() for entry in texts], loc="outside lower left",
        ncols=n_columns, frameon=False, fontsize=texts[0].get_fontsize(),
    )  # fmt: skip
    legend.remove()


def _png(figure: Any, dots_per_inch: int) -> str:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dots_per_inch)
    return _uri(buffer.getvalue(), "png")


def thumbnail(image: Any, *, alt: str) -> str:
    """Return a small copy of an image, or the words that it cannot be read."""
    try:
        picture = Image.fromarray(read_image(image, min_side=THUMBNAIL))
    except ImageReadError:
        return PARTS.unreadable(alt)
    picture.thumbnail((THUMBNAIL, THUMBNAIL))
    buffer = io.BytesIO()
    picture.save(buffer, format="JPEG", quality=82)
    return PARTS.image(alt, _uri(buffer.getvalue(), "jpeg"))


def _uri(content: bytes, kind: str) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(content).decode('ascii')}"
