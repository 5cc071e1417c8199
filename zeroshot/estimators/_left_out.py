"""Settings of a new head, chosen on training images that it was not made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from sklearn.metrics import f1_score

from zeroshot.estimators._neighbors import convex_weights, default_n_neighbors, neighbor_grid
from zeroshot.estimators._transferred_rows import TransferRule

MAX_FOLDS = 5
DEFAULT_PRIOR_IMAGES = 0.5
"""What ``prior_images="auto"`` takes where there are not two images of a class to choose by."""

PRIOR_GRID = (0.25, 0.5, 1.0, 2.0, 4.0)


def deal_folds(X: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """Deal the images of each class out to folds in turn, whatever order they come in.

    A class with one image is in no fold (-1), so that every class has an image outside of any
    fold. There are as many folds as the largest class has images, five at most.
    """
    folds = np.full(len(positions), -1)
    for position in np.unique(positions):
        rows = np.flatnonzero(positions == position)
        if len(rows) > 1:
            folds[rows[_order_by_content(X[rows])]] = np.arange(len(rows)) % MAX_FOLDS
    return folds


def _order_by_content(rows: np.ndarray) -> list[int]:
    """Return an order of rows that depends on what is in them alone, and not on their dtype."""
    content = [row.tobytes() for row in rows.astype(np.float64) + 0.0]  # 0.0 + -0.0 is 0.0
    return sorted(range(len(rows)), key=content.__getitem__)


class Fold:
    """Heads of some of the training images, judged by the others.

    Parameters
    ----------
    rule : TransferRule
        How heads are made.
    similarity : ndarray of shape (n_classes, n_sources)
        Measured without the test images.
    X : ndarray of shape (n_samples, n_features)
        Features of all images.
    positions : ndarray of shape (n_samples,)
        Their classes.
    test : ndarray of bool of shape (n_samples,)
        The images left out.
    """

    def __init__(
        self,
        rule: TransferRule,
        similarity: np.ndarray,
        X: np.ndarray,
        positions: np.ndarray,
        test: np.ndarray,
    ) -> None:
        self.test = test
        self._rule = rule
        self._similarity = similarity
        self._train = X[~test], positions[~test]
        self._test_X = X[test]
        self._combined: dict[int, tuple[np.ndarray, np.ndarray]] = {}

    def predict(self, n_neighbors: np.ndarray, prior_images: float) -> np.ndarray:
        """Return the classes, (n_test,), that the head with these settings predicts."""
        coef = np.empty((len(n_neighbors), self._test_X.shape[1]))
        intercept = np.empty(len(n_neighbors))
        for k in np.unique(n_neighbors).tolist():
            rows = n_neighbors == k
            whole_coef, whole_intercept = self._uniform(k)
            coef[rows], intercept[rows] = whole_coef[rows], whole_intercept[rows]
        rule = replace(self._rule, prior_images=prior_images)
        lonely = np.logical_not(self._similarity.any(axis=1))
        coef, intercept = rule.finish(coef, intercept, lonely, *self._train)
        scores = self._test_X @ coef.T.astype(self._test_X.dtype) + intercept
        return scores.argmax(axis=1)

    def _uniform(self, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the combinations with the same K for all: each row depends on its own alone."""
        if k not in self._combined:
            counts = np.full(len(self._similarity), k)
            self._combined[k] = self._rule.combine(convex_weights(self._similarity, counts))
        return self._combined[k]


class CrossValidation:
    """Macro F-score of heads on images left out, over the classes that have two images or more.

    Parameters
    ----------
    rule : TransferRule
        How heads are made.
    measure : callable
        ``measure(train)`` gives the similarity of the classes by the images of a mask.
    X : ndarray of shape (n_samples, n_features)
        Features.
    positions : ndarray of shape (n_samples,)
        Their classes.
    relations : ndarray of shape (n_classes,)
        Of each class to the sources.
    """

    def __init__(
        self,
        rule: TransferRule,
        measure: Callable[[np.ndarray], np.ndarray],
        X: np.ndarray,
        positions: np.ndarray,
        relations: np.ndarray,
    ) -> None:
        folds = deal_folds(X, positions)
        self._scored = folds >= 0
        self._positions = positions
        self._relations = relations
        self._folds = [
            Fold(rule, measure(folds != fold), X, positions, folds == fold)
            for fold in range(folds.max() + 1)
        ]
        self._classes = np.unique(positions[self._scored])
        self.relations = np.unique(relations[self._classes]).tolist()

    def score(self, n_neighbors: dict[str, int], prior_images: float) -> float:
        """Return the macro F-score of heads with these settings."""
        counts = np.array([n_neighbors[relation] for relation in self._relations])
        predicted = np.empty_like(self._positions)
        for fold in self._folds:
            predicted[fold.test] = fold.predict(counts, prior_images)
        true, predicted = self._positions[self._scored], predicted[self._scored]
        labels = self._classes
        return float(f1_score(true, predicted, labels=labels, average="macro", zero_division=0))

    def choose_n_neighbors(self, prior_images: float, n_sources: int) -> dict[str, int]:
        """Choose K for each relation: first one for all, then for each by itself.

        Heads of several relations compete for the same images, and rows of many neighbours are
        shorter than rows of few, so that the K of one relation is judged together with those of
        the others. What is chosen already stays unless another is better; a relation without two
        images of a class keeps what all have.
        """
        best = default_n_neighbors(n_sources)
        if not self.relations:
            return best
        record = self.score(best, prior_images)
        alone = [[name] for name in self.relations if len(self.relations) > 1]
        for step in (list(best), *alone):
            tried = [{**best, **dict.fromkeys(step, k)} for k in neighbor_grid(n_sources)]
            scores = [self.score(wanted, prior_images) for wanted in tried]
            if max(scores) > record:
                best, record = tried[int(np.argmax(scores))], max(scores)
        return best

    def choose_prior_images(self, n_neighbors: dict[str, int]) -> float:
        """Choose how many images source rows count as; `DEFAULT_PRIOR_IMAGES` unless better."""
        if not self.relations:
            return DEFAULT_PRIOR_IMAGES
        candidates = (DEFAULT_PRIOR_IMAGES, *PRIOR_GRID)  # of equals, the first
        scores = [self.score(n_neighbors, prior_images) for prior_images in candidates]
        return candidates[int(np.argmax(scores))]
