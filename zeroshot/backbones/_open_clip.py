"""Features of images from CLIP's image tower, as a scikit-learn transformer."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, ClassVar

from zeroshot._utils._constraints import Checked, Maybe, is_name
from zeroshot._utils._decoding import Limits
from zeroshot._utils._renamed import renamed
from zeroshot.backbones._features import ImageFeatures
from zeroshot.backbones._network import Network


def _check_model_name(model_name: Any, *, owner: str, name: str) -> None:
    from zeroshot._utils._open_clip import check_model_name
    from zeroshot._utils._optional import import_optional

    open_clip = import_optional("open_clip", owner=owner, extra="text")
    check_model_name(open_clip, model_name, owner=owner)


def _check_weights(weights: Any, *, owner: str, name: str) -> None:
    if not isinstance(weights, (str, os.PathLike)):
        raise ValueError(
            f"{owner}: {name} must be a tag of open_clip, a file of weights, or None, got "
            f"{weights!r}."
        )


@renamed(pretrained="weights")
class OpenCLIPFeatures(ImageFeatures):
    """Image features of CLIP, in the space of its text tower's label vectors.

    Together with `CLIPTextEmbedding` of the same model and `NearestLabelClassifier`, this is CLIP.
    Images are read as in `TimmFeatures` and resized as in open_clip. They then pass through the
    image tower and its projection. Features are not scaled to unit length.

    Parameters
    ----------
    model_name : str or path, default="ViT-B-32"
        An architecture of open_clip, or a folder that contains an ``open_clip_config.json``.
    weights : str, path or None, default="laion2b_s34b_b79k"
        A tag from ``open_clip.list_pretrained()``, downloaded only if it is not in the local cache.
        Or a file with weights of this architecture, which is read without unpickling. None is
        random initialisation.
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
        What to do with an image that cannot be read, as for `TimmFeatures`.
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
        SHA-256 of the image tower's weights.

    See Also
    --------
    zeroshot.label_embeddings.CLIPTextEmbedding : The text tower.
    zeroshot.estimators.NearestLabelClassifier : Classifier that compares the two.

    References
    ----------
    A. Radford et al., "Learning Transferable Visual Models From Natural Language Supervision",
    ICML 2021. G. Ilharco et al., OpenCLIP, 2021.

    Examples
    --------
    >>> from zeroshot.backbones import OpenCLIPFeatures
    >>> OpenCLIPFeatures("ViT-B-23").fit()
    Traceback (most recent call last):
        ...
    ValueError: OpenCLIPFeatures: model_name must be an architecture of open_clip, ... 'ViT-B-32'...
    """

    _constraints: ClassVar[Mapping[str, Any]] = {
        "model_name": Checked(_check_model_name, outside=is_name),
        "weights": Maybe(Checked(_check_weights, outside=is_name)),
    }

    def __init__(
        self,
        model_name: str | os.PathLike = "ViT-B-32",
        weights: str | os.PathLike | None = "laion2b_s34b_b79k",
        *,
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

    def _open(self) -> Network:
        from zeroshot.backbones._clip_network import open_image_tower

        return open_image_tower(
            self.model_name,
            self.weights,
            device=self.device,
            precision=self.precision,
            seed=self._seed,
            owner="OpenCLIPFeatures",
        )
