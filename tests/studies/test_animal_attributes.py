"""studies/animal_attributes.py and awa1_hand_made.py: animals by their attributes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from sklearn.utils import Bunch

from zeroshot import AttributeTable, SourceHead

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


def test_every_method_on_hand_made_features_runs(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "studies"))
    import awa1_hand_made

    rng = np.random.default_rng(0)
    names = ["lion", "tiger", "zebra", "horse", "ox", "seal", "wolf", "fox"]
    target = np.repeat(names, 5)
    data = Bunch(
        data=rng.random((40, 12)),
        feature_columns={"sift": slice(0, 8), "phog": slice(8, 12)},
        attributes=AttributeTable(rng.random((8, 3)), names),
        target=target,
        unseen_classes=["wolf", "fox"],
    )
    train = np.isin(target, names[:6])
    found = {}
    for name, classifier, X in awa1_hand_made.rows(data):
        model = classifier.fit(X[train], target[train])
        found[name] = set(model.predict(X[~train]))
    assert len(found) == 7 and all(named <= {"wolf", "fox"} for named in found.values())


def test_the_page_shows_the_hand_made_features():
    kept = json.loads((ROOT / "docs/results/awa1_hand_made.json").read_text())
    page = (ROOT / "docs/results.md").read_text()
    for name, (value, low, high) in kept["accuracy"].items():
        assert f"| {name} | {value:.3f} [{low:.3f}, {high:.3f}] |" in page
    for name, value in kept["published"].items():
        assert f"| {name} | {value:.3f} |" in page
