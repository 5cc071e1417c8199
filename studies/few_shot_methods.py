"""The classifiers of the few-shot study, and how their penalties are chosen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from few_shot_features import LAST, Data, Preset
from few_shot_prior import NearestMean
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer, StandardScaler
from sklearn.svm import LinearSVC

from zeroshot import SimilarityInitializer, WordNetSimilarity, few_shot_curve

SVM, LOGISTIC, MEANS = "linear SVM", "logistic regression", "nearest class mean"
SIMILAR = "SimilarityInitializer, WordNet"
GRIDS: dict[str, tuple[float, ...]] = {
    SVM: (0.01, 0.1, 1.0, 10.0),
    LOGISTIC: (0.1, 1.0, 10.0, 100.0),
    MEANS: (),
}
SEED, TUNING_SEED = 0, 1


@dataclass(frozen=True)
class GroupAccuracy:
    """Scorer: accuracy on the images of some classes, with all classes as candidates."""

    labels: tuple[str, ...]

    def __call__(self, model: Any, X: np.ndarray, y: np.ndarray) -> float:
        """Return the share of these images that the model names rightly."""
        rows = np.isin(y, self.labels)
        return float(np.mean(model.predict(X[rows]) == y[rows]))


def classifier(method: str, C: float | None = None) -> Any:
    """Return a method that learns from features of any kind, standardised and of unit length."""
    final = {
        SVM: LinearSVC(C=C or 1.0, tol=0.01, max_iter=10_000, random_state=0),
        LOGISTIC: LogisticRegression(C=C or 1.0, max_iter=2000),
        MEANS: NearestMean(),
    }[method]
    return make_pipeline(StandardScaler(), Normalizer(), final)


def initializer(data: Data) -> SimilarityInitializer:
    """Return rows of the ImageNet head of WordNet's ten nearest classes, with class means.

    Similarity (Wu-Palmer) and the number of neighbours are those of Pascal et al.
    """
    return SimilarityInitializer(
        data.head,
        WordNetSimilarity("wup_nltk"),
        n_neighbors=10,
        mixture="means",
        synsets={name: data.synsets[name] for name in np.unique(data.y_train).tolist()},
    )


def choose_penalty(
    data: Data, depth: str, method: str, preset: Preset, n_jobs: int | None = None
) -> dict[str, float]:
    """Return the accuracy of each penalty on training images that were not drawn."""
    train, _ = data.features[depth]
    models = {str(C): classifier(method, C) for C in GRIDS[method]}
    options = {"cv": 1, "random_state": TUNING_SEED, "n_jobs": n_jobs}
    result = few_shot_curve(models, train, data.y_train, shots=[preset.tuned_at], **options)
    return {name: float(scores[preset.tuned_at][0]) for name, scores in result.items()}


def measure(
    data: Data, depth: str, method: str, preset: Preset, C: float | None, n_jobs: int | None = None
) -> dict[str, Any]:
    """Return what `few_shot_curve` measures of a method at a depth, by group of classes."""
    similar = method == SIMILAR
    model = initializer(data) if similar else classifier(method, C)
    results = few_shot_curve(
        {f"{method}, {depth}": model},
        data.X(depth),
        data.y,
        shots=[0, *preset.shots] if similar else preset.shots,
        cv=[data.split] * preset.draws,
        scoring={name: GroupAccuracy(tuple(own)) for name, own in data.groups.items()},
        n_jobs=n_jobs,
        random_state=SEED,
    )
    return {group: result.to_dict() for group, result in results.items()}


def planned(depths: list[str]) -> list[tuple[str, str]]:
    """Return each depth and method that is measured."""
    return [(depth, method) for depth in depths for method in GRIDS] + [(LAST, SIMILAR)]
