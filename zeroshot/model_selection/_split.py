"""Random, exhaustive and predefined splits over classes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import numpy as np
from sklearn.model_selection import ShuffleSplit

from zeroshot._constraints import SEED, Checked, Maybe
from zeroshot._validation import check_labels, check_unique
from zeroshot.model_selection._base import ClassSplitter, check_classes, check_n_splits

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
