r"""Kernel ridge regression from what classes are like to vectors of classes.

A class that has no vector of its own gets one from those that have: with the kernel K between these
classes, centred, and their vectors Y less the mean :math:`\bar y`, the vector of another class c is

.. math:: \hat y_c = \bar y + k_c^\top (K + \alpha I)^{-1} (Y - \bar y).

Leaving one class out needs no second fit: the residual is the ordinary one over :math:`1 - H_{ii}`,
with :math:`H = \frac{1}{n} 1 1^\top + K (K + \alpha I)^{-1}`.
"""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, cho_solve, eigh
from sklearn.metrics.pairwise import rbf_kernel

from zeroshot._linear import product
from zeroshot._utils._constraints import Maybe, Number, check_inner
from zeroshot._utils._fitted import Array, Labels, Part, Parts, Size, Sizes
from zeroshot._utils._saving import Saved
from zeroshot._utils._validation import check_number
from zeroshot.estimators._label_space import centered_unit_rows
from zeroshot.exceptions import LabelWarning, UnknownLabelError
from zeroshot.label_embeddings import LabelEmbedding
from zeroshot.similarity import WordNetSimilarity
from zeroshot.similarity._base import checked_matrix

DEFAULT_ALPHAS = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0)
_PARTS = 4
"""Weightings are tried in steps of one in so many."""
_ROUNDING = 1e-10


class ClassKernel(Saved):
    r"""How alike classes are by one label embedding or similarity, about the source classes.

    Of an embedding it is :math:`\exp(-\gamma \lVert u - u' \rVert^2)` between vectors that are
    centred on the mean of the source classes and of unit length; of a similarity, what its
    ``matrix`` says. Both are centred, and divided by the mean of the source classes' diagonal, so
    that kernels of different ranges can be added. A class that it knows nothing of has a row of
    zeros: it stands at the mean.

    Parameters
    ----------
    measure : LabelEmbedding or object with ``matrix``
        What is asked.
    gamma : float
        Of the RBF kernel of an embedding.
    sources : ndarray of shape (n_known,)
        The source classes that it knows, as it is asked for them.
    places : ndarray of int of shape (n_known,)
        Where these stand among all source classes.
    n_sources : int
        How many source classes there are.
    offset : ndarray of shape (n_dims,), or None
        The mean vector of the known source classes; None of a similarity.
    vectors : ndarray of shape (n_known, n_dims), or None
        Their centred unit vectors; None of a similarity.
    column_means : ndarray of shape (n_known,)
        Mean kernel of each known source class.
    scale : float
        Mean of the diagonal of the centred kernel.
    """

    _constraints: ClassVar[Mapping[str, Any]] = {
        "measure": Part(),
        "gamma": Number(above=0),
        "n_sources": Size("n_sources"),
        "sources": Labels("n_known", is_sorted=False),
        "places": Array("n_known", kind="i", least=0, most="n_sources"),
        "offset": Maybe(Array("n_dims")),
        "vectors": Maybe(Array("n_known", "n_dims")),
        "column_means": Array("n_known"),
        "scale": Number(above=0),
    }

    @classmethod
    def _check_together(cls, values: Mapping[str, Any], sizes: Sizes) -> None:
        check_kernels(values["measure"], owner=cls.__name__, name="measure")
        n_dims = sizes.of(values["measure"]).get("n_dims")
        if values["offset"] is not None and n_dims != sizes["n_dims"]:
            raise ValueError(f"{cls.__name__}: offset must be as long as vectors of measure.")

    def __init__(
        self,
        measure: Any,
        gamma: float,
        sources: np.ndarray,
        places: np.ndarray,
        n_sources: int,
        offset: np.ndarray | None,
        vectors: np.ndarray | None,
        column_means: np.ndarray,
        scale: float,
    ) -> None:
        self.measure = measure
        self.gamma = gamma
        self.sources = sources
        self.places = places
        self.n_sources = n_sources
        self.offset = offset
        self.vectors = vectors
        self.column_means = column_means
        self.scale = scale

    @classmethod
    def of_sources(
        cls, measure: Any, labels: np.ndarray, wnids: np.ndarray | None, gamma: float, *, owner: str
    ) -> tuple[ClassKernel, np.ndarray]:
        """Return the kernel, and its matrix of the source classes, (n_sources, n_sources).

        Parameters
        ----------
        measure : LabelEmbedding or object with ``matrix``
            What is asked.
        labels : ndarray of shape (n_sources,)
            What the source classes are called.
        wnids : ndarray of shape (n_sources,), or None
            Their synsets, for what goes by these.
        gamma : float
            Of the RBF kernel of an embedding.
        owner : str
            For messages.
        """
        names = names_for(measure, labels, wnids)
        offset = vectors = None
        with warnings.catch_warnings():
            # The source classes' labels are nothing that the user can mend.
            warnings.simplefilter("ignore", LabelWarning)
            if isinstance(measure, LabelEmbedding):
                places = np.flatnonzero(measure.covers(names))
                if len(places):
                    raw = measure.embed(names[places]).astype(np.float64)
                    offset = raw.mean(axis=0)
                    vectors = centered_unit_rows(raw, offset)
                kernel = np.empty((0, 0)) if vectors is None else rbf_kernel(vectors, gamma=gamma)
            else:
                kernel = checked_matrix(measure, names, names, owner=owner)
                places = np.flatnonzero(~_is_constant(kernel))
                kernel = kernel[np.ix_(places, places)]
                kernel = (kernel + kernel.T) / 2
        means = kernel.mean(axis=0) if len(kernel) else np.zeros(0)
        centred = kernel - means - means[:, None] + (means.mean() if len(means) else 0.0)
        scale = float(np.diag(centred).mean()) if len(kernel) else 0.0
        if scale <= _ROUNDING * np.abs(kernel).max(initial=0.0):  # it tells no class from another
            places, kernel, centred, means = places[:0], kernel[:0, :0], kernel[:0, :0], means[:0]
            vectors = None if vectors is None else vectors[:0]
            scale = 1.0
        made = cls(measure, gamma, names[places], places, len(names), offset, vectors, means, scale)
        full = np.zeros((len(names), len(names)))
        full[np.ix_(places, places)] = centred / scale
        return made, full

    def rows(self, labels: np.ndarray, *, owner: str) -> tuple[np.ndarray, np.ndarray]:
        """Return the kernel of labels and source classes, and which labels it knows.

        Returns
        -------
        kernel : ndarray of shape (n_labels, n_sources)
            Rows of zeros for labels that it does not know.
        known : ndarray of bool of shape (n_labels,)
            Which it knows.
        """
        full = np.zeros((len(labels), self.n_sources))
        known = np.zeros(len(labels), dtype=bool)
        if not len(self.places):
            return full, known
        if self.vectors is None or self.offset is None:
            kernel = checked_matrix(self.measure, labels, self.sources, owner=owner)
            known = ~_is_constant(kernel)
        else:
            known = self.measure.covers(labels)
            raw = self.measure.embed(labels[known]).astype(np.float64)
            kernel = np.zeros((len(labels), len(self.places)))
            if known.any():
                vectors = centered_unit_rows(raw, self.offset)
                kernel[known] = rbf_kernel(vectors, self.vectors, gamma=self.gamma)
        means = kernel.mean(axis=1, keepdims=True)
        centred = (kernel - means - self.column_means + self.column_means.mean()) / self.scale
        full[:, self.places] = np.where(known[:, None], centred, 0.0)
        return full, known


def names_for(measure: Any, labels: np.ndarray, wnids: np.ndarray | None) -> np.ndarray:
    """Return what source classes are called for a measure: their synsets, if it goes by these."""
    by_synset = getattr(measure, "_by_synset", False)
    if isinstance(measure, WordNetSimilarity):
        by_synset = measure.taxonomy is None  # another one has identifiers of its own
    return wnids if by_synset and wnids is not None else labels


def _is_constant(rows: np.ndarray) -> np.ndarray:
    """Return which rows are as similar to all as to one: they say nothing."""
    if rows.shape[1] == 0:
        return np.ones(len(rows), dtype=bool)
    return np.ptp(rows, axis=1) <= _ROUNDING * np.abs(rows).max(axis=1)


class ClassRegression(Saved):
    r"""A fitted regression from kernels of classes to vectors of classes.

    Parameters
    ----------
    kernels : list of ClassKernel
        One for each embedding or similarity.
    weights : ndarray of shape (n_kernels,)
        Of the kernels; they sum to one.
    alpha : float
        The penalty.
    dual_coef : ndarray of shape (n_sources, n_outputs)
        :math:`(K + \alpha I)^{-1} (Y - \bar y)`.
    mean : ndarray of shape (n_outputs,)
        The mean vector of the source classes.
    """

    _constraints: ClassVar[Mapping[str, Any]] = {
        "kernels": Parts("n_kernels", Part(ClassKernel, sizes={"n_sources": "n_sources"})),
        "weights": Array("n_kernels", least=0),
        "alpha": Number(above=0),
        "dual_coef": Array("n_sources", "n_outputs"),
        "mean": Array("n_outputs"),
    }

    def __init__(
        self,
        kernels: list[ClassKernel],
        weights: np.ndarray,
        alpha: float,
        dual_coef: np.ndarray,
        mean: np.ndarray,
    ) -> None:
        self.kernels = kernels
        self.weights = weights
        self.alpha = alpha
        self.dual_coef = dual_coef
        self.mean = mean

    def predict(self, labels: np.ndarray, *, owner: str) -> np.ndarray:
        """Return the vectors of classes less the mean, (n_labels, n_outputs).

        Raises
        ------
        UnknownLabelError
            No kernel knows a label.
        """
        total = np.zeros((len(labels), len(self.dual_coef)))
        known = np.zeros(len(labels), dtype=bool)
        for kernel, weight in zip(self.kernels, self.weights, strict=True):
            if weight > 0:
                rows, knows = kernel.rows(labels, owner=owner)
                total += weight * rows
                known |= knows
        if not known.all():
            raise UnknownLabelError(
                labels[~known].tolist(),
                len(labels),
                owner=owner,
                what="description",
                remedy="Leave these labels out, spell them as the kernels know them, or pass "
                "kernels= with one that does, such as SentenceEmbedding(), which knows any text.",
            )
        return product(total, self.dual_coef)


def fit_class_regression(
    measures: Sequence[Any],
    labels: np.ndarray,
    wnids: np.ndarray | None,
    Y: np.ndarray,
    *,
    gamma: float,
    alpha: Any,
    weights: Any,
    owner: str,
) -> tuple[ClassRegression, float]:
    """Return the regression onto the rows of Y, and its leave-one-class-out error.

    Parameters
    ----------
    measures : sequence of LabelEmbedding or object with ``matrix``
        What says how alike classes are.
    labels : ndarray of shape (n_sources,)
        What the source classes are called.
    wnids : ndarray of shape (n_sources,), or None
        Their synsets.
    Y : ndarray of shape (n_sources, n_outputs)
        Their vectors.
    gamma : float
        Of the RBF kernel of embeddings.
    alpha : float or sequence of float
        The penalty, or those that are tried.
    weights : sequence of float, or "auto"
        Of the kernels, or all in steps of a quarter.
    owner : str
        For messages.

    Returns
    -------
    regression : ClassRegression
        With the penalty and the weights of the smallest error.
    error : float
        Of the source classes left out one at a time: their squared residuals over those of the mean
        of the other classes. NaN where there was nothing to choose.

    Raises
    ------
    ValueError
        There are fewer than two source classes, or no kernel knows two of them.
    """
    if len(labels) < 2:
        raise ValueError(
            f"{owner}: there is {len(labels)} source class, from which nothing can be learnt of "
            "others. Pass two or more, and better some dozens."
        )
    parts = [
        ClassKernel.of_sources(measure, labels, wnids, gamma, owner=owner) for measure in measures
    ]
    kernels, matrices = [kernel for kernel, _ in parts], [matrix for _, matrix in parts]
    if not any(len(kernel.places) for kernel in kernels):
        shown = ", ".join(map(repr, labels[:5].tolist()))
        raise ValueError(
            f"{owner}: no kernel tells the {len(labels)} source classes apart ({shown}, ...): "
            "their labels resolve to nothing. Name them in words that WordNet or a label embedding "
            "knows, give the SourceHead wnids, or pass kernels= that know them."
        )
    mean = Y.mean(axis=0)
    centred = Y - mean
    choices = list(weightings(weights, [bool(len(kernel.places)) for kernel in kernels]))
    alphas = [float(value) for value in np.atleast_1d(alpha)]
    if len(choices) == len(alphas) == 1:
        total = _mixed(matrices, choices[0])
        dual = solve_definite(total, centred, alphas[0])
        return ClassRegression(kernels, choices[0], alphas[0], dual, mean), float("nan")
    best: tuple[float, Any] = (np.inf, None)
    for given in choices:
        values, Q = positive_part(_mixed(matrices, given))
        projected = product(Q.T, centred)
        for value in alphas:
            error = left_out_error(values, Q, projected, centred, value)
            if error < best[0]:
                best = error, (given, value, values, Q, projected)
    given, value, values, Q, projected = best[1]
    dual = product(Q, projected / (values + value)[:, None])
    return ClassRegression(kernels, given, value, dual, mean), best[0]


def _mixed(matrices: list[np.ndarray], weights: np.ndarray) -> np.ndarray:
    total = np.zeros_like(matrices[0])
    for matrix, weight in zip(matrices, weights, strict=True):
        total += weight * matrix
    return total


def weightings(weights: Any, usable: list[bool]) -> Iterator[np.ndarray]:
    """Yield weights that sum to one: those given, or all in steps of a quarter.

    Examples
    --------
    >>> from zeroshot.estimators._class_regression import weightings
    >>> [weights.tolist() for weights in weightings("auto", [True, True])][:3]
    [[0.5, 0.5], [0.0, 1.0], [0.25, 0.75]]
    """
    if not isinstance(weights, str):
        given = np.asarray(weights, dtype=np.float64)
        yield given / given.sum()
        return
    places = np.flatnonzero(usable)
    equal = np.zeros(len(usable))
    equal[places] = 1 / len(places)
    yield equal  # the first of equals wins
    for steps in itertools.product(range(_PARTS + 1), repeat=len(places)):
        if sum(steps) == _PARTS and len(set(steps)) > 1:
            made = np.zeros(len(usable))
            made[places] = np.array(steps) / _PARTS
            yield made


def positive_part(K: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the positive eigenvalues of a kernel and their vectors, as columns.

    A similarity need not be positive semidefinite. What belongs to eigenvalues below 0 is left out,
    here and for new classes alike: it is the nearest kernel that is.
    """
    values, Q = eigh(K, check_finite=False)
    kept = values > _ROUNDING * max(np.abs(values).max(), 1e-300)
    return values[kept], Q[:, kept]


def solve_definite(K: np.ndarray, Y: np.ndarray, alpha: float) -> np.ndarray:
    """Return (K+ + alpha I)^-1 Y on the range of K+, the positive part of K.

    A kernel without negative eigenvalues, but for rounding, needs no decomposition.
    """
    rounding = _ROUNDING * max(np.abs(K).max(), 1e-300) * len(K)
    eye = np.eye(len(K))
    try:
        cho_factor(K + rounding * eye, lower=True, check_finite=False)
        return cho_solve(cho_factor(K + alpha * eye, lower=True, check_finite=False), Y)
    except LinAlgError:
        values, Q = positive_part(K)
        return product(Q, product(Q.T, Y) / (values + alpha)[:, None])


def left_out_error(
    values: np.ndarray, Q: np.ndarray, projected: np.ndarray, Y: np.ndarray, alpha: float
) -> float:
    """Return the squared residuals of rows left out in turn, over those of the others' mean.

    Parameters
    ----------
    values, Q : ndarray
        Positive eigenvalues of the centred kernel, and their vectors.
    projected : ndarray of shape (n_values, n_outputs)
        Q'Y.
    Y : ndarray of shape (n_rows, n_outputs)
        Centred.
    alpha : float
        The penalty.
    """
    n = len(Y)
    shrunk = values / (values + alpha)
    residuals = Y - product(Q * shrunk, projected)
    leverage = 1 / n + ((Q * Q) * shrunk).sum(axis=1)
    left_out = np.square(residuals).sum(axis=1) / np.maximum(1 - leverage, 1e-12) ** 2
    control = np.square(Y).sum() * (n / (n - 1)) ** 2
    return float(left_out.sum() / control) if control > 0 else 0.0


def scaled_to(rows: np.ndarray, length: float) -> np.ndarray:
    """Return rows of this length: ridge regression shrinks them; a row of zeros stays."""
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows * np.divide(length, norms, out=np.zeros_like(norms), where=norms > 0)


def check_kernels(kernels: Any, *, owner: str, name: str) -> None:
    """Raise unless `kernels` is an embedding, a similarity, or a list of such.

    Raises
    ------
    TypeError, ValueError
        It is something else, a matrix among them, or an empty list.
    """
    if isinstance(kernels, Sequence) and not len(kernels):
        raise ValueError(f"{owner}: {name} is empty. Pass [GlossEmbedding()], for example.")
    for kernel in as_list(kernels):
        has_matrix = hasattr(kernel, "matrix") or isinstance(kernel, LabelEmbedding)
        if isinstance(kernel, type) or not has_matrix:
            raise TypeError(
                f"{owner}: {name} must be label embeddings or objects with matrix(targets, "
                f"sources), such as [WordNetSimilarity(), GlossEmbedding()], got {kernel!r}. A "
                "matrix made beforehand would not fit other candidates."
            )
        check_inner(kernel)


def as_list(kernels: Any) -> list[Any]:
    """Return a list of kernels, given one or several."""
    return list(kernels) if isinstance(kernels, (list, tuple)) else [kernels]


def check_alpha(alpha: Any, *, owner: str, name: str) -> None:
    """Raise unless `alpha` is a penalty above 0, or a list of such."""
    is_list = isinstance(alpha, (list, tuple)) or (
        isinstance(alpha, np.ndarray) and alpha.ndim == 1
    )
    if is_list and not len(alpha):
        raise ValueError(f"{owner}: {name} is empty. Pass a number, or several to choose from.")
    for value in alpha if is_list else [alpha]:
        check_number(value, owner=owner, name=name, above=0)


def check_weights(weights: Any, *, owner: str, name: str) -> None:
    """Raise unless `weights` is ``"auto"`` or numbers that are not negative, not all 0."""
    if isinstance(weights, str) and weights == "auto":
        return
    is_list = isinstance(weights, (list, tuple)) or (
        isinstance(weights, np.ndarray) and weights.ndim == 1
    )
    if not is_list or isinstance(weights, Mapping):
        raise ValueError(
            f"{owner}: {name} must be 'auto' or one number for each kernel, got {weights!r}."
        )
    for value in weights:
        check_number(value, owner=owner, name=name, at_least=0)
    if not sum(weights) > 0:
        raise ValueError(f"{owner}: {name} must have a positive sum, got {list(weights)}.")
