"""How near two labels are as vectors."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

import numpy as np
from sklearn.base import BaseEstimator

from zeroshot._utils._arrays import unit_rows
from zeroshot._utils._constraints import Instance, OneOf, ParametersMixin
from zeroshot._utils._doc_links import DocLinkMixin
from zeroshot._utils._saving import SavedEstimator
from zeroshot._utils._validation import check_labels
from zeroshot.exceptions import LabelWarning, UnknownLabelError
from zeroshot.label_embeddings import LabelEmbedding
from zeroshot.taxonomy import Synset
from zeroshot.taxonomy._resolve import nodes_of
from zeroshot.taxonomy._synset import looks_like_identifier

_OWNER = "WordVectorSimilarity"


class WordVectorSimilarity(DocLinkMixin, SavedEstimator, ParametersMixin, BaseEstimator):
    """Cosine of the labels' vectors: with `WordVectors`, of the means of their words' vectors.

    Parameters
    ----------
    label_embedding : LabelEmbedding
        Where the vectors come from. Its ``overrides`` say what is embedded instead of a label.
    on_missing : {"raise", "zero"}, default="raise"
        What becomes of a target without a vector: `UnknownLabelError`, or similarity 0 to
        everything, which is what a source without one has in any case.

    Notes
    -----
    A wnid or an nltk name is embedded as its synset's lemmas, a list of synonyms, unless the
    embedding itself holds it: an `AttributeTable` may be labelled so, and `WordNetEmbedding` is.

    Cosines may be negative; where they become the weights of a convex combination, negative ones
    count as 0. A label whose vector is zero has similarity 0 to all others, and so has a source
    without a vector: a pretrained head's own labels are nothing that its user can mend.

    References
    ----------
    Pascal, Bost and Huet (2019), "Semantic and visual similarities for efficient knowledge
    transfer in CNN training", section III, which used word2vec.

    Examples
    --------
    >>> from zeroshot.label_embeddings import AttributeTable
    >>> from zeroshot.similarity import WordVectorSimilarity
    >>> table = AttributeTable([[3, 4], [4, 3], [0, -1]], labels=["cat", "lion", "oboe"])
    >>> WordVectorSimilarity(table).matrix(["lion"], ["cat", "oboe"]).round(2)
    array([[ 0.96, -0.6 ]])
    """

    _constraints: ClassVar[Mapping[str, Any]] = {
        "label_embedding": Instance(
            LabelEmbedding,
            what="a LabelEmbedding",
            remedy="Pass WordVectors('glove-wiki-gigaword-50'), for example.",
        ),
        "on_missing": OneOf("raise", "zero"),
    }

    def __init__(self, label_embedding: LabelEmbedding, *, on_missing: str = "raise") -> None:
        self.label_embedding = label_embedding
        self.on_missing = on_missing

    def matrix(self, targets: Any, sources: Any) -> np.ndarray:
        """Return the cosine of each target's vector with each source's.

        Parameters
        ----------
        targets : array-like of shape (n_targets,)
            Class names, wnids, nltk names, or `Synset` objects.
        sources : array-like of shape (n_sources,)
            Of the same kinds.

        Returns
        -------
        ndarray of float64 of shape (n_targets, n_sources)
            From -1 to 1.

        Raises
        ------
        UnknownLabelError
            A target has no vector and ``on_missing="raise"``, and then also where none of the
            sources has; or a wnid or nltk name is that of no noun synset.
        TypeError
            `label_embedding` is no `LabelEmbedding`.
        ValueError
            `on_missing` is none of its options.
        """
        self._check_parameters()
        targets, of_synsets = self._texts(targets, "targets")
        sources, _ = self._texts(sources, "sources")
        columns = self.label_embedding.covers(sources)
        rows = np.ones(len(targets), dtype=bool)
        if self.on_missing == "zero":
            rows = self.label_embedding.covers(targets)
        elif not columns.any():
            columns[:] = True  # all are embedded, and the error names them
        cosines = np.zeros((len(targets), len(sources)))
        if rows.any() and columns.any():
            # Words of a source's label, or of a synset, without a vector are left out of its mean.
            quiet = np.ones(columns.sum(), dtype=bool)
            known = self._unit(sources[columns], quiet, "sources")
            vectors = self._unit(targets[rows], of_synsets[rows], "targets")
            cosines[np.ix_(rows, columns)] = vectors @ known.T
        return cosines

    def _texts(self, labels: Any, name: str) -> tuple[np.ndarray, np.ndarray]:
        """Return what is embedded for each label, and where that is a synset's lemmas."""
        if isinstance(labels, Iterable) and not isinstance(labels, (str, bytes)):
            labels = [label.wnid if isinstance(label, Synset) else label for label in labels]
        given = check_labels(labels, owner=_OWNER, name=name)
        texts = given.tolist()
        rows = [row for row, text in enumerate(texts) if self._is_foreign_identifier(text)]
        is_synset = np.zeros(len(texts), dtype=bool)
        if not rows:
            return given, is_synset
        try:
            nodes = nodes_of([texts[row] for row in rows], owner=_OWNER, name=name)
        except UnknownLabelError as error:
            raise error.replace(n_labels=len(texts)) from None
        for row, node in zip(rows, nodes.tolist(), strict=True):
            texts[row] = ", ".join(Synset(node).lemmas)
        is_synset[rows] = True
        return np.array(texts), is_synset

    def _is_foreign_identifier(self, text: Any) -> bool:
        """Return whether `text` names a synset that the embedding does not know as such."""
        embedding = self.label_embedding
        if not isinstance(text, str) or not looks_like_identifier(text):
            return False
        if text in embedding.overrides:
            return False
        # What also knows a synset that cannot be reads it as words, such as "n" and "01".
        nowhere = text.rpartition(".")[0] + ".00" if "." in text else "n00000000"
        return embedding.covers([text, nowhere]).tolist() != [True, False]

    def _unit(self, texts: np.ndarray, quiet: np.ndarray, name: str) -> np.ndarray:
        vectors = np.empty((len(texts), self.label_embedding.n_dims))
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", LabelWarning)
                vectors[quiet] = self.label_embedding.embed(texts[quiet])
            vectors[~quiet] = self.label_embedding.embed(texts[~quiet])
        except UnknownLabelError as error:
            raise error.replace(name=name) from None
        return unit_rows(vectors)
