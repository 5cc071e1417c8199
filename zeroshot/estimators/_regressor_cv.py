"""Ridge regression to label vectors with the penalty chosen by folds over the classes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np

from zeroshot._constraints import Checked, Maybe
from zeroshot._linear import ChoosesPenalties, LinearSystem, fold_systems, product
from zeroshot.estimators._penalty_search import (
    DEFAULT_PENALTIES,
    best_point,
    check_cv_parameter,
    check_penalties,
    check_scoring_parameter,
    make_folds,
    make_scorer,
    score_of,
    search_results,
)
from zeroshot.estimators._regressor import EmbeddingRegressor
from zeroshot.estimators._vector_regressor import VectorRegressor
from zeroshot.label_embeddings import LabelEmbedding


class EmbeddingRegressorCV(VectorRegressor, ChoosesPenalties):
    """`EmbeddingRegressor` in closed form that chooses its penalty by folds over the classes.

    Every penalty is scored on images of classes that its fold's model never saw, to the same scores
    that fitting each anew would give; but the data are passed over twice in all.

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
        callable meets a model on reduced features, with the same answers.

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

    def fit(self, X: Any, y: Any) -> Self:
        """Choose the penalty, and learn to predict the vector of each sample's label.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Features.
        y : array-like of shape (n_samples,) or (n_samples, n_dims)
            Labels, or vectors; numbers without a `label_embedding`.

        Returns
        -------
        self : object
            The fitted regressor.

        Raises
        ------
        UnknownLabelError
            Labels have no vector; all of them are named.
        ValueError
            y fits neither form, X is not finite, lengths differ, or a fold is empty.
        """
        self._check_parameters()
        owner, alphas = type(self).__name__, list(map(float, self.alphas))
        X, y = self._validate_fit(X, y)
        labels = None
        if y.dtype.kind != "f":
            labels = np.unique(y)
            vectors = self.label_vectors(labels)
        folds = make_folds(self.cv, X, y, of_classes=labels is not None, owner=owner)
        systems = fold_systems(X, y, folds, center=True, penalty=min(alphas))
        scorer = make_scorer(self.scoring, EmbeddingRegressor(), owner=owner)
        scores = np.empty((len(alphas), len(folds)))
        for number, (_, test) in enumerate(folds):
            system = next(systems)
            targets = None if labels is None else vectors[np.isin(labels, system.classes)]
            solutions = system.path(targets, alphas)
            model = self._scored_model(system, len(solutions[0].target_mean))
            rows = np.subtract(X[test], solutions[0].mean, dtype=np.float64, order="C")
            for position, solution in enumerate(solutions):
                predicted = product(rows, solution.coef) + solution.target_mean
                scores[position, number] = score_of(scorer, model, predicted, y[test], owner=owner)
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
