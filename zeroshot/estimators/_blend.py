"""How much a prior and the means of few images say of a class, and their blend."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from zeroshot._saving import Saved
from zeroshot.estimators._class_directions import image_weights

HALF_STRENGTH_IMAGES = 4.0
"""κ: a mean of κ images is worth 1/√2 of what infinitely many would be worth."""

DEFAULT_STRENGTH = 5.0
"""What the mean of infinitely many images is taken to be worth before there is evidence."""

TOTAL_WEIGHT = 2
"""As how many degrees of freedom the spread over all classes, right and wrong, counts."""

TRUSTS = (0.0, 0.125, 0.25, 0.5, 1.0)
"""What the weight of the means may be multiplied with."""

Batches = Iterable[tuple[np.ndarray, np.ndarray, np.ndarray]]


@dataclass(frozen=True)
class BlendRule(Saved):
    r"""What turns the scores of a prior and of class means into one score a class.

    Both are taken less their mean over the classes with images, and over their spread. On that
    scale the right class stands :math:`\delta_p` above the others by the prior, and
    :math:`\delta_m(n) = \delta_\infty \sqrt{n/(n + \kappa)}` by the mean of n images; the two
    correlate by :math:`\rho`. Fisher's discriminant between right and wrong classes weights them by
    :math:`\delta_p - \rho\,\delta_m` and :math:`\delta_m - \rho\,\delta_p`.

    Parameters
    ----------
    prior_spread, means_spread : float
        Standard deviation of an image's scores over the wrong classes.
    prior_strength : float
        :math:`\delta_p`.
    means_strength : float
        :math:`\delta_\infty`.
    correlation : float
        :math:`\rho`.
    prior_images : float, optional
        m: weights of m/(n+m) and n/(n+m) in place of Fisher's.
    trust : float, default=1.0
        What the weights of the means are multiplied with; at 0 the prior alone decides.
    """

    prior_spread: float
    means_spread: float
    prior_strength: float
    means_strength: float
    correlation: float
    prior_images: float | None = None
    trust: float = 1.0

    def weights(self, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        r"""Return the weights of both z-scores for classes with so many images, and thresholds.

        The weights make the blend a z-score again, so that classes with few or no images compete
        with the rest on one scale, and the threshold that is taken off is half of what the right
        class is expected to reach: beyond it, an image is rather of the class than not.

        Parameters
        ----------
        counts : ndarray of shape (n_classes,)
            Images of each class.

        Returns
        -------
        prior, means, thresholds : ndarray of shape (n_classes,)
            What the z-scores are multiplied with, and what is subtracted from their sum.
        """
        n = counts.astype(np.float64)
        rho = self.correlation
        strength = self.means_strength * _share(n)
        if self.prior_images is None:
            prior = np.maximum(self.prior_strength - rho * strength, 0)
            means = np.maximum(strength - rho * self.prior_strength, 0)
        else:
            total = np.where(n > 0, n + self.prior_images, 1)
            prior, means = self.prior_images / total, n / total
        alone = (n == 0) | (self.trust == 0)
        neither = (prior == 0) & (means == 0)
        prior = np.where(alone, 1.0, prior)
        means = np.where(alone, 0.0, self.trust * np.where(neither, 1.0, means))
        deviation = np.sqrt(prior**2 + means**2 + 2 * rho * prior * means)
        prior, means = prior / deviation, means / deviation
        reached = prior * self.prior_strength + means * strength
        return prior, means, np.maximum(reached, 0) / 2


def measure_blend(
    batches: Batches,
    image_counts: np.ndarray,
    *,
    default_spread: float,
    prior_images: float | None = None,
) -> BlendRule:
    r"""Return the rule that training images call for.

    The prior has not seen them, and class means are judged on images left out of them, so that
    both are measured as on new images. Spreads and correlation are those within right and wrong
    classes, pooled, of an image's scores less their mean over the wrong ones. Where there are few,
    they lean on the spread over all classes, which counts as `TOTAL_WEIGHT` degrees of freedom; the
    means' strength leans on `DEFAULT_STRENGTH`, which counts as one image, and one more for each
    class with a single image. Each class counts once, however many images it has: the images weigh
    what they do in `ClassDirections`.

    Parameters
    ----------
    batches : iterable of (prior, means, positions)
        Scores of training images by the prior and by class means without the image, both
        (n_batch, n_classes), two classes at least, NaN where an image was the only one of its
        class; and the class of each image.
    image_counts : ndarray of shape (n_classes,)
        Training images of each class.
    default_spread : float
        Of the means' scores where leaving an image out leaves nothing to compare, as with one image
        of each of two classes.
    prior_images : float, optional
        Fixed weights for the rule.
    """
    n_classes = len(image_counts)
    weights, _ = image_weights(image_counts)
    scatter, leads, codes = np.zeros((2, 2)), [], []
    for prior, means, positions in batches:
        wrong = np.ones(prior.shape, dtype=bool)
        wrong[np.arange(len(positions)), positions] = False
        scores = np.stack([prior, means]).astype(np.float64)
        scores -= np.where(wrong, scores, 0).sum(axis=2, keepdims=True) / (n_classes - 1)
        weighted = (scores * weights[positions][:, None])[:, wrong]
        scatter += weighted @ scores[:, wrong].T
        leads.append(scores[:, ~wrong])
        codes.append(positions)
    lead, positions = np.concatenate(leads, axis=1), np.concatenate(codes)
    share, weight = _share(image_counts[positions] - 1.0), weights[positions]
    judged = np.isfinite(lead[1])
    spreads, correlation = _within(scatter, lead, weight, judged, n_classes, default_spread)
    z = lead / spreads[:, None]
    reached = (weight * share)[judged] @ z[1, judged]
    of_images = weight[judged] @ np.square(share[judged])
    n_default = 1 + (image_counts == 1).sum()
    return BlendRule(
        prior_spread=float(spreads[0]),
        means_spread=float(spreads[1]),
        prior_strength=float(np.average(z[0], weights=weight)),
        means_strength=float((n_default * DEFAULT_STRENGTH + reached) / (n_default + of_images)),
        correlation=correlation,
        prior_images=prior_images,
    )


def with_trust(rule: BlendRule, batches: Batches, image_counts: np.ndarray) -> BlendRule:
    """Return the rule with the trust in the means that training images justify.

    A strong prior is hard to improve, and Fisher's weights assume scores with normal distributions,
    which those of a confident prior are not. So the means get a share only where they prove it:
    training images left out of the means are named with each trust, and the best one must have a
    higher mean class accuracy than the prior alone by more than the standard error of the
    difference. Where fewer than half of the classes have two images there is nothing to prove it
    with: the means are then trusted in full if the prior names less than half of the images of a
    class on average, and not at all otherwise.

    Parameters
    ----------
    rule : BlendRule
        What `measure_blend` returned.
    batches : iterable
        The same as for `measure_blend`.
    image_counts : ndarray of shape (n_classes,)
        Training images of each class.
    """
    n_classes = len(image_counts)
    rules = [replace(rule, trust=trust) for trust in TRUSTS]
    hits, prior_hits, judged = [], np.zeros(n_classes), []
    for prior, means, positions in batches:
        own = (np.arange(len(positions)), positions)
        right = prior[own] >= prior.max(axis=1)
        prior_hits += np.bincount(positions, weights=right, minlength=n_classes)
        known = np.isfinite(means[own])
        prior, means, positions = prior[known], means[known], positions[known]
        scores = [_without_itself(r, prior, means, positions, image_counts) for r in rules]
        hits.append([each.argmax(axis=1) == positions for each in scores])
        judged.append(positions)
    codes = np.concatenate(judged)
    n_judged = len(np.unique(codes))
    if 2 * n_judged < n_classes:
        weak = (prior_hits / image_counts).mean() < 0.5
        return rules[-1] if weak else rules[0]
    right = np.concatenate(hits, axis=1).astype(np.float64)
    counts = np.bincount(codes)[codes]
    share = 1 / (counts * n_judged)  # of an image in mean class accuracy
    best = int(np.round(right @ share, 12).argmax())  # ties go to the least trust
    gain = right[best] - right[0]
    error = np.sqrt(np.square(gain).mean() * np.square(share).sum())
    return rules[best] if round(float(gain @ share - error), 12) > 0 else rules[0]


def _without_itself(
    rule: BlendRule,
    prior: np.ndarray,
    means: np.ndarray,
    positions: np.ndarray,
    image_counts: np.ndarray,
) -> np.ndarray:
    """Return the blend for training images: the class of each has one image less."""
    own = (np.arange(len(positions)), positions)
    prior = (prior - prior.mean(axis=1, keepdims=True)) / rule.prior_spread
    means = (means - means.mean(axis=1, keepdims=True)) / rule.means_spread
    of_all, of_one_less = rule.weights(image_counts), rule.weights(image_counts - 1)
    blended, without = (
        prior * of_prior + means * of_means - threshold
        for of_prior, of_means, threshold in (of_all, of_one_less)
    )
    blended[own] = without[own]
    return blended


def _within(
    scatter: np.ndarray,
    lead: np.ndarray,
    weight: np.ndarray,
    judged: np.ndarray,
    n_classes: int,
    default_spread: float,
) -> tuple[np.ndarray, float]:
    """Return spreads and correlation within wrong and right classes.

    Parameters
    ----------
    scatter : ndarray of shape (2, 2)
        Of the wrong classes about their mean in each image.
    lead : ndarray of shape (2, n_images)
        Of the right class over that mean.
    weight : ndarray of shape (n_images,)
        What each image counts.
    judged : ndarray of bool of shape (n_images,)
        Where both leads are known.
    n_classes : int
        Right and wrong.
    default_spread : float
        Of the means where nothing is known.
    """
    n_images = weight.sum()
    freedom = n_images * (n_classes - 2)
    # A lead over the mean of C - 1 scores varies C / (C - 1) times as much as a score.
    shrink = (n_classes - 1) / n_classes
    known = np.where(judged, lead, 0)
    total = np.diag(scatter) + shrink * np.square(known) @ weight
    total = total / (n_images * (n_classes - 1))
    total = np.where(total > 0, total, [1.0, default_spread**2])
    if judged.sum() > 1:
        counted, leads = weight[judged], lead[:, judged]
        deviations = leads - np.average(leads, axis=1, weights=counted)[:, None]
        scatter = scatter + shrink * (deviations * counted) @ deviations.T
        freedom += max(counted.sum() - 1, 0)
    covariance = (scatter + TOTAL_WEIGHT * np.diag(total)) / (freedom + TOTAL_WEIGHT)
    spreads = np.sqrt(np.diag(covariance))
    return spreads, float(covariance[0, 1] / spreads.prod())


def _share(n_images: np.ndarray) -> np.ndarray:
    """Return what part of the strength of infinitely many images so many have."""
    return np.sqrt(n_images / (n_images + HALF_STRENGTH_IMAGES))
