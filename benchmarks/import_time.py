"""Time ``import zeroshot`` in a fresh interpreter, against ``import torch``.

    python -m benchmarks.import_time [--repeats 7]

Each repetition starts one interpreter for each; the time of an empty interpreter is taken off.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time


def seconds(statement: str) -> float:
    """Return the wall time of one interpreter that runs `statement`."""
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", statement], check=True)
    return time.perf_counter() - start


def main() -> None:
    """Print the medians."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--repeats", type=int, default=7)
    repeats = parser.parse_args().repeats
    times: dict[str, list[float]] = {"pass": [], "import zeroshot": [], "import torch": []}
    for _ in range(repeats):
        for statement, values in times.items():
            values.append(seconds(statement))
    empty = statistics.median(times.pop("pass"))
    for statement, values in times.items():
        print(f"{statement:<16} {statistics.median(values) - empty:7.3f} s")


if __name__ == "__main__":
    main()
