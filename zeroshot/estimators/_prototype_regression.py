"""Mean features of classes that were never seen, predicted from their descriptions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np

from zeroshot._linear import class_sums
from zeroshot._utils._arrays import unit_rows
from zeroshot._utils._constraints import Maybe, Number
from zeroshot._utils._fitted import Array, Optional, Sizes
from zeroshot._utils._onnx_graph import Graph
from zeroshot.estimators._class_regression import as_list
from zeroshot.estimators._class_regression_classifier import ClassRegressionClassifier
from zeroshot.estimators._hubness import check_weighable
from zeroshot.estimators._within_class import whitened, within_class_whitening
from zeroshot.label_embeddings import OneHotEmbedding


class PrototypeRegressionClassifier(ClassRegressionClassifier):
    r"""Nearest prototype, where those of unseen classes are predicted from their descriptions.

    A class's prototype is the mean of its features, about the mean of all. Kernel ridge regression
    from the descriptions of the seen classes to their prototypes gives unseen classes theirs, and a
    class scores by the inner product of the features with its prototype at unit length. The map
    goes from labels to images: there are as many targets as classes, and no image of one class has
    to look like another of it, which makes hubs of labels rarer (Zhang et al. 2017).

    With `shrinkage`, directions in which images of one class differ count less. On deep features
    that is the largest single gain (``studies/described_classes.py --choose``).

    Parameters
    ----------
    kernels : LabelEmbedding, object with ``matrix``, or list of these, optional
        What says how alike two classes are, such as ``[GlossEmbedding(), WordNetSimilarity()]``.
        One-hot vectors of the seen classes if None, which makes it an ordinary nearest-mean
        classifier.
    gamma : float, default=1.5
        Of the RBF kernel :math:`\exp(-\gamma \lVert u - u' \rVert^2)` of an embedding's centred
        unit vectors.
    alpha : float or sequence of float, optional
        The penalty, relative to the mean of the kernel's diagonal. One of several, or of seven from
        0.01 to 10 if None, is chosen by leaving out the seen classes in turn.
    weights : "auto" or sequence of float, default="auto"
        Of the kernels. ``"auto"`` tries all in steps of a quarter, by the same errors.
    shrinkage : float, optional
        Whiten features by the within-class covariance of the seen classes, as linear discriminant
        analysis does, and scale them to unit length. This share of the covariance, above 0 and up
        to 1, is replaced by a multiple of the identity; 0.85 suits a thousand features. Not
        whitened if None. It takes n_features squared floats.
    hubness : {"zscore", "csls"}, optional
        Correct the scores of classes that would win too often, as in `DeViSEClassifier`.
    candidates : array-like of shape (n_classes,), optional
        The vocabulary that ``predict`` chooses from; the labels of ``fit`` if None.
    scenario : {"generalized", "unseen"}, default="generalized"
        Whether all candidates may win, or only those not seen in ``fit``.
    temperature : float, default=0.1
        Scores are divided by it in ``predict_proba``.

    Attributes
    ----------
    classes_, seen_classes_, unseen_classes_ : ndarray
        The vocabulary, and which of it was in ``fit``.
    alpha_ : float
        The penalty chosen.
    weights_ : ndarray of shape (n_kernels,)
        The weights chosen; they sum to one.
    left_out_error_ : float
        Squared error of the prototypes of left-out classes, over that of the mean of the others;
        NaN where `alpha` and `weights` are given.
    mean_ : ndarray of shape (n_features,)
        The mean of the seen classes' mean features, of the whitened ones with `shrinkage`.
    whitening_ : ndarray of shape (n_features, n_features), or None
        Lower triangular: whitened features are ``(X - offset_) @ whitening_.T``.
    offset_ : ndarray of shape (n_features,), or None
        The mean of the seen classes' mean features before that.
    prototypes_ : ndarray of shape (n_seen, n_features)
        Of ``seen_classes_``, less `mean_`.
    class_vectors_ : ndarray of shape (n_classes, n_features)
        The prototypes of ``classes_`` at unit length.

    See Also
    --------
    HeadRegressionClassifier : The same from a pretrained head, without images.
    ESZSLClassifier : A map from images to labels.

    Notes
    -----
    A kernel that is not positive semidefinite is replaced by the nearest that is: its negative
    eigenvalues count as 0.

    Whitening by pooled within-class covariance is that of R. A. Fisher, "The Use of Multiple
    Measurements in Taxonomic Problems", Annals of Eugenics 7, 1936.

    References
    ----------
    L. Zhang, T. Xiang and S. Gong, "Learning a Deep Embedding Model for Zero-Shot Learning", CVPR
    2017 (DEM), whose closed-form cousin this is. S. Changpinyo, W.-L. Chao and F. Sha, "Predicting
    Visual Exemplars of Unseen Classes for Zero-Shot Learning", ICCV 2017 (EXEM).

    Examples
    --------
    >>> import numpy as np
    >>> from zeroshot import AttributeTable, PrototypeRegressionClassifier
    >>> traits = AttributeTable(
    ...     [[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0]], labels=["horse", "tiger", "fish", "zebra"]
    ... )
    >>> X, y = np.repeat(np.eye(3), 4, axis=0), np.repeat(["horse", "tiger", "fish"], 4)
    >>> model = PrototypeRegressionClassifier(traits, candidates=["horse", "tiger", "zebra"])
    >>> model.fit(X, y).predict([[0.6, 0.6, 0.0], [0.9, 0.0, 0.0]]).tolist()
    ['zebra', 'horse']
    """

    shrinkage: float | None
    whitening_: np.ndarray | None
    offset_: np.ndarray | None

    _constraints: ClassVar[Mapping[str, Any]] = {
        "shrinkage": Maybe(Number(above=0, at_most=1)),
    }
    _fitted: ClassVar[Mapping[str, Any]] = {
        "mean_": Array("n_features"),
        "prototypes_": Array("n_seen", "n_features"),
        "whitening_": Optional(Maybe(Array("n_features", "n_features"))),
        "offset_": Optional(Maybe(Array("n_features"))),
    }

    @classmethod
    def _check_together(cls, values: Mapping[str, Any], sizes: Sizes) -> None:
        super()._check_together(values, sizes)
        if (values.get("whitening_") is None) != (values.get("offset_") is None):
            raise ValueError(f"{cls.__name__}: whitening_ and offset_ must be given together.")

    def __init__(
        self,
        kernels: Any = None,
        *,
        gamma: float = 1.5,
        alpha: Any = None,
        weights: Any = "auto",
        shrinkage: float | None = None,
        hubness: str | None = None,
        candidates: Any = None,
        scenario: str = "generalized",
        temperature: float = 0.1,
    ) -> None:
        self.kernels = kernels
        self.gamma = gamma
        self.alpha = alpha
        self.weights = weights
        self.shrinkage = shrinkage
        self.hubness = hubness
        self.candidates = candidates
        self.scenario = scenario
        self.temperature = temperature

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Take the seen classes' means, and learn what other classes' would be.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Features.
        y : array-like of shape (n_samples,)
            Labels: all strings, or all integers.
        sample_weight : array-like of shape (n_samples,), optional
            Weights of the samples, not negative; 1 each if None. They weigh samples of one class
            against each other; classes count alike. A sample of weight 0 is left out: a class whose
            samples all have weight 0 is not seen.

        Returns
        -------
        self : object
            The fitted classifier.

        Raises
        ------
        UnknownLabelError
            No kernel knows a candidate that was not seen; all such candidates are named.
        ValueError
            X is not finite, lengths differ, the candidates are empty, repeated, or of another type
            than the labels; or one class was seen, and there are other candidates. Or weights are
            negative, not finite, all 0, or for ``hubness="csls"``.
        """
        self._check_parameters()
        if sample_weight is not None:
            check_weighable(self.hubness, owner=type(self).__name__)
        X, y, weights = self._validate_weighted(X, y, sample_weight)
        positions = self._set_classes(y)
        n_seen = len(self.seen_classes_)
        self.whitening_ = self.offset_ = None
        if self.shrinkage is not None:
            self.offset_, self.whitening_ = within_class_whitening(
                X, positions, self.shrinkage, weights
            )
        rows = self._whitened(X).astype(np.float64, copy=False)
        rows = rows if weights is None else rows * weights[:, None]
        sums = class_sums(rows, positions, n_seen)
        means = sums / np.bincount(positions, weights, minlength=n_seen)[:, None]
        # Of one class, the mean would leave nothing.
        self.mean_ = means.mean(axis=0) if n_seen > 1 else np.zeros(means.shape[1])
        self.prototypes_ = means - self.mean_
        self.regression_, self.left_out_error_ = None, float("nan")
        if n_seen > 1:
            self._fit_regression(self.seen_classes_, None, self.prototypes_)
        self._fit_hubness(X, y, weights)
        self._prepare_candidates()
        return self

    def _measures(self) -> list[Any]:
        if self.kernels is not None:
            return as_list(self.kernels)
        return [OneHotEmbedding(getattr(self, "seen_classes_", ["none"]))]

    def _vectors(self, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        own = np.isin(labels, self.seen_classes_)
        rows = np.empty((len(labels), self.prototypes_.shape[1]))
        rows[own] = self.prototypes_[np.searchsorted(self.seen_classes_, labels[own])]
        if not own.all():
            rows[~own] = self._fitted_regression.predict(labels[~own], owner=type(self).__name__)
        return unit_rows(rows), np.zeros(len(labels))

    def _whitened(self, X: np.ndarray) -> np.ndarray:
        whitening, offset = getattr(self, "whitening_", None), getattr(self, "offset_", None)
        if whitening is None or offset is None:  # a model of an earlier version has none
            return X
        return whitened(X, offset, whitening)

    def _project(self, X: np.ndarray) -> np.ndarray:
        return self._whitened(X) - self.mean_.astype(X.dtype, copy=False)

    def _add_projection(self, graph: Graph, X: str) -> str:
        whitening = getattr(self, "whitening_", None)
        if whitening is not None and self.offset_ is not None:
            X = graph.unit_rows(graph("MatMul", graph("Sub", X, self.offset_), whitening.T))
        return graph("Sub", X, self.mean_)
