"""Folds of an estimator from one pass over the data."""

from __future__ import annotations

import copy
from functools import cached_property
from typing import Any

import numpy as np
from sklearn import get_config
from sklearn.base import clone
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import Normalizer, StandardScaler
from sklearn.utils.validation import validate_data

from zeroshot._linear import FoldSystem, LearnsFromSums, LinearFolds
from zeroshot._utils._validation import check_labels, check_missing_labels
from zeroshot.model_selection._rows import OWNER, Rows, take

_MATRICES = 5
"""How many square matrices over the features are in memory at a time, at most."""


def steps_of(estimator: Any) -> list[Any]:
    """Return the steps of a pipeline that do something, or the estimator alone."""
    if type(estimator) is not Pipeline:
        return [estimator]
    steps = [step for _, step in estimator.steps if step is not None and step != "passthrough"]
    return steps or [estimator]


def why_not(estimator: Any, X: Any, y: Any) -> str | None:
    """Return why folds cannot come from sums over classes, or None if they can."""
    *before, final = steps_of(estimator)
    name = type(final).__name__
    if not _learns_from_sums(final):
        return f"{name} with these parameters does not learn from sums over classes"
    for position, step in enumerate(before):
        last = position == len(before) - 1
        if not (type(step) is Normalizer or (type(step) is StandardScaler and last)):
            return (
                f"{type(step).__name__} is in front: only Normalizer, and StandardScaler right "
                "before the last step, keep sums over classes exact"
            )
    try:
        check_labels(check_missing_labels(y, owner=OWNER, name="y"), owner=OWNER, name="y")
    except (TypeError, ValueError) as error:
        return f"y holds no labels ({error})"
    return _why_not_features(X, scaled=any(isinstance(step, StandardScaler) for step in before))


def _learns_from_sums(estimator: Any) -> bool:
    # Its own fit_from_sums: a subclass may have another fit.
    own = isinstance(estimator, LearnsFromSums) and "fit_from_sums" in vars(type(estimator))
    return own and estimator.learns_from_sums()


def _why_not_features(X: Any, *, scaled: bool) -> str | None:
    if not (isinstance(X, np.ndarray) or hasattr(X, "iloc")) or X.ndim != 2:
        return f"X, of type {type(X).__name__}, is neither a 2-D array nor a data frame"
    if 0 in X.shape:
        return f"X is empty, of shape {X.shape}"
    kind = np.asarray(take(X, [0])).dtype
    if kind.kind not in "fiub":
        return f"X holds {kind}, not numbers"
    if scaled and kind == np.float16:
        return (
            "X holds float16, to which StandardScaler rounds what it scales, and one pass does not "
            "(X.astype(np.float32) spares both)"
        )
    needed = _MATRICES * 8 * X.shape[1] ** 2 / 2**20
    allowed = get_config()["working_memory"]
    if needed > allowed:
        return (
            f"sums over {X.shape[1]} features need {needed:.0f} MiB and scikit-learn's "
            f"working_memory is {allowed} (sklearn.set_config raises it)"
        )
    return None


def refitting_is_cheaper(estimator: Any, X: Any, n_folds: int) -> bool:
    """Tell whether ridge regression in its dual form, n x n, costs fewer multiplications."""
    n, d = X.shape
    if d <= n:
        return False
    new_factors = n_folds if any(isinstance(s, StandardScaler) for s in steps_of(estimator)) else 1
    return n_folds * (n * n * d + n**3 / 3) < 2 * n * d * d + new_factors * d**3 / 3


class OnePass:
    """What the folds of one estimator share: sums over all rows.

    Parameters
    ----------
    estimator : estimator or Pipeline
        Of the kind that `why_not` lets pass.
    X : ndarray or DataFrame of shape (n_samples, n_features)
        Features.
    y : array-like of shape (n_samples,)
        Labels.
    """

    def __init__(self, estimator: Any, X: Any, y: Any) -> None:
        self.estimator = estimator
        self.X = X
        self.y = y
        self.n_refitted = 0
        labels = check_labels(check_missing_labels(y, owner=OWNER, name="y"), owner=OWNER, name="y")
        steps = [clone(step) for step in steps_of(estimator) if isinstance(step, Normalizer)]
        head = take(X, [0])
        for step in steps:
            head = step.set_params(copy=True).fit_transform(head)
        self.folds = LinearFolds(Rows(X, steps), labels)

    def fit(self, train: np.ndarray) -> Any:
        """Return a clone of the estimator, fitted to the rows with these numbers."""
        try:
            return self._fit_from_sums(FoldSystem(self.folds, train))
        except np.linalg.LinAlgError:
            self.n_refitted += 1
            return clone(self.estimator).fit(take(self.X, train), take(self.y, train))

    def _fit_from_sums(self, fold: FoldSystem) -> Any:
        model = self._unfitted()
        *before, final = steps_of(model)
        for step in before:
            if isinstance(step, StandardScaler):
                fold.fit_scaler(step)
        final._check_parameters()
        final.fit_from_sums(fold)
        return model

    def _unfitted(self) -> Any:
        """Return a copy that knows its features; cloning for each fold takes a tenth of the time.

        Folds share parameters, which ``fit`` never changes, and nothing else.
        """
        model = copy.copy(self._template)
        if isinstance(model, Pipeline):
            model.steps = [(name, copy.copy(step)) for name, step in model.steps]
        for each in {id(step): step for step in (model, *steps_of(model))}.values():
            if hasattr(each, "_sklearn_output_config"):
                each._sklearn_output_config = dict(each._sklearn_output_config)
        return model

    @cached_property
    def _template(self) -> Any:
        """An estimator whose steps know the number and the names of their features."""
        template = clone(self.estimator)
        *before, final = steps_of(template)
        head = take(self.X, [0])
        for step in before:
            head = step.fit_transform(head)
        validate_data(final, head, skip_check_array=True)
        return template
