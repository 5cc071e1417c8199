"""Base class of the backbones: transformers from images to features."""

from __future__ import annotations

import os
import threading
from abc import ABCMeta, abstractmethod
from collections.abc import Mapping
from functools import partial
from typing import Any, ClassVar, Self

import numpy as np
import PIL
import timm
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import Bunch, Tags, check_random_state
from sklearn.utils.validation import check_is_fitted

from zeroshot._utils._constraints import (
    COUNT,
    DEVICE,
    PRECISION,
    PROGRESS,
    SEED,
    Checked,
    Maybe,
    Number,
    OneOf,
    ParametersMixin,
)
from zeroshot._utils._decoding import Limits
from zeroshot._utils._doc_links import DocLinkMixin
from zeroshot._utils._fitted import MAX_SIDE, Size, Text
from zeroshot._utils._images import check_images
from zeroshot._utils._onnx_graph import Graph
from zeroshot._utils._saving import SavedEstimator
from zeroshot.backbones._extraction import Errors, compute_rows, warn_unreadable
from zeroshot.backbones._network import Network
from zeroshot.backbones._read_ahead import n_threads
from zeroshot.backbones._row_cache import RowCache, compute_unknown_rows
from zeroshot.exceptions import IntegrityError, ModelFormatError

_opening = threading.Lock()  # threads that share an unpickled object open its network once


def _check_cache(cache: Any, *, owner: str, name: str) -> None:
    if not isinstance(cache, (bool, str, os.PathLike)):
        raise ValueError(
            f"{owner}: {name} must be True, the path of a folder, or None, got {cache!r}."
        )


def _check_workers(num_workers: Any, *, owner: str, name: str) -> None:
    n_threads(num_workers, owner=owner)


class ImageFeatures(
    DocLinkMixin,
    SavedEstimator,
    ParametersMixin,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    BaseEstimator,
    metaclass=ABCMeta,
):
    """Interface of the backbones. A subclass has the parameters named here, and opens a network.

    The network is not part of a pickle. It is opened again from the same source when an unpickled
    object is first used, and its hash is compared.
    """

    _constraints: ClassVar[Mapping[str, Any]] = {
        "batch_size": COUNT,
        "device": DEVICE,
        "precision": PRECISION,
        "num_workers": Maybe(Checked(_check_workers)),
        "on_error": OneOf("raise", "skip", "nan"),
        "max_pixels": COUNT,
        "max_bytes": COUNT,
        "max_seconds": Number(above=0),
        "progress": PROGRESS,
        "cache": Maybe(Checked(_check_cache)),
        "random_state": SEED,
    }
    _of_the_run = ("cache",)
    _fitted: ClassVar[Mapping[str, Any]] = {
        "n_features_out_": Size("n_out"),
        "_n_features_out": Size("n_out"),
        "image_size_": Number(at_least=1, at_most=MAX_SIDE, integer=True),
        "weights_hash_": Text(),
        "_seed": Number(at_least=0, below=2**31, integer=True),
    }

    batch_size: int
    num_workers: int | None
    on_error: str
    max_pixels: int
    max_bytes: int
    max_seconds: float
    progress: bool | str
    cache: bool | str | os.PathLike | None
    random_state: Any

    @abstractmethod
    def _open(self) -> Network:
        """Return the network. ``self._seed`` is the seed of its random initialisation."""

    def fit(self, X: Any = None, y: Any = None) -> Self:
        """Check the parameters and open the network. Nothing is learned.

        Parameters
        ----------
        X : list of path or PIL image, or uint8 array of shape (n, height, width, 3), optional
            Images; checked if given, but not read.
        y : ignored
            Present for scikit-learn's interface.

        Returns
        -------
        self : object
            The object itself.

        Raises
        ------
        TypeError, ValueError
            A parameter or `X` is of the wrong kind. The message says what to pass.
        MissingDependencyError, DownloadError, IntegrityError
            The weights are not available, or belong to another model.
        """
        self._check_parameters()
        if X is not None:
            check_images(X, owner=type(self).__name__)
        self._seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        self._network = network = self._open()
        self.n_features_out_ = self._n_features_out = network.width
        self.image_size_ = network.size
        self.weights_hash_ = network.digest
        return self

    def transform(self, X: Any) -> np.ndarray:
        """Return the features of images.

        Parameters
        ----------
        X : list of path or PIL image, or uint8 array of shape (n, height, width, 3)
            The images; also arrays, tensors, bytes, columns and rows of data sets, as
            `TimmFeatures` says.

        Returns
        -------
        float32 ndarray of shape (n, ``n_features_out_``)
            With ``on_error="skip"``, one row for each image that could be read.

        Raises
        ------
        ImageReadError
            An image cannot be read, and ``on_error="raise"``.
        TypeError, ValueError
            `X` is not a list of images.

        Warns
        -----
        UnreadableImageWarning
            Images were skipped or replaced by NaN rows.
        """
        return self._run(X, logits=False)

    def extract(self, X: Any) -> Bunch:
        """Return the features of readable images, and the errors of the others.

        Parameters
        ----------
        X : list of path or PIL image, or uint8 array of shape (n, height, width, 3)
            The images; also arrays, tensors, bytes, columns and rows of data sets, as
            `TimmFeatures` says.

        Returns
        -------
        Bunch
            ``features``, float32 of shape (n_read, ``n_features_out_``); ``indices``, of shape
            (n_read,), the position in `X` of each row; ``errors``, a dict from the position of each
            other image to its ImageReadError. Unreadable images never raise or warn here, for any
            `on_error`.

        Raises
        ------
        TypeError, ValueError
            `X` is not a list of images.

        Examples
        --------
        >>> from PIL import Image
        >>> from zeroshot.backbones import TimmFeatures
        >>> features = TimmFeatures("test_efficientnet", weights=None, image_size=32).fit()
        >>> result = features.extract(["missing.jpg", Image.new("RGB", (32, 32))])
        >>> result.features.shape, result.indices.tolist(), list(result.errors)
        ((1, 256), [1], [0])
        """
        check_is_fitted(self)
        images = check_images(X, owner=type(self).__name__)
        rows, errors = self._compute(images, logits=False, stop_on_error=False)
        indices = np.setdiff1d(np.arange(len(rows)), list(errors))
        return Bunch(features=rows[indices], indices=indices, errors=errors)

    def _add_output(self, graph: Graph, X: str) -> str:
        """Return the input of an ONNX graph, which is the features."""
        return X

    def _opened(self) -> Network:
        """Return the network. It is opened again if this object was unpickled."""
        with _opening:
            network = getattr(self, "_network", None)
            if network is not None:
                return network
            network = self._open_again()
            if network.digest != self.weights_hash_:
                raise IntegrityError(
                    f"{type(self).__name__}: the weights that it finds here are not those that "
                    "this object was fitted with. Bring the same weights, or fit again."
                )
            self._network = network
            return network

    def _open_again(self) -> Network:
        """Return the network of an object that was loaded or unpickled."""
        try:
            self._check_parameters()
            return self._open()
        except IntegrityError:
            raise
        except (TypeError, ValueError) as error:
            owner = type(self).__name__
            raise ModelFormatError(
                f"{owner}: the network cannot be opened again ({error}). Fit it anew.", owner
            ) from error

    def _run(self, X: Any, *, logits: bool) -> np.ndarray:
        check_is_fitted(self)
        self._opened()
        self._check_parameters()
        images = check_images(X, owner=type(self).__name__)
        rows, errors = self._compute(images, logits=logits, stop_on_error=self.on_error == "raise")
        if not errors:
            return rows
        warn_unreadable(images, errors, self.on_error, owner=type(self).__name__)
        return rows if self.on_error == "nan" else np.delete(rows, list(errors), axis=0)

    def _compute(
        self, images: Any, *, logits: bool, stop_on_error: bool
    ) -> tuple[np.ndarray, Errors]:
        compute = partial(
            compute_rows,
            self._opened(),
            logits=logits,
            stop_on_error=stop_on_error,
            batch_size=self.batch_size,
            num_workers=n_threads(self.num_workers, owner=type(self).__name__),
            limits=Limits(self.max_pixels, self.max_bytes, self.max_seconds),
            progress=self.progress,
            owner=type(self).__name__,
        )
        if self.cache is None or self.cache is False or isinstance(images, np.ndarray):
            return compute(images)
        return compute_unknown_rows(
            compute, images, RowCache(self.cache, self._rows_depend_on(logits))
        )

    def _rows_depend_on(self, logits: bool) -> dict[str, Any]:
        """Return what a row depends on besides its image."""
        network = self._opened()
        return {
            "weights": self.weights_hash_,
            "image_size": network.size,
            "dtype": network.dtype,
            "logits": logits,
            "layer": getattr(self, "layer", None),
            "pool_size": getattr(self, "pool_size", 1),
            "limits": (self.max_pixels, self.max_bytes),
            "versions": (timm.__version__, PIL.__version__),
        }

    def __getstate__(self) -> dict[str, Any]:
        state = dict(super().__getstate__())
        state.pop("_network", None)
        return state

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.input_tags.string = True
        tags.requires_fit = True
        tags.transformer_tags.preserves_dtype = []
        return tags
