"""Elements, scales and marks of SVG charts.

A chart has no colour of its own: it names classes, whose colours are in ``style.css``, for light
and dark pages and for paper.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from markupsafe import Markup

from zeroshot._utils._text_tables import printable, terminal_width

LETTER = 0.56  # mean width of a letter, as a share of the font size
N_COLORS = 8
SHAPES = ("circle", "triangle", "square", "diamond", "plus")


def element(tag: str, *inside: Any, **attributes: Any) -> Markup:
    """Return an element of SVG, with text and values escaped.

    Parameters
    ----------
    tag : str
        Name of the element.
    *inside : Markup or str
        Other elements, or text.
    **attributes : str or number
        Attributes. ``_`` in a name is ``-``, and one at its end is removed.

    Examples
    --------
    >>> from zeroshot.report._svg import element
    >>> print(element("text", "<b>", x=1.25, class_="tick"))
    <text x="1.2" class="tick">&lt;b&gt;</text>
    """
    given = Markup("").join(
        Markup(' {}="{}"').format(name.rstrip("_").replace("_", "-"), _value(value))
        for name, value in attributes.items()
    )
    content = Markup("").join(
        item if isinstance(item, Markup) else printable(str(item)) for item in inside
    )
    return Markup("<{0}{1}>{2}</{0}>").format(Markup(tag), given, content)


def _value(value: Any) -> str:
    return number(float(value)) if isinstance(value, (int, float, np.number)) else str(value)


def number(value: float) -> str:
    """Return a number with at most one decimal, which is a tenth of a pixel."""
    text = f"{value:.1f}"
    return text.removesuffix(".0").replace("-0", "0") if text == "-0.0" else text.removesuffix(".0")


def drawing(width: float, height: float, *inside: Any, alt: str, kind: str = "") -> Markup:
    """Return a whole chart.

    Parameters
    ----------
    width, height : float
        Size in pixels, at which letters are as large as those of the page.
    *inside : Markup
        Elements.
    alt : str
        Alternative text for people who cannot see the chart.
    kind : str, default=""
        Further classes.
    """
    return element(
        "svg", *inside, class_=f"plot {kind}".strip(), role="img", aria_label=printable(alt),
        viewBox=f"0 0 {number(width)} {number(height)}", width=width, height=height,
    )  # fmt: skip


def shorten(text: Any, width: float, size: float) -> str:
    """Return a text that fits into `width` pixels, without its middle if it is too long.

    Examples
    --------
    >>> from zeroshot.report._svg import shorten
    >>> shorten("otter", 60, 12), shorten("a very long name", 60, 12)
    ('otter', 'a ve…ame')
    """
    shown = printable(str(text))
    most = int(width / (LETTER * size))
    while terminal_width(shown) > most and len(shown) > 3:
        keep = max(3, min(len(shown) - 1, most))
        shown = f"{shown[: keep // 2]}…{shown[len(shown) - (keep - 1) // 2 :]}"
        if keep == 3:
            break
    return shown


def text_width(text: Any, size: float) -> float:
    """Return about how many pixels a text takes."""
    return terminal_width(printable(str(text))) * LETTER * size


def ticks(low: float, high: float, most: int = 6) -> list[float]:
    """Return round numbers within a range.

    Examples
    --------
    >>> from zeroshot.report._svg import ticks
    >>> ticks(0, 1), ticks(-0.83, 0.2)
    ([0.0, 0.2, 0.4, 0.6, 0.8, 1.0], [-0.8, -0.6, -0.4, -0.2, 0.0, 0.2])
    """
    span = high - low
    power = float(10.0 ** np.floor(np.log10(span / most)))
    step = next(power * each for each in (1, 2, 5, 10) if span / (power * each) <= most)
    first, last = int(np.ceil(low / step - 1e-9)), int(np.floor(high / step + 1e-9))
    return [round(place * step, 10) for place in range(first, last + 1)]


@dataclass(frozen=True)
class Axes:
    """A frame with a horizontal and a vertical scale.

    Attributes
    ----------
    x_range, y_range : tuple of float
        What the left and right, and the lower and upper edge stand for.
    width, height : float
        Size of the whole chart in pixels.
    left, right, top, bottom : float
        Space around the frame.
    """

    x_range: tuple[float, float]
    y_range: tuple[float, float]
    width: float = 420
    height: float = 320
    left: float = 52
    right: float = 14
    top: float = 12
    bottom: float = 46

    def x(self, values: Any) -> Any:
        """Return horizontal positions in pixels."""
        low, high = self.x_range
        span = self.width - self.left - self.right
        return self.left + (np.asarray(values, dtype=float) - low) / (high - low) * span

    def y(self, values: Any) -> Any:
        """Return vertical positions in pixels, which count from the top."""
        low, high = self.y_range
        span = self.height - self.top - self.bottom
        return self.height - self.bottom - (np.asarray(values, float) - low) / (high - low) * span

    def path(self, x: Any, y: Any) -> str:
        """Return a line through points, without those that fall on the previous one."""
        pixels = np.column_stack([self.x(x), self.y(y)]).round(1)
        kept = np.ones(len(pixels), dtype=bool)
        kept[1:] = (pixels[1:] != pixels[:-1]).any(axis=1)
        return "M" + "L".join(f"{number(a)},{number(b)}" for a, b in pixels[kept].tolist())

    def frame(
        self, x_name: str, y_name: str, *, percent: bool = False, whole: bool = False
    ) -> Markup:
        """Return grid lines, numbers and the names of the axes.

        Parameters
        ----------
        x_name, y_name : str
            Names of the axes.
        percent : bool, default=False
            Whether numbers of the horizontal axis are percentages with a sign.
        whole : bool, default=False
            Whether the vertical axis counts things.
        """
        parts = []
        base, across = self.height - self.bottom, self.width - self.right
        for value in ticks(*self.x_range):
            at = float(self.x(value))
            shown = f"{value:+.0%}".replace("+0%", "0%") if percent else f"{value:g}"
            parts.append(element("line", x1=at, x2=at, y1=self.top, y2=base, class_="grid"))
            parts.append(element("text", shown, x=at, y=base + 16, class_="tick middle"))
        for value in ticks(*self.y_range):
            if whole and value != int(value):
                continue
            at = float(self.y(value))
            parts.append(element("line", x1=self.left, x2=across, y1=at, y2=at, class_="grid"))
            parts.append(
                element("text", f"{value:g}", x=self.left - 7, y=at + 4, class_="tick end")
            )
        middle = (self.left + across) / 2, (self.top + base) / 2
        parts.append(element("text", x_name, x=middle[0], y=self.height - 8, class_="axis middle"))
        turned = f"rotate(-90 14 {number(middle[1])})"
        parts.append(
            element("text", y_name, x=14, y=middle[1], transform=turned, class_="axis middle")
        )
        return Markup("").join(parts)


def marks(shape: str, points: Iterable[Sequence[float]], radius: float) -> str:
    """Return the path of a shape at each of some points."""
    r = radius
    forms = {
        "circle": f"m{number(-r)},0a{r:g},{r:g} 0 1,0 {2 * r:g},0a{r:g},{r:g} 0 1,0 {-2 * r:g},0z",
        "triangle": f"m0,{-1.2 * r:.1f}l{1.1 * r:.1f},{2 * r:.1f}h{-2.2 * r:.1f}z",
        "square": f"m{-0.9 * r:.1f},{-0.9 * r:.1f}h{1.8 * r:.1f}v{1.8 * r:.1f}h{-1.8 * r:.1f}z",
        "diamond": f"m0,{-1.3 * r:.1f}l{1.1 * r:.1f},{1.3 * r:.1f}l{-1.1 * r:.1f},{1.3 * r:.1f}"
        f"l{-1.1 * r:.1f},{-1.3 * r:.1f}z",
        "plus": f"m{-0.4 * r:.1f},{-1.2 * r:.1f}h{0.8 * r:.1f}v{0.8 * r:.1f}h{0.8 * r:.1f}"
        f"v{0.8 * r:.1f}h{-0.8 * r:.1f}v{0.8 * r:.1f}h{-0.8 * r:.1f}v{-0.8 * r:.1f}"
        f"h{-0.8 * r:.1f}v{-0.8 * r:.1f}h{0.8 * r:.1f}z",
    }
    return "".join(f"M{number(x)},{number(y)}{forms[shape]}" for x, y in points)


def look(place: int) -> tuple[str, str]:
    """Return the class of the colour and the shape of a kind of marks; forty kinds differ."""
    return f"c{place % N_COLORS}", SHAPES[place % len(SHAPES)]


N_LOOKS = N_COLORS * len(SHAPES)
