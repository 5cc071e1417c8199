"""Which partition size a thousand workers need, some of them slow, some of them dying.

    python studies/partition_size.py [--json docs/results/scale_partition_size.json]

A simulation of `embed_dataset`. What a partition costs is drawn from measured partitions,
docs/results/scale_partitions.json (``python -m benchmarks.scale partitions``): seconds per image,
seconds per partition, their spread, what the caller does for each, and how long a worker takes to
start. The rest is assumed, and said in `Cluster`. Overhead is over workers that never wait, die or
have a partition's own costs.
"""

from __future__ import annotations

import argparse
import heapq
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

RESULTS = Path(__file__).parents[1] / "docs" / "results"
SIZES = (100, 300, 1_000, 3_000, 10_000, 30_000, 100_000)
IMAGES = (10_000_000, 100_000_000, 1_000_000_000)
MOST_PARTITIONS = 1_000_000
"""More than these take longer to simulate than they tell."""


@dataclass(frozen=True)
class Cluster:
    """What is assumed of the workers.

    Attributes
    ----------
    n_workers : int
        Processes.
    slow_share, slowness : float
        Share of the workers that take so many times as long for everything.
    life_h : float
        Mean hours until a worker dies; its life has no memory.
    absent_s : float
        Seconds until a machine stands in for it. Then it starts, as measured.
    """

    n_workers: int = 1_000
    slow_share: float = 0.02
    slowness: float = 3.0
    life_h: float = 24.0
    absent_s: float = 60.0


@dataclass(frozen=True)
class Costs:
    """What was measured of partitions.

    Attributes
    ----------
    image_s, partition_s : float
        CPU seconds of a worker per image, and beside that per partition.
    caller_s : float
        Seconds of the caller per partition; it does one thing at a time.
    start_s : float
        Seconds until a new worker has opened the network.
    spread : tuple of float
        Seconds of partitions, waiting for others included, over the mean of their size.
    """

    image_s: float
    partition_s: float
    caller_s: float
    start_s: float
    spread: tuple[float, ...]

    @classmethod
    def measured(cls, path: Path) -> Costs:
        """Read them from the file that the benchmark writes."""
        found = json.loads(path.read_text())["found"]
        of_cpu, of_wall = found["CPU seconds of partitions"], found["seconds of partitions"]
        sizes = np.repeat([int(size) for size in of_cpu], [len(each) for each in of_cpu.values()])
        values, wall = (np.concatenate(list(each.values())) for each in (of_cpu, of_wall))
        design = np.column_stack([sizes, np.ones(len(sizes))])
        weights = 1 / sizes  # the error of a partition grows with its images
        image_s, partition_s = np.linalg.lstsq(
            design * weights[:, None], values * weights, rcond=None
        )[0]
        mean = {size: wall[sizes == size].mean() for size in sizes}
        ratios = [second / mean[size] for second, size in zip(wall, sizes, strict=True)]
        return cls(
            float(image_s),
            max(0.0, float(partition_s)),
            found["caller"]["seconds_per_partition"],
            found["start of a worker"]["wall_s"],
            tuple(map(float, ratios)),
        )


def simulate(n_images: int, size: int, cluster: Cluster, costs: Costs, seed: int) -> dict[str, Any]:
    """Return hours until the last partition is complete, and what was lost on the way."""
    rng = np.random.default_rng(seed)
    n_partitions = -(-n_images // size)
    slow = rng.random(cluster.n_workers) < cluster.slow_share
    factor = np.where(slow, cluster.slowness, 1.0).tolist()
    death = rng.exponential(cluster.life_h * 3600, cluster.n_workers).tolist()
    spread = rng.choice(np.array(costs.spread), n_partitions).tolist()
    n_begun = 0
    free = [(costs.start_s * factor[worker], worker) for worker in range(cluster.n_workers)]
    heapq.heapify(free)
    waiting, caller_free, lost_s, n_deaths, end = n_partitions, 0.0, 0.0, 0, 0.0
    returned: list[float] = []  # when partitions of dead workers are known to be lost
    while waiting or returned:
        now, worker = heapq.heappop(free)
        if not waiting:
            back = heapq.heappop(returned)
            waiting, now = waiting + 1, max(now, back)
        begin = max(now, caller_free)
        caller_free = begin + costs.caller_s
        n = size if n_images % size == 0 or waiting > 1 else n_images % size
        work = n * costs.image_s * spread[n_begun % n_partitions] + costs.partition_s
        n_begun += 1
        done = caller_free + work * factor[worker]
        waiting -= 1
        if death[worker] < done:
            died = max(death[worker], begin)
            lost_s += died - begin
            n_deaths += 1
            heapq.heappush(returned, died)
            back_again = died + cluster.absent_s + costs.start_s * factor[worker]
            death[worker] = back_again + rng.exponential(cluster.life_h * 3600)
            heapq.heappush(free, (back_again, worker))
            continue
        end = max(end, done)
        heapq.heappush(free, (done, worker))
    ideal = n_images * costs.image_s / sum(1 / each for each in factor)
    return {
        "images": n_images, "size": size, "partitions": n_partitions, "hours": end / 3600,
        "overhead": end / ideal - 1, "deaths": n_deaths, "lost_worker_hours": lost_s / 3600,
    }  # fmt: skip


def study(
    images: Sequence[int], sizes: Sequence[int], cluster: Cluster, costs: Costs
) -> list[dict[str, Any]]:
    """Return what `simulate` does for each number of images and size that is simulated."""
    return [
        simulate(n_images, size, cluster, costs, seed=0)
        for n_images in images
        for size in sizes
        if cluster.n_workers <= n_images / size <= MOST_PARTITIONS
    ]


def best_sizes(rows: Sequence[dict[str, Any]]) -> dict[int, int]:
    """Return the size of the least overhead for each number of images."""
    return {
        n_images: min(
            (row for row in rows if row["images"] == n_images), key=lambda row: row["overhead"]
        )["size"]
        for n_images in {row["images"]: None for row in rows}
    }


def main(argv: Sequence[str] | None = None) -> list[dict[str, Any]]:
    """Simulate, print and keep."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--costs", default=str(RESULTS / "scale_partitions.json"))
    parser.add_argument("--workers", type=int, default=Cluster.n_workers)
    parser.add_argument("--images", type=int, nargs="+", default=IMAGES)
    parser.add_argument("--json", help="file for the results")
    given = parser.parse_args(argv)
    cluster, costs = Cluster(given.workers), Costs.measured(Path(given.costs))
    rows = study(given.images, SIZES, cluster, costs)
    print(f"{'images':>15}{'size':>9}{'partitions':>12}{'hours':>9}{'overhead':>10}{'lost h':>9}")
    for row in rows:
        print(
            f"{row['images']:>15,}{row['size']:>9,}{row['partitions']:>12,}{row['hours']:>9.2f}"
            f"{row['overhead']:>10.1%}{row['lost_worker_hours']:>9.1f}"
        )
    best = best_sizes(rows)
    for n_images, size in best.items():
        print(f"least overhead for {n_images:,} images: partitions of {size:,}")
    if given.json:
        command = f"python studies/partition_size.py --json {given.json}"
        about = {"command": command, "cluster": asdict(cluster), "costs": asdict(costs)}
        Path(given.json).write_text(json.dumps({**about, "rows": rows}, indent=1))
    return rows


if __name__ == "__main__":
    main()
