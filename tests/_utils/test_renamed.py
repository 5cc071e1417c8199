"""Parameters of earlier versions: what the old name is answered with, and what still works."""

from __future__ import annotations

import inspect
import pickle

import pytest
from sklearn.base import BaseEstimator, clone
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline

from zeroshot import HashEmbedding
from zeroshot._utils._renamed import moved, old_names, renamed, translated
from zeroshot.persistence._label_embeddings import restore_embedding


class Part(BaseEstimator):
    def __init__(self, *, epochs=None, callbacks=None):
        self.epochs = epochs
        self.callbacks = callbacks


@renamed(gamma="calibration", gamma_="calibration_")
@moved(Part, to="training", names=["epochs", "callbacks"])
class Model(BaseEstimator):
    """A model."""

    def __init__(self, vectors=None, *, calibration=1.0, training=None):
        """Assign."""
        self.vectors = vectors
        self.calibration = calibration
        self.training = training

    def fit(self, X, y=None):
        return self

    def score(self, X, y=None):
        return self.calibration


class Inherits(Model):
    """One that has the parameters of its base."""


def message_of(error, call):
    with pytest.raises(error) as caught:
        call()
    return str(caught.value)


def test_the_constructor_shows_the_line_to_write():
    assert message_of(TypeError, lambda: Model([1], gamma=0.5)) == (
        "Model: gamma is now calibration. Write Model(..., calibration=0.5)."
    )
    assert message_of(TypeError, lambda: Model(epochs=25)) == (
        "Model: epochs is now part of training. Write Model(..., training=Part(epochs=25))."
    )
    assert message_of(TypeError, lambda: Inherits(epochs=2, callbacks=["x"], gamma=3)) == (
        "Inherits: epochs, callbacks, gamma are now part of training, calibration. Write "
        "Inherits(..., training=Part(epochs=2, callbacks=['x']), calibration=3)."
    )
    assert message_of(TypeError, lambda: Model(epochs="9" * 99)).endswith("Part(epochs=...)).")


def test_set_params_and_a_search_show_the_line_to_write():
    want = "Model: epochs is now part of training. Write set_params(training__epochs=25)."
    assert message_of(ValueError, lambda: Model().set_params(epochs=25)) == want
    inside = Pipeline([("model", Model())])
    assert message_of(ValueError, lambda: inside.set_params(model__epochs=25)) == want
    search = GridSearchCV(Model(), {"gamma": [1.0, 2.0]}, cv=2)
    assert "Write set_params(calibration=1.0)." in message_of(
        ValueError, lambda: search.fit([[0]] * 4, [0] * 4)
    )


def test_an_unknown_name_is_still_pythons_and_scikit_learns_error():
    assert "unexpected keyword argument 'epoch'" in message_of(TypeError, lambda: Model(epoch=1))
    assert "Invalid parameter 'epoch'" in message_of(
        ValueError, lambda: Model().set_params(epoch=1)
    )


def test_the_signature_and_the_docstring_stay_clean():
    assert list(inspect.signature(Model).parameters) == ["vectors", "calibration", "training"]
    assert inspect.getdoc(Model.__init__) == "Assign."
    assert set(Model().get_params()) == {"vectors", "calibration", "training"}
    model = clone(Model([1], calibration=2, training=Part(epochs=3)))
    assert model.get_params()["training__epochs"] == 3 and model.calibration == 2
    assert model.set_params(training__epochs=4, calibration=5).training.epochs == 4
    assert repr(pickle.loads(pickle.dumps(model))) == repr(model)


def test_saved_values_are_translated():
    assert old_names(Part) == {} and translated(Part, {"epochs": 1}) == {"epochs": 1}
    new = translated(Model, {"vectors": None, "gamma": 2, "epochs": 3, "callbacks": None})
    assert repr(new.pop("training")) == "Part(epochs=3)"
    assert new == {"vectors": None, "calibration": 2}
    assert translated(Model, {"gamma_": 2.5, "n_": 1}) == {"calibration_": 2.5, "n_": 1}


def test_an_object_that_is_not_an_estimator_can_have_old_names():
    @renamed(pretrained="weights")
    class Tower:
        def __init__(self, weights=None):
            self.weights = weights

    assert Tower(weights="a").weights == "a" and not hasattr(Tower, "set_params")
    want = "Tower: pretrained is now weights. Write Tower(..., weights='a')."
    assert message_of(TypeError, lambda: Tower(pretrained="a")) == want


def test_a_label_embedding_is_restored_from_its_old_names(monkeypatch):
    monkeypatch.setattr(HashEmbedding, "_old_names", {"width": ("n_dims", None)}, raising=False)
    old = {"type": "HashEmbedding", "width": 4, "seed": 1}
    for arrays in (None, {}):
        assert repr(restore_embedding(old, arrays)) == "HashEmbedding(n_dims=4, seed=1)"
