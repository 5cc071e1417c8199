"""Labelled images by the name of a data set or folder, and their features."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

from zeroshot._utils._files import sha256_of
from zeroshot.cli._terminal import did_you_mean, say
from zeroshot.exceptions import in_options

N_ENDINGS = 5  # how many a message names
# Name to the function that fetches it, and its parts to learn from and to be judged on.
DATASETS = {
    "cifar100": ("fetch_cifar100", "train", "test"),
    "tiny_imagenet": ("fetch_tiny_imagenet", "train", "val"),
}


class LabelledImages(NamedTuple):
    """Images and their classes.

    Attributes
    ----------
    images : list of str, or uint8 ndarray of shape (n_images, height, width, 3)
        Paths, or pixels.
    labels : ndarray of str of shape (n_images,)
        Their classes.
    empty_classes : sequence of str
        Class folders without an image.
    other_files : mapping of str to int
        Number of files by extension, for extensions that are not of images.
    """

    images: Any
    labels: Any
    empty_classes: Sequence[str] = ()
    other_files: Mapping[str, int] = MappingProxyType({})

    @property
    def class_names(self) -> list[str]:
        """The distinct labels, sorted."""
        return sorted(set(self.labels.tolist()))

    def where(self, keep: Any) -> LabelledImages:
        """Return the images selected by `keep`, a mask or row positions."""
        from zeroshot._utils._validation import take_rows

        rows = keep.nonzero()[0] if keep.dtype == bool else keep
        return self._replace(images=take_rows(self.images, rows), labels=self.labels[rows])


def load_classes(source: str, *, judged: bool) -> LabelledImages:
    """Return the images of a folder with one subfolder per class, or of a data set.

    Parameters
    ----------
    source : str
        A name of `DATASETS`, or a path. Write ``./cifar100`` for a folder with the name of a data
        set.
    judged : bool
        For a data set, take the test images instead of the training images.

    Raises
    ------
    FileNotFoundError
        The folder does not exist, or the data set is not on this machine.
    """
    if source not in DATASETS:
        return _load_folder(source)
    from zeroshot import datasets

    fetcher, learnt, held_out = DATASETS[source]
    fetch = getattr(datasets, fetcher)
    try:
        data = fetch(subset=held_out if judged else learnt, download_if_missing=False)
    except FileNotFoundError as error:
        raise FileNotFoundError(
            f"{source} is not on this machine. Fetch it with: zeroshot datasets --download "
            f"{source}; or put its archive where 'zeroshot datasets' says."
        ) from error
    return LabelledImages(data.images, data.target)


def digests(images: Any) -> list[str]:
    """Return the first twelve digits of the SHA-256 of each image file. Skip images in memory."""
    if not isinstance(images, list):
        return []
    # Nothing else is opened: a named pipe would block for ever.
    return [sha256_of(path)[:12] for path in images if os.path.isfile(path)]


def _load_folder(source: str) -> LabelledImages:
    from zeroshot.datasets import load_image_folder

    if not os.path.exists(source):
        raise FileNotFoundError(
            f"there is no folder {source}, and no data set is called so."
            f"{did_you_mean(source, DATASETS)} Pass a folder with one subfolder per class, or one "
            f"of {', '.join(DATASETS)}."
        )
    data = load_image_folder(source, skip_empty=True)
    if data.empty_classes:
        names = ", ".join(map(repr, data.empty_classes))
        say(f"class folders without an image are left out: {names}", level="warning")
    endings = report_endings(data.other_files, len(data.paths))
    return LabelledImages(data.paths, data.target, data.empty_classes, endings)


def report_endings(others: Sequence[str], n_images: int) -> dict[str, int]:
    """Print how many files were skipped because of their suffix. Return their number per suffix."""
    from zeroshot.datasets._folders import heif_hint

    endings = Counter(os.path.splitext(path)[1] for path in others)
    if endings:
        named = [ending or "none" for ending, _ in endings.most_common(N_ENDINGS)]
        more = ", ..." if len(endings) > N_ENDINGS else ""
        files = f"{len(others):,} of {n_images + len(others):,} files"
        told = f"{files} were not read for their endings ({', '.join(named)}{more})"
        say(told + heif_hint(endings))
    return dict(endings)


class Read(NamedTuple):
    """Features of images, and errors.

    Attributes
    ----------
    features : ndarray of shape (n_read, n_features), or list of str
        Features of each readable image, or the images themselves for a model that takes images.
    rows : ndarray of int of shape (n_read,)
        Positions of the readable images among all images.
    unreadable : list of dict
        ``path`` and ``error`` of each unreadable image.
    """

    features: Any
    rows: Any
    unreadable: list[dict[str, str]]


def extract(backbone: Any, images: Any) -> Read:
    """Return the features of the readable images, and the errors of the other images."""
    result = backbone.extract(images)
    return Read(result.features, result.indices, _entries(images, result.errors))


def read_all(images: Sequence[Any], **limits: Any) -> Read:
    """Return the readable images, for a model that has its own network."""
    import numpy as np

    from zeroshot._utils._decoding import Limits
    from zeroshot._utils._images import read_image
    from zeroshot._utils._validation import take_rows
    from zeroshot.exceptions import ImageReadError

    errors = {}
    for position, image in enumerate(images):
        try:
            read_image(image, position, limits=Limits(**limits), min_side=1)
        except ImageReadError as error:
            errors[position] = error
    rows = np.setdiff1d(np.arange(len(images)), list(errors))
    return Read(take_rows(images, rows), rows, _entries(images, errors))


def _entries(images: Any, errors: Mapping[int, Exception]) -> list[dict[str, str]]:
    return [{"path": str(images[i]), "error": in_options(error)} for i, error in errors.items()]


def in_options_each(unreadable: Sequence[Mapping[str, str]]) -> list[dict[str, str]]:
    """Return the images that could not be read and the reasons, in terms of options."""
    return [{**entry, "error": in_options(entry["error"])} for entry in unreadable]


def report_unreadable(unreadable: Sequence[Mapping[str, str]], n_images: int) -> int:
    """Print the images that could not be read. Return the exit code."""
    for entry in unreadable:
        say(entry["error"], level="error")
    return count_unreadable(len(unreadable), n_images)


def count_unreadable(n_unreadable: int, n_images: int) -> int:
    """Print how many images could not be read. Return the exit code."""
    if n_unreadable:
        say(f"{n_unreadable} of {n_images} images could not be read.", level="error")
    return 1 if n_unreadable else 0
