"""What loading a model costs, and what it cost in another checkout.

Run it from the repository's root::

    python -m benchmarks.loading [--against ../other-checkout] [--repeats 5]

Each side saves the models in its own format, in a process of its own, in turns with the other. The
figures are CPU time, which other work on the machine changes little: the least of several passes,
in microseconds.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
import warnings
from typing import Any


def models() -> dict[str, Any]:
    """Return fitted models."""
    import numpy as np
    from sklearn.decomposition import PCA
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    from zeroshot import (
        AttributeTable,
        ConSEClassifier,
        DeViSEClassifier,
        EnsembleZeroShotClassifier,
        ESZSLClassifier,
        FewShotClassifier,
        HashEmbedding,
        SoftmaxClassifier,
        SourceHead,
        TimmFeatures,
        Training,
    )
    from zeroshot.networks import SimpNet

    rng = np.random.default_rng(0)
    names = [f"label {number:05}" for number in range(20_000)]
    table = AttributeTable(rng.normal(size=(20_000, 50)), labels=names)
    few, X = names[:40], rng.normal(size=(400, 64))
    y, hashed = np.repeat(few, 10), HashEmbedding(50)
    wide = rng.normal(size=(800, 1280))
    head = SourceHead(rng.normal(size=(40, 64)), np.zeros(40), few)
    ridge = DeViSEClassifier(hashed, loss="mse", candidates=few[:10])
    images = rng.integers(0, 255, (8, 32, 32, 3), dtype=np.uint8)
    fast = {"training": Training(epochs=1, batch_size=8, device="cpu"), "random_state": 0}
    pairs = [("a", ridge), ("b", ESZSLClassifier(hashed)), ("c", ConSEClassifier(head, hashed))]
    return {
        "ridge, 10 classes": ridge.fit(X, y),
        "pipeline": make_pipeline(
            StandardScaler(), PCA(20), ConSEClassifier(LogisticRegression(max_iter=200), hashed)
        ).fit(X, y),
        "ensemble of three": EnsembleZeroShotClassifier(pairs).fit(X, y),
        "few-shot with a prior": FewShotClassifier(ConSEClassifier(head, hashed)).fit(X, y),
        "CSLS, 1,280 features": DeViSEClassifier(table, loss="mse", hubness="csls").fit(
            wide, np.repeat(names[:80], 10)
        ),
        "sums of 1,280 features": DeViSEClassifier(hashed, loss="mse").partial_fit(
            wide, np.repeat(names[:80], 10)
        ),
        "20,000 classes": DeViSEClassifier(table, loss="mse", candidates=names).fit(X, y),
        "SimpNet, 5.5 M weights": SoftmaxClassifier(SimpNet(), **fast).fit(images, [0, 1] * 4),
        "EfficientNet of timm": SoftmaxClassifier("timm:tf_efficientnet_lite0", **fast).fit(
            rng.integers(0, 255, (8, 64, 64, 3), dtype=np.uint8), [0, 1] * 4
        ),
        "TimmFeatures and ridge": make_pipeline(
            TimmFeatures("test_efficientnet", weights=None, image_size=32, random_state=0), ridge
        ).fit(images, few[:8]),
    }


def measure() -> dict[str, float]:
    """Return the microseconds that loading a model takes, by its kind."""
    import zeroshot

    result = {}
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for kind, model in models().items():
            zeroshot.save(model, f"{folder}/{kind}")
            zeroshot.load(f"{folder}/{kind}")
            passes: list[float] = []
            end = time.process_time() + 0.7
            while len(passes) < 5 or time.process_time() < end:
                began = time.process_time()
                zeroshot.load(f"{folder}/{kind}")
                passes.append((time.process_time() - began) * 1e6)
            result[kind] = min(passes)
    return result


if __name__ == "__main__":
    if "--measure" in sys.argv:
        print(json.dumps(measure()))
    else:
        from benchmarks._checkouts import compare

        compare(__file__, __doc__)
