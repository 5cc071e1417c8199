"""Animals with Attributes 1: the published hand-made features and the attributes."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from sklearn.utils import Bunch

from zeroshot._utils._progress import progress_bar
from zeroshot._utils._validation import check_option
from zeroshot.datasets._archives import open_zip
from zeroshot.datasets._fetch import resolve_data_home
from zeroshot.exceptions import IntegrityError, Remedy
from zeroshot.label_embeddings import AttributeTable

OWNER = "fetch_awa1"
URL = "https://cvml.ista.ac.at/AwA/"
FOLDER = "Animals_with_Attributes"
PREPARED = Path("awa", "awa1_features.npz")
MAX_BYTES = 2_000_000_000
MISSING = -1.0
WIDTHS = {"rgsift": 2000, "sift": 2000, "surf": 2000, "lss": 2000, "phog": 252}
"""Bins of each histogram, in the order of the columns.

The sixth, ``cq``, is left out: two classes lack it in the published files.
"""

DESCR = """\
Animals with Attributes 1
=========================
Photos of 50 animals, known by six kinds of histograms of local features, five of which are here:
{features}. Each histogram is divided by its sum, and the square root is taken, so that the inner
product of two rows is the sum of their Bhattacharyya coefficients. 85 attributes per class, in
percent, as people judged them; the mean of the other classes stands for the few that are missing.
40 classes are for training and 10 for testing, as published.

Source: {url} (read here: {source}). For research. Cite C. H. Lampert, H. Nickisch, S. Harmeling
(2009), "Learning to Detect Unseen Object Classes by Between-Class Attribute Transfer", CVPR, and
(2014) "Attribute-Based Classification for Zero-Shot Visual Object Categorization", TPAMI.
"""


def fetch_awa1(
    *, features: Sequence[str] = tuple(WIDTHS), data_home: str | os.PathLike | None = None
) -> Bunch:
    """Load Animals with Attributes 1, with its published hand-made features.

    Nothing is downloaded, because no checksum of the published files is known. Two layouts are
    read. The first one found is used:

    - ``Animals_with_Attributes``, as the published archives unpack: ``classes.txt``,
      ``predicate-matrix-continuous.txt``, ``testclasses.txt``, and the folders
      ``Features/<type>-hist/<class>`` with one text of numbers per image;
    - ``awa/awa1_features.npz``, with the arrays ``X`` (all five types side by side, after the
      square root), ``y``, ``predicates``, ``classes`` and ``test_classes``.

    Parameters
    ----------
    features : sequence of {"rgsift", "sift", "surf", "lss", "phog"}
        Types of features, side by side in this order. All by default.
    data_home : path, optional
        Folder that contains one of the layouts. None is the environment variable
        ``ZEROSHOT_DATA``, else a folder in the user's cache.

    Returns
    -------
    Bunch
        - data : ndarray of float32 of shape (n_images, n_features), the square roots of histograms
          whose bins sum to 1
        - target : ndarray of str of shape (n_images,), such as ``"killer+whale"``
        - feature_columns : dict of str to slice, the columns of each type of features
        - attributes : AttributeTable, 85 percentages for each class
        - class_names : list of str, sorted
        - seen_classes, unseen_classes : list of str, sorted
        - trainval, test_unseen : ndarray of int, rows of the images of seen and unseen classes
        - DESCR : str, provenance and terms

    Raises
    ------
    FileNotFoundError
        The files are missing. The message says where to get them and where to put them.
    IntegrityError
        A file is damaged, or its content is impossible: lengths that differ, negative numbers, or
        classes without a name or attributes.
    ValueError
        A type of features is unknown or repeated, or there is none.
    TypeError
        `data_home` is not a path, or `features` is not a sequence of strings.

    References
    ----------
    C. H. Lampert, H. Nickisch, S. Harmeling, "Attribute-Based Classification for Zero-Shot Visual
    Object Categorization", TPAMI 2014.

    Examples
    --------
    >>> from zeroshot.datasets import fetch_awa1
    >>> fetch_awa1(features=["decaf"])
    Traceback (most recent call last):
        ...
    ValueError: fetch_awa1: features must be one of 'rgsift', 'sift', 'surf', 'lss', 'phog', got \
'decaf'.
    """
    chosen = _chosen(features)
    home = resolve_data_home(data_home, owner=OWNER)
    folder, prepared = home / FOLDER, home / PREPARED
    if folder.is_dir():
        source: Path = folder
        data, target, attributes, unseen = _published(folder, chosen)
    elif prepared.is_file():
        source = prepared
        data, target, attributes, unseen = _prepared(prepared, chosen)
    else:
        raise FileNotFoundError(
            f"{OWNER}: neither a folder {FOLDER} nor {PREPARED} is in the folder {home}. Nothing "
            f"is downloaded here, as no checksum of the archives is known: get AwA-base.tar.bz2 "
            f"and AwA-features-*.tar.bz2 from {URL}, unpack them there, or set ZEROSHOT_DATA"
            + Remedy(" (or pass data_home=)", option="")
            + f" to a folder that holds {FOLDER}."
        )
    is_unseen = np.isin(target, unseen)
    ends = np.cumsum([WIDTHS[name] for name in chosen]).tolist()
    return Bunch(
        data=data,
        target=target,
        feature_columns={
            name: slice(end - WIDTHS[name], end) for name, end in zip(chosen, ends, strict=True)
        },
        attributes=attributes,
        class_names=sorted(map(str, attributes.vocabulary)),
        seen_classes=np.unique(target[~is_unseen]).tolist(),
        unseen_classes=np.unique(target[is_unseen]).tolist(),
        trainval=np.flatnonzero(~is_unseen),
        test_unseen=np.flatnonzero(is_unseen),
        DESCR=DESCR.format(features=", ".join(chosen), url=URL, source=source),
    )


def _chosen(features: Sequence[str]) -> list[str]:
    if isinstance(features, str) or not isinstance(features, Sequence):
        raise TypeError(
            f"{OWNER}: features must be a list of names, got {features!r}. Pass [{features!r}]."
        )
    chosen = [check_option(name, WIDTHS, owner=OWNER, name="features") for name in features]
    if not chosen or len(set(chosen)) != len(chosen):
        raise ValueError(f"{OWNER}: features must name at least one type, and each once.")
    return chosen


def _prepared(
    path: Path, chosen: list[str]
) -> tuple[np.ndarray, np.ndarray, AttributeTable, list[str]]:
    """Return features, labels, attributes and test classes of the ``.npz`` file."""
    arrays = _arrays(path)
    X, y, predicates, classes = (arrays[name] for name in ("X", "y", "predicates", "classes"))
    if X.ndim != 2 or X.shape != (len(y), sum(WIDTHS.values())):
        raise _unfit(path, f"X must have the shape ({len(y)}, {sum(WIDTHS.values())})")
    starts = dict(zip(WIDTHS, np.cumsum([0, *WIDTHS.values()])[:-1].tolist(), strict=True))
    data = np.concatenate(
        [X[:, starts[name] : starts[name] + WIDTHS[name]] for name in chosen], axis=1
    ).astype(np.float32)
    if predicates.ndim != 2 or len(predicates) != len(classes):
        raise _unfit(path, "predicates must hold one row for each of the classes")
    unknown = sorted({*y.tolist(), *arrays["test_classes"].tolist()} - set(classes.tolist()))
    if unknown:
        raise _unfit(path, f"classes lacks {', '.join(unknown[:5])}")
    if not (data >= 0).all() or not np.isfinite(data).all():
        raise _unfit(path, "X must hold no negative numbers, NaN or infinity")
    absent = predicates == MISSING
    means = np.where(absent, 0, predicates).sum(axis=0) / np.maximum((~absent).sum(axis=0), 1)
    table = AttributeTable(np.where(absent, means, predicates), labels=classes)
    return data, y.astype(np.str_), table, arrays["test_classes"].tolist()


def _arrays(path: Path) -> dict[str, np.ndarray]:
    names = ("X", "y", "predicates", "classes", "test_classes")
    with open_zip(path, max_bytes=MAX_BYTES):  # its members, before NumPy reads them
        pass
    try:
        with np.load(path, allow_pickle=False) as file:
            found = {name: file[name] for name in names}
    except (KeyError, ValueError, EOFError, OSError) as error:
        raise _unfit(path, str(error)) from error
    for name, kind in zip(names, "fUfUU", strict=True):
        if found[name].dtype.kind != kind:
            raise _unfit(path, f"{name} is of type {found[name].dtype}")
    return found


def _published(
    folder: Path, chosen: list[str]
) -> tuple[np.ndarray, np.ndarray, AttributeTable, list[str]]:
    """Return features, labels, attributes and test classes of the published files."""
    table = AttributeTable.from_file(folder / "predicate-matrix-continuous.txt", missing=MISSING)
    classes = [str(name) for name in table.vocabulary]
    unseen = (folder / "testclasses.txt").read_text(encoding="utf-8").split()
    unknown = sorted(set(unseen) - set(classes))
    if unknown or not unseen:
        raise _unfit(folder, f"testclasses.txt names {', '.join(unknown) or 'no class'}")
    rows, labels = [], []
    for name in progress_bar(classes, progress="auto", unit="class"):
        kinds = [folder / "Features" / f"{kind}-hist" / name for kind in chosen]
        missing = [str(path) for path in kinds if not path.is_dir()]
        if missing:
            raise FileNotFoundError(
                f"{OWNER}: there is no folder {missing[0]}. Get the features from {URL}, and "
                f"unpack them over {folder}."
            )
        for path in sorted(kinds[0].glob("*.txt")):
            rows.append(
                np.concatenate(
                    [
                        _histogram(kind / path.name, WIDTHS[t])
                        for kind, t in zip(kinds, chosen, strict=True)
                    ]
                )
            )
            labels.append(name)
    if not rows:
        raise _unfit(folder, "it holds no features")
    return np.array(rows, dtype=np.float32), np.array(labels), table, unseen


def _histogram(path: Path, width: int) -> np.ndarray:
    """Return the square roots of a histogram's shares."""
    try:
        values = np.array([float(cell) for cell in re.split(r"[\s,]+", path.read_text().strip())])
    except (OSError, ValueError) as error:
        raise _unfit(path, str(error)) from error
    if len(values) != width or not np.isfinite(values).all() or (values < 0).any():
        raise _unfit(path, f"expected {width} numbers that are not negative, got {len(values)}")
    return np.sqrt(values / max(values.sum(), np.finfo(float).tiny))


def _unfit(path: Path, reason: str) -> IntegrityError:
    return IntegrityError(f"{OWNER}: {path} is not as published: {reason}. Get it again from {URL}")
