"""What the few-shot study learns from: pixels, and features from three depths of a network."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from archive_features import archive_features, first_of_each_class
from class_groups import is_source_synonym
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer, StandardScaler
from sklearn.utils import Bunch

from zeroshot import SourceHead, TimmFeatures
from zeroshot.datasets import fetch_cifar100
from zeroshot.taxonomy import class_synsets

PIXELS, FIRST, MIDDLE, LAST = "pixels", "first layer", "middle layer", "penultimate layer"
DEPTHS: dict[str, dict[str, Any]] = {
    FIRST: {"layer": "bn1", "pool_size": 6},  # 32 channels of 6 x 6 cells: 1152 features
    MIDDLE: {"layer": "blocks.3", "pool_size": 4},  # 80 of 4 x 4: 1280, as the last has
    LAST: {},
}
"""The first is what the first convolution gives, as DeCAF's first pooled layer; the widths are
alike, so that only depth tells them apart."""
MADE_UP = ("bee", "bicycle", "castle", "lion", "mushroom", "rose", "snail", "table")


@dataclass(frozen=True)
class Preset:
    """How much is measured.

    Attributes
    ----------
    n_train, n_test : int or None
        The first images a class of either part of the archive; all if None.
    image_size : int
        Side of the network's input.
    shots : tuple of int
        Images a class.
    draws : int
        How often they are drawn.
    tuned_at : int
        Images a class at which penalties are chosen.
    made_up : bool
        Made-up images of eight classes, for a quick run.
    """

    n_train: int | None
    n_test: int | None
    image_size: int
    shots: tuple[int, ...]
    draws: int
    tuned_at: int = 5
    made_up: bool = False


@dataclass(frozen=True)
class Data:
    """Labels, features by depth, and the network's own classifier.

    Attributes
    ----------
    y_train, y_test : ndarray of str
        Labels of the images that are drawn from, and of those that are scored.
    coarse : ndarray of str
        Superclass of each test image.
    features : dict of str to pair of ndarray
        For each depth, features of training and test images.
    head : SourceHead
        Of ImageNet-1k.
    hashes : str
        Of the network's weights.
    """

    y_train: np.ndarray
    y_test: np.ndarray
    coarse: np.ndarray
    features: dict[str, tuple[np.ndarray, np.ndarray]]
    head: SourceHead
    hashes: str

    @property
    def y(self) -> np.ndarray:
        """Labels of all images, the test images last."""
        return np.concatenate([self.y_train, self.y_test])

    def X(self, depth: str) -> np.ndarray:
        """Return the features of all images, the test images last."""
        return np.concatenate(self.features[depth])

    @property
    def split(self) -> tuple[np.ndarray, np.ndarray]:
        """Rows that are drawn from, and rows that are scored."""
        n = len(self.y_train)
        return np.arange(n), np.arange(n, n + len(self.y_test))

    @cached_property
    def groups(self) -> dict[str, np.ndarray]:
        """Classes that are reported together, and apart."""
        names = np.unique(self.y_test)
        known = is_source_synonym(names, self.head)
        return {"all classes": names, "ImageNet synonyms": names[known], "the rest": names[~known]}

    @property
    def synsets(self) -> dict[str, str]:
        """The synset of each class."""
        return class_synsets("cifar100")

    def prepared(self, depth: str) -> np.ndarray:
        """Return test features as the classifiers see them: standardised, of unit length."""
        train, test = self.features[depth]
        return make_pipeline(StandardScaler(), Normalizer()).fit(train).transform(test)


def load(preset: Preset) -> Data:
    """Return the data of a preset, features from the cache if they were computed before."""
    backbones = {
        depth: TimmFeatures(image_size=preset.image_size, **options)
        for depth, options in DEPTHS.items()
    }
    last = backbones[LAST].fit()
    if preset.made_up:
        train, test = made_up_images(preset.n_train, 0), made_up_images(preset.n_test, 1)
        features = {
            depth: (backbone.fit_transform(train.images), backbone.transform(test.images))
            for depth, backbone in backbones.items()
        }
    else:
        train, test = images_of("train", preset.n_train), images_of("test", preset.n_test)
        features = {}
        for depth, backbone in backbones.items():
            parts = (("train", preset.n_train), ("test", preset.n_test))
            features[depth] = tuple(
                archive_features("cifar100", subset, limit=limit, backbone=backbone).data
                for subset, limit in parts
            )
    pixels = tuple(flat(part.images) for part in (train, test))
    return Data(
        train.target,
        test.target,
        test.coarse_target,
        {PIXELS: pixels, **features},
        last.source_head_,
        last.weights_hash_,
    )


def images_of(subset: str, limit: int | None) -> Bunch:
    """Return the first images of each class, as `archive_features` takes them."""
    bunch = fetch_cifar100(subset=subset)
    rows = first_of_each_class(bunch.target, limit)
    return Bunch(**{name: bunch[name][rows] for name in ("images", "target", "coarse_target")})


def flat(images: np.ndarray) -> np.ndarray:
    """Return pixels as features, from 0 to 1."""
    return images.reshape(len(images), -1).astype(np.float32) / 255


def made_up_images(n_images: int, seed: int) -> Bunch:
    """Return noisy images of eight patterns, for a quick run: they show nothing."""
    patterns = np.random.default_rng(0).integers(0, 256, (len(MADE_UP), 4, 4, 3))
    patterns = patterns.repeat(8, axis=1).repeat(8, axis=2).repeat(n_images, axis=0)
    noise = np.random.default_rng(seed).normal(0, 60, patterns.shape)
    target = np.repeat(MADE_UP, n_images)
    images = np.clip(patterns + noise, 0, 255).astype(np.uint8)
    coarse = np.where(np.isin(target, MADE_UP[:4]), "one kind", "another kind")
    return Bunch(images=images, target=target, coarse_target=coarse)
