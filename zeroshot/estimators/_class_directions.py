"""Means of few images per class as directions, and what each image scores without itself."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import cho_solve, solve_triangular

from zeroshot._linear import RowSums, blocks, cholesky, product, shifted_diagonal

BATCH = 2048


@dataclass(frozen=True)
class ClassDirections:
    r"""Class means, less their mean, whitened and of unit length.

    With rows :math:`z_i` less the mean of the C class means, image weights :math:`w_i`,
    :math:`\lambda` the weighted mean of their squared lengths and
    :math:`A = (\sum_i w_i z_i z_i^\top + \lambda I)^{-1}`, the score of class c with mean
    :math:`m_c` is

    .. math:: z^\top A\, m_c \,/\, \sqrt{m_c^\top A\, m_c}:

    linear discriminant analysis with the covariance of all images, shrunk towards a multiple of the
    identity as if as many images again as there are features had been seen, and with every class at
    the same distance from the mean.

    Each class counts once, however many images it has: the weights of an image of a class with n
    images are :math:`w = W / (C n)`, where W, C times the harmonic mean of the classes' counts, is
    as how many images they count together. With as many images of each class, all weights are 1.

    Attributes
    ----------
    center : ndarray of shape (n_features,)
        Mean of the class means.
    coef : ndarray of shape (n_classes, n_features)
        Of the scores, which are ``(X - center) @ coef.T``.
    factor : ndarray of shape (n_features, n_features)
        Lower Cholesky factor of the inverse of A.
    lengths : ndarray of shape (n_classes,)
        :math:`\sqrt{m_c^\top A\, m_c}`.
    means : ndarray of shape (n_classes, n_features)
        :math:`m_c`.
    counts : ndarray of shape (n_classes,)
        Images of each class.
    """

    center: np.ndarray
    coef: np.ndarray
    factor: np.ndarray
    lengths: np.ndarray
    means: np.ndarray
    counts: np.ndarray

    @classmethod
    def of_images(
        cls, X: np.ndarray, positions: np.ndarray, n_classes: int
    ) -> ClassDirections | None:
        """Return the directions of images X, or None where all class means are the same.

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
        counts = sums.target_total
        means = sums.cross / counts[:, None]
        offset = means.mean(axis=0)
        means, center = means - offset, sums.origin + offset
        weights, total = image_weights(counts)
        gram = sums.gram
        if (counts != counts[0]).any():  # or all weights are 1, and the two means the same
            gram = np.zeros_like(gram)
            for rows, Z in blocks(X, center):
                Z = Z * np.sqrt(weights[positions[rows]])[:, None]
                gram += product(Z.T, Z)
        penalty = np.trace(gram) / total
        if penalty <= 1e-24 * (center @ center) or penalty == 0:
            return None
        shifted = shifted_diagonal(gram, penalty)
        factor, _ = cholesky(shifted, shifted.diagonal().copy())
        solved = cho_solve((factor, True), means.T).T
        lengths = np.sqrt(np.maximum((means * solved).sum(axis=1), 0))
        lengths = np.where(
            lengths > 1e-9 * lengths.max(), lengths, 0
        )  # at the mean but for rounding
        coef = np.where(lengths > 0, 1 / np.where(lengths > 0, lengths, 1), 0)[:, None] * solved
        return cls(center, coef, factor, lengths, means, counts)

    def leave_one_out(self, X: np.ndarray, positions: np.ndarray) -> np.ndarray:
        r"""Return the scores of training images by directions made without each of them.

        Exact but for :math:`\lambda` and the weights of the other images, which stay. Without image
        i of class y, which has n images, the mean of the class means moves by :math:`\delta`: by
        :math:`(m_y - z_i) / (C (n - 1))`, or, where it was the only one and its class is gone, by
        :math:`-z_i / (C - 1)`. As the weighted rows sum to zero,

        .. math:: A^{-1} - w z_i z_i^\top + w (\delta z_i^\top + z_i \delta^\top)
                  + (W - w) \delta \delta^\top

        takes the place of :math:`A^{-1}`. That adds :math:`U B U^\top` with the two columns
        :math:`U = (z_i, m_y)`, so that products with the new A follow, by Woodbury's identity, from
        those of :math:`z_i` and the means with the old one.

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
        C, (weights, W) = len(self.counts), image_weights(self.counts)
        w, n = weights[positions], self.counts[positions].astype(np.float64)
        alone, own = n == 1, (np.arange(len(Z)), positions)
        # Products with the old A: of z_i and m_y with each mean, with z_i, and of each with itself.
        of_means = self.coef * self.lengths[:, None]
        between = self.means @ of_means.T
        z_m = Z @ of_means.T
        y_m = between[positions]
        z_z = np.square(solve_triangular(self.factor, Z.T, lower=True)).sum(axis=0)
        z_y, y_y = z_m[own], y_m[own]
        # δ = a m_y + b z_i, and the update U B Uᵀ, image by image.
        a = np.where(alone, 0.0, 1 / (C * np.where(alone, 1, n - 1)))
        b = np.where(alone, -1.0 / max(C - 1, 1), -a)
        B = np.empty((len(Z), 2, 2))
        B[:, 0, 0] = -w + 2 * w * b + (W - w) * b * b
        B[:, 0, 1] = B[:, 1, 0] = w * a + (W - w) * a * b
        B[:, 1, 1] = (W - w) * a * a
        inner = np.stack([np.stack([z_z, z_y], -1), np.stack([z_y, y_y], -1)], -2)  # Uᵀ A U
        # K = (I + B Uᵀ A U)⁻¹ B, and new products u A' v = u A v - (u A U) K (U A v).
        K = np.linalg.solve(np.eye(2) + B @ inner, B)
        # In coordinates of (z_i, m_y, m_c): what is scored, z_i - δ, and each mean less δ.
        image = np.stack([1 - b, -a], -1)
        U_m = np.stack([z_m, y_m], 1)  # (n_batch, 2, n_classes)
        U_mean = U_m - np.einsum("ijk,ik->ij", inner, np.stack([b, a], -1))[:, :, None]
        U_image = np.einsum("ijk,ik->ij", inner, image)
        shift = np.stack([b, a], -1)
        products = np.einsum("ij,ijc->ic", image, U_mean)
        squares = (
            self.lengths**2
            - 2 * np.einsum("ij,ijc->ic", shift, U_m)
            + np.einsum("ij,ijk,ik->i", shift, inner, shift)[:, None]
        )
        # The class of the image itself: its mean is (1 + e) m_y - e z_i - δ with e = 1 / (n - 1).
        e = np.where(alone, 0.0, 1 / np.where(alone, 1, n - 1))
        mean = np.stack([-e - b, 1 + e - a], -1)
        U_own = np.einsum("ijk,ik->ij", inner, mean)
        U_mean[own[0], :, positions] = U_own
        products[own] = np.einsum("ij,ij->i", image, U_own)
        squares[own] = np.einsum("ij,ij->i", mean, U_own)
        products -= np.einsum("ij,ijk,ikc->ic", U_image, K, U_mean)
        squares -= np.einsum("ijc,ijk,ikc->ic", U_mean, K, U_mean)
        positive = squares > 1e-12 * np.square(self.lengths).max()
        scores = np.where(positive, products / np.sqrt(np.where(positive, squares, 1)), 0)
        scores[own] = np.where(alone, np.nan, scores[own])
        return scores


def image_weights(counts: np.ndarray) -> tuple[np.ndarray, float]:
    """Return what an image of each class counts, and as how many images all count together."""
    n_classes = len(counts)
    total = n_classes**2 / (1 / counts).sum()
    return total / (n_classes * counts), float(total)
