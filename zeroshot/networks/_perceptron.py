"""Perceptrons on features: a linear map, or several layers with ReLU between them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from zeroshot.networks._training import resolve_training, training_settings

if TYPE_CHECKING:
    from torch import Tensor, nn

    from zeroshot.networks._loop import Callback, TrainingSettings

FittedLayers = tuple[list[np.ndarray], list[np.ndarray], list[dict[str, float]]]


def train_perceptron(
    estimator: Any,
    X: np.ndarray,
    targets: np.ndarray,
    vectors: np.ndarray,
    loss: nn.Module,
    hidden: tuple[int, ...] = (),
    weights: np.ndarray | None = None,
) -> FittedLayers:
    """Train a perceptron as the parameters ``training`` and ``random_state`` of `estimator` say.

    The other parameters and the return values are those of `fit_perceptron`.
    """
    training = resolve_training(estimator)
    settings = training_settings(estimator, training, images=False)
    callbacks, bar = tuple(training.callbacks or ()), training.progress is True
    widths = tuple(map(int, hidden))
    return fit_perceptron(
        X, targets, vectors, loss, widths, settings, weights=weights, callbacks=callbacks, bar=bar
    )


def fit_perceptron(
    X: np.ndarray,
    targets: np.ndarray,
    vectors: np.ndarray,
    loss: nn.Module,
    hidden: tuple[int, ...],
    settings: TrainingSettings,
    *,
    weights: np.ndarray | None = None,
    callbacks: Sequence[Callback] = (),
    bar: bool = False,
) -> FittedLayers:
    """Train a multi-layer perceptron with ReLU between its layers; linear if `hidden` is empty.

    Features are centred and divided by one number, their root mean square, which helps the
    optimiser. This scaling is then folded into the first layer, so that the returned weights apply
    to X itself. Features keep their scale relative to each other. To change that, standardise them
    first.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        Features.
    targets : ndarray of shape (n_samples,)
        Row of `vectors` for each sample.
    vectors : ndarray of shape (n_classes, n_dims)
        Target output of each class.
    loss : nn.Module
        One of `zeroshot.losses`.
    hidden : tuple of int
        Widths of the hidden layers.
    settings : TrainingSettings
        Epochs, rates, seed, device.
    weights : ndarray of shape (n_samples,), optional
        What each sample's loss is multiplied with, beside those of the others; 1 each if None.
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
    from zeroshot.networks._loop import TensorRows, linear_layers, train, zero_unused

    if weights is None:
        mean = X.mean(axis=0, dtype=np.float64)
        scale = float(np.sqrt(np.mean((X - mean) ** 2)))
    else:
        mean = np.average(X, axis=0, weights=weights)
        scale = float(np.sqrt(np.average((X - mean) ** 2, axis=0, weights=weights).mean()))
    if scale <= len(X) * np.finfo(np.float64).eps * np.abs(mean).max():
        scale = 1.0  # features are constant except for rounding errors, which must not be scaled up
    layers = linear_layers((X.shape[1], *hidden, vectors.shape[1]), settings.seed)
    zero_unused(layers[-1], (vectors != 0).any(axis=0))
    modules: list[nn.Module] = [layers[0]]
    for layer in layers[1:]:
        modules += [nn.ReLU(), layer]
    device = resolve_device(settings.device)
    wanted = to_tensor(vectors.astype(np.float32), device)
    inputs = ((X - mean) / scale).astype(np.float32)
    classes = to_tensor(targets, device)

    def objective(outputs: Tensor, rows: Tensor) -> Tensor:
        return loss(outputs, classes[rows], wanted, None if shares is None else shares[rows])

    shares = None
    if weights is not None:
        shares = to_tensor((weights / weights.mean()).astype(np.float32), device)
    progress = train(
        nn.Sequential(*modules),
        objective,
        TensorRows(to_tensor(inputs, device), to_tensor(np.arange(len(X)), device)),
        settings,
        callbacks=callbacks,
        bar=bar,
    )
    coefs = [to_numpy(layer.weight).T.astype(np.float64) for layer in layers]
    intercepts = [to_numpy(layer.bias).astype(np.float64) for layer in layers]
    coefs[0] = coefs[0] / scale
    intercepts[0] = intercepts[0] - mean @ coefs[0]
    if len(vectors) == 1 and all(abs(epoch["loss"]) < 1e-6 for epoch in progress.history):
        # Without a wrong class there is no step. The random initial weights would still prefer a
        # class.
        coefs[-1], intercepts[-1] = np.zeros_like(coefs[-1]), np.zeros_like(intercepts[-1])
    return coefs, intercepts, progress.history


def is_linear(hidden: Any) -> bool:
    """Return whether `hidden` is an empty tuple or list; `check_hidden` checks all else."""
    return isinstance(hidden, (tuple, list)) and not hidden
