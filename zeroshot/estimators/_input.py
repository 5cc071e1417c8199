"""Inputs of the estimators: features, or images where there is a network."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils import check_consistent_length
from sklearn.utils.validation import _num_samples, validate_data

from zeroshot._utils._constraints import ParametersMixin
from zeroshot._utils._images import check_images
from zeroshot._utils._validation import (
    check_labels,
    check_missing_labels,
    check_no_images,
    check_sample_weight,
    without_weightless,
)
from zeroshot.estimators._unreadable_rows import unreadable_rows, without_unreadable
from zeroshot.model_selection._rows import Rows

_DTYPES = [np.float64, np.float32]


class InputMixin(ParametersMixin):
    """Mixin of the estimators whose X is images with a ``network``, and features without one."""

    network: Any = None

    def _validate_fit(self, X: Any, y: Any, *, reset: bool = True) -> tuple[Any, np.ndarray]:
        """Return X and the labels y of ``fit``, checked; with `reset` X may be of another width."""
        owner = type(self).__name__
        y = check_missing_labels(y, owner=owner)
        X, y = self._validate_pair(X, y, reset=reset)
        return X, check_labels(y, owner=owner, name="y")

    def _validate_weighted(
        self, X: Any, y: Any, sample_weight: Any, *, reset: bool = True
    ) -> tuple[Any, np.ndarray, np.ndarray | None]:
        """Return what `_validate_fit` does, and weights above 0; rows of weight 0 are left out."""
        if sample_weight is None:
            return *self._validate_fit(X, y, reset=reset), None
        owner = type(self).__name__
        weights = check_sample_weight(sample_weight, _num_samples(X), owner=owner)
        missing = unreadable_rows(X)
        X, y = self._validate_fit(X, y, reset=reset)
        if missing is not None:  # those that are left may all have weight 0
            weights = check_sample_weight(weights[~missing], len(y), owner=owner)
        return without_weightless(X, y, weights)

    def _validate_pair(self, X: Any, y: Any, **params: Any) -> tuple[Any, np.ndarray]:
        """Return X, and y as an array, as many of the one as of the other."""
        if self.network is None:
            check_no_images(X, owner=type(self).__name__)
            X, y = without_unreadable(X, y, owner=type(self).__name__)
            if self._learns_in_blocks() and _is_half_on_disk(X):
                shape = np.broadcast_to(
                    np.float64(0), X.shape
                )  # in place of rows that are read later
                _, y = validate_data(self, shape, y, dtype=_DTYPES, **params)
                return Rows(X, [], owner=type(self).__name__), y
            return validate_data(self, X, y, dtype=_DTYPES, **params)
        y = validate_data(self, "no_validation", y, **params)
        X = check_images(X, owner=type(self).__name__)
        check_consistent_length(X, y)
        return X, y

    def _learns_in_blocks(self) -> bool:
        """Tell whether ``fit``, with the parameters as they are, reads X a block at a time."""
        return False

    def _validate(self, X: Any, dtype: Any = _DTYPES) -> Any:
        """Return features, checked against those of ``fit``, or images as they are."""
        if self.network is not None:
            return X
        check_no_images(X, owner=type(self).__name__)
        return validate_data(self, X, reset=False, dtype=dtype)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()  # type: ignore[misc]
        images = self.network is not None
        tags.input_tags.two_d_array = not images
        tags.input_tags.string = images
        tags.transformer_tags.preserves_dtype = [] if images else ["float64", "float32"]
        return tags


def _is_half_on_disk(X: Any) -> bool:
    """Tell whether X is a memory map that a conversion from half precision would copy."""
    half = isinstance(X, np.memmap) and X.dtype == np.float16 and X.ndim == 2
    return half and len(X) >= X.shape[1] > 0
