"""Name images of twenty classes that were never trained on, from features that ship along.

    python studies/unseen_classes.py

Prints the accuracy of every method beside two controls, over five class splits, with two label
sides: word vectors, and word vectors beside the WordNet taxonomy. Penalties and ``gamma`` are
chosen by folds over the 80 seen classes of each split; trained methods keep their defaults.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.model_selection import GridSearchCV
from sklearn.preprocessing import normalize

from zeroshot import (
    ALEClassifier,
    AttributeTable,
    ConcatEmbedding,
    ConSEClassifier,
    DeViSEClassifier,
    DummyZeroShotClassifier,
    ESZSLClassifierCV,
    LabelEmbedding,
    SAEClassifier,
    SJEClassifier,
    Training,
    WordNetEmbedding,
    WordVectors,
)
from zeroshot.datasets import label_texts, load_cifar100_features
from zeroshot.metrics import SCORERS
from zeroshot.model_selection import ClassKFold, ClassShuffleSplit
from zeroshot.taxonomy import class_synsets

FOLDS = ClassKFold(5, shuffle=True, random_state=0)
GAMMAS = [None, 1.0, 2.0, 4.0]

Fit = Callable[[np.ndarray, np.ndarray], Any]


def label_sides(names: np.ndarray) -> dict[str, list[LabelEmbedding]]:
    """Return the label embeddings that are compared, each looked up once."""
    words = WordVectors(overrides=label_texts("cifar100"))
    taxonomy = WordNetEmbedding(vocabulary=names, overrides=class_synsets("cifar100"))
    both = ConcatEmbedding([words, taxonomy])
    words, both = (AttributeTable(side.embed(names), labels=names) for side in (words, both))
    return {
        "words": [words],
        "words and WordNet": [both],
        "either, chosen by the folds": [words, both],
    }


def methods(embeddings: list[LabelEmbedding], names: np.ndarray) -> dict[str, Fit]:
    """Return, for each method and control, what fits it to features and labels."""

    def eszsl(X: np.ndarray, y: np.ndarray) -> ESZSLClassifierCV:
        searches = [
            ESZSLClassifierCV(each, gamma=gamma, cv=FOLDS, **unseen).fit(X, y)
            for each in embeddings
            for gamma in GAMMAS
        ]
        return max(searches, key=lambda search: search.best_score_)

    def chosen(model: Any, **grid: list) -> Fit:
        scoring = SCORERS["mean_class_accuracy"]
        return GridSearchCV(model, grid, cv=FOLDS, scoring=scoring, error_score="raise").fit

    unseen = {"candidates": names, "scenario": "unseen"}
    if len(embeddings) > 1:
        return {"ESZSL": eszsl}
    shared = {"label_embedding": embeddings[0], **unseen}
    trained = {**shared, "random_state": 0, "training": Training(device="cpu")}
    ridge = DeViSEClassifier(**shared, loss="mse")
    alphas, weights = [1.0, 10.0, 100.0], [0.1, 1.0, 10.0]
    random = DummyZeroShotClassifier(**shared, strategy="random", random_state=0)
    return {
        "ridge on centred vectors": chosen(ridge, alpha=alphas),
        "DeViSE, squared error": chosen(ridge, alpha=alphas, gamma=GAMMAS),
        "DeViSE, hinge rank loss": DeViSEClassifier(**trained).fit,
        "ALE": ALEClassifier(**trained).fit,
        "SJE": SJEClassifier(**trained).fit,
        "ConSE on logistic regression": ConSEClassifier(**shared).fit,
        "SAE": chosen(SAEClassifier(**shared), encoder_weight=weights, gamma=GAMMAS),
        "ESZSL": eszsl,
        "control: best constant": DummyZeroShotClassifier(**shared, strategy="constant").fit,
        "control: random label": random.fit,
    }


def accuracies(fit: Fit, X: np.ndarray, y: np.ndarray, n_splits: int) -> np.ndarray:
    """Return top-1 and hit@5 on the unseen classes, means over the splits."""
    scorers = [SCORERS["unseen_accuracy"], SCORERS["hit_at_5"]]
    scores = []
    splits = ClassShuffleSplit(n_splits=n_splits, test_size=20, random_state=0)
    for seen, unseen in splits.split(X, y):
        model = fit(X[seen], y[seen])
        scores.append([scorer(model, X[unseen], y[unseen]) for scorer in scorers])
    return np.mean(scores, axis=0)


def main(n_splits: int = 5, only: str | None = None) -> dict[str, dict[str, float]]:
    """Run the comparison, print it, and return the top-1 accuracies by label side and method."""
    X, y = load_cifar100_features(return_X_y=True)
    X, names = normalize(X), np.unique(y)
    print(f"{'20 unseen classes of CIFAR-100':<34}{'top-1':>8}{'hit@5':>8}")
    results: dict[str, dict[str, float]] = {}
    for side, embeddings in label_sides(names).items():
        if only not in (None, side):
            continue
        print(side)
        results[side] = {}
        for name, fit in methods(embeddings, names).items():
            top_1, hit_at_5 = accuracies(fit, X, y, n_splits)
            results[side][name] = float(top_1)
            print(f"  {name:<32}{top_1:8.3f}{hit_at_5:8.3f}", flush=True)
    return results


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n-splits", type=int, default=5, help="class splits (default: 5)")
    main(parser.parse_args().n_splits)
