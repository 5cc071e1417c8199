"""Scores of estimators by the number of training images a class."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from numbers import Real
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.dummy import DummyClassifier
from sklearn.utils import indexable
from sklearn.utils.parallel import Parallel, delayed
from sklearn.utils.validation import check_consistent_length

from zeroshot._validation import take_rows
from zeroshot.estimators._members import fitted_from_names
from zeroshot.evaluation._few_shot_checks import (
    MOST_FREQUENT,
    OWNER,
    RANDOM_LABELS,
    Estimators,
    Scorers,
    check_estimators,
    check_finite,
    check_random_state,
    check_shots,
    check_y,
    is_several,
    scorers_of,
)
from zeroshot.evaluation._few_shot_draws import Draw, draws_of
from zeroshot.evaluation._few_shot_result import FewShotCurve

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
    """Score estimators that are trained on few images of each class.

    ``learning_curve`` of scikit-learn takes shares of a training set, whatever classes they hold;
    here each class has the same number of images. In a draw all estimators see the same images, and
    more images are those of fewer and others, so that differences are paired.

    Parameters
    ----------
    estimators : estimator, dict of str to estimator, or list of (str, estimator)
        Cloned, never fitted themselves.
    X : array-like or list of length n_samples
        Features, or whatever the estimators take.
    y : array-like of shape (n_samples,)
        Labels: strings or integers.
    shots : iterable of int, default=(1, 2, 5, 10)
        Images a class, each number once. At 0 an estimator is fitted from class names alone, as a
        `ConSEClassifier`, a `SimilarityInitializer` or a `FewShotClassifier` with a prior can be;
        for others the place stays empty.
    cv : int, splitter, or iterable of (train, test), default=5
        A number of draws: each takes as many images of each class as the most shots at random, and
        tests on all others. Of a splitter, each training part is drawn from once, and each test
        part tested on: ``[(train, test)] * 5`` draws five times from one and the same split.
    scoring : str, callable, list or dict, optional
        A name, of `zeroshot.metrics.SCORERS` or scikit-learn's, or a function ``(estimator, X,
        y)``; None is the estimator's ``score``, which is accuracy for classifiers. A list of names,
        or a dict from names to any of these, measures several on the same fits.
    groups : array-like of shape (n_samples,), optional
        For a splitter that needs them.
    n_jobs : int, optional
        How many estimators are fitted at a time; -1 is one a processor.
    random_state : int, RandomState instance or None, default=None
        Seed of which images are drawn. Estimators have their own.

    Returns
    -------
    FewShotCurve, or dict of str to FewShotCurve
        A mapping from names to scores by images a class, which prints as a table, beside two
        predictors that look at no image: one that always gives the most frequent of the test
        labels, and one that draws labels at random. With several scorers, one such
        result a scorer.

    Raises
    ------
    TypeError
        An estimator is a class, or has no ``fit``; `y` is None; `shots` is no list.
    ValueError
        A class has too few images for the most shots; there is one class only; lengths differ; two
        estimators have one name; `shots` are not distinct whole numbers; X holds NaN or infinity
        which an estimator does not take; a score is no number. What an estimator raises comes
        through, with a note of which it was.

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
    images a class        1              5
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
    """Return what one scorer measured."""

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
    with _noted(f"{name!r}, trained on {shot} images a class"):
        with warnings.catch_warnings():
            # One image a class is what is asked for here, not regression by mistake.
            warnings.filterwarnings("ignore", "The number of unique classes")
            fitted = clone(estimator).fit(take_rows(X, rows), y[rows])
        return _scores(fitted, X, y, draw, scorers)


@contextmanager
def _noted(what: str) -> Iterator[None]:
    """Say in a note to any error what it came from."""
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
    """Return the scores of estimators that are fitted from names, and why others cannot be."""
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
    """Return what two predictors that look at no image score in each draw."""
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
