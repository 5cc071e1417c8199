"""Processes that are killed while they write, and what they leave: run by ``test_kills.py``.

    python tests/hostile/kills.py steps | moments N | terminations N | full

``steps`` kills a process at every step of writing that Python reports (opening, making, renaming
and removing files), ``moments`` at random moments, ``terminations`` by SIGTERM instead of SIGKILL,
and ``full`` lets the disk be full after so many bytes of a file. After each, a reader must find the
old content or the new, whole, and the next writer must leave nothing beside it; a writer that finds
the disk full must leave nothing itself. Prints counts as JSON.
"""

from __future__ import annotations

import json
import os
import random
import resource
import signal
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np

import zeroshot
from zeroshot import ESZSLClassifier, HashEmbedding, WordVectors
from zeroshot._utils._files import atomic_file
from zeroshot.report._folder import write_folder

X = np.repeat(np.eye(4), 3, axis=0)
Y = np.repeat(["cat", "dog", "owl", "pig"], 3)
MODELS = [
    ESZSLClassifier(HashEmbedding(8), candidates=list(names)).fit(X, Y)
    for names in (("cat", "dog"), ("owl", "pig"))
]
STEPS = ("open", "os.", "shutil.")  # audit events; renameat2 comes between two of them


def save_model(place: Path, which: int) -> None:
    zeroshot.save(MODELS[which], place, overwrite=True)


def read_model(place: Path) -> int:
    return [m.classes_.tolist() for m in MODELS].index(zeroshot.load(place).classes_.tolist())


def save_file(place: Path, which: int) -> None:
    with atomic_file(place) as file:
        for _ in range(8):
            file.write(bytes([which]) * 10_000)


def read_file(place: Path) -> int:
    content = place.read_bytes()
    assert content in (b"\0" * 80_000, b"\1" * 80_000)
    return content[0]


def save_report(place: Path, which: int) -> None:
    write_folder(place, "page" * 10_000, ("figures.json", which), {"made": which}, overwrite=True)


def read_report(place: Path) -> int:
    figures = json.loads((place / "figures.json").read_text())
    assert json.loads((place / "provenance.json").read_text()) == {"made": figures}
    assert (place / "index.html").read_text() == "page" * 10_000
    return figures


def save_vectors(place: Path, which: int) -> None:
    """Change the file of vectors, and open it: its cache is made anew."""
    words = [f"w{number} " + " ".join(["0.25", str(which + 1)] * 8) for number in range(200)]
    with atomic_file(place) as file:
        file.write("\n".join([*words, ""]).encode())
    WordVectors(place).embed(["w3"])


def read_vectors(place: Path) -> int:
    (vector,) = WordVectors(place).embed(["w3"])
    assert set(vector.tolist()) in ({0.25, 1.0}, {0.25, 2.0})
    return int(vector[1]) - 1


OPERATIONS: dict[str, tuple[Callable[[Path, int], None], Callable[[Path], int]]] = {
    "model": (save_model, read_model),
    "file": (save_file, read_file),
    "report": (save_report, read_report),
    "vectors": (save_vectors, read_vectors),
}


def in_a_child(work: Callable[[], None]) -> int:
    """Run `work` in a copy of this process, and return its identifier."""
    child = os.fork()
    if child == 0:
        try:
            work()
        finally:
            os._exit(0)
    return child


def die_at(step: int) -> None:
    """Kill this process at the `step`-th reported step."""
    left = step

    def hook(event: str, _: object) -> None:
        nonlocal left
        if event.startswith(STEPS):
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)


def check(name: str, place: Path, old: int, counts: dict[str, int]) -> None:
    """Read what is there, and let the next writer tidy up."""
    write, read = OPERATIONS[name]
    found = read(place)
    counts["kills"] += 1
    counts["new" if found != old else "old"] += 1
    write(place, old)
    check_tidy(place)


def check_tidy(place: Path) -> None:
    """Raise if something is left beside what was written."""
    left = [p.name for p in place.parent.iterdir() if p.name.startswith(f".{place.name}.part-")]
    assert not left, left


def at_every_step(name: str, counts: dict[str, int]) -> None:
    """Kill a writer at its first step, at its second, ... until one comes to its end."""
    write, _ = OPERATIONS[name]
    with tempfile.TemporaryDirectory() as home:
        place = Path(home) / "target"
        write(place, 0)
        for step in range(1, 2_000):

            def work(step: int = step) -> None:
                die_at(step)
                write(place, 1)

            _, status = os.waitpid(in_a_child(work), 0)
            if not os.WIFSIGNALED(status):
                return
            check(name, place, 0, counts)
    raise AssertionError(f"{name}: no end")


def with_a_full_disk(name: str, counts: dict[str, int]) -> None:
    """Let a writer fail after so many bytes of a file, more each time until it does not."""
    write, _ = OPERATIONS[name]
    with tempfile.TemporaryDirectory() as home:
        place = Path(home) / "target"
        write(place, 0)
        for size in (0, 1, 10, 100, 300, 1_000, 3_000, 10_000, 30_000, 100_000):

            def work(size: int = size) -> None:
                signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
                resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
                warnings.simplefilter("ignore")  # that there is no cache
                try:
                    write(place, 1)
                except OSError:
                    os._exit(28)
                os._exit(0)

            _, status = os.waitpid(in_a_child(work), 0)
            assert os.waitstatus_to_exitcode(status) in (0, 28), status
            check_tidy(place)
            check(name, place, 0, counts)


def at_random_moments(name: str, n: int, counts: dict[str, int], number: int) -> None:
    """End a writer that writes again and again; a reader beside it always finds a whole one."""
    write, read = OPERATIONS[name]
    rng = random.Random(0)
    with tempfile.TemporaryDirectory() as home:
        place = Path(home) / "target"
        for _ in range(n):
            write(place, 0)

            def work() -> None:
                while True:
                    write(place, 1)
                    write(place, 0)

            child = in_a_child(work)
            end = time.monotonic() + rng.uniform(0.001, 0.05)
            while time.monotonic() < end:
                read(place)
                counts["read meanwhile"] += 1
            os.kill(child, number)
            os.waitpid(child, 0)
            check(name, place, 0, counts)


def main(kind: str, n: int = 5) -> None:
    results = {}
    for name in OPERATIONS:
        results[name] = dict.fromkeys(("kills", "old", "new", "read meanwhile"), 0)
        if kind == "steps":
            at_every_step(name, results[name])
        elif kind == "full":
            with_a_full_disk(name, results[name])
        elif name in ("model", "file"):  # what reads several files by itself is not for others
            number = signal.SIGTERM if kind == "terminations" else signal.SIGKILL
            at_random_moments(name, n, results[name], number)
    sys.stdout.write(json.dumps(results) + "\n")


if __name__ == "__main__":
    os.environ["ZEROSHOT_CACHE"] = tempfile.mkdtemp()
    main(sys.argv[1], *map(int, sys.argv[2:]))
