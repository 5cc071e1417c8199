"""What the pictures of the studies share: their width, panels side by side, one legend below."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")  # files only: no window
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

WIDTH = 9.0  # inches: letters of 8 points are 9 pixels high where a page is 700 wide


def panels(
    n: int,
    height: float,
    *,
    n_columns: int | None = None,
    share_y: bool | str = True,
    width: float | None = None,
) -> tuple[Figure, np.ndarray]:
    """Return a figure and its axes, of one height.

    Parameters
    ----------
    n : int
        How many.
    height : float
        Of a row, in inches.
    n_columns : int, optional
        How many stand side by side; all if None.
    share_y : bool or "row", default=True
        One scale upwards, or one a row.
    width : float, optional
        Of the figure, in inches; up to `WIDTH` if None, as there are columns.
    """
    columns = n_columns or n
    rows = -(-n // columns)
    size = (width or min(WIDTH, 4.5 * columns), rows * height)
    figure, axes = plt.subplots(
        rows, columns, figsize=size, dpi=110, sharey=share_y,
        squeeze=False, layout="constrained",
    )  # fmt: skip
    for ax in axes.ravel()[n:]:
        ax.remove()
    return figure, axes.ravel()[:n]


def name_panel(ax: Any, title: str) -> None:
    """Write what a panel shows above it, in place of a display's own note."""
    ax.set_title(title, loc="left", fontsize=10, color="black")


def legend_below(figure: Figure, axes: np.ndarray, n_columns: int) -> None:
    """Put one legend below all axes in place of their own, which are alike."""
    legend = next(legend for ax in axes if (legend := ax.get_legend()))
    signs = [text.get_text() for text in legend.get_texts()]
    look = {"ncols": n_columns, "fontsize": 8, "frameon": False}
    figure.legend(legend.legend_handles, signs, loc="outside lower center", **look)
    for ax in axes:
        if ax.get_legend():
            ax.get_legend().remove()


def write(figure: Figure, path: Path | str) -> None:
    """Write a figure, and forget it."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)
    plt.close(figure)
