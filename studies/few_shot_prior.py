"""From no image a class to a hundred: what a prior that knows the names is worth.

    ZEROSHOT_DATA=FOLDER python studies/few_shot_prior.py
    ZEROSHOT_DATA=FOLDER python studies/few_shot_prior.py --preset development
    python studies/few_shot_prior.py --preset tiny

Top-1 accuracy among the 100 classes of CIFAR-100 at 128 pixels, drawing the training images of each
class anew for each draw, on all test images; apart, for the 25 classes whose names are synonyms of
an ImageNet class, which the network was trained on, and for the rest. Two priors: the rows of the
ImageNet head carried over by WordNet similarity, which was the best one before, and the rows that
`HeadRegressionClassifier` predicts from descriptions. Differences are paired over draws, with 95 %
t-intervals: to both controls, to the better part, and to the prior from before.

``--preset development`` is where the classifier's two constants and the priors were chosen:
Tiny ImageNet's training images, with its 200 classes taken out of the ImageNet head. It also prints
how far class means of n images set the right class apart, beside the formula that stands for it.
``--preset tiny`` is a quick run on the features that ship with the package.
"""

from __future__ import annotations

import argparse
import json
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from archive_features import archive_features
from class_groups import is_source_synonym
from scipy.stats import t as student
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer, normalize

from zeroshot import (
    FewShotClassifier,
    GlossEmbedding,
    HeadRegressionClassifier,
    SimilarityInitializer,
    SourceHead,
    TimmFeatures,
    WordNetSimilarity,
    WordVectors,
)
from zeroshot.datasets import label_texts, load_cifar100_features
from zeroshot.estimators import _few_shot_regression
from zeroshot.estimators._few_shot import DEFAULT_STRENGTH, HALF_STRENGTH_IMAGES
from zeroshot.taxonomy import class_synsets

IMAGE_SIZE = 128


class NearestMean(ClassifierMixin, BaseEstimator):
    """Cosine to the mean of each class's unit-length features: the control."""

    def fit(self, X: np.ndarray, y: np.ndarray) -> NearestMean:
        """Take the means."""
        X = normalize(X)
        self.classes_ = np.unique(y)
        self.means_ = normalize(np.stack([X[y == name].mean(axis=0) for name in self.classes_]))
        return self

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Return the class of the nearest mean."""
        return self.classes_[(X @ self.means_.T).argmax(axis=1)]


@dataclass(frozen=True)
class Study:
    """Images to draw from and to test on, the head, and what the classes are called."""

    X: np.ndarray
    y: np.ndarray
    X_test: np.ndarray
    y_test: np.ndarray
    head: SourceHead
    synsets: dict[str, str]
    texts: dict[str, str]

    @property
    def known(self) -> np.ndarray:
        """Which test images are of a class whose name is a synonym of a class of the head."""
        return is_source_synonym(self.y_test, self.head)

    def draw(self, n_images: int, seed: int) -> np.ndarray:
        """Return the rows of `n_images` of each class."""
        rng = np.random.default_rng(seed)
        rows = [np.flatnonzero(self.y == name) for name in np.unique(self.y)]
        return np.concatenate([rng.choice(of_class, n_images, replace=False) for of_class in rows])


def cifar100() -> Study:
    """Return CIFAR-100's archive, at 128 pixels."""
    train, test = archive_features("cifar100", "train"), archive_features("cifar100", "test")
    head = TimmFeatures(image_size=IMAGE_SIZE).fit().source_head_
    names = class_synsets("cifar100"), label_texts("cifar100")
    return Study(train.data, train.target, test.data, test.target, head, *names)


def bundled() -> Study:
    """Return the features that ship with the package: 40 and 10 images of each class."""
    train, test = load_cifar100_features(subset="train"), load_cifar100_features(subset="test")
    head = TimmFeatures(image_size=IMAGE_SIZE).fit().source_head_
    head = head.project(train.components, train.mean)
    names = class_synsets("cifar100"), label_texts("cifar100")
    return Study(train.data, train.target, test.data, test.target, head, *names)


def tiny_imagenet() -> Study:
    """Return 40 training images of each class of Tiny ImageNet, and 40 more to test on."""
    data = archive_features("tiny_imagenet", "train")
    rank = np.empty(len(data.target), dtype=np.int64)
    for name in np.unique(data.target):
        rows = np.flatnonzero(data.target == name)
        rank[rows] = np.arange(len(rows))
    train, test = rank < 40, (rank >= 40) & (rank < 80)
    synsets = class_synsets("tiny_imagenet")
    head = TimmFeatures(image_size=IMAGE_SIZE).fit().source_head_
    kept = ~np.isin(head.wnids, list(synsets.values()))
    head = SourceHead(*(a[kept] for a in (head.coef, head.intercept, head.labels, head.wnids)))
    texts = {"gasmask": "gas mask", "jinrikisha": "rickshaw"}  # not in the vectors
    rows = (data.data[train], data.target[train], data.data[test], data.target[test])
    return Study(*rows, head, synsets, texts)


PRESETS = {
    "full": (cifar100, {1: 10, 2: 10, 5: 10, 10: 10, 50: 3, 100: 3}, {1: 3, 5: 3}),
    "development": (tiny_imagenet, {1: 3, 2: 3, 5: 3, 10: 3, 20: 3}, {1: 3, 5: 3}),
    "tiny": (bundled, {1: 2, 2: 2, 5: 2}, {5: 1}),
}
"""Data; for each number of images a class how many draws; and where half have no image."""


def priors(study: Study) -> dict[str, Any]:
    """Return priors that know the names only, fitted."""
    names = np.unique(study.y)
    head = study.head
    rows = SimilarityInitializer(
        head,
        WordNetSimilarity("jcn"),
        normalize="equal",
        candidates=names,
        synsets=study.synsets,
    )
    kernels = [
        WordNetSimilarity("path", overrides=study.synsets),
        GlossEmbedding(on_missing="raise", overrides=study.synsets),
        WordVectors(missing_words="ignore", on_missing="zero", overrides=study.texts),
    ]
    predicted = HeadRegressionClassifier(
        head,
        kernels,
        weights=[2, 2, 1],
        alpha=0.1,
        overrides=study.synsets,
        candidates=names,
    )
    return {"rows of the head": rows.fit(), "predicted weights": predicted.fit()}


def models(known: dict[str, Any]) -> dict[str, Any]:
    """Return what is compared at each number of images."""
    return {
        "nearest class mean": NearestMean(),
        "logistic regression": make_pipeline(Normalizer(), LogisticRegression(C=10, max_iter=1000)),
        "ours, no prior": FewShotClassifier(),
        **{f"ours, {name}": FewShotClassifier(FrozenEstimator(p)) for name, p in known.items()},
    }


def run(study: Study, draws: dict[int, int]) -> Iterator[tuple[str, int, int, np.ndarray]]:
    """Yield (method, images a class, draw, which test images were named rightly)."""
    known = priors(study)
    for name, prior in known.items():
        yield f"prior: {name}", 0, 0, prior.predict(study.X_test) == study.y_test
    for n_images, n_draws in draws.items():
        for seed in range(n_draws):
            rows = study.draw(n_images, seed)
            for name, model in models(known).items():
                # One image per class looks like regression to some.
                with warnings.catch_warnings(), regressions_once():
                    warnings.filterwarnings("ignore", message="The number of unique classes")
                    model.fit(study.X[rows], study.y[rows])
                yield name, n_images, seed, model.predict(study.X_test) == study.y_test


@contextmanager
def regressions_once() -> Iterator[None]:
    """Fit each logistic regression inside `FewShotClassifier` once: no prior changes it."""
    fit = _few_shot_regression._regression

    def remembered(X: np.ndarray, positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        key = (positions.tobytes(), X[:, 0].tobytes())
        if key not in REGRESSIONS:
            REGRESSIONS[key] = fit(X, positions)
        return REGRESSIONS[key]

    _few_shot_regression._regression = remembered
    try:
        yield
    finally:
        _few_shot_regression._regression = fit


REGRESSIONS: dict[tuple[bytes, bytes], tuple[np.ndarray, np.ndarray]] = {}


def interval(differences: np.ndarray) -> list[float]:
    """Return the mean of paired differences, and a 95 % t-interval for it."""
    mean = float(differences.mean())
    n = len(differences)
    if n < 2:
        return [mean, mean, mean]
    half = float(student.ppf(0.975, n - 1) * differences.std(ddof=1) / np.sqrt(n))
    return [mean, mean - half, mean + half]


def summarise(
    accuracy: dict[tuple[str, int], list[float]], counts: list[int]
) -> dict[str, dict[str, Any]]:
    """Return for each method its accuracies by images a class, and ours less the controls."""
    table: dict[str, dict[str, Any]] = {}
    for (name, n_images), values in accuracy.items():
        table.setdefault(name, {})[str(n_images)] = float(np.mean(values))
    for name in [name for name in table if name.startswith("ours, ") and "no prior" not in name]:
        prior = accuracy[f"prior: {name.removeprefix('ours, ')}", 0][0]
        less = {"nearest class mean": {}, "the better part": {}, "logistic regression": {}}
        if name != "ours, rows of the head":
            less["ours, rows of the head"] = {}
        for n_images in counts:
            ours = np.array(accuracy[name, n_images])
            mean = np.array(accuracy["nearest class mean", n_images])
            part = np.array(accuracy["ours, no prior", n_images])
            less["nearest class mean"][str(n_images)] = interval(ours - mean)
            for other in ("logistic regression", "ours, rows of the head"):
                if other in less:
                    less[other][str(n_images)] = interval(ours - accuracy[other, n_images])
            better = part if part.mean() > prior else np.full(len(part), prior)
            less["the better part"][str(n_images)] = interval(ours - better)
        table[name]["less"] = less
    return table


def show(group: str, n_images: int, table: dict[str, dict[str, Any]], counts: list[int]) -> None:
    """Print the table of one group of classes."""
    print(f"\n{group}, {n_images} test images" + " " * 4 + "images a class:")
    print(" " * 34 + "".join(f"{n:>9}" for n in [0, *counts]))
    for name, row in table.items():
        cells = [f"{row[str(n)]:9.3f}" if str(n) in row else " " * 9 for n in [0, *counts]]
        print(f"{name:<34}" + "".join(cells))
        for control, differences in row.get("less", {}).items():
            for line in range(2):
                cells = [
                    f"{m:+9.3f}" if line == 0 else f" ±{high - m:7.3f}"
                    for m, _, high in (differences[str(n)] for n in counts)
                ]
                title = f"  less {control}" if line == 0 else ""
                print(f"{title:<43}" + "".join(cells))


def show_strengths(study: Study, draws: dict[int, int]) -> None:
    """Print how far class means set the right class apart, and the formula for it."""
    print("\nδ of the right class by means of n images, in spreads; and 5 √(n / (n + 4))")
    truth = np.searchsorted(np.unique(study.y), study.y_test)
    own = np.arange(len(truth)), truth
    for n_images in draws:
        rows = study.draw(n_images, 0)
        model = FewShotClassifier().fit(study.X[rows], study.y[rows])
        scores = model.decision_function(study.X_test)
        scores = scores - scores.mean(axis=1, keepdims=True)
        lift = scores.shape[1] / (scores.shape[1] - 1)
        formula = DEFAULT_STRENGTH * np.sqrt(n_images / (n_images + HALF_STRENGTH_IMAGES))
        print(f"{n_images:6d}{lift * scores[own].mean() / scores.std():8.2f}{formula:8.2f}")


def mixed(study: Study, draws: dict[int, int]) -> dict[str, dict[str, list[float]]]:
    """Print, and return, accuracies where half of the classes, drawn anew, have no image."""
    names = np.unique(study.y)
    prior = priors(study)["predicted weights"]
    hits = {"prior: predicted weights": {}, "ours, predicted weights": {}}
    for n_images, n_draws in draws.items():
        for seed in range(n_draws):
            with_images = np.random.default_rng(seed).permutation(names)[: len(names) // 2]
            rows = study.draw(n_images, seed)
            rows = rows[np.isin(study.y[rows], with_images)]
            model = FewShotClassifier(FrozenEstimator(prior), candidates=names)
            model.fit(study.X[rows], study.y[rows])
            known = np.isin(study.y_test, with_images)
            for name, fitted in zip(hits, (prior, model), strict=True):
                hit = fitted.predict(study.X_test) == study.y_test
                figures = [float(hit[known].mean()), float(hit[~known].mean())]
                hits[name].setdefault(str(n_images), []).append(figures)
    print(f"\nhalf of the classes with so many images, half without{'':11}accuracy on each half:")
    print(" " * 34 + "".join(f"{n:>16}" for n in draws))
    results = {}
    for name, by_images in hits.items():
        results[name] = {n: np.mean(values, axis=0).tolist() for n, values in by_images.items()}
        cells = [f"{seen:9.3f}, {unseen:.3f}" for seen, unseen in results[name].values()]
        print(f"{name:<34}" + "".join(cells))
    return results


def main(preset: str = "full", file: str | None = None) -> dict[str, Any]:
    """Run the study, print it, and return the accuracies by group of classes."""
    load, draws, half = PRESETS[preset]
    study = load()
    known = study.known
    groups = {"all classes": np.ones(len(known), dtype=bool)}
    if preset != "development":  # there, what the head knows under the same name was taken out
        groups |= {"ImageNet synonyms": known, "the rest": ~known}
    accuracies: dict[str, dict[tuple[str, int], list[float]]] = {group: {} for group in groups}
    for name, n_images, _, hits in run(study, draws):
        for group, rows in groups.items():
            accuracies[group].setdefault((name, n_images), []).append(float(hits[rows].mean()))
    counts = list(draws)
    results = {group: summarise(values, counts) for group, values in accuracies.items()}
    for group, rows in groups.items():
        show(group, int(rows.sum()), results[group], counts)
    results["half of the classes without images"] = mixed(study, half)
    if preset == "development":
        show_strengths(study, draws)
    if file:
        what = {"preset": preset, "draws": draws}
        Path(file).write_text(json.dumps({**what, "results": results}, indent=1) + "\n")
    return results


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--preset", choices=list(PRESETS), default="full")
    parser.add_argument("--json", metavar="FILE", help="also write the results there")
    options = parser.parse_args()
    main(options.preset, options.json)
