"""Normal equations of ridge regression, made once and solved for any number of penalties."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.linalg import blas, lapack
from scipy.sparse import dia_array, issparse

from zeroshot._linear._blas import cholesky, inverse_or_zero, product, psd_eigh, shifted_diagonal
from zeroshot._linear._sums import RowSums

EIGEN_FROM = 16
"""From this many penalties on, one eigendecomposition costs less than a Cholesky factor each."""


@dataclass(frozen=True)
class NormalEquations:
    """Equations (gram + penalty I) w = right R for the weights w, for any targets R.

    Parameters
    ----------
    gram : ndarray of shape (n_equations, n_equations)
        Gram matrix of the features, or of the rows if these are fewer. Only the lower triangle is
        filled.
    right : ndarray or sparse array of shape (n_equations, n_targets)
        The right-hand side of unit targets.
    mean : ndarray of shape (n_features,)
        What was subtracted from the features.
    rows : ndarray of shape (n_equations, n_features), optional
        The rows, if `gram` is that of the rows. The weights are then ``rows.T`` times the solution.
    """

    gram: np.ndarray
    right: Any
    mean: np.ndarray
    rows: np.ndarray | None = None

    @classmethod
    def of_rows(
        cls,
        X: np.ndarray,
        targets: Any,
        *,
        center: bool,
        products: np.ndarray | None = None,
        weights: np.ndarray | None = None,
    ) -> NormalEquations:
        """Return the equations of few rows X, one for each row.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_features)
            Features.
        targets : ndarray or sparse array of shape (n_samples, n_targets)
            Such as `one_hot` gives.
        center : bool
            Whether to subtract the mean of the features.
        products : ndarray of shape (n_samples, n_samples), optional
            Inner products of the rows about any origin, where they are known and `center` is true.
        weights : ndarray of shape (n_samples,), optional
            Of the rows, not negative; 1 each if None.
        """
        mean = np.zeros(X.shape[1])
        if center:
            mean = _mean(X, weights)
        rows = np.subtract(X, mean, dtype=np.float64, order="C")
        if weights is not None:  # w (t - x'b)^2 is the error of the row and target times the root
            roots = np.sqrt(weights)
            rows *= roots[:, None]
            targets = dia_array((roots[None], [0]), shape=(len(roots),) * 2) @ targets
        if products is None:
            gram = blas.dsyrk(1.0, rows.T, trans=1, lower=1)
        else:  # centre the known products, without touching the rows again
            means = _mean(products, weights)
            gram = np.asfortranarray(products - means - means[:, None] + _mean(means, weights))
            if weights is not None:
                gram *= np.outer(roots, roots)
        return cls(gram, targets, mean, rows)

    @classmethod
    def of_sums(cls, sums: RowSums, *, center: bool) -> NormalEquations:
        """Return the equations of features, one for each, with `center` about their mean."""
        sums = sums.centered() if center else sums.uncentered()
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


def _mean(rows: np.ndarray, weights: np.ndarray | None) -> Any:
    """Return the mean along the first axis, in float64."""
    if weights is None:
        return rows.mean(axis=0, dtype=np.float64)
    return np.average(rows, axis=0, weights=weights)


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
    # Only singular shifts go the other way, so that the weights of one do not depend on the others.
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


def _solve_by_cholesky(gram: np.ndarray, right: np.ndarray, shift: float) -> np.ndarray | None:
    """Return the solution, or None where `gram` with the shift is singular but for rounding."""
    shifted = shifted_diagonal(gram, shift)
    try:
        factor, margin = cholesky(shifted, shifted.diagonal().copy())
    except np.linalg.LinAlgError:
        return None
    if margin < len(gram) * np.finfo(np.float64).eps:
        return None
    solution, _ = lapack.dpotrs(factor, right, lower=1)
    return np.ascontiguousarray(solution)
