"""Similarity of concepts in WordNet's noun graph, for whole matrices."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar

import numpy as np
from sklearn.base import BaseEstimator

from zeroshot._utils._constraints import Checked, Instance, Maybe, OneOf, ParametersMixin
from zeroshot._utils._doc_links import DocLinkMixin
from zeroshot._utils._renamed import revalued
from zeroshot._utils._saving import SavedEstimator
from zeroshot.exceptions import Remedy
from zeroshot.taxonomy import Synset, Taxonomy
from zeroshot.taxonomy._distances import (
    FAR,
    common_ancestors,
    distance_table,
    intrinsic_information,
    shortest_paths,
    top_common,
)
from zeroshot.taxonomy._graph import noun_graph, using
from zeroshot.taxonomy._resolve import senses_of


def _path_of_length(longest: int) -> np.ndarray:
    return np.array([1.0 / (length + 1) for length in range(longest + 1)])


def _lch_of_length(longest: int) -> np.ndarray:
    depth = int(noun_graph().max_depths.max())
    return np.array([-math.log((length + 1) / (2.0 * depth)) for length in range(longest + 1)])


def _resnik(
    first: np.ndarray, second: np.ndarray, shared: np.ndarray, same: np.ndarray
) -> np.ndarray:
    return shared


def _jiang_conrath(
    first: np.ndarray, second: np.ndarray, shared: np.ndarray, same: np.ndarray
) -> np.ndarray:
    difference = first + second - 2 * shared
    with np.errstate(divide="ignore"):
        similarity = np.where(difference == 0, IDENTICAL, 1 / difference)
    similarity[(first == 0) | (second == 0)] = 0
    similarity[same] = IDENTICAL
    return similarity


def _lin(first: np.ndarray, second: np.ndarray, shared: np.ndarray, same: np.ndarray) -> np.ndarray:
    total = first + second
    return np.divide(2.0 * shared, total, out=np.zeros_like(total), where=total != 0)


IDENTICAL = 1e300
"""What nltk has for the Jiang-Conrath similarity of a synset to itself, and for log 0."""

OF_LENGTH: dict[str, Callable[[int], np.ndarray]] = {
    "path": _path_of_length,
    "lch": _lch_of_length,
}
OF_INFORMATION: dict[str, Callable[..., np.ndarray]] = {
    "res": _resnik,
    "jcn": _jiang_conrath,
    "lin": _lin,
}
NOT_WUP = (
    "'wup' is nltk's Wu-Palmer, by which many synsets are nearer to others than to themselves. "
    + Remedy(
        "Write measure='wup_nltk' for it, or measure='path', the default.",
        option="Write --measure wup_nltk for it, or --measure path, the default.",
    )
)
MEASURES = (*OF_LENGTH, *OF_INFORMATION, "wup_nltk")


_BLOCK = 1 << 24
"""Pairs of rows that are held at once."""


def check_names(overrides: Any, *, owner: str, name: str) -> None:
    """Raise unless `overrides` is a dict."""
    if not isinstance(overrides, Mapping):
        raise TypeError(
            f"{owner}: {name} must be a dict from labels to wnids or nltk names, got "
            f"{overrides!r}. Pass class_synsets('cifar100'), for example."
        )


def check_counts(content: Any, *, owner: str, name: str) -> None:
    """Raise unless `content` holds counts of nouns in nltk's format."""
    remedy = "Pass what nltk's WordNetICCorpusReader.ic reads."
    if not isinstance(content, Mapping) or "n" not in content:
        raise ValueError(
            f"{owner}: {name} must be None or a dict with counts of nouns, "
            f"{{'n': {{offset: count}}}}, got {type(content).__name__}. {remedy}"
        )
    counts = content["n"]
    if not isinstance(counts, Mapping):
        raise ValueError(
            f"{owner}: {name}['n'] must be a dict from offsets to counts, got {counts!r}. {remedy}"
        )
    if not counts.get(0, 0) > 0:
        raise ValueError(
            f"{owner}: {name}['n'] must hold the total count under 0, got {counts.get(0)!r}. "
            f"{remedy}"
        )


@revalued(measure={"wup": "wup_nltk"})
class WordNetSimilarity(DocLinkMixin, SavedEstimator, ParametersMixin, BaseEstimator):
    r"""Similarity of nouns by their positions in WordNet 3.0 or another taxonomy.

    Let :math:`c` be the least common subsumer of :math:`a` and :math:`b`, :math:`d(a, b)` the
    length of the shortest path between them through a common ancestor, and IC the information
    content:

    - ``"path"``: :math:`1 / (1 + d(a, b))`
    - ``"lch"``: :math:`-\log((1 + d(a, b)) / 38)`
    - ``"res"``: :math:`IC(c)`
    - ``"jcn"``: :math:`1 / (IC(a) + IC(b) - 2 IC(c))`
    - ``"lin"``: :math:`2 IC(c) / (IC(a) + IC(b))`
    - ``"wup_nltk"``: :math:`2 D / (d(a, c) + d(b, c) + 2 D)` with :math:`D` the depth of c

    With the same information content, the results of all six are identical to nltk's, bit for bit.

    Parameters
    ----------
    measure : {"path", "lch", "res", "jcn", "lin", "wup_nltk"}, default="path"
        Shortest path; Leacock and Chodorow; Resnik; Jiang and Conrath; Lin; Wu and Palmer. With
        ``"path"``, every synset is nearest to itself, with similarity 1. ``"wup_nltk"`` is for
        reproducing results that were published with nltk.
    information_content : dict, optional
        For ``"res"``, ``"jcn"`` and ``"lin"``: counts in nltk's format, ``{"n": {offset: count, 0:
        total}}``. None means intrinsic information content (Seco et al. 2004), which needs no
        corpus.
    overrides : mapping of label to str, optional
        The wnid or nltk name that a label stands for, such as ``class_synsets("cifar100")``.
    senses : {"first", "nearest"}, default="first"
        How all other class names are read. ``"first"`` takes the most frequent sense, as `resolve`
        does. ``"nearest"`` takes all senses, and the similarity is that of the nearest sense.
    on_missing : {"raise", "zero"}, default="raise"
        What to do with a label that has no noun synset: raise `UnknownLabelError`, or give it
        similarity 0 to everything.
    taxonomy : Taxonomy, optional
        Taxonomy in which labels are looked up; WordNet 3.0 if None.

    See Also
    --------
    zeroshot.taxonomy.resolve : How class names become synsets.

    Notes
    -----
    ``"wup_nltk"`` differs from the textbook's Wu-Palmer similarity. Among the common ancestors with
    the largest *min* depth, c is a itself if a is one of them, else the alphabetically first. D is
    the *max* depth of c plus one. The path of :math:`d(a, c)` may pass above c. Therefore a
    synset's similarity to itself is not always 1: 90 of the 1,000 ImageNet classes are nearer to
    another class than to themselves. The measure is also not always symmetric. ``"jcn"`` of a
    synset to itself is 1e300. ``"lin"`` of two synsets without any information is 0; nltk divides
    by zero there.

    References
    ----------
    Wu and Palmer (1994), "Verb semantics and lexical selection", ACL. Leacock and Chodorow (1998),
    "Combining local context and WordNet similarity for word sense identification". Resnik (1995),
    IJCAI. Jiang and Conrath (1997), ROCLING. Lin (1998), ICML. Seco, Veale and Hayes (2004), ECAI.

    Examples
    --------
    >>> from zeroshot.similarity import WordNetSimilarity
    >>> similarity = WordNetSimilarity()
    >>> similarity.matrix(["lion", "pickup_truck"], ["n02129604", "dog.n.01", "truck"]).round(3)
    array([[0.333, 0.167, 0.053],
           [0.05 , 0.071, 0.5  ]])
    """

    _constraints: ClassVar[Mapping[str, Any]] = {
        "measure": OneOf(*MEASURES),
        "information_content": Maybe(Checked(check_counts)),
        "overrides": Maybe(Checked(check_names)),
        "senses": OneOf("first", "nearest"),
        "on_missing": OneOf("raise", "zero"),
        "taxonomy": Maybe(
            Instance(Taxonomy, what="a Taxonomy", remedy="Pass Taxonomy.from_nltk(reader).")
        ),
    }

    def __init__(
        self,
        measure: str = "path",
        *,
        information_content: Mapping[str, Mapping[int, float]] | None = None,
        overrides: Mapping[str, str] | None = None,
        senses: str = "first",
        on_missing: str = "raise",
        taxonomy: Taxonomy | None = None,
    ) -> None:
        self.measure = measure
        self.information_content = information_content
        self.overrides = overrides
        self.senses = senses
        self.on_missing = on_missing
        self.taxonomy = taxonomy

    def matrix(self, targets: Any, sources: Any) -> np.ndarray:
        """Return the similarity of each target to each source.

        Parameters
        ----------
        targets : array-like of shape (n_targets,)
            Class names, synonym lists, wnids, nltk names, or `Synset` objects.
        sources : array-like of shape (n_sources,)
            Labels of the same kinds.

        Returns
        -------
        ndarray of float64 of shape (n_targets, n_sources)
            Row i, column j is nltk's ``target_i.path_similarity(source_j)``, and so on.

        Raises
        ------
        UnknownLabelError
            A name has no noun synset, and ``on_missing="raise"``. The message gives the name and
            near matches.
        ValueError
            A parameter is not one of its options, or `information_content` has no nouns.
        TypeError
            `targets` or `sources` is not a list, or `overrides` is not a mapping.
        """
        if self.measure == "wup":
            raise ValueError("WordNetSimilarity: measure=" + NOT_WUP)
        self._check_parameters()
        counts = (self.information_content or {}).get("n")
        with using(None if self.taxonomy is None else self.taxonomy.graph):
            rows, columns = self._senses(targets, "targets"), self._senses(sources, "sources")
            result = np.zeros((len(rows), len(columns)))
            known_rows, known_columns = ([i for i, s in enumerate(x) if s] for x in (rows, columns))
            if known_rows and known_columns:
                known = self._of_senses(
                    [rows[i] for i in known_rows], [columns[i] for i in known_columns], counts
                )
                result[np.ix_(known_rows, known_columns)] = known
        return result

    def _of_senses(
        self, rows: list[list[int]], columns: list[list[int]], counts: Mapping[int, float] | None
    ) -> np.ndarray:
        """Return the similarity of the nearest senses, (n_rows, n_columns)."""
        nodes, starts = _flat(rows)
        distinct, place = np.unique(_flat(columns)[0], return_inverse=True)
        step = max(1, _BLOCK // len(distinct))
        parts = [
            _block(self.measure, nodes[start : start + step], distinct, counts)
            for start in range(0, len(nodes), step)
        ]
        near = np.maximum.reduceat(np.concatenate(parts), starts, axis=0)
        return np.maximum.reduceat(near[:, place.reshape(-1)], _flat(columns)[1], axis=1)

    def _senses(self, items: Any, name: str) -> list[list[int]]:
        """Return the senses of each item that count; an empty list if it has none."""
        items = replace_names(items, self.overrides)
        missing = self.on_missing == "zero"
        found = senses_of(items, owner="WordNetSimilarity", name=name, missing=missing)
        return found if self.senses == "nearest" else [senses[:1] for senses in found]


def _flat(senses: list[list[int]]) -> tuple[np.ndarray, np.ndarray]:
    """Return all senses in one array, and the start of each item's senses."""
    lengths = [len(nodes) for nodes in senses]
    return np.concatenate(senses).astype(np.int64), np.cumsum([0, *lengths[:-1]])


def _block(
    measure: str, rows: np.ndarray, columns: np.ndarray, counts: Mapping[int, float] | None
) -> np.ndarray:
    shared = common_ancestors(rows, columns)
    first, second = distance_table(rows, shared), distance_table(columns, shared)
    if measure == "wup_nltk":
        return wu_palmer(rows, columns, shared, first, second)
    if measure in ("path", "lch"):
        lengths = shortest_paths(first, second)
        # A synset has distance 0 to itself; for any other pair this is already 1 or more.
        return OF_LENGTH[measure](int(lengths.max()))[lengths]
    information = _information(shared, counts)
    best = top_common(first, second, np.argsort(information, kind="stable"))
    of_rows, of_columns = _information(rows, counts), _information(columns, counts)
    return OF_INFORMATION[measure](
        of_rows[:, None], of_columns, information[best], rows[:, None] == columns
    )


def replace_names(items: Any, overrides: Mapping[str, str] | None) -> Any:
    """Return a list of labels with `overrides` applied; anything else is returned unchanged.

    Raises
    ------
    TypeError
        `overrides` is not a mapping.
    """
    if overrides is None or isinstance(items, (str, bytes)) or not isinstance(items, Iterable):
        return items
    return [item if isinstance(item, Synset) else overrides.get(item, item) for item in items]


def _information(nodes: np.ndarray, counts: Mapping[int, float] | None) -> np.ndarray:
    """Return information content: intrinsic, or -log(count / total) as nltk computes it."""
    if counts is None:
        return intrinsic_information(nodes)
    offsets = noun_graph().offsets[nodes].tolist()
    total = counts[0]
    return np.array(
        [-math.log(c / total) if c else IDENTICAL for c in (counts.get(o, 0) for o in offsets)]
    )


def wu_palmer(
    rows: np.ndarray,
    columns: np.ndarray,
    shared: np.ndarray,
    first: np.ndarray,
    second: np.ndarray,
) -> np.ndarray:
    """Return Wu-Palmer similarities as nltk computes them.

    Parameters
    ----------
    rows, columns : ndarray of int of shape (n_rows,), (n_columns,)
        Synsets; `columns` are distinct.
    shared : ndarray of int of shape (n_shared,)
        Their common ancestors, ascending.
    first, second : ndarray of shape (n_rows, n_shared), (n_columns, n_shared)
        Distances to these ancestors, from `distance_table`.

    Returns
    -------
    ndarray of float64 of shape (n_rows, n_columns)
        2D / (len1 + len2 + 2D).
    """
    graph = noun_graph()
    names = np.array([graph.name(node) for node in shared.tolist()], dtype=object)
    by_name = np.argsort(names, kind="stable")[::-1]
    lowest = graph.min_depths[shared]
    best = top_common(first, second, by_name[np.argsort(lowest[by_name], kind="stable")])
    own = np.searchsorted(shared, rows)
    own[own == len(shared)] = 0
    # Among common ancestors of the same min_depth, the synset of the row itself comes first.
    is_shared = shared[own] == rows
    own_common = is_shared[:, None] & (second[:, own] < FAR).T
    best = np.where(own_common & (lowest[own][:, None] == lowest[best]), own[:, None], best)
    up = distance_table(shared, shared)
    len1 = np.take_along_axis(_to_ancestors(rows, first, shared, up), best, axis=1)
    len2 = np.take_along_axis(_to_ancestors(columns, second, shared, up), best.T, axis=1).T
    depth = graph.max_depths[shared].astype(np.int64)[best] + 1
    return (2.0 * depth) / (len1 + depth + len2 + depth)


def _to_ancestors(
    nodes: np.ndarray, table: np.ndarray, shared: np.ndarray, up: np.ndarray
) -> np.ndarray:
    """Return the distance of each ancestor of a synset, including paths that pass above it.

    A path up to an ancestor of the ancestor and down again can be shorter than the direct path.
    """
    lengths = table.astype(np.int64)
    rows, places = np.nonzero(table < FAR)
    # For each pair of a synset and its ancestor, all ancestors of that ancestor, in flat arrays.
    below, above = np.nonzero(up < FAR)
    starts = np.searchsorted(below, np.arange(len(shared) + 1))
    repeats = np.diff(starts)[places]
    first = np.repeat(starts[places] - (np.cumsum(repeats) - repeats), repeats)
    via = above[first + np.arange(repeats.sum())]
    ways = lengths[np.repeat(rows, repeats), via] + up[np.repeat(places, repeats), via]
    if repeats.size:
        lengths[rows, places] = np.minimum.reduceat(ways, np.cumsum(repeats) - repeats)
    return lengths
