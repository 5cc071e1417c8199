"""Several panels side by side: of a new figure, of axes that are divided, or given ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from zeroshot.displays._checks import plural
from zeroshot.displays._drawing import axes_or_new

if TYPE_CHECKING:
    from matplotlib.axes import Axes

GAP = 0.2  # between panels within axes that have no place in a grid, in widths of a panel


def panels_of(
    ax: Any, n: int, what: str, *, size: tuple[float, float], owner: str
) -> tuple[list[Axes], bool]:
    """Return `n` panels, and whether they share one vertical axis.

    Parameters
    ----------
    ax : None, Axes or list of Axes
        None makes a figure. One Axes is turned off and divided, if `n` is not 1.
    n : int
        How many.
    what : str
        What a panel is for, in messages.
    size : tuple of float
        Of a new figure, in inches.
    owner : str
        For messages.

    Raises
    ------
    TypeError
        `ax` is something else.
    ValueError
        `ax` is a list of another length, or one Axes that is turned off.
    """
    if ax is None:
        first, figure = axes_or_new(None, owner=owner, size=size)
        grid = figure.add_gridspec(1, n)
        first.set_subplotspec(grid[0])
        return [first, *(figure.add_subplot(grid[i], sharey=first) for i in range(1, n))], True
    if hasattr(ax, "transAxes") and n > 1:
        return _divided(ax, n, owner=owner), True
    given = list(np.ravel(np.asarray(ax, dtype=object)))
    if len(given) != n:
        raise ValueError(
            f"{owner}: ax has {len(given)} axes for {plural(n, what)}. Pass one Axes, "
            f"pyplot.subplots(1, {n})[1], or None."
        )
    return [axes_or_new(each, owner=owner)[0] for each in given], False


def _divided(ax: Axes, n: int, *, owner: str) -> list[Axes]:
    """Turn axes off, and return panels in their place."""
    if not ax.axison:
        raise ValueError(
            f"{owner}: ax is turned off, as a plot leaves axes that it divides. Pass axes_ of the "
            "display that was drawn there, or other axes."
        )
    ax.set_axis_off()
    place = ax.get_subplotspec()
    grid = None if place is None else place.subgridspec(1, n)
    panels: list[Axes] = []
    for position in range(n):
        shared: dict[str, Any] = {"sharey": panels[0]} if panels else {}
        if grid is None:  # within its frame, wherever that moves
            width = 1 / (n + GAP * (n - 1))
            panels.append(ax.inset_axes((position * (1 + GAP) * width, 0, width, 1), **shared))
        else:
            panels.append(ax.figure.add_subplot(grid[position], **shared))
    return panels
