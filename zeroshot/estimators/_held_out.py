"""Held-out classes: scores of classes and samples that a method has never seen.

Temperatures, sets of labels and rejection all learn from the same blocks of scores.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from zeroshot._utils._validation import take_rows
from zeroshot.exceptions import LabelWarning

LEAST_CLASSES = 4
"""Two classes to learn from, and two that compete when they are held out."""

MOST_FOLDS = 5
"""Sums of as many are held in memory."""
_SAMPLE_FOLDS = 5
"""One in how many samples of a seen class is held out."""

_MOST_ROWS = 30
"""Samples of a class that are scored: classes, not samples, are what there are few of."""

_MOST_SCORES = 2**22


class Block(NamedTuple):
    """Scores of held-out samples that had the same candidates.

    Attributes
    ----------
    scores : ndarray of shape (n_samples, n_columns)
        One column for each candidate, and for each seen class.
    is_seen : ndarray of bool of shape (n_columns,)
        Which columns are of classes that the model was trained on.
    true : ndarray of int of shape (n_samples,)
        The column of each sample's class.
    classes : ndarray of int of shape (n_samples,)
        A number for each class, the same in all blocks.
    """

    scores: np.ndarray
    is_seen: np.ndarray
    true: np.ndarray
    classes: np.ndarray


@dataclass(frozen=True)
class ClassFold:
    """A training set without some classes, and the samples that are scored.

    Attributes
    ----------
    train : ndarray of int
        Rows to learn from.
    test : ndarray of int
        Rows to score: of the classes held out, and of others.
    groups : list of ndarray of int
        The classes held out, as groups of candidates that compete.
    """

    train: np.ndarray
    test: np.ndarray
    groups: list[np.ndarray]

    def blocks(self, codes: np.ndarray, scores: np.ndarray) -> Iterator[Block]:
        """Yield a block for each group of candidates.

        Parameters
        ----------
        codes : ndarray of int of shape (n_rows,)
            The class of every row.
        scores : ndarray of shape (n_test, n_classes)
            Of the test rows, for all classes.
        """
        classes = codes[self.test]
        kept = np.unique(codes[self.train])
        position = np.arange(len(classes)) % len(self.groups)
        of_seen = np.isin(classes, kept)
        for number, group in enumerate(self.groups):
            rows = np.where(of_seen, position == number, np.isin(classes, group))
            columns = np.concatenate([np.sort(group), kept])
            places = np.full(scores.shape[1], -1)
            places[columns] = np.arange(len(columns))
            yield Block(
                scores[np.ix_(rows, columns)],
                np.arange(len(columns)) >= len(group),
                places[classes[rows]],
                classes[rows],
            )


def class_folds(
    codes: np.ndarray, n_unseen: int, *, seen_too: bool, unseen_too: bool = True
) -> list[ClassFold]:
    """Return folds over the classes, with as many candidates held out as the model will face.

    Parameters
    ----------
    codes : ndarray of int of shape (n_rows,)
        The class of each row, from 0.
    n_unseen : int
        How many unseen candidates the model will face; 0 if that is not known.
    seen_too : bool
        Whether samples of the other classes are held out as well.
    unseen_too : bool, default=True
        Whether classes are held out; if not, samples alone.

    Returns
    -------
    folds : list of ClassFold
        From 2 to 5. They depend on the codes alone, through a seed of their own.
    """
    counts = np.bincount(codes)
    n_classes = len(counts)
    size = n_unseen if n_unseen > 1 else max(2, n_classes // MOST_FOLDS)
    n_folds = int(np.clip(n_classes // size, 2, MOST_FOLDS)) if unseen_too else _SAMPLE_FOLDS
    parts = [np.empty(0, dtype=np.int64)] * n_folds
    if unseen_too:
        parts = np.array_split(np.random.RandomState(0).permutation(n_classes), n_folds)
    ranks = _ranks(codes, counts)
    scored = _evenly_spaced(ranks, counts[codes], _rows_per_class(n_classes))
    folds = []
    for number, part in enumerate(parts):
        held_out = np.isin(codes, part)
        also = ~held_out & (ranks % _SAMPLE_FOLDS == number) & (counts[codes] > 1) & seen_too
        n_groups = int(np.clip(round(len(part) / size), 1, max(1, len(part) // 2)))
        folds.append(
            ClassFold(
                np.flatnonzero(~held_out & ~also),
                np.flatnonzero((held_out | also) & scored),
                np.array_split(part, n_groups),
            )
        )
    return folds


def _ranks(codes: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Return the position of each row among those of its class."""
    order = np.argsort(codes, kind="stable")
    ranks = np.empty(len(codes), dtype=np.int64)
    ranks[order] = np.arange(len(codes)) - np.repeat(np.cumsum(counts) - counts, counts)
    return ranks


def _evenly_spaced(ranks: np.ndarray, counts: np.ndarray, most: int) -> np.ndarray:
    """Return which rows are among at most `most` of each class."""
    return (counts <= most) | ((ranks * most) // counts != ((ranks - 1) * most) // counts)


def _rows_per_class(n_classes: int) -> int:
    return int(np.clip(_MOST_SCORES // n_classes**2, 2, _MOST_ROWS))


def scored_blocks(
    codes: np.ndarray,
    folds: list[ClassFold],
    score: Callable[[ClassFold], np.ndarray],
) -> list[Block]:
    """Return the blocks of all folds.

    Parameters
    ----------
    codes : ndarray of int of shape (n_rows,)
        The class of each row.
    folds : list of ClassFold
        As `class_folds` gives them.
    score : callable
        Returns the scores of a fold's test rows, (n_test, n_classes), by a model that learnt from
        its training rows.
    """
    blocks = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LabelWarning)  # given by the fit on all rows
        for fold in folds:
            blocks += [block for block in fold.blocks(codes, score(fold)) if len(block.true)]
    return blocks


def refitted_scores(
    make: Callable[[], Any],
    X: Any,
    y: np.ndarray,
    fold: ClassFold,
    weights: np.ndarray | None = None,
) -> np.ndarray:
    """Return the scores of a fold's test rows by a classifier that is fitted to its training rows.

    Parameters
    ----------
    make : callable
        Returns an unfitted classifier over all labels of y.
    X, y
        All samples.
    fold : ClassFold
        Which of them.
    weights : ndarray of shape (n_samples,), optional
        Of the samples, for ``fit``.
    """
    given = {} if weights is None else {"sample_weight": weights[fold.train]}
    model = make().fit(take_rows(X, fold.train), y[fold.train], **given)
    return model._class_scores(model._validate(take_rows(X, fold.test)))
