from __future__ import annotations

import ipaddress
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from zeroshot._utils._threads import wait_passively

wait_passively()  # before torch

# The same examples in every run, and none kept on disk. "long" is for --hypothesis-profile.
for name, n_examples in (("short", 300), ("long", 5_000)):
    settings.register_profile(
        name,
        max_examples=n_examples,
        derandomize=True,
        deadline=None,
        database=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
settings.load_profile("short")

collect_ignore_glob = ["tests/data/*"]  # saved models, and the scripts that wrote them once
if "PYTEST_XDIST_WORKER" in os.environ:  # before torch: threads of several workers wait in turns
    os.environ.setdefault("OMP_NUM_THREADS", "1")


# Files with few and long tests: they come first, so that no process is left alone with one.
_LONG = ("tests/studies", "tests/docs", "tests/test_end_to_end.py", "tests/networks", "tests/cli")


# Whole programs: code of pages, notebooks and studies, and tests that start processes and browsers,
# train networks or run commands. They are a step of their own.
_SYSTEM = (
    "tests/docs",
    "tests/studies",
    "tests/test_demo.py",
    "tests/test_end_to_end.py",
    "tests/test_packaging.py",
    "tests/test_tools.py",
    "tests/_utils/test_reading_limits.py",
    "tests/_utils/test_threads.py",
    "tests/cli",
    "tests/hostile/test_kills.py",
    "tests/networks/test_image_training.py",
    "tests/networks/test_training.py",
    "tests/persistence/test_onnx.py",
    "tests/report/test_report_browser.py",
    "tests/scale/test_engine.py",
)


@pytest.hookimpl(tryfirst=True)  # before -m selects
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.nodeid.startswith(_SYSTEM):
            item.add_marker("system")

    def place(item: pytest.Item) -> int:
        return next(
            (i for i, start in enumerate(_LONG) if item.nodeid.startswith(start)), len(_LONG)
        )

    items.sort(key=place)


def _is_local(address: object) -> bool:
    """Whether `address` is on this machine: loopback, or a Unix socket's path."""
    if not isinstance(address, tuple):
        return True
    host = str(address[0])
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host in ("localhost", "")


@pytest.fixture(autouse=True, scope="session")
def _no_network() -> Iterator[None]:
    """Make any connection that would leave this machine fail, whoever asks for it."""
    connect, connect_ex = socket.socket.connect, socket.socket.connect_ex

    def check(address: object) -> None:
        if not _is_local(address):
            raise RuntimeError(f"a test tried to reach {address!r}: tests run without a network")

    def guarded_connect(self: socket.socket, address: object) -> None:
        check(address)
        return connect(self, address)  # type: ignore[arg-type]

    def guarded_connect_ex(self: socket.socket, address: object) -> int:
        check(address)
        return connect_ex(self, address)  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", guarded_connect)
        patch.setattr(socket.socket, "connect_ex", guarded_connect_ex)
        yield


@pytest.fixture(autouse=True, scope="session")
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep the tests out of the user's cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ZEROSHOT_CACHE", str(tmp_path_factory.mktemp("zeroshot-cache")))
        yield


@pytest.fixture
def data_home() -> Path:
    """Return the folder of the real archives; mark a test that takes it with ``data``."""
    named = os.environ.get("ZEROSHOT_DATA")
    if not named:
        pytest.skip("ZEROSHOT_DATA names no folder with the data sets' archives")
    return Path(named)
