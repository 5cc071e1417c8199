"""Rows of X as the last step of a pipeline receives them."""

from __future__ import annotations

from typing import Any

import numpy as np

OWNER = "cross_validate_classes"


def take(X: Any, rows: Any) -> Any:
    """Return rows of an array, a data frame or series, or a list."""
    if isinstance(X, (list, tuple)):
        return [X[row] for row in rows]
    return X.iloc[rows] if hasattr(X, "iloc") else X[rows]


class Rows:
    """Rows of X, after the steps of a pipeline that work row by row.

    Parameters
    ----------
    X : ndarray, DataFrame or FeaturesDataset of shape (n_samples, n_features)
        Read a block at a time, so that a memory map stays on disk. Numbers of half precision become
        float64, as in scikit-learn's checks.
    steps : list of transformers
        Fitted; each makes a row out of that row alone, and writes into no input.
    owner : str
        Name of the caller, for the messages.
    """

    ndim = 2

    def __init__(self, X: Any, steps: list[Any], *, owner: str = OWNER) -> None:
        self._owner = owner
        self._X = X
        self._steps = steps
        self.shape = X.shape

    def __len__(self) -> int:
        return len(self._X)

    def __getitem__(self, rows: np.ndarray | slice) -> np.ndarray:
        """Return the rows with these numbers, (n_rows, n_features).

        Raises
        ------
        ValueError
            They hold NaN or infinity.
        """
        block = take(self._X, rows)
        finite = np.isfinite(np.asarray(block)).all(axis=1)
        if not finite.all():
            first = np.arange(len(self._X))[rows][finite.argmin()]
            raise ValueError(
                f"{self._owner}: X holds NaN or infinity in {np.sum(~finite)} of the rows read, "
                f"the first being row {first}. Leave out images that could not be read."
            )
        for step in self._steps:
            block = step.transform(block)
        block = np.asarray(block)
        return block.astype(np.float64) if block.dtype == np.float16 else block
