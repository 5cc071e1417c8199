"""Which images are trained on and which are scored, in each draw of a few-shot curve."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from numbers import Integral
from typing import Any

import numpy as np
from sklearn.model_selection import check_cv

from zeroshot._validation import check_number

_NAMED = 5


@dataclass(frozen=True)
class Draw:
    """One draw.

    Attributes
    ----------
    by_class : list of ndarray of int
        The training rows of each class in the order drawn, as many as the most shots.
    test : ndarray of int
        The rows that are scored.
    """

    by_class: list[np.ndarray]
    test: np.ndarray

    def rows(self, n_images: int) -> np.ndarray:
        """Return `n_images` training rows a class: those of fewer images are among them."""
        return np.concatenate([own[:n_images] for own in self.by_class])


def draws_of(
    cv: Any,
    X: Any,
    y: np.ndarray,
    groups: Any,
    most: int,
    rng: np.random.RandomState,
    *,
    owner: str,
) -> list[Draw]:
    """Return the draws.

    Parameters
    ----------
    cv : int, splitter, or iterable of (train, test)
        So many draws whose test rows are all those not drawn; or splits, each the source of one
        draw.
    X : array-like or list of length n_samples
        For a splitter.
    y : ndarray of shape (n_samples,)
        Labels, of at least two classes.
    groups : array-like of shape (n_samples,) or None
        For a splitter.
    most : int
        Images a class to draw.
    rng : RandomState
        What images are drawn.
    owner : str
        Who asks, for the messages.

    Raises
    ------
    ValueError
        A class has too few images; a split has no test rows, or there are no splits; cv is a
        number below 1.
    """
    classes = np.unique(y)
    sources: Iterable[tuple[np.ndarray, np.ndarray | None]]
    if isinstance(cv, Integral) and not isinstance(cv, bool):
        check_number(cv, owner=owner, name="cv", at_least=1, integer=True)
        everything = np.arange(len(y))
        where, wanted = "X", most + 1
        remedy = "one more image a class than are drawn: those not drawn are for testing"
        sources = ((everything, None) for _ in range(int(cv)))
    else:
        where, wanted = "the training part of split {}", most
        remedy = "as many images of each class as are drawn"
        sources = _splits(cv, X, y, groups, owner=owner)
    draws = []
    for number, (train, test) in enumerate(sources):
        _check_counts(y[train], classes, wanted, where.format(number), remedy, owner=owner)
        by_class = [rng.permutation(train[y[train] == label])[:most] for label in classes]
        left = np.setdiff1d(train, np.concatenate(by_class)) if test is None else test
        if not len(left):
            raise ValueError(f"{owner}: split {number} of cv has no test rows. Pass another cv.")
        draws.append(Draw(by_class, left))
    if not draws:
        raise ValueError(f"{owner}: cv gives no splits. Pass a number of draws, or a splitter.")
    return draws


def _splits(
    cv: Any, X: Any, y: np.ndarray, groups: Any, *, owner: str
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    try:
        splitter = check_cv(cv)
    except (TypeError, ValueError) as error:
        raise TypeError(
            f"{owner}: cv must be a number of draws, a splitter, or a list of (train, test), got "
            f"{cv!r}."
        ) from error
    rows = np.arange(len(y))
    for train, test in splitter.split(X, y, groups):
        yield rows[train], rows[test]  # numbers, whether the splitter gives these or masks


def _check_counts(
    y: np.ndarray, classes: np.ndarray, wanted: int, where: str, remedy: str, *, owner: str
) -> None:
    counts = np.bincount(np.searchsorted(classes, y), minlength=len(classes))
    few = np.flatnonzero(counts < wanted)
    if len(few):
        named = ", ".join(f"{classes[row].item()!r} has {counts[row]}" for row in few[:_NAMED])
        more = f" and {len(few) - _NAMED} more" if len(few) > _NAMED else ""
        raise ValueError(
            f"{owner}: {len(few)} of {len(classes)} classes have fewer than {wanted} images in "
            f"{where} ({named}{more}). It takes {remedy}. Pass fewer shots, or leave these "
            "classes out."
        )
