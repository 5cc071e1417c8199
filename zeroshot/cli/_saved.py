"""Saved models that take images: loaded, offered other labels, given what can be read."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from zeroshot._files import sha256_of
from zeroshot.cli._images import Read, extract, read_all
from zeroshot.exceptions import UnknownLabelError


class SavedModel:
    """A model of ``zeroshot fit`` or ``zeroshot.save`` that takes images.

    Parameters
    ----------
    folder : path
        Where it lies.
    options : dict
        ``device``, ``batch_size`` and ``progress`` of its network.

    Raises
    ------
    FileNotFoundError, NotADirectoryError, IntegrityError
        There is no model, or it is damaged.
    TypeError
        It is no zero-shot classifier, or takes features instead of images.
    """

    def __init__(self, folder: str | os.PathLike, options: dict[str, Any]) -> None:
        import zeroshot
        from zeroshot._pipelines import unwrap

        self.folder = Path(folder).expanduser()
        self._model = zeroshot.load(self.folder)
        final = unwrap(self._model)
        for name in ("classes_", "seen_classes_", "with_candidates", "predict_top_k"):
            if not hasattr(final, name):
                raise ValueError(
                    f"{self.folder} holds a {type(final).__name__}, which is no fitted zero-shot "
                    "classifier. Name a model that 'zeroshot fit' wrote."
                )
        self.classes = final.classes_.tolist()
        self.seen_classes = final.seen_classes_.tolist()
        self._backbone = self._find_backbone(options)

    def _find_backbone(self, options: dict[str, Any]) -> Any:
        """Return the first step where that turns images into features, None for a network."""
        from sklearn.pipeline import Pipeline
        from sklearn.utils import get_tags

        from zeroshot.backbones._features import ImageFeatures

        model = self._model
        first = model[0] if isinstance(model, Pipeline) else model
        if isinstance(first, ImageFeatures):
            return first.set_params(**options)
        if get_tags(first).input_tags.two_d_array:
            raise ValueError(
                f"{self.folder} holds a {type(first).__name__}, which takes features, not images. "
                "Save a pipeline that begins with TimmFeatures."
            )
        return None

    @property
    def hashes(self) -> dict[str, str]:
        """SHA-256 of the saved files and of the network's weights."""
        names = ("config.json", "arrays.safetensors")
        found = {f"{self.folder / name}": sha256_of(self.folder / name) for name in names}
        if self._backbone is not None:
            found[str(self._backbone.model_name)] = self._backbone.weights_hash_
        return found

    def read(self, images: Any) -> Read:
        """Return what the classifier behind the network takes, of the images that can be read."""
        return read_all(images) if self._backbone is None else extract(self._backbone, images)

    def over(self, labels: list[str], *, option: str) -> Any:
        """Return the classifier behind the network, choosing among `labels`.

        Raises
        ------
        UnknownLabelError
            The model has no vector for some; all are named, with near ones.
        """
        from zeroshot.model_selection import with_candidates

        try:
            view = with_candidates(self._model, labels)
        except UnknownLabelError as error:
            raise error.replace(
                owner=str(self.folder), remedy=f"Respell them in {option}, or leave them out."
            ) from error
        return view if self._backbone is None else view[1:]
