"""ESZSL: a bilinear map from features to label vectors in closed form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from scipy.linalg import svd

from zeroshot._constraints import FLAG, Number
from zeroshot._linear import LinearSystem, apply_map, inverse_or_zero, product
from zeroshot.estimators._embedding_classifier import ClosedFormClassifier
from zeroshot.label_embeddings import LabelEmbedding


@dataclass(frozen=True)
class LabelFactors:
    """The thin singular value decomposition of the seen classes' vectors, S = P diag(sigma) R'.

    It serves every lambda: S (S'S + lambda I)^-1 = P diag(sigma / (sigma^2 + lambda)) R', whatever
    the rank of S, and whether there are more classes or more dimensions.

    Parameters
    ----------
    P : ndarray of shape (n_seen, n_factors)
        Left singular vectors.
    sigma : ndarray of shape (n_factors,)
        Singular values; those that are rounding are 0.
    Rt : ndarray of shape (n_factors, n_dims)
        Right singular vectors, transposed.
    """

    P: np.ndarray
    sigma: np.ndarray
    Rt: np.ndarray

    @classmethod
    def of(cls, S: np.ndarray) -> LabelFactors:
        """Decompose the vectors S, (n_seen, n_dims)."""
        P, sigma, Rt = svd(S, full_matrices=False, check_finite=False)
        rounding = max(S.shape) * np.finfo(np.float64).eps * sigma[0]
        return cls(P, np.where(sigma > rounding, sigma, 0.0), Rt)

    def codes(self, *, center: bool) -> np.ndarray:
        """Return the row of Y P that each class's samples have, (n_seen, n_factors).

        Y is 1 for the sample's own class and -1 for the others. A single class has none where
        features are centred (`center`): their sum is then rounding, and not a direction.
        """
        if center and len(self.P) == 1:
            return np.zeros_like(self.P)
        return 2 * self.P - self.P.sum(axis=0)

    def whitened(self, alpha_labels: float) -> np.ndarray:
        """Return diag(sigma / (sigma^2 + lambda)) R', (n_factors, n_dims)."""
        weights = self.sigma * inverse_or_zero(self.sigma**2 + alpha_labels, self.sigma)
        return weights[:, None] * self.Rt


def solve_eszsl(
    system: LinearSystem,
    factors: LabelFactors,
    alpha_features: float,
    alpha_labels: float,
    *,
    center: bool,
) -> tuple[np.ndarray, np.ndarray]:
    """Return V = (X'X + gamma I)^-1 X'Y S (S'S + lambda I)^-1, (n_features, n_dims), and an offset.

    X'Y takes no pass over the samples of its own: with M the sum of the features of each class, a
    class a row, it is 2 M' - (M'1) 1'.

    Parameters
    ----------
    system : LinearSystem
        Of X and the classes of its rows.
    factors : LabelFactors
        Of the classes' vectors S.
    alpha_features, alpha_labels : float
        The paper's gamma and lambda.
    center : bool
        Whether to subtract the mean of the features.
    """
    solution = system.ridge(factors.codes(center=center), alpha_features, center=center)
    coef = product(solution.coef, factors.whitened(alpha_labels))
    return coef, -product(solution.mean[None], coef)[0]


class ESZSLClassifier(ClosedFormClassifier):
    r"""Embarrassingly simple zero-shot learning: a bilinear score of features and label vectors.

    The score of label vector s for features x is :math:`x^\top V s`, and V has a closed form,

    .. math:: V = (X^\top X + \gamma I)^{-1} X^\top Y S (S^\top S + \lambda I)^{-1},

    with Y 1 for the class of a sample and -1 for every other. It is ridge regression onto label
    vectors that then evens out how much the seen classes vary along each direction of the label
    space. It takes the time of one pass over the features, also where these outnumber the samples.

    Parameters
    ----------
    label_embedding : LabelEmbedding, optional
        Vectors of the labels; one-hot vectors of the seen classes if None, which makes it an
        ordinary classifier.
    alpha_features : float, default=10.0
        Penalty in the space of features, above 0: the paper's gamma.
    alpha_labels : float, default=10.0
        Penalty in the space of label vectors, above 0: the paper's lambda. Both defaults were
        chosen by class folds on Tiny ImageNet, less the labels of CIFAR-100, for rows of unit
        length; what is best grows with the number of rows and classes, and `ESZSLClassifierCV`
        finds it.
    center_features : bool, default=True
        Subtract the mean of the features. Most entries of Y are -1, which a map without an
        intercept takes for a direction of its own wherever the features have a mean; about the
        mean, the -1 of the other classes cancel. False is the formula as published.
    candidates : array-like of shape (n_classes,), optional
        The vocabulary that ``predict`` chooses from; the labels of ``fit`` if None.
    scenario : {"generalized", "unseen"}, default="generalized"
        Whether all candidates may win, or only those not seen in ``fit``.
    center : bool, default=True
        Subtract the mean of the seen classes' vectors before scaling to unit length.
    gamma : float, optional
        As in every classifier here, and not the paper's gamma: describe each label by its
        RBF-kernel similarities to the seen classes rather than by its vector.
    hubness : {"zscore", "csls"}, optional
        Correct scores against hubs, the labels that are near to every image, by what the images of
        ``fit`` score: as in `DeViSEClassifier`.
    temperature : float, default=0.1
        Scores are divided by it in ``predict_proba``.

    Attributes
    ----------
    classes_, seen_classes_, unseen_classes_ : ndarray
        The vocabulary, and which of it was in ``fit``.
    class_vectors_ : ndarray of shape (n_classes, n_dims)
        The vectors of ``classes_``: centred, of unit length.
    coef_ : ndarray of shape (n_features, n_dims)
        V.
    intercept_ : ndarray of shape (n_dims,)
        What the subtracted mean comes to; zeros without ``center_features``.

    See Also
    --------
    ESZSLClassifierCV : Chooses both penalties by folds of the classes, in little more time.

    References
    ----------
    B. Romera-Paredes, P. H. S. Torr, "An Embarrassingly Simple Approach to Zero-Shot Learning",
    ICML 2015. There samples and classes are columns of X and S, here rows.

    Examples
    --------
    >>> import numpy as np
    >>> from zeroshot import AttributeTable, ESZSLClassifier
    >>> attributes = AttributeTable(
    ...     [[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0]], labels=["red", "big", "old", "big red"]
    ... )
    >>> X = np.repeat(np.eye(3), 5, axis=0)
    >>> y = np.repeat(["red", "big", "old"], 5)
    >>> model = ESZSLClassifier(attributes, candidates=["old", "big red"], alpha_features=0.1)
    >>> model.fit(X, y).predict([[0.7, 0.7, 0.0], [0.0, 0.0, 1.0]]).tolist()
    ['big red', 'old']
    """

    _constraints: ClassVar[Mapping[str, Any]] = {
        "alpha_features": Number(above=0),
        "alpha_labels": Number(above=0),
        "center_features": FLAG,
    }

    def __init__(
        self,
        label_embedding: LabelEmbedding | None = None,
        *,
        alpha_features: float = 10.0,
        alpha_labels: float = 10.0,
        center_features: bool = True,
        candidates: Any = None,
        scenario: str = "generalized",
        center: bool = True,
        gamma: float | None = None,
        hubness: str | None = None,
        temperature: float = 0.1,
    ) -> None:
        self.label_embedding = label_embedding
        self.alpha_features = alpha_features
        self.alpha_labels = alpha_labels
        self.center_features = center_features
        self.candidates = candidates
        self.scenario = scenario
        self.center = center
        self.gamma = gamma
        self.hubness = hubness
        self.temperature = temperature

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
        center = self.center_features
        factors = LabelFactors.of(self._seen_vectors(system))
        self.coef_, self.intercept_ = solve_eszsl(
            system, factors, self.alpha_features, self.alpha_labels, center=center
        )
        return self

    def _project(self, X: np.ndarray) -> np.ndarray:
        return apply_map(X, [self.coef_], [self.intercept_])
