"""The Tiny ImageNet study with a pretrained network: maps from its features, in closed form.

The parts before it train a network on Tiny ImageNet alone; this one is pretrained on ImageNet-1k,
which holds the classes of Tiny ImageNet.
"""

from __future__ import annotations

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
    takes a softmax of the cosines to them, divided by `temperature`; or the mean of the two.
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
            both = {"alpha": alphas[-1], "temperature": temperatures[0]}
            name = f"both, alpha {both['alpha']:g}, temperature {both['temperature']:g}{suffix}"
            maps[name] = {**space, **both}
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


class Map:
    """The mean of maps from features, powered already, to label vectors.

    Parameters
    ----------
    words : LabelEmbedding
        Gives the vectors.
    options : dict
        A value of `grid`.
    """

    def __init__(self, words: Any, options: dict[str, Any]) -> None:
        self.words = words
        self.options = options

    def fit(self, X: np.ndarray, y: np.ndarray) -> Map:
        """Fit each."""
        center, names = self.options["center"], np.unique(y)
        self.models: list[Any] = []
        if "alpha" in self.options:
            ridge = DeViSEClassifier(
                self.words, loss="mse", alpha=self.options["alpha"], center=center
            )
            self.models.append(ridge.fit(X, y))
        if "temperature" in self.options:
            self.shift = X.mean(axis=0)
            rows = normalize(X - self.shift)
            means = normalize(np.stack([rows[y == name].mean(axis=0) for name in names]))
            head = SourceHead(means / self.options["temperature"], np.zeros(len(names)), names)
            conse = ConSEClassifier(head, self.words, n_top=len(names), center=center)
            self.models.append(conse.fit())
        return self

    def transform(self, X: np.ndarray) -> np.ndarray:
        """Return the mean of their projections, each scaled to a mean length of 1."""
        parts = []
        for model in self.models:
            of_means = isinstance(model, ConSEClassifier)
            vectors = model.transform(normalize(X - self.shift) if of_means else X)
            parts.append(vectors / np.linalg.norm(vectors, axis=1).mean())
        return np.mean(parts, axis=0)

    def with_candidates(self, labels: np.ndarray) -> Any:
        """Return a model with the places of labels, which all have in common."""
        return self.models[0].with_candidates(labels)

    def scores(self, X: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """Return scores of sorted labels."""
        return self.transform(X) @ self.with_candidates(labels).class_vectors_.T


def _fold_figures(
    train_set: tuple[np.ndarray, np.ndarray], words: Any, options: dict[str, Any]
) -> dict[str, float]:
    """Return each criterion, a mean over folds of the training images."""
    X, y = train_set
    hits, similarities = [], []
    for train, test in StratifiedKFold(N_FOLDS, shuffle=True, random_state=SEED).split(X, y):
        labels = np.unique(y[train])
        scores = Map(words, options).fit(X[train], y[train]).scores(X[test], labels)
        hits.append(hit_at_k_score(y[test], scores, k=5, labels=labels, average="micro"))
    for train, test in ClassKFold(N_FOLDS, shuffle=True, random_state=SEED).split(X, y):
        labels = np.unique(y[test])
        scores = Map(words, options).fit(X[train], y[train]).scores(X[test], labels)
        similarities.append(
            semantic_similarity_score(y[test], top_labels(scores, labels), words, average="micro")
        )
    return dict(zip(CRITERIA, (float(np.mean(hits)), float(np.mean(similarities))), strict=True))


def _figures(features: Features, words: Any, options: dict[str, Any]) -> dict[str, Any]:
    fitted = Map(words, options).fit(*features.train)
    inputs = {"validation": features.validation[0], "CIFAR-100": features.cifar[0]}
    answers = of_model(fitted, inputs.__getitem__)
    seen, y = np.unique(features.train[1]), features.validation[1]
    scores = answers.project("validation") @ answers.places(seen).T
    vectors = answers.project("CIFAR-100")
    return {
        "validation": validation_figures(scores, y, words),
        "CIFAR-100": zero_shot_figures(answers, vectors, features.cifar[1], seen, words),
    }
