"""Files that pretend to be images: each is read or refused, soon, and in bounded memory.

A short run is part of every ``pytest``. The long one is
``pytest -n 0 -m hostile --hypothesis-profile=long tests/hostile``.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from hostile_images import FOREIGN, hostile_images, sound_images
from hypothesis import given, settings
from hypothesis import strategies as st

from zeroshot._utils._images import read_image
from zeroshot.exceptions import ImageReadError

pytestmark = pytest.mark.hostile

SECONDS, MEMORY = 10, 2**30

# The reader is a process of its own: its memory can be measured, and a crash or a hang is seen.
# Programs that it starts are recorded; warnings are errors.
READER = """
import json, subprocess, sys, time, warnings
warnings.simplefilter("error")
from zeroshot._utils import _decoder_process
from zeroshot._utils._images import read_image
from zeroshot.exceptions import ImageReadError

started, popen = [], subprocess.Popen.__init__

def recorded(self, args, *rest, **options):
    if "serve()" not in str(args):
        started.append(str(args))
    popen(self, args, *rest, **options)

subprocess.Popen.__init__ = recorded

def peak(pid):
    with open(f"/proc/{pid}/status") as file:
        return next((int(line.split()[1]) * 1024 for line in file if line.startswith("VmHWM")), 0)

print("ready", flush=True)
for line in sys.stdin:
    filters, began, said = list(warnings.filters), time.perf_counter(), ""
    try:
        path, min_side = json.loads(line)
        pixels = read_image(path, min_side=min_side)
        outcome = "read" if pixels.dtype == "uint8" and pixels.shape[2:] == (3,) else "no pixels"
    except ImageReadError as error:
        outcome, said = "refused", str(error)
    except BaseException as error:
        outcome, said = "escaped", repr(error)
    seconds = time.perf_counter() - began
    helpers = [helper._process.pid for helper in _decoder_process._idle if helper.alive]
    print(json.dumps({
        "outcome": outcome, "said": said, "seconds": seconds, "started": started,
        "filters": filters == list(warnings.filters), "memory": peak("self"),
        "memory_of_helper": max(map(peak, helpers), default=0),
    }), flush=True)
"""


class Reader:
    """A process that reads one image after the other."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", READER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout.readline() == "ready\n", self._process.stderr.read()

    def read(self, path: Path, min_side: int | None) -> dict:
        """Return what became of a file; a hang ends the process, and the test."""
        timer = threading.Timer(3 * SECONDS, self._process.kill)
        timer.start()
        try:
            self._process.stdin.write(json.dumps([str(path), min_side]) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        finally:
            timer.cancel()
        assert line, f"the reader hung or crashed: {self._process.wait()}"
        return json.loads(line)

    def close(self) -> None:
        self._process.stdin.close()
        self._process.wait(timeout=20)
        self._process.stdout.close()
        self._process.stderr.close()


@pytest.fixture
def reader() -> Iterator[Reader]:
    reader = Reader()
    yield reader
    reader.close()


@pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")
def test_images(reader: Reader, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    path, outcomes, results = tmp_path / "photo.jpg", Counter(), []

    @given(hostile_images(), st.sampled_from([448, None]))
    def one(content: bytes, min_side: int | None) -> None:
        path.write_bytes(content)
        result = reader.read(path, min_side)
        outcomes[result["outcome"]] += 1
        results.append(result)
        assert result["outcome"] in ("read", "refused"), result["said"]
        assert result["outcome"] == "read" or str(path) in result["said"]
        assert result["seconds"] < SECONDS
        assert result["memory"] <= MEMORY and result["memory_of_helper"] <= MEMORY
        assert result["filters"] and not result["started"]

    one()
    assert outcomes["read"] > 10 and outcomes["refused"] > 10
    if settings().max_examples >= 1000:
        slowest = max(result["seconds"] for result in results)
        memory = {key: max(r[key] for r in results) / 1e6 for key in ("memory", "memory_of_helper")}
        with capsys.disabled():
            sys.stdout.write(
                f"\n{len(results)} hostile images: {dict(outcomes)}, the slowest {slowest:.2f} s, "
                f"at most {memory['memory']:.0f} MB; "
                f"the helper {memory['memory_of_helper']:.0f} MB\n"
            )


def test_the_images_that_are_mutated_are_sound(tmp_path: Path) -> None:
    for number, content in enumerate(sound_images()):
        path = tmp_path / f"{number}.jpg"
        path.write_bytes(content)
        assert sorted(read_image(path).shape) == [3, 37, 43]


def test_what_is_no_image_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    for content in FOREIGN:
        path.write_bytes(content)
        with pytest.raises(ImageReadError):
            read_image(path)
