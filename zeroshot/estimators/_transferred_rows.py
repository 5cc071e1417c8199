"""Rows of a new head: combined, rescaled, and mixed with the class means of a few images."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sklearn.preprocessing import normalize

from zeroshot._linear import class_sums
from zeroshot.backbones import SourceHead


@dataclass(frozen=True)
class TransferRule:
    """How weights of source classes become rows of a new head.

    Attributes
    ----------
    source : SourceHead
        Whose rows are combined.
    normalize : "equal" or None
        Whether they are scaled to the mean norm of the source rows, without offsets.
    mixture : "means" or None
        Whether class means are mixed in; this scales them too.
    prior_images : float
        How many images a combined row counts as in the mixture.
    """

    source: SourceHead
    normalize: str | None
    mixture: str | None
    prior_images: float

    def combine(self, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return convex combinations of the source rows and of their offsets.

        Parameters
        ----------
        weights : ndarray of shape (n_classes, n_sources)
            A row of zeros stands for the mean of all source rows.
        """
        lonely = np.logical_not(weights.any(axis=1, keepdims=True))
        weights = np.where(lonely, 1 / weights.shape[1], weights)
        source = self.source
        return (
            weights @ source.coef.astype(np.float64),
            weights @ source.intercept.astype(np.float64),
        )

    def finish(
        self,
        coef: np.ndarray,
        intercept: np.ndarray,
        lonely: np.ndarray,
        X: np.ndarray | None,
        positions: np.ndarray,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return weights, (n_classes, n_features), and offsets, (n_classes,), of the new head.

        Parameters
        ----------
        coef, intercept : ndarray
            Of `combine`.
        lonely : ndarray of shape (n_classes,)
            Which classes have no neighbour: their rows keep their length.
        X : ndarray of shape (n_samples, n_features) or None
            Features of the images.
        positions : ndarray of shape (n_samples,)
            The row of each image's class.
        """
        if self.normalize is None and self.mixture is None:
            return coef, intercept
        norm = mean_norm(self.source.coef)
        coef = np.where(lonely[:, None], coef, normalize(coef) * norm)
        if self.mixture == "means" and X is not None and norm > 0:
            coef = blend_with_means(coef / norm, X, positions, self.prior_images)
            coef *= norm / mean_norm(coef)
        return coef, np.zeros(len(coef))


def mean_norm(coef: np.ndarray) -> float:
    """Return the mean Euclidean norm of the rows."""
    return float(np.linalg.norm(coef, axis=1).mean())


def blend_with_means(
    rows: np.ndarray, X: np.ndarray, positions: np.ndarray, prior_images: float
) -> np.ndarray:
    r"""Return :math:`\frac{n_i}{n_i+m}\mu_i/\sigma_\mu + \frac{m}{n_i+m}w_i/\sigma_w`.

    Parameters
    ----------
    rows : ndarray of shape (n_classes, n_features)
        The initialised rows :math:`w_i`, at unit length.
    X : ndarray of shape (n_samples, n_features)
        Features of the images.
    positions : ndarray of shape (n_samples,)
        The row of each image's class.
    prior_images : float
        m, how many images an initialised row counts as.

    Returns
    -------
    ndarray of shape (n_classes, n_features)
        A class without images keeps its initialised row.
    """
    X = normalize(X)
    sizes = np.bincount(positions, minlength=len(rows))
    means = normalize(class_sums(X, positions, len(rows)))
    present = sizes > 0
    share = np.divide(sizes, sizes + prior_images, out=np.zeros(len(rows)), where=present)[:, None]
    return share * means / spread(X, means[present]) + (1 - share) * rows / spread(X, rows)


def spread(X: np.ndarray, rows: np.ndarray) -> float:
    """Return the standard deviation of an image's scores over classes, averaged over images."""
    deviation = float((X @ rows.T).std(axis=1).mean())
    return deviation if deviation > 0 else 1.0
