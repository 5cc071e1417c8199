"""Checkpoint of a training run: one safetensors file, replaced atomically."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from zeroshot._utils._files import atomic_file
from zeroshot.exceptions import IntegrityError, ModelFormatError

T = TypeVar("T")

_FORMAT = "2"
_STATE = {"step", "exp_avg", "exp_avg_sq"}  # of Adam, for each weight


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
        tensors = {name: _plain(value) for name, value in tensors.items()}
        content = save(tensors, {**about, "checksum": _checksum(about, tensors)})
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
            The file is not a checkpoint, was altered, or belongs to another run. The message says
            what differs.
        ModelFormatError
            Its content is not that of a run of this network.
        """
        if not self.path.exists():
            return None
        about, tensors = self._content()
        self._check_facts(self._parsed(about, "facts", dict))
        history = self._parsed(about, "history", list)
        stopped = self._parsed(about, "stopped", bool)
        if not all(isinstance(entry, dict) for entry in history):
            raise self._refused("its history is not a list of records")
        weights, state = self._checked(network, tensors)
        network.load_state_dict(weights)
        return Progress(history, {"state": state}, stopped)

    def _check_facts(self, theirs: dict[str, Any]) -> None:
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

    def _checked(
        self, network: nn.Module, tensors: dict[str, Tensor]
    ) -> tuple[dict[str, Tensor], dict[int, dict[str, Tensor]]]:
        """Return the weights, and the state of the optimiser, if they are those of a network."""
        own = network.state_dict()
        trained = [weight for weight in network.parameters() if weight.requires_grad]
        weights: dict[str, Tensor] = {}
        state: dict[int, dict[str, Tensor]] = {}
        for name, value in tensors.items():
            kind, _, rest = name.partition(".")
            row, _, key = rest.partition(".")
            if kind == "network" and rest in own:
                like, weights[rest] = own[rest], value
            elif kind == "optimizer" and key in _STATE and row in map(str, range(len(trained))):
                like = trained[int(row)]
                like = like if key != "step" else torch.zeros(())
                state.setdefault(int(row), {})[key] = value
            else:
                raise self._refused(f"this run has no {name!r}")
            if value.shape != like.shape or value.dtype != like.dtype:
                raise self._refused(
                    f"{name!r} has the shape {tuple(value.shape)} and {value.dtype}, expected "
                    f"{tuple(like.shape)} and {like.dtype}"
                )
            if not value.isfinite().all() or (key == "exp_avg_sq" and (value < 0).any()):
                raise self._refused(f"{name!r} has numbers that no training gives")
        lacking = [f"network.{name}" for name in own.keys() - weights.keys()]
        lacking += [f"optimizer.{row}" for row, kept in state.items() if kept.keys() != _STATE]
        if lacking:
            raise self._refused(f"it lacks {sorted(lacking)[0]!r}")
        return weights, state

    def _parsed(self, about: dict[str, str], name: str, kind: type[T]) -> T:
        try:
            value = json.loads(about[name])
        except (KeyError, ValueError, RecursionError) as error:
            raise self._refused(f"its {name} cannot be read") from error
        if not isinstance(value, kind):
            raise self._refused(f"its {name} is a {type(value).__name__}")
        return value

    def _refused(self, why: str) -> ModelFormatError:
        return ModelFormatError(
            f"{self.owner}: checkpoint={str(self.path)!r} is not resumed from: {why}. Pass another "
            "file, or delete this one to start anew.",
            f"{self.owner}.checkpoint",
        )

    def _content(self) -> tuple[dict[str, str], dict[str, Tensor]]:
        try:
            with safe_open(self.path, framework="pt") as file:
                about = dict(file.metadata() or {})
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
        if about.pop("checksum", None) != _checksum(about, tensors):
            raise IntegrityError(
                f"{self.owner}: checkpoint={str(self.path)!r} was altered since it was written. "
                "Bring back the file as it was, or delete this one to start anew."
            )
        return about, tensors


def _checksum(about: Mapping[str, str], tensors: Mapping[str, Tensor]) -> str:
    """Return the SHA-256 of the content of a checkpoint, whatever the order of its parts."""
    digest = hashlib.sha256(json.dumps(dict(about), sort_keys=True).encode())
    for name in sorted(tensors):
        value = tensors[name]
        digest.update(json.dumps([name, str(value.dtype), list(value.shape)]).encode())
        digest.update(value.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


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
