"""Arrays on disk whose blocks are compared with checksums when they are first read."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from zeroshot.exceptions import IntegrityError

BLOCK_BYTES = 8192
SUM_BYTES = 32


def block_sums(array: np.ndarray) -> np.ndarray:
    """Return the SHA-256 of each block of 8,192 bytes of an array, C- or Fortran-contiguous.

    Returns
    -------
    ndarray of uint8 of shape (n_blocks, 32)
    """
    content = _bytes_of(array)
    sums = [
        hashlib.sha256(content[begin : begin + BLOCK_BYTES]).digest()
        for begin in range(0, len(content), BLOCK_BYTES)
    ]
    return np.frombuffer(b"".join(sums), dtype=np.uint8).reshape(-1, SUM_BYTES)


def n_blocks(array: np.ndarray) -> int:
    """Return how many checksums an array has."""
    return -(-array.nbytes // BLOCK_BYTES)


class CheckedArray:
    """An array whose parts are verified before they are read for the first time.

    Parameters
    ----------
    array : ndarray
        The array, C- or Fortran-contiguous. It may be a memory map.
    sums : ndarray of uint8 of shape (n_blocks, 32), optional
        Its checksums. None is for an array in memory, which is not verified.
    folder : Path, optional
        The folder of the store, for the message.
    name : str
        Name of the array's file, for the message.

    Examples
    --------
    >>> import numpy as np
    >>> from zeroshot.label_embeddings._block_sums import CheckedArray, block_sums
    >>> array = np.arange(10_000)
    >>> checked = CheckedArray(array, block_sums(array))
    >>> array[9_000] = 7
    >>> checked.rows(10, 12)
    array([10, 11])
    >>> checked.rows(8_999, 9_001)
    Traceback (most recent call last):
        ...
    zeroshot.exceptions.IntegrityError: The word vectors in None have changed since ...
    """

    def __init__(
        self,
        array: np.ndarray,
        sums: np.ndarray | None = None,
        folder: Path | None = None,
        name: str = "an array",
    ) -> None:
        self.unchecked = array
        self._where = folder, name
        is_c = array.flags.c_contiguous
        self._row_bytes = array.nbytes // max(len(array), 1) if is_c else array.itemsize
        column_bytes = len(array) * array.itemsize
        self._begins = (0,) if is_c else range(0, array.nbytes, column_bytes)
        self._sums = sums
        # One byte for each block: threads may verify a block twice, which does no harm.
        self._is_verified = bytearray(0 if sums is None else n_blocks(array))

    def __len__(self) -> int:
        return len(self.unchecked)

    def rows(self, start: int, stop: int) -> np.ndarray:
        """Return the rows from `start` to `stop`, verified."""
        stop = min(stop, len(self))
        if self._sums is not None and start < stop:
            for begin in self._begins:
                first = (begin + start * self._row_bytes) // BLOCK_BYTES
                last = (begin + stop * self._row_bytes - 1) // BLOCK_BYTES
                for block in range(first, last + 1):
                    if not self._is_verified[block]:
                        self._verify(block, self._sums)
        return self.unchecked[start:stop]

    def take(self, rows: np.ndarray) -> np.ndarray:
        """Return the rows at some places, verified."""
        for row in rows.tolist():
            self.rows(row, row + 1)
        return self.unchecked[rows]

    def whole(self) -> np.ndarray:
        """Return the whole array, verified."""
        return self.rows(0, len(self))

    def _verify(self, block: int, sums: np.ndarray) -> None:
        content = _bytes_of(self.unchecked)[block * BLOCK_BYTES : (block + 1) * BLOCK_BYTES]
        if hashlib.sha256(content).digest() != sums[block].tobytes():
            raise IntegrityError(changed(*self._where))
        self._is_verified[block] = True


def changed(folder: Path | None, name: str) -> str:
    """Return the message for content that is not what was written."""
    return (
        f"The word vectors in {folder} have changed since they were written, or the disk is "
        f"damaged: {name} does not have its checksums. Delete the folder, and pass the file of "
        f"vectors that it was made from."
    )


def _bytes_of(array: np.ndarray) -> memoryview:
    flat = array.reshape(-1) if array.flags.c_contiguous else array.T.reshape(-1)
    return flat.view(np.uint8).data
