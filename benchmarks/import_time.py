"""Time ``import zeroshot`` against ``import torch``, ``zeroshot --help`` against ``import click``.

    python -m benchmarks.import_time [--repeats 7]

Each repetition starts one interpreter for each. The time of an empty interpreter is taken off in
the first row; in the second it counts, as it does for whoever waits.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Iterator
from functools import partial

from benchmarks._rows import Row, medians_in_turns, print_rows


def rows(repeats: int = 7) -> Iterator[Row]:
    """Yield both rows."""
    statements = ("pass", "import zeroshot", "import torch", "import click")
    sides = {statement: partial(run, "-c", statement) for statement in statements}
    sides["zeroshot --help"] = partial(run, "-m", "zeroshot", "--help")
    times = medians_in_turns(sides, repeats)
    ours, peer = (times[name] - times["pass"] for name in ("import zeroshot", "import torch"))
    yield Row("import zeroshot", "import torch", ours, peer)
    yield Row(
        "zeroshot --help", "import click", times["zeroshot --help"], times["import click"], 1 / 1.5
    )


def run(*arguments: str) -> None:
    """Start an interpreter."""
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)


def main() -> None:
    """Print the rows."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--repeats", type=int, default=7)
    print_rows(rows(parser.parse_args().repeats))


if __name__ == "__main__":
    main()
