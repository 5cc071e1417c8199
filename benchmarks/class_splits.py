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
from collections.abc import Iterator
from typing import Any

import numpy as np
from sklearn.linear_model import Ridge
from sklearn.model_selection import cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks._rows import Row, medians_in_turns, print_rows
from studies.archive_features import archive_features
from zeroshot import EmbeddingRegressor, WordVectors
from zeroshot.metrics import SCORERS
from zeroshot.model_selection import LeaveOneClassOut, cross_validate_classes

ALPHA = 1.0


def compare(
    title: str, before: list[Any], X: np.ndarray, y: np.ndarray, step: int, repeats: int
) -> Row:
    """Time both in turns, and return the row; the ratio to reach is for ridge alone."""
    embedding = WordVectors()
    ours = make_pipeline(*before, EmbeddingRegressor(embedding, alpha=ALPHA))
    peer = make_pipeline(*before, Ridge(alpha=ALPHA))
    wide, vectors = X.astype(np.float64), embedding.embed(y).astype(np.float64)
    folds = list(LeaveOneClassOut().split(X, y))
    some = folds[::step]
    results: dict[str, dict[str, Any]] = {}

    def run_ours() -> None:
        scoring = SCORERS["neg_embedding_mse"]
        results["ours"] = cross_validate_classes(ours, X, y, LeaveOneClassOut(), scoring)

    def run_peer() -> None:
        scoring = "neg_mean_squared_error"
        results["peer"] = cross_validate(peer, wide, vectors, cv=some, scoring=scoring)

    times = medians_in_turns({"ours": run_ours, "peer": run_peer}, repeats)
    scores = [results["ours"]["test_score"][::step], results["peer"]["test_score"]]
    return Row(
        what=f"leave-one-class-out, {len(folds)} classes, {title}",
        peer=f"cross_validate, {len(some)} folds scaled",
        ours_seconds=times["ours"],
        peer_seconds=times["peer"] * len(folds) / len(some),
        reach=None if before else 40,
        note=f"scores apart by {np.abs(np.subtract(*scores)).max():.0e}",
    )


def rows(n_folds: int = 10, repeats: int = 3) -> Iterator[Row]:
    """Yield a row without and one with a scaler."""
    bunch = archive_features("cifar100", "train")
    X, y = bunch.data, bunch.target
    step = max(1, 100 // n_folds)
    yield compare("ridge", [], X, y, step, repeats)
    yield compare("scaler, ridge", [StandardScaler()], X, y, step, repeats)


def main() -> None:
    """Run the comparisons and print them."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--folds", type=int, default=10, help="how many folds the peer is timed on")
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    print_rows(rows(options.folds, options.repeats))


if __name__ == "__main__":
    main()
