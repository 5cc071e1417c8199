"""Nishimura et al.: a network trained on Tiny ImageNet learns the words, and names other images.

    ZEROSHOT_DATA=FOLDER python studies/devise_tiny_imagenet.py
    ZEROSHOT_DATA=FOLDER python studies/devise_tiny_imagenet.py --preset full
    ZEROSHOT_DATA=FOLDER python studies/devise_tiny_imagenet.py --preset tiny

T. Nishimura, L. Yu, M. Hellmers, V. Desai, "A Combined Deep Learning and Semantic Embedding Model":
a shallow network is trained by cross-entropy, then, from its weights, with one fully connected
layer to word vectors; what it says to images of CIFAR-100 is scored by the cosine between the true
label and the three best answers. Its parts, each beside its controls: hit@k over epochs (their
Fig. 5), transfer to CIFAR-100 (Figs. 6 to 8), the two losses and their margins, other ideas, a
pretrained network, and learning curves with and without dropout and augmentation (Figs. 2 to 4).

Networks and finished parts stay in a folder, and are never made twice: interrupt it whenever you
like, and run it again. After 40 minutes nothing new is begun, and what is finished is printed.
``--preset full`` is the size of the paper, ``tiny`` a quick run.
"""

from __future__ import annotations

import argparse
import json
import platform
import shlex
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from nishimura_parts import (
    Plan,
    frozen_ideas,
    hit_rates,
    joint_ideas,
    learning_curves,
    losses,
    transfer,
)
from nishimura_pretrained import grid, of_archives, pretrained, shipped
from nishimura_report import show
from nishimura_training import TrainingPlan, Workshop

from zeroshot._utils._files import cache_home

PRESETS = {
    "full": Plan(
        main=TrainingPlan(200, 500, side=64, width=1.0, epochs=60),
        joint=TrainingPlan(200, 500, side=64, width=1.0, epochs=30),
        curves=TrainingPlan(200, 500, side=64, width=1.0, epochs=60),
        short=TrainingPlan(200, 500, side=64, width=1.0, epochs=10),
        n_test=1000,
    ),
    "small": Plan(
        main=TrainingPlan(200, 80, side=32, width=0.5, epochs=14),
        joint=TrainingPlan(200, 80, side=32, width=0.5, epochs=14),
        curves=TrainingPlan(50, 80, side=32, width=0.25, epochs=15),
        short=TrainingPlan(200, 40, side=32, width=0.5, epochs=1),
        n_test=1000,
    ),
    "tiny": Plan(
        main=TrainingPlan(6, 8, side=16, width=1 / 16, epochs=2, batch_size=16),
        joint=TrainingPlan(6, 8, side=16, width=1 / 16, epochs=2, batch_size=16),
        curves=TrainingPlan(3, 4, side=16, width=1 / 16, epochs=2, batch_size=4),
        short=TrainingPlan(6, 4, side=16, width=1 / 16, epochs=1, batch_size=8),
        n_test=2,
    ),
}
PARTS = ("hits", "transfer", "losses", "joint ideas", "frozen ideas", "pretrained", "curves")


def study(shop: Workshop, preset: str, parts: list[str]) -> dict[str, Any]:
    """Return the figures of the parts, None where there was no time for one."""
    plan = PRESETS[preset]

    def of_pretrained() -> dict[str, Any]:
        features = shipped() if preset == "tiny" else of_archives()
        return pretrained(features, preset)

    compute = {
        "hits": lambda: hit_rates(shop, plan),
        "transfer": lambda: transfer(shop, plan),
        "losses": lambda: losses(shop, plan),
        "joint ideas": lambda: joint_ideas(shop, plan),
        "frozen ideas": lambda: frozen_ideas(shop, plan),
        "pretrained": lambda: shop.kept("pretrained", [preset, grid(preset)], of_pretrained),
        "curves": lambda: learning_curves(shop, plan),
    }
    return {part: compute[part]() for part in PARTS if part in parts}


def main(arguments: list[str] | None = None) -> dict[str, Any]:
    """Run the study, print it, and return its figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--preset", choices=list(PRESETS), default="small")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS), metavar="PART")
    parser.add_argument(
        "--minutes", type=float, help="begin nothing new after so many (40 for small, 0: print)"
    )
    parser.add_argument("--work", type=Path, help="folder of networks and finished parts")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures there")
    parser.add_argument("--plot", type=Path, metavar="FOLDER", help="also draw them, as PNG files")
    given = sys.argv[1:] if arguments is None else arguments
    options = parser.parse_args(given)
    minutes = options.minutes
    if minutes is None:
        minutes = 40 if options.preset == "small" else float("inf")
    folder = options.work or cache_home() / "studies" / "devise_tiny_imagenet"
    shop = Workshop(folder, PRESETS[options.preset].n_test, minutes)
    results = study(shop, options.preset, options.parts)
    show(results)
    about = {
        "command": shlex.join(["python", "studies/devise_tiny_imagenet.py", *given]),
        "machine": platform.machine(),
        "preset": options.preset,
        "plan": asdict(PRESETS[options.preset]),
    }
    if options.json:
        content = {**about, "results": results}
        options.json.write_text(json.dumps(content, indent=1) + "\n")
    if options.plot:
        from nishimura_figures import draw_all

        images, _ = shop.images("CIFAR-100", PRESETS[options.preset].main)
        draw_all(results, options.plot, images)
    return results


if __name__ == "__main__":
    main()
