"""What `few_shot_curve` asks of its arguments."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import sklearn.utils
from sklearn.base import BaseEstimator
from sklearn.metrics import check_scoring
from sklearn.pipeline import Pipeline
from sklearn.utils import get_tags
from sklearn.utils.validation import column_or_1d

from zeroshot._pipelines import unwrap
from zeroshot._validation import check_labels, check_missing_labels, check_number, check_unique
from zeroshot.metrics._scorers import named_scorer

OWNER = "few_shot_curve"
MOST_FREQUENT, RANDOM_LABELS = "most frequent label", "random labels"

Estimators = dict[str, Any]
Scorers = dict[str, Callable[[Any, Any, Any], float]]


def check_estimators(estimators: Any) -> Estimators:
    """Return estimators by name.

    Raises
    ------
    TypeError
        They are no estimators.
    ValueError
        There is none, or two have one name, or that of a control.
    """
    if hasattr(estimators, "fit") or isinstance(estimators, type):
        pairs = [(type(estimators).__name__, estimators)]
    elif isinstance(estimators, Mapping):
        pairs = list(estimators.items())
    else:
        pairs = _pairs(estimators)
    if not pairs:
        raise ValueError(f"{OWNER}: estimators is empty. Pass at least one.")
    names = np.array([str(name) for name, _ in pairs])
    check_unique(names, owner=OWNER, name="estimators")
    for name, estimator in pairs:
        if isinstance(estimator, type) or not hasattr(estimator, "fit"):
            is_class = isinstance(estimator, type)
            what = f"the class {estimator.__name__}" if is_class else repr(estimator)
            raise TypeError(
                f"{OWNER}: estimator {str(name)!r} must be an object with fit, such as "
                f"LogisticRegression(), got {what}."
            )
    reserved = {MOST_FREQUENT, RANDOM_LABELS} & set(names.tolist())
    if reserved:
        raise ValueError(f"{OWNER}: {min(reserved)!r} is the name of a control. Pass another.")
    return {str(name): estimator for name, estimator in pairs}


def _pairs(estimators: Any) -> list[tuple[Any, Any]]:
    is_list = np.iterable(estimators) and not isinstance(estimators, (str, bytes))
    pairs = list(estimators) if is_list else [estimators]
    if not all(isinstance(pair, (tuple, list)) and len(pair) == 2 for pair in pairs):
        raise TypeError(
            f"{OWNER}: estimators must be an estimator, a dict from names to estimators, or a list "
            f"of (name, estimator), got {estimators!r}."
        )
    return [(name, estimator) for name, estimator in pairs]


def check_shots(shots: Any) -> list[int]:
    """Return the numbers of images a class, fewest first.

    Raises
    ------
    TypeError
        `shots` is no list.
    ValueError
        They are not distinct whole numbers, one of them above 0.
    """
    if not np.iterable(shots) or isinstance(shots, (str, bytes)):
        raise TypeError(
            f"{OWNER}: shots must be a list of numbers of images a class, got {shots!r}. Write "
            f"({str(shots).strip() or 1},)."
        )
    numbers = list(shots)
    for shot in numbers:
        check_number(shot, owner=OWNER, name="each of shots", at_least=0, integer=True)
    if len(set(numbers)) < len(numbers) or not any(numbers):
        raise ValueError(
            f"{OWNER}: shots must be distinct numbers of images a class, at least one above 0, got "
            f"{numbers!r}."
        )
    return sorted(int(shot) for shot in numbers)


def check_y(y: Any) -> np.ndarray:
    """Return the labels.

    Raises
    ------
    TypeError
        There are none.
    ValueError
        They are no labels, or all the same.
    """
    if y is None:
        raise TypeError(f"{OWNER}: y is None. Pass the label of each row of X.")
    if not isinstance(y, str):
        y = column_or_1d(check_missing_labels(y, owner=OWNER))
    y = check_labels(y, owner=OWNER, name="y")
    if len(np.unique(y)) < 2:
        raise ValueError(
            f"{OWNER}: y holds {len(np.unique(y))} class, and there is nothing to tell apart. Pass "
            "images of at least two."
        )
    return y


def check_finite(X: Any, named: Estimators) -> None:
    """Raise here what an estimator would raise only for draws that hold the row.

    Raises
    ------
    ValueError
        X holds NaN or infinity, and an estimator does not take it.
    """
    array = np.asarray(X) if hasattr(X, "__array__") else None
    if array is None or array.ndim != 2 or array.dtype.kind != "f":
        return
    bad = np.flatnonzero(~np.isfinite(array).all(axis=1))
    for name, estimator in named.items():
        first = estimator.steps[0][1] if isinstance(estimator, Pipeline) else unwrap(estimator)
        takes = isinstance(first, BaseEstimator) and get_tags(first).input_tags.allow_nan
        if len(bad) and not takes:
            raise ValueError(
                f"{OWNER}: X contains NaN or infinity in {len(bad)} of {len(array)} rows (first in "
                f"row {bad[0]}), which {name!r} does not take. Leave these rows out, or put a "
                "SimpleImputer in front."
            )


def check_random_state(random_state: Any) -> np.random.RandomState:
    """Return the generator.

    Raises
    ------
    ValueError
        `random_state` is no seed.
    """
    try:
        return sklearn.utils.check_random_state(random_state)
    except ValueError as error:
        raise ValueError(
            f"{OWNER}: random_state must be an integer of 0 to 2**32 - 1, a RandomState or None, "
            f"got {random_state!r}."
        ) from error


def is_several(scoring: Any) -> bool:
    """Tell whether `scoring` names several scorers."""
    return isinstance(scoring, (list, tuple, set, Mapping))


def scorers_of(scoring: Any, estimator: Any) -> Scorers:
    """Return the scorers by the name that the result has them by.

    Raises
    ------
    ValueError
        There is none, or something is no scorer.
    """
    if is_several(scoring) and not scoring:
        raise ValueError(f"{OWNER}: scoring is empty. Name at least one scorer, or pass None.")
    if isinstance(scoring, Mapping):
        wanted = {str(name): one for name, one in scoring.items()}
    elif is_several(scoring):
        wanted = {str(name): name for name in scoring}
    else:
        wanted = {_metric(scoring): scoring}
    for one in wanted.values():
        if not (one is None or isinstance(one, str) or callable(one)):
            raise ValueError(
                f"{OWNER}: scoring must be a name, a callable, or several of them, got {one!r}."
            )
    return {
        name: check_scoring(estimator, scoring=named_scorer(one, owner=OWNER))
        for name, one in wanted.items()
    }


def _metric(scoring: Any) -> str:
    if scoring is None:
        return "accuracy"
    return scoring if isinstance(scoring, str) else getattr(scoring, "__name__", "score")
