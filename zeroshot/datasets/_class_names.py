"""Class names of the data sets, without the images."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files

from zeroshot._utils._validation import check_option

DATASETS = ("cifar100", "tiny_imagenet")


def class_names(dataset: str) -> list[str]:
    """Return the names of the classes of a data set, sorted.

    The names are part of the package. ``tools/build_class_names.py`` built them from the official
    archives. They equal the ``class_names`` of `fetch_cifar100` and `fetch_tiny_imagenet`.

    Parameters
    ----------
    dataset : {"cifar100", "tiny_imagenet"}
        100 names such as ``"pickup_truck"``, or 200 such as ``"Egyptian cat"``.

    Returns
    -------
    list of str
        A new list at each call.

    Raises
    ------
    ValueError
        `dataset` is unknown.

    Examples
    --------
    >>> from zeroshot.datasets import class_names
    >>> names = class_names("cifar100")
    >>> len(names), names[:3]
    (100, ['apple', 'aquarium_fish', 'baby'])
    >>> len(class_names("tiny_imagenet"))
    200
    """
    check_option(dataset, DATASETS, owner="class_names", name="dataset")
    return sorted(_table()[dataset])


@cache
def _table() -> dict[str, dict[str, str]]:
    """Return name -> coarse name for CIFAR-100, and name -> wnid for Tiny ImageNet."""
    text = files("zeroshot.datasets").joinpath("data/class_names.json").read_text("utf-8")
    return json.loads(text)


def label_texts(dataset: str) -> dict[str, str]:
    """Return texts that explain the ambiguous class names of a data set.

    Word vectors do not distinguish senses: the vector of ``"can"`` is mostly that of the verb,
    ``"apple"`` of the company, ``"cup"`` of the championship. These texts name the thing in the
    pictures. They were written once from the list of names and not revised. The results of single
    classes were not used; the mean accuracy with bare names was known. Use them as
    ``WordVectors(overrides=label_texts("cifar100"))``.

    Parameters
    ----------
    dataset : {"cifar100"}
        The data set.

    Returns
    -------
    dict of str to str
        Text of each ambiguous name. Other names need no text.

    Raises
    ------
    ValueError
        There are no texts for `dataset`.

    Examples
    --------
    >>> from zeroshot.datasets import label_texts
    >>> label_texts("cifar100")["can"]
    'tin can, canister'
    """
    check_option(dataset, ("cifar100",), owner="label_texts", name="dataset")
    source = files("zeroshot.datasets").joinpath(f"data/{dataset}_label_texts.json")
    return json.loads(source.read_text("utf-8"))
