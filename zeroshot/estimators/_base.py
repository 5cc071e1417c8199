"""The interface of all zero-shot classifiers: one score per candidate label.

A subclass computes scores (`_class_scores`). `CandidateClassifier` turns them into labels, the best
k labels, probabilities, and predictions among other candidates.
"""

from __future__ import annotations

import copy
import warnings
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
    clone,
)
from sklearn.utils import check_consistent_length
from sklearn.utils.validation import check_is_fitted, column_or_1d

from zeroshot._linear import product
from zeroshot._utils._arrays import best_columns
from zeroshot._utils._constraints import Checked, Maybe, Number, OneOf, OrAuto
from zeroshot._utils._doc_links import DocLinkMixin
from zeroshot._utils._fitted import FITTED_FEATURES, Labels, Optional, Part, Sizes
from zeroshot._utils._onnx_graph import Graph
from zeroshot._utils._saving import SavedEstimator
from zeroshot._utils._validation import (
    check_label_list,
    check_labels,
    check_number,
    check_same_kind,
    check_unique,
    take_rows,
    warn_caller,
)
from zeroshot.estimators._confidence import Confidence, Doubt, any_probability
from zeroshot.estimators._encoded_labels import check_not_encoded
from zeroshot.estimators._held_out import (
    LEAST_CLASSES,
    Block,
    ClassFold,
    class_folds,
    refitted_scores,
    scored_blocks,
)
from zeroshot.estimators._input import InputMixin
from zeroshot.estimators._onnx_steps import cannot_export
from zeroshot.estimators._unreadable_rows import accuracy, answers_for_readable_rows
from zeroshot.exceptions import LabelWarning
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
    calls `_set_classes` and `_prepare_candidates`, and last `_learn_confidence`; it scores in
    `_class_scores`. This class does everything that follows from the scores: labels, the best k,
    probabilities, and views over other candidates.

    ``predict`` and ``predict_top_k`` score a few rows at a time, so a whole vocabulary can be the
    candidates: memory holds 128 MB of scores. ``decision_function`` and ``predict_proba`` return,
    and hold, one score per row and class.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The sorted vocabulary that ``predict`` chooses from; columns of scores follow it.
    seen_classes_ : ndarray of shape (n_seen,)
        The sorted labels of ``fit``.
    unseen_classes_ : ndarray of shape (n_unseen,)
        The labels of ``classes_`` that ``fit`` did not see.
    temperature_ : float
        What scores are divided by in ``predict_proba``.
    confidence_ : Confidence or None
        What was learnt from held-out classes: temperatures, the number of candidates that competed
        (``n_candidates``), and the basis of thresholds and sets of labels. Views share it.

    Examples
    --------
    >>> from zeroshot import NearestLabelClassifier, OneHotEmbedding
    >>> from zeroshot.estimators import CandidateClassifier
    >>> isinstance(NearestLabelClassifier(OneHotEmbedding(["cat", "dog"])), CandidateClassifier)
    True
    """

    candidates: Any
    scenario: str
    temperature: float | str | None
    confidence_: Confidence | None

    _default_temperature: ClassVar[float] = 0.1
    """What scores are divided by where nothing was learnt from held-out classes."""

    _constraints: ClassVar[Mapping[str, Any]] = {
        "candidates": Checked(check_candidates),
        "scenario": OneOf("generalized", "unseen"),
        "temperature": Maybe(OrAuto(Number(above=0))),
    }
    _fitted: ClassVar[Mapping[str, Any]] = {
        **FITTED_FEATURES,
        "seen_classes_": Labels("n_seen"),
        "classes_": Labels("n_classes", least=1),
        "unseen_classes_": Labels("n_unseen"),
        "confidence_": Optional(Maybe(Part(Confidence))),  # none in models of earlier versions
    }

    @classmethod
    def _check_together(cls, values: Mapping[str, Any], sizes: Sizes) -> None:
        classes, seen = values["classes_"], values["seen_classes_"]
        if not np.array_equal(values["unseen_classes_"], classes[~member_mask(classes, seen)]):
            raise ValueError(f"{cls.__name__}: unseen_classes_ must be the rest of classes_.")
        sizes["confidence"] = values.get("confidence_")

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

    def _add_class_scores(self, graph: Graph, X: str) -> str:
        """Add what `_class_scores` computes to an ONNX graph, and return its name.

        Raises
        ------
        TypeError
            ONNX cannot hold the classifier.
        """
        raise cannot_export(
            self,
            "it does not say how its scores are computed there. Export another classifier, or "
            "define _add_class_scores(graph, X).",
        )

    def _add_scores(self, graph: Graph, X: str) -> str:
        """Add the scores, (n, n_classes), to an ONNX graph, and return their name."""
        allowed = self._answerable()
        scores = self._add_class_scores(graph, X)
        least = np.array(np.finfo(np.float32).min)
        return scores if allowed.all() else graph("Where", allowed, scores, least)

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
        """Return the probability of each candidate.

        Where ``temperature`` was chosen on held-out classes, these are calibrated. Under the
        generalized scenario seen and unseen classes then have temperatures of their own, and an
        offset lowers seen classes: the most probable label may differ from that of ``predict``,
        which goes by the scores. Otherwise probabilities are the softmax of the scores over
        ``temperature_``: a ranking turned into numbers that sum to one.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Features.

        Returns
        -------
        probabilities : ndarray of shape (n_samples, n_classes)
            Zero for seen classes with ``scenario="unseen"``.
        """
        return self._probabilities_of(self._masked_scores(X))

    @answers_for_readable_rows
    def predict_set(self, X: Any, coverage: float = 0.9) -> np.ndarray:
        """Return a set of labels for each sample that holds the true one with a given probability.

        A label is in the set if its probability reaches a threshold, which split conformal
        prediction takes from held-out classes. The most probable label always is.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Features.
        coverage : float, default=0.9
            Probability, above 0 and below 1, that the set holds the true label: for a sample of a
            class that is drawn like the held-out classes. It is not promised for each class, nor
            for each sample, nor where the true label is not among the candidates. Sets from the
            folds of ``fit`` come near to it, because the final model has learnt from more classes
            than those of the folds; `calibrate` on classes that the model never saw guarantees it
            for as many candidates. More than K / (K + 1), with K held-out classes, takes all
            labels.

        Returns
        -------
        sets : ndarray of bool of shape (n_samples, n_classes)
            Columns follow ``classes_``; what scikit-learn's multilabel metrics take.

        Raises
        ------
        ValueError
            `coverage` is not between 0 and 1, or the classifier has learnt nothing from held-out
            classes.
        """
        owner = type(self).__name__
        check_share(coverage, owner=owner, name="coverage")
        self._known_confidence()
        self._warn_of_other_candidates()
        probabilities = self.predict_proba(X)
        check_scores_finite(probabilities, owner=owner)
        return self._sets_of(probabilities, coverage)

    def _sets_of(self, probabilities: np.ndarray, coverage: float) -> np.ndarray:
        """Return sets of labels, (n_samples, n_classes), from probabilities."""
        confidence = self._known_confidence()
        seen = member_mask(self.classes_, self.seen_classes_)
        limits = np.where(
            seen,
            confidence.set_threshold(coverage, seen=True),
            confidence.set_threshold(coverage, seen=False),
        )
        sets = (probabilities >= limits * (1 - 1e-6)) & self._allowed()
        sets[np.arange(len(sets)), probabilities.argmax(axis=1)] = True
        return sets

    @answers_for_readable_rows
    def predict_any_proba(self, X: Any, none_share: float = 0.5) -> np.ndarray:
        """Return the probability that a sample shows any of the candidates at all.

        It weighs how large the candidates' scores are beside those of the seen classes, as learnt
        on held-out samples whose own class was taken out of the candidates.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Features.
        none_share : float, default=0.5
            The share of samples that is expected to show none of them, at least 0 and below 1. It
            shifts all probabilities, and changes no order.

        Returns
        -------
        probabilities : ndarray of shape (n_samples,)
            Between 0 and 1.

        Raises
        ------
        ValueError
            The classifier has learnt nothing from held-out classes, or `none_share` is outside its
            range.
        """
        share = Number(at_least=0, below=1)
        share.check(none_share, owner=type(self).__name__, name="none_share")
        return any_probability(self._doubt(X).evidence, none_share)

    @property
    def temperature_(self) -> float:
        """What scores are divided by: those of unseen classes, where kinds differ."""
        confidence = self._confidence
        if confidence is not None:
            return confidence.temperature
        given = self.temperature
        return float(given) if isinstance(given, (int, float)) else self._default_temperature

    def calibrate(self, X: Any, y: Any) -> Self:
        """Learn temperature, thresholds and sets of labels from samples that ``fit`` did not see.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Features.
        y : array-like of shape (n_samples,)
            Their labels: of at least two classes that the classifier has not seen, and under the
            generalized scenario, for the temperature of seen classes, of these as well. They
            compete with each other; with all candidates, if they are among these.

        Returns
        -------
        self : object
            The classifier, with a new ``confidence_``. What ``fit`` learnt stays as it is.

        Raises
        ------
        ValueError
            There are fewer than two such classes, labels are of another type, or a score is NaN.
        """
        check_is_fitted(self)
        owner = type(self).__name__
        X, y = _checked_samples(self, X, y)
        check_same_kind(y, self.classes_, owner=owner, names=("y", "candidates"))
        generalized = self.scenario == "generalized"
        labels = np.unique(y)
        held_out = np.setdiff1d(labels, self.seen_classes_)
        of_seen = np.isin(y, self.seen_classes_)
        enough = len(held_out) >= 2 or (generalized and not len(held_out) and len(labels) >= 2)
        if not enough:
            raise ValueError(
                f"{owner}: calibrate needs samples of at least two classes that fit did not see, "
                f"and y has {len(held_out)}. Pass samples of further classes."
            )
        if not generalized:
            X, y = take_rows(X, np.flatnonzero(~of_seen)), y[~of_seen]
        rivals = held_out
        if np.isin(held_out, self.classes_).all():
            rivals = np.setdiff1d(self.classes_, self.seen_classes_)
        columns = np.union1d(rivals, self.seen_classes_) if len(self.seen_classes_) else rivals
        codes = np.searchsorted(columns, y)
        scores = self._over(columns)._class_scores(X)
        check_scores_finite(scores, owner=owner)
        is_seen = np.isin(columns, self.seen_classes_)
        self.confidence_ = self._learnt_from([Block(scores, is_seen, codes, codes)])
        return self

    @property
    def _confidence(self) -> Confidence | None:
        """What was learnt from held-out classes; None where nothing was."""
        return getattr(self, "confidence_", None)  # none in models of earlier versions

    def _known_confidence(self) -> Confidence:
        check_is_fitted(self)
        confidence = self._confidence
        if confidence is None:
            raise ValueError(
                f"{type(self).__name__}: nothing is known of held-out classes. Fit with "
                "temperature='auto', or call calibrate(X, y) with samples of classes that fit did "
                "not see."
            )
        return confidence

    def _warn_of_other_candidates(self) -> None:
        """Warn where far more or far fewer candidates compete than in the folds."""
        confidence, n_candidates = self._known_confidence(), int(self._allowed().sum())
        if not confidence.n_candidates / 2 <= n_candidates <= 2 * confidence.n_candidates:
            warn_caller(
                f"{type(self).__name__}: {n_candidates} candidates compete, and confidence was "
                f"learnt with {confidence.n_candidates}. Call calibrate(X, y) with as many."
            )

    def _probabilities_of(self, scores: np.ndarray) -> np.ndarray:
        """Return probabilities, (n_samples, n_classes), from scores of all columns."""
        allowed = self._allowed()
        probabilities = np.zeros_like(scores)
        probabilities[:, allowed] = self._probabilities(scores[:, allowed], allowed)
        return probabilities

    def _probabilities(self, scores: np.ndarray, allowed: np.ndarray) -> np.ndarray:
        """Return the probabilities of the columns that may win, from their scores."""
        confidence = self._confidence
        if confidence is None:
            return softmax(scores / self.temperature_, axis=1)
        is_seen = member_mask(self.classes_, self.seen_classes_)[allowed]
        return confidence.probabilities(scores, is_seen)

    def _doubt(self, X: Any) -> Doubt:
        """Return how doubtful samples are, by the candidates' and by the seen classes' scores."""
        confidence = self._known_confidence()
        allowed = self.classes_[self._answerable()]
        view = self._over(np.union1d(allowed, self._background()))
        is_seen = np.isin(view.classes_, self.seen_classes_)
        is_candidate = np.isin(view.classes_, allowed)
        parts = []
        for scores in view._score_blocks(view._validate(X)):
            check_scores_finite(scores, owner=type(self).__name__)
            parts.append(confidence.doubt(scores, is_seen, is_candidate))
        return Doubt(*map(np.concatenate, zip(*parts, strict=True)))

    def _background(self) -> np.ndarray:
        """Return the labels whose scores the candidates' are weighed against in doubt."""
        return self.seen_classes_

    def _over(self, labels: np.ndarray) -> Self:
        """Return a view in which all of some labels may win."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", LabelWarning)  # given for the candidates already
            view = self.with_candidates(labels)
        view.scenario = "generalized"
        return view

    def _learnt_from(self, blocks: list[Block]) -> Confidence:
        given, unseen, seen = self.temperature, len(self.unseen_classes_), len(self.seen_classes_)
        return Confidence.of_blocks(
            blocks,
            unseen_only=self.scenario == "unseen",
            unseen_share=unseen / (unseen + seen) if unseen and seen else None,
            temperature=float(given) if isinstance(given, (int, float)) else None,
        )

    def _learn_confidence(
        self, X: Any, y: np.ndarray, *, always: bool = False, weights: np.ndarray | None = None
    ) -> None:
        """Learn from held-out classes, each fold by a copy that is fitted anew.

        That costs up to five further fits: it is done for ``temperature="auto"``, or `always`.
        """
        if self.temperature != "auto" and not always:
            self.confidence_ = None
            return
        folds = self._folds(y)
        codes = np.searchsorted(self.seen_classes_, y)
        settled = self._for_folds()
        blocks = scored_blocks(
            codes, folds, lambda fold: refitted_scores(lambda: clone(settled), X, y, fold, weights)
        )
        for block in blocks:
            check_scores_finite(block.scores, owner=type(self).__name__)
        self.confidence_ = self._learnt_from(blocks)

    def _folds(self, y: np.ndarray) -> list[ClassFold]:
        """Return folds over the seen classes, with as many candidates as there will be.

        Raises
        ------
        ValueError
            There are too few classes.
        """
        seen = self.seen_classes_
        unseen_too = self._scores_unseen()
        if len(seen) < (LEAST_CLASSES if unseen_too else 2):
            auto = self.temperature == "auto"
            what = "temperature='auto'" if auto else "a threshold for rejection"
            raise ValueError(
                f"{type(self).__name__}: {what} holds classes out, and needs at least "
                f"{LEAST_CLASSES if unseen_too else 2}; y has {len(seen)}. Pass samples of more "
                f"classes{', or temperature as a number' if auto else ''}."
            )
        return class_folds(
            np.searchsorted(seen, y),
            len(self.unseen_classes_),
            seen_too=self.scenario == "generalized" or not unseen_too,
            unseen_too=unseen_too,
        )

    def _scores_unseen(self) -> bool:
        """Tell whether the classifier, with its parameters, can score labels that it never saw."""
        return True

    def _for_folds(self) -> Any:
        """Return an unfitted copy that is fitted in folds, over all seen classes."""
        return clone(self).set_params(**self._params_of_folds())

    def _params_of_folds(self) -> dict[str, Any]:
        params = {
            "candidates": self.seen_classes_ if self._scores_unseen() else None,
            "scenario": "generalized",
            "temperature": self._default_temperature,
        }
        return {name: value for name, value in params.items() if name in self.get_params()}

    def _no_confidence_from_names(self) -> None:
        """Forget what was known of held-out classes, where there are no images to learn it from.

        Raises
        ------
        ValueError
            It was asked for.
        """
        self.confidence_ = None
        if self.temperature == "auto":
            raise ValueError(
                f"{type(self).__name__}: temperature='auto' holds classes out, and fit had no "
                "images of any. Pass temperature=None, and call calibrate(X, y) after fit with "
                "images of labels that the model was not trained on."
            )

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


def without_folds(classifier: Any) -> Any:
    """Return an unfitted classifier with a temperature that takes no folds to choose."""
    if isinstance(classifier, CandidateClassifier) and classifier.temperature in (None, "auto"):
        classifier.set_params(temperature=classifier._default_temperature)
    return classifier


def check_share(value: Any, *, owner: str, name: str) -> None:
    """Raise unless `value` is a number above 0 and below 1.

    Raises
    ------
    ValueError
        It is something else.
    """
    check_number(value, owner=owner, name=name, above=0)
    if value >= 1:
        raise ValueError(f"{owner}: {name} must be above 0 and below 1, got {value!r}.")


def check_scores_finite(scores: np.ndarray, *, owner: str) -> None:
    """Raise where a score is NaN or infinite.

    Raises
    ------
    ValueError
        One is.
    """
    broken = ~np.isfinite(scores).all(axis=1)
    if broken.any():
        raise ValueError(
            f"{owner}: scores of {broken.sum()} of {len(scores)} samples are NaN or infinite "
            f"(first: row {int(broken.argmax())}). Leave these samples out, or mend the classifier."
        )


def _checked_samples(model: CandidateClassifier, X: Any, y: Any) -> tuple[Any, np.ndarray]:
    """Return samples for `calibrate`, as many of X as of y."""
    y = check_labels(column_or_1d(y), owner=type(model).__name__, name="y")
    X = model._validate(X)
    check_consistent_length(X, y)
    return X, y


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


def member_mask(classes: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return which of the sorted `classes` are among the few `labels`, (n_classes,) of bool."""
    mask = np.zeros(len(classes), dtype=bool)
    places = np.minimum(np.searchsorted(classes, labels), len(classes) - 1)
    mask[places[classes[places] == labels]] = True
    return mask
