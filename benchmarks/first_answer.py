"""CPU seconds of the first answer, against torch, timm, the network and one forward pass alone.

    python -m benchmarks.first_answer [--repeats 5] [--against CHECKOUT]
    python -m benchmarks.first_answer --fit [--repeats 5]

``zeroshot predict photo.jpg --labels temple,dog,car`` names one photo, in a process of its own. The
control is a process that imports torch and timm, makes the same network, and runs it once on zeros;
it reads no weights, no photo and no labels. A second control also imports ``sklearn.base``, which
every estimator is built on. All take turns. Seconds are those of the processor (user and system),
which other work on the machine changes less than the time that passes.

``--fit`` measures ``OpenLabelClassifier.fit`` alone, in processes whose cache has the regression of
the head's weights, and in such as have to fit it, in turns.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from zeroshot.demo import sample_photos

BARE = """
import torch, timm
network = timm.create_model("tf_efficientnet_lite0").eval()
with torch.inference_mode():
    network(torch.zeros(1, 3, 224, 224))
"""
FIT = """
import time, torch, timm
from zeroshot import OpenLabelClassifier, TimmFeatures
head = TimmFeatures().fit().source_head_
start = time.process_time()
OpenLabelClassifier(head, candidates=["temple", "dog", "car"]).fit()
print(time.process_time() - start)
"""
LABELS = "temple,dog,car"


def cpu_seconds(arguments: list[str], checkout: Path) -> float:
    """Return the processor's seconds of a Python process, with the package of a checkout."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = {**os.environ, "PYTHONPATH": str(checkout.resolve())}
    subprocess.run(
        [sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL, env=environment
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def compare_fits(repeats: int) -> None:
    """Print the medians of ``OpenLabelClassifier.fit`` with and without its file in the cache."""
    seconds: dict[str, list[float]] = {"regression fitted": [], "regression read": []}
    with tempfile.TemporaryDirectory() as cache:
        environment = {**os.environ, "ZEROSHOT_CACHE": cache}
        for turn in range(repeats + 1):  # the first one fills the other caches
            for name, values in seconds.items():
                if name == "regression fitted":
                    shutil.rmtree(Path(cache) / "head-regressions", ignore_errors=True)
                run = [sys.executable, "-c", FIT]
                told = subprocess.run(
                    run, check=True, capture_output=True, text=True, env=environment
                )
                if turn:
                    values.append(float(told.stdout))
    for name, values in seconds.items():
        print(f"OpenLabelClassifier.fit, {name:24}{statistics.median(values):6.2f} s")


def main() -> None:
    """Print the medians, and their ratios to the first control."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--against", type=Path, metavar="CHECKOUT")
    parser.add_argument("--fit", action="store_true")
    args = parser.parse_args()
    if args.fit:
        compare_fits(args.repeats)
        return
    here = Path(__file__).parents[1]
    with sample_photos() as (photo, *_):
        predict = ["-m", "zeroshot", "predict", photo, "--labels", LABELS]
        sides = {
            "torch, timm, the network, one pass": (["-c", BARE], here),
            "the same and sklearn.base": (["-c", f"import sklearn.base\n{BARE}"], here),
            "zeroshot predict": (predict, here),
        }
        if args.against:
            sides["zeroshot predict, the other checkout"] = (predict, args.against)
        seconds: dict[str, list[float]] = {name: [] for name in sides}
        for turn in range(args.repeats + 1):  # the first one fills the caches
            for name, side in sides.items():
                measured = cpu_seconds(*side)
                if turn:
                    seconds[name].append(measured)
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    control = next(iter(medians.values()))
    for name, value in medians.items():
        print(f"{name:40}{value:8.2f} s{value / control:8.2f}")


if __name__ == "__main__":
    main()
