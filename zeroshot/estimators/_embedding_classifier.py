"""Classifiers that compare predicted vectors with label vectors."""

from __future__ import annotations

import copy
import warnings
from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.utils.validation import check_is_fitted

from zeroshot._linear import (
    LearnsFromSums,
    LinearSystem,
    RowSums,
    SystemOfRows,
    SystemOfSums,
    fit_in_memory,
    fold_systems,
)
from zeroshot._utils._constraints import FLAG, Checked, Maybe, Number, OneOf
from zeroshot._utils._fitted import Array, Optional, Part
from zeroshot._utils._onnx_graph import Graph
from zeroshot._utils._validation import check_labels, warn_caller
from zeroshot.estimators._base import CandidateClassifier, vector_scores
from zeroshot.estimators._held_out import (
    LEAST_CLASSES,
    MOST_FOLDS,
    ClassFold,
    scored_blocks,
)
from zeroshot.estimators._hubness import METHODS as HUBNESS_METHODS
from zeroshot.estimators._hubness import (
    HubCorrection,
    check_weighable,
    fit_correction,
    fitted_hubness,
)
from zeroshot.estimators._label_space import (
    LabelSpace,
    check_label_embedding,
    warn_of_degenerate_vectors,
)
from zeroshot.estimators._onnx_steps import cannot_export
from zeroshot.estimators._unreadable_rows import answers_for_readable_rows
from zeroshot.exceptions import LabelWarning
from zeroshot.label_embeddings import AttributeTable, LabelEmbedding, OneHotEmbedding


class EmbeddingClassifier(CandidateClassifier):
    """Interface of the classifiers that predict a label vector for each sample.

    The score of a class is the inner product of the predicted vector with the class's vector, which
    is centred on the mean of the seen classes' vectors and of unit length. A subclass has the
    parameters ``label_embedding`` and ``center`` as well, learns in `_learn` and answers in
    `_project`. The parameters ``gamma`` and ``hubness`` are handled here, for every subclass that
    has them in its constructor.

    Attributes
    ----------
    classes_, seen_classes_, unseen_classes_ : ndarray
        The candidates, those that were in ``fit``, and those that were not.
    class_vectors_ : ndarray of shape (n_classes, n_dims)
        The vectors of ``classes_``: centred, of unit length.
    label_space_ : LabelSpace
        The label embedding with the offset that centring found.

    Examples
    --------
    >>> from zeroshot import DeViSEClassifier
    >>> from zeroshot.estimators import EmbeddingClassifier
    >>> isinstance(DeViSEClassifier(), EmbeddingClassifier)
    True
    """

    label_embedding: LabelEmbedding | None
    center: bool
    gamma: float | None = None
    hubness: str | None = None
    hub_correction_: HubCorrection | None
    hub_terms_: Any

    _constraints: ClassVar[Mapping[str, Any]] = {
        "label_embedding": Maybe(Checked(check_label_embedding)),
        "center": FLAG,
        "gamma": Maybe(Number(above=0)),
        "hubness": Maybe(OneOf(*HUBNESS_METHODS)),
    }
    _fitted: ClassVar[Mapping[str, Any]] = {
        "label_space_": Part(LabelSpace, sizes={"n_dims": "n_dims"}),
        "class_vectors_": Array("n_classes", "n_dims"),
        **fitted_hubness("n_dims"),
    }
    _compares_classes = True
    """Whether all that ``fit`` learns is what sets the classes of its labels apart."""

    @abstractmethod
    def _learn(self, X: np.ndarray, y: np.ndarray) -> None:
        """Learn from rows X and their labels y; `_set_label_space` gives the vectors to learn."""

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
        self._check_parameters()
        return self._fit_checked(*self._validate_fit(X, y))

    def _fit_checked(self, X: Any, y: np.ndarray) -> Self:
        """Do what ``fit`` does, given checked features, or what gives them for ``X[rows]``."""
        self._learn(X, y)
        return self._learn_the_rest(X, y)

    def _learn_the_rest(self, X: Any, y: np.ndarray, weights: np.ndarray | None = None) -> Self:
        """Learn what comes after the map: a correction against hubs, and confidence."""
        if self._compares_classes and len(self.seen_classes_) == 1 < len(self.classes_):
            warn_caller(
                f"{type(self).__name__}: all samples are of {self.seen_classes_[0]!s}, so that "
                "nothing can be learnt of what sets classes apart, and answers mean nothing. Pass "
                "samples of at least two classes."
            )
        self._fit_hubness(X, y, weights)
        self._learn_confidence(X, y, weights=weights)
        return self

    def _scores_unseen(self) -> bool:
        return self.label_embedding is not None

    def _check_combination(self) -> None:
        super()._check_combination()
        if isinstance(self.candidates, str):
            self._vocabulary_embedding()

    def _set_label_space(
        self, y: np.ndarray, announced: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Do what `_place_seen` does, and place the candidates, too."""
        seen = self._place_seen(y, announced)
        self._prepare_candidates()
        return seen

    def _place_seen(
        self, y: np.ndarray, announced: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Set the classes and the label space, and return what there is to learn.

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
        embedding = self.label_embedding
        self.hub_correction_ = self.hub_terms_ = None
        positions = self._set_classes(y, announced)  # before labels of the wrong kind are embedded
        if embedding is None:
            embedding = OneHotEmbedding(self.seen_classes_ if announced is None else announced)
        self.label_space_, seen_vectors = LabelSpace.of_seen(
            embedding, self.seen_classes_, center=self.center, gamma=self.gamma, owner=owner
        )
        return positions, seen_vectors

    def _fit_hubness(self, X: Any, y: np.ndarray, weights: np.ndarray | None = None) -> None:
        """Learn the correction against hubs, if there is one, from the rows of ``fit``."""
        if self.hubness is not None:
            self.hub_correction_ = fit_correction(self.hubness, X, y, self._project, weights)
            self.hub_terms_ = self.hub_correction_.terms(self.class_vectors_)

    def _prepare_candidates(self) -> None:
        self.class_vectors_ = self.label_space_.vectors(self.classes_)
        warn_of_degenerate_vectors(
            self.class_vectors_, self.classes_, self.unseen_classes_, owner=type(self).__name__
        )
        if self._hub_correction is not None:
            self.hub_terms_ = self._hub_correction.terms(self.class_vectors_)

    @property
    def _hub_correction(self) -> HubCorrection | None:
        """The correction that ``fit`` learnt; None where it learns none, or was not asked for."""
        return getattr(self, "hub_correction_", None)

    def _vocabulary_embedding(self) -> Any:
        if self.label_embedding is None:
            raise ValueError(
                f"{type(self).__name__}: label_embedding=None has no vocabulary. Pass a list of "
                "candidates, or a label_embedding with one, such as WordVectors()."
            )
        return self.label_embedding

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

    @answers_for_readable_rows
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

    def _class_scores(self, X: np.ndarray) -> np.ndarray:
        """Return the score of each class, (n_samples, n_classes), of validated rows X."""
        vectors, correction = self._project(X), self._hub_correction
        if correction is None or self.hub_terms_ is None:
            return vector_scores(vectors, self.class_vectors_)
        class_vectors = self.class_vectors_.astype(vectors.dtype, copy=False)
        return correction.scores(vectors, class_vectors, self.hub_terms_)

    def _add_projection(self, graph: Graph, X: str) -> str:
        """Add what `_project` computes to an ONNX graph, and return its name.

        Raises
        ------
        TypeError
            ONNX cannot hold the map.
        """
        raise cannot_export(
            self,
            "it does not say how label vectors are predicted there. Export another classifier, or "
            "define _add_projection(graph, X).",
        )

    def _add_class_scores(self, graph: Graph, X: str) -> str:
        vectors, correction = self._add_projection(graph, X), self._hub_correction
        if correction is None or self.hub_terms_ is None:
            return graph("MatMul", vectors, self.class_vectors_.T)
        return correction.add_scores(graph, vectors, self.class_vectors_, self.hub_terms_)

    @property
    def _n_features_out(self) -> int:
        return self.class_vectors_.shape[1]


class WeightedClassifier(EmbeddingClassifier):
    """Interface of those among them whose ``fit`` takes weights of the samples.

    A subclass learns in ``_learn(X, y, weights)``.
    """

    @abstractmethod
    def _learn(self, X: Any, y: np.ndarray, weights: np.ndarray | None = None) -> None:
        """Learn from rows X, their labels y and weights above 0, or None where all are 1."""

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Learn from images of the seen classes.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Features.
        y : array-like of shape (n_samples,)
            Labels: all strings, or all integers.
        sample_weight : array-like of shape (n_samples,), optional
            Weights of the samples, not negative; 1 each if None. A sample of weight k counts as k
            equal samples: where the map is trained, its loss is multiplied by k. One of weight 0 is
            left out, and a class whose samples all have weight 0 is not seen. Folds over the
            classes, which choose a temperature, learn by these weights, and score all samples
            alike.

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
            type than the labels. Or weights are negative, not finite, or all 0; or what the
            parameters ask for takes none.

        Warns
        -----
        LabelWarning
            All samples are of one class, and there are other candidates.
        """
        self._check_parameters()
        if sample_weight is not None:
            self._check_weighable()
        return self._fit_checked(*self._validate_weighted(X, y, sample_weight))

    def _check_weighable(self) -> None:
        """Raise where ``fit``, with the parameters as they are, cannot take weights.

        Raises
        ------
        ValueError
            It cannot.
        """
        check_weighable(self.hubness, owner=type(self).__name__)

    def _fit_checked(self, X: Any, y: np.ndarray, weights: np.ndarray | None = None) -> Self:
        self._learn(X, y, weights)
        return self._learn_the_rest(X, y, weights)


class ClosedFormClassifier(WeightedClassifier, LearnsFromSums):
    """Interface of zero-shot classifiers whose map is linear algebra on sums over rows.

    A subclass learns in ``fit_from_sums``, which calls `_seen_vectors` for what there is to learn,
    and one that is not of closed form for all its parameters learns in `_learn_rows` otherwise.
    """

    def _is_closed_form(self) -> bool:
        """Tell whether ``fit_from_sums`` learns the map, for the parameters as they are."""
        return True

    _fitted: ClassVar[Mapping[str, Any]] = {
        "sums_": Optional(Part(RowSums, sizes={"n_features": "n_features"}))
    }

    def learns_from_sums(self) -> bool:
        """Tell whether ``fit_from_sums`` does what ``fit`` does, for the parameters as they are."""
        return self._is_closed_form() and self.hubness is None

    def _learns_in_blocks(self) -> bool:
        return self.learns_from_sums()

    def _take_sums(self, trial: Self, sums: RowSums) -> Self:
        trial.confidence_ = None  # of sums, no class can be left out
        if self.temperature == "auto":
            warn_caller(
                f"{type(self).__name__}: temperature='auto' holds classes out, which partial_fit "
                f"and merge cannot: the temperature is {self._default_temperature:g}. Call "
                "calibrate(X, y) afterwards with samples of classes that were not learnt from.",
                UserWarning,
            )
        return super()._take_sums(trial, sums)

    def _check_sums(self) -> bool:
        """Tell that there are ``partial_fit`` and ``merge``."""
        return True

    _folds_are_cheap = True
    """Whether a fold, once its sums are known, costs little beside them."""

    def _learn(self, X: Any, y: np.ndarray, weights: np.ndarray | None = None) -> None:
        self._forget_sums()
        self.confidence_ = None
        if not self._is_closed_form():
            self._learn_rows(X, y, weights)
        elif self._folds_in_one_pass(X, y):
            self._learn_with_folds(X, y, weights)
        else:
            self.fit_from_sums(SystemOfRows(X, y, weights=weights))

    def _folds_in_one_pass(self, X: np.ndarray, y: np.ndarray) -> bool:
        """Tell whether folds over the classes are wanted, and come from the sums of one pass."""
        wanted = self.temperature == "auto" or (self.temperature is None and self._folds_are_cheap)
        if not wanted or self.label_embedding is None or not self.learns_from_sums():
            return False
        return len(np.unique(y)) >= LEAST_CLASSES and fit_in_memory(MOST_FOLDS, X.shape[1])

    def _learn_with_folds(self, X: np.ndarray, y: np.ndarray, weights: np.ndarray | None) -> None:
        """Learn from all rows, and from folds over the classes what scores of new classes mean."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", LabelWarning)  # given by the fit to all rows, below
            self._place_seen(y)
        folds, codes = self._folds(y), np.searchsorted(self.seen_classes_, y)
        # Looked up once, not in every fold.
        raw = self.label_space_.raw_vectors(self.seen_classes_)
        template = copy.copy(self)
        template.label_embedding = AttributeTable(raw, labels=self.seen_classes_)
        template.candidates, template.scenario = self.seen_classes_, "generalized"
        pairs = [(fold.train, fold.test) for fold in folds]
        systems = fold_systems(X, y, pairs, center=True, penalty=None, weights=weights)

        def scores(fold: ClassFold) -> np.ndarray:
            model = copy.copy(template)
            model.fit_from_sums(next(systems))
            return model._class_scores(X[fold.test])

        blocks = scored_blocks(codes, folds, scores)
        self.fit_from_sums(next(systems))
        self.confidence_ = self._learnt_from(blocks)

    def _learn_confidence(
        self, X: Any, y: np.ndarray, *, always: bool = False, weights: np.ndarray | None = None
    ) -> None:
        if self._confidence is None:
            super()._learn_confidence(X, y, always=always, weights=weights)

    def _learn_rows(self, X: Any, y: np.ndarray, weights: np.ndarray | None) -> None:
        """Learn from X, the labels y and weights where there is no closed form."""
        raise NotImplementedError

    def _seen_vectors(self, system: LinearSystem) -> np.ndarray:
        """Set classes and label space, and return the vectors of the seen classes.

        Raises
        ------
        ValueError
            There is a correction against hubs, which the rows themselves are needed for.
        """
        if self.hubness is not None and isinstance(system, SystemOfSums):
            raise ValueError(
                f"{type(self).__name__}: hubness={self.hubness!r} takes its statistics from rows, "
                "of which partial_fit and merge keep only sums. Pass hubness=None, or call fit."
            )
        return self._set_label_space(system.classes, system.announced)[1]
