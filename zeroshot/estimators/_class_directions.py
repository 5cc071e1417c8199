"""Means of few images a class as directions, and what each image scores without itself."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import cho_solve, solve_triangular

from zeroshot._linear import RowSums, cholesky, shifted_diagonal

BATCH = 2048


@dataclass(frozen=True)
class ClassDirections:
    r"""Class means, less the mean of all images, whitened and of unit length.

    With rows :math:`z_i` less the mean of all N images, :math:`\lambda` their mean squared length
    and :math:`A = (Z^\top Z + \lambda I)^{-1}`, the score of class c with mean :math:`m_c` is

    .. math:: z^\top A\, m_c \,/\, \sqrt{m_c^\top A\, m_c}:

    linear discriminant analysis with the covariance of all images, shrunk towards a multiple of the
    identity as if as many images again as there are features had been seen, and with every class at
    the same distance from the mean.

    Attributes
    ----------
    center : ndarray of shape (n_features,)
        Mean of all images.
    coef : ndarray of shape (n_classes, n_features)
        Of the scores, which are ``(X - center) @ coef.T``.
    factor : ndarray of shape (n_features, n_features)
        Lower Cholesky factor of the inverse of A.
    lengths : ndarray of shape (n_classes,)
        :math:`\sqrt{m_c^\top A\, m_c}`.
    counts : ndarray of shape (n_classes,)
        Images of each class.
    """

    center: np.ndarray
    coef: np.ndarray
    factor: np.ndarray
    lengths: np.ndarray
    counts: np.ndarray

    @classmethod
    def of_images(
        cls, X: np.ndarray, positions: np.ndarray, n_classes: int
    ) -> ClassDirections | None:
        """Return the directions of images X, or None where all images are the same.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_features)
            Features.
        positions : ndarray of shape (n_samples,)
            The class of each image; every class has one.
        n_classes : int
            How many.
        """
        sums = RowSums.of(X, positions, classes=np.arange(n_classes)).centered()
        center, counts = sums.origin, sums.target_total
        penalty = np.trace(sums.gram) / sums.n_rows
        if penalty <= 1e-24 * (center @ center) or penalty == 0:
            return None
        shifted = shifted_diagonal(sums.gram, penalty)
        factor, _ = cholesky(shifted, shifted.diagonal().copy())
        means = sums.cross / counts[:, None]
        solved = cho_solve((factor, True), means.T).T
        lengths = np.sqrt(np.maximum((means * solved).sum(axis=1), 0))
        lengths = np.where(
            lengths > 1e-9 * lengths.max(), lengths, 0
        )  # at the mean but for rounding
        coef = np.where(lengths > 0, 1 / np.where(lengths > 0, lengths, 1), 0)[:, None] * solved
        return cls(center, coef, factor, lengths, counts)

    def leave_one_out(self, X: np.ndarray, positions: np.ndarray) -> np.ndarray:
        r"""Return the scores of training images by directions made without each of them.

        Exact but for :math:`\lambda`, which stays: with :math:`f = N/(N-1)` and
        :math:`s = 1/(N-1)`, leaving image i of class y out makes its row :math:`f z_i`, the other
        classes' means :math:`m_c + s z_i`, that of y :math:`\frac{n m_y - z_i}{n-1} + s z_i`, and
        :math:`A^{-1}` less :math:`f z_i z_i^\top`, so that products with A follow from
        :math:`t_{ic} = z_i^\top A\, m_c` and :math:`h_i = z_i^\top A\, z_i`.

        Parameters
        ----------
        X : ndarray of shape (n_batch, n_features)
            Some of the training images.
        positions : ndarray of shape (n_batch,)
            Their classes.

        Returns
        -------
        ndarray of shape (n_batch, n_classes)
            NaN for the class of an image that is its only one.
        """
        Z = X - self.center
        t = Z @ (self.coef * self.lengths[:, None]).T
        h = np.square(solve_triangular(self.factor, Z.T, lower=True)).sum(axis=0)
        total = self.counts.sum()
        s, f = 1 / (total - 1), total / (total - 1)
        own = (np.arange(len(Z)), positions)
        n = self.counts[positions].astype(np.float64)
        alone = n == 1
        a, e = n / np.where(alone, 1, n - 1), 1 / np.where(alone, 1, n - 1) - s
        products = t + (s * h)[:, None]
        squares = np.square(self.lengths) + 2 * s * t + (s * s * h)[:, None]
        products[own] = a * t[own] - e * h
        squares[own] = a * a * np.square(self.lengths[positions]) - 2 * a * e * t[own] + e * e * h
        shrunk = f / (1 - f * h)[:, None]
        squares = squares + shrunk * np.square(products)
        positive = squares > 1e-12 * np.square(self.lengths).max()
        scores = np.where(positive, shrunk * products / np.sqrt(np.where(positive, squares, 1)), 0)
        scores[own] = np.where(alone, np.nan, scores[own])
        return scores
