"""Classes from their descriptions: what is reported, and what was chosen for it.

    ZEROSHOT_DATA=FOLDER python studies/described_classes.py --choose
    ZEROSHOT_DATA=FOLDER python studies/described_classes.py --json FILE

``--choose`` compares the parts on Tiny ImageNet, less the classes that CIFAR-100 has too: 20 unseen
classes at a time, none of which the head keeps. Without it, the chosen ones are run once:

- 100 ImageNet classes, one photo each, taken out of the head; none of them served to choose
  (``open_labels_choice.py`` keeps the last of its five parts for this).
- The open photos, a development set that has been looked at.
- Twenty unseen classes of CIFAR-100, with and without the head: five class splits of
  ``random_state=0`` and of each of 101 to 105. Training images of the seen classes are learnt, and
  all images of the unseen ones named, as in ``compare_methods.py``.

Each figure has a bootstrap interval over classes, and a paired difference to what it replaces.
"""

from __future__ import annotations

import argparse
import json
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from archive_features import archive_features
from open_labels_choice import PRESETS, Task, imagenet_tasks, without
from sklearn.preprocessing import normalize

from zeroshot import (
    AttributeTable,
    ConcatEmbedding,
    DummyZeroShotClassifier,
    ESZSLClassifier,
    GlossEmbedding,
    HeadRegressionClassifier,
    MixtureSimilarity,
    OpenLabelClassifier,
    PrototypeRegressionClassifier,
    SimilarityClassifier,
    SimilarityInitializer,
    SourceHead,
    TimmFeatures,
    WordNetEmbedding,
    WordNetSimilarity,
    WordVectors,
    WordVectorSimilarity,
)
from zeroshot.datasets import label_texts
from zeroshot.datasets._fetch import resolve_data_home
from zeroshot.exceptions import LabelWarning
from zeroshot.model_selection import ClassKFold, ClassShuffleSplit
from zeroshot.taxonomy import class_synsets, synset

N_BOOTSTRAP = 2000
SEEDS = (0, 101, 102, 103, 104, 105)

# Chosen by --choose.
NO_HEAD = ("ESZSL", "ESZSL, glosses", "prototypes")
WITH_HEAD = ("ESZSL", "prototypes", "predicted weights", "predicted weights")

Scores = dict[str, np.ndarray]


class Parts:
    """The classifiers that are compared and joined, for one data set and its class names.

    Parameters
    ----------
    data_set : {"cifar100", "tiny_imagenet"}
        Whose synsets are taken.
    names : ndarray of str
        All class names.
    head : SourceHead
        Of the features' network.
    """

    def __init__(self, data_set: str, names: np.ndarray, head: SourceHead) -> None:
        synsets = class_synsets(data_set)
        synonyms = {name: ", ".join(synset(wnid).lemmas) for name, wnid in synsets.items()}
        texts = label_texts(data_set) if data_set == "cifar100" else synonyms
        self.names, self.head, self.synsets = names, head, synsets
        self.words = WordVectors(missing_words="ignore", overrides=texts)
        self.gloss = GlossEmbedding(on_missing="raise", overrides=synsets)
        self.path = WordNetSimilarity("path", overrides=synsets)
        sides = [self.words, WordNetEmbedding(vocabulary=names, overrides=synsets), self.gloss]
        tables = [AttributeTable(side.embed(names), names) for side in sides]
        self.before = ConcatEmbedding(tables[:2])  # words and WordNet
        self.all = ConcatEmbedding(tables)
        self.glosses = tables[2]

    def scores(self, X: np.ndarray, y: np.ndarray, unseen: np.ndarray, rows: np.ndarray) -> Scores:
        """Return each part's scores of the unseen classes for new rows, learnt from X and y."""
        kernels, weights = [self.path, self.gloss, self.words], [2, 2, 1]
        shared: dict[str, Any] = {"candidates": unseen}
        unit, unit_rows = normalize(X), normalize(rows)
        found = {
            "control: best constant": DummyZeroShotClassifier(
                self.before, strategy="constant", **shared
            ).fit(X, y),
            "ESZSL, words and WordNet": ESZSLClassifier(self.before, gamma=2, **shared).fit(
                unit, y
            ),
            "ESZSL": ESZSLClassifier(self.all, gamma=2, **shared).fit(unit, y),
            "ESZSL, glosses": ESZSLClassifier(self.glosses, gamma=2, **shared).fit(unit, y),
            "prototypes": PrototypeRegressionClassifier(
                kernels, weights=weights, alpha=0.1, **shared
            ).fit(unit, y),
            "predicted weights": HeadRegressionClassifier(
                self.head, kernels, weights=weights, alpha=0.1, overrides=self.synsets, **shared
            ).fit(),
        }
        of_head = ("control: best constant", "predicted weights")
        scores = {
            name: model.decision_function(rows if name in of_head else unit_rows)
            for name, model in found.items()
        }
        jcn = WordNetSimilarity("jcn")
        initial = SimilarityInitializer(
            self.head, jcn, normalize="equal", synsets=self.synsets, candidates=unseen
        )
        scores["rows by similarity"] = initial.fit().decision_function(rows)
        return scores


def joined(scores: Scores, members: tuple[str, ...]) -> np.ndarray:
    """Return the sum of the members' z-scores over the classes of each row."""
    total = 0.0
    for name in members:
        part = scores[name].astype(np.float64)
        part = part - part.mean(axis=1, keepdims=True)
        total = total + part / np.maximum(part.std(axis=1).mean(), 1e-12)
    return np.asarray(total)


JOINED = {
    "ESZSL and prototypes": ("ESZSL", "prototypes"),
    "ESZSL twice and prototypes": ("ESZSL", "ESZSL, glosses", "prototypes"),
    "prototypes and weights": ("prototypes", "predicted weights"),
    "ESZSL, prototypes, weights": ("ESZSL", "prototypes", "predicted weights"),
    "the same, weights twice": ("ESZSL", "prototypes", "predicted weights", "predicted weights"),
    "the same and rows": (
        "ESZSL", "prototypes", "predicted weights", "predicted weights", "rows by similarity"
    ),
}  # fmt: skip


def choose() -> dict[str, float]:
    """Print what each part and some sums of them reach on Tiny ImageNet, and return it."""
    bunch = archive_features("tiny_imagenet", "train")
    synsets, others = class_synsets("tiny_imagenet"), set(class_synsets("cifar100").values())
    kept = np.array([synsets[name] not in others for name in bunch.target])
    X, y = bunch.data[kept], bunch.target[kept]
    head = TimmFeatures(image_size=128).fit().source_head_
    parts = Parts("tiny_imagenet", np.unique(y), without(head, list(synsets.values())))
    hits: dict[str, list[float]] = {}
    for seen, test in ClassKFold(9, shuffle=True, random_state=0).split(X, y):
        unseen = np.unique(y[test])
        scores = parts.scores(X[seen], y[seen], unseen, X[test])
        scores |= {title: joined(scores, members) for title, members in JOINED.items()}
        for title, found in scores.items():
            hits.setdefault(title, []).append(float((unseen[found.argmax(1)] == y[test]).mean()))
    figures = {title: float(np.mean(values)) for title, values in hits.items()}
    print(f"Tiny ImageNet, {len(parts.names)} classes, 20 or so unseen at a time: top-1")
    for title, figure in figures.items():
        print(f"{title:<32}{figure:8.3f}")
    return figures


def cifar100() -> dict[str, Any]:
    """Return the figures of 20 unseen classes of CIFAR-100, by what is compared and by seed."""
    sets = [archive_features("cifar100", subset) for subset in ("train", "test")]
    X, y = (np.concatenate([part[name] for part in sets]) for name in ("data", "target"))
    to_fit = np.arange(len(y)) < len(sets[0].target)
    head = TimmFeatures(image_size=128).fit().source_head_
    parts = Parts("cifar100", np.unique(y), head)
    compared = {
        "control: best constant": ("control: best constant",),
        "no head, before: ESZSL, words and WordNet": ("ESZSL, words and WordNet",),
        "no head": NO_HEAD,
        "head, before: ESZSL and rows": ("ESZSL, words and WordNet", "rows by similarity"),
        "head": WITH_HEAD,
    }
    hits: dict[str, dict[int, list[np.ndarray]]] = {title: {} for title in compared}
    labels: dict[int, list[np.ndarray]] = {}
    for seed in SEEDS:
        splits = ClassShuffleSplit(n_splits=5, test_size=20, random_state=seed)
        for seen, test in splits.split(X, y):
            unseen, learnt = np.unique(y[test]), seen[to_fit[seen]]
            scores = parts.scores(X[learnt], y[learnt], unseen, X[test])
            labels.setdefault(seed, []).append(y[test])
            for title, members in compared.items():
                right = unseen[joined(scores, members).argmax(axis=1)] == y[test]
                hits[title].setdefault(seed, []).append(right)
        done = {title: f"{np.concatenate(found[seed]).mean():.3f}" for title, found in hits.items()}
        print(f"seed {seed}", done, flush=True)
    groups = {"random_state=0": SEEDS[:1], "random_state=101 to 105": SEEDS[1:]}
    results: dict[str, Any] = {}
    for group, seeds in groups.items():
        names = np.concatenate([part for seed in seeds for part in labels[seed]])
        right = {
            title: np.concatenate([part for seed in seeds for part in found[seed]])
            for title, found in hits.items()
        }
        results[group] = {
            title: estimate(values, names, right.get(replaced(title)))
            for title, values in right.items()
        }
    return results


def replaced(title: str) -> str:
    """Return the title of what a model replaces."""
    return {
        "no head": "no head, before: ESZSL, words and WordNet",
        "head": "head, before: ESZSL and rows",
    }.get(title, "control: best constant")


def open_models(task: Task, words: WordVectors) -> Iterator[tuple[str, Any]]:
    """Yield what names photos from labels alone."""
    path = WordNetSimilarity("path", senses="nearest", on_missing="zero")
    pairs = [(path, 1), (WordVectorSimilarity(words, on_missing="zero"), 1)]
    similarity = MixtureSimilarity(pairs, scale="zscore")
    given = {"candidates": task.candidates}
    control = DummyZeroShotClassifier(words, strategy="constant", **given)
    yield "control: best constant", control.fit(task.X, task.y)
    yield "before: similarity", SimilarityClassifier(task.head, similarity, **given).fit()
    kernels = [path, GlossEmbedding(on_missing="raise"), words]
    weights = HeadRegressionClassifier(task.head, kernels, weights=[2, 2, 1], alpha=0.1, **given)
    yield "predicted weights", weights.fit()
    yield "zeroshot predict", OpenLabelClassifier(task.head, **given).fit()


def open_labels() -> dict[str, Any]:
    """Return the figures of hidden ImageNet classes and of the open photos."""
    backbone = TimmFeatures(precision="float32").fit()
    head = backbone.source_head_
    _, hidden = imagenet_tasks(head, backbone, PRESETS["full"])
    home = resolve_data_home() / "open-photos"
    truth = json.loads((home / "labels.json").read_text(encoding="utf-8"))
    y = np.array(list(truth.values()))
    synonyms = {name.strip().lower() for text in head.labels for name in text.split(",")}
    known = np.isin(np.char.lower(y), list(synonyms))
    X = backbone.transform([str(home / name) for name in truth])
    named = {
        "100 hidden ImageNet classes": (hidden, np.ones(len(hidden.y), dtype=bool)),
        "open photos": (Task(X, y, head, np.unique(y), known), np.ones(len(y), dtype=bool)),
    }
    named["open photos, ImageNet synonyms"] = (named["open photos"][0], known)
    named["open photos, the rest"] = (named["open photos"][0], ~known)
    words = WordVectors(missing_words="ignore", on_missing="zero")
    results: dict[str, Any] = {}
    for title, (task, rows) in named.items():
        right: dict[str, dict[str, np.ndarray]] = {}
        for model_title, model in open_models(task, words):
            scores = model.decision_function(task.X[rows])
            place = np.searchsorted(model.classes_, task.y[rows])
            own = np.take_along_axis(scores, place[:, None], axis=1)
            better = (scores > own).sum(axis=1)
            right[model_title] = {"top_1": better == 0, "hit_at_5": better < 5}
        results[title] = {
            model_title: {
                figure: estimate(values, task.y[rows], right["before: similarity"][figure])
                for figure, values in figures.items()
            }
            for model_title, figures in right.items()
        }
    return results


def estimate(
    hits: np.ndarray, labels: np.ndarray, before: np.ndarray | None = None
) -> dict[str, Any]:
    """Return a mean, its 95 % interval over classes, and the difference to what was before."""
    names, codes = np.unique(labels, return_inverse=True)
    counts = np.bincount(codes)
    rng = np.random.default_rng(0)
    drawn = rng.integers(len(names), size=(N_BOOTSTRAP, len(names)))

    def interval(values: np.ndarray) -> list[float]:
        sums = np.bincount(codes, weights=values)
        means = sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1)
        return [round(float(value), 4) for value in np.quantile(means, [0.025, 0.975])]

    hits = hits.astype(np.float64)
    found = {"value": round(float(hits.mean()), 4), "interval": interval(hits)}
    if before is not None:
        difference = hits - before
        found["gain"] = round(float(difference.mean()), 4)
        found["gain_interval"] = interval(difference)
    return found


def show(results: dict[str, Any], indent: str = "") -> None:
    """Print the figures as a tree."""
    for title, value in results.items():
        if "value" in value:
            gain = (
                f"  gain {value['gain']:+.3f} {value['gain_interval']}" if "gain" in value else ""
            )
            print(f"{indent}{title:<44}{value['value']:7.3f} {value['interval']}{gain}")
        else:
            print(f"{indent}{title}")
            show(value, indent + "  ")


def main(argv: list[str] | None = None) -> dict[str, Any]:
    """Choose, or run what was chosen; print and return the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--choose", action="store_true", help="compare on development data")
    parser.add_argument("--only", choices=["open", "cifar100"], help="one of the two parts")
    parser.add_argument("--json", metavar="FILE", help="also write the results there")
    options = parser.parse_args(argv)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LabelWarning)  # some words have no vector
        if options.choose:
            return choose()
        results: dict[str, Any] = {}
        if options.only != "cifar100":
            results |= open_labels()
        if options.only != "open":
            results["20 unseen classes of CIFAR-100"] = cifar100()
    show(results)
    if options.json:
        command = "ZEROSHOT_DATA=FOLDER python studies/described_classes.py --json "
        record = {"command": command + options.json, **results}
        Path(options.json).write_text(json.dumps(record, indent=1) + "\n")
    return results


if __name__ == "__main__":
    main()
