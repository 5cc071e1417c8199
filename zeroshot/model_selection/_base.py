"""What all class splitters share."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any

import numpy as np
from sklearn.utils import check_consistent_length
from sklearn.utils.metadata_routing import MetadataRequest

from zeroshot._constraints import ParametersMixin
from zeroshot._saving import Saved
from zeroshot._validation import check_labels


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


def check_classes(classes: np.ndarray, least: int, *, owner: str) -> np.ndarray:
    if len(classes) < least:
        raise ValueError(
            f"{owner}: {least} classes or more are needed, the labels have {len(classes)} "
            f"({', '.join(map(repr, classes[:5].tolist()))}). Pass samples of more classes"
            f"{f', or n_splits of at most {len(classes)}' if len(classes) > 1 else ''}."
        )
    return classes
