"""Atomic writes and hashes of files and folders."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO


def sha256_of(path: str | os.PathLike) -> str:
    """Return the SHA-256 of a file's content, in hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def cache_home() -> Path:
    """Return the folder for what the package may make again: ``ZEROSHOT_CACHE`` or the user's."""
    named = os.environ.get("ZEROSHOT_CACHE")
    if named:
        return Path(named).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser() / "zeroshot"


@contextmanager
def parents_of(target: str | os.PathLike) -> Iterator[None]:
    """Make the folders that `target` is to lie in; if the block raises, remove the new ones.

    Parameters
    ----------
    target : path
        What the block makes.
    """
    parents = Path(target).absolute().parents
    new = [folder for folder in parents if not folder.exists()]  # innermost first
    try:
        parents[0].mkdir(parents=True, exist_ok=True)
        yield
    except BaseException:
        for folder in new:
            with suppress(OSError):  # others may have put something there meanwhile
                folder.rmdir()
        raise


@contextmanager
def atomic_folder(target: str | os.PathLike, *, overwrite: bool = False) -> Iterator[Path]:
    """Yield an empty folder beside `target` that takes its place when the block ends well.

    Parameters
    ----------
    target : path
        The folder to make; its parents are made as needed, and removed again if the block raises.
    overwrite : bool, default=False
        Replace a `target` that exists. It stays as it was if the block raises.

    Raises
    ------
    FileExistsError
        `target` exists and `overwrite` is false.
    """
    target = Path(target)
    if target.exists() and not overwrite:
        raise FileExistsError(f"{target} exists. Choose another folder, or pass overwrite=True.")
    with parents_of(target):
        work = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
        new, old = work / "new", work / "old"
        try:
            new.mkdir()
            yield new
            if target.exists():
                os.replace(target, old)
            os.replace(new, target)
        finally:
            if old.exists() and not target.exists():
                os.replace(old, target)
            shutil.rmtree(work)


def other_files(folder: Path, own: set[str]) -> list[str]:
    """Return the sorted names of what a folder holds besides `own`: it would be replaced too."""
    return sorted({entry.name for entry in folder.iterdir()} - own)


@contextmanager
def atomic_file(target: str | os.PathLike) -> Iterator[BinaryIO]:
    """Yield a file that takes the place of `target` when the block ends well.

    It is on the disk before it does, so that after a power cut there is the old file or the new,
    and it has the permissions of any file that the user makes.

    Parameters
    ----------
    target : path
        The file to write or replace; its folder exists.
    """
    target = Path(target)
    handle, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            _readable(file)
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, target)
    except BaseException:
        os.unlink(name)
        raise


def _readable(file: BinaryIO) -> None:
    """Give a temporary file, which its maker alone can read, the permissions of any other."""
    mask = os.umask(0)
    os.umask(mask)
    if hasattr(os, "fchmod"):
        os.fchmod(file.fileno(), 0o666 & ~mask)
