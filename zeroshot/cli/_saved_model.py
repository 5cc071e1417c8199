"""Saved models that take images: loading, other candidates, unreadable images."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeVar

from zeroshot._utils._files import sha256_of
from zeroshot._utils._provenance import RECORD
from zeroshot._utils._strict_json import parse_json
from zeroshot.cli._choices import has_head
from zeroshot.cli._images import Read, extract, read_all
from zeroshot.cli._options import network_options, reading_options, refuse
from zeroshot.exceptions import UnknownLabelError

T = TypeVar("T")

CONFIG = "config.json"


class SavedModel:
    """Saved model of ``zeroshot fit`` or ``zeroshot.save`` that takes images.

    Parameters
    ----------
    folder : path
        Where it lies.
    args : Namespace
        With ``device``, ``batch_size`` and ``progress``.

    Raises
    ------
    FileNotFoundError, NotADirectoryError, IntegrityError
        There is no model, or it is damaged.
    ValueError
        It is no zero-shot classifier, or takes features instead of images.
    UsageError
        An option does not apply to its network.
    """

    def __init__(self, folder: str | os.PathLike, args: SimpleNamespace) -> None:
        import zeroshot
        from zeroshot import CalibratedStacking
        from zeroshot._utils._pipelines import unwrap

        self.folder = Path(folder).expanduser()
        self._options, self._limits = network_options(args), reading_options(args)
        if self.folder.exists() and not is_model(self.folder):
            raise ValueError(
                f"{self.folder} is not a model: it holds no {CONFIG}. Name a folder that "
                "'zeroshot fit' wrote."
            )
        self._model = zeroshot.load(self.folder)
        final = unwrap(self._model)
        for name in ("classes_", "seen_classes_", "with_candidates", "predict_top_k"):
            if not hasattr(final, name):
                raise ValueError(
                    f"{self.folder} holds a {type(final).__name__}, which is no fitted zero-shot "
                    "classifier. Name a model that 'zeroshot fit' wrote."
                )
        self.calibrated = isinstance(final, CalibratedStacking)
        self.classes = final.classes_.tolist()
        self.seen_classes = final.seen_classes_.tolist()
        self._backbone = self._find_backbone(args)

    def _find_backbone(self, args: SimpleNamespace) -> Any:
        """Return the first step if it extracts features, or None if the model is a network."""
        from sklearn.pipeline import Pipeline
        from sklearn.utils import get_tags

        from zeroshot.backbones._features import ImageFeatures

        model = self._model
        first = model[0] if isinstance(model, Pipeline) else model
        if isinstance(first, ImageFeatures):
            return first.set_params(**self._options)
        if get_tags(first).input_tags.two_d_array:
            raise ValueError(
                f"{self.folder} holds a {type(first).__name__}, which takes features, not images. "
                "Save a pipeline that begins with TimmFeatures."
            )
        why = f"is for models with a backbone, which {self.folder} has not"
        refuse(["--batch-size", "--cache", "--progress"], why)
        if "training" in first.get_params(deep=False):
            first.set_params(training__device=args.device)
        else:
            refuse(["--device"], why)
        return None

    @property
    def hashes(self) -> dict[str, str]:
        """SHA-256 of the saved files and of the network's weights."""
        names = (CONFIG, "arrays.safetensors")
        found = {f"{self.folder / name}": sha256_of(self.folder / name) for name in names}
        if self._backbone is not None:
            found[str(self._backbone.model_name)] = self._backbone.weights_hash_
        return found

    @property
    def learnt_images(self) -> frozenset[str]:
        """Digests of the image files that ``zeroshot fit`` learnt from, if recorded."""
        return self._recorded(
            lambda record: frozenset(record["learnt_images"].split()), frozenset()
        )

    @property
    def made_of(self) -> dict[str, Any]:
        """Data that ``zeroshot fit`` learnt from, if recorded."""
        return self._recorded(_made_of, {})

    def _recorded(self, part: Callable[[Any], T], otherwise: T) -> T:
        try:
            return part(parse_json((self.folder / RECORD).read_text("ascii")))
        except (OSError, ValueError, LookupError, TypeError, AttributeError):
            return otherwise  # saved from Python, or with a record of another kind

    def read(self, images: Any) -> Read:
        """Return the input of the classifier for the images that can be read."""
        if self._backbone is None:
            return read_all(images, **self._limits)
        return extract(self._backbone, images)

    def no_training(self, labels: list[str]) -> tuple[Any, str]:
        """Return a classifier of labels without training, or None and the reason."""
        from zeroshot.estimators import OpenLabelClassifier

        if self._backbone is None or not has_head(self._backbone):
            return None, ""
        try:
            head = self._backbone.source_head_
            return OpenLabelClassifier(head, candidates=labels).fit(), ""
        except UnknownLabelError as error:
            some = ", ".join(map(repr, error.labels[:5]))
            return None, f"No comparison with no training: it does not know {some}."

    def whole(self, labels: list[str] | None) -> Any:
        """Return the model from images to labels, with other candidates if given.

        Raises
        ------
        ValueError
            It is a network of its own, without a backbone in front.
        """
        from zeroshot.model_selection import with_candidates

        if self._backbone is None:
            raise ValueError(
                f"{self.folder} holds a network, and --partition-size needs a backbone in front. "
                "Leave --partition-size out."
            )
        return self._model if labels is None else with_candidates(self._model, labels)

    def over(self, labels: list[str], *, option: str) -> Any:
        """Return the classifier with `labels` as candidates.

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


def is_model(folder: str | os.PathLike) -> bool:
    """Return whether a folder looks like a saved model."""
    return (Path(folder).expanduser() / CONFIG).is_file()


def _made_of(record: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "estimator": record["estimator"],
        "calibration": record.get("calibration"),
        "backbone": ", ".join(record["weights"]),
        "label_embedding": record["label_embedding"]["name"],
        "training_classes": len(record["classes"]),
        "training_images": sum(record["classes"].values()),
    }
