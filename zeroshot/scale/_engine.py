"""Partitions in this process, or as futures of a Dask cluster."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from typing import Any

from zeroshot._utils._optional import import_optional
from zeroshot._version import __version__
from zeroshot.scale._sources import EXTRA

IN_FLIGHT, IN_FLIGHT_PER_WORKER = 1_000, 10
"""Futures that the scheduler knows at a time: each holds the paths of its partition."""
RETRIES = 3
"""How often a partition is tried again after its worker died."""
TIMEOUT = "15s"

# Dask's own values cost all that two workers gain: its nannies make glibc return memory after every
# batch, its profiler interrupts each worker a hundred times a second, and every process wakes up
# fifty times a second to see whether it is awake: a tenth of a core for two workers that wait.
_CONFIG = {
    "distributed.nanny.pre-spawn-environ.MALLOC_TRIM_THRESHOLD_": None,
    "distributed.nanny.pre-spawn-environ.MALLOC_MMAP_THRESHOLD_": None,
    "distributed.worker.profile.enabled": False,
    "distributed.admin.tick.interval": "1s",
    "distributed.admin.system-monitor.interval": "10s",
    "distributed.scheduler.allowed-failures": RETRIES,
    # A killed worker starts again, which takes longer than Dask's 15 seconds where the machine is
    # busy: it would be given up. Without any worker, tasks would wait for ever.
    "distributed.deploy.lost-worker-timeout": "600s",
    "distributed.scheduler.no-workers-timeout": "600s",
}

Answer = tuple[int, Any, Exception | None]


def run(
    function: Callable[..., Any],
    arguments: Mapping[int, Sequence[Any]],
    *,
    workers: int | None,
    scheduler: str | None,
    resources: Mapping[str, float] | None,
    owner: str,
) -> Iterator[Answer]:
    """Yield the number of each partition with its result, or with the error that ended it.

    Parameters
    ----------
    function : callable
        ``function(*arguments)``, importable by its name.
    arguments : mapping of int to sequence
        By the number of the partition.
    workers : int, optional
        Processes of a Dask cluster on this machine. None computes in this process.
    scheduler : str, optional
        Address of a running Dask scheduler, such as ``"tcp://10.0.0.1:8786"``.
    resources : mapping, optional
        What each partition needs of its worker, such as ``{"GPU": 1}``.
    owner : str
        Name of the caller, for the messages.

    Raises
    ------
    ConnectionError
        The scheduler cannot be reached, or vanished, or all workers did.
    RuntimeError
        A worker lacks this package, or has another version of it.
    MissingDependencyError
        Dask is not installed.
    """
    if not arguments:
        return
    if workers is None and scheduler is None:
        yield from _here(function, arguments)
        return
    with ExitStack() as stack:
        client = _client(stack, workers, scheduler, owner)
        n_workers = _check_workers(client, owner)
        n_in_flight = max(IN_FLIGHT, IN_FLIGHT_PER_WORKER * n_workers)
        yield from _futures(client, function, arguments, resources, owner, n_in_flight)


def _here(function: Callable[..., Any], arguments: Mapping[int, Sequence[Any]]) -> Iterator[Answer]:
    for number, given in arguments.items():
        try:
            result = function(*given)
        except (ValueError, RuntimeError, MemoryError) as error:
            yield number, None, error  # others, such as a full disk, would fail every partition
        else:
            yield number, result, None


def worker_number() -> int | None:
    """Return the number of the worker that this process is, in a cluster on this machine.

    None outside of a worker, and in clusters that number their workers otherwise.
    """
    distributed = sys.modules.get("distributed")
    if distributed is None:
        return None
    try:
        name = distributed.get_worker().name
    except ValueError:
        return None
    return name if isinstance(name, int) else None


def cluster_config(n_workers: int, threads: int | None = None) -> dict[str, Any]:
    """Return the settings of a cluster on this machine, as ``dask.config.set`` takes them.

    Parameters
    ----------
    n_workers : int
        Processes, each with one task at a time.
    threads : int, optional
        Of BLAS and torch in each process; the cores are divided if None.
    """
    threads = threads or max(1, (os.cpu_count() or 1) // n_workers)
    environment = {
        f"distributed.nanny.pre-spawn-environ.{name}": str(threads)
        for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    }
    return {**_CONFIG, **environment}


def _client(stack: ExitStack, workers: int | None, scheduler: str | None, owner: str) -> Any:
    distributed = import_optional("distributed", owner=owner, extra=EXTRA)
    dask = import_optional("dask", owner=owner, extra=EXTRA)
    stack.enter_context(dask.config.set(cluster_config(workers or 1)))
    if scheduler is not None:
        try:
            return stack.enter_context(distributed.Client(scheduler, timeout=TIMEOUT))
        except (OSError, ValueError) as error:
            raise ConnectionError(
                f"{owner}: the scheduler at {scheduler} cannot be reached ({error}). Check the "
                "address, or start one with: dask scheduler"
            ) from error
    cluster = distributed.LocalCluster(
        n_workers=workers,
        threads_per_worker=1,
        processes=True,
        dashboard_address=":0",
        silence_logs="ERROR",
        memory_limit=0,
    )
    stack.enter_context(cluster)
    return stack.enter_context(distributed.Client(cluster))


def _version() -> str:
    from zeroshot._version import __version__

    return __version__


def _check_workers(client: Any, owner: str) -> int:
    """Return the number of workers; raise unless each has this version of the package."""
    client.wait_for_workers(1, timeout=60)
    versions = client.run(_version, on_error="return")
    for worker, version in versions.items():
        if isinstance(version, OSError):
            continue  # it died while it was asked: another one will stand in for it
        if isinstance(version, Exception):
            raise RuntimeError(
                f"{owner}: the worker {worker} cannot import this package ({version}). Install "
                f"scikit-zeroshot {__version__} on every worker."
            ) from version
        if version != __version__:
            raise RuntimeError(
                f"{owner}: the worker {worker} has scikit-zeroshot {version}, and here is "
                f"{__version__}. Install one version everywhere."
            )
    return len(versions)


def _futures(
    client: Any,
    function: Callable[..., Any],
    arguments: Mapping[int, Sequence[Any]],
    resources: Mapping[str, float] | None,
    owner: str,
    n_in_flight: int,
) -> Iterator[Answer]:
    """Submit the partitions, some at a time, and yield them as they end."""
    distributed = import_optional("distributed", owner=owner, extra=EXTRA)
    waiting = iter(arguments.items())
    numbers: dict[str, int] = {}

    def submit() -> Any:
        number, given = next(waiting)
        future = client.submit(
            function, *given, retries=RETRIES, resources=dict(resources or {}), pure=False
        )
        numbers[future.key] = number
        return future

    first = [submit() for _ in range(min(n_in_flight, len(arguments)))]
    ended = distributed.as_completed(first)
    for future in ended:
        number = numbers.pop(future.key)
        if future.status == "cancelled":
            raise ConnectionError(
                f"{owner}: the scheduler vanished. The same call resumes with what is missing."
            )
        error = future.exception()
        if isinstance(error, distributed.scheduler.NoWorkerError):
            raise ConnectionError(
                f"{owner}: all workers vanished, and none came back. The same call resumes with "
                "what is missing."
            ) from error
        if len(numbers) < len(arguments) and (more := next(_one(submit), None)) is not None:
            ended.add(more)
        yield number, None if error else future.result(), error
        future.release()


def _one(submit: Callable[[], Any]) -> Iterator[Any]:
    try:
        yield submit()
    except StopIteration:
        return
