"""Ridge regression to class vectors on all rows but some, from sums over all of them.

With Z the rows (and a column of ones, which centres them), A = Z'Z + penalty, M the sums of rows
of each class, F the rows left out and K those kept, the weights of a fold are

    V_F = (A - Z_F'Z_F)^-1 M_K S_K,

because a ridge regression knows the labels of its rows only through M_K S_K, where the rows of S_K
are the vectors that this fold gives to its classes. A few rows are taken out of the Cholesky factor
of all (`RidgeFactor`); otherwise, and where each fold has a penalty of its own because its scaler
has a scale of its own, the rows' own products are taken away, and what is left is factored.

Everything large goes through scipy's BLAS: numpy has a BLAS of its own, and two pools of threads
get in each other's way.
"""

from __future__ import annotations

from contextlib import suppress
from functools import cached_property

import numpy as np
from scipy.linalg.blas import dgemm, dgemv
from scipy.linalg.lapack import dpotrs
from sklearn.preprocessing import StandardScaler

from zeroshot.model_selection._class_sums import ClassSums, Rows
from zeroshot.model_selection._ridge_factor import LEAST_MARGIN, RidgeFactor, cholesky


class RidgeFolds:
    """All rows, summed up once, and what the folds share.

    Parameters
    ----------
    rows : Rows
        Of X.
    codes : ndarray of shape (n_samples,)
        The position of the class of each row.
    n_classes : int
        How many there are.
    """

    def __init__(self, rows: Rows, codes: np.ndarray, n_classes: int) -> None:
        self.rows = rows
        self.codes = codes
        self.sums = ClassSums.of(rows, np.arange(len(rows)), codes, n_classes)
        self._factors: dict[tuple[float, bool], RidgeFactor] = {}

    def factor(self, alpha: float, center: bool) -> RidgeFactor:
        """Return the factor of all rows for a penalty; the folds of one estimator share it."""
        key = (alpha, center)
        if key not in self._factors:
            self._factors = {key: RidgeFactor(self.sums, self.rows.shift, alpha, center)}
        return self._factors[key]


class RidgeFold:
    """The rows of one training set.

    Parameters
    ----------
    folds : RidgeFolds
        Of all rows.
    train : ndarray of int of shape (n_train,)
        Row numbers of the training set.

    Attributes
    ----------
    seen : ndarray of bool of shape (n_classes,)
        Which classes have a row in the training set.
    """

    def __init__(self, folds: RidgeFolds, train: np.ndarray) -> None:
        self._folds = folds
        self._train = train
        self._scaler: StandardScaler | None = None
        times = np.bincount(train, minlength=len(folds.rows))
        self._left_out = np.flatnonzero(times == 0)
        self._repeats = bool((times > 1).any())
        self._counts = np.bincount(folds.codes[train], minlength=len(folds.sums.counts))
        self.seen = self._counts > 0

    @cached_property
    def _sums(self) -> ClassSums:
        """Of the training rows: by taking rows away, where these are the fewer."""
        folds = self._folds
        if self._repeats or len(self._left_out) > len(self._train):
            return ClassSums.of(folds.rows, self._train, folds.codes, len(self.seen))
        return folds.sums.without(folds.rows, self._left_out, folds.codes)

    def fit_scaler(self, scaler: StandardScaler) -> None:
        """Set what a scaler learns from the training rows, and scale them from now on.

        Raises
        ------
        LinAlgError
            A feature varies by too little beside what it does in the rows left out.
        """
        n = len(self._train)
        scaler.n_samples_seen_ = np.int64(n)
        mean = self._folds.rows.shift + self._sums.mean
        scaler.mean_ = mean if scaler.with_mean or scaler.with_std else None
        scaler.var_ = scaler.scale_ = None
        if scaler.with_std:
            squares = self._sums.gram.diagonal() - n * self._sums.mean**2
            if (squares < 1e-6 * self._sums.magnitude).any():
                raise np.linalg.LinAlgError("too little variance is left")
            scaler.var_ = squares / n
            eps = np.finfo(np.float64).eps
            constant = scaler.var_ <= n * eps * scaler.var_ + (n * eps * mean) ** 2
            scaler.scale_ = np.where(constant, 1.0, np.sqrt(scaler.var_))
        self._scaler = scaler

    def ridge(
        self, targets: np.ndarray, alpha: float, *, center: bool = True
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Minimise the squared error plus `alpha` times the squared weights.

        Parameters
        ----------
        targets : ndarray of shape (n_seen, n_outputs)
            What each row of a class should give; one row for each class that is `seen`.
        alpha : float
            The penalty.
        center : bool, default=True
            Whether features and targets are centred on their means, as an intercept does.

        Returns
        -------
        coef : ndarray of shape (n_features, n_outputs)
            Weights of the features, scaled if there is a scaler.
        mean : ndarray of shape (n_features,)
            Of the features, scaled if there is a scaler; zeros without `center`.
        target_mean : ndarray of shape (n_outputs,)
            Of the targets, over rows.

        Raises
        ------
        LinAlgError
            The normal equations are singular, or so nearly that the result would not be exact.
        """
        targets = np.ascontiguousarray(targets, dtype=np.float64)
        coef, mean = self._without(targets, alpha, center) or self._solve(targets, alpha, center)
        counts = self._counts[self.seen]
        target_mean = dgemv(1 / counts.sum(), targets.T, counts.astype(np.float64))
        return np.ascontiguousarray(coef), mean if center else np.zeros_like(mean), target_mean

    def _without(
        self, targets: np.ndarray, alpha: float, center: bool
    ) -> tuple[np.ndarray, np.ndarray] | None:
        """Take rows out of the factor of all, where these are few: weights and mean, or None."""
        folds, left_out = self._folds, self._left_out
        # A block of half as many rows as features costs as much as a new factor.
        few = 0 < 2 * len(left_out) < len(folds.rows.shift)
        if not few or self._repeats or self._scaler is not None:
            return None
        Z, codes = folds.rows[left_out], folds.codes[left_out]
        mean = (folds.sums.sums.sum(axis=0) - Z.sum(axis=0)) / len(self._train)
        with suppress(np.linalg.LinAlgError):  # a factor of its own loses fewer digits
            factor = folds.factor(alpha, center)
            self._check_fewer_rows(alpha, factor.size)
            return factor.without(Z, codes, self.seen, targets), folds.rows.shift + mean
        return None

    def _solve(
        self, targets: np.ndarray, alpha: float, center: bool
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return weights and mean from V = (A - Z_F'Z_F)^-1 M_K S_K, with a scaler or without."""
        sums, shift, scaler = self._sums, self._folds.rows.shift, self._scaler
        mean = shift + sums.mean
        scale = np.ones_like(mean) if scaler is None or scaler.scale_ is None else scaler.scale_
        scaled_mean = mean / scale
        if scaler is not None and scaler.with_mean:
            center, scaled_mean = True, np.zeros_like(mean)
        about = sums.about(sums.mean if center else -shift)
        # The weights of scaled features times the scale are those of the features as they are,
        # with a penalty on each that is the square of its scale.
        penalty = alpha * scale**2
        self._check_fewer_rows(alpha, (about.gram.diagonal() / scale**2).sum())
        about.gram[range(len(mean)), range(len(mean))] += penalty
        factor, margin = cholesky(about.gram, about.magnitude + penalty)
        if margin < LEAST_MARGIN:
            raise np.linalg.LinAlgError("near to singular")
        right = dgemm(1.0, about.sums[self.seen].T, targets.T, trans_b=1)
        coef, _ = dpotrs(factor, right, lower=1, overwrite_b=1)
        return scale[:, None] * coef, scaled_mean

    def _check_fewer_rows(self, alpha: float, size: float) -> None:
        """Raise where ``fit`` itself would lose digits that this does not.

        With fewer rows than features it solves for the rows, whose products are as large as `size`.
        """
        if len(self._train) < len(self._folds.rows.shift) and alpha < LEAST_MARGIN * size:
            raise np.linalg.LinAlgError("ill-conditioned in fit")
