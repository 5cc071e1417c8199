"""Models as version 0.1.0 saved them, with what they answered.

It ran once, with the code of that version, and stays to say what the files are. Its parameters
have the names of that version: later code does not run it, but must load what it wrote.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch

from zeroshot import (
    ALEClassifier,
    DeViSEClassifier,
    EmbeddingRegressor,
    FineTuneClassifier,
    HashEmbedding,
    SimilarityInitializer,
    SJEClassifier,
    SoftmaxClassifier,
    SourceHead,
    WordNetSimilarity,
    save,
)
from zeroshot.backbones import SimpNet, TinyImageNetCNN

NAMES = np.array(["bear", "cat", "dog", "owl"])
TRAINING = {
    "epochs": 1,
    "batch_size": 8,
    "random_state": 0,
    "device": "cpu",
    "precision": "float32",
    "progress": False,
}


def tiny() -> TinyImageNetCNN:
    """Return a network of a few hundred weights."""
    torch.manual_seed(0)
    return TinyImageNetCNN(width=1 / 32, dropout=0.1)


def main(folder: Path) -> None:
    """Write the models, their inputs and their answers."""
    rng = np.random.default_rng(0)
    y = np.repeat(NAMES, 6)
    features = np.repeat(rng.normal(size=(4, 5)), 6, axis=0) + rng.normal(0, 0.3, (24, 5))
    images = rng.integers(0, 256, (4, 16, 16, 3)).repeat(6, axis=0) + rng.normal(
        0, 20, (24, 16, 16, 3)
    )
    images = np.clip(images, 0, 255).astype(np.uint8)
    table = HashEmbedding(6)
    some = {"epochs": 2, "batch_size": 8, "learning_rate": 0.02, "random_state": 0, "device": "cpu"}
    torch.manual_seed(0)
    slim = SimpNet(variant="slim", width=0.1)
    head = SourceHead(rng.normal(size=(3, 5)), rng.normal(size=3), ["tiger", "wolf", "penguin"])
    of_features = {
        "devise_hinge": DeViSEClassifier(table, candidates=[*NAMES, "wolf"], **some),
        "regressor_hidden": EmbeddingRegressor(table, loss="cosine", hidden=(4,), **some),
        "ale": ALEClassifier(table, weight_decay=0.5, **some),
        "sje": SJEClassifier(table, weight_decay=0.5, **some),
        "initializer_wup": SimilarityInitializer(
            head, WordNetSimilarity(measure="wup"), n_neighbors=2
        ),
    }
    of_images = {
        "devise_network": DeViSEClassifier(
            table, network=tiny(), loss="cosine_margin", augmentation="crop_flip", **TRAINING
        ),
        "regressor_network": EmbeddingRegressor(table, network=tiny(), hidden=(5,), **TRAINING),
        "softmax": SoftmaxClassifier(slim, accumulation=2, weight_decay=0.01, **TRAINING),
        "fine_tune": FineTuneClassifier(
            tiny(), trainable_from="all", resize=16, image_size=16, **TRAINING
        ),
    }
    answers = {}
    for name, model in of_features.items():
        fitted = model.fit(features, y)
        answers[name] = (
            fitted.predict(features)
            if name.startswith("regressor")
            else fitted.decision_function(features)
        )
        save(fitted, folder / name, overwrite=True)
    for name, model in of_images.items():
        fitted = model.fit(images, y)
        answers[name] = (
            fitted.predict(images)
            if name.startswith("regressor")
            else fitted.decision_function(images)
        )
        save(fitted, folder / name, overwrite=True)
    np.savez_compressed(folder / "inputs.npz", features=features, images=images[::6])
    np.savez_compressed(
        folder / "answers.npz",
        **{name: value[::6] if name in of_images else value for name, value in answers.items()},
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
