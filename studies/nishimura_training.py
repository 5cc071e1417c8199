"""What the Tiny ImageNet study trains: its data, its networks, and a folder that remembers them."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from kept_parts import kept, key
from PIL import Image
from sklearn.preprocessing import normalize
from torch.nn import functional as F

from zeroshot import DeViSEClassifier, SoftmaxClassifier, Training, WordVectors
from zeroshot._utils._device import autocast, resolve_device, resolve_precision
from zeroshot.datasets import fetch_cifar100, fetch_tiny_imagenet
from zeroshot.metrics import hit_at_k_score
from zeroshot.networks import TinyImageNetCNN

KS = (1, 3, 5, 10)
SEED = 0
TEXTS = {"gasmask": "gas mask", "jinrikisha": "rickshaw"}  # words without a vector
_BATCH = 250


@dataclass(frozen=True)
class TrainingPlan:
    """Which images of Tiny ImageNet a network sees, and how often.

    Attributes
    ----------
    n_classes : int
        The first of them by name.
    n_images : int
        Of each class, the first in the archive, or all if it has fewer.
    side : int
        To how many pixels images are brought.
    width : float
        Of `TinyImageNetCNN`.
    epochs, batch_size : int
        Passes over the images, and images a step.
    """

    n_classes: int
    n_images: int
    side: int
    width: float
    epochs: int
    batch_size: int = 64


class Watch:
    """Callback: after each epoch, hit@k and the loss on images that are not trained on."""

    def __init__(self, images: np.ndarray, truth: np.ndarray, vectors: np.ndarray | None) -> None:
        self.images = torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2)))
        self.truth = truth
        self.vectors = None if vectors is None else torch.from_numpy(vectors.astype(np.float32))

    def __call__(self, network: Any, history: list[dict[str, float]]) -> None:
        """Write into the last entry of the history."""
        device = resolve_device("auto")
        dtype = resolve_precision("auto", device)
        with torch.inference_mode(), autocast(device, dtype):
            parts = [network(part.to(device)).float().cpu() for part in self.images.split(_BATCH)]
        outputs, truth = torch.cat(parts), torch.from_numpy(self.truth)
        if self.vectors is None:
            scores, loss = outputs, F.cross_entropy(outputs, truth)
        else:
            scores = outputs @ self.vectors.T
            loss = (1 - F.cosine_similarity(outputs, self.vectors[truth])).mean()
        history[-1]["validation loss"] = float(loss)
        history[-1] |= hits(self.truth, scores.numpy())


def hits(truth: np.ndarray, scores: np.ndarray) -> dict[str, float]:
    """Return hit@k of score columns, for each k that there are labels for."""
    n_labels = scores.shape[1]
    return {
        f"hit@{k}": hit_at_k_score(truth, scores, k=k, labels=np.arange(n_labels), average="micro")
        for k in KS
        if k <= n_labels
    }


def resized(images: np.ndarray, side: int) -> np.ndarray:
    """Return square images brought to `side` pixels."""
    if images.shape[1] == side:
        return images
    size = (side, side)
    rows = [Image.fromarray(image).resize(size, Image.Resampling.BICUBIC) for image in images]
    return np.stack([np.asarray(row) for row in rows])


def first_images(y: np.ndarray, n_classes: int | None, n_images: int) -> np.ndarray:
    """Return the rows of the first images of the first classes by name, in their order."""
    rows = [np.flatnonzero(y == name)[:n_images] for name in np.unique(y)[:n_classes]]
    return np.sort(np.concatenate(rows))


class Workshop:
    """Data, networks and finished parts, each made once and kept in a folder.

    Parameters
    ----------
    folder : Path
        Of checkpoints, which training goes on from, and of finished parts.
    n_test : int
        Images a class for validation, and of CIFAR-100.
    minutes : float
        After so many, nothing new is begun.
    """

    def __init__(self, folder: Path, n_test: int, minutes: float = float("inf")) -> None:
        self.folder = folder
        self.n_test = n_test
        self.deadline = time.monotonic() + 60 * minutes
        self.words = WordVectors(overrides=TEXTS)
        self._fitted: dict[str, Any] = {}
        self._features: dict[str, tuple[np.ndarray, np.ndarray]] = {}
        folder.mkdir(parents=True, exist_ok=True)

    def images(self, subset: str, plan: TrainingPlan) -> tuple[np.ndarray, np.ndarray]:
        """Return images and labels: of Tiny ImageNet "train" and "validation", or "CIFAR-100"."""
        bunch = _bunch(subset)
        n_images = plan.n_images if subset == "train" else self.n_test
        n_classes = None if subset == "CIFAR-100" else plan.n_classes
        rows = first_images(bunch.target, n_classes, n_images)
        return resized(bunch.images[rows], plan.side), bunch.target[rows]

    def features(self, subset: str, plan: TrainingPlan) -> tuple[np.ndarray, np.ndarray]:
        """Return what the softmax network's last layer takes, and labels; computed once."""
        name = f"{subset} {key(asdict(plan))}"
        if name not in self._features:
            X, y = self.images(subset, plan)
            self._features[name] = self.softmax(plan).transform(X), y
        return self._features[name]

    def softmax(
        self, plan: TrainingPlan, *, dropout: float = 0.4, augmentation: str | None = "crop_flip"
    ) -> SoftmaxClassifier:
        """Return the softmax network, trained or read from its checkpoint."""
        options = {"dropout": dropout, "augmentation": augmentation}
        X, y = self.images("train", plan)
        model = SoftmaxClassifier(
            _network(plan, dropout),
            training=self._training(plan, "softmax", options).set_params(
                augmentation=augmentation, callbacks=[self._watch(plan)]
            ),
            random_state=SEED,
        )
        return self._fit(model, X, y)

    def devise(
        self, plan: TrainingPlan, start: SoftmaxClassifier, *, start_key: str, **options: Any
    ) -> DeViSEClassifier:
        """Return the joint model, started from a softmax network; `options` are DeViSE's.

        Its vectors are not centred unless asked for: the published model is not, and similarity is
        measured on raw cosines.
        """
        options = {"loss": "cosine_margin", "margin": 0.1, "center": False, **options}
        X, y = self.images("train", plan)
        vectors = normalize(self.words.embed(np.unique(y)))
        plain = options["center"] is False and options.get("gamma") is None
        model = DeViSEClassifier(
            self.words,
            network=_network(plan, 0.4),
            init_from=start,
            training=self._training(plan, "devise", {**options, "from": start_key}).set_params(
                augmentation="crop_flip", callbacks=[self._watch(plan, vectors)] if plain else None
            ),
            random_state=SEED,
            **options,
        )
        return self._fit(model, X, y)

    def kept(self, part: str, parameters: Any, compute: Callable[[], Any]) -> Any:
        """Return the figures of a part, computed unless they were before; None if time is up."""
        return kept(self.folder, part, parameters, compute, deadline=self.deadline)

    def _watch(self, plan: TrainingPlan, vectors: np.ndarray | None = None) -> Watch:
        images, labels = self.images("validation", plan)
        return Watch(images, np.searchsorted(np.unique(labels), labels), vectors)

    def _training(self, plan: TrainingPlan, kind: str, options: dict[str, Any]) -> Training:
        name = f"{kind}-{key({'training': asdict(plan), 'n_test': self.n_test, **options})}"
        return Training(
            epochs=plan.epochs,
            batch_size=plan.batch_size,
            checkpoint=self.folder / f"{name}.safetensors",
        )

    def _fit(self, model: Any, X: np.ndarray, y: np.ndarray) -> Any:
        """Fit, unless this very model was fitted already in this run."""
        name = model.training.checkpoint.name
        if name not in self._fitted:
            self._fitted[name] = model.fit(X, y)
        return self._fitted[name]


@cache
def _bunch(subset: str) -> Any:
    """Return a set of images, decoded once."""
    if subset == "CIFAR-100":
        return fetch_cifar100(subset="test")
    official = {"train": "train", "validation": "val"}[subset]
    return fetch_tiny_imagenet(subset=official, progress=False)


def _network(plan: TrainingPlan, dropout: float) -> TinyImageNetCNN:
    """Return the network, whose first weights come from torch's global generator."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        return TinyImageNetCNN(width=plan.width, dropout=dropout)
