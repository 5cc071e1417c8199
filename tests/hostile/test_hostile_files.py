"""Forged archives, MATLAB files, word vectors, tables and labels: read rightly, or refused.

A short run is part of every ``pytest``. The long one is
``pytest -n 0 -m hostile --hypothesis-profile=long tests/hostile/test_hostile_files.py``.
"""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import json
import lzma
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hostile_files import (
    changed_stores,
    label_files,
    mats,
    store_files,
    tables,
    tars,
    vector_files,
    zips,
)
from hypothesis import Phase, given, settings

pytestmark = [
    pytest.mark.hostile,
    pytest.mark.filterwarnings("ignore::hypothesis.errors.HypothesisWarning"),  # of large files
    pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc"),
]

SECONDS, MEMORY = 10, 2**30
SHARES = {
    "archives": 0.24,
    "mat": 0.2,
    "vectors": 0.2,
    "stores": 0.12,
    "tables": 0.12,
    "labels": 0.12,
}
"""The parts of all examples: a long run has 5,000 of all kinds together."""

# The reader is a process of its own: its memory can be measured, and a crash or a hang is seen.
READER = """
import json, os, sys, time, warnings
from pathlib import Path
import click
from zeroshot import WordVectors
from zeroshot.cli._choices import read_attributes
from zeroshot.cli._options import read_labels
from zeroshot.datasets import fetch_tiny_imagenet
from zeroshot.datasets import _cifar100
from zeroshot._utils._mat_files import NUMBERS, TEXTS, read_mat
from zeroshot.exceptions import ZeroShotError

os.environ["ZEROSHOT_CACHE"] = sys.argv[1]
WANTED = {"att": NUMBERS, "allclasses_names": TEXTS}

def tar(path):
    bunch = _cifar100._read(path, ("train",))
    planes = bunch.images.transpose(0, 3, 1, 2).tobytes().hex()
    return [planes, bunch.target.tolist(), bunch.filenames]

def zip(path):
    home = Path(path).parent
    bunch = fetch_tiny_imagenet(data_home=home, subset="val", progress=False)
    return [list(bunch.images.shape), bunch.target.tolist(), bunch.filenames]

def mat(path):
    with open(path, "rb") as file:
        found = read_mat(file, WANTED, name="f.mat", remedy="Mend it.", max_bytes=2_000_000_000)
    att, names = found["att"], found["allclasses_names"]
    return [list(att.shape), att.dtype.kind, float(abs(att).sum(dtype=float)), names.tolist()]

def vectors(path):
    read = WordVectors(path)
    return [list(read.vocabulary), read.vectors.tolist()]

def store(path):
    words = [f"word{number}" for number in range(0, 1500, 250)]
    answers = WordVectors(path).embed(words).tolist()
    return [answers, WordVectors(path).fingerprint()]

def table(path):
    read = read_attributes(path)
    return [list(read.vocabulary), read.vectors.tolist()]

def labels(path):
    return read_labels(path)

def peak():
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmHWM"))

sys.stderr = open(os.devnull, "w")  # remarks of the command line
print("ready", flush=True)
for line in sys.stdin:
    kind, path = json.loads(line)
    filters, began, said, content = list(warnings.filters), time.perf_counter(), "", None
    try:
        with warnings.catch_warnings(record=True) as caught:
            content = globals()[kind](path)
        outcome, said = "read", " ".join(str(warning.message) for warning in caught)
    except (ZeroShotError, click.UsageError) as error:
        outcome, said = "refused", getattr(error, "message", str(error))
    except BaseException as error:
        outcome, said = "escaped", repr(error)
    print(json.dumps({
        "outcome": outcome, "said": said, "content": content, "memory": peak(),
        "seconds": time.perf_counter() - began, "filters": filters == list(warnings.filters),
    }), flush=True)
"""


class Reader:
    """A process that reads one file after the other."""

    def __init__(self, cache: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", READER, str(cache)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout.readline() == "ready\n", self._process.stderr.read()
        self.results: dict[str, list[dict[str, Any]]] = {}

    def read(self, kind: str, path: Path) -> Any:
        """Return what is in a file, or None if it was refused."""
        timer = threading.Timer(3 * SECONDS, self._process.kill)
        timer.start()
        try:
            self._process.stdin.write(json.dumps([kind, str(path)]) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        finally:
            timer.cancel()
        assert line, f"the reader hung or crashed: {self._process.wait()}"
        result = json.loads(line)
        self.results.setdefault(kind, []).append(result)
        assert result["outcome"] in ("read", "refused"), result["said"]
        assert result["seconds"] < SECONDS and result["memory"] <= MEMORY
        assert result["filters"]
        self.said = result["said"]
        return result["content"]

    def counts(self, kind: str) -> Counter:
        """Return how many files were read, and how many refused."""
        return Counter(result["outcome"] for result in self.results[kind])

    def close(self) -> None:
        self._process.stdin.close()
        self._process.wait(timeout=20)
        self._process.stdout.close()
        self._process.stderr.close()


@pytest.fixture(scope="module")
def reader(
    tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config
) -> Iterator[Reader]:
    reader = Reader(tmp_path_factory.mktemp("cache"))
    yield reader
    reader.close()
    if settings().max_examples >= 1000:
        lines = [
            f"{sum(reader.counts(kind).values())} {kind}: {dict(reader.counts(kind))}, the slowest "
            f"{max(result['seconds'] for result in results):.2f} s, at most "
            f"{max(result['memory'] for result in results) / 1e6:.0f} MB"
            for kind, results in reader.results.items()
        ]
        capture = pytestconfig.pluginmanager.getplugin("capturemanager")
        with capture.global_and_fixture_disabled():
            sys.stdout.write("\n" + "\n".join(lines) + "\n")


def examples(kind: str, share: float = 1) -> Callable[[Any], Any]:
    """Return the settings of a kind's share of all examples."""
    n_examples = round(SHARES[kind] * share * settings().max_examples)
    return settings(max_examples=n_examples, phases=(Phase.generate, Phase.shrink))


def test_tar_archives(reader: Reader, tmp_path: Path) -> None:
    path = tmp_path / "cifar-100-python.tar.gz"

    @examples("archives", 0.5)
    @given(tars())
    def one(content: bytes) -> None:
        path.write_bytes(content)
        found = reader.read("tar", path)
        if found is not None:
            planes, target, names = found
            unpacked = gzip.decompress(content)
            assert bytes.fromhex(planes) in unpacked and len(target) == len(names)
            assert all(name.encode("latin-1") in unpacked for name in [*target, *names])
        else:
            assert str(path) in reader.said or "pickle" in reader.said or "CIFAR" in reader.said

    one()
    assert reader.counts("tar")["read"] and reader.counts("tar")["refused"]


def test_zip_archives(reader: Reader, tmp_path: Path) -> None:
    path = tmp_path / "tiny-imagenet-200.zip"

    @examples("archives", 0.5)
    @given(zips())
    def one(content: bytes) -> None:
        path.write_bytes(content)
        found = reader.read("zip", path)
        if found is not None:
            shape, target, files = found
            assert shape == [len(target), 64, 64, 3] and len(files) == len(target)
        else:
            assert str(path) in reader.said

    one()
    assert reader.counts("zip")["read"] and reader.counts("zip")["refused"]


def test_matlab_files(reader: Reader, tmp_path: Path) -> None:
    path = tmp_path / "f.mat"

    @examples("mat")
    @given(mats())
    def one(content: bytes) -> None:
        path.write_bytes(content)
        found = reader.read("mat", path)
        if found is not None:
            shape, kind, total, names = found
            assert np.prod(shape) * 8 <= 20 * len(content) + 10_000_000
            assert kind in "iuf" and np.isfinite(total)
            assert all(isinstance(name, str) for name in names)

    one()
    assert reader.counts("mat")["read"] and reader.counts("mat")["refused"]


def naive_rows(suffix: str, packed: bytes) -> dict[str, list[float]]:
    """Return the rows of a text of word vectors: the first of each word."""
    unpack: dict[str, Callable] = {
        ".gz": gzip.decompress, ".bz2": bz2.decompress, ".xz": lzma.decompress,
    }  # fmt: skip
    text = unpack.get(suffix, bytes)(packed).decode("utf-8-sig")
    lines = [line.rstrip(" \t\r\x0b\x0c") for line in text.split("\n")]
    lines = [line for line in lines if line]
    first = lines[0].split()
    if len(first) == 2 and all(field.isdigit() for field in first):
        n_dims, lines = int(first[1]), lines[1:]
    else:
        n_dims = len(lines[0].partition("\t")[2].split() or first[1:])
    rows: dict[str, list[float]] = {}
    for line in lines:
        fields = line.split()
        figures = [float(field) for field in fields[-n_dims:]]
        word = line
        for figure in reversed(fields[-n_dims:]):
            word = word[: word.rindex(figure)]
        rows.setdefault(word.strip(" \t"), figures)
    return rows


def test_word_vectors(reader: Reader, tmp_path: Path) -> None:
    @examples("vectors")
    @given(vector_files())
    def one(made: tuple[str, bytes]) -> None:
        suffix, content = made
        path = tmp_path / f"vectors{suffix}"
        path.write_bytes(content)
        found = reader.read("vectors", path)
        if found is None:
            assert str(path) in reader.said
            return
        words, vectors = found
        assert len(words) == len(set(words)) == len(vectors)
        try:
            expected = naive_rows(suffix, content)
        except (UnicodeDecodeError, ValueError, IndexError):
            return  # binary
        expected.pop("<unk>", None)
        if set(map(len, expected.values())) == {len(vectors[0])}:
            assert words == list(expected)
            np.testing.assert_array_equal(vectors, np.float32(list(expected.values())))

    one()
    assert reader.counts("vectors")["read"] and reader.counts("vectors")["refused"]


def test_saved_word_vectors(reader: Reader, tmp_path: Path) -> None:
    for name, content in store_files().items():
        (tmp_path / name).write_bytes(content)
    answers, fingerprint = reader.read("store", tmp_path)

    @examples("stores")
    @given(changed_stores())
    def one(files: dict[str, bytes]) -> None:
        for name, content in files.items():
            (tmp_path / name).write_bytes(content)
        found = reader.read("store", tmp_path)
        # Whoever can write the checksums can write other vectors: never the same fingerprint.
        assert found is None or found[1] != fingerprint or found[0] == answers

    one()
    assert reader.counts("store")["read"] and reader.counts("store")["refused"]


def test_tables_of_attributes(reader: Reader, tmp_path: Path) -> None:
    path = tmp_path / "attributes.csv"

    @examples("tables")
    @given(tables())
    def one(content: bytes) -> None:
        path.write_bytes(content)
        found = reader.read("table", path)
        if found is None:
            assert "attributes.csv" in reader.said
            return
        labels, vectors = found
        text = content.decode("utf-8-sig")
        rows = [
            row for row in csv.reader(io.StringIO(text, newline="")) if any(map(str.strip, row))
        ]
        assert labels == [row[0].strip() for row in rows[1:]]
        expected = [[float(cell) for cell in row[1:]] for row in rows[1:]]
        np.testing.assert_array_equal(vectors, np.float32(expected))

    one()
    assert reader.counts("table")["read"] and reader.counts("table")["refused"]


def test_files_of_labels(reader: Reader, tmp_path: Path) -> None:
    @examples("labels")
    @given(label_files())
    def one(made: tuple[str, bytes]) -> None:
        suffix, content = made
        path = tmp_path / f"labels{suffix}"
        path.write_bytes(content)
        found = reader.read("labels", path)
        if found is None:
            assert str(path) in reader.said or "more than once" in reader.said
            return
        text = content.decode("utf-8-sig")
        assert found and len(set(found)) == len(found)
        if suffix == ".json" or text.lstrip()[:1] in ("[", "{"):
            held = json.loads(text)
            values = held if isinstance(held, list) else [*held, *held.values()]
            assert set(found) <= {str(value).strip() for value in values}
        elif suffix == ".txt":
            lines = [line.strip() for line in text.replace("\r", "\n").split("\n")]
            kept = [line for line in lines if line and line[0] != "#"]
            assert found in (kept, kept[1:])

    one()
    assert reader.counts("labels")["read"] and reader.counts("labels")["refused"]
