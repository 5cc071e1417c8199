"""How fast the closed forms are against their formulas in plain NumPy, and how near they stay.

Run it from the repository's root; with the archives of ``ZEROSHOT_DATA``, on 16,000 images of
CIFAR-100 at 128 pixels, else on the features that ship::

    python -m benchmarks.closed_forms [--repeats 5] [--no-grid] [--bundled]

First one fit of each. Then 49 pairs of ESZSL's penalties with five folds over the classes, which
the formula answers by 245 fits: some minutes. The peers are written as a paper has them, but for
the order of their products, which is the cheapest. Both sides take turns in one run, start from
float64 rows of unit length, and do all of the work: label vectors are looked up and centred by
both.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
from scipy.linalg import solve_sylvester
from sklearn.preprocessing import normalize

from benchmarks._rows import Row, medians_in_turns, print_rows, seconds_of
from studies.archive_features import archive_features
from zeroshot import (
    DeViSEClassifier,
    EmbeddingRegressor,
    ESZSLClassifier,
    ESZSLClassifierCV,
    HashEmbedding,
    LabelEmbedding,
    SAEClassifier,
    WordVectors,
)
from zeroshot.datasets import label_texts, load_cifar100_features
from zeroshot.model_selection import ClassKFold

FOLDS = ClassKFold(5, shuffle=True, random_state=0)
GRID = 10.0 ** np.arange(-3, 4)


def label_vectors(embedding: LabelEmbedding, y: np.ndarray) -> tuple[np.ndarray, ...]:
    """Return the classes of y, their centred unit vectors, their mean, and each row's class."""
    classes, codes = np.unique(y, return_inverse=True)
    raw = embedding.embed(classes).astype(np.float64)
    mean = raw.mean(axis=0)
    return classes, unit(raw - mean), mean, codes


def unit(rows: np.ndarray) -> np.ndarray:
    """Return rows of unit length."""
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def eszsl(X: np.ndarray, codes: np.ndarray, S: np.ndarray, gamma: float, lam: float) -> np.ndarray:
    """Return V = (X'X + gamma I)^-1 X'Y S (S'S + lambda I)^-1, with X about its mean."""
    Z = X - X.mean(axis=0)
    Y = np.where(codes[:, None] == np.arange(len(S)), 1.0, -1.0)
    left = np.linalg.inv(Z.T @ Z + gamma * np.eye(X.shape[1]))
    return left @ (Z.T @ Y @ S) @ np.linalg.inv(S.T @ S + lam * np.eye(S.shape[1]))


def ridge(X: np.ndarray, T: np.ndarray, alpha: float) -> np.ndarray:
    """Return the weights of ridge regression with an intercept."""
    Z = X - X.mean(axis=0)
    left = np.linalg.inv(Z.T @ Z + alpha * np.eye(X.shape[1]))
    return left @ (Z.T @ (T - T.mean(axis=0)))


def sae(X: np.ndarray, T: np.ndarray, weight: float) -> np.ndarray:
    """Return W' of the Sylvester equation A W + W B = C, as its authors solve it."""
    Z, S = (X - X.mean(axis=0)).T, T.T
    return solve_sylvester(S @ S.T, weight * Z @ Z.T, (1 + weight) * S @ Z.T).T


def pairs_of_fits(
    X: np.ndarray, y: np.ndarray, embedding: LabelEmbedding
) -> dict[str, tuple[Callable[[], np.ndarray], Callable[[], np.ndarray]]]:
    """Return, for each closed form, a function that is the formula and one that is ours."""

    def codes_and_vectors() -> tuple[np.ndarray, np.ndarray]:
        _, S, _, codes = label_vectors(embedding, y)
        return codes, S

    def raw() -> np.ndarray:
        classes, codes = np.unique(y, return_inverse=True)
        return embedding.embed(classes).astype(np.float64)[codes]

    def targets() -> np.ndarray:
        codes, S = codes_and_vectors()
        return S[codes]

    return {
        "ESZSLClassifier": (
            lambda: eszsl(X, *codes_and_vectors(), 10.0, 10.0),
            lambda: ESZSLClassifier(embedding).fit(X, y).coef_,
        ),
        "EmbeddingRegressor, ridge": (
            lambda: ridge(X, raw(), 1.0),
            lambda: EmbeddingRegressor(embedding).fit(X, y).coefs_[0],
        ),
        "DeViSEClassifier, squared error": (
            lambda: ridge(X, targets(), 1.0),
            lambda: DeViSEClassifier(embedding, loss="mse").fit(X, y).coefs_[0],
        ),
        "SAEClassifier": (
            lambda: sae(X, targets(), 1.0),
            lambda: SAEClassifier(embedding).fit(X, y).coef_,
        ),
    }


def time_fits(
    X: np.ndarray, y: np.ndarray, embedding: LabelEmbedding, repeats: int
) -> Iterator[Row]:
    """Time one fit of each closed form in turns with its formula."""
    for name, (formula, ours) in pairs_of_fits(X, y, embedding).items():
        expected, found = formula(), ours()
        few = min(repeats, 3) if name == "SAEClassifier" else repeats
        times = medians_in_turns({"peer": formula, "ours": ours}, few)
        apart = np.abs(expected - found).max() / np.abs(expected).max()
        yield Row(
            what=f"fit {X.shape[0]:,} x {X.shape[1]:,}, {name}",
            peer="the formula in NumPy",
            ours_seconds=times["ours"],
            peer_seconds=times["peer"],
            reach=1,
            note=f"weights apart by {apart:.0e}",
        )


def score_points(
    X: np.ndarray,
    y: np.ndarray,
    train: np.ndarray,
    test: np.ndarray,
    embedding: LabelEmbedding,
) -> list[float]:
    """Return the mean class accuracy on held-out classes of each point, each fitted anew."""
    scores = []
    for gamma in GRID:
        for lam in GRID:
            _, S, mean, codes = label_vectors(embedding, y[train])
            V = eszsl(X[train], codes, S, gamma, lam)
            classes, codes = np.unique(y[test], return_inverse=True)
            unseen = unit(embedding.embed(classes).astype(np.float64) - mean)
            right = ((X[test] - X[train].mean(axis=0)) @ V @ unseen.T).argmax(axis=1) == codes
            scores.append(np.mean(np.bincount(codes, right) / np.bincount(codes)))
    return scores


def time_grid(X: np.ndarray, y: np.ndarray, embedding: LabelEmbedding) -> Row:
    """Time the grid: the formula fold by fold, ours as a whole between the folds."""
    search = ESZSLClassifierCV(embedding, alphas_features=GRID, alphas_labels=GRID, cv=FOLDS)
    expected: list[list[float]] = []
    theirs, ours = [], []
    for train, test in FOLDS.split(X, y):
        ours.append(seconds_of(partial(search.fit, X, y)))
        start = time.perf_counter()
        expected.append(score_points(X, y, train, test, embedding))
        theirs.append(time.perf_counter() - start)
    scores = np.mean(expected, axis=0)
    apart = np.abs(scores - search.cv_results_["mean_test_score"]).max()
    same = int(scores.argmax()) == search.best_index_
    return Row(
        what=f"ESZSL, 7 x 7 penalties, 5 folds, {X.shape[0]:,} x {X.shape[1]:,}",
        peer=f"the formula in NumPy, {49 * len(theirs)} fits",
        ours_seconds=statistics.median(ours),
        peer_seconds=sum(theirs),
        reach=30,
        note=f"the same choice: {same} (score {search.best_score_:.3f}), apart by {apart:.0e}",
    )


def rows(repeats: int = 5, *, bundled: bool = False, grid: bool = True) -> Iterator[Row]:
    """Yield a row for each closed form, and one for the grid."""
    y = np.repeat([f"class {i}" for i in range(100)], 50)
    noise = normalize(np.random.default_rng(0).normal(size=(len(y), 512)))
    yield from time_fits(noise, y, HashEmbedding(50), repeats)
    embedding = WordVectors(overrides=label_texts("cifar100"))
    if bundled or not os.environ.get("ZEROSHOT_DATA"):
        X, y = load_cifar100_features(return_X_y=True)
    else:
        bunch = archive_features("cifar100", "train")
        X, y = bunch.data, bunch.target
    X = normalize(X.astype(np.float64))
    embedding.embed(np.unique(y))  # opened before anything is timed
    if X.shape[1] >= 512:
        yield from time_fits(X, y, embedding, repeats)
    if grid:
        yield time_grid(X, y, embedding)


def main() -> None:
    """Run the comparison and print it."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--bundled", action="store_true", help="the features that ship only")
    parser.add_argument("--no-grid", action="store_true", help="leave out the minutes of the grid")
    options = parser.parse_args()
    print_rows(rows(options.repeats, bundled=options.bundled, grid=not options.no_grid))


if __name__ == "__main__":
    main()
