"""The target of the fine-tuning study: its sizes, its images, and what is kept of them.

The stages before the last one are the same in every run, so that they are run once for each image,
and what they give is kept in the study's folder.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.metrics import f1_score
from sklearn.utils import Bunch

from zeroshot import FineTuneClassifier, SourceHead, TimmFeatures, Training
from zeroshot._utils._device import autocast, resolve_device, resolve_precision
from zeroshot.datasets import fetch_cifar100
from zeroshot.networks._fit_network import open_run
from zeroshot.networks._freezing import entering, freeze_before, outputs_of, split
from zeroshot.taxonomy import class_synsets

OWNER = "fine_tune"


@dataclass(frozen=True)
class Preset:
    """How much is measured; the hash of all of it is in the name of each kept run.

    Attributes
    ----------
    model : str
        A timm model.
    n_classes : int
        Target classes: the first of CIFAR-100's by name.
    resize, image_size : int
        To what images are brought, and the square of them that the network sees.
    shots : tuple of int
        Training images a class.
    draws : int
        How often they are drawn.
    test_images : int
        Test images a class, of which the F-scores are.
    iterations, min_epochs : int
        Steps to train for at least, and passes over the images at least.
    measured : int
        How often, about, the F-score is measured on the way.
    course_class, course_shots, course_draws : str, int, int
        The class whose row starts from one source or another, images a class, and draws.
    scratch_shots : tuple of int
        Images a class for the network that starts at random.
    scratch_draws, scratch_size, scratch_epochs : int
        Its draws, the side of its images, and passes over them.
    """

    model: str
    n_classes: int
    resize: int
    image_size: int
    shots: tuple[int, ...]
    draws: int
    test_images: int
    iterations: int
    min_epochs: int
    measured: int
    course_class: str
    course_shots: int
    course_draws: int
    scratch_shots: tuple[int, ...]
    scratch_draws: int
    scratch_size: int
    scratch_epochs: int

    @property
    def key(self) -> str:
        """A hash of everything that the figures depend on."""
        facts = json.dumps(dataclasses.asdict(self), sort_keys=True)
        return hashlib.sha256(facts.encode()).hexdigest()[:10]

    def epochs(self, n_images: int) -> int:
        """Return how many passes over so many images are made."""
        return max(self.min_epochs, -(-self.iterations // -(-n_images // 64)))


class Target:
    """The target classes with their images, the source head, and what is kept of the images.

    Parameters
    ----------
    preset : Preset
        How many, and how large.
    folder : Path
        Where what is kept lies.
    """

    def __init__(self, preset: Preset, folder: Path) -> None:
        self.preset = preset
        self.train, self.test = fetch_cifar100(subset="train"), fetch_cifar100(subset="test")
        self.classes = np.unique(self.test.target)[: preset.n_classes]
        self.train_rows = np.unique(
            np.concatenate(
                [
                    self.draw(max(*preset.shots, preset.course_shots), draw)
                    for draw in range(max(preset.draws, preset.course_draws))
                ]
            )
        )
        self.test_rows = _first(self.test.target, self.classes, preset.test_images)
        self.test_labels = self.test.target[self.test_rows]
        self.head: SourceHead = TimmFeatures(preset.model).fit().source_head_
        self.synsets = class_synsets("cifar100")
        self.folder = folder
        self.precision = str(resolve_precision("auto", resolve_device("auto")))[len("torch.") :]
        names = {name.strip().lower() for label in self.head.labels for name in label.split(",")}
        known = np.array([name.replace("_", " ") in names for name in self.classes.tolist()])
        self.groups = {
            "all": self.classes,
            "ImageNet synonyms": self.classes[known],
            "the rest": self.classes[~known],
        }

    def draw(self, n_images: int, seed: int) -> np.ndarray:
        """Return rows of training images: the first of a shuffle, so that draws are nested."""
        rng = np.random.default_rng(seed)
        rows = (np.flatnonzero(self.train.target == label) for label in self.classes)
        return np.concatenate([rng.permutation(own)[:n_images] for own in rows])

    def labelled(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return training images and their labels."""
        return self.train.images[rows], self.train.target[rows]

    def entering(self, rows: np.ndarray) -> torch.Tensor:
        """Return what enters the last stage for training images."""
        return self._kept.entering[np.searchsorted(self.train_rows, rows)]

    def features(self, rows: np.ndarray) -> np.ndarray:
        """Return what the untrained network gives for training images."""
        return self._kept.features[np.searchsorted(self.train_rows, rows)]

    @property
    def test_entering(self) -> torch.Tensor:
        """What enters the last stage for the test images."""
        return self._kept.entering[len(self.train_rows) :]

    @property
    def test_features(self) -> np.ndarray:
        """What the untrained network gives for the test images."""
        return self._kept.features[len(self.train_rows) :]

    @cached_property
    def _kept(self) -> Bunch:
        """What enters the last stage, and the features, of training and test images in turn."""
        preset = self.preset
        facts = (preset.model, preset.resize, preset.image_size, self.precision)
        digest = hashlib.sha256(repr(facts).encode())
        digest.update(self.train_rows.tobytes() + self.test_rows.tobytes())
        path = self.folder / f"kept-{digest.hexdigest()[:10]}.npz"
        if not path.is_file():
            images = np.concatenate(
                [self.train.images[self.train_rows], self.test.images[self.test_rows]]
            )
            write(path, **_compute_kept(preset, images))
        with np.load(path, allow_pickle=False) as arrays:
            return Bunch(entering=torch.from_numpy(arrays["entering"]), features=arrays["features"])

    def f_scores(self, predicted: np.ndarray) -> dict[str, float]:
        """Return macro F-scores, of all classes and of groups, accuracy, and F of the one class."""
        own = f1_score(
            self.test_labels, predicted, labels=self.classes, average=None, zero_division=0
        )
        scores = {
            name: float(own[np.isin(self.classes, group)].mean())
            for name, group in self.groups.items()
            if len(group)
        }
        course = float(own[self.classes == self.preset.course_class][0])
        accuracy = float((predicted == self.test_labels).mean())
        return {**scores, "accuracy": accuracy, self.preset.course_class: course}


def _first(target: np.ndarray, classes: np.ndarray, limit: int) -> np.ndarray:
    return np.concatenate([np.flatnonzero(target == label)[:limit] for label in classes])


def write(path: Path, **arrays: np.ndarray) -> None:
    """Write arrays, so that an interruption leaves no half of a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(f".{os.getpid()}.part")
    with part.open("wb") as file:
        np.savez(file, **arrays)
    os.replace(part, path)


def _compute_kept(preset: Preset, images: np.ndarray) -> dict[str, np.ndarray]:
    """Run the stages before the last, and the last as it is, over images."""
    few = images[:2]
    model = FineTuneClassifier(
        preset.model,
        trainable_from="head",
        training=Training(epochs=1, batch_size=2, progress=False),
        resize=preset.resize,
        image_size=preset.image_size,
    ).fit(few, [0, 1])
    run, network = open_run(model, images, resize=preset.resize), model.network_
    network.backbone.requires_grad_(True)
    stage = freeze_before(network, None, owner=OWNER)

    def enter(batch: torch.Tensor) -> torch.Tensor:
        return entering(network, stage, batch)

    kept = outputs_of(network, enter, run.pixels, run.settings)
    tail = split(network, stage, run.pixels.batch(np.arange(2)).to(network.scale.device))[0]
    features = batched(tail, kept, run.settings.precision)
    return {"entering": kept.numpy(), "features": features}


@torch.no_grad()
def batched(part: Any, inputs: torch.Tensor, precision: str) -> np.ndarray:
    """Return the outputs of a part of a network, in evaluation mode."""
    device = next(part.parameters()).device
    part.eval()
    with autocast(device, getattr(torch, precision)):
        parts = [part(batch.to(device)).float().cpu() for batch in inputs.split(256)]
    return torch.cat(parts).numpy()
