"""Cross-validation over class splits, from one pass over the data where the estimator allows it."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator
from typing import Any, Protocol, Self

import numpy as np
from sklearn import get_config
from sklearn.base import BaseEstimator, clone
from sklearn.exceptions import EfficiencyWarning
from sklearn.metrics import check_scoring
from sklearn.model_selection import check_cv, cross_validate
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import Normalizer, StandardScaler
from sklearn.utils import check_consistent_length
from sklearn.utils.validation import validate_data

from zeroshot._validation import check_labels, check_missing_labels
from zeroshot.model_selection._class_sums import Rows, take
from zeroshot.model_selection._kfold import ClassKFold
from zeroshot.model_selection._ridge_folds import RidgeFold, RidgeFolds

_OWNER = "cross_validate_classes"
_MATRICES = 5
"""How many square matrices over the features are in memory at a time, at most."""


class Ridge(Protocol):
    """What a fold offers in place of its rows."""

    def __call__(
        self, targets: np.ndarray, alpha: float, *, center: bool = True
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return weights, (n_features, n_outputs), and the means of features and of targets."""


class LearnsByClass(Protocol):
    """What an estimator has whose ``fit`` is ridge regression to one target for each class.

    It is then fitted from sums over classes, without its rows.
    """

    def _learns_by_class(self) -> bool:
        """Tell whether that holds for the parameters as they are."""

    def _fit_classes(self, classes: np.ndarray, ridge: Ridge) -> None:
        """Do what ``fit`` does, given the sorted labels of the rows, and `ridge` for their X.

        ``n_features_in_`` is set already. `ridge` takes a target for each of the `classes`, in
        their order, and the penalty.
        """


def cross_validate_classes(
    estimator: Any,
    X: Any,
    y: Any,
    cv: Any = None,
    scoring: Any = None,
    *,
    groups: Any = None,
    n_jobs: int | None = None,
    verbose: int = 0,
    error_score: Any = np.nan,
    return_train_score: bool = False,
    return_estimator: bool = False,
    return_indices: bool = False,
) -> dict[str, Any]:
    """Evaluate an estimator by cross-validation over classes, in one pass where that is possible.

    The result is that of scikit-learn's ``cross_validate``. Ridge regression to the vectors of
    classes depends on X only through sums over classes, so that the data are summed up once, and
    each fold takes away the rows that it leaves out and solves. This goes for
    ``EmbeddingRegressor`` and ``DeViSEClassifier`` with ``loss="mse"`` and no hidden layers, alone
    or in a ``Pipeline`` behind ``Normalizer`` steps, a ``StandardScaler``, or both in this order.
    Anything else is fitted anew in each fold by ``cross_validate`` itself, with a warning that
    says why.

    Parameters
    ----------
    estimator : estimator object
        To be fitted; it stays as it is.
    X : array-like of shape (n_samples, n_features)
        Features, or whatever the estimator takes. A float32 memory map is read block by block.
    y : array-like of shape (n_samples,)
        Labels: strings or integers.
    cv : int, splitter, or iterable of (train, test), optional
        Splits; an integer is the number of folds of ``ClassKFold``, and None is 5. Any splitter
        will do: rows, not only whole classes, may be left out.
    scoring : str, callable, list, tuple or dict, optional
        As in ``cross_validate``: values of `zeroshot.metrics.SCORERS`, scikit-learn's names,
        functions ``(estimator, X, y)``, or several of them. None is the estimator's ``score``.
    groups : array-like of shape (n_samples,), optional
        Labels to split by, if not `y`.
    n_jobs : int, optional
        Processes where folds are fitted anew. One pass needs none: its algebra uses all cores.
    verbose : int, default=0
        How much ``cross_validate`` tells.
    error_score : "raise" or number, default=nan
        The score of a fold that fails.
    return_train_score, return_estimator, return_indices : bool, default=False
        Whether to return these too. Training scores read all of X in each fold, and fitted
        estimators are all kept.

    Returns
    -------
    scores : dict of str to ndarray of shape (n_folds,)
        ``fit_time`` and ``score_time`` in seconds (the fold's share of the one pass included),
        ``test_score`` or, with several scorers, ``test_<name>``, and what was asked for besides.
        Each fold is scored by a fitted estimator of the given kind.

    Raises
    ------
    ValueError
        A fold has no training or no test rows, X is not finite, or what ``cross_validate`` raises.

    Warns
    -----
    EfficiencyWarning
        Folds are fitted anew, all of them or those whose equations are too near to singular for
        exact results.

    Notes
    -----
    Beside X, its test rows in one fold, and d numbers for each class, at most five d x d matrices
    of float64 and a block of 32 MB are in memory, where d is the number of features. Where the
    matrices exceed scikit-learn's ``working_memory``, folds are fitted anew.

    Results are equal to within rounding. One case rounds differently: a ``StandardScaler`` leaves
    float32 features in float32 when it is fitted anew, while one pass scales them in float64.

    Examples
    --------
    >>> from zeroshot import EmbeddingRegressor, WordNetEmbedding
    >>> from zeroshot.datasets import load_cifar100_features
    >>> from zeroshot.metrics import SCORERS
    >>> from zeroshot.model_selection import LeaveOneClassOut, cross_validate_classes
    >>> X, y = load_cifar100_features(return_X_y=True)
    >>> model = EmbeddingRegressor(WordNetEmbedding(vocabulary=list(set(y))), alpha=10)
    >>> scoring = SCORERS["neg_relative_loss"]
    >>> results = cross_validate_classes(model, X, y, LeaveOneClassOut(), scoring)
    >>> results["test_score"].shape
    (100,)
    """
    check_consistent_length(X, y, groups)
    splits = _Splits(cv, X, groups)
    options = {
        "cv": splits,
        "verbose": verbose,
        "error_score": error_score,
        "return_train_score": return_train_score,
        "return_estimator": return_estimator,
        "return_indices": return_indices,
    }
    reason = _why_not(estimator, X, y)
    if reason:
        warnings.warn(
            f"{_OWNER}: each fold is fitted anew, because {reason}.",
            EfficiencyWarning,
            stacklevel=2,
        )
    if reason or _refitting_is_cheaper(estimator, X, splits.get_n_splits(X, y)):
        return cross_validate(estimator, X, y, scoring=scoring, n_jobs=n_jobs, **options)
    start = time.perf_counter()
    one_pass = _OnePass(estimator, X, y)
    shared = time.perf_counter() - start
    results = cross_validate(
        _FoldFit(one_pass),
        np.arange(len(X)),
        y,
        scoring=_on_rows(scoring, estimator, X),
        n_jobs=1,
        **options,
    )
    results["fit_time"] += shared / len(results["fit_time"])
    if return_estimator:
        results["estimator"] = [getattr(fold, "fitted_", fold) for fold in results["estimator"]]
    if one_pass.n_refitted:
        warnings.warn(
            f"{_OWNER}: {one_pass.n_refitted} of {len(results['fit_time'])} folds were fitted "
            "anew, because their equations are too near to singular for exact results in one "
            "pass. A larger penalty (alpha), or leaving out features that hardly vary, helps.",
            EfficiencyWarning,
            stacklevel=2,
        )
    return results


def _steps(estimator: Any) -> list[Any]:
    """Return the steps of a pipeline that do something, or the estimator alone."""
    if type(estimator) is not Pipeline:
        return [estimator]
    steps = [step for _, step in estimator.steps if step is not None and step != "passthrough"]
    return steps or [estimator]


def _why_not(estimator: Any, X: Any, y: Any) -> str | None:
    """Return why folds cannot come from sums over classes, or None if they can."""
    *before, final = _steps(estimator)
    name = type(final).__name__
    # Its own: a subclass may have another fit.
    if "_fit_classes" not in vars(type(final)) or not final._learns_by_class():
        return f"{name} with these parameters does not learn from sums over classes"
    for position, step in enumerate(before):
        last = position == len(before) - 1
        if not (type(step) is Normalizer or (type(step) is StandardScaler and last)):
            return (
                f"{type(step).__name__} is in front: only Normalizer, and StandardScaler right "
                "before the last step, keep sums over classes exact"
            )
    try:
        check_labels(check_missing_labels(y, owner=_OWNER, name="y"), owner=_OWNER, name="y")
    except (TypeError, ValueError) as error:
        return f"y holds no labels ({error})"
    return _why_not_features(X)


def _why_not_features(X: Any) -> str | None:
    if not (isinstance(X, np.ndarray) or hasattr(X, "iloc")) or X.ndim != 2:
        return f"X, of type {type(X).__name__}, is neither a 2-D array nor a data frame"
    if 0 in X.shape:
        return f"X is empty, of shape {X.shape}"
    kind = np.asarray(take(X, [0])).dtype
    if kind.kind not in "fiub":
        return f"X holds {kind}, not numbers"
    needed = _MATRICES * 8 * X.shape[1] ** 2 / 2**20
    allowed = get_config()["working_memory"]
    if needed > allowed:
        return (
            f"sums over {X.shape[1]} features need {needed:.0f} MiB and scikit-learn's "
            f"working_memory is {allowed} (sklearn.set_config raises it)"
        )
    return None


def _refitting_is_cheaper(estimator: Any, X: Any, n_folds: int) -> bool:
    """Tell whether ridge regression in its dual form, n x n, costs fewer multiplications."""
    n, d = X.shape
    if d <= n:
        return False
    new_factors = n_folds if any(isinstance(s, StandardScaler) for s in _steps(estimator)) else 1
    return n_folds * (n * n * d + n**3 / 3) < 2 * n * d * d + new_factors * d**3 / 3


class _OnePass:
    """What the folds of one estimator share: sums over all rows.

    Parameters
    ----------
    estimator : estimator or Pipeline
        Of the kind that `_why_not` lets pass.
    X : ndarray or DataFrame of shape (n_samples, n_features)
        Features.
    y : array-like of shape (n_samples,)
        Labels.
    """

    def __init__(self, estimator: Any, X: Any, y: Any) -> None:
        self.estimator = estimator
        self.X = X
        self.n_refitted = 0
        labels = check_labels(
            check_missing_labels(y, owner=_OWNER, name="y"), owner=_OWNER, name="y"
        )
        self.classes, codes = np.unique(labels, return_inverse=True)
        normalizers = [clone(step) for step in _steps(estimator) if isinstance(step, Normalizer)]
        head = take(X, [0])
        for step in normalizers:
            head = step.set_params(copy=True).fit_transform(head)
        self.folds = RidgeFolds(Rows(X, normalizers), codes, len(self.classes))

    def fit(self, train: np.ndarray, y: Any) -> Any:
        """Return a fitted clone of the estimator; y are the labels of the training rows."""
        try:
            return self._fit_from_sums(RidgeFold(self.folds, train))
        except np.linalg.LinAlgError:
            self.n_refitted += 1
            return clone(self.estimator).fit(take(self.X, train), y)

    def _fit_from_sums(self, fold: RidgeFold) -> Any:
        model = clone(self.estimator)
        *before, final = _steps(model)
        head = take(self.X, [0])  # tells each step the number and the names of its features
        for step in before:
            if isinstance(step, StandardScaler):
                validate_data(step, head, skip_check_array=True)
                fold.fit_scaler(step)
            else:
                step.fit(head)
            head = step.transform(head)
        validate_data(final, head, skip_check_array=True)
        final._fit_classes(self.classes[fold.seen], fold.ridge)
        return model


class _FoldFit(BaseEstimator):
    """Stands in for the estimator in ``cross_validate``, with row numbers for its X."""

    def __init__(self, one_pass: _OnePass) -> None:
        self.one_pass = one_pass

    def __sklearn_clone__(self) -> Self:
        return type(self)(self.one_pass)  # a deep copy would copy X

    def fit(self, rows: np.ndarray, y: Any) -> Self:
        self.fitted_ = self.one_pass.fit(rows, y)
        return self


class _OnRows:
    """A scorer of the estimator proper, on the rows of X with the given numbers."""

    def __init__(self, scorer: Any, X: Any) -> None:
        self.scorer = scorer
        self.X = X

    def __call__(self, fold: _FoldFit, rows: np.ndarray, y: Any) -> Any:
        return self.scorer(fold.fitted_, take(self.X, rows), y)


def _on_rows(scoring: Any, estimator: Any, X: Any) -> Any:
    """Return `scoring` as `cross_validate` takes it, for a `_FoldFit`."""
    scorer = check_scoring(estimator, scoring=scoring)  # raises what is wrong with it
    if scoring is None or isinstance(scoring, str) or callable(scoring):
        return _OnRows(scorer, X)
    named = scoring.items() if isinstance(scoring, dict) else zip(scoring, scoring, strict=True)
    return {name: _OnRows(check_scoring(estimator, scoring=one), X) for name, one in named}


class _Splits:
    """A splitter over the X that the user passed, whose folds have rows on both sides."""

    def __init__(self, cv: Any, X: Any, groups: Any) -> None:
        if cv is None or isinstance(cv, (int, np.integer)):
            cv = ClassKFold(5 if cv is None else int(cv))
        self.cv = check_cv(cv)
        self.X = X
        self.groups = groups

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
        return self.cv.get_n_splits(self.X, y, self.groups)

    def split(
        self, X: Any, y: Any = None, groups: Any = None
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        row_numbers = np.arange(len(y))
        for fold, (train, test) in enumerate(self.cv.split(self.X, y, self.groups)):
            for name, rows in (("training", train), ("test", test)):
                if not len(row_numbers[rows]):
                    raise ValueError(
                        f"{_OWNER}: fold {fold} has no {name} rows. Pass a cv whose folds have "
                        "rows to learn from and rows to be scored on, such as ClassKFold(5)."
                    )
            yield train, test
