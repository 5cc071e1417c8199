"""Classifiers that choose among candidate labels: labels in, scores over a vocabulary out."""

from __future__ import annotations

import copy
from abc import ABCMeta, abstractmethod
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Self

import numpy as np
from scipy.special import softmax
from sklearn.base import (
    BaseEstimator,
    ClassifierMixin,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
)
from sklearn.utils.validation import check_is_fitted, column_or_1d

from zeroshot._linear import product
from zeroshot._utils._constraints import Checked, Number, OneOf
from zeroshot._utils._doc_links import DocLinkMixin
from zeroshot._utils._saving import SavedEstimator
from zeroshot._utils._validation import (
    check_label_list,
    check_labels,
    check_number,
    check_same_kind,
    check_unique,
    warn_caller,
)
from zeroshot.estimators._encoded_labels import check_not_encoded
from zeroshot.estimators._input import InputMixin
from zeroshot.estimators._unreadable_rows import accuracy, answers_for_readable_rows
from zeroshot.label_embeddings._vocabulary import vocabulary_of

MAX_SCORES = 2**24
"""How many scores a block of rows may have: 128 MB in float64."""


def check_candidates(candidates: Any, *, owner: str, name: str) -> None:
    """Raise unless `candidates` is None, ``"vocabulary"``, or a list of distinct labels.

    Raises
    ------
    TypeError
        It is no list of labels.
    ValueError
        It is empty, repeats a label, or holds something else.
    """
    if candidates is None or (isinstance(candidates, str) and candidates == "vocabulary"):
        return
    check_label_list(candidates, owner=owner, name=name)


class CandidateClassifier(
    InputMixin,
    DocLinkMixin,
    SavedEstimator,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    ClassifierMixin,
    BaseEstimator,
    metaclass=ABCMeta,
):
    """Interface of the zero-shot classifiers: one score for each candidate label.

    A subclass has the parameters ``candidates``, ``scenario`` and ``temperature``. Its ``fit``
    calls `_set_classes` and `_prepare_candidates`, and it scores in `_class_scores`. Everything
    else follows from the scores, here and once: labels, the best k, probabilities, and views over
    other candidates.

    ``predict`` and ``predict_top_k`` score a few rows at a time, so that they take a whole
    vocabulary of candidates: memory holds 128 MB of scores. ``decision_function`` and
    ``predict_proba`` return, and hold, one score a row and class.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The sorted vocabulary that ``predict`` chooses from; columns of scores follow it.
    seen_classes_ : ndarray of shape (n_seen,)
        The sorted labels of ``fit``.
    unseen_classes_ : ndarray of shape (n_unseen,)
        The labels of ``classes_`` that ``fit`` did not see.

    Examples
    --------
    >>> from zeroshot import NearestLabelClassifier, OneHotEmbedding
    >>> from zeroshot.estimators import CandidateClassifier
    >>> isinstance(NearestLabelClassifier(OneHotEmbedding(["cat", "dog"])), CandidateClassifier)
    True
    """

    candidates: Any
    scenario: str
    temperature: float

    _constraints: ClassVar[Mapping[str, Any]] = {
        "candidates": Checked(check_candidates),
        "scenario": OneOf("generalized", "unseen"),
        "temperature": Number(above=0),
    }

    @abstractmethod
    def fit(self, X: Any, y: Any) -> Self:
        """Learn from images of the seen classes."""

    @abstractmethod
    def transform(self, X: Any) -> np.ndarray:
        """Return what the scores are made of, for the next step of a pipeline."""

    @abstractmethod
    def label_vectors(self, labels: Any) -> np.ndarray:
        """Return what is known of labels, seen or not, (n_labels, n_dims)."""

    @abstractmethod
    def _prepare_candidates(self) -> None:
        """Make what scores of ``classes_`` need, in place of what there was before."""

    @abstractmethod
    def _class_scores(self, X: np.ndarray) -> np.ndarray:
        """Return the score of each class, (n_samples, n_classes), of validated rows X."""

    @abstractmethod
    def _vocabulary_embedding(self) -> Any:
        """Return what knows the whole vocabulary that ``"vocabulary"`` stands for."""

    def _validate_fit(self, X: Any, y: Any, *, reset: bool = True) -> tuple[Any, np.ndarray]:
        X, y = super()._validate_fit(X, y, reset=reset)
        check_not_encoded(self, y)
        return X, y

    def _fit_without_images(self, n_features: int | None) -> None:
        """Forget the images of an earlier ``fit``; None where the number of features is open."""
        for name in ("n_features_in_", "feature_names_in_"):
            if hasattr(self, name):
                delattr(self, name)
        if n_features is not None:
            self.n_features_in_ = n_features

    def _set_classes(self, y: np.ndarray, announced: np.ndarray | None = None) -> np.ndarray:
        """Set the seen classes and the vocabulary, and return where each label stands.

        Parameters
        ----------
        y : ndarray of shape (n_samples,)
            Labels.
        announced : ndarray of shape (n_announced,), optional
            Labels that may come later, among them those of `y`: the candidates, if none are given.

        Returns
        -------
        positions : ndarray of shape (n_samples,)
            Of the labels y in ``seen_classes_``.
        """
        self.seen_classes_, positions = np.unique(y, return_inverse=True)
        given = self._named(self.candidates)
        self._set_vocabulary(announced if given is None else given)
        return positions

    def _named(self, candidates: Any) -> Any:
        """Return `candidates`, or all labels of the embedding where they are so called."""
        if isinstance(candidates, str) and candidates == "vocabulary":
            return vocabulary_of(self._vocabulary_embedding(), owner=type(self).__name__)
        return candidates

    def _set_vocabulary(self, candidates: Any) -> None:
        owner = type(self).__name__
        seen = self.seen_classes_
        if candidates is None:
            classes = seen
        else:
            classes = check_labels(candidates, owner=owner, name="candidates")
            check_unique(classes, owner=owner, name="candidates")
        check_same_kind(classes, seen, owner=owner, names=("candidates", "y"))
        self.classes_ = np.sort(classes)
        self.unseen_classes_ = self.classes_[~member_mask(self.classes_, seen)]

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
        view._prepare_candidates()
        return view

    @answers_for_readable_rows
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
            The best candidate of each. None, and the array of objects, where a row of X is NaN
            throughout, as ``TimmFeatures(on_error="nan")`` leaves an image that cannot be read;
            the other methods have a row of NaN there.
        """
        best = []
        for scores in self._masked_blocks(X):
            best.append(scores.argmax(axis=1))
        return self.classes_[np.concatenate(best)]

    @answers_for_readable_rows
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

    @answers_for_readable_rows
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
            Between 0 and 1. Rows without an answer count as wrong.
        """
        predicted = self.predict(X)
        y = check_labels(column_or_1d(y), owner=type(self).__name__, name="y")
        check_same_kind(y, self.classes_, owner=type(self).__name__, names=("y", "candidates"))
        if not member_mask(self.classes_, y).any():
            warn_caller(
                f"{type(self).__name__}: none of the true labels is among the "
                f"{len(self.classes_)} candidates, so that every answer counts as wrong. "
                "Pass candidates= with the labels that may occur.",
            )
        return accuracy(y, predicted, sample_weight)

    def _allowed(self) -> np.ndarray:
        """Return which columns the scenario lets win, (n_classes,) of bool."""
        if self.scenario == "generalized":
            return np.ones(len(self.classes_), dtype=bool)
        return ~member_mask(self.classes_, self.seen_classes_)

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
            warn_caller(
                f"{type(self).__name__}: scenario='unseen', and {self.unseen_classes_[0]!s} is the "
                "only candidate not seen in fit: it is the answer for every sample, and accuracy "
                "means nothing. Pass further candidates, or scenario='generalized'.",
            )
        return allowed


def row_blocks(n_rows: int, n_columns: int) -> Iterator[slice]:
    """Yield the rows of one block after another, at least one row a block."""
    step = max(1, MAX_SCORES // n_columns)
    for start in range(0, n_rows, step):
        yield slice(start, start + step)


def vector_scores(vectors: np.ndarray, class_vectors: np.ndarray) -> np.ndarray:
    """Return inner products, (n_rows, n_classes), in the dtype of `vectors`."""
    return product(vectors, class_vectors.T.astype(vectors.dtype, copy=False))


def binary_scores(scores: np.ndarray) -> np.ndarray:
    """Return scores as ``decision_function`` does: of two classes, the second less the first."""
    return scores[:, 1] - scores[:, 0] if scores.shape[1] == 2 else scores


def best_columns(scores: np.ndarray, k: int) -> np.ndarray:
    """Return the columns of each row's `k` largest scores, best first; the first column wins a tie.

    The result is that of a stable sort of each row, which is slow where there are many columns.

    Examples
    --------
    >>> import numpy as np
    >>> from zeroshot.estimators._base import best_columns
    >>> best_columns(np.array([[0.1, 0.7, 0.2, 0.7], [3.0, 1.0, 1.0, 1.0]]), 2)
    array([[1, 3],
           [0, 1]])
    """
    place = scores.shape[1] - k
    least = np.partition(scores, place, axis=1)[:, place]
    rows, columns = np.nonzero(scores >= least[:, None])
    order = np.lexsort((columns, -scores[rows, columns], rows))
    counts = np.bincount(rows, minlength=len(scores))
    return columns[order[(np.cumsum(counts) - counts)[:, None] + np.arange(k)]]


def member_mask(classes: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return which of the sorted `classes` are among the few `labels`, (n_classes,) of bool."""
    mask = np.zeros(len(classes), dtype=bool)
    places = np.minimum(np.searchsorted(classes, labels), len(classes) - 1)
    mask[places[classes[places] == labels]] = True
    return mask
