"""Callables for engines that stream batches, such as Ray Data and Spark."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from zeroshot._utils._files import sha256_of
from zeroshot.persistence._format import CONFIG
from zeroshot.scale._partition import Opened, computed, opened
from zeroshot.scale._sources import Item


class Embed:
    """Features of a batch of images; picklable, and opened once per process.

    Parameters
    ----------
    model : path
        Folder of a saved backbone, or of a Pipeline that begins with one. Every worker must reach
        it.
    image : str, default="image"
        Column of the images: bytes, paths or arrays.
    device : str, default="auto"
        ``"auto"`` is CUDA, else MPS, else the CPU.
    precision : str, default="float32"
        As in `TimmFeatures`. With ``"auto"``, machines of two kinds would give two kinds of rows.

    Examples
    --------
    As in ``dataset.map_batches(Embed, fn_constructor_args=["backbone"], concurrency=2)`` of Ray
    Data; by itself:

    >>> import tempfile
    >>> import numpy as np
    >>> import zeroshot
    >>> from zeroshot.scale import Embed
    >>> backbone = zeroshot.TimmFeatures("test_efficientnet", weights=None, image_size=32).fit()
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = zeroshot.save(backbone, f"{folder}/backbone")
    ...     images = np.zeros((2, 32, 32, 3), np.uint8)
    ...     rows = Embed(f"{folder}/backbone")({"image": images, "name": np.array(["a", "b"])})
    >>> sorted(rows), rows["features"].shape, rows["error"].tolist()
    (['error', 'features', 'name'], (2, 256), ['', ''])
    """

    _k = 0

    def __init__(
        self,
        model: str | os.PathLike,
        *,
        image: str = "image",
        device: str = "auto",
        precision: str = "float32",
    ) -> None:
        self._folder = os.fspath(model)
        self._sha256 = sha256_of(Path(model) / CONFIG)
        self._image, self._device, self._precision = image, device, precision

    def __call__(self, batch: Mapping[str, Any]) -> dict[str, Any]:
        """Return the other columns of a batch, its features, and errors by row.

        Parameters
        ----------
        batch : mapping of str to array
            Columns of one length.

        Returns
        -------
        dict of str to ndarray
            NaN stands for the features of an image that cannot be read, and ``error`` says why.
        """
        images = batch[self._image]
        items = [Item(str(row), image) for row, image in enumerate(images)]
        model = self._model()
        good, values, failed = computed(model, items, self._k)
        rows = np.array([int(item.key) for item in good], dtype=np.intp)
        error = np.full(len(items), "", dtype=object)
        for key, reason in failed:
            error[int(key)] = reason
        kept = {name: column for name, column in batch.items() if name != self._image}
        return {
            **kept,
            **self._columns(model, values, rows, len(items)),
            "error": error.astype(str),
        }

    def _model(self) -> Opened:
        return opened(self._folder, self._sha256, self._device, self._precision)

    def _columns(
        self, model: Opened, values: Any, rows: np.ndarray, n_rows: int
    ) -> dict[str, np.ndarray]:
        features = np.full((n_rows, model.width), np.nan, dtype=np.float32)
        if len(rows):
            features[rows] = values
        return {"features": features}


class Predict(Embed):
    """Labels of a batch of images; picklable, and opened once per process.

    A batch gets the columns ``labels``, a list of strings per row, and ``scores``, (n_rows, k).

    Parameters
    ----------
    model : path
        Folder of a saved Pipeline: a backbone, then a zero-shot classifier.
    k : int, default=1
        Labels per image.
    image, device, precision
        As in `Embed`.

    Raises
    ------
    FileNotFoundError, IntegrityError
        There is no such model, or it is damaged.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> import zeroshot
    >>> from sklearn.pipeline import make_pipeline
    >>> from zeroshot.scale import Predict
    >>> backbone = zeroshot.TimmFeatures("test_efficientnet", weights=None, image_size=32)
    >>> classifier = zeroshot.ESZSLClassifier(zeroshot.HashEmbedding(4))
    >>> images = np.random.default_rng(0).integers(0, 255, (4, 32, 32, 3), dtype=np.uint8)
    >>> model = make_pipeline(backbone, classifier).fit(images, ["cat", "cat", "dog", "dog"])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = zeroshot.save(model, f"{folder}/model")
    ...     rows = Predict(f"{folder}/model", k=2)({"image": images})
    >>> sorted(rows["labels"][0]), rows["scores"].shape
    (['cat', 'dog'], (4, 2))
    """

    def __init__(self, model: str | os.PathLike, *, k: int = 1, **options: Any) -> None:
        super().__init__(model, **options)
        self._k = k

    def _columns(
        self, model: Opened, values: Any, rows: np.ndarray, n_rows: int
    ) -> dict[str, np.ndarray]:
        labels = np.full((n_rows, self._k), "", dtype=object)
        scores = np.full((n_rows, self._k), np.nan)
        if len(rows):
            labels[rows], scores[rows] = values
        # A list per row: Arrow, which carries columns between engines, has no matrix of strings.
        lists = np.empty(n_rows, dtype=object)
        lists[:] = [[str(label) for label in row] for row in labels]
        return {"labels": lists, "scores": scores}
