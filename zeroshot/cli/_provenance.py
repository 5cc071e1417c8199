"""The record beside every output: what made it, from what."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from zeroshot._record import made_now


def provenance(
    args: argparse.Namespace,
    *,
    weights: Mapping[str, str] | None = None,
    n_read: int | None = None,
    unreadable: Sequence[Mapping[str, str]] = (),
    other_files: Mapping[str, int] | None = None,
    **more: Any,
) -> dict[str, Any]:
    """Return what is known of how an output came about, as JSON knows it.

    Parameters
    ----------
    args : Namespace
        With ``argv``, and ``seed`` where there is one.
    weights : mapping of str to str, optional
        SHA-256 of the weights of each network, by its name.
    n_read : int, optional
        Images that were read.
    unreadable : sequence of mapping
        With ``path`` and ``error``, for each image that was skipped.
    other_files : mapping of str to int, optional
        How many files beside the images have which ending, and were not read.
    **more : object
        What else there is to say, JSON-able.

    Returns
    -------
    dict
        With ``command``, ``date``, ``versions``, ``platform``, ``seeds``, ``weights``, ``images``,
        and `more`.
    """
    record: dict[str, Any] = {
        "command": shlex.join(["zeroshot", *args.argv]),
        **made_now(),
        "seeds": {"seed": args.seed} if hasattr(args, "seed") else {},
        "weights": dict(weights or {}),
    }
    if n_read is not None:
        skipped = [dict(entry) for entry in unreadable]
        record["images"] = {"read": n_read, "skipped": len(skipped), "unreadable": skipped}
        if other_files:
            record["images"]["other_files"] = dict(other_files)
    return record | more
