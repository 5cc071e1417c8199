"""Data sets in partitions: what they cost over one call, what interruptions cost, what grows.

Run it from the repository's root, with the archives of ``ZEROSHOT_DATA``. ``TMPDIR`` needs 7 GB for
a million rows::

    python -m benchmarks.scale embed [--images 20000] [--workers 2] [--json FILE]
    python -m benchmarks.scale listing [--images 1000000]
    python -m benchmarks.scale partitions [--images 4000]
    python -m benchmarks.scale memory [--images 80000]
    python -m benchmarks.scale kills [--images 400]
    python -m benchmarks.scale fit [--rows 1000000]
    python -m benchmarks.scale predict [--rows 200000]

``embed`` writes images of CIFAR-100 as files, parquet and tar shards, and computes their features
at 64 pixels: by `TimmFeatures` in one call, and by `embed_dataset` on workers that run already. It
plans the run from a sample first. ``listing`` opens a list of paths. ``partitions`` measures what
the simulation studies/partition_size.py draws from. ``memory`` follows the memory of workers while
they compute the same images again and again, at 32 pixels. ``kills`` kills workers, then callers,
ten times. ``fit`` writes random features of 1,280 columns and 1,000 classes, and compares
`fit_dataset` with sums taken in one piece. ``predict`` chooses from 10,000 labels for each row.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import resource
import signal
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet
from PIL import Image

from zeroshot import DeViSEClassifier, ESZSLClassifier, HashEmbedding, TimmFeatures
from zeroshot._linear import RowSums
from zeroshot.datasets import fetch_cifar100
from zeroshot.scale import (
    FeaturesDataset,
    Item,
    Partition,
    Source,
    embed_dataset,
    fit_dataset,
    open_source,
    plan_dataset,
    predict_dataset,
)
from zeroshot.scale._engine import cluster_config, run
from zeroshot.scale._output import OutputDataset

N_CLASSES, WIDTH, ROWS_PER_FILE = 1_000, 1_280, 25_000
N_CANDIDATES, K = 10_000, 5
PARTITION, N_KILLS = 500, 10
Figures = dict[str, dict[str, float]]


def anonymous(pid: int | str = "self") -> int:
    """Return the anonymous memory of a process in bytes; 0 once it is gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("RssAnon"))


def cpu_seconds(pid: int) -> float:
    """Return the CPU seconds of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class PeakMemory:
    """The largest anonymous memory of a process inside a block, looked at every 0.2 s."""

    def __init__(self, pid: int | str = "self") -> None:
        self._pid = pid

    def __enter__(self) -> PeakMemory:
        self.start = self.peak = anonymous(self._pid)
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()
        return self

    def _look(self) -> None:
        while not self._done.wait(0.2):
            self.peak = max(self.peak, anonymous(self._pid))

    def __exit__(self, *about: object) -> None:
        self._done.set()
        self._thread.join()


def timed(work: Callable[[], Any]) -> dict[str, float]:
    """Return wall and CPU seconds of this process, and its peak memory in MB."""
    before, start = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    with PeakMemory() as memory:
        work()
    after, wall = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter() - start
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"wall_s": wall, "cpu_s": cpu, "peak_MB": memory.peak / 1e6}


@contextmanager
def cluster(
    n_workers: int, threads: int | None = None
) -> Iterator[tuple[str, Callable[[], list[int]]]]:
    """Yield the address of a cluster like that of ``workers=``, and what gives its processes."""
    import dask
    import distributed

    with (
        dask.config.set(cluster_config(n_workers, threads)),
        distributed.LocalCluster(
            n_workers=n_workers, threads_per_worker=1, dashboard_address=":0",
            silence_logs="CRITICAL", memory_limit=0,
        ) as running,
    ):  # fmt: skip

        def pids() -> list[int]:
            processes = [nanny.process for nanny in running.workers.values()]
            started = distributed.core.Status.running  # before that, nobody replaces a killed one
            return [each.pid for each in processes if each.status == started]

        yield running.scheduler_address, pids


def on_workers(work: Callable[[], Any], pids: list[int]) -> dict[str, float]:
    """Return what `timed` does, and the CPU seconds of the workers, together and of the longest."""
    before = [cpu_seconds(pid) for pid in pids]
    found = timed(work)
    each = [cpu_seconds(pid) - then for pid, then in zip(pids, before, strict=True)]
    return {
        "wall_s": found["wall_s"],
        "cpu_s": found["cpu_s"] + sum(each),
        "cpu_of_caller_s": found["cpu_s"],
        "cpu_of_longest_worker_s": max(each),
    }


# Images


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


def embed(n_images: int, workers: int) -> Figures:
    """Compare one call with partitions on workers, and the plan with the run."""
    backbone = TimmFeatures(image_size=64, progress=False).fit()
    found: Figures = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        places = write_images(folder, n_images)
        paths = sorted(map(str, places["files"].rglob("*.png")))
        with cluster(workers) as (address, pids):
            embed_dataset(  # workers import, and open the network
                paths[: 2 * workers], folder / "warm", backbone, partition_size=1,
                scheduler=address, progress=False,
            )  # fmt: skip
            backbone.transform(paths[:256])
            plan = plan_dataset(
                places["files"], backbone, n_images=n_images, workers=workers,
                partition_size=PARTITION,
            )  # fmt: skip
            found["plan"] = {
                "wall_s": plan.hours * 3600,
                "cpu_s": plan.cpu_seconds_per_image * n_images,
                "MB_out": plan.bytes_out / 1e6,
            }
            found["TimmFeatures, one call"] = timed(lambda: backbone.transform(paths))
            for kind, place in places.items():
                work = partial(
                    embed_dataset, place, folder / f"out-{kind}", backbone,
                    partition_size=PARTITION, scheduler=address, progress=False,
                )  # fmt: skip
                found[f"embed_dataset, {kind}, {workers} workers"] = on_workers(work, pids())
                found[f"plan, {kind}"] = _planned(
                    plan, folder / f"out-{kind}", found, kind, workers
                )
            found["TimmFeatures, one call, again"] = timed(lambda: backbone.transform(paths))
            found["the same call again, nothing missing"] = timed(work)
    return found


def _planned(plan: Any, output: Path, found: Figures, kind: str, workers: int) -> dict[str, float]:
    wall = found[f"embed_dataset, {kind}, {workers} workers"]["wall_s"]
    written = sum(path.stat().st_size for path in output.glob("*.parquet"))
    done = (json.loads(path.read_text()) for path in (output / "_zeroshot/done").glob("*.json"))
    n_images, cpu_s = np.sum([(about["n"], about["cpu_seconds"]) for about in done], axis=0)
    return {
        "wall_over_plan": wall / (plan.hours * 3600),
        "cpu_over_plan": cpu_s / (plan.cpu_seconds_per_image * n_images),
        "bytes_over_plan": written / plan.bytes_out,
    }


def listing(n_images: int, workers: int) -> Figures:
    """Measure what a list of files takes in memory, and commits take to be read again."""
    found: Figures = {}
    before = anonymous()
    paths = [f"/data/photos/{number // 1000:05}/{number:09}.jpg" for number in range(n_images)]

    def opened() -> None:
        source = open_source(paths)
        parts, about = source.partitions(2_000), source.describe()
        found["list of files"] = {
            "bytes_per_image_kept": (anonymous() - before) / n_images,
            "partitions": len(parts),
            "n": about["n"],
        }

    found["opening the list"] = timed(opened)
    peak = found["opening the list"]["peak_MB"] * 1e6 - before
    found["list of files"]["bytes_per_image_at_most"] = peak / n_images
    with tempfile.TemporaryDirectory() as name:
        output = OutputDataset(name, owner="benchmark")
        n_partitions = n_images // 200
        for number in range(n_partitions):
            place = Path(name, "_zeroshot", "done", f"{number:06}.json")
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text('{"n": 2000, "n_errors": 0, "seconds": 5.0, "cpu_seconds": 5.0}')
        found[f"reading {n_partitions:,} commits"] = timed(output.done)
    return found


@dataclass(frozen=True)
class Logged(Partition):
    """A partition that writes a line whenever it is begun."""

    inner: Partition
    log: str

    @property
    def name(self) -> str:  # type: ignore[override]
        """Name of the partition inside."""
        return self.inner.name

    def read(self) -> Iterator[Item]:
        """Yield the images of the partition inside."""
        with open(self.log, "a") as file:
            file.write(f"{self.inner.name}\n")
        yield from self.inner.read()


@dataclass(frozen=True)
class LoggedSource(Source):
    """A source whose partitions write down that they were begun."""

    folder: str
    log: str

    def partitions(self, size: int) -> list[Partition]:
        """Return the partitions of the folder."""
        return [Logged(part, self.log) for part in open_source(self.folder).partitions(size)]

    def describe(self) -> dict[str, Any]:
        """Return what the folder says."""
        return open_source(self.folder).describe()


@dataclass(frozen=True)
class Repeated(Source):
    """A source that gives the same images again and again, under other keys."""

    folder: str
    times: int

    def partitions(self, size: int) -> list[Partition]:
        """Return the partitions of the folder, several times."""
        parts = open_source(self.folder).partitions(size)
        return [part for _ in range(self.times) for part in parts]

    def describe(self) -> dict[str, Any]:
        """Return how often which images come."""
        return {**open_source(self.folder).describe(), "times": self.times}


def memory(n_images: int, workers: int) -> Figures:
    """Follow the largest memory of a worker until so many images are done."""
    backbone = TimmFeatures(image_size=32, progress=False).fit()
    found: Figures = {}
    with tempfile.TemporaryDirectory() as name, cluster(workers) as (address, pids):
        folder, own = Path(name), min(n_images, 5_000)
        places = write_images(folder, own)
        source = Repeated(str(places["files"]), n_images // own)
        done = folder / "out" / "_zeroshot" / "done"
        running = threading.Thread(
            target=embed_dataset, args=(source, folder / "out", backbone),
            kwargs={"partition_size": PARTITION, "scheduler": address, "progress": False},
        )  # fmt: skip
        each = [PeakMemory(pid) for pid in pids()]
        for watched in each:
            watched.__enter__()
        running.start()
        for n in (5_000, 20_000, 80_000):
            while n <= n_images and running.is_alive() and _n_done(done) * PARTITION < n:
                time.sleep(0.05)
            peaks = {f"worker_{i}_MB": each[i].peak / 1e6 for i in range(workers)}
            if n <= n_images:
                found[f"largest memory until {n:,} images"] = peaks
        running.join()
        for watched in each:
            watched.__exit__()
    return found


def _n_done(folder: Path) -> int:
    return len(os.listdir(folder)) if folder.is_dir() else 0


def _small_backbone() -> TimmFeatures:
    return TimmFeatures(
        "test_efficientnet", weights=None, image_size=64, random_state=0, progress=False
    ).fit()


def kills(n_images: int, workers: int) -> Figures:
    """Kill a worker, and then the caller, at a random moment, ten times each."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        place = str(write_images(folder, n_images)["files"])
        size = max(1, n_images // 20)
        return kill_workers(place, folder, size, workers) | kill_callers(place, folder, size)


def kill_workers(place: str, folder: Path, size: int, workers: int) -> Figures:
    """Kill one of the workers in each of ten runs."""
    rng, log, equal, lost = np.random.default_rng(0), folder / "log", 0, []
    with cluster(workers) as (address, pids):
        backbone = _small_backbone()

        def embedded(output: Path) -> float:
            log.write_text("")
            done = embed_dataset(
                LoggedSource(place, str(log)), output, backbone, partition_size=size,
                scheduler=address, progress=False,
            )  # fmt: skip
            return float(done.seconds)

        embedded(folder / "first")
        seconds = embedded(folder / "whole")
        whole = _content(folder / "whole")
        for number in range(N_KILLS):
            victim = int(rng.choice(pids()))
            timer = threading.Timer(rng.uniform(0, seconds), os.kill, (victim, signal.SIGKILL))
            timer.start()
            embedded(folder / f"worker-{number}")
            timer.join()
            equal += _content(folder / f"worker-{number}") == whole
            lost.append(_n_lost(log, whole))
            _until(lambda victim=victim: len(pids()) == workers and victim not in pids())
    return _killed("worker", equal, lost, len(whole))


def kill_callers(place: str, folder: Path, size: int) -> Figures:
    """Kill the caller of each of ten runs, and call again."""
    rng, log, equal, lost = np.random.default_rng(1), folder / "log-of-callers", 0, []
    environment = {**os.environ, "LOG": str(log), "SIZE": str(size), "OMP_NUM_THREADS": "1"}

    def command(output: Path) -> list[str]:
        return [sys.executable, "-m", "benchmarks.scale", "_call", place, str(output)]

    start = time.perf_counter()
    subprocess.run(command(folder / "whole-in-one"), env=environment, check=True)
    seconds = time.perf_counter() - start
    whole = _content(folder / "whole-in-one")
    for number in range(N_KILLS):
        output = folder / f"caller-{number}"
        log.write_text("")
        caller = subprocess.Popen(command(output), env=environment)
        done, reached = output / "_zeroshot" / "done", rng.integers(0, len(whole))
        while caller.poll() is None and _n_done(done) < reached:
            time.sleep(0.002)
        time.sleep(rng.uniform(0, seconds / len(whole) / 10))
        caller.kill()
        caller.wait()
        subprocess.run(command(output), env=environment, check=True)
        equal += _content(output) == whole
        lost.append(_n_lost(log, whole))
    return _killed("caller", equal, lost, len(whole))


def _killed(who: str, equal: int, lost: list[int], n_partitions: int) -> Figures:
    return {
        f"kill -9 of a {who}, {N_KILLS} times": {
            "equal_outputs": equal,
            "most_partitions_computed_twice": max(lost),
            "partitions": n_partitions,
        }
    }


def _call(place: str, output: str) -> None:
    """Embed as `kills` asks, in this process."""
    source = LoggedSource(place, os.environ["LOG"])
    embed_dataset(
        source, output, _small_backbone(), partition_size=int(os.environ["SIZE"]), progress=False
    )


def _content(output: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(output.glob("*.parquet"))}


def _n_lost(log: Path, whole: dict[str, bytes]) -> int:
    return len(log.read_text().splitlines()) - len(whole)


def _until(reached: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 600
    while not reached():
        if time.monotonic() > deadline:
            raise TimeoutError("the killed worker did not come back")
        time.sleep(0.2)


def nothing(number: int) -> int:
    """Return a number: a partition without work."""
    return number


def partitions(n_images: int, workers: int) -> dict[str, Any]:
    """Measure partitions of several sizes, the caller's part, and the start of a worker."""
    backbone = TimmFeatures(image_size=64, progress=False).fit()
    seconds: dict[str, list[float]] = {}
    cpu_seconds: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        paths = sorted(map(str, write_images(folder, n_images)["files"].rglob("*.png")))
        start = time.perf_counter()
        with cluster(1) as (address, _):
            embed_dataset(paths[:1], folder / "one", backbone, scheduler=address, progress=False)
            start_s = time.perf_counter() - start
        with cluster(workers) as (address, _):
            options: dict[str, Any] = {"scheduler": address, "progress": False}
            embed_dataset(
                paths[: 2 * workers], folder / "warm", backbone, partition_size=1, **options
            )
            for size in (20, 100, 500):
                some = paths[: size * 30]
                output = folder / f"out-{size}"
                embed_dataset(some, output, backbone, partition_size=size, **options)
                done = sorted((output / "_zeroshot" / "done").glob("*.json"))
                each = [json.loads(path.read_text()) for path in done]
                each = each[workers:]  # in its first one a worker opens the network
                seconds[str(size)] = [about["seconds"] for about in each]
                cpu_seconds[str(size)] = [about["cpu_seconds"] for about in each]
            given = {number: (number,) for number in range(2_000)}
            rest = {"workers": None, "resources": None, "owner": "benchmark"}
            empty = timed(lambda: list(run(nothing, given, scheduler=address, **rest)))
    return {
        "seconds of partitions": seconds,
        "CPU seconds of partitions": cpu_seconds,
        "caller": {"seconds_per_partition": empty["cpu_s"] / len(given)},
        "start of a worker": {"wall_s": start_s},
    }


# Features


def write_features(folder: Path, n_rows: int, *, seed: int = 0) -> list[str]:
    """Write random features of some classes, 25,000 rows a file, and return the files."""
    rng = np.random.default_rng(seed)
    directions = rng.standard_normal((N_CLASSES, WIDTH), dtype=np.float32)
    for start in range(0, n_rows, ROWS_PER_FILE):
        n = min(ROWS_PER_FILE, n_rows - start)
        codes = rng.integers(0, N_CLASSES, n)
        X = rng.standard_normal((n, WIDTH), dtype=np.float32)
        X += directions[codes]
        features = pyarrow.FixedSizeListArray.from_arrays(pyarrow.array(X.ravel()), WIDTH)
        table = pyarrow.table({"features": features, "label": codes})
        pyarrow.parquet.write_table(
            table, folder / f"{start:08}.parquet", row_group_size=4096, compression="none"
        )
    return sorted(map(str, folder.glob("*.parquet")))


def fit(n_rows: int, workers: int) -> Figures:
    """Compare a fit by files with sums in one piece, at a quarter, half and all rows."""
    found: Figures = {}
    with tempfile.TemporaryDirectory() as name:
        files = write_features(Path(name), n_rows)
        model = ESZSLClassifier(HashEmbedding(50))
        for share in (4, 2, 1):
            rows = FeaturesDataset(files[: max(1, len(files) // share)])
            fits: list[Any] = []
            found[f"ESZSL, {len(rows):,} rows"] = timed(
                lambda rows=rows, fits=fits: fits.append(fit_dataset(model, rows))
            )
            (fitted,) = fits
        quarter = FeaturesDataset(files[: max(1, len(files) // 4)])
        ridge = DeViSEClassifier(HashEmbedding(50), loss="mse")
        found[f"ridge, {len(quarter):,} rows"] = timed(partial(fit_dataset, ridge, quarter))
        one = RowSums.of(rows, rows.column_values("label"), origin=fitted.sums_.origin)
        for what in ("gram", "cross", "total"):
            mine, whole = getattr(fitted.sums_, what), getattr(one, what)
            gap = float(abs(mine - whole).max() / abs(whole).max())
            found[f"{what} of {len(rows):,} rows beside one piece"] = {"difference": gap}
        del one, whole, mine
        for n in dict.fromkeys((1, workers)):
            with cluster(n, threads=1) as (address, pids):
                fit_dataset(model, FeaturesDataset(files[:1]), scheduler=address)  # warm
                work = partial(fit_dataset, model, quarter, scheduler=address)
                found[f"ESZSL, {len(quarter):,} rows, {n} workers"] = on_workers(work, pids())
    return found


def predict(n_rows: int, workers: int) -> Figures:
    """Compare `predict_dataset` with the product and ``torch.topk`` in the same blocks."""
    import torch

    names = [f"label {number}" for number in range(N_CANDIDATES)]
    found: Figures = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "features").mkdir()
        features = FeaturesDataset(write_features(folder / "features", n_rows))
        X, y = features[:20_000], features.column_values("label")[:20_000]
        seen = np.array(names)[y]
        model = ESZSLClassifier(HashEmbedding(50), candidates=names, temperature=0.1).fit(X, seen)
        del X
        coef = torch.from_numpy(model.coef_.astype(np.float32))
        vectors = torch.from_numpy(model.class_vectors_.T.astype(np.float32).copy())
        intercept = torch.from_numpy(model.intercept_.astype(np.float32))

        def reference(rows: FeaturesDataset) -> None:
            for block, _ in rows.blocks():
                for part in np.array_split(block, -(-len(block) * N_CANDIDATES // 2**24)):
                    scores = (torch.from_numpy(part.copy()) @ coef + intercept) @ vectors
                    torch.topk(scores, K, dim=1)

        quarter = FeaturesDataset(features.files[: max(1, len(features.files) // 4)])
        for turn in ("first", "second"):
            for rows in (quarter, features):
                output = folder / f"out-{turn}-{len(rows)}"
                work = partial(
                    predict_dataset, model, rows, output, k=K, partition_size=ROWS_PER_FILE,
                    progress=False,
                )  # fmt: skip
                found[f"predict_dataset, {len(rows):,} rows, {turn} turn"] = timed(work)
            found[f"product and topk, {len(features):,} rows, {turn} turn"] = timed(
                partial(reference, features)
            )
    return found


SIZES = {
    "embed": ("images", 20_000), "listing": ("images", 1_000_000),
    "partitions": ("images", 4_000), "memory": ("images", 80_000),
    "kills": ("images", 400), "fit": ("rows", 1_000_000), "predict": ("rows", 200_000),
}  # fmt: skip
RUNS = {
    "embed": embed,
    "listing": listing,
    "partitions": partitions,
    "memory": memory,
    "kills": kills,
    "fit": fit,
    "predict": predict,
}


def main() -> None:
    """Run, print and write."""
    if sys.argv[1:2] == ["_call"]:
        _call(*sys.argv[2:])
        return
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=SIZES)
    parser.add_argument("--images", type=int)
    parser.add_argument("--rows", type=int)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--json", help="file for the results")
    given = parser.parse_args()
    kind, default = SIZES[given.what]
    size = getattr(given, kind) or default
    found = RUNS[given.what](size, given.workers)
    for name, values in found.items():
        values = {k: np.mean(v) for k, v in values.items()}
        print(f"{name:<60}" + "  ".join(f"{key} {value:.4g}" for key, value in values.items()))
    if given.json:
        command = f"python -m benchmarks.scale {given.what} --{kind} {size} --json {given.json}"
        Path(given.json).write_text(json.dumps({"command": command, "found": found}, indent=1))


if __name__ == "__main__":
    main()
