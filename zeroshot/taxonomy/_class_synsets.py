"""Synsets of the classes of well-known data sets."""

from __future__ import annotations

import json
from collections import Counter
from functools import cache
from importlib.resources import files

from zeroshot._utils._validation import check_option
from zeroshot.taxonomy._synset import synset

DATASETS = ("cifar100", "imagenet1k", "tiny_imagenet")


def class_synsets(dataset: str) -> dict[str, str]:
    """Return the wnid of each class of a data set.

    Parameters
    ----------
    dataset : {"cifar100", "imagenet1k", "tiny_imagenet"}
        The wnids of CIFAR-100 were chosen by `resolve` and checked by hand. The others are
        ImageNet's own.

    Returns
    -------
    dict of str to str
        A new dict at each call, from class names to wnids. The names of ImageNet-1k are timm's
        synonym lists, such as ``"tench, Tinca tinca"``, in the order of the network's outputs. Two
        classes are called ``"crane"``; the name of the synset is added to both names.

    Raises
    ------
    ValueError
        `dataset` is unknown.

    Examples
    --------
    >>> from zeroshot.taxonomy import class_synsets, synset
    >>> synset(class_synsets("cifar100")["ray"])
    Synset('ray.n.07')
    """
    check_option(dataset, DATASETS, owner="class_synsets", name="dataset")
    return _imagenet1k() if dataset == "imagenet1k" else dict(_table()[dataset])


@cache
def _table() -> dict[str, dict[str, str]]:
    text = files("zeroshot.taxonomy").joinpath("data/class_synsets.json").read_text("utf-8")
    return json.loads(text)


def _imagenet1k() -> dict[str, str]:
    from timm.data import ImageNetInfo

    info = ImageNetInfo("imagenet-1k")
    wnids = info.label_names()
    names = [info.label_name_to_description(wnid) for wnid in wnids]
    counts = Counter(names)
    return {
        name if counts[name] == 1 else f"{name} ({synset(wnid).name})": wnid
        for name, wnid in zip(names, wnids, strict=True)
    }
