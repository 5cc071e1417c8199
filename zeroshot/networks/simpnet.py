"""SimpNet: a plain network of 13 convolutions."""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn

from zeroshot._utils._validation import check_number, check_option
from zeroshot.networks._blocks import check_batch, check_rate, convolution, scaled
from zeroshot.networks._saved_module import SavedModule

# For each convolution: its channels, and the dropout rate after it (after the pooling, if one
# follows). The rates are those of the published runs on CIFAR-100.
_LAYERS: dict[str, tuple[tuple[int, float], ...]] = {
    "full": (
        *((66, 0.2), (128, 0.2), (128, 0.2), (128, 0.2), (192, 0.2)),
        *((192, 0.2), (192, 0.2), (192, 0.2), (192, 0.2), (288, 0.3)),
        *((288, 0.3), (355, 0.3), (432, 0.3)),
    ),
    "slim": (
        *((30, 0.0), (40, 0.0), (40, 0.0), (40, 0.0), (50, 0.1)),
        *((50, 0.0), (50, 0.0), (50, 0.0), (50, 0.0), (58, 0.2)),
        *((58, 0.0), (70, 0.0), (90, 0.2)),
    ),
}
_POOLED = (4, 9)  # counted from 0: after the fifth and the tenth
_SMALLEST = 2 ** len(_POOLED)
# The full variant's published momentum (0.95 in Caffe's terms). The slim one's is 0.01, which
# Caffe corrects for its start at zero and torch does not: short trainings would be evaluated with
# statistics that are still half initial values.
_MOMENTUM = 0.05


class SimpNet(SavedModule):
    """The 13 convolutions of SimpNet, from images to features.

    Each is 3×3 and followed by batch normalisation and ReLU; a 2×2 max-pooling follows the fifth
    and the tenth, and global max-pooling the last. Max-pooling with dropout after it is the
    paper's SAF-pooling: a feature must be useful without its neighbours. The network has no
    classifier: put ``nn.Linear(network.n_features, n_outputs)`` behind it.

    Parameters
    ----------
    variant : {"full", "slim"}, default="full"
        Channels and dropout, as published. With a linear classifier of 10 and of 100 classes, the
        full variant has 5,478,223 and 5,517,193 parameters ("5.48 M"). The slim variant has 300,964
        and 309,154 ("310 K").
    width : float, default=1.0
        Factor on the number of channels of every layer. The product is rounded and at least 1.
    dropout : float, optional
        Rate of all dropout layers of the variant. The full variant has one after every convolution,
        the slim variant one after each of the three poolings. 0 removes them. The default rates are
        the published ones: 0.2, and 0.3 from the second pooling on (full); 0.1, 0.2 and 0.2 (slim).

    Attributes
    ----------
    n_features : int
        Width of the output: 432 (full) or 90 (slim) times `width`.

    Raises
    ------
    ValueError
        A parameter is of another type or out of range.

    Notes
    -----
    Initial weights are drawn from torch's global generator with Glorot's uniform initialisation.
    Biases are 0. The published full network draws the weights of its third to fifth convolution
    from a normal distribution of standard deviation 0.01 instead. Batch normalisation follows each
    of these, so the scale of the weights does not change the output. The momentum of batch
    normalisation is 0.05 (published: 0.05 in the full network, 0.01 in the slim one).

    References
    ----------
    S. H. Hasanpour, M. Rouhani, M. Fayyaz, M. Sabokrou, E. Adeli, "Towards Principled Design of
    Deep Convolutional Networks: Introducing SimpNet", arXiv 1802.06205, 2018. Channels and dropout
    are those of the network definitions published with it.

    Examples
    --------
    >>> import torch
    >>> from zeroshot.networks import SimpNet
    >>> network = SimpNet(variant="slim").eval()
    >>> network(torch.zeros(2, 3, 32, 32)).shape
    torch.Size([2, 90])
    >>> network.n_features, sum(p.numel() for p in network.parameters()) + (90 + 1) * 100
    (90, 309154)
    """

    def __init__(
        self, *, variant: str = "full", width: float = 1.0, dropout: float | None = None
    ) -> None:
        super().__init__()
        check_option(variant, _LAYERS, owner="SimpNet", name="variant")
        check_number(width, owner="SimpNet", name="width", above=0)
        if dropout is not None:
            check_rate(dropout, owner="SimpNet")
        channels = [scaled(count, width) for count, _ in _LAYERS[variant]]
        published = [rate for _, rate in _LAYERS[variant]]
        *rates, last = (dropout if rate and dropout is not None else rate for rate in published)
        layers: list[nn.Module] = []
        for position, (n_in, n_out) in enumerate(pairwise([3, *channels])):
            layers += convolution(n_in, n_out, bias=True, momentum=_MOMENTUM)
            if position in _POOLED:
                layers.append(nn.MaxPool2d(2))
            if position < len(rates) and rates[position]:
                layers.append(nn.Dropout(rates[position]))
        self.layers = nn.Sequential(*layers)
        self.variant, self.width, self.dropout = variant, width, dropout
        self.drop = nn.Dropout(last)
        self.n_features = channels[-1]
        self.apply(_initialise)

    def forward(self, images: Tensor) -> Tensor:
        """Return the features of images.

        Parameters
        ----------
        images : Tensor of shape (n, 3, height, width)
            Floats, normalised; 32 by 32 as published, at least 4 by 4.

        Returns
        -------
        Tensor of shape (n, n_features)
            Not negative.

        Raises
        ------
        ValueError
            `images` has another shape, is not of floats, or has too few pixels.
        """
        check_batch(images, smallest=_SMALLEST, owner="SimpNet")
        # Not adaptive_max_pool2d: on a GPU its gradient depends on the order of additions.
        return self.drop(self.layers(images).amax(dim=(2, 3)))


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d):
        nn.init.xavier_uniform_(module.weight)
        if module.bias is not None:  # never None, but a type checker cannot know
            nn.init.zeros_(module.bias)
