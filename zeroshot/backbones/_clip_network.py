"""The image tower of an open_clip model, with timm's interface."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from zeroshot._utils._device import resolve_device, resolve_precision
from zeroshot._utils._open_clip import create_clip
from zeroshot.backbones._network import Network, build_network

# open_clip's and timm's names for the handling of images that are not square.
_CROPS = {"shortest": "center", "squash": "squash", "longest": "border"}


class ImageTower(nn.Module):
    """An image tower with the methods of a timm model. Its features are the projected ones.

    Parameters
    ----------
    visual : torch.nn.Module
        Image tower of an open_clip model.
    """

    num_classes = 0

    def __init__(self, visual: nn.Module) -> None:
        super().__init__()
        self.visual = visual

    def forward_features(self, pixels: torch.Tensor) -> torch.Tensor:
        """Return the projected features of images, (n_images, n_features)."""
        features = self.visual(pixels)
        return features[0] if isinstance(features, tuple) else features  # CoCa adds its tokens

    def forward_head(self, features: torch.Tensor, pre_logits: bool = False) -> torch.Tensor:
        """Return the features unchanged, because there is no classifier."""
        return features

    def get_classifier(self) -> nn.Module:
        """Return the identity, as timm models without a classifier do."""
        return nn.Identity()


def open_image_tower(
    model_name: Any, weights: Any, *, device: Any, precision: str, seed: int, owner: str
) -> Network:
    """Create the model, keep its image tower, and test the tower on one image.

    Raises
    ------
    ValueError, FileNotFoundError, DownloadError, MissingDependencyError, IntegrityError
        As for `create_clip`. ValueError also if the model does not take square images.
    """
    target = resolve_device(device, owner=owner)
    dtype = resolve_precision(precision, target, owner=owner)
    visual: Any = create_clip(model_name, weights, seed=seed, owner=owner).visual
    tower, given = ImageTower(visual).eval(), visual.preprocess_cfg
    size = given["size"]
    height, width = size if isinstance(size, (list, tuple)) else (size, size)
    if height != width:
        raise ValueError(
            f"{owner}: {str(model_name)!r} takes images of {height} x {width} pixels, not squares. "
            "Choose another model_name."
        )
    config = {
        "input_size": (3, height, width),
        "mean": tuple(given["mean"]),
        "std": tuple(given["std"]),
        "interpolation": given["interpolation"],
        "crop_pct": 1.0,
        "crop_mode": _CROPS[given["resize_mode"]],
    }
    return build_network(
        tower,
        config,
        model_name=model_name,
        builder=create_clip.__module__,
        pretrained=weights is not None,
        device=target,
        dtype=dtype,
        owner=owner,
    )
