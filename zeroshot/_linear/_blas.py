"""Products and factors in SciPy's BLAS and LAPACK.

NumPy has another copy of these libraries. If both take turns on the same cores, their thread pools
wait for each other. So all large products and factors go through this module.
"""

from __future__ import annotations

import numpy as np
from scipy.linalg import blas, eigh, lapack
from scipy.sparse import csr_array


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


def class_sums(rows: np.ndarray, codes: np.ndarray, n_classes: int) -> np.ndarray:
    """Return the sum of the rows of each class, (n_classes, n_features)."""
    return one_hot(codes, n_classes).T @ rows


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
    factor, info = lapack.dpotrf(A, lower=1, clean=0, overwrite_a=1)
    if info:
        raise np.linalg.LinAlgError("not positive definite")
    # With a unit diagonal: features in units of their own are not singular, and lose no digits.
    margin, _ = lapack.dpocon(factor / np.sqrt(magnitude)[:, None], 1.0, uplo="L")
    return factor, margin


def psd_eigh(gram: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return eigenvalues, none negative and those that are rounding 0, and eigenvectors."""
    values, vectors = eigh(gram, lower=True, driver="evd", check_finite=False)
    rounding = len(values) * np.finfo(np.float64).eps * max(values[-1], 0.0)
    return np.where(values > rounding, values, 0.0), vectors


def inverse_or_zero(numbers: np.ndarray, where: np.ndarray) -> np.ndarray:
    """Return 1 / `numbers` where `where` is above 0, else 0."""
    return np.divide(1.0, numbers, out=np.zeros_like(numbers), where=where > 0)


def shifted_diagonal(gram: np.ndarray, shift: float | np.ndarray) -> np.ndarray:
    """Return a copy of a square matrix, Fortran-contiguous, with `shift` added to its diagonal."""
    copy = gram.copy(order="F")
    np.einsum("ii->i", copy)[:] += shift
    return copy
