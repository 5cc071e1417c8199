"""Regressions onto the weights of a pretrained head, kept on disk for the next process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from zeroshot._utils._files import atomic_file, cache_home
from zeroshot._utils._fitted import Sizes, check_value
from zeroshot._utils._saving import parameters_of
from zeroshot._version import __version__
from zeroshot.estimators._class_regression import (
    ClassKernel,
    ClassRegression,
    fit_class_regression,
    names_for,
)
from zeroshot.label_embeddings import LabelEmbedding
from zeroshot.label_embeddings._base import content_hash
from zeroshot.similarity import WordNetSimilarity

FORMAT = 1
"""Increase it with every change of how a regression is fitted, or of what its measures answer."""

LEAST_SOURCES = 200
"""With fewer source classes, fitting takes as long as reading."""

_NOT_KEPT = ("measure", "sources", "gamma", "n_sources", "kernels")


def kept_class_regression(
    measures: Sequence[Any],
    labels: np.ndarray,
    wnids: np.ndarray | None,
    Y: np.ndarray,
    **options: Any,
) -> tuple[ClassRegression, float]:
    """Return what `fit_class_regression` does, from the disk where it is known.

    The file is named after a SHA-256 of everything that decides the result. What cannot be read, or
    is not what was written, is fitted and written anew.
    """
    key = key_of(measures, labels, wnids, Y, **options)
    found = None if key is None else _recall(key, measures, labels, wnids, options["gamma"])
    if found is not None:
        return found, float("nan")
    fitted = fit_class_regression(measures, labels, wnids, Y, **options)
    if key is not None:
        _remember(key, fitted[0])
    return fitted


def key_of(
    measures: Sequence[Any],
    labels: np.ndarray,
    wnids: np.ndarray | None,
    Y: np.ndarray,
    **options: Any,
) -> str | None:
    """Return the name of a regression, or None where it is not worth keeping, or has no name.

    Similarities and label embeddings of the user's own have none: no version identifies their code.
    Nor has a choice among penalties or weights, whose error is a result as well.
    """
    chosen = isinstance(options["weights"], str) or np.ndim(options["alpha"]) > 0
    if len(labels) < LEAST_SOURCES or chosen:
        return None
    described = [_described(measure) for measure in measures]
    if None in described:
        return None
    given = {name: np.asarray(options[name]).tolist() for name in ("gamma", "alpha", "weights")}
    names = [labels.tolist(), None if wnids is None else wnids.tolist()]
    return content_hash(FORMAT, __version__, described, names, given, Y)


def _described(measure: Any) -> Any:
    """Return what decides the answers of a measure, for JSON; None where it cannot be told."""
    if isinstance(measure, LabelEmbedding):
        return measure._quick_fingerprint() if _is_of_the_package(measure) else None
    if type(measure) is not WordNetSimilarity:
        return None
    params = parameters_of(measure)
    if params["taxonomy"] is not None or params["information_content"] is not None:
        return None
    return {name: repr(value) for name, value in params.items()}


def _is_of_the_package(embedding: LabelEmbedding) -> bool:
    """Tell whether an embedding, and all that it is made of, are classes of `label_embeddings`.

    A part of a saved embedding (`StoredEmbedding`) is not: it has the fingerprint of the whole, and
    knows fewer labels.
    """
    parts = [getattr(embedding, "base", None), *getattr(embedding, "embeddings", ())]
    own = type(embedding).__module__.startswith(f"{LabelEmbedding.__module__.rpartition('.')[0]}.")
    return own and all(_is_of_the_package(part) for part in parts if part is not None)


def _file(key: str) -> Path:
    return cache_home() / "head-regressions" / f"{key[:32]}.safetensors"


def _remember(key: str, regression: ClassRegression) -> None:
    """Write a regression, if the cache folder can be written to."""
    from safetensors.numpy import save

    arrays = {
        "weights": regression.weights,
        "alpha": np.array([regression.alpha]),
        "dual_coef": regression.dual_coef,
        "mean": regression.mean,
    }
    for number, kernel in enumerate(regression.kernels):
        arrays[f"{number}.places"] = kernel.places.astype(np.int64)
        arrays[f"{number}.column_means"] = kernel.column_means
        arrays[f"{number}.scale"] = np.array([kernel.scale])
        if kernel.vectors is not None and kernel.offset is not None:
            arrays[f"{number}.vectors"], arrays[f"{number}.offset"] = kernel.vectors, kernel.offset
    arrays = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    blob = save(arrays, {"key": key, "content": _content(arrays)})
    file = _file(key)
    with suppress(OSError):  # the next process fits again, which takes under a second
        file.parent.mkdir(parents=True, exist_ok=True)
        with atomic_file(file) as new:
            new.write(blob)


def _recall(
    key: str,
    measures: Sequence[Any],
    labels: np.ndarray,
    wnids: np.ndarray | None,
    gamma: float,
) -> ClassRegression | None:
    """Return the regression that is kept; None if it is missing or damaged."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(_file(key), framework="np") as opened:
            about = opened.metadata() or {}
            arrays = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
        if about.get("key") != key or about.get("content") != _content(arrays):
            return None
        return _made(arrays, measures, labels, wnids, gamma)
    except (OSError, SafetensorError, TypeError, ValueError, KeyError, IndexError):
        return None


def _content(arrays: Mapping[str, np.ndarray]) -> str:
    return content_hash(*(part for item in sorted(arrays.items()) for part in item))


def _made(
    arrays: Mapping[str, np.ndarray],
    measures: Sequence[Any],
    labels: np.ndarray,
    wnids: np.ndarray | None,
    gamma: float,
) -> ClassRegression:
    """Return the regression of arrays, about measures that are open.

    Raises
    ------
    KeyError, IndexError, ValueError
        An array is missing, or is not of the right shape.
    """
    kernels = []
    for number, measure in enumerate(measures):
        names, places = names_for(measure, labels, wnids), arrays[f"{number}.places"]
        kernel = ClassKernel(
            measure,
            gamma,
            names[places],
            places,
            len(names),
            arrays.get(f"{number}.offset"),
            arrays.get(f"{number}.vectors"),
            arrays[f"{number}.column_means"],
            float(arrays[f"{number}.scale"][0]),
        )
        _check(kernel, {"n_sources": len(labels)})
        kernels.append(kernel)
    alpha = float(arrays["alpha"][0])
    made = ClassRegression(kernels, arrays["weights"], alpha, arrays["dual_coef"], arrays["mean"])
    _check(made, {"n_sources": len(labels), "n_kernels": len(measures)})
    return made


def _check(made: Any, lengths: Mapping[str, int]) -> None:
    """Raise unless the arrays of an object are of the shapes in its table."""
    sizes = Sizes()
    sizes.update(lengths)
    for name, constraint in made._constraints.items():
        if name not in _NOT_KEPT:
            check_value(constraint, getattr(made, name), sizes, owner="the cache", name=name)
