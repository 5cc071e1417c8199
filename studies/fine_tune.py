"""A pretrained network fine-tuned from four kinds of heads (Pascal, Bost and Huet 2019).

    ZEROSHOT_DATA=FOLDER python studies/fine_tune.py --preset small --work FOLDER \
        --output docs/results/fine_tune.json --plot docs/results/fine_tune

The target is CIFAR-100, the network an ImageNet-1k EfficientNet-Lite0, of which the last stage and
the head are trained. Prints macro F-score against iterations (their Fig. 1), the course of one
class whose row starts from one source or another (Fig. 2), and first and best macro F-score by
images a class (Table 2); beside them the same network trained from scratch, and classifiers on
frozen features. Each finished run is a file in the folder of --work, and is not run again.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import platform
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import sklearn
import timm
import torch
from fine_tune_plan import finished, make_runs, planned
from fine_tune_summary import print_summary, rounded, summary
from fine_tune_target import Preset, Target

import zeroshot

SMALL = Preset(
    model="tf_efficientnet_lite0",
    n_classes=100,
    resize=96,
    image_size=96,
    shots=(1, 2, 5, 10, 25),
    draws=3,
    test_images=20,
    iterations=150,
    min_epochs=5,
    measured=6,
    course_class="raccoon",
    course_shots=5,
    course_draws=3,
    scratch_shots=(1, 5, 10),
    scratch_draws=1,
    scratch_size=64,
    scratch_epochs=12,
)
PRESETS = {
    "full": dataclasses.replace(
        SMALL,
        resize=256,
        image_size=224,
        shots=(1, 2, 5, 10, 25, 50, 100),
        draws=10,
        test_images=100,
        iterations=2000,
        min_epochs=25,
        measured=30,
        course_shots=100,
        scratch_shots=(1, 2, 5, 10, 25, 50, 100),
        scratch_draws=3,
        scratch_size=224,
        scratch_epochs=100,
    ),
    "small": SMALL,
    "tiny": dataclasses.replace(
        SMALL,
        n_classes=70,
        resize=32,
        image_size=32,
        shots=(2,),
        draws=2,
        test_images=2,
        iterations=6,
        min_epochs=2,
        measured=2,
        course_shots=2,
        course_draws=1,
        scratch_shots=(2,),
        scratch_size=32,
        scratch_epochs=1,
    ),
}


def changed(preset: Preset, options: argparse.Namespace) -> Preset:
    """Return a preset with what was asked for in place of its own."""
    wanted: dict[str, Any] = {}
    if options.iterations is not None:
        wanted["iterations"] = options.iterations
    if options.shots is not None:
        wanted["shots"] = tuple(options.shots)
    if options.table_only:
        wanted |= {"course_draws": 0, "scratch_shots": ()}
    return dataclasses.replace(preset, **wanted)


def main(arguments: Sequence[str] | None = None) -> dict[str, Any]:
    """Run the study, print it, and return its figures."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--preset", choices=PRESETS, default="small")
    parser.add_argument("--iterations", type=int, help="train for so many steps at least")
    parser.add_argument("--shots", nargs="+", type=int, help="only these numbers of images a class")
    parser.add_argument("--table-only", action="store_true", help="no one class, no scratch")
    parser.add_argument("--work", type=Path, required=True, help="a folder for finished runs")
    parser.add_argument("--jobs", type=int, default=1, help="how many runs at a time")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="0 only sums up")
    parser.add_argument("--output", type=Path, help="a JSON file for the figures")
    parser.add_argument("--plot", help="how the names of the pictures begin")
    given = sys.argv[1:] if arguments is None else list(arguments)
    options = parser.parse_args(given)
    preset = changed(PRESETS[options.preset], options)
    make_runs(preset, options.work, minutes=options.minutes, jobs=options.jobs)
    target = Target(preset, options.work)
    done = finished(preset, options.work)
    results = rounded(summary(target, done))
    record = {
        "command": shlex.join(["python", "studies/fine_tune.py", *given]),
        "versions": {
            module.__name__: module.__version__ for module in (zeroshot, torch, timm, sklearn)
        },
        "machine": f"{platform.machine()}, {target.precision}",
        "preset": dataclasses.asdict(preset),
        "runs": f"{len(done)} of {len(list(planned(preset)))}",
        **results,
    }
    print_summary(record)
    if options.output:
        options.output.parent.mkdir(parents=True, exist_ok=True)
        options.output.write_text(json.dumps(record) + "\n", encoding="utf-8")
    if options.plot:
        from fine_tune_figures import draw_all

        draw_all(record, options.plot)
    return record


if __name__ == "__main__":
    main()
