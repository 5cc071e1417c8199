"""Atomic files and folders on file systems that lack locks, exchanges or both."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from zeroshot._utils import _files
from zeroshot._utils._files import atomic_file, atomic_folder


@pytest.fixture(params=["no locks", "no exchange", "neither"])
def lacking(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Let the system calls fail as they do on network file systems."""

    def no_lock(*_: object) -> None:
        raise OSError(errno.EBADF, "Bad file descriptor")

    if request.param != "no exchange":
        if _files.fcntl is None:
            pytest.skip("this system has no flock")
        monkeypatch.setattr(_files.fcntl, "flock", no_lock)
    if request.param != "no locks":
        monkeypatch.setattr(_files, "_exchanged", lambda new, target: False)
    return request.param


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_files_and_folders_are_written_all_the_same(lacking: str, tmp_path: Path) -> None:
    for content in ("old", "new"):
        with atomic_folder(tmp_path / "model", overwrite=True) as new:
            (new / content).write_text(content)
        with atomic_file(tmp_path / "file") as file:
            file.write(content.encode())
    assert names(tmp_path) == ["file", "model"]
    assert names(tmp_path / "model") == ["new"] and (tmp_path / "file").read_text() == "new"


def test_a_block_that_raises_changes_nothing(lacking: str, tmp_path: Path) -> None:
    with atomic_folder(tmp_path / "model") as new:
        (new / "old").write_text("old")
    with pytest.raises(KeyError), atomic_folder(tmp_path / "model", overwrite=True) as new:
        (new / "new").write_text("half")
        raise KeyError
    assert names(tmp_path) == ["model"] and names(tmp_path / "model") == ["old"]


def test_without_locks_what_may_be_in_use_is_left(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    if _files.fcntl is None:
        pytest.skip("this system has no flock")
    for name in (".file.part-a", ".file.part-b"):
        (tmp_path / name).mkdir()
    (tmp_path / ".file.part-a" / "lock").touch()

    def no_lock(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    with monkeypatch.context() as patch:
        patch.setattr(_files.fcntl, "flock", no_lock)
        with atomic_file(tmp_path / "file") as file:
            file.write(b"x")
    assert names(tmp_path) == [".file.part-a", ".file.part-b", "file"]
    with atomic_file(tmp_path / "file") as file:
        file.write(b"y")
    assert names(tmp_path) == ["file"]


def test_other_errors_of_a_lock_come_through(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    if _files.fcntl is None:
        pytest.skip("this system has no flock")

    def broken(*_: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(_files.fcntl, "flock", broken)
    with pytest.raises(OSError, match="Input/output"), atomic_file(tmp_path / "file"):
        pass
