"""Tiny ImageNet, from the archive that the Stanford course publishes."""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Mapping
from typing import Any

import numpy as np
from PIL import Image
from sklearn.utils import Bunch

from zeroshot._utils._progress import progress_bar
from zeroshot._utils._validation import check_option
from zeroshot.datasets._archives import open_zip, read_member
from zeroshot.datasets._fetch import Archive, find_archive
from zeroshot.exceptions import IntegrityError, in_python

ARCHIVE = Archive(
    filename="tiny-imagenet-200.zip",
    url="http://cs231n.stanford.edu/tiny-imagenet-200.zip",
    # The publisher gives no checksum. Several independent public projects that download the same
    # address use this one for the 248,100,043 bytes.
    sha256="6198c8ae015e2b3e007c7841da39ec069199b9aa3bfa943a462022fe5e43c821",
    max_bytes=1_000_000_000,
)
FOLDER = "tiny-imagenet-200"
SUBSETS = ("train", "val")
SIDE = 64
MAX_IMAGE_BYTES = 1_000_000
MAX_TEXT_BYTES = 10_000_000

DESCR = """\
Tiny ImageNet
=============
200 classes of ImageNet, 500 training and 50 validation images of each, reduced to 64 x 64 pixels.
The 10,000 test images have no published labels and are not loaded. Made for the course CS231n at
Stanford University.

Source: http://cs231n.stanford.edu/tiny-imagenet-200.zip. Cite: Y. Le and X. Yang (2015), "Tiny
ImageNet Visual Recognition Challenge", CS 231N. The images are ImageNet's, whose terms
(https://www.image-net.org/download.php) allow non-commercial research and education only; the
photos are other people's, found on the web.
"""


def fetch_tiny_imagenet(
    *,
    data_home: str | os.PathLike | None = None,
    subset: str = "train",
    download_if_missing: bool = True,
    return_X_y: bool = False,
    progress: bool = True,
) -> Any:
    """Load Tiny ImageNet, downloading it (248 MB) if it is not on this machine.

    An archive that is already in the folder is read as it is. It may be a smaller one in the
    official layout. The full training set takes 1.2 GB of memory.

    The name of a class is the first of its synonyms in the archive's ``words.txt``, such as
    ``"Egyptian cat"``. All 200 names are different.

    Parameters
    ----------
    data_home : path, optional
        Folder of ``tiny-imagenet-200.zip``, also for the download. None is the environment variable
        ``ZEROSHOT_DATA``, else a folder in the user's cache.
    subset : {"train", "val"}, default="train"
        Which images.
    download_if_missing : bool, default=True
        If False, raise an error instead of downloading.
    return_X_y : bool, default=False
        Return only ``(images, target)``.
    progress : bool, default=True
        Whether to show a progress bar on stderr if decoding takes more than a second.

    Returns
    -------
    Bunch
        - images : ndarray of uint8 of shape (n_images, 64, 64, 3), red, green, blue, 0 to 255;
          grey images have three equal colours
        - target : ndarray of str of shape (n_images,), such as ``"Egyptian cat"``
        - wnids : ndarray of str of shape (n_images,), WordNet 3.0 ids such as ``"n02124075"``
        - class_names : list of str, sorted
        - filenames : list of str, n_images names of members of the archive
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
    Y. Le and X. Yang (2015). "Tiny ImageNet Visual Recognition Challenge". CS 231N, Stanford
    University.

    Examples
    --------
    >>> from zeroshot.datasets import fetch_tiny_imagenet
    >>> fetch_tiny_imagenet(subset="test")
    Traceback (most recent call last):
        ...
    ValueError: fetch_tiny_imagenet: subset must be one of 'train', 'val', got 'test'.
    """
    owner = "fetch_tiny_imagenet"
    check_option(subset, SUBSETS, owner=owner, name="subset")
    path = find_archive(
        ARCHIVE, data_home=data_home, download_if_missing=download_if_missing, owner=owner
    )
    with open_zip(path, max_bytes=ARCHIVE.max_bytes) as archive:
        name_of = _names(archive)
        wnid_of = _train_files(archive) if subset == "train" else _val_files(archive)
        _check_files(archive, wnid_of, name_of)
        images = _decode(archive, list(wnid_of), progress=progress)
    bunch = Bunch(
        images=images,
        target=np.array([name_of[wnid] for wnid in wnid_of.values()]),
        wnids=np.array(list(wnid_of.values())),
        class_names=sorted(name_of.values()),
        filenames=list(wnid_of),
        DESCR=DESCR,
    )
    return (bunch.images, bunch.target) if return_X_y else bunch


def _names(archive: zipfile.ZipFile) -> dict[str, str]:
    """Return wnid -> class name, for the wnids of the archive."""
    wnids = _lines(archive, "wnids.txt")
    words = dict(line.split("\t", 1) for line in _lines(archive, "words.txt") if "\t" in line)
    unnamed = [wnid for wnid in wnids if wnid not in words]
    if unnamed or not wnids:
        raise _unfit(archive, f"words.txt has no name for {', '.join(unnamed) or 'any class'}")
    names = {wnid: words[wnid].split(",")[0].strip() for wnid in wnids}
    if len(set(names.values())) != len(wnids):
        raise _unfit(archive, "two of its classes have the same id or name")
    return names


def _train_files(archive: zipfile.ZipFile) -> dict[str, str]:
    """Return member -> wnid of the training images, in the order of their names."""
    prefix = f"{FOLDER}/train/"
    members = sorted(
        name for name in archive.namelist() if name.startswith(prefix) and name.endswith(".JPEG")
    )
    return {member: member.split("/")[2] for member in members}


def _val_files(archive: zipfile.ZipFile) -> dict[str, str]:
    """Return member -> wnid of the validation images, in the order of their annotations."""
    rows = [line.split("\t") for line in _lines(archive, "val/val_annotations.txt")]
    if not all(len(row) >= 2 for row in rows):
        raise _unfit(archive, "val_annotations.txt has a line without a class")
    return {f"{FOLDER}/val/images/{file}": wnid for file, wnid, *_ in rows}


def _check_files(
    archive: zipfile.ZipFile, wnid_of: Mapping[str, str], name_of: Mapping[str, str]
) -> None:
    """Refuse an archive whose parts do not have the same images and classes."""
    unknown = sorted(set(wnid_of.values()) - set(name_of))
    absent = sorted(set(wnid_of) - set(archive.namelist()))
    if unknown:
        raise _unfit(archive, f"wnids.txt lacks the class {unknown[0]}")
    if absent:
        raise _unfit(archive, f"it lacks {len(absent)} images ({absent[0]}, ...)")
    if not wnid_of:
        raise _unfit(archive, "it holds no image of this subset")


def _decode(archive: zipfile.ZipFile, members: list[str], *, progress: bool) -> np.ndarray:
    """Return the images of shape (n_members, 64, 64, 3)."""
    images = np.empty((len(members), SIDE, SIDE, 3), dtype=np.uint8)
    bar = progress_bar(
        members,
        progress="auto" if progress else False,
        desc="decoding Tiny ImageNet",
        unit="image",
    )
    for row, member in enumerate(bar):
        images[row] = _image(archive, member)
    return images


def _image(archive: zipfile.ZipFile, member: str) -> np.ndarray:
    content = read_member(archive, member, max_bytes=MAX_IMAGE_BYTES)
    try:
        with Image.open(io.BytesIO(content), formats=["JPEG"]) as image:
            if image.size == (SIDE, SIDE):
                return np.asarray(image.convert("RGB"))
            reason = f"has {image.size[0]} x {image.size[1]} pixels, where 64 x 64 were expected"
    except Exception as error:  # Pillow raises almost any error, always for the same reason
        raise _unfit(archive, f"{member} is no readable JPEG file ({error})") from error
    raise _unfit(archive, f"{member} {reason}")


def _lines(archive: zipfile.ZipFile, name: str) -> list[str]:
    """Return the non-blank lines of a text file in the archive."""
    content = read_member(archive, f"{FOLDER}/{name}", max_bytes=MAX_TEXT_BYTES)
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _unfit(archive, f"{name} is no text") from error
    return [line for line in text.splitlines() if line.strip()]


def _unfit(archive: zipfile.ZipFile, reason: str) -> IntegrityError:
    return IntegrityError(
        in_python("fetch_tiny_imagenet: ")
        + f"{archive.filename} is no Tiny ImageNet archive: {reason}. Remove "
        f"it, and fetch it again or copy a whole one there."
    )
