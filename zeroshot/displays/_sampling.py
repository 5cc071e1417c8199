"""Images and labels that are mapped together, some of them where there are many."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from zeroshot._validation import check_labels, check_same_kind, check_unique
from zeroshot.displays._checks import check_matrix
from zeroshot.displays._projection import project


@dataclass
class MapData:
    """What is on a map.

    Attributes
    ----------
    points : ndarray of shape (n_points, n_dims or 2)
        Images: vectors, and points of the plane after `project`.
    labels : ndarray of shape (n_points,)
        Theirs.
    label_points : ndarray of shape (n_names, n_dims or 2), or None
        Labels, if they have vectors; medians of their images after `project` otherwise.
    names : ndarray of shape (n_names,)
        What they are.
    n_images, n_labels : int
        How many there were.
    """

    points: np.ndarray
    labels: np.ndarray
    label_points: np.ndarray | None
    names: np.ndarray
    n_images: int
    n_labels: int

    def project(self, method: str, *, cosine: bool, random_state: Any, owner: str) -> None:
        """Map images and labels together.

        Raises
        ------
        ValueError
            There are fewer than four of them.
        """
        parts = [self.points] if self.label_points is None else [self.points, self.label_points]
        vectors = np.vstack(parts)
        if len(vectors) < 4:
            raise ValueError(
                f"{owner}: vectors and label_vectors have {len(vectors)} rows in all, expected at "
                "least 4. Pass more images."
            )
        mapped = project(vectors, method, cosine=cosine, random_state=random_state, owner=owner)
        n = len(self.points)
        self.points = mapped[:n]
        if self.label_points is None:
            of_class = (self.points[self.labels == name] for name in self.names)
            self.label_points = np.array([np.median(points, axis=0) for points in of_class])
        else:
            self.label_points = mapped[n:]


def draw_points(
    vectors: Any,
    labels: Any,
    label_vectors: Any,
    label_names: Any,
    seen: Any,
    most: tuple[int, int],
    rng: np.random.RandomState,
    *,
    owner: str,
) -> MapData:
    """Check images and labels, and draw at most so many of each.

    Raises
    ------
    ValueError
        Shapes or kinds do not belong together.
    """
    every = check_labels(labels, owner=owner, name="labels")
    matrix = check_matrix(vectors, owner=owner, name="vectors", shape=(len(every), None))
    rows = some(np.arange(len(every)), most[0], rng)
    kept = every[rows]
    if label_names is None:
        names, points, n_labels = np.unique(kept), None, len(np.unique(every))
    else:
        names, points = check_label_vectors(
            label_names, label_vectors, kept, matrix.shape[1], owner=owner
        )
        n_labels = len(names)
    chosen = some_labels(names, kept, seen, most[1], rng)
    points = None if points is None else points[chosen]
    return MapData(matrix[rows], kept, points, names[chosen], len(every), n_labels)


def some(places: np.ndarray, most: int, rng: np.random.RandomState) -> np.ndarray:
    """Return at most so many of them, in their order."""
    return places if len(places) <= most else np.sort(rng.choice(places, most, replace=False))


def some_labels(
    names: np.ndarray, labels: np.ndarray, seen: Any, most: int, rng: np.random.RandomState
) -> np.ndarray:
    """Return places of at most so many names, of both kinds, those that images have first."""
    if len(names) <= most:
        return np.arange(len(names))
    order = np.lexsort((rng.random_sample(len(names)), ~np.isin(names, labels)))
    is_seen = np.zeros(len(names), dtype=bool) if seen is None else np.isin(names, np.asarray(seen))
    n_unseen = share_of_unseen(int(is_seen.sum()), int((~is_seen).sum()), most)
    kept = [order[~is_seen[order]][:n_unseen], order[is_seen[order]][: most - n_unseen]]
    return np.sort(np.concatenate(kept))


def share_of_unseen(n_seen: int, n_unseen: int, most: int) -> int:
    """Return how many of `most` labels are unseen ones: their share, but a quarter of either kind.

    Examples
    --------
    >>> from zeroshot.displays._sampling import share_of_unseen
    >>> share_of_unseen(400, 600, 100), share_of_unseen(990, 10, 100), share_of_unseen(0, 500, 100)
    (60, 10, 100)
    """
    quarter = max(1, most // 4)
    fair = round(most * n_unseen / (n_seen + n_unseen))
    fair = min(fair, most - min(quarter, n_seen))
    return max(fair, min(quarter, n_unseen), most - n_seen)


def check_label_vectors(
    names: Any, vectors: Any, labels: np.ndarray, n_dims: int, *, owner: str
) -> tuple[np.ndarray, np.ndarray]:
    """Return names, each once, and their vectors, as wide as those of the images.

    Raises
    ------
    ValueError
        Names of another kind than the images' `labels`, or vectors of another shape.
    """
    known = check_labels(names, owner=owner, name="label_names")
    check_unique(known, owner=owner, name="label_names")
    check_same_kind(labels, known, owner=owner, names=("labels", "label_names"))
    shape = (len(known), n_dims)
    return known, check_matrix(vectors, owner=owner, name="label_vectors", shape=shape)
