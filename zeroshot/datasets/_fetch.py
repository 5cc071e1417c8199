"""Folders of data sets, and archives found there or downloaded."""

from __future__ import annotations

import http.client
import ipaddress
import os
import re
import socket
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple
from urllib.error import HTTPError
from urllib.parse import unquote, urlsplit

from zeroshot._utils._files import cache_home, sha256_of
from zeroshot._utils._progress import progress_bar
from zeroshot.exceptions import DownloadError, IntegrityError, Remedy

if sys.platform != "win32":
    import fcntl

BLOCK_BYTES = 1 << 18
RANGE_NOT_SATISFIABLE = 416


class Archive(NamedTuple):
    """An archive as published by its authors."""

    filename: str
    url: str
    sha256: str
    max_bytes: int  # maximum unpacked size of an archive that is read


def resolve_data_home(
    data_home: str | os.PathLike | None = None, *, owner: str = "zeroshot.datasets"
) -> Path:
    """Return the folder of the data sets.

    Parameters
    ----------
    data_home : path, optional
        The folder. None is the environment variable ``ZEROSHOT_DATA`` or, if it is not set, the
        folder ``data`` in the package's cache.
    owner : str
        Name of the caller, for the message.

    Raises
    ------
    TypeError
        `data_home` is not a path.

    Examples
    --------
    >>> from zeroshot.datasets._fetch import resolve_data_home
    >>> resolve_data_home("my-data").name
    'my-data'
    """
    if data_home is not None and not isinstance(data_home, (str, os.PathLike)):
        raise TypeError(
            f"{owner}: data_home must be a folder's path or None, got {data_home!r}. Pass the "
            "folder that holds the archives."
        )
    named = data_home if data_home is not None else os.environ.get("ZEROSHOT_DATA")
    return Path(named).expanduser() if named else cache_home() / "data"


def find_archive(
    archive: Archive,
    *,
    data_home: str | os.PathLike | None,
    download_if_missing: bool,
    owner: str,
) -> Path:
    """Return the path of `archive` on this machine, and download it if necessary.

    An existing file is used as it is. It may be a smaller archive in the same format. Only
    downloads are checked against the checksum.

    Raises
    ------
    FileNotFoundError
        The archive is missing, and `download_if_missing` is False.
    DownloadError, IntegrityError
        The download failed: see `zeroshot.datasets._fetch.fetch`.
    """
    folder = resolve_data_home(data_home, owner=owner)
    path = folder / archive.filename
    if path.is_file():
        return path
    if not download_if_missing:
        raise FileNotFoundError(
            f"{owner}: {archive.filename} is not in the folder {folder}. Pass "
            f"download_if_missing=True, or put {archive.url} there by hand, or set ZEROSHOT_DATA"
            + Remedy(" (or pass data_home=)", option="")
            + " to a folder that holds it."
        )
    return fetch(archive.url, path, sha256=archive.sha256, max_bytes=archive.max_bytes)


def fetch(
    url: str,
    target: str | os.PathLike,
    *,
    sha256: str,
    max_bytes: int,
    timeout: float = 30.0,
    progress: bool = True,
) -> Path:
    """Download `url` to the file `target`, only if it is complete and its checksum is right.

    If the connection breaks, the received part stays in ``<target>.part``. The next call resumes
    from it if the server supports byte ranges, else it starts again. `target` itself appears in one
    step, after its checksum has been verified.

    Parameters
    ----------
    url : str
        An ``http`` or ``https`` address. Redirections to other schemes, from ``https`` to ``http``,
        and from a public address to a private one, are refused.
    target : path
        File to create. Its folder is created if necessary.
    sha256 : str
        The SHA-256 of the whole file, in hexadecimal digits.
    max_bytes : int
        Maximum size of the file. The download stops there, or at the length that the server has
        announced if that is less.
    timeout : float, default=30.0
        Maximum number of seconds without data from the server.
    progress : bool, default=True
        Whether to show a progress bar on stderr.

    Returns
    -------
    Path
        `target`.

    Raises
    ------
    DownloadError
        The file is not available, the connection broke, or another process is downloading it. The
        message names the address, the folder and what to do.
    IntegrityError
        The file is complete, but its checksum is not `sha256`. It is removed.
    ValueError
        `url` is neither ``http`` nor ``https``.

    Examples
    --------
    >>> from zeroshot.datasets._fetch import fetch
    >>> fetch("ftp://example.org/a.zip", "a.zip", sha256="0" * 64, max_bytes=10)
    Traceback (most recent call last):
        ...
    ValueError: fetch: url must begin with http:// or https://, got 'ftp://example.org/a.zip'.
    """
    target = Path(target)
    if urlsplit(url).scheme not in ("http", "https"):
        raise ValueError(f"fetch: url must begin with http:// or https://, got {url!r}.")
    part = target.with_name(f"{target.name}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with _alone_with(part):
            with open(part, "ab") as file:
                _complete(
                    file,
                    url,
                    sha256=sha256,
                    max_bytes=max_bytes,
                    timeout=timeout,
                    progress=progress,
                )
            found = sha256_of(part)
            if found == sha256.lower():
                os.replace(part, target)
                return target
            part.unlink()
    except (OSError, http.client.HTTPException) as error:
        raise DownloadError(_unavailable(url, target, part, error)) from error
    raise IntegrityError(
        f"fetch: {url} was downloaded, but its SHA-256 is {found}, where {sha256.lower()} was "
        f"expected. It has been removed. Try again; if that gives the same sum, the file has "
        f"changed where it is published: get it elsewhere and put it at {target}."
    )


def _unavailable(url: str, target: Path, part: Path, error: Exception) -> str:
    """Return what failed, how much has arrived, and what to do."""
    try:
        kept = part.stat().st_size
    except OSError:
        kept = 0
    again = f"Try again: the {kept:,} bytes that came are kept" if kept else "Try again later"
    return (
        f"fetch: {url} could not be downloaded to the folder {target.parent}: "
        f"{error or type(error).__name__}. {again}; or put the file there by hand as "
        f"{target.name}; or set ZEROSHOT_DATA"
        + Remedy(" (or pass data_home=)", option="")
        + " to a folder that holds it."
    )


@contextmanager
def _alone_with(part: Path) -> Iterator[None]:
    """Lock `part` against other processes, and remove it after an error if it is empty.

    Two writers would interleave their bytes, and the later one would even write into the finished
    file. On Windows there is no lock, because a file that another process has open cannot be
    renamed.
    """
    with ExitStack() as stack:
        if sys.platform != "win32":
            _lock(stack.enter_context(open(part, "ab")), part)
        try:
            yield
        except BaseException:
            if part.exists() and part.stat().st_size == 0:
                part.unlink()
            raise


def _lock(file: BinaryIO, part: Path) -> None:
    """Lock `part`, which is open as `file`, for as long as it is open."""
    if sys.platform != "win32":
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            ours = part.exists() and os.path.samestat(os.fstat(file.fileno()), part.stat())
        except BlockingIOError:
            ours = False
        # The other process may also have finished its file just before we got the lock.
        if not ours:
            raise OSError("another process is downloading it; wait until that is done")


def _complete(
    file: BinaryIO, url: str, *, sha256: str, max_bytes: int, timeout: float, progress: bool
) -> None:
    """Append the missing part of the content of `url` to `file`."""
    held = _size(file)
    try:
        response = _request(url, held, timeout)
    except HTTPError as error:
        error.close()
        if error.code != RANGE_NOT_SATISFIABLE or not held:
            raise
        if sha256_of(file.name) == sha256.lower():
            return  # the file was already complete when the last run stopped
        response = _request(url, 0, timeout)
    with response:
        begin = _first_byte(response)
        if begin != held:
            file.truncate(0)
        if begin not in (0, held):
            raise OSError(f"the server sent the bytes from {begin:,} where {held:,} was asked")
        length = response.headers.get("Content-Length")
        total = begin + int(length) if length and re.fullmatch("[0-9]{1,18}", length) else None
        most = max_bytes if total is None else total
        if most > max_bytes:
            raise OSError(f"the server announced {most:,} bytes, more than {max_bytes:,}")
        _receive(
            response, file, total=total, most=most, progress=progress, name=Path(file.name).stem
        )
    if total is not None and _size(file) != total:
        raise OSError(f"the connection closed after {_size(file):,} of {total:,} bytes")


def _size(file: BinaryIO) -> int:
    file.flush()
    return os.fstat(file.fileno()).st_size


def _request(url: str, begin: int, timeout: float) -> Any:
    """Request `url` from byte `begin` on, only over HTTP and HTTPS, also after redirections."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler,
        urllib.request.HTTPHandler,
        urllib.request.HTTPSHandler,
        _CheckedRedirects,
        urllib.request.HTTPErrorProcessor,
        urllib.request.HTTPDefaultErrorHandler,
        urllib.request.UnknownHandler,
    ):
        opener.add_handler(handler())
    headers = {"User-Agent": "scikit-zeroshot", "Accept-Encoding": "identity"}
    if begin:
        headers["Range"] = f"bytes={begin}-"
    return opener.open(urllib.request.Request(url, headers=headers), timeout=timeout)


class _CheckedRedirects(urllib.request.HTTPRedirectHandler):
    """Redirections, unless they lead from a safe or public address to one that is not."""

    def redirect_request(
        self, req: urllib.request.Request, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        """Return the request for the new address."""
        if urlsplit(req.full_url).scheme == "https" and urlsplit(newurl).scheme != "https":
            raise OSError(f"it redirects from https to {newurl}")
        if is_private(newurl) and not is_private(req.full_url):
            raise OSError(f"it redirects to {newurl}, an address that is not public")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def is_private(url: str) -> bool:
    """Return whether a host has an address that is not public, such as that of this machine."""
    host = unquote(urlsplit(url).hostname or "")
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError:  # behind a proxy, only the proxy may know names
        return not host or host == "localhost" or host.endswith((".localhost", ".local"))
    addresses = [ipaddress.ip_address(str(entry[4][0]).partition("%")[0]) for entry in found]
    return not all(_is_global(address) for address in addresses)


def _is_global(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_global


def _first_byte(response: Any) -> int:
    """Return the start position of `response`: 0 if the server does not support ranges."""
    if response.status != http.client.PARTIAL_CONTENT:
        return 0
    match = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", ""))
    if match is None:
        raise OSError("the server sent a part of the file without saying which")
    return int(match[1])


def _receive(
    response: Any, file: BinaryIO, *, total: int | None, most: int, progress: bool, name: str
) -> None:
    """Copy `response` to `file` as it arrives, so that the part before a break is kept."""
    with progress_bar(
        progress=progress,
        total=total,
        initial=_size(file),
        unit="B",
        unit_scale=True,
        desc=name,
    ) as bar:
        size = _size(file)
        while block := response.read1(BLOCK_BYTES):
            size += len(block)
            if size > most:
                file.truncate(0)
                raise OSError(f"the server sent more than {most:,} bytes")
            file.write(block)
            bar.update(len(block))
