"""The same study in closed form, on features of a pretrained network: ridge, and prototypes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from archive_features import archive_features
from joblib import Parallel, delayed
from loco_folds import archive_size
from loco_prototypes import CONSTANTS, Sides, prototype_fold
from numpy.typing import NDArray
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer, normalize

from zeroshot import EmbeddingRegressor, EmbeddingRegressorCV, WordVectors
from zeroshot._utils._files import atomic_file
from zeroshot.datasets import load_cifar100_features
from zeroshot.metrics import SCORERS, embedding_mse
from zeroshot.model_selection import ClassKFold, LeaveOneClassOut, cross_validate_classes
from zeroshot.taxonomy import class_synsets

ALPHAS = (3.0, 10.0, 30.0, 100.0, 300.0)
SHIPPED, ALL = "features that ship", "all features of the archive"


@cache
def _features(source: str) -> tuple[NDArray[np.float32], NDArray[np.str_]]:
    if source == SHIPPED:
        return load_cifar100_features(return_X_y=True)
    parts = [archive_features("cifar100", subset) for subset in ("train", "test")]
    return np.concatenate([p.data for p in parts]), np.concatenate([p.target for p in parts])


def _chosen(names: Sequence[str], source: str) -> tuple[NDArray[np.float32], NDArray[np.str_]]:
    X, y = _features(source)
    rows = np.isin(y, names)
    return X[rows], y[rows]


def frozen_fold(excluded: str, names: Sequence[str], source: str) -> dict[str, float]:
    """Return a class's losses where the penalty is chosen by folds over all other classes."""
    X, y = _chosen(names, source)
    folds = ClassKFold(5, shuffle=True, random_state=0)
    ridge = EmbeddingRegressorCV(
        WordVectors(), alphas=ALPHAS, cv=folds, scoring="neg_relative_loss"
    )
    model = make_pipeline(Normalizer(), ridge).fit(X[y != excluded], y[y != excluded])
    found = model.predict(X[y == excluded])
    vector = WordVectors().embed([excluded]).astype(np.float64)
    others = WordVectors().embed([name for name in names if name != excluded])
    return {
        "alpha": ridge.alpha_,
        "zero": float(np.mean(vector**2)),
        "mean": float(np.mean((others.mean(axis=0, dtype=np.float64) - vector) ** 2)),
        "last": embedding_mse(np.repeat(vector, len(found), axis=0), found),
    }


def one_pass(names: Sequence[str], source: str) -> dict[str, list[float]]:
    """Return each class's relative loss with each penalty, all folds from one pass."""
    X, y = _chosen(names, source)
    losses = {}
    for alpha in ALPHAS:
        model = make_pipeline(Normalizer(), EmbeddingRegressor(WordVectors(), alpha=alpha))
        scorer = SCORERS["neg_relative_loss"]
        found = cross_validate_classes(model, X, y, LeaveOneClassOut(), scorer)
        losses[f"{alpha:g}"] = (-found["test_score"]).tolist()
    return losses


def kept_path(names: Sequence[str], source: str, folder: Path) -> Path:
    """Return the file of the results: its name tells the classes, features and penalties."""
    return _path("frozen", [list(names), source, ALPHAS], source, folder)


def _path(kind: str, known: list[Any], source: str, folder: Path) -> Path:
    known = [*known, archive_size() if source == ALL else 0]
    return folder / f"{kind}-{hashlib.sha256(json.dumps(known).encode()).hexdigest()[:12]}.json"


def frozen_features(
    names: Sequence[str], source: str, folder: Path, n_jobs: int | None
) -> dict[str, Any]:
    """Return the losses of all classes, from the file of an earlier run if there is one.

    Parameters
    ----------
    names : sequence of str
        Classes, each excluded in turn.
    source : str
        `SHIPPED` or `ALL`.
    folder : Path
        Where results are kept.
    n_jobs : int or None
        Folds at a time.
    """
    path = kept_path(names, source, folder)
    if not path.is_file():
        _features(source)  # computed once, before several processes want them
        folds = Parallel(n_jobs=n_jobs)(delayed(frozen_fold)(name, names, source) for name in names)
        results = {
            "classes": dict(zip(names, folds, strict=True)),
            "one pass": one_pass(names, source),
        }
        _keep(results, path)
    return json.loads(path.read_text())


def _keep(results: dict[str, Any], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_file(path) as file:
        file.write((json.dumps(results, indent=1) + "\n").encode())


def prototype_features(
    names: Sequence[str], source: str, folder: Path, n_jobs: int | None
) -> dict[str, Any]:
    """Return the losses by class with prototypes of words added.

    Parameters and files are those of `frozen_features`.
    """
    path = _path("prototypes", [list(names), source, CONSTANTS], source, folder)
    if not path.is_file():
        X, y = _chosen(names, source)
        sides = Sides.of(names, class_synsets("cifar100"))
        folds = Parallel(n_jobs=n_jobs)(
            delayed(prototype_fold)(name, normalize(X), y, sides) for name in names
        )
        _keep(dict(zip(names, folds, strict=True)), path)
    return json.loads(path.read_text())
