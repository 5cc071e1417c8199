"""Tasks of a network on images: labels, objective and metric."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from zeroshot._utils._validation import check_same_kind

if TYPE_CHECKING:
    from torch import Tensor, nn


@dataclass(frozen=True)
class Task:
    """What a network learns.

    Attributes
    ----------
    n_outputs : int
        Width of the outputs.
    hidden : tuple of int
        Widths of the layers before them.
    targets : ndarray of shape (n_samples, ...)
        Targets for the objective.
    objective : callable
        ``objective(outputs, targets)`` returns the scalar to minimise.
    metric : callable or None
        ``metric(outputs, targets)`` returns a scalar to record.
    facts : dict of str to str
        What the objective depends on, for checkpoints.
    used : ndarray of bool of shape (n_outputs,) or None
        Outputs that a target can differ from zero in; None if all.
    """

    n_outputs: int
    hidden: tuple[int, ...]
    targets: np.ndarray
    objective: Callable[[Tensor, Tensor], Tensor]
    metric: Callable[[Tensor, Tensor], Tensor] | None
    facts: dict[str, str]
    used: np.ndarray | None = None


def find_labels(y: np.ndarray, classes: np.ndarray, *, owner: str) -> np.ndarray:
    """Return the positions of labels in sorted classes.

    Raises
    ------
    ValueError
        Some labels are not among the classes.
    """
    check_same_kind(y, classes, owner=owner, names=("y", "the classes of the first call"))
    unknown = np.setdiff1d(y, classes)
    if len(unknown):
        raise ValueError(
            f"{owner}: y has {len(unknown)} labels that the first call did not know "
            f"({', '.join(map(repr, unknown[:10].tolist()))}). Name all in the first call: "
            "partial_fit(X, y, classes=labels)."
        )
    return np.searchsorted(classes, y)


def vector_task(
    positions: np.ndarray,
    class_vectors: np.ndarray,
    hidden: Sequence[int],
    loss: nn.Module,
    about: dict[str, Any],
    *,
    unit_vectors: bool,
) -> Task:
    """Return the task of mapping images to the vectors of their classes.

    Parameters
    ----------
    positions : ndarray of shape (n_samples,)
        Position of the class of each sample.
    class_vectors : ndarray of shape (n_classes, n_dims)
        Target output of each class.
    hidden : tuple of int
        Widths of the layers before the outputs.
    loss : nn.Module
        One of `zeroshot.losses`.
    about : dict
        Description of the loss, for checkpoints.
    unit_vectors : bool
        Whether to predict the class with the largest inner product instead of the nearest class.
    """
    import torch

    hidden = tuple(map(int, hidden))
    wanted = torch.from_numpy(class_vectors.astype(np.float32))
    # The nearest vector has the largest x.s - |s|^2 / 2.
    offset = torch.zeros(len(wanted)) if unit_vectors else -wanted.square().sum(dim=1) / 2

    def objective(outputs: Tensor, rows: Tensor) -> Tensor:
        return loss(outputs, rows, wanted.to(outputs.device))

    def metric(outputs: Tensor, rows: Tensor) -> Tensor:
        vectors = wanted.to(outputs.device)
        answers = (outputs @ vectors.T + offset.to(outputs.device)).argmax(dim=1)
        return (answers == rows).float().mean()

    digest = hashlib.sha256(wanted.numpy().tobytes()).hexdigest()
    facts = {name: str(value) for name, value in {**about, "hidden": hidden}.items()}
    facts["label vectors"] = digest
    n_outputs = class_vectors.shape[1]
    used = (class_vectors != 0).any(axis=0)
    return Task(n_outputs, hidden, positions.astype(np.int64), objective, metric, facts, used)


def has_partial_fit(estimator: Any) -> bool:
    """Return whether an estimator trains a network, instead of adding up sums over rows.

    Raises
    ------
    AttributeError
        The estimator does neither.
    """
    if estimator.network is not None:
        return True
    try:
        return estimator._check_sums()
    except AttributeError as error:
        raise AttributeError(f"{error} Or train a network by partial_fit: pass network=.") from None


def check_no_network(estimator: Any) -> None:
    """Raise where weights of samples are given to an estimator that trains a network on images.

    Raises
    ------
    ValueError
        It does.
    """
    if estimator.network is not None:
        raise ValueError(
            f"{type(estimator).__name__}: a network on images takes no sample_weight. Leave it "
            "out, or pass features, with network=None."
        )


def check_classes(classes: np.ndarray, *, owner: str) -> None:
    """Raise if there is only one class.

    Raises
    ------
    ValueError
        There is a single class.
    """
    if len(classes) < 2:
        raise ValueError(
            f"{owner}: y holds one class only, {classes.tolist()[0]!r}. A network learns to tell "
            "classes apart: pass images of at least two."
        )


def classification_task(positions: np.ndarray, n_classes: int, hidden: Sequence[int]) -> Task:
    """Return the task of classification by cross-entropy."""
    from torch.nn import functional as F

    def metric(outputs: Tensor, rows: Tensor) -> Tensor:
        return (outputs.argmax(dim=1) == rows).float().mean()

    hidden = tuple(map(int, hidden))
    facts = {"loss": "cross-entropy", "hidden": str(hidden), "classes": str(n_classes)}
    return Task(n_classes, hidden, positions.astype(np.int64), F.cross_entropy, metric, facts)
