"""Open-label classification by a pretrained network's own classifier."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np
from scipy.special import softmax

from zeroshot._utils._constraints import DEVICE, FLAG, Checked, Instance, Maybe, OneOf
from zeroshot._utils._fitted import Optional, Part, Plain, Sizes
from zeroshot._utils._onnx_graph import Graph
from zeroshot._utils._validation import warn_caller
from zeroshot.backbones import SourceHead
from zeroshot.estimators._base import vector_scores
from zeroshot.estimators._composite import CompositeClassifier
from zeroshot.estimators._confidence import Confidence
from zeroshot.estimators._head_regression import HeadRegressionClassifier, context_of
from zeroshot.estimators._held_out import Block
from zeroshot.estimators._label_space import check_label_embedding
from zeroshot.estimators._onnx_steps import add_scores
from zeroshot.estimators._open_label_confidence import shipped_confidence
from zeroshot.estimators._similarity import SimilarityClassifier
from zeroshot.exceptions import Remedy, UnknownLabelError, message_of
from zeroshot.label_embeddings import (
    GlossEmbedding,
    LabelEmbedding,
    SentenceEmbedding,
    WordVectors,
)
from zeroshot.label_embeddings._base import check_overrides
from zeroshot.label_embeddings._prompts import PromptEmbedding
from zeroshot.similarity import MixtureSimilarity, WordNetSimilarity, WordVectorSimilarity
from zeroshot.taxonomy._resolve import has_synset
from zeroshot.taxonomy._unmatched import warn_of_unmatched_keys

_OWNER = "OpenLabelClassifier"

# After studies/open_labels_choice.py. Penalties from 0.03 to 0.3 are alike there.
_WEIGHTS = (0.4, 0.4, 0.2)
_ALPHA = 0.1


def check_overrides_of_texts(overrides: Any, *, owner: str, name: str) -> None:
    """Raise unless `overrides` maps labels to texts or lists of texts, or is None."""
    check_overrides(overrides, owner=owner, name=name, lists=True)


class OpenLabelClassifier(CompositeClassifier):
    r"""Classifier behind ``zeroshot predict``: any labels, no training images.

    A `HeadRegressionClassifier` predicts the head's weights for the labels, from what WordNet says
    of the head's classes and of the labels: the shortest path between their nearest senses, their
    glosses and their words' vectors are its kernels. Labels that the head has keep its weights.
    What one kernel does not know is left to the others. A gloss is that of the sense nearest to the
    head's classes.

    Predicted weights are compared with two vectors of an image. One is its features x. The other is
    the mean :math:`g(x)` of the weights of the head's own classes, less the mean of all, by the
    head's guesses: it leaves out what does not look like any class of the head. For a label c with
    the predicted weights :math:`\hat w_c`, the logit of an image is :math:`\ell_c(x)`. With
    :math:`\sigma(x)`, the standard deviation of the head's own logits over its classes, and
    :math:`\sigma(g)`, that of the products of its weights and g, the label scores

    .. math:: \ell_c(x) / \sigma(x) + \lambda\, \hat w_c^\top g(x) / \sigma(g(x)),

    with :math:`\lambda = 0.5`; the guesses are the softmax of the head's logits over
    :math:`\sigma(x)`. All of this was chosen on other data than is reported
    (``docs/results.md``).

    Parameters
    ----------
    head : SourceHead
        A pretrained network's own classifier, such as ``TimmFeatures().fit().source_head_``. Its
        classes are the seen classes.
    candidates : array-like of shape (n_classes,), optional
        The labels that ``predict`` chooses from; the head's own classes if None.
    sentences : bool, default=False
        Use sentence vectors instead of word vectors. They know any phrase, but take longer to load
        and to compute.
    device : str or torch.device, default="auto"
        Where sentence vectors are computed.
    label_embedding : LabelEmbedding, optional
        Use its vectors instead. It must know the head's classes, too: word vectors do, attributes
        of your own classes do not.
    overrides : mapping of str to str or list of str, optional
        The text to read instead of a label, for WordNet and for the default vectors:
        ``{"crane": "crane bird"}``. A list of texts is averaged; for WordNet they are synonyms.
    on_unknown : {"raise", "warn", "drop"}, default="raise"
        What to do with labels that neither WordNet nor the vectors know. "raise" raises
        `UnknownLabelError`, "warn" leaves them out with a `LabelWarning`, "drop" leaves them out
        silently. If no label is known, all three raise.
    scenario : {"generalized", "unseen"}, default="generalized"
        Whether all candidates may win, or only those that the head does not have.
    temperature : float, "auto" or None, default=None
        Scores are divided by it in ``predict_proba``. None is a constant that fits photos of
        classes hidden from the default network; it ships with the package, with thresholds and
        sets. With another network, other vectors or other photos, call `calibrate`. "auto" is
        refused, because ``fit`` has no images.

    Attributes
    ----------
    classes_, seen_classes_, unseen_classes_ : ndarray
        The vocabulary, and which of it is the head's.
    unknown_labels_ : list of str
        The labels that were left out.
    label_embedding_ : LabelEmbedding
        The vectors of words or sentences.
    regression_ : HeadRegressionClassifier or None
        Predicts the head's weights for labels. None in a model that was saved before there were
        predicted weights, whose answers stay as they were.
    classifier_ : SimilarityClassifier or None
        Compares labels with the head's guesses in such an old model; None otherwise.

    See Also
    --------
    HeadRegressionClassifier : Predicted weights alone, with any kernels.
    SimilarityClassifier : Similarity alone, with any similarity, and for trained classifiers.
    FewShotClassifier : Takes this one as its prior, where there are a few images.

    Examples
    --------
    >>> import numpy as np
    >>> from zeroshot import OpenLabelClassifier, SourceHead
    >>> head = SourceHead(np.eye(3), np.zeros(3), ["tench, Tinca tinca", "oboe", "lion"])
    >>> model = OpenLabelClassifier(head, candidates=["big cat", "carp", "flute"]).fit()
    >>> model.predict(np.eye(3)).tolist()
    ['carp', 'flute', 'big cat']
    >>> model.with_candidates(["animal", "musical instrument"]).predict(np.eye(3)).tolist()
    ['animal', 'musical instrument', 'animal']
    """

    label_embedding: LabelEmbedding | None
    regression_: HeadRegressionClassifier | None
    classifier_: Any

    _guess_weight = 0.5  # λ, after studies/open_labels_choice.py

    _constraints: ClassVar[Mapping[str, Any]] = {
        "head": Instance(
            SourceHead,
            what="a SourceHead",
            remedy="Pass TimmFeatures().fit().source_head_, for example.",
        ),
        "sentences": FLAG,
        "device": DEVICE,
        "label_embedding": Maybe(Checked(check_label_embedding)),
        "overrides": Checked(check_overrides_of_texts),
        "on_unknown": OneOf("raise", "warn", "drop"),
    }
    _fitted: ClassVar[Mapping[str, Any]] = {
        "head": Part(SourceHead, sizes={"n_features": "n_features"}),
        "unknown_labels_": Optional(Plain(list)),
        "label_embedding_": Checked(check_label_embedding),
        "classifier_": Optional(
            Maybe(
                Part(
                    SimilarityClassifier,
                    sizes={"n_features": "n_features", "n_classes": "n_classes"},
                    has=("classes",),
                )
            )
        ),
        "regression_": Optional(
            Maybe(
                Part(
                    HeadRegressionClassifier,
                    sizes={"n_features": "n_features", "n_classes": "n_classes"},
                    has=("classes",),
                )
            )
        ),
    }

    @classmethod
    def _check_together(cls, values: Mapping[str, Any], sizes: Sizes) -> None:
        super()._check_together(values, sizes)
        if values.get("regression_") is None and values.get("classifier_") is None:
            raise ValueError(f"{cls.__name__}: there must be a regression_ or a classifier_.")

    def __init__(
        self,
        head: SourceHead,
        *,
        candidates: Any = None,
        sentences: bool = False,
        device: Any = "auto",
        label_embedding: LabelEmbedding | None = None,
        overrides: Mapping[str, str | Sequence[str]] | None = None,
        on_unknown: str = "raise",
        scenario: str = "generalized",
        temperature: float | str | None = None,
    ) -> None:
        self.head = head
        self.candidates = candidates
        self.sentences = sentences
        self.device = device
        self.label_embedding = label_embedding
        self.overrides = overrides
        self.on_unknown = on_unknown
        self.scenario = scenario
        self.temperature = temperature

    def fit(self, X: Any = None, y: Any = None) -> Self:
        """Look up the labels; there is nothing to be trained.

        Parameters
        ----------
        X, y : ignored
            Present for scikit-learn's interface.

        Returns
        -------
        self : object
            The fitted classifier.

        Raises
        ------
        UnknownLabelError
            Candidates have neither a noun synset nor a vector, and ``on_unknown="raise"`` or there
            is no other; all of them are named.
        MissingDependencyError
            The word vectors (extra ``demo``) or the sentence model (``text``) are not installed.
        TypeError
            `head` is not a `SourceHead`.
        ValueError
            A parameter is out of range.
        """
        self._check_parameters()
        self._fit_without_images(self.head.n_features_in_)
        self.label_embedding_ = self._vectors()
        self._set_classes(self.head.labels)
        called = self._in_wordnet()
        self.regression_ = HeadRegressionClassifier(
            self.head,
            [
                self._path(),
                GlossEmbedding(on_missing="raise", overrides=called, context=context_of(self.head)),
                self.label_embedding_,
            ],
            weights=_WEIGHTS,
            alpha=_ALPHA,
            overrides=called,
            candidates=self.classes_.tolist(),
        )._fit(None, keep=not self.overrides)  # each set of texts would leave a file of 10 MB
        self._prepare_candidates()
        self._no_confidence_from_names()
        if self.temperature is None and not self.sentences and self.label_embedding is None:
            self.confidence_ = shipped_confidence()
        return self

    def _path(self) -> WordNetSimilarity:
        overrides = self._in_wordnet()
        return WordNetSimilarity("path", senses="nearest", on_missing="zero", overrides=overrides)

    def _vectors(self) -> LabelEmbedding:
        if self.label_embedding is None:
            if self.sentences:
                return SentenceEmbedding(device=self.device, overrides=self.overrides)
            return WordVectors(missing_words="ignore", overrides=self.overrides)
        return self.label_embedding

    def _check_combination(self) -> None:
        super()._check_combination()
        if self.sentences and self.label_embedding is not None:
            raise ValueError(
                f"{_OWNER}: label_embedding and sentences=True both say which vectors to take. "
                "Pass one of them."
            )

    def _set_vocabulary(self, candidates: Any) -> None:
        super()._set_vocabulary(candidates)
        names = self.classes_.tolist()
        called = self._in_wordnet()
        warn_of_unmatched_keys(called, names, owner=_OWNER, name="overrides")
        in_wordnet = [_is_noun(called.get(label, label)) for label in names]
        known = self.label_embedding_.covers(names) | np.array(in_wordnet, dtype=bool)
        self.unknown_labels_ = self.classes_[~known].tolist()
        if not self.unknown_labels_:
            return
        error = self._unknown(names)
        if self.on_unknown == "raise" or not known.any():
            raise error
        if self.on_unknown == "warn":
            warn_caller(message_of(error))
        super()._set_vocabulary(self.classes_[known])

    def _prepare_candidates(self) -> None:
        self.classifier_ = None
        # A model that was saved before there was a regression has none.
        fitted = getattr(self, "regression_", None)
        self.regression_ = fitted
        if fitted is None:
            by_use = WordVectorSimilarity(self.label_embedding_, on_missing="zero")
            similarity = MixtureSimilarity([(self._path(), 1), (by_use, 1)], scale="zscore")
            model = SimilarityClassifier(self.head, similarity, candidates=self.classes_)
            self.classifier_ = model.fit()
        elif not np.array_equal(fitted.classes_, self.classes_):
            self.regression_ = fitted.with_candidates(self.classes_.tolist())

    def _in_wordnet(self) -> dict[Any, Any]:
        """Return what labels are called in WordNet: lists of texts are synonyms."""
        return {
            label: "; ".join(text) if isinstance(text, (list, tuple)) else text
            for label, text in (self.overrides or {}).items()
        }

    def _given_members(self) -> list[Any]:
        return []

    def _fitted_members(self) -> list[Any]:
        return [self.classifier_ if self.regression_ is None else self.regression_]

    def _unknown(self, names: list[Any]) -> UnknownLabelError:
        """Return the error that names the labels left out, and who would know them."""
        near: Mapping[object, Sequence[str]] = {}
        try:
            self.label_embedding_.embed(self.unknown_labels_)
        except UnknownLabelError as error:
            near = error.close_matches
        remedy = Remedy(
            "Respell them, pass overrides={label: text}, or sentences=True, which knows any text "
            "(extra 'text'); on_unknown='warn' goes on without them.",
            option="Respell them, leave them out, or pass --sentences, which knows any text (extra "
            "'text'); --on-unknown warn goes on without them.",
        )
        if isinstance(self.label_embedding_, PromptEmbedding):
            remedy = Remedy(
                "Pass overrides={label: text}; on_unknown='warn' goes on without them.",
                option="Say what they mean; --on-unknown warn goes on without them.",
            )
        return UnknownLabelError(
            self.unknown_labels_,
            len(names),
            owner=_OWNER,
            remedy=remedy,
            close_matches=near,
            what="noun synset and no vector",
        )

    def _background(self) -> np.ndarray:
        return self.classes_[:0]  # the head's own classes are a thousand

    def _learnt_from(self, blocks: list[Block]) -> Confidence:
        # All candidates are alike: none was trained on under its own name.
        columns = [
            block._replace(
                scores=block.scores[:, ~block.is_seen],
                is_seen=block.is_seen[~block.is_seen],
                true=np.cumsum(~block.is_seen)[block.true] - 1,
            )
            for block in blocks
        ]
        return super()._learnt_from(columns)

    def _class_scores(self, X: np.ndarray) -> np.ndarray:
        regression = getattr(self, "regression_", None)
        if regression is None:
            softened = np.asarray(self.classifier_.transform(X))
            return vector_scores(softened, self.classifier_.class_vectors_)
        rows = self._centred_rows()
        own = self.head.decision_function(X)
        guesses = softmax(own / _spread(own), axis=1) @ rows
        scores = np.asarray(regression.transform(X)) / _spread(own)
        of_guesses = vector_scores(guesses, regression.class_vectors_)
        scores = scores + self._guess_weight * of_guesses / _spread(guesses @ rows.T)
        return scores.astype(X.dtype, copy=False)

    def _centred_rows(self) -> np.ndarray:
        """Return the head's weights less their mean, (n_sources, n_features)."""
        return self.head.coef - self.head.coef.mean(axis=0)

    def _add_class_scores(self, graph: Graph, X: str) -> str:
        regression = getattr(self, "regression_", None)
        if regression is None:
            return self.classifier_._add_class_scores(graph, X)
        rows, own = self._centred_rows(), add_scores(graph, self.head, X)
        scaled = graph("Div", own, _add_spread(graph, own))
        guesses = graph("MatMul", graph("Softmax", scaled, axis=-1), rows)
        scores = regression._add_class_scores(graph, X)
        scores = graph("Div", scores, _add_spread(graph, own))
        of_guesses = graph("MatMul", guesses, self._guess_weight * regression.class_vectors_.T)
        spread = _add_spread(graph, graph("MatMul", guesses, rows.T))
        return graph("Add", scores, graph("Div", of_guesses, spread))


def _spread(scores: np.ndarray) -> np.ndarray:
    """Return the standard deviation of each row, (n_rows, 1); 1 where it is 0."""
    spread = scores.std(axis=1, keepdims=True)
    spread[spread == 0] = 1
    return spread


def _add_spread(graph: Graph, scores: str) -> str:
    deviations = graph("Sub", scores, graph.mean(scores))
    return graph.or_one(graph("Sqrt", graph.mean(graph("Mul", deviations, deviations))))


def _is_noun(name: Any) -> bool:
    return isinstance(name, str) and has_synset(name)
