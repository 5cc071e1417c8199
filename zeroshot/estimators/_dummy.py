"""Controls that look at no image."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import numpy as np
from sklearn.utils import check_random_state

from zeroshot._utils._constraints import SEED, OneOf
from zeroshot._utils._fitted import Array
from zeroshot._utils._onnx_graph import Graph
from zeroshot.estimators._base import row_blocks, vector_scores
from zeroshot.estimators._embedding_classifier import EmbeddingClassifier
from zeroshot.estimators._onnx_steps import cannot_export
from zeroshot.label_embeddings import LabelEmbedding


class DummyZeroShotClassifier(EmbeddingClassifier):
    """Zero-shot classifier that ignores its input.

    Parameters
    ----------
    label_embedding : LabelEmbedding, optional
        Vectors of the labels; one-hot vectors of the seen classes if None.
    strategy : {"mean", "constant", "random"}, default="mean"
        ``"mean"`` predicts the mean vector of the seen classes; ``"constant"`` ranks the
        candidates by their mean cosine to all candidates, the best answer that is the same for
        every image; ``"random"`` draws a candidate for each sample.
    candidates : array-like of shape (n_classes,) or "vocabulary", optional
        The vocabulary that ``predict`` chooses from: labels, or all those that the label embedding
        has in its own; the labels of ``fit`` if None.
    scenario : {"generalized", "unseen"}, default="generalized"
        Whether all candidates may win, or only those not seen in ``fit``.
    random_state : int, RandomState instance or None, default=None
        Seed of ``strategy="random"``.

    Attributes
    ----------
    classes_, seen_classes_, unseen_classes_ : ndarray
        The candidates, those that were in ``fit``, and those that were not.
    mean_vector_ : ndarray of shape (n_dims,)
        Mean of the seen classes' vectors, in the raw label space.

    Examples
    --------
    >>> from zeroshot import DummyZeroShotClassifier, HashEmbedding
    >>> control = DummyZeroShotClassifier(HashEmbedding(8), candidates=["cat", "dog", "owl"])
    >>> control.fit([[0.0], [1.0]], ["cat", "dog"]).predict([[5.0], [6.0]]).tolist()
    ['cat', 'cat']
    """

    center = False
    temperature = 0.1

    _compares_classes = False

    _constraints: ClassVar[Mapping[str, Any]] = {
        "strategy": OneOf("mean", "constant", "random"),
        "random_state": SEED,
    }
    _fitted: ClassVar[Mapping[str, Any]] = {
        "mean_vector_": Array("n_dims"),
    }

    def __init__(
        self,
        label_embedding: LabelEmbedding | None = None,
        *,
        strategy: str = "mean",
        candidates: Any = None,
        scenario: str = "generalized",
        random_state: Any = None,
    ) -> None:
        self.label_embedding = label_embedding
        self.strategy = strategy
        self.candidates = candidates
        self.scenario = scenario
        self.random_state = random_state

    def _learn(self, X: np.ndarray, y: np.ndarray) -> None:
        self._set_label_space(y)
        self.mean_vector_ = self.label_space_.raw_vectors(self.seen_classes_).mean(axis=0)

    def _project(self, X: np.ndarray) -> np.ndarray:
        if self.strategy == "mean":
            vectors = np.tile(self.mean_vector_, (len(X), 1))
        elif self.strategy == "constant":
            vectors = np.tile(self.class_vectors_[self._allowed()].mean(axis=0), (len(X), 1))
        else:
            columns = np.flatnonzero(self._allowed())
            drawn = check_random_state(self.random_state).choice(columns, size=len(X))
            vectors = self.class_vectors_[drawn]
        return vectors.astype(X.dtype, copy=False)

    def _add_projection(self, graph: Graph, X: str) -> str:
        raise cannot_export(self, "it looks at no image. Export the classifier that it is beside.")

    def _score_blocks(self, X: np.ndarray) -> Iterator[np.ndarray]:
        vectors = self._project(X)  # once: what is drawn follows the position of a row
        for rows in row_blocks(len(X), len(self.classes_)):
            yield vector_scores(vectors[rows], self.class_vectors_)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.poor_score = True
        tags.non_deterministic = self.strategy == "random"
        return tags
