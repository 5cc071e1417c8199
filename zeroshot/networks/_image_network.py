"""Networks from pixels to outputs, trained end to end by estimators."""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
import torch
from torch import Tensor, nn

from zeroshot._utils._constraints import COUNT, Checked, Number
from zeroshot._utils._fitted import Text
from zeroshot._utils._saving import Config
from zeroshot._utils._validation import check_number
from zeroshot.exceptions import IntegrityError
from zeroshot.networks._loop import linear_layers
from zeroshot.networks._saved_module import (
    SavedModule,
    check_weight_arrays,
    set_weights,
    without_memory,
)
from zeroshot.networks._training import check_hidden
from zeroshot.networks.simpnet import SimpNet
from zeroshot.networks.tiny_cnn import TinyImageNetCNN

_OWN = {"simpnet": SimpNet, "tiny_cnn": TinyImageNetCNN}
_TIMM = "timm:"
_TRIED = (3, 64, 64)
_HEAD = re.compile(r"head\.\d{1,9}\.weight")


class _Backbone(NamedTuple):
    """What `open_backbone` returns, given to it in place of weights to open."""

    module: nn.Module
    config: dict[str, Any]


def _check_channels(values: Any, *, owner: str, name: str, above: float | None = None) -> None:
    if not isinstance(values, (list, tuple)) or len(values) != 3:
        raise ValueError(f"{owner}: {name} must be 3 numbers, one per channel, got {values!r}.")
    for value in values:
        check_number(value, owner=owner, name=f"each of {name}", above=above)


class ImageNetwork(SavedModule):
    """Network that scales pixels, computes features and maps them to outputs by linear layers.

    Parameters
    ----------
    network : str or nn.Module
        ``"simpnet"``, ``"tiny_cnn"``, ``"timm:<name>"``, or a module from float images
        (n, 3, height, width) to features (n, n_features), which is copied.
    n_outputs : int
        Width of the outputs.
    hidden : tuple of int, default=()
        Widths of the hidden layers between features and outputs, with ReLU.
    dropout : float, default=0.0
        Share of the features that dropout zeroes during training.
    mean, std : sequence of 3 floats, optional
        Mean and standard deviation of each channel of the training images, divided by 255. None
        takes the values that a timm model was trained with.
    weights : "auto", path or None, default="auto"
        Weights of a timm model, as in `TimmFeatures`.
    image_shape : tuple of int, optional
        Height and width of the images. The network is tried on one image of this size. None is the
        size that a timm model was trained on, and 64 by 64 for other networks.
    seed : int, default=0
        Seed of the initial weights.
    owner : str, default="ImageNetwork"
        Who asks, for the messages.

    Attributes
    ----------
    backbone : nn.Module
        Maps scaled images to features.
    n_features : int
        Width of the features.
    head : nn.Sequential
        Maps features to outputs.
    frozen : tuple of str
        Parts of the backbone that stay in evaluation mode.

    Examples
    --------
    >>> import torch
    >>> from zeroshot.networks._image_network import ImageNetwork
    >>> network = ImageNetwork("tiny_cnn", 5, mean=[0.5] * 3, std=[0.2] * 3).eval()
    >>> network(torch.zeros(2, 3, 32, 32, dtype=torch.uint8)).shape
    torch.Size([2, 5])
    """

    _constraints: ClassVar[Mapping[str, Any]] = {
        "n_outputs": COUNT,
        "hidden": Checked(check_hidden),
        "dropout": Number(at_least=0, below=1),
        "mean": Checked(_check_channels),
        "std": Checked(_check_channels, above=0),
        "seed": Number(at_least=0, below=2**63, integer=True),
        "owner": Text(),
    }

    scale: Tensor
    shift: Tensor

    def __init__(
        self,
        network: str | nn.Module,
        n_outputs: int,
        *,
        hidden: Sequence[int] = (),
        dropout: float = 0.0,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
        weights: Any = "auto",
        image_shape: tuple[int, int] | None = None,
        seed: int = 0,
        owner: str = "ImageNetwork",
    ) -> None:
        super().__init__()
        self._name = network if isinstance(network, str) else None
        self.weights = None  # a saved copy brings its own weights
        self.image_shape = None  # and has already been tried
        self.seed, self.owner = seed, owner
        self.frozen: tuple[str, ...] = ()
        self.backbone, config = open_backbone(network, weights, seed=seed, owner=owner)
        self.mean = list(config["mean"] if mean is None else mean)
        self.std = list(config["std"] if std is None else std)
        for name, value in (
            ("scale", 1 / (255 * np.array(self.std))),
            ("shift", -np.array(self.mean) / np.array(self.std)),
        ):
            self.register_buffer(name, torch.tensor(value, dtype=torch.float32).view(1, 3, 1, 1))
        self.n_features = self._width(image_shape or config.get("input_size", _TRIED)[1:], owner)
        self.n_outputs, self.hidden, self.dropout = n_outputs, tuple(hidden), float(dropout)
        layers: list[nn.Module] = [nn.Dropout(dropout)] if dropout else []
        for layer in linear_layers((self.n_features, *hidden, n_outputs), seed):
            layers += [layer, nn.ReLU()]
        self.head = nn.Sequential(*layers[:-1])
        self.to(memory_format=torch.channels_last)

    @classmethod
    def from_config(cls, config: Config) -> Self:
        """Return the network that `to_config` described, in evaluation mode.

        Raises
        ------
        IntegrityError
            `config` names files of weights. A saved network brings its own weights.
        ValueError
            The weights are not those of this network, or not finite.
        """
        params, arrays = config
        for name in ("weights", "image_shape"):
            if params.get(name) is not None:
                raise IntegrityError(f"A saved ImageNetwork has a {name}, which is never saved.")
        # Layers that a file announces cost memory only if it holds their weights.
        layers = sorted(int(name.split(".")[1]) for name in arrays if _HEAD.fullmatch(name))
        widths = [np.shape(arrays[f"head.{layer}.weight"])[:1] for layer in layers]
        if widths != [(width,) for width in (*params["hidden"], params["n_outputs"])]:
            raise ValueError("hidden and n_outputs are not those of the weights head.0.weight, ...")
        loaded = " "
        if isinstance(params["network"], str) and params["network"].startswith(_TIMM):
            loaded = "backbone."
            own = {n.removeprefix(loaded): a for n, a in arrays.items() if n.startswith(loaded)}
            params = {**params, "weights": _restored(params["network"], own, owner=cls.__name__)}
        network = cls(**params)
        network.load_weight_arrays(arrays, loaded=loaded)
        return network.to(memory_format=torch.channels_last).eval()

    @property
    def network(self) -> str | nn.Module:
        """The name of the backbone, or the backbone itself if it has no name."""
        return self.backbone if self._name is None else self._name

    def train(self, mode: bool = True) -> Self:
        """Set training or evaluation mode; frozen parts stay in evaluation mode."""
        super().train(mode)
        for name in self.frozen:
            self.backbone.get_submodule(name).eval()
        return self

    def features(self, pixels: Tensor) -> Tensor:
        """Return features, (n, n_features), of images, (n, 3, height, width), from 0 to 255."""
        images = torch.addcmul(self.shift, pixels.float(), self.scale)
        return self.backbone(images.contiguous(memory_format=torch.channels_last))

    def penultimate(self, pixels: Tensor) -> Tensor:
        """Return the inputs of the last layer for images, (n, 3, height, width), from 0 to 255."""
        return self.head[:-1](self.features(pixels))

    def forward(self, pixels: Tensor) -> Tensor:
        """Return outputs, (n, n_outputs), of images, (n, 3, height, width), from 0 to 255."""
        return self.head(self.features(pixels))

    @torch.no_grad()
    def _width(self, shape: tuple[int, int], owner: str) -> int:
        was_training = self.training
        self.eval()
        try:
            features = self.features(torch.zeros(1, 3, *shape))
        # timm asserts the size of the images.
        except (RuntimeError, TypeError, ValueError, AttributeError, AssertionError) as error:
            raise ValueError(
                f"{owner}: network gives no features of an image of {shape[1]} x {shape[0]} pixels "
                f"({error}). Pass a module from float images (n, 3, height, width) to vectors "
                "(n, n_features), or the image_size that it was made for."
            ) from error
        finally:
            self.train(was_training)
        if not isinstance(features, Tensor) or features.ndim != 2 or len(features) != 1:
            got = tuple(features.shape) if isinstance(features, Tensor) else type(features).__name__
            raise ValueError(
                f"{owner}: network must give vectors, (n, n_features), and gives {got} for one "
                "image. End it with pooling and nn.Flatten()."
            )
        return features.shape[1]


def check_network(network: Any, *, owner: str) -> None:
    """Raise unless `network` is a module, or a name that `open_backbone` knows.

    Raises
    ------
    TypeError, ValueError
        `network` is neither.
    """
    if isinstance(network, nn.Module) or (isinstance(network, str) and network in _OWN):
        return
    if isinstance(network, str) and network.startswith(_TIMM):
        from zeroshot.backbones._weights import check_model_name

        check_model_name(network.removeprefix(_TIMM), owner=owner, name="network")
        return
    raise (ValueError if isinstance(network, str) else TypeError)(
        f"{owner}: network must be {', '.join(map(repr, _OWN))}, 'timm:<name>' or a "
        f"torch.nn.Module, got {network!r}. zeroshot.networks has the classes of the first "
        "two, with more parameters; timm.list_models() lists the names."
    )


def open_backbone(
    network: Any, weights: Any, *, seed: int, owner: str
) -> tuple[nn.Module, dict[str, Any]]:
    """Return a network from scaled images to features, and the scaling that it expects.

    Raises
    ------
    TypeError, ValueError
        `network` is not a module and not a known name. The message lists the known names.
    """
    if isinstance(weights, _Backbone):
        return weights
    if isinstance(network, nn.Module):
        return copy.deepcopy(network), {}
    if isinstance(network, str) and network.startswith(_TIMM):
        from timm.data import resolve_model_data_config

        from zeroshot.backbones._weights import create_network

        name = network.removeprefix(_TIMM)
        module = create_network(name, weights, seed=seed, owner=owner, num_classes=0)
        return module, dict(resolve_model_data_config(module))
    check_network(network, owner=owner)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return _OWN[network](), {}


def _restored(name: str, arrays: Mapping[str, Any], *, owner: str) -> _Backbone:
    """Return a timm model with saved weights.

    It is first made without memory, because a model that a file announces may be much larger than
    the file. If its weights are all that it has, they are then put into it: drawing initial weights
    would take longer.

    Raises
    ------
    ValueError
        The weights are not those of this model, or not finite.
    """
    with without_memory():
        network, config = open_backbone(name, None, seed=0, owner=owner)
    state = network.state_dict()
    check_weight_arrays(state, arrays, owner=name)
    tensors = [value for part in network.modules() for value in vars(part).values()]
    others = {buffer for buffer, _ in network.named_buffers()} - state.keys()
    if others or any(isinstance(value, Tensor) for value in tensors):
        network, config = open_backbone(name, None, seed=0, owner=owner)
    set_weights(network, arrays)
    return _Backbone(network, config)


def channel_statistics(pixels: np.ndarray) -> tuple[list[float], list[float]]:
    """Return mean and standard deviation of each channel, divided by 255.

    Parameters
    ----------
    pixels : uint8 ndarray of shape (n, channels, height, width)
        Some of the training images.
    """
    shares = pixels.transpose(1, 0, 2, 3).reshape(pixels.shape[1], -1) / 255
    std = shares.std(axis=1)
    return shares.mean(axis=1).tolist(), np.where(std > 1e-3, std, 1.0).tolist()
