"""Logistic regression as the third part of few-shot scores, where there are many images."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from zeroshot._utils._arrays import unit_rows
from zeroshot._utils._constraints import Number
from zeroshot._utils._fitted import Array
from zeroshot._utils._saving import Saved

LEAST_IMAGES = 20
"""From how many images per class on, their harmonic mean, there is a third part."""

PENALTY = 10.0
"""C of logistic regression on rows of unit length."""

WEIGHTS = np.array([0, 0.25, 0.5, 0.75, 1])
"""What the third part's weight is chosen from."""

_HELD_OUT = 5
"""One in how many images of a class is held out, to choose the weight."""


@dataclass(frozen=True, eq=False)
class RegressionPart(Saved):
    """Logistic regression, its scores on the scale of the others, and its weight beside them.

    Parameters
    ----------
    coef : ndarray of shape (n_classes, n_features)
        Of rows of unit length.
    intercept : ndarray of shape (n_classes,)
        What is added.
    weight : float
        Share of this part, from 0 to 1.
    """

    coef: np.ndarray
    intercept: np.ndarray
    weight: float

    _constraints: ClassVar[Mapping[str, Any]] = {
        "coef": Array("n_regressed", "n_features"),
        "intercept": Array("n_regressed"),
        "weight": Number(at_least=0, at_most=1),
    }

    def scores(self, X: np.ndarray) -> np.ndarray:
        """Return the scores of rows, (n_samples, n_classes), not yet weighted."""
        return unit_rows(X) @ self.coef.T.astype(X.dtype) + self.intercept.astype(X.dtype)


def is_worth_it(image_counts: np.ndarray) -> bool:
    """Tell whether there are so many images per class that logistic regression may help."""
    return len(image_counts) > 1 and len(image_counts) / (1 / image_counts).sum() >= LEAST_IMAGES


def held_out_rows(positions: np.ndarray) -> np.ndarray:
    """Return the rows to choose the weight on: one in five images of each class.

    A class with fewer than five images has none.
    """
    order = np.argsort(positions, kind="stable")
    counts = np.bincount(positions)
    rank = np.arange(len(positions)) - np.repeat(np.cumsum(counts) - counts, counts)
    return np.sort(order[rank % _HELD_OUT == _HELD_OUT - 1])


def fit_regression(
    X: np.ndarray,
    positions: np.ndarray,
    held_out: np.ndarray,
    others: np.ndarray,
    weight: float | None,
) -> RegressionPart | None:
    """Return the third part, or None where its weight is 0.

    The weight is the one with the best mean class accuracy on held-out images, which the regression
    that is judged has not seen; ties go to the least.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        Features.
    positions : ndarray of shape (n_samples,)
        The class of each image, from 0.
    held_out : ndarray of int of shape (n_held_out,)
        The rows to choose on.
    others : ndarray of shape (n_held_out, n_classes)
        Scores of the other parts for these images, each made without the image.
    weight : float, optional
        Choose it if None.
    """
    kept = np.setdiff1d(np.arange(len(X)), held_out)
    true = positions[held_out]
    coef, intercept = _regression(X[kept], positions[kept])
    scores = RegressionPart(coef, intercept, 1.0).scores(X[held_out])
    slope, offset = _onto_scale_of(scores, others, true)
    if weight is None:
        share = 1 / np.bincount(true)[true]  # of an image in mean class accuracy
        blends = [(1 - w) * others + w * (slope * scores + offset) for w in WEIGHTS]
        accuracy = [share @ (blend.argmax(axis=1) == true) for blend in blends]
        weight = float(WEIGHTS[int(np.round(accuracy, 9).argmax())])
    if weight == 0:
        return None
    coef, intercept = _regression(X, positions)
    return RegressionPart(slope * coef, slope * intercept + offset, weight)


def _regression(X: np.ndarray, positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return coefficients and intercepts, one row per class, of rows of unit length."""
    model = LogisticRegression(C=PENALTY, max_iter=200, tol=1e-3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # the last digits change no answer
        model.fit(unit_rows(X), positions)
    coef, intercept = model.coef_, model.intercept_
    if len(coef) == 1:  # two classes
        coef, intercept = np.vstack([-coef, coef]), np.concatenate([-intercept, intercept])
    return coef, intercept


def _onto_scale_of(scores: np.ndarray, others: np.ndarray, true: np.ndarray) -> tuple[float, float]:
    """Return slope and offset after which right and wrong classes score as by `others` on average.

    So classes without images compete as before.
    """
    own = np.zeros(scores.shape, dtype=bool)
    own[np.arange(len(true)), true] = True
    right, wrong = scores[own].mean(), scores[~own].mean()
    wanted_right, wanted_wrong = others[own].mean(), others[~own].mean()
    slope = (wanted_right - wanted_wrong) / (right - wrong) if right > wrong else 0.0
    return float(slope), float(wanted_wrong - slope * wrong)
