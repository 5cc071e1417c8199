"""What every zero-shot classifier shares: labels in, scores over a vocabulary out."""

from __future__ import annotations

import copy
import warnings
from abc import ABCMeta, abstractmethod
from collections.abc import Iterator
from typing import Any, Self

import numpy as np
from scipy.special import softmax
from sklearn.base import (
    BaseEstimator,
    ClassifierMixin,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
)
from sklearn.metrics import accuracy_score
from sklearn.utils.validation import check_is_fitted, column_or_1d, validate_data

from zeroshot._links import DocLinkMixin
from zeroshot._validation import (
    check_flag,
    check_labels,
    check_missing_labels,
    check_no_images,
    check_number,
    check_option,
    check_same_kind,
    check_unique,
)
from zeroshot.estimators._hubness import METHODS as HUBNESS_METHODS
from zeroshot.estimators._hubness import HubCorrection, fit_correction
from zeroshot.estimators._label_space import (
    LabelSpace,
    check_label_embedding,
    warn_of_degenerate_vectors,
)
from zeroshot.estimators._many_candidates import (
    best_columns,
    member_mask,
    row_blocks,
    vector_scores,
)
from zeroshot.exceptions import LabelWarning
from zeroshot.label_embeddings import LabelEmbedding, OneHotEmbedding
from zeroshot.label_embeddings._vocabulary_words import vocabulary_of

SCENARIOS = ("generalized", "unseen")


class ZeroShotClassifier(
    DocLinkMixin,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    ClassifierMixin,
    BaseEstimator,
    metaclass=ABCMeta,
):
    """Interface of the zero-shot classifiers.

    A subclass has the parameters ``label_embedding``, ``candidates``, ``scenario``, ``center``
    and ``temperature``, learns in ``_learn`` and answers in ``_project``. The score of a class
    is the inner product of a sample's predicted vector with the class's vector, which is centred
    on the mean of the seen classes' vectors and of unit length. The parameters ``gamma`` and
    ``hubness`` are handled here, for every subclass that has them in its constructor.

    ``predict`` and ``predict_top_k`` score a few rows at a time, so that they take a whole
    vocabulary of candidates: memory holds the class vectors in float64 and 128 MB of scores.
    ``decision_function`` and ``predict_proba`` return, and hold, one score a row and class.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The sorted vocabulary that ``predict`` chooses from; columns of scores follow it.
    seen_classes_ : ndarray of shape (n_seen,)
        The sorted labels of ``fit``.
    unseen_classes_ : ndarray of shape (n_unseen,)
        The labels of ``classes_`` that ``fit`` did not see.
    class_vectors_ : ndarray of shape (n_classes, n_dims)
        The vectors of ``classes_``: centred, of unit length.
    label_space_ : LabelSpace
        The label embedding with the offset that centring found.

    Examples
    --------
    >>> from zeroshot import DeViSEClassifier
    >>> from zeroshot.estimators import ZeroShotClassifier
    >>> isinstance(DeViSEClassifier(), ZeroShotClassifier)
    True
    """

    label_embedding: LabelEmbedding | None
    candidates: Any
    scenario: str
    center: bool
    gamma: float | None = None
    hubness: str | None = None
    temperature: float
    hub_correction_: HubCorrection | None
    hub_terms_: Any

    _compares_classes = True
    """Whether all that ``fit`` learns is what sets the classes of its labels apart."""

    @abstractmethod
    def _learn(self, X: np.ndarray, y: np.ndarray) -> None:
        """Learn from rows X and their labels y; begin with `_set_classes`."""

    @abstractmethod
    def _project(self, X: np.ndarray) -> np.ndarray:
        """Return the predicted vectors, (n_samples, n_dims), of validated rows X."""

    def fit(self, X: Any, y: Any) -> Self:
        """Learn from images of the seen classes.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Features.
        y : array-like of shape (n_samples,)
            Labels: all strings, or all integers.

        Returns
        -------
        self : object
            The fitted classifier.

        Raises
        ------
        UnknownLabelError
            A label or a candidate has no vector; all of them are named.
        ValueError
            X is not finite, lengths differ, or the candidates are empty, repeated, or of another
            type than the labels.

        Warns
        -----
        LabelWarning
            All samples are of one class, and there are other candidates.
        """
        X, y = self._validate_fit(X, y)
        self._learn(X, y)
        if self._compares_classes and len(self.seen_classes_) == 1 < len(self.classes_):
            warnings.warn(
                f"{type(self).__name__}: all samples are of {self.seen_classes_[0]!s}, so that "
                "nothing can be learnt of what sets classes apart, and answers mean nothing. Pass "
                "samples of at least two classes.",
                LabelWarning,
                stacklevel=2,
            )
        self._fit_hubness(X)
        return self

    def _validate_fit(self, X: Any, y: Any, *, reset: bool = True) -> tuple[Any, np.ndarray]:
        """Return X and the labels y of ``fit``, checked; with `reset` X may be of another width."""
        owner = type(self).__name__
        y = check_missing_labels(y, owner=owner)
        check_no_images(X, owner=owner)
        X, y = validate_data(self, X, y, reset=reset, dtype=[np.float64, np.float32])
        return X, check_labels(y, owner=owner, name="y")

    def _set_classes(
        self, y: np.ndarray, announced: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Do what `_fit_seen` does, and embed the vocabulary."""
        seen = self._fit_seen(y, announced)
        self._embed_vocabulary()
        return seen

    def _fit_seen(
        self, y: np.ndarray, announced: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Set the seen classes, the vocabulary and the label space.

        Parameters
        ----------
        y : ndarray of shape (n_samples,)
            Labels.
        announced : ndarray of shape (n_announced,), optional
            Labels that may come later, among them those of `y`.

        Returns
        -------
        positions : ndarray of shape (n_samples,)
            Of the labels y in ``seen_classes_``.
        seen_vectors : ndarray of shape (n_seen, n_dims)
            The vectors of ``seen_classes_``.
        """
        owner = type(self).__name__
        check_number(self.temperature, owner=owner, name="temperature", above=0)
        if self.gamma is not None:
            check_number(self.gamma, owner=owner, name="gamma", above=0)
        if self.hubness is not None:
            check_option(self.hubness, HUBNESS_METHODS, owner=owner, name="hubness")
        check_flag(self.center, owner=owner, name="center")
        self.seen_classes_, positions = np.unique(y, return_inverse=True)
        embedding = self.label_embedding
        known = self.seen_classes_ if announced is None else announced
        if embedding is None:
            embedding = OneHotEmbedding(known)
        embedding = check_label_embedding(embedding, owner=owner)
        # Before labels of the wrong kind are embedded.
        self.hub_correction_ = self.hub_terms_ = None
        candidates = known if self.candidates is None else self._named(self.candidates)
        self._set_vocabulary(candidates)
        self.label_space_, seen_vectors = LabelSpace.of_seen(
            embedding, self.seen_classes_, center=self.center, gamma=self.gamma, owner=owner
        )
        return positions, seen_vectors

    def _named(self, candidates: Any) -> Any:
        """Return `candidates`, or all labels of the embedding where they are so called."""
        if isinstance(candidates, str) and candidates == "vocabulary":
            return vocabulary_of(self._vocabulary_embedding(), owner=type(self).__name__)
        return candidates

    def _vocabulary_embedding(self) -> Any:
        """Return what knows the whole vocabulary that ``"vocabulary"`` stands for."""
        if self.label_embedding is None:
            raise ValueError(
                f"{type(self).__name__}: label_embedding=None has no vocabulary. Pass a list of "
                "candidates, or a label_embedding with one, such as WordVectors()."
            )
        return self.label_embedding

    def _set_vocabulary(self, candidates: Any) -> None:
        owner = type(self).__name__
        check_option(self.scenario, SCENARIOS, owner=owner, name="scenario")
        seen = self.seen_classes_
        if candidates is None:
            classes = seen
        else:
            classes = check_labels(candidates, owner=owner, name="candidates")
            check_unique(classes, owner=owner, name="candidates")
        check_same_kind(classes, seen, owner=owner, names=("candidates", "y"))
        self.classes_ = np.sort(classes)
        self.unseen_classes_ = self.classes_[~member_mask(self.classes_, seen)]

    def _embed_vocabulary(self) -> None:
        self.class_vectors_ = self.label_space_.vectors(self.classes_)
        warn_of_degenerate_vectors(
            self.class_vectors_,
            self.classes_,
            self.unseen_classes_,
            owner=type(self).__name__,
            stacklevel=4,
        )

    def _fit_hubness(self, X: np.ndarray) -> None:
        """Learn the correction against hubs, if there is one, from the rows of ``fit``."""
        if self.hubness is not None:
            self.hub_correction_ = fit_correction(self.hubness, X, self._project)
        self._set_hub_terms()

    def _set_hub_terms(self) -> None:
        correction = self._hub_correction
        self.hub_terms_ = None if correction is None else correction.terms(self.class_vectors_)

    @property
    def _hub_correction(self) -> HubCorrection | None:
        """The correction that ``fit`` learnt; None where it learns none, or was not asked for."""
        return getattr(self, "hub_correction_", None)

    def with_candidates(self, labels: Any) -> Self:
        """Return this fitted classifier over another vocabulary, without fitting again.

        Parameters
        ----------
        labels : array-like of shape (n_classes,), or "vocabulary"
            The new vocabulary, seen or unseen labels alike; all labels that the label embedding
            has in its own if it is so called.

        Returns
        -------
        view : object
            A fitted classifier that shares everything learnt with this one.

        Raises
        ------
        UnknownLabelError
            A label has no vector.
        ValueError
            `labels` is empty, repeats a label, or is of another type than the seen labels; or
            there is no such vocabulary.
        """
        check_is_fitted(self)
        view = copy.copy(self)
        if hasattr(view, "_sklearn_output_config"):  # or set_output on one would change both
            view._sklearn_output_config = dict(view._sklearn_output_config)
        view.candidates = labels
        view._set_vocabulary(self._named(labels))
        view._embed_vocabulary()
        view._set_hub_terms()
        return view

    def label_vectors(self, labels: Any) -> np.ndarray:
        """Return the raw vectors of `labels`: neither centred nor scaled.

        Parameters
        ----------
        labels : array-like of shape (n_labels,)
            Any labels that the label embedding knows.

        Returns
        -------
        vectors : ndarray of shape (n_labels, n_dims)
            As the label embedding gives them, in float64.
        """
        check_is_fitted(self)
        return self.label_space_.raw_vectors(
            check_labels(labels, owner=type(self).__name__, name="labels")
        )

    def transform(self, X: Any) -> np.ndarray:
        """Predict the label vector of each sample.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Features.

        Returns
        -------
        vectors : ndarray of shape (n_samples, n_dims)
            In the centred label space.
        """
        check_is_fitted(self)
        return self._project(self._validate(X))

    def decision_function(self, X: Any) -> np.ndarray:
        """Score every candidate.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Features.

        Returns
        -------
        scores : ndarray of shape (n_samples, n_classes)
            Columns follow ``classes_``. With ``scenario="unseen"`` the columns of seen classes
            hold the lowest finite number. With two classes, as everywhere in scikit-learn, the
            score of the second less that of the first, of shape (n_samples,).

        Raises
        ------
        ValueError
            ``scenario="unseen"`` and every candidate was seen.
        """
        scores = self._masked_scores(X)
        return scores[:, 1] - scores[:, 0] if scores.shape[1] == 2 else scores

    def predict(self, X: Any) -> np.ndarray:
        """Name each sample.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Features.

        Returns
        -------
        labels : ndarray of shape (n_samples,)
            The best candidate of each.
        """
        best = []
        for scores in self._masked_blocks(X):
            best.append(scores.argmax(axis=1))
        return self.classes_[np.concatenate(best)]

    def predict_proba(self, X: Any) -> np.ndarray:
        """Softmax of the scores over ``temperature``.

        A ranking turned into numbers that sum to one, not a calibrated probability.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Features.

        Returns
        -------
        probabilities : ndarray of shape (n_samples, n_classes)
            Zero for seen classes with ``scenario="unseen"``.
        """
        scores = self._masked_scores(X)
        allowed = self._allowed()
        probabilities = np.zeros_like(scores)
        probabilities[:, allowed] = softmax(scores[:, allowed] / self.temperature, axis=1)
        return probabilities

    def predict_top_k(self, X: Any, k: int = 5) -> tuple[np.ndarray, np.ndarray]:
        """Name each sample's `k` best candidates, best first.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Features.
        k : int, default=5
            At most the number of candidates that the scenario allows.

        Returns
        -------
        labels : ndarray of shape (n_samples, k)
            Best first; ties in the order of ``classes_``.
        scores : ndarray of shape (n_samples, k)
            Their scores.

        Raises
        ------
        ValueError
            `k` is no integer, below 1, or above the number of candidates.
        """
        check_number(k, owner=type(self).__name__, name="k", at_least=1, integer=True)
        check_is_fitted(self)
        n_allowed = int(self._allowed().sum())
        if k > n_allowed > 0:
            raise ValueError(
                f"{type(self).__name__}: k must be between 1 and the {n_allowed} candidates that "
                f"scenario={self.scenario!r} allows, got {k}."
            )
        best, values = [], []
        for scores in self._masked_blocks(X):
            best.append(best_columns(scores, k))
            values.append(np.take_along_axis(scores, best[-1], axis=1))
        return self.classes_[np.concatenate(best)], np.concatenate(values)

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Return the accuracy of ``predict``; labels outside ``classes_`` count as wrong.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Features.
        y : array-like of shape (n_samples,)
            True labels.
        sample_weight : array-like of shape (n_samples,), optional
            Weights of the samples.

        Returns
        -------
        accuracy : float
            Between 0 and 1.
        """
        predicted = self.predict(X)
        y = check_labels(column_or_1d(y), owner=type(self).__name__, name="y")
        check_same_kind(y, self.classes_, owner=type(self).__name__, names=("y", "candidates"))
        if not member_mask(self.classes_, y).any():
            warnings.warn(
                f"{type(self).__name__}: none of the true labels is among the "
                f"{len(self.classes_)} candidates, so that every answer counts as wrong. "
                "Pass candidates= with the labels that may occur.",
                LabelWarning,
                stacklevel=2,
            )
        return float(accuracy_score(y, predicted, sample_weight=sample_weight))

    def _allowed(self) -> np.ndarray:
        """Return which columns the scenario lets win, (n_classes,) of bool."""
        if self.scenario == "generalized":
            return np.ones(len(self.classes_), dtype=bool)
        return ~member_mask(self.classes_, self.seen_classes_)

    def _class_scores(self, X: np.ndarray) -> np.ndarray:
        """Return the score of each class, (n_samples, n_classes), of validated rows X."""
        vectors, correction = self._project(X), self._hub_correction
        if correction is None or self.hub_terms_ is None:
            return vector_scores(vectors, self.class_vectors_)
        class_vectors = self.class_vectors_.astype(vectors.dtype, copy=False)
        return correction.scores(vectors, class_vectors, self.hub_terms_)

    def _score_blocks(self, X: np.ndarray) -> Iterator[np.ndarray]:
        """Yield the scores of a few rows at a time: those of all may be larger than memory."""
        for rows in row_blocks(len(X), len(self.classes_)):
            yield self._class_scores(X[rows])

    def _masked_scores(self, X: Any) -> np.ndarray:
        allowed = self._answerable()
        scores = self._class_scores(self._validate(X))
        scores[:, ~allowed] = np.finfo(scores.dtype).min
        return scores

    def _masked_blocks(self, X: Any) -> Iterator[np.ndarray]:
        allowed = self._answerable()
        for scores in self._score_blocks(self._validate(X)):
            scores[:, ~allowed] = np.finfo(scores.dtype).min
            yield scores

    def _answerable(self) -> np.ndarray:
        """Return which columns may win, and say so where there is none, or no choice."""
        check_is_fitted(self)
        allowed = self._allowed()
        if not allowed.any():
            raise ValueError(
                f"{type(self).__name__}: scenario='unseen', but all {len(self.classes_)} "
                "candidates were seen in fit. Pass candidates= with further labels, or "
                "scenario='generalized'."
            )
        if self.scenario == "unseen" and allowed.sum() == 1:
            warnings.warn(
                f"{type(self).__name__}: scenario='unseen', and {self.unseen_classes_[0]!s} is the "
                "only candidate not seen in fit: it is the answer for every sample, and accuracy "
                "means nothing. Pass further candidates, or scenario='generalized'.",
                LabelWarning,
                stacklevel=4,
            )
        return allowed

    def _validate(self, X: Any) -> np.ndarray:
        check_no_images(X, owner=type(self).__name__)
        return validate_data(self, X, reset=False, dtype=[np.float64, np.float32])

    @property
    def _n_features_out(self) -> int:
        return self.class_vectors_.shape[1]

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
