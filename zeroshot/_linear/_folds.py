"""Training sets of folds, from sums over all rows less the rows left out.

With Z the rows (and a column of ones, which centres them), A = Z'Z + penalty, M the sums of rows
of each class, F the rows left out and K those kept, the weights of a fold are

    V_F = (A - Z_F'Z_F)^-1 M_K S_K,

where the rows of S_K are the vectors that this fold gives to its classes. This holds because a
ridge regression uses labels only through M_K S_K.

If few rows are left out, they are removed from the Cholesky factor of all rows (`SharedFactor`).
Otherwise Z_F'Z_F is subtracted from A, and the difference is factored. Behind a `StandardScaler`
the difference is always factored: each fold has its own scale, so its own penalty and its own A.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.linalg.blas import dgemm, dsyrk, dtrmm
from scipy.linalg.lapack import dpotrs, dtrtri

from zeroshot._linear._blas import cholesky, class_sums, shifted_diagonal
from zeroshot._linear._equations import NormalEquations
from zeroshot._linear._sums import LEAST_MARGIN, RowSums, as_slice, left_out_rows
from zeroshot._linear._systems import LinearSystem, RidgeSolution

if TYPE_CHECKING:
    from sklearn.preprocessing import StandardScaler

_CACHE_LINE = 8  # float64 numbers


class LinearFolds:
    """All labelled rows, summed up once, and what the folds share.

    Parameters
    ----------
    X : array of shape (n_samples, n_features)
        Features, or what gives them for ``X[rows]``.
    y : ndarray of shape (n_samples,)
        Labels.
    """

    def __init__(self, X: Any, y: np.ndarray) -> None:
        self.X = X
        self.classes, self.codes = np.unique(y, return_inverse=True)
        self.sums = RowSums.of(X, self.codes, classes=self.classes)
        self._factors: dict[tuple[float, bool], SharedFactor] = {}

    def factor(self, alpha: float, center: bool) -> SharedFactor:
        """Return the factor of all rows for a penalty; the folds of one estimator share it."""
        key = (alpha, center)
        if key not in self._factors:
            self._factors = {key: SharedFactor(self.sums, alpha, center)}
        return self._factors[key]


class FoldSystem(LinearSystem):
    """The rows of one training set.

    Parameters
    ----------
    folds : LinearFolds
        Of all rows.
    train : ndarray of int of shape (n_train,)
        Row numbers of the training set.
    """

    def __init__(self, folds: LinearFolds, train: np.ndarray) -> None:
        self._folds = folds
        self._train = train
        self._scaler: StandardScaler | None = None
        self._left_out, self._repeats = left_out_rows(train, len(folds.X))
        counts = np.bincount(folds.codes[train], minlength=len(folds.classes))
        self._seen = counts > 0
        self.counts = counts[self._seen]
        self.classes = self.announced = folds.classes[self._seen]

    @cached_property
    def _sums(self) -> RowSums:
        folds = self._folds
        return folds.sums.training(folds.X, folds.codes, self._train)

    def fit_scaler(self, scaler: StandardScaler) -> None:
        """Set what a scaler learns from the training rows, and scale them from now on.

        Raises
        ------
        LinAlgError
            A feature varies by too little beside what it does in the rows left out.
        """
        n = len(self._train)
        scaler.n_samples_seen_ = np.int64(n)
        mean = self._sums.mean
        scaler.mean_ = mean if scaler.with_mean or scaler.with_std else None
        scaler.var_ = scaler.scale_ = None
        if scaler.with_std:
            squares = self._sums.centered().gram.diagonal()
            if (squares < 1e-6 * self._sums.magnitude).any():
                raise np.linalg.LinAlgError("too little variance is left")
            scaler.var_ = squares / n
            eps = np.finfo(np.float64).eps
            constant = scaler.var_ <= n * eps * scaler.var_ + (n * eps * mean) ** 2
            scaler.scale_ = np.where(constant, 1.0, np.sqrt(scaler.var_))
        self._scaler = scaler

    def ridge(
        self, targets: np.ndarray | None, alpha: float | np.ndarray, *, center: bool = True
    ) -> RidgeSolution:
        """Minimise the squared error plus `alpha` times the squared weights."""
        targets = np.ascontiguousarray(targets, dtype=np.float64)
        target_mean = self.counts @ targets / len(self._train)
        if center:
            targets = targets - target_mean
        coef, mean = self._without(targets, alpha, center) or self._solve(targets, alpha, center)
        mean = mean if center else np.zeros_like(mean)
        return RidgeSolution(np.ascontiguousarray(coef), mean, target_mean)

    def _without(
        self, targets: np.ndarray, alpha: float | np.ndarray, center: bool
    ) -> tuple[np.ndarray, np.ndarray] | None:
        """Take rows out of the factor of all, where these are few: weights and mean, or None."""
        folds, left_out = self._folds, self._left_out
        sums = folds.sums
        # With half as many rows as features, their block costs as much as a new factor.
        few = 0 < 2 * len(left_out) < len(sums.origin)
        if not few or self._repeats or self._scaler is not None or np.ndim(alpha):
            return None
        rows = folds.X[as_slice(left_out)]
        Z = np.subtract(rows, sums.origin, dtype=np.float64, order="C")
        mean = sums.origin + (sums.total - Z.sum(axis=0)) / len(self._train)
        # If this loses too many digits, `_solve` makes a new factor, which loses fewer.
        with suppress(np.linalg.LinAlgError):
            factor = folds.factor(float(alpha), center)
            self._check_fewer_rows(alpha, factor.size)
            return factor.without(Z, folds.codes[left_out], self._seen, targets), mean
        return None

    def _solve(
        self, targets: np.ndarray, alpha: float | np.ndarray, center: bool
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return weights and mean from V = (A - Z_F'Z_F)^-1 M_K S_K, with a scaler or without."""
        sums, scaler = self._sums, self._scaler
        scale = np.ones_like(sums.origin)
        if scaler is not None and scaler.scale_ is not None:
            scale = scaler.scale_
        scaled_mean = sums.mean / scale
        if scaler is not None and scaler.with_mean:
            center, scaled_mean = True, np.zeros_like(scaled_mean)
        sums = sums.centered() if center else sums.uncentered()
        size = (sums.gram.diagonal() / scale**2).sum()
        self._check_fewer_rows(alpha, size)
        if np.ndim(alpha):
            return self._solve_each(sums, scale, targets, np.asarray(alpha)), scaled_mean
        # With features x/s and weights w, w/s are the weights of x, and alpha |w|^2 is a penalty of
        # alpha s^2 on each of them. So the Gram matrix need not be scaled for each fold.
        penalty = alpha * scale**2
        magnitude = sums.magnitude + penalty
        factor, margin = cholesky(shifted_diagonal(sums.gram, penalty), magnitude)
        if margin < LEAST_MARGIN:
            raise np.linalg.LinAlgError("near to singular")
        right = dgemm(1.0, sums.cross[self._seen].T, targets.T, trans_b=1)
        coef, _ = dpotrs(factor, right, lower=1, overwrite_b=1)
        return scale[:, None] * coef, scaled_mean

    def _solve_each(
        self, sums: RowSums, scale: np.ndarray, targets: np.ndarray, penalties: np.ndarray
    ) -> np.ndarray:
        """Return the weights of outputs with a penalty each, of scaled features."""
        if not len(penalties):
            return np.zeros((len(scale), 0))
        scaled = replace(
            sums,
            gram=np.asfortranarray(sums.gram / np.outer(scale, scale)),
            cross=sums.cross[self._seen] / scale,
            magnitude=sums.magnitude / scale**2,
        )
        if not scaled.keep_digits(float(penalties.min())):
            raise np.linalg.LinAlgError("near to singular")
        equations = NormalEquations(scaled.gram, scaled.cross.T, sums.origin)
        return equations.solve_each(penalties, targets)

    def _check_fewer_rows(self, alpha: float | np.ndarray, size: float) -> None:
        """Raise if ``fit`` itself would lose digits that this method does not lose.

        With fewer rows than features, ``fit`` solves for the rows, and the rounding error of their
        products is relative to `size`. The fold is then fitted anew, so that both results agree.
        """
        few = len(self._train) < len(self._folds.sums.origin)
        if few and np.min(alpha, initial=np.inf) < LEAST_MARGIN * size:
            raise np.linalg.LinAlgError("ill-conditioned in fit")


class SharedFactor:
    """The inverse Cholesky factor of all rows, from which each fold removes its rows.

    With A = LL' the normal equations of rows Z, and T = L^-1 Z_F' for the rows F to leave out,

        (A - Z_F'Z_F)^-1 = L'^-1 (I + T (I - T'T)^-1 T') L^-1

    (Sherman, Morrison, Woodbury). So a fold factors only I - T'T, which has the size of F. The
    inverse of L is kept because multiplying by it is a third faster than solving.

    Parameters
    ----------
    sums : RowSums
        Of all rows.
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

    def __init__(self, sums: RowSums, alpha: float, center: bool) -> None:
        self._shift = None if center else sums.origin
        d = len(sums.origin)
        if not center:
            sums = sums.uncentered()
        M = self._widen(sums.cross, sums.target_total)
        A = np.eye(M.shape[1], order="F")
        A[:d, :d] = sums.gram
        if center:
            A[d, :d] = sums.total
            A[d, d] = sums.n_rows
        self.size = float(A[range(d), range(d)].sum())
        A[range(d), range(d)] += alpha
        L, self._margin = cholesky(A, A.diagonal().copy())
        self._inverse, _ = dtrtri(L, lower=1, overwrite_c=1)
        # L^-1 M, transposed: a contiguous row for each class.
        self._solved = dtrmm(1.0, self._inverse, M.T, lower=1).T

    def _widen(self, rows: np.ndarray, ones: float | np.ndarray) -> np.ndarray:
        """Append the column of ones, and zeros up to a whole cache line.

        The zeros change no result. BLAS is slower by a sixth on columns that do not begin at a
        cache line.
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
            Those rows, less the origin of the sums.
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
        if seen[codes].any():  # M_K = M - M_F, for classes that keep some of their rows
            solved -= class_sums(T.T, codes, len(seen))[seen]
        V = dgemm(1.0, solved.T, targets.T, trans_b=1)
        correction, _ = dpotrs(block, dgemm(1.0, T, V, trans_a=1), lower=1, overwrite_b=1)
        V = dgemm(1.0, T, correction, beta=1.0, c=V, overwrite_c=1)
        return dtrmm(1.0, self._inverse, V, lower=1, trans_a=1, overwrite_b=1)[:d]
