"""Checkpoint of a training run: one safetensors file, replaced atomically."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from zeroshot._utils._files import atomic_file
from zeroshot.exceptions import IntegrityError

_FORMAT = "1"


@dataclass
class Progress:
    """Progress of a training run.

    Parameters
    ----------
    history : list of dict of str to float
        One entry per epoch.
    optimizer : dict
        The optimiser's ``state_dict``; empty before the first step.
    stopped : bool
        Whether a callback has stopped training.
    """

    history: list[dict[str, float]] = field(default_factory=list)
    optimizer: dict[str, Any] = field(default_factory=dict)
    stopped: bool = False

    def restore(self, optimizer: torch.optim.Optimizer) -> None:
        """Load the stored state into an optimiser."""
        if not self.optimizer:
            return
        groups = optimizer.state_dict()["param_groups"]
        optimizer.load_state_dict({"state": self.optimizer["state"], "param_groups": groups})


WEIGHTS = "initial weights"  # the fact that a network from torch's own generator often breaks


@dataclass(frozen=True)
class Checkpoint:
    """A file that training resumes from.

    Parameters
    ----------
    path : Path
        Path of the file; it need not exist.
    facts : mapping of str to str
        What the run depends on, such as a hash of the data. A file with other facts is refused.
    owner : str
        Owner of the parameter `path`, for the messages.
    """

    path: Path
    facts: Mapping[str, str]
    owner: str

    def write(self, network: nn.Module, progress: Progress) -> None:
        """Replace the file.

        Raises
        ------
        OSError
            The file cannot be written, for example because the disk is full. The file of the
            previous epoch stays.
        """
        tensors = {f"network.{name}": value for name, value in network.state_dict().items()}
        for row, state in progress.optimizer.get("state", {}).items():
            tensors |= {f"optimizer.{row}.{name}": value for name, value in state.items()}
        about = {
            "format": _FORMAT,
            "facts": json.dumps(dict(self.facts)),
            "history": json.dumps(progress.history),
            "stopped": json.dumps(progress.stopped),
        }
        content = save({name: _plain(value) for name, value in tensors.items()}, about)
        try:
            with atomic_file(self.path) as file:
                file.write(content)
        except OSError as error:
            raise OSError(
                error.errno,
                f"{self.owner}: checkpoint={str(self.path)!r} cannot be written "
                f"({error.strerror}). What was there before is untouched: make room, and run the "
                "same call again to resume from it",
            ) from error

    def read(self, network: nn.Module) -> Progress | None:
        """Load the weights into `network`, and return the progress of training, if it had begun.

        Raises
        ------
        IntegrityError
            The file is not a checkpoint, or belongs to another run. The message says what differs.
        """
        if not self.path.exists():
            return None
        about, tensors = self._content()
        theirs = json.loads(about["facts"])
        differing = [
            f"{name} ({theirs.get(name)} there, {self.facts.get(name)} here)"
            for name in sorted({*theirs, *self.facts})
            if theirs.get(name) != self.facts.get(name)
        ]
        if differing:
            seed = ""
            if theirs.get(WEIGHTS) != self.facts.get(WEIGHTS):
                seed = " A network is made alike after torch.manual_seed(0)."
            raise IntegrityError(
                f"{self.owner}: checkpoint={str(self.path)!r} belongs to another run: its "
                f"{'; '.join(differing)}. Pass another file, or delete this one to start anew."
                f"{seed}"
            )
        state: dict[int, dict[str, Tensor]] = {}
        weights = {}
        for name, value in tensors.items():
            kind, _, rest = name.partition(".")
            if kind == "network":
                weights[rest] = value
            else:
                row, _, key = rest.partition(".")
                state.setdefault(int(row), {})[key] = value
        network.load_state_dict(weights)
        return Progress(
            json.loads(about["history"]), {"state": state}, json.loads(about["stopped"])
        )

    def _content(self) -> tuple[dict[str, str], dict[str, Tensor]]:
        try:
            with safe_open(self.path, framework="pt") as file:
                about = file.metadata() or {}
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except (SafetensorError, OSError) as error:
            raise IntegrityError(
                f"{self.owner}: checkpoint={str(self.path)!r} is not a checkpoint ({error}). Pass "
                "another file, or delete this one to start anew."
            ) from error
        if about.get("format") != _FORMAT:
            raise IntegrityError(
                f"{self.owner}: checkpoint={str(self.path)!r} has the format "
                f"{about.get('format')}, and this version reads {_FORMAT}. Pass another file, or "
                "delete this one to start anew."
            )
        return about, tensors


def _plain(value: Tensor) -> Tensor:
    """Return a contiguous copy on the CPU that shares no memory with other weights."""
    return value.detach().to("cpu", copy=True).contiguous()


def checkpoint_path(path: Any, *, owner: str) -> Path:
    """Return `path` after creating its folder.

    Raises
    ------
    TypeError, ValueError
        `path` is not a path, or is the path of a folder.
    OSError
        The folder cannot be created.
    """
    if not isinstance(path, (str, os.PathLike)):
        raise TypeError(f"{owner}: checkpoint must be the path of a file, got {path!r}.")
    path = Path(path)
    if path.is_dir():
        raise ValueError(f"{owner}: checkpoint={str(path)!r} is a folder. Name a file in it.")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OSError(
            error.errno,
            f"{owner}: checkpoint={str(path)!r}: its folder cannot be made ({error.strerror}). "
            "Name a file in a folder that can be written",
        ) from error
    return path
