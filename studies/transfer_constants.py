"""Constants of head initialisation, tried where nothing is reported.

    ZEROSHOT_DATA=FOLDER python studies/transfer_constants.py
    ZEROSHOT_DATA=FOLDER python studies/transfer_constants.py --measures

Prints accuracies on Tiny ImageNet's training images, three quarters of each class against the rest,
for temperatures of soft inference, and for how many images the source rows count as beside class
means. `InferenceSimilarity` and `SimilarityInitializer` have the best as defaults.

With ``--measures``: accuracies of WordNet's measures, without any training image, on classes that
the head has lost and that CIFAR-100 does not have: those of Tiny ImageNet (training images), and
five times 100 of the ImageNet photos. `WordNetSimilarity` has the best as its default.
"""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
from archive_features import archive_features
from open_labels_choice import Task as HiddenTask
from open_labels_choice import without
from similarity_transfer import Row
from sklearn.utils import Bunch
from transfer_tasks import Task, tiny_imagenet_task

from zeroshot import (
    InferenceSimilarity,
    SimilarityInitializer,
    TimmFeatures,
    WordNetSimilarity,
)
from zeroshot.datasets._fetch import resolve_data_home
from zeroshot.taxonomy import class_synsets, synset
from zeroshot.taxonomy._distances import FAR, common_ancestors, distance_table
from zeroshot.taxonomy._graph import noun_graph

Similarity = Callable[[np.ndarray, np.ndarray], np.ndarray]


def choose_constants(task: Task, draws: int = 3) -> dict[str, dict[str, list[float]]]:
    """Print how constants do among the training images of a task, three quarters against the rest.

    They are the temperature of soft inference with all sources, and how many images the source
    rows count as beside class means; to be looked at for another task than the one reported.
    """
    folds = np.concatenate(
        [np.arange((task.train.target == label).sum()) % 4 for label in task.classes]
    )
    by_class = np.argsort(task.train.target, kind="stable")
    shown, hidden = by_class[folds > 0], by_class[folds == 0]
    part = dataclasses.replace(
        task, train=_rows_of(task.train, shown), mirrored=None, test=_rows_of(task.train, hidden)
    )
    equal, jcn = {"normalize": "equal"}, WordNetSimilarity("jcn")
    tried = {
        **{
            f"temperature {value}": Row(InferenceSimilarity("soft", temperature=value), None, equal)
            for value in (1, 2, 3, 4, 6, 8)
        },
        **{
            f"prior_images {value}": Row(jcn, 10, {"mixture": "means", "prior_images": value})
            for value in (0.25, 0.5, 1, 2, 4)
        },
    }
    table: dict[str, dict[str, list[float]]] = {}
    for n_images in (1, 2, 5, 20):
        for draw in range(draws):
            rows = part.draw(n_images, draw)
            for name, row in tried.items():
                hits = row.fit(part, rows).predict(part.test.data) == part.test.target
                cell = table.setdefault(name, {}).setdefault(str(n_images), [])
                cell.append(float(hits.mean()))
    print(f"{task.name}, held-out training images: accuracy by images a class")
    print(f"{'':<38}", *(f"{n:>7}" for n in table["temperature 1"]))
    for name, cells in table.items():
        print(f"{name:<38}", *(f"{np.mean(values):7.3f}" for values in cells.values()))
    return table


def wu_palmer(targets: np.ndarray, sources: np.ndarray) -> np.ndarray:
    """Return Wu-Palmer similarities by the common ancestor that makes them largest.

    So the similarity is 1 for a synset to itself and less for every other pair, and symmetric.
    """
    rows, columns = ([synset(wnid).node for wnid in wnids] for wnids in (targets, sources))
    shared = common_ancestors(np.array(rows), np.array(columns))
    first, second = (distance_table(np.array(nodes), shared) for nodes in (rows, columns))
    result = np.zeros((len(rows), len(columns)))
    for ancestor, up, other in zip(shared, first.T, second.T, strict=True):
        twice = 2.0 * (noun_graph().min_depths[ancestor] + 1)
        near = twice / (up[:, None] + other + twice)
        near[(up == FAR)[:, None] | (other == FAR)] = 0
        result = np.maximum(result, near)
    return result


MEASURES: dict[str, Similarity] = {
    "shortest path": WordNetSimilarity("path").matrix,
    "Lin": WordNetSimilarity("lin").matrix,
    "Wu-Palmer, corrected": wu_palmer,
    "Wu-Palmer, nltk's": WordNetSimilarity("wup_nltk").matrix,
}


def choose_measure(tasks: dict[str, list[HiddenTask]]) -> dict[str, dict[str, float]]:
    """Print how WordNet's measures do at naming images of classes that the head has lost."""
    table: dict[str, dict[str, float]] = {}
    models: dict[str, dict[str, Any]] = {
        "K = 1": {"n_neighbors": 1, "normalize": "equal"},
        "K = 10": {"n_neighbors": 10, "normalize": "equal"},
        "K = 10, as they come": {"n_neighbors": 10},
    }
    table: dict[str, dict[str, float]] = {}
    columns = [f"{name}, {model}" for name in tasks for model in models]
    print("top-1 on", *(f"({i}) {column}" for i, column in enumerate(columns, 1)))
    for measure, similarity in MEASURES.items():
        cells = table[measure] = {}
        for name, parts in tasks.items():
            for model, params in models.items():
                scores = []
                for part in parts:
                    matrix = similarity(part.candidates, part.head.wnids)
                    head = SimilarityInitializer(
                        part.head, matrix, candidates=part.candidates, **params
                    ).fit()
                    scores.append(head.score(part.X, part.y))
                cells[f"{name}, {model}"] = float(np.mean(scores))
        print(f"{measure:<22}", *(f"{value:.3f}" for value in cells.values()), flush=True)
    return table


def hidden_tasks() -> dict[str, list[HiddenTask]]:
    """Return images of classes that neither the head nor CIFAR-100 has, which go by their wnids."""
    reported = set(class_synsets("cifar100").values())
    backbone = TimmFeatures().fit()
    head = backbone.source_head_
    synsets = class_synsets("tiny_imagenet")
    images = archive_features("tiny_imagenet", "train")
    wnids = np.array([synsets[label] for label in images.target])
    paths = sorted((resolve_data_home() / "imagenet-photos").glob("*.jpg"))
    of_photos = np.array([path.name.partition("_")[0] for path in paths])
    photos = backbone.transform([str(path) for path in paths])

    def hidden(X: np.ndarray, y: np.ndarray) -> HiddenTask:
        kept = ~np.isin(y, list(reported))
        candidates = np.unique(y[kept])
        known = np.zeros(kept.sum(), dtype=bool)
        return HiddenTask(X[kept], y[kept], without(head, candidates), candidates, known)

    folds = np.split(np.random.default_rng(0).permutation(len(paths)), 5)
    return {
        "Tiny ImageNet": [hidden(images.data, wnids)],
        "ImageNet photos": [hidden(photos[rows], of_photos[rows]) for rows in folds],
    }


def _rows_of(images: Bunch, rows: np.ndarray) -> Bunch:
    return Bunch(
        data=images.data[rows],
        target=images.target[rows],
        images=lambda chosen: images.images(rows[chosen]),
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--measures", action="store_true", help="WordNet's measures instead")
    if parser.parse_args().measures:
        choose_measure(hidden_tasks())
    else:
        choose_constants(tiny_imagenet_task())
