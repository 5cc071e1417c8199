"""Name images of twenty classes that were never trained on, from features that ship along.

    python examples/unseen_classes.py

Prints the accuracy of three models beside three controls, over five class splits.
"""

from __future__ import annotations

import numpy as np
from sklearn.model_selection import cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer

from zeroshot import ConSEClassifier, DeViSEClassifier, DummyZeroShotClassifier, WordVectors
from zeroshot.datasets import label_texts, load_cifar100_features
from zeroshot.metrics import SCORERS
from zeroshot.model_selection import ClassShuffleSplit


def main(n_splits: int = 5) -> dict[str, float]:
    """Run the comparison, print it, and return the top-1 accuracies."""
    X, y = load_cifar100_features(return_X_y=True)
    vectors = WordVectors(overrides=label_texts("cifar100"))
    shared = {"label_embedding": vectors, "candidates": np.unique(y), "scenario": "unseen"}
    models = {
        "DeViSE, hinge rank loss": DeViSEClassifier(**shared, random_state=0),
        "DeViSE, squared error": DeViSEClassifier(**shared, loss="mse", alpha=10),
        "DeViSE, squared error, gamma=2": DeViSEClassifier(**shared, loss="mse", alpha=10, gamma=2),
        "ConSE on logistic regression": ConSEClassifier(**shared),
        "control: best constant": DummyZeroShotClassifier(**shared, strategy="constant"),
        "control: random label": DummyZeroShotClassifier(
            **shared, strategy="random", random_state=0
        ),
    }
    scoring = {name: SCORERS[name] for name in ("unseen_accuracy", "hit_at_5")}
    splits = ClassShuffleSplit(n_splits=n_splits, test_size=20, random_state=0)
    print(f"{'20 unseen classes of CIFAR-100':<34}{'top-1':>8}{'hit@5':>8}")
    results = {}
    for name, model in models.items():
        scores = cross_validate(
            make_pipeline(Normalizer(), model),
            X,
            y,
            cv=splits,
            scoring=scoring,
            error_score="raise",
        )
        results[name] = float(scores["test_unseen_accuracy"].mean())
        print(f"{name:<34}{results[name]:8.3f}{scores['test_hit_at_5'].mean():8.3f}")
    return results


if __name__ == "__main__":
    main()
