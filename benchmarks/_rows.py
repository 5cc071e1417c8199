"""What every benchmark gives: rows of ours, a peer and their ratio, timed in turns in one run."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from statistics import median

HEADER = f"{'what':<52}{'peer':<34}{'ours, s':>10}{'peer, s':>11}{'ratio':>8}{'reach':>7}"


@dataclass(frozen=True)
class Row:
    """One comparison.

    Attributes
    ----------
    what : str
        The work that both do.
    peer : str
        Whom ours is compared with.
    ours_seconds, peer_seconds : float
        Medians over the turns.
    reach : float, optional
        The ratio to be reached.
    note : str
        How near the results are.
    """

    what: str
    peer: str
    ours_seconds: float
    peer_seconds: float
    reach: float | None = None
    note: str = ""

    @property
    def ratio(self) -> float:
        """How many times as long the peer takes."""
        return self.peer_seconds / self.ours_seconds

    def __str__(self) -> str:
        times = f"{self.ours_seconds:10.4f}{self.peer_seconds:11.4f}{self.ratio:8.1f}"
        reach = f"{self.reach:7.1f}" if self.reach is not None else " " * 7
        return f"{self.what:<52}{self.peer:<34}{times}{reach}  {self.note}".rstrip()


def print_rows(rows: Iterable[Row]) -> None:
    """Print a header, and each row as soon as it is there."""
    print(HEADER)
    for row in rows:
        print(row, flush=True)


def medians_in_turns(sides: Mapping[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    """Return the median time of each side in seconds; all take turns, `repeats` times."""
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(repeats):
        for name, side in sides.items():
            seconds[name].append(seconds_of(side))
    return {name: median(times) for name, times in seconds.items()}


def seconds_of(call: Callable[[], object]) -> float:
    """Return how long a call takes."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start
