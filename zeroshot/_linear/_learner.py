"""The interface of estimators that learn from sums over rows."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from typing import Any, Self

import numpy as np
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import _num_samples, check_is_fitted, validate_data

from zeroshot._linear._sums import RowSums, target_kind
from zeroshot._linear._systems import LinearSystem, SystemOfRows, SystemOfSums
from zeroshot._utils._constraints import ParametersMixin
from zeroshot._utils._validation import (
    check_labels,
    check_same_kind,
    check_sample_weight,
    warn_caller,
    without_weightless,
)

_OF_VALIDATION = {"n_features_in_", "feature_names_in_"}


def _has_sums(estimator: LearnsFromSums) -> bool:
    return estimator._check_sums()


class LearnsFromSums(ParametersMixin, ABC):
    """Interface of estimators whose ``fit`` needs only a `LinearSystem`, not the samples.

    A subclass defines ``fit_from_sums``, and gets ``fit``, ``partial_fit`` and ``merge``.
    `cross_validate_classes` fits it to all folds in one pass over the data.

    Attributes
    ----------
    sums_ : RowSums
        Sums over the rows of every ``partial_fit`` so far. ``fit`` keeps none.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.base import BaseEstimator
    >>> from zeroshot.model_selection import LearnsFromSums
    >>> class ClassCounts(LearnsFromSums, BaseEstimator):
    ...     def fit_from_sums(self, system):
    ...         self.classes_, self.counts_ = system.classes, system.counts
    ...         return self
    >>> model = ClassCounts().partial_fit([[1.0], [2.0]], ["cat", "dog"])
    >>> other = ClassCounts().partial_fit([[3.0]], ["dog"])
    >>> model.merge(other).counts_.tolist()
    [1, 2]
    """

    sums_: RowSums

    @abstractmethod
    def fit_from_sums(self, system: LinearSystem) -> Self:
        """Fit the estimator to a system instead of samples.

        ``n_features_in_`` is already set, and labels and features are already checked.

        Parameters
        ----------
        system : LinearSystem
            Has the labels, the number of samples per label, and ridge regression to any targets.

        Returns
        -------
        self : object
            The fitted estimator.
        """

    def learns_from_sums(self) -> bool:
        """Tell whether ``fit_from_sums`` does what ``fit`` does, for the parameters as they are."""
        return True

    def _check_sums(self) -> bool:
        """Tell whether the estimator has ``partial_fit`` and ``merge``.

        Raises
        ------
        AttributeError
            It has not, for this reason.
        """
        if not self.learns_from_sums():
            raise AttributeError(
                f"{type(self).__name__}: with these parameters fit needs all rows at once. "
                "Call fit."
            )
        return True

    def _validate_fit(self, X: Any, y: Any, *, reset: bool = True) -> tuple[Any, np.ndarray]:
        """Return features and labels, checked; with `reset` the width may be another one."""
        X, y = validate_data(self, X, y, reset=reset, dtype=[np.float64, np.float32])
        return X, check_labels(y, owner=type(self).__name__, name="y")

    def _validate_weighted(
        self, X: Any, y: Any, sample_weight: Any, *, reset: bool = True
    ) -> tuple[Any, np.ndarray, np.ndarray | None]:
        """Return what `_validate_fit` does, and weights above 0; rows of weight 0 are left out."""
        if sample_weight is None:
            return *self._validate_fit(X, y, reset=reset), None
        owner = type(self).__name__
        weights = check_sample_weight(sample_weight, _num_samples(X), owner=owner)
        return without_weightless(*self._validate_fit(X, y, reset=reset), weights)

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Learn from all rows at once, and forget those of earlier calls.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Features.
        y : array-like of shape (n_samples,)
            Labels: all strings, or all integers.
        sample_weight : array-like of shape (n_samples,), optional
            Weights of the rows, not negative. A row of weight k counts as k equal rows, one of
            weight 0 is left out.

        Returns
        -------
        self : object
            The fitted estimator.
        """
        self._check_parameters()
        X, y, weights = self._validate_weighted(X, y, sample_weight)
        self._forget_sums()
        return self.fit_from_sums(SystemOfRows(X, y, weights=weights))

    def _forget_sums(self) -> None:
        vars(self).pop("sums_", None)

    @available_if(_has_sums)
    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> Self:
        """Learn from further rows: the result is that of one ``fit`` on the rows of all calls.

        Except for rounding, the result does not depend on the order of the rows, or on how they
        are divided into calls.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Features. They are read a block at a time, so that a memory map stays on disk.
        y : array-like of shape (n_samples,)
            As in ``fit``. Labels may be new.
        classes : array-like of shape (n_classes,), optional
            Labels that this or later calls may contain; naming them is optional. With
            ``candidates=None``, they are candidates from now on.
        sample_weight : array-like of shape (n_samples,), optional
            Weights of these rows, as in ``fit``.

        Returns
        -------
        self : object
            The fitted estimator. A call that raises leaves it as it was.

        Raises
        ------
        ValueError
            As ``fit``; or labels are of another kind, or rows of another width, than before.

        Warns
        -----
        UserWarning
            The estimator comes from ``fit``, which keeps no sums to add to: this call starts anew.
        """
        self._check_parameters()
        owner = type(self).__name__
        trial = copy.copy(self)
        if self._was_fitted_at_once():
            warn_caller(
                f"{owner}: partial_fit starts anew, because fit keeps no sums that rows could be "
                "added to. Learn from the first rows by partial_fit, too.",
                UserWarning,
            )
        sums = vars(self).get("sums_")
        X, y, weights = trial._validate_weighted(X, y, sample_weight, reset=sums is None)
        if sums is not None:
            if target_kind(y) != sums.kind:
                raise ValueError(
                    f"{owner}: y holds {target_kind(y)}, and earlier calls had {sums.kind}. Pass "
                    "targets of one kind."
                )
            sums = sums.add(X, y, weights=weights)
        else:
            sums = RowSums.of(X, y, weights=weights)
        if classes is not None:
            labels = check_labels(classes, owner=owner, name="classes")
            if sums.classes is None:
                raise ValueError(
                    f"{owner}: classes names labels, but y holds numbers. Pass classes=None."
                )
            check_same_kind(labels, sums.classes, owner=owner, names=("classes", "y"))
            sums = sums.with_classes(labels)
        return self._take_sums(trial, sums)

    @available_if(_has_sums)
    def merge(self, other: Any) -> Self:
        """Add what another estimator has learned: the result is that of one ``fit`` on all rows.

        Parameters
        ----------
        other : estimator
            Of the same class and parameters, fitted by ``partial_fit`` to other rows, perhaps on
            another machine. It is not changed.

        Returns
        -------
        self : object
            This estimator.

        Raises
        ------
        TypeError
            `other` is of another class.
        ValueError
            Parameters, label vectors, features or the kind of labels differ; the message names
            them. Or one of the two was not fitted by ``partial_fit``.
        NotFittedError
            One of the two is not fitted.
        """
        self._check_parameters()
        owner = type(self).__name__
        if type(other) is not type(self):
            raise TypeError(
                f"{owner}: merge takes another {owner}, got a {type(other).__name__}. Merge "
                "estimators of one class."
            )
        check_is_fitted(self)
        check_is_fitted(other)
        different = _different_parameters(self, other)
        if different:
            raise ValueError(
                f"{owner}: merge needs equal parameters, and {' and '.join(different)} differ. "
                "Fit both with the same parameters."
            )
        if self._was_fitted_at_once() or other._was_fitted_at_once():
            raise ValueError(
                f"{owner}: merge needs sums over rows, and fit keeps none. Fit both by partial_fit."
            )
        mine, theirs = self.sums_, other.sums_
        _check_features(self, other, owner=owner)
        if mine.kind != theirs.kind:
            raise ValueError(
                f"{owner}: y held {mine.kind} here, and {theirs.kind} in other. Merge estimators "
                "with targets of one kind."
            )
        return self._take_sums(copy.copy(self), mine.merge(theirs))

    def _was_fitted_at_once(self) -> bool:
        """Tell whether the estimator is fitted by ``fit``, which keeps no sums over its rows."""
        fitted = {name for name in vars(self) if name.endswith("_") and not name.startswith("_")}
        return "sums_" not in fitted and bool(fitted - _OF_VALIDATION)

    def _take_sums(self, trial: Self, sums: RowSums) -> Self:
        """Fit a copy of this estimator to the sums, and become it if that succeeds."""
        trial.sums_ = sums
        trial.fit_from_sums(SystemOfSums(sums))
        vars(self).update(vars(trial))
        return self


def _check_features(one: Any, other: Any, *, owner: str) -> None:
    """Raise where two estimators were fitted to different features."""
    if one.n_features_in_ != other.n_features_in_:
        raise ValueError(
            f"{owner}: X had {one.n_features_in_} features here, and {other.n_features_in_} in "
            "other. Merge estimators of the same features."
        )
    mine, theirs = (getattr(each, "feature_names_in_", None) for each in (one, other))
    if mine is not None and theirs is not None and not np.array_equal(mine, theirs):
        raise ValueError(
            f"{owner}: the names of the features differ. Merge estimators of the same features, in "
            "one order."
        )


class ChoosesPenalties(ABC):
    """Interface of estimators whose ``fit`` chooses the penalties of one that learns from sums."""

    @abstractmethod
    def settled(self) -> LearnsFromSums:
        """Return an unfitted estimator with the penalties that ``fit`` chose.

        Returns
        -------
        estimator : LearnsFromSums
            Its ``fit`` to the same rows gives the same predictions.
        """


def _different_parameters(one: Any, other: Any) -> list[str]:
    """Return the names of the parameters that differ."""
    mine, theirs = one.get_params(deep=False), other.get_params(deep=False)
    return [name for name in mine if not _equal(mine[name], theirs[name])]


def _equal(one: Any, other: Any) -> bool:
    if one is other:
        return True
    if hasattr(one, "fingerprint") and hasattr(other, "fingerprint"):
        return one.fingerprint() == other.fingerprint()
    if hasattr(one, "get_params") and type(one) is type(other):
        return not _different_parameters(one, other)
    if type(one) is not type(other) and not (np.ndim(one) or np.ndim(other)):
        return isinstance(one, (int, float)) and isinstance(other, (int, float)) and one == other
    return bool(np.array_equal(np.asarray(one), np.asarray(other)))
