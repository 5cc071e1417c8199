"""Cache of word vectors on disk, as memory-mapped arrays.

A store is a folder::

    meta.json                                 format version, counts, source
    text.npy offsets.npy hashes.npy rows.npy  the words (see _vocabulary.py)
    vectors.npy                               float32 (n_words, n_dims)
    sums.npy                                  SHA-256 of each block of these arrays

A store in the cache may name the ``.npy`` file that it was made from in place of its own
``vectors.npy``. A block is compared with its checksum when it is first read. Folders of format 1,
which have a hash of the whole content, are compared with that when they are opened.
"""

from __future__ import annotations

import json
import os
import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from zeroshot._utils._files import atomic_folder, cache_home
from zeroshot._utils._strict_json import parse_json
from zeroshot.exceptions import IntegrityError
from zeroshot.label_embeddings._base import content_hash, read_only
from zeroshot.label_embeddings._block_sums import (
    SUM_BYTES,
    CheckedArray,
    block_sums,
    changed,
    n_blocks,
)
from zeroshot.label_embeddings._vocabulary import ARRAYS, Vocabulary

FORMAT = 2
META = "meta.json"
VECTORS = "vectors.npy"
MAX_META_BYTES = 1_000_000
NO_WORDS = frozenset({"<unk>", "<UNK>", "<s>", "</s>"})
"""Rows that stand for no word; they are kept out of every vocabulary."""


class ReadVectors(NamedTuple):
    """What a file of vectors holds."""

    words: Sequence[str]
    vectors: np.ndarray
    n_rows: int
    """Rows in the file, repeated words and those in `NO_WORDS` included."""
    notes: tuple[str, ...] = ()
    """What is to be said whenever the vectors are opened: that the file may be cut, for example."""


class WordStore:
    """Words and vectors, from a folder or in memory.

    Parameters
    ----------
    vocabulary : Vocabulary
        The words by rank.
    vectors : CheckedArray of float32 of shape (n_words, n_dims)
        Their vectors.
    folder : Path, optional
        Where they lie; None when they are in memory alone.
    identity : str, optional
        SHA-256 of the folder's checksums.
    n_rows : int, optional
        How many rows the source had, repeated words and those in `NO_WORDS` included.
    notes : sequence of str
        What is to be said about the source whenever it is opened.
    """

    def __init__(
        self,
        vocabulary: Vocabulary,
        vectors: CheckedArray,
        folder: Path | None = None,
        identity: str | None = None,
        n_rows: int | None = None,
        notes: Sequence[str] = (),
    ) -> None:
        self.vocabulary = vocabulary
        self._vectors = vectors
        self.n_dims = vectors.unchecked.shape[1]
        self.folder = folder
        self.identity = identity
        self.n_rows = len(vocabulary) if n_rows is None else n_rows
        self.notes = tuple(notes)
        self.remembered: dict[Any, Any] = {}
        """What labels were found to be, for all that share these vectors."""

    @property
    def vectors(self) -> np.ndarray:
        """All vectors, verified, read-only."""
        return read_only(self._vectors.whole())

    def take(self, rows: np.ndarray) -> np.ndarray:
        """Return the vectors of some words."""
        return self._vectors.take(rows) if len(rows) < len(self.vocabulary) else self.vectors[rows]

    def to_state(self) -> dict[str, Any]:
        """Return words and vectors as arrays and plain values."""
        return {
            **self.vocabulary.arrays,
            "vectors": self._vectors.whole(),
            "n_rows": self.n_rows,
            "notes": list(self.notes),
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> WordStore:
        """Return a store in memory from what `to_state` returned."""
        arrays = {name: CheckedArray(state[name]) for name in (*ARRAYS, "vectors")}
        vectors = arrays.pop("vectors")
        return cls(
            Vocabulary(**arrays), vectors, n_rows=state["n_rows"], notes=tuple(state["notes"])
        )

    @cached_property
    def content(self) -> str:
        """SHA-256 of words and vectors, computed, the same whatever file format they came from."""
        return _content(self.vocabulary.arrays, self._vectors.whole())


def _content(arrays: dict[str, np.ndarray], vectors: np.ndarray) -> str:
    return content_hash(arrays["text"], arrays["offsets"], np.asarray(vectors))


def memory_store(
    words: Sequence[str], vectors: Any, n_rows: int | None = None, notes: Sequence[str] = ()
) -> WordStore:
    """Return a store in memory; float32 C-contiguous `vectors` are not copied.

    Raises
    ------
    IntegrityError
        Words and vectors are not of the same number, a word is repeated or no string, or a figure
        not finite.
    """
    words, vectors = _without_markers(words, np.asarray(vectors))
    if vectors.ndim != 2 or len(vectors) != len(words) or vectors.shape[1] == 0:
        raise IntegrityError(
            f"{len(words)} words have an array of vectors of shape {vectors.shape}, "
            f"expected ({len(words)}, n_dims)."
        )
    others = next((word for word in words if not isinstance(word, str)), None)
    if others is not None:
        raise IntegrityError(
            f"The words of vectors must be strings, got {others!r}. Rename them, or pass an "
            f"AttributeTable of the array and the labels."
        )
    with np.errstate(over="ignore"):  # numbers beyond float32 are infinite then, and refused
        vectors = np.ascontiguousarray(vectors, dtype=np.float32)
    finite = np.isfinite(vectors).all(axis=1)
    if not finite.all():
        first = int(np.argmin(finite))
        raise IntegrityError(
            f"The vectors of {int((~finite).sum())} words hold NaN or infinity, "
            f"the first is that of {words[first]!r}."
        )
    return WordStore(
        Vocabulary.from_words(words), CheckedArray(vectors), n_rows=n_rows, notes=notes
    )


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
        A file is missing or truncated, of a newer format, or not in the folder.
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
        with open(path, "rb") as file:
            meta = parse_json(file.read(MAX_META_BYTES))
        version = meta["format"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise IntegrityError(
            f"{folder} is not a folder of word vectors that this package wrote: {path.name} is "
            f"missing or damaged ({error}). Pass the file of vectors that it was made from."
        ) from error
    if version not in (1, FORMAT):
        raise IntegrityError(
            f"{folder} has format {version!r}, and this version reads {FORMAT}. Install the "
            f"version of scikit-zeroshot that wrote it, or pass the original file of vectors."
        )
    return meta


def _open(folder: Path, meta: dict[str, Any], vectors_file: Path | None = None) -> WordStore:
    """Open a folder; its vectors lie in it, or are `vectors_file`, of which it was made."""
    try:
        paths = {name: folder / f"{name}.npy" for name in ARRAYS}
        named = vectors_file if vectors_file is not None else VECTORS
        if meta["vectors"] != str(named):
            raise ValueError(f"its vectors are not {named}")
        paths["vectors"] = folder / named
        for path in paths.values():
            if path.is_symlink() and path.parent == folder:
                raise ValueError(f"{path.name} is a link")
        arrays = {name: _mapped(path) for name, path in paths.items()}
        n_words, n_dims, n_rows = counts = [meta[key] for key in ("n_words", "n_dims", "n_rows")]
        notes = [str(note) for note in meta.get("notes", ())]
        if not all(type(count) is int for count in counts):
            raise ValueError(f"{counts} are not counts")
        if meta["format"] == 1:
            if _content(arrays, arrays["vectors"]) != meta["content"]:
                raise IntegrityError(changed(folder, VECTORS))
            sums = _sums(arrays)
        else:
            sums = _mapped(folder / "sums.npy")
        checked = _checked(arrays, sums, folder, {"vectors": str(named)})
        vectors = checked.pop("vectors")
        vocabulary = Vocabulary(**checked)
    except (OSError, ValueError, KeyError, TypeError, OverflowError) as error:
        raise IntegrityError(
            f"The word vectors in {folder} are damaged: {error}. Delete the folder, and pass the "
            f"file of vectors that it was made from."
        ) from error
    found, expected = vectors.unchecked, (n_words, n_dims)
    if found.dtype != np.float32 or found.shape != expected or len(vocabulary) != n_words:
        raise IntegrityError(
            f"The word vectors in {folder} are damaged: expected float32 vectors of shape "
            f"{expected}, found {found.dtype} {found.shape} for {len(vocabulary)} words. "
            f"Delete the folder, and pass the file of vectors that it was made from."
        )
    return WordStore(vocabulary, vectors, folder, content_hash(sums), n_rows, notes)


def _mapped(path: Path) -> np.ndarray:
    """Map the array in a file."""
    try:
        array = np.load(path, mmap_mode="r")
    except Exception as error:  # damaged files raise almost any error, always for the same reason
        raise ValueError(f"{path.name}: {error}") from error
    if not isinstance(array, np.ndarray):
        raise ValueError(f"{path.name} is not an array")
    return np.asarray(array)  # numpy.memmap adds microseconds to every slice


def _sums(arrays: dict[str, np.ndarray]) -> np.ndarray:
    return np.concatenate([block_sums(array) for array in arrays.values()])


def _checked(
    arrays: dict[str, np.ndarray], sums: np.ndarray, folder: Path, names: dict[str, str]
) -> dict[str, CheckedArray]:
    """Return the arrays, each with its part of the checksums."""
    counts = [n_blocks(array) for array in arrays.values()]
    if sums.shape != (sum(counts), SUM_BYTES) or sums.dtype != np.uint8:
        raise ValueError(f"there are {sums.shape} checksums for {sum(counts)} blocks")
    parts = np.split(sums, np.cumsum(counts)[:-1])
    return {
        name: CheckedArray(array, part, folder, names.get(name, f"{name}.npy"))
        for (name, array), part in zip(arrays.items(), parts, strict=True)
    }


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
        "n_dims": store.n_dims,
        "vectors": str(vectors_file) if vectors_file else VECTORS,
        "source": stamp,
        "notes": store.notes,
    }
    arrays = store.vocabulary.arrays
    # A file of another package may hold its rows in another order of bytes than the store.
    arrays["vectors"] = _mapped(vectors_file) if vectors_file else store.vectors
    with atomic_folder(folder, overwrite=overwrite) as new:
        for name, array in arrays.items():
            if name != "vectors" or vectors_file is None:
                np.save(new / f"{name}.npy", array)
        np.save(new / "sums.npy", _sums(arrays))
        (new / META).write_text(json.dumps(meta, indent=1), encoding="utf-8")
    return _open(Path(folder), meta, vectors_file)


def cached_store(
    files: Sequence[Path],
    read: Callable[[], ReadVectors],
    *,
    vectors_file: Path | None = None,
    options: Sequence[str] = (),
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
    options : sequence of str
        What else decides how `files` are read.

    Warns
    -----
    UserWarning
        The cache cannot be written; the vectors are held in memory.
    """
    stamp = [[str(file.resolve()), (s := file.stat()).st_size, s.st_mtime_ns] for file in files]
    stamp += [[*options]] if options else []
    folder = _cache_folder(files[0], options)
    kept = _open_if_of(folder, stamp, vectors_file)
    if kept is not None:
        return kept
    fresh = read()
    try:
        store = memory_store(*fresh)
    except IntegrityError as error:
        raise IntegrityError(f"WordVectors: {files[0]} cannot be used. {error}") from error
    if vectors_file is not None and not _is_verbatim(fresh.vectors, store):
        vectors_file = None
    try:
        return write_store(
            folder, store, vectors_file=vectors_file, stamp=stamp, overwrite=folder.exists()
        )
    except OSError as error:
        made_meanwhile = _open_if_of(
            folder, stamp, vectors_file
        )  # by another process: then all is well
        if made_meanwhile is not None:
            return made_meanwhile
        warnings.warn(
            f"WordVectors: cannot keep {files[0].name} for fast loading under {folder.parent}: "
            f"{error}. Set ZEROSHOT_CACHE to a folder that can be written.",
            UserWarning,
            stacklevel=7,
        )
        return store


def _cache_folder(file: Path, options: Sequence[str]) -> Path:
    name = re.sub(r"[^\w.-]", "_", file.name)[:60]
    key = content_hash(str(file.resolve()), *options)
    return cache_home() / "word-vectors" / f"{name}-{key[:16]}"


def _open_if_of(folder: Path, stamp: list, vectors_file: Path | None) -> WordStore | None:
    try:
        meta = read_meta(folder)
        if meta["format"] != FORMAT or meta.get("source") != stamp:
            return None
        return _open(folder, meta, vectors_file if meta.get("vectors") != VECTORS else None)
    except IntegrityError:
        return None  # absent or damaged: the caller makes it again from the source


def _is_verbatim(vectors: np.ndarray, store: WordStore) -> bool:
    return vectors.dtype == np.float32 and vectors.shape == store.vectors.shape
