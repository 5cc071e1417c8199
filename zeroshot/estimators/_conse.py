"""ConSE: the label vectors of a classifier's best guesses, averaged."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.utils.validation import check_is_fitted

from zeroshot._utils._constraints import COUNT, Checked, Maybe
from zeroshot._utils._fitted import Array, Part
from zeroshot._utils._onnx_graph import Graph
from zeroshot._utils._validation import check_labels, check_same_kind
from zeroshot.backbones import SourceHead
from zeroshot.estimators._embedding_classifier import EmbeddingClassifier
from zeroshot.estimators._onnx_steps import add_logits
from zeroshot.exceptions import LabelWarning
from zeroshot.label_embeddings import LabelEmbedding


def check_classifier(classifier: Any, *, owner: str, name: str = "classifier") -> None:
    """Return `classifier` if it can be fitted and has probabilities.

    Raises
    ------
    TypeError
        It is a class, or has no ``predict_proba``.
    """
    if isinstance(classifier, type) or not hasattr(classifier, "predict_proba"):
        raise TypeError(
            f"{owner}: classifier must have predict_proba, as LogisticRegression() has, or "
            f"be a SourceHead, got {classifier!r}. For one without probabilities, pass "
            "CalibratedClassifierCV(classifier)."
        )


class ConSEClassifier(EmbeddingClassifier):
    r"""Convex combination of semantic embeddings.

    :math:`f(x) = \frac1Z \sum_{t \le T} p(\hat y_t | x)\, s(\hat y_t)`, where
    :math:`\hat y_1, \dots, \hat y_T` are the classifier's best guesses, s their vectors and Z the
    sum of their probabilities.

    Parameters
    ----------
    classifier : classifier with ``predict_proba``, or SourceHead, optional
        A copy is fitted on the seen classes; logistic regression if None. A `SourceHead` needs no
        training: its classes are the seen classes, and those without a vector are left out. A
        fitted classifier in a ``FrozenEstimator`` keeps its own classes too; the seen classes are
        then those of ``fit``.
    label_embedding : LabelEmbedding, optional
        Vectors of the labels; one-hot vectors of the seen classes if None.
    n_top : int, default=10
        T, the number of guesses combined; all of them if there are fewer.
    candidates : array-like of shape (n_classes,) or "vocabulary", optional
        The vocabulary that ``predict`` chooses from: labels, or all those that the label embedding
        has in its own; the seen classes if None.
    scenario : {"generalized", "unseen"}, default="generalized"
        Whether all candidates may win, or only those not seen.
    center : bool, default=True
        Subtract the mean of the seen classes' vectors before scaling to unit length.
    hubness : {"zscore", "csls"}, optional
        Correct the scores against hubs: labels that win far more images than they should.
        ``"zscore"`` subtracts the mean of each label's scores and divides by their standard
        deviation, similar to Dinu et al.; ``"csls"`` is CSLS with k = 10 (Conneau et al.). Both
        learn from the rows of ``fit``, which a `SourceHead` does not have, and keep n_dims squared
        floats, or at most 4,096 vectors.
    temperature : float, "auto" or None, default=None
        Scores are divided by it in ``predict_proba``; None is 0.1. "auto" chooses it on held-out
        classes, which costs up to five further fits.

    Attributes
    ----------
    classes_, seen_classes_, unseen_classes_ : ndarray
        The vocabulary, and which of it was in ``fit``, or is a `SourceHead`'s.
    class_vectors_ : ndarray of shape (n_classes, n_dims)
        The vectors of ``classes_``: centred, of unit length.
    source_ : classifier
        The fitted classifier, or the `SourceHead`.
    source_columns_ : ndarray of shape (n_source,)
        The columns of its probabilities whose labels have a vector.
    source_vectors_ : ndarray of shape (n_source, n_dims)
        The vectors of those labels.

    References
    ----------
    M. Norouzi et al., "Zero-Shot Learning by Convex Combination of Semantic Embeddings",
    ICLR 2014.

    G. Dinu, A. Lazaridou, M. Baroni, "Improving Zero-Shot Learning by Mitigating the Hubness
    Problem", ICLR workshop 2015, and A. Conneau et al., "Word Translation Without Parallel Data",
    ICLR 2018, for `hubness`; hubs in zero-shot learning are described by A. Lazaridou, G. Dinu,
    M. Baroni, "Hubness and Pollution", ACL 2015.

    Examples
    --------
    From a pretrained head to labels that it does not have, without an image:

    >>> import numpy as np
    >>> from zeroshot import AttributeTable, ConSEClassifier, SourceHead
    >>> traits = AttributeTable(
    ...     [[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0]],
    ...     labels=["horse", "stripes", "fish", "zebra"],
    ... )
    >>> head = SourceHead(10 * np.eye(3), np.zeros(3), ["horse", "stripes", "fish"])
    >>> model = ConSEClassifier(head, traits, candidates=["fish", "zebra"]).fit()
    >>> model.predict([[0.5, 0.5, 0.0]]).tolist()
    ['zebra']
    """

    _compares_classes = False  # a frozen classifier knows more

    _constraints: ClassVar[Mapping[str, Any]] = {
        "classifier": Maybe(Checked(check_classifier)),
        "n_top": COUNT,
    }
    _fitted: ClassVar[Mapping[str, Any]] = {
        "source_": Part(
            sizes={"n_classes": "n_source", "n_features": "n_features"},
            has=("classes",),
            does=("predict_proba",),
        ),
        "source_columns_": Array("n_known", kind="i", least=0, most="n_source"),
        "source_vectors_": Array("n_known", "n_dims"),
    }

    def __init__(
        self,
        classifier: Any = None,
        label_embedding: LabelEmbedding | None = None,
        *,
        n_top: int = 10,
        candidates: Any = None,
        scenario: str = "generalized",
        center: bool = True,
        hubness: str | None = None,
        temperature: float | str | None = None,
    ) -> None:
        self.classifier = classifier
        self.label_embedding = label_embedding
        self.n_top = n_top
        self.candidates = candidates
        self.scenario = scenario
        self.center = center
        self.hubness = hubness
        self.temperature = temperature

    def fit(self, X: Any = None, y: Any = None) -> Self:
        """Fit the classifier on the seen classes; with a `SourceHead`, only look up vectors.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), optional
            Features; not used with a `SourceHead`.
        y : array-like of shape (n_samples,), optional
            Labels; not used with a `SourceHead`.

        Returns
        -------
        self : object
            The fitted classifier.

        Raises
        ------
        UnknownLabelError
            A label or candidate has no vector.
        TypeError
            `classifier` has no probabilities.
        ValueError
            A `SourceHead` comes without a label embedding or with `hubness`, a frozen classifier
            has no class with a vector, or X and y are not as they should be.
        """
        if not isinstance(self.classifier, SourceHead):
            return super().fit(X, y)
        self._check_parameters()
        embedding: Any = self.label_embedding
        self._fit_without_images(self.classifier.n_features_in_)
        covered = embedding.covers(self.classifier.labels)
        # With no label covered, all are embedded, and the error names them.
        labels = self.classifier.labels[covered if covered.any() else slice(None)]
        with warnings.catch_warnings():
            # Words of the head's own labels that have no vector are nothing its user can mend.
            warnings.simplefilter("ignore", LabelWarning)
            positions, seen_vectors = self._place_seen(labels)
        self._prepare_candidates()
        self._set_source(self.classifier, np.flatnonzero(covered), seen_vectors[positions])
        self._no_confidence_from_names()
        return self

    def _check_combination(self) -> None:
        super()._check_combination()
        if not isinstance(self.classifier, SourceHead):
            return
        if self.label_embedding is None:
            raise ValueError(
                "ConSEClassifier: a SourceHead needs a label_embedding to reach other labels. "
                "Pass label_embedding=WordVectors()."
            )
        if self.hubness is not None:
            raise ValueError(
                f"ConSEClassifier: hubness={self.hubness!r} takes its statistics from the images "
                "of fit, and a SourceHead is fitted without any. Pass hubness=None, or another "
                "classifier."
            )

    def _learn(self, X: np.ndarray, y: np.ndarray) -> None:
        _, class_vectors = self._set_label_space(y)
        classifier = new_classifier(self.classifier, self.seen_classes_, owner="ConSEClassifier")
        source = classifier.fit(X, y)
        if np.array_equal(source.classes_, self.seen_classes_):
            self._set_source(source, np.arange(len(class_vectors)), class_vectors)
            return
        known = source_classes(source, self.seen_classes_, owner="ConSEClassifier")
        columns = np.flatnonzero(self.label_space_.embedding.covers(known))
        if not len(columns):
            raise ValueError(
                f"ConSEClassifier: classifier is fitted to {known[:10].tolist()}, of which "
                f"label_embedding={self.label_embedding!r} has no vector, and y has "
                f"{self.seen_classes_[:10].tolist()}. Pass a label_embedding that knows both, or a "
                "classifier to be fitted."
            )
        self._set_source(source, columns, self.label_space_.vectors(known[columns]))

    def _set_source(self, source: Any, columns: np.ndarray, vectors: np.ndarray) -> None:
        self.source_ = source
        self.source_columns_ = columns
        self.source_vectors_ = vectors

    def _project(self, X: np.ndarray) -> np.ndarray:
        probabilities = self.source_.predict_proba(X)[:, self.source_columns_]
        weights = keep_largest(probabilities, self.n_top)
        total = weights.sum(axis=1, keepdims=True)
        vectors = (weights / np.where(total == 0, 1, total)) @ self.source_vectors_
        return vectors.astype(X.dtype, copy=False)

    def _add_projection(self, graph: Graph, X: str) -> str:
        probabilities = graph("Softmax", add_logits(graph, self.source_, X), axis=-1)
        known = graph.columns(probabilities, self.source_columns_)
        weights, places = graph.largest(known, min(self.n_top, len(self.source_columns_)))
        total = graph("ReduceSum", weights, np.array([-1]), keepdims=1)
        weights = graph("Unsqueeze", graph("Div", weights, graph.or_one(total)), np.array([1]))
        guessed = graph("Gather", self.source_vectors_, places, axis=0)  # (n, n_top, n_dims)
        return graph("Squeeze", graph("MatMul", weights, guessed), np.array([1]))


def new_classifier(classifier: Any, seen: np.ndarray, *, owner: str) -> Any:
    """Return a copy of `classifier` to be fitted; logistic regression where it is None.

    Raises
    ------
    TypeError
        It is a class, or has no ``predict_proba``.
    ValueError
        It is None, and there is one class only.
    """
    if classifier is not None:
        return clone(classifier)
    if len(seen) == 1:
        raise ValueError(
            f"{owner}: y holds one class only, {seen[0]!s}, and logistic regression, the default "
            "classifier, tells two or more apart. Pass samples of more classes, or as classifier= "
            "a SourceHead, or a FrozenEstimator of one that is fitted."
        )
    return LogisticRegression(max_iter=1000)


def source_classes(classifier: Any, seen: np.ndarray, *, owner: str) -> np.ndarray:
    """Return the labels that a fitted classifier answers with, checked.

    Raises
    ------
    ValueError
        They are of another type than the labels of y, or none.
    NotFittedError
        It is not fitted.
    """
    check_is_fitted(classifier)
    known = check_labels(classifier.classes_, owner=owner, name="classes_ of classifier")
    check_same_kind(known, seen, owner=owner, names=("classes_ of classifier", "y"))
    return known


def keep_largest(rows: np.ndarray, n: int) -> np.ndarray:
    """Return `rows` with all but the `n` largest entries of each set to zero."""
    if n >= rows.shape[1]:
        return rows
    kept = np.argpartition(-rows, n - 1, axis=1)[:, :n]
    result = np.zeros_like(rows)
    np.put_along_axis(result, kept, np.take_along_axis(rows, kept, axis=1), axis=1)
    return result
