"""The training loop, on Hugging Face accelerate.

Accelerate handles devices, mixed precision and several processes (``accelerate launch``). This
module defines the order of the samples, the training step, the record of each epoch, and how to
resume an interrupted run. The random numbers of an epoch depend only on the seed and on the number
of the epoch. An interrupted run therefore ends with the same weights as an uninterrupted one.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from accelerate.utils import get_int_from_env
from torch import Tensor, nn

from zeroshot._utils._device import generator, resolve_device, to_device
from zeroshot._utils._progress import progress_bar
from zeroshot.networks._checkpoint import Checkpoint, Progress

_MIXED = {"float32": "no", "bfloat16": "bf16", "float16": "fp16"}
_WORLD = ["WORLD_SIZE", "PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "MV2_COMM_WORLD_SIZE"]

Objective = Callable[[Tensor, Tensor], Tensor]
Callback = Callable[[nn.Module, list[dict[str, float]]], Any]


class Rows(Protocol):
    """Samples that are taken one batch at a time."""

    def __len__(self) -> int:
        """Return the number of samples."""

    def batch(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Return the inputs and the targets of the samples with these numbers."""


@dataclass(frozen=True)
class TensorRows:
    """Inputs and targets in memory.

    Parameters
    ----------
    inputs : Tensor of shape (n_samples, ...)
        Inputs of the network.
    targets : Tensor of shape (n_samples, ...)
        Second argument of the objective.
    """

    inputs: Tensor
    targets: Tensor

    def __len__(self) -> int:
        return len(self.inputs)

    def batch(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Return the inputs and the targets of the samples with these numbers."""
        rows = rows.to(self.inputs.device)
        return self.inputs[rows], self.targets[rows]


@dataclass(frozen=True)
class TrainingSettings:
    """How long and how fast to train.

    Parameters
    ----------
    epochs : int
        Passes over the data.
    batch_size : int
        Samples per step, over all processes. It cannot exceed the number of samples. If a single
        sample is left over at the end of an epoch, it joins the previous step.
    learning_rate : float
        Adam's first step size.
    weight_decay : float
        Decoupled weight decay (AdamW).
    seed : int
        Seed of the order of the samples, and of the random numbers of the network and the
        objective.
    device : str
        ``"auto"`` or a torch device.
    precision : {"float32", "bfloat16", "float16"}
        Precision of matrix products and convolutions.
    schedule : {"cosine", "constant"}
        "cosine" lowers the learning rate to zero along half a cosine.
    accumulation : int
        Number of parts that a batch is split into, to fit into memory.
    owner : str
        Name of the caller, for the messages.
    """

    epochs: int
    batch_size: int
    learning_rate: float
    weight_decay: float
    seed: int
    device: str
    precision: str = "float32"
    schedule: str = "cosine"
    accumulation: int = 1
    owner: str = "train"


def train(
    network: nn.Module,
    objective: Objective,
    data: Rows,
    settings: TrainingSettings,
    *,
    metric: Objective | None = None,
    callbacks: Sequence[Callback] = (),
    checkpoint: Checkpoint | None = None,
    progress: Progress | None = None,
    bar: bool | str = False,
) -> Progress:
    """Train `network` in place.

    Parameters
    ----------
    network : nn.Module
        Network from inputs to outputs. Parameters that do not require a gradient are not changed.
    objective : callable
        ``objective(outputs, targets)`` returns the scalar to minimise, a mean over the samples.
    data : Rows
        Training data.
    settings : TrainingSettings
        Epochs, batch size, rates, seed, device and precision.
    metric : callable, optional
        Like `objective`, but only recorded.
    callbacks : sequence of callable, optional
        Called as ``callback(network, history)`` after each epoch, in evaluation mode and without
        gradients. Values that it writes into ``history[-1]`` are kept; numbers of numpy and torch
        become Python numbers. Training stops if it returns True.
    checkpoint : Checkpoint, optional
        Checkpoint to resume from. It is written after each epoch.
    progress : Progress, optional
        Result of an earlier call, to resume from.
    bar : bool or "auto", default=False
        Whether to show a progress bar. "auto" shows it if training takes longer than a few seconds.

    Returns
    -------
    Progress
        The history and the state of the optimiser. The history has one entry per epoch, with
        ``"loss"``, ``"metric"``, ``"learning_rate"`` (of the last step) and
        ``"images_per_second"``.

    Raises
    ------
    FloatingPointError
        The loss or the weights became infinite or NaN. The checkpoint is that of the previous
        epoch.
    IntegrityError
        The checkpoint is of other data, parameters or another version.
    """
    accelerator = _accelerator(settings)
    weights = [weight for weight in network.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(
        weights, lr=settings.learning_rate, weight_decay=settings.weight_decay
    )
    network.to(accelerator.device)
    reached = (checkpoint.read(network) if checkpoint else None) or progress or Progress()
    reached.restore(optimizer)
    prepared, stepper = accelerator.prepare(network, optimizer)
    loop = _Loop(accelerator, prepared, stepper, objective, metric, data, settings)
    try:
        with _bar(accelerator, settings, reached, bar) as shown:
            while len(reached.history) < settings.epochs and not reached.stopped:
                entry = loop.epoch(len(reached.history))
                _check_weights(weights, len(reached.history), settings)
                reached = Progress([*reached.history, entry], optimizer.state_dict())
                reached.stopped = _call(callbacks, network, reached.history)
                if checkpoint and accelerator.is_main_process:
                    checkpoint.write(network, reached)
                shown.set_postfix(loss=f"{entry['loss']:.4g}", refresh=False)
                shown.update()
        accelerator.wait_for_everyone()  # for the checkpoint, before it is read again
    finally:
        accelerator.unwrap_model(prepared, keep_fp32_wrapper=False)
        network.__dict__.pop("forward", None)  # accelerate's wrapper, which no copy should carry
        network.eval()
    return reached


@dataclass
class _Record:
    """Losses and metrics of an epoch, left on the device until its end: no step waits for them."""

    steps: list[int] = field(default_factory=list)
    weights: list[int] = field(default_factory=list)
    losses: list[Tensor] = field(default_factory=list)
    metrics: list[Tensor] = field(default_factory=list)

    def add(self, step: int, weight: int, loss: Tensor, metric: Tensor | None) -> None:
        """Note the means over `weight` samples."""
        self.steps.append(step)
        self.weights.append(weight)
        self.losses.append(loss)
        self.metrics.append(loss if metric is None else metric)

    def sums(self, n_steps: int) -> Tensor:
        """Return the sums over the samples of each step, (n_steps, 2)."""
        means = torch.stack([torch.stack(self.losses), torch.stack(self.metrics)], dim=1)
        sums = means.double().cpu() * torch.tensor(self.weights)[:, None]
        return torch.zeros(n_steps, 2).double().index_add(0, torch.tensor(self.steps), sums)


@dataclass
class _Loop:
    accelerator: Accelerator
    network: nn.Module
    optimizer: Any
    objective: Objective
    metric: Objective | None
    data: Rows
    settings: TrainingSettings

    def epoch(self, number: int) -> dict[str, float]:
        """Take one pass over the data, and return its record."""
        self.network.train()
        start = time.perf_counter()
        device, settings = self.accelerator.device, self.settings
        order = torch.randperm(len(self.data), generator=generator(settings.seed, 1 + number))
        batches = _batches(order, settings.batch_size)
        n_steps = settings.epochs * len(batches)
        rate, record = settings.learning_rate, _Record()
        with _drawing_from(settings.seed, number, self.accelerator.process_index, device):
            for step, rows in enumerate(batches):
                if settings.schedule == "cosine":
                    done = (number * len(batches) + step) / n_steps
                    rate = settings.learning_rate * (1 + math.cos(math.pi * done)) / 2
                for group in self.optimizer.param_groups:
                    group["lr"] = rate
                self._step(rows, step, record)
        sums = self.accelerator.reduce(record.sums(len(batches)).to(device), reduction="sum").cpu()
        self._check(sums[:, 0], number)
        means = (sums.sum(dim=0) / len(order)).tolist()
        seconds = time.perf_counter() - start
        entry = (
            {"loss": means[0]} if self.metric is None else {"loss": means[0], "metric": means[1]}
        )
        return {**entry, "learning_rate": rate, "images_per_second": len(order) / seconds}

    def _step(self, rows: Tensor, step: int, record: _Record) -> None:
        accelerator = self.accelerator
        own = rows[accelerator.process_index :: accelerator.num_processes]
        # A process without a sample takes part, or the others would wait for its gradients.
        own, weight = (own, 1) if len(own) else (rows[:1], 0)
        parts = _batches(own, -(-len(own) // self.settings.accumulation))
        for position, part in enumerate(parts):
            last = position == len(parts) - 1
            with nullcontext() if last else accelerator.no_sync(self.network):
                inputs, targets = self.data.batch(part)
                targets = to_device(targets, accelerator.device)
                outputs = self.network(to_device(inputs, accelerator.device))
                loss = self.objective(outputs, targets)
                share = weight * len(part) * accelerator.num_processes / len(rows)
                accelerator.backward(loss * share if share != 1 else loss)
            with torch.no_grad():
                metric = self.metric(outputs, targets) if self.metric else None
            record.add(step, weight * len(part), loss.detach(), metric)
        self.optimizer.step()
        self.optimizer.zero_grad()

    def _check(self, losses: Tensor, number: int) -> None:
        bad = torch.nonzero(~losses.isfinite())
        if len(bad):
            step = int(bad[0])
            raise FloatingPointError(
                f"{self.settings.owner}: the loss became {losses[step]:.3g} at step {step + 1} of "
                f"{len(losses)} in epoch {number + 1} of {self.settings.epochs}. Lower "
                "learning_rate, or scale the features. A checkpoint is that of the last whole "
                "epoch."
            )


def _batches(rows: Tensor, size: int) -> list[Tensor]:
    """Return `rows` in parts of `size`; a single one left over cannot be normalised by itself."""
    parts = list(rows.split(size))
    if size > 1 and len(parts) > 1 and len(parts[-1]) == 1:
        parts[-2:] = [torch.cat(parts[-2:])]
    return parts


def _check_weights(weights: Sequence[Tensor], number: int, settings: TrainingSettings) -> None:
    """Raise where the last step of an epoch broke the weights, of which no loss tells any more."""
    if not torch.stack([weight.isfinite().all() for weight in weights]).all():
        raise FloatingPointError(
            f"{settings.owner}: weights became infinite or nan at the end of epoch {number + 1} of "
            f"{settings.epochs}, while the loss was still finite. Lower learning_rate, or look for "
            "a gradient without bound. A checkpoint is that of the epoch before."
        )


def _accelerator(settings: TrainingSettings) -> Accelerator:
    device = resolve_device(settings.device)
    # Accelerate keeps one state for the process, and refuses another precision or device in it.
    alone = get_int_from_env(_WORLD, 1) == 1
    AcceleratorState._reset_state(reset_partial_state=alone)
    if device.type == "cuda" and device.index is not None and alone:
        torch.cuda.set_device(device)
    return Accelerator(cpu=device.type == "cpu", mixed_precision=_MIXED[settings.precision])


@contextmanager
def _drawing_from(seed: int, epoch: int, process: int, device: torch.device) -> Iterator[None]:
    """Seed torch's own generators, from which dropout draws, and leave them as they were."""
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        # The high bit keeps these streams apart from those of the order of the samples.
        draws = generator(seed, stream=2**32 + 2**16 * process + epoch)
        torch.manual_seed(draws.initial_seed())
        yield


@torch.no_grad()
def _call(
    callbacks: Sequence[Callback], network: nn.Module, history: list[dict[str, float]]
) -> bool:
    network.eval()
    answers = [_plain(callback(network, history)) for callback in callbacks]
    history[-1].update({name: _plain(value) for name, value in history[-1].items()})
    return any(answer is True for answer in answers)


def _plain(value: Any) -> Any:
    """Return numbers and flags of numpy and torch as Python's own types."""
    return value.tolist() if hasattr(value, "tolist") else value


def _bar(accelerator: Accelerator, settings: TrainingSettings, reached: Progress, bar: Any) -> Any:
    return progress_bar(
        progress=bar if accelerator.is_main_process else False,
        total=settings.epochs,
        initial=len(reached.history),
        desc=f"training ({accelerator.device.type})",
        unit="epoch",
    )


def linear_layers(widths: tuple[int, ...], seed: int) -> list[nn.Linear]:
    """Return layers with zero biases and Glorot-uniform weights from their own generator.

    Parameters
    ----------
    widths : tuple of int
        Number of inputs, of units in each hidden layer, and of outputs.
    seed : int
        Seed of the weights.
    """
    source = generator(seed)
    layers = []
    for n_inputs, n_outputs in zip(widths[:-1], widths[1:], strict=True):
        layer = nn.utils.skip_init(nn.Linear, n_inputs, n_outputs)
        nn.init.xavier_uniform_(layer.weight, generator=source)
        nn.init.zeros_(layer.bias)
        layers.append(layer)
    return layers


@torch.no_grad()
def zero_unused(layer: nn.Linear, used: np.ndarray) -> None:
    """Set the weights of outputs to zero that are zero in every target.

    Most losses give these weights no gradient. Weight decay would shrink them into denormal
    numbers, which processors multiply many times more slowly.

    Parameters
    ----------
    layer : nn.Linear
        The last layer, which is changed in place.
    used : ndarray of bool of shape (n_outputs,)
        Outputs that differ from zero in some target.
    """
    layer.weight[torch.from_numpy(~used)] = 0
