"""Bars of models and of controls, and their intervals."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from zeroshot.displays._checks import check_series
from zeroshot.displays._drawing import BLUE, ORANGE, SMALL

if TYPE_CHECKING:
    from zeroshot.displays._similarity_bar import SimilarityBarDisplay


def check_intervals(
    intervals: Mapping[str, Any], names: Collection[str], *, owner: str
) -> dict[str, tuple[float, float]]:
    """Return the low and the high end of some bars.

    Raises
    ------
    ValueError
        One is of no bar, is no pair, or holds NaN or infinity.
    """
    checked = {str(name): tuple(ends) for name, ends in intervals.items()}
    for name, ends in checked.items():
        if name not in names or len(ends) != 2:
            raise ValueError(
                f"{owner}: intervals must give names in values a low and a high end, got "
                f"{name!r}: {ends}. Leave out those without an interval."
            )
        check_series(ends, owner=owner, name=f"interval of {name!r}")
    return checked


def draw_bars(display: SimilarityBarDisplay, shown: list[int]) -> dict[str, Any]:
    """Draw some bars of a display from below, and return one of each kind under its sign."""
    ax = display.ax_
    signs: dict[str, Any] = {}
    a_row = ax.get_window_extent().height / len(shown)
    roomy = a_row > 1.35 * SMALL * ax.figure.dpi / 72
    for row, place in enumerate(shown):
        control, name = display.is_control[place], display.names[place]
        value = display.values[place]
        look = {"color": ORANGE, "hatch": "///"} if control else {"color": BLUE, "hatch": ""}
        bar = ax.barh(row, value, 0.7, edgecolor="black", linewidth=0.5, **look)
        low, high = (value, value) if control else display.intervals.get(name, (value, value))
        if high > low:
            errors = [[max(0, value - low)], [max(0, high - value)]]
            ax.errorbar(value, row, xerr=errors, color="black", capsize=3)
        if roomy:
            style = {"va": "center", "fontsize": SMALL, "textcoords": "offset points"}
            ax.annotate(f"{value:.3g}", (max(value, high, 0), row), xytext=(4, 0), **style)
        signs["control: looks at no image" if control else "model"] = bar
    return signs
