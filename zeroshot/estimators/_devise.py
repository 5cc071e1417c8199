"""DeViSE: a map into the label space, trained to rank the true label first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from sklearn.utils.metaestimators import available_if

from zeroshot._linear import LinearSystem, apply_map
from zeroshot._utils._constraints import COUNT, Maybe, Number, OneOf
from zeroshot._utils._fitted import Layers, OfFeatures
from zeroshot._utils._onnx_graph import Graph
from zeroshot._utils._validation import check_labels
from zeroshot.estimators._embedding_classifier import ClosedFormClassifier
from zeroshot.label_embeddings import LabelEmbedding
from zeroshot.networks._fit_network import fit_network, run_network
from zeroshot.networks._perceptron import (
    is_linear,
    train_perceptron,
)
from zeroshot.networks._task import (
    check_classes,
    check_no_network,
    find_labels,
    has_partial_fit,
    vector_task,
)
from zeroshot.networks._training import Defaults, Training, TrainingMixin, fitted_network, trains

if TYPE_CHECKING:
    from torch import nn


@trains
class DeViSEClassifier(TrainingMixin, ClosedFormClassifier):
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
        Margin of the hinge rank loss and the cosine margin loss.
    n_negatives : int, optional
        How many wrong labels the hinge rank loss draws for each sample; all if None.
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
        Describe each label by its RBF-kernel similarities to the seen classes instead of by its
        vector (semantic similarity embedding). The most similar seen classes then decide where a
        label lies. Values from about 1 to 4 are useful for word vectors; None uses the vectors.
    hubness : {"zscore", "csls"}, optional
        Correct the scores against hubs: labels that win far more images than they should.
        ``"zscore"`` subtracts the mean of each label's scores and divides by their standard
        deviation, similar to Dinu et al.; ``"csls"`` is CSLS with k = 10 (Conneau et al.). Both
        learn only from the rows of ``fit``, and keep n_dims squared floats, or at most 4,096
        vectors. In ``studies/hubs.py`` they gain most with ``center=False``, and little with
        `gamma`.
    temperature : float, "auto" or None, default=None
        Scores are divided by it in ``predict_proba``. None chooses it on held-out classes where the
        folds come in one pass over the data (the closed form without `hubness`, from ``fit``, with
        at least four seen classes), and is 0.1 elsewhere. "auto" always chooses it, which elsewhere
        costs up to five further fits.
    training : Training, optional
        How a perceptron or a network is trained. Defaults here: 20 epochs, and for features a
        learning rate of 1e-2 and a weight decay of 10, for a network 1e-3 and 1e-4.
    random_state : int, RandomState instance or None, default=None
        Seed of initial weights, sample order and drawn wrong labels, when trained.
    network : str or torch.nn.Module, optional
        Train this on images, X being a list of paths or PIL images or a uint8 array (n, height,
        width, 3): ``"simpnet"``, ``"tiny_cnn"``, ``"timm:<name>"`` (with its weights), or a module
        from float images (n, 3, height, width) to features (n, n_features), which is copied. The
        layers of `hidden` and the outputs come after it. None takes features.
    image_size : int, optional
        Images are resized to squares of this side; None keeps their size.
    init_from : fitted estimator, optional
        Start from the weights of its ``network_``, but for the layers after the features.
    warm_start : bool, default=False
        Whether ``fit`` continues from the weights of an earlier ``fit``.

    Attributes
    ----------
    classes_, seen_classes_, unseen_classes_ : ndarray
        The candidates, those that were in ``fit``, and those that were not.
    class_vectors_ : ndarray of shape (n_classes, n_dims)
        The vectors of ``classes_``: centred, of unit length.
    coefs_ : list of ndarray of shape (n_inputs, n_outputs)
        Weights, one matrix per layer.
    intercepts_ : list of ndarray of shape (n_outputs,)
        Biases, one vector per layer.
    history_ : list of dict
        One dict per epoch, with ``"loss"``, ``"metric"`` (of a network: accuracy among the seen
        classes), ``"learning_rate"`` and ``"images_per_second"``; empty for the closed form.
    network_ : torch.nn.Module
        The trained network, if there is one: from uint8 images (n, 3, height, width) to vectors.
    image_shape_ : tuple of int
        Height and width of the images that it was trained on.

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

    _constraints: ClassVar[Mapping[str, Any]] = {
        "loss": OneOf("hinge", "cosine_margin", "cosine", "mse"),
        "margin": Number(at_least=0),
        "n_negatives": Maybe(COUNT),
        "alpha": Number(at_least=0),
    }
    _fitted: ClassVar[Mapping[str, Any]] = {
        "coefs_": OfFeatures(Layers("n_features", "n_dims")),
        "intercepts_": OfFeatures(Layers("n_features", "n_dims", bias=True)),
        **fitted_network("n_dims"),
    }
    _of_the_run = ("init_from",)

    def __init__(
        self,
        label_embedding: LabelEmbedding | None = None,
        *,
        loss: str = "hinge",
        margin: float = 0.1,
        n_negatives: int | None = None,
        hidden: tuple[int, ...] = (),
        alpha: float = 1.0,
        candidates: Any = None,
        scenario: str = "generalized",
        center: bool = True,
        gamma: float | None = None,
        hubness: str | None = None,
        temperature: float | str | None = None,
        training: Training | None = None,
        random_state: Any = None,
        network: Any = None,
        image_size: int | None = None,
        init_from: Any = None,
        warm_start: bool = False,
    ) -> None:
        self.label_embedding = label_embedding
        self.loss = loss
        self.margin = margin
        self.n_negatives = n_negatives
        self.hidden = hidden
        self.alpha = alpha
        self.candidates = candidates
        self.scenario = scenario
        self.center = center
        self.gamma = gamma
        self.hubness = hubness
        self.temperature = temperature
        self.training = training
        self.random_state = random_state
        self.network = network
        self.image_size = image_size
        self.init_from = init_from
        self.warm_start = warm_start

    @available_if(has_partial_fit)
    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> Self:
        """Add further rows to the closed form, or train a network for one epoch more.

        The closed form (``loss="mse"`` without hidden layers or a network) is then that of one
        ``fit`` to the rows of all calls, whatever their order, and a label may be new in any of
        them. A network trains at a constant step size.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Features; with a `network` a list of paths or PIL images, or a uint8 array of shape
            (n_samples, height, width, 3).
        y : array-like of shape (n_samples,)
            Their labels.
        classes : array-like of shape (n_classes,), optional
            Labels that later calls may bring. For a network they are fixed by the first call,
            those of `y` if None.
        sample_weight : array-like of shape (n_samples,), optional
            Weights of these rows, as in ``fit``, for the closed form.

        Returns
        -------
        self : object
            The classifier.

        Raises
        ------
        ValueError
            `y` has labels that the first call of a network did not know, or of another kind; X is
            of another width; there is `hubness`, which needs all rows at once; or weights are
            negative, not finite, all 0, or for a network.
        AttributeError
            There is neither a `network` nor a closed form.

        Warns
        -----
        UserWarning
            The closed form comes from ``fit``, which keeps no sums to add to: it starts anew.
        """
        if self.network is None:
            return super().partial_fit(X, y, classes, sample_weight)
        self._check_parameters()
        if sample_weight is not None:
            check_no_network(self)
        owner = type(self).__name__
        X, y = self._validate_fit(X, y)
        known = hasattr(self, "network_")
        labels = y if classes is None else check_labels(classes, owner=owner, name="classes")
        _, vectors = self._set_label_space(self.seen_classes_ if known else labels)
        self._train(X, find_labels(y, self.seen_classes_, owner=owner), vectors, one_more=True)
        self._fit_hubness(X, y)
        return self

    def _check_weighable(self) -> None:
        super()._check_weighable()
        check_no_network(self)

    def _learn_rows(self, X: Any, y: np.ndarray, weights: np.ndarray | None) -> None:
        positions, vectors = self._set_label_space(y)
        if self.network is not None:
            self._train(X, positions, vectors)
            return
        loss = _make_loss(self.loss, self.margin, self.n_negatives)
        self.coefs_, self.intercepts_, self.history_ = train_perceptron(
            self, X, positions, vectors, loss, self.hidden, weights
        )

    def _train(
        self, X: Any, y: np.ndarray, class_vectors: np.ndarray, *, one_more: bool = False
    ) -> None:
        check_classes(self.seen_classes_, owner=type(self).__name__)
        loss = _make_loss(self.loss, self.margin, self.n_negatives)
        about = {"loss": self.loss, "margin": self.margin, "n_negatives": self.n_negatives}
        task = vector_task(y, class_vectors, self.hidden, loss, about, unit_vectors=True)
        fit_network(self, X, task, one_more=one_more)

    def _is_closed_form(self) -> bool:
        return self.network is None and self.loss == "mse" and is_linear(self.hidden)

    def _check_sums(self) -> bool:
        """Tell whether the estimator has ``merge``, and ``partial_fit`` without a network.

        Raises
        ------
        AttributeError
            It has not: it trains.
        """
        if not self._is_closed_form():
            raise AttributeError(
                f"{type(self).__name__}: only the closed form adds up. Pass loss='mse' with "
                "hidden=() and network=None."
            )
        return True

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
        solution = system.ridge(self._seen_vectors(system), self.alpha)
        self.coefs_, self.intercepts_ = [solution.coef], [solution.intercept]
        self.history_ = []
        return self

    def _training_defaults(self) -> Defaults:
        if self.network is None:
            return Defaults(epochs=20, learning_rate=1e-2, weight_decay=10.0)
        return Defaults(epochs=20)

    def _project(self, X: Any) -> np.ndarray:
        if self.network is not None:
            return run_network(self, X)
        return apply_map(X, self.coefs_, self.intercepts_)

    def _add_projection(self, graph: Graph, X: str) -> str:
        # The outputs of a network are the input of the graph.
        return X if self.network is not None else graph.layers(X, self.coefs_, self.intercepts_)


def _make_loss(name: str, margin: float, n_negatives: int | None) -> nn.Module:
    from zeroshot.losses import CosineLoss, CosineMarginLoss, HingeRankLoss, MSELoss

    if name == "hinge":
        return HingeRankLoss(margin, n_negatives)
    if name == "cosine_margin":
        return CosineMarginLoss(margin)
    return CosineLoss() if name == "cosine" else MSELoss()
