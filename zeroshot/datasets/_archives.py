"""Archives read in memory, within limits, without paths from the archive."""

from __future__ import annotations

import gzip
import io
import os
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Collection, Iterator
from contextlib import contextmanager

from zeroshot.exceptions import IntegrityError

BLOCK_BYTES = 1 << 20
# Errors that the standard library raises for broken input, in addition to disk errors.
BROKEN = (
    tarfile.TarError,
    zipfile.BadZipFile,
    gzip.BadGzipFile,
    zlib.error,
    struct.error,
    EOFError,
    ValueError,
    OverflowError,
    NotImplementedError,
)


def read_tar_gz(
    path: str | os.PathLike, wanted: Collection[str], *, max_bytes: int
) -> dict[str, bytes]:
    """Return the content of the members `wanted` of a ``.tar.gz`` archive.

    The archive is read to its end, which also verifies gzip's own checksum.

    Parameters
    ----------
    path : path
        The archive.
    wanted : collection of str
        Names of members.
    max_bytes : int
        Maximum unpacked size of the whole archive.

    Raises
    ------
    IntegrityError
        The archive is truncated, altered or larger than `max_bytes`, lacks a member, or contains a
        link, a device, or a path outside its folder.
    """
    found: dict[str, bytes] = {}
    with _blamed_on(path), gzip.open(path, "rb") as unpacked:
        stream = _LimitedReader(unpacked, max_bytes)
        with tarfile.open(fileobj=stream, mode="r|", bufsize=BLOCK_BYTES) as archive:
            for member in archive:
                _check_name(member.name)
                if member.isdir():
                    continue
                content = archive.extractfile(member) if _is_plain(member) else None
                if content is None:
                    raise _Refused(f"its member {member.name!r} is no plain file")
                if member.name in wanted:
                    if member.name in found:
                        raise _Refused(f"it holds {member.name!r} twice")
                    found[member.name] = content.read()
        while stream.read(BLOCK_BYTES):
            continue
        missing = sorted(set(wanted) - set(found))
        if missing:
            raise _Refused(f"it lacks {', '.join(map(repr, missing))}")
    return found


@contextmanager
def open_zip(path: str | os.PathLike, *, max_bytes: int) -> Iterator[zipfile.ZipFile]:
    """Open a zip archive after checking that all its members are harmless.

    Parameters
    ----------
    path : path
        The archive.
    max_bytes : int
        Maximum unpacked size of the whole archive.

    Raises
    ------
    IntegrityError
        The archive is truncated or altered, unpacks to more than `max_bytes`, or contains a link, a
        device, an encrypted member, a duplicate name, or a path outside its folder.
    """
    with _blamed_on(path):
        archive = zipfile.ZipFile(path)
    with archive:
        with _blamed_on(path):
            _check_members(archive.infolist(), max_bytes)
        yield archive


def read_member(archive: zipfile.ZipFile, name: str, *, max_bytes: int | None = None) -> bytes:
    """Return the content of the member `name`, after verifying its checksum.

    Raises
    ------
    IntegrityError
        There is no such member, or it is damaged, or it unpacks to more than `max_bytes`.
    """
    with _blamed_on(archive.filename or "archive"):
        try:
            info = archive.getinfo(name)
        except KeyError as error:
            raise _Refused(f"it lacks {name!r}") from error
        if max_bytes is not None and info.file_size > max_bytes:
            raise _Refused(f"its member {name!r} unpacks to more than {max_bytes:,} bytes")
        try:
            return archive.read(info)
        except BROKEN as error:
            raise _Refused(f"its member {name!r} cannot be read ({error})") from error


class _Refused(Exception):
    """The reason why an archive is not read."""


@contextmanager
def _blamed_on(path: str | os.PathLike) -> Iterator[None]:
    """Turn any error from broken input into an IntegrityError that names the archive."""
    try:
        yield
    except (_Refused, *BROKEN) as error:
        raise IntegrityError(
            f"The archive {os.fspath(path)} cannot be used: {error or type(error).__name__}. It "
            f"may be truncated or altered: remove it, and fetch it again or copy a whole one there."
        ) from error


class _LimitedReader(io.BufferedIOBase):
    """A stream that raises an error if it is too long, instead of filling the memory."""

    def __init__(self, file: gzip.GzipFile, max_bytes: int) -> None:
        self._file = file
        self._max_bytes = max_bytes
        self._n_bytes = 0

    def read(self, size: int | None = None, /) -> bytes:
        """Return the next bytes: at most one block, for any size in a forged header."""
        asked = BLOCK_BYTES if size is None or size < 0 else size
        block = self._file.read(min(asked, BLOCK_BYTES))
        self._n_bytes += len(block)
        if self._n_bytes > self._max_bytes:
            raise _Refused(f"it unpacks to more than {self._max_bytes:,} bytes")
        return block


def _is_plain(member: tarfile.TarInfo) -> bool:
    return member.type in (tarfile.REGTYPE, tarfile.AREGTYPE)


def _check_name(name: str) -> None:
    """Refuse a name that leads outside the folder of the archive."""
    parts = name.split("/")
    if name.startswith("/") or ".." in parts or any(sign in name for sign in ("\\", ":", "\0")):
        raise _Refused(f"its member {name!r} leads out of its folder")


def _check_members(members: list[zipfile.ZipInfo], max_bytes: int) -> None:
    """Refuse members that are not regular files or folders, or that are too large in total."""
    seen: set[str] = set()
    for member in members:
        _check_name(member.filename)
        kind = stat.S_IFMT(member.external_attr >> 16)
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR) or member.flag_bits & 0x1:
            raise _Refused(f"its member {member.filename!r} is no plain file")
        if member.filename in seen:
            raise _Refused(f"it holds {member.filename!r} twice")
        seen.add(member.filename)
    # zipfile reads at most the size that the directory gives for a member.
    if sum(member.file_size for member in members) > max_bytes:
        raise _Refused(f"it unpacks to more than {max_bytes:,} bytes")
