"""Features of many classes that lie near a linear image of their label vectors."""

from __future__ import annotations

import numpy as np

from zeroshot import AttributeTable

NAMES = np.array([f"class {number:02d}" for number in range(40)])


def samples(seed=0, n_rows=25, noise=1.5, n_dims=10, n_features=16):
    """Label embedding, features and labels of 40 classes."""
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(len(NAMES), n_dims))
    y = np.repeat(NAMES, n_rows)
    mixing = rng.normal(size=(n_dims, n_features)) / np.sqrt(n_dims)
    X = np.repeat(vectors, n_rows, axis=0) @ mixing
    return AttributeTable(vectors, labels=NAMES), X + noise * rng.normal(size=X.shape), y
