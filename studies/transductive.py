"""A batch of unlabelled images: what it adds to naming them one by one.

    ZEROSHOT_DATA=FOLDER python studies/transductive.py --choose
    ZEROSHOT_DATA=FOLDER python studies/transductive.py --json docs/results/transductive.json

Every figure of `TransductiveClassifier` **sees the test images**, without their labels. The control
beside it is its own inductive answer for the same images.

``--choose`` varies each constant of the method in turn, on Tiny ImageNet less the classes that
CIFAR-100 has too, about 20 unseen at a time, all of them hidden from the head. Without it, the
chosen ones are run once on CIFAR-100: 20 unseen classes in five class splits of ``random_state=0``
and of each of 101 to 105. A batch has so many images of each unseen class, drawn anew; or 50 of
the most frequent class down to 3 or to 1 of the rarest, on a geometric scale; or 20 images of each
of ten classes, and none of the ten other candidates.

The inductive classifiers are `EnsembleZeroShotClassifier` of what ``described_classes.py`` joins.
Intervals are over classes, and differences paired. Finished splits are kept in the cache: the same
command resumes from them.
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
from described_classes import Parts, estimate
from kept_parts import kept
from open_labels_choice import without
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer

from zeroshot import (
    EnsembleZeroShotClassifier,
    ESZSLClassifier,
    HeadRegressionClassifier,
    PrototypeRegressionClassifier,
    TimmFeatures,
    TransductiveClassifier,
)
from zeroshot._utils._files import cache_home
from zeroshot.estimators import _transductive
from zeroshot.exceptions import LabelWarning
from zeroshot.model_selection import ClassKFold, ClassShuffleSplit
from zeroshot.taxonomy import class_synsets

SEEDS = (0, 101, 102, 103, 104, 105)
IMAGES = (50, 20, 10, 5, 2)
TITLES = {
    **{str(n): f"{n} images per class" for n in IMAGES},
    "50 to 3": "50 to 3 images per class",
    "50 to 1": "50 to 1 images per class",
    "absent": "20 images of half of the classes",
}
"""The batches."""

GRID: dict[str, tuple[float, ...]] = {
    "SHRINKAGE": (0.3, 0.6, 0.85, 0.95, 1.0),
    "SHARPNESS": (10.0, 20.0, 30.0, 50.0, 100.0),
    "PULL": (0.0, 1.0, 2.0, 4.0),
    "TEMPERATURE": (0.25, 0.5, 1.0),
    "WEIGHT": (0.05, 0.1, 0.2, 0.5, 1.0),
}
"""What ``--choose`` tries for each constant, the others as they are."""

FIRST_WEIGHT = 0.2
"""The weight of the other rows of ``--choose``; their table led to that of today."""


def batch_sizes(title: str, n_classes: int) -> np.ndarray:
    """Return the images of each class, the most frequent first."""
    if title == "absent":
        return np.where(np.arange(n_classes) < n_classes // 2, 20, 0)
    if " to " in title:
        most, least = map(int, title.split(" to "))
        return np.geomspace(most, least, n_classes).round().astype(int)
    return np.full(n_classes, int(title))


def drawn_batches(y: np.ndarray, title: str, seed: int, n_draws: int) -> Iterator[np.ndarray]:
    """Yield the rows of some batches."""
    names, codes = np.unique(y, return_inverse=True)
    for draw in range(n_draws):
        rng = np.random.RandomState(1000 * seed + draw)
        sizes = rng.permutation(batch_sizes(title, len(names)))
        yield _transductive.drawn(codes, sizes, rng)


def inductive_models(
    parts: Parts, X: np.ndarray, y: np.ndarray, unseen: np.ndarray, *, head: bool
) -> dict[str, Any]:
    """Return the inductive classifiers, fitted: without the head, and with it."""
    kernels, weights = [parts.path, parts.gloss, parts.words], [2, 2, 1]
    shared: dict[str, Any] = {"candidates": unseen}
    members = {
        "eszsl": make_pipeline(Normalizer(), ESZSLClassifier(parts.all, gamma=2, **shared)),
        "glosses": make_pipeline(Normalizer(), ESZSLClassifier(parts.glosses, gamma=2, **shared)),
        "prototypes": make_pipeline(
            Normalizer(),
            PrototypeRegressionClassifier(kernels, weights=weights, alpha=0.1, **shared),
        ),
    }
    known = [(name, FrozenEstimator(model.fit(X, y))) for name, model in members.items()]
    unseen_only = {**shared, "scenario": "unseen"}
    models = {"no head": EnsembleZeroShotClassifier(known, **unseen_only)}
    if head:
        rows = HeadRegressionClassifier(
            parts.head, kernels, weights=weights, alpha=0.1, overrides=parts.synsets, **shared
        )
        both = [known[0], known[2], ("head", FrozenEstimator(rows.fit()))]
        models["head"] = EnsembleZeroShotClassifier(both, weights=[1, 1, 2], **unseen_only)
    return {title: model.fit(X, y) for title, model in models.items()}


def choose() -> dict[str, Any]:
    """Print what each constant does on Tiny ImageNet, and return the gains."""
    bunch = archive_features("tiny_imagenet", "train")
    synsets, others = class_synsets("tiny_imagenet"), set(class_synsets("cifar100").values())
    kept = np.array([synsets[name] not in others for name in bunch.target])
    X, y = bunch.data[kept], bunch.target[kept]
    head = TimmFeatures(image_size=128).fit().source_head_
    parts = Parts("tiny_imagenet", np.unique(y), without(head, list(synsets.values())))
    gains: dict[str, dict[str, list[float]]] = {}
    for number, (seen, test) in enumerate(ClassKFold(9, shuffle=True, random_state=0).split(X, y)):
        unseen = np.unique(y[test])
        model = inductive_models(parts, X[seen], y[seen], unseen, head=False)["no head"]
        scores = model.decision_function(X[test])
        true = np.searchsorted(unseen, y[test])
        spaces: dict[float, np.ndarray] = {}
        for name, values in GRID.items():
            for value in values:
                with constant("WEIGHT", FIRST_WEIGHT), constant(name, value):
                    shrinkage = _transductive.SHRINKAGE
                    if shrinkage not in spaces:
                        made = _transductive.within_class_whitening(X[seen], y[seen])
                        spaces[shrinkage] = _transductive.whitened(X[test], *made)
                    for title in TITLES:
                        for rows in drawn_batches(y[test], title, number, 3):
                            batch = _transductive.Batch(
                                spaces[shrinkage][rows], scores[rows], true[rows]
                            )
                            found = _transductive.gain(batch, _transductive.WEIGHT)
                            row = gains.setdefault(f"{name.lower()} = {value:g}", {})
                            row.setdefault(title, []).append(found)
    means = {
        row: {title: round(float(np.mean(found)), 4) for title, found in by_title.items()}
        for row, by_title in gains.items()
    }
    print("Tiny ImageNet, accuracy gained by the batch" + " " * 4 + "  ".join(TITLES))
    for row, figures in means.items():
        print(f"{row:<24}" + "".join(f"{value:+9.3f}" for value in figures.values()))
    return means


class constant:  # noqa: N801
    """Context in which a constant of the method has another value."""

    def __init__(self, name: str, value: float) -> None:
        self.name, self.value = name, value
        self.before = getattr(_transductive, name)

    def __enter__(self) -> None:
        setattr(_transductive, self.name, self.value)

    def __exit__(self, *error: object) -> None:
        setattr(_transductive, self.name, self.before)


def cifar100(n_splits: int = 5) -> dict[str, Any]:
    """Return the figures of 20 unseen classes of CIFAR-100, by seeds, model and batch."""
    sets = [archive_features("cifar100", subset) for subset in ("train", "test")]
    X, y = (np.concatenate([part[name] for part in sets]) for name in ("data", "target"))
    to_fit = np.arange(len(y)) < len(sets[0].target)
    parts = Parts("cifar100", np.unique(y), TimmFeatures(image_size=128).fit().source_head_)
    folder = cache_home() / "studies"
    folder.mkdir(parents=True, exist_ok=True)
    constants = {name.lower(): getattr(_transductive, name) for name in GRID}
    found: dict[str, list[Counts]] = {}
    for seed, number in [
        *((SEEDS[0], number) for number in range(5)),
        *((seed, number) for number in range(n_splits) for seed in SEEDS[1:]),
    ]:
        splits = ClassShuffleSplit(n_splits=5, test_size=20, random_state=seed)
        seen, test = list(splits.split(X, y))[number]
        group = "random_state=0" if seed == 0 else "random_state=101 to 105"
        counts = kept(
            folder,
            f"transductive {seed} {number}",
            [seed, number, constants, TITLES],
            lambda seen=seen, test=test, seed=10 * seed + number: counted(
                parts, X, y, seen[to_fit[seen]], test, seed
            ),
        )
        found.setdefault(group, []).append(counts)
        print(f"seed {seed}, split {number}", flush=True)
    return {
        group: {
            title: {size: figures([part[title][size] for part in members]) for size in TITLES}
            for title in ("no head", "head")
        }
        for group, members in found.items()
    }


Counts = dict[str, dict[str, dict[str, list[int]]]]
"""By model, batch and class: images, named rightly by the batch, and one by one."""


def counted(
    parts: Parts, X: np.ndarray, y: np.ndarray, learnt: np.ndarray, test: np.ndarray, seed: int
) -> Counts:
    """Return the counts of one class split."""
    found: Counts = {}
    models = inductive_models(parts, X[learnt], y[learnt], np.unique(y[test]), head=True)
    for title, model in models.items():
        # Frozen, and no class is left to choose by: the constants of Tiny ImageNet.
        transductive = TransductiveClassifier(FrozenEstimator(model)).fit(X[learnt], y[learnt])
        inductive = model.predict(X[test]) == y[test]
        for size in TITLES:
            by_class = found.setdefault(title, {}).setdefault(size, {})
            for rows in drawn_batches(y[test], size, seed, 4 if size in ("2", "5") else 1):
                right = transductive.predict(X[test][rows]) == y[test][rows]
                for name in np.unique(y[test][rows]):
                    of = y[test][rows] == name
                    more = [of.sum(), right[of].sum(), inductive[rows][of].sum()]
                    before = by_class.get(str(name), [0, 0, 0])
                    by_class[str(name)] = [int(a + b) for a, b in zip(before, more, strict=True)]
    return found


def figures(counts: list[dict[str, list[int]]]) -> dict[str, Any]:
    """Return both accuracies and the gain, with intervals over classes."""
    flat = [(name, *numbers) for by_class in counts for name, numbers in by_class.items()]
    labels = np.repeat([name for name, *_ in flat], [n for _, n, _, _ in flat])
    now, before = (
        np.concatenate([np.arange(row[1]) < row[place] for row in flat]) for place in (2, 3)
    )
    return {
        "inductive": estimate(before, labels),
        "transductive (sees the test images)": estimate(now, labels, before),
    }


def show(results: dict[str, Any]) -> None:
    """Print the tables."""
    for group, by_model in results.items():
        for title, by_size in by_model.items():
            print(f"\n{group}, {title}: inductive, transductive (sees the test images), gain")
            for size, (before, now) in ((s, found.values()) for s, found in by_size.items()):
                low, high = now["gain_interval"]
                print(
                    f"{TITLES[size]:<34}{before['value']:7.3f}{now['value']:7.3f}"
                    f"{now['gain']:+8.3f} ({low:+.3f} to {high:+.3f})"
                )


def main(argv: list[str] | None = None) -> dict[str, Any]:
    """Choose, or run what was chosen; print and return the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--choose", action="store_true", help="vary the constants on Tiny ImageNet")
    parser.add_argument(
        "--splits", type=int, default=5, help="class splits of each of 101 to 105 (default: 5)"
    )
    parser.add_argument("--json", metavar="FILE", help="also write the results there")
    options = parser.parse_args(argv)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LabelWarning)  # some words have no vector
        results = choose() if options.choose else cifar100(options.splits)
    if not options.choose:
        show(results)
    if options.json:
        how = "--choose " if options.choose else f"--splits {options.splits} "
        command = f"ZEROSHOT_DATA=FOLDER python studies/transductive.py {how}--json {options.json}"
        record = {"command": command, **results}
        Path(options.json).write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    return results


if __name__ == "__main__":
    main()
