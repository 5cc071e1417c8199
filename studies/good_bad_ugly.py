"""The benchmarks of Xian et al. (2018), our figures beside the published ones.

    python studies/good_bad_ugly.py [--data-home FOLDER] [--preset tiny] [SET ...]

The folder (by default that of ZEROSHOT_DATA) holds ``xlsa17.zip``, as it is or unpacked; see
``zeroshot.datasets.fetch_xlsa17`` for where to get it. A set whose files are not there is said to
be not run.

In percent: the mean class accuracy on images of unseen classes, where only unseen classes can be
answered (T1), or all classes (u); that on held-out images of seen classes, where all can be
answered (s); and the harmonic mean of u and s (H). Parameters are chosen by three folds of the
classes in ``trainval``. Rows of features have unit length, and attributes are centred on the mean
of the seen classes', which the published figures do without. These are of the first version of the
proposed split; an archive may hold the second.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from methods import METHODS, fit_best, quick
from sklearn.utils import Bunch

from zeroshot.datasets import fetch_xlsa17
from zeroshot.metrics import harmonic_mean_score, mean_class_accuracy
from zeroshot.model_selection import ClassKFold, with_candidates

SETS = ("SUN", "CUB", "AWA1", "AWA2", "APY")


class Figures(NamedTuple):
    """What is reported of a method on a data set, in percent."""

    T1: float
    u: float
    s: float
    H: float


# Xian, Lampert, Schiele, Akata (2018), tables of the proposed split. ConSE's are left out.
PUBLISHED = {
    "SUN": {
        "DeViSE": Figures(56.5, 16.9, 27.4, 20.9),
        "ALE": Figures(58.1, 21.8, 33.1, 26.3),
        "SJE": Figures(53.7, 14.7, 30.5, 19.8),
        "ESZSL": Figures(54.5, 11.0, 27.9, 15.8),
        "SAE": Figures(40.3, 8.8, 18.0, 11.8),
    },
    "CUB": {
        "DeViSE": Figures(52.0, 23.8, 53.0, 32.8),
        "ALE": Figures(54.9, 23.7, 62.8, 34.4),
        "SJE": Figures(53.9, 23.5, 59.2, 33.6),
        "ESZSL": Figures(53.9, 12.6, 63.8, 21.0),
        "SAE": Figures(33.3, 7.8, 54.0, 13.6),
    },
    "AWA1": {
        "DeViSE": Figures(54.2, 13.4, 68.7, 22.4),
        "ALE": Figures(59.9, 16.8, 76.1, 27.5),
        "SJE": Figures(65.6, 11.3, 74.6, 19.6),
        "ESZSL": Figures(58.2, 6.6, 75.6, 12.1),
        "SAE": Figures(53.0, 1.8, 77.1, 3.5),
    },
    "AWA2": {
        "DeViSE": Figures(59.7, 17.1, 74.7, 27.8),
        "ALE": Figures(62.5, 14.0, 81.8, 23.9),
        "SJE": Figures(61.9, 8.0, 73.9, 14.4),
        "ESZSL": Figures(58.6, 5.9, 77.8, 11.0),
        "SAE": Figures(54.1, 1.1, 82.2, 2.2),
    },
    "APY": {
        "DeViSE": Figures(39.8, 4.9, 76.9, 9.2),
        "ALE": Figures(39.7, 4.6, 73.7, 8.7),
        "SJE": Figures(32.9, 3.7, 55.7, 6.9),
        "ESZSL": Figures(38.3, 2.4, 70.1, 4.6),
        "SAE": Figures(8.3, 0.4, 80.9, 0.9),
    },
}
ROWS = ("DeViSE", "ConSE", "ALE", "SJE", "ESZSL", "SAE", "control: best constant")


def main(argv: Sequence[str] | None = None) -> dict[str, dict[str, Figures]]:
    """Run what can be run, print it beside what was published, and return it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "sets", nargs="*", type=str.upper, metavar="SET", help=f"of {', '.join(SETS)}"
    )
    parser.add_argument("--data-home", help="the folder that holds xlsa17.zip or xlsa17/")
    parser.add_argument("--preset", choices=("full", "tiny"), default="full")
    options = parser.parse_args(argv)
    unknown = sorted(set(options.sets) - set(SETS))
    if unknown:
        parser.error(f"no set is called {', '.join(unknown)}; there are {', '.join(SETS)}")
    results = {}
    for name in options.sets or SETS:
        try:
            data = fetch_xlsa17(name, data_home=options.data_home)
        except FileNotFoundError as error:
            print(f"{name}: loader tested, not run. {error}\n")
            continue
        results[name] = run(name, data, is_tiny=options.preset == "tiny")
    return results


def run(name: str, data: Bunch, *, is_tiny: bool) -> dict[str, Figures]:
    """Print and return the figures of every method on a data set."""
    print(
        f"{name}: {len(data.seen_classes)} seen and {len(data.unseen_classes)} unseen classes, "
        f"{len(data.trainval):,} images to learn from"
    )
    print(f"{'':<24}{'ours':^28}{'published':^28}")
    print(f"{'':<24}" + 2 * "".join(f"{field:>7}" for field in Figures._fields))
    results = {}
    for row in ROWS:
        method = quick(METHODS[row]) if is_tiny else METHODS[row]
        folds = ClassKFold(2 if is_tiny else 3, shuffle=True, random_state=0)
        X, y = data.data[data.trainval], data.target[data.trainval]
        model, _ = fit_best(method, data.attributes, X, y, folds)
        results[row] = evaluate(model, data)
        print(f"{row:<24}{cells(results[row])}{cells(PUBLISHED[name].get(row))}", flush=True)
    print()
    return results


def evaluate(model: Any, data: Bunch) -> Figures:
    """Return the figures of a model fitted to ``trainval``."""
    unseen, seen = data.test_unseen, data.test_seen
    among_unseen = with_candidates(model, data.unseen_classes)
    among_all = with_candidates(model, [*data.seen_classes, *data.unseen_classes])
    among_all[-1].set_params(scenario="generalized")  # of the view alone
    images, labels = (
        np.concatenate([rows[seen], rows[unseen]]) for rows in (data.data, data.target)
    )
    named, is_seen = among_all.predict(images), np.arange(len(labels)) < len(seen)
    figures = (
        mean_class_accuracy(data.target[unseen], among_unseen.predict(data.data[unseen])),
        mean_class_accuracy(labels[~is_seen], named[~is_seen]),
        mean_class_accuracy(labels[is_seen], named[is_seen]),
        harmonic_mean_score(labels, named, seen_classes=data.seen_classes),
    )
    return Figures(*(100 * figure for figure in figures))


def cells(figures: Figures | None) -> str:
    """Return a row of the table; dashes where nothing was published."""
    if figures is None:
        return f"{'-':>7}" * len(Figures._fields)
    return "".join(f"{figure:7.1f}" for figure in figures)


if __name__ == "__main__":
    main()
