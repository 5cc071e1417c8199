"""Features on disk, by the content of the image and all that they depend on."""

from __future__ import annotations

import hashlib
import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from zeroshot._utils._files import cache_home, sha256_of
from zeroshot._utils._images import is_content, path_of
from zeroshot.backbones._extraction import Errors
from zeroshot.exceptions import IntegrityError

FORMAT = 1  # increase this number with every change of how images are read
_AT_ONCE = 500  # SQLite takes 999 values at least
_SUM_BYTES = 8
_SECONDS_TO_WAIT = 60.0  # for another process that writes


class RowCache:
    """Rows of float32 in one SQLite file, for several processes at once.

    Parameters
    ----------
    folder : path, or True
        Folder of the file; True is ``features`` in the package's cache.
    depends_on : mapping of str to object
        What the rows depend on besides the images: weights, size of the input, precision.

    Raises
    ------
    IntegrityError
        The file is damaged.
    OSError
        The folder cannot be written, or the disk is full.
    """

    def __init__(self, folder: str | os.PathLike | bool, depends_on: Mapping[str, Any]) -> None:
        home = cache_home() / "features" if isinstance(folder, bool) else Path(folder)
        what = repr(sorted({**depends_on, "format": FORMAT}.items()))
        home.mkdir(parents=True, exist_ok=True)
        self._file = home / f"{hashlib.sha256(what.encode()).hexdigest()[:32]}.sqlite"
        with self._opened() as database, database:
            database.execute("CREATE TABLE IF NOT EXISTS rows (image BLOB PRIMARY KEY, row BLOB)")

    def find(self, images: Iterable[bytes]) -> dict[bytes, np.ndarray]:
        """Return the rows that are there, by the digest of the image."""
        wanted = list(dict.fromkeys(images))
        found: dict[bytes, np.ndarray] = {}
        with self._opened() as database:
            for start in range(0, len(wanted), _AT_ONCE):
                part = wanted[start : start + _AT_ONCE]
                places = ",".join("?" * len(part))
                query = f"SELECT image, row FROM rows WHERE image IN ({places})"
                found |= {image: self._read(row) for image, row in database.execute(query, part)}
        return found

    def keep(self, rows: Mapping[bytes, np.ndarray]) -> None:
        """Store rows by the digest of the image."""
        pairs = [(image, _with_sum(row)) for image, row in rows.items()]
        with self._opened() as database, database:
            database.executemany("INSERT OR REPLACE INTO rows VALUES (?, ?)", pairs)

    @contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        try:
            with closing(sqlite3.connect(self._file, timeout=_SECONDS_TO_WAIT)) as database:
                yield database
        except sqlite3.OperationalError as error:  # no space, no right to write, locked for long
            raise OSError(f"The cache of features {self._file} fails: {error}.") from error
        except sqlite3.DatabaseError as error:
            raise IntegrityError(self._damaged(str(error))) from error

    def _read(self, stored: bytes) -> np.ndarray:
        content = stored[:-_SUM_BYTES]
        if stored[-_SUM_BYTES:] != _sum_of(content) or len(content) % 4:
            raise IntegrityError(self._damaged("a row is not what was written"))
        return np.frombuffer(content, dtype="<f4")

    def _damaged(self, why: str) -> str:
        return (
            f"The cache of features {self._file} cannot be used: {why}. Delete the file; the "
            "features are then computed again."
        )


def compute_unknown_rows(
    compute: Callable[..., tuple[np.ndarray, Errors]], images: Sequence[Any], cache: RowCache
) -> tuple[np.ndarray, Errors]:
    """Return what `compute_rows` returns, and compute only rows that the cache does not have.

    Parameters
    ----------
    compute : callable
        `compute_rows` with all of its options.
    images : sequence
        The images.
    cache : RowCache
        Rows computed before. New ones are stored batch by batch.
    """
    digests = [content_digest(image) for image in images]
    known = cache.find(digest for digest in digests if digest is not None)
    missing = [i for i, digest in enumerate(digests) if digest is None or digest not in known]

    def keep(places: list[int], rows: np.ndarray) -> None:
        pairs = zip((digests[missing[place]] for place in places), rows, strict=True)
        cache.keep({digest: row for digest, row in pairs if digest is not None})

    new, errors = compute([images[i] for i in missing], positions=missing, keep=keep)
    rows = np.empty((len(images), new.shape[1]), dtype=np.float32)
    rows[missing] = new
    for i, digest in enumerate(digests):
        if digest in known:
            rows[i] = known[digest]
    return rows, {missing[place]: error for place, error in errors.items()}


def content_digest(image: Any) -> bytes | None:
    """Return the SHA-256 of an image's file; None for other kinds of images and unreadable files.

    Examples
    --------
    >>> from zeroshot.backbones._row_cache import content_digest
    >>> content_digest(b"content of a file").hex()[:12], content_digest("no-such-file.jpg")
    ('2454bd67a642', None)
    """
    if is_content(image):
        return hashlib.sha256(image).digest()
    path = path_of(image) if isinstance(image, (str, os.PathLike)) else None
    if path is None or not os.path.isfile(path):
        return None
    try:
        return bytes.fromhex(sha256_of(path))
    except OSError:
        return None  # reading the image tells why


def _with_sum(row: np.ndarray) -> bytes:
    content = np.asarray(row, dtype="<f4").tobytes()
    return content + _sum_of(content)


def _sum_of(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=_SUM_BYTES).digest()
