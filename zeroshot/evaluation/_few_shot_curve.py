"""`few_shot_curve`: scores by number of training images per class."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

import numpy as np
import sklearn.utils
from sklearn.base import BaseEstimator, clone
from sklearn.dummy import DummyClassifier
from sklearn.metrics import check_scoring
from sklearn.model_selection import check_cv
from sklearn.pipeline import Pipeline
from sklearn.utils import get_tags, indexable
from sklearn.utils.parallel import Parallel, delayed
from sklearn.utils.validation import check_consistent_length, column_or_1d

from zeroshot._utils._pipelines import unwrap
from zeroshot._utils._validation import (
    check_labels,
    check_missing_labels,
    check_number,
    check_unique,
    take_rows,
)
from zeroshot.estimators._composite import fitted_from_names
from zeroshot.evaluation._few_shot_result import FewShotCurve
from zeroshot.metrics._scorers import named_scorer

_NAMED = 5


OWNER = "few_shot_curve"
MOST_FREQUENT, RANDOM_LABELS = "most frequent label", "random labels"
Estimators = dict[str, Any]
Scorers = dict[str, Callable[[Any, Any, Any], float]]


Measured = dict[str, dict[int, list[dict[str, float]]]]


def few_shot_curve(
    estimators: Any,
    X: Any,
    y: Any,
    *,
    shots: Iterable[int] = (1, 2, 5, 10),
    cv: Any = 5,
    scoring: Any = None,
    groups: Any = None,
    n_jobs: int | None = None,
    random_state: Any = None,
) -> Any:
    """Score estimators that are trained on a few images per class.

    scikit-learn's ``learning_curve`` takes shares of a training set, regardless of classes. Here
    each class has the same number of images. In a draw, all estimators see the same images, and a
    larger training set contains the smaller ones. Differences are therefore paired.

    Parameters
    ----------
    estimators : estimator, dict of str to estimator, or list of (str, estimator)
        Estimators, which are cloned and not fitted themselves.
    X : array-like or list of length n_samples
        Features, or any other input of the estimators.
    y : array-like of shape (n_samples,)
        Labels: strings or integers.
    shots : iterable of int, default=(1, 2, 5, 10)
        Distinct numbers of images per class. With 0, an estimator is fitted from class names only.
        This works for a `ConSEClassifier`, a `SimilarityInitializer` or a `FewShotClassifier` with
        a prior. Other estimators have no score at 0.
    cv : int, splitter, or iterable of (train, test), default=5
        A number of draws: each draw takes max(shots) random images per class, and tests on all
        others. With a splitter, each training part is drawn from once, and its test part is used
        for testing: ``[(train, test)] * 5`` draws five times from the same split.
    scoring : str, callable, list or dict, optional
        A name of `zeroshot.metrics.SCORERS` or of scikit-learn, or a function ``(estimator, X,
        y)``. None is the estimator's ``score``, which is accuracy for classifiers. A list of names,
        or a dict from names to any of these, computes several scores on the same fits.
    groups : array-like of shape (n_samples,), optional
        Groups, for a splitter that needs them.
    n_jobs : int, optional
        Number of estimators that are fitted at the same time. -1 uses one per processor.
    random_state : int, RandomState instance or None, default=None
        Seed of the random draws of images. Estimators have their own seeds.

    Returns
    -------
    FewShotCurve, or dict of str to FewShotCurve
        A mapping from names to scores by images per class, which prints as a table. It includes two
        predictors that do not use images: one always predicts the most frequent test label, the
        other draws labels at random. With several scorers, there is one such result per scorer.

    Raises
    ------
    TypeError
        An estimator is a class, or has no ``fit``; `y` is None; `shots` is not a list.
    ValueError
        A class has fewer images than max(shots); there is only one class; lengths differ; two
        estimators have the same name; `shots` are not distinct integers; X contains NaN or
        infinity, which an estimator does not accept; a score is not a number. Errors of estimators
        are passed on, with a note that names the estimator.

    See Also
    --------
    zeroshot.displays.FewShotCurveDisplay : Draws the result.
    sklearn.model_selection.learning_curve : For shares of a training set.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from zeroshot import FewShotClassifier
    >>> from zeroshot.datasets import load_cifar100_features
    >>> from zeroshot import few_shot_curve
    >>> X, y = load_cifar100_features(subset="test", return_X_y=True)
    >>> models = {"class mean": FewShotClassifier(), "logistic": LogisticRegression()}
    >>> result = few_shot_curve(models, X[:100], y[:100], shots=(1, 5), cv=3, random_state=0)
    >>> print(result)
    accuracy of 10 classes, 3 draws, 50 test images
    images per class        1              5
    class mean            ... ± ...  ... ± ...
    logistic              ... ± ...  ... ± ...
    most frequent label  0.100 ± 0.000  0.100 ± 0.000
    random labels         ...
    """
    named = check_estimators(estimators)
    shots = check_shots(shots)
    y = check_y(y)
    (X, groups) = indexable(X, groups)
    check_consistent_length(X, y, groups)
    check_finite(X, named)
    rng = check_random_state(random_state)
    draws = draws_of(cv, X, y, groups, max(shots), rng, owner=OWNER)
    scorers = {name: scorers_of(scoring, estimator) for name, estimator in named.items()}
    controls = _controls(X, y, draws, next(iter(scorers.values())))
    tasks = [(name, shot, draw) for shot in shots if shot for draw in draws for name in named]
    measured = Parallel(n_jobs=n_jobs)(
        delayed(_fit_and_score)(named[name], name, X, y, draw, shot, scorers[name])
        for name, shot, draw in tasks
    )
    found: Measured = {name: {} for name in named}
    left_out: dict[str, str] = {}
    if 0 in shots:
        found, left_out = _at_no_image(named, X, y, draws, scorers)
    for (name, shot, _), scores in zip(tasks, measured, strict=True):
        found[name].setdefault(shot, []).append(scores)
    settings = {
        "shots": shots,
        "n_draws": len(draws),
        "n_classes": len(np.unique(y)),
        "n_test": [len(draw.test) for draw in draws],
    }
    metrics = list(next(iter(scorers.values())))
    results = [_result(metric, found, controls, left_out, settings) for metric in metrics]
    return dict(zip(metrics, results, strict=True)) if is_several(scoring) else results[0]


def _result(
    metric: str,
    found: Measured,
    controls: dict[str, list[dict[str, float]]],
    left_out: dict[str, str],
    settings: dict[str, Any],
) -> FewShotCurve:
    """Return the result of one scorer."""

    def column(scores: list[dict[str, float]]) -> np.ndarray:
        return np.array([each[metric] for each in scores])

    return FewShotCurve(
        {
            name: {shot: column(scores) for shot, scores in by_shot.items()}
            for name, by_shot in found.items()
        },
        {name: column(scores) for name, scores in controls.items()},
        dict(left_out),
        {"metric": metric, **settings},
    )


def _fit_and_score(
    estimator: Any, name: str, X: Any, y: np.ndarray, draw: Draw, shot: int, scorers: Scorers
) -> dict[str, float]:
    rows = draw.rows(shot)
    with _noted(f"{name!r}, trained on {shot} images per class"):
        with warnings.catch_warnings():
            # One image per class is intended here; it is not regression by mistake.
            warnings.filterwarnings("ignore", "The number of unique classes")
            fitted = clone(estimator).fit(take_rows(X, rows), y[rows])
        return _scores(fitted, X, y, draw, scorers)


@contextmanager
def _noted(what: str) -> Iterator[None]:
    """Add a note to any error that says where it came from."""
    try:
        yield
    except Exception as error:
        error.add_note(f"{OWNER}: this was {what}.")
        raise


def _scores(fitted: Any, X: Any, y: np.ndarray, draw: Draw, scorers: Scorers) -> dict[str, float]:
    test = take_rows(X, draw.test)
    scores = {metric: scorer(fitted, test, y[draw.test]) for metric, scorer in scorers.items()}
    for metric, score in scores.items():
        if not isinstance(score, Real) or not np.isfinite(score):
            raise ValueError(
                f"{OWNER}: scoring {metric!r} must give a finite number, got {score!r}. Pass "
                "another one, or several by a dict."
            )
    return {metric: float(score) for metric, score in scores.items()}


def _at_no_image(
    named: Estimators, X: Any, y: np.ndarray, draws: list[Draw], scorers: dict[str, Scorers]
) -> tuple[Measured, dict[str, str]]:
    """Return the scores of estimators that are fitted from names, and why others have none."""
    found: Measured = {}
    left_out = {}
    for name, estimator in named.items():
        found[name] = {}
        try:
            fitted = fitted_from_names(estimator, np.unique(y), owner=OWNER, name=repr(name))
        except ValueError as error:
            left_out[name] = f"it is not fitted from names alone ({error.__cause__ or error})"
            continue
        with _noted(f"{name!r}, fitted from names alone"):
            found[name][0] = [_scores(fitted, X, y, draw, scorers[name]) for draw in draws]
    if len(left_out) == len(named):
        raise ValueError(
            f"{OWNER}: shots has 0, and no estimator can be fitted from class names alone: "
            f"{'; '.join(f'{name!r}: {why}' for name, why in left_out.items())}. Leave 0 out."
        )
    return found, left_out


def _controls(
    X: Any, y: np.ndarray, draws: list[Draw], scorers: Scorers
) -> dict[str, list[dict[str, float]]]:
    """Return the scores per draw of two predictors that do not use images."""
    found: dict[str, list[dict[str, float]]] = {}
    for number, draw in enumerate(draws):
        dummies = {
            MOST_FREQUENT: DummyClassifier(strategy="prior"),
            RANDOM_LABELS: DummyClassifier(strategy="uniform", random_state=number),
        }
        for name, dummy in dummies.items():
            dummy.fit(np.zeros((len(draw.test), 1)), y[draw.test])
            with _noted(f"a control, the {name}, which is a DummyClassifier"):
                found.setdefault(name, []).append(_scores(dummy, X, y, draw, scorers))
    return found


def check_estimators(estimators: Any) -> Estimators:
    """Return estimators by name.

    Raises
    ------
    TypeError
        A value is not an estimator.
    ValueError
        There is no estimator, two have the same name, or one has the name of a control.
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
    """Return the numbers of images per class, fewest first.

    Raises
    ------
    TypeError
        `shots` is not a list.
    ValueError
        `shots` are not distinct integers with at least one above 0.
    """
    if not np.iterable(shots) or isinstance(shots, (str, bytes)):
        raise TypeError(
            f"{OWNER}: shots must be a list of numbers of images per class, got {shots!r}. Write "
            f"({str(shots).strip() or 1},)."
        )
    numbers = list(shots)
    for shot in numbers:
        check_number(shot, owner=OWNER, name="each of shots", at_least=0, integer=True)
    if len(set(numbers)) < len(numbers) or not any(numbers):
        raise ValueError(
            f"{OWNER}: shots must be distinct numbers of images per class, and one above 0, got "
            f"{numbers!r}."
        )
    return sorted(int(shot) for shot in numbers)


def check_y(y: Any) -> np.ndarray:
    """Return the labels.

    Raises
    ------
    TypeError
        There are no labels.
    ValueError
        The values are not labels, or are all equal.
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
    """Raise now, instead of only in draws that contain the row.

    Raises
    ------
    ValueError
        X contains NaN or infinity, and an estimator does not accept it.
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
        `random_state` is not a seed.
    """
    try:
        return sklearn.utils.check_random_state(random_state)
    except ValueError as error:
        raise ValueError(
            f"{OWNER}: random_state must be an integer of 0 to 2**32 - 1, a RandomState or None, "
            f"got {random_state!r}."
        ) from error


def is_several(scoring: Any) -> bool:
    """Return whether `scoring` names several scorers."""
    return isinstance(scoring, (list, tuple, set, Mapping))


def scorers_of(scoring: Any, estimator: Any) -> Scorers:
    """Return the scorers by their names in the result.

    Raises
    ------
    ValueError
        There is no scorer, or a value is not a scorer.
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


@dataclass(frozen=True)
class Draw:
    """One draw.

    Attributes
    ----------
    by_class : list of ndarray of int
        The training rows of each class in the order of drawing, max(shots) of them.
    test : ndarray of int
        The rows that are scored.
    """

    by_class: list[np.ndarray]
    test: np.ndarray

    def rows(self, n_images: int) -> np.ndarray:
        """Return `n_images` training rows per class, including those of smaller numbers."""
        return np.concatenate([own[:n_images] for own in self.by_class])


def draws_of(
    cv: Any,
    X: Any,
    y: np.ndarray,
    groups: Any,
    most: int,
    rng: np.random.RandomState,
    *,
    owner: str,
) -> list[Draw]:
    """Return the draws.

    Parameters
    ----------
    cv : int, splitter, or iterable of (train, test)
        Number of draws, each tested on all rows that were not drawn; or splits, with one draw from
        each.
    X : array-like or list of length n_samples
        For a splitter.
    y : ndarray of shape (n_samples,)
        Labels, of at least two classes.
    groups : array-like of shape (n_samples,) or None
        For a splitter.
    most : int
        Number of images per class to draw.
    rng : RandomState
        Generator that draws the images.
    owner : str
        Who asks, for the messages.

    Raises
    ------
    ValueError
        A class has too few images; a split has no test rows, or there are no splits; cv is a
        number below 1.
    """
    classes = np.unique(y)
    sources: Iterable[tuple[np.ndarray, np.ndarray | None]]
    if isinstance(cv, Integral) and not isinstance(cv, bool):
        check_number(cv, owner=owner, name="cv", at_least=1, integer=True)
        everything = np.arange(len(y))
        where, wanted = "X", most + 1
        remedy = "one more image per class than are drawn: those not drawn are for testing"
        sources = ((everything, None) for _ in range(int(cv)))
    else:
        where, wanted = "the training part of split {}", most
        remedy = "as many images of each class as are drawn"
        sources = _splits(cv, X, y, groups, owner=owner)
    draws = []
    for number, (train, test) in enumerate(sources):
        _check_counts(y[train], classes, wanted, where.format(number), remedy, owner=owner)
        by_class = [rng.permutation(train[y[train] == label])[:most] for label in classes]
        left = np.setdiff1d(train, np.concatenate(by_class)) if test is None else test
        if not len(left):
            raise ValueError(f"{owner}: split {number} of cv has no test rows. Pass another cv.")
        draws.append(Draw(by_class, left))
    if not draws:
        raise ValueError(f"{owner}: cv gives no splits. Pass a number of draws, or a splitter.")
    return draws


def _splits(
    cv: Any, X: Any, y: np.ndarray, groups: Any, *, owner: str
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    try:
        splitter = check_cv(cv)
    except (TypeError, ValueError) as error:
        raise TypeError(
            f"{owner}: cv must be a number of draws, a splitter, or a list of (train, test), got "
            f"{cv!r}."
        ) from error
    rows = np.arange(len(y))
    for train, test in splitter.split(X, y, groups):
        yield rows[train], rows[test]  # positions, also if the splitter yields masks


def _check_counts(
    y: np.ndarray, classes: np.ndarray, wanted: int, where: str, remedy: str, *, owner: str
) -> None:
    counts = np.bincount(np.searchsorted(classes, y), minlength=len(classes))
    few = np.flatnonzero(counts < wanted)
    if len(few):
        named = ", ".join(f"{classes[row].item()!r} has {counts[row]}" for row in few[:_NAMED])
        more = f" and {len(few) - _NAMED} more" if len(few) > _NAMED else ""
        raise ValueError(
            f"{owner}: {len(few)} of {len(classes)} classes have fewer than {wanted} images in "
            f"{where} ({named}{more}). It takes {remedy}. Pass fewer shots, or leave these "
            "classes out."
        )
