"""Perceptrons on features: a linear map, or several layers with ReLU between them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from zeroshot.networks._training import resolve_training, training_settings

if TYPE_CHECKING:
    from torch import nn

    from zeroshot.networks._loop import Callback, TrainingSettings

FittedLayers = tuple[list[np.ndarray], list[np.ndarray], list[dict[str, float]]]


def train_perceptron(
    estimator: Any,
    X: np.ndarray,
    targets: np.ndarray,
    vectors: np.ndarray,
    loss: nn.Module,
    hidden: tuple[int, ...] = (),
) -> FittedLayers:
    """Train a perceptron as the parameters ``training`` and ``random_state`` of `estimator` say.

    The other parameters, and what is returned, are those of `fit_perceptron`.
    """
    training = resolve_training(estimator)
    settings = training_settings(estimator, training, images=False)
    callbacks, bar = tuple(training.callbacks or ()), training.progress is True
    widths = tuple(map(int, hidden))
    return fit_perceptron(X, targets, vectors, loss, widths, settings, callbacks=callbacks, bar=bar)


def fit_perceptron(
    X: np.ndarray,
    targets: np.ndarray,
    vectors: np.ndarray,
    loss: nn.Module,
    hidden: tuple[int, ...],
    settings: TrainingSettings,
    *,
    callbacks: Sequence[Callback] = (),
    bar: bool = False,
) -> FittedLayers:
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
    callbacks : sequence of callable, optional
        As `train` takes them.
    bar : bool, default=False
        Whether to show progress.

    Returns
    -------
    coefs, intercepts : list of ndarray
        A matrix (n_inputs, n_outputs) and a vector (n_outputs,) per layer, float64.
    history : list of dict
        The record of each epoch.
    """
    from torch import nn

    from zeroshot._utils._device import resolve_device, to_numpy, to_tensor
    from zeroshot.networks._loop import TensorRows, linear_layers, train

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
        callbacks=callbacks,
        bar=bar,
    )
    coefs = [to_numpy(layer.weight).T.astype(np.float64) for layer in layers]
    intercepts = [to_numpy(layer.bias).astype(np.float64) for layer in layers]
    coefs[0] = coefs[0] / scale
    intercepts[0] = intercepts[0] - mean @ coefs[0]
    if len(vectors) == 1 and all(abs(epoch["loss"]) < 1e-6 for epoch in progress.history):
        # No wrong class, no step: the initial weights, being random, would still have a favourite.
        coefs[-1], intercepts[-1] = np.zeros_like(coefs[-1]), np.zeros_like(intercepts[-1])
    return coefs, intercepts, progress.history


def is_linear(hidden: Any) -> bool:
    """Tell whether `hidden` is a tuple or list of no layers; anything else is `check_hidden`'s."""
    return isinstance(hidden, (tuple, list)) and not hidden
