"""Exact fits to features that do not fit into memory, on one machine or many."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import Normalizer, StandardScaler

from zeroshot._linear import LearnsFromSums, RowSums
from zeroshot._linear._sums import near_mean
from zeroshot._utils._validation import check_labels
from zeroshot.exceptions import PartitionError
from zeroshot.scale._engine import run
from zeroshot.scale._features import FeaturesDataset

OWNER = "fit_dataset"
N_GROUPS = 16
"""Groups of files whose sums are in memory at a time, whatever number of workers there is."""


def fit_dataset(
    estimator: Any,
    features: Any,
    *,
    label: str = "label",
    workers: int | None = None,
    scheduler: str | None = None,
    resources: Mapping[str, float] | None = None,
) -> Any:
    """Fit an estimator to features in parquet files, as ``fit`` would to all rows at once.

    Ridge regression, ESZSL and the other closed forms need only sums over rows. Groups of files are
    summed up by themselves, a block at a time, and the sums are added: memory does not depend on
    the number of rows. The result equals that of ``fit`` but for rounding.

    Parameters
    ----------
    estimator : estimator or Pipeline
        Not fitted; it is cloned. The last step learns from sums (`DeViSEClassifier(loss="mse")`,
        `ESZSLClassifier`, `SAEClassifier`, `EmbeddingRegressor`). Before it, a `Normalizer` may
        come first, and a `StandardScaler` last.
    features : FeaturesDataset, path or list of paths
        The features, with their labels in another column.
    label : str, default="label"
        The column of labels.
    workers, scheduler, resources
        As in `embed_dataset`: where the groups are summed up.

    Returns
    -------
    estimator
        The fitted clone. Its last step goes on with ``partial_fit``.

    Raises
    ------
    TypeError
        The last step does not learn from sums, or a step before it cannot be fitted in one pass.
        The message says what to do.
    ValueError
        Labels are missing, or of two kinds.
    PartitionError
        A file could not be read.

    See Also
    --------
    embed_dataset : Writes such files.

    Examples
    --------
    >>> import tempfile
    >>> import pyarrow, pyarrow.parquet
    >>> from zeroshot import AttributeTable, ESZSLClassifier
    >>> from zeroshot.scale import fit_dataset
    >>> table = AttributeTable([[1, 0], [0, 1], [1, 1]], labels=["cat", "dog", "fox"])
    >>> rows = {"features": [[2.0, 0.0], [0.0, 2.0]], "label": ["cat", "dog"]}
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     pyarrow.parquet.write_table(pyarrow.table(rows), f"{folder}/part-0.parquet")
    ...     model = fit_dataset(ESZSLClassifier(table), folder)
    >>> model.predict([[3.0, 0.0], [0.0, 3.0]]).tolist()
    ['cat', 'dog']
    """
    if not isinstance(features, FeaturesDataset):
        features = FeaturesDataset(features)
    steps, final = _steps(clone(estimator))
    normalizer, scaler = _before(steps)
    parts = features.parts(N_GROUPS)
    if not parts:
        raise ValueError(f"{OWNER}: features is empty. Pass files with rows.")
    origin = _origin(parts[0], normalizer)
    given = {number: (part, label, normalizer, origin) for number, part in enumerate(parts)}
    found: dict[int, RowSums] = {}
    failed: dict[str, str] = {}
    answers = run(
        sums_of, given, workers=workers, scheduler=scheduler, resources=resources, owner=OWNER
    )
    for number, sums, error in answers:
        if isinstance(error, ValueError):
            raise error
        if error is not None:
            failed[parts[number].files[0]] = f"{type(error).__name__}: {error}"
        else:
            found[number] = sums
    if failed:
        raise PartitionError(failed, n_done=len(found), owner=OWNER, output="memory")
    whole = found.pop(0)
    for number in sorted(found):  # always in one order, so that rounding is the same each time
        whole = whole.merge(found.pop(number))
    if scaler is not None:
        whole = _scaled(scaler, whole)
    if normalizer is not None:
        normalizer.fit(np.zeros((1, features.shape[1])))
    _learn(final, whole)
    return final if not steps else Pipeline([*steps, (_name_of(estimator), final)])


def sums_of(part: FeaturesDataset, label: str, normalizer: Any, origin: np.ndarray) -> RowSums:
    """Return the sums over the rows of some files.

    Raises
    ------
    ValueError
        A row has no label.
    """
    sums: Any = None
    for X, values in part.blocks([label]):
        labels = values[label]
        missing = [row for row, value in enumerate(labels) if value is None]
        if missing:
            raise ValueError(
                f"{OWNER}: {len(missing)} rows of {part.files[0]} have no {label!r}. Give them "
                "one, or write the features without these images."
            )
        y = check_labels(labels, owner=OWNER, name=label)
        rows = X if normalizer is None else normalizer.transform(X.astype(np.float64))
        sums = RowSums.of(rows, y, origin=origin) if sums is None else sums.add(rows, y)
    return sums


def _steps(estimator: Any) -> tuple[list[tuple[str, Any]], Any]:
    """Return the steps before the last one, and the last one, which learns from sums."""
    steps = list(estimator.steps) if isinstance(estimator, Pipeline) else [("", estimator)]
    final = steps[-1][1]
    if not isinstance(final, LearnsFromSums) or not final.learns_from_sums():
        raise TypeError(
            f"{OWNER}: {type(final).__name__} does not learn from sums over rows with these "
            "parameters. Pass a closed form such as ESZSLClassifier(), or call partial_fit on the "
            "blocks of a FeaturesDataset, shuffled."
        )
    return steps[:-1], final


def _before(steps: list[tuple[str, Any]]) -> tuple[Any, Any]:
    """Return the normalizer and the scaler in front, or None."""
    kinds = [type(step) for _, step in steps]
    if kinds == [StandardScaler, Normalizer]:
        raise TypeError(
            f"{OWNER}: rows of unit length after a StandardScaler need the scaled rows, and so a "
            "second pass. Put the Normalizer first, or leave one of them out."
        )
    if kinds not in ([], [Normalizer], [StandardScaler], [Normalizer, StandardScaler]):
        names = ", ".join(kind.__name__ for kind in kinds)
        raise TypeError(
            f"{OWNER}: the steps before the last one can be a Normalizer and then a "
            f"StandardScaler, got {names}. Apply other steps when the features are written: pass "
            "the pipeline to embed_dataset."
        )
    found = {type(step): step for _, step in steps}
    return found.get(Normalizer), found.get(StandardScaler)


def _name_of(estimator: Any) -> str:
    return estimator.steps[-1][0]


def _origin(part: FeaturesDataset, normalizer: Any) -> np.ndarray:
    """Return a point near the mean of the features: sums about it lose no digits."""
    X, _ = next(part.blocks())
    return near_mean(X if normalizer is None else normalizer.transform(X.astype(np.float64)))


def _scaled(scaler: Any, sums: RowSums) -> RowSums:
    """Fit a scaler to the sums, and return those over the scaled rows."""
    about = sums.centered()
    n_rows, d = sums.n_rows, len(sums.origin)
    variance = about.gram.diagonal() / n_rows
    tiny = variance <= 10 * np.finfo(np.float64).eps * n_rows * (about.magnitude / n_rows)
    variance = np.where(tiny, 0.0, variance)
    scaler.n_features_in_, scaler.n_samples_seen_ = d, n_rows
    scaler.mean_ = sums.mean if scaler.with_mean or scaler.with_std else None
    scaler.var_ = variance if scaler.with_std else None
    scale = np.sqrt(np.where(variance == 0, 1.0, variance)) if scaler.with_std else np.ones(d)
    scaler.scale_ = scale if scaler.with_std else None
    shift = about.origin if scaler.with_mean else np.zeros(d)
    return replace(
        about,
        origin=(about.origin - shift) / scale,
        gram=np.asfortranarray(about.gram / np.outer(scale, scale)),
        cross=about.cross / scale,
        total=about.total / scale,
        magnitude=about.magnitude / scale**2,
    )


def _learn(final: Any, sums: RowSums) -> None:
    """Fit the last step, as its ``partial_fit`` would after the last row."""
    final._check_parameters()
    trial = copy.copy(final)
    trial.n_features_in_ = len(sums.origin)
    final._take_sums(trial, sums)
