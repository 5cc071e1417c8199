"""Writers that are killed leave the old content or the new, and nothing else for long.

The long run: ``python tests/hostile/kills.py moments 150``.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parent / "kills.py"
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the kernel exchanges folders")


def run(*arguments: str) -> dict[str, dict[str, int]]:
    path = os.pathsep.join(entry for entry in sys.path if entry)
    done = subprocess.run(
        [sys.executable, str(SCRIPT), *arguments],
        capture_output=True, text=True, timeout=300, env={**os.environ, "PYTHONPATH": path},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_kill_at_any_step_leaves_the_old_or_the_new() -> None:
    for name, counts in run("steps").items():
        assert counts["kills"] > 5 and counts["old"] and counts["new"], name


def test_a_reader_beside_a_writer_that_is_killed_always_finds_a_whole_model() -> None:
    counts = run("moments", "5")
    assert counts["model"]["kills"] == counts["file"]["kills"] == 5
    assert counts["model"]["read meanwhile"] > 10


@pytest.mark.slow
def test_a_writer_that_is_terminated_leaves_the_old_or_the_new() -> None:
    counts = run("terminations", "3")
    assert counts["model"]["kills"] == counts["file"]["kills"] == 3


def test_a_full_disk_leaves_the_old_and_nothing_beside_it() -> None:
    for name, counts in run("full").items():
        assert counts["kills"] == 10 and counts["old"] and counts["new"], name
