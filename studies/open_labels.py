"""How well photos are named from labels alone, without any training.

    ZEROSHOT_DATA=FOLDER python studies/open_labels.py [FOLDER_OF_PHOTOS]

The folder (by default ``open-photos`` in that of ZEROSHOT_DATA) holds photos and ``labels.json``,
a file name to label mapping. The model of ``zeroshot predict`` stands beside what that was before,
ConSE with the words' vectors, and beside the best answer that looks at no image. Labels that are
synonyms of an ImageNet class, which the network was trained on, are reported apart.
"""

from __future__ import annotations

import argparse
import json
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from zeroshot import (
    ConSEClassifier,
    DummyZeroShotClassifier,
    OpenLabelClassifier,
    TimmFeatures,
    WordVectors,
)
from zeroshot.datasets._fetch import resolve_data_home
from zeroshot.metrics import hit_at_k_score


def main(folder: str | None = None) -> dict[str, dict[str, dict[str, float]]]:
    """Name the photos, print the figures, and return them by model and group."""
    home = Path(folder) if folder else resolve_data_home(None) / "open-photos"
    truth = json.loads((home / "labels.json").read_text(encoding="utf-8"))
    y = np.array(list(truth.values()))
    names = np.unique(y)
    backbone = TimmFeatures(precision="float32").fit()  # the same figures on every processor
    features = backbone.transform([str(home / name) for name in truth])
    head = backbone.source_head_
    models = {
        "control: best constant": DummyZeroShotClassifier(WordVectors(), strategy="constant").fit(
            features, y
        ),
        "ConSE, word vectors": ConSEClassifier(head, WordVectors(), candidates=names).fit(),
        "zeroshot predict": OpenLabelClassifier(head, candidates=names).fit(),
    }
    if find_spec("sentence_transformers") is not None:  # the extra "text"
        with_sentences = OpenLabelClassifier(head, candidates=names, sentences=True)
        models["zeroshot predict --sentences"] = with_sentences.fit()
    synonyms = {name.strip().lower() for text in head.labels for name in text.split(",")}
    known = np.isin(np.char.lower(y), list(synonyms))
    groups = {"all": np.ones(len(y), dtype=bool), "ImageNet synonyms": known, "the rest": ~known}
    print(f"{len(y)} photos, {len(names)} labels; top-1 and hit@5 of")
    print(f"{'':<30}" + "".join(f"{f'{group}, {m.sum()}':>24}" for group, m in groups.items()))
    results = {}
    for title, model in models.items():
        results[title] = {
            group: figures_of(model, features[rows], y[rows]) for group, rows in groups.items()
        }
        cells = (f"{f['top_1']:16.3f}{f['hit_at_5']:8.3f}" for f in results[title].values())
        print(f"{title:<30}", *cells, sep="")
    return results


def figures_of(model: object, features: np.ndarray, y: np.ndarray) -> dict[str, float]:
    """Return the shares of photos whose label is the first, or among the first five."""
    scores = model.decision_function(features)
    return {
        name: hit_at_k_score(y, scores, k=k, labels=model.classes_, average="micro")
        for name, k in (("top_1", 1), ("hit_at_5", 5))
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", help="photos and labels.json (default: open-photos)")
    main(parser.parse_args().folder)
