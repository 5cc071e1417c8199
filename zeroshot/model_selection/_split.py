"""Random, exhaustive and predefined splits over classes."""

from __future__ import annotations

import inspect
import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import numpy as np
from sklearn.model_selection import KFold, ShuffleSplit
from sklearn.utils import check_consistent_length, check_random_state
from sklearn.utils.metadata_routing import MetadataRequest

from zeroshot._utils._constraints import FLAG, SEED, Checked, Maybe, ParametersMixin
from zeroshot._utils._saving import Saved
from zeroshot._utils._validation import check_labels, check_unique


class ClassSplitter(Saved, ParametersMixin, ABC):
    """Owns `split`; children say which rows train and which test."""

    @abstractmethod
    def _iter_masks(self, labels: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield the train and the test mask of each fold, both (n_samples,) bool."""

    @abstractmethod
    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
        """Return the number of folds."""

    def split(
        self, X: Any, y: Any = None, groups: Any = None
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield the row indices of each fold's training and test set.

        Parameters
        ----------
        X : array-like or list of length n_samples
            Only its length is used.
        y : array-like of shape (n_samples,), optional
            Labels, strings or integers.
        groups : array-like of shape (n_samples,), optional
            Labels to split by instead of `y`; needed where `y` holds vectors.

        Yields
        ------
        train, test : ndarray of int
            Sorted row indices; the two share no row.

        Raises
        ------
        ValueError
            No labels, labels that are none, or too few classes.
        """
        self._check_parameters()
        labels = self._labels(y, groups)
        check_consistent_length(X, labels)
        for train, test in self._iter_masks(labels):
            yield np.flatnonzero(train), np.flatnonzero(test)

    def get_metadata_routing(self) -> MetadataRequest:
        """Ask for `groups` where scikit-learn's metadata routing is enabled.

        Returns
        -------
        MetadataRequest
            As `GroupKFold` has it.
        """
        request = MetadataRequest(owner=type(self).__name__)
        request.split.add_request(param="groups", alias=True)
        return request

    def __repr__(self) -> str:
        names = inspect.signature(type(self)).parameters
        values = ", ".join(f"{name}={getattr(self, name)!r}" for name in names)
        return f"{type(self).__name__}({values})"

    def _labels(self, y: Any, groups: Any) -> np.ndarray:
        owner = type(self).__name__
        if groups is not None:
            return check_labels(groups, owner=owner, name="groups")
        if y is None:
            raise ValueError(f"{owner}: there are no labels to split by. Pass y or groups=labels.")
        if np.ndim(y) == 2:
            raise ValueError(
                f"{owner}: y is 2-D, shape {np.shape(y)}, and holds no labels. Pass groups=labels."
            )
        try:
            return check_labels(y, owner=owner, name="y")
        except ValueError as error:
            raise ValueError(f"{error} Pass groups=labels if y holds no labels.") from error


def check_n_splits(n_splits: Any, *, owner: str, name: str, least: int) -> None:
    if isinstance(n_splits, (bool, np.bool_)) or not isinstance(n_splits, (int, np.integer)):
        raise ValueError(f"{owner}: {name} must be an integer, got {n_splits!r}.")
    if n_splits < least:
        raise ValueError(f"{owner}: {name} must be at least {least}, got {n_splits}.")


_LISTS = (list, tuple, set, frozenset, np.ndarray)


def _check_size(size: Any, *, owner: str, name: str) -> None:
    is_share = isinstance(size, (float, np.floating)) and 0 < size < 1
    is_count = isinstance(size, (int, np.integer)) and not isinstance(size, bool) and size >= 1
    if not (is_share or is_count):
        raise ValueError(
            f"{owner}: {name} must be a share of the classes between 0 and 1 or a number of "
            f"classes of at least 1, got {size!r}."
        )


class ClassShuffleSplit(ClassSplitter):
    """Random splits of the classes into training and test classes.

    The same folds as scikit-learn's ``GroupShuffleSplit`` over the labels as groups, with its
    defaults.

    Parameters
    ----------
    n_splits : int, default=5
        Number of random splits, drawn independently: test sets may overlap.
    test_size : float, int or None, default=None
        Share (rounded up) or number of test classes. None means what `train_size` leaves, or 0.2
        if that is None too.
    train_size : float, int or None, default=None
        Share (rounded down) or number of training classes. None means what `test_size` leaves.
    random_state : int, RandomState instance or None, default=None
        Seed of the draws.

    Examples
    --------
    >>> from zeroshot.model_selection import ClassShuffleSplit
    >>> y = ["cat", "dog", "cat", "emu", "fox"]
    >>> for train, test in ClassShuffleSplit(2, test_size=1, random_state=0).split(y, y):
    ...     print(train, test)
    [0 1 2 4] [3]
    [1 3 4] [0 2]
    """

    _constraints: ClassVar[Mapping[str, Any]] = {
        "n_splits": Checked(check_n_splits, least=1),
        "test_size": Maybe(Checked(_check_size)),
        "train_size": Maybe(Checked(_check_size)),
        "random_state": SEED,
    }

    def __init__(
        self,
        n_splits: int = 5,
        *,
        test_size: float | int | None = None,
        train_size: float | int | None = None,
        random_state: Any = None,
    ) -> None:
        self.n_splits = n_splits
        self.test_size = test_size
        self.train_size = train_size
        self.random_state = random_state

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

    def _iter_masks(self, labels: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        owner = type(self).__name__
        classes = check_classes(np.unique(labels), 2, owner=owner)
        neither = self.test_size is None and self.train_size is None
        splitter = ShuffleSplit(
            self.get_n_splits(),
            test_size=0.2 if neither else self.test_size,
            train_size=self.train_size,
            random_state=self.random_state,
        )
        try:
            folds = list(splitter.split(classes))
        except ValueError as error:
            raise ValueError(
                f"{owner}: cannot split {len(classes)} classes: {error} (The samples spoken of "
                "are classes.) Pass a test_size and train_size that leave at least one class in "
                "each part."
            ) from error
        for train, test in folds:
            yield np.isin(labels, classes[train]), np.isin(labels, classes[test])


class LeaveOneClassOut(ClassSplitter):
    """One fold a class, in sorted order: it is the test set, all others train.

    With ``scenario="unseen"`` a classifier has a single answer left in each fold: use
    ``scenario="generalized"``, or score the predicted embedding.

    Examples
    --------
    >>> from zeroshot.model_selection import LeaveOneClassOut
    >>> y = ["cat", "dog", "cat"]
    >>> for train, test in LeaveOneClassOut().split(y, y):
    ...     print(train, test)
    [1] [0 2]
    [0 2] [1]
    """

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
        """Return the number of folds: of classes in `groups` if given, else in `y`.

        Parameters
        ----------
        X : object
            Ignored.
        y, groups : array-like of shape (n_samples,), optional
            Labels; one of the two is needed.

        Returns
        -------
        int
            Number of classes.

        Raises
        ------
        ValueError
            Neither is given, or there is but one class.
        """
        classes = np.unique(self._labels(y, groups))
        return len(check_classes(classes, 2, owner=type(self).__name__))

    def _iter_masks(self, labels: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for label in check_classes(np.unique(labels), 2, owner=type(self).__name__):
            test = labels == label
            yield ~test, test


def _check_test_classes(test_classes: Any, *, owner: str, name: str) -> None:
    if isinstance(test_classes, (str, bytes)) or not np.iterable(test_classes):
        check_labels(test_classes, owner=owner, name=name)  # raises, with the remedy
    nested = [isinstance(part, _LISTS) for part in test_classes]
    if any(nested) and not all(nested):
        raise ValueError(
            f"{owner}: {name} mixes labels and lists of labels. Pass a list of labels (one "
            "fold), or a list of lists (one fold each)."
        )
    for fold in test_classes if any(nested) else [test_classes]:
        check_unique(check_labels(fold, owner=owner, name=name), owner=owner, name=name)


class PredefinedClassSplit(ClassSplitter):
    """Folds whose test classes are named, such as a benchmark's published split.

    Parameters
    ----------
    test_classes : list of labels, or list of lists of labels
        The test classes of a single fold, or of each fold in turn. A class may be in several
        folds, but only once in each.

    Examples
    --------
    >>> from zeroshot.model_selection import PredefinedClassSplit
    >>> y = ["cat", "dog", "cat", "emu"]
    >>> for train, test in PredefinedClassSplit([["cat"], ["dog", "emu"]]).split(y, y):
    ...     print(train, test)
    [1 3] [0 2]
    [0 2] [1 3]
    """

    _constraints: ClassVar[Mapping[str, Any]] = {"test_classes": Checked(_check_test_classes)}

    def __init__(self, test_classes: Any) -> None:
        self.test_classes = test_classes

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
        """Return the number of folds that `test_classes` names.

        Parameters
        ----------
        X, y, groups
            Ignored.

        Returns
        -------
        int
            1 for a list of labels, else the number of lists.
        """
        return len(self._folds())

    def _folds(self) -> list[np.ndarray]:
        self._check_parameters()
        parts = list(self.test_classes)
        folds = parts if isinstance(parts[0], _LISTS) else [parts]
        return [check_labels(fold, owner=type(self).__name__) for fold in folds]

    def _iter_masks(self, labels: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        owner = type(self).__name__
        classes = np.unique(labels)
        folds = self._folds()
        for fold in folds:
            # As objects: numpy would turn the integers of a mixture into strings.
            known = set(classes.tolist())
            unknown = [label for label in fold.tolist() if label not in known]
            if unknown:
                raise ValueError(
                    f"{owner}: test_classes names {len(unknown)} of {len(fold)} labels that are "
                    f"not among the {len(classes)} classes of y "
                    f"({', '.join(map(repr, unknown))}); these are such as "
                    f"{', '.join(map(repr, classes[:3].tolist()))}. Take labels as they stand in y."
                )
            if len(fold) == len(classes):
                raise ValueError(
                    f"{owner}: test_classes holds all {len(classes)} classes of y, which leaves "
                    "none for training. Leave at least one class out of it."
                )
        for fold in folds:
            test = np.isin(labels, fold)
            yield ~test, test


def check_classes(classes: np.ndarray, least: int, *, owner: str) -> np.ndarray:
    if len(classes) < least:
        raise ValueError(
            f"{owner}: {least} classes or more are needed, the labels have {len(classes)} "
            f"({', '.join(map(repr, classes[:5].tolist()))}). Pass samples of more classes"
            f"{f', or n_splits of at most {len(classes)}' if len(classes) > 1 else ''}."
        )
    return classes


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

    A test set has all samples of the held-out classes, and a share of the samples of every other
    class, as the harmonic mean of seen and unseen accuracy needs. A class with a single sample
    cannot be on both sides: it is in training, except in the fold that holds it out.

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
