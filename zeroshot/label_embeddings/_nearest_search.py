"""The search behind `nearest_labels`: rough cosines by torch, exact ones of the few that matter.

A block of the vocabulary is multiplied with the queries, and of every few adjacent labels only the
largest cosine is kept: what is written to memory is a sixteenth of the product. A label can be
among the best only where the largest cosine of its group reaches the k-th best known, within what
rounding may hide; the labels of those groups are looked at again in float32, and of these the few
that can still be among the best in float64, always in the same order of operations.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch

from zeroshot._torch import has_fast_bfloat16, to_tensor
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
    parts = [slice(s, s + _QUERY_BLOCK) for s in range(0, len(queries), _QUERY_BLOCK)]
    tensors = [to_tensor(queries[part].astype(np.float32), device) for part in parts]
    # A block takes every so manyeth row: frequent words alone would say little of how near rare
    # ones come to a query.
    n_blocks = -(-len(table) // block_size) if parts else 0
    for first in range(n_blocks):
        block = table[first::n_blocks]
        unit = _unit_block(block, device)
        if unit is None:
            raise _no_direction(block, names, range(first, len(table), n_blocks))
        groups = _grouped(unit, k)
        rough = groups.bfloat16() if _multiplies_in_bfloat16(device) else groups
        for part, tensor in zip(parts, tensors, strict=True):
            found = _candidates(groups, rough, tensor, best[part, -1], k)
            for query, row in _in_lots(found, len(block)):
                exact = _dots(queries[part], block, query, row)
                row = row * n_blocks + first
                rows[part], best[part] = _merge(rows[part], best[part], query, row, exact)
    return rows, best


def _grouped(unit: torch.Tensor, k: int) -> torch.Tensor:
    """Return rows in groups, (n_groups, size, n_dims), the last filled up by copies of its last."""
    # With few groups, the k-th best of their maxima says little of the k-th best label.
    size = _GROUP if len(unit) >= 4 * k * _GROUP else 1
    spare = -len(unit) % size
    if spare:
        unit = torch.cat([unit, unit[-1:].expand(spare, -1)])
    return unit.contiguous().view(-1, size, unit.shape[1])


def _candidates(
    groups: torch.Tensor, rough: torch.Tensor, queries: torch.Tensor, best: np.ndarray, k: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield positions of queries and rows of a block that may be among the best `k`, few at a time.

    Parameters
    ----------
    groups, rough : Tensor of shape (n_groups, size, n_dims)
        The block's vectors at unit length, in float32 and as they are multiplied.
    queries : Tensor of float32 of shape (n_queries, n_dims)
        At unit length.
    best : ndarray of shape (n_queries,)
        The k-th best cosine of each query in the blocks before; -inf where there were fewer.
    k : int
        How many are wanted.
    """
    # Bounds the rounding of a float32 sum of products of two unit vectors, generously.
    slack = 2 * (queries.shape[1] + 4) * torch.finfo(torch.float32).eps
    maxima = _group_maxima(rough, queries)
    floor = torch.from_numpy(best.astype(np.float32)).to(maxima.device)
    if len(maxima) >= k and not np.isfinite(best).all():
        floor = maxima.topk(k, dim=0).values[-1].float() - (_ROUGH + slack)
    least = (floor - (_ROUGH + slack)).to(maxima.dtype)
    group, query = (maxima >= least).nonzero(as_tuple=True)
    floor = floor - slack
    size = groups.shape[1]
    step = max(1, _AT_ONCE // groups[0].numel())
    for start in range(0, len(group), step):
        g, q = group[start : start + step], query[start : start + step]
        # Not a matrix product, which torch may be told to do in another precision.
        cosines = groups[g].mul_(queries[q][:, None]).sum(dim=2)
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


def _unit_block(block: np.ndarray, device: torch.device) -> torch.Tensor | None:
    """Return a block's rows at unit length in float32, or None where a row has no direction."""
    if block.dtype == np.float32:
        vectors = to_tensor(block, device)
        norms = torch.linalg.vector_norm(vectors, dim=1, keepdim=True)
        if norms.min() > 1e-12 and norms.max() < 1e18:  # false for NaN
            return vectors / norms
    if without_direction(block).size:
        return None
    return to_tensor(unit_rows(block).astype(np.float32), device)


def _no_direction(block: np.ndarray, names: Sequence, places: range) -> ValueError:
    name = names[places[int(without_direction(block)[0])]]
    return ValueError(
        f"nearest_labels: the vocabulary's vector of {name!r} is zero or holds NaN or infinity, "
        "and has no cosine. Leave such labels out."
    )
