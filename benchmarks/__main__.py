"""Every benchmark in one run: ours, the peer, and the ratio.

    ZEROSHOT_DATA=FOLDER python -m benchmarks [NAME ...]

With names, such as ``closed_forms wordnet``, only these. Needs the ``bench`` extra, Debian's
``wordnet-base``, and the archives; the whole takes some twenty minutes on two quiet cores. Each
benchmark is also a command of its own, with options: ``python -m benchmarks.NAME --help``.
"""

from __future__ import annotations

import argparse
from importlib import import_module

from benchmarks._rows import print_rows

NAMES = (
    "import_time",
    "class_splits",
    "closed_forms",
    "nearest_labels",
    "open_vocabulary",
    "word_vectors",
    "wordnet",
    "features",
    "training",
)


def main() -> None:
    """Print the rows of the benchmarks that are named, or of all."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(NAMES))
    names = parser.parse_args().names or NAMES
    unknown = sorted(set(names) - set(NAMES))
    if unknown:
        parser.error(f"no benchmark is called {', '.join(unknown)}; there are {', '.join(NAMES)}")
    print_rows(row for name in names for row in import_module(f"benchmarks.{name}").rows())


if __name__ == "__main__":
    main()
