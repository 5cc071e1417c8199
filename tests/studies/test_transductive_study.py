"""The study of batches of unlabelled images: its parts, and what it prints."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from zeroshot.estimators import _transductive

ROOT = Path(__file__).parents[2]
STUDIES = ROOT / "studies"


@pytest.fixture
def study(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    monkeypatch.syspath_prepend(str(STUDIES))
    before = set(sys.modules)
    import transductive

    yield transductive
    for name in set(sys.modules) - before:
        if (STUDIES / f"{name}.py").exists():
            del sys.modules[name]


@pytest.mark.parametrize(
    ("title", "most", "least", "total"),
    [("50", 50, 50, 1000), ("2", 2, 2, 40), ("50 to 1", 50, 1, None), ("absent", 20, 20, 200)],
)
def test_batches_have_the_images_that_their_title_says(
    study: ModuleType, title: str, most: int, least: int, total: int | None
) -> None:
    y = np.repeat([f"class {i:02}" for i in range(20)], 60)
    batches = list(study.drawn_batches(y, title, seed=3, n_draws=2))
    assert len(batches) == 2 and not np.array_equal(*batches)
    for rows in batches:
        counts = np.unique(y[rows], return_counts=True)[1]
        assert len(rows) == len(set(rows)) and counts.max() == most
        assert counts.min() == least and (title != "absent" or len(counts) == 10)
        assert total is None or len(rows) == total


def test_a_constant_is_changed_for_a_while_only(study: ModuleType) -> None:
    before = _transductive.SHARPNESS
    with study.constant("SHARPNESS", 7.0):
        assert _transductive.SHARPNESS == 7.0
    assert before == _transductive.SHARPNESS
    for name, values in study.GRID.items():
        assert getattr(_transductive, name) in values


def test_tables_say_that_the_batch_is_seen(
    study: ModuleType, capsys: pytest.CaptureFixture
) -> None:
    figure = {"value": 0.5, "interval": [0.4, 0.6], "gain": 0.1, "gain_interval": [0.05, 0.15]}
    by_size = {"50": {"inductive": figure, "transductive (sees the test images)": figure}}
    study.show({"random_state=0": {"no head": by_size}})
    out = capsys.readouterr().out
    assert "transductive (sees the test images)" in out
    assert "50 images per class" in out and "+0.100 (+0.050 to +0.150)" in out


def test_counts_of_splits_become_accuracies_and_a_paired_gain(study: ModuleType) -> None:
    first = {"ant": [10, 8, 4], "bee": [10, 6, 6]}
    found = study.figures([first, {"ant": [5, 5, 3]}])
    now = found["transductive (sees the test images)"]
    assert found["inductive"]["value"] == pytest.approx(13 / 25)
    assert now["value"] == pytest.approx(19 / 25) and now["gain"] == pytest.approx(6 / 25)
    assert now["gain_interval"] == [0.0, pytest.approx(6 / 15)]


def test_the_page_has_the_recorded_figures() -> None:
    page = (ROOT / "docs" / "results.md").read_text(encoding="utf-8")
    section = page[page.index("## A batch of unlabelled images") :]
    record = json.loads((ROOT / "docs/results/transductive.json").read_text(encoding="utf-8"))
    assert f"`{record.pop('command')}`" in section
    cells = 0
    for by_model in record.values():
        for by_size in by_model.values():
            for found in by_size.values():
                before, now = found["inductive"], found["transductive (sees the test images)"]
                low, high = now["gain_interval"]
                cell = f"| {before['value']:.3f} | **{now['value']:.3f}** | {now['gain']:+.3f} "
                assert f"{cell}[{low:.3f}, {high:.3f}] |" in section
                cells += 1
    assert cells == 32
