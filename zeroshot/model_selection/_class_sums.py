"""Sums over rows, class by class: all that least squares to class vectors needs to know of X."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Self

import numpy as np
from scipy.linalg.blas import dsyr, dsyr2, dsyrk
from scipy.sparse import csr_matrix

BLOCK_ELEMENTS = 1_000_000
"""Of X that are in memory as float64 at a time: 8 MB, which the allocator keeps for the next."""

_SAMPLE = 1000
"""Rows that the shift is taken from."""


def take(X: Any, rows: Any) -> Any:
    """Return rows of an array, a data frame or series, or a list."""
    if isinstance(X, (list, tuple)):
        return [X[row] for row in rows]
    return X.iloc[rows] if hasattr(X, "iloc") else X[rows]


def _slice_of(rows: np.ndarray) -> np.ndarray | slice:
    """Return consecutive row numbers as a slice, which reads without a copy."""
    if len(rows) and rows[-1] - rows[0] == len(rows) - 1 and (np.diff(rows) == 1).all():
        return slice(int(rows[0]), int(rows[-1]) + 1)
    return rows


class Rows:
    """Rows of X as the last step of a pipeline receives them: float64, less a fixed vector.

    Subtracting about the mean of X beforehand changes no result, and spares the sums the digits
    that a large common offset would cost.

    Parameters
    ----------
    X : ndarray or DataFrame of shape (n_samples, n_features)
        Read a block at a time, so that a memory map stays on disk.
    steps : list of transformers
        Fitted; each makes a row out of that row alone, and writes into no input.
    """

    def __init__(self, X: Any, steps: list[Any]) -> None:
        self._X = X
        self._steps = steps
        sample = self._read(np.arange(0, len(X), max(1, len(X) // _SAMPLE))).astype(np.float64)
        # Constant features become exact zeros, which their mean, being rounded, would not make.
        self.shift = np.where(np.ptp(sample, axis=0) == 0, sample[0], sample.mean(axis=0))

    def __len__(self) -> int:
        return len(self._X)

    def __getitem__(self, rows: np.ndarray) -> np.ndarray:
        """Return the rows with these numbers, (n_rows, n_features), C-contiguous."""
        return np.subtract(self._read(rows), self.shift, dtype=np.float64, order="C")

    def _read(self, rows: np.ndarray) -> np.ndarray:
        block = take(self._X, _slice_of(rows))
        finite = np.isfinite(np.asarray(block)).all(axis=1)
        if not finite.all():
            raise ValueError(
                f"cross_validate_classes: X holds NaN or infinity in {np.sum(~finite)} of the rows "
                f"read, the first being row {rows[finite.argmin()]}. Leave out images that could "
                "not be read."
            )
        for step in self._steps:
            block = step.transform(block)
        return np.asarray(block)

    def blocks(self, rows: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield row numbers, some thousands at a time, and those rows."""
        size = max(1, BLOCK_ELEMENTS // len(self.shift))
        for start in range(0, len(rows), size):
            part = rows[start : start + size]
            yield part, self[part]


class ClassSums:
    """The Gram matrix of rows, and the sum and the number of the rows of each class.

    Parameters
    ----------
    gram : ndarray of shape (n_features, n_features)
        Fortran-contiguous; the lower triangle counts.
    sums : ndarray of shape (n_classes, n_features)
        C-contiguous.
    counts : ndarray of shape (n_classes,)
        Of int.
    magnitude : ndarray of shape (n_features,)
        The largest that the diagonal of `gram` has been: its rounding error is relative to that.
    """

    def __init__(
        self, gram: np.ndarray, sums: np.ndarray, counts: np.ndarray, magnitude: np.ndarray
    ) -> None:
        self.gram = gram
        self.sums = sums
        self.counts = counts
        self.magnitude = magnitude

    @classmethod
    def of(cls, rows: Rows, numbers: np.ndarray, codes: np.ndarray, n_classes: int) -> Self:
        """Sum up the rows with these numbers; ``codes[i]`` is the class of row i."""
        d = len(rows.shift)
        sums = cls(
            np.zeros((d, d), order="F"),
            np.zeros((n_classes, d)),
            np.zeros(n_classes, dtype=np.int64),
            np.zeros(d),
        )
        sums._add(rows, numbers, codes, sign=1)
        sums.magnitude = sums.gram.diagonal().copy()
        return sums

    def without(self, rows: Rows, numbers: np.ndarray, codes: np.ndarray) -> ClassSums:
        """Return the sums without the rows with these numbers."""
        rest = ClassSums(
            self.gram.copy(order="F"), self.sums.copy(), self.counts.copy(), self.magnitude
        )
        rest._add(rows, numbers, codes, sign=-1)
        return rest

    def _add(self, rows: Rows, numbers: np.ndarray, codes: np.ndarray, *, sign: int) -> None:
        for part, Z in rows.blocks(numbers):
            self.gram = dsyrk(sign, Z.T, beta=1.0, c=self.gram, lower=1, overwrite_c=1)
            self.sums += sign * (members(codes[part], len(self.counts)) @ Z)
            self.counts += sign * np.bincount(codes[part], minlength=len(self.counts))

    def about(self, center: np.ndarray) -> ClassSums:
        """Return the sums of the rows less `center`: Σ(z-c)(z-c)' = Σzz' - sc' - cs' + ncc'."""
        gram = dsyr2(-1.0, self.sums.sum(axis=0), center, a=self.gram, lower=1)
        gram = dsyr(float(self.counts.sum()), center, a=gram, lower=1, overwrite_a=1)
        sums = self.sums - self.counts[:, None] * center
        return ClassSums(gram, sums, self.counts, np.maximum(self.magnitude, gram.diagonal()))

    @property
    def mean(self) -> np.ndarray:
        """The mean row, (n_features,)."""
        return self.sums.sum(axis=0) / self.counts.sum()


def members(codes: np.ndarray, n_classes: int) -> csr_matrix:
    """Return which row belongs to which class, (n_classes, n_rows) of 0 and 1."""
    ones = np.ones(len(codes))
    return csr_matrix((ones, (codes, np.arange(len(codes)))), shape=(n_classes, len(codes)))
