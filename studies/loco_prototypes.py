"""Each class left out in turn, by kernel ridge from what classes are to their mean features.

    ZEROSHOT_DATA=FOLDER python studies/loco_prototypes.py

`PrototypeRegressionClassifier` gives each of some 13,000 words the mean features that images of it
should have: all nouns for physical things among the 50,000 most frequent words of GloVe. An image
is then a little of each word, by the softmax of the scores and by how near the word lies to those
of the training classes, and its vector is the mean of the words' vectors. The excluded class is
one word of these, or none; nothing tells the model which.

That vector and the one of ridge regression err in different ways, so both are added,
m + a (ridge - m) + b (words - m), about the mean m of the training classes' vectors. The factors
a and b are chosen inside each fold, by folds over its training classes.

The constants were chosen on Tiny ImageNet, less the classes of CIFAR-100, a tenth of its classes
left out at a time. Run as a script, this module prints that choice.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from archive_features import archive_features, first_of_each_class
from numpy.typing import NDArray
from scipy.special import softmax
from sklearn.preprocessing import normalize

from zeroshot import (
    AttributeTable,
    EmbeddingRegressor,
    GlossEmbedding,
    PrototypeRegressionClassifier,
    WordNetSimilarity,
    WordVectors,
    vocabulary_words,
)
from zeroshot.exceptions import LabelWarning
from zeroshot.metrics import embedding_mse
from zeroshot.model_selection import ClassKFold
from zeroshot.taxonomy import class_synsets, resolve, synset

RIDGE = 30.0
"""Penalty of ridge regression: what all folds of ``loco_frozen.py`` choose."""
TEMPERATURE = 0.03
"""What scores of words are divided by."""
NEARNESS = 0.1
"""What a word's log density among the training classes' words counts."""
TRIED: dict[str, tuple[float, ...]] = {
    "temperature": (0.02, 0.03, 0.05),
    "nearness": (0.0, 0.1, 0.3, 1.0),
}
"""What is compared on Tiny ImageNet, one constant at a time."""

WEIGHTS, ALPHA = (2, 2, 1), 0.1  # as in described_classes.py
N_FREQUENT = 50_000
N_FOLDS, N_INNER = 3, 10
"""Folds over the training classes, and images of each of these, that choose the factors."""

CONSTANTS = (RIDGE, TEMPERATURE, NEARNESS, WEIGHTS, ALPHA, N_FREQUENT, N_FOLDS, N_INNER)

Array = NDArray[np.float64]


@dataclass(frozen=True)
class TableSimilarity:
    """Similarities that were computed before.

    Attributes
    ----------
    rows, columns : dict of str to int
        Where a label stands.
    table : ndarray of shape (n_rows, n_columns)
        How similar they are.
    """

    rows: Mapping[str, int]
    columns: Mapping[str, int]
    table: Array

    def matrix(self, targets: Sequence[str], sources: Sequence[str]) -> Array:
        """Return the similarities of targets and sources."""
        rows = [self.rows[str(label)] for label in targets]
        return self.table[np.ix_(rows, [self.columns[str(label)] for label in sources])]


@dataclass(frozen=True)
class Sides:
    """What is known of words and classes.

    Attributes
    ----------
    words : ndarray of str of shape (n_words,)
        The words, sorted, each with a sign that tells it from a class of the same name.
    vectors : ndarray of shape (n_words, n_dims)
        Those of GloVe.
    kernels : list
        Of WordNet's paths, of glosses and of GloVe's vectors.
    """

    words: NDArray[np.str_]
    vectors: Array
    kernels: list[Any]

    @classmethod
    def of(cls, names: Sequence[str], synsets: Mapping[str, str]) -> Sides:
        """Return the sides of all words and of these classes."""
        words, wnids = vocabulary()
        signed = np.array([f"{word} (word)" for word in words])
        order = np.argsort(signed)
        labels = [*signed[order].tolist(), *names]
        ids = [*wnids[order].tolist(), *(synsets[name] for name in names)]
        vectors = WordVectors().embed([*words[order].tolist(), *names])
        path = WordNetSimilarity("path").matrix(ids, ids[len(words) :])
        rows = {label: row for row, label in enumerate(labels)}
        columns = {name: column for column, name in enumerate(names)}
        glosses = GlossEmbedding(on_missing="raise").embed(ids)
        kernels = [
            TableSimilarity(rows, columns, path),
            AttributeTable(glosses, labels=labels),
            AttributeTable(vectors, labels=labels),
        ]
        return cls(signed[order], vectors[: len(words)].astype(np.float64), kernels)


@cache
def vocabulary() -> tuple[NDArray[np.str_], NDArray[np.str_]]:
    """Return frequent nouns whose most frequent sense is a physical thing, and its wnid."""
    words = vocabulary_words(
        WordVectors(),
        n_most_frequent=N_FREQUENT,
        part_of_speech="noun",
        alphabetic=True,
        min_length=3,
    )
    found, physical = resolve(words).synsets, synset("physical_entity.n.01")
    kept = np.array([physical in sense.ancestors for sense in found])
    return words[kept], np.array([sense.wnid for sense in found])[kept]


@dataclass(frozen=True)
class Guesses:
    """What is predicted for some images of classes that were left out.

    Attributes
    ----------
    ridge : ndarray of shape (n_rows, n_dims)
        Vectors by ridge regression, less `mean`.
    scores : ndarray of shape (n_rows, n_words)
        Of the words.
    density : ndarray of shape (n_words,)
        Their log density among the training classes' words.
    words : ndarray of shape (n_words, n_dims)
        Their vectors, less `mean`.
    mean : ndarray of shape (n_dims,)
        Of the training classes' vectors.
    """

    ridge: Array
    scores: Array
    density: Array
    words: Array
    mean: Array

    @classmethod
    def of(cls, X: Array, y: NDArray[np.str_], rows: Array, sides: Sides) -> Guesses:
        """Return the guesses for rows that images X of classes y lead to."""
        vectors = WordVectors().embed(np.unique(y)).astype(np.float64)
        mean = vectors.mean(axis=0)
        ridge = EmbeddingRegressor(WordVectors(), alpha=RIDGE).fit(X, y).predict(rows)
        model = PrototypeRegressionClassifier(
            sides.kernels, weights=WEIGHTS, alpha=ALPHA, candidates=sides.words
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", LabelWarning)  # some words are synonyms
            scores = model.fit(X, y).decision_function(rows)
        density = log_density(sides.vectors, vectors)
        return cls(ridge - mean, scores, density, sides.vectors - mean, mean)

    def both(self, temperature: float = TEMPERATURE, nearness: float = NEARNESS) -> Array:
        """Return the vectors by ridge regression and by words, (2, n_rows, n_dims)."""
        shares = softmax(self.scores / temperature + nearness * self.density, axis=1)
        return np.stack([self.ridge, shares @ self.words])


def log_density(vectors: Array, seen: Array) -> Array:
    """Return the log density of vectors, but for a constant, in a normal distribution of others.

    Its covariance is that of `seen`, half of it a multiple of the identity.
    """
    covariance = np.cov(seen.T)
    variance = np.trace(covariance) / len(covariance)
    shrunk = 0.5 * covariance + 0.5 * variance * np.eye(len(covariance))
    away = vectors - seen.mean(axis=0)
    return -0.5 * (away * np.linalg.solve(shrunk, away.T).T).sum(axis=1)


def fitted_factors(found: Sequence[Array], wanted: Sequence[Array]) -> Array:
    """Return the factors of some predictions that bring their sum nearest to vectors.

    Parameters
    ----------
    found : sequence of ndarray of shape (n_predictions, n_rows, n_dims)
        Of each fold.
    wanted : sequence of ndarray of shape (n_rows, n_dims)
        Of each fold.
    """
    gram = sum(np.einsum("pij,qij->pq", part, part) for part in found)
    target = sum(
        np.einsum("pij,ij->p", part, rows) for part, rows in zip(found, wanted, strict=True)
    )
    return np.linalg.solve(gram, target)


def losses(vectors: Array, target: NDArray[np.str_], mean: Array) -> dict[str, dict[str, float]]:
    """Return the mean squared error of each class in `target`: ours, of zero, and of the mean."""
    result = {}
    for name in np.unique(target).tolist():
        vector, rows = WordVectors().embed([name])[0].astype(np.float64), vectors[target == name]
        result[name] = {
            "last": embedding_mse(np.tile(vector, (len(rows), 1)), rows),
            "zero": float(np.mean(vector**2)),
            "mean": float(np.mean((mean - vector) ** 2)),
        }
    return result


def prototype_fold(excluded: str, X: Array, y: NDArray[np.str_], sides: Sides) -> dict[str, Any]:
    """Return an excluded class's losses, and the factors that the other classes chose."""
    seen = y != excluded
    others, labels = X[seen], y[seen]
    few = first_of_each_class(labels, N_INNER)
    found, wanted = [], []
    for inner, test in ClassKFold(N_FOLDS, shuffle=True, random_state=0).split(others, labels):
        rows = np.intersect1d(test, few)
        guesses = Guesses.of(others[inner], labels[inner], others[rows], sides)
        found.append(guesses.both())
        wanted.append(WordVectors().embed(labels[rows]) - guesses.mean)
    chosen = fitted_factors(found, wanted)
    guesses = Guesses.of(others, labels, X[~seen], sides)
    vectors = guesses.mean + np.tensordot(chosen, guesses.both(), axes=1)
    return losses(vectors, y[~seen], guesses.mean)[excluded] | {"factors": chosen.tolist()}


def tiny_imagenet() -> tuple[Array, NDArray[np.str_], dict[str, str]]:
    """Return 50 images of each class that CIFAR-100 has not and whose words have vectors."""
    bunch = archive_features("tiny_imagenet", "train")
    synsets, others = class_synsets("tiny_imagenet"), set(class_synsets("cifar100").values())
    names = np.unique(bunch.target)
    names = names[WordVectors().covers(names)]
    kept = {name: synsets[name] for name in names.tolist() if synsets[name] not in others}
    rows = first_of_each_class(bunch.target, 50)
    rows = rows[np.isin(bunch.target[rows], list(kept))]
    return normalize(bunch.data[rows]), bunch.target[rows], kept


def main() -> dict[str, dict[str, float]]:
    """Print, and return, medians over left-out classes of Tiny ImageNet, by constants."""
    X, y, synsets = tiny_imagenet()
    sides = Sides.of(list(synsets), synsets)
    splits = list(ClassKFold(10, shuffle=True, random_state=0).split(X, y))
    guesses = [Guesses.of(X[seen], y[seen], X[test], sides) for seen, test in splits]
    targets = [y[test] for _, test in splits]
    print(f"{len(synsets)} classes of Tiny ImageNet, {len(sides.words)} words: medians")
    print(f"{'':<34}{'relative loss':>14}{'skill':>8}{'a':>7}{'b':>7}")
    results = {"ridge regression": shown("ridge regression", guesses, targets, [0])}
    for name, values in TRIED.items():
        for value in values:
            title = f"and words, {name} {value:g}"
            results[title] = shown(title, guesses, targets, [0, 1], **{name: value})
    return results


def shown(
    title: str,
    guesses: list[Guesses],
    targets: list[NDArray[np.str_]],
    members: list[int],
    **constants: float,
) -> dict[str, float]:
    """Print and return the figures of predictions that are added by the best factors."""
    found = [part.both(**constants)[members] for part in guesses]
    pairs = list(zip(guesses, targets, strict=True))
    chosen = fitted_factors(found, [WordVectors().embed(y) - part.mean for part, y in pairs])
    of_class = [
        loss
        for part, (given, y) in zip(found, pairs, strict=True)
        for loss in losses(given.mean + np.tensordot(chosen, part, axes=1), y, given.mean).values()
    ]
    last, zero, mean = (
        np.array([loss[key] for loss in of_class]) for key in ("last", "zero", "mean")
    )
    row = {"relative loss": float(np.median(last / zero)) - 1}
    row |= {"skill": float(np.median(last / mean)) - 1}
    cells = "".join(f"{factor:7.2f}" for factor in chosen)
    print(f"{title:<34}{row['relative loss']:>+14.1%}{row['skill']:>+8.1%}{cells}", flush=True)
    return row


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args()
    main()
