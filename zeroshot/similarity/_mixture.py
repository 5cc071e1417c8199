"""Mixture of several similarities."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from sklearn.base import BaseEstimator

from zeroshot._utils._constraints import Checked, OneOf, ParametersMixin, check_inner
from zeroshot._utils._doc_links import DocLinkMixin
from zeroshot._utils._saving import SavedEstimator
from zeroshot._utils._validation import check_number
from zeroshot.similarity._base import as_similarity_matrix, sized

SCALES = ("sum", "max", "zscore", "none")


def check_pairs(similarities: Any, *, owner: str, name: str) -> None:
    """Raise unless `similarities` are pairs of a similarity and its weight.

    Raises
    ------
    TypeError, ValueError
        They are not pairs, or the sum of the weights is not positive.
    """
    once = isinstance(similarities, Iterator)
    try:
        pairs = [] if once else [(similarity, weight) for similarity, weight in similarities]
    except (TypeError, ValueError):
        pairs = []
    if not pairs and (once or not isinstance(similarities, Sequence) or len(similarities)):
        raise TypeError(
            f"{owner}: {name} must be pairs of a similarity and its weight, got "
            f"{similarities!r}. Pass [(WordNetSimilarity(), 1), (WordVectorSimilarity(vectors), "
            "1)]."
        )
    for similarity, weight in pairs:
        check_number(weight, owner=owner, name="a weight", at_least=0)
        check_inner(similarity)
    if not sum(weight for _, weight in pairs) > 0:
        raise ValueError(
            f"{owner}: the weights must have a positive sum, got "
            f"{[weight for _, weight in pairs]}. Give a similarity a weight above 0."
        )


class MixtureSimilarity(DocLinkMixin, SavedEstimator, ParametersMixin, BaseEstimator):
    r"""Weighted mean of similarities, :math:`\sum_m w_m S_m / \sum_m w_m`.

    Parameters
    ----------
    similarities : sequence of (similarity, weight)
        Each similarity is an object with ``matrix(targets, sources)`` or a precomputed matrix;
        each weight is 0 or more, and at least one is positive. The weights need not sum to 1.
    scale : {"sum", "max", "zscore", "none"}, default="sum"
        How each target's similarities are scaled before they are mixed. Measures differ in range,
        and without scaling the one with the widest range would dominate. ``"sum"`` divides by the
        sum, and so mixes the weights of the convex combinations that each similarity would give
        alone. ``"max"`` divides by the maximum. ``"zscore"`` subtracts the mean over the sources
        and divides by the standard deviation. Each similarity then counts by how clearly it
        separates some sources from the others. Half of the result is negative.
        `SimilarityClassifier` uses negative values as they are; convex combinations count them as
        0.

    Notes
    -----
    Negative similarities count as 0. If a similarity is 0 for all sources of a target, only the
    other similarities count for this target.

    Examples
    --------
    >>> from zeroshot.similarity import MixtureSimilarity
    >>> mixture = MixtureSimilarity([([[1.0, 3.0]], 1), ([[1.0, 0.0]], 3)])
    >>> mixture.matrix(["lion"], ["cat", "dog"])
    array([[0.8125, 0.1875]])
    """

    _constraints: ClassVar[Mapping[str, Any]] = {
        "similarities": Checked(check_pairs),
        "scale": OneOf(*SCALES),
    }

    def __init__(self, similarities: Sequence[tuple[Any, float]], *, scale: str = "sum") -> None:
        self.similarities = similarities
        self.scale = scale

    def matrix(self, targets: Any, sources: Any) -> np.ndarray:
        """Return the mixed similarity of each target to each source.

        Parameters
        ----------
        targets : array-like of shape (n_targets,)
            Targets that each similarity accepts.
        sources : array-like of shape (n_sources,)
            Sources that each similarity accepts.

        Returns
        -------
        ndarray of float64 of shape (n_targets, n_sources)
            0 or more, except with ``scale="zscore"``.

        Raises
        ------
        ValueError
            There is nothing to mix, a weight is negative, or a matrix has the wrong shape.
        TypeError
            `similarities` are not pairs.
        """
        self._check_parameters()
        pairs = self.similarities
        targets = sized(targets, owner="MixtureSimilarity", name="targets")
        sources = sized(sources, owner="MixtureSimilarity", name="sources")
        total = sum(weight for _, weight in pairs)
        mixed = None
        for similarity, weight in pairs:
            part = as_similarity_matrix(similarity, targets, sources, owner="MixtureSimilarity")
            part = weight / total * _scaled(part, self.scale)
            mixed = part if mixed is None else mixed + part
        return np.asarray(mixed)


def standardized(matrix: np.ndarray) -> np.ndarray:
    """Return rows with mean 0 and standard deviation 1; a row of equal numbers gives zeros.

    Examples
    --------
    >>> from zeroshot.similarity._mixture import standardized
    >>> standardized([[1.0, 3.0], [0.1, 0.1]])
    array([[-1.,  1.],
           [ 0.,  0.]])
    """
    rows = np.asarray(matrix, dtype=np.float64)
    # Divide by the maximum first: 1e300, a value of "jcn", must not overflow in the squares.
    largest = np.abs(rows).max(axis=1, keepdims=True)
    rows = np.divide(rows, largest, out=np.zeros_like(rows), where=largest > 0)
    rows -= rows.mean(axis=1, keepdims=True)
    spread = np.sqrt(np.square(rows).mean(axis=1, keepdims=True))
    equal = spread <= 1e-12  # except for rounding
    return np.where(equal, 0.0, rows / np.where(equal, 1.0, spread))


def _scaled(matrix: np.ndarray, scale: str) -> np.ndarray:
    if scale == "none" or matrix.shape[1] == 0:
        return matrix
    if scale == "zscore":
        return standardized(matrix)
    # Divide by the maximum first: 1e300, a value of "jcn", must not overflow in the sum.
    for size in (matrix.max(axis=1, keepdims=True), None):
        if size is None:
            if scale == "max":
                break
            size = matrix.sum(axis=1, keepdims=True)
        matrix = np.divide(matrix, size, out=np.zeros_like(matrix), where=size > 0)
    return matrix
