"""Averages over classes, and how they vary from one draw of the classes to another."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils import check_random_state

from zeroshot.metrics._curve import BreakPoints


class Resampling:
    """How often each class counts: once in the data, and by chance in its bootstrap samples.

    Seen and unseen classes are drawn apart, so that each sample has as many of both as the data.

    Parameters
    ----------
    counts : ndarray of int of shape (n_classes,)
        Samples of each class.
    is_seen : ndarray of bool of shape (n_classes,)
        Which classes are seen.
    n_bootstrap : int
        Samples to draw.
    level : float
        Coverage of intervals, between 0 and 1.
    random_state : int, RandomState instance or None
        Seed of the draws.
    """

    def __init__(
        self,
        counts: np.ndarray,
        is_seen: np.ndarray,
        *,
        n_bootstrap: int,
        level: float,
        random_state: Any,
    ) -> None:
        self._counts = counts
        self._level = level
        rng = check_random_state(random_state)
        self._draws = np.ones((1 + n_bootstrap, len(counts)))
        for part in (np.flatnonzero(is_seen), np.flatnonzero(~is_seen)):
            if part.size:
                even = np.full(part.size, 1 / part.size)
                self._draws[1:, part] = rng.multinomial(part.size, even, size=n_bootstrap)

    def shares(self, classes: np.ndarray, average: str) -> np.ndarray:
        """Return what each of some classes counts in an average over them.

        Parameters
        ----------
        classes : ndarray of int
            Their positions.
        average : {"macro", "micro"}
            Whether each class counts once, or each sample.

        Returns
        -------
        ndarray of shape (1 + n_bootstrap, n_classes)
            The first row is for the data, the others for its bootstrap samples; the sum of each
            is 1.
        """
        weights = self._draws[:, classes]
        if average == "micro":
            weights = weights * self._counts[classes]
        return weights / weights.sum(axis=1, keepdims=True)

    def interval(self, values: np.ndarray) -> np.ndarray:
        """Return both ends of the percentile interval of the figures of bootstrap samples."""
        tail = (1 - self._level) / 2
        return np.quantile(values, [tail, 1 - tail])


def pair_areas(
    points: BreakPoints,
    codes: np.ndarray,
    counts: np.ndarray,
    seen: np.ndarray,
    unseen: np.ndarray,
) -> np.ndarray:
    """Return the area under the seen-unseen curve of each pair of a seen and an unseen class.

    The area over many classes is the mean of those of its pairs, by any shares of the classes: the
    curve of a pair is what it is without the other classes' samples, the labels staying the same.

    Parameters
    ----------
    points : BreakPoints
        Of all samples.
    codes : ndarray of int of shape (n_samples,)
        The position of each sample's class.
    counts : ndarray of int of shape (n_classes,)
        Samples of each class.
    seen, unseen : ndarray of int
        Positions of the seen and of the unseen classes.

    Returns
    -------
    ndarray of shape (n_seen, n_unseen)
        In [0, 1].
    """
    won = points.right & ~points.is_seen
    levels, columns = points.calibration[won], codes[won]
    areas = np.empty((len(seen), len(unseen)))
    for row, code in enumerate(seen):
        mine = np.sort(points.calibration[points.right & (codes == code)])
        # Right answers of this class that are left when an unseen one is won; ties count half.
        sides = (np.searchsorted(mine, levels, side=side) for side in ("left", "right"))
        left = len(mine) - sum(sides) / 2
        areas[row] = np.bincount(columns, weights=left, minlength=len(counts))[unseen]
    return areas / np.outer(counts[seen], counts[unseen])
