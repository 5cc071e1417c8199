"""Sums over rows and their targets: all that least squares needs from a data set.

Sums over two sets of rows add up to the sums over both, in any order, and the sums over some rows
can be subtracted again. So one object serves ``fit``, ``partial_fit``, folds in one pass, and
``merge`` across machines.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from scipy.linalg import blas

from zeroshot._linear._blas import cholesky, class_sums, shifted_diagonal
from zeroshot._utils._constraints import Maybe, Number
from zeroshot._utils._fitted import Array, Labels
from zeroshot._utils._saving import Saved

BLOCK_ELEMENTS = 1_000_000
"""Elements of X in memory as float64 at a time: 8 MB, which the allocator reuses."""

LEAST_MARGIN = 1e-8
"""The lowest reciprocal condition of a matrix with unit diagonal: rounding costs 1e-7 or less."""

_SAMPLE = 1000
"""Rows that the origin is taken from."""

Fold = tuple[np.ndarray, np.ndarray]


def _sums(*shape: str) -> Array:
    """Return the constraint on sums, which may be larger than weights."""
    most = float(np.finfo(np.float64).max)
    return Array(*shape, least=-most, most=most)


@dataclass(frozen=True)
class RowSums(Saved):
    """Sums over the rows z = x - origin of the features, and t of the targets.

    The targets of a labelled row are 1 for its class and 0 for the others. A row of weight w counts
    as w equal rows. Nothing is changed in place: every method returns sums of its own.

    Parameters
    ----------
    origin : ndarray of shape (n_features,)
        Near the mean, so that no digits are lost when the mean is taken out.
    n_rows : int or float
        How many rows; if they have weights, the sum of these.
    total : ndarray of shape (n_features,)
        Sum of z.
    gram : ndarray of shape (n_features, n_features)
        Sum of z z', of which only the lower triangle is filled.
    cross : ndarray of shape (n_targets, n_features)
        Sum of t z': for labels, the sum of the rows of each class.
    target_total : ndarray of shape (n_targets,)
        Sum of t: for labels, how many rows each class has, or the sum of their weights.
    magnitude : ndarray of shape (n_features,)
        The largest values that the diagonal of `gram` has had. Subtraction makes `gram` smaller,
        but not its rounding error, which stays relative to `magnitude`.
    classes : ndarray of shape (n_targets,), optional
        The sorted labels. None where targets are numbers.
    target_origin : ndarray of shape (n_targets,), optional
        What was subtracted from targets that are numbers.
    """

    origin: np.ndarray
    n_rows: float
    total: np.ndarray
    gram: np.ndarray
    cross: np.ndarray
    target_total: np.ndarray
    magnitude: np.ndarray
    classes: np.ndarray | None = None
    target_origin: np.ndarray | None = None

    _constraints: ClassVar[Mapping[str, Any]] = {
        "origin": Array("n_features"),
        "n_rows": Number(at_least=0),
        "total": _sums("n_features"),
        "gram": _sums("n_features", "n_features"),
        "cross": _sums("n_targets", "n_features"),
        "target_total": _sums("n_targets"),
        "magnitude": _sums("n_features"),
        "classes": Maybe(Labels("n_targets")),
        "target_origin": Maybe(Array("n_targets")),
    }

    @classmethod
    def of(
        cls,
        X: Any,
        y: np.ndarray,
        *,
        classes: np.ndarray | None = None,
        rows: np.ndarray | None = None,
        origin: np.ndarray | None = None,
        weights: np.ndarray | None = None,
    ) -> RowSums:
        """Take the sums over rows, a block at a time, so that a memory map stays on disk.

        Parameters
        ----------
        X : array of shape (n_samples, n_features)
            Features, of any real dtype, or what gives them for ``X[rows]``.
        y : ndarray of shape (n_samples,) or (n_samples, n_targets)
            Labels; numbers, if it holds floats.
        classes : ndarray of shape (n_classes,), optional
            Sorted labels: `y` then holds positions in it.
        rows : ndarray of int, optional
            Numbers of the rows to take; all if None.
        origin : ndarray of shape (n_features,), optional
            The mean of a sample of the rows if None.
        weights : ndarray of shape (n_samples,), optional
            Of the rows of X, not negative; 1 each if None.
        """
        y, classes = _coded(y, classes)
        if origin is None:
            origin = near_mean(X, rows)
        n_targets = y.shape[1] if classes is None else len(classes)
        d = len(origin)
        nothing = cls(
            origin=origin,
            n_rows=0,
            total=np.zeros(d),
            gram=np.zeros((d, d), order="F"),
            cross=np.zeros((n_targets, d)),
            target_total=np.zeros(n_targets),
            magnitude=np.zeros(d),
            classes=classes,
            target_origin=near_mean(y, rows) if classes is None else None,
        )
        return nothing._changed(X, y, rows, weights, sign=1)

    def add(
        self,
        X: Any,
        y: np.ndarray,
        *,
        classes: np.ndarray | None = None,
        rows: np.ndarray | None = None,
        weights: np.ndarray | None = None,
    ) -> RowSums:
        """Return the sums with further rows, of further classes too; parameters are those of `of`.

        Raises
        ------
        ValueError
            As `merge`.
        """
        y, classes = _coded(y, classes)
        self._check_kind(target_kind(y if classes is None else classes))
        if classes is None:
            return self._changed(X, y, rows, weights, sign=1)
        wide = self.with_classes(classes)
        places = np.searchsorted(wide.classes, classes)  # type: ignore[arg-type]
        return wide._changed(X, places[y], rows, weights, sign=1)

    def without(
        self,
        X: Any,
        y: np.ndarray,
        *,
        rows: np.ndarray | None = None,
        weights: np.ndarray | None = None,
    ) -> RowSums:
        """Return the sums without some of the rows.

        Parameters
        ----------
        X, rows, weights
            As in `of`.
        y : ndarray of shape (n_samples,) or (n_samples, n_targets)
            Positions in ``classes``, or numbers.
        """
        return self._changed(X, y, rows, weights, sign=-1)

    def training(
        self, X: Any, y: np.ndarray, train: np.ndarray, weights: np.ndarray | None = None
    ) -> RowSums:
        """Return the sums over training rows, by subtracting the other rows if these are fewer.

        Parameters
        ----------
        X, y, weights : array
            As in `without`; all the rows that these sums are over.
        train : ndarray of int
            Row numbers, which may be repeated.
        """
        left_out, repeats = left_out_rows(train, len(X))
        if repeats or len(left_out) > len(train):
            return RowSums.of(
                X, y, classes=self.classes, rows=train, origin=self.origin, weights=weights
            )
        rest = self.without(X, y, rows=left_out, weights=weights)
        if weights is None or self.classes is None:
            return rest
        # Subtracted weights leave rounding errors, which are no rows of a class.
        kept = np.bincount(y[train], minlength=len(self.classes)) > 0
        return replace(
            rest, cross=rest.cross * kept[:, None], target_total=rest.target_total * kept
        )

    def merge(self, other: RowSums) -> RowSums:
        """Return the sums over the rows of both, about the origin of this.

        Raises
        ------
        ValueError
            They differ in the number of features, or in the kind or number of their targets.
        """
        if len(other.origin) != len(self.origin):
            raise ValueError(
                f"RowSums: one has {len(self.origin)} features, and the other "
                f"{len(other.origin)}. Merge sums over the same features."
            )
        self._check_kind(other.kind)
        one, two = self, other.about(self.origin)
        if self.classes is not None and other.classes is not None:
            one, two = one.with_classes(other.classes), two.with_classes(self.classes)
        elif self.target_origin is not None:
            two = two._about_targets(self.target_origin)
        return one._combined(two, 1)

    def less(self, other: RowSums) -> RowSums:
        """Return the sums without the rows of `other`, which are among these.

        Parameters
        ----------
        other : RowSums
            About the same origin, of the same targets.
        """
        return self._combined(other, -1)

    def _combined(self, other: RowSums, sign: int) -> RowSums:
        """Return the sums with the rows of sums about the same origin (`sign` 1), or without (-1).

        The magnitude never shrinks: the rounding error of subtracted rows stays.
        """
        gram = self.gram + sign * other.gram
        larger = self.magnitude + other.magnitude if sign > 0 else self.magnitude
        return replace(
            self,
            n_rows=self.n_rows + sign * other.n_rows,
            total=self.total + sign * other.total,
            gram=gram,
            cross=self.cross + sign * other.cross,
            target_total=self.target_total + sign * other.target_total,
            magnitude=np.maximum(larger, gram.diagonal()),
        )

    def with_classes(self, labels: np.ndarray) -> RowSums:
        """Return these sums with further classes, which have no rows yet."""
        classes = np.union1d(self.classes, labels)  # type: ignore[arg-type]
        places = np.searchsorted(classes, self.classes)  # type: ignore[arg-type]
        cross, counts = np.zeros((len(classes), len(self.origin))), np.zeros(len(classes))
        cross[places], counts[places] = self.cross, self.target_total
        return replace(self, classes=classes, cross=cross, target_total=counts)

    def about(self, origin: np.ndarray) -> RowSums:
        """Return sums about another origin: Σ(z-s)(z-s)' = Σzz' - (Σz)s' - s(Σz)' + nss'."""
        shift = origin - self.origin
        gram = blas.dsyr2(-1.0, self.total, shift, a=self.gram, lower=1)
        gram = blas.dsyr(float(self.n_rows), shift, a=gram, lower=1, overwrite_a=1)
        return replace(
            self,
            origin=origin,
            total=self.total - self.n_rows * shift,
            gram=gram,
            cross=self.cross - np.outer(self.target_total, shift),
            magnitude=np.maximum(self.magnitude, gram.diagonal()),
        )

    def centered(self) -> RowSums:
        """Return the sums about the mean of these rows: as `about`, with s = Σz/n."""
        shift = self.total / self.n_rows
        return replace(
            self,
            origin=self.origin + shift,
            total=np.zeros_like(shift),
            gram=blas.dsyr(-float(self.n_rows), shift, lower=1, a=self.gram),
            cross=self.cross - np.outer(self.target_total, shift),
        )

    def uncentered(self) -> RowSums:
        """Return the sums over x itself, and over targets as they are."""
        sums = self
        if sums.target_origin is not None:
            sums = sums._about_targets(np.zeros_like(sums.target_origin))
        return sums.about(np.zeros_like(sums.origin)) if sums.origin.any() else sums

    @property
    def mean(self) -> np.ndarray:
        """The mean row x, (n_features,)."""
        return self.origin + self.total / self.n_rows

    @property
    def target_mean(self) -> np.ndarray:
        """The mean target, (n_targets,): for labels, the share of each class."""
        mean = self.target_total / self.n_rows
        return mean if self.target_origin is None else self.target_origin + mean

    def keep_digits(self, penalty: float) -> bool:
        """Tell whether subtraction has left enough digits to solve with no lower a penalty.

        Returns False, too, if some of the remaining rows are as much larger than the rest: adding
        up the rows directly has smaller rounding errors in that case.
        """
        magnitude = self.magnitude + penalty
        if (self.gram.diagonal() + penalty <= LEAST_MARGIN * magnitude).any():
            return False
        try:
            _, margin = cholesky(shifted_diagonal(self.gram, penalty), magnitude)
        except np.linalg.LinAlgError:
            return False
        return margin >= LEAST_MARGIN

    def _changed(
        self,
        X: Any,
        y: np.ndarray,
        rows: np.ndarray | None,
        weights: np.ndarray | None = None,
        *,
        sign: int,
    ) -> RowSums:
        """Return the sums with further rows (`sign` 1), or without some (-1)."""
        total, cross = self.total.copy(), self.cross.copy()
        gram = self.gram.copy(order="F")
        target_total = self.target_total.copy()
        n_rows: float = self.n_rows
        for part, Z in blocks(X, self.origin, rows):
            w = None if weights is None else weights[part]
            root = Z if w is None else Z * np.sqrt(w)[:, None]
            gram = blas.dsyrk(sign, root.T, beta=1.0, c=gram, lower=1, overwrite_c=1)
            n_rows += sign * (len(Z) if w is None else float(w.sum()))
            Z = Z if w is None else Z * w[:, None]
            total += sign * Z.sum(axis=0)
            if self.target_origin is None:
                cross += sign * class_sums(Z, y[part], len(cross))
                target_total += sign * np.bincount(y[part], w, minlength=len(cross))
            else:
                T = y[part].reshape(len(Z), -1) - self.target_origin
                cross += sign * blas.dgemm(1.0, Z.T, T.T, trans_b=1).T
                target_total += sign * (T if w is None else T * w[:, None]).sum(axis=0)
        return replace(
            self,
            n_rows=n_rows,
            total=total,
            gram=gram,
            cross=cross,
            target_total=target_total,
            magnitude=np.maximum(self.magnitude, gram.diagonal()),
        )

    def _about_targets(self, origin: np.ndarray) -> RowSums:
        """Return the sums with another origin of targets that are numbers."""
        shift = origin - self.target_origin
        return replace(
            self,
            cross=self.cross - np.outer(shift, self.total),
            target_total=self.target_total - self.n_rows * shift,
            target_origin=origin,
        )

    @property
    def kind(self) -> str:
        """What the targets are, in words."""
        return target_kind(self.cross.T if self.classes is None else self.classes)

    def _check_kind(self, kind: str) -> None:
        if kind != self.kind:
            raise ValueError(
                f"RowSums: targets were {self.kind}, and now are {kind}. Add and merge targets of "
                "one kind."
            )


def training_sums(
    X: Any,
    y: np.ndarray,
    folds: Sequence[Fold],
    *,
    origin: np.ndarray | None = None,
    weights: np.ndarray | None = None,
) -> Iterator[RowSums]:
    """Yield the sums over the training rows of each fold, and last those over all rows.

    Each row is added up once. Rows that the same folds leave out form one sum, and a fold's sum is
    the total less the sums that it leaves out. One sum per fold is in memory.

    Parameters
    ----------
    X, y, origin, weights
        As in `RowSums.of`.
    folds : sequence of (train, test)
        Row numbers; none twice in one training set. At most 62 folds.
    """
    codes, classes = _coded(y, None)
    if origin is None:
        origin = near_mean(X)
    left_out_of = np.zeros(len(X), dtype=np.int64)  # bit i: fold i leaves the row out
    for fold, (train, _) in enumerate(folds):
        left_out, _ = left_out_rows(train, len(X))
        left_out_of[left_out] |= 1 << fold
    whole: Any = None
    without: list[RowSums | None] = [None] * len(folds)
    most = len(folds) + 1
    for kind, sums in _sums_by_kind(X, codes, classes, left_out_of, most, origin, weights):
        if whole is not None and whole.target_origin is not None:
            sums = sums._about_targets(whole.target_origin)
        whole = _added(whole, sums)
        for fold in range(len(folds)):
            if kind >> fold & 1:
                without[fold] = _added(without[fold], sums)
    for left_out_sums in without:
        yield whole if left_out_sums is None else whole.less(left_out_sums)
    yield whole


def _sums_by_kind(
    X: Any,
    y: np.ndarray,
    classes: np.ndarray | None,
    kinds: np.ndarray,
    most: int,
    origin: np.ndarray,
    weights: np.ndarray | None,
) -> Iterator[tuple[int, RowSums]]:
    """Yield each kind with the sums over its rows.

    Rows that lie on disk are read once for all kinds, if these are at most so many; then all sums
    are in memory. Others are read kind by kind.
    """
    distinct = np.unique(kinds)
    if isinstance(X, np.ndarray) or len(distinct) > most:
        for kind in distinct:
            rows = np.flatnonzero(kinds == kind)
            sums = RowSums.of(X, y, classes=classes, rows=rows, origin=origin, weights=weights)
            yield int(kind), sums
        return
    found: dict[int, RowSums] = {}
    size = max(1, len(distinct) * BLOCK_ELEMENTS // len(origin))
    for start in range(0, len(X), size):
        part = slice(start, start + size)
        block = X[part]
        for kind in np.unique(kinds[part]):
            rows = np.flatnonzero(kinds[part] == kind)
            w = None if weights is None else weights[part]
            if kind in found:
                found[kind] = found[kind]._changed(block, y[part], rows, w, sign=1)
            else:
                found[kind] = RowSums.of(
                    block, y[part], classes=classes, rows=rows, origin=origin, weights=w
                )
    yield from sorted(found.items())


def _added(sums: RowSums | None, more: RowSums) -> RowSums:
    return more if sums is None else sums._combined(more, 1)


def target_kind(y: np.ndarray) -> str:
    """Return in words what targets are: labels, (n_samples,), or numbers."""
    if y.dtype.kind == "f":
        return f"{y.reshape(len(y), -1).shape[1]} numbers per row"
    return "labels that are strings" if y.dtype.kind == "U" else "labels that are integers"


def _coded(y: np.ndarray, classes: np.ndarray | None) -> tuple[np.ndarray, np.ndarray | None]:
    """Return positions and sorted labels, or numbers of shape (n_samples, n_targets) and None."""
    if classes is not None:
        return y, classes
    if y.dtype.kind == "f":
        return y.reshape(len(y), -1), None
    classes, codes = np.unique(y, return_inverse=True)
    return codes, classes


def left_out_rows(train: np.ndarray, n_rows: int) -> tuple[np.ndarray, bool]:
    """Return the rows that are not in `train`, and whether some are there more than once."""
    times = np.bincount(train, minlength=n_rows)
    return np.flatnonzero(times == 0), bool((times > 1).any())


def near_mean(X: Any, rows: np.ndarray | None = None) -> np.ndarray:
    """Return the mean of a sample of the rows; of a feature that is constant there, its value.

    Constant features then become exact zeros, which their mean, being rounded, would not make.
    """
    numbers = np.arange(len(X)) if rows is None else rows
    sample = np.asarray(X[numbers[:: max(1, len(numbers) // _SAMPLE)]]).astype(np.float64)
    return np.where(np.ptp(sample, axis=0) == 0, sample[0], sample.mean(axis=0))


def blocks(
    X: Any, origin: np.ndarray, rows: np.ndarray | None = None
) -> Iterator[tuple[np.ndarray | slice, np.ndarray]]:
    """Yield numbers of rows, some thousands at a time, and those rows less `origin`, in float64."""
    n_rows = len(X) if rows is None else len(rows)
    size = max(1, BLOCK_ELEMENTS // len(origin))
    for start in range(0, n_rows, size):
        stop = min(start + size, n_rows)
        part = slice(start, stop) if rows is None else as_slice(rows[start:stop])
        yield part, np.subtract(X[part], origin, dtype=np.float64, order="C")


def as_slice(rows: np.ndarray) -> np.ndarray | slice:
    """Return consecutive row numbers as a slice, which reads without a copy."""
    if len(rows) and rows[-1] - rows[0] == len(rows) - 1 and (np.diff(rows) == 1).all():
        return slice(int(rows[0]), int(rows[-1]) + 1)
    return rows
