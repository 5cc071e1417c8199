"""``zeroshot predict`` with other networks: models of timm, and CLIP with prompts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import timm
import torch
from PIL import Image
from safetensors.torch import save_file

from zeroshot.cli import main

open_clip = pytest.importorskip("open_clip")
CLIP_CONFIG = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": 32, "layers": 1, "width": 32, "head_width": 16, "patch_size": 16},
    "text_cfg": {
        "context_length": 16, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1,
    },
}  # fmt: skip


@pytest.fixture
def photo(tmp_path: Path) -> str:
    path = tmp_path / "photo.png"
    Image.new("RGB", (40, 40), "orange").save(path)
    return str(path)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return weights of a small network with a classifier of ImageNet's classes."""
    path = tmp_path_factory.mktemp("weights") / "small.safetensors"
    save_file(timm.create_model("test_efficientnet").state_dict(), path)
    return str(path)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Return the options of a small CLIP."""
    folder = tmp_path_factory.mktemp("clip")
    config = {"model_cfg": CLIP_CONFIG, "preprocess_cfg": {}}
    (folder / "open_clip_config.json").write_text(json.dumps(config))
    weights = folder / "clip.safetensors"
    with torch.random.fork_rng():
        torch.manual_seed(0)
        save_file(open_clip.model.CLIP(**CLIP_CONFIG).state_dict(), weights)
    return ["--backbone", f"clip:{folder}", "--weights", str(weights)]


def test_any_network_with_a_classifier_names_photos(
    photo: str, weights: str, capsys: pytest.CaptureFixture
) -> None:
    argv = ["predict", photo, "--labels", "cat,fire engine", "--format", "json"]
    network = ["--backbone", "test_efficientnet", "--weights", weights, "--image-size", "32"]
    assert main([*argv, *network]) == 0
    (answer,) = json.loads(capsys.readouterr().out)
    assert sorted(answer["labels"]) == ["cat", "fire engine"]


def test_a_network_without_a_classifier_is_refused(
    photo: str, capsys: pytest.CaptureFixture
) -> None:
    network = ["--backbone", "test_efficientnet", "--weights", "none", "--image-size", "32"]
    assert main(["predict", photo, "--labels", "cat,dog", *network]) == 1
    assert "no classifier of known classes" in capsys.readouterr().err


def test_clip_compares_photos_with_prompts(
    photo: str, clip: list[str], capsys: pytest.CaptureFixture
) -> None:
    argv = ["predict", photo, "--labels", "cat,C++", "--format", "json"]
    scores = []
    for prompts in ([], ["--prompts", "a photo of a {}."], ["--prompts", "a {},a drawing of {}"]):
        assert main([*argv, *clip, *prompts]) == 0
        (answer,) = json.loads(capsys.readouterr().out)
        assert sorted(answer["labels"]) == ["C++", "cat"]
        scores.append(answer["scores"])
    assert scores[0] == scores[1] != scores[2]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--prompts", "a {}"], "--prompts is for --backbone clip"),
        (["--backbone", "clip", "--sentences"], "--sentences does not apply to --backbone clip"),
        (["--backbone", "clip", "--reject", "0.9"], "--reject does not apply to --backbone clip"),
        (["--model", "m", "--backbone", "resnet50"], "--backbone does not apply to --model"),
        (["--model", "m", "--prompts", "a {}"], "--prompts does not apply to --model"),
    ],
)
def test_options_of_another_network_are_refused(
    options: list[str], message: str, photo: str, capsys: pytest.CaptureFixture
) -> None:
    assert main(["predict", photo, "--labels", "cat,dog", *options]) == 2
    assert message in capsys.readouterr().err


def test_a_prompt_without_a_place_for_the_label(
    photo: str, clip: list[str], capsys: pytest.CaptureFixture
) -> None:
    argv = ["predict", photo, "--labels", "cat,dog", *clip, "--prompts", "a photo"]
    assert main(argv) == 1
    assert "{}" in capsys.readouterr().err
