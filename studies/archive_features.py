"""Features of CIFAR-100 and Tiny ImageNet for the studies here, computed once and kept.

    ZEROSHOT_DATA=FOLDER python studies/archive_features.py

The folder holds the archives. Features go into the package's cache, under a name that tells the
archive, the images of it, the network's weights, the size of its input, the layer if it is not the
last, and what it computes in: bfloat16 where the machine has instructions for it, which changes
figures in the third digit.
"""

from __future__ import annotations

import argparse
import os
from functools import partial
from typing import Any

import numpy as np
from sklearn.utils import Bunch

from zeroshot import TimmFeatures
from zeroshot._utils._device import resolve_device, resolve_precision
from zeroshot._utils._files import cache_home
from zeroshot.datasets import fetch_cifar100, fetch_tiny_imagenet
from zeroshot.datasets._fetch import resolve_data_home

IMAGE_SIZE = 128
SOURCES: dict[tuple[str, str], tuple[str, Any]] = {
    ("cifar100", "train"): ("cifar-100-python.tar.gz", partial(fetch_cifar100, subset="train")),
    ("cifar100", "test"): ("cifar-100-python.tar.gz", partial(fetch_cifar100, subset="test")),
    ("tiny_imagenet", "train"): (
        "tiny-imagenet-200.zip",
        partial(fetch_tiny_imagenet, subset="train"),
    ),
    ("tiny_imagenet", "val"): ("tiny-imagenet-200.zip", partial(fetch_tiny_imagenet, subset="val")),
}


def archive_features(
    data_set: str,
    subset: str,
    *,
    limit: int | None = None,
    mirrored: bool = False,
    backbone: TimmFeatures | None = None,
) -> Bunch:
    """Return features and labels of the images of an archive.

    Parameters
    ----------
    data_set : {"cifar100", "tiny_imagenet"}
        Which archive.
    subset : {"train", "test", "val"}
        Which of its images.
    limit : int, optional
        Take the first images of each class only.
    mirrored : bool
        Turn them left to right.
    backbone : TimmFeatures, optional
        The network; the default one at 128 pixels if None.

    Returns
    -------
    Bunch
        ``data``, float32 (n_images, n_features), ``target``, (n_images,) of str, and ``images``, a
        function of row numbers that gives their pixels.
    """
    filename, fetch = SOURCES[data_set, subset]
    backbone = TimmFeatures(image_size=IMAGE_SIZE) if backbone is None else backbone
    backbone.fit()
    archive = resolve_data_home() / filename
    size = archive.stat().st_size if archive.is_file() else 0
    which = "mirrored" if mirrored else "plain"
    precision = str(resolve_precision(backbone.precision, resolve_device(backbone.device)))
    computed = (str(backbone.image_size_), precision.removeprefix("torch."))
    if backbone.layer is not None:
        computed += (f"{backbone.layer}x{backbone.pool_size}",)
    parts = (data_set, subset, str(limit or "all"), which, str(size), *computed)
    path = cache_home() / "features" / f"{'-'.join(parts)}-{backbone.weights_hash_[:12]}.npz"
    if not path.is_file():
        bunch = fetch()
        rows = first_of_each_class(bunch.target, limit)
        images = bunch.images[rows][:, :, ::-1] if mirrored else bunch.images[rows]
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(f".{os.getpid()}.part")
        with part.open("wb") as file:
            data = backbone.transform(np.ascontiguousarray(images))
            np.savez(file, data=data, target=bunch.target[rows], rows=rows)
        os.replace(part, path)
    with np.load(path, allow_pickle=False) as arrays:
        data, target, rows = (arrays[name] for name in ("data", "target", "rows"))
    return Bunch(data=data, target=target, images=lambda chosen: fetch().images[rows[chosen]])


def first_of_each_class(target: np.ndarray, limit: int | None) -> np.ndarray:
    """Return the rows of the first `limit` images of each class, in their order."""
    if limit is None:
        return np.arange(len(target))
    rows = [np.flatnonzero(target == label)[:limit] for label in np.unique(target)]
    return np.sort(np.concatenate(rows))


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args()
    for data_set, subset in SOURCES:
        print(data_set, subset, *archive_features(data_set, subset).data.shape)
