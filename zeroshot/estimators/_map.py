"""Maps from features to label vectors: a trained perceptron."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from sklearn.utils import check_random_state

from zeroshot._validation import check_number

if TYPE_CHECKING:
    from torch import nn

    from zeroshot._training import TrainingSettings


class FittedMap(NamedTuple):
    """Layers of a map, with ReLU between them, and how training went.

    Parameters
    ----------
    coefs : list of ndarray of shape (n_inputs of the layer, n_outputs of the layer)
        Weights, float64.
    intercepts : list of ndarray of shape (n_outputs of the layer,)
        Biases, float64.
    history : list of dict
        The record of each epoch, as `zeroshot._training.train` has it; empty for a closed form.
    """

    coefs: list[np.ndarray]
    intercepts: list[np.ndarray]
    history: list[dict[str, float]]


def fit_perceptron(
    X: np.ndarray,
    targets: np.ndarray,
    vectors: np.ndarray,
    loss: nn.Module,
    hidden: tuple[int, ...],
    settings: TrainingSettings,
) -> FittedMap:
    """Train a multi-layer perceptron with ReLU between its layers; linear if `hidden` is empty.

    Features are centred and divided by one number, their root mean square, for the optimiser's
    sake; the scaling is folded into the first layer, so that the weights returned are for X as it
    is. Features keep their weight relative to each other: standardise them before where that is
    not wanted.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        Features.
    targets : ndarray of shape (n_samples,)
        The row of `vectors` that belongs to each sample.
    vectors : ndarray of shape (n_classes, n_dims)
        Where outputs should lie.
    loss : nn.Module
        One of `zeroshot.losses`.
    hidden : tuple of int
        Widths of the hidden layers.
    settings : TrainingSettings
        Epochs, rates, seed, device.
    """
    from torch import nn

    from zeroshot._torch import resolve_device, to_numpy, to_tensor
    from zeroshot._training import TensorRows, linear_layers, train

    mean = X.mean(axis=0, dtype=np.float64)
    scale = float(np.sqrt(np.mean((X - mean) ** 2)))
    if scale <= len(X) * np.finfo(np.float64).eps * np.abs(mean).max():
        scale = 1.0  # constant features but for rounding, which is not to be blown up
    layers = linear_layers((X.shape[1], *hidden, vectors.shape[1]), settings.seed)
    modules: list[nn.Module] = [layers[0]]
    for layer in layers[1:]:
        modules += [nn.ReLU(), layer]
    device = resolve_device(settings.device)
    wanted = to_tensor(vectors.astype(np.float32), device)
    inputs = ((X - mean) / scale).astype(np.float32)
    progress = train(
        nn.Sequential(*modules),
        lambda outputs, rows: loss(outputs, rows, wanted),
        TensorRows(to_tensor(inputs, device), to_tensor(targets, device)),
        settings,
    )
    coefs = [to_numpy(layer.weight).T.astype(np.float64) for layer in layers]
    intercepts = [to_numpy(layer.bias).astype(np.float64) for layer in layers]
    coefs[0] = coefs[0] / scale
    intercepts[0] = intercepts[0] - mean @ coefs[0]
    if len(vectors) == 1 and all(abs(epoch["loss"]) < 1e-6 for epoch in progress.history):
        # No wrong class, no step: the initial weights, being random, would still have a favourite.
        coefs[-1], intercepts[-1] = np.zeros_like(coefs[-1]), np.zeros_like(intercepts[-1])
    return FittedMap(coefs, intercepts, progress.history)


def training_settings(
    estimator: Any, *, learning_rate: float = 1e-3, weight_decay: float = 1e-4
) -> TrainingSettings:
    """Return the training parameters of `estimator`, checked, its random state made a seed.

    Parameters
    ----------
    estimator : estimator
        With the parameters of training.
    learning_rate, weight_decay : float
        What they are where the estimator has None.
    """
    from zeroshot._torch import resolve_device
    from zeroshot._training import TrainingSettings

    owner = type(estimator).__name__
    for name in ("epochs", "batch_size"):
        check_number(getattr(estimator, name), owner=owner, name=name, at_least=1, integer=True)
    if estimator.learning_rate is not None:
        learning_rate = estimator.learning_rate
    if estimator.weight_decay is not None:
        weight_decay = estimator.weight_decay
    check_number(learning_rate, owner=owner, name="learning_rate", above=0)
    check_number(weight_decay, owner=owner, name="weight_decay", at_least=0)
    seed = int(check_random_state(estimator.random_state).randint(np.iinfo(np.int32).max))
    return TrainingSettings(
        epochs=int(estimator.epochs),
        batch_size=int(estimator.batch_size),
        learning_rate=float(learning_rate),
        weight_decay=float(weight_decay),
        seed=seed,
        device=str(resolve_device(estimator.device, owner=owner)),
        owner=owner,
    )


def is_linear(hidden: Any) -> bool:
    """Tell whether `hidden` is a tuple or list of no layers; anything else is `check_hidden`'s."""
    return isinstance(hidden, (tuple, list)) and not hidden


def check_hidden(hidden: Any, *, owner: str) -> tuple[int, ...]:
    """Return `hidden` as a tuple of layer widths.

    Raises
    ------
    ValueError
        `hidden` is no sequence of positive integers.
    """
    if isinstance(hidden, str) or not isinstance(hidden, Iterable):
        raise ValueError(
            f"{owner}: hidden must be a tuple of widths such as (256,), got {hidden!r}."
        )
    for width in hidden:
        check_number(width, owner=owner, name="each width in hidden", at_least=1, integer=True)
    return tuple(int(width) for width in hidden)
