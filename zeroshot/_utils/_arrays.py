"""Array functions that several parts need."""

from __future__ import annotations

import numpy as np


def unit_rows(rows: np.ndarray) -> np.ndarray:
    """Scale rows, along the last axis, to unit length; rows of zeros are not changed."""
    norms = np.linalg.norm(rows, axis=-1, keepdims=True)
    return rows / np.where(norms == 0, 1, norms)


def class_balance(y: np.ndarray) -> np.ndarray:
    """Return one weight per row, (n_rows,), so that all classes count equally: their mean is 1.

    Examples
    --------
    >>> import numpy as np
    >>> from zeroshot._utils._arrays import class_balance
    >>> class_balance(np.array(["cat", "dog", "cat", "cat"]))
    array([0.66666667, 2.        , 0.66666667, 0.66666667])
    """
    _, codes, counts = np.unique(y, return_inverse=True, return_counts=True)
    return (len(codes) / (len(counts) * counts))[codes]
