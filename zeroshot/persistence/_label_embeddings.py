"""Label embeddings of a saved model: by reference, or as the vectors of its labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np

from zeroshot._utils._renamed import translated
from zeroshot.exceptions import (
    IntegrityError,
    MissingDependencyError,
    ModelFormatError,
    UnknownLabelError,
)
from zeroshot.label_embeddings import LabelEmbedding
from zeroshot.label_embeddings._base import Arrays, Label, Restore, read_only
from zeroshot.persistence._saved_names import EMBEDDINGS, find_class


class StoredEmbedding(LabelEmbedding):
    """Label embedding of a saved model: vectors of some labels, and a reference to the rest.

    Vectors of stored labels come from the stored rows. For any other label, the embedding that
    `reference` describes is opened once. It is used only if its fingerprint equals the stored one.

    Parameters
    ----------
    labels : list of str or int
        The stored labels, in the order of their rows.
    vectors : ndarray of float32 of shape (n_labels, n_dims)
        Their vectors.
    reference : dict or None
        Result of `LabelEmbedding.reference` of the saved embedding. None if it cannot be opened
        again, so that only the stored rows are available.
    fingerprint : str
        Fingerprint of the saved embedding.
    name : str
        Name of the saved embedding, for messages.

    Raises
    ------
    ModelFormatError
        Labels and vectors do not match, or a vector is not finite.
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
            raise ModelFormatError(
                f"A saved {name} has {len(labels)} labels and {vectors.dtype} vectors of shape "
                f"{vectors.shape}, expected float32 ({len(labels)}, n_dims). Save the model again.",
                f"{name}.vectors",
            )
        if not np.isfinite(vectors).all():
            raise ModelFormatError(
                f"A saved {name} has vectors that are not finite. Save the model again.",
                f"{name}.vectors",
            )
        if len(set(labels)) < len(labels) or any(type(x) not in (str, int) for x in labels):
            raise ModelFormatError(
                f"A saved {name} has labels that are repeated, or neither strings nor integers. "
                "Save the model again.",
                f"{name}.labels",
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
        """That of the saved embedding, which is opened for it; None if it cannot be opened."""
        if self._reference is None:
            return None
        return getattr(self._open([], len(self._rows)), "vocabulary", None)

    @property
    def name(self) -> str:
        """Name of the saved embedding."""
        return self._name

    def fingerprint(self) -> str:
        """Return the fingerprint of the embedding that was saved."""
        return self._fingerprint

    def reference(self) -> dict[str, Any] | None:
        """Return the description for opening the saved embedding, or None."""
        return self._reference

    def to_config(self, labels: Any) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """Return the stored vectors, and those of `labels`."""
        config, arrays = super().to_config(labels)
        return {**config, "name": self._name}, arrays

    @classmethod
    def from_config(
        cls, config: Mapping[str, Any], arrays: Arrays | None, restore: Restore
    ) -> Self:
        """Return the embedding that `to_config` described."""
        options = {key: config[key] for key in ("reference", "fingerprint", "name")}
        kinds = [type(value) for value in options.values()]
        if kinds not in ([dict, str, str], [type(None), str, str]):
            raise ModelFormatError(
                "A saved label embedding lacks its reference, fingerprint or name. Save the model "
                "again.",
                "StoredEmbedding.reference",
            )
        return cls(list(config["labels"]), (arrays or {})["vectors"], **options)

    def _kept_labels(self, labels: np.ndarray) -> list[Label]:
        return list(dict.fromkeys([*self.labels, *super()._kept_labels(labels)]))

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
            opened = restore_embedding(self._reference, None)
        except (OSError, ImportError, TypeError, ValueError) as error:
            named = ", ".join(map(repr, labels[:10])) + (", ..." if len(labels) > 10 else "")
            what = f"{len(labels)} labels that are not stored ({named})"
            kind = MissingDependencyError if isinstance(error, ImportError) else IntegrityError
            raise kind(
                f"The saved {self._name} is needed for {what if labels else 'its vocabulary'}, and "
                f"cannot be opened: {error}"
            ) from error
        if not opened.has_fingerprint(self._fingerprint):
            raise IntegrityError(
                f"{opened!r} is not the {self._name} that was saved: its fingerprint is "
                f"{opened.fingerprint()[:16]}, expected {self._fingerprint[:16]}. Bring back the "
                f"vectors that the model was made with, or fit it anew."
            )
        self._opened = opened
        return opened

    def __repr__(self) -> str:
        return f"StoredEmbedding({self._name}, {len(self._rows)} labels, n_dims={self.n_dims})"


def restore_embedding(config: Mapping[str, Any], arrays: Arrays | None) -> LabelEmbedding:
    """Return the label embedding that `LabelEmbedding.to_config` described.

    Parameters
    ----------
    config : mapping
        Read from a file, so nothing in it is trusted.
    arrays : mapping of str to ndarray or None
        Its arrays. With None, `config` is a reference, and the embedding that it names is opened.

    Raises
    ------
    IntegrityError
        The type is unknown, or the description is incomplete.
    """
    name = config.get("type", "")
    cls = find_class(EMBEDDINGS[name]) if name in EMBEDDINGS else None
    # An embedding stored as rows is opened only when another label is requested, never because a
    # file claims to contain it.
    if cls is None or (arrays is not None and cls.to_config is LabelEmbedding.to_config):
        raise IntegrityError(
            f"A saved label embedding is of unknown type {name!r}, expected one of "
            f"{', '.join(EMBEDDINGS)}. Install the version of scikit-zeroshot that saved it."
        )
    config = translated(cls, config)
    if arrays is None:
        try:
            return cls.from_config(config, None, restore_embedding)
        except KeyError as error:
            raise IntegrityError(
                f"The description of a saved {name} lacks {error}. Save the model again."
            ) from error
    try:
        return cls.from_config(config, arrays, restore_embedding)
    except IntegrityError:
        raise
    except (KeyError, TypeError, ValueError) as error:
        raise IntegrityError(
            f"The state of a saved {name} is damaged: {type(error).__name__}: {error}. "
            "Save the model again."
        ) from error
