"""Callbacks, called after each epoch of training."""

from __future__ import annotations

from typing import Any

from zeroshot._utils._validation import check_flag, check_number


class EarlyStopping:
    """Stop when the loss no longer falls, or an accuracy no longer rises.

    Parameters
    ----------
    patience : int, default=3
        Number of epochs without a better value after which training stops.
    min_delta : float, default=0.0
        Minimum decrease that counts as better.
    key : str, default="loss"
        Key to watch in the history: ``"loss"``, ``"metric"``, or a key that an earlier callback has
        written.
    greater_is_better : bool, default=False
        Whether higher values are better, as for ``"metric"`` if it is an accuracy.

    Examples
    --------
    >>> from zeroshot.callbacks import EarlyStopping
    >>> stop = EarlyStopping(patience=2)
    >>> losses = [3.0, 2.0, 2.5, 2.1]
    >>> [stop(None, [{"loss": loss} for loss in losses[:n]]) for n in range(1, 5)]
    [False, False, False, True]
    """

    def __init__(
        self,
        patience: int = 3,
        *,
        min_delta: float = 0.0,
        key: str = "loss",
        greater_is_better: bool = False,
    ) -> None:
        owner = type(self).__name__
        check_number(patience, owner=owner, name="patience", at_least=1, integer=True)
        check_number(min_delta, owner=owner, name="min_delta", at_least=0)
        check_flag(greater_is_better, owner=owner, name="greater_is_better")
        self.patience = patience
        self.min_delta = min_delta
        self.key = key
        self.greater_is_better = greater_is_better

    def __repr__(self) -> str:
        return (
            f"EarlyStopping({self.patience}, min_delta={self.min_delta}, key={self.key!r}, "
            f"greater_is_better={self.greater_is_better})"
        )

    def __call__(self, network: Any, history: list[dict[str, float]]) -> bool:
        """Return whether to stop.

        Raises
        ------
        ValueError
            The history does not have this key.
        """
        if self.key not in history[-1]:
            raise ValueError(
                f"EarlyStopping: the history has no {self.key!r}, but "
                f"{', '.join(map(repr, history[-1]))}. Pass one of these as key=."
            )
        best, waited = float("inf"), 0
        for entry in history:
            value = -entry[self.key] if self.greater_is_better else entry[self.key]
            best, waited = (value, 0) if value < best - self.min_delta else (best, waited + 1)
        return waited >= self.patience
