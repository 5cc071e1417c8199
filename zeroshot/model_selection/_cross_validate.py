"""Cross-validation over class splits, from one pass over the data where the estimator allows it."""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Iterator
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.exceptions import EfficiencyWarning
from sklearn.metrics import check_scoring
from sklearn.model_selection import check_cv, cross_validate
from sklearn.utils import check_consistent_length, get_tags

from zeroshot._linear import blocks
from zeroshot.metrics import SCORERS
from zeroshot.metrics._scorers import named_scorer, needs_probabilities
from zeroshot.model_selection._kept_folds import cross_validate_kept
from zeroshot.model_selection._one_pass import (
    OnePass,
    refitting_is_cheaper,
    steps_of,
    why_not,
)
from zeroshot.model_selection._rows import OWNER, Rows, take
from zeroshot.model_selection._split import ClassKFold


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
    checkpoint: str | os.PathLike | None = None,
) -> dict[str, Any]:
    """Evaluate an estimator by cross-validation over classes, in one pass where that is possible.

    The result is that of scikit-learn's ``cross_validate``. Ridge regression to class vectors needs
    only sums over X. So the data are added up once, and each fold subtracts the rows that it leaves
    out. This works for
    ``EmbeddingRegressor`` and ``DeViSEClassifier`` with ``loss="mse"`` and no hidden layers, for
    ``ESZSLClassifier`` and ``SAEClassifier``, and for any `LearnsFromSums`, alone or in a
    ``Pipeline`` behind ``Normalizer`` steps, a ``StandardScaler``, or both in this order. Anything
    else is fitted anew in each fold by ``cross_validate`` itself, with a warning that says why.

    Parameters
    ----------
    estimator : estimator object
        A copy is fitted.
    X : array-like of shape (n_samples, n_features)
        Features, or whatever the estimator takes. A float32 memory map is read block by block.
    y : array-like of shape (n_samples,)
        Labels: strings or integers.
    cv : int, splitter, or iterable of (train, test), optional
        Splits; an integer is the number of folds of ``ClassKFold``, and None is 5. Any splitter
        will do: rows, not only whole classes, may be left out.
    scoring : str, callable, list, tuple or dict, optional
        Names, of `zeroshot.metrics.SCORERS` or scikit-learn's, functions ``(estimator, X, y)``, or
        several of them, as in ``cross_validate``. None is the estimator's ``score``.
    groups : array-like of shape (n_samples,), optional
        Labels to split by, if not `y`.
    n_jobs : int, optional
        Number of processes if folds are fitted anew. One pass needs only one: its algebra uses all
        cores.
    verbose : int, default=0
        Verbosity of ``cross_validate``.
    error_score : "raise" or number, default=nan
        The score of a fold that fails.
    return_train_score, return_estimator, return_indices : bool, default=False
        Whether to return these too. Training scores read all of X in each fold, and fitted
        estimators are all kept.
    checkpoint : path, optional
        Folder that keeps the scores of each fold, so that the same call resumes after an
        interruption, such as a killed worker. Folds are then fitted anew, each by itself.

    Returns
    -------
    scores : dict of str to ndarray of shape (n_folds,)
        ``fit_time`` and ``score_time`` in seconds (the fold's share of the one pass included),
        ``test_score`` or, with several scorers, ``test_<name>``, and what was asked for besides.
        Each fold is scored by a fitted estimator of the given kind.

    Raises
    ------
    ValueError
        There are no folds, or one has no training or no test rows; X is not finite; there are no
        labels, or no such scorer; `checkpoint` is given, and estimators or indices are to be
        returned; or what ``cross_validate`` raises.
    TypeError
        `estimator` is a class, or cannot be fitted.

    Warns
    -----
    EfficiencyWarning
        Folds are fitted anew, all of them or those whose equations are too near to singular for
        exact results.

    Notes
    -----
    Beside X, its test rows in one fold, and d numbers for each class, at most five d x d matrices
    of float64 and a block of 8 MB are in memory, where d is the number of features. Where the
    matrices exceed scikit-learn's ``working_memory``, folds are fitted anew.

    Estimators that are returned have not learnt from held-out classes: ``temperature_`` is the
    default, and ``predict_set`` needs ``calibrate``. Scorers of probabilities, by name, have each
    fold fitted anew instead.

    There are no weights of samples: pass them to scikit-learn's ``cross_validate``, as ``params``.

    Results are equal to within rounding. One case rounds differently: a ``StandardScaler`` leaves
    float32 features in float32 when it is fitted anew, while one pass scales them in float64.

    Examples
    --------
    >>> from zeroshot import EmbeddingRegressor, WordNetEmbedding
    >>> from zeroshot.datasets import load_cifar100_features
    >>> from zeroshot.model_selection import ClassKFold, cross_validate_classes
    >>> X, y = load_cifar100_features(return_X_y=True)
    >>> model = EmbeddingRegressor(WordNetEmbedding(vocabulary=sorted(set(y))), alpha=10)
    >>> results = cross_validate_classes(model, X, y, ClassKFold(10), "neg_relative_loss")
    >>> results["test_score"].shape
    (10,)
    """
    _check_estimator(estimator)
    if y is None:
        raise ValueError(f"{OWNER}: y is None. Pass the labels, which classes are split by.")
    check_consistent_length(X, y, groups)
    splits, scoring = _Splits(cv, X, y, groups), _named(scoring)
    options = {
        "cv": splits,
        "verbose": verbose,
        "error_score": error_score,
        "return_train_score": return_train_score,
        "return_estimator": return_estimator,
        "return_indices": return_indices,
    }
    if checkpoint is not None:
        if return_estimator or return_indices:
            raise ValueError(
                f"{OWNER}: checkpoint keeps scores only. Leave out return_estimator and "
                "return_indices, or checkpoint."
            )
        return cross_validate_kept(
            checkpoint, estimator, X, y, scoring, n_jobs=n_jobs, options=options
        )
    reason = why_not(estimator, X, y)
    if reason is None and needs_probabilities(scoring):
        reason = _why_not_probabilities(estimator)
    if reason:
        _check_finite(estimator, X)
        warnings.warn(
            f"{OWNER}: each fold is fitted anew, because {reason}.",
            EfficiencyWarning,
            stacklevel=2,
        )
    if reason or refitting_is_cheaper(estimator, X, splits.get_n_splits()):
        return cross_validate(estimator, X, y, scoring=scoring, n_jobs=n_jobs, **options)
    return _in_one_pass(estimator, X, y, scoring, options)


def _in_one_pass(
    estimator: Any, X: Any, y: Any, scoring: Any, options: dict[str, Any]
) -> dict[str, Any]:
    """Return what ``cross_validate`` does, the folds coming from sums over all rows."""
    start = time.perf_counter()
    one_pass = OnePass(estimator, X, y)
    shared = time.perf_counter() - start
    results = cross_validate(
        _FoldFit(one_pass),
        np.arange(len(X)),
        scoring=_on_rows(scoring, one_pass),
        n_jobs=1,
        **options,
    )
    results["fit_time"] += shared / len(results["fit_time"])
    if options["return_estimator"]:
        results["estimator"] = [getattr(fold, "fitted_", fold) for fold in results["estimator"]]
    if one_pass.n_refitted:
        warnings.warn(
            f"{OWNER}: {one_pass.n_refitted} of {len(results['fit_time'])} folds were fitted "
            "anew, because their equations are too near to singular for exact results in one "
            "pass. A larger penalty (alpha), or leaving out features that hardly vary, helps.",
            EfficiencyWarning,
            stacklevel=3,
        )
    return results


def _why_not_probabilities(estimator: Any) -> str | None:
    """Return why probabilities cannot come from sums over classes, or None if they can."""
    if getattr(steps_of(estimator)[-1], "temperature", 1.0) not in (None, "auto"):
        return None
    return (
        "scoring asks for probabilities, whose temperature is chosen on rows (a number for "
        "temperature spares that)"
    )


def _check_estimator(estimator: Any) -> None:
    if isinstance(estimator, type) or not hasattr(estimator, "fit"):
        what = f"the class {estimator.__name__}" if isinstance(estimator, type) else repr(estimator)
        raise TypeError(
            f"{OWNER}: estimator must be an object with fit, such as "
            f"ESZSLClassifier(WordVectors()), got {what}."
        )


def _check_finite(estimator: Any, X: Any) -> None:
    """Raise where the estimator, or the first step of a pipeline, would in every fold."""
    if not (isinstance(X, np.ndarray) and X.ndim == 2 and X.dtype.kind == "f" and X.size):
        return
    first = steps_of(estimator)[0]
    if isinstance(first, BaseEstimator) and not get_tags(first).input_tags.allow_nan:
        for _ in blocks(Rows(X, []), np.zeros(X.shape[1])):  # which are checked as they are read
            pass


class _FoldFit(BaseEstimator):
    """Stands in for the estimator in ``cross_validate``, with row numbers for its X."""

    def __init__(self, one_pass: OnePass) -> None:
        self.one_pass = one_pass

    def __sklearn_clone__(self) -> Self:
        return type(self)(self.one_pass)  # a deep copy would copy X

    def fit(self, rows: np.ndarray, y: None = None) -> Self:
        self.fitted_ = self.one_pass.fit(rows)
        return self


class _OnRows:
    """A scorer of the estimator proper, on the rows with the given numbers."""

    def __init__(self, scorer: Any, one_pass: OnePass) -> None:
        self.scorer = scorer
        self.one_pass = one_pass

    def __call__(self, fold: _FoldFit, rows: np.ndarray) -> Any:
        X, y = (take(each, rows) for each in (self.one_pass.X, self.one_pass.y))
        return self.scorer(fold.fitted_, X, y)


def _named(scoring: Any) -> Any:
    """Return `scoring` with scorers for the names that are of this package."""
    if isinstance(scoring, str):
        return named_scorer(scoring, owner=OWNER)
    if isinstance(scoring, dict):
        return {name: _named(one) for name, one in scoring.items()}
    if isinstance(scoring, (list, tuple, set)):
        named = {name: named_scorer(name, owner=OWNER) for name in scoring}
        ours = any(isinstance(name, str) and name in SCORERS for name in named)
        return named if ours else scoring
    if not (scoring is None or callable(scoring)):
        raise ValueError(
            f"{OWNER}: scoring must be a name, a callable, or several of them, got {scoring!r}."
        )
    return scoring


def _on_rows(scoring: Any, one_pass: OnePass) -> Any:
    """Return `scoring` as `cross_validate` takes it, for a `_FoldFit`."""

    def on_rows(one: Any) -> _OnRows:
        return _OnRows(check_scoring(one_pass.estimator, scoring=one), one_pass)

    check_scoring(one_pass.estimator, scoring=scoring)  # raises what is wrong with it
    if scoring is None or isinstance(scoring, str) or callable(scoring):
        return on_rows(scoring)
    named = scoring.items() if isinstance(scoring, dict) else zip(scoring, scoring, strict=True)
    return {name: on_rows(one) for name, one in named}


class _Splits:
    """A splitter over what the user passed, whose folds have rows on both sides."""

    def __init__(self, cv: Any, X: Any, y: Any, groups: Any) -> None:
        if cv is None or isinstance(cv, (int, np.integer)):
            cv = ClassKFold(5 if cv is None else int(cv))
        self.cv = check_cv(cv)
        self.data = X, y, groups

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
        return self.cv.get_n_splits(*self.data)

    def split(
        self, X: Any, y: Any = None, groups: Any = None
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        row_numbers, fold = np.arange(len(self.data[1])), -1
        for fold, (train, test) in enumerate(self.cv.split(*self.data)):
            for name, rows in (("training", train), ("test", test)):
                if not len(row_numbers[rows]):
                    raise ValueError(
                        f"{OWNER}: fold {fold} has no {name} rows. Pass a cv whose folds have "
                        "rows to learn from and rows to be scored on, such as ClassKFold(5)."
                    )
            yield train, test
        if fold < 0:
            raise ValueError(f"{OWNER}: cv gives no folds. Pass a number of folds, or a splitter.")
