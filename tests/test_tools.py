"""The scripts under tools/ rebuild what the package ships."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from loaded_tool import load_tool

from zeroshot import HashEmbedding, TimmFeatures, WordNetEmbedding, WordVectors
from zeroshot.datasets import load_cifar100_features

ROOT = Path(__file__).parents[1]
SHIPPED = ROOT / "zeroshot/datasets/data"


@pytest.fixture(scope="module")
def network() -> TimmFeatures:
    return TimmFeatures(image_size=128, precision="float32", device="cpu").fit()


def test_tools_write_where_the_package_reads() -> None:
    for name in ("build_cifar100_features", "build_class_names"):
        tool = load_tool(name)
        assert tool.TARGET.is_file()
        assert tool.TARGET.parent == SHIPPED


def test_the_tool_takes_as_many_images_as_are_shipped() -> None:
    tool = load_tool("build_cifar100_features")
    for subset, count in tool.IMAGES_A_CLASS.items():
        _, y = load_cifar100_features(subset=subset, return_X_y=True)
        assert set(np.unique(y, return_counts=True)[1]) == {count}
    assert load_cifar100_features().components.shape[0] == tool.N_COMPONENTS


@pytest.mark.data
def test_shipped_rows_are_those_of_the_real_images(
    data_home: Path, monkeypatch: pytest.MonkeyPatch, network: TimmFeatures
) -> None:
    """Of one image in each class: within half a step of int8 of the projected features."""
    monkeypatch.setenv("ZEROSHOT_DATA", str(data_home))
    tool = load_tool("build_cifar100_features")
    shipped = load_cifar100_features(subset="test")
    with np.load(SHIPPED / "cifar100_features.npz", allow_pickle=False) as arrays:
        scale = arrays["scale"]
    images, target = tool.first_of_each_class("test")
    np.testing.assert_array_equal(target, shipped.target)
    rows = np.arange(0, len(target), 20)
    features = network.transform(images[rows])
    exact = (features - shipped.mean) @ shipped.components.T
    steps = np.abs(exact - shipped.data[rows]) / scale
    # Half a step is the rounding to int8; the rest is for another processor's float32.
    assert np.mean(steps <= 0.55) > 0.99
    assert steps.max() <= 1.5
    # And not of neighbours: another image is far off.
    assert np.median(np.abs(exact - shipped.data[rows[::-1]]) / scale) > 3


@pytest.mark.data
def test_a_small_file_is_built_as_the_shipped_one_was(
    data_home: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: Any
) -> None:
    monkeypatch.setenv("ZEROSHOT_DATA", str(data_home))
    tool = load_tool("build_cifar100_features")
    monkeypatch.setattr(tool, "TARGET", tmp_path / "small.npz")
    monkeypatch.setattr(tool, "N_COMPONENTS", 16)
    monkeypatch.setattr(tool, "IMAGES_A_CLASS", {"train": 1, "test": 1})
    tool.main()
    assert "(200, 16)" in capsys.readouterr().out
    with (
        np.load(tmp_path / "small.npz", allow_pickle=False) as small,
        np.load(SHIPPED / "cifar100_features.npz", allow_pickle=False) as shipped,
    ):
        assert set(small.files) == set(shipped.files)
        for name in small.files:
            assert small[name].dtype == shipped[name].dtype, name
            assert small[name].ndim == shipped[name].ndim, name
        assert small["is_train"].sum() == 100
        np.testing.assert_array_equal(small["class_names"], shipped["class_names"])
        np.testing.assert_array_equal(np.abs(small["codes"].astype(int)).max(axis=0), 127)


@pytest.mark.data
def test_class_names_are_rebuilt_to_the_letter(
    data_home: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("ZEROSHOT_DATA", str(data_home))
    tool = load_tool("build_class_names")
    monkeypatch.setattr(tool, "TARGET", tmp_path / "names.json")
    tool.main()
    shipped = json.loads((SHIPPED / "class_names.json").read_text("utf-8"))
    assert json.loads((tmp_path / "names.json").read_text("utf-8")) == shipped


def test_the_network_head_applies_to_the_shipped_features(network: TimmFeatures) -> None:
    bunch = load_cifar100_features(subset="test")
    restored = bunch.data @ bunch.components + bunch.mean
    head = network.source_head_
    projected = head.project(bunch.components, bunch.mean)
    expected = head.decision_function(restored)
    scores = projected.decision_function(bunch.data)
    assert scores.shape == (1000, 1000)
    np.testing.assert_allclose(scores, expected, atol=1e-3 * np.abs(expected).max())


@pytest.mark.data
def test_the_head_on_shipped_features_agrees_with_the_network(
    data_home: Path, monkeypatch: pytest.MonkeyPatch, network: TimmFeatures
) -> None:
    """128 components keep two thirds of the variance, and most of what the head reads in it."""
    monkeypatch.setenv("ZEROSHOT_DATA", str(data_home))
    bunch = load_cifar100_features(subset="test")
    rows = np.arange(0, 1000, 10)
    images, _ = load_tool("build_cifar100_features").first_of_each_class("test")
    head = network.source_head_
    true = head.decision_function(network.transform(images[rows]))
    ours = head.project(bunch.components, bunch.mean).decision_function(bunch.data[rows])
    agreement = np.mean(
        [np.corrcoef(one, other)[0, 1] for one, other in zip(true, ours, strict=True)]
    )
    assert agreement > 0.85
    ten_best = np.argsort(-true, axis=1)[:, :10]
    assert np.mean((ten_best == ours.argmax(axis=1)[:, np.newaxis]).any(axis=1)) > 0.9


def test_the_structure_of_a_checkout_is_counted(tmp_path: Path) -> None:
    package = tmp_path / "zeroshot"
    (package / "low").mkdir(parents=True)
    (package / "high").mkdir()
    (package / "__init__.py").write_text('"""A package."""\n')
    (package / "low" / "__init__.py").write_text("from zeroshot.low._one import f\n")
    (package / "low" / "_one.py").write_text(
        '"""A module.\n\nIts docstring.\n"""\n\n# a comment\n\n\ndef f():\n    """Do."""\n'
        "    from zeroshot.high import g  # upward, inside a function\n\n    return g\n"
    )
    (package / "high" / "__init__.py").write_text(
        "from typing import TYPE_CHECKING\n\nfrom zeroshot.low import f\n\nif TYPE_CHECKING:\n"
        "    from zeroshot.low._one import f as other\n\ng = f\n"
    )
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_package.py").write_text('LAYERS = [{"low"}, {"high"}]\n')
    tool = load_tool("structure")
    tool.crossings = lambda root: 3
    found = tool.figures(tmp_path)
    assert found == {
        "files": 4,
        "rooms": 2,
        "lines of code": 4 + 5,
        "lines of docstring": 1 + 3 + 1 + 1,
        "lines of comment": 1,
        "private modules with one user": 1,
        "modules of at most 60 lines": 4,
        "imports between rooms": 2,
        "upward imports": 1,
        "circles": 1,
        "crossings in a fit of DeViSE": 3,
    }


def test_the_coverage_of_labels_is_counted() -> None:
    tool = load_tool("label_coverage")
    lists = tool.label_lists()
    assert {name: len(labels) for name, labels in lists.items()} == {
        "AWA2": 50,
        "CUB": 200,
        "SUN": 100,
        "Stanford Dogs": 120,
        "CIFAR-100": 100,
        "ImageNet-1k": 1000,
        "Tiny ImageNet": 200,
    }
    embeddings = {"words": WordVectors(), "WordNet": WordNetEmbedding(vocabulary=["dog"])}
    embeddings["sentences"] = HashEmbedding()
    labels = ["killer+whale", "aquarium fish", "qqxyzzy fish", "qqxyzzy", "Boeing 747"]
    assert tool.coverage(labels, embeddings) == {
        "labels": 5,
        "words": 0.8,
        "all words": 0.6,
        "WordNet": 0.6,
        "whole": 0.2,
        "sentences": 1.0,
        "warned of": 0.4,
    }
