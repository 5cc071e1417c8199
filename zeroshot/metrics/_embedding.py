"""Metrics in the raw space of label vectors, without centring or scaling."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from zeroshot._utils._arrays import unit_rows
from zeroshot._utils._validation import check_labels, check_option, check_same_kind
from zeroshot.metrics._checks import (
    check_finite,
    check_same_length,
    check_vectors,
)
from zeroshot.metrics._classification import AVERAGES, averaged


def semantic_similarity_score(
    y_true: Any, y_top: Any, label_embedding: Any, *, average: str = "macro"
) -> float:
    """Mean cosine between the true label's vector and those of the predicted labels.

    The cosine is taken on raw vectors, as published, and is not on an absolute scale: print it
    beside random label pairs and the best constant answer over the same vectors.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        True labels.
    y_top : array-like of shape (n_samples, k)
        The `k` labels predicted for each sample, from any vocabulary that the vectors cover.
    label_embedding : LabelEmbedding, or callable
        Anything with ``embed(labels) -> (n_labels, n_dims)``, or such a function itself, as
        ``label_vectors`` of a fitted estimator.
    average : {"macro", "micro"}, default="macro"
        "macro": mean over the classes in `y_true`; "micro": mean over all samples, as published.

    Returns
    -------
    float
        In [-1, 1].

    Raises
    ------
    TypeError
        `label_embedding` neither embeds nor is callable.
    ValueError
        `y_top` is not 2-D, lengths differ, a label's vector is zero, or `label_embedding` does not
        return one vector per label.

    References
    ----------
    Nishimura, Yu, Hellmers, Desai, "A Combined Deep Learning and Semantic Embedding Model",
    which takes k = 3 (with ``average="micro"``).

    Examples
    --------
    >>> import numpy as np
    >>> from zeroshot.metrics import semantic_similarity_score
    >>> vectors = {"cat": [1.0, 0.0], "dog": [1.0, 0.0], "car": [0.0, 1.0]}
    >>> def embed(labels):
    ...     return np.array([vectors[label] for label in labels])
    >>> semantic_similarity_score(["cat"], [["dog", "car"]], embed)
    0.5
    """
    owner = "semantic_similarity_score"
    return semantic_similarity(y_true, y_top, label_embedding, average, owner=owner)


def semantic_similarity(
    y_true: Any, y_top: Any, label_embedding: Any, average: str, *, owner: str
) -> float:
    """Return what `semantic_similarity_score` does; `owner` is who asks, for the messages."""
    check_option(average, AVERAGES, owner=owner, name="average")
    y_true = check_labels(y_true, owner=owner, name="y_true")
    top = _check_top(y_top, owner=owner)
    check_same_length(y_true, top, owner=owner, names=("y_true", "y_top"))
    check_same_kind(y_true, top, owner=owner, names=("y_true", "y_top"))
    labels, codes = np.unique(np.concatenate([y_true, top.ravel()]), return_inverse=True)
    vectors, zero = unit_vectors(embed_function(label_embedding, owner), labels, owner=owner)
    if zero:
        raise ValueError(
            f"{owner}: label_embedding gives {', '.join(map(repr, zero))} a zero vector, which "
            "has no cosine to others. Give these labels vectors, or leave their rows out."
        )
    true_vectors = vectors[codes[: len(y_true)]]
    top_codes = codes[len(y_true) :].reshape(top.shape)
    # One column at a time: n_samples x k x n_dims at once may not fit in memory.
    columns = [np.einsum("nd,nd->n", true_vectors, vectors[column]) for column in top_codes.T]
    return averaged(y_true, np.mean(columns, axis=0), average)


def _check_top(y_top: Any, *, owner: str) -> np.ndarray:
    rows = None
    if hasattr(y_top, "__array__"):
        rows = np.asarray(y_top)
    elif isinstance(y_top, Iterable) and not isinstance(y_top, (str, bytes)):
        rows = np.asarray(list(y_top), dtype=object)
    if rows is None or rows.ndim != 2 or rows.shape[1] == 0:
        got = repr(y_top) if rows is None else f"shape {rows.shape}"
        raise ValueError(
            f"{owner}: y_top must be 2-D, one row of k labels a sample, got {got}. "
            "Pass the labels of predict_top_k(X, k), or reshape(-1, 1) for the single best label."
        )
    return check_labels(rows.ravel(), owner=owner, name="y_top").reshape(rows.shape)


def embed_function(label_embedding: Any, owner: str) -> Callable[[np.ndarray], np.ndarray]:
    """Return the function from labels to vectors that `label_embedding` has, or is.

    Raises
    ------
    TypeError
        It neither embeds nor is callable.
    """
    embed = getattr(label_embedding, "embed", label_embedding)
    if not callable(embed):
        raise TypeError(
            f"{owner}: label_embedding must be a LabelEmbedding or a function from labels to "
            f"vectors, got {label_embedding!r}. Pass WordVectors(), or estimator.label_vectors."
        )
    return embed


def unit_vectors(
    embed: Callable[[np.ndarray], Any], labels: np.ndarray, *, owner: str
) -> tuple[np.ndarray, list]:
    """Return the vectors of labels at unit length, and the labels whose vectors are zero.

    Raises
    ------
    ValueError
        `embed` does not give one finite vector per label.
    """
    vectors = check_vectors(embed(labels), owner=owner, name="vectors of label_embedding")
    if len(vectors) != len(labels):
        raise ValueError(
            f"{owner}: label_embedding gave {len(vectors)} vectors for {len(labels)} labels. It "
            "must give one vector per label, in the order of the labels."
        )
    unit = unit_rows(vectors)
    return unit, labels[~unit.any(axis=1)].tolist()


def embedding_mse(y_true: Any, y_pred: Any) -> float:
    """Mean squared error of predicted vectors, over all samples and dimensions.

    Parameters
    ----------
    y_true : array-like of shape (n_samples, n_dims)
        Each sample's label vector, raw.
    y_pred : array-like of shape (n_samples, n_dims)
        Predicted vectors, in the same space.

    Returns
    -------
    float
        At least 0, in squared units of the label space.

    Raises
    ------
    ValueError
        Shapes differ, or NaN or infinity.

    Examples
    --------
    >>> from zeroshot.metrics import embedding_mse
    >>> embedding_mse([[1.0, 0.0], [0.0, 1.0]], [[1.0, 0.0], [0.0, 3.0]])
    1.0
    """
    y_true, y_pred = check_vector_pair(y_true, y_pred, owner="embedding_mse")
    return float(np.mean((y_pred - y_true) ** 2))


def relative_loss(
    y_true: Any,
    y_pred: Any,
    *,
    reference: Any = "zero",
    seen_vectors: Any = None,
    labels: Any = None,
) -> float:
    """Change of a class's loss against a reference prediction, averaged over classes.

    For each class c with label vector s_c: MSE(prediction, s_c) / MSE(reference, s_c) - 1. With
    ``reference="zero"``, a model that has learnt only the scale of label vectors is already well
    below 0. So report ``reference="mean"`` beside it: there, 0 is a model that always predicts the
    mean vector of the training classes.

    Parameters
    ----------
    y_true : array-like of shape (n_samples, n_dims)
        Each sample's label vector s_c, raw: not centred, not of unit length.
    y_pred : array-like of shape (n_samples, n_dims)
        Predicted vectors, in the same space.
    reference : {"zero", "mean"} or array-like of shape (n_dims,) or (n_samples, n_dims), \
default="zero"
        The prediction to compare with: zero (a model whose weights are zero), the mean of
        `seen_vectors`, or vectors of your own, such as an untrained network's predictions.
    seen_vectors : array-like of shape (n_seen, n_dims), optional
        Vectors of the training classes, one row per class; needed by ``reference="mean"``.
    labels : array-like of shape (n_samples,), optional
        Class of each row. Without it the classes are the distinct rows of `y_true`.

    Returns
    -------
    float
        At least -1 (perfect); 0 is as good as the reference. Over leave-one-class-out folds,
        take the median.

    Raises
    ------
    ValueError
        Shapes differ, ``reference="mean"`` without `seen_vectors`, an unknown `reference`, or a
        class whose reference loss is 0.

    See Also
    --------
    class_relative_losses : The same, class by class.

    References
    ----------
    Baughman, Foster, Chard, "Embeddings are All You Need", 2021: the excluded class's MSE after
    training over the one before.

    Examples
    --------
    >>> from zeroshot.metrics import relative_loss
    >>> y_true = [[3.0, 4.0], [3.0, 4.0]]
    >>> y_pred = [[3.0, 3.0], [2.0, 4.0]]
    >>> round(relative_loss(y_true, y_pred), 3)
    -0.96
    >>> relative_loss(y_true, y_pred, reference="mean", seen_vectors=[[2.0, 2.0], [4.0, 4.0]])
    0.0
    """
    _, losses = losses_by_class(
        y_true, y_pred, reference, seen_vectors, labels, owner="relative_loss"
    )
    return float(np.mean(losses))


def class_relative_losses(
    y_true: Any,
    y_pred: Any,
    *,
    labels: Any,
    reference: Any = "zero",
    seen_vectors: Any = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Relative loss of each class, for medians and counts over classes.

    Parameters
    ----------
    y_true, y_pred, reference, seen_vectors
        As in `relative_loss`.
    labels : array-like of shape (n_samples,)
        Class of each row.

    Returns
    -------
    classes : ndarray of shape (n_classes,)
        The sorted classes in `labels`.
    losses : ndarray of shape (n_classes,)
        Their relative losses, at least -1 each.

    Raises
    ------
    ValueError
        As in `relative_loss`.

    Examples
    --------
    >>> from zeroshot.metrics import class_relative_losses
    >>> class_relative_losses([[1.0], [2.0]], [[1.0], [4.0]], labels=["cat", "dog"])
    (array(['cat', 'dog'], dtype='<U3'), array([-1.,  0.]))
    """
    if labels is None:
        raise ValueError(
            "class_relative_losses: labels is None. Pass the class of each row, or call "
            "relative_loss, which tells classes by their vectors."
        )
    return losses_by_class(
        y_true, y_pred, reference, seen_vectors, labels, owner="class_relative_losses"
    )


def losses_by_class(
    y_true: Any, y_pred: Any, reference: Any, seen_vectors: Any, labels: Any, *, owner: str
) -> tuple[np.ndarray, np.ndarray]:
    """Return classes and their losses, as `class_relative_losses` does."""
    y_true, y_pred = check_vector_pair(y_true, y_pred, owner=owner)
    baseline = _reference_vectors(reference, seen_vectors, y_true.shape, owner=owner)
    if labels is None:
        classes, codes = np.unique(y_true, axis=0, return_inverse=True)
        codes = codes.ravel()  # numpy 2.0 alone gives a column here
    else:
        labels = check_labels(labels, owner=owner, name="labels")
        check_same_length(y_true, labels, owner=owner, names=("y_true", "labels"))
        classes, codes = np.unique(labels, return_inverse=True)
    loss = np.bincount(codes, weights=np.mean((y_pred - y_true) ** 2, axis=1))
    reference_loss = np.bincount(codes, weights=np.mean((baseline - y_true) ** 2, axis=1))
    if np.any(reference_loss == 0):
        first = classes[np.flatnonzero(reference_loss == 0)[0]]
        raise ValueError(
            f"{owner}: the reference prediction of class {first.tolist()!r} is exact (loss 0), so "
            "that nothing can be relative to it. Pass another reference, or leave the class out."
        )
    return classes, loss / reference_loss - 1


def _reference_vectors(
    reference: Any, seen_vectors: Any, shape: tuple[int, int], *, owner: str
) -> np.ndarray:
    if isinstance(reference, str):
        if reference == "zero":
            return np.zeros(shape[1])
        if reference == "mean":
            if seen_vectors is None:
                raise ValueError(
                    f"{owner}: reference='mean' needs seen_vectors. Pass the vectors of the "
                    "training classes, such as estimator.label_vectors(estimator.seen_classes_)."
                )
            return check_vectors(
                seen_vectors, owner=owner, name="seen_vectors", width=shape[1]
            ).mean(axis=0)
        raise ValueError(
            f"{owner}: reference must be 'zero', 'mean' or an array, got {reference!r}."
        )
    baseline = check_finite(reference, owner=owner, name="reference")
    if baseline.shape not in (shape, shape[1:]):
        raise ValueError(
            f"{owner}: reference has shape {baseline.shape}, expected {shape[1:]} (one vector) or "
            f"{shape} (one a sample). Pass 'zero', 'mean', or such an array."
        )
    return baseline


def check_vector_pair(y_true: Any, y_pred: Any, *, owner: str) -> tuple[np.ndarray, np.ndarray]:
    """Return true and predicted vectors as finite arrays of one shape, or raise ValueError."""
    y_true = check_vectors(y_true, owner=owner, name="y_true")
    y_pred = check_vectors(y_pred, owner=owner, name="y_pred", width=y_true.shape[1])
    check_same_length(y_true, y_pred, owner=owner, names=("y_true", "y_pred"))
    return y_true, y_pred
