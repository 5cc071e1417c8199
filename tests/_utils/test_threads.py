"""Passive waiting: set by the programs alone, before their runtimes are loaded, and overruled."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from zeroshot import cli
from zeroshot._utils._threads import wait_passively

PASSIVE = {"OMP_WAIT_POLICY": "PASSIVE", "KMP_BLOCKTIME": "0", "OPENBLAS_THREAD_TIMEOUT": "4"}
VARIABLES = {*PASSIVE, "GOMP_SPINCOUNT", "KMP_LIBRARY"}
ROOT = Path(__file__).parents[2]
SHOW = (
    f"print(__import__('json').dumps({{k: v for k, v in os.environ.items() if k in {VARIABLES}}}))"
)


def environment_after(code: str, **chosen: str) -> dict[str, str]:
    """Return the variables of waiting that a fresh interpreter has after `code`."""
    environ = {name: value for name, value in os.environ.items() if name not in VARIABLES}
    environ |= {"PYTHONPATH": str(ROOT), **chosen}
    done = subprocess.run(
        [sys.executable, "-c", f"import os, sys\n{code}\n{SHOW}"],
        env=environ,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout.splitlines()[-1])


def test_a_library_leaves_the_environment_alone() -> None:
    code = (
        "import zeroshot, zeroshot.cli, zeroshot.backbones, zeroshot.estimators\n"
        "zeroshot.TimmFeatures, zeroshot.DeViSEClassifier\n"
        "zeroshot.cli.main(['--version'])"
    )
    assert environment_after(code) == {}


PROGRAMS = {
    "zeroshot": "sys.argv = ['zeroshot', '--version']; from zeroshot.cli import main; main()",
    "python -m zeroshot": "sys.argv = ['zeroshot', '--version']\n"
    "import runpy\n"
    "try: runpy.run_module('zeroshot', run_name='__main__')\n"
    "except SystemExit: pass",
    "python -m benchmarks": "import benchmarks",
    "pytest": "import conftest",
}


@pytest.mark.parametrize("program", PROGRAMS)
def test_programs_wait_passively_before_a_runtime_is_loaded(program: str) -> None:
    late = "assert not {'torch', 'numpy', 'sklearn'} & set(sys.modules), 'loaded too early'"
    first = "import zeroshot._utils._threads as t; real = t.wait_passively\ndef spy():\n"
    first += f"    {late}\n    real()\nt.wait_passively = spy\n"
    assert environment_after(first + PROGRAMS[program]) == PASSIVE


@pytest.mark.parametrize(
    "chosen",
    [
        {"OMP_WAIT_POLICY": "ACTIVE"},
        {"GOMP_SPINCOUNT": "300000"},
        {"KMP_BLOCKTIME": "200"},
        {"KMP_LIBRARY": "turnaround"},
    ],
)
def test_what_the_user_has_chosen_stays(chosen: dict[str, str]) -> None:
    blas = {"OPENBLAS_THREAD_TIMEOUT": "4"}
    assert environment_after(PROGRAMS["zeroshot"], **chosen) == chosen | blas
    environ = {"OPENBLAS_THREAD_TIMEOUT": "26"}
    wait_passively(environ)
    assert environ == PASSIVE | environ


def test_workers_inherit_the_choice() -> None:
    code = (
        PROGRAMS["zeroshot"] + "\n"
        "from joblib import Parallel, delayed\n"
        "seen = Parallel(n_jobs=2)(delayed(os.environ.get)('OMP_WAIT_POLICY') for _ in range(2))\n"
        "assert seen == ['PASSIVE', 'PASSIVE'], seen"
    )
    assert environment_after(code) == PASSIVE


def test_the_runtime_that_torch_loads_heeds_it() -> None:
    """libgomp says on request what it has read, and by default spins 300,000 times."""
    spins = {}
    for first in ("", PROGRAMS["zeroshot"]):
        environ = {name: value for name, value in os.environ.items() if name not in VARIABLES}
        environ |= {"PYTHONPATH": str(ROOT), "OMP_DISPLAY_ENV": "VERBOSE"}
        command = [sys.executable, "-c", f"import sys\n{first}\nimport torch"]
        done = subprocess.run(command, env=environ, capture_output=True, text=True, check=True)
        spins[first] = re.findall(r"GOMP_SPINCOUNT = '(\d+)'", done.stderr)
    before, after = spins.values()
    if not before:
        pytest.skip("torch is built with another OpenMP here")
    assert set(before) == {"300000"} and set(after) == {"0"}


def test_a_call_with_arguments_is_a_library_call(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli, "wait_passively", lambda: pytest.fail("touched the environment"))
    assert cli.main(["predict", "--labels", "cat", "no-such-file.jpg"]) == 1
