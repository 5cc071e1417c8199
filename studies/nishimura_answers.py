"""Who answers what to an image, and how good the answers are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from nishimura_training import hits
from sklearn.preprocessing import normalize

from zeroshot.datasets import class_names
from zeroshot.metrics import semantic_similarity_score

TOP = 3


@dataclass(frozen=True)
class Answers:
    """A model as a projection of images and a place for labels.

    Attributes
    ----------
    project : callable
        From the name of a set of images to a vector each.
    places : callable
        From sorted labels to vectors: the larger the inner product, the better the label.
    """

    project: Callable[[str], np.ndarray]
    places: Callable[[np.ndarray], np.ndarray]


def of_model(model: Any, inputs: Callable[[str], Any]) -> Answers:
    """Return the answers of a fitted zero-shot classifier; `inputs` gives it a set of images."""
    return Answers(
        lambda subset: model.transform(inputs(subset)),
        lambda labels: model.with_candidates(labels).class_vectors_,
    )


def centred_when_scored(model: Any, inputs: Callable[[str], Any], words: Any) -> Answers:
    """Return the answers of a model whose vectors are centred only now, after its training."""
    mean = normalize(words.embed(model.seen_classes_)).mean(axis=0)
    return Answers(
        lambda subset: normalize(model.transform(inputs(subset))) - mean,
        lambda labels: normalize(normalize(words.embed(labels)) - mean),
    )


def cifar_labels() -> np.ndarray:
    """Return the labels of CIFAR-100, sorted."""
    return np.array(class_names("cifar100"))


def both_label_sets(seen: np.ndarray) -> np.ndarray:
    """Return the labels of CIFAR-100, and those seen that are not among them, sorted."""
    cifar = cifar_labels()
    return np.sort(np.concatenate([cifar, seen[~np.isin(_plain(seen), _plain(cifar))]]))


def in_both_sets(labels: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Tell which labels are seen ones, however they are written."""
    return np.isin(_plain(labels), _plain(seen))


def _plain(labels: np.ndarray) -> np.ndarray:
    return np.char.lower(np.char.replace(labels, "_", " "))


def top_labels(scores: np.ndarray, labels: np.ndarray, k: int = TOP) -> np.ndarray:
    """Return the `k` best labels of each row, best first."""
    return labels[np.argsort(-scores, axis=1, kind="stable")[:, :k]]


def zero_shot_figures(
    answers: Answers, vectors: np.ndarray, y: np.ndarray, seen: np.ndarray, words: Any
) -> dict[str, Any]:
    """Return hit@k and similarity@3 on images of CIFAR-100.

    Parameters
    ----------
    answers : Answers
        Of which model.
    vectors : ndarray of shape (n_images, n_dims)
        Projections of the images.
    y : ndarray of shape (n_images,)
        Their labels.
    seen : ndarray of shape (n_seen,)
        Labels trained on.
    words : LabelEmbedding
        Whose cosines are the similarity.
    """
    labels, both = cifar_labels(), both_label_sets(seen)
    scores = vectors @ answers.places(labels).T
    truth = np.searchsorted(labels, y)
    apart = ~in_both_sets(y, seen)
    of_both = vectors @ answers.places(both).T
    return {
        **hits(truth, scores),
        "without shared": hits(truth[apart], scores[apart]),
        "similarity@3": similarity(y, top_labels(scores, labels), apart, words),
        "similarity@3, both label sets": similarity(y, top_labels(of_both, both), apart, words),
    }


def validation_figures(scores: np.ndarray, y: np.ndarray, words: Any) -> dict[str, float]:
    """Return hit@k and similarity@3 on validation images of the classes trained on.

    The similarity of the three best *other* labels tells how sensible answers are where the right
    one is not a candidate, as it is in transfer.
    """
    labels = np.unique(y)
    truth = np.searchsorted(labels, y)
    others = scores.astype(np.float64)
    others[np.arange(len(y)), truth] = -np.inf
    top, other = top_labels(scores, labels), top_labels(others, labels)
    return {
        **hits(truth, scores),
        "similarity@3": semantic_similarity_score(y, top, words, average="micro"),
        "similarity@3 of other labels": semantic_similarity_score(y, other, words, average="micro"),
    }


def similarity(y: np.ndarray, top: np.ndarray, apart: np.ndarray, words: Any) -> dict[str, float]:
    """Return similarity@3 on all images, and on those whose label is not trained on as well."""
    return {
        "all": semantic_similarity_score(y, top, words, average="micro"),
        "without shared": semantic_similarity_score(y[apart], top[apart], words, average="micro"),
    }


def controls(y: np.ndarray, seen: np.ndarray, words: Any) -> dict[str, dict[str, float]]:
    """Return what similarity answers have that look at no image.

    The constants are the best in hindsight: they are chosen by the labels `y` of the very images
    that they are measured on, which no model knows.
    """
    labels = cifar_labels()
    units = normalize(words.embed(labels).astype(np.float64))
    theirs = normalize(words.embed(seen).astype(np.float64))
    everywhere = np.ones(len(y), dtype=bool)
    groups = {"all": everywhere, "without shared": ~in_both_sets(y, seen)}
    figures: dict[str, dict[str, float]] = {}
    for group, rows in groups.items():
        true = units[np.searchsorted(labels, y[rows])]
        of_set = units[np.isin(labels, y[rows])]
        by_label = np.sort((true @ units.T).mean(axis=0))[::-1]
        row = {
            "random pair of labels, one of each set": float((theirs @ of_set.T).mean()),
            "random CIFAR label": float((true @ units.T).mean()),
            "best three CIFAR labels, always the same": float(by_label[:TOP].mean()),
            "best CIFAR label, always the same": float(by_label[0]),
        }
        for name, value in row.items():
            figures.setdefault(name, {})[group] = value
    return figures
