"""A pretrained head's weights for classes that it does not have, from their descriptions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Self

import numpy as np

from zeroshot._utils._constraints import Checked, Instance, Maybe
from zeroshot._utils._fitted import Part
from zeroshot._utils._onnx_graph import Graph
from zeroshot.backbones import SourceHead
from zeroshot.estimators._class_regression import as_list, scaled_to
from zeroshot.estimators._class_regression_classifier import ClassRegressionClassifier
from zeroshot.label_embeddings import GlossEmbedding
from zeroshot.similarity import WordNetSimilarity
from zeroshot.similarity._wordnet import check_names, replace_names
from zeroshot.taxonomy._readings import read_label
from zeroshot.taxonomy._resolve import choose

_OWNER = "HeadRegressionClassifier"


def default_kernels(head: SourceHead) -> list[Any]:
    """Return WordNet's shortest path, and WordNet's glosses, of the senses near the head's."""
    path = WordNetSimilarity("path", senses="nearest", on_missing="zero")
    return [path, GlossEmbedding(context=context_of(head))]


def context_of(head: SourceHead) -> list[str] | None:
    """Return the synsets of a head's classes, or what they are called; None if by numbers."""
    names = (head.labels if head.wnids is None else head.wnids).tolist()
    return names if isinstance(names[0], str) else None


class HeadRegressionClassifier(ClassRegressionClassifier):
    r"""Weights of a pretrained head for classes that it does not have, predicted from descriptions.

    The head's classes are the training set: each has a description on the one side and a row of
    weights on the other. Kernel ridge regression from the first to the second gives any other class
    a row of its own,

    .. math:: \hat w_c = \bar w + s_c\, k_c^\top (K + \alpha I)^{-1} (W - \bar w),

    and it scores :math:`\hat w_c^\top x` as the head's own classes do. Ridge regression shrinks;
    :math:`s_c` scales what a row adds to the mean :math:`\bar w` to the head's mean length.
    A candidate that is one of the head's classes, by name, by one of its synonyms or by its synset,
    keeps the head's row. No image is needed.

    Parameters
    ----------
    head : SourceHead
        A pretrained network's own classifier, such as ``TimmFeatures().fit().source_head_``. Its
        classes are the seen classes.
    kernels : LabelEmbedding, object with ``matrix``, or list of these, optional
        What says how alike two classes are. If None, the shortest path in WordNet, and
        `GlossEmbedding` with the head's classes as its context. A class that one of several does
        not know is left to the others; a similarity must have ``on_missing="zero"`` for it.
    gamma : float, default=1.5
        Of the RBF kernel :math:`\exp(-\gamma \lVert u - u' \rVert^2)` of an embedding's centred
        unit vectors.
    alpha : float or sequence of float, optional
        The penalty, relative to the mean of the kernel's diagonal. One of several, or of seven from
        0.01 to 10 if None, is chosen by leaving out the head's classes in turn.
    weights : "auto" or sequence of float, default="auto"
        Of the kernels. ``"auto"`` tries all in steps of a quarter, by the same errors.
    hubness : {"zscore", "csls"}, optional
        Correct the scores of classes that would win too often, as in `DeViSEClassifier`. It takes
        its statistics from images, which ``fit`` needs then.
    overrides : mapping of label to str, optional
        What candidates are called, by which they are told to be the head's: ``{"crane": "crane
        bird"}``. Kernels have overrides of their own.
    candidates : array-like of shape (n_classes,), optional
        The vocabulary that ``predict`` chooses from; the head's classes if None.
    scenario : {"generalized", "unseen"}, default="generalized"
        Whether all candidates may win, or only those that the head does not have under this label.
    temperature : float, default=1.0
        Scores, which are logits, are divided by it in ``predict_proba``.

    Attributes
    ----------
    classes_, seen_classes_, unseen_classes_ : ndarray
        The vocabulary, and which of it is the head's.
    alpha_ : float
        The penalty chosen.
    weights_ : ndarray of shape (n_kernels,)
        The weights chosen; they sum to one.
    left_out_error_ : float
        Squared error of the rows of left-out classes, over that of the mean of the other rows;
        NaN where `alpha` and `weights` are given.
    class_vectors_ : ndarray of shape (n_classes, n_features)
        The rows of ``classes_``.
    intercept_ : ndarray of shape (n_classes,)
        Their offsets.

    See Also
    --------
    PrototypeRegressionClassifier : The same where there are images and no head.
    SimilarityClassifier : The head's guesses, by how similar their classes are.

    Notes
    -----
    The errors of left-out classes have a closed form, so that one eigendecomposition a weighting
    serves all penalties. A kernel that is not positive semidefinite, as a similarity need not be,
    is replaced by the nearest that is: its negative eigenvalues count as 0.

    References
    ----------
    M. Elhoseiny, B. Saleh and A. Elgammal, "Write a Classifier: Zero-Shot Learning Using Purely
    Textual Descriptions", ICCV 2013, for the task. S. Changpinyo, W.-L. Chao, B. Gong and F. Sha,
    "Synthesized Classifiers for Zero-Shot Learning", CVPR 2016. G. C. Cawley and N. L. C. Talbot,
    "Fast exact leave-one-out cross-validation of sparse least-squares support vector machines",
    Neural Networks 17, 2004, for the errors.

    Examples
    --------
    >>> import numpy as np
    >>> from zeroshot import HeadRegressionClassifier, SourceHead
    >>> names = ["oboe", "clarinet", "tabby cat", "lynx", "minibus", "fire engine"]
    >>> head = SourceHead(np.eye(6), np.zeros(6), names)
    >>> model = HeadRegressionClassifier(head, candidates=["lion", "flute", "lorry"]).fit()
    >>> model.predict(np.eye(6)).tolist()
    ['flute', 'flute', 'lion', 'lion', 'lorry', 'lorry']
    """

    _constraints: ClassVar[Mapping[str, Any]] = {
        "head": Instance(
            SourceHead,
            what="a SourceHead",
            remedy="Pass TimmFeatures().fit().source_head_, for example.",
        ),
        "overrides": Maybe(Checked(check_names)),
    }
    _fitted: ClassVar[Mapping[str, Any]] = {
        "head": Part(SourceHead, sizes={"n_features": "n_features"}),
    }

    def __init__(
        self,
        head: SourceHead,
        kernels: Any = None,
        *,
        gamma: float = 1.5,
        alpha: Any = None,
        weights: Any = "auto",
        hubness: str | None = None,
        overrides: Mapping[str, str] | None = None,
        candidates: Any = None,
        scenario: str = "generalized",
        temperature: float = 1.0,
    ) -> None:
        self.head = head
        self.kernels = kernels
        self.gamma = gamma
        self.alpha = alpha
        self.weights = weights
        self.hubness = hubness
        self.overrides = overrides
        self.candidates = candidates
        self.scenario = scenario
        self.temperature = temperature

    def fit(self, X: Any = None, y: Any = None) -> Self:
        """Learn from the head's own rows; images are looked at for `hubness` alone.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), optional
            Features of any images, for `hubness`; ignored otherwise.
        y : ignored
            Present for scikit-learn's interface.

        Returns
        -------
        self : object
            The fitted classifier.

        Raises
        ------
        UnknownLabelError
            No kernel knows a candidate; all such candidates are named.
        ValueError
            The head has one class, or classes that no kernel knows; `hubness` is asked for and
            there are no images; or a parameter is out of range.
        TypeError
            `head` is not a `SourceHead`, or `kernels` are not as described.
        """
        return self._fit(X, keep=False)

    def _fit(self, X: Any, *, keep: bool) -> Self:
        """Do what ``fit`` does; with `keep`, keep the regression on disk for the next process."""
        self._check_parameters()
        self._fit_without_images(self.head.n_features_in_)
        if self.hubness is not None and X is None:
            raise ValueError(
                f"{_OWNER}: hubness={self.hubness!r} takes its statistics from images. Pass "
                "features to fit, or hubness=None."
            )
        self._fit_hubness(X if self.hubness is None else self._validate(X), None)
        self._set_classes(self.head.labels)
        head = self.head
        self._fit_regression(head.labels, head.wnids, self._source_rows(), keep=keep)
        self._prepare_candidates()
        return self

    def _measures(self) -> list[Any]:
        return default_kernels(self.head) if self.kernels is None else as_list(self.kernels)

    def _source_rows(self) -> np.ndarray:
        """Return the head's weights and offsets, (n_sources, n_features + 1)."""
        return np.column_stack([self.head.coef, self.head.intercept]).astype(np.float64)

    def _vectors(self, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        called = replace_names(labels, self.overrides)
        own, source = rows_of_head(called, self.head), self._source_rows()
        others = np.array([not places for places in own], dtype=bool)
        rows = np.empty((len(labels), source.shape[1]))
        if others.any():
            regression = self._fitted_regression
            length = float(np.linalg.norm(source - regression.mean, axis=1).mean())
            predicted = regression.predict(labels[others], owner=_OWNER)
            rows[others] = regression.mean + scaled_to(predicted, length)
        for row in np.flatnonzero(~others):
            rows[row] = source[own[row]].mean(axis=0)
        return rows[:, :-1], rows[:, -1]

    def _project(self, X: np.ndarray) -> np.ndarray:
        return X

    def _add_projection(self, graph: Graph, X: str) -> str:
        return X


def rows_of_head(labels: Iterable[Any], head: SourceHead) -> list[list[int]]:
    """Return the rows of a head that each label is another name of; as a rule none, or one.

    A label is a class of the head if it is spelled alike, else if it is one of its synonyms, else
    if it resolves to its synset. Two classes may share a name, as ``"crane"`` is one.

    Examples
    --------
    >>> import numpy as np
    >>> from zeroshot import SourceHead
    >>> from zeroshot.estimators._head_regression import rows_of_head
    >>> head = SourceHead(np.eye(2), np.zeros(2), ["tench, Tinca tinca", "crane"])
    >>> rows_of_head(["tench", "crane", "lion"], head)
    [[0], [1], []]
    """
    exact: dict[Any, list[int]] = {}
    by_name: dict[str, list[int]] = {}
    by_synset: dict[str, list[int]] = {}
    for row, label in enumerate(head.labels.tolist()):
        exact.setdefault(label, []).append(row)
        if isinstance(label, str):
            for name in {_folded(name) for name in read_label(label).names}:
                by_name.setdefault(name, []).append(row)
    if head.wnids is not None:
        for row, wnid in enumerate(head.wnids.tolist()):
            by_synset.setdefault(wnid, []).append(row)
    found = []
    for label in labels:
        rows = exact.get(label, [])
        if not rows and isinstance(label, str):
            rows = by_name.get(_folded(read_label(label).text), [])
            if not rows and by_synset:
                choice = choose(label)
                rows = [] if choice is None else by_synset.get(choice.synset.wnid, [])
        found.append(rows)
    return found


def _folded(name: str) -> str:
    """Return what is equal for two spellings of a name that differ in case, spaces or signs."""
    return " ".join(name.replace("_", " ").replace("-", " ").casefold().split())
