"""A calibrated model that version 0.1.0 saved, when its number was called gamma."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from zeroshot import CalibratedStacking, ESZSLClassifier, load, save

FOLDER = Path(__file__).parents[1] / "data" / "format_1" / "calibrated_stacking"


def test_it_loads_and_answers_as_before(tmp_path: Path) -> None:
    assert '"gamma_"' in (FOLDER / "config.json").read_text()
    expected = json.loads((FOLDER / "expected.json").read_text())
    model = load(FOLDER)
    assert isinstance(model, CalibratedStacking) and model.calibration == model.calibration_ == 0.05
    assert model.predict(expected["X"]).tolist() == expected["labels"]
    np.testing.assert_allclose(
        model.decision_function(expected["X"]), expected["scores"], rtol=0, atol=1e-9
    )
    plain = model.estimator_.predict(expected["X"]).tolist()
    assert plain != expected["labels"]  # so that the number counts
    save(model, tmp_path / "new")
    config = (tmp_path / "new" / "config.json").read_text()
    assert '"calibration_"' in config and '"gamma_"' not in config
    assert load(tmp_path / "new").predict(expected["X"]).tolist() == expected["labels"]


def test_the_old_name_is_answered_with_the_line_to_write() -> None:
    with pytest.raises(TypeError, match=r"Write CalibratedStacking\(\.\.\., calibration=0\.3\)\."):
        CalibratedStacking(ESZSLClassifier(), gamma=0.3)
    with pytest.raises(ValueError, match=r"Write set_params\(calibration=0\.3\)\."):
        CalibratedStacking(ESZSLClassifier()).set_params(gamma=0.3)
