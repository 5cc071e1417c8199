"""Every method on every label embedding, on unseen classes of CIFAR-100 and Tiny ImageNet.

    ZEROSHOT_DATA=FOLDER python studies/compare_methods.py [--preset small|tiny] [--jobs N]
        [--output FILE]

The folder holds the archives of both, features of which are extracted once and kept
(studies/archive_features.py); without CIFAR-100's archive the features that ship are taken, and
without Tiny ImageNet's it is left out. ``small`` takes CIFAR-100's shipped features alone.

Five class splits, a fifth of the classes unseen in each: ``ClassShuffleSplit(n_splits=5,
test_size=..., random_state=0)``. Models are fitted to training images of the seen classes, their
parameters chosen by three folds of these classes, and judged on all images of the unseen classes,
among which they choose: mean class accuracy (top-1) and hit@5. Intervals are of 95 %: Student's
over the splits, which draw from the same classes and are not independent, and a bootstrap over the
classes. The network was trained on ImageNet-1k: classes of CIFAR-100 that are called as one of its
classes are given apart from the rest, and all of Tiny ImageNet's are among its classes.
"""

from __future__ import annotations

import argparse
import json
import platform
import shlex
import sys
import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from archive_features import SOURCES, archive_features, first_of_each_class
from joblib import Parallel, delayed
from label_sides import EMBEDDINGS
from methods import METHODS, Method, fit_best, quick
from scipy.stats import t as student

from zeroshot import LabelEmbedding
from zeroshot.datasets import class_names, load_cifar100_features
from zeroshot.datasets._fetch import resolve_data_home
from zeroshot.exceptions import LabelWarning
from zeroshot.metrics import hit_at_k_score
from zeroshot.model_selection import ClassKFold, ClassShuffleSplit, with_candidates
from zeroshot.taxonomy import class_synsets

TITLES = {"cifar100": "CIFAR-100", "tiny_imagenet": "Tiny ImageNet"}
N_BOOTSTRAP = 2000


@dataclass(frozen=True)
class Preset:
    """How much is measured.

    Attributes
    ----------
    limits : mapping of str to int
        Training images a class to fit to, for each data set.
    shipped : bool
        Take the features that ship.
    n_splits, n_folds : int
        Class splits, and folds of the seen classes of each.
    is_quick : bool
        Little training and few values of each parameter.
    """

    limits: Mapping[str, int]
    shipped: bool = False
    n_splits: int = 5
    n_folds: int = 3
    is_quick: bool = False


PRESETS = {
    "full": Preset({"cifar100": 40, "tiny_imagenet": 20}),
    "small": Preset({"cifar100": 40}, shipped=True),
    "tiny": Preset({"cifar100": 6}, shipped=True, n_splits=2, n_folds=2, is_quick=True),
}
N_TEST = 10  # further images a class, on which models are judged but not fitted


@dataclass(frozen=True)
class Data:
    """Images of a data set.

    Attributes
    ----------
    X : ndarray of shape (n_images, n_features)
        Features.
    y : ndarray of shape (n_images,)
        Class names.
    is_train : ndarray of bool of shape (n_images,)
        Which images may be fitted to, where their class is seen.
    source : str
        What the features are.
    """

    X: np.ndarray
    y: np.ndarray
    is_train: np.ndarray
    source: str


def load(data_set: str, limit: int, *, shipped: bool) -> Data | None:
    """Return the first images of each class, or None where there are none of this data set."""
    subsets = [subset for name, subset in SOURCES if name == data_set]
    filename, _ = SOURCES[data_set, subsets[0]]
    if not shipped and (resolve_data_home() / filename).is_file():
        parts = [archive_features(data_set, subset) for subset in subsets]
        source = f"1,280 features at 128 pixels of {filename}"
    elif data_set == "cifar100":
        parts = [load_cifar100_features(subset=subset) for subset in subsets]
        source = "the 128 principal components that ship"
    else:
        return None
    rows = [
        first_of_each_class(part.target, n) for part, n in zip(parts, (limit, N_TEST), strict=True)
    ]
    X, y = (
        np.concatenate([part[key][chosen] for part, chosen in zip(parts, rows, strict=True)])
        for key in ("data", "target")
    )
    return Data(X, y, np.arange(len(y)) < len(rows[0]), source)


def run_split(
    data: Data,
    unseen: np.ndarray,
    embeddings: Mapping[str, LabelEmbedding],
    methods: Mapping[str, Method],
    folds: ClassKFold,
) -> dict[tuple[str, str], dict[str, Any]]:
    """Return the figures of every method on every label embedding, for one split.

    `unseen` has shape (n_images,) of bool.
    """
    fitted, labels = ~unseen & data.is_train, np.unique(data.y[unseen])
    results = {}
    for title, embedding in embeddings.items():
        begin = time.perf_counter()
        for name, method in methods.items():
            with warnings.catch_warnings():
                # Words of class names without a vector; nothing that a method could mend.
                warnings.simplefilter("ignore", LabelWarning)
                model, chosen = fit_best(method, embedding, data.X[fitted], data.y[fitted], folds)
                view = with_candidates(model, labels)
            scores = view.decision_function(data.X[unseen])
            classes = class_figures(data.y[unseen], scores, view.classes_)
            results[title, name] = {"classes": classes, "chosen": chosen}
        print(f"  {title}: {time.perf_counter() - begin:.0f} s", file=sys.stderr, flush=True)
    return results


def class_figures(y: np.ndarray, scores: np.ndarray, classes: np.ndarray) -> dict[str, list[float]]:
    """Return top-1 accuracy and hit@5 of each class in `y`."""
    rows_of = {label: y == label for label in np.unique(y).tolist()}
    return {
        label: [hit_at_k_score(y[rows], scores[rows], k=k, labels=classes) for k in (1, 5)]
        for label, rows in rows_of.items()
    }


def summary(splits: list[dict[str, Any]], known: set[str]) -> dict[str, Any]:
    """Return mean figures over the splits with their intervals, and those of two groups apart.

    A group's figure is the mean over its classes and the splits in which they are unseen.
    """
    table = [
        (label, *figures, number)
        for number, split in enumerate(splits)
        for label, figures in split["classes"].items()
    ]
    labels = np.array([row[0] for row in table])
    numbers = np.array([row[-1] for row in table])
    result: dict[str, Any] = {"chosen": [split["chosen"] for split in splits]}
    for column, measure in enumerate(("top-1", "hit@5"), start=1):
        values = np.array([row[column] for row in table])
        by_split = np.array([values[numbers == number].mean() for number in range(len(splits))])
        result[measure] = {
            "mean": by_split.mean(),
            "splits": by_split.tolist(),
            "interval over splits": student_interval(by_split),
            "interval over classes": bootstrap_interval(values, labels),
        }
        is_known = np.isin(labels, list(known))
        for group, rows in {"ImageNet synonyms": is_known, "the rest": ~is_known}.items():
            result[measure][group] = values[rows].mean() if rows.any() else None
    return result


def student_interval(values: np.ndarray) -> tuple[float, float]:
    """Return the 95 % interval of the mean of independent values."""
    half = student.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
    return values.mean() - half, values.mean() + half


def bootstrap_interval(values: np.ndarray, labels: np.ndarray) -> tuple[float, float]:
    """Return the 95 % interval of the mean, classes drawn anew with all that they have."""
    _, codes = np.unique(labels, return_inverse=True)
    sums, counts = np.bincount(codes, weights=values), np.bincount(codes)
    drawn = np.random.default_rng(0).integers(len(counts), size=(N_BOOTSTRAP, len(counts)))
    means = sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)


def imagenet_synonyms() -> set[str]:
    """Return what the 1,000 classes of ImageNet-1k are called, in lower case."""
    names = class_synsets("imagenet1k")
    return {name.strip().lower() for text in names for name in text.split(",")}


def compare(
    data_set: str, preset: Preset, jobs: int, embeddings: Sequence[str], methods: Sequence[str]
) -> dict[str, Any] | None:
    """Run and print the comparison on one data set, and return its figures."""
    data = load(data_set, preset.limits[data_set], shipped=preset.shipped)
    if data is None:
        print(f"{TITLES[data_set]}: not run, its archive is not in {resolve_data_home()}")
        return None
    names = class_names(data_set)
    made = {title: EMBEDDINGS[title](data_set, names) for title in embeddings}
    label_sides = {title: embedding for title, embedding in made.items() if embedding is not None}
    chosen = {name: quick(METHODS[name]) if preset.is_quick else METHODS[name] for name in methods}
    n_unseen = len(names) // 5
    splitter = ClassShuffleSplit(preset.n_splits, test_size=n_unseen, random_state=0)
    folds = ClassKFold(preset.n_folds, shuffle=True, random_state=0)
    splits = Parallel(n_jobs=jobs)(
        delayed(run_split)(data, np.isin(np.arange(len(data.y)), test), label_sides, chosen, folds)
        for _, test in splitter.split(data.X, data.y)
    )
    taken = imagenet_synonyms()
    known = {name for name in names if name.replace("_", " ").lower() in taken}
    results = {
        title: {name: summary([split[title, name] for split in splits], known) for name in chosen}
        for title in label_sides
    }
    print_table(data_set, data, results, n_unseen=n_unseen, n_known=len(known))
    return {"features": data.source, "ImageNet synonyms": sorted(known), "results": results}


def print_table(
    data_set: str, data: Data, results: Mapping[str, Any], *, n_unseen: int, n_known: int
) -> None:
    """Print a table a label embedding."""
    n_fitted = int(data.is_train.sum()) // len(np.unique(data.y))
    print(f"\n{TITLES[data_set]}, {n_unseen} unseen classes, {n_fitted} images of each seen one")
    print(f"{data.source}; {n_known} classes are called as a class of ImageNet-1k")
    head = f"{'top-1':>8}{'splits':>8}{'classes':>16}{'synonyms':>10}{'rest':>7}"
    for title, rows in results.items():
        print(f"\n{title:<32}{head}{'hit@5':>9}{'splits':>8}{'classes':>16}")
        for name, figures in rows.items():
            top, hit = figures["top-1"], figures["hit@5"]
            groups = [top[group] for group in ("ImageNet synonyms", "the rest")]
            apart = "".join(
                f"{'-' if value is None else f'{value:.3f}':>{width}}"
                for value, width in zip(groups, (10, 7), strict=True)
            )
            print(f"{name:<32}{cells(top)}{apart}{cells(hit, 9)}", flush=True)


def cells(measure: Mapping[str, Any], width: int = 8) -> str:
    """Return a mean with its intervals: half the width of Student's, and the bootstrap's ends."""
    low, high = measure["interval over splits"]
    ends = "{:.3f} to {:.3f}".format(*measure["interval over classes"])
    return f"{measure['mean']:{width}.3f}{f'±{(high - low) / 2:.3f}':>8}{ends:>16}"


def main(argv: Sequence[str] | None = None) -> dict[str, Any]:
    """Run the comparison, print it, and return (and write) all figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--preset", choices=PRESETS, default="full")
    parser.add_argument("--jobs", type=int, default=1, help="splits at a time")
    parser.add_argument("--output", type=Path, help="a JSON file to write all figures to")
    parser.add_argument("--embeddings", nargs="+", choices=EMBEDDINGS, default=list(EMBEDDINGS))
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    options = parser.parse_args(argv)
    preset = PRESETS[options.preset]
    begin = time.perf_counter()
    results = {
        TITLES[data_set]: compare(
            data_set, preset, options.jobs, options.embeddings, options.methods
        )
        for data_set in preset.limits
    }
    print(f"\n{time.perf_counter() - begin:.0f} s")
    if options.output:
        arguments = sys.argv[1:] if argv is None else argv
        record = {
            "command": shlex.join(["python", "studies/compare_methods.py", *arguments]),
            "python": platform.python_version(),
            "results": results,
        }
        options.output.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    return results


if __name__ == "__main__":
    main()
