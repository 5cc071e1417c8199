"""Classification by similarity to the classes of another classifier."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.frozen import FrozenEstimator
from sklearn.utils.validation import check_is_fitted

from zeroshot._utils._constraints import Checked, Maybe, Number, check_inner
from zeroshot._utils._fitted import Array, Part
from zeroshot._utils._onnx_graph import Graph
from zeroshot._utils._validation import check_labels
from zeroshot.backbones import SourceHead
from zeroshot.estimators._base import CandidateClassifier, vector_scores
from zeroshot.estimators._conse import check_classifier, new_classifier, source_classes
from zeroshot.estimators._label_space import warn_of_degenerate_vectors
from zeroshot.estimators._onnx_steps import add_logits
from zeroshot.estimators._source_similarity import Names, measure
from zeroshot.estimators._unreadable_rows import answers_for_readable_rows
from zeroshot.exceptions import UnknownLabelError
from zeroshot.similarity._mixture import standardized

_OWNER = "SimilarityClassifier"


def _check_similarity(similarity: Any, *, owner: str, name: str) -> None:
    if isinstance(similarity, type) or not (similarity is None or hasattr(similarity, "matrix")):
        raise TypeError(
            f"{owner}: {name} must have matrix(targets, sources), as WordNetSimilarity() has, "
            f"or be None, got {similarity!r}. A matrix made beforehand would not fit other "
            "candidates."
        )
    check_inner(similarity)


class SimilarityClassifier(CandidateClassifier):
    r"""Direct similarity: a class scores by how similar it is to the classifier's guesses.

    .. math::

        f_c(x) = \sum_j p(y_j | x)\, z_{cj}, \qquad
        z_{cj} = \frac{\mathrm{sim}(c, y_j) - \mu_c}{\sigma_c},

    with the classes :math:`y_j` of the classifier, and the mean and standard deviation over them of
    the similarities of class c. So similarity to all of them counts for nothing, and a class that
    is similar to few counts as much as one that is similar to many. ConSE needs a vector for each
    label; this classifier takes any similarity. A taxonomy, for example, knows that a candidate is
    the same as, or a kind of, one of the classifier's classes, and how far it is from each.

    Parameters
    ----------
    classifier : classifier with ``predict_proba``, or SourceHead, optional
        A copy is fitted on the seen classes; logistic regression if None. A `SourceHead` needs no
        training: its classes are the seen classes. A fitted classifier in a ``FrozenEstimator``
        keeps its own classes too; the seen classes are then those of ``fit``.
    similarity : object with ``matrix``, optional
        Such as a `MixtureSimilarity`: ``matrix(targets, sources)`` is asked for the candidates and
        the classifier's classes. `WordNetSimilarity` gets these by their wnids, where a
        `SourceHead` has them, and all others by their labels. None means that every label is
        similar to itself alone: an ordinary classifier, which knows no unseen class.
    source_temperature : float, default=2.0
        The classifier's probabilities p become p^(1 / source_temperature), scaled to sum to one.
        Above 1, less probable classes count more.
    candidates : array-like of shape (n_classes,), optional
        The vocabulary that ``predict`` chooses from; the seen classes if None.
    scenario : {"generalized", "unseen"}, default="generalized"
        Whether all candidates may win, or only those not seen.
    temperature : float, "auto" or None, default=None
        Scores are divided by it in ``predict_proba``; None is 0.1. "auto" chooses it on held-out
        classes, which costs up to five further fits.

    Attributes
    ----------
    classes_, seen_classes_, unseen_classes_ : ndarray
        The vocabulary, and which of it was in ``fit``, or is a `SourceHead`'s.
    class_vectors_ : ndarray of shape (n_classes, n_source)
        z, the similarities of ``classes_`` to the classifier's classes: of mean 0 and standard
        deviation 1. They stay as they are where the classifier has one or two classes only.
    source_ : classifier
        The fitted classifier, or the `SourceHead`.

    See Also
    --------
    ConSEClassifier : The same probabilities, with label vectors.
    SimilarityInitializer : A head from the same similarities, to be trained on.

    References
    ----------
    M. Rohrbach et al., "What Helps Where -- and Why? Semantic Relatedness for Knowledge
    Transfer", CVPR 2010, direct similarity.

    Examples
    --------
    From a pretrained head to labels that it does not have, without an image:

    >>> import numpy as np
    >>> from zeroshot import SimilarityClassifier, SourceHead, WordNetSimilarity
    >>> head = SourceHead(5 * np.eye(3), np.zeros(3), ["tiger cat", "oboe", "fire engine"])
    >>> similarity = WordNetSimilarity("path", senses="nearest")
    >>> labels = ["lion", "truck", "musical instrument"]
    >>> model = SimilarityClassifier(head, similarity, candidates=labels).fit()
    >>> model.predict(np.eye(3)).tolist()
    ['lion', 'musical instrument', 'truck']
    """

    _constraints: ClassVar[Mapping[str, Any]] = {
        "classifier": Maybe(Checked(check_classifier)),
        "similarity": Checked(_check_similarity),
        "source_temperature": Number(above=0),
    }
    _fitted: ClassVar[Mapping[str, Any]] = {
        "similarity_": Maybe(Checked(_check_similarity)),
        "source_": Part(
            sizes={"n_classes": "n_source", "n_features": "n_features"},
            has=("classes",),
            does=("predict_proba",),
        ),
        "class_vectors_": Array("n_classes", "n_source"),
    }

    def __init__(
        self,
        classifier: Any = None,
        similarity: Any = None,
        *,
        source_temperature: float = 2.0,
        candidates: Any = None,
        scenario: str = "generalized",
        temperature: float | str | None = None,
    ) -> None:
        self.classifier = classifier
        self.similarity = similarity
        self.source_temperature = source_temperature
        self.candidates = candidates
        self.scenario = scenario
        self.temperature = temperature

    def fit(self, X: Any = None, y: Any = None) -> Self:
        """Fit the classifier on the seen classes; with a `SourceHead`, only look up similarities.

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
            The similarity does not know a candidate, or tells no class of the classifier from
            another by it.
        TypeError
            `classifier` has no probabilities, or `similarity` no ``matrix``.
        ValueError
            A parameter is out of range, X and y are not as they should be, or the classifier has
            other classes than y once it is fitted.
        """
        self._check_parameters()
        self.similarity_ = self.similarity
        if isinstance(self.classifier, SourceHead):
            self._fit_without_images(self.classifier.n_features_in_)
            self._set_classes(self.classifier.labels)
            self._prepare_candidates()
            self.source_ = self.classifier
            self._no_confidence_from_names()
            return self
        X, y = self._validate_fit(X, y)
        self._set_classes(y)
        self._prepare_candidates()
        self.source_ = new_classifier(self.classifier, self.seen_classes_, owner=_OWNER).fit(X, y)
        known = source_classes(self.source_, self.seen_classes_, owner=_OWNER)
        if not np.array_equal(known, self._source_classes()):
            raise ValueError(
                f"{_OWNER}: classifier has the classes {known[:10].tolist()} after fit, and y has "
                f"{self.seen_classes_[:10].tolist()}. For one that is fitted already, pass "
                "FrozenEstimator(classifier)."
            )
        self._learn_confidence(X, y)
        return self

    def _vocabulary_embedding(self) -> Any:
        return getattr(self.similarity_, "label_embedding", self.similarity_)

    def _prepare_candidates(self) -> None:
        similarities = self._similarities(self.classes_)
        few = similarities.shape[1] < 3  # standardised, all classes would look like one of two
        self.class_vectors_ = similarities if few else standardized(similarities)
        alike = self.classes_[~self.class_vectors_.any(axis=1)].tolist()
        if alike:
            raise UnknownLabelError(
                alike,
                len(self.classes_),
                owner=_OWNER,
                what="similarity that tells the classifier's classes apart",
                remedy="Leave these labels out, spell them as the similarity knows them, or pass "
                "similarity= one that does (a MixtureSimilarity asks several).",
            )
        warn_of_degenerate_vectors(self.class_vectors_, self.classes_, self.classes_, owner=_OWNER)

    def _similarities(self, labels: np.ndarray) -> np.ndarray:
        """Return how similar labels are to the classifier's classes, (n_labels, n_source)."""
        sources = synsets = self._source_classes()
        if isinstance(self.classifier, SourceHead) and self.classifier.wnids is not None:
            synsets = self.classifier.wnids
        if self.similarity_ is None:
            return (labels[:, None] == sources).astype(np.float64)
        names = Names(labels, sources, labels, synsets)
        return measure(self.similarity_, names, None, labels, owner=_OWNER, signed=True)

    def _source_classes(self) -> np.ndarray:
        """Return the classifier's classes, in the order of its probabilities."""
        if isinstance(self.classifier, SourceHead):
            return self.classifier.labels
        if isinstance(self.classifier, FrozenEstimator):
            return source_classes(self.classifier, self.seen_classes_, owner=_OWNER)
        return self.seen_classes_

    def label_vectors(self, labels: Any) -> np.ndarray:
        """Return how similar labels are to the classifier's classes: neither centred nor scaled.

        Parameters
        ----------
        labels : array-like of shape (n_labels,)
            Any labels that the similarity knows.

        Returns
        -------
        similarities : ndarray of shape (n_labels, n_source)
            Columns in the order of ``source_.classes_``.
        """
        check_is_fitted(self)
        return self._similarities(check_labels(labels, owner=_OWNER, name="labels"))

    @answers_for_readable_rows
    def transform(self, X: Any) -> np.ndarray:
        """Return the classifier's probabilities, to the power of 1 / ``source_temperature``.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Features.

        Returns
        -------
        probabilities : ndarray of shape (n_samples, n_source)
            Each row sums to one; columns in the order of ``source_.classes_``.
        """
        check_is_fitted(self)
        return self._softened(self._validate(X))

    def _softened(self, X: np.ndarray) -> np.ndarray:
        softened = self.source_.predict_proba(X) ** (1 / self.source_temperature)
        softened /= softened.sum(axis=1, keepdims=True)
        return softened.astype(X.dtype, copy=False)

    def _class_scores(self, X: np.ndarray) -> np.ndarray:
        return vector_scores(self._softened(X), self.class_vectors_)

    def _add_class_scores(self, graph: Graph, X: str) -> str:
        # Probabilities to a power, rescaled, are the softmax of the logits times that power.
        power = np.array(1 / self.source_temperature)
        logits = graph("Mul", add_logits(graph, self.source_, X), power)
        return graph("MatMul", graph("Softmax", logits, axis=-1), self.class_vectors_.T)

    @property
    def _n_features_out(self) -> int:
        return self.class_vectors_.shape[1]
