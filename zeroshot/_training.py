"""The one training loop."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from zeroshot._torch import generator, resolve_device, to_tensor


@dataclass(frozen=True)
class TrainingSettings:
    """How long and how fast to train.

    Parameters
    ----------
    epochs : int
        Passes over the data.
    batch_size : int
        Samples a step; at most as many as there are.
    learning_rate : float
        Adam's first step size; it falls to zero along half a cosine.
    weight_decay : float
        Decoupled weight decay (AdamW).
    seed : int
        Of the initial weights and of the order of the samples.
    device : str
        ``"auto"`` or a torch device.
    """

    epochs: int
    batch_size: int
    learning_rate: float
    weight_decay: float
    seed: int
    device: str


def train(
    network: nn.Module,
    objective: Callable[[Tensor, Tensor], Tensor],
    X: np.ndarray,
    targets: np.ndarray,
    settings: TrainingSettings,
) -> list[float]:
    """Train `network` in place on data in memory.

    Parameters
    ----------
    network : nn.Module
        Maps (n, n_features) to (n, n_outputs).
    objective : callable
        ``objective(outputs, targets)``, a scalar to make small.
    X : ndarray of shape (n_samples, n_features)
        Inputs.
    targets : ndarray of shape (n_samples,)
        What `objective` takes beside the outputs.
    settings : TrainingSettings
        Epochs, batch size, rates, seed and device.

    Returns
    -------
    history : list of float
        The mean loss of each epoch.

    Raises
    ------
    FloatingPointError
        The loss became infinite or NaN.
    """
    device = resolve_device(settings.device)
    network.to(device).train()
    inputs, wanted = to_tensor(X, device), to_tensor(targets, device)
    n_steps = settings.epochs * -(-len(inputs) // settings.batch_size)
    optimizer = torch.optim.AdamW(
        network.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay
    )
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=max(n_steps, 1))
    order = generator(settings.seed, stream=1)
    history = []
    for epoch in range(settings.epochs):
        total = torch.zeros((), device=device)
        permutation = torch.randperm(len(inputs), generator=order).to(device)
        for rows in permutation.split(settings.batch_size):
            loss = objective(network(inputs[rows]), wanted[rows])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            schedule.step()
            total += loss.detach() * len(rows)
        history.append(float(total) / len(inputs))
        if not np.isfinite(history[-1]):
            raise FloatingPointError(
                f"The loss became {history[-1]} in epoch {epoch + 1} of {settings.epochs}. "
                "Lower learning_rate, or scale the features."
            )
    network.eval()
    return history


def linear_layers(widths: tuple[int, ...], seed: int) -> list[nn.Linear]:
    """Return layers with Glorot-uniform weights from a generator of their own, and zero biases.

    Parameters
    ----------
    widths : tuple of int
        Number of inputs, of each hidden layer's units, and of outputs.
    seed : int
        Of the weights.
    """
    source = generator(seed)
    layers = []
    for n_inputs, n_outputs in zip(widths[:-1], widths[1:], strict=True):
        layer = nn.utils.skip_init(nn.Linear, n_inputs, n_outputs)
        nn.init.xavier_uniform_(layer.weight, generator=source)
        nn.init.zeros_(layer.bias)
        layers.append(layer)
    return layers
