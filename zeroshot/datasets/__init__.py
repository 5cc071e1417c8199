"""Data sets by name, and images from folders."""

from __future__ import annotations

from zeroshot.datasets._cifar100 import fetch_cifar100
from zeroshot.datasets._class_names import class_names, label_texts
from zeroshot.datasets._features import load_cifar100_features
from zeroshot.datasets._folders import list_images, load_image_folder
from zeroshot.datasets._tiny_imagenet import fetch_tiny_imagenet
from zeroshot.datasets._xlsa17 import fetch_xlsa17

__all__ = [
    "class_names",
    "fetch_cifar100",
    "fetch_tiny_imagenet",
    "fetch_xlsa17",
    "label_texts",
    "list_images",
    "load_cifar100_features",
    "load_image_folder",
]
