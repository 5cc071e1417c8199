"""The text tower of a model of open_clip, as a function from texts to vectors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from zeroshot._utils._device import resolve_device, to_numpy, weights_hash
from zeroshot._utils._open_clip import create_clip, text_config, tokenizer_of
from zeroshot.label_embeddings._base import content_hash


def open_text_tower(
    model_name: str, weights: str | None, device: Any, *, owner: str
) -> tuple[Callable[[list[str]], np.ndarray], str, int]:
    """Return what embeds texts, a hash of all that decides the vectors, and their length."""
    target = resolve_device(device, owner=owner)
    model: Any = create_clip(model_name, weights, seed=0, owner=owner)
    tokenize = tokenizer_of(model_name, owner=owner)
    model.visual = torch.nn.Identity()  # the image tower is not needed, and often the larger one
    digest = content_hash(weights_hash(model), text_config(model_name, owner=owner))
    model = model.to(target)

    def encode(texts: list[str]) -> np.ndarray:
        with torch.inference_mode():
            return to_numpy(model.encode_text(tokenize(texts).to(target)).float())

    return encode, digest, encode(["a"]).shape[1]
