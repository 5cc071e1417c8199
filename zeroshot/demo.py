"""The demo: zero-shot classification on data that ships with the package."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import cache
from importlib.resources import as_file, files
from importlib.resources.abc import Traversable
from typing import Any

import numpy as np
from joblib import Parallel, delayed
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import Normalizer

from zeroshot._photos import name_photos
from zeroshot._utils._progress import progress_bar
from zeroshot.backbones import TimmFeatures
from zeroshot.datasets import label_texts, load_cifar100_features
from zeroshot.displays._embedding_map import predicted_vectors, project
from zeroshot.estimators import (
    DeViSEClassifier,
    DummyZeroShotClassifier,
    EmbeddingRegressor,
)
from zeroshot.label_embeddings import WordVectors
from zeroshot.metrics import SCORERS, class_relative_losses
from zeroshot.model_selection import (
    ClassKFold,
    ClassShuffleSplit,
    LeaveOneClassOut,
    with_candidates,
)

N_SPLITS, N_UNSEEN = 5, 20
DEVISE_GRID = {"map__alpha": [3.0, 10.0, 30.0], "map__gamma": [1.0, 1.5, 2.0, 3.0]}
RIDGE_GRID = {"map__alpha": [3.0, 10.0, 30.0, 100.0]}
PHOTOS = {
    "zeroshot.datasets": ("data", "photos"),
    "sklearn.datasets": ("images",),
}
"""Folders with the demo's photos, by package. ``credits.json`` in the first one names them all."""


def run_demo(
    images: Sequence[str] = (),
    *,
    n_jobs: int | None = -1,
    progress: bool = True,
    backbone: TimmFeatures | None = None,
) -> dict[str, Any]:
    """Run the three parts of the demo, and return their metrics and controls.

    Parameters
    ----------
    images : sequence of str
        Paths of photos to classify, in addition to the eight that ship with the package.
    n_jobs : int, optional
        Number of processes. -1 uses one per processor.
    progress : bool, default=True
        Whether to show progress bars on stderr.
    backbone : TimmFeatures, optional
        Network for photos, which is fitted here; the default network if None.

    Returns
    -------
    results : dict
        Results that JSON can store: those of `unseen_classes` and `excluded_classes`, ``photos``
        and ``unreadable_photos`` from `name_photos`, ``made`` (data, hashes and seeds), and
        ``seconds``.

    Raises
    ------
    MissingDependencyError
        The word vectors or the network's weights are not installed.

    Examples
    --------
    ``zeroshot demo --json`` prints this result. Missing files raise an error before the work
    starts:

    >>> from zeroshot import TimmFeatures
    >>> from zeroshot.demo import run_demo
    >>> run_demo(backbone=TimmFeatures(weights="no-such-file.safetensors"))
    Traceback (most recent call last):
    FileNotFoundError: TimmFeatures: weights names 'no-such-file.safetensors', and ...
    """
    start = time.perf_counter()
    backbone = TimmFeatures() if backbone is None else backbone
    with sample_photos() as samples:  # first, so that missing packages raise before the work
        photos, unreadable = name_photos([*samples, *images], everyday_labels(), backbone=backbone)
    for photo in photos:
        if photo["path"] in samples:
            photo["credit"] = _credits()[os.path.basename(photo["path"])]
    parallel = Parallel(n_jobs=n_jobs, return_as="generator")
    results = unseen_classes(parallel, progress=progress)
    results |= excluded_classes(parallel, progress=progress)
    results |= {"photos": photos, "unreadable_photos": unreadable, "made": _made(backbone)}
    results["seconds"] = round(time.perf_counter() - start, 1)
    return results


def _made(backbone: TimmFeatures) -> dict[str, Any]:
    """Return the provenance of the results: data, hashes of opened files, and seeds."""
    vectors = WordVectors()
    return {
        "data": "CIFAR-100, features that ship with the package",
        "sha256": {
            str(backbone.model_name): backbone.weights_hash_,
            "word vectors": vectors.fingerprint(),
        },
        "seeds": {"class splits": 0, "class folds": 0},
    }


def unseen_classes(parallel: Parallel, *, progress: bool) -> dict[str, Any]:
    """Fit on 80 classes of CIFAR-100, and classify images of the other 20, over five class splits.

    Class folds of the 80 classes select the penalty and the kernel width.

    Returns
    -------
    figures : dict
        Means over the splits, their controls, ``splits`` with the metrics of each split, and
        ``shown_split`` with the predictions of the first split's model per image.
    """
    X, y = load_cifar100_features(return_X_y=True)
    held_out = np.arange(len(y)) >= len(load_cifar100_features(subset="train", return_X_y=True)[1])
    splitter = ClassShuffleSplit(n_splits=N_SPLITS, test_size=N_UNSEEN, random_state=0)
    embeddings = {"": WordVectors(overrides=label_texts("cifar100")), "plain_names_": WordVectors()}
    jobs = [
        delayed(_score_split)(X, y, held_out, unseen, embeddings, show=i == 0)
        for i, (_, unseen) in enumerate(splitter.split(X, y))
    ]
    done = list(_watched(parallel(jobs), len(jobs), "20 unseen classes", progress))
    splits = [figures for figures, _ in done]
    means = {name: float(np.mean([split[name] for split in splits])) for name in splits[0]}
    return means | {"splits": splits, "shown_split": done[0][1]}


def _score_split(
    X: np.ndarray,
    y: np.ndarray,
    held_out: np.ndarray,
    unseen: np.ndarray,
    embeddings: dict[str, WordVectors],
    *,
    show: bool = False,
) -> tuple[dict[str, float], dict[str, Any]]:
    """Return the metrics of one class split and, if requested, the model's test predictions.

    `held_out` samples of seen classes are used for testing.
    """
    is_unseen = np.isin(np.arange(len(y)), unseen)
    fit, test = ~is_unseen & ~held_out, is_unseen | held_out
    names = np.unique(y)
    figures, shown = {}, {}
    for prefix, embedding in embeddings.items():
        model = with_candidates(choose_devise(embedding, X[fit], y[fit]), names)
        figures[f"{prefix}unseen_accuracy"] = SCORERS["unseen_accuracy"](
            model, X[unseen], y[unseen]
        )
        figures[f"{prefix}unseen_hit_at_5"] = SCORERS["hit_at_5"](model, X[unseen], y[unseen])
        if not prefix:
            if show:
                looked_at = is_unseen & held_out
                shown = shown_split(model, X[looked_at], y[looked_at])
            model[-1].scenario = "generalized"
            for name in ("seen_accuracy", "unseen_accuracy"):
                figures[f"{name}_generalized"] = SCORERS[name](model, X[test], y[test])
            figures["harmonic_mean"] = SCORERS["harmonic_mean"](model, X[test], y[test])
    control = DummyZeroShotClassifier(
        embeddings[""], strategy="constant", candidates=names, scenario="unseen"
    ).fit(X[fit], y[fit])
    figures["constant_accuracy"] = SCORERS["unseen_accuracy"](control, X[unseen], y[unseen])
    figures["constant_hit_at_5"] = SCORERS["hit_at_5"](control, X[unseen], y[unseen])
    figures["chance_accuracy"] = 1 / len(control.unseen_classes_)
    figures["chance_hit_at_5"] = 5 / len(control.unseen_classes_)
    figures["chance_accuracy_generalized"] = 1 / len(names)
    return {name: float(value) for name, value in figures.items()}, shown


def choose_devise(embedding: WordVectors, X: np.ndarray, y: np.ndarray) -> Pipeline:
    """Fit DeViSE, with hyper-parameters chosen by class folds of y.

    Parameters
    ----------
    embedding : WordVectors
        Vectors of the labels.
    X : ndarray of shape (n_samples, n_features)
        Features.
    y : ndarray of shape (n_samples,)
        Labels, only of seen classes.

    Returns
    -------
    model : Pipeline
        Model fitted on all of X.
    """
    devise = DeViSEClassifier(embedding, loss="mse", candidates=np.unique(y), scenario="unseen")
    model = Pipeline([("normalize", Normalizer()), ("map", devise)])
    folds = ClassKFold(5, shuffle=True, random_state=0)
    return GridSearchCV(model, DEVISE_GRID, cv=folds).fit(X, y).best_estimator_


def excluded_classes(parallel: Parallel, *, progress: bool) -> dict[str, Any]:
    """Exclude each class of CIFAR-100 in turn, and compare its error with that of predicting zero.

    The penalty is chosen inside each fold, on the other 99 classes. The control predicts the mean
    vector of these 99 classes and does not use the image.

    Returns
    -------
    figures : dict
        Medians and counts over the classes, and ``relative_losses``, a dict by class.
    """
    X, y = load_cifar100_features(return_X_y=True)
    folds = list(LeaveOneClassOut().split(X, y))
    embedding = WordVectors()
    jobs = [delayed(_relative_losses)(X, y, seen, excluded, embedding) for seen, excluded in folds]
    rows = list(_watched(parallel(jobs), len(jobs), "leave one class out", progress))
    ours, control, over_control = np.array([losses for _, losses in rows]).T
    return {
        "relative_loss_median": float(np.median(ours)),
        "relative_loss_improved": int((ours < 0).sum()),
        "mean_predictor_relative_loss_median": float(np.median(control)),
        "mean_predictor_relative_loss_improved": int((control < 0).sum()),
        "relative_loss_over_mean_predictor_median": float(np.median(over_control)),
        "relative_loss_over_mean_predictor_improved": int((over_control < 0).sum()),
        "relative_losses": {
            name: {"model": losses[0], "mean_predictor": losses[1]} for name, losses in rows
        },
    }


def _relative_losses(
    X: np.ndarray, y: np.ndarray, seen: np.ndarray, excluded: np.ndarray, embedding: WordVectors
) -> tuple[str, tuple[float, float, float]]:
    """Return the excluded class and its relative losses: ours, the control's, and their ratio."""
    model = Pipeline([("normalize", Normalizer()), ("map", EmbeddingRegressor(embedding))])
    folds = ClassKFold(5, shuffle=True, random_state=0)
    search = GridSearchCV(model, RIDGE_GRID, cv=folds, scoring=SCORERS["neg_relative_loss"])
    predicted = search.fit(X[seen], y[seen]).predict(X[excluded])
    labels = y[excluded]
    true = embedding.embed(labels)
    seen_vectors = embedding.embed(np.unique(y[seen]))
    constant = np.tile(seen_vectors.mean(axis=0), (len(labels), 1))

    def loss(vectors: np.ndarray, reference: str) -> float:
        _, losses = class_relative_losses(
            true, vectors, labels=labels, reference=reference, seen_vectors=seen_vectors
        )
        return float(losses[0])

    return str(labels[0]), (
        loss(predicted, "zero"),
        loss(constant, "zero"),
        loss(predicted, "mean"),
    )


def everyday_labels() -> list[str]:
    """Return about two hundred names of everyday things, the demo's open list of labels.

    Examples
    --------
    >>> from zeroshot.demo import everyday_labels
    >>> everyday_labels()[:3]
    ['airplane', 'apple', 'astronaut']
    """
    source = files("zeroshot.datasets").joinpath("data/everyday_labels.txt")
    return source.read_text("utf-8").split("\n")[:-1]


@contextmanager
def sample_photos() -> Iterator[list[str]]:
    """Yield the paths of the eight photos of the demo, in alphabetical order.

    Six are part of this package, two of scikit-learn. All are free to use and to redistribute.
    """
    with ExitStack() as stack:
        yield [str(stack.enter_context(as_file(_photo_file(name)))) for name in _credits()]


def _photo_file(name: str) -> Traversable:
    """Return a photo of the demo, from the package that has it."""
    places = [files(package).joinpath(*parts, name) for package, parts in PHOTOS.items()]
    return next(place for place in places if place.is_file())


@cache
def _credits() -> dict[str, str]:
    """Return who made each photo of the demo, and under which licence."""
    package, parts = next(iter(PHOTOS.items()))
    return json.loads(files(package).joinpath(*parts, "credits.json").read_text("utf-8"))


def _watched(rows: Iterable, total: int, text: str, progress: bool) -> Iterator:
    bar = progress_bar(rows, progress=progress, unit="fold", total=total, desc=text, leave=False)
    return iter(bar)


def shown_split(model: Pipeline, X: np.ndarray, y: np.ndarray) -> dict[str, Any]:
    """Return a model's predictions for images of unseen classes, and a map of the images.

    Parameters
    ----------
    model : Pipeline
        Fitted pipeline that ends in `DeViSEClassifier`, with the unseen classes as candidates.
    X : ndarray of shape (n_samples, n_features)
        Features of images.
    y : ndarray of shape (n_samples,)
        Their classes.

    Returns
    -------
    shown : dict
        Results that JSON can store: ``y``, the ``answers``, the ``seen_classes``, and a map:
        ``points`` (of the images) and ``label_points`` (of ``label_names``, the model's classes).

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.pipeline import make_pipeline
    >>> from zeroshot import DeViSEClassifier, HashEmbedding
    >>> from zeroshot.demo import shown_split
    >>> X, y = np.eye(6), ["ant", "bee", "cat", "dog", "eel", "fox"]
    >>> devise = DeViSEClassifier(HashEmbedding(8), loss="mse", candidates=y, scenario="unseen")
    >>> model = make_pipeline(devise).fit(X[:3], y[:3])
    >>> shown = shown_split(model, X[3:], np.array(y[3:]))
    >>> len(shown["points"]), shown["label_names"]
    (3, ['ant', 'bee', 'cat', 'dog', 'eel', 'fox'])
    """
    vectors, of_labels = predicted_vectors(model, X, y, owner="demo")
    both = np.vstack([vectors, of_labels["label_vectors"]])
    points = project(both, "tsne", cosine=True, random_state=0, owner="demo").round(2).tolist()
    return {
        "y": y.tolist(),
        "answers": model.predict(X).tolist(),
        "points": points[: len(y)],
        "label_points": points[len(y) :],
        "label_names": of_labels["label_names"].tolist(),
        "seen_classes": of_labels["seen_classes"].tolist(),
    }
