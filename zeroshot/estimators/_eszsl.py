"""ESZSL: a bilinear map from features to label vectors in closed form."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from scipy.linalg import svd
from sklearn.base import clone
from sklearn.utils import gen_batches

from zeroshot._linear import (
    BLOCK_ELEMENTS,
    ChoosesPenalties,
    LinearSystem,
    RidgeSolution,
    apply_map,
    fold_systems,
    inverse_or_zero,
    product,
)
from zeroshot._utils._constraints import FLAG, Checked, Maybe, Number
from zeroshot._utils._fitted import Array, Plain
from zeroshot._utils._onnx_graph import Graph
from zeroshot.estimators._embedding_classifier import ClosedFormClassifier, WeightedClassifier
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
from zeroshot.exceptions import LabelWarning, UnknownLabelError
from zeroshot.label_embeddings import AttributeTable, LabelEmbedding
from zeroshot.metrics import SCORERS


@dataclass(frozen=True)
class LabelFactors:
    """The thin singular value decomposition of the seen classes' vectors, S = P diag(sigma) R'.

    It serves every lambda: S (S'S + lambda I)^-1 = P diag(sigma / (sigma^2 + lambda)) R', whatever
    the rank of S, and whether there are more classes or more dimensions.

    Parameters
    ----------
    P : ndarray of shape (n_seen, n_factors)
        Left singular vectors.
    sigma : ndarray of shape (n_factors,)
        Singular values; those that are rounding are 0.
    Rt : ndarray of shape (n_factors, n_dims)
        Right singular vectors, transposed.
    """

    P: np.ndarray
    sigma: np.ndarray
    Rt: np.ndarray

    @classmethod
    def of(cls, S: np.ndarray) -> LabelFactors:
        """Decompose the vectors S, (n_seen, n_dims)."""
        P, sigma, Rt = svd(S, full_matrices=False, check_finite=False)
        rounding = max(S.shape) * np.finfo(np.float64).eps * sigma[0]
        return cls(P, np.where(sigma > rounding, sigma, 0.0), Rt)

    def codes(self, *, center: bool) -> np.ndarray:
        """Return the row of Y P that each class's samples have, (n_seen, n_factors).

        Y is 1 for the sample's own class and -1 for the others. A single class has none where
        features are centred (`center`): their sum is then rounding, and not a direction.
        """
        if center and len(self.P) == 1:
            return np.zeros_like(self.P)
        return 2 * self.P - self.P.sum(axis=0)

    def whitened(self, alpha_labels: float) -> np.ndarray:
        """Return diag(sigma / (sigma^2 + lambda)) R', (n_factors, n_dims)."""
        weights = self.sigma * inverse_or_zero(self.sigma**2 + alpha_labels, self.sigma)
        return weights[:, None] * self.Rt


def solve_eszsl(
    system: LinearSystem,
    factors: LabelFactors,
    alpha_features: float,
    alpha_labels: float,
    *,
    center: bool,
) -> tuple[np.ndarray, np.ndarray]:
    """Return V = (X'X + gamma I)^-1 X'Y S (S'S + lambda I)^-1, (n_features, n_dims), and an offset.

    X'Y takes no pass over the samples of its own: with M the sum of the features of each class, a
    class a row, it is 2 M' - (M'1) 1'.

    Parameters
    ----------
    system : LinearSystem
        Of X and the classes of its rows.
    factors : LabelFactors
        Of the classes' vectors S.
    alpha_features, alpha_labels : float
        The paper's gamma and lambda.
    center : bool
        Whether to subtract the mean of the features.
    """
    solution = system.ridge(factors.codes(center=center), alpha_features, center=center)
    coef = product(solution.coef, factors.whitened(alpha_labels))
    return coef, -product(solution.mean[None], coef)[0]


class ESZSLClassifier(ClosedFormClassifier):
    r"""Embarrassingly simple zero-shot learning: a bilinear score of features and label vectors.

    The score of label vector s for features x is :math:`x^\top V s`, and V has a closed form,

    .. math:: V = (X^\top X + \gamma I)^{-1} X^\top Y S (S^\top S + \lambda I)^{-1},

    with Y 1 for the class of a sample and -1 for every other class. It is ridge regression to label
    vectors, followed by a factor that evens out how much the seen classes vary along each direction
    of the label space. It takes the time of one pass over the features.

    Parameters
    ----------
    label_embedding : LabelEmbedding, optional
        Vectors of the labels; one-hot vectors of the seen classes if None, which makes it an
        ordinary classifier.
    alpha_features : float, default=10.0
        Penalty in the space of features, above 0: the paper's gamma.
    alpha_labels : float, default=10.0
        Penalty in the space of label vectors, above 0: the paper's lambda. Both defaults were
        chosen by class folds on Tiny ImageNet, without the labels of CIFAR-100, for rows of unit
        length. The best penalties grow with the number of rows and classes; `ESZSLClassifierCV`
        chooses them.
    center_features : bool, default=True
        Subtract the mean of the features. Most entries of Y are -1. Without an intercept, a map
        learns this as a direction if the features have a mean; about the mean, the -1 of the other
        classes cancel. False is the formula as published.
    candidates : array-like of shape (n_classes,), optional
        The vocabulary that ``predict`` chooses from; the labels of ``fit`` if None.
    scenario : {"generalized", "unseen"}, default="generalized"
        Whether all candidates may win, or only those not seen in ``fit``.
    center : bool, default=True
        Subtract the mean of the seen classes' vectors before scaling to unit length.
    gamma : float, optional
        As in every classifier here, and not the paper's gamma: describe each label by its
        RBF-kernel similarities to the seen classes rather than by its vector.
    hubness : {"zscore", "csls"}, optional
        Correct scores against hubs, the labels that are near to every image, by what the images of
        ``fit`` score: as in `DeViSEClassifier`.
    temperature : float, "auto" or None, default=None
        Scores are divided by it in ``predict_proba``. None chooses it on held-out classes where the
        folds come in one pass over the data (the closed form without `hubness`, from ``fit``, with
        at least four seen classes), and is 0.1 elsewhere. "auto" always chooses it, which elsewhere
        costs up to five further fits.

    Attributes
    ----------
    classes_, seen_classes_, unseen_classes_ : ndarray
        The candidates, those that were in ``fit``, and those that were not.
    class_vectors_ : ndarray of shape (n_classes, n_dims)
        The vectors of ``classes_``: centred, of unit length.
    coef_ : ndarray of shape (n_features, n_dims)
        V.
    intercept_ : ndarray of shape (n_dims,)
        The intercept from the subtracted mean; zeros without ``center_features``.

    See Also
    --------
    ESZSLClassifierCV : Chooses both penalties by folds of the classes, in little more time.

    References
    ----------
    B. Romera-Paredes, P. H. S. Torr, "An Embarrassingly Simple Approach to Zero-Shot Learning",
    ICML 2015. There samples and classes are columns of X and S, here rows.

    Examples
    --------
    >>> import numpy as np
    >>> from zeroshot import AttributeTable, ESZSLClassifier
    >>> attributes = AttributeTable(
    ...     [[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0]], labels=["red", "big", "old", "big red"]
    ... )
    >>> X = np.repeat(np.eye(3), 5, axis=0)
    >>> y = np.repeat(["red", "big", "old"], 5)
    >>> model = ESZSLClassifier(attributes, candidates=["old", "big red"], alpha_features=0.1)
    >>> model.fit(X, y).predict([[0.7, 0.7, 0.0], [0.0, 0.0, 1.0]]).tolist()
    ['big red', 'old']
    """

    _constraints: ClassVar[Mapping[str, Any]] = {
        "alpha_features": Number(above=0),
        "alpha_labels": Number(above=0),
        "center_features": FLAG,
    }
    _fitted: ClassVar[Mapping[str, Any]] = {
        "coef_": Array("n_features", "n_dims"),
        "intercept_": Array("n_dims"),
    }

    def __init__(
        self,
        label_embedding: LabelEmbedding | None = None,
        *,
        alpha_features: float = 10.0,
        alpha_labels: float = 10.0,
        center_features: bool = True,
        candidates: Any = None,
        scenario: str = "generalized",
        center: bool = True,
        gamma: float | None = None,
        hubness: str | None = None,
        temperature: float | str | None = None,
    ) -> None:
        self.label_embedding = label_embedding
        self.alpha_features = alpha_features
        self.alpha_labels = alpha_labels
        self.center_features = center_features
        self.candidates = candidates
        self.scenario = scenario
        self.center = center
        self.gamma = gamma
        self.hubness = hubness
        self.temperature = temperature

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
        center = self.center_features
        factors = LabelFactors.of(self._seen_vectors(system))
        self.coef_, self.intercept_ = solve_eszsl(
            system, factors, self.alpha_features, self.alpha_labels, center=center
        )
        return self

    def _project(self, X: np.ndarray) -> np.ndarray:
        return apply_map(X, [self.coef_], [self.intercept_])

    def _add_projection(self, graph: Graph, X: str) -> str:
        return graph.affine(X, self.coef_, self.intercept_)


class ESZSLClassifierCV(WeightedClassifier, ChoosesPenalties):
    """`ESZSLClassifier` that chooses both of its penalties by folds over the classes.

    Every point of the grid is scored on images of classes that its fold's model has never seen.
    Each fold has its own mean of the features, centre of the label space, and kernel of its seen
    classes. So the scores are those of fitting every point anew (in float64, whatever the dtype of
    the features), but there is only one pass over the data. The exception is a fold that has to be
    added up directly, because some rows are much larger than the others.

    Parameters
    ----------
    label_embedding : LabelEmbedding, optional
        Vectors of the labels; one-hot vectors of the seen classes if None, which makes it an
        ordinary classifier, with folds over samples.
    alphas_features : sequence of float, default=(0.001, 0.01, 0.1, 1.0, 10.0, 100.0, 1000.0)
        Penalties in the space of features to choose from, above 0: the paper's gamma, and its
        grid.
    alphas_labels : sequence of float, default=(0.001, 0.01, 0.1, 1.0, 10.0, 100.0, 1000.0)
        Penalties in the space of label vectors to choose from, above 0: the paper's lambda.
    cv : int, splitter or iterable, optional
        An int is the number of folds over the classes (over the samples without a
        `label_embedding`). None is 5, or fewer so that each fold holds out at least two classes; it
        needs four classes. A splitter such as ``ClassShuffleSplit(...)``, or pairs of training and
        test rows, may be passed, too.
    scoring : str or callable, default="mean_class_accuracy"
        A name in `zeroshot.metrics.SCORERS`, another of scikit-learn's, or
        ``scorer(estimator, X, y)``. A fold's held-out classes compete only among themselves. If its
        test rows include images of seen classes, as with `GeneralizedClassKFold`, all classes of
        ``y`` compete. A callable gets a model with the same predictions, but on reduced features,
        and with vectors only of the labels of ``y``.
    center_features : bool, default=True
        As in `ESZSLClassifier`.
    candidates : array-like of shape (n_classes,), optional
        The vocabulary that ``predict`` chooses from; the labels of ``fit`` if None.
    scenario : {"generalized", "unseen"}, default="generalized"
        Whether all candidates may win, or only those not seen in ``fit``.
    center : bool, default=True
        Subtract the mean of the seen classes' vectors before scaling to unit length.
    gamma : float, optional
        As in every classifier here, and not the paper's gamma: describe each label by its
        RBF-kernel similarities to the seen classes rather than by its vector.
    hubness : {"zscore", "csls"}, optional
        Correct scores against hubs, the labels that are near to every image, by what the images of
        ``fit`` score: as in `DeViSEClassifier`. In each fold by its training rows, which takes a
        pass over them.
    temperature : float, "auto" or None, default=None
        Scores are divided by it in ``predict_proba``. None chooses it on held-out classes where the
        folds come in one pass over the data (the closed form without `hubness`, from ``fit``, with
        at least four seen classes), and is 0.1 elsewhere. "auto" always chooses it, which elsewhere
        costs up to five further fits.

    Attributes
    ----------
    classes_, seen_classes_, unseen_classes_ : ndarray
        The candidates, those that were in ``fit``, and those that were not.
    class_vectors_ : ndarray of shape (n_classes, n_dims)
        The vectors of ``classes_``: centred, of unit length.
    coef_ : ndarray of shape (n_features, n_dims)
        The map, fitted on all rows with the penalties chosen.
    intercept_ : ndarray of shape (n_dims,)
        The intercept from the subtracted mean.
    alpha_features_, alpha_labels_ : float
        The chosen penalties: the first with the best mean score.
    best_score_ : float
        Their mean score over the folds.
    best_index_ : int
        Their place in ``cv_results_``.
    cv_results_ : dict
        As ``GridSearchCV`` has it: ``params``, ``split0_test_score``, ``mean_test_score``, ...

    See Also
    --------
    ESZSLClassifier : The map itself, with its formula.

    References
    ----------
    B. Romera-Paredes, P. H. S. Torr, "An Embarrassingly Simple Approach to Zero-Shot Learning",
    ICML 2015.

    Examples
    --------
    >>> import numpy as np
    >>> from zeroshot import AttributeTable, ESZSLClassifierCV
    >>> rng = np.random.default_rng(0)
    >>> attributes = AttributeTable(rng.normal(size=(12, 3)), labels=range(12))
    >>> y = np.repeat(np.arange(10), 6)
    >>> mixing = rng.normal(size=(3, 8))
    >>> X = attributes.embed(y) @ mixing + 0.3 * rng.normal(size=(60, 8))
    >>> model = ESZSLClassifierCV(attributes, candidates=[10, 11]).fit(X, y)
    >>> model.alpha_features_, model.alpha_labels_, round(model.best_score_, 2)
    (0.001, 1.0, 1.0)
    >>> len(model.cv_results_["params"])
    49
    >>> model.predict(attributes.embed([10, 11]) @ mixing).tolist()
    [10, 11]
    """

    _constraints: ClassVar[Mapping[str, Any]] = {
        "alphas_features": Checked(check_penalties, above=0),
        "alphas_labels": Checked(check_penalties, above=0),
        "cv": Maybe(Checked(check_cv_parameter)),
        "scoring": Checked(check_scoring_parameter),
        "center_features": FLAG,
    }
    _fitted: ClassVar[Mapping[str, Any]] = {
        "coef_": Array("n_features", "n_dims"),
        "intercept_": Array("n_dims"),
        "cv_results_": Plain(dict),
        "best_index_": Number(at_least=0, integer=True),
        "best_score_": Number(),
        "alpha_features_": Number(above=0),
        "alpha_labels_": Number(above=0),
    }

    def __init__(
        self,
        label_embedding: LabelEmbedding | None = None,
        *,
        alphas_features: Any = DEFAULT_PENALTIES,
        alphas_labels: Any = DEFAULT_PENALTIES,
        cv: Any = None,
        scoring: Any = "mean_class_accuracy",
        center_features: bool = True,
        candidates: Any = None,
        scenario: str = "generalized",
        center: bool = True,
        gamma: float | None = None,
        hubness: str | None = None,
        temperature: float | str | None = None,
    ) -> None:
        self.label_embedding = label_embedding
        self.alphas_features = alphas_features
        self.alphas_labels = alphas_labels
        self.cv = cv
        self.scoring = scoring
        self.center_features = center_features
        self.candidates = candidates
        self.scenario = scenario
        self.center = center
        self.gamma = gamma
        self.hubness = hubness
        self.temperature = temperature

    def _learns_in_blocks(self) -> bool:
        by_class = self.scoring in ("mean_class_accuracy", SCORERS["mean_class_accuracy"])
        return by_class and self.hubness is None

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Choose the penalties, and learn from images of the seen classes.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Features.
        y : array-like of shape (n_samples,)
            Labels: all strings, or all integers.
        sample_weight : array-like of shape (n_samples,), optional
            Weights of the samples, not negative; 1 each if None. A sample of weight k counts as k
            equal samples, in the score of its fold as well, and one of weight 0 is left out. Only
            with ``scoring="mean_class_accuracy"`` and without `hubness`.

        Returns
        -------
        self : object
            The fitted classifier.

        Raises
        ------
        UnknownLabelError
            A label or a candidate has no vector; all of them are named.
        ValueError
            X is not finite, lengths differ, a fold is empty, or the candidates are empty, repeated,
            or of another type than the labels. Or weights are negative, not finite, all 0, or for
            another `scoring` or with `hubness`.

        Warns
        -----
        LabelWarning
            All samples are of one class, and there are other candidates.
        """
        self._check_parameters()
        if sample_weight is not None:
            self._check_weighable()
        cv = folds_of_kept(self.cv, X, sample_weight)
        X, y, weights = self._validate_weighted(X, y, sample_weight)
        self._learn(X, y, weights, cv)
        return self._learn_the_rest(X, y, weights)

    def _check_weighable(self) -> None:
        if not self._learns_in_blocks():
            raise ValueError(
                f"{type(self).__name__}: sample_weight needs scores that take it, and scoring is "
                f"{self.scoring!r}, hubness {self.hubness!r}. Pass scoring='mean_class_accuracy' "
                "and hubness=None."
            )

    def _learn(
        self, X: Any, y: np.ndarray, weights: np.ndarray | None = None, cv: Any = None
    ) -> None:
        _, class_vectors = self._set_label_space(y)
        owner = type(self).__name__
        gammas = list(map(float, self.alphas_features))
        lambdas = list(map(float, self.alphas_labels))
        table = None
        if self.label_embedding is not None:  # looked up once, not in every fold
            raw = self.label_space_.raw_vectors(self.seen_classes_)
            table = AttributeTable(raw, labels=self.seen_classes_)
        # Of two classes held out at least, one is a wrong answer for images of the other.
        of_classes = table is not None
        cv = self.cv if cv is None else cv
        folds = make_folds(cv, X, y, of_classes=of_classes, at_least=2, owner=owner)
        center = self.center_features
        systems = fold_systems(X, y, folds, center=center, penalty=min(gammas), weights=weights)
        scorer = make_scorer(self.scoring, ESZSLClassifier(), owner=owner)
        in_blocks = self._learns_in_blocks()
        scores = []
        for number, (train, test) in enumerate(folds):
            model, factors = self._fold_model(number, table, y[train], y[test])
            solutions = next(systems).path(factors.codes(center=center), gammas, center=center)
            maps = [factors.whitened(alpha_labels) for alpha_labels in lambdas]
            if in_blocks:
                own = None if weights is None else weights[test]
                scores.append(_class_accuracies(model, X, test, solutions, maps, y[test], own))
            else:
                parts = [X[test]] if self.hubness is None else [X[test], X[train]]
                reduced = _reduce(parts, solutions)
                scores.append(_scores(scorer, model, reduced, maps, y[test], y[train], owner))
        self.cv_results_ = search_results(
            [{"alpha_features": g, "alpha_labels": lam} for g in gammas for lam in lambdas],
            np.array(scores).T,
            owner=owner,
        )
        self._set_best(next(systems), LabelFactors.of(class_vectors))

    def _fold_model(
        self, number: int, table: LabelEmbedding | None, train: np.ndarray, test: np.ndarray
    ) -> tuple[ESZSLClassifier, LabelFactors]:
        """Return a classifier that knows its classes, but has no map yet, and their factors."""
        held_out = np.setdiff1d(test, train)
        absent = np.setdiff1d(self.seen_classes_, train).tolist()
        if table is None and absent:
            raise UnknownLabelError(
                absent,
                len(self.seen_classes_),
                owner=f"{type(self).__name__}: fold {number} of cv",
                what="training sample",
                remedy="Without label vectors every class must be trained on in every fold: pass a "
                "label_embedding, more samples of these classes, or a cv that leaves some in.",
            )
        unseen_only = not np.isin(test, train).any()
        if unseen_only and len(held_out) == 1:
            raise ValueError(
                f"{type(self).__name__}: fold {number} of cv holds out one class, "
                f"{held_out[0]!s}, which is then the only answer. Pass a cv with fewer folds."
            )
        model = ESZSLClassifier(
            table,
            # A class that the fold leaves out altogether is no competitor of those held out.
            candidates=np.union1d(train, test) if unseen_only else self.seen_classes_,
            scenario="unseen" if unseen_only else "generalized",
            center=self.center,
            gamma=self.gamma,
            hubness=self.hubness,
            temperature=self.temperature,
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", LabelWarning)  # given once, for all classes together
            _, seen_vectors = model._set_label_space(train)
        return model, LabelFactors.of(seen_vectors)

    def _set_best(self, system: LinearSystem, factors: LabelFactors) -> None:
        self.best_index_, self.best_score_, best = best_point(self.cv_results_)
        self.alpha_features_, self.alpha_labels_ = best["alpha_features"], best["alpha_labels"]
        self.coef_, self.intercept_ = solve_eszsl(
            system, factors, self.alpha_features_, self.alpha_labels_, center=self.center_features
        )

    def _learn_confidence(
        self, X: Any, y: np.ndarray, *, always: bool = False, weights: np.ndarray | None = None
    ) -> None:
        """Learn from folds of the classifier with the penalties chosen, which are cheap."""
        self.confidence_ = None
        if self.temperature in (None, "auto") or always:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", LabelWarning)  # given by the fit itself
                self.confidence_ = self.settled()._fit_checked(X, y, weights).confidence_
        if self.confidence_ is None:
            super()._learn_confidence(X, y, always=always, weights=weights)

    def _for_folds(self) -> Any:
        return self.settled().set_params(**self._params_of_folds())

    def settled(self) -> ESZSLClassifier:
        """Return an unfitted classifier with the penalties that ``fit`` chose.

        Returns
        -------
        classifier : ESZSLClassifier
            With ``alpha_features_`` and ``alpha_labels_`` for its own.
        """
        shared = ESZSLClassifier().get_params().keys() & self.get_params(deep=False).keys()
        return clone(ESZSLClassifier(**{name: getattr(self, name) for name in shared})).set_params(
            alpha_features=self.alpha_features_, alpha_labels=self.alpha_labels_
        )

    def _project(self, X: np.ndarray) -> np.ndarray:
        return apply_map(X, [self.coef_], [self.intercept_])

    def _add_projection(self, graph: Graph, X: str) -> str:
        return graph.affine(X, self.coef_, self.intercept_)


def _reduce(parts: list[np.ndarray], solutions: list[RidgeSolution]) -> Iterator[list[np.ndarray]]:
    """Yield, for each gamma, features as narrow as the label factors: what all lambdas share."""
    mean = solutions[0].mean
    centred = [np.subtract(X, mean, dtype=np.float64, order="C") for X in parts]
    for solution in solutions:
        yield [product(rows, solution.coef) for rows in centred]


def _scores(
    scorer: Callable[[Any, np.ndarray, np.ndarray], float],
    model: ESZSLClassifier,
    reduced: Iterable[list[np.ndarray]],
    maps: list[np.ndarray],
    y: np.ndarray,
    y_train: np.ndarray,
    owner: str,
) -> list[float]:
    """Return the score of each point, of a model whose features are the reduced ones.

    The last part of these, of classes `y_train`, is what corrections against hubs are taken from.
    """
    model.n_features_in_, n_dims = maps[0].shape
    model.intercept_ = np.zeros(n_dims)
    scores = []
    for parts in reduced:
        for model.coef_ in maps:
            model._fit_hubness(parts[-1], y_train)
            scores.append(score_of(scorer, model, parts[0], y, owner=owner))
    return scores


def _class_accuracies(
    model: ESZSLClassifier,
    X: Any,
    test: np.ndarray,
    solutions: list[RidgeSolution],
    maps: list[np.ndarray],
    y: np.ndarray,
    weights: np.ndarray | None,
) -> list[float]:
    """Return what `_scores` does for the mean class accuracy, on positions instead of labels.

    The test rows of X are read a block at a time. Rows of a class count by their weights.
    """
    allowed = model._allowed()
    ends = [product(each, model.class_vectors_[allowed].T) for each in maps]
    codes = np.searchsorted(model.classes_[allowed], y)
    counts = np.bincount(codes, weights)
    right = np.zeros((len(solutions), len(maps), len(counts)))
    for part in gen_batches(len(test), max(1, BLOCK_ELEMENTS // X.shape[1])):
        for gamma, (rows,) in enumerate(_reduce([X[test[part]]], solutions)):
            for position, end in enumerate(ends):
                is_right = product(rows, end).argmax(axis=1) == codes[part]
                worth = is_right if weights is None else is_right * weights[part]
                right[gamma, position] += np.bincount(codes[part], worth, minlength=len(counts))
    shares = right[..., counts > 0] / counts[counts > 0]
    return shares.mean(axis=-1).ravel().tolist()
