"""Search for penalties by class folds."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from numbers import Real
from typing import Any

import numpy as np
from scipy.stats import rankdata
from sklearn.metrics import check_scoring
from sklearn.model_selection import check_cv
from sklearn.utils.validation import _num_samples

from zeroshot._utils._constraints import check_inner
from zeroshot._utils._validation import check_number
from zeroshot.estimators._unreadable_rows import unreadable_rows
from zeroshot.metrics._scorers import named_scorer
from zeroshot.model_selection import ClassKFold

N_FOLDS = 5
DEFAULT_PENALTIES = (1e-3, 1e-2, 1e-1, 1.0, 1e1, 1e2, 1e3)
"""Those of Romera-Paredes and Torr (2015)."""

Fold = tuple[np.ndarray, np.ndarray]


def check_penalties(values: Any, *, owner: str, name: str, **bounds: float) -> None:
    """Return penalties to choose from as a list of floats.

    Raises
    ------
    ValueError
        No sequence, an empty one, or one of another thing than numbers within `bounds`.
    """
    try:
        is_list = not isinstance(values, str) and np.ndim(values) == 1 and len(values) > 0
    except ValueError:  # lists of several lengths in one
        is_list = False
    if not is_list:
        raise ValueError(
            f"{owner}: {name} must be a list of penalties such as (0.1, 1.0, 10.0), got {values!r}."
        )
    for value in values:
        check_number(value, owner=owner, name=f"each of {name}", **bounds)  # type: ignore[arg-type]


def check_cv_parameter(cv: Any, *, owner: str, name: str) -> None:
    """Raise unless `cv` is a number of folds, a splitter, or an iterable of folds.

    Raises
    ------
    ValueError
        It is none of them.
    """
    number = isinstance(cv, (int, np.integer)) and not isinstance(cv, (bool, np.bool_))
    folds = hasattr(cv, "split") or isinstance(cv, Iterable)
    if isinstance(cv, (str, type)) or not (number or folds):
        raise ValueError(
            f"{owner}: {name} must be a number of folds, a splitter or an iterable of (train, "
            f"test), got {cv!r}. Pass ClassKFold(5), for example."
        )
    check_inner(cv)


def check_scoring_parameter(scoring: Any, *, owner: str, name: str) -> None:
    """Raise unless `scoring` is one name that there is, a callable, or None.

    Raises
    ------
    ValueError
        It is none of them.
    """
    if not (scoring is None or isinstance(scoring, str) or callable(scoring)):
        raise ValueError(f"{owner}: {name} must be one name or callable, got {scoring!r}.")
    named_scorer(scoring, owner=owner)


def make_folds(
    cv: Any, X: np.ndarray, y: np.ndarray, *, of_classes: bool, at_least: int = 1, owner: str
) -> list[Fold]:
    """Return the training and test rows of each fold.

    Parameters
    ----------
    cv : int, None, splitter or iterable
        An int is that many folds; None is five, and over classes fewer where one would hold out
        less than `at_least`.
    X : ndarray of shape (n_samples, n_features)
        Features.
    y : ndarray of shape (n_samples,) or (n_samples, n_dims)
        Labels, or numbers.
    of_classes : bool
        Whether an int means folds over classes, shuffled with a seed of their own: neighbours in
        the alphabet are often alike. Else it means scikit-learn's folds over samples.
    at_least : int, default=1
        Classes that a fold of the default holds out.
    owner : str
        For the messages.

    Raises
    ------
    ValueError
        A fold has no training or no test rows, or there are no folds; or `cv` is None, and there
        are not enough classes for two folds.
    """
    if cv is None:  # or scikit-learn's default, folds over samples, comes in
        cv = _default_folds(y, at_least, owner=owner) if of_classes else N_FOLDS
    whole = isinstance(cv, (int, np.integer)) and not isinstance(cv, (bool, np.bool_))
    if whole and of_classes:
        cv = ClassKFold(int(cv), shuffle=True, random_state=0)
    splitter = check_cv(cv, y, classifier=y.dtype.kind in "iuU")
    folds = [_as_rows(fold, len(X)) for fold in splitter.split(X, y)]
    if not folds:
        raise ValueError(f"{owner}: cv gives no folds. Pass a number of folds, or a splitter.")
    for number, (train, test) in enumerate(folds):
        if not (len(train) and len(test)):
            raise ValueError(
                f"{owner}: fold {number} of cv has {len(train)} training rows and {len(test)} test "
                "rows. Pass folds that have both."
            )
    return folds


def folds_of_kept(cv: Any, X: Any, sample_weight: Any) -> Any:
    """Return `cv` for the rows that ``fit`` keeps: pairs of rows are numbered among these.

    Parameters
    ----------
    cv : int, None, splitter or iterable
        What numbers rows of X, if it is an iterable.
    X : array-like of shape (n_samples, n_features)
        As it was given: rows of images that could not be read are not kept.
    sample_weight : array-like of shape (n_samples,), optional
        As it was given: rows of weight 0 are not kept.
    """
    if cv is None or isinstance(cv, (int, np.integer)) or hasattr(cv, "split"):
        return cv
    missing = unreadable_rows(X)
    kept = np.ones(_num_samples(X), dtype=bool) if missing is None else ~missing
    if np.shape(sample_weight) == kept.shape:
        kept &= np.asarray(sample_weight) != 0
    if kept.all():
        return cv
    numbers = np.cumsum(kept) - 1
    rows = np.arange(len(kept))
    return [
        tuple(numbers[rows[part][kept[rows[part]]]] for part in pair)  # numbers or a mask
        for pair in cv
    ]


def _default_folds(y: np.ndarray, at_least: int, *, owner: str) -> int:
    n_classes = len(np.unique(y))
    if n_classes < 2 * at_least:
        raise ValueError(
            f"{owner}: {2 * at_least} classes or more are needed, the labels have {n_classes}. "
            "Take the estimator without CV, and set its penalties."
        )
    return min(N_FOLDS, n_classes // at_least)


def _as_rows(fold: tuple[Any, Any], n_rows: int) -> Fold:
    train, test = (np.arange(n_rows)[part] for part in fold)
    return train, test


def make_scorer(
    scoring: Any, estimator: Any, *, owner: str
) -> Callable[[Any, np.ndarray, np.ndarray], float]:
    """Return ``scorer(estimator, X, y)`` for a name, of `SCORERS` or scikit-learn's, or a callable.

    None is the estimator's own ``score``.

    Raises
    ------
    ValueError
        `scoring` is something else, such as several names.
    """
    return check_scoring(estimator, named_scorer(scoring, owner=owner))


def score_of(
    scorer: Any, model: Any, X: np.ndarray, y: np.ndarray, *, owner: str, **given: np.ndarray
) -> float:
    """Return the score of a model as a number; `given` goes to the scorer.

    Raises
    ------
    ValueError
        The scorer returns something else.
    """
    score = scorer(model, X, y, **given)
    if isinstance(score, np.ndarray) and score.ndim == 0:
        score = score.item()
    if not isinstance(score, Real):
        raise ValueError(f"{owner}: scoring must return a number, and returned {score!r}.")
    return float(score)


def search_results(
    params: list[dict[str, float]], scores: np.ndarray, *, owner: str
) -> dict[str, Any]:
    """Return scores, (n_points, n_folds), as ``cv_results_`` of ``GridSearchCV`` has them.

    Raises
    ------
    ValueError
        A score is not finite.
    """
    if not np.isfinite(scores).all():
        point, fold = np.argwhere(~np.isfinite(scores))[0]
        raise ValueError(
            f"{owner}: the score of {params[point]} in fold {fold} is {scores[point, fold]}. "
            "Pass another scoring, or other folds."
        )
    mean = scores.mean(axis=1)
    results: dict[str, Any] = {
        f"param_{name}": np.array([point[name] for point in params]) for name in params[0]
    }
    results["params"] = params
    results |= {f"split{fold}_test_score": column for fold, column in enumerate(scores.T.copy())}
    results["mean_test_score"] = mean
    results["std_test_score"] = scores.std(axis=1)
    results["rank_test_score"] = rankdata(-mean, method="min").astype(np.int32)
    return results


def best_point(results: dict[str, Any]) -> tuple[int, float, dict[str, float]]:
    """Return the place, the mean score and the parameters of the best point; of equals, the first.

    Parameters
    ----------
    results : dict
        As `search_results` gives them.
    """
    index = int(np.argmax(results["mean_test_score"]))
    return index, float(results["mean_test_score"][index]), results["params"][index]
