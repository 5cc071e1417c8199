"""studies/animal_attributes.py: which classes are an animal, and their rows."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from zeroshot import SourceHead

ROOT = Path(__file__).parents[2]


@pytest.fixture
def study(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "studies"))
    import animal_attributes

    return animal_attributes


def test_kinds_of_an_animal_are_that_animal(study):
    # red fox, lion, oboe, chihuahua, tabby
    wnids = ["n02119022", "n02129165", "n03838899", "n02085620", "n02123045"]
    found = study.animals_of(wnids, ["fox", "lion", "chihuahua", "giant+panda"])
    assert found.tolist() == ["fox", "lion", "", "chihuahua", ""]


def test_an_animal_has_the_mean_row_of_its_classes(study):
    head = SourceHead(np.arange(8.0).reshape(4, 2), np.arange(4.0), ["a", "b", "c", "d"])
    rest = study.animal_head(head, np.array(["fox", "fox", "lion", ""]), without={"lion"})
    assert rest.labels.tolist() == ["fox"]
    np.testing.assert_array_equal(rest.coef, [[1.0, 2.0]])
    np.testing.assert_array_equal(rest.intercept, [0.5])


def test_an_interval_holds_its_value(study):
    truth = np.repeat(list("abcd"), 5)
    value, low, high = study.interval(truth, np.arange(20) % 3 > 0)
    assert low < value < high and value == pytest.approx(np.mean([3, 3, 4, 3]) / 5)


def test_the_page_shows_what_the_file_holds():
    kept = json.loads((ROOT / "docs/results/animal_attributes.json").read_text())
    assert kept["command"].startswith("python studies/animal_attributes.py")
    page = (ROOT / "docs/results.md").read_text()
    for name, kinds in kept["accuracy"].items():
        value, low, high = kinds["hidden"]
        assert f"| {name} | {value:.3f} [{low:.3f}, {high:.3f}] |" in page
