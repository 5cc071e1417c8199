"""What reading one image costs, and what it cost in another checkout.

Run it from the repository's root, with the images of ``ZEROSHOT_DATA``::

    python -m benchmarks.reading [--against ../other-checkout] [--repeats 5]

Each side runs in a process of its own, in turns, with one thread. The figures are CPU time, which
other work on the machine changes little: the least of several passes, in microseconds an image.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SMALL, LARGE = (64, 64), (4000, 3000)


def measure() -> dict[str, float]:
    """Return the microseconds that reading an image takes, by its kind."""
    from PIL import Image

    from zeroshot._utils._images import read_image
    from zeroshot.datasets._fetch import resolve_data_home

    photos = sorted((resolve_data_home(None) / "imagenet-photos").glob("*.jpg"))[:150]
    with tempfile.TemporaryDirectory() as folder, Image.open(photos[0]) as photo:
        kinds = {"ImageNet photo": photos}
        for size, endings, n in (
            (SMALL, ("jpg", "png", "webp", "bmp", "tiff", "gif"), 300),
            (LARGE, ("jpg", "png"), 1),
        ):
            for ending in endings:
                path = Path(folder, f"{size[0]}.{ending}")
                photo.convert("RGB").resize(size).save(path)
                kinds[f"{size[0]} x {size[1]} {ending}"] = [path] * n
        result = {}
        for kind, paths in kinds.items():
            read_image(paths[0])
            passes = []
            for _ in range(4):
                began = time.process_time()
                for path in paths:
                    read_image(path)
                passes.append((time.process_time() - began) / len(paths) * 1e6)
            result[kind] = min(passes)
        return result


def main() -> None:
    """Measure this checkout and, in turns with it, another one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--against", type=Path, metavar="CHECKOUT")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--measure", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.measure:
        print(json.dumps(measure()))
        return
    sides = [Path(__file__).resolve().parents[1], *([args.against] if args.against else [])]
    found: dict[Path, list[dict[str, float]]] = {side: [] for side in sides}
    for turn in range(args.repeats):
        for side in sides if turn % 2 else sides[::-1]:
            environment = {**os.environ, "PYTHONPATH": str(side.resolve()), "OMP_NUM_THREADS": "1"}
            command = [sys.executable, __file__, "--measure"]
            done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True)
            found[side].append(json.loads(done.stdout))
    for kind in found[sides[0]][0]:
        medians = [statistics.median(run[kind] for run in found[side]) for side in sides]
        ratio = f"   ratio {medians[0] / medians[1]:.3f}" if args.against else ""
        print(f"{kind:20}" + "".join(f"{value:12,.1f}" for value in medians) + ratio)


if __name__ == "__main__":
    main()
