"""What something costs in this checkout, and in turns with it, what it costs in another one."""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path


def compare(script: str, description: str) -> None:
    """Print the medians of several runs, and their ratio.

    Parameters
    ----------
    script : str
        Path of a script that prints numbers by name as JSON, if its argument is ``--measure``. Each
        run is a process of its own, with one thread.
    description : str
        For the help.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--against", type=Path, metavar="CHECKOUT")
    parser.add_argument("--repeats", type=int, default=5)
    args = parser.parse_args()
    sides = [Path(script).resolve().parents[1], *([args.against] if args.against else [])]
    found: dict[Path, list[dict[str, float]]] = {side: [] for side in sides}
    for turn in range(args.repeats):
        for side in sides if turn % 2 else sides[::-1]:
            environment = {**os.environ, "PYTHONPATH": str(side.resolve()), "OMP_NUM_THREADS": "1"}
            command = [sys.executable, script, "--measure"]
            done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True)
            found[side].append(json.loads(done.stdout))
    for kind in found[sides[0]][0]:
        medians = [statistics.median(run[kind] for run in found[side]) for side in sides]
        ratio = f"   ratio {medians[0] / medians[1]:.3f}" if args.against else ""
        print(f"{kind:36}" + "".join(f"{value:12,.1f}" for value in medians) + ratio)
