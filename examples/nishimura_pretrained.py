"""The Tiny ImageNet study with a pretrained network: maps from its features, in closed form.

The parts before it train a network on Tiny ImageNet alone; this one is pretrained on ImageNet-1k,
which holds the classes of Tiny ImageNet.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from archive_features import archive_features
from nishimura_answers import (
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

from zeroshot import ConSEClassifier, DeViSEClassifier, SourceHead, WordVectors
from zeroshot.datasets import load_cifar100_features
from zeroshot.metrics import hit_at_k_score, semantic_similarity_score
from zeroshot.model_selection import ClassKFold

CRITERIA = ("hit@5 of held-out images", "similarity@3 of held-out classes")
N_FOLDS = 2  # half of the classes are 100 labels to answer from, as many as CIFAR-100 has


@dataclass(frozen=True)
class Features:
    """Features of images to train on, to validate on, and of CIFAR-100, with labels."""

    train: tuple[np.ndarray, np.ndarray]
    validation: tuple[np.ndarray, np.ndarray]
    cifar: tuple[np.ndarray, np.ndarray]

    def powered(self, power: float) -> Features:
        """Return features raised to a power, of unit length."""
        sets = (self.train, self.validation, self.cifar)
        return Features(
            *((normalize(X if power == 1 else np.maximum(X, 0) ** power), y) for X, y in sets)
        )


def of_archives() -> Features:
    """Return features of the default network at 128 pixels: computed once, and kept."""
    sets = (("tiny_imagenet", "train"), ("tiny_imagenet", "val"), ("cifar100", "test"))
    bunches = [archive_features(*names) for names in sets]
    return Features(*((bunch.data, bunch.target) for bunch in bunches))


def shipped() -> Features:
    """Return the features that ship: 60 classes of CIFAR-100 to train on, the rest for transfer."""
    seen = cifar_labels()[:60]
    parts = {}
    for subset in ("train", "test"):
        X, y = load_cifar100_features(subset=subset, return_X_y=True)
        known = np.isin(y, seen)
        parts[subset] = (X[known], y[known]), (X[~known], y[~known])
    return Features(parts["train"][0], parts["test"][0], parts["test"][1])


def grid(preset: str) -> dict[str, dict[str, Any]]:
    """Return the maps to choose from: parameters by name.

    Features, which are not negative, are raised to `power`, and brought to unit length. Then either
    ridge regression to the label vectors, with penalty `alpha`; or ConSE over class means, which
    takes a softmax of the cosines to them, divided by `temperature`.
    """
    powers, alphas, temperatures = (1.0, 0.3), (1.0, 10.0), (0.07, 0.1)
    if preset == "tiny":  # what ships is not features, but their principal components
        powers, alphas, temperatures = (1.0,), (1.0, 10.0), (0.1,)
    maps: dict[str, dict[str, Any]] = {}
    for power in powers:
        for center in (False, True):
            space = {"power": power, "center": center}
            suffix = f", power {power:g}, {'centred' if center else 'uncentred'}"
            for alpha in alphas:
                maps[f"ridge, alpha {alpha:g}{suffix}"] = {**space, "alpha": alpha}
            for temperature in temperatures:
                name = f"class means, temperature {temperature:g}{suffix}"
                maps[name] = {**space, "temperature": temperature}
    return maps


def pretrained(features: Features, preset: str) -> dict[str, Any]:
    """Return what folds of the training images say of each map, and the figures of the chosen.

    Hits are chosen for by folds of images, whose classes are all trained on; similarity by folds of
    classes, the held-out ones being the only answers: nothing of validation or CIFAR-100 is seen.
    """
    words = WordVectors(overrides=TEXTS)
    maps = grid(preset)
    # Maps of one power share its rows, which take longer to raise to it than a map to fit.
    of_power = {power: features.powered(power) for power in {m["power"] for m in maps.values()}}
    folds = {
        name: _fold_figures(of_power[options["power"]].train, words, options)
        for name, options in maps.items()
    }
    results: dict[str, Any] = {"folds": folds, "chosen": {}}
    for criterion in CRITERIA:
        best = max(folds, key=lambda name: folds[name][criterion])
        results["chosen"][criterion] = {
            "map": best,
            **_figures(of_power[maps[best]["power"]], words, maps[best]),
        }
    seen = np.unique(features.train[1])
    results["controls"] = controls(features.cifar[1], seen, words)
    results["controls"]["chance of hit@5"] = {"validation": 5 / len(seen), "CIFAR-100": 5 / 100}
    return results


def fit_map(
    words: Any, options: dict[str, Any], X: np.ndarray, y: np.ndarray
) -> tuple[Callable[[np.ndarray], np.ndarray], Any]:
    """Return what prepares features, powered already, and the classifier fitted on them."""
    shift = X.mean(axis=0) if "temperature" in options else np.zeros_like(X[0])

    def prepare(rows: np.ndarray) -> np.ndarray:
        return normalize(rows - shift)

    center = options["center"]
    if "alpha" in options:
        ridge = DeViSEClassifier(words, loss="mse", alpha=options["alpha"], center=center)
        return prepare, ridge.fit(prepare(X), y)
    prepared, names = prepare(X), np.unique(y)
    means = normalize(np.stack([prepared[y == name].mean(axis=0) for name in names]))
    head = SourceHead(means / options["temperature"], np.zeros(len(names)), names)
    return prepare, ConSEClassifier(head, words, n_top=len(names), center=center).fit()


def _fold_figures(
    train_set: tuple[np.ndarray, np.ndarray], words: Any, options: dict[str, Any]
) -> dict[str, float]:
    """Return each criterion, a mean over folds of the training images."""
    X, y = train_set
    hits, similarities = [], []
    for train, test in StratifiedKFold(N_FOLDS, shuffle=True, random_state=SEED).split(X, y):
        prepare, model = fit_map(words, options, X[train], y[train])
        model = model.with_candidates(np.unique(y[train]))
        scores = model.decision_function(prepare(X[test]))
        hits.append(hit_at_k_score(y[test], scores, k=5, labels=model.classes_, average="micro"))
    for train, test in ClassKFold(N_FOLDS, shuffle=True, random_state=SEED).split(X, y):
        prepare, model = fit_map(words, options, X[train], y[train])
        model = model.with_candidates(np.unique(y[test]))
        top = top_labels(model.decision_function(prepare(X[test])), model.classes_)
        similarities.append(semantic_similarity_score(y[test], top, words))
    return dict(zip(CRITERIA, (float(np.mean(hits)), float(np.mean(similarities))), strict=True))


def _figures(features: Features, words: Any, options: dict[str, Any]) -> dict[str, Any]:
    prepare, model = fit_map(words, options, *features.train)
    inputs = {"validation": features.validation[0], "CIFAR-100": features.cifar[0]}
    answers = of_model(model, lambda subset: prepare(inputs[subset]))
    seen, y = np.unique(features.train[1]), features.validation[1]
    scores = answers.project("validation") @ answers.places(seen).T
    vectors = answers.project("CIFAR-100")
    return {
        "validation": validation_figures(scores, y, words),
        "CIFAR-100": zero_shot_figures(answers, vectors, features.cifar[1], seen, words),
    }
