"""Linear systems: the samples of ``fit``, as rows or as sums, with a ridge solver.

An estimator need not know what a system was made from: all rows, batches one after another, or all
rows less those that a fold leaves out.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from scipy.linalg import blas
from sklearn import get_config

from zeroshot._linear._blas import one_hot, product
from zeroshot._linear._equations import NormalEquations
from zeroshot._linear._sums import Fold, RowSums, left_out_rows, training_sums


class RidgeSolution(NamedTuple):
    """Weights of a ridge regression, and the means that were taken out.

    Attributes
    ----------
    coef : ndarray of shape (n_features, n_outputs)
        Weights.
    mean : ndarray of shape (n_features,)
        Mean of the features; zeros if they were not centred.
    target_mean : ndarray of shape (n_outputs,)
        Mean of the targets over rows.

    Examples
    --------
    >>> import numpy as np
    >>> from zeroshot.model_selection import RidgeSolution
    >>> solution = RidgeSolution(np.array([[2.0]]), np.array([3.0]), np.array([7.0]))
    >>> solution.intercept.tolist()
    [1.0]
    """

    coef: np.ndarray
    mean: np.ndarray
    target_mean: np.ndarray

    @property
    def intercept(self) -> np.ndarray:
        """The intercept of the regression, (n_outputs,)."""
        return self.target_mean - product(self.mean[None], self.coef)[0]


class LinearSystem(ABC):
    """Samples and their targets, as far as least squares knows them.

    Attributes
    ----------
    classes : ndarray of shape (n_classes,) or None
        The sorted labels that have samples; None where targets are numbers.
    counts : ndarray of shape (n_classes,)
        How many samples each has; if samples have weights, the sum of these.
    announced : ndarray or None
        ``classes``, and the labels that ``partial_fit(..., classes=)`` announced.

    Examples
    --------
    The slope and the intercept of a line through two classes, whose targets are 0 and 2:

    >>> import numpy as np
    >>> from zeroshot._linear import SystemOfRows
    >>> system = SystemOfRows(np.array([[1.0], [3.0], [3.0]]), np.array(["cat", "dog", "dog"]))
    >>> system.classes.tolist(), system.counts.tolist()
    (['cat', 'dog'], [1, 2])
    >>> solution = system.ridge(np.array([[0.0], [2.0]]), alpha=0.0)
    >>> solution.coef.round(6).tolist(), solution.intercept.round(6).tolist()
    ([[1.0]], [-1.0])
    """

    classes: Any
    counts: np.ndarray
    announced: Any

    @abstractmethod
    def ridge(
        self, targets: np.ndarray | None, alpha: float | np.ndarray, *, center: bool = True
    ) -> RidgeSolution:
        """Minimise the squared error plus `alpha` times the squared weights.

        Parameters
        ----------
        targets : ndarray of shape (n_classes, n_outputs) or None
            What each sample of a class should give. None where targets are numbers: these.
        alpha : float or ndarray of shape (n_outputs,)
            The penalty, not negative; or one for each output.
        center : bool, default=True
            Whether features and targets are centred on their means, as an intercept does.

        Raises
        ------
        LinAlgError
            The result would not be exact. Do not catch it: the caller then fits on the rows.
        """


class EquationSystem(LinearSystem):
    """A system that can state its normal equations, and solve them for many penalties."""

    _target_mean: np.ndarray

    @abstractmethod
    def equations(self, *, center: bool) -> NormalEquations:
        """Return the normal equations, about the mean or about zero."""

    def ridge(
        self, targets: np.ndarray | None, alpha: float | np.ndarray, *, center: bool = True
    ) -> RidgeSolution:
        """Minimise the squared error plus `alpha` times the squared weights."""
        if not np.ndim(alpha):
            (solution,) = self.path(targets, [float(alpha)], center=center)
            return solution
        R, target_mean = self._outputs(targets, center)
        equations = self.equations(center=center)
        coef = equations.solve_each(np.asarray(alpha), np.eye(len(target_mean)) if R is None else R)
        return RidgeSolution(coef, equations.mean, target_mean)

    def path(
        self, targets: np.ndarray | None, alphas: Sequence[float], *, center: bool = True
    ) -> list[RidgeSolution]:
        """Return what `ridge` does for each of several penalties; the rows are summed up once."""
        R, target_mean = self._outputs(targets, center)
        equations = self.equations(center=center)
        weights = equations.solve(alphas, R)
        return [RidgeSolution(coef, equations.mean, target_mean) for coef in weights]

    def _outputs(
        self, targets: np.ndarray | None, center: bool
    ) -> tuple[np.ndarray | None, np.ndarray]:
        """Return what a unit target stands for, and the mean of the targets over rows."""
        if targets is None:
            return None, self._target_mean
        target_mean = self._target_mean @ targets
        return (targets - target_mean if center else targets), target_mean


class SystemOfSums(EquationSystem):
    """The system of sums, whatever rows these were taken over.

    Parameters
    ----------
    sums : RowSums
        Of labelled rows, or of rows with numbers.
    """

    def __init__(self, sums: RowSums) -> None:
        self._sums = sums
        self.announced = sums.classes
        self._target_mean = sums.target_mean
        if sums.classes is None:
            self.classes, self.counts = None, np.empty(0, dtype=np.int64)
            return
        seen = sums.target_total > 0
        self.classes = sums.classes[seen]
        self.counts = sums.target_total[seen]
        if isinstance(sums.n_rows, int):  # no weights
            self.counts = self.counts.astype(np.int64)
        self._target_mean = self._target_mean[seen]
        if not seen.all():
            self._sums = replace(
                sums, classes=self.classes, cross=sums.cross[seen], target_total=self.counts
            )

    def equations(self, *, center: bool) -> NormalEquations:
        """Return the normal equations, about the mean or about zero."""
        return NormalEquations.of_sums(self._sums, center=center)


class SystemOfRows(EquationSystem):
    """The system of rows that are at hand: of their sums, unless they are fewer than the features.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        Features.
    y : ndarray of shape (n_samples,) or (n_samples, n_targets)
        Labels; numbers, if it holds floats.
    products : ndarray of shape (n_samples, n_samples), optional
        Inner products of the rows about any origin, where they are known already.
    weights : ndarray of shape (n_samples,), optional
        Of the rows, above 0; 1 each if None.
    """

    def __init__(
        self,
        X: np.ndarray,
        y: np.ndarray,
        products: np.ndarray | None = None,
        weights: np.ndarray | None = None,
    ) -> None:
        self._X = X
        self._products = products
        self._weights = weights
        if y.dtype.kind == "f":
            self.classes, self.counts = None, np.empty(0, dtype=np.int64)
            self._y = y.reshape(len(y), -1)
            self._target_mean = np.average(self._y, axis=0, weights=weights)
        else:
            self.classes, self._y = np.unique(y, return_inverse=True)
            self.counts = np.bincount(self._y, weights)
            self._target_mean = self.counts / self.counts.sum()
        self.announced = self.classes

    def equations(self, *, center: bool) -> NormalEquations:
        """Return the normal equations, about the mean or about zero."""
        X, y, classes = self._X, self._y, self.classes
        if len(X) >= X.shape[1]:
            origin = None if center else np.zeros(X.shape[1])
            sums = RowSums.of(X, y, classes=classes, origin=origin, weights=self._weights)
            return NormalEquations.of_sums(sums, center=center)
        if classes is not None:
            targets = one_hot(y, len(classes))
        else:
            targets = y - self._target_mean if center else y
        products = self._products if center else None  # about zero they are others
        return NormalEquations.of_rows(
            X, targets, center=center, products=products, weights=self._weights
        )

    def path(
        self, targets: np.ndarray | None, alphas: Sequence[float], *, center: bool = True
    ) -> list[RidgeSolution]:
        """Return what `ridge` does for each of several penalties; the rows are summed up once."""
        # One row per class: their targets are numbers like any other.
        if targets is not None and center and len(targets) >= len(self._X):
            return SystemOfRows(self._X, targets[self._y]).path(None, alphas)
        return super().path(targets, alphas, center=center)


def fold_systems(
    X: np.ndarray,
    y: np.ndarray,
    folds: Sequence[Fold],
    *,
    center: bool,
    penalty: float | None,
    weights: np.ndarray | None = None,
) -> Iterator[EquationSystem]:
    """Yield the system of each fold's training rows, and last that of all rows.

    Each row is added up once, and sums are added and subtracted (`training_sums`). With fewer rows
    than features, the inner products of rows are computed once instead. If the rows that a fold
    leaves out are so large that subtraction would lose the digits of the others, the training rows
    are added up directly.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        Features.
    y : ndarray of shape (n_samples,) or (n_samples, n_targets)
        Labels; numbers, if it holds floats.
    folds : sequence of (train, test)
        Row numbers.
    center : bool
        Whether the systems will be solved with centred features.
    penalty : float or None
        The lowest penalty that they will be solved with. With None, differences of sums are not
        checked, which saves one factor per fold and is enough for a few digits.
    weights : ndarray of shape (n_samples,), optional
        Of the rows, above 0; 1 each if None.
    """
    n_rows, n_features = X.shape
    everything = np.arange(n_rows)
    if n_rows < n_features:
        products = _inner_products(X) if center else None
        for rows in (*(train for train, _ in folds), everything):
            own = None if products is None else products[np.ix_(rows, rows)]
            yield SystemOfRows(X[rows], y[rows], own, _rows_of(weights, rows))
        return
    trainings = _sums_of_folds(X, y, folds, None if center else np.zeros(n_features), weights)
    for train, _ in folds:
        sums = next(trainings)
        if penalty is not None and len(train) < n_features:
            yield SystemOfRows(X[train], y[train], weights=_rows_of(weights, train))
            continue
        about = sums.centered() if center else sums
        if penalty is not None and not about.keep_digits(penalty):
            codes = y if sums.classes is None else np.searchsorted(sums.classes, y)
            sums = RowSums.of(X, codes, classes=sums.classes, rows=train, weights=weights)
        yield SystemOfSums(sums)
    yield SystemOfSums(next(trainings))


def _sums_of_folds(
    X: np.ndarray,
    y: np.ndarray,
    folds: Sequence[Fold],
    origin: np.ndarray | None,
    weights: np.ndarray | None,
) -> Iterator[RowSums]:
    """Yield the sums over each fold's training rows and over all rows, at once if memory allows."""
    if fit_in_memory(len(folds), X.shape[1]) and not any(
        left_out_rows(train, len(X))[1] for train, _ in folds
    ):
        yield from training_sums(X, y, folds, origin=origin, weights=weights)
        return
    whole = RowSums.of(X, y, origin=origin, weights=weights)
    codes = y if whole.classes is None else np.searchsorted(whole.classes, y)
    for train, _ in folds:
        yield whole.training(X, codes, train, weights)
    yield whole


def _rows_of(weights: np.ndarray | None, rows: np.ndarray) -> np.ndarray | None:
    return None if weights is None else weights[rows]


def fit_in_memory(n_folds: int, n_features: int) -> bool:
    """Tell whether scikit-learn's ``working_memory`` has room for one sum per fold, and 3 more."""
    needed = (n_folds + 3) * 8 * n_features**2 / 2**20
    return n_folds <= _MOST_FOLDS and needed <= get_config()["working_memory"]


_MOST_FOLDS = 62  # bits of an integer


def _inner_products(X: np.ndarray) -> np.ndarray:
    """Return the inner products of rows about their mean, (n_rows, n_rows)."""
    rows = np.subtract(X, X.mean(axis=0, dtype=np.float64), dtype=np.float64, order="C")
    lower = blas.dsyrk(1.0, rows.T, trans=1, lower=1)
    return np.tril(lower) + np.tril(lower, -1).T
