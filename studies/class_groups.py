"""Which target classes the pretrained network was trained on under the same name."""

from __future__ import annotations

import numpy as np

from zeroshot import SourceHead


def is_source_synonym(labels: np.ndarray, head: SourceHead) -> np.ndarray:
    """Tell which class names are synonyms of a class of the head: 25 of CIFAR-100's 100 are."""
    synonyms = {name.strip().lower() for text in head.labels for name in text.split(",")}
    names = np.char.lower(np.char.replace(labels, "_", " "))
    return np.isin(names, list(synonyms))
