"""ALE and SJE: bilinear maps trained to rank the true label first."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from zeroshot._linear import apply_map
from zeroshot._utils._constraints import Number
from zeroshot._utils._fitted import Array, History
from zeroshot._utils._onnx_graph import Graph
from zeroshot.estimators._embedding_classifier import WeightedClassifier
from zeroshot.label_embeddings import LabelEmbedding
from zeroshot.networks._perceptron import train_perceptron
from zeroshot.networks._training import Defaults, Training, TrainingMixin, trains

if TYPE_CHECKING:
    from torch import nn


@trains
class RankingClassifier(TrainingMixin, WeightedClassifier):
    """Interface of the classifiers whose bilinear map is trained by a ranking loss."""

    _constraints: ClassVar[Mapping[str, Any]] = {
        "margin": Number(above=0),
    }
    _fitted: ClassVar[Mapping[str, Any]] = {
        "coef_": Array("n_features", "n_dims"),
        "intercept_": Array("n_dims"),
        "history_": History(),
    }

    def __init__(
        self,
        label_embedding: LabelEmbedding | None = None,
        *,
        margin: float = 1.0,
        candidates: Any = None,
        scenario: str = "generalized",
        center: bool = True,
        gamma: float | None = None,
        hubness: str | None = None,
        temperature: float | str | None = None,
        training: Training | None = None,
        random_state: Any = None,
    ) -> None:
        self.label_embedding = label_embedding
        self.margin = margin
        self.candidates = candidates
        self.scenario = scenario
        self.center = center
        self.gamma = gamma
        self.hubness = hubness
        self.temperature = temperature
        self.training = training
        self.random_state = random_state

    @abstractmethod
    def _loss(self) -> nn.Module:
        """Return the loss to train with."""

    def _training_defaults(self) -> Defaults:
        return Defaults(epochs=20, learning_rate=1e-2, weight_decay=20.0)

    def _learn(self, X: np.ndarray, y: np.ndarray, weights: np.ndarray | None = None) -> None:
        positions, class_vectors = self._set_label_space(y)
        (self.coef_,), (self.intercept_,), self.history_ = train_perceptron(
            self, X, positions, class_vectors, self._loss(), weights=weights
        )

    def _project(self, X: np.ndarray) -> np.ndarray:
        return apply_map(X, [self.coef_], [self.intercept_])

    def _add_projection(self, graph: Graph, X: str) -> str:
        return graph.affine(X, self.coef_, self.intercept_)


class ALEClassifier(RankingClassifier):
    r"""Attribute label embedding: a bilinear score trained to rank, the top of the ranking most.

    The score of label vector s for features x is :math:`x^\top W s`. A sample of class y costs

    .. math:: \frac{\beta_r}{r} \sum_{j \ne y} \max(0, 1 - x^\top W s_y + x^\top W s_j),

    where r is how many wrong classes come within the margin, and
    :math:`\beta_r = 1 + 1/2 + \dots + 1/r` makes the first mistakes the most expensive ones. Ranks
    are counted rather than estimated from drawn classes, and steps are Adam's.

    Parameters
    ----------
    label_embedding : LabelEmbedding, optional
        Vectors of the labels; one-hot vectors of the seen classes if None, which makes it an
        ordinary classifier.
    margin : float, default=1.0
        How far the true label's score must be above another's, above 0; published: 1.
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
        ``fit`` score: as in `DeViSEClassifier`.
    temperature : float, "auto" or None, default=None
        Scores are divided by it in ``predict_proba``; None is 0.1. "auto" chooses it on held-out
        classes, which costs up to five further fits.
    training : Training, optional
        How the map is trained. Defaults here: 20 epochs, a learning rate of 1e-2 and a weight decay
        of 20. The paper has no weight decay, and stops early instead; this default was chosen by
        class folds on Tiny ImageNet, without the labels of CIFAR-100.
    random_state : int, RandomState instance or None, default=None
        Seed of initial weights and sample order.

    Attributes
    ----------
    classes_, seen_classes_, unseen_classes_ : ndarray
        The candidates, those that were in ``fit``, and those that were not.
    class_vectors_ : ndarray of shape (n_classes, n_dims)
        The vectors of ``classes_``: centred, of unit length.
    coef_ : ndarray of shape (n_features, n_dims)
        W.
    intercept_ : ndarray of shape (n_dims,)
        Biases. The paper has none, but features have a mean.
    history_ : list of dict
        One dict per epoch, with ``"loss"``, ``"learning_rate"`` and ``"images_per_second"``.

    See Also
    --------
    SJEClassifier : The most violating class alone.
    DeViSEClassifier : All wrong classes alike.

    References
    ----------
    Z. Akata, F. Perronnin, Z. Harchaoui, C. Schmid, "Label-Embedding for Attribute-Based
    Classification", CVPR 2013, and "Label-Embedding for Image Classification", TPAMI 2016.

    Examples
    --------
    >>> import numpy as np
    >>> from zeroshot import ALEClassifier, AttributeTable
    >>> attributes = AttributeTable(
    ...     [[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0]], labels=["red", "big", "old", "big red"]
    ... )
    >>> X = np.repeat(np.eye(3), 5, axis=0)
    >>> y = np.repeat(["red", "big", "old"], 5)
    >>> model = ALEClassifier(attributes, candidates=["old", "big red"], random_state=0)
    >>> model.fit(X, y).predict([[0.7, 0.7, 0.0], [0.0, 0.0, 1.0]]).tolist()
    ['big red', 'old']
    """

    def _loss(self) -> nn.Module:
        from zeroshot.losses import WeightedRankLoss

        return WeightedRankLoss(self.margin)


class SJEClassifier(RankingClassifier):
    r"""Structured joint embedding: a bilinear score trained against the most violating class.

    The score of label vector s for features x is :math:`x^\top W s`. A sample of class y costs

    .. math:: \max_{j \ne y} \max(0, 1 - x^\top W s_y + x^\top W s_j).

    Steps are Adam's.

    Parameters
    ----------
    label_embedding : LabelEmbedding, optional
        Vectors of the labels; one-hot vectors of the seen classes if None, which makes it an
        ordinary classifier.
    margin : float, default=1.0
        How far the true label's score must be above another's, above 0; published: 1.
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
        ``fit`` score: as in `DeViSEClassifier`.
    temperature : float, "auto" or None, default=None
        Scores are divided by it in ``predict_proba``; None is 0.1. "auto" chooses it on held-out
        classes, which costs up to five further fits.
    training : Training, optional
        How the map is trained. Defaults here: 20 epochs, a learning rate of 1e-2 and a weight decay
        of 20. The paper has no weight decay, and stops early instead; this default was chosen by
        class folds on Tiny ImageNet, without the labels of CIFAR-100.
    random_state : int, RandomState instance or None, default=None
        Seed of initial weights and sample order.

    Attributes
    ----------
    classes_, seen_classes_, unseen_classes_ : ndarray
        The candidates, those that were in ``fit``, and those that were not.
    class_vectors_ : ndarray of shape (n_classes, n_dims)
        The vectors of ``classes_``: centred, of unit length.
    coef_ : ndarray of shape (n_features, n_dims)
        W.
    intercept_ : ndarray of shape (n_dims,)
        Biases. The paper has none, but features have a mean.
    history_ : list of dict
        One dict per epoch, with ``"loss"``, ``"learning_rate"`` and ``"images_per_second"``.

    See Also
    --------
    ALEClassifier : All violating classes, weighted by their number.
    DeViSEClassifier : All wrong classes alike.

    References
    ----------
    Z. Akata, S. Reed, D. Walter, H. Lee, B. Schiele, "Evaluation of Output Embeddings for
    Fine-Grained Image Classification", CVPR 2015.

    Examples
    --------
    >>> import numpy as np
    >>> from zeroshot import AttributeTable, SJEClassifier
    >>> attributes = AttributeTable(
    ...     [[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0]], labels=["red", "big", "old", "big red"]
    ... )
    >>> X = np.repeat(np.eye(3), 5, axis=0)
    >>> y = np.repeat(["red", "big", "old"], 5)
    >>> model = SJEClassifier(attributes, candidates=["old", "big red"], random_state=0)
    >>> model.fit(X, y).predict([[0.7, 0.7, 0.0], [0.0, 0.0, 1.0]]).tolist()
    ['big red', 'old']
    """

    def _loss(self) -> nn.Module:
        from zeroshot.losses import StructuredHingeLoss

        return StructuredHingeLoss(self.margin)
