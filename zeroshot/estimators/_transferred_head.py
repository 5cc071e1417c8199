"""The nearest source classes of each target class, and their weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.preprocessing import normalize

from zeroshot._linear import class_sums
from zeroshot._utils._text_tables import aligned, html_table
from zeroshot._utils._validation import check_number
from zeroshot.backbones import SourceHead

RELATIONS = ("same", "included", "inclusive", "disjoint", "unknown")
PUBLISHED = ("included", "inclusive", "disjoint")
DEFAULT_NEIGHBORS = 10
"""What ``n_neighbors="auto"`` takes where there are not two images of a class to choose by."""

_STEPS = (1, 2, 5)


class NeighborTable(Sequence[dict[str, Any]]):
    """Which source classes a new head was made of; ``print`` shows a table, as a notebook does.

    A sequence of records, one for each target class: ``target``, ``relation``, ``sources`` and
    ``weights``, the largest weight first. ``pandas.DataFrame(table)`` takes it as it is.

    Parameters
    ----------
    records : sequence of dict
        One a target class.

    Examples
    --------
    >>> from zeroshot.estimators._transferred_head import NeighborTable
    >>> record = {"target": "lion", "relation": "disjoint", "sources": ["cat", "dog"]}
    >>> print(NeighborTable([{**record, "weights": [0.75, 0.25]}]))
    target  relation  sources
    lion    disjoint  0.75 cat | 0.25 dog
    """

    def __init__(self, records: Sequence[dict[str, Any]]) -> None:
        self._records = list(records)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return NeighborTable(self._records[index])
        return self._records[index]

    def __len__(self) -> int:
        return len(self._records)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter(self._records)

    def __str__(self) -> str:
        return aligned(self._rows())

    def _repr_html_(self) -> str:
        return html_table(self._rows())

    def _rows(self) -> list[tuple[str, ...]]:
        rows: list[tuple[str, ...]] = [("target", "relation", "sources")]
        for record in self._records:
            pairs = zip(record["weights"], record["sources"], strict=True)
            shown = [f"{weight:.2f} {source}" for weight, source in pairs]
            more = [f"and {len(shown) - 5} more"] if len(shown) > 5 else []
            rows.append((str(record["target"]), record["relation"], " | ".join(shown[:5] + more)))
        return rows

    def __repr__(self) -> str:
        return f"NeighborTable({len(self)} targets)"


def neighbor_table(
    targets: np.ndarray, relations: np.ndarray, weights: np.ndarray, sources: np.ndarray
) -> NeighborTable:
    """Return the table of the sources with a weight above zero."""
    records = []
    for target, relation, row in zip(targets.tolist(), relations.tolist(), weights, strict=True):
        order = np.argsort(-row, kind="stable")[: np.count_nonzero(row)]
        records.append(
            {
                "target": target,
                "relation": relation,
                "sources": sources[order].tolist(),
                "weights": row[order].tolist(),
            }
        )
    return NeighborTable(records)


def lonely_message(classes: np.ndarray, lonely: np.ndarray, *, mixed: bool, owner: str) -> str:
    """Say which of the classes are `lonely`, and what stands in their rows.

    `mixed` says whether class means are mixed into the rows of classes with images.
    """
    named = ", ".join(map(repr, classes[lonely][:10].tolist()))
    images = ", mixed with the mean of their images where there are any" if mixed else ""
    return (
        f"{owner}: {int(lonely.sum())} of {len(classes)} target classes resemble no source class "
        f"({named}): all their similarities are zero. Their rows are the mean of all source "
        f"rows{images}. Pass another similarity, such as InferenceSimilarity('soft')."
    )


def convex_weights(similarity: np.ndarray, n_neighbors: np.ndarray) -> np.ndarray:
    r"""Return :math:`\mathrm{sim}(i, j) / \sum_{j' \in N_i} \mathrm{sim}(i, j')`.

    Parameters
    ----------
    similarity : ndarray of shape (n_targets, n_sources)
        Not negative.
    n_neighbors : ndarray of shape (n_targets,)
        K of each target: :math:`N_i` are its K most similar sources, the earlier of equals.

    Returns
    -------
    ndarray of shape (n_targets, n_sources)
        Rows sum to one. A target without any similar source has zeros.
    """
    n_targets, n_sources = similarity.shape
    if (n_neighbors == n_sources).all():
        kept = np.array(similarity)
    else:
        order = np.argsort(-similarity, axis=1, kind="stable")
        ranks = np.empty_like(order)
        np.put_along_axis(ranks, order, np.arange(n_sources)[None], axis=1)
        kept = np.where(ranks < n_neighbors[:, None], similarity, 0)
    total = kept.sum(axis=1, keepdims=True)
    return np.divide(kept, total, out=np.zeros((n_targets, n_sources)), where=total > 0)


def check_neighbor_counts(n_neighbors: Any, *, owner: str, name: str) -> None:
    """Raise unless `n_neighbors` is a positive integer, or a dict of them by relation.

    Raises
    ------
    ValueError
        It is neither, or lacks a published relation, or has one that there is not.
    """
    if isinstance(n_neighbors, str):
        raise ValueError(
            f"{owner}: {name} must be an integer, 'auto', or a dict of integers by relation, "
            f"got {n_neighbors!r}."
        )
    counts = list(n_neighbors.values()) if isinstance(n_neighbors, Mapping) else [n_neighbors]
    if isinstance(n_neighbors, Mapping) and not (
        set(PUBLISHED) <= set(n_neighbors) <= set(RELATIONS)
    ):
        raise ValueError(
            f"{owner}: {name} must have the keys {', '.join(map(repr, PUBLISHED))}, and "
            f"may have 'same' and 'unknown', got {', '.join(map(repr, n_neighbors))}."
        )
    for k in counts:
        check_number(k, owner=owner, name=name, at_least=1, integer=True)


def check_n_neighbors(n_neighbors: Any, n_sources: int, *, owner: str) -> dict[str, int] | None:
    """Return K by relation, or None for ``"auto"``.

    Raises
    ------
    ValueError
        It is of another kind, lacks a relation, or a K is below 1 or above the number of sources.
    """
    if isinstance(n_neighbors, str):
        return None
    by_relation = isinstance(n_neighbors, Mapping)
    if by_relation:
        given = {"same": n_neighbors["included"], "unknown": n_neighbors["disjoint"]}
        wanted = {**given, **n_neighbors}
    else:
        wanted = dict.fromkeys(RELATIONS, n_neighbors)
    for relation, k in (n_neighbors if by_relation else wanted).items():
        if k > n_sources:
            whose = f" for {relation} classes" if by_relation else ""
            raise ValueError(
                f"{owner}: n_neighbors={k}{whose}, but the source head has only "
                f"{n_sources} classes. Pass at most {n_sources}."
            )
    return {relation: int(k) for relation, k in wanted.items()}


def relations_of(targets: np.ndarray, sources: np.ndarray) -> np.ndarray:
    """Return the taxonomy's relation of each target; ``"unknown"`` if it has no synset.

    Numbers have none, and sources without a synset are left out.
    """
    found = np.full(len(targets), "unknown", dtype="<U9")
    named, known_sources = _with_synset(targets), _with_synset(sources)
    if named.any() and known_sources.any():
        from zeroshot.taxonomy import relations

        found[named] = relations(targets[named], sources[known_sources])
    return found


def _with_synset(labels: np.ndarray) -> np.ndarray:
    from zeroshot.taxonomy._resolve import has_synset

    known = [isinstance(label, str) and has_synset(label) for label in labels.tolist()]
    return np.array(known, dtype=bool)


def neighbor_grid(n_sources: int) -> list[int]:
    """Return 1, 2, 5, 10, 20, 50, ... below the number of sources, and that number."""
    steps = (step * 10**power for power in range(9) for step in _STEPS)
    return [k for k in steps if k < n_sources] + [n_sources]


def default_n_neighbors(n_sources: int) -> dict[str, int]:
    """Return `DEFAULT_NEIGHBORS`, or as many as there are sources, for each relation."""
    return dict.fromkeys(RELATIONS, min(DEFAULT_NEIGHBORS, n_sources))


@dataclass(frozen=True)
class TransferRule:
    """How weights of source classes become rows of a new head.

    Attributes
    ----------
    source : SourceHead
        Whose rows are combined.
    normalize : "equal" or None
        Whether they are scaled to the mean norm of the source rows, without offsets.
    mixture : "means" or None
        Whether class means are mixed in; this scales them too.
    prior_images : float
        How many images a combined row counts as in the mixture.
    """

    source: SourceHead
    normalize: str | None
    mixture: str | None
    prior_images: float

    def combine(self, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return convex combinations of the source rows and of their offsets.

        Parameters
        ----------
        weights : ndarray of shape (n_classes, n_sources)
            A row of zeros stands for the mean of all source rows.
        """
        lonely = np.logical_not(weights.any(axis=1, keepdims=True))
        weights = np.where(lonely, 1 / weights.shape[1], weights)
        source = self.source
        return (
            weights @ source.coef.astype(np.float64),
            weights @ source.intercept.astype(np.float64),
        )

    def finish(
        self,
        coef: np.ndarray,
        intercept: np.ndarray,
        lonely: np.ndarray,
        X: np.ndarray | None,
        positions: np.ndarray,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return weights, (n_classes, n_features), and offsets, (n_classes,), of the new head.

        Parameters
        ----------
        coef, intercept : ndarray
            Of `combine`.
        lonely : ndarray of shape (n_classes,)
            Which classes have no neighbour: their rows keep their length.
        X : ndarray of shape (n_samples, n_features) or None
            Features of the images.
        positions : ndarray of shape (n_samples,)
            The row of each image's class.
        """
        if self.normalize is None and self.mixture is None:
            return coef, intercept
        norm = mean_norm(self.source.coef)
        coef = np.where(lonely[:, None], coef, normalize(coef) * norm)
        if self.mixture == "means" and X is not None and norm > 0:
            coef = blend_with_means(coef / norm, X, positions, self.prior_images)
            coef *= norm / mean_norm(coef)
        return coef, np.zeros(len(coef))


def mean_norm(coef: np.ndarray) -> float:
    """Return the mean Euclidean norm of the rows."""
    return float(np.linalg.norm(coef, axis=1).mean())


def blend_with_means(
    rows: np.ndarray, X: np.ndarray, positions: np.ndarray, prior_images: float
) -> np.ndarray:
    r"""Return :math:`\frac{n_i}{n_i+m}\mu_i/\sigma_\mu + \frac{m}{n_i+m}w_i/\sigma_w`.

    Parameters
    ----------
    rows : ndarray of shape (n_classes, n_features)
        The initialised rows :math:`w_i`, at unit length.
    X : ndarray of shape (n_samples, n_features)
        Features of the images.
    positions : ndarray of shape (n_samples,)
        The row of each image's class.
    prior_images : float
        m, how many images an initialised row counts as.

    Returns
    -------
    ndarray of shape (n_classes, n_features)
        A class without images keeps its initialised row.
    """
    X = normalize(X)
    sizes = np.bincount(positions, minlength=len(rows))
    means = normalize(class_sums(X, positions, len(rows)))
    present = sizes > 0
    share = np.divide(sizes, sizes + prior_images, out=np.zeros(len(rows)), where=present)[:, None]
    return share * means / spread(X, means[present]) + (1 - share) * rows / spread(X, rows)


def spread(X: np.ndarray, rows: np.ndarray) -> float:
    """Return the standard deviation of an image's scores over classes, averaged over images."""
    deviation = float((X @ rows.T).std(axis=1).mean())
    return deviation if deviation > 0 else 1.0
