"""`Training`: the parameters of training in one object, and how each estimator resolves them."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from zeroshot import (
    ALEClassifier,
    CalibratedStacking,
    DeViSEClassifier,
    EmbeddingRegressor,
    FineTuneClassifier,
    HashEmbedding,
    SJEClassifier,
    SoftmaxClassifier,
    Training,
    load,
    save,
)
from zeroshot.networks import TinyImageNetCNN
from zeroshot.networks._training import resolve_training, training_settings

TABLE = HashEmbedding(4)
Y = np.repeat(["bear", "cat", "dog"], 8)
X = np.random.default_rng(0).normal(size=(24, 5)) + np.repeat(np.eye(3, 5), 8, axis=0)
ON_FEATURES = {
    "devise": DeViSEClassifier,
    "ale": ALEClassifier,
    "sje": SJEClassifier,
    "regressor": lambda table, **params: EmbeddingRegressor(table, hidden=(3,), **params),
}
on_features = pytest.mark.parametrize("make", ON_FEATURES.values(), ids=ON_FEATURES)

# What the documentation of each says: epochs, learning rate, weight decay.
DEFAULTS = [
    (DeViSEClassifier(), (20, 1e-2, 10.0)),
    (DeViSEClassifier(network="simpnet"), (20, 1e-3, 1e-4)),
    (EmbeddingRegressor(), (25, 1e-3, 1e-4)),
    (EmbeddingRegressor(network="simpnet"), (25, 1e-3, 1e-4)),
    (SoftmaxClassifier(), (25, 1e-3, 1e-4)),
    (FineTuneClassifier(), (25, 1e-3, 0.0)),
    (ALEClassifier(), (20, 1e-2, 20.0)),
    (SJEClassifier(), (20, 1e-2, 20.0)),
]


@pytest.mark.parametrize(("estimator", "expected"), DEFAULTS, ids=str)
def test_what_is_none_is_the_estimators_own_default(estimator, expected):
    def rates(training):
        return training.epochs, training.learning_rate, training.weight_decay

    assert estimator.training is None and rates(resolve_training(estimator)) == expected
    estimator.set_params(training=Training(learning_rate=0.5))
    assert rates(resolve_training(estimator)) == (expected[0], 0.5, expected[2])
    estimator.set_params(training=Training(epochs=3, weight_decay=0))
    assert rates(resolve_training(estimator)) == (3, expected[1], 0)
    assert repr(estimator.training) == "Training(epochs=3, weight_decay=0)"  # left as it was


def test_precision_is_automatic_for_images_only():
    model = DeViSEClassifier(random_state=0, training=Training(device="cpu", accumulation=2))
    training = resolve_training(model)
    assert training_settings(model, training, images=False).precision == "float32"
    assert training_settings(model, training, images=True).precision in ("float32", "bfloat16")
    model.set_params(training__precision="bfloat16")
    settings = training_settings(model, resolve_training(model), images=False)
    assert (settings.precision, settings.accumulation, settings.device) == ("bfloat16", 2, "cpu")


@on_features
def test_nested_parameters_work_without_a_training(make):
    model = make(TABLE, random_state=0)
    with_one = clone(model).set_params(training__epochs=2, training__device="cpu")
    assert model.training is None and with_one.training.epochs == 2
    assert len(with_one.fit(X, Y).history_) == 2
    other = clone(with_one).set_params(training__epochs=3)
    assert (with_one.training.epochs, other.training.epochs) == (2, 3)  # no object is shared
    search = GridSearchCV(model, {"training__epochs": [1, 3]}, cv=2, error_score="raise").fit(X, Y)
    assert len(search.best_estimator_.history_) == search.best_params_["training__epochs"]
    inside = make_pipeline(StandardScaler(), model)
    assert (
        len(
            inside.set_params(**{f"{inside.steps[-1][0]}__training__epochs": 1})
            .fit(X, Y)[-1]
            .history_
        )
        == 1
    )


def test_nested_parameters_reach_through_a_composite():
    model = CalibratedStacking(DeViSEClassifier(TABLE, random_state=0))
    model.set_params(estimator__training__epochs=1)
    assert model.estimator.training.epochs == 1


@pytest.mark.parametrize(
    ("cls", "old", "line"),
    [
        (DeViSEClassifier, {"epochs": 25}, "training=Training(epochs=25)"),
        (EmbeddingRegressor, {"batch_size": 8}, "training=Training(batch_size=8)"),
        (SoftmaxClassifier, {"learning_rate": 0.1}, "training=Training(learning_rate=0.1)"),
        (FineTuneClassifier, {"progress": False}, "training=Training(progress=False)"),
        (ALEClassifier, {"weight_decay": 2}, "training=Training(weight_decay=2)"),
        (
            SJEClassifier,
            {"epochs": 3, "device": "cpu"},
            "training=Training(epochs=3, device='cpu')",
        ),
    ],
)
def test_the_old_keywords_show_the_line_to_write(cls, old, line):
    with pytest.raises(TypeError) as error:
        cls(**old)
    assert str(error.value).startswith(f"{cls.__name__}: {', '.join(old)} ")
    assert str(error.value).endswith(f"now part of training. Write {cls.__name__}(..., {line}).")
    name, value = next(iter(old.items()))
    with pytest.raises(ValueError, match=f"Write set_params\\(training__{name}={value!r}\\)"):
        cls().set_params(**{name: value})
    assert not cls().get_params().keys() & Training().get_params().keys()


@on_features
@pytest.mark.parametrize(
    ("training", "error", "message"),
    [
        ({"epochs": 3}, TypeError, r"training must be a Training or None, got {'epochs': 3}\. Wr"),
        (Training(epochs=0), ValueError, "training.epochs must be an integer of at least 1, got 0"),
        (Training(batch_size=2.5), ValueError, "training.batch_size must be an integer"),
        (Training(accumulation=0), ValueError, "training.accumulation must be an integer"),
        (Training(learning_rate=0), ValueError, "training.learning_rate must be a number above 0"),
        (Training(weight_decay=-1), ValueError, "training.weight_decay must be a number of at le"),
        (Training(progress="no"), ValueError, "training.progress must be True, False or 'auto'"),
        (
            Training(precision="int8"),
            ValueError,
            "training.precision must be one of 'auto', 'float32'",
        ),
        (Training(device="abacus"), ValueError, "training.device must be 'auto' or a torch device"),
        (Training(callbacks=["loud"]), TypeError, "training.callbacks must be callables"),
        (Training(augmentation="mixup"), ValueError, "training.augmentation must be one of"),
        (Training(augmentation="crop_flip"), ValueError, "training.augmentation is for a network"),
        (Training(checkpoint="a"), ValueError, "training.checkpoint is for a network on images"),
    ],
)
def test_bad_values_name_estimator_and_parameter(make, training, error, message):
    model = make(TABLE, training=training, random_state=0)
    with pytest.raises(error, match=f"^{type(model).__name__}: {message}"):
        model.fit(X, Y)


@on_features
def test_callbacks_and_a_bar_are_for_features_too(make, capsys):
    def stop(network, history):
        history[-1]["seen"] = len(history)
        return len(history) == 2

    model = make(TABLE, training=Training(callbacks=[stop], progress=True), random_state=0)
    assert [entry["seen"] for entry in model.fit(X, Y).history_] == [1, 2]
    assert "training (" in capsys.readouterr().err
    model.set_params(training__progress="auto", training__callbacks=None).fit(X, Y)
    assert len(model.history_) > 2 and capsys.readouterr().err == ""


def test_a_saved_model_keeps_its_training_but_not_what_belongs_to_the_run(tmp_path):
    network = TinyImageNetCNN(width=1 / 32)
    training = Training(
        epochs=1,
        batch_size=12,
        augmentation="crop_flip",
        checkpoint=tmp_path / "checkpoint",
        callbacks=[lambda network, history: None],
        progress=False,
    )
    images = np.random.default_rng(0).integers(0, 256, (24, 16, 16, 3)).astype(np.uint8)
    models = {
        "softmax": SoftmaxClassifier(network, training=training, random_state=0),
        "fine": FineTuneClassifier(
            network, resize=16, image_size=16, training=clone(training), random_state=0
        ),
    }
    models["fine"].set_params(training__checkpoint=None)
    for name, model in models.items():
        save(model.fit(images, Y), tmp_path / name)
        loaded = load(tmp_path / name)
        wanted = "Training(augmentation='crop_flip', batch_size=12, epochs=1, progress=False)"
        assert repr(loaded.training) == wanted
        np.testing.assert_array_equal(loaded.predict(images), model.predict(images))
    assert training.callbacks is not None  # saving changes nothing
