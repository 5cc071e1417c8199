"""Features that are kept on disk by the content of the image."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from sklearn.base import clone
from sklearn.linear_model import RidgeClassifier
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline

import zeroshot
from zeroshot import TimmFeatures
from zeroshot.backbones import _read_ahead
from zeroshot.exceptions import ImageReadError, IntegrityError


@pytest.fixture
def paths(tmp_path: Path) -> list[str]:
    pixels = np.random.default_rng(0).integers(0, 255, (6, 40, 40, 3), dtype=np.uint8)
    for i, image in enumerate(pixels):
        Image.fromarray(image).save(tmp_path / f"{i}.png")
    return [str(tmp_path / f"{i}.png") for i in range(6)]


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the names of the images that are read for the network."""
    names: list[str] = []
    real = _read_ahead.prepare

    def prepare(item: Any, *args: Any) -> Any:
        names.append(os.path.basename(item) if isinstance(item, str) else type(item).__name__)
        return real(item, *args)

    monkeypatch.setattr(_read_ahead, "prepare", prepare)
    return names


def backbone(folder: Path | bool | None, **options: Any) -> TimmFeatures:
    settings = {"weights": None, "image_size": 32, "random_state": 0, "num_workers": 0} | options
    return TimmFeatures("test_efficientnet", cache=folder, **settings).fit()


def names_of(paths: Sequence[str]) -> list[str]:
    return [os.path.basename(path) for path in paths]


def test_each_image_is_read_once_and_gives_the_same_row(
    paths: list[str], tmp_path: Path, read: list[str]
) -> None:
    plain = backbone(None).transform(paths)
    read.clear()
    first = backbone(tmp_path / "cache").transform(paths[:4])
    again = backbone(tmp_path / "cache").transform(paths[::-1])
    assert read == names_of([*paths[:4], *paths[:3:-1]])
    np.testing.assert_array_equal(again[::-1][:4], first)
    np.testing.assert_allclose(again[::-1], plain, atol=1e-5 * np.abs(plain).max())


def test_cross_validation_on_paths_extracts_once(
    paths: list[str], tmp_path: Path, read: list[str]
) -> None:
    model = make_pipeline(backbone(tmp_path / "cache"), RidgeClassifier())
    cross_val_score(model, paths, ["a", "b"] * 3, cv=3)
    assert sorted(read) == names_of(paths)


def test_content_counts_not_the_name(paths: list[str], tmp_path: Path, read: list[str]) -> None:
    network = backbone(tmp_path / "cache")
    rows = network.transform(paths[:2])
    moved = tmp_path / "moved.png"
    Path(paths[0]).rename(moved)
    Path(paths[1]).write_bytes(Path(paths[2]).read_bytes())
    content = moved.read_bytes()
    read.clear()
    after = network.transform([str(moved), paths[1], content])
    assert read == names_of(paths[1:2])
    np.testing.assert_array_equal(after[[0, 2]], rows[[0, 0]])
    assert not np.array_equal(after[1], rows[1])


def test_images_in_memory_are_computed_anew(
    paths: list[str], tmp_path: Path, read: list[str]
) -> None:
    network = backbone(tmp_path / "cache")
    with Image.open(paths[0]) as image:
        for _ in range(2):
            network.transform([image, paths[1]])
    assert read.count("PngImageFile") == 2 and read.count("1.png") == 1
    network.transform(np.zeros((2, 40, 40, 3), dtype=np.uint8))


@pytest.mark.parametrize(
    "change",
    [
        {"image_size": 64}, {"layer": "blocks.0"}, {"layer": "blocks.0", "pool_size": 2},
        {"random_state": 1}, {"max_pixels": 5_000}, {"precision": "bfloat16"},
    ],
)  # fmt: skip
def test_what_a_row_depends_on_is_part_of_its_key(
    change: dict[str, Any], paths: list[str], tmp_path: Path, read: list[str]
) -> None:
    backbone(tmp_path / "cache", precision="float32").transform(paths[:1])
    other = {"precision": "float32"} | change
    backbone(tmp_path / "cache", **other).transform(paths[:1])
    assert len(read) == 2


def test_logits_are_kept_apart(paths: list[str], tmp_path: Path) -> None:
    network = backbone(tmp_path / "cache")
    for _ in range(2):
        assert network.transform(paths[:1]).shape == (1, 256)
        assert network.logits(paths[:1]).shape == (1, 1000)


def test_unreadable_images_keep_their_position_and_are_not_kept(
    paths: list[str], tmp_path: Path
) -> None:
    network = backbone(tmp_path / "cache")
    network.transform(paths[:2])
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"no image")
    images = [paths[0], str(bad), "missing.png", paths[1]]
    result = network.extract(images)
    assert list(result.errors) == [1, 2]
    assert result.indices.tolist() == [0, 3]
    with pytest.raises(ImageReadError, match=r"bad\.png' \(position 1\)"):
        network.transform(images)
    bad.write_bytes(Path(paths[3]).read_bytes())
    assert list(network.extract(images).errors) == [2]


def test_an_interrupted_run_keeps_its_batches(
    paths: list[str], tmp_path: Path, read: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = _read_ahead.prepare

    def prepare(item: Any, *args: Any) -> Any:
        if item == paths[4]:
            raise KeyboardInterrupt
        return real(item, *args)

    with monkeypatch.context() as patch:
        patch.setattr(_read_ahead, "prepare", prepare)
        with pytest.raises(KeyboardInterrupt):
            backbone(tmp_path / "cache", batch_size=1).transform(paths)
    read.clear()
    backbone(tmp_path / "cache").transform(paths)
    assert len(read) <= 3


def test_the_cache_of_the_package(
    paths: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZEROSHOT_CACHE", str(tmp_path / "home"))
    backbone(True).transform(paths[:1])
    (file,) = (tmp_path / "home" / "features").iterdir()
    assert file.suffix == ".sqlite"


@pytest.mark.parametrize("damage", ["file", "row"])
def test_a_damaged_cache_is_refused(damage: str, paths: list[str], tmp_path: Path) -> None:
    network = backbone(tmp_path / "cache")
    network.transform(paths)
    (file,) = (tmp_path / "cache").iterdir()
    if damage == "file":
        file.write_bytes(b"no database, but of some length" * 100)
    else:
        with sqlite3.connect(file) as database:
            database.execute("UPDATE rows SET row = zeroblob(length(row))")
        database.close()
    with pytest.raises(IntegrityError, match="Delete the file"):
        network.transform(paths)


def test_a_folder_that_cannot_be_made(paths: list[str], tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file"):
        backbone(tmp_path / "file").transform(paths)


def test_a_file_that_cannot_be_opened(paths: list[str], tmp_path: Path) -> None:
    network = backbone(tmp_path / "cache")
    network.transform(paths[:1])
    (file,) = (tmp_path / "cache").iterdir()
    file.unlink()
    file.mkdir()
    with pytest.raises(OSError, match="The cache of features"):
        network.transform(paths)


def test_a_saved_model_has_no_cache(tmp_path: Path) -> None:
    zeroshot.save(backbone(tmp_path / "cache"), tmp_path / "model")
    assert zeroshot.load(tmp_path / "model").cache is None


def test_a_clone_has_it(tmp_path: Path) -> None:
    assert clone(TimmFeatures(cache=tmp_path)).cache == tmp_path


@pytest.mark.parametrize("cache", [1.5, [], b"cache"])
def test_other_values_are_refused(cache: Any) -> None:
    with pytest.raises(ValueError, match="cache must be True"):
        TimmFeatures(cache=cache).fit()
