"""What is computed for one partition, on whichever machine."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import Any

import numpy as np
import torch
from sklearn.pipeline import Pipeline

from zeroshot._utils._pipelines import final_and_input
from zeroshot.scale._engine import worker_number
from zeroshot.scale._features import BLOCK_ROWS as FEATURE_CHUNK
from zeroshot.scale._features import FeatureRows
from zeroshot.scale._output import OutputDataset
from zeroshot.scale._sources import Item, Partition, check_keys


@dataclass(frozen=True)
class Task:
    """What to compute for each partition: small, because it travels to the workers.

    Attributes
    ----------
    owner : str
        Name of the caller, for the messages.
    model : str
        Folder of the saved model, which every worker must reach.
    sha256 : str
        Hash of the model, as `save` returns it.
    output : str
        Where the rows go.
    columns : tuple of str
        Other values that are kept.
    dtype : str
        Of features.
    k : int
        Labels per image; 0 for features.
    chunk : int
        Images in memory at a time.
    device, precision : str
        Of the network.
    raises : bool
        Whether an image that cannot be read ends the partition.
    """

    owner: str
    model: str
    sha256: str
    output: str
    columns: tuple[str, ...]
    dtype: str
    k: int
    chunk: int
    device: str
    precision: str
    raises: bool


def run_partition(task: Task, partition: Partition, number: int) -> dict[str, Any]:
    """Compute and write one partition; return its numbers of rows and errors, and seconds."""
    import pyarrow

    start, cpu_start = time.perf_counter(), time.process_time()
    model = opened(task.model, task.sha256, own_device(task.device), task.precision)
    features = isinstance(partition, FeatureRows)
    answers: Callable[..., Iterator[Answers]] = _of_features if features else _of_images
    parts, errors, keys = [], [], []
    for given, part, failed in answers(task, model, partition):
        keys += given
        errors += failed
        if task.raises and failed:
            key, reason = failed[0]
            raise ValueError(f"{task.owner}: {key} cannot be read: {reason}")
        if part is not None:
            parts.append(part)
    check_keys(keys, owner=f"{task.owner}: {partition.name}")
    if not parts:
        width = model.width if not task.k else 0
        nothing: dict[str, list] = {name: [] for name in task.columns}
        parts = [_table(task, [], nothing, empty(width, task.k))]
    table = pyarrow.concat_tables(parts)
    about = {
        "n": len(keys),
        "n_errors": len(errors),
        "seconds": round(time.perf_counter() - start, 3),
        "cpu_seconds": round(time.process_time() - cpu_start, 3),
    }
    output = OutputDataset(task.output, owner=task.owner)
    output.write_part(number, table, errors, about)
    return about


def own_device(device: str) -> str:
    """Return the device of this process: workers of one machine take its GPUs in turns.

    A worker that sees one GPU, by ``CUDA_VISIBLE_DEVICES``, takes that.
    """
    number = worker_number()
    if device not in ("auto", "cuda") or number is None or torch.cuda.device_count() < 2:
        return device
    return f"cuda:{number % torch.cuda.device_count()}"


Answers = tuple[list[str], Any, list[tuple[str, str]]]


def _of_images(task: Task, model: Opened, partition: Partition) -> Iterator[Answers]:
    """Yield keys, a table of what could be read, and errors, of some images at a time."""
    for chunk in _chunks(partition.read(), task.chunk):
        good, values, failed = computed(model, chunk, task.k)
        columns = {name: [item.columns.get(name) for item in good] for name in task.columns}
        keys = [item.key for item in good]
        table = _table(task, keys, columns, values) if good else None
        yield [item.key for item in chunk], table, failed


def _of_features(task: Task, model: Opened, partition: FeatureRows) -> Iterator[Answers]:
    """Do what `_of_images` does for rows of features."""
    for keys, X, columns in partition.blocks(task.columns, FEATURE_CHUNK):
        finite = np.isfinite(X).all(axis=1)
        bad = np.flatnonzero(~finite)
        failed = [(keys[row], "the features hold NaN or infinity") for row in bad]
        table = None
        if finite.any():
            kept = keys
            if failed:
                X, kept = X[finite], [key for key, good in zip(keys, finite, strict=True) if good]
                columns = {
                    name: [value for value, good in zip(values, finite, strict=True) if good]
                    for name, values in columns.items()
                }
            table = _table(task, kept, columns, top_k(model.rest, X, task.k))
        yield keys, table, failed


def top_k(model: Any, X: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the best labels of rows of features, and their scores, each (n_rows, k)."""
    final, rows = final_and_input(model, X)
    return final.predict_top_k(rows, k=k)


@dataclass(frozen=True)
class Opened:
    """A model that is ready: what extracts features, if anything does, and what follows it."""

    backbone: Any
    rest: Any

    @property
    def width(self) -> int:
        """Length of the rows that ``transform`` gives."""
        width = self.backbone.n_features_out_
        return width if self.rest is None else self.rest.transform(np.zeros((1, width))).shape[1]


@lru_cache(maxsize=2)
def opened(folder: str, sha256: str, device: str, precision: str) -> Opened:
    """Return the model of a folder, opened once per process.

    Raises
    ------
    IntegrityError
        The folder holds another model than when the plan was made.
    """
    from zeroshot.persistence import load

    model = load(folder, sha256=sha256)
    if not takes_images(model):
        return Opened(None, model)
    first, rest = split(model)
    return Opened(first.set_params(device=device, precision=precision, progress=False), rest)


def split(model: Any) -> tuple[Any, Any]:
    """Return the backbone that a model begins with, and the steps behind it or None.

    Raises
    ------
    TypeError
        It does not begin with a backbone.
    """
    first = model[0] if isinstance(model, Pipeline) else model
    if not takes_images(model):
        raise TypeError(
            f"The model begins with a {type(first).__name__}, which does not take images. Pass "
            "TimmFeatures(), or a pipeline that begins with it."
        )
    return first, model[1:] if isinstance(model, Pipeline) and len(model) > 1 else None


def takes_images(model: Any) -> bool:
    """Tell whether a model, or the first step of a pipeline, is a backbone."""
    from zeroshot.backbones._features import ImageFeatures

    return isinstance(model[0] if isinstance(model, Pipeline) else model, ImageFeatures)


def computed(
    model: Opened, chunk: list[Item], k: int
) -> tuple[list[Item], Any, list[tuple[str, str]]]:
    """Return the items that could be read, their values, and the keys and errors of the others."""
    errors = [(item.key, item.error) for item in chunk if item.error]
    given = [item for item in chunk if not item.error]
    if not given:
        return [], None, errors
    found = model.backbone.extract([item.image for item in given])
    errors += [(given[row].key, str(error)) for row, error in found.errors.items()]
    good = [given[row] for row in found.indices]
    if not good:
        return [], None, errors
    features = found.features
    if k:
        return good, top_k(model.rest, features, k), errors
    values = features if model.rest is None else model.rest.transform(features)
    return good, values, errors


def empty(width: int, k: int) -> Any:
    """Return the values of no image."""
    if k:
        return np.empty((0, k), dtype=np.str_), np.empty((0, k))
    return np.empty((0, width), dtype=np.float32)


def _chunks(items: Iterator[Item], size: int) -> Iterator[list[Item]]:
    while chunk := list(islice(items, size)):
        yield chunk


def _table(task: Task, keys: list[str], others: Mapping[str, list[Any]], values: Any) -> Any:
    """Return rows as an Arrow table: the key, other columns, then features or labels."""
    import pyarrow

    columns: dict[str, Any] = {"key": pyarrow.array(keys, pyarrow.string())}
    for name in task.columns:
        columns[name] = _column(others[name])
    if task.k:
        labels, scores = values
        columns["labels"] = _lists(labels.ravel(), task.k, str(labels.dtype.kind))
        columns["scores"] = _lists(scores.astype(np.float64).ravel(), task.k, "f")
    else:
        rows = np.ascontiguousarray(values, dtype=task.dtype)
        columns["features"] = pyarrow.FixedSizeListArray.from_arrays(
            pyarrow.array(rows.ravel()), rows.shape[1]
        )
    return pyarrow.table(columns)


def _column(values: list[Any]) -> Any:
    """Return a column of other values as text: the same type in every partition."""
    import pyarrow

    return pyarrow.array([None if x is None else str(x) for x in values], pyarrow.string())


def _lists(values: np.ndarray, size: int, kind: str) -> Any:
    import pyarrow

    kinds = {"f": pyarrow.float64(), "i": pyarrow.int64(), "u": pyarrow.int64()}
    inner = pyarrow.array(values, kinds.get(kind, pyarrow.string()))
    return pyarrow.FixedSizeListArray.from_arrays(inner, size)
