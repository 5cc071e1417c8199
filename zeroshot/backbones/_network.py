"""A timm network, opened on a device and ready to turn pixels into features."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import timm
import torch
from timm.data import ImageNetInfo, create_transform, infer_imagenet_subset
from timm.data import resolve_model_data_config as data_config
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from zeroshot._utils._device import (
    autocast,
    generator,
    resolve_device,
    resolve_precision,
    to_numpy,
    to_tensor,
    weights_hash,
)
from zeroshot._utils._validation import check_labels
from zeroshot.backbones._checked_weights import Checked, key_of, recall, remember
from zeroshot.backbones._read_ahead import Transform
from zeroshot.backbones._source_head import SourceHead
from zeroshot.backbones._weights import create_network
from zeroshot.exceptions import Remedy, in_python


class InnerLayer:
    """A network up to one of its layers.

    It shares its weights with the network. A forward pass ends at the layer; later layers are not
    computed.

    Parameters
    ----------
    module : torch.nn.Module
        A timm network in evaluation mode, on its device.
    name : str
        Path of a layer of the network, such as ``"blocks.3"``.
    pool_size : int
        Number of cells per side of the grid over which a feature map is averaged.
    owner : str
        Who asks, for the messages.

    Raises
    ------
    ValueError
        There is no such layer. The message lists the top-level layers.
    """

    def __init__(self, module: Any, name: str, pool_size: int, *, owner: str) -> None:
        layers = dict(module.named_modules())
        if not isinstance(name, str) or not name or name not in layers:
            raise ValueError(
                f"{owner}: layer must be a layer of the network, such as "
                f"{', '.join(map(repr, _upper(module)))}, or None for its last features, got "
                f"{name!r}."
            )
        shared = {id(t): t for t in (*module.parameters(), *module.buffers())}
        self.module = copy.deepcopy(module, shared)
        self.module.get_submodule(name).register_forward_hook(_stop)
        self.name = name
        self.pool_size = pool_size
        self.channels_last = getattr(module, "output_fmt", None) == "NHWC"
        self.owner = owner

    def __call__(self, pixels: torch.Tensor) -> torch.Tensor:
        """Return the layer's output for images, of shape (n, n_features).

        Raises
        ------
        ValueError
            The forward pass does not reach the layer; or the output of the layer is not maps,
            tokens or vectors; or it is not maps and there is more than one cell.
        """
        try:
            self.module(pixels)
        except _Reached as reached:
            return self._pooled(reached.output)
        raise ValueError(
            f"{self.owner}: images do not pass through layer={self.name!r}. Pass another layer."
        )

    def _pooled(self, output: Any) -> torch.Tensor:
        n_axes = output.ndim if isinstance(output, torch.Tensor) else None
        if n_axes == 2 and self.pool_size == 1:
            return output
        if n_axes == 3 and self.pool_size == 1:
            return output.mean(dim=1)  # over tokens
        if n_axes == 4:
            maps = output.movedim(-1, 1) if self.channels_last else output
            # in float32, which a mean of thousands of pixels needs
            return nn.functional.adaptive_avg_pool2d(maps.float(), self.pool_size).flatten(1)
        gives = "no tensor" if n_axes is None else f"shape {tuple(output.shape[1:])} for an image"
        raise ValueError(
            f"{self.owner}: layer={self.name!r} gives {gives}, which pool_size={self.pool_size} "
            "cannot average. Pass pool_size=1, or another layer."
        )


_ANTIALIASED = ("bicubic", "bilinear")
# On a CPU, memory limits the speed of a pass over more pixels than this: EfficientNet-Lite0 runs 49
# images per second in batches of 4, and 32 in batches of 24.
_CPU_PIXELS = 4 * 224 * 224
_FUSION_TOLERANCE = 1e-4


@dataclass(frozen=True)
class Network:
    """Network of a fitted backbone, with everything needed to compute features.

    Attributes
    ----------
    module : torch.nn.Module
        The network, in evaluation mode, on `device`.
    device : torch.device
        Where it runs.
    dtype : torch.dtype
        Precision of convolutions and matrix products.
    size : int
        Side of its square input, in pixels.
    width : int
        Number of features, measured on its output and not taken from its attributes.
    transform : callable
        timm's evaluation geometry: PIL image to uint8 tensor of shape (3, size, size).
    scale, shift : torch.Tensor of shape (1, 3, 1, 1)
        ``pixels * scale + shift`` is the input of the network.
    interpolation : str
        How small images are enlarged.
    head : SourceHead or None
        Its own classifier, if it is linear and its classes are known.
    digest : str
        SHA-256 of its weights.
    inner : InnerLayer or None
        The layer whose output is used as features, if it is not the last before the classifier.
    """

    module: Any
    device: torch.device
    dtype: torch.dtype
    size: int
    width: int
    transform: Transform
    scale: torch.Tensor
    shift: torch.Tensor
    interpolation: str
    head: SourceHead | None
    digest: str
    inner: InnerLayer | None = None

    @property
    def max_batch(self) -> int | None:
        """Maximum number of images to run at once, if there is a limit."""
        return max(1, _CPU_PIXELS // self.size**2) if self.device.type == "cpu" else None

    @property
    def n_classes(self) -> int:
        """Number of logits.

        Raises
        ------
        ValueError
            The network has no classifier.
        """
        count = int(self.module.num_classes)
        if count == 0:
            raise ValueError(
                "TimmFeatures: this model has no classifier, and so no logits. Choose a "
                "model_name of a network trained to classify."
            )
        return count

    def __call__(self, images: list[np.ndarray], *, logits: bool = False) -> torch.Tensor:
        """Return features, or logits, of images of shape (side, side, 3), in float32."""
        with torch.inference_mode():
            pixels = self._to_input(images)
            with autocast(self.device, self.dtype):
                if self.inner is not None and not logits:
                    return self.inner(pixels).float()
                maps = self.module.forward_features(pixels)
                features = self.module.forward_head(maps, pre_logits=True)
                if logits and self.head is None:
                    return self.module.forward_head(maps).float()
            if logits:  # outside of autocast: same numbers as source_head_
                return self.module.get_classifier()(features.float())
            return features.float()

    def _to_input(self, images: list[np.ndarray]) -> torch.Tensor:
        sides = np.array([len(image) for image in images])
        batch = torch.empty(
            (len(images), 3, self.size, self.size),
            device=self.device,
            memory_format=torch.channels_last,
        )
        for side in np.unique(sides):
            rows = np.flatnonzero(sides == side)
            stacked = np.stack([images[row] for row in rows]).transpose(0, 3, 1, 2)
            # MPS has no antialiased resampling
            where = torch.device("cpu") if self.device.type == "mps" else self.device
            pixels = self._enlarge(to_tensor(stacked, where).float())
            batch[torch.from_numpy(rows).to(self.device)] = pixels.to(self.device)
        return batch.mul_(self.scale).add_(self.shift)

    def _enlarge(self, pixels: torch.Tensor) -> torch.Tensor:
        """Resize to the network's input size, with the same pixel values as Pillow."""
        side = pixels.shape[-1]
        if side == self.size:
            return pixels
        # Pillow rounds and clips between its horizontal and its vertical pass
        for shape in ((side, self.size), (self.size, self.size)):
            pixels = nn.functional.interpolate(
                pixels, size=shape, mode=self.interpolation, antialias=True
            )
            pixels = pixels.round_().clamp_(0, 255)
        return pixels


def open_network(
    model_name: str,
    weights: Any,
    *,
    image_size: int | None,
    device: Any,
    precision: str,
    layer: str | None,
    pool_size: int,
    source_labels: Any,
    seed: int,
    owner: str,
) -> Network:
    """Create the network, load its weights, and test it on one image.

    Raises
    ------
    ValueError
        A parameter is out of range, or the network does not return one vector per image.
    MissingDependencyError, DownloadError, IntegrityError
        The weights are not available, or belong to another model.
    """
    target = resolve_device(device, owner=owner)
    dtype = resolve_precision(precision, target, owner=owner)
    module = _create(model_name, weights, image_size, seed, owner)
    config = data_config(module)
    size = image_size or _square(config["input_size"], model_name, owner)
    return build_network(
        module,
        {**config, "input_size": (3, size, size)},
        model_name=model_name,
        builder=timm.model_entrypoint(model_name.partition(".")[0]).__module__,
        pretrained=weights is not None,
        device=target,
        dtype=dtype,
        owner=owner,
        layer=layer,
        pool_size=pool_size,
        source_labels=source_labels,
    )


def build_network(
    module: Any,
    config: dict[str, Any],
    *,
    model_name: Any,
    builder: str,
    pretrained: bool,
    device: torch.device,
    dtype: torch.dtype,
    owner: str,
    layer: str | None = None,
    pool_size: int = 1,
    source_labels: Any = None,
) -> Network:
    """Check the weights, and return a network that is ready to compute.

    Parameters
    ----------
    module : torch.nn.Module
        A module in evaluation mode, with timm's ``forward_features``, ``forward_head`` and
        ``get_classifier``.
    config : dict
        timm's description of the input: ``input_size``, ``mean``, ``std``, ``interpolation``,
        ``crop_pct`` and ``crop_mode``.
    model_name : str or path
        Name of the model, for the messages.
    builder : str
        Name of the Python module that built it.
    pretrained : bool
        Whether its weights are not random. If so, the results of their check are cached.
    device, dtype : torch.device, torch.dtype
        Device and precision of the computation.
    owner : str
        Who asks, for the messages.
    layer : str, optional
        The layer whose output is used as features, if it is not the last before the classifier.
    pool_size : int
        Number of cells per side of the grid over which the maps of `layer` are averaged.
    source_labels : array-like of shape (n_classes,), optional
        Labels of the outputs of its classifier, if they are not ImageNet's classes.

    Raises
    ------
    ValueError
        The network does not return one vector per image, or `source_labels` do not fit its
        classifier.
    """
    size, digest = config["input_size"][-1], weights_hash(module)
    key = None
    if pretrained:
        key = key_of(module, digest, builder, size=size, layer=layer, pool_size=pool_size)
    checked = None if key is None else recall(key)
    if checked is None:
        checked, fused = _check(module, size, layer, pool_size, model_name, owner)
        if key is not None:
            remember(key, checked)
    else:
        fused = _fold(module) if checked.fusible else module  # the head stays as it is
    named = checked.linear and pretrained and layer is None
    if source_labels is not None and not named:
        raise ValueError(
            f"{owner}: source_labels says what the outputs of a trained linear classifier are, and "
            f"{model_name!r} gives none here. Pass source_labels=None, or weights with such a "
            "classifier and layer=None."
        )
    head = _source_head(module, source_labels, owner) if named else None
    mean, std = (torch.tensor(config[name]).view(1, 3, 1, 1) for name in ("mean", "std"))
    fused = fused.to(device, memory_format=torch.channels_last)
    return Network(
        module=fused,
        device=device,
        dtype=dtype,
        size=size,
        width=checked.width,
        transform=create_transform(**config, is_training=False, normalize=False),
        scale=(1 / (255 * std)).to(device),
        shift=(-mean / std).to(device),
        interpolation=config["interpolation"]
        if config["interpolation"] in _ANTIALIASED
        else "bicubic",
        head=head,
        digest=digest,
        inner=None if layer is None else InnerLayer(fused, layer, pool_size, owner=owner),
    )


def _create(model_name: str, weights: Any, image_size: int | None, seed: int, owner: str) -> Any:
    module: Any = create_network(model_name, weights, seed=seed, owner=owner)
    config: dict[str, Any] = module.pretrained_cfg
    if config.get("fixed_input_size") and image_size not in (None, config["input_size"][-1]):
        # Transformers are built for one size; timm resamples their position embeddings.
        try:
            return create_network(model_name, weights, seed=seed, owner=owner, img_size=image_size)
        except (AssertionError, RuntimeError, TypeError, ValueError, ZeroDivisionError) as error:
            raise ValueError(
                in_python(f"{owner}: ")
                + f"{model_name!r} cannot be built for images of side {image_size} ({error}). "
                "Pass a multiple of its patch size, "
                + Remedy("or None for its own size.", option="or leave --image-size out.")
            ) from error
    return module


def _square(input_size: tuple[int, int, int], model_name: str, owner: str) -> int:
    channels, height, width = input_size
    if channels != 3 or height != width:
        raise ValueError(
            in_python(f"{owner}: ")
            + f"{model_name!r} takes images of shape {input_size}, not square RGB. Choose another "
            "model, or the side of a square."
        )
    return width


def _noise(size: int) -> torch.Tensor:
    return torch.randn((1, 3, size, size), generator=generator(0))


def _check(
    module: Any, size: int, layer: str | None, pool_size: int, model_name: Any, owner: str
) -> tuple[Checked, Any]:
    """Test a network on one image, and fold its batch normalisation into its convolutions."""
    width, linear = _probe(module, size, model_name, owner)
    if layer is not None:
        with torch.inference_mode():
            width = InnerLayer(module, layer, pool_size, owner=owner)(_noise(size)).shape[1]
    fused = fuse_batch_norm(module, size, layer)
    return Checked(width, linear, fusible=fused is not module), fused


def _probe(module: Any, size: int, model_name: str, owner: str) -> tuple[int, bool]:
    """Return the width of the features and whether the classifier is one linear map of them."""
    with torch.inference_mode():
        try:
            maps = module.forward_features(_noise(size))
            features = module.forward_head(maps, pre_logits=True)
        except (AttributeError, TypeError, RuntimeError, AssertionError) as error:
            raise ValueError(
                in_python(f"{owner}: ")
                + f"{model_name!r} gives no features of {size} x {size} images ({error}). "
                + Remedy(
                    "Pass another image_size or model_name.",
                    option="Pass another --image-size or --backbone.",
                )
            ) from error
        if features.ndim != 2:
            raise ValueError(
                in_python(f"{owner}: ")
                + f"{model_name!r} gives features of shape {tuple(features.shape[1:])} for "
                "an image, not a vector. Choose another model."
            )
        classifier = module.get_classifier()
        linear = isinstance(classifier, nn.Linear) and torch.allclose(
            classifier(features), module.forward_head(maps), rtol=1e-4, atol=1e-4
        )
    return features.shape[1], linear


def fuse_batch_norm(module: Any, size: int, layer: str | None = None) -> Any:
    """Return the network with batch normalisations folded into the convolutions before them.

    A normalisation is assumed to follow the convolution that is named before it in its block. This
    is accepted only if the features of a random image do not change.

    Parameters
    ----------
    module : torch.nn.Module
        A timm network in evaluation mode, which is not changed.
    size : int
        Side of its input, in pixels.
    layer : str, optional
        A layer whose output must not change either. Folding changes the output of a convolution if
        the normalisation after it is folded into it.
    """
    fused = _fold(copy.deepcopy(module))
    passes = [(net.forward_features for net in (module, fused))]
    if layer is not None:
        passes.append(InnerLayer(net, layer, 1, owner="fuse_batch_norm") for net in (module, fused))
    with torch.inference_mode():
        same = all(_agree(*(run(_noise(size)) for run in pair)) for pair in passes)
    return fused if same else module


def _fold(module: Any) -> Any:
    """Fold every normalisation into the convolution named before it, in place."""
    for parent in list(module.modules()):
        children = list(parent.named_children())
        for (conv_name, conv), (norm_name, norm) in pairwise(children):
            if (
                isinstance(conv, nn.Conv2d)
                and isinstance(norm, nn.BatchNorm2d)
                and norm.num_features == conv.out_channels
            ):
                setattr(parent, conv_name, fuse_conv_bn_eval(conv, norm))
                # timm's normalisation layers also hold the activation that follows
                setattr(parent, norm_name, getattr(norm, "act", nn.Identity()))
    return module


def _agree(first: torch.Tensor, second: torch.Tensor) -> bool:
    largest = float(first.abs().max())
    return float((first - second).abs().max()) <= _FUSION_TOLERANCE * largest


def _source_head(module: Any, labels: Any, owner: str) -> SourceHead | None:
    """Return the network's classifier as arrays, if the names of its classes are known."""
    classifier, wnids = module.get_classifier(), None
    if labels is None:
        try:
            info = ImageNetInfo(infer_imagenet_subset(module) or "")
        except AssertionError:
            return None  # timm has no such subset, or has only the number of its classes
        labels, wnids = info.label_descriptions(), info.label_names()
    elif len(check_labels(labels, owner=owner, name="source_labels")) != classifier.out_features:
        raise ValueError(
            f"{owner}: source_labels has {len(labels)} labels, and the network's classifier "
            f"{classifier.out_features} outputs. Pass one label for each output, in their order."
        )
    coef = to_numpy(classifier.weight)
    intercept = np.zeros(len(coef)) if classifier.bias is None else to_numpy(classifier.bias)
    return SourceHead(coef, intercept, labels, wnids)


class _Reached(Exception):  # not an error: it ends a pass early
    """Carries the output of the layer out of the forward pass."""

    def __init__(self, output: Any) -> None:
        super().__init__()
        self.output = output


def _stop(module: nn.Module, inputs: Any, output: Any) -> None:
    raise _Reached(output)


def _upper(module: Any) -> list[str]:
    """Return the layers without the classifier; the layers of a sequence are listed one by one."""
    names = []
    for name, child in module.named_children():
        if child is module.get_classifier():
            continue
        inner = isinstance(child, (nn.Sequential, nn.ModuleList))
        names += [f"{name}.{own}" for own, _ in child.named_children()] if inner else [name]
    return names
