"""How fast TimmFeatures is against timm's plain float32 loop, and how near its features stay.

Run it from the repository's root, with the images of ``ZEROSHOT_DATA``::

    python -m benchmarks.features [--n 200] [--repeats 3] [--device auto]

Both sides get the same weights and the same images. The plain loop is what timm's documentation
shows: its transform image by image, batches of 64 in float32, channels first. All sides take
turns within one run, so that what else the machine does falls on all of them alike.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import timm
import torch
from PIL import Image

from benchmarks._rows import Row, medians_in_turns, print_rows
from zeroshot._utils._device import has_fast_bfloat16, resolve_device
from zeroshot.backbones import TimmFeatures
from zeroshot.backbones._weights import create_network
from zeroshot.datasets import fetch_cifar100
from zeroshot.datasets._fetch import resolve_data_home

MODEL = "tf_efficientnet_lite0"
BATCH = 64
EMULATED = 16  # images, where bfloat16 is emulated and runs at two a second
REFERENCE = "timm, plain float32 loop"

Side = Callable[[Sequence[Any]], np.ndarray]


def plain_loop(device: torch.device, size: int, crop_pct: float) -> Side:
    """Return a function that extracts features as timm's documentation does."""
    model = create_network(MODEL, "auto", seed=0, owner="benchmark").to(device)
    config = {**timm.data.resolve_model_data_config(model), "input_size": (3, size, size)}
    transform = timm.data.create_transform(**{**config, "crop_pct": crop_pct})

    def side(images: Sequence[Any]) -> np.ndarray:
        features = []
        for start in range(0, len(images), BATCH):
            opened = [
                Image.open(item).convert("RGB") if isinstance(item, Path) else Image.fromarray(item)
                for item in images[start : start + BATCH]
            ]
            batch = torch.stack([transform(image) for image in opened]).to(device)
            with torch.inference_mode():
                maps = model.forward_features(batch)
                features.append(model.forward_head(maps, pre_logits=True).float().cpu().numpy())
        return np.concatenate(features)

    return side


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    """Return the mean cosine of the rows of two feature arrays."""
    products = np.einsum("ij,ij->i", a, b)
    return float(np.mean(products / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)))


def compare(
    title: str, sides: dict[str, tuple[Side, Sequence[Any]]], repeats: int
) -> Iterator[Row]:
    """Time the sides in turns, an image each; the first is the reference."""
    features: dict[str, np.ndarray] = {}

    def run(name: str) -> None:
        side, images = sides[name]
        features[name] = side(images)

    for side, images in sides.values():
        side(images[:8])  # first calls set up caches and threads
    times = medians_in_turns({name: partial(run, name) for name in sides}, repeats)
    an_image = {name: times[name] / len(images) for name, (_, images) in sides.items()}
    for name, (_, images) in list(sides.items())[1:]:
        near = cosine(features[name], features[REFERENCE][: len(images)])
        speed = f"{1 / an_image[name]:.0f} images/s against {1 / an_image[REFERENCE]:.0f}"
        yield Row(
            what=f"an image, {title}, {name}",
            peer=REFERENCE,
            ours_seconds=an_image[name],
            peer_seconds=an_image[REFERENCE],
            reach=2 if name == "auto" else None,
            note=f"{speed}, mean cosine {near:.6f}",
        )


def rows(n: int = 200, repeats: int = 3, device_name: str = "auto") -> Iterator[Row]:
    """Yield a row for each precision, on photos and on small images."""
    photos = sorted((resolve_data_home(None) / "imagenet-photos").glob("*.jpg"))[:n]
    small = fetch_cifar100(subset="test", download_if_missing=False).images[:n]
    device = resolve_device(device_name)
    fast = has_fast_bfloat16(device)
    workloads: dict[str, tuple[Sequence[Any], int | None, int, float]] = {
        "photo at 224": (photos, None, 224, 0.875),
        "CIFAR-100 at 128": (small, 128, 128, 1.0),
    }
    for title, (images, image_size, size, crop_pct) in workloads.items():
        sides = {REFERENCE: (plain_loop(device, size, crop_pct), images)}
        for precision in ("auto", "float32", "bfloat16"):
            ours = TimmFeatures(
                MODEL, image_size=image_size, precision=precision, device=device, progress=False
            ).fit()
            few = precision == "bfloat16" and not fast
            name = f"{precision}, emulated" if few else precision
            sides[name] = (ours.transform, images[: EMULATED if few else None])
        yield from compare(title, sides, repeats)


def main() -> None:
    """Run the comparison and print it."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--n", type=int, default=200, help="how many images of each kind")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--device", default="auto")
    options = parser.parse_args()
    print(f"{resolve_device(options.device)}, {torch.get_num_threads()} threads")
    print_rows(rows(options.n, options.repeats, options.device))


if __name__ == "__main__":
    main()
