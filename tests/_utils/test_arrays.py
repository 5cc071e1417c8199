"""Functions of arrays that several parts need."""

from __future__ import annotations

import numpy as np
import pytest

from zeroshot._utils._arrays import best_columns


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("n_columns", "k"), [(40, 1), (40, 3), (40, 40), (1000, 5), (1009, 5), (997, 60), (300, 300)]
)
@pytest.mark.parametrize("n_values", [6, 10**6], ids=["ties", "distinct"])
def test_best_columns_are_those_of_a_stable_sort(n_columns, k, n_values, dtype):
    rng = np.random.default_rng(n_columns + k)
    scores = rng.integers(-n_values, n_values, size=(30, n_columns)).astype(dtype)
    scores[:, 5] = np.finfo(dtype).min
    expected = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    np.testing.assert_array_equal(best_columns(scores, k), expected)
    np.testing.assert_array_equal(best_columns(np.asfortranarray(scores), k), expected)
