"""Features of images from any timm model, as a scikit-learn transformer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from zeroshot._utils._constraints import COUNT, Checked, Maybe
from zeroshot._utils._decoding import Limits
from zeroshot._utils._validation import check_label_list
from zeroshot.backbones._features import ImageFeatures
from zeroshot.backbones._network import Network, open_network
from zeroshot.backbones._source_head import SourceHead


def _check_model_name(model_name: Any, *, owner: str, name: str) -> None:
    from zeroshot.backbones._weights import check_model_name

    check_model_name(model_name, owner=owner)


def _check_weights(weights: Any, *, owner: str, name: str) -> None:
    from zeroshot.backbones._weights import check_weights

    check_weights(weights, owner=owner)


def _check_layer(layer: Any, *, owner: str, name: str) -> None:
    if not isinstance(layer, str):  # which there are is known once the network is open
        raise ValueError(
            f"{owner}: {name} must be a layer of the network, such as 'blocks.3', or None for its "
            f"last features, got {layer!r}."
        )


def _check_image_size(image_size: Any, *, owner: str, name: str) -> None:
    if isinstance(image_size, bool) or not isinstance(image_size, int) or image_size < 1:
        raise ValueError(
            f"{owner}: {name} must be None or the side of a square in pixels, got {image_size!r}."
        )


class TimmFeatures(ImageFeatures):
    """Features of a pretrained network: its penultimate layer's, or those of any other layer.

    Images are paths, PIL images, files' contents as bytes, arrays or tensors of pixels (uint8,
    bool, or floats of 0 to 1; 1, 3 or 4 channels), or rows of data sets of Hugging Face. X is a
    list or a column of them, a frame of one column, or an array (n, height, width, channels).

    They are read by Pillow in a few threads (upright by their EXIF data, transparency
    composited on white, 16-bit gray scaled), brought to the network's input by timm's own
    evaluation geometry, and run through the network in batches. Images with a side below the
    input's are not shrunk to its margin: their middle square is enlarged to the input, all those
    of one size at once.

    Parameters
    ----------
    model_name : str, default="tf_efficientnet_lite0"
        Any model of timm, such as ``"resnet50.a1_in1k"``.
    weights : "auto", path or None, default="auto"
        ``"auto"`` takes the default model's from the pip package of the extra ``demo``, and
        others from timm's cache or the model hub. A path names a ``.safetensors`` file or a torch
        checkpoint of this model (read without unpickling), as timm's scripts, Lightning,
        torch.compile or DataParallel save it. Its classifier may have any number of classes, or
        be missing. None is random initialisation.
    source_labels : array-like of shape (n_classes,), optional
        What the outputs of the classifier are, in their order, where `weights` is a file with
        other classes than ImageNet's. They are the labels of `source_head_`.
    image_size : int, optional
        Side of the network's input in pixels; by default the model's own (224 for most). 128
        serves small images, such as CIFAR's, at a third of the time.
    layer : str, optional
        Path of the layer whose output the features are, such as ``"blocks.3"`` or ``"layer2"``;
        None is the last before the classifier. What stands behind it is not computed. Maps are
        averaged over `pool_size` cells a side, tokens over all of them.
    pool_size : int, default=1
        Cells a side of the grid that an inner layer's maps are averaged over: n_channels times its
        square is how many features there are. 1 is the mean over the whole image, which forgets
        where things are; early layers say little else.
    batch_size : int, default=64
        How many images run at once, at most: on a CPU it is fewer, for speed. It changes no
        result beyond rounding.
    device : str or torch.device, default="auto"
        ``"auto"`` is CUDA, else MPS, else the CPU.
    precision : {"auto", "float32", "bfloat16", "float16"}, default="auto"
        What convolutions and matrix products run in; ``"auto"`` is bfloat16 where the hardware
        has instructions for it. Features are float32 in any case.
    num_workers : int, optional
        Threads that read images; by default one a processor, four at most. 0 reads in the
        calling thread.
    on_error : {"raise", "skip", "nan"}, default="raise"
        What to do with an image that cannot be read: raise, leave its row out, or fill its row
        with NaN; the latter two warn and name them all. Classifiers of this package learn nothing
        from rows of NaN, and predict None for them; of scikit-learn's steps between,
        ``StandardScaler`` lets them through, and ``Normalizer`` raises. A row left out shifts those
        after it: use `extract`, which says which rows were kept, before pairing features with
        labels.
    max_pixels : int, default=89_478_485
        Width times height that an image may declare; beyond it, it cannot be read.
    max_bytes : int, default=268_435_456
        Size that an image file may have.
    max_seconds : float, default=20.0
        How long decoding one AVIF, HEIC or JPEG 2000 image may take. A helper process decodes
        these, and is ended then.
    progress : bool or "auto", default="auto"
        Show a progress bar on stderr; ``"auto"`` only on work of more than three seconds.
    random_state : int, RandomState instance or None, default=None
        Of the initialisation with ``weights=None``; nothing else is random.

    Attributes
    ----------
    n_features_out_ : int
        Width of the features.
    image_size_ : int
        Side of the network's input, in pixels.
    weights_hash_ : str
        SHA-256 of the network's weights.
    source_head_ : SourceHead
        The network's own classifier. Only where it is linear and its classes are known (ImageNet's
        by their number, others by `source_labels`), and for ``layer=None``.

    See Also
    --------
    SourceHead : Linear classifier of a pretrained network.

    Notes
    -----
    In float32 on the CPU, neither order, nor company in the batch, nor the way in which an image
    is passed (path, PIL image, array) changes its features by more than 1e-5 of their largest
    value; in bfloat16 it is 1e-2. The mean cosine of the default model's bfloat16 features to those
    of float32 is 0.9992 on ImageNet photos at 224 pixels, and 0.9988 on CIFAR-100 at 128.

    Batch normalisation is folded into the convolutions before it where that leaves the features as
    they were, and a CPU runs few images at once: three to four times as fast as timm's plain loop,
    by ``benchmarks/features.py``.

    The network is not part of a pickle: it is opened again, from the same source, when an unpickled
    object is first used, and its hash is compared.

    References
    ----------
    Donahue et al., "DeCAF: A Deep Convolutional Activation Feature for Generic Visual
    Recognition", ICML 2014.

    Examples
    --------
    >>> import numpy as np
    >>> from zeroshot.backbones import TimmFeatures
    >>> images = np.zeros((2, 32, 32, 3), dtype=np.uint8)
    >>> features = TimmFeatures("test_efficientnet", weights=None, image_size=32, random_state=0)
    >>> features.fit_transform(images).shape
    (2, 256)
    >>> features.set_params(layer="blocks.0", pool_size=2).fit_transform(images).shape
    (2, 64)
    """

    _constraints: ClassVar[Mapping[str, Any]] = {
        "model_name": Checked(_check_model_name),
        "weights": Checked(_check_weights),
        "source_labels": Maybe(Checked(check_label_list)),
        "image_size": Maybe(Checked(_check_image_size)),
        "layer": Maybe(Checked(_check_layer)),
        "pool_size": COUNT,
    }

    def __init__(
        self,
        model_name: str = "tf_efficientnet_lite0",
        *,
        weights: Any = "auto",
        source_labels: Any = None,
        image_size: int | None = None,
        layer: str | None = None,
        pool_size: int = 1,
        batch_size: int = 64,
        device: Any = "auto",
        precision: str = "auto",
        num_workers: int | None = None,
        on_error: str = "raise",
        max_pixels: int = Limits.max_pixels,
        max_bytes: int = Limits.max_bytes,
        max_seconds: float = Limits.max_seconds,
        progress: bool | str = "auto",
        random_state: Any = None,
    ) -> None:
        self.model_name = model_name
        self.weights = weights
        self.source_labels = source_labels
        self.image_size = image_size
        self.layer = layer
        self.pool_size = pool_size
        self.batch_size = batch_size
        self.device = device
        self.precision = precision
        self.num_workers = num_workers
        self.on_error = on_error
        self.max_pixels = max_pixels
        self.max_bytes = max_bytes
        self.max_seconds = max_seconds
        self.progress = progress
        self.random_state = random_state

    def _check_combination(self) -> None:
        if self.layer is None and self.pool_size != 1:
            raise ValueError(
                f"TimmFeatures: pool_size={self.pool_size} is for the maps of an inner layer, and "
                "layer is None. Pass a layer, or pool_size=1."
            )

    def logits(self, X: Any) -> np.ndarray:
        """Return the scores of the network's own classifier.

        Parameters
        ----------
        X : list of path or PIL image, or uint8 array of shape (n, height, width, 3)
            The images; also arrays, tensors, bytes, columns and rows of data sets, as
            `TimmFeatures` says.

        Returns
        -------
        float32 ndarray of shape (n, n_classes)
            Equal to ``source_head_.decision_function(transform(X))`` within rounding, where there
            is a `source_head_`.

        Raises
        ------
        ImageReadError, TypeError, ValueError
            As `transform`; ValueError also where the network has no classifier.

        Warns
        -----
        UnreadableImageWarning
            As `transform`.
        """
        return self._run(X, logits=True)

    @property
    def source_head_(self) -> SourceHead:
        """The network's own classifier, as arrays."""
        head = self._opened().head if hasattr(self, "weights_hash_") else None
        if head is None:
            raise AttributeError(
                "TimmFeatures: source_head_ exists after fit, with layer=None, and only where the "
                "network's classifier is linear, pretrained, and of known classes; "
                f"this is model_name={self.model_name!r}, weights={self.weights!r}, "
                f"layer={self.layer!r}. For a classifier of other classes than ImageNet's, pass "
                "source_labels, one label for each of its outputs."
            )
        return head

    def _open(self) -> Network:
        owner = "TimmFeatures"
        return open_network(
            self.model_name,
            self.weights,
            image_size=self.image_size,
            device=self.device,
            precision=self.precision,
            layer=self.layer,
            pool_size=self.pool_size,
            source_labels=self.source_labels,
            seed=self._seed,
            owner=owner,
        )
