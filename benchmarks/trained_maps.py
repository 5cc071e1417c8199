"""CPU seconds of trained maps whose label vectors have dimensions that no seen class has.

Run it from the repository's root::

    python -m benchmarks.trained_maps [--repeats 3]

WordNet's ancestors of 100 labels include many that only unseen classes have. The peer is the same
fit without these dimensions. Weights of such dimensions get no gradient from most losses: if weight
decay shrinks them into denormal numbers, the fit takes several times as long on processors that are
slow with these. Their number in the fitted map stands beside the times.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator

import numpy as np

from benchmarks._rows import Row, print_rows
from zeroshot import (
    ALEClassifier,
    AttributeTable,
    DeViSEClassifier,
    EmbeddingRegressor,
    SJEClassifier,
    WordNetEmbedding,
)
from zeroshot.datasets import class_names

N_IMAGES, N_FEATURES, N_SEEN = 4_000, 1_280, 50


def cpu_medians(sides: dict[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    """Return the median CPU time of each side in seconds; all take turns, `repeats` times."""
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(repeats):
        for name, side in sides.items():
            start = time.process_time()
            side()
            seconds[name].append(time.process_time() - start)
    return {name: float(np.median(values)) for name, values in seconds.items()}


def rows(repeats: int) -> Iterator[Row]:
    """Yield one row per trained map."""
    names = np.array(class_names("cifar100"))
    seen = np.sort(np.random.default_rng(0).permutation(names)[:N_SEEN])
    vectors = WordNetEmbedding().embed(names)
    vectors = vectors[:, vectors.any(axis=0)]
    used = (vectors[np.isin(names, seen)] != 0).any(axis=0)
    whole, part = AttributeTable(vectors, names), AttributeTable(vectors[:, used], names)
    rng = np.random.default_rng(1)
    X = np.maximum(rng.normal(size=(N_IMAGES, N_FEATURES)), 0).astype(np.float32)
    y = rng.choice(seen, N_IMAGES)
    maps = {
        "ALE": ALEClassifier(random_state=0, center=False),
        "SJE": SJEClassifier(random_state=0, center=False),
        "DeViSE": DeViSEClassifier(random_state=0, center=False),
        "DeViSE, 64 hidden units": DeViSEClassifier(hidden=(64,), random_state=0, center=False),
        "EmbeddingRegressor, cosine": EmbeddingRegressor(loss="cosine", random_state=0),
    }
    for name, model in maps.items():
        given = {} if isinstance(model, EmbeddingRegressor) else {"candidates": seen}

        def fit(table: AttributeTable, model: object = model, given: dict = given) -> object:
            return model.set_params(label_embedding=table, **given).fit(X, y)

        took = cpu_medians({"used": lambda: fit(part), "all": lambda: fit(whole)}, repeats)
        weights = np.concatenate(
            [w.ravel() for w in getattr(model, "coefs_", [vars(model).get("coef_")])]
        )
        denormal = (weights != 0) & (abs(weights) < np.finfo(np.float32).tiny)
        yield Row(
            f"{name}: {len(used)} dimensions",
            f"the {used.sum()} that a seen class has",
            took["all"],
            took["used"],
            note=f"{denormal.sum()} denormal weights",
        )


def main() -> None:
    """Print the rows."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=3)
    print_rows(rows(parser.parse_args().repeats))


if __name__ == "__main__":
    main()
