"""Metrics of predicted labels and of score columns."""

from __future__ import annotations

from typing import Any

import numpy as np

from zeroshot._utils._validation import check_labels, check_option, check_same_kind, check_unique
from zeroshot.exceptions import Remedy
from zeroshot.metrics._checks import (
    check_finite,
    check_pair,
    check_same_length,
)

AVERAGES = ("macro", "micro")
SMALLER_K = "Pass k of at most {}, or more candidates."


def mean_class_accuracy(y_true: Any, y_pred: Any) -> float:
    """Average of the top-1 accuracies of the classes: each class counts once.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        True labels, strings or integers. They define the classes.
    y_pred : array-like of shape (n_samples,)
        Predicted labels. One that is not in `y_true` counts as wrong.

    Returns
    -------
    float
        In [0, 1].

    Raises
    ------
    ValueError
        Empty input, different lengths, or strings against integers.

    References
    ----------
    Xian, Lampert, Schiele, Akata, "Zero-Shot Learning: A Comprehensive Evaluation of the Good,
    the Bad and the Ugly", 2018: the average per-class top-1 accuracy of its evaluation protocol.

    Examples
    --------
    One of two cats is right, and the only okapi:

    >>> from zeroshot.metrics import mean_class_accuracy
    >>> mean_class_accuracy(["cat", "cat", "okapi"], ["cat", "dog", "okapi"])
    0.75
    """
    y_true, y_pred = check_pair(y_true, y_pred, owner="mean_class_accuracy")
    return class_mean(y_true, y_true == y_pred)


def averaged(y_true: np.ndarray, values: np.ndarray, average: str) -> float:
    """Average `values` (n_samples,) over the samples ("micro"), or class by class ("macro")."""
    return class_mean(y_true, values) if average == "macro" else float(np.mean(values))


def class_mean(y_true: np.ndarray, values: np.ndarray) -> float:
    """Average `values` (n_samples,) within each class of `y_true`, then over the classes."""
    _, codes, counts = np.unique(y_true, return_inverse=True, return_counts=True)
    return float(np.mean(np.bincount(codes, weights=values) / counts))


def hit_at_k_score(
    y_true: Any, y_score: Any, *, k: int = 5, labels: Any, average: str = "macro"
) -> float:
    """Share of the samples whose true label is among the `k` best-scored ones.

    Unlike ``sklearn.metrics.top_k_accuracy_score``, it accepts any classes in `y_true`, so folds of
    unseen classes give a number, not NaN.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        True labels. One that is not in `labels` is a miss.
    y_score : array-like of shape (n_samples, n_labels), or (n_samples,) for two labels
        Scores, greater is better, columns in the order of `labels`; a 1-D array is the score of
        ``labels[1]`` over that of ``labels[0]``, as ``decision_function`` returns it. Columns with
        only the dtype's lowest number are labels that cannot win (``scenario="unseen"``).
        Ties go to the label that is first in `labels`, as with ``argmax``.
    k : int, default=5
        How many labels count as hits.
    labels : array-like of shape (n_labels,)
        Label of each column, without repeats; ``classes_`` of a classifier.
    average : {"macro", "micro"}, default="macro"
        "macro": mean over the classes in `y_true` of the share within the class; "micro": share
        of all samples.

    Returns
    -------
    float
        In [0, 1].

    Raises
    ------
    ValueError
        `k` is not between 1 and the number of candidate labels, columns and `labels` disagree, or
        `y_score` holds NaN or infinity.

    References
    ----------
    Frome et al., "DeViSE: A Deep Visual-Semantic Embedding Model", 2013 (flat hit@k, which is
    ``average="micro"``).

    Examples
    --------
    >>> from zeroshot.metrics import hit_at_k_score
    >>> y_score = [[0.9, 0.5, 0.1], [0.2, 0.3, 0.1]]
    >>> hit_at_k_score(["dog", "okapi"], y_score, k=2, labels=["cat", "dog", "okapi"])
    0.5
    """
    owner = "hit_at_k_score"
    check_option(average, AVERAGES, owner=owner, name="average")
    y_true, scores, labels = check_scored(y_true, y_score, labels, owner=owner)
    check_k(k, scores, owner=owner)
    return averaged(y_true, label_ranks(y_true, scores, labels) < k, average)


def check_scored(
    y_true: Any, y_score: Any, labels: Any, *, owner: str
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return true labels, scores (n_samples, n_labels) and the labels of their columns.

    Raises
    ------
    ValueError
        The three do not fit together, or the scores hold NaN or infinity.
    """
    y_true = check_labels(y_true, owner=owner, name="y_true")
    labels = check_unique(
        check_labels(labels, owner=owner, name="labels"), owner=owner, name="labels"
    )
    check_same_kind(y_true, labels, owner=owner, names=("y_true", "labels"))
    scores = check_scores(y_score, len(labels), owner=owner)
    check_same_length(y_true, scores, owner=owner, names=("y_true", "y_score"))
    return y_true, scores, labels


def check_scores(
    y_score: Any, n_labels: int, *, owner: str, name: str = "y_score", first_row: int = 0
) -> np.ndarray:
    """Return scores as a finite array (n_samples, n_labels) in their own float dtype.

    `name` is what the message calls them, and `first_row` where they begin among all rows.

    Raises
    ------
    ValueError
        One column a label is not what `y_score` holds.
    """
    numbers = check_finite(y_score, owner=owner, name=name, first_row=first_row)
    scores = np.asarray(y_score)
    if scores.dtype.kind != "f":
        scores = numbers
    if scores.ndim == 1 and n_labels == 2:
        return np.column_stack([np.zeros_like(scores), scores])
    if scores.ndim != 2 or scores.shape[1] != n_labels:
        raise ValueError(
            f"{owner}: {name} has shape {scores.shape} for {n_labels} labels, expected "
            f"(n_samples, {n_labels}). Pass the labels of its columns as labels=, such as the "
            "estimator's classes_."
        )
    return scores


def check_k(k: Any, scores: np.ndarray, *, owner: str, remedy: str = SMALLER_K) -> int:
    """Return `k` if that many columns of `scores` are candidate labels.

    `remedy` says what to do if they are fewer, with a place for their number.

    Raises
    ------
    ValueError
        `k` is not a positive integer, or it is more than the number of candidates.
    """
    if isinstance(k, (bool, np.bool_)) or not isinstance(k, (int, np.integer)) or k < 1:
        raise ValueError(f"{owner}: k must be an integer of at least 1, got {k!r}.")
    n_offered = int(np.sum(on_offer(scores)))
    if k > n_offered:
        raise ValueError(
            f"{owner}: k={k} is more than the {n_offered} candidate labels (of {scores.shape[1]} "
            f"candidates). {remedy.format(n_offered)}"
        )
    return int(k)


def on_offer(scores: np.ndarray) -> np.ndarray:
    """Return which columns, (n_labels,) of bool, may win: not those of the lowest number alone."""
    return (scores > np.finfo(scores.dtype).min).any(axis=0)


def label_ranks(y_true: np.ndarray, scores: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return how many labels stand before the true one; n_labels where it has no column.

    Shapes: `y_true` (n_samples,), `scores` (n_samples, n_labels), `labels` (n_labels,), result
    (n_samples,).
    """
    order = np.argsort(labels, kind="stable")
    position = np.searchsorted(labels, y_true, sorter=order)
    columns = order[np.minimum(position, len(labels) - 1)]
    own = np.take_along_axis(scores, columns[:, None], axis=1)
    tied_before = (scores == own) & (np.arange(len(labels)) < columns[:, None])
    ranks = np.sum((scores > own) | tied_before, axis=1)
    return np.where(labels[columns] == y_true, ranks, len(labels))


def harmonic_mean_score(y_true: Any, y_pred: Any, *, seen_classes: Any) -> float:
    """Harmonic mean of the mean class accuracies on seen and on unseen classes.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        True labels, of seen and of unseen classes.
    y_pred : array-like of shape (n_samples,)
        Labels predicted among all classes.
    seen_classes : array-like of shape (n_seen,)
        Labels that were in training; ``seen_classes_`` of a classifier.

    Returns
    -------
    float
        H = 2 · acc_seen · acc_unseen / (acc_seen + acc_unseen) in [0, 1]; 0 when both are 0.

    Raises
    ------
    ValueError
        `y_true` has no row of a seen class, or none of an unseen class.

    References
    ----------
    Xian, Lampert, Schiele, Akata, "Zero-Shot Learning: A Comprehensive Evaluation of the Good,
    the Bad and the Ugly", 2018: the harmonic mean of its evaluation protocol.

    Examples
    --------
    >>> from zeroshot.metrics import harmonic_mean_score
    >>> harmonic_mean_score(
    ...     ["cat", "cat", "okapi"], ["cat", "dog", "okapi"], seen_classes=["cat", "dog"]
    ... )
    0.6666666666666666
    """
    owner = "harmonic_mean_score"
    y_true, y_pred = check_pair(y_true, y_pred, owner=owner)
    seen_classes = check_seen_classes(seen_classes, y_true, y_pred, owner=owner, name="y_pred")
    is_seen = np.isin(y_true, seen_classes)
    seen = part_accuracy(y_true, y_pred, is_seen, part="seen", owner=owner)
    unseen = part_accuracy(y_true, y_pred, ~is_seen, part="unseen", owner=owner)
    return float(harmonic_mean(seen, unseen))


def harmonic_mean(seen: Any, unseen: Any) -> np.ndarray:
    """Return 2 · seen · unseen / (seen + unseen), element by element; 0 where both are 0."""
    total = np.asarray(seen) + np.asarray(unseen)
    return 2 * np.asarray(seen) * unseen / np.where(total > 0, total, 1)


def check_seen_classes(
    seen_classes: Any, y_true: np.ndarray, others: np.ndarray, *, owner: str, name: str
) -> np.ndarray:
    """Return `seen_classes` as an array of labels that occur in `y_true` or in `others`.

    Raises
    ------
    ValueError
        None of them occurs, or they are of another kind; `name` is what the others are called.
    """
    seen_classes = check_labels(seen_classes, owner=owner, name="seen_classes")
    if not seen_classes.size:
        raise ValueError(
            f"{owner}: seen_classes is empty. Pass the labels that were in training, such as the "
            "estimator's seen_classes_."
        )
    check_same_kind(y_true, seen_classes, owner=owner, names=("y_true", "seen_classes"))
    if not np.isin(seen_classes, np.concatenate([y_true, others])).any():
        raise ValueError(
            f"{owner}: none of the {len(seen_classes)} seen_classes (such as "
            f"{seen_classes[:1].tolist()[0]!r}) stands in y_true or in {name} (such as "
            f"{y_true[:1].tolist()[0]!r}). Pass the labels of training, spelled as there, such "
            "as the estimator's seen_classes_. " + _MISSING_PART["seen"]
        )
    return seen_classes


_MISSING_PART = {
    "seen": Remedy(
        "A split made only of held-out classes has none: pass cv=GeneralizedClassKFold(), which "
        "also holds out samples of seen classes.",
        option="Judge without --unseen, on a folder that has some.",
    ),
    "unseen": Remedy(
        "A split over samples has none: pass cv=GeneralizedClassKFold(), or ClassKFold() where "
        "rows of unseen classes are all that is wanted.",
        option="Judge on a folder that has some, or leave classes out by --exclude of 'zeroshot "
        "fit'.",
    ),
}


def part_accuracy(
    y_true: np.ndarray, y_pred: np.ndarray, mask: np.ndarray, *, part: str, owner: str
) -> float:
    """Mean class accuracy over the rows of `mask`, which are those of the "seen"/"unseen" part.

    Raises
    ------
    ValueError
        There is no such row; names the splitter that gives some.
    """
    check_part(mask, part=part, owner=owner)
    return class_mean(y_true[mask], (y_true == y_pred)[mask])


def check_part(mask: np.ndarray, *, part: str, owner: str) -> None:
    """Raise ValueError, naming the splitter that gives some, if no row is of the part."""
    if not mask.any():
        raise ValueError(f"{owner}: " + missing_part(part, len(mask)))


def missing_part(part: str, n_rows: int) -> str:
    """Return what to say where no row is of a class "seen"/"unseen" in fit."""
    return f"none of the {n_rows} rows is of a class {part} in fit. " + _MISSING_PART[part]
