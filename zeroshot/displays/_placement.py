"""Names beside points, as many as fit without covering one another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from zeroshot._optional import import_optional
from zeroshot.displays._drawing import literal, settle

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Where a name stands beside its point: direction, and how it is aligned.
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
GAP = 5  # points between a point and its name


def place_names(
    ax: Axes,
    points: np.ndarray,
    names: Sequence[str],
    order: Sequence[int],
    *,
    bold: np.ndarray,
    fontsize: float,
    max_tried: int,
    owner: str,
) -> int:
    """Write names beside points, first come first served, and return how many found room.

    Parameters
    ----------
    ax : Axes
        Whatever else it shows stands already: its size must not change afterwards.
    points : ndarray of shape (n_points, 2)
        In data units. No name covers one of them.
    names : sequence of str of length n_points
        As they are; they are made literal here.
    order : sequence of int
        Which to try, the most important first.
    bold : ndarray of bool of shape (n_points,)
        Which to write in bold letters.
    fontsize : float
        In typographic points.
    max_tried : int
        Leave off after so many: each is measured.
    owner : str
        For the message where matplotlib is missing.
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
        obstacles = np.vstack([taken, np.delete(marks, place, axis=0)])
        for direction, ha, va in SIDES:
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
