"""Features of images from CLIP's image tower, as a scikit-learn transformer."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, ClassVar

from zeroshot._utils._constraints import Checked, Maybe
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

    With `CLIPTextEmbedding` of the same model and `NearestLabelClassifier` this is CLIP. Images are
    read as `TimmFeatures` reads them, brought to the network's input as open_clip does, and run
    through the image tower and its projection; features are not scaled to unit length.

    Parameters
    ----------
    model_name : str or path, default="ViT-B-32"
        An architecture of open_clip, or a folder with an ``open_clip_config.json``.
    weights : str, path or None, default="laion2b_s34b_b79k"
        A tag of open_clip's (``open_clip.list_pretrained()``), downloaded only if it is not in the
        local cache; or a file of weights of this architecture, read without unpickling. None is
        random initialisation.
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
        What to do with an image that cannot be read, as for `TimmFeatures`.
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
        SHA-256 of the image tower's weights.

    See Also
    --------
    zeroshot.label_embeddings.CLIPTextEmbedding : The text tower.
    zeroshot.estimators.NearestLabelClassifier : The classifier between the two.

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
        "model_name": Checked(_check_model_name),
        "weights": Maybe(Checked(_check_weights)),
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
