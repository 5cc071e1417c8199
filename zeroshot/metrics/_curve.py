"""The seen-unseen curve: accuracies as the scores of seen classes are lowered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from zeroshot._utils._validation import check_option
from zeroshot.exceptions import Remedy
from zeroshot.metrics._classification import (
    AVERAGES,
    check_part,
    check_scored,
    check_seen_classes,
    on_offer,
)


def seen_unseen_curve(
    y_true: Any, y_score: Any, *, labels: Any, seen_classes: Any, average: str = "macro"
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Accuracy on seen and on unseen classes, by the number subtracted from seen scores.

    The answer is argmax_c f_c(x) - calibration·1[c seen]. For a sample it changes only where
    `calibration` passes the best seen score less the best unseen score. So the curve tries exactly
    these differences.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        True labels, of seen and of unseen classes. One that is not in `labels` is always wrong.
    y_score : array-like of shape (n_samples, n_labels), or (n_samples,) for two labels
        Scores, as in `hit_at_k_score`. Of equal scores within the seen or within the unseen
        labels, the one that stands first in `labels` wins.
    labels : array-like of shape (n_labels,)
        Label of each column, without repeats; ``classes_`` of a classifier.
    seen_classes : array-like of shape (n_seen,)
        Labels that were in training; ``seen_classes_`` of a classifier.
    average : {"macro", "micro"}, default="macro"
        "macro": mean over the classes in `y_true` of the accuracy within the class; "micro": share
        of all samples. Either way seen and unseen classes apart.

    Returns
    -------
    seen : ndarray of shape (n_points,)
        Accuracy on seen classes, falling from its value without unseen candidates to 0.
    unseen : ndarray of shape (n_points,)
        Accuracy on unseen classes, rising from 0 to its value without seen candidates.
    calibration : ndarray of shape (n_points,)
        Ascending, the first one -inf. Point j holds between ``calibration[j]`` and the next
        one; on ``calibration[j]`` itself samples are tied.

    Raises
    ------
    ValueError
        `y_true` or the candidate labels lack seen or unseen classes, columns and `labels` disagree,
        or `y_score` holds NaN or infinity.

    References
    ----------
    Chao, Changpinyo, Gong, Sha, "An Empirical Study and Analysis of Generalized Zero-Shot Learning
    for Object Recognition in the Wild", 2016, sections 4.1 and 4.2.

    Examples
    --------
    >>> from zeroshot.metrics import seen_unseen_curve
    >>> labels = ["cat", "dog", "owl"]
    >>> y_score = [[0.9, 0.2, 0.3], [0.1, 0.8, 0.7], [0.6, 0.2, 0.4]]
    >>> seen, unseen, calibration = seen_unseen_curve(
    ...     labels, y_score, labels=labels, seen_classes=["cat", "dog"]
    ... )
    >>> seen.tolist(), unseen.tolist(), calibration.round(2).tolist()
    ([1.0, 0.5, 0.5, 0.0], [0.0, 0.0, 1.0, 1.0], [-inf, 0.1, 0.2, 0.6])
    """
    points, shares = _checked(
        y_true, y_score, labels, seen_classes, average, owner="seen_unseen_curve"
    )
    return points.curve(shares)


def ausuc_score(
    y_true: Any, y_score: Any, *, labels: Any, seen_classes: Any, average: str = "macro"
) -> float:
    """Area under the curve of `seen_unseen_curve`.

    Parameters
    ----------
    y_true, y_score, labels, seen_classes, average
        As in `seen_unseen_curve`.

    Returns
    -------
    float
        In [0, 1]. Random scores have 0.5 / (seen labels) / (unseen labels).

    Raises
    ------
    ValueError
        As in `seen_unseen_curve`.

    References
    ----------
    Chao, Changpinyo, Gong, Sha, "An Empirical Study and Analysis of Generalized Zero-Shot Learning
    for Object Recognition in the Wild", 2016, section 4.2.

    Examples
    --------
    >>> from zeroshot.metrics import ausuc_score
    >>> labels = ["cat", "dog", "owl"]
    >>> y_score = [[0.9, 0.2, 0.3], [0.1, 0.8, 0.7], [0.6, 0.2, 0.4]]
    >>> ausuc_score(labels, y_score, labels=labels, seen_classes=["cat", "dog"])
    0.5
    """
    points, shares = _checked(y_true, y_score, labels, seen_classes, average, owner="ausuc_score")
    seen, unseen, _ = points.curve(shares)
    return area(seen, unseen)


@dataclass(frozen=True)
class BreakPoints:
    """What the seen-unseen curve needs to know of each sample.

    Attributes
    ----------
    calibration : ndarray of shape (n_samples,)
        Best score of a seen label less that of an unseen label: below it the answer is seen.
    is_seen : ndarray of bool of shape (n_samples,)
        Whether the true class is seen.
    right : ndarray of bool of shape (n_samples,)
        Whether the true label is the best one of its kind.
    """

    calibration: np.ndarray
    is_seen: np.ndarray
    right: np.ndarray

    @classmethod
    def of(
        cls,
        y_true: np.ndarray,
        scores: np.ndarray,
        labels: np.ndarray,
        seen_classes: np.ndarray,
        *,
        owner: str,
    ) -> BreakPoints:
        """Find them in checked scores, (n_samples, n_labels).

        Raises
        ------
        ValueError
            The candidates have no seen class, or no unseen class.
        """
        seen_columns = np.isin(labels, seen_classes)
        offered = on_offer(scores)
        best: dict[bool, tuple[np.ndarray, np.ndarray]] = {}
        for seen, part in ((True, "seen"), (False, "unseen")):
            columns = np.flatnonzero(offered & (seen_columns == seen))
            if not columns.size:
                raise ValueError(f"{owner}: " + nothing_offered(part))
            block = scores[:, columns]
            place = block.argmax(axis=1)
            values = np.take_along_axis(block, place[:, None], axis=1)[:, 0]
            best[seen] = values.astype(np.float64), labels[columns[place]]
        is_seen = np.isin(y_true, seen_classes)
        answers = np.where(is_seen, best[True][1], best[False][1])
        return cls(best[True][0] - best[False][0], is_seen, answers == y_true)

    @classmethod
    def joined(cls, parts: list[BreakPoints]) -> BreakPoints:
        """Put those of several blocks of samples together."""
        names = ("calibration", "is_seen", "right")
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))

    def curve(self, shares: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return what `seen_unseen_curve` does; `shares` sum to 1 in each part."""
        calibration, places = np.unique(self.calibration[self.right], return_inverse=True)
        seen, shares = self.is_seen[self.right], shares[self.right]
        lost = np.bincount(places, weights=shares * seen, minlength=len(calibration))
        won = np.bincount(places, weights=shares * ~seen, minlength=len(calibration))
        # Each from its own end, so that both end at exactly 0.
        falling = np.append(np.cumsum(lost[::-1])[::-1], 0.0)
        rising = np.append(0.0, np.cumsum(won))
        return np.minimum(falling, 1), np.minimum(rising, 1), np.append(-np.inf, calibration)


def area(seen: np.ndarray, unseen: np.ndarray) -> float:
    """Return the area under the curve, by trapezia: samples that tie count half."""
    return float(np.sum(np.diff(unseen) * (seen[1:] + seen[:-1]) / 2))


def part_shares(y_true: np.ndarray, is_seen: np.ndarray, average: str) -> np.ndarray:
    """Return what each sample counts in the accuracy of its part: the sum over each part is 1."""
    shares = np.empty(len(y_true))
    for part in (is_seen, ~is_seen):
        _, codes, counts = np.unique(y_true[part], return_inverse=True, return_counts=True)
        by_class = 1 / (counts * len(counts))
        shares[part] = by_class[codes] if average == "macro" else 1 / part.sum()
    return shares


def nothing_offered(part: str) -> str:
    """Return the message for candidates without a class of this part, "seen" or "unseen"."""
    return f"no class {part} in fit is a candidate. " + Remedy(
        "Pass candidates= with labels of both kinds, and scenario='generalized'.",
        option="Judge without --unseen, to offer labels of both kinds.",
    )


def _checked(
    y_true: Any, y_score: Any, labels: Any, seen_classes: Any, average: str, *, owner: str
) -> tuple[BreakPoints, np.ndarray]:
    check_option(average, AVERAGES, owner=owner, name="average")
    y_true, scores, labels = check_scored(y_true, y_score, labels, owner=owner)
    seen_classes = check_seen_classes(seen_classes, y_true, labels, owner=owner, name="labels")
    shares = checked_shares(y_true, np.isin(y_true, seen_classes), average, owner=owner)
    return BreakPoints.of(y_true, scores, labels, seen_classes, owner=owner), shares


def checked_shares(
    y_true: np.ndarray, is_seen: np.ndarray, average: str, *, owner: str
) -> np.ndarray:
    """Return what `part_shares` does.

    Raises
    ------
    ValueError
        No sample is of a seen class, or none is of an unseen one.
    """
    check_part(is_seen, part="seen", owner=owner)
    check_part(~is_seen, part="unseen", owner=owner)
    return part_shares(y_true, is_seen, average)
