"""From no image a class to many: class means, and a prior that knows the names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.frozen import FrozenEstimator
from sklearn.utils import gen_batches
from sklearn.utils.validation import check_is_fitted

from zeroshot._constraints import Checked, Maybe, Number, OrAuto
from zeroshot._pipelines import unwrap
from zeroshot._validation import check_labels, warn_caller
from zeroshot.estimators._blend import BlendRule, measure_blend, with_trust
from zeroshot.estimators._class_directions import BATCH, ClassDirections
from zeroshot.estimators._composite import CompositeClassifier
from zeroshot.estimators._members import (
    check_member,
    fitted_from_names,
    scores_of,
    thawed,
    view_over,
)

_OWNER = "FewShotClassifier"


class FewShotClassifier(CompositeClassifier):
    r"""One classifier from no image of a class to many.

    A prior scores every class by its name; the classes that there are images of are scored by the
    means of their images too, and the two are blended. With no image at all it is the prior.
    Classes with and without images stand in one vocabulary.

    Parameters
    ----------
    prior : classifier with ``decision_function``, optional
        What is known of the classes before there is an image: a zero-shot classifier that is
        fitted from names alone, such as a `ConSEClassifier` or a `SimilarityInitializer` of a
        `SourceHead`; or any classifier fitted on other images and wrapped in scikit-learn's
        ``FrozenEstimator`` (images that it was fitted on make it look better than it is). With
        None every class must have an image.
    prior_images : float or "auto", default="auto"
        How many images the prior counts as, against those of a class: with m of them the prior's
        share is m/(n+m). ``"auto"`` measures the strengths of both on the training images; see
        Notes.
    candidates : array-like of shape (n_classes,), optional
        The vocabulary that ``predict`` chooses from, all labels of ``fit`` among them; the labels
        of ``fit`` if None.
    scenario : {"generalized", "unseen"}, default="generalized"
        Whether all candidates may win, or only those without an image.
    temperature : float, default=1.0
        Scores are divided by it in ``predict_proba``.

    Attributes
    ----------
    classes_, seen_classes_, unseen_classes_ : ndarray
        The vocabulary, the classes with images, and the candidates without.
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
        What the two kinds of score were found to be worth; None where there is one kind only.

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
    \lambda I)^{-1}` and :math:`\lambda` the weighted mean squared length of the rows: a linear
    discriminant that is shrunk as if as many images again as there are features had been seen. X is
    otherwise taken as it is. Means are directions from the mean of all: a class that lies there, as
    one may in few dimensions, has none. ``fit`` works on n_features squared floats.

    Prior and means are each divided by their spread over the wrong classes of an image. How far
    either sets the right class apart on that scale (:math:`\delta`) is measured on the training
    images, by class means without the image itself where its class has another, in closed form.
    Fisher's discriminant then weights the two by :math:`\delta_p - \rho \delta_m` and
    :math:`\delta_m - \rho \delta_p`, with their correlation :math:`\rho`. As
    :math:`\delta_m = \delta_\infty \sqrt{n/(n+4)}` grows with the number n of images, the prior's
    share falls. Where no class has two images, :math:`\delta_\infty = 5`. Both constants come from
    Tiny ImageNet's training images (``examples/few_shot_prior.py --preset development``), with its
    classes taken out of the ImageNet head that was the prior.

    A prior that is nearly always right is hard to improve. The weight of the means is therefore
    multiplied by a trust between 0 and 1: the one with the best mean class accuracy on training
    images left out of the means, or 0 where it does not beat the prior alone by more than a
    standard error. Where fewer than half of the classes have two images, the means are trusted if
    the prior names less than half of the images rightly (``examples/own_photos.py`` has the trial).

    Each class's blend is a z-score again, less half of what the right class is expected to reach,
    so that classes without images compete with the others: only where the numbers of images differ
    does that change the order.

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

    _constraints: ClassVar[Mapping[str, Any]] = {
        "prior": Maybe(Checked(check_member)),
        "prior_images": OrAuto(Number(at_least=0)),
    }

    def __init__(
        self,
        prior: Any = None,
        *,
        prior_images: float | str = "auto",
        candidates: Any = None,
        scenario: str = "generalized",
        temperature: float = 1.0,
    ) -> None:
        self.prior = prior
        self.prior_images = prior_images
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
        return self._fit_images(X, self._set_classes(y))

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
        self.center_, self.coef_, self.blend_ = np.empty(0), np.empty((0, 0)), None
        self._fit_prior()
        if hasattr(self.prior_, "n_features_in_"):
            self.n_features_in_ = self.prior_.n_features_in_
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
        self.blend_ = None
        self._fit_prior()
        if self.prior_ is None:
            return self
        if directions is None:
            self._warn_of_one_class()
            return self
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
        return self

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
            prior = scores_of(self.prior_, X[rows], self.seen_classes_)
            means = directions.leave_one_out(X[rows], y[rows])
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
        prior, means, _ = self.blend_.weights(self._counts())
        return prior / (prior + means)

    def _given_members(self) -> list[Any]:
        return [] if self.prior is None else [self.prior]

    def _fitted_members(self) -> list[Any]:
        return [] if self.prior_ is None else [self.prior_]

    def _class_scores(self, X: np.ndarray) -> np.ndarray:
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

    def predict_proba(self, X: Any) -> np.ndarray:
        """Softmax of the scores over ``temperature``; with no image, what the prior says itself.

        A ranking turned into numbers that sum to one, not a calibrated probability.

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
        if own is None or len(self.seen_classes_):
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
