"""Drawing helpers of the displays: palette, safe text, labels that do not overlap."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from zeroshot._utils._optional import import_optional

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.legend import Legend

# Positions of a name beside its point: direction and alignment.
SIDES = (
    ((1, 0), "left", "center"),
    ((-1, 0), "right", "center"),
    ((0, 1), "center", "bottom"),
    ((0, -1), "center", "top"),
    ((0.7, 0.7), "left", "bottom"),
    ((0.7, -0.7), "left", "top"),
    ((-0.7, 0.7), "right", "bottom"),
    ((-0.7, -0.7), "right", "top"),
)
ON = ((0, 0), "center", "center")
GAP = 5  # points between a point and its name


# Okabe and Ito's palette: colour-blind readers can distinguish it. Shapes work without colour.
BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY, BLACK = COLORS = (
    "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000",
)  # fmt: skip
GREY, DIM, PALE = "#555555", "#999999", "#BBBBBB"
MARKERS = ("o", "^", "s", "D", "v", "P", "X")
LINES = ("-", "--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1)), (0, (1, 1)))
FILLS = ("full", "open", "left", "right", "top", "bottom")
MAX_CURVES = len(COLORS)
NAME_LENGTH, SMALL = 32, 8


def axes_or_new(ax: Any, *, owner: str, size: tuple[float, float] = (6.4, 4.2)) -> tuple[Any, Any]:
    """Return the user's axes, or those of a new figure, and their figure.

    Raises
    ------
    MissingDependencyError
        matplotlib is not installed.
    TypeError
        `ax` is not an Axes.
    """
    pyplot = import_optional("matplotlib.pyplot", owner=owner, extra="plots")
    if ax is None:
        figure, ax = pyplot.subplots(figsize=size, layout="constrained")
    elif not hasattr(ax, "transAxes"):
        raise TypeError(
            f"{owner}: ax must be matplotlib axes, got {type(ax).__name__}. Pass one of those that "
            "pyplot.subplots() returns, or None for a new figure."
        )
    return ax, ax.figure


def literal(text: Any, limit: int | None = NAME_LENGTH) -> str:
    r"""Escape any text so that matplotlib draws it literally, in one line.

    Unprintable characters appear as Python escapes, ``$`` does not start a formula, and the middle
    of a long text is left out.

    Examples
    --------
    >>> from zeroshot.displays._drawing import literal
    >>> print(literal("a\nb"), literal("$x_1$"), literal("a" * 9 + "b" * 9, 9))
    a\nb \$x_1\$ aaaa…bbbb
    """
    shown = str(text)
    if limit is not None and len(shown) > limit:  # the text itself may have a million letters
        shown = f"{shown[: limit // 2]}…{shown[len(shown) - (limit - 1) // 2 :]}"
    escaped = "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode("ascii")
        for letter in shown
    )
    return (escaped if escaped.strip() else repr(escaped)).replace("$", r"\$")


def curve_style(position: int) -> dict[str, Any]:
    """Return colour, line and marker of a curve; curves differ in all three."""
    place = position % len(COLORS)
    return {"color": COLORS[place], "linestyle": LINES[place], "marker": MARKERS[place]}


def point_style(position: int) -> dict[str, Any]:
    """Return the style of a point on a curve; neighbouring points differ in their fill."""
    fill, color = FILLS[position % len(FILLS)], COLORS[position % len(COLORS)]
    shared = {"linestyle": "", "color": color, "markerfacecoloralt": "white", "zorder": 3}
    if fill == "open":  # with matplotlib's "none", the curve is visible inside
        return {**shared, "markerfacecolor": "white", "markeredgewidth": 1.5}
    return {**shared, "fillstyle": fill, "markeredgecolor": "black"}


def add_legend(
    ax: Axes, handles: Sequence[Any], names: Iterable[str], *, outside: bool, loc: str = "best"
) -> Legend:
    """Draw the legend with escaped names: to the right of new axes, or within given axes."""
    where: dict[str, Any] = {"loc": loc}
    if outside:
        where = {"loc": "upper left", "bbox_to_anchor": (1.01, 1), "borderaxespad": 0}
    # matplotlib drops names that begin with an underscore, so they are set afterwards.
    numbers = [str(position) for position in range(len(handles))]
    legend = ax.legend(handles, numbers, frameon=False, fontsize=SMALL, **where)
    for text, name in zip(legend.get_texts(), names, strict=True):
        text.set_text(name)
    return legend


def add_note(ax: Axes, text: str) -> None:
    """Write a title above the axes, in lines as wide as the axes."""
    width = ax.get_window_extent().width * 72 / ax.figure.dpi
    lines = textwrap.wrap(text, max(16, int(width / (0.56 * SMALL))))
    ax.set_title("\n".join(lines), loc="left", fontsize=SMALL, color=GREY)


def bare(ax: Axes) -> None:
    """Remove the upper and right line of the frame."""
    ax.spines[["top", "right"]].set_visible(False)


def settle(ax: Axes) -> None:
    """Lay out the figure, so that positions in pixels are final."""
    ax.figure.canvas.figure.draw_without_rendering()  # the whole one, of a subfigure too


def name_places(axis: Any, names: Sequence[str], *, owner: str) -> None:
    """Write names at the ticks 0, 1, 2, ... of an axis, as many as fit side by side.

    The number is computed again whenever the figure is drawn, because it may be resized or zoomed.
    Names along a horizontal axis are vertical.
    """
    ticker = import_optional("matplotlib.ticker", owner=owner, extra="plots")

    def name(value: float, _: Any = None) -> str:
        place = round(value)
        return names[place] if 0 <= place < len(names) else ""

    axis.set_major_locator(_place_locator()(len(names)))
    axis.set_major_formatter(ticker.FuncFormatter(name))
    axis.set_tick_params(labelsize=SMALL, length=2)
    if axis.axis_name == "x":
        axis.set_tick_params(labelrotation=90)


@cache
def _place_locator() -> Any:
    """Return the class. It is defined here because matplotlib is not always installed."""
    base: Any = import_optional("matplotlib.ticker", owner="name_places", extra="plots").Locator

    class PlaceLocator(base):
        """Ticks at whole numbers, at least a line of text apart."""

        def __init__(self, n_places: int) -> None:
            self.n_places = n_places

        def __call__(self) -> np.ndarray:
            """Return the ticks within the view."""
            low, high = sorted(self.axis.get_view_interval())
            return self.tick_values(low, high)

        def tick_values(self, vmin: float, vmax: float) -> np.ndarray:
            """Return the ticks between two values."""
            box = self.axis.axes.get_window_extent()
            pixels = box.width if self.axis.axis_name == "x" else box.height
            line = 1.35 * SMALL * self.axis.axes.figure.dpi / 72
            step = max(1, int(np.ceil(line * (vmax - vmin) / max(pixels, 1))))
            first, last = max(0, int(np.ceil(vmin))), min(self.n_places - 1, int(np.floor(vmax)))
            return np.arange(-(-first // step) * step, last + 1, step)

    return PlaceLocator


def name_numbers(ax: Axes, values: Sequence[int]) -> None:
    """Write integers on the horizontal axis, without those that would cover a previous one."""
    settle(ax)
    points = np.column_stack([values, np.full(len(values), ax.get_ylim()[0])])
    scale = ax.figure.dpi / 72
    shown, end = [], -np.inf
    for value, pixel in zip(values, ax.transData.transform(points)[:, 0], strict=True):
        half = 0.33 * SMALL * scale * len(f"{value:,}")  # digits are 0.64 of their size wide
        if pixel - half > end:
            shown.append(value)
            end = pixel + half + 4 * scale
    ax.set_xticks(shown, [f"{value:,}" for value in shown], fontsize=SMALL)
    ax.minorticks_off()


def fit_first(text: Any, versions: Iterable[str], pixels: float) -> None:
    """Write the first version of a text that is not too wide, or else the last one."""
    for version in versions:
        text.set_text(version)
        if text.get_window_extent().width <= pixels:
            break


def fit_texts(texts: Iterable[Any], pixels: float) -> None:
    """Shorten drawn texts, escaped by `literal`, until none is too wide."""
    for text in texts:
        shown = text.get_text().replace(r"\$", "$")
        limit = len(shown)
        while limit > 3 and text.get_window_extent().width > pixels:
            limit = max(3, min(limit - 1, int(limit * pixels / text.get_window_extent().width)))
            text.set_text(literal(shown, limit))


def place_names(
    ax: Axes,
    points: np.ndarray,
    names: Sequence[str],
    order: Sequence[int],
    *,
    bold: np.ndarray,
    on_points: bool,
    fontsize: float,
    max_tried: int,
    owner: str,
) -> int:
    """Write names beside points in order of importance, and return how many fit.

    Parameters
    ----------
    ax : Axes
        Axes with everything else already drawn. Their size must not change afterwards.
    points : ndarray of shape (n_points, 2)
        Points in data units. Names do not cover points, unless `on_points`.
    names : sequence of str of length n_points
        Names as they are; they are escaped here.
    order : sequence of int
        Positions of the names to try, the most important first.
    bold : ndarray of bool of shape (n_points,)
        Which names are bold.
    on_points : bool
        Nothing is drawn at the points, so names may cover them.
    fontsize : float
        Font size in typographic points.
    max_tried : int
        Maximum number of names to try, because each one is measured.
    owner : str
        Owner for the message if matplotlib is missing.
    """
    effects = import_optional("matplotlib.patheffects", owner=owner, extra="plots")
    settle(ax)
    scale = ax.figure.dpi / 72
    frame, pixels = ax.get_window_extent(), ax.transData.transform(points)
    marks = np.hstack([pixels - 3 * scale, pixels + 3 * scale])
    legend = ax.get_legend()
    taken = np.empty((0, 4))
    if legend is not None:
        taken = np.asarray(legend.get_window_extent().extents)[None]
    n_before = len(taken)
    probe = ax.text(0, 0, "", fontsize=fontsize)
    for place in list(order)[:max_tried]:
        name = literal(names[place], 22)
        weight = "bold" if bold[place] else "normal"
        probe.set(text=name, fontweight=weight)
        extent = probe.get_window_extent()
        others = taken[:0] if on_points else np.delete(marks, place, axis=0)
        obstacles = np.vstack([taken, others])
        for direction, ha, va in (ON, *SIDES) if on_points else SIDES:
            box = _box(pixels[place], direction, extent.width, extent.height, GAP * scale)
            if not _free(box, obstacles, np.asarray(frame.extents)):
                continue
            taken = np.vstack([taken, box])
            offset = (GAP * direction[0], GAP * direction[1])
            text = ax.annotate(name, points[place], xytext=offset, textcoords="offset points",
                               ha=ha, va=va, fontsize=fontsize, fontweight=weight)  # fmt: skip
            text.set_path_effects([effects.withStroke(linewidth=2, foreground="white")])
            text.set_in_layout(False)
            break
    probe.remove()
    return len(taken) - n_before


def _box(
    point: np.ndarray, direction: tuple[float, float], width: float, height: float, gap: float
) -> np.ndarray:
    """Return left, bottom, right and top of a text beside a point, with a pixel to spare."""
    centre = point + gap * np.array(direction)
    centre += np.sign(direction) * np.array([width, height]) / 2
    half = np.array([width, height]) / 2 + 1
    return np.concatenate([centre - half, centre + half])


def _free(box: np.ndarray, obstacles: np.ndarray, frame: np.ndarray) -> bool:
    inside = (box[:2] >= frame[:2]).all() and (box[2:] <= frame[2:]).all()
    apart = (obstacles[:, :2] >= box[2:]).any(axis=1) | (obstacles[:, 2:] <= box[:2]).any(axis=1)
    return bool(inside and apart.all())
