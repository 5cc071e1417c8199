"""How fast class splits in one pass are, against refitting scikit-learn's Ridge in each fold.

Run it from the repository's root, with the archives of ``ZEROSHOT_DATA``::

    python -m benchmarks.class_splits [--folds 10] [--repeats 3]

Leave-one-class-out over the 100 classes of CIFAR-100: 16,000 x 1280 features of the training
images at 128 pixels, ridge to the 50 dimensions of the word vectors. Ours runs all 100 folds from
the float32 features; the peer is ``cross_validate`` with ``Ridge`` on float64 features and vectors
that are in memory already, timed on every n-th fold and scaled to 100. Both take turns in one run,
and each figure is the median over the turns.
"""

from __future__ import annotations

import argparse
import statistics
import time
from typing import Any

import numpy as np
from sklearn.linear_model import Ridge
from sklearn.model_selection import cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_info

from examples.archive_features import archive_features
from zeroshot import EmbeddingRegressor, WordVectors
from zeroshot.metrics import SCORERS
from zeroshot.model_selection import LeaveOneClassOut, cross_validate_classes

ALPHA = 1.0


def compare(
    title: str, before: list[Any], X: np.ndarray, y: np.ndarray, step: int, repeats: int
) -> None:
    """Time both in turns, and print a line each and the ratio."""
    embedding = WordVectors()
    ours = make_pipeline(*before, EmbeddingRegressor(embedding, alpha=ALPHA))
    peer = make_pipeline(*before, Ridge(alpha=ALPHA))
    wide, vectors = X.astype(np.float64), embedding.embed(y).astype(np.float64)
    folds = list(LeaveOneClassOut().split(X, y))
    some = folds[::step]
    seconds: dict[str, list[float]] = {"ours": [], "peer": []}
    scoring, peers_scoring = SCORERS["neg_embedding_mse"], "neg_mean_squared_error"
    for _ in range(repeats):
        start = time.perf_counter()
        result = cross_validate_classes(ours, X, y, LeaveOneClassOut(), scoring)
        middle = time.perf_counter()
        expected = cross_validate(peer, wide, vectors, cv=some, scoring=peers_scoring)
        seconds["ours"].append(middle - start)
        seconds["peer"].append((time.perf_counter() - middle) * len(folds) / len(some))
    difference = np.abs(result["test_score"][::step] - expected["test_score"]).max()
    ratios = [b / a for a, b in zip(seconds["ours"], seconds["peer"], strict=True)]
    print(f"\n{title}")
    ours_s, peer_s = (statistics.median(seconds[side]) for side in ("ours", "peer"))
    print(f"  ours, all {len(folds)} folds: {ours_s:8.2f} s")
    print(f"  peer, {len(some)} of {len(folds)}:    {peer_s:8.2f} s when scaled to all")
    print(
        f"  ratio {statistics.median(ratios):.0f} ({', '.join(f'{r:.0f}' for r in ratios)}); "
        f"largest difference of a score {difference:.1e}"
    )


def main() -> None:
    """Run the comparisons and print them."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--folds", type=int, default=10, help="how many folds the peer is timed on")
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    bunch = archive_features("cifar100", "train")
    X, y = bunch.data, bunch.target
    pools = {info["filepath"].rpartition("/")[2]: info["num_threads"] for info in threadpool_info()}
    print(f"{len(X)} x {X.shape[1]} features, {X.dtype}; threads: {pools}")
    step = max(1, 100 // options.folds)
    compare("ridge", [], X, y, step, options.repeats)
    compare("StandardScaler, ridge", [StandardScaler()], X, y, step, options.repeats)


if __name__ == "__main__":
    main()
