"""Confidence of ``OpenLabelClassifier``, from classes hidden from its head."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files

import numpy as np

from zeroshot.estimators._confidence import Confidence

_SINGLE = ("true", "best", "evidence", "best_of_others", "evidence_of_others")


@cache
def shipped_confidence() -> Confidence:
    """Return what ships with the package; ``tools/build_open_label_confidence.py`` makes it.

    Examples
    --------
    >>> from zeroshot.estimators._open_label_confidence import shipped_confidence
    >>> shipped_confidence().n_classes, shipped_confidence().n_candidates
    (500, 20)
    """
    path = files("zeroshot.estimators").joinpath("data/open_label_confidence.json")
    record = json.loads(path.read_text(encoding="ascii"))
    n = len(record["right"])
    return Confidence(
        temperature=record["temperature"],
        seen_temperature=record["temperature"],
        offset=0.0,
        n_candidates=record["n_candidates"],
        n_classes=record["n_classes"],
        evidence_weights=np.array(record["evidence_weights"]),
        weights=np.ones(n, dtype=np.float32),
        of_seen=np.zeros(n, dtype=bool),
        classes=np.arange(n),
        right=np.array(record["right"], dtype=bool),
        **{name: np.array(record[name], dtype=np.float32) for name in _SINGLE},
    )
