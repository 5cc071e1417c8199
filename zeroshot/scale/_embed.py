"""Features and predictions of a source of images, written as a parquet data set."""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.utils import Bunch
from sklearn.utils.validation import check_is_fitted

from zeroshot._utils._device import resolve_device, resolve_precision
from zeroshot._utils._files import atomic_folder, cache_home, sha256_of
from zeroshot._utils._optional import import_optional
from zeroshot._utils._progress import progress_bar
from zeroshot._utils._validation import check_number, check_option
from zeroshot.exceptions import PartitionError
from zeroshot.persistence._format import CONFIG
from zeroshot.scale._engine import run
from zeroshot.scale._features import FeaturesDataset, FeatureSource
from zeroshot.scale._output import BESIDE, MODEL, OutputDataset
from zeroshot.scale._partition import Task, run_partition, split, takes_images
from zeroshot.scale._sources import EXTRA, Source, open_source

PARTITION_SIZE = 2_000
CHUNK = 256
LOG_SECONDS = 60
logger = logging.getLogger("zeroshot.scale")


def embed_dataset(
    source: Any,
    output: str | os.PathLike,
    backbone: Any = None,
    *,
    image: str = "image",
    key: str | None = None,
    columns: Sequence[str] = (),
    dtype: str = "float32",
    partition_size: int = PARTITION_SIZE,
    on_error: str = "skip",
    workers: int | None = None,
    scheduler: str | None = None,
    resources: Mapping[str, float] | None = None,
    resume: bool = True,
    progress: bool | str = "auto",
) -> Bunch:
    """Write the features of a source of images as a parquet data set.

    `output` becomes a folder with one file per partition, which pandas, Polars, DuckDB and pyarrow
    read, and the table of images that could not be read in ``_errors``. A partition is written
    whole. If the call is interrupted, the same call computes only what is missing.

    Parameters
    ----------
    source : str, path, list or data set
        Images, as `open_source` takes them.
    output : path or URL
        Folder to write. With workers on other machines, all of them must reach it.
    backbone : TimmFeatures, OpenCLIPFeatures or Pipeline, optional
        What computes the features; ``TimmFeatures()`` if None. A Pipeline begins with a backbone.
    image, key : str
        Columns of a source with columns, as in `open_source`.
    columns : sequence of str, default=()
        Other values of the source to keep, as text: columns, members of a tar shard beside the
        image, or ``label`` for the subfolders of a folder.
    dtype : {"float32", "float16"}, default="float32"
        Of the features.
    partition_size : int, default=2000
        Images per partition. Tar shards are partitions as they are.
    on_error : {"skip", "raise"}, default="skip"
        Whether images that cannot be read have no row, or end their partition.
    workers : int, optional
        Processes of a Dask cluster on this machine. None computes in this process, with all cores.
    scheduler : str, optional
        Address of a running Dask scheduler, such as ``"tcp://10.0.0.1:8786"``, in place of
        `workers`.
    resources : mapping, optional
        What a partition needs of its worker, such as ``{"GPU": 1}``, for a scheduler whose workers
        were started with such resources.
    resume : bool, default=True
        Go on with an output that the same call began. False raises if there is one.
    progress : bool or "auto", default="auto"
        Whether to show a progress bar. "auto" shows it once the work takes longer than a few
        seconds. The logger ``zeroshot.scale`` tells once a minute what is left.

    Returns
    -------
    Bunch
        ``output``; ``n_images``; ``n_errors``, images that could not be read; ``n_partitions``, and
        ``n_resumed`` of them that were complete before; ``seconds``, of this call.

    Raises
    ------
    FileNotFoundError, ValueError
        As `open_source`; or `output` was begun with another model, other parameters or another
        source. The message names what differs.
    FileExistsError
        `output` holds other files, or an output and `resume` is false.
    BlockingIOError
        Another call is writing `output`.
    PartitionError
        Partitions could not be computed. All others are complete.
    ConnectionError, RuntimeError
        The scheduler cannot be reached, or a worker has another version of the package.
    MissingDependencyError
        An optional package is missing: ``pip install 'scikit-zeroshot[scale]'``.

    See Also
    --------
    predict_dataset : Labels in place of features.
    fit_dataset : Fit an estimator to what this writes.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from PIL import Image
    >>> from zeroshot import TimmFeatures
    >>> from zeroshot.scale import FeaturesDataset, embed_dataset
    >>> backbone = TimmFeatures("test_efficientnet", weights=None, image_size=32, random_state=0)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     paths = [f"{folder}/{number}.png" for number in range(3)]
    ...     for number, path in enumerate(paths):
    ...         Image.fromarray(np.full((40, 40, 3), 50 * number, np.uint8)).save(path)
    ...     done = embed_dataset(paths, f"{folder}/features", backbone, partition_size=2)
    ...     shape = FeaturesDataset(f"{folder}/features").shape
    >>> done.n_images, done.n_errors, done.n_partitions, shape
    (3, 0, 2, (3, 256))
    """
    owner = "embed_dataset"
    check_option(dtype, ("float32", "float16"), owner=owner, name="dtype")
    if backbone is None:
        from zeroshot.backbones import TimmFeatures

        backbone = TimmFeatures()
    return _write(
        source, output, backbone, owner=owner, image=image, key=key, columns=columns, dtype=dtype,
        k=0, partition_size=partition_size, on_error=on_error, workers=workers,
        scheduler=scheduler, resources=resources, resume=resume, progress=progress,
    )  # fmt: skip


def predict_dataset(
    model: Any,
    source: Any,
    output: str | os.PathLike,
    *,
    k: int = 5,
    image: str = "image",
    key: str | None = None,
    columns: Sequence[str] = (),
    partition_size: int = PARTITION_SIZE,
    on_error: str = "skip",
    workers: int | None = None,
    scheduler: str | None = None,
    resources: Mapping[str, float] | None = None,
    resume: bool = True,
    progress: bool | str = "auto",
) -> Bunch:
    """Write the best labels of images, or of features, as a parquet data set.

    Nothing is as large as rows x candidates: some thousand rows are scored at a time, and `k`
    labels of each are kept.

    Parameters
    ----------
    model : classifier or Pipeline
        Fitted. For images a backbone, then a zero-shot classifier; for features what comes behind
        the backbone.
    source : str, path, list, data set or FeaturesDataset
        Images, as `open_source` takes them. For a model without a backbone, features: what
        `embed_dataset` wrote, or `FeaturesDataset` takes.
    output, image, key, columns, partition_size, on_error
        As in `embed_dataset`. A row of features cannot be read if it holds NaN or infinity.
    k : int, default=5
        Labels per image, best first, with their scores.
    workers, scheduler, resources, resume, progress
        As in `embed_dataset`.

    Returns
    -------
    Bunch
        As that of `embed_dataset`. The columns of the output are ``key``, those in `columns`,
        ``labels`` and ``scores``.

    Raises
    ------
    TypeError
        The last step of `model` is not a zero-shot classifier, or `model` takes images and `source`
        holds features.
    FileNotFoundError, FileExistsError, BlockingIOError, ValueError, PartitionError
        As `embed_dataset`.

    See Also
    --------
    embed_dataset : Features in place of labels.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from PIL import Image
    >>> from sklearn.pipeline import make_pipeline
    >>> from zeroshot import ESZSLClassifier, HashEmbedding, TimmFeatures
    >>> from zeroshot.scale import predict_dataset
    >>> backbone = TimmFeatures("test_efficientnet", weights=None, image_size=32, random_state=0)
    >>> model = make_pipeline(backbone, ESZSLClassifier(HashEmbedding(4)))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     paths = [f"{folder}/{number}.png" for number in range(4)]
    ...     for number, path in enumerate(paths):
    ...         Image.fromarray(np.full((40, 40, 3), 60 * number, np.uint8)).save(path)
    ...     model = model.fit(paths, ["cat", "cat", "dog", "dog"])
    ...     done = predict_dataset(model, paths, f"{folder}/answers", k=2)
    >>> done.n_images, done.n_errors
    (4, 0)
    """
    owner = "predict_dataset"
    check_number(k, owner=owner, name="k", at_least=1, integer=True)
    final = model[-1] if hasattr(model, "steps") else model
    if not hasattr(final, "predict_top_k"):
        raise TypeError(
            f"{owner}: model ends with a {type(final).__name__}, which is not a zero-shot "
            "classifier. Pass make_pipeline(TimmFeatures(), classifier), fitted."
        )
    check_is_fitted(final)
    if k > len(final.classes_):
        raise ValueError(
            f"{owner}: k is {k}, and the model has {len(final.classes_)} candidates. Pass a "
            "smaller k, or a model with more candidates."
        )
    if isinstance(source, FeaturesDataset) or not takes_images(model):
        source = _features(model, source, columns, owner=owner)
    return _write(
        source, output, model, owner=owner, image=image, key=key, columns=columns, dtype="float64",
        k=k, partition_size=partition_size, on_error=on_error, workers=workers,
        scheduler=scheduler, resources=resources, resume=resume, progress=progress,
    )  # fmt: skip


def _features(model: Any, source: Any, columns: Sequence[str], *, owner: str) -> FeatureSource:
    """Return features as a source, for a model that takes them."""
    if takes_images(model):
        raise TypeError(
            f"{owner}: model begins with a {type(model[0]).__name__}, which takes images, and "
            "source holds features. Pass the steps behind it, model[1:]."
        )
    features = source if isinstance(source, FeaturesDataset) else FeaturesDataset(source)
    missing = [name for name in columns if name not in features.columns]
    if missing and not isinstance(columns, str):
        names = ", ".join(map(repr, features.columns))
        raise ValueError(
            f"{owner}: the features have no column {missing[0]!r}. Their columns are {names}."
        )
    return FeatureSource(features)


def _write(
    source: Any, output: str | os.PathLike, model: Any, *, owner: str, image: str, key: str | None,
    columns: Sequence[str], dtype: str, k: int, partition_size: int, on_error: str,
    workers: int | None, scheduler: str | None, resources: Mapping[str, float] | None,
    resume: bool, progress: bool | str,
) -> Bunch:  # fmt: skip
    start = time.perf_counter()
    check_number(partition_size, owner=owner, name="partition_size", at_least=1, integer=True)
    check_option(on_error, ("skip", "raise"), owner=owner, name="on_error")
    if workers is not None:
        check_number(workers, owner=owner, name="workers", at_least=1, integer=True)
    if isinstance(columns, str):
        raise TypeError(f"{owner}: columns must be a list of names. Pass [{columns!r}].")
    if not isinstance(source, FeatureSource):
        split(model)  # raises unless it takes images
    import_optional("pyarrow.parquet", owner=owner, extra=EXTRA)
    opened: Source = open_source(source, image=image, key=key)
    folder = OutputDataset(output, owner=owner)
    with folder.only_one():
        task = _task(
            folder, model, opened, owner=owner, columns=tuple(columns), dtype=dtype, k=k,
            partition_size=partition_size, raises=on_error == "raise", resume=resume,
        )  # fmt: skip
        partitions = opened.partitions(partition_size)
        done = folder.done()
        n_resumed = len(done)
        missing = {
            number: (task, partition, number)
            for number, partition in enumerate(partitions)
            if number not in done
        }
        failed: dict[str, str] = {}
        bar = progress_bar(
            progress=progress, total=len(partitions), initial=n_resumed, unit="partition"
        )
        answers = run(
            run_partition, missing, workers=workers, scheduler=scheduler, resources=resources,
            owner=owner,
        )  # fmt: skip
        log = _Log(len(partitions), n_resumed, start)
        with bar:
            for number, about, error in answers:
                if error is None:
                    done[number] = about
                    bar.update()
                    log.tell(about["n"])
                else:
                    failed[partitions[number].name] = f"{type(error).__name__}: {error}"
    if failed:
        raise PartitionError(failed, n_done=len(done), owner=owner, output=folder.path)
    return Bunch(
        output=folder.path,
        n_images=sum(about["n"] for about in done.values()),
        n_errors=sum(about["n_errors"] for about in done.values()),
        n_partitions=len(partitions),
        n_resumed=n_resumed,
        seconds=time.perf_counter() - start,
    )


class _Log:
    """A line of rate and time left, for logs, where there is no progress bar to be seen.

    Parameters
    ----------
    total, done : int
        Numbers of partitions: all, and those that are complete.
    start : float
        When this call began.
    """

    def __init__(self, total: int, done: int, start: float) -> None:
        self._total, self._done, self._left = total, 0, total - done
        self._start = self._last = start
        self._n_rows = 0

    def tell(self, n_rows: int) -> None:
        """Count one more partition, and write a line if the last one was long ago."""
        self._done += 1
        self._n_rows += n_rows
        now = time.perf_counter()
        if now - self._last < LOG_SECONDS and self._done < self._left:
            return
        self._last, seconds = now, max(now - self._start, 1e-9)
        left = seconds / self._done * (self._left - self._done)
        logger.info(
            "%s of %s partitions, %.0f rows per second, %.2f hours left",
            f"{self._total - self._left + self._done:,}", f"{self._total:,}",
            self._n_rows / seconds, left / 3600,
        )  # fmt: skip


def _task(
    folder: OutputDataset, model: Any, source: Source, *, owner: str, columns: tuple[str, ...],
    dtype: str, k: int, partition_size: int, raises: bool, resume: bool,
) -> Task:  # fmt: skip
    """Save the model beside the output, compare with the manifest, and return what to compute."""
    if isinstance(source, FeatureSource):
        return _task_of_features(
            folder, model, source, owner=owner, columns=columns, k=k,
            partition_size=partition_size, raises=raises, resume=resume,
        )  # fmt: skip
    first, rest = split(model)
    if not hasattr(first, "weights_hash_"):  # random weights must be the same on every worker
        first = clone(first).fit()
        model = first if rest is None else make_pipeline(first, *[step for _, step in rest.steps])
    device = resolve_device(first.device, owner=owner)
    precision = str(resolve_precision(first.precision, device, owner=owner))
    precision = precision.removeprefix("torch.")
    with tempfile.TemporaryDirectory() as work:
        about = _about_model(first, rest, Path(work) / "rest")
        place = _begun(
            folder, model, source, Path(work) / MODEL, about=about, resume=resume,
            parameters={
                "dtype": dtype, "k": k, "columns": list(columns), "precision": precision,
                "on_error": "raise" if raises else "skip", "partition_size": partition_size,
            },
        )  # fmt: skip
    return Task(
        owner=owner,
        model=place,
        sha256=sha256_of(Path(place) / CONFIG), output=folder.path, columns=columns, dtype=dtype,
        k=k, chunk=CHUNK, device=str(first.device), precision=precision, raises=raises,
    )  # fmt: skip


def _task_of_features(
    folder: OutputDataset, model: Any, source: Source, *, owner: str, columns: tuple[str, ...],
    k: int, partition_size: int, raises: bool, resume: bool,
) -> Task:  # fmt: skip
    """Do what `_task` does, for a model without a network."""
    with tempfile.TemporaryDirectory() as work:
        place = _begun(
            folder, model, source, Path(work) / MODEL, about=None, resume=resume,
            parameters={
                "k": k, "columns": list(columns), "on_error": "raise" if raises else "skip",
                "partition_size": partition_size,
            },
        )  # fmt: skip
    return Task(
        owner=owner, model=place, sha256=sha256_of(Path(place) / CONFIG), output=folder.path,
        columns=columns, dtype="float64", k=k, chunk=CHUNK, device="", precision="", raises=raises,
    )  # fmt: skip


def _begun(
    folder: OutputDataset, model: Any, source: Source, saved: Path, *,
    about: Mapping[str, str] | None, parameters: Mapping[str, Any], resume: bool,
) -> str:  # fmt: skip
    """Save the model, write or compare the manifest, and return where workers find the model."""
    from zeroshot.persistence import save

    sha256 = save(model, saved)
    facts = {
        "kind": "predictions" if parameters["k"] else "features",
        "model": {"steps": sha256} if about is None else about,
        "parameters": parameters,
        "source": source.describe(),
    }
    folder.begin(facts, resume=resume)
    return _shared(saved, sha256, folder)


_RUNNING = {
    "batch_size", "device", "max_bytes", "max_pixels", "max_seconds", "num_workers", "on_error",
    "precision", "progress", "random_state", "weights",
}  # fmt: skip
"""Parameters of a backbone that do not decide its features, or that the manifest has elsewhere."""


def _about_model(backbone: Any, rest: Any, folder: Path) -> dict[str, str]:
    """Return what decides the rows, as the manifest keeps it."""
    from zeroshot.persistence import save

    given = backbone.get_params(deep=False).items()
    about = {name: repr(value) for name, value in given if name not in _RUNNING}
    about |= {"class": type(backbone).__name__, "weights": backbone.weights_hash_}
    if rest is not None:
        about["steps"] = save(rest, folder)
    return about


def _shared(saved: Path, sha256: str, folder: OutputDataset) -> str:
    """Return a folder that holds the model and that workers reach.

    It is beside the output or, if that is no folder of this machine, in the user's cache.
    """
    in_cache = cache_home() / "scale" / sha256
    place = Path(folder.place(BESIDE, MODEL)) if folder.is_local else in_cache
    if not place.is_dir():
        with atomic_folder(place) as new:
            for file in saved.iterdir():
                shutil.copy(file, new)
    return str(place)
