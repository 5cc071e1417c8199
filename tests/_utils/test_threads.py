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


FORKED = """
import os, signal, sys, warnings
import numpy as np
import torch
from zeroshot import DeViSEClassifier, HashEmbedding, TimmFeatures

warnings.simplefilter("ignore")  # later versions of Python warn of threads at a fork
torch.set_num_threads(2)
rng = np.random.default_rng(0)
images = rng.integers(0, 256, (40, 96, 96, 3), dtype=np.uint8)
X, y = rng.normal(size=(300, 64)), [f"c{i % 6}" for i in range(300)]
features = TimmFeatures("test_efficientnet", weights=None, image_size=96).fit(images)

def work():
    features.transform(images)
    return DeViSEClassifier(HashEmbedding(), random_state=0).fit(X, y).predict(X[:9]).tolist()

expected = work()
child = os.fork()
if child == 0:
    signal.alarm(60)  # ends it if it hangs
    os._exit(0 if work() == expected else 1)
assert torch.get_num_threads() == 2
sys.exit(os.waitpid(child, 0)[1])
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_process_that_was_forked_after_first_use_computes_and_does_not_hang() -> None:
    environ = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", FORKED], env=environ, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
