"""One run of the fine-tuning study: a head to start from, training, and F-scores on the way."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from fine_tune_target import OWNER, Preset, Target, batched
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import normalize

from zeroshot import (
    FineTuneClassifier,
    InferenceSimilarity,
    SimilarityInitializer,
    Training,
    WordNetSimilarity,
    WordVectors,
    WordVectorSimilarity,
)
from zeroshot.datasets import label_texts
from zeroshot.exceptions import LabelWarning
from zeroshot.networks._freezing import split
from zeroshot.networks._loop import TensorRows
from zeroshot.networks._pixels import open_pixels
from zeroshot.similarity import as_similarity_matrix

RANDOM, INFERENCE, WORDNET, WORDS = "random", "inference F-score", "WordNet", "word vectors"
STARTS = (RANDOM, INFERENCE, WORDNET, WORDS)
NO_SOURCE, UNRELATED = "mean of all sources", "unrelated"
SOURCES = (INFERENCE, WORDNET, WORDS, UNRELATED, NO_SOURCE)
NEAREST_MEAN, LOGISTIC = "nearest class mean", "logistic regression"
CONTROLS = (NEAREST_MEAN, LOGISTIC)
SCRATCH = "from scratch"

Course = list[dict[str, float]]


# Heads ------------------------------------------------------------------------------------------


def similarity_matrix(target: Target, start: str, rows: np.ndarray) -> np.ndarray:
    """Return the similarity of target and source classes, (n_classes, n_sources)."""
    head, classes = target.head, target.classes.tolist()
    if start == WORDNET:
        synsets = [target.synsets[label] for label in classes]
        return as_similarity_matrix(WordNetSimilarity("wup_nltk"), synsets, head.wnids)
    if start == WORDS:
        words = WordVectors(overrides=label_texts("cifar100"))
        return as_similarity_matrix(WordVectorSimilarity(words), classes, head.labels)
    logits = head.decision_function(target.features(rows))
    similarity = InferenceSimilarity().fit(logits, target.train.target[rows])
    return as_similarity_matrix(similarity, classes, head.labels)


def initial_head(target: Target, matrix: np.ndarray) -> SimilarityInitializer:
    """Return the head in which each class starts from the source most similar to it."""
    model = SimilarityInitializer(target.head, matrix, n_neighbors=1, synsets=target.synsets)
    with warnings.catch_warnings():
        # A row of zeros is asked for where a class is to have no source.
        warnings.simplefilter("ignore", LabelWarning)
        return model.fit(None, target.classes)


def course_matrix(target: Target, source: str, rows: np.ndarray) -> np.ndarray:
    """Return the inference similarities, but for the row of the one class that is watched."""
    matrix = similarity_matrix(target, INFERENCE, rows).copy()
    row = int(np.flatnonzero(target.classes == target.preset.course_class)[0])
    if source == INFERENCE:
        return matrix
    if source == NO_SOURCE:
        matrix[row] = 0
        return matrix
    taxonomic = similarity_matrix(target, WORDS if source == WORDS else WORDNET, rows)[row]
    best = taxonomic.argmin() if source == UNRELATED else taxonomic.argmax()
    matrix[row] = np.eye(len(taxonomic))[best]
    return matrix


# Training ---------------------------------------------------------------------------------------


class Probe:
    """Measures F-scores before training, and after some of the epochs.

    Parameters
    ----------
    target : Target
        Whose test images.
    n_epochs, steps : int
        Of the run, and in an epoch of it.
    outputs : callable
        From the network to scores of the test images.
    """

    def __init__(
        self, target: Target, n_epochs: int, steps: int, outputs: Callable[[Any], np.ndarray]
    ) -> None:
        self.target, self.steps, self.outputs = target, steps, outputs
        grid = np.geomspace(1, n_epochs, target.preset.measured).round().astype(int)
        self.epochs = {0, *grid.tolist()}
        self.course: Course = []

    def __call__(self, network: Any, history: list[dict[str, float]]) -> None:
        """Measure, if it is time to."""
        if len(history) in self.epochs:
            predicted = self.target.classes[self.outputs(network).argmax(axis=1)]
            step = float(len(history) * self.steps)
            self.course.append({"iterations": step, **self.target.f_scores(predicted)})


class KeptStages(FineTuneClassifier):
    """The library's classifier, to which what enters the last stage is given, not computed.

    Attributes
    ----------
    kept : Tensor of shape (n_samples, ...)
        What enters the last stage for the training images.
    probe : Probe
        Called before training too.
    part : nn.Module
        The last stage and the head.
    """

    kept: torch.Tensor
    probe: Probe
    part: Any

    def _trained_part(self, network: Any, run: Any, task: Any) -> Any:
        sample = run.pixels.batch(np.arange(2)).to(network.scale.device)
        self.part = split(network, self.trainable_from_, sample)
        self.probe(network.eval(), [])
        return self.part, TensorRows(self.kept, torch.from_numpy(task.targets))


def recipe(preset: Preset, n_images: int, n_epochs: int) -> dict[str, Any]:
    """Return the parameters of the published recipe: Adam 1e-3, batches of 64, dropout 0.75."""
    return {
        "dropout": 0.75,
        "resize": preset.resize,
        "image_size": preset.image_size,
        "training": Training(
            epochs=n_epochs, batch_size=min(64, n_images), learning_rate=1e-3, progress=False
        ),
    }


def fine_tuned(target: Target, matrix: np.ndarray | None, rows: np.ndarray, seed: int) -> Course:
    """Fine-tune the last stage; the head starts from similar sources, or at random if None."""
    n_epochs = target.preset.epochs(len(rows))
    head = None if matrix is None else initial_head(target, matrix)
    model = KeptStages(
        target.preset.model,
        head=head,
        random_state=seed,
        **recipe(target.preset, len(rows), n_epochs),
    )

    def outputs(_: Any) -> np.ndarray:
        return batched(model.part, target.test_entering, target.precision)

    model.kept = target.entering(rows)
    model.probe = Probe(target, n_epochs, -(-len(rows) // 64), outputs)
    model.set_params(training__callbacks=[model.probe]).fit(*target.labelled(rows))
    return model.probe.course


def from_scratch(target: Target, rows: np.ndarray, seed: int) -> Course:
    """Train the same network from random weights, all stages, its images moved and mirrored."""
    preset, n_epochs = target.preset, target.preset.scratch_epochs
    size, images = preset.scratch_size, target.test.images[target.test_rows]
    test = open_pixels(images, image_size=size, owner=OWNER)

    def outputs(network: Any) -> np.ndarray:
        device = network.scale.device
        return np.concatenate(
            [
                batched(network, test.batch(block).to(device), target.precision)
                for block in np.array_split(np.arange(len(test)), -(-len(test) // 256))
            ]
        )

    probe = Probe(target, n_epochs, -(-len(rows) // 64), outputs)
    parameters = recipe(preset, len(rows), n_epochs)
    parameters |= {"resize": size, "image_size": size, "dropout": 0.2}
    model = FineTuneClassifier(
        preset.model, weights=None, trainable_from="all", random_state=seed, **parameters
    )
    model.set_params(training__augmentation="crop_flip", training__callbacks=[probe])
    model.fit(*target.labelled(rows))
    return probe.course


def control(target: Target, name: str, rows: np.ndarray) -> Course:
    """Return the F-scores of a classifier on frozen features of unit length."""
    X, y = normalize(target.features(rows)), target.train.target[rows]
    test = normalize(target.test_features)
    if name == LOGISTIC:
        with warnings.catch_warnings():
            # One image a class is what is asked for here, not regression by mistake.
            warnings.filterwarnings("ignore", "The number of unique classes")
            predicted = LogisticRegression(C=10, max_iter=300).fit(X, y).predict(test)
    else:
        means = normalize(np.stack([X[y == label].mean(axis=0) for label in target.classes]))
        predicted = target.classes[(test @ means.T).argmax(axis=1)]
    return [{"iterations": 0.0, **target.f_scores(predicted)}]
