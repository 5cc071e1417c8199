"""Few-shot classification: class means blended with a prior from class names."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np
from scipy.linalg import cho_solve, solve_triangular
from sklearn.frozen import FrozenEstimator
from sklearn.utils import gen_batches
from sklearn.utils.validation import check_is_fitted

from zeroshot._linear import RowSums, blocks, cholesky, product, shifted_diagonal
from zeroshot._utils._constraints import Checked, Maybe, Number, OrAuto
from zeroshot._utils._fitted import Array, Optional, Part, Sizes, check_covers
from zeroshot._utils._onnx_graph import Graph
from zeroshot._utils._pipelines import unwrap
from zeroshot._utils._saving import Saved
from zeroshot._utils._validation import check_labels, warn_caller
from zeroshot.estimators._composite import (
    CompositeClassifier,
    check_member,
    fitted_from_names,
    scores_of,
    thawed,
    view_over,
)
from zeroshot.estimators._few_shot_regression import (
    RegressionPart,
    fit_regression,
    held_out_rows,
    is_worth_it,
)
from zeroshot.estimators._onnx_steps import add_scores_of
from zeroshot.estimators._unreadable_rows import answers_for_readable_rows

_OWNER = "FewShotClassifier"
_OF_REGRESSION = {"n_regressed": "n_seen", "n_features": "n_features"}
BATCH = 2048

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
    r"""Combination of the scores of a prior and of class means into one score per class.

    Both are centred on their mean over the classes with images, and divided by their spread. On
    that scale the right class is :math:`\delta_p` above the others by the prior, and
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

    _constraints: ClassVar[Mapping[str, Any]] = {
        **dict.fromkeys(("prior_spread", "means_spread"), Number(above=1e-30)),
        **dict.fromkeys(("prior_strength", "means_strength"), Number()),
        "correlation": Number(at_least=-1.01, at_most=1.01),
        "prior_images": Maybe(Number(at_least=0)),
        "trust": Number(at_least=0),
    }

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


class FewShotClassifier(CompositeClassifier):
    r"""One classifier from no image of a class to many.

    A prior scores every class by its name. Classes with images are also scored by the means of
    their images, and the two scores are blended. Without any image, this classifier equals the
    prior. Classes with and without images may be candidates together.

    Parameters
    ----------
    prior : classifier with ``decision_function``, optional
        What is known of the classes without images: a zero-shot classifier that is fitted on names
        alone, such as a `ConSEClassifier` or a `SimilarityInitializer` of a `SourceHead`; or any
        classifier fitted on other images, in scikit-learn's ``FrozenEstimator``. Do not pass one
        that was fitted on the same images: it would seem better than it is. With None, every class
        must have an image.
    prior_images : float or "auto", default="auto"
        How many images the prior counts as: with m, the prior's share for a class with n images is
        m/(n+m). ``"auto"`` measures the strengths of both on the training images; see Notes.
    regression_weight : float or "auto", default="auto"
        The share of logistic regression in the scores of classes with images, from 0 to 1.
        ``"auto"`` is 0 for fewer than 20 images per class (the harmonic mean), and else the best of
        0, 0.25, 0.5, 0.75 and 1 on images that are held out.
    candidates : array-like of shape (n_classes,), optional
        The vocabulary that ``predict`` chooses from, all labels of ``fit`` among them; the labels
        of ``fit`` if None.
    scenario : {"generalized", "unseen"}, default="generalized"
        Whether all candidates may win, or only those without an image.
    temperature : float, "auto" or None, default=None
        Scores are divided by it in ``predict_proba``; None is 1.0. "auto" chooses it on held-out
        classes, which costs up to five further fits.

    Attributes
    ----------
    classes_, seen_classes_, unseen_classes_ : ndarray
        The candidates, the classes with images, and the candidates without images.
    prior_ : classifier or None
        The fitted prior, over the candidates and the classes with images.
    prior_shares_ : ndarray of shape (n_classes,)
        The prior's share of each class's score: 1 for classes without images.
    center_ : ndarray of shape (n_features,)
        Mean of the class means.
    coef_ : ndarray of shape (n_seen, n_features)
        The directions of the class means, whose scores are ``(X - center_) @ coef_.T``.
    image_counts_ : ndarray of shape (n_seen,)
        Images of each seen class.
    blend_ : BlendRule or None
        The measured strengths of the two kinds of scores; None if there is only one kind.
    regression_ : RegressionPart or None
        Logistic regression and its ``weight``; None if that is 0.

    See Also
    --------
    SimilarityInitializer : Rows for a network's new head, to train on; a good prior as well.
    EnsembleZeroShotClassifier : Several classifiers side by side.

    Notes
    -----
    Each class counts once, however many images it has. With :math:`z_i` the images less the mean of
    the C class means, :math:`m_c` a class mean less that, n the images of a class, and weights
    :math:`w_i = W / (C n)` of its images, where W is C times the harmonic mean of the n, the means'
    score is :math:`z^\top A m_c / \sqrt{m_c^\top A m_c}` with :math:`A = (\sum_i w_i z_i z_i^\top +
    \lambda I)^{-1}` and :math:`\lambda` the weighted mean squared length of the rows. This is a
    linear discriminant, shrunk as if there were n_features more images. X is not scaled otherwise.
    Class means count as directions from the mean of all classes. A class at that mean, which is
    possible in few dimensions, has no direction. ``fit`` works on n_features squared floats.

    The scores of prior and means are each divided by their spread over the wrong classes of an
    image. On that scale, :math:`\delta` is how far each puts the right class above the others. It
    is measured on the training images, by class means without the image itself if its class has
    another one (leave-one-out, in closed form).
    Fisher's discriminant then weights the two by :math:`\delta_p - \rho \delta_m` and
    :math:`\delta_m - \rho \delta_p`, with their correlation :math:`\rho`. As
    :math:`\delta_m = \delta_\infty \sqrt{n/(n+4)}` grows with the number n of images, the prior's
    share falls. If no class has two images, :math:`\delta_\infty = 5`. Both constants come from
    Tiny ImageNet's training images (``studies/few_shot_prior.py --preset development``), with its
    classes taken out of the ImageNet head that was the prior.

    A prior that is nearly always right is hard to improve. The weight of the means is therefore
    multiplied by a trust between 0 and 1. It is the one with the best mean class accuracy on
    training images left out of the means, or 0 if it is not better than the prior alone by more
    than a standard error. If fewer than half of the classes have two images, the means are trusted
    only if the prior is right for less than half of the images (``studies/own_photos.py``).

    With many images, logistic regression on features of unit length (``C=10``) is better than class
    means. It is added as a third part where classes have 20 images or more. Its scores are scaled
    so that right and wrong classes score as high by it as by the blend. Its weight is the best one
    on a fifth of the images, which the regression that is judged has not seen.

    The blend of each class is scaled to a z-score again. Half of the score that is expected for the
    right class is subtracted, so that classes with and without images compete fairly. This changes
    the order only if the numbers of images differ.

    References
    ----------
    R. A. Fisher, "The Use of Multiple Measurements in Taxonomic Problems", Annals of Eugenics 7,
    1936.

    Examples
    --------
    Two classes with images, and one known by its name only:

    >>> import numpy as np
    >>> from zeroshot import AttributeTable, ConSEClassifier, FewShotClassifier, SourceHead
    >>> traits = AttributeTable(
    ...     [[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0]], labels=["horse", "tiger", "fish", "zebra"]
    ... )
    >>> head = SourceHead(np.eye(3), np.zeros(3), ["horse", "tiger", "fish"])
    >>> names = ["horse", "tiger", "zebra"]
    >>> model = FewShotClassifier(ConSEClassifier(head, traits), candidates=names)
    >>> X = [[0.9, 0.3, 0.1], [0.8, 0.1, 0.1], [0.2, 0.9, 0.0], [0.1, 0.8, 0.2]]
    >>> model.fit(X, ["horse", "horse", "tiger", "tiger"])
    FewShotClassifier(...)
    >>> model.predict([[0.9, 0.2, 0.1], [0.7, 0.7, 0.0]]).tolist()
    ['horse', 'zebra']
    >>> model.prior_shares_[-1]
    np.float64(1.0)
    """

    prior_: Any
    blend_: BlendRule | None
    regression_: RegressionPart | None

    _default_temperature = 1.0

    _constraints: ClassVar[Mapping[str, Any]] = {
        "prior": Maybe(Checked(check_member)),
        "prior_images": OrAuto(Number(at_least=0)),
        "regression_weight": OrAuto(Number(at_least=0, at_most=1)),
    }
    _fitted: ClassVar[Mapping[str, Any]] = {
        "image_counts_": Array("n_seen", kind="i", least=1),
        "center_": Array("n_center"),
        "coef_": Array("n_seen", "n_center"),
        "prior_": Maybe(
            Part(sizes={"n_features": "n_features"}, has=("classes",), does=("decision_function",))
        ),
        "blend_": Maybe(Part(BlendRule)),
        "regression_": Optional(Maybe(Part(RegressionPart, sizes=_OF_REGRESSION))),
    }

    @classmethod
    def _check_together(cls, values: Mapping[str, Any], sizes: Sizes) -> None:
        super()._check_together(values, sizes)
        classes, seen, prior = values["classes_"], values["seen_classes_"], values["prior_"]
        if prior is None:
            check_covers({"classes": seen}, classes, owner=cls.__name__, name="seen_classes_")
        else:
            labels = np.union1d(classes, seen)
            check_covers(sizes.of(prior), labels, owner=cls.__name__, name="prior_")
        if len(seen) and sizes["n_center"] != sizes.get("n_features", sizes["n_center"]):
            raise ValueError(f"{cls.__name__}: center_ must have one entry per feature.")
        if values["blend_"] is not None and not len(seen):
            raise ValueError(f"{cls.__name__}: blend_ must be None without images.")

    def __init__(
        self,
        prior: Any = None,
        *,
        prior_images: float | str = "auto",
        regression_weight: float | str = "auto",
        candidates: Any = None,
        scenario: str = "generalized",
        temperature: float | str | None = None,
    ) -> None:
        self.prior = prior
        self.prior_images = prior_images
        self.regression_weight = regression_weight
        self.candidates = candidates
        self.scenario = scenario
        self.temperature = temperature

    def fit(self, X: Any = None, y: Any = None) -> Self:
        """Take up whatever images there are.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or None
            Features, as the prior takes them; None, or no row, where there is no image, with
            `candidates`.
        y : array-like of shape (n_samples,) or None
            Their labels: all strings, or all integers.

        Returns
        -------
        self : object
            The fitted classifier.

        Raises
        ------
        TypeError
            `prior` is no classifier with ``decision_function``.
        ValueError
            There is neither an image nor a prior, or a candidate has neither; `y` holds labels that
            `candidates` lacks; the prior does not know a candidate, or needs images to be fitted;
            X is not finite or of another width than the prior takes.
        NotFittedError
            A frozen prior is not fitted.
        """
        self._check_parameters()
        if _is_empty(X) and _is_empty(y):
            return self._fit_names()
        if X is None:
            raise ValueError(
                f"{_OWNER}: y names images, but X is missing. Pass both; class names without "
                "images go into candidates=."
            )
        X, y = self._validate_fit(X, y)
        self._fit_images(X, self._set_classes(y))
        self._learn_confidence(X, y)
        return self

    def _scores_unseen(self) -> bool:
        return self.prior is not None

    def _fit_names(self) -> Self:
        if self.candidates is None or self.prior is None:
            raise ValueError(
                f"{_OWNER}: there are no images. Pass X and y, or both candidates=, which names "
                "the classes, and prior=, which knows the names."
            )
        self._fit_without_images(None)
        labels = check_labels(self._named(self.candidates), owner=_OWNER, name="candidates")
        self._set_classes(labels[:0])
        self.image_counts_ = np.empty(0, dtype=np.int64)
        self.center_, self.coef_ = np.empty(0), np.empty((0, 0))
        self.blend_ = self.regression_ = None
        self._fit_prior()
        if hasattr(self.prior_, "n_features_in_"):
            self.n_features_in_ = self.prior_.n_features_in_
        self._no_confidence_from_names()
        return self

    def _fit_images(self, X: np.ndarray, positions: np.ndarray) -> Self:
        outside = np.setdiff1d(self.seen_classes_, self.classes_).tolist()
        if outside:
            raise ValueError(
                f"{_OWNER}: y holds {len(outside)} labels that candidates lacks "
                f"({', '.join(map(repr, outside[:10]))}). Add them, or leave their images out."
            )
        n_seen = len(self.seen_classes_)
        self.image_counts_ = np.bincount(positions, minlength=n_seen)
        directions = ClassDirections.of_images(X, positions, n_seen) if n_seen > 1 else None
        if directions is None:
            self.center_, self.coef_ = np.zeros(X.shape[1]), np.zeros((n_seen, X.shape[1]))
        else:
            self.center_, self.coef_ = directions.center, directions.coef
        self.blend_ = self.regression_ = None
        self._fit_prior()
        if directions is None:
            if self.prior_ is not None:
                self._warn_of_one_class()
            return self
        if self.prior_ is not None:
            self._fit_blend(X, positions, directions)
        self._fit_regression(X, positions, directions)
        return self

    def _fit_blend(self, X: np.ndarray, positions: np.ndarray, directions: ClassDirections) -> None:
        fixed = None if isinstance(self.prior_images, str) else float(self.prior_images)
        self.blend_ = measure_blend(
            self._scores_of_training_images(X, positions, directions),
            self.image_counts_,
            default_spread=float(directions.lengths.mean()) or 1.0,
            prior_images=fixed,
        )
        if fixed is None:
            batches = self._scores_of_training_images(X, positions, directions)
            self.blend_ = with_trust(self.blend_, batches, self.image_counts_)

    def _fit_regression(
        self, X: np.ndarray, positions: np.ndarray, directions: ClassDirections
    ) -> None:
        automatic = self.regression_weight == "auto"
        if self.regression_weight == 0 or (automatic and not is_worth_it(self.image_counts_)):
            return
        held_out = held_out_rows(positions)
        if not len(held_out):
            raise ValueError(
                f"{_OWNER}: regression_weight={self.regression_weight!r} needs five images of a "
                "class, to put the regression on the scale of the other parts. Pass "
                "regression_weight='auto'."
            )
        others = []
        for prior, means, of in self._scores_of_training_images(
            X[held_out], positions[held_out], directions
        ):
            if self.blend_ is not None:
                means = _without_itself(self.blend_, prior, means, of, self.image_counts_)
            others.append(means)
        weight = None if automatic else float(self.regression_weight)
        self.regression_ = fit_regression(X, positions, held_out, np.concatenate(others), weight)

    def _fit_prior(self) -> None:
        self.prior_ = None
        if self.prior is not None:
            self.prior_ = fitted_from_names(self.prior, self.classes_, owner=_OWNER, name="prior")
        self._prepare_candidates()

    def _warn_of_one_class(self) -> None:
        warn_caller(
            f"{_OWNER}: the images are all of {self.seen_classes_[0]!s}, or all the same, and say "
            "nothing of what sets classes apart: scores are the prior's. Pass images of at least "
            "two classes.",
        )

    def _scores_of_training_images(
        self, X: np.ndarray, y: np.ndarray, directions: ClassDirections
    ) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        for rows in gen_batches(len(X), BATCH):
            means = directions.leave_one_out(X[rows], y[rows])
            prior = means  # where there is none
            if self.prior_ is not None:
                prior = scores_of(self.prior_, X[rows], self.seen_classes_)
            yield prior, means, y[rows]

    def _prepare_candidates(self) -> None:
        if self.prior_ is not None:
            self.prior_ = self._prior_over(self._labels())
        elif len(self.unseen_classes_):
            missing = self.unseen_classes_.tolist()
            raise ValueError(
                f"{_OWNER}: {len(missing)} of {len(self.classes_)} candidates have no image "
                f"({', '.join(map(repr, missing[:10]))}), and there is no prior that knows their "
                "names. Pass prior=ConSEClassifier(head, WordVectors()), or leave them out."
            )

    def _prior_over(self, labels: np.ndarray) -> Any:
        prior = thawed(self.prior_)
        views = isinstance(self.prior, FrozenEstimator) or hasattr(unwrap(prior), "with_candidates")
        if not views and not np.isin(labels, prior.classes_).all():
            prior = fitted_from_names(prior, labels, owner=_OWNER, name="prior")
        return view_over(prior, labels, owner=_OWNER, name="prior")

    def _labels(self) -> np.ndarray:
        """Return what the prior has to score: the candidates, and the classes with images."""
        return np.union1d(self.classes_, self.seen_classes_)

    def _counts(self) -> np.ndarray:
        """Return how many images there are of each of ``classes_``."""
        counts = np.zeros(len(self.classes_), dtype=np.int64)
        known = np.isin(self.classes_, self.seen_classes_)
        places = np.searchsorted(self.seen_classes_, self.classes_[known])
        counts[known] = self.image_counts_[places]
        return counts

    @property
    def prior_shares_(self) -> np.ndarray:
        """The prior's share of each class's score."""
        check_is_fitted(self)
        if self.blend_ is None:
            return np.full(len(self.classes_), 0.0 if self.prior_ is None else 1.0)
        counts = self._counts()
        prior, means, _ = self.blend_.weights(counts)
        regression = 0.0 if self._regression is None else self._regression.weight
        return prior / (prior + means) * np.where(counts > 0, 1 - regression, 1)

    def _given_members(self) -> list[Any]:
        return [] if self.prior is None else [self.prior]

    def _fitted_members(self) -> list[Any]:
        return [] if self.prior_ is None else [self.prior_]

    def _class_scores(self, X: np.ndarray) -> np.ndarray:
        scores, regression = self._scores_without_regression(X), self._regression
        if regression is not None:
            known = np.isin(self.classes_, self.seen_classes_)
            places = np.searchsorted(self.seen_classes_, self.classes_[known])
            scores[:, known] *= 1 - regression.weight
            scores[:, known] += regression.weight * regression.scores(X)[:, places]
        return scores

    @property
    def _regression(self) -> RegressionPart | None:
        return getattr(self, "regression_", None)  # none in models of earlier versions

    def _scores_without_regression(self, X: np.ndarray) -> np.ndarray:
        if self.prior_ is None:
            return self._mean_scores(X)[:, np.searchsorted(self.seen_classes_, self.classes_)]
        labels = self._labels()
        scores = scores_of(self.prior_, X, labels).astype(X.dtype, copy=False)
        columns = np.searchsorted(labels, self.classes_)
        if self.blend_ is None:
            return scores[:, columns]
        scores = scores - scores[:, np.isin(labels, self.seen_classes_)].mean(axis=1, keepdims=True)
        means = self._mean_scores(X)
        means -= means.mean(axis=1, keepdims=True)
        return self._blended(scores[:, columns], means, self.blend_)

    def _blended(self, prior: np.ndarray, means: np.ndarray, blend: BlendRule) -> np.ndarray:
        """Return the scores of ``classes_`` from the prior's, and from those of the seen classes.

        Both are centred on the mean of the seen classes.
        """
        counts = self._counts()
        known = counts > 0
        places = np.searchsorted(self.seen_classes_, self.classes_[known])
        of_prior, of_means, thresholds = (w.astype(prior.dtype) for w in blend.weights(counts))
        blended = prior * (of_prior / blend.prior_spread) - thresholds
        blended[:, known] += means[:, places] * (of_means[known] / blend.means_spread)
        return blended.astype(prior.dtype, copy=False)

    def _mean_scores(self, X: np.ndarray) -> np.ndarray:
        return (X - self.center_.astype(X.dtype)) @ self.coef_.T.astype(X.dtype)

    def _add_class_scores(self, graph: Graph, X: str) -> str:
        scores, regression = self._add_scores_without_regression(graph, X), self._regression
        if regression is None:
            return scores
        known = self._counts() > 0
        rows = graph.affine(graph.unit_rows(X), regression.coef.T, regression.intercept)
        added = graph("Mul", graph.columns(rows, self._seen_places()), regression.weight * known)
        return graph("Add", graph("Mul", scores, 1 - regression.weight * known), added)

    def _add_scores_without_regression(self, graph: Graph, X: str) -> str:
        if self.prior_ is None:
            return graph.columns(self._add_mean_scores(graph, X), self._seen_places())
        labels = self._labels()
        scores = add_scores_of(graph, self.prior_, X, labels)
        columns = np.searchsorted(labels, self.classes_)
        if self.blend_ is None:
            return graph.columns(scores, columns)
        seen = np.flatnonzero(np.isin(labels, self.seen_classes_))
        scores = graph("Sub", scores, graph.mean(graph.columns(scores, seen)))
        means = self._add_mean_scores(graph, X)
        means = graph("Sub", means, graph.mean(means))
        of_prior, of_means, thresholds = self.blend_.weights(self._counts())
        prior = graph("Mul", graph.columns(scores, columns), of_prior / self.blend_.prior_spread)
        known = np.where(self._counts() > 0, of_means / self.blend_.means_spread, 0)
        added = graph("Mul", graph.columns(means, self._seen_places()), known)
        return graph("Add", graph("Sub", prior, thresholds), added)

    def _add_mean_scores(self, graph: Graph, X: str) -> str:
        return graph("MatMul", graph("Sub", X, self.center_), self.coef_.T)

    def _seen_places(self) -> np.ndarray:
        """Return where each of ``classes_`` stands in ``seen_classes_``; 0 where it does not."""
        known = np.isin(self.classes_, self.seen_classes_)
        return np.where(known, np.searchsorted(self.seen_classes_, self.classes_), 0)

    @answers_for_readable_rows
    def predict_proba(self, X: Any) -> np.ndarray:
        """Softmax of the scores over ``temperature``; with no image, what the prior says itself.

        They are calibrated where ``temperature`` was chosen on held-out classes.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Features.

        Returns
        -------
        probabilities : ndarray of shape (n_samples, n_classes)
            Zero for classes with images with ``scenario="unseen"``.
        """
        check_is_fitted(self)
        own = getattr(self.prior_, "predict_proba", None)
        if own is None or len(self.seen_classes_) or self._confidence is not None:
            return super().predict_proba(X)
        if not np.array_equal(self.prior_.classes_, self.classes_):
            return super().predict_proba(X)
        return own(self._validate(X))


def _is_empty(rows: Any) -> bool:
    """Tell whether there are no rows, or only none."""
    shape = getattr(rows, "shape", None)
    if shape is not None:
        return len(shape) > 0 and shape[0] == 0
    return rows is None or (isinstance(rows, (list, tuple)) and not rows)


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
    which those of a confident prior are not. So one that names half of the images of a class or
    more, on average, stays alone unless the means prove their worth; a weaker one gets the means in
    full unless these prove harmful. Proof is by training images left out of the means: with another
    trust, their mean class accuracy must be higher by more than the standard error of the
    difference. Where fewer than half of the classes have two images there is nothing to prove it
    with.

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
    base = len(rules) - 1 if (prior_hits / image_counts).mean() < 0.5 else 0
    if 2 * n_judged < n_classes:
        return rules[base]
    right = np.concatenate(hits, axis=1).astype(np.float64)
    counts = np.bincount(codes)[codes]
    share = 1 / (counts * n_judged)  # of an image in mean class accuracy
    best = int(np.round(right @ share, 12).argmax())  # ties go to the least trust
    gain = right[best] - right[base]
    error = np.sqrt(np.square(gain).mean() * np.square(share).sum())
    return rules[best if round(float(gain @ share - error), 12) > 0 else base]


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

        Exact, except that :math:`\lambda` and the weights of the other images do not change. Let y
        be the class of image i, with n images. Without image i, the mean of the class means moves
        by :math:`\delta = (m_y - z_i) / (C (n - 1))`. If i is the only image, its class disappears,
        and :math:`\delta = -z_i / (C - 1)`. Because the weighted rows sum to zero,

        .. math:: A^{-1} - w z_i z_i^\top + w (\delta z_i^\top + z_i \delta^\top)
                  + (W - w) \delta \delta^\top

        replaces :math:`A^{-1}`. The change has rank two, :math:`U B U^\top` with the columns
        :math:`U = (z_i, m_y)`. So by Woodbury's identity, products with the new A follow from
        products of :math:`z_i` and the means with the old A, and no image needs a new factor.

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
        # Products u A v with the old A. All vectors below are combinations of z_i, m_y and the
        # means m_c, so these few products are all that is needed.
        of_means = self.coef * self.lengths[:, None]
        between = self.means @ of_means.T
        z_m = Z @ of_means.T
        y_m = between[positions]
        z_z = np.square(solve_triangular(self.factor, Z.T, lower=True)).sum(axis=0)
        z_y, y_y = z_m[own], y_m[own]
        # δ = a m_y + b z_i per image; with it, the formula above becomes A⁻¹ + U B Uᵀ.
        a = np.where(alone, 0.0, 1 / (C * np.where(alone, 1, n - 1)))
        b = np.where(alone, -1.0 / max(C - 1, 1), -a)
        B = np.empty((len(Z), 2, 2))
        B[:, 0, 0] = -w + 2 * w * b + (W - w) * b * b
        B[:, 0, 1] = B[:, 1, 0] = w * a + (W - w) * a * b
        B[:, 1, 1] = (W - w) * a * a
        inner = np.stack([np.stack([z_z, z_y], -1), np.stack([z_y, y_y], -1)], -2)  # Uᵀ A U
        # K = (I + B Uᵀ A U)⁻¹ B, and new products u A' v = u A v - (u A U) K (U A v).
        K = np.linalg.solve(np.eye(2) + B @ inner, B)
        # The origin moves by δ, so the image becomes z_i - δ, and each mean m_c - δ. `image` and
        # `shift` are z_i - δ and δ in coordinates of (z_i, m_y).
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
        # Its own class also loses the image: the mean is (1 + e) m_y - e z_i - δ, e = 1 / (n - 1).
        e = np.where(alone, 0.0, 1 / np.where(alone, 1, n - 1))
        mean = np.stack([-e - b, 1 + e - a], -1)
        U_own = np.einsum("ijk,ik->ij", inner, mean)
        U_mean[own[0], :, positions] = U_own
        products[own] = np.einsum("ij,ij->i", image, U_own)
        squares[own] = np.einsum("ij,ij->i", mean, U_own)
        # So far with the old A; the change of A by Woodbury's identity.
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
