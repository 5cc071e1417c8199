"""Constants of head initialisation, tried where nothing is reported.

    ZEROSHOT_DATA=FOLDER python examples/transfer_constants.py

Prints accuracies on Tiny ImageNet's training images, three quarters of each class against the rest,
for temperatures of soft inference, and for how many images the source rows count as beside class
means. `InferenceSimilarity` and `SimilarityInitializer` have the best as defaults.
"""

from __future__ import annotations

import argparse
import dataclasses

import numpy as np
from similarity_transfer import Row
from sklearn.utils import Bunch
from transfer_tasks import Task, tiny_imagenet_task

from zeroshot import InferenceSimilarity, WordNetSimilarity


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


def _rows_of(images: Bunch, rows: np.ndarray) -> Bunch:
    return Bunch(
        data=images.data[rows],
        target=images.target[rows],
        images=lambda chosen: images.images(rows[chosen]),
    )


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args()
    choose_constants(tiny_imagenet_task())
