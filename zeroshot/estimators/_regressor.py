"""Regression from features to label vectors."""

from __future__ import annotations

from abc import ABCMeta, abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from scipy.sparse import issparse
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    RegressorMixin,
    TransformerMixin,
)
from sklearn.metrics import r2_score
from sklearn.utils import check_consistent_length, gen_batches
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import type_of_target
from sklearn.utils.validation import check_is_fitted

from zeroshot._linear import (
    BLOCK_ELEMENTS,
    ChoosesPenalties,
    LearnsFromSums,
    LinearSystem,
    RidgeSolution,
    RowSums,
    SystemOfRows,
    apply_map,
    fold_systems,
    product,
)
from zeroshot._utils._constraints import Checked, Maybe, Number, OneOf
from zeroshot._utils._doc_links import DocLinkMixin
from zeroshot._utils._fitted import (
    FITTED_FEATURES,
    Labels,
    Layers,
    OfFeatures,
    Optional,
    Part,
    Plain,
)
from zeroshot._utils._saving import SavedEstimator
from zeroshot._utils._validation import check_labels, check_missing_labels
from zeroshot.estimators._input import InputMixin
from zeroshot.estimators._label_space import check_label_embedding
from zeroshot.estimators._penalty_search import (
    DEFAULT_PENALTIES,
    best_point,
    check_cv_parameter,
    check_penalties,
    check_scoring_parameter,
    folds_of_kept,
    make_folds,
    make_scorer,
    score_of,
    search_results,
)
from zeroshot.estimators._unreadable_rows import answers_for_readable_rows
from zeroshot.label_embeddings import LabelEmbedding
from zeroshot.networks._fit_network import fit_network, run_network
from zeroshot.networks._perceptron import (
    is_linear,
    train_perceptron,
)
from zeroshot.networks._task import (
    check_classes,
    check_no_network,
    has_partial_fit,
    vector_task,
)
from zeroshot.networks._training import Training, TrainingMixin, fitted_network, trains

if TYPE_CHECKING:
    from torch import nn


class VectorRegressor(
    InputMixin,
    DocLinkMixin,
    SavedEstimator,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    RegressorMixin,
    BaseEstimator,
    metaclass=ABCMeta,
):
    """Interface of the regressors onto label vectors.

    A subclass has the parameter ``label_embedding``, and in ``fit`` calls `_validate_fit` and sets
    ``seen_classes_``, ``coefs_`` and ``intercepts_``, a matrix and a vector per layer.
    """

    label_embedding: LabelEmbedding | None

    _constraints: ClassVar[Mapping[str, Any]] = {
        "label_embedding": Maybe(Checked(check_label_embedding))
    }
    _fitted: ClassVar[Mapping[str, Any]] = {
        **FITTED_FEATURES,
        "seen_classes_": Maybe(Labels("n_seen", least=1)),
        "coefs_": OfFeatures(Layers("n_features", "n_dims")),
        "intercepts_": OfFeatures(Layers("n_features", "n_dims", bias=True)),
        "_y_ndim": Number(at_least=1, at_most=2, integer=True),
    }
    coefs_: list[np.ndarray]
    intercepts_: list[np.ndarray]
    seen_classes_: np.ndarray | None

    @abstractmethod
    def fit(self, X: Any, y: Any) -> Self:
        """Learn to predict the vector of each sample's label."""

    def _validate_fit(self, X: Any, y: Any, *, reset: bool = True) -> tuple[Any, np.ndarray]:
        """Return X, and y as float vectors or numbers, or as labels (strings or integers).

        With `reset` X may be of another width than before.
        """
        X, y = self._validate_targets(X, y, reset=reset)
        self._y_ndim = y.ndim if y.dtype.kind == "f" else 2
        return X, y

    def _validate_targets(self, X: Any, y: Any, *, reset: bool) -> tuple[Any, np.ndarray]:
        owner = type(self).__name__
        if issparse(y):
            raise TypeError(f"{owner}: y is sparse. Pass y.toarray().")
        if self.label_embedding is None:
            if _holds_strings(y):
                raise ValueError(
                    f"{owner}: y holds strings, but without a label_embedding it must be numbers. "
                    "Pass label_embedding=, such as WordVectors(), to give labels vectors."
                )
            X, y = self._validate_pair(X, y, reset=reset, multi_output=True, y_numeric=True)
            return X, y.astype(np.float64)
        n_dims = self.label_embedding.n_dims
        y = check_missing_labels(y, owner=owner)
        X, y = self._validate_pair(X, y, reset=reset, multi_output=True)
        if y.ndim == 1:
            if y.dtype.kind == "f" and type_of_target(y) == "continuous":
                raise ValueError(
                    f"{owner}: y holds continuous numbers, but label_embedding is given and "
                    f"expects labels (1-D) or vectors of shape (n_samples, {n_dims}). "
                    "Pass labels, or label_embedding=None."
                )
            return X, check_labels(y, owner=owner, name="y")
        if y.shape[1] != n_dims:
            raise ValueError(
                f"{owner}: y has vectors of width {y.shape[1]}, but label_embedding has {n_dims} "
                "dimensions. Pass labels, vectors of that width, or label_embedding=None."
            )
        if _holds_strings(y):
            raise ValueError(f"{owner}: 2-D y must hold numbers. Pass labels as a 1-D array.")
        return X, y.astype(np.float64)

    @answers_for_readable_rows
    def predict(self, X: Any) -> np.ndarray:
        """Predict the vector (or the numbers) of each sample.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Features.

        Returns
        -------
        vectors : ndarray of shape (n_samples, n_dims), or (n_samples,) after a 1-D numeric y
            In the raw label space, float64.
        """
        vectors = self._vectors(X)
        return vectors[:, 0] if self._y_ndim == 1 else vectors

    @answers_for_readable_rows
    def transform(self, X: Any) -> np.ndarray:
        """Predict the vector of each sample, always 2-D, for the next step of a pipeline.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Features.

        Returns
        -------
        vectors : ndarray of shape (n_samples, n_dims)
            In the raw label space, float64.
        """
        return self._vectors(X)

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Return the share of the squared error that a constant prediction leaves, explained.

        For numbers and vectors that constant is the mean of `y`, and the score is R². For labels
        it is the mean vector of the seen classes: the mean of a single excluded class would leave
        no error to explain.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Features.
        y : array-like of shape (n_samples,) or (n_samples, n_dims)
            As in ``fit``.
        sample_weight : array-like of shape (n_samples,), optional
            Weights of the samples.

        Returns
        -------
        score : float
            At most 1; 0 for the constant.
        """
        predicted = self.predict(X)
        check_consistent_length(predicted, y, sample_weight)
        y = np.asarray(y)
        if y.ndim == 2 or not (_holds_strings(y) or self.seen_classes_ is not None):
            return float(r2_score(y, predicted, sample_weight=sample_weight))
        if self.seen_classes_ is None:
            raise ValueError(
                f"{type(self).__name__}: y holds labels, but fit saw numbers or vectors and has no "
                "seen classes to compare with. Pass y as in fit."
            )
        true = self.label_vectors(y)
        constant = self.label_vectors(self.seen_classes_).mean(axis=0)
        error = np.average(((predicted - true) ** 2).sum(axis=1), weights=sample_weight)
        baseline = np.average(((constant - true) ** 2).sum(axis=1), weights=sample_weight)
        if baseline == 0:  # one seen class: r2_score's convention
            return float(error == 0)
        return float(1 - error / baseline)

    def label_vectors(self, labels: Any) -> np.ndarray:
        """Return the vectors of `labels` in the raw label space.

        Parameters
        ----------
        labels : array-like of shape (n_labels,)
            Any labels that the label embedding knows.

        Returns
        -------
        vectors : ndarray of shape (n_labels, n_dims)
            In float64.

        Raises
        ------
        TypeError
            There is no label embedding.
        """
        owner = type(self).__name__
        if self.label_embedding is None:
            raise TypeError(f"{owner}: labels have vectors only with a label_embedding. Pass one.")
        labels = check_labels(labels, owner=owner, name="labels")
        return self.label_embedding.embed(labels).astype(np.float64)

    def _vectors(self, X: Any) -> np.ndarray:
        check_is_fitted(self)
        return self._project(self._validate(X, np.float64))

    def _project(self, X: Any) -> np.ndarray:
        return apply_map(X, self.coefs_, self.intercepts_)

    @property
    def _n_features_out(self) -> int:
        return len(self.intercepts_[-1])

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        tags.transformer_tags.preserves_dtype = []
        return tags


@trains
class EmbeddingRegressor(TrainingMixin, VectorRegressor, LearnsFromSums):
    """Regression from features to the vectors of their labels.

    Without hidden layers and with ``loss="mse"`` it is ridge regression in closed form; otherwise
    a perceptron is trained. Vectors stay in the raw label space, neither centred nor scaled, as
    published.

    Parameters
    ----------
    label_embedding : LabelEmbedding, optional
        With an embedding, y is labels (1-D) or vectors of its width (2-D); without, numbers.
    alpha : float, default=1.0
        Penalty on the squared weights in the closed form; the intercept is free.
    loss : {"mse", "cosine"}, default="mse"
        Mean squared error (published), or one less the cosine.
    hidden : tuple of int, default=()
        Widths of hidden layers with ReLU.
    training : Training, optional
        How a perceptron or a network is trained. Defaults here: 25 epochs, a learning rate of 1e-3
        and a weight decay of 1e-4.
    random_state : int, RandomState instance or None, default=None
        Seed of initial weights and sample order, when trained.
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
    seen_classes_ : ndarray of shape (n_seen,) or None
        The sorted labels of ``fit``; None after numbers or vectors.

    References
    ----------
    M. Baughman, I. Foster, K. Chard, "Embeddings are All You Need: Transfer Learning in
    Convolutional Neural Networks using Word Embeddings", 2021.

    Examples
    --------
    >>> import numpy as np
    >>> from zeroshot import EmbeddingRegressor, HashEmbedding
    >>> X = np.eye(3)
    >>> model = EmbeddingRegressor(HashEmbedding(4), alpha=1e-6).fit(X, ["cat", "dog", "owl"])
    >>> np.allclose(model.predict(X), HashEmbedding(4).embed(["cat", "dog", "owl"]), atol=1e-4)
    True
    """

    _constraints: ClassVar[Mapping[str, Any]] = {
        "alpha": Number(at_least=0),
        "loss": OneOf("mse", "cosine"),
    }
    _fitted: ClassVar[Mapping[str, Any]] = {
        **fitted_network("n_dims"),
        "sums_": Optional(Part(RowSums, sizes={"n_features": "n_features"})),
    }
    _of_the_run = ("init_from",)

    def __init__(
        self,
        label_embedding: LabelEmbedding | None = None,
        *,
        alpha: float = 1.0,
        loss: str = "mse",
        hidden: tuple[int, ...] = (),
        training: Training | None = None,
        random_state: Any = None,
        network: Any = None,
        image_size: int | None = None,
        init_from: Any = None,
        warm_start: bool = False,
    ) -> None:
        self.label_embedding = label_embedding
        self.alpha = alpha
        self.loss = loss
        self.hidden = hidden
        self.training = training
        self.random_state = random_state
        self.network = network
        self.image_size = image_size
        self.init_from = init_from
        self.warm_start = warm_start

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Learn to predict the vector of each sample's label.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Features; with a `network` images, as `partial_fit` takes them.
        y : array-like of shape (n_samples,) or (n_samples, n_dims)
            Labels, or vectors; numbers without a `label_embedding`.
        sample_weight : array-like of shape (n_samples,), optional
            Weights of the samples, not negative; 1 each if None. A sample of weight k counts as k
            equal samples: in training, its loss is multiplied by k. One of weight 0 is left out.
            Not for a `network`.

        Returns
        -------
        self : object
            The fitted regressor.

        Raises
        ------
        UnknownLabelError
            Labels have no vector; all of them are named.
        ValueError
            y fits neither form, X is not finite, or lengths differ. Or weights are negative, not
            finite, all 0, or for a `network`.
        FloatingPointError
            The loss or the weights became infinite or NaN.
        IntegrityError
            The `checkpoint` is of another run.
        """
        self._check_parameters()
        if sample_weight is not None:
            check_no_network(self)
        X, y, weights = self._validate_weighted(X, y, sample_weight)
        self._forget_sums()
        if self._is_ridge():
            return self.fit_from_sums(SystemOfRows(X, y, weights=weights))
        vectors, targets = self._set_targets(y)
        if self.network is not None:
            return self._train(X, targets, vectors)
        self.coefs_, self.intercepts_, self.history_ = train_perceptron(
            self, X, targets, vectors, self._loss(), self.hidden, weights
        )
        return self

    @available_if(has_partial_fit)
    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> Self:
        """Add further rows to the closed form, or train a network for one epoch more.

        The closed form (``loss="mse"`` without hidden layers or a network) is then that of one
        ``fit`` to the rows of all calls, whatever their order. A network trains at a constant step
        size.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Features; with a `network` a list of paths or PIL images, or a uint8 array of shape
            (n_samples, height, width, 3).
        y : array-like of shape (n_samples,) or (n_samples, n_dims)
            As in ``fit``. Labels that are new are seen from now on.
        classes : array-like of shape (n_classes,), optional
            For the closed form, labels that later calls may bring. They are of no effect until
            there are rows of them.
        sample_weight : array-like of shape (n_samples,), optional
            Weights of these rows, as in ``fit``, for the closed form.

        Returns
        -------
        self : object
            The regressor.

        Raises
        ------
        ValueError
            `y` is of another kind than in earlier calls, or X of another width; a network is given
            `classes` or weights; or weights are negative, not finite, or all 0.
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
        if classes is not None:
            raise ValueError(
                f"{type(self).__name__}: classes is for the closed form, and a network takes "
                "labels as they come. Pass classes=None."
            )
        before = getattr(self, "seen_classes_", None)
        X, y = self._validate_fit(X, y)
        vectors, targets = self._set_targets(y)
        self._train(X, targets, vectors, one_more=True)
        if before is not None and self.seen_classes_ is not None:
            self.seen_classes_ = np.union1d(before, self.seen_classes_)
        return self

    def _train(
        self,
        X: Any,
        targets: np.ndarray,
        vectors: np.ndarray,
        *,
        one_more: bool = False,
    ) -> Self:
        if self.seen_classes_ is not None:
            check_classes(self.seen_classes_, owner=type(self).__name__)
        about = {"loss": self.loss}
        task = vector_task(targets, vectors, self.hidden, self._loss(), about, unit_vectors=False)
        if self.seen_classes_ is None:
            task = replace(task, metric=None)  # vectors are no classes
        fit_network(self, X, task, one_more=one_more)
        return self

    def _loss(self) -> nn.Module:
        from zeroshot.losses import CosineLoss, MSELoss

        return MSELoss() if self.loss == "mse" else CosineLoss()

    def _set_targets(self, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Set the seen classes; return vectors, (n_targets, n_dims), and the row of each sample."""
        if y.dtype.kind == "f":
            self.seen_classes_ = None
            return y.reshape(len(y), -1), np.arange(len(y))
        self.seen_classes_, targets = np.unique(y, return_inverse=True)
        return self.label_vectors(self.seen_classes_), targets

    def _learns_in_blocks(self) -> bool:
        return self._is_ridge()

    def _is_ridge(self) -> bool:
        """Tell whether the map is ridge regression in closed form."""
        return self.network is None and self.loss == "mse" and is_linear(self.hidden)

    def learns_from_sums(self) -> bool:
        """Tell whether ``fit_from_sums`` does what ``fit`` does, for the parameters as they are."""
        return self._is_ridge() and isinstance(self.label_embedding, LabelEmbedding)

    def _check_sums(self) -> bool:
        """Tell whether the estimator has ``merge``, and ``partial_fit`` without a network.

        Raises
        ------
        AttributeError
            It has not: it trains.
        """
        if not self._is_ridge():
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
            Of the features and their labels, vectors or numbers.

        Returns
        -------
        self : object
            The fitted regressor.
        """
        self.seen_classes_ = system.classes
        vectors = None
        if system.classes is not None:
            self._y_ndim, vectors = 2, self.label_vectors(system.classes)
        solution = system.ridge(vectors, self.alpha)
        self.coefs_, self.intercepts_ = [solution.coef], [solution.intercept]
        self.history_ = []
        return self

    def _project(self, X: Any) -> np.ndarray:
        if self.network is None:
            return super()._project(X)
        return run_network(self, X).astype(np.float64)

    @property
    def _n_features_out(self) -> int:
        return super()._n_features_out if self.network is None else self.network_.n_outputs


def _holds_strings(y: Any) -> bool:
    """Tell whether `y` holds strings, those that spell numbers included."""
    array = np.asarray(y)
    return array.dtype.kind in "US" or (
        array.dtype.kind == "O" and any(isinstance(value, (str, bytes)) for value in array.flat)
    )


class EmbeddingRegressorCV(VectorRegressor, ChoosesPenalties):
    """`EmbeddingRegressor` in closed form that chooses its penalty by folds over the classes.

    Every penalty is scored on images of classes that its fold's model has never seen. The scores
    are those of fitting each penalty anew, but there is only one pass over the data.

    Parameters
    ----------
    label_embedding : LabelEmbedding, optional
        What y is: without one, numbers; with one, labels (1-D) or vectors of its width (2-D).
    alphas : sequence of float, default=(0.001, 0.01, 0.1, 1.0, 10.0, 100.0, 1000.0)
        Penalties on the squared weights to choose from, not negative; the intercept is free.
    cv : int, splitter or iterable, optional
        An int is that many folds over the classes; over the samples where y holds numbers or
        vectors. None is 5, or the number of classes if that is less. Else a splitter such as
        ``LeaveOneClassOut()``, or pairs of training and test rows.
    scoring : str or callable, optional
        A name in `zeroshot.metrics.SCORERS`, such as ``"neg_relative_loss"``, another of
        scikit-learn's, or ``scorer(estimator, X, y)``; ``EmbeddingRegressor.score`` if None. A
        callable gets a model on reduced features, with the same predictions.

    Attributes
    ----------
    coefs_ : list of ndarray of shape (n_features, n_dims)
        Weights, one matrix, fitted on all rows with the penalty chosen.
    intercepts_ : list of ndarray of shape (n_dims,)
        Biases, one vector.
    seen_classes_ : ndarray of shape (n_seen,) or None
        The sorted labels of ``fit``; None after numbers or vectors.
    alpha_ : float
        The penalty chosen: of the best mean score, the first.
    best_score_ : float
        Its mean score over the folds.
    best_index_ : int
        Its place in ``cv_results_``.
    cv_results_ : dict
        As ``GridSearchCV`` has it: ``params``, ``split0_test_score``, ``mean_test_score``, ...

    See Also
    --------
    EmbeddingRegressor : One penalty, and trained maps.

    Examples
    --------
    >>> import numpy as np
    >>> from zeroshot import AttributeTable, EmbeddingRegressorCV
    >>> rng = np.random.default_rng(0)
    >>> attributes = AttributeTable(rng.normal(size=(10, 3)), labels=range(10))
    >>> y = np.repeat(np.arange(10), 6)
    >>> X = attributes.embed(y) @ rng.normal(size=(3, 8)) + 0.3 * rng.normal(size=(60, 8))
    >>> model = EmbeddingRegressorCV(attributes).fit(X, y)
    >>> model.alpha_, round(model.best_score_, 2)
    (1.0, 0.95)
    """

    _constraints: ClassVar[Mapping[str, Any]] = {
        "alphas": Checked(check_penalties, at_least=0),
        "cv": Maybe(Checked(check_cv_parameter)),
        "scoring": Checked(check_scoring_parameter),
    }
    _fitted: ClassVar[Mapping[str, Any]] = {
        "cv_results_": Plain(dict),
        "best_index_": Number(at_least=0, integer=True),
        "best_score_": Number(),
        "alpha_": Number(at_least=0),
    }

    def __init__(
        self,
        label_embedding: LabelEmbedding | None = None,
        *,
        alphas: Any = DEFAULT_PENALTIES,
        cv: Any = None,
        scoring: Any = None,
    ) -> None:
        self.label_embedding = label_embedding
        self.alphas = alphas
        self.cv = cv
        self.scoring = scoring

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Choose the penalty, and learn to predict the vector of each sample's label.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Features.
        y : array-like of shape (n_samples,) or (n_samples, n_dims)
            Labels, or vectors; numbers without a `label_embedding`.
        sample_weight : array-like of shape (n_samples,), optional
            Weights of the samples, not negative; 1 each if None. A sample of weight k counts as k
            equal samples, in the score of its fold as well, and one of weight 0 is left out. Only
            with ``scoring=None``.

        Returns
        -------
        self : object
            The fitted regressor.

        Raises
        ------
        UnknownLabelError
            Labels have no vector; all of them are named.
        ValueError
            y fits neither form, X is not finite, lengths differ, or a fold is empty. Or weights are
            negative, not finite, all 0, or for another `scoring`.
        """
        self._check_parameters()
        if sample_weight is not None and self.scoring is not None:
            raise ValueError(
                f"{type(self).__name__}: sample_weight needs scores that take it, and scoring is "
                f"{self.scoring!r}. Pass scoring=None."
            )
        cv = folds_of_kept(self.cv, X, sample_weight)
        return self._fit_checked(*self._validate_weighted(X, y, sample_weight), cv)

    def _learns_in_blocks(self) -> bool:
        return True

    def _fit_checked(
        self, X: Any, y: np.ndarray, weights: np.ndarray | None = None, cv: Any = None
    ) -> Self:
        """Do what ``fit`` does, given checked features, or what gives them for ``X[rows]``."""
        owner, alphas = type(self).__name__, list(map(float, self.alphas))
        self._y_ndim = y.ndim if y.dtype.kind == "f" else 2
        labels = None
        if y.dtype.kind != "f":
            labels = np.unique(y)
            vectors = self.label_vectors(labels)
        cv = self.cv if cv is None else cv
        folds = make_folds(cv, X, y, of_classes=labels is not None, owner=owner)
        systems = fold_systems(X, y, folds, center=True, penalty=min(alphas), weights=weights)
        scorer = make_scorer(self.scoring, EmbeddingRegressor(), owner=owner)
        scores = np.empty((len(alphas), len(folds)))
        for number, (_, test) in enumerate(folds):
            system = next(systems)
            targets = None if labels is None else vectors[np.isin(labels, system.classes)]
            solutions = system.path(targets, alphas)
            model = self._scored_model(system, len(solutions[0].target_mean))
            given = {} if weights is None else {"sample_weight": weights[test]}
            for position, predicted in enumerate(_predictions(X, test, solutions)):
                scores[position, number] = score_of(
                    scorer, model, predicted, y[test], owner=owner, **given
                )
        self.cv_results_ = search_results(
            [{"alpha": alpha} for alpha in alphas], scores, owner=owner
        )
        self.best_index_, self.best_score_, best = best_point(self.cv_results_)
        self.alpha_ = best["alpha"]
        fitted = self.settled().fit_from_sums(next(systems))
        self.seen_classes_ = fitted.seen_classes_
        self.coefs_, self.intercepts_ = fitted.coefs_, fitted.intercepts_
        return self

    def _scored_model(self, system: LinearSystem, n_dims: int) -> EmbeddingRegressor:
        """Return what stands for a fold's model: its features are the vectors that it predicts."""
        model = EmbeddingRegressor(self.label_embedding)
        model.seen_classes_, model._y_ndim = system.classes, self._y_ndim
        model.coefs_, model.intercepts_ = [np.eye(n_dims)], [np.zeros(n_dims)]
        model.n_features_in_ = n_dims
        return model

    def settled(self) -> EmbeddingRegressor:
        """Return an unfitted regressor with the penalty that ``fit`` chose.

        Returns
        -------
        regressor : EmbeddingRegressor
            With ``alpha_`` for its alpha.
        """
        return EmbeddingRegressor(self.label_embedding, alpha=self.alpha_)


def _predictions(X: Any, test: np.ndarray, solutions: list[RidgeSolution]) -> list[np.ndarray]:
    """Return what each solution predicts for the test rows, which are read a block at a time."""
    n_outputs = len(solutions[0].target_mean)
    predicted = [np.empty((len(test), n_outputs)) for _ in solutions]
    for part in gen_batches(len(test), max(1, BLOCK_ELEMENTS // X.shape[1])):
        rows = np.subtract(X[test[part]], solutions[0].mean, dtype=np.float64, order="C")
        for vectors, solution in zip(predicted, solutions, strict=True):
            vectors[part] = product(rows, solution.coef) + solution.target_mean
    return predicted
