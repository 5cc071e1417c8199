"""Exact fits to features that do not fit into memory, on one machine or many."""

from __future__ import annotations

import copy
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import Normalizer, StandardScaler
from sklearn.utils import check_consistent_length, gen_batches

from zeroshot._linear import ChoosesPenalties, LearnsFromSums, RowSums
from zeroshot._linear._sums import near_mean
from zeroshot._utils._validation import check_labels
from zeroshot.exceptions import PartitionError
from zeroshot.model_selection._rows import Rows
from zeroshot.scale._engine import run
from zeroshot.scale._features import BLOCK_ROWS, FeaturesDataset

OWNER = "fit_dataset"
N_GROUPS = 16
"""Groups of files whose sums are in memory at a time, whatever number of workers there is."""


def fit_dataset(
    estimator: Any,
    features: Any,
    *,
    label: Any = "label",
    workers: int | None = None,
    scheduler: str | None = None,
    resources: Mapping[str, float] | None = None,
) -> Any:
    """Fit an estimator to features in parquet files, as ``fit`` would to all rows at once.

    Ridge regression, ESZSL and the other closed forms need only sums over rows. Groups of files are
    summed up by themselves, a block at a time, and the sums are added: memory does not depend on
    the number of rows. The result equals that of ``fit`` but for rounding. There are no weights of
    samples: ``partial_fit`` on the blocks of a `FeaturesDataset` takes them.

    `ESZSLClassifierCV` and `EmbeddingRegressorCV` choose their penalties as ``fit`` does. One pass
    over the rows adds up the sums of all folds; the test rows of each fold are read again.

    Parameters
    ----------
    estimator : estimator or Pipeline
        Not fitted; it is cloned. The last step learns from sums (`DeViSEClassifier(loss="mse")`,
        `ESZSLClassifier`, `SAEClassifier`, `EmbeddingRegressor`), or chooses the penalties of one
        that does. Before it, a `Normalizer` may come first, and a `StandardScaler` last.
    features : FeaturesDataset, path, list of paths, or array of shape (n_samples, n_features)
        The features, with their labels in another column; or a memory map.
    label : str or array-like of shape (n_samples,), default="label"
        The column of labels, or the labels of the rows of an array.
    workers, scheduler, resources
        As in `embed_dataset`: where the groups are summed up. Not for memory maps, nor where
        penalties are chosen.

    Returns
    -------
    estimator
        The fitted clone. Its last step goes on with ``partial_fit``, if it has that.

    Raises
    ------
    TypeError
        The last step does not learn from sums, or a step before it cannot be fitted in one pass.
        The message says what to do. Or workers are given where they cannot help.
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
    features, label = _opened(features, label)
    steps, final = _steps(clone(estimator))
    normalizer, scaler = _before(steps)
    in_this_process = isinstance(final, ChoosesPenalties) or isinstance(features, ArrayFeatures)
    if in_this_process and (workers is not None or scheduler is not None):
        what = type(final).__name__ if isinstance(final, ChoosesPenalties) else "an array"
        raise TypeError(
            f"{OWNER}: {what} is read in this process alone. Leave out workers and scheduler, or "
            "pass parquet files and an estimator with fixed penalties."
        )
    parts = features.parts(N_GROUPS)
    if not parts:
        raise ValueError(f"{OWNER}: features is empty. Pass files with rows.")
    if isinstance(final, ChoosesPenalties):
        _fit_in_blocks(steps, final, features, label)
        return final if not steps else Pipeline([*steps, (_name_of(estimator), final)])
    origin = _origin(parts[0], normalizer)
    given = {number: (part, label, normalizer, origin) for number, part in enumerate(parts)}
    early: dict[int, RowSums] = {}
    whole: Any = None
    n_merged = 0
    failed: dict[str, str] = {}
    answers = run(
        sums_of, given, workers=workers, scheduler=scheduler, resources=resources, owner=OWNER
    )
    for number, sums, error in answers:
        if isinstance(error, ValueError):
            raise error
        if error is not None:
            failed[parts[number].files[0]] = f"{type(error).__name__}: {error}"
            continue
        early[number] = sums
        while n_merged in early:  # always in one order, so that rounding is the same each time
            next_one = early.pop(n_merged)
            whole = next_one if whole is None else whole.merge(next_one)
            n_merged += 1
    if failed:
        n_done = len(parts) - len(failed)
        raise PartitionError(failed, n_done=n_done, owner=OWNER, output="memory")
    if scaler is not None:
        whole = _scaled(scaler, whole)
    if normalizer is not None:
        normalizer.fit(np.zeros((1, features.shape[1])))
    _learn(final, whole)
    return final if not steps else Pipeline([*steps, (_name_of(estimator), final)])


class ArrayFeatures:
    """Rows of an array and their labels, with what is needed of a `FeaturesDataset`.

    Parameters
    ----------
    X : array of shape (n_samples, n_features)
        Such as a memory map.
    y : ndarray of shape (n_samples,)
        Labels.
    """

    files = ("the array",)
    ndim = 2

    def __init__(self, X: Any, y: np.ndarray) -> None:
        self._X, self._y, self.shape = X, y, X.shape

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: Any) -> np.ndarray:
        return self._X[rows]

    def column_values(self, name: str) -> np.ndarray:
        """Return the labels."""
        return self._y

    def parts(self, n_parts: int) -> list[ArrayFeatures]:
        """Return at most `n_parts` ranges of rows."""
        edges = np.linspace(0, len(self), min(n_parts, len(self)) + 1).astype(int)
        pairs = zip(edges, edges[1:], strict=False)
        return [ArrayFeatures(self._X[start:stop], self._y[start:stop]) for start, stop in pairs]

    def blocks(
        self, columns: Sequence[str] = (), *, size: int = BLOCK_ROWS
    ) -> Iterator[tuple[np.ndarray, dict[str, Any]]]:
        """Yield rows and their labels, some thousands at a time."""
        rows = Rows(self._X, [], owner=OWNER)
        for part in gen_batches(len(self), size):
            yield rows[part], {name: self._y[part] for name in columns}


def _opened(features: Any, label: Any) -> tuple[Any, str]:
    """Return features that are read in blocks, and the name of their labels."""
    is_paths = isinstance(features, (str, os.PathLike, FeaturesDataset, list, tuple))
    if is_paths:
        if not isinstance(label, str):
            raise TypeError(
                f"{OWNER}: label must name the column of labels, got {type(label).__name__}. Write "
                "the labels into a column of the files."
            )
        opened = features if isinstance(features, FeaturesDataset) else FeaturesDataset(features)
        return opened, label
    if not isinstance(features, np.ndarray) or features.ndim != 2:
        raise TypeError(
            f"{OWNER}: features must be a folder of parquet files or a 2-D array, got "
            f"{type(features).__name__}. Pass what embed_dataset wrote."
        )
    if isinstance(label, str):
        raise TypeError(f"{OWNER}: an array has no column {label!r}. Pass label=y, its labels.")
    y = check_labels(label, owner=OWNER, name="label")
    check_consistent_length(features, y)
    return ArrayFeatures(features, y), "label"


def _fit_in_blocks(steps: list[tuple[str, Any]], final: Any, features: Any, label: str) -> None:
    """Fit steps and an estimator that chooses penalties, reading a block of rows at a time."""
    y = check_labels(features.column_values(label), owner=OWNER, name=label)
    before: list[Any] = []
    for _, step in steps:
        if isinstance(step, StandardScaler):
            for X, _ in features.blocks():
                X = X.astype(np.float64) if X.dtype == np.float16 else X
                for earlier in before:
                    X = earlier.transform(X)
                step.partial_fit(X)
        else:
            step.fit(np.zeros((1, features.shape[1])))
        before.append(step)
    whole: Any = Rows(features, [], owner=OWNER)  # half precision is widened before any step
    rows: Any = Rows(whole, before, owner=OWNER) if before else whole
    final._check_parameters()
    final.n_features_in_ = features.shape[1]
    final._fit_checked(rows if len(rows) >= rows.shape[1] else rows[:], y)


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
    if isinstance(final, ChoosesPenalties):
        if not final._learns_in_blocks():  # type: ignore[attr-defined]
            raise TypeError(
                f"{OWNER}: {type(final).__name__} chooses penalties in blocks by "
                "scoring='mean_class_accuracy' without hubness. Pass these, or call fit."
            )
        return steps[:-1], final
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
