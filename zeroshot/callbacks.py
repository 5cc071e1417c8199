"""What may be called after each epoch of training."""

from __future__ import annotations

from typing import Any

from zeroshot._validation import check_number


class EarlyStopping:
    """Stop when the loss no longer falls.

    Parameters
    ----------
    patience : int, default=3
        After how many epochs without a better value.
    min_delta : float, default=0.0
        By how much a value must be lower to be better.
    key : str, default="loss"
        What to watch in the history: ``"loss"``, ``"metric"`` (of which less is better here, too),
        or what an earlier callback has written there.

    Examples
    --------
    >>> from zeroshot.callbacks import EarlyStopping
    >>> stop = EarlyStopping(patience=2)
    >>> losses = [3.0, 2.0, 2.5, 2.1]
    >>> [stop(None, [{"loss": loss} for loss in losses[:n]]) for n in range(1, 5)]
    [False, False, False, True]
    """

    def __init__(self, patience: int = 3, *, min_delta: float = 0.0, key: str = "loss") -> None:
        owner = type(self).__name__
        check_number(patience, owner=owner, name="patience", at_least=1, integer=True)
        check_number(min_delta, owner=owner, name="min_delta", at_least=0)
        self.patience = patience
        self.min_delta = min_delta
        self.key = key

    def __call__(self, network: Any, history: list[dict[str, float]]) -> bool:
        """Tell whether to stop.

        Raises
        ------
        ValueError
            The history has no such key.
        """
        if self.key not in history[-1]:
            raise ValueError(
                f"EarlyStopping: the history has no {self.key!r}, but "
                f"{', '.join(map(repr, history[-1]))}. Pass one of these as key=."
            )
        best, waited = float("inf"), 0
        for entry in history:
            better = entry[self.key] < best - self.min_delta
            best, waited = (entry[self.key], 0) if better else (best, waited + 1)
        return waited >= self.patience
