"""Features of CIFAR-100 that are part of the package."""

from __future__ import annotations

from importlib.resources import as_file, files
from typing import Any

import numpy as np
from sklearn.utils import Bunch

from zeroshot._utils._validation import check_option

SUBSETS = ("all", "train", "test")

DESCR = """Features of CIFAR-100.

Of the first 40 training and 10 test images of each class in the archive that they were built
from: the penultimate layer of EfficientNet-Lite0 (trained on ImageNet-1k) at 128 pixels, 1280
numbers an image, projected on the first 128 principal components of the 4,000 training images'
features and rounded to int8, one scale a component. No labels entered. Made by
tools/build_cifar100_features.py; no image is included.

A. Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009.
"""


def load_cifar100_features(*, subset: str = "all", return_X_y: bool = False) -> Any:
    """Load the features of CIFAR-100 that are part of the package.

    Parameters
    ----------
    subset : {"all", "train", "test"}, default="all"
        40 training images per class, 10 test images per class, or both, training first.
    return_X_y : bool, default=False
        Return ``(data, target)`` only.

    Returns
    -------
    data : Bunch
        With the fields

        data : float32 ndarray of shape (n_samples, 128)
            Principal components of the features, without a unit.
        target : ndarray of shape (n_samples,) of str
            Class names.
        class_names : list of str
            The 100 names, sorted.
        components : float32 ndarray of shape (128, 1280)
            The principal components: ``data @ components + mean`` restores the features, and
            ``SourceHead.project(components, mean)`` brings a head for them to `data`.
        mean : float32 ndarray of shape (1280,)
            Mean of the features.
        DESCR : str
            Provenance of the features.

    Raises
    ------
    ValueError
        `subset` is unknown.

    Notes
    -----
    Built by ``tools/build_cifar100_features.py`` from the official images with EfficientNet-Lite0
    at 128 pixels in float32.

    References
    ----------
    A. Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009.

    Examples
    --------
    >>> from zeroshot.datasets import load_cifar100_features
    >>> X, y = load_cifar100_features(return_X_y=True)
    >>> X.shape, y[:2].tolist()
    ((5000, 128), ['apple', 'apple'])
    """
    check_option(subset, SUBSETS, owner="load_cifar100_features", name="subset")
    with (
        as_file(files("zeroshot.datasets").joinpath("data/cifar100_features.npz")) as path,
        np.load(path, allow_pickle=False) as arrays,
    ):
        codes, target, is_train = arrays["codes"], arrays["target"], arrays["is_train"]
        scale, names = arrays["scale"], arrays["class_names"]
        components, mean = arrays["components"].astype(np.float32), arrays["mean"]
    rows = {"all": slice(None), "train": is_train, "test": ~is_train}[subset]
    data = codes[rows].astype(np.float32) * scale
    labels = names[target[rows]]
    if return_X_y:
        return data, labels
    return Bunch(
        data=data,
        target=labels,
        class_names=names.tolist(),
        components=components,
        mean=mean,
        DESCR=DESCR,
    )
