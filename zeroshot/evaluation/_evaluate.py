"""`evaluate_zero_shot`: all metrics of zero-shot learning for a fitted classifier."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from sklearn.utils import (
    check_consistent_length,
    check_random_state,
    gen_batches,
    indexable,
)
from sklearn.utils.validation import check_is_fitted, column_or_1d

from zeroshot._utils._arrays import best_columns
from zeroshot._utils._pipelines import unwrap
from zeroshot._utils._validation import (
    check_labels,
    check_missing_labels,
    check_number,
    check_option,
    check_same_kind,
    take_rows,
)
from zeroshot.estimators._base import check_share
from zeroshot.evaluation._confidence import Asking
from zeroshot.evaluation._figures import Figures, Task
from zeroshot.evaluation._ranked import (
    HierarchicalPrecision,
    Hits,
    NotApplicableError,
    Ranked,
    SemanticSimilarity,
)
from zeroshot.evaluation._result import ZeroShotEvaluation
from zeroshot.exceptions import UnknownLabelError, message_of
from zeroshot.metrics._classification import AVERAGES, check_scores, on_offer
from zeroshot.metrics._curve import BreakPoints
from zeroshot.model_selection import with_candidates

OWNER = "evaluate_zero_shot"
MAX_ROWS_AT_ONCE, MAX_SCORES_AT_ONCE = 4096, 2**22


def evaluate_zero_shot(
    estimator: Any,
    X: Any,
    y: Any,
    *,
    hit_at: Iterable[int] = (1, 2, 5, 10, 20),
    hierarchical_precision_at: Iterable[int] = (5,),
    semantic_similarity_at: Iterable[int] = (3,),
    label_embedding: Any = None,
    synsets: Mapping[Any, Any] | None = None,
    set_coverage: float = 0.9,
    no_training: Any = None,
    average: str = "macro",
    n_bootstrap: int = 1000,
    level: float = 0.95,
    random_state: Any = None,
) -> ZeroShotEvaluation:
    """Evaluate a fitted zero-shot classifier on samples that it was not trained on.

    Each metric comes with a bootstrap interval over classes, and with the same metric of two
    predictors that do not use images. All numbers are rounded to 12 decimals. Metrics that do not
    apply are left out, and the reason is reported. Samples are scored in blocks of at most 4,096,
    so memory grows by only a few numbers per sample.

    Parameters
    ----------
    estimator : classifier, Pipeline, search object or FrozenEstimator
        Fitted classifier with ``decision_function``, ``classes_`` and ``seen_classes_``.
    X : array-like or list of length n_samples
        Input of `estimator`.
    y : array-like of shape (n_samples,)
        True labels. Samples whose label is not a candidate count as wrong, and ``notes`` report
        them.
    hit_at, hierarchical_precision_at, semantic_similarity_at : iterable of int
        Values of k for hit@k, hierarchical precision@k and semantic similarity@k.
    label_embedding : LabelEmbedding or callable, optional
        Raw vectors for semantic similarity; those of `estimator` if None. To compare classifiers,
        pass the same embedding for all of them.
    synsets : mapping of label to str or Synset, optional
        Wnids or nltk names for hierarchical precision, such as ``class_synsets("cifar100")``. Other
        labels are looked up as class names. Of several senses, the one nearest to the other labels
        is taken, as in `ClassConfusionDisplay`. ``notes`` of the result say how many labels had
        several senses.
    set_coverage : float, default=0.9
        Requested coverage of label sets, above 0 and below 1.
    no_training : classifier, Pipeline or FrozenEstimator, optional
        An additional control: a classifier with ``with_candidates`` that was not trained on images
        of the labels, such as an `OpenLabelClassifier`. It takes the same X, and its metrics are
        shown next to those of `estimator`.
    average : {"macro", "micro"}, default="macro"
        "macro" gives each class the same weight, "micro" each sample. ``mean_class_accuracy``
        always weights by class.
    n_bootstrap : int, default=1000
        Number of bootstrap samples of the classes; 0 for no intervals. Seen and unseen classes are
        drawn separately. A metric over fewer than five classes has no interval, and ``notes`` of
        the result say so.
    level : float, default=0.95
        Coverage of the intervals, between 0 and 1.
    random_state : int, RandomState instance or None, default=None
        Seed of the bootstrap.

    Returns
    -------
    result : ZeroShotEvaluation
        A mapping from names to `Estimate`, which prints as a table.

    Raises
    ------
    TypeError
        `estimator` is not a zero-shot classifier.
    ValueError
        `y` is empty or differs in kind from the labels, lengths differ, a score is NaN or infinite,
        or a parameter is out of range. Also if a given `label_embedding` does not have a vector for
        every label, or `synsets` names a synset that WordNet does not have. If they are not given,
        the metrics that miss them are left out instead.

    References
    ----------
    Xian, Lampert, Schiele, Akata, "Zero-Shot Learning: A Comprehensive Evaluation of the Good, the
    Bad and the Ugly", 2018; Chao et al. 2016 for the curve; Frome et al. 2013 for hit@k and
    hierarchical precision@k.

    Examples
    --------
    No sample of the two unseen classes is correct until the scores of seen classes are reduced:

    >>> import numpy as np
    >>> from zeroshot import AttributeTable, DeViSEClassifier, evaluate_zero_shot
    >>> names = ["bear", "cod", "eel", "lion", "owl", "shark"]
    >>> traits = np.array(
    ...     [[1, 0, 1, 0], [0, 1, 0, 0], [0, 1, 0, 1], [1, 0, 1, 1], [1, 0, 0, 0], [0, 1, 1, 1]]
    ... )
    >>> X, y = np.repeat(traits, 5, axis=0) + np.tile(np.eye(5, 4), (6, 1)) / 2, np.repeat(names, 5)
    >>> model = DeViSEClassifier(AttributeTable(traits, labels=names), loss="mse", candidates=names)
    >>> result = evaluate_zero_shot(model.fit(X[:20], y[:20]), X, y, random_state=0)
    >>> result["unseen_accuracy"].value, result["unseen_accuracy"].best_constant
    (0.0, 0.5)
    >>> round(result["ausuc"].value, 3), result["ausuc"].random_label
    (1.0, 0.0625)
    >>> result.left_out["hit_at_10"]
    'k is more than the 6 candidate labels.'
    """
    check_option(average, AVERAGES, owner=OWNER, name="average")
    random_state = _check_random_state(random_state)
    check_share(set_coverage, owner=OWNER, name="set_coverage")
    check_number(n_bootstrap, owner=OWNER, name="n_bootstrap", at_least=0, integer=True)
    check_share(level, owner=OWNER, name="level")
    wanted = {
        "hit": _check_ks(hit_at, "hit_at"),
        "hierarchical_precision": _check_ks(hierarchical_precision_at, "hierarchical_precision_at"),
        "semantic_similarity": _check_ks(semantic_similarity_at, "semantic_similarity_at"),
    }
    X, y, final = _checked(estimator, X, y)
    columns = np.asarray(final.classes_)
    blocks = _score_blocks(estimator, X, len(y), len(columns))
    first = next(blocks)
    task = Task.of(y, columns, on_offer(first[1]), np.asarray(final.seen_classes_))
    figures = Figures(task, average, n_bootstrap, level, random_state)
    top_1: dict[str, Ranked] = {"mean_class_accuracy": Hits(task.classes, task.labels, 1)}
    given = label_embedding is not None
    if not given:
        label_embedding = getattr(final, "label_vectors", None)
    ranked, figures.left_out = _applicable(wanted, task, label_embedding, synsets, given=given)
    figures.notes = list(dict.fromkeys(figure.note for figure in ranked.values() if figure.note))
    asking = Asking(estimator, final, X, y, task.labels, task.offered, float(set_coverage))
    means, points = _count(itertools.chain([first], blocks), task, top_1 | ranked, asking)
    figures.add_ranked(top_1, means)
    figures.add_parts(means["mean_class_accuracy"], points)
    figures.add_ranked(ranked, means)
    figures.add_confidence(asking, float(set_coverage))
    result = figures.result(type(final).__name__ + getattr(final, "_caveat", ""))
    if no_training is None:
        return result
    return _beside(
        result,
        evaluate_zero_shot(
            _Untrained(no_training, task.labels, final.seen_classes_),
            X,
            y,
            hit_at=wanted["hit"],
            hierarchical_precision_at=wanted["hierarchical_precision"],
            semantic_similarity_at=wanted["semantic_similarity"],
            label_embedding=label_embedding,
            synsets=synsets,
            average=average,
            n_bootstrap=0,
        ),
    )


class _Untrained:
    """Classifier evaluated on the task of another one: same candidates, same seen classes."""

    def __init__(self, classifier: Any, labels: np.ndarray, seen_classes: np.ndarray) -> None:
        self._view = with_candidates(classifier, labels)
        self.classes_ = unwrap(self._view).classes_
        self.seen_classes_ = seen_classes

    def decision_function(self, X: Any) -> np.ndarray:
        """Return the scores of the labels."""
        return self._view.decision_function(X)


def _beside(result: ZeroShotEvaluation, control: ZeroShotEvaluation) -> ZeroShotEvaluation:
    """Return the result with the metrics of the control added."""
    estimates = {
        name: replace(estimate, no_training=control[name].value if name in control else None)
        for name, estimate in result.estimates.items()
    }
    return replace(result, estimates=estimates)


def _check_random_state(random_state: Any) -> np.random.RandomState:
    try:
        return check_random_state(random_state)
    except ValueError as error:
        raise ValueError(
            f"{OWNER}: random_state must be an integer of 0 to 2**32 - 1, a RandomState or None, "
            f"got {random_state!r}."
        ) from error


def _check_ks(ks: Any, name: str) -> list[int]:
    if not np.iterable(ks):
        raise TypeError(f"{OWNER}: {name} must be a list of k, got {ks!r}. Write ({ks!r},).")
    ks = list(ks)
    for k in ks:
        check_number(k, owner=OWNER, name=f"each k of {name}", at_least=1, integer=True)
    return [int(k) for k in ks]


def _checked(estimator: Any, X: Any, y: Any) -> tuple[Any, np.ndarray, Any]:
    final = unwrap(estimator)
    wanted = ("decision_function", "classes_", "seen_classes_")
    missing = [name for name in wanted if not hasattr(final, name)]
    if isinstance(estimator, type) or (missing and not hasattr(final, "fit")):
        raise TypeError(
            f"{OWNER}: estimator must be a zero-shot classifier, got {estimator!r}. Pass an object "
            "such as DeViSEClassifier(WordVectors()), fitted."
        )
    if missing:
        check_is_fitted(final)  # "not fitted yet" is the clearer message if it applies
        raise TypeError(
            f"{OWNER}: estimator must be a zero-shot classifier, and {type(final).__name__} has no "
            f"{' and no '.join(missing)}. Pass one such as DeViSEClassifier, fitted."
        )
    if X is None or isinstance(X, str) or not hasattr(X, "__len__"):
        raise TypeError(
            f"{OWNER}: X must hold one row or image a sample, got {X!r}. Pass the input of the "
            "estimator's predict."
        )
    if y is None:
        raise TypeError(f"{OWNER}: y is None. Pass the true label of each row of X.")
    if not isinstance(y, str):
        y = column_or_1d(check_missing_labels(y, owner=OWNER))
    y = check_labels(y, owner=OWNER, name="y")
    (X,) = indexable(X)
    check_consistent_length(X, y)
    if not len(y):
        raise ValueError(f"{OWNER}: y is empty. Pass at least one sample.")
    check_same_kind(y, np.asarray(final.classes_), owner=OWNER, names=("y", "classes_"))
    return X, y, final


def _applicable(
    wanted: Mapping[str, list[int]],
    task: Task,
    embed: Any,
    synsets: Mapping[Any, Any] | None,
    *,
    given: bool,
) -> tuple[dict[str, Ranked], dict[str, str]]:
    """Return the available metrics of the k best labels, and why others are unavailable, by name.

    Vectors that were `given` must cover all labels. Otherwise a table would lack the metric
    silently.
    """
    classes, labels = task.classes, task.labels
    builders: dict[str, Callable[[int], Ranked]] = {
        "hit": lambda k: Hits(classes, labels, k),
        "hierarchical_precision": lambda k: HierarchicalPrecision(
            classes, labels, k, synsets, owner=OWNER
        ),
        "semantic_similarity": lambda k: SemanticSimilarity(embed, classes, labels, k, owner=OWNER),
    }
    found, left_out = {}, {}
    for family, k in ((family, k) for family, ks in wanted.items() for k in ks):
        name = f"{family}_at_{k}"
        if k > len(labels):
            left_out[name] = f"k is more than the {len(labels)} candidate labels."
            continue
        try:
            found[name] = builders[family](k)
        except NotApplicableError as reason:
            if given and family == "semantic_similarity":
                raise ValueError(f"{OWNER}: of label_embedding, {reason}") from reason
            left_out[name] = message_of(reason)
        except UnknownLabelError as error:
            if given and family == "semantic_similarity":
                raise error.replace(owner=f"{OWNER}: label_embedding ({error.owner})") from error
            names = ", ".join(map(repr, error.labels[:5]))  # its own message names every label
            left_out[name] = (
                f"{len(error.labels)} of {error.n_labels} labels have no {error.what} (such as "
                f"{names}). " + error.remedy
            )
    return found, left_out


def _score_blocks(
    estimator: Any, X: Any, n_samples: int, n_columns: int
) -> Iterator[tuple[slice, np.ndarray]]:
    """Yield some rows and their scores, (n_rows, n_columns), until all are done."""
    n_rows = int(np.clip(MAX_SCORES_AT_ONCE // n_columns, 1, MAX_ROWS_AT_ONCE))
    for rows in gen_batches(n_samples, n_rows):
        scores = estimator.decision_function(take_rows(X, rows))
        name = "decision_function(X)"
        yield (
            rows,
            check_scores(scores, n_columns, owner=OWNER, name=name, first_row=rows.start),
        )


def _count(
    blocks: Iterable[tuple[slice, np.ndarray]],
    task: Task,
    ranked: Mapping[str, Ranked],
    asking: Asking,
) -> tuple[dict[str, np.ndarray], BreakPoints | None]:
    """Return class means of the metrics, and the break points if there are both parts."""
    k_max = max(figure.k for figure in ranked.values())
    sums = {name: np.zeros(len(task.classes)) for name in ranked}
    points = []
    for rows, columns in blocks:
        asking.add(rows, columns)
        scores, codes = columns[:, task.offered], task.codes[rows]
        top = best_columns(scores, k_max)
        for name, figure in ranked.items():
            sums[name] += np.bincount(
                codes, weights=figure.worth(codes, top), minlength=len(task.classes)
            )
        if task.lacks_both is None:
            points.append(
                BreakPoints.of(task.y[rows], scores, task.labels, task.seen_labels, owner=OWNER)
            )
    means = {name: values / task.counts for name, values in sums.items()}
    return means, BreakPoints.joined(points) if points else None
