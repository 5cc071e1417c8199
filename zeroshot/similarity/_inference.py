"""Visual similarity: how well each source output detects each target class."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import check_consistent_length
from sklearn.utils.validation import check_is_fitted

from zeroshot._linear import class_sums
from zeroshot._utils._constraints import Number, OneOf, ParametersMixin
from zeroshot._utils._doc_links import DocLinkMixin
from zeroshot._utils._fitted import Array, Labels
from zeroshot._utils._saving import SavedEstimator
from zeroshot._utils._validation import check_labels, check_missing_labels

_BLOCK = 4096  # number of images whose probabilities are in memory at once


class InferenceSimilarity(DocLinkMixin, SavedEstimator, ParametersMixin, BaseEstimator):
    r"""F-score of each output of a source network as a detector of each target class.

    The images of the target classes go through the source network. For a target class i and a
    source output j,

    .. math::

        P_{ij} = \frac{n_{ij}}{\sum_k n_{kj}}, \qquad R_{ij} = \frac{n_{ij}}{n_i}, \qquad
        \mathrm{sim}(i, j) = \frac{2 P_{ij} R_{ij}}{P_{ij} + R_{ij}}
        = \frac{2 n_{ij}}{n_i + \sum_k n_{kj}},

    where :math:`n_i` is the number of images of class i, and :math:`n_{ij}` is the number of these
    that the network classifies as j. ``kind="hard"`` counts an image for the output with the
    highest logit, as published. ``kind="soft"`` distributes each image over the outputs by its
    class probabilities, so that :math:`n_{ij}` is the sum of :math:`p(j | x)` over the images of i.
    Each image then contributes to all outputs instead of one.

    Only these sums are stored, so images can come in batches, in any order.

    Parameters
    ----------
    kind : {"hard", "soft"}, default="hard"
        Whether an image counts for its best output only, or for all outputs by their probabilities.
    temperature : float, default=4.0
        Divisor of the logits before the softmax; higher is softer. Used only with ``kind="soft"``.
        4 is the best of 1, 2, 3, 4, 6 and 8 with 2, 5 and 20 training images per class of Tiny
        ImageNet, as ``studies/transfer_constants.py`` measures.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The sorted target classes seen so far.
    hits_ : ndarray of shape (n_classes, n_sources)
        :math:`n_{ij}`.
    class_sizes_ : ndarray of shape (n_classes,)
        :math:`n_i`.

    See Also
    --------
    zeroshot.SimilarityInitializer : Fits this similarity on the logits of a source head.

    References
    ----------
    A. Pascal, M. Bost and B. Huet, "Semantic and Visual Similarities for Efficient Knowledge
    Transfer in CNN Training", CBMI 2019, which defines the hard F-score.

    Examples
    --------
    >>> from zeroshot.similarity import InferenceSimilarity
    >>> logits = [[4.0, 0.0, 0.0], [3.0, 0.0, 0.0], [0.0, 3.0, 0.0], [0.0, 4.0, 0.0]]
    >>> labels = ["lion", "lion", "lion", "wolf"]
    >>> similarity = InferenceSimilarity().fit(logits, labels)
    >>> similarity.matrix(["lion", "wolf"], ["cat", "dog", "owl"]).round(2).tolist()
    [[0.8, 0.4, 0.0], [0.0, 0.67, 0.0]]
    """

    _constraints: ClassVar[Mapping[str, Any]] = {
        "kind": OneOf("hard", "soft"),
        "temperature": Number(above=0),
    }
    _fitted: ClassVar[Mapping[str, Any]] = {
        "classes_": Labels("n_classes", least=1),
        "hits_": Array("n_classes", "n_sources", least=0),
        "class_sizes_": Array("n_classes", kind="i", least=0, most=2**63),
    }

    def __init__(self, kind: str = "hard", *, temperature: float = 4.0) -> None:
        self.kind = kind
        self.temperature = temperature

    def fit(self, logits: Any, y: Any) -> Self:
        """Count the images of the target classes, and forget those of earlier calls.

        Parameters
        ----------
        logits : array-like of shape (n_samples, n_sources)
            What the source network gives, before its softmax.
        y : array-like of shape (n_samples,)
            Target labels: all strings, or all integers.

        Returns
        -------
        self : object
            The fitted similarity.

        Raises
        ------
        ValueError
            `logits` is not 2-D, not finite, or empty; or the lengths of `logits` and `y` differ.
        """
        self._check_parameters()
        for name in ("classes_", "hits_", "class_sizes_"):
            if hasattr(self, name):
                delattr(self, name)
        return self.partial_fit(logits, y)

    def partial_fit(self, logits: Any, y: Any) -> Self:
        """Count further images; classes may be new.

        Parameters
        ----------
        logits : array-like of shape (n_samples, n_sources)
            What the source network gives, before its softmax.
        y : array-like of shape (n_samples,)
            Target labels: all strings, or all integers.

        Returns
        -------
        self : object
            The fitted similarity.

        Raises
        ------
        ValueError
            As for `fit`; or the number of outputs or the type of labels differs from earlier calls.
        """
        self._check_parameters()
        owner = type(self).__name__
        logits = _check_logits(logits, owner=owner)
        y = check_labels(check_missing_labels(y, owner=owner), owner=owner, name="y")
        check_consistent_length(logits, y)
        self._grow(np.unique(y), logits.shape[1])
        positions = np.searchsorted(self.classes_, y)
        for start in range(0, len(logits), _BLOCK):
            block = slice(start, start + _BLOCK)
            shares = memberships(logits[block], self.kind, self.temperature)
            self.hits_ += class_sums(shares, positions[block], len(self.classes_))
        self.class_sizes_ += np.bincount(positions, minlength=len(self.classes_))
        return self

    def matrix(self, targets: Any, sources: Any) -> np.ndarray:
        """Return the F-score of each source output for each target class.

        Parameters
        ----------
        targets : array-like of shape (n_targets,)
            Labels that had images in ``fit``.
        sources : array-like of shape (n_sources,)
            Labels of the outputs, in order. Only their number matters.

        Returns
        -------
        ndarray of shape (n_targets, n_sources)
            Between 0 and 1.

        Raises
        ------
        ValueError
            A target has no image, or the number of sources differs from the number of outputs.
        """
        check_is_fitted(self)
        owner = type(self).__name__
        targets = check_labels(targets, owner=owner, name="targets")
        n_sources = len(check_labels(sources, owner=owner, name="sources"))
        if n_sources != self.hits_.shape[1]:
            raise ValueError(
                f"{owner}: sources names {n_sources} classes, but the logits had "
                f"{self.hits_.shape[1]} columns. Pass one name for each column."
            )
        known = np.isin(targets, self.classes_)
        if not known.all():
            missing = targets[~known].tolist()
            raise ValueError(
                f"{owner}: {len(missing)} of {len(targets)} target classes have no image "
                f"({', '.join(map(repr, missing[:10]))}). Pass logits of images of each, or use a "
                "similarity of names, such as WordNetSimilarity(), which needs none."
            )
        return f_scores(self.hits_, self.class_sizes_)[np.searchsorted(self.classes_, targets)]

    def _grow(self, labels: np.ndarray, n_sources: int) -> None:
        """Add rows for the new classes among the sorted `labels`."""
        owner = type(self).__name__
        if not hasattr(self, "classes_"):
            self.classes_ = labels
            self.hits_ = np.zeros((len(labels), n_sources))
            self.class_sizes_ = np.zeros(len(labels), dtype=np.int64)
            return
        if n_sources != self.hits_.shape[1]:
            raise ValueError(
                f"{owner}: logits have {n_sources} columns, and those before had "
                f"{self.hits_.shape[1]}. Pass logits of one network, or call fit to start again."
            )
        if (labels.dtype.kind == "U") != (self.classes_.dtype.kind == "U"):
            raise ValueError(
                f"{owner}: y holds labels such as {labels[0]!r}, and those before were such as "
                f"{self.classes_[0]!r}. Convert one to the type of the other."
            )
        classes = np.union1d(self.classes_, labels)
        rows = np.searchsorted(classes, self.classes_)
        hits, sizes = self.hits_, self.class_sizes_
        self.classes_ = classes
        self.hits_ = np.zeros((len(classes), n_sources))
        self.class_sizes_ = np.zeros(len(classes), dtype=np.int64)
        self.hits_[rows], self.class_sizes_[rows] = hits, sizes


def memberships(logits: np.ndarray, kind: str, temperature: float) -> np.ndarray:
    """Return the share of each image per output: (n_samples, n_sources), rows sum to one."""
    logits = logits.astype(np.float64, copy=False)
    if kind == "hard":
        shares = np.zeros_like(logits)
        shares[np.arange(len(logits)), logits.argmax(axis=1)] = 1
        return shares
    shares = (logits - logits.max(axis=1, keepdims=True)) / temperature
    np.exp(shares, out=shares)
    return np.divide(shares, shares.sum(axis=1, keepdims=True), out=shares)


def f_scores(hits: np.ndarray, class_sizes: np.ndarray) -> np.ndarray:
    r"""Return :math:`2 n_{ij} / (n_i + \sum_k n_{kj})`; zero for an output without images."""
    return 2 * hits / (class_sizes[:, None] + hits.sum(axis=0))


def _check_logits(logits: Any, *, owner: str) -> np.ndarray:
    logits = np.asarray(logits)
    if logits.ndim != 2 or logits.dtype.kind not in "fiu" or 0 in logits.shape:
        raise ValueError(
            f"{owner}: logits must be numbers of shape (n_samples, n_sources), at least one of "
            f"each, got {logits.dtype} of shape {logits.shape}."
        )
    bad = ~np.isfinite(logits).all(axis=1)
    if bad.any():
        raise ValueError(
            f"{owner}: logits hold NaN or infinity in {int(bad.sum())} of {len(logits)} rows, the "
            f"first being row {int(bad.argmax())}. Leave out images that could not be read."
        )
    return logits
