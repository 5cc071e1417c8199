"""Features of images from any timm model, as a scikit-learn transformer."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from zeroshot._utils._constraints import COUNT, Checked, Maybe, is_name
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
    if not isinstance(layer, str):  # the names are known only once the network is open
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
    """Features of a pretrained network, from its penultimate layer or any other layer.

    Images are paths, PIL images, file contents as bytes, arrays or tensors of pixels (uint8, bool,
    or floats from 0 to 1; 1, 3 or 4 channels), or rows of Hugging Face data sets. X is a list or a
    column of images, a data frame with one column, or an array (n, height, width, channels).

    Pillow reads the images in a few threads. They are rotated by their EXIF data, transparency is
    composited on white, and 16-bit gray is scaled to 8 bits. timm's own evaluation geometry then
    resizes and crops them, and they pass through the network in batches. An image with a side
    smaller than the input is not cropped by timm's margin. Instead, its central square is enlarged
    to the input, together with other images of its size.

    Parameters
    ----------
    model_name : str, default="tf_efficientnet_lite0"
        Any model of timm, such as ``"resnet50.a1_in1k"``.
    weights : "auto", path or None, default="auto"
        ``"auto"`` takes the weights of the default model from the pip package of the extra
        ``demo``, and those of other models from timm's cache or the model hub. A path names a
        ``.safetensors`` file or a torch checkpoint of this model, which is read without unpickling.
        Checkpoints of timm's scripts, Lightning, torch.compile and DataParallel work. The
        classifier in the file may have any number of classes, or be missing. None is random
        initialisation.
    source_labels : array-like of shape (n_classes,), optional
        Labels of the classifier's outputs, in order, if `weights` is a file with classes other than
        ImageNet's. They become the labels of `source_head_`.
    image_size : int, optional
        Side of the network's input in pixels. The default is the model's own size (224 for most
        models). 128 is enough for small images such as CIFAR's, and takes a third of the time.
    layer : str, optional
        Path of the layer whose output is used as features, such as ``"blocks.3"`` or ``"layer2"``.
        None is the last layer before the classifier. Later layers are not computed. Feature maps
        are averaged over a grid of `pool_size` by `pool_size` cells, and tokens are averaged over
        all tokens.
    pool_size : int, default=1
        Number of cells per side of the grid over which the maps of an inner layer are averaged. The
        number of features is n_channels times the square of `pool_size`. 1 is the mean over the
        whole image, which loses positions, and early layers encode little else.
    batch_size : int, default=64
        Maximum number of images per batch. On a CPU, batches are smaller, for speed. The batch size
        changes results only within rounding.
    device : str or torch.device, default="auto"
        ``"auto"`` is CUDA if available, else MPS, else the CPU.
    precision : {"auto", "float32", "bfloat16", "float16"}, default="auto"
        Precision of convolutions and matrix products. ``"auto"`` is bfloat16 if the hardware has
        instructions for it. Features are always float32.
    num_workers : int, optional
        Number of threads that read images. The default is one per processor, and at most four. 0
        reads in the calling thread.
    on_error : {"raise", "skip", "nan"}, default="raise"
        What to do with an image that cannot be read: raise an error, skip its row, or fill its row
        with NaN. The last two warn and name all such images. Classifiers of this package ignore
        rows of NaN in ``fit``, and predict None for them. In a pipeline, scikit-learn's
        ``StandardScaler`` passes NaN on, and ``Normalizer`` raises. A skipped row shifts the rows
        after it. Use `extract` to pair features with labels: it returns which rows were kept.
    max_pixels : int, default=89_478_485
        Maximum width times height of an image. Larger images cannot be read.
    max_bytes : int, default=268_435_456
        Maximum size of an image file.
    max_seconds : float, default=20.0
        Time limit for decoding one AVIF, HEIC or JPEG 2000 image. A helper process decodes these
        images, and is ended after this time.
    progress : bool or "auto", default="auto"
        Whether to show a progress bar on stderr. ``"auto"`` shows it only if the work takes more
        than three seconds.
    cache : True, path or None, default=None
        Keep the features of image files on disk, by the content of the file and all that they
        depend on, and compute only those of new images: ``cross_val_score`` on paths then reads
        each image once. A folder, or True for the package's cache. Images in memory are computed
        anew, except contents of files as bytes. Not saved with a model.
    random_state : int, RandomState instance or None, default=None
        Seed of the initialisation with ``weights=None``. Nothing else is random.

    Attributes
    ----------
    n_features_out_ : int
        Width of the features.
    image_size_ : int
        Side of the network's input, in pixels.
    weights_hash_ : str
        SHA-256 of the network's weights.
    source_head_ : SourceHead
        The network's own classifier. It exists only for ``layer=None``, and if the classifier is
        linear and its classes are known. ImageNet's classes are known by their number, others by
        `source_labels`.

    See Also
    --------
    SourceHead : Linear classifier of a pretrained network.

    Notes
    -----
    The features of an image depend very little on the other images, on their order, and on the form
    of the image (path, PIL image, array). On the CPU, the difference is at most 1e-5 of the largest
    value in float32, and 1e-2 in bfloat16. The mean cosine between bfloat16 and float32 features of
    the default model is 0.9992 on ImageNet photos at 224 pixels, and 0.9988 on CIFAR-100 at 128.

    Batch normalisation is folded into the convolutions before it if this does not change the
    features. On a CPU, batches are small. Together this is three to four times as fast as a plain
    loop with timm, as ``benchmarks/features.py`` measures.

    The network is not part of a pickle. It is opened again from the same source when an unpickled
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
        "model_name": Checked(_check_model_name, outside=is_name),
        "weights": Checked(_check_weights, outside=is_name),
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
        cache: bool | str | os.PathLike | None = None,
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
        self.cache = cache
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
            Equal to ``source_head_.decision_function(transform(X))`` within rounding, if there is a
            `source_head_`.

        Raises
        ------
        ImageReadError, TypeError, ValueError
            As for `transform`. ValueError also if the network has no classifier.

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
