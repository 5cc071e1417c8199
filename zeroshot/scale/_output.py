"""Parquet data sets that are written a partition at a time, with a manifest."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from zeroshot._utils._files import atomic_file
from zeroshot._utils._optional import import_optional
from zeroshot._utils._provenance import as_json, made_now
from zeroshot.exceptions import IntegrityError
from zeroshot.scale._sources import EXTRA

MANIFEST = "manifest.json"
BESIDE = "_zeroshot"
"""Folder of everything that is not a row: readers of parquet ignore names with an underscore."""
ERRORS = "_errors"
MODEL = "model"
FORMAT = 1


class OutputDataset:
    """A folder of parquet files, one per partition, and the record of which are complete.

    A partition is complete once its commit exists: a small file that is written after its rows.
    So no rename is needed, and object stores serve as well as folders.

    Parameters
    ----------
    path : str or path
        Folder, or a URL that fsspec writes.
    owner : str
        Name of the caller, for the messages.
    """

    def __init__(self, path: str | os.PathLike, *, owner: str) -> None:
        self.path, self._owner = os.fspath(path).rstrip("/"), owner
        self._system: Any = None
        if "://" in self.path:
            core = import_optional("fsspec.core", owner=owner, extra=EXTRA)
            self._system, inside = core.url_to_fs(self.path)
            self._root = inside
        else:
            self._root = str(Path(self.path).expanduser())

    def place(self, *parts: str) -> str:
        """Return the path of something in the folder."""
        return "/".join((self._root, *parts))

    @property
    def is_local(self) -> bool:
        """Whether it lies on a file system of this machine."""
        return self._system is None

    # What lies there

    def write(self, name: str, content: bytes) -> None:
        """Write a whole file: in its place it appears complete, or not at all."""
        place = self.place(name)
        if self._system is not None:
            self._system.makedirs(place.rpartition("/")[0], exist_ok=True)
            self._system.pipe_file(place, content)
            return
        os.makedirs(os.path.dirname(place), exist_ok=True)
        with atomic_file(place) as file:
            file.write(content)

    def read(self, name: str) -> bytes | None:
        """Return the content of a file, or None without it."""
        place = self.place(name)
        try:
            if self._system is not None:
                return bytes(self._system.cat_file(place))
            return Path(place).read_bytes()
        except FileNotFoundError:
            return None

    def names(self, folder: str) -> list[str]:
        """Return the names of the files in a folder of it."""
        place = self.place(folder)
        if self._system is not None:
            if not self._system.isdir(place):
                return []
            self._system.invalidate_cache()
            return [str(name).rpartition("/")[2] for name in self._system.ls(place, detail=False)]
        return sorted(os.listdir(place)) if os.path.isdir(place) else []

    # Manifest

    def begin(self, facts: Mapping[str, Any], *, resume: bool) -> None:
        """Write the manifest, or compare it with that of the call that began this output.

        Raises
        ------
        FileExistsError
            There is an output, and `resume` is false; or the folder holds something else.
        ValueError
            The output was begun with another model, other parameters or another source. The
            message names what differs.
        IntegrityError
            Its manifest is damaged.
        """
        found = self.read(f"{BESIDE}/{MANIFEST}")
        if found is None:
            others = [name for name in self.names("") if name != BESIDE]
            if others:
                raise FileExistsError(
                    f"{self._owner}: {self.path} holds other files ({', '.join(others[:5])}). "
                    "Choose another folder."
                )
            self.write(
                f"{BESIDE}/{MANIFEST}",
                as_json({"format": FORMAT, **facts, **made_now()}).encode(),
            )
            return
        if not resume:
            raise FileExistsError(
                f"{self._owner}: {self.path} holds an output. Choose another folder, or pass "
                "resume=True to compute what is missing."
            )
        try:
            known = json.loads(found)
            different = sorted(_different(known, json.loads(as_json(facts))))
        except (ValueError, AttributeError) as error:
            raise IntegrityError(
                f"{self._owner}: the manifest of {self.path} is damaged ({error}). Choose another "
                "folder."
            ) from error
        if different:
            raise ValueError(
                f"{self._owner}: {self.path} was begun with another {', '.join(different)}. Pass "
                "what it was begun with, or choose another folder."
            )

    def done(self) -> dict[int, dict[str, Any]]:
        """Return what the commits of the complete partitions say, by number."""
        found = {}
        for name in self.names(f"{BESIDE}/done"):
            content = self.read(f"{BESIDE}/done/{name}")
            if content is None or not name.endswith(".json"):
                continue
            try:
                found[int(name.removesuffix(".json"))] = dict(json.loads(content))
            except ValueError:
                continue  # cut by a full disk: the partition is computed again
        return found

    # One partition

    def write_part(
        self, number: int, table: Any, errors: Sequence[tuple[str, str]], about: Mapping[str, Any]
    ) -> None:
        """Write the rows of a partition, its errors, and last its commit."""
        import pyarrow
        import pyarrow.parquet

        if errors:
            keys, reasons = zip(*errors, strict=True)
            failed = pyarrow.table({"key": list(keys), "error": list(reasons)})
            self.write(f"{ERRORS}/{part_name(number)}", _parquet(failed))
        self.write(part_name(number), _parquet(table))
        self.write(f"{BESIDE}/done/{number:06}.json", json.dumps(dict(about)).encode())

    @contextmanager
    def only_one(self) -> Iterator[None]:
        """Keep other calls from writing here; on a local file system only.

        Raises
        ------
        BlockingIOError
            Another call is writing.
        """
        if not self.is_local or os.name == "nt":
            yield
            return
        import fcntl

        os.makedirs(self.place(BESIDE), exist_ok=True)
        with open(self.place(BESIDE, "lock"), "wb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise BlockingIOError(
                    f"{self._owner}: another call is writing {self.path}. Wait until it ends, or "
                    "choose another folder."
                ) from error
            except OSError:
                pass  # a file system without locks
            yield


def part_name(number: int) -> str:
    """Return the name of the file of a partition."""
    return f"part-{number:06}.parquet"


def _parquet(table: Any) -> bytes:
    import pyarrow
    import pyarrow.parquet

    sink = pyarrow.BufferOutputStream()
    pyarrow.parquet.write_table(table, sink)
    return sink.getvalue().to_pybytes()


def _different(known: Mapping[str, Any], facts: Mapping[str, Any]) -> Iterator[str]:
    """Yield the names of what differs, one level deep."""
    for name, value in facts.items():
        old = known.get(name)
        if old == value:
            continue
        if isinstance(value, dict) and isinstance(old, dict):
            yield from (f"{name}.{inner}" for inner in value if value[inner] != old.get(inner))
        else:
            yield name
