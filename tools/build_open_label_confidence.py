"""Build what ``OpenLabelClassifier`` knows of its confidence, from classes hidden from its head.

    ZEROSHOT_DATA=FOLDER python tools/build_open_label_confidence.py [--output FILE]

The folder holds ``imagenet-photos``, 500 photos of as many classes of ImageNet-1k. The classes are
dealt into groups of 20. For each group its classes are taken out of the network's own classifier,
and its photos are named among their 20 names, as a photo of something that the network does not
know would be. No photo and no name of it enters the result.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np

import zeroshot
from zeroshot import OpenLabelClassifier, SourceHead, TimmFeatures
from zeroshot.datasets._fetch import resolve_data_home
from zeroshot.estimators._confidence import Confidence
from zeroshot.estimators._held_out import Block

N_CANDIDATES = 20
OUTPUT = Path(zeroshot.__file__).parent / "estimators" / "data" / "open_label_confidence.json"


def hidden_blocks(head: SourceHead, X: np.ndarray, wnids: np.ndarray, seed: int) -> list[Block]:
    """Return the scores of photos whose classes are hidden from the head, group by group."""
    order = np.random.default_rng(seed).permutation(len(wnids))
    blocks = []
    for number, group in enumerate(np.array_split(order, len(order) // N_CANDIDATES)):
        rows = np.flatnonzero(np.isin(head.wnids, wnids[group]))
        kept = np.setdiff1d(np.arange(len(head.labels)), rows)
        rest = SourceHead(
            head.coef[kept], head.intercept[kept], head.labels[kept], wnids=head.wnids[kept]
        )
        names = {
            wnid: label.split(",")[0] for wnid, label in zip(head.wnids, head.labels, strict=True)
        }
        labels = np.array([names[wnid] for wnid in wnids[group]])
        if len(set(labels)) < len(labels):  # two classes that are called alike
            labels = np.array([head.labels[head.wnids == wnid][0] for wnid in wnids[group]])
        model = OpenLabelClassifier(rest, candidates=labels).fit()
        scores = model._class_scores(X[group])
        true = np.searchsorted(model.classes_, labels)
        blocks.append(Block(scores, np.zeros(scores.shape[1], dtype=bool), true, group))
        print(f"group {number}: {np.mean(scores.argmax(axis=1) == true):.2f} right", flush=True)
    return blocks


def main() -> None:
    """Extract features, hide classes, and write what was learnt."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=OUTPUT)
    arguments = parser.parse_args()
    paths = sorted((resolve_data_home() / "imagenet-photos").glob("*.jpg"))
    backbone = TimmFeatures(progress=False).fit()
    X = backbone.transform([str(path) for path in paths])
    wnids = np.array([path.name.partition("_")[0] for path in paths])
    blocks = hidden_blocks(backbone.source_head_, X, wnids, seed=0)
    found = Confidence.of_blocks(blocks, unseen_only=True)
    record = {
        "command": "python tools/build_open_label_confidence.py",
        "photos": f"{len(paths)} photos of a class of ImageNet-1k each, {N_CANDIDATES} names",
        "network": str(backbone.model_name),
        "weights": backbone.weights_hash_,
        "version": zeroshot.__version__,
        "temperature": found.temperature,
        "n_candidates": found.n_candidates,
        "n_classes": found.n_classes,
        "evidence_weights": found.evidence_weights.round(6).tolist(),
    }
    for name in ("true", "best", "evidence", "best_of_others", "evidence_of_others"):
        record[name] = np.asarray(getattr(found, name), dtype=np.float64).round(5).tolist()
    record["right"] = found.right.astype(int).tolist()
    arguments.output.parent.mkdir(exist_ok=True)
    arguments.output.write_text(json.dumps(record) + "\n")
    print(
        f"temperature {found.temperature:.4f}, {found.right.mean():.3f} right; {arguments.output}"
    )


if __name__ == "__main__":
    main()
