"""Features that lie in a parquet data set, read in blocks."""

from __future__ import annotations

import copy
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from zeroshot._utils._optional import import_optional
from zeroshot.scale._sources import EXTRA, ParquetRows

OWNER = "FeaturesDataset"
BLOCK_ROWS = 4_096


class FeaturesDataset:
    """Rows of features in parquet files, such as `embed_dataset` writes. Nothing stays in memory.

    Parameters
    ----------
    path : path, or list of paths
        A folder of parquet files, or the files.
    column : str, default="features"
        The column of features: lists of numbers, all of one length.

    Attributes
    ----------
    shape : tuple of int
        Number of rows, and of features.
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
    >>> features.shape, blocks
    ((2, 2), [([[1.0, 2.0], [3.0, 4.0]], ['cat', 'dog'])])
    """

    def __init__(
        self, path: str | os.PathLike | Sequence[str], *, column: str = "features"
    ) -> None:
        parquet = import_optional("pyarrow.parquet", owner=OWNER, extra=EXTRA)
        if isinstance(path, (str, os.PathLike)):
            folder = Path(path).expanduser()
            found = sorted(folder.glob("*.parquet")) if folder.is_dir() else [folder]
            self.files = [str(file) for file in found]
        else:
            self.files = [os.fspath(file) for file in path]
        if not self.files or not os.path.isfile(self.files[0]):
            raise FileNotFoundError(f"{OWNER}: there is no parquet file in {path}. Check the path.")
        self.column, self.n_rows = column, []
        widths: set[int] = set()
        for file in self.files:
            table = parquet.ParquetFile(file)
            if column not in table.schema_arrow.names:
                names = ", ".join(map(repr, table.schema_arrow.names))
                raise ValueError(
                    f"{OWNER}: {file} has no column {column!r}. Its columns are {names}: pass "
                    "column=."
                )
            self.n_rows.append(table.metadata.num_rows)
            widths |= _widths(table, column)
        if len(widths) != 1:
            raise ValueError(
                f"{OWNER}: the rows of {column!r} have {len(widths)} widths "
                f"({sorted(widths)[:3]}). Pass files of one kind of features, not empty."
            )
        self.shape = sum(self.n_rows), widths.pop()

    def __len__(self) -> int:
        return self.shape[0]

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
        for file, n_rows in zip(self.files, self.n_rows, strict=True):
            rows = ParquetRows(file, 0, n_rows, self.column, None)
            for batch in rows.batches(size, [self.column, *columns]):
                values = batch.column(batch.schema.get_field_index(self.column))
                flat = values.flatten().to_numpy(zero_copy_only=False)
                if values.null_count or len(flat) != len(batch) * self.shape[1]:
                    raise ValueError(
                        f"{OWNER}: {file} has rows of another width than {self.shape[1]}, or "
                        "without features."
                    )
                X = flat.reshape(len(batch), self.shape[1])
                if not np.isfinite(X).all():
                    raise ValueError(f"{OWNER}: {file} holds NaN or infinity.")
                others = {name: batch.column(name).to_pylist() for name in columns}
                yield X, others


def _widths(table: Any, column: str) -> set[int]:
    """Return the width of the rows; nothing where no row tells."""
    kind = table.schema_arrow.field(column).type
    size = getattr(kind, "list_size", None)
    if size is not None:
        return {int(size)}
    for batch in table.iter_batches(1, columns=[column]):
        return {len(batch.column(0)[0])}
    return set()
