"""The search behind `nearest_labels`: rough cosines first, then exact ones of a few.

A block of the vocabulary is multiplied with the queries, and of every few adjacent labels only the
largest cosine is kept: what is written to memory is a sixteenth of the product. A label can be
among the best only where the largest cosine of its group reaches the k-th best known, within what
rounding may hide; the labels of those groups are looked at again in float32, and of these the few
that can still be among the best in float64, always in the same order of operations.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import NamedTuple

import numpy as np
import torch

from zeroshot._utils._device import has_fast_bfloat16, to_tensor
from zeroshot.label_embeddings._nearest import unit_rows, without_direction

_GROUP = 16
"""Adjacent labels that share one rough cosine."""

_QUERY_BLOCK = 1024

_ROUGH = 0.01
"""Bounds what a rough cosine loses to numbers that are float32, TF32 or bfloat16 when multiplied.

Rounding to bfloat16 changes each factor, the sum, and what it is compared with, by at most one part
in 512.
"""

_IN_CACHE = 2**20
"""Rough cosines computed at a time on a CPU: they are reduced before they leave its cache."""

_AT_ONCE = 2**20
"""Figures that a step of the second look, or of the exact one, may hold."""


class _Block(NamedTuple):
    """Rows of a table: as they are, where they stand, and at unit length in groups, twice."""

    vectors: np.ndarray
    places: range
    groups: torch.Tensor
    """Float32 (n_groups, size, n_dims); the last one is filled up by copies of its last row."""
    rough: torch.Tensor
    """The same as they are multiplied."""


def search(
    queries: np.ndarray,
    names: Sequence,
    table: np.ndarray,
    k: int,
    *,
    block_size: int,
    device: torch.device,
) -> tuple[np.ndarray, np.ndarray]:
    """Return rows of `table` and cosines of the best `k`, best first, of unit float64 queries."""
    rows = np.full((len(queries), k), len(table), dtype=np.intp)
    best = np.full((len(queries), k), -np.inf)
    n_threads = _n_threads(device)
    parts = [
        (rows[part], best[part], queries[part], to_tensor(queries[part].astype(np.float32), device))
        for part in _parts(len(queries), n_threads)
    ]
    # A block takes every so manyeth row: frequent words alone would say little of how near rare
    # ones come to a query.
    n_blocks = -(-len(table) // block_size) if parts else 0
    with _each_in_a_thread(n_threads) as run:
        for first in range(n_blocks):
            places = range(first, len(table), n_blocks)
            run(partial(_look, _read_block(table, names, places, k, device)), parts)
    return rows, best


def _look(block: _Block, part: tuple[np.ndarray, np.ndarray, np.ndarray, torch.Tensor]) -> None:
    """Bring rows and cosines of a part's best up to date, in place."""
    rows, best, queries, tensor = part
    for query, row in _in_lots(_candidates(block, tensor, best), len(block.places)):
        exact = _dots(queries, block.vectors, query, row)
        row = row * block.places.step + block.places.start
        rows[:], best[:] = _merge(rows, best, query, row, exact)


def _n_threads(device: torch.device) -> int:
    return torch.get_num_threads() if device.type == "cpu" else 1


def _parts(n_queries: int, n_threads: int) -> list[slice]:
    """Return as many parts of the queries for each thread, each of `_QUERY_BLOCK` at most."""
    per_thread = -(-n_queries // (n_threads * _QUERY_BLOCK))
    edges = np.linspace(0, n_queries, n_threads * per_thread + 1).astype(int).tolist()
    return [slice(a, b) for a, b in zip(edges, edges[1:], strict=False) if a < b]


@contextmanager
def _each_in_a_thread(n_threads: int) -> Iterator[Callable[[Callable, Iterable], list]]:
    """Yield what calls a function of many things, each in one of so many threads.

    In each of them torch uses no others: threads that wait for one another after every small
    product take many times as long where the machine has other work.
    """
    if n_threads == 1:
        yield lambda function, things: [function(thing) for thing in things]
        return
    before = torch.get_num_threads()
    try:
        # It is a thread's own setting, but for threads yet to come, which take the last one made.
        with ThreadPoolExecutor(
            n_threads, initializer=torch.set_num_threads, initargs=(1,)
        ) as pool:
            yield lambda function, things: list(pool.map(function, things))
    finally:
        torch.set_num_threads(before)


def _candidates(
    block: _Block, queries: torch.Tensor, best: np.ndarray
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield positions of queries and rows of a block that may be among the best, few at a time.

    Parameters
    ----------
    block : _Block
        Where to look.
    queries : Tensor of float32 of shape (n_queries, n_dims)
        At unit length.
    best : ndarray of shape (n_queries, k)
        The best cosines of each query in the blocks before, -inf in the places of those to come.
    """
    k = best.shape[1]
    # Bounds the rounding of a float32 sum of products of two unit vectors, generously.
    slack = 2 * (queries.shape[1] + 4) * torch.finfo(torch.float32).eps
    maxima = _group_maxima(block.rough, queries)
    floor = torch.from_numpy(best[:, -1].astype(np.float32)).to(maxima.device)
    if len(maxima) >= k and not np.isfinite(best[:, -1]).all():
        floor = maxima.topk(k, dim=0).values[-1].float() - (_ROUGH + slack)
    least = (floor - (_ROUGH + slack)).to(maxima.dtype)
    group, query = (maxima >= least).nonzero(as_tuple=True)
    floor = floor - slack
    size = block.groups.shape[1]
    step = max(1, _AT_ONCE // block.groups[0].numel())
    for start in range(0, len(group), step):
        g, q = group[start : start + step], query[start : start + step]
        # Not a matrix product, which torch may be told to do in another precision.
        cosines = block.groups[g].mul_(queries[q][:, None]).sum(dim=2)
        pair, member = (cosines >= floor[q][:, None]).nonzero(as_tuple=True)
        yield q[pair].cpu().numpy(), (g[pair] * size + member).cpu().numpy()


def _group_maxima(rough: torch.Tensor, queries: torch.Tensor) -> torch.Tensor:
    """Return the largest rough cosine of each group to each query, (n_groups, n_queries)."""
    n_groups, size, n_dims = rough.shape
    n_queries = len(queries)
    factor = queries.T.contiguous().to(rough.dtype)
    at_once = _IN_CACHE if rough.device.type == "cpu" else 16 * _IN_CACHE
    step = min(n_groups, max(1, at_once // (size * n_queries)))
    product = rough.new_empty(step * size, n_queries)
    maxima = rough.new_empty(n_groups, n_queries)
    for start in range(0, n_groups, step):
        rows = rough[start : start + step].view(-1, n_dims)
        cosines = torch.mm(rows, factor, out=product[: len(rows)]).view(-1, size, n_queries)
        torch.amax(cosines, 1, out=maxima[start : start + step])
    return maxima


def _in_lots(
    found: Iterator[tuple[np.ndarray, np.ndarray]], n_rows: int, size: int = 2**18
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield what was found in lots of about `size`, less the copies of the last of `n_rows`."""
    queries, rows, count = [], [], 0
    for query, row in found:
        queries.append(query[row < n_rows])
        rows.append(row[row < n_rows])
        count += len(rows[-1])
        if count >= size:
            yield np.concatenate(queries), np.concatenate(rows)
            queries, rows, count = [], [], 0
    if count:
        yield np.concatenate(queries), np.concatenate(rows)


def _multiplies_in_bfloat16(device: torch.device) -> bool:
    return device.type == "cpu" and has_fast_bfloat16(device)


def _dots(queries: np.ndarray, block: np.ndarray, query: np.ndarray, row: np.ndarray) -> np.ndarray:
    """Return float64 dot products of pairs, each summed up in the same order (BLAS does not)."""
    dots = np.empty(len(query))
    step = max(1, _AT_ONCE // queries.shape[1])
    for start in range(0, len(query), step):
        part = slice(start, start + step)
        dots[part] = (queries[query[part]] * unit_rows(block[row[part]])).sum(axis=1)
    return dots


def _merge(
    rows: np.ndarray, best: np.ndarray, query: np.ndarray, row: np.ndarray, exact: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Merge candidates into the best (n_queries, k) of before; equal ones by their rows."""
    n_queries, k = best.shape
    query = np.concatenate([np.repeat(np.arange(n_queries), k), query])
    row = np.concatenate([rows.ravel(), row])
    exact = np.concatenate([best.ravel(), exact])
    order = np.lexsort((row, -exact, query))
    counts = np.bincount(query, minlength=n_queries)
    chosen = order[(np.cumsum(counts) - counts)[:, None] + np.arange(k)]
    return row[chosen], exact[chosen]


def _read_block(
    table: np.ndarray, names: Sequence, places: range, k: int, device: torch.device
) -> _Block:
    """Return the rows of a table at some places.

    Raises
    ------
    ValueError
        A row has no direction.
    """
    vectors = table[places.start :: places.step]
    unit = _unit(vectors, device)
    if unit is None:
        name = names[places[int(without_direction(vectors)[0])]]
        raise ValueError(
            f"nearest_labels: the vocabulary's vector of {name!r} is zero or holds NaN or "
            "infinity, and has no cosine. Leave such labels out."
        )
    # With few groups, the k-th best of their maxima says little of the k-th best label.
    size = _GROUP if len(unit) >= 4 * k * _GROUP else 1
    spare = -len(unit) % size
    if spare:
        unit = torch.cat([unit, unit[-1:].expand(spare, -1)])
    groups = unit.contiguous().view(-1, size, unit.shape[1])
    rough = groups.bfloat16() if _multiplies_in_bfloat16(device) else groups
    return _Block(vectors, places, groups, rough)


def _unit(vectors: np.ndarray, device: torch.device) -> torch.Tensor | None:
    """Return rows at unit length in float32, or None where one has no direction."""
    if vectors.dtype == np.float32:
        tensor = to_tensor(vectors, device)
        norms = torch.linalg.vector_norm(tensor, dim=1, keepdim=True)
        if norms.min() > 1e-12 and norms.max() < 1e18:  # false for NaN
            return tensor / norms
    if without_direction(vectors).size:
        return None
    return to_tensor(unit_rows(vectors).astype(np.float32), device)
