"""Zero-shot benchmarks of Xian et al.: features, attributes and the proposed split."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import combinations
from pathlib import Path
from typing import Any, BinaryIO
from zipfile import ZipFile

import numpy as np
from sklearn.utils import Bunch

from zeroshot._utils._mat_files import NUMBERS, TEXTS, read_mat
from zeroshot._utils._validation import check_option
from zeroshot.datasets._archives import open_zip, read_member
from zeroshot.datasets._fetch import resolve_data_home
from zeroshot.exceptions import IntegrityError, Remedy
from zeroshot.label_embeddings import AttributeTable

OWNER = "fetch_xlsa17"
FILENAME = "xlsa17.zip"
URL = "https://datasets.d2.mpi-inf.mpg.de/xian/xlsa17.zip"
FOLDER = "xlsa17/data"
REMEDY = f"Remove it, and get {URL} again, or copy a whole one there."
MAX_ARCHIVE_BYTES = 16_000_000_000  # two of its members are read, each within the next limit
MAX_FILE_BYTES = 2_000_000_000  # AWA2 is the largest: 37,322 x 2,048 numbers of eight bytes
SPLITS = ("trainval", "test_seen", "test_unseen")
FILES = {
    "res101.mat": {"features": NUMBERS, "labels": NUMBERS},
    "att_splits.mat": {
        "att": NUMBERS,
        "allclasses_names": TEXTS,
        **{f"{split}_loc": NUMBERS for split in SPLITS},
    },
}

ABOUT = {
    "AWA1": """\
Animals with Attributes 1: 30,475 photos of 50 animals, 85 attributes; 40 seen and 10 unseen
classes. C. H. Lampert, H. Nickisch, S. Harmeling (2009), "Learning to Detect Unseen Object Classes
by Between-Class Attribute Transfer", CVPR. The photos themselves are not public.""",
    "AWA2": """\
Animals with Attributes 2: 37,322 photos of 50 animals, 85 attributes; 40 seen and 10 unseen
classes. Collected by Xian, Lampert, Schiele and Akata (2018) from images with free licences.""",
    "CUB": """\
Caltech-UCSD Birds-200-2011: 11,788 photos of 200 birds, 312 attributes; 150 seen and 50 unseen
classes. C. Wah, S. Branson, P. Welinder, P. Perona, S. Belongie (2011), technical report,
California Institute of Technology.""",
    "SUN": """\
SUN Attribute: 14,340 photos of 717 scenes, 102 attributes; 645 seen and 72 unseen classes.
G. Patterson, J. Hays (2012), "SUN Attribute Database", CVPR.""",
    "APY": """\
Attribute Pascal and Yahoo: 15,339 photos of 32 things, 64 attributes; 20 seen and 12 unseen
classes. A. Farhadi, I. Endres, D. Hoiem, D. Forsyth (2009), "Describing Objects by their
Attributes", CVPR.""",
}
DESCR = """\
{name}
====
{about}

Features: the 2,048 top-layer pooling units of a ResNet-101 trained on ImageNet-1k, of the whole
image, or of the thing's bounding box (APY). Attributes: one vector a class, of unit length. Split:
the proposed one, whose unseen classes were chosen so that none is a class of ImageNet-1k.

Source: {url}. Its licence is not known to us.
Cite Y. Xian, C. H. Lampert, B. Schiele, Z. Akata (2018), "Zero-Shot Learning - A Comprehensive
Evaluation of the Good, the Bad and the Ugly", TPAMI, and the data set above. The authors have since
published a second version of the proposed split; which of the two a file holds does not show in it.
"""


def fetch_xlsa17(name: str, *, data_home: str | os.PathLike | None = None) -> Bunch:
    """Load a zero-shot benchmark of Xian et al. from the archive that they publish.

    Unlike the other fetchers, this one does not download. No checksum of the archive is known, so
    an altered download could not be detected. Get ``xlsa17.zip`` from
    https://datasets.d2.mpi-inf.mpg.de/xian/xlsa17.zip and put it into `data_home`, as it is or
    unpacked. The files ``xlsa17/data/<name>/res101.mat`` and ``att_splits.mat`` are read. For AWA2,
    this takes about 1.5 GB of memory.

    It was tested on generated files of the same structure, not on the published files.

    Parameters
    ----------
    name : {"AWA1", "AWA2", "CUB", "SUN", "APY"}
        Data set: animals, birds, scenes, or things of Pascal and Yahoo.
    data_home : path, optional
        Folder that contains the folder ``xlsa17``, which is used first, or ``xlsa17.zip``. None is
        the environment variable ``ZEROSHOT_DATA``, else a folder in the user's cache.

    Returns
    -------
    Bunch
        - data : ndarray of float32 of shape (n_images, n_features), not scaled
        - target : ndarray of str of shape (n_images,), such as ``"killer+whale"``
        - attributes : AttributeTable, the attributes (``att``, of unit length) of every class
        - class_names : list of str, sorted
        - seen_classes, unseen_classes : list of str, sorted
        - trainval, test_seen, test_unseen : ndarray of int, rows of the proposed split: what may
          be learnt from, held-out images of seen classes, all images of unseen classes
        - DESCR : str, provenance and terms

    Raises
    ------
    FileNotFoundError
        The files are missing. The message says where to get them and where to put them.
    IntegrityError
        A file is truncated, altered or a MATLAB 7.3 (HDF5) file, lacks a variable, or has
        impossible content: numbers of images, classes or rows out of range, lengths that differ,
        overlapping parts of the split, unseen classes among the training classes, or a class with
        only zero attributes.
    ValueError
        `name` is unknown.
    TypeError
        `data_home` is not a path.

    Notes
    -----
    Some versions of the archive have validation splits (``train_loc``, ``val_loc``). They are not
    loaded, because together they also contain images of ``test_seen``. Choose parameters with class
    folds of ``trainval`` (`ClassKFold`) instead.

    References
    ----------
    Y. Xian, C. H. Lampert, B. Schiele, Z. Akata, "Zero-Shot Learning - A Comprehensive Evaluation
    of the Good, the Bad and the Ugly", TPAMI 2018.

    Examples
    --------
    >>> from zeroshot.datasets import fetch_xlsa17
    >>> fetch_xlsa17("AWA3")
    Traceback (most recent call last):
        ...
    ValueError: fetch_xlsa17: name must be one of 'AWA1', 'AWA2', 'CUB', 'SUN', 'APY', got 'AWA3'.
    """
    check_option(name, ABOUT, owner=OWNER, name="name")
    arrays, splits, source = _read(name, resolve_data_home(data_home, owner=OWNER))
    try:
        return _bunch(name, arrays, splits)
    except _Refused as error:
        raise IntegrityError(
            f"{OWNER}: {source} does not hold {name} as published: {error}. {REMEDY}"
        ) from error


class _Refused(Exception):
    """The reason why the files are not used."""


def _read(name: str, home: Path) -> tuple[dict[str, Any], dict[str, Any], str]:
    """Return the variables of res101.mat and att_splits.mat, and their source."""
    folder, path = home / FOLDER / name, home / FILENAME
    is_unpacked = all((folder / filename).is_file() for filename in FILES)
    if not is_unpacked and not path.is_file():
        raise FileNotFoundError(
            f"{OWNER}: neither {FILENAME} nor a folder {FOLDER}/{name} with {' and '.join(FILES)} "
            f"is in the folder {home}. Nothing is downloaded here, as no checksum of the archive "
            f"is known: get {URL} and put it there, or set ZEROSHOT_DATA"
            + Remedy(" (or pass data_home=)", option="")
            + " to a folder that holds it."
        )
    source = folder if is_unpacked else path
    tables = []
    with ExitStack() as stack:
        archive = None
        if not is_unpacked:
            with _named():
                archive = stack.enter_context(open_zip(path, max_bytes=MAX_ARCHIVE_BYTES))
        for filename, wanted in FILES.items():
            with _named():
                file = stack.enter_context(_open(archive, folder, name, filename))
            called = f"{OWNER}: {source}: {name}/{filename}"
            tables.append(
                read_mat(file, wanted, name=called, remedy=REMEDY, max_bytes=MAX_FILE_BYTES)
            )
    return tables[0], tables[1], str(source)


@contextmanager
def _named() -> Iterator[None]:
    """Add to errors which archive cannot be used, and where to get another one."""
    try:
        yield
    except IntegrityError as error:
        raise IntegrityError(f"{OWNER}: {error} It is published at {URL}.") from error


def _open(archive: ZipFile | None, folder: Path, name: str, filename: str) -> BinaryIO:
    if archive is None:
        return open(folder / filename, "rb")
    member = f"{FOLDER}/{name}/{filename}"
    return io.BytesIO(read_member(archive, member, max_bytes=MAX_FILE_BYTES))


def _bunch(name: str, arrays: dict[str, Any], splits: dict[str, Any]) -> Bunch:
    names = splits["allclasses_names"]
    labels = _numbered(arrays["labels"], "labels", "classes", len(names))
    table = _attributes(splits["att"], names)
    rows = {
        split: _numbered(splits[f"{split}_loc"], f"{split}_loc", "images", len(labels))
        for split in SPLITS
    }
    target = names[labels]
    seen, unseen = _check_split(rows, target)
    return Bunch(
        data=_features(arrays["features"], len(labels)),
        target=target,
        attributes=table,
        class_names=np.sort(names).tolist(),
        seen_classes=seen,
        unseen_classes=unseen,
        **rows,
        DESCR=DESCR.format(name=name, about=ABOUT[name], url=URL),
    )


def _numbered(values: np.ndarray, variable: str, what: str, n_known: int) -> np.ndarray:
    """Convert MATLAB's indices, which begin with 1, to positions, which begin with 0."""
    numbers = values.ravel()
    if numbers.size == 0:
        raise _Refused(f"{variable} is empty")
    if numbers.dtype.kind == "f" and not np.array_equal(numbers, np.rint(numbers)):
        raise _Refused(f"{variable} must hold integers")
    first, last = int(numbers.min()), int(numbers.max())
    if first < 1 or last > n_known:
        raise _Refused(
            f"{variable} must lie in 1 to {n_known}, the number of {what}, got {first} to {last}"
        )
    return numbers.astype(np.intp) - 1


def _features(features: np.ndarray, n_labels: int) -> np.ndarray:
    """Return the features with one image per row; the file has one image per column."""
    if features.ndim != 2 or features.shape[1] != n_labels or not features.size:
        raise _Refused(
            f"features must have the shape (n_features, n_images) with one image for each of the "
            f"{n_labels} labels, got {features.shape}"
        )
    return np.ascontiguousarray(features.T, dtype=np.float32)


def _attributes(att: np.ndarray, names: np.ndarray) -> AttributeTable:
    """Return the table of attributes; the file has one class per column."""
    if len(np.unique(names)) != len(names):
        raise _Refused("allclasses_names must name every class once")
    if att.ndim != 2 or att.shape[1] != len(names) or not att.size:
        raise _Refused(
            f"att must have the shape (n_attributes, n_classes) for the {len(names)} names in "
            f"allclasses_names, got {att.shape}"
        )
    empty = names[~att.any(axis=0)]
    if empty.size:
        raise _Refused(
            f"att holds 0 for all attributes of {len(empty)} classes ({', '.join(empty[:5])}), "
            "where each has a vector of unit length"
        )
    return AttributeTable(att.T, labels=names)


def _check_split(rows: dict[str, np.ndarray], target: np.ndarray) -> tuple[list[str], list[str]]:
    """Return the seen and the unseen classes of a split, after checking the split."""
    for split, chosen in rows.items():
        if len(np.unique(chosen)) != len(chosen):
            raise _Refused(f"{split}_loc names an image twice")
    for first, second in combinations(rows, 2):
        n_shared = len(np.intersect1d(rows[first], rows[second]))
        if n_shared:
            raise _Refused(f"{first}_loc and {second}_loc share {n_shared} images")
    seen, also_seen, unseen = (np.unique(target[rows[split]]) for split in SPLITS)
    leaked = np.intersect1d(unseen, seen)
    if leaked.size:
        raise _Refused(
            f"{len(leaked)} classes of test_unseen_loc are among those of trainval_loc "
            f"({', '.join(leaked[:5])})"
        )
    never_learnt = np.setdiff1d(also_seen, seen)
    if never_learnt.size:
        raise _Refused(
            f"{len(never_learnt)} classes of test_seen_loc have no image in trainval_loc "
            f"({', '.join(never_learnt[:5])})"
        )
    return seen.tolist(), unseen.tolist()
