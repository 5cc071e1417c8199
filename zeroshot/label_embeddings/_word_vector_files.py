"""Files of word vectors: what format they are in, whether they are whole, and gensim reading them.

gensim reads the binary formats. Text is read here: gensim takes a headerless file that was cut off
for a smaller one, fills a row from a line that has a single figure left, refuses words that hold
spaces (GloVe 840B has some), leaves the file open, and takes four times as long.
"""

from __future__ import annotations

import struct
import zlib
from array import array
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from zeroshot._optional import import_optional
from zeroshot.exceptions import IntegrityError
from zeroshot.label_embeddings._word_vector_store import ReadVectors

_FASTTEXT_MAGIC = struct.pack("<i", 793712314)
_FASTTEXT_START = 92  # bytes before the first word: magic, version, 12 ints, a double, the counts
_FASTTEXT_N_WORDS = 64
_READ_ERRORS = (
    ValueError, EOFError, OSError, struct.error, zlib.error, AssertionError,
    LookupError, OverflowError, MemoryError, NotImplementedError,
)  # fmt: skip  # what gensim's readers raise on damaged files


def read_package(vectors: Path, index: Path) -> ReadVectors:
    """Map a pip package's array of vectors, and read its words from parquet.

    Raises
    ------
    IntegrityError
        A file is damaged, or they are not of the same length.
    """
    parquet = import_optional("pyarrow.parquet", owner="WordVectors", extra="demo")
    try:
        words = parquet.read_table(index).column(0).to_pylist()
        table = np.load(vectors, mmap_mode="r")
    except _READ_ERRORS as error:
        raise IntegrityError(
            f"WordVectors: cannot read {vectors} and {index}: {error}. Install the package that "
            f"holds them again."
        ) from error
    if len(words) != len(table):
        raise IntegrityError(
            f"WordVectors: {index} names {len(words):,} words, and {vectors} has {len(table):,} "
            f"rows. Install the package that holds them again."
        )
    return ReadVectors(words, table, len(words))


def read_file(path: Path) -> ReadVectors:
    """Read a file of word vectors in any known format.

    Raises
    ------
    IntegrityError
        It is truncated, damaged, or of no known format.
    """
    from gensim import utils

    try:
        with utils.open(str(path), "rb") as file:
            start = file.read(4096)
        if start.startswith(b"\x80"):
            raise IntegrityError(
                f"WordVectors: {path} is a pickle, which is never opened here. Where you trust it, "
                f"load it with gensim's KeyedVectors.load and pass the object."
            )
        if start.startswith(_FASTTEXT_MAGIC):
            return _read_fasttext(path)
        header = _header(start)
        if header and not _is_text(start.partition(b"\n")[2], header[1]):
            return _read_word2vec_binary(path, *header)
        return _read_text(path, header)
    except IntegrityError:
        raise
    except _READ_ERRORS as error:
        raise IntegrityError(
            f"WordVectors: {path} is damaged or no file of word vectors: "
            f"{type(error).__name__}: {error}. Pass a whole word2vec, GloVe or fastText file."
        ) from error


def _read_fasttext(path: Path) -> ReadVectors:
    from gensim.models.fasttext import load_facebook_vectors

    _check_fasttext_words(path)
    keyed = load_facebook_vectors(str(path))
    return ReadVectors(keyed.index_to_key, keyed.vectors, len(keyed.index_to_key))


def _check_fasttext_words(path: Path) -> None:
    """Raise where a fastText file ends among its words: gensim would wait for the rest for ever."""
    from gensim import utils

    with utils.open(str(path), "rb") as file:
        start = file.read(_FASTTEXT_START)
        if len(start) == _FASTTEXT_START:
            (n_words,) = struct.unpack_from("<i", start, _FASTTEXT_N_WORDS)
            found = _count_fasttext_words(file, n_words)
        else:
            n_words, found = 0, -1
    if found != n_words or n_words < 1:
        raise IntegrityError(
            f"WordVectors: {path} announces {n_words:,} words and holds {max(found, 0):,}: it is "
            f"truncated. Fetch the file again."
        )


def _count_fasttext_words(file: Any, most: int) -> int:
    """Count words, each a string that ends in a zero byte, then a count and a type: 9 bytes."""
    buffer, place = b"", 0
    for found in range(most):
        while (end := buffer.find(b"\0", place)) < 0 or end + 10 > len(buffer):
            more = file.read(1 << 20)
            if not more:
                return found
            buffer, place = buffer[place:] + more, 0
        place = end + 10
    return most


def _read_word2vec_binary(path: Path, n_words: int, n_dims: int) -> ReadVectors:
    from gensim.models import KeyedVectors

    _check_room(path, n_words, n_bytes=n_dims * 4 + 2)
    try:
        keyed = KeyedVectors.load_word2vec_format(str(path), binary=True, unicode_errors="replace")
    except EOFError as error:
        raise IntegrityError(
            f"WordVectors: {path} announces {n_words:,} words and ends before the last: it is "
            f"truncated. Fetch the file again."
        ) from error
    return ReadVectors(keyed.index_to_key, keyed.vectors, n_words)


def _read_text(path: Path, header: tuple[int, int] | None) -> ReadVectors:
    from gensim import utils

    if header:
        _check_room(path, header[0], n_bytes=header[1] * 2 + 2)
    n_rows, n_dims = 0, header[1] if header else None
    words: dict[str, None] = {}
    figures = array("f")
    with utils.open(str(path), "rb") as file:
        if header:
            file.readline()
        lines = islice(file, header[0] if header else None)
        for word, vector in _parse_lines(path, lines, n_dims):
            n_rows += 1
            if word not in words:  # the first of repeated words counts, as gensim has it
                words[word] = None
                figures.extend(vector)
    if n_rows == 0 or (header and n_rows != header[0]):
        announced = f"announces {header[0]:,} words and holds {n_rows:,}" if header else "is empty"
        raise IntegrityError(
            f"WordVectors: {path} {announced}: it is truncated. Fetch the file again."
        )
    vectors = np.frombuffer(figures, dtype=np.float32).reshape(len(words), -1)
    return ReadVectors(list(words), vectors, n_rows)


def _parse_lines(
    path: Path, lines: Iterable[bytes], n_dims: int | None
) -> Iterator[tuple[str, list[float]]]:
    """Yield word and figures of each line; raise where a line has another number of figures.

    The first line decides how many figures there are where no header does. Words may hold spaces,
    as some in GloVe 840B do.
    """
    for number, line in enumerate(lines, start=1):
        line = line.rstrip()
        if n_dims is None:
            n_dims = line.count(b" ")
        word, *figures = line.rsplit(b" ", n_dims) if n_dims else [line]
        if len(figures) != n_dims or n_dims == 0 or _ends_in_a_figure(word):
            raise IntegrityError(
                f"WordVectors: the line of word {number:,} in {path} has {line.count(b' ')} "
                f"figures, expected {n_dims or 'at least 1'}: the file is truncated, damaged, or "
                f"no file of word vectors. Fetch it again."
            )
        yield word.decode("utf-8", errors="replace"), [float(figure) for figure in figures]


def _ends_in_a_figure(word: bytes) -> bool:
    """Tell a line with too many figures from a word that holds spaces."""
    if b" " not in word:
        return False
    try:
        float(word.rpartition(b" ")[2])
    except ValueError:
        return False
    return True


def _check_room(path: Path, n_words: int, *, n_bytes: int) -> None:
    """Raise before memory is set aside for more words than the file can hold."""
    compressed = path.suffix in (".gz", ".bz2", ".xz")
    if not compressed and n_words * n_bytes > path.stat().st_size + n_words:
        raise IntegrityError(
            f"WordVectors: {path} announces {n_words:,} words and has room for "
            f"{path.stat().st_size // n_bytes:,} at most: it is truncated. Fetch the file again."
        )


def _header(start: bytes) -> tuple[int, int] | None:
    """Return (n_words, n_dims) where the first line announces them."""
    fields = start.partition(b"\n")[0].split()
    if len(fields) != 2 or not all(field.isdigit() for field in fields):
        return None
    n_words, n_dims = map(int, fields)
    return (n_words, n_dims) if n_words and n_dims else None


def _is_text(rows: bytes, n_dims: int) -> bool:
    """Tell text from binary by the first row: whether its figures are written out."""
    fields: Sequence[bytes] = rows.partition(b"\n")[0].split(b" ")[1 : n_dims + 1]
    try:
        [float(field) for field in fields[:8]]
    except ValueError:
        return False
    return bool(fields)
