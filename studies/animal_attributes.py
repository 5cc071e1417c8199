"""Animals in ImageNet photos, named from the attributes of Animals with Attributes 2.

    ZEROSHOT_DATA=FOLDER python studies/animal_attributes.py --json FILE

No image is learnt from. The network's own classifier has a row of weights for each breed of dog and
each kind of bear; the mean over the classes that are of one kind is the row of an animal in the
table of attributes. A fifth of the animals is taken out at a time, and their rows are predicted
from 85 attributes by kernel ridge regression. The photos of these animals are then named among
them, and among all fifty. Beside the attributes stand what is known without them (glosses, and word
vectors), and two controls: the attributes of other animals, dealt at random, and the label that is
right most often. Nothing was chosen on these photos: the parameters are the defaults.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

from zeroshot import (
    AttributeTable,
    GlossEmbedding,
    HeadRegressionClassifier,
    SourceHead,
    TimmFeatures,
    WordVectors,
)
from zeroshot.datasets._fetch import resolve_data_home
from zeroshot.taxonomy import resolve, synset

N_FOLDS, N_BOOTSTRAP, SEED = 5, 2000, 0


def animals_of(wnids: list[str], names: list[str]) -> np.ndarray:
    """Return the animal of each wnid, "" for none: its synset is the animal's, or below it."""
    wanted = dict(zip(resolve(names, context="labels").synsets, names, strict=True))
    found = []
    for wnid in wnids:
        own = synset(wnid)
        kinds = [s for s in (own, *own.ancestors) if s in wanted]
        found.append(wanted[max(kinds, key=lambda s: s.max_depth)] if kinds else "")
    return np.array(found)


def animal_head(head: SourceHead, animals: np.ndarray, without: set[str]) -> SourceHead:
    """Return a head with one row per animal, the mean of its classes' rows."""
    kept = sorted(set(animals.tolist()) - {"", *without})
    means = [(head.coef[animals == x].mean(0), head.intercept[animals == x].mean()) for x in kept]
    rows, offsets = zip(*means, strict=True)
    return SourceHead(np.array(rows), np.array(offsets), kept)


def sides(table: AttributeTable, names: list[str]) -> dict[str, Any]:
    """Return what describes a class, by the name of its row in the table."""
    synsets = {
        name: s.wnid
        for name, s in zip(names, resolve(names, context="labels").synsets, strict=True)
    }
    others = np.random.default_rng(SEED).permutation(table.embed(names))
    return {
        "85 attributes": table,
        "glosses": GlossEmbedding(overrides=synsets),
        "words": WordVectors(missing_words="ignore"),
        "attributes and glosses": [table, GlossEmbedding(overrides=synsets)],
        "control: attributes of other animals": AttributeTable(others, names),
    }


def main() -> None:
    """Run, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", help="file for the results")
    options = parser.parse_args()
    home = resolve_data_home()
    table = AttributeTable.from_file(home / "awa/AWA2/predicate-matrix-continuous.txt")
    names = [str(name) for name in table.vocabulary]
    files = sorted((home / "imagenet-photos").glob("*.jpg"))
    shown = animals_of([file.name.split("_")[0] for file in files], names)
    files, y = [f for f, x in zip(files, shown, strict=True) if x], shown[shown != ""]
    backbone = TimmFeatures().fit()
    head, X = backbone.source_head_, backbone.transform(files)
    animals = animals_of(list(head.wnids), names)
    present = np.random.default_rng(SEED).permutation(np.unique(y))
    right: dict[str, dict[str, list[np.ndarray]]] = {}
    order: list[np.ndarray] = []
    for hidden in np.array_split(present, N_FOLDS):
        rows = np.isin(y, hidden)
        order.append(y[rows])
        rest = animal_head(head, animals, set(hidden.tolist()))
        for name, side in sides(table, names).items():
            model = HeadRegressionClassifier(rest, side, candidates=hidden).fit()
            among = {"hidden": model, "all 50": model.with_candidates(names)}
            for kind, one in among.items():
                answers = one.predict(X[rows])
                right.setdefault(name, {}).setdefault(kind, []).append(answers == y[rows])
        constant = y[rows] == max(hidden, key=lambda x: (y[rows] == x).sum())
        right.setdefault("control: best constant", {}).setdefault("hidden", []).append(constant)
    truth = np.concatenate(order)
    results = {
        name: {kind: interval(truth, np.concatenate(hits)) for kind, hits in kinds.items()}
        for name, kinds in right.items()
    }
    n_known = len(set(animals.tolist()) - {""})
    print(f"{len(truth)} photos of {len(present)} animals; the head has {n_known} of the 50")
    for name, kinds in results.items():
        cells = [f"{k} {v[0]:.3f} [{v[1]:.3f}, {v[2]:.3f}]" for k, v in kinds.items()]
        print(f"{name:<40}" + "   ".join(cells))
    if options.json:
        command = f"python studies/animal_attributes.py --json {options.json}"
        report = {"command": command, "n_photos": len(truth), "n_animals": len(present)}
        Path(options.json).write_text(json.dumps(report | {"accuracy": results}, indent=1) + "\n")


def interval(truth: np.ndarray, hits: np.ndarray) -> tuple[float, float, float]:
    """Return the mean class accuracy, and the ends of its bootstrap interval over classes."""
    classes = np.unique(truth)
    per_class = np.array([hits[truth == name].mean() for name in classes])
    draws = np.random.default_rng(SEED).choice(per_class, (N_BOOTSTRAP, len(per_class))).mean(1)
    low, high = np.quantile(draws, [0.025, 0.975])
    return float(per_class.mean()), float(low), float(high)


if __name__ == "__main__":
    main()
