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
_UNSUPPORTED = (errno.ENOSYS, errno.EOPNOTSUPP)
_AT_FDCWD, _RENAME_EXCHANGE = -100, 2  # of linux/fcntl.h and linux/fs.h


def sha256_of(path: str | os.PathLike) -> str:
    """Return the SHA-256 of a file's content, in hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def cache_home() -> Path:
    """Return the cache folder of the package: ``ZEROSHOT_CACHE`` or the user's cache.

    A user without a home folder, such as the number in ``docker run -u 1234``, has no cache. The
    folder returned then cannot be created, which callers treat as any other one that cannot.
    """
    named = os.environ.get("ZEROSHOT_CACHE")
    try:
        if named:
            return Path(named).expanduser()
        return Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser() / "zeroshot"
    except RuntimeError:
        return Path(os.devnull, "no-home", "zeroshot")


@contextmanager
def parents_of(target: str | os.PathLike) -> Iterator[None]:
    """Create the parent folders of `target`. If the block raises, remove the new ones.

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
            with suppress(OSError):  # other processes may have added files
                folder.rmdir()
        raise


@contextmanager
def atomic_folder(target: str | os.PathLike, *, overwrite: bool = False) -> Iterator[Path]:
    """Yield an empty folder next to `target` that replaces it if the block does not raise.

    Parameters
    ----------
    target : path
        Folder to create. Missing parents are created, and removed again if the block raises.
    overwrite : bool, default=False
        Replace an existing `target`. It is not changed if the block raises.

    Raises
    ------
    FileExistsError
        `target` exists and `overwrite` is False.
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


def final_place(folder: str | os.PathLike) -> Path:
    """Return the absolute path that a folder has in the end, also inside of `atomic_folder`."""
    folder = Path(folder).absolute()
    name, mark, _ = folder.parent.name.rpartition(_MARK)
    return folder.parent.parent / name[1:] if mark and folder.name == "new" else folder


def other_files(folder: Path, own: set[str]) -> list[str]:
    """Return the sorted names in a folder other than `own`, which would also be replaced."""
    return sorted({entry.name for entry in folder.iterdir()} - own)


@contextmanager
def atomic_file(target: str | os.PathLike) -> Iterator[BinaryIO]:
    """Yield a file that replaces `target` if the block does not raise.

    The file is flushed to disk before it replaces `target`, and the new name is flushed before this
    returns. After a power failure, either the old or the new file exists. It has the usual
    permissions of the user's new files.

    Parameters
    ----------
    target : path
        File to write or replace. Its folder must exist.
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
    """Yield a folder next to `target`, locked while this process runs, and removed at the end."""
    with _locked(target.parent):
        work = Path(tempfile.mkdtemp(prefix=f".{target.name}{_MARK}", dir=target.parent))
        lock = open(work / _LOCK, "wb")  # not the folder, which others lock to write into it
        _try_lock(lock.fileno())
    try:
        yield work
    finally:
        for inside in (work / "new", work / "old"):
            if inside.exists():
                shutil.rmtree(inside)
        with _locked(target.parent):  # other processes may remove it if it has no lock
            shutil.rmtree(work)
        lock.close()


def _remove_leftovers(target: Path) -> None:
    """Remove leftovers of killed processes that were writing `target`: they are not locked."""
    if fcntl is None:
        return
    with _locked(target.parent) as held:
        for path in target.parent.glob(f".{glob.escape(target.name)}{_MARK}*"):
            if path.is_dir() and not (path / _LOCK).exists():
                if held:
                    shutil.rmtree(path)
                continue
            try:
                handle = os.open(path / _LOCK if path.is_dir() else path, os.O_RDONLY)
            except FileNotFoundError:  # its owner has just moved the file into place
                continue
            try:
                if _try_lock(handle):
                    shutil.rmtree(path) if path.is_dir() else path.unlink()
            finally:
                os.close(handle)


@contextmanager
def _locked(folder: Path) -> Iterator[bool]:
    """Stop other processes from removing or creating temporary folders in a folder.

    Yields whether there is such a lock.
    """
    handle = _open_folder(folder)
    if handle is None:
        yield False
        return
    held = False
    try:
        with _where_locks_exist():
            fcntl.flock(handle, fcntl.LOCK_EX)
            held = True
        yield held
    finally:
        os.close(handle)


def _open_folder(folder: Path) -> int | None:
    return None if fcntl is None else os.open(folder, os.O_RDONLY)


def _try_lock(handle: int) -> bool:
    """Lock an open file until it is closed; return whether this process has the lock.

    On file systems without locks nobody has it, so that no leftovers are removed there.
    """
    locked = False
    with _where_locks_exist(), suppress(BlockingIOError):
        if fcntl is not None:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            locked = True
    return locked


@contextmanager
def _where_locks_exist() -> Iterator[None]:
    """Pass over the errors of file systems without locks: NFS locks no folder, for example."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.EBADF, errno.EINVAL, errno.ENOLCK, *_UNSUPPORTED):
            raise


def _exchange(new: Path, target: Path, work: Path) -> None:
    """Replace the existing `target` by `new`, in one step if the system supports it."""
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
    """Exchange two folders by one Linux call; return whether it is supported."""
    rename = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None) if _LINUX else None
    if rename is None:
        return False
    names = os.fsencode(new), os.fsencode(target)
    if rename(_AT_FDCWD, names[0], _AT_FDCWD, names[1], _RENAME_EXCHANGE) == 0:
        return True
    number = ctypes.get_errno()
    if number in (errno.EINVAL, *_UNSUPPORTED):
        return False
    raise OSError(number, os.strerror(number), str(new), None, str(target))


def _to_disk(folder: Path) -> None:
    """Flush a folder to disk, with all files and folders in it."""
    for place, _, names in os.walk(folder, topdown=False):
        for name in names:
            with open(os.path.join(place, name), "rb") as file:
                os.fsync(file.fileno())
        _sync_folder(Path(place))


def _sync_folder(folder: Path) -> None:
    """Flush the names in a folder to disk."""
    handle = _open_folder(folder)
    if handle is not None:
        try:
            os.fsync(handle)
        except OSError as error:  # some network file systems do not support it
            if error.errno not in (errno.EINVAL, errno.EBADF, errno.EOPNOTSUPP):
                raise
        finally:
            os.close(handle)


def _readable(file: BinaryIO) -> None:
    """Give a temporary file, which only its owner can read, the usual permissions."""
    mask = os.umask(0)
    os.umask(mask)
    if hasattr(os, "fchmod"):
        os.fchmod(file.fileno(), 0o666 & ~mask)
