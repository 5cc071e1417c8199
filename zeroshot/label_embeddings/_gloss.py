"""Label vectors from what WordNet says that a thing is."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from importlib.util import find_spec
from typing import Any, Self

import numpy as np

from zeroshot._utils._validation import check_labels, check_option, warn_caller
from zeroshot.exceptions import Remedy, UnknownLabelError
from zeroshot.label_embeddings._base import (
    Arrays,
    Explained,
    Label,
    LabelEmbedding,
    Restore,
    content_hash,
    overrides_from_json,
    overrides_to_json,
)
from zeroshot.label_embeddings._gloss_table import gloss_table
from zeroshot.label_embeddings._prompts import label_texts
from zeroshot.label_embeddings._sentence import SentenceEmbedding
from zeroshot.label_embeddings._sentence_models import DEFAULT_MODEL, packaged_model
from zeroshot.label_embeddings._wordnet import explain_synset
from zeroshot.taxonomy._resolve import Choice, choose_near, has_synset

_OWNER = "GlossEmbedding"


class GlossEmbedding(LabelEmbedding):
    """Text vectors of WordNet's descriptions: what a label's class *is*, rather than its name.

    A label is resolved to its noun synset, and its vector is that of the text ``"oboe, hautboy, a
    kind of double reed: a slender double-reed instrument"``, by the sentence model
    all-MiniLM-L6-v2. The vectors of all 82,115 noun synsets ship with the package, reduced to their
    principal components: no text model needs to be installed.

    Parameters
    ----------
    on_missing : {"text", "raise"}, default="text"
        What becomes of a label without a noun synset. ``"text"`` embeds the label's own text by the
        same text model, if it is installed (extra ``text``), and warns; such labels are unknown
        otherwise. ``"raise"`` never asks the text model.
    model : str or path, optional
        Where the text model is, if it is not the pip package of the extra ``text``. Vectors of
        another model cannot be mixed with those that ship.
    overrides : mapping of label to str, optional
        The wnid, nltk name or other name to embed instead of a label.
    context : array-like of str, optional
        Class names or wnids. A name with several senses gets the one nearest to these, as in
        `zeroshot.taxonomy.resolve`; names without a synset do not count. The most frequent sense if
        None.

    Raises
    ------
    TypeError, ValueError
        `on_missing` is none of its options, `context` is not a list of names, or `model` is another
        text model.
    FileNotFoundError, DownloadError, IntegrityError
        `model` is given, and cannot be found or read.

    See Also
    --------
    DescriptionEmbedding : The same for descriptions of one's own.
    SentenceEmbedding : Vectors of the labels' own text.

    Notes
    -----
    Vectors are principal components, centred on the mean of all synsets: a label that is like
    everything has a short one.

    References
    ----------
    C. Fellbaum (ed.), "WordNet: An Electronic Lexical Database", MIT Press 1998. N. Reimers and
    I. Gurevych, "Sentence-BERT: Sentence Embeddings using Siamese BERT-Networks", EMNLP 2019.

    Examples
    --------
    >>> from zeroshot import GlossEmbedding, WordVectorSimilarity
    >>> embedding = GlossEmbedding()
    >>> embedding
    GlossEmbedding(n_dims=64)
    >>> similarity = WordVectorSimilarity(embedding)
    >>> similarity.matrix(["oboe"], ["clarinet", "oak"])[0] > 0.4
    array([ True, False])
    """

    _by_synset = True

    def __init__(
        self,
        *,
        on_missing: str = "text",
        model: str | os.PathLike | None = None,
        overrides: Mapping[Any, Label] | None = None,
        context: Any = None,
    ) -> None:
        super().__init__(overrides=overrides)
        check_option(on_missing, ("text", "raise"), owner=_OWNER, name="on_missing")
        self._on_missing = on_missing
        self._context = None if context is None else _checked_context(context)
        self._model = model
        if model is not None:
            _ = self._texts

    @property
    def n_dims(self) -> int:
        """Length of every vector."""
        return gloss_table().codes.shape[1]

    def fingerprint(self) -> str:
        """Return the SHA-256 of the shipped vectors and the options."""
        overrides = overrides_to_json(self._overrides)
        parts = [_OWNER, gloss_table().digest, self._on_missing, overrides]
        return content_hash(*parts, *([] if self._context is None else [self._context]))

    def reference(self) -> dict[str, Any]:
        """Return the options, from which this can be opened again."""
        return {
            "type": _OWNER,
            "on_missing": self._on_missing,
            "model": None if self._model is None else str(self._model),
            "overrides": overrides_to_json(self._overrides),
            "context": self._context,
        }

    @classmethod
    def from_config(
        cls, config: Mapping[str, Any], arrays: Arrays | None, restore: Restore
    ) -> Self:
        """Return the embedding that a `reference` describes."""
        return cls(
            on_missing=config["on_missing"],
            model=config["model"],
            overrides=overrides_from_json(config["overrides"]),
            context=config.get("context"),  # a model of an earlier version has none
        )

    def _choices(self, labels: list[Label]) -> list[Choice | None]:
        """Return the synset of each label, or None."""
        names = [label for label in labels if isinstance(label, str)]
        found = dict(zip(names, choose_near(names, self._context or []), strict=True))
        return [found[label] if isinstance(label, str) else None for label in labels]

    def _embed(self, labels: list[Label]) -> np.ndarray:
        nodes = np.array(
            [-1 if choice is None else choice.synset.node for choice in self._choices(labels)],
            dtype=np.int64,
        )
        others = [label for label, node in zip(labels, nodes, strict=True) if node < 0]
        vectors = gloss_table().rows(nodes)
        if others:
            vectors[nodes < 0] = self._own_texts(others, len(labels))
        return vectors

    def _own_texts(self, labels: list[Label], n_labels: int) -> np.ndarray:
        """Return the vectors of labels without a synset, by their own text."""
        has_text = [bool(label_texts(label)) for label in labels]
        if not self._reads_texts or not all(has_text):
            unknown = [x for x, has in zip(labels, has_text, strict=True) if not has]
            raise UnknownLabelError(
                unknown if self._reads_texts else labels,
                n_labels,
                owner=_OWNER,
                what="noun synset, hence no gloss,",
                remedy=Remedy(
                    "Respell them, or pass overrides={label: wnid}. With on_missing='text' and the "
                    "text model, pip install 'scikit-zeroshot[text]', their own text is embedded.",
                    option="Respell them, or leave them out. With the text model, pip install "
                    "'scikit-zeroshot[text]', their own text is embedded.",
                ),
            )
        shown = ", ".join(map(repr, labels[:10])) + (", ..." if len(labels) > 10 else "")
        warn_caller(
            f"{_OWNER}: {len(labels)} of {n_labels} labels have no noun synset, and their own text "
            f"is embedded instead of a gloss: {shown}. "
            + Remedy(
                "Pass overrides={label: wnid} to say what they are.",
                option="Respell them if that is not meant.",
            )
        )
        return gloss_table().project(self._texts.embed(labels))

    def _covers(self, labels: list[Label]) -> np.ndarray:
        texts = self._reads_texts
        return np.array(
            [_has_noun(label) or (texts and bool(label_texts(label))) for label in labels],
            dtype=bool,
        )

    def _explain(self, labels: list[Label]) -> list[Explained]:
        explained = []
        choices, covers = self._choices(labels), self._covers(labels)
        for label, covered, choice in zip(labels, covers, choices, strict=True):
            row = explain_synset(label, choice)
            if covered and not row.found:
                why = "by its own text: " + row.why
                row = replace(row, found=tuple(label_texts(label)), missing=(), why=why)
            explained.append(row)
        return explained

    @property
    def _reads_texts(self) -> bool:
        """Whether labels without a synset have a vector."""
        if self._on_missing == "raise":
            return False
        return self._model is not None or has_text_model()

    @cached_property
    def _texts(self) -> SentenceEmbedding:
        return gloss_texts(self._model, owner=_OWNER)

    def __getstate__(self) -> dict[str, Any]:
        state = super().__getstate__()
        state.pop("_texts", None)
        return state

    def __repr__(self) -> str:
        return f"GlossEmbedding(n_dims={self.n_dims})"


def _checked_context(context: Any) -> list[str]:
    names = check_labels(context, owner=_OWNER, name="context").tolist()
    if not all(isinstance(name, str) for name in names):
        raise ValueError(f"{_OWNER}: context must be names, got numbers such as {names[0]!r}.")
    return names


def _has_noun(label: Label) -> bool:
    return isinstance(label, str) and has_synset(label)


def has_text_model() -> bool:
    """Tell whether the text model of the glosses is installed, without opening it."""
    return packaged_model(DEFAULT_MODEL) is not None and bool(find_spec("sentence_transformers"))


def gloss_texts(
    model: str | os.PathLike | None,
    *,
    owner: str,
    device: Any = "auto",
    batch_size: int = 32,
    overrides: Mapping[Any, Any] | None = None,
) -> SentenceEmbedding:
    """Return the text model of the shipped vectors.

    Raises
    ------
    ValueError
        It is another model.
    """
    texts = SentenceEmbedding(
        model, templates="{}", device=device, batch_size=batch_size, overrides=overrides
    )
    if texts.model_digest != gloss_table().model_digest:
        raise ValueError(
            f"{owner}: model={str(model)!r} is not {DEFAULT_MODEL}, with which the shipped vectors "
            "of glosses were made. Vectors of two text models cannot be mixed: leave model out, or "
            "pass DescriptionEmbedding(descriptions, model=..., on_missing='text'), which has no "
            "shipped vectors."
        )
    return texts
