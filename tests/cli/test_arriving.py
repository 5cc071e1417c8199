"""Answers that are written as the images come: from a pipe, from a watched folder, in batches."""

from __future__ import annotations

import csv
import io
import json
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from PIL import Image

import zeroshot._photos
from zeroshot.cli import _arriving, main

Photos = list[dict[str, Any]]
PREDICT = ["predict", "--labels", "cat,dog"]


@pytest.fixture
def batches(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Replace the network by one that says cat; return the batches that it is given."""
    given: list[list[str]] = []

    class Namer:
        def __init__(self, labels: Sequence[str], backbone: Any, *, sentences: bool) -> None:
            pass

        def name(
            self, paths: Sequence[str], k: int, accuracy: float | None
        ) -> tuple[Photos, Photos]:
            given.append([os.path.basename(path) for path in paths])
            answer = {"labels": ["cat", "dog"], "scores": [2.0, 1.0], "probabilities": [0.9, 0.1]}
            bad = [path for path in paths if "bad" in path]
            photos = [{"path": path, **answer} for path in paths if path not in bad]
            return photos, [{"path": path, "error": f"cannot read {path}"} for path in bad]

    monkeypatch.setattr(zeroshot._photos, "OpenNamer", Namer)
    return given


def save_image(path: Path) -> str:
    Image.new("RGB", (8, 8)).save(path)
    return str(path)


def with_stdin(monkeypatch: pytest.MonkeyPatch, lines: Iterator[bytes]) -> None:
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=lines))


def test_a_line_is_answered_before_the_next_one_is_written(
    batches: list, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    first, second = (save_image(tmp_path / name) for name in ("a.png", "b.png"))
    answered = []

    def lines() -> Iterator[bytes]:
        yield first.encode() + b"\n"
        deadline = time.monotonic() + 30
        while not answered and time.monotonic() < deadline:
            answered.extend(capsys.readouterr().out.splitlines())
            time.sleep(0.01)
        yield second.encode() + b"\n"

    with_stdin(monkeypatch, lines())
    assert main([*PREDICT, "-"]) == 0
    assert answered == [f"{first}  cat 90%  dog 10%"]
    assert capsys.readouterr().out == f"{second}  cat 90%  dog 10%\n"
    assert batches == [["a.png"], ["b.png"]]


def test_lines_that_wait_are_taken_together(monkeypatch: pytest.MonkeyPatch) -> None:
    all_there = threading.Event()

    def lines() -> Iterator[bytes]:
        for row in range(100):
            yield b"%d.png\r\n" % row
        yield b"  \n"
        all_there.set()

    with_stdin(monkeypatch, lines())
    arriving = _arriving.lines_of_stdin()
    taken = [next(arriving)]
    assert all_there.wait(30)
    taken += list(arriving)
    assert sum(taken, []) == [f"{row}.png" for row in range(100)]
    assert max(map(len, taken)) <= _arriving.MOST_AT_ONCE
    assert len(taken) <= 4


def test_an_error_of_standard_input_is_raised_where_its_lines_are_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def lines() -> Iterator[bytes]:
        yield b"a.png\n"
        raise OSError("the terminal is gone")

    with_stdin(monkeypatch, lines())
    with pytest.raises(OSError, match="the terminal is gone"):
        list(_arriving.lines_of_stdin())


def test_standard_input_without_a_line_is_a_wrong_command_line(
    batches: list, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    with_stdin(monkeypatch, iter([b"\n"]))
    assert main([*PREDICT, "-"]) == 2
    assert "standard input names no image" in capsys.readouterr().err


def test_batches_make_one_table_of_csv(
    batches: list, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setattr("zeroshot.cli._predict.MOST_AT_ONCE", 2)
    for name in ("a.png", "b.png", "bad1.png", "bad2.png", "c.png"):
        save_image(tmp_path / name)
    assert main([*PREDICT, str(tmp_path), "--format", "csv"]) == 1
    out, err = capsys.readouterr()
    rows = list(csv.DictReader(io.StringIO(out)))
    assert [os.path.basename(row["path"]) for row in rows] == ["a.png"] * 2 + ["b.png"] * 2 + [
        "c.png"
    ] * 2
    assert [row["probability"] for row in rows[:2]] == ["0.9", "0.1"]
    assert batches == [["a.png", "b.png"], ["bad1.png", "bad2.png"], ["c.png"]]
    assert err.count("cannot read") == 2
    assert "2 of 5 images could not be read" in err


def test_without_an_answer_there_are_names_of_columns(
    batches: list, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    assert main([*PREDICT, save_image(tmp_path / "bad.png"), "--format", "csv"]) == 1
    assert capsys.readouterr().out == "path,rank,label,score\n"


def test_paths_of_all_batches_have_one_width(
    batches: list, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setattr("zeroshot.cli._predict.MOST_AT_ONCE", 1)
    short, long = save_image(tmp_path / "a.png"), save_image(tmp_path / "long.png")
    assert main([*PREDICT, short, long]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines == [f"{short}     cat 90%  dog 10%", f"{long}  cat 90%  dog 10%"]


def test_scores_on_request(batches: list, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    image = save_image(tmp_path / "a.png")
    assert main([*PREDICT, image, "--scores"]) == 0
    assert capsys.readouterr().out == f"{image}  cat 2.000  dog 1.000\n"


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


def test_a_terminal_shows_how_sure_at_a_glance(
    batches: list, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image, terminal = save_image(tmp_path / "a.png"), Terminal()
    monkeypatch.setattr("sys.stdout", terminal)
    assert main([*PREDICT, image]) == 0
    assert terminal.getvalue() == f"{image}  █████████░  cat 90%  dog 10%\n"


# A watched folder -------------------------------------------------------------------------------


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[Callable[[], Any]]:
    """Return a list of what happens between two looks at the folder. Ctrl-C comes at its end."""
    happenings: list[Callable[[], Any]] = []

    def sleep(seconds: float) -> None:
        if not happenings:
            raise KeyboardInterrupt
        happenings.pop(0)()

    monkeypatch.setattr(_arriving.time, "sleep", sleep)
    return happenings


def nothing() -> None:
    """Happen not at all."""


def test_a_folder_is_watched_until_ctrl_c(
    batches: list, looks: list, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    save_image(tmp_path / "a.png")
    growing = tmp_path / "growing.png"
    (tmp_path / "notes.txt").write_text("no image")
    looks += [
        nothing,
        lambda: save_image(tmp_path / "b.png"),
        lambda: growing.write_bytes(b"one"),
        lambda: growing.write_bytes(b"one half"),
        nothing,
        nothing,
        lambda: os.utime(save_image(tmp_path / "a.png"), ns=(1, 1)),
        nothing,
        lambda: (tmp_path / "b.png").unlink(),
        nothing,
    ]
    assert main([*PREDICT, "--watch", str(tmp_path), "--format", "json"]) == 0
    assert batches == [["a.png"], ["b.png"], ["growing.png"], ["a.png"]]
    answers = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [answer["labels"][0] for answer in answers] == ["cat"] * 4


def test_ctrl_c_is_an_error_elsewhere(
    batches: list, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    def lines() -> Iterator[bytes]:
        raise KeyboardInterrupt
        yield b""

    monkeypatch.setattr("zeroshot.cli._predict.lines_of_stdin", lines)
    assert main([*PREDICT, "-"]) == 130


def test_an_unreadable_image_is_told_at_once_and_counts(
    batches: list, looks: list, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    save_image(tmp_path / "bad.png")
    seen = []
    looks += [nothing, lambda: seen.append(capsys.readouterr().err)]
    assert main([*PREDICT, "--watch", str(tmp_path)]) == 1
    assert "cannot read" in seen[0]
    assert "1 of 1 images could not be read" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--output", "answers.csv"], "--output does not apply to --watch"),
        (["--partition-size", "5"], "--partition-size does not apply to --watch"),
    ],
)
def test_watching_prints(
    options: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    assert main([*PREDICT, "--watch", str(tmp_path), *options]) == 2
    assert message in capsys.readouterr().err


def test_only_folders_are_watched(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    image = save_image(tmp_path / "a.png")
    assert main([*PREDICT, "--watch", image]) == 2
    assert "--watch takes folders" in capsys.readouterr().err


def test_a_folder_that_vanishes_ends_the_watch(
    batches: list, looks: list, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    folder = tmp_path / "inbox"
    folder.mkdir()
    looks += [folder.rmdir, nothing]
    assert main([*PREDICT, "--watch", str(folder)]) == 1
    assert "inbox" in capsys.readouterr().err
