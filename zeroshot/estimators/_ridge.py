"""Ridge regression on features, from sums over the rows: one pass, then any number of penalties.

Everything here runs in SciPy's BLAS and LAPACK: NumPy brings a library of its own, and two pools of
threads in turns on the same cores wait for each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.linalg import blas, eigh, lapack
from scipy.sparse import csr_array, issparse
from sklearn.utils import gen_batches

CHUNK_ROWS = 2048
"""Rows brought to float64 at a time: features stay as they are, and may be memory-mapped."""

EIGEN_FROM = 16
"""From how many penalties on one eigendecomposition costs less than a Cholesky factor for each."""

_LEAST_MARGIN = 1e-8
"""How near to singular sums less others may be, with unit diagonal: that costs 1e-7 or less."""


def product(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the matrix product of two float arrays of one dtype, in C order, without a copy."""
    if 0 in a.shape or 0 in b.shape:
        return np.zeros((a.shape[0], b.shape[1]), dtype=a.dtype)
    gemm = blas.sgemm if a.dtype == np.float32 else blas.dgemm
    (first, trans_a), (second, trans_b) = _for_fortran(b), _for_fortran(a)
    return gemm(1.0, first, second, trans_a=trans_a, trans_b=trans_b).T  # (a b)' = b' a'


def _for_fortran(matrix: np.ndarray) -> tuple[np.ndarray, bool]:
    """Return what BLAS reads without a copy as the transpose of `matrix`, and its flag."""
    return (matrix, True) if matrix.flags.f_contiguous else (matrix.T, False)


def one_hot(codes: np.ndarray, n_classes: int) -> csr_array:
    """Return the membership of samples in classes, (n_samples, n_classes), sparse."""
    ones = np.ones(len(codes))
    return csr_array((ones, codes, np.arange(len(codes) + 1)), shape=(len(codes), n_classes))


@dataclass(frozen=True)
class RowSums:
    """Sums over the rows z = x - origin of the features, and t of the targets.

    Parameters
    ----------
    origin : ndarray of shape (n_features,)
        Near the mean where that is wanted, so that nothing is lost when the mean is taken out.
    n_rows : int
        How many rows.
    total : ndarray of shape (n_features,)
        Sum of z.
    gram : ndarray of shape (n_features, n_features)
        Sum of z z', of which only the lower triangle is filled.
    cross : ndarray of shape (n_targets, n_features)
        Sum of t z': for one-hot targets, the sum of each class.
    magnitude : ndarray of shape (n_features,)
        The largest that the diagonal of `gram` has been: its rounding error is relative to that.
    """

    origin: np.ndarray
    n_rows: int
    total: np.ndarray
    gram: np.ndarray
    cross: np.ndarray
    magnitude: np.ndarray

    @classmethod
    def of(cls, X: np.ndarray, targets: Any, origin: np.ndarray) -> RowSums:
        """Take the sums over rows X, (n_samples, n_features), and `targets`, dense or sparse."""
        n_features = X.shape[1]
        total = np.zeros(n_features)
        gram = np.zeros((n_features, n_features), order="F")
        cross = np.zeros((targets.shape[1], n_features))
        for rows in gen_batches(len(X), CHUNK_ROWS):
            Z = np.subtract(X[rows], origin, dtype=np.float64, order="C")
            T = targets[rows]
            total += Z.sum(axis=0)
            gram = blas.dsyrk(1.0, Z.T, beta=1.0, c=gram, lower=1, overwrite_c=1)
            cross += T.T @ Z if issparse(T) else blas.dgemm(1.0, Z.T, T.T, trans_b=1).T
        return cls(origin, len(X), total, gram, cross, gram.diagonal().copy())

    def without(self, other: RowSums) -> RowSums:
        """Return the sums over the rows that are not among those of `other`."""
        return RowSums(
            self.origin,
            self.n_rows - other.n_rows,
            self.total - other.total,
            self.gram - other.gram,
            self.cross - other.cross,
            self.magnitude,
        )

    def about_the_mean(self, target_totals: np.ndarray) -> RowSums:
        """Return the sums over x less the mean of these very rows."""
        shift = self.total / self.n_rows
        gram = blas.dsyr(-float(self.n_rows), shift, lower=1, a=self.gram)
        cross = self.cross - np.outer(target_totals, shift)
        origin, total = self.origin + shift, np.zeros_like(shift)
        return RowSums(origin, self.n_rows, total, gram, cross, self.magnitude)

    def keep_digits(self, penalty: float) -> bool:
        """Tell whether subtraction has left enough digits to solve with no lower a penalty.

        Where rows that are still there are as much larger than the rest, it has not, either: sums
        over the rows themselves round these less.
        """
        left, magnitude = self.gram.diagonal() + penalty, self.magnitude + penalty
        if (left <= _LEAST_MARGIN * magnitude).any():
            return False
        shifted = self.gram.copy(order="F")
        np.einsum("ii->i", shifted)[:] = left
        factor, info = lapack.dpotrf(shifted, lower=1, clean=0, overwrite_a=1)
        margin, _ = lapack.dpocon(factor / np.sqrt(magnitude)[:, None], 1.0, uplo="L")
        return info == 0 and margin >= _LEAST_MARGIN


@dataclass(frozen=True)
class NormalEquations:
    """What is solved for the weights w: (gram + penalty I) w = right R, whatever R is.

    Parameters
    ----------
    gram : ndarray of shape (n_equations, n_equations)
        Of features; or of rows, where these are fewer. Only the lower triangle is filled.
    right : ndarray or sparse array of shape (n_equations, n_targets)
        The right-hand side of unit targets.
    mean : ndarray of shape (n_features,)
        What was subtracted from the features.
    rows : ndarray of shape (n_equations, n_features), optional
        The rows themselves, where the equations are theirs.
    """

    gram: np.ndarray
    right: Any
    mean: np.ndarray
    rows: np.ndarray | None = None

    @classmethod
    def of_rows(cls, X: np.ndarray, targets: Any, *, center: bool) -> NormalEquations:
        """Return the equations of rows X, (n_samples, n_features), with `center` about their mean.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_features)
            Features.
        targets : ndarray or sparse array of shape (n_samples, n_targets)
            Such as `one_hot` gives.
        center : bool
            Whether to subtract the mean of the features.
        """
        origin = X.mean(axis=0, dtype=np.float64) if center else np.zeros(X.shape[1])
        if len(X) >= X.shape[1]:
            return cls.of_sums(RowSums.of(X, targets, origin))
        rows = np.subtract(X, origin, dtype=np.float64, order="C")
        return cls(blas.dsyrk(1.0, rows.T, trans=1, lower=1), targets, origin, rows)

    @classmethod
    def of_sums(cls, sums: RowSums) -> NormalEquations:
        """Return the equations of features, about the origin of `sums`."""
        return cls(sums.gram, sums.cross.T, sums.origin)

    def solve(self, penalties: Sequence[float], R: np.ndarray | None = None) -> np.ndarray:
        """Return the weights for each penalty, (n_penalties, n_features, n_outputs).

        Parameters
        ----------
        penalties : sequence of float
            Not negative. Where a penalty leaves the equations singular, the shortest weights.
        R : ndarray of shape (n_targets, n_outputs), optional
            What a unit target stands for; the identity if None.
        """
        weights = solve_shifted(self.gram, self._right(R), penalties)
        return np.stack([self._back(each) for each in weights])

    def solve_each(self, penalties: np.ndarray, R: np.ndarray) -> np.ndarray:
        """Return the weights of outputs with a penalty each, (n_features, n_outputs).

        Parameters
        ----------
        penalties : ndarray of shape (n_outputs,)
            Not negative.
        R : ndarray of shape (n_targets, n_outputs)
            What a unit target stands for.
        """
        values, vectors = psd_eigh(self.gram)
        rotated = product(vectors.T, self._right(R))
        rotated *= inverse_or_zero(values[:, None] + penalties, values[:, None])
        return self._back(product(vectors, rotated))

    def _right(self, R: np.ndarray | None) -> np.ndarray:
        if R is None:
            return self.right.toarray() if issparse(self.right) else self.right
        return self.right @ R if issparse(self.right) else product(self.right, R)

    def _back(self, solution: np.ndarray) -> np.ndarray:
        return solution if self.rows is None else product(self.rows.T, solution)


def solve_shifted(gram: np.ndarray, right: np.ndarray, shifts: Sequence[float]) -> np.ndarray:
    """Solve (gram + shift I) w = right for each shift, (n_shifts, n_equations, n_outputs).

    Parameters
    ----------
    gram : ndarray of shape (n_equations, n_equations)
        Positive semidefinite; only its lower triangle is read.
    right : ndarray of shape (n_equations, n_outputs)
        Without a part in the null space of `gram`, or with one that does not matter.
    shifts : sequence of float
        Not negative.
    """
    if len(shifts) >= EIGEN_FROM:
        return _solve_by_eigenvectors(gram, right, shifts)
    solutions = {i: _solve_by_cholesky(gram, right, shift) for i, shift in enumerate(shifts)}
    # Each shift by itself, so that its weights do not depend on what else is solved for.
    singular = [i for i, solution in solutions.items() if solution is None]
    if singular:
        others = _solve_by_eigenvectors(gram, right, [shifts[i] for i in singular])
        solutions |= dict(zip(singular, others, strict=True))
    return np.stack(list(solutions.values()))  # type: ignore[arg-type]


def _solve_by_eigenvectors(
    gram: np.ndarray, right: np.ndarray, shifts: Sequence[float]
) -> np.ndarray:
    values, vectors = psd_eigh(gram)
    rotated = product(vectors.T, right)
    scaled = [rotated * inverse_or_zero(values + shift, values)[:, None] for shift in shifts]
    return np.stack([product(vectors, each) for each in scaled])


def psd_eigh(gram: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return eigenvalues, none negative and those that are rounding 0, and eigenvectors."""
    values, vectors = eigh(gram, lower=True, driver="evd", check_finite=False)
    rounding = len(values) * np.finfo(np.float64).eps * max(values[-1], 0.0)
    return np.where(values > rounding, values, 0.0), vectors


def inverse_or_zero(numbers: np.ndarray, where: np.ndarray) -> np.ndarray:
    """Return 1 / `numbers` where `where` is above 0, else 0."""
    return np.divide(1.0, numbers, out=np.zeros_like(numbers), where=where > 0)


def _solve_by_cholesky(gram: np.ndarray, right: np.ndarray, shift: float) -> np.ndarray | None:
    """Return the solution, or None where `gram` with the shift is singular but for rounding."""
    shifted = gram.copy(order="F")
    np.einsum("ii->i", shifted)[:] += shift
    magnitudes = np.sqrt(np.einsum("ii->i", shifted))
    factor, info = lapack.dpotrf(shifted, lower=1, clean=0, overwrite_a=1)
    if info != 0:
        return None
    # With a unit diagonal: features in units of their own are not singular, and lose no digits.
    reciprocal_condition, _ = lapack.dpocon(factor / magnitudes[:, None], 1.0, uplo="L")
    if reciprocal_condition < len(gram) * np.finfo(np.float64).eps:
        return None
    solution, _ = lapack.dpotrs(factor, right, lower=1)
    return np.ascontiguousarray(solution)
