"""Interface of the classifiers that predict the vectors of classes from their descriptions."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from sklearn.utils.validation import check_is_fitted

from zeroshot._utils._arrays import unit_rows
from zeroshot._utils._constraints import Checked, Maybe, Number, OneOf
from zeroshot._utils._fitted import Array, NumberOrNan, Part
from zeroshot._utils._onnx_graph import Graph
from zeroshot._utils._validation import check_labels
from zeroshot.estimators._base import CandidateClassifier, vector_scores
from zeroshot.estimators._class_regression import (
    DEFAULT_ALPHAS,
    ClassRegression,
    as_list,
    check_alpha,
    check_kernels,
    check_weights,
    fit_class_regression,
)
from zeroshot.estimators._hubness import METHODS as HUBNESS_METHODS
from zeroshot.estimators._hubness import HubCorrection, fit_correction, fitted_hubness
from zeroshot.estimators._kept_regression import kept_class_regression
from zeroshot.estimators._label_space import warn_of_degenerate_vectors
from zeroshot.estimators._onnx_steps import cannot_export
from zeroshot.label_embeddings import LabelEmbedding


class ClassRegressionClassifier(CandidateClassifier):
    """Interface of zero-shot classifiers that give each candidate a vector by `ClassRegression`.

    A subclass has the parameters ``kernels``, ``gamma``, ``alpha``, ``weights`` and ``hubness``.
    It learns in ``fit`` by `_fit_regression`; `_vectors` gives the vectors of labels, and
    `_project` what they are compared with.
    """

    kernels: Any
    gamma: float
    alpha: Any
    weights: Any
    hubness: str | None
    regression_: ClassRegression | None
    hub_correction_: HubCorrection | None
    hub_terms_: Any
    class_vectors_: np.ndarray
    intercept_: np.ndarray

    _constraints: ClassVar[Mapping[str, Any]] = {
        "kernels": Maybe(Checked(check_kernels)),
        "gamma": Number(above=0),
        "alpha": Maybe(Checked(check_alpha)),
        "weights": Checked(check_weights),
        "hubness": Maybe(OneOf(*HUBNESS_METHODS)),
    }
    _fitted: ClassVar[Mapping[str, Any]] = {
        "class_vectors_": Array("n_classes", "n_features"),
        "intercept_": Array("n_classes"),
        "regression_": Maybe(Part(ClassRegression, sizes={"n_outputs": "n_outputs"})),
        "left_out_error_": NumberOrNan(),
        **fitted_hubness("n_features"),
    }

    @abstractmethod
    def _measures(self) -> list[Any]:
        """Return the embeddings and similarities, the defaults if none are given."""

    @abstractmethod
    def _vectors(self, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return vectors, (n_labels, n_features), and offsets, (n_labels,), of labels."""

    @abstractmethod
    def _project(self, X: np.ndarray) -> np.ndarray:
        """Return what the vectors are compared with, (n_samples, n_features), of validated rows."""

    def _check_combination(self) -> None:
        super()._check_combination()
        n_kernels = len(self._measures())
        if not isinstance(self.weights, str) and len(self.weights) != n_kernels:
            raise ValueError(
                f"{type(self).__name__}: weights must be {n_kernels} numbers, one for each kernel, "
                f"got {len(self.weights)}."
            )

    def _fit_regression(
        self,
        labels: np.ndarray,
        wnids: np.ndarray | None,
        vectors: np.ndarray,
        *,
        keep: bool = False,
    ) -> None:
        """Learn from the source classes and their vectors, (n_sources, n_outputs).

        With `keep`, what was learnt is kept on disk for the next process.
        """
        fit = kept_class_regression if keep else fit_class_regression
        self.regression_, self.left_out_error_ = fit(
            self._measures(),
            labels,
            wnids,
            vectors,
            gamma=self.gamma,
            alpha=DEFAULT_ALPHAS if self.alpha is None else self.alpha,
            weights=self.weights,
            owner=type(self).__name__,
        )

    @property
    def alpha_(self) -> float:
        """The penalty chosen."""
        return self._fitted_regression.alpha

    @property
    def weights_(self) -> np.ndarray:
        """The weights of the kernels that were chosen."""
        return self._fitted_regression.weights

    @property
    def _fitted_regression(self) -> ClassRegression:
        check_is_fitted(self)
        if self.regression_ is None:
            raise ValueError(
                f"{type(self).__name__}: one class was seen, from which nothing can be learnt of "
                "others. Fit it to two or more, and better some dozens."
            )
        return self.regression_

    def _vocabulary_embedding(self) -> Any:
        for kernel in [] if self.kernels is None else as_list(self.kernels):
            if isinstance(kernel, LabelEmbedding):
                return kernel
        raise ValueError(
            f"{type(self).__name__}: no label embedding among the kernels has a vocabulary. Pass a "
            "list of candidates."
        )

    def _fit_hubness(
        self, X: np.ndarray, y: np.ndarray | None, weights: np.ndarray | None = None
    ) -> None:
        """Learn the correction against hubs, if there is one, from rows."""
        self.hub_correction_ = self.hub_terms_ = None
        if self.hubness is not None:
            self.hub_correction_ = fit_correction(self.hubness, X, y, self._project, weights)

    def _prepare_candidates(self) -> None:
        self.class_vectors_, self.intercept_ = self._vectors(self.classes_)
        warn_of_degenerate_vectors(
            np.column_stack([self.class_vectors_, self.intercept_]),
            self.classes_,
            self.classes_,
            owner=type(self).__name__,
        )
        if self.hub_correction_ is not None:
            self.hub_terms_ = self.hub_correction_.terms(unit_rows(self.class_vectors_))

    def label_vectors(self, labels: Any) -> np.ndarray:
        """Return the vectors of labels, learnt or predicted.

        Parameters
        ----------
        labels : array-like of shape (n_labels,)
            Any labels that a kernel knows.

        Returns
        -------
        vectors : ndarray of shape (n_labels, n_features)
            As they stand in ``class_vectors_``.
        """
        check_is_fitted(self)
        return self._vectors(check_labels(labels, owner=type(self).__name__, name="labels"))[0]

    def transform(self, X: Any) -> np.ndarray:
        """Return the scores of all candidates, for the next step of a pipeline.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Features.

        Returns
        -------
        scores : ndarray of shape (n_samples, n_classes)
            Columns follow ``classes_``, whatever the scenario; two columns for two classes.
        """
        check_is_fitted(self)
        return self._class_scores(self._validate(X))

    def _class_scores(self, X: np.ndarray) -> np.ndarray:
        rows = self._project(X)
        if self.hub_correction_ is None or self.hub_terms_ is None:
            scores = vector_scores(rows, self.class_vectors_)
            return scores + self.intercept_.astype(rows.dtype, copy=False)
        vectors = unit_rows(self.class_vectors_).astype(rows.dtype, copy=False)
        return self.hub_correction_.scores(rows, vectors, self.hub_terms_)

    def _add_projection(self, graph: Graph, X: str) -> str:
        """Add what `_project` computes to an ONNX graph, and return its name."""
        raise cannot_export(
            self,
            "it does not say what its vectors are compared with there. Export another classifier, "
            "or define _add_projection(graph, X).",
        )

    def _add_class_scores(self, graph: Graph, X: str) -> str:
        rows = self._add_projection(graph, X)
        if self.hub_correction_ is None or self.hub_terms_ is None:
            return graph.affine(rows, self.class_vectors_.T, self.intercept_)
        vectors = unit_rows(self.class_vectors_)
        return self.hub_correction_.add_scores(graph, rows, vectors, self.hub_terms_)

    @property
    def _n_features_out(self) -> int:
        return len(self.classes_)
