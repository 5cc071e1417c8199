"""Array functions that several parts need."""

from __future__ import annotations

import numpy as np


def unit_rows(rows: np.ndarray) -> np.ndarray:
    """Return rows, along the last axis, at unit length; a row of zeros stays."""
    norms = np.linalg.norm(rows, axis=-1, keepdims=True)
    return rows / np.where(norms == 0, 1, norms)


def class_balance(y: np.ndarray) -> np.ndarray:
    """Return a weight per row by which each class counts once, (n_rows,): their mean is 1.

    Examples
    --------
    >>> import numpy as np
    >>> from zeroshot._utils._arrays import class_balance
    >>> class_balance(np.array(["cat", "dog", "cat", "cat"]))
    array([0.66666667, 2.        , 0.66666667, 0.66666667])
    """
    _, codes, counts = np.unique(y, return_inverse=True, return_counts=True)
    return (len(codes) / (len(counts) * counts))[codes]
