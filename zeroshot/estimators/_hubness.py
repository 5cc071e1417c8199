"""Corrections against hubs: labels that win far too many images."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import numpy as np
from sklearn.utils import check_random_state, gen_batches

from zeroshot._utils._arrays import class_balance, unit_rows
from zeroshot._utils._constraints import Maybe
from zeroshot._utils._fitted import Array, Optional, Part, Sizes
from zeroshot._utils._onnx_graph import Graph
from zeroshot._utils._saving import Saved

METHODS = ("zscore", "csls")
N_NEIGHBORS = 10
"""k of CSLS, as published."""

MAX_SAMPLE = 4096
"""How many training projections CSLS keeps, drawn with a fixed seed where there are more."""

_BATCH = 4096
_MAX_ENTRIES = 2**24

Project = Callable[[np.ndarray], np.ndarray]


class HubCorrection(Saved, ABC):
    """Interface: what the rows of ``fit`` say of any label vector, images unseen.

    Nothing is taken from the images that are scored, so that neither their order nor their company
    changes a score, and any vocabulary can be corrected without fitting again.
    """

    _n_terms: ClassVar[int]
    """Number of rows of `terms`."""

    @classmethod
    def _check_together(cls, values: Mapping[str, Any], sizes: Sizes) -> None:
        sizes["n_terms"] = cls._n_terms

    @abstractmethod
    def terms(self, class_vectors: np.ndarray) -> np.ndarray:
        """Return what is known of each label, (n_terms, n_classes), from its unit vector."""

    @abstractmethod
    def scores(
        self, vectors: np.ndarray, class_vectors: np.ndarray, terms: np.ndarray
    ) -> np.ndarray:
        """Return corrected scores, (n_samples, n_classes), of predicted vectors."""

    @abstractmethod
    def add_scores(
        self, graph: Graph, vectors: str, class_vectors: np.ndarray, terms: np.ndarray
    ) -> str:
        """Add what `scores` computes to an ONNX graph, and return its name."""


class ColumnZScore(HubCorrection):
    r"""Each label's scores, standardised as the training rows' scores of that label would be.

    Each class of these rows counts once, or many images of one class would lower its label's
    scores. With the mean :math:`\mu` and covariance :math:`\Sigma` of the training projections, the
    scores :math:`p^\top s_c` have mean :math:`s_c^\top \mu` and variance
    :math:`s_c^\top \Sigma s_c` over the training rows: ``n_dims`` squared floats serve all labels.

    Parameters
    ----------
    mean : ndarray of shape (n_dims,)
        Of the training projections.
    covariance : ndarray of shape (n_dims, n_dims)
        Of the training projections.
    """

    _constraints: ClassVar[Mapping[str, Any]] = {
        "mean": Array("n_dims"),
        "covariance": Array("n_dims", "n_dims"),
    }
    _n_terms = 2

    def __init__(self, mean: np.ndarray, covariance: np.ndarray) -> None:
        self.mean = mean
        self.covariance = covariance

    @classmethod
    def of_rows(
        cls,
        X: np.ndarray,
        y: np.ndarray | None,
        project: Project,
        weights: np.ndarray | None = None,
    ) -> ColumnZScore:
        """Return the correction by the projections of rows X of classes y, made in batches."""
        total: np.ndarray | float = 0.0
        weights = np.ones(len(X)) if y is None else class_balance(y, weights)
        for rows in gen_batches(len(X), _BATCH):
            total = total + weights[rows] @ project(X[rows]).astype(np.float64)
        mean = np.asarray(total) / len(X)
        scatter = np.zeros((len(mean), len(mean)))
        for rows in gen_batches(len(X), _BATCH):
            centred = project(X[rows]).astype(np.float64) - mean
            scatter += (centred.T * weights[rows]) @ centred
        return cls(mean, scatter / len(X))

    def terms(self, class_vectors: np.ndarray) -> np.ndarray:
        """Return mean and standard deviation of each label's scores; 1 where that is 0."""
        variance = ((class_vectors @ self.covariance) * class_vectors).sum(axis=1)
        deviation = np.sqrt(np.maximum(variance, 0))
        means = class_vectors @ self.mean
        scale = np.sqrt(np.trace(self.covariance)) + np.abs(means)
        return np.stack([means, np.where(deviation > 1e-12 * scale, deviation, 1.0)])

    def scores(
        self, vectors: np.ndarray, class_vectors: np.ndarray, terms: np.ndarray
    ) -> np.ndarray:
        """Return (p·s_c - mean_c) / deviation_c."""
        means, deviations = terms.astype(vectors.dtype, copy=False)
        return (vectors @ class_vectors.T - means) / deviations

    def add_scores(
        self, graph: Graph, vectors: str, class_vectors: np.ndarray, terms: np.ndarray
    ) -> str:
        """Add what `scores` computes to an ONNX graph, and return its name."""
        means, deviations = terms
        centred = graph("Sub", graph("MatMul", vectors, class_vectors.T), means)
        return graph("Div", centred, deviations)


class CrossDomainScaling(HubCorrection):
    r"""Cross-domain similarity local scaling (CSLS).

    :math:`2 \cos(p, s_c) - r_T(p) - r_S(s_c)`: :math:`r_S(s_c)` is the mean cosine of a label to
    its k nearest training projections, and :math:`r_T(p)` that of a projection to its k nearest
    labels, which is one number a row.

    Parameters
    ----------
    sample : ndarray of shape (n_sample, n_dims)
        Unit-length training projections.
    """

    _constraints: ClassVar[Mapping[str, Any]] = {"sample": Array("n_sample", "n_dims")}
    _n_terms = 1

    def __init__(self, sample: np.ndarray) -> None:
        self.sample = sample

    @classmethod
    def of_rows(cls, X: np.ndarray, project: Project) -> CrossDomainScaling:
        """Return the correction by the projections of rows X, or of a seeded sample of them."""
        if len(X) > MAX_SAMPLE:
            X = X[np.sort(check_random_state(0).permutation(len(X))[:MAX_SAMPLE])]
        return cls(unit_rows(project(X).astype(np.float64)))

    def terms(self, class_vectors: np.ndarray) -> np.ndarray:
        """Return the mean cosine of each label to its k nearest training projections."""
        nearness = np.empty((1, len(class_vectors)))
        for labels in gen_batches(len(class_vectors), max(1, _MAX_ENTRIES // len(self.sample))):
            nearness[0, labels] = _mean_of_largest(class_vectors[labels] @ self.sample.T)
        return nearness

    def scores(
        self, vectors: np.ndarray, class_vectors: np.ndarray, terms: np.ndarray
    ) -> np.ndarray:
        """Return 2 cos(p, s_c) - r_T(p) - r_S(s_c)."""
        cosines = unit_rows(vectors) @ class_vectors.T
        nearness = terms.astype(vectors.dtype, copy=False)
        return 2 * cosines - _mean_of_largest(cosines)[:, None] - nearness

    def add_scores(
        self, graph: Graph, vectors: str, class_vectors: np.ndarray, terms: np.ndarray
    ) -> str:
        """Add what `scores` computes to an ONNX graph, and return its name."""
        cosines = graph("MatMul", graph.unit_rows(vectors), class_vectors.T)
        nearest, _ = graph.largest(cosines, min(N_NEIGHBORS, len(class_vectors)))
        doubled = graph("Mul", cosines, np.array(2.0))
        return graph("Sub", graph("Sub", doubled, graph.mean(nearest)), terms)


def fitted_hubness(width: str) -> dict[str, Any]:
    """Return the table of the fitted attributes that the parameter ``hubness`` brings.

    Parameters
    ----------
    width : str
        What the length of a class's vector is called.
    """
    sizes = {"n_dims": width, "n_terms": "n_terms"}
    return {
        "hub_correction_": Optional(Maybe(Part(ColumnZScore, CrossDomainScaling, sizes=sizes))),
        "hub_terms_": Optional(Maybe(Array("n_terms", "n_classes"))),
    }


def check_weighable(method: str | None, *, owner: str) -> None:
    """Raise where the correction cannot take weights of samples.

    Raises
    ------
    ValueError
        It is CSLS.
    """
    if method == "csls":
        raise ValueError(
            f"{owner}: hubness='csls' counts nearest rows, and rows have no weights there. Pass "
            "hubness='zscore' or None, or leave out sample_weight."
        )


def fit_correction(
    method: str,
    X: np.ndarray,
    y: np.ndarray | None,
    project: Project,
    weights: np.ndarray | None = None,
) -> HubCorrection:
    """Return the correction by the projections of the rows X of ``fit``.

    Parameters
    ----------
    method : {"zscore", "csls"}
        Which.
    X : ndarray of shape (n_samples, n_features)
        The rows of ``fit``.
    y : ndarray of shape (n_samples,) or None
        Their classes, which then count alike; None counts rows alike.
    project : callable
        From rows to predicted vectors.
    weights : ndarray of shape (n_samples,), optional
        Of the rows beside others of their class, for ``"zscore"``.
    """
    if method == "zscore":
        return ColumnZScore.of_rows(X, y, project, weights)
    return CrossDomainScaling.of_rows(X, project)


def _mean_of_largest(rows: np.ndarray) -> np.ndarray:
    """Return the mean of the k largest entries of each row, or of all where there are fewer."""
    if rows.shape[1] > N_NEIGHBORS:
        rows = np.partition(rows, -N_NEIGHBORS, axis=1)[:, -N_NEIGHBORS:]
    return rows.mean(axis=1)
