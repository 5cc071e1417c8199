"""Comparison of a model with the same network without training."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from zeroshot.exceptions import LabelWarning

if TYPE_CHECKING:
    import numpy as np

N_FOLDS, N_FOLDS_TRAINED = 5, 2
FEW_CLASSES = 4  # minimum: two classes to leave out and two to learn
WORSE = 0.01  # minimum difference for a worse model


@dataclass(frozen=True)
class Comparison:
    """Mean class accuracies on held-out images of seen and of unseen classes.

    Attributes
    ----------
    kind : {"learnt", "other"}
        "learnt": other images of the same classes are learnt. "other": the classes are left out.
    model : float
        Accuracy of the method, trained on the rest.
    no_training : float or None
        Accuracy of the network's own classifier, transferred to the labels; None if there is none.
    chance : float
        Accuracy of random labels.
    n_classes : int
        Number of classes in the mean.
    error : float
        Standard error of `model` over the classes.
    """

    kind: str
    model: float
    no_training: float | None
    chance: float
    n_classes: int
    error: float

    @property
    def is_worse(self) -> bool:
        """Return whether the model is worse than no training or, without a head, than chance."""
        if self.no_training is None:
            return self.model <= self.chance + 2 * self.error
        return self.model < self.no_training - WORSE


def compare_with_no_training(
    fit: Callable[[np.ndarray, np.ndarray], Any],
    prior: Any,
    X: np.ndarray,
    y: np.ndarray,
    *,
    n_folds: int,
    seed: int,
) -> list[Comparison]:
    """Hold out images and classes in turn, and classify them with the model and without training.

    Parameters
    ----------
    fit : callable
        Function from rows and labels to a fitted model with ``with_candidates``.
    prior : classifier or None
        Fitted classifier of the network without training.
    X : ndarray of shape (n_samples, n_features)
        Features.
    y : ndarray of shape (n_samples,)
        Labels.
    n_folds : int
        Maximum number of folds.
    seed : int
        Seed of the folds.

    Returns
    -------
    comparisons : list of Comparison
        Comparisons for "learnt" and "other", if there are enough classes and images.
    """
    import numpy as np

    from zeroshot.model_selection import with_candidates

    hits: dict[str, list[np.ndarray]] = {"learnt": [], "other": []}
    for train, test in _folds(y, n_folds, seed):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", LabelWarning)  # of the fold, not of the model
            model = fit(X[train], y[train])
        learnt = np.unique(y[train])
        is_learnt = np.isin(y[test], learnt)
        for kind, rows in (("learnt", test[is_learnt]), ("other", test[~is_learnt])):
            offered = learnt if kind == "learnt" else np.unique(y[rows])
            if not len(rows) or len(offered) < 2:
                continue
            of_none = np.full(len(rows), np.nan)
            if prior is not None:
                of_none = with_candidates(prior, offered).predict(X[rows]) == y[rows]
            of_model = with_candidates(model, offered).predict(X[rows]) == y[rows]
            chance = np.full(len(rows), 1 / len(offered))
            hits[kind].append(np.array([rows, of_model, of_none, chance]))
    return [
        _compared(kind, np.concatenate(parts, axis=1), y) for kind, parts in hits.items() if parts
    ]


def _folds(y: np.ndarray, n_folds: int, seed: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield training rows, held-out rows of seen classes, and held-out rows of unseen classes."""
    import numpy as np
    from sklearn.model_selection import StratifiedKFold

    from zeroshot.model_selection import ClassKFold, GeneralizedClassKFold

    _, counts = np.unique(y, return_counts=True)
    n_classes = len(counts)
    splitter: Any
    if n_classes >= FEW_CLASSES:
        n_folds = min(n_folds, n_classes // 2)
        left_out_at_once = -(-n_classes // n_folds)
        some_in_each_fold = (counts > 1).sum() > left_out_at_once
        of = GeneralizedClassKFold if some_in_each_fold else ClassKFold
        splitter = of(n_folds, shuffle=True, random_state=seed)
    elif counts.min() > 1:
        n_folds = min(n_folds, int(counts.min()))
        splitter = StratifiedKFold(n_folds, shuffle=True, random_state=seed)
    else:
        return
    yield from splitter.split(np.empty((len(y), 0)), y)


def _compared(kind: str, hits: np.ndarray, y: np.ndarray) -> Comparison:
    import numpy as np

    _, codes = np.unique(y[hits[0].astype(np.intp)], return_inverse=True)
    counts = np.bincount(codes)
    model, none, chance = (np.bincount(codes, weights=values) / counts for values in hits[1:])
    error = model.std(ddof=1) / np.sqrt(len(model)) if len(model) > 1 else 0.0
    return Comparison(
        kind,
        float(model.mean()),
        None if np.isnan(none).any() else float(none.mean()),
        float(chance.mean()),
        len(counts),
        float(error),
    )


def verdict(comparison: Comparison, estimator: str) -> str | None:
    """Return a warning if the model is worse than no training or chance.

    Parameters
    ----------
    comparison : Comparison
        Comparison on one kind of classes.
    estimator : str
        Its name on the command line.
    """
    if not comparison.is_worse:
        return None
    what = {
        "learnt": "left-out images of the learnt classes",
        "other": f"classes left out in turn, {comparison.n_classes} in all,",
    }[comparison.kind]
    found = f"{estimator} names {what} right in {comparison.model:.2f}"
    few = " These are too few classes to place new ones." if comparison.kind == "other" else ""
    if comparison.no_training is None:
        return f"{found}, labels drawn at random in {comparison.chance:.2f}.{few}"
    return (
        f"{found}, the network without any training in {comparison.no_training:.2f}.{few} Leave "
        "--estimator out, or name images without a --model."
    )
