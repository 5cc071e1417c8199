"""One fold of the leave-one-class-out study: images, training without a class, its losses."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from archive_features import first_of_each_class
from loco_figures import versions
from numpy.typing import NDArray

from zeroshot import EmbeddingRegressor, Training, WordVectors
from zeroshot._utils._files import atomic_file
from zeroshot.datasets import class_names, fetch_cifar100
from zeroshot.datasets._cifar100 import ARCHIVE
from zeroshot.datasets._fetch import resolve_data_home
from zeroshot.metrics import embedding_mse
from zeroshot.networks import SimpNet
from zeroshot.networks._fit_network import _network, open_run
from zeroshot.networks._task import Task

BATCH = 256


@dataclass(frozen=True)
class Preset:
    """How large the study is.

    Attributes
    ----------
    start, every : int
        Excluded are the sorted names from `start` on, each so many.
    image_size : int
        Side of the images, 32 divided by a whole number: means of squares of pixels.
    images : int or None
        To train on: the first of each class in the archive's order; None is all.
    n_classes : int
        The first of the sorted names.
    made_up : bool
        Draw images in place of the archive's.
    network : dict
        Parameters of `SimpNet`.
    training : dict
        Parameters of `Training`, and ``hidden`` of `EmbeddingRegressor`.
    drawn : float
        The share of a prediction's distance from the mean of the trained classes' vectors that is
        left where it is drawn towards it; what ``--preset development`` chooses.
    """

    start: int = 0
    every: int = 1
    image_size: int = 32
    images: int | None = None
    n_classes: int = 100
    made_up: bool = False
    network: tuple[tuple[str, Any], ...] = (("variant", "full"),)
    training: tuple[tuple[str, Any], ...] = ()
    drawn: float = 1.0

    def names(self) -> list[str]:
        """Return the classes that take part."""
        return class_names("cifar100")[: self.n_classes]

    def excluded(self) -> list[str]:
        """Return the classes that are left out in turn."""
        return self.names()[self.start :: self.every]

    def digest(self) -> str:
        """Return what tells folds of other parameters or images apart."""
        after = ("start", "every", "drawn")  # which are excluded, and what is done with a fold
        known = {k: v for k, v in asdict(self).items() if k not in after}
        known["archive"] = 0 if self.made_up else archive_size()
        return hashlib.sha256(json.dumps(known, sort_keys=True).encode()).hexdigest()[:12]


# Images -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Images:
    """Images and the names of their classes."""

    pixels: NDArray[np.uint8]
    target: NDArray[np.str_]

    def of(self, chosen: NDArray[np.bool_]) -> Images:
        """Return some of them."""
        return Images(self.pixels[chosen], self.target[chosen])


@cache
def images_of(preset: Preset) -> tuple[Images, Images]:
    """Return training and test images."""
    if preset.made_up:
        return made_up(preset, 0), made_up(preset, 1)
    return _archive(preset, "train"), _archive(preset, "test")


def archive_size() -> int:
    """Return the bytes of the archive at hand: there are smaller ones than the official one."""
    path = resolve_data_home() / ARCHIVE.filename
    return path.stat().st_size if path.is_file() else 0


def _archive(preset: Preset, subset: str) -> Images:
    bunch = fetch_cifar100(subset=subset)
    chosen = np.isin(bunch.target, preset.names())
    return Images(smaller(bunch.images[chosen], preset.image_size), bunch.target[chosen])


def smaller(pixels: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """Return the images with means of squares of pixels for pixels."""
    n, side = pixels.shape[:2]
    squares = pixels.reshape(n, size, side // size, size, side // size, 3)
    return squares.mean(axis=(2, 4)).round().astype(np.uint8)


def made_up(preset: Preset, seed: int) -> Images:
    """Return noise in a colour that the class's vector determines."""
    names = preset.names()
    n_images = (8, 2)[seed]
    colours = 128 + 40 * WordVectors().embed(names)[:, :3]
    target = np.repeat(names, n_images)
    shape = (len(target), preset.image_size, preset.image_size, 3)
    noise = np.random.default_rng(seed).normal(scale=30, size=shape)
    pixels = noise + np.repeat(colours, n_images, axis=0)[:, None, None]
    return Images(pixels.clip(0, 255).astype(np.uint8), target)


# Folds ------------------------------------------------------------------------------------------


@torch.no_grad()
def outputs(network: Any, pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return the vectors that the network gives images."""
    device = next(network.parameters()).device
    batches = torch.from_numpy(pixels).permute(0, 3, 1, 2).split(BATCH)
    return np.concatenate([network(batch.to(device)).double().cpu().numpy() for batch in batches])


class ExcludedLoss:
    """A callback that notes the loss of each excluded class, on all its images, in the history.

    Parameters
    ----------
    images : Images
        Those of the excluded classes.
    vectors : dict of str to ndarray
        Of the excluded classes.
    """

    def __init__(self, images: Images, vectors: dict[str, NDArray[np.float64]]) -> None:
        self.images, self.vectors = images, vectors

    def __call__(self, network: Any, history: list[dict[str, float]]) -> None:
        """Note them after an epoch."""
        history[-1].update(self.losses(network))

    def losses(self, network: Any) -> dict[str, float]:
        """Return the mean squared error of each class."""
        return mse(outputs(network, self.images.pixels), self.images.target, self.vectors)


def mse(
    found: NDArray[np.float64], target: NDArray[np.str_], wanted: dict[str, NDArray[np.float64]]
) -> dict[str, float]:
    """Return the mean squared error of each class, from its images' vectors to the wanted one."""
    rows = {name: found[target == name] for name in wanted}
    return {
        name: embedding_mse(np.tile(wanted[name], (len(row), 1)), row) for name, row in rows.items()
    }


def train_without(
    excluded: Sequence[str], preset: Preset, checkpoint: Path | None = None
) -> dict[str, Any]:
    """Train without some classes, and return their losses: before, after each epoch, controls'.

    Parameters
    ----------
    excluded : sequence of str
        Classes.
    preset : Preset
        All else.
    checkpoint : Path, optional
        To go on from.
    """
    train, test = images_of(preset)
    embedding = WordVectors()
    out = [np.isin(images.target, excluded) for images in (train, test)]
    kept, held_out = train.of(~out[0]), test.of(~out[1])
    rows = first_of_each_class(kept.target, preset.images)
    kept = Images(kept.pixels[rows], kept.target[rows])
    seen = np.unique(kept.target)
    theirs = embedding.embed(seen).astype(np.float64)
    vectors = dict(zip(excluded, embedding.embed(excluded).astype(np.float64), strict=True))
    unseen = [images.of(chosen) for images, chosen in zip((train, test), out, strict=True)]
    pixels = np.concatenate([images.pixels for images in unseen])
    watch = ExcludedLoss(Images(pixels, np.concatenate([i.target for i in unseen])), vectors)
    model = regressor(embedding, preset)
    untrained = watch.losses(_untrained(model, kept))
    start = time.perf_counter()
    model.set_params(training__callbacks=[watch], training__checkpoint=checkpoint)
    model.fit(kept.pixels, kept.target)
    found = model.predict(held_out.pixels)
    middle = theirs.mean(axis=0)
    factor = shrinkage(found - middle, theirs[np.searchsorted(seen, held_out.target)] - middle)
    predicted = model.predict(watch.images.pixels).astype(np.float64)
    spread = mse(predicted, watch.images.target, dict.fromkeys(excluded, middle))
    nearest = seen[(found @ theirs.T - (theirs**2).sum(axis=1) / 2).argmax(axis=1)]
    return {
        "classes": {
            name: {
                "zero": float(np.mean(vector**2)),
                "mean": float(np.mean((middle - vector) ** 2)),
                "untrained": untrained[name],
                "epochs": [entry[name] for entry in model.history_],
                "spread": spread[name],
            }
            for name, vector in vectors.items()
        },
        "shrinkage": factor,
        "seen_accuracy": float((nearest == held_out.target).mean()),
        "training_loss": [entry["loss"] for entry in model.history_],
        "n_images": len(kept.target),
        "minutes": (time.perf_counter() - start) / 60,
    }


def regressor(embedding: WordVectors, preset: Preset, **changes: Any) -> EmbeddingRegressor:
    """Return the model of a preset, not fitted; `changes` are to its training."""
    params = dict(preset.training)
    hidden = params.pop("hidden")
    training = Training(**{"progress": False, **params, **changes})
    return EmbeddingRegressor(
        embedding, network=_fresh(preset), hidden=hidden, training=training, random_state=0
    )


def shrinkage(found: NDArray[np.float64], wanted: NDArray[np.float64]) -> float:
    """Return the factor in 0 to 1 that brings `found` nearest to `wanted`, by squared error."""
    return float(np.clip((found * wanted).sum() / (found**2).sum(), 0, 1))


def _untrained(model: EmbeddingRegressor, images: Images) -> torch.nn.Module:
    """Return the network as training finds it."""
    n_outputs = model.label_embedding.n_dims
    task = Task(n_outputs, model.hidden, np.zeros(1), torch.nn.functional.mse_loss, None, {})
    return _network(model, task, open_run(model, images.pixels), one_more=False).eval()


def _fresh(preset: Preset) -> SimpNet:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return SimpNet(**dict(preset.network))


def run_fold(excluded: Sequence[str], preset: Preset, folder: Path) -> dict[str, Any]:
    """Return what `train_without` does, from the file of an earlier run if there is one."""
    path = fold_path(excluded, preset, folder)
    if path.is_file():
        return json.loads(path.read_text())
    folder.mkdir(parents=True, exist_ok=True)
    checkpoint = path.with_suffix(".safetensors")
    fold = {"preset": asdict(preset), **versions(), **train_without(excluded, preset, checkpoint)}
    with atomic_file(path) as file:
        file.write((json.dumps(fold, indent=1) + "\n").encode())
    checkpoint.unlink(missing_ok=True)
    return json.loads(path.read_text())


def fold_path(excluded: Sequence[str], preset: Preset, folder: Path) -> Path:
    """Return the file of a fold: its name tells the classes and all parameters."""
    who = excluded[0] if len(excluded) == 1 else f"{len(excluded)}-from-{excluded[0]}"
    return folder / f"{who}-{preset.digest()}.json"
