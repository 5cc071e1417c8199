"""Archives read in memory, within limits, without paths from the archive."""

from __future__ import annotations

import io
import os
import re
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import BinaryIO

from zeroshot.exceptions import IntegrityError

BLOCK_BYTES = 1 << 20
MAX_TAR_MEMBERS = 1_000
MAX_PAX_BYTES = 1 << 16
MAX_DIRECTORY_BYTES = 20_000_000  # Tiny ImageNet has the most members: 15 MB
_TOO_MUCH = MAX_DIRECTORY_BYTES + 1
# Archives here hold compressed images or numbers. So a small one that declares much is refused.
MAX_RATIO = 20
SMALL_BYTES = 10_000_000
GZIP = 16 + zlib.MAX_WBITS
# Errors that the standard library raises for broken input, in addition to disk errors.
BROKEN = (
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    ValueError,
    OverflowError,
    NotImplementedError,
)
# What a pax header may say about the member after it: none of it decides what is read.
HARMLESS = frozenset(("atime", "comment", "ctime", "gid", "gname", "mtime", "uid", "uname"))
_PAX_RECORD = re.compile(rb"(\d{1,7}) ([^=\n]+)=")


def read_tar_gz(
    path: str | os.PathLike, wanted: Collection[str], *, max_bytes: int
) -> dict[str, bytes]:
    """Return the content of the members `wanted` of a ``.tar.gz`` archive.

    The archive is read to its end, which also verifies gzip's own checksum. `tarfile` decodes the
    headers only. Its own way through an archive follows sparse files and other extensions, which
    may declare gigabytes, or never end.

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
        link, a device, a sparse file, a path outside its folder, a member whose name or size is in
        a separate header, or more than 1,000 members.
    """
    found: dict[str, bytes] = {}
    with _blamed_on(path), open(path, "rb") as file:
        stream = _Unpacked(file, max_bytes)
        for n_members, member in enumerate(_headers(stream)):
            if n_members == MAX_TAR_MEMBERS:
                raise _Refused(f"it holds more than {MAX_TAR_MEMBERS:,} members")
            if member.type in (tarfile.XHDTYPE, tarfile.XGLTYPE):
                _check_pax(stream.content_of(member, MAX_PAX_BYTES))
                continue
            _check_name(member.name)
            if member.isdir() and member.size == 0:
                continue
            if member.type not in (tarfile.REGTYPE, tarfile.AREGTYPE):
                raise _Refused(f"its member {member.name!r} is not a plain file")
            if member.name not in wanted:
                stream.skip(member)
            elif member.name in found:
                raise _Refused(f"it holds {member.name!r} twice")
            else:
                found[member.name] = stream.content_of(member, max_bytes)
        stream.finish()
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
        device, an encrypted member, a duplicate name, a path outside its folder, a directory of
        more than 20 MB, or a member that is compressed by another method than deflate.
    """
    with open(path, "rb") as file:
        with _blamed_on(path):
            archive = zipfile.ZipFile(_Directory(file))
            archive.filename = os.fspath(path)
        with archive:
            with _blamed_on(path):
                _check_members(archive.infolist(), _most(file, max_bytes))
            yield archive


def read_member(archive: zipfile.ZipFile, name: str, *, max_bytes: int) -> bytes:
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
        if info.file_size > max_bytes:
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


def _most(file: BinaryIO, max_bytes: int) -> int:
    """Return how many bytes an archive may unpack to."""
    return min(max_bytes, MAX_RATIO * os.fstat(file.fileno()).st_size + SMALL_BYTES)


class _Unpacked:
    """The content of a gzip file of one part, block by block, up to a limit."""

    def __init__(self, file: BinaryIO, max_bytes: int) -> None:
        self._file = file
        self._gzip = zlib.decompressobj(GZIP)
        self._max_bytes = self._left = _most(file, max_bytes)
        self._block = memoryview(b"")

    def _more(self) -> bytes:
        """Return the next bytes, at most a block; none at the end."""
        while not self._gzip.eof:
            packed = self._gzip.unconsumed_tail or self._file.read(BLOCK_BYTES)
            if not packed:
                raise EOFError("it ends before its end was marked")
            block = self._gzip.decompress(packed, BLOCK_BYTES)
            self._left -= len(block)
            if self._left < 0:
                raise _Refused(f"it unpacks to more than {self._max_bytes:,} bytes")
            if block:
                return block
        # Thousands of empty parts would be read one after the other for minutes.
        if self._gzip.unused_data.strip(b"\0") or self._file.read(BLOCK_BYTES).strip(b"\0"):
            raise _Refused("something follows the end of its compressed data")
        return b""

    def read(self, size: int) -> bytes:
        """Return the next `size` bytes, fewer only at the end."""
        parts = []
        while size and (block := self._block or memoryview(self._more())):
            parts.append(block[:size])
            self._block = block[size:]
            size -= len(parts[-1])
        return b"".join(parts)

    def content_of(self, member: tarfile.TarInfo, max_bytes: int) -> bytes:
        """Return the content of a member, whose header has just been read."""
        if not 0 <= member.size <= max_bytes:
            raise _Refused(f"its member {member.name!r} declares {member.size:,} bytes")
        content = self.read(member.size)
        if len(content) < member.size:
            raise EOFError(f"it ends within {member.name!r}")
        self.read(_padding(member))
        return content

    def skip(self, member: tarfile.TarInfo) -> None:
        """Pass over the content of a member."""
        if member.size < 0:
            raise _Refused(f"its member {member.name!r} declares {member.size:,} bytes")
        left = member.size + _padding(member)
        while left and (content := self.read(min(left, BLOCK_BYTES))):
            left -= len(content)

    def finish(self) -> None:
        """Read to the end, where only zeros may follow the last member."""
        while block := self.read(BLOCK_BYTES):
            if block.strip(b"\0"):
                raise _Refused("something follows its last member")


def _headers(stream: _Unpacked) -> Iterator[tarfile.TarInfo]:
    """Yield the header of each member; the caller reads or skips the content."""
    while (header := stream.read(tarfile.BLOCKSIZE)).strip(b"\0"):
        yield tarfile.TarInfo.frombuf(header, "utf-8", "surrogateescape")


def _padding(member: tarfile.TarInfo) -> int:
    return -member.size % tarfile.BLOCKSIZE


def _check_pax(records: bytes) -> None:
    """Refuse a pax header that changes the name, the size or the layout of the next member."""
    place = 0
    while place < len(records) and (match := _PAX_RECORD.match(records, place)):
        name = match[2].decode("utf-8", "replace")
        if name not in HARMLESS and not name.startswith(("LIBARCHIVE.", "SCHILY.")):
            raise _Refused(f"a header of its own declares {name!r} of a member")
        place += int(match[1]) or len(records) + 1
    if place != len(records):
        raise _Refused("a pax header is damaged")


class _Directory(io.RawIOBase):
    """A zip file's content; the directory, which zipfile reads at once, only up to a limit."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def read(self, size: int = -1, /) -> bytes:
        """Return the next bytes."""
        content = self._file.read(min(size, _TOO_MUCH) if size >= 0 else _TOO_MUCH)
        if len(content) == _TOO_MUCH:
            raise _Refused(f"its directory has more than {MAX_DIRECTORY_BYTES:,} bytes")
        return content

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Go to a place."""
        try:
            return self._file.seek(offset, whence)
        except OSError as error:  # before the beginning, by a forged number
            raise zipfile.BadZipFile(f"it names the place {offset:,}") from error

    def tell(self) -> int:
        """Return the place."""
        return self._file.tell()

    def seekable(self) -> bool:
        """Whether `seek` works."""
        return True


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
            raise _Refused(f"its member {member.filename!r} is not a plain file")
        # A few bytes of the other methods unpack to gigabytes in one step.
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise _Refused(f"its member {member.filename!r} is not compressed by deflate")
        if member.filename in seen:
            raise _Refused(f"it holds {member.filename!r} twice")
        seen.add(member.filename)
    # zipfile reads at most the size that the directory gives for a member.
    if sum(member.file_size for member in members) > max_bytes:
        raise _Refused(f"it unpacks to more than {max_bytes:,} bytes")
