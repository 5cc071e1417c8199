"""How fast TimmFeatures is against timm's plain float32 loop, and how near its features stay.

Run it from the repository's root, with the images of ``ZEROSHOT_DATA`` or your own::

    python -m benchmarks.features [--images DIR] [--n 200] [--repeats 3] [--json]

Both sides get the same weights and the same images. The plain loop is what timm's documentation
shows: its transform image by image, batches of 64 in float32, channels first. All sides take
turns within one run, so that what else the machine does falls on all of them alike.
"""

from __future__ import annotations

import argparse
import json
import os
import pickle
import statistics
import sys
import tarfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import timm
import torch
from PIL import Image

from zeroshot._torch import has_fast_bfloat16, resolve_device
from zeroshot.backbones import TimmFeatures
from zeroshot.backbones._weights import create_network

MODEL = "tf_efficientnet_lite0"
BATCH = 64
EMULATED = 16  # images, where bfloat16 is emulated and runs at two a second


def plain_loop(images: Sequence[Any], size: int, crop_pct: float) -> np.ndarray:
    """Return features as timm's documentation extracts them."""
    model = plain_loop.model  # type: ignore[attr-defined]
    config = {**timm.data.resolve_model_data_config(model), "input_size": (3, size, size)}
    transform = timm.data.create_transform(**{**config, "crop_pct": crop_pct})
    features = []
    with torch.inference_mode():
        for start in range(0, len(images), BATCH):
            opened = [
                Image.open(item).convert("RGB") if isinstance(item, Path) else Image.fromarray(item)
                for item in images[start : start + BATCH]
            ]
            batch = torch.stack([transform(image) for image in opened]).to(plain_loop.device)
            maps = model.forward_features(batch)
            features.append(model.forward_head(maps, pre_logits=True).float().cpu().numpy())
    return np.concatenate(features)


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    """Return the mean cosine of the rows of two feature arrays."""
    products = np.einsum("ij,ij->i", a, b)
    return float(np.mean(products / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)))


def compare(
    sides: dict[str, Callable[[Sequence[Any]], np.ndarray]],
    images: Sequence[Any],
    counts: dict[str, int],
    repeats: int,
) -> dict[str, dict[str, float]]:
    """Time every side on the same images, in turns; the first is the reference."""
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    features: dict[str, np.ndarray] = {}
    for name, side in sides.items():
        side(images[: min(8, counts[name])])  # first calls set up caches and threads
    for _ in range(repeats):
        for name, side in sides.items():
            part = images[: counts[name]]
            start = time.perf_counter()
            features[name] = side(part)
            seconds[name].append((time.perf_counter() - start) / len(part))
    reference = next(iter(sides))
    base = statistics.median(seconds[reference])
    return {
        name: {
            "images": counts[name],
            "images_per_second": 1 / statistics.median(times),
            "ratio": base / statistics.median(times),
            "cosine": cosine(features[name], features[reference][: counts[name]]),
        }
        for name, times in seconds.items()
    }


def cifar_images(data_home: Path, n: int) -> np.ndarray:
    """Return the first test images of CIFAR-100's official archive, of shape (n, 32, 32, 3)."""
    with tarfile.open(data_home / "cifar-100-python.tar.gz") as archive:
        file = archive.extractfile("cifar-100-python/test")
        if file is None:
            raise FileNotFoundError("the archive holds no cifar-100-python/test")
        raw = pickle.load(file, encoding="bytes")[b"data"]  # a benchmark over one's own archive
    return np.ascontiguousarray(raw[:n].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1))


def print_table(title: str, results: dict[str, dict[str, float]]) -> None:
    """Print one line a side."""
    print(f"\n{title}")
    print(f"  {'':32}{'images':>7}{'images/s':>10}{'ratio':>7}{'cosine':>10}")
    for name, row in results.items():
        print(
            f"  {name:32}{row['images']:7.0f}{row['images_per_second']:10.1f}"
            f"{row['ratio']:7.2f}{row['cosine']:10.6f}"
        )


def main(argv: Sequence[str] | None = None) -> int:
    """Run the comparison and print it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--images", type=Path, help="folder of photos (default: of ZEROSHOT_DATA)")
    parser.add_argument("--n", type=int, default=200, help="how many images of each kind")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(argv)
    data_home = os.environ.get("ZEROSHOT_DATA")
    folder = options.images or (Path(data_home) / "imagenet-photos" if data_home else None)
    if folder is None:
        print("Pass --images DIR, or set ZEROSHOT_DATA.", file=sys.stderr)
        return 2
    photos = sorted(p for p in folder.iterdir() if p.suffix.lower() in (".jpg", ".jpeg", ".png"))

    device = resolve_device(options.device)
    fast = has_fast_bfloat16(device)
    plain_loop.device = device  # type: ignore[attr-defined]
    plain_loop.model = create_network(  # type: ignore[attr-defined]
        MODEL, "auto", seed=0, owner="benchmark"
    ).to(device)
    workloads: dict[str, tuple[Sequence[Any], int | None, int, float]] = {
        "photos, 224 pixels": (photos[: options.n], None, 224, 0.875)
    }
    if data_home:
        small = cifar_images(Path(data_home), options.n)
        workloads["CIFAR-100 arrays of 32 pixels, at 128"] = (small, 128, 128, 1.0)

    report: dict[str, Any] = {
        "device": str(device),
        "threads": torch.get_num_threads(),
        "fast_bfloat16": fast,
        "torch": torch.__version__,
        "timm": timm.__version__,
    }
    if not options.json:
        print(
            f"{device}, {torch.get_num_threads()} threads; its hardware "
            + ("computes" if fast else "does NOT compute: it emulates (measured on few images)")
            + " in bfloat16"
        )
    for title, (images, image_size, size, crop_pct) in workloads.items():
        sides: dict[str, Callable[[Sequence[Any]], np.ndarray]] = {
            "timm, plain float32 loop": lambda part, s=size, c=crop_pct: plain_loop(part, s, c)
        }
        counts = {"timm, plain float32 loop": len(images)}
        for precision in ("auto", "float32", "bfloat16"):
            side = TimmFeatures(
                MODEL, image_size=image_size, precision=precision, device=device, progress=False
            ).fit()
            name = f"TimmFeatures, {precision}"
            sides[name] = side.transform
            emulated = precision == "bfloat16" and not fast
            counts[name] = min(EMULATED, len(images)) if emulated else len(images)
        report[title] = compare(sides, images, counts, options.repeats)
        if not options.json:
            print_table(title, report[title])
    if options.json:
        print(json.dumps(report, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
