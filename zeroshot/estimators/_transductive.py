"""Transductive classification: a batch of unlabelled images says what its classes look like."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
from scipy.special import log_softmax, softmax
from sklearn.base import BaseEstimator, clone
from sklearn.frozen import FrozenEstimator
from sklearn.utils.validation import check_array, check_is_fitted, column_or_1d

from zeroshot._utils._arrays import best_columns
from zeroshot._utils._constraints import Checked, Number, OrAuto
from zeroshot._utils._fitted import Array, Labels, Part, Plain, Sizes
from zeroshot._utils._onnx_graph import Graph
from zeroshot._utils._pipelines import unwrap
from zeroshot._utils._validation import check_labels, check_no_images, take_rows, warn_caller
from zeroshot.estimators._base import binary_scores
from zeroshot.estimators._calibrated import class_scores, settled
from zeroshot.estimators._composite import scores_of, view_over
from zeroshot.estimators._held_out import LEAST_CLASSES, class_folds
from zeroshot.estimators._onnx_steps import cannot_export
from zeroshot.estimators._unreadable_rows import answers_for_readable_rows, without_unreadable
from zeroshot.estimators._within_class import whitened, within_class_whitening
from zeroshot.estimators._wrapper import WrapperMixin, check_wrapped, no_zero_shot_classifier
from zeroshot.exceptions import LabelWarning, UnreadableImageWarning
from zeroshot.metrics._classification import check_k

_OWNER = "TransductiveClassifier"

# Chosen on Tiny ImageNet's classes that CIFAR-100 does not have: studies/transductive.py --choose.
TEMPERATURE = 0.5
"""What z-scores of the inductive classifier are divided by."""
SHRINKAGE = 0.85
"""What share of the within-class covariance is a multiple of the identity."""
SHARPNESS = 30.0
"""β: half the number of dimensions, were the features normally distributed."""
PULL = 2.0
"""κ: as how many images the mean of the batch counts in each class's mean."""
SHARE = 0.5
"""ω: how much the logarithm of a class's share of the batch counts; 0 is equal shares for all."""
FLOOR = 3.0
"""κ': how many images more each class is taken to have when its share is estimated."""
N_ITERATIONS = 12
WEIGHT = 0.5
LEAST_IMAGES = 2.0

WEIGHTS = (0.1, 0.2, 0.5, 1.0, 2.0)
"""What ``weight="auto"`` chooses from."""
SIZES = (2, 5, 10, 20)
"""Images per class of the batches that are made of held-out classes."""
_DRAWS = 2


class Batch(NamedTuple):
    """Images of held-out classes, as a batch is.

    Attributes
    ----------
    rows : ndarray of shape (n_samples, n_features)
        Whitened, of unit length.
    scores : ndarray of shape (n_samples, n_classes)
        Of the inductive classifier.
    true : ndarray of int of shape (n_samples,)
        The column of each one's class.
    """

    rows: np.ndarray
    scores: np.ndarray
    true: np.ndarray


def _check_least_images(value: Any, *, owner: str, name: str) -> None:
    """Raise unless a fitted threshold is a number of images, which may be infinite."""
    if not isinstance(value, (int, float)) or not value >= 0:
        raise ValueError(f"{owner}: {name} must be a number of at least 0, got {value!r}.")


class TransductiveClassifier(WrapperMixin, BaseEstimator):
    r"""Zero-shot classifier that learns from the unlabelled images that it names.

    **It sees the test images**: the answer for an image depends on the others of the batch that is
    passed. Compare it with other transductive methods only, and report the inductive answer, of
    `predict_inductive`, beside it.

    The wrapped classifier gives each image a first guess. Expectation maximisation then fits one
    normal distribution per candidate to the batch: classes look alike within themselves, which
    says where one ends and the next begins. Where the batch is too small for this to help, the
    answers are the inductive ones, with a warning.

    Parameters
    ----------
    estimator : classifier
        Any zero-shot classifier of this package that takes features, or a ``Pipeline`` or search
        that ends in one. A copy is fitted; a ``FrozenEstimator`` around a fitted one is not fitted
        again. Steps before the classifier run several times in `fit`: put `TimmFeatures` before
        `TransductiveClassifier`, in an outer pipeline.
    weight : float or "auto", default="auto"
        How much the inductive guess counts beside the batch, at least 0. ``"auto"`` chooses 0.1,
        0.2, 0.5, 1 or 2 on held-out classes.
    least_images : float or "auto", default="auto"
        At how many images per candidate, on average, the batch is used; at fewer, answers are
        inductive. A batch of one image is never used. ``"auto"`` is the least of 2, 5, 10 and 20
        from which on batches of held-out classes gain more than a standard error; infinity if
        none does.

    Attributes
    ----------
    estimator_ : classifier
        The fitted inductive classifier.
    classes_, seen_classes_, unseen_classes_ : ndarray
        The vocabulary, and which of it was in ``fit``: those of ``estimator_``.
    weight_, least_images_ : float
        The numbers used.
    gains_ : dict of str to float
        By images per class, such as "10", the accuracy gained on batches of held-out classes;
        "skewed" stands for batches in which classes differ much in number. Empty where no class
        was held out: both parameters are numbers, there are fewer than four classes, or the
        classifier is frozen and has seen all classes of ``fit``. ``"auto"`` is then 0.5 and 2.
    mean_ : ndarray of shape (n_features,)
        The mean of the training classes' mean features.
    whitening_ : ndarray of shape (n_features, n_features)
        Inverse of the Cholesky factor of the within-class covariance.
    trained_classes_ : ndarray of shape (n_trained,)
        The labels of ``fit``.
    trained_means_ : ndarray of shape (n_trained, n_features)
        Their means in the whitened space.

    See Also
    --------
    CalibratedStacking : For seen and unseen classes mixed; there a batch helps little.
    FewShotClassifier : Learns from labelled images of the candidates.

    Notes
    -----
    Features are centred, whitened by the within-class covariance of the classes of ``fit``, which
    is shrunk towards a multiple of the identity, and scaled to unit length. With the inductive
    scores centred over the candidates and divided by their spread, :math:`z_{ic}`, guesses start
    at :math:`r_{ic} \propto \exp(z_{ic} / \tau)`. Then

    .. math::

        \mu_c = \frac{\sum_i r_{ic} x_i + \kappa \bar x}{\sum_i r_{ic} + \kappa}, \quad
        v = \frac{1}{n} \sum_{ic} r_{ic} \lVert x_i - \mu_c \rVert^2, \quad
        r_{ic} \propto \exp\Bigl(\lambda \frac{z_{ic}}{\tau}
        - \beta \frac{\lVert x_i - \mu_c \rVert^2}{v}
        + \omega \log\Bigl(\kappa' + \sum_j r_{jc}\Bigr)\Bigr)

    are repeated twelve times, with :math:`\lambda` the `weight`. The last term has half the
    logarithm of a class's share of the batch: classes that have few images there, or none, win less
    often. With the whole logarithm, frequent classes would take over more than they have. The mean
    of a candidate that had images in ``fit`` stays what it was there. Scores are the logarithms of
    these :math:`r_{ic}`; ``predict_set`` and ``predict_any_proba`` stay inductive: what they
    promise was learnt without a batch. The constants come from Tiny ImageNet
    (``studies/transductive.py --choose``).

    References
    ----------
    M. Zanella, B. Gérin and I. Ben Ayed, "Boosting Vision-Language Models with Transduction",
    NeurIPS 2024 (TransCLIP), whose terms for class means and the first guess these are; the term
    for neighbouring images is left out, because it added nothing here.

    Examples
    --------
    >>> import numpy as np
    >>> from zeroshot import AttributeTable, ESZSLClassifier, TransductiveClassifier
    >>> names = ["cat", "cod", "dog", "eel", "owl"]
    >>> table = [[1, 0, 1], [0, 1, 0], [1, 0, 0], [0, 1, 1], [1, 1, 1]]
    >>> traits = AttributeTable(table, labels=names)
    >>> rng = np.random.default_rng(0)
    >>> y = np.repeat(names, 20)
    >>> X = traits.embed(y) + rng.normal(scale=0.2, size=(100, 3))
    >>> seen = np.isin(y, ["cat", "cod", "dog"])
    >>> eszsl = ESZSLClassifier(traits, candidates=names, scenario="unseen")
    >>> model = TransductiveClassifier(eszsl, weight=0.2, least_images=5).fit(X[seen], y[seen])
    >>> bool(model.score(X[~seen], y[~seen]) >= model.estimator_.score(X[~seen], y[~seen]))
    True
    """

    _constraints: ClassVar[Mapping[str, Any]] = {
        "estimator": Checked(check_wrapped),
        "weight": OrAuto(Number(at_least=0)),
        "least_images": OrAuto(Number(at_least=0)),
    }

    _fitted: ClassVar[Mapping[str, Any]] = {
        "estimator_": Part(has=("classes", "seen"), does=("decision_function",)),
        "weight_": Number(at_least=0),
        "least_images_": Checked(_check_least_images),
        "gains_": Plain(dict),
        "mean_": Array("n_inner"),
        "whitening_": Array("n_inner", "n_inner"),
        "trained_classes_": Labels("n_trained", least=1),
        "trained_means_": Array("n_trained", "n_inner"),
    }

    @classmethod
    def _check_together(cls, values: Mapping[str, Any], sizes: Sizes) -> None:
        sizes.update(sizes.of(values["estimator_"]))
        n_features = unwrap(values["estimator_"]).n_features_in_
        if n_features != sizes["n_inner"]:
            raise ValueError(
                f"{cls.__name__}: mean_ must have n_features={n_features}, got {sizes['n_inner']}."
            )

    _caveat: ClassVar[str] = " (sees the test images)"
    """What stands after the name of the class wherever it is printed."""

    def __init__(
        self,
        estimator: Any,
        *,
        weight: float | str = "auto",
        least_images: float | str = "auto",
    ) -> None:
        self.estimator = estimator
        self.weight = weight
        self.least_images = least_images

    def __repr__(self, N_CHAR_MAX: int = 700) -> str:
        return super().__repr__(N_CHAR_MAX) + self._caveat

    def fit(self, X: Any, y: Any) -> Self:
        """Fit the classifier, learn how images of one class differ, and choose what is "auto".

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Input of `estimator`.
        y : array-like of shape (n_samples,)
            Labels.

        Returns
        -------
        self : object
            The fitted classifier.

        Raises
        ------
        TypeError
            `estimator` is not a zero-shot classifier, or takes images.
        ValueError
            There are no labelled images, or what `estimator` raises.
        """
        self._check_parameters()
        if X is None or y is None:
            raise ValueError(
                f"{_OWNER}: fit needs features and labels, from which it learns how images of one "
                "class differ. Pass X and y of any classes, also where the wrapped classifier "
                "needs none."
            )
        X, y = without_unreadable(X, y, owner=_OWNER)
        self.estimator_ = clone(self.estimator).fit(X, y)
        if not hasattr(self._final(), "seen_classes_"):
            raise no_zero_shot_classifier(self.estimator, owner=_OWNER)
        labels = check_labels(column_or_1d(y), owner=_OWNER, name="y")
        features = self._features(X)
        self.mean_, self.whitening_ = within_class_whitening(features, labels, SHRINKAGE)
        self.trained_classes_, codes = np.unique(labels, return_inverse=True)
        rows = whitened(features, self.mean_, self.whitening_)
        counts = np.bincount(codes)
        self.trained_means_ = np.stack(
            [rows[codes == code].mean(axis=0) for code in range(len(counts))]
        )
        self._choose(X, features, labels)
        return self

    def _features(self, X: Any) -> np.ndarray:
        """Return the features that the classifier itself gets, (n_samples, n_features)."""
        final, X = self._final_and_input(X)
        if getattr(final, "network", None) is not None:
            raise TypeError(
                f"{_OWNER}: estimator has a network of its own, and takes images. Compute features "
                "with TimmFeatures(), in a pipeline before TransductiveClassifier, and pass a "
                "classifier of features."
            )
        check_no_images(X, owner=_OWNER)
        return check_array(X, dtype=[np.float64, np.float32])

    def _choose(self, X: Any, features: np.ndarray, y: np.ndarray) -> None:
        """Choose what is "auto" on batches of held-out classes."""
        weights = WEIGHTS if self.weight == "auto" else (float(self.weight),)
        automatic = "auto" in (self.weight, self.least_images)
        tried: dict[float, list[list[float]]] = {}
        for size, batch in self._held_out_batches(X, features, y) if automatic else ():
            tried.setdefault(size, []).append([gain(batch, weight) for weight in weights])
        gains = {size: np.array(found) for size, found in tried.items()}
        place = 0
        if gains:
            place = int(np.sum([found.mean(axis=0) for found in gains.values()], axis=0).argmax())
        elif self.weight == "auto":
            place = WEIGHTS.index(WEIGHT)
        self.weight_ = weights[place]
        self.gains_ = {
            str(size or "skewed"): float(found[:, place].mean()) for size, found in gains.items()
        }
        self.least_images_ = (
            least_helpful({size: found[:, place] for size, found in gains.items()})
            if self.least_images == "auto"
            else float(self.least_images)
        )

    def _held_out_batches(
        self, X: Any, features: np.ndarray, y: np.ndarray
    ) -> Iterator[tuple[float, Batch]]:
        """Yield batches of held-out classes, with their images per class; 0 for skewed ones."""
        for model, labels, train, test in self._held_out_models(X, y):
            mean, whitening = within_class_whitening(features[train], y[train], SHRINKAGE)
            view = view_over(model, labels, owner=_OWNER, name="estimator")
            scores = scores_of(view, take_rows(X, test), labels)
            rows = whitened(features[test], mean, whitening)
            true = np.searchsorted(labels, y[test])
            counts = np.bincount(true, minlength=len(labels))
            rng = np.random.RandomState(0)
            for wanted in [*SIZES, 0]:
                if wanted > np.median(counts):
                    continue
                sizes = np.full(len(labels), wanted)
                if not wanted:
                    sizes = np.geomspace(1, max(2, counts.max()), len(labels)).round().astype(int)
                for _ in range(_DRAWS):
                    kept = drawn(true, rng.permutation(sizes), rng)
                    yield wanted, Batch(rows[kept], scores[kept], true[kept])

    def _held_out_models(
        self, X: Any, y: np.ndarray
    ) -> Iterator[tuple[Any, np.ndarray, np.ndarray, np.ndarray]]:
        """Yield a fitted model, the labels that it did not see, and rows it learnt from and not.

        A pretrained head may know a class that is held out: such a class tells nothing.
        """
        classes = self.trained_classes_
        codes = np.searchsorted(classes, y)
        fitted: Iterator[tuple[Any, np.ndarray, np.ndarray, np.ndarray]]
        if isinstance(self.estimator_, FrozenEstimator):
            everything = np.arange(len(y))
            fitted = iter([(self.estimator_, np.arange(len(classes)), everything, everything)])
        elif len(classes) < LEAST_CLASSES:
            return
        else:
            fitted = self._refitted(X, y, codes)
        for model, group, train, test in fitted:
            new = np.setdiff1d(classes[group], unwrap(model).seen_classes_)
            if len(new) > 1:
                yield model, new, train, test[np.isin(y[test], new)]

    def _refitted(
        self, X: Any, y: np.ndarray, codes: np.ndarray
    ) -> Iterator[tuple[Any, np.ndarray, np.ndarray, np.ndarray]]:
        chosen = settled(self.estimator_)
        for fold in class_folds(codes, 0, seen_too=False):
            with warnings.catch_warnings():
                for given in (LabelWarning, UnreadableImageWarning):  # by the fit on all rows
                    warnings.simplefilter("ignore", given)
                model = clone(chosen).fit(take_rows(X, fold.train), y[fold.train])
            for group in fold.groups:
                yield model, group, fold.train, fold.test

    def _posterior(self, X: Any) -> tuple[np.ndarray, bool]:
        """Return scores, (n_samples, n_classes), and whether they come from the batch."""
        check_is_fitted(self)
        scores = class_scores(self.estimator_, X)
        allowed = np.flatnonzero((scores > np.finfo(scores.dtype).min).any(axis=0))
        n_images = len(scores) / max(1, len(allowed))
        if len(scores) < 2 or len(allowed) < 2 or n_images < self.least_images_:
            self._warn_of_inductive_answers(len(scores), len(allowed))
            return scores, False
        rows = whitened(self._features(X), self.mean_, self.whitening_)
        labels = self.classes_[allowed]
        fixed = np.full((len(labels), rows.shape[1]), np.nan)
        known = np.isin(labels, self.trained_classes_)
        fixed[known] = self.trained_means_[np.searchsorted(self.trained_classes_, labels[known])]
        found = transduce(rows, scores[:, allowed], self.weight_, fixed)
        result = np.full(scores.shape, np.finfo(scores.dtype).min, scores.dtype)
        result[:, allowed] = found
        return result, True

    def _warn_of_inductive_answers(self, n_images: int, n_candidates: int) -> None:
        reason = f"{n_images} images for {n_candidates} candidates are too few to learn from"
        remedy = f"Pass {self.least_images_:g} images or more per candidate, and two at least"
        if self.least_images_ == np.inf:
            reason, remedy = "batches of held-out classes gained nothing", "Pass least_images=2"
        warn_caller(f"{_OWNER}: {reason}, and the answers are inductive. {remedy}.")

    @answers_for_readable_rows
    def decision_function(self, X: Any) -> np.ndarray:
        """Score every candidate by the batch X.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The batch, as input of `estimator`.

        Returns
        -------
        scores : ndarray of shape (n_samples, n_classes)
            Log probabilities; the inductive scores where the batch is too small. Columns follow
            ``classes_``, with the lowest finite number for those that may not win. With two classes
            the score of the second less that of the first, of shape (n_samples,).

        Warns
        -----
        LabelWarning
            The batch is too small.
        """
        return binary_scores(self._posterior(X)[0])

    def _add_scores(self, graph: Graph, X: str) -> str:
        raise cannot_export(
            self,
            "its answer for an image depends on the other images of the batch. Export its "
            "estimator_.",
        )

    @answers_for_readable_rows
    def predict(self, X: Any) -> np.ndarray:
        """Name each sample of a batch.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The batch, as input of `estimator`.

        Returns
        -------
        labels : ndarray of shape (n_samples,)
            The best candidate of each.

        Warns
        -----
        LabelWarning
            The batch is too small, and the labels are inductive.
        """
        scores, _ = self._posterior(X)
        return self.classes_[scores.argmax(axis=1)]

    def predict_inductive(self, X: Any) -> np.ndarray:
        """Name each sample by itself, as the wrapped classifier does: the control.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Input of `estimator`.

        Returns
        -------
        labels : ndarray of shape (n_samples,)
            The best candidate of each, whatever the other samples are.
        """
        check_is_fitted(self)
        return self.estimator_.predict(X)

    @answers_for_readable_rows
    def predict_proba(self, X: Any) -> np.ndarray:
        """Return the probability of each candidate by the batch X. They are not calibrated.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The batch, as input of `estimator`.

        Returns
        -------
        probabilities : ndarray of shape (n_samples, n_classes)
            Each row sums to one. Those of the wrapped classifier where the batch is too small.
        """
        scores, transductive = self._posterior(X)
        return softmax(scores, axis=1) if transductive else self.estimator_.predict_proba(X)

    @answers_for_readable_rows
    def predict_top_k(self, X: Any, k: int = 5) -> tuple[np.ndarray, np.ndarray]:
        """Name each sample's `k` best candidates by the batch X, best first.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The batch, as input of `estimator`.
        k : int, default=5
            At most the number of candidates that may win.

        Returns
        -------
        labels : ndarray of shape (n_samples, k)
            Best first; ties in the order of ``classes_``.
        scores : ndarray of shape (n_samples, k)
            Their scores.

        Raises
        ------
        ValueError
            `k` is not an integer, below 1, or above the number of candidates.
        """
        scores, _ = self._posterior(X)
        columns = best_columns(scores, check_k(k, scores, owner=_OWNER))
        return self.classes_[columns], np.take_along_axis(scores, columns, axis=1)


def transduce(
    rows: np.ndarray, scores: np.ndarray, weight: float, fixed: np.ndarray | None = None
) -> np.ndarray:
    """Return the log probability of each class, (n_samples, n_classes), that a batch gives.

    Parameters
    ----------
    rows : ndarray of shape (n_samples, n_features)
        Whitened features of unit length.
    scores : ndarray of shape (n_samples, n_classes)
        Inductive scores.
    weight : float
        How much these count.
    fixed : ndarray of shape (n_classes, n_features), optional
        Means that are known; NaN for the others.
    """
    z = scores - scores.mean(axis=1, keepdims=True)
    z = z / (max(float(z.std(axis=1).mean()), np.finfo(z.dtype).tiny) * TEMPERATURE)
    center, lengths = rows.mean(axis=0), np.square(rows).sum(axis=1)
    log_probability = log_softmax(z, axis=1)
    for _ in range(N_ITERATIONS):
        r = np.exp(log_probability)
        means = (r.T @ rows + PULL * center) / (r.sum(axis=0) + PULL)[:, None]
        if fixed is not None:
            means = np.where(np.isnan(fixed), means, fixed).astype(rows.dtype)
        distances = lengths[:, None] - 2 * rows @ means.T + np.square(means).sum(axis=1)
        spread = max(float((r * distances).sum()) / len(rows), 1e-12)
        shares = SHARE * np.log(r.sum(axis=0) + FLOOR)
        log_probability = log_softmax(weight * z - SHARPNESS / spread * distances + shares, axis=1)
    return log_probability


def gain(batch: Batch, weight: float) -> float:
    """Return how much more accurate the batch makes the names of its own images."""
    found = transduce(batch.rows, batch.scores, weight)
    right = found.argmax(axis=1) == batch.true
    return float(right.mean() - (batch.scores.argmax(axis=1) == batch.true).mean())


def least_helpful(gains: Mapping[float, np.ndarray]) -> float:
    """Return the least size from which on the gains are above a standard error.

    Parameters
    ----------
    gains : mapping of float to ndarray of shape (n_batches,)
        By images per class; 0 stands for skewed batches, which have no size.

    Returns
    -------
    float
        Infinity if the largest batches gain nothing; the default if there were no batches.
    """
    least = float("inf")
    sizes = sorted(size for size in gains if size)
    for size in reversed(sizes):
        found = gains[size]
        if found.mean() <= found.std() / np.sqrt(len(found)):
            break
        least = float(size)
    return least if sizes else LEAST_IMAGES


def drawn(true: np.ndarray, counts: np.ndarray, rng: np.random.RandomState) -> np.ndarray:
    """Return the rows of at most so many images of each class, drawn at random."""
    order = rng.permutation(len(true))
    order = order[np.argsort(true[order], kind="stable")]
    starts = np.searchsorted(true[order], np.arange(len(counts)))
    rank = np.arange(len(true)) - starts[true[order]]
    return np.sort(order[rank < counts[true[order]]])
