"""K-fold over classes, with and without samples of seen classes in the test sets."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import numpy as np
from sklearn.model_selection import KFold
from sklearn.utils import check_random_state

from zeroshot._constraints import FLAG, SEED, Checked
from zeroshot.model_selection._base import ClassSplitter, check_classes, check_n_splits


class _FoldSplitter(ClassSplitter):
    """Interface of the splitters into a number of folds, shuffled or not."""

    n_splits: int
    shuffle: bool
    random_state: Any

    _constraints: ClassVar[Mapping[str, Any]] = {
        "n_splits": Checked(check_n_splits, least=2),
        "shuffle": FLAG,
        "random_state": SEED,
    }

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
        """Return the number of folds, `n_splits`.

        Parameters
        ----------
        X, y, groups
            Ignored.

        Returns
        -------
        int
            `n_splits`.
        """
        self._check_parameters()
        return int(self.n_splits)

    def _check_combination(self) -> None:
        if not self.shuffle and self.random_state is not None:
            raise ValueError(
                f"{type(self).__name__}: random_state={self.random_state!r} has no effect without "
                "shuffling. Pass shuffle=True, or leave random_state at None."
            )


def _check_share(test_size: Any, *, owner: str, name: str) -> None:
    is_share = isinstance(test_size, (float, np.floating)) and 0 < test_size < 1
    is_count = isinstance(test_size, (int, np.integer)) and not isinstance(test_size, bool)
    if not (is_share or (is_count and test_size >= 1)):
        raise ValueError(
            f"{owner}: {name} must be a share between 0 and 1 or a number of samples of at "
            f"least 1, got {test_size!r}. It counts within each seen class: 0.2 holds out a fifth."
        )


class ClassKFold(_FoldSplitter):
    """K-fold over classes: each class is in the test set of one fold, with all its samples.

    Parameters
    ----------
    n_splits : int, default=5
        Number of folds, at least 2 and at most the number of classes.
    shuffle : bool, default=False
        Whether to shuffle the sorted classes before they are cut into folds of consecutive ones.
    random_state : int, RandomState instance or None, default=None
        Seed of the shuffling; must be None without it.

    Examples
    --------
    >>> from zeroshot.model_selection import ClassKFold
    >>> y = ["cat", "dog", "cat", "emu", "fox"]
    >>> for train, test in ClassKFold(2).split(y, y):
    ...     print(train, test)
    [3 4] [0 1 2]
    [0 1 2] [3 4]
    """

    def __init__(
        self, n_splits: int = 5, *, shuffle: bool = False, random_state: Any = None
    ) -> None:
        self.n_splits = n_splits
        self.shuffle = shuffle
        self.random_state = random_state

    def _iter_masks(self, labels: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        classes = np.unique(labels)
        for test_classes in _class_folds(self, classes, self.random_state):
            test = np.isin(labels, test_classes)
            yield ~test, test


class GeneralizedClassKFold(_FoldSplitter):
    """`ClassKFold` whose test sets also hold out samples of the seen classes.

    A test set is made of all samples of the held-out classes and of a share of the samples of
    every other class, as the harmonic mean of seen and unseen accuracy needs. A class with a
    single sample cannot be on both sides: it stays in training until its fold comes.

    Parameters
    ----------
    n_splits : int, default=5
        Number of folds over the classes, at least 2 and at most the number of classes.
    test_size : float or int, default=0.2
        Of each seen class, the share (between 0 and 1, rounded up) or the number of samples to
        hold out: at least one, and never the last one that is left for training.
    shuffle : bool, default=False
        Whether to shuffle the classes, and the samples within each class, beforehand. The classes
        then fall into the folds of ``ClassKFold`` with the same integer `random_state`. Each fold
        holds out the next samples of a class, starting over at its end.
    random_state : int, RandomState instance or None, default=None
        Seed of the shuffling; must be None without it.

    Examples
    --------
    >>> from zeroshot.model_selection import GeneralizedClassKFold
    >>> y = ["cat", "cat", "cat", "dog", "dog"]
    >>> for train, test in GeneralizedClassKFold(2).split(y, y):
    ...     print(train, test)
    [4] [0 1 2 3]
    [0 2] [1 3 4]
    """

    _constraints: ClassVar[Mapping[str, Any]] = {"test_size": Checked(_check_share)}

    def __init__(
        self,
        n_splits: int = 5,
        *,
        test_size: float | int = 0.2,
        shuffle: bool = False,
        random_state: Any = None,
    ) -> None:
        self.n_splits = n_splits
        self.test_size = test_size
        self.shuffle = shuffle
        self.random_state = random_state

    def _iter_masks(self, labels: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        owner = type(self).__name__
        classes, codes = np.unique(labels, return_inverse=True)
        # One generator for both, classes first: the folds of ClassKFold with the same seed.
        rng = check_random_state(self.random_state) if self.shuffle else self.random_state
        folds = list(_class_folds(self, classes, rng))
        rows = [np.flatnonzero(codes == code) for code in range(len(classes))]
        if self.shuffle:
            rows = [rng.permutation(members) for members in rows]
        held_counts = [_n_held_out(self.test_size, len(members)) for members in rows]
        for fold, test_classes in enumerate(folds):
            test = np.isin(labels, test_classes)
            seen = np.flatnonzero(~np.isin(classes, test_classes))
            held = [_cyclic_slice(rows[c], fold, held_counts[c]) for c in seen]
            if not sum(map(len, held)):
                raise ValueError(
                    f"{owner}: no seen class of fold {fold} has two samples, so that none can be "
                    "held out. Pass more samples a class; ClassKFold holds out whole classes only."
                )
            test[np.concatenate(held)] = True
            yield ~test, test


def _class_folds(
    splitter: ClassKFold | GeneralizedClassKFold, classes: np.ndarray, random_state: Any
) -> Iterator[np.ndarray]:
    """Yield the held-out classes of each fold."""
    owner = type(splitter).__name__
    n_splits = splitter.get_n_splits()
    check_classes(classes, n_splits, owner=owner)
    folds = KFold(n_splits, shuffle=splitter.shuffle, random_state=random_state)
    for _, test in folds.split(classes):
        yield classes[test]


def _n_held_out(test_size: float | int, n_members: int) -> int:
    """Return how many of a class's samples to hold out: none of one, else 1 to n_members - 1."""
    wanted = math.ceil(test_size * n_members) if test_size < 1 else int(test_size)
    return min(wanted, n_members - 1)


def _cyclic_slice(rows: np.ndarray, turn: int, size: int) -> np.ndarray:
    """Return the `turn`-th run of `size` rows, starting over at the end."""
    return rows[(turn * size + np.arange(size)) % len(rows)]
