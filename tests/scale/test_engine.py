"""A Dask cluster on this machine: the same rows, whatever dies."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from zeroshot import ESZSLClassifier, HashEmbedding, TimmFeatures
from zeroshot.exceptions import PartitionError
from zeroshot.scale import _engine, _partition, embed_dataset, fit_dataset

BACKBONE = TimmFeatures(
    "test_efficientnet", weights=None, image_size=32, random_state=0, device="cpu"
).fit()
RUN = """
import sys
from test_engine import BACKBONE
from zeroshot.scale import embed_dataset
if __name__ == "__main__":
    embed_dataset(sys.argv[1], sys.argv[2], BACKBONE, columns=["label"], partition_size=2)
"""


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photos")
    rng = np.random.default_rng(0)
    for number in range(12):
        path = folder / "ant bee cat".split()[number % 3] / f"{number:02}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(rng.integers(0, 255, (40, 40, 3), dtype=np.uint8)).save(path)
    return folder


@pytest.fixture(scope="module")
def whole(photos, tmp_path_factory):
    """The output of a call that nothing interrupted, in one process."""
    output = tmp_path_factory.mktemp("whole") / "out"
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as many as a worker has: sums depend on it in the last digit
    embed_dataset(photos, output, BACKBONE, columns=["label"], partition_size=2)
    torch.set_num_threads(threads)
    return content(output)


@pytest.fixture(scope="module")
def cluster():
    """Two workers of a cluster, to which callers connect by its address."""
    import dask
    import distributed

    with (
        dask.config.set(
            {**_engine._CONFIG, "distributed.nanny.pre-spawn-environ.OMP_NUM_THREADS": "1"}
        ),
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=":0", silence_logs="CRITICAL",
            memory_limit=0, resources={"chip": 1},
        ) as running,
    ):  # fmt: skip
        yield running


def content(output):
    return {path.name: path.read_bytes() for path in sorted(Path(output).glob("*.parquet"))}


def die_once(marker, result):
    """Kill this worker the first time; afterwards, and elsewhere, return."""
    if not os.path.exists(marker):
        Path(marker).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return result


def die(result):
    os.kill(os.getpid(), signal.SIGKILL)


def leave(result):
    """Close this worker, and wait until it is closed."""
    import distributed

    worker = distributed.get_worker()
    worker.loop.add_callback(worker.close)
    time.sleep(1)


def answer(result):
    return result


def worker(_):
    return _engine.worker_number()


def call(function, arguments, cluster, **options):
    given = {"workers": None, "resources": None, "owner": "test", **options}
    return sorted(
        _engine.run(function, arguments, scheduler=cluster.scheduler_address, **given),
        key=lambda found: found[0],
    )


def test_workers_write_the_same_bytes(photos, whole, cluster, tmp_path):
    done = embed_dataset(
        photos, tmp_path / "out", BACKBONE, columns=["label"], partition_size=2,
        scheduler=cluster.scheduler_address, resources={"chip": 1},
    )  # fmt: skip
    assert done.n_images == 12 and content(tmp_path / "out") == whole
    model = ESZSLClassifier(HashEmbedding(4))
    here = fit_dataset(model, tmp_path / "out")
    there = fit_dataset(model, tmp_path / "out", scheduler=cluster.scheduler_address)
    np.testing.assert_array_equal(here.coef_, there.coef_)


@pytest.mark.slow  # three workers die, and others start
def test_a_partition_is_tried_again_after_its_worker_died(cluster, tmp_path):
    given = {number: (str(tmp_path / f"{number}"), number) for number in range(3)}
    Path(given[0][0]).touch()
    assert call(die_once, given, cluster) == [(number, number, None) for number in range(3)]


@pytest.mark.slow  # four workers die, and others start
def test_a_partition_that_kills_every_worker_is_named_and_the_others_finish(cluster):
    found = call(die, {0: (0,)}, cluster)
    assert type(found[0][2]).__name__ == "KilledWorker"
    assert call(answer, {number: (number,) for number in range(5)}, cluster)[4][1] == 4


def test_workers_take_the_gpus_of_a_machine_in_turns(cluster, monkeypatch):
    found = call(worker, {number: (number,) for number in range(8)}, cluster)
    assert {number for _, number, _ in found} <= {0, 1} and _engine.worker_number() is None
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert _partition.own_device("auto") == "auto", "this process is no worker"
    monkeypatch.setattr(_partition, "worker_number", lambda: 3)
    assert [_partition.own_device(name) for name in ("auto", "cuda", "cpu", "cuda:0")] == [
        "cuda:1", "cuda:1", "cpu", "cuda:0",
    ]  # fmt: skip
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    assert _partition.own_device("auto") == "auto", "CUDA_VISIBLE_DEVICES shows one"


def test_a_worker_that_dies_while_it_is_asked_is_passed_over():
    class Client:
        def wait_for_workers(self, *args, **kwargs):
            pass

        def run(self, *args, **kwargs):
            return {"tcp://one": OSError("closed"), "tcp://two": _engine.__version__}

    assert _engine._check_workers(Client(), "test") == 2


def test_a_scheduler_that_vanishes(monkeypatch):
    class Cancelled:
        key, status = "one", "cancelled"

    class Client:
        def submit(self, *args, **kwargs):
            return Cancelled()

    import distributed

    monkeypatch.setattr(distributed, "as_completed", list)
    with pytest.raises(ConnectionError, match="the scheduler vanished. The same call resumes"):
        list(_engine._futures(Client(), answer, {0: (0,)}, None, "test", 5))


def test_workers_that_vanish_for_good():
    import dask
    import distributed

    with (
        dask.config.set({"distributed.scheduler.no-workers-timeout": "0.3s"}),
        distributed.LocalCluster(
            n_workers=1, threads_per_worker=1, processes=False, protocol="tcp://",
            host="127.0.0.1", dashboard_address=":0", silence_logs="CRITICAL",
        ) as running,
        pytest.raises(ConnectionError, match="test: all workers vanished, .* call resumes"),
    ):  # fmt: skip
        call(leave, {0: (0,), 1: (1,)}, running)


def test_few_futures_are_known_at_a_time(cluster, monkeypatch):
    monkeypatch.setattr(_engine, "IN_FLIGHT", 2)
    monkeypatch.setattr(_engine, "IN_FLIGHT_PER_WORKER", 1)
    found = call(answer, {number: (10 * number,) for number in range(7)}, cluster)
    assert found == [(number, 10 * number, None) for number in range(7)]


def test_workers_of_another_version_are_refused(cluster, monkeypatch):
    monkeypatch.setattr(_engine, "__version__", "99.0")
    with pytest.raises(RuntimeError, match="worker tcp://.* has scikit-zeroshot .*here is 99.0"):
        call(answer, {0: (0,)}, cluster)


def test_workers_without_the_package_are_refused(cluster, monkeypatch):
    def lacking():
        raise ModuleNotFoundError("No module named 'zeroshot'")

    monkeypatch.setattr(_engine, "_version", lacking)
    with pytest.raises(RuntimeError, match="cannot import this package.*Install scikit-zeroshot"):
        call(answer, {0: (0,)}, cluster)


def test_a_scheduler_that_cannot_be_reached(photos, tmp_path, monkeypatch):
    monkeypatch.setattr(_engine, "TIMEOUT", "1s")
    with pytest.raises(ConnectionError, match="embed_dataset: the scheduler at tcp://127.0.0.1:9 "):
        embed_dataset(photos, tmp_path / "out", BACKBONE, scheduler="tcp://127.0.0.1:9")


def test_errors_of_a_partition_come_back(tmp_path):
    def fail(number):
        raise ValueError(f"no {number}")

    found = list(
        _engine.run(fail, {3: (3,)}, workers=None, scheduler=None, resources=None, owner="test")
    )
    assert found[0][0] == 3 and str(found[0][2]) == "no 3"
    error = PartitionError({"a": "cut", "b": "cut"}, n_done=1, owner="test", output="out")
    assert error.failed == {"a": "cut", "b": "cut"} and "2 of 3" in str(error)


@pytest.mark.slow  # kills a caller ten times
def test_a_caller_that_is_killed_resumes(photos, whole, tmp_path):
    rng = np.random.default_rng(0)
    command = [sys.executable, "-c", RUN, str(photos), str(tmp_path / "out")]
    environment = {
        **os.environ,
        "PYTHONPATH": f"{Path(__file__).parent}:{os.environ['PYTHONPATH']}",
    }
    for _ in range(10):
        running = subprocess.Popen(command, env=environment)
        time.sleep(rng.uniform(1, 8))
        running.kill()
        running.wait()
    assert subprocess.run(command, env=environment, check=True).returncode == 0
    assert content(tmp_path / "out") == whole
