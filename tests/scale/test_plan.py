"""plan_dataset and ``zeroshot plan``."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from zeroshot import TimmFeatures
from zeroshot.cli import main
from zeroshot.scale import embed_dataset, plan_dataset

BACKBONE = TimmFeatures(
    "test_efficientnet", weights=None, image_size=32, random_state=0, device="cpu"
)


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photos")
    rng = np.random.default_rng(0)
    for number in range(60):
        pixels = rng.integers(0, 255, (40, 40, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number:02}.png")
    (folder / "60.png").write_bytes(b"broken")
    return folder


def test_a_plan_counts_what_the_run_writes(photos, tmp_path):
    plan = plan_dataset(photos, BACKBONE, n_images=61, workers=2, partition_size=25)
    done = embed_dataset(photos, tmp_path / "out", BACKBONE, partition_size=25)
    assert (plan.n_partitions, plan.n_sampled, plan.n_errors) == (3, 61, 1)
    assert done.n_partitions == plan.n_partitions and done.n_errors == plan.n_errors
    written = sum(path.stat().st_size for path in (tmp_path / "out").glob("*.parquet"))
    assert plan.bytes_out == pytest.approx(written, rel=0.25)
    assert plan.bytes_in == pytest.approx(sum(p.stat().st_size for p in photos.iterdir()), rel=0.05)
    assert plan.hours == pytest.approx(plan.seconds_per_image * 61 / 2 / 3600)
    half = plan_dataset(photos, BACKBONE, n_images=61, dtype="float16")
    assert half.bytes_out < plan.bytes_out and half.memory_per_worker > 1e6


def test_the_sample_is_spread_over_the_source(photos):
    plan = plan_dataset([str(photos / f"{n:02}.png") for n in range(60)], BACKBONE, n_images=1)
    assert plan.n_sampled == 60 and plan.n_errors == 0


def test_bad_arguments(photos, tmp_path):
    with pytest.raises(ValueError, match="plan_dataset: n_images must be"):
        plan_dataset(photos, BACKBONE, n_images=0)
    with pytest.raises(ValueError, match="plan_dataset: workers must be"):
        plan_dataset(photos, BACKBONE, n_images=5, workers=0)
    (tmp_path / "bad.png").write_bytes(b"broken")
    with pytest.raises(ValueError, match="no image of the sample can be read. The first"):
        plan_dataset(tmp_path, BACKBONE, n_images=5)


def test_the_command(photos, capsys):
    argv = ["plan", str(photos), "--images", "10000000", "--workers", "8", "--format", "json"]
    network = ["--backbone", "test_efficientnet", "--weights", "none", "--image-size", "32"]
    assert main([*argv, *network]) == 0
    found = {row["what"]: row["value"] for row in json.loads(capsys.readouterr().out)}
    assert found["partitions"] == 5000 and found["hours"] > 0 and found["of these unreadable"] == 1
    assert main(["plan", str(photos)]) == 2
