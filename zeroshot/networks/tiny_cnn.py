"""A shallow network for Tiny ImageNet."""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn

from zeroshot._utils._validation import check_number
from zeroshot.networks._blocks import check_batch, check_rate, convolution, scaled
from zeroshot.networks._saved_module import SavedModule

_CHANNELS = (64, 128, 256, 512)
_SMALLEST = 2 ** (len(_CHANNELS) - 1)


class TinyImageNetCNN(SavedModule):
    """Eight convolutions in four blocks, from images to features.

    Each convolution is 3×3 without bias and followed by batch normalisation and ReLU. Two
    convolutions make a block; the blocks have 64, 128, 256 and 512 channels. A 2×2 max-pooling
    follows each of the first three blocks. Global average pooling and dropout come at the end. The
    network has no fully connected layer: put ``nn.Linear(network.n_features, n_outputs)`` behind
    it.

    Parameters
    ----------
    width : float, default=1.0
        Factor on the number of channels of every layer. The product is rounded and at least 1.
    dropout : float, default=0.4
        Share of the features that dropout zeroes during training. 0 disables dropout.

    Attributes
    ----------
    n_features : int
        Width of the output: 512 times `width`.

    Raises
    ------
    ValueError
        A parameter is of another type or out of range.

    Notes
    -----
    This network stands in for the paper's shallow network. The place and the rate of dropout are
    the published ones; the blocks are standard. Initial weights are drawn from torch's global
    generator with He's normal initialisation.

    References
    ----------
    T. Nishimura, L. Yu, M. Hellmers, V. Desai, "A Combined Deep Learning and Semantic Embedding
    Model".

    Examples
    --------
    >>> import torch
    >>> from zeroshot.networks import TinyImageNetCNN
    >>> network = TinyImageNetCNN(width=0.25).eval()
    >>> network(torch.zeros(2, 3, 64, 64)).shape
    torch.Size([2, 128])
    """

    def __init__(self, *, width: float = 1.0, dropout: float = 0.4) -> None:
        super().__init__()
        check_number(width, owner="TinyImageNetCNN", name="width", above=0)
        check_rate(dropout, owner="TinyImageNetCNN")
        sizes = [3] + [scaled(channels, width) for channels in _CHANNELS]
        layers: list[nn.Module] = []
        for n_in, n_out in pairwise(sizes):
            if layers:
                layers.append(nn.MaxPool2d(2))
            layers += convolution(n_in, n_out) + convolution(n_out, n_out)
        self.layers = nn.Sequential(*layers)
        self.width, self.dropout = width, dropout
        self.drop = nn.Dropout(dropout)
        self.n_features = sizes[-1]
        self.apply(_initialise)

    def forward(self, images: Tensor) -> Tensor:
        """Return the features of images.

        Parameters
        ----------
        images : Tensor of shape (n, 3, height, width)
            Floats, normalised; 64 by 64 in Tiny ImageNet, at least 8 by 8.

        Returns
        -------
        Tensor of shape (n, n_features)
            Not negative.

        Raises
        ------
        ValueError
            `images` has another shape, is not of floats, or has too few pixels.
        """
        check_batch(images, smallest=_SMALLEST, owner="TinyImageNetCNN")
        return self.drop(self.layers(images).mean(dim=(2, 3)))


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
