"""How well photos are named from labels alone, without any training.

    ZEROSHOT_DATA=FOLDER python examples/open_labels.py [FOLDER_OF_PHOTOS]

The folder (by default ``open-photos`` in that of ZEROSHOT_DATA) holds photos and ``labels.json``,
a file name to label mapping. The model is that of ``zeroshot predict`` with its defaults; labels
that are synonyms of an ImageNet class, which the network was trained on, are reported apart.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np

from zeroshot import ConSEClassifier, DummyZeroShotClassifier, TimmFeatures, WordVectors
from zeroshot.datasets._home import resolve_data_home
from zeroshot.metrics import hit_at_k_score


def main(folder: str | None = None) -> dict[str, dict[str, float]]:
    """Name the photos, print the figures, and return them by group."""
    home = Path(folder) if folder else resolve_data_home(None) / "open-photos"
    truth = json.loads((home / "labels.json").read_text(encoding="utf-8"))
    y = np.array(list(truth.values()))
    backbone = TimmFeatures().fit()
    features = backbone.transform([str(home / name) for name in truth])
    model = ConSEClassifier(backbone.source_head_, WordVectors(), candidates=np.unique(y)).fit()
    control = DummyZeroShotClassifier(WordVectors(), strategy="constant").fit(features, y)
    synonyms = {
        name.strip().lower() for text in backbone.source_head_.labels for name in text.split(",")
    }
    known = np.isin(np.char.lower(y), list(synonyms))
    groups = {"all": np.ones(len(y), dtype=bool), "ImageNet synonyms": known, "the rest": ~known}
    title = f"{len(y)} photos, {len(model.classes_)} labels"
    print(f"{title:<24}{'photos':>8}{'top-1':>8}{'hit@5':>8}   best constant answer")
    results = {}
    for group, rows in groups.items():
        figures = {}
        for name, estimator in (("", model), ("constant_", control)):
            scores = estimator.decision_function(features[rows])
            for measure, k in (("top_1", 1), ("hit_at_5", 5)):
                figures[name + measure] = hit_at_k_score(
                    y[rows], scores, k=k, labels=estimator.classes_, average="micro"
                )
        results[group] = figures
        print(f"  {group:<22}{rows.sum():8d}", *(f"{value:7.3f}" for value in figures.values()))
    return results


if __name__ == "__main__":
    main(*sys.argv[1:2])
