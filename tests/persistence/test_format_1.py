"""Models as version 0.1.0 saved them: each still loads, and answers what it answered then."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from zeroshot import load

FOLDER = Path(__file__).parents[1] / "data" / "format_1"
OF_FEATURES = ("devise_hinge", "regressor_hidden", "ale", "sje", "initializer_wup")
OF_IMAGES = ("devise_network", "regressor_network", "softmax", "fine_tune")


@pytest.mark.parametrize("name", [*OF_FEATURES, *OF_IMAGES])
def test_a_model_of_version_0_1_0_answers_as_it_did(name):
    inputs, answers = np.load(FOLDER / "inputs.npz"), np.load(FOLDER / "answers.npz")
    model = load(FOLDER / name)
    X = inputs["features" if name in OF_FEATURES else "images"]
    is_regressor = name.startswith("regressor")
    got = model.predict(X) if is_regressor else model.decision_function(X)
    assert got.shape == answers[name].shape and np.ptp(answers[name]) > 0
    np.testing.assert_allclose(got, answers[name], rtol=1e-5, atol=1e-5)
