"""Names of photos, in batches, from an open list of labels or by a trained model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from zeroshot.backbones import OpenCLIPFeatures, TimmFeatures
from zeroshot.estimators import NearestLabelClassifier, OpenLabelClassifier
from zeroshot.exceptions import message_of

Photos = list[dict[str, Any]]
Unreadable = list[dict[str, str]]


class Namer:
    """Names photos by a network and a classifier of its features.

    Parameters
    ----------
    backbone : TimmFeatures or OpenCLIPFeatures
        Fitted.
    model : classifier
        Fitted.
    """

    def __init__(self, backbone: TimmFeatures | OpenCLIPFeatures, model: Any) -> None:
        self._backbone = backbone
        self._model = model

    def name(
        self, paths: Sequence[str], k: int, accuracy: float | None = None
    ) -> tuple[Photos, Unreadable]:
        """Return the best labels of photos, and the files that cannot be read."""
        extracted = self._backbone.extract(list(paths))
        unreadable = [
            {"path": paths[i], "error": message_of(error)} for i, error in extracted.errors.items()
        ]
        if not len(extracted.indices):
            return [], unreadable
        chosen = [paths[i] for i in extracted.indices]
        return named(chosen, self._model, extracted.features, k, accuracy), unreadable


class OpenNamer(Namer):
    """Names photos with an open list of labels, without any training.

    Parameters
    ----------
    labels : sequence of str
        Candidate labels.
    backbone : TimmFeatures
        Network, which is fitted here unless it is already.
    sentences : bool, default=False
        As for `OpenLabelClassifier`.

    Raises
    ------
    UnknownLabelError
        Labels have neither a noun synset nor a word vector. The message names all of them.
    MissingDependencyError
        The word vectors, the sentence model, or the network's weights are not installed.
    ValueError
        The network has no `source_head_`.
    """

    def __init__(
        self, labels: Sequence[str], backbone: TimmFeatures, *, sentences: bool = False
    ) -> None:
        if not hasattr(backbone, "weights_hash_"):
            backbone.fit()
        head = getattr(backbone, "source_head_", None)
        if head is None:
            raise ValueError(
                f"{backbone.model_name!r} has no classifier of known classes, so that it can name "
                "no photo without training. Take another network, or learn from images of your "
                "own with 'zeroshot fit'."
            )
        model = OpenLabelClassifier(
            head, candidates=labels, sentences=sentences, device=backbone.device
        )
        super().__init__(backbone, model.fit())


class ClipNamer(Namer):
    """Names photos by CLIP.

    Parameters
    ----------
    labels : sequence of str
        Candidate labels.
    backbone : OpenCLIPFeatures
        The image tower, which is fitted here.
    templates : sequence of str
        Prompts, each with one ``{}`` for the label.

    Raises
    ------
    MissingDependencyError, DownloadError, IntegrityError
        open_clip or the weights are not on this machine, or the weights are of another model.
    ValueError
        A template has no ``{}``.
    """

    def __init__(
        self, labels: Sequence[str], backbone: OpenCLIPFeatures, templates: Sequence[str]
    ) -> None:
        from zeroshot.label_embeddings import CLIPTextEmbedding

        names = (backbone.model_name, backbone.weights)
        text = CLIPTextEmbedding(*names, templates=templates, device=backbone.device)
        model = NearestLabelClassifier(text, candidates=labels).fit()
        super().__init__(backbone.fit(), model)


def name_photos(
    paths: Sequence[str],
    labels: Sequence[str],
    k: int = 5,
    *,
    sentences: bool = False,
    device: str = "auto",
    backbone: TimmFeatures | None = None,
    accuracy: float | None = None,
) -> tuple[Photos, Unreadable]:
    """Classify photos with an open list of labels, without any training.

    Parameters
    ----------
    paths : sequence of str
        Image files.
    labels : sequence of str
        Candidate labels.
    k : int, default=5
        Number of labels per image.
    sentences : bool, default=False
        As for `OpenLabelClassifier`.
    device : str, default="auto"
        Device of the network.
    backbone : TimmFeatures, optional
        Network, which is fitted here and uses its own device. None uses the default network.
    accuracy : float, optional
        Mark which photos to answer, so that this share of the answers is correct.

    Returns
    -------
    photos : list of dict
        Dicts with ``path``, ``labels`` (best first) and ``scores``; where the model has calibrated
        probabilities, also ``probabilities``. With `accuracy`, the scores are probabilities, and
        there is a ``status``, "answered" or "review".
    unreadable : list of dict
        Dicts with ``path`` and ``error``, for each file that cannot be read.

    Raises
    ------
    UnknownLabelError, MissingDependencyError
        As for `OpenNamer`.
    """
    backbone = TimmFeatures(device=device) if backbone is None else backbone
    return OpenNamer(labels, backbone, sentences=sentences).name(paths, k, accuracy)


def named(paths: Sequence[str], model: Any, X: Any, k: int, accuracy: float | None) -> Photos:
    """Return the best labels of images, as `name_photos` does.

    Parameters
    ----------
    paths : sequence of str
        Paths of the images.
    model : classifier
        Fitted.
    X : array-like of shape (n_images, n_features), or list of images
        Input of the model.
    k : int
        Number of labels per image.
    accuracy : float or None
        As in `name_photos`.
    """
    more: list[dict[str, Any]] = [{} for _ in paths]
    if accuracy is None:
        labels, scores = model.predict_top_k(X, k)
        if isinstance(X, np.ndarray) and getattr(model, "confidence_", None) is not None:
            more = _probabilities(model, X, labels)
    else:
        from sklearn.frozen import FrozenEstimator

        from zeroshot.estimators import RejectOption

        reject = RejectOption(FrozenEstimator(model), accuracy=accuracy).fit()
        scores = reject.predict_proba(X)
        best = np.argsort(-scores, axis=1, kind="stable")[:, :k]
        labels, scores = reject.classes_[best], np.take_along_axis(scores, best, axis=1)
        more = [{"status": "answered" if sure else "review"} for sure in reject.answers(X)]
    return [
        {"path": path, "labels": best.tolist(), "scores": _rounded(row), **also}
        for path, best, row, also in zip(paths, labels, scores, more, strict=True)
    ]


def _probabilities(model: Any, X: np.ndarray, labels: np.ndarray) -> list[dict[str, Any]]:
    """Return the probabilities of the labels shown for each image."""
    every = model.predict_proba(X)
    columns = np.searchsorted(model.classes_, labels)
    return [{"probabilities": _rounded(row)} for row in np.take_along_axis(every, columns, axis=1)]


def _rounded(values: np.ndarray) -> list[float]:
    return [round(float(value), 6) for value in values]
