"""What the corrections against hubs are worth on twenty unseen classes of CIFAR-100.

    python studies/hubs.py

On the features that ship with the package, over five class splits, parameters fixed. Beside the
top-1 accuracy stands the share of the images that the most frequent answer takes, which is 0.05
where all twenty classes are answered equally often.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.preprocessing import normalize

from zeroshot import (
    ConcatEmbedding,
    ConSEClassifier,
    DeViSEClassifier,
    WordNetEmbedding,
    WordVectors,
)
from zeroshot.datasets import label_texts, load_cifar100_features
from zeroshot.model_selection import ClassShuffleSplit
from zeroshot.taxonomy import class_synsets

CORRECTIONS = (None, "zscore", "csls")


def models(names: np.ndarray) -> dict[str, Any]:
    """Return what is corrected."""
    words = WordVectors(overrides=label_texts("cifar100"))
    taxonomy = WordNetEmbedding(vocabulary=names, overrides=class_synsets("cifar100"))
    shared = {"candidates": names, "scenario": "unseen"}
    ridge = {**shared, "loss": "mse", "alpha": 10}
    return {
        "DeViSE, squared error": DeViSEClassifier(words, **ridge),
        "  center=False": DeViSEClassifier(words, center=False, **ridge),
        "  gamma=2": DeViSEClassifier(words, gamma=2, **ridge),
        "  gamma=2, words and WordNet": DeViSEClassifier(
            ConcatEmbedding([words, taxonomy]), gamma=2, **ridge
        ),
        "ConSE on logistic regression": ConSEClassifier(None, words, **shared),
    }


def main(n_splits: int = 5, file: str | None = None) -> dict[str, dict[str, list[float]]]:
    """Run the comparison, print it, and return accuracy and largest share by model."""
    X, y = load_cifar100_features(return_X_y=True)
    X = normalize(X)
    splits = ClassShuffleSplit(n_splits=n_splits, test_size=20, random_state=0)
    title = f"{'20 unseen classes of CIFAR-100':<32}"
    print(title + "".join(f"{str(c):>20}" for c in CORRECTIONS))
    print(" " * len(title) + f"{'top-1, largest':>20}" * len(CORRECTIONS))
    results: dict[str, dict[str, list[float]]] = {}
    for name, model in models(np.unique(y)).items():
        results[name] = {}
        for correction in CORRECTIONS:
            figures = []
            for train, test in splits.split(X, y):
                fitted = clone(model).set_params(hubness=correction).fit(X[train], y[train])
                answers = fitted.predict(X[test])
                largest = np.unique(answers, return_counts=True)[1].max() / len(answers)
                figures.append([float((answers == y[test]).mean()), float(largest)])
            results[name][str(correction)] = np.mean(figures, axis=0).tolist()
        cells = [f"{top:13.3f},{share:6.2f}" for top, share in results[name].values()]
        print(f"{name:<{len(title)}}" + "".join(cells))
    if file:
        Path(file).write_text(json.dumps({"n_splits": n_splits, "results": results}, indent=1))
    return results


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", metavar="FILE", help="also write the results there")
    main(file=parser.parse_args().json)
