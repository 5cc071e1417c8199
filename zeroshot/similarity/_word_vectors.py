"""Similarity of labels by cosine of their vectors."""

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
from zeroshot.taxonomy._lemmas import find_identifier, looks_like_identifier

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
    A wnid or an nltk name is embedded as the embedding reads it: `WordNetEmbedding` as its synset,
    an `AttributeTable` that is labelled so as its row, others as the synset's name.

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
        targets, sources = self._texts(targets, "targets"), self._texts(sources, "sources")
        columns = self.label_embedding.covers(sources)
        rows = np.ones(len(targets), dtype=bool)
        if self.on_missing == "zero":
            rows = self.label_embedding.covers(targets)
        elif not columns.any():
            columns[:] = True  # all are embedded, and the error names them
        cosines = np.zeros((len(targets), len(sources)))
        if rows.any() and columns.any():
            with warnings.catch_warnings():
                # Words of a source's label without a vector are left out of its mean.
                warnings.simplefilter("ignore", LabelWarning)
                known = self._unit(sources[columns], "sources")
            vectors = self._unit(targets[rows], "targets")
            cosines[np.ix_(rows, columns)] = vectors @ known.T
        return cosines

    def _texts(self, labels: Any, name: str) -> np.ndarray:
        """Return what is embedded for each label."""
        if isinstance(labels, Iterable) and not isinstance(labels, (str, bytes)):
            labels = [label.wnid if isinstance(label, Synset) else label for label in labels]
        given = check_labels(labels, owner=_OWNER, name=name)
        named = [text for text in given.tolist() if isinstance(text, str)]
        bad = [x for x in named if looks_like_identifier(x) and find_identifier(x) is None]
        bad = [
            x for x, known in zip(bad, self.label_embedding.covers(bad), strict=True) if not known
        ]
        if bad:
            raise UnknownLabelError(
                bad,
                given.size,
                owner=_OWNER,
                what="noun synset",
                name=name,
                remedy="Give class names, or wnids of WordNet 3.0.",
            )
        return given

    def _unit(self, texts: np.ndarray, name: str) -> np.ndarray:
        try:
            return unit_rows(self.label_embedding.embed(texts).astype(np.float64))
        except UnknownLabelError as error:
            raise error.replace(name=name) from None
