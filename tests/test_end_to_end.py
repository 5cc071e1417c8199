"""The whole path, from files to the names of classes that no training image showed."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from sklearn.base import clone
from sklearn.model_selection import cross_validate
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import Normalizer

import zeroshot
from zeroshot import (
    DeViSEClassifier,
    DummyZeroShotClassifier,
    OpenLabelClassifier,
    TimmFeatures,
    WordVectors,
)
from zeroshot.cli import main
from zeroshot.datasets import fetch_cifar100, load_image_folder
from zeroshot.metrics import SCORERS
from zeroshot.model_selection import ClassKFold, with_candidates

N_SEEN, N_UNSEEN, N_IMAGES = 40, 10, 12

Record = Callable[[str, object], None]


@pytest.fixture(scope="module")
def images(archives: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return images, labels, and which rows are of unseen classes, out of the real archive."""
    data = fetch_cifar100(subset="train", data_home=archives, download_if_missing=False)
    names = np.random.default_rng(0).permutation(data.class_names)[: N_SEEN + N_UNSEEN]
    rows = np.concatenate([np.flatnonzero(data.target == name)[:N_IMAGES] for name in names])
    y = data.target[rows]
    return data.images[rows], y, np.isin(y, names[N_SEEN:])


@pytest.fixture(scope="module")
def archives() -> Path:
    named = os.environ.get("ZEROSHOT_DATA")
    if not named:
        pytest.skip("ZEROSHOT_DATA names no folder with the data sets' archives")
    return Path(named)


@pytest.fixture(scope="module")
def backbone() -> TimmFeatures:
    return TimmFeatures(image_size=128, progress=False).fit()


@pytest.fixture(scope="module")
def features(images: tuple, backbone: TimmFeatures) -> np.ndarray:
    return backbone.transform(images[0])


@pytest.mark.data
@pytest.mark.parametrize("kind", ["closed form", "defaults"])
def test_archive_to_unseen_classes_three_times_chance(
    kind: str, images: tuple, features: np.ndarray, record_testsuite_property: Record
) -> None:
    pixels, y, unseen = images
    assert pixels.dtype == np.uint8
    assert pixels.shape == (600, 32, 32, 3)
    words, names = WordVectors(), np.unique(y)
    options: dict[str, Any] = {"candidates": names, "scenario": "unseen"}
    models = {
        "closed form": make_pipeline(
            Normalizer(), DeViSEClassifier(words, loss="mse", alpha=10, **options)
        ),
        "defaults": make_pipeline(DeViSEClassifier(words, random_state=0, **options)),
    }
    model = models[kind].fit(features[~unseen], y[~unseen])
    assert len(model[-1].unseen_classes_) == N_UNSEEN
    assert set(model[-1].seen_classes_).isdisjoint(y[unseen])
    accuracy = SCORERS["unseen_accuracy"](model, features[unseen], y[unseen])
    control = DummyZeroShotClassifier(words, strategy="constant", **options)
    control.fit(features[~unseen], y[~unseen])
    chance = SCORERS["unseen_accuracy"](control, features[unseen], y[unseen])
    record_testsuite_property(f"CIFAR-100 archive, {kind}: unseen accuracy", round(accuracy, 3))
    record_testsuite_property(f"CIFAR-100 archive, {kind}: control", round(chance, 3))
    assert chance == pytest.approx(1 / N_UNSEEN)
    assert accuracy >= 3 * chance


@pytest.mark.data
def test_cross_validation_over_classes_from_raw_images(images: tuple) -> None:
    X, y, _ = images
    names = np.unique(y)[:8]
    rows = np.concatenate([np.flatnonzero(y == name)[:3] for name in names])
    model = make_pipeline(
        TimmFeatures(image_size=64, progress=False),
        Normalizer(),
        DeViSEClassifier(WordVectors(), loss="mse", candidates=names, scenario="unseen"),
    )
    scoring = {"accuracy": "accuracy", "unseen": SCORERS["unseen_accuracy"]}
    scores = cross_validate(
        model, X[rows], y[rows], cv=ClassKFold(2), scoring=scoring, error_score="raise"
    )
    assert np.all((scores["test_accuracy"] >= 0) & (scores["test_accuracy"] <= 1))
    np.testing.assert_allclose(scores["test_accuracy"], scores["test_unseen"])


@pytest.mark.data
def test_a_list_of_pil_images_and_the_array_give_the_same_answers(
    images: tuple, backbone: TimmFeatures
) -> None:
    X, y, unseen = images
    model = make_pipeline(
        clone(backbone).set_params(precision="float32"),
        Normalizer(),
        DeViSEClassifier(WordVectors(), loss="mse", candidates=np.unique(y), scenario="unseen"),
    ).fit(X[~unseen][::8], y[~unseen][::8])
    pictures = [Image.fromarray(image) for image in X[unseen][:10]]
    np.testing.assert_array_equal(model.predict(pictures), model.predict(X[unseen][:10]))


def draw(path: Path, color: tuple[int, int, int], seed: int) -> None:
    """Write a photo-like picture: a colour with noise."""
    noise = np.random.default_rng(seed).integers(-40, 40, (40, 50, 3))
    pixels = np.clip(np.array(color) + noise, 0, 255).astype(np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def test_folder_of_pictures_to_saved_model_to_new_labels(tmp_path: Path) -> None:
    colors = {"fire_engine": (200, 30, 30), "frog": (30, 160, 40), "ocean": (30, 60, 200)}
    for name, color in colors.items():
        for number in range(4):
            draw(tmp_path / "photos" / name / f"{number}.png", color, seed=number)
    data = load_image_folder(tmp_path / "photos")
    assert data.class_names == sorted(colors)
    model = Pipeline(
        [
            ("features", TimmFeatures(image_size=64, progress=False)),
            ("normalize", Normalizer()),
            ("devise", DeViSEClassifier(WordVectors(), loss="mse")),
        ]
    ).fit(data.paths, data.target)
    assert np.mean(model.predict(data.paths) == data.target) == 1

    zeroshot.save(model, tmp_path / "model")
    assert {path.suffix for path in (tmp_path / "model").iterdir()} == {".json", ".safetensors"}
    loaded = zeroshot.load(tmp_path / "model")
    np.testing.assert_array_equal(
        loaded.decision_function(data.paths), model.decision_function(data.paths)
    )

    new = ["lake", "sofa", "tomato"]
    for pipeline in (model, loaded):
        view = with_candidates(pipeline, new)
        assert view.classes_.tolist() == new
        assert view[-1].unseen_classes_.tolist() == new
        assert set(view.predict(data.paths)) <= set(new)
        assert view.predict(data.paths[-1:]).tolist() == ["lake"]  # the ocean's nearest of them
    assert model.classes_.tolist() == sorted(colors)  # the view changed nothing
    np.testing.assert_array_equal(
        with_candidates(loaded, new).decision_function(data.paths),
        with_candidates(model, new).decision_function(data.paths),
    )


def synonyms(backbone: TimmFeatures) -> set[str]:
    """Return every name of every ImageNet-1k class, in lower case."""
    labels = backbone.source_head_.labels
    return {name.strip().lower() for label in labels for name in label.split(",")}


@pytest.mark.data
def test_open_photos_are_named_from_56_labels_with_the_defaults(
    archives: Path,
    backbone: TimmFeatures,
    tmp_path: Path,
    capsys: pytest.CaptureFixture,
    record_testsuite_property: Record,
) -> None:
    """Through the command line. ImageNet's own labels and the rest are counted apart."""
    folder = archives / "open-photos"
    truth = json.loads((folder / "labels.json").read_text("utf-8"))
    labels = tmp_path / "labels.txt"
    labels.write_text("\n".join(sorted(set(truth.values()))), encoding="utf-8")
    assert main(["predict", str(folder), "--labels", str(labels), "--format", "json"]) == 0
    answers = json.loads(capsys.readouterr().out)
    assert {Path(answer["path"]).name for answer in answers} == set(truth)
    assert all(len(answer["labels"]) == 5 for answer in answers)

    y = np.array([truth[Path(answer["path"]).name] for answer in answers])
    top = np.array([answer["labels"] for answer in answers])
    known = synonyms(backbone)
    is_synonym = np.array([label.lower() in known for label in y])
    parts = {"all": np.ones(len(y), bool), "synonyms": is_synonym, "rest": ~is_synonym}
    figures = {}
    for name, part in parts.items():
        figures[name] = (
            int(part.sum()),
            round(float(np.mean(top[part, 0] == y[part])), 3),
            round(float(np.mean((top[part] == y[part, np.newaxis]).any(axis=1))), 3),
        )
        record_testsuite_property(f"open photos, {name}: images, top-1, hit@5", figures[name])
    assert len(np.unique(y)) == 56
    assert (figures["synonyms"][0], figures["rest"][0]) == (27, 36)
    assert figures["all"][1] >= 0.58
    assert figures["all"][2] >= 0.74
    assert figures["rest"][1] >= 0.44
    assert figures["rest"][2] >= 0.64
    assert figures["synonyms"][1] > figures["rest"][1] > 3 / 56


@pytest.mark.data
def test_the_five_lines_are_the_command_line(archives: Path, capsys: pytest.CaptureFixture) -> None:
    """`zeroshot predict` is `OpenLabelClassifier` on the ImageNet head, and nothing else."""
    photos = [str(path) for path in sorted((archives / "open-photos").glob("*.jpg"))[:6]]
    labels = ["crane", "duck", "hen", "penguin", "toucan", "steam locomotive"]
    assert main(["predict", *photos, "--labels", ",".join(labels), "--format", "json"]) == 0
    answers = json.loads(capsys.readouterr().out)
    features = TimmFeatures()
    X = features.fit_transform(photos)
    model = OpenLabelClassifier(features.source_head_, candidates=labels).fit()
    names, scores = model.predict_top_k(X, 5)
    assert [answer["labels"] for answer in answers] == names.tolist()
    np.testing.assert_allclose([answer["scores"] for answer in answers], scores, atol=1e-5)
