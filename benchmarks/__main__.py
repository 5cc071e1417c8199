"""Every benchmark in one run: ours, the peer, and the ratio.

    ZEROSHOT_DATA=FOLDER python -m benchmarks [NAME ...]

With names, such as ``closed_forms wordnet``, only these. Needs the ``bench`` extra, Debian's
``wordnet-base``, and the archives; the whole takes some twenty minutes on two quiet cores. Each
benchmark is also a command of its own, with options: ``python -m benchmarks.NAME --help``.

Accuracies are no races: the commands that print those, each beside its peers and controls, are in
the help, as `ACCURACIES` has them. They take minutes each, and are not run here.
"""

from __future__ import annotations

import argparse
from importlib import import_module

from benchmarks._rows import print_rows

NAMES = (
    "import_time",
    "terminal",
    "class_splits",
    "closed_forms",
    "confidence",
    "nearest_labels",
    "open_vocabulary",
    "word_vectors",
    "wordnet",
    "features",
    "threads",
    "training",
)

ACCURACIES = {
    "FewShotClassifier, from no image a class to a hundred": "studies/few_shot_prior.py",
    "unseen top-1 of CIFAR-100, method by method": "studies/unseen_classes.py",
    "unseen top-1 of CIFAR-100, a map and the ImageNet head together": (
        "studies/ensemble.py --archive"
    ),
    "zeroshot predict on open-photos": "studies/open_labels.py",
}


def main() -> None:
    """Print the rows of the benchmarks that are named, or of all."""
    lines = [f"  {what}:\n    python {command}" for what, command in ACCURACIES.items()]
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=__doc__.partition("\n")[0],
        epilog="\n".join(["accuracies, each by a command of its own (minutes):", *lines]),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(NAMES))
    names = parser.parse_args().names or NAMES
    unknown = sorted(set(names) - set(NAMES))
    if unknown:
        parser.error(f"no benchmark is called {', '.join(unknown)}; there are {', '.join(NAMES)}")
    print_rows(row for name in names for row in import_module(f"benchmarks.{name}").rows())


if __name__ == "__main__":
    main()
