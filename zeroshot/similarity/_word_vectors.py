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
    """Cosine of the labels' vectors. With `WordVectors`, these are means over a label's words.

    Parameters
    ----------
    label_embedding : LabelEmbedding
        Source of the vectors. Its ``overrides`` set what is embedded instead of a label.
    on_missing : {"raise", "zero"}, default="raise"
        What to do with a target without a vector: raise `UnknownLabelError`, or give it similarity
        0 to everything. A source without a vector always has similarity 0.

    Notes
    -----
    How a wnid or an nltk name is embedded depends on the embedding. `WordNetEmbedding` embeds its
    synset. An `AttributeTable` with such labels returns its row. Others embed the synset's name.

    Cosines may be negative. As weights of a convex combination, negative ones count as 0. A label
    whose vector is zero has similarity 0 to all others. So does a source without a vector, because
    a user cannot change the labels of a pretrained head.

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
            Labels of the same kinds.

        Returns
        -------
        ndarray of float64 of shape (n_targets, n_sources)
            From -1 to 1.

        Raises
        ------
        UnknownLabelError
            With ``on_missing="raise"``, a target has no vector, or none of the sources has one. Or
            a wnid or nltk name is not that of a noun synset.
        TypeError
            `label_embedding` is not a `LabelEmbedding`.
        ValueError
            `on_missing` is not one of its options.
        """
        self._check_parameters()
        targets, sources = self._texts(targets, "targets"), self._texts(sources, "sources")
        columns = self.label_embedding.covers(sources)
        rows = np.ones(len(targets), dtype=bool)
        if self.on_missing == "zero":
            rows = self.label_embedding.covers(targets)
        elif not columns.any():
            columns[:] = True  # embed all of them, so that the error names them
        cosines = np.zeros((len(targets), len(sources)))
        if rows.any() and columns.any():
            with warnings.catch_warnings():
                # The mean of a source's label skips words without a vector.
                warnings.simplefilter("ignore", LabelWarning)
                known = self._unit(sources[columns], "sources")
            vectors = self._unit(targets[rows], "targets")
            cosines[np.ix_(rows, columns)] = vectors @ known.T
        return cosines

    def _texts(self, labels: Any, name: str) -> np.ndarray:
        """Return the text or synset to embed for each label."""
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
