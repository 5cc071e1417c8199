"""Seen and unseen classes together: accuracy on both, before and after calibration.

    python studies/generalized.py

Fits on 80 classes of CIFAR-100, from features that ship along, and names samples of all 100 with
all 100 candidate labels, over five class splits. What is subtracted from the scores of seen classes
is chosen on classes held out of the 80.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any

import numpy as np
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer

from zeroshot import (
    CalibratedStacking,
    ConSEClassifier,
    DeViSEClassifier,
    WordVectors,
    evaluate_zero_shot,
)
from zeroshot.datasets import label_texts, load_cifar100_features
from zeroshot.evaluation import ZeroShotEvaluation
from zeroshot.model_selection import ClassShuffleSplit

FIGURES = ("seen_accuracy", "unseen_accuracy", "harmonic_mean", "ausuc")


def main(n_splits: int = 5) -> dict[str, dict[str, float]]:
    """Run the comparison, print it, and return the figures of each row."""
    X, y = load_cifar100_features(return_X_y=True)
    n_train = len(load_cifar100_features(subset="train", return_X_y=True)[1])
    vectors = WordVectors(overrides=label_texts("cifar100"))
    shared = {"label_embedding": vectors, "candidates": np.unique(y)}
    models = {
        "DeViSE, squared error": DeViSEClassifier(**shared, loss="mse", alpha=10),
        "DeViSE, squared error, gamma=2": DeViSEClassifier(**shared, loss="mse", alpha=10, gamma=2),
        "ConSE on logistic regression": ConSEClassifier(**shared),
    }
    rows: dict[str, list[list[float]]] = {}
    for _, unseen in ClassShuffleSplit(n_splits, test_size=20, random_state=0).split(X, y):
        is_unseen = np.isin(np.arange(len(y)), unseen)
        held_out = np.arange(len(y)) >= n_train
        fit, test = ~is_unseen & ~held_out, is_unseen | held_out
        for name, model in models.items():
            for row, figures in _rows(name, model, X[fit], y[fit], X[test], y[test]):
                rows.setdefault(row, []).append(figures)
    print(f"{'all 100 classes of CIFAR-100':<46}{'seen':>8}{'unseen':>8}{'H':>8}{'AUSUC':>8}")
    means = {row: np.mean(figures, axis=0) for row, figures in rows.items()}
    for row, values in sorted(means.items(), key=lambda item: item[0].startswith("control")):
        seen, unseen, harmonic, ausuc = values
        print(f"{row:<46}{seen:8.3f}{unseen:8.3f}{harmonic:8.3f}{ausuc:8.4f}")
    return {row: dict(zip(FIGURES, values.tolist(), strict=True)) for row, values in means.items()}


def _rows(
    name: str, model: Any, X: np.ndarray, y: np.ndarray, X_test: np.ndarray, y_test: np.ndarray
) -> Iterator[tuple[str, list[float]]]:
    """Yield the figures of a model as it is, calibrated, and at its ceiling; then the controls."""
    for row, classifier in {name: model, f"{name}, calibrated": CalibratedStacking(model)}.items():
        result = evaluate(make_pipeline(Normalizer(), classifier).fit(X, y), X_test, y_test)
        yield row, [result[figure].value for figure in FIGURES]
    seen, unseen, _ = result.curve
    harmonic = 2 * seen * unseen / np.maximum(seen + unseen, 1e-12)
    best = harmonic.argmax()
    ceiling = [seen[best], unseen[best], harmonic[best], result["ausuc"].value]
    yield f"{name}, ceiling", ceiling
    yield "control: best constant", [result[figure].best_constant for figure in FIGURES]
    yield "control: random label", [result[figure].random_label for figure in FIGURES]


def evaluate(model: Any, X: np.ndarray, y: np.ndarray) -> ZeroShotEvaluation:
    """Measure the four figures, and nothing else."""
    return evaluate_zero_shot(
        model,
        X,
        y,
        hit_at=(),
        hierarchical_precision_at=(),
        semantic_similarity_at=(),
        n_bootstrap=0,
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n-splits", type=int, default=5, help="class splits (default: 5)")
    main(parser.parse_args().n_splits)
