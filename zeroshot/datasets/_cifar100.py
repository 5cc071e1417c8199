"""CIFAR-100, from the archive that its author publishes."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from sklearn.utils import Bunch

from zeroshot._utils._validation import check_option
from zeroshot.datasets._archives import read_tar_gz
from zeroshot.datasets._fetch import Archive, find_archive
from zeroshot.datasets._safe_pickle import load_pickle
from zeroshot.exceptions import IntegrityError, in_python

ARCHIVE = Archive(
    filename="cifar-100-python.tar.gz",
    url="https://www.cs.toronto.edu/~kriz/cifar-100-python.tar.gz",
    # The publisher gives an MD5 (eb9058c3a382ffc7106e4002c42a8d85). Other loaders, such as those of
    # Keras and MegEngine, check this sum of the same file.
    sha256="85cd44d02ba6437773c5bbd22e183051d648de2e7d6b014e1ef29b855ba677a7",
    max_bytes=250_000_000,  # the official one has 187 million
)
FOLDER = "cifar-100-python"
SUBSETS = {"train": ("train",), "test": ("test",), "all": ("train", "test")}
IMAGE_SHAPE = (3, 32, 32)

DESCR = """\
CIFAR-100
=========
60,000 colour photos of 32 x 32 pixels in 100 classes, 500 for training and 100 for testing each;
the 100 classes are grouped in 20 superclasses of five. Collected by Alex Krizhevsky, Vinod Nair
and Geoffrey Hinton as a labelled subset of the 80 Million Tiny Images.

Source: https://www.cs.toronto.edu/~kriz/cifar.html. The publisher states no licence and asks that
the report be cited: A. Krizhevsky (2009), "Learning Multiple Layers of Features from Tiny Images",
technical report, University of Toronto. The photos are other people's, found on the web.
"""


def fetch_cifar100(
    *,
    data_home: str | os.PathLike | None = None,
    subset: str = "train",
    download_if_missing: bool = True,
    return_X_y: bool = False,
) -> Any:
    """Load CIFAR-100, downloading it (169 MB) if it is not on this machine.

    An archive that is already in the folder is read as it is. It may be a smaller one in the
    official layout. Its pickles are read by an unpickler that accepts only lists, bytes, integers
    and uint8 arrays.

    Parameters
    ----------
    data_home : path, optional
        Folder of ``cifar-100-python.tar.gz``, also for the download. None is the environment
        variable ``ZEROSHOT_DATA``, else a folder in the user's cache.
    subset : {"train", "test", "all"}, default="train"
        Which images; ``"all"`` is the training images followed by the test images.
    download_if_missing : bool, default=True
        If False, raise an error instead of downloading.
    return_X_y : bool, default=False
        Return only ``(images, target)``.

    Returns
    -------
    Bunch
        - images : ndarray of uint8 of shape (n_images, 32, 32, 3), red, green, blue, 0 to 255
        - target : ndarray of str of shape (n_images,), such as ``"pickup_truck"``
        - coarse_target : ndarray of str of shape (n_images,), the superclass
        - class_names, coarse_class_names : list of str, sorted
        - filenames : list of str, n_images names that the photos once had
        - DESCR : str, provenance and terms

    Raises
    ------
    FileNotFoundError
        The archive is not there, and `download_if_missing` is false.
    DownloadError
        The download failed. The received part is kept, and the next call resumes from it.
    IntegrityError
        The archive is truncated, altered, or has unexpected content.
    ValueError
        `subset` is unknown.

    References
    ----------
    A. Krizhevsky (2009). "Learning Multiple Layers of Features from Tiny Images". Technical
    report, University of Toronto. https://www.cs.toronto.edu/~kriz/cifar.html

    Examples
    --------
    >>> from zeroshot.datasets import fetch_cifar100
    >>> fetch_cifar100(subset="validation")
    Traceback (most recent call last):
        ...
    ValueError: fetch_cifar100: subset must be one of 'train', 'test', 'all', got 'validation'.
    """
    owner = "fetch_cifar100"
    parts = SUBSETS[check_option(subset, SUBSETS, owner=owner, name="subset")]
    path = find_archive(
        ARCHIVE, data_home=data_home, download_if_missing=download_if_missing, owner=owner
    )
    bunch = _read(path, parts)
    return (bunch.images, bunch.target) if return_X_y else bunch


def _read(path: str | os.PathLike, parts: tuple[str, ...]) -> Bunch:
    members = [f"{FOLDER}/{part}" for part in ("meta", *parts)]
    contents = read_tar_gz(path, members, max_bytes=ARCHIVE.max_bytes)
    meta, *tables = [
        load_pickle(contents.pop(member), name=f"{os.fspath(path)}: {member}") for member in members
    ]
    fine_names = _names(meta, "fine_label_names", path)
    coarse_names = _names(meta, "coarse_label_names", path)
    return Bunch(
        images=np.concatenate([_images(table, path) for table in tables]),
        target=np.concatenate([_labels(table, "fine", fine_names, path) for table in tables]),
        coarse_target=np.concatenate(
            [_labels(table, "coarse", coarse_names, path) for table in tables]
        ),
        class_names=sorted(fine_names),
        coarse_class_names=sorted(coarse_names),
        filenames=[name for table in tables for name in _filenames(table, path)],
        DESCR=DESCR,
    )


def _names(meta: dict[str, Any], key: str, path: str | os.PathLike) -> list[str]:
    """Return the class names under `key`, in the order of their numbers."""
    names = _strings(meta, key, path)
    if not names or len(set(names)) != len(names):
        raise _unfit(path, f"{key} must name every class once")
    return names


def _images(table: dict[str, Any], path: str | os.PathLike) -> np.ndarray:
    """Return the images of `table`, with the three colour planes of the archive moved last."""
    data = table.get("data")
    n_values = int(np.prod(IMAGE_SHAPE))
    if not isinstance(data, np.ndarray) or data.ndim != 2 or data.shape[1] != n_values:
        shape = getattr(data, "shape", None)
        raise _unfit(path, f"data must have the shape (n_images, {n_values}), got {shape}")
    return np.ascontiguousarray(data.reshape(-1, *IMAGE_SHAPE).transpose(0, 2, 3, 1))


def _labels(
    table: dict[str, Any], kind: str, names: list[str], path: str | os.PathLike
) -> np.ndarray:
    """Return the class name of each image of `table`."""
    numbers = _list(table, f"{kind}_labels", int, path)
    _check_length(table, numbers, f"{kind}_labels", path)
    if numbers and not 0 <= min(numbers) <= max(numbers) < len(names):
        found = f"{min(numbers)} to {max(numbers)}"
        raise _unfit(path, f"{kind}_labels must lie in 0 to {len(names) - 1}, got {found}")
    return np.array(names)[np.array(numbers, dtype=np.intp)]


def _filenames(table: dict[str, Any], path: str | os.PathLike) -> list[str]:
    filenames = _strings(table, "filenames", path)
    _check_length(table, filenames, "filenames", path)
    return filenames


def _check_length(table: dict[str, Any], values: list, key: str, path: str | os.PathLike) -> None:
    if len(values) != len(table["data"]):
        raise _unfit(path, f"{key} has {len(values)} entries for {len(table['data'])} images")


def _strings(table: dict[str, Any], key: str, path: str | os.PathLike) -> list[str]:
    values = _list(table, key, (bytes, str), path)
    return [value.decode("latin-1") if isinstance(value, bytes) else value for value in values]


def _list(
    table: dict[str, Any], key: str, kind: type | tuple[type, ...], path: str | os.PathLike
) -> list:
    values = table.get(key)
    if not isinstance(values, list) or not all(isinstance(value, kind) for value in values):
        raise _unfit(path, f"{key} is missing or of another type than in the official archive")
    return values


def _unfit(path: str | os.PathLike, reason: str) -> IntegrityError:
    return IntegrityError(
        in_python("fetch_cifar100: ")
        + f"{os.fspath(path)} is no CIFAR-100 archive: {reason}. Remove it, and "
        f"fetch it again or copy a whole one there."
    )
