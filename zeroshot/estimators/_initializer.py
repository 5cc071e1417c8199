"""A head for new classes, made from the rows of a pretrained head."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, ClassVar, Self

import numpy as np
from scipy.special import softmax
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
)
from sklearn.metrics import f1_score
from sklearn.utils.validation import check_is_fitted

from zeroshot._utils._constraints import Checked, Maybe, Number, OneOf, OrAuto
from zeroshot._utils._doc_links import DocLinkMixin
from zeroshot._utils._fitted import FITTED_FEATURES, Array, Labels, Part, Plain
from zeroshot._utils._saving import SavedEstimator
from zeroshot._utils._validation import (
    check_labels,
    check_missing_labels,
    warn_caller,
)
from zeroshot.backbones import SourceHead
from zeroshot.estimators._base import binary_scores
from zeroshot.estimators._export_head import (
    mean_square_norm,
    replace_head,
    step_size,
    warm_started,
)
from zeroshot.estimators._input import InputMixin
from zeroshot.estimators._source_similarity import (
    Names,
    check_candidate_list,
    check_candidates,
    check_measurable,
    check_synset_names,
    measure,
    name_classes,
    taxonomy_names,
    with_remedy,
)
from zeroshot.estimators._transferred_head import (
    NeighborTable,
    TransferRule,
    check_n_neighbors,
    check_neighbor_counts,
    convex_weights,
    default_n_neighbors,
    lonely_message,
    neighbor_grid,
    neighbor_table,
    relations_of,
)
from zeroshot.estimators._unreadable_rows import AnsweredAccuracyMixin, answers_for_readable_rows
from zeroshot.exceptions import UnknownLabelError

MAX_FOLDS = 5
DEFAULT_PRIOR_IMAGES = 0.5
"""What ``prior_images="auto"`` takes where there are not two images of a class to choose by."""

PRIOR_GRID = (0.25, 0.5, 1.0, 2.0, 4.0)


_OWNER = "SimilarityInitializer"


def _check_source(source: Any, *, owner: str, name: str) -> None:
    if not isinstance(source, SourceHead):
        raise TypeError(
            f"{owner}: {name} must be a SourceHead, got a {type(source).__name__}. Pass "
            "TimmFeatures().fit().source_head_, or SourceHead(coef, intercept, labels)."
        )


class SimilarityInitializer(
    InputMixin,
    DocLinkMixin,
    SavedEstimator,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    AnsweredAccuracyMixin,
    BaseEstimator,
):
    r"""Linear head for new classes that works before the first gradient step.

    The row of weights of a target class i is a convex combination of the rows of its K most
    similar source classes :math:`N_i`, and so is its offset:

    .. math::

        W'_i = \sum_{j \in N_i} \frac{\mathrm{sim}(i, j)}{\sum_{k \in N_i} \mathrm{sim}(i, k)}
        W_j, \qquad b'_i = \sum_{j \in N_i} \frac{\mathrm{sim}(i, j)}{\sum_{k \in N_i}
        \mathrm{sim}(i, k)} b_j.

    Parameters
    ----------
    source : SourceHead
        The head of the pretrained network, such as ``TimmFeatures().fit().source_head_``. It has
        the source classes.
    similarity : str, object with ``matrix``, or array-like, default="inference"
        ``"inference"`` is ``InferenceSimilarity()``, the hard F-score as published, which needs
        images. ``"wordnet"`` is ``WordNetSimilarity()``, which needs none. Any object with
        ``matrix(targets, sources)`` may be passed, such as a `MixtureSimilarity`; if it has
        ``fit(logits, y)`` and there are images, a copy is fitted. Or pass the matrix, of shape
        (n_classes, n_sources), with rows in the order of ``classes_``.
    n_neighbors : int, "auto" or dict, default=10
        K. A dict has one number for each relation of a target to the sources in the taxonomy:
        ``"included"``, ``"inclusive"`` and ``"disjoint"``. It may also have ``"same"`` (default: as
        included) and ``"unknown"``, for labels without a synset (default: as disjoint). ``"auto"``
        chooses a number for each relation, by cross-validation on the training images: the one of
        1, 2, 5, 10, 20, 50, ... and all sources with the best macro F-score. It keeps 10 if no
        class has two images, or no other number is better.
    normalize : "equal" or None, default=None
        None does not scale the rows. ``"equal"`` scales each row to the mean norm of the source
        rows and drops the offsets. Otherwise averages of many rows, which are short, lose to
        averages of few.
    mixture : "means" or None, default=None
        ``"means"`` mixes the mean feature vector of each class's images into its row; see Notes.
    prior_images : float or "auto", default="auto"
        How many images the source rows count as in the mixture. With 0, only the class means count
        if a class has images. ``"auto"`` chooses 0.25, 0.5, 1, 2 or 4 by cross-validation on the
        training images, and 0.5 if no class has two images.
    candidates : array-like of shape (n_classes,), optional
        The target classes; the labels of ``fit`` if None.
    synsets : mapping of label to str or Synset, optional
        The wnids or nltk names of the target labels' synsets, such as
        ``class_synsets("cifar100")``. Other labels are looked up by name, or by the ``overrides``
        of a `WordNetSimilarity`. Integers have no synset.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The sorted target classes.
    coef_ : ndarray of shape (n_classes, n_features)
        The new rows.
    intercept_ : ndarray of shape (n_classes,)
        The new offsets.
    similarity_ : ndarray of shape (n_classes, n_sources)
        Similarity of target and source classes.
    weights_ : ndarray of shape (n_classes, n_sources)
        Weights of the convex combinations.
    relations_ : ndarray of shape (n_classes,)
        ``"same"``, ``"included"``, ``"inclusive"``, ``"disjoint"``, or ``"unknown"``.
    n_neighbors_ : dict of str to int
        K for each relation.
    mean_square_norm_ : float or None
        Mean squared norm of the images' features; None without images.
    prior_images_ : float
        How many images the source rows count as, if there is a mixture.
    neighbors_ : NeighborTable
        Target, relation, its sources and their weights, to print or to put into a data frame.

    See Also
    --------
    SourceHead : The head that it starts from.

    Notes
    -----
    A target class without any similar source (all similarities zero) gets the mean of all source
    rows and offsets, whose scores are near the middle of the others', and a warning names it. It
    is not rescaled.

    ``mixture="means"`` is for few images. With unit-length features, :math:`\mu_i` the unit
    mean vector of the :math:`n_i` images of class i, :math:`w_i` its initialised row at unit
    length, and :math:`\sigma` the standard deviation over classes of the scores that each of the
    two kinds of rows gives an image, averaged over the training images,

    .. math::

        W'_i \propto \frac{n_i}{n_i + m} \frac{\mu_i}{\sigma_\mu}
        + \frac{m}{n_i + m} \frac{w_i}{\sigma_w},

    with m of ``prior_images``, and no offset. So a class without images stands on its source rows
    alone, and one with many on its images. Where m cannot be chosen, 0.5 is taken: at one image a
    class the best of 0.25, 0.5, 1, 2 and 4 on Tiny ImageNet's training images, with the synsets
    of its classes taken out of the source head (``studies/transfer_constants.py``).

    References
    ----------
    A. Pascal, M. Bost and B. Huet, "Semantic and Visual Similarities for Efficient Knowledge
    Transfer in CNN Training", CBMI 2019.

    Examples
    --------
    >>> import numpy as np
    >>> from zeroshot import SimilarityInitializer, SourceHead
    >>> head = SourceHead(np.eye(3), np.zeros(3), ["cat", "dog", "trout"])
    >>> X = [[3.0, 1.0, 0.0], [2.0, 1.0, 0.0], [1.0, 2.0, 0.0], [0.0, 0.0, 1.0]]
    >>> model = SimilarityInitializer(head, n_neighbors=2).fit(X, ["lion", "lion", "lion", "carp"])
    >>> print(model.neighbors_)
    target  relation  sources
    carp    disjoint  1.00 trout
    lion    disjoint  0.62 cat | 0.38 dog
    >>> model.predict([[4.0, 0.0, 1.0]]).tolist()
    ['lion']
    """

    _constraints: ClassVar[Mapping[str, Any]] = {
        "source": Checked(_check_source),
        "similarity": Checked(check_measurable),
        "n_neighbors": OrAuto(Checked(check_neighbor_counts)),
        "normalize": Maybe(OneOf("equal")),
        "mixture": Maybe(OneOf("means")),
        "prior_images": OrAuto(Number(at_least=0)),
        "candidates": Checked(check_candidate_list),
        "synsets": Checked(check_synset_names),
    }
    _fitted: ClassVar[Mapping[str, Any]] = {
        **FITTED_FEATURES,
        "source": Part(SourceHead, sizes={"n_features": "n_features", "n_classes": "n_sources"}),
        "classes_": Labels("n_classes", least=1),
        "coef_": Array("n_classes", "n_features"),
        "intercept_": Array("n_classes"),
        "similarity_": Array("n_classes", "n_sources", most=float(np.finfo(np.float64).max)),
        "weights_": Array("n_classes", "n_sources", least=0),
        "relations_": Labels("n_classes", is_sorted=False, kind="relations"),
        "n_neighbors_": Plain(dict),
        "mean_square_norm_": Maybe(Number(at_least=0)),
        "prior_images_": Number(at_least=0),
    }

    def __init__(
        self,
        source: SourceHead,
        similarity: Any = "inference",
        *,
        n_neighbors: int | str | Mapping[str, int] = 10,
        normalize: str | None = None,
        mixture: str | None = None,
        prior_images: float | str = "auto",
        candidates: Any = None,
        synsets: Mapping[str, str] | None = None,
    ) -> None:
        self.source = source
        self.similarity = similarity
        self.n_neighbors = n_neighbors
        self.normalize = normalize
        self.mixture = mixture
        self.prior_images = prior_images
        self.candidates = candidates
        self.synsets = synsets

    def fit(self, X: Any = None, y: Any = None) -> Self:
        """Make the head.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or None
            Features of images of the target classes, as the source head takes them. None where
            neither the similarity nor the mixture needs images.
        y : array-like of shape (n_samples,)
            Their labels; with ``X=None``, the target labels, each as often as you like. May be
            left out if `candidates` are given.

        Returns
        -------
        self : object
            The fitted initializer.

        Raises
        ------
        TypeError
            `source` is no `SourceHead`, `similarity` has no ``matrix``, or `synsets` gives
            something else than names and synsets.
        ValueError
            A parameter is out of range; X is not finite or of another width than the source
            head; a target class has no image and the similarity needs one; the matrix of
            similarities is of another shape, or has negative entries.
        UnknownLabelError
            The similarity does not know a label; or a value of `synsets`, or a wnid of the source
            head, is that of no noun synset.
        """
        self._check_parameters()
        X, y = self._check_data(X, y)
        names = name_classes(self.classes_, self.source, self.synsets, owner=_OWNER)
        self.relations_ = relations_of(*taxonomy_names(names, self.similarity))
        positions = np.searchsorted(self.classes_, y)
        logits = None if X is None else self.source.decision_function(X)
        wanted, self.prior_images_ = self._choose(names, X, logits, y, positions)
        present = set(self.relations_.tolist())
        self.n_neighbors_ = {name: k for name, k in wanted.items() if name in present}
        self.similarity_ = self._measure(names, logits, y)
        counts = np.array([wanted[relation] for relation in self.relations_])
        self.weights_ = convex_weights(self.similarity_, counts)
        rule = TransferRule(self.source, self.normalize, self.mixture, self.prior_images_)
        lonely = np.logical_not(self.weights_.any(axis=1))
        coef, intercept = rule.finish(*rule.combine(self.weights_), lonely, X, positions)
        self.coef_ = coef.astype(self.source.coef.dtype)
        self.intercept_ = intercept.astype(self.source.coef.dtype)
        self.mean_square_norm_ = None if X is None else mean_square_norm(X)
        if lonely.any():
            mixed = self.mixture is not None and X is not None
            message = lonely_message(self.classes_, lonely, mixed=mixed, owner=_OWNER)
            warn_caller(message)
        return self

    @property
    def neighbors_(self) -> NeighborTable:
        """Target, relation, its sources and their weights."""
        check_is_fitted(self)
        return neighbor_table(self.classes_, self.relations_, self.weights_, self.source.labels)

    @answers_for_readable_rows
    def decision_function(self, X: Any) -> np.ndarray:
        """Score every target class.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Features.

        Returns
        -------
        scores : ndarray of shape (n_samples, n_classes)
            Columns follow ``classes_``. With two classes, as everywhere in scikit-learn, the score
            of the second less that of the first, of shape (n_samples,).
        """
        scores = self._scores(X)
        return binary_scores(scores)

    @answers_for_readable_rows
    def predict(self, X: Any) -> np.ndarray:
        """Name each sample.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Features.

        Returns
        -------
        labels : ndarray of shape (n_samples,)
            The target class with the highest score.
        """
        scores = self._scores(X)
        return self.classes_[scores.argmax(axis=1)]

    @answers_for_readable_rows
    def predict_proba(self, X: Any) -> np.ndarray:
        """Return the softmax of the scores: a ranking, not calibrated probabilities.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Features.

        Returns
        -------
        probabilities : ndarray of shape (n_samples, n_classes)
            Each row sums to one.
        """
        return softmax(self._scores(X), axis=1)

    @answers_for_readable_rows
    def transform(self, X: Any) -> np.ndarray:
        """Return the scores of all target classes, for the next step of a pipeline.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Features.

        Returns
        -------
        scores : ndarray of shape (n_samples, n_classes)
            Two columns for two classes.
        """
        return self._scores(X)

    def initialize(self, model: Any, *, head: str | None = None) -> Any:
        """Return a copy of a torch model with the new head in place of its own.

        Its own is what ``get_classifier`` gives, as timm's models have it; else the ``nn.Linear``
        with the weights of the source head; else the only one with as many features and outputs.

        Parameters
        ----------
        model : torch.nn.Module
            The network that the source head was cut from.
        head : str, optional
            The name of the layer to replace, such as ``"classifier.1"``, where it is not found.

        Returns
        -------
        torch.nn.Module
            The copy, on the same device. `model` itself is not changed.

        Raises
        ------
        TypeError
            `model` is no torch module.
        ValueError
            Its head is not found, is not linear, or takes another number of features.
        """
        check_is_fitted(self)
        return replace_head(model, self.coef_, self.intercept_, self.source, head, owner=_OWNER)

    def as_estimator(self, kind: str = "logistic", **params: Any) -> Any:
        """Return scikit-learn's own linear model with this head, to predict or to train on.

        Parameters
        ----------
        kind : {"logistic", "sgd"}, default="logistic"
            ``LogisticRegression``, or ``SGDClassifier`` with the logistic loss, which also has
            ``partial_fit``. Both have ``warm_start=True``, so that ``fit`` goes on from this head.
            Logistic regression trained to convergence ends at the same optimum from any start.
        **params : object
            For the constructor. ``"sgd"`` has ``learning_rate="constant"``, and ``eta0`` such that
            a step changes the score of the image that it is taken on by 0.1 at most: 0.1 over the
            mean squared norm of the features in ``fit``, plus one for the offset. scikit-learn's
            own rate starts with steps that throw the head away. Without images, the norm is taken
            for 20 over that of the source rows.

        Returns
        -------
        LogisticRegression or SGDClassifier
            Ready to predict. The head is a fitted attribute, not a parameter: what clones the
            model first, as ``clone``, ``GridSearchCV`` and ``cross_val_score`` do, starts without
            it. Its ``fit`` must see images of just these classes; ``partial_fit`` takes any of
            them.

        Raises
        ------
        ValueError
            `kind` is unknown, or there is one class only.
        """
        check_is_fitted(self)
        step = step_size(self.mean_square_norm_, self.source.coef)
        model = warm_started(
            kind, self.coef_, self.intercept_, self.classes_, params, step=step, owner=_OWNER
        )
        if hasattr(self, "feature_names_in_"):
            model.feature_names_in_ = self.feature_names_in_.copy()
        return model

    def _check_combination(self) -> None:
        super()._check_combination()
        check_n_neighbors(self.n_neighbors, len(self.source.labels), owner=_OWNER)

    def _check_data(self, X: Any, y: Any) -> tuple[np.ndarray | None, np.ndarray]:
        """Set the target classes, and return features, or None, and labels."""
        y = self.candidates if y is None and X is None else y
        if y is None:
            raise ValueError(f"{_OWNER}: y is missing. Pass the labels of the target classes.")
        y = check_missing_labels(y, owner=_OWNER)
        if X is None:
            self.n_features_in_ = self.source.n_features_in_
            if hasattr(self, "feature_names_in_"):
                del self.feature_names_in_
        else:
            X, y = self._validate_pair(X, y)
            if X.shape[1] != self.source.n_features_in_:
                raise ValueError(
                    f"{_OWNER}: X has {X.shape[1]} features, but the source head takes "
                    f"{self.source.n_features_in_}. Pass features of the network that it was cut "
                    "from."
                )
        y = check_labels(y, owner=_OWNER, name="y")
        if not len(y):
            raise ValueError(f"{_OWNER}: y is empty. Name at least one target class.")
        self.classes_ = np.unique(y)
        if self.candidates is not None:
            self.classes_ = check_candidates(self.candidates, self.classes_, owner=_OWNER)
        return X, y

    def _measure(self, names: Names, logits: np.ndarray | None, y: np.ndarray) -> np.ndarray:
        try:
            return measure(self.similarity, names, logits, y, owner=_OWNER)
        except UnknownLabelError as error:
            raise with_remedy(error, owner=_OWNER) from None

    def _choose(
        self,
        names: Names,
        X: np.ndarray | None,
        logits: np.ndarray | None,
        y: np.ndarray,
        positions: np.ndarray,
    ) -> tuple[dict[str, int], float]:
        """Return K for each relation, and the prior images: as given, or by cross-validation."""
        n_sources = len(names.sources)
        given = check_n_neighbors(self.n_neighbors, n_sources, owner=_OWNER)
        wanted = default_n_neighbors(n_sources) if given is None else given
        auto_prior = isinstance(self.prior_images, str)
        prior_images = DEFAULT_PRIOR_IMAGES if auto_prior else float(self.prior_images)
        auto_prior = auto_prior and self.mixture is not None
        if X is None or logits is None or not (given is None or auto_prior):
            return wanted, prior_images

        def measured(train: np.ndarray) -> np.ndarray:
            return self._measure(names, logits[train], y[train])

        rule = TransferRule(self.source, self.normalize, self.mixture, prior_images)
        validation = CrossValidation(rule, measured, X, positions, self.relations_)
        if given is None:
            wanted = validation.choose_n_neighbors(prior_images, n_sources)
        if auto_prior:
            prior_images = validation.choose_prior_images(wanted)
        return wanted, prior_images

    def _scores(self, X: Any) -> np.ndarray:
        check_is_fitted(self)
        X = self._validate(X)
        return X @ self.coef_.T.astype(X.dtype) + self.intercept_.astype(X.dtype)

    @property
    def _n_features_out(self) -> int:
        return len(self.classes_)


def deal_folds(X: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """Deal the images of each class out to folds in turn, whatever order they come in.

    A class with one image is in no fold (-1), so that every class has an image outside of any
    fold. There are as many folds as the largest class has images, five at most.
    """
    folds = np.full(len(positions), -1)
    for position in np.unique(positions):
        rows = np.flatnonzero(positions == position)
        if len(rows) > 1:
            folds[rows[_order_by_content(X[rows])]] = np.arange(len(rows)) % MAX_FOLDS
    return folds


def _order_by_content(rows: np.ndarray) -> list[int]:
    """Return an order of rows that depends on what is in them alone, and not on their dtype."""
    content = [row.tobytes() for row in rows.astype(np.float64) + 0.0]  # 0.0 + -0.0 is 0.0
    return sorted(range(len(rows)), key=content.__getitem__)


class Fold:
    """Heads of some of the training images, judged by the others.

    Parameters
    ----------
    rule : TransferRule
        How heads are made.
    similarity : ndarray of shape (n_classes, n_sources)
        Measured without the test images.
    X : ndarray of shape (n_samples, n_features)
        Features of all images.
    positions : ndarray of shape (n_samples,)
        Their classes.
    test : ndarray of bool of shape (n_samples,)
        The images left out.
    """

    def __init__(
        self,
        rule: TransferRule,
        similarity: np.ndarray,
        X: np.ndarray,
        positions: np.ndarray,
        test: np.ndarray,
    ) -> None:
        self.test = test
        self._rule = rule
        self._similarity = similarity
        self._train = X[~test], positions[~test]
        self._test_X = X[test]
        self._combined: dict[int, tuple[np.ndarray, np.ndarray]] = {}

    def predict(self, n_neighbors: np.ndarray, prior_images: float) -> np.ndarray:
        """Return the classes, (n_test,), that the head with these settings predicts."""
        coef = np.empty((len(n_neighbors), self._test_X.shape[1]))
        intercept = np.empty(len(n_neighbors))
        for k in np.unique(n_neighbors).tolist():
            rows = n_neighbors == k
            whole_coef, whole_intercept = self._uniform(k)
            coef[rows], intercept[rows] = whole_coef[rows], whole_intercept[rows]
        rule = replace(self._rule, prior_images=prior_images)
        lonely = np.logical_not(self._similarity.any(axis=1))
        coef, intercept = rule.finish(coef, intercept, lonely, *self._train)
        scores = self._test_X @ coef.T.astype(self._test_X.dtype) + intercept
        return scores.argmax(axis=1)

    def _uniform(self, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the combinations with the same K for all: each row depends on its own alone."""
        if k not in self._combined:
            counts = np.full(len(self._similarity), k)
            self._combined[k] = self._rule.combine(convex_weights(self._similarity, counts))
        return self._combined[k]


class CrossValidation:
    """Macro F-score of heads on images left out, over the classes that have two images or more.

    Parameters
    ----------
    rule : TransferRule
        How heads are made.
    measure : callable
        ``measure(train)`` gives the similarity of the classes by the images of a mask.
    X : ndarray of shape (n_samples, n_features)
        Features.
    positions : ndarray of shape (n_samples,)
        Their classes.
    relations : ndarray of shape (n_classes,)
        Of each class to the sources.
    """

    def __init__(
        self,
        rule: TransferRule,
        measure: Callable[[np.ndarray], np.ndarray],
        X: np.ndarray,
        positions: np.ndarray,
        relations: np.ndarray,
    ) -> None:
        folds = deal_folds(X, positions)
        self._scored = folds >= 0
        self._positions = positions
        self._relations = relations
        self._folds = [
            Fold(rule, measure(folds != fold), X, positions, folds == fold)
            for fold in range(folds.max() + 1)
        ]
        self._classes = np.unique(positions[self._scored])
        self.relations = np.unique(relations[self._classes]).tolist()

    def score(self, n_neighbors: dict[str, int], prior_images: float) -> float:
        """Return the macro F-score of heads with these settings."""
        counts = np.array([n_neighbors[relation] for relation in self._relations])
        predicted = np.empty_like(self._positions)
        for fold in self._folds:
            predicted[fold.test] = fold.predict(counts, prior_images)
        true, predicted = self._positions[self._scored], predicted[self._scored]
        labels = self._classes
        return float(f1_score(true, predicted, labels=labels, average="macro", zero_division=0))

    def choose_n_neighbors(self, prior_images: float, n_sources: int) -> dict[str, int]:
        """Choose K for each relation: first one for all, then for each by itself.

        Heads of several relations compete for the same images, and rows of many neighbours are
        shorter than rows of few, so that the K of one relation is judged together with those of
        the others. What is chosen already stays unless another is better; a relation without two
        images of a class keeps what all have.
        """
        best = default_n_neighbors(n_sources)
        if not self.relations:
            return best
        record = self.score(best, prior_images)
        alone = [[name] for name in self.relations if len(self.relations) > 1]
        for step in (list(best), *alone):
            tried = [{**best, **dict.fromkeys(step, k)} for k in neighbor_grid(n_sources)]
            scores = [self.score(wanted, prior_images) for wanted in tried]
            if max(scores) > record:
                best, record = tried[int(np.argmax(scores))], max(scores)
        return best

    def choose_prior_images(self, n_neighbors: dict[str, int]) -> float:
        """Choose how many images source rows count as; `DEFAULT_PRIOR_IMAGES` unless better."""
        if not self.relations:
            return DEFAULT_PRIOR_IMAGES
        candidates = (DEFAULT_PRIOR_IMAGES, *PRIOR_GRID)  # of equals, the first
        scores = [self.score(n_neighbors, prior_images) for prior_images in candidates]
        return candidates[int(np.argmax(scores))]
