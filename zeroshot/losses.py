"""Losses for training: squared error, cosine, hinge and rank losses.

`DeViSEClassifier` trains with `HingeRankLoss`, `CosineMarginLoss`, `CosineLoss` or `MSELoss` (its
parameter ``loss``), `ALEClassifier` with `WeightedRankLoss`, `SJEClassifier` with
`StructuredHingeLoss`.

Every loss is a module called as ``loss(predicted, targets, class_vectors, weights=None)``.
`predicted` (n, d) are the outputs of the network, `targets` (n,) the positions of the true classes,
and `class_vectors` (n_classes, d) the vectors of the training classes. It returns the mean over the
samples, a scalar. With `weights` (n,), the loss of each sample is multiplied by its weight first.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zeroshot._utils._validation import check_number


class MSELoss(nn.Module):
    r"""Mean squared distance to the true class's vector, :math:`\frac1d\|\hat x - s_y\|^2`.

    References
    ----------
    M. Baughman, I. Foster, K. Chard, "Embeddings are All You Need", 2021.

    Examples
    --------
    >>> import torch
    >>> from zeroshot.losses import MSELoss
    >>> MSELoss()(torch.tensor([[1.0, 1.0]]), torch.tensor([0]), torch.eye(2)).item()
    0.5
    """

    def forward(
        self,
        predicted: Tensor,
        targets: Tensor,
        class_vectors: Tensor,
        weights: Tensor | None = None,
    ) -> Tensor:
        """Return the loss, a scalar: the mean over samples, each times its weight."""
        if weights is None:
            return F.mse_loss(predicted, class_vectors[targets])
        return _mean((predicted - class_vectors[targets]).square().mean(dim=1), weights)


class CosineLoss(nn.Module):
    r"""One minus the cosine with the true class's vector, :math:`1 - \cos(\hat x, s_y)`.

    Examples
    --------
    >>> import torch
    >>> from zeroshot.losses import CosineLoss
    >>> CosineLoss()(torch.tensor([[3.0, 0.0]]), torch.tensor([0]), torch.eye(2)).item()
    0.0
    """

    def forward(
        self,
        predicted: Tensor,
        targets: Tensor,
        class_vectors: Tensor,
        weights: Tensor | None = None,
    ) -> Tensor:
        """Return the loss, a scalar: the mean over samples, each times its weight."""
        return _mean(1 - F.cosine_similarity(predicted, class_vectors[targets]), weights)


class CosineMarginLoss(nn.Module):
    r"""Cosine loss with a penalty for similarity to a wrong class.

    :math:`1 - \cos(\hat x, s_y) + \max(0, \cos(\hat x, s_j) - m)` with one random wrong class j
    for each sample.

    Parameters
    ----------
    margin : float, default=0.1
        Cosine with the wrong class up to which there is no penalty.
    generator : torch.Generator, optional
        Generator that draws the wrong classes. The default is torch's global CPU generator, for
        data on any device.

    Raises
    ------
    ValueError
        `margin` is not a finite number.

    References
    ----------
    T. Nishimura, L. Yu, M. Hellmers, V. Desai, "A Combined Deep Learning and Semantic Embedding
    Model".

    Examples
    --------
    >>> import torch
    >>> from zeroshot.losses import CosineMarginLoss
    >>> loss = CosineMarginLoss(margin=0.1)
    >>> round(loss(torch.tensor([[0.0, 2.0]]), torch.tensor([0]), torch.eye(2)).item(), 6)
    1.9
    """

    def __init__(self, margin: float = 0.1, generator: torch.Generator | None = None) -> None:
        super().__init__()
        check_number(margin, owner="CosineMarginLoss", name="margin")
        self.margin = margin
        self.generator = generator

    def forward(
        self,
        predicted: Tensor,
        targets: Tensor,
        class_vectors: Tensor,
        weights: Tensor | None = None,
    ) -> Tensor:
        """Return the loss, a scalar: the mean over samples, each times its weight."""
        attract = 1 - F.cosine_similarity(predicted, class_vectors[targets])
        if len(class_vectors) == 1:
            return _mean(attract, weights)
        wrong = class_vectors[_draw_wrong(targets, len(class_vectors), 1, self.generator)[:, 0]]
        repel = F.relu(F.cosine_similarity(predicted, wrong) - self.margin)
        return _mean(attract + repel, weights)


class HingeRankLoss(nn.Module):
    r"""Hinge rank loss over every wrong class, or over a sample of them.

    :math:`\sum_{j \ne y} \max(0, m - s_y \cdot \hat x + s_j \cdot \hat x)`.

    Parameters
    ----------
    margin : float, default=0.1
        Minimum difference between the score of the true class and that of each other class.
    n_negatives : int, optional
        Number of wrong classes drawn per sample, uniformly and with replacement. Their sum is
        multiplied by (n_classes - 1) / `n_negatives`, so that its expectation is the sum over all
        wrong classes. The cost then does not depend on the number of classes; it is faster from
        about a thousand classes on. The default is to use all wrong classes, as is done if there
        are at most `n_negatives` of them.
    generator : torch.Generator, optional
        Generator that draws the wrong classes. The default is torch's global CPU generator, for
        data on any device.

    Raises
    ------
    ValueError
        `margin` is not a finite number, or `n_negatives` is not an integer of at least 1.

    References
    ----------
    A. Frome et al., "DeViSE: A Deep Visual-Semantic Embedding Model", NeurIPS 2013, equation 1.

    Examples
    --------
    >>> import torch
    >>> from zeroshot.losses import HingeRankLoss
    >>> predicted, targets = torch.tensor([[0.0, 1.0, 1.0]]), torch.tensor([0])
    >>> round(HingeRankLoss(0.1)(predicted, targets, torch.eye(3)).item(), 6)
    2.2
    >>> round(HingeRankLoss(0.1, n_negatives=1)(predicted, targets, torch.eye(3)).item(), 6)
    2.2
    """

    def __init__(
        self,
        margin: float = 0.1,
        n_negatives: int | None = None,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        check_number(margin, owner="HingeRankLoss", name="margin")
        if n_negatives is not None:
            check_number(
                n_negatives, owner="HingeRankLoss", name="n_negatives", at_least=1, integer=True
            )
        self.margin = margin
        self.n_negatives = n_negatives
        self.generator = generator

    def forward(
        self,
        predicted: Tensor,
        targets: Tensor,
        class_vectors: Tensor,
        weights: Tensor | None = None,
    ) -> Tensor:
        """Return the loss, a scalar: the mean over samples, each times its weight."""
        n_wrong = len(class_vectors) - 1
        if self.n_negatives is not None and self.n_negatives < n_wrong:
            drawn = _draw_wrong(targets, n_wrong + 1, self.n_negatives, self.generator)
            # Only the drawn classes are scored: n_negatives exists to avoid the product with all
            # classes.
            true = (predicted * class_vectors[targets]).sum(dim=1, keepdim=True)
            scores = torch.einsum("nd,nkd->nk", predicted, class_vectors[drawn])
            violation = F.relu(self.margin - true + scores)
            return _mean(violation.mean(dim=1), weights) * n_wrong
        scores = predicted @ class_vectors.T
        true = scores.gather(1, targets[:, None])
        violation = F.relu(self.margin - true + scores)
        # The true class violates its own margin by exactly `margin`: subtract this constant.
        return _mean(violation.sum(dim=1) - self.margin, weights)


class WeightedRankLoss(nn.Module):
    r"""Hinge rank loss weighted by the rank of the true class, with most weight on the top ranks.

    :math:`\frac{\beta_r}{r} \sum_{j \ne y} \max(0, m - s_y \cdot \hat x + s_j \cdot \hat x)`,
    where r is the number of wrong classes with a positive loss, and :math:`\beta_r = \sum_{i=1}^r
    1/i`.

    Parameters
    ----------
    margin : float, default=1.0
        Minimum difference between the score of the true class and that of each other class. 1 is
        the 0/1 loss of the paper.

    Raises
    ------
    ValueError
        `margin` is not a finite number.

    References
    ----------
    Z. Akata, F. Perronnin, Z. Harchaoui, C. Schmid, "Label-Embedding for Image Classification",
    TPAMI 2016. N. Usunier, D. Buffoni, P. Gallinari, "Ranking with Ordered
    Weighted Pairwise Classification", ICML 2009, for the weights.

    Examples
    --------
    Both wrong classes have a loss of 1.5: half of (1 + 1/2) times their sum of 3.

    >>> import torch
    >>> from zeroshot.losses import WeightedRankLoss
    >>> scores = torch.tensor([[0.0, 0.5, 0.5]])
    >>> WeightedRankLoss()(scores, torch.tensor([0]), torch.eye(3)).item()
    2.25
    """

    def __init__(self, margin: float = 1.0) -> None:
        super().__init__()
        check_number(margin, owner="WeightedRankLoss", name="margin")
        self.margin = margin

    def forward(
        self,
        predicted: Tensor,
        targets: Tensor,
        class_vectors: Tensor,
        weights: Tensor | None = None,
    ) -> Tensor:
        """Return the loss, a scalar: the mean over samples, each times its weight."""
        violation = _violations(predicted, targets, class_vectors, self.margin)
        rank = (violation > 0).sum(dim=1)
        steps = 1 / torch.arange(1, len(class_vectors) + 1).to(violation)
        beta = F.pad(steps.cumsum(0), (1, 0))
        return _mean(beta[rank] / rank.clamp(min=1) * violation.sum(dim=1), weights)


class StructuredHingeLoss(nn.Module):
    r"""Hinge loss of the most violating class only.

    :math:`\max_{j \ne y} \max(0, m - s_y \cdot \hat x + s_j \cdot \hat x)`.

    Parameters
    ----------
    margin : float, default=1.0
        Minimum difference between the score of the true class and the best other score. 1 is the
        0/1 loss of the paper.

    Raises
    ------
    ValueError
        `margin` is not a finite number.

    References
    ----------
    Z. Akata, S. Reed, D. Walter, H. Lee, B. Schiele, "Evaluation of Output Embeddings for
    Fine-Grained Image Classification", CVPR 2015.

    Examples
    --------
    >>> import torch
    >>> from zeroshot.losses import StructuredHingeLoss
    >>> scores = torch.tensor([[0.0, 0.5, 0.25]])
    >>> StructuredHingeLoss()(scores, torch.tensor([0]), torch.eye(3)).item()
    1.5
    """

    def __init__(self, margin: float = 1.0) -> None:
        super().__init__()
        check_number(margin, owner="StructuredHingeLoss", name="margin")
        self.margin = margin

    def forward(
        self,
        predicted: Tensor,
        targets: Tensor,
        class_vectors: Tensor,
        weights: Tensor | None = None,
    ) -> Tensor:
        """Return the loss, a scalar: the mean over samples, each times its weight."""
        violation = _violations(predicted, targets, class_vectors, self.margin)
        return _mean(violation.amax(dim=1), weights)


def _mean(losses: Tensor, weights: Tensor | None) -> Tensor:
    return (losses if weights is None else losses * weights).mean()


def _violations(predicted: Tensor, targets: Tensor, class_vectors: Tensor, margin: float) -> Tensor:
    """Return the loss of each wrong class, (n, n_classes); it is 0 for the true class."""
    scores = predicted @ class_vectors.T
    true = scores.gather(1, targets[:, None])
    return F.relu(margin - true + scores).scatter(1, targets[:, None], 0.0)


def _draw_wrong(
    targets: Tensor, n_classes: int, n_draws: int, generator: torch.Generator | None
) -> Tensor:
    """Return random positions of wrong classes, (n, n_draws), drawn uniformly."""
    # Drawn on the generator's device, else on the CPU, for data on any device: the same seed then
    # gives the same draws everywhere.
    device = torch.device("cpu") if generator is None else generator.device
    size = (len(targets), n_draws)
    step = torch.randint(1, n_classes, size, generator=generator, device=device)
    return (targets[:, None] + step.to(targets.device)) % n_classes
