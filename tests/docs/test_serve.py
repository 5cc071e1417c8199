"""``examples/serve.py``: a model that answers over HTTP, on this machine only."""

from __future__ import annotations

import importlib.util
import io
import json
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from sklearn.pipeline import make_pipeline

import zeroshot
from zeroshot import DeViSEClassifier, HashEmbedding, TimmFeatures

pytest.importorskip("fastapi")
uvicorn = pytest.importorskip("uvicorn")
ROOT = Path(__file__).parents[2]
NAMES = ["cat", "dog", "oak"]
IMAGES = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def model() -> Any:
    backbone = TimmFeatures("test_efficientnet", weights=None, image_size=32, random_state=0)
    final = DeViSEClassifier(HashEmbedding(8), loss="mse", candidates=NAMES)
    return make_pipeline(backbone, final).fit(IMAGES, ["cat", "dog"] * 2)


@pytest.fixture(scope="module")
def example() -> Any:
    spec = importlib.util.spec_from_file_location("serve", ROOT / "examples" / "serve.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def address(model: Any, example: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("served") / "model"
    zeroshot.save(model, folder)
    config = uvicorn.Config(
        example.make_app(str(folder)), host="127.0.0.1", port=0, log_level="error", lifespan="off"
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + 30
    while not server.started and time.monotonic() < deadline:
        time.sleep(0.02)
    assert server.started
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join(30)
    assert not thread.is_alive()


def answer(url: str, body: bytes | None = None) -> Any:
    with urllib.request.urlopen(urllib.request.Request(url, body), timeout=30) as response:
        return json.load(response)


def png(pixels: np.ndarray) -> bytes:
    written = io.BytesIO()
    Image.fromarray(pixels).save(written, "PNG")
    return written.getvalue()


def test_an_image_is_named_as_the_model_names_it(model: Any, address: str) -> None:
    found = answer(f"{address}/predict?k=2", png(IMAGES[0]))
    labels, scores = model[-1].predict_top_k(model[:-1].transform(IMAGES[:1]), 2)
    assert [each["label"] for each in found] == labels[0].tolist()
    np.testing.assert_allclose([each["score"] for each in found], scores[0], atol=1e-6)
    assert len(answer(f"{address}/predict", png(IMAGES[1]))) == len(NAMES)  # of five, three
    assert answer(f"{address}/labels") == NAMES


def test_what_is_no_image_is_refused_with_the_reason(address: str) -> None:
    with pytest.raises(urllib.error.HTTPError) as refused:
        answer(f"{address}/predict", b"no image")
    with refused.value as response:
        assert response.code == 400 and "Cannot read the image" in json.load(response)["detail"]
    with pytest.raises(urllib.error.HTTPError) as refused:
        answer(f"{address}/predict?k=0", png(IMAGES[0]))
    with refused.value as response:
        assert response.code == 422


def test_large_uploads_and_images_are_refused(
    address: str, example: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    bomb = png(np.zeros((8000, 8000, 3), dtype=np.uint8))  # 64 million pixels, 200 kB
    with pytest.raises(urllib.error.HTTPError) as refused:
        answer(f"{address}/predict", bomb)
    with refused.value as response:
        assert response.code == 400 and "pixels" in json.load(response)["detail"]
    monkeypatch.setattr(example, "MAX_BYTES", 1000)
    with pytest.raises(urllib.error.HTTPError) as refused:
        answer(f"{address}/predict", png(IMAGES[0]))
    with refused.value as response:
        assert response.code == 413 and "1,000 bytes" in json.load(response)["detail"]
