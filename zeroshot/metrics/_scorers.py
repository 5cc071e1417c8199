"""Scorers that get what a metric needs from a fitted estimator."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from typing import Any

import numpy as np
from sklearn.metrics import get_scorer, get_scorer_names
from sklearn.utils import gen_batches
from sklearn.utils.validation import _num_samples, check_is_fitted

from zeroshot._utils._arrays import best_columns
from zeroshot._utils._pipelines import final_and_input, raw_label_vectors, unwrap
from zeroshot._utils._validation import check_labels, check_option, check_same_kind, take_rows
from zeroshot.metrics._checks import check_pair
from zeroshot.metrics._classification import (
    AVERAGES,
    averaged,
    check_k,
    check_scored,
    check_seen_classes,
    class_mean,
    harmonic_mean,
    label_ranks,
    on_offer,
    part_accuracy,
)
from zeroshot.metrics._confidence import (
    Told,
    any_of_these_auc,
    calibration_error_of,
    checked_told,
    risk_area_of,
)
from zeroshot.metrics._curve import BreakPoints, area, checked_shares
from zeroshot.metrics._embedding import (
    check_vector_pair,
    losses_by_class,
    semantic_similarity,
)
from zeroshot.metrics._hierarchy import correct_sets

MAX_ROWS, MAX_SCORES = 4096, 2**22
"""Rows, and scores, that are in memory at a time."""


@dataclass(frozen=True)
class Scorer:
    """What ``scoring=`` takes: ``scorer(estimator, X, y)`` is a number, greater is better.

    Parameters
    ----------
    name : str
        Its key in `SCORERS`.
    function : callable
        ``(name, estimator, X, y) -> float``; a module-level function, so that workers get it.
    options : mapping of str to object
        Further arguments of `function`; see `with_options`.

    Examples
    --------
    Any classifier has a mean class accuracy; the other scorers read what is zero-shot:

    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.model_selection import cross_val_score
    >>> from zeroshot.metrics import SCORERS
    >>> SCORERS["mean_class_accuracy"]
    Scorer(name='mean_class_accuracy')
    >>> X, y = load_iris(return_X_y=True)
    >>> scoring = SCORERS["mean_class_accuracy"]
    >>> cross_val_score(LogisticRegression(max_iter=500), X, y, scoring=scoring, cv=3).round(2)
    array([0.98, 0.96, 0.98])
    """

    name: str
    function: Callable[..., float] = field(repr=False)
    options: Mapping[str, Any] = field(default_factory=dict, repr=False, hash=False)

    def with_options(self, **options: Any) -> Scorer:
        """Return this scorer with arguments of the metric, as the metric's own page has them.

        ``"hit_at_k"`` and ``"ausuc"`` take ``average``, ``"hierarchical_precision_at_k"`` also
        ``synsets``, and ``"semantic_similarity_at_k"`` also ``label_embedding``, which is that of
        the estimator by default. Those of probabilities take ``average``, and those of sets of
        labels also ``coverage``. The others have no options.

        Parameters
        ----------
        **options : object
            The arguments.

        Returns
        -------
        Scorer
            Of the same name.

        Raises
        ------
        TypeError
            The scorer has no such option.

        Examples
        --------
        >>> from zeroshot.metrics import SCORERS
        >>> from zeroshot.taxonomy import class_synsets
        >>> scorer = SCORERS["hierarchical_precision_at_5"]
        >>> scorer.with_options(synsets=class_synsets("cifar100"), average="micro")
        Scorer(name='hierarchical_precision_at_5')
        """
        parameters = inspect.signature(self.function).parameters.values()
        known = [each.name for each in parameters if each.kind is each.KEYWORD_ONLY]
        unknown = [name for name in options if name not in known]
        if unknown:
            raise TypeError(
                f"SCORERS[{self.name!r}]: there is no option {', '.join(map(repr, unknown))}. "
                f"It takes {', '.join(map(repr, known)) or 'none'}."
            )
        return replace(self, options={**self.options, **options})

    def __call__(self, estimator: Any, X: Any, y: Any) -> float:
        """Score a fitted estimator.

        Parameters
        ----------
        estimator : estimator, Pipeline or search object
            Fitted; what the scorer reads is taken from its final step.
        X : array-like or list of length n_samples
            Input of `estimator`.
        y : array-like of shape (n_samples,)
            True labels; the two losses also take vectors (n_samples, n_dims).

        Returns
        -------
        float
            Greater is better.

        Raises
        ------
        TypeError
            An estimator of another kind than the scorer reads.
        ValueError
            The fold lacks the seen or unseen rows that the scorer is about.
        """
        return self.function(self.name, estimator, X, y, **self.options)


def _require(estimator: Any, attributes: tuple[str, ...], name: str, *, remedy: str) -> Any:
    """Return the final estimator if it has the `attributes`, else say what has."""
    final = unwrap(estimator)
    missing = [attribute for attribute in attributes if not hasattr(final, attribute)]
    if missing:
        check_is_fitted(final)  # "not fitted yet" is the better answer where it is true
        raise TypeError(
            f"SCORERS[{name!r}] needs an estimator with {' and '.join(missing)}, which "
            f"{type(final).__name__} has not. {remedy}"
        )
    return final


_CLASSIFIER = (
    "Score a zero-shot classifier, such as DeViSEClassifier; for EmbeddingRegressor use "
    "'neg_embedding_mse' or 'neg_relative_loss'."
)
_REGRESSOR = (
    "Score an estimator that predicts raw label vectors, such as EmbeddingRegressor; for a "
    "classifier use 'mean_class_accuracy' or 'hit_at_5'."
)


def _predicted(
    name: str, estimator: Any, X: Any, y: Any
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    final = _require(estimator, ("classes_", "seen_classes_"), name, remedy=_CLASSIFIER)
    owner = f"SCORERS[{name!r}]"
    y_true, y_pred = check_pair(y, _labels(estimator, X, y, final), owner=owner)
    seen = check_labels(final.seen_classes_, owner=owner, name="seen_classes_")
    check_same_kind(y_true, seen, owner=owner, names=("y", "seen_classes_"))
    return y_true, y_pred, seen


def _labels(estimator: Any, X: Any, y: Any, final: Any) -> np.ndarray:
    """Return the predicted labels."""
    return np.concatenate([estimator.predict(rows) for rows, _ in _row_blocks(X, y, final)])


def _seen_accuracy(name: str, estimator: Any, X: Any, y: Any) -> float:
    y_true, y_pred, seen = _predicted(name, estimator, X, y)
    mask = np.isin(y_true, seen)
    return part_accuracy(y_true, y_pred, mask, part="seen", owner=f"SCORERS[{name!r}]")


def _unseen_accuracy(name: str, estimator: Any, X: Any, y: Any) -> float:
    y_true, y_pred, seen = _predicted(name, estimator, X, y)
    mask = ~np.isin(y_true, seen)
    return part_accuracy(y_true, y_pred, mask, part="unseen", owner=f"SCORERS[{name!r}]")


def _harmonic_mean(name: str, estimator: Any, X: Any, y: Any) -> float:
    y_true, y_pred, seen = _predicted(name, estimator, X, y)
    mask, owner = np.isin(y_true, seen), f"SCORERS[{name!r}]"
    accuracies = (
        part_accuracy(y_true, y_pred, rows, part=part, owner=owner)
        for part, rows in (("seen", mask), ("unseen", ~mask))
    )
    return float(harmonic_mean(*accuracies))


def _mean_class_accuracy(name: str, estimator: Any, X: Any, y: Any) -> float:
    final = _require(estimator, ("classes_",), name, remedy=_CLASSIFIER)
    y_true, y_pred = check_pair(y, _labels(estimator, X, y, final), owner=f"SCORERS[{name!r}]")
    return class_mean(y_true, y_true == y_pred)


_OTHER_K = "Offer more candidates, or ask evaluate_zero_shot for k of at most {}."


def _k_of(name: str) -> int:
    return int(name.rpartition("_at_")[2])


def _row_blocks(X: Any, y: Any, final: Any) -> Iterator[tuple[Any, Any]]:
    """Yield rows of X and y, so few that their scores of all classes need little memory.

    All metrics here need some numbers per row, or the k best labels, and not all scores at once.
    """
    n_rows = int(np.clip(MAX_SCORES // max(1, len(final.classes_)), 1, MAX_ROWS))
    if not hasattr(X, "__len__") or _num_samples(X) <= n_rows or len(y) != _num_samples(X):
        yield X, y
        return
    y = np.asarray(y)
    for rows in gen_batches(len(y), n_rows):
        yield take_rows(X, rows), y[rows]


def _score_blocks(
    name: str, estimator: Any, X: Any, y: Any, final: Any
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Yield true labels, scores and the labels of their columns, checked, some rows at a time."""
    for rows, labels in _row_blocks(X, y, final):
        scores = estimator.decision_function(rows)
        yield check_scored(labels, scores, final.classes_, owner=f"SCORERS[{name!r}]")


def _hit_at_k(name: str, estimator: Any, X: Any, y: Any, *, average: str = "macro") -> float:
    final = _require(estimator, ("classes_", "decision_function"), name, remedy=_CLASSIFIER)
    owner, k = f"SCORERS[{name!r}]", _k_of(name)
    check_option(average, AVERAGES, owner=owner, name="average")
    parts = []
    for y_true, scores, labels in _score_blocks(name, estimator, X, y, final):
        check_k(k, scores, owner=owner, remedy=_OTHER_K)
        parts.append((y_true, label_ranks(y_true, scores, labels) < k))
    y_true, is_hit = _joined(parts)
    return averaged(y_true, is_hit, average)


def _ausuc(name: str, estimator: Any, X: Any, y: Any, *, average: str = "macro") -> float:
    attributes = ("classes_", "seen_classes_", "decision_function")
    final = _require(estimator, attributes, name, remedy=_CLASSIFIER)
    owner = f"SCORERS[{name!r}]"
    check_option(average, AVERAGES, owner=owner, name="average")
    parts, points = [], []
    for y_true, scores, labels in _score_blocks(name, estimator, X, y, final):
        seen = check_seen_classes(final.seen_classes_, y_true, labels, owner=owner, name="labels")
        points.append(BreakPoints.of(y_true, scores, labels, seen, owner=owner))
        parts.append((y_true,))
    (y_true,), joined = _joined(parts), BreakPoints.joined(points)
    return area(*joined.curve(checked_shares(y_true, joined.is_seen, average, owner=owner))[:2])


def _joined(parts: Sequence[tuple[np.ndarray, ...]]) -> Any:
    """Return the arrays of several blocks of rows, put together."""
    return tuple(np.concatenate(each) for each in zip(*parts, strict=True))


def _hierarchical_precision_at_k(
    name: str,
    estimator: Any,
    X: Any,
    y: Any,
    *,
    synsets: Mapping[Any, Any] | None = None,
    average: str = "macro",
) -> float:
    final = _require(estimator, ("classes_", "decision_function"), name, remedy=_CLASSIFIER)
    owner, k = f"SCORERS[{name!r}]", _k_of(name)
    check_option(average, AVERAGES, owner=owner, name="average")
    y_true, top, offered = _best_columns(name, estimator, X, y, final)
    classes, codes = np.unique(y_true, return_inverse=True)
    remedy = f"Take {owner}.with_options(synsets=...) with the wnid of each."
    correct, _ = correct_sets(classes, offered, k, synsets, owner=owner, remedy=remedy)
    return averaged(y_true, correct[codes[:, None], top].mean(axis=1), average)


def _best_columns(
    name: str, estimator: Any, X: Any, y: Any, final: Any
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return true labels, the places of the k best candidates, (n_samples, k), and candidates."""
    parts, k = [], _k_of(name)
    for y_true, scores, labels in _score_blocks(name, estimator, X, y, final):
        check_k(k, scores, owner=f"SCORERS[{name!r}]", remedy=_OTHER_K)
        columns = np.flatnonzero(on_offer(scores))
        candidates = labels[columns]  # the same in every block
        top = best_columns(scores[:, columns], k)
        parts.append((y_true, top))
    y_true, top = _joined(parts)
    return y_true, top, candidates


def _semantic_similarity_at_k(
    name: str,
    estimator: Any,
    X: Any,
    y: Any,
    *,
    label_embedding: Any = None,
    average: str = "macro",
) -> float:
    attributes: tuple[str, ...] = ("classes_", "decision_function")
    if label_embedding is None:
        attributes += ("label_vectors",)
    final = _require(estimator, attributes, name, remedy=_CLASSIFIER)
    y_true, top, offered = _best_columns(name, estimator, X, y, final)
    if label_embedding is None:
        label_embedding = final.label_vectors
    owner = f"SCORERS[{name!r}]"
    return semantic_similarity(y_true, offered[top], label_embedding, average, owner=owner)


def _vectors(name: str, estimator: Any, X: Any, y: Any) -> tuple[Any, Any, Any]:
    """Return true vectors, predicted vectors, and the rows' labels (None when y is vectors)."""
    final, X = final_and_input(estimator, X)
    predicted = raw_label_vectors(final, X)
    if predicted is None:
        check_is_fitted(final)  # "not fitted yet" is the better answer where it is true
        raise TypeError(
            f"SCORERS[{name!r}] needs an estimator that predicts label vectors, which "
            f"{type(final).__name__} does not. {_REGRESSOR}"
        )
    if np.ndim(y) == 2:
        return y, predicted, None
    _require(final, ("label_vectors",), name, remedy=_REGRESSOR)
    labels = check_labels(y, owner=f"SCORERS[{name!r}]", name="y")
    unique, codes = np.unique(labels, return_inverse=True)
    return np.asarray(final.label_vectors(unique))[codes], predicted, labels


def _neg_embedding_mse(name: str, estimator: Any, X: Any, y: Any) -> float:
    y_true, y_pred, _ = _vectors(name, estimator, X, y)
    y_true, y_pred = check_vector_pair(y_true, y_pred, owner=f"SCORERS[{name!r}]")
    return -float(np.mean((y_pred - y_true) ** 2))


def _neg_relative_loss(name: str, estimator: Any, X: Any, y: Any) -> float:
    y_true, y_pred, labels = _vectors(name, estimator, X, y)
    owner = f"SCORERS[{name!r}]"
    return -float(np.mean(losses_by_class(y_true, y_pred, "zero", None, labels, owner=owner)[1]))


_PROBABILITIES = "Score a classifier with predict_proba, such as DeViSEClassifier."
_SETS = "Score a zero-shot classifier with predict_set, such as DeViSEClassifier."


_METRICS: dict[str, Callable[[np.ndarray, Told, str], float]] = {
    "neg_expected_calibration_error": calibration_error_of,
    "neg_class_brier_score": lambda y, told, average: averaged(y, told.squares, average),
    "neg_class_log_loss": lambda y, told, average: averaged(y, told.log_losses, average),
    "neg_risk_coverage_auc": risk_area_of,
}


def _neg_of_probabilities(
    name: str, estimator: Any, X: Any, y: Any, *, average: str = "macro"
) -> float:
    final = _require(estimator, ("classes_", "predict_proba"), name, remedy=_PROBABILITIES)
    owner, parts = name.removeprefix("neg_"), []
    for rows, labels in _row_blocks(X, y, final):
        probabilities = estimator.predict_proba(rows)
        y_true, told = checked_told(labels, probabilities, final.classes_, average, owner=owner)
        parts.append((y_true, *told))
    y_true, *values = _joined(parts)
    return -_METRICS[name](y_true, Told(*values), average)


def _any_of_these(name: str, estimator: Any, X: Any, y: Any, *, average: str = "macro") -> float:
    final = _require(estimator, ("classes_", "predict_any_proba"), name, remedy=_SETS)
    known = [
        final.predict_any_proba(final_and_input(estimator, rows)[1])
        for rows, _ in _row_blocks(X, y, final)
    ]
    return any_of_these_auc(y, np.concatenate(known), labels=final.classes_, average=average)


def _set_coverage(
    name: str, estimator: Any, X: Any, y: Any, *, coverage: float = 0.9, average: str = "macro"
) -> float:
    y_true, is_in, _ = _of_sets(name, estimator, X, y, coverage, average)
    return averaged(y_true, is_in, average)


def _neg_set_size(
    name: str, estimator: Any, X: Any, y: Any, *, coverage: float = 0.9, average: str = "macro"
) -> float:
    y_true, _, sizes = _of_sets(name, estimator, X, y, coverage, average)
    return -averaged(y_true, sizes, average)


def _of_sets(
    name: str, estimator: Any, X: Any, y: Any, coverage: float, average: str
) -> tuple[np.ndarray, ...]:
    """Return true labels, whether the set of labels of each sample holds it, and its size."""
    final = _require(estimator, ("classes_", "predict_set"), name, remedy=_SETS)
    owner, parts = f"SCORERS[{name!r}]", []
    check_option(average, AVERAGES, owner=owner, name="average")
    for rows, labels in _row_blocks(X, y, final):
        sets = final.predict_set(final_and_input(estimator, rows)[1], coverage)
        y_true, held, columns = check_scored(
            labels, sets.astype(np.float64), final.classes_, owner=owner
        )
        parts.append((y_true, Told.of(y_true, held, columns).true > 0, held.sum(axis=1)))
    return _joined(parts)


def needs_probabilities(scoring: Any) -> bool:
    """Tell whether a scorer, or one of several, asks for probabilities or what is made of them."""
    if isinstance(scoring, Scorer):
        return scoring.name in OF_PROBABILITIES
    if isinstance(scoring, str):
        known = scoring in get_scorer_names()
        return scoring in OF_PROBABILITIES or (known and needs_probabilities(get_scorer(scoring)))
    if isinstance(scoring, Mapping):
        return any(map(needs_probabilities, scoring.values()))
    if isinstance(scoring, (list, tuple, set)):
        return any(map(needs_probabilities, scoring))
    return "predict_proba" in str(getattr(scoring, "_response_method", ""))


def named_scorer(scoring: Any, *, owner: str) -> Any:
    """Return the scorer of `SCORERS` for its name; scikit-learn's names, and others, as they are.

    Raises
    ------
    ValueError
        A name that neither has.
    """
    if isinstance(scoring, str) and scoring in SCORERS:
        return SCORERS[scoring]
    if not isinstance(scoring, str) or scoring in get_scorer_names():
        return scoring
    near = get_close_matches(scoring, [*SCORERS, *get_scorer_names()])
    hint = f" Did you mean {' or '.join(map(repr, near))}?" if near else ""
    raise ValueError(
        f"{owner}: scoring={scoring!r} is not a scorer.{hint} zeroshot.metrics.SCORERS has "
        f"{', '.join(SCORERS)}; sklearn.metrics.get_scorer_names() lists scikit-learn's."
    )


SCORERS = {
    name: Scorer(name, function)
    for name, function in {
        "unseen_accuracy": _unseen_accuracy,
        "seen_accuracy": _seen_accuracy,
        "harmonic_mean": _harmonic_mean,
        "ausuc": _ausuc,
        "mean_class_accuracy": _mean_class_accuracy,
        "hit_at_1": _hit_at_k,
        "hit_at_2": _hit_at_k,
        "hit_at_5": _hit_at_k,
        "hit_at_10": _hit_at_k,
        "hit_at_20": _hit_at_k,
        "hierarchical_precision_at_5": _hierarchical_precision_at_k,
        "semantic_similarity_at_3": _semantic_similarity_at_k,
        "neg_embedding_mse": _neg_embedding_mse,
        "neg_relative_loss": _neg_relative_loss,
        "neg_expected_calibration_error": _neg_of_probabilities,
        "neg_class_brier_score": _neg_of_probabilities,
        "neg_class_log_loss": _neg_of_probabilities,
        "neg_risk_coverage_auc": _neg_of_probabilities,
        "any_of_these_auc": _any_of_these,
        "set_coverage": _set_coverage,
        "neg_set_size": _neg_set_size,
    }.items()
}
"""Name to `Scorer`: what ``cross_validate`` and ``GridSearchCV`` take as ``scoring``."""

OF_PROBABILITIES = frozenset([*_METRICS, "any_of_these_auc", "set_coverage", "neg_set_size"])
"""Names of the scorers that read what was learnt from held-out classes."""
