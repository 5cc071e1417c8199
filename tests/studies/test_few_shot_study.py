"""The few-shot study: its parts, the whole of it at its smallest size, and its page's tables."""

from __future__ import annotations

import dataclasses
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).parents[2]
MODULES = ("few_shot", "few_shot_features", "few_shot_methods", "few_shot_tables")
MODULES += ("few_shot_figures", "few_shot_prior", "archive_features", "class_groups", "kept_parts")


@pytest.fixture(scope="module")
def study() -> Iterator[ModuleType]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "studies"))
        import few_shot

        yield few_shot
    for name in MODULES:
        sys.modules.pop(name, None)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("study")


@pytest.fixture(scope="module")
def data(study: ModuleType) -> Iterator[Any]:
    """Return the smallest preset's data, whose networks are opened once."""
    with pytest.MonkeyPatch.context() as patch:
        loaded = study.load(study.PRESETS["tiny"])
        patch.setattr(study, "load", lambda preset: loaded)
        yield loaded


@pytest.fixture(scope="module")
def record(study: ModuleType, data: Any, folder: Path) -> dict:
    arguments = ["--preset", "tiny", "--work", str(folder / "work")]
    arguments += ["--output", str(folder / "o.json"), "--plot", str(folder / "plot")]
    return study.main(arguments)


@pytest.mark.slow  # a whole study, small
def test_every_depth_and_method_stands_beside_the_controls(record: dict) -> None:
    curve = record["curves"]["all classes"]
    rows = [name.split(", ") for name in curve["scores"]]
    depths = ["pixels", "first layer", "middle layer", "penultimate layer"]
    methods = ["linear SVM", "logistic regression", "nearest class mean"]
    assert rows[:-1] == [[method, depth] for depth in depths for method in methods]
    assert rows[-1] == ["SimilarityInitializer", "WordNet", "penultimate layer"]
    assert list(curve["controls"]) == ["most frequent label", "random labels"]
    assert curve["controls"]["most frequent label"] == [1 / 8, 1 / 8]
    assert list(curve["scores"]["SimilarityInitializer, WordNet, penultimate layer"])[0] == "0"
    for name, by_shot in curve["scores"].items():
        assert all(len(draws) == 2 for draws in by_shot.values()), name
        assert by_shot["2"] > curve["controls"]["most frequent label"], name
    assert record["widths"] == {
        "pixels": 3072, "first layer": 1152, "middle layer": 1280, "penultimate layer": 1280,
    }  # fmt: skip


def test_groups_of_classes_make_up_the_whole(record: dict) -> None:
    sizes, curves = record["groups"], record["curves"]
    assert sizes["ImageNet synonyms"] + sizes["the rest"] == sizes["all classes"] == 8
    for name, by_shot in curves["all classes"]["scores"].items():
        for shot, draws in by_shot.items():
            parts = [curves[group]["scores"][name][shot] for group in list(sizes)[1:]]
            weights = [sizes[group] for group in list(sizes)[1:]]
            np.testing.assert_allclose(np.average(parts, 0, weights), draws, atol=2e-4)


def test_differences_are_those_of_the_scores(record: dict) -> None:
    scores = record["curves"]["all classes"]["scores"]
    assert len(record["differences"]) == 12
    for each in record["differences"]:
        for shot, found in each["by"].items():
            pairs = np.subtract(scores[each["of"]][shot], scores[each["less"]][shot])
            assert found["mean"] == pytest.approx(pairs.mean(), abs=2e-4)
            assert found["low"] <= found["mean"] <= found["high"]


def test_purity_counts_the_nearest_others(study: ModuleType) -> None:
    from few_shot_tables import neighbors

    vectors = np.eye(3)[np.repeat([0, 1, 2], [3, 4, 5])]
    found = neighbors(vectors)
    assert found.shape == (12, 10)
    assert all(row not in found[row] for row in range(12))
    rng = np.random.default_rng(0).normal(size=(30, 4))
    vectors = rng / np.linalg.norm(rng, axis=1, keepdims=True)
    for row, near in enumerate(neighbors(vectors)):
        cosines = vectors @ vectors[row]
        others = np.delete(np.arange(30), row)
        assert set(near) == set(others[np.argsort(-cosines[others])][:10])


def test_penalties_come_from_training_images(study: ModuleType, data: Any, record: dict) -> None:
    from few_shot_methods import choose_penalty

    features = {  # whoever looks at a test image, fails
        depth: (train, np.full_like(test, np.nan)) for depth, (train, test) in data.features.items()
    }
    blind = dataclasses.replace(data, features=features)
    tried = choose_penalty(blind, "pixels", "linear SVM", study.PRESETS["tiny"])
    assert tried == record["penalties"]["linear SVM"]["pixels"]


def test_the_study_keeps_what_it_printed_and_draws_it(record: dict, folder: Path) -> None:
    kept = json.loads((folder / "o.json").read_text())
    assert kept == json.loads(json.dumps(record))
    assert kept["command"].startswith("python studies/few_shot.py --preset tiny")
    for name in ("curves", "depths", "map"):
        with Image.open(folder / f"plot-{name}.png") as picture:
            picture.load()
            assert min(picture.size) > 300


def test_finished_parts_are_not_computed_again_and_others_are(
    study: ModuleType,
    record: dict,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    made = []

    def measured(data: object, depth: str, method: str, *_: object) -> dict:
        made.append((depth, method))
        return part

    monkeypatch.setattr(study, "measure", measured)
    arguments = ["--preset", "tiny", "--work", str(folder / "work")]
    assert study.main(arguments)["curves"] == record["curves"] and not made
    assert "| control: random labels |" in capsys.readouterr().out
    lost = next(
        path
        for path in (folder / "work").glob("curve-*.json")
        if "linear SVM, middle layer" in path.read_text()
    )
    part = json.loads(lost.read_text())["figures"]
    lost.unlink()
    study.main(arguments)
    assert made == [("middle layer", "linear SVM")]


def test_the_pages_tables_are_those_of_the_recorded_study(study: ModuleType) -> None:
    from few_shot_tables import tables

    page = (ROOT / "docs/few_shot.md").read_text()
    kept = json.loads((ROOT / "docs/results/few_shot.json").read_text())
    command = re.sub(r"\s*\\\n\s*", " ", page)
    assert f"ZEROSHOT_DATA=FOLDER {kept['command']}" in command
    for title, table in tables(kept).items():
        assert f"### {title}\n" in page, title
        assert table in page, title
    for name in ("curves", "depths", "map"):
        assert f"](results/few_shot-{name}.png)" in page


def test_python_of_the_page_runs(capsys: pytest.CaptureFixture[str]) -> None:
    matplotlib.use("Agg")
    (block,) = re.findall(
        r"```python\n(.*?)```", (ROOT / "docs/few_shot.md").read_text(), re.DOTALL
    )
    exec(compile(block, "few_shot.md", "exec"), {})
    plt.close("all")
    printed = capsys.readouterr().out
    assert "random labels" in printed and "Difference(mean=" in printed
