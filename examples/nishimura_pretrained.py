"""The Tiny ImageNet study with a pretrained network: maps from its features, in closed form."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from archive_features import archive_features
from nishimura_answers import (
    Answers,
    cifar_labels,
    controls,
    of_model,
    top_labels,
    validation_figures,
    zero_shot_figures,
)
from nishimura_training import SEED, TEXTS
from sklearn.model_selection import StratifiedKFold
from sklearn.preprocessing import normalize

from zeroshot import DeViSEClassifier, WordVectors
from zeroshot.datasets import load_cifar100_features
from zeroshot.metrics import hit_at_k_score, semantic_similarity_score
from zeroshot.model_selection import ClassKFold

CRITERIA = ("hit@5 of held-out images", "similarity@3 of held-out classes")
N_FOLDS = 4


@dataclass(frozen=True)
class Features:
    """Unit-length features of images to train on, to validate on, and of CIFAR-100, with labels."""

    train: tuple[np.ndarray, np.ndarray]
    validation: tuple[np.ndarray, np.ndarray]
    cifar: tuple[np.ndarray, np.ndarray]


def of_archives() -> Features:
    """Return features of the default network at 128 pixels: computed once, and kept."""
    sets = (("tiny_imagenet", "train"), ("tiny_imagenet", "val"), ("cifar100", "test"))
    bunches = [archive_features(*names) for names in sets]
    return Features(*((normalize(bunch.data), bunch.target) for bunch in bunches))


def shipped() -> Features:
    """Return the features that ship: 60 classes of CIFAR-100 to train on, the rest for transfer."""
    seen = cifar_labels()[:60]
    parts = {}
    for subset in ("train", "test"):
        X, y = load_cifar100_features(subset=subset, return_X_y=True)
        known = np.isin(y, seen)
        parts[subset] = (normalize(X[known]), y[known]), (normalize(X[~known]), y[~known])
    return Features(parts["train"][0], parts["test"][0], parts["test"][1])


def grid(preset: str) -> dict[str, dict[str, Any]]:
    """Return the parameters to choose from, by name."""
    alphas = (1.0, 3.0, 10.0, 30.0) if preset != "tiny" else (1.0, 10.0)
    spaces: dict[str, dict[str, Any]] = {
        "uncentred": {"center": False},
        "centred": {"center": True},
        "centred, gamma 2": {"center": True, "gamma": 2.0},
        "uncentred, gamma 4": {"center": False, "gamma": 4.0},
    }
    return {
        f"ridge {name}, alpha {alpha:g}": {**space, "alpha": alpha}
        for name, space in spaces.items()
        for alpha in alphas
    }


def pretrained(features: Features, preset: str) -> dict[str, Any]:
    """Return what folds of the training images say of each map, and the figures of the chosen.

    Hits are chosen for by folds of images, whose classes are all trained on; similarity by folds of
    classes, the held-out ones being the only answers: nothing of validation or CIFAR-100 is seen.
    """
    words = WordVectors(overrides=TEXTS)
    candidates = grid(preset)
    folds = {name: _fold_figures(features, words, options) for name, options in candidates.items()}
    results: dict[str, Any] = {"folds": folds, "chosen": {}}
    for criterion in CRITERIA:
        best = max(folds, key=lambda name: folds[name][criterion])
        model = _map(words, candidates[best]).fit(*features.train)
        inputs = {"validation": features.validation[0], "CIFAR-100": features.cifar[0]}
        answers = of_model(model, inputs.__getitem__)
        results["chosen"][criterion] = {"map": best, **_figures(answers, features, words)}
    seen = np.unique(features.train[1])
    results["controls"] = controls(features.cifar[1], seen, words)
    results["controls"]["chance of hit@5"] = {"validation": 5 / len(seen), "CIFAR-100": 5 / 100}
    return results


def _map(words: Any, options: dict[str, Any]) -> DeViSEClassifier:
    return DeViSEClassifier(words, loss="mse", random_state=SEED, **options)


def _folds(X: np.ndarray, y: np.ndarray, splitter: Any) -> Iterator[tuple[Any, Any, Any, Any]]:
    for train, test in splitter.split(X, y):
        yield X[train], y[train], X[test], y[test]


def _fold_figures(features: Features, words: Any, options: dict[str, Any]) -> dict[str, float]:
    """Return each criterion, a mean over folds of the training images."""
    X, y = features.train
    hits, similarities = [], []
    of_images = StratifiedKFold(N_FOLDS, shuffle=True, random_state=SEED)
    for X_train, y_train, X_test, y_test in _folds(X, y, of_images):
        model = _map(words, options).fit(X_train, y_train)
        scores = model.decision_function(X_test)
        hits.append(hit_at_k_score(y_test, scores, k=5, labels=model.classes_, average="micro"))
    of_classes = ClassKFold(N_FOLDS, shuffle=True, random_state=SEED)
    for X_train, y_train, X_test, y_test in _folds(X, y, of_classes):
        model = _map(words, options).fit(X_train, y_train).with_candidates(np.unique(y_test))
        top = top_labels(model.decision_function(X_test), model.classes_)
        similarities.append(semantic_similarity_score(y_test, top, words))
    return dict(zip(CRITERIA, (float(np.mean(hits)), float(np.mean(similarities))), strict=True))


def _figures(answers: Answers, features: Features, words: Any) -> dict[str, Any]:
    seen, y = np.unique(features.train[1]), features.validation[1]
    scores = answers.project("validation") @ answers.places(seen).T
    vectors = answers.project("CIFAR-100")
    return {
        "validation": validation_figures(scores, y, words),
        "CIFAR-100": zero_shot_figures(answers, vectors, features.cifar[1], seen, words),
    }
