"""A Cholesky factor of the normal equations of all rows, out of which few rows are taken.

With A = LL' the normal equations of rows Z, and T = L^-1 Z_F' for the rows F to leave out,

    (A - Z_F'Z_F)^-1 = L'^-1 (I + T (I - T'T)^-1 T') L^-1

(Sherman, Morrison, Woodbury), which takes a new factor of the size of F only.
"""

from __future__ import annotations

import numpy as np
from scipy.linalg.blas import dgemm, dsyrk, dtrmm
from scipy.linalg.lapack import dpocon, dpotrf, dpotrs, dtrtri

from zeroshot.model_selection._class_sums import ClassSums, members

_CACHE_LINE = 8  # float64 numbers

LEAST_MARGIN = 1e-8
"""How near to singular a matrix with unit diagonal may be: rounding then costs 1e-7 or less."""


class RidgeFactor:
    """The normal equations of all rows: the inverse of their Cholesky factor.

    Multiplying by the inverse is a third faster than solving.

    Parameters
    ----------
    sums : ClassSums
        Of all rows, less `shift`.
    shift : ndarray of shape (n_features,)
        Added again where nothing is centred.
    alpha : float
        Penalty on the squared weights.
    center : bool
        Whether each fold's rows are centred: Z then has a column of ones, without a penalty.

    Attributes
    ----------
    size : float
        The sum of the squares of all features, over all rows.

    Raises
    ------
    LinAlgError
        They are singular.
    """

    def __init__(self, sums: ClassSums, shift: np.ndarray, alpha: float, center: bool) -> None:
        self._shift = None if center else shift
        d = len(shift)
        if not center:
            sums = sums.about(-shift)
        M = self._widen(sums.sums, sums.counts)
        A = np.eye(M.shape[1], order="F")
        A[:d, :d] = sums.gram
        if center:
            A[d, :d] = sums.sums.sum(axis=0)
            A[d, d] = sums.counts.sum()
        self.size = float(A[range(d), range(d)].sum())
        A[range(d), range(d)] += alpha
        L, self._margin = cholesky(A, A.diagonal().copy())
        self._inverse, _ = dtrtri(L, lower=1, overwrite_c=1)
        # L^-1 M, transposed: a contiguous row for each class.
        self._solved = dtrmm(1.0, self._inverse, M.T, lower=1).T

    def _widen(self, rows: np.ndarray, ones: float | np.ndarray) -> np.ndarray:
        """Append what stands for the column of ones, and zeros that change no result.

        BLAS is slower by a sixth on columns that do not begin at whole cache lines.
        """
        n, d = rows.shape
        if self._shift is not None:
            ones = 0.0
        wide = np.zeros((n, _CACHE_LINE * (d // _CACHE_LINE + 1)))
        wide[:, :d] = rows
        wide[:, d] = ones
        return wide

    def without(
        self, Z: np.ndarray, codes: np.ndarray, seen: np.ndarray, targets: np.ndarray
    ) -> np.ndarray:
        """Return the weights without some rows.

        Parameters
        ----------
        Z : ndarray of shape (n_rows, n_features)
            Those rows.
        codes : ndarray of shape (n_rows,)
            Their classes.
        seen : ndarray of bool of shape (n_classes,)
            Which classes the other rows are of.
        targets : ndarray of shape (n_seen, n_outputs)
            C-contiguous.

        Raises
        ------
        LinAlgError
            Too many digits would be lost.
        """
        d = Z.shape[1]
        Z = self._widen(Z if self._shift is None else Z + self._shift, 1.0)
        T = dtrmm(1.0, self._inverse, Z.T, lower=1, overwrite_b=1)
        rest = dsyrk(-1.0, T, trans=1, lower=1)
        rest[range(len(Z)), range(len(Z))] += 1
        block, margin = cholesky(rest, np.ones(len(Z)))
        if margin * self._margin < LEAST_MARGIN:
            raise np.linalg.LinAlgError("near to singular")
        solved = self._solved[seen]
        if seen[codes].any():  # rows of classes that other rows still stand for
            solved -= (members(codes, len(seen)) @ T.T)[seen]
        V = dgemm(1.0, solved.T, targets.T, trans_b=1)
        correction, _ = dpotrs(block, dgemm(1.0, T, V, trans_a=1), lower=1, overwrite_b=1)
        V = dgemm(1.0, T, correction, beta=1.0, c=V, overwrite_c=1)
        return dtrmm(1.0, self._inverse, V, lower=1, trans_a=1, overwrite_b=1)[:d]


def cholesky(A: np.ndarray, magnitude: np.ndarray) -> tuple[np.ndarray, float]:
    """Return the lower Cholesky factor of A, and how far A is from singular.

    Parameters
    ----------
    A : ndarray of shape (n, n)
        Fortran-contiguous; the lower triangle counts. It is overwritten.
    magnitude : ndarray of shape (n,)
        Of the numbers that the diagonal of A was computed from.

    Returns
    -------
    factor : ndarray of shape (n, n)
        Lower triangular.
    margin : float
        One over the 1-norm of the inverse of A, its rows and columns scaled by the square roots of
        the `magnitude`: a change of that relative size may make A singular.

    Raises
    ------
    LinAlgError
        A is not positive definite.
    """
    factor, info = dpotrf(A, lower=1, overwrite_a=1)
    if info:
        raise np.linalg.LinAlgError("not positive definite")
    scaled = factor / np.sqrt(magnitude)[:, None]
    margin, _ = dpocon(scaled, 1.0, uplo="L")
    return factor, margin
