"""Sources of images, cut into partitions: files and URLs, parquet, tar shards, data sets."""

from __future__ import annotations

import glob
import hashlib
import json
import os
import tarfile
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from zeroshot._utils._optional import import_optional
from zeroshot.datasets._folders import HEIF_EXTENSIONS, IMAGE_EXTENSIONS
from zeroshot.exceptions import DownloadError, IntegrityError, MissingDependencyError

OWNER = "open_source"
EXTRA = "scale"
MAX_MEMBER_BYTES = 500_000_000
_IMAGES = IMAGE_EXTENSIONS | HEIF_EXTENSIONS
_TARS = (".tar", ".tar.gz", ".tgz")


@dataclass(frozen=True)
class Item:
    """One image of a partition.

    Attributes
    ----------
    key : str
        Name of the image, unique in its source.
    image : path, bytes or None
        What a backbone takes for an image; None if it could not be fetched.
    columns : mapping of str to object
        Other values of the image, such as its label.
    error : str
        Why it could not be fetched.

    Examples
    --------
    >>> from zeroshot.scale import Item
    >>> Item("cat/1.jpg", "photos/cat/1.jpg", {"label": "cat"}).columns["label"]
    'cat'
    """

    key: str
    image: Any
    columns: Mapping[str, Any] = field(default_factory=dict)
    error: str = ""


class Partition(ABC):
    """A part of a source, small enough to travel to a worker.

    Attributes
    ----------
    name : str
        What messages call it.

    Examples
    --------
    `Source` has one.
    """

    name: str

    @abstractmethod
    def read(self) -> Iterator[Item]:
        """Yield the images one after another."""


class Source(ABC):
    """Images that are read a partition at a time.

    A subclass lists its partitions without reading an image, and describes what it lists. What it
    returns travels to workers by pickle.

    Examples
    --------
    >>> import io
    >>> from PIL import Image
    >>> from zeroshot.scale import Item, Partition, Source, open_source
    >>> class Gray(Partition):
    ...     def __init__(self, levels):
    ...         self.name, self.levels = f"levels {levels[0]} and on", levels
    ...     def read(self):
    ...         for level in self.levels:
    ...             file = io.BytesIO()
    ...             Image.new("L", (8, 8), level).save(file, "png")
    ...             yield Item(f"gray {level}", file.getvalue())
    >>> class Grays(Source):
    ...     def partitions(self, size):
    ...         return [Gray(range(i, min(i + size, 5))) for i in range(0, 5, size)]
    ...     def describe(self):
    ...         return {"kind": "grays", "n": 5}
    >>> [[item.key for item in part.read()] for part in open_source(Grays()).partitions(3)]
    [['gray 0', 'gray 1', 'gray 2'], ['gray 3', 'gray 4']]
    """

    @abstractmethod
    def partitions(self, size: int) -> Sequence[Partition]:
        """Return the partitions, each of about `size` images.

        Parameters
        ----------
        size : int
            Images per partition. Tar shards are partitions as they are.
        """

    @abstractmethod
    def describe(self) -> dict[str, Any]:
        """Return what tells this source from another one, as JSON knows it."""


def open_source(source: Any, *, image: str = "image", key: str | None = None) -> Source:
    """Return a source of images for whatever holds them.

    Parameters
    ----------
    source : str, path, list or data set
        One of these. Paths may be URLs that fsspec reads, such as ``s3://`` and ``https://``.

        - a folder: all images below it. The name of the subfolder of an image is its ``label``;
        - a glob such as ``photos/**/*.jpg``, a list of paths, or a ``.txt`` file with one per line;
        - parquet files, or a folder of them, with a column of image bytes, paths, or structs of
          ``bytes`` and ``path`` as Hugging Face writes them;
        - tar shards in the layout of WebDataset: files of one name, up to its first dot, are one
          image and its other values;
        - a `datasets.Dataset` of Hugging Face.
    image : str, default="image"
        Column that holds the images, where there are columns.
    key : str, optional
        Column that holds the keys. By default a key is the file and the number of the row.

    Returns
    -------
    Source
        The source. No image has been read.

    Raises
    ------
    FileNotFoundError
        There is no such file, or no image in the folder.
    ValueError
        The source is empty, has keys that repeat, or lacks the named column.
    MissingDependencyError
        A package for this source is not installed.

    Examples
    --------
    >>> from zeroshot.scale import open_source
    >>> source = open_source(["a.jpg", "b.jpg", "c.jpg"])
    >>> [[item.key for item in part.read()] for part in source.partitions(2)]
    [['a.jpg', 'b.jpg'], ['c.jpg']]
    """
    if isinstance(source, Source):
        return source
    if hasattr(source, "column_names") and hasattr(source, "select"):
        return TableRows(source, image, key)
    if isinstance(source, (str, os.PathLike)):
        return _of_path(os.fspath(source), image, key)
    if not isinstance(source, Sequence) or not all(
        isinstance(item, (str, os.PathLike)) for item in source
    ):
        raise TypeError(
            f"{OWNER}: source must be a path, a list of paths, or a data set, got "
            f"{type(source).__name__}. Pass the folder of the images, for example."
        )
    return _of_paths([os.fspath(item) for item in source], None, image, key)


def _of_path(path: str, image: str, key: str | None) -> Source:
    if any(mark in path for mark in "*?["):
        found = matching_files(path)
        if not found:
            raise FileNotFoundError(f"{OWNER}: no file matches {path}. Check the pattern.")
        return _of_paths(found, None, image, key)
    if path.endswith(".txt"):
        lines = _read(path).decode("utf-8-sig").splitlines()
        return _of_paths([line for line in lines if line.strip()], None, image, key)
    if not is_folder(path):
        if not is_remote(path) and not os.path.exists(path):
            raise FileNotFoundError(f"{OWNER}: there is no file or folder {path}. Check the path.")
        return _of_paths([path], None, image, key)
    if is_remote(path):
        system, inside = _file_system(path)
        path = system.unstrip_protocol(inside)  # as the files below it are called
    files = matching_files(f"{path.rstrip('/')}/**/*")
    for kind in ((".parquet",), _TARS):
        chosen = [file for file in files if file.endswith(kind) and not _is_hidden(file, path)]
        if chosen:
            return _of_paths(chosen, None, image, key)
    chosen = [file for file in files if _suffix(file) in _IMAGES and not _is_hidden(file, path)]
    if not chosen:
        raise FileNotFoundError(f"{OWNER}: {path} holds no image, parquet file or tar shard.")
    return _of_paths(chosen, path, image, key)


def _of_paths(paths: list[str], folder: str | None, image: str, key: str | None) -> Source:
    if not paths:
        raise ValueError(f"{OWNER}: source is empty. Pass the images, or a folder of them.")
    if all(path.endswith(".parquet") for path in paths):
        return ParquetFiles(paths, image, key)
    if all(path.endswith(_TARS) for path in paths):
        return TarShards(paths)
    return ImageFiles(paths, folder)


# Files and URLs


class ImageFiles(Source):
    """Image files and URLs, one image each.

    Parameters
    ----------
    paths : list of str
        Paths and URLs.
    folder : str, optional
        Folder that they lie in: keys are relative to it, and the first subfolder is the ``label``.
    """

    def __init__(self, paths: Sequence[str], folder: str | None = None) -> None:
        self._paths, self._folder = list(paths), folder
        self._keys = [_relative(path, folder) for path in paths]
        check_keys(self._keys, owner=OWNER)

    def partitions(self, size: int) -> Sequence[Partition]:
        """Return parts of the list."""
        return [
            Paths(
                f"images {start} to {min(start + size, len(self._paths)) - 1}",
                tuple(self._paths[start : start + size]),
                tuple(self._keys[start : start + size]),
                self._folder is not None,
            )
            for start in range(0, len(self._paths), size)
        ]

    def describe(self) -> dict[str, Any]:
        """Return the number of the images, and a hash of their keys."""
        return {"kind": "files", "n": len(self._keys), "keys": digest_of(self._keys)}


@dataclass(frozen=True)
class Paths(Partition):
    """Some paths and URLs."""

    name: str
    paths: tuple[str, ...]
    keys: tuple[str, ...]
    labelled: bool

    def read(self) -> Iterator[Item]:
        """Yield local paths as they are, and the content of URLs."""
        for path, key in zip(self.paths, self.keys, strict=True):
            columns = {"label": key.split("/")[0]} if self.labelled and "/" in key else {}
            if not is_remote(path):
                yield Item(key, path, columns)
                continue
            try:
                content = _fetch(path)
            except DownloadError as error:
                yield Item(key, None, columns, str(error))
            else:
                yield Item(key, content, columns)


# Parquet


class ParquetFiles(Source):
    """Rows of parquet files, one image each.

    Parameters
    ----------
    paths : list of str
        The files.
    image : str
        Column of image bytes, of paths, or of structs of both.
    key : str, optional
        Column of the keys.
    """

    def __init__(self, paths: Sequence[str], image: str, key: str | None = None) -> None:
        parquet = import_optional("pyarrow.parquet", owner=OWNER, extra=EXTRA)
        self._paths, self._image, self._key = list(paths), image, key
        self._n_rows, self._sizes = [], []
        keys: list[str] = []
        for path in paths:
            with opened_file(path) as file:
                try:
                    table = parquet.ParquetFile(file)
                except Exception as error:  # pyarrow raises ValueErrors and OSErrors of its own
                    raise IntegrityError(
                        f"{OWNER}: {path} cannot be read as parquet ({error}). Write it again."
                    ) from error
                names = table.schema_arrow.names
                for column in (image, *([] if key is None else [key])):
                    if column not in names:
                        raise ValueError(
                            f"{OWNER}: {path} has no column {column!r}. Its columns are "
                            f"{', '.join(map(repr, names))}: pass image= or key=."
                        )
                self._n_rows.append(table.metadata.num_rows)
                self._sizes.append(table.metadata.serialized_size)
                if key is not None:
                    keys += map(str, table.read(columns=[key])[key].to_pylist())
        check_keys(keys, owner=OWNER)
        if not sum(self._n_rows):
            raise ValueError(f"{OWNER}: source is empty: its parquet files have no rows.")

    def partitions(self, size: int) -> Sequence[Partition]:
        """Return ranges of rows, none of which spans two files."""
        return [
            ParquetRows(path, start, min(start + size, n_rows), self._image, self._key)
            for path, n_rows in zip(self._paths, self._n_rows, strict=True)
            for start in range(0, n_rows, size)
        ]

    def describe(self) -> dict[str, Any]:
        """Return the files, with their numbers of rows."""
        files = [
            [Path(path).name, rows, size]
            for path, rows, size in zip(self._paths, self._n_rows, self._sizes, strict=True)
        ]
        return {"kind": "parquet", "n": sum(self._n_rows), "files": digest_of(files)}


@dataclass(frozen=True)
class ParquetRows(Partition):
    """Some rows of a parquet file."""

    path: str
    start: int
    stop: int
    image: str
    key: str | None

    @property
    def name(self) -> str:  # type: ignore[override]
        """The file and its rows."""
        return f"{self.path}, rows {self.start} to {self.stop - 1}"

    def read(self) -> Iterator[Item]:
        """Yield the rows; only the row groups that hold them are read."""
        for row, values in enumerate(self.rows(), self.start):
            content = values.pop(self.image)
            key = f"{PurePosixPath(self.path).name}#{row}"
            if self.key is not None:
                key = str(values.pop(self.key))
            if isinstance(content, Mapping):  # as Hugging Face writes images
                content = content.get("bytes") or content.get("path")
            missing = "" if content else f"the image is missing: {self.image!r} is empty"
            yield Item(key, content or None, values, missing)

    def rows(self, batch_size: int = 64) -> Iterator[dict[str, Any]]:
        """Yield the values of each row, by the names of the columns."""
        for batch in self.batches(batch_size):
            yield from batch.to_pylist()

    def batches(self, batch_size: int, columns: list[str] | None = None) -> Iterator[Any]:
        """Yield record batches of these rows."""
        parquet = import_optional("pyarrow.parquet", owner=OWNER, extra=EXTRA)
        with opened_file(self.path) as file:
            table = parquet.ParquetFile(file)
            before, groups, skipped = 0, [], 0
            for group in range(table.num_row_groups):
                n_rows = table.metadata.row_group(group).num_rows
                if before + n_rows <= self.start:
                    skipped = before + n_rows
                elif before < self.stop:
                    groups.append(group)
                before += n_rows
            row = skipped
            for batch in table.iter_batches(batch_size, row_groups=groups, columns=columns):
                first, last = max(self.start - row, 0), min(self.stop - row, len(batch))
                row += len(batch)
                if first < last:
                    yield batch.slice(first, last - first)


# Tar shards


class TarShards(Source):
    """Tar shards in the layout of WebDataset; each is one partition.

    Parameters
    ----------
    paths : list of str
        The shards.
    """

    def __init__(self, paths: Sequence[str]) -> None:
        self._paths = list(paths)
        names = [PurePosixPath(path).name for path in paths]
        check_keys(names, owner=OWNER)

    def partitions(self, size: int) -> Sequence[Partition]:
        """Return the shards."""
        return [TarShard(path) for path in self._paths]

    def describe(self) -> dict[str, Any]:
        """Return the shards, with their sizes."""
        files = [[PurePosixPath(path).name, _size(path)] for path in self._paths]
        return {"kind": "tar", "n": len(files), "files": digest_of(files)}


@dataclass(frozen=True)
class TarShard(Partition):
    """One shard."""

    path: str

    @property
    def name(self) -> str:  # type: ignore[override]
        """The path of the shard."""
        return self.path

    def read(self) -> Iterator[Item]:
        """Yield the images; members of one name, up to its first dot, belong together."""
        shard, seen = PurePosixPath(self.path).name, set()
        for stem, members in self._groups():
            if stem in seen:
                raise IntegrityError(
                    f"{self.path} holds {stem} twice, with others between. Keys must be unique: "
                    "write the shard again."
                )
            seen.add(stem)
            images = {name: data for name, data in members.items() if f".{name}" in _IMAGES}
            others = {
                name: _decoded(name, data) for name, data in members.items() if name not in images
            }
            content = next(iter(images.values()), None)
            missing = "" if content else "the shard has no image of this name"
            yield Item(f"{shard}/{stem}", content, others, missing)

    def _groups(self) -> Iterator[tuple[str, dict[str, bytes]]]:
        stem, members = "", dict[str, bytes]()
        try:
            with opened_file(self.path) as file, tarfile.open(fileobj=file, mode="r|*") as archive:
                for member in archive:
                    if not member.isfile() or member.issparse():
                        continue
                    folder, _, name = member.name.rpartition("/")
                    first, _, suffix = name.partition(".")
                    own = f"{folder}/{first}" if folder else first
                    if own != stem and members:
                        yield stem, members
                        members = {}
                    stem = own
                    if member.size > MAX_MEMBER_BYTES:
                        raise IntegrityError(
                            f"{self.path}: {member.name} has {member.size:,} bytes, more than the "
                            f"{MAX_MEMBER_BYTES:,} allowed."
                        )
                    content = archive.extractfile(member)
                    members[suffix.lower()] = b"" if content is None else content.read()
        except (tarfile.TarError, EOFError, OSError) as error:
            raise IntegrityError(
                f"{self.path} cannot be read to its end ({type(error).__name__}: {error}). It may "
                "be cut: get it again."
            ) from error
        if members:
            yield stem, members


def _decoded(suffix: str, content: bytes) -> Any:
    """Return the value of a member beside an image: text, or what JSON holds."""
    text = content.decode("utf-8", errors="replace").strip()
    if suffix != "json":
        return text
    try:
        return json.loads(text)
    except ValueError:
        return text


# Data sets with rows


class TableRows(Source):
    """A data set of Hugging Face, or whatever else has ``column_names`` and ``select``.

    Parameters
    ----------
    table : Dataset
        With ``len``, ``column_names``, and ``select(range)`` that yields mappings.
    image, key : str
        The columns of the images and, optionally, of the keys.
    """

    def __init__(self, table: Any, image: str, key: str | None = None) -> None:
        for column in (image, *([] if key is None else [key])):
            if column not in table.column_names:
                raise ValueError(
                    f"{OWNER}: the data set has no column {column!r}. Its columns are "
                    f"{', '.join(map(repr, table.column_names))}: pass image= or key=."
                )
        if not len(table):
            raise ValueError(f"{OWNER}: source is empty: the data set has no rows.")
        self._table, self._image, self._key = table, image, key

    def partitions(self, size: int) -> Sequence[Partition]:
        """Return ranges of rows."""
        n_rows = len(self._table)
        return [
            Rows(self._table.select(range(start, min(start + size, n_rows))), start, self)
            for start in range(0, n_rows, size)
        ]

    def describe(self) -> dict[str, Any]:
        """Return the number of rows, and the data set's own fingerprint if it has one."""
        own = str(getattr(self._table, "_fingerprint", ""))
        return {"kind": "rows", "n": len(self._table), "fingerprint": own}

    def item(self, row: Mapping[str, Any], number: int) -> Item:
        """Return a row as an item."""
        values = dict(row)
        content = values.pop(self._image)
        key = str(number if self._key is None else values.pop(self._key))
        missing = "" if content is not None else f"the image is missing: {self._image!r} is empty"
        return Item(key, content, values, missing)


@dataclass(frozen=True)
class Rows(Partition):
    """Some rows of a data set."""

    table: Any
    start: int
    source: TableRows

    @property
    def name(self) -> str:  # type: ignore[override]
        """The numbers of the rows."""
        return f"rows {self.start} to {self.start + len(self.table) - 1}"

    def read(self) -> Iterator[Item]:
        """Yield the rows."""
        for number, row in enumerate(self.table, self.start):
            yield self.source.item(row, number)

    def __getstate__(self) -> dict[str, Any]:
        """Leave the other rows of the data set behind."""
        source = object.__new__(TableRows)
        source._image, source._key = self.source._image, self.source._key
        source._table = None
        return {"table": self.table, "start": self.start, "source": source}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)


def check_keys(keys: Sequence[str], *, owner: str) -> None:
    """Raise if keys repeat.

    Raises
    ------
    ValueError
        The message names some of them.
    """
    if len(set(keys)) == len(keys):
        return
    seen: set[str] = set()
    twice = [key for key in keys if key in seen or seen.add(key)]  # type: ignore[func-returns-value]
    raise ValueError(
        f"{owner}: {len(twice)} keys repeat, such as {twice[0]!r}. Keys must be unique: remove the "
        "copies, or name another column with key=."
    )


# Paths and URLs


def is_remote(path: str) -> bool:
    """Tell whether a path is a URL."""
    return "://" in path


def _suffix(path: str) -> str:
    return PurePosixPath(path).suffix.lower()


def _file_system(path: str) -> tuple[Any, str]:
    core = import_optional(
        "fsspec.core", owner=f"{OWNER} of {path.partition('://')[0]}", extra=EXTRA
    )
    try:
        return core.url_to_fs(path)
    except ImportError as error:  # fsspec names the package, such as s3fs
        raise MissingDependencyError(f"{OWNER}: {path} needs another package: {error}") from error


def opened_file(path: str) -> Any:
    """Return a file or URL, opened for reading."""
    if not is_remote(path):
        return open(path, "rb")
    system, inside = _file_system(path)
    return system.open(inside, "rb")


def _read(path: str) -> bytes:
    with opened_file(path) as file:
        return file.read(MAX_MEMBER_BYTES)


def _fetch(url: str) -> bytes:
    try:
        return _read(url)
    except Exception as error:  # file systems of fsspec raise errors of their own
        raise DownloadError(f"{url} cannot be fetched ({type(error).__name__}: {error})") from error


def _size(path: str) -> int | None:
    if not is_remote(path):
        return os.path.getsize(path)
    system, inside = _file_system(path)
    return system.size(inside)


def is_folder(path: str) -> bool:
    """Tell whether there is such a folder."""
    if not is_remote(path):
        return os.path.isdir(path)
    system, inside = _file_system(path)
    return system.isdir(inside)


def matching_files(pattern: str) -> list[str]:
    """Return the files that match, sorted."""
    if not is_remote(pattern):
        return sorted(file for file in glob.glob(pattern, recursive=True) if os.path.isfile(file))
    system, inside = _file_system(pattern)
    found = sorted(
        name for name, about in system.glob(inside, detail=True).items() if about["type"] == "file"
    )
    return [system.unstrip_protocol(name) for name in found]


def _relative(path: str, folder: str | None) -> str:
    """Return the path in the folder, with slashes."""
    if folder is None:
        return path
    start = folder.rstrip("/") + "/"
    return (
        path.removeprefix(start)
        if path.startswith(start)
        else Path(path).relative_to(folder).as_posix()
    )


def _is_hidden(path: str, folder: str) -> bool:
    return any(part.startswith((".", "_")) for part in _relative(path, folder).split("/"))


def digest_of(values: Any) -> str:
    """Return the SHA-256 of values that JSON knows."""
    return hashlib.sha256(json.dumps(values).encode()).hexdigest()
