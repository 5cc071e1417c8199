"""Whitening by how images of one class differ."""

from __future__ import annotations

import numpy as np
from scipy.linalg import solve_triangular

from zeroshot._linear import RowSums, cholesky, product, shifted_diagonal
from zeroshot._utils._arrays import unit_rows


def within_class_whitening(
    X: np.ndarray, y: np.ndarray, shrinkage: float, weights: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean of the class means, and what makes the within-class covariance the identity.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        Features.
    y : ndarray of shape (n_samples,)
        Labels.
    shrinkage : float
        What share of the covariance is a multiple of the identity, from 0 to 1.
    weights : ndarray of shape (n_samples,), optional
        Of the rows, above 0; 1 each if None.

    Returns
    -------
    mean : ndarray of shape (n_features,)
        Each class counts once.
    whitening : ndarray of shape (n_features, n_features)
        Lower triangular: (x - mean) @ whitening.T is whitened. The identity where no class has two
        different images.

    Examples
    --------
    >>> import numpy as np
    >>> from zeroshot.estimators._within_class import within_class_whitening
    >>> X = np.array([[0.0, 1.0], [2.0, 1.0], [5.0, 1.0], [7.0, 3.0]])
    >>> mean, whitening = within_class_whitening(X, np.array(["a", "a", "b", "b"]), 0.85)
    >>> mean.tolist(), bool(whitening[0, 0] < whitening[1, 1])  # the first varies more
    ([3.5, 1.5], True)
    """
    sums = RowSums.of(X, y, weights=weights)
    means = sums.cross / sums.target_total[:, None]
    scatter = sums.gram + np.tril(sums.gram, -1).T
    scatter -= product(means.T * sums.target_total, means)
    n_features = X.shape[1]
    scale = np.trace(scatter) / n_features
    mean = (sums.origin + means.mean(axis=0)).astype(X.dtype)
    if scale <= 1e-12 * sums.magnitude.max(initial=0) or scale == 0:
        return mean, np.eye(n_features, dtype=X.dtype)
    shrunk = shifted_diagonal((1 - shrinkage) / scale * scatter, shrinkage)
    factor, _ = cholesky(shrunk, shrunk.diagonal().copy())
    return mean, solve_triangular(factor, np.eye(n_features), lower=True).astype(X.dtype)


def whitened(X: np.ndarray, mean: np.ndarray, whitening: np.ndarray) -> np.ndarray:
    """Return centred and whitened rows of unit length, (n_samples, n_features)."""
    return unit_rows((X - mean.astype(X.dtype)) @ whitening.T.astype(X.dtype))
