"""Time ``import zeroshot`` in a fresh interpreter, against ``import torch``.

    python -m benchmarks.import_time [--repeats 7]

Each repetition starts one interpreter for each; the time of an empty interpreter is taken off.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Iterator
from functools import partial

from benchmarks._rows import Row, medians_in_turns, print_rows


def rows(repeats: int = 7) -> Iterator[Row]:
    """Yield the one row."""
    statements = ("pass", "import zeroshot", "import torch")
    sides = {statement: partial(run, statement) for statement in statements}
    times = medians_in_turns(sides, repeats)
    ours, peer = (times[name] - times["pass"] for name in statements[1:])
    yield Row("import zeroshot", "import torch", ours, peer)


def run(statement: str) -> None:
    """Start an interpreter that runs `statement`."""
    subprocess.run([sys.executable, "-c", statement], check=True)


def main() -> None:
    """Print the medians."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--repeats", type=int, default=7)
    print_rows(rows(parser.parse_args().repeats))


if __name__ == "__main__":
    main()
