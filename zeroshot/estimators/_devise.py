"""DeViSE: a map into the label space, trained to rank the true label first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from zeroshot._validation import check_number, check_option
from zeroshot.estimators._base import ZeroShotClassifier
from zeroshot.estimators._map import (
    FittedMap,
    apply_map,
    check_hidden,
    fit_perceptron,
    fit_ridge,
    is_linear,
    ridge_map,
    training_settings,
)
from zeroshot.label_embeddings import LabelEmbedding

if TYPE_CHECKING:
    from torch import nn

LOSSES = ("hinge", "cosine_margin", "cosine", "mse")


class DeViSEClassifier(ZeroShotClassifier):
    """Deep visual-semantic embedding: features are mapped next to the vectors of their labels.

    Parameters
    ----------
    label_embedding : LabelEmbedding, optional
        Vectors of the labels; one-hot vectors of the seen classes if None, which makes it an
        ordinary classifier.
    loss : {"hinge", "cosine_margin", "cosine", "mse"}, default="hinge"
        Hinge rank loss over all wrong labels (Frome et al., equation 1); the pairwise cosine loss
        of Nishimura et al.; one less the cosine; or the squared error, which without hidden layers
        is ridge regression in closed form.
    margin : float, default=0.1
        Of the two losses that have one.
    hidden : tuple of int, default=()
        Widths of hidden layers with ReLU; none is the published linear map.
    alpha : float, default=1.0
        Penalty on the squared weights in the closed form.
    candidates : array-like of shape (n_classes,) or "vocabulary", optional
        The vocabulary that ``predict`` chooses from: labels, or all those that the label embedding
        has in its own; the labels of ``fit`` if None.
    scenario : {"generalized", "unseen"}, default="generalized"
        Whether all candidates may win, or only those not seen in ``fit``.
    center : bool, default=True
        Subtract the mean of the seen classes' vectors before scaling to unit length.
    gamma : float, optional
        Describe each label by its RBF-kernel similarities to the seen classes rather than by its
        vector (semantic similarity embedding): a label is then placed by the seen classes that it
        resembles most. Useful from about 1 to 4 for word vectors; None uses the vectors.
    hubness : {"zscore", "csls"}, optional
        Correct the scores against hubs, labels that win far more images than they should: each
        label's scores less their mean, over their standard deviation, close to the normalised
        columns of Dinu et al.; or CSLS with k = 10 (Conneau et al.). Both are taken from the rows
        of ``fit`` only, and keep n_dims squared floats, or at most 4,096 vectors. In
        ``examples/hubs.py`` they gain most with ``center=False``, and little with `gamma`.
    temperature : float, default=0.1
        Scores are divided by it in ``predict_proba``.
    epochs : int, default=20
        Passes over the data, when trained.
    batch_size : int, default=64
        Samples a step, when trained.
    learning_rate : float, default=1e-2
        Adam's first step size, when trained; it falls to zero along half a cosine.
    weight_decay : float, default=10.0
        Decoupled weight decay, when trained.
    device : str, default="auto"
        Where to train: ``"auto"`` or a torch device.
    random_state : int, RandomState instance or None, default=None
        Of initial weights, sample order and wrong labels, when trained.

    Attributes
    ----------
    classes_, seen_classes_, unseen_classes_ : ndarray
        The vocabulary, and which of it was in ``fit``.
    class_vectors_ : ndarray of shape (n_classes, n_dims)
        The vectors of ``classes_``: centred, of unit length.
    coefs_ : list of ndarray of shape (n_inputs, n_outputs)
        Weights, a matrix a layer.
    intercepts_ : list of ndarray of shape (n_outputs,)
        Biases, a vector a layer.
    history_ : list of float
        Mean loss of each epoch; empty for the closed form.

    References
    ----------
    A. Frome et al., "DeViSE: A Deep Visual-Semantic Embedding Model", NeurIPS 2013.

    T. Nishimura, L. Yu, M. Hellmers, V. Desai, "A Combined Deep Learning and Semantic Embedding
    Model".

    Z. Zhang, V. Saligrama, "Zero-Shot Learning via Semantic Similarity Embedding", ICCV 2015, for
    `gamma`.

    G. Dinu, A. Lazaridou, M. Baroni, "Improving Zero-Shot Learning by Mitigating the Hubness
    Problem", ICLR workshop 2015, and A. Conneau et al., "Word Translation Without Parallel Data",
    ICLR 2018, for `hubness`; hubs in zero-shot learning are described by A. Lazaridou, G. Dinu,
    M. Baroni, "Hubness and Pollution", ACL 2015.

    Examples
    --------
    A label that was never seen is recognised by the vector that its image is mapped to:

    >>> import numpy as np
    >>> from zeroshot import AttributeTable, DeViSEClassifier
    >>> attributes = AttributeTable(
    ...     [[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0]], labels=["red", "big", "old", "big red"]
    ... )
    >>> X = np.repeat(np.eye(3), 5, axis=0)
    >>> y = np.repeat(["red", "big", "old"], 5)
    >>> model = DeViSEClassifier(attributes, loss="mse", candidates=["old", "big red"], alpha=0.1)
    >>> model.fit(X, y).predict([[0.7, 0.7, 0.0], [0.0, 0.0, 1.0]]).tolist()
    ['big red', 'old']
    """

    def __init__(
        self,
        label_embedding: LabelEmbedding | None = None,
        *,
        loss: str = "hinge",
        margin: float = 0.1,
        hidden: tuple[int, ...] = (),
        alpha: float = 1.0,
        candidates: Any = None,
        scenario: str = "generalized",
        center: bool = True,
        gamma: float | None = None,
        hubness: str | None = None,
        temperature: float = 0.1,
        epochs: int = 20,
        batch_size: int = 64,
        learning_rate: float = 1e-2,
        weight_decay: float = 10.0,
        device: str = "auto",
        random_state: Any = None,
    ) -> None:
        self.label_embedding = label_embedding
        self.loss = loss
        self.margin = margin
        self.hidden = hidden
        self.alpha = alpha
        self.candidates = candidates
        self.scenario = scenario
        self.center = center
        self.gamma = gamma
        self.hubness = hubness
        self.temperature = temperature
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.device = device
        self.random_state = random_state

    def _fit_map(self, X: np.ndarray, y: np.ndarray, class_vectors: np.ndarray) -> None:
        hidden = self._check_parameters()
        self._keep(self._solve(X, y, class_vectors, hidden))

    def _learns_by_class(self) -> bool:
        """Tell whether ``fit`` is ridge regression: see `cross_validate_classes`."""
        return self.loss == "mse" and is_linear(self.hidden) and self.hubness is None

    def _fit_classes(self, classes: np.ndarray, ridge: Any) -> None:
        """Do what ``fit`` does to the sorted labels that occur, with `ridge` in place of rows."""
        _, vectors = self._fit_seen(classes)
        self._embed_vocabulary()
        self._check_parameters()
        self._keep(ridge_map(ridge, vectors, self.alpha))

    def _check_parameters(self) -> tuple[int, ...]:
        owner = type(self).__name__
        check_option(self.loss, LOSSES, owner=owner, name="loss")
        check_number(self.alpha, owner=owner, name="alpha", at_least=0)
        check_number(self.margin, owner=owner, name="margin", at_least=0)
        return check_hidden(self.hidden, owner=owner)

    def _keep(self, fitted: FittedMap) -> None:
        self.coefs_, self.intercepts_ = fitted.coefs, fitted.intercepts
        self.history_ = fitted.history

    def _solve(
        self, X: np.ndarray, y: np.ndarray, class_vectors: np.ndarray, hidden: tuple[int, ...]
    ) -> FittedMap:
        if self.loss == "mse" and not hidden:
            return fit_ridge(X, class_vectors, self.alpha, codes=y)
        settings = training_settings(self)
        loss = _make_loss(self.loss, self.margin, settings.seed)
        return fit_perceptron(X, y, class_vectors, loss, hidden, settings)

    def _project(self, X: np.ndarray) -> np.ndarray:
        return apply_map(X, self.coefs_, self.intercepts_)


def _make_loss(name: str, margin: float, seed: int) -> nn.Module:
    from zeroshot._torch import generator
    from zeroshot.losses import CosineLoss, CosineMarginLoss, HingeRankLoss, MSELoss

    if name == "hinge":
        return HingeRankLoss(margin)
    if name == "cosine_margin":
        return CosineMarginLoss(margin, generator(seed, stream=2))
    return CosineLoss() if name == "cosine" else MSELoss()
