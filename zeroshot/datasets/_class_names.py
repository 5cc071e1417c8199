"""Class names of the data sets, without the images."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files

from zeroshot._utils._validation import check_option

DATASETS = ("cifar100", "tiny_imagenet")


def class_names(dataset: str) -> list[str]:
    """Return the names of the classes of a data set, sorted.

    They ship with the package, built from the official archives by
    ``tools/build_class_names.py``, and are what `fetch_cifar100` and
    `fetch_tiny_imagenet` give as ``class_names``.

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
    """Return what the ambiguous class names of a data set mean, in words.

    Word vectors know no senses: the vector of ``"can"`` is mostly that of the verb, ``"apple"``
    of the company, ``"cup"`` of the championship. These texts name the thing in the pictures.
    They were written in one go from the list of names, without a look at any class's result, and
    not revised; the mean accuracy with bare names was known. They are meant for
    ``WordVectors(overrides=label_texts("cifar100"))``.

    Parameters
    ----------
    dataset : {"cifar100"}
        The data set.

    Returns
    -------
    dict of str to str
        Text of each ambiguous name; other names stand for themselves.

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
