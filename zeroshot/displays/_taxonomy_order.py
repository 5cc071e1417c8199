"""Classes in the order of the WordNet tree, and the blocks that they fall into."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from zeroshot.taxonomy._graph import noun_graph
from zeroshot.taxonomy._resolve import senses_of


@dataclass(frozen=True)
class Block:
    """A run of neighbouring classes.

    Attributes
    ----------
    name : str
        What all of them are.
    start, end : int
        The first place, and the one behind the last.
    """

    name: str
    start: int
    end: int


@dataclass(frozen=True)
class TaxonomyOrder:
    """Where classes stand.

    Attributes
    ----------
    order : ndarray of int of shape (n_classes,)
        Positions of the classes, as they stand in the tree; those without a synset come last.
    blocks : list of Block
        Of several classes with a synset each; what stands alone is in none.
    n_unknown : int
        How many have no synset.
    """

    order: np.ndarray
    blocks: list[Block]
    n_unknown: int


def taxonomy_order(
    labels: np.ndarray, synsets: Mapping[Any, Any] | None, *, max_blocks: int, owner: str
) -> TaxonomyOrder:
    """Walk the tree of the first hypernyms from its root, and cut it into blocks.

    Parameters
    ----------
    labels : ndarray of shape (n_classes,)
        Class names; without `synsets` their most frequent noun senses count.
    synsets : mapping of label to str or Synset, optional
        Wnids or nltk names.
    max_blocks : int
        At most so many parts, and half as many as classes: the largest is cut, again and again.
    owner : str
        For messages.

    Examples
    --------
    >>> import numpy as np
    >>> from zeroshot.displays._taxonomy_order import taxonomy_order
    >>> labels = np.array(["lion", "oboe", "qwrtz", "wolf", "flute"])
    >>> found = taxonomy_order(labels, None, max_blocks=2, owner="demo")
    >>> labels[found.order].tolist(), [block.name for block in found.blocks]
    (['wolf', 'lion', 'oboe', 'flute', 'qwrtz'], ['carnivore', 'woodwind'])
    """
    known = synsets or {}
    items = [known.get(label, label) for label in labels.tolist()]
    texts = [place for place, item in enumerate(items) if not isinstance(item, int)]
    senses = senses_of([items[place] for place in texts], owner=owner, name="labels", missing=True)
    nodes = {place: found[0] for place, found in zip(texts, senses, strict=True) if found}
    paths = {place: _path(node) for place, node in nodes.items()}
    inside = sorted(paths, key=lambda place: paths[place])
    outside = [place for place in range(len(items)) if place not in paths]
    blocks = _cut([paths[place] for place in inside], max_blocks) if inside else []
    return TaxonomyOrder(np.array(inside + outside, dtype=np.intp), blocks, len(outside))


def _path(node: int) -> tuple[int, ...]:
    """Return the synsets from the root to a synset, along first hypernyms."""
    graph = noun_graph()
    path = [int(node)]
    while graph.parent_starts[path[-1] + 1] > graph.parent_starts[path[-1]]:
        path.append(int(graph.parents[graph.parent_starts[path[-1]]]))
    return tuple(reversed(path))


def _cut(paths: list[tuple[int, ...]], max_blocks: int) -> list[Block]:
    """Cut sorted paths: the largest run that can be cut goes into its next different synsets.

    One is cut only if a part keeps several paths: of single ones the names say all.
    """
    whole = [(0, len(paths))]
    final: list[tuple[int, int]] = []
    most = min(max_blocks, max(2, len(paths) // 2))
    while whole:
        whole.sort(key=lambda run: run[0] - run[1])
        run = whole.pop(0)
        parts = _parts(paths, run)
        is_useful = len(parts) > 1 and any(end - start > 1 for start, end in parts)
        if is_useful and len(final) + len(whole) + len(parts) <= most:
            whole += parts
        else:
            final.append(run)
    return [
        Block(_name([paths[start], paths[end - 1]]), start, end)
        for start, end in sorted(final)
        if end - start > 1
    ]


def _common(first: tuple[int, ...], last: tuple[int, ...]) -> int:
    """Return how many synsets two paths share; of sorted paths, all between share them too."""
    pairs = enumerate(zip(first, last, strict=False))
    return next((depth for depth, (a, b) in pairs if a != b), min(len(first), len(last)))


def _parts(paths: list[tuple[int, ...]], run: tuple[int, int]) -> list[tuple[int, int]]:
    start, end = run
    depth = _common(paths[start], paths[end - 1])
    keys = [path[depth] if len(path) > depth else -1 for path in paths[start:end]]
    cuts = [place + 1 for place in range(len(keys) - 1) if keys[place] != keys[place + 1]]
    edges = [0, *cuts, len(keys)]
    return [(start + a, start + b) for a, b in zip(edges, edges[1:], strict=False)]


def _name(ends: list[tuple[int, ...]]) -> str:
    node = ends[0][_common(ends[0], ends[-1]) - 1] if _common(ends[0], ends[-1]) else ends[0][0]
    return noun_graph().name(node).rsplit(".", 2)[0].replace("_", " ")
