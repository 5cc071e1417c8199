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

The inductive scores are the sums of ``described_classes.py``, without the head and with it, which
that study keeps; the batch goes through the function that the classifier calls. Intervals are over
classes, and differences paired. Finished splits are kept in the cache: the same command resumes
from them.
"""

from __future__ import annotations

import argparse
import json
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from archive_features import archive_features, first_of_each_class
from described_classes import (
    NO_HEAD,
    WITH_HEAD,
    Cifar,
    Parts,
    Scores,
    class_splits,
    estimate,
    joined,
    wanted_parts,
)
from kept_parts import kept
from open_labels_choice import without
from sklearn.preprocessing import normalize

from zeroshot import TimmFeatures
from zeroshot.estimators import _transductive
from zeroshot.estimators._within_class import whitened, within_class_whitening
from zeroshot.exceptions import LabelWarning
from zeroshot.label_embeddings._gloss import has_text_model
from zeroshot.model_selection import ClassKFold
from zeroshot.taxonomy import class_synsets

MODELS = {"no head": NO_HEAD, "head": WITH_HEAD}
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
    "SHARE": (0.0, 0.5, 1.0, 2.0),
    "FLOOR": (1.0, 3.0),
    "WEIGHT": (0.2, 0.5, 1.0),
    "SHARPNESS": (30.0, 60.0),
    "PULL": (2.0, 5.0),
    "TEMPERATURE": (0.35, 0.5),
    "SHRINKAGE": (0.85, 1.0),
}
"""What ``--choose`` tries for each constant, the others as they are."""

N_FOLDS, N_DRAWS, N_LEARNT = 2, 2, 40
"""Folds of ``--choose``, batches of each kind, and images of each class to learn from."""


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


def choose() -> dict[str, Any]:
    """Print what each constant does on Tiny ImageNet, and return the gains."""
    bunch = archive_features("tiny_imagenet", "train")
    synsets, others = class_synsets("tiny_imagenet"), set(class_synsets("cifar100").values())
    kept = np.array([synsets[name] not in others for name in bunch.target])
    X, y = bunch.data[kept], bunch.target[kept]
    to_fit = np.isin(np.arange(len(y)), first_of_each_class(y, N_LEARNT))
    head = TimmFeatures(image_size=128).fit().source_head_
    parts = Parts("tiny_imagenet", np.unique(y), without(head, list(synsets.values())))
    gains: dict[tuple[str, str], dict[str, list[float]]] = {}
    folds = ClassKFold(9, shuffle=True, random_state=0).split(X, y)
    for number, (seen, test) in zip(range(N_FOLDS), folds, strict=False):
        learnt = seen[to_fit[seen]]
        scores = parts.scores(X[learnt], y[learnt], np.unique(y[test]), X[test], _members())
        true = np.unique(y[test], return_inverse=True)[1]
        batches = {title: list(drawn_batches(y[test], title, number, N_DRAWS)) for title in TITLES}
        spaces: dict[float, np.ndarray] = {}
        for name, values in GRID.items():
            for value in values:
                with constant(name, value):
                    if _transductive.SHRINKAGE not in spaces:
                        white = _white(X[learnt], y[learnt], X[test])
                        spaces[_transductive.SHRINKAGE] = white
                    rows = spaces[_transductive.SHRINKAGE]
                    for model, members in MODELS.items():
                        found = gains.setdefault((model, f"{name.lower()} = {value:g}"), {})
                        for title, drawn in batches.items():
                            found.setdefault(title, []).extend(
                                _gain(rows, joined(scores, members), true, batch) for batch in drawn
                            )
    means = {
        f"{model}, {row}": {title: round(float(np.mean(v)), 4) for title, v in found.items()}
        for (model, row), found in sorted(gains.items())
    }
    print("Tiny ImageNet, accuracy gained by the batch" + " " * 4 + "  ".join(TITLES))
    for row, figures in means.items():
        print(f"{row:<32}" + "".join(f"{value:+9.3f}" for value in figures.values()))
    return means


def _members() -> set[str]:
    return {member for members in MODELS.values() for member in members}


def _white(X: np.ndarray, y: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return rows whitened by what images X of classes y say, as `TransductiveClassifier` does."""
    unit = normalize(X)
    made = within_class_whitening(unit, y, _transductive.SHRINKAGE)
    return whitened(normalize(rows), *made)


def _gain(rows: np.ndarray, scores: np.ndarray, true: np.ndarray, batch: np.ndarray) -> float:
    scores = scores[batch].astype(np.float32)
    made = _transductive.Batch(rows[batch], scores, true[batch])
    return _transductive.gain(made, _transductive.WEIGHT)


class constant:  # noqa: N801
    """Context in which a constant of the method has another value."""

    def __init__(self, name: str, value: float) -> None:
        self.name, self.value = name, value
        self.before = getattr(_transductive, name)

    def __enter__(self) -> None:
        setattr(_transductive, self.name, self.value)

    def __exit__(self, *error: object) -> None:
        setattr(_transductive, self.name, self.before)


def cifar100() -> dict[str, Any]:
    """Return the figures of 20 unseen classes of CIFAR-100, by seeds, model and batch."""
    data = Cifar()
    _, wanted = wanted_parts(has_text_model())
    constants = {name.lower(): getattr(_transductive, name) for name in GRID}
    found: dict[str, list[Counts]] = {}
    for seed, number, seen, test in class_splits(data.y):
        group = "random_state=0" if seed == 0 else "random_state=101 to 105"
        counts = kept(
            data.folder,
            f"transductive {seed} {number}",
            [seed, number, constants, TITLES, MODELS],
            lambda split=(seed, number, seen, test): counted(data, wanted, split),
        )
        found.setdefault(group, []).append(counts)
        print(f"seed {seed}, split {number}", flush=True)
    return {
        group: {
            title: {size: figures([part[title][size] for part in members]) for size in TITLES}
            for title in MODELS
        }
        for group, members in found.items()
    }


Counts = dict[str, dict[str, dict[str, list[int]]]]
"""By model, batch and class: images, named rightly by the batch, and one by one."""


def counted(
    data: Cifar, wanted: set[str], split: tuple[int, int, np.ndarray, np.ndarray]
) -> Counts:
    """Return the counts of one class split."""
    seed, number, seen, test = split
    scores: Scores = data.scores(seed, number, seen, test, wanted)
    learnt, y = seen[data.to_fit[seen]], data.y[test]
    names, true = np.unique(y, return_inverse=True)
    rows = _white(data.X[learnt], data.y[learnt], data.X[test])
    found: Counts = {}
    for title, members in MODELS.items():
        given = joined(scores, members).astype(np.float32)
        inductive = given.argmax(axis=1) == true
        for size in TITLES:
            by_class = found.setdefault(title, {}).setdefault(size, {})
            n_draws = 4 if size in ("2", "5") else 1
            for batch in drawn_batches(y, size, 10 * seed + number, n_draws):
                now = _transductive.transduce(rows[batch], given[batch], _transductive.WEIGHT)
                right = now.argmax(axis=1) == true[batch]
                for code in np.unique(true[batch]):
                    of = true[batch] == code
                    more = [of.sum(), right[of].sum(), inductive[batch][of].sum()]
                    before = by_class.get(str(names[code]), [0, 0, 0])
                    by_class[str(names[code])] = [
                        int(a + b) for a, b in zip(before, more, strict=True)
                    ]
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
    parser.add_argument("--json", metavar="FILE", help="also write the results there")
    options = parser.parse_args(argv)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LabelWarning)  # some words have no vector
        results = choose() if options.choose else cifar100()
    if not options.choose:
        show(results)
    if options.json:
        how = "--choose " if options.choose else ""
        command = f"ZEROSHOT_DATA=FOLDER python studies/transductive.py {how}--json {options.json}"
        record = {"command": command, **results}
        Path(options.json).write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    return results


if __name__ == "__main__":
    main()
