"""Atomic writes and hashes of files and folders."""

from __future__ import annotations

import ctypes
import errno
import glob
import hashlib
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

try:
    import fcntl as _fcntl
except ImportError:  # on Windows
    _fcntl = None  # type: ignore[assignment]

fcntl: Any = _fcntl
_LINUX = sys.platform == "linux"
_AT_FDCWD, _RENAME_EXCHANGE = -100, 2  # of linux/fcntl.h and linux/fs.h


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
        _remove_leftovers(target)
        with _work_folder(target) as work:
            new = work / "new"
            new.mkdir()
            yield new
            _to_disk(new)
            if target.exists():
                _exchange(new, target, work)
            else:
                os.rename(new, target)
            _sync_folder(target.parent)


def other_files(folder: Path, own: set[str]) -> list[str]:
    """Return the sorted names of what a folder holds besides `own`: it would be replaced too."""
    return sorted({entry.name for entry in folder.iterdir()} - own)


@contextmanager
def atomic_file(target: str | os.PathLike) -> Iterator[BinaryIO]:
    """Yield a file that takes the place of `target` when the block ends well.

    It is on the disk before it does, and so is the new name when this returns: after a power cut
    there is the old file or the new. It has the permissions of any file that the user makes.

    Parameters
    ----------
    target : path
        The file to write or replace; its folder exists.
    """
    target = Path(target)
    _remove_leftovers(target)
    with _locked(target.parent):
        handle, name = tempfile.mkstemp(prefix=f".{target.name}{_MARK}", dir=target.parent)
        _try_lock(handle)
    try:
        with os.fdopen(handle, "wb") as file:
            _readable(file)
            yield file
            file.flush()
            os.fsync(file.fileno())
            os.replace(name, target)
        _sync_folder(target.parent)
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(name)
        raise


_MARK = ".part-"
"""Stands between the name of what is written and what tells its temporary files apart."""
_LOCK = "lock"
"""The file in a folder of work that its owner keeps locked."""


@contextmanager
def _work_folder(target: Path) -> Iterator[Path]:
    """Yield a folder beside `target`, locked while this process lives, and removed at the end."""
    with _locked(target.parent):
        work = Path(tempfile.mkdtemp(prefix=f".{target.name}{_MARK}", dir=target.parent))
        lock = open(work / _LOCK, "wb")  # not the folder itself, which others lock to write into it
        _try_lock(lock.fileno())
    try:
        yield work
    finally:
        for inside in (work / "new", work / "old"):
            if inside.exists():
                shutil.rmtree(inside)
        with _locked(target.parent):  # whoever sees it without its lock may remove it
            shutil.rmtree(work)
        lock.close()


def _remove_leftovers(target: Path) -> None:
    """Remove what killed processes have left of writing `target`: nobody holds a lock on it."""
    if fcntl is None:
        return
    with _locked(target.parent):
        for path in target.parent.glob(f".{glob.escape(target.name)}{_MARK}*"):
            if path.is_dir() and not (path / _LOCK).exists():
                shutil.rmtree(path)
                continue
            try:
                handle = os.open(path / _LOCK if path.is_dir() else path, os.O_RDONLY)
            except FileNotFoundError:  # its owner has just put the file in its place
                continue
            try:
                if _try_lock(handle):
                    shutil.rmtree(path) if path.is_dir() else path.unlink()
            finally:
                os.close(handle)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Let no other process look for leftovers in a folder, nor make what may be taken for one."""
    handle = _open_folder(folder)
    if handle is None:
        yield
        return
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _open_folder(folder: Path) -> int | None:
    return None if fcntl is None else os.open(folder, os.O_RDONLY)


def _try_lock(handle: int) -> bool:
    """Lock an open file until it is closed, unless another process has; tell which."""
    if fcntl is None:
        return True
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _exchange(new: Path, target: Path, work: Path) -> None:
    """Put `new` in the place of `target`, which exists, in one step where the system has one."""
    if _exchanged(new, target):
        return
    old = work / "old"
    os.rename(target, old)
    try:
        os.rename(new, target)
    except BaseException:
        os.rename(old, target)
        raise


def _exchanged(new: Path, target: Path) -> bool:
    """Exchange two folders by one call of Linux; tell whether system and file system have it."""
    rename = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None) if _LINUX else None
    if rename is None:
        return False
    names = os.fsencode(new), os.fsencode(target)
    if rename(_AT_FDCWD, names[0], _AT_FDCWD, names[1], _RENAME_EXCHANGE) == 0:
        return True
    number = ctypes.get_errno()
    if number in (errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP):
        return False
    raise OSError(number, os.strerror(number), str(new), None, str(target))


def _to_disk(folder: Path) -> None:
    """Wait until a folder, with all files and folders in it, is on the disk."""
    for place, _, names in os.walk(folder, topdown=False):
        for name in names:
            with open(os.path.join(place, name), "rb") as file:
                os.fsync(file.fileno())
        _sync_folder(Path(place))


def _sync_folder(folder: Path) -> None:
    """Wait until the names in a folder are on the disk."""
    handle = _open_folder(folder)
    if handle is not None:
        try:
            os.fsync(handle)
        except OSError as error:  # some network file systems know no such thing
            if error.errno not in (errno.EINVAL, errno.EBADF, errno.EOPNOTSUPP):
                raise
        finally:
            os.close(handle)


def _readable(file: BinaryIO) -> None:
    """Give a temporary file, which its maker alone can read, the permissions of any other."""
    mask = os.umask(0)
    os.umask(mask)
    if hasattr(os, "fchmod"):
        os.fchmod(file.fileno(), 0o666 & ~mask)
