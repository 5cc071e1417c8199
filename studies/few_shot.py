"""Few images a class on pretrained features, by depth and method (DeCAF; Egg 2017).

    ZEROSHOT_DATA=FOLDER python studies/few_shot.py --output docs/results/few_shot.json \
        --plot docs/results/few_shot
    python studies/few_shot.py --preset tiny

Linear classifiers on CIFAR-100's pixels and on features of EfficientNet-Lite0 (ImageNet-1k) from
three depths, trained on 1, 2, 5, ... images a class, and a head that starts from similar ImageNet
classes; all on the same draws. How well classes cluster at each depth, and a map of it. What a
prior that knows class names is worth in front of such images is another study, few_shot_prior.py.

Penalties are chosen on training images, once a depth and method. Each finished part is a file in
the folder of --work, and is not computed again. ``--preset full`` takes all images of the archive,
at the network's own size; ``--preset tiny`` made-up ones.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import platform
import shlex
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import sklearn
import timm
import torch
from few_shot_features import Data, Preset, load
from few_shot_methods import GRIDS, choose_penalty, measure, planned
from few_shot_tables import summary, tables
from kept_parts import kept

import zeroshot
from zeroshot._utils._device import resolve_device, resolve_precision
from zeroshot._utils._files import cache_home

PRESETS = {
    "small": Preset(n_train=100, n_test=40, image_size=128, shots=(1, 2, 5, 10, 25), draws=5),
    "full": Preset(
        n_train=None, n_test=None, image_size=224, shots=(1, 2, 5, 10, 25, 50, 100), draws=10
    ),
    "tiny": Preset(
        n_train=8, n_test=4, image_size=32, shots=(1, 2), draws=2, tuned_at=2, made_up=True
    ),
}


def run(data: Data, preset: Preset, work: Path, n_jobs: int | None) -> dict[str, Any]:
    """Return what was measured of each depth and method, and the penalties chosen for them."""
    work.mkdir(parents=True, exist_ok=True)
    known = {**dataclasses.asdict(preset), "weights": data.hashes, "n": len(data.y)}
    chosen: dict[str, dict[str, dict[str, float]]] = {}
    parts = []
    for depth, method in planned(list(data.features)):
        what = {**known, "depth": depth, "method": method}
        C = None
        if GRIDS.get(method):
            choose = partial(choose_penalty, data, depth, method, preset, n_jobs)
            tried = kept(work, "penalty", {**what, "grid": GRIDS[method]}, choose)
            chosen.setdefault(method, {})[depth] = tried
            C = float(max(tried, key=tried.__getitem__))
        score = partial(measure, data, depth, method, preset, C, n_jobs)
        parts.append(kept(work, "curve", {**what, "C": C}, score))
        print(f"{method}, {depth}: done", flush=True)
    return {"parts": parts, "penalties": chosen}


def main(arguments: Sequence[str] | None = None) -> dict[str, Any]:
    """Run the study, print it, and return its figures."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--preset", choices=PRESETS, default="small")
    parser.add_argument("--work", type=Path, help="a folder for finished parts")
    parser.add_argument("--n-jobs", type=int, help="how many classifiers are trained at a time")
    parser.add_argument("--output", type=Path, help="a JSON file for the figures")
    parser.add_argument("--plot", help="how the names of the pictures begin")
    given = sys.argv[1:] if arguments is None else list(arguments)
    options = parser.parse_args(given)
    preset = PRESETS[options.preset]
    data = load(preset)
    work = options.work or cache_home() / "studies" / "few_shot"
    precision = str(resolve_precision("auto", resolve_device("auto"))).removeprefix("torch.")
    record = {
        "command": shlex.join(["python", "studies/few_shot.py", *given]),
        "versions": {
            module.__name__: module.__version__ for module in (zeroshot, torch, timm, sklearn)
        },
        "machine": f"{platform.machine()}, {precision}",
        "preset": dataclasses.asdict(preset),
        **summary(data, run(data, preset, work, options.n_jobs)),
    }
    print("\n\n".join(f"{title}\n\n{table}" for title, table in tables(record).items()))
    if options.output:
        options.output.parent.mkdir(parents=True, exist_ok=True)
        options.output.write_text(json.dumps(record) + "\n", encoding="utf-8")
    if options.plot:
        from few_shot_figures import draw_all

        draw_all(record, data, options.plot)
    return record


if __name__ == "__main__":
    main()
