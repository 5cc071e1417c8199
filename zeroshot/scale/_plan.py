"""Time, bytes and memory of a data set of images, from a sample of it."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from itertools import islice
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.utils import Bunch

from zeroshot._utils._optional import import_optional
from zeroshot._utils._validation import check_number, check_option
from zeroshot.scale._partition import Opened, computed, split
from zeroshot.scale._sources import EXTRA, Item, Source, open_source

OWNER = "plan_dataset"
SAMPLE = 500
WARM = 32
ROW_COPIES = 3
"""How often the rows of a partition are in memory while they are written."""


def plan_dataset(
    source: Any,
    backbone: Any = None,
    *,
    n_images: int,
    workers: int = 1,
    partition_size: int = 2_000,
    dtype: str = "float32",
    image: str = "image",
) -> Bunch:
    """Estimate what `embed_dataset` will need, from a sample of the images on this machine.

    Parameters
    ----------
    source : str, path, list or data set
        Images like those to come; the first partitions of it are a sample of 500, spread over it.
    backbone : TimmFeatures, OpenCLIPFeatures or Pipeline, optional
        What computes the features; ``TimmFeatures()`` if None.
    n_images : int
        How many images there will be.
    workers : int, default=1
        Processes, each on a machine or a share of the cores like this one: while the sample is
        computed, torch has the cores of this machine divided by `workers`.
    partition_size, dtype, image
        As in `embed_dataset`.

    Returns
    -------
    Bunch
        - hours : float, of all workers together at work
        - seconds_per_image : float, of one worker
        - cpu_seconds_per_image : float, the same in CPU time, which other programs on this machine
          change less
        - bytes_in, bytes_out : int, of all images as they are read, and of the features
        - memory_per_worker : int, in bytes
        - n_partitions : int
        - n_sampled, n_errors : int, images of the sample, and those that could not be read

    Raises
    ------
    ValueError
        No image of the sample can be read, or a number is out of range.

    Notes
    -----
    Reading is part of the time, from where the sample lies. Starting workers, a file system that
    many share, and machines that differ are not in it.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from PIL import Image
    >>> from zeroshot import TimmFeatures
    >>> from zeroshot.scale import plan_dataset
    >>> backbone = TimmFeatures("test_efficientnet", weights=None, image_size=32)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     Image.fromarray(np.zeros((40, 40, 3), np.uint8)).save(f"{folder}/1.png")
    ...     plan = plan_dataset(folder, backbone, n_images=5_000, workers=2)
    >>> plan.n_partitions, plan.n_sampled, plan.hours > 0
    (3, 1, True)
    """
    for name, value in (("n_images", n_images), ("workers", workers)):
        check_number(value, owner=OWNER, name=name, at_least=1, integer=True)
    check_number(partition_size, owner=OWNER, name="partition_size", at_least=1, integer=True)
    check_option(dtype, ("float32", "float16"), owner=OWNER, name="dtype")
    model = _opened(backbone)
    items = list(_sample(open_source(source, image=image)))
    computed(model, items[:WARM], 0)  # the first images pay for what is loaded once
    with _threads(max(1, (os.cpu_count() or 1) // workers)):
        start, cpu_start = time.perf_counter(), time.process_time()
        good, values, errors = computed(model, items, 0)
        seconds = (time.perf_counter() - start) / len(items)
        cpu_seconds = (time.process_time() - cpu_start) / len(items)
    if not good:
        raise ValueError(f"{OWNER}: no image of the sample can be read. The first: {errors[0][1]}")
    width = values.shape[1] * np.dtype(dtype).itemsize
    rows = int(_written(values.astype(dtype)) / len(good))
    return Bunch(
        hours=seconds * n_images / workers / 3600,
        seconds_per_image=seconds,
        cpu_seconds_per_image=cpu_seconds,
        bytes_in=int(np.mean([_size(item.image) for item in items]) * n_images),
        bytes_out=rows * n_images,
        memory_per_worker=_anonymous() + ROW_COPIES * partition_size * width,
        n_partitions=-(-n_images // partition_size),
        n_sampled=len(items),
        n_errors=len(errors),
    )


def _opened(backbone: Any) -> Opened:
    if backbone is None:
        from zeroshot.backbones import TimmFeatures

        backbone = TimmFeatures()
    first, rest = split(backbone)
    if not hasattr(first, "n_features_out_"):
        first = clone(first).fit()
    return Opened(clone(first).set_params(progress=False).fit(), rest)


def _sample(source: Source) -> Iterator[Item]:
    """Yield images of partitions that are spread over the source."""
    partitions = source.partitions(SAMPLE // 10)
    chosen = np.unique(np.linspace(0, len(partitions) - 1, 10).astype(int))
    each = -(-SAMPLE // len(chosen))
    for number in chosen:
        yield from islice(partitions[number].read(), each)


class _threads:
    """Torch with so many threads inside a block."""

    def __init__(self, n_threads: int) -> None:
        self._n_threads = n_threads

    def __enter__(self) -> None:
        import torch

        self._before = torch.get_num_threads()
        torch.set_num_threads(min(self._n_threads, self._before))

    def __exit__(self, *about: object) -> None:
        import torch

        torch.set_num_threads(self._before)


def _size(image: Any) -> int:
    if isinstance(image, (str, os.PathLike)):
        return os.path.getsize(image) if os.path.exists(image) else 0
    return len(image) if isinstance(image, (bytes, bytearray)) else 0


def _written(values: np.ndarray) -> int:
    """Return the bytes that rows take in a parquet file."""
    pyarrow = import_optional("pyarrow", owner=OWNER, extra=EXTRA)
    parquet = import_optional("pyarrow.parquet", owner=OWNER, extra=EXTRA)
    lists = pyarrow.FixedSizeListArray.from_arrays(pyarrow.array(values.ravel()), values.shape[1])
    sink = pyarrow.BufferOutputStream()
    parquet.write_table(pyarrow.table({"features": lists}), sink)
    return sink.getvalue().size


def _anonymous() -> int:
    """Return the memory of this process that is not of files, in bytes; 0 where it is unknown."""
    if not sys.platform.startswith("linux"):
        return 0
    with open("/proc/self/status") as file:
        lines = [line for line in file if line.startswith("RssAnon")]
    return int(lines[0].split()[1]) * 1024 if lines else 0
