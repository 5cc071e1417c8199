"""Checkpoints: altered ones, and forged ones whose checksum is right."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from zeroshot.exceptions import IntegrityError, ModelFormatError
from zeroshot.networks._checkpoint import Checkpoint, Progress, _checksum

FACTS = {"seed": "0"}
About, Tensors = dict[str, str], dict[str, Tensor]


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3), nn.Linear(3, 2))


@pytest.fixture
def written(tmp_path: Path) -> Checkpoint:
    """Return a checkpoint after two epochs."""
    checkpoint, net = Checkpoint(tmp_path / "run.safetensors", FACTS, "Somebody"), network()
    optimizer = torch.optim.AdamW(net.parameters())
    net(torch.ones(5, 4)).sum().backward()
    optimizer.step()
    checkpoint.write(net, Progress([{"loss": 2.0}, {"loss": 1.0}], optimizer.state_dict()))
    return checkpoint


def forge(checkpoint: Checkpoint, change: Callable[[About, Tensors], object]) -> None:
    """Change the content, and make the checksum right."""
    with safe_open(checkpoint.path, framework="pt") as file:
        about, tensors = file.metadata(), {name: file.get_tensor(name) for name in file.keys()}
    del about["checksum"]
    change(about, tensors)
    tensors = {name: value.clone().contiguous() for name, value in tensors.items()}
    save_file(tensors, checkpoint.path, {**about, "checksum": _checksum(about, tensors)})


def test_a_checkpoint_comes_back(written: Checkpoint) -> None:
    other = network()
    with torch.no_grad():
        other[0].weight.zero_()
    progress = written.read(other)
    assert progress is not None and [entry["loss"] for entry in progress.history] == [2.0, 1.0]
    assert other[0].weight.any() and set(progress.optimizer["state"]) == set(range(6))
    forge(written, lambda about, tensors: None)
    assert written.read(other) is not None


def test_every_altered_byte_is_noticed(written: Checkpoint) -> None:
    content = written.path.read_bytes()
    for place in range(8, len(content), 13):
        altered = bytearray(content)
        altered[place] ^= 4
        written.path.write_bytes(altered)
        with pytest.raises(IntegrityError, match="Somebody: checkpoint="):
            written.read(network())
    for end in (0, 7, 100, len(content) - 1):
        written.path.write_bytes(content[:end])
        with pytest.raises(IntegrityError, match="Somebody: checkpoint="):
            written.read(network())


W, STEP, SQUARES = "network.0.weight", "optimizer.0.step", "optimizer.0.exp_avg_sq"


@pytest.mark.parametrize(
    "change",
    [
        lambda about, tensors: about.pop("history"),
        lambda about, tensors: about.pop("facts"),
        lambda about, tensors: about.update(history="{"),
        lambda about, tensors: about.update(history="[1]"),
        lambda about, tensors: about.update(history="[" * 100_000),
        lambda about, tensors: about.update(stopped="1"),
        lambda about, tensors: about.update(facts=json.dumps([FACTS])),
        lambda about, tensors: tensors.pop(W),
        lambda about, tensors: tensors.update({W: tensors[W][:1]}),
        lambda about, tensors: tensors.update({W: tensors[W].double()}),
        lambda about, tensors: tensors.update({W: tensors[W] * float("nan")}),
        lambda about, tensors: tensors.update({"network.9.weight": tensors[W]}),
        lambda about, tensors: tensors.update({"more": tensors[W]}),
        lambda about, tensors: tensors.update({"optimizer.99.step": tensors[STEP]}),
        lambda about, tensors: tensors.update({"optimizer.x.step": tensors[STEP]}),
        lambda about, tensors: tensors.update({"optimizer.0.more": tensors[STEP]}),
        lambda about, tensors: tensors.pop(STEP),
        lambda about, tensors: tensors.update({STEP: tensors[STEP] + float("inf")}),
        lambda about, tensors: tensors.update({SQUARES: tensors[SQUARES] - 1}),
        lambda about, tensors: tensors.update({SQUARES: tensors[SQUARES][:, :1]}),
    ],
)
def test_forged_content_is_refused(
    change: Callable[[About, Tensors], object], written: Checkpoint
) -> None:
    forge(written, change)
    net = network()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    with pytest.raises(ModelFormatError, match=r"Somebody: checkpoint=.*delete this one") as caught:
        written.read(net)
    assert caught.value.attribute == "Somebody.checkpoint"
    assert all(value.equal(before[name]) for name, value in net.state_dict().items())


def test_a_checkpoint_of_an_earlier_format_is_refused(written: Checkpoint) -> None:
    forge(written, lambda about, tensors: about.update(format="1"))
    with pytest.raises(IntegrityError, match="has the format 1, and this version reads 2"):
        written.read(network())
