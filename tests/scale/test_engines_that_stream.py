"""Embed and Predict in the engines that stream batches, where these are installed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas
import pytest
from PIL import Image
from sklearn.pipeline import make_pipeline

from zeroshot import ESZSLClassifier, HashEmbedding, TimmFeatures, save

ROOT = Path(__file__).parents[2]


@pytest.mark.slow  # starts Ray, and processes that import torch
def test_the_example_of_ray_data_names_images(tmp_path):
    pytest.importorskip("ray")
    photos = tmp_path / "photos"
    photos.mkdir()
    rng = np.random.default_rng(0)
    for number in range(12):
        pixels = rng.integers(0, 255, (40, 40, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(photos / f"{number:02}.png")
    (photos / "99.png").write_bytes(b"broken")
    paths = sorted(map(str, photos.glob("[01]*.png")))
    backbone = TimmFeatures(
        "test_efficientnet", weights=None, image_size=32, random_state=0, device="cpu"
    )
    model = make_pipeline(backbone, ESZSLClassifier(HashEmbedding(8)))
    model.fit(paths, ["cat", "dog", "owl"] * 4)
    save(model, tmp_path / "model")
    command = [sys.executable, "examples/ray_data.py", str(tmp_path / "model"), str(photos)]
    command += [str(tmp_path / "out"), "--workers", "1", "-k", "2"]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "13 images"
    rows = pandas.read_parquet(tmp_path / "out").sort_values("path")
    assert [bool(error) for error in rows["error"]] == [False] * 12 + [True]
    labels, scores = model[-1].predict_top_k(model[:-1].transform(paths), k=2)
    assert [list(row) for row in rows["labels"][:12]] == labels.tolist()
    np.testing.assert_allclose(np.stack(rows["scores"][:12]), scores, atol=1e-5)
