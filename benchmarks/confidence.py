"""Time fits that choose their temperature by class folds against fits that do not.

    ZEROSHOT_DATA=FOLDER python -m benchmarks.confidence [--repeats 5]

Ours learns from held-out classes in the pass of the fit, the peer is the same fit with a given
temperature: a ratio of 0.5 is twice the time.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator

import numpy as np
from sklearn.preprocessing import normalize

from benchmarks._rows import Row, medians_in_turns, print_rows
from studies.archive_features import archive_features
from zeroshot import DeViSEClassifier, ESZSLClassifier, WordVectors
from zeroshot.datasets import label_texts, load_cifar100_features

MODELS = {
    "ridge": lambda embedding, **options: DeViSEClassifier(embedding, loss="mse", **options),
    "ESZSL": ESZSLClassifier,
}


def rows(repeats: int = 5) -> Iterator[Row]:
    """Time 80 of 100 classes, with 20 unseen candidates and with all."""
    embedding = WordVectors(overrides=label_texts("cifar100"))
    archive = archive_features("cifar100", "train")
    shipped = load_cifar100_features()
    for X, y in ((archive.data, archive.target), (shipped.data, shipped.target)):
        names = np.unique(y)
        seen = np.isin(y, names[20:])
        X, y = normalize(X[seen]), y[seen]
        for scenario, candidates in (("unseen", names[:20]), ("generalized", names)):
            for name, make in MODELS.items():
                fits = {
                    side: make(
                        embedding, candidates=candidates, scenario=scenario, temperature=temperature
                    )
                    for side, temperature in (("ours", "auto"), ("peer", 0.1))
                }
                calls = {
                    side: lambda fit=fit, X=X, y=y: fit.fit(X, y) for side, fit in fits.items()
                }
                times = medians_in_turns(calls, repeats)
                yield Row(
                    what=f"fit {X.shape[0]:,} x {X.shape[1]:,}, {name}, {scenario}",
                    peer="temperature=0.1",
                    ours_seconds=times["ours"],
                    peer_seconds=times["peer"],
                    reach=0.5,
                )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--repeats", type=int, default=5)
    print_rows(rows(parser.parse_args().repeats))
