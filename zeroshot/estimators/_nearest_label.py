"""Nearest label, for features in the space of the label vectors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.utils.validation import check_is_fitted, validate_data

from zeroshot._utils._arrays import unit_rows
from zeroshot._utils._constraints import FLAG, Checked
from zeroshot._utils._fitted import Array, Part
from zeroshot._utils._onnx_graph import Graph
from zeroshot._utils._validation import check_labels, warn_caller
from zeroshot.estimators._base import CandidateClassifier, vector_scores
from zeroshot.estimators._label_space import (
    LabelSpace,
    check_label_embedding,
    warn_of_degenerate_vectors,
)
from zeroshot.estimators._unreadable_rows import answers_for_readable_rows
from zeroshot.label_embeddings import LabelEmbedding

_OWNER = "NearestLabelClassifier"


class NearestLabelClassifier(CandidateClassifier):
    """Cosine of features and label vectors: nothing is learned.

    Use it for features that were trained to lie in the space of the label vectors, such as CLIP's:
    `OpenCLIPFeatures` and `CLIPTextEmbedding` of the same model. It needs no training images, so it
    can also be compared with the methods that learn.

    Parameters
    ----------
    label_embedding : LabelEmbedding
        Vectors of the labels, as long as the features are wide.
    candidates : array-like of shape (n_classes,), optional
        The vocabulary that ``predict`` chooses from; the seen classes if None.
    scenario : {"generalized", "unseen"}, default="generalized"
        Whether all candidates may win, or only those not seen.
    center : bool, default=False
        Subtract the mean of the seen classes' label vectors before scaling them to unit length.
        Features are not centred.
    temperature : float, "auto" or None, default=None
        Scores are divided by it in ``predict_proba``: CLIP's own scale is 100.

    Attributes
    ----------
    classes_, seen_classes_, unseen_classes_ : ndarray
        The vocabulary, and which of it ``fit`` was given images of: none, where it was given none.
    class_vectors_ : ndarray of shape (n_classes, n_dims)
        The vectors of ``classes_``, of unit length.

    See Also
    --------
    zeroshot.backbones.OpenCLIPFeatures, zeroshot.label_embeddings.CLIPTextEmbedding

    References
    ----------
    A. Radford et al., "Learning Transferable Visual Models From Natural Language Supervision",
    ICML 2021, section 3.1.2.

    Examples
    --------
    >>> from zeroshot import AttributeTable, NearestLabelClassifier
    >>> table = AttributeTable([[1, 0], [0, 1], [1, 1]], labels=["horse", "stripes", "zebra"])
    >>> model = NearestLabelClassifier(table, candidates=["horse", "zebra"]).fit()
    >>> model.predict([[3.0, 2.0], [9.0, 1.0]]).tolist()
    ['zebra', 'horse']
    """

    _default_temperature = 0.01

    _constraints: ClassVar[Mapping[str, Any]] = {
        "label_embedding": Checked(check_label_embedding),
        "center": FLAG,
    }
    _fitted: ClassVar[Mapping[str, Any]] = {
        "label_space_": Part(LabelSpace, sizes={"n_dims": "n_features"}),
        "class_vectors_": Array("n_classes", "n_features"),
    }

    def __init__(
        self,
        label_embedding: LabelEmbedding,
        *,
        candidates: Any = None,
        scenario: str = "generalized",
        center: bool = False,
        temperature: float | str | None = None,
    ) -> None:
        self.label_embedding = label_embedding
        self.candidates = candidates
        self.scenario = scenario
        self.center = center
        self.temperature = temperature

    def fit(self, X: Any = None, y: Any = None) -> Self:
        """Look up the label vectors; of X and y, only which classes were seen is kept.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_dims), optional
            Features, to be checked.
        y : array-like of shape (n_samples,), optional
            Labels: the seen classes, also without X. None means that none was seen, and needs
            `candidates`.

        Returns
        -------
        self : object
            The fitted classifier.

        Raises
        ------
        UnknownLabelError
            A label or candidate has no vector.
        ValueError
            There are neither candidates nor labels, X is not as wide as label vectors are long, or
            a parameter is none of its values.

        Warns
        -----
        LabelWarning
            ``center=True``, and no class was seen.
        """
        self._check_parameters()
        embedding = self.label_embedding
        seen = self._check_fit(X, y, embedding)
        self._set_classes(seen)
        self.label_space_ = LabelSpace(embedding, np.zeros(embedding.n_dims))
        if len(seen):
            self.label_space_, _ = LabelSpace.of_seen(
                embedding, self.seen_classes_, center=self.center, owner=_OWNER
            )
        self._prepare_candidates()
        if self.center and not len(seen):
            warn_caller(
                f"{_OWNER}: center=True, but fit was given no labels, so that there is no mean of "
                "seen classes to subtract. Pass y=, the seen classes, or center=False."
            )
        if X is None or y is None:
            self._no_confidence_from_names()
        else:
            self._learn_confidence(X, np.asarray(y))
        return self

    def _check_fit(self, X: Any, y: Any, embedding: LabelEmbedding) -> np.ndarray:
        """Return the labels of the seen classes: none, if there is no y."""
        if X is None:
            self._fit_without_images(embedding.n_dims)
        elif y is None:
            X = validate_data(self, X, dtype=[np.float64, np.float32])
        else:
            X, y = self._validate_fit(X, y)
        if X is not None:
            self._check_width(X, embedding)
        if y is not None:
            y = check_labels(y, owner=_OWNER, name="y")
            if not len(y):
                raise ValueError(f"{_OWNER}: y is empty. Name the seen classes, or pass y=None.")
            return y
        if self.candidates is None:
            raise ValueError(
                f"{_OWNER}: candidates is None, and fit was given no labels. Pass candidates= with "
                "the labels to choose from."
            )
        return check_labels(self._named(self.candidates), owner=_OWNER, name="candidates")[:0]

    def _check_width(self, X: np.ndarray, embedding: LabelEmbedding) -> None:
        n_dims = embedding.n_dims
        if X.shape[1] != n_dims:
            raise ValueError(
                f"{_OWNER}: X has {X.shape[1]} features, and the label vectors have {n_dims} "
                "entries: they do not lie in one space. Pass features that were trained with these "
                "label vectors, such as OpenCLIPFeatures for CLIPTextEmbedding, or learn the way "
                "from one to the other with DeViSEClassifier."
            )

    def _prepare_candidates(self) -> None:
        self.class_vectors_ = self.label_space_.vectors(self.classes_)
        warn_of_degenerate_vectors(
            self.class_vectors_, self.classes_, self.unseen_classes_, owner=_OWNER
        )

    def _vocabulary_embedding(self) -> LabelEmbedding:
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
        return self.label_space_.raw_vectors(check_labels(labels, owner=_OWNER, name="labels"))

    @answers_for_readable_rows
    def transform(self, X: Any) -> np.ndarray:
        """Return the features at unit length.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_dims)
            Features.

        Returns
        -------
        vectors : ndarray of shape (n_samples, n_dims)
            In the space of the label vectors.
        """
        check_is_fitted(self)
        return self._unit(self._validate(X))

    def _unit(self, X: np.ndarray) -> np.ndarray:
        return unit_rows(X).astype(X.dtype, copy=False)

    def _class_scores(self, X: np.ndarray) -> np.ndarray:
        return vector_scores(self._unit(X), self.class_vectors_)

    def _add_class_scores(self, graph: Graph, X: str) -> str:
        return graph("MatMul", graph.unit_rows(X), self.class_vectors_.T)

    @property
    def _n_features_out(self) -> int:
        return self.class_vectors_.shape[1]
