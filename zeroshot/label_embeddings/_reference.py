"""What a loaded model has for a label embedding that was too large to be saved whole."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from zeroshot._renamed import translated
from zeroshot.exceptions import IntegrityError, MissingDependencyError, UnknownLabelError
from zeroshot.label_embeddings._base import Label, LabelEmbedding, overrides_from_json, read_only
from zeroshot.label_embeddings._clip_text import CLIPTextEmbedding
from zeroshot.label_embeddings._concat import ConcatEmbedding
from zeroshot.label_embeddings._hash import HashEmbedding
from zeroshot.label_embeddings._hierarchical import HierarchicalEmbedding
from zeroshot.label_embeddings._sentence import SentenceEmbedding
from zeroshot.label_embeddings._tables import OneHotEmbedding
from zeroshot.label_embeddings._word_vectors import WordVectors
from zeroshot.label_embeddings._wordnet import WordNetEmbedding


class StoredEmbedding(LabelEmbedding):
    """What a saved model knows of a label embedding: some labels' vectors, and where the rest is.

    Stored labels are answered from the stored rows. For any other label the embedding that
    `reference` describes is opened, once, and used only if its fingerprint is the stored one.

    Parameters
    ----------
    labels : list of str or int
        The labels stored, in the order of their rows.
    vectors : ndarray of float32 of shape (n_labels, n_dims)
        Their vectors.
    reference : dict or None
        What `LabelEmbedding.reference` of the saved embedding gave; None when it cannot be
        opened again, so that the stored rows are all there is.
    fingerprint : str
        That of the saved embedding.
    name : str
        What the saved embedding was, for messages.

    Raises
    ------
    IntegrityError
        Labels and vectors do not fit together.
    """

    def __init__(
        self,
        labels: list[Label],
        vectors: np.ndarray,
        *,
        reference: dict[str, Any] | None,
        fingerprint: str,
        name: str,
    ) -> None:
        super().__init__()
        if vectors.ndim != 2 or len(vectors) != len(labels) or vectors.dtype != np.float32:
            raise IntegrityError(
                f"A saved {name} has {len(labels)} labels and {vectors.dtype} vectors of shape "
                f"{vectors.shape}, expected float32 ({len(labels)}, n_dims). Save the model again."
            )
        self._rows = {label: row for row, label in enumerate(labels)}
        self._vectors = read_only(vectors)
        self._reference = reference
        self._fingerprint = fingerprint
        self._name = name
        self._opened: LabelEmbedding | None = None

    @property
    def n_dims(self) -> int:
        """Length of every vector."""
        return self._vectors.shape[1]

    @property
    def labels(self) -> list[Label]:
        """The stored labels."""
        return list(self._rows)

    @property
    def vocabulary(self) -> Sequence[Label] | None:
        """That of the saved embedding, which is opened for it; None where it cannot be opened."""
        if self._reference is None:
            return None
        return getattr(self._open([], len(self._rows)), "vocabulary", None)

    @property
    def name(self) -> str:
        """What the saved embedding was."""
        return self._name

    def fingerprint(self) -> str:
        """Return the fingerprint of the embedding that was saved."""
        return self._fingerprint

    def reference(self) -> dict[str, Any] | None:
        """Return the description from which the saved embedding can be opened, or None."""
        return self._reference

    def _embed(self, labels: list[Label]) -> np.ndarray:
        others = [label for label in labels if label not in self._rows]
        vectors = np.empty((len(labels), self.n_dims), dtype=np.float32)
        fresh = iter(self._open(others, len(labels)).embed(others) if others else ())
        for row, label in enumerate(labels):
            known = self._rows.get(label)
            vectors[row] = next(fresh) if known is None else self._vectors[known]
        return vectors

    def _covers(self, labels: list[Label]) -> np.ndarray:
        known = np.array([label in self._rows for label in labels], dtype=bool)
        others = [label for label in labels if label not in self._rows]
        if others and self._reference is not None:
            known[~known] = self._open(others, len(labels)).covers(others)
        return known

    def _open(self, labels: list[Label], n_labels: int) -> LabelEmbedding:
        if self._opened is not None:
            return self._opened
        if self._reference is None:
            raise UnknownLabelError(
                labels,
                n_labels,
                owner=f"The saved {self._name}",
                remedy="It was in memory when the model was saved, so that only the labels known "
                "then are stored. Name all candidates before saving, or save word vectors with "
                "WordVectors.save and use them from there.",
            )
        try:
            opened = open_reference(self._reference)
        except (OSError, ImportError, TypeError, ValueError) as error:
            named = ", ".join(map(repr, labels[:10])) + (", ..." if len(labels) > 10 else "")
            what = f"{len(labels)} labels that are not stored ({named})"
            kind = MissingDependencyError if isinstance(error, ImportError) else IntegrityError
            raise kind(
                f"The saved {self._name} is needed for {what if labels else 'its vocabulary'}, and "
                f"cannot be opened: {error}"
            ) from error
        if opened.fingerprint() != self._fingerprint:
            raise IntegrityError(
                f"{opened!r} is not the {self._name} that was saved: its fingerprint is "
                f"{opened.fingerprint()[:16]}, expected {self._fingerprint[:16]}. Bring back the "
                f"vectors that the model was made with, or fit it anew."
            )
        self._opened = opened
        return opened

    def __repr__(self) -> str:
        return f"StoredEmbedding({self._name}, {len(self._rows)} labels, n_dims={self.n_dims})"


def open_reference(reference: Mapping[str, Any]) -> LabelEmbedding:
    """Open the label embedding that `LabelEmbedding.reference` described.

    Raises
    ------
    IntegrityError
        The description is of an unknown type, or not whole.
    """
    opener = _OPENERS.get(reference.get("type", ""))
    if opener is None:
        raise unknown_type(reference, _OPENERS)
    try:
        return opener(reference)
    except KeyError as error:
        raise IntegrityError(
            f"The description of a saved label embedding lacks {error}. Save the model again."
        ) from error


def unknown_type(state: Mapping[str, Any], known: Mapping[str, Any]) -> IntegrityError:
    """Return the error for a state that names a type which is not in the table `known`."""
    return IntegrityError(
        f"A saved label embedding is of unknown type {state.get('type')!r}, expected one of "
        f"{', '.join(known)}. Install the version of scikit-zeroshot that saved it."
    )


def _open_word_vectors(reference: Mapping[str, Any]) -> WordVectors:
    return WordVectors(
        reference["source"],
        overrides=overrides_from_json(reference["overrides"]),
        on_missing=reference["on_missing"],
        missing_words=reference["missing_words"],
        multiword=reference["multiword"],
    )


def _open_clip_text(reference: Mapping[str, Any]) -> CLIPTextEmbedding:
    return CLIPTextEmbedding(
        reference["model_name"],
        reference["weights"],
        templates=reference["templates"],
        overrides=overrides_from_json(reference["overrides"]),
    )


# The classes that a saved model may name: nothing else is ever built from one.
_OPENERS: dict[str, Callable[[Mapping[str, Any]], LabelEmbedding]] = {
    "HashEmbedding": lambda reference: HashEmbedding(reference["n_dims"], seed=reference["seed"]),
    "OneHotEmbedding": lambda reference: OneHotEmbedding(reference["labels"]),
    "WordVectors": _open_word_vectors,
    "WordNetEmbedding": lambda reference: WordNetEmbedding(
        reference["n_dims"],
        vocabulary=reference["vocabulary"],
        overrides=overrides_from_json(reference["overrides"]),
    ),
    "SentenceEmbedding": lambda reference: SentenceEmbedding(
        reference["model"],
        templates=reference["templates"],
        overrides=overrides_from_json(reference["overrides"]),
    ),
    "CLIPTextEmbedding": lambda reference: _open_clip_text(
        translated(CLIPTextEmbedding, reference)
    ),
    "HierarchicalEmbedding": lambda reference: HierarchicalEmbedding(
        open_reference(reference["base"]),
        decay=reference["decay"],
        synsets=overrides_from_json(reference["synsets"]),
        overrides=overrides_from_json(reference["overrides"]),
    ),
    "ConcatEmbedding": lambda reference: ConcatEmbedding(
        [open_reference(part) for part in reference["parts"]], weights=reference["weights"]
    ),
}
