"""The text tower of an open_clip model, as a function from texts to vectors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch

from zeroshot._utils._device import resolve_device, to_numpy, weights_hash
from zeroshot._utils._open_clip import create_clip, n_tokens, text_config, tokenizer_of
from zeroshot.label_embeddings._base import content_hash
from zeroshot.label_embeddings._prompts import possibly_longer


class TextTower(NamedTuple):
    """An opened text tower.

    Attributes
    ----------
    encode : callable
        From texts to vectors.
    cut_off : callable
        From texts to those that are longer than the tower reads.
    digest : str
        A hash of all that decides the vectors.
    n_dims : int
        Length of a vector.
    """

    encode: Callable[[list[str]], np.ndarray]
    cut_off: Callable[[list[str]], list[str]]
    digest: str
    n_dims: int


def open_text_tower(model_name: str, weights: str | None, device: Any, *, owner: str) -> TextTower:
    """Return what embeds texts."""
    target = resolve_device(device, owner=owner)
    model: Any = create_clip(model_name, weights, seed=0, owner=owner)
    tokenize = tokenizer_of(model_name, owner=owner)
    model.visual = torch.nn.Identity()  # the image tower is not needed, and often the larger one
    digest = content_hash(weights_hash(model), text_config(model_name, owner=owner))
    model = model.to(target)

    def encode(texts: list[str]) -> np.ndarray:
        with torch.inference_mode():
            return to_numpy(model.encode_text(tokenize(texts).to(target)).float())

    def cut_off(texts: list[str]) -> list[str]:
        longest = tokenize.context_length
        doubtful = possibly_longer(texts, longest)
        return [text for text in doubtful if n_tokens(tokenize, text) > longest]

    return TextTower(encode, cut_off, digest, encode(["a"]).shape[1])
