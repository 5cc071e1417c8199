"""The study of head initialisation: its parts, and the whole of it at its smallest size."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image
from sklearn.utils import Bunch

from zeroshot import SourceHead, TimmFeatures
from zeroshot.datasets import fetch_cifar100, load_cifar100_features
from zeroshot.taxonomy import class_synsets, synset

STUDIES = Path(__file__).parents[2] / "studies"


@pytest.fixture(scope="module")
def study() -> Iterator[ModuleType]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(STUDIES))
        import similarity_transfer

        yield similarity_transfer
    parts = ("tasks", "figures", "constants")
    for name in (
        "similarity_transfer",
        "archive_features",
        *(f"transfer_{part}" for part in parts),
    ):
        sys.modules.pop(name, None)


@pytest.fixture(scope="module")
def results(study: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict, Path]:
    folder = tmp_path_factory.mktemp("study")
    return study.main(["--preset", "tiny", "--output", str(folder)]), folder


@pytest.mark.slow  # a whole study, small
@pytest.mark.data
def test_the_study_prints_every_row_beside_its_controls(
    data_home: Path, results: tuple[dict, Path], study: ModuleType
) -> None:
    figures = results[0]["CIFAR-100"]
    assert figures["relations"] == {"disjoint": 32, "inclusive": 46, "same": 22}
    few = figures["few images"]
    assert {"nearest class mean", "logistic regression", "random (Xavier)"} < set(few)
    accuracy = {
        name: float(np.mean(cells["2"]["accuracy"]))
        for name, cells in few.items()
        if "accuracy" in cells["2"]
    }
    assert len(accuracy) > 10
    assert min(accuracy.values()) > 0.05  # chance is 0.01
    assert np.mean(few["random (Xavier)"]["2"]["macro F"]) < 0.05
    for cells in few.values():
        if "best" in cells["2"]:
            assert np.all(np.array(cells["2"]["best"]) >= cells["2"]["macro F"])
    names = figures["names alone"]
    assert all(scores["macro F"] > 0.08 for scores in names.values())
    assert {"macro F, ImageNet synonyms", "macro F, the rest"} < set(next(iter(names.values())))


@pytest.mark.slow  # a whole study, small
@pytest.mark.data
def test_the_study_keeps_what_it_printed_and_draws_it(
    data_home: Path, results: tuple[dict, Path]
) -> None:
    figures, folder = results
    kept = json.loads((folder / "similarity_transfer-cifar-100.json").read_text())
    assert kept["results"] == figures["CIFAR-100"]
    assert kept["command"].startswith("python studies/similarity_transfer.py")
    for name in ("neighbors", "few-images", "matched"):
        with Image.open(folder / f"similarity_transfer-cifar-100-{name}.png") as picture:
            picture.load()
            assert min(picture.size) > 200


@pytest.mark.slow  # a whole study, small
@pytest.mark.data
def test_neighbor_curves_go_from_one_source_to_all(results: tuple[dict, Path]) -> None:
    curves = results[0]["CIFAR-100"]["neighbors"]
    assert curves["K"]["K"] == [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000]
    for name, by_relation in curves.items():
        assert {len(scores) for scores in by_relation.values()} == {10}, name


@pytest.mark.slow  # a whole study, small
@pytest.mark.data
def test_a_folder_of_synsets_is_a_task(data_home: Path, study: ModuleType, tmp_path: Path) -> None:
    """The paper's own protocol: random crops to train on, middle crops to test on."""
    from transfer_tasks import folder_task

    data = fetch_cifar100(subset="test", download_if_missing=False)
    # A hypernym of some of ImageNet-1k, one that is apart, and one of its own classes.
    wnids = {"lion": "n02129604", "rose": "n13109733", "snake": "n01726692"}
    for label, wnid in wnids.items():
        (tmp_path / wnid).mkdir()
        for position, row in enumerate(np.flatnonzero(data.target == label)[:4]):
            image = Image.fromarray(data.images[row]).resize((300, 280))
            image.save(tmp_path / wnid / f"{position}.jpg")
    task = folder_task(str(tmp_path))
    assert sorted(task.synsets.values()) == ["n01726692", "n13109733"]  # a lion is a source
    assert sorted(task.relations) == ["disjoint", "inclusive"]
    assert task.train.data.shape == (4, 1280)
    assert task.test.data.shape == (4, 1280)
    assert len(task.test.images([0])[0]) == 280
    chosen = tmp_path / "chosen.txt"
    chosen.write_text("n01726692\n")
    assert list(folder_task(str(tmp_path), str(chosen)).synsets.values()) == ["n01726692"]
    with pytest.raises(ValueError, match="no folder that is named by the wnid"):
        folder_task(str(tmp_path / "n13109733"))


def test_a_random_crop_is_what_the_network_sees(study: ModuleType, tmp_path: Path) -> None:
    from transfer_tasks import random_crop

    pixels = np.random.default_rng(0).integers(0, 256, (256, 300, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "noise.png")
    squares = [
        np.asarray(random_crop(str(tmp_path / "noise.png"), np.random.default_rng(seed)))
        for seed in range(5)
    ]
    places = set()
    for square in squares:
        assert square.shape == (256, 256, 3)
        middle = square[16:240, 16:240]
        found = [
            (top, left)
            for top in range(33)
            for left in range(77)
            if np.array_equal(pixels[top, left : left + 224], middle[0])
        ]
        assert len(found) == 1
        top, left = found[0]
        np.testing.assert_array_equal(middle, pixels[top : top + 224, left : left + 224])
        places.add(found[0])
    assert len(places) > 1


def test_sources_of_the_targets_are_taken_out(study: ModuleType) -> None:
    from transfer_tasks import without

    head = SourceHead(np.eye(3), np.arange(3.0), ["cat", "dog", "owl"], ["n1", "n2", "n3"])
    rest = without(head, {"hound": "n2"})
    assert rest.labels.tolist() == ["cat", "owl"]
    assert rest.wnids.tolist() == ["n1", "n3"]
    np.testing.assert_array_equal(rest.coef, np.eye(3)[[0, 2]])
    np.testing.assert_array_equal(rest.intercept, [0, 2])


def test_paired_intervals_are_students(study: ModuleType) -> None:
    from scipy.stats import ttest_rel

    first, second = np.random.default_rng(1).normal(size=(2, 10))
    expected = ttest_rel(first, second).confidence_interval(0.95)
    assert study.paired_interval(first, second) == pytest.approx(tuple(expected))


@pytest.mark.slow  # a whole study, small
def test_the_constants_are_tried_on_training_images(
    study: ModuleType, capsys: pytest.CaptureFixture
) -> None:
    import transfer_constants

    data = load_cifar100_features(subset="train")
    few = np.isin(data.target, data.class_names[::10])
    train = Bunch(data=data.data[few], target=data.target[few], images=lambda rows: rows)
    head = TimmFeatures(image_size=128).fit().source_head_.project(data.components, data.mean)
    synsets = class_synsets("cifar100")
    task = transfer_constants.Task("ten classes", head, synsets, {}, train, None, train, {})
    table = transfer_constants.choose_constants(task, draws=1)
    assert len(table) == 11
    for name, cells in table.items():
        assert cells["1"][0] > 0.3, name  # chance is 0.1
        assert cells["20"][0] >= cells["1"][0], name
    assert "temperature 4" in capsys.readouterr().out


def test_wordnet_measures_are_tried_on_classes_that_the_head_has_lost(
    study: ModuleType, capsys: pytest.CaptureFixture
) -> None:
    import transfer_constants

    data, synsets = load_cifar100_features(subset="train"), class_synsets("cifar100")
    few = np.isin(data.target, data.class_names[::10])
    wnids = np.array([synsets[label] for label in data.target[few]])
    head = TimmFeatures(image_size=128).fit().source_head_.project(data.components, data.mean)
    left, names = transfer_constants.without(head, wnids), np.unique(wnids)
    known = np.zeros(few.sum(), dtype=bool)
    task = transfer_constants.HiddenTask(data.data[few], wnids, left, names, known)
    table = transfer_constants.choose_measure({"ten": [task]})
    assert len(table) == 4 and "shortest path" in capsys.readouterr().out
    for measure, cells in table.items():
        assert cells["ten, K = 10"] > 0.3, measure  # chance is 0.1


def test_corrected_wu_palmer_is_largest_between_a_class_and_itself(study: ModuleType) -> None:
    import transfer_constants

    wnids = np.array(list(class_synsets("imagenet1k").values())[::10])
    matrix = transfer_constants.wu_palmer(wnids, wnids)
    np.testing.assert_array_equal(np.diag(matrix), 1)
    np.testing.assert_array_equal(matrix, matrix.T)
    np.fill_diagonal(matrix, 0)
    assert 0 < matrix.max() < 1
    dog, cat = (np.array([synset(name).wnid]) for name in ("dog.n.01", "cat.n.01"))
    # Carnivore, eleven edges below the root, lies two above either.
    assert transfer_constants.wu_palmer(dog, cat) == 24 / 28
