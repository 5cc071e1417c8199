"""SAE: a linear autoencoder whose code is the label vector, in closed form."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np
from scipy.linalg import svd

from zeroshot._linear import LinearSystem, apply_map, inverse_or_zero, product
from zeroshot._utils._constraints import FLAG, Number, OneOf
from zeroshot._utils._fitted import Array
from zeroshot._utils._onnx_graph import Graph
from zeroshot.estimators._embedding_classifier import ClosedFormClassifier
from zeroshot.label_embeddings import LabelEmbedding


def solve_sae(
    system: LinearSystem, S: np.ndarray, weight: float, *, center: bool
) -> tuple[np.ndarray, np.ndarray]:
    r"""Return the transpose of W, (n_features, n_dims), that solves A W + W B = C, and an offset.

    In the paper's notation, with samples as columns: A = SS', B = lambda XX', C = (1+lambda) SX'.
    A is small and symmetric, :math:`A = \sum_i a_i r_i r_i'`, and along each of its directions the
    Sylvester equation is a ridge regression, (lambda XX' + a_i I) W' r_i = (1+lambda) XS' r_i.
    One eigendecomposition of XX' solves all of them; directions in which no label vector lies have
    nothing to solve.

    Parameters
    ----------
    system : LinearSystem
        Of X and the classes of its samples.
    S : ndarray of shape (n_seen, n_dims)
        A label vector a class (the paper repeats it for each sample).
    weight : float
        The paper's lambda.
    center : bool
        Whether to subtract the mean of the features.
    """
    if center and len(S) == 1:
        S = np.zeros_like(S)  # centred, its samples sum to rounding
    _, sigma, Rt = svd(np.sqrt(system.counts)[:, None] * S, full_matrices=False, check_finite=False)
    Rt = Rt[sigma > max(S.shape) * np.finfo(np.float64).eps * sigma[0]]
    a = sigma[: len(Rt)] ** 2
    solution = system.ridge(product(S, Rt.T), a / weight, center=center)
    coef = (1 + weight) / weight * product(solution.coef, Rt)
    return coef, -product(solution.mean[None], coef)[0]


class SAEClassifier(ClosedFormClassifier):
    r"""Semantic autoencoder: features are encoded as their label's vector, and decoded from it.

    One matrix does both, :math:`\min_W \|X - W^\top S\|^2 + \lambda \|WX - S\|^2` with samples as
    columns, in closed form. ``direction`` chooses the space in which images and labels are compared
    at prediction.

    Parameters
    ----------
    label_embedding : LabelEmbedding, optional
        Vectors of the labels; one-hot vectors of the seen classes if None, which makes it an
        ordinary classifier.
    encoder_weight : float, default=1.0
        Weight of the encoder's error against the decoder's, above 0: the paper's lambda. The
        default was chosen by class folds on Tiny ImageNet, without the labels of CIFAR-100, for
        rows of unit length.
    direction : {"encode", "decode"}, default="encode"
        Compare encoded images with label vectors, or images with decoded label vectors, by the
        cosine in that space. Results differ because decoding changes the lengths of label vectors.
    center_features : bool, default=True
        Subtract the mean of the features, which label vectors centred on their mean cannot
        encode. False is the formula as published.
    candidates : array-like of shape (n_classes,), optional
        The vocabulary that ``predict`` chooses from; the labels of ``fit`` if None.
    scenario : {"generalized", "unseen"}, default="generalized"
        Whether all candidates may win, or only those not seen in ``fit``.
    center : bool, default=True
        Subtract the mean of the seen classes' vectors before scaling to unit length.
    gamma : float, optional
        Describe each label by its RBF-kernel similarities to the seen classes rather than by its
        vector.
    hubness : {"zscore", "csls"}, optional
        Correct scores against hubs, the labels that are near to every image, by what the images of
        ``fit`` score: as in `DeViSEClassifier`, with ``direction="encode"`` only.
    temperature : float, "auto" or None, default=None
        Scores are divided by it in ``predict_proba``; None is 0.1. "auto" chooses it on held-out
        classes, which costs up to five further fits.

    Attributes
    ----------
    classes_, seen_classes_, unseen_classes_ : ndarray
        The candidates, those that were in ``fit``, and those that were not.
    class_vectors_ : ndarray of shape (n_classes, n_dims)
        The vectors of ``classes_``: centred, of unit length.
    coef_ : ndarray of shape (n_features, n_dims)
        The encoder W, transposed; the decoder as it is.
    intercept_ : ndarray of shape (n_dims,)
        The intercept from the subtracted mean; zeros without ``center_features``.

    References
    ----------
    E. Kodirov, T. Xiang, S. Gong, "Semantic Autoencoder for Zero-Shot Learning", CVPR 2017.

    Examples
    --------
    >>> import numpy as np
    >>> from zeroshot import AttributeTable, SAEClassifier
    >>> attributes = AttributeTable(
    ...     [[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0]], labels=["red", "big", "old", "big red"]
    ... )
    >>> X = np.repeat(np.eye(3), 5, axis=0)
    >>> y = np.repeat(["red", "big", "old"], 5)
    >>> model = SAEClassifier(attributes, candidates=["old", "big red"])
    >>> model.fit(X, y).predict([[0.7, 0.7, 0.0], [0.0, 0.0, 1.0]]).tolist()
    ['big red', 'old']
    """

    _constraints: ClassVar[Mapping[str, Any]] = {
        "encoder_weight": Number(above=0),
        "direction": OneOf("encode", "decode"),
        "center_features": FLAG,
    }
    _fitted: ClassVar[Mapping[str, Any]] = {
        "coef_": Array("n_features", "n_dims"),
        "intercept_": Array("n_dims"),
    }

    def __init__(
        self,
        label_embedding: LabelEmbedding | None = None,
        *,
        encoder_weight: float = 1.0,
        direction: str = "encode",
        center_features: bool = True,
        candidates: Any = None,
        scenario: str = "generalized",
        center: bool = True,
        gamma: float | None = None,
        hubness: str | None = None,
        temperature: float | str | None = None,
    ) -> None:
        self.label_embedding = label_embedding
        self.encoder_weight = encoder_weight
        self.direction = direction
        self.center_features = center_features
        self.candidates = candidates
        self.scenario = scenario
        self.center = center
        self.gamma = gamma
        self.hubness = hubness
        self.temperature = temperature

    _folds_are_cheap = False  # each solves a Sylvester equation of its own

    def fit_from_sums(self, system: LinearSystem) -> Self:
        """Do what ``fit`` does, given a system in place of the samples.

        Parameters
        ----------
        system : LinearSystem
            Of the features and their labels.

        Returns
        -------
        self : object
            The fitted classifier.
        """
        vectors = self._seen_vectors(system)
        self.coef_, self.intercept_ = solve_sae(
            system, vectors, self.encoder_weight, center=self.center_features
        )
        return self

    def _check_combination(self) -> None:
        super()._check_combination()
        if self.hubness is not None and self.direction == "decode":
            raise ValueError(
                f"{type(self).__name__}: hubness={self.hubness!r} corrects products with label "
                "vectors, and direction='decode' compares images. Pass hubness=None, or "
                "direction='encode'."
            )

    def _project(self, X: np.ndarray) -> np.ndarray:
        return apply_map(X, [self.coef_], [self.intercept_])

    def _add_projection(self, graph: Graph, X: str) -> str:
        return graph.affine(X, self.coef_, self.intercept_)

    def _class_scores(self, X: np.ndarray) -> np.ndarray:
        scores = super()._class_scores(X)
        if self.direction == "encode":
            return scores
        return scores * self._decoded_scales().astype(scores.dtype)

    def _add_class_scores(self, graph: Graph, X: str) -> str:
        scores = super()._add_class_scores(graph, X)
        if self.direction == "encode":
            return scores
        return graph("Mul", scores, self._decoded_scales())

    def _decoded_scales(self) -> np.ndarray:
        """Return one over the length of each class's decoded vector, 0 where it has none."""
        # x'(W's) is (Wx)'s: of the cosine with the decoded vector W's only its length is missing.
        images = self.class_vectors_ @ (self.coef_.T @ self.coef_)
        lengths = np.sqrt(np.maximum(np.einsum("ij,ij->i", images, self.class_vectors_), 0))
        return inverse_or_zero(lengths, lengths)
