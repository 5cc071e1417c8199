"""Seen and unseen classes together: accuracy on both, before and after calibration.

    python studies/generalized.py
    ZEROSHOT_DATA=FOLDER python studies/generalized.py --archive --json FILE

Fits on 80 classes of CIFAR-100, from features that ship along, and names samples of all 100 with
all 100 candidate labels, over five class splits. What is subtracted from the scores of seen classes
is chosen on classes held out of the 80.

``--archive`` does the same with all features of the archive and the ImageNet head, which knows
names: `FewShotClassifier` on the 80 classes, with two priors that need no images, the head's rows
by similarity (the best before) and the rows predicted from descriptions. Differences between the
two are given by split.
"""

from __future__ import annotations

import argparse
import json
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from archive_features import archive_features
from described_classes import Parts
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer

from zeroshot import (
    CalibratedStacking,
    ConSEClassifier,
    DeViSEClassifier,
    FewShotClassifier,
    HeadRegressionClassifier,
    SimilarityInitializer,
    TimmFeatures,
    WordNetSimilarity,
    WordVectors,
    evaluate_zero_shot,
)
from zeroshot.datasets import label_texts, load_cifar100_features
from zeroshot.evaluation import ZeroShotEvaluation
from zeroshot.exceptions import LabelWarning
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


def archive(n_splits: int = 5) -> dict[str, dict[str, Any]]:
    """Run the comparison with the head, print it, and return the figures of each model."""
    sets = [archive_features("cifar100", subset) for subset in ("train", "test")]
    X, y = (np.concatenate([part[name] for part in sets]) for name in ("data", "target"))
    to_fit = np.arange(len(y)) < len(sets[0].target)
    parts = Parts("cifar100", np.unique(y), TimmFeatures(image_size=128).fit().source_head_)
    known: dict[str, Any] = {"candidates": parts.names}
    rows = SimilarityInitializer(
        parts.head, WordNetSimilarity("jcn"), normalize="equal", synsets=parts.synsets, **known
    )
    predicted = HeadRegressionClassifier(
        parts.head,
        [parts.path, parts.gloss, parts.words],
        weights=[2, 2, 1],
        alpha=0.1,
        overrides=parts.synsets,
        **known,
    )
    priors = {"rows by similarity": rows.fit(), "predicted weights": predicted.fit()}
    found: dict[str, list[list[float]]] = {}
    for _, unseen in ClassShuffleSplit(n_splits, test_size=20, random_state=0).split(X, y):
        is_unseen = np.isin(np.arange(len(y)), unseen)
        fit, test = ~is_unseen & to_fit, is_unseen | ~to_fit
        for name, prior in priors.items():
            # Logistic regression would be fitted in each fold, for minutes.
            few_shot = FewShotClassifier(FrozenEstimator(prior), regression_weight=0, **known)
            model = CalibratedStacking(few_shot).fit(X[fit], y[fit])
            result = evaluate(model, X[test], y[test])
            found.setdefault(name, []).append([result[figure].value for figure in FIGURES])
            for control in ("best_constant", "random_label"):
                values = [getattr(result[figure], control) for figure in FIGURES]
                if name == "predicted weights":
                    found.setdefault(f"control: {control}", []).append(values)
            print(name, np.round(found[name][-1], 3), flush=True)
    gains = np.subtract(found["predicted weights"], found["rows by similarity"])
    print(f"{'all 100 classes of CIFAR-100, with the head':<46}seen, unseen, H, AUSUC")
    results: dict[str, dict[str, Any]] = {}
    for row, figures in found.items():
        means = np.mean(figures, axis=0)
        results[row] = dict(zip(FIGURES, np.round(means, 4).tolist(), strict=True))
        print(f"{row:<46}" + "".join(f"{value:8.3f}" for value in means))
    results["gain by split"] = {
        figure: np.round(values, 4).tolist()
        for figure, values in zip(FIGURES, gains.T, strict=True)
    }
    return results


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
    parser.add_argument("--archive", action="store_true", help="all features, and the head")
    parser.add_argument(
        "--json", metavar="FILE", help="with --archive: also write the results there"
    )
    options = parser.parse_args()
    if options.archive:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", LabelWarning)  # some words have no vector
            figures = archive(options.n_splits)
        if options.json:
            command = "ZEROSHOT_DATA=FOLDER python studies/generalized.py --archive --json "
            record = {"command": command + options.json, **figures}
            Path(options.json).write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    else:
        main(options.n_splits)
