"""Images of a report with their answers, and a filter by class."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from zeroshot.report._classes import Answers
from zeroshot.report._page import PARTS
from zeroshot.report._pictures import small_copy

MAX_IMAGES, MAX_PER_CLASS = 30, 5


def gallery(
    answers: Answers,
    seen: Any,
    probabilities: Callable[[np.ndarray], np.ndarray] | None,
    *,
    calibrated: bool,
    seed: int,
) -> str:
    """Return images drawn at random, as many of each class, or nothing without images.

    Parameters
    ----------
    answers : Answers
        The samples of an evaluation.
    seen : array-like of shape (n_seen,)
        Classes that were in training.
    probabilities : callable or None
        Takes positions of samples, and returns the probability of each of their labels in
        `answers`, (n_rows, k). None if the model has none.
    calibrated : bool
        Whether the probabilities were fitted to classes that were left out.
    seed : int
        Seed of the choice.
    """
    if answers.images is None:
        return ""
    rows, copies = _without_twins(_chosen(answers.y, seen, seed), answers.images)
    sure = None if probabilities is None else probabilities(np.array(rows))
    classes = {label: place for place, label in enumerate(np.unique(answers.y[rows]).tolist())}
    cards, counts = [], dict.fromkeys(classes, 0)
    right = answers.labels[rows, 0] == answers.y[rows]
    for i, row in enumerate(rows):
        label, named = answers.y[row], answers.labels[row].tolist()
        percents = [None] * len(named) if sure is None else [percent(p) for p in sure[i]]
        first = None if sure is None else (percents[0], _width(sure[i][0]))
        counts[label.item()] += 1
        image = answers.images[row]
        cards.append(
            PARTS.card(
                copies[i],
                f"Image of {label}, named {named[0]}",
                named[0],
                first,
                kind="right" if right[i] else "wrong",
                group=classes[label.item()],
                truth=label,
                unseen=not np.isin(label, np.asarray(seen)),
                others=list(zip(named, percents, strict=True))[1:],
                file=os.path.basename(image) if isinstance(image, (str, os.PathLike)) else "",
            )
        )
    groups = [(place, f"{label} ({counts[label]})") for label, place in classes.items()]
    numbers = {"all": len(rows), "right": int(right.sum()), "wrong": int((~right).sum())}
    share = (answers.labels[:, 0] == answers.y).mean()
    intro = (
        f"{len(rows):,} of {len(answers.y):,} images, drawn at random, as many of each class where "
        f"there are: the first label is right for {numbers['right']} of them, and for {share:.0%} "
        "of all images. "
    )
    how = NO_PERCENTAGES
    if sure is not None:
        how = "Percentages are the model's probabilities, "
        how += "fitted to classes that were left out." if calibrated else NOT_FITTED
    return PARTS.gallery(intro + how, cards, groups, numbers)


NOT_FITTED = "which were not fitted to anything: the figures say whether they can be trusted."
NO_PERCENTAGES = "This model has no probabilities, only an order of the labels, best first."


def percent(probability: float) -> str:
    """Return a probability as a percentage without its sign.

    Examples
    --------
    >>> from zeroshot.report._gallery import percent
    >>> percent(0.874), percent(0.9991), percent(0.0004), percent(1.0)
    ('87', '>99', '<1', '100')
    """
    if 0 < probability < 0.005:
        return "<1"
    if 0.995 <= probability < 1:
        return ">99"
    return f"{100 * probability:.0f}"


def _width(probability: float) -> str:
    """Return the length of the bar of a probability, in percent."""
    return f"{100 * probability:.0f}"


def _chosen(y: np.ndarray, seen: Any, seed: int) -> list[int]:
    """Return positions of images: in turns, one of each class, unseen classes first."""
    rng = np.random.RandomState(seed)
    classes = np.unique(y)
    if len(classes) > MAX_IMAGES:
        classes = np.sort(rng.choice(classes, MAX_IMAGES, replace=False))
    most = min(MAX_PER_CLASS, max(1, MAX_IMAGES // len(classes)))
    classes = classes[np.argsort(np.isin(classes, np.asarray(seen)), kind="stable")]
    drawn = [rng.permutation(np.flatnonzero(y == label))[:most].tolist() for label in classes]
    return [rows[turn] for turn in range(most) for rows in drawn if turn < len(rows)]


def _without_twins(rows: Sequence[int], images: Any) -> tuple[list[int], list[str | None]]:
    """Return positions and small copies of images, no image twice."""
    known: set[str] = set()
    kept, copies = [], []
    for row in rows:
        copy = small_copy(images[row])
        if copy is None or copy not in known:
            kept.append(row)
            copies.append(copy)
        if copy is not None:
            known.add(copy)
    return kept, copies


def named_photos(photos: Sequence[Mapping[str, Any]], intro: str) -> str:
    """Return photos with the names that they were given, the surest first.

    Parameters
    ----------
    photos : sequence of dict
        ``path``, ``labels`` and perhaps ``probabilities``, best first.
    intro : str
        What they are.
    """
    by_sureness = sorted(photos, key=lambda photo: -photo.get("probabilities", [0])[0])
    places, copies = _without_twins(range(len(photos)), [photo["path"] for photo in by_sureness])
    cards = []
    for place, copy in zip(places, copies, strict=True):
        photo = by_sureness[place]
        shares = photo.get("probabilities", [])
        percents: Sequence[str | None] = [percent(p) for p in shares]
        percents = percents or [None] * len(photo["labels"])
        file = os.path.basename(photo["path"])
        cards.append(
            PARTS.card(
                copy,
                f"Photo {file}, named {photo['labels'][0]}",
                photo["labels"][0],
                (percents[0], _width(shares[0])) if shares else None,
                others=list(zip(photo["labels"], percents, strict=True))[1:3],
                file=file,
            )
        )
    return PARTS.gallery(intro, cards, [], {})
