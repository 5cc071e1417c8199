"""Where data sets lie, and how an archive is found there or brought there."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from zeroshot._files import cache_home
from zeroshot.datasets._download import fetch
from zeroshot.exceptions import Remedy


class Archive(NamedTuple):
    """An archive as its authors publish it."""

    filename: str
    url: str
    sha256: str
    max_bytes: int  # an archive that unpacks to more than this is not read


def resolve_data_home(
    data_home: str | os.PathLike | None = None, *, owner: str = "zeroshot.datasets"
) -> Path:
    """Return the folder of the data sets.

    Parameters
    ----------
    data_home : path, optional
        The folder. None means the environment variable ``ZEROSHOT_DATA``, or, where that is not
        set, the folder ``data`` in the package's cache.
    owner : str
        Who asks, for the message.

    Raises
    ------
    TypeError
        `data_home` is no path.

    Examples
    --------
    >>> from zeroshot.datasets._home import resolve_data_home
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
    """Return the path of `archive` on this machine, downloading it if need be.

    A file that lies there already is taken as it is: it may be a smaller archive in the same
    format. Checksums are for what comes over the network.

    Raises
    ------
    FileNotFoundError
        It is not there, and `download_if_missing` is false.
    DownloadError, IntegrityError
        The download failed; see `zeroshot.datasets._download.fetch`.
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
    return fetch(archive.url, path, sha256=archive.sha256)
