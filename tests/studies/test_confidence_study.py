"""The study of confidence, on a small data set."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest
from many_classes import samples

from zeroshot.model_selection import ClassShuffleSplit

STUDIES = Path(__file__).parents[2] / "studies"


@pytest.fixture
def study(monkeypatch):
    monkeypatch.syspath_prepend(str(STUDIES))
    spec = importlib.util.spec_from_file_location("confidence", STUDIES / "confidence.py")
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "confidence", module)
    spec.loader.exec_module(module)
    return module


def test_figures_are_those_of_the_samples(study, monkeypatch):
    monkeypatch.setattr(study, "N_BOOTSTRAP", 20)
    table, X, y = samples(n_rows=30, noise=1.2)
    is_train = np.arange(len(y)) % 3 > 0
    splits = ClassShuffleSplit(n_splits=2, test_size=20, random_state=0)
    found = study.run(X, y, is_train, table, study.MODELS["DeViSE, ridge"], splits)
    ours, means = found["unseen"]["ours"], found["means_over_splits"]
    assert ours["accuracy"] == pytest.approx(np.mean(found["each_split"]["accuracy"]), abs=0.02)
    assert 0 <= ours["ece_simulated"] < 0.1 and ours["aurc"] < ours["aurc_random_rejection"]
    assert 0.7 < means["set_coverage"] <= 1 and 1 <= means["set_size"] <= 20
    assert means["any_of_these"] > means["any_of_these_by_probability"]
    assert study.summary(found)
