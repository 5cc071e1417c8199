"""What the choice of label vectors is worth on 20 unseen classes of CIFAR-100.

    python studies/label_embeddings.py

One method, its parameters fixed, on features that ship with the package; five class splits. Those
that need the extra ``text`` are left out where it is not installed.
"""

from __future__ import annotations

import argparse
from importlib.util import find_spec

import numpy as np
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer

from zeroshot import (
    ConcatEmbedding,
    DeViSEClassifier,
    DummyZeroShotClassifier,
    HashEmbedding,
    HierarchicalEmbedding,
    LabelEmbedding,
    SentenceEmbedding,
    WordNetEmbedding,
    WordVectors,
)
from zeroshot.datasets import load_cifar100_features
from zeroshot.metrics import SCORERS
from zeroshot.model_selection import ClassShuffleSplit
from zeroshot.taxonomy import class_synsets

SCORES = ("unseen_accuracy", "hit_at_5")


def embeddings() -> dict[str, LabelEmbedding]:
    """Return the label embeddings to compare, by name."""
    synsets = class_synsets("cifar100")
    words = WordVectors()
    kinds = WordNetEmbedding(vocabulary=list(synsets), overrides=synsets)
    compared: dict[str, LabelEmbedding] = {
        "WordVectors": words,
        "HierarchicalEmbedding(words)": HierarchicalEmbedding(words, synsets=synsets),
        "WordNetEmbedding": kinds,
        "words and WordNet": ConcatEmbedding([words, kinds]),
        "HashEmbedding (no meaning)": HashEmbedding(50),
    }
    if find_spec("sentence_transformers") is not None:
        sentences = SentenceEmbedding()
        compared |= {
            "SentenceEmbedding": sentences,
            "HierarchicalEmbedding(sentences)": HierarchicalEmbedding(sentences, synsets=synsets),
            "sentences and WordNet": ConcatEmbedding([sentences, kinds]),
        }
    return compared


def main(n_splits: int = 5) -> dict[str, float]:
    """Print mean unseen accuracy and hit@5 of every label embedding, and return the accuracies."""
    X, y = load_cifar100_features(return_X_y=True)
    names = np.unique(y)
    splits = ClassShuffleSplit(n_splits=n_splits, test_size=20, random_state=0)
    print(f"{'':<36} unseen   hit@5")
    results = {}
    options = {"candidates": names, "scenario": "unseen"}
    for title, embedding in embeddings().items():
        devise = DeViSEClassifier(embedding, loss="mse", alpha=10, gamma=2, **options)
        results[title] = _mean_scores(title, make_pipeline(Normalizer(), devise), X, y, splits)
    control = DummyZeroShotClassifier(WordVectors(), strategy="constant", **options)
    results["control: best constant"] = _mean_scores(
        "control: best constant", make_pipeline(control), X, y, splits
    )
    return results


def _mean_scores(
    title: str, model: object, X: np.ndarray, y: np.ndarray, splits: ClassShuffleSplit
) -> float:
    rows = []
    for seen, unseen in splits.split(X, y):
        model.fit(X[seen], y[seen])
        rows.append([SCORERS[name](model, X[unseen], y[unseen]) for name in SCORES])
    accuracy, hit = np.mean(rows, axis=0)
    print(f"{title:<36}  {accuracy:.3f}   {hit:.3f}", flush=True)
    return float(accuracy)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n-splits", type=int, default=5, help="class splits (default: 5)")
    main(parser.parse_args().n_splits)
