"""Maps from features to label vectors: layers of weights, with ReLU between them."""

from __future__ import annotations

import numpy as np

from zeroshot._linear._blas import product


def apply_map(X: np.ndarray, coefs: list[np.ndarray], intercepts: list[np.ndarray]) -> np.ndarray:
    """Return the map's outputs, (n_samples, n_outputs), in X's dtype."""
    for position, (coef, intercept) in enumerate(zip(coefs, intercepts, strict=True)):
        if position:
            X = np.maximum(X, 0)
        X = product(X, coef.astype(X.dtype, copy=False)) + intercept.astype(X.dtype, copy=False)
    return X
