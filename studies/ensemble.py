"""Twenty unseen classes of CIFAR-100: a map learnt from images, the ImageNet head, and both.

    python studies/ensemble.py
    ZEROSHOT_DATA=FOLDER python studies/ensemble.py --archive

On the features that ship with the package, or on 40 training and 40 test images of each class of
the archive, at 128 pixels. Over five class splits; the map's penalty and ``gamma`` are chosen by
class folds among the seen classes of each split. The head's ImageNet classes hold some of the 20
classes under the same name: classes whose names are synonyms of an ImageNet class are reported
apart.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from archive_features import archive_features, first_of_each_class
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer

from zeroshot import (
    ConcatEmbedding,
    ConSEClassifier,
    DeViSEClassifier,
    DummyZeroShotClassifier,
    EnsembleZeroShotClassifier,
    SimilarityInitializer,
    SourceHead,
    TimmFeatures,
    WordNetEmbedding,
    WordNetSimilarity,
    WordVectors,
)
from zeroshot.datasets import label_texts, load_cifar100_features
from zeroshot.metrics import SCORERS
from zeroshot.model_selection import ClassKFold, ClassShuffleSplit
from zeroshot.taxonomy import class_synsets

IMAGE_SIZE = 128
GRID = {"deviseclassifier__alpha": [1, 3, 10, 30], "deviseclassifier__gamma": [1, 2, 4]}


def load(archive: bool) -> tuple[np.ndarray, np.ndarray, SourceHead]:
    """Return features, labels, and the ImageNet head for these features."""
    head = TimmFeatures(image_size=IMAGE_SIZE).fit().source_head_
    if not archive:
        data = load_cifar100_features()
        return data.data, data.target, head.project(data.components, data.mean)
    parts = [archive_features("cifar100", subset) for subset in ("train", "test")]
    rows = [first_of_each_class(part.target, 40) for part in parts]
    X = np.concatenate([part.data[chosen] for part, chosen in zip(parts, rows, strict=True)])
    y = np.concatenate([part.target[chosen] for part, chosen in zip(parts, rows, strict=True)])
    return X, y, head


def is_synonym(names: np.ndarray, head: SourceHead) -> np.ndarray:
    """Tell which names are those of a class of the head."""
    synonyms = {name.strip().lower() for text in head.labels for name in text.split(",")}
    return np.isin(np.char.lower(np.char.replace(names, "_", " ")), list(synonyms))


def learnt_map(X: np.ndarray, y: np.ndarray, embedding: Any, names: np.ndarray) -> Any:
    """Return a fitted map, its hyper-parameters chosen by folds of the classes in y."""
    devise = DeViSEClassifier(embedding, loss="mse", candidates=names, scenario="unseen")
    search = GridSearchCV(
        make_pipeline(Normalizer(), devise),
        GRID,
        cv=ClassKFold(4),
        scoring=SCORERS["unseen_accuracy"],
        error_score="raise",
    )
    return search.fit(X, y).best_estimator_


def models(X: np.ndarray, y: np.ndarray, head: SourceHead, names: np.ndarray) -> dict[str, Any]:
    """Return fitted models over all names, of which those not in y may win."""
    synsets = {**dict(zip(head.labels.tolist(), head.wnids.tolist(), strict=True))}
    synsets |= class_synsets("cifar100")
    words = WordVectors(overrides=label_texts("cifar100"))
    of_all = WordNetEmbedding(
        vocabulary=sorted({*names.tolist(), *head.labels.tolist()}), overrides=synsets
    )
    of_seen = WordNetEmbedding(vocabulary=names, overrides=synsets)
    learnt = learnt_map(X, y, ConcatEmbedding([words, of_seen]), names)
    by_words = learnt_map(X, y, words, names)
    guesses = ConSEClassifier(head, ConcatEmbedding([words, of_all]))
    guesses_by_words = ConSEClassifier(head, words)
    rows = SimilarityInitializer(
        head, WordNetSimilarity("jcn"), normalize="equal", synsets=class_synsets("cifar100")
    )

    def ensemble(*members: Any) -> EnsembleZeroShotClassifier:
        named = [
            (f"m{i}", FrozenEstimator(m) if hasattr(m, "classes_") else m)
            for i, m in enumerate(members)
        ]
        model = EnsembleZeroShotClassifier(named, candidates=names, scenario="unseen")
        return model.fit(X, y)

    return {
        "control: best constant": DummyZeroShotClassifier(
            words, strategy="constant", candidates=names, scenario="unseen"
        ).fit(X, y),
        "map, words": by_words,
        "map, words and WordNet": learnt,
        "head, ConSE, words": ensemble(guesses_by_words),
        "head, ConSE, words and WordNet": ensemble(guesses),
        "head, rows by similarity": ensemble(rows),
        "both, ConSE, words": ensemble(by_words, guesses_by_words),
        "both, ConSE, words and WordNet": ensemble(learnt, guesses),
        "both, ConSE and rows": ensemble(learnt, guesses, rows),
    }


def main(archive: bool = False, n_splits: int = 5, file: str | None = None) -> dict[str, Any]:
    """Run the comparison, print it, and return top-1 accuracies by group of classes."""
    X, y, head = load(archive)
    names = np.unique(y)
    known = is_synonym(y, head)
    hits: dict[str, list[list[float]]] = {}
    splits = ClassShuffleSplit(n_splits=n_splits, test_size=20, random_state=0)
    for train, test in splits.split(X, y):
        for name, model in models(X[train], y[train], head, names).items():
            hit = model.predict(X[test]) == y[test]
            groups = (hit, hit[known[test]], hit[~known[test]])
            hits.setdefault(name, []).append([float(group.mean()) for group in groups])
    groups = ("all", "synonyms", "the rest")
    print(f"{'20 unseen classes of CIFAR-100':<34}" + "".join(f"{g:>10}" for g in groups))
    results = {}
    for name, values in hits.items():
        results[name] = dict(zip(groups, np.mean(values, axis=0).tolist(), strict=True))
        print(f"{name:<34}" + "".join(f"{results[name][g]:10.3f}" for g in groups))
    if file:
        what = {"archive": archive, "n_splits": n_splits, "results": results}
        Path(file).write_text(json.dumps(what, indent=1) + "\n")
    return results


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--archive", action="store_true", help="images of ZEROSHOT_DATA")
    parser.add_argument("--json", metavar="FILE", help="also write the results there")
    options = parser.parse_args()
    main(options.archive, file=options.json)
