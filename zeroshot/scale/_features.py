"""Features that lie in a parquet data set, read in blocks."""

from __future__ import annotations

import copy
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from zeroshot._utils._optional import import_optional
from zeroshot.scale._sources import (
    EXTRA,
    Item,
    ParquetRows,
    Partition,
    Source,
    digest_of,
    is_folder,
    is_remote,
    matching_files,
    opened_file,
)

OWNER = "FeaturesDataset"
BLOCK_ROWS = 4_096


class FeaturesDataset:
    """Rows of features in parquet files, such as `embed_dataset` writes, read as they are needed.

    Where blocks of rows are enough, it stands for the array: `evaluate_zero_shot`, the scorers and
    the report take it as X, and read some thousand rows at a time. What needs an array gets one, by
    ``numpy.asarray``, with all rows in memory.

    Parameters
    ----------
    path : path or URL, or list of them
        A folder of parquet files, or the files.
    column : str, default="features"
        The column of features: lists of numbers, all of one length.

    Attributes
    ----------
    shape : tuple of int
        Number of rows, and of features.
    dtype : dtype
        Of the features.
    files : list of str
        The files, in the order of the rows.

    Raises
    ------
    FileNotFoundError
        There is no parquet file.
    ValueError
        A file has no such column, or rows of another width.

    Examples
    --------
    >>> import tempfile
    >>> import pyarrow, pyarrow.parquet
    >>> from zeroshot.scale import FeaturesDataset
    >>> table = pyarrow.table({"features": [[1.0, 2.0], [3.0, 4.0]], "label": ["cat", "dog"]})
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     pyarrow.parquet.write_table(table, f"{folder}/part-0.parquet")
    ...     features = FeaturesDataset(folder)
    ...     blocks = [(X.tolist(), values["label"]) for X, values in features.blocks(["label"])]
    ...     last, labels = features[1:].tolist(), features.column_values("label").tolist()
    >>> features.shape, blocks
    ((2, 2), [([[1.0, 2.0], [3.0, 4.0]], ['cat', 'dog'])])
    >>> last, labels
    ([[3.0, 4.0]], ['cat', 'dog'])
    """

    ndim = 2

    def __init__(
        self, path: str | os.PathLike | Sequence[str], *, column: str = "features"
    ) -> None:
        parquet = import_optional("pyarrow.parquet", owner=OWNER, extra=EXTRA)
        self.files = _files(path)
        if not self.files or not (is_remote(self.files[0]) or os.path.isfile(self.files[0])):
            raise FileNotFoundError(f"{OWNER}: there is no parquet file in {path}. Check the path.")
        self.column, self.n_rows, self.columns = column, [], []
        widths: set[int] = set()
        for file in self.files:
            with opened_file(file) as content:
                table = parquet.ParquetFile(content)
                self.columns = table.schema_arrow.names
                if column not in self.columns:
                    names = ", ".join(map(repr, self.columns))
                    raise ValueError(
                        f"{OWNER}: {file} has no column {column!r}. Its columns are {names}: pass "
                        "column=."
                    )
                self.n_rows.append(table.metadata.num_rows)
                kind = table.schema_arrow.field(column).type
                self.dtype = np.dtype(kind.value_type.to_pandas_dtype())
                widths |= _widths(table, column)
        if len(widths) != 1:
            raise ValueError(
                f"{OWNER}: the rows of {column!r} have {len(widths)} widths "
                f"({sorted(widths)[:3]}). Pass files of one kind of features, not empty."
            )
        self.shape = sum(self.n_rows), widths.pop()
        self._reader = _Reader(self)

    def __len__(self) -> int:
        return self.shape[0]

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_reader"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._reader = _Reader(self)

    def __getitem__(self, rows: Any) -> np.ndarray:
        """Return rows, (n_rows, n_features). Ascending numbers take one pass over the files.

        Parameters
        ----------
        rows : slice, or array of int or bool
            Which rows.
        """
        if not isinstance(rows, (slice, np.ndarray, list)):
            raise TypeError(
                f"{OWNER}: rows must be a slice or an array of row numbers, got {rows!r}. Pass "
                "[3:4] for one row."
            )
        numbers = np.arange(len(self))[rows]
        order = np.argsort(numbers, kind="stable")
        ascending = numbers[order]
        found = np.empty((len(numbers), self.shape[1]), dtype=self.dtype)
        filled = 0
        while filled < len(order):
            start, block = self._reader.block(int(ascending[filled]))
            stop = int(np.searchsorted(ascending, start + len(block)))
            found[order[filled:stop]] = block[ascending[filled:stop] - start]
            filled = stop
        return found

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """Return all rows as one array in memory."""
        return self[:] if dtype is None else self[:].astype(dtype)

    def column_values(self, name: str) -> np.ndarray:
        """Return the values of another column, such as the labels, (n_rows,).

        Parameters
        ----------
        name : str
            Of a column of strings or numbers.

        Raises
        ------
        ValueError
            There is no such column, or a row has no value in it.
        """
        if name not in self.columns:
            names = ", ".join(map(repr, self.columns))
            raise ValueError(f"{OWNER}: there is no column {name!r}. The columns are {names}.")
        found = []
        for rows in self._parts_of_files():
            for batch in rows.batches(1 << 16, [name]):
                values = batch.column(0)
                if values.null_count:
                    raise ValueError(
                        f"{OWNER}: {values.null_count} rows of {rows.path} have no {name!r}. Give "
                        "them one, or write the features without these images."
                    )
                coded = values.dictionary_encode()
                distinct = np.array(coded.dictionary.to_pylist())
                found.append(distinct[coded.indices.to_numpy()] if len(coded) else distinct)
        return np.concatenate([values for values in found if len(values)])

    def parts(self, n_parts: int) -> list[FeaturesDataset]:
        """Return at most `n_parts` data sets of consecutive files, none of them without rows.

        Parameters
        ----------
        n_parts : int
            How many, at most.
        """
        given = [pair for pair in zip(self.files, self.n_rows, strict=True) if pair[1]]
        groups = np.array_split(np.arange(len(given)), min(n_parts, len(given)) or 1)
        found = []
        for rows in groups:
            part = copy.copy(self)
            part.files = [given[row][0] for row in rows]
            part.n_rows = [given[row][1] for row in rows]
            part.shape = sum(part.n_rows), self.shape[1]
            found.append(part)
        return [part for part in found if part.files]

    def blocks(
        self, columns: Sequence[str] = (), *, size: int = BLOCK_ROWS
    ) -> Iterator[tuple[np.ndarray, dict[str, list[Any]]]]:
        """Yield rows of features, (n_rows, n_features), with the values of other columns.

        Parameters
        ----------
        columns : sequence of str, default=()
            Names of other columns.
        size : int, default=4096
            Rows per block, at most.

        Raises
        ------
        ValueError
            A row has another width, or holds NaN or infinity.
        """
        for rows in self._parts_of_files():
            for X, others in feature_rows(rows, self.shape[1], columns, size):
                if not np.isfinite(X).all():
                    raise ValueError(f"{OWNER}: {rows.path} holds NaN or infinity.")
                yield X, others

    def _parts_of_files(self) -> Iterator[ParquetRows]:
        for file, n_rows in zip(self.files, self.n_rows, strict=True):
            yield ParquetRows(file, 0, n_rows, self.column, None)


class FeatureSource(Source):
    """Rows of features, as a source of partitions.

    Parameters
    ----------
    features : FeaturesDataset
        The rows.
    """

    def __init__(self, features: FeaturesDataset) -> None:
        self._features = features

    def partitions(self, size: int) -> Sequence[Partition]:
        """Return ranges of rows, none of which spans two files."""
        features = self._features
        key = "key" if "key" in features.columns else None
        return [
            FeatureRows(
                ParquetRows(path, start, min(start + size, n_rows), features.column, key),
                features.shape[1],
            )
            for path, n_rows in zip(features.files, features.n_rows, strict=True)
            for start in range(0, n_rows, size)
        ]

    def describe(self) -> dict[str, Any]:
        """Return the number of rows and features, and a hash of the files' names and rows."""
        features = self._features
        files = [
            [PurePosixPath(path).name, n_rows]
            for path, n_rows in zip(features.files, features.n_rows, strict=True)
        ]
        about = {"kind": "features", "n": len(features), "column": features.column}
        return {**about, "n_features": features.shape[1], "files": digest_of(files)}


@dataclass(frozen=True)
class FeatureRows(Partition):
    """Some rows of features of one file."""

    rows: ParquetRows
    width: int

    @property
    def name(self) -> str:  # type: ignore[override]
        """The file and its rows."""
        return self.rows.name

    def read(self) -> Iterator[Item]:
        """Yield the rows one after another, each as an array in place of an image."""
        for keys, X, _ in self.blocks((), BLOCK_ROWS):
            yield from map(Item, keys, X)

    def blocks(
        self, columns: Sequence[str], size: int
    ) -> Iterator[tuple[list[str], np.ndarray, dict[str, list[Any]]]]:
        """Yield keys, features and the values of other columns, some rows at a time."""
        row, key = self.rows.start, self.rows.key
        wanted = list(dict.fromkeys([*columns, *([] if key is None else [key])]))
        for X, others in feature_rows(self.rows, self.width, wanted, size):
            if key is None:
                file = PurePosixPath(self.rows.path).name
                keys = [f"{file}#{number}" for number in range(row, row + len(X))]
            else:
                keys = list(map(str, others[key]))
            row += len(X)
            yield keys, X, others


class _Reader:
    """A place in the files of a data set: blocks are read onwards from it.

    Parameters
    ----------
    features : FeaturesDataset
        What is read.
    """

    def __init__(self, features: FeaturesDataset) -> None:
        self._files = list(zip(features.files, features.n_rows, strict=True))
        self._column, self._width = features.column, features.shape[1]
        self._ends = np.cumsum(features.n_rows)
        self._start, self._block = 0, np.empty((0, self._width))
        self._file = -1
        self._rest: Iterator[np.ndarray] = iter(())

    def block(self, row: int) -> tuple[int, np.ndarray]:
        """Return a block that holds this row, and the number of its first row."""
        number = int(np.searchsorted(self._ends, row, side="right"))
        if number != self._file or row < self._start:
            path, n_rows = self._files[number]
            before = int(self._ends[number]) - n_rows
            rows = ParquetRows(path, row - before, n_rows, self._column, None)
            self._rest = self._finite(rows)
            self._file, self._start, self._block = number, row, np.empty((0, self._width))
        while row >= self._start + len(self._block):
            self._start += len(self._block)
            self._block = next(self._rest)
        return self._start, self._block

    def _finite(self, rows: ParquetRows) -> Iterator[np.ndarray]:
        for X, _ in feature_rows(rows, self._width, (), BLOCK_ROWS):
            if not np.isfinite(X).all():
                raise ValueError(f"{OWNER}: {rows.path} holds NaN or infinity.")
            yield X


def feature_rows(
    rows: ParquetRows, width: int, columns: Sequence[str], size: int
) -> Iterator[tuple[np.ndarray, dict[str, list[Any]]]]:
    """Yield features, (n_rows, width), and the values of other columns, of rows of a file.

    Raises
    ------
    ValueError
        A row has another width, or no features.
    """
    for batch in rows.batches(size, [rows.image, *columns]):
        values = batch.column(batch.schema.get_field_index(rows.image))
        flat = values.flatten().to_numpy(zero_copy_only=False)
        if values.null_count or len(flat) != len(batch) * width:
            raise ValueError(
                f"{OWNER}: {rows.path} has rows of another width than {width}, or without features."
            )
        others = {
            name: batch.column(batch.schema.get_field_index(name)).to_pylist() for name in columns
        }
        yield flat.reshape(len(batch), width), others


def _files(path: Any) -> list[str]:
    """Return the files of a folder, sorted, or those that are given."""
    if not isinstance(path, (str, os.PathLike)):
        return [os.fspath(file) for file in path]
    place = os.fspath(path)
    if is_remote(place):
        return matching_files(f"{place.rstrip('/')}/*.parquet") if is_folder(place) else [place]
    folder = Path(place).expanduser()
    found = sorted(folder.glob("*.parquet")) if folder.is_dir() else [folder]
    return [str(file) for file in found]


def _widths(table: Any, column: str) -> set[int]:
    """Return the width of the rows; nothing where no row tells."""
    kind = table.schema_arrow.field(column).type
    size = getattr(kind, "list_size", None)
    if size is not None:
        return {int(size)}
    for batch in table.iter_batches(1, columns=[column]):
        return {len(batch.column(0)[0])}
    return set()
