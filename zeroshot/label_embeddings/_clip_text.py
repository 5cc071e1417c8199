"""Label vectors from CLIP's text tower."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from zeroshot._utils._renamed import renamed
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
from zeroshot.label_embeddings._prompts import DEFAULT_TEMPLATES, PromptEmbedding

if TYPE_CHECKING:  # it imports torch
    from zeroshot.label_embeddings._clip_tower import TextTower

_OWNER = "CLIPTextEmbedding"


@renamed(pretrained="weights")
class CLIPTextEmbedding(PromptEmbedding):
    """Label vectors from the text tower of CLIP, in the space of its image tower's features.

    With `OpenCLIPFeatures` of the same model and `NearestLabelClassifier` this is CLIP. A label is
    put into each of the templates, the sentences are embedded, scaled to unit length and averaged,
    and the mean is scaled again. A list of synonyms that WordNet has as such
    (``"jersey, T-shirt"``) is the mean of its synonyms, scaled again. The text is the label as it
    is written (``"AT&T"``, ``"C++"``), with spaces for underscores and without what data sets put
    before a name (``"118.House_Sparrow"``).

    Parameters
    ----------
    model_name : str or path, default="ViT-B-32"
        An architecture of open_clip, or a folder with an ``open_clip_config.json``.
    weights : str, path or None, default="laion2b_s34b_b79k"
        A tag of open_clip's (``open_clip.list_pretrained()``), downloaded only if it is not in the
        local cache; or a file of weights of this architecture, read without unpickling. None is
        random initialisation, for tests.
    templates : str or sequence of str, default=("a photo of a {}.",)
        Each with one ``{}`` for the label.
    device : str or torch.device, default="auto"
        ``"auto"`` is CUDA, else MPS, else the CPU.
    batch_size : int, default=64
        Sentences that are embedded at once.
    overrides : mapping of label to str or list of str, optional
        The text to embed instead of a label, word for word: ``{"crane": "crane bird"}``, or
        ``{0: "cat"}``. A list of texts is averaged as synonyms are; with ``templates="{}"`` they
        are whole prompts or descriptions.

    Raises
    ------
    MissingDependencyError, FileNotFoundError, DownloadError
        open_clip or the weights are not on this machine; the message says what to install or do.
    IntegrityError
        The file holds no weights, or those of another architecture.
    TypeError, ValueError
        A parameter is not as described.

    See Also
    --------
    zeroshot.backbones.OpenCLIPFeatures : The image tower.
    zeroshot.estimators.NearestLabelClassifier : The classifier between the two.

    Notes
    -----
    The model is opened at once, and only its text tower is kept. In what company a label is
    embedded changes its vector by less than 1e-6.

    References
    ----------
    A. Radford et al., "Learning Transferable Visual Models From Natural Language Supervision",
    ICML 2021, section 3.1. G. Ilharco et al., OpenCLIP, 2021.

    Examples
    --------
    >>> from zeroshot.label_embeddings import CLIPTextEmbedding
    >>> CLIPTextEmbedding("ViT-B-32", "of another model")
    Traceback (most recent call last):
        ...
    ValueError: CLIPTextEmbedding: open_clip has no weights 'of another model' for 'ViT-B-32'...
    """

    def __init__(
        self,
        model_name: str | os.PathLike = "ViT-B-32",
        weights: str | os.PathLike | None = "laion2b_s34b_b79k",
        *,
        templates: str | Sequence[str] = DEFAULT_TEMPLATES,
        device: Any = "auto",
        batch_size: int = 64,
        overrides: Mapping[Any, Label | Sequence[str]] | None = None,
    ) -> None:
        super().__init__(templates, overrides)
        check_number(batch_size, owner=_OWNER, name="batch_size", at_least=1, integer=True)
        self._names = (_absolute(model_name), _absolute(weights))
        self._device, self._batch_size = device, batch_size
        tower = self._opened
        self._digest, self._n_dims = tower.digest, tower.n_dims

    @property
    def n_dims(self) -> int:
        """Length of every vector."""
        return self._n_dims

    def fingerprint(self) -> str:
        """Return the SHA-256 of weights, architecture, templates and overrides."""
        overrides = overrides_to_json(self._overrides)
        return content_hash(_OWNER, self._digest, self._templates, overrides)

    def reference(self) -> dict[str, Any]:
        """Return model, weights and templates, from which this can be opened again."""
        return {
            "type": _OWNER,
            "model_name": self._names[0],
            "weights": self._names[1],
            "templates": list(self._templates),
            "overrides": overrides_to_json(self._overrides),
        }

    @classmethod
    def from_config(
        cls, config: Mapping[str, Any], arrays: Arrays | None, restore: Restore
    ) -> Self:
        """Return the embedding that a `reference` describes."""
        return cls(
            config["model_name"],
            config["weights"],
            templates=config["templates"],
            overrides=overrides_from_json(config["overrides"]),
        )

    @cached_property
    def _opened(self) -> TextTower:
        from zeroshot.label_embeddings._clip_tower import open_text_tower

        model_name, weights = self._names
        return open_text_tower(model_name, weights, self._device, owner=_OWNER)

    def _encode(self, texts: list[str]) -> np.ndarray:
        tower = self._opened
        if tower.digest != self._digest:
            raise IntegrityError(
                f"{_OWNER}: the weights found here for weights={self._names[1]!r} are not "
                "those that this object was made with. Bring the same weights, or make it anew."
            )
        starts = range(0, len(texts), self._batch_size)
        return np.concatenate([tower.encode(texts[s : s + self._batch_size]) for s in starts])

    def _cut_off(self, texts: list[str]) -> list[str]:
        return self._opened.cut_off(texts)

    def __getstate__(self) -> dict[str, Any]:
        state = super().__getstate__()
        state.pop("_opened", None)  # what is pickled is where the weights lie, and their hash
        return state

    def __repr__(self) -> str:
        templates = self._templates if len(self._templates) < 4 else f"<{len(self._templates)}>"
        model_name, weights = self._names
        return f"{_OWNER}({model_name!r}, {weights!r}, templates={templates})"


def _absolute(name: Any) -> Any:
    """Return a path that is there as an absolute one, so that it can be opened from anywhere."""
    given = isinstance(name, (str, os.PathLike)) and Path(name).expanduser()
    return str(given.absolute()) if given and given.exists() else name
