"""Maps from features to label vectors, and ridge regression to them in closed form."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from zeroshot.estimators._ridge import NormalEquations, one_hot, product


@dataclass(frozen=True)
class FittedMap:
    """Layers of a map, with ReLU between them, and how training went.

    Parameters
    ----------
    coefs : list of ndarray of shape (n_inputs of the layer, n_outputs of the layer)
        Weights, float64.
    intercepts : list of ndarray of shape (n_outputs of the layer,)
        Biases, float64.
    history : list of dict
        The record of each epoch, as `train` has it; empty for a closed form.
    """

    coefs: list[np.ndarray]
    intercepts: list[np.ndarray]
    history: list[dict[str, float]]


def apply_map(X: np.ndarray, coefs: list[np.ndarray], intercepts: list[np.ndarray]) -> np.ndarray:
    """Return the map's outputs, (n_samples, n_outputs), in X's dtype."""
    for position, (coef, intercept) in enumerate(zip(coefs, intercepts, strict=True)):
        if position:
            X = np.maximum(X, 0)
        X = product(X, coef.astype(X.dtype, copy=False)) + intercept.astype(X.dtype, copy=False)
    return X


def fit_ridge(
    X: np.ndarray, Y: np.ndarray, alpha: float, codes: np.ndarray | None = None
) -> FittedMap:
    """Minimise the squared error plus `alpha` times the squared weights; the intercept is free.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        Features.
    Y : ndarray of shape (n_samples, n_outputs), or with `codes` (n_targets, n_outputs)
        What to predict.
    alpha : float
        Not negative.
    codes : ndarray of shape (n_samples,), optional
        The row of `Y` that belongs to each sample: the samples of a class are then summed first.
    """
    if codes is not None and len(Y) >= len(X):
        Y, codes = Y[codes], None
    if codes is None:
        offset = Y.mean(axis=0)
        equations = NormalEquations.of_rows(X, Y - offset, center=True)
        (coef,) = equations.solve([alpha])
    else:
        offset = np.bincount(codes, minlength=len(Y)) @ Y / len(X)
        equations = NormalEquations.of_rows(X, one_hot(codes, len(Y)), center=True)
        (coef,) = equations.solve([alpha], Y - offset)
    return FittedMap([coef], [offset - product(equations.mean[None], coef)[0]], [])


def ridge_map(ridge: Any, vectors: np.ndarray, alpha: float) -> FittedMap:
    """Return what `fit_ridge` does, from a function that solves for the weights.

    Parameters
    ----------
    ridge : callable
        From a vector for each class, and `alpha`, to weights and to the means of the features and
        of the vectors over the rows, as `zeroshot.model_selection` offers it.
    vectors : ndarray of shape (n_classes, n_outputs)
        What to predict.
    alpha : float
        Not negative.
    """
    coef, mean, offset = ridge(vectors, alpha)
    return FittedMap([coef], [offset - product(mean[None], coef)[0]], [])
