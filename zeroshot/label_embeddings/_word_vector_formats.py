"""File formats of word vectors: word2vec, GloVe and fastText, read strictly.

gensim reads fastText's binary format. The others are read here: gensim takes a headerless file that
was cut off for a smaller one, fills a row from a line that has a single figure left, refuses words
that hold spaces (GloVe 840B has some), and takes four times as long.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import struct
import zlib
from array import array
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from zeroshot.exceptions import IntegrityError
from zeroshot.label_embeddings._word_vector_store import NO_WORDS, ReadVectors

_OPENERS: dict[str, Callable[..., Any]] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
_CHUNK = 1 << 20
_MAX_LINE = 1 << 20
_MAX_WORD = 1 << 12
# Written figures are compressed to a third. So a small file that unpacks to much is refused.
_MAX_RATIO = 20
_SMALL_BYTES = 4_000_000
_UTF8_MARK = b"\xef\xbb\xbf"
_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")

_FASTTEXT_MAGIC = struct.pack("<i", 793712314)
_FASTTEXT_START = 92  # bytes before the first word: magic, version, 12 ints, a double, the counts
_FASTTEXT_DIM, _FASTTEXT_MAXN, _FASTTEXT_N_WORDS = 8, 48, 64
_FASTTEXT_LONGEST = 16  # characters of a part of a word; fastText's default is 6
_READ_ERRORS = (
    ArithmeticError, AssertionError, EOFError, LookupError, MemoryError, NotImplementedError,
    OSError, ValueError, lzma.LZMAError, struct.error, zlib.error,
)  # fmt: skip  # what readers raise on damaged files


class Encoding(NamedTuple):
    """How the words of a file are encoded, and what is done about bytes that are not."""

    name: str = "utf-8"
    errors: str = "strict"

    def options(self) -> dict[str, str]:
        """Return both as the parameters of `WordVectors`."""
        return {"encoding": self.name, "encoding_errors": self.errors}


UTF8 = Encoding()


def read_file(path: Path, encoding: Encoding = UTF8) -> ReadVectors:
    """Read a file of word vectors in any known format.

    Raises
    ------
    IntegrityError
        It is truncated, damaged, of no known format, or unpacks to more than a file of its size
        can hold.
    """
    try:
        with _opened(path) as file:
            start = file.read(4096)
            _check_kind(path, start)
            if start.startswith(_FASTTEXT_MAGIC):
                return _read_fasttext(path)
            begin = len(_UTF8_MARK) if start.startswith(_UTF8_MARK) else 0
            header = _header(start[begin:])
            file.seek(begin)
            if header and not _is_text(start.partition(b"\n")[2], header[1]):
                return _read_binary(path, file, header, encoding)
            return _read_text(path, file, header, encoding)
    except IntegrityError:
        raise
    except _READ_ERRORS as error:
        raise IntegrityError(
            f"WordVectors: {path} is damaged or no file of word vectors: "
            f"{type(error).__name__}: {error}. Pass a whole word2vec, GloVe or fastText file."
        ) from error


def _opened(path: Path) -> BinaryIO:
    return _OPENERS.get(path.suffix, open)(path, "rb")


def _check_kind(path: Path, start: bytes) -> None:
    if start.startswith(b"\x80"):
        raise IntegrityError(
            f"WordVectors: {path} is a pickle, which is never opened here. Where you trust it, "
            f"load it with gensim's KeyedVectors.load and pass the object."
        )
    if start.startswith(_UTF16_MARKS):
        raise IntegrityError(f"WordVectors: {path} is text in UTF-16. Save it in UTF-8.")


def _most(path: Path) -> int:
    """Return how many bytes a file may unpack to."""
    size = path.stat().st_size
    return _MAX_RATIO * size + _SMALL_BYTES if path.suffix in _OPENERS else size


def _header(start: bytes) -> tuple[int, int] | None:
    """Return (n_words, n_dims) where the first line announces them."""
    fields = start.partition(b"\n")[0].split()
    if len(fields) != 2 or not all(field.isdigit() and len(field) < 16 for field in fields):
        return None
    n_words, n_dims = map(int, fields)
    return (n_words, n_dims) if n_words and n_dims else None


def _is_text(rows: bytes, n_dims: int) -> bool:
    """Tell text from binary by the first row: whether its figures are written out."""
    row, is_whole, _ = rows.partition(b"\n")
    fields = row.split()[1:] if is_whole else row.split()[1:-1]
    try:
        [float(field) for field in fields[-min(n_dims, 8) :]]
    except ValueError:
        return False
    return bool(fields)


def _check_room(path: Path, n_words: int, *, n_bytes: int) -> None:
    """Raise before memory is set aside for more words than the file can hold."""
    room = _most(path) // (n_bytes - 1)  # some writers end the rows with no break
    if n_words > room:
        raise IntegrityError(
            f"WordVectors: {path} announces {n_words:,} words and has room for {room:,} at most: "
            f"it is truncated. Fetch the file again."
        )


class _Words:
    """The words of a file, each with its row; the first of repeated words counts."""

    def __init__(self, path: Path, encoding: Encoding) -> None:
        self._path, self._encoding = path, encoding
        self._rows: dict[str, int] = {}
        self._repeated: list[tuple[str, int]] = []
        self.n_rows = 0

    def add(self, encoded: bytes) -> str:
        """Add the next word, and return it."""
        try:
            word = encoded.decode(*self._encoding)
        except UnicodeDecodeError as error:
            raise IntegrityError(
                f"WordVectors: word {self.n_rows + 1:,} in {self._path} is not "
                f"{self._encoding.name}: {encoded[:100]!r}. The file is damaged or of another "
                f"encoding. Pass encoding='latin-1', or the one that it has, or "
                f"encoding_errors='replace'."
            ) from error
        if not word:
            raise IntegrityError(
                f"WordVectors: row {self.n_rows + 1:,} in {self._path} has no word: the file is "
                f"damaged. Fetch it again."
            )
        if word in self._rows and word not in NO_WORDS:
            self._repeated.append((word, self.n_rows))
        self._rows.setdefault(word, self.n_rows)
        self.n_rows += 1
        return word

    def with_vectors(self, vectors: np.ndarray, notes: list[str]) -> ReadVectors:
        """Return what was read, without the repeated words, and say which have two vectors."""
        rows = list(self._rows.values())
        if len(rows) == self.n_rows:
            return ReadVectors(list(self._rows), vectors, self.n_rows, tuple(notes))
        later = vectors[[row for _, row in self._repeated]]
        first = vectors[[self._rows[word] for word, _ in self._repeated]]
        places = np.flatnonzero((later != first).any(axis=1)).tolist()
        differ = list(dict.fromkeys(self._repeated[place][0] for place in places))
        if differ:
            named = ", ".join(map(repr, differ[:5])) + (", ..." if len(differ) > 5 else "")
            notes = [
                *notes,
                f"{self._path.name} has several vectors for {len(differ)} words ({named}); the "
                f"first of each is used",
            ]
        return ReadVectors(list(self._rows), vectors[rows], self.n_rows, tuple(notes))


def _read_binary(
    path: Path, file: BinaryIO, header: tuple[int, int], encoding: Encoding
) -> ReadVectors:
    n_words, n_dims = header
    n_bytes = 4 * n_dims
    _check_room(path, n_words, n_bytes=n_bytes + 2)
    vectors = np.empty((n_words, n_dims), dtype=np.float32)
    words = _Words(path, encoding)
    file.readline()
    buffer, place = b"", 0
    for row in range(n_words):
        while (end := buffer.find(b" ", place) + 1) == 0 or len(buffer) < end + n_bytes:
            more = file.read(_CHUNK)
            if not more or (end == 0 and len(buffer) - place > _MAX_WORD):
                raise IntegrityError(
                    f"WordVectors: {path} announces {n_words:,} words of {n_dims:,} figures and "
                    f"has {row:,}: it is truncated. Fetch the file again."
                )
            buffer, place = buffer[place:] + more, 0
        words.add(buffer[place : end - 1].lstrip(b"\n"))  # some writers end each row with a break
        vectors[row] = np.frombuffer(buffer, "<f4", n_dims, end)
        place = end + n_bytes
    if (buffer[place:] + file.read(2)).strip():
        raise IntegrityError(
            f"WordVectors: {path} announces {n_words:,} words of {n_dims:,} figures and has more: "
            f"its first line is wrong, or it is damaged. Fetch the file again."
        )
    return words.with_vectors(vectors, [])


def _read_text(
    path: Path, file: BinaryIO, header: tuple[int, int] | None, encoding: Encoding
) -> ReadVectors:
    n_dims = None
    if header:
        n_dims = header[1]
        _check_room(path, header[0], n_bytes=n_dims * 2 + 2)
        file.readline()
    words, figures, word = _Words(path, encoding), array("f"), ""
    line = b"\n"
    for line in _lines(path, file):
        encoded, vector = _row(path, words.n_rows + 1, line, n_dims)
        n_dims = len(vector)
        word = words.add(encoded)
        figures.extend(map(float, vector))
    if words.n_rows == 0 or (header and words.n_rows != header[0]):
        announced = f"announces {header[0]:,} words and holds" if header else "is empty, with"
        raise IntegrityError(
            f"WordVectors: {path} {announced} {words.n_rows:,} words: it is truncated or damaged. "
            f"Fetch the file again."
        )
    notes = []
    if not line.endswith(b"\n"):
        notes = [
            f"{path.name} does not end with a line break: the last figure, of the word {word!r}, "
            f"may be cut. Fetch the file again, or add the line break"
        ]
    vectors = np.frombuffer(figures, dtype=np.float32).reshape(words.n_rows, -1)
    return words.with_vectors(vectors, notes)


def _lines(path: Path, file: BinaryIO) -> Iterator[bytes]:
    """Yield the lines; raise where one, or all, are longer than a file of vectors has them."""
    left, is_blank = _most(path), False
    while line := file.readline(_MAX_LINE):
        left -= len(line)
        if len(line) == _MAX_LINE or left < 0:
            raise IntegrityError(
                f"WordVectors: {path} is no file of word vectors: it unpacks to far more than its "
                f"size, or has a line of more than {_MAX_LINE:,} bytes."
            )
        if not line.strip():
            is_blank = True
            continue
        if is_blank:
            raise IntegrityError(
                f"WordVectors: {path} has an empty line among its rows: it is damaged. Fetch it "
                f"again."
            )
        yield line


def _row(path: Path, number: int, line: bytes, n_dims: int | None) -> tuple[bytes, list[bytes]]:
    """Return word and figures of a line; raise where there is another number of figures.

    The first line decides how many figures there are where no header does. Words may hold spaces,
    as some in GloVe 840B do. Where they end in numbers, only a tab can separate them from figures.
    """
    line = line.rstrip()
    if b"\t" in line:
        word, _, rest = line.partition(b"\t")
        figures = rest.split()
    else:
        word, *figures = line.rsplit(None, -1 if n_dims is None else n_dims) or [b""]
    word = word.strip(b" ")
    last = word.rpartition(b" ")[2]
    is_unclear = b" " in word and _is_figure(last) and (b"\t" not in line or b"." in last)
    if len(figures) != (n_dims or len(figures)) or not figures or is_unclear:
        raise IntegrityError(
            f"WordVectors: the line of word {number:,} in {path} has {len(line.split()) - 1} "
            f"figures, expected {n_dims or 'at least 1'}: the file is truncated, damaged, or no "
            f"file of word vectors. Fetch it again. Where a phrase ends in a number, put a tab "
            f"between the phrase and its figures."
        )
    if line.count(b"_") > word.count(b"_"):
        raise IntegrityError(
            f"WordVectors: the line of word {number:,} in {path} has an underscore in a figure: "
            f"the file is damaged. Fetch it again."
        )
    return word, figures


def _is_figure(text: bytes) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _read_fasttext(path: Path) -> ReadVectors:
    from gensim.models.fasttext import load_facebook_vectors

    if path.suffix in (".bz2", ".xz"):
        raise IntegrityError(
            f"WordVectors: {path} is a compressed file of fastText's own format. Unpack it."
        )
    _check_fasttext(path)
    keyed = load_facebook_vectors(str(path))
    return ReadVectors(keyed.index_to_key, keyed.vectors, len(keyed.index_to_key))


def _check_fasttext(path: Path) -> None:
    """Raise where gensim would wait for ever, or ask for more memory than the file can fill."""
    left = _most(path)
    with _opened(path) as file:
        start = file.read(_FASTTEXT_START)
        n_words, found, n_dims, longest = 0, -1, 0, 0
        if len(start) == _FASTTEXT_START:
            (n_words,) = struct.unpack_from("<i", start, _FASTTEXT_N_WORDS)
            (n_dims,) = struct.unpack_from("<i", start, _FASTTEXT_DIM)
            (longest,) = struct.unpack_from("<i", start, _FASTTEXT_MAXN)
            found = _count_fasttext_words(file, n_words)
        while path.suffix in _OPENERS and left >= 0 and (block := file.read(_CHUNK)):
            left -= len(block)
    if found != n_words or n_words < 1:
        raise IntegrityError(
            f"WordVectors: {path} announces {n_words:,} words and holds {max(found, 0):,}: it is "
            f"truncated. Fetch the file again."
        )
    if left < 0 or n_dims < 1 or longest > _FASTTEXT_LONGEST:
        raise IntegrityError(
            f"WordVectors: {path} is damaged: it announces vectors of {n_dims:,} figures and parts "
            f"of words of up to {longest:,} letters, or unpacks to far more than its size. Fetch "
            f"the file again."
        )
    _check_room(path, n_words, n_bytes=4 * n_dims)


def _count_fasttext_words(file: Any, most: int) -> int:
    """Count words, each a string that ends in a zero byte, then a count and a type: 9 bytes."""
    buffer, place = b"", 0
    for found in range(most):
        while (end := buffer.find(b"\0", place)) < 0 or end + 10 > len(buffer):
            more = file.read(_CHUNK)
            if not more or len(buffer) - place > _MAX_WORD:
                return found
            buffer, place = buffer[place:] + more, 0
        place = end + 10
    return most
