"""``studies/tried_ideas.py``: the formulas of what was tried, and its parts on small data."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from zeroshot import OpenLabelClassifier, SourceHead
from zeroshot.taxonomy import resolve

STUDIES = Path(__file__).parents[2] / "studies"
SOURCES = [
    "dog",
    "oboe",
    "truck",
    "lion",
    "pillow",
    "sparrow",
    "fox",
    "flute",
    "van",
    "eagle",
    "chair",
]


@pytest.fixture
def study(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    monkeypatch.syspath_prepend(str(STUDIES))
    before = set(sys.modules)
    import tried_ideas

    yield tried_ideas
    for name in set(sys.modules) - before:
        if (STUDIES / f"{name}.py").exists():
            del sys.modules[name]


def head(n_features: int = 5) -> SourceHead:
    rng = np.random.default_rng(0)
    wnids = resolve(SOURCES).wnids
    return SourceHead(rng.normal(size=(11, n_features)), rng.normal(size=11), SOURCES, wnids)


def test_smoothed_means_are_those_of_the_gaussian_posterior(study: ModuleType) -> None:
    rng = np.random.default_rng(1)
    factor = rng.normal(size=(4, 6))
    kernel, means = factor @ factor.T, rng.normal(size=(4, 3))
    counts = np.array([1, 2, 5, 9])
    prior = np.linalg.inv(0.8 * kernel + 0.2 * np.eye(4))
    noise = np.diag(counts / 10)
    expected = np.linalg.inv(prior + noise) @ noise @ means
    found = study.posterior_means(means, kernel, counts, share=0.8, noise=10)
    np.testing.assert_allclose(found, expected)


def test_a_prior_is_standardised_by_images_of_other_classes(study: ModuleType) -> None:
    rng = np.random.default_rng(2)
    scores, train = rng.normal(size=(3, 2)), rng.normal(size=(5, 2))
    codes = np.array([0, 0, 1, 1, 1])
    expected = np.column_stack(
        [
            (scores[:, 0] - train[2:, 0].mean()) / train[2:, 0].std(),
            (scores[:, 1] - train[:2, 1].mean()) / train[:2, 1].std(),
        ]
    )
    np.testing.assert_allclose(study.standardised(scores, train, codes), expected)


def test_every_other_row_stands_beside_the_model_as_it_is(study: ModuleType) -> None:
    rng = np.random.default_rng(3)
    names = np.array(["bassoon", "bus", "tiger", "wolf", "sofa", "lion"])
    y = np.repeat(names, 10)
    task = study.Task(rng.normal(size=(60, 5)), y, head(), np.sort(names), y == "lion")
    found = study.hidden({"some": [task]})
    model = OpenLabelClassifier(task.head, candidates=task.candidates).fit()
    right = model.predict(task.X[:50]) == y[:50]
    assert found["as it is"]["some, top-1"] == round(right.mean(), 4)
    assert list(found) == list(study.HIDDEN)
    assert len({json.dumps(figures) for figures in found.values()}) > 1


def test_few_images_are_judged_at_the_best_weight_of_the_prior(
    study: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(4)
    names = ["bassoon", "bus", "tiger", "wolf"]
    y = np.repeat(names, 6)
    centers = np.repeat(3 * np.eye(4, 5), 6, axis=0)
    X, X_test = (centers + rng.normal(size=(24, 5)) for _ in range(2))
    synsets = dict(zip(names, resolve(names).wnids, strict=True))
    monkeypatch.setattr(study, "IMAGES", (1, 4))
    monkeypatch.setattr(study, "N_DRAWS", 2)
    found = study.few_shot(study.Study(X, y, X_test, y, head(), synsets, {}))
    assert len(found) == 7
    for figures in found.values():
        assert list(figures) == ["1", "4"]
        assert figures["4"] > 0.5  # of four classes that images tell apart
    images, prior = rng.normal(size=(2, 8, 3))
    true = rng.integers(3, size=8)
    found = study.by_weight(images, prior, true)
    assert found[0] == (images.argmax(axis=1) == true).mean()
    many = (images + 1e3 * prior).argmax(axis=1) == true
    monkeypatch.setattr(study, "PRIOR_WEIGHTS", (1e6,))
    assert study.by_weight(images, prior, true) == [many.mean()]
