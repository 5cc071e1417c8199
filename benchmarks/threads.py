"""Processor and wall seconds with threads that sleep while they wait, against spinning ones.

    python -m benchmarks.threads [--repeats 3]

Both sides do the same work in fresh processes: the features of 64 images by the default backbone,
a closed form, and ``zeroshot fit`` on a folder of 64 images, start included. They take turns on
the machine as it is, then beside a process that keeps one processor busy. The load before each
pair is printed: elsewhere than on a quiet machine, read the processor seconds. "Spinning" is what
the runtimes do by default, said in so many words because the command line does otherwise.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import numpy as np
from PIL import Image

from benchmarks._rows import Row, print_rows
from zeroshot._utils._threads import wait_passively

PEER = "spinning, the runtimes' default"
WAYS = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME", "KMP_LIBRARY")
SPINNING = {"GOMP_SPINCOUNT": "300000", "OPENBLAS_THREAD_TIMEOUT": "26"}
CLASSES = ("apple", "bear", "clock", "dolphin", "lamp", "orchid", "tractor", "wolf")
MEASURED = """
import os, time
import numpy as np
from zeroshot import ESZSLClassifier, HashEmbedding, TimmFeatures
rng = np.random.default_rng(0)
{prepare}
def seconds():
    spent = os.times()
    return np.array([spent.user + spent.system, time.perf_counter()])
start = seconds()
{run}
print(*(seconds() - start))
"""
WORKLOADS = {
    "features of 64 images": (
        "images = rng.integers(0, 256, (64, 224, 224, 3)).astype(np.uint8)\n"
        "backbone = TimmFeatures(device='cpu', progress=False).fit()\n"
        "backbone.transform(images[:4])",
        "backbone.transform(images)",
    ),
    "10 fits of ESZSL, 4,000 x 1,280": (
        "X, y = rng.normal(size=(4000, 1280)), np.arange(4000) % 100\n"
        "model = ESZSLClassifier(HashEmbedding(50)).fit(X, y)",
        "for _ in range(10): model.fit(X, y)",
    ),
}

Seconds = tuple[float, float]  # of the processor, and of the clock


def environment(*, passive: bool) -> dict[str, str]:
    """Return the environment of a process whose threads wait in one way or the other."""
    kept = {name: value for name, value in os.environ.items() if name not in WAYS}
    kept.pop("OPENBLAS_THREAD_TIMEOUT", None)
    if passive:
        wait_passively(kept)
    else:
        kept |= SPINNING
    return kept


def seconds_inside(prepare: str, run: str, *, passive: bool) -> Seconds:
    """Return what `run` takes in a fresh process, after `prepare`."""
    command = [sys.executable, "-c", MEASURED.format(prepare=prepare, run=run)]
    done = subprocess.run(
        command, env=environment(passive=passive), capture_output=True, text=True, check=True
    )
    processor, wall = map(float, done.stdout.split())
    return processor, wall


def seconds_of_fit(images: Path, *, passive: bool) -> Seconds:
    """Return what ``zeroshot fit`` takes, from the start of the process to its end."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "zeroshot", "fit", str(images), "--no-progress"]
        before = resource.getrusage(resource.RUSAGE_CHILDREN), os.times().elapsed
        subprocess.run(
            [*command, "--device", "cpu", "--output", str(Path(folder, "model"))],
            env=environment(passive=passive),
            capture_output=True,
            check=True,
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN), os.times().elapsed
    processor = sum(getattr(after[0], f) - getattr(before[0], f) for f in ("ru_utime", "ru_stime"))
    return processor, after[1] - before[1]


@contextmanager
def busy_neighbour() -> Iterator[None]:
    """Keep one processor busy."""
    neighbour = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        yield
    finally:
        neighbour.kill()
        neighbour.wait()


def write_images(folder: Path) -> None:
    """Write eight images for each class: noise, which reads and runs as photos do."""
    rng = np.random.default_rng(0)
    for name in CLASSES:
        (folder / name).mkdir()
        for i in range(8):
            pixels = rng.integers(0, 256, (256, 256, 3)).astype(np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{i}.jpg")


def compare(
    title: str, around: str, measure: Callable[..., Seconds], repeats: int
) -> Iterator[Row]:
    """Measure both ways in turns, and yield a row of processor seconds and one of wall seconds."""
    load = os.getloadavg()[0]
    taken: dict[bool, list[Seconds]] = {True: [], False: []}
    for _ in range(repeats):
        for passive, seconds in taken.items():
            seconds.append(measure(passive=passive))
    note = f"load {load:.1f} on {os.cpu_count()} processors before"
    for i, unit in enumerate(("processor", "wall")):
        ours, peer = (median(seconds[i] for seconds in taken[passive]) for passive in (True, False))
        yield Row(f"{title}, {around}, {unit}", PEER, ours, peer, note=note)


def rows(repeats: int = 3) -> Iterator[Row]:
    """Yield two rows for each workload, alone and beside a busy neighbour."""
    with tempfile.TemporaryDirectory() as folder:
        write_images(Path(folder))
        measures: dict[str, Callable[..., Seconds]] = {
            title: lambda passive, code=code: seconds_inside(*code, passive=passive)
            for title, code in WORKLOADS.items()
        }
        measures["zeroshot fit"] = lambda passive: seconds_of_fit(Path(folder), passive=passive)
        for title, measure in measures.items():
            yield from compare(title, "alone", measure, repeats)
            with busy_neighbour():
                yield from compare(title, "busy", measure, repeats)


def main() -> None:
    """Run the comparison and print it."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--repeats", type=int, default=3)
    print_rows(rows(parser.parse_args().repeats))


if __name__ == "__main__":
    main()
