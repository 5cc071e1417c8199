"""Data sets in partitions: what they cost over one call, and how memory and time grow.

Run it from the repository's root, with the archives of ``ZEROSHOT_DATA``::

    python -m benchmarks.scale embed [--images 4000] [--workers 2] [--json FILE]
    python -m benchmarks.scale fit [--rows 250000] [--json FILE]

``embed`` writes images of CIFAR-100 as files, parquet and tar shards, and computes their features
at 64 pixels: by `TimmFeatures` in one call, by `embed_dataset` in this process, and on workers.
CPU seconds include those of the workers, without their start. ``fit`` writes random features of
1,280 columns and 1,000 classes, and compares `fit_dataset` with sums taken in one piece.
"""

from __future__ import annotations

import argparse
import io
import json
import resource
import tarfile
import tempfile
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet
from PIL import Image

from zeroshot import ESZSLClassifier, HashEmbedding, TimmFeatures
from zeroshot.datasets import fetch_cifar100
from zeroshot.scale import FeaturesDataset, embed_dataset, fit_dataset

N_CLASSES, WIDTH, ROWS_PER_FILE = 1_000, 1_280, 25_000
STATUS = Path("/proc/self/status")


def anonymous() -> int:
    """Return the anonymous memory of this process in bytes."""
    lines = STATUS.read_text().splitlines()
    (line,) = [line for line in lines if line.startswith("RssAnon")]
    return int(line.split()[1]) * 1024


class PeakMemory:
    """The largest anonymous memory of this process inside a block, looked at every 20 ms."""

    def __enter__(self) -> PeakMemory:
        self.start = self.peak = anonymous()
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()
        return self

    def _look(self) -> None:
        while not self._done.wait(0.02):
            self.peak = max(self.peak, anonymous())

    def __exit__(self, *about: object) -> None:
        self._done.set()
        self._thread.join()


def timed(work: Callable[[], Any]) -> dict[str, float]:
    """Return wall and CPU seconds, of children too, and the peak memory in MB."""
    before = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    start = time.perf_counter()
    with PeakMemory() as memory:
        work()
    after = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    cpu = sum(
        now.ru_utime + now.ru_stime - then.ru_utime - then.ru_stime
        for now, then in zip(after, before, strict=True)
    )
    wall = time.perf_counter() - start
    return {"wall_s": wall, "cpu_s": cpu, "peak_MB": memory.peak / 1e6}


def encoded(pixels: np.ndarray) -> bytes:
    """Return an image as PNG."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "png")
    return file.getvalue()


def write_images(folder: Path, n_images: int) -> dict[str, Path]:
    """Write the same images as files, parquet and tar shards."""
    data = fetch_cifar100(subset="all")
    places = {name: folder / name for name in ("files", "parquet", "tar")}
    for place in places.values():
        place.mkdir()
    contents = [encoded(image) for image in data.images[:n_images]]
    for number, (content, label) in enumerate(zip(contents, data.target, strict=False)):
        path = places["files"] / str(label) / f"{number:06}.png"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
    for start in range(0, n_images, 1000):
        part = contents[start : start + 1000]
        table = pyarrow.table({"image": part})
        pyarrow.parquet.write_table(table, places["parquet"] / f"{start:06}.parquet")
        with tarfile.open(places["tar"] / f"{start:06}.tar", "w") as archive:
            for number, content in enumerate(part, start):
                member = tarfile.TarInfo(f"{number:06}.png")
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
    return places


def embed(n_images: int, workers: int) -> dict[str, dict[str, float]]:
    """Compare one call with partitions in this process and on workers."""
    backbone = TimmFeatures(image_size=64, progress=False).fit()
    found = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        places = write_images(folder, n_images)
        paths = sorted(map(str, places["files"].rglob("*.png")))
        backbone.transform(paths[:256])  # warm
        found["TimmFeatures, one call"] = timed(lambda: backbone.transform(paths))
        for kind, place in places.items():

            def here(place: Path = place, kind: str = kind) -> object:
                return embed_dataset(
                    place, folder / f"out-{kind}", backbone, partition_size=500, progress=False
                )

            found[f"embed_dataset, {kind}"] = timed(here)
        found["the same call again, nothing missing"] = timed(here)

        def there() -> object:
            return embed_dataset(
                places["files"], folder / "out-workers", backbone, partition_size=500,
                workers=workers, progress=False,
            )  # fmt: skip

        found[f"embed_dataset, files, {workers} workers with their start"] = timed(there)
        manifest = folder / "out-workers/_zeroshot/done"
        seconds = [json.loads(path.read_text())["seconds"] for path in manifest.glob("*.json")]
        found[f"seconds in the partitions of {workers} workers"] = {"wall_s": sum(seconds)}
    return found


def fit(n_rows: int) -> dict[str, dict[str, float]]:
    """Compare a fit by files with sums in one piece, at a quarter, half and all rows."""
    found = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rng = np.random.default_rng(0)
        directions = rng.normal(size=(N_CLASSES, WIDTH)).astype(np.float32)
        for start in range(0, n_rows, ROWS_PER_FILE):
            n = min(ROWS_PER_FILE, n_rows - start)
            codes = rng.integers(0, N_CLASSES, n)
            X = directions[codes] + rng.normal(size=(n, WIDTH)).astype(np.float32)
            features = pyarrow.FixedSizeListArray.from_arrays(pyarrow.array(X.ravel()), WIDTH)
            table = pyarrow.table({"features": features, "label": codes})
            pyarrow.parquet.write_table(
                table, folder / f"{start:08}.parquet", row_group_size=4096, compression="none"
            )
        files = sorted(map(str, folder.glob("*.parquet")))
        model = ESZSLClassifier(HashEmbedding(50))
        for share in (4, 2, 1):
            part = files[: max(1, len(files) // share)]
            rows = FeaturesDataset(part)
            found[f"fit_dataset, {len(rows):,} rows"] = timed(partial(fit_dataset, model, rows))
        part = files[: max(1, len(files) // 4)]
        X, y = [], []
        for block, values in FeaturesDataset(part).blocks(["label"]):
            X.append(block.copy())
            y.append(values["label"])
        whole, labels = np.concatenate(X), np.concatenate(y)
        one = fit_dataset(model, part)
        other = ESZSLClassifier(HashEmbedding(50))
        found[f"fit, {len(whole):,} rows in memory"] = timed(lambda: other.fit(whole, labels))
        gap = float(abs(one.coef_ - other.coef_).max() / abs(other.coef_).max())
        found["largest relative difference of the weights"] = {"value": gap}
    return found


def main() -> None:
    """Run, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("embed", "fit"))
    parser.add_argument("--images", type=int, default=4_000)
    parser.add_argument("--rows", type=int, default=250_000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--json", help="file for the results")
    given = parser.parse_args()
    found = embed(given.images, given.workers) if given.what == "embed" else fit(given.rows)
    for name, values in found.items():
        print(f"{name:<60}" + "  ".join(f"{key} {value:.4g}" for key, value in values.items()))
    if given.json:
        Path(given.json).write_text(
            json.dumps({"arguments": vars(given), "found": found}, indent=1)
        )


if __name__ == "__main__":
    main()
