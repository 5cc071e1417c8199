"""The nearest label, for features that lie in the label vectors' own space."""

from __future__ import annotations

import warnings
from typing import Any, Self

import numpy as np
from sklearn.utils.validation import validate_data

from zeroshot._validation import check_flag, check_labels, check_number
from zeroshot.estimators._base import ZeroShotClassifier
from zeroshot.estimators._label_space import LabelSpace, check_label_embedding, unit_rows
from zeroshot.exceptions import LabelWarning
from zeroshot.label_embeddings import LabelEmbedding

_OWNER = "NearestLabelClassifier"


class NearestLabelClassifier(ZeroShotClassifier):
    """Cosine of features and label vectors: nothing is learned.

    For features that others have trained to lie where the label vectors do, above all CLIP's:
    `OpenCLIPFeatures` and `CLIPTextEmbedding` of one model. So it names images without a training
    image, and is a row beside the methods that learn.

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
    temperature : float, default=0.01
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

    _compares_classes = False

    def __init__(
        self,
        label_embedding: LabelEmbedding,
        *,
        candidates: Any = None,
        scenario: str = "generalized",
        center: bool = False,
        temperature: float = 0.01,
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
        embedding = check_label_embedding(self.label_embedding, owner=_OWNER)
        if X is not None and y is not None:
            return super().fit(X, y)
        if y is not None:
            return self._fit_labels(y, embedding)
        check_number(self.temperature, owner=_OWNER, name="temperature", above=0)
        check_flag(self.center, owner=_OWNER, name="center")
        if self.candidates is None:
            raise ValueError(
                f"{_OWNER}: candidates is None, and fit was given no labels. Pass candidates= with "
                "the labels to choose from."
            )
        if X is None:
            self.n_features_in_ = embedding.n_dims
        else:
            self._check_width(validate_data(self, X, dtype=[np.float64, np.float32]), embedding)
        candidates = check_labels(self._named(self.candidates), owner=_OWNER, name="candidates")
        self.seen_classes_ = candidates[:0]
        self._set_vocabulary(candidates)
        self.label_space_ = LabelSpace(embedding, np.zeros(embedding.n_dims))
        self._embed_vocabulary()
        if self.center:
            warnings.warn(
                f"{_OWNER}: center=True, but fit was given no labels, so that there is no mean of "
                "seen classes to subtract. Pass y=, the seen classes, or center=False.",
                LabelWarning,
                stacklevel=2,
            )
        return self

    def _fit_labels(self, y: Any, embedding: LabelEmbedding) -> Self:
        """Take the labels y for the seen classes, without images."""
        labels = check_labels(y, owner=_OWNER, name="y")
        if not len(labels):
            raise ValueError(f"{_OWNER}: y is empty. Name the seen classes, or pass y=None.")
        self.n_features_in_ = embedding.n_dims
        self._fit_seen(labels)
        self._embed_vocabulary()
        return self

    def _learn(self, X: np.ndarray, y: np.ndarray) -> None:
        self._set_classes(y)
        self._check_width(X, self.label_space_.embedding)

    def _check_width(self, X: np.ndarray, embedding: LabelEmbedding) -> None:
        n_dims = embedding.n_dims
        if X.shape[1] != n_dims:
            raise ValueError(
                f"{_OWNER}: X has {X.shape[1]} features, and the label vectors have {n_dims} "
                "entries: they do not lie in one space. Pass features that were trained with these "
                "label vectors, such as OpenCLIPFeatures for CLIPTextEmbedding, or learn the way "
                "from one to the other with DeViSEClassifier."
            )

    def _project(self, X: np.ndarray) -> np.ndarray:
        return unit_rows(X, np.zeros(X.shape[1], dtype=X.dtype)).astype(X.dtype, copy=False)
