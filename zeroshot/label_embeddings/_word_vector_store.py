"""Cache of word vectors on disk, as memory-mapped arrays.

A store is a folder::

    meta.json                                format version, counts, content hash, source
    text.npy offsets.npy hashes.npy rows.npy  the words (see _vocabulary.py)
    vectors.npy                              float32 (n_words, n_dims)

A store in the cache may name another package's ``.npy`` file in place of its own ``vectors.npy``.
"""

from __future__ import annotations

import json
import os
import re
import warnings
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from zeroshot._utils._files import atomic_folder, cache_home
from zeroshot.exceptions import IntegrityError
from zeroshot.label_embeddings._base import content_hash, read_only
from zeroshot.label_embeddings._vocabulary import ARRAYS, Vocabulary

FORMAT = 1
META = "meta.json"
NO_WORDS = frozenset({"<unk>", "<UNK>", "<s>", "</s>"})
"""Rows that stand for no word; they are kept out of every vocabulary."""


class ReadVectors(NamedTuple):
    """What a file of vectors holds."""

    words: Sequence[str]
    vectors: np.ndarray
    n_rows: int
    """Rows in the file, repeated words and those in `NO_WORDS` included."""


class WordStore:
    """Words and vectors, from a folder or in memory.

    Parameters
    ----------
    vocabulary : Vocabulary
        The words by rank.
    vectors : ndarray of float32 of shape (n_words, n_dims)
        Their vectors.
    folder : Path, optional
        Where they lie; None when they are in memory alone.
    content : str, optional
        What `content` is known to be; computed when first asked for otherwise.
    n_rows : int, optional
        How many rows the source had, repeated words and those in `NO_WORDS` included.
    """

    def __init__(
        self,
        vocabulary: Vocabulary,
        vectors: np.ndarray,
        folder: Path | None = None,
        content: str | None = None,
        n_rows: int | None = None,
    ) -> None:
        self.vocabulary = vocabulary
        self.vectors = read_only(vectors)
        self.folder = folder
        self.n_rows = len(vocabulary) if n_rows is None else n_rows
        if content is not None:
            self.__dict__["content"] = content

    @cached_property
    def content(self) -> str:
        """SHA-256 of words and vectors, the same whatever file format they came from."""
        arrays = self.vocabulary.arrays
        return content_hash(arrays["text"], arrays["offsets"], np.asarray(self.vectors))


def memory_store(words: Sequence[str], vectors: Any, n_rows: int | None = None) -> WordStore:
    """Return a store in memory; float32 C-contiguous `vectors` are not copied.

    Raises
    ------
    IntegrityError
        Words and vectors are not of the same number, a word is repeated, or a figure not finite.
    """
    words, vectors = _without_markers(words, np.asarray(vectors))
    if vectors.ndim != 2 or len(vectors) != len(words) or vectors.shape[1] == 0:
        raise IntegrityError(
            f"{len(words)} words have an array of vectors of shape {vectors.shape}, "
            f"expected ({len(words)}, n_dims)."
        )
    vectors = np.ascontiguousarray(vectors, dtype=np.float32)
    finite = np.isfinite(vectors).all(axis=1)
    if not finite.all():
        first = int(np.argmin(finite))
        raise IntegrityError(
            f"The vectors of {int((~finite).sum())} words hold NaN or infinity, "
            f"the first is that of {words[first]!r}."
        )
    return WordStore(Vocabulary.from_words(words), vectors, n_rows=n_rows)


def _without_markers(words: Sequence[str], vectors: np.ndarray) -> tuple[Sequence[str], np.ndarray]:
    # gensim leaves None in the places of repeated words, after the others.
    keep = [row for row, word in enumerate(words) if word is not None and word not in NO_WORDS]
    if len(keep) == len(words) or len(words) != len(vectors):
        return words, vectors
    return [words[row] for row in keep], vectors[keep]


def open_store(folder: str | os.PathLike) -> WordStore:
    """Open a store's folder; its arrays are memory-mapped.

    Raises
    ------
    IntegrityError
        A file is missing or truncated, or of a newer format.
    """
    return _open(Path(folder), read_meta(folder))


def read_meta(folder: str | os.PathLike) -> dict[str, Any]:
    """Return what a store's folder says about itself.

    Raises
    ------
    IntegrityError
        There is no readable description of a format known here.
    """
    path = Path(folder) / META
    try:
        meta = json.loads(path.read_text(encoding="utf-8"))
        version = meta["format"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise IntegrityError(
            f"{folder} is not a folder of word vectors that this package wrote: {path.name} is "
            f"missing or damaged ({error}). Pass the file of vectors that it was made from."
        ) from error
    if version != FORMAT:
        raise IntegrityError(
            f"{folder} has format {version!r}, and this version reads {FORMAT}. Install the "
            f"version of scikit-zeroshot that wrote it, or pass the original file of vectors."
        )
    return meta


def _open(folder: Path, meta: dict[str, Any]) -> WordStore:
    try:
        arrays = {name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in ARRAYS}
        vectors = np.load(folder / meta["vectors"], mmap_mode="r")
        vocabulary = Vocabulary(**arrays)
        expected = (meta["n_words"], meta["n_dims"])
        content, n_rows = meta["content"], meta["n_rows"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise IntegrityError(
            f"The word vectors in {folder} are damaged: {error}. Delete the folder, and pass the "
            f"file of vectors that it was made from."
        ) from error
    if vectors.dtype != np.float32 or vectors.shape != expected or len(vocabulary) != expected[0]:
        raise IntegrityError(
            f"The word vectors in {folder} are damaged: expected float32 vectors of shape "
            f"{expected}, found {vectors.dtype} {vectors.shape} for {len(vocabulary)} words. "
            f"Delete the folder, and pass the file of vectors that it was made from."
        )
    return WordStore(vocabulary, np.asarray(vectors), folder, content, n_rows)


def write_store(
    folder: str | os.PathLike,
    store: WordStore,
    *,
    vectors_file: Path | None = None,
    stamp: list | None = None,
    overwrite: bool = False,
) -> WordStore:
    """Write a store to a folder, whole or not at all, and return it as it lies there.

    Parameters
    ----------
    folder : path
        The folder to make.
    store : WordStore
        What to write.
    vectors_file : Path, optional
        A ``.npy`` file that holds the same vectors already, to be named instead of copied.
    stamp : list, optional
        Paths, sizes and times of the files that it was made from.
    overwrite : bool, default=False
        Replace a folder that exists.
    """
    meta = {
        "format": FORMAT,
        "n_words": len(store.vocabulary),
        "n_rows": store.n_rows,
        "n_dims": store.vectors.shape[1],
        "content": store.content,
        "vectors": str(vectors_file) if vectors_file else "vectors.npy",
        "source": stamp,
    }
    with atomic_folder(folder, overwrite=overwrite) as new:
        for name, array in store.vocabulary.arrays.items():
            np.save(new / f"{name}.npy", array)
        if vectors_file is None:
            np.save(new / "vectors.npy", store.vectors)
        (new / META).write_text(json.dumps(meta, indent=1), encoding="utf-8")
    return open_store(folder)


def cached_store(
    files: Sequence[Path], read: Callable[[], ReadVectors], *, vectors_file: Path | None = None
) -> WordStore:
    """Open what was made of `files` before, or read them and keep the result for the next time.

    The cache knows its sources by path, size and modification time; a source that changed, or a
    cache that is damaged, is read anew.

    Parameters
    ----------
    files : sequence of Path
        The source.
    read : callable
        Gives words and vectors, called only where the cache does not serve.
    vectors_file : Path, optional
        The one of `files` that is a ``.npy`` array already: it is mapped, not copied.

    Warns
    -----
    UserWarning
        The cache cannot be written; the vectors are held in memory.
    """
    stamp = [[str(file.resolve()), (s := file.stat()).st_size, s.st_mtime_ns] for file in files]
    folder = _cache_folder(files[0])
    kept = _open_if_of(folder, stamp)
    if kept is not None:
        return kept
    fresh = read()
    store = memory_store(*fresh)
    if vectors_file is not None and not _is_verbatim(fresh.vectors, store):
        vectors_file = None
    try:
        return write_store(
            folder, store, vectors_file=vectors_file, stamp=stamp, overwrite=folder.exists()
        )
    except OSError as error:
        made_meanwhile = _open_if_of(folder, stamp)  # by another process: then all is well
        if made_meanwhile is not None:
            return made_meanwhile
        warnings.warn(
            f"WordVectors: cannot keep {files[0].name} for fast loading under {folder.parent}: "
            f"{error}. Set ZEROSHOT_CACHE to a folder that can be written.",
            UserWarning,
            stacklevel=7,
        )
        return store


def _cache_folder(file: Path) -> Path:
    name = re.sub(r"[^\w.-]", "_", file.name)[:60]
    return cache_home() / "word-vectors" / f"{name}-{content_hash(str(file.resolve()))[:16]}"


def _open_if_of(folder: Path, stamp: list) -> WordStore | None:
    try:
        meta = read_meta(folder)
        return _open(folder, meta) if meta.get("source") == stamp else None
    except IntegrityError:
        return None  # absent or damaged: the caller makes it again from the source


def _is_verbatim(vectors: np.ndarray, store: WordStore) -> bool:
    return vectors.dtype == np.float32 and vectors.shape == store.vectors.shape
